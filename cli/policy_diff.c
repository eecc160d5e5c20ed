/*
 * Two effective policies, as policy_show writes them, setting by setting.
 * Every default is filled in on both sides, so that only what has an effect
 * shows; records go by their names: moving one is no difference.
 */

#include "policy_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16

/* "services[housing].backup.timeout", and what it is. */
struct setting {
	char *name, *value;
};

struct settings {
	struct setting *items;
	size_t count;
};

static void
settings_fini(struct settings *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->items[i].name);
		free(s->items[i].value);
	}
	free(s->items);
	memset(s, 0, sizeof(*s));
}

static enum err_code
settings_add(struct settings *s, const char *prefix, const char *name,
    const char *value, struct err *e)
{
	struct setting *more =
	    reallocarray(s->items, s->count + 1, sizeof(*more));
	struct setting *one;

	if (more == NULL)
		return err_nomem(e);
	s->items = more;
	one = &more[s->count];
	one->name = NULL;
	one->value = strdup(value);
	if (asprintf(&one->name, "%s%s%s", prefix, *prefix != '\0' ? "." : "",
		name) < 0)
		one->name = NULL;
	s->count++;
	return one->name == NULL || one->value == NULL ? err_nomem(e)
						       : ERR_NONE;
}

/* Where in the text we are. */
struct place {
	size_t lens[DEPTH_MAX]; /* of prefix, at each depth */
	size_t ordinals[DEPTH_MAX];
	int depth;
	struct buf prefix;
};

static void
place_fini(struct place *p)
{
	buf_fini(&p->prefix);
}

static enum err_code
enter(struct place *p, const char *dot, const char *text, struct err *e)
{
	size_t len_bytes = p->prefix.len_bytes;

	if (p->depth + 1 >= DEPTH_MAX)
		return err_set(e, ERR_INPUT, "a policy nested too deep");
	p->lens[p->depth++] = len_bytes;
	p->ordinals[p->depth] = 0;
	return buf_printf(&p->prefix, e, "%s%s", dot, text);
}

/* A record of a list: by its name if it has one, else by its place. */
static enum err_code
enter_record(struct place *p, const char *next, struct err *e)
{
	const char *words[] = {"name = \"", "step = \"", "id = \""};
	char label[128];

	snprintf(label, sizeof(label), "[%zu]", ++p->ordinals[p->depth]);
	for (size_t i = 0; next != NULL && i < COUNT_OF(words); i++) {
		const char *at = next + strspn(next, "\t");
		size_t len = strlen(words[i]);

		if (strncmp(at, words[i], len) != 0)
			continue;
		at += len;
		snprintf(label, sizeof(label), "[%.*s]", (int)strcspn(at, "\""),
		    at);
		break;
	}
	return enter(p, "", label, e);
}

static enum err_code
leave(struct place *p, struct err *e)
{
	if (p->depth == 0)
		return err_set(e, ERR_INPUT, "a policy closed too often");
	p->prefix.len_bytes = p->lens[--p->depth];
	return ERR_NONE;
}

/* "name = value;", "name = (", "name = {", "{", "}," and so on. */
static enum err_code
take_line(struct settings *out, struct place *p, char *at, const char *next,
    struct err *e)
{
	char name[128];
	char *value = strstr(at, " = "), *note = strstr(at, "; # default");

	if (*at == '{')
		return enter_record(p, next, e);
	if (*at == '}' || *at == ')')
		return leave(p, e);
	if (value == NULL)
		return ERR_NONE;
	snprintf(name, sizeof(name), "%.*s", (int)(value - at), at);
	value += 3;
	if (strcmp(value, "(") == 0 || strcmp(value, "{") == 0 ||
	    strncmp(value, "( #", 3) == 0 || strncmp(value, "{ #", 3) == 0)
		return enter(p, p->depth > 0 ? "." : "", name, e);
	if (note != NULL && strchr(note + 1, '"') == NULL)
		*note = '\0';
	else if (*value != '\0' && value[strlen(value) - 1] == ';')
		value[strlen(value) - 1] = '\0';
	return settings_add(out, buf_text(&p->prefix), name, value, e);
}

static int
by_name(const void *a, const void *b)
{
	const struct setting *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static enum err_code
flatten(struct settings *out, struct buf *text, struct err *e)
{
	OWNED(place_fini) struct place p = {.depth = 0};
	char *save = NULL, *at;
	enum err_code rc = ERR_NONE;

	(void)buf_text(text); /* ends it with a NUL */
	at = text->len_bytes == 0 ? NULL
				  : strtok_r((char *)text->bytes, "\n", &save);
	while (at != NULL && rc == ERR_NONE) {
		char *next = strtok_r(NULL, "\n", &save);

		at += strspn(at, "\t");
		if (*at != '#')
			rc = take_line(out, &p, at, next, e);
		at = next;
	}
	if (rc == ERR_NONE && out->count > 0)
		qsort(out->items, out->count, sizeof(*out->items), by_name);
	return rc;
}

enum err_code
policy_settings(struct buf *text, policy_setting_fn *fn, void *ctx,
    struct err *e)
{
	OWNED(settings_fini) struct settings s = {0};
	enum err_code rc = flatten(&s, text, e);

	for (size_t i = 0; rc == ERR_NONE && i < s.count; i++)
		rc = fn(ctx, s.items[i].name, s.items[i].value, e);
	return rc;
}

enum err_code
policy_diff(struct buf *before, struct buf *after, policy_diff_fn *fn,
    void *ctx, struct err *e)
{
	OWNED(settings_fini) struct settings a = {0};
	OWNED(settings_fini) struct settings b = {0};
	enum err_code rc = flatten(&a, before, e);
	size_t i = 0, j = 0;

	if (rc == ERR_NONE)
		rc = flatten(&b, after, e);
	while (rc == ERR_NONE && (i < a.count || j < b.count)) {
		int c = i == a.count ? 1
		    : j == b.count   ? -1
				     : by_name(&a.items[i], &b.items[j]);

		if (c < 0)
			rc =
			    fn(ctx, a.items[i].name, a.items[i].value, NULL, e);
		else if (c > 0)
			rc =
			    fn(ctx, b.items[j].name, NULL, b.items[j].value, e);
		else if (strcmp(a.items[i].value, b.items[j].value) != 0)
			rc = fn(ctx, a.items[i].name, a.items[i].value,
			    b.items[j].value, e);
		i += c <= 0;
		j += c >= 0;
	}
	return rc;
}
