/* The tls question of a plan, asked of a server with a certificate of ours. */
#include "../../../lib/job/planrun_check.h"

#include <arpa/inet.h>
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "support/tmpdir.h"

Suite *suite_job_planrun_check(void);

#define DAYS 30

static struct tmpdir dir;
static pid_t server;
static int port;

/* --- authorities and their certificates ------------------------------------- */

struct made {
	EVP_PKEY *key;
	X509 *x;
};

static void
extend(X509 *x, X509 *by, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *one;

	X509V3_set_ctx(&ctx, by, x, NULL, NULL, 0);
	one = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ck_assert_ptr_nonnull(one);
	ck_assert_int_eq(X509_add_ext(x, one, -1), 1);
	X509_EXTENSION_free(one);
}

/* by NULL: an authority of that name; else a server's. */
static struct made
make(const char *name, const struct made *by)
{
	struct made m = {EVP_EC_gen("P-256"), X509_new()};
	X509_NAME *n = X509_get_subject_name(m.x);

	X509_set_version(m.x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(m.x), by == NULL ? 1 : 2);
	X509_gmtime_adj(X509_getm_notBefore(m.x), -60);
	X509_gmtime_adj(X509_getm_notAfter(m.x), DAYS * 24 * 3600);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC,
	    (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(m.x,
	    by == NULL ? n : X509_get_subject_name(by->x));
	X509_set_pubkey(m.x, m.key);
	extend(m.x, by == NULL ? m.x : by->x, NID_basic_constraints,
	    by == NULL ? "critical,CA:TRUE" : "CA:FALSE");
	if (by != NULL)
		extend(m.x, by->x, NID_subject_alt_name, "DNS:localhost");
	ck_assert_int_gt(X509_sign(m.x, by == NULL ? m.key : by->key,
			     EVP_sha256()),
	    0);
	return m;
}

static void
unmake(struct made *m)
{
	EVP_PKEY_free(m->key);
	X509_free(m->x);
}

static void
keep(const struct made *m, const char *name)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir.path, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs("what people wrote above it\n", f);
	ck_assert_int_eq(PEM_write_X509(f, m->x), 1);
	ck_assert_int_eq(fclose(f), 0);
}

/* --- a server ------------------------------------------------------------------ */

static void
serve(int fd, const struct made *m)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (SSL_CTX_use_certificate(ctx, m->x) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, m->key) != 1)
		_exit(1);
	for (;;) {
		int c = accept(fd, NULL, NULL);
		SSL *s = SSL_new(ctx);

		SSL_set_fd(s, c);
		SSL_accept(s);
		SSL_free(s);
		close(c);
	}
}

static void
begin(const struct made *m)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, size), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	port = ntohs(at.sin_port);
	server = fork();
	if (server == 0) {
		signal(SIGPIPE, SIG_IGN);
		serve(fd, m);
	}
	close(fd);
}

static void
setup(void)
{
	struct made ours = make("ours", NULL), theirs = make("theirs", NULL);
	struct made host = make("localhost", &ours);

	tmpdir_make(&dir);
	keep(&ours, "ours.pem");
	keep(&theirs, "theirs.pem");
	begin(&host);
	unmake(&host);
	unmake(&theirs);
	unmake(&ours);
}

static void
teardown(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	tmpdir_remove(&dir);
}

/* --- asking ---------------------------------------------------------------------- */

static enum err_code
ask(const char *host, const char *ca_file, uint32_t days_count, struct err *e)
{
	OWNED(planrun_program_fini) struct planrun_said said = {0};
	OWNED(buf_fini) struct buf note = {0};
	char endpoint[40];
	const struct policy_check check = {.kind = POLICY_CHECK_TLS,
	    .tls = endpoint,
	    .ca_file = ca_file,
	    .days_count = days_count};
	const struct policy_values values = {.sandbox = dir.path};
	const struct planrun_question q = {.check = &check,
	    .values = &values,
	    .timeout_ns = 20 * NS_PER_S};
	enum err_code rc;

	snprintf(endpoint, sizeof(endpoint), "%s:%d", host, port);
	rc = planrun_check(&q, &said, &note, e);
	ck_assert(rc != ERR_NONE ||
	    strstr(buf_text(&note), "its certificate is valid for") != NULL);
	return rc;
}

START_TEST(the_authority_that_the_policy_names_counts)
{
	struct err e = {0};

	ck_assert_msg(ask("localhost", "${sandbox}/ours.pem", 14, &e) ==
		ERR_NONE,
	    "%s", e.text);
	ck_assert_int_eq(ask("localhost", "${sandbox}/ours.pem", DAYS + 1, &e),
	    ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "at least 31 days"));
}
END_TEST

START_TEST(no_other_authority_counts)
{
	struct err e = {0};

	ck_assert_int_eq(ask("localhost", "${sandbox}/theirs.pem", 14, &e),
	    ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, "its certificate: "));
	ck_assert_int_eq(ask("localhost", "", 14, &e), ERR_REFUSED);
}
END_TEST

START_TEST(a_certificate_for_another_name_is_refused)
{
	struct err e = {0};

	ck_assert_int_eq(ask("127.0.0.1", "${sandbox}/ours.pem", 14, &e),
	    ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, "address mismatch"));
}
END_TEST

START_TEST(authorities_that_cannot_be_read_are_said_to_be)
{
	struct err e = {0};

	tmpdir_put(&dir, "none.pem", "no certificate\n");
	ck_assert_int_eq(mkfifoat(dir.fd, "pipe.pem", 0600), 0);
	ck_assert_int_eq(ask("localhost", "${sandbox}/none.pem", 14, &e),
	    ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(e.text, "holds no certificate"));
	ck_assert_int_eq(ask("localhost", "${sandbox}/pipe.pem", 14, &e),
	    ERR_INPUT);
	ck_assert_int_eq(ask("localhost", "${sandbox}/gone.pem", 14, &e),
	    ERR_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "gone.pem"));
}
END_TEST

Suite *
suite_job_planrun_check(void)
{
	Suite *s = suite_create("job/planrun_check");
	TCase *t = tcase_create("tls");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_authority_that_the_policy_names_counts);
	tcase_add_test(t, no_other_authority_counts);
	tcase_add_test(t, a_certificate_for_another_name_is_refused);
	tcase_add_test(t, authorities_that_cannot_be_read_are_said_to_be);
	suite_add_tcase(s, t);
	return s;
}
