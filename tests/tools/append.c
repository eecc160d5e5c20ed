/*
 * append STATE SITE TYPE [NAME=VALUE...]: a record in the ledger of a daemon that
 * is not running, under a head that its own key signs: what root of that site can
 * do.  @run, @service, @uid and @actor (a name, and a council behind a colon) are
 * the record's own; \n in a value is a newline.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/crypt.h>
#include <bascule/job.h>
#include <bascule/ledger.h>

static struct err e;

static void
must(enum err_code rc)
{
	if (rc == ERR_NONE)
		return;
	fprintf(stderr, "append: %s\n", e.text);
	exit(1);
}

static void
put(struct draft *d, char *name)
{
	static struct draft_actor who = {.uid = -1};
	char *value = strchr(name, '=');

	if (value == NULL)
		exit(2);
	*value++ = '\0';
	for (char *at; (at = strstr(value, "\\n")) != NULL;) {
		*at = '\n';
		memmove(at + 1, at + 2, strlen(at + 2) + 1);
	}
	if (strcmp(name, "@run") == 0)
		draft_run(d, value);
	else if (strcmp(name, "@service") == 0)
		draft_service(d, value);
	else if (strcmp(name, "@uid") == 0)
		who.uid = atoll(value);
	else if (strcmp(name, "@actor") == 0) {
		char *council = strchr(value, ':');

		if (council != NULL)
			*council++ = '\0';
		who.name = value;
		who.council = council;
	} else
		draft_text(d, name, value);
	draft_actor(d, &who);
}

int
main(int argc, char **argv)
{
	struct ledger_options o = {.host = "h"};
	struct sign_key *key = NULL;
	struct ledger *l = NULL;
	struct draft *d = NULL;
	char path[512];

	if (argc < 4)
		return 2;
	snprintf(path, sizeof(path), "%s/ledger.key", argv[1]);
	must(ledgerkey_open(&key, path, &e));
	o.site = argv[2];
	o.signer = key;
	snprintf(path, sizeof(path), "%s/ledger.db", argv[1]);
	must(ledger_open(&l, path, &o, &e));
	must(draft_new(&d, NULL, argv[3], &e));
	for (int i = 4; i < argc; i++)
		put(d, argv[i]);
	must(ledger_append(l, d, NULL, &e));
	must(ledger_sign_head(l, NULL, &e));
	draft_free(&d);
	ledger_close(&l);
	sign_key_free(&key);
	return 0;
}
