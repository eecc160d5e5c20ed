/* failover list, failover show: the runs there are, and one of them. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "facts.h"
#include "moves.h"
#include "peer.h"

#define LIST_DEFAULT 100

/* --- a run as a message -------------------------------------------------------- */

/* The services' names, at most so many bytes of them: there may be hundreds. */
static enum err_code
name_services(const struct request *r, struct buf *out, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < r->service_count; i++) {
		if (out->len_bytes > 160)
			return buf_printf(out, e, " and %zu more",
			    r->service_count - i);
		rc = buf_printf(out, e, "%s%s", i > 0 ? " " : "",
		    r->services[i].name);
	}
	return rc;
}

/* A person is waited for, or nothing more comes of it: no use to go on looking. */
static bool
waits_for_people(const struct request *r)
{
	static const char *const waits[] = {"REQUESTED", "RAN", "COMMITTED",
	    "HELD", "FAILED"};

	for (size_t i = 0; i < COUNT_OF(waits); i++)
		if (strcmp(waits[i], r->phase) == 0)
			return true;
	return r->over;
}

static void
add_epoch(struct daemon *d, const struct request *r, struct wire_value *v)
{
	const struct daemon_service *s = r->service_count == 0
	    ? NULL
	    : daemon_service(d, r->services[0].name);

	if (s == NULL)
		return;
	wire_add_uint(v, "epoch", s->authority.epoch);
	wire_add_text(v, "authority", authority_state_name(s->authority.state));
}

enum err_code
request_to_wire(struct daemon *d, const struct request *r,
    struct wire_value **out, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf services = {0};
	enum err_code rc = wire_new(&v, "failover", e);

	if (rc == ERR_NONE)
		rc = name_services(r, &services, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "run", r->run);
	wire_add_text(v, "mode", guards_mode_name(r->mode));
	wire_add_text(v, "from", r->from);
	wire_add_text(v, "to", r->to);
	wire_add_text(v, "services", buf_text(&services));
	wire_add_uint(v, "count", r->service_count);
	wire_add_text(v, "phase", r->phase);
	if (r->phase_reason[0] != '\0')
		wire_add_text(v, "phase_reason", r->phase_reason);
	wire_add_utc(v, "phase_at", r->phase_at);
	wire_add_text(v, "reason", r->reason);
	if (r->change[0] != '\0')
		wire_add_text(v, "change", r->change);
	if (r->accepted_loss[0] != '\0')
		wire_add_text(v, "accepted_loss", r->accepted_loss);
	if (r->shed != NULL && r->shed[0] != '\0')
		wire_add_text(v, "shed", r->shed);
	wire_add_text(v, "actor", r->requester.name);
	if (r->requester.council[0] != '\0')
		wire_add_text(v, "council", r->requester.council);
	wire_add_text(v, "site", r->asked_at);
	wire_add_utc(v, "requested", r->at);
	if (r->expires.ns != 0)
		wire_add_utc(v, "expires", r->expires);
	wire_add_bool(v, "started", r->started);
	wire_add_bool(v, "ended", r->over);
	wire_add_bool(v, "waits", waits_for_people(r));
	if (r->glass_broken)
		wire_add_bool(v, "break_glass", true);
	add_epoch(d, r, v);
	*out = TAKE(v);
	return ERR_NONE;
}

/* --- list ------------------------------------------------------------------------- */

static bool
has_service(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->service_count; i++)
		if (strcmp(r->services[i].name, name) == 0)
			return true;
	return false;
}

static enum err_code
run_list(struct client *c, struct wire_value *request, struct err *e)
{
	struct request_book *b = NULL;
	struct daemon *d = client_daemon(c);
	const char *service = wire_take_text(request, "service", NULL);
	bool only_open = wire_take_bool(request, "open", false);
	uint64_t limit = wire_take_uint(request, "limit", LIST_DEFAULT);
	uint64_t count = 0;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = request_book_get(&b, d, e);
	for (size_t i = b == NULL ? 0 : b->count;
	     rc == ERR_NONE && i-- > 0 && count < limit;) {
		OWNED(wire_free) struct wire_value *v = NULL;
		const struct request *r = &b->items[i];

		if ((service != NULL && !has_service(r, service)) ||
		    (only_open && r->over))
			continue;
		rc = request_to_wire(d, r, &v, e);
		if (rc != ERR_NONE)
			break;
		count++;
		client_reply(c, &v);
	}
	return rc == ERR_NONE ? client_count(c, count, e) : rc;
}
const struct api_command api_failover_list = {"failover list", CLIENT_READERS,
    run_list};

/* --- show --------------------------------------------------------------------------- */

/* Whose login reached that account: by sudo another's; "" nobody knows. */
static void
add_login(const struct approvals_person *who, struct wire_value *v)
{
	char number[24];

	snprintf(number, sizeof(number), "%" PRId64, who->login_uid);
	wire_add_text(v, "login",
	    who->login_uid == APPROVALS_NO_UID ? ""
		: who->login_name[0] != '\0'   ? who->login_name
					       : number);
}

static enum err_code
tell_words(struct client *c, const struct request *r, const char *seen,
    const struct approvals_judgement *j, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < r->word_count; i++) {
		const struct approvals_word *w = &r->words[i];
		OWNED(wire_free) struct wire_value *v = NULL;

		rc = wire_new(&v, "approval", e);
		if (rc != ERR_NONE)
			return rc;
		wire_add_text(v, "run", r->run);
		wire_add_text(v, "verb", approvals_verb_name(w->verb));
		wire_add_text(v, "actor", w->who.name);
		wire_add_text(v, "site", w->who.site);
		if (w->who.council[0] != '\0')
			wire_add_text(v, "council", w->who.council);
		wire_add_utc(v, "at", w->at);
		wire_add_text(v, "seen", w->seen);
		wire_add_bool(v, "same", strcmp(w->seen, seen) == 0);
		wire_add_bool(v, "signed", w->who.key[0] != '\0');
		add_login(&w->who, v);
		if (w->reason[0] != '\0')
			wire_add_text(v, "reason", w->reason);
		if (w->verb == APPROVALS_APPROVE) {
			wire_add_bool(v, "counts",
			    j->standing[i] == APPROVALS_COUNTS);
			wire_add_text(v, "why",
			    approvals_standing_words(j->standing[i]));
		}
		client_reply(c, &v);
	}
	return rc;
}

struct news {
	struct wire_value **items;
	struct utc *at;
	size_t count;
};
#define NEWS_MAX 500 /* the newest of each site */

static void
news_fini(struct news *n)
{
	for (size_t i = 0; n->items != NULL && i < n->count; i++)
		wire_free(&n->items[i]);
	free(n->items);
	free(n->at);
}

/* In the order of time; what one site recorded at one time as it stood there. */
static void
news_put(struct news *n, struct utc at, struct wire_value **v)
{
	size_t i = n->count++;

	for (; i > 0 && n->at[i - 1].ns > at.ns; i--) {
		n->at[i] = n->at[i - 1];
		n->items[i] = n->items[i - 1];
	}
	n->at[i] = at;
	n->items[i] = TAKE(*v);
}

static enum err_code
take_record(void *ctx, const struct record *rec, struct err *e)
{
	struct news *n = ctx;
	OWNED(wire_free) struct wire_value *v = NULL;
	static const char *const names[] = {"event", "reason", "verdict",
	    "proof", "method", "point", "guard", "@service", "@site",
	    "@actor.name"};
	static const char *const as[] = {"event", "reason", "verdict", "proof",
	    "method", "point", "guard", "service", "site", "actor"};
	enum err_code rc = wire_new(&v, "phase", e);

	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char text[512];

		record_text(rec, names[i], text, sizeof(text));
		text_mend_end(text);
		if (text[0] != '\0')
			wire_add_text(v, as[i], text);
	}
	wire_add_text(v, "record",
	    rec->phase == RECORD_INTENT        ? "intent"
		: rec->phase == RECORD_OUTCOME ? "outcome"
					       : "event");
	wire_add_utc(v, "at", rec->at);
	news_put(n, rec->at, &v);
	return ERR_NONE;
}

/* What was recorded of it, of both sites. */
static enum err_code
tell_news(struct client *c, const char *run, struct err *e)
{
	struct daemon *d = client_daemon(c);
	OWNED(news_fini) struct news n = {.count = 0};
	struct ledger_filter f = {.type = LEDGER_FAILOVER,
	    .run = run,
	    .limit = NEWS_MAX,
	    .newest = true};
	size_t ledgers = 1;
	enum err_code rc;

	for (const struct peer *p = d->peers; p != NULL; p = p->next)
		ledgers += p->copy != NULL;
	n.items = calloc(ledgers * NEWS_MAX, sizeof(struct wire_value *));
	n.at = calloc(ledgers * NEWS_MAX, sizeof(*n.at));
	if (n.items == NULL || n.at == NULL)
		return err_nomem(e);
	rc = ledger_iterate(d->ledger, &f, take_record, &n, e);
	for (const struct peer *p = d->peers; rc == ERR_NONE && p != NULL;
	     p = p->next)
		if (p->copy != NULL)
			rc = ledger_iterate(p->copy, &f, take_record, &n, e);
	for (size_t i = 0; rc == ERR_NONE && i < n.count; i++)
		client_reply(c, &n.items[i]);
	return rc;
}

static void
add_roles(const struct client_caller *who, struct wire_value *v)
{
	char roles[128] = "";

	for (int r = 0; r < ROLE_COUNT; r++)
		if ((who->roles & ROLE_BIT(r)) != 0)
			snprintf(roles + strlen(roles),
			    sizeof(roles) - strlen(roles), "%s%s",
			    roles[0] != '\0' ? " " : "",
			    role_name((enum role)r));
	wire_add_text(v, "roles", roles);
}

enum err_code
request_find(struct request_book **b, struct daemon *d, const char *run,
    struct request **out, struct err *e)
{
	enum err_code rc = request_book_get(b, d, e);

	if (rc != ERR_NONE)
		return rc;
	*out = request_book_find(*b, run);
	if (*out != NULL)
		return ERR_NONE;
	err_set(e, ERR_NOTFOUND, "there is no run '%s'", run);
	return err_hint(e, "'bascule failover list' has them");
}

/* What was asked for, as it would be approved now. */
static enum err_code
tell_run(struct client *c, const struct request_shown_now *now, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct daemon *d = client_daemon(c);
	enum err_code rc = request_to_wire(d, now->r, &v, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "shown", now->shown);
	if (now->unknown[0] != '\0')
		wire_add_text(v, "not_known", now->unknown);
	wire_add_text(v, "seen", now->seen);
	wire_add_bool(v, "changed", strcmp(now->seen, now->r->seen) != 0);
	wire_add_text(v, "here", d->policy->site);
	add_roles(client_caller(c), v);
	client_reply(c, &v);
	return ERR_NONE;
}

static enum err_code
show(struct client *c, struct request_shown_now *now, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(free_mem) struct approvals_judgement *j = calloc(1, sizeof(*j));
	const struct request *r = now->r;
	struct daemon *d = client_daemon(c);
	char next[6 * REQUEST_NEXT_BYTES];
	enum err_code rc = j == NULL ? err_nomem(e) : tell_run(c, now, e);

	if (rc != ERR_NONE)
		return rc;
	request_judge(d, r, now->seen, j);
	rc = tell_words(c, r, now->seen, j, e);
	if (rc == ERR_NONE)
		rc = tell_news(c, r->run, e);
	if (rc == ERR_NONE)
		rc = client_summary(&v, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "run", r->run);
	wire_add_text(v, "verdict", j->text);
	wire_add_bool(v, "approved", j->suffices);
	if (!r->started || !movesay_next(d, r->run, next, sizeof(next)))
		request_next(r, j, next);
	wire_add_text(v, "next", next);
	client_last(c, &v);
	return ERR_NONE;
}

static void
free_nothing(void **ctx)
{
	*ctx = NULL;
}

static enum err_code
run_show(struct client *c, struct wire_value *request, struct err *e)
{
	const char *run = wire_need_text(request, "run");
	enum err_code rc = client_asked(request, e);

	return rc == ERR_NONE
	    ? request_show_to(c, run, show, NULL, free_nothing, e)
	    : rc;
}
const struct api_command api_failover_show = {"failover show", CLIENT_READERS,
    run_show};

const char *
request_next(const struct request *r, const struct approvals_judgement *j,
    char out[REQUEST_NEXT_BYTES])
{
	if (r->over)
		snprintf(out, REQUEST_NEXT_BYTES, "nothing: it has ended");
	else if (r->started)
		snprintf(out, REQUEST_NEXT_BYTES, "bascule status %s",
		    r->service_count > 0 ? r->services[0].name : "");
	else if (j->suffices)
		snprintf(out, REQUEST_NEXT_BYTES,
		    "bascule failover start %s --confirm %s", r->run, r->to);
	else if (!j->is_asked)
		snprintf(out, REQUEST_NEXT_BYTES,
		    "bascule failover sign %s --key FILE (by %s)", r->run,
		    r->requester.name);
	else
		snprintf(out, REQUEST_NEXT_BYTES,
		    "bascule approve %s%s (by somebody else than %s)", r->run,
		    j->is_signed ? " --key FILE" : "", r->requester.name);
	return out;
}
