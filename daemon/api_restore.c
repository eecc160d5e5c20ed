/* restore: a dataset, or all of a service, into a directory here or elsewhere. */

#include "client.h"

#include <string.h>
#include <unistd.h>

/* What the policy says of another host; NULL: here, as a site's first host is. */
static enum err_code
find_host(const struct policy *p, const char *name,
    const struct policy_host **out, struct err *e)
{
	const struct policy_site *here = policy_find_site(p, p->site);

	*out = NULL;
	if (name[0] == '\0' ||
	    (here->host_count > 0 && strcmp(here->hosts[0].name, name) == 0))
		return ERR_NONE;
	*out = policy_find_host(p, name, NULL);
	if (*out != NULL)
		return ERR_NONE;
	err_set(e, ERR_NOTFOUND, "no site declares a host '%s'", name);
	return err_hint(e, "'bascule policy show' has them, under sites.hosts");
}

/*
 * The worker writes as the daemon's user, on another host as the policy's user
 * there.  Where that is root, who may ask for it could write anything anywhere:
 * that is for those who could anyway.
 */
static enum err_code
may_write(const struct client_caller *who, const struct policy_host *on,
    struct err *e)
{
	bool is_root =
	    on != NULL ? strcmp(on->user, "root") == 0 : geteuid() == 0;

	if (!is_root || who->uid == 0 || (who->roles & CLIENT_ADMINS) != 0)
		return ERR_NONE;
	if (on != NULL)
		return err_set(e, ERR_REFUSED,
		    "the policy's user on '%s' is root, and so would the "
		    "restore be: that takes the role admin",
		    on->name);
	err_set(e, ERR_REFUSED,
	    "the daemon runs as root here, and so would the restore: that "
	    "takes the role admin");
	err_hint(e,
	    "restore from the repository as yourself: bascule -r REPOSITORY "
	    "restore latest:SERVICE/DATASET --to DIRECTORY");
	return e->code;
}

static enum err_code
run_restore(struct client *c, struct wire_value *request, struct err *e)
{
	const struct client_caller *who = client_caller(c);
	bool wait = wire_take_bool(request, "wait", false);
	OWNED(wire_free) struct wire_value *params = NULL;
	char trigger[128];
	struct job_request r = {.kind = &restore_kind,
	    .service = wire_need_text(request, "service"),
	    .dataset = wire_take_text(request, "dataset", NULL),
	    .trigger = trigger,
	    .actor = &who->actor,
	    .once = true};
	const char *on = wire_take_text(request, "on", "");
	const struct policy_host *host = NULL;
	struct job *j = NULL;
	enum err_code rc = wire_new(&params, NULL, e);

	snprintf(trigger, sizeof(trigger), "asked by %s", who->name);
	if (rc == ERR_NONE)
		rc = restores_copy(request, params, e);
	if (rc == ERR_NONE)
		rc = client_asked(request, e);
	if (rc == ERR_NONE)
		rc = find_host(client_daemon(c)->policy, on, &host, e);
	if (rc == ERR_NONE)
		rc = may_write(who, host, e);
	if (rc != ERR_NONE)
		return rc;
	r.params = TAKE(params);
	rc = job_ask(client_daemon(c), &r, &j, e);
	return rc != ERR_NONE ? rc : api_jobs_begin(c, j, wait, e);
}
const struct api_command api_restore = {"restore", CLIENT_OPERATORS,
    run_restore};
