#ifndef BASCULE_LIB_CALENDAR_ZONE_H
#define BASCULE_LIB_CALENDAR_ZONE_H

#include <bascule/calendar.h>

/* A run of instants [begin_s, end_s) that share one offset. */
struct zone_span {
	int64_t begin_s; /* ZONE_EVER_S back: since ever */
	int64_t end_s;   /* ZONE_EVER_S: for ever */
	int32_t offset_s;
	bool is_dst;
	const char *abbrev; /* borrowed from the zone */
};

/* Far enough that an offset can be added without a look. */
#define ZONE_EVER_S (INT64_C(1) << 60)

/* Offsets lie in between -OFFSET_MAX and +OFFSET_MAX (RFC 8536, 3.2). */
#define ZONE_OFFSET_MAX_S (26 * 3600)

/* The span s is in.  Neighbours may have equal offsets. */
struct zone_span zone_span_at(const struct zone *z, int64_t s);

/* The latest time the clocks there have shown up to and at s. */
int64_t zone_latest_shown(const struct zone *z, int64_t s);

/* --- the rule in a TZif footer, POSIX's TZ string ------------------------- */

enum zonerule_kind {
	ZONERULE_MONTH,  /* Mm.w.d: the w-th weekday d of month m */
	ZONERULE_JULIAN, /* Jn: day n, from 1, 29 February never counted */
	ZONERULE_ZERO    /* n: day n, from 0, 29 February counted */
};

struct zonerule_date {
	enum zonerule_kind kind;
	int month, week, day; /* day: weekday, or number of the day */
	int32_t time_s;       /* after local midnight; may be negative */
};

struct zonerule_type {
	int32_t offset_s; /* east is positive */
	char abbrev[CIVIL_ABBREV_BYTES];
};

struct zonerule {
	struct zonerule_type standard, summer;
	bool has_summer;
	struct zonerule_date from, until; /* of summer time */
};

/* "GMT0BST,M3.5.0/1,M10.5.0": false when it is malformed. */
bool zonerule_parse(struct zonerule *out, const char *text, size_t len_bytes);

struct zone_span zonerule_span_at(const struct zonerule *r, int64_t s);

#endif
