#ifndef DAEMON_REQUEST_ASK_H
#define DAEMON_REQUEST_ASK_H

/* A move as somebody asks for it, or asks what it would be: worked out whole
 * before anything is told or recorded. */

#include "client.h"
#include "facts.h"

#define REQUEST_ASK_TEXTS 7 /* that are borrowed */

struct request_ask {
	struct daemon *d;
	const struct client_caller *who;
	struct approvals_person person;
	/* as asked; borrowed from the request */
	enum guards_mode mode;
	const char *to, *point, *reason, *change, *accepted_loss;
	const char *shed; /* names, a space between; "" */
	/* worked out */
	const char *from;
	const struct policy_service **services; /* in the order they move */
	unsigned *wave;
	size_t count;
	struct request_book *book; /* borrowed */
	/* of each service, when it is looked at */
	struct guards_facts facts;
	struct guards_result results[GUARDS_COUNT];
	struct request_points points;
	size_t chosen; /* of points; == points.count: none */
	/* so far */
	size_t stops, unknown, stopped_services;
	struct request_room room; /* request_ask_room */
	/* request_ask_keep */
	struct buf shed_names;
	char *kept[REQUEST_ASK_TEXTS];
	uint64_t policy_number;
};

void request_ask_free(struct request_ask **a);

/*
 * Takes the fields of the request that say which move it is (the command's own
 * are taken by the caller before).  ERR_NOTFOUND, ERR_INPUT, ERR_REFUSED.
 */
enum err_code request_ask_read(struct request_ask **out, struct client *c,
    struct wire_value *request, struct err *e) MUST_CHECK;

/* Make all that is borrowed its own: it outlives the request. */
enum err_code request_ask_keep(struct request_ask *a, struct err *e) MUST_CHECK;
/* In a later turn of the loop, first.  ERR_BUSY: another policy is in force. */
enum err_code request_ask_resume(struct request_ask *a,
    struct err *e) MUST_CHECK;

/* Look at the ith: points, facts, guards of that phase. */
enum err_code request_ask_look(struct request_ask *a, size_t i,
    enum guards_phase phase, struct err *e) MUST_CHECK;

/* Add up what its guards say; how many would stop it. */
size_t request_ask_count(struct request_ask *a);
/* Tell of the ith, as it was looked at; adds up, too. */
enum err_code request_ask_tell(struct request_ask *a, struct client *c,
    size_t i, struct err *e) MUST_CHECK;
/* How many of them depend on one that neither comes nor runs there. */
size_t request_ask_without(const struct request_ask *a);
/* Is there room for all of them at the target?  Tells of it. */
enum err_code request_ask_room(struct request_ask *a, struct client *c,
    struct err *e) MUST_CHECK;

#endif
