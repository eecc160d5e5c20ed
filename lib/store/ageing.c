#include "ageing.h"

#include <fcntl.h>
#include <string.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

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

static enum err_code
keep(struct session *se, int dir_fd, const struct ageing *a, struct err *e)
{
	uint8_t bytes[AGEING_BYTES];
	char tmp[SESSION_TEMPORARY_BYTES];
	struct repo_file f = {.dirfd = dir_fd,
	    .what = "condemned",
	    .name = "clock",
	    .bytes = bytes,
	    .len_bytes = sizeof(bytes)};

	ASSERT(se->store->locked);
	ageing_encode(a, se->store->family, bytes);
	session_temporary(se, tmp);
	return repo_replace(se->store, tmp, &f, e);
}

enum err_code
ageing_observe(struct store *st, struct session *se, int64_t *age_ns,
    struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	OWNED(fdio_close) int fd = -1;
	struct ageing a = {0}, now;
	enum err_code rc;

	*age_ns = 0;
	rc = se != NULL ? repo_make_dir(&fd, st->dir_fd, "condemned", e)
			: repo_open_dir(&fd, st->dir_fd, "condemned", e);
	if (rc == ERR_NOTFOUND)
		return ERR_NONE;
	if (rc == ERR_NONE)
		rc = repo_slurp(&b, fd, "clock", AGEING_BYTES, e);
	if (rc == ERR_NONE)
		rc = ageing_decode(&a, st->family, b.bytes, b.len_bytes, e);
	if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT)
		a = (struct ageing){0};
	else if (rc != ERR_NONE)
		return err_wrap(e, "'%s/condemned/clock'", st->path);
	ageing_now(&now);
	ageing_advance(&a, &now);
	*age_ns = a.age_ns;
	return se == NULL ? ERR_NONE : keep(se, fd, &a, e);
}
