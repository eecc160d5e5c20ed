/* One talk with a peer: a worker speaks, this listens and judges. */

#include "peer.h"

#include <signal.h>
#include <string.h>

#define TALK_NS (300 * NS_PER_S)

/* --- what it tells ------------------------------------------------------------ */

static void
fail(struct peer *p, const struct err *why)
{
	if (p->failing[0] == '\0')
		snprintf(p->failing, sizeof(p->failing), "%.250s", why->text);
}

/* What comes makes no sense: nothing more of it is wanted. */
static void
break_off(struct peer *p, const struct err *why)
{
	fail(p, why);
	loop_child_signal(p->child, SIGKILL);
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
}

static void
judge_clock(struct peer *p, int64_t offset_ns, int64_t bound_ns)
{
	int64_t sure = (offset_ns < 0 ? -offset_ns : offset_ns) - bound_ns;
	char text[256], off[TEXT_UNIT_BYTES];

	text_duration(offset_ns < 0 ? -offset_ns : offset_ns, off);
	snprintf(text, sizeof(text),
	    "the clock of site '%s' is %s %s of the one here", p->site->name,
	    off, offset_ns < 0 ? "behind" : "ahead");
	if (sure > p->d->policy->watch.clock_offset_ns)
		alarm_raise(p->d,
		    &(struct alarm_what){.on = POLICY_ON_CLOCK,
			.level = ALARM_WARNING,
			.subject = p->site->name,
			.text = text});
	else
		alarm_clear(p->d, POLICY_ON_CLOCK, NULL, p->site->name, text);
}

static void
on_heard(struct peer *p, struct wire_value *ev)
{
	/* a clock may be off by anything: seconds of an int64 fit a double */
	int64_t offset = wire_take_int(ev, "offset_ns", 0);
	int64_t bound = wire_take_int(ev, "bound_ns", 0);
	const char *policy = wire_take_text(ev, "policy", "");

	p->heard_now = true;
	p->heard = now_utc();
	wire_add_utc(p->fresh, "heard", p->heard);
	wire_add_text(p->fresh, "link", wire_take_text(ev, "link", "-"));
	wire_add_text(p->fresh, "version", wire_take_text(ev, "version", ""));
	wire_add_text(p->fresh, "policy", policy);
	wire_add_bool(p->fresh, "same_policy",
	    strcmp(policy, p->d->digest) == 0);
	wire_add_seconds(p->fresh, "clock_offset_seconds", offset);
	if (offset != INT64_MIN)
		judge_clock(p, offset, bound);
}

static void
add_service(struct peer *p, struct wire_value *s)
{
	static const char *const texts[] = {"service", "rpo_state",
	    "active_site", "authority"};
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_count(p->services) == PEER_SERVICES_MAX ||
	    wire_new(&v, NULL, &e) != ERR_NONE)
		return;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		char text[128];

		snprintf(text, sizeof(text), "%s",
		    wire_take_text(s, texts[i], ""));
		if (text[0] != '\0')
			wire_add_text(v, texts[i], text);
	}
	if (wire_has(s, "rpo_now_seconds"))
		wire_add_seconds(v, "rpo_now_seconds",
		    wire_take_seconds(s, "rpo_now_seconds", 0));
	wire_add(p->services, NULL, &v);
}

static void
on_status(struct peer *p, struct wire_value *v)
{
	const char *type = wire_take_text(v, "type", "");

	if (strcmp(type, "service") == 0)
		add_service(p, v);
	if (strcmp(type, "summary") != 0)
		return;
	wire_add_uint(p->fresh, "behind", wire_take_uint(v, "behind", 0));
	wire_add_uint(p->fresh, "alarms", wire_take_uint(v, "alarms", 0));
	wire_add_uint(p->fresh, "links_down",
	    wire_take_uint(v, "links_down", 0));
}

static void
on_posture(struct peer *p, struct wire_value *ev)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const char *of = wire_take_text(ev, "of", "");
	const char *line = wire_take_text(ev, "line", "");
	struct err e;
	enum err_code rc = wire_parse(&v, line, strlen(line), &e);

	if (rc == ERR_NONE && strncmp(of, "ledger_", 7) == 0) {
		if (p->failing[0] == '\0') /* else the rest makes no sense */
			rc = peerstep_take(p, v, &e);
	} else if (rc == ERR_NONE && strcmp(of, "status") == 0)
		on_status(p, v);
	else if (rc == ERR_NONE && strcmp(of, "jobs") == 0 &&
	    strcmp(wire_take_text(v, "type", ""), "job") == 0 &&
	    strcmp(wire_take_text(v, "state", ""), "running") == 0)
		wire_add_uint(p->fresh, "jobs",
		    wire_take_uint(p->fresh, "jobs", 0) + 1);
	if (rc == ERR_REFUSED || rc == ERR_KEY) {
		p->parted = true;
		snprintf(p->divergence, sizeof(p->divergence), "%s", e.text);
	}
	if (rc != ERR_NONE)
		break_off(p, &e);
}

static void
on_line(struct peer *p, struct wire_value *ev)
{
	const char *type = wire_take_text(ev, "type", "");
	struct err why = {ERR_IO, ""};

	if (strcmp(type, "tried") == 0)
		on_tried(p, ev);
	else if (strcmp(type, "heard") == 0)
		on_heard(p, ev);
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
on_event(void *ctx, const char *bytes, size_t len_bytes)
{
	struct peer *p = ctx;
	const char *line;
	size_t len;
	struct err e;

	if (wire_lines_feed(&p->lines, bytes, len_bytes, &e) != ERR_NONE) {
		break_off(p, &e);
		return;
	}
	while ((line = wire_lines_next(&p->lines, &len)) != NULL) {
		OWNED(wire_free) struct wire_value *ev = NULL;

		if (wire_parse(&ev, line, len, &e) == ERR_NONE)
			on_line(p, ev);
		else
			break_off(p, &e);
	}
}

/* --- beginning and ending -------------------------------------------------------- */

void
peertalk_end(struct peer *p, const char *why)
{
	struct err e = {ERR_TIMEOUT, ""};

	snprintf(e.text, sizeof(e.text), "%s", why);
	if (p->child != NULL && *why != '\0')
		fail(p, &e);
	loop_child_free(&p->child);
	wire_lines_fini(&p->lines);
	p->lines = (struct wire_lines){0};
	peerstep_forget(p);
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
make_spec(const struct peer *p, struct buf *line, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char path[PEER_PATH_BYTES], job[96];
	enum err_code rc = wire_new(&v, "job", e);

	if (rc != ERR_NONE)
		return rc;
	snprintf(job, sizeof(job), "bridge-%s", p->site->name);
	wire_add_text(v, "job", job);
	wire_add_text(v, "kind", "bridge");
	wire_add_uint(v, "attempt", 1);
	wire_add_text(v, "policy", p->d->policy_snapshot);
	wire_add_text(v, "digest", p->d->digest);
	wire_add_text(v, "site", p->site->name);
	wire_add_text(v, "copy",
	    peerstep_path(p->d, p->site->name, "db", path));
	wire_add_uint(v, "held", p->head->number);
	rc = add_routes(p, v, e);
	return rc == ERR_NONE ? wire_line(v, line, e) : rc;
}

enum err_code
peertalk_start(struct peer *p, struct err *e)
{
	static const char *const argv[] = {"basculed", "--worker", NULL};
	struct loop_child_options opt = {.program = "/proc/self/exe",
	    .argv = argv,
	    .has_events = true,
	    .ctx = p,
	    .on_event = on_event,
	    .on_end = on_end};
	OWNED(buf_fini) struct buf line = {0};
	enum err_code rc;

	p->failing[0] = '\0';
	p->trying_count = 0;
	p->heard_now = p->parted = false;
	wire_free(&p->fresh);
	wire_free(&p->services);
	rc = make_spec(p, &line, e);
	if (rc == ERR_NONE)
		rc = wire_new(&p->fresh, "peer", e);
	if (rc == ERR_NONE)
		rc = wire_new_list(&p->services, e);
	if (rc == ERR_NONE)
		rc = loop_child_start(&p->child, p->d->loop, &opt, e);
	if (rc == ERR_NONE)
		rc = loop_child_write(p->child, line.bytes, line.len_bytes, e);
	if (rc == ERR_NONE)
		loop_timer_set(p->timer, TALK_NS);
	return rc;
}
