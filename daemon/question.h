#ifndef DAEMON_QUESTION_H
#define DAEMON_QUESTION_H

/*
 * What a job's worker asks of people, "ask" and "answer" of
 * docs/protocol/worker.md: kept with the job until somebody answers.
 */

#include "daemon.h"

struct question {
	struct question *next;
	char *name; /* of the step */
	char *text;
	char verbs[48]; /* what may be answered, blanks between */
	enum role role; /* who may answer */
	struct utc asked, deadline;
};

/* The worker's event: the job waits.  Without memory it is the worker's own
 * time limit that ends it. */
void question_ask(struct job *j, struct wire_value *ev);

/*
 * The answer, to the worker: {"answer":NAME, verb, reason, by}.
 * ERR_NOTFOUND: nobody asked that; ERR_REFUSED: not this role; ERR_INPUT: no
 * word that this question takes.  One that is refused is asked still.
 */
struct question_word {
	const char *verb, *reason, *by;
	uint32_t roles; /* of whoever says it */
};
enum err_code question_answer(struct job *j, const char *name,
    const struct question_word *w, struct err *e) MUST_CHECK;

void question_free_all(struct job *j);

#endif
