/*
 * The API: docs/protocol/api.md.  Everything that comes in is hostile.
 *
 *	idle -line-> busy (a command answers, now or later) -last reply-> idle
 */

#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "client.h"
#include "question.h"

#define CLIENTS_MAX       64
#define CLIENTS_USER_MAX  8
#define LINE_NS           (10 * NS_PER_S)
#define IDLE_NS           (600 * NS_PER_S)
#define ALIVE_NS          (8 * NS_PER_S)
#define UNREAD_NS         (NS_PER_S / 50) /* while it reads nothing */
#define BACKLOG_BYTES_MAX ((size_t)8 << 20)
#define REQUEST_BYTES_MAX ((size_t)64 << 10)

static void serve(struct client *c);
static enum err_code admit_still(struct client *c, struct err *e) MUST_CHECK;

/* --- ending ----------------------------------------------------------------- */

static void
forget_request(struct client *c)
{
	if (c->watch_ctx_free != NULL)
		c->watch_ctx_free(&c->watch_ctx);
	c->watch = NULL;
	c->watch_ctx = NULL;
	c->watch_ctx_free = NULL;
	c->watches_jobs = c->watches_ledger = c->takes_turns = false;
	free(c->job_id);
	c->job_id = NULL;
	free(c->request_id);
	c->request_id = NULL;
	c->busy = false;
}

static void
client_free(struct client *c)
{
	struct client **at = &c->d->clients;

	while (*at != NULL && *at != c)
		at = &(*at)->next;
	if (*at == c)
		*at = c->next;
	forget_request(c);
	wire_lines_fini(&c->lines);
	loop_timer_free(&c->timer);
	loop_conn_finish(&c->conn);
	free(c);
}

/* Nothing may touch c after this. */
static void
let_go(struct client *c)
{
	if (--c->depth == 0 && c->broken)
		client_free(c);
}

/* --- replying --------------------------------------------------------------- */

struct daemon *
client_daemon(struct client *c)
{
	return c->d;
}

const struct client_caller *
client_caller(const struct client *c)
{
	return &c->caller;
}

struct question_word
client_word(const struct client *c, struct wire_value *request)
{
	return (struct question_word){.verb = wire_take_text(request, "verb",
					  "done"),
	    .reason = wire_take_text(request, "reason", ""),
	    .by = c->caller.name,
	    .roles = c->caller.roles};
}

size_t
client_queued_bytes(const struct client *c)
{
	return loop_conn_queued_bytes(c->conn);
}

void
client_reply(struct client *c, struct wire_value **v)
{
	OWNED(buf_fini) struct buf line = {0};
	struct err e;

	if (c->broken) {
		wire_free(v);
		return;
	}
	wire_add_text(*v, "id", c->request_id);
	if (wire_line(*v, &line, &e) != ERR_NONE ||
	    loop_conn_send(c->conn, line.bytes, line.len_bytes, &e) !=
		ERR_NONE ||
	    loop_conn_queued_bytes(c->conn) > BACKLOG_BYTES_MAX)
		c->broken = true;
	c->replied = now_mono();
	wire_free(v);
}

void
client_last(struct client *c, struct wire_value **v)
{
	wire_add_last(*v);
	client_reply(c, v);
	forget_request(c);
	loop_timer_set(c->timer, IDLE_NS);
}

void
client_fail(struct client *c, const struct err *why, int exit_status)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_failure_new(&v, why, exit_status, &e) == ERR_NONE)
		client_last(c, &v);
	else
		c->broken = true;
}

enum err_code
client_asked(struct wire_value *request, struct err *e)
{
	return wire_end(request, e);
}

enum err_code
client_summary(struct wire_value **v, struct err *e)
{
	return wire_new(v, "summary", e);
}

enum err_code
client_count(struct client *c, uint64_t count, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = client_summary(&v, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_uint(v, "count", count);
	client_last(c, &v);
	return ERR_NONE;
}

/* --- waiting ---------------------------------------------------------------- */

static void
watch(struct client *c, client_watch_fn *fn, void *ctx,
    void (*ctx_free)(void **ctx))
{
	c->watches_jobs = c->watches_ledger = c->takes_turns = false;
	c->watch = fn;
	c->watch_ctx = ctx;
	c->watch_ctx_free = ctx_free;
	loop_timer_set(c->timer, ALIVE_NS);
}

void
client_watch_jobs(struct client *c, const char *job_id, client_watch_fn *fn,
    void *ctx, void (*ctx_free)(void **ctx))
{
	watch(c, fn, ctx, ctx_free);
	c->watches_jobs = true;
	c->job_id = job_id == NULL ? NULL : strdup(job_id);
	if (job_id != NULL && c->job_id == NULL)
		c->broken = true;
}

void
client_watch_ledger(struct client *c, client_watch_fn *fn, void *ctx,
    void (*ctx_free)(void **ctx))
{
	watch(c, fn, ctx, ctx_free);
	c->watches_ledger = true;
}

static void
next_turn(struct client *c)
{
	loop_timer_set(c->timer,
	    client_queued_bytes(c) > 0 ? UNREAD_NS : DAEMON_TURN_NS);
}

void
client_take_turns(struct client *c, client_watch_fn *fn, void *ctx,
    void (*ctx_free)(void **ctx))
{
	watch(c, fn, ctx, ctx_free);
	c->takes_turns = true;
	next_turn(c);
}

static void
tell(struct client *c, struct job *j)
{
	struct err e;

	c->depth++;
	loop_turn_does(c->d->loop, c->does);
	if (admit_still(c, &e) == ERR_NONE)
		c->watch(c, c->watch_ctx, j);
	else
		client_fail(c, &e, 0);
	if (!c->busy && !c->broken)
		serve(c); /* the next request may have come meanwhile */
	let_go(c);
}

void
api_job_changed(struct daemon *d, struct job *j)
{
	for (struct client *c = d->clients, *next; c != NULL; c = next) {
		next = c->next;
		if (c->watches_jobs && c->depth == 0 &&
		    (c->job_id == NULL || strcmp(c->job_id, j->id) == 0))
			tell(c, j);
	}
}

static void
tell_grown(void *ctx)
{
	struct daemon *d = ctx;

	for (struct client *c = d->clients, *next; c != NULL; c = next) {
		next = c->next;
		if (c->watches_ledger)
			tell(c, NULL);
	}
}

/* From the loop, never from inside whoever wrote the record. */
void
api_ledger_grew(struct daemon *d)
{
	if (d->grew != NULL)
		loop_timer_set(d->grew, 0);
}

/* --- who is there ------------------------------------------------------------- */

static bool
in_group(const struct loop_peer *peer, const char *name)
{
	struct group g, *found = NULL;
	char *text = malloc(65536);

	if (text == NULL)
		return false;
	if (getgrnam_r(name, &g, text, 65536, &found) != 0)
		found = NULL;
	for (size_t i = 0; found != NULL && i < peer->group_count; i++) {
		if (peer->groups[i] == found->gr_gid) {
			free(text);
			return true;
		}
	}
	free(text);
	return false;
}

static bool
find_user(uid_t uid, char out[64])
{
	struct passwd p, *found = NULL;
	char text[4096];

	if (getpwuid_r(uid, &p, text, sizeof(text), &found) != 0 ||
	    found == NULL)
		return false;
	snprintf(out, 64, "%s", p.pw_name);
	return true;
}

static void
name_user(struct client_caller *who)
{
	if (!find_user(who->uid, who->name))
		snprintf(who->name, sizeof(who->name), "uid %u",
		    (unsigned)who->uid);
	if (who->login_uid < 0 ||
	    !find_user((uid_t)who->login_uid, who->login_name))
		who->login_name[0] = '\0';
}

/* Of the process that connected: sudo and su leave it as it was. */
static int64_t
login_uid(pid_t pid)
{
	OWNED(buf_fini) struct buf text = {0};
	char path[64];
	uint64_t uid;
	struct err e;

	snprintf(path, sizeof(path), "/proc/%d/loginuid", (int)pid);
	if (fdio_slurp(AT_FDCWD, path, 32, &text, &e) != ERR_NONE ||
	    !text_parse_u64(buf_text(&text), UINT32_MAX - 1, &uid))
		return -1;
	return (int64_t)uid;
}

/*
 * A process that connects, gives the connection away and ends before it is
 * looked at would have no login that anybody could tell.
 */
static enum err_code
find_login(pid_t pid, int64_t *out, struct err *e)
{
	*out = login_uid(pid);
	if (pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH)
		return ERR_NONE;
	err_set(e, ERR_REFUSED,
	    "the process that connected has ended: nobody can tell who logged "
	    "in");
	return err_hint(e,
	    "connect from a process that goes on, as bascule does");
}

static bool
rule_fits(const struct policy_role_rule *r, const struct client_caller *who,
    const struct loop_peer *peer)
{
	for (size_t i = 0; i < r->users.count; i++)
		if (strcmp(r->users.items[i], who->name) == 0)
			return true;
	for (size_t i = 0; i < r->groups.count; i++)
		if (in_group(peer, r->groups.items[i]))
			return true;
	return false;
}

static void
take_roles(struct client *c)
{
	const struct policy *p = c->d->policy;
	struct client_caller *who = &c->caller;

	who->roles =
	    who->uid == 0 || who->uid == geteuid() ? ROLE_BIT(ROLE_ADMIN) : 0;
	for (size_t i = 0; i < p->role_count; i++) {
		const struct policy_role_rule *r = &p->roles[i];

		if (!rule_fits(r, who, &c->peer))
			continue;
		who->roles |= ROLE_BIT(r->role);
		if (who->council[0] == '\0')
			snprintf(who->council, sizeof(who->council), "%s",
			    r->council);
	}
	if (c->is_bridge)
		who->roles = (who->roles & API_BRIDGE_ROLES) != 0
		    ? ROLE_BIT(ROLE_PEER)
		    : 0;
}

/* By the policy in force: what one gave the next may take away. */
static void
identify(struct client *c)
{
	struct client_caller *who = &c->caller;
	const struct policy_person *named;

	if (c->identified == c->d->policy_number + 1)
		return;
	c->identified = c->d->policy_number + 1;
	who->uid = c->peer.uid;
	name_user(who);
	named = policy_find_person(c->d->policy, who->name);
	snprintf(who->council, sizeof(who->council), "%s",
	    named != NULL ? named->council : "");
	take_roles(c);
	who->actor = (struct draft_actor){.uid = (int64_t)who->uid,
	    .name = who->name,
	    .council = who->council};
	for (int r = ROLE_COUNT - 1; r >= 0; r--) {
		if ((who->roles & ROLE_BIT(r)) == 0)
			continue;
		who->actor.role = role_name((enum role)r);
		break;
	}
}

/* --- requests --------------------------------------------------------------- */

static enum err_code
admit(const struct client *c, const struct api_command *cmd, struct err *e)
{
	static const char *const all = "none";
	OWNED(buf_fini) struct buf roles = {0};
	struct err why;

	if ((c->caller.roles & cmd->roles) != 0)
		return ERR_NONE;
	for (int r = 0; r < ROLE_COUNT; r++)
		if ((c->caller.roles & ROLE_BIT(r)) != 0 &&
		    buf_printf(&roles, &why, "%s%s",
			roles.len_bytes > 0 ? ", " : "",
			role_name((enum role)r)) != ERR_NONE)
			break;
	err_set(e, ERR_REFUSED,
	    "'%s' is not for user '%s', whose roles are: %s", cmd->name,
	    c->caller.name, roles.len_bytes > 0 ? buf_text(&roles) : all);
	return err_hint(e,
	    "the policy's 'roles' say which groups and users have which role");
}

/* Under a policy that has come since, whoever waits may be nobody any more. */
static enum err_code
admit_still(struct client *c, struct err *e)
{
	uint64_t was = c->identified;

	identify(c);
	return c->identified == was ? ERR_NONE
				    : admit(c, api_table_find(c->does), e);
}

static enum err_code
run(struct client *c, struct wire_value *request, struct err *e)
{
	const char *name = wire_need_text(request, "cmd");
	const char *id = wire_take_text(request, "id", NULL);
	const struct api_command *cmd;
	enum err_code rc = wire_check(request, e);

	if (rc != ERR_NONE)
		return rc;
	if (id != NULL && (c->request_id = strdup(id)) == NULL)
		return err_nomem(e);
	cmd = api_table_find(name);
	if (cmd == NULL)
		return err_set(e, ERR_INPUT, "there is no command '%s'", name);
	c->does = cmd->name;
	loop_turn_does(c->d->loop, c->does);
	identify(c);
	rc = admit(c, cmd, e);
	return rc != ERR_NONE ? rc : cmd->run(c, request, e);
}

static void
handle(struct client *c, const char *line, size_t len)
{
	OWNED(wire_free) struct wire_value *request = NULL;
	struct err e;
	enum err_code rc = wire_parse(&request, line, len, &e);

	c->busy = true;
	loop_timer_unset(c->timer);
	if (rc == ERR_NONE)
		rc = run(c, request, &e);
	if (rc != ERR_NONE && c->busy)
		client_fail(c, &e, 0);
}

static void
serve(struct client *c)
{
	const char *line;
	size_t len;

	while (!c->busy && !c->broken &&
	    (line = wire_lines_next(&c->lines, &len)) != NULL)
		handle(c, line, len);
	if (!c->busy && wire_lines_pending_bytes(&c->lines) > 0)
		loop_timer_set(c->timer, LINE_NS);
}

static void
refuse_second(struct client *c)
{
	struct err e;

	err_set(&e, ERR_BUSY, "one request at a time");
	client_fail(c, &e, 0);
	c->broken = true;
}

static void
on_bytes(void *ctx, const char *bytes, size_t len_bytes)
{
	struct client *c = ctx;
	struct err e;

	c->depth++;
	if (c->broken)
		;
	else if (wire_lines_feed(&c->lines, bytes, len_bytes, &e) != ERR_NONE) {
		client_fail(c, &e, 0);
		c->broken = true;
	} else if (c->busy)
		refuse_second(c);
	else
		serve(c);
	let_go(c);
}

static void
on_drained(void *ctx)
{
	struct client *c = ctx;

	if (c->watches_ledger)
		tell(c, NULL);
}

static void
on_end(void *ctx)
{
	struct client *c = ctx;

	c->depth++;
	c->broken = true;
	let_go(c);
}

/* Idle for too long, a line that does not end, its turn, or time for a sign of
 * life. */
static void
on_timer(void *ctx)
{
	struct client *c = ctx;
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	c->depth++;
	if (!c->busy)
		c->broken = true;
	else if (c->takes_turns) {
		if (client_queued_bytes(c) == 0)
			tell(c, NULL);
		if (c->takes_turns)
			next_turn(c);
	} else {
		if (now_mono().ns - c->replied.ns >= ALIVE_NS - NS_PER_S &&
		    wire_new(&v, "heartbeat", &e) == ERR_NONE)
			client_reply(c, &v);
		loop_timer_set(c->timer, ALIVE_NS);
	}
	let_go(c);
}

/* --- connections -------------------------------------------------------------- */

static enum err_code
too_many(const struct daemon *d, uid_t uid, struct err *e)
{
	size_t all = 0, own = 0;

	for (const struct client *c = d->clients; c != NULL; c = c->next) {
		all++;
		own += c->caller.uid == uid;
	}
	if (all >= CLIENTS_MAX || own >= CLIENTS_USER_MAX)
		return err_set(e, ERR_BUSY, "too many connections");
	return ERR_NONE;
}

static void
send_away(struct loop_conn *conn, const struct err *why)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf line = {0};
	struct err e;

	if (wire_failure_new(&v, why, 0, &e) == ERR_NONE &&
	    wire_line(v, &line, &e) == ERR_NONE &&
	    loop_conn_send(conn, line.bytes, line.len_bytes, &e) != ERR_NONE)
		return;
}

static void
came(void *ctx, struct loop_conn **conn, const struct loop_peer *peer)
{
	struct daemon *d = ctx;
	struct client *c;
	int64_t login;
	struct loop_conn_handlers h = {.on_bytes = on_bytes,
	    .on_drained = on_drained,
	    .on_end = on_end};
	struct err e;

	if (too_many(d, peer->uid, &e) != ERR_NONE ||
	    find_login(peer->pid, &login, &e) != ERR_NONE) {
		send_away(*conn, &e);
		loop_conn_finish(conn);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return;
	c->d = d;
	c->lines.max_bytes = REQUEST_BYTES_MAX;
	c->peer = *peer;
	c->caller.login_uid = login;
	identify(c);
	h.ctx = c;
	c->conn = TAKE(*conn);
	c->next = d->clients;
	d->clients = c;
	if (loop_timer_new(&c->timer, d->loop, on_timer, c, &e) != ERR_NONE ||
	    loop_conn_open(c->conn, &h, &e) != ERR_NONE)
		client_free(c);
	else
		loop_timer_set(c->timer, IDLE_NS);
}

enum err_code
api_start(struct daemon *d, struct err *e)
{
	enum err_code rc = loop_timer_new(&d->grew, d->loop, tell_grown, d, e);

	return rc != ERR_NONE ? rc
			      : loop_listener_new(&d->listener, d->loop,
				    d->policy->socket, 0660, came, d, e);
}

void
api_deafen(struct daemon *d)
{
	loop_listener_free(&d->listener);
	for (struct client *c = d->clients, *next; c != NULL; c = next) {
		next = c->next;
		if (!c->busy && c->depth == 0)
			client_free(c);
	}
}

void
api_stop(struct daemon *d)
{
	loop_listener_free(&d->listener);
	while (d->clients != NULL)
		client_free(d->clients);
	loop_timer_free(&d->grew);
}
