#ifndef CLI_BOXPARTS_H
#define CLI_BOXPARTS_H

/* What goes into a battle box and only this process can tell. */

#include <bascule/report.h>

#include "cli.h"

/* The files this program is made of: the loader, itself, its libraries. */
struct boxparts_program {
	struct box_program *files;
	size_t count;
};
void boxparts_program_fini(struct boxparts_program *p);
/* ERR_NOTFOUND: no loader, as in a program linked statically. */
enum err_code boxparts_program(struct boxparts_program *p,
    struct err *e) MUST_CHECK;

/*
 * HEADS.txt: the newest head of that ledger, and of the copies beside it.  What
 * cannot be read is left out.
 */
enum err_code boxparts_heads(const char *ledger, struct buf *out,
    struct err *e) MUST_CHECK;

#endif
