/* A report as a page: what is on it. */

#include "report_page.h"

#include <stdarg.h>
#include <string.h>

#include <bascule/wire.h>

#define ITEMS_MAX 65536

enum err_code
report_page_new(struct report_page **out, const char *title, struct err *e)
{
	OWNED(report_page_free) struct report_page *p = calloc(1, sizeof(*p));

	*out = NULL;
	if (p != NULL)
		p->title = strdup(title);
	if (p == NULL || p->title == NULL)
		return err_nomem(e);
	*out = TAKE(p);
	return ERR_NONE;
}

void
report_page_free(struct report_page **pp)
{
	struct report_page *p = TAKE(*pp);

	if (p == NULL)
		return;
	for (size_t i = 0; i < p->count; i++) {
		free(p->items[i].key);
		free(p->items[i].label);
		free(p->items[i].value);
		for (size_t k = 0; k < REPORT_PAGE_COLUMNS_MAX; k++)
			free(p->items[i].cells[k]);
	}
	free(p->items);
	free(p->title);
	free(p);
}

static void
copy(struct report_page *p, char **to, const char *text)
{
	if (text == NULL)
		return;
	*to = strdup(text);
	if (*to == NULL)
		p->rc = ERR_NOMEM;
}

static struct report_page_item *
add(struct report_page *p, enum report_page_kind kind)
{
	struct report_page_item *more;
	size_t size = p->size == 0 ? 128 : 2 * p->size;

	if (p->rc != ERR_NONE || p->count == ITEMS_MAX)
		return NULL;
	if (p->count == p->size) {
		more = realloc(p->items, size * sizeof(*more));
		if (more == NULL) {
			p->rc = ERR_NOMEM;
			return NULL;
		}
		p->items = more;
		p->size = size;
	}
	more = &p->items[p->count++];
	*more = (struct report_page_item){.kind = kind};
	return more;
}

static struct report_page_item *
add_texts(struct report_page *p, enum report_page_kind kind, const char *key,
    const char *label, const char *value)
{
	struct report_page_item *i = add(p, kind);

	if (i == NULL)
		return NULL;
	copy(p, &i->key, key);
	copy(p, &i->label, label);
	copy(p, &i->value, value);
	return i;
}

void
report_page_section(struct report_page *p, const char *key, const char *title)
{
	(void)add_texts(p, REPORT_PAGE_SECTION, key, title, NULL);
}

void
report_page_line(struct report_page *p, const char *key, const char *label,
    const char *value)
{
	(void)add_texts(p, REPORT_PAGE_LINE, key, label,
	    value == NULL || value[0] == '\0' ? NULL : value);
}

void
report_page_printf(struct report_page *p, const char *key, const char *label,
    const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	report_page_line(p, key, label, text);
}

void
report_page_note(struct report_page *p, const char *text)
{
	(void)add_texts(p, REPORT_PAGE_NOTE, NULL, NULL, text);
}

void
report_page_doubt(struct report_page *p, const char *text)
{
	(void)add_texts(p, REPORT_PAGE_DOUBT, NULL, NULL, text);
}

void
report_page_table(struct report_page *p, const char *key,
    const struct report_page_column *columns, size_t columns_count,
    const char *none)
{
	struct report_page_item *i =
	    add_texts(p, REPORT_PAGE_TABLE, key, NULL, none);

	ASSERT(columns_count <= REPORT_PAGE_COLUMNS_MAX);
	if (i == NULL)
		return;
	i->columns = columns;
	i->columns_count = columns_count;
}

/* The table that the items before the nth belong to; NULL: none. */
static const struct report_page_item *
table_before(const struct report_page *p, size_t n)
{
	while (n > 0 && p->items[n - 1].kind == REPORT_PAGE_ROW)
		n--;
	return n > 0 && p->items[n - 1].kind == REPORT_PAGE_TABLE
	    ? &p->items[n - 1]
	    : NULL;
}

void
report_page_row(struct report_page *p, const char *const *cells)
{
	const struct report_page_item *t = table_before(p, p->count);
	const struct report_page_column *columns;
	struct report_page_item *i;
	size_t count;

	if (t == NULL)
		return;
	columns = t->columns; /* adding may move the table */
	count = t->columns_count;
	i = add(p, REPORT_PAGE_ROW);
	if (i == NULL)
		return;
	i->columns = columns;
	i->columns_count = count;
	for (size_t k = 0; k < count; k++)
		copy(p, &i->cells[k],
		    cells[k] == NULL || cells[k][0] == '\0' ? "-" : cells[k]);
}

bool
report_page_has_rows(const struct report_page *p)
{
	return p->count > 0 && p->items[p->count - 1].kind == REPORT_PAGE_ROW;
}

const char *
report_page_time(struct utc t, char out[NOW_TEXT_BYTES])
{
	out[0] = '\0';
	if (t.ns == 0)
		return out;
	now_text(t, out);
	out[10] = ' ';
	memcpy(out + 19, "Z", 2);
	return out;
}

/* --- in a form ------------------------------------------------------------- */

static enum err_code
as_json(const struct report_page *p, const char *kind, struct buf *out,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL, *list = NULL;
	enum err_code rc = wire_new(&v, "report", e);

	if (rc == ERR_NONE)
		rc = report_page_wire(p, &list, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "kind", kind);
	wire_add(v, "sections", &list);
	return wire_line(v, out, e);
}

enum err_code
report_page_form(const struct report_page *p, const char *kind,
    enum report_form form, struct buf *out, struct err *e)
{
	switch (form) {
	case REPORT_TABLE: return report_page_text(p, out, e);
	case REPORT_CSV: return report_page_csv(p, out, e);
	case REPORT_HTML: return report_page_html(p, out, e);
	case REPORT_JSON: break;
	}
	return as_json(p, kind, out, e);
}
