/* Schedules and windows as a policy may spell them. */
#include <bascule/calendar.h>

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	struct due d = {.kind = DUE_CRON};
	struct utc t = {0};
	struct window w;
	struct err e = {0};
	char text[512];

	if (len_bytes >= sizeof(text))
		return 0;
	memcpy(text, bytes, len_bytes);
	text[len_bytes] = '\0';
	if (cron_parse(&d.cron, text, &e) == ERR_NONE)
		for (int i = 0; i < 8; i++) {
			struct utc before = t;

			/* once in 28 years is the rarest there is */
			ASSERT(due_next(&d, before, &t));
			ASSERT(t.ns > before.ns);
		}
	if (window_parse(&w, text, &e) == ERR_NONE) {
		ASSERT(w.from_minute < 1440 && w.until_minute <= 1440);
		ASSERT(w.weekdays != 0 && zone_name_is_valid(w.zone));
	}
	(void)!civil_parse_utc(text, &t, &e);
	return 0;
}
