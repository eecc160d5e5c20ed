#ifndef BASCULE_HTTP_H
#define BASCULE_HTTP_H

/*
 * One request over HTTP or HTTPS and its whole answer, with a limit to
 * everything: time, the answer's head, its body.
 *
 * HT1. Nothing is followed: no redirect, no proxy of the environment, no
 *      cookie.  What is asked goes to whom the address names.
 * HT2. An https:// server is who its certificate says, by the given authority,
 *      and there is no way to switch that off.
 * HT3. was_sent is false only when no byte of the request can have arrived.
 *      Every connection is a new one, so nothing is sent twice unseen.
 *
 * For one thread at a time.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/buf.h>
#include <bascule/base/defs.h>
#include <bascule/base/err.h>

#define HTTP_HEAD_BYTES_MAX ((size_t)64 << 10)

struct http_options {
	/* PEM files; NULL or "": the system's authorities, no certificate. */
	const char *ca_file;
	const char *cert_file, *key_file; /* both or none */
	int64_t timeout_ns;               /* of a request; 0: 10 s */
	size_t answer_bytes_max;          /* of a body; 0: 1 MiB */
	/* When not NULL and not 0 a request under way ends: ERR_CANCELLED. */
	const volatile sig_atomic_t *cancel;
};

struct http_answer {
	unsigned status;
	struct buf body;
	bool was_sent;
};
void http_answer_fini(struct http_answer *a);

struct http;

/* ERR_INPUT: a certificate without its key, or a file that is not there. */
enum err_code http_new(struct http **out, const struct http_options *opt,
    struct err *e) MUST_CHECK;
void http_free(struct http **h);

/*
 * POST a JSON text to base (an address as a policy holds it) and path.  Any
 * whole answer is ERR_NONE, whatever its status.  ERR_TIMEOUT: none in time;
 * ERR_REFUSED: not who it should be, or it does not want us; ERR_IO: nobody
 * there, or it broke off; ERR_INPUT: the answer is too long or no HTTP.  On a
 * failure, too, out->was_sent holds.
 */
enum err_code http_post(struct http *h, const char *base, const char *path,
    const struct buf *json, struct http_answer *out, struct err *e) MUST_CHECK;

/* When may a request go to the next address? */
enum http_again {
	HTTP_ANYWAY,     /* it only asks */
	HTTP_IF_NOT_SENT /* it changes something: once, or not at all */
};

/*
 * The same at the first of several addresses that gives an answer below 500,
 * beginning with bases[*at], and *at becomes the one that did.  The error says
 * of each why not.  out->was_sent: to any of them.
 */
enum err_code http_post_any(struct http *h, const char *const *bases,
    size_t count, size_t *at, enum http_again again, const char *path,
    const struct buf *json, struct http_answer *out, struct err *e) MUST_CHECK;

#endif
