/* A scenario in MISP's Common Exercise Format. */

#include <bascule/crypt.h>
#include <bascule/policy.h>
#include <bascule/report.h>
#include <bascule/wire.h>
#include <string.h>

#define UUID_BYTES 40

/*
 * The same thing has the same uuid in every export: the format wants it fixed.
 * Of the form of a random one, from a hash of its name.
 */
static enum err_code
make_uuid(const char *what, const char *scenario, const char *name,
    char out[UUID_BYTES], struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	struct id id;
	uint8_t *h = id.bytes;
	enum err_code rc = buf_printf(&b, e, "bascule cexf %s%c%s%c%s", what, 0,
	    scenario, 0, name);

	if (rc == ERR_NONE)
		rc = hash_sha256(b.bytes, b.len_bytes, &id, e);
	if (rc != ERR_NONE)
		return rc;
	h[6] = (uint8_t)((h[6] & 0x0f) | 0x40);
	h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
	snprintf(out, UUID_BYTES,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x"
	    "%02x",
	    h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10],
	    h[11], h[12], h[13], h[14], h[15]);
	return ERR_NONE;
}

static enum err_code
add_texts(struct wire_value *v, const char *name, const struct policy_texts *t,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 0; rc == ERR_NONE && i < t->count; i++)
		wire_add_text(list, NULL, t->items[i]);
	if (rc == ERR_NONE)
		wire_add(v, name, &list);
	return rc;
}

static enum err_code
add_list(struct wire_value *v, const char *name, const char *one, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	if (rc != ERR_NONE)
		return rc;
	if (one != NULL)
		wire_add_text(list, NULL, one);
	wire_add(v, name, &list);
	return ERR_NONE;
}

static enum err_code
add_meta(struct wire_value *v, const struct policy_scenario *sc, struct err *e)
{
	OWNED(wire_free) struct wire_value *meta = NULL;
	enum err_code rc = wire_new(&meta, NULL, e);

	if (rc == ERR_NONE)
		rc = add_texts(meta, "objectives", &sc->objectives, e);
	if (rc == ERR_NONE)
		rc = add_texts(meta, "initial_conditions",
		    &sc->initial_conditions, e);
	if (rc == ERR_NONE)
		rc = add_texts(meta, "services", &sc->services, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(meta, "author", "bascule");
	wire_add(v, "meta", &meta);
	return ERR_NONE;
}

static enum err_code
add_expanded(struct wire_value *v, const struct policy_scenario *sc,
    struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	enum err_code rc = buf_printf(&text, e, "# %s\n", sc->title);

	for (size_t i = 0; rc == ERR_NONE && i < sc->initial_conditions.count;
	     i++)
		rc = buf_printf(&text, e, "\n%s\n",
		    sc->initial_conditions.items[i]);
	for (size_t i = 0; rc == ERR_NONE && i < sc->objectives.count; i++)
		rc = buf_printf(&text, e, "%s- %s\n",
		    i == 0 ? "\n## Objectives\n\n" : "",
		    sc->objectives.items[i]);
	if (rc == ERR_NONE)
		wire_add_text(v, "expanded", buf_text(&text));
	return rc;
}

static enum err_code
add_exercise(struct wire_value *v, const struct policy_scenario *sc,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *x = NULL;
	char uuid[UUID_BYTES], seconds[24];
	enum err_code rc = wire_new(&x, NULL, e);

	if (rc == ERR_NONE)
		rc = make_uuid("exercise", sc->name, "", uuid, e);
	if (rc == ERR_NONE)
		rc = add_expanded(x, sc, e);
	if (rc == ERR_NONE)
		rc = add_meta(x, sc, e);
	if (rc == ERR_NONE)
		rc = add_list(x, "tags", "exercise:type=\"tabletop\"", e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(x, "description", sc->title);
	wire_add_text(x, "name", sc->name);
	wire_add_text(x, "namespace", "disaster-recovery");
	snprintf(seconds, sizeof(seconds), "%lld",
	    (long long)(sc->duration_ns / NS_PER_S));
	wire_add_text(x, "total_duration", seconds);
	wire_add_text(x, "uuid", uuid);
	wire_add_text(x, "version", "1");
	wire_add(v, "exercise", &x);
	return ERR_NONE;
}

/* An inject may have no name: its place is one. */
static const char *
name_of(const struct policy_scenario *sc, size_t i, char out[32])
{
	if (sc->injects[i].name[0] != '\0')
		return sc->injects[i].name;
	snprintf(out, 32, "inject-%zu", i + 1);
	return out;
}

static enum err_code
add_sequence(struct wire_value *flow, const struct policy_scenario *sc,
    size_t i, struct err *e)
{
	OWNED(wire_free) struct wire_value *seq = NULL;
	OWNED(wire_free) struct wire_value *next = NULL;
	const struct policy_inject *in = &sc->injects[i];
	const char *trigger = in->after[0] != '\0' ? "inject-resolution"
	    : in->on[0] != '\0'                    ? in->on
	    : in->at_ns == 0                       ? "startex"
						   : "time";
	char uuid[UUID_BYTES], name[32];
	enum err_code rc = wire_new(&seq, NULL, e);

	if (rc == ERR_NONE)
		rc = wire_new_list(&next, e);
	if (rc == ERR_NONE)
		rc = add_list(seq, "trigger", trigger, e);
	if (rc == ERR_NONE)
		rc = add_list(seq, "completion_trigger", "completion", e);
	for (size_t k = 0; rc == ERR_NONE && k < sc->inject_count; k++) {
		if (in->name[0] == '\0' ||
		    strcmp(sc->injects[k].after, in->name) != 0)
			continue;
		rc = make_uuid("inject", sc->name, name_of(sc, k, name), uuid,
		    e);
		if (rc == ERR_NONE)
			wire_add_text(next, NULL, uuid);
	}
	if (rc != ERR_NONE)
		return rc;
	wire_add(seq, "followed_by", &next);
	wire_add(flow, "sequence", &seq);
	return ERR_NONE;
}

static enum err_code
add_flow(struct wire_value *list, const struct policy_scenario *sc, size_t i,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *needs = NULL;
	OWNED(wire_free) struct wire_value *timing = NULL;
	const struct policy_inject *in = &sc->injects[i];
	char uuid[UUID_BYTES], after[UUID_BYTES], name[32];
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc == ERR_NONE)
		rc = wire_new(&needs, NULL, e);
	if (rc == ERR_NONE)
		rc = wire_new(&timing, NULL, e);
	if (rc == ERR_NONE)
		rc = make_uuid("inject", sc->name, name_of(sc, i, name), uuid,
		    e);
	if (rc == ERR_NONE && in->after[0] != '\0') {
		rc = make_uuid("inject", sc->name, in->after, after, e);
		wire_add_text(needs, "inject_uuid", after);
	}
	if (rc == ERR_NONE)
		rc = add_sequence(v, sc, i, e);
	if (rc == ERR_NONE)
		rc = add_list(v, "reporting_callback", NULL, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "description", name_of(sc, i, name));
	wire_add_text(v, "inject_uuid", uuid);
	wire_add(v, "requirements", &needs);
	if (in->at_ns >= 0)
		wire_add_seconds(timing, "triggered_at", in->at_ns);
	else
		wire_add_null(timing, "triggered_at");
	wire_add(v, "timing", &timing);
	wire_add(list, NULL, &v);
	return ERR_NONE;
}

static enum err_code
add_payload(struct wire_value *list, const struct policy_scenario *sc, size_t i,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *p = NULL;
	const struct policy_inject *in = &sc->injects[i];
	char uuid[UUID_BYTES], name[32];
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc == ERR_NONE)
		rc = wire_new(&p, NULL, e);
	if (rc == ERR_NONE)
		rc = make_uuid("payload", sc->name, name_of(sc, i, name), uuid,
		    e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(p, "content", in->text);
	wire_add_text(p, "content-type", "text/plain");
	wire_add_text(p, "to", in->to);
	wire_add_text(p, "channel", in->channel);
	wire_add_text(v, "name", name_of(sc, i, name));
	wire_add(v, "parameters", &p);
	wire_add_text(v, "type", "message");
	wire_add_text(v, "uuid", uuid);
	wire_add(list, NULL, &v);
	return ERR_NONE;
}

static enum err_code
add_evaluation(struct wire_value *v, const struct policy_inject *in,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	OWNED(wire_free) struct wire_value *one = NULL;
	enum err_code rc = wire_new_list(&list, e);

	if (rc == ERR_NONE)
		rc = wire_new(&one, NULL, e);
	if (rc == ERR_NONE)
		rc = add_list(one, "parameters", NULL, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(one, "result", in->expect);
	if (in->expect[0] != '\0')
		wire_add(list, NULL, &one);
	wire_add(v, "inject_evaluation", &list);
	return ERR_NONE;
}

static enum err_code
add_inject(struct wire_value *list, const struct policy_scenario *sc, size_t i,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char uuid[UUID_BYTES], payload[UUID_BYTES], name[32];
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc == ERR_NONE)
		rc = make_uuid("inject", sc->name, name_of(sc, i, name), uuid,
		    e);
	if (rc == ERR_NONE)
		rc = make_uuid("payload", sc->name, name_of(sc, i, name),
		    payload, e);
	if (rc == ERR_NONE)
		rc = add_evaluation(v, &sc->injects[i], e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "action", "message_to_participants");
	wire_add_text(v, "action_payload_resource_uuid", payload);
	wire_add_text(v, "name", name_of(sc, i, name));
	wire_add_text(v, "target_tool", "tabletop");
	wire_add_text(v, "uuid", uuid);
	wire_add(list, NULL, &v);
	return ERR_NONE;
}

typedef enum err_code add_fn(struct wire_value *list,
    const struct policy_scenario *sc, size_t i, struct err *e);

static enum err_code
add_all(struct wire_value *v, const char *name,
    const struct policy_scenario *sc, add_fn *fn, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 0; rc == ERR_NONE && i < sc->inject_count; i++)
		rc = fn(list, sc, i, e);
	if (rc == ERR_NONE)
		wire_add(v, name, &list);
	return rc;
}

enum err_code
cexf_export(const struct policy_scenario *sc, struct buf *json, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc == ERR_NONE)
		rc = add_exercise(v, sc, e);
	if (rc == ERR_NONE)
		rc = add_all(v, "inject_flow", sc, add_flow, e);
	if (rc == ERR_NONE)
		rc = add_all(v, "inject_payloads", sc, add_payload, e);
	if (rc == ERR_NONE)
		rc = add_all(v, "injects", sc, add_inject, e);
	if (rc == ERR_NONE)
		rc = wire_pretty(v, json, e);
	return rc == ERR_NONE ? buf_add_text(json, "\n", e) : rc;
}
