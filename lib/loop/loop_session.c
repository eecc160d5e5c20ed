/* The rest of a session whose leader has ended. */

#include "loop_session.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

/* Of /proc/PID/stat: "PID (any name) STATE PPID PGRP SESSION ...".  0: gone. */
static pid_t
session_of(int proc, const char *pid)
{
	OWNED(fdio_close) int fd = -1;
	char path[64], text[1024];
	const char *at;
	ssize_t len;
	int session = 0;

	snprintf(path, sizeof(path), "%.20s/stat", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	at = strrchr(text, ')'); /* a name may hold anything */
	if (at == NULL || sscanf(at + 1, " %*c %*d %*d %d", &session) != 1)
		return 0;
	return session;
}

void
loop_session_kill(pid_t leader)
{
	DIR *proc = opendir("/proc");
	struct dirent *de;

	if (proc == NULL)
		return;
	while ((de = readdir(proc)) != NULL)
		if (de->d_name[0] >= '1' && de->d_name[0] <= '9' &&
		    session_of(dirfd(proc), de->d_name) == leader)
			kill((pid_t)atoi(de->d_name), SIGKILL);
	closedir(proc);
}
