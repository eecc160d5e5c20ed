#ifndef CLI_WORDKEY_H
#define CLI_WORDKEY_H

/* A person's own key, and the words that it signs. */

#include <bascule/authority.h>
#include <bascule/crypt.h>
#include <bascule/wire.h>

#include "cli.h"

#define WORDKEY_OPTIONS                                       \
	{"key", 0, "FILE", "sign with your own key"},         \
	{                                                     \
		"passphrase-file", 0, "FILE", "that opens it" \
	}

/* The key of --key; *out NULL: none was given. */
enum err_code wordkey_read(const struct cli *cli, struct sign_key **out,
    struct err *e) MUST_CHECK;

/*
 * Sign what is said, at this moment by this machine's clock, into the request's
 * `signature`, `signer` and `said`; of->said is set.  key NULL: not signed.
 */
enum err_code wordkey_sign(const struct sign_key *key,
    struct approvals_signing *of, struct wire_value *request,
    struct err *e) MUST_CHECK;

#endif
