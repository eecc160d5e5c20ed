#include <bascule/archive.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct arc_tar_limits limits = {.member_bytes = 1 << 20,
	    .total_bytes = 4 << 20,
	    .member_count = 64};
	struct arc_tar_reader *r = NULL;
	struct buf got = {0};
	struct arc_member m;
	struct err e = {0};
	enum err_code rc;

	rc = arc_tar_reader_open_bytes(&r, bytes, len, &limits, &e);
	while (rc == ERR_NONE) {
		rc = arc_tar_reader_next(r, &m, &e);
		if (rc == ERR_NONE && !path_is_valid(m.name, strlen(m.name)))
			__builtin_trap();
		if (rc == ERR_NONE)
			rc = arc_tar_reader_slurp(r, &got, &e);
		if (rc == ERR_NONE && got.len_bytes != m.size_bytes)
			__builtin_trap();
	}
	arc_tar_reader_close(&r);
	buf_fini(&got);
	return 0;
}
