#include "zone.h"

#include <string.h>

struct reader {
	const char *at;
	const char *end;
};

static bool
take_char(struct reader *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static bool
next_is_digit(const struct reader *r)
{
	return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static bool
take_number(struct reader *r, int min, int max, int *value)
{
	*value = 0;
	if (!next_is_digit(r))
		return false;
	while (next_is_digit(r)) {
		*value = *value * 10 + (*r->at++ - '0');
		if (*value > max)
			return false;
	}
	return *value >= min;
}

/* [+-]h[h[h]][:mm[:ss]] */
static bool
take_time(struct reader *r, int hours_max, int32_t *s)
{
	bool negative = take_char(r, '-');
	int hours, minutes = 0, seconds = 0;

	if (!negative)
		(void)take_char(r, '+');
	if (!take_number(r, 0, hours_max, &hours))
		return false;
	if (take_char(r, ':')) {
		if (!take_number(r, 0, 59, &minutes))
			return false;
		if (take_char(r, ':') && !take_number(r, 0, 59, &seconds))
			return false;
	}
	*s = (hours * 3600 + minutes * 60 + seconds) * (negative ? -1 : 1);
	return true;
}

static bool
may_name(char c, bool quoted)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
		return true;
	return quoted && ((c >= '0' && c <= '9') || c == '+' || c == '-');
}

static bool
take_name(struct reader *r, char out[CIVIL_ABBREV_BYTES])
{
	bool quoted = take_char(r, '<');
	size_t n = 0;

	while (r->at < r->end && may_name(*r->at, quoted)) {
		if (n == CIVIL_ABBREV_BYTES - 1)
			return false;
		out[n++] = *r->at++;
	}
	out[n] = '\0';
	return n >= 3 && (!quoted || take_char(r, '>'));
}

static bool
take_date(struct reader *r, struct zonerule_date *d)
{
	bool good;

	if (!take_char(r, ','))
		return false;
	if (take_char(r, 'M')) {
		d->kind = ZONERULE_MONTH;
		good = take_number(r, 1, 12, &d->month) && take_char(r, '.') &&
		    take_number(r, 1, 5, &d->week) && take_char(r, '.') &&
		    take_number(r, 0, 6, &d->day);
	} else if (take_char(r, 'J')) {
		d->kind = ZONERULE_JULIAN;
		good = take_number(r, 1, 365, &d->day);
	} else {
		d->kind = ZONERULE_ZERO;
		good = take_number(r, 0, 365, &d->day);
	}
	d->time_s = 2 * 3600;
	if (good && take_char(r, '/'))
		good = take_time(r, 167, &d->time_s);
	return good;
}

bool
zonerule_parse(struct zonerule *out, const char *text, size_t len_bytes)
{
	struct reader r = {text, text + len_bytes};
	int32_t west_s;

	memset(out, 0, sizeof(*out));
	if (!take_name(&r, out->standard.abbrev) || !take_time(&r, 24, &west_s))
		return false;
	out->standard.offset_s = -west_s;
	if (r.at == r.end)
		return true;
	out->has_summer = true;
	if (!take_name(&r, out->summer.abbrev))
		return false;
	out->summer.offset_s = out->standard.offset_s + 3600;
	if (r.at < r.end && *r.at != ',') {
		if (!take_time(&r, 24, &west_s))
			return false;
		out->summer.offset_s = -west_s;
	}
	return take_date(&r, &out->from) && take_date(&r, &out->until) &&
	    r.at == r.end;
}

static int64_t
date_days(const struct zonerule_date *d, int year)
{
	int64_t first = civil_days(year, 1, 1);
	int64_t days;
	int last;

	if (d->kind == ZONERULE_ZERO)
		return first + d->day;
	if (d->kind == ZONERULE_JULIAN)
		return first + d->day - 1 +
		    (d->day > 59 && civil_month_days(year, 2) == 29);
	first = civil_days(year, d->month, 1);
	last = civil_month_days(year, d->month);
	days = (d->day - civil_weekday(first) + 7) % 7 + 7 * (d->week - 1);
	while (days >= last)
		days -= 7;
	return first + days;
}

struct change {
	int64_t at_s;
	bool summer;
};

/*
 * Of two changes at one instant the start of summer is the one that counts:
 * so a zone whose summer never ends is written.
 */
static bool
comes_before(const struct change *a, const struct change *b)
{
	return a->at_s < b->at_s ||
	    (a->at_s == b->at_s && !a->summer && b->summer);
}

#define RULE_YEARS   5
#define RULE_CHANGES (2 * RULE_YEARS)

/*
 * The changes of the years around that of s, in order.  Two on each side: a
 * rule may put a change over a week into the next year ("J365/167"), and so
 * behind that year's own.
 */
static void
list_changes(const struct zonerule *r, int64_t s,
    struct change changes[RULE_CHANGES])
{
	int year = civil_of_s(s).year;
	size_t n = 0;

	for (int y = year - RULE_YEARS / 2; y <= year + RULE_YEARS / 2; y++) {
		struct change pair[] = {
		    {date_days(&r->from, y) * CIVIL_DAY_S + r->from.time_s -
			    r->standard.offset_s,
			true},
		    {date_days(&r->until, y) * CIVIL_DAY_S + r->until.time_s -
			    r->summer.offset_s,
			false},
		};

		for (size_t k = 0; k < COUNT_OF(pair); k++, n++) {
			size_t i = n;

			for (; i > 0 && comes_before(&pair[k], &changes[i - 1]);
			     i--)
				changes[i] = changes[i - 1];
			changes[i] = pair[k];
		}
	}
}

struct zone_span
zonerule_span_at(const struct zonerule *r, int64_t s)
{
	struct zone_span span = {.begin_s = -ZONE_EVER_S, .end_s = ZONE_EVER_S};
	const struct zonerule_type *type = &r->standard;

	if (r->has_summer) {
		struct change changes[RULE_CHANGES];
		size_t i = 0;

		list_changes(r, s, changes);
		while (i < RULE_CHANGES && changes[i].at_s <= s)
			i++;
		/* The neighbours' changes stand around s: 0 < i < all. */
		if (i > 0) {
			span.begin_s = changes[i - 1].at_s;
			span.is_dst = changes[i - 1].summer;
		}
		if (i < RULE_CHANGES)
			span.end_s = changes[i].at_s;
		if (span.is_dst)
			type = &r->summer;
	}
	span.offset_s = type->offset_s;
	span.abbrev = type->abbrev;
	return span;
}
