#include "deltas.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/buf.h>
#include <bascule/base/fdio.h>
#include <bascule/base/le.h>
#include <bascule/base/text.h>
#include <bascule/crypt.h>

#define NAME_DIGEST_BYTES 16
#define NAME_BYTES        TEXT_HEX_BYTES(NAME_DIGEST_BYTES)

static enum err_code
make_name(char out[NAME_BYTES], const struct deltas_name *name, struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	struct id sum;
	enum err_code rc =
	    le_add_bytes(&b, name->family, STORE_FAMILY_BYTES, e);

	if (rc == ERR_NONE)
		rc = le_add_bytes(&b, name->service, strlen(name->service), e);
	if (rc == ERR_NONE)
		rc = le_add_bytes(&b, name->dataset, strlen(name->dataset), e);
	if (rc == ERR_NONE)
		rc = hash_sha256(b.bytes, b.len_bytes, &sum, e);
	if (rc == ERR_NONE)
		text_hex(sum.bytes, NAME_DIGEST_BYTES, out);
	return rc;
}

static bool
is_name(const char *name)
{
	return strlen(name) == NAME_BYTES - 1 &&
	    strspn(name, "0123456789abcdef") == NAME_BYTES - 1;
}

/* What is over in one goes, and with the last of it the folder. */
static void
tidy(const char *dir, const char *name, const struct delta_cache_limits *limits)
{
	OWNED(delta_cache_close) struct delta_cache *dc = NULL;
	OWNED(buf_fini) struct buf path = {0};
	struct err e;

	if (buf_printf(&path, &e, "%s/%s", dir, name) == ERR_NONE &&
	    access(buf_text(&path), F_OK) == 0 &&
	    delta_cache_open(&dc, buf_text(&path), limits, &e) == ERR_NONE)
		(void)rmdir(buf_text(&path));
}

/* Datasets that are not saved any more, or not with a cache. */
static void
tidy_others(const char *dir, const char *mine, int64_t keep_ns)
{
	const struct delta_cache_limits limits = {UINT64_MAX, keep_ns};
	OWNED(fdio_close_dir) DIR *d = opendir(dir);
	const struct dirent *entry;

	if (d == NULL)
		return;
	while ((entry = readdir(d)) != NULL)
		if (is_name(entry->d_name) && strcmp(entry->d_name, mine) != 0)
			tidy(dir, entry->d_name, &limits);
}

enum err_code
deltas_open(struct delta_cache **out, const char *state_dir,
    const struct deltas_name *name, const struct delta_cache_limits *limits,
    struct err *e)
{
	OWNED(buf_fini) struct buf dir = {0};
	char mine[NAME_BYTES];
	enum err_code rc = make_name(mine, name, e);

	*out = NULL;
	if (rc == ERR_NONE)
		rc = buf_printf(&dir, e, "%s/deltas", state_dir);
	if (rc != ERR_NONE)
		return rc;
	tidy_others(buf_text(&dir), mine, limits->keep_ns);
	if (limits->size_bytes == 0) {
		tidy(buf_text(&dir), mine, limits);
		return ERR_NONE;
	}
	rc = buf_printf(&dir, e, "/%s", mine);
	if (rc == ERR_NONE)
		rc = delta_cache_open(out, buf_text(&dir), limits, e);
	return rc == ERR_BUSY ? ERR_NONE : rc;
}
