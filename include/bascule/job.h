#ifndef BASCULE_JOB_H
#define BASCULE_JOB_H

/*
 * Where source, store, ssh and plan meet: the work that the command line does
 * itself and that a worker of the daemon does for it.
 *
 * J1. A job may be killed at any instant: what it acknowledged stays, the rest
 *     is as if it had not begun.
 * J2. Nothing here knows the ledger or the schedule: what happened is told
 *     through callbacks, and the daemon writes it down.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/buf.h>
#include <bascule/base/defs.h>
#include <bascule/base/err.h>
#include <bascule/store.h>

struct policy;         /* policy.h */
struct policy_service; /* policy.h */
struct sign_key;       /* crypt.h */

struct keyring; /* crypt.h */
struct secret;  /* crypt.h */

/* --- telling how it goes (all of them may be NULL) ------------------------ */

struct job_progress {
	uint64_t files_count;
	uint64_t done_bytes;
	uint64_t total_bytes; /* 0: not known */
};

struct job_watch {
	void *ctx;
	/* Often; false asks the job to stop: it ends with ERR_CANCELLED. */
	bool (*progress)(void *ctx, const struct job_progress *p);
	/* Something short of a failure: path may be NULL, is raw bytes. */
	void (*problem)(void *ctx, const char *path, const char *reason);
};

/* --- keys ------------------------------------------------------------------ */

/*
 * The keyring in a key file.  passphrase_file NULL: the service manager's
 * credential bascule.passphrase is taken if there is one; else the file must
 * not be wrapped.  ERR_KEY (it says what to set) also when the file is not
 * there, damaged, or no key file.
 */
enum err_code keys_load(struct keyring **out, const char *key_file,
    const char *passphrase_file, struct err *e) MUST_CHECK;
/* That of a policy: its key file, opened as it says. */
enum err_code keys_of_policy(struct keyring **out, const struct policy *p,
    struct err *e) MUST_CHECK;

/* Can a key file's worth of memory be locked here? */
bool keys_can_be_locked(void);

/* The passphrase in a file of its own (its last newline does not count). */
enum err_code keys_passphrase(struct secret *out, const char *path,
    struct err *e) MUST_CHECK;

/* --- capture: one dataset into one snapshot -------------------------------- */

struct source_host; /* source.h */

struct capture_options {
	const char *service, *dataset;
	const struct source_host *host; /* where it is; NULL: here */
	/* A tree of another host: all of it is read once in that time. */
	int64_t read_again_ns; /* 0: 30 days */
	/* a tree ... */
	const char *const *roots;
	size_t roots_count;
	const char *const *excludes;
	size_t excludes_count;
	bool one_file_system, exclude_caches;
	/* ... or the output of a command (NULL-ended), kept as one file */
	const char *const *command;
	const char *command_path; /* its name; NULL: the dataset's */
	int64_t command_timeout_ns;
	uint64_t min_bytes;
	uint32_t max_shrink_millipercent; /* 0: not asked */

	enum writer_codec codec;
	int level;
	enum chunking chunking;
	uint32_t chunk_fixed_bytes;
	const char *const *tags;
	size_t tags_count;
	uint8_t group[16];     /* of the recovery point; zero: none */
	const char *state_dir; /* of the state cache; NULL: none is kept */
	/* A checkpoint is made when either is over. */
	int64_t checkpoint_ns;     /* 0: every minute; < 0: none at all */
	uint64_t checkpoint_bytes; /* new ones; 0: every 16 GiB */
	/*
	 * What a key that cannot read keeps in the clear beneath state_dir, of
	 * this dataset, to store differences from (store.h, delta_cache).
	 * 0: nothing, and what was kept before is removed.
	 */
	uint64_t delta_cache_bytes;
	int64_t delta_cache_keep_ns; /* 0: 30 days */
	bool dry_run;                /* look, and store nothing */
	struct job_watch watch;
};

/* What a snapshot was made of, whoever made it. */
struct capture_counts {
	uint64_t files_count, dirs_count, others_count;
	uint64_t bytes, new_bytes, stored_bytes;
	uint64_t problems_count; /* > 0: the snapshot is partial */
	int64_t took_ns;
};

struct capture_result {
	struct id snapshot; /* zero after a dry run */
	struct capture_counts counts;
	uint64_t unchanged_count; /* of all: taken over without being read */
	/* Of new_bytes: of changed files whose earlier content is unreadable
	   to this key, and that no delta_cache was kept of. */
	uint64_t undiffed_bytes;
};

/*
 * Save what the options name in the repository st (opened for writing, with a
 * keyring that can write).  ERR_NONE with problems_count > 0 is a partial
 * snapshot.  A failing command makes no snapshot (its code and the last of its
 * stderr are in *e).  ERR_NOTFOUND: a root is not there.
 * A run that is stopped (ERR_CANCELLED), killed, or has lost its host
 * (ERR_TIMEOUT) leaves a checkpoint, at most a minute old: the next run with the same
 * state_dir reads nothing of it again.
 */
enum err_code capture_run(struct store *st, const struct capture_options *opt,
    struct capture_result *out, struct err *e) MUST_CHECK;

/* --- retention: which snapshots stay, and why ------------------------------- */

/*
 * Each series (service and dataset) is judged by itself (retain_judge); then a
 * snapshot stays with every recovery point that keeps another of its
 * snapshots, so that points stay whole.  Pure: what stays follows from the
 * snapshots, the rule, the date and how long each has surely been here
 * (ages_of), which no clock that is set wrong can hurry.
 */

struct retain_rule; /* calendar.h */

/* Reasons beside those of calendar.h. */
#define RETENTION_POINT      0x10000u /* its recovery point stays */
#define RETENTION_CHECKPOINT 0x20000u /* of a run that may yet go on */
#define RETENTION_IN_USE     0x40000u /* a running backup builds on it */
#define RETENTION_IMMUTABLE  0x80000u /* not that long here yet */
#define RETENTION_TEXT_BYTES 256

struct retention_options {
	const struct retain_rule *rule;
	const char *service; /* NULL: all of them */
	struct utc now;
	int64_t
	    immutable_ns; /* of a copy: none goes before it was here so long;
			   * by the repository's own clock (ages_of) */
	/* RETAIN_IS_... that only others know.  NULL: nobody does. */
	uint32_t (*flags)(void *ctx, const struct id *snapshot);
	void *ctx;
};

struct retention {
	struct snapshot_list list; /* by (epoch, sequence) */
	uint32_t *reasons;         /* of each; 0: it may go */
};
void retention_fini(struct retention *r);
/* ERR_CORRUPT: a hold cannot be read. */
enum err_code retention_judge(struct retention *out, struct store *st,
    const struct retention_options *opt, struct err *e) MUST_CHECK;
/*
 * Forget what has no reason to stay.  What has got one meanwhile stays, and
 * has it afterwards.
 */
enum err_code retention_apply(struct retention *r, struct store *st,
    bool dry_run, struct forget_tally *out, struct err *e) MUST_CHECK;
/* Calls fn for each name of a reason. */
void retention_each_reason(uint32_t reasons,
    void (*fn)(void *ctx, const char *name), void *ctx);
/* "daily, last"; "" for 0.  Returns out. */
const char *retention_text(uint32_t reasons, char out[RETENTION_TEXT_BYTES]);

/* --- restore: a snapshot, or a part of it, into a directory ---------------- */

enum restore_overwrite {
	RESTORE_DIFFERING, /* what differs is made as it was; the default */
	RESTORE_NEVER,     /* what exists stays as it is */
	RESTORE_ALWAYS     /* everything is written again */
};

/* "differing", "never", "always"; false: none of them. */
bool restore_overwrite_of(const char *word, enum restore_overwrite *out);

/* What a restore does to an entry of the target. */
enum restore_change {
	RESTORE_MAKE,    /* there is none */
	RESTORE_ALTER,   /* its content or metadata differ */
	RESTORE_REPLACE, /* something else has its name */
	RESTORE_DELETE   /* the snapshot lacks it */
};
const char *restore_change_name(enum restore_change change); /* "make" */

struct restore_options {
	struct id root;      /* of the snapshot's tree */
	const char *subtree; /* "": DIR/srv/a; else its content goes into DIR */
	const char *const *paths; /* only what is at or under these; 0: all */
	size_t paths_count;
	const char *to; /* made if missing */
	enum restore_overwrite overwrite;
	bool delete_others; /* what the snapshot lacks, beneath what it has */
	bool verify;        /* read everything again afterwards and compare */
	bool dry_run;       /* compare and tell, change nothing */
	/* With dry_run, each change; ctx is watch's; path is beneath `to`. */
	void (
	    *planned)(void *ctx, enum restore_change change, const char *path);
	uint64_t
	    total_bytes; /* of what is restored, for the progress; 0: unknown */
	unsigned workers; /* 0: one a core */
	struct job_watch watch;
};

struct restore_result {
	uint64_t files_count, dirs_count, others_count;
	uint64_t bytes, written_bytes;
	uint64_t same_count; /* existed as they should be, or were left alone */
	uint64_t changed_count; /* existed otherwise */
	uint64_t cloned_count;  /* share another restored file's blocks */
	uint64_t deleted_count;
	uint64_t warnings_count; /* metadata that could not be set */
	uint64_t kept_count;   /* another's, which stay ours: we are not root */
	uint64_t failed_count; /* entries not restored */
	uint64_t damaged_count; /* ... of these, for damage in the repository */
	uint64_t differ_count;  /* content or kind, found by verify */
	int64_t took_ns;
};

/*
 * Everything is made beneath `to` through held descriptors: neither a hostile
 * snapshot nor a symbolic link put there meanwhile leads out of it.
 * ERR_NOTFOUND: nothing in the snapshot matches.  ERR_NONE with failed_count
 * or differ_count > 0 is a partial restore.
 */
enum err_code restore_run(struct store *st, const struct restore_options *opt,
    struct restore_result *out, struct err *e) MUST_CHECK;

/* --- export: a snapshot, or a part of it, as a pax archive ------------------ */

struct export_options {
	struct id root;
	const char *subtree; /* names are relative to it; "": to the root */
	const char *const *paths; /* below the subtree; 0: all of it */
	size_t paths_count;
	/* Where the bytes go, in order. */
	enum err_code (*sink)(void *arg, const void *bytes, size_t len_bytes,
	    struct err *e);
	void *sink_arg;
	int level;            /* of zstd; 0: not compressed */
	uint64_t total_bytes; /* for the progress; 0: not known */
	struct job_watch watch;
};

struct export_result {
	uint64_t files_count, dirs_count, others_count, bytes;
	uint64_t left_out_count; /* sockets: tar knows none */
	uint64_t warnings_count; /* of what an entry has and tar cannot say */
	int64_t took_ns;
};

/*
 * ERR_NOTFOUND: a path is not in the snapshot.  Unless ERR_NONE comes back, what
 * the sink got is not an archive.
 */
enum err_code export_run(struct store *st, const struct export_options *opt,
    struct export_result *out, struct err *e) MUST_CHECK;

/* --- import: any archive as a snapshot ---------------------------------------- */

struct import_options {
	int fd;           /* the archive, at its beginning */
	const char *name; /* what people call it */
	const char *service, *dataset;
	const char *const *tags;
	size_t tags_count;
	const char *under; /* a path that everything is put below; NULL: none */
	uint64_t
	    max_bytes; /* of content; 0: 2000 times the archive, past 1 GiB */
	uint64_t max_entries; /* 0: a hundred million */
	uint64_t total_bytes; /* of the archive, for the progress; 0: unknown */
	bool dry_run;
	struct job_watch watch;
};

struct import_result {
	struct id snapshot; /* zero after a dry run */
	char format[64];    /* "GNU tar format" */
	struct capture_counts counts;
};

/*
 * ERR_INPUT: no archive, or broken: no snapshot is made.  ERR_REFUSED: over a
 * limit.  ERR_NONE with problems_count > 0: names that lead out of the tree,
 * that come twice, below what is no directory: they were left out and are in
 * the snapshot's problems.
 */
enum err_code import_run(struct store *st, const struct import_options *opt,
    struct import_result *out, struct err *e) MUST_CHECK;

/* --- digests: what policies and plans are told apart by -------------------- */

/* SHA-256 of policy_canonical: what both sites share. */
enum err_code digest_policy(const struct policy *p, struct id *out,
    struct err *e) MUST_CHECK;
/* ... of policy_canonical_plan. */
enum err_code digest_plan(const struct policy_service *s, struct id *out,
    struct err *e) MUST_CHECK;

/* --- polcopy: a policy as it was loaded, kept in a file --------------------- */

/*
 * Write the policy's files into one file of dir, named after its digest and its
 * content.  *path: the caller's, to free.  *digest: the policy's.
 */
enum err_code polcopy_save(const struct policy *p, const char *dir, char **path,
    struct id *digest, struct err *e) MUST_CHECK;
enum err_code polcopy_load(struct policy **out, const char *path,
    struct err *e) MUST_CHECK;
/* The one of that digest (64 hex digits), from its copy in dir.  ERR_NOTFOUND. */
enum err_code polcopy_find(struct policy **out, const char *dir,
    const char *digest, struct err *e) MUST_CHECK;

/* Called with a policy that it may take, and its digest. */
typedef enum err_code polcopy_fn(void *ctx, struct policy **p,
    const struct id *digest, struct err *e);
/*
 * Each copy in dir, in no order; those that cannot be read, or a dir that is not
 * there, are none.  A failure of fn ends it and is returned as it is.
 */
enum err_code polcopy_each(const char *dir, polcopy_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;

struct polcopy_keep {
	const char *const *digests; /* one copy of each, the newest */
	size_t digests_count;
	const char *const *names; /* and these files; a NULL counts not */
	size_t names_count;
};
/* Remove the copies in dir that nobody asks for; those with an older version's
 * names stay. */
enum err_code polcopy_prune(const char *dir, const struct polcopy_keep *keep,
    size_t *removed, struct err *e) MUST_CHECK;

/* --- ledgerkey: the key that signs a ledger's heads ------------------------- */

/* The key in the file; made, mode 0600, when there is none yet. */
enum err_code ledgerkey_open(struct sign_key **out, const char *path,
    struct err *e) MUST_CHECK;
void ledgerkey_free(struct sign_key **key);

/* --- survey: what a repository holds since an instant ------------------------ */

struct survey_found {
	size_t points_count, snapshots_count; /* begun since */
	struct id point; /* the newest of them, when points_count > 0 */
};

/* Needs no key. */
enum err_code survey_since(const char *repository, const char *service,
    struct utc since, struct survey_found *out, struct err *e) MUST_CHECK;
/*
 * Let the clock of a repository see that time has passed (ages_look): every few
 * minutes, so that no age is lost while nobody writes.
 */
enum err_code survey_age(const char *repository, struct err *e) MUST_CHECK;
/*
 * The epochs beside a repository's copy: epochs_tell and epochs_find by its
 * path, for who is no store's user.
 */
enum err_code survey_tell_epoch(const char *repository, const char *service,
    const struct epoch_mark *to, struct epoch_mark *is,
    struct err *e) MUST_CHECK;
enum err_code survey_epoch(const char *repository, const char *service,
    struct epoch_mark *out, struct err *e) MUST_CHECK;
/* The id of its family, in hex, as key show prints it. */
#define SURVEY_FAMILY_SIZE (2 * STORE_FAMILY_BYTES + 1)
enum err_code survey_family(const char *repository,
    char out[SURVEY_FAMILY_SIZE], struct err *e) MUST_CHECK;

/*
 * The i-th guarantee that a copy at that site is without, whoever serves it: a
 * sentence.  NULL past the last.
 */
struct policy_site;
const char *survey_lacks(const struct policy_site *site, size_t i);

/* --- worker: the child's side of docs/protocol/worker.md --------------------- */

/*
 * Do the one job that the line on stdin asks for, and return the exit code.
 * Never returns when the daemon has gone.
 */
int worker_main(void);

/* --- exercise: the isolated test of a service ------------------------------- */

/*
 * X1. Before anything is created it is in the inventory, which is durable;
 *     whoever finds the inventory can clean up, however the run died.
 * X2. The repository is opened for reading only.
 * X3. Steps but restores run in a network of their own with nothing but a
 *     loopback; where none can be made the isolation is NOT MEASURED.
 * X4. PASS needs CLEAN: no process, no undo left to do, no file.
 */

struct policy_site;
struct planrun_field {
	char *name, *value;
};

/* What a test at a site does of the plan: pure, known before it is started. */
enum exercise_does {
	EXERCISE_DONE,
	EXERCISE_ELSEWHERE, /* no: on another machine */
	EXERCISE_FOLLOWS,   /* no: after one that is not */
	EXERCISE_NOT_OURS   /* of another mode, or for another site */
};
struct exercise_scope {
	enum exercise_does *steps; /* each of the service's plan */
	size_t *behind; /* which one it is behind that stands aside */
	size_t done_count, aside_count;
};
enum err_code exercise_scope_of(struct exercise_scope *out,
    const struct policy *p, const struct policy_service *s,
    const struct policy_site *site, struct err *e) MUST_CHECK;
void exercise_scope_fini(struct exercise_scope *c);
/* Why the ith stands aside; NULL: it does not.  Returns out. */
const char *exercise_scope_why(const struct exercise_scope *c,
    const struct policy_service *s, size_t i, char *out, size_t size);
/* The highest rung that such a test can prove (POLICY_L4, POLICY_L6), and why
 * that is so.  Returns out. */
unsigned exercise_scope_most(const struct exercise_scope *c);
const char *exercise_scope_words(const struct exercise_scope *c, char *out,
    size_t size);

enum planrun_word_kind {
	PLANRUN_SILENCE,  /* nothing was said */
	PLANRUN_ANSWERED, /* a question was: step, verb, reason, by */
	PLANRUN_ABORT,    /* a person ends it: reason */
	PLANRUN_PREEMPT,  /* a test is in the way of a live move: reason */
	PLANRUN_CANCEL    /* the worker is to end */
};
struct planrun_word {
	enum planrun_word_kind kind;
	char step[64], verb[16], reason[256], by[64];
};

struct planrun_ask {
	const char *step, *text;
	const char *role, *owner; /* who may answer; who should: "" nobody */
	const char *verbs;        /* blanks between */
	int64_t timeout_ns;       /* 0: none */
};

/*
 * The way to the ledger and to people.  A run that cannot write its intents
 * (ERR_CANCELLED: the daemon has gone) ends at once and leaves everything to
 * the one who finds its inventory.
 */
struct planrun_link {
	void *ctx;
	/* Durable when it returns ERR_NONE. */
	enum err_code (*intent)(void *ctx, const char *record,
	    const struct planrun_field *fields, size_t count, uint64_t *seq,
	    struct err *e);
	enum err_code (*outcome)(void *ctx, uint64_t seq,
	    const struct planrun_field *fields, size_t count, struct err *e);
	/* Learnt meanwhile: a record that nothing waits for. */
	enum err_code (*note)(void *ctx, const char *record,
	    const struct planrun_field *fields, size_t count, struct err *e);
	enum err_code (
	    *ask)(void *ctx, const struct planrun_ask *q, struct err *e);
	/* The next word; never waits. */
	void (*hear)(void *ctx, struct planrun_word *word);
	int (*fd)(void *ctx); /* readable when there is a word */
	/* A line for people who watch. */
	void (*log)(void *ctx, const char *text);
};

struct planrun_undo {
	const char *step;
	const char *const *argv; /* NULL-ended, variables filled in */
	int64_t timeout_ns;
	const char *on; /* a host; NULL or "": the site's own */
	bool is_brief;  /* that host was not reached a moment ago: one try */
};

/* What a run that died may have left, from its records. */
struct exercise_left {
	const char *sandbox; /* NULL: nothing was created */
	int64_t cell_pid;    /* 0: there was none */
	uint64_t cell_started;
	const char *cell_boot;
	const struct planrun_undo *undos; /* in the order to be done */
	size_t undos_count;
	const char *state; /* the last known */
	bool failed, interrupted, unproved, findings;
};

struct exercise_options {
	const struct policy *policy;
	const struct policy_service *service;
	const struct policy_site *site; /* this one */
	const char *run;
	const char *point;       /* prefix of an id; NULL: the newest */
	int64_t hold_ns;         /* how long it stands after it passed */
	const char *outstanding; /* a run not cleaned up; NULL: none */
	const char *live_move;   /* under way at this site; NULL: none */
	int64_t recheck_ns;      /* isolation while it holds; 0: every minute */
	const struct exercise_left *left; /* only clean up; NULL: a test */
	struct planrun_link link;
};

struct exercise_result {
	const char *state;  /* "CLEAN", "CLEANUP_INCOMPLETE", "PREEMPTED" */
	const char *result; /* "PASS", ...; "NONE": not clean */
	char reason[512];   /* why it is no PASS; "" */
	char point[65];     /* "": none was chosen */
	bool tested;        /* the point was restored and its checks passed */
	int64_t rta_ns, rpa_ns; /* -1: not measured */
};

/*
 * Test, or clean up after one.  ERR_NONE whatever the result.  ERR_CANCELLED:
 * nobody is there to write down what is done; what was created stands.
 */
enum err_code exercise_run(const struct exercise_options *options,
    struct exercise_result *out, struct err *e) MUST_CHECK;

/* What of a run is still there, as cleaning up would find it (exercise_clean). */
struct exercise_remains {
	size_t processes_count; /* of the run, wherever they are */
	bool has_sandbox;
};
/* sandbox may be NULL.  Changes nothing. */
enum err_code exercise_clean_look(const char *run, const char *sandbox,
    struct exercise_remains *out, struct err *e) MUST_CHECK;

#endif
