#ifndef LIB_REPLICATE_PUSH_H
#define LIB_REPLICATE_PUSH_H

/* One push, and the units it is made of: talk, offering, packsend, filesend. */

#include "rlink.h"

/* A snapshot, point or file of grants (service: "") to be offered. */
struct push_file {
	struct id id;
	char service[STORE_NAME_BYTES];
	bool wanted;
};

struct push_files {
	struct push_file *files;
	size_t count, wanted_count;
};

struct push {
	struct store *store;
	const struct replicate_options *opt;
	struct replicate_tally *tally;
	struct rlink link;
	struct push_files snapshots, points, grants;
	struct pack_list packs;
	struct rmsg_welcome welcome;
	/* packs sent, in order: which of `packs`; and what is not settled */
	uint32_t *sent;
	uint64_t sent_count, settled_count, unsettled_bytes;
	struct mono shown, heard;
	struct buf body;
};

/* --- talk: messages out and in, with progress and the far side's last words -- */

/* Tell the caller of one object that was refused there or is damaged here. */
void talk_problem(struct push *p, const char *what, const struct id *id,
    const struct err *why);

/* The next message that is not only news (FAIL, WORKING); SETTLED is dealt
 * with and handed on. */
enum err_code talk_hear(struct push *p, struct rmsg *m,
    struct err *e) MUST_CHECK;

/* The next message of this type; results of packs may come before it. */
enum err_code talk_expect(struct push *p, enum rmsg_type type, struct rmsg *m,
    struct err *e) MUST_CHECK;

enum err_code talk_tell(struct push *p, enum rmsg_type type,
    const struct buf *head, const void *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;

/* --- offering: what there is, HELLO, what is wanted ---------------------------- */

enum err_code offering_gather(struct push *p, struct err *e) MUST_CHECK;
enum err_code offering_greet(struct push *p, struct err *e) MUST_CHECK;
void offering_fini(struct push *p);

/* --- packsend: the packs that the wanted snapshots need ------------------------- */

/* ERR_NONE: they are durable there, or refused one by one. */
enum err_code packsend_all(struct push *p, struct err *e) MUST_CHECK;

/* --- filesend: grants, snapshots, then points -------------------------------------- */

enum err_code filesend_grants(struct push *p, struct err *e) MUST_CHECK;
enum err_code filesend_snapshots(struct push *p, struct err *e) MUST_CHECK;
enum err_code filesend_points(struct push *p, struct err *e) MUST_CHECK;

#endif
