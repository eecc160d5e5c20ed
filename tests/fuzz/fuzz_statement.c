/* Other sites' words: docs/format/ledger.md, "Statements". */
#include <bascule/ledger.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	struct ack a;
	struct cosign c;
	struct err e = {0};

	/* Nobody here has a key: what is taken was in the corpus. */
	if (ack_read(&a, bytes, len_bytes, &e) == ERR_NONE)
		ASSERT(a.service[0] != '\0');
	if (cosign_read(&c, bytes, len_bytes, &e) == ERR_NONE)
		ASSERT(c.number > 0 && c.site[0] != '\0' && c.by[0] != '\0');
	return 0;
}
