#include "inforce.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/base/id.h>
#include <bascule/job.h>
#include <bascule/policy.h>

#include "besides.h"

#define COPIES_MAX 4096

struct inforce {
	struct copy {
		struct policy *policy;
		struct id digest;
	} * items;
	size_t count;
};

void
inforce_close(struct inforce **fp)
{
	struct inforce *f = TAKE(*fp);

	if (f == NULL)
		return;
	for (size_t i = 0; i < f->count; i++)
		policy_free(&f->items[i].policy);
	free(f->items);
	free(f);
}

static enum err_code
add(void *ctx, struct policy **p, const struct id *digest, struct err *e)
{
	struct inforce *f = ctx;
	struct copy *more;

	if (f->count == COPIES_MAX)
		return ERR_NONE;
	more = realloc(f->items, (f->count + 1) * sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	f->items = more;
	more[f->count++] = (struct copy){TAKE(*p), *digest};
	return ERR_NONE;
}

enum err_code
inforce_open(struct inforce **out, const char *ledger, struct err *e)
{
	OWNED(inforce_close) struct inforce *f = calloc(1, sizeof(*f));
	OWNED(free_mem) char *dir = NULL;
	enum err_code rc;

	*out = NULL;
	if (f == NULL)
		return err_nomem(e);
	rc = besides_path(&dir, ledger, "policy", e);
	if (rc == ERR_NONE)
		rc = polcopy_each(dir, add, f, e);
	if (rc == ERR_NONE)
		*out = TAKE(f);
	return rc;
}

/* A plan is looked for by its own digest: policies may differ and it may not. */
static enum err_code
find_plan(const struct inforce *f, const char *digest, const char *service,
    struct buf *out, struct err *e)
{
	char hex[ID_HEX_BYTES];
	struct id id;

	for (size_t i = 0; i < f->count; i++) {
		const struct policy_service *s =
		    policy_find_service(f->items[i].policy, service);
		enum err_code rc;

		if (s == NULL)
			continue;
		rc = digest_plan(s, &id, e);
		if (rc != ERR_NONE)
			return rc;
		if (strcmp(id_hex(&id, hex), digest) == 0)
			return policy_canonical_plan(s, out, e);
	}
	return ERR_NONE;
}

enum err_code
inforce_find(void *ctx, const char *digest, const char *service,
    struct buf *out, struct err *e)
{
	const struct inforce *f = ctx;
	char hex[ID_HEX_BYTES];

	if (service != NULL)
		return find_plan(f, digest, service, out, e);
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(id_hex(&f->items[i].digest, hex), digest) == 0)
			return policy_canonical(f->items[i].policy, out, e);
	return ERR_NONE;
}
