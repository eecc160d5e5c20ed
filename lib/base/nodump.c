#include <bascule/base/nodump.h>

#include <sys/prctl.h>
#include <sys/resource.h>

void
nodump_set(void)
{
	struct rlimit cores;

	/* The limit does not count where cores go to a pipe; this does. */
	(void)prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
	if (getrlimit(RLIMIT_CORE, &cores) != 0)
		return;
	cores.rlim_cur = 0;
	(void)setrlimit(RLIMIT_CORE, &cores);
}
