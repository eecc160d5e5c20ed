#include <string.h>

#include <bascule/base/fdio.h>

#include "format.h"
#include "parts.h"
#include "pin.h"

#define FORMAT_FILE_MAX  4096
#define SESSION_FILE_MAX 1048576

/* One of the two copies; *out: its bytes. */
static void
check_format(struct checking *ck, const char *name, struct buf *out)
{
	struct format f;
	struct err why = {0};

	if (repo_slurp(out, ck->store->dir_fd, name, FORMAT_FILE_MAX, &why) !=
		ERR_NONE ||
	    format_decode(&f, out->bytes, out->len_bytes, &why) != ERR_NONE) {
		checking_damage(ck, name, "%s", why.text);
		buf_clear(out);
	}
}

static void
check_formats(struct checking *ck)
{
	OWNED(buf_fini) struct buf first = {0};
	OWNED(buf_fini) struct buf second = {0};

	check_format(ck, "format", &first);
	check_format(ck, "format.bak", &second);
	if (first.len_bytes > 0 && second.len_bytes > 0 &&
	    (first.len_bytes != second.len_bytes ||
		memcmp(first.bytes, second.bytes, first.len_bytes) != 0))
		checking_damage(ck, "format.bak", "differs from format");
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
			ck->store->family, &why) != ERR_NONE)
			checking_damage(ck, object, "%s", why.text);
		rc = rc == ERR_NOMEM ? err_nomem(e) : ERR_NONE;
	}
	return rc;
}

enum err_code
store_check(struct store *st, const struct check_options *opt,
    struct check_tally *out, struct err *e)
{
	struct checking ck = {.store = st, .opt = opt, .tally = out};
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (opt->depth == CHECK_OPEN &&
	    (st->keyring == NULL || !keyring_can_read(st->keyring)))
		return err_set(e, ERR_KEY,
		    "opening every frame of '%s' needs a key that may read",
		    st->path);
	check_formats(&ck);
	rc = checking_index(&ck, e);
	if (rc == ERR_NONE)
		rc = check_sessions(&ck, e);
	if (rc == ERR_NONE)
		rc = pin_check_all(&ck, e);
	if (rc == ERR_NONE)
		rc = checking_packs(&ck, e);
	if (rc == ERR_NONE)
		rc = closure_check(&ck, e);
	free(ck.lengths);
	return rc == ERR_NONE ? rc : err_wrap(e, "checking '%s'", st->path);
}
