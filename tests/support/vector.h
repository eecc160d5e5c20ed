#ifndef TESTS_SUPPORT_VECTOR_H
#define TESTS_SUPPORT_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * A file of "name = value" lines from tests/vectors, read in order; values are
 * hex, or text in double quotes.  The tests run at the top of the tree.
 */
struct vector {
	FILE *file;
	uint8_t bytes[256];
	size_t len_bytes;
};

void vector_open(struct vector *v, const char *name);
void vector_close(struct vector *v);

/* Go on to the next line of that name; its value is in bytes. */
void vector_next(struct vector *v, const char *name);

#endif
