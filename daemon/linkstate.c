#include "linkstate.h"

static bool
become(struct linkstate *l, enum linkstate_is is, struct utc now)
{
	*l = (struct linkstate){is, 0, now};
	return true;
}

bool
linkstate_next(struct linkstate *l, const struct linkstate_rule *rule,
    bool answered, struct utc now)
{
	uint32_t needed =
	    answered ? rule->up_after_count : rule->down_after_count;

	if (answered && l->is == LINKSTATE_UNKNOWN)
		return become(l, LINKSTATE_UP, now);
	if (l->is != LINKSTATE_UNKNOWN && answered == (l->is == LINKSTATE_UP)) {
		l->run_count = 0;
		return false;
	}
	if (++l->run_count < needed)
		return false;
	return become(l, answered ? LINKSTATE_UP : LINKSTATE_DOWN, now);
}

const char *
linkstate_name(enum linkstate_is is)
{
	static const char *const names[] = {"unknown", "up", "down"};

	return names[is];
}
