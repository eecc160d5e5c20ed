/*
 * In place of base's pipeline: the same stages one after the other in the
 * caller's own turn, so that what happens follows from the seed alone.
 */

#include <bascule/base/pipeline.h>

#include <stdbool.h>

struct pipeline {
	struct pipeline_stage stages[PIPELINE_STAGES_MAX];
	size_t stages_count;
	void **items;
	size_t free_count;
	void *ctx;
	struct err failure;
};

enum err_code
pipeline_new(struct pipeline **out, const struct pipeline_plan *plan,
    struct err *e)
{
	struct pipeline *p = calloc(1, sizeof(*p));

	*out = NULL;
	if (p == NULL)
		return err_nomem(e);
	p->items = calloc(plan->items_count, sizeof(*p->items));
	if (p->items == NULL) {
		free(p);
		return err_nomem(e);
	}
	for (size_t i = 0; i < plan->stages_count; i++)
		p->stages[i] = plan->stages[i];
	for (size_t i = 0; i < plan->items_count; i++)
		p->items[i] = plan->items[i];
	p->stages_count = plan->stages_count;
	p->free_count = plan->items_count;
	p->ctx = plan->ctx;
	*out = p;
	return ERR_NONE;
}

void
pipeline_free(struct pipeline **pp)
{
	struct pipeline *p = TAKE(*pp);

	if (p == NULL)
		return;
	free(p->items);
	free(p);
}

static enum err_code
failed(const struct pipeline *p, struct err *e)
{
	if (p->failure.code != ERR_NONE)
		*e = p->failure;
	return p->failure.code;
}

enum err_code
pipeline_take(struct pipeline *p, void **item, struct err *e)
{
	*item = NULL;
	if (failed(p, e) != ERR_NONE)
		return e->code;
	ASSERT(p->free_count > 0);
	*item = p->items[--p->free_count];
	return ERR_NONE;
}

enum err_code
pipeline_put(struct pipeline *p, void *item, struct err *e)
{
	enum err_code rc = failed(p, e);

	for (size_t i = 0; i < p->stages_count && rc == ERR_NONE; i++)
		rc = p->stages[i].run(p->ctx, 0, item, e);
	if (rc != ERR_NONE)
		p->failure = *e;
	p->items[p->free_count++] = item;
	return rc;
}

void
pipeline_untake(struct pipeline *p, void *item)
{
	p->items[p->free_count++] = item;
}

enum err_code
pipeline_drain(struct pipeline *p, struct err *e)
{
	return failed(p, e);
}

unsigned
pipeline_cores(void)
{
	return 1;
}
