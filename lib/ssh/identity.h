#ifndef LIB_SSH_IDENTITY_H
#define LIB_SSH_IDENTITY_H

#include <bascule/crypt.h>
#include <bascule/ssh.h>

/*
 * Look at a private key file before libssh2 does, which for every fault says
 * the same: not there, readable by others, RSA.  ERR_KEY with what to do.
 * *locked: it needs a passphrase.
 */
enum err_code identity_check(const char *path, bool *locked,
    struct err *e) MUST_CHECK;

/*
 * The passphrase of the key at path, with a NUL behind it that is not counted:
 * the file's first line, or, when file is NULL, that of the service manager's
 * credential SSH_PASSPHRASE_CREDENTIAL.  ERR_KEY.
 */
enum err_code identity_passphrase(struct secret *out, const char *file,
    const char *path, struct err *e) MUST_CHECK;

#endif
