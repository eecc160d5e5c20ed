#include "parts.h"

#include <stdarg.h>
#include <stdio.h>

void
checking_damage(struct checking *ck, const char *object, const char *fmt, ...)
{
	char what[ERR_TEXT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	ck->tally->damage_count++;
	if (ck->opt->on_damage != NULL)
		ck->opt->on_damage(ck->opt->ctx, object, what);
}

bool
checking_is_bounded(const struct check_options *opt)
{
	return opt->sample_millipercent != 0 || opt->max_time_ns != 0;
}

enum err_code
checking_progress(struct checking *ck, uint64_t more_bytes, struct err *e)
{
	ck->done_bytes += more_bytes;
	if (ck->total_bytes < ck->done_bytes)
		ck->total_bytes = ck->done_bytes;
	if (ck->opt->on_progress != NULL &&
	    !ck->opt->on_progress(ck->opt->ctx, ck->done_bytes,
		ck->total_bytes))
		return err_set(e, ERR_CANCELLED, "the check was cancelled");
	return ERR_NONE;
}
