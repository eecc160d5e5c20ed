#include "support/vector.h"

#include <check.h>
#include <string.h>

#include <bascule/base/text.h>

void
vector_open(struct vector *v, const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "tests/vectors/%s", name);
	v->file = fopen(path, "re");
	ck_assert_msg(v->file != NULL, "cannot open %s", path);
	v->len_bytes = 0;
}

void
vector_close(struct vector *v)
{
	fclose(v->file);
	v->file = NULL;
}

static void
value_parse(struct vector *v, char *value)
{
	size_t len = strlen(value);

	ck_assert_uint_le(len, 2 * sizeof v->bytes);
	if (value[0] == '"') {
		v->len_bytes = len - 2;
		memcpy(v->bytes, value + 1, v->len_bytes);
		return;
	}
	v->len_bytes = len / 2;
	ck_assert_msg(text_unhex(value, v->bytes, v->len_bytes), "%s", value);
}

void
vector_next(struct vector *v, const char *name)
{
	char line[1024], *equals;

	while (fgets(line, sizeof line, v->file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		equals = strstr(line, "= ");
		if (line[0] == '#' || equals == NULL)
			continue;
		*equals = '\0';
		while (strlen(line) > 0 && line[strlen(line) - 1] == ' ')
			line[strlen(line) - 1] = '\0';
		if (strcmp(line, name) != 0)
			continue;
		value_parse(v, equals + 2);
		return;
	}
	ck_abort_msg("no %s left in the vectors", name);
}
