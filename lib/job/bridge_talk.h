#ifndef JOB_BRIDGE_TALK_H
#define JOB_BRIDGE_TALK_H

/*
 * A talk with another site's daemon: API lines over SSH, to a host whose key
 * is pinned.  The other end is not trusted: a line, an answer and a whole talk
 * are bounded.
 */

#include <bascule/ledger.h>
#include <bascule/ssh.h>

#include "worker.h"

#define BRIDGE_TALK_BYTES_MAX ((uint64_t)64 << 20)

struct bridge_talk {
	struct worker *w;
	const char *link; /* over which it goes; borrowed from the spec */
	struct sshconn *conn;
	struct sshexec *command;
	struct wire_lines lines;
	uint64_t read_bytes;
	bool ended; /* the answer's last line was read */
	char version[64], policy[ID_HEX_BYTES];
};

/* Connect, start the bridge there, and hear its greeting. */
enum err_code bridge_talk_open(struct bridge_talk *t, const char *address,
    struct err *e) MUST_CHECK;
void bridge_talk_close(struct bridge_talk *t);
/* A command with "from" and "limit"; 0: without. */
enum err_code bridge_talk_ask(struct bridge_talk *t, const char *cmd,
    uint64_t from, uint64_t limit, struct err *e) MUST_CHECK;
/* A command about this site. */
enum err_code bridge_talk_ask_about(struct bridge_talk *t, const char *cmd,
    const char *site, struct err *e) MUST_CHECK;
/* The next line of the answer; *out NULL after the last one. */
enum err_code bridge_talk_next(struct bridge_talk *t, struct wire_value **out,
    struct err *e) MUST_CHECK;

/*
 * Does the ledger there extend the copy here, whose newest head is held?  text
 * (ERR_TEXT_BYTES) stays "" when it does, else it says where they part.
 */
enum err_code bridge_part_find(struct bridge_talk *t, const char *copy,
    uint64_t held, char *text, struct err *e) MUST_CHECK;

#endif
