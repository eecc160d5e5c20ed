#include "wire_value.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/text.h>

#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))

static enum err_code
new_value(struct wire_value **out, json_t *json, struct err *e)
{
	struct wire_value *v = calloc(1, sizeof(*v));

	*out = NULL;
	if (v == NULL || json == NULL) {
		free(v);
		json_decref(json);
		return err_nomem(e);
	}
	v->json = json;
	v->root = v;
	*out = v;
	return ERR_NONE;
}

enum err_code
wire_new(struct wire_value **out, const char *type, struct err *e)
{
	enum err_code rc = new_value(out, json_object(), e);

	if (rc == ERR_NONE && type != NULL) {
		wire_add_text(*out, "type", type);
		wire_add_utc(*out, "ts", now_utc());
		wire_add_int(*out, "v", WIRE_VERSION);
	}
	return rc;
}

enum err_code
wire_new_list(struct wire_value **out, struct err *e)
{
	return new_value(out, json_array(), e);
}

/* jansson recurses as deep as the text says, so look first. */
static bool
too_deep(const char *line, size_t len_bytes)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < len_bytes; i++) {
		if (in_string && line[i] == '\\')
			i++;
		else if (line[i] == '"')
			in_string = !in_string;
		else if (!in_string && (line[i] == '{' || line[i] == '['))
			depth++;
		else if (!in_string && (line[i] == '}' || line[i] == ']'))
			depth--;
		if (depth > WIRE_DEPTH_MAX)
			return true;
	}
	return false;
}

/* The reason quotes the message: shown escaped. */
static enum err_code
not_json(const json_error_t *why, struct err *e)
{
	OWNED(buf_fini) struct buf shown = {0};
	enum err_code rc;

	/* An empty reason is how some failed allocations look. */
	if (json_error_code(why) == json_error_out_of_memory ||
	    why->text[0] == '\0')
		return err_nomem(e);
	rc = text_escape(&shown, why->text, strlen(why->text), e);
	if (rc != ERR_NONE)
		return rc;
	return err_set(e, ERR_INPUT, "message is not JSON: %s, at byte %d",
	    buf_text(&shown), why->position);
}

enum err_code
wire_parse(struct wire_value **out, const char *line, size_t len_bytes,
    struct err *e)
{
	json_error_t why;
	json_t *json;

	*out = NULL;
	if (len_bytes > WIRE_LINE_BYTES_MAX)
		return err_set(e, ERR_INPUT,
		    "message of %zu bytes, at most %zu are allowed", len_bytes,
		    WIRE_LINE_BYTES_MAX);
	if (too_deep(line, len_bytes))
		return err_set(e, ERR_INPUT,
		    "message nested more than %d levels deep", WIRE_DEPTH_MAX);
	json = json_loadb(line, len_bytes, JSON_REJECT_DUPLICATES, &why);
	if (json == NULL)
		return not_json(&why, e);
	if (!json_is_object(json)) {
		json_decref(json);
		return err_set(e, ERR_INPUT, "message is not a JSON object");
	}
	return new_value(out, json, e);
}

void
wire_free(struct wire_value **vp)
{
	struct wire_value *v = TAKE(*vp);

	if (v == NULL)
		return;
	while (v->children != NULL) {
		struct wire_value *child = v->children;

		v->children = child->next;
		wire_free(&child); /* as deep as WIRE_DEPTH_MAX */
	}
	json_decref(v->taken);
	if (v->root == v)
		json_decref(v->json);
	free(v);
}

struct wire_value *
wire_child(struct wire_value *v, json_t *json)
{
	struct wire_value *child = v->children;

	while (child != NULL && child->json != json)
		child = child->next;
	if (child != NULL)
		return child;
	child = calloc(1, sizeof(*child));
	if (child == NULL) {
		wire_fault_nomem(v);
		return NULL;
	}
	child->json = json;
	child->root = v->root;
	child->next = v->children;
	v->children = child;
	return child;
}

void
wire_fault(struct wire_value *v, const char *fmt, ...)
{
	va_list ap;

	if (v->root->fault != ERR_NONE)
		return;
	v->root->fault = ERR_INPUT;
	va_start(ap, fmt);
	vsnprintf(v->root->fault_text, WIRE_FAULT_BYTES, fmt, ap);
	va_end(ap);
}

void
wire_fault_nomem(struct wire_value *v)
{
	if (v->root->fault == ERR_NONE)
		v->root->fault = ERR_NOMEM;
}

enum err_code
wire_check(struct wire_value *v, struct err *e)
{
	if (v->root->fault == ERR_NONE)
		return ERR_NONE;
	if (v->root->fault == ERR_NOMEM)
		return err_nomem(e);
	return err_set(e, v->root->fault, "%s", v->root->fault_text);
}

/* Unknown names come from outside: shown escaped and cut. */
static enum err_code
unknown_field(const char *name, struct err *e)
{
	OWNED(buf_fini) struct buf shown = {0};
	enum err_code rc = text_escape(&shown, name, strnlen(name, 60), e);

	if (rc != ERR_NONE)
		return rc;
	return err_set(e, ERR_INPUT, "unknown field '%s'", buf_text(&shown));
}

enum err_code
wire_end(struct wire_value *v, struct err *e)
{
	enum err_code rc = wire_check(v, e);
	const char *name;
	json_t *value;

	if (rc != ERR_NONE)
		return rc;
	json_object_foreach(v->json, name, value)
	{
		if (json_object_get(v->taken, name) == NULL)
			return unknown_field(name, e);
	}
	for (struct wire_value *c = v->children; c != NULL; c = c->next) {
		rc = wire_end(c, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

bool
wire_has(const struct wire_value *v, const char *name)
{
	json_t *json = json_object_get(v->json, name);

	return json != NULL && !json_is_null(json);
}

size_t
wire_count(const struct wire_value *v)
{
	return json_is_array(v->json) ? json_array_size(v->json)
				      : json_object_size(v->json);
}

const char *
wire_at_text(struct wire_value *list, size_t i)
{
	const char *text = json_string_value(json_array_get(list->json, i));

	if (text == NULL)
		wire_fault(list, "item %zu of a list is not text", i + 1);
	return text != NULL ? text : "";
}

struct wire_value *
wire_at_object(struct wire_value *list, size_t i)
{
	json_t *json = json_array_get(list->json, i);

	if (json_is_object(json))
		return wire_child(list, json);
	wire_fault(list, "item %zu of a list is not an object", i + 1);
	return NULL;
}

const char *
wire_name_at(const struct wire_value *v, size_t i)
{
	void *iter = json_object_iter(v->json);

	for (; iter != NULL && i > 0; i--)
		iter = json_object_iter_next(v->json, iter);
	return iter == NULL ? NULL : json_object_iter_key(iter);
}

/* The library goes on after a name that could not be added: it stays failed. */
struct dumping {
	struct buf *out;
	bool failed;
};

static int
dump_part(const char *bytes, size_t len_bytes, void *ctx)
{
	struct dumping *d = ctx;
	struct err ignored;

	d->failed = d->failed ||
	    buf_add(d->out, bytes, len_bytes, &ignored) != ERR_NONE;
	return d->failed ? -1 : 0;
}

static enum err_code
dump_json(const json_t *json, size_t flags, struct buf *out, struct err *e)
{
	struct dumping d = {out, false};

	if (json_dump_callback(json, dump_part, &d, flags) != 0 || d.failed)
		return err_nomem(e);
	return ERR_NONE;
}

static enum err_code
dump(struct wire_value *v, size_t flags, struct buf *out, struct err *e)
{
	enum err_code rc = wire_check(v, e);

	return rc == ERR_NONE ? dump_json(v->json, flags, out, e) : rc;
}

enum err_code
wire_json(struct wire_value *v, const char *name, struct buf *out,
    struct err *e)
{
	json_t *json = wire_take_json(v, name);

	if (json == NULL)
		return buf_add_text(out, "null", e);
	return dump_json(json, JSON_COMPACT | JSON_ENCODE_ANY, out, e);
}

enum err_code
wire_line(struct wire_value *v, struct buf *out, struct err *e)
{
	size_t before = out->len_bytes;
	enum err_code rc = dump(v, DUMP_FLAGS, out, e);

	if (rc == ERR_NONE)
		rc = buf_add_byte(out, '\n', e);
	if (rc != ERR_NONE)
		out->len_bytes = before;
	return rc;
}

enum err_code
wire_pretty(struct wire_value *v, struct buf *out, struct err *e)
{
	return dump(v, JSON_INDENT(2) | JSON_REAL_PRECISION(15), out, e);
}

enum err_code
wire_send(int fd, struct wire_value *v, struct err *e)
{
	OWNED(buf_fini) struct buf line = {0};
	enum err_code rc = wire_line(v, &line, e);
	size_t done = 0;

	while (rc == ERR_NONE && done < line.len_bytes) {
		ssize_t n = send(fd, line.bytes + done, line.len_bytes - done,
		    MSG_NOSIGNAL);

		if (n == -1 && errno == ENOTSOCK)
			return fdio_write(fd, line.bytes + done,
			    line.len_bytes - done, e);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_sys(e, "cannot send a message");
		done += (size_t)n;
	}
	return rc;
}

void
wire_add(struct wire_value *v, const char *name, struct wire_value **child)
{
	struct wire_value *c = *child;

	if (c == NULL || c->fault == ERR_NOMEM)
		wire_fault_nomem(v);
	else if (c->fault != ERR_NONE)
		wire_fault(v, "%s", c->fault_text);
	else if (name == NULL ? json_array_append(v->json, c->json) != 0
			      : json_object_set(v->json, name, c->json) != 0)
		wire_fault_nomem(v);
	wire_free(child);
}
