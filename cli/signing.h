#ifndef CLI_SIGNING_H
#define CLI_SIGNING_H

/*
 * The site's ledger, and the key that signs its heads, for what is taken away
 * from here: evidence packs and battle boxes.
 */

#include <stdbool.h>

#include <bascule/crypt.h>

#include "cli.h"

struct signing {
	struct sign_key *key; /* NULL: nobody */
	bool was_asked;       /* else it was found beside the ledger */
	char signer[SIGN_FINGERPRINT_SIZE];
	char why_not[ERR_TEXT_BYTES];
};
void signing_fini(struct signing *s);

/* Its path, asked of the daemon, which signs a head first.  The exit code;
 * what failed was said. */
int signing_ledger(struct cli *cli, struct buf *path);

/*
 * The key that --sign-key names, or the one beside that ledger: it is not every
 * reader's, and a copy of the ledger has none; then key is NULL and why_not
 * says why.
 */
enum err_code signing_find(struct cli *cli, struct signing *s,
    const char *ledger, struct err *e) MUST_CHECK;

/* "the WHAT is signed by ...", or that it is not. */
void signing_say(const struct signing *s, const char *what);

#endif
