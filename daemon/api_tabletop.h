#ifndef DAEMON_API_TABLETOP_H
#define DAEMON_API_TABLETOP_H

/* What the commands of all exercises leave to those of tabletops. */

#include <bascule/plan.h>

#include "client.h"

struct saying;

/* "exercise start" of mode tabletop; takes the rest of the request. */
enum err_code api_tabletop_draft(struct client *c, struct wire_value *request,
    struct err *e) MUST_CHECK;
/* Say it as the caller, and answer with the exercise as it is then. */
enum err_code api_tabletop_say(struct client *c, const char *run,
    enum tabletop_verb verb, struct saying *s, struct err *e) MUST_CHECK;

#endif
