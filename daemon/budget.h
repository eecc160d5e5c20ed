#ifndef DAEMON_BUDGET_H
#define DAEMON_BUDGET_H

/*
 * What may go over a link: its rate by the policy's windows, how it is dealt
 * out among those who use it, and how long something will take.  Pure: the
 * time is told, the windows are lib/calendar's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/now.h>

struct policy_link;

#define BUDGET_AHEAD_NS (8 * INT64_C(86400) * NS_PER_S)

/* Bytes a second: the lowest of the bandwidth and the windows that hold. */
uint64_t budget_rate(const struct policy_link *l, struct utc t);
/* The next instant at which the rate is another, within eight days. */
bool budget_until(const struct policy_link *l, struct utc t, struct utc *until);

/*
 * Deal rate out among count users: to each as much as to the others, but what
 * one does not want (wants: bytes a second; UINT64_MAX: all it can get) the
 * others may have.  The sum is never above rate; a user alone gets all.
 */
void budget_deal(uint64_t rate, const uint64_t *wants, uint64_t *shares,
    size_t count);
/* What a user of this share that moved so many bytes a second wants next. */
uint64_t budget_want(uint64_t rate, uint64_t share, uint64_t moved);

/*
 * When will so many bytes be over the link, beginning at from?  Windows are
 * followed.  at_most: what the link was measured to carry; 0: not measured.
 * l NULL: no budget; then without a measurement nobody knows: ns 0.
 */
struct utc budget_done(const struct policy_link *l, uint64_t bytes,
    uint64_t at_most, struct utc from);

#endif
