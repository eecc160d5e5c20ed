/*
 * Is this what was recorded?  The whole of the judgement, for reviewers:
 *
 * P1. A head counts only with a good signature, the number after the last
 *     one's, and the last one's hash inside it.
 * P2. A head's tips never go back, and never vanish.
 * P3. A record counts only with the number after the last one's in its chain,
 *     and the last one's hash inside it.
 * P4. Where a head speaks of a record, the record has the hash it names.
 * P5. At the end every record a head speaks of was there.
 *
 * So: change, drop, insert, reorder or cut any record up to the newest head and
 * one of these fails.  Records after it are counted as unsigned.
 */
#include <string.h>

#include "head_parts.h"

/* A head's word: this chain's record number sequence has this hash. */
struct claim {
	uint64_t sequence;
	struct id hash;
	uint64_t head_number;
};

struct chain {
	char name[LEDGER_NAME_BYTES_MAX + 1];
	uint64_t sequence;        /* of the last good record; 0: none yet */
	uint64_t signed_sequence; /* the last one a head speaks of */
	struct id tip;            /* its hash */
	struct claim *claims;     /* rising sequences */
	size_t claims_count;
	size_t claims_met;
};

struct proof {
	struct proof_options options;
	struct sign_public signer;
	struct head last; /* number 0: none yet */
	struct chain chains[LEDGER_CHAINS_MAX];
	size_t chains_count;
	struct ledger_verdict verdict;
};

enum err_code
proof_new(struct proof **out, const struct proof_options *options,
    struct err *e)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return err_nomem(e);
	(*out)->options = *options;
	return ERR_NONE;
}

void
proof_free(struct proof **pp)
{
	struct proof *p = TAKE(*pp);

	if (p == NULL)
		return;
	for (size_t i = 0; i < p->chains_count; i++)
		free(p->chains[i].claims);
	free(p);
}

const struct ledger_verdict *
proof_verdict(const struct proof *p)
{
	return &p->verdict;
}

const struct sign_public *
proof_signer(const struct proof *p)
{
	return p->last.number == 0 ? NULL : &p->signer;
}

/* The first bad thing is kept; e says what is wrong with it. */
static enum err_code
condemn(struct proof *p, const char *chain, uint64_t sequence, struct err *e)
{
	struct ledger_verdict *v = &p->verdict;

	if (!v->bad) {
		v->bad = true;
		v->sequence = sequence;
		snprintf(v->chain, sizeof(v->chain), "%s", chain);
		snprintf(v->what, sizeof(v->what), "%s", e->text);
	}
	return ERR_CORRUPT;
}

/* The chain of that name, made when new; NULL when there are too many. */
static struct chain *
find_chain(struct proof *p, const char *name)
{
	struct chain *c;

	for (size_t i = 0; i < p->chains_count; i++)
		if (strcmp(p->chains[i].name, name) == 0)
			return &p->chains[i];
	if (p->chains_count == LEDGER_CHAINS_MAX)
		return NULL;
	c = &p->chains[p->chains_count++];
	snprintf(c->name, sizeof(c->name), "%s", name);
	return c;
}

static enum err_code
add_claim(struct chain *c, const struct head_tip *t, uint64_t head_number,
    struct err *e)
{
	struct claim *more =
	    realloc(c->claims, (c->claims_count + 1) * sizeof(*more));

	if (more == NULL)
		return err_nomem(e);
	c->claims = more;
	c->signed_sequence = t->sequence;
	c->claims[c->claims_count++] =
	    (struct claim){t->sequence, t->hash, head_number};
	return ERR_NONE;
}

/* P2, and a claim when the chain has grown. */
static enum err_code
check_tip(struct proof *p, const struct head *h, const struct head_tip *t,
    struct err *e)
{
	struct chain *c = find_chain(p, t->chain);
	const struct claim *last;

	if (c == NULL)
		return err_set(e, ERR_CORRUPT, "too many chains");
	if (p->last.number == 0 && p->options.after_first_head) {
		c->sequence = c->signed_sequence = t->sequence;
		c->tip = t->hash;
		return ERR_NONE;
	}
	if (c->claims_count == 0 && t->sequence > c->sequence)
		return add_claim(c, t, h->number, e);
	last = c->claims_count == 0
	    ? &(struct claim){c->sequence, c->tip, p->last.number}
	    : &c->claims[c->claims_count - 1];
	if (t->sequence > last->sequence)
		return add_claim(c, t, h->number, e);
	if (t->sequence < last->sequence || !id_equal(&t->hash, &last->hash))
		return err_set(e, ERR_CORRUPT,
		    "head %llu takes back what head %llu says of chain '%s'",
		    (unsigned long long)h->number,
		    (unsigned long long)last->head_number, c->name);
	return ERR_NONE;
}

static bool
head_names(const struct head *h, const char *chain)
{
	for (size_t i = 0; i < h->tips_count; i++)
		if (strcmp(h->tips[i].chain, chain) == 0)
			return true;
	return false;
}

static enum err_code
check_tips(struct proof *p, const struct head *h, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; i < p->last.tips_count; i++)
		if (!head_names(h, p->last.tips[i].chain))
			return err_set(e, ERR_CORRUPT,
			    "head %llu has lost chain '%s'",
			    (unsigned long long)h->number,
			    p->last.tips[i].chain);
	for (size_t i = 0; rc == ERR_NONE && i < h->tips_count; i++)
		rc = check_tip(p, h, &h->tips[i], e);
	return rc;
}

/* P1. */
static enum err_code
check_signature(struct proof *p, const struct head *h,
    const struct ledger_head *lh, struct err *e)
{
	const struct sign_public *want =
	    p->last.number > 0 ? &p->signer : p->options.key;
	enum err_code rc;

	memcpy(p->signer.bytes, want != NULL ? want->bytes : lh->signer,
	    SIGN_PUBLIC_BYTES);
	if (memcmp(p->signer.bytes, lh->signer, SIGN_PUBLIC_BYTES) != 0)
		return err_set(e, ERR_CORRUPT,
		    "head %llu is signed by another key",
		    (unsigned long long)h->number);
	rc = sign_check(&p->signer, HEAD_LABEL, lh->bytes, lh->len_bytes,
	    lh->signature, e);
	if (rc == ERR_CORRUPT)
		return err_set(e, rc, "head %llu is not what its key signed",
		    (unsigned long long)h->number);
	return rc;
}

static enum err_code
check_order(const struct proof *p, const struct head *h, struct err *e)
{
	if (p->verdict.records_count > 0)
		return err_set(e, ERR_CORRUPT, "a head stands after records");
	if (p->last.number == 0 && p->options.after_first_head)
		return ERR_NONE;
	if (h->number != p->last.number + 1)
		return err_set(e, ERR_CORRUPT,
		    "head %llu stands where head %llu should",
		    (unsigned long long)h->number,
		    (unsigned long long)p->last.number + 1);
	if (!id_equal(&h->previous, &p->last.hash))
		return err_set(e, ERR_CORRUPT,
		    "head %llu does not follow the one before it",
		    (unsigned long long)h->number);
	return ERR_NONE;
}

enum err_code
proof_head(struct proof *p, const struct ledger_head *lh, struct err *e)
{
	struct head h;
	enum err_code rc = head_decode(&h, lh->bytes, lh->len_bytes, e);

	if (rc == ERR_NONE)
		rc = check_order(p, &h, e);
	if (rc == ERR_NONE)
		rc = check_signature(p, &h, lh, e);
	if (rc == ERR_NONE)
		rc = check_tips(p, &h, e);
	if (rc == ERR_CORRUPT)
		return condemn(p, "", 0, e);
	if (rc != ERR_NONE)
		return rc;
	p->last = h;
	p->verdict.heads_count++;
	return ERR_NONE;
}

/* P3 and P4. */
static enum err_code
check_place(struct chain *c, const struct record *r, struct err *e)
{
	const struct claim *claim =
	    c->claims_met < c->claims_count ? &c->claims[c->claims_met] : NULL;

	if (r->sequence != c->sequence + 1)
		return err_set(e, ERR_CORRUPT,
		    "record %llu stands where record %llu should",
		    (unsigned long long)r->sequence,
		    (unsigned long long)c->sequence + 1);
	if (!id_equal(&r->previous, &c->tip))
		return err_set(e, ERR_CORRUPT,
		    "it does not follow the record before it: this one or "
		    "that one was changed");
	if (claim != NULL && claim->sequence == r->sequence) {
		if (!id_equal(&claim->hash, &r->hash))
			return err_set(e, ERR_CORRUPT,
			    "it is not the record that head %llu signs for",
			    (unsigned long long)claim->head_number);
		c->claims_met++;
	}
	c->sequence = r->sequence;
	c->tip = r->hash;
	return ERR_NONE;
}

/* The chain a record names, "" when it cannot be one. */
static void
chain_name(const struct record *r, char out[LEDGER_NAME_BYTES_MAX + 1])
{
	size_t len = r->chain.len_bytes;

	if (len > LEDGER_NAME_BYTES_MAX || memchr(r->chain.at, '\0', len))
		len = 0;
	memcpy(out, r->chain.at, len);
	out[len] = '\0';
}

static bool
is_expected(const struct proof *p, const char *chain)
{
	for (size_t i = 0; i < p->options.chains_count; i++)
		if (strcmp(p->options.chains[i], chain) == 0)
			return true;
	return p->options.chains == NULL;
}

enum err_code
proof_record(struct proof *p, const void *bytes, size_t len_bytes,
    struct err *e)
{
	char name[LEDGER_NAME_BYTES_MAX + 1] = "";
	struct chain *c = NULL;
	struct record r;
	enum err_code rc = record_decode(&r, bytes, len_bytes, e);

	if (rc == ERR_NONE) {
		chain_name(&r, name);
		c = name[0] == '\0' || !is_expected(p, name)
		    ? NULL
		    : find_chain(p, name);
		rc = c == NULL ? err_set(e, ERR_CORRUPT,
				     "it is of a chain that has no place here")
			       : check_place(c, &r, e);
	}
	if (rc == ERR_CORRUPT)
		return condemn(p, name, r.sequence, e);
	if (rc == ERR_NONE)
		p->verdict.records_count++;
	return rc;
}

/* P5. */
enum err_code
proof_end(struct proof *p, struct err *e)
{
	for (size_t i = 0; i < p->chains_count; i++) {
		const struct chain *c = &p->chains[i];
		const struct claim *next;

		if (!is_expected(p, c->name))
			continue;
		if (c->claims_met == c->claims_count) {
			p->verdict.unsigned_count +=
			    c->sequence - c->signed_sequence;
			continue;
		}
		next = &c->claims[c->claims_met];
		err_set(e, ERR_CORRUPT,
		    "the chain ends at record %llu, but head %llu signs for "
		    "record %llu: records were cut off",
		    (unsigned long long)c->sequence,
		    (unsigned long long)next->head_number,
		    (unsigned long long)next->sequence);
		return condemn(p, c->name, c->sequence + 1, e);
	}
	return ERR_NONE;
}
