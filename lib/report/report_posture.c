/* The posture of services, now or at an instant that has passed, as a page. */

#include <bascule/base/text.h>
#include <bascule/wire.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "report_page.h"

#define PROVED_LEVEL '3' /* of a point: read again since it was made */

/* --- what is read ------------------------------------------------------------ */

static bool
is_of(struct wire_value *v, const char *type)
{
	return v != NULL && strcmp(wire_take_text(v, "type", ""), type) == 0;
}

/* Seconds for people: "3h 5m"; "-" where there are none. */
static const char *
span(struct wire_value *v, const char *name, char out[TEXT_UNIT_BYTES])
{
	int64_t ns = v == NULL ? -1 : wire_take_seconds(v, name, -1);

	if (ns < 0)
		return "-";
	return text_duration(ns >= NS_PER_S ? ns / NS_PER_S * NS_PER_S : ns,
	    out);
}

/* --- what is wrong ------------------------------------------------------------ */

static void doubt(struct report_page *p, const char *service, const char *fmt,
    ...) PRINTF_LIKE(3, 4);

static void
doubt(struct report_page *p, const char *service, const char *fmt, ...)
{
	char text[1200];
	size_t used;
	va_list ap;

	snprintf(text, sizeof(text), "%.100s: ", service);
	used = strlen(text);
	va_start(ap, fmt);
	vsnprintf(text + used, sizeof(text) - used, fmt, ap);
	va_end(ap);
	text_mend_end(text);
	report_page_doubt(p, text);
}

static void
doubt_rpo(struct report_page *p, struct wire_value *v, const char *name)
{
	const char *state = wire_take_text(v, "rpo_state", "UNKNOWN");
	struct utc since = wire_take_utc(v, "since", (struct utc){0});
	struct wire_value *problems = wire_take_list(v, "problems");
	char at[NOW_TEXT_BYTES];

	if (strcmp(state, "OK") != 0)
		doubt(p, name, "its RPO is %s%s%s", state,
		    since.ns != 0 ? " since " : "",
		    report_page_time(since, at));
	for (size_t i = 0; problems != NULL && i < wire_count(problems); i++) {
		const char *text = wire_at_text(problems, i);

		if (text != NULL)
			doubt(p, name, "%s", text);
	}
}

static void
doubt_proof(struct report_page *p, struct wire_value *v, const char *name)
{
	struct wire_value *point = wire_take_object(v, "last_point");
	const char *proof =
	    point == NULL ? "" : wire_take_text(point, "proof", "");

	if (point == NULL)
		doubt(p, name, "no recovery point is known");
	else if (proof[0] != 'L' || proof[1] < PROVED_LEVEL)
		doubt(p, name,
		    "its newest point is unproven: %s, not read again since it "
		    "was made",
		    proof[0] != '\0' ? proof : "no level");
}

static void
doubt_exercise(struct report_page *p, struct wire_value *v, const char *name)
{
	struct wire_value *x = wire_take_object(v, "last_exercise");
	const char *result = x == NULL ? "" : wire_take_text(x, "result", "");
	int64_t rto = wire_take_seconds(v, "rto_seconds", -1), rta;
	char is[TEXT_UNIT_BYTES], target[TEXT_UNIT_BYTES];

	if (x == NULL) {
		doubt(p, name, "it was never exercised: no RTA is measured");
		return;
	}
	if (strcmp(result, "PASS") != 0)
		doubt(p, name, "its last exercise %s: %s",
		    wire_take_text(x, "run", ""),
		    result[0] != '\0' ? result
				      : wire_take_text(x, "state", "UNKNOWN"));
	rta = wire_take_seconds(x, "rta_seconds", -1);
	if (rta < 0)
		doubt(p, name, "its last exercise measured no RTA");
	else if (rto >= 0 && rta > rto)
		doubt(p, name, "its RTA was %s, the RTO is %s",
		    span(x, "rta_seconds", is), span(v, "rto_seconds", target));
}

static void
doubt_ready(struct report_page *p, struct wire_value *v, const char *name)
{
	struct wire_value *r = wire_take_object(v, "readiness");
	struct wire_value *list =
	    r == NULL ? NULL : wire_take_list(r, "not_ready");
	char text[400] = "";
	size_t used = 0;

	if (r == NULL || wire_take_bool(r, "ready", false))
		return;
	for (size_t i = 0; list != NULL && i < wire_count(list); i++) {
		const char *check = wire_at_text(list, i);

		if (check != NULL && used + 40 < sizeof(text))
			used +=
			    (size_t)snprintf(text + used, sizeof(text) - used,
				"%s%.36s", i > 0 ? ", " : ": ", check);
	}
	doubt(p, name, "%s is not ready for it%s",
	    wire_take_text(r, "site", ""), text);
}

static void
doubt_other(struct report_page *p, struct wire_value *v, struct utc now)
{
	const char *service = wire_take_text(v, "service", "");

	if (is_of(v, "alarm") && wire_take_bool(v, "raised", true))
		doubt(p, *service != '\0' ? service : "alarm", "%s alarm: %s",
		    wire_take_text(v, "level", ""),
		    wire_take_text(v, "text", ""));
	else if (is_of(v, "exception") &&
	    wire_take_utc(v, "expires", now).ns < now.ns &&
	    strcmp(wire_take_text(v, "status", ""), "ended") != 0)
		doubt(p, wire_take_text(v, "id", ""),
		    "the exception from %s has expired",
		    wire_take_text(v, "about", ""));
}

static void
put_doubts(struct report_page *p, const struct report_posture *of)
{
	report_page_section(p, "doubts",
	    "What is wrong, unproven, expired or unknown");
	for (size_t i = 0; i < wire_count(of->messages); i++) {
		struct wire_value *v = wire_at_object(of->messages, i);
		const char *name;

		if (!is_of(v, "service")) {
			if (v != NULL)
				doubt_other(p, v, of->at);
			continue;
		}
		name = wire_take_text(v, "service", "");
		doubt_rpo(p, v, name);
		doubt_proof(p, v, name);
		doubt_exercise(p, v, name);
		doubt_ready(p, v, name);
	}
	if (p->count == 1)
		report_page_note(p, "nothing that is looked at here");
}

/* --- the services --------------------------------------------------------------- */

static void
put_service(struct report_page *p, struct wire_value *v)
{
	struct wire_value *point = wire_take_object(v, "last_point");
	struct wire_value *x = wire_take_object(v, "last_exercise");
	char now[TEXT_UNIT_BYTES], rpo[TEXT_UNIT_BYTES], at[NOW_TEXT_BYTES];
	char rta[TEXT_UNIT_BYTES], rto[TEXT_UNIT_BYTES], tier[24] = "-";
	char rpos[2 * TEXT_UNIT_BYTES + 4], rtas[2 * TEXT_UNIT_BYTES + 4];
	char newest[NOW_TEXT_BYTES + 40] = "none", tested[200] = "never";
	char where[200];

	if (wire_has(v, "tier"))
		snprintf(tier, sizeof(tier), "%" PRIu64,
		    wire_take_uint(v, "tier", 0));
	snprintf(where, sizeof(where), "%.90s, %.90s",
	    wire_take_text(v, "active_site", "?"),
	    wire_take_text(v, "authority", "UNKNOWN"));
	snprintf(rpos, sizeof(rpos), "%s / %s", span(v, "rpo_now_seconds", now),
	    span(v, "rpo_seconds", rpo));
	snprintf(rtas, sizeof(rtas), "%s / %s", span(x, "rta_seconds", rta),
	    span(v, "rto_seconds", rto));
	if (point != NULL)
		snprintf(newest, sizeof(newest), "%s, %.30s",
		    report_page_time(wire_take_utc(point, "at",
					 (struct utc){0}),
			at),
		    wire_take_text(point, "proof", "?"));
	if (x != NULL)
		snprintf(tested, sizeof(tested), "%.90s %.90s",
		    wire_take_text(x, "mode", ""),
		    *wire_take_text(x, "result", "") != '\0'
			? wire_take_text(x, "result", "")
			: wire_take_text(x, "state", ""));
	report_page_row(p,
	    (const char *const[]){wire_take_text(v, "service", ""), tier,
		wire_take_text(v, "rpo_state", "UNKNOWN"), rpos, where, newest,
		tested, rtas});
}

static void
put_services(struct report_page *p, const struct report_posture *of)
{
	static const struct report_page_column columns[] = {{"service",
								"service", 0},
	    {"tier", "tier", 0}, {"rpo", "RPO is", 0},
	    {"rpo_now", "RPO now / target", 0}, {"site", "runs at", 0},
	    {"point", "newest point (UTC), proof", 0},
	    {"test", "last exercise", 0}, {"rta", "RTA / RTO", 0}};
	char at[NOW_TEXT_BYTES];

	report_page_section(p, "posture", "Each service");
	report_page_line(p, "as_of", "as of", report_page_time(of->at, at));
	report_page_line(p, "seen_from", "seen from", of->site);
	report_page_table(p, "services", columns, COUNT_OF(columns),
	    "there is no service");
	for (size_t i = 0; i < wire_count(of->messages); i++) {
		struct wire_value *v = wire_at_object(of->messages, i);

		if (is_of(v, "service"))
			put_service(p, v);
	}
}

/* --- what is excepted --------------------------------------------------------------- */

static void
put_exceptions(struct report_page *p, const struct report_posture *of)
{
	static const struct report_page_column columns[] = {{"id", "exception",
								0},
	    {"status", "status", 0}, {"about", "from", 0},
	    {"service", "service", 0}, {"owner", "owner", 0},
	    {"expires", "expires (UTC)", 0}, {"text", "why", 0}};
	char at[NOW_TEXT_BYTES];

	report_page_section(p, "exceptions", "What is excepted: never a pass");
	report_page_table(p, "exceptions", columns, COUNT_OF(columns),
	    "nothing is");
	for (size_t i = 0; i < wire_count(of->messages); i++) {
		struct wire_value *v = wire_at_object(of->messages, i);
		struct utc opened, expires;

		if (!is_of(v, "exception"))
			continue;
		opened = wire_take_utc(v, "opened", (struct utc){0});
		expires = wire_take_utc(v, "expires", (struct utc){0});
		if (opened.ns > of->at.ns)
			continue;
		report_page_row(p,
		    (const char *const[]){wire_take_text(v, "id", ""),
			wire_take_text(v, "status", ""),
			wire_take_text(v, "about", ""),
			wire_take_text(v, "service", "all"),
			wire_take_text(v, "owner", ""),
			report_page_time(expires, at),
			wire_take_text(v, "text", "")});
	}
}

/* --- the page ---------------------------------------------------------------------- */

static void
put_limits(struct report_page *p, const struct report_posture *of)
{
	report_page_section(p, "limits", "What this does not say");
	report_page_note(p,
	    "Each service stands for itself: nothing is averaged, least of all "
	    "across tiers. UNKNOWN counts as a breach.");
	report_page_note(p,
	    "It is what this site has recorded and seen; the other site may "
	    "know more.");
	if (of->is_past)
		report_page_note(p,
		    "Of then only what was recorded by then is here. "
		    "Readiness, "
		    "jobs and alarms of then are not: 'bascule events "
		    "--until'. "
		    "The status of an exception is today's.");
	else
		report_page_note(p,
		    "How far each copy is proved, rung by rung, and what has "
		    "expired: 'bascule report ladder'.");
}

enum err_code
report_posture(const struct report_posture *of, enum report_form form,
    struct buf *out, struct err *e)
{
	OWNED(report_page_free) struct report_page *p = NULL;
	enum err_code rc = report_page_new(&p,
	    of->is_past ? "Posture, as recorded by then" : "Posture", e);

	if (rc != ERR_NONE)
		return rc;
	put_doubts(p, of);
	put_services(p, of);
	put_exceptions(p, of);
	put_limits(p, of);
	return report_page_form(p, "posture", form, out, e);
}
