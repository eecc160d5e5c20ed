#include "lanes.h"

#include <string.h>

#include <bascule/crypt.h>

#define DIGEST_BITS ((LANES_BLOCK_BYTES + HASH_BYTES) * 8)

static const uint32_t fresh[LANES_WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372,
    0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* --- Two messages, block by block ----------------------------------------- */

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>

#define WITH_SHA __attribute__((target("sha,sse4.1,ssse3")))

static const uint32_t rounds[64] __attribute__((aligned(16))) = {0x428a2f98,
    0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74,
    0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6,
    0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152,
    0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351,
    0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354,
    0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70,
    0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa,
    0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

bool
lanes_present(void)
{
	unsigned a, b, c, d;

	/* SHA: leaf 7, EBX bit 29; SSSE3 and SSE4.1: leaf 1, ECX. */
	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & 1u << 29) == 0)
		return false;
	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSSE3) != 0 &&
	    (c & bit_SSE4_1) != 0;
}

/* A state as the instructions want it: words A B E F and C D G H. */
struct halves {
	__m128i abef, cdgh;
};

WITH_SHA static inline struct halves
take_state(const uint32_t *s)
{
	__m128i low = _mm_loadu_si128((const void *)s);
	__m128i high = _mm_loadu_si128((const void *)(s + 4));

	low = _mm_shuffle_epi32(low, 0xb1);
	high = _mm_shuffle_epi32(high, 0x1b);
	return (struct halves){_mm_alignr_epi8(low, high, 8),
	    _mm_blend_epi16(high, low, 0xf0)};
}

WITH_SHA static inline void
give_state(struct halves h, uint32_t *s)
{
	__m128i low = _mm_shuffle_epi32(h.abef, 0x1b);
	__m128i high = _mm_shuffle_epi32(h.cdgh, 0xb1);

	_mm_storeu_si128((void *)s, _mm_blend_epi16(low, high, 0xf0));
	_mm_storeu_si128((void *)(s + 4), _mm_alignr_epi8(high, low, 8));
}

WITH_SHA static inline __m128i
words(const uint8_t *at)
{
	const __m128i swap =
	    _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

	return _mm_shuffle_epi8(_mm_loadu_si128((const void *)at), swap);
}

/* Four rounds of both; m and n: the messages' words for them. */
#define FOUR(i, m, n)                                              \
	do {                                                       \
		k = _mm_load_si128((const void *)(rounds + (i)));  \
		u = _mm_add_epi32(m, k);                           \
		v = _mm_add_epi32(n, k);                           \
		a.cdgh = _mm_sha256rnds2_epu32(a.cdgh, a.abef, u); \
		b.cdgh = _mm_sha256rnds2_epu32(b.cdgh, b.abef, v); \
		u = _mm_shuffle_epi32(u, 0x0e);                    \
		v = _mm_shuffle_epi32(v, 0x0e);                    \
		a.abef = _mm_sha256rnds2_epu32(a.abef, a.cdgh, u); \
		b.abef = _mm_sha256rnds2_epu32(b.abef, b.cdgh, v); \
	} while (0)

/* The words 16 rounds on, in the place of those that were used. */
#define LATER(w0, w1, w2, w3)                                                  \
	(w0 = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), \
				       _mm_alignr_epi8(w3, w2, 4)),            \
	     w3))

#define FOUR_LATER(i, m0, m1, m2, m3, n0, n1, n2, n3) \
	do {                                          \
		FOUR(i, m0, n0);                      \
		LATER(m0, m1, m2, m3);                \
		LATER(n0, n1, n2, n3);                \
	} while (0)

#define SIXTEEN(i)                                                    \
	do {                                                          \
		FOUR_LATER(i, m0, m1, m2, m3, n0, n1, n2, n3);        \
		FOUR_LATER((i) + 4, m1, m2, m3, m0, n1, n2, n3, n0);  \
		FOUR_LATER((i) + 8, m2, m3, m0, m1, n2, n3, n0, n1);  \
		FOUR_LATER((i) + 12, m3, m0, m1, m2, n3, n0, n1, n2); \
	} while (0)

WITH_SHA static void
compress(uint32_t *one, const uint8_t *p, uint32_t *other, const uint8_t *q,
    size_t blocks_count)
{
	struct halves a = take_state(one), b = take_state(other);

	for (; blocks_count > 0; blocks_count--) {
		const struct halves a_was = a, b_was = b;
		__m128i m0 = words(p), n0 = words(q);
		__m128i m1 = words(p + 16), n1 = words(q + 16);
		__m128i m2 = words(p + 32), n2 = words(q + 32);
		__m128i m3 = words(p + 48), n3 = words(q + 48);
		__m128i k, u, v;

		SIXTEEN(0);
		SIXTEEN(16);
		SIXTEEN(32);
		FOUR(48, m0, n0);
		FOUR(52, m1, n1);
		FOUR(56, m2, n2);
		FOUR(60, m3, n3);
		a.abef = _mm_add_epi32(a.abef, a_was.abef);
		a.cdgh = _mm_add_epi32(a.cdgh, a_was.cdgh);
		b.abef = _mm_add_epi32(b.abef, b_was.abef);
		b.cdgh = _mm_add_epi32(b.cdgh, b_was.cdgh);
		p += LANES_BLOCK_BYTES;
		q += LANES_BLOCK_BYTES;
	}
	give_state(a, one);
	give_state(b, other);
}

#else

bool
lanes_present(void)
{
	return false;
}

static void
compress(uint32_t *one, const uint8_t *p, uint32_t *other, const uint8_t *q,
    size_t blocks_count)
{
	(void)one, (void)p, (void)other, (void)q, (void)blocks_count;
	ASSERT(false); /* lanes_present says so */
}

#endif

/* --- HMAC ----------------------------------------------------------------- */

enum phase { PHASE_TEXT, PHASE_TAIL, PHASE_OUTER, PHASE_IDLE };

/* A text on its way. */
struct lane {
	uint32_t state[LANES_WORDS];
	const uint8_t *at;
	size_t blocks_count; /* at `at` */
	enum phase phase;
	uint8_t tail[2 * LANES_BLOCK_BYTES]; /* the text's end, padded */
	size_t tail_blocks_count;
	struct id *out;
};

/* The texts no lane has begun with. */
struct waiting {
	const struct lanes_key *key;
	const struct iovec *texts;
	size_t count;
	struct id *out;
};

static void
put_be32(uint8_t *to, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* len_bytes are in the tail; of all that was hashed it is the end. */
static void
pad(struct lane *l, size_t len_bytes, uint64_t all_bits)
{
	size_t blocks = len_bytes < LANES_BLOCK_BYTES - 8 ? 1 : 2;
	uint8_t *end = l->tail + blocks * LANES_BLOCK_BYTES;

	l->tail[len_bytes] = 0x80;
	memset(l->tail + len_bytes + 1, 0,
	    blocks * LANES_BLOCK_BYTES - len_bytes - 1);
	put_be32(end - 8, (uint32_t)(all_bits >> 32));
	put_be32(end - 4, (uint32_t)all_bits);
	l->tail_blocks_count = blocks;
}

static void
give_digest(const struct lane *l, uint8_t *to)
{
	for (size_t i = 0; i < LANES_WORDS; i++)
		put_be32(to + 4 * i, l->state[i]);
}

static void
begin_text(struct lane *l, struct waiting *w)
{
	const struct iovec *text = w->texts++;
	size_t rest = text->iov_len % LANES_BLOCK_BYTES;

	w->count--;
	l->out = w->out++;
	memcpy(l->state, w->key->inner, sizeof l->state);
	l->at = text->iov_base;
	l->blocks_count = text->iov_len / LANES_BLOCK_BYTES;
	if (rest > 0)
		memcpy(l->tail, l->at + text->iov_len - rest, rest);
	pad(l, rest, (LANES_BLOCK_BYTES + (uint64_t)text->iov_len) * 8);
	l->phase = PHASE_TEXT;
}

/* What has no blocks left goes on with what follows. */
static void
go_on(struct lane *l, struct waiting *w)
{
	while (l->blocks_count == 0 && l->phase != PHASE_IDLE) {
		if (l->phase == PHASE_TEXT) {
			l->at = l->tail;
			l->blocks_count = l->tail_blocks_count;
			l->phase = PHASE_TAIL;
		} else if (l->phase == PHASE_TAIL) {
			give_digest(l, l->tail);
			pad(l, HASH_BYTES, DIGEST_BITS);
			memcpy(l->state, w->key->outer, sizeof l->state);
			l->at = l->tail;
			l->blocks_count = 1;
			l->phase = PHASE_OUTER;
		} else {
			give_digest(l, l->out->bytes);
			l->phase = PHASE_IDLE;
			if (w->count > 0)
				begin_text(l, w);
		}
	}
}

static void
move(struct lane *l, size_t blocks_count, struct waiting *w)
{
	l->at += blocks_count * LANES_BLOCK_BYTES;
	l->blocks_count -= blocks_count;
	go_on(l, w);
}

/* Beside the last text nothing is left to do: the unit does it twice. */
static void
finish(struct lane *l, struct waiting *w)
{
	uint32_t twice[LANES_WORDS];

	while (l->phase != PHASE_IDLE) {
		memcpy(twice, l->state, sizeof twice);
		compress(l->state, l->at, twice, l->at, l->blocks_count);
		move(l, l->blocks_count, w);
	}
	secret_wipe(twice, sizeof twice);
}

void
lanes_ids(const struct lanes_key *key, const struct iovec *texts, size_t count,
    struct id *out)
{
	struct waiting w = {key, texts, count, out};
	struct lane lanes[2] = {{.phase = PHASE_IDLE}, {.phase = PHASE_IDLE}};
	struct lane *a = &lanes[0], *b = &lanes[1];

	if (w.count > 0)
		begin_text(a, &w);
	go_on(a, &w);
	if (w.count > 0)
		begin_text(b, &w);
	go_on(b, &w);
	while (a->phase != PHASE_IDLE && b->phase != PHASE_IDLE) {
		size_t n = a->blocks_count < b->blocks_count ? a->blocks_count
							     : b->blocks_count;

		compress(a->state, a->at, b->state, b->at, n);
		move(a, n, &w);
		move(b, n, &w);
	}
	finish(a, &w);
	finish(b, &w);
	secret_wipe(lanes, sizeof lanes);
}

void
lanes_key_init(struct lanes_key *key, const uint8_t *inner_pad,
    const uint8_t *outer_pad)
{
	memcpy(key->inner, fresh, sizeof fresh);
	memcpy(key->outer, fresh, sizeof fresh);
	compress(key->inner, inner_pad, key->outer, outer_pad, 1);
}
