#ifndef AUTHORITY_SCENE_H
#define AUTHORITY_SCENE_H

/* One site's view of one move at one moment, and how its turn is settled. */

#include <bascule/authority.h>

#define SCENE_RETRY_NS (10 * NS_PER_S)
/* Outcomes other than done before people are told. */
#define SCENE_TRIES_CALM 3u

struct scene {
	const struct move *m;
	const struct move_side *me, *other, *a, *b;
	const char *site, *there;
	bool is_a;
	const struct move_facts *f;
	struct utc now;
	struct move_turn *t;
};

/* --- what is recorded */

/* How an act stands at one site. */
enum scene_state {
	SCENE_NONE, /* never begun */
	SCENE_OPEN, /* begun, no outcome */
	SCENE_DONE,
	SCENE_NOT_DONE,
	SCENE_UNCERTAIN
};
enum scene_state scene_state_of(const struct move_side *s, enum move_act act);
/* The same, of what was begun after that row. */
enum scene_state scene_state_since(const struct move_side *s, enum move_act act,
    uint64_t row);
bool scene_has(const struct move_side *s, enum move_event_kind k);
bool scene_either(const struct scene *c, enum move_event_kind k);

/* The owner named by the newest RESOLVED that no HELD has followed, and its
 * epoch (or NULL); NULL: none. */
const char *scene_resolved(const struct move *m, uint64_t *epoch);
/* HELD at some site, neither resolved since nor decided by the other. */
bool scene_held(const struct move *m);
/* This side's own word. */
bool scene_side_held(const struct move *m, const struct move_side *s);
bool scene_is_rolling_back(const struct scene *c);
/* The owner's word, which B has heard after the plan had ended. */
bool scene_accepted(const struct move *m);
/* Who lost the service without having let go of it has kept what it wrote. */
bool scene_captured(const struct move *m);
/* The highest epoch that the other site has named. */
uint64_t scene_epoch_there(const struct scene *c);
/* Somebody's word, at either site, that is younger than this site's act. */
bool scene_was_said_since(const struct scene *c, enum move_event_kind word,
    enum move_act act);

/* --- settling: those that return bool return true, except where said */

bool scene_say(struct scene *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void scene_next_is(struct scene *c, const char *command, const char *option);
/* With the site to type: --confirm. */
void scene_next_confirm(struct scene *c, const char *command, const char *site);
void scene_wait_for(struct scene *c, enum move_whom whom, struct utc since);
bool scene_nothing(struct scene *c, const char *why);
bool scene_act(struct scene *c, enum move_act a, const char *why);
bool scene_record(struct scene *c, enum move_event_kind k, const char *why);
/* The register's event that goes with it. */
void scene_change(struct scene *c, enum authority_event_kind kind);
void scene_change_owner(struct scene *c, enum authority_event_kind kind,
    const char *site, uint64_t epoch);
/* Has the other site's register come after ours?  Then it is adopted with what
 * is recorded; never in quarantine while it is silent. */
bool scene_is_behind(struct scene *c);
/* STOPPED, and so. */
bool scene_record_stopped(struct scene *c);
/* The other site's turn; people are told when it takes too long. */
bool scene_wait_peer(struct scene *c, struct utc since, const char *what);
/* What the other site did not do in time, and why, or where that is seen. */
#define SCENE_WHY_BYTES MOVE_WHY_BYTES
const char *scene_blame_peer(const struct scene *c, const char *what,
    char out[SCENE_WHY_BYTES]);
/* HELD. */
bool scene_hold(struct scene *c, const char *why);

int64_t scene_elapsed(const struct scene *c, struct utc since);
/* Longer than this site's patience; if not, the turn ends with it. */
bool scene_is_too_long(struct scene *c, struct utc since);
/* False: the guards let through. */
bool scene_is_barred(struct scene *c, enum guards_phase gate);
/* False: not in quarantine. */
bool scene_is_unhearing(struct scene *c);
/* False: there is a quorum, or none is used. */
bool scene_is_quorumless(struct scene *c);
/* Has etcd given the next epoch to that site already? */
bool scene_is_swapped(const struct scene *c, const char *to);
/* Did this run's own change of the register come before a death, and its
 * record not? */
bool scene_is_ahead(const struct scene *c, const char *to, uint64_t than);
/* Above all that was ever seen, at either site and in etcd. */
uint64_t scene_next_epoch(const struct scene *c);
/* Do it (again) until it is done since that row.  False: it is. */
bool scene_is_working(struct scene *c, enum move_act a, uint64_t since,
    const char *why);

#endif
