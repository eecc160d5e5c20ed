#include <bascule/calendar.h>

#include <string.h>
#include <strings.h>

#include "floor.h"

#define WORDS_MAX   3
#define DAY_MINUTES 1440
#define ALL_DAYS    0x7f
#define ACCEPTED                                                  \
	"accepted: \"Mon-Fri 08:00-18:00 Europe/London\", where " \
	"the days and the zone may be left out"

static const char *const names[] = {"sun", "mon", "tue", "wed", "thu", "fri",
    "sat"};

static bool
take_weekday(const char **at, int *weekday)
{
	for (int i = 0; i < 7; i++)
		if (strncasecmp(*at, names[i], 3) == 0) {
			*weekday = i;
			*at += 3;
			return true;
		}
	return false;
}

/* "Mon-Fri,Sun": a range may pass the end of the week. */
static bool
parse_weekdays(const char *text, uint8_t *weekdays)
{
	*weekdays = 0;
	for (;;) {
		int first, last;

		if (!take_weekday(&text, &first))
			return false;
		last = first;
		if (*text == '-') {
			text++;
			if (!take_weekday(&text, &last))
				return false;
		}
		for (int day = first;; day = (day + 1) % 7) {
			*weekdays |= (uint8_t)(1 << day);
			if (day == last)
				break;
		}
		if (*text == '\0')
			return true;
		if (*text++ != ',')
			return false;
	}
}

static bool
take_digits(const char **at, int *value)
{
	if ((*at)[0] < '0' || (*at)[0] > '9' || (*at)[1] < '0' ||
	    (*at)[1] > '9')
		return false;
	*value = ((*at)[0] - '0') * 10 + ((*at)[1] - '0');
	*at += 2;
	return true;
}

static bool
take_minute(const char **at, int *minute)
{
	int hours, minutes;

	if (!take_digits(at, &hours) || *(*at)++ != ':' ||
	    !take_digits(at, &minutes))
		return false;
	*minute = hours * 60 + minutes;
	return minutes < 60 && *minute <= DAY_MINUTES;
}

static bool
parse_span(const char *text, struct window *w)
{
	return take_minute(&text, &w->from_minute) && *text++ == '-' &&
	    take_minute(&text, &w->until_minute) && *text == '\0' &&
	    w->from_minute < DAY_MINUTES && w->from_minute != w->until_minute;
}

/* Cut the copy of the text into words; more than WORDS_MAX are counted. */
static size_t
split(char *text, char *words[WORDS_MAX])
{
	size_t n = 0;

	for (;;) {
		text += strspn(text, " \t");
		if (*text == '\0')
			return n;
		if (n < WORDS_MAX)
			words[n] = text;
		n++;
		text += strcspn(text, " \t");
		if (*text != '\0')
			*text++ = '\0';
	}
}

static bool
parse_words(struct window *w, char *const words[WORDS_MAX], size_t n)
{
	size_t i = 0;

	if (n == 0 || n > WORDS_MAX)
		return false;
	if (words[i][0] < '0' || words[i][0] > '9') {
		if (!parse_weekdays(words[i], &w->weekdays))
			return false;
		i++;
	}
	if (i == n || !parse_span(words[i++], w))
		return false;
	if (i == n)
		return true;
	if (!zone_name_is_valid(words[i]))
		return false;
	snprintf(w->zone, sizeof(w->zone), "%s", words[i]);
	return i + 1 == n;
}

enum err_code
window_parse(struct window *out, const char *text, struct err *e)
{
	char copy[WINDOW_TEXT_MAX + 1];
	char *words[WORDS_MAX];
	size_t len = strlen(text);

	*out = (struct window){.weekdays = ALL_DAYS, .zone = "UTC"};
	if (len > WINDOW_TEXT_MAX)
		return err_set(e, ERR_INPUT,
		    "the window is over %d characters long; %s",
		    WINDOW_TEXT_MAX, ACCEPTED);
	memcpy(copy, text, len + 1);
	if (!parse_words(out, words, split(copy, words)))
		return err_set(e, ERR_INPUT, "'%s' is not a window; %s", text,
		    ACCEPTED);
	return ERR_NONE;
}

bool
window_contains(const struct window *w, const struct zone *zone, struct utc t)
{
	struct civil c = zone_civil(zone, floor_div(t.ns, NS_PER_S));
	int minute = c.hour * 60 + c.minute;
	bool today = w->weekdays >> c.weekday & 1;
	bool yesterday = w->weekdays >> (c.weekday + 6) % 7 & 1;

	if (w->from_minute < w->until_minute)
		return today && minute >= w->from_minute &&
		    minute < w->until_minute;
	return (today && minute >= w->from_minute) ||
	    (yesterday && minute < w->until_minute);
}

bool
window_frozen(int64_t from_days, int64_t until_days, const struct zone *zone,
    struct utc t)
{
	struct civil c = zone_civil(zone, floor_div(t.ns, NS_PER_S));
	int64_t days = civil_days(c.year, c.month, c.day);

	return days >= from_days && days <= until_days;
}
