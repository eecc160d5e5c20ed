/* One talk with a peer: a worker speaks, this listens and judges. */

#include "cosigning.h"

#include <string.h>

#include <bascule/base/text.h>

#define TALK_NS   (300 * NS_PER_S)
#define SILENT_NS (30 * NS_PER_S) /* its worker says that it lives every 5 s */

/* --- what it tells ------------------------------------------------------------ */

/* For a line of status: without its hint. */
static void
fail(struct peer *p, const struct err *why)
{
	if (p->failing[0] != '\0')
		return;
	snprintf(p->failing, sizeof(p->failing), "%.255s", why->text);
	text_first_line(p->failing);
}

/* What comes makes no sense: nothing more of it is wanted. */
static void
break_off(struct peer *p, const struct err *why)
{
	fail(p, why);
	errand_stop(p->worker);
}

static void
on_tried(struct peer *p, struct wire_value *ev)
{
	struct peer_tried *t;

	if (p->trying_count == PEER_TRIED_MAX)
		return;
	t = &p->trying[p->trying_count++];
	snprintf(t->link, sizeof(t->link), "%s",
	    wire_take_text(ev, "link", "-"));
	snprintf(t->error, sizeof(t->error), "%s",
	    wire_take_text(ev, "error", ""));
	text_first_line(t->error);
}

static void
on_posture(struct peer *p, struct wire_value *ev)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const char *of = wire_take_text(ev, "of", "");
	const char *line = wire_take_text(ev, "line", "");
	struct err e;
	enum err_code rc = wire_parse(&v, line, strlen(line), &e);

	if (rc == ERR_NONE && strcmp(of, "ledger_cosignature") == 0) {
		if (p->failing[0] == '\0')
			rc = cosigning_take(p, v, &e);
	} else if (rc == ERR_NONE && strncmp(of, "ledger_", 7) == 0) {
		if (p->failing[0] == '\0') /* else the rest makes no sense */
			rc = peerstep_take(p, v, &e);
	} else if (rc == ERR_NONE)
		peersaid_take(p, of, v);
	if (rc == ERR_REFUSED || rc == ERR_KEY) {
		p->parted = true;
		snprintf(p->divergence, sizeof(p->divergence), "%s", e.text);
	}
	if (rc != ERR_NONE)
		break_off(p, &e);
}

static void
on_line(void *ctx, struct wire_value *ev)
{
	struct peer *p = ctx;
	const char *type = wire_take_text(ev, "type", "");
	struct err why = {ERR_IO, ""};

	p->spoke = now_mono();
	loop_turn_does(p->d->loop, "what another site says");
	if (strcmp(type, "tried") == 0)
		on_tried(p, ev);
	else if (strcmp(type, "heard") == 0)
		peersaid_heard(p, ev);
	else if (strcmp(type, "posture") == 0)
		on_posture(p, ev);
	else if (strcmp(type, "divergence") == 0) {
		p->parted = true;
		snprintf(p->divergence, sizeof(p->divergence), "%s",
		    wire_take_text(ev, "text", ""));
	} else if (strcmp(type, "result") == 0 &&
	    strcmp(wire_take_text(ev, "state", ""), "succeeded") != 0) {
		snprintf(why.text, sizeof(why.text), "%s",
		    wire_take_text(ev, "reason", "it failed"));
		fail(p, &why);
	}
}

static void
on_nonsense(void *ctx, const struct err *why)
{
	fail(ctx, why);
}

/* --- beginning and ending -------------------------------------------------------- */

void
peertalk_end(struct peer *p, const char *why)
{
	struct err e = {ERR_TIMEOUT, ""};

	snprintf(e.text, sizeof(e.text), "%s", why);
	if (p->worker != NULL && *why != '\0')
		fail(p, &e);
	errand_free(&p->worker);
	peerstep_forget(p);
}

const char *
peertalk_overdue(const struct peer *p, struct mono now, int64_t *wait_ns)
{
	int64_t talk_ns = TALK_NS - (now.ns - p->talking.ns);
	int64_t silent_ns = SILENT_NS - (now.ns - p->spoke.ns);

	*wait_ns = talk_ns < silent_ns ? talk_ns : silent_ns;
	if (talk_ns <= 0)
		return "no end in time";
	return silent_ns <= 0 ? "our own process for it stood still" : NULL;
}

static void
on_end(void *ctx, int exit_status, int number)
{
	struct peer *p = ctx;

	peertalk_end(p, exit_status != 0 || number != 0 ? "it failed" : "");
	peer_talked(p);
}

static enum err_code
add_routes(const struct peer *p, struct wire_value *spec, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	const struct policy *po = p->d->policy;
	enum err_code rc = wire_new_list(&list, e);
	uint64_t after = 0; /* preference and place, of the last one */

	while (rc == ERR_NONE) {
		OWNED(wire_free) struct wire_value *v = NULL;
		const struct policy_link *best = NULL;
		uint64_t best_rank = UINT64_MAX;

		for (size_t i = 0; i < po->link_count; i++) {
			const struct policy_link *l = &po->links[i];
			uint64_t rank = ((uint64_t)l->preference << 32 | i) + 1;

			if (rank > after && rank < best_rank &&
			    policy_find_address(l, po->site) != NULL &&
			    policy_find_address(l, p->site->name) != NULL) {
				best = l;
				best_rank = rank;
			}
		}
		if (best == NULL && after > 0)
			break;
		rc = wire_new(&v, NULL, e);
		if (rc != ERR_NONE)
			break;
		wire_add_text(v, "link", best == NULL ? "direct" : best->name);
		wire_add_text(v, "address",
		    best == NULL ? p->site->hosts[0].address
				 : policy_find_address(best, p->site->name));
		wire_add(list, NULL, &v);
		after = best_rank;
		if (best == NULL)
			break;
	}
	if (rc == ERR_NONE)
		wire_add(spec, "routes", &list);
	return rc;
}

static enum err_code
make_spec(struct peer *p, struct wire_value **out, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char path[PEER_PATH_BYTES], job[96];
	enum err_code rc;

	snprintf(job, sizeof(job), "bridge-%s", p->site->name);
	rc = daemon_spec(p->d, job, "bridge", 1, &v, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "site", p->site->name);
	wire_add_text(v, "copy",
	    peerstep_path(p->d, p->site->name, "db", path));
	wire_add_uint(v, "held", p->head->number);
	if (cosigning_is_due(p))
		wire_add_bool(v, "cosign", true);
	rc = add_routes(p, v, e);
	if (rc == ERR_NONE)
		*out = TAKE(v);
	return rc;
}

enum err_code
peertalk_start(struct peer *p, struct err *e)
{
	const struct errand_options opt = {.ctx = p,
	    .on_line = on_line,
	    .on_nonsense = on_nonsense,
	    .on_end = on_end};
	OWNED(wire_free) struct wire_value *spec = NULL;
	enum err_code rc;

	p->failing[0] = '\0';
	p->trying_count = p->hindered_count = 0;
	p->heard_now = p->parted = false;
	wire_free(&p->fresh);
	wire_free(&p->services);
	wire_free(&p->links);
	rc = make_spec(p, &spec, e);
	if (rc == ERR_NONE)
		rc = wire_new(&p->fresh, "peer", e);
	if (rc == ERR_NONE)
		rc = wire_new_list(&p->services, e);
	if (rc == ERR_NONE)
		rc = wire_new_list(&p->links, e);
	if (rc == ERR_NONE)
		rc = errand_start(&p->worker, p->d, spec, &opt, e);
	p->talking = p->spoke = now_mono();
	if (rc == ERR_NONE)
		loop_timer_set(p->timer, SILENT_NS);
	return rc;
}
