#ifndef LIB_SSH_SSHSFTP_H
#define LIB_SSH_SSHSFTP_H

/*
 * What sshpath, sshdir and sshfile need of the session: numbered requests and
 * a party that hears the answers.
 *
 * A party that is closed while answers are under way is freed with the last of
 * them: so closing never waits, and no answer finds nobody.
 */

#include <bascule/ssh.h>

#include "sftpwire.h"

/* A read or write of this is let through by every server. */
#define SSHSFTP_PIECE_SURE ((size_t)32 << 10)
#define SSHSFTP_PIECE_MAX  ((size_t)255 << 10)

struct sshsftp_party;

/* An open file or directory there; of no bytes: none. */
struct sshsftp_handle {
	uint8_t bytes[SFTP_HANDLE_BYTES_MAX];
	size_t len_bytes;
};

/*
 * The answer to the request that was sent with tag.  Called within
 * sshsftp_step: it may send, when sshsftp_has_room, and never waits.
 */
typedef void sshsftp_reply_fn(struct sshsftp_party *party, uint64_t tag,
    uint8_t type, struct sftp_reader *body);

struct sshsftp_party {
	struct sshsftp *session; /* borrowed */
	sshsftp_reply_fn *on_reply;
	void (*on_free)(struct sshsftp_party *party);
	unsigned under_way_count;
	bool closed;
};

/* How bytes get there and back: sshpipe_step, or what a test puts there. */
struct sshsftp_way {
	enum err_code (*step)(void *ctx, struct buf *out, struct buf *in,
	    size_t in_max, struct err *e);
	void *ctx;
	const char *name; /* of the host; borrowed */
};

/* The greeting, over a way that is borrowed until _close. */
enum err_code sshsftp_greet(struct sshsftp **out, const struct sshsftp_way *way,
    struct err *e) MUST_CHECK;

void sshsftp_join(struct sshsftp *s, struct sshsftp_party *party);
void sshsftp_leave(struct sshsftp_party *party);

struct sshsftp_message {
	enum sftp_type type;
	const struct buf *body; /* behind the number */
	const void *payload;    /* behind the body; may be NULL */
	size_t payload_bytes;
};

/* May count more requests be sent without waiting? */
bool sshsftp_has_room(const struct sshsftp *s, unsigned count);
/* Wait until there is room for one. */
enum err_code sshsftp_make_room(struct sshsftp *s, struct err *e) MUST_CHECK;
/* Put into the queue; sent by the next step.  There must be room. */
enum err_code sshsftp_send(struct sshsftp_party *party, uint64_t tag,
    const struct sshsftp_message *m, struct err *e) MUST_CHECK;
/* From the answer's body; false: an impossible one, the session is over. */
bool sshsftp_take_handle(struct sshsftp *s, struct sshsftp_handle *h,
    struct sftp_reader *body);
/* Close it there, if it is one, and never mind the answer. */
void sshsftp_drop(struct sshsftp *s, struct sshsftp_handle *h);

/* Send and hear until something moved; answers are handed out. */
enum err_code sshsftp_step(struct sshsftp *s, struct err *e) MUST_CHECK;
/* The server did what no server does: the session is over. */
void sshsftp_break(struct sshsftp *s, const char *what);

/* A scratch buffer for one body, empty. */
struct buf *sshsftp_body(struct sshsftp *s);
size_t sshsftp_piece_bytes(const struct sshsftp *s);

/*
 * The code and sentence of a STATUS ("cannot DOING 'path' on 'host': ..."), of
 * which SFTP_OK is none; *status may be NULL.
 */
struct sshsftp_doing {
	const char *what, *path; /* escaped */
};
enum err_code sshsftp_status(struct sshsftp *s,
    const struct sshsftp_doing *doing, struct sftp_reader *body,
    uint32_t *status, struct err *e) MUST_CHECK;

#endif
