#include "when.h"

#include <string.h>

#include <bascule/base/text.h>

#include "cli.h"

#define DATE_BYTES 10

enum err_code
when_parse(const char *text, struct utc *out, struct err *e)
{
	char midnight[DATE_BYTES + sizeof("T00:00:00Z")];
	struct err ignored;
	int64_t ago_ns;

	out->ns = 0;
	if (text == NULL || now_parse(text, out))
		return ERR_NONE;
	if (strlen(text) == DATE_BYTES) {
		snprintf(midnight, sizeof(midnight), "%sT00:00:00Z", text);
		if (now_parse(midnight, out))
			return ERR_NONE;
	}
	if (text_parse_duration(text, &ago_ns, &ignored) == ERR_NONE) {
		out->ns = now_utc().ns - ago_ns;
		return ERR_NONE;
	}
	err_set(e, ERR_INPUT, "'%.60s' is no time", text);
	return err_hint(e,
	    "write 2026-11-22T00:21:34Z, 2026-11-22 or 7d (ago)");
}

bool
when_as_of(struct cli *cli, struct utc *out, int *status)
{
	const char *text = cli_value(cli, "as-of");
	struct err e;

	if (when_parse(text, out, &e) != ERR_NONE) {
		*status = cli_wrong_use(cli, "--as-of: %s", e.text);
		return false;
	}
	if (text == NULL || out->ns <= now_utc().ns)
		return true;
	*status = cli_wrong_use(cli, "--as-of '%.60s' is still to come", text);
	return false;
}
