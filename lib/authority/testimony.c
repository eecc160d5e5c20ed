/*
 * What people say of a move, in an order that all sites agree on, and what its
 * records prove.  The daemon and the simulation judge by the same.
 */

#include <bascule/authority.h>

#include <string.h>

#include "scene.h"

/* --- the order -------------------------------------------------------------------- */

static bool
is_of_ledger(const struct approvals_word *a, const struct approvals_word *b)
{
	return a->row != 0 && b->row != 0 &&
	    strcmp(a->who.site, b->who.site) == 0;
}

/* The same account says the same again. */
static bool
is_again(const struct approvals_word *a, const struct approvals_word *b)
{
	return a->verb == b->verb && is_of_ledger(a, b) &&
	    a->who.uid == b->who.uid && a->who.login_uid == b->who.login_uid &&
	    strcmp(a->who.name, b->who.name) == 0 &&
	    strcmp(a->who.key, b->who.key) == 0 &&
	    strcmp(a->seen, b->seen) == 0 && strcmp(a->reason, b->reason) == 0;
}

/* Both are signed, v2, by one key. */
static bool
is_of_key(const struct approvals_word *a, const struct approvals_word *b)
{
	return a->said.ns != 0 && b->said.ns != 0 &&
	    strcmp(a->who.key, b->who.key) == 0;
}

/* ... and the very same word, recorded twice. */
static bool
is_the_same(const struct approvals_word *a, const struct approvals_word *b)
{
	return is_of_key(a, b) && a->said.ns == b->said.ns;
}

/* Of two that say the same of one account. */
static bool
is_newer(const struct approvals_word *a, const struct approvals_word *b)
{
	return is_of_key(a, b) ? a->said.ns > b->said.ns : a->row > b->row;
}

static bool
is_before(const struct approvals_word *a, const struct approvals_word *b)
{
	int by_site = strcmp(a->who.site, b->who.site);

	if (a->at.ns != b->at.ns)
		return a->at.ns < b->at.ns;
	return by_site != 0 ? by_site < 0 : a->row < b->row;
}

static void
drop(struct approvals_word *words, size_t *count, size_t at)
{
	memmove(&words[at], &words[at + 1], (--*count - at) * sizeof(words[0]));
}

/* T2, both ways: what comes, and what is there. */
static void
mend_times(struct approvals_word *words, size_t count,
    struct approvals_word *word)
{
	for (size_t i = 0; i < count; i++)
		if (is_of_ledger(&words[i], word) && words[i].row > word->row &&
		    words[i].at.ns < word->at.ns)
			word->at = words[i].at;
	for (size_t i = 0; i < count; i++)
		if (is_of_ledger(&words[i], word) && words[i].row < word->row &&
		    words[i].at.ns > word->at.ns)
			words[i].at = word->at;
}

static void
put(struct approvals_word *words, size_t *count,
    const struct approvals_word *word)
{
	size_t at = *count;

	while (at > 0 && is_before(word, &words[at - 1]))
		at--;
	memmove(&words[at + 1], &words[at], (*count - at) * sizeof(words[0]));
	words[at] = *word;
	++*count;
}

bool
testimony_is_stale(const struct approvals_word *words, size_t count,
    const struct approvals_word *word)
{
	for (size_t i = 0; i < count; i++)
		if (is_of_key(&words[i], word) &&
		    words[i].said.ns >= word->said.ns &&
		    is_before(&words[i], word))
			return true;
	return false;
}

/* T4, wherever the new one has come to stand. */
static void
drop_stale(struct approvals_word *words, size_t *count)
{
	for (size_t i = *count; i-- > 0;)
		if (testimony_is_stale(words, i, &words[i]))
			drop(words, count, i);
}

/* Times were mended in it: few are out of place. */
static void
sort(struct approvals_word *words, size_t count)
{
	struct approvals_word w;

	for (size_t i = 1; i < count; i++) {
		size_t sorted = i;

		if (!is_before(&words[i], &words[i - 1]))
			continue;
		w = words[i];
		put(words, &sorted, &w);
	}
}

void
testimony_take(struct approvals_word *words, size_t *count, size_t max,
    const struct approvals_word *word)
{
	struct approvals_word w = *word;

	for (size_t i = 0; i < *count; i++) {
		if (!is_again(&words[i], &w) || is_the_same(&words[i], &w))
			continue; /* T4: which of two stands, its place says */
		if (!is_newer(&w, &words[i]))
			return;
		drop(words, count, i);
		break;
	}
	mend_times(words, *count, &w);
	sort(words, *count);
	if (max == 0 || (*count == max && is_before(&w, &words[0])) ||
	    testimony_is_stale(words, *count, &w))
		return;
	if (*count == max)
		drop(words, count, 0);
	put(words, count, &w);
	drop_stale(words, count);
}

/* --- what they say ------------------------------------------------------------------ */

static bool
is_about_now(const struct approvals_word *w, struct utc now)
{
	int64_t off = w->at.ns > now.ns ? w->at.ns - now.ns : now.ns - w->at.ns;

	return off <= TESTIMONY_WITHIN_NS;
}

/* Those that count, one after another. */
static size_t
pick(const struct approvals_word *words, size_t count, enum approvals_verb verb,
    struct utc since, struct utc now,
    struct approvals_word out[APPROVALS_WORDS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < count && n < APPROVALS_WORDS_MAX; i++)
		if (words[i].verb == verb && words[i].at.ns >= since.ns &&
		    is_about_now(&words[i], now))
			out[n++] = words[i];
	return n;
}

unsigned
testimony_attested(const struct approvals_word *words, size_t count,
    struct utc now)
{
	struct approvals_word those[APPROVALS_WORDS_MAX];
	size_t n = pick(words, count, APPROVALS_ATTEST, (struct utc){INT64_MIN},
	    now, those);
	unsigned most = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned persons = approvals_persons(those, n, APPROVALS_ATTEST,
		    those[i].reason, 0, NULL);

		if (persons > most)
			most = persons;
	}
	return most;
}

const char *
testimony_owner(const struct approvals_word *words, size_t count,
    struct utc since, struct utc now, unsigned *persons)
{
	const char *owner = NULL;

	for (size_t i = 0; i < count; i++)
		if (words[i].verb == APPROVALS_RELEASE &&
		    words[i].at.ns >= since.ns && is_about_now(&words[i], now))
			owner = words[i].reason;
	if (persons != NULL)
		*persons = testimony_released(words, count, owner, since, now);
	return owner;
}

unsigned
testimony_released(const struct approvals_word *words, size_t count,
    const char *owner, struct utc since, struct utc now)
{
	struct approvals_word those[APPROVALS_WORDS_MAX];
	size_t n;

	if (owner == NULL)
		return 0;
	n = pick(words, count, APPROVALS_RELEASE, since, now, those);
	return approvals_persons(those, n, APPROVALS_RELEASE, owner, 0, NULL);
}

/* --- the epoch ------------------------------------------------------------------------- */

uint64_t
testimony_epoch(const struct move *m, const struct authority *reg,
    enum guards_phase gate)
{
	bool is_before = gate == GUARDS_AT_READY || gate == GUARDS_AT_FENCE ||
	    gate == GUARDS_AT_GRANT || gate == GUARDS_AT_TAKE;

	if (gate == GUARDS_AT_TAKE && scene_has(&m->a, MOVE_GRANTED))
		return m->a.epoch_of[MOVE_GRANTED];
	return is_before && m->epoch != 0 ? m->epoch : reg->epoch;
}

/* --- what is proved -------------------------------------------------------------------- */

static void
tell(struct guards_facts *f, enum guards_fact_id id, int64_t value,
    const char *text)
{
	guards_tell(f, id, value, f->now, "ledger", text);
}

/* FENCED may be what people said; the act's own outcome is what was read. */
static void
tell_fence(const struct move *m, unsigned attested, struct guards_facts *f)
{
	bool is_read = scene_has(&m->a, MOVE_DEMOTED) ||
	    scene_has(&m->b, MOVE_UNDONE) ||
	    (scene_has(&m->b, MOVE_FENCED) &&
		scene_state_of(&m->b, MOVE_FENCE) == SCENE_DONE);

	if (is_read || scene_has(&m->b, MOVE_FENCED))
		tell(f, FACT_FENCE_PROVED, is_read, NULL);
	tell(f, FACT_FENCE_ATTESTED, attested, NULL);
}

/* Nothing that may write was begun at A since it was read to stand still. */
static bool
is_untouched(const struct move_side *a, enum move_event_kind since)
{
	return scene_has(a, since) && a->intent[MOVE_RESUME] < a->fact[since] &&
	    a->intent[MOVE_PLAN] < a->fact[since];
}

/*
 * G17.  What A stopped for good, read back, is as it was left; what it came back
 * with is once it has stopped and its data was read and kept.  Until then
 * nobody knows.
 */
static void
tell_old_data(const struct move *m, struct guards_facts *f)
{
	if (m->mode == GUARDS_PLANNED && is_untouched(&m->a, MOVE_DEMOTED))
		tell(f, FACT_OLD_DATA_INTACT, 1,
		    "stopped, read back, untouched since");
	else if (m->mode == GUARDS_UNPLANNED &&
	    is_untouched(&m->a, MOVE_DIVERGENCE))
		tell(f, FACT_OLD_DATA_INTACT, 1,
		    "stopped, read and kept, untouched since");
}

void
testimony_tell(const struct move *m, const struct authority *reg,
    unsigned attested, struct guards_facts *f)
{
	tell_fence(m, attested, f);
	if (scene_has(&m->b, MOVE_EQUAL))
		tell(f, FACT_MARKERS_EQUAL, strcmp(m->a.point, m->b.point) == 0,
		    NULL);
	tell(f, FACT_OWNER_ACCEPTS, scene_accepted(m), NULL);
	guards_tell(f, FACT_REGISTER_HEARD, !reg->quarantined, f->now,
	    "register", NULL);
	tell(f, FACT_NEW_WRITES_SAFE, 1,
	    scene_has(&m->b, MOVE_CAPTURED) ? "kept"
					    : "a rollback keeps them first");
	tell(f, FACT_DIVERGENCE_CAPTURED, scene_captured(m), NULL);
	tell_old_data(m, f);
}
