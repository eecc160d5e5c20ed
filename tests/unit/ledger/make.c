#include "make.h"

#include <check.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>

void
make_setup(struct make *m)
{
	struct err e = {0};

	memset(m, 0, sizeof(*m));
	tmpdir_make_in_memory(&m->td);
	snprintf(m->path, sizeof(m->path), "%s/ledger.db", m->td.path);
	ck_assert_int_eq(sign_key_new(&m->key, &e), ERR_NONE);
	m->options.site = "brent";
	m->options.host = "brent-dr1";
	m->options.signer = m->key;
	ck_assert_msg(ledger_open(&m->l, m->path, &m->options, &e) == ERR_NONE,
	    "%s", e.text);
}

void
make_teardown(struct make *m)
{
	ledger_close(&m->l);
	sign_key_free(&m->key);
	tmpdir_remove(&m->td);
}

void
make_reopen(struct make *m)
{
	struct err e = {0};

	ledger_close(&m->l);
	ck_assert_msg(ledger_open(&m->l, m->path, &m->options, &e) == ERR_NONE,
	    "%s", e.text);
}

struct draft *
make_draft(const char *chain, const char *type, ...)
{
	struct draft *d = NULL;
	struct err e = {0};
	struct draft_actor actor = {.uid = 1000};
	const char *name;
	va_list ap;

	ck_assert_int_eq(draft_new(&d, chain, type, &e), ERR_NONE);
	va_start(ap, type);
	while ((name = va_arg(ap, const char *)) != NULL) {
		const char *value = va_arg(ap, const char *);

		if (strcmp(name, "@run") == 0)
			draft_run(d, value);
		else if (strcmp(name, "@service") == 0)
			draft_service(d, value);
		else if (strcmp(name, "@dataset") == 0)
			draft_dataset(d, value);
		else if (strcmp(name, "@actor.name") == 0)
			actor.name = value;
		else if (strcmp(name, "@actor.role") == 0)
			actor.role = value;
		else if (strcmp(name, "@actor.council") == 0)
			actor.council = value;
		else
			draft_text(d, name, value);
	}
	va_end(ap);
	if (actor.name != NULL)
		draft_actor(d, &actor);
	return d;
}

void
make_append(struct make *m, struct draft *d)
{
	struct err e = {0};

	ck_assert_msg(ledger_append(m->l, d, NULL, &e) == ERR_NONE, "%s",
	    e.text);
	draft_free(&d);
}

void
make_sql(struct make *m, const char *sql)
{
	sqlite3 *db = NULL;
	char *why = NULL;

	ck_assert_int_eq(sqlite3_open(m->path, &db), SQLITE_OK);
	sqlite3_exec(db,
	    "DROP TRIGGER records_stay; DROP TRIGGER records_remain;"
	    "DROP TRIGGER heads_stay; DROP TRIGGER heads_remain",
	    NULL, NULL, NULL);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK,
	    "%s", why);
	sqlite3_close(db);
}

struct ledger_verdict
make_verify(struct make *m)
{
	struct ledger_verdict v;
	struct err e = {0};

	ck_assert_msg(ledger_verify(m->l, sign_key_public(m->key), &v, &e) ==
		ERR_NONE,
	    "%s", e.text);
	return v;
}
