#ifndef BASCULE_BASE_NOW_H
#define BASCULE_BASE_NOW_H

/*
 * What time it is.  Two clocks, two types that do not mix: utc may jump and
 * says when; mono never goes back and says how long.  (Civil time is
 * calendar's.)  Pure code takes these as parameters and never asks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

struct utc {
	int64_t ns; /* since 1970-01-01T00:00:00Z, leap seconds not counted */
};

struct mono {
	int64_t ns; /* CLOCK_BOOTTIME: since the machine started, asleep too */
};

struct utc now_utc(void);
struct mono now_mono(void);

#define NOW_BOOT_ID_BYTES 37 /* 36 characters and the NUL */

/* The kernel's boot id; "unknown" where it cannot be read. */
void now_boot_id(char out[NOW_BOOT_ID_BYTES]);

#define NOW_TEXT_BYTES 40

/* "2026-11-22T00:21:34.123456789Z" (RFC 3339).  Returns out. */
const char *now_text(struct utc t, char out[NOW_TEXT_BYTES]);
/*
 * The same of a file's time, which may lie beyond what a struct utc holds:
 * seconds since 1970 and nanoseconds.  RFC 3339 ends with the year 9999 and
 * begins with 1: what is beyond is shown as these.
 */
const char *now_text_wide(int64_t s, uint32_t ns, char out[NOW_TEXT_BYTES]);

/*
 * RFC 3339 back: "Z" or an offset, up to nine decimals of the second, the years
 * 1678 to 2261.  False, and *t untouched, for anything else.
 */
bool now_parse(const char *text, struct utc *t);

/* "2026-11-22 00:21:34 UTC": within a sentence for people.  Returns out. */
const char *now_words(struct utc t, char out[NOW_TEXT_BYTES]);

/* "20261122T002134Z": for names of files and runs.  Returns out. */
const char *now_stamp(struct utc t, char out[NOW_TEXT_BYTES]);

#endif
