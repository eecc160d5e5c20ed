#include "transactions.h"

#include <string.h>

#include "peer.h"

struct reading {
	const struct policy_service *service;
	struct transactions *out;
};

static enum err_code
take_point(void *ctx, const struct record *r, struct err *e)
{
	struct reading *rd = ctx;
	struct transactions *t = rd->out;
	const struct policy_service *s = rd->service;
	int64_t total = 0;
	char name[LEDGER_NAME_BYTES_MAX + 1], id[ID_HEX_BYTES];

	(void)e;
	for (size_t i = 0; i < s->dataset_count; i++) {
		int64_t n;

		if (s->datasets[i].count.count == 0)
			continue;
		snprintf(name, sizeof(name), "count.%.200s",
		    s->datasets[i].name);
		n = record_int(r, name, -1);
		if (n < 0 || __builtin_add_overflow(total, n, &total))
			return ERR_NONE;
	}
	if (record_text(r, "point", id, sizeof(id))[0] == '\0')
		return ERR_NONE;
	memcpy(t->items[t->next].id, id, sizeof(id));
	t->items[t->next].total = total;
	t->next = (t->next + 1) % TRANSACTIONS_POINTS_MAX;
	t->count += t->count < TRANSACTIONS_POINTS_MAX;
	t->newest = total;
	t->at = r->at;
	return ERR_NONE;
}

enum err_code
transactions_read(struct daemon *d, const char *service, const char *site,
    struct transactions *out, struct err *e)
{
	return transactions_read_until(d, service, site, (struct utc){0}, out,
	    e);
}

enum err_code
transactions_read_until(struct daemon *d, const char *service, const char *site,
    struct utc until, struct transactions *out, struct err *e)
{
	struct reading rd = {policy_find_service(d->policy, service), out};
	struct ledger_filter f = {.type = LEDGER_POINT,
	    .service = service,
	    .until = until};
	struct ledger *l = NULL;
	struct err why;
	bool counts = false;

	*out = (struct transactions){.newest = -1};
	for (size_t i = 0; rd.service != NULL && i < rd.service->dataset_count;
	     i++)
		counts = counts || rd.service->datasets[i].count.count > 0;
	if (!counts || peer_ledger(d, site, &l, &why) != ERR_NONE)
		return ERR_NONE;
	return ledger_iterate(l, &f, take_point, &rd, e);
}

int64_t
transactions_at(const struct transactions *t, const char *id)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->items[i].id, id) == 0)
			return t->items[i].total;
	return -1;
}

int64_t
transactions_between(const struct transactions *t, const char *from,
    const char *to)
{
	int64_t a = transactions_at(t, from);
	int64_t b = to == NULL ? t->newest : transactions_at(t, to);

	return a < 0 || b < a ? -1 : b - a;
}
