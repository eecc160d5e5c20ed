/*
 * The runbook: what the policies say, in the order in which it is needed when
 * nothing else is left.
 */

#include "box.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/policy.h>

#include "report_page.h"

#define CELL_BYTES 1024

struct runbook {
	const struct policy *p;
	struct report_page *page;
};

/* "a, b"; "-" for none.  Cut where it does not fit. */
static const char *
listed(const struct policy_texts *t, const char *between, char out[CELL_BYTES])
{
	size_t used = 0;

	snprintf(out, CELL_BYTES, "-");
	for (size_t i = 0; i < t->count && used < CELL_BYTES; i++) {
		int n = snprintf(out + used, CELL_BYTES - used, "%s%s",
		    i == 0 ? "" : between, t->items[i]);

		used += n > 0 ? (size_t)n : 0;
	}
	return out;
}

static const char *
span(int64_t ns, char out[TEXT_UNIT_BYTES])
{
	return ns == 0 ? "not stated" : text_duration(ns, out);
}

/* --- who and where ------------------------------------------------------------ */

static void
add_hosts(struct runbook *r)
{
	static const struct report_page_column columns[] = {{"site", "site", 0},
	    {"host", "host", 0}, {"login", "login", 0},
	    {"keys", "its keys", 0}};
	char login[CELL_BYTES], keys[CELL_BYTES];

	report_page_section(r->page, "hosts", "Hosts and their keys");
	report_page_note(r->page,
	    "A host that shows another key is not the host.");
	report_page_table(r->page, "hosts", columns, COUNT_OF(columns),
	    "the policies name no host");
	for (size_t i = 0; i < r->p->site_count; i++)
		for (size_t j = 0; j < r->p->sites[i].host_count; j++) {
			const struct policy_host *h = &r->p->sites[i].hosts[j];
			const char *cells[] = {r->p->sites[i].name, h->name,
			    login, listed(&h->host_keys, " ", keys)};

			snprintf(login, sizeof(login), "%s@%s port %u", h->user,
			    h->address, h->port);
			report_page_row(r->page, cells);
		}
}

static void
add_repositories(struct runbook *r)
{
	static const struct report_page_column columns[] = {{"site", "site", 0},
	    {"place", "place", 0}, {"repository", "repository", 0},
	    {"ledger_keys", "its ledger is signed by", 0}};
	char keys[CELL_BYTES];

	report_page_section(r->page, "repositories", "Where the copies lie");
	report_page_table(r->page, "repositories", columns, COUNT_OF(columns),
	    "the policies name no repository");
	for (size_t i = 0; i < r->p->site_count; i++) {
		const struct policy_site *s = &r->p->sites[i];
		const char *cells[] = {s->name, s->failure_domain,
		    s->repository, listed(&s->ledger_keys, " ", keys)};

		if (*s->repository != '\0')
			report_page_row(r->page, cells);
	}
}

static void
add_people(struct runbook *r)
{
	static const struct report_page_column calls[] = {{"who", "who", 0},
	    {"council", "council", 0}, {"call", "call", 0},
	    {"then", "who then calls", 0}, {"note", "note", 0}};
	static const struct report_page_column people[] = {{"account",
							       "account", 0},
	    {"council", "council", 0}, {"contact", "contact", 0},
	    {"key", "own key", 0}};
	char then[CELL_BYTES];

	report_page_section(r->page, "contacts", "Whom to call");
	report_page_table(r->page, "contacts", calls, COUNT_OF(calls),
	    "the policies have no contacts");
	for (size_t i = 0; i < r->p->contact_count; i++) {
		const struct policy_contact *c = &r->p->contacts[i];

		report_page_row(r->page,
		    (const char *[]){c->name, c->council, c->call,
			listed(&c->then, ", ", then), c->note});
	}
	report_page_table(r->page, "people", people, COUNT_OF(people),
	    "the policies name no people");
	for (size_t i = 0; i < r->p->person_count; i++) {
		const struct policy_person *m = &r->p->people[i];

		report_page_row(r->page,
		    (const char *[]){m->name, m->council, m->contact, m->key});
	}
}

static void
add_escrow(struct runbook *r)
{
	static const struct report_page_column columns[] =
	    {{"holder", "who keeps a share", 0}, {"place", "where", 0}};

	report_page_section(r->page, "escrow", "Escrow");
	if (r->p->escrow.holder_count > 0)
		report_page_printf(r->page, "threshold", "shares needed",
		    "%u of %zu", r->p->escrow.threshold,
		    r->p->escrow.holder_count);
	else
		report_page_doubt(r->page,
		    "The policies do not say who keeps the escrow key.");
	report_page_table(r->page, "holders", columns, COUNT_OF(columns),
	    "nobody is named");
	for (size_t i = 0; i < r->p->escrow.holder_count; i++)
		report_page_row(r->page,
		    (const char *[]){r->p->escrow.holders[i].name,
			r->p->escrow.holders[i].failure_domain});
	report_page_note(r->page,
	    "./bascule key combine -o found.key SHARE SHARE makes the key of "
	    "their files; ./bascule -r REPOSITORY key canary SHARE SHARE says "
	    "beforehand whether they open everything.");
}

/* --- a service ------------------------------------------------------------------ */

static void
add_data(struct runbook *r, const struct policy_service *s)
{
	static const struct report_page_column columns[] = {{"dataset",
								"dataset", 0},
	    {"what", "what it is", 0}, {"host", "where it lives", 0},
	    {"command", "to bring it back", 0}};
	char what[CELL_BYTES], words[CELL_BYTES], command[CELL_BYTES];

	report_page_table(r->page, "datasets", columns, COUNT_OF(columns),
	    "it has no data");
	for (size_t i = 0; i < s->dataset_count; i++) {
		const struct policy_dataset *d = &s->datasets[i];
		const bool is_tree = *d->tree != '\0';

		snprintf(what, sizeof(what), "%s %s",
		    is_tree ? "the folder" : "the output of",
		    is_tree                    ? d->tree
			: d->command.count > 0 ? listed(&d->command, " ", words)
					       : "its database's tool");
		snprintf(command, sizeof(command),
		    "./bascule -r REPOSITORY restore latest:%s/%s --to DIR",
		    s->name, d->name);
		report_page_row(r->page,
		    (const char *[]){d->name, what, d->host, command});
	}
}

/* What must be so, of a check that asks a program or reads. */
static void
add_expected(const struct policy_check *c, char *out, size_t size)
{
	size_t at = strlen(out);

	if (c->has_at_least)
		snprintf(out + at, size - at, " prints a number, %u or more",
		    c->expect_at_least);
	else if (c->has_equals)
		snprintf(out + at, size - at, " prints '%s'", c->equals);
	else if (*c->contains != '\0')
		snprintf(out + at, size - at, " has '%s' in it", c->contains);
}

static void
what_is_checked(const struct policy_check *c, char *out, size_t size)
{
	char words[CELL_BYTES], span[TEXT_UNIT_BYTES];
	size_t at;

	out[0] = '\0';
	switch (c->kind) {
	case POLICY_CHECK_HTTP:
		snprintf(out, size, "check: %s answers %u", c->http, c->expect);
		if (*c->contains != '\0')
			add_expected(c, out, size);
		break;
	case POLICY_CHECK_TCP:
		snprintf(out, size, "check: %s takes connections", c->tcp);
		break;
	case POLICY_CHECK_UNREACHABLE:
		snprintf(out, size, "check: %s must not be reachable",
		    c->unreachable);
		break;
	case POLICY_CHECK_TLS:
		snprintf(out, size,
		    "check: the certificate of %s is good for %u days more",
		    c->tls, c->days_count);
		break;
	case POLICY_CHECK_FILE:
		snprintf(out, size, "check: the file %s %s", c->file,
		    c->exists ? "is there" : "is not there");
		if (c->exists && *c->contains != '\0')
			add_expected(c, out, size);
		break;
	case POLICY_CHECK_COMMAND:
	case POLICY_CHECK_SQL:
		snprintf(out, size, "check: %s",
		    listed(c->kind == POLICY_CHECK_SQL ? &c->sql : &c->command,
			" ", words));
		add_expected(c, out, size);
		break;
	default: break;
	}
	at = strlen(out);
	if (c->within_ns > 0)
		snprintf(out + at, size - at, " (wait for it up to %s)",
		    text_duration(c->within_ns, span));
}

static const char *
what_it_does(const struct policy_step *s, char out[2 * CELL_BYTES])
{
	char words[CELL_BYTES], span[TEXT_UNIT_BYTES];

	switch (s->kind) {
	case POLICY_STEP_RESTORE:
		snprintf(out, 2 * CELL_BYTES, "restore %s to %s", s->restore,
		    *s->to != '\0' ? s->to : "its place");
		break;
	case POLICY_STEP_RUN:
		snprintf(out, 2 * CELL_BYTES, "run: %s",
		    listed(&s->run, " ", words));
		break;
	case POLICY_STEP_CONFIRM:
		snprintf(out, 2 * CELL_BYTES, "a person: %s", s->confirm);
		break;
	case POLICY_STEP_CHECK:
		what_is_checked(&s->check, out, (size_t)2 * CELL_BYTES);
		break;
	case POLICY_STEP_WAIT:
		snprintf(out, 2 * CELL_BYTES, "wait %s",
		    text_duration(s->wait_ns, span));
		break;
	}
	return out;
}

static void
add_plan(struct runbook *r, const struct policy_service *s)
{
	static const struct report_page_column columns[] = {{"step", "step", 0},
	    {"after", "after", 0}, {"on", "on", 0}, {"what", "what", 0},
	    {"undo", "to take it back", 0}};
	char after[CELL_BYTES], undo[CELL_BYTES], what[2 * CELL_BYTES];

	report_page_table(r->page, "plan", columns, COUNT_OF(columns),
	    "it has no plan");
	for (size_t i = 0; i < s->step_count; i++)
		report_page_row(r->page,
		    (const char *[]){s->plan[i].name,
			listed(&s->plan[i].after, ", ", after), s->plan[i].on,
			what_it_does(&s->plan[i], what),
			listed(&s->plan[i].undo, " ", undo)});
}

static void
add_fences(struct runbook *r, const struct policy_service *s)
{
	static const struct report_page_column columns[] = {{"on", "on", 0},
	    {"run", "stops it", 0}, {"prove", "shows that it has stopped", 0},
	    {"attest", "or people state", 0}};
	char run[CELL_BYTES], prove[CELL_BYTES], attest[CELL_BYTES];

	report_page_table(r->page, "fences", columns, COUNT_OF(columns),
	    "nothing keeps it from running at two places: see to it yourself");
	for (size_t i = 0; i < s->fence_count; i++) {
		const struct policy_fence *f = &s->fence[i];

		attest[0] = '\0';
		if (*f->attest != '\0')
			snprintf(attest, sizeof(attest), "%s (%u people)",
			    f->attest, f->people_count);
		report_page_row(r->page,
		    (const char *[]){f->on, listed(&f->run, " ", run),
			listed(&f->prove, " ", prove), attest});
	}
}

static void
add_service(struct runbook *r, const struct policy_service *s)
{
	char title[CELL_BYTES], words[CELL_BYTES], rpo[TEXT_UNIT_BYTES];
	char rto[TEXT_UNIT_BYTES], mtpd[TEXT_UNIT_BYTES];

	snprintf(title, sizeof(title), "Service %s: %s", s->name,
	    *s->title != '\0' ? s->title : s->name);
	report_page_section(r->page, s->name, title);
	report_page_printf(r->page, "owner", "owner", "%s, tier %u", s->owner,
	    s->tier);
	report_page_printf(r->page, "targets", "targets",
	    "RPO %s, RTO %s, MTPD %s", span(s->rpo_ns, rpo),
	    span(s->rto_ns, rto), span(s->mtpd_ns, mtpd));
	report_page_printf(r->page, "place", "runs at", "%s; stands by at %s",
	    s->home, *s->standby != '\0' ? s->standby : "no site");
	report_page_line(r->page, "depends", "needs first",
	    s->depends.count > 0 ? listed(&s->depends, ", ", words)
				 : "nothing");
	report_page_line(r->page, "root", "${sandbox} stands for",
	    *s->live_root != '\0' ? s->live_root : "nothing: choose a folder");
	add_data(r, s);
	add_plan(r, s);
	add_fences(r, s);
}

/* --- the order of recovery -------------------------------------------------------- */

static bool
needs(const struct policy_service *s, const char *name)
{
	for (size_t i = 0; i < s->depends.count; i++)
		if (strcmp(s->depends.items[i], name) == 0)
			return true;
	return false;
}

/* What it needs was told of, as far as it is in these policies. */
static bool
is_next(const struct policy *p, const bool *told,
    const struct policy_service *s)
{
	for (size_t i = 0; i < p->service_count; i++)
		if (!told[i] && &p->services[i] != s &&
		    needs(s, p->services[i].name))
			return false;
	return true;
}

/* The lowest tier whose needs are met; services that need each other, all the
 * same. */
static const struct policy_service *
take_next(const struct policy *p, bool *told)
{
	const struct policy_service *best = NULL;
	bool is_ready = false;

	for (size_t i = 0; i < p->service_count; i++) {
		const struct policy_service *s = &p->services[i];
		const bool ready = is_next(p, told, s);

		if (told[i] || (is_ready && !ready))
			continue;
		if (best == NULL || (ready && !is_ready) ||
		    s->tier < best->tier)
			best = s;
		is_ready = is_ready || ready;
	}
	if (best != NULL)
		told[best - p->services] = true;
	return best;
}

static enum err_code
add_services(struct runbook *r, struct err *e)
{
	OWNED(free_mem) bool *told = calloc(r->p->service_count + 1, 1);
	const struct policy_service *s;

	if (told == NULL)
		return err_nomem(e);
	while ((s = take_next(r->p, told)) != NULL)
		add_service(r, s);
	return ERR_NONE;
}

enum err_code
box_runbook(const struct box_options *o, struct buf *text, struct buf *html,
    struct err *e)
{
	OWNED(report_page_free) struct report_page *page = NULL;
	struct runbook r = {.p = o->policy};
	char title[128], when[NOW_TEXT_BYTES];
	enum err_code rc;

	snprintf(title, sizeof(title), "Runbook of site %.64s, %s",
	    o->policy->site, report_page_time(o->made, when));
	rc = report_page_new(&page, title, e);
	if (rc != ERR_NONE)
		return rc;
	r.page = page;
	add_repositories(&r);
	add_escrow(&r);
	add_people(&r);
	add_hosts(&r);
	rc = add_services(&r, e);
	if (rc == ERR_NONE)
		rc = report_page_text(page, text, e);
	return rc == ERR_NONE ? report_page_html(page, html, e) : rc;
}
