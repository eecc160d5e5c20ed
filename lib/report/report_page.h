#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

/*
 * A report as a page: sections of lines, tables and sentences, which are then
 * shown as text, HTML, CSV or JSON.  What is put in is copied; what fails is
 * remembered, and said by whoever shows the page.
 *
 * PG1. A line without a value says "not recorded" in every form, null in JSON.
 * PG2. Every byte that came from a record is escaped for the form it goes into.
 */

#include <bascule/report.h>

#define REPORT_PAGE_COLUMNS_MAX 8

struct report_page_column {
	const char *key, *label;
	unsigned text_width; /* text: cut to so many; 0: whole */
};

enum report_page_kind {
	REPORT_PAGE_SECTION,
	REPORT_PAGE_LINE,
	REPORT_PAGE_NOTE,  /* a sentence */
	REPORT_PAGE_DOUBT, /* ... that a reader must not miss */
	REPORT_PAGE_TABLE,
	REPORT_PAGE_ROW
};

struct report_page_item {
	enum report_page_kind kind;
	char *key, *label, *value; /* of a table: its columns are below */
	char *cells[REPORT_PAGE_COLUMNS_MAX];
	const struct report_page_column *columns;
	size_t columns_count;
};

struct report_page {
	char *title;
	struct report_page_item *items;
	size_t count, size;
	enum err_code rc; /* sticks at the first failure */
};

enum err_code report_page_new(struct report_page **out, const char *title,
    struct err *e) MUST_CHECK;
void report_page_free(struct report_page **p);

void report_page_section(struct report_page *p, const char *key,
    const char *title);
/* value NULL or "": nobody recorded it. */
void report_page_line(struct report_page *p, const char *key, const char *label,
    const char *value);
void report_page_printf(struct report_page *p, const char *key,
    const char *label, const char *fmt, ...) PRINTF_LIKE(4, 5);
void report_page_note(struct report_page *p, const char *text);
void report_page_doubt(struct report_page *p, const char *text);
/* The columns live as long as the page.  Rows follow; a table without any says
 * none. */
void report_page_table(struct report_page *p, const char *key,
    const struct report_page_column *columns, size_t columns_count,
    const char *none);
/* As many cells as the table has columns; NULL: "-". */
void report_page_row(struct report_page *p, const char *const *cells);
/* Is there a row in the table that was begun last? */
bool report_page_has_rows(const struct report_page *p);

/* "2026-11-22 00:21:34Z"; "" for 0.  Returns out. */
const char *report_page_time(struct utc t, char out[NOW_TEXT_BYTES]);

/* The forms, a unit each. */
enum err_code report_page_text(const struct report_page *p, struct buf *out,
    struct err *e) MUST_CHECK;
enum err_code report_page_html(const struct report_page *p, struct buf *out,
    struct err *e) MUST_CHECK;
enum err_code report_page_csv(const struct report_page *p, struct buf *out,
    struct err *e) MUST_CHECK;
/* The form that was asked for; JSON: a message of type "report". */
enum err_code report_page_form(const struct report_page *p, const char *kind,
    enum report_form form, struct buf *out, struct err *e) MUST_CHECK;
/* As a list of sections. */
enum err_code report_page_wire(const struct report_page *p,
    struct wire_value **out, struct err *e) MUST_CHECK;

#endif
