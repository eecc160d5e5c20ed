#ifndef LIB_SSH_IDENTITY_H
#define LIB_SSH_IDENTITY_H

#include <bascule/ssh.h>

/*
 * Look at a private key file before libssh2 does, which for every fault says
 * the same: not there, readable by others, locked by a passphrase, RSA.
 * ERR_KEY with what to do.
 */
enum err_code identity_check(const char *path, struct err *e) MUST_CHECK;

#endif
