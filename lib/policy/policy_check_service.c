#include <string.h>

#include "policy_check_parts.h"
#include "policy_setting.h"

#define STEPS_MAX    500
#define DATASETS_MAX 1000

static void
check_datacentre(struct policy_check_run *run, const struct policy_service *s,
    const struct policy_check_names *sites, const char *setting,
    const char *name)
{
	const struct policy_site *site = policy_find_site(run->p, name);

	if (!policy_check_name(run, sites, &s->at, setting, name) ||
	    site == NULL)
		return;
	if (site->role == POLICY_WITNESS)
		POLICY_CHECK_SAY(run, P_HOME, &s->at, setting,
		    "'%s' is a witness and holds no services; name a "
		    "datacentre",
		    name);
}

static void
check_copy(struct policy_check_run *run, const struct policy_service *s,
    const char *to)
{
	const struct policy_site *home = policy_find_site(run->p, s->home);
	const struct policy_site *site = policy_find_site(run->p, to);
	const struct policy_at *at = &s->replicate.at;

	if (site == NULL || home == NULL)
		return;
	if (site == home)
		POLICY_CHECK_SAY(run, P_HOME, at, "service.replicate.to",
		    "'%s' is the service's home; name another datacentre", to);
	else if (site->role == POLICY_WITNESS)
		POLICY_CHECK_SAY(run, P_HOME, at, "service.replicate.to",
		    "'%s' is a witness and holds no copies; name a datacentre",
		    to);
	else if (s->replicate.pull &&
	    (site->transport == POLICY_TRANSPORT_SFTP ||
		home->transport == POLICY_TRANSPORT_SFTP))
		POLICY_CHECK_SAY(run, P_HOME, at, "service.replicate.pull",
		    "where a site has only SFTP ('%s' or '%s') nothing can "
		    "fetch or give; take `pull` out, so that it is sent there",
		    to, s->home);
	else if (home->failure_domain[0] != '\0' &&
	    strcmp(site->failure_domain, home->failure_domain) == 0)
		POLICY_CHECK_SAY(run, P_FAILURE_DOMAIN, at,
		    "service.replicate.to",
		    "'%s' and the home '%s' share the failure domain '%s': one "
		    "event takes every copy; copy to another one",
		    to, s->home, home->failure_domain);
}

static bool
is_copied_to(const struct policy_service *s, const char *site)
{
	for (size_t i = 0; i < s->replicate.to.count; i++)
		if (strcmp(s->replicate.to.items[i], site) == 0)
			return true;
	return false;
}

static void
check_standby(struct policy_check_run *run, const struct policy_service *s)
{
	bool moves = s->step_count > 0 || s->exercise_count > 0;

	if (s->standby[0] == '\0') {
		if (moves)
			POLICY_CHECK_SAY(run, P_PLAN_NEEDED, &s->at,
			    "service.standby",
			    "is missing: plans and exercises bring the service "
			    "up there; write standby = \"SITE\"");
		return;
	}
	if (strcmp(s->standby, s->home) == 0)
		POLICY_CHECK_SAY(run, P_HOME, &s->at, "service.standby",
		    "is '%s', like home; name the other datacentre",
		    s->standby);
	else if (moves && !run->is_partial && !is_copied_to(s, s->standby))
		POLICY_CHECK_SAY(run, P_HOME, &s->at, "service.standby",
		    "'%s' gets no copy to come up from; write replicate = { to "
		    "= [ \"%s\" ]; ... }",
		    s->standby, s->standby);
}

/* Each kind is named by one of name and file, and reached by no other. */
static void
check_database(struct policy_check_run *run, const struct policy_database *db)
{
	const struct policy_at *at = &db->at;
	bool is_file = db->kind == POLICY_SQLITE;

	if (is_file != (*db->file != '\0'))
		POLICY_CHECK_SAY(run, P_ONE_OF, at,
		    "service.datasets.database.file", "%s",
		    is_file ? "is missing: write the file of the SQLite "
			      "database"
			    : "is for kind = \"sqlite\"; leave it out");
	if (db->kind == POLICY_POSTGRESQL && *db->name == '\0')
		POLICY_CHECK_SAY(run, P_MISSING, at,
		    "service.datasets.database.name",
		    "is missing: write the database's name, or kind = "
		    "\"postgresql-cluster\" for all of the server");
	if ((is_file || db->kind == POLICY_POSTGRESQL_CLUSTER) &&
	    *db->name != '\0')
		POLICY_CHECK_SAY(run, P_ONE_OF, at,
		    "service.datasets.database.name",
		    "has no meaning for this kind; leave it out");
	if (is_file && (*db->address != '\0' || *db->user != '\0'))
		POLICY_CHECK_SAY(run, P_ONE_OF, at,
		    "service.datasets.database.address",
		    "a file has no server; leave out address, port and user");
}

static void
check_dataset(struct policy_check_run *run, const struct policy_dataset *d)
{
	struct policy_mark tree = policy_setting_mark(&d->at, "tree");

	policy_check_host(run, &d->at, "service.datasets.host", d->host);
	if (d->host[0] != '\0' && tree.written != NULL &&
	    tree.written[0] != '/')
		POLICY_CHECK_SAY(run, P_VALUE, &d->at, "service.datasets.tree",
		    "'%s' is relative, but stands on '%s'; write a path that "
		    "begins with '/'",
		    tree.written, d->host);
	if (*d->tree == '\0' && d->exclude.count > 0)
		POLICY_CHECK_SAY(run, P_ONE_OF, &d->at,
		    "service.datasets.exclude",
		    "has no meaning for a command's output; leave it out");
	if (d->database.at.line != 0)
		check_database(run, &d->database);
}

static void
check_targets(struct policy_check_run *run, const struct policy_service *s)
{
	if (s->mtpd_ns > 0 && s->rto_ns > s->mtpd_ns)
		POLICY_CHECK_SAY(run, P_TARGETS, &s->at, "service.rto",
		    "is longer than mtpd, the longest outage that can be "
		    "tolerated; write a shorter rto or a longer mtpd");
}

static void
check_exercises(struct policy_check_run *run, const struct policy_service *s)
{
	for (size_t i = 0; i < s->exercise_count; i++) {
		const struct policy_exercise *x = &s->exercises[i];

		if (x->kind == POLICY_EXERCISE_TEST && s->step_count == 0)
			POLICY_CHECK_SAY(run, P_PLAN_NEEDED, &x->at,
			    "service.exercises.kind",
			    "a test walks the plan, and '%s' has none; write "
			    "plan = ( ... )",
			    s->name);
		if (x->scenario[0] != '\0' && !run->is_partial &&
		    policy_find_scenario(run->p, x->scenario) == NULL)
			POLICY_CHECK_SAY(run, P_REFERENCE, &x->at,
			    "service.exercises.scenario",
			    "there is no scenario '%s'; name a file under "
			    "scenarios without its .conf",
			    x->scenario);
	}
}

static void
check_fences(struct policy_check_run *run, const struct policy_service *s)
{
	for (size_t i = 0; i < s->fence_count; i++) {
		const struct policy_fence *f = &s->fence[i];

		policy_check_host(run, &f->at, "service.fence.on", f->on);
		if (f->run.count > 0 && f->prove.count == 0)
			POLICY_CHECK_SAY(run, P_MISSING, &f->at,
			    "service.fence.prove",
			    "is missing: a fence is proved by reading back; "
			    "write the command that does");
		if (f->run.count == 0 && f->undo.count > 0)
			POLICY_CHECK_SAY(run, P_ONE_OF, &f->at,
			    "service.fence.undo",
			    "only a command is taken back by one; leave it "
			    "out");
	}
}

static bool
has_keys_of_two_councils(const struct policy *p)
{
	const char *first = "";

	for (size_t i = 0; i < p->person_count; i++) {
		const struct policy_person *o = &p->people[i];

		if (o->key[0] == '\0' || o->council[0] == '\0')
			continue;
		if (*first != '\0' && strcmp(first, o->council) != 0)
			return true;
		first = o->council;
	}
	return false;
}

/* What nobody could approve, or let go, is found out before it is needed. */
static void
check_signed(struct policy_check_run *run, const struct policy_service *s)
{
	const struct policy_approvals *a = &s->approvals;
	unsigned keys = 0, needed = 2;

	if (!a->is_signed || run->is_partial)
		return;
	if (a->planned_count + 1 > needed)
		needed = a->planned_count + 1;
	if (a->unplanned_count + 1 > needed)
		needed = a->unplanned_count + 1;
	for (size_t i = 0; i < run->p->person_count; i++)
		keys += run->p->people[i].key[0] != '\0';
	if (keys < needed)
		POLICY_CHECK_SAY(run, P_SIGNED, &a->at,
		    "service.approvals.signed",
		    "only signed words count, `people` names the keys of %u, "
		    "and %u are needed (who asks for a move of '%s' and who "
		    "approves it; two release a hold); name more ('bascule key "
		    "person FILE' makes one)",
		    keys, needed, s->name);
	else if (a->from_other_council && !has_keys_of_two_councils(run->p))
		POLICY_CHECK_SAY(run, P_SIGNED, &a->at,
		    "service.approvals.signed",
		    "another council's signed word is asked for, and `people` "
		    "names no two councils whose people have a key; write "
		    "`council` beside each key");
}

void
policy_check_service(struct policy_check_run *run,
    const struct policy_service *s, const struct policy_check_names *sites)
{
	check_datacentre(run, s, sites, "service.home", s->home);
	check_datacentre(run, s, sites, "service.standby", s->standby);
	for (size_t i = 0; i < s->replicate.to.count; i++)
		if (policy_check_name(run, sites, &s->replicate.at,
			"service.replicate.to", s->replicate.to.items[i]))
			check_copy(run, s, s->replicate.to.items[i]);
	check_standby(run, s);
	if (s->dataset_count > DATASETS_MAX || s->step_count > STEPS_MAX) {
		POLICY_CHECK_SAY(run, P_VALUE, &s->at, "service.datasets",
		    "more than %d datasets or %d steps in one service; split "
		    "it",
		    DATASETS_MAX, STEPS_MAX);
		return;
	}
	policy_check_twice(run, s->datasets, s->dataset_count,
	    sizeof(s->datasets[0]), offsetof(struct policy_dataset, name),
	    "service.datasets.name");
	for (size_t i = 0; i < s->dataset_count; i++)
		check_dataset(run, &s->datasets[i]);
	policy_check_host(run, &s->quiesce.at, "service.quiesce.on",
	    s->quiesce.host);
	policy_check_host(run, &s->capture.at, "service.capture.on",
	    s->capture.host);
	check_targets(run, s);
	policy_check_plan(run, s);
	policy_check_sites(run, s);
	check_fences(run, s);
	check_signed(run, s);
	check_exercises(run, s);
	policy_check_time(run, s);
}
