#ifndef DAEMON_READY_PARTS_H
#define DAEMON_READY_PARTS_H

/* What readiness is made of; only its own units include this. */

#include "errand.h"
#include "ready.h"

#define READY_MANY 4096 /* of anything a worker tells */

/* --- what was measured here (readytalk.c fills it) --------------------------- */

struct ready_host {
	char name[READY_NAME_BYTES];
	bool ok;
	char text[READY_TEXT_BYTES];
};
struct ready_name {
	char service[READY_NAME_BYTES], name[256];
	int64_t ttl_s; /* -1: error says why */
	char error[READY_TEXT_BYTES];
};
enum ready_key_state {
	READY_KEY_NONE, /* there is nothing to open */
	READY_KEY_OPENS,
	READY_KEY_FAILS,  /* it is another key */
	READY_KEY_UNREAD, /* what it would open cannot be read */
};
struct ready_key {
	char service[READY_NAME_BYTES];
	enum ready_key_state state;
	char text[READY_TEXT_BYTES];
};
struct ready_room {
	char service[READY_NAME_BYTES];
	uint64_t free_bytes, device;
};

/* Zeroed: nothing was measured. */
struct ready_facts {
	struct utc at; /* ns 0: never */
	uint64_t memory_bytes, cpus;
	struct ready_host *hosts;
	size_t host_count;
	struct ready_name *names;
	size_t name_count;
	struct ready_key *keys;
	size_t key_count;
	struct ready_room *rooms;
	size_t room_count;
};
void ready_facts_fini(struct ready_facts *f);

/* --- the judgements: pure (readyjudge.c) ------------------------------------- */
/*
 * Each fills verdict, value, limit and remedy of *out, whose check, site and
 * service are set.
 */

/* Everything of tier 1 that could have to run at the site, at once. */
void readyjudge_capacity(const struct policy *p, const struct ready_facts *f,
    struct ready_value *out);
void readyjudge_hosts(const struct policy *p, const struct policy_service *s,
    const struct ready_facts *f, struct ready_value *out);
void readyjudge_names(const struct policy_service *s,
    const struct ready_facts *f, struct ready_value *out);
void readyjudge_key(const struct policy_service *s, const struct ready_facts *f,
    struct ready_value *out);
struct readyjudge_clock {
	bool known;
	int64_t offset_ns, bound_ns, limit_ns;
};
void readyjudge_clock(const struct readyjudge_clock *c,
    struct ready_value *out);
/* Something that must have happened within limit_ns; at ns 0: never. */
void readyjudge_age(const char *what, const char *remedy, struct utc at,
    int64_t limit_ns, struct utc now, struct ready_value *out);
void readyjudge_proof(const struct policy_failover *f,
    const struct ready_proof *p, struct utc now, struct ready_value *out);
/* Too old, or never measured: UNKNOWN, and the value says so. */
void readyjudge_fresh(int64_t fresh_ns, struct utc now,
    struct ready_value *out);

/* --- one measurement (readytalk.c) -------------------------------------------- */

struct readytalk {
	struct daemon *d;
	struct errand *worker;    /* NULL: none runs */
	struct ready_facts fresh; /* as it is being told */
	bool broken;
	char failed[256]; /* why the last one did not go well; "" */
	/* It is over; failed says how, fresh is whole when it went well. */
	void (*done)(struct readytalk *t);
};
enum err_code readytalk_start(struct readytalk *t, struct err *e) MUST_CHECK;
void readytalk_end(struct readytalk *t, const char *why);

/* --- the state ----------------------------------------------------------------- */

/* What the other site's records say, newest of each kind. */
struct ready_heard {
	struct ready_heard *next;
	char site[READY_NAME_BYTES];
	uint64_t row; /* of its copy, up to which it was read */
	/* of the site as a whole, then of each of the policy's services;
	 * at ns 0: nothing is recorded of it */
	struct ready_value (*values)[READY_CHECKS];
};

struct ready_told {
	char service[LEDGER_NAME_BYTES_MAX + 1]; /* "": the site */
	struct utc at;                           /* 0: never */
	enum ready_verdict verdicts[READY_CHECKS];
};

/* Of a record, looked up a moment ago: a status asks for each service. */
struct ready_newest {
	struct utc at;
	struct mono looked; /* ns 0: never */
};

struct ready {
	struct readytalk talk;
	struct loop_timer *timer;
	bool again; /* another one is wanted when this has ended */
	bool soon;  /* it is set for something that came: not put off again */
	/* readynote_more: what was measured is being written down */
	bool noting, noted_any;
	size_t noted; /* services */
	struct ready_facts facts;
	/* As recorded last: a change, or a day, makes a record. */
	struct ready_told *told;
	size_t told_count;
	uint64_t rounds; /* measurements that ended, well or not */
	struct ready_heard *heard;
	struct ready_newest drill, box;
};

static inline bool
ready_is_measuring(const struct ready *r)
{
	return r->talk.worker != NULL || r->noting;
}

/* The values of this site, from what is measured and known. */
void ready_judge_here(struct daemon *d, const struct policy_service *s,
    enum ready_check check, struct ready_value *out);

/* --- records (readynote.c) ------------------------------------------------------ */

/* Write down what has changed since it was last, or is a day old: a slice of the
 * services in each turn of the loop.  True: that was all. */
bool readynote_more(struct daemon *d);
/* What is recorded already, after a start. */
enum err_code readynote_recall(struct daemon *d, struct err *e) MUST_CHECK;
/* Read what is new in the copy of another site's ledger; *out NULL: it recorded
 * nothing of it.  service "": of the site as a whole.  Until the next call. */
enum err_code readynote_hear(struct daemon *d, const char *site,
    const char *service, enum ready_check check, const struct ready_value **out,
    struct err *e) MUST_CHECK;

#endif
