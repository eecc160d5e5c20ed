#include "model/world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <bascule/base/rand.h>

#include "model/disk.h"
#include "model/seen.h"

#define STACK_BYTES ((size_t)1 << 20)
#define TURNS_MAX   400000 /* then something goes round in circles */

struct actor {
	ucontext_t context;
	void *stack; /* kept for the next world */
	void (*fn)(void *ctx);
	void *ctx;
	bool over, dead;
	bool locks;    /* it waits for the lock, or has it */
	unsigned doom; /* turns until it dies; 0: it does not */
	bool of_names; /* of which kind */
};

static struct actor actors[WORLD_ACTORS_MAX];
static size_t actors_count;
static int current = -1;
static ucontext_t judge;
static uint64_t state, turns, print;
static unsigned haste; /* how rarely turns change */
static struct {
	int64_t true_ns, boot_ns, wall_ns;
	unsigned boot;
	bool boot_lies; /* then the wall clock does not, nor the other way */
} clocks;

bool world_tells;
void (*world_on_fail)(const char *text);

/* --- Chance ----------------------------------------------------------------- */

static uint64_t
draw(void)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t
world_below(uint64_t bound)
{
	return draw() % bound;
}

bool
world_one_in(uint64_t n)
{
	return world_below(n) == 0;
}

/* In place of base's: what is sealed and named follows from the seed, too. */
void
rand_bytes(void *bytes, size_t len_bytes)
{
	uint8_t *at = bytes;

	for (; len_bytes > 0; len_bytes--)
		*at++ = (uint8_t)(draw() >> 56);
}

uint64_t
rand_below(uint64_t bound)
{
	return world_below(bound);
}

/* Keys as well. */
int __wrap_RAND_priv_bytes(unsigned char *bytes, int len_bytes);
int
__wrap_RAND_priv_bytes(unsigned char *bytes, int len_bytes)
{
	rand_bytes(bytes, (size_t)len_bytes);
	return 1;
}

/* --- Verdicts --------------------------------------------------------------- */

void
world_fail(const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	world_tell("FAILED: %s", text);
	world_on_fail(text);
	abort();
}

void
world_tell(const char *format, ...)
{
	va_list ap;

	if (!world_tells)
		return;
	printf("  %6llu ", (unsigned long long)turns);
	if (current < 0)
		printf("judge: ");
	else
		printf("%d: ", current);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

uint64_t
world_print(void)
{
	return print ^ state;
}

/* --- Turns ------------------------------------------------------------------ */

int
world_actor(void)
{
	return current;
}

static void
enter(void)
{
	actors[current].fn(actors[current].ctx);
	actors[current].over = true;
	/* uc_link: back to the judge, who picks another */
}

void
world_add(void (*fn)(void *ctx), void *ctx)
{
	struct actor *a = &actors[actors_count++];

	ASSERT(actors_count <= WORLD_ACTORS_MAX);
	if (a->stack == NULL)
		a->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	ASSERT(a->stack != MAP_FAILED);
	a->fn = fn;
	a->ctx = ctx;
	a->over = a->dead = a->locks = false;
	a->doom = 0;
	getcontext(&a->context);
	a->context.uc_stack.ss_sp = a->stack;
	a->context.uc_stack.ss_size = STACK_BYTES;
	a->context.uc_link = &judge;
	makecontext(&a->context, enter, 0);
}

/* One of those who are not over; -1: none. */
static int
pick(void)
{
	size_t left = 0, nth;

	for (size_t i = 0; i < actors_count; i++)
		left += !actors[i].over;
	if (left == 0)
		return -1;
	nth = world_below(left);
	for (size_t i = 0; i < actors_count; i++)
		if (!actors[i].over && nth-- == 0)
			return (int)i;
	return -1;
}

void
world_run(void)
{
	int next;

	while ((next = pick()) >= 0) {
		current = next;
		swapcontext(&judge, &actors[next].context);
		current = -1;
	}
	actors_count = 0;
}

static void
change(void)
{
	const int self = current;
	const int next = pick();

	if (++turns > TURNS_MAX)
		world_fail("it goes round in circles");
	if (next == self)
		return;
	current = next;
	swapcontext(&actors[self].context, &actors[next].context);
	current = self;
}

void
world_nap(unsigned n)
{
	if (current < 0 || actors[current].dead)
		return;
	for (; n > 0; n--)
		change();
}

void
world_doom(unsigned nth, bool of_names)
{
	actors[current].doom = nth;
	actors[current].of_names = of_names;
}

bool
world_is_dead(void)
{
	return current >= 0 && actors[current].dead;
}

void
world_revive(void)
{
	actors[current].dead = false;
	actors[current].doom = 0;
}

/* Before a call that others can see.  True: it is made by nobody any more. */
static bool
turn_of(bool of_names)
{
	struct actor *a;

	if (current < 0)
		return false;
	a = &actors[current];
	if (!a->dead && a->doom > 0 && (of_names || !a->of_names) &&
	    --a->doom == 0) {
		a->dead = true;
		seen_death(current);
		world_tell("dies");
	}
	if (a->dead) {
		errno = EIO;
		return true;
	}
	if (world_one_in(haste))
		change();
	return false;
}

static bool
turn(void)
{
	return turn_of(false);
}

/* --- Time -------------------------------------------------------------------- */

struct utc __wrap_now_utc(void);
struct mono __wrap_now_mono(void);
void __wrap_now_boot_id(char out[NOW_BOOT_ID_BYTES]);

struct utc
__wrap_now_utc(void)
{
	return (struct utc){clocks.wall_ns};
}

struct mono
__wrap_now_mono(void)
{
	return (struct mono){clocks.boot_ns};
}

void
__wrap_now_boot_id(char out[NOW_BOOT_ID_BYTES])
{
	snprintf(out, NOW_BOOT_ID_BYTES, "%08x-0000-4000-8000-000000000000",
	    clocks.boot + 1);
}

int64_t
world_true_ns(void)
{
	return clocks.true_ns;
}

void
world_pass(int64_t ns)
{
	clocks.true_ns += ns;
	clocks.boot_ns += ns;
	clocks.wall_ns += ns;
}

void
world_clocks(char *text, size_t size)
{
	static const int64_t hours[] = {0, 1, 5, 30, 71, 80};
	const int64_t year_ns = 8766 * WORLD_HOUR_NS;
	const int64_t ns = hours[world_below(COUNT_OF(hours))] * WORLD_HOUR_NS +
	    (int64_t)world_below(WORLD_HOUR_NS);

	/* Not while somebody waits for the lock: 30 s are enough there. */
	for (size_t i = 0; i < actors_count; i++)
		if (actors[i].locks) {
			snprintf(text, size, "no time passes");
			return;
		}
	switch (world_below(8)) {
	case 0:
		if (clocks.boot_lies) {
			clocks.boot_ns += year_ns;
			snprintf(text, size, "the boot clock jumps a year");
			return;
		}
		clocks.wall_ns += 10 * year_ns;
		snprintf(text, size, "the wall clock jumps 10 years ahead");
		return;
	case 1:
		clocks.wall_ns -= 10 * year_ns;
		snprintf(text, size, "the wall clock jumps 10 years back");
		return;
	case 2:
		clocks.wall_ns -= ns;
		snprintf(text, size, "the wall clock jumps %lld h back",
		    (long long)(ns / WORLD_HOUR_NS));
		return;
	case 3:
		clocks.true_ns += ns;
		clocks.wall_ns += ns;
		clocks.boot_ns = (int64_t)world_below(100 * WORLD_HOUR_NS);
		clocks.boot++;
		snprintf(text, size, "off for %lld h, then a boot",
		    (long long)(ns / WORLD_HOUR_NS));
		return;
	default:
		world_pass(ns);
		snprintf(text, size, "%lld h pass",
		    (long long)(ns / WORLD_HOUR_NS));
	}
}

/* --- The calls ---------------------------------------------------------------- */

ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t
__wrap_write(int fd, const void *bytes, size_t len)
{
	return turn() ? -1 : disk_write(fd, bytes, len);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t
__wrap_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	return turn() ? -1 : disk_pwrite(fd, bytes, len, at);
}

int __wrap_fsync(int fd);
int
__wrap_fsync(int fd)
{
	if (turn_of(true))
		return -1;
	seen_fsync(fd);
	return 0; /* a power cut is another campaign's */
}

int __wrap_syncfs(int fd);
int
__wrap_syncfs(int fd)
{
	(void)fd;
	return turn_of(true) ? -1 : 0;
}

int __wrap_mkdirat(int fd, const char *name, mode_t mode);
int
__wrap_mkdirat(int fd, const char *name, mode_t mode)
{
	(void)mode;
	return turn() ? -1 : disk_mkdir(fd, name);
}

int __wrap_posix_fallocate(int fd, off_t at, off_t len);
int
__wrap_posix_fallocate(int fd, off_t at, off_t len)
{
	(void)at;
	(void)len; /* the reserve: room in memory is dear */
	return turn() ? EIO : disk_reserve(fd, 1);
}

int __wrap_unlinkat(int fd, const char *name, int flags);
int
__wrap_unlinkat(int fd, const char *name, int flags)
{
	int num;

	if (turn_of(true))
		return -1;
	seen_before_unlink(fd, name);
	num = disk_unlink(fd, name, flags);
	if (num == 0)
		seen_unlink(fd, name);
	return num;
}

int __wrap_linkat(int ofd, const char *o, int nfd, const char *n, int flags);
int
__wrap_linkat(int ofd, const char *o, int nfd, const char *n, int flags)
{
	int num;

	if (turn_of(true))
		return -1;
	(void)flags;
	num = disk_link(ofd, o, nfd, n);
	if (num == 0)
		seen_name(nfd, n);
	return num;
}

int __wrap_renameat(int ofd, const char *o, int nfd, const char *n);
int
__wrap_renameat(int ofd, const char *o, int nfd, const char *n)
{
	int num;

	if (turn_of(true))
		return -1;
	num = disk_rename(ofd, o, nfd, n, 0);
	if (num == 0)
		seen_name(nfd, n);
	return num;
}

int __wrap_renameat2(int ofd, const char *o, int nfd, const char *n,
    unsigned flags);
int
__wrap_renameat2(int ofd, const char *o, int nfd, const char *n, unsigned flags)
{
	int num;

	if (turn_of(true))
		return -1;
	num = disk_rename(ofd, o, nfd, n, flags);
	if (num == 0)
		seen_name(nfd, n);
	return num;
}

/* openat2(2); who only reads may find things changed, too. */
struct how {
	uint64_t flags, mode, resolve;
};
long __wrap_syscall(long number, ...);
long
__wrap_syscall(long number, ...)
{
	const struct how *how;
	long a[4];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	how = (const struct how *)a[2]; /* NOLINT: what openat2 is given */
	ASSERT(number == SYS_openat2);
	if (turn() && (how->flags & O_CREAT) != 0)
		return -1;
	return disk_open((int)a[0], (const char *)a[1], (int)how->flags);
}

int __wrap_openat(int fd, const char *name, int flags, ...);
int
__wrap_openat(int fd, const char *name, int flags, ...)
{
	if ((flags & O_CREAT) != 0 && turn())
		return -1;
	return disk_open(fd, name, flags);
}

int __wrap_open(const char *name, int flags, ...);
int
__wrap_open(const char *name, int flags, ...)
{
	return __wrap_openat(AT_FDCWD, name, flags);
}

int __wrap_mkdir(const char *name, mode_t mode);
int
__wrap_mkdir(const char *name, mode_t mode)
{
	return __wrap_mkdirat(AT_FDCWD, name, mode);
}

int __wrap_fcntl(int fd, int command, ...);
int
__wrap_fcntl(int fd, int command, ...)
{
	const struct flock *fl;
	void *arg;
	va_list ap;
	int num;

	va_start(ap, command);
	arg = va_arg(ap, void *);
	va_end(ap);
	fl = arg;
	ASSERT(command == F_OFD_SETLK || command == F_OFD_GETLK);
	if (command == F_OFD_GETLK)
		return disk_lock(fd, command, arg);
	if (fl->l_type == F_WRLCK && current >= 0)
		actors[current].locks = true;
	if (fl->l_type == F_WRLCK && turn()) {
		actors[current].locks = false;
		return -1;
	}
	num = disk_lock(fd, command, arg);
	if (current >= 0)
		actors[current].locks = fl->l_type == F_WRLCK;
	if (fl->l_type == F_UNLCK)
		(void)turn();
	return num;
}

/* Waiting is for the others. */
int __wrap_nanosleep(const struct timespec *how_long, struct timespec *left);
int
__wrap_nanosleep(const struct timespec *how_long, struct timespec *left)
{
	(void)how_long;
	(void)left;
	world_nap(1);
	return 0;
}

/*
 * Secrets lie in pages of their own, which takes four calls each: here a few
 * pages are used again and again.
 */
#define SLOT_BYTES ((size_t)8192)
#define SLOTS      512

static uint8_t *slots;
static uint16_t free_slots[SLOTS];
static size_t free_count;

void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);
void *
__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	if (slots == NULL) {
		slots = __real_mmap(NULL, SLOTS * SLOT_BYTES,
		    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT(slots != MAP_FAILED);
		for (; free_count < SLOTS; free_count++)
			free_slots[free_count] = (uint16_t)free_count;
	}
	if (fd != -1)
		return disk_map(fd, len);
	if ((flags & MAP_PRIVATE) == 0 || len > SLOT_BYTES || free_count == 0)
		return __real_mmap(at, len, prot, flags, fd, off);
	return slots + free_slots[--free_count] * SLOT_BYTES;
}

static bool
is_slot(const void *at)
{
	return slots != NULL && (const uint8_t *)at >= slots &&
	    (const uint8_t *)at < slots + SLOTS * SLOT_BYTES;
}

int __real_munmap(void *at, size_t len);
int __wrap_munmap(void *at, size_t len);
int
__wrap_munmap(void *at, size_t len)
{
	if (!is_slot(at))
		return disk_unmap(at) == 0 ? 0 : __real_munmap(at, len);
	memset(at, 0, len);
	free_slots[free_count++] =
	    (uint16_t)((size_t)((uint8_t *)at - slots) / SLOT_BYTES);
	return 0;
}

int __wrap_mlock(const void *at, size_t len);
int
__wrap_mlock(const void *at, size_t len)
{
	(void)at;
	(void)len;
	return 0;
}

int __wrap_madvise(void *at, size_t len, int advice);
int
__wrap_madvise(void *at, size_t len, int advice)
{
	(void)at;
	(void)len;
	(void)advice;
	return 0;
}

/* --- Beginning ---------------------------------------------------------------- */

void
world_begin(uint64_t seed, const char *root)
{
	static const unsigned hastes[] = {1, 2, 4, 16, 64};

	state = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
	turns = print = 0;
	actors_count = 0;
	current = -1;
	haste = hastes[world_below(COUNT_OF(hastes))];
	clocks.true_ns = 0;
	clocks.boot_ns = 5 * WORLD_HOUR_NS;
	clocks.wall_ns = 1795000000 * NS_PER_S;
	clocks.boot = 0;
	clocks.boot_lies = world_one_in(4);
	disk_begin();
	seen_begin(root);
}
