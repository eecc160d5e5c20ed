/*
 * Replicate: bring a service's copy at another site up to date, or this site's
 * from there (pull: then this is the receiver), over the link that the daemon
 * says.  A leg is what goes over one link without a break; what
 * a leg has moved is there already, and the next one goes on.
 *
 *	leg --breaks--> ask --route--> leg
 *	 |  --told to move-------------^
 *	 |                 ask --wait or fail--> end
 *	 '--done, or no link's fault--> end
 *
 * Threads: the job's own, which pushes; a listener for what the daemon says
 * meanwhile; and the lanes of the push, which call on_pace.
 */

#include "worker.h"

#include <pthread.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/ledger.h>
#include <bascule/replicate.h>

#include "dialtcp.h"
#include "pacer.h"

#define URL_BYTES     1024
#define LINK_BYTES    65 /* as the policy limits names */
#define ADDRESS_BYTES 256
#define ANSWER_NS     (60 * NS_PER_S) /* for the daemon to name a route */
#define LISTEN_NS     (NS_PER_S / 5)  /* until a cancel is noticed */
#define STALL_NS      (15 * NS_PER_S) /* nothing moves: the link is no good */
#define GIVEN_NS      (30 * NS_PER_S) /* who gives may look for long, unsaid */
#define CARRIED_NS    (NS_PER_S / 4)

enum then { THEN_GO, THEN_WAIT, THEN_FAIL };

struct route {
	char link[LINK_BYTES], address[ADDRESS_BYTES];
	enum then then;
};

struct push {
	struct worker *w;
	const struct policy_site *to; /* from which, where we pull */
	bool pull;
	struct replicate_target target;
	char url[URL_BYTES];
	struct replicate_tally tally; /* of the last leg */
	/* of all legs */
	uint64_t sent_bytes, again_bytes, pack_sent_bytes;
	uint64_t lacking_bytes; /* the most that lacked there */
	uint64_t left_bytes;    /* of it, at the end of the last leg */
	bool has_looked;        /* those two are known */
	struct id *wishes; /* points whose acknowledgement the ledger lacks */
	size_t wishes_count;
	const uint8_t *family;
	struct sftp_target_report gives; /* a server that has only SFTP */
	struct point newest;             /* before it began */
	uint64_t epoch; /* of the service, as the daemon knows it; 0 */
	struct pacer pacer;
	volatile sig_atomic_t stop; /* the leg under way */
	struct route at;            /* where the leg is */
	uint64_t passed_before;     /* by the pacer, before this leg */
	/* the listener's, under the lock */
	pthread_t listener;
	bool listens;
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool over, has_next;
	struct route next;
	struct mono carried_at;
};

/* --- what the daemon says --------------------------------------------------- */

static void
take_route(struct push *p, struct wire_value *line)
{
	const char *then = wire_take_text(line, "then", "");

	snprintf(p->next.link, sizeof(p->next.link), "%s",
	    wire_take_text(line, "route", ""));
	snprintf(p->next.address, sizeof(p->next.address), "%s",
	    wire_take_text(line, "address", ""));
	p->next.then = p->next.link[0] != '\0' ? THEN_GO
	    : strcmp(then, "wait") == 0        ? THEN_WAIT
					       : THEN_FAIL;
	p->has_next = true;
	p->stop = 1;
	pthread_cond_broadcast(&p->told);
}

static void *
listener_main(void *ctx)
{
	struct push *p = ctx;
	bool over = false;

	while (!over) {
		OWNED(wire_free)
		struct wire_value *line = worker_next(p->w, LISTEN_NS);

		pthread_mutex_lock(&p->lock);
		over = p->over;
		if (line != NULL && wire_has(line, "route"))
			take_route(p, line);
		if (worker_is_cancelled(p->w)) {
			p->stop = 1;
			over = true;
			pthread_cond_broadcast(&p->told);
		}
		pthread_mutex_unlock(&p->lock);
		if (line != NULL && wire_has(line, "rate_bytes_per_s"))
			pacer_set(&p->pacer,
			    wire_take_uint(line, "rate_bytes_per_s", 0));
	}
	return NULL;
}

static enum err_code
start_listener(struct push *p, struct err *e)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->told, &attr);
	pthread_condattr_destroy(&attr);
	pacer_init(&p->pacer, &p->stop);
	p->listens = pthread_create(&p->listener, NULL, listener_main, p) == 0;
	return p->listens ? ERR_NONE : err_nomem(e);
}

static void
push_fini(struct push *p)
{
	free(p->wishes);
	if (p->listens) {
		pthread_mutex_lock(&p->lock);
		p->over = true;
		pthread_mutex_unlock(&p->lock);
		pthread_join(p->listener, NULL);
		pacer_fini(&p->pacer);
		pthread_cond_destroy(&p->told);
		pthread_mutex_destroy(&p->lock);
	}
}

/* The next route, if one was named; a leg that begins is not stopped by it. */
static bool
take_next(struct push *p, struct route *out)
{
	bool has;

	pthread_mutex_lock(&p->lock);
	has = p->has_next;
	if (has)
		*out = p->next;
	p->has_next = false;
	p->stop = worker_is_cancelled(p->w);
	pthread_mutex_unlock(&p->lock);
	return has;
}

static bool
await_next(struct push *p, struct route *out)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ANSWER_NS / NS_PER_S;
	pthread_mutex_lock(&p->lock);
	while (!p->has_next && !worker_is_cancelled(p->w) &&
	    pthread_cond_timedwait(&p->told, &p->lock, &until) == 0)
		;
	pthread_mutex_unlock(&p->lock);
	return take_next(p, out);
}

/* --- what it says ------------------------------------------------------------ */

static uint64_t
leg_bytes(struct push *p)
{
	return pacer_passed(&p->pacer) - p->passed_before;
}

static enum err_code
tell_carried(struct push *p, const char *error, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "carried", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "link", p->at.link);
	wire_add_uint(v, "bytes", leg_bytes(p));
	if (error != NULL) {
		wire_add_bool(v, "end", true);
		wire_add_text(v, "error", error);
	}
	return worker_send(p->w, &v, e);
}

static enum err_code
tell_broke(struct push *p, const struct err *why, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "broke", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "link", p->at.link);
	wire_add_text(v, "error", why->text);
	return worker_send(p->w, &v, e);
}

/* From the push's lanes. */
static enum err_code
on_pace(void *ctx, size_t bytes_count, struct err *e)
{
	struct push *p = ctx;
	enum err_code rc = pacer_pass(&p->pacer, bytes_count, e);
	struct mono now = now_mono();
	bool due;

	if (rc != ERR_NONE)
		return rc;
	pthread_mutex_lock(&p->lock);
	due = now.ns - p->carried_at.ns >= CARRIED_NS;
	if (due)
		p->carried_at = now;
	pthread_mutex_unlock(&p->lock);
	return due ? tell_carried(p, NULL, e) : ERR_NONE;
}

static void
on_progress(void *ctx, const struct replicate_tally *t)
{
	struct push *p = ctx;
	struct job_progress pr = {t->packs_sent_count,
	    t->pack_sent_bytes + t->resumed_bytes + t->composed_bytes,
	    t->pack_bytes};

	worker_progress(p->w, &pr, p->at.link);
}

static void
on_problem(void *ctx, const char *object, const struct err *why)
{
	struct push *p = ctx;

	worker_log(p->w, WORKER_WARNING, "%s: %s", object, why->text);
}

static void
on_taken(void *ctx, const struct serve_tally *t)
{
	struct push *p = ctx;
	struct job_progress pr = {t->packs_count, t->pack_bytes,
	    t->wanted_bytes};

	worker_progress(p->w, &pr, p->at.link);
}

/* --- acknowledgements --------------------------------------------------------- */

static bool
is_pinned(const struct policy_site *s, const uint8_t *signer)
{
	char text[HEAD_FINGERPRINT_BYTES];
	struct err ignored;

	if (s->acknowledge_keys.count == 0)
		return true;
	if (head_fingerprint(signer, text, &ignored) != ERR_NONE)
		return false;
	for (size_t i = 0; i < s->acknowledge_keys.count; i++)
		if (strcmp(s->acknowledge_keys.items[i], text) == 0)
			return true;
	return false;
}

static enum err_code
tell_acknowledged(struct push *p, const struct id *point, const void *bytes,
    size_t len_bytes, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char hex[ID_HEX_BYTES];
	enum err_code rc = wire_new(&v, "acknowledged", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "point", id_hex(point, hex));
	wire_add_hex(v, "acknowledgement", bytes, len_bytes);
	return worker_send(p->w, &v, e);
}

/* What is no good is said and not kept; what was sent is there all the same. */
static enum err_code
on_acknowledged(void *ctx, const struct id *point, const void *bytes,
    size_t len_bytes, struct err *e)
{
	struct push *p = ctx;
	struct ack a;
	char hex[ID_HEX_BYTES];
	struct err why;
	enum err_code rc = ack_read(&a, bytes, len_bytes, &why);

	if (rc == ERR_NONE &&
	    (!id_equal(&a.point, point) ||
		strcmp(a.service, worker_service(p->w)->name) != 0 ||
		memcmp(a.family, p->family, sizeof(a.family)) != 0))
		rc = err_set(&why, ERR_CORRUPT, "it is about something else");
	if (rc == ERR_NONE && !is_pinned(p->to, a.signer))
		rc = err_set(&why, ERR_KEY,
		    "it is signed with a key that the policy does not name "
		    "(acknowledge_keys)");
	if (rc == ERR_NONE)
		return tell_acknowledged(p, point, bytes, len_bytes, e);
	worker_log(p->w, WORKER_WARNING, "acknowledgement of point %.16s: %s",
	    id_hex(point, hex), why.text);
	worker_partial(p->w,
	    "site '%s' gave an acknowledgement that is no good: %s",
	    worker_target(p->w), why.text);
	return ERR_NONE;
}

static enum err_code
take_wishes(struct push *p, struct wire_value *spec, struct err *e)
{
	struct wire_value *list = wire_take_list(spec, "acknowledge");
	size_t count = list == NULL ? 0 : wire_count(list);

	p->wishes = calloc(count + 1, sizeof(*p->wishes));
	if (p->wishes == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++)
		if (id_parse(wire_at_text(list, i),
			&p->wishes[p->wishes_count]))
			p->wishes_count++;
	return ERR_NONE;
}

/* --- legs ---------------------------------------------------------------------- */

static enum err_code
set_target(struct push *p, struct err *e)
{
	const struct policy_host *h;
	int n;

	if (p->to == NULL || p->to->host_count == 0)
		return err_set(e, ERR_POLICY,
		    "site '%s' has no host to replicate to",
		    worker_target(p->w));
	h = &p->to->hosts[0];
	n = snprintf(p->url, sizeof(p->url), "%s://%s@%s:%u%s",
	    p->to->transport == POLICY_TRANSPORT_SFTP ? "sftp" : "ssh", h->user,
	    h->address, (unsigned)h->port, p->to->repository);
	if (n < 0 || (size_t)n >= sizeof(p->url))
		return err_set(e, ERR_POLICY,
		    "the address of site '%s' is too "
		    "long",
		    p->to->name);
	p->target = (struct replicate_target){.url = p->url,
	    .host_keys = h->host_keys.items,
	    .host_keys_count = h->host_keys.count,
	    .identity = *worker_policy(p->w)->identity != '\0'
		? worker_policy(p->w)->identity
		: NULL,
	    .identity_passphrase_file =
		*worker_policy(p->w)->identity_passphrase_file != '\0'
		? worker_policy(p->w)->identity_passphrase_file
		: NULL,
	    .timeout_ns = p->pull ? GIVEN_NS : STALL_NS};
	return ERR_NONE;
}

/* Would another route help? */
static bool
is_of_the_way(enum err_code rc)
{
	return rc == ERR_TIMEOUT || rc == ERR_IO || rc == ERR_NOTFOUND;
}

static void
add_up(struct push *p)
{
	const struct replicate_tally *t = &p->tally;
	uint64_t there =
	    t->pack_sent_bytes + t->resumed_bytes + t->composed_bytes;

	p->sent_bytes += leg_bytes(p);
	p->again_bytes += t->again_bytes;
	p->pack_sent_bytes += t->pack_sent_bytes;
	if (t->pack_bytes == 0) /* it did not come so far */
		return;
	p->has_looked = true;
	p->left_bytes = t->pack_bytes > there ? t->pack_bytes - there : 0;
	if (t->pack_bytes > p->lacking_bytes)
		p->lacking_bytes = t->pack_bytes;
}

/*
 * The link's own address here, so that what goes over it leaves by it; NULL
 * where the policy has none that this machine can use (a network may translate
 * it), and the routes decide.
 */
static const char *
source_of(const struct push *p)
{
	const struct policy *po = worker_policy(p->w);

	for (size_t i = 0; i < po->link_count; i++) {
		const char *from = policy_find_address(&po->links[i], po->site);

		if (strcmp(po->links[i].name, p->at.link) == 0)
			return from != NULL && dialtcp_is_here(from) ? from
								     : NULL;
	}
	return NULL;
}

/* To a server with nothing of ours: what it does not give is said once. */
static enum err_code
push_sftp(struct push *p, struct store *st, const struct replicate_options *opt,
    struct err *e)
{
	const struct sftp_target_options how = {0};
	struct sftp_target_report report = {0};
	bool is_said = p->gives.lacks_count > 0;
	enum err_code rc =
	    sftp_target_push(st, &p->target, opt, &how, &p->tally, &report, e);

	for (size_t i = 0; !is_said && i < report.lacks_count; i++)
		worker_log(p->w, WORKER_INFO,
		    "this target has only SFTP, and does not give: %s",
		    report.lacks[i]);
	if (report.lacks_count > 0)
		p->gives = report;
	if (report.moved_count > 0)
		worker_partial(p->w, "%llu files there were damaged",
		    (unsigned long long)report.moved_count);
	return rc;
}

/*
 * As the receiver.  That the copy has no more to wait for is known by its points:
 * the next survey finds them, and signs that they are here.
 */
static enum err_code
pull_leg(struct push *p, struct err *e)
{
	const struct serve_options opt = {.cancel = &p->stop,
	    .pace = on_pace,
	    .on_progress = on_taken,
	    .ctx = p};
	struct serve_tally t = {0};
	enum err_code rc = reach_pull(worker_site(p->w)->repository, &p->target,
	    worker_service(p->w)->name, &opt, &t, e);

	p->tally = (struct replicate_tally){.pack_bytes = t.wanted_bytes,
	    .pack_sent_bytes = t.pack_bytes,
	    .snapshots_sent_count = t.snapshots_count,
	    .points_sent_count = t.points_count,
	    .refused_count = t.refused_count};
	return rc;
}

static enum err_code
push_leg(struct push *p, struct store *st, struct err *e)
{
	struct replicate_options opt = {.service = worker_service(p->w)->name,
	    .on_problem = on_problem,
	    .on_progress = on_progress,
	    .pace = on_pace,
	    .ctx = p,
	    .cancel = &p->stop,
	    .link = p->at.link,
	    .epoch = p->epoch,
	    .on_acknowledged = on_acknowledged,
	    .wishes = p->wishes,
	    .wishes_count = p->wishes_count};

	return p->to->transport == POLICY_TRANSPORT_SFTP
	    ? push_sftp(p, st, &opt, e)
	    : reach_push(st, &p->target, &opt, &p->tally, e);
}

/* One leg, and its end told; *e is what ended it. */
static enum err_code
run_leg(struct push *p, struct store *st, struct err *e)
{
	struct err why;
	enum err_code rc, said;

	worker_log(p->w, WORKER_INFO, "over link %s", p->at.link);
	p->target.address = p->at.address;
	p->passed_before = pacer_passed(&p->pacer);
	p->target.bind_address = source_of(p);
	rc = p->pull ? pull_leg(p, e) : push_leg(p, st, e);
	add_up(p);
	said = tell_carried(p,
	    rc == ERR_NONE || rc == ERR_CANCELLED ? "" : e->text, &why);
	if (said == ERR_NONE)
		return rc;
	*e = why;
	return said;
}

static enum err_code
no_way(struct push *p, const struct route *r, struct err *e)
{
	if (r->then == THEN_WAIT) {
		worker_waits(p->w);
		return err_set(e, ERR_TIMEOUT, "no link to site '%s' is up",
		    worker_target(p->w));
	}
	return e->code;
}

/* Legs, until everything is there or there is no way. */
static enum err_code
go(struct push *p, struct store *st, struct err *e)
{
	struct route next = p->at;

	err_set(e, ERR_TIMEOUT, "no link to site '%s'", worker_target(p->w));
	for (;;) {
		struct err why;
		enum err_code rc;

		if (next.then != THEN_GO)
			return no_way(p, &next, e);
		p->at = next;
		rc = run_leg(p, st, e);
		if (rc == ERR_NONE || worker_is_cancelled(p->w))
			return rc;
		if (take_next(p, &next)) {
			if (next.then == THEN_GO)
				worker_log(p->w, WORKER_INFO,
				    "moving from link %s to %s", p->at.link,
				    next.link);
			continue;
		}
		if (!is_of_the_way(rc))
			return rc;
		worker_log(p->w, WORKER_WARNING, "link '%s': %s", p->at.link,
		    e->text);
		rc = tell_broke(p, e, &why);
		if (rc != ERR_NONE) {
			*e = why;
			return rc;
		}
		if (!await_next(p, &next))
			return e->code;
	}
}

/* --- what both have ----------------------------------------------------------------- */

/* What will be there too when all went well: the newest before it began. */
static enum err_code
note_newest(struct push *p, struct store *st, struct err *e)
{
	OWNED(point_list_fini) struct point_list list = {0};
	enum err_code rc =
	    point_list(&list, st, worker_service(p->w)->name, NULL, NULL, e);

	if (rc == ERR_NONE && list.count > 0)
		p->newest = list.points[list.count - 1];
	return rc;
}

/*
 * The last point that is here and there stays here, whoever prunes: without it
 * all would have to be sent again.
 */
static enum err_code
hold_common(struct push *p, struct err *e)
{
	OWNED(store_close) struct store *st = NULL;
	const struct store_options opt = {.access = STORE_WRITE};
	const struct point *last = &p->newest;
	struct hold h = {.why = HOLD_CURSOR,
	    .snapshots_count = last->snapshots_count};
	enum err_code rc;

	if (last->snapshots_count == 0 ||
	    last->snapshots_count > HOLD_SNAPSHOTS_MAX)
		return ERR_NONE;
	rc = store_open(&st, worker_site(p->w)->repository, &opt, e);
	memcpy(h.service, last->service, sizeof(h.service));
	snprintf(h.label, sizeof(h.label), "%s", p->to->name);
	snprintf(h.reason, sizeof(h.reason),
	    "the last point that site '%s' has too", p->to->name);
	memcpy(h.snapshots, last->snapshots,
	    last->snapshots_count * sizeof(h.snapshots[0]));
	return rc == ERR_NONE ? hold_move(st, &h, e) : rc;
}

/* --- the kind -------------------------------------------------------------------- */

static void
add_lacks(const struct push *p, struct wire_value *result)
{
	OWNED(wire_free) struct wire_value *lacks = NULL;
	struct err e;

	if (p->gives.lacks_count == 0 || wire_new_list(&lacks, &e) != ERR_NONE)
		return;
	for (size_t i = 0; i < p->gives.lacks_count; i++)
		wire_add_text(lacks, NULL, p->gives.lacks[i]);
	wire_add(result, "guarantees_missing", &lacks);
}

static void
add_tally(const struct push *p, struct wire_value *result)
{
	wire_add_text(result, "link", p->at.link);
	wire_add_uint(result, "bytes", p->lacking_bytes);
	if (p->has_looked)
		wire_add_uint(result, "left_bytes", p->left_bytes);
	wire_add_uint(result, p->pull ? "received_bytes" : "sent_bytes",
	    p->sent_bytes);
	wire_add_uint(result, "again_bytes", p->again_bytes);
	wire_add_uint(result, "new_bytes", p->pack_sent_bytes);
	wire_add_uint(result, "snapshots_sent", p->tally.snapshots_sent_count);
	wire_add_uint(result, "points_sent", p->tally.points_sent_count);
	add_lacks(p, result);
}

/*
 * Who gives is not to be believed.  Names, the key and its passphrase are read
 * again for each leg.  This thread, and those it begins: the worker's reader and
 * its heart run already, and touch nothing that comes from there.
 */
static void
confine_pull(struct push *p)
{
	const char *const files[] = {p->target.identity,
	    p->target.identity_passphrase_file};
	char text[CONFINE_TEXT_BYTES];
	unsigned got = confine_to_fetch(worker_site(p->w)->repository, files,
	    sizeof(files) / sizeof(files[0]));

	worker_log(p->w,
	    (got & CONFINE_FILES) != 0 ? WORKER_INFO : WORKER_WARNING,
	    "fetching is confined in: %s", confine_text(got, text));
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	OWNED(worker_store_fini) struct worker_store at = {0};
	OWNED(push_fini) struct push p = {.w = w};
	struct wire_value *spec = worker_spec(w);
	uint64_t rate = wire_take_uint(spec, "rate_bytes_per_s", 0);
	struct err why;
	enum err_code rc;

	snprintf(p.at.link, sizeof(p.at.link), "%s",
	    wire_take_text(spec, "link", ""));
	snprintf(p.at.address, sizeof(p.at.address), "%s",
	    wire_take_text(spec, "address", ""));
	p.epoch = wire_take_uint(spec, "epoch", 0);
	p.pull = wire_take_bool(spec, "pull", false);
	rc = take_wishes(&p, spec, e);
	if (rc != ERR_NONE)
		return rc;
	p.at.then = p.at.link[0] != '\0' ? THEN_GO : THEN_WAIT;
	rc = worker_asked(w, e);
	if (rc != ERR_NONE)
		return rc;
	if (worker_service(w) == NULL || worker_target(w) == NULL)
		return err_set(e, ERR_INPUT,
		    "a replication is of a service, to a site");
	p.to = policy_find_site(worker_policy(w), worker_target(w));
	rc = set_target(&p, e);
	if (rc == ERR_NONE && p.pull)
		confine_pull(&p);
	if (rc == ERR_NONE)
		rc = start_listener(&p, e);
	if (rc != ERR_NONE)
		return rc;
	pacer_set(&p.pacer, rate);
	if (!p.pull)
		rc = worker_store_open(&at, w, STORE_READ, e);
	if (rc == ERR_NONE && !p.pull) {
		p.family = store_family(at.st);
		rc = note_newest(&p, at.st, e);
	}
	if (rc == ERR_NONE)
		rc = go(&p, at.st, e);
	add_tally(&p, result);
	if (rc == ERR_NONE && !p.pull &&
	    p.tally.refused_count + p.tally.damaged_count == 0 &&
	    hold_common(&p, &why) != ERR_NONE)
		worker_log(w, WORKER_WARNING,
		    "the last common point is not held: %s", why.text);
	if (rc == ERR_NONE && p.tally.refused_count + p.tally.damaged_count > 0)
		worker_partial(w,
		    "%llu objects were refused %s, %llu are "
		    "damaged here",
		    (unsigned long long)p.tally.refused_count,
		    p.pull ? "here" : "there",
		    (unsigned long long)p.tally.damaged_count);
	return rc;
}

const struct worker_kind worker_replicate = {"replicate", run};
