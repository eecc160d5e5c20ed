#ifndef LIB_REPLICATE_PUSH_H
#define LIB_REPLICATE_PUSH_H

/* One push, and the units it is made of: talk, offering, packsend, filesend. */

#include "rlink.h"

/* A snapshot, point or file of grants (service: "") to be offered. */
struct push_file {
	struct id id;
	char service[STORE_NAME_BYTES];
	bool wanted;
};

struct push_files {
	struct push_file *files;
	size_t count, wanted_count;
};

struct push;

/* What went out as which pack, in the order of one conversation. */
struct push_sent {
	uint32_t pack; /* of struct push's */
	bool derived;  /* from what was there: if it is no good, once more */
};

/* Packs whose frames are asked about before the first answer is needed. */
#define PUSH_AHEAD_COUNT 16

/* What was asked about a pack's frames. */
struct push_asked {
	uint32_t ordinal; /* in the last PACKS */
	bool is_open;     /* the answer is still to come */
	struct store_frames frames;
	uint8_t *bits;       /* the answer: which lack; NULL: none */
	uint64_t here_bytes; /* of the others */
};

/* A pack that goes out now. */
struct push_sending {
	uint32_t ordinal; /* in the last PACKS */
	uint32_t pack;
	uint64_t size_bytes;
	int fd;
};

/* What is under way to the far side. */
struct flight {
	uint64_t window_bytes;
	uint64_t sent_bytes, got_bytes; /* of DATA: out here, and in there */
	uint64_t timed_bytes;           /* 0: no clock runs */
	struct mono timed;
	int64_t least_ns; /* that a byte took until word of it was back */
	bool queued;      /* one has waited: the window has met the path */
};

/* One conversation with the far side; a push has one, or several at once. */
struct lane {
	struct push *push;
	struct rlink link;
	struct rmsg_welcome welcome;
	struct push_sent *sent;
	size_t sent_room;
	uint64_t sent_count, settled_count, unsettled_bytes;
	uint64_t judged_count; /* a RESULT of an earlier one is out of turn */
	uint64_t told_sent_bytes, told_received_bytes; /* in the tally */
	struct mono heard;
	unsigned idle_words_count; /* since then: they said nothing new */
	struct buf body;           /* a message's head and its bytes */
	struct push_asked asked[PUSH_AHEAD_COUNT];
	struct flight flight;
};

/* What is known of a pack of struct push's `packs`. */
struct push_pack {
	uint32_t blocks_count; /* that are staged there */
	bool wanted;
	bool again; /* what was there of it was no good: all of it */
};

struct push {
	struct store *store;
	const struct replicate_options *opt;
	const struct lanes_way *way; /* to further connections; NULL */
	struct push_files snapshots, points, grants;
	struct pack_list packs;
	struct push_pack *fates; /* of each of packs */
	struct lane first;
	/* under lock: what all lanes share, the store's index too */
	pthread_mutex_t lock;
	struct replicate_tally *tally;
	struct mono shown;
	bool stopped; /* a lane has failed: the others end too */
};

/* --- lanes: packs over several connections at once ---------------------------- */

/* Another connection to the same receiver.  *cancel is not 0: stop. */
struct lanes_way {
	enum err_code (*open)(void *ctx, struct transport *out,
	    const volatile sig_atomic_t *cancel, struct err *e);
	void (*close)(void *ctx, struct transport *t);
	void *ctx;
};

#define LANES_MAX 8

/* How many connections are worth it.  lanes_max: so many; 0: nobody said. */
size_t lanes_wanted(int64_t round_trip_ns, uint64_t bytes, size_t packs_count,
    unsigned lanes_max);

/* Wait for the end of a thread that ends when *stop is not 0; set so when *cancel
 * (may be NULL) is. */
void lanes_join(pthread_t thread, const volatile sig_atomic_t *cancel,
    volatile sig_atomic_t *stop);

void lanes_init(struct lane *l, struct push *p, const struct transport *t);
void lanes_fini(struct lane *l);

/*
 * The wanted ones of these packs, about which p->first was just asked, over as
 * many connections as pay.  What other connections sent is settled.  One that
 * cannot be had is done without.
 */
enum err_code lanes_send(struct push *p, const uint32_t *packs, size_t count,
    struct err *e) MUST_CHECK;

/* replicate_push with a way to more connections. */
enum err_code replicate_over(struct store *st, const struct transport *t,
    const struct lanes_way *way, const struct replicate_options *opt,
    struct replicate_tally *out, struct err *e) MUST_CHECK;

/* --- talk: messages out and in, with progress and the far side's last words -- */

/* Tell the caller of one object that was refused there or is damaged here. */
void talk_problem(struct push *p, const char *what, const struct id *id,
    const struct err *why);

/* The next message that is not only news (FAIL, WORKING); SETTLED is dealt
 * with and handed on. */
enum err_code talk_hear(struct lane *l, struct rmsg *m,
    struct err *e) MUST_CHECK;

/* The next message of this type; results of packs may come before it. */
enum err_code talk_expect(struct lane *l, enum rmsg_type type, struct rmsg *m,
    struct err *e) MUST_CHECK;

/* As talk_tell with the body's bytes behind RMSG_HEAD_BYTES of room. */
enum err_code talk_tell_body(struct lane *l, enum rmsg_type type,
    size_t len_bytes, struct err *e) MUST_CHECK;

/* Add to a number of the tally. */
void talk_count(struct push *p, uint64_t *number, uint64_t more);

enum err_code talk_tell(struct lane *l, enum rmsg_type type,
    const struct buf *head, const void *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;

/* --- offering: what there is, HELLO, what is wanted ---------------------------- */

enum err_code offering_gather(struct push *p, struct err *e) MUST_CHECK;
enum err_code offering_greet(struct push *p, struct err *e) MUST_CHECK;
void offering_fini(struct push *p);

/* HELLO, and what else goes out before an answer is waited for. */
enum err_code offering_hello(struct lane *l, struct err *e) MUST_CHECK;
/* Its answer: of the features that were offered, those both have. */
enum err_code offering_welcome(struct lane *l, struct err *e) MUST_CHECK;

/* --- packsend: the packs that the wanted snapshots need ------------------------- */

/* ERR_NONE: they are durable there, or refused one by one. */
enum err_code packsend_all(struct push *p, struct err *e) MUST_CHECK;

/* Ask over l about count packs, at most RMSG_PACKS_MAX, of these numbers. */
enum err_code packsend_ask(struct lane *l, const uint32_t *packs, size_t count,
    struct err *e) MUST_CHECK;
/* The wanted ones of those that were just asked about. */
enum err_code packsend_batch(struct lane *l, const uint32_t *packs,
    size_t count, struct err *e) MUST_CHECK;
/* Wait until all that went over l is settled. */
enum err_code packsend_settle(struct lane *l, struct err *e) MUST_CHECK;

/* A pack has gone out to be settled. */
enum err_code packsend_note(struct lane *l, uint32_t pack, bool derived,
    struct err *e) MUST_CHECK;
/* The bytes of a pack from `from` to `to`, as DATA. */
enum err_code packsend_range(struct lane *l, int fd, uint64_t from, uint64_t to,
    struct err *e) MUST_CHECK;

/* --- framesend: packs without the frames that are there -------------------------- */

/* fd: the pack's.  Asks nothing where it makes no sense. */
enum err_code framesend_ask(struct lane *l, uint32_t ordinal, int fd,
    struct err *e) MUST_CHECK;
/* A LACK has come. */
enum err_code framesend_hear(struct lane *l, const struct rmsg *m,
    struct err *e) MUST_CHECK;
/* *composed: it was asked about, and framesend_send pays. */
enum err_code framesend_await(struct lane *l, const struct push_sending *s,
    bool *composed, struct err *e) MUST_CHECK;
enum err_code framesend_send(struct lane *l, const struct push_sending *s,
    struct err *e) MUST_CHECK;
void framesend_fini(struct lane *l);

/* --- flight: no more under way than keeps the path busy ---------------------------- */

/*
 * Pure.  What is under way is lost when the link is: enough for the path, and
 * not all that sockets and windows would take.
 */
void flight_init(struct flight *f);
/* May so many bytes more be under way?  Always, when nothing is. */
bool flight_may(const struct flight *f, uint64_t more_bytes);
void flight_sent(struct flight *f, uint64_t bytes, struct mono now);
/* False: the far side cannot have got that. */
bool flight_got(struct flight *f, uint64_t got_bytes, struct mono now);

/* --- filesend: grants, snapshots, then points -------------------------------------- */

enum err_code filesend_grants(struct push *p, struct err *e) MUST_CHECK;
enum err_code filesend_snapshots(struct push *p, struct err *e) MUST_CHECK;
enum err_code filesend_points(struct push *p, struct err *e) MUST_CHECK;

/* --- wishing: the receiver's signed word about points --------------------------------- */

enum err_code wishing_all(struct push *p, struct err *e) MUST_CHECK;

#endif
