#ifndef BASCULE_LOOP_H
#define BASCULE_LOOP_H

/*
 * The daemon's event loop: timers, signals, child processes, a Unix socket,
 * probes.  One thread; nothing here blocks; every callback runs from loop_run
 * and never from inside the call that started something.
 *
 * LP1. A callback may free any object, its own included.
 * LP2. After its _free (_finish, _stop) an object calls back no more.
 * LP3. A child is always reaped, and nothing of its session outlives it.
 *
 * ctx is borrowed until the object ends.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <bascule/base/defs.h>
#include <bascule/base/err.h>
#include <bascule/base/now.h>

/* --- the loop ------------------------------------------------------------- */

struct loop;

enum err_code loop_new(struct loop **out, struct err *e) MUST_CHECK;
/* Everything made from it must have been freed; waits for what is closing. */
void loop_free(struct loop **l);

/* Until loop_stop. */
enum err_code loop_run(struct loop *l, struct err *e) MUST_CHECK;
void loop_stop(struct loop *l);

typedef void loop_fn(void *ctx);

/* --- turns: what runs between two waits, and keeps everybody waiting ----------- */

struct loop_turn {
	const char *what;        /* what took most of it; NULL: nobody said */
	int64_t what_ns;         /* ... and how much of cpu_ns */
	int64_t took_ns, cpu_ns; /* all of it; of those the processor's */
};
typedef void loop_turn_fn(void *ctx, const struct loop_turn *t);
/*
 * Call fn after each turn of so much processor time: unlike what it took, that
 * is the same on a machine where others work, too.
 */
void loop_turn_watch(struct loop *l, int64_t cpu_ns, loop_turn_fn *fn,
    void *ctx);
/*
 * How many turns have begun.  A turn calls timers, then whoever has something to
 * say, then timers again: a timer that is set in one may fire in it, or in the next
 * before anybody else.  Two turns later all who came meanwhile were heard.
 */
uint64_t loop_turn_count(const struct loop *l);
/* What runs from now on, until the next word or the end of this callback.  The
 * text is borrowed until the end of the turn. */
void loop_turn_does(struct loop *l, const char *what);

/* --- timers: once, after so long ------------------------------------------ */

struct loop_timer;

enum err_code loop_timer_new(struct loop_timer **out, struct loop *l,
    loop_fn *fn, void *ctx, struct err *e) MUST_CHECK;
void loop_timer_free(struct loop_timer **t);
/* Call back once, in_ns from now (never early); replaces what was set. */
void loop_timer_set(struct loop_timer *t, int64_t in_ns);
void loop_timer_unset(struct loop_timer *t);

/* --- signals -------------------------------------------------------------- */

struct loop_signal;

enum err_code loop_signal_new(struct loop_signal **out, struct loop *l,
    int number, loop_fn *fn, void *ctx, struct err *e) MUST_CHECK;
void loop_signal_free(struct loop_signal **s);

/* --- children: a process with a session of its own, and pipes ----------------------- */

struct loop_child;

struct loop_child_options {
	const char *program;     /* a path; or looked up in PATH */
	const char *const *argv; /* NULL-ended, argv[0] first */
	bool has_events;         /* fd 3 of the child is a pipe to on_event */
	void *ctx;
	/* bytes from fd 3 and from stderr as they come; NULL: thrown away */
	void (*on_event)(void *ctx, const char *bytes, size_t len_bytes);
	void (*on_error)(void *ctx, const char *bytes, size_t len_bytes);
	/*
	 * Once, when the process is gone and its pipes are read to the end
	 * (or two seconds later, if somebody else holds them open).  signal is
	 * 0 when it exited.  Free the child now or later.
	 */
	void (*on_end)(void *ctx, int exit_status, int signal);
};

/*
 * ERR_NOTFOUND: no such program.  One that takes longer than a tenth of a second
 * to become the program counts as begun: if it comes to nothing, it ends with 127.
 */
enum err_code loop_child_start(struct loop_child **out, struct loop *l,
    const struct loop_child_options *opt, struct err *e) MUST_CHECK;
/* One still alive is killed, with its group. */
void loop_child_free(struct loop_child **c);

/* To its stdin, queued.  Whether it arrives is seen by what the child does. */
enum err_code loop_child_write(struct loop_child *c, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;
/* End of its stdin, behind what is queued. */
void loop_child_close_input(struct loop_child *c);
/* To the whole group; nothing once it is gone. */
void loop_child_signal(struct loop_child *c, int number);
pid_t loop_child_pid(const struct loop_child *c);

/* --- connections on a Unix socket ------------------------------------------ */

#define LOOP_GROUPS_MAX 256

struct loop_peer {
	pid_t pid;
	uid_t uid;
	gid_t groups[LOOP_GROUPS_MAX]; /* its own first */
	size_t group_count;
};

struct loop_conn;
struct loop_listener;

/* Somebody connected: *conn is the callback's to keep or to free. */
typedef void loop_accept_fn(void *ctx, struct loop_conn **conn,
    const struct loop_peer *peer);

/*
 * Listen at path, mode as given from the first instant on.  A socket that
 * nobody answers at is replaced; ERR_BUSY: somebody does.
 */
enum err_code loop_listener_new(struct loop_listener **out, struct loop *l,
    const char *path, mode_t mode, loop_accept_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;
/* Also removes the socket's name. */
void loop_listener_free(struct loop_listener **ls);

struct loop_conn_handlers {
	void *ctx;
	void (*on_bytes)(void *ctx, const char *bytes, size_t len_bytes);
	/* All that was sent has gone out. */
	void (*on_drained)(void *ctx);
	/* The peer has gone; only _free makes sense. */
	void (*on_end)(void *ctx);
};

/* Begin to read. */
enum err_code loop_conn_open(struct loop_conn *c,
    const struct loop_conn_handlers *h, struct err *e) MUST_CHECK;
/* Queue bytes (copied). */
enum err_code loop_conn_send(struct loop_conn *c, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;
size_t loop_conn_queued_bytes(const struct loop_conn *c);
/* Send what is queued, for five seconds at most, and end. */
void loop_conn_finish(struct loop_conn **c);
void loop_conn_free(struct loop_conn **c);

/* --- probes: does something answer there? ----------------------------------- */

struct loop_dial;

struct loop_dial_result {
	bool answered;      /* connected, and what it said begins as expected */
	int64_t took_ns;    /* until connected */
	const char *reason; /* why not; "" when answered; borrowed */
};
typedef void loop_dial_fn(void *ctx, const struct loop_dial_result *r);

/*
 * Connect to host and port, and read until expect ("SSH-"; "": nothing) has
 * come.  fn is called once, then the dial may be freed.
 */
enum err_code loop_dial_start(struct loop_dial **out, struct loop *l,
    const char *host, uint32_t port, const char *expect, int64_t timeout_ns,
    loop_dial_fn *fn, void *ctx, struct err *e) MUST_CHECK;
void loop_dial_free(struct loop_dial **d);

/* --- looking at a file without waiting for its disk --------------------------- */

struct loop_stat;

/* found is false when there is none, or it cannot be looked at. */
typedef void loop_stat_fn(void *ctx, bool found, struct utc changed);

/* fn is called once, then the stat may be freed; or freed before. */
enum err_code loop_stat_start(struct loop_stat **out, struct loop *l,
    const char *path, loop_stat_fn *fn, void *ctx, struct err *e) MUST_CHECK;
void loop_stat_free(struct loop_stat **s);

/* --- readiness --------------------------------------------------------------- */

/*
 * "READY=1", "STOPPING=1", "WATCHDOG=1": to the socket that NOTIFY_SOCKET
 * names.  Without one, nothing happens.
 */
void loop_notify(const char *text);

#endif
