#include <string.h>

#include "policy_describe.h"
#include "policy_setting.h"

struct explain {
	const char *wanted;
	struct buf *out;
	size_t found_count;
	char near[POLICY_SETTING_PATH_BYTES]; /* the first that is near */
};

/* "service.backup.schedule" matches itself and its last parts. */
static bool
matches(const char *path, const char *wanted)
{
	size_t len = strlen(path), want = strlen(wanted);

	if (want > len || strcmp(path + len - want, wanted) != 0)
		return false;
	return want == len || path[len - want - 1] == '.';
}

typedef enum err_code describe_fn(const struct policy_setting *s,
    struct buf *out, struct err *e);

static enum err_code
field(struct explain *x, const char *label, const struct policy_setting *s,
    describe_fn *fn, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	enum err_code rc = fn(s, &text, e);

	if (rc != ERR_NONE || text.len_bytes == 0)
		return rc;
	return buf_printf(x->out, e, "    %-9s %s\n", label, buf_text(&text));
}

static enum err_code
members(struct explain *x, const struct policy_group *g, struct err *e)
{
	enum err_code rc =
	    buf_printf(x->out, e, "    %s\n    holds:\n", g->help);

	for (size_t i = 0; rc == ERR_NONE && i < g->count; i++)
		rc = buf_printf(x->out, e, "      %-20s %s\n",
		    g->settings[i].name, g->settings[i].help);
	return rc;
}

static enum err_code
explain_one(struct explain *x, const char *path, const struct policy_setting *s,
    struct err *e)
{
	enum err_code rc = buf_printf(x->out, e, "%s%s\n    %s\n",
	    x->found_count++ == 0 ? "" : "\n", path, s->help);

	if (rc == ERR_NONE)
		rc = field(x, "type:", s, policy_describe_type, e);
	if (rc == ERR_NONE && s->group == NULL)
		rc = buf_printf(x->out, e, "    %-9s %s\n",
		    "written:", policy_setting_accepts(s->type));
	if (rc == ERR_NONE)
		rc = field(x, "default:", s, policy_describe_default, e);
	if (rc == ERR_NONE)
		rc = field(x, s->choices != NULL ? "choices:" : "range:", s,
		    policy_describe_range, e);
	if (rc == ERR_NONE && (s->flags & SETTING_VARIABLES) != 0)
		rc = buf_add_text(x->out,
		    "    may hold ${service} ${dataset} ${snapshot} "
		    "${sandbox} ${site} ${run} ${epoch}\n",
		    e);
	if (rc == ERR_NONE && s->example != NULL)
		rc = buf_printf(x->out, e, "    %-9s %s = %s;\n",
		    "example:", s->name, s->example);
	if (rc == ERR_NONE && s->group != NULL)
		rc = members(x, s->group, e);
	return rc;
}

#define SUFFIXES_MAX 8 /* of a path: what people write of it */

static enum err_code
visit(void *ctx, const char *path, const struct policy_setting *s,
    struct err *e)
{
	struct explain *x = ctx;
	const char *names[SUFFIXES_MAX] = {path};
	size_t count = 1;

	for (const char *dot = strchr(path, '.');
	     dot != NULL && count < SUFFIXES_MAX; dot = strchr(dot + 1, '.'))
		names[count++] = dot + 1;
	if (matches(path, x->wanted))
		return explain_one(x, path, s, e);
	if (x->near[0] == '\0' &&
	    policy_setting_nearest_of(names, count, x->wanted) != NULL)
		snprintf(x->near, sizeof(x->near), "%s", path);
	return ERR_NONE;
}

enum err_code
policy_explain(const char *setting, struct buf *out, struct err *e)
{
	struct explain x = {.wanted = setting, .out = out};
	enum err_code rc = policy_setting_walk(visit, &x, e);

	if (rc != ERR_NONE || x.found_count > 0)
		return rc;
	if (x.near[0] != '\0')
		return err_set(e, ERR_NOTFOUND,
		    "there is no setting '%.80s' (did you mean '%s'?)", setting,
		    x.near);
	return err_set(e, ERR_NOTFOUND,
	    "there is no setting '%.80s'; try 'service', 'sites' or 'links' to "
	    "see what there is",
	    setting);
}
