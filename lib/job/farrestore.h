#ifndef JOB_FARRESTORE_H
#define JOB_FARRESTORE_H

/*
 * A snapshot's tree, or one file of it, onto another host over SFTP.
 *
 * Nothing is written or removed but beneath `to` (for a file: it, and the name it
 * has until it is whole).  What has the size and the second of its entry is
 * taken for the same.  Afterwards everything is listed again and compared.
 */

#include "planrun_restore.h"

#include <bascule/source.h>

struct farrestore_options {
	const struct source_host *host;
	struct id root;
	const char *subtree; /* as paths are in the map; "" is all */
	bool is_file;        /* it is no directory: `to` is its own name */
	const char *to;      /* absolute */
	bool deletes;
};

struct farrestore_result {
	uint64_t files_count, bytes; /* written, and there already */
	uint64_t same_count, deleted_count;
	uint64_t failed_count, differ_count;
	char first_fault[256];
	/* What SFTP cannot hold, or the server did not take. */
	uint64_t left_out_count; /* devices, pipes, sockets */
	uint64_t copies_count;   /* further names of files, as copies */
	uint64_t plain_count;    /* entries with ACLs, attributes, flags */
	uint64_t meta_failed_count, reconnected_count;
	bool owners_left, not_atomic, not_synced;
};

/*
 * ERR_CORRUPT: not all of it is there as it was saved.  Whatever happened, *out
 * says how far it came, and a second run goes on from there.
 */
enum err_code farrestore_run(struct store *st,
    const struct farrestore_options *opt, struct farrestore_result *out,
    struct err *e) MUST_CHECK;

/* What was lost on the way, as words for people: "; ...", or "". */
void farrestore_say(const struct farrestore_result *r, char *out, size_t size);

#endif
