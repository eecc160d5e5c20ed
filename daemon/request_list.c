/* failover list, failover show: the runs there are, and one of them. */

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
		wire_add_bool(v, "signed", r->is_signed[i]);
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
	struct client *c;
};

/* What was recorded of it, of both sites. */
static enum err_code
tell_record(void *ctx, const struct record *rec, struct err *e)
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
	client_reply(n->c, &v);
	return ERR_NONE;
}

static enum err_code
tell_news(struct client *c, const char *run, struct err *e)
{
	struct daemon *d = client_daemon(c);
	struct news n = {c};
	struct ledger_filter f = {.type = LEDGER_FAILOVER,
	    .run = run,
	    .limit = 500,
	    .newest = true};
	enum err_code rc = ledger_iterate(d->ledger, &f, tell_record, &n, e);

	for (const struct peer *p = d->peers; rc == ERR_NONE && p != NULL;
	     p = p->next)
		if (p->copy != NULL)
			rc = ledger_iterate(p->copy, &f, tell_record, &n, e);
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
tell_run(struct client *c, struct request_book *b, const struct request *r,
    struct approvals_judgement *j, char seen[ID_HEX_BYTES], struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf shown = {0};
	struct daemon *d = client_daemon(c);
	enum err_code rc = request_to_wire(d, r, &v, e);

	if (rc == ERR_NONE)
		rc = request_shown(d, b, r, &shown, seen, e);
	if (rc != ERR_NONE)
		return rc;
	request_judge(d, r, seen, j);
	wire_add_text(v, "shown", buf_text(&shown));
	wire_add_text(v, "seen", seen);
	wire_add_bool(v, "changed", strcmp(seen, r->seen) != 0);
	wire_add_text(v, "here", d->policy->site);
	add_roles(client_caller(c), v);
	client_reply(c, &v);
	return ERR_NONE;
}

static enum err_code
run_show(struct client *c, struct wire_value *request, struct err *e)
{
	struct request_book *b = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(free_mem) struct approvals_judgement *j = calloc(1, sizeof(*j));
	const char *run = wire_need_text(request, "run");
	char seen[ID_HEX_BYTES], next[3 * REQUEST_NEXT_BYTES];
	struct request *r = NULL;
	enum err_code rc = client_asked(request, e);

	if (j == NULL)
		return err_nomem(e);
	if (rc == ERR_NONE)
		rc = request_find(&b, client_daemon(c), run, &r, e);
	if (rc == ERR_NONE)
		rc = tell_run(c, b, r, j, seen, e);
	if (rc == ERR_NONE)
		rc = tell_words(c, r, seen, j, e);
	if (rc == ERR_NONE)
		rc = tell_news(c, r->run, e);
	if (rc == ERR_NONE)
		rc = client_summary(&v, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "run", r->run);
	wire_add_text(v, "verdict", j->text);
	wire_add_bool(v, "approved", j->suffices);
	if (!r->started ||
	    !moves_say_next(client_daemon(c), r->run, next, sizeof(next)))
		request_next(r, j, next);
	wire_add_text(v, "next", next);
	client_last(c, &v);
	return ERR_NONE;
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
	else
		snprintf(out, REQUEST_NEXT_BYTES,
		    "bascule approve %s, by somebody else than %s", r->run,
		    r->requester.name);
	return out;
}
