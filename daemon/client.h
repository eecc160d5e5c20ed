#ifndef DAEMON_CLIENT_H
#define DAEMON_CLIENT_H

/* A connection to the API, as api.c and the commands' files share it. */

#include <bascule/loop.h>

#include "daemon.h"

struct client {
	struct client *next;
	struct daemon *d;
	struct loop_conn *conn;
	struct wire_lines lines;
	struct loop_timer *timer; /* idle, a slow line, or signs of life */
	struct client_caller caller;
	struct loop_peer peer;
	uint64_t identified; /* by policy_number, from 1 */
	bool is_bridge;      /* has the role peer and no other, no way back */
	char council[64];
	bool busy;   /* a request is being answered */
	bool broken; /* to be freed as soon as nobody uses it */
	int depth;   /* how many calls on the stack use it */
	char *request_id;
	const char *does; /* the command, for loop_turn_does */
	struct mono replied;
	/* what it waits for */
	bool watches_jobs, watches_ledger, takes_turns;
	char *job_id;
	client_watch_fn *watch;
	void *watch_ctx;
	void (*watch_ctx_free)(void **ctx);
};

#define CLIENT_READERS                                          \
	(ROLE_BIT(ROLE_VIEWER) | ROLE_BIT(ROLE_AUDITOR) |       \
	    ROLE_BIT(ROLE_OPERATOR) | ROLE_BIT(ROLE_APPROVER) | \
	    ROLE_BIT(ROLE_DR_LEAD) | ROLE_BIT(ROLE_ADMIN))
#define CLIENT_AUDITORS \
	(ROLE_BIT(ROLE_AUDITOR) | ROLE_BIT(ROLE_ADMIN) | ROLE_BIT(ROLE_DR_LEAD))
/* What the other site may ask for, too: posture, records, heads. */
#define CLIENT_READERS_PEER  (CLIENT_READERS | ROLE_BIT(ROLE_PEER))
#define CLIENT_AUDITORS_PEER (CLIENT_AUDITORS | ROLE_BIT(ROLE_PEER))
#define CLIENT_OPERATORS                                  \
	(ROLE_BIT(ROLE_OPERATOR) | ROLE_BIT(ROLE_ADMIN) | \
	    ROLE_BIT(ROLE_DR_LEAD))
#define CLIENT_LEADS  (ROLE_BIT(ROLE_DR_LEAD) | ROLE_BIT(ROLE_ADMIN))
#define CLIENT_ADMINS ROLE_BIT(ROLE_ADMIN)
/* Who may become the peer. */
#define API_BRIDGE_ROLES (ROLE_BIT(ROLE_PEER) | ROLE_BIT(ROLE_ADMIN))

/* "summary", the last reply; more is added to *v before. */
enum err_code client_summary(struct wire_value **v, struct err *e) MUST_CHECK;
/* A summary that says how many there were, as the last reply. */
enum err_code client_count(struct client *c, uint64_t count,
    struct err *e) MUST_CHECK;
/* Bytes that have not gone out: a producer waits above CLIENT_FULL_BYTES. */
size_t client_queued_bytes(const struct client *c);
#define CLIENT_FULL_BYTES ((size_t)256 << 10)

/*
 * Call fn in turns of the loop to come, until it has replied with the last:
 * others are answered in between, and it waits for who reads nothing.  Whoever
 * waited for something else with the same ctx waits for that no more.
 */
void client_take_turns(struct client *c, client_watch_fn *fn, void *ctx,
    void (*ctx_free)(void **ctx));

struct report_exercise;
/* A long text as messages of type "text", in pieces. */
enum err_code client_text(struct client *c, const char *text, size_t len_bytes,
    struct err *e) MUST_CHECK;
/* What our ledger and the copies of the others' say of a run. */
enum err_code client_gather(struct daemon *d, const char *run,
    struct report_exercise **out, struct err *e) MUST_CHECK;

/* The newest escrow drill on record, as fields of the status; none, no fields. */
enum err_code api_keys_tell(struct daemon *d, struct wire_value *v,
    struct err *e) MUST_CHECK;

/* The alarms there are, the worst first; of a service: its own and those of no
 * service. */
enum err_code api_alarms_tell(struct client *c, const char *service,
    uint64_t *count, struct err *e) MUST_CHECK;

/* The commands: each is a row, defined in the file of its group. */
#define COMMAND(name) extern const struct api_command api_##name;
#include "commands.def"
#undef COMMAND

/* Answer with the job that was asked for; wait: with what becomes of it. */
enum err_code api_jobs_begin(struct client *c, struct job *j, bool wait,
    struct err *e) MUST_CHECK;
/* A job that has ended, as the ledger has it. */
enum err_code api_ended_job(const struct ledger_job *j, struct wire_value **out,
    struct err *e) MUST_CHECK;

/* A dry run of what ends an exercise: the summary alone, where nothing was made. */
enum err_code api_left_end(struct client *c, const char *run,
    const char *service, const char *state, struct err *e) MUST_CHECK;
/* ... `left` each, and the summary (api_left.c). */
enum err_code api_left_tell(struct client *c, const char *run,
    const char *service, struct err *e) MUST_CHECK;

#endif
