/*
 * Equal: is a recovery point complete in this site's own repository, and is it
 * made of just the snapshots that it should be?  Each is opened, and its root
 * read, which needs the key.
 */

#include "worker.h"

#include <stdarg.h>
#include <string.h>

struct equal {
	struct worker *w;
	struct worker_store at;
	const char *point;
	struct wire_value *wanted; /* dataset -> snapshot; NULL: any */
	char why[ERR_TEXT_BYTES];  /* "": it is */
};

static void
equal_fini(struct equal *q)
{
	worker_store_fini(&q->at);
}

static void say(struct equal *q, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void
say(struct equal *q, const char *fmt, ...)
{
	va_list ap;

	if (q->why[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(q->why, sizeof(q->why), fmt, ap);
	va_end(ap);
}

static void
on_damage(void *ctx, const char *object, const char *what)
{
	struct equal *q = ctx;

	worker_log(q->w, WORKER_WARNING, "damage: %s: %s", object, what);
}

enum err_code
worker_equal_root(struct store *st, const struct snapshot *s, struct err *e)
{
	OWNED(cursor_close) struct cursor *c = NULL;
	const struct item *first;
	enum err_code rc = cursor_open(&c, st, &s->root, "", 0, e);

	if (rc == ERR_NONE)
		rc = cursor_next(c, &first, e);
	if (rc != ERR_NOTFOUND)
		return rc;
	if (s->details_known &&
	    s->files_count + s->dirs_count + s->others_count == 0)
		return ERR_NONE; /* an empty tree has no first item */
	e->code = ERR_CORRUPT;   /* what the snapshot needs is not there */
	return ERR_CORRUPT;
}

/* Damage is an answer; that it could not be looked at is none. */
static enum err_code
read_root(struct equal *q, const struct snapshot *s, struct err *e)
{
	enum err_code rc = worker_equal_root(q->at.st, s, e);

	if (rc != ERR_CORRUPT)
		return rc;
	say(q, "the root of '%s' cannot be read: %s", s->dataset, e->text);
	return ERR_NONE;
}

static enum err_code
open_one(struct equal *q, const struct id *id, struct err *e)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *subtree = NULL;
	char hex[ID_HEX_BYTES];
	const char *wanted;
	enum err_code rc =
	    snapshot_find(&s, &subtree, q->at.st, id_hex(id, hex), e);

	if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT) {
		say(q, "snapshot %.16s cannot be opened: %s", hex, e->text);
		return ERR_NONE;
	}
	if (rc != ERR_NONE)
		return rc;
	wanted =
	    q->wanted == NULL ? hex : wire_take_text(q->wanted, s.dataset, "");
	if (strcmp(wanted, hex) != 0)
		say(q, "dataset '%s' is snapshot %.16s here, not %.16s",
		    s.dataset, hex, wanted[0] != '\0' ? wanted : "wanted");
	return read_root(q, &s, e);
}

static const struct point *
find(const struct point_list *list, const char *point)
{
	char hex[ID_HEX_BYTES];

	for (size_t i = 0; i < list->count; i++)
		if (strcmp(id_hex(&list->points[i].id, hex), point) == 0)
			return &list->points[i];
	return NULL;
}

static enum err_code
compare(struct equal *q, struct err *e)
{
	OWNED(point_list_fini) struct point_list list = {0};
	const struct point *p;
	enum err_code rc = point_list(&list, q->at.st,
	    worker_service(q->w)->name, on_damage, q, e);

	if (rc != ERR_NONE)
		return rc;
	p = find(&list, q->point);
	if (p == NULL) {
		say(q, "point %.16s is not here", q->point);
		return ERR_NONE;
	}
	if (q->wanted != NULL && wire_count(q->wanted) != p->snapshots_count)
		say(q, "point %.16s has %zu snapshots here, not %zu", q->point,
		    p->snapshots_count, wire_count(q->wanted));
	for (size_t i = 0; rc == ERR_NONE && i < p->snapshots_count; i++)
		rc = open_one(q, &p->snapshots[i], e);
	return rc;
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	struct wire_value *spec = worker_spec(w);
	OWNED(equal_fini)
	struct equal q = {.w = w,
	    .point = wire_need_text(spec, "point"),
	    .wanted = wire_take_object(spec, "snapshots")};
	enum err_code rc;

	for (size_t i = 0;
	     q.wanted != NULL && wire_name_at(q.wanted, i) != NULL; i++)
		wire_need_text(q.wanted, wire_name_at(q.wanted, i));
	rc = worker_asked(w, e);
	if (rc == ERR_NONE && worker_service(w) == NULL)
		rc = err_set(e, ERR_INPUT, "a point is of a service");
	if (rc == ERR_NONE)
		rc = worker_store_open(&q.at, w, STORE_READ, e);
	if (rc == ERR_NONE)
		rc = compare(&q, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_bool(result, "equal", q.why[0] == '\0');
	if (q.why[0] == '\0')
		return ERR_NONE;
	err_set(e, ERR_CORRUPT, "%s", q.why);
	return ERR_CORRUPT;
}

const struct worker_kind worker_equal = {"equal", run};
