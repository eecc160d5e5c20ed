#include <string.h>

#include "push.h"

/* What was asked for and is not answered yet, in order. */
struct wishing {
	struct push *push;
	struct id open[RMSG_UNANSWERED_MAX];
	size_t asked_count, answered_count;
};

static const struct id *
oldest(const struct wishing *w)
{
	return &w->open[w->answered_count % RMSG_UNANSWERED_MAX];
}

static enum err_code
hear_no(struct wishing *w, const struct rmsg *m, struct err *e)
{
	struct rmsg_result r;

	if (rmsg_take_result(&r, m, e) != ERR_NONE)
		return e->code;
	if (r.kind != RMSG_KIND_ACK || r.ordinal != w->answered_count ||
	    r.why.code == ERR_NONE)
		return err_set(e, ERR_INPUT,
		    "the far side answered something else");
	talk_problem(w->push, "acknowledgement of point", oldest(w), &r.why);
	return ERR_NONE;
}

static enum err_code
hear(struct wishing *w, struct err *e)
{
	const struct replicate_options *opt = w->push->opt;
	struct rmsg m;
	enum err_code rc;

	do {
		if (talk_hear(&w->push->first, &m, e) != ERR_NONE)
			return e->code;
	} while (m.type == RMSG_SETTLED || m.type == RMSG_GOT);
	if (m.type == RMSG_RESULT)
		rc = hear_no(w, &m, e);
	else if (m.type == RMSG_ACKNOWLEDGED)
		rc = opt->on_acknowledged(opt->ctx, oldest(w), m.bytes,
		    m.len_bytes, e);
	else
		rc = err_set(e, ERR_INPUT,
		    "the far side answered something else");
	w->answered_count++;
	return rc;
}

static enum err_code
ask(struct wishing *w, const struct push_file *f, struct err *e)
{
	OWNED(buf_fini) struct buf payload = {0};
	struct rmsg_wish wish = {.point = f->id};

	memcpy(wish.service, f->service, sizeof(wish.service));
	if (w->asked_count - w->answered_count == RMSG_UNANSWERED_MAX &&
	    hear(w, e) != ERR_NONE)
		return e->code;
	if (rmsg_put_wish(&payload, &wish, e) != ERR_NONE)
		return e->code;
	w->open[w->asked_count++ % RMSG_UNANSWERED_MAX] = f->id;
	return talk_tell(&w->push->first, RMSG_ACKNOWLEDGE, &payload, NULL, 0,
	    e);
}

static bool
is_wished(const struct push *p, const struct push_file *f)
{
	for (size_t i = 0; i < p->opt->wishes_count; i++)
		if (id_equal(&p->opt->wishes[i], &f->id))
			return true;
	return f->wanted;
}

enum err_code
wishing_all(struct push *p, struct err *e)
{
	struct wishing w = {.push = p};

	if (p->opt->on_acknowledged == NULL ||
	    (p->first.welcome.features & RMSG_ACKS) == 0)
		return ERR_NONE;
	for (size_t i = 0; i < p->points.count; i++)
		if (is_wished(p, &p->points.files[i]) &&
		    ask(&w, &p->points.files[i], e) != ERR_NONE)
			return e->code;
	while (w.answered_count < w.asked_count)
		if (hear(&w, e) != ERR_NONE)
			return e->code;
	return ERR_NONE;
}
