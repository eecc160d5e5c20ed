/* A move that was looked at, as messages. */

#include "request_ask.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BRIEF_ABOVE 40 /* services: then only what does not pass is told */

/* --- guards ----------------------------------------------------------------------- */

static bool
stops(const struct guards_result *g)
{
	return !g->overridden &&
	    (g->verdict == GUARDS_FAIL || g->verdict == GUARDS_UNKNOWN);
}

/* What a number means, where the fact has no words of its own. */
static const char *
value_of(const struct guards_facts *f, enum guards_fact_id id, char out[64])
{
	const struct guards_fact *in = &f->of[id];

	if (!in->known)
		return "unknown";
	if (in->text[0] != '\0')
		return in->text;
	switch ((int)id) {
	case FACT_PROOF_AGE:
	case FACT_PROOF_WITHIN:
	case FACT_RPA:
	case FACT_RPO:
	case FACT_PEER_SILENT:
	case FACT_HOLD_DOWN:
	case FACT_MAX_LOSS:
	case FACT_LAST_RUN_AGE:
	case FACT_COOLDOWN:
		return text_duration(in->value / NS_PER_S * NS_PER_S, out);
	case FACT_ACTOR_APPROVED:
	case FACT_BREAK_GLASS:
	case FACT_LOSS_ACCEPTED:
	case FACT_WITNESS_USED:
	case FACT_REGISTER_HEARD:
	case FACT_FENCE_PROVED:
	case FACT_OWNER_ACCEPTS: return in->value != 0 ? "yes" : "no";
	default: snprintf(out, 64, "%" PRId64, in->value); return out;
	}
}

static enum err_code
add_inputs(struct wire_value *v, const struct guards_facts *f,
    const struct guards_result *g, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 0; rc == ERR_NONE && i < g->inputs_count; i++) {
		const struct guards_fact *in = &f->of[g->inputs[i]];
		OWNED(wire_free) struct wire_value *one = NULL;
		char text[64];

		rc = wire_new(&one, NULL, e);
		if (rc != ERR_NONE)
			break;
		wire_add_text(one, "name", guards_fact_name(g->inputs[i]));
		wire_add_bool(one, "known", in->known);
		wire_add_text(one, "value", value_of(f, g->inputs[i], text));
		if (in->known)
			wire_add_int(one, "number", in->value);
		wire_add_text(one, "source",
		    guards_fact_source(f, g->inputs[i]));
		if (in->known && in->at.ns != 0) {
			wire_add_utc(one, "observed", in->at);
			wire_add_seconds(one, "age_seconds",
			    f->now.ns - in->at.ns);
		}
		wire_add(list, NULL, &one);
	}
	if (rc == ERR_NONE)
		wire_add(v, "inputs", &list);
	return rc;
}

static enum err_code
tell_guard(struct client *c, const char *service, const struct guards_facts *f,
    const struct guards_result *g, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "guard", e);

	if (rc == ERR_NONE)
		rc = add_inputs(v, f, g, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", service);
	wire_add_text(v, "guard", guards_id(g->number));
	wire_add_text(v, "title", guards_title(g->number));
	wire_add_text(v, "verdict", guards_verdict_name(g->verdict));
	wire_add_text(v, "text", g->text);
	if (g->remedy[0] != '\0')
		wire_add_text(v, "would_pass", g->remedy);
	wire_add_text(v, "override", guards_override_words(g->override));
	wire_add_bool(v, "overridden", g->overridden);
	wire_add_bool(v, "stops", stops(g));
	client_reply(c, &v);
	return ERR_NONE;
}

enum err_code
facts_tell(struct client *c, const char *service,
    const struct guards_facts *facts,
    const struct guards_result results[GUARDS_COUNT], bool only_stops,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < GUARDS_COUNT; i++) {
		if (only_stops && !stops(&results[i]))
			continue;
		rc = tell_guard(c, service, facts, &results[i], e);
	}
	return rc;
}

/* --- points ------------------------------------------------------------------------- */

static void
add_loss(struct wire_value *v, const struct request_point *p)
{
	wire_add_text(v, "loss", p->loss);
	wire_add_seconds(v, "loss_seconds", p->loss_ns);
	if (p->loss_bytes >= 0)
		wire_add_uint(v, "loss_bytes", (uint64_t)p->loss_bytes);
	if (p->loss_count >= 0)
		wire_add_uint(v, "loss_transactions", (uint64_t)p->loss_count);
}

static enum err_code
tell_candidate(struct request_ask *a, struct client *c, const char *service,
    size_t i, struct err *e)
{
	const struct request_point *p = &a->points.items[i];
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "candidate", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", service);
	wire_add_text(v, "point", p->id);
	wire_add_utc(v, "at", p->at);
	wire_add_seconds(v, "age_seconds", a->facts.now.ns - p->at.ns);
	wire_add_text(v, "datasets", p->datasets);
	wire_add_text(v, "proof", p->proof);
	if (p->verified_at.ns != 0)
		wire_add_utc(v, "verified", p->verified_at);
	wire_add_text(v, "tags", p->tags);
	wire_add_bool(v, "complete", p->complete && !p->lacks_dataset);
	wire_add_bool(v, "suspect", p->suspect);
	wire_add_bool(v, "held", p->held);
	if (p->tested_run[0] != '\0')
		wire_add_text(v, "tested_run", p->tested_run);
	wire_add_bool(v, "chosen", i == a->chosen);
	add_loss(v, p);
	client_reply(c, &v);
	return ERR_NONE;
}

/* --- the move -------------------------------------------------------------------------- */

static bool
moves_now(const struct request_ask *a, const char *service)
{
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->services[i]->name, service) == 0)
			return true;
	return false;
}

/* It neither comes with this run nor runs there. */
static bool
stays(const struct request_ask *a, const char *service)
{
	const struct daemon_service *s = daemon_service(a->d, service);

	return s != NULL && strcmp(s->authority.site, a->to) != 0 &&
	    !moves_now(a, service);
}

/* Of those it depends on, the ones that `is` says. */
static void
add_depends(const struct request_ask *a, const struct policy_service *s,
    bool (*is)(const struct request_ask *a, const char *service),
    const char *field, struct wire_value *v)
{
	char names[256] = "";

	for (size_t k = 0; k < s->depends.count; k++) {
		size_t len = strlen(names);

		if (is(a, s->depends.items[k]))
			snprintf(names + len, sizeof(names) - len, "%s%s",
			    len > 0 ? " " : "", s->depends.items[k]);
	}
	if (names[0] != '\0')
		wire_add_text(v, field, names);
}

size_t
request_ask_without(const struct request_ask *a)
{
	size_t count = 0;

	for (size_t i = 0; i < a->count; i++) {
		const struct policy_texts *on = &a->services[i]->depends;
		size_t k = 0;

		while (k < on->count && !stays(a, on->items[k]))
			k++;
		count += k < on->count;
	}
	return count;
}

static void
add_chosen(struct request_ask *a, struct wire_value *v)
{
	if (a->mode == GUARDS_PLANNED && *a->point == '\0') {
		wire_add_text(v, "loss",
		    "none: the last point is made when the writes have "
		    "stopped");
		wire_add_seconds(v, "loss_seconds", 0);
	} else if (a->chosen < a->points.count) {
		const struct request_point *p = &a->points.items[a->chosen];

		wire_add_text(v, "point", p->id);
		wire_add_utc(v, "point_at", p->at);
		add_loss(v, p);
	} else
		wire_add_text(v, "loss", "everything: there is no whole point");
}

size_t
request_ask_count(struct request_ask *a)
{
	size_t all = 0, unknown = 0;

	for (size_t i = 0; i < GUARDS_COUNT; i++) {
		all += stops(&a->results[i]);
		unknown += stops(&a->results[i]) &&
		    a->results[i].verdict == GUARDS_UNKNOWN;
	}
	a->stops += all;
	a->unknown += unknown;
	a->stopped_services += all > 0;
	return all;
}

static enum err_code
tell_move(struct request_ask *a, struct client *c, size_t i, struct err *e)
{
	const struct policy_service *s = a->services[i];
	const struct daemon_service *now = daemon_service(a->d, s->name);
	OWNED(wire_free) struct wire_value *v = NULL;
	char number[24];
	enum err_code rc = wire_new(&v, "move", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", s->name);
	wire_add_uint(v, "order", i + 1);
	wire_add_uint(v, "wave", a->wave[i]);
	wire_add_text(v, "from", a->from);
	wire_add_text(v, "to", a->to);
	wire_add_text(v, "mode", guards_mode_name(a->mode));
	wire_add_text(v, "authority",
	    authority_state_name(now->authority.state));
	wire_add_uint(v, "epoch", now->authority.epoch);
	snprintf(number, sizeof(number), "%" PRIu64, now->authority.epoch);
	wire_add_text(v, "epoch_text", number);
	wire_add_uint(v, "tier", s->tier);
	snprintf(number, sizeof(number), "%u", s->tier);
	wire_add_text(v, "tier_text", number);
	add_depends(a, s, moves_now, "after", v);
	add_depends(a, s, stays, "without", v);
	add_chosen(a, v);
	wire_add_text(v, "plan", now->plan);
	wire_add_uint(v, "stopped_by", request_ask_count(a));
	client_reply(c, &v);
	return ERR_NONE;
}

enum err_code
request_ask_tell(struct request_ask *a, struct client *c, size_t i,
    struct err *e)
{
	const char *name = a->services[i]->name;
	bool brief = a->count > BRIEF_ABOVE;
	enum err_code rc = tell_move(a, c, i, e);

	for (size_t k = 0; rc == ERR_NONE && k < a->points.count; k++)
		if (!brief || k == a->chosen)
			rc = tell_candidate(a, c, name, k, e);
	return rc == ERR_NONE
	    ? facts_tell(c, name, &a->facts, a->results, brief, e)
	    : rc;
}

/* --- room ------------------------------------------------------------------------------- */

static const char *
name_of(const void *of, size_t i)
{
	return ((const struct request_ask *)of)->services[i]->name;
}

static enum err_code
tell_capacity(struct request_ask *a, struct client *c, const char *resource,
    uint64_t has, uint64_t needs, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char text[160], x[TEXT_UNIT_BYTES], y[TEXT_UNIT_BYTES];
	enum err_code rc = wire_new(&v, "capacity", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "site", a->to);
	wire_add_text(v, "resource", resource);
	wire_add_uint(v, "needs", needs);
	if (strcmp(resource, "cpus") == 0) {
		snprintf(x, sizeof(x), "%" PRIu64, needs);
		snprintf(y, sizeof(y), "%" PRIu64, has);
	} else {
		text_size(needs, x);
		text_size(has, y);
	}
	if (has == 0)
		snprintf(text, sizeof(text),
		    "%s needed; the policy does not say what there is", x);
	else
		snprintf(text, sizeof(text), "%s needed of %s%s", x, y,
		    needs > has ? ": NOT ENOUGH" : "");
	if (has > 0) {
		wire_add_uint(v, "has", has);
		wire_add_bool(v, "fits", needs <= has);
	}
	wire_add_text(v, "text", text);
	client_reply(c, &v);
	return ERR_NONE;
}

static enum err_code
tell_shed(struct client *c, const struct request_group_need *n, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char number[16], reason[160];
	enum err_code rc = wire_new(&v, "shed", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", n->service);
	wire_add_uint(v, "tier", n->tier);
	snprintf(number, sizeof(number), "%u", n->tier);
	wire_add_text(v, "tier_text", number);
	if (n->left_out)
		snprintf(reason, sizeof(reason), "%s",
		    n->moves
			? "as was said: it does not come"
			: "as was said: it runs there, and you stop it first");
	else if (n->lacks != NULL)
		snprintf(reason, sizeof(reason),
		    "it depends on '%.64s', for which there is no room",
		    n->lacks);
	else
		snprintf(reason, sizeof(reason), "%s",
		    n->moves
			? "there is no room for it beside those of higher tiers"
			: "it runs there now and would have to make room");
	wire_add_bool(v, "said", n->left_out);
	wire_add_text(v, "reason", reason);
	client_reply(c, &v);
	return ERR_NONE;
}

enum err_code
request_ask_room(struct request_ask *a, struct client *c, struct err *e)
{
	struct request_room *r = &a->room;
	enum err_code rc;

	request_room_fini(r);
	rc = request_room_make(r,
	    &(struct request_room_ask){a->d, a->to, name_of, a, a->count,
		a->shed},
	    e);
	if (rc == ERR_NONE)
		rc = tell_capacity(a, c, "memory", r->has.memory_bytes,
		    r->memory_bytes, e);
	if (rc == ERR_NONE)
		rc = tell_capacity(a, c, "disk", r->has.disk_bytes,
		    r->disk_bytes, e);
	if (rc == ERR_NONE)
		rc = tell_capacity(a, c, "cpus", r->has.cpu_count, r->cpu_count,
		    e);
	for (size_t i = 0; rc == ERR_NONE && i < r->count; i++)
		if (r->needs[i].shed)
			rc = tell_shed(c, &r->needs[i], e);
	return rc;
}
