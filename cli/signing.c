#include "signing.h"

#include <stdio.h>
#include <string.h>

#include <bascule/wire.h>

#define ANSWER_TIMEOUT_MS 30000

int
signing_ledger(struct cli *cli, struct buf *path)
{
	OWNED(wire_client_close) struct wire_client *c = NULL;
	OWNED(wire_free) struct wire_value *request = NULL, *v = NULL;
	enum err_code rc;
	struct err e;

	rc = wire_client_open(&c, cli->socket, &e);
	if (rc == ERR_NOTFOUND) {
		err_set(&e, rc, "no daemon answers at '%s'", cli->socket);
		err_hint(&e,
		    "start basculed, or read its database directly: "
		    "--ledger FILE");
	}
	if (rc == ERR_NONE)
		rc = wire_new(&request, NULL, &e);
	if (rc != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_text(request, "cmd", "ledger head");
	rc = wire_client_ask(c, request, &e);
	if (rc == ERR_NONE)
		rc = wire_client_next(c, ANSWER_TIMEOUT_MS, &v, &e);
	if (rc == ERR_NONE && v != NULL)
		rc = buf_add_text(path, wire_need_text(v, "ledger"), &e);
	if (rc == ERR_NONE && v != NULL)
		rc = wire_check(v, &e);
	return rc == ERR_NONE ? EXITCODE_DONE : cli_fail(cli, &e);
}

void
signing_fini(struct signing *s)
{
	sign_key_free(&s->key);
}

static enum err_code
read_key(struct signing *s, const char *path, struct err *e)
{
	OWNED(secret_fini) struct secret file = {0};
	enum err_code rc = keyfile_read(path, &file, e);

	if (rc == ERR_NONE)
		rc = sign_key_load(&s->key, &file, NULL, e);
	if (rc == ERR_NONE)
		rc = sign_fingerprint(sign_key_public(s->key), s->signer, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "the key '%s'", path);
}

enum err_code
signing_find(struct cli *cli, struct signing *s, const char *ledger,
    struct err *e)
{
	const char *asked = cli_value(cli, "sign-key");
	const char *slash = strrchr(ledger, '/');
	int dir_bytes = slash == NULL ? 0 : (int)(slash + 1 - ledger);
	OWNED(free_mem) char *beside = NULL;
	struct err why;

	s->was_asked = asked != NULL;
	if (asked != NULL)
		return read_key(s, asked, e);
	if (asprintf(&beside, "%.*sledger.key", dir_bytes, ledger) < 0) {
		beside = NULL; /* undefined after a failure */
		return err_nomem(e);
	}
	if (read_key(s, beside, &why) != ERR_NONE) {
		sign_key_free(&s->key);
		snprintf(s->why_not, sizeof(s->why_not), "%s", why.text);
	}
	return ERR_NONE;
}

void
signing_say(const struct signing *s, const char *what)
{
	if (s->key != NULL) {
		printf("the %s is signed by %s\n", what, s->signer);
		return;
	}
	printf("the %s is NOT SIGNED: ", what);
	cli_print_name(s->why_not, strcspn(s->why_not, "\n"));
	putchar('\n');
}
