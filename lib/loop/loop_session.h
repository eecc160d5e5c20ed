#ifndef LOOP_SESSION_H
#define LOOP_SESSION_H

#include <sys/types.h>

/*
 * SIGKILL to every process of the session that leader led.  What a child starts
 * may have groups of its own; what is to outlive it makes a session of its own.
 */
void loop_session_kill(pid_t leader);

#endif
