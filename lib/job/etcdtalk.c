#include "etcdtalk.h"

#include <string.h>
#include <time.h>

#define KEY_BYTES 256
#define TRIES     3 /* of a swap: each begins with a read */
#define PATIENCE  8 /* in time-outs of one request: of a whole swap */
#define PAUSE_NS  (100 * NS_PER_MS)

const char *
etcdtalk_swap_name(enum etcdtalk_swap s)
{
	static const char *const names[] = {"done", "lost", "refused",
	    "unknown"};

	return names[s];
}

/* --- one question ------------------------------------------------------------- */

struct question {
	const char *path;
	struct buf said;
	struct http_answer answer;
	bool was_sent; /* as of the answer's */
};

static void
question_fini(struct question *q)
{
	buf_fini(&q->said);
	http_answer_fini(&q->answer);
}

static enum err_code
pose(struct etcdtalk *t, struct question *q, enum http_again again,
    struct err *e)
{
	enum err_code rc = http_post_any(t->http, t->bases, t->base_count,
	    &t->at, again, q->path, &q->said, &q->answer, e);

	q->was_sent = q->answer.was_sent;
	if (rc == ERR_NONE && q->answer.status != 200)
		rc = etcdsay_refusal(q->answer.status, &q->answer.body, e);
	return rc;
}

/* Another member may make more sense. */
static enum err_code
turn_away(struct etcdtalk *t, enum err_code rc)
{
	t->at = (t->at + 1) % t->base_count;
	return rc;
}

/* EK3.  in_order: its revision must be the newest there is. */
static enum err_code
know(struct etcdtalk *t, const struct etcdsay_header *h, bool in_order,
    struct err *e)
{
	if (h->cluster == 0)
		return turn_away(t,
		    err_set(e, ERR_INPUT, "the answer names no cluster"));
	if (t->cluster != 0 && h->cluster != t->cluster) {
		err_set(e, ERR_REFUSED,
		    "'%s' belongs to another cluster (%llx) than the one that "
		    "answered before (%llx)",
		    t->bases[t->at], (unsigned long long)h->cluster,
		    (unsigned long long)t->cluster);
		turn_away(t, ERR_REFUSED);
		return err_hint(e, "check the endpoints in the policy");
	}
	if (in_order && h->revision < t->revision) {
		err_set(e, ERR_REFUSED,
		    "the history of the etcd cluster became shorter (revision "
		    "%llu after %llu)",
		    (unsigned long long)h->revision,
		    (unsigned long long)t->revision);
		turn_away(t, ERR_REFUSED);
		return err_hint(e,
		    "was it restored from a backup?  compare its registers "
		    "with both sites' ledgers, then restart basculed");
	}
	t->cluster = h->cluster;
	if (h->revision > t->revision && in_order)
		t->revision = h->revision;
	return ERR_NONE;
}

/* --- reading --------------------------------------------------------------------- */

static enum err_code
range(struct etcdtalk *t, const char *key, bool all_beneath, etcdsay_key_fn *fn,
    void *ctx, struct err *e)
{
	OWNED(question_fini) struct question q = {.path = "/v3/kv/range"};
	struct etcdsay_header h;
	enum err_code rc = etcdsay_range(&q.said, key, all_beneath, e);

	if (rc == ERR_NONE)
		rc = pose(t, &q, HTTP_ANYWAY, e);
	if (rc != ERR_NONE)
		return rc;
	rc = etcdsay_range_read(&h, &q.answer.body, fn, ctx, e);
	if (rc != ERR_NONE)
		return turn_away(t, rc);
	return know(t, &h, true, e);
}

enum err_code
etcdtalk_all(struct etcdtalk *t, const char *beneath, etcdsay_key_fn *fn,
    void *ctx, struct err *e)
{
	return range(t, beneath, true, fn, ctx, e);
}

static enum err_code
make_key(char out[KEY_BYTES], const char *beneath, const char *name,
    struct err *e)
{
	int n = snprintf(out, KEY_BYTES, "%s%s", beneath, name);

	if (n < 0 || n >= KEY_BYTES || *name == '\0')
		return err_set(e, ERR_INPUT, "'%s' fits in no key", name);
	return ERR_NONE;
}

struct reading {
	const char *key;
	struct etcdsay_register *out;
	uint64_t revision;
};

static enum err_code
on_register(void *ctx, const struct etcdsay_key *k, struct err *e)
{
	struct reading *r = ctx;
	enum err_code rc;

	if (strcmp(k->name, r->key) != 0 || r->revision != 0)
		return err_set(e, ERR_INPUT,
		    "the answer has a key that nobody asked for");
	rc = etcdsay_register_read(r->out, (const char *)k->value->bytes,
	    k->value->len_bytes, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "what is kept at '%s'", r->key);
	r->revision = k->revision;
	return ERR_NONE;
}

enum err_code
etcdtalk_read(struct etcdtalk *t, const char *service,
    struct etcdsay_register *out, uint64_t *revision, struct err *e)
{
	char key[KEY_BYTES];
	struct reading r = {key, out, 0};
	enum err_code rc = make_key(key, ETCDSAY_REGISTERS, service, e);

	*out = (struct etcdsay_register){0};
	*revision = 0;
	if (rc == ERR_NONE)
		rc = range(t, key, false, on_register, &r, e);
	if (rc == ERR_NONE)
		*revision = r.revision;
	else
		*out = (struct etcdsay_register){0};
	return rc;
}

/* --- swapping --------------------------------------------------------------------- */

struct swap {
	struct etcdtalk *t;
	const char *service;
	uint64_t from_epoch;
	const struct etcdsay_register *to;
	struct etcdsay_register *now;
	uint64_t revision;
	bool was_asked; /* a write of ours may be under way */
	char *text;
};

/*
 * What was read, against what is wanted.  A run writes one register an epoch,
 * so whoever finds its own run there has it, in whatever state.
 */
static bool
is_there(const struct swap *s)
{
	const struct etcdsay_register *a = s->now, *b = s->to;

	if (a->epoch != b->epoch || strcmp(a->owner, b->owner) != 0 ||
	    strcmp(a->run, b->run) != 0)
		return false;
	return s->from_epoch != b->epoch || strcmp(a->state, b->state) == 0;
}

static bool
may_write(const struct swap *s)
{
	if (s->now->epoch != s->from_epoch)
		return false;
	/* a state of an epoch is its owner's to change */
	return s->from_epoch != s->to->epoch ||
	    strcmp(s->now->owner, s->to->owner) == 0;
}

static enum etcdtalk_swap
lost(const struct swap *s)
{
	if (s->now->epoch == 0)
		snprintf(s->text, ERR_TEXT_BYTES,
		    "etcd has no register of '%s', epoch %llu was expected",
		    s->service, (unsigned long long)s->from_epoch);
	else
		snprintf(s->text, ERR_TEXT_BYTES,
		    "the register of '%s' in etcd is at epoch %llu, owner '%s' "
		    "(%s, run %s), not at epoch %llu",
		    s->service, (unsigned long long)s->now->epoch,
		    s->now->owner, s->now->state,
		    s->now->run[0] == '\0' ? "-" : s->now->run,
		    (unsigned long long)s->from_epoch);
	return SWAP_LOST;
}

/* A failure before anything was asked changes nothing; after, who knows. */
static enum etcdtalk_swap
gave_up(const struct swap *s, const struct err *why)
{
	int most = ERR_TEXT_BYTES - 200;

	snprintf(s->text, ERR_TEXT_BYTES, "%s: %.*s",
	    s->was_asked ? "the register in etcd may have been changed, and "
			   "cannot be read back"
			 : "etcd was not asked to change anything",
	    most, why->text);
	return s->was_asked ? SWAP_UNKNOWN : SWAP_REFUSED;
}

/* Ask for the write.  Whether it came to be only a read can tell. */
static enum err_code
write_over(struct swap *s, struct err *e)
{
	OWNED(question_fini) struct question q = {.path = "/v3/kv/txn"};
	OWNED(buf_fini) struct buf value = {0};
	struct etcdsay_header h;
	char key[KEY_BYTES];
	bool swapped;
	enum err_code rc = make_key(key, ETCDSAY_REGISTERS, s->service, e);

	if (rc == ERR_NONE)
		rc = etcdsay_register_write(&value, s->to, e);
	if (rc == ERR_NONE)
		rc = etcdsay_swap(&q.said, key, s->revision, &value, e);
	if (rc != ERR_NONE)
		return rc;
	rc = pose(s->t, &q, HTTP_IF_NOT_SENT, e);
	s->was_asked = s->was_asked || q.was_sent;
	if (rc == ERR_NONE)
		rc = etcdsay_swap_read(&h, &swapped, &q.answer.body, e);
	if (rc == ERR_NONE)
		rc = know(s->t, &h, true, e);
	return rc == ERR_NONE ? rc : turn_away(s->t, rc);
}

static void
pause_a_little(void)
{
	struct timespec ts = {0, PAUSE_NS};

	nanosleep(&ts, NULL);
}

enum etcdtalk_swap
etcdtalk_swap(struct etcdtalk *t, const char *service, uint64_t from_epoch,
    const struct etcdsay_register *to, struct etcdsay_register *now,
    bool *is_read, char text[ERR_TEXT_BYTES])
{
	struct swap s = {.t = t,
	    .service = service,
	    .from_epoch = from_epoch,
	    .to = to,
	    .now = now,
	    .text = text};
	struct mono until = {now_mono().ns + PATIENCE * t->timeout_ns};
	struct err e = {0};

	*is_read = false;
	text[0] = '\0';
	for (int i = 0; i <= TRIES && now_mono().ns < until.ns; i++) {
		enum err_code rc =
		    etcdtalk_read(t, service, now, &s.revision, &e);

		*is_read = rc == ERR_NONE;
		if (rc != ERR_NONE && !s.was_asked)
			break;
		if (rc != ERR_NONE) {
			pause_a_little();
			continue;
		}
		if (is_there(&s))
			return SWAP_DONE;
		if (!may_write(&s))
			return lost(&s);
		if (i == TRIES)
			break;
		rc = write_over(&s, &e);
		if (rc != ERR_NONE && !s.was_asked)
			break;
		if (rc != ERR_NONE)
			pause_a_little();
	}
	return gave_up(&s, &e);
}

/* --- a lease ------------------------------------------------------------------------- */

static enum err_code
grant(struct etcdtalk *t, uint64_t *lease, uint64_t ttl_s, struct err *e)
{
	OWNED(question_fini) struct question q = {.path = "/v3/lease/grant"};
	struct etcdsay_header h;
	enum err_code rc = etcdsay_grant(&q.said, ttl_s, e);

	*lease = 0;
	if (rc == ERR_NONE)
		rc = pose(t, &q, HTTP_ANYWAY, e);
	if (rc == ERR_NONE)
		rc = etcdsay_grant_read(&h, lease, &q.answer.body, e);
	return rc == ERR_NONE ? know(t, &h, false, e) : rc;
}

static enum err_code
put_life(struct etcdtalk *t, uint64_t lease, const char *site,
    const struct buf *value, struct err *e)
{
	OWNED(question_fini) struct question q = {.path = "/v3/kv/put"};
	struct etcdsay_header h;
	char key[KEY_BYTES];
	enum err_code rc = make_key(key, ETCDSAY_LIVES, site, e);

	if (rc == ERR_NONE)
		rc = etcdsay_put(&q.said, key, value, lease, e);
	if (rc == ERR_NONE)
		rc = pose(t, &q, HTTP_ANYWAY, e);
	if (rc == ERR_NONE)
		rc = etcdsay_put_read(&h, &q.answer.body, e);
	return rc == ERR_NONE ? know(t, &h, false, e) : rc;
}

static enum err_code
keep(struct etcdtalk *t, uint64_t lease, uint64_t *ttl_s, struct err *e)
{
	OWNED(question_fini)
	struct question q = {.path = "/v3/lease/keepalive"};
	struct etcdsay_header h;
	enum err_code rc = etcdsay_keepalive(&q.said, lease, e);

	*ttl_s = 0;
	if (rc == ERR_NONE)
		rc = pose(t, &q, HTTP_ANYWAY, e);
	if (rc == ERR_NONE)
		rc = etcdsay_keepalive_read(&h, ttl_s, &q.answer.body, e);
	return rc == ERR_NONE ? know(t, &h, false, e) : rc;
}

enum err_code
etcdtalk_live(struct etcdtalk *t, uint64_t *lease, uint64_t ttl_s,
    const char *site, const struct buf *value, struct err *e)
{
	uint64_t left_s = 0, fresh;
	enum err_code rc = ERR_NONE;

	if (*lease != 0)
		rc = keep(t, *lease, &left_s, e);
	if (rc != ERR_NONE || left_s > 0)
		return rc;
	*lease = 0; /* it ran out, or there was none */
	rc = grant(t, &fresh, ttl_s, e);
	if (rc == ERR_NONE)
		rc = put_life(t, fresh, site, value, e);
	if (rc == ERR_NONE)
		*lease = fresh;
	return rc;
}

/* --- the members ---------------------------------------------------------------------- */

enum err_code
etcdtalk_members(struct etcdtalk *t, struct etcdsay_members *out, struct err *e)
{
	OWNED(question_fini)
	struct question q = {.path = "/v3/cluster/member/list"};
	struct etcdsay_header h;
	enum err_code rc = buf_add_text(&q.said, "{}", e);

	*out = (struct etcdsay_members){0};
	if (rc == ERR_NONE)
		rc = pose(t, &q, HTTP_ANYWAY, e);
	if (rc == ERR_NONE)
		rc = etcdsay_members_read(&h, out, &q.answer.body, e);
	return rc == ERR_NONE ? know(t, &h, false, e) : rc;
}

enum err_code
etcdtalk_status(struct etcdtalk *t, const char *base, uint64_t *member,
    struct etcdsay_status *out, struct err *e)
{
	OWNED(question_fini)
	struct question q = {.path = "/v3/maintenance/status"};
	struct etcdsay_header h = {0};
	enum err_code rc = buf_add_text(&q.said, "{}", e);

	*out = (struct etcdsay_status){0};
	*member = 0;
	if (rc == ERR_NONE)
		rc = http_post(t->http, base, q.path, &q.said, &q.answer, e);
	if (rc == ERR_NONE && q.answer.status != 200)
		rc = etcdsay_refusal(q.answer.status, &q.answer.body, e);
	if (rc == ERR_NONE)
		rc = etcdsay_status_read(&h, out, &q.answer.body, e);
	if (rc == ERR_NONE && t->cluster != 0 && h.cluster != t->cluster)
		rc = err_set(e, ERR_REFUSED, "it belongs to another cluster");
	*member = h.member;
	return rc;
}
