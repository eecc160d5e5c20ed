#ifndef PLAN_TABLETOP_RULES_H
#define PLAN_TABLETOP_RULES_H

#include <bascule/plan.h>

#define TABLETOP_RULES_STAY (-1)

/* What may happen when, and with which fields: data. */
struct tabletop_rule {
	const char *name;
	unsigned states;           /* bits */
	int to;                    /* a state, or TABLETOP_RULES_STAY */
	const char *needs, *takes; /* fields, apart by blanks */
	bool is_for_people;
};
extern const struct tabletop_rule tabletop_rules[TABLETOP_VERBS];

/* The event's fields against its rule. */
enum err_code tabletop_rules_check(const struct tabletop_event *ev,
    struct err *e) MUST_CHECK;
bool tabletop_rules_has(const struct tabletop_rule *r, const char *name);
/* A whole number, perhaps below 0. */
bool tabletop_rules_parse(const char *text, int64_t *value);

/* tabletop_checks.c: what only one verb asks for. */
enum err_code tabletop_checks(const struct tabletop *t,
    const struct tabletop_event *ev, struct err *e) MUST_CHECK;
/* The number in "A1"; 0: it is none. */
uint64_t tabletop_checks_action(const char *action);
bool tabletop_checks_verified(const struct tabletop *t, const char *action);

#endif
