/*
 * What systemd's Type=notify wants to hear: one datagram.  That is all of
 * libsystemd we would use, so we do without it.
 */

#include <bascule/loop.h>

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <bascule/base/fdio.h>

void
loop_notify(const char *text)
{
	OWNED(fdio_close) int fd = -1;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path == NULL ? 0 : strlen(path);
	ssize_t sent;

	if (len < 2 || len >= sizeof(at.sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(at.sun_path, path, len + 1);
	if (path[0] == '@')
		at.sun_path[0] = '\0'; /* the abstract name space */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL,
	    (const struct sockaddr *)&at,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	(void)sent; /* a service manager that is away changes nothing here */
}
