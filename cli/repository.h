#ifndef CLI_REPOSITORY_H
#define CLI_REPOSITORY_H

/* How offline commands come by a repository, its keys and a snapshot. */

#include <bascule/crypt.h>
#include <bascule/store.h>

#include "cli.h"

enum cli_keys {
	CLI_KEYS_NONE,     /* works without any */
	CLI_KEYS_OPTIONAL, /* better with; one that is named must be there */
	CLI_KEYS_NEEDED,   /* for reading: one that may read */
	CLI_KEYS_WRITE     /* one that may write */
};

struct cli_repository {
	struct keyring *keys; /* NULL: keyless */
	struct store *store;
};

/*
 * Open what -r names, with the key in BASCULE_KEY_FILE (default: REPOSITORY
 * with ".key" behind it).  Returns EXITCODE_DONE, or has already said what is
 * wrong and returns the exit code.
 */
int cli_repository_open(struct cli *cli, enum store_access access,
    enum cli_keys keys, struct cli_repository *out);
void cli_repository_close(struct cli_repository *r);

/*
 * The key for an open repository that was opened without one, if there is one
 * that reads and nobody has to be asked for it; else NULL.
 */
const struct keyring *cli_repository_keys(struct cli *cli,
    struct cli_repository *r);

/* ERR_KEY: the key from that file is not of the repository's family. */
enum err_code cli_key_fits(const struct store *st, const struct keyring *k,
    const char *path, struct err *e) MUST_CHECK;

/* Where the key of the repository lies unless BASCULE_KEY_FILE says. */
enum err_code cli_key_file(const struct cli *cli, struct buf *out,
    struct err *e) MUST_CHECK;

/*
 * keys_load with the passphrase in BASCULE_PASSPHRASE_FILE.  Warns, once, when
 * what was loaded could be swapped out.
 */
enum err_code cli_key_load(const struct cli *cli, struct keyring **out,
    const char *path, struct err *e) MUST_CHECK;

/* BASCULE_PASSPHRASE_FILE or NULL; warns when others may read it. */
const char *cli_passphrase_file(const struct cli *cli);

/* Where state caches live; *out empty: nowhere. */
enum err_code cli_state_dir(struct buf *out, struct err *e) MUST_CHECK;

/* --- new key files (init.c) ---------------------------------------------- */

struct cli_key_files {
	struct buf operations, escrow; /* paths */
	bool operations_written, escrow_written;
};
void cli_key_files_fini(struct cli_key_files *f);

/* A new family's two key files; passphrase NULL: not wrapped. */
enum err_code cli_key_files(struct cli_key_files *f,
    const struct secret *passphrase, struct keyring **operations,
    struct err *e) MUST_CHECK;
/* Remove what was written. */
void cli_key_files_undo(struct cli_key_files *f);
/* What to escrow, and what lies bare. */
void cli_key_files_warn(const struct cli *cli, struct cli_key_files *f,
    bool wrapped);

#endif
