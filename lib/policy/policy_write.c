#include "policy_write.h"

#include <string.h>

#include "policy_setting.h"
#include "policy_value.h"

#define DEPTH_MAX 8

static enum err_code write_record(struct policy_write *w,
    const struct policy_group *g, const void *record, int depth);

static enum err_code
indent(struct policy_write *w, int depth)
{
	enum err_code rc = ERR_NONE;

	for (int i = 0; rc == ERR_NONE && i < depth; i++)
		rc = buf_add_byte(w->out, '\t', w->e);
	return rc;
}

static enum err_code
line(struct policy_write *w, int depth, const char *text)
{
	enum err_code rc = indent(w, depth);

	if (rc == ERR_NONE)
		rc = buf_add_text(w->out, text, w->e);
	return rc == ERR_NONE ? buf_add_byte(w->out, '\n', w->e) : rc;
}

/* "NAME = " and what begins its value.  Not by printf: of hundreds of services
 * there are some hundred thousand, whenever somebody wants a digest. */
static enum err_code
name(struct policy_write *w, const struct policy_setting *s, int depth,
    const char *begins)
{
	enum err_code rc = indent(w, depth);

	if (rc == ERR_NONE)
		rc = buf_add_text(w->out, s->name, w->e);
	if (rc == ERR_NONE)
		rc = buf_add_text(w->out, " = ", w->e);
	return rc == ERR_NONE ? buf_add_text(w->out, begins, w->e) : rc;
}

static enum err_code
write_pairs(struct policy_write *w, const struct policy_setting *s,
    const void *record, int depth)
{
	const struct policy_pair *pairs;
	size_t count;
	enum err_code rc;

	memcpy(&pairs, (const char *)record + s->offset, sizeof(pairs));
	memcpy(&count, (const char *)record + s->second, sizeof(count));
	rc = name(w, s, depth, "{");
	for (size_t i = 0; rc == ERR_NONE && i < count; i++) {
		rc = buf_printf(w->out, w->e, " %s = ", pairs[i].name);
		if (rc == ERR_NONE)
			rc = policy_value_quote(w->out, pairs[i].value, w->e);
		if (rc == ERR_NONE)
			rc = buf_add_text(w->out, ";", w->e);
	}
	return rc == ERR_NONE ? buf_add_text(w->out, " };\n", w->e) : rc;
}

static enum err_code
write_list(struct policy_write *w, const struct policy_setting *s,
    const void *record, int depth)
{
	const char *items;
	size_t count;
	enum err_code rc;

	memcpy(&items, (const char *)record + s->offset, sizeof(items));
	memcpy(&count, (const char *)record + s->second, sizeof(count));
	rc = name(w, s, depth, count == 0 ? "();\n" : "(\n");
	if (count == 0)
		return rc;
	for (size_t i = 0; rc == ERR_NONE && i < count; i++) {
		rc = line(w, depth + 1, "{");
		if (rc == ERR_NONE)
			rc = write_record(w, s->group,
			    items + i * s->group->size_bytes, depth + 2);
		if (rc == ERR_NONE)
			rc = line(w, depth + 1, i + 1 < count ? "}," : "}");
	}
	return rc == ERR_NONE ? line(w, depth, ");") : rc;
}

static bool
is_written(const void *record)
{
	struct policy_at at;

	memcpy(&at, record, sizeof(at));
	return at.line != 0;
}

static enum err_code
write_group(struct policy_write *w, const struct policy_setting *s,
    const void *record, int depth)
{
	const char *inner = (const char *)record + s->offset;
	enum err_code rc;

	if (!is_written(inner) && (s->flags & SETTING_ABSENT) != 0)
		return ERR_NONE;
	rc = name(w, s, depth,
	    w->canonical || is_written(inner) ? "{\n" : "{ # default\n");
	if (rc == ERR_NONE)
		rc = write_record(w, s->group, inner, depth + 1);
	return rc == ERR_NONE ? line(w, depth, "};") : rc;
}

/*
 * Settings that are neither written nor have a default stand for "not there":
 * writing them out would not load again.
 */
static bool
is_absent(const struct policy_setting *s, const struct policy_mark *mark,
    const void *record)
{
	const char *text;

	if (mark->file != NULL || s->fallback != NULL)
		return false;
	if (s->type != TYPE_TEXT && s->type != TYPE_NAME)
		return true;
	memcpy(&text, (const char *)record + s->offset, sizeof(text));
	return text[0] == '\0'; /* a title that was settled is there */
}

/* Does it say what is so without it?  However that is written. */
static enum err_code
says_default(bool *out, const struct policy_setting *s, const void *record,
    struct err *e)
{
	OWNED(buf_fini) struct buf value = {0}, usual = {0};
	size_t count;
	enum err_code rc = ERR_NONE;

	*out = false;
	if (s->type == TYPE_LIST) {
		memcpy(&count, (const char *)record + s->second, sizeof(count));
		*out = count == 0;
	} else if (s->fallback != NULL) {
		rc = policy_value_write(s, record, NULL, &value, e);
		if (rc == ERR_NONE)
			rc = buf_text(&value)[0] == '"'
			    ? policy_value_quote(&usual, s->fallback, e)
			    : buf_add_text(&usual, s->fallback, e);
		*out = rc == ERR_NONE &&
		    strcmp(buf_text(&value), buf_text(&usual)) == 0;
	}
	return rc;
}

enum err_code
policy_write_setting(struct policy_write *w, const struct policy_setting *s,
    const void *record, const struct policy_mark *mark, int depth)
{
	bool is_left_out = false;
	enum err_code rc = ERR_NONE;

	if (w->canonical && (s->flags & SETTING_LATER) != 0)
		rc = says_default(&is_left_out, s, record, w->e);
	if (rc != ERR_NONE || is_left_out)
		return rc;
	if (s->type == TYPE_GROUP)
		return write_group(w, s, record, depth);
	if (s->type == TYPE_LIST)
		return write_list(w, s, record, depth);
	if (is_absent(s, mark, record))
		return ERR_NONE;
	if (s->type == TYPE_PAIRS)
		return write_pairs(w, s, record, depth);
	rc = name(w, s, depth, "");
	if (rc == ERR_NONE)
		rc = policy_value_write(s, record, w->canonical ? mark : NULL,
		    w->out, w->e);
	if (rc == ERR_NONE)
		rc = buf_add_text(w->out,
		    mark->file == NULL && !w->canonical ? "; # default\n"
							: ";\n",
		    w->e);
	return rc;
}

/* Records nest four deep: the recursion ends with the tables. */
static enum err_code
write_record(struct policy_write *w, const struct policy_group *g,
    const void *record, int depth)
{
	struct policy_at at;
	enum err_code rc = ERR_NONE;

	ASSERT(depth < 2 * DEPTH_MAX);
	memcpy(&at, record, sizeof(at));
	for (size_t i = 0; rc == ERR_NONE && i < g->count; i++)
		rc = policy_write_setting(w, &g->settings[i], record,
		    &at.marks[i], depth);
	return rc;
}

enum err_code
policy_write_root(struct policy_write *w, const struct policy *p,
    enum policy_write_part part)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < policy_schema_root.count;
	     i++) {
		const struct policy_setting *s =
		    &policy_schema_root.settings[i];
		bool shared = (s->flags & SETTING_SHARED) != 0;

		if (shared != (part == POLICY_WRITE_SHARED))
			continue;
		/* What it names follows: the whole text is one file. */
		if (s->offset == offsetof(struct policy, policy))
			continue;
		rc = policy_write_setting(w, s, p, &p->at.marks[i], 0);
	}
	return rc;
}
