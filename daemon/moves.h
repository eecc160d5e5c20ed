#ifndef DAEMON_MOVES_H
#define DAEMON_MOVES_H

/*
 * Live moves, carried out: what move_turn says that it is this site's turn to
 * do (docs/protocol/moves.md).
 *
 * MV1. This site acts at this site only, upon what both ledgers have on record.
 * MV2. An act has its intent on record before it begins and its outcome after
 *      it ended; what a phase says follows in a record of its own.
 * MV3. The register changes before the record that says so; both may be made
 *      again after a crash and are then nothing new.
 * MV4. What a start finds open is uncertain, and goes to move_turn as that.
 *
 *	look: fold what is new -> hear the other's registers -> for each move:
 *	facts -> move_turn -> wait, record, or begin an act -> job(s) -> outcome
 *	-> look
 */

#include "movebook.h"

struct moves {
	struct movebook book;
	struct stepdown *stepdowns; /* stepdown.h */
	bool dirty;                 /* something happened since the last look */
	struct mono looked;
};

enum err_code moves_start(struct daemon *d, struct err *e) MUST_CHECK;
void moves_stop(struct daemon *d);
/* At every tick. */
void moves_look(struct daemon *d);
/* How long the next tick may wait for our sake. */
int64_t moves_wait_ns(const struct daemon *d);
/* A record of a move, an approval or a register was written: sign, talk, look. */
void moves_told(struct daemon *d);
bool moves_are_open(const struct daemon *d);

/* Where its move stands, whose turn it is and what to type; "". */
void moves_say(struct daemon *d, const struct daemon_service *s, char *out,
    size_t out_bytes);

/* As part of a turn's words, in which what is to be typed follows a ';'. */
void moves_plain(char *text);
/* What becomes of what could not be recorded: where there is no space, after
 * people made some. */
const char *moves_remedy(const struct err *e);
/* Why its turn here cannot be put on record; "". */
const char *moves_hindrance(const struct daemon *d, const char *service);

/* Of a run that has begun: what to type next, or whose turn it is.  False: it
 * is over, or not known here. */
bool moves_say_next(const struct daemon *d, const char *run, char *out,
    size_t out_bytes);

/* The site that the register of this service is heard from; NULL: there is
 * none with a daemon, or no way to talk to it. */
struct peer;
struct peer *moves_peer_of(const struct daemon *d,
    const struct policy_service *s);
/* Is it for the other site to say how the service is protected? */
bool moves_is_the_others(const struct daemon *d,
    const struct daemon_service *s);

/* --- moverecord.c: records of a move ----------------------------------------- */

/* A failover record; service NULL: of the whole run. */
enum err_code moverecord_draft(struct draft **out, struct daemon *d,
    const struct move *m, const char *service, const char *event,
    struct err *e) MUST_CHECK;
/* A fact, written; the draft's further fields: epoch 0, point and reason NULL
 * are left out. */
enum err_code moverecord_fact(struct daemon *d, const struct move *m,
    const char *event, uint64_t epoch, const char *point, const char *reason,
    struct err *e) MUST_CHECK;

/* That the owner's word is waited for: once in every_ns. */
void moverecord_remind(struct daemon *d, struct movebook_item *item,
    int64_t every_ns, const char *text);

struct moverecord_news {
	const char *run, *service, *event, *why; /* service NULL: all of it */
	const char *from, *to;
};
/* To whom the policy tells each phase of a move (alerts, on "move"): after its
 * record. */
void moverecord_tell(struct daemon *d, const struct moverecord_news *n);

/* The fields of the report that are known when item->turn.event is recorded:
 * found.h. */
enum err_code moverecord_known(struct draft *draft, struct daemon *d,
    const struct movebook_item *item, const char *point,
    struct err *e) MUST_CHECK;

/* --- movefacts.c: what this site sees --------------------------------------- */

/* texts of facts are borrowed from the item. */
void movefacts_gather(struct daemon *d, struct movebook_item *item,
    struct move_facts *out);
/* The other site's last answer is so fresh that it may be about to give another. */
bool movefacts_answered_lately(struct daemon *d,
    const struct movebook_item *item);
/* An approver has refused it after the start, and nothing has been stopped. */
bool movefacts_refused(struct daemon *d, const struct movebook_item *item);

/* --- moveguard.c: the guards of a move -------------------------------------- */

/*
 * As they stand for that phase, the run's recorded overrides applied.  c NULL:
 * for nobody in particular.
 */
enum err_code moveguard_judge(struct daemon *d, const struct client_caller *who,
    const struct movebook_item *item, enum guards_phase phase, bool break_glass,
    struct guards_facts *facts, struct guards_result results[GUARDS_COUNT],
    struct err *e) MUST_CHECK;
/* May it go on?  Why not goes into item->blocked. */
bool moveguard_passes(struct daemon *d, struct movebook_item *item,
    enum guards_phase phase);
/* ERR_REFUSED: it has none. */
enum err_code moveguard_may_override(unsigned number, const char *reason,
    struct err *e) MUST_CHECK;

/* --- moveact.c: acts ------------------------------------------------------------ */

/* Carry out what item->turn says.  Failures are told and tried again. */
void moveact_begin(struct daemon *d, struct movebook_item *item);
/* What a fence of this site stopped starts by no command of that fence: a resume
 * walks the plan for this site, without its restores. */
bool moveact_needs_plan(const struct daemon *d, const struct move *m,
    const struct policy_service *s);
/* A job is over; does nothing for jobs that are no part of a move. */
void moveact_job_ended(struct daemon *d, struct job *j);
/* An outcome that could not be written before. */
void moveact_settle(struct daemon *d, struct movebook_item *item);
/* What comes after the move: the first point made here, copied to the other
 * site; one that came here, verified. */
void moveact_tend(struct daemon *d, struct movebook_item *item);

/* --- movejob.c: the workers of an act ------------------------------------------- */

extern const struct job_kind movejob_kind, movejob_equal_kind;

struct movejob_ask {
	const struct move *m;
	const char *act;       /* of the kind "move" */
	const char *site_from; /* of a fence: the site left; NULL: the move's */
	const char *point;     /* NULL: none */
	uint64_t epoch;
	bool without_restores; /* of a resume: the plan's other steps do it */
};
enum err_code movejob_act(struct daemon *d, const struct movejob_ask *ask,
    char job[JOB_ID_BYTES], struct err *e) MUST_CHECK;
enum err_code movejob_equal(struct daemon *d, const struct move *m,
    const char *point, char job[JOB_ID_BYTES], struct err *e) MUST_CHECK;
/* held: a move holds it still; tag NULL: none. */
enum err_code movejob_backup(struct daemon *d, const struct move *m,
    const char *tag, char job[JOB_ID_BYTES], struct err *e) MUST_CHECK;
enum err_code movejob_replicate(struct daemon *d, const struct move *m,
    const char *site, char job[JOB_ID_BYTES], struct err *e) MUST_CHECK;
/* What the last word of an act's worker was, kept for moveact.c. */
struct movejob_said {
	enum move_result result;
	char reason[JOB_REASON_BYTES], proof[MOVEBOOK_PROOF_BYTES];
	char method[64], failed_step[64], point[ID_HEX_BYTES];
};
void movejob_said(const struct job *j, struct movejob_said *out);

#endif
