/*
 * A hostile receiver: the payload of one of its messages (the first byte says
 * which), as the sender takes it; and of the sender's own lists.
 */

#include <stddef.h>
#include <stdint.h>

#include "../../lib/replicate/push.h"

#define PACKS_COUNT 40

static void
take_lists(const struct rmsg *m)
{
	const uint8_t *entries;
	struct rmsg_frames frames;
	struct rmsg_staged staged;
	uint64_t sum = 0;
	uint32_t ordinal;
	struct err e;
	size_t count;

	if (rmsg_take_staged(&entries, &count, PACKS_COUNT, m, &e) == ERR_NONE)
		for (size_t i = 0; i < count; i++)
			ASSERT(
			    rmsg_staged_at(entries, i).ordinal < PACKS_COUNT);
	if (rmsg_take_frames(&frames, m, &e) == ERR_NONE)
		for (size_t i = 0; i < frames.count; i++) {
			sum += rmsg_frame_at(frames.entries, i).len_bytes;
			if (frames.bits != NULL)
				sum += rmsg_bit(frames.bits, i) ? 0 : 1;
		}
	ASSERT(sum <= RMSG_FRAMES_MAX * (RMSG_PACK_BYTES_MAX + 1));
	(void)!rmsg_take_rest(&staged, m, &e);
	if (rmsg_take_lack(&ordinal, &entries, PACKS_COUNT, m, &e) == ERR_NONE)
		(void)rmsg_bit(entries, PACKS_COUNT - 1);
	if (rmsg_take_want(&entries, PACKS_COUNT, m, &e) == ERR_NONE)
		(void)rmsg_bit(entries, PACKS_COUNT - 1);
}

/* Whatever it says has come, no more is under way than was sent. */
static void
fly(const uint8_t *bytes, size_t len_bytes)
{
	struct mono now = {1};
	struct flight f;

	flight_init(&f);
	for (size_t i = 0; i < len_bytes; i++) {
		now.ns += (int64_t)bytes[i] << (i % 32);
		if (i % 2 == 0 && flight_may(&f, (uint64_t)bytes[i] << 12))
			flight_sent(&f, (uint64_t)bytes[i] << 12, now);
		else
			(void)flight_got(&f,
			    f.got_bytes +
				((uint64_t)bytes[i] << (bytes[i] % 48)),
			    now);
		ASSERT(f.got_bytes <= f.sent_bytes);
		ASSERT(f.window_bytes >= 4096);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	struct rmsg_welcome welcome;
	struct rmsg_result result;
	struct rmsg m;
	struct err e, fail;

	if (len_bytes == 0)
		return 0;
	m = (struct rmsg){(enum rmsg_type)bytes[0], bytes + 1, len_bytes - 1};
	(void)!rmsg_take_welcome(&welcome, &m, &e);
	(void)!rmsg_take_result(&result, &m, &e);
	(void)!rmsg_take_fail(&fail, &m, &e);
	take_lists(&m);
	fly(m.bytes, m.len_bytes);
	return 0;
}
