/* The files of condemned/: sentences and the clock; as they are, and with
 * their hashes made right. */
#include "../../lib/store/ageing.h"
#include "../../lib/store/condemn.h"
#include "rehashed.h"

static void
decode(const uint8_t *bytes, size_t len_bytes)
{
	struct condemn_view v;
	struct ageing a, now = {.boot_ns = INT64_MAX, .wall_ns = INT64_MAX};
	struct err e = {0};
	uint8_t sum = 0;

	if (len_bytes < 32)
		return;
	if (condemn_decode(&v, bytes + 16, bytes, len_bytes, &e) == ERR_NONE)
		for (size_t i = 0; i < v.sessions_count * CONDEMN_SESSION_BYTES;
		     i++)
			sum ^= v.sessions[i];
	if (ageing_decode(&a, bytes + 16, bytes, len_bytes, &e) == ERR_NONE) {
		int64_t before_ns = a.age_ns;

		memcpy(now.boot, a.boot, sizeof(now.boot));
		ageing_advance(&a, &now);
		ASSERT(a.age_ns >= before_ns);
	}
	(void)sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	return rehashed(bytes, len_bytes, decode);
}
