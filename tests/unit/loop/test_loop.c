#include <bascule/loop.h>

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <bascule/base/proc.h>

#include "support/fault.h"
#include "support/tmpdir.h"

struct seen {
	struct loop *l;
	struct loop_child *child;
	struct loop_conn *conn;
	struct loop_timer *timer;
	char events[256], errors[256], bytes[256];
	int ends, status, signal, fired, drained, answers;
	struct loop_peer peer;
	bool answered, found;
	char reason[128];
};

static void
append(char to[256], const char *bytes, size_t len)
{
	size_t have = strlen(to);

	ck_assert(have + len < 256);
	memcpy(to + have, bytes, len);
	to[have + len] = '\0';
}

static void
on_event(void *ctx, const char *bytes, size_t len)
{
	append(((struct seen *)ctx)->events, bytes, len);
}

static void
on_error(void *ctx, const char *bytes, size_t len)
{
	append(((struct seen *)ctx)->errors, bytes, len);
}

static void
on_end(void *ctx, int status, int number)
{
	struct seen *s = ctx;

	s->ends++;
	s->status = status;
	s->signal = number;
	loop_child_free(&s->child);
	loop_stop(s->l);
}

static void
stop(void *ctx)
{
	struct seen *s = ctx;

	s->fired++;
	loop_stop(s->l);
}

static void
run(struct seen *s)
{
	struct err e;

	ck_assert_msg(loop_run(s->l, &e) == ERR_NONE, "%s", e.text);
}

static void
start(struct seen *s, const char *script)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct loop_child_options opt = {"sh", argv, true, s, on_event,
	    on_error, on_end};
	struct err e;

	ck_assert_int_eq(loop_new(&s->l, &e), ERR_NONE);
	ck_assert_msg(loop_child_start(&s->child, s->l, &opt, &e) == ERR_NONE,
	    "%s", e.text);
}

START_TEST(a_timer_fires_once_and_not_before)
{
	struct seen s = {0};
	struct err e;
	struct mono begun = now_mono();

	ck_assert_int_eq(loop_new(&s.l, &e), ERR_NONE);
	ck_assert_int_eq(loop_timer_new(&s.timer, s.l, stop, &s, &e), ERR_NONE);
	loop_timer_set(s.timer, NS_PER_S);
	loop_timer_set(s.timer, 3 * NS_PER_MS + 1);
	run(&s);
	ck_assert_int_eq(s.fired, 1);
	ck_assert_int_ge(now_mono().ns - begun.ns, 3 * NS_PER_MS);
	ck_assert_int_lt(now_mono().ns - begun.ns, NS_PER_S);
	loop_timer_free(&s.timer);
	loop_free(&s.l);
}
END_TEST

START_TEST(a_signal_becomes_a_callback)
{
	struct seen s = {0};
	struct loop_signal *sig;
	struct err e;

	ck_assert_int_eq(loop_new(&s.l, &e), ERR_NONE);
	ck_assert_int_eq(loop_signal_new(&sig, s.l, SIGUSR2, stop, &s, &e),
	    ERR_NONE);
	raise(SIGUSR2);
	run(&s);
	ck_assert_int_eq(s.fired, 1);
	loop_signal_free(&sig);
	loop_free(&s.l);
}
END_TEST

START_TEST(a_child_hears_speaks_and_ends)
{
	struct seen s = {0};
	struct err e;

	start(&s, "read x; echo \"got $x\" >&3; echo oops >&2; exit 3");
	ck_assert_int_eq(loop_child_write(s.child, "hello\n", 6, &e), ERR_NONE);
	run(&s);
	ck_assert_int_eq(s.ends, 1);
	ck_assert_int_eq(s.status, 3);
	ck_assert_int_eq(s.signal, 0);
	ck_assert_str_eq(s.events, "got hello\n");
	ck_assert_str_eq(s.errors, "oops\n");
	loop_free(&s.l);
}
END_TEST

START_TEST(a_child_sees_the_end_of_its_input)
{
	struct seen s = {0};
	struct err e;

	start(&s, "cat >&3");
	ck_assert_int_eq(loop_child_write(s.child, "abc", 3, &e), ERR_NONE);
	loop_child_close_input(s.child);
	run(&s);
	ck_assert_str_eq(s.events, "abc");
	loop_free(&s.l);
}
END_TEST

START_TEST(a_signal_ends_the_whole_group)
{
	struct seen s = {0};

	start(&s, "sleep 1000 & echo $! >&3; wait");
	while (s.events[0] == '\0') {
		struct err e;

		ck_assert_int_eq(loop_timer_new(&s.timer, s.l, stop, &s, &e),
		    ERR_NONE);
		loop_timer_set(s.timer, 10 * NS_PER_MS);
		run(&s);
		loop_timer_free(&s.timer);
	}
	loop_child_signal(s.child, SIGTERM);
	run(&s);
	ck_assert_int_eq(s.signal, SIGTERM);
	/* killed; it may be a zombie of somebody else's for an instant */
	ck_assert(kill((pid_t)atoi(s.events), 0) != 0 || errno == ESRCH ||
	    s.ends == 1);
	loop_free(&s.l);
}
END_TEST

/* Neither gone nor a zombie that nobody has reaped yet. */
static bool
is_alive(pid_t pid)
{
	char path[64], text[512] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	fclose(f);
	return text[0] != '\0' && strstr(text, ") Z ") == NULL;
}

START_TEST(what_a_child_leaves_in_other_groups_is_killed_too)
{
	struct seen s = {0};
	pid_t left;

	/* set -m: background jobs get groups of their own */
	start(&s, "set -m; sleep 1000 >/dev/null 2>&1 3>&- & echo $! >&3");
	run(&s);
	left = (pid_t)atoi(s.events);
	ck_assert_int_gt(left, 1);
	while (is_alive(left))
		usleep(1000); /* it was killed: it goes */
	loop_free(&s.l);
}
END_TEST

START_TEST(freeing_a_living_child_kills_it_silently)
{
	struct seen s = {0};
	pid_t pid;

	start(&s, "exec sleep 1000");
	pid = loop_child_pid(s.child);
	loop_child_free(&s.child);
	loop_free(&s.l);
	ck_assert_int_eq(s.ends, 0);
	ck_assert_int_eq(kill(pid, 0), -1);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_an_error)
{
	struct seen s = {0};
	const char *argv[] = {"x", NULL};
	struct loop_child_options opt = {"/nonexistent/x", argv, true, &s, NULL,
	    NULL, on_end};
	struct err e;

	ck_assert_int_eq(loop_new(&s.l, &e), ERR_NONE);
	ck_assert_int_eq(loop_child_start(&s.child, s.l, &opt, &e),
	    ERR_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "/nonexistent/x"));
	loop_free(&s.l);
}
END_TEST

/* --- children that stand still between fork and exec --- */

static bool stands_in_gap, gap_is_known;

static void
stand_in_gap(void)
{
	if (stands_in_gap)
		raise(SIGSTOP);
}

/* Its child is stopped before it is another program, which wakes it. */
static void
start_in_gap(struct seen *s, const char *program)
{
	const char *argv[] = {program, "-c", "echo word >&3; exit 4", NULL};
	struct loop_child_options opt = {program, argv, true, s, on_event,
	    on_error, on_end};
	struct err e;
	struct mono begun;

	if (!gap_is_known)
		ck_assert_int_eq(pthread_atfork(NULL, NULL, stand_in_gap), 0);
	gap_is_known = true;
	ck_assert_int_eq(loop_new(&s->l, &e), ERR_NONE);
	stands_in_gap = true;
	begun = now_mono();
	ck_assert_int_eq(loop_child_start(&s->child, s->l, &opt, &e), ERR_NONE);
	stands_in_gap = false;
	ck_assert_int_lt(now_mono().ns - begun.ns, NS_PER_S);
	ck_assert_int_eq(proc_state(loop_child_pid(s->child)), 'T');
}

static void
go_on(void *ctx)
{
	struct seen *s = ctx;

	s->fired++;
	kill(loop_child_pid(s->child), SIGCONT);
}

static void
wake_later(struct seen *s)
{
	struct err e;

	ck_assert_int_eq(loop_timer_new(&s->timer, s->l, go_on, s, &e),
	    ERR_NONE);
	loop_timer_set(s->timer, 20 * NS_PER_MS);
	run(s);
	ck_assert_int_eq(s->fired, 1);
	ck_assert_int_eq(s->ends, 1);
	loop_timer_free(&s->timer);
	loop_free(&s->l);
}

START_TEST(a_child_stopped_before_its_exec_does_not_hold_the_loop)
{
	struct seen s = {0};

	start_in_gap(&s, "sh");
	wake_later(&s);
	ck_assert_str_eq(s.events, "word\n");
	ck_assert_int_eq(s.status, 4);
}
END_TEST

START_TEST(an_exec_that_fails_late_is_told_by_its_end)
{
	struct seen s = {0};

	start_in_gap(&s, "/nonexistent/x");
	wake_later(&s);
	ck_assert_int_eq(s.status, 127);
	ck_assert_ptr_nonnull(strstr(s.errors, "/nonexistent/x"));
}
END_TEST

START_TEST(a_child_stopped_before_its_exec_can_be_ended)
{
	struct seen s = {0};
	pid_t pid;

	start_in_gap(&s, "sh");
	loop_child_signal(s.child, SIGKILL);
	run(&s);
	ck_assert_int_eq(s.ends, 1);
	ck_assert_int_eq(s.signal, SIGKILL);
	loop_free(&s.l);
	start_in_gap(&s, "sh");
	pid = loop_child_pid(s.child);
	loop_child_free(&s.child);
	loop_free(&s.l);
	ck_assert_int_eq(kill(pid, 0), -1);
}
END_TEST

/* --- the socket ----------------------------------------------------------- */

static void
conn_bytes(void *ctx, const char *bytes, size_t len)
{
	struct seen *s = ctx;
	struct err e;

	append(s->bytes, bytes, len);
	ck_assert_int_eq(loop_conn_send(s->conn, bytes, len, &e), ERR_NONE);
}

static void
conn_drained(void *ctx)
{
	struct seen *s = ctx;

	s->drained++;
	loop_conn_finish(&s->conn);
	loop_stop(s->l);
}

static void
conn_end(void *ctx)
{
	struct seen *s = ctx;

	s->ends++;
	loop_conn_free(&s->conn);
	loop_stop(s->l);
}

static void
accepted(void *ctx, struct loop_conn **conn, const struct loop_peer *peer)
{
	struct seen *s = ctx;
	struct loop_conn_handlers h = {s, conn_bytes, conn_drained, conn_end};
	struct err e;

	s->conn = TAKE(*conn);
	s->peer = *peer;
	ck_assert_int_eq(loop_conn_open(s->conn, &h, &e), ERR_NONE);
}

static int
dial_unix(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

START_TEST(a_client_is_known_heard_and_answered)
{
	struct tmpdir td;
	struct seen s = {0};
	struct loop_listener *ls, *second;
	char path[100], back[8] = "";
	struct stat st;
	struct err e;
	int fd;

	tmpdir_make(&td);
	snprintf(path, sizeof(path), "%s/s", td.path);
	ck_assert_int_eq(loop_new(&s.l, &e), ERR_NONE);
	ck_assert_msg(loop_listener_new(&ls, s.l, path, 0660, accepted, &s,
			  &e) == ERR_NONE,
	    "%s", e.text);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0660);
	fd = dial_unix(path);
	ck_assert_int_eq(write(fd, "ping", 4), 4);
	run(&s);
	ck_assert_str_eq(s.bytes, "ping");
	ck_assert_int_eq(s.peer.uid, getuid());
	ck_assert_int_eq(s.peer.pid, getpid());
	ck_assert_uint_ge(s.peer.group_count, 1);
	ck_assert_int_eq(s.peer.groups[0], getgid());
	ck_assert_int_eq(loop_listener_new(&second, s.l, path, 0660, accepted,
			     &s, &e),
	    ERR_BUSY);
	loop_listener_free(&ls);
	loop_free(&s.l);
	ck_assert_int_eq(read(fd, back, sizeof(back)), 4);
	ck_assert_int_eq(read(fd, back, sizeof(back)), 0);
	close(fd);
	ck_assert_int_ne(stat(path, &st), 0);
	tmpdir_remove(&td);
}
END_TEST

START_TEST(a_client_that_hangs_up_is_noticed)
{
	struct tmpdir td;
	struct seen s = {0};
	struct loop_listener *ls;
	char path[100];
	struct err e;

	tmpdir_make(&td);
	snprintf(path, sizeof(path), "%s/s", td.path);
	ck_assert_int_eq(loop_new(&s.l, &e), ERR_NONE);
	ck_assert_int_eq(loop_listener_new(&ls, s.l, path, 0600, accepted, &s,
			     &e),
	    ERR_NONE);
	close(dial_unix(path));
	run(&s);
	ck_assert_int_eq(s.ends, 1);
	loop_listener_free(&ls);
	loop_free(&s.l);
	tmpdir_remove(&td);
}
END_TEST

START_TEST(a_dead_daemons_socket_is_replaced_but_no_file)
{
	struct tmpdir td;
	struct seen s = {0};
	struct loop_listener *ls;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct err e;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	tmpdir_make(&td);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/s", td.path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	close(fd);
	ck_assert_int_eq(loop_new(&s.l, &e), ERR_NONE);
	ck_assert_msg(loop_listener_new(&ls, s.l, at.sun_path, 0600, accepted,
			  &s, &e) == ERR_NONE,
	    "%s", e.text);
	loop_listener_free(&ls);
	tmpdir_put(&td, "f", "mine");
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/f", td.path);
	ck_assert_int_eq(loop_listener_new(&ls, s.l, at.sun_path, 0600,
			     accepted, &s, &e),
	    ERR_EXISTS);
	ck_assert(tmpdir_is(&td, "f", "mine"));
	loop_free(&s.l);
	tmpdir_remove(&td);
}
END_TEST

/* --- probes --------------------------------------------------------------- */

static void
dialled(void *ctx, const struct loop_dial_result *r)
{
	struct seen *s = ctx;

	s->answers++;
	s->answered = r->answered;
	snprintf(s->reason, sizeof(s->reason), "%s", r->reason);
	loop_stop(s->l);
}

static void
dial(struct seen *s, const char *banner, bool listens, int64_t timeout_ns)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0), got = -1;
	struct loop_dial *d;
	struct err e;

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	if (listens)
		ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(loop_new(&s->l, &e), ERR_NONE);
	ck_assert_int_eq(loop_dial_start(&d, s->l, "127.0.0.1",
			     ntohs(at.sin_port), "SSH-", timeout_ns, dialled, s,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(s->answers, 0);
	if (listens && banner != NULL) {
		got = accept(fd, NULL, NULL);
		ck_assert_int_eq(write(got, banner, strlen(banner)),
		    (ssize_t)strlen(banner));
	}
	run(s);
	loop_dial_free(&d);
	loop_free(&s->l);
	close(got);
	close(fd);
	ck_assert_int_eq(s->answers, 1);
}

START_TEST(a_server_that_speaks_ssh_answers)
{
	struct seen s = {0};

	dial(&s, "SSH-2.0-x\r\n", true, 10 * NS_PER_S);
	ck_assert(s.answered);
}
END_TEST

START_TEST(another_server_nobody_and_silence_do_not_answer)
{
	struct seen other = {0}, nobody = {0}, silent = {0};

	dial(&other, "220 mail\r\n", true, 10 * NS_PER_S);
	ck_assert(!other.answered);
	ck_assert_str_eq(other.reason, "something else answers there");
	dial(&nobody, NULL, false, 10 * NS_PER_S);
	ck_assert(!nobody.answered);
	ck_assert_str_eq(nobody.reason, "connection refused");
	dial(&silent, NULL, true, 20 * NS_PER_MS);
	ck_assert(!silent.answered);
	ck_assert_str_eq(silent.reason, "connected, but silent");
}
END_TEST

static void
looked(void *ctx, bool found, struct utc changed)
{
	struct seen *s = ctx;

	s->answers++;
	s->found = found && changed.ns > 0;
	loop_stop(s->l);
}

START_TEST(a_file_is_looked_at_or_not_found)
{
	struct seen s = {0};
	struct loop_stat *st;
	struct err e;

	ck_assert_int_eq(loop_new(&s.l, &e), ERR_NONE);
	ck_assert_int_eq(loop_stat_start(&st, s.l, "/", looked, &s, &e),
	    ERR_NONE);
	run(&s);
	ck_assert(s.found);
	loop_stat_free(&st);
	ck_assert_int_eq(loop_stat_start(&st, s.l, "/nonexistent", looked, &s,
			     &e),
	    ERR_NONE);
	run(&s);
	ck_assert(!s.found);
	loop_stat_free(&st);
	ck_assert_int_eq(loop_stat_start(&st, s.l, "/", looked, &s, &e),
	    ERR_NONE);
	loop_stat_free(&st); /* nobody waits for it any more */
	loop_free(&s.l);
	ck_assert_int_eq(s.answers, 2);
}
END_TEST

START_TEST(readiness_is_one_datagram)
{
	struct tmpdir td;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char got[16] = "";
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	tmpdir_make(&td);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/n", td.path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	setenv("NOTIFY_SOCKET", at.sun_path, 1);
	loop_notify("READY=1");
	unsetenv("NOTIFY_SOCKET");
	loop_notify("STOPPING=1");
	ck_assert_int_eq(recv(fd, got, sizeof(got), MSG_DONTWAIT), 7);
	ck_assert_str_eq(got, "READY=1");
	ck_assert_int_eq(recv(fd, got, sizeof(got), MSG_DONTWAIT), -1);
	close(fd);
	unlink(at.sun_path);
	tmpdir_remove(&td);
}
END_TEST

static void
quiet_accept(void *ctx, struct loop_conn **conn, const struct loop_peer *peer)
{
	(void)ctx;
	(void)peer;
	loop_conn_free(conn);
}

/* One of each unit; whatever fails, all of it is released again. */
static enum err_code
make_all(struct seen *s, const char *path, struct err *e)
{
	static const char *const argv[] = {"true", NULL};
	struct loop_child_options opt = {"true", argv, true, s, on_event,
	    on_error, on_end};
	struct loop_signal *sig = NULL;
	struct loop_listener *li = NULL;
	struct loop_stat *st = NULL;
	enum err_code rc = loop_new(&s->l, e);

	if (rc == ERR_NONE)
		rc = loop_timer_new(&s->timer, s->l, stop, s, e);
	if (rc == ERR_NONE)
		rc = loop_signal_new(&sig, s->l, SIGUSR2, stop, s, e);
	if (rc == ERR_NONE)
		rc = loop_listener_new(&li, s->l, path, 0600, quiet_accept, s,
		    e);
	if (rc == ERR_NONE)
		rc = loop_stat_start(&st, s->l, "/", looked, s, e);
	if (rc == ERR_NONE)
		rc = loop_child_start(&s->child, s->l, &opt, e);
	loop_child_free(&s->child);
	loop_stat_free(&st);
	loop_listener_free(&li);
	loop_signal_free(&sig);
	loop_timer_free(&s->timer);
	loop_free(&s->l);
	return rc;
}

START_TEST(any_failing_call_is_an_error_and_leaves_nothing)
{
	struct tmpdir td;
	char path[128];
	bool reached = true;
	int failed = 0;

	tmpdir_make(&td);
	snprintf(path, sizeof(path), "%s/s", td.path);
	for (int nth = 1; reached; nth++) {
		struct seen s = {0};
		struct err e = {0};
		enum err_code rc;

		fault_arm(nth, ENOMEM);
		rc = make_all(&s, path, &e);
		reached = fault_fired();
		fault_arm(0, 0);
		if (rc != ERR_NONE)
			ck_assert_int_ne(e.text[0], 0);
		else
			ck_assert(!reached);
		failed += rc != ERR_NONE;
		unlink(path);
		ck_assert_int_eq(tmpdir_count(&td), 0);
	}
	ck_assert_int_ge(failed, 6); /* each unit has one at least */
	tmpdir_remove(&td);
}
END_TEST

/* --- turns --- */

struct turning {
	struct seen s;
	int told;
	char what[32];
	struct loop_turn turn;
};

static void
on_turn(void *ctx, const struct loop_turn *t)
{
	struct turning *u = ctx;

	u->told++;
	u->turn = *t;
	snprintf(u->what, sizeof(u->what), "%s",
	    t->what == NULL ? "nothing" : t->what);
}

static void
burn(int64_t ns)
{
	struct timespec t;
	int64_t from;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	from = (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	while ((int64_t)t.tv_sec * NS_PER_S + t.tv_nsec - from < ns);
}

#define LONG_NS (30 * NS_PER_MS)

static void
work(void *ctx)
{
	struct turning *u = ctx;

	loop_turn_does(u->s.l, "a little");
	burn(NS_PER_MS);
	loop_turn_does(u->s.l, "much");
	burn(LONG_NS);
	loop_turn_does(u->s.l, "little again");
	stop(&u->s);
}

/* It waits: that is no work of ours, but of the processor's time alone. */
static void
doze(void *ctx)
{
	struct turning *u = ctx;
	const struct timespec t = {0, 2 * LONG_NS};

	nanosleep(&t, NULL);
	stop(&u->s);
}

START_TEST(a_turn_that_takes_long_is_told_with_what_took_it)
{
	struct turning u = {.s = {0}};
	struct err e;

	ck_assert(loop_new(&u.s.l, &e) == ERR_NONE);
	ck_assert(loop_timer_new(&u.s.timer, u.s.l, work, &u, &e) == ERR_NONE);
	loop_timer_set(u.s.timer, 0);
	run(&u.s); /* nobody asked */
	ck_assert_int_eq(u.told, 0);
	loop_turn_watch(u.s.l, LONG_NS, on_turn, &u);
	loop_timer_set(u.s.timer, 20 * LONG_NS);
	run(&u.s);
	ck_assert_int_eq(u.told, 1);
	ck_assert_str_eq(u.what, "much");
	ck_assert(u.turn.cpu_ns >= LONG_NS + NS_PER_MS);
	ck_assert(u.turn.took_ns >= u.turn.cpu_ns);
	/* The wait for the timer is not of it. */
	ck_assert(u.turn.took_ns < 20 * LONG_NS);
	loop_timer_free(&u.s.timer);
	ck_assert(loop_timer_new(&u.s.timer, u.s.l, doze, &u, &e) == ERR_NONE);
	loop_timer_set(u.s.timer, 0);
	run(&u.s);
	ck_assert_int_eq(u.told, 1);
	loop_timer_free(&u.s.timer);
	loop_free(&u.s.l);
}
END_TEST

/* Two that have work in slices, each a timer that is set anew at its end. */
struct slices {
	struct loop *l;
	struct loop_timer *timers[2];
	int left, in_turn, most;
};

static void
slice(struct slices *s, int which)
{
	struct timespec t;
	int64_t until_ns = 0;

	do {
		clock_gettime(CLOCK_MONOTONIC, &t);
		if (until_ns == 0)
			until_ns =
			    t.tv_sec * NS_PER_S + t.tv_nsec + 3 * NS_PER_MS;
	} while (t.tv_sec * NS_PER_S + t.tv_nsec < until_ns);
	s->in_turn++;
	if (--s->left <= 0)
		loop_stop(s->l);
	else
		loop_timer_set(s->timers[which], which * NS_PER_MS);
}

static void
first_slice(void *ctx)
{
	slice(ctx, 0);
}

static void
second_slice(void *ctx)
{
	slice(ctx, 1);
}

static void
on_slices(void *ctx, const struct loop_turn *turn)
{
	struct slices *s = ctx;

	(void)turn;
	if (s->in_turn > s->most)
		s->most = s->in_turn;
	s->in_turn = 0;
}

START_TEST(who_has_much_to_do_lets_others_in_between)
{
	struct slices s = {.left = 40};
	struct err e;

	ck_assert(loop_new(&s.l, &e) == ERR_NONE);
	loop_turn_watch(s.l, 0, on_slices, &s);
	ck_assert(
	    loop_timer_new(&s.timers[0], s.l, first_slice, &s, &e) == ERR_NONE);
	ck_assert(loop_timer_new(&s.timers[1], s.l, second_slice, &s, &e) ==
	    ERR_NONE);
	for (int i = 0; i < 2; i++)
		loop_timer_set(s.timers[i], 0);
	ck_assert(loop_run(s.l, &e) == ERR_NONE);
	on_slices(&s, NULL);
	ck_assert_int_le(s.left, 0);
	/* Two a turn; the first turn is not told and counts with the second. */
	ck_assert_int_le(s.most, 4);
	for (int i = 0; i < 2; i++)
		loop_timer_free(&s.timers[i]);
	loop_free(&s.l);
}
END_TEST

/* One that goes on two turns later, one that keeps the loop, a signal between. */
struct waiting {
	struct loop *l;
	struct loop_timer *timers[2];
	struct loop_signal *signal;
	uint64_t turn;
	bool is_heard, was_heard;
};

static void
hear(void *ctx)
{
	((struct waiting *)ctx)->is_heard = true;
}

static void
go_on_later(void *ctx)
{
	struct waiting *w = ctx;

	if (w->turn == 0) {
		w->turn = loop_turn_count(w->l);
		ck_assert_int_eq(raise(SIGUSR1), 0);
	} else if (loop_turn_count(w->l) >= w->turn + 2) {
		w->was_heard = w->is_heard;
		loop_stop(w->l);
		return;
	}
	loop_timer_set(w->timers[0], NS_PER_MS);
}

static void
keep_busy(void *ctx)
{
	burn(3 * NS_PER_MS);
	loop_timer_set(((struct waiting *)ctx)->timers[1], 0);
}

START_TEST(two_turns_later_all_were_heard)
{
	struct waiting w = {.turn = 0};
	struct err e;

	ck_assert(loop_new(&w.l, &e) == ERR_NONE);
	ck_assert(
	    loop_timer_new(&w.timers[0], w.l, go_on_later, &w, &e) == ERR_NONE);
	ck_assert(
	    loop_timer_new(&w.timers[1], w.l, keep_busy, &w, &e) == ERR_NONE);
	ck_assert(
	    loop_signal_new(&w.signal, w.l, SIGUSR1, hear, &w, &e) == ERR_NONE);
	for (int i = 0; i < 2; i++)
		loop_timer_set(w.timers[i], NS_PER_MS);
	ck_assert(loop_run(w.l, &e) == ERR_NONE);
	ck_assert(w.was_heard);
	for (int i = 0; i < 2; i++)
		loop_timer_free(&w.timers[i]);
	loop_signal_free(&w.signal);
	loop_free(&w.l);
}
END_TEST

Suite *suite_loop_loop(void);
Suite *
suite_loop_loop(void)
{
	Suite *s = suite_create("loop");
	TCase *tc = tcase_create("loop");

	tcase_add_test(tc, a_timer_fires_once_and_not_before);
	tcase_add_test(tc, a_signal_becomes_a_callback);
	tcase_add_test(tc, a_child_hears_speaks_and_ends);
	tcase_add_test(tc, a_child_sees_the_end_of_its_input);
	tcase_add_test(tc, a_signal_ends_the_whole_group);
	tcase_add_test(tc, what_a_child_leaves_in_other_groups_is_killed_too);
	tcase_add_test(tc, freeing_a_living_child_kills_it_silently);
	tcase_add_test(tc, a_program_that_is_not_there_is_an_error);
	tcase_add_test(tc,
	    a_child_stopped_before_its_exec_does_not_hold_the_loop);
	tcase_add_test(tc, an_exec_that_fails_late_is_told_by_its_end);
	tcase_add_test(tc, a_child_stopped_before_its_exec_can_be_ended);
	tcase_add_test(tc, a_client_is_known_heard_and_answered);
	tcase_add_test(tc, a_client_that_hangs_up_is_noticed);
	tcase_add_test(tc, a_dead_daemons_socket_is_replaced_but_no_file);
	tcase_add_test(tc, a_server_that_speaks_ssh_answers);
	tcase_add_test(tc, another_server_nobody_and_silence_do_not_answer);
	tcase_add_test(tc, a_file_is_looked_at_or_not_found);
	tcase_add_test(tc, who_has_much_to_do_lets_others_in_between);
	tcase_add_test(tc, two_turns_later_all_were_heard);
	tcase_add_test(tc, a_turn_that_takes_long_is_told_with_what_took_it);
	tcase_add_test(tc, readiness_is_one_datagram);
	tcase_add_test(tc, any_failing_call_is_an_error_and_leaves_nothing);
	suite_add_tcase(s, tc);
	return s;
}
