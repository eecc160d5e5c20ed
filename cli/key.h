#ifndef CLI_KEY_H
#define CLI_KEY_H

/* What the commands `bascule key ...` share. */

#include "repository.h"

#define CLI_ROLES_BYTES 32
/* "write read admin" */
void cli_key_roles(unsigned roles, char out[CLI_ROLES_BYTES]);

/*
 * A key to begin from: --from, else BASCULE_KEY_FILE, else the repository's.
 * *path is its file.  ERR_INPUT: none of these was given.
 */
enum err_code cli_key_from(const struct cli *cli, struct keyring **out,
    struct buf *path, struct err *e) MUST_CHECK;

/* The file alone. */
enum err_code cli_key_path(const struct cli *cli, struct buf *path,
    struct err *e) MUST_CHECK;

/*
 * What wraps a new file: the passphrase in --passphrase-file, else in
 * BASCULE_PASSPHRASE_FILE; empty: nothing does.
 */
enum err_code cli_key_passphrase(const struct cli *cli, struct secret *out,
    struct err *e) MUST_CHECK;

/* A new file; passphrase empty: not wrapped. */
enum err_code cli_key_write(const struct keyring *k,
    const struct secret *passphrase, const char *path,
    struct err *e) MUST_CHECK;

/* The repository takes what this writer signs, from now on. */
enum err_code cli_key_pin(struct store *st, const struct sign_public *writer,
    struct err *e) MUST_CHECK;

/*
 * The key that the shares in these files make.  ERR_KEY also when one is not
 * there or mistyped.
 */
enum err_code cli_key_combine(struct keyring **out, char *const *paths,
    size_t count, struct err *e) MUST_CHECK;

#define CLI_KEY_FROM                                                        \
	{                                                                   \
		"from", 0, "KEYFILE",                                       \
		    "the key to begin from (default: BASCULE_KEY_FILE, or " \
		    "that of -r)"                                           \
	}
#define CLI_KEY_PASSPHRASE                                               \
	{                                                                \
		"passphrase-file", 0, "FILE",                            \
		    "wrap the new file with the passphrase in this one " \
		    "(default: "                                         \
		    "BASCULE_PASSPHRASE_FILE)"                           \
	}

#endif
