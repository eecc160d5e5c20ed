/* What a clean-up would do: the same that its worker would be given. */

#include <string.h>

#include <bascule/job.h>

#include "client.h"

static enum err_code
tell(struct client *c, const char *run, const char *what, const char *step,
    const char *text, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "left", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "run", run);
	wire_add_text(v, "what", what);
	wire_add_text(v, "step", step);
	wire_add_text(v, "text", text);
	client_reply(c, &v);
	return ERR_NONE;
}

static enum err_code
tell_undo(struct client *c, const char *run, struct wire_value *undo,
    struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	struct wire_value *argv = wire_take_list(undo, "argv");
	enum err_code rc = buf_add_text(&text, "", e);

	for (size_t i = 0;
	     rc == ERR_NONE && argv != NULL && i < wire_count(argv); i++) {
		const char *word = wire_at_text(argv, i);

		rc = buf_printf(&text, e, "%s%s", i > 0 ? " " : "",
		    word == NULL ? "" : word);
	}
	return rc != ERR_NONE
	    ? rc
	    : tell(c, run, "undo", wire_take_text(undo, "step", ""),
		  buf_text(&text), e);
}

static enum err_code
tell_remains(struct client *c, const char *run, const char *sandbox,
    struct err *e)
{
	struct exercise_remains r;
	char count[64];
	enum err_code rc = exercise_clean_look(run, sandbox, &r, e);

	if (rc != ERR_NONE)
		return rc;
	snprintf(count, sizeof(count), "%zu", r.processes_count);
	rc = tell(c, run, "processes", NULL, count, e);
	return rc != ERR_NONE || !r.has_sandbox
	    ? rc
	    : tell(c, run, "sandbox", NULL, sandbox, e);
}

enum err_code
api_left_end(struct client *c, const char *run, const char *service,
    const char *state, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = client_summary(&v, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "run", run);
	wire_add_text(v, "service", service);
	wire_add_text(v, "state", state);
	wire_add_bool(v, "dry_run", true);
	client_last(c, &v);
	return ERR_NONE;
}

enum err_code
api_left_tell(struct client *c, const char *run, const char *service,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *spec = NULL;
	struct wire_value *left, *undos;
	enum err_code rc = wire_new(&spec, NULL, e);

	if (rc == ERR_NONE)
		rc = exercise_left(client_daemon(c), run, spec, e);
	if (rc != ERR_NONE)
		return rc;
	left = wire_take_object(spec, "left");
	undos = wire_take_list(left, "undos");
	for (size_t i = 0;
	     rc == ERR_NONE && undos != NULL && i < wire_count(undos); i++)
		rc = tell_undo(c, run, wire_at_object(undos, i), e);
	if (rc == ERR_NONE)
		rc = tell_remains(c, run, wire_take_text(left, "sandbox", NULL),
		    e);
	return rc != ERR_NONE ? rc
			      : api_left_end(c, run, service,
				    wire_take_text(left, "state", ""), e);
}
