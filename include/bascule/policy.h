#ifndef BASCULE_POLICY_H
#define BASCULE_POLICY_H

/*
 * Policies: what is written down about sites, links and services.
 *
 * One table of settings (lib/policy/policy_schema.c) drives loading, checks,
 * `show`, `explain` and docs/POLICY.md.  A policy is immutable once loaded;
 * every pointer inside belongs to it and lives until policy_free.
 *
 * P1. A policy that loaded has no problem: every reference points at
 *     something, every unit is parsed, every default is filled in.
 * P2. Nothing wraps, hangs or ends the process, whatever the files hold.
 * P3. policy_canonical depends on what the shared files mean, not on their
 *     layout, their place in the file system or this site's own file.
 *
 * Texts are never NULL: a text that was not written and has no default is "".
 * Numbers are in base units (_ns, _bytes, bytes_per_s, millipercent).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/buf.h>
#include <bascule/base/err.h>
#include <bascule/base/now.h>
#include <bascule/base/role.h>
#include <bascule/calendar.h>

#define POLICY_FILE_BYTES_MAX ((size_t)1 << 20)
#define POLICY_PROBLEMS_MAX   200

/* --- where things are written --------------------------------------------- */

struct policy_mark {
	const char *file;    /* NULL: the value is the default */
	const char *written; /* a text as it stands in the file, else NULL */
	uint32_t line;
};

/* First in every record. */
struct policy_at {
	const struct policy_group *group; /* its table of settings */
	const struct policy_mark *marks; /* one for each setting of the table */
	const char *file;
	uint32_t line; /* 0: the whole group was not written; all defaults */
};

struct policy_texts {
	const char *const *items; /* ends with a NULL: fit for execv */
	size_t count;
};

/* --- sites, links, people ------------------------------------------------- */

struct policy_host {
	struct policy_at at;
	const char *name, *address, *user;
	uint32_t port;
	struct policy_texts host_keys; /* "SHA256:<43 of base64>" */
};

struct policy_pair {
	struct policy_mark mark;
	const char *name, *value;
};

/* What a site has, or a service needs: a number that is 0 was not written. */
struct policy_capacity {
	struct policy_at at; /* line 0: nothing is written */
	uint64_t memory_bytes, disk_bytes;
	uint32_t cpu_count;
};

enum policy_site_role { POLICY_DATACENTRE, POLICY_WITNESS };

/* What answers where a site's copy is: ours, or a server with SFTP alone. */
enum policy_transport { POLICY_TRANSPORT_BASCULE, POLICY_TRANSPORT_SFTP };

struct policy_site {
	struct policy_at at;
	const char *name, *title, *failure_domain;
	enum policy_site_role role;
	struct policy_host *hosts; /* the first one runs Bascule */
	size_t host_count;
	const char *repository;          /* absolute */
	struct policy_texts ledger_keys; /* "SHA256:..."; none: not pinned */
	struct policy_texts acknowledge_keys; /* the same */
	enum policy_transport transport;
	struct policy_capacity capacity; /* for services that come here */
};

struct policy_limit {
	struct policy_at at;
	const char *during;
	struct window window;
	const struct zone *zone; /* the window's; NULL is UTC */
	uint64_t rate_bytes_per_s;
};

struct policy_probe {
	struct policy_at at;
	int64_t every_ns, timeout_ns;
	uint32_t down_after_count, up_after_count;
};

struct policy_link {
	struct policy_at at;
	const char *name, *title;
	struct policy_texts between; /* two sites */
	uint32_t preference;         /* the lowest is used first */
	uint64_t bandwidth_bytes_per_s;
	struct policy_pair *addresses; /* site -> address on this link */
	size_t address_count;
	struct policy_limit *limits;
	size_t limit_count;
	struct policy_probe probe;
};

struct policy_council {
	struct policy_at at;
	const char *name, *title;
	uint32_t share_percent;
};

struct policy_freeze {
	struct policy_at at;
	const char *name, *from, *until, *timezone;
	int64_t from_days, until_days; /* both included: see window_frozen */
	const struct zone *zone;
	struct policy_texts councils; /* none: all */
};

struct policy_holder {
	struct policy_at at;
	const char *name, *failure_domain;
};

/* Somebody who requests, approves, attests or is called. */
struct policy_person {
	struct policy_at at;
	const char *name;    /* the Unix account */
	const char *council; /* "": none in particular */
	const char *key;     /* of an own Ed25519 key, "SHA256:..."; "": none */
	const char *contact;
};

/* The tree of who calls whom, for the battle box. */
struct policy_contact {
	struct policy_at at;
	const char *name, *council, *call, *note;
	struct policy_texts then; /* other contacts, called by this one */
};

/* Who keeps the shares of the escrowed key. */
struct policy_escrow {
	struct policy_at at;
	uint32_t threshold;
	struct policy_holder *holders;
	size_t holder_count;
};

struct policy_role_rule {
	struct policy_at at;
	enum role role;
	struct policy_texts groups, users;
	const char *council; /* "": all */
};

/* The assurance ladder: configured, ran, copied, re-read, restored and compared,
 * application checked, isolated test, live failover and failback. */
enum policy_proof {
	POLICY_L0,
	POLICY_L1,
	POLICY_L2,
	POLICY_L3,
	POLICY_L4,
	POLICY_L5,
	POLICY_L6,
	POLICY_L7
};

enum policy_alert_on {
	POLICY_ON_RPO,
	POLICY_ON_PEER,
	POLICY_ON_DAMAGE,
	POLICY_ON_EXERCISE,
	POLICY_ON_BACKUP,
	POLICY_ON_REPLICATE,
	POLICY_ON_VERIFY,
	POLICY_ON_LINK,
	POLICY_ON_POLICY,
	POLICY_ON_FAILOVER,
	POLICY_ON_SPACE,
	POLICY_ON_CLOCK,
	POLICY_ON_SUSPECT,    /* a source turned to noise or went backwards */
	POLICY_ON_DIVERGENCE, /* two copies that should agree do not */
	POLICY_ON_MOVE, /* each phase of a move: told once, nothing is wrong */
	POLICY_ON_COUNT
};
/* "L0" to "L7". */
const char *policy_schema_service_proof(enum policy_proof level);
/* "rpo", ...: as the setting `on` is written. */
const char *policy_schema_alert(enum policy_alert_on on);

struct policy_alert {
	struct policy_at at;
	uint32_t on; /* bits: 1 << enum policy_alert_on */
	struct policy_texts run;
	int64_t timeout_ns, repeat_ns;
	uint32_t retries;
};

/* --- a service ------------------------------------------------------------ */

/* Exactly one of schedule and every is written; due is ready for use. */
struct policy_when {
	const char *schedule, *timezone;
	int64_t every_ns, splay_ns;
	struct due due; /* its zone is the policy's; no splay added yet */
};

enum policy_database_kind {
	POLICY_POSTGRESQL,         /* one database, by pg_dump */
	POLICY_POSTGRESQL_CLUSTER, /* all of a server, by pg_basebackup */
	POLICY_MARIADB,            /* by mariadb-dump */
	POLICY_SQLITE              /* a file, by the backup API of sqlite3 */
};

/* A database's own tool, whose output is kept (docs/DATABASES.md). */
struct policy_database {
	struct policy_at at; /* line 0: not written */
	enum policy_database_kind kind;
	const char *name;    /* POSTGRESQL, MARIADB (there "": all) */
	const char *file;    /* SQLITE: absolute */
	const char *address; /* host, or folder of the socket; "": default */
	uint32_t port;       /* 0: default */
	const char *user;    /* at the server; "": the account's */
	const char *account; /* Unix account the tool runs as; "": ours */
};

struct policy_dataset {
	struct policy_at at;
	const char *name;
	const char *tree;                /* absolute, or "" */
	struct policy_texts command;     /* or a command whose output is kept */
	struct policy_database database; /* or this one's */
	const char *host;                /* "": this site's own machine */
	struct policy_pair *host_at;     /* site -> host: policy_host_of */
	size_t host_at_count;
	struct policy_texts count; /* prints how many transactions so far */
	struct policy_texts exclude;
	bool one_file_system, exclude_caches;
	const char *chunking;
	uint32_t chunk_fixed_bytes; /* 0: chunks are cut by content */
	uint64_t min_size_bytes;
	uint32_t max_shrink_millipercent; /* 100000: any */
	int64_t timeout_ns;
	int64_t read_again_ns; /* a tree on another host */
};

struct policy_quiesce {
	struct policy_at at;
	struct policy_texts before, after;
	const char *host;
	struct policy_pair *host_at; /* site -> host: policy_quiesce_host */
	size_t host_at_count;
	int64_t timeout_ns;
};

enum policy_overlap { POLICY_OVERLAP_SKIP, POLICY_OVERLAP_QUEUE };
enum policy_compression {
	POLICY_COMPRESS_AUTO,
	POLICY_COMPRESS_OFF,
	POLICY_COMPRESS_FAST,
	POLICY_COMPRESS_MAX
};

struct policy_backup {
	struct policy_at at;
	struct policy_when when;
	int64_t expect_ns, timeout_ns, max_lateness_ns;
	uint32_t retries;
	enum misfire_mode misfire;
	enum policy_overlap overlap;
	enum policy_compression compression;
};

struct policy_retention {
	struct policy_at at;
	struct retain_rule rule;
};

struct policy_replicate {
	struct policy_at at;
	struct policy_texts to; /* sites; none: not replicated */
	bool pull;              /* the copies' sites fetch */
	int64_t within_ns, immutable_for_ns;
	struct policy_retention retention; /* the service's where not written */
};

enum policy_verify_kind { POLICY_VERIFY_REREAD, POLICY_VERIFY_RESTORE };
enum policy_pick {
	POLICY_PICK_LATEST,
	POLICY_PICK_RANDOM_WITHIN,
	POLICY_PICK_OLDEST
};

struct policy_verify {
	struct policy_at at;
	enum policy_verify_kind kind;
	struct policy_when when;
	uint32_t sample_millipercent; /* reread: how much */
	enum policy_pick pick;        /* restore: which point */
	int64_t within_ns;            /* random-within: no older than this */
};

/* In which modes a step runs: bits of struct policy_step.modes. */
#define POLICY_MODE_TEST      1u
#define POLICY_MODE_TABLETOP  2u
#define POLICY_MODE_PLANNED   4u
#define POLICY_MODE_UNPLANNED 8u
#define POLICY_MODES_ALL      15u

enum policy_check_kind {
	POLICY_CHECK_NONE,
	POLICY_CHECK_HTTP,
	POLICY_CHECK_TCP,
	POLICY_CHECK_COMMAND,
	POLICY_CHECK_UNREACHABLE,
	POLICY_CHECK_TLS,
	POLICY_CHECK_FILE,
	POLICY_CHECK_SQL
};

struct policy_check {
	struct policy_at at;
	enum policy_check_kind kind; /* which of the next seven is written */
	const char *http;            /* URL */
	const char *tcp;             /* HOST:PORT that must answer */
	const char *unreachable;     /* HOST:PORT that must not */
	const char *tls;             /* HOST:PORT with a certificate */
	const char *file;            /* absolute, with variables */
	struct policy_texts command; /* must exit 0 */
	struct policy_texts sql;     /* must exit 0 and print what is asked */
	uint32_t expect;             /* http: the status */
	const char *contains;        /* http, command, sql, file: appears */
	const char *equals;          /* command, sql: all it prints, trimmed */
	bool has_equals;             /* "" is a text, too */
	bool exists;                 /* file: must it, or must it not */
	uint32_t days_count;         /* tls: valid for so many days more */
	const char *ca_file;         /* tls: whose certificates count; "" */
	bool has_at_least;
	uint32_t expect_at_least; /* command, sql: the number it prints */
	int64_t within_ns;        /* keep trying for this long */
};

enum policy_step_kind {
	POLICY_STEP_RESTORE,
	POLICY_STEP_RUN,
	POLICY_STEP_CHECK,
	POLICY_STEP_CONFIRM,
	POLICY_STEP_WAIT
};

enum policy_uncertain { POLICY_ASK, POLICY_RETRY, POLICY_FAIL };

struct policy_step {
	struct policy_at at;
	const char *name; /* "step" in the file */
	enum policy_step_kind kind;
	struct policy_texts after;
	const char *restore;     /* a dataset */
	const char *to;          /* restore: where, with variables */
	struct policy_texts run; /* with variables, as undo */
	struct policy_check check;
	const char *confirm;       /* what a person is asked */
	int64_t wait_ns;           /* WAIT: let so long pass */
	const char *on;            /* a host; "": the site's own machine */
	struct policy_texts sites; /* policy_step_is_for */
	enum role role;            /* confirm: who may answer */
	const char *owner;         /* confirm: who is asked; "": the role */
	int64_t deadline_ns;       /* confirm: they are told it is late */
	uint32_t modes;
	int64_t timeout_ns;
	uint32_t retries;
	bool idempotent;
	enum policy_uncertain on_uncertain;
	struct policy_texts undo;
	bool undo_is_none; /* undo = "none", said aloud */
};

/*
 * prove exits 0: what it names is stopped; 1: it runs; anything else, a signal
 * or no answer in time: nobody knows.
 */
struct policy_fence {
	struct policy_at at;
	struct policy_texts run, prove;
	struct policy_texts undo;  /* lets it go again */
	struct policy_texts sites; /* policy_fence_is_for */
	const char *on, *attest;
	uint32_t people_count;
	int64_t timeout_ns;
};

struct policy_approvals {
	struct policy_at at;
	uint32_t planned_count, unplanned_count;
	bool change_reference, from_other_council;
	bool is_signed; /* words of people whose key is named, and no others */
	int64_t expire_ns;        /* an approval older than this is none */
	int64_t second_within_ns; /* break-glass: the second person */
};

/* What a move of the service asks for. */
struct policy_failover {
	struct policy_at at;
	int64_t max_loss_ns; /* more must be accepted in words; the RPO */
	int64_t cooldown_ns; /* after the end of the last move */
	enum policy_proof min_proof;
	int64_t proof_within_ns;    /* an older proof is none */
	int64_t hold_down_ns;       /* unplanned: the peer was silent for */
	int64_t patience_ns;        /* for the other site, in each phase */
	int64_t commit_reminder_ns; /* 0: never */
	const char *during; /* "window" in the file; "": planned at any time */
	struct window window;
	const struct zone *zone; /* the window's; NULL is UTC */
};

/* A name of the service that people and machines look up. */
struct policy_dns {
	struct policy_at at;
	const char *name;
	const char *resolver; /* ADDRESS:PORT; "": the system's */
	int64_t ttl_max_ns;
};

enum policy_exercise_kind { POLICY_EXERCISE_TEST, POLICY_EXERCISE_TABLETOP };

struct policy_exercise {
	struct policy_at at;
	enum policy_exercise_kind kind;
	struct policy_when when;
	int64_t hold_ns;
	const char *scenario; /* tabletop */
};

struct policy_service {
	struct policy_at at;
	const char *name, *title, *owner;
	uint32_t tier;
	const char *home, *standby;      /* standby may be "": backups only */
	int64_t rpo_ns, rto_ns, mtpd_ns; /* mtpd 0: not written */
	const char *live_root; /* ${sandbox} in a live move; may hold ${site} */
	struct policy_capacity needs;
	struct policy_dns *dns;
	size_t dns_count;
	struct policy_texts depends;
	struct policy_dataset *datasets;
	size_t dataset_count;
	struct policy_quiesce quiesce;
	struct policy_quiesce capture; /* behind its fence: opened to be read */
	struct policy_backup backup;
	struct policy_retention retention;
	struct policy_replicate replicate;
	struct policy_verify *verify;
	size_t verify_count;
	struct policy_step *plan;
	size_t step_count;
	struct policy_fence *fence;
	size_t fence_count;
	struct policy_approvals approvals;
	struct policy_failover failover;
	struct policy_exercise *exercises;
	size_t exercise_count;
};

/* --- scenarios and controls ----------------------------------------------- */

struct policy_inject {
	struct policy_at at;
	const char *name;
	const char *when;    /* "at" in the file: "T+15m"; "" otherwise */
	int64_t at_ns;       /* since the start of play; -1: not by time */
	const char *after;   /* another inject; "" otherwise */
	const char *on;      /* "decision" */
	const char *to;      /* whom it is given to */
	const char *channel; /* phone, mail, in person */
	const char *text, *expect;
};

struct policy_scenario {
	struct policy_at at;
	const char *name, *title;
	struct policy_texts objectives, initial_conditions, services;
	int64_t duration_ns;
	struct policy_inject *injects;
	size_t inject_count;
};

struct policy_control {
	struct policy_at at;
	const char *id, *title, *note;
	struct policy_texts evidence;
	int64_t within_ns;
};

/* --- the whole ------------------------------------------------------------ */

enum policy_authority { POLICY_MANUAL, POLICY_ETCD };

struct policy_limits {
	struct policy_at at;
	uint32_t jobs_count, jobs_per_host_count, jobs_per_link_count;
	uint64_t memory_bytes;
	uint32_t nice;
};

struct policy_delta_cache {
	struct policy_at at;
	uint64_t size_bytes; /* of each dataset; 0: none is kept */
	int64_t keep_ns;
};

struct policy_bridge {
	struct policy_at at;
	const char *identity; /* "": the policy's */
	int64_t every_ns, silent_after_ns;
	uint64_t keep_bytes;
};

struct policy_watch {
	struct policy_at at;
	int64_t clock_step_ns, clock_offset_ns, space_for_ns;
	int64_t readiness_every_ns;
	uint32_t space_free_millipercent;
};

struct policy_etcd {
	struct policy_at at;
	struct policy_texts endpoints; /* the policy's where written there */
	const char *ca_file, *cert_file, *key_file; /* "": none */
	int64_t lease_ns, timeout_ns;
};

struct policy_box {
	struct policy_at at;
	int64_t within_ns; /* an older box is not ready */
	const char *to;    /* the folder boxes are written to; "": none */
};

struct policy {
	struct policy_at at;
	/* this site's own file */
	const char *site, *state, *socket, *sandbox;
	const char *listen; /* "": no status page */
	const char *key_file, *identity;
	const char *key_passphrase_file, *identity_passphrase_file; /* "" */
	enum policy_authority authority;
	struct policy_texts endpoints; /* etcd: the same as etcd.endpoints */
	struct policy_etcd etcd;
	struct policy_box box;
	struct policy_texts policy; /* as written */
	struct policy_role_rule *roles;
	size_t role_count;
	struct policy_alert *alerts;
	size_t alert_count;
	struct policy_limits limits;
	struct policy_delta_cache delta_cache;
	struct policy_bridge bridge;
	struct policy_watch watch;
	/* shared with the peer: what policy_canonical covers */
	struct policy_site *sites;
	size_t site_count;
	struct policy_link *links;
	size_t link_count;
	struct policy_council *councils;
	size_t council_count;
	struct policy_freeze *freezes;
	size_t freeze_count;
	struct policy_person *people;
	size_t person_count;
	struct policy_contact *contacts;
	size_t contact_count;
	struct policy_escrow escrow;
	struct policy_service *services; /* in the order of their names */
	size_t service_count;
	struct policy_scenario *scenarios;
	size_t scenario_count;
	struct policy_control *controls;
	size_t control_count;

	struct policy_memory *memory; /* everything above; policy's own */
};

/* --- problems ------------------------------------------------------------- */

struct policy_problem {
	unsigned id; /* 12 is P012; see policy_problem_title */
	char *file;
	uint32_t line;
	char *setting; /* dotted: "service.backup.schedule" */
	char *message; /* "what is wrong; what is accepted" */
};

/* Zeroed memory is empty.  In the order of file and line. */
struct policy_problems {
	struct policy_problem *items;
	size_t count;
	size_t more_count; /* found past POLICY_PROBLEMS_MAX, not kept */
};

void policy_problem_fini(struct policy_problems *ps);

/* "file:line: setting: message [P012]" without a newline, escaped. */
enum err_code policy_problem_text(const struct policy_problem *p,
    struct buf *out, struct err *e) MUST_CHECK;

/* One line for each id; NULL for an id that does not exist. */
const char *policy_problem_title(unsigned id);
unsigned policy_problem_max(void);

/* --- making and ending ---------------------------------------------------- */

/*
 * Load everything bascule.conf at path names.  ERR_POLICY: problems says what,
 * and *out is NULL.  `now` is where the 400 days of the schedule checks begin.
 * Reads files; nothing else.  Never hangs on a FIFO, never follows an include
 * for ever.
 */
enum err_code policy_load(struct policy **out, struct policy_problems *problems,
    const char *path, struct utc now, struct err *e) MUST_CHECK;

struct policy_text_file {
	const char *path; /* absolute */
	const char *text;
	size_t len_bytes;
};

/* The same from memory: files[0] is the first, the others what it names. */
enum err_code policy_load_texts(struct policy **out,
    struct policy_problems *problems, const struct policy_text_file *files,
    size_t count, struct utc now, struct err *e) MUST_CHECK;

void policy_free(struct policy **pp);

/*
 * The files it was made of, as they were read, the site's own first: with
 * policy_load_texts the same policy once more, whatever became of the files.
 */
const struct policy_text_file *policy_files(const struct policy *p,
    size_t *count);

/* --- asking --------------------------------------------------------------- */

/* NULL when there is none of that name. */
const struct policy_site *policy_find_site(const struct policy *p,
    const char *name);
const struct policy_service *policy_find_service(const struct policy *p,
    const char *name);
const struct policy_link *policy_find_link(const struct policy *p,
    const char *name);
const struct policy_council *policy_find_council(const struct policy *p,
    const char *name);
const struct policy_scenario *policy_find_scenario(const struct policy *p,
    const char *name);
const struct policy_dataset *policy_find_dataset(const struct policy_service *s,
    const char *name);
const struct policy_step *policy_find_step(const struct policy_service *s,
    const char *name);
/* *site: the site it stands under; may be NULL. */
const struct policy_host *policy_find_host(const struct policy *p,
    const char *name, const struct policy_site **site);
/* The address of a site on a link; NULL if the link has none. */
const char *policy_find_address(const struct policy_link *l, const char *site);
/* The other datacentre of a service: standby seen from home and back. */
const char *policy_find_peer(const struct policy_service *s, const char *site);

const struct policy_person *policy_find_person(const struct policy *p,
    const char *name);

/* --- which site a part of a service is for -------------------------------- */

/*
 * The host a dataset lives on while the service runs at a site: what host_at
 * says of it, else the host as written.  "": the machine Bascule runs on there.
 * NULL: the host that is written stands under another site, and nothing says
 * which it is at this one.
 */
const char *policy_host_of(const struct policy *p,
    const struct policy_dataset *d, const char *site);
/* ... and the one its quiesce (or capture) commands run on. */
const char *policy_quiesce_host(const struct policy *p,
    const struct policy_quiesce *q, const char *site);

/* Does anything of the service name this host: dataset, step, fence? */
bool policy_names_host(const struct policy_service *s, const char *host);

/*
 * Is this step part of a move to a site?  As `sites` says; else where its host
 * stands; a step without either is part of every move.
 */
bool policy_step_is_for(const struct policy *p, const struct policy_step *step,
    const char *to_site);
/* The same of a fence, for the site that is left. */
bool policy_fence_is_for(const struct policy *p, const struct policy_fence *f,
    const char *from_site);

/* The service's live_root at a site. */
enum err_code policy_live_root(struct buf *out, const struct policy_service *s,
    const char *site, struct err *e) MUST_CHECK;

/* Was this setting of the record written, rather than its default taken? */
bool policy_is_written(const struct policy_at *at, const char *setting);

/* --- variables ------------------------------------------------------------ */

/* What ${service} and so on stand for; NULL: not known here. */
struct policy_values {
	const char *service, *dataset, *snapshot, *sandbox, *site, *run, *epoch;
};

/* ERR_INPUT: an unknown variable, or one without a value here. */
enum err_code policy_expand(struct buf *out, const char *text,
    const struct policy_values *v, struct err *e) MUST_CHECK;

/*
 * The words of the program whose output is the dataset: its command, or its
 * database's tool.  ERR_INPUT: a variable as above.  *out as of
 * policy_expand_argv; NULL for a tree.
 */
enum err_code policy_program(char ***out, const struct policy_dataset *d,
    const struct policy_values *v, struct err *e) MUST_CHECK;

/* Every word expanded, by itself; *out ends with NULL, one block of memory. */
enum err_code policy_expand_argv(char ***out, const struct policy_texts *words,
    const struct policy_values *v, struct err *e) MUST_CHECK;
void policy_expand_free(char ***argv);

/* --- digests -------------------------------------------------------------- */

/* The bytes to hash for the policy digest: all that both sites share. */
enum err_code policy_canonical(const struct policy *p, struct buf *out,
    struct err *e) MUST_CHECK;
/* ... and for the plan digest of one service: datasets, plan, fence. */
enum err_code policy_canonical_plan(const struct policy_service *s,
    struct buf *out, struct err *e) MUST_CHECK;

/* --- for people ----------------------------------------------------------- */

/* The effective policy as libconfig text, with "default" after defaults. */
enum err_code policy_show(const struct policy *p, struct buf *out,
    struct err *e) MUST_CHECK;

/*
 * What a setting means: a dotted name ("service.backup.schedule") or a bare
 * one (all of that name).  ERR_NOTFOUND suggests near names.
 */
enum err_code policy_explain(const char *setting, struct buf *out,
    struct err *e) MUST_CHECK;

/* docs/POLICY.md. */
enum err_code policy_reference(struct buf *out, struct err *e) MUST_CHECK;

#endif
