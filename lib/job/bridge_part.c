/*
 * Where two histories part: the newest head that both have, by halves, and then
 * the first record after it that is not the same.
 */

#include "bridge_talk.h"

#include <string.h>

#define RECORDS_MAX 1024

static enum err_code
hash_of(const void *bytes, size_t len, struct id *out, struct err *e)
{
	OWNED(free_mem) struct head *h = calloc(1, sizeof(*h));
	enum err_code rc;

	if (h == NULL)
		return err_nomem(e);
	rc = head_decode(h, bytes, len, e);
	*out = h->hash;
	return rc;
}

/* --- heads ------------------------------------------------------------------- */

/* *found false: there is no such head there. */
static enum err_code
their_head(struct bridge_talk *t, uint64_t number, struct id *hash, bool *found,
    struct err *e)
{
	enum err_code rc = bridge_talk_ask(t, "ledger heads", number, 1, e);

	*found = false;
	while (rc == ERR_NONE) {
		OWNED(wire_free) struct wire_value *v = NULL;
		OWNED(buf_fini) struct buf bytes = {0};

		rc = bridge_talk_next(t, &v, e);
		if (rc != ERR_NONE || v == NULL)
			break;
		if (strcmp(wire_take_text(v, "type", ""), "ledger_head") != 0)
			continue;
		wire_take_path(v, "bytes", &bytes);
		rc = hash_of(bytes.bytes, bytes.len_bytes, hash, e);
		*found = true;
	}
	return rc;
}

struct one {
	struct id hash;
	bool found;
};

static enum err_code
take_one(void *ctx, const struct ledger_head *h, struct err *e)
{
	struct one *o = ctx;

	if (o->found)
		return err_set(e, ERR_CANCELLED, "enough");
	o->found = true;
	return hash_of(h->bytes, h->len_bytes, &o->hash, e);
}

static enum err_code
is_same(struct bridge_talk *t, struct ledger *copy, uint64_t number, bool *same,
    struct err *e)
{
	struct one ours = {.found = false};
	struct id theirs;
	bool found;
	enum err_code rc = ledger_heads(copy, number, take_one, &ours, e);

	if (rc == ERR_CANCELLED)
		rc = ERR_NONE;
	if (rc == ERR_NONE)
		rc = their_head(t, number, &theirs, &found, e);
	*same = rc == ERR_NONE && found && ours.found &&
	    id_equal(&theirs, &ours.hash);
	return rc;
}

/* --- records --------------------------------------------------------------------- */

struct places {
	struct spot {
		char chain[LEDGER_NAME_BYTES_MAX + 1];
		uint64_t sequence;
		struct id hash;
	} * items;
	size_t count;
};

static enum err_code
take_place(void *ctx, const struct record *r, struct err *e)
{
	struct places *ps = ctx;
	struct spot *p;

	(void)e;
	if (ps->count == RECORDS_MAX)
		return ERR_NONE;
	p = &ps->items[ps->count++];
	snprintf(p->chain, sizeof(p->chain), "%.*s", (int)r->chain.len_bytes,
	    r->chain.at);
	p->sequence = r->sequence;
	p->hash = r->hash;
	return ERR_NONE;
}

static enum err_code
our_places(struct ledger *copy, uint64_t number, struct places *ps,
    struct err *e)
{
	struct ledger_filter f = {0};
	enum err_code rc =
	    ledger_copy_rows(copy, number, &f.after_row, &f.up_to_row, e);

	return rc == ERR_NONE ? ledger_iterate(copy, &f, take_place, ps, e)
			      : rc;
}

static enum err_code
their_places(struct bridge_talk *t, uint64_t number, struct places *ps,
    struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	enum err_code rc = bridge_talk_ask(t, "ledger steps", number, 1, e);

	while (rc == ERR_NONE) {
		OWNED(wire_free) struct wire_value *v = NULL;
		struct record r;

		rc = bridge_talk_next(t, &v, e);
		if (rc != ERR_NONE || v == NULL)
			break;
		if (strcmp(wire_take_text(v, "type", ""), "ledger_record") != 0)
			continue;
		wire_take_path(v, "bytes", &bytes);
		if (bytes.len_bytes > LEDGER_RECORD_BYTES_MAX)
			return err_set(e, ERR_INPUT, "a record is too long");
		if (wire_take_bool(v, "more", false))
			continue;
		rc = record_decode(&r, bytes.bytes, bytes.len_bytes, e);
		if (rc == ERR_NONE)
			rc = take_place(ps, &r, e);
		bytes.len_bytes = 0;
	}
	return rc;
}

/* --- both ------------------------------------------------------------------------- */

static void
say(const char *site, uint64_t common, const struct places *ours,
    const struct places *theirs, char *text)
{
	size_t i = 0;
	const struct spot *p;
	char here[ID_HEX_BYTES], there[ID_HEX_BYTES];

	while (i < ours->count && i < theirs->count &&
	    id_equal(&ours->items[i].hash, &theirs->items[i].hash))
		i++;
	if (theirs->count == 0 || i >= ours->count) {
		snprintf(text, ERR_TEXT_BYTES,
		    "the ledger of site '%s' has lost what is held of it here: "
		    "there it ends at head %llu",
		    site, (unsigned long long)common);
		return;
	}
	p = &ours->items[i];
	snprintf(text, ERR_TEXT_BYTES,
	    "the ledger of site '%s' is another than the one held here: they "
	    "are the same up to head %llu and part at record %llu of chain "
	    "'%s' (here %.16s, there %.16s)",
	    site, (unsigned long long)common, (unsigned long long)p->sequence,
	    p->chain, id_hex(&p->hash, here),
	    i < theirs->count ? id_hex(&theirs->items[i].hash, there)
			      : "nothing");
}

static enum err_code
name_it(struct bridge_talk *t, struct ledger *copy, uint64_t common, char *text,
    struct err *e)
{
	struct places ours = {0}, theirs = {0};
	enum err_code rc;

	ours.items = calloc(RECORDS_MAX, sizeof(*ours.items));
	theirs.items = calloc(RECORDS_MAX, sizeof(*theirs.items));
	rc = ours.items == NULL || theirs.items == NULL
	    ? err_nomem(e)
	    : our_places(copy, common + 1, &ours, e);
	if (rc == ERR_NONE)
		rc = their_places(t, common + 1, &theirs, e);
	if (rc == ERR_NONE)
		say(worker_target(t->w), common, &ours, &theirs, text);
	free(ours.items);
	free(theirs.items);
	return rc;
}

enum err_code
bridge_part_find(struct bridge_talk *t, const char *path, uint64_t held,
    char *text, struct err *e)
{
	OWNED(ledger_close) struct ledger *copy = NULL;
	uint64_t common = 0, parted = held;
	bool same = false;
	enum err_code rc = ledger_open_readonly(&copy, path, e);

	if (rc == ERR_NONE)
		rc = is_same(t, copy, held, &same, e);
	if (rc != ERR_NONE || same)
		return rc;
	while (rc == ERR_NONE && parted - common > 1) {
		uint64_t middle = common + (parted - common) / 2;

		rc = is_same(t, copy, middle, &same, e);
		if (same)
			common = middle;
		else
			parted = middle;
	}
	return rc == ERR_NONE ? name_it(t, copy, common, text, e) : rc;
}
