/* basculed: the daemon, and for each job a worker: itself once more. */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <bascule/base/exitcode.h>
#include <bascule/base/nodump.h>

#include "daemon.h"

static const char usage[] =
    "usage: basculed -c FILE [--foreground] [--check]\n"
    "\n"
    "  -c FILE        the site's own policy file, bascule.conf\n"
    "  --check        load everything, print every problem, exit 0 or 7\n"
    "  --foreground   stay in the foreground (it always does)\n"
    "  --version      print the version\n"
    "  --help         print this\n";

static int
check(const char *path)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(buf_fini) struct buf problems = {0};
	struct err e;
	enum err_code rc = reload_load(&p, path, &problems, &e);

	fputs(buf_text(&problems), stderr);
	if (rc == ERR_NONE && policy_find_site(p, p->site) == NULL)
		rc = err_set(&e, ERR_POLICY, "site '%s' is not among the sites",
		    p->site);
	if (rc == ERR_NONE) {
		printf("%s: no problems: site %s, %zu services\n", path,
		    p->site, p->service_count);
		return EXITCODE_DONE;
	}
	fprintf(stderr, "basculed: %s\n", e.text);
	return rc == ERR_NOMEM ? EXITCODE_FAILED : EXITCODE_POLICY;
}

static int
wrong(const char *what, const char *argument)
{
	fprintf(stderr, "basculed: %s '%s'\n%s", what, argument, usage);
	return EXITCODE_USAGE;
}

int
main(int argc, char **argv)
{
	const char *path = NULL;
	bool checks = false;

	nodump_set();
	if (argc == 2 && strcmp(argv[1], "--worker") == 0)
		return worker_main();
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
			path = argv[++i];
		else if (strcmp(argv[i], "--check") == 0)
			checks = true;
		else if (strcmp(argv[i], "--version") == 0)
			return printf("basculed %s\n", BASCULE_VERSION) < 0;
		else if (strcmp(argv[i], "--help") == 0)
			return printf("%s", usage) < 0;
		else if (strcmp(argv[i], "--foreground") != 0)
			return wrong("not understood:", argv[i]);
	}
	if (path == NULL)
		return wrong("missing:", "-c FILE");
	if (checks)
		return check(path);
	umask(0077);
	signal(SIGPIPE, SIG_IGN);
	return daemon_run(path);
}
