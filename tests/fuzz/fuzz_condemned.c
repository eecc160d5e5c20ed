/* The files of condemned/: sentences and the clock; as they are, and with
 * their hashes made right. */
#include <string.h>

#include "../../lib/store/ageing.h"
#include "../../lib/store/condemn.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

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
