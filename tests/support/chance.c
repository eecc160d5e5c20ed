/*
 * Keys are the same in every run of a test, so that one that fails fails again:
 * where chunks end depends on them.  TEST_SEED=N is another run.  Names and
 * nonces stay random: processes that a test forks must not share them.
 */

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

int __wrap_RAND_priv_bytes(unsigned char *bytes, int len_bytes);

/* splitmix64, Steele and others 2014; the state is a counter. */
static uint64_t
next(void)
{
	static _Atomic uint64_t counter;
	const char *seed = getenv("TEST_SEED");
	uint64_t x = atomic_fetch_add(&counter, 1) +
	    (seed != NULL ? strtoull(seed, NULL, 10) << 32 : 0);

	x = (x + 1) * UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

int
__wrap_RAND_priv_bytes(unsigned char *bytes, int len_bytes)
{
	for (int i = 0; i < len_bytes; i++)
		bytes[i] = (unsigned char)next();
	return 1;
}
