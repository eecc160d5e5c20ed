#include <bascule/calendar.h>

#include <stdio.h>
#include <string.h>

#include "floor.h"

/* Beyond this a date stays at the limit: nothing here needs the year 30000. */
#define CIVIL_DAYS_MAX (INT64_C(1) << 23)

#define DATE_ACCEPTED "accepted: a date that exists, \"2027-05-01\""
#define TIME_ACCEPTED                                            \
	"accepted: \"2027-05-01\", \"2027-05-01T08:00:00Z\" or " \
	"\"2027-05-01T08:00:00+01:00\""

/*
 * Years are counted from March, so that the leap day is the last of its year
 * and the days before a month follow one formula.
 */
int64_t
civil_days(int year, int month, int day)
{
	int64_t y = month <= 2 ? (int64_t)year - 1 : year;
	int64_t era = floor_div(y, 400);
	int64_t year_of_era = y - era * 400;
	int64_t from_march = month > 2 ? month - 3 : month + 9;
	int64_t day_of_year = (153 * from_march + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 -
	    year_of_era / 100 + day_of_year - 719468;
}

struct civil
civil_of_days(int64_t days)
{
	struct civil c = {0};
	int64_t z, era, day_of_era, year_of_era, day_of_year, from_march;

	if (days > CIVIL_DAYS_MAX)
		days = CIVIL_DAYS_MAX;
	if (days < -CIVIL_DAYS_MAX)
		days = -CIVIL_DAYS_MAX;
	z = days + 719468;
	era = floor_div(z, 146097);
	day_of_era = z - era * 146097;
	year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
			  day_of_era / 146096) /
	    365;
	day_of_year = day_of_era -
	    (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	from_march = (5 * day_of_year + 2) / 153;
	c.day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1);
	c.month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
	c.year = (int)(year_of_era + era * 400 + (c.month <= 2));
	c.weekday = civil_weekday(days);
	memcpy(c.abbrev, "UTC", sizeof("UTC"));
	return c;
}

struct civil
civil_of_s(int64_t s)
{
	int64_t days, limit_s = CIVIL_DAYS_MAX * CIVIL_DAY_S;
	struct civil c;
	int rest;

	if (s > limit_s)
		s = limit_s;
	if (s < -limit_s)
		s = -limit_s;
	days = floor_div(s, CIVIL_DAY_S);
	rest = (int)(s - days * CIVIL_DAY_S);
	c = civil_of_days(days);
	c.hour = rest / 3600;
	c.minute = rest / 60 % 60;
	c.second = rest % 60;
	return c;
}

int64_t
civil_s(const struct civil *c)
{
	return civil_days(c->year, c->month, c->day) * CIVIL_DAY_S +
	    c->hour * 3600 + c->minute * 60 + c->second;
}

int
civil_weekday(int64_t days)
{
	int64_t r = (days + 4) % 7; /* 1970-01-01 was a Thursday */

	return (int)(r < 0 ? r + 7 : r);
}

int
civil_month_days(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
	    31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/* Exactly `digits` digits; moves *at past them.  -1: they are not there. */
static int
take_number(const char **at, int digits)
{
	int value = 0;

	for (int i = 0; i < digits; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return -1;
		value = value * 10 + (**at - '0');
	}
	return value;
}

static bool
take_char(const char **at, const char *set)
{
	if (**at == '\0' || strchr(set, **at) == NULL)
		return false;
	(*at)++;
	return true;
}

static bool
take_date(const char **at, struct civil *c)
{
	c->year = take_number(at, 4);
	if (!take_char(at, "-"))
		return false;
	c->month = take_number(at, 2);
	if (!take_char(at, "-"))
		return false;
	c->day = take_number(at, 2);
	return c->year >= CIVIL_YEAR_MIN && c->year <= CIVIL_YEAR_MAX &&
	    c->month >= 1 && c->month <= 12 && c->day >= 1 &&
	    c->day <= civil_month_days(c->year, c->month);
}

static bool
take_clock(const char **at, struct civil *c)
{
	c->hour = take_number(at, 2);
	if (!take_char(at, ":"))
		return false;
	c->minute = take_number(at, 2);
	if (!take_char(at, ":"))
		return false;
	c->second = take_number(at, 2);
	return c->hour >= 0 && c->hour <= 23 && c->minute >= 0 &&
	    c->minute <= 59 && c->second >= 0 && c->second <= 59;
}

static bool
take_fraction(const char **at, int64_t *ns)
{
	int64_t unit = NS_PER_S / 10;

	*ns = 0;
	if (!take_char(at, "."))
		return true;
	if (**at < '0' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; (*at)++, unit /= 10) {
		if (unit == 0)
			return false;
		*ns += (**at - '0') * unit;
	}
	return true;
}

static bool
take_offset(const char **at, int32_t *offset_s)
{
	bool west = **at == '-';
	int hours, minutes;

	*offset_s = 0;
	if (take_char(at, "Zz"))
		return true;
	if (!take_char(at, "+-"))
		return false;
	hours = take_number(at, 2);
	if (!take_char(at, ":"))
		return false;
	minutes = take_number(at, 2);
	if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
		return false;
	*offset_s = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
	return true;
}

enum err_code
civil_parse_date(const char *text, int64_t *days, struct err *e)
{
	const char *at = text;
	struct civil c = {0};

	*days = 0;
	if (!take_date(&at, &c) || *at != '\0')
		return err_set(e, ERR_INPUT, "'%.40s' is not a date; %s", text,
		    DATE_ACCEPTED);
	*days = civil_days(c.year, c.month, c.day);
	return ERR_NONE;
}

enum err_code
civil_parse_utc(const char *text, struct utc *t, struct err *e)
{
	const char *at = text;
	struct civil c = {0};
	int64_t ns = 0;
	bool good = take_date(&at, &c);

	t->ns = 0;
	if (good && *at != '\0')
		good = take_char(&at, "Tt ") && take_clock(&at, &c) &&
		    take_fraction(&at, &ns) && take_offset(&at, &c.offset_s) &&
		    *at == '\0';
	if (!good)
		return err_set(e, ERR_INPUT, "'%.40s' is not a time; %s", text,
		    TIME_ACCEPTED);
	t->ns = (civil_s(&c) - c.offset_s) * NS_PER_S + ns;
	return ERR_NONE;
}

const char *
civil_text(const struct civil *c, char out[CIVIL_TEXT_BYTES])
{
	snprintf(out, CIVIL_TEXT_BYTES, "%04d-%02d-%02d %02d:%02d:%02d %s",
	    c->year, c->month, c->day, c->hour, c->minute, c->second,
	    c->abbrev);
	return out;
}
