#include "dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

/* A cancel flag set by a signal that came just before poll is seen so late. */
#define CANCEL_LATENCY_MS 200

enum err_code
dial_wait(int fd, short events, struct mono deadline,
    const volatile sig_atomic_t *cancel, struct err *e)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		int64_t left_ms = (deadline.ns - now_mono().ns) / NS_PER_MS;
		int n;

		if (cancel != NULL && *cancel != 0)
			return err_set(e, ERR_CANCELLED, "asked to stop");
		if (left_ms <= 0)
			return err_set(e, ERR_TIMEOUT, "no answer in time");
		n = poll(&p, 1,
		    left_ms < CANCEL_LATENCY_MS ? (int)left_ms
						: CANCEL_LATENCY_MS);
		if (n > 0)
			return ERR_NONE;
		if (n < 0 && errno != EINTR)
			return err_sys(e, "cannot wait for the peer");
	}
}

static enum err_code
resolve(struct addrinfo **out, const char *host, const char *service, int flags,
    struct err *e)
{
	struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = flags | AI_NUMERICSERV,
	};
	int rc = getaddrinfo(host, service, &hints, out);

	if (rc == EAI_AGAIN)
		return err_set(e, ERR_TIMEOUT, "cannot look up '%s': %s", host,
		    gai_strerror(rc));
	if (rc != 0)
		return err_set(e, ERR_NOTFOUND, "cannot look up '%s': %s", host,
		    rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	return ERR_NONE;
}

static enum err_code
bind_source(int fd, const char *address, int family, struct err *e)
{
	struct addrinfo *source = NULL;
	enum err_code rc;

	rc = resolve(&source, address, NULL, AI_NUMERICHOST, e);
	if (rc != ERR_NONE)
		return rc;
	if (source->ai_family != family)
		rc = err_set(e, ERR_INPUT,
		    "source address '%s' is of another family", address);
	else if (bind(fd, source->ai_addr, source->ai_addrlen) != 0)
		rc = err_sys(e, "cannot use source address '%s'", address);
	freeaddrinfo(source);
	return rc;
}

/* A host that is off is silent from the first packet on. */
static struct mono
dial_deadline(const struct sshconn_options *o, struct mono deadline)
{
	struct mono until = {now_mono().ns + o->dial_ns};

	return o->dial_ns > 0 && until.ns < deadline.ns ? until : deadline;
}

static enum err_code
finish(int fd, struct mono deadline, const volatile sig_atomic_t *cancel,
    struct err *e)
{
	int num = 0;
	socklen_t len = sizeof(num);
	enum err_code rc = dial_wait(fd, POLLOUT, deadline, cancel, e);

	if (rc != ERR_NONE)
		return rc;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &num, &len) != 0)
		num = errno;
	if (num == 0)
		return ERR_NONE;
	errno = num;
	err_sys(e, "cannot connect");
	/* Whatever the reason (no route, reset): another time, another link. */
	return e->code = ERR_TIMEOUT;
}

static enum err_code
dial_one(int *out, const struct addrinfo *a, const struct sshconn_options *o,
    struct mono deadline, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	unsigned timeout_ms =
	    (unsigned)((deadline.ns - now_mono().ns) / NS_PER_MS);
	int on = 1;
	enum err_code rc;

	fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    a->ai_protocol);
	if (fd == -1)
		return err_sys(e, "cannot make a socket");
	/* Without these the connection is only slower to notice a dead peer. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
	    sizeof(timeout_ms));
	if (o->bind_address != NULL &&
	    (rc = bind_source(fd, o->bind_address, a->ai_family, e)) !=
		ERR_NONE)
		return rc;
	if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
		if (errno != EINPROGRESS) {
			err_sys(e, "cannot connect");
			return e->code = ERR_TIMEOUT;
		}
		rc = finish(fd, dial_deadline(o, deadline), o->cancel, e);
		if (rc != ERR_NONE)
			return rc;
	}
	*out = fd;
	fd = -1;
	return ERR_NONE;
}

enum err_code
dial_tcp(int *fd, const struct sshconn_options *o, struct mono deadline,
    struct err *e)
{
	char service[8];
	struct addrinfo *all = NULL;
	enum err_code rc;

	*fd = -1;
	snprintf(service, sizeof(service), "%u",
	    (unsigned)(o->port != 0 ? o->port : SSH_PORT_DEFAULT));
	rc = resolve(&all, o->host, service, 0, e);
	for (struct addrinfo *a = all; a != NULL; a = a->ai_next) {
		rc = dial_one(fd, a, o, deadline, e);
		if (rc != ERR_TIMEOUT)
			break;
	}
	if (all != NULL)
		freeaddrinfo(all);
	return rc;
}
