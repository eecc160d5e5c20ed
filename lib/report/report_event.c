#include <bascule/report.h>

#include <string.h>

#include <bascule/base/text.h>

#define SHOWN_BYTES_MAX 200 /* `--json` has the rest */

static enum err_code
add_escaped(struct buf *out, const char *lead, struct record_text t,
    struct err *e)
{
	enum err_code rc;

	if (t.len_bytes == 0)
		return ERR_NONE;
	rc = buf_add_text(out, lead, e);
	return rc != ERR_NONE ? rc : text_escape(out, t.at, t.len_bytes, e);
}

static enum err_code
add_named(struct buf *out, const struct record *r, const char *name,
    const char *lead, struct err *e)
{
	struct record_text value = {0};

	record_find(r, name, &value);
	return add_escaped(out, lead, value, e);
}

static bool
is_for_people(const struct record_field *f)
{
	return !f->closed && f->name.at[0] != '@' &&
	    f->value.len_bytes <= SHOWN_BYTES_MAX &&
	    !record_text_is(f->name, "state");
}

static enum err_code
add_fields(struct buf *out, const struct record *r, struct err *e)
{
	struct record_cursor c = {0};
	struct record_field f;
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && record_next(r, &c, &f)) {
		if (!is_for_people(&f))
			continue;
		rc = add_escaped(out, "  ", f.name, e);
		if (rc == ERR_NONE)
			rc = add_escaped(out, "=", f.value, e);
	}
	return rc;
}

static bool
is_closed(const struct record *r)
{
	struct record_cursor c = {0};
	struct record_field f;

	while (record_next(r, &c, &f))
		if (!f.closed)
			return false;
	return r->fields_count > 0;
}

/* When, where in which chain, what. */
static enum err_code
add_front(struct buf *out, const struct record *r, struct err *e)
{
	static const char *const phases[] = {"", " begins", " ends"};
	char at[NOW_TEXT_BYTES];
	enum err_code rc;

	now_text(r->at, at);
	at[10] = ' ';
	memcpy(at + 19, "Z", 2);
	rc = buf_add_text(out, at, e);
	if (rc == ERR_NONE)
		rc = add_escaped(out, "  ", r->chain, e);
	if (rc == ERR_NONE)
		rc = buf_printf(out, e, "#%llu",
		    (unsigned long long)r->sequence);
	if (rc == ERR_NONE)
		rc = add_escaped(out, "  ", r->type, e);
	return rc != ERR_NONE ? rc : buf_add_text(out, phases[r->phase], e);
}

enum err_code
report_event(const struct record *r, struct buf *out, struct err *e)
{
	enum err_code rc = add_front(out, r, e);

	if (rc == ERR_NONE)
		rc = add_named(out, r, "state", " ", e);
	if (rc == ERR_NONE && is_closed(r))
		rc = buf_add_text(out, "  (redacted)", e);
	if (rc == ERR_NONE)
		rc = add_named(out, r, "@service", "  ", e);
	if (rc == ERR_NONE)
		rc = add_named(out, r, "@dataset", "/", e);
	if (rc == ERR_NONE)
		rc = add_named(out, r, "@run", "  ", e);
	if (rc == ERR_NONE)
		rc = add_named(out, r, "@actor.name", "  by ", e);
	return rc != ERR_NONE ? rc : add_fields(out, r, e);
}
