#include <bascule/base/rand.h>

#include <errno.h>
#include <sys/random.h>

#include <bascule/base/defs.h>

void
rand_bytes(void *bytes, size_t len_bytes)
{
	uint8_t *at = bytes;

	while (len_bytes > 0) {
		ssize_t n = getrandom(at, len_bytes, 0);

		if (n < 0) {
			ASSERT(errno == EINTR);
			continue;
		}
		at += n;
		len_bytes -= (size_t)n;
	}
}

uint64_t
rand_below(uint64_t bound)
{
	uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
	uint64_t v;

	do
		rand_bytes(&v, sizeof(v));
	while (v >= limit); /* or small numbers would come more often */
	return v % bound;
}
