#ifndef JOB_WORKER_QUIESCE_H
#define JOB_WORKER_QUIESCE_H

/*
 * A service held still while it is read: `before`, and `after` in any case.  Or
 * one that a fence has shut down, opened to be read (the policy's `capture`).
 *
 * Q1. Before `before` is run stand a guard (source_guard) that will run `after`
 *     and a mark on disk, STATE/quiesced/SERVICE/JOB (STATE/opened for a capture), locked while
 *     we live.
 * Q2. However this process ends, the guard runs `after`: at our word, or when
 *     its pipe, or its SSH connection, is closed.
 * Q3. The mark goes when `after` has succeeded.  One that nobody locks is of a
 *     worker that was killed: its guard ran `after`, but nobody knows how that
 *     went, and with the machine the guard died, too.  So whoever finds it (the
 *     next backup; the look at every service when a daemon starts) runs
 *     `after` again: it must bear being run twice.
 */

#include "worker.h"

struct worker_quiesce;

enum worker_quiesce_kind { WORKER_QUIESCE, WORKER_QUIESCE_CAPTURE };

/*
 * *out stays NULL where the policy has no hooks.  On failure it may be set all
 * the same: half quiesced is quiesced, so end it.
 */
enum err_code worker_quiesce_begin(struct worker_quiesce **out,
    struct worker *w, const struct policy_service *s,
    enum worker_quiesce_kind kind, struct err *e) MUST_CHECK;

/* Now and then while it is held; says so, once, if it no longer is. */
void worker_quiesce_tend(struct worker_quiesce *q);

/*
 * Run `after`.  *q may be NULL.  An error: it failed, or the service was let
 * go before its time.
 */
enum err_code worker_quiesce_end(struct worker_quiesce **q,
    struct err *e) MUST_CHECK;

/* Run `after` for what killed workers left (Q3). */
void worker_quiesce_recover(struct worker *w, const struct policy_service *s);

#endif
