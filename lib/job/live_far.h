#ifndef JOB_LIVE_FAR_H
#define JOB_LIVE_FAR_H

/*
 * A program of a plan on another host, over SSH.
 *
 * L1. It runs in a session of its own there, under a POSIX shell that keeps its
 *     outcome in ~/.bascule-steps/RUN/KEY and kills the session when we say so or
 *     are no longer heard.
 * L2. A connection that is lost is made again for a while, the session is
 *     killed if it still runs, and its outcome is read; only what cannot be read
 *     is uncertain.
 * L3. Another attempt of the same step first ends what an earlier one left
 *     running; where that had ended well, unheard, this is its outcome.
 */

#include <stdbool.h>

#include <bascule/policy.h>
#include <bascule/source.h>
#include <bascule/ssh.h>

#include "planrun_program.h"

/* As worker_far_host: *here when the name is "" or this site's own machine. */
enum err_code live_far_host(struct source_host *out, bool *here,
    const struct policy *p, const struct policy_site *site, const char *name,
    struct err *e) MUST_CHECK;

enum err_code live_far_connect(struct sshconn **out,
    const struct source_host *host, struct err *e) MUST_CHECK;

struct live_far {
	const struct source_host *host;
	const char *const *argv;
	const char *run, *key;      /* key: what of the run; no '/' in either */
	unsigned attempt;           /* from 1 */
	const char *step, *sandbox; /* for its environment; its cwd */
	int64_t timeout_ns;         /* 0: none */
	bool is_fresh; /* an earlier attempt's good end is none of ours (L3) */
	bool is_brief; /* one try to connect, and not for long */
};

/*
 * SIGTERM to the caller ends it there.  A failing status is no error.
 * ERR_TIMEOUT, ERR_CANCELLED: it was killed there, and that was read back.
 * Anything else with *uncertain: nobody knows.  out->was_unreached: the host
 * was not, and nothing was asked of it.
 */
enum err_code live_far_run(const struct live_far *f, struct planrun_said *out,
    bool *uncertain, struct err *e) MUST_CHECK;

#endif
