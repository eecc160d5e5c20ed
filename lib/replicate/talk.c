#include <bascule/base/le.h>
#include <bascule/base/text.h>

#include "push.h"

#define PROGRESS_NS    (250 * NS_PER_MS)
#define WORKING_MAX_NS (INT64_C(3600) * NS_PER_S)
#define QUOTED_BYTES   160

void
talk_problem(struct push *p, const char *what, const struct id *id,
    const struct err *why)
{
	char object[ID_HEX_BYTES + 32], hex[ID_HEX_BYTES];

	snprintf(object, sizeof(object), "%s %s", what, id_hex(id, hex));
	if (p->opt->on_problem != NULL)
		p->opt->on_problem(p->opt->ctx, object, why);
}

static enum err_code
show(struct push *p, struct err *e)
{
	struct mono now = now_mono();

	if (p->opt->cancel != NULL && *p->opt->cancel != 0)
		return err_set(e, ERR_CANCELLED, "asked to stop");
	p->tally->sent_bytes = p->link.sent_bytes;
	p->tally->received_bytes = p->link.received_bytes;
	if (now.ns - p->shown.ns >= PROGRESS_NS) {
		p->shown = now;
		if (p->opt->on_progress != NULL)
			p->opt->on_progress(p->opt->ctx, p->tally);
	}
	return ERR_NONE;
}

/* --- hearing --- */

static enum err_code
hear_fail(const struct rmsg *m, struct err *e)
{
	struct err why;

	if (rmsg_take_fail(&why, m, e) != ERR_NONE)
		return e->code;
	*e = why;
	return err_wrap(e, "the far side");
}

/* How many packs are settled; what they weighed is no longer in flight. */
static enum err_code
hear_settled(struct push *p, const struct rmsg *m, struct err *e)
{
	struct le_reader r;
	uint64_t count;

	le_init(&r, m->bytes, m->len_bytes);
	count = le_take64(&r);
	if (!le_done(&r) || count < p->settled_count || count > p->sent_count)
		return err_set(e, ERR_INPUT, "malformed SETTLED message");
	for (; p->settled_count < count; p->settled_count++)
		p->unsettled_bytes -=
		    p->packs.packs[p->sent[p->settled_count]].size_bytes;
	return ERR_NONE;
}

static enum err_code
hear_result(struct push *p, const struct rmsg *m, struct err *e)
{
	struct rmsg_result r;

	if (rmsg_take_result(&r, m, e) != ERR_NONE)
		return e->code;
	if (r.kind != RMSG_KIND_PACK || r.ordinal >= p->sent_count)
		return err_set(e, ERR_INPUT, "a RESULT out of turn");
	if (r.why.code == ERR_NONE || r.why.code == ERR_EXISTS)
		return ERR_NONE;
	p->tally->refused_count++;
	talk_problem(p, "pack", &p->packs.packs[p->sent[r.ordinal]].name,
	    &r.why);
	return ERR_NONE;
}

/*
 * The far side's first words are not ours: a login shell's greeting, a
 * program that is not bascule.  Quote them, it is the quickest explanation.
 */
static enum err_code
not_serving(struct push *p, struct err *e)
{
	OWNED(buf_fini) struct buf quoted = {0};
	size_t len;
	const uint8_t *rest = rlink_rest(&p->link, &len);

	len = len < QUOTED_BYTES ? len : QUOTED_BYTES;
	if (text_escape(&quoted, (const char *)rest, len, e) != ERR_NONE)
		return e->code;
	err_set(e, ERR_INPUT, "the far side does not speak store serve: '%s'",
	    buf_text(&quoted));
	return err_hint(e,
	    "is bascule there, and does the account's shell "
	    "print nothing of its own?");
}

/* The next message that is not only news; those are dealt with here. */
enum err_code
talk_hear(struct push *p, struct rmsg *m, struct err *e)
{
	for (;;) {
		bool ended, first = p->link.received_bytes == 0;
		enum err_code rc = rlink_read(&p->link, m, &ended, e);

		if (first && (rc == ERR_INPUT || rc == ERR_TIMEOUT) &&
		    p->link.received_bytes > 0)
			return not_serving(p, e);
		if (rc != ERR_NONE)
			return rc;
		if (ended)
			return err_set(e, ERR_IO, "the far side ended%s",
			    first ? " without a word" : " too early");
		if (m->type != RMSG_WORKING) {
			p->heard = now_mono();
		} else if (now_mono().ns - p->heard.ns > WORKING_MAX_NS) {
			return err_set(e, ERR_TIMEOUT,
			    "the far side has been busy for an hour");
		}
		if (m->type == RMSG_FAIL)
			return hear_fail(m, e);
		if (show(p, e) != ERR_NONE)
			return e->code;
		if (m->type == RMSG_SETTLED)
			return hear_settled(p, m, e);
		if (m->type != RMSG_WORKING)
			return ERR_NONE;
	}
}

/* The next message of this type; results of packs may come before it. */
enum err_code
talk_expect(struct push *p, enum rmsg_type type, struct rmsg *m, struct err *e)
{
	for (;;) {
		if (talk_hear(p, m, e) != ERR_NONE)
			return e->code;
		if (m->type == type)
			return ERR_NONE;
		if (m->type == RMSG_RESULT) {
			if (hear_result(p, m, e) != ERR_NONE)
				return e->code;
		} else if (m->type != RMSG_SETTLED) {
			return err_set(e, ERR_INPUT,
			    "the far side sent a message of type %u out of "
			    "turn",
			    (unsigned)m->type);
		}
	}
}

/*
 * Sending failed because the far side has gone: if it said why before it
 * went, that is the better error.
 */
static enum err_code
last_words(struct push *p, struct err *e)
{
	struct err heard = {0};
	struct rmsg m;
	bool ended;

	if (e->code == ERR_CANCELLED || e->code == ERR_NOMEM)
		return e->code;
	while (rlink_read(&p->link, &m, &ended, &heard) == ERR_NONE && !ended)
		if (m.type == RMSG_FAIL && hear_fail(&m, &heard) != ERR_NONE) {
			*e = heard;
			break;
		}
	return e->code;
}

enum err_code
talk_tell(struct push *p, enum rmsg_type type, const struct buf *head,
    const void *bytes, size_t len_bytes, struct err *e)
{
	if (rlink_send(&p->link, type, head, bytes, len_bytes, e) != ERR_NONE)
		return last_words(p, e);
	return show(p, e);
}
