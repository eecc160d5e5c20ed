#ifndef BASCULE_LEDGER_H
#define BASCULE_LEDGER_H

/*
 * What happened, in an order nobody can change unnoticed: chained records with
 * signed heads over all chains, and tables ("views") worked out from them.
 * Formats: docs/format/ledger.md.  One writer (the daemon), any number of
 * readers.
 *
 * L1. A record that ledger_append returned ERR_NONE for survives a power cut.
 * L2. Records are never changed or removed; each holds the hash of the one
 *     before it in its chain.
 * L3. Intent before the action, outcome after.  An intent without an outcome
 *     means "unknown", never "failed".
 * L4. Views change in the same transaction as the record they follow from, and
 *     can be rebuilt from the records alone.
 * L5. A database written by a newer version, or one that is damaged, is left
 *     as it is.
 *
 * Codes of everything that touches the database: ERR_CORRUPT (damaged, or not
 * a ledger), ERR_BUSY (another writer), ERR_NOSPACE, ERR_REFUSED (read-only),
 * ERR_IO.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/buf.h>
#include <bascule/base/defs.h>
#include <bascule/base/err.h>
#include <bascule/base/id.h>
#include <bascule/base/now.h>

struct sign_key;    /* crypt.h */
struct sign_public; /* crypt.h */
struct wire_value;  /* wire.h */

#define LEDGER_CHAIN_SHARED     "shared"
#define LEDGER_NAME_BYTES_MAX   255
#define LEDGER_VALUE_BYTES_MAX  ((size_t)64 << 10)
#define LEDGER_FIELDS_MAX       1024
#define LEDGER_RECORD_BYTES_MAX ((size_t)1 << 20)
#define LEDGER_CHAINS_MAX       64
#define LEDGER_HEAD_EVERY       256 /* records, when no other occasion comes */
#define LEDGER_INTENT_BYTES     33  /* 32 hex digits and the NUL */

/* --- types of records -------------------------------------------------------
 * The types the views know; any other type is kept and shown as it is.  The
 * fields of each: docs/format/ledger.md, "Record types".
 */

#define LEDGER_DAEMON    "daemon"    /* state: started, stopped */
#define LEDGER_POLICY    "policy"    /* loaded, with its digest */
#define LEDGER_JOB       "job"       /* run is the job's id */
#define LEDGER_POINT     "point"     /* what became of a recovery point */
#define LEDGER_LINK      "link"      /* a link went up or down */
#define LEDGER_EXERCISE  "exercise"  /* run is the exercise's id */
#define LEDGER_STEP      "step"      /* of an exercise or failover */
#define LEDGER_AUTHORITY "authority" /* at which site a service runs */
#define LEDGER_ALARM     "alarm"     /* something is wrong, or no longer */
#define LEDGER_ACCESS    "access" /* somebody asked for something that matters */
#define LEDGER_CANARY    "canary"    /* the escrow key was tried */
#define LEDGER_FAILOVER  "failover"  /* run is the move's: moves.md */
#define LEDGER_APPROVAL  "approval"  /* somebody's word about such a run */
#define LEDGER_READY     "ready"     /* could a service come up here? */
#define LEDGER_ACTION    "action"    /* something to be done, by somebody */
#define LEDGER_EXCEPTION "exception" /* a risk taken until a day */

#define LEDGER_BOX "box" /* a battle box was made */

/* The result of a canary. */
#define LEDGER_CANARY_PROVED     "PROVED"
#define LEDGER_CANARY_NOT_PROVED "NOT PROVED"

/* --- drafts: records being written ------------------------------------------
 * Adding sticks at the first fault; ledger_append reports it.  All text is
 * copied.  Order is kept, names may come again.
 */

struct draft;

/* chain NULL: LEDGER_CHAIN_SHARED. */
enum err_code draft_new(struct draft **out, const char *chain, const char *type,
    struct err *e) MUST_CHECK;
void draft_free(struct draft **d);

/* NULL or "" leaves the field out. */
void draft_run(struct draft *d, const char *run);
void draft_service(struct draft *d, const char *service);
void draft_dataset(struct draft *d, const char *dataset);
void draft_policy(struct draft *d, const char *digest);
void draft_plan(struct draft *d, const char *digest);

struct draft_actor {
	int64_t uid; /* -1: not a local user */
	const char *name;
	const char *role;
	const char *council;
	const char *key_fingerprint;
};
/* Without one the actor is the daemon itself. */
void draft_actor(struct draft *d, const struct draft_actor *actor);

void draft_text(struct draft *d, const char *name, const char *value);
void draft_bytes(struct draft *d, const char *name, const void *value,
    size_t len_bytes);
void draft_int(struct draft *d, const char *name, int64_t value);
void draft_uint(struct draft *d, const char *name, uint64_t value);
/* An instant, as decimal nanoseconds since 1970 UTC; name it ..._ns. */
void draft_utc(struct draft *d, const char *name, struct utc t);

/* --- records: reading one ---------------------------------------------------
 * A record is bytes; this is the view of them.  Everything is borrowed from
 * the bytes except where said.
 */

enum record_phase { RECORD_EVENT, RECORD_INTENT, RECORD_OUTCOME };

struct record_text { /* not NUL-ended */
	const char *at;
	size_t len_bytes;
};

struct record_field {
	bool closed; /* redacted: only its hash is here */
	struct record_text name;
	struct record_text value;
};

struct record {
	uint64_t
	    row; /* place in this database; for following.  0: not from one */
	struct id hash;
	struct id previous; /* none: the chain's first */
	struct record_text chain;
	uint64_t sequence; /* from 1 */
	struct record_text type;
	uint16_t type_version;
	enum record_phase phase;
	struct utc at;
	struct mono mono;
	int64_t clock_bound_ns; /* |clock - true| at most; -1: unknown */
	struct record_text boot_id;
	size_t fields_count; /* reserved names ("@...") too */
	const uint8_t *fields;
	size_t fields_bytes;
	const uint8_t *bytes; /* all of it, verbatim */
	size_t len_bytes;
};

/* Take bytes apart and compute their hash.  ERR_CORRUPT. */
enum err_code record_decode(struct record *r, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;

/*
 *	struct record_cursor c = {0};
 *	while (record_next(r, &c, &field)) ...
 */
struct record_cursor {
	size_t offset_bytes;
	size_t done_count;
};
bool record_next(const struct record *r, struct record_cursor *c,
    struct record_field *field);

/* The first open field of that name; false when there is none.  Reserved:
 * "@run", "@service", "@dataset", "@site", "@host", "@build", "@policy",
 * "@plan", "@actor.uid", "@actor.name", "@actor.role", "@actor.council",
 * "@actor.key", "@intent". */
bool record_find(const struct record *r, const char *name,
    struct record_text *value);
/* The same copied and NUL-ended, "" when absent, cut when it does not fit.
 * Returns out. */
const char *record_text(const struct record *r, const char *name, char *out,
    size_t out_bytes);
/* The same as a number; the fallback when absent or not a number. */
int64_t record_int(const struct record *r, const char *name, int64_t fallback);
bool record_text_is(struct record_text t, const char *text);

/*
 * The record with the fields for which keep says no replaced by their hashes:
 * same hash, same chain, nothing to guess from.
 */
enum err_code record_redact(const struct record *r,
    bool (*keep)(void *ctx, const struct record_field *field), void *ctx,
    struct buf *out, struct err *e) MUST_CHECK;

/* As docs/protocol/api.md's "record" message; its "ts" is the record's. */
enum err_code record_to_wire(const struct record *r, struct wire_value **out,
    struct err *e) MUST_CHECK;

/* --- heads: signed statements of how far every chain has come -------------- */

struct head_tip {
	char chain[LEDGER_NAME_BYTES_MAX + 1];
	uint64_t sequence;
	struct id hash;
};

struct head {
	uint64_t number;    /* from 1 */
	struct id hash;     /* of this head's bytes */
	struct id previous; /* none: the first */
	struct utc at;
	uint8_t
	    incarnation[16]; /* of this database; a restored one gets a new */
	char site[LEDGER_NAME_BYTES_MAX + 1];
	size_t tips_count;
	struct head_tip tips[LEDGER_CHAINS_MAX]; /* ordered by chain name */
};

#define HEAD_LABEL "bascule ledger head v1" /* of the signature */

/* "SHA256:..." of a signer's SIGN_PUBLIC_BYTES; out: so many bytes. */
#define HEAD_FINGERPRINT_BYTES 51
enum err_code head_fingerprint(const uint8_t *signer, char *out,
    struct err *e) MUST_CHECK;

/* ERR_CORRUPT. */
enum err_code head_decode(struct head *h, const void *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;

/* --- opening ---------------------------------------------------------------- */

struct ledger;

struct ledger_options {
	const char *site; /* borrowed for the ledger's life, like all here */
	const char *host; /* NULL: gethostname */
	const char *build_id;          /* NULL: the version */
	const struct sign_key *signer; /* NULL: no heads are signed */
	uint32_t head_every;           /* 0: LEDGER_HEAD_EVERY */
	int64_t clock_bound_ns;        /* 0: unknown */
	const char *vfs; /* NULL: SQLite's own (tests put faults here) */
};

/*
 * Open for writing; make the database (mode 0600) when there is none, migrate
 * an older one.  ERR_TOONEW: written by a newer version.
 */
enum err_code ledger_open(struct ledger **out, const char *path,
    const struct ledger_options *options, struct err *e) MUST_CHECK;
/* Read only; nothing on disk changes.  ERR_NOTFOUND. */
enum err_code ledger_open_readonly(struct ledger **out, const char *path,
    struct err *e) MUST_CHECK;
/* Signs no head: call ledger_sign_head before an orderly end. */
void ledger_close(struct ledger **l);

/* The clock's bound, as measured since. */
void ledger_set_clock_bound(struct ledger *l, int64_t bound_ns);

/* --- appending -------------------------------------------------------------- */

struct ledger_place {
	uint64_t row;
	uint64_t sequence;
	struct id hash;
};

/* Durable when it returns ERR_NONE.  place may be NULL. */
enum err_code ledger_append(struct ledger *l, const struct draft *d,
    struct ledger_place *place, struct err *e) MUST_CHECK;

/* What we are about to do.  intent names it for the outcome. */
enum err_code ledger_intent(struct ledger *l, const struct draft *d,
    char intent[LEDGER_INTENT_BYTES], struct err *e) MUST_CHECK;

/*
 * What came of it.  The draft's chain, run and service are the intent's own;
 * its type must be the intent's.  ERR_NOTFOUND: no such intent is open.
 */
enum err_code ledger_outcome(struct ledger *l, const char *intent,
    const struct draft *d, struct err *e) MUST_CHECK;

/*
 * Records that come together: between the two, what is appended is in one
 * transaction, durable when ledger_group_end returns ERR_NONE and not before.
 * Not for an intent whose act begins in between.
 *	begin; ...; rc = ledger_group_end(l, rc, e)
 * All of it or nothing: nothing when rc is a failure, or an append was one.
 * Groups do not nest.
 */
enum err_code ledger_group_begin(struct ledger *l, struct err *e) MUST_CHECK;
enum err_code ledger_group_end(struct ledger *l, enum err_code rc,
    struct err *e) MUST_CHECK;

/* --- asking ----------------------------------------------------------------- */

typedef enum err_code ledger_record_fn(void *ctx, const struct record *r,
    struct err *e);

struct ledger_filter {    /* zeroed memory: everything, oldest first */
	struct utc since; /* ns 0: no limit; at or after */
	struct utc until; /* ns 0: no limit; before */
	const char *chain;
	const char *type;
	const char *run;
	const char *service;
	uint64_t after_row; /* for following: the last row seen */
	uint64_t up_to_row; /* 0: no limit */
	uint64_t limit;     /* 0: all */
	bool newest;        /* with a limit: the newest so many, oldest first */
	bool damaged_too;   /* records that cannot be taken apart come with row
	                       and bytes only, instead of ending the walk */
};

/* A failure of fn ends the walk and is returned as it is. */
enum err_code ledger_iterate(struct ledger *l, const struct ledger_filter *f,
    ledger_record_fn *fn, void *ctx, struct err *e) MUST_CHECK;

/* Intents without an outcome, oldest first: after a restart, "unknown". */
enum err_code ledger_open_intents(struct ledger *l, ledger_record_fn *fn,
    void *ctx, struct err *e) MUST_CHECK;

/* The newest record's row: 0 when there is none. */
enum err_code ledger_last_row(struct ledger *l, uint64_t *row,
    struct err *e) MUST_CHECK;

/* --- heads ------------------------------------------------------------------ */

/*
 * Sign a head if there are records that none covers.  *h, when not NULL: the
 * newest head, number 0 when there is none.  ERR_REFUSED: no signer.
 */
enum err_code ledger_sign_head(struct ledger *l, struct head *h,
    struct err *e) MUST_CHECK;

struct ledger_head {
	const uint8_t *bytes; /* what is signed */
	size_t len_bytes;
	const uint8_t *signer;    /* SIGN_PUBLIC_BYTES */
	const uint8_t *signature; /* SIGN_BYTES */
};
typedef enum err_code ledger_head_fn(void *ctx, const struct ledger_head *h,
    struct err *e);
/* From number on, in order. */
enum err_code ledger_heads(struct ledger *l, uint64_t from, ledger_head_fn *fn,
    void *ctx, struct err *e) MUST_CHECK;

/* The newest head; number 0 when there is none. */
enum err_code ledger_sign_last(struct ledger *l, struct head *h,
    struct err *e) MUST_CHECK;

/* --- copies -------------------------------------------------------------------
 * Another site's ledger, as far as it has proved it: a database of the same
 * form, written by ledger_copy_extend alone.  It goes on by steps: a head and
 * the records between it and the head before.  So a copy never holds a record
 * that its site has not signed for, and every other function here reads it.
 */

struct ledger_copy_step {
	struct ledger_head head;
	const struct buf *records; /* in the order of their rows */
	size_t records_count;
};

struct ledger_pin {
	const char *site;
	const char *const *keys; /* fingerprints; 0: the first one seen stays */
	size_t keys_count;
};

/*
 * All of the step or nothing.  ERR_INPUT: these are no records and head;
 * ERR_KEY: not signed by whom it should be; ERR_REFUSED: it does not extend
 * what is held (the text says where).
 */
enum err_code ledger_copy_extend(struct ledger *copy,
    const struct ledger_copy_step *step, const struct ledger_pin *pin,
    struct err *e) MUST_CHECK;

/*
 * Of the step that ends with head number: its records have rows past *after,
 * up to *last.  ERR_NOTFOUND: there is no such head.
 */
enum err_code ledger_copy_rows(struct ledger *l, uint64_t number,
    uint64_t *after, uint64_t *last, struct err *e) MUST_CHECK;

/* --- statements: other sites' words that are kept in records -----------------
 * Each is bytes with the key it was signed with beside it: whose key that is,
 * the reader must know from elsewhere.
 */

#define LEDGER_HEALED          "healed"          /* what, and from where */
#define LEDGER_ACKNOWLEDGEMENT "acknowledgement" /* field of a point: hex */
#define LEDGER_COSIGNATURE     "cosignature"     /* type, and its field: hex */

/* "This point, and all that it needs, is durable here since then." */
struct ack {
	uint8_t family[16]; /* of the repository and its copies */
	struct id point;
	struct utc since; /* by the receiver's clock */
	char service[LEDGER_NAME_BYTES_MAX + 1];
	uint8_t signer[32]; /* out */
};
enum err_code ack_make(const struct ack *a, const struct sign_key *key,
    struct buf *out, struct err *e) MUST_CHECK;
/* ERR_CORRUPT: it is none, or not signed by the key beside it. */
enum err_code ack_read(struct ack *a, const void *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;

/* "I hold site's ledger up to this head, and it extends what I held before." */
struct cosign {
	uint64_t number; /* of the head */
	struct id head;
	struct utc at;
	char site[LEDGER_NAME_BYTES_MAX + 1]; /* whose head it is */
	char by[LEDGER_NAME_BYTES_MAX + 1];   /* who says so */
	uint8_t signer[32];                   /* out */
};
enum err_code cosign_make(const struct cosign *c, const struct sign_key *key,
    struct buf *out, struct err *e) MUST_CHECK;
/* ERR_CORRUPT. */
enum err_code cosign_read(struct cosign *c, const void *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;

/* --- proof ------------------------------------------------------------------
 * The judge of a ledger's bytes, wherever they come from: all heads in order,
 * then the records, each chain's in order, then the end.  It reads nothing and
 * knows no database; lib/ledger/proof.c is meant to be read by reviewers.
 */

struct proof;

struct proof_options {
	const struct sign_public *key; /* NULL: the one beside the heads, which
	                                  proves consistency, not who signed */
	bool after_first_head;         /* the records begin behind its tips */
	const char *const *chains;     /* the ones to expect; NULL: all */
	size_t chains_count;
};

struct ledger_verdict {
	uint64_t records_count;
	uint64_t heads_count;
	uint64_t
	    unsigned_count; /* records after the last head: one site's word */
	bool bad;
	char chain[LEDGER_NAME_BYTES_MAX + 1]; /* of the first bad record; "" */
	uint64_t sequence;                     /* its place, 0 for a head */
	char what[ERR_TEXT_BYTES];             /* what differs */
};

/* options: copied, what they point at borrowed. */
enum err_code proof_new(struct proof **out, const struct proof_options *options,
    struct err *e) MUST_CHECK;
void proof_free(struct proof **p);

/* ERR_CORRUPT: this one is bad; nothing after it can be judged. */
enum err_code proof_head(struct proof *p, const struct ledger_head *h,
    struct err *e) MUST_CHECK;
enum err_code proof_record(struct proof *p, const void *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;
/* Nothing that a head speaks of may be missing. */
enum err_code proof_end(struct proof *p, struct err *e) MUST_CHECK;

/* So far; borrowed from p. */
const struct ledger_verdict *proof_verdict(const struct proof *p);
/* Who signed the heads; NULL before the first. */
const struct sign_public *proof_signer(const struct proof *p);

/* --- verification ----------------------------------------------------------- */

/*
 * Recompute everything.  key NULL: the signatures are checked with the keys
 * that stand beside them, which proves consistency, not who signed.  Damage is
 * a verdict, with ERR_NONE; a code is returned when the database could not be
 * read at all.
 */
enum err_code ledger_verify(struct ledger *l, const struct sign_public *key,
    struct ledger_verdict *v, struct err *e) MUST_CHECK;

/* --- views ------------------------------------------------------------------
 * Rows are borrowed for the callback; text that is not known is "", numbers
 * -1, instants 0.
 */

/* Forget all views and work them out again from the records. */
enum err_code ledger_rebuild(struct ledger *l, struct err *e) MUST_CHECK;

struct ledger_job {
	const char *id; /* the run */
	const char *kind;
	const char *service;
	const char *dataset;
	const char *state; /* queued running waiting retrying succeeded partial
	                      failed cancelled skipped unknown */
	const char *reason;
	const char *actor;    /* who or what asked */
	const char *snapshot; /* what it produced */
	struct utc queued, started, ended;
	int64_t attempt;
	int64_t bytes, new_bytes, files;
};

struct ledger_job_filter {
	const char *id;
	const char *service;
	const char *state;
	bool unfinished; /* queued running waiting retrying */
	uint64_t limit;  /* the newest so many, newest first; 0: all */
};

typedef enum err_code ledger_job_fn(void *ctx, const struct ledger_job *j,
    struct err *e);
enum err_code ledger_jobs(struct ledger *l, const struct ledger_job_filter *f,
    ledger_job_fn *fn, void *ctx, struct err *e) MUST_CHECK;

struct ledger_point {
	const char *id;
	const char *service;
	const char *site; /* where it was taken */
	struct utc at;    /* of what the data is */
	int64_t sequence;
	bool complete;
	bool suspect;
	bool held;
	const char *verified_level; /* the last: "L3", ... */
	struct utc verified_at;
	const char *tested_run; /* the last exercise that used it */
	struct utc tested_at;
	const char *sites; /* that hold a complete copy: "brent southwark" */
	const char *snapshots; /* one a line: "DATASET SNAPSHOT" */
	uint64_t row;          /* of the first record about it */
};

struct ledger_point_filter {
	const char *id;
	const char *service;
	const char *at_site; /* replicated there, or taken there */
	bool complete;       /* only complete ones */
	uint64_t limit;      /* the newest so many, newest first; 0: all */
	struct utc as_of;    /* as the records up to then have it; ns 0: now */
};

typedef enum err_code ledger_point_fn(void *ctx, const struct ledger_point *p,
    struct err *e);
enum err_code ledger_points(struct ledger *l,
    const struct ledger_point_filter *f, ledger_point_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;
/* When the point reached that site: 0 when it has not. */
enum err_code ledger_points_reached(struct ledger *l, const char *point,
    const char *site, struct utc *at, struct err *e) MUST_CHECK;

struct ledger_exercise {
	const char *run;
	const char *service;
	const char *mode;  /* test, tabletop, ... */
	const char *state; /* REQUESTED ... CLEAN */
	const char *result;
	const char *reason;
	const char *point;
	const char *actor;
	struct utc requested, ended;
	int64_t rta_ns, rto_ns, rpa_ns,
	    rpo_ns; /* -1: not measured, no target */
};

struct ledger_exercise_filter {
	const char *run;
	const char *service;
	const char *mode;
	uint64_t limit; /* the newest so many, newest first; 0: all */
};

typedef enum err_code ledger_exercise_fn(void *ctx,
    const struct ledger_exercise *x, struct err *e);
enum err_code ledger_exercises(struct ledger *l,
    const struct ledger_exercise_filter *f, ledger_exercise_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;

struct ledger_step {
	const char *run;
	const char *step;
	const char *kind;  /* run, check, restore, confirm, undo ... */
	const char *state; /* running, done, failed, skipped, undone, unknown */
	const char *reason;
	const char *output_hash;
	const char *site, *host;
	struct utc started, ended;
	int64_t planned_ns; /* how long it was expected to take */
	int64_t attempt, exit_status;
};

typedef enum err_code ledger_step_fn(void *ctx, const struct ledger_step *s,
    struct err *e);
/* Of one run, in the order they began. */
enum err_code ledger_steps(struct ledger *l, const char *run,
    ledger_step_fn *fn, void *ctx, struct err *e) MUST_CHECK;

#endif
