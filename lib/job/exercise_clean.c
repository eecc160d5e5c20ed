#include <string.h>
#include <sys/stat.h>

#include "exercise_parts.h"
#include "exercise_sandbox.h"
#include "exercise_sweep.h"

/* The first failure stands; the rest is done all the same. */
static void
keep_first(enum err_code *rc, struct err *e, enum err_code next,
    const struct err *why)
{
	if (next == ERR_NONE || *rc != ERR_NONE)
		return;
	*rc = next;
	*e = *why;
}

enum err_code
exercise_clean_processes(struct exercise *x, struct err *e)
{
	enum err_code rc = ERR_NONE, one;
	struct err why = {0};
	size_t swept = 0;

	if (x->cell != NULL) {
		one = exercise_cell_kill(x->cell, &why);
		keep_first(&rc, e, one, &why);
		if (one == ERR_NONE)
			exercise_cell_free(&x->cell);
	}
	one = exercise_sweep(x->o->run, x->sandbox, &swept, &why);
	keep_first(&rc, e, one, &why);
	return rc;
}

enum err_code
exercise_clean(struct exercise *x, char *what, size_t what_bytes, struct err *e)
{
	enum err_code rc = exercise_clean_processes(x, e);

	if (rc == ERR_NONE && x->sandbox != NULL)
		rc = exercise_sandbox_remove(x->sandbox, e);
	snprintf(what, what_bytes,
	    "%zu undone in reverse order, %zu undos failed; %s; %s",
	    x->undone_count, x->undo_failed_count,
	    rc == ERR_NONE ? "no process of the run is left"
			   : "processes or files may be left",
	    rc == ERR_NONE ? "the sandbox is removed" : e->text);
	return rc;
}

enum err_code
exercise_clean_look(const char *run, const char *sandbox,
    struct exercise_remains *out, struct err *e)
{
	struct stat st;

	*out = (struct exercise_remains){
	    .has_sandbox = sandbox != NULL && lstat(sandbox, &st) == 0};
	return exercise_sweep_count(run, sandbox, &out->processes_count, e);
}
