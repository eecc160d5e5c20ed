#include <bascule/authority.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/buf.h>

#define SECOND_NS (30 * 60 * NS_PER_S)

/* --- persons ------------------------------------------------------------------------- */

static bool
is_same_text(const char *a, const char *b)
{
	return *a != '\0' && strcmp(a, b) == 0;
}

bool
approvals_same_person(const struct approvals_person *a,
    const struct approvals_person *b)
{
	bool same_site = strcmp(a->site, b->site) == 0;

	if (same_site && a->uid == b->uid && a->uid != APPROVALS_NO_UID)
		return true;
	if (same_site && a->login_uid == b->login_uid &&
	    a->login_uid != APPROVALS_NO_UID)
		return true;
	/* sudo: one's login is the other's account */
	if (same_site &&
	    ((a->login_uid != APPROVALS_NO_UID && a->login_uid == b->uid) ||
		(b->login_uid != APPROVALS_NO_UID && b->login_uid == a->uid)))
		return true;
	return is_same_text(a->name, b->name) || is_same_text(a->key, b->key) ||
	    is_same_text(a->login_name, b->name) ||
	    is_same_text(b->login_name, a->name) ||
	    is_same_text(a->login_name, b->login_name);
}

/*
 * Who is one with whom, through any number of others (P1): groups[i] is the
 * lowest index of i's group.  At most APPROVALS_WORDS_MAX + 1 people.
 */
static void
group_people(const struct approvals_person *const *who, size_t count,
    size_t *groups)
{
	bool changed = true;

	for (size_t i = 0; i < count; i++)
		groups[i] = i;
	while (changed) {
		changed = false;
		for (size_t i = 0; i < count; i++)
			for (size_t k = 0; k < i; k++) {
				size_t low = groups[i] < groups[k] ? groups[i]
								   : groups[k];

				if (groups[i] == groups[k] ||
				    !approvals_same_person(who[i], who[k]))
					continue;
				groups[i] = groups[k] = low;
				changed = true;
			}
	}
}

/* --- judging --------------------------------------------------------------------------- */

struct trial {
	const struct approvals_word *words;
	size_t count;
	const struct approvals_rule *rule;
	const struct approvals_person *requester;
	const char *seen;
	struct utc now;
	size_t groups[APPROVALS_WORDS_MAX + 2]; /* the requester first, then
						   who broke the glass */
	struct approvals_judgement *out;
};

static size_t
group_of(const struct trial *t, size_t word)
{
	return t->groups[word + 2];
}

/* A later withdrawal of the same person takes back what came before it. */
static bool
is_taken_back(const struct trial *t, size_t word)
{
	for (size_t i = word + 1; i < t->count; i++)
		if (t->words[i].verb == APPROVALS_WITHDRAW &&
		    group_of(t, i) == group_of(t, word))
			return true;
	return false;
}

static bool
is_counted_already(const struct trial *t, size_t word)
{
	for (size_t i = 0; i < word; i++)
		if (t->out->standing[i] == APPROVALS_COUNTS &&
		    group_of(t, i) == group_of(t, word))
			return true;
	return false;
}

static bool
is_expired(const struct trial *t, size_t word)
{
	return t->rule->expire_ns != 0 &&
	    t->now.ns - t->words[word].at.ns > t->rule->expire_ns;
}

/* P2 */
static bool
is_asked(const struct trial *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct approvals_word *w = &t->words[i];

		if (w->verb == APPROVALS_REQUEST && *w->who.key != '\0' &&
		    is_same_text(w->who.name, t->requester->name) &&
		    !is_taken_back(t, i))
			return true;
	}
	return !t->rule->is_signed;
}

static enum approvals_standing
stand(const struct trial *t, size_t word)
{
	const struct approvals_word *w = &t->words[word];

	if (w->verb != APPROVALS_APPROVE && w->verb != APPROVALS_SECOND)
		return APPROVALS_NOT_COUNTED;
	if (group_of(t, word) == t->groups[0]) /* P2 */
		return APPROVALS_REQUESTER;
	if (t->rule->roles != 0 && (w->who.roles & t->rule->roles) == 0)
		return APPROVALS_NO_ROLE;
	if (t->rule->is_signed && *w->who.key == '\0')
		return APPROVALS_UNSIGNED;
	if (!t->out->is_asked && w->verb == APPROVALS_APPROVE)
		return APPROVALS_UNASKED;
	if (t->rule->is_timed && *w->who.key != '\0' && w->said.ns == 0)
		return APPROVALS_OLD;
	if (strcmp(w->seen, t->seen) != 0) /* P3 */
		return APPROVALS_CHANGED;
	if (is_taken_back(t, word))
		return APPROVALS_TAKEN_BACK;
	if (is_expired(t, word))
		return APPROVALS_EXPIRED;
	if (is_counted_already(t, word))
		return APPROVALS_SAME_PERSON;
	return APPROVALS_COUNTS;
}

static void
count_word(struct trial *t, size_t word)
{
	const struct approvals_word *w = &t->words[word];
	int64_t ends = w->at.ns + t->rule->expire_ns;

	t->out->counted++;
	if (strcmp(w->who.council, t->requester->council) != 0)
		t->out->council_ok = true;
	if (t->rule->expire_ns != 0 &&
	    (t->out->expires.ns == 0 || ends < t->out->expires.ns))
		t->out->expires.ns = ends;
}

static bool
is_refusal(const struct trial *t, size_t word)
{
	const struct approvals_word *w = &t->words[word];

	return w->verb == APPROVALS_REFUSE &&
	    (t->rule->roles == 0 || (w->who.roles & t->rule->roles) != 0) &&
	    !is_taken_back(t, word);
}

/* The second: of another person than who broke it, and not the requester. */
static void
judge_glass(struct trial *t)
{
	const struct approvals_rule *r = t->rule;
	int64_t within =
	    r->second_within_ns == 0 ? SECOND_NS : r->second_within_ns;

	if (!r->glass_broken)
		return;
	t->out->second_by.ns = r->glass_at.ns + within;
	t->out->glass = t->now.ns > t->out->second_by.ns
	    ? APPROVALS_SECOND_OVERDUE
	    : APPROVALS_SECOND_AWAITED;
	for (size_t i = 0; i < t->count; i++)
		if (t->words[i].verb == APPROVALS_SECOND &&
		    (t->out->standing[i] == APPROVALS_COUNTS ||
			t->out->standing[i] == APPROVALS_EXPIRED ||
			t->out->standing[i] == APPROVALS_SAME_PERSON) &&
		    group_of(t, i) != t->groups[1] &&
		    t->words[i].at.ns <= t->out->second_by.ns)
			t->out->glass = APPROVALS_SECONDED;
}

static void
put_words(struct trial *t)
{
	struct approvals_judgement *o = t->out;
	int n = snprintf(o->text, sizeof(o->text), "%u of %u%s", o->counted,
	    o->needed, o->is_signed ? " signed" : "");
	const char *sep = ": ";

	for (size_t i = 0; i < t->count; i++) {
		if (o->standing[i] != APPROVALS_COUNTS || n < 0 ||
		    (size_t)n >= sizeof(o->text))
			continue;
		n += snprintf(o->text + n, sizeof(o->text) - (size_t)n,
		    "%s%s (%s)", sep, t->words[i].who.name,
		    t->words[i].who.council);
		sep = ", ";
	}
	if (n < 0 || (size_t)n >= sizeof(o->text))
		return;
	snprintf(o->text + n, sizeof(o->text) - (size_t)n, "%s%s%s%s",
	    o->is_asked ? "" : "; the request is not signed by ",
	    o->is_asked ? "" : t->requester->name,
	    o->council_ok ? "" : "; one of another council is needed",
	    o->refused ? "; refused" : "");
}

void
approvals_judge(const struct approvals_word *words, size_t words_count,
    const struct approvals_rule *rule, const struct approvals_person *requester,
    const char *seen, struct utc now, struct approvals_judgement *out)
{
	const struct approvals_person *who[APPROVALS_WORDS_MAX + 2];
	struct trial t = {.words = words,
	    .count = words_count < APPROVALS_WORDS_MAX ? words_count
						       : APPROVALS_WORDS_MAX,
	    .rule = rule,
	    .requester = requester,
	    .seen = seen,
	    .now = now,
	    .out = out};

	*out = (struct approvals_judgement){.needed = rule->needed,
	    .is_signed = rule->is_signed,
	    .council_ok = !rule->other_council};
	who[0] = requester;
	who[1] = rule->glass_broken ? &rule->glass_by : requester;
	for (size_t i = 0; i < t.count; i++)
		who[i + 2] = &words[i].who;
	group_people(who, t.count + 2, t.groups);
	out->is_asked = is_asked(&t);
	for (size_t i = 0; i < t.count; i++) {
		out->standing[i] = stand(&t, i);
		if (out->standing[i] == APPROVALS_COUNTS)
			count_word(&t, i);
		out->refused = out->refused || is_refusal(&t, i);
	}
	judge_glass(&t);
	out->suffices = !out->refused &&
	    ((out->is_asked && out->counted >= rule->needed &&
		 out->council_ok) ||
		rule->glass_broken);
	put_words(&t);
}

/* Letters and digits count: "Mains off" is "mains-off". */
static bool
says_the_same(const char *a, const char *b)
{
	for (;;) {
		while (*a != '\0' && !isalnum((unsigned char)*a) &&
		    (unsigned char)*a < 0x80)
			a++;
		while (*b != '\0' && !isalnum((unsigned char)*b) &&
		    (unsigned char)*b < 0x80)
			b++;
		if (*a == '\0' || *b == '\0')
			return *a == *b;
		if (tolower((unsigned char)*a++) !=
		    tolower((unsigned char)*b++))
			return false;
	}
}

static bool
has_content(const char *s)
{
	for (; *s != '\0'; s++)
		if (isalnum((unsigned char)*s) || (unsigned char)*s >= 0x80)
			return true;
	return false;
}

unsigned
approvals_persons(const struct approvals_word *words, size_t words_count,
    enum approvals_verb verb, const char *reason, int64_t within_ns,
    const struct approvals_person *excluded)
{
	static const struct approvals_person nobody = {.uid = APPROVALS_NO_UID,
	    .login_uid = APPROVALS_NO_UID};
	const struct approvals_person *who[APPROVALS_WORDS_MAX + 1];
	size_t groups[APPROVALS_WORDS_MAX + 1], n = 1;
	int64_t newest = INT64_MIN;
	unsigned persons = 0;

	who[0] = excluded == NULL ? &nobody : excluded;
	if (!has_content(reason))
		return 0;
	for (size_t i = 0; i < words_count; i++)
		if (words[i].verb == verb &&
		    says_the_same(words[i].reason, reason) &&
		    words[i].at.ns > newest)
			newest = words[i].at.ns;
	for (size_t i = 0; i < words_count && n <= APPROVALS_WORDS_MAX; i++)
		if (words[i].verb == verb &&
		    says_the_same(words[i].reason, reason) &&
		    (within_ns == 0 || newest - words[i].at.ns <= within_ns))
			who[n++] = &words[i].who;
	group_people(who, n, groups);
	for (size_t i = 1; i < n; i++)
		persons += groups[i] == i ? 1 : 0;
	return persons;
}

/* --- what was seen ------------------------------------------------------------------------ */

/* Length before content: no content can pass for another field. */
static enum err_code
put(struct buf *out, const char *name, const char *text, struct err *e)
{
	if (text == NULL)
		text = "";
	return buf_printf(out, e, "%s %zu:%s\n", name, strlen(text), text);
}

static enum err_code
put_guards(struct buf *out, const struct guards_result *g, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (g == NULL)
		return buf_add_text(out, "guards none\n", e);
	for (unsigned i = 0; rc == ERR_NONE && i < GUARDS_COUNT; i++)
		rc = buf_printf(out, e, "%s %s%s\n", guards_id(i + 1),
		    guards_verdict_name(g[i].verdict),
		    g[i].overridden ? " overridden" : "");
	return rc;
}

static enum err_code
put_service(struct buf *out, const struct approvals_shown_service *s,
    struct err *e)
{
	enum err_code rc = put(out, "service", s->name, e);

	if (rc == ERR_NONE)
		rc = put(out, "from", s->from, e);
	if (rc == ERR_NONE)
		rc = put(out, "to", s->to, e);
	if (rc == ERR_NONE)
		rc = put(out, "plan", s->plan_digest, e);
	if (rc == ERR_NONE)
		rc = put(out, "point", s->point, e);
	if (rc == ERR_NONE)
		rc = put(out, "loss", s->loss, e);
	return rc == ERR_NONE ? put_guards(out, s->guards, e) : rc;
}

enum err_code
approvals_seen(const struct approvals_shown *shown, struct buf *out,
    struct err *e)
{
	enum err_code rc = buf_add_text(out, "bascule seen v1\n", e);

	if (rc == ERR_NONE)
		rc = put(out, "run", shown->run, e);
	if (rc == ERR_NONE)
		rc = put(out, "mode", shown->mode, e);
	if (rc == ERR_NONE)
		rc = put(out, "policy", shown->policy_digest, e);
	if (rc == ERR_NONE)
		rc = put(out, "reason", shown->reason, e);
	if (rc == ERR_NONE)
		rc = put(out, "change", shown->change, e);
	if (rc == ERR_NONE)
		rc =
		    buf_printf(out, e, "services %zu\n", shown->services_count);
	for (size_t i = 0; rc == ERR_NONE && i < shown->services_count; i++)
		rc = put_service(out, &shown->services[i], e);
	return rc;
}

static enum err_code
put_parts(struct buf *out, const char *const *parts, size_t count,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < count; i++)
		rc = buf_add(out, parts[i],
		    strlen(parts[i]) + (i + 1 < count ? 1 : 0), e);
	return rc;
}

enum err_code
approvals_signed(const struct approvals_signing *s, const char **label,
    struct buf *out, struct err *e)
{
	char said[24];
	const char *const v1[] = {s->run, approvals_verb_name(s->verb),
	    s->seen};
	const char *const v2[] = {s->run, s->service,
	    approvals_verb_name(s->verb), s->seen, said, s->reason, s->note};

	if (s->said.ns == 0) {
		*label = "bascule approval v1";
		return put_parts(out, v1, 3, e);
	}
	*label = "bascule approval v2";
	snprintf(said, sizeof(said), "%" PRId64, s->said.ns);
	return put_parts(out, v2, 7, e);
}

/* --- names ----------------------------------------------------------------------------------- */

static const char *const verbs[APPROVALS_VERBS] = {"approve", "refuse",
    "withdraw", "second", "attest", "accept", "release", "request"};

const char *
approvals_verb_name(enum approvals_verb v)
{
	return (unsigned)v < APPROVALS_VERBS ? verbs[v] : "unknown";
}

bool
approvals_verb_find(const char *name, enum approvals_verb *v)
{
	for (unsigned i = 0; i < APPROVALS_VERBS; i++)
		if (strcmp(verbs[i], name) == 0) {
			*v = (enum approvals_verb)i;
			return true;
		}
	return false;
}

const char *
approvals_standing_words(enum approvals_standing s)
{
	switch (s) {
	case APPROVALS_COUNTS: return "counts";
	case APPROVALS_SAME_PERSON: return "is counted already";
	case APPROVALS_REQUESTER: return "is the requester";
	case APPROVALS_CHANGED: return "saw something else";
	case APPROVALS_EXPIRED: return "has expired";
	case APPROVALS_TAKEN_BACK: return "was taken back";
	case APPROVALS_NO_ROLE: return "does not have the role";
	case APPROVALS_UNSIGNED:
		return "is not signed, and the policy counts signed words "
		       "alone";
	case APPROVALS_OLD:
		return "was signed by an older program, which signs no time: "
		       "to be approved again";
	case APPROVALS_UNASKED: return "counts once the request is signed";
	case APPROVALS_NOT_COUNTED: return "is no approval";
	}
	return "does not count";
}
