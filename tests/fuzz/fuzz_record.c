/* Records and heads: taken apart, redacted, shown; hashes that must agree. */
#include <bascule/ledger.h>

#include <bascule/report.h>
#include <bascule/wire.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static bool
keep_some(void *ctx, const struct record_field *f)
{
	size_t *n = ctx;

	return ((*n)++ + f->name.len_bytes) % 2 == 0;
}

static void
redact(const struct record *r)
{
	OWNED(buf_fini) struct buf b = {0};
	struct record again;
	struct err e = {0};
	size_t n = 0;

	if (record_redact(r, keep_some, &n, &b, &e) != ERR_NONE)
		return;
	if (b.len_bytes > LEDGER_RECORD_BYTES_MAX)
		return; /* many tiny fields: 32 bytes each when closed */
	if (record_decode(&again, b.bytes, b.len_bytes, &e) != ERR_NONE ||
	    !id_equal(&again.hash, &r->hash))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf line = {0};
	OWNED(free_mem) struct head *h = calloc(1, sizeof(*h));
	struct record r;
	struct err e = {0};

	if (h != NULL && head_decode(h, bytes, len_bytes, &e) != ERR_NONE &&
	    e.code != ERR_CORRUPT)
		abort();
	if (record_decode(&r, bytes, len_bytes, &e) != ERR_NONE) {
		if (e.code != ERR_CORRUPT)
			abort();
		return 0;
	}
	redact(&r);
	record_int(&r, "@actor.uid", 0);
	if (report_event(&r, &line, &e) != ERR_NONE ||
	    record_to_wire(&r, &v, &e) != ERR_NONE ||
	    wire_line(v, &line, &e) != ERR_NONE)
		abort();
	return 0;
}
