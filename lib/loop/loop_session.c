/* The rest of a session whose leader has ended. */

#include "loop_session.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>

#include <bascule/base/fdio.h>
#include <bascule/base/proc.h>

static bool
is_of(pid_t pid, pid_t leader)
{
	struct proc_look look;
	struct err ignored;

	return proc_look(&look, pid, &ignored) == ERR_NONE &&
	    look.state != '\0' && look.session == leader;
}

void
loop_session_kill(pid_t leader)
{
	OWNED(fdio_close_dir) DIR *proc = opendir("/proc");
	struct dirent *de;

	while (proc != NULL && (de = readdir(proc)) != NULL)
		if (de->d_name[0] >= '1' && de->d_name[0] <= '9' &&
		    is_of((pid_t)atoi(de->d_name), leader))
			kill((pid_t)atoi(de->d_name), SIGKILL);
}
