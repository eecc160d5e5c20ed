/* Readiness: the judgements.  Pure. */

#include "ready_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* --- names ------------------------------------------------------------------ */

static const char *const check_names[READY_CHECKS] = {"target-up", "capacity",
    "host-keys", "dns-ttl", "clock", "key", "escrow-drill", "battle-box",
    "proof", "etcd"};

const char *
ready_check_name(enum ready_check c)
{
	return check_names[c];
}

bool
ready_check_find(const char *name, enum ready_check *out)
{
	for (size_t i = 0; i < READY_CHECKS; i++)
		if (strcmp(check_names[i], name) == 0) {
			*out = (enum ready_check)i;
			return true;
		}
	return false;
}

bool
ready_check_is_of_service(enum ready_check c)
{
	return c == READY_HOST_KEYS || c == READY_DNS_TTL || c == READY_KEY ||
	    c == READY_PROOF;
}

const char *
ready_verdict_name(enum ready_verdict v)
{
	static const char *const names[] = {"UNKNOWN", "NOT READY", "OK",
	    "not needed"};

	return names[v];
}

bool
ready_passes(const struct ready_value *v)
{
	return v->verdict == READY_OK || v->verdict == READY_NOT_NEEDED;
}

/* --- saying ------------------------------------------------------------------- */

static void say(char out[READY_TEXT_BYTES], const char *fmt, ...)
    PRINTF_LIKE(2, 3);
static void
say(char out[READY_TEXT_BYTES], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out, READY_TEXT_BYTES, fmt, ap);
	va_end(ap);
	text_mend_end(out);
}

/* One more of a list of things. */
static void add(char out[READY_TEXT_BYTES], const char *fmt, ...)
    PRINTF_LIKE(2, 3);
static void
add(char out[READY_TEXT_BYTES], const char *fmt, ...)
{
	size_t used = strlen(out);
	va_list ap;

	if (used > 0 && used + 2 < READY_TEXT_BYTES)
		used +=
		    (size_t)snprintf(out + used, READY_TEXT_BYTES - used, ", ");
	va_start(ap, fmt);
	vsnprintf(out + used, READY_TEXT_BYTES - used, fmt, ap);
	va_end(ap);
	text_mend_end(out);
}

/* UNKNOWN is worse than OK, NOT READY is worst. */
static void
worsen(struct ready_value *out, enum ready_verdict v)
{
	if (v == READY_NOT || (v == READY_UNKNOWN && out->verdict != READY_NOT))
		out->verdict = v;
}

/* --- capacity ------------------------------------------------------------------- */

static bool
may_run_at(const struct policy_service *s, const char *site)
{
	return strcmp(s->home, site) == 0 || strcmp(s->standby, site) == 0;
}

static uint64_t
sum(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static struct policy_capacity
needs_of_tier_1(const struct policy *p, const char *site)
{
	struct policy_capacity all = {0};

	for (size_t i = 0; i < p->service_count; i++) {
		const struct policy_service *s = &p->services[i];

		if (s->tier != 1 || !may_run_at(s, site))
			continue;
		all.memory_bytes = sum(all.memory_bytes, s->needs.memory_bytes);
		all.disk_bytes = sum(all.disk_bytes, s->needs.disk_bytes);
		all.cpu_count = all.cpu_count > UINT32_MAX - s->needs.cpu_count
		    ? UINT32_MAX
		    : all.cpu_count + s->needs.cpu_count;
	}
	return all;
}

/* The least that is free where services of tier 1 would put their data. */
static bool
least_room(const struct policy *p, const struct ready_facts *f,
    uint64_t *free_bytes)
{
	bool found = false;

	for (size_t i = 0; i < f->room_count; i++) {
		const struct policy_service *s =
		    policy_find_service(p, f->rooms[i].service);

		if (s == NULL || s->tier != 1)
			continue;
		if (!found || f->rooms[i].free_bytes < *free_bytes)
			*free_bytes = f->rooms[i].free_bytes;
		found = true;
	}
	return found;
}

/* What there is of one kind: as the policy says, else as measured; 0: nobody
 * knows. */
static void
weigh(struct ready_value *out, const char *what, uint64_t need, uint64_t have,
    bool is_bytes)
{
	char a[TEXT_UNIT_BYTES], b[TEXT_UNIT_BYTES];

	if (need == 0)
		return;
	if (is_bytes) {
		text_size(need, a);
		text_size(have, b);
	} else {
		snprintf(a, sizeof(a), "%" PRIu64, need);
		snprintf(b, sizeof(b), "%" PRIu64, have);
	}
	if (have == 0) {
		add(out->value, "%s: %s needed, how much there is nobody knows",
		    what, a);
		worsen(out, READY_UNKNOWN);
		return;
	}
	add(out->value, "%s: %s needed of %s", what, a, b);
	if (need > have)
		worsen(out, READY_NOT);
}

void
readyjudge_capacity(const struct policy *p, const struct ready_facts *f,
    struct ready_value *out)
{
	const struct policy_site *site = policy_find_site(p, out->site);
	struct policy_capacity need = needs_of_tier_1(p, out->site);
	struct policy_capacity have =
	    site == NULL ? (struct policy_capacity){0} : site->capacity;
	uint64_t room = 0;

	out->verdict = READY_OK;
	say(out->limit, "all of tier 1 at once");
	if (need.memory_bytes == 0 && need.disk_bytes == 0 &&
	    need.cpu_count == 0) {
		out->verdict = READY_NOT_NEEDED;
		say(out->value, "no service of tier 1 says what it needs");
		return;
	}
	if (have.memory_bytes == 0)
		have.memory_bytes = f->memory_bytes;
	if (have.cpu_count == 0)
		have.cpu_count = (uint32_t)(f->cpus & UINT32_MAX);
	if (have.disk_bytes == 0 && least_room(p, f, &room))
		have.disk_bytes = room;
	weigh(out, "memory", need.memory_bytes, have.memory_bytes, true);
	weigh(out, "cpus", need.cpu_count, have.cpu_count, false);
	weigh(out, "disk", need.disk_bytes, have.disk_bytes, true);
	if (out->verdict != READY_OK)
		say(out->remedy,
		    "add to the site, or write its capacity (sites.capacity) "
		    "and needs (service.needs) as they are");
}

/* --- hosts ---------------------------------------------------------------------- */

static const struct ready_host *
find_host(const struct ready_facts *f, const char *name)
{
	for (size_t i = 0; i < f->host_count; i++)
		if (strcmp(f->hosts[i].name, name) == 0)
			return &f->hosts[i];
	return NULL;
}

static void
judge_host(const struct ready_host *h, const char *name,
    struct ready_value *out, size_t *good)
{
	if (h == NULL) {
		worsen(out, READY_UNKNOWN);
		add(out->value, "%s: not measured", name);
	} else if (!h->ok) {
		worsen(out, READY_NOT);
		add(out->value, "%s: %.120s", name, h->text);
	} else
		++*good;
}

void
readyjudge_hosts(const struct policy *p, const struct policy_service *s,
    const struct ready_facts *f, struct ready_value *out)
{
	const struct policy_site *site = policy_find_site(p, out->site);
	size_t named = 0, good = 0;

	out->verdict = READY_OK;
	say(out->limit, "each answers, with a pinned key, and lets us log in");
	/* The first host of a site is the one that Bascule runs on. */
	for (size_t i = 1; site != NULL && i < site->host_count; i++) {
		const char *name = site->hosts[i].name;

		if (!policy_names_host(s, name))
			continue;
		named++;
		judge_host(find_host(f, name), name, out, &good);
	}
	if (named == 0) {
		out->verdict = READY_NOT_NEEDED;
		say(out->value, "it names no other host of '%s'", out->site);
		return;
	}
	if (good == named)
		say(out->value, "%zu of %zu hosts", good, named);
	else
		say(out->remedy,
		    "'bascule site trust' shows a host's key; compare it with "
		    "the policy's host_keys");
}

/* --- names ---------------------------------------------------------------------- */

void
readyjudge_names(const struct policy_service *s, const struct ready_facts *f,
    struct ready_value *out)
{
	char ttl[TEXT_UNIT_BYTES], max[TEXT_UNIT_BYTES];

	out->verdict = READY_OK;
	if (s->dns_count == 0) {
		out->verdict = READY_NOT_NEEDED;
		say(out->value, "the policy names none (service.dns)");
	}
	for (size_t i = 0; i < s->dns_count; i++) {
		const struct policy_dns *dns = &s->dns[i];
		const struct ready_name *n = NULL;

		add(out->limit, "at most %s",
		    text_duration(dns->ttl_max_ns, max));
		for (size_t k = 0; k < f->name_count; k++)
			if (strcmp(f->names[k].name, dns->name) == 0 &&
			    strcmp(f->names[k].service, s->name) == 0)
				n = &f->names[k];
		if (n == NULL || n->ttl_s < 0) {
			worsen(out, READY_UNKNOWN);
			add(out->value, "%s: %.100s", dns->name,
			    n == NULL ? "not measured" : n->error);
			continue;
		}
		add(out->value, "%s: %s", dns->name,
		    text_duration(n->ttl_s * NS_PER_S, ttl));
		if (n->ttl_s * NS_PER_S > dns->ttl_max_ns)
			worsen(out, READY_NOT);
	}
	if (out->verdict == READY_NOT)
		say(out->remedy, "lower the time to live in the zone");
	if (out->verdict == READY_UNKNOWN)
		say(out->remedy, "see that the resolver answers");
}

/* --- the key ---------------------------------------------------------------------- */

void
readyjudge_key(const struct policy_service *s, const struct ready_facts *f,
    struct ready_value *out)
{
	const struct ready_key *k = NULL;

	say(out->limit, "opens the newest snapshot");
	for (size_t i = 0; i < f->key_count; i++)
		if (strcmp(f->keys[i].service, s->name) == 0)
			k = &f->keys[i];
	if (k == NULL) {
		out->verdict = READY_UNKNOWN;
		say(out->value, "not measured");
		return;
	}
	out->verdict = k->state == READY_KEY_OPENS ? READY_OK
	    : k->state == READY_KEY_NONE           ? READY_UNKNOWN
						   : READY_NOT;
	say(out->value, "%s",
	    k->state == READY_KEY_OPENS ? "the key opens it" : k->text);
	if (k->state == READY_KEY_FAILS)
		say(out->remedy,
		    "give this site a key that reads (key_file; 'bascule key "
		    "add-recipient')");
	if (k->state == READY_KEY_UNREAD)
		say(out->remedy,
		    "see what 'bascule -r REPOSITORY check' says of the "
		    "repository here; 'bascule heal' mends it");
	if (k->state == READY_KEY_NONE)
		say(out->remedy, "a first copy must come");
}

/* --- clocks and ages ----------------------------------------------------------------- */

void
readyjudge_clock(const struct readyjudge_clock *c, struct ready_value *out)
{
	const bool known = c->known && c->offset_ns != INT64_MIN;
	const int64_t apart =
	    known && c->offset_ns < 0 ? -c->offset_ns : c->offset_ns;
	char a[TEXT_UNIT_BYTES], b[TEXT_UNIT_BYTES], limit[TEXT_UNIT_BYTES];

	say(out->limit, "at most %s apart", text_duration(c->limit_ns, limit));
	if (!known) {
		out->verdict = READY_UNKNOWN;
		say(out->value, "the other site's clock was not heard");
		return;
	}
	say(out->value, "%s apart, give or take %s", text_duration(apart, a),
	    text_duration(c->bound_ns, b));
	/* What may be too far apart is not known to be near enough. */
	out->verdict = apart > c->limit_ns      ? READY_NOT
	    : c->bound_ns > c->limit_ns - apart ? READY_UNKNOWN
						: READY_OK;
	if (out->verdict != READY_OK)
		say(out->remedy, "set both clocks by NTP");
}

void
readyjudge_age(const char *what, const char *remedy, struct utc at,
    int64_t limit_ns, struct utc now, struct ready_value *out)
{
	char age[TEXT_UNIT_BYTES], limit[TEXT_UNIT_BYTES];

	say(out->limit, "within %s", text_duration(limit_ns, limit));
	if (at.ns == 0) {
		out->verdict = READY_NOT;
		say(out->value, "%s: never", what);
		say(out->remedy, "%s", remedy);
		return;
	}
	/* From the future is from a clock that was wrong. */
	out->verdict = at.ns > now.ns   ? READY_UNKNOWN
	    : now.ns - at.ns > limit_ns ? READY_NOT
					: READY_OK;
	say(out->value, "%s %s%s", what,
	    text_duration((at.ns > now.ns ? at.ns - now.ns : now.ns - at.ns) /
		    NS_PER_S * NS_PER_S,
		age),
	    at.ns > now.ns ? " in the future" : " ago");
	if (out->verdict != READY_OK)
		say(out->remedy, "%s", remedy);
}

void
readyjudge_proof(const struct policy_failover *f, const struct ready_proof *p,
    struct utc now, struct ready_value *out)
{
	char within[TEXT_UNIT_BYTES];

	say(out->limit, "%s within %s",
	    policy_schema_service_proof(f->min_proof),
	    text_duration(f->proof_within_ns, within));
	say(out->value, "%s", p->text);
	out->verdict = p->level < 0                  ? READY_UNKNOWN
	    : p->level < (int)f->min_proof           ? READY_NOT
	    : now.ns - p->at.ns > f->proof_within_ns ? READY_NOT
						     : READY_OK;
	if (out->verdict != READY_OK)
		say(out->remedy,
		    "prove it: a verification or a test of the copy at '%s'",
		    out->site);
}

void
readyjudge_fresh(int64_t fresh_ns, struct utc now, struct ready_value *out)
{
	char age[TEXT_UNIT_BYTES], was[READY_TEXT_BYTES];

	if (out->verdict == READY_NOT_NEEDED) /* whatever there is */
		return;
	if (out->at.ns == 0) {
		out->verdict = READY_UNKNOWN;
		say(out->value, "not measured yet");
		say(out->remedy, "'bascule readiness --measure' measures now");
		return;
	}
	if (now.ns - out->at.ns <= fresh_ns)
		return;
	snprintf(was, sizeof(was), "%s", out->value);
	out->verdict = READY_UNKNOWN;
	say(out->value, "%s ago it was: %.120s",
	    text_duration((now.ns - out->at.ns) / NS_PER_S * NS_PER_S, age),
	    was);
	say(out->remedy, "'bascule readiness --measure' measures now");
}
