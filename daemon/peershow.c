/* Peers as the API shows them. */

#include "peer.h"

#include <string.h>

static const char *const states[] = {"heard", "silent", "never"};

static struct peer *
find(const struct daemon *d, const char *site)
{
	struct peer *p = d->peers;

	while (p != NULL && strcmp(p->site->name, site) != 0)
		p = p->next;
	return p;
}

enum err_code
peer_ledger(struct daemon *d, const char *site, struct ledger **out,
    struct err *e)
{
	struct peer *p;

	*out = d->ledger;
	if (site == NULL || strcmp(site, d->policy->site) == 0)
		return ERR_NONE;
	p = find(d, site);
	if (p != NULL && p->copy != NULL) {
		*out = p->copy;
		return ERR_NONE;
	}
	*out = NULL;
	return err_set(e, ERR_NOTFOUND, "nothing is known of a site '%s'",
	    site);
}

static void
add_ledger(const struct peer *p, struct wire_value *v)
{
	if (p->head != NULL && p->head->number > 0) {
		wire_add_uint(v, "head", p->head->number);
		wire_add_utc(v, "head_at", p->head->at);
	}
	wire_add_bool(v, "pinned", p->site->ledger_keys.count > 0);
	if (p->divergence[0] != '\0')
		wire_add_text(v, "divergence", p->divergence);
}

static enum err_code
add_tried(const struct peer *p, struct wire_value *v, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 0; rc == ERR_NONE && i < p->tried_count; i++) {
		OWNED(wire_free) struct wire_value *one = NULL;

		rc = wire_new(&one, NULL, e);
		if (rc != ERR_NONE)
			break;
		wire_add_text(one, "link", p->tried[i].link);
		if (p->tried[i].error[0] != '\0')
			wire_add_text(one, "error", p->tried[i].error);
		wire_add(list, NULL, &one);
	}
	if (rc == ERR_NONE)
		wire_add(v, "tried", &list);
	return rc;
}

static const char *
state_of(const struct peer *p)
{
	bool is_silent;

	return states[peerwatch_judge(p->heard, p->watching,
	    p->d->policy->bridge.silent_after_ns, now_utc(), &is_silent)];
}

static enum err_code
to_wire(const struct peer *p, struct wire_value **out, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = p->said.len_bytes > 0
	    ? wire_parse(&v, (const char *)p->said.bytes, p->said.len_bytes, e)
	    : wire_new(&v, "peer", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_utc(v, "ts", now_utc());
	wire_add_text(v, "site", p->site->name);
	wire_add_text(v, "state", state_of(p));
	if (p->heard.ns != 0)
		wire_add_seconds(v, "age_seconds", now_utc().ns - p->heard.ns);
	if (p->failed[0] != '\0')
		wire_add_text(v, "reason", p->failed);
	add_ledger(p, v);
	rc = add_tried(p, v, e);
	if (rc == ERR_NONE)
		*out = TAKE(v);
	return rc;
}

enum err_code
peers_tell(struct client *c, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (struct peer *p = client_daemon(c)->peers;
	     rc == ERR_NONE && p != NULL; p = p->next) {
		OWNED(wire_free) struct wire_value *v = NULL;

		rc = to_wire(p, &v, e);
		if (rc == ERR_NONE)
			client_reply(c, &v);
	}
	return rc;
}

void
peers_tell_site(const struct daemon *d, const char *site, struct wire_value *v)
{
	const struct peer *p = find(d, site);

	if (p == NULL)
		return;
	wire_add_text(v, "state", state_of(p));
	if (p->heard.ns != 0) {
		wire_add_utc(v, "heard", p->heard);
		wire_add_seconds(v, "age_seconds", now_utc().ns - p->heard.ns);
	}
	add_ledger(p, v);
}
