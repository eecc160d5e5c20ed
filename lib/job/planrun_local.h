#ifndef JOB_PLANRUN_LOCAL_H
#define JOB_PLANRUN_LOCAL_H

/* Effects upon this machine (struct plan_effects). */

#include "planrun.h"
#include "planrun_program.h"

enum err_code planrun_local_run(const struct planrun_task *t,
    const struct planrun_words *w, struct planrun_attempt_report *r,
    struct err *e) MUST_CHECK;
enum err_code planrun_local_check(const struct planrun_task *t,
    struct planrun_attempt_report *r, struct err *e) MUST_CHECK;
/* What a program said and how it ended, for the record. */
void planrun_local_note(struct planrun_attempt_report *r,
    const struct planrun_said *s);

#endif
