/* What may happen in a tabletop, when, and with which fields: two tables. */

#include "tabletop_rules.h"

#include <bascule/base/defs.h>
#include <bascule/base/text.h>
#include <string.h>

/* --- the fields there are ------------------------------------------------------ */

enum kind { TEXT, NUMBER, CHOICE };

struct form {
	const char *name;
	enum kind kind;
	const char *choices; /* words apart by blanks */
	bool repeats;
};

static const struct form forms[] = {
    {"title", TEXT, NULL, false},
    {"service", TEXT, NULL, true},
    {"scenario", TEXT, NULL, false},
    {"objective", TEXT, NULL, true},
    {"criterion", TEXT, NULL, true},
    {"condition", TEXT, NULL, true},
    {"rule", TEXT, NULL, true},
    {"scope", TEXT, NULL, false},
    {"exclusion", TEXT, NULL, true},
    {"artificiality", TEXT, NULL, true},
    {"facilitator", TEXT, NULL, false},
    {"scribe", TEXT, NULL, false},
    {"sponsor", TEXT, NULL, false},
    {"place", TEXT, NULL, false},
    {"trigger", TEXT, NULL, false},
    {"duration_ns", NUMBER, NULL, false},
    {"injects", NUMBER, NULL, false},
    {"plan_step", TEXT, NULL, true},
    {"plan_skip", TEXT, NULL, true},
    {"inject", TEXT, NULL, true},
    {"inject.at_ns", NUMBER, NULL, true},
    {"inject.after", TEXT, NULL, true},
    {"inject.on", TEXT, NULL, true},
    {"inject.to", TEXT, NULL, true},
    {"inject.channel", TEXT, NULL, true},
    {"inject.text", TEXT, NULL, true},
    {"inject.expect", TEXT, NULL, true},
    {"player", TEXT, NULL, false},
    {"role", TEXT, NULL, false},
    {"deputy", TEXT, NULL, false},
    {"council", TEXT, NULL, false},
    {"as", CHOICE, "player observer evaluator adviser", false},
    {"attendance", CHOICE, "expected present remote absent left", false},
    {"reason", TEXT, NULL, false},
    {"for_ns", NUMBER, NULL, false},
    {"known", TEXT, NULL, true},
    {"posture", TEXT, NULL, true},
    {"by_ns", NUMBER, NULL, false},
    {"planned_t_ns", NUMBER, NULL, false},
    {"delivered_by", TEXT, NULL, false},
    {"recipient", TEXT, NULL, false},
    {"text", TEXT, NULL, false},
    {"met", CHOICE, "yes partly no", false},
    {"decision", TEXT, NULL, false},
    {"option", TEXT, NULL, true},
    {"decider", TEXT, NULL, false},
    {"authority", TEXT, NULL, false},
    {"dissent", TEXT, NULL, true},
    {"supported", CHOICE, "yes no unclear", false},
    {"action_taken", TEXT, NULL, false},
    {"would_run", TEXT, NULL, false},
    {"mark", CHOICE, "detected declared authorised notified recovered", false},
    {"kind", CHOICE,
	"observation question answer communication gap assumption contact "
	"strength improvement hotwash recommendation summary",
	false},
    {"who", TEXT, NULL, false},
    {"to", TEXT, NULL, false},
    {"step", TEXT, NULL, false},
    {"planned_ns", NUMBER, NULL, false},
    {"basis", TEXT, NULL, false},
    {"starts_t_ns", NUMBER, NULL, false},
    {"outcome", CHOICE, "done failed skipped", false},
    {"objective_number", NUMBER, NULL, false},
    {"rating", CHOICE, "P S M U", false},
    {"action", TEXT, NULL, false},
    {"owner", TEXT, NULL, false},
    {"due_ns", NUMBER, NULL, false},
    {"priority", CHOICE, "high medium low", false},
    {"done_when", TEXT, NULL, false},
    {"status", CHOICE, "open done verified", false},
    {"evidence", TEXT, NULL, false},
    {"retest", TEXT, NULL, false},
    {"next_due_ns", NUMBER, NULL, false},
};

static const struct form *
form_of(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(forms); i++)
		if (strcmp(forms[i].name, name) == 0)
			return &forms[i];
	return NULL;
}

/* Is the word one of those in the list, which are apart by blanks? */
static bool
is_listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; len > 0 && at != NULL && *at != '\0';) {
		const char *end = strchr(at, ' ');
		size_t here = end == NULL ? strlen(at) : (size_t)(end - at);

		if (here == len && memcmp(at, word, len) == 0)
			return true;
		at = end == NULL ? NULL : end + 1;
	}
	return false;
}

/* --- what may happen when -------------------------------------------------------- */

#define IN(s)     (1u << TABLETOP_##s)
#define BEFORE    (IN(DRAFT) | IN(APPROVED) | IN(SCHEDULED) | IN(BRIEFED))
#define PLAYING   (IN(IN_PLAY) | IN(PAUSED))
#define REVIEWING (IN(ENDEX) | IN(HOTWASH) | IN(AAR_DRAFT) | IN(AAR_REVIEW))
#define STAY      TABLETOP_RULES_STAY

const struct tabletop_rule tabletop_rules[TABLETOP_VERBS] = {
    [TABLETOP_DO_DRAFT] = {"draft", IN(DRAFT), STAY, "title service",
	"scenario objective criterion condition rule scope exclusion "
	"artificiality facilitator scribe sponsor place trigger duration_ns "
	"injects plan_step plan_skip",
	false},
    [TABLETOP_DO_PLAN] = {"plan", IN(DRAFT), STAY, "inject",
	"inject.at_ns inject.after inject.on inject.to inject.channel "
	"inject.text inject.expect",
	false},
    [TABLETOP_DO_ATTEND] = {"attend", BEFORE | PLAYING | REVIEWING, STAY,
	"player", "role deputy council as attendance text", true},
    [TABLETOP_DO_APPROVE] = {"approve", IN(DRAFT), TABLETOP_APPROVED, "",
	"text", true},
    [TABLETOP_DO_SCHEDULE] = {"schedule", IN(APPROVED) | IN(SCHEDULED),
	TABLETOP_SCHEDULED, "for_ns", "place text", true},
    [TABLETOP_DO_BRIEF] = {"brief", IN(SCHEDULED), TABLETOP_BRIEFED, "",
	"known posture rule text", true},
    [TABLETOP_DO_BEGIN] = {"begin", IN(BRIEFED), TABLETOP_IN_PLAY, "", "text",
	true},
    [TABLETOP_DO_PAUSE] = {"pause", IN(IN_PLAY), TABLETOP_PAUSED, "", "reason",
	true},
    [TABLETOP_DO_RESUME] = {"resume", IN(PAUSED), TABLETOP_IN_PLAY, "", "text",
	true},
    [TABLETOP_DO_JUMP] = {"jump", PLAYING, STAY, "by_ns", "reason", true},
    [TABLETOP_DO_INJECT] = {"inject", PLAYING, STAY, "inject",
	"planned_t_ns delivered_by recipient text", true},
    [TABLETOP_DO_ANSWER] = {"answer", PLAYING, STAY, "inject",
	"who text met mark", true},
    [TABLETOP_DO_DECIDE] = {"decide", PLAYING, STAY, "decision decider",
	"inject option known posture authority dissent supported action_taken "
	"would_run mark",
	true},
    [TABLETOP_DO_NOTE] = {"note", IN(BRIEFED) | PLAYING | REVIEWING, STAY,
	"text", "who kind to mark", true},
    [TABLETOP_DO_STEP] = {"step", PLAYING, STAY, "step planned_ns",
	"basis starts_t_ns outcome reason who", true},
    [TABLETOP_DO_ENDEX] = {"endex", PLAYING, TABLETOP_ENDEX, "", "reason",
	true},
    [TABLETOP_DO_STOP] = {"stop", PLAYING, TABLETOP_ENDEX, "", "reason who",
	true},
    [TABLETOP_DO_HOTWASH] = {"hotwash", IN(ENDEX), TABLETOP_HOTWASH, "", "text",
	true},
    [TABLETOP_DO_AAR] = {"aar", IN(HOTWASH) | IN(AAR_REVIEW),
	TABLETOP_AAR_DRAFT, "", "text reason", true},
    [TABLETOP_DO_RATE] = {"rate", REVIEWING, STAY, "objective_number rating",
	"reason who", true},
    [TABLETOP_DO_ACTION] = {"action", REVIEWING | IN(ISSUED) | IN(ACTIONS_OPEN),
	STAY, "action",
	"text owner council due_ns priority done_when status evidence retest",
	true},
    [TABLETOP_DO_REVIEW] = {"review", IN(AAR_DRAFT), TABLETOP_AAR_REVIEW, "",
	"text", true},
    [TABLETOP_DO_ISSUE] = {"issue", IN(AAR_REVIEW), TABLETOP_ISSUED, "",
	"text to next_due_ns", true},
    [TABLETOP_DO_ACTIONS] = {"actions", IN(ISSUED), TABLETOP_ACTIONS_OPEN, "",
	"text", true},
    [TABLETOP_DO_CLOSE] = {"close", IN(ACTIONS_OPEN), TABLETOP_CLOSED, "",
	"text", true},
    [TABLETOP_DO_CANCEL] = {"cancel", BEFORE, TABLETOP_CANCELLED, "reason", "",
	true},
    [TABLETOP_DO_SIGN] = {"sign",
	IN(AAR_REVIEW) | IN(ISSUED) | IN(ACTIONS_OPEN), STAY, "", "text", true},
};

/* --- an event's fields ------------------------------------------------------ */

bool
tabletop_rules_parse(const char *text, int64_t *value)
{
	bool minus = *text == '-';
	uint64_t n;

	if (!text_parse_u64(text + minus, INT64_MAX, &n))
		return false;
	*value = minus ? -(int64_t)n : (int64_t)n;
	return true;
}

bool
tabletop_rules_has(const struct tabletop_rule *r, const char *name)
{
	return form_of(name) != NULL &&
	    (is_listed(r->needs, name) || is_listed(r->takes, name));
}

static enum err_code
check_field(const struct tabletop_rule *r, const struct tabletop_event *ev,
    size_t i, struct err *e)
{
	const struct tabletop_field *f = &ev->fields[i];
	const struct form *form = form_of(f->name);
	int64_t number;

	if (form == NULL || !tabletop_rules_has(r, f->name))
		return err_set(e, ERR_INPUT, "'%s' has no field '%.40s'",
		    r->name, f->name);
	if (strlen(f->value) > TABLETOP_TEXT_BYTES_MAX)
		return err_set(e, ERR_INPUT, "'%s' is longer than %d bytes",
		    f->name, TABLETOP_TEXT_BYTES_MAX);
	if (form->kind == NUMBER && !tabletop_rules_parse(f->value, &number))
		return err_set(e, ERR_INPUT, "'%s' is a whole number", f->name);
	if (form->kind == CHOICE && !is_listed(form->choices, f->value))
		return err_set(e, ERR_INPUT, "'%.40s' is no %s: one of %s",
		    f->value, f->name, form->choices);
	for (size_t k = 0; k < i && !form->repeats; k++)
		if (strcmp(ev->fields[k].name, f->name) == 0)
			return err_set(e, ERR_INPUT, "'%s' is given twice",
			    f->name);
	return ERR_NONE;
}

enum err_code
tabletop_rules_check(const struct tabletop_event *ev, struct err *e)
{
	const struct tabletop_rule *r = &tabletop_rules[ev->verb];
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < ev->fields_count; i++)
		rc = check_field(r, ev, i, e);
	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < COUNT_OF(forms); i++)
		if (is_listed(r->needs, forms[i].name) &&
		    tabletop_value(ev, forms[i].name, 0)[0] == '\0')
			return err_set(e, ERR_INPUT, "'%s' needs its %s",
			    r->name, forms[i].name);
	return ERR_NONE;
}
