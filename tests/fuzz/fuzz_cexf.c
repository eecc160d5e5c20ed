/* A Common Exercise Format document from anybody; what it becomes must load. */
#include <bascule/report.h>

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static enum err_code
on_lost(void *ctx, const char *place, const char *json, struct err *e)
{
	(void)ctx;
	(void)e;
	if (place[0] == '\0' || json == NULL)
		__builtin_trap();
	return ERR_NONE;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(buf_fini) struct buf conf = {0};
	struct err e;

	if (cexf_import((const char *)bytes, len_bytes, &conf, on_lost, NULL,
		&e) != ERR_NONE &&
	    e.text[0] == '\0')
		__builtin_trap();
	return 0;
}
