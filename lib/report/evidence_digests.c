#include "evidence_digests.h"

#include <stdlib.h>
#include <string.h>

#define HALF 32 /* digits of a hash that a member is named by */

void
evidence_digests_fini(struct evidence_digests *d)
{
	free(d->items);
	*d = (struct evidence_digests){0};
}

static enum err_code
take(struct evidence_digests *d, const struct record *r, const char *field,
    bool is_plan, struct err *e)
{
	struct evidence_digest *more, one = {.is_plan = is_plan};

	record_text(r, field, one.hex, sizeof(one.hex));
	if (strlen(one.hex) != sizeof(one.hex) - 1 ||
	    d->count == EVIDENCE_DIGESTS_MAX)
		return ERR_NONE;
	if (is_plan)
		record_text(r, "@service", one.service, sizeof(one.service));
	for (size_t i = 0; i < d->count; i++)
		if (d->items[i].is_plan == is_plan &&
		    strcmp(d->items[i].hex, one.hex) == 0)
			return ERR_NONE;
	more = realloc(d->items, (d->count + 1) * sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	d->items = more;
	more[d->count++] = one;
	return ERR_NONE;
}

enum err_code
evidence_digests_record(struct evidence_digests *d, const struct record *r,
    struct err *e)
{
	enum err_code rc = take(d, r, "@policy", false, e);

	return rc == ERR_NONE ? take(d, r, "@plan", true, e) : rc;
}

size_t
evidence_digests_count(const struct evidence_digests *d, bool is_plan)
{
	size_t count = 0;

	for (size_t i = 0; i < d->count; i++)
		count += d->items[i].is_plan == is_plan;
	return count;
}

size_t
evidence_digests_there(const struct evidence_digests *d, bool is_plan)
{
	size_t count = 0;

	for (size_t i = 0; i < d->count; i++)
		count += d->items[i].is_plan == is_plan && d->items[i].is_there;
	return count;
}

void
evidence_digests_name(const struct evidence_digest *d, char *out,
    size_t out_bytes)
{
	snprintf(out, out_bytes, "%s%.*s.txt",
	    d->is_plan ? EVIDENCE_PLANS : EVIDENCE_POLICIES, HALF, d->hex);
}

bool
evidence_digests_is(const char *name)
{
	return strncmp(name, EVIDENCE_PLANS, strlen(EVIDENCE_PLANS)) == 0 ||
	    strncmp(name, EVIDENCE_POLICIES, strlen(EVIDENCE_POLICIES)) == 0;
}

enum err_code
evidence_digests_judge(struct evidence_digests *d, const char *name,
    const struct id *hash, struct err *e)
{
	char hex[ID_HEX_BYTES], expected[80];

	id_hex(hash, hex);
	for (size_t i = 0; i < d->count; i++) {
		if (strcmp(d->items[i].hex, hex) != 0)
			continue;
		evidence_digests_name(&d->items[i], expected, sizeof(expected));
		if (strcmp(expected, name) != 0)
			continue;
		d->items[i].is_there = true;
		return ERR_NONE;
	}
	return err_set(e, ERR_CORRUPT,
	    "'%s' is not the text of any digest that a record here names",
	    name);
}
