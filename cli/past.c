/*
 * What was known at an instant: the ledger's records up to it, folded; of the
 * points the daemon does that (`points` as of then).  The RPO is the recorded
 * one, whatever the policy says by now.
 */

#include "past.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/base/text.h>

#define NAME_BYTES  96
#define SITES_BYTES 256

struct past_point {
	char id[TEXT_HEX_BYTES(32)], level[16], sites[SITES_BYTES];
	struct utc at; /* ns 0: there was none */
	bool suspect;
};

struct past_service {
	char name[NAME_BYTES], site[NAME_BYTES], authority[NAME_BYTES];
	char run[NAME_BYTES], mode[NAME_BYTES], state[NAME_BYTES],
	    result[NAME_BYTES];
	char rpo[16];
	uint64_t epoch;
	int64_t rpo_ns, rto_ns, rta_ns, rpa_ns; /* 0: not recorded */
	struct utc since, requested;
	struct past_point newest; /* complete, and here */
};

struct past {
	char here[NAME_BYTES]; /* this site */
	struct past_service *services;
	size_t count;
};

static void
past_fini(struct past *p)
{
	free(p->services);
}

/* --- one record ------------------------------------------------------------ */

static const char *
field_of(struct wire_value *list, const char *name)
{
	for (size_t i = 0; list != NULL && i < wire_count(list); i++) {
		struct wire_value *f = wire_at_object(list, i);

		if (f != NULL &&
		    strcmp(wire_take_text(f, "name", ""), name) == 0)
			return wire_take_text(f, "value", "");
	}
	return NULL;
}

static void
take_text(char *out, size_t size, struct wire_value *list, const char *name)
{
	const char *text = field_of(list, name);

	if (text != NULL)
		snprintf(out, size, "%s", text);
}

static void
take_ns(int64_t *out, struct wire_value *list, const char *name)
{
	const char *text = field_of(list, name);
	uint64_t n;

	if (text != NULL && text_parse_u64(text, INT64_MAX, &n))
		*out = (int64_t)n;
}

static struct past_service *
service_of(struct past *p, const char *name)
{
	struct past_service *more;

	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->services[i].name, name) == 0)
			return &p->services[i];
	more = reallocarray(p->services, p->count + 1, sizeof(*more));
	if (more == NULL)
		return NULL;
	p->services = more;
	more = &more[p->count++];
	memset(more, 0, sizeof(*more));
	snprintf(more->name, sizeof(more->name), "%s", name);
	return more;
}

static void
take_newest(struct past_service *s, struct wire_value *v)
{
	struct past_point *n = &s->newest;

	n->at = wire_take_utc(v, "at", (struct utc){0});
	n->suspect = wire_take_bool(v, "suspect", false);
	snprintf(n->id, sizeof(n->id), "%s", wire_take_text(v, "point", ""));
	snprintf(n->level, sizeof(n->level), "%s",
	    wire_take_text(v, "proof", ""));
	snprintf(n->sites, sizeof(n->sites), "%s",
	    wire_take_text(v, "sites", ""));
}

static void
fold_authority(struct past_service *s, const char *phase,
    struct wire_value *list)
{
	const char *state = field_of(list, "state");
	int64_t epoch = 0;

	if (strcmp(phase, "outcome") != 0 || state == NULL ||
	    strcmp(state, "unknown") == 0)
		return;
	snprintf(s->authority, sizeof(s->authority), "%s", state);
	take_text(s->site, sizeof(s->site), list, "active_site");
	take_ns(&epoch, list, "epoch");
	s->epoch = (uint64_t)epoch;
}

static void
fold_exercise(struct past_service *s, struct utc at, const char *run,
    struct wire_value *list)
{
	if (strcmp(s->run, run) != 0) {
		snprintf(s->run, sizeof(s->run), "%s", run);
		s->requested = at;
		s->rta_ns = s->rpa_ns = s->rto_ns = 0;
		s->mode[0] = s->state[0] = s->result[0] = '\0';
	}
	take_text(s->mode, sizeof(s->mode), list, "mode");
	take_text(s->state, sizeof(s->state), list, "state");
	take_text(s->result, sizeof(s->result), list, "result");
	take_ns(&s->rta_ns, list, "rta_ns");
	take_ns(&s->rto_ns, list, "rto_ns");
	take_ns(&s->rpa_ns, list, "rpa_ns");
}

/* Of a service whose RPO has not been recorded yet, today's stands for it. */
static void
take_target(struct past *p, const char *name, int64_t rpo_ns)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->services[i].name, name) == 0 &&
		    p->services[i].rpo_ns == 0)
			p->services[i].rpo_ns = rpo_ns;
}

static int
fold(struct live *l, const char *type, struct wire_value *v)
{
	struct past *p = l->ctx;
	struct wire_value *list = wire_take_list(v, "fields");
	const char *record = wire_take_text(v, "record", "");
	const char *name = wire_take_text(v, "service", "");
	struct utc at = wire_take_utc(v, "ts", (struct utc){0});
	struct past_service *s;
	struct err e;

	if (strcmp(type, "pong") == 0)
		snprintf(p->here, sizeof(p->here), "%s",
		    wire_take_text(v, "site", ""));
	if (strcmp(type, "service") == 0)
		take_target(p, name, wire_take_seconds(v, "rpo_seconds", 0));
	if ((strcmp(type, "record") != 0 && strcmp(type, "point") != 0) ||
	    *name == '\0')
		return EXITCODE_DONE;
	s = service_of(p, name);
	if (s != NULL && strcmp(type, "point") == 0)
		take_newest(s, v);
	else if (s != NULL && strcmp(record, "authority") == 0)
		fold_authority(s, wire_take_text(v, "phase", ""), list);
	else if (s != NULL && strcmp(record, "exercise") == 0)
		fold_exercise(s, at, wire_take_text(v, "run", ""), list);
	else if (s != NULL) {
		take_text(s->rpo, sizeof(s->rpo), list, "rpo");
		take_ns(&s->rpo_ns, list, "rpo_ns");
		s->since = at;
	}
	if (s != NULL)
		return EXITCODE_DONE;
	err_nomem(&e);
	return cli_fail(l->cli, &e);
}

/* --- the posture ------------------------------------------------------------ */

static const char *
judge(const struct past_service *s, const struct past_point *n,
    struct utc as_of)
{
	if (n == NULL || s->rpo_ns == 0)
		return "UNKNOWN";
	if (as_of.ns - n->at.ns > s->rpo_ns)
		return "BREACHED";
	return strcmp(s->rpo, "AT RISK") == 0 ? "AT RISK" : "OK";
}

static enum err_code
add_point(struct wire_value *v, const struct past_point *n, struct err *e)
{
	OWNED(wire_free) struct wire_value *one = NULL;
	enum err_code rc = wire_new(&one, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(one, "point", n->id);
	wire_add_utc(one, "at", n->at);
	wire_add_text(one, "proof", n->level);
	wire_add_text(one, "sites", n->sites);
	wire_add(v, "last_point", &one);
	return ERR_NONE;
}

static enum err_code
add_exercise(struct wire_value *v, const struct past_service *s, struct err *e)
{
	OWNED(wire_free) struct wire_value *one = NULL;
	enum err_code rc = wire_new(&one, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(one, "run", s->run);
	wire_add_text(one, "mode", s->mode);
	wire_add_text(one, "state", s->state);
	wire_add_text(one, "result", s->result);
	wire_add_utc(one, "requested", s->requested);
	if (s->rta_ns > 0)
		wire_add_seconds(one, "rta_seconds", s->rta_ns);
	if (s->rpa_ns > 0)
		wire_add_seconds(one, "rpa_seconds", s->rpa_ns);
	wire_add(v, "last_exercise", &one);
	return ERR_NONE;
}

static enum err_code
add_problems(struct wire_value *v, const struct past_point *n, const char *rpo,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	if (rc != ERR_NONE)
		return rc;
	if (n == NULL)
		wire_add_text(list, NULL,
		    "there was no complete recovery point here");
	else if (strcmp(rpo, "UNKNOWN") == 0)
		wire_add_text(list, NULL, "its RPO was never recorded");
	else if (strcmp(rpo, "BREACHED") == 0)
		wire_add_text(list, NULL,
		    "the newest point was older than the RPO");
	if (n != NULL && n->suspect)
		wire_add_text(list, NULL, "the newest point was suspect");
	wire_add(v, "problems", &list);
	return ERR_NONE;
}

static enum err_code
to_wire(const struct past *p, const struct past_service *s, struct utc as_of,
    struct wire_value **out, bool *behind, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct past_point *n = s->newest.at.ns != 0 ? &s->newest : NULL;
	const char *rpo = judge(s, n, as_of);
	enum err_code rc = wire_new(&v, "service", e);

	if (rc != ERR_NONE)
		return rc;
	*behind = strcmp(rpo, "BREACHED") == 0 || strcmp(rpo, "UNKNOWN") == 0;
	wire_add_text(v, "service", s->name);
	wire_add_utc(v, "as_of", as_of);
	wire_add_text(v, "seen_from", p->here);
	wire_add_text(v, "active_site", s->site);
	wire_add_text(v, "authority", s->authority);
	wire_add_uint(v, "epoch", s->epoch);
	if (s->rpo_ns > 0)
		wire_add_seconds(v, "rpo_seconds", s->rpo_ns);
	if (s->rto_ns > 0)
		wire_add_seconds(v, "rto_seconds", s->rto_ns);
	wire_add_text(v, "rpo_state", rpo);
	if (s->since.ns != 0)
		wire_add_utc(v, "since", s->since);
	if (n != NULL)
		wire_add_seconds(v, "rpo_now_seconds", as_of.ns - n->at.ns);
	if (n != NULL)
		rc = add_point(v, n, e);
	if (rc == ERR_NONE && s->run[0] != '\0')
		rc = add_exercise(v, s, e);
	if (rc == ERR_NONE)
		rc = add_problems(v, n, rpo, e);
	if (rc == ERR_NONE)
		*out = TAKE(v);
	return rc;
}

/* --- asking ------------------------------------------------------------------ */

static int
ask_one(struct cli *cli, struct past *p, struct wire_value *request)
{
	struct live l = {.cli = cli, .take = fold, .ctx = p};

	return request == NULL ? EXITCODE_FAILED : live_ask(&l, &request);
}

static int
ask_records(struct cli *cli, struct past *p, struct utc as_of,
    const char *service, const char *record)
{
	struct wire_value *request = live_request(cli, "events");

	if (request != NULL) {
		wire_add_text(request, "record", record);
		wire_add_text(request, "service", service);
		/* It ends before. */
		wire_add_utc(request, "until", (struct utc){as_of.ns + 1});
	}
	return ask_one(cli, p, request);
}

static int
ask_newest(struct cli *cli, struct past *p, struct utc as_of,
    const char *service)
{
	struct wire_value *request = live_request(cli, "points");

	if (request != NULL) {
		wire_add_text(request, "service", service);
		wire_add_utc(request, "as_of", as_of);
		wire_add_bool(request, "here", true);
		wire_add_uint(request, "limit", 1);
	}
	return ask_one(cli, p, request);
}

static int
gather(struct cli *cli, struct past *p, struct utc as_of, const char *service)
{
	static const char *const records[] = {"authority", "posture",
	    "exercise"};
	int status = ask_one(cli, p, live_request(cli, "ping"));

	for (size_t i = 0; i < COUNT_OF(records) && status == EXITCODE_DONE;
	     i++)
		status = ask_records(cli, p, as_of, service, records[i]);
	for (size_t i = 0; i < p->count && status == EXITCODE_DONE; i++) {
		char name[NAME_BYTES];

		snprintf(name, sizeof(name), "%s", p->services[i].name);
		status = ask_newest(cli, p, as_of, name);
	}
	return status == EXITCODE_DONE
	    ? ask_one(cli, p, live_request(cli, "services"))
	    : status;
}

int
past_ask(struct live *l, struct utc as_of, const char *service, past_fn *fn)
{
	OWNED(past_fini) struct past p = {0};
	int status = gather(l->cli, &p, as_of, service);
	struct err e;

	if (status == EXITCODE_DONE && p.count == 0) {
		err_set(&e, ERR_NOTFOUND,
		    "nothing was recorded %s%s%s here by then",
		    service != NULL ? "of service '" : "of any service",
		    service != NULL ? service : "", service != NULL ? "'" : "");
		err_hint(&e, "'bascule events --until TIME' shows what was");
		return cli_fail(l->cli, &e);
	}
	for (size_t i = 0; i < p.count && status == EXITCODE_DONE; i++) {
		OWNED(wire_free) struct wire_value *v = NULL;
		bool behind = false;

		if (to_wire(&p, &p.services[i], as_of, &v, &behind, &e) !=
		    ERR_NONE)
			return cli_fail(l->cli, &e);
		status = fn(l, &v, behind);
	}
	return status;
}
