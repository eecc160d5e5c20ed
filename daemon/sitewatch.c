#include "sitewatch.h"

#include <stdio.h>
#include <sys/statvfs.h>

#include "daemon.h"

#define LOOK_NS (60 * NS_PER_S)
#define HOUR_NS (3600 * NS_PER_S)

/* --- the judgements: pure ------------------------------------------------------ */

int64_t
sitewatch_clock(struct sitewatch *w, struct utc now, struct mono mono,
    int64_t limit_ns)
{
	int64_t apart = now.ns - mono.ns;
	int64_t jump = w->has_clock ? apart - w->apart_ns : 0;

	w->has_clock = true;
	w->apart_ns = apart;
	return jump > limit_ns || jump < -limit_ns ? jump : 0;
}

static void
add_sample(struct sitewatch *w, uint64_t used_bytes, struct mono now)
{
	const struct sitewatch_sample *last =
	    &w->samples[(w->next + SITEWATCH_SAMPLES - 1) % SITEWATCH_SAMPLES];

	if (w->count > 0 && now.ns - last->at.ns < HOUR_NS)
		return;
	w->samples[w->next] = (struct sitewatch_sample){now, used_bytes};
	w->next = (w->next + 1) % SITEWATCH_SAMPLES;
	if (w->count < SITEWATCH_SAMPLES)
		w->count++;
}

static int64_t
until_full(const struct sitewatch *w, const struct sitewatch_room *room,
    struct mono now)
{
	const struct sitewatch_sample *first =
	    &w->samples[(w->next + SITEWATCH_SAMPLES - w->count) %
		SITEWATCH_SAMPLES];
	uint64_t used = room->total_bytes - room->free_bytes;
	int64_t took = now.ns - first->at.ns;
	double ns;

	if (w->count == 0 || took < SITEWATCH_LEAST_NS ||
	    used <= first->used_bytes)
		return INT64_MAX;
	ns = (double)room->free_bytes / (double)(used - first->used_bytes) *
	    (double)took;
	return ns < 9e18 ? (int64_t)ns : INT64_MAX;
}

enum sitewatch_verdict
sitewatch_space(struct sitewatch *w, const struct sitewatch_room *room,
    struct mono now, const struct sitewatch_rule *rule, int64_t *full_ns)
{
	add_sample(w, room->total_bytes - room->free_bytes, now);
	*full_ns = until_full(w, room, now);
	if ((double)room->free_bytes * 100000.0 <
	    (double)room->total_bytes * (double)rule->free_millipercent)
		return SITEWATCH_LITTLE;
	return rule->for_ns > 0 && *full_ns < rule->for_ns ? SITEWATCH_SOON
							   : SITEWATCH_ENOUGH;
}

/* --- looking ------------------------------------------------------------------------ */

static void
look_clock(struct daemon *d, struct sitewatch *w)
{
	int64_t jump = sitewatch_clock(w, now_utc(), now_mono(),
	    d->policy->watch.clock_step_ns);
	char text[SITEWATCH_TEXT], by[TEXT_UNIT_BYTES], at[NOW_TEXT_BYTES];

	if (jump == 0)
		return;
	snprintf(text, sizeof(text),
	    "the clock here was put %s by %s: it is %s",
	    jump < 0 ? "back" : "forward",
	    text_duration((jump < 0 ? -jump : jump) / NS_PER_MS * NS_PER_MS,
		by),
	    now_words(now_utc(), at));
	alarm_raise(d,
	    &(struct alarm_what){.on = POLICY_ON_CLOCK,
		.level = ALARM_WARNING,
		.subject = d->policy->site,
		.text = text,
		.moment = true});
}

static void
tell_space(struct daemon *d, enum sitewatch_verdict v,
    const struct sitewatch_room *room, int64_t full_ns)
{
	char text[SITEWATCH_TEXT], size[TEXT_UNIT_BYTES], in[TEXT_UNIT_BYTES];

	text_size(room->free_bytes, size);
	if (full_ns == INT64_MAX)
		snprintf(text, sizeof(text),
		    "%s are free where the repository lies", size);
	else
		snprintf(text, sizeof(text),
		    "%s are free where the repository lies; going on like this "
		    "it is full in %s",
		    size, text_duration(full_ns / HOUR_NS * HOUR_NS, in));
	if (v == SITEWATCH_ENOUGH)
		alarm_clear(d, POLICY_ON_SPACE, NULL, "repository", text);
	else
		alarm_raise(d,
		    &(struct alarm_what){.on = POLICY_ON_SPACE,
			.level = v == SITEWATCH_LITTLE ? ALARM_CRITICAL
						       : ALARM_WARNING,
			.subject = "repository",
			.text = text});
}

static void
look_space(struct daemon *d, struct sitewatch *w)
{
	struct sitewatch_rule rule = {d->policy->watch.space_free_millipercent,
	    d->policy->watch.space_for_ns};
	struct sitewatch_room room;
	struct mono now = now_mono();
	struct statvfs st;
	int64_t full_ns;
	enum sitewatch_verdict v;

	if (w->looked.ns != 0 && now.ns - w->looked.ns < LOOK_NS)
		return;
	w->looked = now;
	if (statvfs(d->site->repository, &st) != 0 || st.f_blocks == 0)
		return; /* none there: others say so */
	/* What root alone may use is no room. */
	room.free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	room.total_bytes =
	    ((uint64_t)st.f_blocks - st.f_bfree + st.f_bavail) * st.f_frsize;
	v = sitewatch_space(w, &room, now, &rule, &full_ns);
	tell_space(d, v, &room, full_ns);
}

void
sitewatch_look(struct daemon *d)
{
	look_clock(d, &d->sitewatch);
	look_space(d, &d->sitewatch);
}
