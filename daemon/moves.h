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
 *
 * Of hundreds of moves a look takes several turns of the loop; what happens
 * meanwhile is folded at each, and looked at by the look that follows.
 */

#include <string.h>

#include "movebook.h"

struct moves {
	struct movebook book;
	struct stepdown *stepdowns; /* stepdown.h */
	bool dirty;                 /* something happened since the last look */
	struct mono looked;         /* when it began */
	uint64_t round;             /* its number */
	bool is_amid; /* it goes on in the next turn of the loop */
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

/*
 * Is it being brought up here: PROVISIONAL, and its plan (or its resume) has not
 * ended?  Its data is half there, and its hooks are the plan's.
 */
bool moves_bring_up(const struct daemon *d, const struct daemon_service *s);

/*
 * A live move to this site that has begun, and the service does not run here yet
 * ("move RUN of 'SERVICE'"): tests give way to it.  False: there is none.
 */
bool moves_under_way(const struct daemon *d, char *out, size_t out_bytes);

/* The site that the register of this service is heard from; NULL: there is
 * none with a daemon, or no way to talk to it. */
struct peer;
struct peer *moves_peer_of(const struct daemon *d,
    const struct policy_service *s);
/* Is it for the other site to say how the service is protected? */
bool moves_is_the_others(const struct daemon *d,
    const struct daemon_service *s);

/* The mode of a move, as a step's `modes` has it. */
static inline unsigned
moves_mode_bit(enum guards_mode mode)
{
	return mode == GUARDS_UNPLANNED ? POLICY_MODE_UNPLANNED
					: POLICY_MODE_PLANNED;
}

/* This site's half of it, or the other's. */
static inline const struct move_side *
moves_side(const struct move *m, const char *site)
{
	return strcmp(m->from, site) == 0 ? &m->a : &m->b;
}
/* In the log. */
void moves_complain(const struct movebook_item *item, const struct err *e);

/* --- movesay.c: what people are told ----------------------------------------- */

/* The turn's own words, where this shell knows more: what is under way, what a
 * step asks, who does not answer, what cannot be recorded. */
void movesay_turn(struct daemon *d, struct movebook_item *item,
    const struct move_facts *facts);
/* Held, waiting too long, not committed: until it goes on. */
void movesay_alarms(struct daemon *d, struct movebook_item *item);
/* Where its move stands, whose turn it is and what to type; "". */
void movesay_status(struct daemon *d, const struct daemon_service *s, char *out,
    size_t out_bytes);
/* Of a run that has begun: what to type next, or whose turn it is.  False: it
 * is over, or not known here. */
bool movesay_next(const struct daemon *d, const char *run, char *out,
    size_t out_bytes);
/* Why its turn here cannot be put on record; "". */
const char *movesay_hindrance(const struct daemon *d, const char *service);
/* As part of a turn's words, in which what is to be typed follows a ';'. */
void movesay_plain(char *text);
/* What becomes of what could not be recorded: where there is no space, after
 * people made some. */
const char *movesay_remedy(const struct err *e);

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

/* Is item->turn.event one with which every guard's verdict is recorded? */
bool moverecord_tells_all(const struct movebook_item *item);
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

struct moveguard_ask {
	const struct client_caller *who; /* NULL: nobody in particular */
	const struct movebook_item *item;
	enum guards_phase phase;
	bool break_glass;
	const char *seen; /* what an approver would be shown now; NULL: it is
	                    made, in this turn where facts_see has not */
};
/* As they stand for that phase, the run's recorded overrides applied. */
enum err_code moveguard_judge(struct daemon *d, const struct moveguard_ask *ask,
    struct guards_facts *facts, struct guards_result results[GUARDS_COUNT],
    struct err *e) MUST_CHECK;
/* May it go on?  Why not goes into item->blocked. */
bool moveguard_passes(struct daemon *d, struct movebook_item *item,
    enum guards_phase phase);

/*
 * G04 at the site that a planned move leaves, before it stops anything there, by
 * what is on record and the policy here.  False: out says why not.
 */
bool moveguard_lets_go(struct daemon *d, const struct movebook_item *item,
    char out[MOVE_WHY_BYTES]);
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
/* A last point that the other site fetches (replicate.pull): is it there? */
void moveact_await_fetched(struct daemon *d, struct movebook_item *item);

/* --- movepoint.c: the point of a move, at this site ------------------------------- */

/* The one made equal; else the one asked for; else the newest that is sound.
 * ERR_NOTFOUND: it is not whole here. */
enum err_code movepoint_find(struct daemon *d, const struct move *m,
    char id[ID_HEX_BYTES], struct err *e) MUST_CHECK;
/* That one into item->work.point, and held, as is the newest here, which may be
 * another. */
enum err_code movepoint_pin(struct daemon *d, struct movebook_item *item,
    struct err *e) MUST_CHECK;
/* The newest that this site made, into item->work.point: the backup's, which was
 * alone; "" where it cannot be told. */
void movepoint_take_made(struct daemon *d, struct movebook_item *item);
/* Its snapshots, a field each. */
enum err_code movepoint_add_snapshots(struct draft *draft, struct daemon *d,
    const char *point, struct err *e) MUST_CHECK;
/* What the record of item->turn.event is to name: what the outcome before it
 * named; "": nothing. */
enum err_code movepoint_of_phase(struct daemon *d,
    const struct movebook_item *item, char id[ID_HEX_BYTES],
    struct err *e) MUST_CHECK;

/* --- movetend.c: after the move ----------------------------------------------------- */

/* The first point made here, copied to the other site; one that came here,
 * verified. */
void movetend_look(struct daemon *d, struct movebook_item *item);

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
