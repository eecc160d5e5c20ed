#include <bascule/base/now.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t
read_clock(clockid_t id)
{
	struct timespec ts = {0};

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

struct utc
now_utc(void)
{
	return (struct utc){read_clock(CLOCK_REALTIME)};
}

struct mono
now_mono(void)
{
	return (struct mono){read_clock(CLOCK_BOOTTIME)};
}

void
now_boot_id(char out[NOW_BOOT_ID_BYTES])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, out, NOW_BOOT_ID_BYTES - 1);

	if (fd != -1)
		close(fd);
	if (n == NOW_BOOT_ID_BYTES - 1)
		out[n] = '\0';
	else
		memcpy(out, "unknown", sizeof("unknown"));
}

/* Whole seconds of t, rounded down, and what is left over. */
static struct tm
split(struct utc t, long *rest_ns)
{
	int64_t s = t.ns / NS_PER_S;
	int64_t ns = t.ns % NS_PER_S;
	struct tm tm = {0};
	time_t when;

	if (ns < 0) {
		ns += NS_PER_S;
		s--;
	}
	when = (time_t)s;
	gmtime_r(&when, &tm);
	*rest_ns = (long)ns;
	return tm;
}

const char *
now_text(struct utc t, char out[NOW_TEXT_BYTES])
{
	long ns;
	struct tm tm = split(t, &ns);
	size_t used = strftime(out, NOW_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);

	snprintf(out + used, NOW_TEXT_BYTES - used, ".%09ldZ", ns);
	return out;
}

const char *
now_words(struct utc t, char out[NOW_TEXT_BYTES])
{
	long ns;
	struct tm tm = split(t, &ns);

	strftime(out, NOW_TEXT_BYTES, "%Y-%m-%d %H:%M:%S UTC", &tm);
	return out;
}

#define YEAR_1_S    (-INT64_C(62135596800))
#define YEAR_9999_S INT64_C(253402300799)

const char *
now_text_wide(int64_t s, uint32_t ns, char out[NOW_TEXT_BYTES])
{
	struct tm tm = {0};
	time_t when;
	size_t used;

	if (s < YEAR_1_S)
		s = YEAR_1_S;
	if (s > YEAR_9999_S)
		s = YEAR_9999_S;
	when = (time_t)s;
	gmtime_r(&when, &tm);
	snprintf(out, NOW_TEXT_BYTES, "%04d", tm.tm_year + 1900);
	used =
	    4 + strftime(out + 4, NOW_TEXT_BYTES - 4, "-%m-%dT%H:%M:%S", &tm);
	snprintf(out + used, NOW_TEXT_BYTES - used, ".%09uZ",
	    ns < NS_PER_S ? ns : 0);
	return out;
}

const char *
now_stamp(struct utc t, char out[NOW_TEXT_BYTES])
{
	long ns;
	struct tm tm = split(t, &ns);

	strftime(out, NOW_TEXT_BYTES, "%Y%m%dT%H%M%SZ", &tm);
	return out;
}

/* Days from 1970-01-01 to a Gregorian date. */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = y / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year =
	    (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	    of_year - 719468;
}

/* Exactly count digits; -1 when they are not there. */
static int64_t
take_digits(const char **at, int count)
{
	int64_t value = 0;

	for (; count > 0; count--, (*at)++) {
		if (**at < '0' || **at > '9')
			return -1;
		value = value * 10 + (**at - '0');
	}
	return value;
}

static bool
take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* The decimals of a second, if any; -1 when malformed. */
static int64_t
take_fraction(const char **at)
{
	int64_t ns = 0;
	int64_t unit = NS_PER_S / 10;

	if (!take_char(at, '.'))
		return 0;
	if (**at < '0' || **at > '9')
		return -1;
	for (; **at >= '0' && **at <= '9'; (*at)++, unit /= 10) {
		if (unit == 0)
			return -1;
		ns += (**at - '0') * unit;
	}
	return ns;
}

/* "Z", "+01:00": seconds east; false when malformed. */
static bool
take_offset(const char **at, int64_t *east_s)
{
	int64_t hours, minutes, sign = **at == '-' ? -1 : 1;

	*east_s = 0;
	if (take_char(at, 'Z') || take_char(at, 'z'))
		return true;
	if (!take_char(at, '+') && !take_char(at, '-'))
		return false;
	hours = take_digits(at, 2);
	if (hours < 0 || hours > 23 || !take_char(at, ':'))
		return false;
	minutes = take_digits(at, 2);
	*east_s = sign * (hours * 3600 + minutes * 60);
	return minutes >= 0 && minutes <= 59;
}

static bool
take_date(const char **at, int64_t *days)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
	    30, 31};
	int64_t year, month, day;
	bool leap;

	year = take_digits(at, 4);
	if (year < 1678 || year > 2261 || !take_char(at, '-'))
		return false;
	month = take_digits(at, 2);
	if (month < 1 || month > 12 || !take_char(at, '-'))
		return false;
	day = take_digits(at, 2);
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (day < 1 || day > lengths[month - 1] + (month == 2 && leap))
		return false;
	*days = days_of(year, month, day);
	return true;
}

static bool
take_clock(const char **at, int64_t *seconds)
{
	int64_t h, m, s;

	h = take_digits(at, 2);
	if (h < 0 || h > 23 || !take_char(at, ':'))
		return false;
	m = take_digits(at, 2);
	if (m < 0 || m > 59 || !take_char(at, ':'))
		return false;
	s = take_digits(at, 2);
	*seconds = h * 3600 + m * 60 + s;
	return s >= 0 && s <= 59;
}

bool
now_parse(const char *text, struct utc *t)
{
	int64_t days, seconds, ns, east_s;

	if (!take_date(&text, &days))
		return false;
	if (!take_char(&text, 'T') && !take_char(&text, 't') &&
	    !take_char(&text, ' '))
		return false;
	if (!take_clock(&text, &seconds))
		return false;
	ns = take_fraction(&text);
	if (ns < 0 || !take_offset(&text, &east_s) || *text != '\0')
		return false;
	t->ns = (days * 86400 + seconds - east_s) * NS_PER_S + ns;
	return true;
}
