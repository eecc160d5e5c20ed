/* A page for a browser and for paper: nothing in it asks for anything from
 * anywhere, and nothing in it runs. */

#include <bascule/base/text.h>
#include <string.h>

#include "report_page.h"

static const char head_text[] =
    "<!DOCTYPE html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
    "'none'; style-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, "
    "initial-scale=1\">\n<title>";
static const char style_text[] =
    "</title>\n<style>\n"
    "body{font:15px/1.45 system-ui,sans-serif;color:#1a1a1a;background:#fff;"
    "max-width:62em;margin:1.5em auto;padding:0 1em}\n"
    "h1{font-size:1.5em;border-bottom:3px solid #1a1a1a}\n"
    "h2{font-size:1.15em;margin:1.6em 0 .4em;border-bottom:1px solid #767676}\n"
    "table{border-collapse:collapse;width:100%;margin:.4em 0}\n"
    "th,td{text-align:left;vertical-align:top;padding:.25em .6em;"
    "border-bottom:1px solid #ccc;overflow-wrap:anywhere}\n"
    "th{font-weight:600}table.lines th{width:15em}\n"
    ".unknown{color:#595959;font-style:italic}\n"
    "ul.doubts{border:2px solid #8a0000;padding:.6em 1em .6em 2em}\n"
    "@media print{body{max-width:none;margin:0;font-size:10pt}"
    "h2{break-after:avoid}tr,li{break-inside:avoid}}\n"
    "@page{margin:18mm}\n</style>\n</head>\n<body>\n<main>\n<h1>";

struct sheet {
	struct buf *out;
	struct buf clean;
	enum err_code rc;
	struct err *e;
	enum { NOTHING, LINES, DOUBTS, TABLE, NOTE } open;
};

static void
put(struct sheet *s, const char *text)
{
	if (s->rc == ERR_NONE)
		s->rc = buf_add_text(s->out, text, s->e);
}

/* PG2: first what no reader should be sent, then what HTML would obey. */
static void
put_escaped(struct sheet *s, const char *text)
{
	buf_clear(&s->clean);
	if (s->rc == ERR_NONE)
		s->rc = text_escape(&s->clean, text, strlen(text), s->e);
	for (size_t i = 0; s->rc == ERR_NONE && i < s->clean.len_bytes; i++) {
		char one[2] = {(char)s->clean.bytes[i], '\0'};

		switch (one[0]) {
		case '&': put(s, "&amp;"); break;
		case '<': put(s, "&lt;"); break;
		case '>': put(s, "&gt;"); break;
		case '"': put(s, "&quot;"); break;
		case '\'': put(s, "&#39;"); break;
		default: put(s, one);
		}
	}
}

static void
change(struct sheet *s, int to)
{
	static const char *const ends[] = {"", "</tbody></table>\n", "</ul>\n",
	    "</tbody></table>\n", ""};
	static const char *const begins[] = {"",
	    "<table class=\"lines\"><tbody>\n", "<ul class=\"doubts\">\n", "",
	    ""};

	if ((int)s->open == to)
		return;
	put(s, ends[s->open]);
	s->open = (__typeof__(s->open))to;
	put(s, begins[to]);
}

static void
begin_table(struct sheet *s, const struct report_page *p, size_t at)
{
	const struct report_page_item *t = &p->items[at];

	change(s, NOTHING);
	if (at + 1 == p->count || p->items[at + 1].kind != REPORT_PAGE_ROW) {
		put(s, "<p>");
		put_escaped(s, t->value);
		put(s, "</p>\n");
		return;
	}
	put(s, "<table><thead><tr>");
	for (size_t k = 0; k < t->columns_count; k++) {
		put(s, "<th scope=\"col\">");
		put_escaped(s, t->columns[k].label);
		put(s, "</th>");
	}
	put(s, "</tr></thead><tbody>\n");
	s->open = TABLE;
}

static void
put_row(struct sheet *s, const struct report_page_item *it)
{
	put(s, "<tr>");
	for (size_t k = 0; k < it->columns_count; k++) {
		put(s, "<td>");
		put_escaped(s, it->cells[k]);
		put(s, "</td>");
	}
	put(s, "</tr>\n");
}

static void
put_line(struct sheet *s, const struct report_page_item *it)
{
	change(s, LINES);
	put(s, "<tr><th scope=\"row\">");
	put_escaped(s, it->label);
	put(s, it->value == NULL ? "</th><td class=\"unknown\">" : "</th><td>");
	put_escaped(s, it->value == NULL ? "not recorded" : it->value);
	put(s, "</td></tr>\n");
}

static void
put_item(struct sheet *s, const struct report_page *p, size_t i)
{
	const struct report_page_item *it = &p->items[i];

	switch (it->kind) {
	case REPORT_PAGE_SECTION:
		change(s, NOTHING);
		put(s, "<h2>");
		put_escaped(s, it->label);
		put(s, "</h2>\n");
		break;
	case REPORT_PAGE_LINE: put_line(s, it); break;
	case REPORT_PAGE_TABLE: begin_table(s, p, i); break;
	case REPORT_PAGE_ROW: put_row(s, it); break;
	case REPORT_PAGE_DOUBT:
		change(s, DOUBTS);
		put(s, "<li>");
		put_escaped(s, it->value);
		put(s, "</li>\n");
		break;
	case REPORT_PAGE_NOTE:
		change(s, NOTE);
		put(s, "<p>");
		put_escaped(s, it->value);
		put(s, "</p>\n");
		break;
	}
}

enum err_code
report_page_html(const struct report_page *p, struct buf *out, struct err *e)
{
	struct sheet s = {.out = out, .e = e};

	if (p->rc != ERR_NONE)
		return err_nomem(e);
	put(&s, head_text);
	put_escaped(&s, p->title);
	put(&s, style_text);
	put_escaped(&s, p->title);
	put(&s, "</h1>\n");
	for (size_t i = 0; s.rc == ERR_NONE && i < p->count; i++)
		put_item(&s, p, i);
	change(&s, NOTHING);
	put(&s, "</main>\n</body>\n</html>\n");
	buf_fini(&s.clean);
	return s.rc;
}
