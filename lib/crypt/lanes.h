#ifndef CRYPT_LANES_H
#define CRYPT_LANES_H

/*
 * HMAC-SHA-256 of many texts, two at a time.
 *
 * A round of SHA-256 waits for the one before it, so one message leaves half of
 * a processor's SHA unit idle; a second message beside it is nearly free.
 * OpenSSL has no such function to call.  This is its only duty here: hash.h's
 * ids of many chunks, where the processor has the instructions, nobody asked
 * for FIPS providers, and lanes_agree saw it give what OpenSSL gives.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <bascule/base/id.h>

#define LANES_BLOCK_BYTES 64
#define LANES_WORDS       8

/* What SHA-256 has become after the key's two pads: as secret as the key. */
struct lanes_key {
	uint32_t inner[LANES_WORDS], outer[LANES_WORDS];
};

/* Can this processor do it? */
bool lanes_present(void);

/* From here on only where lanes_present. */
void lanes_key_init(struct lanes_key *key, const uint8_t *inner_pad,
    const uint8_t *outer_pad);

/* The HMAC of each text goes to out[i]. */
void lanes_ids(const struct lanes_key *key, const struct iovec *texts,
    size_t count, struct id *out);

#endif
