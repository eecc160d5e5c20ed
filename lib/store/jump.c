#include "jump.h"

void
jump_seen(struct jump *j, uint64_t epoch, uint64_t sequence)
{
	if (epoch > j->epoch)
		j->epoch = epoch;
	if (sequence > j->sequence)
		j->sequence = sequence;
}

static enum err_code
check(const char *what, uint64_t said, uint64_t here, uint64_t most,
    struct err *e)
{
	if (said <= here || said - here <= most)
		return ERR_NONE;
	return err_set(e, ERR_REFUSED,
	    "its %s %llu is far beyond the %llu that is here", what,
	    (unsigned long long)said, (unsigned long long)here);
}

enum err_code
jump_check(const struct jump *j, uint64_t epoch, uint64_t sequence,
    struct err *e)
{
	enum err_code rc =
	    check("number", sequence, j->sequence, JUMP_SEQUENCE_MAX, e);

	return rc == ERR_NONE
	    ? check("epoch", epoch, j->epoch, JUMP_EPOCH_MAX, e)
	    : rc;
}
