#include "support/farserve.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/now.h>

#include "support/fault.h"
#include "support/must.h"

static enum err_code
watched_read(void *ctx, void *bytes, size_t max, size_t *got, struct err *err)
{
	struct far *far = ctx;

	far->turns_count += far->spoke;
	far->spoke = false;
	return far->plain.read(far->plain.ctx, bytes, max, got, err);
}

static enum err_code
watched_write(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct far *far = ctx;
	size_t now = len;

	far->spoke = true;
	if (far->cut_after_bytes != 0 &&
	    far->written_bytes + len > far->cut_after_bytes)
		now = (size_t)(far->cut_after_bytes - far->written_bytes);
	far->written_bytes += now;
	if (far->plain.write(far->plain.ctx, bytes, now, err) != ERR_NONE)
		return err->code;
	if (now == len)
		return ERR_NONE;
	if (far->by_hanging_up)
		shutdown(far->fd, SHUT_RDWR);
	else if (!far->in_silence)
		kill(far->pid, SIGKILL);
	return err_set(err, ERR_TIMEOUT, "the link was cut");
}

void
far_start(struct far *far, const char *path, int nth, int num)
{
	struct err e = {0};
	int pair[2];

	memset(far, 0, sizeof(*far));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
			     pair),
	    0);
	far->pid = fork();
	if (far->pid == 0) {
		struct serve_options opt = {.allow = SERVE_PUT,
		    .network_fs_allowed = true};
		struct transport_fds fds = {pair[1], pair[1], 20 * NS_PER_S,
		    NULL};
		struct serve_tally ignored;
		struct transport t;
		struct err why = {0};
		enum err_code rc;

		for (int fd = 3; fd < 256; fd++) /* other connections', too */
			if (fd != pair[1])
				close(fd);
		rc = transport_over_fds(&t, &fds, &why);
		if (nth != 0)
			fault_arm(nth, num);
		if (rc == ERR_NONE)
			rc = serve_run(path, &t, &opt, &ignored, &why);
		/* 100: the fault was never reached. */
		_exit(nth != 0 && !fault_fired() ? 100 : (int)rc);
	}
	close(pair[1]);
	/* As little as may be is under way at a time. */
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &(int){65536},
	    sizeof(int));
	far->fd = pair[0];
	far->fds =
	    (struct transport_fds){pair[0], pair[0], 20 * NS_PER_S, NULL};
	must(transport_over_fds(&far->plain, &far->fds, &e), &e);
}

struct transport
far_transport(struct far *far)
{
	return (struct transport){watched_read, watched_write, far};
}

int
far_end(struct far *far)
{
	int status;

	close(far->fd);
	ck_assert_int_eq(waitpid(far->pid, &status, 0), far->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
