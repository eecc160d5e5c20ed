#ifndef TESTS_MODEL_TRUTH_H
#define TESTS_MODEL_TRUTH_H

/*
 * What a repository must hold: which snapshots were acknowledged, of what, and
 * which of them somebody asked to forget.  A file's bytes follow from its
 * number and its version, so a snapshot is a version for each file.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/store.h>

#define TRUTH_FILES         6
#define TRUTH_BYTES_MAX     24576
#define TRUTH_SNAPSHOTS_MAX 128
#define TRUTH_HOLDS_MAX     64
#define TRUTH_SERVICE       "s"

struct truth_file {
	int version;     /* 0: it is not there */
	struct buf item; /* item_encode's: what a state cache keeps */
};

enum truth_state {
	TRUTH_KEPT, /* it was acknowledged, so it is there */
	TRUTH_GONE, /* and so was its end */
	TRUTH_OPEN  /* nobody knows: who was to say died */
};

struct truth_snapshot {
	struct id id, root;
	char dataset[8];
	bool checkpoint;
	bool after_loss; /* of a session that began after a pack was lost */
	bool foreign;    /* of another site: nobody here builds on it */
	enum truth_state state;
	unsigned going; /* that many forgets are under way */
	struct truth_file files[TRUTH_FILES];
};

struct truth_hold {
	struct id id;
	struct truth_snapshot *snapshot;
	enum { HOLD_FIRM, HOLD_LOOSE, HOLD_GONE } state;
};

#define TRUTH_POINTS_MAX 32
#define TRUTH_POINT_MAX  3

struct truth_point {
	struct id id;
	struct truth_snapshot *snapshots[TRUTH_POINT_MAX];
	size_t count;
	enum truth_state state;
};

extern struct truth_point truth_points[TRUTH_POINTS_MAX];
extern size_t truth_points_count;
extern struct truth_snapshot truth_snapshots[TRUTH_SNAPSHOTS_MAX];
extern size_t truth_snapshots_count;
extern struct truth_hold truth_holds[TRUTH_HOLDS_MAX];
extern size_t truth_holds_count;

void truth_begin(void);

/* Bytes of a version of a file. */
size_t truth_bytes(unsigned file, int version, uint8_t out[TRUTH_BYTES_MAX]);
const char *truth_path(unsigned file);

/* A new one, which may be filled in; TRUTH_OPEN. */
struct truth_snapshot *truth_add(void);
/* One that nobody is asked to forget; NULL: there is none. */
struct truth_snapshot *truth_pick(void);
struct truth_snapshot *truth_find(const struct id *id);
/* Has it to be there? */
bool truth_is_kept(const struct truth_snapshot *s);
/* May somebody hold it just now? */
bool truth_may_be_held(const struct truth_snapshot *s);

/* "1.0.3.2..." */
const char *truth_text(const struct truth_snapshot *s, char out[64]);

#endif
