#ifndef BASCULE_BASE_RAND_H
#define BASCULE_BASE_RAND_H

/*
 * Random bytes from the kernel: for nonces, ids and jitter.  Keys come from
 * crypt, which uses OpenSSL's generator.
 */

#include <stddef.h>
#include <stdint.h>

/* Fill bytes.  Cannot fail: getrandom(2) does not, once the pool is ready. */
void rand_bytes(void *bytes, size_t len_bytes);

/* Evenly from 0 to bound - 1; bound > 0. */
uint64_t rand_below(uint64_t bound);

#endif
