/*
 * What the other site's daemon asks for, over `bascule bridge`:
 * docs/protocol/bridge.md.
 */

#include <string.h>
#include <unistd.h>

#include "client.h"
#include "peer.h"

#define PEERS_MAX   4
#define PIECE_BYTES ((size_t)192 << 10) /* of a record, in a line */
#define STEPS_MAX   500
#define BATCH       16

/* --- becoming the peer ------------------------------------------------------- */

static size_t
count_peers(const struct daemon *d)
{
	size_t n = 0;

	for (const struct client *c = d->clients; c != NULL; c = c->next)
		n += c->is_bridge;
	return n;
}

/* From here on the connection has this role and no other; no way back. */
static enum err_code
run_bridge(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE && !c->is_bridge && count_peers(d) >= PEERS_MAX)
		rc = err_set(e, ERR_BUSY, "the other site is here already");
	if (rc == ERR_NONE)
		rc = wire_new(&v, "bridge", e);
	if (rc != ERR_NONE)
		return rc;
	c->is_bridge = true;
	c->caller.roles = ROLE_BIT(ROLE_PEER);
	peers_asked(d);
	c->caller.actor.role = role_name(ROLE_PEER);
	wire_add_text(v, "site", d->policy->site);
	wire_add_text(v, "version", BASCULE_VERSION);
	wire_add_uint(v, "protocol", 1);
	wire_add_text(v, "policy", d->digest);
	client_last(c, &v);
	return ERR_NONE;
}
const struct api_command api_bridge = {"bridge", API_BRIDGE_ROLES, run_bridge};

/* --- heads ---------------------------------------------------------------------- */

struct heads {
	struct client *c;
	uint64_t wanted, count;
};

static enum err_code
send_head(struct client *c, const struct ledger_head *h, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "ledger_head", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_base64(v, "bytes_b64", h->bytes, h->len_bytes);
	wire_add_hex(v, "signer", h->signer, 32);
	wire_add_hex(v, "signature", h->signature, 64);
	client_reply(c, &v);
	return ERR_NONE;
}

static enum err_code
tell_head(void *ctx, const struct ledger_head *h, struct err *e)
{
	struct heads *hs = ctx;

	if (hs->count == hs->wanted)
		return err_set(e, ERR_CANCELLED, "enough");
	hs->count++;
	return send_head(hs->c, h, e);
}

static enum err_code
tell_heads(struct heads *hs, uint64_t from, struct err *e)
{
	enum err_code rc =
	    ledger_heads(client_daemon(hs->c)->ledger, from, tell_head, hs, e);

	return rc == ERR_CANCELLED ? ERR_NONE : rc;
}

static enum err_code
finish(struct client *c, uint64_t count, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(free_mem) struct head *h = calloc(1, sizeof(*h));
	enum err_code rc = h == NULL
	    ? err_nomem(e)
	    : ledger_sign_last(client_daemon(c)->ledger, h, e);

	if (rc == ERR_NONE)
		rc = client_summary(&v, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_uint(v, "count", count);
	wire_add_uint(v, "newest", h->number);
	client_last(c, &v);
	return ERR_NONE;
}

static enum err_code
run_heads(struct client *c, struct wire_value *request, struct err *e)
{
	struct heads hs = {.c = c,
	    .wanted = wire_take_uint(request, "limit", 1)};
	uint64_t from = wire_need_uint(request, "from");
	enum err_code rc = client_asked(request, e);

	if (hs.wanted > BATCH)
		hs.wanted = BATCH;
	if (rc == ERR_NONE)
		rc = tell_heads(&hs, from, e);
	return rc != ERR_NONE ? rc : finish(c, hs.count, e);
}
const struct api_command api_ledger_heads = {"ledger heads",
    CLIENT_AUDITORS_PEER, run_heads};

/* --- steps: the records under a head, then the head ------------------------------- */

struct steps {
	struct client *c;
	uint64_t number; /* of the head of the step */
	uint64_t row;    /* of the last record told */
	uint64_t last;   /* of the step's last one; 0: the step has not begun */
	uint64_t left, count;
};

static void
steps_free(void **p)
{
	free_mem(p);
}

static enum err_code
send_piece(struct client *c, const uint8_t *bytes, size_t len, bool more,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "ledger_record", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_base64(v, "bytes_b64", bytes, len);
	if (more)
		wire_add_bool(v, "more", true);
	client_reply(c, &v);
	return ERR_NONE;
}

static enum err_code
tell_record(void *ctx, const struct record *r, struct err *e)
{
	struct steps *s = ctx;
	enum err_code rc = ERR_NONE;

	for (size_t at = 0; rc == ERR_NONE && at < r->len_bytes;
	     at += PIECE_BYTES) {
		size_t left = r->len_bytes - at;

		rc = send_piece(s->c, r->bytes + at,
		    left < PIECE_BYTES ? left : PIECE_BYTES, left > PIECE_BYTES,
		    e);
	}
	s->row = r->row;
	return rc;
}

/* Some records of the step, or its head.  ERR_NOTFOUND: there is none. */
static enum err_code
tell_some(struct steps *s, struct err *e)
{
	struct ledger *l = client_daemon(s->c)->ledger;
	struct ledger_filter f = {.after_row = s->row, .limit = BATCH};
	struct heads one = {.c = s->c, .wanted = 1};
	enum err_code rc = ERR_NONE;

	if (s->last == 0)
		rc = ledger_copy_rows(l, s->number, &s->row, &s->last, e);
	if (rc != ERR_NONE)
		return rc;
	if (s->row < s->last) {
		f.after_row = s->row;
		f.up_to_row = s->last;
		return ledger_iterate(l, &f, tell_record, s, e);
	}
	rc = tell_heads(&one, s->number, e);
	s->number++;
	s->last = 0;
	s->left--;
	s->count++;
	return rc;
}

/* As much as the client can take now; the rest when it has. */
static void
pump(struct client *c, void *ctx, struct job *j)
{
	struct steps *s = ctx;
	struct err e;
	enum err_code rc = ERR_NONE;

	(void)j;
	while (rc == ERR_NONE && s->left > 0) {
		if (client_queued_bytes(c) > CLIENT_FULL_BYTES)
			return; /* on_drained calls again */
		rc = tell_some(s, &e);
	}
	if (rc == ERR_NONE || rc == ERR_NOTFOUND)
		rc = finish(c, s->count, &e); /* frees s */
	if (rc != ERR_NONE)
		client_fail(c, &e, 0);
}

static enum err_code
run_steps(struct client *c, struct wire_value *request, struct err *e)
{
	struct steps *s = calloc(1, sizeof(*s));
	void *ctx = s;
	enum err_code rc;

	if (s == NULL)
		return err_nomem(e);
	s->c = c;
	s->number = wire_need_uint(request, "from");
	s->left = wire_take_uint(request, "limit", STEPS_MAX);
	if (s->left > STEPS_MAX)
		s->left = STEPS_MAX;
	rc = client_asked(request, e);
	if (rc != ERR_NONE) {
		steps_free(&ctx);
		return rc;
	}
	client_watch_ledger(c, pump, s, steps_free);
	pump(c, s, NULL);
	return ERR_NONE;
}
const struct api_command api_ledger_steps = {"ledger steps",
    CLIENT_AUDITORS_PEER, run_steps};
