/* Which move is asked for. */

#include "request_ask.h"

#include <stdlib.h>
#include <string.h>

void
request_ask_free(struct request_ask **ap)
{
	struct request_ask *a = *ap;

	if (a == NULL)
		return;
	for (size_t i = 0; i < COUNT_OF(a->kept); i++)
		free(a->kept[i]);
	request_room_fini(&a->room);
	buf_fini(&a->shed_names);
	free(a->services);
	free(a->wave);
	free(a);
	*ap = NULL;
}

/* --- where to, and how ------------------------------------------------------------ */

static enum err_code
check_site(const struct request_ask *a, struct err *e)
{
	const struct policy_site *s = policy_find_site(a->d->policy, a->to);

	if (s == NULL) {
		err_set(e, ERR_NOTFOUND, "there is no site '%s'", a->to);
		return err_hint(e, "'bascule sites' lists them");
	}
	if (s->role == POLICY_WITNESS)
		return err_set(e, ERR_REFUSED,
		    "site '%s' is the witness: no service runs there, ever",
		    a->to);
	return ERR_NONE;
}

static enum err_code
check_mode(struct request_ask *a, const char *mode, struct err *e)
{
	if (strcmp(mode, "planned") == 0)
		a->mode = GUARDS_PLANNED;
	else if (strcmp(mode, "unplanned") == 0)
		a->mode = GUARDS_UNPLANNED;
	else
		return err_set(e, ERR_INPUT,
		    "'%s' is no mode of a move: planned or unplanned", mode);
	return ERR_NONE;
}

/* What goes into records, and before eyes: a line of plain text. */
static enum err_code
check_text(const char *name, const char *text, struct err *e)
{
	if (text == NULL)
		return ERR_NONE;
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return err_set(e, ERR_INPUT,
			    "the %s holds a control character; it is one line "
			    "of text",
			    name);
	if (!text_is_utf8(text, strlen(text)))
		return err_set(e, ERR_INPUT, "the %s is not UTF-8", name);
	if (strlen(text) >= REQUEST_TEXT_BYTES)
		return err_set(e, ERR_INPUT, "the %s is longer than %d bytes",
		    name, REQUEST_TEXT_BYTES - 1);
	return ERR_NONE;
}

/* --- which services ----------------------------------------------------------------- */

static const char *
site_of(const struct request_ask *a, const struct policy_service *s)
{
	const struct daemon_service *now = daemon_service(a->d, s->name);

	return now == NULL ? "" : now->authority.site;
}

static bool
has_place(const struct policy_service *s, const char *site)
{
	return strcmp(s->home, site) == 0 || strcmp(s->standby, site) == 0;
}

/* Who is shed does not come. */
static enum err_code
add(struct request_ask *a, const struct policy_service *s, struct err *e)
{
	if (request_room_names(a->shed, s->name))
		return ERR_NONE;
	for (size_t i = 0; i < a->count; i++)
		if (a->services[i] == s)
			return err_set(e, ERR_INPUT,
			    "service '%s' is named twice", s->name);
	if (a->count == REQUEST_SERVICES_MAX)
		return err_set(e, ERR_INPUT, "more than %d services in one run",
		    REQUEST_SERVICES_MAX);
	a->services[a->count++] = s;
	return ERR_NONE;
}

static enum err_code
add_named(struct request_ask *a, const char *name, struct err *e)
{
	const struct policy_service *s =
	    policy_find_service(a->d->policy, name);

	if (s == NULL) {
		err_set(e, ERR_NOTFOUND, "there is no service '%s'", name);
		return err_hint(e, "'bascule services' lists them");
	}
	if (!has_place(s, a->to)) {
		err_set(e, ERR_REFUSED,
		    "service '%s' has no place at site '%s'", name, a->to);
		return err_hint(e, "its home is '%s', its standby '%s'",
		    s->home, *s->standby != '\0' ? s->standby : "none");
	}
	if (strcmp(site_of(a, s), a->to) == 0)
		return err_set(e, ERR_EXISTS,
		    "service '%s' runs at '%s' already", name, a->to);
	return add(a, s, e);
}

/* Those of a tier, or all, that run elsewhere and could come. */
static enum err_code
add_all(struct request_ask *a, uint64_t tier, bool every, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < a->d->policy->service_count;
	     i++) {
		const struct policy_service *s = &a->d->policy->services[i];

		if ((every || s->tier == tier) && has_place(s, a->to) &&
		    strcmp(site_of(a, s), a->to) != 0)
			rc = add(a, s, e);
	}
	if (rc == ERR_NONE && a->count == 0)
		rc = err_set(e, ERR_NOTFOUND,
		    "no service of the kind runs elsewhere and has a place at "
		    "'%s'",
		    a->to);
	return rc;
}

/* Who is to have no room, in a person's own words. */
static enum err_code
take_shed(struct request_ask *a, struct wire_value *list, struct err *e)
{
	enum err_code rc = buf_add_text(&a->shed_names, "", e);

	for (size_t i = 0;
	     rc == ERR_NONE && list != NULL && i < wire_count(list); i++) {
		const char *name = wire_at_text(list, i);

		if (policy_find_service(a->d->policy, name) == NULL) {
			err_set(e, ERR_NOTFOUND,
			    "there is no service '%s' to be shed", name);
			return err_hint(e, "'bascule services' lists them");
		}
		rc = buf_printf(&a->shed_names, e, "%s%s", i > 0 ? " " : "",
		    name);
	}
	if (rc == ERR_NONE)
		a->shed = buf_text(&a->shed_names);
	return rc;
}

static enum err_code
choose(struct request_ask *a, struct wire_value *request, struct err *e)
{
	struct wire_value *list = wire_take_list(request, "services");
	bool every = wire_take_bool(request, "all", false);
	bool by_tier = wire_has(request, "tier");
	uint64_t tier = wire_take_uint(request, "tier", 0);
	enum err_code rc = take_shed(a, wire_take_list(request, "shed"), e);

	if (rc != ERR_NONE)
		return rc;
	if ((list != NULL) + every + by_tier != 1)
		return err_set(e, ERR_INPUT,
		    "which services: a list, a tier, or all");
	if (list == NULL)
		return add_all(a, tier, every, e);
	if (wire_count(list) == 0)
		return err_set(e, ERR_INPUT, "no service is named");
	for (size_t i = 0; rc == ERR_NONE && i < wire_count(list); i++)
		rc = add_named(a, wire_at_text(list, i), e);
	if (rc == ERR_NONE && a->count == 0)
		rc = err_set(e, ERR_INPUT,
		    "all that are named are shed: nothing would move");
	return rc;
}

static enum err_code
check_from(struct request_ask *a, struct err *e)
{
	a->from = site_of(a, a->services[0]);
	for (size_t i = 0; i < a->count; i++) {
		const char *from = site_of(a, a->services[i]);

		if (*from == '\0')
			return err_set(e, ERR_REFUSED,
			    "nobody knows at which site service '%s' runs",
			    a->services[i]->name);
		if (strcmp(from, a->from) != 0)
			return err_set(e, ERR_INPUT,
			    "services '%s' and '%s' run at two sites: one run "
			    "leaves one",
			    a->services[0]->name, a->services[i]->name);
	}
	return ERR_NONE;
}

static enum err_code
put_in_order(struct request_ask *a, struct err *e)
{
	OWNED(free_mem) size_t *order = calloc(a->count + 1, sizeof(*order));
	OWNED(free_mem)
	const struct policy_service **as = calloc(a->count + 1, sizeof(*as));
	enum err_code rc;

	a->wave = calloc(a->count + 1, sizeof(*a->wave));
	if (order == NULL || as == NULL || a->wave == NULL)
		return err_nomem(e);
	rc = request_group_order(a->services, a->count, order, a->wave, e);
	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < a->count; i++)
		as[i] = a->services[order[i]];
	memcpy(a->services, as, a->count * sizeof(*as));
	return ERR_NONE;
}

enum err_code
request_ask_read(struct request_ask **out, struct client *c,
    struct wire_value *request, struct err *e)
{
	OWNED(request_ask_free) struct request_ask *a = calloc(1, sizeof(*a));
	enum err_code rc;

	if (a == NULL)
		return err_nomem(e);
	a->d = client_daemon(c);
	a->who = client_caller(c);
	request_person(a->d, a->who, &a->person);
	a->services = calloc(REQUEST_SERVICES_MAX, sizeof(*a->services));
	if (a->services == NULL)
		return err_nomem(e);
	a->to = wire_need_text(request, "to");
	a->point = wire_take_text(request, "point", "");
	a->reason = wire_take_text(request, "reason", "");
	a->change = wire_take_text(request, "change", "");
	a->accepted_loss = wire_take_text(request, "accept_loss", "");
	rc = check_mode(a, wire_take_text(request, "mode", "planned"), e);
	if (rc == ERR_NONE)
		rc = wire_check(request, e);
	if (rc == ERR_NONE)
		rc = check_site(a, e);
	if (rc == ERR_NONE)
		rc = check_text("reason", a->reason, e);
	if (rc == ERR_NONE)
		rc = check_text("change", a->change, e);
	if (rc == ERR_NONE)
		rc = check_text("accepted loss", a->accepted_loss, e);
	if (rc == ERR_NONE)
		rc = choose(a, request, e);
	if (rc == ERR_NONE)
		rc = client_asked(request, e);
	if (rc == ERR_NONE)
		rc = check_from(a, e);
	if (rc == ERR_NONE)
		rc = put_in_order(a, e);
	if (rc == ERR_NONE)
		rc = request_book_get(&a->book, a->d, e);
	if (rc == ERR_NONE)
		*out = TAKE(a);
	return rc;
}

/* --- over several turns of the loop ---------------------------------------------------- */

enum err_code
request_ask_keep(struct request_ask *a, struct err *e)
{
	const char **texts[REQUEST_ASK_TEXTS] = {&a->to, &a->from, &a->point,
	    &a->reason, &a->change, &a->accepted_loss, &a->shed};

	a->policy_number = a->d->policy_number;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		a->kept[i] = strdup(*texts[i]);
		if (a->kept[i] == NULL)
			return err_nomem(e);
		*texts[i] = a->kept[i];
	}
	return ERR_NONE;
}

enum err_code
request_policy_changed(struct err *e)
{
	err_set(e, ERR_BUSY, "the policy was loaded again meanwhile");
	return err_hint(e, "ask once more: services and plans may be others");
}

enum err_code
request_ask_resume(struct request_ask *a, struct err *e)
{
	return a->policy_number == a->d->policy_number
	    ? request_book_get(&a->book, a->d, e)
	    : request_policy_changed(e);
}

/* --- looking ------------------------------------------------------------------------- */

enum err_code
request_ask_look(struct request_ask *a, size_t i, enum guards_phase phase,
    struct err *e)
{
	const struct request_point *p;
	struct facts_of of = {.book = a->book,
	    .service = a->services[i],
	    .from = a->from,
	    .to = a->to,
	    .mode = a->mode,
	    .point = a->count == 1 ? a->point : "",
	    .has_change = *a->change != '\0',
	    .loss_accepted = *a->accepted_loss != '\0',
	    .actor = &a->person,
	    .points = &a->points};
	enum err_code rc = request_points_find(a->d, a->services[i]->name,
	    a->from, a->to, &a->points, e);

	if (rc != ERR_NONE)
		return rc;
	a->chosen = a->points.chosen;
	if (*a->point != '\0') {
		p = request_points_named(&a->points, a->point);
		if (p == NULL)
			return err_set(e, ERR_NOTFOUND,
			    "service '%s' has no recovery point '%s' at '%s', "
			    "or more than one",
			    a->services[i]->name, a->point, a->to);
		a->chosen = (size_t)(p - a->points.items);
	}
	rc = facts_gather(a->d, &of, &a->facts, e);
	if (rc == ERR_NONE)
		guards_evaluate(&a->facts, a->mode, phase, a->results);
	return rc;
}
