#ifndef JOB_EXERCISE_SANDBOX_H
#define JOB_EXERCISE_SANDBOX_H

/*
 * The directory of one run, ROOT/RUN, and its removal with all that is in it.
 */

#include <stdint.h>

#include <bascule/base/err.h>

/*
 * Mode 0711: a step that gives up root reaches its own directory in it.
 * ERR_EXISTS: it must be fresh.
 */
enum err_code exercise_sandbox_make(const char *root, const char *path,
    struct err *e) MUST_CHECK;

/* Bytes that can be written there. */
enum err_code exercise_sandbox_room(const char *root, uint64_t *bytes,
    struct err *e) MUST_CHECK;

/*
 * Remove it: links are removed, not followed; directories nobody may write
 * are made writable; other file systems mounted in it are left and reported.
 * No error when it is not there.
 */
enum err_code exercise_sandbox_remove(const char *path,
    struct err *e) MUST_CHECK;

#endif
