/* What is done about a register that was heard: H1 to H3. */

#include <bascule/authority.h>

#include <stdio.h>
#include <string.h>

bool
hearing_drop(struct hearing *h)
{
	bool was = h->epoch != 0;

	*h = (struct hearing){0};
	return was;
}

void
hearing_begun(struct hearing *h)
{
	h->works = true;
}

void
hearing_ended(struct hearing *h, bool proved, struct mono now)
{
	h->works = false;
	h->tried = true;
	h->proved = proved;
	h->ended = now;
}

/* Is it still to be done?  Who adopted it through a move has let go as well. */
static bool
is_open(struct hearing *h, const struct hearing_of *of)
{
	if (h->epoch == 0)
		return false;
	if (of->reg->epoch < h->epoch || strcmp(of->reg->site, of->here) == 0)
		return true;
	hearing_drop(h);
	return false;
}

/* Newer news than before: what was proved was proved for the older. */
static void
take(struct hearing *h, const struct authority *heard)
{
	if (h->epoch == heard->epoch)
		return;
	*h = (struct hearing){.epoch = heard->epoch};
	snprintf(h->site, sizeof(h->site), "%s", heard->site);
}

static enum hearing_act
step_down(struct hearing *h, const struct hearing_of *of)
{
	if (of->heard->epoch < h->epoch) /* it is nothing new any more */
		return HEARING_NOTHING;
	take(h, of->heard);
	if (!of->reg->quarantined || of->reg->highest_seen < of->heard->epoch)
		return HEARING_FREEZE;
	if (h->proved || of->released >= 2)
		return HEARING_ADOPT;
	if (h->works ||
	    (h->tried && of->now.ns - h->ended.ns < HEARING_AGAIN_NS))
		return HEARING_NOTHING;
	return HEARING_FENCE;
}

/* etcd knows epochs and owners; the owner's ledger knows the state, and later. */
static bool
is_only_the_same(const struct hearing_of *of)
{
	return of->is_witness && of->heard->epoch == of->reg->epoch &&
	    strcmp(of->heard->site, of->reg->site) == 0;
}

/*
 * The taker's ledger may be heard long after etcd: what was attested to be off
 * may be on again by then, and would go on.
 */
static bool
is_still_run(const struct hearing_of *of)
{
	return of->is_witness && of->is_taken &&
	    of->heard->epoch > of->reg->epoch &&
	    strcmp(of->heard->site, of->here) != 0 &&
	    authority_may_write(of->reg, of->here);
}

enum hearing_act
hearing_next(struct hearing *h, const struct hearing_of *of,
    const struct authority **adopt)
{
	enum authority_hearing what;

	*adopt = is_only_the_same(of) ? of->reg : of->heard;
	what = authority_hear(of->reg, *adopt, of->here);
	if (of->is_witness && of->heard->epoch < of->reg->epoch)
		return HEARING_NOTHING;
	if (what == AUTHORITY_SAME)
		return of->reg->quarantined && !is_open(h, of)
		    ? HEARING_ADOPT
		    : HEARING_NOTHING;
	if (what == AUTHORITY_FOLLOW)
		return of->is_witness && of->is_a_moves ? HEARING_NOTHING
							: HEARING_ADOPT;
	if (of->is_a_moves) {
		hearing_drop(h);
		return is_still_run(of) ? HEARING_FREEZE : HEARING_NOTHING;
	}
	return strcmp(of->reg->site, of->here) == 0 ? step_down(h, of)
						    : HEARING_ADOPT;
}
