#ifndef JOB_PLANRUN_FIELDS_H
#define JOB_PLANRUN_FIELDS_H

/* The fields of a record that is to be written. */

#include <stdbool.h>
#include <stddef.h>

#include <bascule/job.h>

struct planrun_fields { /* zeroed: empty; sticks when memory runs out */
	struct planrun_field *items;
	size_t count;
	bool failed;
};
void planrun_fields_fini(struct planrun_fields *f);
void planrun_fields_add(struct planrun_fields *f, const char *name,
    const char *fmt, ...) PRINTF_LIKE(3, 4);
void planrun_fields_bytes(struct planrun_fields *f, const char *name,
    const char *bytes, size_t len_bytes);

#endif
