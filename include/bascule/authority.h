#ifndef BASCULE_AUTHORITY_H
#define BASCULE_AUTHORITY_H

/*
 * At which site a service runs, and how it is moved: docs/protocol/moves.md as
 * pure state machines.  No I/O, no clock, no memory of their own: facts, records
 * and the time go in, verdicts and what to do next come out.
 *
 * The chapters are the units: authority (the register), hearing, guards,
 * approvals, testimony, move.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/err.h>
#include <bascule/base/now.h>

struct buf; /* base/buf.h */

/* --- authority: the register of one service ------------------------------- */

/*
 * A1. The epoch never falls, and an epoch has one owner.
 * A2. Writes are allowed at one site at most.
 * A3. Nothing but a grant gives a service its first site.
 * A4. What a site takes up from the other (ADOPT) never makes it writable
 *     itself: only its own PROMOTE does.
 * A5. HELD and CONTESTED open with two people (RESOLVE).  The other site's word
 *     that the service is there (a higher epoch; of a hold, its own of the same)
 *     ends them too, and makes nothing here writable (A4).  Quarantine ends with
 *     two people, or by hearing the other's register.
 *
 *	UNINITIALISED -grant-> PROTECTED(A) <-replication lost/back->
 *	UNPROTECTED(A);  both <-suspend/resume-> SUSPENDED
 *	both, PROVISIONAL <-quiesce/resume writes-> QUIESCED
 *	at A: QUIESCED(A) -move-> MOVING(A->B) e+1
 *	at B: whatever stands at A -move-> MOVING(A->B) e+1 -promote->
 *	PROVISIONAL(B) -commit-> UNPROTECTED(B) -reprotected-> PROTECTED(B)
 *	any -hold-> HELD, any -contest-> CONTESTED
 *	HELD, CONTESTED, MOVING -resolve, two people-> MOVING(to X) e+1
 *	at the site that is to have it: whatever the other had, the same
 *
 * `quarantined` stands beside the state.
 */

#define AUTHORITY_SITE_BYTES 64
#define AUTHORITY_RUN_BYTES  80
/* What fits a signed decimal of the ledger; more is damage. */
#define AUTHORITY_EPOCH_MAX ((uint64_t)INT64_MAX)

enum authority_state {
	AUTHORITY_UNINITIALISED, /* policy loaded, no grant: writes nowhere */
	AUTHORITY_PROTECTED,     /* active, the other site follows */
	AUTHORITY_UNPROTECTED,   /* active, no usable standby */
	AUTHORITY_QUIESCED,      /* drained, still the owner: writes nowhere */
	AUTHORITY_MOVING,        /* from_site -> site: writes nowhere */
	AUTHORITY_PROVISIONAL,   /* active, not committed */
	AUTHORITY_HELD,          /* uncertain: writes nowhere */
	AUTHORITY_CONTESTED,     /* two owners of one epoch: frozen */
	AUTHORITY_SUSPENDED      /* maintenance: observed, nothing is done */
};
#define AUTHORITY_STATES 9

/* Plain memory; zeroed it is UNINITIALISED at epoch 0. */
struct authority {
	enum authority_state state;
	enum authority_state resumes_to; /* when SUSPENDED or QUIESCED */
	char site[AUTHORITY_SITE_BYTES]; /* the epoch's owner; "" at first */
	uint64_t epoch;                  /* of the grant */
	uint64_t highest_seen;           /* anywhere; at least epoch */
	char from_site[AUTHORITY_SITE_BYTES]; /* while MOVING; else "" */
	char run[AUTHORITY_RUN_BYTES];        /* that brought it here; or "" */
	bool quarantined; /* started, and not yet heard what stands; not
			     recorded: every start sets it */
};

enum authority_event_kind {
	AUTHORITY_GRANT, /* site, epoch */
	AUTHORITY_REPLICATION_LOST,
	AUTHORITY_REPLICATION_BACK,
	AUTHORITY_SUSPEND,
	AUTHORITY_RESUME,
	AUTHORITY_EPOCH_SEEN,    /* epoch: a peer, a record, a session said */
	AUTHORITY_QUIESCE,       /* here, run */
	AUTHORITY_RESUME_WRITES, /* here, run */
	AUTHORITY_MOVE,          /* here, site, epoch, run; at both sites */
	AUTHORITY_PROMOTE,       /* here, run: MOVING to here -> PROVISIONAL */
	AUTHORITY_COMMIT,        /* here */
	AUTHORITY_REPROTECTED,   /* here */
	AUTHORITY_HOLD,          /* run */
	AUTHORITY_CONTEST,
	AUTHORITY_RESOLVE,    /* site, epoch, run, persons */
	AUTHORITY_ADOPT,      /* here, peer; ends quarantine */
	AUTHORITY_QUARANTINE, /* a start */
	AUTHORITY_RELEASE     /* persons: ends quarantine */
};
#define AUTHORITY_EVENTS 18

struct authority_event {
	enum authority_event_kind kind;
	const char *site; /* the new owner */
	uint64_t epoch;
	const char *here;             /* whose register this is */
	const char *run;              /* NULL: "" */
	unsigned persons;             /* different ones who said so */
	const struct authority *peer; /* the other site's register, as recorded
					 there and heard after our start */
};

/*
 * ERR_REFUSED: the event is not allowed in this state, or by so few people;
 * ERR_BUSY: its epoch is not above the highest seen; ERR_INPUT: the event lacks
 * what it needs.  *to is *from then.  to may be from.
 *
 * An event that has happened already (the same MOVE, PROMOTE, COMMIT, QUIESCE
 * of the same run and epoch) is ERR_NONE and changes nothing: what follows a
 * crash may be said again.
 */
enum err_code authority_next(const struct authority *from,
    const struct authority_event *ev, struct authority *to,
    struct err *e) MUST_CHECK;

/* What hearing the other's register asks of this site before it is adopted. */
enum authority_hearing {
	AUTHORITY_SAME,      /* nothing new */
	AUTHORITY_FOLLOW,    /* adopt it: record and go on */
	AUTHORITY_STEP_DOWN, /* EPOCH_SEEN at once (nothing starts any more),
				fence our own side, then adopt */
	AUTHORITY_FREEZE     /* one epoch, two owners: fence, then adopt
				(CONTESTED), page everybody */
};
enum authority_hearing authority_hear(const struct authority *a,
    const struct authority *peer, const char *here);

/*
 * Take up what was recorded: *a, zeroed or an earlier record of the same
 * service, becomes *recorded.  ERR_CORRUPT: no such state can be, or the epoch
 * fell or changed its owner (A1); *a is as it was then.
 */
enum err_code authority_recall(struct authority *a,
    const struct authority *recorded, struct err *e) MUST_CHECK;

/*
 * May something that carries this epoch act (a hook, a session, a destructive
 * step)?  ERR_BUSY: it is below the highest seen, fenced.
 */
enum err_code authority_admit(const struct authority *a, uint64_t epoch,
    struct err *e) MUST_CHECK;

/*
 * Does the register name that site as the one where the service is (its
 * backups are made there), quarantined or not?
 */
bool authority_is_active(const struct authority *a, const char *site);
/* The same, and this daemon knows that it still stands (no quarantine). */
bool authority_may_write(const struct authority *a, const char *site);
/* `permit`.  ERR_BUSY with the reason and what to do. */
enum err_code authority_may_start(const struct authority *a, const char *site,
    struct err *e) MUST_CHECK;

/* "PROTECTED". */
const char *authority_state_name(enum authority_state s);
bool authority_state_find(const char *name, enum authority_state *s);
/* "grant", "replication-lost", "move": for records. */
const char *authority_event_name(enum authority_event_kind k);

/* --- hearing: what is done about a register that was heard ---------------- */

/*
 * H1. What takes a service away from this site is not adopted before our own
 *     side is proved stopped, or two people said `hold resolve --owner` of the
 *     other site.
 * H2. From the first moment on nothing is permitted to start here.
 * H3. A move that is about it (move_settles) sees to that by its own turns; but
 *     while this site may run what etcd says is taken from it without its word,
 *     its turn has yet to hear of that, and H2 holds.
 *
 *	heard -> FREEZE -> FENCE -proved-> ADOPT
 *	                     '-not proved-> people are told; again after a while
 *
 * Died on the way: a start is quarantined, hears it again and fences again.
 */

#define HEARING_AGAIN_NS (30 * NS_PER_S)

/* A step down under way; zeroed there is none.  Not recorded. */
struct hearing {
	char site[AUTHORITY_SITE_BYTES]; /* whose it is, as was heard */
	uint64_t epoch;                  /* the same; 0: none under way */
	bool works, tried, proved;       /* our own fence */
	struct mono ended;               /* when it was tried */
};

struct hearing_of {
	const struct authority *reg, *heard;
	const char *here;
	bool is_witness; /* etcd's word: of our own epoch it says no more than
			      that it stands */
	bool is_a_moves; /* move_settles */
	bool is_taken;   /* move_takes_from */
	unsigned
	    released; /* persons who name heard->site (testimony_released) */
	struct mono now;
};

enum hearing_act {
	HEARING_NOTHING,
	HEARING_FREEZE, /* quarantine, EPOCH_SEEN (recorded); ask again */
	HEARING_FENCE,  /* hearing_begun; then hearing_ended */
	HEARING_ADOPT   /* ADOPT of *adopt; then hearing_drop */
};
enum hearing_act hearing_next(struct hearing *h, const struct hearing_of *of,
    const struct authority **adopt);
void hearing_begun(struct hearing *h);
void hearing_ended(struct hearing *h, bool proved, struct mono now);
/* False: there was none. */
bool hearing_drop(struct hearing *h);

/* --- guards: G01 to G18 --------------------------------------------------- */

/*
 * U1. An unknown fact never passes.
 * U2. G01, G03, G14 and G18 have no override; G10 none but attestation.
 */

enum guards_mode { GUARDS_PLANNED, GUARDS_UNPLANNED, GUARDS_TEST };
#define GUARDS_MODES 3

/* When a guard is asked.  Gates of a move, in their order. */
enum guards_phase {
	GUARDS_AT_REQUEST,
	GUARDS_AT_START,    /* before STARTED */
	GUARDS_AT_READY,    /* B: before READY; planned */
	GUARDS_AT_FENCE,    /* B: before it begins to fence; unplanned */
	GUARDS_AT_GRANT,    /* A: before GRANTED; planned */
	GUARDS_AT_TAKE,     /* B: before TAKEN */
	GUARDS_AT_COMMIT,   /* B */
	GUARDS_AT_ROLLBACK, /* B: before it captures, and before its GRANTED */
	GUARDS_AT_REPROTECT,
	GUARDS_AT_RESOLVE, /* hold resolve, release from quarantine */
	GUARDS_AT_ANY      /* what-if: all that hold in the mode at any time */
};
#define GUARDS_PHASES 11

#define GUARDS_COUNT 18 /* number 1 is G01 */

enum guards_fact_id {
	/* G01 */
	FACT_OTHER_RUN,  /* runs open on the service; text: which */
	FACT_NEEDED_RUN, /* runs open on what it depends on */
	/* G02 */
	FACT_POLICY_EQUAL, /* yes/no; text: the digests */
	FACT_PLAN_EQUAL,
	/* G03 */
	FACT_ROLE,           /* yes/no: the actor has the role */
	FACT_ACTOR_APPROVED, /* yes/no: is the requester among the approvers? */
	/* G04 */
	FACT_APPROVALS, /* persons; approvals_judge's `counted` */
	FACT_APPROVALS_NEEDED,
	FACT_BREAK_GLASS, /* yes/no: somebody has broken the glass */
	FACT_CHANGE,      /* yes/no: a change reference, or none is needed */
	/* G05 */
	FACT_FROZEN,    /* yes/no; text: which freeze */
	FACT_IN_WINDOW, /* yes/no; yes where there is no window */
	/* G06 */
	FACT_PROOF_LEVEL, /* 0 to 7 */
	FACT_PROOF_NEEDED,
	FACT_PROOF_AGE,    /* ns */
	FACT_PROOF_WITHIN, /* ns; 0: no limit */
	/* G07 */
	FACT_POINT_COMPLETE, /* yes/no */
	FACT_POINT_SUSPECT,  /* yes/no */
	FACT_RPA,            /* ns: what would be lost */
	FACT_RPO,            /* ns; 0: no target */
	/* G08, of the target; yes/no, text: value and limit */
	FACT_TARGET_UP,
	FACT_CAPACITY,
	FACT_CLOCK,
	FACT_HOST_KEYS,
	FACT_DNS_TTL,
	FACT_CANARY,
	/* G09 */
	FACT_PEER_ANSWERS,   /* yes/no: the bridge, both ways */
	FACT_PEER_HEALTHY,   /* yes/no: the service is well at the old site */
	FACT_OBSERVERS_DOWN, /* independent ones who say the old site is down */
	FACT_PEER_SILENT,    /* ns */
	FACT_HOLD_DOWN,      /* ns; 0: none */
	/* G10 */
	FACT_FENCE_PROVED,   /* yes/no: read back */
	FACT_FENCE_ATTESTED, /* persons; text: the physical method */
	/* G11 */
	FACT_MAX_LOSS,      /* ns; 0: any loss is to be accepted */
	FACT_LOSS_ACCEPTED, /* yes/no: in words */
	/* G12 */
	FACT_LAST_RUN_AGE, /* ns since the last one ended; unknown: none */
	FACT_COOLDOWN,     /* ns; 0: none */
	FACT_NO_LAST_RUN,  /* yes: there was none, or it is acknowledged */
	/* G13 */
	FACT_ISOLATED, /* yes/no: all attempts to connect failed */
	FACT_QUOTA,    /* yes/no: the sandbox has room */
	/* G14 */
	FACT_EPOCH_EXPECTED,
	FACT_EPOCH_TARGET,   /* read back from its ledger */
	FACT_EPOCH_SOURCE,   /* unknown where unreachable */
	FACT_EPOCH_WITNESS,  /* unknown where there is none */
	FACT_WITNESS_USED,   /* yes/no: authority = "etcd" */
	FACT_REGISTER_HEARD, /* yes/no: we are not quarantined */
	/* G15 */
	FACT_MARKERS_EQUAL, /* yes/no */
	/* G16 */
	FACT_OWNER_ACCEPTS, /* yes/no */
	/* G17 */
	FACT_OLD_DATA_INTACT, /* yes/no */
	FACT_NEW_WRITES_SAFE, /* yes/no: none, or captured */
	/* G18 */
	FACT_DIVERGENCE_CAPTURED /* yes/no; text: where, how much */
};
#define GUARDS_FACTS ((size_t)FACT_DIVERGENCE_CAPTURED + 1)

#define GUARDS_TEXT_BYTES 160

/* Zeroed: unknown.  yes is 1, no is 0. */
struct guards_fact {
	bool known;
	int64_t value;
	struct utc at;                /* when it was observed */
	char source[48];              /* "ledger", "bridge to southwark" */
	char text[GUARDS_TEXT_BYTES]; /* as shown; "" shows the value */
};

struct guards_facts {
	struct guards_fact of[GUARDS_FACTS];
	struct utc now;
	/* For the commands of remedies; "": they say SERVICE and RUN. */
	char service[AUTHORITY_RUN_BYTES], run[AUTHORITY_RUN_BYTES];
};

/* Set one; source and text may be NULL. */
void guards_tell(struct guards_facts *f, enum guards_fact_id id, int64_t value,
    struct utc at, const char *source, const char *text);

enum guards_verdict {
	GUARDS_NOT_APPLICABLE,
	GUARDS_PASS,
	GUARDS_FAIL,
	GUARDS_UNKNOWN
};

enum guards_override {
	GUARDS_NEVER,       /* G01 G03 G14 G18 */
	GUARDS_ATTESTATION, /* G10: two persons naming the physical method */
	GUARDS_BY_LEAD      /* --override Gxx=REASON of a dr-lead */
};

#define GUARDS_INPUTS_MAX 8

struct guards_result {
	unsigned number; /* 1 to 18 */
	enum guards_verdict verdict;
	enum guards_override override;
	bool overridden; /* by guards_override: it lets through then */
	size_t inputs_count;
	enum guards_fact_id inputs[GUARDS_INPUTS_MAX];
	char text[256];   /* what was found */
	char remedy[256]; /* what would make it pass; "" when it passes */
};

/* Does the guard hold in that mode at that phase? */
bool guards_holds(unsigned number, enum guards_mode mode,
    enum guards_phase phase);

/* All eighteen; out[0] is G01.  A guard that does not hold is NOT_APPLICABLE. */
void guards_evaluate(const struct guards_facts *f, enum guards_mode mode,
    enum guards_phase phase, struct guards_result out[GUARDS_COUNT]);

/*
 * --override Gxx=REASON of a dr-lead.  ERR_REFUSED: it has none (U2), with
 * what it would take; ERR_INPUT: no reason, no such guard.
 */
enum err_code guards_override(struct guards_result out[GUARDS_COUNT],
    unsigned number, const char *reason, struct err *e) MUST_CHECK;

/*
 * May it go on?  ERR_REFUSED: the text names the first that does not let
 * through, with inputs and ages, and the hint what would; *blocking (or NULL)
 * how many there are.
 */
enum err_code guards_admit(const struct guards_result out[GUARDS_COUNT],
    const struct guards_facts *f, size_t *blocking, struct err *e) MUST_CHECK;

/* "G01"; "no other run is open"; "pass". */
const char *guards_id(unsigned number);
const char *guards_title(unsigned number);
const char *guards_verdict_name(enum guards_verdict v);
/* 0: there is none of that id. */
unsigned guards_find(const char *id);
enum guards_override guards_override_of(unsigned number);
/* "none", "two people who name the physical method", ...: for people. */
const char *guards_override_words(enum guards_override o);
/* "policy-equal": for records and JSON. */
const char *guards_fact_name(enum guards_fact_id id);
/* Who said it; of what is not known, who would have to. */
const char *guards_fact_source(const struct guards_facts *f,
    enum guards_fact_id id);
/* "southwark answers, from bridge, 3 s ago", into out; returns out. */
const char *guards_fact_words(const struct guards_facts *f,
    enum guards_fact_id id, char *out, size_t out_bytes);
const char *guards_mode_name(enum guards_mode m); /* "planned" */
const char *guards_phase_name(enum guards_phase p);

/* --- approvals: who has agreed to what ------------------------------------ */

/*
 * P1. A person counts once, however many names: the same account at the same
 *     site, the same name (or name of the login) anywhere, the same login uid
 *     at the same site, the same key anywhere; and whoever is one with one who is one with another.
 * P2. Whoever requested is none of the approvers.  Where words are to be signed,
 *     the request is: else a site's root would say that somebody else had asked.
 * P3. A word counts for the bytes that were seen and for no other.
 * P4. What a key has signed is one word, however often it is recorded: of one
 *     key the signed times are the order (testimony_take).
 */

#define APPROVALS_WORDS_MAX 64
#define APPROVALS_NO_UID    INT64_C(-1)

enum approvals_verb {
	APPROVALS_APPROVE,
	APPROVALS_REFUSE,
	APPROVALS_WITHDRAW, /* one's own earlier word */
	APPROVALS_SECOND,   /* of a broken glass */
	APPROVALS_ATTEST,   /* the fence; reason: the physical method */
	APPROVALS_ACCEPT,   /* the loss, or the service (owner) */
	APPROVALS_RELEASE,  /* hold resolve, quarantine; reason: the owner */
	APPROVALS_REQUEST   /* whoever asked stands by it, with a key */
};
#define APPROVALS_VERBS 8

/* The person's own roles and council at their site, by its policy. */
struct approvals_person {
	int64_t uid;       /* the account */
	int64_t login_uid; /* APPROVALS_NO_UID: not known, not set */
	char name[64];     /* of the account */
	char site[AUTHORITY_SITE_BYTES];
	char council[64];
	char key[96];        /* fingerprint of a verified signature; "" */
	unsigned roles;      /* bits of base/role.h: 1u << ROLE */
	char login_name[64]; /* of login_uid's account there; "" not known */
};

struct approvals_word {
	struct approvals_person who;
	uint64_t row; /* in who.site's ledger; 0: not known */
	enum approvals_verb verb;
	char seen[65]; /* hex; "" where the verb has none */
	char reason[GUARDS_TEXT_BYTES];
	struct utc at;
	/* as it was signed, by the clock of who.key's holder; 0: not signed, or
	 * as v1 (approvals_signed) */
	struct utc said;
};

struct approvals_rule {
	unsigned needed;    /* persons */
	bool other_council; /* one of them of another than the requester's */
	unsigned roles;     /* one of these bits is needed; 0: any */
	int64_t expire_ns;  /* a word counts so long; 0: for ever */
	int64_t second_within_ns; /* of break-glass; 0: 30 minutes */
	bool
	    is_signed; /* only what is signed counts (who.key); the request, too */
	bool is_timed; /* a signature that holds no time (v1) does not count */
	bool glass_broken;
	struct utc glass_at;
	struct approvals_person glass_by; /* when glass_broken */
};

enum approvals_standing {
	APPROVALS_COUNTS,
	APPROVALS_SAME_PERSON, /* counted already */
	APPROVALS_REQUESTER,   /* P2 */
	APPROVALS_CHANGED,     /* P3: what was seen is no more */
	APPROVALS_EXPIRED,
	APPROVALS_TAKEN_BACK,
	APPROVALS_NO_ROLE,
	APPROVALS_UNSIGNED,   /* rule.is_signed, and it is not */
	APPROVALS_OLD,        /* rule.is_timed, and it is v1 */
	APPROVALS_UNASKED,    /* the request has to be signed, and is not */
	APPROVALS_NOT_COUNTED /* another verb, from before the request */
};

enum approvals_glass {
	APPROVALS_WHOLE,
	APPROVALS_SECOND_AWAITED, /* goes on; until second_by */
	APPROVALS_SECONDED,
	APPROVALS_SECOND_OVERDUE /* an alarm; never a stop */
};

struct approvals_judgement {
	unsigned counted, needed;
	bool is_signed;  /* the rule's */
	bool is_asked;   /* P2: by whose key it has to be, or by anybody */
	bool council_ok; /* another council is among them, or none is needed */
	bool refused;  /* somebody who may said no, and has not taken it back */
	bool suffices; /* and is not refused; true also of a broken glass */
	enum approvals_glass glass;
	struct utc second_by;
	struct utc expires; /* when the first that counts does; 0: never */
	enum approvals_standing standing[APPROVALS_WORDS_MAX];
	char
	    text[256]; /* "1 of 2: alice (brent); one of another council ..." */
};

bool approvals_same_person(const struct approvals_person *a,
    const struct approvals_person *b);

/* words: in the order of their times; those past the maximum do not count. */
void approvals_judge(const struct approvals_word *words, size_t words_count,
    const struct approvals_rule *rule, const struct approvals_person *requester,
    const char *seen, struct utc now, struct approvals_judgement *out);

/*
 * How many different persons stand by this verb with this very reason (the
 * method; the owner): words within within_ns of the newest count (0: any age),
 * text compared without regard to case and blanks.  excluded: a person who does
 * not count; may be NULL.
 */
unsigned approvals_persons(const struct approvals_word *words,
    size_t words_count, enum approvals_verb verb, const char *reason,
    int64_t within_ns, const struct approvals_person *excluded);

/* What an approver is shown; pointers are borrowed. */
struct approvals_shown_service {
	const char *name, *from, *to, *plan_digest, *point, *loss;
	const struct guards_result *guards; /* GUARDS_COUNT, or NULL */
};
struct approvals_shown {
	const char *run, *mode, *policy_digest, *reason, *change;
	const struct approvals_shown_service *services;
	size_t services_count;
};
/*
 * The bytes whose SHA-256 is `seen`: the same for the same content, different
 * for any other.  Of a guard its verdict and whether it is overridden count, not
 * its words, which hold ages.
 */
enum err_code approvals_seen(const struct approvals_shown *shown,
    struct buf *out, struct err *e) MUST_CHECK;

/* What a person's key signs; texts are borrowed. */
struct approvals_signing {
	const char *run;     /* "": of no run */
	const char *service; /* of a release; "" */
	enum approvals_verb verb;
	const char *seen;   /* "" where the verb has none */
	struct utc said;    /* 0: v1, which holds run, verb and seen alone */
	const char *reason; /* as approvals_word has it */
	const char *note;   /* of a release: why; "" */
};
/*
 * v2: run NUL service NUL verb NUL seen NUL time NUL reason NUL note, the time in
 * ns since 1970 as decimal digits; v1: run NUL verb NUL seen.  *label is what
 * sign_make and sign_check take.
 */
enum err_code approvals_signed(const struct approvals_signing *s,
    const char **label, struct buf *out, struct err *e) MUST_CHECK;

/* "approve", "withdraw". */
const char *approvals_verb_name(enum approvals_verb v);
bool approvals_verb_find(const char *name, enum approvals_verb *v);
/* "counts", "is the requester", "saw something else". */
const char *approvals_standing_words(enum approvals_standing s);

/* --- testimony: what people say of a move, and what its records prove ----- */

/*
 * T1. In which order the ledgers are read makes no difference: the order is that
 *     of the times, then of sites and rows.
 * T2. Of one ledger the rows are the order.  A record that is stamped earlier
 *     than one before it was written when the clock had been set right: what
 *     came before it is taken for no later.
 * T3. An attestation and a release are about now.  One whose time is further
 *     off than that, either way, says nothing.
 * T4. Of one key a word that was signed no later than one before it is no new
 *     word: it was said already, or was followed by another.
 */

#define TESTIMONY_WITHIN_NS (1800 * NS_PER_S)

/* Is it no new word (T4), by what is there? */
bool testimony_is_stale(const struct approvals_word *words, size_t count,
    const struct approvals_word *word);
/*
 * Put one into its place.  The same word of the same account replaces the older
 * one; of more than `max` the oldest goes; what is no new word (T4) is left out.
 */
void testimony_take(struct approvals_word *words, size_t *count, size_t max,
    const struct approvals_word *word);
/* Persons who attest by one and the same method that a site is off. */
unsigned testimony_attested(const struct approvals_word *words, size_t count,
    struct utc now);
/* Persons who have named that owner (NULL: 0) since then. */
unsigned testimony_released(const struct approvals_word *words, size_t count,
    const char *owner, struct utc since, struct utc now);
/*
 * The owner that was named last by a release, since then; *persons (or NULL):
 * how many name it.  NULL: nobody has.  Borrowed from words.
 */
const char *testimony_owner(const struct approvals_word *words, size_t count,
    struct utc since, struct utc now, unsigned *persons);

/* --- move: one service of one run ----------------------------------------- */

/*
 * M1. What a move has come to follows from the records of both sites, each in
 *     its own order, however the two orders are mixed.
 * M2. Each phase is recorded by the site whose it is and by no other.
 * M3. After GRANTED (planned), TAKEN (unplanned) the old site never resumes by
 *     itself; before it the new site never starts.
 * M4. What was begun and not seen to end is repeated, read back, or HELD.
 *
 * How the shell carries a turn out, always in this order:
 *	1. turn.gated: its guards evaluated and passed (facts.gate_passes; the
 *	   turn is MOVE_WAIT until they do)
 *	2. an act other than MOVE_RECORD: the intent record of the act, durable
 *	3. turn.changes_register: authority_next with turn.reg, recorded
 *	4. the act itself, then its outcome record: done, not-done, uncertain
 *	   (MOVE_RECORD: the record of turn.event instead)
 * and asks again: the phase that follows from an outcome is a turn of its own
 * (MOVE_RECORD).  Died anywhere in between: the same turn, or the one that the
 * uncertain act asks for, comes again.
 */

enum move_event_kind {
	/* phases, and who records them; A leaves, B takes */
	MOVE_REQUESTED,   /* asked */
	MOVE_STARTED,     /* asked */
	MOVE_READY,       /* B planned */
	MOVE_QUIESCED,    /* A planned, after quiesce */
	MOVE_SYNCED,      /* A planned, after sync; point */
	MOVE_EQUAL,       /* B planned, after equal; point */
	MOVE_DEMOTED,     /* A planned, after fence */
	MOVE_GRANTED,     /* A; B in a rollback; epoch */
	MOVE_DECLARED,    /* B unplanned */
	MOVE_FENCED,      /* B unplanned, after fence, or attested */
	MOVE_TAKEN,       /* B, after pin; A in a rollback; epoch */
	MOVE_PROVISIONAL, /* B; A in a rollback, or whom RESOLVED names */
	MOVE_RAN,         /* B, after plan */
	MOVE_COMMITTED,   /* B */
	MOVE_REPROTECTED, /* B */
	/* ends */
	MOVE_ABORTED,     /* A planned (after resume, if it had begun to
			     quiesce); B unplanned; either before READY */
	MOVE_EXPIRED,     /* asked, before STARTED */
	MOVE_WITHDRAWN,   /* asked, before STARTED */
	MOVE_ROLLED_BACK, /* A, after resume */
	MOVE_HELD,        /* either; reason */
	MOVE_RESOLVED,    /* two people said so: by the site that is not to
			     be the owner, when it has STOPPED; by the owner
			     when the other is attested to be off */
	/* on the way back */
	MOVE_CAPTURED, /* B in a rollback, after quiesce and capture */
	MOVE_UNDONE,   /* B in a rollback, after undo */
	/* of the site that lost the service without having let go */
	MOVE_STOPPED,    /* either, after stop: our own side read back */
	MOVE_DIVERGENCE, /* the loser, after capture; point */
	MOVE_RESUMED,    /* A, after resume: an unplanned run was ended; or
			    whom RESOLVED names runs again */
	/* words of people, recorded where they were said */
	MOVE_SAY_ABORT,
	MOVE_SAY_HOLD,
	MOVE_SAY_COMMIT, /* the owner accepts */
	MOVE_SAY_ROLLBACK,
	MOVE_SAY_REPROTECT,
	MOVE_SAY_RETRY, /* of what failed */
	/* kept for the report, change nothing: approval-needed, override,
	 * evidence, guard, reminder, ... */
	MOVE_NOTE
};
#define MOVE_EVENTS ((size_t)MOVE_NOTE + 1)

enum move_act {
	MOVE_WAIT,    /* for turn.whom; nothing to do here */
	MOVE_NOTHING, /* over: nothing more comes at this site */
	MOVE_RECORD,  /* turn.event, and the register; etcd's compare-and-swap
			 before a GRANTED or TAKEN */
	/* the worker's; their names in the records are these */
	MOVE_QUIESCE, /* this site: no writes any more */
	MOVE_SYNC,    /* final backup, replicated and acknowledged */
	MOVE_COMPARE, /* "equal": the point is whole in our repository */
	MOVE_FENCE,   /* the site left: A its own side, B the other */
	MOVE_PROVE,   /* the same, read back only */
	MOVE_RESUME,  /* this site: fence undone, writes again, read back */
	MOVE_PIN,     /* the point, and the newest here (pre-failover) */
	MOVE_PLAN,    /* run it here, or go on with it: steps recorded before
			 the newest PROVISIONAL do not count */
	MOVE_CAPTURE, /* this site's data under rollback: or divergence:RUN */
	MOVE_UNDO,    /* the plan here, then fence this site, read back */
	MOVE_STOP     /* fence this site, read back (R1) */
};
#define MOVE_ACTS ((size_t)MOVE_STOP + 1)

enum move_stage { MOVE_FACT, MOVE_INTENT, MOVE_OUTCOME };
enum move_result { MOVE_DONE, MOVE_NOT_DONE, MOVE_UNCERTAIN };

/* A record, taken apart.  Texts are borrowed; NULL is "". */
struct move_event {
	const char *site; /* whose ledger it stands in */
	uint64_t row;     /* its place there, from 1; rising */
	struct utc at;
	enum move_stage stage;
	enum move_event_kind kind; /* of a fact */
	enum move_act act;         /* of an intent or an outcome */
	enum move_result result;   /* of an outcome */
	const char *reason;
	const char *point; /* REQUESTED, SYNCED, EQUAL, CAPTURED, ... */
	uint64_t epoch;    /* the register's when it was recorded; of GRANTED,
			      TAKEN, RESOLVED the new one */
	const char *owner; /* RESOLVED: turn.reg.site */
	/* REQUESTED */
	const char *run, *service, *from, *to;
	enum guards_mode mode;
};

#define MOVE_POINT_BYTES  80
#define MOVE_REASON_BYTES 512

/* What one site has recorded of it. */
struct move_side {
	uint64_t row; /* the newest taken up */
	/* of the newest record of each; 0: none */
	uint64_t fact[MOVE_EVENTS];   /* rows */
	uint64_t intent[MOVE_ACTS];   /* rows */
	uint64_t outcome[MOVE_ACTS];  /* rows */
	struct utc at[MOVE_EVENTS];   /* of the facts */
	struct utc act_at[MOVE_ACTS]; /* of the newest intent or outcome */
	enum move_result result[MOVE_ACTS];
	unsigned tries[MOVE_ACTS]; /* outcomes other than done */
	struct utc latest;
	uint64_t epoch_of[MOVE_EVENTS]; /* of the newest fact that named one */
	char point[MOVE_POINT_BYTES];   /* SYNCED, EQUAL */
	char kept[MOVE_POINT_BYTES];    /* CAPTURED, DIVERGENCE */
	char owner[AUTHORITY_SITE_BYTES];   /* RESOLVED */
	char reason[MOVE_REASON_BYTES];     /* of the newest that had one */
	char act_reason[MOVE_REASON_BYTES]; /* of the newest outcome; "" */
};

/* Plain memory; zeroed it knows nothing. */
struct move {
	bool known; /* REQUESTED was seen */
	char run[AUTHORITY_RUN_BYTES];
	char service[64];
	char from[AUTHORITY_SITE_BYTES], to[AUTHORITY_SITE_BYTES];
	char asked_at[AUTHORITY_SITE_BYTES]; /* the site asked */
	enum guards_mode mode;
	uint64_t epoch;               /* the register's when it was requested */
	char point[MOVE_POINT_BYTES]; /* chosen; "" the newest */
	struct move_side a, b;        /* of `from`, of `to` */
};

/*
 * Take a record up.  Those of one site in the order of their rows; REQUESTED
 * before all others (find it first: it names the sites).  A row taken up already
 * is ERR_NONE and nothing.  ERR_CORRUPT: it does not fit (not that site's to
 * say, not after what that site said before); *m is as it was.
 */
enum err_code move_fold(struct move *m, const struct move_event *ev,
    struct err *e) MUST_CHECK;

/* The furthest it has come: REQUESTED ... REPROTECTED, ABORTED, HELD, ... */
enum move_event_kind move_phase(const struct move *m);
/* Decided, at both sites as far as is known: it stands in nobody's way any
 * more, though REPROTECTED may still come. */
bool move_is_over(const struct move *m);
/*
 * Does it bind that site (G01): has that site promised or begun something that
 * another run would cross?
 */
bool move_binds(const struct move *m, const char *site);
/* Past GRANTED or TAKEN and not decided again. */
bool move_past_return(const struct move *m);

enum move_whom {
	MOVE_NOBODY,
	MOVE_PEER,   /* the other site's turn */
	MOVE_PERSON, /* one: turn.next is what to type */
	MOVE_PEOPLE, /* two */
	MOVE_WORK    /* a job here */
};

/* A guard's words, or another site's, in a sentence with names of 64 bytes. */
#define MOVE_WHY_BYTES 1024

struct move_turn {
	enum move_act act;
	enum move_event_kind event; /* of MOVE_RECORD; else MOVE_NOTE */
	bool
	    gated; /* gate: whose guards have passed, or (MOVE_WAIT) have not */
	enum guards_phase gate;
	bool changes_register;
	struct authority_event reg; /* its texts are borrowed from m, my_site */
	enum move_whom whom;
	struct utc since;         /* it has waited, or worked */
	struct utc until;         /* look again then; ns 0: no need */
	bool alarm;               /* people should be told: turn.why */
	char why[MOVE_WHY_BYTES]; /* "waiting for southwark to say that ..." */
	char next[256];           /* a command to type; "" none */
};

/* What this site sees at this moment. */
struct move_facts {
	const struct authority *reg;      /* ours, as recorded */
	const struct authority *peer_reg; /* the other's; NULL: never heard */
	bool peer_answers; /* it answered just now, and we hold all it has */
	/* why it cannot do what is its turn, in its own words just now; NULL:
	 * it has said nothing of the kind */
	const char *peer_says;
	bool peer_healthy; /* the service was seen well at the old site */
	bool works;        /* a job of this move is under way here */
	bool other_run;    /* another run binds this site (move_binds, G01) */
	bool gate_passes;  /* the guards of move_gate, or overridden */
	const char *gate_text; /* the first that does not; NULL: "" */
	unsigned attested;     /* persons: the other side is off
			      (testimony_attested) */
	bool approvals_void;   /* an approver has refused it since */
	/* `hold resolve RUN --owner SITE`, said at either site: the newest owner
	 * named, and by how many persons (testimony_owner) */
	const char *release_owner; /* NULL: nobody has */
	unsigned release_persons;
	bool quorum_lost; /* etcd is used and does not answer */
	/* this site has asked etcd for a change, and nobody knows yet what came
	 * of it, or the witness's word below is from before it */
	bool swap_open;
	/* what etcd says, where it is used and answers: a swap that was made
	 * stands, though its maker died before it recorded it */
	uint64_t witness_epoch;    /* 0: not used, not known */
	const char *witness_owner; /* NULL: the same */
	bool protected_there; /* a complete, verified point at the other site,
				 made after the move */
	int64_t patience_ns;  /* 0: for ever */
	int64_t retry_ns;     /* pause after a failed act; 0: 10 s */
};

/*
 * What this site does next, or waits for.  Call again after every record, job's
 * end, word of the peer, and at turn.until.  ERR_INPUT: my_site is neither.
 */
enum err_code move_turn(const struct move *m, const char *my_site,
    const struct move_facts *facts, struct utc now, struct move_turn *turn,
    struct err *e) MUST_CHECK;

/*
 * The guards that my_site evaluates before its next act; false: none.  Then
 * guards_evaluate(facts, m->mode, *gate, out).
 */
bool move_gate(const struct move *m, const char *my_site,
    const struct move_facts *facts, enum guards_phase *gate);

/*
 * Does this move see to it that the site stops, when its service is heard to be
 * elsewhere?  Also one that was committed there while this site was away; not
 * one that was never started.
 */
bool move_settles(const struct move *m, const char *site);
/* Does it take the service from the site without being given it, and goes on? */
bool move_takes_from(const struct move *m, const char *site);

/*
 * The epoch that all who can be asked must name at that gate (G14): the one for
 * which it was requested, until somebody has let go; m->epoch 0: not recorded.
 */
uint64_t testimony_epoch(const struct move *m, const struct authority *reg,
    enum guards_phase gate);
/*
 * What its records prove, and what is attested, for the guards: G10, G15, G16,
 * G17 (what was written since is kept, and the old data untouched), G18, and whether
 * the register was heard.
 */
void testimony_tell(const struct move *m, const struct authority *reg,
    unsigned attested, struct guards_facts *f);

/*
 * May this word be said now?  ERR_REFUSED: too late, or too early, and what can
 * be done instead.
 */
enum err_code move_may_say(const struct move *m, enum move_event_kind word,
    struct err *e) MUST_CHECK;

/* "QUIESCED", "abort"; false: none of ours (MOVE_NOTE). */
const char *move_event_name(enum move_event_kind k);
bool move_event_find(const char *name, enum move_event_kind *k);
/* "quiesce", "equal"; false: no act of the worker's. */
const char *move_act_name(enum move_act a);
bool move_act_find(const char *name, enum move_act *a);
/* "done", "not-done", "uncertain": a record's `verdict`. */
const char *move_result_name(enum move_result r);
bool move_result_find(const char *name, enum move_result *r);

#endif
