#ifndef POLICY_SCAN_H
#define POLICY_SCAN_H

/*
 * From files to one text that libconfig may have: includes are resolved here,
 * and what libconfig 1.5 would do silently wrong is refused here.
 *
 * S1. No '@' outside a text is left: libconfig never opens a file itself.
 * S2. Every line of the result knows the file and line it came from.
 * S3. Numbers fit into 32 bits; nesting and the number of names are bounded.
 */

#include "policy_file.h"
#include "policy_problem.h"

#define POLICY_SCAN_DEPTH_MAX 8     /* includes within includes */
#define POLICY_SCAN_FILES_MAX 256   /* included by one file */
#define POLICY_SCAN_NEST_MAX  16    /* brackets within brackets */
#define POLICY_SCAN_NAMES_MAX 20000 /* libconfig compares each with each */

struct policy_scan {
	/* set by the caller */
	const struct policy_file_source *src;
	struct policy_memory *m;
	struct policy_problems *ps;
	/* the result */
	struct buf text;
	struct policy_mark *lines; /* lines[0]: where line 1 came from */
	size_t line_count, lines_size;
	bool is_broken;  /* problems were found that make parsing useless */
	bool is_partial; /* something is left out: names may be missing */
};

void policy_scan_fini(struct policy_scan *sc);

/*
 * Problems go to ps; an error is returned only when memory runs out.
 * named_at: where path is named, for the problem that it cannot be read.
 */
enum err_code policy_scan_read(struct policy_scan *sc,
    const struct policy_mark *named_at, const char *path,
    struct err *e) MUST_CHECK;

/* Where line (from 1) of the text came from. */
struct policy_mark policy_scan_origin(const struct policy_scan *sc,
    unsigned line);

#endif
