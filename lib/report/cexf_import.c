/* A document in MISP's Common Exercise Format as a scenario of a policy. */

#include <bascule/base/text.h>
#include <bascule/plan.h>
#include <bascule/report.h>
#include <bascule/wire.h>
#include <string.h>

#define TEXT_MAX    4096 /* of a setting of a policy */
#define NAME_MAX    48
#define DEFAULT_S   7200
#define DURATION_S  (30 * 86400)
#define MENTION_MAX 400 /* of what is lost, in the file's comments */

struct inject {
	char name[NAME_MAX + 16], uuid[64], payload[64], after[64];
	char to[256], channel[64], expect[TEXT_MAX];
	const char *shown; /* its name in the document */
	bool has_flow, on_decision, at_start;
	int64_t at_s; /* -1: not by time */
	char *text;
};

struct import {
	struct wire_value *doc;
	struct buf *out, comments;
	cexf_lost_fn *lost;
	void *ctx;
	struct inject *injects;
	size_t count;
	enum err_code rc;
	struct err *e;
};

static void
import_fini(struct import *im)
{
	for (size_t i = 0; i < im->count; i++)
		free(im->injects[i].text);
	free(im->injects);

	buf_fini(&im->comments);
	wire_free(&im->doc);
}

/* --- what is lost ------------------------------------------------------------------ */

static void
lose(struct import *im, const char *place, const char *json)
{
	size_t len = strlen(json);

	if (im->rc == ERR_NONE)
		im->rc = im->lost(im->ctx, place, json, im->e);
	if (im->rc == ERR_NONE)
		im->rc = buf_add_text(&im->comments, "#   ", im->e);
	if (im->rc == ERR_NONE)
		im->rc =
		    text_escape(&im->comments, place, strlen(place), im->e);
	if (im->rc == ERR_NONE)
		im->rc = buf_add_text(&im->comments, ": ", im->e);
	if (len > MENTION_MAX)
		for (len = MENTION_MAX;
		     len > 0 && ((unsigned char)json[len] & 0xc0) == 0x80;)
			len--;
	if (im->rc == ERR_NONE)
		im->rc = text_escape(&im->comments, json, len, im->e);
	if (im->rc == ERR_NONE)
		im->rc = buf_add_text(&im->comments, "\n", im->e);
}

static void
lose_field(struct import *im, struct wire_value *v, const char *at,
    const char *name)
{
	OWNED(buf_fini) struct buf json = {0};
	char place[256];

	snprintf(place, sizeof(place), "%.120s.%.100s", at, name);
	text_mend_end(place);
	if (im->rc == ERR_NONE)
		im->rc = wire_json(v, name, &json, im->e);
	if (im->rc == ERR_NONE)
		lose(im, place, buf_text(&json));
}

/* Every field of the object that is not among those the caller reads. */
static void
lose_others(struct import *im, struct wire_value *v, const char *at,
    const char *const *known, size_t known_count)
{
	const char *name;

	for (size_t i = 0; v != NULL && (name = wire_name_at(v, i)) != NULL;
	     i++) {
		bool is_known = !wire_has(v, name);

		for (size_t k = 0; k < known_count; k++)
			is_known = is_known || strcmp(known[k], name) == 0;
		if (!is_known)
			lose_field(im, v, at, name);
	}
}
#define LOSE_OTHERS(im, v, at, ...)                                \
	lose_others(im, v, at, (const char *const[]){__VA_ARGS__}, \
	    COUNT_OF(((const char *const[]){__VA_ARGS__})))

/* --- taking what may be one thing or another -------------------------------------------- */

/* The text, or "" where there is none; what is no text is lost. */
static const char *
take_text(struct import *im, struct wire_value *v, const char *at,
    const char *name)
{
	if (v == NULL || wire_kind_of(v, name) == WIRE_ABSENT)
		return "";
	if (wire_kind_of(v, name) == WIRE_IS_TEXT)
		return wire_take_text(v, name, "");
	lose_field(im, v, at, name);
	return "";
}

static struct wire_value *
take_object(struct import *im, struct wire_value *v, const char *at,
    const char *name)
{
	if (v == NULL || wire_kind_of(v, name) == WIRE_ABSENT)
		return NULL;
	if (wire_kind_of(v, name) == WIRE_IS_OBJECT)
		return wire_take_object(v, name);
	lose_field(im, v, at, name);
	return NULL;
}

static struct wire_value *
take_list(struct wire_value *v, const char *name)
{
	return v != NULL && wire_kind_of(v, name) == WIRE_IS_LIST
	    ? wire_take_list(v, name)
	    : NULL;
}

/* Is the word the field's text, or one of its list? */
static bool
has_word(struct wire_value *v, const char *name, const char *word)
{
	struct wire_value *list = take_list(v, name);

	if (v != NULL && wire_kind_of(v, name) == WIRE_IS_TEXT)
		return strcmp(wire_take_text(v, name, ""), word) == 0;
	for (size_t i = 0; list != NULL && i < wire_count(list); i++)
		if (wire_kind_at(list, i) == WIRE_IS_TEXT &&
		    strcmp(wire_at_text(list, i), word) == 0)
			return true;
	return false;
}

/* Seconds, as a number or as text; -1: neither. */
static int64_t
take_seconds(struct wire_value *v, const char *name)
{
	uint64_t s;
	int64_t ns;

	if (v == NULL)
		return -1;
	if (wire_kind_of(v, name) == WIRE_IS_TEXT)
		return text_parse_u64(wire_take_text(v, name, ""), DURATION_S,
			   &s)
		    ? (int64_t)s
		    : -1;
	if (wire_kind_of(v, name) != WIRE_IS_NUMBER)
		return -1;
	ns = wire_take_seconds(v, name, -1);
	return ns < 0 || ns / NS_PER_S > DURATION_S ? -1 : ns / NS_PER_S;
}

static void
copy(char *out, size_t out_bytes, const char *text)
{
	snprintf(out, out_bytes, "%s", text);
	text_mend_end(out);
}

/* --- names ----------------------------------------------------------------------------------- */

/* What a policy takes for a name, made of anything. */
static void
make_name(char *out, size_t out_bytes, const char *text, const char *otherwise)
{
	size_t n = 0;

	for (; *text != '\0' && n + 1 < out_bytes; text++) {
		char c =
		    *text >= 'A' && *text <= 'Z' ? (char)(*text + 32) : *text;
		bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (fits)
			out[n++] = c;
		else if (n > 0 && out[n - 1] != '-')
			out[n++] = '-';
	}
	while (n > 0 && out[n - 1] == '-')
		n--;
	out[n] = '\0';
	if (n == 0)
		snprintf(out, out_bytes, "%s", otherwise);
}

static bool
is_taken(const struct import *im, size_t upto, const char *name)
{
	for (size_t i = 0; i < upto; i++)
		if (strcmp(im->injects[i].name, name) == 0)
			return true;
	return false;
}

static void
name_inject(struct import *im, size_t i, const char *text)
{
	struct inject *in = &im->injects[i];
	char base[NAME_MAX], place[32];

	snprintf(place, sizeof(place), "inject-%zu", i + 1);
	make_name(base, sizeof(base), text, place);
	snprintf(in->name, sizeof(in->name), "%s", base);
	for (size_t n = 2; is_taken(im, i, in->name); n++)
		snprintf(in->name, sizeof(in->name), "%s-%u", base,
		    (unsigned)n);
}

/* --- injects ---------------------------------------------------------------------------------- */

static size_t
find_uuid(const struct import *im, const char *uuid)
{
	for (size_t i = 0; uuid[0] != '\0' && i < im->count; i++)
		if (strcmp(im->injects[i].uuid, uuid) == 0)
			return i;
	return im->count;
}

/* Of all that is looked at the first has a place: what is expected. */
static void
take_evaluation(struct import *im, struct wire_value *v, const char *at,
    struct inject *in)
{
	struct wire_value *list = take_list(v, "inject_evaluation");
	char place[128];

	if (list == NULL && wire_kind_of(v, "inject_evaluation") != WIRE_ABSENT)
		lose_field(im, v, at, "inject_evaluation");
	for (size_t i = 0; list != NULL && i < wire_count(list); i++) {
		struct wire_value *one;
		const char *result;
		size_t used = strlen(in->expect);

		snprintf(place, sizeof(place), "%.90s.inject_evaluation[%zu]",
		    at, i);
		if (wire_kind_at(list, i) != WIRE_IS_OBJECT) {
			lose(im, place, "(no object)");
			continue;
		}
		one = wire_at_object(list, i);
		result = take_text(im, one, place, "result");
		if (result[0] != '\0' && used + 3 < sizeof(in->expect)) {
			snprintf(in->expect + used, sizeof(in->expect) - used,
			    "%s%s", used > 0 ? "; " : "", result);
			text_mend_end(in->expect);
		}
		if (wire_kind_of(one, "parameters") == WIRE_IS_LIST &&
		    wire_count(wire_take_list(one, "parameters")) == 0)
			LOSE_OTHERS(im, one, place, "result", "parameters");
		else
			LOSE_OTHERS(im, one, place, "result");
	}
}

static void
take_inject(struct import *im, struct wire_value *v, size_t i)
{
	struct inject *in = &im->injects[i];
	char at[64];

	snprintf(at, sizeof(at), "injects[%zu]", i);
	in->shown = take_text(im, v, at, "name");
	name_inject(im, i, in->shown);
	copy(in->uuid, sizeof(in->uuid), take_text(im, v, at, "uuid"));
	copy(in->payload, sizeof(in->payload),
	    take_text(im, v, at, "action_payload_resource_uuid"));
	copy(in->channel, sizeof(in->channel), take_text(im, v, at, "action"));
	if (strcmp(in->channel, "message_to_participants") == 0)
		in->channel[0] = '\0';
	copy(in->to, sizeof(in->to), "all players");
	take_evaluation(im, v, at, in);
	if (strcmp(take_text(im, v, at, "target_tool"), "tabletop") == 0)
		LOSE_OTHERS(im, v, at, "name", "uuid", "action",
		    "action_payload_resource_uuid", "inject_evaluation",
		    "target_tool");
	else
		LOSE_OTHERS(im, v, at, "name", "uuid", "action",
		    "action_payload_resource_uuid", "inject_evaluation");
}

static void
take_flow(struct import *im, struct wire_value *v, size_t k)
{
	struct wire_value *needs, *seq, *timing;
	struct inject *in;
	const char *text;
	char at[64];
	size_t i;

	snprintf(at, sizeof(at), "inject_flow[%zu]", k);
	i = find_uuid(im, take_text(im, v, at, "inject_uuid"));
	if (i == im->count) {
		lose(im, at, "(of no inject)");
		return;
	}
	in = &im->injects[i];
	needs = take_object(im, v, at, "requirements");
	seq = take_object(im, v, at, "sequence");
	timing = take_object(im, v, at, "timing");
	in->has_flow = true;
	copy(in->after, sizeof(in->after),
	    take_text(im, needs, at, "inject_uuid"));
	in->on_decision = has_word(seq, "trigger", "decision");
	in->at_start = has_word(seq, "trigger", "startex");
	in->at_s = take_seconds(timing, "triggered_at");
	text = take_text(im, v, at, "description");
	if (text[0] != '\0' && in->shown[0] != '\0' &&
	    strcmp(text, in->shown) != 0)
		lose_field(im, v, at, "description");
	LOSE_OTHERS(im, needs, at, "inject_uuid");
	LOSE_OTHERS(im, seq, at, "trigger", "followed_by",
	    "completion_trigger");
	LOSE_OTHERS(im, timing, at, "triggered_at");
	LOSE_OTHERS(im, v, at, "inject_uuid", "requirements", "sequence",
	    "timing", "description", "reporting_callback");
}

/* What is said: plain, or base64 that turns out to be text. */
static void
take_content(struct import *im, struct wire_value *p, const char *at,
    struct inject *in)
{
	OWNED(buf_fini) struct buf clear = {.max_bytes = WIRE_LINE_BYTES_MAX};
	const char *content = take_text(im, p, at, "content");
	const char *type = take_text(im, p, at, "content-type");
	struct err ignored;
	char text[TEXT_MAX];

	if (content[0] == '\0' || in->text != NULL)
		return;
	if (strcmp(type, "base64") == 0 &&
	    text_unbase64(&clear, content, &ignored) == ERR_NONE &&
	    memchr(clear.bytes, 0, clear.len_bytes) == NULL &&
	    text_is_utf8((const char *)clear.bytes, clear.len_bytes))
		content = buf_text(&clear);
	else if (strcmp(type, "base64") == 0) {
		lose_field(im, p, at, "content");
		return;
	}
	if (strlen(content) >= sizeof(text))
		lose(im, at, "(the end of a text over 4096 bytes)");
	copy(text, sizeof(text), content);
	in->text = strdup(text);
	if (in->text == NULL)
		im->rc = err_nomem(im->e);
}

static void
take_payload(struct import *im, struct wire_value *v, size_t k)
{
	struct wire_value *p;
	const char *uuid, *to, *channel, *type;
	char at[64], inner[96];
	bool is_used = false;

	snprintf(at, sizeof(at), "inject_payloads[%zu]", k);
	snprintf(inner, sizeof(inner), "%s.parameters", at);
	uuid = take_text(im, v, at, "uuid");
	p = take_object(im, v, at, "parameters");
	to = take_text(im, p, inner, "to");
	channel = take_text(im, p, inner, "channel");
	type = take_text(im, v, at, "type");
	for (size_t i = 0; im->rc == ERR_NONE && i < im->count; i++) {
		struct inject *in = &im->injects[i];

		if (uuid[0] == '\0' || strcmp(in->payload, uuid) != 0)
			continue;
		is_used = true;
		if (p != NULL)
			take_content(im, p, inner, in);
		if (to[0] != '\0')
			copy(in->to, sizeof(in->to), to);
		if (channel[0] != '\0')
			copy(in->channel, sizeof(in->channel), channel);
	}
	if (!is_used)
		lose(im, at, "(of no inject)");
	if (p != NULL)
		LOSE_OTHERS(im, p, inner, "content", "content-type", "to",
		    "channel");
	if (strcmp(type, "message") != 0 && type[0] != '\0')
		lose_field(im, v, at, "type");
	LOSE_OTHERS(im, v, at, "uuid", "name", "parameters", "type");
}

typedef void take_fn(struct import *im, struct wire_value *v, size_t i);

static void
for_each(struct import *im, const char *name, take_fn *fn)
{
	struct wire_value *list = take_list(im->doc, name);
	char at[64];

	for (size_t i = 0;
	     list != NULL && im->rc == ERR_NONE && i < wire_count(list); i++) {
		if (wire_kind_at(list, i) == WIRE_IS_OBJECT) {
			fn(im, wire_at_object(list, i), i);
			continue;
		}
		snprintf(at, sizeof(at), "%.30s[%zu]", name, i);
		lose(im, at, "(no object)");
	}
}

static enum err_code
make_injects(struct import *im)
{
	struct wire_value *list = take_list(im->doc, "injects");

	if (list == NULL || wire_count(list) == 0)
		return err_set(im->e, ERR_INPUT,
		    "'injects' is no list with something in it");
	if (wire_count(list) > TABLETOP_INJECTS_MAX)
		return err_set(im->e, ERR_INPUT, "more than %d injects",
		    TABLETOP_INJECTS_MAX);
	for (size_t i = 0; i < wire_count(list); i++)
		if (wire_kind_at(list, i) != WIRE_IS_OBJECT)
			return err_set(im->e, ERR_INPUT,
			    "injects[%zu] is no object", i);
	im->injects = calloc(wire_count(list), sizeof(*im->injects));
	if (im->injects == NULL)
		return err_nomem(im->e);
	im->count = wire_count(list);
	for (size_t i = 0; i < im->count; i++) {
		im->injects[i].at_s = -1;
		im->injects[i].shown = "";
	}
	return ERR_NONE;
}

/* --- the file ------------------------------------------------------------------------------------ */

static void
put(struct import *im, const char *text)
{
	if (im->rc == ERR_NONE)
		im->rc = buf_add_text(im->out, text, im->e);
}

/* A text of a policy, at most TEXT_MAX bytes; "${" would be a variable. */
static void
put_quoted(struct import *im, const char *text)
{
	put(im, "\"");
	for (; im->rc == ERR_NONE && *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			im->rc = buf_printf(im->out, im->e, "\\%c", c);
		else if (c == '\n')
			put(im, "\\n");
		else if (c == '\t' || c == '\r')
			put(im, " ");
		else if (c < ' ' || c == 127)
			put(im, "?");
		else
			im->rc = buf_add_byte(im->out, c, im->e);
	}
	put(im, "\"");
}

static void
put_setting(struct import *im, const char *lead, const char *name,
    const char *text)
{
	if (text[0] == '\0')
		return;
	put(im, lead);
	put(im, name);
	put(im, " = ");
	put_quoted(im, text);
	put(im, ";");
}

static void
put_texts(struct import *im, struct wire_value *meta, const char *field,
    const char *setting, const char *otherwise)
{
	struct wire_value *list = take_list(meta, field);
	char text[TEXT_MAX];
	size_t count = 0;

	for (size_t i = 0; list != NULL && i < wire_count(list); i++) {
		if (wire_kind_at(list, i) != WIRE_IS_TEXT ||
		    wire_at_text(list, i)[0] == '\0')
			continue;
		copy(text, sizeof(text), wire_at_text(list, i));
		put(im, count++ == 0 ? "" : ",\n\t");
		if (count == 1) {
			put(im, setting);
			put(im, " = [\n\t");
		}
		put_quoted(im, text);
	}
	if (count == 0 && otherwise == NULL)
		return;
	if (count == 0) {
		put(im, setting);
		put(im, " = [\n\t");
		put_quoted(im, otherwise);
	}
	put(im, "\n];\n");
}

/* Names of services of ours; anything else would not load. */
static void
put_services(struct import *im, struct wire_value *meta)
{
	struct wire_value *list = take_list(meta, "services");
	char name[NAME_MAX + 16];
	size_t count = 0;

	for (size_t i = 0; list != NULL && i < wire_count(list); i++) {
		if (wire_kind_at(list, i) != WIRE_IS_TEXT)
			continue;
		make_name(name, sizeof(name), wire_at_text(list, i), "");
		if (name[0] == '\0')
			continue;
		put(im, count++ == 0 ? "services = [ " : ", ");
		put_quoted(im, name);
	}
	if (count > 0)
		put(im, " ];\n");
}

static void
put_when(struct import *im, size_t i)
{
	const struct inject *in = &im->injects[i];
	size_t after = find_uuid(im, in->after);
	char text[64];

	if (after != im->count && after != i) {
		put_setting(im, " ", "after", im->injects[after].name);
	} else if (in->on_decision) {
		put(im, " on = \"decision\";");
	} else if (in->at_s >= 0 || in->at_start || i == 0) {
		snprintf(text, sizeof(text), " at = \"T+%llds\";",
		    (long long)(in->at_s < 0 ? 0 : in->at_s));
		put(im, text);
	} else {
		snprintf(text, sizeof(text), "injects[%zu]", i);
		lose(im, text,
		    "(nothing says when: it comes after the one "
		    "before it)");
		put_setting(im, " ", "after", im->injects[i - 1].name);
	}
}

static void
put_inject(struct import *im, size_t i)
{
	const struct inject *in = &im->injects[i];

	put(im, i == 0 ? "\t{" : ",\n\t{");
	put_setting(im, " ", "name", in->name);
	put_when(im, i);
	put_setting(im, " ", "to", in->to);
	put_setting(im, " ", "channel", in->channel);
	put_setting(im, "\n\t  ", "text",
	    in->text != NULL           ? in->text
		: in->shown[0] != '\0' ? in->shown
				       : in->name);
	put_setting(im, "\n\t  ", "expect", in->expect);
	put(im, " }");
}

static int64_t
duration_of(const struct import *im, struct wire_value *x)
{
	int64_t s = take_seconds(x, "total_duration");

	if (s < 60)
		s = s < 0 ? DEFAULT_S : 60;
	for (size_t i = 0; i < im->count; i++)
		if (im->injects[i].at_s > s)
			s = im->injects[i].at_s;
	return s;
}

static void
put_head(struct import *im, struct wire_value *x, struct wire_value *meta)
{
	char text[TEXT_MAX], name[NAME_MAX + 16];
	const char *title = take_text(im, x, "exercise", "description");

	if (title[0] == '\0')
		title = take_text(im, x, "exercise", "name");
	make_name(name, sizeof(name), take_text(im, x, "exercise", "name"),
	    "imported");
	copy(text, sizeof(text), title[0] != '\0' ? title : name);
	put(im, "# From a document in MISP's Common Exercise Format.\n");
	put_setting(im, "", "name", name);
	put_setting(im, "\n", "title", text);
	put(im, "\n");
	put_texts(im, meta, "objectives", "objectives",
	    "How does the plan hold when this happens?");
	put_texts(im, meta, "initial_conditions", "initial_conditions", NULL);
	put_services(im, meta);
	snprintf(text, sizeof(text), "duration = \"%llds\";\ninjects = (\n",
	    (long long)duration_of(im, x));
	put(im, text);
}

/* A text of ours that is made anew at the next export is not lost. */
static void
lose_exercise(struct import *im, struct wire_value *x, struct wire_value *meta)
{
	bool ours = strcmp(take_text(im, meta, "exercise.meta", "author"),
			"bascule") == 0;

	if (ours)
		LOSE_OTHERS(im, x, "exercise", "description", "name", "meta",
		    "total_duration", "expanded", "namespace", "tags", "uuid",
		    "version");
	else
		LOSE_OTHERS(im, x, "exercise", "description", "name", "meta",
		    "total_duration");
	if (ours)
		LOSE_OTHERS(im, meta, "exercise.meta", "objectives",
		    "initial_conditions", "services", "author");
	else
		LOSE_OTHERS(im, meta, "exercise.meta", "objectives",
		    "initial_conditions", "services");
}

static enum err_code
run(struct import *im)
{
	struct wire_value *x, *meta;

	if (wire_kind_of(im->doc, "exercise") != WIRE_IS_OBJECT)
		return err_set(im->e, ERR_INPUT,
		    "it has no 'exercise': is it in the Common Exercise "
		    "Format?");
	x = wire_take_object(im->doc, "exercise");
	im->rc = make_injects(im);
	if (im->rc != ERR_NONE)
		return im->rc;
	meta = take_object(im, x, "exercise", "meta");
	for_each(im, "injects", take_inject);
	for_each(im, "inject_flow", take_flow);
	for_each(im, "inject_payloads", take_payload);
	LOSE_OTHERS(im, im->doc, "document", "exercise", "inject_flow",
	    "inject_payloads", "injects");
	lose_exercise(im, x, meta);
	put_head(im, x, meta);
	for (size_t i = 0; im->rc == ERR_NONE && i < im->count; i++)
		put_inject(im, i);
	put(im, "\n);\n");
	if (im->rc == ERR_NONE && im->comments.len_bytes > 0) {
		put(im, "\n# What a scenario has no place for:\n");
		put(im, buf_text(&im->comments));
	}
	return im->rc;
}

enum err_code
cexf_import(const char *json, size_t len_bytes, struct buf *conf,
    cexf_lost_fn *lost, void *ctx, struct err *e)
{
	OWNED(import_fini)
	struct import im = {.out = conf, .lost = lost, .ctx = ctx, .e = e};
	enum err_code rc = wire_parse(&im.doc, json, len_bytes, e);

	return rc == ERR_NONE ? run(&im) : rc;
}
