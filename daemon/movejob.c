/* The workers of a move's acts: docs/protocol/worker.md, "move" and "equal". */

#include <stdlib.h>
#include <string.h>

#include "job_kinds.h"
#include "moves.h"
#include "movesteps.h"
#include "peer.h"

struct own {
	struct movejob_said said;
	bool has_said;
};

static struct own *
own_of(struct job *j)
{
	return job_own(j, sizeof(struct own), NULL);
}

/* What earlier workers of the same run and service did. */
static enum err_code
add_steps(struct job *j, struct wire_value *spec, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	OWNED(movesteps_fini) struct movesteps k = {0};
	enum err_code rc = movesteps_read(&k, j->d, j->run, j->service, e);

	if (rc == ERR_NONE)
		rc = wire_new_list(&list, e);
	for (size_t i = 0; rc == ERR_NONE && i < k.count; i++) {
		OWNED(wire_free) struct wire_value *v = NULL;

		rc = wire_new(&v, NULL, e);
		if (rc != ERR_NONE)
			break;
		wire_add_text(v, "step", k.items[i].step);
		wire_add_text(v, "state", k.items[i].state);
		if (k.items[i].attempt > 0)
			wire_add_int(v, "attempt", k.items[i].attempt);
		wire_add(list, NULL, &v);
	}
	if (rc == ERR_NONE)
		wire_add(spec, "steps", &list);
	return rc;
}

/* --- the kind "move" -------------------------------------------------------------- */

static enum err_code
prepare(struct job *j, struct wire_value *spec, struct err *e)
{
	static const char *const texts[] = {"act", "mode", "site_from",
	    "site_to", "point", "live_root"};

	wire_add_text(spec, "run", j->run);
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		wire_add_text(spec, texts[i],
		    wire_take_text(j->params, texts[i], NULL));
	wire_add_uint(spec, "epoch", wire_take_uint(j->params, "epoch", 0));
	if (wire_has(j->params, "without_restores"))
		wire_add_bool(spec, "without_restores", true);
	return add_steps(j, spec, e);
}

static void
intend(const struct job *j, struct draft *d)
{
	draft_text(d, "act", wire_take_text(j->params, "act", ""));
	draft_text(d, "move", j->run);
}

/* A person's word on a step; what is noted besides is in its log alone. */
static void
take_note(struct job *j, struct wire_value *ev)
{
	struct err e;

	if (wire_has(ev, "attempt") && job_kinds_note(j, ev, &e) != ERR_NONE)
		note_log(NOTE_ERROR,
		    "what was said of a step of move %s is not recorded: %s",
		    j->run, e.text);
}

static bool
on_event(struct job *j, const char *type, struct wire_value *ev)
{
	if (strcmp(type, "step") == 0) {
		snprintf(j->what, sizeof(j->what), "%s: %s",
		    wire_take_text(ev, "step", ""),
		    wire_take_text(ev, "state", ""));
		job_touch(j);
		return true;
	}
	if (strcmp(type, "note") == 0) {
		take_note(j, ev);
		return true;
	}
	return strcmp(type, "state") == 0;
}

static void
finish(struct job *j, struct wire_value *result)
{
	struct own *o = own_of(j);

	if (o == NULL || result == NULL)
		return;
	o->has_said = true;
	if (!move_result_find(wire_take_text(result, "verdict", ""),
		&o->said.result))
		o->said.result = MOVE_UNCERTAIN;
	snprintf(o->said.proof, sizeof(o->said.proof), "%s",
	    wire_take_text(result, "proof", ""));
	snprintf(o->said.method, sizeof(o->said.method), "%s",
	    wire_take_text(result, "method", ""));
	snprintf(o->said.failed_step, sizeof(o->said.failed_step), "%s",
	    wire_take_text(result, "failed_step", ""));
}

static void
conclude(const struct job *j, struct draft *d)
{
	const struct own *o = j->own;

	draft_text(d, "move", j->run);
	if (o == NULL || !o->has_said)
		return;
	draft_text(d, "verdict", move_result_name(o->said.result));
	draft_text(d, "proof", o->said.proof);
}

const struct job_kind movejob_kind = {.name = "move",
    .ledger_type = LEDGER_JOB,
    .schedule = SCHEDULE_RESTORE,
    .prepare = prepare,
    .intend = intend,
    .on_event = on_event,
    .finish = finish,
    .conclude = conclude};

/* --- the kind "equal" ---------------------------------------------------------------- */

struct wanted {
	struct wire_value *v;
	const char *point;
};

static enum err_code
take_wanted(void *ctx, const struct record *r, struct err *e)
{
	struct wanted *w = ctx;
	struct record_cursor c = {0};
	struct record_field f;
	char event[32], point[ID_HEX_BYTES];

	(void)e;
	record_text(r, "event", event, sizeof(event));
	record_text(r, "point", point, sizeof(point));
	if (strcmp(event, move_event_name(MOVE_SYNCED)) != 0 ||
	    strcmp(point, w->point) != 0)
		return ERR_NONE;
	while (record_next(r, &c, &f)) {
		char name[LEDGER_NAME_BYTES_MAX + 1];

		if (f.closed || f.name.len_bytes < 10 ||
		    f.name.len_bytes >= sizeof(name) ||
		    memcmp(f.name.at, "snapshot.", 9) != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s",
		    (int)(f.name.len_bytes - 9), f.name.at + 9);
		wire_add_bytes(w->v, name, f.value.at, f.value.len_bytes);
	}
	return ERR_NONE;
}

/* What the site that made the point says that it is made of. */
static enum err_code
equal_prepare(struct job *j, struct wire_value *spec, struct err *e)
{
	OWNED(wire_free) struct wire_value *map = NULL;
	const char *point = wire_take_text(j->params, "point", "");
	struct ledger_filter f = {.type = LEDGER_FAILOVER,
	    .run = j->run,
	    .service = j->service};
	struct wanted w = {.point = point};
	enum err_code rc = wire_new(&map, NULL, e);

	w.v = map;
	for (struct peer *p = j->d->peers; rc == ERR_NONE && p != NULL;
	     p = p->next)
		if (p->copy != NULL)
			rc = ledger_iterate(p->copy, &f, take_wanted, &w, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(spec, "point", point);
	if (wire_count(map) > 0)
		wire_add(spec, "snapshots", &map);
	return ERR_NONE;
}

static void
equal_finish(struct job *j, struct wire_value *result)
{
	struct own *o = own_of(j);

	if (o == NULL || result == NULL)
		return;
	o->has_said = true;
	o->said.result = MOVE_NOT_DONE; /* nothing was changed by looking */
	if (wire_take_bool(result, "equal", false))
		o->said.result = MOVE_DONE;
}

const struct job_kind movejob_equal_kind = {.name = "equal",
    .ledger_type = LEDGER_JOB,
    .schedule = SCHEDULE_RESTORE,
    .prepare = equal_prepare,
    .finish = equal_finish};

/* --- asking ----------------------------------------------------------------------------- */

static enum err_code
ask(struct daemon *d, struct job_request *r, char job[JOB_ID_BYTES],
    struct err *e)
{
	struct job *j = NULL;
	char trigger[128];
	enum err_code rc;

	snprintf(trigger, sizeof(trigger), "move %s", r->run);
	r->trigger = trigger;
	r->once = true;
	rc = job_ask(d, r, &j, e);
	if (rc == ERR_NONE)
		snprintf(job, JOB_ID_BYTES, "%s", j->id);
	return rc;
}

enum err_code
movejob_act(struct daemon *d, const struct movejob_ask *a,
    char job[JOB_ID_BYTES], struct err *e)
{
	OWNED(buf_fini) struct buf root = {.max_bytes = 4096};
	struct daemon_service *s = daemon_service(d, a->m->service);
	struct job_request r = {.kind = &movejob_kind,
	    .service = a->m->service,
	    .run = a->m->run};
	enum err_code rc =
	    policy_live_root(&root, s->policy, d->policy->site, e);

	if (rc == ERR_NONE)
		rc = wire_new(&r.params, NULL, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(r.params, "act", a->act);
	wire_add_text(r.params, "mode", guards_mode_name(a->m->mode));
	wire_add_text(r.params, "site_from",
	    a->site_from != NULL ? a->site_from : a->m->from);
	wire_add_text(r.params, "site_to",
	    strcmp(a->act, "plan") == 0 || strcmp(a->act, "undo") == 0 ||
		    a->without_restores
		? d->policy->site
		: a->m->to);
	wire_add_text(r.params, "point",
	    a->point != NULL && *a->point != '\0' ? a->point : NULL);
	wire_add_uint(r.params, "epoch", a->epoch);
	if (a->without_restores)
		wire_add_bool(r.params, "without_restores", true);
	wire_add_text(r.params, "live_root", buf_text(&root));
	return ask(d, &r, job, e);
}

enum err_code
movejob_equal(struct daemon *d, const struct move *m, const char *point,
    char job[JOB_ID_BYTES], struct err *e)
{
	struct job_request r = {.kind = &movejob_equal_kind,
	    .service = m->service,
	    .run = m->run};
	enum err_code rc = wire_new(&r.params, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(r.params, "point", point);
	return ask(d, &r, job, e);
}

enum err_code
movejob_backup(struct daemon *d, const struct move *m, const char *tag,
    char job[JOB_ID_BYTES], struct err *e)
{
	struct job_request r = {.kind = job_kind_find("backup"),
	    .service = m->service,
	    .run = m->run};
	enum err_code rc = wire_new(&r.params, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_bool(r.params, "held", true);
	wire_add_text(r.params, "tag", tag);
	return ask(d, &r, job, e);
}

enum err_code
movejob_replicate(struct daemon *d, const struct move *m, const char *site,
    char job[JOB_ID_BYTES], struct err *e)
{
	struct job_request r = {.kind = job_kind_find("replicate"),
	    .service = m->service,
	    .site = site,
	    .run = m->run};

	return ask(d, &r, job, e);
}

/* A worker without a last word is uncertain, whatever it was about; a backup, a
 * copy and a look change nothing that could not be done again. */
void
movejob_said(const struct job *j, struct movejob_said *out)
{
	const struct own *o = j->own;
	bool is_ours =
	    j->kind == &movejob_kind || j->kind == &movejob_equal_kind;

	*out = (struct movejob_said){.result = MOVE_UNCERTAIN};
	if (is_ours && o != NULL && o->has_said)
		*out = o->said;
	else if (j->kind != &movejob_kind)
		out->result =
		    j->state == JOB_SUCCEEDED ? MOVE_DONE : MOVE_NOT_DONE;
	snprintf(out->reason, sizeof(out->reason), "%s", j->reason);
}
