#ifndef DAEMON_SITEWATCH_H
#define DAEMON_SITEWATCH_H

/*
 * What nobody asks for and everything depends on: the clock, and room for the
 * repository.  The judgements are pure; sitewatch_look feeds and tells them.
 */

#include <stdbool.h>
#include <stdint.h>

#include <bascule/base/now.h>

struct daemon;

#define SITEWATCH_SAMPLES  168 /* a week of hours */
#define SITEWATCH_TEXT     256
#define SITEWATCH_LEAST_NS (6 * INT64_C(3600) * NS_PER_S)

struct sitewatch_sample {
	struct mono at;
	uint64_t used_bytes;
};

struct sitewatch {
	bool has_clock;
	int64_t apart_ns; /* clock less time since boot, at the last look */
	struct sitewatch_sample samples[SITEWATCH_SAMPLES]; /* a ring */
	size_t count, next;
	struct mono looked; /* at the room */
};

/*
 * By how much the clock has jumped since the last look: it ran against the time
 * since boot, which only goes on.  0: not by more than limit_ns.
 */
int64_t sitewatch_clock(struct sitewatch *w, struct utc now, struct mono mono,
    int64_t limit_ns);

struct sitewatch_room {
	uint64_t free_bytes, total_bytes;
};
struct sitewatch_rule {
	uint32_t free_millipercent; /* less than that: too little */
	int64_t for_ns;             /* full in less than that: 0: not asked */
};
enum sitewatch_verdict {
	SITEWATCH_ENOUGH,
	SITEWATCH_SOON, /* going on like this */
	SITEWATCH_LITTLE
};
/* *full_ns: until it is full, going on as since the oldest sample (a week at
 * most, six hours at least); INT64_MAX: it does not fill, or is not known. */
enum sitewatch_verdict sitewatch_space(struct sitewatch *w,
    const struct sitewatch_room *room, struct mono now,
    const struct sitewatch_rule *rule, int64_t *full_ns);

void sitewatch_look(struct daemon *d);

#endif
