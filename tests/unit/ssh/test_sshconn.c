#include <bascule/ssh.h>

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
	char fp[128], seen[SSH_FINGERPRINT_BYTES];

	fingerprint(fp, "host_ed25519.pub");
	o.user = NULL;
	ck_assert_int_eq(sshconn_scan(&o, seen, &e), ERR_NONE);
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
	tcase_add_test(tc, a_name_that_is_none_is_said);
	tcase_add_test(tc, the_source_address_is_the_one_asked_for);
	tcase_add_test(tc, a_stranger_is_refused_by_name_and_key);
	tcase_add_test(tc, a_locked_key_is_said_to_be_locked);
	tcase_add_test(tc, an_rsa_key_is_said_to_be_of_no_use);
	tcase_add_test(tc, a_key_that_others_may_read_is_not_used);
	tcase_add_loop_test(tc, what_is_no_key_is_said_to_be_none, 0, 3);
	tcase_add_test(tc, an_agents_keys_are_tried);
	suite_add_tcase(s, tc);
	return s;
}
