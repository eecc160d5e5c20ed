/* A page for programs: a list of sections. */

#include <bascule/wire.h>

#include "report_page.h"

/* Items of a section, from *at on, to its end. */
struct part {
	const struct report_page *p;
	size_t at;
};

static enum err_code
add_line(struct wire_value *list, const struct report_page_item *it,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "name", it->key);
	wire_add_text(v, "label", it->label);
	if (it->value != NULL)
		wire_add_text(v, "value", it->value);
	else
		wire_add_null(v, "value");
	wire_add(list, NULL, &v);
	return ERR_NONE;
}

static enum err_code
add_table(struct wire_value *list, struct part *part, struct err *e)
{
	const struct report_page_item *t = &part->p->items[part->at];
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *rows = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc == ERR_NONE)
		rc = wire_new_list(&rows, e);
	if (rc != ERR_NONE)
		return rc;
	for (part->at++; part->at < part->p->count &&
	     part->p->items[part->at].kind == REPORT_PAGE_ROW;
	     part->at++) {
		const struct report_page_item *it = &part->p->items[part->at];
		OWNED(wire_free) struct wire_value *row = NULL;

		rc = wire_new(&row, NULL, e);
		if (rc != ERR_NONE)
			return rc;
		for (size_t k = 0; k < it->columns_count; k++)
			wire_add_text(row, it->columns[k].key, it->cells[k]);
		wire_add(rows, NULL, &row);
	}
	wire_add_text(v, "name", t->key);
	wire_add(v, "rows", &rows);
	wire_add(list, NULL, &v);
	return ERR_NONE;
}

static enum err_code
add_section(struct wire_value *sections, struct part *part, struct err *e)
{
	const struct report_page_item *it = &part->p->items[part->at++];
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *lines = NULL;
	OWNED(wire_free) struct wire_value *tables = NULL;
	OWNED(wire_free) struct wire_value *notes = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc == ERR_NONE)
		rc = wire_new_list(&lines, e);
	if (rc == ERR_NONE)
		rc = wire_new_list(&tables, e);
	if (rc == ERR_NONE)
		rc = wire_new_list(&notes, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "section", it->key);
	wire_add_text(v, "title", it->label);
	while (rc == ERR_NONE && part->at < part->p->count) {
		it = &part->p->items[part->at];
		if (it->kind == REPORT_PAGE_SECTION)
			break;
		if (it->kind == REPORT_PAGE_TABLE) {
			rc = add_table(tables, part, e);
			continue;
		}
		if (it->kind == REPORT_PAGE_LINE)
			rc = add_line(lines, it, e);
		else
			wire_add_text(notes, NULL, it->value);
		part->at++;
	}
	if (rc != ERR_NONE)
		return rc;
	wire_add(v, "lines", &lines);
	wire_add(v, "tables", &tables);
	wire_add(v, "notes", &notes);
	wire_add(sections, NULL, &v);
	return ERR_NONE;
}

enum err_code
report_page_wire(const struct report_page *p, struct wire_value **out,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	struct part part = {.p = p};
	enum err_code rc =
	    p->rc == ERR_NONE ? wire_new_list(&list, e) : err_nomem(e);

	*out = NULL;
	while (rc == ERR_NONE && part.at < p->count)
		rc = add_section(list, &part, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(list);
	return ERR_NONE;
}
