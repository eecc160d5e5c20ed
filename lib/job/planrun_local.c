/*
 * What is done upon this machine itself, in the attempt's process: a program, a
 * check.  In a test this is inside the cell, in a live move it is the truth.
 */

#include "planrun_local.h"

#include <string.h>

#include "planrun_check.h"
#include "planrun_program.h"

void
planrun_local_note(struct planrun_attempt_report *r,
    const struct planrun_said *s)
{
	size_t keep = sizeof(r->output) - 1, len = s->tail.len_bytes;

	r->exit_status = s->exit_status;
	r->signal = s->signal;
	r->is_unreached = s->was_unreached;
	r->has_output = !id_is_none(&s->hash);
	r->output_bytes = s->bytes;
	r->output_hash = s->hash;
	r->output_kept_bytes = len < keep ? len : keep;
	if (len > 0)
		memcpy(r->output, s->tail.bytes + len - r->output_kept_bytes,
		    r->output_kept_bytes);
}

enum err_code
planrun_local_run(const struct planrun_task *t, const struct planrun_words *w,
    struct planrun_attempt_report *r, struct err *e)
{
	OWNED(planrun_program_fini) struct planrun_said said = {0};
	struct planrun_program p = {.argv = w->argv,
	    .run = t->run->run,
	    .step = w->step,
	    .sandbox = t->values->sandbox,
	    .timeout_ns = w->timeout_ns};
	enum err_code rc = planrun_program_run(&p, &said, e);

	if (rc == ERR_NONE)
		rc = planrun_program_judge(&said, w->argv[0], e);
	planrun_local_note(r, &said);
	r->is_uncertain = said.was_lost && t->effects->dies_uncertain;
	return rc;
}

enum err_code
planrun_local_check(const struct planrun_task *t,
    struct planrun_attempt_report *r, struct err *e)
{
	OWNED(planrun_program_fini)
	struct planrun_said said = {.exit_status = -1};
	OWNED(buf_fini) struct buf note = {0};
	struct planrun_question q = {.check = &t->step->check,
	    .values = t->values,
	    .program = {.run = t->run->run,
		.step = t->step->name,
		.sandbox = t->values->sandbox},
	    .timeout_ns = t->step->timeout_ns};
	enum err_code rc = planrun_check(&q, &said, &note, e);

	planrun_local_note(r, &said);
	snprintf(r->note, sizeof(r->note), "%s", buf_text(&note));
	return rc;
}
