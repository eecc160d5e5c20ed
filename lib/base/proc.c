#include <bascule/base/proc.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/buf.h>
#include <bascule/base/fdio.h>

#define STAT_BYTES_MAX 4096

/* Of its fields, counted from one, we want the 3rd, the 6th and the 22nd. */
#define STAT_WANTED                                                           \
	" %c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d " \
	"%*d %*d %" SCNu64

enum err_code
proc_look(struct proc_look *out, pid_t pid, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	OWNED(fdio_close) int fd = -1;
	char path[64];
	const char *at;

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? ERR_NONE
				       : err_sys(e, "opening '%s'", path);
	if (fdio_read_all(fd, STAT_BYTES_MAX, &text, e) != ERR_NONE)
		return errno == ESRCH ? ERR_NONE : e->code;
	at = strrchr(buf_text(&text), ')'); /* its name may hold anything */
	if (at == NULL ||
	    sscanf(at + 1, STAT_WANTED, &out->state, &out->session,
		&out->began_ticks) != 3)
		return err_set(e, ERR_IO, "'%s' is not as the kernel writes it",
		    path);
	return ERR_NONE;
}

char
proc_state(pid_t pid)
{
	struct proc_look look;
	struct err ignored;

	return proc_look(&look, pid, &ignored) == ERR_NONE && look.state != '\0'
	    ? look.state
	    : '?';
}
