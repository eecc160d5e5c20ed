#include "besides.h"

#include <stdio.h>
#include <string.h>

enum err_code
besides_path(char **out, const char *ledger, const char *name, struct err *e)
{
	const char *slash = strrchr(ledger, '/');
	int lead = slash == NULL ? 0 : (int)(slash + 1 - ledger);

	if (asprintf(out, "%.*s%s", lead, ledger, name) >= 0)
		return ERR_NONE;
	*out = NULL;
	return err_nomem(e);
}
