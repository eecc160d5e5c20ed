/*
 * Where a run's records lie: of each ledger which of them, under which head, and
 * which other site has signed that head as well.
 */

#include <bascule/base/text.h>
#include <inttypes.h>
#include <string.h>

#include "report_exercise.h"

#define WORD_BYTES_MAX 512 /* a cosignature */

static struct report_ledger *
ledger_of(struct report_exercise *x)
{
	return x->ledgers_count < COUNT_OF(x->ledgers)
	    ? &x->ledgers[x->ledgers_count]
	    : NULL;
}

static struct report_range *
range_of(struct report_exercise *x, struct report_ledger *l,
    const struct record *r)
{
	struct report_range *at;

	for (size_t i = 0; i < l->ranges_count; i++)
		if (record_text_is(r->chain, l->ranges[i].chain))
			return &l->ranges[i];
	if (l->ranges_count == COUNT_OF(l->ranges))
		return NULL;
	at = &l->ranges[l->ranges_count++];
	*at = (struct report_range){.first = r->sequence};
	memcpy(at->chain, r->chain.at, r->chain.len_bytes);
	if (x->ledgers_count == 0 &&
	    (x->chain[0] == '\0' ||
		(strcmp(x->chain, LEDGER_CHAIN_SHARED) == 0 &&
		    strcmp(at->chain, LEDGER_CHAIN_SHARED) != 0))) {
		memcpy(x->chain, at->chain, sizeof(x->chain));
		x->first_sequence = 0;
	}
	return at;
}

void
report_heads_note(struct report_exercise *x, const struct record *r)
{
	struct report_ledger *l = ledger_of(x);
	struct report_range *at = l == NULL ? NULL : range_of(x, l, r);

	if (at == NULL)
		return;
	at->last = r->sequence;
	l->last_hash = r->hash;
	record_text(r, "@site", l->site, sizeof(l->site));
	/* the first council's of them, and what it says of the whole */
	if (x->ledgers_count == 0 && record_text_is(r->chain, x->chain)) {
		if (x->first_sequence == 0)
			x->first_sequence = r->sequence;
		x->last_sequence = r->sequence;
		x->last_hash = r->hash;
	}
}

static enum err_code
take_head(void *ctx, const struct ledger_head *lh, struct err *e)
{
	struct report_ledger *l = ctx;
	struct head h;

	if (l->head_number != 0)
		return ERR_NONE;
	if (head_decode(&h, lh->bytes, lh->len_bytes, e) != ERR_NONE)
		return e->code == ERR_CORRUPT ? ERR_NONE : e->code;
	for (size_t i = 0; i < l->ranges_count; i++) {
		bool is_in = false;

		for (size_t k = 0; k < h.tips_count; k++)
			is_in = is_in ||
			    (strcmp(h.tips[k].chain, l->ranges[i].chain) == 0 &&
				h.tips[k].sequence >= l->ranges[i].last);
		if (!is_in)
			return ERR_NONE;
	}
	l->head_number = h.number;
	return ERR_NONE;
}

/* The first word of another site that reaches as far as that head. */
static enum err_code
take_cosignature(void *ctx, const struct record *r, struct err *e)
{
	struct report_ledger *l = ctx;
	char hex[2 * WORD_BYTES_MAX + 1];
	uint8_t bytes[WORD_BYTES_MAX];
	struct record_text field;
	struct cosign c;
	struct err ignored;

	(void)e;
	if (l->cosigned_number != 0 ||
	    !record_find(r, LEDGER_COSIGNATURE, &field) ||
	    field.len_bytes >= sizeof(hex) || field.len_bytes % 2 != 0)
		return ERR_NONE;
	memcpy(hex, field.at, field.len_bytes);
	hex[field.len_bytes] = '\0';
	if (!text_unhex(hex, bytes, field.len_bytes / 2) ||
	    cosign_read(&c, bytes, field.len_bytes / 2, &ignored) != ERR_NONE ||
	    strcmp(c.site, l->site) != 0 || c.number < l->head_number)
		return ERR_NONE;
	l->cosigned_number = c.number;
	snprintf(l->cosigner, sizeof(l->cosigner), "%s", c.by);
	return ERR_NONE;
}

enum err_code
report_heads_find(struct report_exercise *x, struct ledger *from, struct err *e)
{
	struct report_ledger *l = ledger_of(x);
	struct ledger_filter f = {.type = LEDGER_COSIGNATURE};
	enum err_code rc = ERR_NONE;

	if (l == NULL || l->ranges_count == 0)
		return ERR_NONE;
	rc = ledger_heads(from, 1, take_head, l, e);
	if (rc == ERR_NONE && l->head_number != 0)
		rc = ledger_iterate(from, &f, take_cosignature, l, e);
	return rc;
}

bool
report_heads_cover(const struct report_exercise *x)
{
	bool any = false;

	for (size_t i = 0; i < COUNT_OF(x->ledgers); i++) {
		if (x->ledgers[i].ranges_count == 0)
			continue;
		if (x->ledgers[i].head_number == 0)
			return false;
		any = true;
	}
	return any;
}

/* --- in words: each site's, in the order of the ledgers ----------------------- */

typedef void one_fn(const struct report_ledger *l, char *out, size_t out_bytes);

static void
say_each(const struct report_exercise *x, one_fn *fn, char *out)
{
	size_t used = 0;

	for (size_t i = 0; i < COUNT_OF(x->ledgers); i++) {
		const struct report_ledger *l = &x->ledgers[i];
		char one[512];

		if (l->ranges_count == 0 || used >= REPORT_VALUE_BYTES)
			continue;
		fn(l, one, sizeof(one));
		used += (size_t)snprintf(out + used, REPORT_VALUE_BYTES - used,
		    "%s%s: %s", used > 0 ? "; " : "", l->site, one);
	}
	text_mend_end(out);
}

static void
say_range(const struct report_ledger *l, char *out, size_t out_bytes)
{
	size_t used = 0;

	for (size_t i = 0; i < l->ranges_count && used < out_bytes; i++)
		used += (size_t)snprintf(out + used, out_bytes - used,
		    "%s%s#%" PRIu64 " to #%" PRIu64, i > 0 ? ", " : "",
		    l->ranges[i].chain, l->ranges[i].first, l->ranges[i].last);
}

static void
say_last(const struct report_ledger *l, char *out, size_t out_bytes)
{
	char hash[ID_HEX_BYTES];

	snprintf(out, out_bytes, "%s", id_hex(&l->last_hash, hash));
}

static void
say_head(const struct report_ledger *l, char *out, size_t out_bytes)
{
	if (l->head_number == 0)
		snprintf(out, out_bytes, "none");
	else
		snprintf(out, out_bytes, "%" PRIu64, l->head_number);
}

static void
say_cosigned(const struct report_ledger *l, char *out, size_t out_bytes)
{
	if (l->cosigned_number == 0)
		snprintf(out, out_bytes, "nobody: its own word alone");
	else
		snprintf(out, out_bytes, "%s, up to head %" PRIu64, l->cosigner,
		    l->cosigned_number);
}

void
report_heads_say(const struct report_exercise *x, enum report_heads_word what,
    char *out)
{
	static one_fn *const fns[] = {[REPORT_HEADS_RANGE] = say_range,
	    [REPORT_HEADS_LAST] = say_last,
	    [REPORT_HEADS_HEAD] = say_head,
	    [REPORT_HEADS_COSIGNED] = say_cosigned};

	out[0] = '\0';
	say_each(x, fns[what], out);
}

void
report_heads_sites(const struct report_exercise *x, char *out)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(x->ledgers); i++)
		if (x->ledgers[i].ranges_count > 0 && used < REPORT_VALUE_BYTES)
			used += (size_t)snprintf(out + used,
			    REPORT_VALUE_BYTES - used, "%s%s",
			    used > 0 ? ", " : "", x->ledgers[i].site);
}
