/* A page for a spreadsheet: section, item, field, value (RFC 4180). */

#include <bascule/base/text.h>
#include <string.h>

#include "report_page.h"

struct sheet {
	struct buf *out;
	struct buf clean;
	enum err_code rc;
	struct err *e;
};

static void
put(struct sheet *s, const char *text)
{
	if (s->rc == ERR_NONE)
		s->rc = buf_add_text(s->out, text, s->e);
}

/* A cell that begins like a formula would be one: it is made a text. */
static void
put_cell(struct sheet *s, const char *text)
{
	buf_clear(&s->clean);
	if (s->rc == ERR_NONE)
		s->rc = text_escape(&s->clean, text, strlen(text), s->e);
	put(s, "\"");
	if (text[0] != '\0' && strchr("=+-@", text[0]) != NULL)
		put(s, "'");
	for (size_t i = 0; s->rc == ERR_NONE && i < s->clean.len_bytes; i++) {
		char one[2] = {(char)s->clean.bytes[i], '\0'};

		put(s, one[0] == '"' ? "\"\"" : one);
	}
	put(s, "\"");
}

static void
put_row(struct sheet *s, const char *section, const char *item,
    const char *field, const char *value)
{
	put_cell(s, section);
	put(s, ",");
	put_cell(s, item);
	put(s, ",");
	put_cell(s, field);
	put(s, ",");
	put_cell(s, value);
	put(s, "\r\n");
}

enum err_code
report_page_csv(const struct report_page *p, struct buf *out, struct err *e)
{
	struct sheet s = {.out = out, .e = e};
	const char *section = "", *table = "";
	char item[160];
	size_t row = 0;

	if (p->rc != ERR_NONE)
		return err_nomem(e);
	put(&s, "section,item,field,value\r\n");
	for (size_t i = 0; s.rc == ERR_NONE && i < p->count; i++) {
		const struct report_page_item *it = &p->items[i];

		if (it->kind == REPORT_PAGE_SECTION) {
			section = it->label;
		} else if (it->kind == REPORT_PAGE_LINE) {
			put_row(&s, section, "", it->label,
			    it->value == NULL ? "not recorded" : it->value);
		} else if (it->kind == REPORT_PAGE_TABLE) {
			table = it->key;
			row = 0;
		} else if (it->kind == REPORT_PAGE_ROW) {
			snprintf(item, sizeof(item), "%s %zu", table, ++row);
			for (size_t k = 0; k < it->columns_count; k++)
				put_row(&s, section, item, it->columns[k].label,
				    it->cells[k]);
		} else {
			put_row(&s, section, "",
			    it->kind == REPORT_PAGE_DOUBT ? "doubt" : "note",
			    it->value);
		}
	}
	buf_fini(&s.clean);
	return s.rc;
}
