#ifndef LEDGER_PARTS_H
#define LEDGER_PARTS_H

#include "db.h"
#include "draft_parts.h"
#include "head_parts.h"

#include <limits.h>

struct ledger {
	struct db db;
	struct ledger_options options;
	char *path;
	char host[HOST_NAME_MAX + 1];
	bool readonly;
	bool grouped; /* a transaction is open, for more than one append */
	struct err group_why; /* the first append that failed in it */
};

/* The record in the columns "row, bytes" of st; borrowed until the next step.
 * Its stored hash, when the statement has one at column 2, must agree. */
enum err_code ledger_record_at(struct ledger *l, sqlite3_stmt *st,
    struct record *r, struct err *e) MUST_CHECK;

/* Inside the caller's transaction; r->row is set. */
enum err_code ledger_insert(struct ledger *l, struct record *r,
    struct err *e) MUST_CHECK;
/* Where every chain ends now, into h's tips. */
enum err_code ledger_sign_tips(struct ledger *l, struct head *h,
    struct err *e) MUST_CHECK;

/* Sign a head over everything, inside the caller's transaction. */
enum err_code ledger_sign_all(struct ledger *l, struct err *e) MUST_CHECK;

#endif
