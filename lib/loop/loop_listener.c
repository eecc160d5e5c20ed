/* The Unix socket, and who is at its other end. */

#include "loop_conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#define BACKLOG 64

struct loop_listener {
	uv_pipe_t pipe;
	loop_accept_fn *fn;
	void *ctx;
	char *path;
};

static void
closed(uv_handle_t *h)
{
	struct loop_listener *ls = h->data;

	free(ls->path);
	free(ls);
}

/* Supplementary groups as the kernel knows them, not as a database may. */
static bool
peer_of(int fd, struct loop_peer *peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return false;
	*peer = (struct loop_peer){.pid = cred.pid, .uid = cred.uid};
	peer->groups[0] = cred.gid;
	len = sizeof(peer->groups) - sizeof(gid_t);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer->groups + 1, &len) !=
	    0)
		len = 0; /* more than we look at: the main one counts */
	peer->group_count = 1 + len / sizeof(gid_t);
	return true;
}

static void
came(uv_stream_t *s, int status)
{
	struct loop_listener *ls = s->data;
	OWNED(loop_conn_free) struct loop_conn *c = NULL;
	struct loop_peer peer;
	struct err e;

	if (status != 0 || loop_conn_accept(&c, s, &e) != ERR_NONE)
		return; /* it will try again, or not */
	if (peer_of(loop_conn_fd(c), &peer))
		ls->fn(ls->ctx, &c, &peer);
}

/* A name left by a daemon that died, or by one that lives? */
static enum err_code
clear_name(const struct sockaddr_un *at, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	struct stat st;

	if (lstat(at->sun_path, &st) != 0)
		return errno == ENOENT
		    ? ERR_NONE
		    : err_sys(e, "cannot look at '%s'", at->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_EXISTS, "'%s' is not a socket",
		    at->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, "cannot make a socket");
	if (connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 ||
	    errno == EAGAIN)
		return err_set(e, ERR_BUSY, "a daemon answers at '%s' already",
		    at->sun_path);
	if (unlink(at->sun_path) != 0 && errno != ENOENT)
		return err_sys(e, "cannot remove the old socket '%s'",
		    at->sun_path);
	return ERR_NONE;
}

static enum err_code
listen_at(struct loop_listener *ls, mode_t mode, struct err *e)
{
	mode_t old = umask(0777 & ~mode);
	int rc = uv_pipe_bind(&ls->pipe, ls->path);

	umask(old);
	if (rc != 0)
		return LOOP_FAIL(e, rc, "cannot listen at '%s'", ls->path);
	if (chmod(ls->path, mode) != 0)
		return err_sys(e, "cannot set the mode of '%s'", ls->path);
	rc = uv_listen((uv_stream_t *)&ls->pipe, BACKLOG, came);
	if (rc != 0)
		return LOOP_FAIL(e, rc, "cannot listen at '%s'", ls->path);
	return ERR_NONE;
}

enum err_code
loop_listener_new(struct loop_listener **out, struct loop *l, const char *path,
    mode_t mode, loop_accept_fn *fn, void *ctx, struct err *e)
{
	OWNED(loop_listener_free) struct loop_listener *ls = NULL;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	enum err_code rc;

	*out = NULL;
	if (strlen(path) >= sizeof(at.sun_path))
		return err_set(e, ERR_INPUT,
		    "the socket's path '%s' is longer than %zu bytes", path,
		    sizeof(at.sun_path) - 1);
	memcpy(at.sun_path, path, strlen(path) + 1);
	rc = clear_name(&at, e);
	if (rc != ERR_NONE)
		return rc;
	ls = calloc(1, sizeof(*ls));
	if (ls == NULL)
		return err_nomem(e);
	ASSERT(uv_pipe_init(&l->uv, &ls->pipe, 0) == 0);
	ls->pipe.data = ls;
	ls->fn = fn;
	ls->ctx = ctx;
	ls->path = strdup(path);
	if (ls->path == NULL)
		return err_nomem(e);
	rc = listen_at(ls, mode, e);
	if (rc == ERR_NONE)
		*out = TAKE(ls);
	return rc;
}

void
loop_listener_free(struct loop_listener **lsp)
{
	struct loop_listener *ls = TAKE(*lsp);

	if (ls != NULL) /* libuv removes the name when it closes */
		uv_close((uv_handle_t *)&ls->pipe, closed);
}
