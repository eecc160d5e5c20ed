#ifndef DAEMON_MOVEBOOK_H
#define DAEMON_MOVEBOOK_H

/*
 * The moves there are: a fold over the records of our own ledger and of the
 * proved copies of the peers' (docs/protocol/moves.md).
 *
 * MB1. Nothing is known of a move that is in no ledger: after a start the book
 *      is what it was.  What the shell remembers besides (the job under way) may
 *      be lost at any time.
 * MB2. A record that does not fit is told once and changes nothing.
 */

#include <bascule/authority.h>

#include "daemon.h"

#define MOVEBOOK_WORDS_MAX   32
#define MOVEBOOK_PEERS_MAX   8
#define MOVEBOOK_PROOF_BYTES 512

/* What the shell is about to do, or does, for a move. */
struct movebook_work {
	char job[JOB_ID_BYTES]; /* under way; "" */
	enum move_act act;
	char intent[LEDGER_INTENT_BYTES]; /* open; "" */
	unsigned part;                    /* of a sync: 0 backup, 1 copies */
	char point[ID_HEX_BYTES];         /* made, or compared */
	struct mono fetched_since; /* waited for: the other site fetches */
	/* known, and not yet on record: the ledger could not be written */
	bool has_ended;
	enum move_result result;
	char reason[JOB_REASON_BYTES], proof[MOVEBOOK_PROOF_BYTES], method[64];
	char failed_step[64];
};

/* Why what is this site's turn is not done: it cannot be put on record (a full
 * disk, mostly), or G04 keeps the service here. */
struct movebook_hindrance {
	char text[MOVE_WHY_BYTES]; /* "": nothing */
	struct utc since;
	char next[256]; /* what to type; "": nothing helps but its end */
	bool stands;    /* met since the last look began */
};

struct movebook_item {
	struct movebook_item *next;
	struct movebook_item *same; /* the next one of a service like its */
	uint64_t round;             /* of moves_look: the last it was part of */
	struct move m;
	struct utc requested, started, expires; /* expires 0: never */
	char requester[64], reason[256], change[128];
	uint32_t overrides;       /* bits: 1 << guard's number */
	uint32_t overridden_here; /* ... of those recorded at this site */
	/* of those who attest and refuse; words_take */
	struct approvals_word words[MOVEBOOK_WORDS_MAX];
	size_t words_count;
	bool glass_broken;
	struct movebook_work work;
	struct move_turn turn; /* at the last look */
	bool has_turn;
	struct movebook_hindrance hindrance;
	struct authority witness;     /* what etcd says; epoch 0: nothing */
	char blocked[MOVE_WHY_BYTES]; /* a gate's first guard that does not
					 pass; "" */
	unsigned barrier; /* ... its number; 0: none, or it is not known */
	enum guards_override barrier_override;
	struct mono tended;  /* movetend_look */
	struct utc reminded; /* of the owner's commit; 0: not looked up */
};

/* The other site's register of a service, as its copy has it. */
struct movebook_reg {
	struct movebook_reg *next; /* of a service like its */
	char service[LEDGER_NAME_BYTES_MAX + 1];
	char site[AUTHORITY_SITE_BYTES];
	struct authority a;
	struct utc at;
};

/* Who wants a service released, to which owner: words of release. */
struct movebook_release {
	struct movebook_release *next;
	char service[LEDGER_NAME_BYTES_MAX + 1];
	struct approvals_word words[8]; /* words_take */
	size_t words_count;
};

struct movebook_cursor {
	char site[AUTHORITY_SITE_BYTES];
	uint64_t failover, approval, authority; /* rows: taken up to here */
	uint64_t seen; /* the ledger's last row at the last look */
};

/* Services by a number of their names: of hundreds each is found at once. */
#define MOVEBOOK_LIKE 256

struct movebook {
	struct movebook_item *items; /* in the order they were asked for */
	struct movebook_item *last;
	struct movebook_item *like[MOVEBOOK_LIKE]; /* the same, by `same` */
	struct movebook_reg *regs[MOVEBOOK_LIKE];
	struct movebook_release *releases;
	struct movebook_cursor cursors[MOVEBOOK_PEERS_MAX + 1];
	size_t cursor_count;
	bool lost;              /* a record of a run nobody asked for, so far */
	uint64_t policy_number; /* the words were read under */
};

/* *changed: something was taken up. */
enum err_code movebook_update(struct daemon *d, struct movebook *b,
    bool *changed, struct err *e) MUST_CHECK;
void movebook_fini(struct movebook *b);

/* b takes them; what they are of stands there already. */
void movebook_add(struct movebook *b, struct movebook_item *item);
void movebook_add_register(struct movebook *b, struct movebook_reg *reg);

/* The moves of a service, in the order they were asked for; NULL: no more. */
struct movebook_item *movebook_first(const struct movebook *b,
    const char *service);
struct movebook_item *movebook_next(const struct movebook_item *item);
/* NULL: there is none.  run NULL: the newest move of the service that is not
 * over, else the newest. */
struct movebook_item *movebook_find(struct movebook *b, const char *run,
    const char *service);
/* The other site's register; NULL: it has recorded none. */
const struct movebook_reg *movebook_register(const struct movebook *b,
    const char *service, const char *site);
/* A run other than `but` (NULL: any) binds the site for that service. */
const struct movebook_item *movebook_binds(const struct movebook *b,
    const char *service, const char *site, const struct movebook_item *but);
/* Was another move of the same service asked for later? */
bool movebook_newer(const struct movebook *b, const struct movebook_item *item);
/* Is any run open: the sites talk quickly then. */
bool movebook_is_open(const struct movebook *b);
/* Persons who attest that the other side of this move is off. */
unsigned movebook_attested(const struct movebook_item *item, struct utc now);
/* Persons who want that site to be the owner (hold resolve). */
unsigned movebook_released(const struct movebook *b, const char *service,
    const char *owner, struct utc now);
/* All who have said so of it; NULL: nobody.  Borrowed. */
const struct movebook_release *movebook_release_of(const struct movebook *b,
    const char *service);
/* The owner that was named last, and by how many; NULL: nobody has, since
 * then. */
const char *movebook_release_owner(const struct movebook *b,
    const char *service, struct utc since, struct utc now, unsigned *persons);

/* Taken from a record of type authority; false: it says nothing. */
bool movebook_take_register(struct authority *a, const struct record *r);

#endif
