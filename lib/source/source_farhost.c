#include "source_farhost.h"

#include <string.h>

#define TEXTS_COUNT 4 /* name, address, user, identity */

static enum err_code
keep(struct source_farhost *fh, const char **text, size_t at, struct err *e)
{
	if (*text == NULL)
		return ERR_NONE;
	fh->texts[at] = strdup(*text);
	*text = fh->texts[at];
	return *text == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code
keep_texts(struct source_farhost *fh, struct err *e)
{
	struct source_host *h = &fh->host;
	enum err_code rc;

	fh->texts = calloc(TEXTS_COUNT, sizeof(*fh->texts));
	if (fh->texts == NULL)
		return err_nomem(e);
	rc = keep(fh, &h->name, 0, e);
	if (rc == ERR_NONE)
		rc = keep(fh, &h->address, 1, e);
	if (rc == ERR_NONE)
		rc = keep(fh, &h->user, 2, e);
	return rc == ERR_NONE ? keep(fh, &h->identity, 3, e) : rc;
}

enum err_code
source_farhost_init(struct source_farhost *fh, const struct source_host *host,
    struct err *e)
{
	enum err_code rc;

	fh->host = *host;
	fh->host.host_keys = NULL; /* the pins have them */
	fh->host.host_keys_count = 0;
	rc = keep_texts(fh, e);
	if (rc == ERR_NONE)
		rc = hostpins_new(&fh->pins, e);
	for (size_t i = 0; rc == ERR_NONE && i < host->host_keys_count; i++)
		rc = hostpins_add_fingerprint(fh->pins, host->host_keys[i], e);
	return rc;
}

void
source_farhost_fini(struct source_farhost *fh)
{
	for (size_t i = 0; fh->texts != NULL && i < TEXTS_COUNT; i++)
		free(fh->texts[i]);
	free(fh->texts);
	hostpins_free(&fh->pins);
	*fh = (struct source_farhost){0};
}

enum err_code
source_farhost_connect(const struct source_farhost *fh, struct sshconn **out,
    struct err *e)
{
	const struct source_host *h = &fh->host;
	struct sshconn_options o = {
	    .user = h->user,
	    .host = h->address,
	    .port = h->port,
	    .pins = fh->pins,
	    .identity_file = h->identity,
	    .timeout_ns = h->timeout_ns,
	    .cancel = h->cancel,
	};
	enum err_code rc = sshconn_open(out, &o, e);

	return rc == ERR_NONE ? rc : err_wrap(e, "host '%s'", h->name);
}
