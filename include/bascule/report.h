#ifndef BASCULE_REPORT_H
#define BASCULE_REPORT_H

/*
 * What people and auditors read: evidence packs, exercise reports, tabletops.
 *
 * T1. A report leads with what failed, is unproven or was not measured, and
 *     says what it does not cover.
 * T2. Everything in a pack follows from the ledger's records or is named in the
 *     pack's manifest; one flipped bit anywhere in the file shows.
 * T3. Verifying a pack needs nothing but the pack and, to know who signed, a
 *     key's fingerprint from somewhere else.
 *
 * The pack's format: docs/format/evidence.md.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/buf.h>
#include <bascule/base/defs.h>
#include <bascule/base/err.h>
#include <bascule/base/now.h>
#include <bascule/ledger.h>

struct tabletop;       /* plan.h */
struct tabletop_event; /* plan.h */
struct wire_value;     /* wire.h */

/* --- evidence packs: writing (evidence) ------------------------------------- */

/*
 * The text that a digest is the SHA-256 of: of a policy (service NULL: its
 * policy_canonical), or of a service's plan.  out stays empty when it is not
 * kept any more.
 */
typedef enum err_code evidence_policy_fn(void *ctx, const char *digest,
    const char *service, struct buf *out, struct err *e);

struct evidence_options {    /* zeroed memory: everything, unsigned manifest */
	struct utc since;    /* ns 0: from the beginning */
	struct utc until;    /* ns 0: to the end */
	const char *service; /* NULL: all */
	const char *council; /* its chain and the shared one; NULL: all */
	const char *const *redact; /* names of fields to close, "@host"; NULL */
	size_t redact_count;
	const struct sign_key *signer; /* signs the manifest: the key of the
	                                * heads; NULL: nobody signs it */
	evidence_policy_fn *policy;    /* NULL: policies are left out */
	void *policy_ctx;
	/* Other sites' ledgers as they are held here: what they have of it is in
	 * the pack too, each as a pack of its own, and in its reports. */
	struct ledger *const *others;
	size_t others_count;
};

struct evidence_tally {
	uint64_t records_count; /* in the pack, closed ones too */
	uint64_t closed_count;  /* of these, only their hashes */
	uint64_t heads_count;
	uint64_t unsigned_count; /* records under no head: one site's word */
	uint64_t reports_count;  /* of runs */
	uint64_t reports_left_count;  /* runs that have none in it: too many */
	uint64_t policies_count;      /* policies and plans in force */
	uint64_t policies_left_count; /* named by records, and not kept */
	uint64_t others_count;        /* sites whose records are in it too */
	uint64_t others_records_count;
	uint64_t bytes; /* of the file */
};

/*
 * Write a pack to path, whole or not at all; an existing file is replaced.
 * Call ledger_sign_head first where there is a key, or the newest records are
 * one site's word.  Damage in the ledger is exported as it is: verifying the
 * pack shows it.  ERR_KEY: the heads are signed by another key than signer.
 */
enum err_code evidence_export(struct ledger *l,
    const struct evidence_options *options, const char *path,
    struct evidence_tally *tally, struct err *e) MUST_CHECK;

/* --- evidence packs: verifying (evidence_verify) ---------------------------- */

#define EVIDENCE_SIGNERS_MAX 8
#define EVIDENCE_OTHERS_MAX  8

/* What another site recorded, of which the pack holds a pack. */
struct evidence_other {
	char site[LEDGER_NAME_BYTES_MAX + 1];
	char signer[64];   /* of its heads; "" none */
	bool has_cosigned; /* the same key cosigned the pack's own ledger */
	uint64_t records_count, closed_count, heads_count, newest_head;
	uint64_t unsigned_count;
	struct utc signed_at;
};

struct evidence_verdict {
	bool bad;
	char what[ERR_TEXT_BYTES]; /* the first thing that is wrong */
	char where[320];           /* member, or chain and sequence; "" */
	uint64_t records_count;
	uint64_t closed_count;
	uint64_t heads_count;
	uint64_t unsigned_count;  /* records no head speaks of */
	bool manifest_signed;     /* by the heads' key, if there are heads */
	bool key_given;           /* false: consistent, but who signed? */
	char signer[64];          /* fingerprint; "" without heads */
	char manifest_signer[64]; /* fingerprint; "" when nobody signed it */
	char site[LEDGER_NAME_BYTES_MAX + 1];
	char service[LEDGER_NAME_BYTES_MAX + 1]; /* the filters; "": all */
	char council[LEDGER_NAME_BYTES_MAX + 1];
	struct utc since, until, made;
	struct utc signed_at; /* of the newest head; 0: none */
	uint64_t newest_head; /* its number */
	/* Other sites' words in its records, each good by the key beside it. */
	uint64_t acknowledgements_count;
	char acknowledgers[EVIDENCE_SIGNERS_MAX][64]; /* fingerprints */
	size_t acknowledgers_count;
	uint64_t cosigned_head; /* the newest; 0: none */
	char cosigner[64];      /* of it: fingerprint, and site */
	char cosigner_site[LEDGER_NAME_BYTES_MAX + 1];
	uint64_t uncosigned_count; /* records after it: one site's word */
	/* Texts of digests that its records name, each proved to be the one. */
	uint64_t policies_count, policies_named; /* here; named by records */
	uint64_t plans_count, plans_named;
	bool keys_listed; /* keys.txt is what heads and records say */
	struct evidence_other others[EVIDENCE_OTHERS_MAX];
	size_t others_count;
	uint64_t after_head; /* what is before this one is not in the pack; 0:
	                         it begins with the chains' first records */
};

/*
 * Judge the pack at path.  fingerprint: "SHA256:..." of the key that must have
 * signed, or NULL.  A bad pack is a verdict, with ERR_NONE; ERR_NOTFOUND,
 * ERR_IO, ERR_TOONEW when there is nothing to judge.
 */
enum err_code evidence_verify(const char *path, const char *fingerprint,
    struct evidence_verdict *v, struct err *e) MUST_CHECK;

/* The same for the tar inside, from memory, without the file's seal: for
 * fuzzing and for packs that were compressed again. */
enum err_code evidence_verify_members(const void *bytes, size_t len_bytes,
    const char *fingerprint, struct evidence_verdict *v,
    struct err *e) MUST_CHECK;

/* --- evidence packs: showing the verdict (evidence_show) ------------------- */

/*
 * What --key was given: a fingerprint, or a file whose first line is one or is
 * the key's 64 hex digits.  ERR_KEY: neither.
 */
enum err_code evidence_show_key(const char *given, struct buf *fingerprint,
    struct err *e) MUST_CHECK;

/* The verdict for people, and as a message of type "evidence". */
enum err_code evidence_show_text(const struct evidence_verdict *v,
    struct buf *out, struct err *e) MUST_CHECK;
enum err_code evidence_show_wire(const struct evidence_verdict *v,
    struct wire_value **out, struct err *e) MUST_CHECK;

/* --- the battle box: writing (box) ------------------------------------------- */

#define BOX_FORMAT      1
#define BOX_LABEL       "bascule box v1" /* of the signature */
#define BOX_MEMBERS_MAX 4096
#define BOX_BYTES_MAX   ((uint64_t)1 << 30)

struct box_program { /* a file of the program, as it lies here */
	const char *path, *name;
};

struct box_options {
	const struct policy *policy;
	const char *digest; /* of it */
	struct utc made;
	const struct box_program *program; /* the loader first, then the
	                                    * program, then its libraries */
	size_t program_count;
	const char *heads;             /* HEADS.txt; NULL: none could be read */
	const struct sign_key *signer; /* NULL: nobody signs it */
};

struct box_tally {
	uint64_t members_count, bytes; /* of the file */
	struct id sha256;              /* of the file */
};

/* docs/format/box.md.  Whole or not at all; an existing file is replaced. */
enum err_code box_write(const struct box_options *o, const char *path,
    struct box_tally *tally, struct err *e) MUST_CHECK;

/* --- the battle box: judging (box_verify) ------------------------------------- */

struct box_verdict {
	bool bad;
	char what[ERR_TEXT_BYTES]; /* the first thing that is wrong */
	char site[65], policy[65], version[65], machine[65];
	struct utc made;
	uint64_t members_count, bytes;
	bool is_signed;
	char signer[64]; /* fingerprint; "" */
};

/*
 * fingerprint: who must have signed, or NULL.  A bad box is a verdict, with
 * ERR_NONE; ERR_TOONEW: its format is above ours.
 */
enum err_code box_verify(const char *path, const char *fingerprint,
    struct box_verdict *v, struct err *e) MUST_CHECK;
/* The same from memory: for fuzzing. */
enum err_code box_verify_bytes(const void *bytes, size_t len_bytes,
    const char *fingerprint, struct box_verdict *v, struct err *e) MUST_CHECK;

/* --- exercise reports (report_exercise) ------------------------------------- */

struct report_exercise;
struct policy; /* policy.h */

struct report_sources {
	struct ledger *const
	    *ledgers; /* this site's, then the copies of others */
	size_t ledgers_count;
	const struct policy *policy; /* targets that no record has; or NULL */
};

/*
 * Gather everything that ledgers say of a run: an isolated test, a tabletop, a
 * planned or an unplanned move, a restore drill, any other job (by its id).
 * ERR_NOTFOUND: no such run.  *out: owned by the
 * caller, independent of the sources.
 */
enum err_code report_exercise_gather(struct report_exercise **out,
    const struct report_sources *from, const char *run,
    struct err *e) MUST_CHECK;
/* The same of one ledger alone. */
enum err_code report_exercise_new(struct report_exercise **out,
    struct ledger *l, const char *run, struct err *e) MUST_CHECK;
void report_exercise_free(struct report_exercise **x);

/* For people, browsers (and paper), spreadsheets; times in UTC. */
enum err_code report_exercise_text(const struct report_exercise *x,
    struct buf *out, struct err *e) MUST_CHECK;
enum err_code report_exercise_html(const struct report_exercise *x,
    struct buf *out, struct err *e) MUST_CHECK;
enum err_code report_exercise_csv(const struct report_exercise *x,
    struct buf *out, struct err *e) MUST_CHECK;

/* As a message of type "exercise_report". */
enum err_code report_exercise_wire(const struct report_exercise *x,
    struct wire_value **out, struct err *e) MUST_CHECK;

/* --- reports of a period (report_period) ------------------------------------- */

enum report_form { REPORT_TABLE, REPORT_CSV, REPORT_HTML, REPORT_JSON };

struct report_period {
	struct ledger *ledger;
	const struct policy *policy; /* controls; else NULL */
	const char *service;         /* NULL: all */
	struct utc since, until;     /* ns 0: no limit */
	struct utc as_of;            /* as recorded by then; ns 0: by now */
};

/*
 * "rpo": when each service's RPO held, and when not; "points": the recovery
 * points and their proof; "links": when each was up; "changes": what people and
 * policies changed; "controls": which evidence supports which.  JSON: a message of
 * type "report".  ERR_INPUT: there is no such kind.
 */
enum err_code report_period(const struct report_period *of, const char *kind,
    enum report_form form, struct buf *out, struct err *e) MUST_CHECK;

/* --- the posture of services (report_posture) --------------------------------- */

struct report_posture {
	const char *site; /* who says so; NULL: not known */
	struct utc at;    /* as of */
	bool is_past;     /* else it is of now */
	/* A list of messages, as `status` and `exceptions` have them, of which
	 * those of type service, alarm and exception count. */
	struct wire_value *messages;
};

/*
 * What is wrong, unproven, expired or unknown first; then each service in a line
 * of its own, what is excepted, and what this does not say.  JSON: a message of
 * type "report", kind "posture".
 */
enum err_code report_posture(const struct report_posture *of,
    enum report_form form, struct buf *out, struct err *e) MUST_CHECK;

/* --- tabletops: from records and into words (report_tabletop) ---------------- */

/*
 * The exercise that a ledger's records of a run make: whatever fits, in their
 * order.  ERR_NOTFOUND: no tabletop of that name.
 */
enum err_code report_tabletop_load(struct tabletop **out, struct ledger *l,
    const char *run, struct err *e) MUST_CHECK;

/* "EXERCISE T+0:10:00 inject call to the duty engineer by phone: ..."; without
 * a newline, escaped. */
enum err_code report_tabletop_line(const struct tabletop *t,
    const struct tabletop_event *ev, struct buf *out, struct err *e) MUST_CHECK;
/* "T+0:10:00"; "T-" before play.  Returns out. */
const char *report_tabletop_clock(int64_t t_ns, char out[32]);

/* As it stands now: a message of type "tabletop"; one of its events: a message
 * of type "tabletop_event". */
enum err_code report_tabletop_wire(const struct tabletop *t, const char *run,
    struct utc now, struct wire_value **out, struct err *e) MUST_CHECK;
enum err_code report_tabletop_event_wire(const struct tabletop *t, size_t i,
    const char *run, struct wire_value **out, struct err *e) MUST_CHECK;

/* --- scenarios in MISP's Common Exercise Format (cexf_export, cexf_import) ------
 * JSON: exercise, inject_flow, inject_payloads, injects.  What is exported comes
 * back as it was; of others' documents what has no place in a scenario is named.
 */

struct policy_scenario; /* policy.h */
enum err_code cexf_export(const struct policy_scenario *sc, struct buf *json,
    struct err *e) MUST_CHECK;

/* Called with the place of what is lost ("injects[0].target_tool") and its JSON,
 * both borrowed. */
typedef enum err_code cexf_lost_fn(void *ctx, const char *place,
    const char *json, struct err *e);
/*
 * A scenario file of a policy, where what is lost stands as comments.
 * ERR_INPUT: it is no such document; the text says where.
 */
enum err_code cexf_import(const char *json, size_t len_bytes, struct buf *conf,
    cexf_lost_fn *lost, void *ctx, struct err *e) MUST_CHECK;

/* --- one line for each record (report_event) -------------------------------- */

/* "2026-11-22 00:21:34Z shared#17 job outcome succeeded  housing ..."; as
 * `bascule events` prints it, without a newline.  Names are escaped. */
enum err_code report_event(const struct record *r, struct buf *out,
    struct err *e) MUST_CHECK;

#endif
