#include <bascule/calendar.h>

#include <string.h>
#include <strings.h>

#define FIELDS 5

/* 28 years give each date each weekday; 40 where a century ends in between. */
#define SEARCH_YEARS 41

struct field {
	const char *name;
	int min, max;
	const char *const *names; /* of min, min + 1, ... */
	size_t names_count;
	const char *accepted;
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may",
    "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu",
    "fri", "sat"};

static const struct field fields[FIELDS] = {
    {"minute", 0, 59, NULL, 0, "0 to 59"},
    {"hour", 0, 23, NULL, 0, "0 to 23"},
    {"day of the month", 1, 31, NULL, 0, "1 to 31"},
    {"month", 1, 12, month_names, COUNT_OF(month_names),
	"1 to 12 or jan to dec"},
    {"day of the week", 0, 7, weekday_names, COUNT_OF(weekday_names),
	"0 to 7 or sun to sat"},
};

static const struct {
	const char *name, *text;
} nicknames[] = {
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

/* A run of characters, borrowed. */
struct word {
	const char *at;
	size_t len;
};

static enum err_code
refuse(struct err *e, const struct field *f, struct word w, const char *why)
{
	return err_set(e, ERR_INPUT,
	    "the %s '%.*s' %s; accepted: *, %s, lists \"a,b\", ranges \"a-b\", "
	    "steps \"*/n\" and \"a-b/n\"",
	    f->name, (int)(w.len < 40 ? w.len : 40), w.at, why, f->accepted);
}

static bool
word_number(struct word w, int *value)
{
	*value = 0;
	if (w.len == 0 || w.len > 4)
		return false;
	for (size_t i = 0; i < w.len; i++) {
		if (w.at[i] < '0' || w.at[i] > '9')
			return false;
		*value = *value * 10 + (w.at[i] - '0');
	}
	return true;
}

static bool
word_value(const struct field *f, struct word w, int *value)
{
	if (word_number(w, value))
		return *value >= f->min && *value <= f->max;
	for (size_t i = 0; i < f->names_count; i++)
		if (w.len == strlen(f->names[i]) &&
		    strncasecmp(w.at, f->names[i], w.len) == 0) {
			*value = f->min + (int)i;
			return true;
		}
	return false;
}

/* What stands before c, which is stepped over; *rest.at is NULL without c. */
static struct word
split_at(struct word w, char c, struct word *rest)
{
	const char *found = memchr(w.at, c, w.len);

	*rest = (struct word){NULL, 0};
	if (found == NULL)
		return w;
	rest->at = found + 1;
	rest->len = w.len - (size_t)(found - w.at) - 1;
	return (struct word){w.at, (size_t)(found - w.at)};
}

static bool
is_star(struct word w)
{
	return w.len == 1 && w.at[0] == '*';
}

/* One element of a list: "*", "a" or "a-b", the first and last with a step. */
static enum err_code
parse_element(const struct field *f, struct word w, uint64_t *bits,
    struct err *e)
{
	struct word step_word, last_word;
	struct word span = split_at(w, '/', &step_word);
	struct word first_word = split_at(span, '-', &last_word);
	int first = f->min, last = f->max, step = 1;

	if (!is_star(span)) {
		if (!word_value(f, first_word, &first))
			return refuse(e, f, w, "is not one");
		last = first;
		if (last_word.at != NULL && !word_value(f, last_word, &last))
			return refuse(e, f, w, "is not one");
		if (last_word.at != NULL && last == 0 && first > 0 &&
		    f->max == 7)
			last = 7; /* "sat-sun" */
		if (last < first)
			return refuse(e, f, w, "runs backwards");
	}
	if (step_word.at != NULL) {
		if (!is_star(span) && last_word.at == NULL)
			return refuse(e, f, w, "has a step but no range");
		if (!word_number(step_word, &step) || step < 1 || step > f->max)
			return refuse(e, f, w,
			    "has a step that makes no sense");
	}
	for (int v = first; v <= last; v += step)
		*bits |= UINT64_C(1) << v;
	return ERR_NONE;
}

static enum err_code
parse_field(const struct field *f, struct word w, uint64_t *bits, struct err *e)
{
	enum err_code rc = ERR_NONE;

	*bits = 0;
	while (rc == ERR_NONE && w.at != NULL) {
		struct word rest;
		struct word element = split_at(w, ',', &rest);

		rc = parse_element(f, element, bits, e);
		w = rest;
	}
	return rc;
}

/* The words between blanks; how many there are, at most FIELDS are kept. */
static size_t
split_fields(const char *text, struct word words[FIELDS])
{
	size_t n = 0;

	for (;;) {
		struct word w;

		text += strspn(text, " \t");
		if (*text == '\0')
			return n;
		w = (struct word){text, strcspn(text, " \t")};
		if (n < FIELDS)
			words[n] = w;
		n++;
		text += w.len;
	}
}

static enum err_code
parse_fields(struct cron *c, const struct word words[FIELDS], struct err *e)
{
	uint64_t bits[FIELDS];
	struct word hour = words[1];

	for (size_t i = 0; i < FIELDS; i++) {
		enum err_code rc =
		    parse_field(&fields[i], words[i], &bits[i], e);

		if (rc != ERR_NONE)
			return rc;
	}
	c->minutes = bits[0];
	c->hours = (uint32_t)bits[1];
	c->days = (uint32_t)bits[2];
	c->months = (uint16_t)bits[3];
	c->weekdays = (uint8_t)((bits[4] | bits[4] >> 7) & 0x7f);
	c->any_day = words[2].at[0] == '*';
	c->any_weekday = words[4].at[0] == '*';
	c->every_hour =
	    hour.at[0] == '*' && memchr(hour.at, ',', hour.len) == NULL;
	return ERR_NONE;
}

static enum err_code
parse_text(struct cron *c, const char *text, struct err *e)
{
	struct word words[FIELDS];
	size_t n;
	int64_t next_s;
	enum err_code rc;

	n = split_fields(text, words);
	if (n != FIELDS)
		return err_set(e, ERR_INPUT,
		    "it has %zu field%s; accepted: \"minute hour day month "
		    "weekday\" or @hourly, @daily, @weekly, @monthly, @yearly",
		    n, n == 1 ? "" : "s");
	rc = parse_fields(c, words, e);
	if (rc == ERR_NONE &&
	    !cron_next_local(c, civil_days(2000, 1, 1) * CIVIL_DAY_S, &next_s))
		rc = err_set(e, ERR_INPUT,
		    "such a date never comes; accepted: a day that its month "
		    "has");
	return rc;
}

enum err_code
cron_parse(struct cron *out, const char *text, struct err *e)
{
	const char *fields_text = text;
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (strlen(text) > CRON_TEXT_MAX)
		return err_set(e, ERR_INPUT,
		    "the schedule is over %d characters long", CRON_TEXT_MAX);
	for (size_t i = 0; i < COUNT_OF(nicknames); i++)
		if (strcmp(text, nicknames[i].name) == 0)
			fields_text = nicknames[i].text;
	rc = parse_text(out, fields_text, e);
	if (rc != ERR_NONE) {
		memset(out, 0, sizeof(*out));
		return err_wrap(e, "schedule '%.60s'", text);
	}
	return ERR_NONE;
}

static bool
matches_date(const struct cron *c, const struct civil *date)
{
	bool day = c->days >> date->day & 1;
	bool weekday = c->weekdays >> date->weekday & 1;

	if (!(c->months >> date->month & 1))
		return false;
	/* crontab(5): a star restricts nothing, two restrictions are OR'd */
	return c->any_day || c->any_weekday ? day && weekday : day || weekday;
}

bool
cron_matches_day(const struct cron *c, int64_t days)
{
	struct civil date = civil_of_days(days);

	return matches_date(c, &date);
}

/* The first matching minute of the day at or after minute; -1: none. */
static int
next_minute(const struct cron *c, int minute)
{
	for (int hour = minute / 60; hour < 24; hour++) {
		int from = hour == minute / 60 ? minute % 60 : 0;
		uint64_t left = c->minutes >> from;

		if ((c->hours >> hour & 1) && left != 0)
			return hour * 60 + from + __builtin_ctzll(left);
	}
	return -1;
}

bool
cron_next_local(const struct cron *c, int64_t local_s, int64_t *next_s)
{
	struct civil from = civil_of_s(local_s);
	int64_t days = civil_days(from.year, from.month, from.day);
	int64_t last = days + SEARCH_YEARS * 366;
	int minute = from.hour * 60 + from.minute + (from.second > 0);

	while (days < last) {
		struct civil date = civil_of_days(days);
		int found = -1;

		if (!(c->months >> date.month & 1)) {
			days += civil_month_days(date.year, date.month) -
			    date.day + 1;
			minute = 0;
			continue;
		}
		if (matches_date(c, &date) && minute < 24 * 60)
			found = next_minute(c, minute);
		if (found >= 0) {
			*next_s = days * CIVIL_DAY_S + found * 60;
			return true;
		}
		days++;
		minute = 0;
	}
	return false;
}
