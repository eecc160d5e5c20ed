#ifndef DRAFT_PARTS_H
#define DRAFT_PARTS_H

#include "record_parts.h"

/* Where an outcome belongs: its intent's own. */
struct draft_tie {
	const char *intent;
	const char *chain;
	const char *run;
	const char *service;
};

/* What the ledger adds to a draft. */
struct draft_frame {
	uint64_t sequence;
	struct id previous;
	enum record_phase phase;
	const struct draft_tie *tie; /* NULL: an event */
	const char *site;
	const char *host;
	const char *build_id;
	int64_t clock_bound_ns;
};

/* The chain it goes to. */
const char *draft_chain(const struct draft *d);
const char *draft_type(const struct draft *d);

/* The whole record, or the draft's first fault. */
enum err_code draft_encode(const struct draft *d, const struct draft_frame *f,
    struct buf *out, struct err *e) MUST_CHECK;

#endif
