#include <stdlib.h>
#include <string.h>

#include "push.h"

static enum err_code
take_leave(struct push *p, struct err *e)
{
	struct err ignored = {0};
	struct rmsg m;

	/* Nothing was sent: nobody's answer is worth a round trip. */
	if (p->snapshots.wanted_count + p->points.wanted_count +
		p->grants.wanted_count ==
	    0) {
		(void)!rlink_send(&p->first.link, RMSG_BYE, NULL, NULL, 0,
		    &ignored);
		return ERR_NONE;
	}
	if (talk_tell(&p->first, RMSG_BYE, NULL, NULL, 0, e) != ERR_NONE)
		return e->code;
	return talk_expect(&p->first, RMSG_FAREWELL, &m, e);
}

static enum err_code
run(struct push *p, struct err *e)
{
	if (offering_gather(p, e) != ERR_NONE ||
	    offering_greet(p, e) != ERR_NONE)
		return e->code;
	/* First: what comes must be open to those who were let in. */
	if (!p->first.welcome.packs_only && filesend_grants(p, e) != ERR_NONE)
		return e->code;
	if (p->snapshots.wanted_count > 0 && packsend_all(p, e) != ERR_NONE)
		return e->code;
	if (p->first.welcome.packs_only)
		return take_leave(p, e);
	if (filesend_snapshots(p, e) != ERR_NONE ||
	    filesend_points(p, e) != ERR_NONE || wishing_all(p, e) != ERR_NONE)
		return e->code;
	return take_leave(p, e);
}

enum err_code
replicate_over(struct store *st, const struct transport *t,
    const struct lanes_way *way, const struct replicate_options *opt,
    struct replicate_tally *out, struct err *e)
{
	struct push p = {.store = st, .opt = opt, .way = way, .tally = out};
	struct lane *first = &p.first;
	enum err_code rc;

	*out = (struct replicate_tally){.link = opt->link};
	pthread_mutex_init(&p.lock, NULL);
	lanes_init(first, &p, t);
	rc = run(&p, e);
	/* Nonsense on the wire is the far side's fault, not our caller's. */
	if (rc == ERR_INPUT)
		rc = e->code = ERR_IO;
	out->sent_bytes += first->link.sent_bytes - first->told_sent_bytes;
	out->received_bytes +=
	    first->link.received_bytes - first->told_received_bytes;
	offering_fini(&p);
	pack_list_fini(&p.packs);
	free(p.fates);
	lanes_fini(first);
	pthread_mutex_destroy(&p.lock);
	return rc;
}

enum err_code
replicate_push(struct store *st, const struct transport *t,
    const struct replicate_options *opt, struct replicate_tally *out,
    struct err *e)
{
	return replicate_over(st, t, NULL, opt, out, e);
}
