#ifndef VIEW_H
#define VIEW_H

#include "db.h"

/* Work the record into the views; inside the transaction that adds it. */
enum err_code view_apply(struct db *db, const struct record *r,
    struct err *e) MUST_CHECK;

#endif
