#ifndef TESTS_SUPPORT_FARSERVE_H
#define TESTS_SUPPORT_FARSERVE_H

/* `store serve` in a process of its own, over a socket pair. */

#include <bascule/replicate.h>
#include <sys/types.h>

struct far {
	pid_t pid;
	int fd;
	struct transport_fds fds;
	struct transport plain;
	/* what the wrapper below does */
	uint64_t cut_after_bytes; /* kill the far side then; 0: never */
	bool by_hanging_up;       /* ... or only the link */
	bool in_silence;          /* ... and nobody is told */
	uint64_t written_bytes;
	unsigned turns_count; /* how often we began to wait after speaking */
	bool spoke;
};

/*
 * nth, num: the nth system call over there fails (0: none).  Called before there are
 * threads: a child of one of several would wait for ever for a lock of the allocator's
 * that another held (the sanitizer's has no fork handlers).
 */
void far_start(struct far *far, const char *path, int nth, int num);
/* Watched, and cut where far says.  Borrows far. */
struct transport far_transport(struct far *far);
/* Its exit status: an err_code, 100 (nth was not reached), or 128: killed. */
int far_end(struct far *far);

#endif
