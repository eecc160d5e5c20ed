#ifndef BASCULE_BASE_NODUMP_H
#define BASCULE_BASE_NODUMP_H

/*
 * No core dump of this process, and no reading of its memory by others of its
 * user: it will hold keys.  For the beginning of main().  The kernel undoes the
 * second at exec; of the first only the soft limit goes to children, who may
 * raise it again.  Best effort: a restore must go on where it is refused.
 */
void nodump_set(void);

#endif
