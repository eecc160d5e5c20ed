#include <stdlib.h>
#include <string.h>

#include "push.h"

/*
 * A pack of which the far side holds many frames in others: these are not sent.
 * Questions go out ahead of the packs and answers come when they come.
 */

static struct push_asked *
slot(struct lane *l, uint32_t ordinal)
{
	return &l->asked[ordinal % PUSH_AHEAD_COUNT];
}

static void
asked_fini(struct push_asked *a)
{
	store_frames_fini(&a->frames);
	free(a->bits);
	memset(a, 0, sizeof(*a));
}

void
framesend_fini(struct lane *l)
{
	for (size_t i = 0; i < PUSH_AHEAD_COUNT; i++)
		asked_fini(&l->asked[i]);
}

enum err_code
framesend_ask(struct lane *l, uint32_t ordinal, int fd, struct err *e)
{
	OWNED(buf_fini) struct buf payload = {0};
	struct push_asked *a = slot(l, ordinal);
	struct err ignored = {0};

	asked_fini(a);
	a->ordinal = ordinal;
	if (store_frames_read(&a->frames, fd, &ignored) != ERR_NONE ||
	    a->frames.count == 0 || a->frames.count > RMSG_FRAMES_MAX)
		return ERR_NONE; /* it goes as a whole */
	if (rmsg_put_frames(&payload, ordinal, a->frames.frames,
		a->frames.count, NULL, e) != ERR_NONE)
		return e->code;
	a->is_open = true;
	return talk_tell(l, RMSG_FRAMES, &payload, NULL, 0, e);
}

/* The question that was put first and has no answer yet. */
static struct push_asked *
oldest(struct lane *l)
{
	struct push_asked *found = NULL;

	for (size_t i = 0; i < PUSH_AHEAD_COUNT; i++)
		if (l->asked[i].is_open &&
		    (found == NULL || l->asked[i].ordinal < found->ordinal))
			found = &l->asked[i];
	return found;
}

enum err_code
framesend_hear(struct lane *l, const struct rmsg *m, struct err *e)
{
	struct push_asked *a = oldest(l);
	const uint8_t *lack;
	uint32_t ordinal;
	size_t bits_bytes;

	if (a == NULL)
		return err_set(e, ERR_INPUT, "a LACK out of turn");
	if (rmsg_take_lack(&ordinal, &lack, a->frames.count, m, e) != ERR_NONE)
		return e->code;
	if (ordinal != a->ordinal)
		return err_set(e, ERR_INPUT, "a LACK of another pack");
	bits_bytes = (a->frames.count + 7) / 8;
	a->bits = malloc(bits_bytes);
	if (a->bits == NULL)
		return err_nomem(e);
	memcpy(a->bits, lack, bits_bytes);
	for (size_t i = 0; i < a->frames.count; i++)
		if (!rmsg_bit(a->bits, i))
			a->here_bytes += a->frames.frames[i].len_bytes;
	a->is_open = false;
	return ERR_NONE;
}

/* Less than an eighth is not worth the reading over there. */
enum err_code
framesend_await(struct lane *l, const struct push_sending *s, bool *composed,
    struct err *e)
{
	struct push_asked *a = slot(l, s->ordinal);

	*composed = false;
	while (a->is_open && a->ordinal == s->ordinal) {
		struct rmsg m;

		if (talk_expect(l, RMSG_LACK, &m, e) != ERR_NONE)
			return e->code;
	}
	*composed = a->bits != NULL && a->ordinal == s->ordinal &&
	    a->here_bytes > s->size_bytes / 8;
	return ERR_NONE;
}

/* Runs of what comes: the pack's head, the frames that lack, its footer. */
static enum err_code
send_runs(struct lane *l, const struct push_sending *s,
    const struct push_asked *a, struct err *e)
{
	uint64_t from = 0, at = RMSG_PACK_HEAD;

	for (size_t i = 0; i < a->frames.count; i++) {
		if (!rmsg_bit(a->bits, i)) {
			if (from < at &&
			    packsend_range(l, s->fd, from, at, e) != ERR_NONE)
				return e->code;
			from = at + a->frames.frames[i].len_bytes;
		}
		at += a->frames.frames[i].len_bytes;
	}
	return packsend_range(l, s->fd, from, s->size_bytes, e);
}

enum err_code
framesend_send(struct lane *l, const struct push_sending *s, struct err *e)
{
	OWNED(buf_fini) struct buf payload = {0};
	const struct push_asked *a = slot(l, s->ordinal);

	talk_count(l->push, &l->push->tally->composed_bytes, a->here_bytes);
	if (rmsg_put_frames(&payload, s->ordinal, a->frames.frames,
		a->frames.count, a->bits, e) != ERR_NONE ||
	    talk_tell(l, RMSG_COMPOSE, &payload, NULL, 0, e) != ERR_NONE ||
	    packsend_note(l, s->pack, true, e) != ERR_NONE)
		return e->code;
	return send_runs(l, s, a, e);
}
