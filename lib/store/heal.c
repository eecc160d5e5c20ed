#include "heal.h"
#include "index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#define SAME_NAME_MAX 1000 /* files in bad/ that had one name */

void
heal_found(struct heal *h, const char *object, const char *fmt, ...)
{
	char what[ERR_TEXT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	h->tally->found_count++;
	if (h->opt->on_damage != NULL)
		h->opt->on_damage(h->opt->ctx, object, what);
}

void
heal_done(struct heal *h, const char *object, const char *fmt, ...)
{
	char what[ERR_TEXT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	h->tally->healed_count++;
	if (h->opt->on_healed != NULL)
		h->opt->on_healed(h->opt->ctx, object, what);
}

enum err_code
heal_lock(struct heal *h, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	bool others;
	enum err_code rc = repo_lock(h->store, e);

	if (rc != ERR_NONE)
		return rc;
	held = h->store;
	rc = session_check(h->session, e);
	if (rc == ERR_NONE)
		rc = session_others(h->session, &others, e);
	if (rc == ERR_NONE && others) {
		err_set(e, ERR_BUSY,
		    "somebody is writing to '%s': what is damaged cannot be "
		    "taken away from under them",
		    h->store->path);
		return err_hint(e, "heal again when they have ended");
	}
	if (rc == ERR_NONE)
		held = NULL; /* the caller ends it */
	return rc;
}

enum err_code
heal_refresh(struct heal *h, struct err *e)
{
	enum err_code rc = store_refresh(h->store, e);

	if (rc != ERR_NONE || index_damage(h->store) == NULL)
		return rc;
	*e = *index_damage(h->store);
	return e->code;
}

/* How a file gets its name in bad/. */
typedef int giving(int from_fd, const char *from, int to_fd, const char *to);

static int
give_link(int from_fd, const char *from, int to_fd, const char *to)
{
	return linkat(from_fd, from, to_fd, to, 0);
}

static enum err_code
give(struct heal *h, giving *how, int dirfd, const char *name, const char *as,
    struct err *e)
{
	char numbered[160];
	int rc = how(dirfd, name, h->bad_fd, as);

	for (unsigned i = 1; rc != 0 && errno == EEXIST && i < SAME_NAME_MAX;
	     i++) {
		snprintf(numbered, sizeof(numbered), "%s.%u", as, i);
		rc = how(dirfd, name, h->bad_fd, numbered);
	}
	if (rc != 0 && errno == ENOENT)
		return ERR_NONE;
	if (rc != 0)
		return err_sys(e, "cannot put '%s' into '%s/bad'", name,
		    h->store->path);
	if (fsync(h->bad_fd) != 0 || fsync(dirfd) != 0)
		return err_sys(e, "cannot flush '%s/bad'", h->store->path);
	h->tally->kept_count++;
	return ERR_NONE;
}

enum err_code
heal_put_away(struct heal *h, int dirfd, const char *name, const char *as,
    struct err *e)
{
	return give(h, repo_rename_new, dirfd, name, as, e);
}

enum err_code
heal_keep(struct heal *h, int dirfd, const char *name, const char *as,
    struct err *e)
{
	return give(h, give_link, dirfd, name, as, e);
}
