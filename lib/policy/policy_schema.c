#include "policy_schema_rows.h"

#include <string.h>

/*
 * The settings, group by group, innermost first.  Defaults and examples are
 * written as in a policy file and read by the same code.  The strings of a
 * choice stand in the order of its enum.
 */

/* A choice is stored as the enum it stands for, by its place in the list. */
_Static_assert(sizeof(enum role) == sizeof(int), "choices are ints");
_Static_assert(ROLE_VIEWER == 0 && ROLE_DR_LEAD == 4 && ROLE_ADMIN == 5,
    "the order of roles[]");

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

static const struct policy_setting capacity_settings[] = {
    {"memory", TYPE_SIZE, AT(policy_capacity, memory_bytes), .min = 0,
	.max = INT64_C(1) << 50, .help = "memory for services that come here",
	.example = "\"64GiB\""},
    {"cpus", TYPE_COUNT, AT(policy_capacity, cpu_count), .min = 0,
	.max = 100000, .help = "processors for them", .example = "16"},
    {"disk", TYPE_SIZE, AT(policy_capacity, disk_bytes), .min = 0,
	.max = INT64_C(1) << 60, .help = "disk for them",
	.example = "\"4TiB\""},
};
GROUP(capacity_group, "capacity", policy_capacity, capacity_settings,
    "What a site has for the services that may have to run there, beside what "
    "Bascule's own repository takes. What is not written is not counted.");

static const char *const site_roles[] = {"datacentre", "witness", NULL};
static const char *const transports[] = {"bascule", "sftp", NULL};
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
    {"acknowledge_keys", TYPE_TEXTS, .element = TYPE_HOST_KEY,
	AT(policy_site, acknowledge_keys),
	.help = "fingerprints of the keys with which the site acknowledges "
		"what it received: its daemon logs it at the start. Not "
		"written: any key is taken, and recorded",
	.example =
	    "[ \"SHA256:uNiVztksCsDhcc0u9e8BrrQXVUpKZIDTMczCvj3tD2s\" ]"},
    {"transport", TYPE_CHOICE, AT(policy_site, transport), LATER,
	.choices = transports, .fallback = "bascule",
	.help = "what answers at its first host: Bascule, or an SFTP server "
		"with nothing of Bascule's, which checks nothing that comes, "
		"acknowledges nothing and fences nobody",
	.example = "\"sftp\""},
    {"repository", TYPE_PATH, AT(policy_site, repository),
	.help = "the folder of the site's repository; every datacentre has one",
	.example = "\"/srv/bascule/repository\""},
    {"capacity", SUB(policy_site, capacity, capacity_group),
	.flags = SETTING_ABSENT,
	.help = "what it has for services that may have to run there"},
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

static const struct policy_setting person_settings[] = {
    {"name", TYPE_NAME, AT(policy_person, name), NEED,
	.help = "their Unix account: the same name is the same person at "
		"every site",
	.example = "\"a.khan\""},
    {"council", TYPE_NAME, AT(policy_person, council),
	.help = "the council they act for; as their roles say where not "
		"written",
	.example = "\"lewisham\""},
    {"key", TYPE_HOST_KEY, AT(policy_person, key),
	.help = "the fingerprint of their own Ed25519 key: then an approval of "
		"theirs counts only with its signature",
	.example = "\"SHA256:uNiVztksCsDhcc0u9e8BrrQXVUpKZIDTMczCvj3tD2s\""},
    {"contact", TYPE_TEXT, AT(policy_person, contact),
	.help = "how they are reached", .example = "\"+44 20 7946 0000\""},
};
GROUP(person_group, "person", policy_person, person_settings,
    "Somebody who requests, approves or attests. Who is not listed may do so "
    "too, by role, without a signature.");

static const struct policy_setting contact_settings[] = {
    {"name", TYPE_TEXT, AT(policy_contact, name), NEED,
	.help = "who: a person or a post",
	.example = "\"duty officer, Brent\""},
    {"council", TYPE_NAME, AT(policy_contact, council),
	.help = "whose they are", .example = "\"brent\""},
    {"call", TYPE_TEXT, AT(policy_contact, call), NEED,
	.help = "how they are reached", .example = "\"+44 20 7946 0001\""},
    {"note", TYPE_TEXT, AT(policy_contact, note), .help = "when, and for what",
	.example = "\"nights: 0002\""},
    {"then", TYPE_TEXTS, .element = TYPE_TEXT, AT(policy_contact, then),
	.help = "the contacts they call in their turn",
	.example = "[ \"service owner, housing\" ]"},
};
GROUP(contact_group, "contact", policy_contact, contact_settings,
    "The tree of who calls whom; it is printed into the battle box.");

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

const char *const policy_schema_roles[] = {"viewer", "auditor", "operator",
    "approver", "dr-lead", "admin", "peer", NULL};
static const struct policy_setting role_settings[] = {
    {"role", TYPE_CHOICE, AT(policy_role_rule, role),
	.choices = policy_schema_roles, NEED,
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
    "clock", "suspect", "divergence", "move", NULL};
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
    {"readiness", TYPE_DURATION, AT(policy_watch, readiness_every_ns),
	.fallback = "30m", .min = S, .max = DAY,
	.help = "how often it is measured whether services could come up here",
	.example = "\"30m\""},
};
GROUP(watch_group, "watch", policy_watch, watch_settings,
    "What raises an alarm here besides services, jobs and links.");

static const struct policy_setting etcd_settings[] = {
    {"endpoints", TYPE_TEXTS, .element = TYPE_URL, AT(policy_etcd, endpoints),
	.help = "its members; or write them as endpoints outside",
	.example = "[ \"https://10.10.0.5:2379\", \"https://10.20.0.5:2379\", "
		   "\"https://10.30.0.5:2379\" ]"},
    {"ca_file", TYPE_PATH, AT(policy_etcd, ca_file),
	.help = "the certificates its members are checked against; the "
		"system's where not written",
	.example = "\"etcd-ca.pem\""},
    {"cert_file", TYPE_PATH, AT(policy_etcd, cert_file),
	.help = "this site's client certificate", .example = "\"etcd.pem\""},
    {"key_file", TYPE_PATH, AT(policy_etcd, key_file),
	.help = "its key; for its owner's eyes only",
	.example = "\"etcd.key\""},
    {"lease", TYPE_DURATION, AT(policy_etcd, lease_ns), .fallback = "10s",
	.min = 2 * S, .max = HOUR,
	.help = "this site's sign of life there lasts for so long",
	.example = "\"10s\""},
    {"timeout", TYPE_DURATION, AT(policy_etcd, timeout_ns), .fallback = "3s",
	.min = S / 10, .max = 5 * MINUTE,
	.help = "a member that does not answer for so long did not",
	.example = "\"3s\""},
};
GROUP(etcd_group, "etcd", policy_etcd, etcd_settings,
    "How the etcd cluster is reached, with authority = \"etcd\".");

static const struct policy_setting box_settings[] = {
    {"within", TYPE_DURATION, AT(policy_box, within_ns), .fallback = "30d",
	.min = HOUR, .max = 4000 * DAY,
	.help = "a battle box older than this is not ready",
	.example = "\"30d\""},
    {"to", TYPE_PATH, AT(policy_box, to),
	.help = "the folder boxes are written to where none is named",
	.example = "\"/srv/bascule/box\""},
};
GROUP(box_group, "box", policy_box, box_settings,
    "The battle box: what is left when everything else is gone.");

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
    {"key_passphrase_file", TYPE_PATH, AT(policy, key_passphrase_file),
	.help = "what opens the key file, if it is wrapped; for its owner's "
		"eyes only. Not written: BASCULE_PASSPHRASE_FILE, or the "
		"service manager's credential",
	.example = "\"brent.passphrase\""},
    {"identity_passphrase_file", TYPE_PATH,
	AT(policy, identity_passphrase_file),
	.help = "what opens the identity, if it has a passphrase. Not written: "
		"the service manager's credential "
		"'bascule.identity-passphrase'",
	.example = "\"id_ed25519.passphrase\""},
    {"authority", TYPE_CHOICE, AT(policy, authority), .choices = authorities,
	.fallback = "manual",
	.help = "who says where a service runs: people, or an etcd cluster",
	.example = "\"manual\""},
    {"endpoints", TYPE_TEXTS, .element = TYPE_URL, AT(policy, endpoints),
	.help = "etcd: its members",
	.example = "[ \"https://10.30.0.5:2379\" ]"},
    {"etcd", SUB(policy, etcd, etcd_group), .flags = SETTING_ABSENT,
	.help = "etcd: how it is reached"},
    {"box", SUB(policy, box, box_group), .help = "the battle box"},
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
    {"people", LIST(policy, people, person_count, person_group), SHARED,
	.help = "who requests, approves and attests, where a key or a contact "
		"is to be known of them"},
    {"contacts", LIST(policy, contacts, contact_count, contact_group), SHARED,
	.help = "who calls whom"},
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
