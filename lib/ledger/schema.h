#ifndef SCHEMA_H
#define SCHEMA_H

#include "db.h"

/* Make the tables in an empty database, migrate an older one.  ERR_TOONEW and
 * ERR_CORRUPT leave it as it is. */
enum err_code schema_prepare(struct db *db, struct err *e) MUST_CHECK;

/* The same questions, changing nothing: also refuses an empty or older one. */
enum err_code schema_look(struct db *db, struct err *e) MUST_CHECK;

/* Empty the views' tables. */
enum err_code schema_clear_views(struct db *db, struct err *e) MUST_CHECK;

#endif
