/*
 * calendar_dump DIR ZONE FROM_S UNTIL_S 'CRON'...: every firing of each
 * schedule in (FROM_S, UNTIL_S], a line of "cron<TAB>seconds" each; for the
 * second opinion in tests/scenario.
 */
#include <bascule/calendar.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int
main(int argc, char **argv)
{
	OWNED(zone_free) struct zone *zone = NULL;
	struct err e = {0};

	if (argc < 6) {
		fprintf(stderr, "usage: %s DIR ZONE FROM UNTIL CRON...\n",
		    argv[0]);
		return 2;
	}
	if (zone_load(&zone, argv[1], argv[2], &e) != ERR_NONE) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	for (int i = 5; i < argc; i++) {
		struct due d = {.kind = DUE_CRON, .zone = zone};
		struct utc at = {strtoll(argv[3], NULL, 10) * NS_PER_S};
		int64_t until_s = strtoll(argv[4], NULL, 10);

		if (cron_parse(&d.cron, argv[i], &e) != ERR_NONE) {
			fprintf(stderr, "%s\n", e.text);
			return 1;
		}
		while (due_next(&d, at, &at) && at.ns <= until_s * NS_PER_S)
			printf("%s\t%" PRId64 "\n", argv[i], at.ns / NS_PER_S);
	}
	return 0;
}
