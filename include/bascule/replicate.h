#ifndef BASCULE_REPLICATE_H
#define BASCULE_REPLICATE_H

/*
 * Bring a copy of a repository up to date: docs/protocol/store-serve.md.
 * The sender pushes what the far side lacks; the receiver trusts nothing.
 *
 * R1. A snapshot is visible at the far side only with everything it needs.
 * R2. What was acknowledged is durable there.
 * R3. A cut at any moment costs at most the credit that was in flight; the
 *     next run goes on from there.
 * R4. The receiver is never asked to delete, overwrite or read, and would not.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/defs.h>
#include <bascule/base/err.h>
#include <bascule/base/id.h>
#include <bascule/base/now.h>

struct buf;
struct store;

/* --- transport: a way for bytes to the other side --------------------------- */

struct transport {
	/* At least one byte; *got is 0 when the other side has ended. */
	enum err_code (*read)(void *ctx, void *bytes, size_t max_bytes,
	    size_t *got, struct err *e);
	/* All of bytes. */
	enum err_code (*write)(void *ctx, const void *bytes, size_t len_bytes,
	    struct err *e);
	void *ctx;
};

/*
 * A transport over two descriptors (pipes, sockets), which are made
 * non-blocking.  Everything is borrowed until the transport is no more used.
 * ERR_TIMEOUT when nothing moves for timeout_ns; ERR_CANCELLED.
 */
struct transport_fds {
	int in, out;
	int64_t timeout_ns;
	const volatile sig_atomic_t *cancel; /* may be NULL */
};
enum err_code transport_over_fds(struct transport *out,
    struct transport_fds *fds, struct err *e) MUST_CHECK;

/* --- sending ------------------------------------------------------------------ */

struct replicate_tally {
	uint64_t snapshots_count, snapshots_sent_count; /* here, and sent now */
	uint64_t points_count, points_sent_count;
	uint64_t grants_sent_count;
	uint64_t packs_count, packs_sent_count; /* needed, and lacking there */
	uint64_t pack_bytes;      /* of the packs that lack there */
	uint64_t pack_sent_bytes; /* of these, sent so far */
	uint64_t sent_bytes;      /* all that went out, on the transport */
	uint64_t received_bytes;  /* all that came back */
	uint64_t refused_count;   /* objects the far side did not take */
	uint64_t damaged_count;   /* objects here that cannot be sent */
	/*
	 * Of pack_bytes, what was not sent: there already from a transfer that
	 * was cut, or as frames of other packs.
	 */
	uint64_t resumed_bytes, composed_bytes;
	uint64_t again_bytes;  /* sent twice: what was there was no good */
	int64_t round_trip_ns; /* of the first answer; 0: not measured */
	unsigned lanes_count;  /* connections that carried packs */
	const char *link;      /* as the options named it */
	bool copy_created;     /* there was no copy before */
};

/* One object that was refused there or is damaged here. */
typedef void replicate_problem_fn(void *ctx, const char *object,
    const struct err *why);
typedef void replicate_progress_fn(void *ctx,
    const struct replicate_tally *tally);

struct replicate_options {
	const char *service;                /* NULL: all */
	replicate_problem_fn *on_problem;   /* may be NULL */
	replicate_progress_fn *on_progress; /* a few times a second at most */
	/*
	 * May be NULL.  Called before bytes_count bytes (at most 64 KiB) go out:
	 * it may sleep, for a budget, and ERR_CANCELLED ends the push.  From the
	 * thread of whichever connection sends, several at once; the other two
	 * are never called by two threads at a time.
	 */
	enum err_code (*pace)(void *ctx, size_t bytes_count, struct err *e);
	void *ctx;
	const volatile sig_atomic_t *cancel; /* may be NULL */
	const char *link;   /* for the tally: which link this is; NULL */
	unsigned lanes_max; /* connections; 0: as many as seem to help */
	uint64_t epoch;     /* under which it comes; 0: what the store owns */
	/*
	 * May be NULL.  Of each point that was sent, and of those of wishes (of
	 * options' service), the receiver's signed word that it is there; it is
	 * the caller's to judge.  Nothing comes from a receiver that has no key
	 * to sign with.
	 */
	enum err_code (*on_acknowledged)(void *ctx, const struct id *point,
	    const void *bytes, size_t len_bytes, struct err *e);
	const struct id *wishes;
	size_t wishes_count;
	/* The receiver came for it (store serve --allow get), and may have
	 * further connections, each with a sender of its own. */
	bool fetched;
};

/*
 * Push to the receiver behind t.  *out is filled in as far as it went, on
 * failure too.  ERR_NONE also when single objects were refused or damaged: see
 * the tally.  ERR_TIMEOUT: the far side is away; the next run goes on.
 * ERR_NOSPACE, ERR_REFUSED (another family too), ERR_TOONEW: as the far side
 * said.  ERR_IO: it does not speak the protocol.  Checkpoints of unfinished runs are not sent.
 */
enum err_code replicate_push(struct store *st, const struct transport *t,
    const struct replicate_options *opt, struct replicate_tally *out,
    struct err *e) MUST_CHECK;

/* Where and as whom; what is NULL or 0 has a default. */
struct replicate_target {
	const char *url;         /* ssh://USER@HOST[:PORT]/PATH, required */
	const char *known_hosts; /* NULL: ~/.ssh/known_hosts if no host_keys */
	const char *const *host_keys; /* "SHA256:..." each */
	size_t host_keys_count;
	const char *identity;                 /* NULL: the agent */
	const char *identity_passphrase_file; /* NULL: the credential */
	const char *remote_bascule;           /* NULL: "bascule" */
	const char *bind_address; /* NULL: any: which link is used */
	const char *address;      /* NULL: the URL's host: which link is used */
	int64_t timeout_ns;       /* 0: 30 s without progress */
};

/*
 * Connect, start `REMOTE-BASCULE -r PATH store serve --allow put` there (or
 * what the key's forced command says), push, end.  Errors as sshconn_open and
 * replicate_push; a far side that ends without a word is quoted by its
 * standard error.
 */
enum err_code reach_push(struct store *st, const struct replicate_target *to,
    const struct replicate_options *opt, struct replicate_tally *out,
    struct err *e) MUST_CHECK;

/* --- a copy on a server that has only SFTP ------------------------------------- */

/*
 * Push to sftp://USER@HOST[:PORT]/PATH, where nothing of ours runs: the sender
 * makes the layout, the index and MANIFEST of the copy itself, so that the
 * directory, fetched by any means, is a repository.  The order of R1 is kept:
 * packs, index, MANIFEST, snapshots, points, each flushed there (or, where the
 * server cannot, read back and compared) and renamed without overwriting.
 * R4 cannot hold: what the far side does not promise, the report says.
 *
 * One sender at a time: PATH/tmp/sender.lock names it.  ERR_BUSY: another's is
 * there.  That of a run on this machine that is surely dead is taken over, and
 * the report says so; any other only with break_lock.
 */
struct sftp_target_options {
	bool read_back;  /* everything that is sent, also where fsync works */
	bool break_lock; /* whoever's it is */
};

#define SFTP_TARGET_LACKS_MAX 8

struct sftp_target_report {
	uint64_t read_back_bytes;
	uint64_t moved_count; /* damaged there, now in bad/ */
	char lock_taken[256]; /* whose lock was taken over; "": none */
	/* Sentences: what this target does not give.  Static. */
	const char *lacks[SFTP_TARGET_LACKS_MAX];
	size_t lacks_count;
};

/*
 * As reach_push.  ERR_CORRUPT: what was read back is not what was sent, or
 * something else is under a name that we would give.
 */
enum err_code sftp_target_push(struct store *st,
    const struct replicate_target *to, const struct replicate_options *opt,
    const struct sftp_target_options *how, struct replicate_tally *out,
    struct sftp_target_report *report, struct err *e) MUST_CHECK;

/* Does this URL name such a target? */
bool sftp_target_is(const char *url);
/* The i-th sentence of what no such target gives; NULL past the last. */
const char *sftp_target_never(size_t i);

/* --- healing from another copy ---------------------------------------------------- */

struct heal_options;
struct heal_tally;
/*
 * store_heal with what `bascule store serve --allow heal` behind t has.  name:
 * of that copy, for people.  ERR_IO too when it will not be asked.
 */
enum err_code fetching_heal(struct store *st, const struct transport *t,
    const char *name, const struct heal_options *opt, struct heal_tally *out,
    struct err *e) MUST_CHECK;
/* The same, the far side reached over SSH. */
enum err_code reach_heal(struct store *st, const struct replicate_target *from,
    const struct heal_options *opt, const volatile sig_atomic_t *cancel,
    struct heal_tally *out, struct err *e) MUST_CHECK;

/* --- receiving ------------------------------------------------------------------ */

enum serve_allow {
	SERVE_NOTHING = 0,
	SERVE_PUT = 1,
	SERVE_GET = 2,
	SERVE_HEAL = 4
};

struct serve_tally;

/* What a receiver can sign about a point: it is here, whole, since then. */
struct serve_word {
	const uint8_t *family; /* 16 bytes */
	const char *service;
	struct id point;
	struct utc since;
};

struct serve_options {
	unsigned allow; /* of enum serve_allow */
	bool network_fs_allowed;
	const volatile sig_atomic_t *cancel; /* may be NULL */
	uint64_t quota_bytes;      /* the copy grows no larger; 0: no quota */
	uint64_t rate_bytes_per_s; /* it is read no faster; 0: no limit */
	/*
	 * May be NULL.  Called when bytes_count bytes (at most 64 KiB) have come
	 * in, before more are read: it may sleep, for a budget, and ERR_CANCELLED
	 * ends the conversation.  In reach_pull from the thread of whichever
	 * connection hears, several at once; on_progress never.
	 */
	enum err_code (*pace)(void *ctx, size_t bytes_count, struct err *e);
	/* May be NULL: no point is acknowledged.  The word, signed. */
	enum err_code (*sign)(void *ctx, const struct serve_word *word,
	    struct buf *out, struct err *e);
	/* May be NULL.  After each message, with what has come by then. */
	void (*on_progress)(void *ctx, const struct serve_tally *tally);
	void *ctx;
	unsigned lanes_max; /* reach_pull: connections; 0: as many as help */
};

struct serve_tally {
	uint64_t packs_count, pack_bytes, snapshots_count, points_count;
	unsigned
	    lanes_count; /* connections that brought packs; 0: not counted */
	uint64_t wanted_bytes; /* of packs that lacked here */
	uint64_t refused_count;
	bool copy_created;
};

/*
 * Be the receiver for the repository at path until the sender says goodbye or
 * goes.  Whatever fails is told to the sender first.  ERR_TIMEOUT: the sender
 * went away or fell silent; ERR_REFUSED, ERR_INPUT: it asked for something
 * that is not allowed or not in the protocol.
 */
enum err_code serve_run(const char *path, const struct transport *t,
    const struct serve_options *opt, struct serve_tally *out,
    struct err *e) MUST_CHECK;

/*
 * Fetch instead of being sent to: be the receiver for the copy at path, of the
 * far repository that `REMOTE-BASCULE -r PATH store serve --allow get` sends
 * from there, over several connections where it pays.  Errors as sshconn_open
 * and serve_run.
 */
enum err_code reach_pull(const char *path, const struct replicate_target *from,
    const char *service, const struct serve_options *opt,
    struct serve_tally *out, struct err *e) MUST_CHECK;

/* --- confinement ------------------------------------------------------------------- */

/*
 * What a process gives up that is about to hear a hostile peer: for the rest of
 * its life, and before it begins a thread.  Files: nothing but the copy at path
 * (made, if it is not there and SERVE_PUT is allowed), in which nothing that was
 * published is written to, and no snapshot or point can be removed; of the system
 * what libraries
 * read.  Network: no connection, no listening.  Calls: no program is begun, no
 * socket made, no other process looked into, nothing of the machine changed.
 * Never more privileges than now.
 */
enum confine_what {
	CONFINE_FILES = 1,
	CONFINE_NETWORK = 2,
	CONFINE_CALLS = 4,
};
/* What could be had of these: a kernel may lack any of them. */
unsigned confine_to(const char *path, unsigned allow);
/*
 * For a receiver that makes the connections itself (reach_pull), of the thread
 * that calls and those it begins: sockets are
 * left to it, and of the system's files what names and keys need: these, where
 * not NULL, and what says which host is where.
 */
unsigned confine_to_fetch(const char *path, const char *const files[],
    size_t files_count);
/* In words, in out or constant. */
#define CONFINE_TEXT_BYTES 80
const char *confine_text(unsigned got, char out[CONFINE_TEXT_BYTES]);

#endif
