#include "cosigning.h"

#include <string.h>

#include <bascule/base/text.h>
#include <bascule/crypt.h>

#include "client.h"

#define EVERY_NS   (3600 * NS_PER_S)
#define WORD_BYTES 2400
#define RECALL_MAX 64

/* --- when -------------------------------------------------------------------- */

/* What may not wait an hour; of jobs those that delete. */
static const char *const grave_types[] = {LEDGER_AUTHORITY, LEDGER_APPROVAL,
    LEDGER_FAILOVER, LEDGER_EXERCISE, LEDGER_JOB};

static enum err_code
take_grave(void *ctx, const struct record *r, struct err *e)
{
	struct daemon_uncosigned *u = ctx;
	struct record_text kind;

	(void)e;
	if (record_text_is(r->type, LEDGER_JOB) &&
	    (r->phase != RECORD_OUTCOME || !record_find(r, "kind", &kind) ||
		!record_text_is(kind, "prune")))
		return ERR_NONE;
	u->grave_count++;
	if (u->grave_row < r->row)
		u->grave_row = r->row;
	if (u->grave_since.ns == 0 || r->at.ns < u->grave_since.ns)
		u->grave_since = r->at;
	return ERR_NONE;
}

/* The newest head that any other site has signed for. */
static const struct peer *
newest_cosigner(const struct daemon *d)
{
	const struct peer *best = NULL;

	for (const struct peer *p = d->peers; p != NULL; p = p->next)
		if (p->cosigning.row > (best == NULL ? 0 : best->cosigning.row))
			best = p;
	return best;
}

/* Each record is looked at once, but for those of the last hour or so when a
 * head comes back signed. */
static enum err_code
look(struct daemon *d, uint64_t from_row, struct err *e)
{
	struct daemon_uncosigned *u = &d->uncosigned;
	struct ledger_filter f = {0};
	uint64_t grave_row = u->grave_row;
	enum err_code rc = ledger_last_row(d->ledger, &f.up_to_row, e);

	if (rc != ERR_NONE)
		return rc;
	if (u->from_row != from_row)
		*u = (struct daemon_uncosigned){from_row, from_row,
		    .grave_row = grave_row};
	f.after_row = u->seen_row;
	for (size_t i = 0; f.up_to_row > f.after_row && rc == ERR_NONE &&
	     i < COUNT_OF(grave_types);
	     i++) {
		f.type = grave_types[i];
		rc = ledger_iterate(d->ledger, &f, take_grave, u, e);
	}
	if (rc == ERR_NONE)
		u->seen_row = f.up_to_row;
	else /* not half of it twice */
		*u = (struct daemon_uncosigned){.grave_row = grave_row};
	return rc;
}

bool
cosigning_is_due(struct peer *p)
{
	const struct peer *by = newest_cosigner(p->d);
	struct cosigning *c = &p->cosigning;
	struct err ignored;

	c->needed_row = 0;
	if (look(p->d, by == NULL ? 0 : by->cosigning.row, &ignored) !=
		ERR_NONE ||
	    p->d->uncosigned.seen_row <= c->row)
		return false;
	if (p->d->uncosigned.grave_row > c->row)
		c->needed_row = p->d->uncosigned.grave_row;
	return c->needed_row > 0 || c->at.ns == 0 ||
	    now_utc().ns - c->at.ns >= EVERY_NS;
}

enum err_code
cosigning_tell(struct daemon *d, struct wire_value *v, struct err *e)
{
	const struct peer *by = newest_cosigner(d);
	uint64_t from_row = by == NULL ? 0 : by->cosigning.row;
	enum err_code rc = look(d, from_row, e);
	const struct daemon_uncosigned *u = &d->uncosigned;

	if (rc != ERR_NONE || d->peers == NULL)
		return rc;
	if (by != NULL) {
		wire_add_text(v, "cosigner_site", by->site->name);
		wire_add_uint(v, "cosigned_head", by->cosigning.number);
		wire_add_utc(v, "cosigned_at", by->cosigning.at);
	}
	wire_add_uint(v, "uncosigned_records", u->seen_row - from_row);
	wire_add_uint(v, "uncosigned_grave", u->grave_count);
	if (u->grave_count > 0)
		wire_add_utc(v, "uncosigned_since", u->grave_since);
	return ERR_NONE;
}

/* --- our own word about a peer's ledger ------------------------------------------ */

static struct peer *
peer_of(struct daemon *d, const char *site)
{
	struct peer *p = d->peers;

	while (p != NULL && strcmp(p->site->name, site) != 0)
		p = p->next;
	return p;
}

static enum err_code
sign(struct daemon *d, const struct peer *p, struct buf *out, struct err *e)
{
	struct cosign c = {.number = p->head->number,
	    .head = p->head->hash,
	    .at = now_utc()};

	snprintf(c.site, sizeof(c.site), "%s", p->site->name);
	snprintf(c.by, sizeof(c.by), "%s", d->policy->site);
	return cosign_make(&c, d->ledger_key, out, e);
}

static enum err_code
run_cosign(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	const struct peer *p = peer_of(d, wire_need_text(request, "site"));
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *last = NULL;
	OWNED(buf_fini) struct buf word = {0};
	bool has = p != NULL && p->head != NULL && p->head->number > 0 &&
	    p->divergence[0] == '\0';
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE && has)
		rc = sign(d, p, &word, e);
	if (rc == ERR_NONE && has)
		rc = wire_new(&v, "ledger_cosignature", e);
	if (rc == ERR_NONE)
		rc = client_summary(&last, e);
	if (rc != ERR_NONE)
		return rc;
	if (has) {
		wire_add_hex(v, LEDGER_COSIGNATURE, word.bytes, word.len_bytes);
		client_reply(c, &v);
	}
	wire_add_uint(last, "count", has ? 1 : 0);
	client_last(c, &last);
	return ERR_NONE;
}
const struct api_command api_ledger_cosign = {"ledger cosign",
    CLIENT_AUDITORS_PEER, run_cosign};

/* --- its word about ours -------------------------------------------------------------- */

struct search {
	uint64_t number;
	struct id hash;
	bool found;
};

static enum err_code
compare_head(void *ctx, const struct ledger_head *h, struct err *e)
{
	struct search *s = ctx;
	struct head head;
	enum err_code rc = head_decode(&head, h->bytes, h->len_bytes, e);

	if (rc != ERR_NONE)
		return rc;
	s->found = head.number == s->number;
	s->hash = head.hash;
	return err_set(e, ERR_CANCELLED, "enough");
}

static enum err_code
check_head(struct peer *p, const struct cosign *c, struct err *e)
{
	struct search s = {.number = c->number};
	enum err_code rc =
	    ledger_heads(p->d->ledger, c->number, compare_head, &s, e);

	if (rc != ERR_NONE && rc != ERR_CANCELLED)
		return rc;
	if (!s.found || !id_equal(&s.hash, &c->head))
		return err_set(e, ERR_REFUSED,
		    "site '%s' has signed for a head %llu of ours that we do "
		    "not have",
		    p->site->name, (unsigned long long)c->number);
	return ERR_NONE;
}

static enum err_code
take_signer(void *ctx, const struct ledger_head *h, struct err *e)
{
	memcpy(ctx, h->signer, SIGN_PUBLIC_BYTES);
	return err_set(e, ERR_CANCELLED, "enough");
}

/* With the key that signs its ledger: pinned, or the one of its copy here. */
static enum err_code
check_signer(struct peer *p, const struct cosign *c, struct err *e)
{
	const struct policy_texts *keys = &p->site->ledger_keys;
	uint8_t signer[SIGN_PUBLIC_BYTES] = {0};
	char text[HEAD_FINGERPRINT_BYTES];
	enum err_code rc = head_fingerprint(c->signer, text, e);

	for (size_t i = 0; rc == ERR_NONE && i < keys->count; i++)
		if (strcmp(keys->items[i], text) == 0)
			return ERR_NONE;
	if (rc == ERR_NONE && keys->count == 0 && p->copy != NULL &&
	    p->head->number > 0)
		rc = ledger_heads(p->copy, p->head->number, take_signer, signer,
		    e);
	if (rc != ERR_NONE && rc != ERR_CANCELLED)
		return rc;
	return memcmp(signer, c->signer, sizeof(signer)) == 0
	    ? ERR_NONE
	    : err_set(e, ERR_KEY,
		  "site '%s' cosigns with %s, which is not its ledger's key",
		  p->site->name, text);
}

static enum err_code
keep(struct peer *p, const struct cosign *c, const char *hex, uint64_t row,
    struct err *e)
{
	OWNED(draft_free) struct draft *d = NULL;
	enum err_code rc = note_draft(&d, p->d, NULL, LEDGER_COSIGNATURE, e);

	if (rc != ERR_NONE)
		return rc;
	draft_text(d, "by", c->by);
	draft_uint(d, "head", c->number);
	draft_text(d, LEDGER_COSIGNATURE, hex);
	rc = note_event(p->d, d, e);
	if (rc != ERR_NONE)
		return rc;
	p->cosigning.number = c->number;
	p->cosigning.row = row;
	p->cosigning.at = now_utc();
	return ERR_NONE;
}

enum err_code
cosigning_take(struct peer *p, struct wire_value *v, struct err *e)
{
	const char *hex = wire_need_text(v, LEDGER_COSIGNATURE);
	size_t len = strlen(hex) / 2;
	uint8_t bytes[WORD_BYTES];
	uint64_t after, row;
	struct cosign c;
	enum err_code rc = wire_check(v, e);

	if (rc == ERR_NONE &&
	    (len > sizeof(bytes) || !text_unhex(hex, bytes, len)))
		rc = err_set(e, ERR_INPUT, "a cosignature is malformed");
	if (rc == ERR_NONE)
		rc = cosign_read(&c, bytes, len, e);
	if (rc != ERR_NONE)
		return rc;
	if (strcmp(c.site, p->d->policy->site) != 0 ||
	    strcmp(c.by, p->site->name) != 0)
		return err_set(e, ERR_INPUT,
		    "a cosignature is about another site");
	if (c.number <= p->cosigning.number)
		return ERR_NONE;
	rc = check_head(p, &c, e);
	if (rc == ERR_NONE)
		rc = check_signer(p, &c, e);
	if (rc == ERR_NONE)
		rc = ledger_copy_rows(p->d->ledger, c.number, &after, &row, e);
	/* It will hold what is due at the next talk. */
	if (rc != ERR_NONE || row < p->cosigning.needed_row)
		return rc;
	return keep(p, &c, hex, row, e);
}

/* --- after a start -------------------------------------------------------------------- */

static enum err_code
recall_one(void *ctx, const struct record *r, struct err *e)
{
	struct peer *p = ctx;
	struct record_text by;
	uint64_t after, row, number = (uint64_t)record_int(r, "head", 0);

	if (!record_find(r, "by", &by) || !record_text_is(by, p->site->name) ||
	    number == 0 ||
	    ledger_copy_rows(p->d->ledger, number, &after, &row, e) != ERR_NONE)
		return ERR_NONE;
	p->cosigning.number = number;
	p->cosigning.row = row;
	p->cosigning.at = r->at;
	return ERR_NONE;
}

enum err_code
cosigning_recall(struct peer *p, struct err *e)
{
	struct ledger_filter f = {.type = LEDGER_COSIGNATURE,
	    .limit = RECALL_MAX,
	    .newest = true};

	return ledger_iterate(p->d->ledger, &f, recall_one, p, e);
}
