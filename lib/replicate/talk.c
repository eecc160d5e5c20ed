#include <bascule/base/le.h>
#include <bascule/base/text.h>

#include "push.h"

#define PROGRESS_NS    (250 * NS_PER_MS)
#define WORKING_MAX_NS (INT64_C(3600) * NS_PER_S)
#define IDLE_WORDS_MAX 1024 /* WORKING comes every 5 s: 720 in an hour */
#define QUOTED_BYTES   160

void
talk_problem(struct push *p, const char *what, const struct id *id,
    const struct err *why)
{
	char object[ID_HEX_BYTES + 32], hex[ID_HEX_BYTES];

	snprintf(object, sizeof(object), "%s %s", what, id_hex(id, hex));
	if (p->opt->on_problem == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->opt->on_problem(p->opt->ctx, object, why);
	pthread_mutex_unlock(&p->lock);
}

void
talk_count(struct push *p, uint64_t *number, uint64_t more)
{
	pthread_mutex_lock(&p->lock);
	*number += more;
	pthread_mutex_unlock(&p->lock);
}

static enum err_code
show(struct lane *l, struct err *e)
{
	struct push *p = l->push;
	struct mono now = now_mono();
	bool stopped;

	if (p->opt->cancel != NULL && *p->opt->cancel != 0)
		return err_set(e, ERR_CANCELLED, "asked to stop");
	pthread_mutex_lock(&p->lock);
	p->tally->sent_bytes += l->link.sent_bytes - l->told_sent_bytes;
	p->tally->received_bytes +=
	    l->link.received_bytes - l->told_received_bytes;
	l->told_sent_bytes = l->link.sent_bytes;
	l->told_received_bytes = l->link.received_bytes;
	if (now.ns - p->shown.ns >= PROGRESS_NS) {
		p->shown = now;
		if (p->opt->on_progress != NULL)
			p->opt->on_progress(p->opt->ctx, p->tally);
	}
	stopped = p->stopped;
	pthread_mutex_unlock(&p->lock);
	return stopped ? err_set(e, ERR_CANCELLED, "another connection failed")
		       : ERR_NONE;
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
hear_settled(struct lane *l, const struct rmsg *m, struct err *e)
{
	struct le_reader r;
	uint64_t count;

	le_init(&r, m->bytes, m->len_bytes);
	count = le_take64(&r);
	if (!le_done(&r) || count < l->settled_count || count > l->sent_count)
		return err_set(e, ERR_INPUT, "malformed SETTLED message");
	for (; l->settled_count < count; l->settled_count++)
		l->unsettled_bytes -=
		    l->push->packs.packs[l->sent[l->settled_count].pack]
			.size_bytes;
	return ERR_NONE;
}

static enum err_code
hear_got(struct lane *l, const struct rmsg *m, struct err *e)
{
	struct le_reader r;
	uint64_t bytes;

	le_init(&r, m->bytes, m->len_bytes);
	bytes = le_take64(&r);
	return !le_done(&r) || !flight_got(&l->flight, bytes, now_mono())
	    ? err_set(e, ERR_INPUT, "malformed GOT message")
	    : ERR_NONE;
}

/*
 * What became of a pack.  One that was put together from what was there may
 * have been so from something torn or damaged: then all of it is sent, once.
 */
static enum err_code
hear_result(struct lane *l, const struct rmsg *m, struct err *e)
{
	struct push *p = l->push;
	const struct push_sent *sent;
	struct rmsg_result r;

	if (rmsg_take_result(&r, m, e) != ERR_NONE)
		return e->code;
	/* Of each once, in order: nobody is told of one without end. */
	if (r.kind != RMSG_KIND_PACK || r.ordinal >= l->sent_count ||
	    r.ordinal < l->judged_count)
		return err_set(e, ERR_INPUT, "a RESULT out of turn");
	l->judged_count = (uint64_t)r.ordinal + 1;
	if (r.why.code == ERR_NONE || r.why.code == ERR_EXISTS)
		return ERR_NONE;
	sent = &l->sent[r.ordinal];
	if (sent->derived) {
		pthread_mutex_lock(&p->lock);
		p->fates[sent->pack].again = true;
		p->tally->packs_sent_count--;
		pthread_mutex_unlock(&p->lock);
		return ERR_NONE;
	}
	talk_count(p, &p->tally->refused_count, 1);
	talk_problem(p, "pack", &p->packs.packs[sent->pack].name, &r.why);
	return ERR_NONE;
}

/*
 * The far side's first words are not ours: a login shell's greeting, a
 * program that is not bascule.  Quote them, it is the quickest explanation.
 */
static enum err_code
not_serving(struct lane *l, struct err *e)
{
	OWNED(buf_fini) struct buf quoted = {0};
	size_t len;
	const uint8_t *rest = rlink_rest(&l->link, &len);

	len = len < QUOTED_BYTES ? len : QUOTED_BYTES;
	if (text_escape(&quoted, (const char *)rest, len, e) != ERR_NONE)
		return e->code;
	err_set(e, ERR_INPUT, "the far side does not speak store serve: '%s'",
	    buf_text(&quoted));
	return err_hint(e,
	    "is bascule there, and does the account's shell "
	    "print nothing of its own?");
}

/* A word that says no more than the one before is a sign of life at most. */
static bool
is_progress(const struct lane *l, const struct rmsg *m)
{
	bool is_count = m->len_bytes == 8;

	switch (m->type) {
	/* Who fetches waits for its other connections, however long. */
	case RMSG_WORKING: return (l->welcome.features & RMSG_PARTS) != 0;
	case RMSG_SETTLED:
		return is_count && le_get64(m->bytes) > l->settled_count;
	case RMSG_GOT:
		return is_count && le_get64(m->bytes) > l->flight.got_bytes;
	default: return true;
	}
}

/* How long may somebody only say that he is there, and how often? */
static enum err_code
bear(struct lane *l, const struct rmsg *m, struct err *e)
{
	struct mono now = now_mono();

	if (is_progress(l, m)) {
		l->heard = now;
		l->idle_words_count = 0;
		return ERR_NONE;
	}
	if (now.ns - l->heard.ns > WORKING_MAX_NS)
		return err_set(e, ERR_TIMEOUT,
		    "the far side has been busy for an hour");
	return ++l->idle_words_count <= IDLE_WORDS_MAX
	    ? ERR_NONE
	    : err_set(e, ERR_INPUT, "the far side says the same without end");
}

/* The next message that is not only news; those are dealt with here. */
enum err_code
talk_hear(struct lane *l, struct rmsg *m, struct err *e)
{
	for (;;) {
		bool ended, first = l->link.received_bytes == 0;
		enum err_code rc = rlink_read(&l->link, m, &ended, e);

		if (first && (rc == ERR_INPUT || rc == ERR_TIMEOUT) &&
		    l->link.received_bytes > 0)
			return not_serving(l, e);
		if (rc != ERR_NONE)
			return rc;
		if (ended)
			return err_set(e, ERR_IO, "the far side ended%s",
			    first ? " without a word" : " too early");
		if (bear(l, m, e) != ERR_NONE)
			return e->code;
		if (m->type == RMSG_FAIL)
			return hear_fail(m, e);
		if (show(l, e) != ERR_NONE)
			return e->code;
		if (m->type == RMSG_SETTLED)
			return hear_settled(l, m, e);
		if (m->type != RMSG_WORKING)
			return ERR_NONE;
	}
}

/* The next message of this type; results of packs may come before it. */
enum err_code
talk_expect(struct lane *l, enum rmsg_type type, struct rmsg *m, struct err *e)
{
	for (;;) {
		if (talk_hear(l, m, e) != ERR_NONE)
			return e->code;
		if (m->type == RMSG_LACK && framesend_hear(l, m, e) != ERR_NONE)
			return e->code;
		if (m->type == RMSG_GOT && hear_got(l, m, e) != ERR_NONE)
			return e->code;
		if (m->type == type)
			return ERR_NONE;
		if (m->type == RMSG_RESULT) {
			if (hear_result(l, m, e) != ERR_NONE)
				return e->code;
		} else if (m->type == RMSG_HELLO) {
			return err_set(e, ERR_REFUSED,
			    "the far side is a sender, too: what may be done "
			    "there is to get, not to put");
		} else if (m->type != RMSG_LACK && m->type != RMSG_GOT &&
		    m->type != RMSG_SETTLED) {
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
last_words(struct lane *l, struct err *e)
{
	struct err heard = {0};
	struct rmsg m;
	bool ended;

	if (e->code == ERR_CANCELLED || e->code == ERR_NOMEM)
		return e->code;
	while (rlink_read(&l->link, &m, &ended, &heard) == ERR_NONE && !ended)
		if (m.type == RMSG_FAIL && hear_fail(&m, &heard) != ERR_NONE) {
			*e = heard;
			break;
		}
	return e->code;
}

enum err_code
talk_tell(struct lane *l, enum rmsg_type type, const struct buf *head,
    const void *bytes, size_t len_bytes, struct err *e)
{
	if (rlink_send(&l->link, type, head, bytes, len_bytes, e) != ERR_NONE)
		return last_words(l, e);
	return show(l, e);
}

enum err_code
talk_tell_body(struct lane *l, enum rmsg_type type, size_t len_bytes,
    struct err *e)
{
	if (rlink_send_framed(&l->link, type, l->body.bytes, len_bytes, e) !=
	    ERR_NONE)
		return last_words(l, e);
	return show(l, e);
}
