/* Reports through the API. */

#include <string.h>

#include <bascule/report.h>

#include "client.h"
#include "peer.h"

#define PIECE_BYTES ((size_t)48 << 10)
#define LEDGERS_MAX 8

/* --- in pieces --------------------------------------------------------------------- */

/* How much of it goes into one line: to the end of a line, or of a character. */
static size_t
piece_of(const char *text, size_t len)
{
	size_t n;

	if (len <= PIECE_BYTES)
		return len;
	for (n = PIECE_BYTES; n > 0 && text[n - 1] != '\n'; n--)
		;
	if (n > 0)
		return n;
	for (n = PIECE_BYTES; n > 1 && ((unsigned char)text[n] & 0xc0) == 0x80;
	     n--)
		;
	return n;
}

enum err_code
client_text(struct client *c, const char *text, size_t len, struct err *e)
{
	while (len > 0) {
		OWNED(wire_free) struct wire_value *v = NULL;
		size_t n = piece_of(text, len);
		enum err_code rc = wire_new(&v, "text", e);

		if (rc != ERR_NONE)
			return rc;
		wire_add_bytes(v, "text", text, n);
		client_reply(c, &v);
		text += n;
		len -= n;
	}
	return ERR_NONE;
}

/* --- of an exercise or a move ----------------------------------------------------------- */

enum err_code
client_gather(struct daemon *d, const char *run, struct report_exercise **out,
    struct err *e)
{
	struct ledger *ledgers[LEDGERS_MAX] = {d->ledger};
	struct report_sources from = {.ledgers = ledgers,
	    .ledgers_count = 1,
	    .policy = d->policy};

	for (const struct peer *p = d->peers;
	     p != NULL && from.ledgers_count < LEDGERS_MAX; p = p->next)
		if (p->copy != NULL)
			ledgers[from.ledgers_count++] = p->copy;
	/* What it tells of is under a head, whenever and in whatever form it is
	 * asked for. */
	daemon_sign_now(d);
	return report_exercise_gather(out, &from, run, e);
}

static enum err_code
make_text(const struct report_exercise *x, const char *format, struct buf *out,
    struct err *e)
{
	if (strcmp(format, "table") == 0)
		return report_exercise_text(x, out, e);
	if (strcmp(format, "html") == 0)
		return report_exercise_html(x, out, e);
	if (strcmp(format, "csv") == 0)
		return report_exercise_csv(x, out, e);
	return err_set(e, ERR_INPUT,
	    "'%.40s' is no format: table, csv, json or html", format);
}

static enum err_code
run_exercise(struct client *c, struct wire_value *request, struct err *e)
{
	OWNED(report_exercise_free) struct report_exercise *x = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf text = {0};
	const char *run = wire_need_text(request, "run");
	const char *format = wire_take_text(request, "format", "json");
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = client_gather(client_daemon(c), run, &x, e);
	if (rc == ERR_NONE && strcmp(format, "json") == 0) {
		rc = report_exercise_wire(x, &v, e);
		if (rc == ERR_NONE)
			client_reply(c, &v);
	} else if (rc == ERR_NONE) {
		rc = make_text(x, format, &text, e);
		if (rc == ERR_NONE)
			rc = client_text(c, buf_text(&text), text.len_bytes, e);
	}
	return rc == ERR_NONE ? client_count(c, 1, e) : rc;
}
const struct api_command api_report_exercise = {"report exercise",
    CLIENT_READERS, run_exercise};

/* --- of a period --------------------------------------------------------------------------- */

static enum err_code
find_form(const char *format, enum report_form *form, struct err *e)
{
	static const char *const names[] = {"table", "csv", "html", "json"};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(names[i], format) == 0) {
			*form = (enum report_form)i;
			return ERR_NONE;
		}
	return err_set(e, ERR_INPUT,
	    "'%.40s' is no format: table, csv, json or html", format);
}

static enum err_code
tell_json(struct client *c, const struct buf *line, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc;

	if (line->len_bytes > WIRE_LINE_BYTES_MAX) {
		err_set(e, ERR_INPUT, "the report is too long for a message");
		return err_hint(e, "ask for a shorter period, or for csv");
	}
	rc = wire_parse(&v, (const char *)line->bytes, line->len_bytes, e);
	if (rc == ERR_NONE)
		client_reply(c, &v);
	return rc;
}

static enum err_code
run_period(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	OWNED(buf_fini) struct buf text = {0};
	const char *kind = wire_need_text(request, "kind");
	const char *format = wire_take_text(request, "format", "json");
	struct report_period of = {.ledger = d->ledger,
	    .policy = d->policy,
	    .service = wire_take_text(request, "service", NULL),
	    .since = wire_take_utc(request, "since", (struct utc){0}),
	    .until = wire_take_utc(request, "until", (struct utc){0}),
	    .as_of = wire_take_utc(request, "as_of", (struct utc){0})};
	OWNED(policy_free) struct policy *then = NULL;
	enum report_form form = REPORT_JSON;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = find_form(format, &form, e);
	/* Which evidence a control asked for: by the policy of then. */
	if (rc == ERR_NONE && of.as_of.ns != 0 &&
	    strcmp(kind, "controls") == 0) {
		char digest[ID_HEX_BYTES];

		rc = reload_policy_then(d, of.as_of, &then, digest, e);
		of.policy = then;
	}
	if (rc == ERR_NONE)
		rc = report_period(&of, kind, form, &text, e);
	if (rc == ERR_NONE && form == REPORT_JSON)
		rc = tell_json(c, &text, e);
	else if (rc == ERR_NONE)
		rc = client_text(c, buf_text(&text), text.len_bytes, e);
	return rc == ERR_NONE ? client_count(c, 1, e) : rc;
}
/* It names who did what: for those who may read the ledger. */
const struct api_command api_report = {"report", CLIENT_AUDITORS, run_period};
