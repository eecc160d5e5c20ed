#include <string.h>

#include "format.h"
#include "heal.h"

#define FILE_MAX 4096

static bool
is_good(struct heal *h, const char *name, struct buf *out, struct err *why)
{
	struct format f;

	return repo_slurp(out, h->store->dir_fd, name, FILE_MAX, why) ==
	    ERR_NONE &&
	    format_decode(&f, out->bytes, out->len_bytes, why) == ERR_NONE;
}

/* The other copy's bytes in the place of this one. */
static enum err_code
replace(struct heal *h, const char *name, const struct buf *bytes,
    struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	struct repo_file f = {.dirfd = h->store->dir_fd,
	    .what = ".",
	    .name = name,
	    .bytes = bytes->bytes,
	    .len_bytes = bytes->len_bytes};
	char tmp[SESSION_TEMPORARY_BYTES];
	enum err_code rc = heal_lock(h, e);

	if (rc != ERR_NONE)
		return rc;
	held = h->store;
	session_temporary(h->session, tmp);
	rc = heal_keep(h, h->store->dir_fd, name, name, e);
	return rc == ERR_NONE ? repo_replace(h->store, tmp, &f, e) : rc;
}

enum err_code
heal_format(struct heal *h, struct err *e)
{
	OWNED(buf_fini) struct buf first = {0};
	OWNED(buf_fini) struct buf second = {0};
	struct err why = {0}, why_bak = {0};
	bool good = is_good(h, "format", &first, &why);
	bool good_bak = is_good(h, "format.bak", &second, &why_bak);
	enum err_code rc;

	if (!good && !good_bak) /* it would not have been opened */
		return err_set(e, ERR_CORRUPT, "both formats are damaged");
	if (good && good_bak && first.len_bytes == second.len_bytes &&
	    memcmp(first.bytes, second.bytes, first.len_bytes) == 0)
		return ERR_NONE;
	if (good) {
		heal_found(h, "format.bak", "%s",
		    good_bak ? "differs from format" : why_bak.text);
		rc = replace(h, "format.bak", &first, e);
	} else {
		heal_found(h, "format", "%s", why.text);
		rc = replace(h, "format", &second, e);
	}
	if (rc != ERR_NONE)
		return rc;
	heal_done(h, good ? "format.bak" : "format", "copied from %s",
	    good ? "format" : "format.bak");
	h->store->degraded = false;
	return ERR_NONE;
}
