#include "dnsttl.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

#include <bascule/base/text.h>

#include "dialtcp.h"

#define HEADER_BYTES  12
#define RECORD_BYTES  10 /* type, class, ttl, length: behind the name */
#define ANSWERS_MAX   64
#define MESSAGE_BYTES 4096
#define TRY_S         2
#define TRIES         2

struct cursor {
	const uint8_t *at;
	size_t left;
};

static bool
skip(struct cursor *c, size_t bytes)
{
	if (bytes > c->left)
		return false;
	c->at += bytes;
	c->left -= bytes;
	return true;
}

static uint32_t
big_endian(const uint8_t *at, size_t bytes)
{
	uint32_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | at[i];
	return v;
}

/* Labels, to the root or to a pointer, which ends it: none is followed. */
static bool
skip_name(struct cursor *c)
{
	while (c->left > 0) {
		uint8_t length = c->at[0];

		if ((length & 0xc0) == 0xc0)
			return skip(c, 2);
		if (length > 63 || !skip(c, 1U + length))
			return false;
		if (length == 0)
			return true;
	}
	return false;
}

static bool
read_answers(struct cursor *c, unsigned count, uint32_t *seconds)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t ttl;

		if (!skip_name(c) || c->left < RECORD_BYTES)
			return false;
		ttl = big_endian(c->at + 4, 4);
		if (ttl > INT32_MAX) /* RFC 2181: to be taken for 0 */
			ttl = 0;
		if (i == 0 || ttl < *seconds)
			*seconds = ttl;
		if (!skip(c, RECORD_BYTES + big_endian(c->at + 8, 2)))
			return false;
	}
	return true;
}

enum err_code
dnsttl_read(const void *message, size_t len_bytes, uint32_t *seconds,
    struct err *e)
{
	struct cursor c = {message, len_bytes};
	unsigned questions, answers;
	bool good = len_bytes >= HEADER_BYTES;

	*seconds = 0;
	if (!good)
		return err_set(e, ERR_CORRUPT, "the answer is cut");
	questions = big_endian(c.at + 4, 2);
	answers = big_endian(c.at + 6, 2);
	good = skip(&c, HEADER_BYTES) && questions <= ANSWERS_MAX;
	for (unsigned i = 0; good && i < questions; i++)
		good = skip_name(&c) && skip(&c, 4);
	if (good && answers == 0)
		return err_set(e, ERR_NOTFOUND, "it has no address");
	if (!good || answers > ANSWERS_MAX ||
	    !read_answers(&c, answers, seconds))
		return err_set(e, ERR_CORRUPT, "the answer is no DNS message");
	return ERR_NONE;
}

/* --- asking ----------------------------------------------------------------- */

static enum err_code
set_resolver(struct __res_state *r, const char *resolver, struct err *e)
{
	char host[DIALTCP_HOST_BYTES], port[6];
	struct sockaddr_in to = {.sin_family = AF_INET};
	uint64_t number = 0;
	enum err_code rc;

	if (*resolver == '\0')
		return ERR_NONE;
	rc = dialtcp_split(resolver, host, port, e);
	if (rc != ERR_NONE)
		return rc;
	if (inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
	    !text_parse_u64(port, UINT16_MAX, &number))
		return err_set(e, ERR_INPUT,
		    "resolver '%s' is not an IPv4 address and port", resolver);
	to.sin_port = htons((uint16_t)number);
	r->nsaddr_list[0] = to;
	r->nscount = 1;
	return ERR_NONE;
}

static enum err_code
ask_type(struct __res_state *r, const char *name, int type, uint32_t *seconds,
    struct err *e)
{
	uint8_t answer[MESSAGE_BYTES];
	int len =
	    res_nquery(r, name, ns_c_in, type, answer, (int)sizeof(answer));

	if (len > (int)sizeof(answer))
		return err_set(e, ERR_CORRUPT, "the answer is too long");
	if (len >= 0)
		return dnsttl_read(answer, (size_t)len, seconds, e);
	if (r->res_h_errno == HOST_NOT_FOUND || r->res_h_errno == NO_DATA)
		return err_set(e, ERR_NOTFOUND, "it has no address");
	return err_set(e, ERR_TIMEOUT, "no resolver answers");
}

enum err_code
dnsttl_ask(const char *name, const char *resolver, uint32_t *seconds,
    struct err *e)
{
	struct __res_state r = {0};
	enum err_code rc;

	if (res_ninit(&r) != 0)
		return err_set(e, ERR_IO, "the resolver cannot be set up");
	r.retrans = TRY_S;
	r.retry = TRIES;
	r.options &= ~(unsigned long)(RES_DEFNAMES | RES_DNSRCH);
	rc = set_resolver(&r, resolver, e);
	if (rc == ERR_NONE)
		rc = ask_type(&r, name, ns_t_a, seconds, e);
	if (rc == ERR_NOTFOUND)
		rc = ask_type(&r, name, ns_t_aaaa, seconds, e);
	res_nclose(&r);
	return rc == ERR_NONE ? rc : err_wrap(e, "'%s'", name);
}
