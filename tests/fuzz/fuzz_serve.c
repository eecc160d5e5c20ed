/*
 * A hostile sender: the bytes of one connection, as they would come.  The fake
 * sink asserts what the receiver promises the repository.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../../lib/replicate/rlink.h"
#include "support/sinkfake.h"

struct input {
	const uint8_t *at;
	size_t left_bytes;
};

/* In pieces, so that messages are cut at odd places. */
static enum err_code
read_input(void *ctx, void *bytes, size_t max_bytes, size_t *got, struct err *e)
{
	struct input *in = ctx;
	size_t n = in->left_bytes < 61 ? in->left_bytes : 61;

	(void)e;
	n = n < max_bytes ? n : max_bytes;
	if (n > 0)
		memcpy(bytes, in->at, n);
	in->at += n;
	in->left_bytes -= n;
	*got = n;
	return ERR_NONE;
}

static enum err_code
write_nowhere(void *ctx, const void *bytes, size_t len_bytes, struct err *e)
{
	(void)ctx, (void)bytes, (void)len_bytes, (void)e;
	return ERR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(receiver_free) struct receiver *r = NULL;
	OWNED(sinkfake_fini) struct sinkfake fake;
	struct input in = {bytes, len_bytes};
	struct transport t = {read_input, write_nowhere, &in};
	struct receiver_sink sink;
	struct receiver_voice voice;
	struct rlink link;
	struct rmsg m;
	struct err e = {0};
	bool ended = false;

	sinkfake_init(&fake, &sink, &voice);
	if (len_bytes > 0) {
		/* One of the sink's calls may fail, by the last byte. */
		enum err_code *const fails[] = {&fake.fail_open,
		    &fake.fail_begin, &fake.fail_add, &fake.fail_end,
		    &fake.fail_flush, &fake.fail_file, &fake.fail_ack};
		uint8_t which = bytes[len_bytes - 1];

		if (which % 8 < COUNT_OF(fails))
			*fails[which % 8] =
			    which & 8 ? ERR_CORRUPT : ERR_NOSPACE;
	}
	if (receiver_new(&r, &sink, &voice, SERVE_PUT, &e) != ERR_NONE)
		return 0;
	rlink_init(&link, &t);
	while (!receiver_has_ended(r) &&
	    rlink_read(&link, &m, &ended, &e) == ERR_NONE && !ended)
		if (receiver_take(r, &m, &e) != ERR_NONE)
			break;
	rlink_fini(&link);
	return 0;
}
