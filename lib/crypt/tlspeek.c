#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

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

enum err_code
tlspeek(int fd, const char *host, int64_t timeout_ns, int64_t *ends_s,
    struct err *e)
{
	OWNED(ctx_free) SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	OWNED(ssl_free) SSL *s = NULL;
	struct mono until = {now_mono().ns + timeout_ns};
	int rc;

	*ends_s = 0;
	if (ctx == NULL || SSL_CTX_set_default_verify_paths(ctx) != 1 ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
		return broke(e, ERR_IO, "this OpenSSL cannot begin TLS");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	s = SSL_new(ctx);
	if (s == NULL || !set_name(s, host) || SSL_set_fd(s, fd) != 1)
		return broke(e, ERR_NOMEM, "beginning TLS");
	while ((rc = SSL_connect(s)) != 1) {
		enum err_code code = wait_for(s, fd, rc, until, e);

		if (code != ERR_NONE)
			return code;
	}
	return take_end(s, ends_s, e);
}
