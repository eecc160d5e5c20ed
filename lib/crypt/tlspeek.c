#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <bascule/base/buf.h>
#include <bascule/base/fdio.h>
#include <bascule/base/now.h>
#include <bascule/crypt.h>

static void
ctx_free(SSL_CTX **cp)
{
	SSL_CTX_free(*cp);
}

static void
ssl_free(SSL **sp)
{
	SSL_free(*sp);
}

static void
x509_free(X509 **xp)
{
	X509_free(*xp);
}

static void
bio_free(BIO **bp)
{
	BIO_free(*bp);
}

static enum err_code
broke(struct err *e, enum err_code rc, const char *what)
{
	unsigned long code = ERR_get_error();
	const char *why = code == 0 ? NULL : ERR_reason_error_string(code);

	ERR_clear_error();
	return err_set(e, rc, "%s%s%s", what, why != NULL ? ": " : "",
	    why != NULL ? why : "");
}

/* The name or address that its certificate must be for. */
static bool
set_name(SSL *s, const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;
	X509_VERIFY_PARAM *p = SSL_get0_param(s);

	if (inet_pton(AF_INET, host, &v4) == 1 ||
	    inet_pton(AF_INET6, host, &v6) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(p, host) == 1;
	return SSL_set_tlsext_host_name(s, host) == 1 &&
	    X509_VERIFY_PARAM_set1_host(p, host, 0) == 1;
}

static enum err_code
wait_for(SSL *s, int fd, int rc, struct mono until, struct err *e)
{
	struct pollfd p = {.fd = fd};
	int64_t left_ms = (until.ns - now_mono().ns) / NS_PER_MS;

	switch (SSL_get_error(s, rc)) {
	case SSL_ERROR_WANT_READ: p.events = POLLIN; break;
	case SSL_ERROR_WANT_WRITE: p.events = POLLOUT; break;
	default:
		if (SSL_get_verify_result(s) != X509_V_OK)
			return err_set(e, ERR_REFUSED, "its certificate: %s",
			    X509_verify_cert_error_string(
				SSL_get_verify_result(s)));
		return broke(e, ERR_IO, "it speaks no TLS with us");
	}
	if (left_ms <= 0 || poll(&p, 1, (int)left_ms) == 0)
		return err_set(e, ERR_TIMEOUT, "no TLS in time");
	return ERR_NONE;
}

static enum err_code
take_end(SSL *s, int64_t *ends_s, struct err *e)
{
	OWNED(x509_free) X509 *x = SSL_get1_peer_certificate(s);
	struct tm tm = {0};

	if (x == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) != 1)
		return broke(e, ERR_IO, "its certificate names no end");
	*ends_s = (int64_t)timegm(&tm);
	return ERR_NONE;
}

/* --- whose certificates count ---------------------------------------------- */

#define CA_BYTES_MAX ((size_t)4 << 20) /* a whole system's are a quarter */

static enum err_code
read_file(const char *path, struct buf *out, struct err *e)
{
	OWNED(fdio_close)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum err_code rc;

	if (fd == -1)
		return err_sys(e, "opening '%s'", path);
	rc = fdio_read_all(fd, CA_BYTES_MAX, out, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "'%s'", path);
}

/* All of its certificates; what stands between them is for people. */
static unsigned
add_certificates(SSL_CTX *ctx, BIO *from)
{
	X509_STORE *all = SSL_CTX_get_cert_store(ctx);
	unsigned count = 0;

	/* One that stands between is as good as the one above it. */
	X509_STORE_set_flags(all, X509_V_FLAG_PARTIAL_CHAIN);
	for (;;) {
		OWNED(x509_free)
		X509 *x = PEM_read_bio_X509(from, NULL, NULL, NULL);

		if (x == NULL || X509_STORE_add_cert(all, x) != 1)
			break;
		count++;
	}
	ERR_clear_error();
	return count;
}

static enum err_code
add_file(SSL_CTX *ctx, const char *path, struct err *e)
{
	OWNED(buf_fini) struct buf text = {.max_bytes = CA_BYTES_MAX};
	OWNED(bio_free) BIO *from = NULL;
	enum err_code rc = read_file(path, &text, e);

	if (rc != ERR_NONE)
		return rc;
	from = BIO_new_mem_buf(buf_text(&text), (int)text.len_bytes);
	if (from == NULL)
		return err_nomem(e);
	if (add_certificates(ctx, from) > 0)
		return ERR_NONE;
	err_set(e, ERR_INPUT, "'%s' holds no certificate", path);
	return err_hint(e, "write the authorities' there, as PEM");
}

static enum err_code
set_authorities(SSL_CTX *ctx, const char *ca_file, struct err *e)
{
	if (ca_file != NULL)
		return add_file(ctx, ca_file, e);
	return SSL_CTX_set_default_verify_paths(ctx) == 1
	    ? ERR_NONE
	    : broke(e, ERR_IO, "this OpenSSL has no place for authorities");
}

/* --- asking ---------------------------------------------------------------- */

enum err_code
tlspeek(int fd, const struct tlspeek_whom *whom, int64_t timeout_ns,
    int64_t *ends_s, struct err *e)
{
	OWNED(ctx_free) SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	OWNED(ssl_free) SSL *s = NULL;
	struct mono until = {now_mono().ns + timeout_ns};
	enum err_code code;
	int rc;

	*ends_s = 0;
	if (ctx == NULL ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
		return broke(e, ERR_IO, "this OpenSSL cannot begin TLS");
	if ((code = set_authorities(ctx, whom->ca_file, e)) != ERR_NONE)
		return code;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	s = SSL_new(ctx);
	if (s == NULL || !set_name(s, whom->host) || SSL_set_fd(s, fd) != 1)
		return broke(e, ERR_NOMEM, "beginning TLS");
	while ((rc = SSL_connect(s)) != 1) {
		code = wait_for(s, fd, rc, until, e);
		if (code != ERR_NONE)
			return code;
	}
	return take_end(s, ends_s, e);
}
