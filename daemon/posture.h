#ifndef DAEMON_POSTURE_H
#define DAEMON_POSTURE_H

/* The posture's pure part, and its changes. */

#include "daemon.h"

/* As far as this site can see. */
enum posture_rpo posture_now(struct daemon *d, struct daemon_service *s,
    struct utc *breaks);

/* Record, and alarm about, what changed since the last look. */
void posture_look(struct daemon *d, struct daemon_service *s);

#endif
