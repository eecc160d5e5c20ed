/* The recovery points a move could go back to, and what each would lose. */

#include "request.h"

#include <inttypes.h>
#include <string.h>

#include "peer.h"
#include "transactions.h"

/* --- finding them ----------------------------------------------------------------- */

struct finding {
	const struct policy_service *service;
	struct request_points *out;
};

static void
add_tag(struct request_point *p, const char *tag)
{
	size_t len = strlen(p->tags);

	snprintf(p->tags + len, sizeof(p->tags) - len, "%s%s",
	    len > 0 ? " " : "", tag);
}

/* "DATASET SNAPSHOT" a line: the names, and whether one of the policy's lacks. */
static void
take_datasets(struct request_point *p, const struct policy_service *s,
    const char *lines)
{
	size_t found = 0, len = 0;

	p->datasets[0] = '\0';
	while (*lines != '\0') {
		size_t line = strcspn(lines, "\n"), name = line;

		while (name > 0 && lines[name] != ' ')
			name--;
		if (len + name + 2 < sizeof(p->datasets))
			len += (size_t)snprintf(p->datasets + len,
			    sizeof(p->datasets) - len, "%s%.*s",
			    len > 0 ? " " : "", (int)name, lines);
		for (size_t i = 0; i < s->dataset_count; i++)
			found += strlen(s->datasets[i].name) == name &&
			    strncmp(s->datasets[i].name, lines, name) == 0;
		lines += line + (lines[line] == '\n');
	}
	p->lacks_dataset = found < s->dataset_count;
}

static void
take_proof(struct request_point *p, const struct ledger_point *from)
{
	if (from->verified_level[0] != '\0' &&
	    strcmp(from->verified_level, p->proof) > 0) {
		snprintf(p->proof, sizeof(p->proof), "%s",
		    from->verified_level);
		p->verified_at = from->verified_at;
	}
	if (from->tested_run[0] != '\0' && p->tested_run[0] == '\0') {
		snprintf(p->tested_run, sizeof(p->tested_run), "%s",
		    from->tested_run);
		p->tested_at = from->tested_at;
	}
	p->suspect = p->suspect || from->suspect;
	p->held = p->held || from->held;
}

static enum err_code
take_point(void *ctx, const struct ledger_point *from, struct err *e)
{
	struct finding *f = ctx;
	struct request_points *ps = f->out;
	struct request_point *p = NULL;

	(void)e;
	for (size_t i = 0; i < ps->count; i++)
		if (strcmp(ps->items[i].id, from->id) == 0)
			p = &ps->items[i];
	if (p == NULL) {
		if (ps->count == REQUEST_POINTS_MAX)
			return ERR_NONE;
		p = &ps->items[ps->count++];
		*p = (struct request_point){.at = from->at,
		    .loss_bytes = -1,
		    .loss_count = -1};
		snprintf(p->id, sizeof(p->id), "%s", from->id);
		snprintf(p->proof, sizeof(p->proof), "L2");
		p->complete = from->complete;
		take_datasets(p, f->service, from->snapshots);
	}
	take_proof(p, from);
	return ERR_NONE;
}

static int
newest_first(const void *a, const void *b)
{
	const struct request_point *x = a, *y = b;

	return x->at.ns > y->at.ns ? -1 : x->at.ns < y->at.ns;
}

static void
tag(struct request_point *p)
{
	char text[JOB_ID_BYTES + 16];

	if (p->complete && !p->lacks_dataset)
		add_tag(p, "complete");
	else
		add_tag(p, "INCOMPLETE");
	if (p->held)
		add_tag(p, "held");
	if (p->tested_run[0] != '\0') {
		snprintf(text, sizeof(text), "tested:%.40s", p->tested_run);
		add_tag(p, text);
	}
}

static bool
may_be_chosen(const struct request_point *p)
{
	return p->complete && !p->lacks_dataset && !p->suspect;
}

/* --- what each loses --------------------------------------------------------------- */

struct since {
	int64_t at_ns, bytes;
	struct request_points *ps;
	bool any;
};

/* What a backup has stored is lost with every point that is older. */
static enum err_code
take_backup(void *ctx, const struct ledger_job *j, struct err *e)
{
	struct since *s = ctx;

	(void)e;
	if (strcmp(j->kind, "backup") != 0 || j->new_bytes < 0 ||
	    j->started.ns == 0)
		return ERR_NONE;
	s->any = true;
	for (size_t i = 0; i < s->ps->count; i++) {
		struct request_point *p = &s->ps->items[i];

		if (p->loss_bytes < 0)
			p->loss_bytes = 0;
		if (j->started.ns > p->at.ns)
			p->loss_bytes += j->new_bytes;
	}
	return ERR_NONE;
}

static void
say_loss(struct request_point *p, const struct request_points *ps)
{
	char span[TEXT_UNIT_BYTES], size[TEXT_UNIT_BYTES], bytes[64] = "";

	text_duration(p->loss_ns / NS_PER_S * NS_PER_S, span);
	if (p->loss_bytes >= 0)
		snprintf(bytes, sizeof(bytes), "%s in backups since",
		    text_size((uint64_t)p->loss_bytes, size));
	else
		snprintf(bytes, sizeof(bytes), "bytes unknown");
	if (p->loss_count >= 0)
		snprintf(p->loss, sizeof(p->loss),
		    "%s%s; %s, later writes unknown; at least %" PRId64
		    " transactions",
		    ps->is_estimate ? "at most " : "", span, bytes,
		    p->loss_count);
	else
		snprintf(p->loss, sizeof(p->loss),
		    "%s%s; %s, later writes unknown; transactions unknown",
		    ps->is_estimate ? "at most " : "", span, bytes);
}

static enum err_code
count_loss(struct daemon *d, const char *service, const char *from,
    struct request_points *ps, struct err *e)
{
	struct since s = {.ps = ps};
	struct ledger_job_filter f = {.service = service,
	    .state = "succeeded",
	    .limit = 500};
	OWNED(free_mem) struct transactions *tx = calloc(1, sizeof(*tx));
	struct ledger *l = NULL;
	struct err why;
	enum err_code rc = ERR_NONE;

	if (peer_ledger(d, from, &l, &why) == ERR_NONE)
		rc = ledger_jobs(l, &f, take_backup, &s, e);
	if (rc == ERR_NONE && tx == NULL)
		rc = err_nomem(e);
	if (rc == ERR_NONE)
		rc = transactions_read(d, service, from, tx, e);
	for (size_t i = 0; rc == ERR_NONE && i < ps->count; i++) {
		ps->items[i].loss_count =
		    transactions_between(tx, ps->items[i].id, NULL);
		ps->items[i].loss_ns = ps->last_write.ns - ps->items[i].at.ns;
		if (ps->items[i].loss_ns < 0)
			ps->items[i].loss_ns = 0;
		say_loss(&ps->items[i], ps);
	}
	return rc;
}

/* --- both ---------------------------------------------------------------------------- */

static enum err_code
read_from(struct daemon *d, const char *of_site, struct finding *f,
    const char *at_site, struct err *e)
{
	struct ledger_point_filter filter = {.service = f->service->name,
	    .at_site = at_site,
	    .limit = REQUEST_POINTS_MAX};
	struct ledger *l = NULL;
	struct err why;

	if (peer_ledger(d, of_site, &l, &why) != ERR_NONE)
		return ERR_NONE;
	return ledger_points(l, &filter, take_point, f, e);
}

enum err_code
request_points_find(struct daemon *d, const char *service, const char *from,
    const char *site, struct request_points *out, struct err *e)
{
	const struct policy_service *s =
	    policy_find_service(d->policy, service);
	struct finding f = {s, out};
	enum err_code rc;

	*out = (struct request_points){.last_write = now_utc(),
	    .is_estimate = strcmp(from, d->policy->site) != 0};
	if (s == NULL)
		return err_set(e, ERR_NOTFOUND, "there is no service '%s'",
		    service);
	rc = read_from(d, NULL, &f, site, e);
	for (const struct peer *p = d->peers; rc == ERR_NONE && p != NULL;
	     p = p->next)
		rc = read_from(d, p->site->name, &f, site, e);
	if (rc != ERR_NONE)
		return rc;
	if (out->count > 1)
		qsort(out->items, out->count, sizeof(out->items[0]),
		    newest_first);
	for (size_t i = 0; i < out->count; i++)
		tag(&out->items[i]);
	out->chosen = out->count;
	for (size_t i = out->count; i-- > 0;)
		if (may_be_chosen(&out->items[i]))
			out->chosen = i;
	return count_loss(d, service, from, out, e);
}

const struct request_point *
request_points_named(const struct request_points *ps, const char *id)
{
	const struct request_point *found = NULL;
	size_t len = strlen(id);

	if (len < 4)
		return NULL;
	for (size_t i = 0; i < ps->count; i++) {
		if (strncmp(ps->items[i].id, id, len) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = &ps->items[i];
	}
	return found;
}
