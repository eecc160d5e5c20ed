#include "model/truth.h"

#include <string.h>

#include "model/world.h"

struct truth_snapshot truth_snapshots[TRUTH_SNAPSHOTS_MAX];
size_t truth_snapshots_count;
struct truth_point truth_points[TRUTH_POINTS_MAX];
size_t truth_points_count;
struct truth_hold truth_holds[TRUTH_HOLDS_MAX];
size_t truth_holds_count;

void
truth_begin(void)
{
	for (size_t i = 0; i < truth_snapshots_count; i++)
		for (unsigned f = 0; f < TRUTH_FILES; f++)
			buf_fini(&truth_snapshots[i].files[f].item);
	memset(truth_snapshots, 0, sizeof(truth_snapshots));
	truth_snapshots_count = truth_holds_count = truth_points_count = 0;
}

static void
noise(uint8_t *at, size_t len_bytes, uint64_t seed)
{
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i < len_bytes; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(at + i, &x, len_bytes - i < 8 ? len_bytes - i : 8);
	}
}

/*
 * A version differs from the others in a few places, so that some chunks are
 * the same and others become differences; every fourth is something new.
 */
size_t
truth_bytes(unsigned file, int version, uint8_t out[TRUTH_BYTES_MAX])
{
	static const size_t sizes[TRUTH_FILES] = {200, 900, 3000, 7000, 12000,
	    20000};
	const size_t size = sizes[file];
	const unsigned v = (unsigned)version;

	noise(out, size, file * 1000 + v / 4);
	for (unsigned i = 0; i < v % 4; i++)
		noise(out + (file * 977 + i * 4421) % (size - 16), 16,
		    file * 1000 + v * 10 + i);
	return size;
}

const char *
truth_path(unsigned file)
{
	static const char *const paths[TRUTH_FILES] = {"a", "b", "c", "d", "e",
	    "f"};

	return paths[file];
}

struct truth_snapshot *
truth_add(void)
{
	struct truth_snapshot *s = &truth_snapshots[truth_snapshots_count++];

	ASSERT(truth_snapshots_count <= TRUTH_SNAPSHOTS_MAX);
	s->state = TRUTH_OPEN;
	return s;
}

bool
truth_is_kept(const struct truth_snapshot *s)
{
	return s->state == TRUTH_KEPT && s->going == 0;
}

struct truth_snapshot *
truth_pick(void)
{
	size_t n = 0, nth;

	for (size_t i = 0; i < truth_snapshots_count; i++)
		n += truth_is_kept(&truth_snapshots[i]);
	if (n == 0)
		return NULL;
	nth = world_below(n);
	for (size_t i = 0; i < truth_snapshots_count; i++)
		if (truth_is_kept(&truth_snapshots[i]) && nth-- == 0)
			return &truth_snapshots[i];
	return NULL;
}

struct truth_snapshot *
truth_find(const struct id *id)
{
	for (size_t i = 0; i < truth_snapshots_count; i++)
		if (id_equal(&truth_snapshots[i].id, id))
			return &truth_snapshots[i];
	return NULL;
}

bool
truth_may_be_held(const struct truth_snapshot *s)
{
	for (size_t i = 0; i < truth_holds_count; i++)
		if (truth_holds[i].snapshot == s &&
		    truth_holds[i].state != HOLD_GONE)
			return true;
	return false;
}

const char *
truth_text(const struct truth_snapshot *s, char out[64])
{
	size_t at = 0;

	for (unsigned f = 0; f < TRUTH_FILES; f++)
		at += (size_t)snprintf(out + at, 64 - at, "%s%d",
		    f == 0 ? "" : ".", s->files[f].version);
	return out;
}
