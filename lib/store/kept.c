#include "kept.h"

#include <stdio.h>
#include <string.h>

#include <bascule/base/fdio.h>

#include "ageing.h"
#include "ages.h"
#include "condemn.h"
#include "epochs.h"
#include "receipts.h"

#define OBJECT_BYTES 96

static bool
is_failure(enum err_code rc)
{
	return rc == ERR_NOMEM || rc == ERR_TOONEW;
}

static bool
is_receipts(const char *name)
{
	return strcmp(name, "receipts") == 0 ||
	    strcmp(name, "receipts.bak") == 0;
}

static bool
is_epochs(const char *name)
{
	struct id service;

	return epochs_is_file(name, &service);
}

static size_t
most_bytes(const char *name)
{
	return is_receipts(name)        ? RECEIPTS_BYTES_MAX
	    : is_epochs(name)           ? EPOCHS_BYTES_MAX
	    : strcmp(name, "ages") == 0 ? AGES_BYTES_MAX
					: CONDEMN_FILE_MAX;
}

static enum err_code
judge(struct store *st, int dir_fd, const char *name, struct err *why)
{
	OWNED(buf_fini) struct buf b = {0};
	OWNED(ages_fini) struct ages ages = {0};
	struct condemn_view sentence;
	struct ageing clock;
	OWNED(receipts_fini) struct receipts receipts = {0};
	struct id id;
	enum err_code rc = repo_slurp(&b, dir_fd, name, most_bytes(name), why);

	if (rc != ERR_NONE)
		return rc;
	if (is_receipts(name))
		return receipts_decode(&receipts, st->family, b.bytes,
		    b.len_bytes, why);
	if (is_epochs(name))
		return epochs_judge(name, st->family, b.bytes, b.len_bytes,
		    why);
	if (strcmp(name, "ages") == 0)
		return ages_decode(&ages, st->family, b.bytes, b.len_bytes,
		    why);
	if (strcmp(name, "clock") == 0)
		return ageing_decode(&clock, st->family, b.bytes, b.len_bytes,
		    why);
	if (!id_parse(name, &id))
		return err_set(why, ERR_CORRUPT,
		    "is not the name of such a file");
	return condemn_decode(&sentence, st->family, b.bytes, b.len_bytes, why);
}

typedef enum err_code bent_fn(void *ctx, int dir_fd, const char *name,
    const char *object, const char *what, struct err *e);

static enum err_code
each_bent(struct store *st, bent_fn *fn, void *ctx, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names names = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_list_in(&names, &fd, st, "condemned", e);

	for (size_t i = 0; rc == ERR_NONE && i < names.count; i++) {
		char object[OBJECT_BYTES];
		struct err why;

		snprintf(object, sizeof(object), "condemned/%.80s",
		    names.names[i]);
		rc = judge(st, fd, names.names[i], &why);
		if (is_failure(rc)) {
			*e = why;
			return err_wrap(e, "%s", object);
		}
		/* Gone: a collection has just ended with it. */
		rc = rc == ERR_NONE || rc == ERR_NOTFOUND
		    ? ERR_NONE
		    : fn(ctx, fd, names.names[i], object, why.text, e);
	}
	return rc;
}

static enum err_code
tell(void *ctx, int dir_fd, const char *name, const char *object,
    const char *what, struct err *e)
{
	(void)dir_fd;
	(void)name;
	(void)e;
	checking_damage(ctx, object, "%s", what);
	return ERR_NONE;
}

enum err_code
kept_check(struct checking *ck, struct err *e)
{
	return each_bent(ck->store, tell, ck, e);
}

/* One of two that say the same; what is begun anew when both are lost. */
struct twins {
	bool (*is)(const char *name);
	const char *lost;
	enum err_code (*renew)(struct store *st, const char *name, bool lost,
	    struct err *e);
};

static const struct twins *
twins_of(const char *name)
{
	static const struct twins twins[] = {
	    {is_receipts, "what is here is promised another 30 days",
		receipts_renew},
	    {is_epochs, "the epochs are those of the snapshots that are here",
		epochs_renew},
	};

	for (size_t i = 0; i < sizeof(twins) / sizeof(twins[0]); i++)
		if (twins[i].is(name))
			return &twins[i];
	return NULL;
}

/* NAME.bak of NAME, and the other way. */
static void
name_other(char out[OBJECT_BYTES], const char *name)
{
	size_t len = strlen(name);

	if (len > 4 && strcmp(name + len - 4, ".bak") == 0)
		snprintf(out, OBJECT_BYTES, "%.*s", (int)(len - 4), name);
	else
		snprintf(out, OBJECT_BYTES, "%s.bak", name);
}

/* From its twin, if that is good; else it begins anew. */
static enum err_code
renew(struct heal *h, int dir_fd, const struct twins *t, const char *name,
    const char *object, struct err *e)
{
	char other[OBJECT_BYTES];
	struct err why = {0};
	enum err_code rc;
	bool lost;

	name_other(other, name);
	lost = judge(h->store, dir_fd, other, &why) != ERR_NONE;
	if (is_failure(why.code))
		return err_set(e, why.code, "%s", why.text);
	rc = t->renew(h->store, name, lost, e);
	if (rc == ERR_NONE)
		heal_done(h, object, "%s",
		    lost ? t->lost : "written again from its twin");
	return rc;
}

static enum err_code
put_away(void *ctx, int dir_fd, const char *name, const char *object,
    const char *what, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	struct heal *h = ctx;
	const struct twins *t = twins_of(name);
	enum err_code rc;

	heal_found(h, object, "%s", what);
	if ((rc = heal_lock(h, e)) != ERR_NONE)
		return rc;
	held = h->store;
	rc = heal_put_away(h, dir_fd, name, name, e);
	if (rc == ERR_NONE && t != NULL)
		return renew(h, dir_fd, t, name, object, e);
	if (rc == ERR_NONE)
		heal_done(h, object, "in bad/: what it measured begins again");
	return rc;
}

enum err_code
kept_heal(struct heal *h, struct err *e)
{
	return each_bent(h->store, put_away, h, e);
}
