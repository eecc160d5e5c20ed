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
now_stamp(struct utc t, char out[NOW_TEXT_BYTES])
{
	long ns;
	struct tm tm = split(t, &ns);

	strftime(out, NOW_TEXT_BYTES, "%Y%m%dT%H%M%SZ", &tm);
	return out;
}
