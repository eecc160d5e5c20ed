#include "wire_value.h"

#include <string.h>

#include <bascule/base/exitcode.h>

#define HINT_MARK "\nhint: " /* as err_hint writes it */

enum err_code
wire_failure_new(struct wire_value **out, const struct err *why,
    int exit_status, struct err *e)
{
	const char *hint = strstr(why->text, HINT_MARK);
	size_t len =
	    hint != NULL ? (size_t)(hint - why->text) : strlen(why->text);
	enum err_code rc = wire_new(out, "error", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(*out, "code", err_name(why->code));
	wire_add_bytes(*out, "error", why->text, len);
	if (hint != NULL)
		wire_add_text(*out, "hint", hint + strlen(HINT_MARK));
	wire_add_int(*out, "exit",
	    exit_status != 0 ? exit_status : (int)exitcode_of(why->code));
	wire_add_last(*out);
	return ERR_NONE;
}

/* An unknown name, of a newer server, is a plain failure. */
static enum err_code
code_of_name(const char *name)
{
	for (int code = ERR_NONE + 1; code <= ERR_CANCELLED; code++)
		if (strcmp(name, err_name((enum err_code)code)) == 0)
			return (enum err_code)code;
	return ERR_IO;
}

bool
wire_failure_read(struct wire_value *v, struct err *why, int *exit_status)
{
	const char *hint;
	int64_t status;

	if (strcmp(wire_take_text(v, "type", ""), "error") != 0 ||
	    !wire_take_bool(v, "last", false))
		return false;
	err_set(why, code_of_name(wire_take_text(v, "code", "")), "%s",
	    wire_take_text(v, "error", "no reason was given"));
	hint = wire_take_text(v, "hint", NULL);
	if (hint != NULL)
		err_hint(why, "%s", hint);
	status = wire_take_int(v, "exit", 0);
	if (status <= 0 || status > 255)
		status = exitcode_of(why->code);
	*exit_status = (int)status;
	return true;
}
