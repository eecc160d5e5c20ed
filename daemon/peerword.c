/* What the other site last said of each service, to be looked up. */

#include "peer.h"

#include <stdlib.h>
#include <string.h>

static int
by_service(const void *a, const void *b)
{
	const struct peer_word *x = a, *y = b;

	return strcmp(x->service, y->service);
}

static int
compare_name(const void *name, const void *word)
{
	return strcmp(name, ((const struct peer_word *)word)->service);
}

void
peerword_free(struct peer *p)
{
	for (size_t i = 0; i < p->word_count; i++)
		free(p->words[i].hindrance);
	free(p->words);
	p->words = NULL;
	p->word_count = 0;
	p->said_policy[0] = '\0';
}

/* Memory that lacks loses the words: what is not known is left unknown. */
void
peerword_take(struct peer *p, struct wire_value *said)
{
	struct wire_value *list = wire_take_list(said, "services");
	size_t count = list == NULL ? 0 : wire_count(list);

	peerword_free(p);
	snprintf(p->said_policy, sizeof(p->said_policy), "%s",
	    wire_take_text(said, "policy", ""));
	p->words = calloc(count + 1, sizeof(*p->words));
	if (p->words == NULL)
		return;
	for (size_t i = 0; i < count; i++) {
		struct wire_value *v = wire_at_object(list, i);
		struct peer_word *w = &p->words[p->word_count++];

		snprintf(w->service, sizeof(w->service), "%s",
		    wire_take_text(v, "service", ""));
		snprintf(w->site, sizeof(w->site), "%s",
		    wire_take_text(v, "active_site", "-"));
		snprintf(w->authority, sizeof(w->authority), "%s",
		    wire_take_text(v, "authority", "-"));
		if (wire_has(v, "hindrance"))
			w->hindrance =
			    strdup(wire_take_text(v, "hindrance", ""));
	}
	qsort(p->words, p->word_count, sizeof(*p->words), by_service);
}

const struct peer_word *
peerword_find(const struct peer *p, const char *service)
{
	return p->word_count == 0 ? NULL
				  : bsearch(service, p->words, p->word_count,
					sizeof(*p->words), compare_name);
}
