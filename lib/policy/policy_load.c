#include <ctype.h>
#include <libconfig.h>
#include <string.h>

#include "policy_check.h"
#include "policy_file.h"
#include "policy_paths.h"
#include "policy_record.h"
#include "policy_setting.h"
#include "policy_settle.h"

#define FILES_MAX 4096

/* One file, parsed by itself. */
struct parsed {
	struct parsed *next;
	const char *path;
	struct policy_scan scan;
	config_t config;
	const config_setting_t *bare; /* the root is a scenario's settings */
	bool has_config;
};

struct loader {
	struct policy_file_source src;
	struct policy *p;
	struct policy_problems *ps;
	struct err *e;
	struct parsed *files, **tail;
	size_t file_count;
	struct policy_paths paths; /* theirs */
	bool is_partial; /* something did not load: names may be missing */
};

static void
loader_fini(struct loader *ld)
{
	policy_paths_fini(&ld->paths);
	for (struct parsed *f = ld->files, *next; f != NULL; f = next) {
		next = f->next;
		policy_scan_fini(&f->scan);
		if (f->has_config)
			config_destroy(&f->config);
		free(f);
	}
}

/* --- files ---------------------------------------------------------------- */

/* The next "NAME =" of a line of text; NULL when there is none. */
static const char *
next_name(const char *at, size_t *len)
{
	for (; *at != '\0' && *at != '\n'; at++) {
		if (*at == '"') {
			for (at++; *at != '"' && *at != '\0' && *at != '\n';
			     at++)
				if (*at == '\\' && at[1] != '\0')
					at++;
			if (*at != '"')
				return NULL;
			continue;
		}
		if (!isalpha((unsigned char)*at))
			continue;
		*len = strspn(at,
		    "abcdefghijklmnopqrstuvwxyz_-"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
		if (strchr("=:", at[*len + strspn(at + *len, " \t")]) != NULL)
			return at;
		at += *len - 1;
	}
	return NULL;
}

/*
 * Which name does libconfig mean by a duplicate on this line?  The only one,
 * or the first that stands on it twice; else it cannot be told.
 */
static void
twice_name(const char *line, char *out, size_t size_bytes)
{
	size_t len, other_len, count = 0;

	out[0] = '\0';
	for (const char *at = next_name(line, &len); at != NULL;
	     at = next_name(at + len, &len)) {
		const char *other = next_name(line, &other_len);

		while (other != at &&
		    (other_len != len || memcmp(other, at, len) != 0))
			other = next_name(other + other_len, &other_len);
		if (count++ == 0 || other != at)
			snprintf(out, size_bytes, "%.*s",
			    len < 60 ? (int)len : 60, at);
		if (other != at)
			return;
	}
	if (count > 1)
		out[0] = '\0';
}

static const char *
line_of(struct buf *text, int number)
{
	const char *at = buf_text(text);

	while (number-- > 1) {
		const char *stop = strchr(at, '\n');

		if (stop == NULL)
			break;
		at = stop + 1;
	}
	return at;
}

static void
syntax_problem(struct loader *ld, struct parsed *f)
{
	int line = config_error_line(&f->config);
	struct policy_mark where = policy_scan_origin(&f->scan, (unsigned)line);
	const char *why = config_error_text(&f->config);
	char name[64];

	if (where.file == NULL)
		where.file = f->path;
	if (why == NULL || strstr(why, "duplicate") == NULL) {
		policy_problem_add(ld->ps, P_SYNTAX, &where, "syntax",
		    "this line or the end of the one before is not understood "
		    "(%s); write NAME = VALUE; with { } around settings, ( ) "
		    "around groups and [ ] around texts, ',' between them",
		    why == NULL ? "syntax error" : why);
		return;
	}
	twice_name(line_of(&f->scan.text, line), name, sizeof(name));
	policy_problem_add(ld->ps, P_DUPLICATE, &where,
	    name[0] == '\0' ? "syntax" : name,
	    "%s is written twice in its group (duplicate setting name); keep "
	    "one",
	    name[0] == '\0' ? "a setting on this line" : "it");
}

static void
parse(struct loader *ld, struct parsed *f)
{
	if (f->scan.is_broken) {
		ld->is_partial = true;
		return;
	}
	config_init(&f->config);
	f->has_config = true;
	if (config_read_string(&f->config, buf_text(&f->scan.text)) ==
	    CONFIG_TRUE)
		return;
	syntax_problem(ld, f);
	config_destroy(&f->config);
	f->has_config = false;
	ld->is_partial = true;
}

static enum err_code
add_file(struct loader *ld, const struct policy_mark *named_at,
    const char *path)
{
	struct parsed *f;
	enum err_code rc;

	if (policy_paths_has(&ld->paths, path)) {
		policy_problem_add(ld->ps, P_DUPLICATE, named_at, "policy",
		    "'%s' is named twice; keep one", path);
		return ERR_NONE;
	}
	if (ld->file_count++ == FILES_MAX) {
		policy_problem_add(ld->ps, P_FILE, named_at, "policy",
		    "more than %d files in one policy", FILES_MAX);
		return ERR_NONE;
	}
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return err_nomem(ld->e);
	*ld->tail = f;
	ld->tail = &f->next;
	f->path = path;
	rc = policy_paths_add(&ld->paths, path, ld->e);
	if (rc != ERR_NONE)
		return rc;
	f->scan.src = &ld->src;
	f->scan.m = ld->p->memory;
	f->scan.ps = ld->ps;
	rc = policy_scan_read(&f->scan, named_at, path, ld->e);
	ld->is_partial = ld->is_partial || f->scan.is_partial;
	if (rc == ERR_NONE)
		parse(ld, f);
	return rc;
}

static enum err_code
add_folder(struct loader *ld, const struct policy_mark *named_at,
    const char *path)
{
	struct policy_texts files;
	enum err_code rc =
	    policy_file_list(&ld->src, path, ld->p->memory, &files, ld->e);

	if (rc == ERR_NOMEM)
		return rc;
	if (rc != ERR_NONE) {
		policy_problem_add(ld->ps, P_FILE, named_at, "policy",
		    "'%s' %s", path, ld->e->text);
		ld->is_partial = true;
		return ERR_NONE;
	}
	for (size_t i = 0; rc == ERR_NONE && i < files.count; i++)
		rc = add_file(ld, named_at, files.items[i]);
	return rc;
}

/* The files that policy = [ ... ] of the first file names. */
static enum err_code
add_named(struct loader *ld)
{
	const config_setting_t *list =
	    config_lookup(&ld->files->config, "policy");
	int count = list == NULL ? 0 : config_setting_length(list);
	enum err_code rc = ERR_NONE;

	for (int i = 0; rc == ERR_NONE && i < count; i++) {
		const config_setting_t *one =
		    config_setting_get_elem(list, (unsigned)i);
		const char *name = config_setting_get_string(one), *path;
		struct policy_mark at = policy_scan_origin(&ld->files->scan,
		    config_setting_source_line(one));

		if (name == NULL || *name == '\0')
			continue; /* the record loader says so */
		path = policy_file_beside(ld->p->memory, at.file, name, ld->e);
		if (path == NULL)
			return ld->e->code;
		if (policy_file_kind_of(&ld->src, path) == POLICY_FILE_FOLDER)
			rc = add_folder(ld, &at, path);
		else
			rc = add_file(ld, &at, path);
	}
	return rc;
}

/* --- from the files into struct policy ------------------------------------ */

static const config_setting_t *
member(const struct parsed *f, const char *name)
{
	return f->has_config ? config_lookup(&f->config, name) : NULL;
}

/* Names nobody knows, and settings that stand in the wrong file. */
static void
judge_names(struct loader *ld, struct parsed *f, struct policy_record_load *rl)
{
	const config_setting_t *root = config_root_setting(&f->config);
	int count = config_setting_length(root);

	for (int i = 0; i < count; i++) {
		const config_setting_t *one =
		    config_setting_get_elem(root, (unsigned)i);
		struct policy_mark where = policy_record_mark(rl, one);
		const struct policy_setting *s =
		    policy_setting_find(&policy_schema_root,
			config_setting_name(one));

		if (s == NULL)
			policy_record_unknown(rl, &policy_schema_root, one, "");
		else if (f != ld->files && (s->flags & SETTING_SHARED) == 0)
			policy_problem_add(ld->ps, P_PLACE, &where, s->name,
			    "stands in a shared file; it belongs into the "
			    "site's own file, %s",
			    policy_file_base(ld->files->path));
	}
}

/* Is this element of any use to load_list? */
static size_t
elements(const struct parsed *f, const struct policy_setting *s,
    const config_setting_t **node)
{
	bool single = (s->flags & SETTING_SINGLE) != 0;

	if (f->bare != NULL)
		*node = s->group == &policy_schema_scenario ? f->bare : NULL;
	else
		*node = member(f, s->name);
	if (*node == NULL)
		return 0;
	return single && config_setting_type(*node) == CONFIG_TYPE_GROUP
	    ? 1
	    : (size_t)config_setting_length(*node);
}

/* The records one file has of a list; returns how many are good. */
static size_t
load_part(const struct policy_setting *s, struct policy_record_load *rl,
    const config_setting_t *node, size_t count, char *items)
{
	bool single = (s->flags & SETTING_SINGLE) != 0;
	bool alone = single && config_setting_type(node) == CONFIG_TYPE_GROUP;
	struct policy_setting as_group = *s;
	size_t good = 0;

	as_group.type = TYPE_GROUP;
	if (!alone && config_setting_type(node) != CONFIG_TYPE_LIST) {
		policy_record_wrong(rl, single ? &as_group : s, node, s->name);
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		const config_setting_t *one =
		    alone ? node : config_setting_get_elem(node, (unsigned)i);

		if (config_setting_type(one) != CONFIG_TYPE_GROUP)
			policy_record_wrong(rl, &as_group, one, s->name);
		else
			policy_record_fill(rl, s->group, one, s->name,
			    items + good++ * s->group->size_bytes);
	}
	return good;
}

/* A list of the root may be continued in other files. */
static void
load_list(struct loader *ld, const struct policy_setting *s,
    struct policy_record_load *rl, struct policy_mark *mark)
{
	size_t total = 0, good = 0, size = s->group->size_bytes;
	const config_setting_t *node;
	char *items = NULL;

	for (struct parsed *f = ld->files; f != NULL; f = f->next)
		total += elements(f, s, &node);
	if (total > 0) {
		items = policy_memory_get(ld->p->memory, total * size, ld->e);
		if (items == NULL) {
			rl->rc = ld->e->code;
			return;
		}
	}
	for (struct parsed *f = ld->files; f != NULL; f = f->next) {
		size_t count = elements(f, s, &node);

		rl->scan = &f->scan;
		if (node == NULL ||
		    (f != ld->files && (s->flags & SETTING_SHARED) == 0))
			continue;
		if (mark->file == NULL)
			*mark = policy_record_mark(rl, node);
		good += load_part(s, rl, node, count,
		    items == NULL ? NULL : items + good * size);
	}
	memcpy((char *)ld->p + s->offset, &items, sizeof(items));
	memcpy((char *)ld->p + s->second, &good, sizeof(good));
}

static void
load_one(struct loader *ld, const struct policy_setting *s,
    struct policy_record_load *rl, struct policy_mark *mark)
{
	struct policy_mark first = {.line = 0};

	policy_record_default(rl, s, s->name, ld->p);
	for (struct parsed *f = ld->files; f != NULL; f = f->next) {
		const config_setting_t *node =
		    f->bare == NULL ? member(f, s->name) : NULL;
		struct policy_mark where;

		rl->scan = &f->scan;
		if (node == NULL ||
		    (f != ld->files && (s->flags & SETTING_SHARED) == 0))
			continue;
		where = policy_record_mark(rl, node);
		if (first.line != 0) {
			policy_problem_add(ld->ps, P_PLACE, &where, s->name,
			    "is written in %s:%u already; keep one", first.file,
			    first.line);
			continue;
		}
		first = where;
		policy_record_set(rl, s, node, s->name, ld->p, mark);
	}
	if ((s->flags & SETTING_REQUIRED) != 0 && mark->file == NULL &&
	    ld->files->has_config) {
		first =
		    (struct policy_mark){.file = ld->files->path, .line = 1};
		policy_problem_add(ld->ps, P_MISSING, &first, s->name,
		    "is missing: %s; write %s = %s", s->help, s->name,
		    s->example);
	}
}

/* A scenario without a name has that of its file. */
static enum err_code
name_scenarios(struct loader *ld)
{
	for (size_t i = 0; i < ld->p->scenario_count; i++) {
		struct policy_scenario *sc = &ld->p->scenarios[i];
		const char *base = policy_file_base(sc->at.file);
		const char *dot = strrchr(base, '.');

		if (sc->name[0] != '\0')
			continue;
		sc->name = policy_memory_text(ld->p->memory, base,
		    dot == NULL ? strlen(base) : (size_t)(dot - base), ld->e);
		if (sc->name == NULL)
			return ld->e->code;
	}
	return ERR_NONE;
}

static enum err_code
load_records(struct loader *ld)
{
	struct policy_record_load rl = {.m = ld->p->memory,
	    .ps = ld->ps,
	    .e = ld->e};
	size_t count = policy_schema_root.count;
	struct policy_mark *marks =
	    policy_memory_get(rl.m, count * sizeof(*marks), ld->e);

	if (marks == NULL)
		return ld->e->code;
	ld->p->at = (struct policy_at){.group = &policy_schema_root,
	    .marks = marks,
	    .file = ld->files->path,
	    .line = 1};
	for (struct parsed *f = ld->files; f != NULL; f = f->next) {
		rl.scan = &f->scan;
		if (f != ld->files && member(f, "injects") != NULL)
			f->bare = config_root_setting(&f->config);
		if (f->has_config && f->bare == NULL)
			judge_names(ld, f, &rl);
	}
	for (size_t i = 0; i < count && rl.rc == ERR_NONE; i++) {
		const struct policy_setting *s =
		    &policy_schema_root.settings[i];

		if (s->type == TYPE_LIST)
			load_list(ld, s, &rl, &marks[i]);
		else
			load_one(ld, s, &rl, &marks[i]);
	}
	return rl.rc != ERR_NONE ? rl.rc : name_scenarios(ld);
}

/* --- the whole ------------------------------------------------------------ */

static enum err_code
load_all(struct loader *ld, const char *path, struct utc now)
{
	struct policy_mark start = {.file = path, .line = 1};
	const char *kept =
	    policy_memory_text(ld->p->memory, path, strlen(path), ld->e);
	enum err_code rc;

	if (kept == NULL)
		return ld->e->code;
	start.file = kept;
	rc = add_file(ld, &start, kept);
	if (rc == ERR_NONE && ld->files->has_config)
		rc = add_named(ld);
	if (rc == ERR_NONE)
		rc = load_records(ld);
	if (rc == ERR_NONE)
		rc = policy_settle_all(ld->p, ld->ps, ld->e);
	if (rc == ERR_NONE)
		policy_check_all(ld->p, ld->ps, now, ld->is_partial,
		    ld->src.texts == NULL);
	return rc;
}

static enum err_code
load(struct policy **out, struct policy_problems *problems, struct loader *ld,
    const char *path, struct utc now)
{
	OWNED(policy_free) struct policy *p = NULL;
	enum err_code rc;

	*out = NULL;
	memset(problems, 0, sizeof(*problems));
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return err_nomem(ld->e);
	rc = policy_memory_new(&p->memory, ld->e);
	if (rc != ERR_NONE)
		return rc;
	ld->p = p;
	ld->ps = problems;
	ld->tail = &ld->files;
	rc = load_all(ld, path, now);
	policy_problem_sort(problems);
	if (rc != ERR_NONE)
		return rc;
	if (problems->count == 0 && problems->more_count > 0)
		return err_nomem(ld->e);
	if (problems->count > 0)
		return err_set(ld->e, ERR_POLICY,
		    "%zu problem%s in policy '%s'",
		    problems->count + problems->more_count,
		    problems->count + problems->more_count == 1 ? "" : "s",
		    path);
	*out = TAKE(p);
	return ERR_NONE;
}

enum err_code
policy_load(struct policy **out, struct policy_problems *problems,
    const char *path, struct utc now, struct err *e)
{
	struct loader ld = {.e = e};
	enum err_code rc = load(out, problems, &ld, path, now);

	loader_fini(&ld);
	return rc;
}

enum err_code
policy_load_texts(struct policy **out, struct policy_problems *problems,
    const struct policy_text_file *files, size_t count, struct utc now,
    struct err *e)
{
	struct loader ld = {.src = {.texts = files, .text_count = count},
	    .e = e};
	enum err_code rc;

	ASSERT(count > 0);
	rc = load(out, problems, &ld, files[0].path, now);
	loader_fini(&ld);
	return rc;
}
