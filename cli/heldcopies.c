#include "heldcopies.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/fdio.h>

#include "besides.h"

void
heldcopies_fini(struct heldcopies *c)
{
	while (c->count > 0)
		ledger_close(&c->items[--c->count]);
}

static enum err_code
add(struct heldcopies *c, const char *dir, const char *name, struct err *e)
{
	OWNED(free_mem) char *path = NULL;
	enum err_code rc;

	if (c->count == HELDCOPIES_MAX)
		return err_set(e, ERR_INPUT,
		    "more than %d copies of ledgers in '%s'", HELDCOPIES_MAX,
		    dir);
	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return err_nomem(e);
	}
	rc = ledger_open_readonly(&c->items[c->count], path, e);
	if (rc == ERR_NOTFOUND) /* nothing has come from there yet */
		return ERR_NONE;
	if (rc != ERR_NONE)
		return err_wrap(e, "the copy of another site's ledger");
	c->count++;
	return ERR_NONE;
}

enum err_code
heldcopies_open(struct heldcopies *c, const char *ledger, struct err *e)
{
	OWNED(fdio_close_dir) DIR *d = NULL;
	OWNED(free_mem) char *dir = NULL;
	const struct dirent *one;
	enum err_code rc = besides_path(&dir, ledger, "peers", e);

	*c = (struct heldcopies){.count = 0};
	if (rc != ERR_NONE)
		return rc;
	d = opendir(dir);
	if (d == NULL)
		return errno == ENOENT ? ERR_NONE
				       : err_sys(e, "cannot list '%s'", dir);
	while (rc == ERR_NONE && (one = readdir(d)) != NULL) {
		const char *dot = strrchr(one->d_name, '.');

		if (dot != NULL && dot != one->d_name &&
		    strcmp(dot, ".db") == 0)
			rc = add(c, dir, one->d_name, e);
	}
	return rc;
}
