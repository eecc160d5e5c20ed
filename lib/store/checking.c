#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/fdio.h>

#include "format.h"
#include "grants.h"
#include "kept.h"
#include "parts.h"
#include "pin.h"

#define FORMAT_FILE_MAX  4096
#define SESSION_FILE_MAX 1048576

void
checking_damage(struct checking *ck, const char *object, const char *fmt, ...)
{
	char what[ERR_TEXT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	ck->tally->damage_count++;
	if (ck->opt->on_damage != NULL)
		ck->opt->on_damage(ck->opt->ctx, object, what);
}

bool
checking_is_bounded(const struct check_options *opt)
{
	return opt->sample_millipercent != 0 || opt->max_time_ns != 0;
}

enum err_code
checking_progress(struct checking *ck, uint64_t more_bytes, struct err *e)
{
	ck->done_bytes += more_bytes;
	if (ck->total_bytes < ck->done_bytes)
		ck->total_bytes = ck->done_bytes;
	if (ck->opt->on_progress != NULL &&
	    !ck->opt->on_progress(ck->opt->ctx, ck->done_bytes,
		ck->total_bytes))
		return err_set(e, ERR_CANCELLED, "the check was cancelled");
	return ERR_NONE;
}

/* One of the two copies; *out: its bytes. */
static enum err_code
check_format(struct checking *ck, const char *name, struct buf *out,
    struct err *e)
{
	struct format f;
	struct err why = {0};
	enum err_code rc =
	    repo_slurp(out, ck->store->dir_fd, name, FORMAT_FILE_MAX, &why);

	if (rc == ERR_NONE)
		rc = format_decode(&f, out->bytes, out->len_bytes, &why);
	if (rc == ERR_NOMEM) {
		*e = why;
		return rc;
	}
	if (rc != ERR_NONE) {
		checking_damage(ck, name, "%s", why.text);
		buf_clear(out);
	}
	return ERR_NONE;
}

static enum err_code
check_formats(struct checking *ck, struct err *e)
{
	OWNED(buf_fini) struct buf first = {0};
	OWNED(buf_fini) struct buf second = {0};
	enum err_code rc = check_format(ck, "format", &first, e);

	if (rc == ERR_NONE)
		rc = check_format(ck, "format.bak", &second, e);
	if (rc != ERR_NONE)
		return rc;
	if (first.len_bytes > 0 && second.len_bytes > 0 &&
	    (first.len_bytes != second.len_bytes ||
		memcmp(first.bytes, second.bytes, first.len_bytes) != 0))
		checking_damage(ck, "format.bak", "differs from format");
	return ERR_NONE;
}

/*
 * Is there a writer behind that file?  What is left of a dead one says nothing
 * any more, and no writer waits until it is on disk: after a power cut it may
 * be empty or cut short.  The next session sweeps it.
 */
static bool
session_lives(int dirfd, const char *name)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	OWNED(fdio_close) int fd = -1;
	struct err ignored;

	if (repo_open_file(&fd, NULL, dirfd, name, &ignored) != ERR_NONE)
		return false;
	return fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
}

/* Sessions come and go while we look: only what can be read counts. */
static enum err_code
check_sessions(struct checking *ck, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	enum err_code rc = repo_list(&n, ck->store->sessions_fd, e);

	for (size_t i = 0; rc == ERR_NONE && i < n.count; i++) {
		OWNED(buf_fini) struct buf b = {0};
		struct err why = {0};
		char object[80] = "sessions/";

		strncat(object, n.names[i], 64);
		rc = repo_slurp(&b, ck->store->sessions_fd, n.names[i],
		    SESSION_FILE_MAX, &why);
		if (rc == ERR_NONE &&
		    head_check(b.bytes, b.len_bytes, HEAD_SESSION,
			ck->store->family, &why) != ERR_NONE &&
		    session_lives(ck->store->sessions_fd, n.names[i]))
			checking_damage(ck, object, "%s", why.text);
		if (rc == ERR_NOMEM)
			*e = why;
		else
			rc = ERR_NONE;
	}
	return rc;
}

enum err_code
checking_run(struct checking *ck, struct err *e)
{
	struct store *st = ck->store;
	enum err_code rc;

	memset(ck->tally, 0, sizeof(*ck->tally));
	if (ck->opt->depth == CHECK_OPEN &&
	    (st->keyring == NULL || !keyring_can_read(st->keyring)))
		return err_set(e, ERR_KEY,
		    "opening every frame of '%s' needs a key that may read",
		    st->path);
	rc = check_formats(ck, e);
	if (rc == ERR_NONE)
		rc = checking_index(ck, e);
	if (rc == ERR_NONE)
		rc = check_sessions(ck, e);
	if (rc == ERR_NONE)
		rc = pin_check_all(ck, e);
	if (rc == ERR_NONE)
		rc = kept_check(ck, e);
	if (rc == ERR_NONE)
		rc = grants_check_all(ck, e);
	if (rc == ERR_NONE)
		rc = checking_packs(ck, e);
	if (rc == ERR_NONE)
		rc = closure_check(ck, e);
	free(ck->lengths);
	ck->lengths = NULL;
	return rc == ERR_NONE ? rc : err_wrap(e, "checking '%s'", st->path);
}
