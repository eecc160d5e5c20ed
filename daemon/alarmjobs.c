/*
 * What the end of a job says about alarms.  A job that failed raises one, the
 * next of its sort that succeeds ends it.  Damage is ended by nothing less than
 * a whole reading of the repository: a sample that is clean, or another point,
 * proves nothing about what was found.
 */

#include "daemon.h"

#include <string.h>

#include <bascule/base/exitcode.h>

#define TEXT_BYTES (JOB_REASON_BYTES + 128)

static void
raise_one(const struct job *j, enum policy_alert_on on, enum alarm_level level)
{
	char text[TEXT_BYTES];
	bool is_of_site = on == POLICY_ON_DAMAGE || on == POLICY_ON_SPACE;
	struct alarm_what what = {.on = on,
	    .level = level,
	    .service = is_of_site ? NULL : j->service,
	    .subject = is_of_site ? j->d->policy->site : j->site,
	    .text = text};

	snprintf(text, sizeof(text), "%s %s %s: %s", j->kind->name, j->id,
	    job_state_name(j->state), j->reason);
	alarm_raise(j->d, &what);
}

static void
clear_one(const struct job *j, enum policy_alert_on on)
{
	char text[TEXT_BYTES];
	bool is_of_site = on == POLICY_ON_DAMAGE || on == POLICY_ON_SPACE;

	snprintf(text, sizeof(text), "%s %s succeeded", j->kind->name, j->id);
	alarm_clear(j->d, on, is_of_site ? NULL : j->service,
	    is_of_site ? j->d->policy->site : j->site, text);
}

/* Was everything read? */
static bool
read_all(const struct job *j)
{
	const struct policy_service *s =
	    policy_find_service(j->d->policy, j->service);
	uint64_t index;

	if (j->params == NULL)
		return true;
	if (strcmp(wire_take_text(j->params, "how", "reread"), "reread") != 0)
		return false;
	index = wire_take_uint(j->params, "index", UINT64_MAX);
	return s == NULL || index >= s->verify_count ||
	    s->verify[index].sample_millipercent >= 100000;
}

static void
failed(const struct job *j)
{
	if (j->exit_status == EXITCODE_DAMAGE) {
		raise_one(j, POLICY_ON_DAMAGE, ALARM_CRITICAL);
		return;
	}
	if (j->exit_status == EXITCODE_NO_SPACE) {
		raise_one(j, POLICY_ON_SPACE, ALARM_CRITICAL);
		return;
	}
	switch (j->kind->schedule) {
	case SCHEDULE_BACKUP:
		raise_one(j, POLICY_ON_BACKUP, ALARM_WARNING);
		break;
	case SCHEDULE_REPLICATE:
		raise_one(j, POLICY_ON_REPLICATE, ALARM_WARNING);
		break;
	case SCHEDULE_VERIFY:
		raise_one(j, POLICY_ON_VERIFY, ALARM_WARNING);
		break;
	case SCHEDULE_PRUNE: raise_one(j, POLICY_ON_SPACE, ALARM_NOTICE); break;
	default: break; /* an exercise raises its own; surveys show in status */
	}
}

static void
succeeded(const struct job *j)
{
	switch (j->kind->schedule) {
	case SCHEDULE_BACKUP:
		clear_one(j, POLICY_ON_BACKUP);
		clear_one(j, POLICY_ON_SPACE); /* there was room */
		break;
	case SCHEDULE_REPLICATE: clear_one(j, POLICY_ON_REPLICATE); break;
	case SCHEDULE_VERIFY:
		clear_one(j, POLICY_ON_VERIFY);
		if (read_all(j))
			clear_one(j, POLICY_ON_DAMAGE);
		break;
	case SCHEDULE_PRUNE: clear_one(j, POLICY_ON_SPACE); break;
	/* It has read every byte, and all is as it should be. */
	case SCHEDULE_HEAL: clear_one(j, POLICY_ON_DAMAGE); break;
	default: break;
	}
}

void
alarmjobs_ended(const struct job *j)
{
	if (j->kind->schedule == SCHEDULE_EXERCISE)
		return;
	if (j->state == JOB_FAILED || j->state == JOB_PARTIAL)
		failed(j);
	else if (j->state == JOB_SUCCEEDED)
		succeeded(j);
}
