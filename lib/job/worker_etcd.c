/*
 * Etcd: the one who talks to the cluster for the daemon, for as long as both
 * live (docs/protocol/worker.md).  It decides nothing: it swaps what it is told
 * to, and tells what it sees.
 */

#include "worker.h"

#include <string.h>

#include <bascule/base/text.h>

#include "etcdtalk.h"

#define LOOK_MIN_NS (500 * NS_PER_MS)
#define LEASE_MIN_S 2

struct etcdwork {
	struct worker *w;
	struct etcdtalk talk;
	uint64_t lease, lease_s;
	struct buf life; /* the value of our key */
	struct etcdsay_members members;
	size_t next_status; /* whose turn it is to be asked */
};

/* --- what is asked ---------------------------------------------------------------- */

static enum err_code
say_answer(struct etcdwork *k, uint64_t ask, const char *service,
    enum etcdtalk_swap verdict, const struct etcdsay_register *now,
    const char *text, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "answer", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_uint(v, "ask", ask);
	wire_add_text(v, "verdict", etcdtalk_swap_name(verdict));
	wire_add_text(v, "text", text);
	wire_add_bool(v, "is_read", now != NULL);
	if (now != NULL) {
		wire_add_text(v, "service", service);
		etcdsay_register_add(v, now);
	}
	return worker_send(k->w, &v, e);
}

static enum err_code
take_ask(struct etcdwork *k, struct wire_value *v, struct err *e)
{
	struct etcdsay_register to = {0}, now = {0};
	uint64_t ask = wire_need_uint(v, "ask"), revision;
	const char *act = wire_need_text(v, "do");
	const char *service = wire_need_text(v, "service");
	uint64_t from_epoch = wire_take_uint(v, "from_epoch", 0);
	bool is_swap = strcmp(act, "swap") == 0, is_read = false;
	enum etcdtalk_swap verdict = SWAP_REFUSED;
	char text[ERR_TEXT_BYTES] = "";
	struct err why;
	enum err_code rc;

	if (is_swap)
		etcdsay_register_take(&to, v);
	else if (strcmp(act, "read") != 0)
		wire_fault(v, "'%s' is nothing that can be asked", act);
	rc = wire_check(v, e);
	if (rc != ERR_NONE)
		return rc;
	if (is_swap)
		verdict = etcdtalk_swap(&k->talk, service, from_epoch, &to,
		    &now, &is_read, text);
	else if (etcdtalk_read(&k->talk, service, &now, &revision, &why) ==
	    ERR_NONE) {
		verdict = SWAP_DONE;
		is_read = true;
	} else
		snprintf(text, sizeof(text), "%s", why.text);
	return say_answer(k, ask, service, verdict, is_read ? &now : NULL, text,
	    e);
}

/* --- what is seen ------------------------------------------------------------------- */

struct seeing {
	struct wire_value *registers, *lives;
	const char *site;
	bool is_alive; /* our own key is there */
};

static enum err_code
on_register(void *ctx, const struct etcdsay_key *k, struct err *e)
{
	struct seeing *s = ctx;
	OWNED(wire_free) struct wire_value *v = NULL;
	struct etcdsay_register r;
	const char *service = k->name + strlen(ETCDSAY_REGISTERS);
	struct err why;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	if (strncmp(k->name, ETCDSAY_REGISTERS, strlen(ETCDSAY_REGISTERS)))
		return err_set(e, ERR_INPUT,
		    "the answer has a key that nobody asked for");
	/* one that makes no sense hides no other */
	wire_add_text(v, "service", service);
	if (etcdsay_register_read(&r, (const char *)k->value->bytes,
		k->value->len_bytes, &why) != ERR_NONE)
		wire_add_text(v, "error", why.text);
	else
		etcdsay_register_add(v, &r);
	wire_add(s->registers, NULL, &v);
	return ERR_NONE;
}

static enum err_code
on_life(void *ctx, const struct etcdsay_key *k, struct err *e)
{
	struct seeing *s = ctx;
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *said = NULL;
	struct err why;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	if (strncmp(k->name, ETCDSAY_LIVES, strlen(ETCDSAY_LIVES)))
		return err_set(e, ERR_INPUT,
		    "the answer has a key that nobody asked for");
	if (wire_parse(&said, (const char *)k->value->bytes,
		k->value->len_bytes, &why) != ERR_NONE)
		return ERR_NONE; /* not one of ours */
	if (strcmp(k->name + strlen(ETCDSAY_LIVES), s->site) == 0)
		s->is_alive = true;
	wire_add_text(v, "site", k->name + strlen(ETCDSAY_LIVES));
	wire_add_text(v, "since", wire_take_text(said, "since", ""));
	wire_add(s->lives, NULL, &v);
	return ERR_NONE;
}

static enum err_code
look_at_keys(struct etcdwork *k, struct wire_value *seen, struct err *e)
{
	OWNED(wire_free) struct wire_value *registers = NULL;
	OWNED(wire_free) struct wire_value *lives = NULL;
	struct seeing s;
	enum err_code rc = wire_new_list(&registers, e);

	if (rc == ERR_NONE)
		rc = wire_new_list(&lives, e);
	s = (struct seeing){registers, lives, worker_policy(k->w)->site, false};
	if (rc == ERR_NONE)
		rc = etcdtalk_all(&k->talk, ETCDSAY_REGISTERS, on_register, &s,
		    e);
	if (rc == ERR_NONE)
		rc = etcdtalk_all(&k->talk, ETCDSAY_LIVES, on_life, &s, e);
	if (rc != ERR_NONE)
		return rc;
	if (!s.is_alive) /* somebody took it away: put it again */
		k->lease = 0;
	wire_add(seen, "registers", &registers);
	wire_add(seen, "lives", &lives);
	return ERR_NONE;
}

static const char *
name_of(const struct etcdwork *k, uint64_t member)
{
	for (size_t i = 0; i < k->members.count; i++)
		if (k->members.items[i].id == member)
			return k->members.items[i].name;
	return "";
}

/* One member a look: one that is silent must not hold up the lease. */
static enum err_code
look_at_member(struct etcdwork *k, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const char *base = k->talk.bases[k->next_status];
	struct etcdsay_status st;
	struct err why;
	uint64_t member;
	enum err_code rc = wire_new(&v, "member", e), asked;

	if (rc != ERR_NONE)
		return rc;
	k->next_status = (k->next_status + 1) % k->talk.base_count;
	asked = etcdtalk_status(&k->talk, base, &member, &st, &why);
	wire_add_text(v, "address", base);
	wire_add_text(v, "name", name_of(k, member));
	wire_add_bool(v, "answers", asked == ERR_NONE);
	wire_add_bool(v, "is_leader",
	    asked == ERR_NONE && member != 0 && st.leader == member);
	wire_add_text(v, "version", st.version);
	if (asked != ERR_NONE)
		wire_add_text(v, "error", why.text);
	return worker_send(k->w, &v, e);
}

static enum err_code
look(struct etcdwork *k, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err why, none;
	enum err_code rc = wire_new(&v, "seen", e), went;

	if (rc != ERR_NONE)
		return rc;
	went = etcdtalk_live(&k->talk, &k->lease, k->lease_s,
	    worker_policy(k->w)->site, &k->life, &why);
	if (went != ERR_NONE) /* a register may be read all the same */
		wire_add_text(v, "lease_error", why.text);
	went = look_at_keys(k, v, &why);
	wire_add_bool(v, "quorum", went == ERR_NONE);
	if (went != ERR_NONE)
		wire_add_text(v, "error", why.text);
	rc = worker_send(k->w, &v, e);
	if (rc == ERR_NONE && went == ERR_NONE && k->members.count == 0 &&
	    etcdtalk_members(&k->talk, &k->members, &none) != ERR_NONE)
		k->members.count = 0; /* next time */
	return rc == ERR_NONE ? look_at_member(k, e) : rc;
}

/* --- the frame ------------------------------------------------------------------------- */

static void
etcdwork_fini(struct etcdwork *k)
{
	http_free(&k->talk.http);
	buf_fini(&k->life);
}

static enum err_code
begin(struct etcdwork *k, struct err *e)
{
	const struct policy *p = worker_policy(k->w);
	struct http_options opt = {.ca_file = p->etcd.ca_file,
	    .cert_file = p->etcd.cert_file,
	    .key_file = p->etcd.key_file,
	    .timeout_ns = p->etcd.timeout_ns,
	    .cancel = worker_cancel(k->w)};
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc;

	if (p->authority != POLICY_ETCD || p->etcd.endpoints.count == 0)
		return err_set(e, ERR_INPUT, "the policy names no etcd");
	k->talk.bases = p->etcd.endpoints.items;
	k->talk.base_count = p->etcd.endpoints.count;
	k->talk.timeout_ns = p->etcd.timeout_ns;
	k->lease_s = (uint64_t)((p->etcd.lease_ns + NS_PER_S - 1) / NS_PER_S);
	if (k->lease_s < LEASE_MIN_S)
		k->lease_s = LEASE_MIN_S;
	rc = http_new(&k->talk.http, &opt, e);
	if (rc == ERR_NONE)
		rc = wire_new(&v, NULL, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_utc(v, "since", now_utc());
	return wire_line(v, &k->life, e);
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	OWNED(etcdwork_fini) struct etcdwork k = {.w = w};
	struct mono due = now_mono();
	int64_t every_ns;
	enum err_code rc = worker_asked(w, e);

	(void)result;
	if (rc == ERR_NONE)
		rc = begin(&k, e);
	every_ns = (int64_t)k.lease_s * NS_PER_S / 4;
	if (every_ns < LOOK_MIN_NS)
		every_ns = LOOK_MIN_NS;
	while (rc == ERR_NONE && !worker_is_cancelled(w)) {
		int64_t left_ns = due.ns - now_mono().ns;
		OWNED(wire_free)
		struct wire_value *v =
		    worker_next(w, left_ns > 0 ? left_ns : 0);

		if (v != NULL)
			rc = take_ask(&k, v, e);
		else if (now_mono().ns >= due.ns && !worker_is_cancelled(w)) {
			rc = look(&k, e);
			due.ns = now_mono().ns + every_ns;
		}
	}
	return rc == ERR_NONE ? err_set(e, ERR_CANCELLED, "stopped") : rc;
}

const struct worker_kind worker_etcd = {"etcd", run};
