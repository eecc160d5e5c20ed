/* bascule report ladder: how far every copy is proved, and whether that still
 * stands, for people, spreadsheets and browsers. */

#include <stdio.h>
#include <string.h>

#include "live.h"
#include "when.h"

enum format { TABLE, CSV, JSON, HTML };

struct report {
	enum format format;
	struct utc as_of; /* ns 0: now */
};

static bool
format_of(const char *word, enum format *out)
{
	static const char *const words[] = {"table", "csv", "json", "html"};

	*out = TABLE;
	for (size_t i = 0; word != NULL && i < COUNT_OF(words); i++)
		if (strcmp(words[i], word) == 0) {
			*out = (enum format)i;
			return true;
		}
	return word == NULL;
}

/* A field of a comma-separated line; no spreadsheet takes it for a formula. */
static void
csv(const char *text)
{
	putchar('"');
	if (strchr("=+-@", text[0]) != NULL && text[0] != '\0' &&
	    text[1] != '\0')
		putchar('\'');
	for (; *text != '\0'; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	putchar('"');
}

static void
html(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '<')
			fputs("&lt;", stdout);
		else if (*text == '>')
			fputs("&gt;", stdout);
		else if (*text == '&')
			fputs("&amp;", stdout);
		else
			putchar(*text);
	}
}

#define COLUMNS 8
static const char *const columns[COLUMNS] = {"service", "from", "copy at",
    "level", "what", "state", "proved", "by"};

static void
line(struct live *l, const char *const cells[COLUMNS])
{
	const struct report *r = l->ctx;

	if (r->format == TABLE) {
		live_row(l, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", cells[0],
		    cells[1], cells[2], cells[3], cells[4], cells[5], cells[6],
		    cells[7]);
		return;
	}
	if (r->format == HTML)
		fputs(strncmp(cells[5], "NEEDS", 5) == 0
			? "<tr class=\"needs\">"
			: "<tr>",
		    stdout);
	for (size_t i = 0; i < COLUMNS; i++) {
		if (r->format == HTML) {
			fputs("<td>", stdout);
			html(cells[i]);
			fputs("</td>", stdout);
			continue;
		}
		if (i > 0)
			putchar(',');
		csv(cells[i]);
	}
	puts(r->format == HTML ? "</tr>" : "");
}

/* The highest rungs first: what is not proved stands above what is. */
static void
on_ladder(struct live *l, const char *type, struct wire_value *v)
{
	const struct report *r = l->ctx;
	struct wire_value *rungs;
	char service[256], from[80], site[80];

	if (strcmp(type, "summary") == 0 && r->format == HTML)
		puts("</table></html>");
	if (strcmp(type, "ladder") != 0)
		return;
	if (r->format == TABLE)
		live_as_of(l, v);
	snprintf(service, sizeof(service), "%s", live_text(v, "service"));
	snprintf(from, sizeof(from), "%s", live_text(v, "from"));
	snprintf(site, sizeof(site), "%s", live_text(v, "site"));
	rungs = wire_take_list(v, "rungs");
	for (size_t i = rungs == NULL ? 0 : wire_count(rungs); i-- > 0;) {
		struct wire_value *one = wire_at_object(rungs, i);
		char level[8];
		const char *cells[COLUMNS] = {service, from, site, level};

		if (one == NULL)
			continue;
		snprintf(level, sizeof(level), "L%u",
		    (unsigned)wire_take_uint(one, "level", 0));
		cells[4] = live_text(one, "title");
		cells[5] = live_text(one, "state");
		cells[6] = live_time(one, "at");
		cells[7] = live_text(one, "run");
		line(l, cells);
	}
}

static void
begin(const struct report *r)
{
	char at[NOW_TEXT_BYTES];

	if (r->format == HTML)
		puts("<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
		     "charset=\"utf-8\"><title>Assurance ladder</title><style>"
		     "body{font-family:sans-serif}table{border-collapse:"
		     "collapse}td,th{border:1px solid #999;padding:2px 6px;"
		     "text-align:left}.needs{background:#fdd}</style></head>\n"
		     "<h1>Assurance ladder</h1>");
	if (r->format == HTML && r->as_of.ns != 0)
		printf("<p>As recorded at %s: what was recorded later is left "
		       "out.</p>\n",
		    now_text(r->as_of, at));
	if (r->format == HTML)
		puts("<table><tr>");
	for (size_t i = 0; i < COLUMNS && r->format != TABLE; i++) {
		if (r->format == HTML)
			printf("<th>%s</th>", columns[i]);
		else
			printf("%s%s", i > 0 ? "," : "", columns[i]);
	}
	if (r->format != TABLE)
		puts(r->format == HTML ? "</tr>" : "");
}

static int
run(struct cli *cli)
{
	struct report r = {.format = TABLE};
	struct live l = {.cli = cli, .reply = on_ladder, .ctx = &r};
	struct wire_value *request;
	int status;

	if (!when_as_of(cli, &r.as_of, &status))
		return status;
	if (!format_of(cli_value(cli, "format"), &r.format))
		return cli_wrong_use(cli,
		    "--format is table, csv, json or html");
	if (r.format == JSON)
		cli->json = true;
	request = live_request(cli, "ladder");
	if (request == NULL)
		return EXITCODE_FAILED;
	if (cli->operands_count > 0)
		wire_add_text(request, "service", cli->operands[0]);
	if (r.as_of.ns != 0)
		wire_add_utc(request, "as_of", r.as_of);
	if (r.format == TABLE &&
	    !live_table(&l,
		"SERVICE\tFROM\tCOPY AT\tLEVEL\tWHAT\tSTATE\tPROVED\tBY")) {
		wire_free(&request);
		return EXITCODE_FAILED;
	}
	if (!cli->json)
		begin(&r);
	return live_ask(&l, &request);
}

static const struct cli_option options[] = {{"format", 0, "F",
						"table, csv, json or html"},
    {"as-of", 0, "TIME", WHEN_AS_OF_HELP}, {NULL, 0, NULL, NULL}};

const struct cli_command command_report_ladder = {"report ladder", "[SERVICE]",
    "how far each copy is proved, L0 to L7, and what has expired", options, 0,
    1, run};
