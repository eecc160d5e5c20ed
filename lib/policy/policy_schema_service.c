#include "policy_schema_rows.h"

/* A service and everything in it; see policy_schema.c. */

/* A choice is stored as the enum it stands for, by its place in the list. */
_Static_assert(MISFIRE_RUN_ONCE == 0 && MISFIRE_SKIP == 1 && MISFIRE_ALL == 2,
    "the order of misfires[]");
_Static_assert(POLICY_MODE_TEST == 1 && POLICY_MODE_UNPLANNED == 8,
    "the order of modes[]");
_Static_assert(POLICY_L0 == 0 && POLICY_L7 == 7, "the order of proofs[]");
_Static_assert(POLICY_CHECK_HTTP == 1 && POLICY_CHECK_SQL == 7,
    "the order of checks[] in policy_settle.c");

/* --- a service ------------------------------------------------------------ */

#define WHEN(rec)                                                              \
	{"schedule", TYPE_SCHEDULE, AT(rec, when.schedule),                    \
	    .help = "five cron fields or @hourly to @yearly; or write every",  \
	    .example = "\"*/30 * * * *\""},                                    \
	    {"every", TYPE_DURATION, AT(rec, when.every_ns), .min = S,         \
		.max = 400 * DAY,                                              \
		.help = "a fixed interval instead of a schedule, counted "     \
			"from 1970",                                           \
		.example = "\"15m\""},                                         \
	    {"timezone", TYPE_ZONE, AT(rec, when.timezone), .fallback = "UTC", \
		.help = "the IANA zone the schedule's times are of",           \
		.example = "\"Europe/London\""},                               \
	{                                                                      \
		"splay", TYPE_DURATION, AT(rec, when.splay_ns),                \
		    .fallback = "0s", .min = 0, .max = DAY,                    \
		    .help = "spread the starts over so long; the same place "  \
			    "each time",                                       \
		    .example = "\"2m\""                                        \
	}

static const char *const database_kinds[] = {"postgresql", "postgresql-cluster",
    "mariadb", "sqlite", NULL};
static const struct policy_setting database_settings[] = {
    {"kind", TYPE_CHOICE, AT(policy_database, kind), NEED,
	.choices = database_kinds,
	.help = "postgresql: one database (pg_dump); postgresql-cluster: a "
		"whole server (pg_basebackup); mariadb (mariadb-dump); sqlite: "
		"a file (the backup API)",
	.example = "\"postgresql\""},
    {"name", TYPE_TEXT, AT(policy_database, name), VARS,
	.help = "postgresql, mariadb: the database's name; mariadb: empty for "
		"all of the server",
	.example = "\"housing\""},
    {"file", TYPE_PATH, AT(policy_database, file),
	.help = "sqlite: the database's file",
	.example = "\"/var/lib/parking/parking.db\""},
    {"address", TYPE_TEXT, AT(policy_database, address),
	.help = "the server's host, or its socket (PostgreSQL: the folder of "
		"it); empty: as the tool has it",
	.example = "\"/run/postgresql\""},
    {"port", TYPE_COUNT, AT(policy_database, port), .fallback = "0", .min = 0,
	.max = 65535, .help = "0: as the tool has it", .example = "5432"},
    {"user", TYPE_TEXT, AT(policy_database, user),
	.help = "the server's account; its password is the tool's business: "
		"~/.pgpass, ~/.my.cnf",
	.example = "\"backup\""},
    {"account", TYPE_NAME, AT(policy_database, account),
	.help = "the Unix account the tool runs as, where the daemon is root",
	.example = "\"postgres\""},
};
GROUP(database_group, "database", policy_database, database_settings,
    "A database, by its own tool: the output is kept.");

static const struct policy_setting dataset_settings[] = {
    {"name", TYPE_NAME, AT(policy_dataset, name), NEED,
	.help = "the dataset's name", .example = "\"documents\""},
    {"tree", TYPE_PATH, AT(policy_dataset, tree),
	.help = "a folder to keep; or write command or database",
	.example = "\"/srv/housing/documents\""},
    {"command", TYPE_TEXTS, .element = TYPE_TEXT, WORDS,
	AT(policy_dataset, command),
	.help = "a command whose standard output is kept; it must exit 0",
	.example = "[ \"pg_dump\", \"-Fc\", \"housing\" ]"},
    {"database", SUB(policy_dataset, database, database_group),
	.flags = SETTING_ABSENT,
	.help = "a database, kept by its own tool (docs/DATABASES.md)"},
    {"host", TYPE_NAME, AT(policy_dataset, host),
	.help = "where it is, over SSH without an agent; empty: the machine "
		"Bascule runs on",
	.example = "\"db1.brent\""},
    {"host_at", TYPE_PAIRS, AT2(policy_dataset, host_at, host_at_count),
	.element = TYPE_NAME,
	.help = "where it is while the service runs at another site: site = "
		"host",
	.example = "{ southwark = \"db1.southwark\"; }"},
    {"count", TYPE_TEXTS, .element = TYPE_TEXT, WORDS,
	AT(policy_dataset, count),
	.help = "a command, run where the dataset is, that prints how many "
		"transactions there were so far: what a move loses is counted "
		"with it",
	.example = "[ \"housing-transactions\" ]"},
    {"exclude", TYPE_TEXTS, .element = TYPE_TEXT, AT(policy_dataset, exclude),
	.help = "patterns of names to leave out; a '/' at the end means "
		"folders only",
	.example = "[ \"*.tmp\", \"cache/\" ]"},
    {"one_file_system", TYPE_BOOL, AT(policy_dataset, one_file_system),
	.fallback = "false", .help = "do not enter other mounted file systems",
	.example = "true"},
    {"exclude_caches", TYPE_BOOL, AT(policy_dataset, exclude_caches),
	.fallback = "false", .help = "leave out folders with a CACHEDIR.TAG",
	.example = "true"},
    {"chunking", TYPE_CHUNKING,
	AT2(policy_dataset, chunking, chunk_fixed_bytes), .fallback = "auto",
	.help = "auto: cut by content; \"fixed SIZE\" for files that change in "
		"place, like a database's",
	.example = "\"fixed 64KiB\""},
    {"min_size", TYPE_SIZE, AT(policy_dataset, min_size_bytes),
	.fallback = "0B",
	.help = "less than this is a failure: an empty dump is no dump",
	.example = "\"1MiB\""},
    {"max_shrink", TYPE_SHARE, AT(policy_dataset, max_shrink_millipercent),
	.fallback = "100%",
	.help =
	    "having shrunk by more than this since the last point is a failure",
	.example = "\"50%\""},
    {"timeout", TYPE_DURATION, AT(policy_dataset, timeout_ns), .fallback = "0s",
	.min = 0, .max = 30 * DAY,
	.help =
	    "the command is ended after so long; 0s: only by backup.timeout",
	.example = "\"30m\""},
    {"read_again", TYPE_DURATION, AT(policy_dataset, read_again_ns),
	.fallback = "30d", .min = S, .max = 3650 * DAY,
	.help = "a tree on another host: once in so long all of it is read, "
		"whatever size and time say (SFTP tells no more)",
	.example = "\"30d\""},
};
GROUP(dataset_group, "dataset", policy_dataset, dataset_settings,
    "One folder, or one command's output, or one database.");

static const struct policy_setting quiesce_settings[] = {
    {"before", TYPE_TEXTS, .element = TYPE_TEXT, WORDS,
	AT(policy_quiesce, before),
	.help =
	    "run before the datasets are read; its failure fails the backup",
	.example = "[ \"housingctl\", \"pause\" ]"},
    {"after", TYPE_TEXTS, .element = TYPE_TEXT, WORDS,
	AT(policy_quiesce, after),
	.help = "run afterwards, whatever happened, also when the backup is "
		"killed; then perhaps twice",
	.example = "[ \"housingctl\", \"resume\" ]"},
    {"on", TYPE_NAME, AT(policy_quiesce, host),
	.help = "the host to run them on; empty: the machine Bascule runs on",
	.example = "\"app1.brent\""},
    {"host_at", TYPE_PAIRS, AT2(policy_quiesce, host_at, host_at_count),
	.element = TYPE_NAME,
	.help = "... while the service runs at another site: site = host",
	.example = "{ southwark = \"app1.southwark\"; }"},
    {"timeout", TYPE_DURATION, AT(policy_quiesce, timeout_ns),
	.fallback = "60s", .min = S, .max = DAY, .help = "for each of the two",
	.example = "\"60s\""},
};
GROUP(quiesce_group, "quiesce", policy_quiesce, quiesce_settings,
    "Commands that hold the service still while it is read.");

static const struct policy_setting capture_settings[] = {
    {"before", TYPE_TEXTS, .element = TYPE_TEXT, WORDS,
	AT(policy_quiesce, before),
	.help = "run before a move reads the datasets of a service that it has "
		"stopped: opens them to be read, never to be written; where "
		"they can be read it does nothing; its failure fails the "
		"capture, which is tried again",
	.example = "[ \"housingctl\", \"open-read-only\" ]"},
    {"after", TYPE_TEXTS, .element = TYPE_TEXT, WORDS,
	AT(policy_quiesce, after),
	.help = "run afterwards, whatever happened, also when the capture is "
		"killed; then perhaps twice: closes what `before` opened, and "
		"nothing else",
	.example = "[ \"housingctl\", \"close\" ]"},
    {"on", TYPE_NAME, AT(policy_quiesce, host),
	.help = "the host to run them on; empty: the machine Bascule runs on",
	.example = "\"app1.brent\""},
    {"host_at", TYPE_PAIRS, AT2(policy_quiesce, host_at, host_at_count),
	.element = TYPE_NAME, .help = "... at another site: site = host",
	.example = "{ southwark = \"app1.southwark\"; }"},
    {"timeout", TYPE_DURATION, AT(policy_quiesce, timeout_ns), .fallback = "5m",
	.min = S, .max = DAY, .help = "for each of the two",
	.example = "\"5m\""},
};
GROUP(capture_group, "capture", policy_quiesce, capture_settings,
    "Commands that open what a fence has shut down, so that what was written "
    "there can be kept, and close it again.");

static const char *const misfires[] = {"run-once", "skip", "run-all", NULL};
static const char *const overlaps[] = {"skip", "queue", NULL};
static const char *const compressions[] = {"auto", "off", "fast", "max", NULL};
static const struct policy_setting backup_settings[] = {
    WHEN(policy_backup),
    {"expect", TYPE_DURATION, AT(policy_backup, expect_ns), .fallback = "10m",
	.min = 0, .max = 30 * DAY,
	.help = "how long a backup takes; part of what the RPO must cover",
	.example = "\"10m\""},
    {"timeout", TYPE_DURATION, AT(policy_backup, timeout_ns), .fallback = "12h",
	.min = S, .max = 30 * DAY, .help = "a backup is ended after so long",
	.example = "\"2h\""},
    {"retries", TYPE_COUNT, AT(policy_backup, retries), .fallback = "3",
	.min = 0, .max = 100,
	.help = "how often a failed backup is tried again", .example = "3"},
    {"misfire", TYPE_CHOICE, AT(policy_backup, misfire), .choices = misfires,
	.fallback = "run-once",
	.help = "what to do about starts that were missed",
	.example = "\"run-once\""},
    {"max_lateness", TYPE_DURATION, AT(policy_backup, max_lateness_ns),
	.fallback = "6h", .min = 0, .max = 400 * DAY,
	.help = "a start missed by more than this is skipped; 0s: never",
	.example = "\"6h\""},
    {"overlap", TYPE_CHOICE, AT(policy_backup, overlap), .choices = overlaps,
	.fallback = "skip", .help = "when the last backup still runs",
	.example = "\"skip\""},
    {"compression", TYPE_CHOICE, AT(policy_backup, compression),
	.choices = compressions, .fallback = "auto",
	.help = "auto leaves alone what does not shrink",
	.example = "\"auto\""},
};
GROUP(backup_group, "backup", policy_backup, backup_settings,
    "When recovery points are made. Exactly one of schedule and every.");

#define KEEP(what, text)                                                    \
	{                                                                   \
#what, TYPE_COUNT, AT(policy_retention, rule.what),         \
		    .fallback = "0", .min = 0, .max = 100000, .help = text, \
		    .example = "14"                                         \
	}
static const struct policy_setting retention_settings[] = {
    KEEP(last, "keep so many of the newest points"),
    KEEP(hourly, "the newest of each of so many hours"),
    KEEP(daily, "... days"),
    KEEP(weekly, "... weeks"),
    KEEP(monthly, "... months"),
    KEEP(yearly, "... years"),
    {"within", TYPE_DURATION, AT(policy_retention, rule.within_ns),
	.fallback = "0s", .min = 0, .max = 36500 * DAY,
	.help = "keep everything younger than this", .example = "\"7d\""},
};
GROUP(retention_group, "retention", policy_retention, retention_settings,
    "Which points stay, in UTC. With nothing written, every point stays.");

static const struct policy_setting replicate_settings[] = {
    {"to", TYPE_TEXTS, .element = TYPE_NAME, AT(policy_replicate, to), NEED,
	.help = "the sites that get a copy of every point",
	.example = "[ \"southwark\" ]"},
    {"pull", TYPE_BOOL, AT(policy_replicate, pull), LATER, .fallback = "false",
	.help = "the copies' sites fetch what they lack (from `store serve "
		"--allow get`); nothing is sent to them",
	.example = "true"},
    {"within", TYPE_DURATION, AT(policy_replicate, within_ns),
	.fallback = "15m", .min = S, .max = 30 * DAY,
	.help = "how long a copy may take; part of what the RPO must cover",
	.example = "\"15m\""},
    {"immutable_for", TYPE_DURATION, AT(policy_replicate, immutable_for_ns),
	.fallback = "0s", .min = 0, .max = 36500 * DAY,
	.help = "the receiver refuses to delete a point younger than this",
	.example = "\"30d\""},
    {"retention", SUB(policy_replicate, retention, retention_group),
	.flags = SETTING_ABSENT,
	.help = "which points stay there; the service's where not written"},
};
GROUP(replicate_group, "replicate", policy_replicate, replicate_settings,
    "Where copies go.");

static const char *const verify_kinds[] = {"reread", "restore", NULL};
static const char *const picks[] = {"latest", "random-within", "oldest", NULL};
static const struct policy_setting verify_settings[] = {
    {"kind", TYPE_CHOICE, AT(policy_verify, kind), .choices = verify_kinds,
	NEED, .help = "read stored bytes again, or restore a point and compare",
	.example = "\"restore\""},
    WHEN(policy_verify),
    {"sample", TYPE_SHARE, AT(policy_verify, sample_millipercent),
	.fallback = "100%", .help = "reread: how much of the repository",
	.example = "\"2%\""},
    {"pick", TYPE_CHOICE, AT(policy_verify, pick), .choices = picks,
	.fallback = "latest", .help = "restore: which point",
	.example = "\"random-within\""},
    {"within", TYPE_DURATION, AT(policy_verify, within_ns), .fallback = "30d",
	.min = S, .max = 36500 * DAY,
	.help = "random-within: no point older than this",
	.example = "\"30d\""},
};
GROUP(verify_group, "verify", policy_verify, verify_settings,
    "A proof that points can be read. Exactly one of schedule and every.");

static const struct policy_setting check_settings[] = {
    {"http", TYPE_URL, AT(policy_check, http), VARS,
	.help = "a URL that must answer",
	.example = "\"http://10.20.0.20:8080/health\""},
    {"tcp", TYPE_ENDPOINT, AT(policy_check, tcp), VARS,
	.help = "an address and port that must take a connection",
	.example = "\"10.20.0.20:5432\""},
    {"command", TYPE_TEXTS, .element = TYPE_TEXT, WORDS,
	AT(policy_check, command), .help = "a command that must exit 0",
	.example = "[ \"housing-rowcount\" ]"},
    {"unreachable", TYPE_ENDPOINT, AT(policy_check, unreachable), VARS,
	.help = "an address and port that must not take a connection: "
		"isolation, proved",
	.example = "\"10.10.0.20:5432\""},
    {"tls", TYPE_ENDPOINT, AT(policy_check, tls), VARS,
	.help = "an address and port whose certificate must be good for days "
		"more",
	.example = "\"10.20.0.20:443\""},
    {"file", TYPE_TEXT, AT(policy_check, file), VARS,
	.help = "a file that must be there (exists), and hold contains",
	.example = "\"${sandbox}/data/PG_VERSION\""},
    {"sql", TYPE_TEXTS, .element = TYPE_TEXT, WORDS, AT(policy_check, sql),
	.help = "a command that asks a database; it must exit 0 and print what "
		"equals, contains or expect_at_least says",
	.example = "[ \"psql\", \"-AtXc\", \"select count(*) from jobs\", "
		   "\"housing\" ]"},
    {"expect", TYPE_COUNT, AT(policy_check, expect), .fallback = "200",
	.min = 100, .max = 599, .help = "http: the status", .example = "200"},
    {"contains", TYPE_TEXT, AT(policy_check, contains),
	.help = "http, command, sql, file: text that must appear in the answer",
	.example = "\"ready\""},
    {"equals", TYPE_TEXT, AT(policy_check, equals),
	.help = "command, sql: all that it prints, blanks and line ends around "
		"it apart",
	.example = "\"t\""},
    {"exists", TYPE_BOOL, AT(policy_check, exists), .fallback = "true",
	.help = "file: it must be there, or (false) must not",
	.example = "false"},
    {"days", TYPE_COUNT, AT(policy_check, days_count), .fallback = "14",
	.min = 0, .max = 3650,
	.help = "tls: the certificate must be valid for so many days more",
	.example = "14"},
    {"ca_file", TYPE_TEXT, AT(policy_check, ca_file), VARS,
	.help =
	    "tls: a file of the authorities' certificates (PEM) that count; "
	    "the system's where not written",
	.example = "\"/etc/bascule/council-ca.pem\""},
    {"expect_at_least", TYPE_COUNT, AT(policy_check, expect_at_least), .min = 0,
	.max = INT32_MAX,
	.help =
	    "command, sql: it prints a number, which must not be below this",
	.example = "1000"},
    {"within", TYPE_DURATION, AT(policy_check, within_ns), .fallback = "1m",
	.min = 0, .max = DAY, .help = "keep trying for so long",
	.example = "\"5m\""},
};
GROUP(check_group, "check", policy_check, check_settings,
    "A question with an answer. Exactly one of http, tcp, command, "
    "unreachable, tls, file and sql.");

static const char *const modes[] = {"test", "tabletop", "planned", "unplanned",
    NULL};
static const char *const uncertains[] = {"ask", "retry", "fail", NULL};
static const struct policy_setting step_settings[] = {
    {"step", TYPE_NAME, AT(policy_step, name), NEED, .help = "the step's name",
	.example = "\"load\""},
    {"after", TYPE_TEXTS, .element = TYPE_NAME, AT(policy_step, after),
	.help = "the steps it waits for", .example = "[ \"database\" ]"},
    {"restore", TYPE_NAME, AT(policy_step, restore),
	.help = "put back this dataset", .example = "\"documents\""},
    {"to", TYPE_TEXT, AT(policy_step, to), VARS,
	.help = "restore: where; ${sandbox}/DATASET where not written",
	.example = "\"${sandbox}/documents\""},
    {"run", TYPE_TEXTS, .element = TYPE_TEXT, WORDS, AT(policy_step, run),
	.help = "run a command; there is no shell",
	.example = "[ \"/usr/local/lib/housing/load\", \"${sandbox}\" ]"},
    {"check", SUB(policy_step, check, check_group), .flags = SETTING_ABSENT,
	.help = "ask a question of the service"},
    {"confirm", TYPE_TEXT, AT(policy_step, confirm), VARS,
	.help = "ask a person to do something and say so",
	.example = "\"Point housing.southwark.gov.uk at app1.southwark\""},
    {"wait", TYPE_DURATION, AT(policy_step, wait_ns), .min = NS_PER_MS,
	.max = DAY, .help = "let so long pass", .example = "\"30s\""},
    {"on", TYPE_NAME, AT(policy_step, on),
	.help = "the host it is done on; empty: the machine Bascule runs on. A "
		"step on a host is part of moves to that host's site only",
	.example = "\"app1.southwark\""},
    {"sites", TYPE_TEXTS, .element = TYPE_NAME, AT(policy_step, sites),
	.help = "the sites whose moves it is part of, where on does not say it",
	.example = "[ \"southwark\" ]"},
    {"role", TYPE_CHOICE, AT(policy_step, role), .choices = policy_schema_roles,
	.fallback = "operator", .help = "confirm: who may answer",
	.example = "\"operator\""},
    {"owner", TYPE_TEXT, AT(policy_step, owner),
	.help = "confirm: who is asked: a person or a council",
	.example = "\"southwark\""},
    {"deadline", TYPE_DURATION, AT(policy_step, deadline_ns), .min = S,
	.max = 30 * DAY,
	.help = "confirm: without an answer for so long it is late, and said "
		"to be; timeout where not written",
	.example = "\"15m\""},
    {"modes", TYPE_FLAGS, AT(policy_step, modes), .choices = modes,
	.fallback = "test tabletop planned unplanned",
	.help = "in which modes it is done", .example = "[ \"test\" ]"},
    {"timeout", TYPE_DURATION, AT(policy_step, timeout_ns), .fallback = "1h",
	.min = S, .max = 30 * DAY, .help = "it has failed after so long",
	.example = "\"30m\""},
    {"retries", TYPE_COUNT, AT(policy_step, retries), .fallback = "0", .min = 0,
	.max = 100, .help = "how often it is tried again by itself",
	.example = "2"},
    {"idempotent", TYPE_BOOL, AT(policy_step, idempotent), .fallback = "false",
	.help = "doing it twice is the same as once", .example = "true"},
    {"on_uncertain", TYPE_CHOICE, AT(policy_step, on_uncertain),
	.choices = uncertains, .fallback = "ask",
	.help = "when nobody knows whether it was done; retry needs idempotent",
	.example = "\"retry\""},
    {"undo", TYPE_UNDO, AT2(policy_step, undo, undo_is_none), WORDS,
	.help = "the command that takes it back, or \"none\" where nothing can",
	.example = "[ \"/usr/local/lib/housing/unload\", \"${sandbox}\" ]"},
};
GROUP(step_group, "plan", policy_step, step_settings,
    "A step. Exactly one of restore, run, check, confirm and wait.");

static const struct policy_setting fence_settings[] = {
    {"run", TYPE_TEXTS, .element = TYPE_TEXT, WORDS, AT(policy_fence, run),
	.help = "the command that stops the service at the old site",
	.example = "[ \"systemctl\", \"stop\", \"housing\" ]"},
    {"on", TYPE_NAME, AT(policy_fence, on),
	.help = "the host to run it on; a fence on a host is part of moves "
		"away from that host's site only",
	.example = "\"app1.brent\""},
    {"sites", TYPE_TEXTS, .element = TYPE_NAME, AT(policy_fence, sites),
	.help = "the sites that are left with it, where on does not say it",
	.example = "[ \"brent\" ]"},
    {"prove", TYPE_TEXTS, .element = TYPE_TEXT, WORDS, AT(policy_fence, prove),
	.help = "the command that reads back: exit 0, it is stopped; 1, it "
		"runs; anything else, nobody knows",
	.example = "[ \"housing-is-stopped\" ]"},
    {"undo", TYPE_TEXTS, .element = TYPE_TEXT, WORDS, AT(policy_fence, undo),
	.help = "the command that lets it go again, when a move ends before "
		"its point of no return or comes back",
	.example = "[ \"systemctl\", \"start\", \"housing\" ]"},
    {"attest", TYPE_TEXT, AT(policy_fence, attest), VARS,
	.help = "what people state where no command can reach",
	.example = "\"Power to app1.brent is off\""},
    {"people", TYPE_COUNT, AT(policy_fence, people_count), .fallback = "2",
	.min = 1, .max = 10, .help = "attest: how many must say so",
	.example = "2"},
    {"timeout", TYPE_DURATION, AT(policy_fence, timeout_ns), .fallback = "5m",
	.min = S, .max = DAY, .help = "for run and prove", .example = "\"5m\""},
};
GROUP(fence_group, "fence", policy_fence, fence_settings,
    "How the old site is kept from writing. Exactly one of run and attest.");

static const struct policy_setting approvals_settings[] = {
    {"planned", TYPE_COUNT, AT(policy_approvals, planned_count),
	.fallback = "1", .min = 0, .max = 10,
	.help = "approvals a planned move needs", .example = "1"},
    {"unplanned", TYPE_COUNT, AT(policy_approvals, unplanned_count),
	.fallback = "2", .min = 1, .max = 10,
	.help = "approvals an unplanned move needs", .example = "2"},
    {"change_reference", TYPE_BOOL, AT(policy_approvals, change_reference),
	.fallback = "false", .help = "a planned move must name its change",
	.example = "true"},
    {"from_other_council", TYPE_BOOL, AT(policy_approvals, from_other_council),
	.fallback = "false",
	.help = "one approval must come from another council than the "
		"requester's",
	.example = "true"},
    {"signed", TYPE_BOOL, AT(policy_approvals, is_signed), LATER,
	.fallback = "false",
	.help = "only people whose key `people` names request, approve, "
		"second, attest and release a hold; then root of a site is "
		"nobody else",
	.example = "true"},
    {"expire", TYPE_DURATION, AT(policy_approvals, expire_ns),
	.fallback = "24h", .min = NS_PER_S, .max = 30 * DAY,
	.help = "an approval that is older counts no more",
	.example = "\"24h\""},
    {"second_within", TYPE_DURATION, AT(policy_approvals, second_within_ns),
	.fallback = "30m", .min = MINUTE, .max = DAY,
	.help = "break-glass: a second person must agree within so long",
	.example = "\"30m\""},
};
GROUP(approvals_group, "approvals", policy_approvals, approvals_settings,
    "Who must agree to a move.");

static const char *const proofs[] = {"L0", "L1", "L2", "L3", "L4", "L5", "L6",
    "L7", NULL};

const char *
policy_schema_service_proof(enum policy_proof level)
{
	return proofs[level];
}

static const struct policy_setting failover_settings[] = {
    {"max_loss", TYPE_DURATION, AT(policy_failover, max_loss_ns), .min = 0,
	.max = 400 * DAY,
	.help = "a point that loses more must be accepted in words; the rpo "
		"where not written",
	.example = "\"1h\""},
    {"cooldown", TYPE_DURATION, AT(policy_failover, cooldown_ns),
	.fallback = "15m", .min = 0, .max = 30 * DAY,
	.help = "no move begins so soon after the last one ended",
	.example = "\"15m\""},
    {"min_proof", TYPE_CHOICE, AT(policy_failover, min_proof),
	.choices = proofs, .fallback = "L3",
	.help = "the least a point must be proved: L0 configured, L1 ran, L2 "
		"copied, L3 re-read, L4 restored and compared, L5 application "
		"checked, L6 isolated test, L7 moved and moved back",
	.example = "\"L4\""},
    {"proof_within", TYPE_DURATION, AT(policy_failover, proof_within_ns),
	.fallback = "30d", .min = MINUTE, .max = 4000 * DAY,
	.help = "a proof that is older has expired", .example = "\"30d\""},
    {"hold_down", TYPE_DURATION, AT(policy_failover, hold_down_ns),
	.fallback = "2m", .min = 0, .max = DAY,
	.help = "unplanned: the other site must be silent for so long",
	.example = "\"2m\""},
    {"patience", TYPE_DURATION, AT(policy_failover, patience_ns),
	.fallback = "10m", .min = S, .max = DAY,
	.help = "planned: how long each phase waits for the other site before "
		"the move is given up and the service goes on where it was",
	.example = "\"10m\""},
    {"commit_reminder", TYPE_DURATION, AT(policy_failover, commit_reminder_ns),
	.fallback = "1h", .min = 0, .max = 30 * DAY,
	.help = "a move that waits for its owner's commit says so again after "
		"so long; 0s: never",
	.example = "\"1h\""},
    {"window", TYPE_WINDOW, AT2(policy_failover, during, window),
	.help = "when planned moves may run; at any time where not written",
	.example = "\"Sat-Sun 06:00-12:00 Europe/London\""},
};
GROUP(failover_group, "failover", policy_failover, failover_settings,
    "What a move asks for, and how long it waits.");

static const struct policy_setting needs_settings[] = {
    {"memory", TYPE_SIZE, AT(policy_capacity, memory_bytes), .min = 0,
	.max = INT64_C(1) << 50, .help = "memory it takes",
	.example = "\"8GiB\""},
    {"cpus", TYPE_COUNT, AT(policy_capacity, cpu_count), .min = 0,
	.max = 100000, .help = "processors it takes", .example = "4"},
    {"disk", TYPE_SIZE, AT(policy_capacity, disk_bytes), .min = 0,
	.max = INT64_C(1) << 60, .help = "disk it takes",
	.example = "\"200GiB\""},
};
GROUP(needs_group, "needs", policy_capacity, needs_settings,
    "What the service takes where it runs; summed up against the site's "
    "capacity.");

static const struct policy_setting dns_settings[] = {
    {"name", TYPE_ADDRESS, AT(policy_dns, name), NEED,
	.help = "a name the service is reached by",
	.example = "\"housing.southwark.gov.uk\""},
    {"resolver", TYPE_ENDPOINT, AT(policy_dns, resolver),
	.help = "the server that is asked; the system's where not written",
	.example = "\"10.20.0.53:53\""},
    {"ttl_max", TYPE_DURATION, AT(policy_dns, ttl_max_ns), .fallback = "60s",
	.min = 0, .max = 30 * DAY,
	.help = "a longer time to live keeps people at the old site after a "
		"move",
	.example = "\"60s\""},
};
GROUP(dns_group, "dns", policy_dns, dns_settings,
    "A name that a move points elsewhere.");

static const char *const exercise_kinds[] = {"test", "tabletop", NULL};
static const struct policy_setting exercise_settings[] = {
    {"kind", TYPE_CHOICE, AT(policy_exercise, kind), .choices = exercise_kinds,
	NEED, .help = "an isolated test, or a tabletop", .example = "\"test\""},
    WHEN(policy_exercise),
    {"hold", TYPE_DURATION, AT(policy_exercise, hold_ns), .fallback = "0s",
	.min = 0, .max = 7 * DAY,
	.help =
	    "test: how long the tested service stays up for people to look at",
	.example = "\"1h\""},
    {"scenario", TYPE_NAME, AT(policy_exercise, scenario),
	.help = "tabletop: which one; empty: chosen when it is planned",
	.example = "\"link-outage\""},
};
GROUP(exercise_group, "exercise", policy_exercise, exercise_settings,
    "A rehearsal. Exactly one of schedule and every.");

static const struct policy_setting service_settings[] = {
    {"name", TYPE_NAME, AT(policy_service, name), NEED,
	.help = "the service's name", .example = "\"housing-repairs\""},
    {"title", TYPE_TEXT, AT(policy_service, title),
	.help = "its name for people; the name where not written",
	.example = "\"Housing repairs\""},
    {"owner", TYPE_NAME, AT(policy_service, owner), NEED,
	.help = "the council it belongs to", .example = "\"southwark\""},
    {"tier", TYPE_COUNT, AT(policy_service, tier), .fallback = "3", .min = 1,
	.max = 9, .help = "1 is recovered first", .example = "1"},
    {"home", TYPE_NAME, AT(policy_service, home), NEED,
	.help = "the datacentre it runs at", .example = "\"brent\""},
    {"standby", TYPE_NAME, AT(policy_service, standby),
	.help = "the datacentre it moves to; empty: it has backups only",
	.example = "\"southwark\""},
    {"rpo", TYPE_DURATION, AT(policy_service, rpo_ns), NEED, .min = S,
	.max = 400 * DAY, .help = "the most data, in time, that may be lost",
	.example = "\"1h\""},
    {"rto", TYPE_DURATION, AT(policy_service, rto_ns), NEED, .min = S,
	.max = 400 * DAY, .help = "it is back after so long",
	.example = "\"4h\""},
    {"mtpd", TYPE_DURATION, AT(policy_service, mtpd_ns), .fallback = "0s",
	.min = 0, .max = 400 * DAY,
	.help = "the longest outage that can be tolerated; 0s: not stated",
	.example = "\"24h\""},
    {"live_root", TYPE_PATH, AT(policy_service, live_root), VARS,
	.help = "what ${sandbox} stands for in a live move; ${site} and "
		"${service} may stand in it",
	.example = "\"/srv/housing\""},
    {"needs", SUB(policy_service, needs, needs_group), .flags = SETTING_ABSENT,
	.help = "what it takes where it runs"},
    {"dns", LIST(policy_service, dns, dns_count, dns_group),
	.help = "the names it is reached by"},
    {"depends", TYPE_TEXTS, .element = TYPE_NAME, AT(policy_service, depends),
	.help = "services that must move before it",
	.example = "[ \"identity\" ]"},
    {"datasets", LIST(policy_service, datasets, dataset_count, dataset_group),
	.flags = SETTING_REQUIRED | SETTING_NOT_EMPTY,
	.help = "what is kept; a recovery point is all of them together"},
    {"quiesce", SUB(policy_service, quiesce, quiesce_group),
	.flags = SETTING_ABSENT,
	.help = "how it is held still while it is read"},
    {"capture", SUB(policy_service, capture, capture_group),
	.flags = SETTING_ABSENT,
	.help = "how it is read once its fence has shut it down"},
    {"backup", SUB(policy_service, backup, backup_group), NEED,
	.help = "when recovery points are made"},
    {"retention", SUB(policy_service, retention, retention_group),
	.help = "which points stay at home"},
    {"replicate", SUB(policy_service, replicate, replicate_group),
	.flags = SETTING_ABSENT, .help = "where copies go"},
    {"verify", LIST(policy_service, verify, verify_count, verify_group),
	.help = "proofs that points can be read"},
    {"plan", LIST(policy_service, plan, step_count, step_group),
	.help = "how it is brought up again: a graph of steps"},
    {"fence", LIST(policy_service, fence, fence_count, fence_group),
	.help =
	    "how the old site is kept from writing, in order of preference"},
    {"approvals", SUB(policy_service, approvals, approvals_group),
	.help = "who must agree to a move"},
    {"failover", SUB(policy_service, failover, failover_group),
	.help = "what a move asks for, and how long it waits"},
    {"exercises",
	LIST(policy_service, exercises, exercise_count, exercise_group),
	.help = "rehearsals"},
};
const struct policy_group policy_schema_service = {.name = "service",
    .size_bytes = sizeof(struct policy_service),
    .settings = service_settings,
    .count = COUNT_OF(service_settings),
    .help = "One protected service, owned by one council."};
