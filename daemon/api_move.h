#ifndef DAEMON_API_MOVE_H
#define DAEMON_API_MOVE_H

/* What the commands about a move that was asked for share. */

#include "client.h"
#include "moves.h"

/* The first move of the run; NULL: there is none, or *e says why not.  Borrowed
 * until the next turn of the loop. */
struct movebook_item *api_move_first(struct client *c, const char *run,
    struct err *e);
/* The site at which it is to run afterwards was typed. */
enum err_code api_move_confirm(const struct move *m, const char *confirm,
    bool goes_back, struct err *e) MUST_CHECK;
/* What was said, as the last reply; what comes of it is not known yet. */
enum err_code api_move_said(struct client *c, const struct movebook_item *item,
    const char *said, bool dry_run, struct err *e) MUST_CHECK;

/* --- overrides.c: --override Gxx=REASON ---------------------------------------- */

#define OVERRIDES_MAX GUARDS_COUNT

struct overrides {
	unsigned numbers[OVERRIDES_MAX];
	char *reasons[OVERRIDES_MAX];
	size_t count;
};

/* ERR_INPUT: that is no guard, or it has no reason. */
enum err_code overrides_take(struct wire_value *request, struct overrides *o,
    struct err *e) MUST_CHECK;
void overrides_fini(struct overrides *o);
/* Only a dr-lead's.  ERR_REFUSED. */
enum err_code overrides_may(const struct client *c, const struct overrides *o,
    struct err *e) MUST_CHECK;
/* ERR_REFUSED: one of them has no override at all. */
enum err_code overrides_apply(const struct overrides *o,
    struct guards_result results[GUARDS_COUNT], struct err *e) MUST_CHECK;
/* One record each, of the whole run. */
enum err_code overrides_note(struct client *c, const struct move *m,
    const struct overrides *o, struct err *e) MUST_CHECK;
/* "G05 G08". */
#define OVERRIDES_IDS_BYTES (OVERRIDES_MAX * 4 + 1)
const char *overrides_ids(const struct overrides *o,
    char out[OVERRIDES_IDS_BYTES]);

#endif
