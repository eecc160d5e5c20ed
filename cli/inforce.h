#ifndef CLI_INFORCE_H
#define CLI_INFORCE_H

/* The policies that a daemon had in force: the copies beside its ledger. */

#include <bascule/base/buf.h>
#include <bascule/base/err.h>

struct inforce;

/* Those in the folder policy beside that database; one that cannot be read is
 * passed over: whoever asks for it is told that it is not there. */
enum err_code inforce_open(struct inforce **out, const char *ledger,
    struct err *e) MUST_CHECK;
void inforce_close(struct inforce **f);
/* An evidence_policy_fn (report.h); ctx is the struct inforce. */
enum err_code inforce_find(void *ctx, const char *digest, const char *service,
    struct buf *out, struct err *e);

#endif
