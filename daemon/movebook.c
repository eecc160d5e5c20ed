#include "movebook.h"

#include <inttypes.h>
#include <string.h>

#include <bascule/base/text.h>

#include "peer.h"
#include "words.h"

/* --- from records ------------------------------------------------------------ */

bool
movebook_take_register(struct authority *a, const struct record *r)
{
	char state[32], resumes_to[32];

	*a = (struct authority){0};
	if (!authority_state_find(record_text(r, "state", state, sizeof(state)),
		&a->state))
		return false; /* unknown: of an intent that was interrupted */
	authority_state_find(record_text(r, "resumes_to", resumes_to,
				 sizeof(resumes_to)),
	    &a->resumes_to);
	record_text(r, "active_site", a->site, sizeof(a->site));
	record_text(r, "from_site", a->from_site, sizeof(a->from_site));
	record_text(r, "@run", a->run, sizeof(a->run));
	a->epoch = (uint64_t)record_int(r, "epoch", 0);
	a->highest_seen = (uint64_t)record_int(r, "highest_seen", 0);
	return true;
}

/* A record's texts, which an event borrows. */
struct texts {
	char event[48], verdict[24], reason[JOB_REASON_BYTES];
	char point[MOVE_POINT_BYTES], owner[AUTHORITY_SITE_BYTES];
	char run[AUTHORITY_RUN_BYTES], from[AUTHORITY_SITE_BYTES];
	char to[AUTHORITY_SITE_BYTES], mode[16], service[65];
};

static bool
is_act_done(struct move_event *ev, const struct record *r,
    const struct texts *t)
{
	if (!move_act_find(t->event, &ev->act))
		return false;
	ev->stage = r->phase == RECORD_INTENT ? MOVE_INTENT : MOVE_OUTCOME;
	ev->kind = MOVE_NOTE;
	if (!move_result_find(t->verdict, &ev->result))
		ev->result = MOVE_UNCERTAIN; /* a start closed it */
	return true;
}

static void
take_event(struct move_event *ev, struct texts *t, const struct record *r,
    const char *site)
{
	*ev = (struct move_event){.site = site,
	    .row = r->row,
	    .at = r->at,
	    .reason = record_text(r, "reason", t->reason, sizeof(t->reason)),
	    .point = record_text(r, "point", t->point, sizeof(t->point)),
	    .epoch = (uint64_t)record_int(r, "epoch", 0),
	    .owner = record_text(r, "owner", t->owner, sizeof(t->owner)),
	    .run = record_text(r, "@run", t->run, sizeof(t->run)),
	    .service =
		record_text(r, "@service", t->service, sizeof(t->service)),
	    .from = record_text(r, "from_site", t->from, sizeof(t->from)),
	    .to = record_text(r, "to_site", t->to, sizeof(t->to))};
	/* A move keeps no more of it: what failed, and at the end why. */
	text_elide(t->reason, MOVE_REASON_BYTES - 1);
	record_text(r, "event", t->event, sizeof(t->event));
	record_text(r, "verdict", t->verdict, sizeof(t->verdict));
	record_text(r, "mode", t->mode, sizeof(t->mode));
	ev->mode = strcmp(t->mode, guards_mode_name(GUARDS_UNPLANNED)) == 0
	    ? GUARDS_UNPLANNED
	    : GUARDS_PLANNED;
	if (r->phase != RECORD_EVENT && is_act_done(ev, r, t))
		return;
	ev->stage = MOVE_FACT;
	if (r->phase == RECORD_INTENT || !move_event_find(t->event, &ev->kind))
		ev->kind = MOVE_NOTE;
}

/* --- what there is -------------------------------------------------------------- */

/*
 * What is under way before what is over, the newer before the older: in which
 * order they were read says nothing, for after a start our own come first.
 */
static bool
is_before(const struct movebook_item *i, const struct movebook_item *than)
{
	bool i_is_over = move_is_over(&i->m),
	     than_is_over = move_is_over(&than->m);

	if (i_is_over != than_is_over)
		return than_is_over;
	return i->requested.ns >= than->requested.ns;
}

static size_t
like(const char *service)
{
	uint32_t n = 2166136261u; /* FNV-1a */

	for (; *service != '\0'; service++)
		n = (n ^ (unsigned char)*service) * 16777619u;
	return n % MOVEBOOK_LIKE;
}

struct movebook_item *
movebook_first(const struct movebook *b, const char *service)
{
	struct movebook_item *i = b->like[like(service)];

	while (i != NULL && strcmp(i->m.service, service) != 0)
		i = i->same;
	return i;
}

struct movebook_item *
movebook_next(const struct movebook_item *item)
{
	struct movebook_item *i = item->same;

	while (i != NULL && strcmp(i->m.service, item->m.service) != 0)
		i = i->same;
	return i;
}

static struct movebook_item *
find_run(const struct movebook *b, const char *run)
{
	struct movebook_item *i = b->items;

	while (i != NULL && strcmp(i->m.run, run) != 0)
		i = i->next;
	return i;
}

struct movebook_item *
movebook_find(struct movebook *b, const char *run, const char *service)
{
	struct movebook_item *found = NULL;

	if (service == NULL)
		return find_run(b, run);
	for (struct movebook_item *i = movebook_first(b, service); i != NULL;
	     i = movebook_next(i)) {
		if (run != NULL && strcmp(i->m.run, run) != 0)
			continue;
		if (run != NULL)
			return i;
		if (found == NULL || is_before(i, found))
			found = i;
	}
	return found;
}

const struct movebook_reg *
movebook_register(const struct movebook *b, const char *service,
    const char *site)
{
	for (const struct movebook_reg *r = b->regs[like(service)]; r != NULL;
	     r = r->next)
		if (strcmp(r->service, service) == 0 &&
		    strcmp(r->site, site) == 0)
			return r;
	return NULL;
}

const struct movebook_item *
movebook_binds(const struct movebook *b, const char *service, const char *site,
    const struct movebook_item *but)
{
	for (const struct movebook_item *i = movebook_first(b, service);
	     i != NULL; i = movebook_next(i))
		if (i != but && move_binds(&i->m, site))
			return i;
	return NULL;
}

bool
movebook_newer(const struct movebook *b, const struct movebook_item *item)
{
	for (const struct movebook_item *i = movebook_first(b, item->m.service);
	     i != NULL; i = movebook_next(i))
		if (i != item && i->requested.ns > item->requested.ns &&
		    move_phase(&i->m) != MOVE_REQUESTED)
			return true;
	return false;
}

bool
movebook_is_open(const struct movebook *b)
{
	for (const struct movebook_item *i = b->items; i != NULL; i = i->next)
		if (!move_is_over(&i->m) ||
		    (i->m.b.fact[MOVE_COMMITTED] != 0 &&
			i->m.b.fact[MOVE_REPROTECTED] == 0 &&
			!movebook_newer(b, i)))
			return true;
	return false;
}

unsigned
movebook_attested(const struct movebook_item *item, struct utc now)
{
	return testimony_attested(item->words, item->words_count, now);
}

const struct movebook_release *
movebook_release_of(const struct movebook *b, const char *service)
{
	for (const struct movebook_release *r = b->releases; r != NULL;
	     r = r->next)
		if (strcmp(r->service, service) == 0)
			return r;
	return NULL;
}

unsigned
movebook_released(const struct movebook *b, const char *service,
    const char *owner, struct utc now)
{
	const struct movebook_release *r = movebook_release_of(b, service);

	return r == NULL ? 0
			 : testimony_released(r->words, r->words_count, owner,
			       (struct utc){0}, now);
}

const char *
movebook_release_owner(const struct movebook *b, const char *service,
    struct utc since, struct utc now, unsigned *persons)
{
	const struct movebook_release *r = movebook_release_of(b, service);

	*persons = 0;
	return r == NULL
	    ? NULL
	    : testimony_owner(r->words, r->words_count, since, now, persons);
}

void
movebook_fini(struct movebook *b)
{
	while (b->items != NULL) {
		struct movebook_item *i = b->items;

		b->items = i->next;
		free(i);
	}
	for (size_t i = 0; i < MOVEBOOK_LIKE; i++)
		while (b->regs[i] != NULL) {
			struct movebook_reg *r = b->regs[i];

			b->regs[i] = r->next;
			free(r);
		}
	while (b->releases != NULL) {
		struct movebook_release *r = b->releases;

		b->releases = r->next;
		free(r);
	}
	*b = (struct movebook){0};
}

/* --- one ledger -------------------------------------------------------------------- */

struct reading {
	struct daemon *d;
	struct movebook *b;
	const char *site;
	struct movebook_cursor *at;
	uint64_t lost; /* the first row of a run nobody asked for; 0 */
	bool *changed;
};

/* m->service of an item is what it is found by, and does not change. */
void
movebook_add(struct movebook *b, struct movebook_item *item)
{
	struct movebook_item **at = &b->like[like(item->m.service)];

	while (*at != NULL)
		at = &(*at)->same;
	*at = item;
	if (b->last != NULL)
		b->last->next = item;
	else
		b->items = item;
	b->last = item;
}

void
movebook_add_register(struct movebook *b, struct movebook_reg *reg)
{
	struct movebook_reg **at = &b->regs[like(reg->service)];

	reg->next = *at;
	*at = reg;
}

static void
complain(const struct reading *g, const struct move_event *ev,
    const struct err *why)
{
	note_log(NOTE_WARNING,
	    "run %s, record %" PRIu64 " of site '%s' is passed over: %s",
	    ev->run, ev->row, g->site, why->text);
}

/* Behind the point and its loss; before there were hundreds: of its own. */
static void
take_epoch(const struct record *r, struct move_event *ev, const char *point)
{
	const char *loss = strchr(point, ' ');
	const char *epoch = loss == NULL ? NULL : strchr(loss + 1, ' ');
	char name[96];

	if (epoch != NULL) {
		ev->epoch = strtoull(epoch + 1, NULL, 10);
		return;
	}
	snprintf(name, sizeof(name), "epoch.%s", ev->service);
	ev->epoch = (uint64_t)record_int(r, name, (int64_t)ev->epoch);
}

static enum err_code
begin_item(struct reading *g, const struct record *r, struct move_event *ev,
    struct err *e)
{
	OWNED(free_mem) struct movebook_item *item = NULL;
	char name[96], point[MOVE_POINT_BYTES + 48];
	struct err why;

	if (movebook_find(g->b, ev->run, ev->service) != NULL)
		return ERR_NONE;
	item = calloc(1, sizeof(*item));
	if (item == NULL)
		return err_nomem(e);
	snprintf(name, sizeof(name), "point.%s", ev->service);
	if (record_text(r, name, point, sizeof(point))[0] != '\0')
		ev->point = point;
	take_epoch(r, ev, point);
	point[strcspn(point, " ")] = '\0';
	item->requested = r->at;
	item->expires.ns = record_int(r, "expires_ns", 0);
	record_text(r, "@actor.name", item->requester, sizeof(item->requester));
	record_text(r, "reason", item->reason, sizeof(item->reason));
	record_text(r, "change", item->change, sizeof(item->change));
	if (move_fold(&item->m, ev, &why) == ERR_NONE)
		movebook_add(g->b, TAKE(item));
	else
		complain(g, ev, &why);
	*g->changed = true;
	return ERR_NONE;
}

/* First of all, as it names the sites. */
static enum err_code
take_requested(void *ctx, const struct record *r, struct err *e)
{
	struct reading *g = ctx;
	struct move_event ev;
	struct texts t;
	struct record_text names = {0};
	char word[LEDGER_NAME_BYTES_MAX + 1];
	enum err_code rc = ERR_NONE;

	take_event(&ev, &t, r, g->site);
	if (ev.stage != MOVE_FACT || ev.kind != MOVE_REQUESTED)
		return ERR_NONE;
	record_find(r, "services", &names);
	while (rc == ERR_NONE && names.len_bytes > 0) {
		const char *end = memchr(names.at, ' ', names.len_bytes);
		size_t len =
		    end == NULL ? names.len_bytes : (size_t)(end - names.at);

		ev.service = word;
		if (len > 0 && len < sizeof(word)) {
			memcpy(word, names.at, len);
			word[len] = '\0';
			rc = begin_item(g, r, &ev, e);
		}
		len += end != NULL;
		names.at += len;
		names.len_bytes -= len;
	}
	return rc;
}

static uint32_t
overrides_of(const struct record *r)
{
	char text[512], *word, *rest = text;
	uint32_t bits = 0;

	record_text(r, "overrides", text, sizeof(text));
	while ((word = strsep(&rest, " ,")) != NULL)
		bits |= UINT32_C(1) << guards_find(word);
	record_text(r, "guard", text, sizeof(text));
	bits |= UINT32_C(1) << guards_find(text);
	return bits & ~UINT32_C(1); /* 0: no such guard */
}

static void
take_one(struct reading *g, struct movebook_item *item, const struct record *r,
    struct move_event *ev)
{
	struct err why;
	uint32_t bits;

	if (ev->kind == MOVE_REQUESTED && ev->stage == MOVE_FACT)
		return; /* taken up before */
	*g->changed = true;
	if (move_fold(&item->m, ev, &why) != ERR_NONE) {
		complain(g, ev, &why);
		return;
	}
	if (ev->stage == MOVE_FACT && ev->kind == MOVE_STARTED) {
		item->started = r->at;
		item->glass_broken = record_int(r, "break_glass", 0) == 1;
	}
	bits = overrides_of(r);
	item->overrides |= bits;
	if (strcmp(g->site, g->d->policy->site) == 0)
		item->overridden_here |= bits;
}

static enum err_code
take_failover(void *ctx, const struct record *r, struct err *e)
{
	struct reading *g = ctx;
	struct move_event ev;
	struct texts t;
	struct movebook_item *i;

	(void)e;
	take_event(&ev, &t, r, g->site);
	i = *ev.service == '\0' ? g->b->items
				: movebook_first(g->b, ev.service);
	for (; i != NULL; i = *ev.service == '\0' ? i->next : movebook_next(i))
		if (strcmp(i->m.run, ev.run) == 0)
			take_one(g, i, r, &ev);
	if (g->lost == 0 && find_run(g->b, ev.run) == NULL)
		g->lost = r->row;
	g->at->failover = r->row;
	return ERR_NONE;
}

static enum err_code
take_release(struct reading *g, const struct record *r,
    const struct approvals_word *w, struct err *e)
{
	struct movebook_release *to;
	char service[LEDGER_NAME_BYTES_MAX + 1];

	record_text(r, "@service", service, sizeof(service));
	if (!words_counts(g->d->policy, service, w))
		return ERR_NONE;
	to = (struct movebook_release *)(uintptr_t)movebook_release_of(g->b,
	    service);
	if (to == NULL) {
		to = calloc(1, sizeof(*to));
		if (to == NULL)
			return err_nomem(e);
		snprintf(to->service, sizeof(to->service), "%s", service);
		to->next = g->b->releases;
		g->b->releases = to;
	}
	words_take(to->words, &to->words_count, COUNT_OF(to->words), w);
	*g->changed = true;
	return ERR_NONE;
}

static enum err_code
take_approval(void *ctx, const struct record *r, struct err *e)
{
	struct reading *g = ctx;
	struct approvals_word w;
	char run[AUTHORITY_RUN_BYTES];

	g->at->approval = r->row;
	if (!words_read(g->d->policy, r, g->site, &w))
		return ERR_NONE;
	if (w.verb == APPROVALS_RELEASE)
		return take_release(g, r, &w, e);
	/* what is approved is for request_book.c */
	if (w.verb != APPROVALS_ATTEST && w.verb != APPROVALS_REFUSE)
		return ERR_NONE;
	record_text(r, "@run", run, sizeof(run));
	for (struct movebook_item *i = g->b->items; i != NULL; i = i->next) {
		if (strcmp(i->m.run, run) != 0 ||
		    !words_counts(g->d->policy, i->m.service, &w))
			continue;
		words_take(i->words, &i->words_count, MOVEBOOK_WORDS_MAX, &w);
		*g->changed = true;
	}
	return ERR_NONE;
}

static enum err_code
take_authority(void *ctx, const struct record *r, struct err *e)
{
	struct reading *g = ctx;
	struct movebook_reg *reg;
	struct authority a;
	char service[LEDGER_NAME_BYTES_MAX + 1];

	g->at->authority = r->row;
	record_text(r, "@service", service, sizeof(service));
	if (r->phase == RECORD_INTENT || !movebook_take_register(&a, r))
		return ERR_NONE;
	reg = (struct movebook_reg *)(uintptr_t)movebook_register(g->b, service,
	    g->site);
	if (reg == NULL) {
		reg = calloc(1, sizeof(*reg));
		if (reg == NULL)
			return err_nomem(e);
		snprintf(reg->service, sizeof(reg->service), "%s", service);
		snprintf(reg->site, sizeof(reg->site), "%s", g->site);
		movebook_add_register(g->b, reg);
	}
	reg->a = a;
	reg->at = r->at;
	*g->changed = true;
	return ERR_NONE;
}

/* --- all of them ---------------------------------------------------------------------- */

static struct movebook_cursor *
cursor_of(struct movebook *b, const char *site)
{
	struct movebook_cursor *c;

	for (size_t i = 0; i < b->cursor_count; i++)
		if (strcmp(b->cursors[i].site, site) == 0)
			return &b->cursors[i];
	if (b->cursor_count == COUNT_OF(b->cursors))
		return NULL;
	c = &b->cursors[b->cursor_count++];
	*c = (struct movebook_cursor){0};
	snprintf(c->site, sizeof(c->site), "%s", site);
	return c;
}

static enum err_code
read_ledger(struct daemon *d, struct movebook *b, const char *site,
    struct ledger *l, bool *changed, bool only_requests, struct err *e)
{
	struct reading g = {.d = d,
	    .b = b,
	    .site = site,
	    .at = cursor_of(b, site),
	    .changed = changed};
	struct ledger_filter f = {.type = LEDGER_FAILOVER};
	uint64_t last = 0;
	enum err_code rc;

	if (g.at == NULL)
		return ERR_NONE;
	rc = ledger_last_row(l, &last, e);
	if (rc != ERR_NONE || last == g.at->seen)
		return rc;
	g.site = g.at->site; /* a policy's text may go with the policy */
	f.after_row = g.at->failover;
	if (only_requests)
		return ledger_iterate(l, &f, take_requested, &g, e);
	rc = ledger_iterate(l, &f, take_failover, &g, e);
	if (g.lost != 0) { /* what it answers to may yet come */
		g.at->failover = g.lost - 1;
		b->lost = true;
	}
	f = (struct ledger_filter){.type = LEDGER_APPROVAL,
	    .after_row = g.at->approval};
	if (rc == ERR_NONE)
		rc = ledger_iterate(l, &f, take_approval, &g, e);
	f = (struct ledger_filter){.type = LEDGER_AUTHORITY,
	    .after_row = g.at->authority};
	if (rc == ERR_NONE)
		rc = ledger_iterate(l, &f, take_authority, &g, e);
	if (rc == ERR_NONE && g.lost == 0)
		g.at->seen = last;
	return rc;
}

static enum err_code
read_all(struct daemon *d, struct movebook *b, bool *changed,
    bool only_requests, struct err *e)
{
	enum err_code rc = read_ledger(d, b, d->policy->site, d->ledger,
	    changed, only_requests, e);

	for (struct peer *p = d->peers; rc == ERR_NONE && p != NULL;
	     p = p->next)
		if (p->copy != NULL)
			rc = read_ledger(d, b, p->site->name, p->copy, changed,
			    only_requests, e);
	return rc;
}

/* Whose word counts is the policy's to say: under another all are read again. */
static void
forget_words(struct movebook *b)
{
	for (struct movebook_item *i = b->items; i != NULL; i = i->next)
		i->words_count = 0;
	for (struct movebook_release *r = b->releases; r != NULL; r = r->next)
		r->words_count = 0;
	for (size_t i = 0; i < b->cursor_count; i++)
		b->cursors[i].approval = b->cursors[i].seen = 0;
}

enum err_code
movebook_update(struct daemon *d, struct movebook *b, bool *changed,
    struct err *e)
{
	enum err_code rc;

	*changed = false;
	b->lost = false;
	if (b->policy_number != d->policy_number)
		forget_words(b);
	b->policy_number = d->policy_number;
	rc = read_all(d, b, changed, true, e);
	return rc == ERR_NONE ? read_all(d, b, changed, false, e) : rc;
}
