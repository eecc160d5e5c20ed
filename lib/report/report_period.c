/* Reports of a period, from the ledger's records alone. */

#include <bascule/base/text.h>
#include <bascule/policy.h>
#include <bascule/wire.h>
#include <string.h>

#include "report_page.h"

#define LINKS_MAX 64

/* What a walk over records fills. */
struct walk {
	struct report_page *p;
	const struct report_period *of;
};

static enum err_code
each(struct walk *w, const char *type, ledger_record_fn *fn, void *ctx,
    struct err *e)
{
	struct ledger_filter f = {.type = type,
	    .service = w->of->service,
	    .since = w->of->since,
	    .until = w->of->until};

	return ledger_iterate(w->of->ledger, &f, fn, ctx, e);
}

static const char *
span(int64_t ns, char out[TEXT_UNIT_BYTES])
{
	return ns < 0 ? "" : text_duration(ns, out);
}

/* --- rpo --------------------------------------------------------------------------- */

static enum err_code
take_posture(void *ctx, const struct record *r, struct err *e)
{
	struct walk *w = ctx;
	char at[NOW_TEXT_BYTES], service[128], copy[128], now[32], was[32];
	char point[NOW_TEXT_BYTES], target[TEXT_UNIT_BYTES];

	(void)e;
	report_page_row(w->p,
	    (const char *const[]){report_page_time(r->at, at),
		record_text(r, "@service", service, sizeof(service)),
		record_text(r, "at_site", copy, sizeof(copy)),
		record_text(r, "was", was, sizeof(was)),
		record_text(r, "rpo", now, sizeof(now)),
		report_page_time((struct utc){record_int(r, "point_at_ns", 0)},
		    point),
		span(record_int(r, "rpo_ns", -1), target)});
	return ERR_NONE;
}

static enum err_code
put_rpo(struct walk *w, struct err *e)
{
	static const struct report_page_column columns[] = {{"at", "when (UTC)",
								0},
	    {"service", "service", 0}, {"copy", "copy at", 0},
	    {"was", "was", 0}, {"rpo", "became", 0},
	    {"point", "newest point", 0}, {"target", "RPO", 0}};

	report_page_section(w->p, "rpo", "How the RPO of each service changed");
	report_page_note(w->p,
	    "As this site saw it, each copy elsewhere by itself; UNKNOWN "
	    "counts as a breach.");
	report_page_table(w->p, "changes", columns, COUNT_OF(columns),
	    "no change is recorded");
	return each(w, "posture", take_posture, w, e);
}

/* --- points ------------------------------------------------------------------------- */

static enum err_code
take_point(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct walk *w = ctx;
	char at[NOW_TEXT_BYTES], verified[NOW_TEXT_BYTES], level[64];

	(void)e;
	if ((w->of->since.ns != 0 && p->at.ns < w->of->since.ns) ||
	    (w->of->until.ns != 0 && p->at.ns >= w->of->until.ns))
		return ERR_NONE;
	snprintf(level, sizeof(level), "%s%s%s",
	    p->verified_level[0] != '\0' ? p->verified_level : "unverified",
	    p->suspect ? ", SUSPECT" : "", p->held ? ", held" : "");
	report_page_row(w->p,
	    (const char *const[]){report_page_time(p->at, at), p->service,
		p->id, p->complete ? "complete" : "INCOMPLETE", p->sites, level,
		report_page_time(p->verified_at, verified), p->tested_run});
	return ERR_NONE;
}

static enum err_code
put_points(struct walk *w, struct err *e)
{
	static const struct report_page_column columns[] = {{"at", "of (UTC)",
								0},
	    {"service", "service", 0}, {"point", "point", 12},
	    {"complete", "complete", 0}, {"sites", "copies at", 0},
	    {"level", "proof", 0}, {"verified", "proved", 0},
	    {"run", "tested by", 0}};
	struct ledger_point_filter f = {.service = w->of->service,
	    .as_of = w->of->as_of};

	report_page_section(w->p, "points", "Recovery points, newest first");
	report_page_table(w->p, "points", columns, COUNT_OF(columns),
	    "there is none");
	return ledger_points(w->of->ledger, &f, take_point, w, e);
}

/* --- links ------------------------------------------------------------------------------ */

struct link_time {
	char name[80];
	bool is_up;
	struct utc first, since;
	int64_t up_ns, down_ns;
	unsigned breaks;
};

struct links_walk {
	struct link_time links[LINKS_MAX];
	size_t count;
};

static enum err_code
take_link(void *ctx, const struct record *r, struct err *e)
{
	struct links_walk *w = ctx;
	char name[80], state[16];
	struct link_time *l = NULL;
	bool up;

	(void)e;
	record_text(r, "link", name, sizeof(name));
	record_text(r, "state", state, sizeof(state));
	up = strcmp(state, "up") == 0;
	if (!up && strcmp(state, "down") != 0)
		return ERR_NONE;
	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->links[i].name, name) == 0)
			l = &w->links[i];
	if (l == NULL && w->count == LINKS_MAX)
		return ERR_NONE;
	if (l == NULL) {
		l = &w->links[w->count++];
		memcpy(l->name, name, sizeof(name));
		l->first = r->at;
	} else if (l->is_up)
		l->up_ns += r->at.ns - l->since.ns;
	else
		l->down_ns += r->at.ns - l->since.ns;
	l->breaks += !up && (l->is_up || l->since.ns == 0);
	l->is_up = up;
	l->since = r->at;
	return ERR_NONE;
}

static void
put_link(struct walk *w, struct link_time *l, struct utc until)
{
	char first[NOW_TEXT_BYTES], share[32] = "", breaks[16];
	char up[TEXT_UNIT_BYTES], down[TEXT_UNIT_BYTES];

	if (until.ns > l->since.ns) {
		if (l->is_up)
			l->up_ns += until.ns - l->since.ns;
		else
			l->down_ns += until.ns - l->since.ns;
	}
	if (l->up_ns + l->down_ns > 0)
		snprintf(share, sizeof(share), "%.3f%%",
		    100.0 * (double)l->up_ns / (double)(l->up_ns + l->down_ns));
	snprintf(breaks, sizeof(breaks), "%u", l->breaks);
	report_page_row(w->p,
	    (const char *const[]){l->name, l->is_up ? "up" : "down",
		report_page_time(l->first, first), share, span(l->up_ns, up),
		span(l->down_ns, down), breaks});
}

static enum err_code
put_links(struct walk *w, struct err *e)
{
	static const struct report_page_column columns[] = {{"link", "link", 0},
	    {"state", "now", 0}, {"first", "known since (UTC)", 0},
	    {"share", "available", 0}, {"up", "up", 0}, {"down", "down", 0},
	    {"breaks", "breaks", 0}};
	OWNED(free_mem) struct links_walk *links = calloc(1, sizeof(*links));
	struct utc until = w->of->until.ns != 0 ? w->of->until : now_utc();
	enum err_code rc;

	if (links == NULL)
		return err_nomem(e);
	report_page_section(w->p, "links", "When each link was up");
	report_page_note(w->p,
	    "By this site's own probes; before the first one nothing is known, "
	    "and while the daemon was away the last state is taken to have "
	    "stood.");
	report_page_table(w->p, "links", columns, COUNT_OF(columns),
	    "no probe of a link is recorded");
	rc = each(w, LEDGER_LINK, take_link, links, e);
	for (size_t i = 0; rc == ERR_NONE && i < links->count; i++)
		put_link(w, &links->links[i], until);
	return rc;
}

/* --- changes ---------------------------------------------------------------------------- */

static bool
is_change(const struct record *r)
{
	static const char *const types[] = {LEDGER_POLICY, LEDGER_ACCESS,
	    LEDGER_AUTHORITY, LEDGER_CANARY, LEDGER_DAEMON, "failover",
	    "approval"};

	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (record_text_is(r->type, types[i]))
			return r->phase != RECORD_INTENT;
	return false;
}

static enum err_code
take_change(void *ctx, const struct record *r, struct err *e)
{
	struct walk *w = ctx;
	OWNED(buf_fini) struct buf line = {0};
	char at[NOW_TEXT_BYTES], who[128], type[32];
	enum err_code rc;

	if (!is_change(r))
		return ERR_NONE;
	rc = report_event(r, &line, e);
	if (rc != ERR_NONE)
		return rc;
	snprintf(type, sizeof(type), "%.*s",
	    (int)(r->type.len_bytes < 31 ? r->type.len_bytes : 31), r->type.at);
	report_page_row(w->p,
	    (const char *const[]){report_page_time(r->at, at), type,
		record_text(r, "@actor.name", who, sizeof(who)),
		buf_text(&line)});
	return ERR_NONE;
}

static enum err_code
put_changes(struct walk *w, struct err *e)
{
	static const struct report_page_column columns[] = {{"at", "when (UTC)",
								0},
	    {"record", "record", 0}, {"who", "who", 0}, {"text", "what", 0}};

	report_page_section(w->p, "changes",
	    "What people, policies and moves changed");
	report_page_table(w->p, "changes", columns, COUNT_OF(columns),
	    "nothing is recorded");
	return each(w, NULL, take_change, w, e);
}

/* --- controls --------------------------------------------------------------------------------- */

/* A kind of evidence: the newest record that is some. */
static const struct evidence_of {
	const char *kind, *type, *field, *value, *field2, *value2;
} evidence[] = {
    {"backup", LEDGER_JOB, "kind", "backup", "state", "succeeded"},
    {"replicate", LEDGER_JOB, "kind", "replicate", "state", "succeeded"},
    {"verify", LEDGER_JOB, "kind", "verify", "state", "succeeded"},
    {"restore", LEDGER_JOB, "kind", "restore", "state", "succeeded"},
    {"restore", LEDGER_JOB, "how", "restore", "result", "PASS"},
    {"exercise", LEDGER_EXERCISE, "result", "PASS", NULL, NULL},
    {"tabletop", LEDGER_EXERCISE, "mode", "tabletop", "event", "issue"},
    {"failover", "failover", "event", "COMMITTED", NULL, NULL},
    {"approvals", "approval", "verb", "approve", NULL, NULL},
    {"separation", "approval", "verb", "approve", NULL, NULL},
    {"escrow", LEDGER_CANARY, "result", LEDGER_CANARY_PROVED, NULL, NULL},
    {"keys", LEDGER_CANARY, "result", LEDGER_CANARY_PROVED, NULL, NULL},
    {"links", LEDGER_LINK, "state", "up", NULL, NULL},
    {"policy", LEDGER_POLICY, "state", "loaded", NULL, NULL},
    {"alerts", LEDGER_ALARM, "state", "told", NULL, NULL},
    {"ledger", LEDGER_DAEMON, NULL, NULL, NULL, NULL},
};
#define KINDS COUNT_OF(evidence)

struct newest {
	struct utc at[KINDS];
};

static bool
says(const struct record *r, const char *field, const char *value)
{
	char text[64];

	return field == NULL ||
	    strcmp(record_text(r, field, text, sizeof(text)), value) == 0;
}

static enum err_code
take_evidence(void *ctx, const struct record *r, struct err *e)
{
	struct newest *n = ctx;

	(void)e;
	for (size_t i = 0; i < KINDS; i++)
		if (record_text_is(r->type, evidence[i].type) &&
		    says(r, evidence[i].field, evidence[i].value) &&
		    says(r, evidence[i].field2, evidence[i].value2))
			n->at[i] = r->at;
	return ERR_NONE;
}

/* The oldest of what is asked for decides; what nobody records is UNKNOWN. */
static void
put_control(struct walk *w, const struct policy_control *c,
    const struct newest *n, struct utc now)
{
	char found[600] = "", at[NOW_TEXT_BYTES], within[TEXT_UNIT_BYTES];
	bool is_unknown = c->evidence.count == 0, is_old = false;
	size_t used = 0;

	for (size_t i = 0; i < c->evidence.count; i++) {
		struct utc newest = {0};

		for (size_t k = 0; k < KINDS; k++)
			if (strcmp(evidence[k].kind, c->evidence.items[i]) ==
				0 &&
			    n->at[k].ns > newest.ns)
				newest = n->at[k];
		is_unknown = is_unknown || newest.ns == 0;
		is_old = is_old ||
		    (newest.ns != 0 && c->within_ns > 0 &&
			now.ns - newest.ns > c->within_ns);
		if (used + 64 < sizeof(found))
			used += (size_t)snprintf(found + used,
			    sizeof(found) - used, "%s%.30s %s",
			    used > 0 ? "; " : "", c->evidence.items[i],
			    newest.ns == 0 ? "not recorded"
					   : report_page_time(newest, at));
	}
	report_page_row(w->p,
	    (const char *const[]){c->id, c->title,
		is_unknown   ? "UNKNOWN"
		    : is_old ? "FAIL: too old"
			     : "PASS: supports",
		found, span(c->within_ns > 0 ? c->within_ns : -1, within),
		c->note});
}

static enum err_code
put_controls(struct walk *w, struct err *e)
{
	static const struct report_page_column columns[] = {{"control",
								"control", 0},
	    {"title", "title", 48}, {"verdict", "verdict", 0},
	    {"evidence", "newest evidence (UTC)", 0}, {"within", "within", 0},
	    {"note", "note", 0}};
	struct newest n = {0};
	struct utc now = w->of->until.ns != 0 ? w->of->until : now_utc();
	enum err_code rc = each(w, NULL, take_evidence, &n, e);

	report_page_section(w->p, "controls",
	    "Which evidence supports which control");
	report_page_note(w->p,
	    "Evidence supports a control; it never makes anybody compliant. "
	    "UNKNOWN is no pass.");
	report_page_table(w->p, "controls", columns, COUNT_OF(columns),
	    "the policy names no control");
	for (size_t i = 0; rc == ERR_NONE && w->of->policy != NULL &&
	     i < w->of->policy->control_count;
	     i++)
		put_control(w, &w->of->policy->controls[i], &n, now);
	return rc;
}

/* A page of then that is read later must not pass for one of today. */
static void
put_as_of(struct walk *w)
{
	char at[NOW_TEXT_BYTES], text[160];

	snprintf(text, sizeof(text),
	    "As recorded at %s: what was recorded later is left out.",
	    now_text(w->of->as_of, at));
	report_page_note(w->p, text);
}

/* --- the report ------------------------------------------------------------------------------- */

enum err_code
report_period(const struct report_period *of, const char *kind,
    enum report_form form, struct buf *out, struct err *e)
{
	static const struct {
		const char *kind, *title;
		enum err_code (*put)(struct walk *w, struct err *e);
	} kinds[] = {{"rpo", "RPO history", put_rpo},
	    {"points", "Recovery points", put_points},
	    {"links", "Availability of links", put_links},
	    {"changes", "Change log", put_changes},
	    {"controls", "Controls", put_controls}};
	OWNED(report_page_free) struct report_page *p = NULL;
	struct report_period then = *of;
	struct walk w = {.of = &then};
	enum err_code rc = ERR_INPUT;

	if (of->as_of.ns != 0 &&
	    (of->until.ns == 0 || of->until.ns > of->as_of.ns))
		then.until.ns = of->as_of.ns + 1;
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		if (strcmp(kinds[i].kind, kind) != 0)
			continue;
		rc = report_page_new(&p, kinds[i].title, e);
		w.p = p;
		if (rc == ERR_NONE)
			rc = kinds[i].put(&w, e);
		if (rc == ERR_NONE && of->as_of.ns != 0)
			put_as_of(&w);
	}
	if (p == NULL && rc == ERR_INPUT)
		return err_set(e, ERR_INPUT,
		    "'%.40s' is no report: rpo, points, links, changes or "
		    "controls",
		    kind);
	if (rc != ERR_NONE)
		return rc;
	return report_page_form(p, kind, form, out, e);
}
