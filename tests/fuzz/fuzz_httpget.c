#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/job/httpget.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The first byte: is this all? */
int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct httpget_reply r = {0};
	struct httpget_url u;
	struct err e = {0};
	bool whole;
	char *text;

	if (size == 0)
		return 0;
	if (httpget_parse(&r, bytes + 1, size - 1, bytes[0] & 1, &whole, &e) ==
		ERR_NONE &&
	    r.body.len_bytes > HTTPGET_BODY_MAX)
		abort();
	httpget_reply_fini(&r);
	text = calloc(1, size + 1);
	if (text != NULL) {
		memcpy(text, bytes, size);
		if (httpget_url(&u, text, &e) == ERR_NONE &&
		    (u.host[0] == '\0' || u.port[0] == '\0'))
			abort();
	}
	free(text);
	return 0;
}
