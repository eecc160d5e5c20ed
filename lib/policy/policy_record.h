#ifndef POLICY_RECORD_H
#define POLICY_RECORD_H

/* From libconfig's trees into the structs of policy.h, by the tables. */

#include <libconfig.h>

#include "policy_scan.h"
#include "policy_schema.h"

/* Passed down through the records of one file. */
struct policy_record_load {
	struct policy_memory *m;
	struct policy_problems *ps;
	const struct policy_scan *scan;
	struct err *e;
	enum err_code rc; /* out of memory: nothing more is loaded */
};

/* A text array of no words; never NULL. */
extern const struct policy_texts policy_record_no_texts;

/*
 * Fill in record (zeroed) from node; path is the dotted name of the group.
 * node NULL: everything gets its default.
 */
void policy_record_fill(struct policy_record_load *ld,
    const struct policy_group *g, const config_setting_t *node,
    const char *path, void *record);

/* Load one written setting; *mark says where it stands afterwards. */
void policy_record_set(struct policy_record_load *ld,
    const struct policy_setting *s, const config_setting_t *node,
    const char *path, void *record, struct policy_mark *mark);

/* The problem that a node is not what the setting's type needs. */
void policy_record_wrong(struct policy_record_load *ld,
    const struct policy_setting *s, const config_setting_t *node,
    const char *path);

/* Where a node stands. */
struct policy_mark policy_record_mark(const struct policy_record_load *ld,
    const config_setting_t *node);

/* The default of one setting. */
void policy_record_default(struct policy_record_load *ld,
    const struct policy_setting *s, const char *path, void *record);

/* "There is no setting 'x'", with the nearest one there is. */
void policy_record_unknown(struct policy_record_load *ld,
    const struct policy_group *g, const config_setting_t *node,
    const char *path);

#endif
