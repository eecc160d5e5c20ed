#include "parts.h"

enum err_code
store_check(struct store *st, const struct check_options *opt,
    struct check_tally *out, struct err *e)
{
	struct checking ck = {.store = st, .opt = opt, .tally = out};

	return checking_run(&ck, e);
}
