#include "diverge.h"

#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>

#include "receipts.h"

/* --- where it stands --------------------------------------------------------- */

static bool
is_of_series(const struct snapshot *other, const struct snapshot *s)
{
	return strcmp(other->dataset, s->dataset) == 0 &&
	    (other->flags & SNAPSHOT_CHECKPOINT) == 0;
}

static int
compare_numbers(const struct snapshot *a, const struct snapshot *b)
{
	if (a->epoch != b->epoch)
		return a->epoch < b->epoch ? -1 : 1;
	return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static bool
is_at_odds(const struct snapshot *s, const struct snapshot *other,
    bool *backwards)
{
	const int order = compare_numbers(s, other);

	*backwards = false;
	if (id_equal(&s->id, &other->id) || order > 0)
		return false;
	*backwards = order < 0 && s->started.ns > other->started.ns;
	return order == 0 || *backwards ||
	    (s->epoch == other->epoch &&
		id_equal(&s->predecessor, &other->predecessor));
}

static const struct snapshot *
find(const struct snapshot_list *list, const struct id *id)
{
	for (size_t i = 0; i < list->count; i++)
		if (id_equal(&list->snapshots[i].id, id))
			return &list->snapshots[i];
	return NULL;
}

/*
 * What it follows, if that is here; else the newest that is older by number
 * than both.
 */
static const struct snapshot *
find_common(const struct snapshot_list *list, const struct snapshot *s,
    const struct snapshot *here)
{
	const struct snapshot *best = find(list, &s->predecessor);

	for (size_t i = 0; best == NULL && i < list->count; i++) {
		const struct snapshot *other =
		    &list->snapshots[list->count - 1 - i];

		if (is_of_series(other, s) && compare_numbers(other, s) < 0 &&
		    compare_numbers(other, here) < 0)
			best = other;
	}
	return best;
}

bool
diverge_find(struct diverge *out, const struct snapshot *s,
    const struct snapshot_list *list)
{
	*out = (struct diverge){.arriving = s};
	if (find(list, &s->id) != NULL)
		return false; /* it came before */
	for (size_t i = 0; i < list->count; i++) {
		const struct snapshot *other = &list->snapshots[i];
		bool backwards;

		if (!is_of_series(other, s))
			continue;
		out->newest = other;
		/* The first it is at odds with is where they part. */
		if (is_at_odds(s, other, &backwards) && out->here == NULL) {
			out->here = other;
			out->backwards = backwards;
		}
	}
	if (out->here == NULL)
		return false;
	out->common = find_common(list, s, out->here);
	return true;
}

/* --- saying so ------------------------------------------------------------------ */

#define ONE_BYTES 96

/* "snapshot 0123456789ab (number 7, begun 2026-11-22T10:00:00Z)" */
static const char *
one(const struct snapshot *s, char out[ONE_BYTES])
{
	char hex[ID_HEX_BYTES], when[NOW_TEXT_BYTES];

	snprintf(out, ONE_BYTES, "%.12s (number %llu, begun %.19sZ)",
	    id_hex(&s->id, hex), (unsigned long long)s->sequence,
	    now_text(s->started, when));
	return out;
}

enum err_code
diverge_refuse(const struct diverge *d, struct err *e)
{
	char arriving[ONE_BYTES], here[ONE_BYTES], common[ONE_BYTES];
	char hex[ID_HEX_BYTES];

	if (d->common != NULL)
		one(d->common, common);
	else
		snprintf(common, sizeof(common), "none that is here");
	err_set(e, ERR_REFUSED,
	    "%s of %s/%.200s: %s arrives, and %s is here; the last that both "
	    "have is %s",
	    d->backwards ? "the source went backwards"
			 : "the series went two ways",
	    d->arriving->service, d->arriving->dataset,
	    one(d->arriving, arriving), one(d->here, here), common);
	return err_hint(e,
	    "what is here stays.  A person has to see which is right: to take "
	    "the other as well, here: bascule -r REPOSITORY store accept %s",
	    id_hex(&d->arriving->id, hex));
}

static const char *
label_of(const struct snapshot *s, char out[HOLD_LABEL_BYTES])
{
	snprintf(out, HOLD_LABEL_BYTES, "%.*s", HOLD_LABEL_BYTES - 1,
	    s->dataset);
	return out;
}

enum err_code
diverge_hold(struct store *st, const struct diverge *d, const char *text,
    struct err *e)
{
	struct hold h = {.why = HOLD_DIVERGED};
	enum err_code rc;

	snprintf(h.service, sizeof(h.service), "%s", d->arriving->service);
	label_of(d->arriving, h.label);
	snprintf(h.reason, sizeof(h.reason), "%s", text);
	text_first_line(h.reason);
	if (d->common != NULL)
		h.snapshots[h.snapshots_count++] = d->common->id;
	if (d->newest != NULL && d->newest != d->common)
		h.snapshots[h.snapshots_count++] = d->newest->id;
	rc = hold_move(st, &h, e);
	/* One that goes meanwhile was not wanted. */
	return rc == ERR_NOTFOUND ? ERR_NONE : rc;
}

enum err_code
diverge_is_open(struct store *st, const struct snapshot *s,
    const struct snapshot_list *list, struct err *e)
{
	OWNED(hold_list_fini) struct hold_list holds = {0};
	const struct snapshot *newest = NULL;
	char label[HOLD_LABEL_BYTES], hex[ID_HEX_BYTES];
	enum err_code rc = hold_list(&holds, st, e);

	for (size_t i = 0; i < list->count; i++)
		if (is_of_series(&list->snapshots[i], s))
			newest = &list->snapshots[i];
	if (rc != ERR_NONE || newest == NULL ||
	    id_equal(&s->predecessor, &newest->id) ||
	    compare_numbers(s, newest) <= 0)
		return rc;
	for (size_t i = 0; i < holds.count; i++) {
		const struct hold *h = &holds.holds[i];

		if (h->why != HOLD_DIVERGED ||
		    strcmp(h->service, s->service) != 0 ||
		    strcmp(h->label, label_of(s, label)) != 0)
			continue;
		err_set(e, ERR_REFUSED,
		    "it does not follow the newest that is here, and %s",
		    h->reason);
		return err_hint(e,
		    "when a person has seen which is right: bascule -r "
		    "REPOSITORY store release %.12s",
		    id_hex(&h->id, hex));
	}
	return ERR_NONE;
}
