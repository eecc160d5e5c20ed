/* The ledger through the API. */

#include <string.h>

#include "client.h"
#include "peer.h"

#define BATCH      256
#define NEWEST_MAX 10000

struct following {
	struct ledger *ledger;
	struct ledger_filter filter;
	char *chain, *type, *run, *service;
	bool follows;
	uint64_t newest; /* begin with so many of the newest; 0: all */
	uint64_t told;
	struct client *c;
	uint64_t in_batch;
};

static void
following_free(void **p)
{
	struct following *f = *p;

	if (f != NULL) {
		free(f->chain);
		free(f->type);
		free(f->run);
		free(f->service);
	}
	free(f);
	*p = NULL;
}

static enum err_code
tell_record(void *ctx, const struct record *r, struct err *e)
{
	struct following *f = ctx;
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = record_to_wire(r, &v, e);

	if (rc != ERR_NONE)
		return rc;
	f->filter.after_row = r->row;
	f->in_batch++;
	f->told++;
	client_reply(f->c, &v);
	return ERR_NONE;
}

static void
end(struct client *c, const struct following *f)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (client_summary(&v, &e) != ERR_NONE) {
		client_fail(c, &e, 0);
		return;
	}
	wire_add_uint(v, "count", f->told);
	wire_add_uint(v, "row", f->filter.after_row);
	client_last(c, &v); /* frees f */
}

/* The newest so many at once, oldest of them first. */
static enum err_code
tell_newest(struct following *f, struct err *e)
{
	struct ledger_filter filter = f->filter;

	filter.limit = f->newest;
	filter.newest = true;
	return ledger_iterate(f->ledger, &filter, tell_record, f, e);
}

/* As much as the client can take now; the rest when it has. */
static void
pump(struct client *c, void *ctx, struct job *j)
{
	struct following *f = ctx;
	struct err e;

	(void)j;
	f->filter.limit = BATCH;
	do {
		if (client_queued_bytes(c) > CLIENT_FULL_BYTES)
			return; /* on_drained calls again */
		f->in_batch = 0;
		if (ledger_iterate(f->ledger, &f->filter, tell_record, f, &e) !=
		    ERR_NONE) {
			client_fail(c, &e, 0);
			return;
		}
	} while (f->in_batch == BATCH);
	if (!f->follows)
		end(c, f);
}

static enum err_code
copy(char **to, const char *text, struct err *e)
{
	*to = text == NULL ? NULL : strdup(text);
	return text != NULL && *to == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code
take_filter(struct following *f, struct wire_value *request, struct err *e)
{
	const char *site = wire_take_text(request, "site", NULL);
	struct utc none = {0};
	enum err_code rc;

	f->filter.since = wire_take_utc(request, "since", none);
	f->filter.until = wire_take_utc(request, "until", none);
	f->filter.after_row = wire_take_uint(request, "after", 0);
	f->newest = wire_take_uint(request, "limit", 0);
	if (f->newest > NEWEST_MAX)
		f->newest = NEWEST_MAX;
	f->follows = wire_take_bool(request, "follow", false);
	rc = copy(&f->chain, wire_take_text(request, "chain", NULL), e);
	if (rc == ERR_NONE)
		rc = copy(&f->type, wire_take_text(request, "record", NULL), e);
	if (rc == ERR_NONE)
		rc = copy(&f->run, wire_take_text(request, "run", NULL), e);
	if (rc == ERR_NONE)
		rc = copy(&f->service, wire_take_text(request, "service", NULL),
		    e);
	if (rc == ERR_NONE)
		rc = client_asked(request, e);
	if (rc == ERR_NONE)
		rc = peer_ledger(client_daemon(f->c), site, &f->ledger, e);
	f->filter.chain = f->chain;
	f->filter.type = f->type;
	f->filter.run = f->run;
	f->filter.service = f->service;
	return rc;
}

static enum err_code
run_events(struct client *c, struct wire_value *request, struct err *e)
{
	struct following *f = calloc(1, sizeof(*f));
	void *ctx = f;
	enum err_code rc;

	if (f == NULL)
		return err_nomem(e);
	f->c = c;
	rc = take_filter(f, request, e);
	if (rc != ERR_NONE) {
		following_free(&ctx);
		return rc;
	}
	client_watch_ledger(c, pump, f, following_free);
	if (f->newest > 0)
		rc = tell_newest(f, e);
	if (rc != ERR_NONE)
		return rc;
	if (f->newest == 0 || f->follows)
		pump(c, f, NULL);
	else
		end(c, f);
	return ERR_NONE;
}
const struct api_command api_events = {"events", CLIENT_AUDITORS_PEER,
    run_events};

/* --- the ledger itself ------------------------------------------------------- */

static enum err_code
keep_signer(void *ctx, const struct ledger_head *h, struct err *e)
{
	return head_fingerprint(h->signer, ctx, e);
}

static enum err_code
run_ledger_head(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(free_mem) struct head *h = calloc(1, sizeof(*h));
	char signer[128] = "", path[4200];
	enum err_code rc = client_asked(request, e);

	if (h == NULL)
		return err_nomem(e);
	if (rc == ERR_NONE)
		rc = ledger_sign_head(d->ledger, h, e);
	if (rc == ERR_NONE && h->number > 0)
		rc = ledger_heads(d->ledger, h->number, keep_signer, signer, e);
	if (rc == ERR_NONE)
		rc = wire_new(&v, "head", e);
	if (rc != ERR_NONE)
		return rc;
	snprintf(path, sizeof(path), "%s/ledger.db", d->policy->state);
	wire_add_uint(v, "number", h->number);
	wire_add_utc(v, "at", h->at);
	wire_add_text(v, "signer", signer);
	wire_add_text(v, "ledger", path);
	client_last(c, &v);
	return ERR_NONE;
}
const struct api_command api_ledger_head = {"ledger head", CLIENT_AUDITORS,
    run_ledger_head};

static enum err_code
run_ledger_rebuild(struct client *c, struct wire_value *request, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = ledger_rebuild(client_daemon(c)->ledger, e);
	if (rc == ERR_NONE)
		rc = client_summary(&v, e);
	if (rc == ERR_NONE)
		client_last(c, &v);
	return rc;
}
const struct api_command api_ledger_rebuild = {"ledger rebuild", CLIENT_ADMINS,
    run_ledger_rebuild};
