#ifndef WIRE_VALUE_H
#define WIRE_VALUE_H

#include <bascule/wire.h>
#include <jansson.h>

#define WIRE_FAULT_BYTES 256

/*
 * One object or list.  Values handed out from inside others are children: they
 * live as long as the outermost value, their root, which also keeps the first
 * fault of all.
 */
struct wire_value {
	json_t *json;  /* owned by the root, borrowed by children */
	json_t *taken; /* names that were taken, as keys; NULL: none yet */
	struct wire_value *root;
	struct wire_value *children; /* the first */
	struct wire_value *next;     /* sibling */
	enum err_code fault;         /* of a root */
	char fault_text[WIRE_FAULT_BYTES];
};

/* The field, marked as taken; NULL when absent or null. */
json_t *wire_take_json(struct wire_value *v, const char *name);

/* The child that stands for json, made when there is none yet. */
struct wire_value *wire_child(struct wire_value *v, json_t *json);

void wire_fault_nomem(struct wire_value *v);

#endif
