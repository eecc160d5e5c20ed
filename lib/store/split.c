#include "trees.h"

/* SipHash-2-4 (Aumasson, Bernstein), over one byte and then a path. */

void
split_key_init(struct split_key *key, const uint8_t bytes[SPLIT_KEY_BYTES])
{
	key->k0 = le_get64(bytes);
	key->k1 = le_get64(bytes + 8);
}

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void
sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static inline void
sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

static uint64_t
sip_end(struct sip *s)
{
	s->v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t
split_hash(const struct split_key *key, unsigned level, const char *path,
    size_t path_bytes)
{
	struct sip s = {
	    .v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
	    .v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
	    .v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
	    .v3 = key->k1 ^ UINT64_C(0x7465646279746573),
	};
	uint64_t word = (uint8_t)level;
	unsigned shift = 8;
	size_t i = 0;

	/* The level goes first, so the path's words begin at its 8th byte. */
	for (; i < path_bytes && shift < 64; i++, shift += 8)
		word |= (uint64_t)(uint8_t)path[i] << shift;
	if (shift == 64) {
		sip_word(&s, word);
		for (; path_bytes - i >= 8; i += 8)
			sip_word(&s, le_get64((const uint8_t *)path + i));
		for (word = 0, shift = 0; i < path_bytes; i++, shift += 8)
			word |= (uint64_t)(uint8_t)path[i] << shift;
	}
	sip_word(&s, word | (uint64_t)(path_bytes + 1) << 56);
	return sip_end(&s);
}

uint64_t
split_weight(const char *path, size_t path_bytes, size_t refs_count,
    size_t core_bytes)
{
	const char *slash =
	    path_bytes == 0 ? NULL : memrchr(path, '/', path_bytes);
	size_t last = slash == NULL ? path_bytes
				    : path_bytes - (size_t)(slash + 1 - path);

	return SPLIT_CELL_WEIGHT + last + core_bytes +
	    (uint64_t)SPLIT_REF_WEIGHT * refs_count;
}

bool
split_is_end(uint64_t hash, uint64_t weight)
{
	return weight >= 65536 || hash < weight << 48;
}
