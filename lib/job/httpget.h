#ifndef JOB_HTTPGET_H
#define JOB_HTTPGET_H

/*
 * One plain HTTP/1.1 GET, for health checks: no redirects, no TLS, no cookies;
 * everything the server says is bounded by HTTPGET_HEAD_MAX and
 * HTTPGET_BODY_MAX, and by a deadline.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/buf.h>
#include <bascule/base/err.h>

#define HTTPGET_HEAD_MAX ((size_t)64 << 10)
#define HTTPGET_BODY_MAX ((size_t)1 << 20)

struct httpget_url {
	char host[256], port[6];
	char authority[272]; /* as the Host field shows it */
	const char *path;    /* into the text; "" is "/" */
};

/* ERR_INPUT: not "http://HOST[:PORT][/PATH]". */
enum err_code httpget_url(struct httpget_url *out, const char *text,
    struct err *e) MUST_CHECK;

struct httpget_reply {
	unsigned status;
	struct buf body;
	bool is_cut; /* the body was longer than HTTPGET_BODY_MAX */
};
void httpget_reply_fini(struct httpget_reply *r);

/*
 * What has come so far, as a reply.  *whole: it is complete, read no more.
 * at_end: nothing comes any more; ERR_INPUT when the reply needs more, or
 * makes no sense.
 */
enum err_code httpget_parse(struct httpget_reply *out, const void *bytes,
    size_t len_bytes, bool at_end, bool *whole, struct err *e) MUST_CHECK;

/* ERR_TIMEOUT, ERR_IO: no answer; ERR_INPUT: one that makes no sense. */
enum err_code httpget(const char *url, int64_t timeout_ns,
    struct httpget_reply *out, struct err *e) MUST_CHECK;

#endif
