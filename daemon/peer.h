#ifndef DAEMON_PEER_H
#define DAEMON_PEER_H

/*
 * The other sites' daemons: asked over the bridge every so often
 * (docs/protocol/bridge.md), their posture kept with its age, their ledgers
 * followed in copies beside ours, their silence alarmed on.
 *
 * PE1. Nothing of a step of their ledger is kept before all of it is proved
 *      (ledger_copy_extend); two histories are never merged.
 * PE2. What a peer can make us hold is bounded: a line, a step, a talk, and the
 *      copy of its ledger.
 * PE3. What was heard last outlives the daemon: peers/SITE.json, peers/SITE.db.
 *
 *	waiting -every-> talking (a worker) -its end, or too long-> waiting
 */

#include "errand.h"

#define PEER_STEP_BYTES_MAX   ((size_t)32 << 20)
#define PEER_STEP_RECORDS_MAX 4096
#define PEER_SERVICES_MAX     900 /* as of a run */
#define PEER_TRIED_MAX        8
#define PEER_HINDERED_MAX     8 /* so many services say why they are */
#define PEER_HINDRANCE_BYTES  200

enum peer_state { PEER_HEARD, PEER_SILENT, PEER_NEVER };

/* Pure.  heard ns 0: never.  watching: since when anybody would have heard. */
enum peer_state peerwatch_judge(struct utc heard, struct utc watching,
    int64_t silent_after_ns, struct utc now, bool *is_silent);

struct peer_tried {
	char link[65], error[256]; /* error "": it was the way */
};

/* A step of its ledger, as it comes. */
struct peer_step {
	struct buf *records;
	size_t count, size, bytes;
	bool more; /* the last record is not whole yet */
};

/* cosigning.h: what this site has signed of our ledger. */
struct cosigning {
	uint64_t number, row; /* the newest head it signed, and its last row */
	uint64_t needed_row;  /* what was due at the last asking lies there */
	struct utc at;
};

struct peer {
	struct peer *next;
	struct daemon *d;
	const struct policy_site *site;
	struct loop_timer *timer; /* until the next talk, or the talk's limit */
	/* the talk */
	struct errand *worker;    /* NULL: none */
	struct wire_value *fresh; /* type "peer": as it is being told */
	struct wire_value *services, *links; /* of it */
	struct peer_step step;
	struct mono talking, spoke; /* it began; its worker's last line */
	bool heard_now, parted;
	bool hurry; /* talk again at once */
	struct peer_tried trying[PEER_TRIED_MAX];
	size_t trying_count, hindered_count;
	char failing[256];
	/* what is known, of the last one that ended */
	char failed[256]; /* why it did not go well; "" */
	bool unkept;      /* what it says cannot be kept, which was logged */
	struct utc heard, watching;
	struct utc clock_at; /* when its clock was compared; 0: never */
	int64_t clock_offset_ns, clock_bound_ns;
	struct mono whole; /* the last whole talk ended, since our start; 0 */
	struct mono asked, asked_back; /* it asked us; we, for that */
	struct mono began; /* our last talk, while it may ask back; ns 0 */
	struct buf said;   /* the line of the last whole talk */
	char said_policy[ID_HEX_BYTES]; /* peerword.c: of it */
	struct peer_word *words;        /* in the order of their services */
	size_t word_count;
	struct peer_tried tried[PEER_TRIED_MAX];
	size_t tried_count;
	/* its ledger */
	struct ledger *copy; /* NULL: none yet */
	struct head *head;   /* the newest held; number 0: none */
	char divergence[ERR_TEXT_BYTES];
	uint64_t arrivals_row; /* arrivals.c has looked so far */
	struct cosigning cosigning;
};

enum err_code peers_start(struct daemon *d, struct err *e) MUST_CHECK;
void peers_stop(struct daemon *d);
/* Is that site silent?  Raise or end the alarm about it. */
void peers_look(struct daemon *d);
/* Something is to be told and heard soon. */
void peers_hurry(struct daemon *d);
/* A move has been heard of: no long pauses. */
void peers_quicken(struct daemon *d);
/*
 * The other site has asked us: who is asked twice in short order asks back; while a
 * move is open at once, but for what is itself such an answer.
 */
void peers_asked(struct daemon *d);
/* NULL: no such site is talked to. */
struct peer *peers_find(const struct daemon *d, const char *site);
/* Is there any way to talk? */
bool peers_can_talk(const struct daemon *d);
/* One "peer" message for each other site with a daemon. */
enum err_code peers_tell(struct client *c, struct err *e) MUST_CHECK;
/* Its last word, as fields of the site's message. */
void peers_tell_site(const struct daemon *d, const char *site,
    struct wire_value *v);
/* The ledger of a site: ours (NULL or this site), or the copy of a peer's.
 * ERR_NOTFOUND: nothing is known of it. */
enum err_code peer_ledger(struct daemon *d, const char *site,
    struct ledger **out, struct err *e) MUST_CHECK;

/* --- peertalk.c: one talk ---------------------------------------------------- */

enum err_code peertalk_start(struct peer *p, struct err *e) MUST_CHECK;
/* It has taken too long, or the daemon ends. */
void peertalk_end(struct peer *p, const char *why);
/* Why a talk that runs is to be ended now; NULL: it may go on, look again in
 * *wait_ns.  Pure. */
const char *peertalk_overdue(const struct peer *p, struct mono now,
    int64_t *wait_ns);
/* peer.c: a talk is over; p->failed says how. */
void peer_talked(struct peer *p);

/* --- peerword.c: its last word about each service ------------------------------- */

struct peer_word {
	char service[65], site[AUTHORITY_SITE_BYTES], authority[32];
	char *hindrance; /* of its turn in a move; NULL: none was told */
};
void peerword_take(struct peer *p, struct wire_value *said);
void peerword_free(struct peer *p);
/* NULL: it said nothing of it. */
const struct peer_word *peerword_find(const struct peer *p,
    const char *service);

/* --- peersaid.c: how it says it is, into p->fresh ------------------------------ */

void peersaid_heard(struct peer *p, struct wire_value *ev);
/* A line of the answer to the command `of`. */
void peersaid_take(struct peer *p, const char *of, struct wire_value *v);
/* What was said is p->said now, and outlives us. */
enum err_code peersaid_keep(struct peer *p, struct err *e) MUST_CHECK;
/* Nothing there, or nothing sensible: then it was never heard. */
void peersaid_recall(struct peer *p);

/* --- peerstep.c: its ledger --------------------------------------------------- */

enum err_code peerstep_open(struct peer *p, struct err *e) MUST_CHECK;
void peerstep_close(struct peer *p);
/* "STATE/peers/SITE.SUFFIX"; out: PEER_PATH_BYTES. */
#define PEER_PATH_BYTES 4400
const char *peerstep_path(const struct daemon *d, const char *site,
    const char *suffix, char out[PEER_PATH_BYTES]);
/* A line of type ledger_record or ledger_head. */
enum err_code peerstep_take(struct peer *p, struct wire_value *v,
    struct err *e) MUST_CHECK;
void peerstep_forget(struct peer *p);

#endif
