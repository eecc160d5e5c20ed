/*
 * retain_dump: judges what standard input holds, a line each, for the second
 * opinion in tests/scenario:
 *
 *	rule LAST HOURLY DAILY WEEKLY MONTHLY YEARLY WITHIN_NS
 *	point SEQUENCE AT_NS AGE_NS FLAGS
 *	judge NOW_NS        prints "SEQUENCE REASONS" a point, then an empty line
 */
#include <bascule/calendar.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define POINTS_MAX 4096

static struct retain_point points[POINTS_MAX];
static size_t points_count;

static void
judge(const struct retain_rule *rule, int64_t now_ns)
{
	retain_judge(points, points_count, rule, (struct utc){now_ns});
	for (size_t i = 0; i < points_count; i++)
		printf("%" PRIu64 " %" PRIu32 "\n", points[i].sequence,
		    points[i].reasons);
	printf("\n");
	fflush(stdout);
	points_count = 0;
}

static bool
obey(const char *line, struct retain_rule *rule)
{
	struct retain_point p = {0};
	int64_t now_ns;

	if (sscanf(line, "point %" SCNu64 " %" SCNd64 " %" SCNd64 " %" SCNu32,
		&p.sequence, &p.at.ns, &p.age_ns, &p.flags) == 4) {
		if (points_count < POINTS_MAX)
			points[points_count] = p;
		return points_count++ < POINTS_MAX;
	}
	if (sscanf(line, "judge %" SCNd64, &now_ns) == 1) {
		judge(rule, now_ns);
		return true;
	}
	return sscanf(line,
		   "rule %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32
		   " %" SCNu32 " %" SCNu32 " %" SCNd64,
		   &rule->last, &rule->hourly, &rule->daily, &rule->weekly,
		   &rule->monthly, &rule->yearly, &rule->within_ns) == 7;
}

int
main(void)
{
	struct retain_rule rule = {0};
	char line[256];

	while (fgets(line, sizeof(line), stdin) != NULL)
		if (!obey(line, &rule)) {
			fprintf(stderr, "retain_dump: %s", line);
			return 2;
		}
	return 0;
}
