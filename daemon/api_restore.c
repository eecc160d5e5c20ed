/* restore: a dataset, or all of a service, into a directory of this machine. */

#include "client.h"

#include <unistd.h>

/*
 * The worker writes as the daemon's user.  Where that is root, who may ask for
 * it could write anything anywhere: that is for those who could anyway.
 */
static enum err_code
may_write(const struct client_caller *who, struct err *e)
{
	if (geteuid() != 0 || who->uid == 0 ||
	    (who->roles & CLIENT_ADMINS) != 0)
		return ERR_NONE;
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
	struct job *j = NULL;
	enum err_code rc = wire_new(&params, NULL, e);

	snprintf(trigger, sizeof(trigger), "asked by %s", who->name);
	if (rc == ERR_NONE)
		rc = restores_copy(request, params, e);
	if (rc == ERR_NONE)
		rc = client_asked(request, e);
	if (rc == ERR_NONE)
		rc = may_write(who, e);
	if (rc != ERR_NONE)
		return rc;
	r.params = TAKE(params);
	rc = job_ask(client_daemon(c), &r, &j, e);
	return rc != ERR_NONE ? rc : api_jobs_begin(c, j, wait, e);
}
const struct api_command api_restore = {"restore", CLIENT_OPERATORS,
    run_restore};
