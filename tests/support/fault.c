#include "support/fault.h"

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>

static int calls_left;
static int fault_errno;
static bool fired;

void
fault_arm(int nth, int num)
{
	calls_left = nth;
	fault_errno = num;
	fired = false;
}

bool
fault_fired(void)
{
	calls_left = 0;
	return fired;
}

static bool
fault_now(void)
{
	if (calls_left == 0 || --calls_left > 0)
		return false;
	fired = true;
	errno = fault_errno;
	return true;
}

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int ofd, const char *o, int nfd, const char *n);
int __wrap_renameat(int ofd, const char *o, int nfd, const char *n);
int __real_renameat2(int ofd, const char *o, int nfd, const char *n,
    unsigned flags);
int __wrap_renameat2(int ofd, const char *o, int nfd, const char *n,
    unsigned flags);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

ssize_t
__wrap_write(int fd, const void *bytes, size_t len)
{
	return fault_now() ? -1 : __real_write(fd, bytes, len);
}

int
__wrap_fsync(int fd)
{
	return fault_now() ? -1 : __real_fsync(fd);
}

int
__wrap_renameat(int ofd, const char *o, int nfd, const char *n)
{
	return fault_now() ? -1 : __real_renameat(ofd, o, nfd, n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fault_now() ? NULL : __real_calloc(n, size);
}

int
__wrap_renameat2(int ofd, const char *o, int nfd, const char *n, unsigned flags)
{
	return fault_now() ? -1 : __real_renameat2(ofd, o, nfd, n, flags);
}
