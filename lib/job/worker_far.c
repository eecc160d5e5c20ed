#include "worker_far.h"

#include <string.h>

enum err_code
worker_far_host(struct source_host *out, bool *here, const struct worker *w,
    const char *name, struct err *e)
{
	const struct policy *p = worker_policy(w);
	const struct policy_site *site = worker_site(w);
	const struct policy_host *h;

	*out = (struct source_host){0};
	/* The first host of a site is the one that Bascule runs on. */
	*here = *name == '\0' ||
	    (site->host_count > 0 && strcmp(site->hosts[0].name, name) == 0);
	if (*here)
		return ERR_NONE;
	h = policy_find_host(p, name, NULL);
	if (h == NULL)
		return err_set(e, ERR_POLICY, "no site declares a host '%s'",
		    name);
	*out = (struct source_host){
	    .name = h->name,
	    .address = h->address,
	    .port = (uint16_t)h->port,
	    .user = h->user,
	    .host_keys = h->host_keys.items,
	    .host_keys_count = h->host_keys.count,
	    .identity = *p->identity != '\0' ? p->identity : NULL,
	    .cancel = worker_cancel(w),
	};
	return ERR_NONE;
}
