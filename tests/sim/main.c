/* sim [-s SEED] [-n COUNT] [-m GUARD|MISTAKE] [-t] [-q] */

#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bascule/calendar.h>

struct world w;

/* --- randomness -------------------------------------------------------------------- */

static uint64_t state;

/* splitmix64: everything follows from the seed. */
uint64_t
rnd(void)
{
	uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

unsigned
below(unsigned n)
{
	return (unsigned)(rnd() % n);
}

bool
one_in(unsigned n)
{
	return below(n) == 0;
}

void
story(const char *fmt, ...)
{
	va_list ap;

	if (!w.telling)
		return;
	printf("%8.1f  ",
	    (double)(w.now_ns - INT64_C(1790000000) * SEC) / (double)SEC);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void
violate(const char *fmt, ...)
{
	va_list ap;

	if (w.violated)
		return;
	w.violated = true;
	va_start(ap, fmt);
	vsnprintf(w.verdict, sizeof(w.verdict), fmt, ap);
	va_end(ap);
	story("VIOLATED: %s", w.verdict);
}

/* --- what happens ------------------------------------------------------------------- */

/* The active site's backup, copied to the other. */
static void
backup(int s)
{
	struct site *t = &w.site[s], *o = &w.site[1 - s];
	struct point *p;

	if (!t->daemon || !t->up || !authority_may_write(&t->reg, t->name) ||
	    !w.link || !o->power || o->points_count >= POINTS_MAX - 12)
		return;
	p = &o->points[o->points_count++];
	*p = (struct point){.data = t->data,
	    .whole = !one_in(8),
	    .suspect = one_in(10),
	    .verified = one_in(4),
	    .at = {w.now_ns}};
	snprintf(p->id, sizeof(p->id), "p%d", o->points_count);
	if (!p->whole)
		p->data.bits[0] &= ~UINT64_C(0xff);
}

/* --- I6: what retention never takes ------------------------------------------- */

/* An open request's point is taken for held. */
static bool
is_chosen(int s, int point)
{
	for (int r = 0; r < w.runs_count; r++)
		if (w.runs[r].to == s && w.runs[r].point == point &&
		    !move_is_over(&w.site[s].moves[r]))
			return true;
	return false;
}

static bool
is_sound(const struct point *p)
{
	return !p->gone && p->whole && !p->suspect;
}

/* The newest that both have, from which the next copy goes on. */
static int
last_common(const struct site *t)
{
	int last = -1;

	for (int i = 0; i < t->points_count; i++)
		if (is_sound(&t->points[i]))
			last = i;
	return last;
}

static bool
has_verified(const struct site *t)
{
	for (int i = 0; i < t->points_count; i++)
		if (t->points[i].verified && is_sound(&t->points[i]))
			return true;
	return false;
}

static uint32_t
flags_of(int s, int i)
{
	const struct site *t = &w.site[s];
	const struct point *p = &t->points[i];

	return (p->verified && is_sound(p) ? RETAIN_IS_VERIFIED : 0) |
	    (p->pinned ? RETAIN_IS_PREFAILOVER : 0) |
	    (is_chosen(s, i) || (i == last_common(t) && w.broken != NO_COMMON)
		    ? RETAIN_IS_HELD
		    : 0);
}

/* The real rule judges; what it lets go is gone. */
static void
prune(int s)
{
	struct retain_point points[POINTS_MAX];
	struct retain_rule rule = {.last = 1 + below(4)};
	struct site *t = &w.site[s];
	int common = last_common(t);
	bool verified = has_verified(t);
	size_t n = 0;

	if (!t->daemon)
		return;
	for (int i = 0; i < t->points_count; i++)
		if (!t->points[i].gone)
			points[n++] =
			    (struct retain_point){.sequence = (uint64_t)i + 1,
				.at = t->points[i].at,
				.flags = flags_of(s, i)};
	if (w.broken == NO_PIN)
		for (size_t i = 0; i < n; i++)
			points[i].flags &= ~RETAIN_IS_PREFAILOVER;
	retain_judge(points, n, &rule, site_now(s));
	for (size_t i = 0; i < n; i++) {
		struct point *p = &t->points[points[i].sequence - 1];

		if (points[i].reasons == RETAIN_HELD ||
		    points[i].reasons == RETAIN_PREFAILOVER ||
		    points[i].reasons == RETAIN_ONLY_VERIFIED)
			w.done[T_SAVED]++;
		if (points[i].reasons != 0)
			continue;
		w.done[T_PRUNED]++;
		p->gone = true;
		if (p->pinned)
			violate("I6: the point of a move is pruned");
	}
	if (common >= 0 && t->points[common].gone)
		violate("I6: the last common point is pruned");
	if (verified && !has_verified(t))
		violate("I6: the only verified point is pruned");
}

/* After a move: the other site's data is overwritten by what is written now. */
static void
send_back(int s)
{
	struct site *t = &w.site[s], *o = &w.site[1 - s];
	struct data safe = t->data;
	char why[100];
	bool any = false;

	if (!t->daemon || !t->up || !w.link || !o->power || o->synced_back ||
	    !authority_may_write(&t->reg, t->name))
		return;
	for (int r = 0; r < w.runs_count; r++) {
		const struct move *m = &t->moves[r];
		const struct move_side *me =
		    s == w.runs[r].from ? &m->a : &m->b;

		if (!m->known || me->fact[MOVE_REPROTECTED] != 0 ||
		    (me->fact[MOVE_COMMITTED] == 0 &&
			(me->fact[MOVE_RESUMED] == 0 ||
			    me->fact[MOVE_TAKEN] == 0)))
			continue;
		any = true;
		if (!shell_guards(s, r, GUARDS_AT_REPROTECT, why, sizeof(why)))
			return;
	}
	if (!any || o->up)
		return;
	data_join(&safe, &w.site[0].kept);
	data_join(&safe, &w.site[1].kept);
	if (!data_holds(&safe, &o->data))
		violate("G18: writes that were not kept are overwritten");
	story("%s is sent what %s holds", o->name, t->name);
	o->data = t->data;
	o->intact = true;
	o->synced_back = true;
}

/* An isolated test; authority never changes (I4). */
static void
test(void)
{
	struct guards_result out[GUARDS_COUNT];
	struct guards_facts f = {.now = {w.now_ns}};
	struct isolated next;
	enum isolated_action act;
	struct err e;

	w.done[T_TESTS]++;
	for (size_t i = 0; i < GUARDS_FACTS; i++)
		guards_tell(&f, (enum guards_fact_id)i, 1, f.now, "", "");
	f.of[FACT_OTHER_RUN].value = f.of[FACT_NEEDED_RUN].value = 0;
	f.of[FACT_FROZEN].value = f.of[FACT_POINT_SUSPECT].value = 0;
	f.of[FACT_ISOLATED].value = w.isolated;
	guards_evaluate(&f, GUARDS_TEST, GUARDS_AT_START, out);
	if (w.removed != 0)
		out[w.removed - 1].verdict = GUARDS_PASS;
	if (guards_admit(out, &f, NULL, &e) == ERR_NONE && !w.isolated)
		violate("I4: a test reaches production");
	if (isolated_next(&w.isolated_test,
		(enum isolated_event)below(ISOLATED_EVENTS), &next, &act))
		w.isolated_test = next;
	if (w.isolated_test.state == ISOLATED_CLEAN)
		w.isolated_test = (struct isolated){0};
}

static void
weather(int s)
{
	switch (below(16)) {
	case 0:
	case 1:
		w.done[T_CUTS] += w.link;
		w.link = !w.link;
		break;
	case 2: w.link = true; break;
	case 3:
		w.done[T_CUTS] += w.ssh;
		w.ssh = !w.ssh;
		break;
	case 4: site_die(s); break;
	case 5:
		if (one_in(3))
			site_off(s);
		break;
	case 6: site_boot(s); break;
	case 7: w.etcd_quorum = !one_in(3); break;
	case 8:
		w.etcd_link[s] = !one_in(3);
		w.done[T_CUTS] += w.etcd && !w.etcd_link[s];
		break;
	case 9: /* a clock steps */
		w.done[T_CLOCKS]++;
		w.site[s].skew_ns += ((int64_t)below(7200) - 3600) * SEC;
		break;
	case 10: w.frozen = one_in(4); break;
	case 11: w.proved = !one_in(4); break;
	case 12: w.capacity = !one_in(4); break;
	case 13: w.isolated = !one_in(4); break;
	case 14: w.site[s].policy = one_in(2) ? ++w.policy : w.policy; break;
	default:
		if (one_in(2) && !site_writable(s))
			w.site[s].intact = false;
	}
}

static void
event(void)
{
	int s = (int)below(SITES);

	w.now_ns += (int64_t)below(1500) * NS_PER_MS;
	witness_happens();
	if (one_in(60))
		w.now_ns += (int64_t)below(300) * SEC;
	switch (below(40)) {
	case 0:
		if (one_in(w.storm))
			weather(s);
		break;
	case 1:
	case 2:
	case 3:
	case 4: people_act(); break;
	case 5:
	case 6: site_write(s); break;
	case 7: backup(s); break;
	case 8: send_back(s); break;
	case 9:
		if (one_in(3))
			test();
		else if (one_in(2))
			prune(s);
		break;
	case 10: site_unit(s); break;
	case 11: site_start(s); break;
	case 12:
	case 13:
	case 14:
	case 15:
	case 16:
	case 17:
	case 18:
	case 19: site_talk(s); break;
	case 20:
		if (one_in(4 * w.storm))
			site_die(s);
		break;
	default: shell_tick(s); break;
	}
}

static bool
is_settled(void)
{
	if (site_writable(0) == site_writable(1))
		return false;
	for (int r = 0; r < w.runs_count; r++)
		for (int s = 0; s < SITES; s++)
			if (w.site[s].jobs[r].on ||
			    !move_is_over(&w.site[s].moves[r]) ||
			    move_binds(&w.site[s].moves[r], w.site[s].name))
				return false;
	return true;
}

/* The storm is over. */
static void
calm(void)
{
	w.calm = w.link = w.ssh = w.etcd_quorum = true;
	w.etcd_link[0] = w.etcd_link[1] = true;
	w.frozen = false;
	w.proved = w.capacity = w.isolated = true;
	for (int s = 0; s < SITES; s++) {
		w.site[s].policy = w.policy;
		w.site[s].intact = true;
		w.site[s].skew_ns = 0;
		site_boot(s);
		site_start(s);
	}
	for (int round = 0; round < 60 && !w.violated; round++) {
		for (int i = 0; i < 40 && !w.violated; i++) {
			w.now_ns += SEC;
			witness_happens();
			for (int s = 0; s < SITES; s++) {
				site_talk(s);
				shell_tick(s);
				site_unit(s);
				send_back(s);
			}
			judge_always();
		}
		if (is_settled())
			break;
		people_mend();
	}
	for (int s = 0; s < SITES; s++)
		shell_fold(s);
}

static bool
live(uint64_t seed, unsigned removed, unsigned broken, bool telling)
{
	unsigned events;

	state = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
	world_begin(seed, removed, broken, telling);
	events = 100 + below(one_in(10) ? 2000 : 600);
	for (unsigned i = 0; i < events && !w.violated; i++) {
		event();
		judge_always();
	}
	if (!w.violated) {
		story("calm");
		calm();
	}
	if (!w.violated)
		judge_end();
	world_end();
	return !w.violated;
}

/* --- the program ------------------------------------------------------------------------ */

static const char *const tallies[] = {"started", "granted", "taken",
    "committed", "aborted", "rolled back", "held", "resolved", "reprotected",
    "contested", "false attestations", "divergences", "tests", "refusals",
    "uncertain", "crashes", "step downs", "answers lost", "answers old",
    "folded again", "cuts", "clock steps", "power failures", "lies of commands",
    "strange words", "of them refused", "points pruned", "points kept by I6"};

static unsigned
find_mistake(const char *name)
{
	for (unsigned i = 1; i < MISTAKES; i++)
		if (strcmp(name, mistakes[i]) == 0)
			return i;
	fprintf(stderr, "sim: no guard or mistake '%s'\n", name);
	exit(2);
}

int
main(int argc, char **argv)
{
	uint64_t seed = 1, count = 10000, i;
	uint64_t total[TALLIES] = {0};
	unsigned removed = 0, broken = 0;
	bool telling = false;
	int c;

	while ((c = getopt(argc, argv, "s:n:m:t")) != -1)
		switch (c) {
		case 's': seed = strtoull(optarg, NULL, 0); break;
		case 'n': count = strtoull(optarg, NULL, 0); break;
		case 'm':
			removed = guards_find(optarg);
			broken = removed == 0 ? find_mistake(optarg) : 0;
			break;
		case 't': telling = true; break;
		default: return 2;
		}
	for (i = 0; i < count; i++) {
		if (!live(seed + i, removed, broken, telling)) {
			printf("seed %llu: %s\n",
			    (unsigned long long)(seed + i), w.verdict);
			printf("again, told: sim -s %llu -n 1 -t%s%s\n",
			    (unsigned long long)(seed + i),
			    removed || broken ? " -m " : "",
			    removed      ? guards_id(removed)
				: broken ? mistakes[broken]
					 : "");
			return 1;
		}
		for (size_t k = 0; k < TALLIES; k++)
			total[k] += w.done[k];
	}
	for (size_t k = 0; k < TALLIES; k++)
		printf("%s%s %llu", k == 0 ? "" : ", ", tallies[k],
		    (unsigned long long)total[k]);
	printf("\n%llu passed, 0 failed\n", (unsigned long long)count);
	return 0;
}
