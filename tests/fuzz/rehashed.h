#ifndef FUZZ_REHASHED_H
#define FUZZ_REHASHED_H

/*
 * A file that ends with the hash of itself: it is tried as it is, and with its
 * hash made right, or no mutation would come past that.
 */
#include <string.h>

#include <bascule/crypt.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static inline int
rehashed(const uint8_t *bytes, size_t len_bytes,
    void (*decode)(const uint8_t *bytes, size_t len_bytes))
{
	OWNED(free_mem) uint8_t *copy = malloc(len_bytes + 1);
	struct id hash;
	struct err e = {0};

	decode(bytes, len_bytes);
	if (len_bytes < ID_BYTES || copy == NULL)
		return 0;
	memcpy(copy, bytes, len_bytes);
	ASSERT(hash_sha256(copy, len_bytes - ID_BYTES, &hash, &e) == ERR_NONE);
	memcpy(copy + len_bytes - ID_BYTES, hash.bytes, ID_BYTES);
	decode(copy, len_bytes);
	return 0;
}

/* A decoder `decode` of a sidefile's: what is read is written the same way. */
#define REHASHED_SIDEFILE(name, MAX_BYTES)                                     \
	static void decode(const uint8_t *bytes, size_t len_bytes)             \
	{                                                                      \
		OWNED(name##_fini) struct name x = {0};                        \
		OWNED(buf_fini) struct buf again = {.max_bytes = (MAX_BYTES)}; \
		struct err e = {0};                                            \
                                                                               \
		if (name##_decode(&x, NULL, bytes, len_bytes, &e) != ERR_NONE) \
			return;                                                \
		ASSERT(name##_encode(&again, &x, bytes + 16, &e) == ERR_NONE); \
		ASSERT(again.len_bytes == len_bytes &&                         \
		    memcmp(again.bytes, bytes, len_bytes) == 0);               \
	}

#endif
