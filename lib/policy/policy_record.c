#include "policy_record.h"

#include <string.h>

#include "policy_setting.h"
#include "policy_value.h"

static const char *const no_items[] = {NULL};
const struct policy_texts policy_record_no_texts = {.items = no_items};

/* --- helpers -------------------------------------------------------------- */

struct policy_mark
policy_record_mark(const struct policy_record_load *ld,
    const config_setting_t *node)
{
	return policy_scan_origin(ld->scan, config_setting_source_line(node));
}

/* "PATH.NAME", cut to its room.  By hand: it is made of every setting that a
 * policy could have, and was half of the time that loading one takes. */
static void
join(char out[POLICY_SETTING_PATH_BYTES], const char *path, const char *name)
{
	const size_t room = POLICY_SETTING_PATH_BYTES - 1;
	size_t len = strnlen(path, room), more = strnlen(name, 40);

	memcpy(out, path, len);
	if (len > 0 && len < room)
		out[len++] = '.';
	if (more > room - len)
		more = room - len;
	memcpy(out + len, name, more);
	out[len + more] = '\0';
}

static void *
get(struct policy_record_load *ld, size_t count, size_t size_bytes)
{
	void *at;

	if (ld->rc != ERR_NONE)
		return NULL;
	at = policy_memory_get(ld->m, count * size_bytes, ld->e);
	if (at == NULL)
		ld->rc = ld->e->code;
	return at;
}

static const char *
keep(struct policy_record_load *ld, const char *text)
{
	char *copy;

	if (ld->rc != ERR_NONE)
		return NULL;
	copy = policy_memory_text(ld->m, text, strlen(text), ld->e);
	if (copy == NULL)
		ld->rc = ld->e->code;
	return copy;
}

static void
put(void *record, size_t offset, const void *value, size_t len_bytes)
{
	memcpy((char *)record + offset, value, len_bytes);
}

static const char *
kind_of(const config_setting_t *node)
{
	switch (config_setting_type(node)) {
	case CONFIG_TYPE_GROUP: return "a group { }";
	case CONFIG_TYPE_LIST: return "a list ( )";
	case CONFIG_TYPE_ARRAY: return "an array [ ]";
	case CONFIG_TYPE_STRING: return "a text";
	case CONFIG_TYPE_BOOL: return "true or false";
	default: return "a number";
	}
}

static void
wrong_type(struct policy_record_load *ld, const struct policy_setting *s,
    enum policy_type type, const config_setting_t *node, const char *path)
{
	struct policy_mark where = policy_record_mark(ld, node);
	bool unit = type >= TYPE_DURATION && type <= TYPE_SHARE;
	struct policy_setting as = *s;

	as.type = type;
	if (policy_problem_has(ld->ps, P_INTEGER, &where, path))
		return;
	if (unit && config_setting_type(node) == CONFIG_TYPE_INT)
		policy_problem_add(ld->ps, P_TYPE, &where, path,
		    "%d has no unit; %s", config_setting_get_int(node),
		    policy_setting_accepts(type));
	else
		policy_problem_add(ld->ps, P_TYPE, &where, path,
		    "is %s where a %s is needed; %s", kind_of(node),
		    policy_setting_type_name(&as),
		    policy_setting_accepts(type));
}

void
policy_record_wrong(struct policy_record_load *ld,
    const struct policy_setting *s, const config_setting_t *node,
    const char *path)
{
	wrong_type(ld, s, s->type, node, path);
}

static void
refused(struct policy_record_load *ld, enum policy_problem_id id,
    const config_setting_t *node, const char *path)
{
	struct policy_mark where = policy_record_mark(ld, node);

	if (ld->e->code == ERR_NOMEM)
		ld->rc = ERR_NOMEM;
	else if (!policy_problem_has(ld->ps, P_INTEGER, &where, path))
		policy_problem_add(ld->ps, id, &where, path, "%s", ld->e->text);
}

void
policy_record_unknown(struct policy_record_load *ld,
    const struct policy_group *g, const config_setting_t *node,
    const char *path)
{
	struct policy_mark where = policy_record_mark(ld, node);
	const char *name = config_setting_name(node);
	const char *near = policy_setting_nearest(g, name);
	char full[POLICY_SETTING_PATH_BYTES];

	join(full, path, name);
	policy_problem_add(ld->ps, P_UNKNOWN, &where, full,
	    "there is no such setting%s%s%s; %s%s%s",
	    near == NULL ? "" : " (did you mean '", near == NULL ? "" : near,
	    near == NULL ? "" : "'?)",
	    *path == '\0' ? "docs/POLICY.md lists all there are"
			  : "'bascule policy explain ",
	    path, *path == '\0' ? "" : "' lists what there is");
}

/* --- scalars -------------------------------------------------------------- */

static void
set_scalar(struct policy_record_load *ld, const struct policy_setting *s,
    const config_setting_t *node, const char *path, void *record,
    struct policy_mark *mark)
{
	int type = config_setting_type(node);
	bool truth;
	const char *text;
	enum err_code rc;

	if (s->type == TYPE_BOOL && type == CONFIG_TYPE_BOOL) {
		truth = config_setting_get_bool(node) != 0;
		put(record, s->offset, &truth, sizeof(truth));
	} else if (s->type == TYPE_COUNT && type == CONFIG_TYPE_INT) {
		rc = policy_value_set_count(s, config_setting_get_int(node),
		    record, ld->e);
		if (rc != ERR_NONE)
			refused(ld, P_VALUE, node, path);
	} else if (s->type == TYPE_COUNT || s->type == TYPE_BOOL ||
	    type != CONFIG_TYPE_STRING)
		wrong_type(ld, s, s->type, node, path);
	else {
		text = config_setting_get_string(node);
		mark->written = keep(ld, text);
		rc =
		    policy_value_set(ld->m, s, mark->file, text, record, ld->e);
		if (rc != ERR_NONE)
			refused(ld, policy_value_problem(s, s->type, text),
			    node, path);
	}
}

/* --- several -------------------------------------------------------------- */

/* The words of an array; false and a problem if it is not one of texts. */
static bool
words_of(struct policy_record_load *ld, const struct policy_setting *s,
    enum policy_type element, const config_setting_t *node, const char *path,
    struct policy_texts *out)
{
	int count = config_setting_length(node),
	    type = config_setting_type(node);
	const char **items;

	*out = policy_record_no_texts;
	if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST) {
		wrong_type(ld, s, s->type, node, path);
		return false;
	}
	items = get(ld, (size_t)count + 1, sizeof(items[0]));
	if (items == NULL)
		return false;
	for (int i = 0; i < count; i++) {
		const config_setting_t *word =
		    config_setting_get_elem(node, (unsigned)i);

		if (config_setting_type(word) != CONFIG_TYPE_STRING) {
			wrong_type(ld, s, element, word, path);
			return false;
		}
		items[i] = keep(ld, config_setting_get_string(word));
		if (items[i] == NULL)
			return false;
	}
	*out = (struct policy_texts){.items = items, .count = (size_t)count};
	return true;
}

static void
set_texts(struct policy_record_load *ld, const struct policy_setting *s,
    const config_setting_t *node, const char *path, void *record)
{
	struct policy_mark where = policy_record_mark(ld, node);
	struct policy_texts texts;

	put(record, s->offset, &policy_record_no_texts, sizeof(texts));
	if (!words_of(ld, s, s->element, node, path, &texts))
		return;
	for (size_t i = 0; i < texts.count; i++)
		if (policy_value_check(s, s->element, texts.items[i], ld->e) !=
		    ERR_NONE)
			refused(ld,
			    policy_value_problem(s, s->element, texts.items[i]),
			    config_setting_get_elem(node, (unsigned)i), path);
	if (texts.count == 0 &&
	    (s->flags & (SETTING_REQUIRED | SETTING_NOT_EMPTY)) != 0)
		policy_problem_add(ld->ps, P_VALUE, &where, path,
		    "is empty; write at least one, like %s", s->example);
	put(record, s->offset, &texts, sizeof(texts));
}

static void
set_flags(struct policy_record_load *ld, const struct policy_setting *s,
    const config_setting_t *node, const char *path, void *record)
{
	struct policy_mark where = policy_record_mark(ld, node);
	struct policy_texts texts;
	uint32_t bits = 0;
	bool good = true;

	if (!words_of(ld, s, TYPE_CHOICE, node, path, &texts))
		return;
	for (size_t i = 0; i < texts.count; i++) {
		int choice = policy_value_choice(s, texts.items[i], ld->e);

		good = good && choice != -1;
		if (choice == -1)
			refused(ld, P_VALUE,
			    config_setting_get_elem(node, (unsigned)i), path);
		else
			bits |= UINT32_C(1) << choice;
	}
	if (texts.count == 0)
		policy_problem_add(ld->ps, P_VALUE, &where, path,
		    "is empty; write at least one, like %s", s->example);
	if (good) /* else the default stays: one problem is enough */
		put(record, s->offset, &bits, sizeof(bits));
}

static void
set_undo(struct policy_record_load *ld, const struct policy_setting *s,
    const config_setting_t *node, const char *path, void *record)
{
	bool none = true;

	put(record, s->offset, &policy_record_no_texts,
	    sizeof(policy_record_no_texts));
	if (config_setting_type(node) != CONFIG_TYPE_STRING)
		set_texts(ld, s, node, path, record);
	else if (strcmp(config_setting_get_string(node), "none") == 0)
		put(record, s->second, &none, sizeof(none));
	else
		wrong_type(ld, s, s->type, node, path);
}

static void
set_pairs(struct policy_record_load *ld, const struct policy_setting *s,
    const config_setting_t *node, const char *path, void *record)
{
	size_t count = (size_t)config_setting_length(node), good = 0;
	struct policy_pair *pairs;

	if (config_setting_type(node) != CONFIG_TYPE_GROUP) {
		wrong_type(ld, s, s->type, node, path);
		return;
	}
	pairs = get(ld, count, sizeof(pairs[0]));
	for (size_t i = 0; pairs != NULL && i < count; i++) {
		const config_setting_t *one =
		    config_setting_get_elem(node, (unsigned)i);
		char full[POLICY_SETTING_PATH_BYTES];
		const char *value;

		join(full, path, config_setting_name(one));
		if (config_setting_type(one) != CONFIG_TYPE_STRING) {
			wrong_type(ld, s, s->element, one, full);
			continue;
		}
		value = config_setting_get_string(one);
		if (policy_value_check(s, s->element, value, ld->e) !=
		    ERR_NONE) {
			refused(ld, policy_value_problem(s, s->element, value),
			    one, full);
			continue;
		}
		pairs[good].mark = policy_record_mark(ld, one);
		pairs[good].name = keep(ld, config_setting_name(one));
		pairs[good].value = keep(ld, value);
		if (pairs[good].name == NULL || pairs[good].value == NULL)
			return;
		good++;
	}
	put(record, s->offset, &pairs, sizeof(pairs));
	put(record, s->second, &good, sizeof(good));
}

static void
set_list(struct policy_record_load *ld, const struct policy_setting *s,
    const config_setting_t *node, const char *path, void *record)
{
	struct policy_mark where = policy_record_mark(ld, node);
	size_t count = (size_t)config_setting_length(node), good = 0;
	char *items;

	if (config_setting_type(node) != CONFIG_TYPE_LIST) {
		wrong_type(ld, s, s->type, node, path);
		return;
	}
	if (count == 0 && (s->flags & SETTING_NOT_EMPTY) != 0)
		policy_problem_add(ld->ps, P_VALUE, &where, path,
		    "is empty; write at least one group { ... } in ( )");
	items = get(ld, count, s->group->size_bytes);
	for (size_t i = 0; items != NULL && i < count; i++) {
		const config_setting_t *one =
		    config_setting_get_elem(node, (unsigned)i);

		if (config_setting_type(one) != CONFIG_TYPE_GROUP) {
			wrong_type(ld, s, TYPE_GROUP, one, path);
			continue;
		}
		policy_record_fill(ld, s->group, one, path,
		    items + good * s->group->size_bytes);
		good++;
	}
	if (items == NULL)
		good = 0;
	put(record, s->offset, &items, sizeof(items));
	put(record, s->second, &good, sizeof(good));
}

/* --- records -------------------------------------------------------------- */

void
policy_record_set(struct policy_record_load *ld, const struct policy_setting *s,
    const config_setting_t *node, const char *path, void *record,
    struct policy_mark *mark)
{
	*mark = policy_record_mark(ld, node);
	switch (s->type) {
	case TYPE_TEXTS: set_texts(ld, s, node, path, record); break;
	case TYPE_FLAGS: set_flags(ld, s, node, path, record); break;
	case TYPE_UNDO: set_undo(ld, s, node, path, record); break;
	case TYPE_PAIRS: set_pairs(ld, s, node, path, record); break;
	case TYPE_LIST: set_list(ld, s, node, path, record); break;
	case TYPE_GROUP:
		if (config_setting_type(node) != CONFIG_TYPE_GROUP) {
			wrong_type(ld, s, s->type, node, path);
			node = NULL;
		}
		policy_record_fill(ld, s->group, node, path,
		    (char *)record + s->offset);
		break;
	default: set_scalar(ld, s, node, path, record, mark); break;
	}
}

void
policy_record_default(struct policy_record_load *ld,
    const struct policy_setting *s, const char *path, void *record)
{
	static const char *const empty = "";

	if (s->fallback != NULL) {
		enum err_code rc =
		    policy_value_set(ld->m, s, "/", s->fallback, record, ld->e);

		ASSERT(
		    rc == ERR_NONE || rc == ERR_NOMEM || s->type == TYPE_ZONE);
		if (rc == ERR_NOMEM)
			ld->rc = rc;
		else if (rc != ERR_NONE) /* no zone files on this machine */
			put(record, s->offset, &s->fallback,
			    sizeof(s->fallback));
	} else if (s->type == TYPE_GROUP)
		policy_record_fill(ld, s->group, NULL, path,
		    (char *)record + s->offset);
	else if (s->type == TYPE_TEXTS || s->type == TYPE_UNDO)
		put(record, s->offset, &policy_record_no_texts,
		    sizeof(policy_record_no_texts));
	else if (s->type < TYPE_DURATION)
		put(record, s->offset, &empty, sizeof(empty));
}

static void
fill_written(struct policy_record_load *ld, const struct policy_group *g,
    const config_setting_t *node, const char *path, void *record,
    struct policy_mark *marks)
{
	int count = config_setting_length(node);

	for (int i = 0; i < count && ld->rc == ERR_NONE; i++) {
		const config_setting_t *one =
		    config_setting_get_elem(node, (unsigned)i);
		const struct policy_setting *s =
		    policy_setting_find(g, config_setting_name(one));
		char full[POLICY_SETTING_PATH_BYTES];

		if (s == NULL) {
			policy_record_unknown(ld, g, one, path);
			continue;
		}
		join(full, path, s->name);
		policy_record_set(ld, s, one, full, record,
		    &marks[s - g->settings]);
	}
}

static void
require(struct policy_record_load *ld, const struct policy_group *g,
    const struct policy_mark *here, const char *path,
    const struct policy_mark *marks)
{
	for (size_t i = 0; i < g->count; i++) {
		const struct policy_setting *s = &g->settings[i];
		char full[POLICY_SETTING_PATH_BYTES];

		if ((s->flags & SETTING_REQUIRED) == 0 || marks[i].file != NULL)
			continue;
		join(full, path, s->name);
		policy_problem_add(ld->ps, P_MISSING, here, full,
		    "is missing: %s; write %s = %s", s->help, s->name,
		    s->example != NULL          ? s->example
			: s->type == TYPE_GROUP ? "{ ... }"
						: "( { ... } )");
	}
}

void
policy_record_fill(struct policy_record_load *ld, const struct policy_group *g,
    const config_setting_t *node, const char *path, void *record)
{
	struct policy_mark *marks = get(ld, g->count, sizeof(marks[0]));
	struct policy_at at = {.group = g, .marks = marks};

	if (marks == NULL)
		return;
	for (size_t i = 0; i < g->count; i++) {
		char full[POLICY_SETTING_PATH_BYTES];

		join(full, path, g->settings[i].name);
		policy_record_default(ld, &g->settings[i], full, record);
	}
	if (node != NULL) {
		struct policy_mark here = policy_record_mark(ld, node);

		at.file = here.file;
		at.line = here.line;
		fill_written(ld, g, node, path, record, marks);
		require(ld, g, &here, path, marks);
	}
	put(record, 0, &at, sizeof(at));
}
