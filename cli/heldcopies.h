#ifndef CLI_HELDCOPIES_H
#define CLI_HELDCOPIES_H

/* The copies of other sites' ledgers that are held beside one (peers/SITE.db). */

#include <bascule/ledger.h>

#define HELDCOPIES_MAX 8

struct heldcopies {
	struct ledger *items[HELDCOPIES_MAX];
	size_t count;
};

/* Of the ledger at that path; none is no error.  A copy that cannot be opened
 * is: what it holds must not be missing unseen. */
enum err_code heldcopies_open(struct heldcopies *c, const char *ledger,
    struct err *e) MUST_CHECK;
void heldcopies_fini(struct heldcopies *c);

#endif
