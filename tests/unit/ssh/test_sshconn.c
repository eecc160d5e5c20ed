#include <bascule/ssh.h>

#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>

#include "support/farhost.h"

static struct farhost far;
static struct err e;
static struct hostpins *pins;
static struct sshconn_options o;

static void
start(void)
{
	farhost_start(&far, NULL);
}

static void
stop(void)
{
	farhost_stop(&far);
}

static void
setup(void)
{
	ck_assert_int_eq(hostpins_new(&pins, &e), ERR_NONE);
	o = (struct sshconn_options){
	    .user = far.user,
	    .host = "127.0.0.1",
	    .port = far.port,
	    .pins = pins,
	    .identity_file = far.identity,
	    .timeout_ns = 20 * NS_PER_S,
	};
}

static void
teardown(void)
{
	hostpins_free(&pins);
}

static void
pin_all(void)
{
	ck_assert_int_eq(hostpins_add_known_hosts(pins, far.known_hosts,
			     "127.0.0.1", far.port, &e),
	    ERR_NONE);
}

/* What ssh-keygen, the other judge, says a key file's fingerprint is. */
static void
fingerprint(char out[128], const char *name)
{
	OWNED(buf_fini) struct buf b = {0}, line = {0};
	FILE *p;

	ck_assert_int_eq(buf_printf(&line, &e, "ssh-keygen -lf %s/%s",
			     far.dir.path, name),
	    ERR_NONE);
	p = popen(buf_text(&line), "r");
	ck_assert_int_eq(fdio_read_all(fileno(p), 4096, &b, &e), ERR_NONE);
	ck_assert_int_eq(pclose(p), 0);
	ck_assert_int_eq(sscanf(buf_text(&b), "%*s %100s", out), 1);
}

static enum err_code
try_open(void)
{
	OWNED(sshconn_close) struct sshconn *c = NULL;
	enum err_code rc = sshconn_open(&c, &o, &e);

	ck_assert((rc == ERR_NONE) == (c != NULL));
	return rc;
}

START_TEST(a_host_in_known_hosts_is_let_in_to)
{
	OWNED(sshconn_close) struct sshconn *c = NULL;
	char fp[128];

	pin_all();
	fingerprint(fp, "host_ed25519.pub");
	ck_assert_int_eq(sshconn_open(&c, &o, &e), ERR_NONE);
	ck_assert_str_eq(sshconn_fingerprint(c), fp);
	ck_assert_ptr_nonnull(strstr(sshconn_name(c), "@127.0.0.1:"));
}
END_TEST

/* The host shows Ed25519 first: an ECDSA pin must not look changed. */
START_TEST(either_key_alone_may_be_pinned)
{
	OWNED(sshconn_close) struct sshconn *c = NULL;
	char fp[128];

	fingerprint(fp, _i == 0 ? "host_ed25519.pub" : "host_ecdsa.pub");
	ck_assert_int_eq(hostpins_add_fingerprint(pins, fp, &e), ERR_NONE);
	ck_assert_int_eq(sshconn_open(&c, &o, &e), ERR_NONE);
	ck_assert_str_eq(sshconn_fingerprint(c), fp);
}
END_TEST

#define OTHER "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

START_TEST(a_changed_key_is_refused_with_both_fingerprints)
{
	char fp[128];

	fingerprint(fp, "host_ed25519.pub");
	ck_assert_int_eq(hostpins_add_fingerprint(pins,
			     _i == 0 ? OTHER : "ssh-ed25519 " OTHER, &e),
	    ERR_NONE);
	ck_assert_int_eq(try_open(), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, fp));
	ck_assert_ptr_nonnull(strstr(e.text, OTHER));
	ck_assert_ptr_nonnull(strstr(e.text, "\nhint: "));
}
END_TEST

/* The pinned type is not among what the host has. */
START_TEST(a_pin_of_a_type_the_host_lacks_is_refused_with_both_fingerprints)
{
	char fp[128];

	fingerprint(fp, "host_ed25519.pub");
	ck_assert_int_eq(hostpins_add_fingerprint(pins,
			     _i == 0 ? "ecdsa-sha2-nistp521 " OTHER
				     : "ssh-rsa " OTHER,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(try_open(), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, fp));
	ck_assert_ptr_nonnull(strstr(e.text, OTHER));
}
END_TEST

START_TEST(a_host_nobody_pinned_is_refused_with_its_fingerprint)
{
	char fp[128];

	fingerprint(fp, "host_ed25519.pub");
	ck_assert_int_eq(try_open(), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, fp));
	ck_assert_ptr_nonnull(strstr(e.text, "no host key is pinned"));
}
END_TEST

START_TEST(a_revoked_key_is_refused_although_it_is_pinned)
{
	OWNED(buf_fini) struct buf b = {0};
	char path[160], key[128], type[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/host_ed25519.pub", far.dir.path);
	f = fopen(path, "r");
	ck_assert_int_eq(fscanf(f, "%63s %127s", type, key), 2);
	fclose(f);
	pin_all();
	ck_assert_int_eq(buf_printf(&b, &e, "@revoked * %s %s\n", type, key),
	    ERR_NONE);
	tmpdir_put(&far.dir, "revoked", buf_text(&b));
	snprintf(path, sizeof(path), "%s/revoked", far.dir.path);
	ck_assert_int_eq(hostpins_add_known_hosts(pins, path, "127.0.0.1", 22,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(try_open(), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, "revoked"));
}
END_TEST

START_TEST(scan_shows_the_key_and_needs_no_pin)
{
	OWNED(buf_fini) struct buf line = {0};
	char fp[128], seen[SSH_FINGERPRINT_BYTES];

	fingerprint(fp, "host_ed25519.pub");
	o.user = NULL;
	ck_assert_int_eq(sshconn_scan(&o, seen, &line, &e), ERR_NONE);
	/* The line is one of those that ssh-keyscan would have given. */
	ck_assert_ptr_nonnull(
	    strstr(tmpdir_get(&far.dir, "known_hosts"), buf_text(&line)));
	ck_assert_ptr_eq(strstr(seen, "ssh-ed25519 SHA256:"), seen);
	ck_assert_str_eq(seen + strlen("ssh-ed25519 "), fp);
}
END_TEST

/* --- nobody answers ----------------------------------------------------------- */

static int
listen_somewhere(uint16_t *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

START_TEST(a_closed_port_is_said_to_be_refused)
{
	int fd = listen_somewhere(&o.port);

	close(fd);
	ck_assert_int_eq(try_open(), ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(e.text, "Connection refused"));
	ck_assert_ptr_nonnull(strstr(e.text, "reaching '"));
}
END_TEST

START_TEST(a_host_that_never_speaks_times_out)
{
	OWNED(fdio_close) int fd = listen_somewhere(&o.port);

	o.timeout_ns = 200 * NS_PER_MS;
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(try_open(), ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(e.text, "has not answered"));
}
END_TEST

START_TEST(a_raised_flag_cancels)
{
	OWNED(fdio_close) int fd = listen_somewhere(&o.port);
	volatile sig_atomic_t cancel = 1;

	ck_assert_int_ne(fd, -1);
	o.cancel = &cancel;
	ck_assert_int_eq(try_open(), ERR_CANCELLED);
}
END_TEST

/* A signal's flag, raised while a call waits: the tests would take 20 s else. */
static volatile sig_atomic_t stopped;

static void
on_alarm(int sig)
{
	(void)sig;
	stopped = 1;
}

static void
stop_soon(void)
{
	struct sigaction act = {.sa_handler = on_alarm};
	struct itimerval soon = {.it_value.tv_usec = 50000};

	stopped = 0;
	o.cancel = &stopped;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
}

/* Its queue of connections is full: what comes now gets no answer at all. */
static int
listen_deaf(uint16_t *port, int clients[3])
{
	int fd = listen_somewhere(port);
	struct sockaddr_in sa = {.sin_family = AF_INET,
	    .sin_port = htons(*port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	ck_assert_int_eq(listen(fd, 0), 0);
	for (int i = 0; i < 3; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(clients[i], (struct sockaddr *)&sa, sizeof(sa));
	}
	return fd;
}

START_TEST(a_signal_cancels_the_dialling)
{
	int clients[3];
	OWNED(fdio_close) int fd = listen_deaf(&o.port, clients);

	ck_assert_int_ne(fd, -1);
	stop_soon();
	ck_assert_int_eq(try_open(), ERR_CANCELLED);
	ck_assert_ptr_nonnull(strstr(e.text, "reaching"));
	for (int i = 0; i < 3; i++)
		close(clients[i]);
}
END_TEST

START_TEST(a_signal_cancels_the_greeting)
{
	OWNED(fdio_close) int fd = listen_somewhere(&o.port);

	ck_assert_int_ne(fd, -1);
	stop_soon();
	ck_assert_int_eq(try_open(), ERR_CANCELLED);
	ck_assert_ptr_nonnull(strstr(e.text, "greeting"));
}
END_TEST

START_TEST(a_signal_cancels_a_command)
{
	OWNED(sshconn_close) struct sshconn *c = NULL;
	OWNED(sshexec_close) struct sshexec *x = NULL;
	const char *argv[] = {"exec", "sleep", "3", NULL};
	static char zeros[1 << 20];
	enum err_code rc = ERR_NONE;
	size_t got;

	pin_all();
	o.cancel = &stopped;
	stopped = 0;
	ck_assert_int_eq(sshconn_open(&c, &o, &e), ERR_NONE);
	ck_assert_int_eq(sshexec_open(&x, c, argv, &e), ERR_NONE);
	stop_soon();
	while (_i == 0 && rc == ERR_NONE)
		rc = sshexec_write(x, zeros, sizeof(zeros), &e);
	if (_i == 1)
		rc = sshexec_read(x, zeros, sizeof(zeros), &got, &e);
	ck_assert_int_eq(rc, ERR_CANCELLED);
}
END_TEST

START_TEST(a_signal_cancels_a_transfer_of_files)
{
	OWNED(sshconn_close) struct sshconn *c = NULL;
	OWNED(sshsftp_close) struct sshsftp *s = NULL;
	OWNED(sshfile_close) struct sshfile *f = NULL;
	static char bytes[1 << 20];
	enum err_code rc = ERR_NONE;
	uint64_t at = 0;
	size_t got;

	pin_all();
	o.cancel = &stopped;
	stopped = 0;
	ck_assert_int_eq(sshconn_open(&c, &o, &e), ERR_NONE);
	ck_assert_int_eq(sshsftp_open(&s, c, &e), ERR_NONE);
	if (_i == 0)
		ck_assert_int_eq(sshfile_open_write(&f, s, "/dev/null", &e),
		    ERR_NONE);
	else
		ck_assert_int_eq(sshfile_begin_read(&f, s, "/dev/zero", 0, 0,
				     &e),
		    ERR_NONE);
	stop_soon();
	for (; rc == ERR_NONE; at += sizeof(bytes))
		rc = _i == 0 ? sshfile_write(f, at, bytes, sizeof(bytes), &e)
			     : sshfile_read(f, bytes, sizeof(bytes), &got, &e);
	ck_assert_int_eq(rc, ERR_CANCELLED);
}
END_TEST

START_TEST(a_name_that_is_none_is_said)
{
	o.host = "no-such-host.invalid";
	ck_assert_int_ne(try_open(), ERR_NONE);
	ck_assert_ptr_nonnull(strstr(e.text, "no-such-host.invalid"));
}
END_TEST

START_TEST(the_source_address_is_the_one_asked_for)
{
	OWNED(sshconn_close) struct sshconn *c = NULL;
	OWNED(sshexec_close) struct sshexec *x = NULL;
	const char *argv[] = {"printenv", "SSH_CLIENT", NULL};
	char text[128] = {0};
	size_t got;

	pin_all();
	o.bind_address = "127.0.0.7";
	ck_assert_int_eq(sshconn_open(&c, &o, &e), ERR_NONE);
	ck_assert_int_eq(sshexec_open(&x, c, argv, &e), ERR_NONE);
	ck_assert_int_eq(sshexec_read(x, text, sizeof(text) - 1, &got, &e),
	    ERR_NONE);
	ck_assert_ptr_eq(strstr(text, "127.0.0.7 "), text);
}
END_TEST

/* --- login ----------------------------------------------------------------------- */

/* Between us and the host: it hangs up on both after so many of a side's bytes. */
struct between {
	int listening;
	size_t passed_bytes, most_bytes;
	size_t theirs_most_bytes; /* 0: no end */
	bool resets;
};

/* False: that was the end of it. */
static bool
pass_on(int from, int to, size_t *room)
{
	char bytes[4096];
	ssize_t n =
	    read(from, bytes, sizeof(bytes) < *room ? sizeof(bytes) : *room);

	if (n <= 0 || write(to, bytes, (size_t)n) != n)
		return false;
	*room -= (size_t)n;
	return *room > 0;
}

static void *
stand_between(void *ctx)
{
	struct between *b = ctx;
	OWNED(fdio_close) int near = accept(b->listening, NULL, NULL);
	OWNED(fdio_close) int host = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in sa = {.sin_family = AF_INET,
	    .sin_port = htons(far.port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	size_t ours = b->most_bytes;
	size_t theirs =
	    b->theirs_most_bytes > 0 ? b->theirs_most_bytes : SIZE_MAX;
	bool is_up = connect(host, (struct sockaddr *)&sa, sizeof(sa)) == 0;

	while (is_up) {
		struct pollfd p[] = {{near, POLLIN, 0}, {host, POLLIN, 0}};

		if (poll(p, 2, 10000) <= 0)
			break;
		if (p[1].revents != 0)
			is_up = pass_on(host, near, &theirs);
		if (is_up && p[0].revents != 0)
			is_up = pass_on(near, host, &ours);
		__atomic_store_n(&b->passed_bytes, b->most_bytes - ours,
		    __ATOMIC_RELEASE);
	}
	if (b->resets)
		(void)setsockopt(near, SOL_SOCKET, SO_LINGER,
		    &(struct linger){.l_onoff = 1}, sizeof(struct linger));
	return NULL;
}

/* Log in with only so many of a side's bytes getting through. */
static enum err_code
open_through(struct between b, size_t *passed_bytes)
{
	OWNED(sshconn_close) struct sshconn *c = NULL;
	pthread_t thread;
	enum err_code rc;

	b.listening = listen_somewhere(&o.port);
	ck_assert_int_eq(pthread_create(&thread, NULL, stand_between, &b), 0);
	rc = sshconn_open(&c, &o, &e);
	*passed_bytes = __atomic_load_n(&b.passed_bytes, __ATOMIC_ACQUIRE);
	sshconn_close(&c);
	pthread_join(thread, NULL);
	close(b.listening);
	return rc;
}

/* The last message of a login is the signature: 200 bytes and more. */
START_TEST(a_connection_cut_at_login_is_no_key_that_was_refused)
{
	static const size_t lacking[] = {1, 60, 150, 250};
	size_t all, passed;

	pin_all();
	ck_assert_int_eq(open_through((struct between){.most_bytes = 1 << 20},
			     &all),
	    ERR_NONE);
	for (size_t i = 0; i < COUNT_OF(lacking); i++) {
		ck_assert_int_eq(open_through((struct between){.most_bytes =
								   all -
						      lacking[i]},
				     &passed),
		    ERR_TIMEOUT);
		ck_assert_ptr_nonnull(strstr(e.text, "lost"));
		ck_assert_ptr_nonnull(strstr(e.text, "logging in"));
	}
}
END_TEST

/*
 * Banner, list of methods, the exchange itself: whoever cuts in there, it is the
 * connection that failed, at once, and nothing is said of keys.
 */
START_TEST(a_connection_cut_while_keys_are_exchanged_is_no_lack_of_keys)
{
	static const size_t ours[] = {1, 20, 40, 600, 650};
	static const size_t theirs[] = {1, 20, 50, 500, 1120, 1160, 1200, 1300};
	size_t passed, agreed_count = 0;

	pin_all();
	for (size_t i = 0; i < COUNT_OF(ours) + COUNT_OF(theirs); i++) {
		struct between b = {.most_bytes = 1 << 20, .resets = _i == 1};

		if (i < COUNT_OF(ours))
			b.most_bytes = ours[i];
		else
			b.theirs_most_bytes = theirs[i - COUNT_OF(ours)];
		ck_assert_int_eq(open_through(b, &passed), ERR_TIMEOUT);
		ck_assert_msg(strstr(e.text, "greeting: the connection to") !=
			NULL,
		    "%zu: %s", i, e.text);
		agreed_count += passed > 600; /* what comes behind the lists */
	}
	ck_assert_uint_ge(agreed_count, 3);
}
END_TEST

static char key_path[160];

/* Make a key of the test's own; arguments for ssh-keygen, up to NULL. */
static void
make_key(const char *type, const char *passphrase)
{
	const char *argv[] = {"ssh-keygen", "-q", "-t", type, "-N", passphrase,
	    "-f", key_path, NULL};

	snprintf(key_path, sizeof(key_path), "%s/other", far.dir.path);
	unlink(key_path);
	ck_assert_int_eq(farhost_run(argv), 0);
	o.identity_file = key_path;
}

START_TEST(a_stranger_is_refused_by_name_and_key)
{
	pin_all();
	make_key("ed25519", "");
	ck_assert_int_eq(try_open(), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, key_path));
	ck_assert_ptr_nonnull(strstr(e.text, far.user));
	ck_assert_ptr_nonnull(strstr(e.text, "authorized_keys"));
}
END_TEST

START_TEST(a_locked_key_is_said_to_be_locked)
{
	pin_all();
	make_key("ed25519", "secret");
	ck_assert_int_eq(try_open(), ERR_KEY);
	ck_assert_ptr_nonnull(strstr(e.text, "locked by a passphrase"));
}
END_TEST

/* libssh2 1.10 forgets 56 bytes of each locked key that it opens. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static enum err_code
try_open_locked(void)
{
	enum err_code rc;

	if (__lsan_disable != NULL)
		__lsan_disable();
	rc = try_open();
	if (__lsan_enable != NULL)
		__lsan_enable();
	return rc;
}

static const char *const lockable[] = {"ed25519", "ecdsa"};

/* A locked key that is let in, and what opens it. */
static void
let_locked_key_in(int which, const char *line, mode_t mode)
{
	static char file[160];
	const char *copy[] = {"sh", "-c", NULL, NULL};
	OWNED(buf_fini) struct buf cat = {0};

	pin_all();
	make_key(lockable[which], "a long secret");
	ck_assert_int_eq(buf_printf(&cat, &e, "cat %s.pub >>%s/authorized_keys",
			     key_path, far.dir.path),
	    ERR_NONE);
	copy[2] = buf_text(&cat);
	ck_assert_int_eq(farhost_run(copy), 0);
	/* the one before it may have been made for nobody to write */
	unlinkat(far.dir.fd, SSH_PASSPHRASE_CREDENTIAL, 0);
	tmpdir_put(&far.dir, SSH_PASSPHRASE_CREDENTIAL, line);
	snprintf(file, sizeof(file), "%s/" SSH_PASSPHRASE_CREDENTIAL,
	    far.dir.path);
	ck_assert_int_eq(chmod(file, mode), 0);
	o.passphrase_file = file;
}

START_TEST(a_passphrase_file_opens_a_locked_key)
{
	let_locked_key_in(_i, "a long secret\n", 0600);
	ck_assert_int_eq(try_open_locked(), ERR_NONE);
}
END_TEST

START_TEST(a_credential_opens_a_locked_key)
{
	let_locked_key_in(_i, "a long secret", 0440);
	o.passphrase_file = NULL;
	setenv("CREDENTIALS_DIRECTORY", far.dir.path, 1);
	ck_assert_int_eq(try_open_locked(), ERR_NONE);
	setenv("CREDENTIALS_DIRECTORY", "/nowhere", 1);
	ck_assert_int_eq(try_open_locked(), ERR_KEY);
	ck_assert_ptr_nonnull(strstr(e.text, SSH_PASSPHRASE_CREDENTIAL));
	unsetenv("CREDENTIALS_DIRECTORY");
}
END_TEST

START_TEST(a_wrong_passphrase_is_said_to_be_wrong)
{
	let_locked_key_in(_i, "another", 0600);
	ck_assert_int_eq(try_open_locked(), ERR_KEY);
	ck_assert_ptr_nonnull(strstr(e.text, "does not open"));
	ck_assert_ptr_null(strstr(e.text, "another"));
}
END_TEST

START_TEST(what_is_no_passphrase_is_not_tried)
{
	static const char *const lines[] = {"", "\n", "two\nlines\n"};

	let_locked_key_in(0, lines[_i], 0600);
	ck_assert_int_eq(try_open(), ERR_KEY);
	ck_assert_ptr_nonnull(strstr(e.text, "does not hold a passphrase"));
}
END_TEST

START_TEST(a_passphrase_that_others_may_read_is_not_used)
{
	let_locked_key_in(0, "a long secret", 0640);
	ck_assert_int_eq(try_open(), ERR_KEY);
	ck_assert_ptr_nonnull(strstr(e.text, "others may read"));
}
END_TEST

START_TEST(a_locked_rsa_key_is_said_to_be_of_no_use)
{
	pin_all();
	make_key("rsa", "secret");
	ck_assert_int_eq(try_open(), ERR_KEY);
	ck_assert_ptr_nonnull(strstr(e.text, "RSA"));
}
END_TEST

START_TEST(an_rsa_key_is_said_to_be_of_no_use)
{
	pin_all();
	make_key("rsa", "");
	ck_assert_int_eq(try_open(), ERR_KEY);
	ck_assert_ptr_nonnull(strstr(e.text, "RSA"));
	ck_assert_ptr_nonnull(strstr(e.text, "ed25519"));
}
END_TEST

START_TEST(a_key_that_others_may_read_is_not_used)
{
	pin_all();
	make_key("ed25519", "");
	ck_assert_int_eq(chmod(key_path, 0644), 0);
	ck_assert_int_eq(try_open(), ERR_KEY);
	ck_assert_ptr_nonnull(strstr(e.text, "others may read"));
}
END_TEST

START_TEST(what_is_no_key_is_said_to_be_none)
{
	pin_all();
	tmpdir_put(&far.dir, "other",
	    _i == 0 ? "hello" : "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n");
	snprintf(key_path, sizeof(key_path), "%s/%s", far.dir.path,
	    _i == 2 ? "missing" : "other");
	o.identity_file = key_path;
	ck_assert_int_eq(try_open(), ERR_KEY);
	ck_assert_ptr_nonnull(strstr(e.text, key_path));
}
END_TEST

START_TEST(an_agents_keys_are_tried)
{
	OWNED(buf_fini) struct buf line = {0};
	char sock[160];
	const char *argv[] = {"sh", "-c", NULL, NULL};

	pin_all();
	snprintf(sock, sizeof(sock), "%s/agent", far.dir.path);
	ck_assert_int_eq(buf_printf(&line, &e,
			     "ssh-agent -a %s >%s.env 2>/dev/null && "
			     "SSH_AUTH_SOCK=%s "
			     "ssh-add -q %s",
			     sock, sock, sock, far.identity),
	    ERR_NONE);
	argv[2] = buf_text(&line);
	ck_assert_int_eq(farhost_run(argv), 0);
	setenv("SSH_AUTH_SOCK", sock, 1);
	o.identity_file = NULL;
	ck_assert_int_eq(try_open(), ERR_NONE);
	ck_assert_int_eq(farhost_run(
			     (const char *const[]){"ssh-add", "-qD", NULL}),
	    0);
	ck_assert_int_eq(try_open(), ERR_KEY);
	buf_clear(&line);
	ck_assert_int_eq(buf_printf(&line, &e,
			     ". %s.env >/dev/null; ssh-agent -k >/dev/null",
			     sock),
	    ERR_NONE);
	argv[2] = buf_text(&line);
	ck_assert_int_eq(farhost_run(argv), 0);
	ck_assert_int_eq(try_open(), ERR_KEY);
	ck_assert_ptr_nonnull(strstr(e.text, "no SSH agent answers"));
	unsetenv("SSH_AUTH_SOCK");
}
END_TEST

Suite *suite_ssh_sshconn(void);

Suite *
suite_ssh_sshconn(void)
{
	Suite *s = suite_create("ssh/sshconn");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, start, stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_host_in_known_hosts_is_let_in_to);
	tcase_add_loop_test(tc, either_key_alone_may_be_pinned, 0, 2);
	tcase_add_loop_test(tc, a_changed_key_is_refused_with_both_fingerprints,
	    0, 2);
	tcase_add_loop_test(tc,
	    a_pin_of_a_type_the_host_lacks_is_refused_with_both_fingerprints, 0,
	    2);
	tcase_add_test(tc,
	    a_host_nobody_pinned_is_refused_with_its_fingerprint);
	tcase_add_test(tc, a_revoked_key_is_refused_although_it_is_pinned);
	tcase_add_test(tc, scan_shows_the_key_and_needs_no_pin);
	tcase_add_test(tc, a_closed_port_is_said_to_be_refused);
	tcase_add_test(tc, a_host_that_never_speaks_times_out);
	tcase_add_test(tc, a_raised_flag_cancels);
	tcase_add_test(tc, a_signal_cancels_the_dialling);
	tcase_add_test(tc, a_signal_cancels_the_greeting);
	tcase_add_loop_test(tc, a_signal_cancels_a_command, 0, 2);
	tcase_add_loop_test(tc, a_signal_cancels_a_transfer_of_files, 0, 2);
	tcase_add_test(tc, a_name_that_is_none_is_said);
	tcase_add_test(tc, the_source_address_is_the_one_asked_for);
	tcase_add_test(tc,
	    a_connection_cut_at_login_is_no_key_that_was_refused);
	tcase_add_loop_test(tc,
	    a_connection_cut_while_keys_are_exchanged_is_no_lack_of_keys, 0, 2);
	tcase_add_test(tc, a_stranger_is_refused_by_name_and_key);
	tcase_add_test(tc, a_locked_key_is_said_to_be_locked);
	tcase_add_loop_test(tc, a_passphrase_file_opens_a_locked_key, 0, 2);
	tcase_add_loop_test(tc, a_credential_opens_a_locked_key, 0, 2);
	tcase_add_loop_test(tc, a_wrong_passphrase_is_said_to_be_wrong, 0, 2);
	tcase_add_loop_test(tc, what_is_no_passphrase_is_not_tried, 0, 3);
	tcase_add_test(tc, a_passphrase_that_others_may_read_is_not_used);
	tcase_add_test(tc, a_locked_rsa_key_is_said_to_be_of_no_use);
	tcase_add_test(tc, an_rsa_key_is_said_to_be_of_no_use);
	tcase_add_test(tc, a_key_that_others_may_read_is_not_used);
	tcase_add_loop_test(tc, what_is_no_key_is_said_to_be_none, 0, 3);
	tcase_add_test(tc, an_agents_keys_are_tried);
	suite_add_tcase(s, tc);
	return s;
}
