#ifndef LIB_SOURCE_SOURCE_NAMES_H
#define LIB_SOURCE_SOURCE_NAMES_H

/*
 * The names of user and group ids, each looked up once and kept: a directory
 * server may stand behind it.  Any thread.
 */

#include <bascule/base/entry.h>
#include <pthread.h>

#define SOURCE_NAMES_SLOTS 256

struct source_name {
	bool known;
	uint32_t id;
	struct entry_text name;
};

struct source_names {
	pthread_mutex_t lock;
	struct source_name users[SOURCE_NAMES_SLOTS];
	struct source_name groups[SOURCE_NAMES_SLOTS];
};

void source_names_init(struct source_names *n);
void source_names_fini(struct source_names *n);

/* Set user and group of entry; an id without a name leaves it empty. */
enum err_code source_names_set(struct source_names *n, struct entry *entry,
    struct err *e) MUST_CHECK;

#endif
