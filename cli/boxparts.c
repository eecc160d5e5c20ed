#include "boxparts.h"

#include <glob.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/id.h>
#include <bascule/base/text.h>
#include <bascule/crypt.h>
#include <bascule/ledger.h>

#define FILES_MAX 256

/* --- the program ------------------------------------------------------------------ */

void
boxparts_program_fini(struct boxparts_program *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free((void *)(uintptr_t)p->files[i].path);
		free((void *)(uintptr_t)p->files[i].name);
	}
	free(p->files);
	p->files = NULL;
	p->count = 0;
}

/* As it is called here, and where it lies behind its links. */
static enum err_code
add_file(struct boxparts_program *p, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	struct box_program *f = &p->files[p->count];

	if (p->count == FILES_MAX)
		return err_set(e, ERR_INPUT,
		    "this program has more than %d parts", FILES_MAX);
	f->path = realpath(path, NULL);
	if (f->path == NULL)
		return err_sys(e, "cannot find '%s'", path);
	f->name = strdup(slash == NULL ? path : slash + 1);
	p->count++;
	return f->name != NULL ? ERR_NONE : err_nomem(e);
}

/* "ld-linux-x86-64.so.2", "ld-musl-x86_64.so.1", "ld64.so.2": what started us. */
static bool
is_loader(const char *path)
{
	const char *base = strrchr(path, '/');

	return base != NULL &&
	    (strncmp(base, "/ld-", 4) == 0 || strncmp(base, "/ld.so", 6) == 0 ||
		strncmp(base, "/ld64.so", 8) == 0);
}

struct collecting {
	struct boxparts_program *p;
	bool loader; /* that alone, or all others */
	enum err_code rc;
	struct err *e;
};

static int
collect(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct collecting *c = ctx;

	(void)size;
	/* The program itself has no name, the kernel's own part no folder. */
	if (info->dlpi_name != NULL && info->dlpi_name[0] == '/' &&
	    is_loader(info->dlpi_name) == c->loader)
		c->rc = add_file(c->p, info->dlpi_name, c->e);
	return c->rc != ERR_NONE;
}

static enum err_code
add_loaded(struct boxparts_program *p, bool loader, struct err *e)
{
	struct collecting c = {p, loader, ERR_NONE, e};

	dl_iterate_phdr(collect, &c);
	return c.rc;
}

enum err_code
boxparts_program(struct boxparts_program *p, struct err *e)
{
	enum err_code rc;

	p->files = calloc(FILES_MAX, sizeof(*p->files));
	if (p->files == NULL)
		return err_nomem(e);
	rc = add_loaded(p, true, e);
	if (rc == ERR_NONE && p->count != 1)
		return err_set(e, ERR_NOTFOUND,
		    "this program has no loader that could go into a box");
	if (rc == ERR_NONE)
		rc = add_file(p, "/proc/self/exe", e);
	if (rc == ERR_NONE) {
		free((void *)(uintptr_t)p->files[1].name);
		p->files[1].name = strdup("bascule");
		rc = p->files[1].name != NULL ? rc : err_nomem(e);
	}
	return rc == ERR_NONE ? add_loaded(p, false, e) : rc;
}

/* --- heads -------------------------------------------------------------------------- */

static enum err_code
add_head(void *ctx, const struct ledger_head *h, struct err *e)
{
	OWNED(free_mem) struct head *head = calloc(1, sizeof(*head));
	char signature[2 * SIGN_BYTES + 1], hash[ID_HEX_BYTES];
	char signer[SIGN_FINGERPRINT_SIZE];
	enum err_code rc;

	if (head == NULL)
		return err_nomem(e);
	rc = head_decode(head, h->bytes, h->len_bytes, e);
	if (rc == ERR_NONE)
		rc = head_fingerprint(h->signer, signer, e);
	return rc != ERR_NONE
	    ? rc
	    : buf_printf(ctx, e, "%s %llu %s %s %s\n", head->site,
		  (unsigned long long)head->number, id_hex(&head->hash, hash),
		  signer, text_hex(h->signature, SIGN_BYTES, signature));
}

static enum err_code
add_newest(const char *path, struct buf *out, struct err *e)
{
	OWNED(ledger_close) struct ledger *l = NULL;
	OWNED(free_mem) struct head *head = calloc(1, sizeof(*head));
	enum err_code rc;

	if (head == NULL)
		return err_nomem(e);
	rc = ledger_open_readonly(&l, path, e);
	if (rc == ERR_NONE)
		rc = ledger_sign_last(l, head, e);
	return rc != ERR_NONE || head->number == 0
	    ? rc
	    : ledger_heads(l, head->number, add_head, out, e);
}

enum err_code
boxparts_heads(const char *ledger, struct buf *out, struct err *e)
{
	const char *slash = strrchr(ledger, '/');
	char pattern[4096];
	glob_t copies = {0};
	enum err_code rc = add_newest(ledger, out, e);
	struct err why;

	if (rc == ERR_NOMEM)
		return rc;
	snprintf(pattern, sizeof(pattern), "%.*s/peers/*.db",
	    slash == NULL ? 1 : (int)(slash - ledger),
	    slash == NULL ? "." : ledger);
	if (glob(pattern, 0, NULL, &copies) == 0)
		for (size_t i = 0; i < copies.gl_pathc; i++)
			(void)add_newest(copies.gl_pathv[i], out, &why);
	globfree(&copies);
	return ERR_NONE;
}
