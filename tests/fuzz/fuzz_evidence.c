/* The members of a pack, without the seal that would stop every change. */
#include <bascule/report.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(buf_fini) struct buf out = {0};
	struct evidence_verdict v;
	struct err e = {0};

	if (evidence_verify_members(bytes, len_bytes, NULL, &v, &e) !=
		ERR_NONE &&
	    e.code != ERR_TOONEW)
		abort();
	if (evidence_show_text(&v, &out, &e) != ERR_NONE)
		abort();
	return 0;
}
