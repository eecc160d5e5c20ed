/*
 * The tools of databases, as argument arrays.  What they print has to be the
 * same where nothing changed, or nothing deduplicates: not compressed, no date.
 */

#include <stdio.h>
#include <string.h>

#include <bascule/policy.h>

#define WORDS_MAX   24
#define OPTIONS_MAX 4
#define OPTION_MAX  512

struct words {
	const char *items[WORDS_MAX];
	size_t count;
	char options[OPTIONS_MAX][OPTION_MAX];
	size_t options_count;
	bool too_long;
};

static void
add(struct words *w, const char *word)
{
	ASSERT(w->count < WORDS_MAX);
	w->items[w->count++] = word;
}

/* NAME=VALUE, one word: no value is ever taken for an option. */
static void
add_option(struct words *w, const char *name, const char *value)
{
	char *option = w->options[w->options_count];

	ASSERT(w->options_count < OPTIONS_MAX);
	w->options_count++;
	if (snprintf(option, OPTION_MAX, "%s=%s", name, value) >= OPTION_MAX)
		w->too_long = true;
	add(w, option);
}

static void
add_port(struct words *w, const struct policy_database *db)
{
	char port[16];

	snprintf(port, sizeof(port), "%u", db->port);
	if (db->port != 0)
		add_option(w, "--port", port);
}

static void
add_postgresql(struct words *w, const struct policy_database *db)
{
	bool all = db->kind == POLICY_POSTGRESQL_CLUSTER;

	add(w, all ? "pg_basebackup" : "pg_dump");
	add(w, "--no-password"); /* nobody is there to ask */
	if (*db->address != '\0')
		add_option(w, "--host", db->address);
	add_port(w, db);
	if (*db->user != '\0')
		add_option(w, "--username", db->user);
	if (!all) {
		add(w, "--format=custom");
		add(w, "--compress=0");
		add_option(w, "--dbname", db->name);
		return;
	}
	add(w, "--pgdata=-");
	add(w, "--format=tar");
	add(w, "--wal-method=fetch");
	add(w, "--checkpoint=fast");
}

/*
 * One transaction shows one moment of tables that know transactions, of which
 * InnoDB's are, and of no others: where there are such, they are locked while
 * they are read, and that is said.  The server's own (mysql.*) do not count.
 */
static const char mariadb_script[] =
    "set -e\n"
    "name=$1; shift\n"
    "if [ -n \"$name\" ]; then\n"
    " one=--database=$name lock=--lock-tables what=\"'$name'\"\n"
    " where='TABLE_SCHEMA = DATABASE()'\n"
    "else\n"
    " one=--batch lock=--lock-all-tables what='the server'\n"
    " where=\"TABLE_SCHEMA NOT IN ('mysql', 'sys')\"\n"
    "fi\n"
    "found=$(mariadb \"$@\" \"$one\" --batch --skip-column-names --execute=\"\n"
    "    SELECT COUNT(*), MIN(CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, ', ', "
    "ENGINE))\n"
    "    FROM information_schema.TABLES\n"
    "    WHERE TABLE_TYPE = 'BASE TABLE' AND $where AND ENGINE NOT IN (SELECT "
    "ENGINE\n"
    "        FROM information_schema.ENGINES WHERE TRANSACTIONS = 'YES')\")\n"
    "case $found in\n"
    "0*) how=--single-transaction ;;\n"
    "*) how=$lock\n"
    " echo \"tables that no transaction covers (how many, the first):\" \\\n"
    "     $found: \"$what was locked while it was read\" >&2 ;;\n"
    "esac\n"
    "if [ -n \"$name\" ]; then set -- \"$@\" --databases -- \"$name\"\n"
    "else set -- \"$@\" --all-databases; fi\n"
    "exec mariadb-dump $how --quick --routines --events --triggers \\\n"
    "    --hex-blob --skip-dump-date \"$@\"\n";

static void
add_mariadb(struct words *w, const struct policy_database *db)
{
	add(w, "sh");
	add(w, "-c");
	add(w, mariadb_script);
	add(w, "mariadb-backup");
	add(w, db->name);
	if (*db->address != '\0')
		add_option(w, *db->address == '/' ? "--socket" : "--host",
		    db->address);
	add_port(w, db);
	if (*db->user != '\0')
		add_option(w, "--user", db->user);
}

/*
 * The backup API copies page by page while others write, into a file; that
 * file's bytes are kept.  A file that is not there would be made: hence -f.
 * Damage is copied without a word, so the copy is checked: without the pages of
 * indexes against their tables, which takes long.
 */
static const char sqlite_script[] =
    "set -e\n"
    "[ -f \"$1\" ] || { echo \"there is no file '$1'\" >&2; exit 1; }\n"
    "t=$(mktemp)\n"
    "trap 'rm -f \"$t\" \"$t-wal\" \"$t-shm\"' EXIT\n"
    "sqlite3 -batch -bail \"$1\" '.timeout 60000' \".backup '$t'\"\n"
    "said=$(sqlite3 -batch -bail \"$t\" 'PRAGMA quick_check(1)' 2>&1) || :\n"
    "[ \"$said\" = ok ] || { echo \"the database '$1' is damaged, nothing of "
    "it is saved (its last good backup stays; sqlite3's .recover may help): "
    "$said\" >&2; exit 1; }\n"
    "cat -- \"$t\"\n";

static void
add_sqlite(struct words *w, const struct policy_database *db)
{
	add(w, "sh");
	add(w, "-c");
	add(w, sqlite_script);
	add(w, "sqlite-backup");
	add(w, db->file);
}

static void
add_tool(struct words *w, const struct policy_database *db)
{
	if (*db->account != '\0') {
		add(w, "runuser");
		add(w, "-u");
		add(w, db->account);
		add(w, "--");
	}
	switch (db->kind) {
	case POLICY_POSTGRESQL:
	case POLICY_POSTGRESQL_CLUSTER: add_postgresql(w, db); break;
	case POLICY_MARIADB: add_mariadb(w, db); break;
	case POLICY_SQLITE: add_sqlite(w, db); break;
	}
}

enum err_code
policy_program(char ***out, const struct policy_dataset *d,
    const struct policy_values *v, struct err *e)
{
	struct policy_texts texts;
	struct words w = {0};

	*out = NULL;
	if (d->command.count > 0)
		return policy_expand_argv(out, &d->command, v, e);
	if (d->database.at.line == 0)
		return ERR_NONE;
	add_tool(&w, &d->database);
	if (w.too_long)
		return err_set(e, ERR_INPUT,
		    "a setting of the database of dataset '%s' is longer than "
		    "%d",
		    d->name, OPTION_MAX - 1);
	texts = (struct policy_texts){.items = w.items, .count = w.count};
	return policy_expand_argv(out, &texts, v, e);
}
