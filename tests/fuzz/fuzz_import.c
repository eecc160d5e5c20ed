#include <bascule/archive.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Whatever the archive, what comes out fits together or is refused. */
int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct arc_any_member m = {0};
	struct arc_any_block b;
	struct arc_any *r = NULL;
	struct entry entry = {0};
	struct err e = {0};
	size_t members = 0, blocks = 0;
	enum err_code rc = arc_any_open_bytes(&r, bytes, len, &e);

	while (rc == ERR_NONE && members++ < 64) {
		rc = arc_any_next(r, &entry, &m, (struct arc_warn){0}, &e);
		b.ended = false;
		while (rc == ERR_NONE && !b.ended && blocks++ < 256)
			if (arc_any_read(r, &b, &e) != ERR_NONE)
				break;
	}
	entry_fini(&entry);
	arc_any_close(&r);
	return 0;
}
