/*
 * The runs there are, out of the records of both ledgers (RQ1).  Each ledger's
 * records come in its own order; what a run has come to does not depend on how
 * the two are mixed, but for the newest phase, which is the one of the newest
 * time.
 */

#include "request.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "words.h"

#define BOOK_RUNS_MAX 4096

static void
request_fini(struct request *r)
{
	free(r->services);
	free(r->words);
	free(r->shown);
	free(r->shed);
}

/* Forget all: read from the beginning. */
static void
clear(struct request_book *b)
{
	for (size_t i = 0; i < b->count; i++)
		request_fini(&b->items[i]);
	b->count = 0;
	b->cursor_count = 0;
	b->lost = false;
}

void
request_book_free(struct request_book **bp)
{
	struct request_book *b = *bp;

	if (b == NULL)
		return;
	clear(b);
	request_showing_free(&b->showing);
	free(b->standing);
	free(b->items);
	free(b);
	*bp = NULL;
}

struct request *
request_book_find(const struct request_book *b, const char *run)
{
	struct request *found = NULL;
	size_t len = strlen(run);

	for (size_t i = 0; i < b->count; i++) {
		if (strcmp(b->items[i].run, run) == 0)
			return &b->items[i];
		if (len < 4 || strncmp(b->items[i].run, run, len) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = &b->items[i];
	}
	return found;
}

static struct request *
exactly(const struct request_book *b, const char *run)
{
	/* the newest are asked about most */
	for (size_t i = b->count; i-- > 0;)
		if (strcmp(b->items[i].run, run) == 0)
			return &b->items[i];
	return NULL;
}

static struct request_service *
service_of(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->service_count; i++)
		if (strcmp(r->services[i].name, name) == 0)
			return &r->services[i];
	return NULL;
}

const struct request *
request_book_binds(const struct request_book *b, const char *service,
    const char *run)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct request *r = &b->items[i];
		const struct request_service *s;

		if (!r->started || r->over || strcmp(r->run, run) == 0)
			continue;
		s = service_of(r, service);
		if (s != NULL && !s->over)
			return r;
	}
	return NULL;
}

bool
request_book_chose(const struct request_book *b, const char *service,
    const char *site, const char *point)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct request *r = &b->items[i];
		const struct request_service *s;

		if (r->over || strcmp(r->to, site) != 0)
			continue;
		s = service_of(r, service);
		if (s != NULL && !s->over && strcmp(s->point, point) == 0)
			return true;
	}
	return false;
}

/* --- persons ------------------------------------------------------------------ */

void
request_person(const struct daemon *d, const struct client_caller *who,
    struct approvals_person *out)
{
	*out = (struct approvals_person){.uid = (int64_t)who->uid,
	    .login_uid = who->login_uid,
	    .roles = who->roles};
	snprintf(out->name, sizeof(out->name), "%s", who->name);
	snprintf(out->login_name, sizeof(out->login_name), "%s",
	    who->login_name);
	snprintf(out->site, sizeof(out->site), "%s", d->policy->site);
	snprintf(out->council, sizeof(out->council), "%s", who->council);
}

/* --- requests ------------------------------------------------------------------- */

static struct request *
add_run(struct request_book *b, const char *run, struct err *e)
{
	struct request *r = exactly(b, run);

	if (r != NULL)
		return r;
	if (b->count == BOOK_RUNS_MAX) { /* the oldest is forgotten */
		request_fini(&b->items[0]);
		memmove(b->items, b->items + 1,
		    --b->count * sizeof(b->items[0]));
	}
	if (b->count == b->size) {
		size_t size = b->size == 0 ? 16 : 2 * b->size;
		struct request *more = realloc(b->items, size * sizeof(*more));

		if (more == NULL) {
			err_nomem(e);
			return NULL;
		}
		b->items = more;
		b->size = size;
	}
	r = &b->items[b->count++];
	*r = (struct request){0};
	snprintf(r->run, sizeof(r->run), "%s", run);
	return r;
}

/* "point.SERVICE": "POINT LOSS_NS EPOCH", "-" for none. */
static void
take_point(const struct record *rec, struct request_service *s)
{
	char name[80], text[ID_HEX_BYTES + 48];
	char *blank;

	s->loss_ns = -1;
	snprintf(name, sizeof(name), "point.%s", s->name);
	record_text(rec, name, text, sizeof(text));
	blank = strchr(text, ' ');
	if (blank == NULL)
		return;
	*blank = '\0';
	if (strcmp(text, "-") != 0 && strlen(text) < sizeof(s->point))
		snprintf(s->point, sizeof(s->point), "%.64s", text);
	if (blank[1] != '-' && blank[1] != '\0')
		s->loss_ns = strtoll(blank + 1, NULL, 10);
}

static enum err_code
take_services(struct request *r, const struct record *rec, struct err *e)
{
	struct record_text names;
	size_t at = 0;

	if (r->services != NULL || !record_find(rec, "services", &names))
		return ERR_NONE;
	r->services = calloc(REQUEST_SERVICES_MAX, sizeof(*r->services));
	if (r->services == NULL)
		return err_nomem(e);
	while (
	    at < names.len_bytes && r->service_count < REQUEST_SERVICES_MAX) {
		struct request_service *s = &r->services[r->service_count];
		const char *end =
		    memchr(names.at + at, ' ', names.len_bytes - at);
		size_t len = end == NULL ? names.len_bytes - at
					 : (size_t)(end - names.at) - at;

		if (len > 0 && len < sizeof(s->name)) {
			memcpy(s->name, names.at + at, len);
			take_point(rec, s);
			r->service_count++;
		}
		at += len + 1;
	}
	return ERR_NONE;
}

static enum err_code
take_shed(struct request *r, const struct record *rec, struct err *e)
{
	struct record_text names;

	if (!record_find(rec, "shed", &names))
		return ERR_NONE;
	free(r->shed);
	r->shed = strndup((const char *)names.at, names.len_bytes);
	return r->shed == NULL ? err_nomem(e) : ERR_NONE;
}

/* What is shown, put together again, and its digest. */
static enum err_code
take_shown(struct request *r, const struct record *rec, struct err *e)
{
	OWNED(buf_fini) struct buf all = {0};
	struct record_cursor c = {0};
	struct record_field field;
	enum err_code rc = ERR_NONE;

	record_text(rec, "seen", r->seen, sizeof(r->seen));
	while (rc == ERR_NONE && record_next(rec, &c, &field))
		if (!field.closed && record_text_is(field.name, "shown"))
			rc = buf_add(&all, field.value.at,
			    field.value.len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	free(r->shown);
	r->shown = strdup(buf_text(&all));
	return r->shown == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code
take_requested(struct request_book *b, struct request *r,
    const struct record *rec, const char *site, struct err *e)
{
	char mode[16];
	enum err_code rc;

	record_text(rec, "mode", mode, sizeof(mode));
	r->mode =
	    strcmp(mode, "unplanned") == 0 ? GUARDS_UNPLANNED : GUARDS_PLANNED;
	record_text(rec, "from_site", r->from, sizeof(r->from));
	record_text(rec, "to_site", r->to, sizeof(r->to));
	snprintf(r->asked_at, sizeof(r->asked_at), "%s", site);
	record_text(rec, "reason", r->reason, sizeof(r->reason));
	record_text(rec, "change", r->change, sizeof(r->change));
	record_text(rec, "accepted_loss", r->accepted_loss,
	    sizeof(r->accepted_loss));
	r->at = rec->at;
	r->expires.ns = record_int(rec, "expires_ns", 0);
	words_person(b->d->policy, rec, site, &r->requester);
	rc = take_shown(r, rec, e);
	if (rc == ERR_NONE)
		rc = take_shed(r, rec, e);
	return rc == ERR_NONE ? take_services(r, rec, e) : rc;
}

/* --- how far it came ---------------------------------------------------------------- */

static bool
ends_service(const char *event)
{
	static const char *const ends[] = {"COMMITTED", "REPROTECTED",
	    "ABORTED", "EXPIRED", "WITHDRAWN", "ROLLED_BACK"};

	for (size_t i = 0; i < COUNT_OF(ends); i++)
		if (strcmp(ends[i], event) == 0)
			return true;
	return false;
}

/* Phases are in capitals; everything else is a word, an act or a note. */
static bool
is_phase(const char *event)
{
	return event[0] >= 'A' && event[0] <= 'Z';
}

static void
take_service_phase(struct request *r, struct request_service *s,
    const struct record *rec, const char *event)
{
	if (strcmp(event, "GRANTED") == 0 || strcmp(event, "TAKEN") == 0)
		s->moved = true;
	/* HELD may come after a commit was refused; what ends it stays. */
	if (ends_service(event))
		s->over = true;
	if (rec->at.ns < s->phase_at.ns)
		return;
	snprintf(s->phase, sizeof(s->phase), "%s", event);
	s->phase_at = rec->at;
	(void)r;
}

/* What the site alone says that was asked (M2). */
static bool
is_the_askeds(const char *event)
{
	return strcmp(event, "STARTED") == 0 || strcmp(event, "EXPIRED") == 0 ||
	    strcmp(event, "WITHDRAWN") == 0;
}

static void
take_phase(struct request_book *b, struct request *r, const struct record *rec,
    const char *event, const char *site)
{
	char name[65];
	struct request_service *s;

	if (is_the_askeds(event) && strcmp(site, r->asked_at) != 0)
		return;
	record_text(rec, "@service", name, sizeof(name));
	if (name[0] == '\0')
		for (size_t i = 0; i < r->service_count; i++)
			take_service_phase(r, &r->services[i], rec, event);
	else if ((s = service_of(r, name)) != NULL)
		take_service_phase(r, s, rec, event);
	if (strcmp(event, "STARTED") == 0) {
		r->started = true;
		if (record_int(rec, "break_glass", 0) == 1) {
			r->glass_broken = true;
			r->glass_at = rec->at;
			words_person(b->d->policy, rec, site, &r->glass_by);
		}
	}
	if (rec->at.ns < r->phase_at.ns)
		return;
	snprintf(r->phase, sizeof(r->phase), "%s", event);
	record_text(rec, "reason", r->phase_reason, sizeof(r->phase_reason));
	r->phase_at = rec->at;
}

/* --- words ------------------------------------------------------------------------------ */

static enum err_code
take_word(struct request_book *b, const struct record *rec, const char *site,
    struct err *e)
{
	char run[REQUEST_RUN_BYTES];
	struct approvals_word w;
	struct request *r;

	record_text(rec, "@run", run, sizeof(run));
	r = exactly(b, run);
	if (r == NULL)
		b->lost = true;
	if (r == NULL || !words_read(b->d->policy, rec, site, &w))
		return ERR_NONE;
	if (r->words == NULL) {
		r->words = calloc(APPROVALS_WORDS_MAX, sizeof(*r->words));
		if (r->words == NULL)
			return err_nomem(e);
	}
	words_take(r->words, &r->word_count, APPROVALS_WORDS_MAX, &w);
	return ERR_NONE;
}

/* --- reading ------------------------------------------------------------------------------ */

struct walk {
	struct request_book *book;
	const char *site; /* whose ledger it is */
	bool requests; /* REQUESTED alone: it may stand in the other ledger */
};

/* Only the site that was asked says what is to be approved. */
static enum err_code
take_change(struct request_book *b, const char *run, const struct record *rec,
    const char *site, struct err *e)
{
	struct request *r = exactly(b, run);

	if (r == NULL)
		b->lost = true;
	if (r == NULL || strcmp(site, r->asked_at) != 0)
		return ERR_NONE;
	r->changes++;
	return take_shown(r, rec, e);
}

static enum err_code
take_record(void *ctx, const struct record *rec, struct err *e)
{
	struct walk *w = ctx;
	char run[REQUEST_RUN_BYTES], event[32];
	struct request *r;
	bool is_request;

	if (rec->phase == RECORD_INTENT)
		return ERR_NONE;
	record_text(rec, "@run", run, sizeof(run));
	record_text(rec, "event", event, sizeof(event));
	is_request = strcmp(event, "REQUESTED") == 0;
	if (strcmp(event, "approval-needed") == 0 && !w->requests)
		return take_change(w->book, run, rec, w->site, e);
	if (run[0] == '\0' || !is_phase(event) || is_request != w->requests)
		return ERR_NONE;
	r = is_request ? add_run(w->book, run, e) : exactly(w->book, run);
	if (r == NULL && is_request)
		return e->code;
	if (r == NULL)
		w->book->lost = true;
	else if (!is_request || r->at.ns == 0) {
		enum err_code rc = is_request
		    ? take_requested(w->book, r, rec, w->site, e)
		    : ERR_NONE;

		if (rc != ERR_NONE)
			return rc;
		take_phase(w->book, r, rec, event, w->site);
	}
	return ERR_NONE;
}

static enum err_code
take_word_of(void *ctx, const struct record *rec, struct err *e)
{
	struct walk *w = ctx;

	return take_word(w->book, rec, w->site, e);
}

/* One ledger, from after to up_to. */
struct stretch {
	struct ledger *l;
	const char *site;
	uint64_t after, up_to;
};

static size_t
find_new(struct request_book *b, struct stretch *out, struct err *e)
{
	size_t n = 0;

	out[n++] = (struct stretch){b->d->ledger, b->d->policy->site, 0, 0};
	for (const struct peer *p = b->d->peers;
	     p != NULL && n < REQUEST_LEDGERS_MAX; p = p->next)
		if (p->copy != NULL)
			out[n++] =
			    (struct stretch){p->copy, p->site->name, 0, 0};
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < b->cursor_count; k++)
			if (strcmp(b->cursors[k].site, out[i].site) == 0)
				out[i].after = b->cursors[k].row;
		if (ledger_last_row(out[i].l, &out[i].up_to, e) != ERR_NONE)
			return 0;
	}
	return n;
}

static void
remember(struct request_book *b, const struct stretch *s)
{
	size_t k = 0;

	while (k < b->cursor_count && strcmp(b->cursors[k].site, s->site) != 0)
		k++;
	if (k == REQUEST_LEDGERS_MAX)
		return;
	if (k == b->cursor_count)
		b->cursor_count++;
	snprintf(b->cursors[k].site, sizeof(b->cursors[k].site), "%s", s->site);
	b->cursors[k].row = s->up_to;
}

static enum err_code
read_new(struct request_book *b, const struct stretch *s, size_t count,
    struct err *e)
{
	static const struct {
		const char *type;
		ledger_record_fn *fn;
		bool requests;
	} passes[] = {{LEDGER_FAILOVER, take_record, true},
	    {LEDGER_FAILOVER, take_record, false},
	    {LEDGER_APPROVAL, take_word_of, false}};
	enum err_code rc = ERR_NONE;

	for (size_t p = 0; p < COUNT_OF(passes); p++)
		for (size_t i = 0; rc == ERR_NONE && i < count; i++) {
			struct walk w = {b, s[i].site, passes[p].requests};
			struct ledger_filter f = {.type = passes[p].type,
			    .after_row = s[i].after,
			    .up_to_row = s[i].up_to};

			if (s[i].after < s[i].up_to)
				rc = ledger_iterate(s[i].l, &f, passes[p].fn,
				    &w, e);
		}
	return rc;
}

static int
by_time(const void *a, const void *b)
{
	const struct request *x = a, *y = b;

	return x->at.ns < y->at.ns ? -1 : x->at.ns > y->at.ns;
}

static enum err_code
judge_refusal(const struct request_book *b, struct request *r, struct err *e)
{
	OWNED(free_mem) struct approvals_judgement *j = NULL;
	bool any = false;

	for (size_t i = 0; i < r->word_count; i++)
		any = any || r->words[i].verb == APPROVALS_REFUSE;
	r->refused = false;
	if (!any)
		return ERR_NONE;
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return err_nomem(e);
	request_judge(b->d, r, r->seen, j);
	r->refused = j->refused;
	return ERR_NONE;
}

/* What follows from all records of it together. */
static void
settle(struct request *r)
{
	struct utc now = now_utc();

	if (!r->started && r->expires.ns != 0 && now.ns >= r->expires.ns &&
	    strcmp(r->phase, "REQUESTED") == 0)
		snprintf(r->phase, sizeof(r->phase), "EXPIRED");
	r->over = r->service_count > 0;
	for (size_t i = 0; i < r->service_count; i++)
		r->over = r->over && r->services[i].over;
	r->over = r->over || strcmp(r->phase, "EXPIRED") == 0;
}

static enum err_code
update(struct request_book *b, struct err *e)
{
	struct stretch s[REQUEST_LEDGERS_MAX];
	bool is_new = false;
	size_t count = find_new(b, s, e);
	enum err_code rc;

	if (count == 0)
		return e->code;
	for (size_t i = 0; i < count; i++)
		is_new = is_new || s[i].after != s[i].up_to;
	if (is_new && b->lost) { /* what it was of may have come */
		clear(b);
		count = find_new(b, s, e);
		if (count == 0)
			return e->code;
	}
	rc = read_new(b, s, count, e);
	if (rc != ERR_NONE) {
		clear(b);
		return rc;
	}
	for (size_t i = 0; i < count; i++)
		remember(b, &s[i]);
	for (size_t i = 0; rc == ERR_NONE && is_new && i < b->count; i++)
		rc = judge_refusal(b, &b->items[i], e);
	if (is_new && b->count > 1)
		qsort(b->items, b->count, sizeof(b->items[0]), by_time);
	return rc;
}

enum err_code
request_book_get(struct request_book **out, struct daemon *d, struct err *e)
{
	enum err_code rc;

	*out = NULL;
	if (d->requests == NULL) {
		d->requests = calloc(1, sizeof(*d->requests));
		if (d->requests == NULL)
			return err_nomem(e);
		d->requests->d = d;
	}
	/* Whose word counts is the policy's to say. */
	if (d->requests->policy_number != d->policy_number)
		clear(d->requests);
	d->requests->policy_number = d->policy_number;
	rc = update(d->requests, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "reading the runs there are");
	for (size_t i = 0; i < d->requests->count; i++)
		settle(&d->requests->items[i]);
	*out = d->requests;
	return ERR_NONE;
}
