#ifndef LIB_REPLICATE_SFTP_TARGET_H
#define LIB_REPLICATE_SFTP_TARGET_H

/*
 * One push to an SFTP server, and the units it is made of: sftp_target_file,
 * _lock, _list, _index.
 */

#include <bascule/replicate.h>
#include <bascule/ssh.h>
#include <bascule/store.h>

#define SFTP_TARGET_LOCK "tmp/sender.lock"

/* The files there whose names are hashes, by name. */
struct sftp_target_there {
	struct id id;
	uint64_t size_bytes;
};
struct sftp_target_list {
	struct sftp_target_there *files; /* sorted */
	size_t count, room;
};

struct sftp_target {
	struct store *store;
	struct sshconn *conn;
	struct sshsftp *sftp;
	struct mirror *mirror;
	const struct replicate_options *opt;
	const struct sftp_target_options *how;
	struct replicate_tally *tally;
	struct sftp_target_report *report;
	char base[SSH_PATH_BYTES_MAX + 1]; /* PATH, without a '/' at its end */
	bool locked, index_changed;
	bool dirs_stay_unflushed; /* the server cannot */
	bool replace_in_two;      /* nor rename over */
	struct sftp_target_list packs, grants;
	uint8_t pack_dirs[256]; /* of packs/: 1 there, 2 with new names */
	struct mono shown;
	char *buffers; /* two of SFTP_TARGET_PIECE */
};

#define SFTP_TARGET_PIECE ((size_t)1 << 20)

/* --- file: one file there, whole and durable ----------------------------------- */

/* Bytes in memory, or of an open file. */
struct sftp_target_source {
	const void *bytes; /* NULL: of fd */
	int fd;
	uint64_t size_bytes;
	bool counts; /* as pack bytes */
};

/* PATH/NAME into *out, cleared first. */
enum err_code sftp_target_file_path(const struct sftp_target *t,
    struct buf *out, const char *name, struct err *e) MUST_CHECK;
/*
 * name: "packs/ab/...".  Through tmp/, gone on with where an earlier run was
 * cut; durable but for its name.  ERR_EXISTS: it is there, the same;
 * ERR_CORRUPT: not the same, or it does not arrive whole.
 */
enum err_code sftp_target_file_put(struct sftp_target *t, const char *name,
    const struct sftp_target_source *src, struct err *e) MUST_CHECK;
/* In the place of what has the name; its directory is flushed, too. */
enum err_code sftp_target_file_replace(struct sftp_target *t, const char *name,
    const struct buf *bytes, struct err *e) MUST_CHECK;
/* *out replaced.  ERR_NOTFOUND; ERR_CORRUPT past max. */
enum err_code sftp_target_file_get(struct sftp_target *t, const char *name,
    size_t max_bytes, struct buf *out, struct err *e) MUST_CHECK;
/* Up to len_bytes from its begin. */
enum err_code sftp_target_file_begin(struct sftp_target *t, const char *name,
    size_t len_bytes, struct buf *out, struct err *e) MUST_CHECK;
/* Make a directory unless it is there. */
enum err_code sftp_target_file_dir(struct sftp_target *t, const char *name,
    bool *made, struct err *e) MUST_CHECK;
/* The names in a directory on disk; a server that cannot is noted. */
enum err_code sftp_target_file_flush_dir(struct sftp_target *t,
    const char *name, struct err *e) MUST_CHECK;
/* What is damaged there goes to bad/. */
enum err_code sftp_target_file_set_aside(struct sftp_target *t,
    const char *name, struct err *e) MUST_CHECK;

/* --- lock ----------------------------------------------------------------------- */

enum err_code sftp_target_lock_take(struct sftp_target *t,
    struct err *e) MUST_CHECK;
/* As well as it can be. */
void sftp_target_lock_drop(struct sftp_target *t);

/* --- list ------------------------------------------------------------------------ */

/* Files of dir ("packs/ab") with a hash for a name, added. */
enum err_code sftp_target_list_dir(struct sftp_target *t, const char *dir,
    struct sftp_target_list *out, struct err *e) MUST_CHECK;
/* All of packs/, and which of its directories there are. */
enum err_code sftp_target_list_packs(struct sftp_target *t,
    struct err *e) MUST_CHECK;
void sftp_target_list_sort(struct sftp_target_list *l);
void sftp_target_list_fini(struct sftp_target_list *l);
/* NULL: it is not there. */
const struct sftp_target_there *sftp_target_list_find(const struct
    sftp_target_list *l,
    const struct id *id);

/* --- index ------------------------------------------------------------------------ */

/*
 * What the copy's MANIFEST counts.  *is_whole false: it is missing, or names
 * what is not there.
 */
enum err_code sftp_target_index_read(struct sftp_target *t, bool *is_whole,
    struct err *e) MUST_CHECK;
/* The pack is there: count it, unless it is counted. */
enum err_code sftp_target_index_add(struct sftp_target *t,
    const struct pack_info *pack, struct err *e) MUST_CHECK;
/* Segments and MANIFEST, if there is anything new. */
enum err_code sftp_target_index_commit(struct sftp_target *t,
    struct err *e) MUST_CHECK;

#endif
