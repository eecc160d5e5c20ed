#ifndef DAEMON_MOVEAHEAD_H
#define DAEMON_MOVEAHEAD_H

/*
 * What a person's word would lead to: the turns that both sites would take, as
 * lib/authority decides them, over a copy of what is on record.  Each act is
 * taken to succeed, and no guard to let through, unless that is said.  Pure:
 * nothing is recorded.
 */

#include <bascule/authority.h>

struct moveahead {
	struct move m;
	struct {
		const char *site;
		struct authority reg;
		struct move_facts facts;
		char said[MOVE_WHY_BYTES]; /* why it does nothing; "" */
	} sides[2];                        /* this site, the other */
	unsigned turns_count;
};

struct moveahead_line {
	const char *site;
	const char *what;         /* an act, or what is recorded; "" it rests */
	char why[MOVE_WHY_BYTES]; /* in the turn's own words */
};

/*
 * facts are this site's, who says the word; what the other sees is taken to be
 * what both know.  ERR_REFUSED: the word does not fit.
 */
enum err_code moveahead_begin(struct moveahead *a, const struct move *m,
    const char *here, const struct move_facts *facts, enum move_event_kind word,
    struct err *e) MUST_CHECK;
/* Every guard from here on does: whoever asks has judged them, or says so. */
void moveahead_let_through(struct moveahead *a);
/* The next turn that is taken; false: both rest. */
bool moveahead_next(struct moveahead *a, struct moveahead_line *line);

#endif
