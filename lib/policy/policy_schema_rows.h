#ifndef POLICY_SCHEMA_ROWS_H
#define POLICY_SCHEMA_ROWS_H

/* How a row of the tables is written, for the units that hold them. */

#include "policy_schema.h"

#define AT(rec, member) .offset = offsetof(struct rec, member)
#define AT2(rec, member, more) \
	AT(rec, member), .second = offsetof(struct rec, more)
#define LIST(rec, member, count, of) \
	.type = TYPE_LIST, AT2(rec, member, count), .group = &(of)
#define SUB(rec, member, of) .type = TYPE_GROUP, AT(rec, member), .group = &(of)
#define GROUP(var, label, rec, list, text)                     \
	static const struct policy_group var = {.name = label, \
	    .size_bytes = sizeof(struct rec),                  \
	    .settings = list,                                  \
	    .count = COUNT_OF(list),                           \
	    .help = text}
#define NEED      .flags = SETTING_REQUIRED
#define VARS      .flags = SETTING_VARIABLES
#define WORDS     .flags = SETTING_VARIABLES | SETTING_NOT_EMPTY
#define SHARED    .flags = SETTING_SHARED
#define LATER     .flags = SETTING_LATER
#define S         NS_PER_S
#define MINUTE    (60 * S)
#define HOUR      (60 * MINUTE)
#define DAY       (24 * HOUR)
#define COUNT_MAX 1000000

/* "viewer", "auditor", ...: in the order of enum role. */
extern const char *const policy_schema_roles[];

#endif
