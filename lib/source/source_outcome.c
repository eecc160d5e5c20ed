#include <bascule/source.h>

void
source_outcome_fini(struct source_outcome *outcome)
{
	buf_fini(&outcome->output);
	buf_fini(&outcome->stderr_tail);
}
