/* Zone data from a directory anybody may have written. */
#include <bascule/calendar.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(zone_free) struct zone *z = NULL;
	struct due fixed = {.kind = DUE_CRON}, every = {.kind = DUE_CRON};
	struct err e = {0};
	struct utc t = {0};

	if (zone_parse(&z, "Fuzz", bytes, len_bytes, &e) != ERR_NONE)
		return 0;
	if (cron_parse(&fixed.cron, "30 1 * * *", &e) != ERR_NONE ||
	    cron_parse(&every.cron, "30 */2 * * *", &e) != ERR_NONE)
		abort();
	fixed.zone = every.zone = z;
	for (int i = 0; i < 8; i++) {
		struct utc before = t, other = t;

		(void)zone_civil(z, t.ns / NS_PER_S);
		if (due_next(&every, before, &other))
			ASSERT(other.ns > before.ns);
		if (!due_next(&fixed, before, &t))
			break;
		ASSERT(t.ns > before.ns);
		t.ns += INT64_C(200) * 86400 * NS_PER_S;
	}
	return 0;
}
