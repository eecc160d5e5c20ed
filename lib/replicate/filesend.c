#include <stdlib.h>

#include "push.h"

struct way {
	enum rmsg_kind kind;
	enum rmsg_type type;
	const char *name;
	enum err_code (*bytes)(struct store *st, const char *service,
	    const struct id *id, struct buf *out, struct err *e);
	struct push_files *files;
	uint64_t *done_count;
	size_t *sent; /* which of files, in order */
	size_t sent_count, answered_count;
};

static enum err_code
hear_answer(struct push *p, struct way *w, struct err *e)
{
	struct rmsg_result r;
	struct rmsg m;

	do {
		if (talk_hear(&p->first, &m, e) != ERR_NONE)
			return e->code;
	} while (m.type == RMSG_SETTLED || m.type == RMSG_GOT);
	if (m.type != RMSG_RESULT || rmsg_take_result(&r, &m, e) != ERR_NONE ||
	    r.kind != w->kind || r.ordinal != w->answered_count)
		return err_set(e, ERR_INPUT,
		    "the far side answered something else");
	if (r.why.code == ERR_NONE || r.why.code == ERR_EXISTS) {
		(*w->done_count)++;
	} else {
		p->tally->refused_count++;
		talk_problem(p, w->name,
		    &w->files->files[w->sent[w->answered_count]].id, &r.why);
	}
	w->answered_count++;
	return ERR_NONE;
}

static enum err_code
send_file(struct push *p, struct way *w, size_t i, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	const struct push_file *f = &w->files->files[i];
	struct err why = {0};

	if (w->bytes(p->store, f->service, &f->id, &bytes, &why) != ERR_NONE) {
		p->tally->damaged_count++;
		talk_problem(p, w->name, &f->id, &why);
		return ERR_NONE;
	}
	if (w->sent_count - w->answered_count == RMSG_UNANSWERED_MAX &&
	    hear_answer(p, w, e) != ERR_NONE)
		return e->code;
	w->sent[w->sent_count++] = i;
	return talk_tell(&p->first, w->type, NULL, bytes.bytes, bytes.len_bytes,
	    e);
}

static enum err_code
send_files(struct push *p, struct way *w, struct err *e)
{
	OWNED(free_mem) size_t *sent = NULL;

	sent = calloc(w->files->wanted_count + 1, sizeof(*sent));
	if (sent == NULL)
		return err_nomem(e);
	w->sent = sent;
	for (size_t i = 0; i < w->files->count; i++)
		if (w->files->files[i].wanted &&
		    send_file(p, w, i, e) != ERR_NONE)
			return e->code;
	while (w->answered_count < w->sent_count)
		if (hear_answer(p, w, e) != ERR_NONE)
			return e->code;
	return ERR_NONE;
}

static enum err_code
bytes_of_grant(struct store *st, const char *service, const struct id *id,
    struct buf *out, struct err *e)
{
	(void)service;
	return grant_bytes(st, id, out, e);
}

enum err_code
filesend_grants(struct push *p, struct err *e)
{
	struct way w = {
	    .kind = RMSG_KIND_GRANT,
	    .type = RMSG_GRANT,
	    .name = "file of grants",
	    .bytes = bytes_of_grant,
	    .files = &p->grants,
	    .done_count = &p->tally->grants_sent_count,
	};

	return send_files(p, &w, e);
}

enum err_code
filesend_snapshots(struct push *p, struct err *e)
{
	struct way w = {
	    .kind = RMSG_KIND_SNAPSHOT,
	    .type = RMSG_SNAPSHOT,
	    .name = "snapshot",
	    .bytes = store_snapshot_bytes,
	    .files = &p->snapshots,
	    .done_count = &p->tally->snapshots_sent_count,
	};

	return send_files(p, &w, e);
}

enum err_code
filesend_points(struct push *p, struct err *e)
{
	struct way w = {
	    .kind = RMSG_KIND_POINT,
	    .type = RMSG_POINT,
	    .name = "point",
	    .bytes = store_point_bytes,
	    .files = &p->points,
	    .done_count = &p->tally->points_sent_count,
	};

	return send_files(p, &w, e);
}
