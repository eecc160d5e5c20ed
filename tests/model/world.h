#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

/*
 * A small world in which everything that happens follows from one number:
 * several actors take turns in one process, each on a stack of its own; turns
 * change at the calls that change files, take or leave a lock, or wait.  An
 * actor may die at any of them: from then on no call of its has any effect, and
 * what it does on its way out only frees memory, descriptors and locks.
 * Clocks, random bytes and a pipeline's threads are the world's, through the
 * linker: nothing of it is known to the product.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/defs.h>
#include <bascule/base/id.h>
#include <bascule/base/now.h>

#define WORLD_ACTORS_MAX 8
#define WORLD_HOUR_NS    (INT64_C(3600) * NS_PER_S)

/* Everything after depends on seed alone.  root: the repository's directory. */
void world_begin(uint64_t seed, const char *root);

uint64_t world_below(uint64_t bound);
bool world_one_in(uint64_t n);

/* --- Actors ---------------------------------------------------------------- */

void world_add(void (*fn)(void *ctx), void *ctx);
/* Until all have returned. */
void world_run(void);
/* Who it is; -1: the judge, outside of world_run. */
int world_actor(void);
/* Let others take so many turns. */
void world_nap(unsigned turns);
/*
 * Die at the nth turn from now on; of_names: at the nth that makes, moves or
 * removes a name, or flushes.
 */
void world_doom(unsigned nth, bool of_names);
bool world_is_dead(void);
/* As another process, after a death. */
void world_revive(void);

/* --- Time ------------------------------------------------------------------- */

/* What has really passed, which no clock in the world shows. */
int64_t world_true_ns(void);
/* Something happens to the clocks; writes what into text. */
void world_clocks(char *text, size_t size);
/* So much passes, and every clock shows it. */
void world_pass(int64_t ns);

/* --- What is seen on the disk ------------------------------------------------ */

/* Of the collection that the current actor is about to run. */
void world_set_undelete_age(int64_t ns);
/* Was the current actor's session fenced, or did it end otherwise? */
bool world_session_lost(void);
bool world_session_lost_by(int actor);
/* Sessions alive that are not the current actor's: one name, or none. */
bool world_some_session(char name[33]);

/* --- Verdicts ---------------------------------------------------------------- */

/* What must never happen has happened: does not return. */
void world_fail(const char *format, ...) PRINTF_LIKE(1, 2)
    __attribute__((noreturn));
/* A line of the story, when it is told. */
void world_tell(const char *format, ...) PRINTF_LIKE(1, 2);
extern bool world_tells;
extern void (*world_on_fail)(const char *text);
/* Depends on all that happened so far. */
uint64_t world_print(void);

#endif
