#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/job/etcdsay.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Whatever is handed out is bounded and contradicts nothing. */
static enum err_code
on_key(void *ctx, const struct etcdsay_key *k, struct err *e)
{
	const struct etcdsay_header *h = ctx;
	struct etcdsay_register r;
	OWNED(buf_fini) struct buf again = {0};
	struct etcdsay_register twice;

	if (k->revision == 0 || k->revision > h->revision || k->name[0] == '\0')
		abort();
	if (etcdsay_register_read(&r, (const char *)k->value->bytes,
		k->value->len_bytes, e) != ERR_NONE)
		return ERR_NONE;
	if (r.epoch == 0 || r.owner[0] == '\0')
		abort();
	if (etcdsay_register_write(&again, &r, e) != ERR_NONE)
		return ERR_NONE;
	if (etcdsay_register_read(&twice, (const char *)again.bytes,
		again.len_bytes, e) != ERR_NONE ||
	    twice.epoch != r.epoch)
		abort();
	return ERR_NONE;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	OWNED(buf_fini) struct buf body = {0};
	struct etcdsay_header h;
	struct etcdsay_members members;
	struct etcdsay_status status;
	struct err e = {0};
	uint64_t number;
	bool swapped;

	if (buf_add(&body, bytes, size, &e) != ERR_NONE)
		return 0;
	if (etcdsay_range_read(&h, &body, on_key, &h, &e) != ERR_NONE &&
	    e.text[0] == '\0')
		abort();
	if (etcdsay_swap_read(&h, &swapped, &body, &e) != ERR_NONE && swapped)
		abort();
	if (etcdsay_grant_read(&h, &number, &body, &e) == ERR_NONE &&
	    number == 0)
		abort();
	if (etcdsay_keepalive_read(&h, &number, &body, &e) != ERR_NONE &&
	    number != 0)
		abort();
	if (etcdsay_members_read(&h, &members, &body, &e) == ERR_NONE &&
	    members.count > ETCDSAY_MEMBERS_MAX)
		abort();
	if (etcdsay_status_read(&h, &status, &body, &e) != ERR_NONE &&
	    e.text[0] == '\0')
		abort();
	if (etcdsay_refusal(503, &body, &e) == ERR_NONE)
		abort();
	return 0;
}
