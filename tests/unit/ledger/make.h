#ifndef TESTS_LEDGER_MAKE_H
#define TESTS_LEDGER_MAKE_H

/* Ledgers for tests: a directory, a key, and short ways to fill one. */

#include <bascule/crypt.h>
#include <bascule/ledger.h>

#include "support/tmpdir.h"

struct make {
	struct tmpdir td;
	char path[128];
	struct sign_key *key;
	struct ledger_options options;
	struct ledger *l;
};

void make_setup(struct make *m);
void make_teardown(struct make *m);
void make_reopen(struct make *m);

/* An event of that type with name=value pairs up to NULL; "@run",
 * "@service", "@dataset", "@actor.name", ".role", ".council" are understood. */
struct draft *make_draft(const char *chain, const char *type, ...)
    __attribute__((sentinel));
/* The same, appended; takes the draft. */
void make_append(struct make *m, struct draft *d);

/* Run SQL on the file behind the ledger's back, triggers off. */
void make_sql(struct make *m, const char *sql);

struct ledger_verdict make_verify(struct make *m);

#endif
