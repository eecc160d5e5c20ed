/* A share as somebody typed it: read, and combined with itself. */

#include <string.h>

#include <bascule/crypt.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	OWNED(secret_fini) struct secret text = {0};
	OWNED(shares_free) struct share *s = NULL;
	const struct shares_about *a;
	struct share *two[2];
	struct err e = {0};
	enum err_code rc;

	if (secret_set(&text, bytes, len_bytes, &e) != ERR_NONE)
		return 0;
	rc = shares_read(&s, &text, &e);
	if (rc != ERR_NONE) {
		ASSERT(s == NULL && e.text[0] != '\0');
		ASSERT(rc == ERR_CORRUPT || rc == ERR_TOONEW);
		return 0;
	}
	a = shares_about(s);
	ASSERT(a->threshold >= 2 && a->threshold <= a->count &&
	    a->count <= SHARES_MAX && a->index >= 1 && a->index <= a->count);
	two[0] = two[1] = s;
	ASSERT(shares_combine(&k, two, 2, &e) == ERR_KEY && k == NULL);
	return 0;
}
