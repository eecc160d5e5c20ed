#ifndef DAEMON_REQUEST_H
#define DAEMON_REQUEST_H

/*
 * Runs: what was asked for, who has said what about it, and how far it came, as
 * the records of both ledgers have it (docs/protocol/moves.md); and asking for
 * one.
 *
 * RQ1. A run is what the records say, and nothing else is known of it.
 * RQ2. What an approver sees is made anew each time at the site that was asked,
 *      from the policy in force and the guards as they stand; its digest is
 *      `seen`.  When it has changed that is recorded, and what was said of it
 *      before counts never again, even should it change back.  At the other
 *      site it is what the record says.
 * RQ3. Whose word counts, from whichever ledger: words.h.  What only the site
 *      asked says (STARTED, the broken glass, what is to be approved) counts from
 *      its ledger alone.
 */

#include <bascule/authority.h>

#include "daemon.h"

#define REQUEST_RUN_BYTES    JOB_ID_BYTES
#define REQUEST_SERVICES_MAX 900
#define REQUEST_TEXT_BYTES   512 /* a reason, a change, an accepted loss */

/* --- one run ---------------------------------------------------------------- */

struct request_service {
	char name[65];
	char point[ID_HEX_BYTES]; /* "": the one a planned move makes */
	int64_t loss_ns;          /* of that point; -1: not known */
	char phase[32];           /* the newest phase of the service; "" */
	struct utc phase_at;
	bool over;  /* nothing more comes of it */
	bool moved; /* GRANTED or TAKEN was recorded */
};

struct request {
	char run[REQUEST_RUN_BYTES];
	enum guards_mode mode;
	char from[AUTHORITY_SITE_BYTES], to[AUTHORITY_SITE_BYTES];
	char asked_at[AUTHORITY_SITE_BYTES]; /* whose record REQUESTED is */
	struct request_service *services;    /* in the order they move */
	size_t service_count;
	char reason[REQUEST_TEXT_BYTES], change[REQUEST_TEXT_BYTES];
	char accepted_loss[REQUEST_TEXT_BYTES];
	char *shed; /* for whom there is no room, as was said; NULL: for all */
	/* as the site asked recorded it last: when it was requested, and again
	 * whenever that has changed */
	char seen[ID_HEX_BYTES];
	char *shown;      /* NULL: not on record */
	unsigned changes; /* how often it has changed */
	struct utc at, expires;
	struct approvals_person requester;
	/* APPROVALS_WORDS_MAX, in their order; signed: who.key */
	struct approvals_word *words;
	size_t word_count;
	bool glass_broken;
	struct utc glass_at;
	struct approvals_person glass_by;
	char phase[32]; /* of the run: the newest of all */
	char phase_reason[REQUEST_TEXT_BYTES];
	struct utc phase_at;
	bool started, over;
	bool refused; /* by somebody who may, and has not taken it back */
};

/*
 * Every run there is a record of, in either ledger, oldest first.  What was read
 * is kept, and only what is new is read: it could be thrown away at any time.
 */
#define REQUEST_LEDGERS_MAX 8

struct request_standing;
struct request_book {
	struct daemon *d;
	uint64_t policy_number; /* it was read under */
	struct request *items;
	size_t count, size;
	struct {
		char site[AUTHORITY_SITE_BYTES];
		uint64_t row; /* read up to here */
	} cursors[REQUEST_LEDGERS_MAX];
	size_t cursor_count;
	bool lost; /* a record of a run that nobody asked for, so far */
	/* request_look: when it had been through, else how far it is */
	struct mono looked;
	size_t at;
	struct request_standing *standing; /* request_stands */
	struct request_showing *showing;
};
/* Borrowed from the daemon; what it points at until the next call. */
enum err_code request_book_get(struct request_book **out, struct daemon *d,
    struct err *e) MUST_CHECK;
void request_book_free(struct request_book **b);
/* NULL: there is none of that id (an id's beginning will do if it is one's
 * alone). */
struct request *request_book_find(const struct request_book *b,
    const char *run);

/* The same with an error that says where to look. */
enum err_code request_find(struct request_book **b, struct daemon *d,
    const char *run, struct request **out, struct err *e) MUST_CHECK;
/* As the API shows it: type "failover". */
enum err_code request_to_wire(struct daemon *d, const struct request *r,
    struct wire_value **out, struct err *e) MUST_CHECK;

/* Started, and the service's move is not over; runs other than `run`. */
const struct request *request_book_binds(const struct request_book *b,
    const char *service, const char *run);

/* A run that is not over goes back to that point, at that site: retention keeps
 * it. */
bool request_book_chose(const struct request_book *b, const char *service,
    const char *site, const char *point);

/* --- what is seen, and what was said ------------------------------------------ */

/*
 * What an approver is shown now, byte for byte, and its digest.  Guards that
 * are about approvals or about what comes later (G03, G04, G10, G13 to G18)
 * are not of it.
 */
enum err_code request_shown(struct daemon *d, const struct request_book *b,
    const struct request *r, struct buf *out, char seen[ID_HEX_BYTES],
    struct err *e) MUST_CHECK;

/*
 * The same in several turns of the loop, for hundreds of services: begin, more
 * until it is whole, end (as often as wanted).  r may be another copy of the
 * same run each time.  ERR_BUSY: another policy has come into force.
 */
struct request_showing;
#define REQUEST_UNKNOWN_BYTES 256
enum err_code request_showing_begin(struct request_showing **out,
    struct daemon *d, const struct request *r, struct err *e) MUST_CHECK;
enum err_code request_showing_more(struct request_showing *w,
    const struct request_book *b, const struct request *r,
    struct err *e) MUST_CHECK;
bool request_showing_is_whole(const struct request_showing *w);
/* Of this run, and of the policy in force? */
bool request_showing_is_of(const struct request_showing *w,
    const struct request *r);
enum err_code request_showing_end(struct request_showing *w,
    const struct request *r, struct buf *out, char seen[ID_HEX_BYTES],
    struct err *e) MUST_CHECK;
void request_showing_free(struct request_showing **w);

/* Call fn with what a run's approver is shown as soon as that is made, in this
 * turn or in one to come; ctx is let go of with the last reply, or a failure. */
struct request_shown_now {
	struct request_book *book;
	struct request *r;
	const char *shown;
	/* "G08 of 'a'": shown as they were, and no longer known; "": none */
	const char *unknown;
	char seen[ID_HEX_BYTES];
	void *ctx;
};
typedef enum err_code request_shown_fn(struct client *c,
    struct request_shown_now *now, struct err *e);
enum err_code request_show_to(struct client *c, const char *run,
    request_shown_fn *fn, void *ctx, void (*ctx_free)(void **ctx),
    struct err *e) MUST_CHECK;

/* Is what is on record as shown what its digest is of, and does it say this very
 * move of that service, by the plan that is in force here? */
bool request_shown_is_of(const struct request *r,
    const struct daemon_service *s);

/* ERR_BUSY, for whatever takes several turns. */
enum err_code request_policy_changed(struct err *e) MUST_CHECK;

/* The first line of what is shown that is another one now, and whose it is. */
#define REQUEST_CHANGE_BYTES 208
void request_say_change(const char *was, const char *is,
    char out[REQUEST_CHANGE_BYTES]);

/* Who may ask for a move, and start one: bits of base/role.h. */
uint32_t request_roles(enum guards_mode mode);

/* At every tick: has what was asked for here changed, has somebody refused? */
void request_look(struct daemon *d);

/* note_event, and a signed head at once. */
enum err_code request_note(struct daemon *d, const struct draft *draft,
    struct err *e) MUST_CHECK;

/* Fields of what is shown, in pieces. */
void request_draft_shown(struct draft *d, struct buf *shown, const char *seen);

/* The rule of all its services together: the strictest of each. */
void request_rule(const struct daemon *d, const struct request *r,
    struct approvals_rule *out);

/* Do the approvals suffice for `seen`, now? */
void request_judge(const struct daemon *d, const struct request *r,
    const char *seen, struct approvals_judgement *out);

/* Of its words those that are signed where they have to be, for that service
 * (NULL: for each of the run's); how many. */
size_t request_counting(const struct daemon *d, const struct request *r,
    const char *service, struct approvals_word out[APPROVALS_WORDS_MAX]);

/* Another person stands by the broken glass.  Late is better than never; the
 * record says when. */
bool request_is_seconded(const struct request *r,
    const struct approvals_judgement *j);

/* What comes next, in words for a person.  Returns out. */
#define REQUEST_NEXT_BYTES 256
const char *request_next(const struct request *r,
    const struct approvals_judgement *j, char out[REQUEST_NEXT_BYTES]);

/* Guards that are asked for by themselves. */
enum { G04_APPROVALS = 4, G14_REGISTERS = 14 };

/*
 * The same of what is on record, for status: hundreds of services of one run ask,
 * so what was found holds for a second while nobody says anything.
 */
struct request_standing {
	char run[REQUEST_RUN_BYTES];
	struct mono at;
	size_t word_count;
	unsigned changes, needed;
	bool suffices;
	char verdict[256]; /* "1 of 2: alice (brent)" */
	char next[REQUEST_NEXT_BYTES];
};
/* Borrowed until the next call; NULL: nothing is known of the run. */
const struct request_standing *request_stands(struct daemon *d,
    const char *run);

/* "operator dr-lead": for records.  Returns out. */
#define REQUEST_ROLES_BYTES 128
const char *request_roles_text(uint32_t roles, char out[REQUEST_ROLES_BYTES]);

/* WD4 (words.h).  ERR_REFUSED: it is root, and nobody knows whose. */
enum err_code request_is_somebody(const struct client_caller *who,
    struct err *e) MUST_CHECK;

/* The caller as a person. */
void request_person(const struct daemon *d, const struct client_caller *who,
    struct approvals_person *out);

/* --- groups: pure --------------------------------------------------------------- */

/*
 * The order in which services move: whatever one depends on before it, else
 * by tier and name.  wave[i]: of services[order[i]], from 1: those of a wave
 * wait for no other of the same.  What is not in the list is not waited for.
 */
enum err_code request_group_order(const struct policy_service *const *services,
    size_t count, size_t *order, unsigned *wave, struct err *e) MUST_CHECK;

struct request_group_need {
	const char *service;
	unsigned tier;
	uint64_t memory_bytes, disk_bytes;
	uint32_t cpu_count;
	bool moves;    /* comes with this run; else it runs there already */
	bool left_out; /* it is said of it that it is shed: takes no room */
	const struct policy_texts *depends; /* NULL: on none */
	bool shed;                          /* out: has no room */
	const char *lacks; /* out: or this one has none, which it depends on */
};
struct request_group_room {
	uint64_t memory_bytes, disk_bytes; /* 0: not said */
	uint32_t cpu_count;
};
/*
 * Who fits, the lowest tier number first; of one tier those that run there
 * already, then by name.  What others depend on is worth as much as the worthiest
 * of them and has its room before them; without it they have none either.
 * *shed: how many do not, but for those that were left out.
 */
enum err_code request_group_fit(struct request_group_need *needs, size_t count,
    const struct request_group_room *room, size_t *shed,
    struct err *e) MUST_CHECK;

/* --- request_room.c: is there room at the target ------------------------------------ */

struct request_room {
	struct request_group_need *needs; /* of all who would run there */
	size_t count;
	struct request_group_room has;
	uint64_t memory_bytes, disk_bytes, cpu_count; /* all of them need */
	size_t unnamed; /* have none, and nobody said that they are shed */
};
struct request_room_ask {
	struct daemon *d;
	const char *to;
	const char *(*name)(const void *of, size_t i); /* of those that come */
	const void *of;
	size_t count;
	const char *shed; /* names, a space between; NULL or "": none */
};
enum err_code request_room_make(struct request_room *out,
    const struct request_room_ask *ask, struct err *e) MUST_CHECK;
void request_room_fini(struct request_room *r);
/* The same, of a run. */
enum err_code request_room_of(struct request_room *out, struct daemon *d,
    const struct request *r, struct err *e) MUST_CHECK;
/* ERR_REFUSED when somebody has no room and is not named: what to say. */
enum err_code request_room_check(const struct request_room *r, const char *to,
    struct err *e) MUST_CHECK;
/* Is it one of the names, a space between them? */
bool request_room_names(const char *names, const char *name);

/* --- points ------------------------------------------------------------------------ */

struct request_point {
	char id[ID_HEX_BYTES];
	struct utc at, verified_at, tested_at;
	bool complete, suspect, held;
	char proof[8]; /* "L3" */
	char tags[160], datasets[512], tested_run[JOB_ID_BYTES];
	bool lacks_dataset; /* one of the policy's is not in it */
	/* what would be lost */
	int64_t loss_ns;    /* -1: not known */
	int64_t loss_bytes; /* -1: not known */
	int64_t loss_count; /* transactions; -1: not known */
	char loss[256];     /* all of it in words */
};

#define REQUEST_POINTS_MAX 64

struct request_points {
	struct request_point items[REQUEST_POINTS_MAX]; /* newest first */
	size_t count;
	struct utc last_write; /* what loss is counted from */
	bool is_estimate;      /* nobody knows when the last write was */
	size_t chosen;         /* the best; == count: there is none */
};
/* Every candidate at the site, when the service leaves `from`, and which is the
 * best: complete, not suspect, the newest. */
enum err_code request_points_find(struct daemon *d, const char *service,
    const char *from, const char *site, struct request_points *out,
    struct err *e) MUST_CHECK;
/* The beginning of an id; NULL: none, or more than one. */
const struct request_point *request_points_named(const struct request_points
						     *ps,
    const char *id);

#endif
