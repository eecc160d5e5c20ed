#include "ageing.h"

#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#define KEEP_EVERY_NS (60 * NS_PER_S)

/* "01234567-89ab-..." without its dashes; zeros when it is none. */
static void
parse_boot_id(const char *text, uint8_t out[AGEING_BOOT_BYTES])
{
	char digits[2 * AGEING_BOOT_BYTES + 1];
	size_t n = 0;

	for (; *text != '\0' && n < sizeof(digits) - 1; text++)
		if (*text != '-')
			digits[n++] = *text;
	digits[n] = '\0';
	if (*text != '\0' || !text_unhex(digits, out, AGEING_BOOT_BYTES))
		memset(out, 0, AGEING_BOOT_BYTES);
}

void
ageing_now(struct ageing *out)
{
	char boot[NOW_BOOT_ID_BYTES];

	*out =
	    (struct ageing){.boot_ns = now_mono().ns, .wall_ns = now_utc().ns};
	now_boot_id(boot);
	parse_boot_id(boot, out->boot);
}

void
ageing_advance(struct ageing *a, const struct ageing *now)
{
	static const uint8_t unknown[AGEING_BOOT_BYTES];
	int64_t boot_ns, wall_ns, passed_ns = 0;

	if (memcmp(a->boot, now->boot, AGEING_BOOT_BYTES) == 0 &&
	    memcmp(a->boot, unknown, AGEING_BOOT_BYTES) != 0 &&
	    !__builtin_sub_overflow(now->boot_ns, a->boot_ns, &boot_ns) &&
	    !__builtin_sub_overflow(now->wall_ns, a->wall_ns, &wall_ns))
		passed_ns = boot_ns < wall_ns ? boot_ns : wall_ns;
	if (passed_ns < 0 ||
	    __builtin_add_overflow(a->age_ns, passed_ns, &passed_ns))
		passed_ns = a->age_ns;
	a->age_ns = passed_ns;
	memcpy(a->boot, now->boot, AGEING_BOOT_BYTES);
	a->boot_ns = now->boot_ns;
	a->wall_ns = now->wall_ns;
}

void
ageing_encode(const struct ageing *a, const uint8_t family[STORE_FAMILY_BYTES],
    uint8_t out[AGEING_BYTES])
{
	uint8_t *at = out + HEAD_BYTES;
	struct id hash;
	struct err e;

	head_put(out, HEAD_CLOCK, family);
	le_put64(at, (uint64_t)a->age_ns);
	memcpy(at + 8, a->boot, AGEING_BOOT_BYTES);
	le_put64(at + 24, (uint64_t)a->boot_ns);
	le_put64(at + 32, (uint64_t)a->wall_ns);
	/* Without a right hash it is a clock that begins again. */
	if (hash_sha256(out, AGEING_BYTES - ID_BYTES, &hash, &e) != ERR_NONE)
		memset(&hash, 0, sizeof(hash));
	memcpy(at + 40, hash.bytes, ID_BYTES);
}

enum err_code
ageing_decode(struct ageing *out, const uint8_t *family, const void *bytes,
    size_t len_bytes, struct err *e)
{
	const uint8_t *at = (const uint8_t *)bytes + HEAD_BYTES;
	struct id hash;
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (len_bytes != AGEING_BYTES)
		return err_set(e, ERR_CORRUPT, "the clock is %zu bytes long",
		    len_bytes);
	rc = hash_sha256(bytes, AGEING_BYTES - ID_BYTES, &hash, e);
	if (rc != ERR_NONE)
		return rc;
	if (memcmp(hash.bytes, at + 40, ID_BYTES) != 0)
		return err_set(e, ERR_CORRUPT,
		    "the clock does not match its hash");
	rc = head_check(bytes, len_bytes, HEAD_CLOCK, family, e);
	if (rc != ERR_NONE)
		return rc;
	out->age_ns = (int64_t)le_get64(at);
	memcpy(out->boot, at + 8, AGEING_BOOT_BYTES);
	out->boot_ns = (int64_t)le_get64(at + 24);
	out->wall_ns = (int64_t)le_get64(at + 32);
	return out->age_ns >= 0
	    ? ERR_NONE
	    : err_set(e, ERR_CORRUPT, "the clock runs below zero");
}

/* One that died here left its temporary. */
enum err_code
ageing_replace(struct store *st, const char *tmp, const struct repo_file *f,
    struct err *e)
{
	ASSERT(st->locked);
	(void)unlinkat(st->tmp_fd, tmp, 0);
	return repo_replace(st, tmp, f, e);
}

static enum err_code
keep(struct store *st, const struct ageing *a, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	uint8_t bytes[AGEING_BYTES];
	struct repo_file f = {.what = "condemned",
	    .name = "clock",
	    .bytes = bytes,
	    .len_bytes = sizeof(bytes)};
	enum err_code rc = repo_make_dir(&fd, st->dir_fd, "condemned", e);

	ageing_encode(a, st->family, bytes);
	f.dirfd = fd;
	return rc == ERR_NONE ? ageing_replace(st, "clock.new", &f, e) : rc;
}

/* Missing or damaged: it begins, as one that never saw a boot. */
static enum err_code
load(struct ageing *out, struct store *st, struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_open_dir(&fd, st->dir_fd, "condemned", e);

	memset(out, 0, sizeof(*out));
	if (rc == ERR_NONE)
		rc = repo_slurp(&b, fd, "clock", AGEING_BYTES, e);
	if (rc == ERR_NONE)
		rc = ageing_decode(out, st->family, b.bytes, b.len_bytes, e);
	if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT) {
		*out = (struct ageing){0};
		return ERR_NONE;
	}
	return rc == ERR_NONE ? rc
			      : err_wrap(e, "'%s/condemned/clock'", st->path);
}

/* A clock that went back, too: from there it counts on. */
static bool
is_due(const struct ageing *was, const struct ageing *now)
{
	return memcmp(was->boot, now->boot, AGEING_BOOT_BYTES) != 0 ||
	    now->boot_ns < was->boot_ns || now->wall_ns < was->wall_ns ||
	    now->boot_ns - was->boot_ns >= KEEP_EVERY_NS;
}

enum err_code
ageing_observe(struct store *st, enum ageing_keep how, int64_t *age_ns,
    struct err *e)
{
	struct ageing was, is, now;
	enum err_code rc = load(&was, st, e);

	*age_ns = 0;
	if (rc != ERR_NONE)
		return rc;
	ageing_now(&now);
	is = was;
	ageing_advance(&is, &now);
	*age_ns = is.age_ns;
	if (how == AGEING_LOOK || (how == AGEING_TICK && !is_due(&was, &now)))
		return ERR_NONE;
	return keep(st, &is, e);
}

enum err_code
ageing_tick(struct store *st, struct err *e)
{
	int64_t age_ns;
	enum err_code rc;

	if (st->access != STORE_WRITE)
		return ERR_NONE;
	rc = ageing_observe(st, AGEING_TICK, &age_ns, e);
	return rc == ERR_NOSPACE ? ERR_NONE : rc;
}
