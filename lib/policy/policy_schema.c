#include "policy_schema.h"

#include <string.h>

/*
 * The settings, group by group, innermost first.  Defaults and examples are
 * written as in a policy file and read by the same code.  The strings of a
 * choice stand in the order of its enum.
 */

#define AT(rec, member) .offset = offsetof(struct rec, member)
#define AT2(rec, member, more) \
	AT(rec, member), .second = offsetof(struct rec, more)
#define LIST(rec, member, count, of) \
	.type = TYPE_LIST, AT2(rec, member, count), .group = &(of)
#define SUB(rec, member, of) .type = TYPE_GROUP, AT(rec, member), .group = &(of)
#define GROUP(var, label, rec, list, text)                     \
	static const struct policy_group var = {.name = label, \
	    .size_bytes = sizeof(struct rec),                  \
	    .settings = list,                                  \
	    .count = COUNT_OF(list),                           \
	    .help = text}
#define NEED      .flags = SETTING_REQUIRED
#define VARS      .flags = SETTING_VARIABLES
#define WORDS     .flags = SETTING_VARIABLES | SETTING_NOT_EMPTY
#define SHARED    .flags = SETTING_SHARED
#define S         NS_PER_S
#define MINUTE    (60 * S)
#define HOUR      (60 * MINUTE)
#define DAY       (24 * HOUR)
#define COUNT_MAX 1000000

/* A choice is stored as the enum it stands for, by its place in the list. */
_Static_assert(sizeof(enum role) == sizeof(int), "choices are ints");
_Static_assert(ROLE_VIEWER == 0 && ROLE_DR_LEAD == 4 && ROLE_ADMIN == 5,
    "the order of roles[]");
_Static_assert(MISFIRE_RUN_ONCE == 0 && MISFIRE_SKIP == 1 && MISFIRE_ALL == 2,
    "the order of misfires[]");
_Static_assert(POLICY_MODE_TEST == 1 && POLICY_MODE_UNPLANNED == 8,
    "the order of modes[]");
_Static_assert(POLICY_CHECK_HTTP == 1 && POLICY_CHECK_UNREACHABLE == 4,
    "the order of checks[] in policy_settle.c");

/* --- sites and links ------------------------------------------------------ */

static const struct policy_setting host_settings[] = {
    {"name", TYPE_NAME, AT(policy_host, name), NEED,
	.help = "the host's name; plans, datasets and hooks use it",
	.example = "\"app1.brent\""},
    {"address", TYPE_ADDRESS, AT(policy_host, address), NEED,
	.help = "where SSH reaches it: an IP address (best: it needs no DNS) "
		"or a name",
	.example = "\"10.10.0.10\""},
    {"port", TYPE_COUNT, AT(policy_host, port), .fallback = "22", .min = 1,
	.max = 65535, .help = "its SSH port", .example = "22"},
    {"user", TYPE_NAME, AT(policy_host, user), .fallback = "bascule",
	.help = "the account Bascule logs in to", .example = "\"bascule\""},
    {"host_keys", TYPE_TEXTS, .element = TYPE_HOST_KEY,
	AT(policy_host, host_keys),
	.help = "fingerprints of the host's SSH keys, as ssh-keygen -l prints "
		"them; any other key is refused",
	.example =
	    "[ \"SHA256:uNiVztksCsDhcc0u9e8BrrQXVUpKZIDTMczCvj3tD2s\" ]"},
};
GROUP(host_group, "host", policy_host, host_settings,
    "A machine of a site. The first host of a site runs Bascule.");

static const char *const site_roles[] = {"datacentre", "witness", NULL};
static const struct policy_setting site_settings[] = {
    {"name", TYPE_NAME, AT(policy_site, name), NEED, .help = "the site's name",
	.example = "\"brent\""},
    {"title", TYPE_TEXT, AT(policy_site, title),
	.help = "its name for people; the name where not written",
	.example = "\"Brent datacentre\""},
    {"role", TYPE_CHOICE, AT(policy_site, role), .choices = site_roles,
	.fallback = "datacentre",
	.help = "a witness holds no data and is never promoted",
	.example = "\"datacentre\""},
    {"failure_domain", TYPE_NAME, AT(policy_site, failure_domain), NEED,
	.help = "what fails together: sites of one failure domain count as one "
		"place",
	.example = "\"brent\""},
    {"hosts", LIST(policy_site, hosts, host_count, host_group),
	.help = "every machine that datasets, plans and hooks name; the first "
		"runs Bascule"},
    {"ledger_keys", TYPE_TEXTS, .element = TYPE_HOST_KEY,
	AT(policy_site, ledger_keys),
	.help = "fingerprints of the keys that sign the site's ledger: the "
		"signer that its 'bascule evidence export' names; its records "
		"are taken when one of them signed. Not written: the first key "
		"that is seen stays",
	.example =
	    "[ \"SHA256:uNiVztksCsDhcc0u9e8BrrQXVUpKZIDTMczCvj3tD2s\" ]"},
    {"repository", TYPE_PATH, AT(policy_site, repository),
	.help = "the folder of the site's repository; every datacentre has one",
	.example = "\"/srv/bascule/repository\""},
};
GROUP(site_group, "site", policy_site, site_settings,
    "A place: a datacentre or the witness.");

static const struct policy_setting limit_settings[] = {
    {"during", TYPE_WINDOW, AT2(policy_limit, during, window), NEED,
	.help = "days, a span of the clock and a time zone",
	.example = "\"Mon-Fri 08:00-18:00 Europe/London\""},
    {"rate", TYPE_RATE, AT(policy_limit, rate_bytes_per_s), NEED,
	.help = "the most Bascule sends over the link then",
	.example = "\"150Mbit/s\""},
};
GROUP(limit_group, "limit", policy_limit, limit_settings,
    "A lower rate for some hours of the week.");

static const struct policy_setting probe_settings[] = {
    {"every", TYPE_DURATION, AT(policy_probe, every_ns), .fallback = "30s",
	.min = S, .max = HOUR, .help = "how often the link is tried",
	.example = "\"30s\""},
    {"timeout", TYPE_DURATION, AT(policy_probe, timeout_ns), .fallback = "10s",
	.min = S / 10, .max = HOUR,
	.help = "no answer for so long is a failure", .example = "\"10s\""},
    {"down_after", TYPE_COUNT, AT(policy_probe, down_after_count),
	.fallback = "3", .min = 1, .max = 1000,
	.help = "so many failures in a row and the link is down",
	.example = "3"},
    {"up_after", TYPE_COUNT, AT(policy_probe, up_after_count), .fallback = "5",
	.min = 1, .max = 1000,
	.help = "so many answers in a row and it is up again", .example = "5"},
};
GROUP(probe_group, "probe", policy_probe, probe_settings,
    "How a link's state is found out.");

static const struct policy_setting link_settings[] = {
    {"name", TYPE_NAME, AT(policy_link, name), NEED, .help = "the link's name",
	.example = "\"virgin\""},
    {"title", TYPE_TEXT, AT(policy_link, title),
	.help = "its name for people; the name where not written",
	.example = "\"Virgin Media Business\""},
    {"between", TYPE_TEXTS, .element = TYPE_NAME, AT(policy_link, between),
	NEED, .help = "the two sites it joins",
	.example = "[ \"brent\", \"southwark\" ]"},
    {"preference", TYPE_COUNT, AT(policy_link, preference), .fallback = "1",
	.min = 1, .max = 100, .help = "the lowest that is up carries the data",
	.example = "1"},
    {"bandwidth", TYPE_RATE, AT(policy_link, bandwidth_bytes_per_s), NEED,
	.help = "what Bascule may use of it", .example = "\"400Mbit/s\""},
    {"addresses", TYPE_PAIRS, AT2(policy_link, addresses, address_count),
	.element = TYPE_ADDRESS,
	.help = "each site's address on this link; the first host's where not "
		"written",
	.example = "{ brent = \"10.10.1.10\"; southwark = \"10.20.1.10\"; }"},
    {"limits", LIST(policy_link, limits, limit_count, limit_group),
	.help = "lower rates for some hours of the week; the first that "
		"matches holds"},
    {"probe", SUB(policy_link, probe, probe_group),
	.help = "how its state is found out"},
};
GROUP(link_group, "link", policy_link, link_settings,
    "A line between two sites.");

/* --- people --------------------------------------------------------------- */

static const struct policy_setting council_settings[] = {
    {"name", TYPE_NAME, AT(policy_council, name), NEED,
	.help = "the council's name: services name it as owner",
	.example = "\"brent\""},
    {"title", TYPE_TEXT, AT(policy_council, title),
	.help = "its name for people; the name where not written",
	.example = "\"London Borough of Brent\""},
    {"share", TYPE_COUNT, AT(policy_council, share_percent), .fallback = "0",
	.min = 0, .max = 100,
	.help = "per cent of the cost; the councils' shares sum up to 100",
	.example = "30"},
};
GROUP(council_group, "council", policy_council, council_settings,
    "An owner of services, with an audit of its own.");

static const struct policy_setting freeze_settings[] = {
    {"name", TYPE_NAME, AT(policy_freeze, name), NEED, .help = "what it is for",
	.example = "\"elections\""},
    {"from", TYPE_DATE, AT2(policy_freeze, from, from_days), NEED,
	.help = "the first day of it", .example = "\"2027-05-01\""},
    {"until", TYPE_DATE, AT2(policy_freeze, until, until_days), NEED,
	.help = "the last day of it", .example = "\"2027-05-08\""},
    {"timezone", TYPE_ZONE, AT(policy_freeze, timezone),
	.fallback = "Europe/London", .help = "whose days",
	.example = "\"Europe/London\""},
    {"councils", TYPE_TEXTS, .element = TYPE_NAME, AT(policy_freeze, councils),
	.help = "whose services it holds; empty: everybody's",
	.example = "[ \"brent\", \"southwark\" ]"},
};
GROUP(freeze_group, "freeze", policy_freeze, freeze_settings,
    "Days on which tests and planned moves are refused and an unplanned one "
    "warns.");

static const struct policy_setting holder_settings[] = {
    {"name", TYPE_NAME, AT(policy_holder, name), NEED,
	.help = "who keeps the share", .example = "\"brent-safe\""},
    {"failure_domain", TYPE_NAME, AT(policy_holder, failure_domain), NEED,
	.help = "where it is kept", .example = "\"brent\""},
};
GROUP(holder_group, "holder", policy_holder, holder_settings,
    "One share of the escrowed key.");

static const struct policy_setting escrow_settings[] = {
    {"threshold", TYPE_COUNT, AT(policy_escrow, threshold), .fallback = "2",
	.min = 2, .max = 16, .help = "so many shares open the key",
	.example = "2"},
    {"holders", LIST(policy_escrow, holders, holder_count, holder_group),
	.help = "who keeps a share; no failure domain may hold what is needed, "
		"nor take so many with it that the rest is too few"},
};
GROUP(escrow_group, "escrow", policy_escrow, escrow_settings,
    "Who keeps the shares of the escrowed key, and where.");

static const char *const roles[] = {"viewer", "auditor", "operator", "approver",
    "dr-lead", "admin", "peer", NULL};
static const struct policy_setting role_settings[] = {
    {"role", TYPE_CHOICE, AT(policy_role_rule, role), .choices = roles, NEED,
	.help = "what the groups and users may do", .example = "\"approver\""},
    {"groups", TYPE_TEXTS, .element = TYPE_NAME, AT(policy_role_rule, groups),
	.help = "groups of this machine", .example = "[ \"dr-brent\" ]"},
    {"users", TYPE_TEXTS, .element = TYPE_NAME, AT(policy_role_rule, users),
	.help = "users of this machine", .example = "[ \"a.khan\" ]"},
    {"council", TYPE_NAME, AT(policy_role_rule, council),
	.help = "the council they act for; empty: none in particular",
	.example = "\"brent\""},
};
GROUP(role_group, "role", policy_role_rule, role_settings,
    "Who may do what through the daemon's socket.");

static const char *const alert_kinds[] = {"rpo", "peer", "damage", "exercise",
    "backup", "replicate", "verify", "link", "policy", "failover", "space",
    "clock", "suspect", "divergence", NULL};
_Static_assert(COUNT_OF(alert_kinds) == POLICY_ON_COUNT + 1, "one each");

const char *
policy_schema_alert(enum policy_alert_on on)
{
	return alert_kinds[on];
}

static const struct policy_setting alert_settings[] = {
    {"on", TYPE_FLAGS, AT(policy_alert, on), .choices = alert_kinds, NEED,
	.help = "what raises it", .example = "[ \"rpo\", \"peer\" ]"},
    {"run", TYPE_TEXTS, .element = TYPE_TEXT, AT(policy_alert, run), NEED,
	.help = "the command that gets the alarm as JSON on its standard input",
	.example = "[ \"/usr/local/bin/page\" ]"},
    {"timeout", TYPE_DURATION, AT(policy_alert, timeout_ns), .fallback = "30s",
	.min = S, .max = HOUR, .help = "it is ended after so long",
	.example = "\"30s\""},
    {"retries", TYPE_COUNT, AT(policy_alert, retries), .fallback = "5",
	.min = 0, .max = 100,
	.help = "so many failures more and the alarm counts as not delivered, "
		"which is recorded and shown; it is still tried, every ten "
		"minutes at least",
	.example = "5"},
    {"repeat", TYPE_DURATION, AT(policy_alert, repeat_ns), .fallback = "1h",
	.min = 0, .max = 30 * DAY,
	.help = "an alarm that nobody acknowledges is told again after so "
		"long; 0s: never",
	.example = "\"1h\""},
};
GROUP(alert_group, "alert", policy_alert, alert_settings, "Whom to tell.");

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
    {"timeout", TYPE_DURATION, AT(policy_quiesce, timeout_ns),
	.fallback = "60s", .min = S, .max = DAY, .help = "for each of the two",
	.example = "\"60s\""},
};
GROUP(quiesce_group, "quiesce", policy_quiesce, quiesce_settings,
    "Commands that hold the service still while it is read.");

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
    {"expect", TYPE_COUNT, AT(policy_check, expect), .fallback = "200",
	.min = 100, .max = 599, .help = "http: the status", .example = "200"},
    {"contains", TYPE_TEXT, AT(policy_check, contains),
	.help = "http, command: text that must appear in the answer",
	.example = "\"ready\""},
    {"expect_at_least", TYPE_COUNT, AT(policy_check, expect_at_least), .min = 0,
	.max = INT32_MAX,
	.help = "command: it prints a number, which must not be below this",
	.example = "1000"},
    {"within", TYPE_DURATION, AT(policy_check, within_ns), .fallback = "1m",
	.min = 0, .max = DAY, .help = "keep trying for so long",
	.example = "\"5m\""},
};
GROUP(check_group, "check", policy_check, check_settings,
    "A question with an answer. Exactly one of http, tcp, command and "
    "unreachable.");

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
    {"on", TYPE_NAME, AT(policy_step, on),
	.help = "the host it is done on; empty: the machine Bascule runs on",
	.example = "\"app1.southwark\""},
    {"role", TYPE_CHOICE, AT(policy_step, role), .choices = roles,
	.fallback = "operator", .help = "confirm: who may answer",
	.example = "\"operator\""},
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
    "A step. Exactly one of restore, run, check and confirm.");

static const struct policy_setting fence_settings[] = {
    {"run", TYPE_TEXTS, .element = TYPE_TEXT, WORDS, AT(policy_fence, run),
	.help = "the command that stops the service at the old site",
	.example = "[ \"systemctl\", \"stop\", \"housing\" ]"},
    {"on", TYPE_NAME, AT(policy_fence, on), .help = "the host to run it on",
	.example = "\"app1.brent\""},
    {"prove", TYPE_TEXTS, .element = TYPE_TEXT, WORDS, AT(policy_fence, prove),
	.help = "the command that reads back that it is stopped",
	.example = "[ \"housing-is-stopped\" ]"},
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
	.help = "one approval must come from another council than the owner",
	.example = "true"},
};
GROUP(approvals_group, "approvals", policy_approvals, approvals_settings,
    "Who must agree to a move.");

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
    {"live_root", TYPE_PATH, AT(policy_service, live_root),
	.help = "what ${sandbox} stands for in a live move",
	.example = "\"/srv/housing\""},
    {"depends", TYPE_TEXTS, .element = TYPE_NAME, AT(policy_service, depends),
	.help = "services that must move before it",
	.example = "[ \"identity\" ]"},
    {"datasets", LIST(policy_service, datasets, dataset_count, dataset_group),
	.flags = SETTING_REQUIRED | SETTING_NOT_EMPTY,
	.help = "what is kept; a recovery point is all of them together"},
    {"quiesce", SUB(policy_service, quiesce, quiesce_group),
	.flags = SETTING_ABSENT,
	.help = "how it is held still while it is read"},
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
    {"exercises",
	LIST(policy_service, exercises, exercise_count, exercise_group),
	.help = "rehearsals"},
};
const struct policy_group policy_schema_service = {.name = "service",
    .size_bytes = sizeof(struct policy_service),
    .settings = service_settings,
    .count = COUNT_OF(service_settings),
    .help = "One protected service, owned by one council."};

/* --- scenarios and controls ----------------------------------------------- */

static const char *const inject_ons[] = {"decision", NULL};
static const struct policy_setting inject_settings[] = {
    {"name", TYPE_NAME, AT(policy_inject, name),
	.help = "for others to come after", .example = "\"outage\""},
    {"at", TYPE_MOMENT, AT2(policy_inject, when, at_ns),
	.help = "so long after the start of play", .example = "\"T+15m\""},
    {"after", TYPE_NAME, AT(policy_inject, after),
	.help = "once this inject was answered", .example = "\"outage\""},
    {"on", TYPE_TEXT, AT(policy_inject, on), .choices = inject_ons,
	.help = "when the players decide something", .example = "\"decision\""},
    {"to", TYPE_TEXT, AT(policy_inject, to), NEED, .help = "who is told",
	.example = "\"duty engineer\""},
    {"channel", TYPE_TEXT, AT(policy_inject, channel), .fallback = "in person",
	.help = "how", .example = "\"phone\""},
    {"text", TYPE_TEXT, AT(policy_inject, text), NEED,
	.help = "what they are told",
	.example = "\"EXERCISE: the link to Southwark is down.\""},
    {"expect", TYPE_TEXT, AT(policy_inject, expect),
	.help = "what a good answer does",
	.example = "\"Declares an incident.\""},
};
GROUP(inject_group, "inject", policy_inject, inject_settings,
    "Something the players are told. Exactly one of at, after and on.");

static const struct policy_setting scenario_settings[] = {
    {"name", TYPE_NAME, AT(policy_scenario, name),
	.help = "the scenario's name; the file's where not written",
	.example = "\"link-outage\""},
    {"title", TYPE_TEXT, AT(policy_scenario, title), NEED,
	.help = "its name for people",
	.example = "\"The link goes, the order is late\""},
    {"objectives", TYPE_TEXTS, .element = TYPE_TEXT,
	AT(policy_scenario, objectives),
	.flags = SETTING_REQUIRED | SETTING_NOT_EMPTY,
	.help = "what the exercise is to find out",
	.example = "[ \"Who declares, and on what evidence?\" ]"},
    {"initial_conditions", TYPE_TEXTS, .element = TYPE_TEXT,
	AT(policy_scenario, initial_conditions),
	.help = "how things stand when play begins",
	.example = "[ \"Tuesday, 09:10; both links up.\" ]"},
    {"services", TYPE_TEXTS, .element = TYPE_NAME,
	AT(policy_scenario, services), .help = "the services in play",
	.example = "[ \"housing-repairs\" ]"},
    {"duration", TYPE_DURATION, AT(policy_scenario, duration_ns),
	.fallback = "2h", .min = MINUTE, .max = 30 * DAY,
	.help = "how long play lasts", .example = "\"2h\""},
    {"injects", LIST(policy_scenario, injects, inject_count, inject_group),
	.flags = SETTING_REQUIRED | SETTING_NOT_EMPTY,
	.help = "what the players are told, and when"},
};
const struct policy_group policy_schema_scenario = {.name = "scenario",
    .size_bytes = sizeof(struct policy_scenario),
    .settings = scenario_settings,
    .count = COUNT_OF(scenario_settings),
    .help = "A tabletop exercise. A file may hold its settings bare."};

static const char *const evidence_kinds[] = {"backup", "replicate", "verify",
    "restore", "immutable", "exercise", "tabletop", "failover", "approvals",
    "separation", "keys", "escrow", "links", "ledger", "policy", "alerts",
    NULL};
static const struct policy_setting control_settings[] = {
    {"id", TYPE_TEXT, AT(policy_control, id), NEED,
	.help = "the control's id in its framework", .example = "\"CAF-B5.c\""},
    {"title", TYPE_TEXT, AT(policy_control, title), NEED,
	.help = "what it asks for", .example = "\"Backups\""},
    {"evidence", TYPE_TEXTS, .element = TYPE_CHOICE,
	AT(policy_control, evidence), .choices = evidence_kinds,
	.flags = SETTING_REQUIRED | SETTING_NOT_EMPTY,
	.help = "the kinds of records that speak for it",
	.example = "[ \"verify\", \"immutable\" ]"},
    {"within", TYPE_DURATION, AT(policy_control, within_ns), .fallback = "90d",
	.min = HOUR, .max = 4000 * DAY,
	.help = "evidence older than this no longer speaks",
	.example = "\"90d\""},
    {"note", TYPE_TEXT, AT(policy_control, note), .fallback = "supports",
	.help = "how far it goes: Bascule supports a control, it never "
		"satisfies one alone",
	.example = "\"supports\""},
};
GROUP(control_group, "control", policy_control, control_settings,
    "Which evidence supports an external control.");

/* --- the whole ------------------------------------------------------------ */

static const struct policy_setting limits_settings[] = {
    {"jobs", TYPE_COUNT, AT(policy_limits, jobs_count), .fallback = "4",
	.min = 1, .max = 256, .help = "jobs at once at this site",
	.example = "4"},
    {"jobs_per_host", TYPE_COUNT, AT(policy_limits, jobs_per_host_count),
	.fallback = "1", .min = 1, .max = 64, .help = "... that read one host",
	.example = "1"},
    {"jobs_per_link", TYPE_COUNT, AT(policy_limits, jobs_per_link_count),
	.fallback = "2", .min = 1, .max = 64, .help = "... that use one link",
	.example = "2"},
    {"memory", TYPE_SIZE, AT(policy_limits, memory_bytes), .fallback = "1GiB",
	.min = INT64_C(64) << 20, .max = INT64_C(1) << 50,
	.help = "what one job may use", .example = "\"1GiB\""},
    {"nice", TYPE_COUNT, AT(policy_limits, nice), .fallback = "10", .min = 0,
	.max = 19, .help = "how far jobs give way to other programs",
	.example = "10"},
};
GROUP(limits_group, "limits", policy_limits, limits_settings,
    "What this site's jobs may use.");

static const struct policy_setting delta_cache_settings[] = {
    {"size", TYPE_SIZE, AT(policy_delta_cache, size_bytes), .fallback = "0B",
	.min = 0, .max = INT64_C(1) << 50,
	.help = "at most so much of each dataset; 0B: nothing is kept, and "
		"what was is removed",
	.example = "\"2GiB\""},
    {"keep", TYPE_DURATION, AT(policy_delta_cache, keep_ns), .fallback = "30d",
	.min = MINUTE, .max = 400 * DAY,
	.help = "nothing stays in it for longer", .example = "\"30d\""},
};
GROUP(delta_cache_group, "delta_cache", policy_delta_cache,
    delta_cache_settings,
    "For a key that cannot read: earlier content in the clear beneath state, "
    "for its owner's eyes only, so that changed files are stored as "
    "differences. It keeps content that was deleted. With a key that reads it "
    "is not needed, and not kept.");

static const struct policy_setting bridge_settings[] = {
    {"identity", TYPE_PATH, AT(policy_bridge, identity),
	.help = "the key the daemon logs in with at the other site, where "
		"'bascule bridge' is its forced command; the policy's identity "
		"where not written",
	.example = "\"id_bridge\""},
    {"every", TYPE_DURATION, AT(policy_bridge, every_ns), .fallback = "1m",
	.min = S, .max = DAY, .help = "how often the other site is asked",
	.example = "\"1m\""},
    {"silent_after", TYPE_DURATION, AT(policy_bridge, silent_after_ns),
	.fallback = "10m", .min = S, .max = 30 * DAY,
	.help = "a site that was not heard for so long raises an alarm",
	.example = "\"10m\""},
    {"keep", TYPE_SIZE, AT(policy_bridge, keep_bytes), .fallback = "4GiB",
	.min = INT64_C(1) << 20, .max = INT64_C(1) << 50,
	.help = "the other site's ledger is kept up to this size",
	.example = "\"4GiB\""},
};
GROUP(bridge_group, "bridge", policy_bridge, bridge_settings,
    "How this site's daemon asks the other's.");

static const struct policy_setting watch_settings[] = {
    {"clock_step", TYPE_DURATION, AT(policy_watch, clock_step_ns),
	.fallback = "5s", .min = S / 10, .max = DAY,
	.help = "a clock that jumps by more raises an alarm",
	.example = "\"5s\""},
    {"clock_offset", TYPE_DURATION, AT(policy_watch, clock_offset_ns),
	.fallback = "30s", .min = S / 10, .max = DAY,
	.help = "so does one that differs by more from the other site's",
	.example = "\"30s\""},
    {"space_free", TYPE_SHARE, AT(policy_watch, space_free_millipercent),
	.fallback = "5%",
	.help = "so does a repository's file system with less than this free",
	.example = "\"5%\""},
    {"space_for", TYPE_DURATION, AT(policy_watch, space_for_ns),
	.fallback = "7d", .min = 0, .max = 400 * DAY,
	.help = "... or one that is full in less than this, going on as it "
		"did; 0s: not looked at",
	.example = "\"7d\""},
};
GROUP(watch_group, "watch", policy_watch, watch_settings,
    "What raises an alarm here besides services, jobs and links.");

static const char *const authorities[] = {"manual", "etcd", NULL};
static const struct policy_setting root_settings[] = {
    {"site", TYPE_NAME, AT(policy, site), NEED,
	.help = "which of the sites this one is", .example = "\"brent\""},
    {"state", TYPE_PATH, AT(policy, state), .fallback = "/var/lib/bascule",
	.help = "the folder of the daemon's ledger, queue and caches",
	.example = "\"/var/lib/bascule\""},
    {"socket", TYPE_PATH, AT(policy, socket),
	.fallback = "/run/bascule/bascule.sock", .help = "the daemon's socket",
	.example = "\"/run/bascule/bascule.sock\""},
    {"sandbox", TYPE_PATH, AT(policy, sandbox),
	.fallback = "/var/lib/bascule/sandbox",
	.help = "the folder under which tests restore",
	.example = "\"/var/lib/bascule/sandbox\""},
    {"listen", TYPE_ENDPOINT, AT(policy, listen),
	.help = "where the status page is served; empty: nowhere",
	.example = "\"127.0.0.1:8080\""},
    {"key_file", TYPE_PATH, AT(policy, key_file),
	.help = "the repository's key file; for its owner's eyes only",
	.example = "\"brent.key\""},
    {"identity", TYPE_PATH, AT(policy, identity),
	.help = "the Ed25519 key Bascule logs in to hosts with",
	.example = "\"id_ed25519\""},
    {"authority", TYPE_CHOICE, AT(policy, authority), .choices = authorities,
	.fallback = "manual",
	.help = "who says where a service runs: people, or an etcd cluster",
	.example = "\"manual\""},
    {"endpoints", TYPE_TEXTS, .element = TYPE_URL, AT(policy, endpoints),
	.help = "etcd: its members",
	.example = "[ \"https://10.30.0.5:2379\" ]"},
    {"policy", TYPE_TEXTS, .element = TYPE_TEXT, AT(policy, policy),
	.help = "the files both sites share; a folder means each *.conf in it",
	.example = "[ \"sites.conf\", \"services\" ]"},
    {"roles", LIST(policy, roles, role_count, role_group),
	.help = "who may do what here"},
    {"alerts", LIST(policy, alerts, alert_count, alert_group),
	.help = "whom to tell"},
    {"limits", SUB(policy, limits, limits_group),
	.help = "what this site's jobs may use"},
    {"delta_cache", SUB(policy, delta_cache, delta_cache_group),
	.help = "earlier content kept here, for a key that cannot read"},
    {"bridge", SUB(policy, bridge, bridge_group),
	.help = "how the other site's daemon is asked"},
    {"watch", SUB(policy, watch, watch_group),
	.help = "what else raises an alarm"},
    {"sites", LIST(policy, sites, site_count, site_group), SHARED,
	.help = "the datacentres and the witness"},
    {"links", LIST(policy, links, link_count, link_group), SHARED,
	.help = "the lines between them"},
    {"councils", LIST(policy, councils, council_count, council_group), SHARED,
	.help = "who owns services"},
    {"freezes", LIST(policy, freezes, freeze_count, freeze_group), SHARED,
	.help = "days on which nothing moves by plan"},
    {"escrow", SUB(policy, escrow, escrow_group),
	.flags = SETTING_SHARED | SETTING_ABSENT,
	.help = "who keeps the shares of the escrowed key"},
    {"service", LIST(policy, services, service_count, policy_schema_service),
	.flags = SETTING_SHARED | SETTING_SINGLE,
	.help = "a protected service"},
    {"scenario",
	LIST(policy, scenarios, scenario_count, policy_schema_scenario),
	.flags = SETTING_SHARED | SETTING_SINGLE,
	.help = "a tabletop exercise"},
    {"controls", LIST(policy, controls, control_count, control_group), SHARED,
	.help = "which evidence supports which external control"},
};
const struct policy_group policy_schema_root = {.name = "",
    .size_bytes = sizeof(struct policy),
    .settings = root_settings,
    .count = COUNT_OF(root_settings),
    .help = "bascule.conf holds what differs per site; the files it names "
	    "under policy hold the rest, the same at both sites."};
