/*
 * Bridge: ask the other site's daemon how it is, and fetch what its ledger has
 * more than the copy here (docs/protocol/bridge.md).  What comes is passed on;
 * the daemon judges it.  It is read with limits: a line, a talk.
 */

#include "bridge_talk.h"

#include <string.h>

#define STEPS_MAX 500
#define LIST_MAX  16384 /* lines of one answer: some for each of 900 services */

/* --- the way there ----------------------------------------------------------- */

static enum err_code
tell_tried(struct bridge_talk *t, const char *link, const struct err *why,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "tried", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "link", link);
	if (why != NULL)
		wire_add_text(v, "error", why->text);
	return worker_send(t->w, &v, e);
}

static enum err_code
reach(struct bridge_talk *t, struct wire_value *routes, struct err *e)
{
	size_t count = routes == NULL ? 0 : wire_count(routes);
	enum err_code rc = err_set(e, ERR_TIMEOUT, "no link to site '%s'",
	    worker_target(t->w));

	for (size_t i = 0; i < count; i++) {
		struct wire_value *r = wire_at_object(routes, i);
		struct err why;
		enum err_code said;

		t->link = wire_need_text(r, "link");
		rc = bridge_talk_open(t, wire_need_text(r, "address"), e);
		said = tell_tried(t, t->link, rc == ERR_NONE ? NULL : e, &why);
		if (said != ERR_NONE) {
			*e = why;
			return said;
		}
		if (rc == ERR_NONE || worker_is_cancelled(t->w))
			break;
		bridge_talk_close(t);
	}
	return rc;
}

/* --- how it is ------------------------------------------------------------------ */

static enum err_code
tell_posture(struct bridge_talk *t, const char *of, struct wire_value *reply,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf line = {0};
	enum err_code rc = wire_line(reply, &line, e);

	if (rc == ERR_NONE)
		rc = wire_new(&v, "posture", e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "of", of);
	wire_add_bytes(v, "line", buf_text(&line), line.len_bytes - 1);
	return worker_send(t->w, &v, e);
}

static enum err_code
ask_posture(struct bridge_talk *t, const char *cmd, uint64_t limit,
    struct err *e)
{
	enum err_code rc = bridge_talk_ask(t, cmd, 0, limit, e);

	for (size_t i = 0; rc == ERR_NONE; i++) {
		OWNED(wire_free) struct wire_value *v = NULL;

		rc = bridge_talk_next(t, &v, e);
		if (rc != ERR_NONE || v == NULL)
			break;
		if (i == LIST_MAX)
			return err_set(e, ERR_INPUT,
			    "site '%s' answers '%s' without end",
			    worker_target(t->w), cmd);
		rc = tell_posture(t, cmd, v, e);
	}
	return rc;
}

static enum err_code
greet(struct bridge_talk *t, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *pong = NULL;
	OWNED(wire_free) struct wire_value *none = NULL;
	struct utc before = now_utc(), there;
	struct mono began = now_mono();
	int64_t took;
	enum err_code rc = bridge_talk_ask(t, "ping", 0, 0, e);

	if (rc == ERR_NONE)
		rc = bridge_talk_next(t, &pong, e);
	if (rc == ERR_NONE && pong == NULL)
		rc = err_set(e, ERR_INPUT, "site '%s' does not answer",
		    worker_target(t->w));
	took = now_mono().ns - began.ns;
	if (rc == ERR_NONE)
		rc = bridge_talk_next(t, &none, e);
	if (rc == ERR_NONE)
		rc = wire_new(&v, "heard", e);
	if (rc != ERR_NONE)
		return rc;
	there = wire_take_utc(pong, "ts", before);
	if (there.ns < 0) /* no clock of this age says that */
		there.ns = 0;
	wire_add_text(v, "link", t->link);
	wire_add_text(v, "version", t->version);
	wire_add_text(v, "policy", t->policy);
	wire_add_int(v, "offset_ns", there.ns - before.ns - took / 2);
	wire_add_int(v, "bound_ns", took / 2);
	return worker_send(t->w, &v, e);
}

/* --- its ledger -------------------------------------------------------------------- */

static enum err_code
pass_on(struct bridge_talk *t, struct wire_value *v, struct err *e)
{
	const char *type = wire_take_text(v, "type", "");

	if (strcmp(type, "ledger_record") != 0 &&
	    strcmp(type, "ledger_head") != 0)
		return ERR_NONE; /* the summary, and what is yet to come */
	return tell_posture(t, type, v, e);
}

static enum err_code
fetch_steps(struct bridge_talk *t, uint64_t from, struct err *e)
{
	enum err_code rc =
	    bridge_talk_ask(t, "ledger steps", from, STEPS_MAX, e);

	while (rc == ERR_NONE) {
		OWNED(wire_free) struct wire_value *v = NULL;

		rc = bridge_talk_next(t, &v, e);
		if (rc != ERR_NONE || v == NULL)
			break;
		rc = pass_on(t, v, e);
	}
	return rc;
}

static enum err_code
tell_divergence(struct bridge_talk *t, const char *text, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "divergence", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "text", text);
	return worker_send(t->w, &v, e);
}

static enum err_code
follow(struct bridge_talk *t, const char *copy, uint64_t held, struct err *e)
{
	char text[ERR_TEXT_BYTES] = "";
	enum err_code rc = ERR_NONE;

	if (held > 0)
		rc = bridge_part_find(t, copy, held, text, e);
	if (rc == ERR_NONE && text[0] != '\0')
		return tell_divergence(t, text, e);
	return rc == ERR_NONE ? fetch_steps(t, held + 1, e) : rc;
}

static enum err_code
talk(struct bridge_talk *t, const char *copy, uint64_t held, struct err *e)
{
	enum err_code rc = greet(t, e);

	if (rc == ERR_NONE)
		rc = ask_posture(t, "status", 0, e);
	if (rc == ERR_NONE)
		rc = ask_posture(t, "links", 0, e);
	if (rc == ERR_NONE)
		rc = ask_posture(t, "jobs", 20, e);
	return rc == ERR_NONE ? follow(t, copy, held, e) : rc;
}

/*
 * Which head of ours it holds, signed.  One that does not know the question is
 * an older version: the talk was good all the same.
 */
static enum err_code
ask_cosign(struct bridge_talk *t, struct err *e)
{
	struct err why;
	enum err_code rc = bridge_talk_ask_about(t, "ledger cosign",
	    worker_policy(t->w)->site, e);

	while (rc == ERR_NONE) {
		OWNED(wire_free) struct wire_value *v = NULL;

		if (bridge_talk_next(t, &v, &why) != ERR_NONE) {
			worker_log(t->w, WORKER_INFO, "no cosignature: %s",
			    why.text);
			return ERR_NONE;
		}
		if (v == NULL)
			break;
		if (strcmp(wire_take_text(v, "type", ""),
			"ledger_cosignature") == 0)
			rc = tell_posture(t, "ledger_cosignature", v, e);
	}
	return rc;
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	OWNED(bridge_talk_close) struct bridge_talk t = {.w = w, .link = ""};
	struct wire_value *spec = worker_spec(w);
	struct wire_value *routes = wire_take_list(spec, "routes");
	const char *copy = wire_take_text(spec, "copy", NULL);
	uint64_t held = wire_take_uint(spec, "held", 0);
	bool cosign = wire_take_bool(spec, "cosign", false);
	enum err_code rc;

	for (size_t i = 0; routes != NULL && i < wire_count(routes); i++) {
		struct wire_value *r = wire_at_object(routes, i);

		wire_need_text(r, "link");
		wire_need_text(r, "address");
	}
	rc = worker_asked(w, e);
	if (rc != ERR_NONE)
		return rc;
	if (worker_target(w) == NULL)
		return err_set(e, ERR_INPUT, "a bridge is to a site");
	rc = reach(&t, routes, e);
	if (rc == ERR_NONE)
		rc = talk(&t, copy, held, e);
	if (rc == ERR_NONE && cosign)
		rc = ask_cosign(&t, e);
	wire_add_text(result, "link", t.link);
	return rc;
}

const struct worker_kind worker_bridge = {"bridge", run};
