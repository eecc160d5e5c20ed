/* A battle box in memory: a verdict, whatever it is. */
#include <bascule/report.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	struct box_verdict v;
	struct err e = {0};

	if (box_verify_bytes(bytes, len_bytes, NULL, &v, &e) != ERR_NONE &&
	    e.code != ERR_TOONEW)
		abort();
	return 0;
}
