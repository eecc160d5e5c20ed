#include "dialtcp.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>
#include <bascule/base/text.h>

enum err_code
dialtcp_split(const char *text, char host[DIALTCP_HOST_BYTES], char port[6],
    struct err *e)
{
	const char *colon = strrchr(text, ':');
	const char *from = text;
	size_t len;
	uint64_t number;

	if (colon == NULL || !text_parse_u64(colon + 1, 65535, &number) ||
	    number == 0)
		return err_set(e, ERR_INPUT,
		    "'%s' is no HOST:PORT with a port from 1 to 65535", text);
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && colon[-1] == ']') {
		from++;
		len -= 2;
	}
	if (len == 0 || len >= DIALTCP_HOST_BYTES)
		return err_set(e, ERR_INPUT, "'%s' names no host", text);
	memcpy(host, from, len);
	host[len] = '\0';
	snprintf(port, 6, "%u", (unsigned)number);
	return ERR_NONE;
}

/* Of these calls, nothing is learnt about the other end. */
static enum err_code
unable(struct err *e, int num)
{
	return err_set(e, ERR_NOMEM, "this machine cannot try: %s",
	    strerrordesc_np(num) != NULL ? strerrordesc_np(num) : "failed");
}

static enum err_code
failed(struct err *e, int num)
{
	if (num == ENOMEM || num == ENOBUFS || num == EMFILE || num == ENFILE)
		return unable(e, num);
	return err_set(e, num == ETIMEDOUT ? ERR_TIMEOUT : ERR_IO, "%s",
	    strerrordesc_np(num) != NULL ? strerrordesc_np(num) : "failed");
}

/*
 * Until it is connected, or the deadline; it is looked at once even when that
 * has passed: on a busy machine we may come late, and what answered in time
 * must not be called silent.
 */
static enum err_code
finish(int fd, struct mono deadline, struct err *e)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int num = 0;

	for (;;) {
		int64_t left_ns = deadline.ns - now_mono().ns;
		int n;

		n = poll(&p, 1,
		    left_ns <= 0 ? 0 : (int)(left_ns / NS_PER_MS) + 1);
		if (n < 0 && errno != EINTR)
			return unable(e, errno);
		if (n > 0)
			break;
		if (n == 0 && left_ns <= 0)
			return err_set(e, ERR_TIMEOUT, "no answer in time");
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &num, &size) != 0)
		return unable(e, errno);
	return num == 0 ? ERR_NONE : failed(e, num);
}

static enum err_code
dial_one(int *out, const struct addrinfo *at, struct mono deadline,
    struct err *e)
{
	OWNED(fdio_close)
	int fd = socket(at->ai_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	enum err_code rc = ERR_NONE;

	if (fd < 0) /* a family the kernel has not is no way to anywhere */
		return errno == EAFNOSUPPORT ? failed(e, errno)
					     : unable(e, errno);
	if (connect(fd, at->ai_addr, at->ai_addrlen) != 0)
		rc = errno == EINPROGRESS ? finish(fd, deadline, e)
					  : failed(e, errno);
	if (rc != ERR_NONE)
		return rc;
	*out = fd;
	fd = -1;
	return ERR_NONE;
}

enum err_code
dialtcp(int *fd, const char *host, const char *port, int64_t timeout_ns,
    struct err *e)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	enum err_code rc = ERR_IO;
	int num = getaddrinfo(host, port, &hints, &list);
	bool tried_all = true;

	*fd = -1;
	if (num == EAI_MEMORY)
		return unable(e, ENOMEM);
	if (num == EAI_SYSTEM)
		return unable(e, errno);
	if (num != 0)
		return err_set(e, ERR_IO, "the name does not resolve: %s",
		    gai_strerror(num));
	for (const struct addrinfo *at = list; at != NULL; at = at->ai_next) {
		/* One that is silent says nothing of the next. */
		struct mono deadline = {now_mono().ns + timeout_ns};

		rc = dial_one(fd, at, deadline, e);
		if (rc == ERR_NONE)
			break;
		tried_all = tried_all && rc != ERR_NOMEM;
	}
	freeaddrinfo(list);
	if (rc != ERR_NONE && rc != ERR_NOMEM && !tried_all)
		return err_set(e, ERR_NOMEM, "this machine cannot try it all");
	return rc;
}

bool
dialtcp_is_here(const char *address)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE,
	    .ai_socktype = SOCK_STREAM};
	OWNED(fdio_close) int fd = -1;
	struct addrinfo *a = NULL;
	bool is;

	if (getaddrinfo(address, NULL, &hints, &a) != 0)
		return false;
	fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	is = fd != -1 && bind(fd, a->ai_addr, a->ai_addrlen) == 0;
	freeaddrinfo(a);
	return is;
}
