#ifndef BASCULE_CALENDAR_H
#define BASCULE_CALENDAR_H

/*
 * When things happen: dates, zones, schedules, windows, retention.
 *
 * Pure: every function is told what time it is; none reads a clock, none but
 * zone_load touches a file.  All arithmetic is in UTC; a local time only
 * ever appears together with its zone.  Leap seconds are not counted.
 *
 * The chapters are the units: civil, zone, cron, due, misfire, window, retain.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/err.h>
#include <bascule/base/now.h>

/* --- civil: dates and times of day ---------------------------------------- */

#define CIVIL_ABBREV_BYTES 12
#define CIVIL_TEXT_BYTES   64
#define CIVIL_DAY_S        INT64_C(86400)
#define CIVIL_YEAR_MIN     1678 /* what fits into 64 bits of nanoseconds */
#define CIVIL_YEAR_MAX     2261

/* A date and time of day at a place.  The weekday is 0 for Sunday. */
struct civil {
	int year;
	int month; /* 1 to 12 */
	int day;   /* 1 to 31 */
	int hour;
	int minute;
	int second;
	int weekday;
	int32_t offset_s; /* east of Greenwich is positive */
	bool is_dst;      /* daylight saving, as the zone's data say it */
	char abbrev[CIVIL_ABBREV_BYTES]; /* "GMT", "BST", "+1030" */
};

/* Days from 1970-01-01 to a date (proleptic Gregorian; month 1 to 12). */
int64_t civil_days(int year, int month, int day);
/* The date so many days after 1970-01-01; the time of day is 0:00, UTC. */
struct civil civil_of_days(int64_t days);
/* The date and time so many seconds after 1970-01-01T00:00:00, as in UTC. */
struct civil civil_of_s(int64_t s);
/* The reverse, looking at the date and time only, as if they were UTC. */
int64_t civil_s(const struct civil *c);
/* 0 is Sunday. */
int civil_weekday(int64_t days);
int civil_month_days(int year, int month);

/* "2027-05-01" to days since 1970-01-01.  ERR_INPUT says what is accepted. */
enum err_code civil_parse_date(const char *text, int64_t *days,
    struct err *e) MUST_CHECK;

/*
 * "2027-05-01T08:00:00Z", "...+01:00", a fraction of a second of up to nine
 * digits, or "2027-05-01" (its first instant, in UTC).
 */
enum err_code civil_parse_utc(const char *text, struct utc *t,
    struct err *e) MUST_CHECK;

/* "2026-10-25 01:30:00 BST".  Returns out. */
const char *civil_text(const struct civil *c, char out[CIVIL_TEXT_BYTES]);

/* --- zone: IANA time zones ------------------------------------------------ */

#define ZONE_DIR        "/usr/share/zoneinfo"
#define ZONE_NAME_BYTES 65 /* 64 characters and the NUL */

struct zone; /* immutable once made */

/*
 * May this stand as a zone's name?  Letters, digits, '_', '+', '-' and '/';
 * no empty component, none that begins with '.' or '-'.
 */
bool zone_name_is_valid(const char *name);

/*
 * The zone of that name from the directory dir (usually ZONE_DIR).  "UTC" is
 * built in and reads no file.  ERR_NOTFOUND: no such zone; ERR_INPUT: not a
 * name, or not a regular file; ERR_CORRUPT: the file makes no sense.
 */
enum err_code zone_load(struct zone **out, const char *dir, const char *name,
    struct err *e) MUST_CHECK;

/* The same from a TZif file's bytes (RFC 8536, version 2 or later). */
enum err_code zone_parse(struct zone **out, const char *name, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;

void zone_free(struct zone **zp);

/* "Europe/London"; borrowed while the zone lives.  NULL means UTC, here and
 * wherever a zone is asked for below. */
const char *zone_name(const struct zone *z);

/* What the clocks there show, seconds since 1970-01-01T00:00:00Z being s. */
struct civil zone_civil(const struct zone *z, int64_t s);

/* East of Greenwich in seconds at that instant. */
int32_t zone_offset_s(const struct zone *z, int64_t s);

/*
 * The first instant at which the clocks there show local_s (civil_s of the
 * local time) or later.  So a time that occurs twice gives its first
 * instant, and one that does not exist the first instant after the gap.
 */
int64_t zone_first_instant(const struct zone *z, int64_t local_s);

/* --- cron: five fields ---------------------------------------------------- */

#define CRON_TEXT_MAX 256

/* One bit a value; made by cron_parse. */
struct cron {
	uint64_t minutes;
	uint32_t hours;
	uint32_t days;    /* bits 1 to 31 */
	uint16_t months;  /* bits 1 to 12 */
	uint8_t weekdays; /* bit 0 is Sunday */
	bool any_day;     /* the field begins with '*': not restricted */
	bool any_weekday;
	bool every_hour; /* the hour is "*" or "*" and a step */
};

/*
 * "minute hour day month weekday": numbers, names (jan-dec, sun-sat), lists,
 * ranges, steps; 7 is Sunday too; or @hourly @daily @midnight @weekly @monthly
 * @yearly @annually.  A day restricted by both day and weekday matches either,
 * as in crontab(5).  ERR_INPUT names the field and what it accepts; a date
 * that never comes (30 February) is refused.
 */
enum err_code cron_parse(struct cron *out, const char *text,
    struct err *e) MUST_CHECK;

/* Does the date match (day, month, weekday)? */
bool cron_matches_day(const struct cron *c, int64_t days);

/*
 * The first matching local time at or after local_s, both as civil_s gives
 * them, clock changes not considered.  False: none in the next 41 years.
 */
bool cron_next_local(const struct cron *c, int64_t local_s, int64_t *next_s);

/* --- due: when a schedule fires ------------------------------------------- */

#define DUE_EVERY_MIN_NS NS_PER_S /* an `every` below this is refused */

enum due_kind { DUE_CRON, DUE_EVERY };

/* A plain value; zone is borrowed and must outlive it. */
struct due {
	enum due_kind kind;
	struct cron cron;        /* DUE_CRON */
	const struct zone *zone; /* DUE_CRON; NULL is UTC */
	int64_t every_ns;        /* DUE_EVERY: multiples since the epoch */
	int64_t offset_ns;       /* added to every firing: see due_splay_ns */
};

/*
 * Where in [0, splay_ns) the thing of that name stands: the same for ever, in
 * whole seconds when splay_ns is at least one.
 */
int64_t due_splay_ns(const char *name, int64_t splay_ns);

/*
 * The first firing strictly after `after`.  False: none before the year 2262.
 * At a clock change a fixed time that does not exist fires at the first valid
 * instant after the gap, one that occurs twice fires once, the first time;
 * where the hour is "*" or a step of it, every matching instant fires; `every`
 * counts from the epoch and never notices.
 */
bool due_next(const struct due *d, struct utc after, struct utc *next);

/*
 * The longest time between two consecutive firings that begins within `days`
 * days of `from`.  False: it fires less than twice.
 */
bool due_largest_gap(const struct due *d, struct utc from, int days,
    int64_t *gap_ns);

/* --- misfire: what to do about firings that were missed ------------------- */

enum misfire_mode { MISFIRE_RUN_ONCE, MISFIRE_SKIP, MISFIRE_ALL };

enum misfire_verdict {
	MISFIRE_RUN,      /* run it now */
	MISFIRE_COVERED,  /* skipped: a later one of the same list runs */
	MISFIRE_TOO_LATE, /* skipped: older than max_lateness */
	MISFIRE_MISSED    /* skipped: the policy says misfire = "skip" */
};

#define MISFIRE_ITEMS_MAX 64
#define MISFIRE_GRACE_NS  (60 * NS_PER_S) /* this late is still on time */

struct misfire_item {
	struct utc at; /* when it was due */
	enum misfire_verdict verdict;
};

struct misfire_plan {
	struct misfire_item items[MISFIRE_ITEMS_MAX]; /* oldest first */
	size_t items_count;
	uint64_t older_count; /* before items[0]: none of them runs */
	struct utc oldest;    /* the first of those, when older_count > 0 */
	struct utc next;      /* the next firing after now, when has_next */
	bool has_next;
};

/*
 * Judge every firing in (since, now]: since is the last firing that was judged
 * already, or when the schedule came into force.  With RUN_ONCE only the newest
 * runs, if it is not over max_lateness_ns old; with ALL each such one does,
 * oldest first, MISFIRE_ITEMS_MAX at most; with SKIP only what is no more than
 * MISFIRE_GRACE_NS late, which is never too late.  max_lateness_ns 0: no limit.
 * At most 400 days are looked back.  A clock set back (since > now) misses
 * nothing, and next counts from now.
 */
void misfire_judge(struct misfire_plan *out, const struct due *d,
    struct utc since, struct utc now, enum misfire_mode mode,
    int64_t max_lateness_ns);

/* "run", "covered-by-later", "too-late", "missed": for records. */
const char *misfire_verdict_name(enum misfire_verdict v);

/* --- window: spans of the week, and freezes ------------------------------- */

#define WINDOW_TEXT_MAX 128

struct window {
	uint8_t weekdays; /* bit 0 is Sunday: the day a span begins on */
	int from_minute;  /* of the day */
	int until_minute; /* up to 1440; at or below from: on the next day */
	char zone[ZONE_NAME_BYTES]; /* its name, not yet looked for */
};

/*
 * "Mon-Fri 08:00-18:00 Europe/London": days (default: all), a span of the
 * clock, a zone (default UTC).  Days may be lists and ranges; a span may pass
 * midnight and then belongs to the day it begins on.
 */
enum err_code window_parse(struct window *out, const char *text,
    struct err *e) MUST_CHECK;

/* Is t inside?  zone: the one named in w, loaded.  The end is outside. */
bool window_contains(const struct window *w, const struct zone *zone,
    struct utc t);

/*
 * Is t within the dates [from, until], both days included, as the clocks of
 * zone show them?  (Days since 1970-01-01, from civil_parse_date.)
 */
bool window_frozen(int64_t from_days, int64_t until_days,
    const struct zone *zone, struct utc t);

/* --- retain: which points stay -------------------------------------------- */

/* What retention must know about a point. */
#define RETAIN_IS_VERIFIED    1u /* restored or re-read and found good */
#define RETAIN_IS_PREFAILOVER 2u /* taken before a move: pinned */
#define RETAIN_IS_HELD        4u /* a person or a rule holds it */

/* Why a point stays: bits. */
#define RETAIN_LAST          0x0001u
#define RETAIN_HOURLY        0x0002u
#define RETAIN_DAILY         0x0004u
#define RETAIN_WEEKLY        0x0008u /* ISO weeks: they begin on Monday */
#define RETAIN_MONTHLY       0x0010u
#define RETAIN_YEARLY        0x0020u
#define RETAIN_WITHIN        0x0040u
#define RETAIN_ONLY_VERIFIED 0x0080u
#define RETAIN_PREFAILOVER   0x0100u
#define RETAIN_HELD          0x0200u
#define RETAIN_NEVER_EMPTY   0x0400u
#define RETAIN_FUTURE        0x0800u /* dated after now: ask a person */
#define RETAIN_NO_RULE       0x1000u /* the rule is empty: everything stays */

#define RETAIN_FUTURE_NS     (5 * 60 * NS_PER_S) /* clocks may differ by this */
#define RETAIN_REASONS_BYTES 192

struct retain_rule {
	uint32_t last, hourly, daily, weekly, monthly, yearly; /* counts */
	int64_t within_ns;
};

struct retain_point {
	uint64_t sequence; /* the order they were taken in; unique */
	struct utc at;
	int64_t age_ns;   /* so long it has surely been there */
	uint32_t flags;   /* RETAIN_IS_... */
	uint32_t reasons; /* out: 0 when it may go */
};

/*
 * Fill in reasons for the points of one series, in any order; afterwards they
 * are in that of their sequence, oldest first.  The newest (by
 * sequence) of each of the n latest non-empty buckets stays, in UTC; what is
 * dated more than RETAIN_FUTURE_NS after now fills no bucket, is nobody's
 * "last", and stays.  As old as RETAIN_WITHIN asks for is only what is so by
 * its date and by age_ns: no clock can hurry that.  The result is never empty, and
 * holds a verified point if there was one.
 */
void retain_judge(struct retain_point *points, size_t count,
    const struct retain_rule *rule, struct utc now);

/* "last, daily, held"; "" for 0.  Returns out. */
const char *retain_reasons(uint32_t reasons, char out[RETAIN_REASONS_BYTES]);

#endif
