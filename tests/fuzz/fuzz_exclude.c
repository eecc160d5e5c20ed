/* Patterns, one a line, and behind the first empty line a path for them. */

#include <stdint.h>
#include <string.h>

#include "../../lib/source/source_exclude.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char text[2049];
	const char *patterns[64];
	size_t count = 0, path_bytes;
	struct source_exclude *x = NULL;
	struct err e = {0};
	char *at = text, *path = text;

	if (len >= sizeof(text))
		return 0;
	memcpy(text, bytes, len);
	text[len] = '\0';
	while (count < 64 && *at != '\0') {
		char *line = strsep(&at, "\n");

		if (at == NULL)
			at = text + len;
		path = at;
		if (*line == '\0')
			break;
		patterns[count++] = line;
	}
	path_bytes = strlen(path);
	if (source_exclude_new(&x, patterns, count, &e) == ERR_NONE &&
	    x != NULL && path_bytes > 0) {
		bool file = source_exclude_match(x, path, path_bytes, false);

		/* A pattern that hits a file hits a directory too. */
		if (file && count == 1 && patterns[0][0] != '!' &&
		    !source_exclude_match(x, path, path_bytes, true))
			__builtin_trap();
	}
	source_exclude_free(&x);
	return 0;
}
