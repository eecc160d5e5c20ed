/* After a restart: what nobody knows the end of gets an end. */

#include "daemon.h"

#include <string.h>

struct open_intent {
	char id[LEDGER_INTENT_BYTES];
	char run[LEDGER_NAME_BYTES_MAX + 1], type[64], kind[64];
	char step[LEDGER_NAME_BYTES_MAX + 1], event[64];
	char service[LEDGER_NAME_BYTES_MAX + 1];
	struct buf reason;
};

struct found {
	struct daemon *d;
	struct open_intent *items;
	size_t count, size;
};

static void
found_fini(struct found *f)
{
	for (size_t i = 0; i < f->count; i++)
		buf_fini(&f->items[i].reason);
	free(f->items);
}

static enum err_code
grow(struct found *f, struct err *e)
{
	struct open_intent *more;

	if (f->count < f->size)
		return ERR_NONE;
	f->size = f->size == 0 ? 16 : 2 * f->size;
	more = realloc(f->items, f->size * sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	f->items = more;
	return ERR_NONE;
}

/* Outcomes are written after the walk: it reads the table they change. */
static enum err_code
keep(void *ctx, const struct record *r, struct err *e)
{
	struct found *f = ctx;
	struct open_intent *in;
	const struct job_kind *kind;
	enum err_code rc = grow(f, e);

	if (rc != ERR_NONE)
		return rc;
	in = &f->items[f->count++];
	memset(in, 0, sizeof(*in));
	record_text(r, "@intent", in->id, sizeof(in->id));
	record_text(r, "@run", in->run, sizeof(in->run));
	record_text(r, "@service", in->service, sizeof(in->service));
	record_text(r, "kind", in->kind, sizeof(in->kind));
	record_text(r, "step", in->step, sizeof(in->step));
	record_text(r, "event", in->event, sizeof(in->event));
	snprintf(in->type, sizeof(in->type), "%.*s", (int)r->type.len_bytes,
	    r->type.at);
	rc = buf_add_text(&in->reason,
	    "interrupted: the daemon ended before it was done", e);
	kind = job_kind_find(in->kind);
	if (rc == ERR_NONE && kind != NULL && kind->recover != NULL)
		rc = kind->recover(f->d, r, &in->reason, e);
	return rc;
}

static enum err_code
close_one(struct daemon *d, struct open_intent *in, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	enum err_code rc = note_draft(&draft, d,
	    in->service[0] != '\0' ? in->service : NULL, in->type, e);

	if (rc != ERR_NONE)
		return rc;
	draft_run(draft, in->run);
	draft_text(draft, "step", in->step);
	draft_text(draft, "kind", in->kind);
	draft_text(draft, "event", in->event); /* an act of a move */
	draft_text(draft, "state", "unknown");
	draft_text(draft, "reason", buf_text(&in->reason));
	note_log(NOTE_WARNING, "%s %s of %s was %s",
	    in->kind[0] != '\0' ? in->kind : in->type, in->run,
	    in->service[0] != '\0' ? in->service : "-", buf_text(&in->reason));
	return note_outcome(d, in->id, draft, e);
}

/* --- jobs that were queued or about to be retried and never got their turn ---- */

struct waiting {
	struct daemon *d;
	char (*ids)[LEDGER_NAME_BYTES_MAX + 1];
	char (*kinds)[64];
	char (*services)[LEDGER_NAME_BYTES_MAX + 1];
	size_t count;
};

#define WAITING_MAX 256

static void
waiting_fini(struct waiting *w)
{
	free(w->ids);
	free(w->kinds);
	free(w->services);
}

static enum err_code
keep_waiting(void *ctx, const struct ledger_job *j, struct err *e)
{
	struct waiting *w = ctx;

	(void)e;
	if (w->count == WAITING_MAX)
		return ERR_NONE;
	snprintf(w->ids[w->count], sizeof(w->ids[0]), "%s", j->id);
	snprintf(w->kinds[w->count], sizeof(w->kinds[0]), "%s", j->kind);
	snprintf(w->services[w->count], sizeof(w->services[0]), "%s",
	    j->service);
	w->count++;
	return ERR_NONE;
}

static enum err_code
end_waiting(struct daemon *d, struct err *e)
{
	OWNED(waiting_fini) struct waiting w = {.d = d};
	struct ledger_job_filter f = {.unfinished = true, .limit = WAITING_MAX};
	enum err_code rc;

	w.ids = calloc(WAITING_MAX, sizeof(*w.ids));
	w.kinds = calloc(WAITING_MAX, sizeof(*w.kinds));
	w.services = calloc(WAITING_MAX, sizeof(*w.services));
	if (w.ids == NULL || w.kinds == NULL || w.services == NULL)
		return err_nomem(e);
	rc = ledger_jobs(d->ledger, &f, keep_waiting, &w, e);
	for (size_t i = 0; rc == ERR_NONE && i < w.count; i++) {
		OWNED(draft_free) struct draft *draft = NULL;

		rc = note_draft(&draft, d,
		    w.services[i][0] != '\0' ? w.services[i] : NULL, LEDGER_JOB,
		    e);
		if (rc != ERR_NONE)
			break;
		draft_run(draft, w.ids[i]);
		draft_text(draft, "kind", w.kinds[i]);
		draft_text(draft, "state", "cancelled");
		draft_text(draft, "reason",
		    "interrupted: the daemon ended while it waited");
		rc = note_event(d, draft, e);
	}
	return rc;
}

enum err_code
recover_run(struct daemon *d, struct err *e)
{
	OWNED(found_fini) struct found f = {.d = d};
	enum err_code rc = ledger_open_intents(d->ledger, keep, &f, e);

	for (size_t i = 0; rc == ERR_NONE && i < f.count; i++)
		rc = close_one(d, &f.items[i], e);
	if (rc == ERR_NONE)
		rc = end_waiting(d, e);
	return rc == ERR_NONE ? rc
			      : err_wrap(e, "finding out what was interrupted");
}
