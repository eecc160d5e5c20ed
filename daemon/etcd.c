#include "etcd.h"

#include <string.h>

#include "errand.h"

#define ASKS_MAX      256
#define REGISTERS_MAX 2048
#define AGAIN_NS      (NS_PER_S)      /* after the child has died */
#define WATCH_NS      (5 * NS_PER_S)  /* look whether it still speaks */
#define SILENT_NS     (60 * NS_PER_S) /* then it is killed */
#define TEXT_BYTES    1024

struct etcd_ask {
	struct etcd_ask *next;
	uint64_t number;
	bool is_swap, was_sent;
	char service[256];
	uint64_t from_epoch;
	struct etcd_register to;
	etcd_fn *fn;
	void *ctx;
};

struct etcd_kept {
	char service[256];
	struct etcd_register reg;
};

struct etcd {
	struct daemon *d;
	struct errand *worker;    /* NULL: none */
	struct loop_timer *timer; /* start it, or watch it */
	struct mono heard;        /* its last line */
	struct etcd_ask *asks;
	size_t ask_count;
	uint64_t last_number;
	struct etcd_seen seen;
	struct etcd_kept *kept; /* as of seen.read_at */
	size_t kept_count;
	struct utc lost_since; /* the quorum; 0: it is there */
	char said[256];        /* trouble last logged */
};

const char *
etcd_verdict_name(enum etcd_verdict v)
{
	static const char *const names[] = {"done", "lost", "refused",
	    "unknown", "pending"};

	return names[v];
}

bool
etcd_is_used(const struct daemon *d)
{
	return d->policy->authority == POLICY_ETCD;
}

/* --- what was seen -------------------------------------------------------------- */

const struct etcd_seen *
etcd_seen(const struct daemon *d)
{
	return d->etcd == NULL ? NULL : &d->etcd->seen;
}

bool
etcd_register_seen(const struct daemon *d, const char *service,
    struct etcd_register *out, struct utc *read_at)
{
	const struct etcd *t = d->etcd;

	*out = (struct etcd_register){0};
	*read_at = (struct utc){0};
	if (t == NULL || t->seen.read_at.ns == 0)
		return false;
	*read_at = t->seen.read_at;
	for (size_t i = 0; i < t->kept_count; i++)
		if (strcmp(t->kept[i].service, service) == 0)
			*out = t->kept[i].reg;
	return true;
}

bool
etcd_is_alive(const struct daemon *d, const char *site)
{
	const struct etcd *t = d->etcd;

	for (size_t i = 0; t != NULL && i < t->seen.life_count; i++)
		if (strcmp(t->seen.lives[i].site, site) == 0)
			return true;
	return false;
}

static void
take_name(struct wire_value *v, const char *name, char *out, size_t out_bytes)
{
	snprintf(out, out_bytes, "%s", wire_take_text(v, name, ""));
}

static void
take_register(struct etcd_register *r, struct wire_value *v)
{
	*r = (struct etcd_register){0};
	r->epoch = wire_take_uint(v, "epoch", 0);
	take_name(v, "state", r->state, sizeof(r->state));
	take_name(v, "owner", r->owner, sizeof(r->owner));
	take_name(v, "from", r->from, sizeof(r->from));
	take_name(v, "run", r->run, sizeof(r->run));
	take_name(v, "site", r->site, sizeof(r->site));
}

/* All registers, as of now; without the memory for them the old ones stay. */
static void
keep_registers(struct etcd *t, struct wire_value *list)
{
	size_t count = list == NULL ? 0 : wire_count(list);
	struct etcd_kept *kept;

	if (count > REGISTERS_MAX)
		count = REGISTERS_MAX;
	kept = calloc(count + 1, sizeof(*kept));
	if (kept == NULL)
		return;
	for (size_t i = 0; i < count; i++) {
		struct wire_value *v = wire_at_object(list, i);

		if (v == NULL)
			continue;
		take_name(v, "service", kept[i].service,
		    sizeof(kept[i].service));
		take_register(&kept[i].reg, v);
		if (wire_has(v, "error"))
			alarm_raise(t->d,
			    &(struct alarm_what){.on = POLICY_ON_FAILOVER,
				.level = ALARM_CRITICAL,
				.service = kept[i].service,
				.subject = "etcd",
				.text = wire_take_text(v, "error", "")});
	}
	free(t->kept);
	t->kept = kept;
	t->kept_count = count;
}

static void
keep_lives(struct etcd *t, struct wire_value *list)
{
	size_t count = list == NULL ? 0 : wire_count(list);

	t->seen.life_count = 0;
	for (size_t i = 0; i < count && i < ETCD_LIVES_MAX; i++) {
		struct wire_value *v = wire_at_object(list, i);
		struct etcd_life *l = &t->seen.lives[t->seen.life_count];

		if (v == NULL)
			continue;
		take_name(v, "site", l->site, sizeof(l->site));
		l->since = (struct utc){0};
		now_parse(wire_take_text(v, "since", ""), &l->since);
		t->seen.life_count++;
	}
}

/* Once when it begins and once when it ends, in the log; an alarm while. */
static void
tell_trouble(struct etcd *t)
{
	char at[NOW_TEXT_BYTES], text[TEXT_BYTES];
	const char *now = t->seen.has_quorum ? "" : "lost";

	if (!t->seen.has_quorum && t->lost_since.ns == 0)
		t->lost_since = t->seen.at;
	if (t->seen.has_quorum)
		t->lost_since.ns = 0;
	if (!t->seen.has_quorum) {
		snprintf(text, sizeof(text),
		    "etcd gives no answer that a majority stands behind, since "
		    "%s: %s; what runs goes on, no move can begin",
		    now_words(t->lost_since, at), t->seen.trouble);
		alarm_raise(t->d,
		    &(struct alarm_what){.on = POLICY_ON_FAILOVER,
			.level = ALARM_WARNING,
			.subject = "etcd",
			.text = text});
	} else
		alarm_clear(t->d, POLICY_ON_FAILOVER, NULL, "etcd",
		    "etcd answers");
	if (strcmp(now, t->said) == 0)
		return;
	snprintf(t->said, sizeof(t->said), "%s", now);
	if (t->seen.has_quorum)
		note_log(NOTE_INFO, "etcd answers");
	else
		note_log(NOTE_WARNING, "etcd: %s", t->seen.trouble);
}

static void
on_seen(struct etcd *t, struct wire_value *v)
{
	struct wire_value *registers = wire_take_list(v, "registers");
	struct wire_value *lives = wire_take_list(v, "lives");

	t->seen.at = now_utc();
	t->seen.mono = now_mono();
	t->seen.has_quorum = wire_take_bool(v, "quorum", false);
	take_name(v, "error", t->seen.trouble, sizeof(t->seen.trouble));
	if (t->seen.has_quorum) {
		t->seen.read_at = t->seen.at;
		keep_registers(t, registers);
		keep_lives(t, lives);
	}
	tell_trouble(t);
	if (t->seen.has_quorum)
		etcd_write_own(t->d);
	daemon_kick(t->d);
}

static void
on_member(struct etcd *t, struct wire_value *v)
{
	const char *address = wire_take_text(v, "address", "");
	struct etcd_member *m = NULL;

	for (size_t i = 0; m == NULL && i < t->seen.member_count; i++)
		if (strcmp(t->seen.members[i].address, address) == 0)
			m = &t->seen.members[i];
	if (m == NULL && t->seen.member_count < ETCD_MEMBERS_MAX)
		m = &t->seen.members[t->seen.member_count++];
	if (m == NULL)
		return;
	snprintf(m->address, sizeof(m->address), "%s", address);
	if (*wire_take_text(v, "name", "") != '\0') /* else as it was */
		take_name(v, "name", m->name, sizeof(m->name));
	m->answers = wire_take_bool(v, "answers", false);
	m->is_leader = wire_take_bool(v, "is_leader", false);
	take_name(v, "error", m->error, sizeof(m->error));
	m->at = now_utc();
}

/* --- questions ---------------------------------------------------------------------- */

static void
answer(struct etcd_ask *a, enum etcd_verdict v, const struct etcd_register *now,
    const char *text)
{
	if (a->fn != NULL)
		a->fn(a->ctx, v, now, text);
	free(a);
}

/* Out of the list; NULL: nobody asked that. */
static struct etcd_ask *
take_ask(struct etcd *t, uint64_t number)
{
	for (struct etcd_ask **at = &t->asks; *at != NULL; at = &(*at)->next) {
		struct etcd_ask *a = *at;

		if (a->number != number)
			continue;
		*at = a->next;
		t->ask_count--;
		return a;
	}
	return NULL;
}

static void
on_answer(struct etcd *t, struct wire_value *v)
{
	struct etcd_ask *a = take_ask(t, wire_take_uint(v, "ask", 0));
	const char *name = wire_take_text(v, "verdict", "");
	struct etcd_register now;
	bool is_read = wire_take_bool(v, "is_read", false);
	enum etcd_verdict verdict = ETCD_UNKNOWN;

	if (a == NULL)
		return;
	for (int i = ETCD_DONE; i <= ETCD_UNKNOWN; i++)
		if (strcmp(etcd_verdict_name((enum etcd_verdict)i), name) == 0)
			verdict = (enum etcd_verdict)i;
	take_register(&now, v);
	answer(a, verdict, is_read ? &now : NULL,
	    wire_take_text(v, "text", ""));
}

static enum err_code
send_ask(struct etcd *t, struct etcd_ask *a, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_uint(v, "ask", a->number);
	wire_add_text(v, "do", a->is_swap ? "swap" : "read");
	wire_add_text(v, "service", a->service);
	if (a->is_swap) {
		wire_add_uint(v, "from_epoch", a->from_epoch);
		wire_add_uint(v, "epoch", a->to.epoch);
		wire_add_text(v, "state", a->to.state);
		wire_add_text(v, "owner", a->to.owner);
		wire_add_text(v, "from", a->to.from);
		wire_add_text(v, "run", a->to.run);
		wire_add_text(v, "site", a->to.site);
	}
	rc = errand_say(t->worker, v, e);
	a->was_sent = a->was_sent || rc == ERR_NONE;
	return rc;
}

/* The child is gone: what it was asked may have been done (ET2). */
static void
answer_all(struct etcd *t, const char *why)
{
	struct etcd_ask *asks = t->asks;
	char text[TEXT_BYTES];

	t->asks = NULL;
	t->ask_count = 0;
	while (asks != NULL) {
		struct etcd_ask *a = asks;
		bool may_be = a->is_swap && a->was_sent;

		asks = a->next;
		snprintf(text, sizeof(text),
		    "%s: the one that asks etcd has ended: %.300s",
		    may_be ? "the register may have been changed"
			   : "etcd was not asked",
		    why);
		answer(a, may_be ? ETCD_UNKNOWN : ETCD_REFUSED, NULL, text);
	}
}

static enum err_code
ask(struct daemon *d, const struct etcd_ask *like, struct err *e)
{
	struct etcd *t = d->etcd;
	struct etcd_ask *a;

	if (t == NULL)
		return err_set(e, ERR_INPUT,
		    "the policy does not say authority = \"etcd\"");
	if (t->ask_count >= ASKS_MAX)
		return err_set(e, ERR_BUSY, "%d questions to etcd are open",
		    ASKS_MAX);
	a = malloc(sizeof(*a));
	if (a == NULL)
		return err_nomem(e);
	*a = *like;
	a->number = ++t->last_number;
	a->next = t->asks;
	t->asks = a;
	t->ask_count++;
	/* without a child the timer starts one, and sends what waits */
	if (t->worker == NULL || send_ask(t, a, e) == ERR_NONE)
		return ERR_NONE;
	take_ask(t, a->number);
	free(a);
	return e->code;
}

enum err_code
etcd_move(struct daemon *d, const char *service, uint64_t from_epoch,
    const struct etcd_register *to, etcd_fn *fn, void *ctx, struct err *e)
{
	struct etcd_ask a = {.is_swap = true,
	    .from_epoch = from_epoch,
	    .to = *to,
	    .fn = fn,
	    .ctx = ctx};

	if (to->epoch == 0 || to->epoch < from_epoch || to->owner[0] == '\0')
		return err_set(e, ERR_INPUT,
		    "no register of '%s' goes from epoch %llu to %llu", service,
		    (unsigned long long)from_epoch,
		    (unsigned long long)to->epoch);
	snprintf(a.service, sizeof(a.service), "%s", service);
	return ask(d, &a, e);
}

enum err_code
etcd_read(struct daemon *d, const char *service, etcd_fn *fn, void *ctx,
    struct err *e)
{
	struct etcd_ask a = {.fn = fn, .ctx = ctx};

	snprintf(a.service, sizeof(a.service), "%s", service);
	return ask(d, &a, e);
}

bool
etcd_is_asked(const struct daemon *d, const char *service)
{
	for (const struct etcd_ask *a = d->etcd == NULL ? NULL : d->etcd->asks;
	     a != NULL; a = a->next)
		if (a->is_swap && strcmp(a->service, service) == 0)
			return true;
	return false;
}

void
etcd_forget(struct daemon *d, const void *ctx)
{
	for (struct etcd_ask *a = d->etcd == NULL ? NULL : d->etcd->asks;
	     a != NULL; a = a->next)
		if (a->ctx == ctx)
			a->fn = NULL;
}

/* --- the child ------------------------------------------------------------------------ */

static void
on_line(void *ctx, struct wire_value *v)
{
	struct etcd *t = ctx;
	const char *type = wire_take_text(v, "type", "");

	t->heard = now_mono();
	if (strcmp(type, "seen") == 0)
		on_seen(t, v);
	else if (strcmp(type, "member") == 0)
		on_member(t, v);
	else if (strcmp(type, "answer") == 0)
		on_answer(t, v);
	else if (strcmp(type, "result") == 0)
		take_name(v, "reason", t->seen.trouble,
		    sizeof(t->seen.trouble));
}

static void
on_end(void *ctx, int exit_status, int number)
{
	struct etcd *t = ctx;

	(void)exit_status;
	errand_free(&t->worker);
	t->seen.at = now_utc();
	t->seen.mono = now_mono();
	t->seen.has_quorum = false;
	if (t->seen.trouble[0] == '\0' || number != 0)
		snprintf(t->seen.trouble, sizeof(t->seen.trouble),
		    "the one that asks etcd was ended by signal %d", number);
	if (!t->d->stopping)
		tell_trouble(t);
	answer_all(t, t->seen.trouble);
	loop_timer_set(t->timer, AGAIN_NS);
}

static enum err_code
start_worker(struct etcd *t, struct err *e)
{
	const struct errand_options opt = {.ctx = t,
	    .on_line = on_line,
	    .on_end = on_end};
	OWNED(wire_free) struct wire_value *spec = NULL;
	enum err_code rc = daemon_spec(t->d, "etcd", "etcd", 1, &spec, e);

	if (rc == ERR_NONE)
		rc = errand_start(&t->worker, t->d, spec, &opt, e);
	for (struct etcd_ask *a = t->asks; rc == ERR_NONE && a != NULL;
	     a = a->next)
		rc = send_ask(t, a, e);
	t->heard = now_mono();
	if (rc != ERR_NONE)
		errand_free(&t->worker);
	return rc;
}

static void
on_timer(void *ctx)
{
	struct etcd *t = ctx;
	struct err e;

	if (t->d->stopping)
		return;
	if (t->worker == NULL && start_worker(t, &e) != ERR_NONE) {
		note_log(NOTE_ERROR, "etcd cannot be asked: %s", e.text);
		answer_all(t, e.text);
	} else if (now_mono().ns - t->heard.ns > SILENT_NS)
		errand_stop(t->worker);
	loop_timer_set(t->timer, WATCH_NS);
}

/* --- starting, stopping ------------------------------------------------------------------ */

enum err_code
etcd_start(struct daemon *d, struct err *e)
{
	struct etcd *t;
	enum err_code rc;

	if (!etcd_is_used(d))
		return ERR_NONE;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return err_nomem(e);
	d->etcd = t;
	t->d = d;
	rc = loop_timer_new(&t->timer, d->loop, on_timer, t, e);
	if (rc == ERR_NONE)
		loop_timer_set(t->timer, 0);
	return rc;
}

void
etcd_stop(struct daemon *d)
{
	struct etcd *t = TAKE(d->etcd);

	if (t == NULL)
		return;
	errand_free(&t->worker);
	answer_all(t, "the daemon stops, or loads its policy again");
	etcdmove_stop(d);
	loop_timer_free(&t->timer);
	free(t->kept);
	free(t);
}
