/* A page for people, in columns. */

#include <bascule/base/text.h>
#include <string.h>

#include "report_page.h"

#define LABEL_COLUMNS 22
#define CELL_MAX      60 /* a wider one pushes the rest aside */

/* What is written; sticks at the first failure. */
struct sheet {
	struct buf *out;
	enum err_code rc;
	struct err *e;
};

static void
put(struct sheet *s, const char *text)
{
	if (s->rc == ERR_NONE)
		s->rc = buf_add_text(s->out, text, s->e);
}

static void
put_escaped(struct sheet *s, const char *text, size_t len)
{
	if (s->rc == ERR_NONE)
		s->rc = text_escape(s->out, text, len, s->e);
}

/* How many columns it takes: characters, not bytes. */
static size_t
width(const char *text, unsigned cut)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return cut > 0 && n > cut ? cut : n;
}

static void
put_cell(struct sheet *s, const char *text, unsigned cut, size_t columns)
{
	size_t len = strlen(text), wide = width(text, cut);

	if (cut > 0 && len > cut)
		for (len = cut; ((unsigned char)text[len] & 0xc0) == 0x80;)
			len--;
	put_escaped(s, text, len);
	for (; wide < columns; wide++)
		put(s, " ");
}

static size_t
column_width(const struct report_page *p, size_t table, size_t column)
{
	const struct report_page_item *t = &p->items[table];
	size_t most = width(t->columns[column].label, 0), w;

	for (size_t i = table + 1;
	     i < p->count && p->items[i].kind == REPORT_PAGE_ROW; i++) {
		w = width(p->items[i].cells[column],
		    t->columns[column].text_width);
		if (w > most && w <= CELL_MAX)
			most = w;
	}
	return most;
}

/* Returns the number of items it has shown. */
static size_t
put_table(struct sheet *s, const struct report_page *p, size_t at)
{
	const struct report_page_item *t = &p->items[at];
	size_t widths[REPORT_PAGE_COLUMNS_MAX], i = at + 1;

	if (i == p->count || p->items[i].kind != REPORT_PAGE_ROW) {
		put(s, "  ");
		put(s, t->value);
		put(s, "\n");
		return 1;
	}
	for (size_t k = 0; k < t->columns_count; k++) {
		widths[k] =
		    k + 1 < t->columns_count ? column_width(p, at, k) : 0;
		put(s, "  ");
		put_cell(s, t->columns[k].label, 0, widths[k]);
	}
	put(s, "\n");
	for (; i < p->count && p->items[i].kind == REPORT_PAGE_ROW; i++) {
		for (size_t k = 0; k < t->columns_count; k++) {
			put(s, "  ");
			put_cell(s, p->items[i].cells[k],
			    t->columns[k].text_width, widths[k]);
		}
		put(s, "\n");
	}
	return i - at;
}

static void
put_line(struct sheet *s, const struct report_page_item *i)
{
	put(s, "  ");
	put_cell(s, i->label, 0, LABEL_COLUMNS);
	put(s, " ");
	if (i->value == NULL)
		put(s, "not recorded");
	else
		put_escaped(s, i->value, strlen(i->value));
	put(s, "\n");
}

enum err_code
report_page_text(const struct report_page *p, struct buf *out, struct err *e)
{
	struct sheet s = {.out = out, .e = e};

	if (p->rc != ERR_NONE)
		return err_nomem(e);
	put_escaped(&s, p->title, strlen(p->title));
	put(&s, "\n");
	for (size_t i = 0; s.rc == ERR_NONE && i < p->count;) {
		const struct report_page_item *it = &p->items[i];

		switch (it->kind) {
		case REPORT_PAGE_SECTION:
			put(&s, "\n");
			put(&s, it->label);
			put(&s, "\n");
			break;
		case REPORT_PAGE_LINE: put_line(&s, it); break;
		case REPORT_PAGE_TABLE: i += put_table(&s, p, i); continue;
		default:
			put(&s, it->kind == REPORT_PAGE_DOUBT ? "  - " : "  ");
			put_escaped(&s, it->value, strlen(it->value));
			put(&s, "\n");
		}
		i++;
	}
	return s.rc;
}
