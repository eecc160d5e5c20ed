#include <string.h>

#include "policy_describe.h"
#include "policy_problem.h"
#include "policy_setting.h"

/* docs/POLICY.md: a chapter a group, a row a setting. */

static enum err_code
cell(struct buf *out, const struct buf *text, struct err *e)
{
	enum err_code rc = buf_add_text(out, " ", e);

	for (size_t i = 0; rc == ERR_NONE && i < text->len_bytes; i++) {
		if (text->bytes[i] == '|')
			rc = buf_add_byte(out, '\\', e);
		if (rc == ERR_NONE)
			rc = buf_add_byte(out, text->bytes[i], e);
	}
	return rc == ERR_NONE ? buf_add_text(out, " |", e) : rc;
}

static enum err_code
row(struct buf *out, const struct policy_setting *s, struct err *e)
{
	struct buf parts[4] = {{0}};
	enum err_code rc = buf_printf(out, e, "| `%s` |", s->name);

	if (rc == ERR_NONE)
		rc = policy_describe_type(s, &parts[0], e);
	if (rc == ERR_NONE)
		rc = policy_describe_default(s, &parts[1], e);
	if (rc == ERR_NONE)
		rc = policy_describe_range(s, &parts[2], e);
	if (rc == ERR_NONE)
		rc = buf_printf(&parts[3], e, "%s%s%s%s", s->help,
		    s->example == NULL ? "" : "; `",
		    s->example == NULL ? "" : s->example,
		    s->example == NULL ? "" : "`");
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		if (rc == ERR_NONE)
			rc = cell(out, &parts[i], e);
		buf_fini(&parts[i]);
	}
	return rc == ERR_NONE ? buf_add_text(out, "\n", e) : rc;
}

static enum err_code
chapter(struct buf *out, const char *path, const struct policy_group *g,
    struct err *e)
{
	enum err_code rc = buf_printf(out, e,
	    "\n## %s\n\n%s\n\n"
	    "| setting | type | default | accepted | meaning |\n"
	    "|---|---|---|---|---|\n",
	    path, g->help);

	for (size_t i = 0; rc == ERR_NONE && i < g->count; i++)
		rc = row(out, &g->settings[i], e);
	return rc;
}

static enum err_code
visit(void *ctx, const char *path, const struct policy_setting *s,
    struct err *e)
{
	if (s->group == NULL)
		return ERR_NONE;
	return chapter(ctx, path, s->group, e);
}

static enum err_code
problems(struct buf *out, struct err *e)
{
	enum err_code rc = buf_add_text(out,
	    "\n## Problems\n\n"
	    "Every problem of a file set is reported in one run, as\n"
	    "`file:line: setting: what is wrong; what is accepted [id]`. An "
	    "id never changes\nits meaning.\n\n| id | meaning |\n|---|---|\n",
	    e);

	for (unsigned i = 1; rc == ERR_NONE && i <= policy_problem_max(); i++)
		if (policy_problem_title(i) != NULL)
			rc = buf_printf(out, e, "| P%03u | %s |\n", i,
			    policy_problem_title(i));
	return rc;
}

static enum err_code
types(struct buf *out, struct err *e)
{
	enum err_code rc = buf_add_text(out,
	    "\n## How values are written\n\n| type | written |\n|---|---|\n",
	    e);

	for (int t = TYPE_TEXT; rc == ERR_NONE && t <= TYPE_LIST; t++) {
		struct policy_setting s = {.type = (enum policy_type)t};

		rc = buf_printf(out, e, "| %s | %s |\n",
		    policy_setting_type_name(&s),
		    policy_setting_accepts(s.type));
	}
	return rc;
}

enum err_code
policy_reference(struct buf *out, struct err *e)
{
	enum err_code rc = buf_add_text(out,
	    "# Policies: the reference\n\n"
	    "Written by `bascule policy reference` from the table that loads "
	    "policies;\n`make policy-doc` writes it again, and the tests fail "
	    "when it is not current.\n\n"
	    "Policies are libconfig files. `@include \"FILE\"` stands on a "
	    "line of its own; every\npath is relative to the file it is "
	    "written in. A number with a dimension is a text\nwith its unit. "
	    "Commands are arrays of words: there is no shell unless the policy "
	    "writes\none. Variables are `${service}`, `${dataset}`, "
	    "`${snapshot}`, `${sandbox}`, `${site}`,\n`${run}` and "
	    "`${epoch}`.\n",
	    e);

	if (rc == ERR_NONE)
		rc = types(out, e);
	if (rc == ERR_NONE)
		rc = chapter(out, "bascule.conf and the files it names",
		    &policy_schema_root, e);
	if (rc == ERR_NONE)
		rc = policy_setting_walk(visit, out, e);
	return rc == ERR_NONE ? problems(out, e) : rc;
}
