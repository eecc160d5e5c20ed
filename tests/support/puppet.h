#ifndef SUPPORT_PUPPET_H
#define SUPPORT_PUPPET_H

/*
 * In the place of a worker that is no job's (daemon/errand.h), once it is set up:
 * what it is told is kept, and it says what the test wants, when it wants it.
 * And a clock that can be put forward.
 */

#include "daemon/errand.h"

void puppet_set_up(void);
void puppet_take_down(void);

/* Has one been started, and not ended? */
bool puppet_is_there(void);
/* The lines it was told since it was asked last; the spec is none of them. */
unsigned puppet_told(void);
/* The last of them; "". */
const char *puppet_line(void);
/* It says this line of JSON; '' stand for "". */
void puppet_say(const char *line);
/* It ends by that signal. */
void puppet_die(int number);
/* The next one cannot be started. */
void puppet_refuse(void);

/* So much later. */
void puppet_pass(int64_t ns);

#endif
