/* Readiness: what passes, what does not, and that the unknown never does. */
#include "daemon/ready_parts.h"

#include <check.h>
#include <string.h>

#define GIB ((uint64_t)1 << 30)

static struct policy_dns names[] = {
    {.name = "a.uk", .ttl_max_ns = 60 * NS_PER_S}};
static struct policy_step steps[] = {{.name = "go", .on = "app"}};
static struct policy_service services[] = {{.name = "one",
					       .tier = 1,
					       .home = "b",
					       .standby = "s",
					       .needs = {.memory_bytes =
							     4 * GIB,
						   .cpu_count = 2},
					       .quiesce = {.host = ""},
					       .capture = {.host = ""},
					       .dns = names,
					       .dns_count = 1,
					       .plan = steps,
					       .step_count = 1},
    {.name = "two",
	.tier = 1,
	.home = "s",
	.standby = "b",
	.needs = {.memory_bytes = 5 * GIB},
	.quiesce = {.host = ""},
	.capture = {.host = ""}},
    {.name = "three",
	.tier = 2,
	.home = "b",
	.standby = "s",
	.needs = {.memory_bytes = 500 * GIB},
	.quiesce = {.host = ""},
	.capture = {.host = ""}}};
static struct policy_host hosts[] = {{.name = "bascule"}, {.name = "app"},
    {.name = "other"}};
static struct policy_site sites[] = {{.name = "s",
					 .hosts = hosts,
					 .host_count = 3},
    {.name = "b", .hosts = hosts, .host_count = 1}};
static const struct policy policy = {.services = services,
    .service_count = 3,
    .sites = sites,
    .site_count = 2};

static struct ready_value
value(enum ready_check check)
{
	return (struct ready_value){.check = check, .site = "s"};
}

START_TEST(everything_of_tier_1_must_fit_at_once)
{
	struct ready_facts f = {.memory_bytes = 8 * GIB, .cpus = 4};
	struct ready_value v = value(READY_CAPACITY);

	readyjudge_capacity(&policy, &f, &v);
	ck_assert_int_eq(v.verdict, READY_NOT); /* each alone would */
	ck_assert_str_eq(v.value,
	    "memory: 9.0 GiB needed of 8.0 GiB, cpus: 2 needed of 4");
	ck_assert(v.remedy[0] != '\0');
	sites[0].capacity.memory_bytes = 9 * GIB; /* what is written counts */
	v = value(READY_CAPACITY);
	readyjudge_capacity(&policy, &f, &v);
	sites[0].capacity.memory_bytes = 0;
	ck_assert_int_eq(v.verdict, READY_OK);
}
END_TEST

START_TEST(what_nobody_measured_is_not_there)
{
	struct ready_facts f = {0};
	struct ready_value v = value(READY_CAPACITY);

	readyjudge_capacity(&policy, &f, &v);
	ck_assert_int_eq(v.verdict, READY_UNKNOWN);
	v = value(READY_HOST_KEYS);
	readyjudge_hosts(&policy, &services[0], &f, &v);
	ck_assert_int_eq(v.verdict, READY_UNKNOWN);
	v = value(READY_DNS_TTL);
	readyjudge_names(&services[0], &f, &v);
	ck_assert_int_eq(v.verdict, READY_UNKNOWN);
	v = value(READY_KEY);
	readyjudge_key(&services[0], &f, &v);
	ck_assert_int_eq(v.verdict, READY_UNKNOWN);
	for (int c = 0; c < READY_CHECKS; c++) {
		v = value((enum ready_check)c);
		v.verdict = READY_OK; /* but when? */
		readyjudge_fresh(READY_FRESH_NS, (struct utc){1}, &v);
		ck_assert_int_eq(v.verdict, READY_UNKNOWN);
		ck_assert(!ready_passes(&v));
	}
}
END_TEST

START_TEST(what_the_key_met_names_its_own_remedy)
{
	static const struct {
		enum ready_key_state state;
		enum ready_verdict verdict;
		const char *remedy;
	} cases[] = {{READY_KEY_OPENS, READY_OK, NULL},
	    {READY_KEY_NONE, READY_UNKNOWN, "a first copy"},
	    {READY_KEY_FAILS, READY_NOT, "key_file"},
	    {READY_KEY_UNREAD, READY_NOT, "check"}};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ready_key k = {.state = cases[i].state,
		    .text = "what was said"};
		struct ready_facts f = {.keys = &k, .key_count = 1};
		struct ready_value v = value(READY_KEY);

		snprintf(k.service, sizeof(k.service), "%s", services[0].name);
		readyjudge_key(&services[0], &f, &v);
		ck_assert_int_eq(v.verdict, cases[i].verdict);
		if (cases[i].remedy == NULL) {
			ck_assert_str_eq(v.remedy, "");
			continue;
		}
		ck_assert_str_eq(v.value, "what was said");
		ck_assert_ptr_nonnull(strstr(v.remedy, cases[i].remedy));
	}
}
END_TEST

START_TEST(what_is_old_is_unknown_and_says_what_it_was)
{
	struct ready_value v = value(READY_KEY);
	struct utc now = {100 * 3600 * NS_PER_S};

	v.verdict = READY_OK;
	snprintf(v.value, sizeof(v.value), "the key opens it");
	v.at.ns = now.ns - READY_FRESH_NS;
	readyjudge_fresh(READY_FRESH_NS, now, &v);
	ck_assert_int_eq(v.verdict, READY_OK);
	v.at.ns--;
	readyjudge_fresh(READY_FRESH_NS, now, &v);
	ck_assert_int_eq(v.verdict, READY_UNKNOWN);
	ck_assert_str_eq(v.value, "1h 30m ago it was: the key opens it");
}
END_TEST

START_TEST(the_worst_of_a_services_hosts_counts)
{
	struct ready_host measured[] = {{.name = "other", .ok = false},
	    {.name = "app", .ok = true}};
	struct ready_facts f = {.hosts = measured, .host_count = 2};
	struct ready_value v = value(READY_HOST_KEYS);

	readyjudge_hosts(&policy, &services[0], &f, &v);
	ck_assert_int_eq(v.verdict, READY_OK); /* it names no "other" */
	measured[1].ok = false;
	snprintf(measured[1].text, sizeof(measured[1].text), "another key");
	v = value(READY_HOST_KEYS);
	readyjudge_hosts(&policy, &services[0], &f, &v);
	ck_assert_int_eq(v.verdict, READY_NOT);
	ck_assert_str_eq(v.value, "app: another key");
	v = value(READY_HOST_KEYS);
	readyjudge_hosts(&policy, &services[1], &f, &v);
	ck_assert_int_eq(v.verdict, READY_NOT_NEEDED);
	ck_assert(ready_passes(&v));
}
END_TEST

START_TEST(a_name_is_kept_for_no_longer_than_the_policy_says)
{
	struct ready_name measured[] = {
	    {.service = "one", .name = "a.uk", .ttl_s = 60}};
	struct ready_facts f = {.names = measured, .name_count = 1};
	struct ready_value v = value(READY_DNS_TTL);

	readyjudge_names(&services[0], &f, &v);
	ck_assert_int_eq(v.verdict, READY_OK);
	measured[0].ttl_s = 61;
	v = value(READY_DNS_TTL);
	readyjudge_names(&services[0], &f, &v);
	ck_assert_int_eq(v.verdict, READY_NOT);
	measured[0].ttl_s = -1;
	v = value(READY_DNS_TTL);
	readyjudge_names(&services[0], &f, &v);
	ck_assert_int_eq(v.verdict, READY_UNKNOWN);
}
END_TEST

START_TEST(a_clock_that_may_be_too_far_off_is_unknown)
{
	struct readyjudge_clock c = {.known = true,
	    .offset_ns = -2 * NS_PER_S,
	    .bound_ns = NS_PER_S,
	    .limit_ns = 3 * NS_PER_S};
	struct ready_value v = value(READY_CLOCK);

	readyjudge_clock(&c, &v);
	ck_assert_int_eq(v.verdict, READY_OK);
	c.bound_ns++;
	readyjudge_clock(&c, &v);
	ck_assert_int_eq(v.verdict, READY_UNKNOWN);
	c.offset_ns = -4 * NS_PER_S;
	readyjudge_clock(&c, &v);
	ck_assert_int_eq(v.verdict, READY_NOT);
	c.offset_ns = INT64_MIN;
	readyjudge_clock(&c, &v);
	ck_assert_int_eq(v.verdict, READY_UNKNOWN);
	c = (struct readyjudge_clock){.limit_ns = NS_PER_S};
	readyjudge_clock(&c, &v);
	ck_assert_int_eq(v.verdict, READY_UNKNOWN);
}
END_TEST

START_TEST(what_should_have_happened_has_an_age)
{
	struct ready_value v = value(READY_BOX);
	struct utc now = {1000 * NS_PER_S};

	readyjudge_age("a box", "make one", (struct utc){0}, 10 * NS_PER_S, now,
	    &v);
	ck_assert_int_eq(v.verdict, READY_NOT);
	ck_assert_str_eq(v.value, "a box: never");
	readyjudge_age("a box", "make one", (struct utc){990 * NS_PER_S},
	    10 * NS_PER_S, now, &v);
	ck_assert_int_eq(v.verdict, READY_OK);
	readyjudge_age("a box", "make one", (struct utc){989 * NS_PER_S},
	    10 * NS_PER_S, now, &v);
	ck_assert_int_eq(v.verdict, READY_NOT);
	readyjudge_age("a box", "make one", (struct utc){1001 * NS_PER_S},
	    10 * NS_PER_S, now, &v);
	ck_assert_int_eq(v.verdict, READY_UNKNOWN);
}
END_TEST

START_TEST(a_proof_must_be_high_enough_and_young_enough)
{
	struct policy_failover f = {.min_proof = POLICY_L4,
	    .proof_within_ns = 30 * 86400 * NS_PER_S};
	struct ready_proof p = {.level = 4, .at = {1}, .text = "L4"};
	struct ready_value v = value(READY_PROOF);

	readyjudge_proof(&f, &p, (struct utc){f.proof_within_ns}, &v);
	ck_assert_int_eq(v.verdict, READY_OK);
	readyjudge_proof(&f, &p, (struct utc){f.proof_within_ns + 2}, &v);
	ck_assert_int_eq(v.verdict, READY_NOT);
	p.level = 3;
	readyjudge_proof(&f, &p, (struct utc){2}, &v);
	ck_assert_int_eq(v.verdict, READY_NOT);
	p.level = -1;
	readyjudge_proof(&f, &p, (struct utc){2}, &v);
	ck_assert_int_eq(v.verdict, READY_UNKNOWN);
}
END_TEST

START_TEST(names_lead_back_to_what_they_name)
{
	enum ready_check c;

	for (int i = 0; i < READY_CHECKS; i++) {
		ck_assert(
		    ready_check_find(ready_check_name((enum ready_check)i),
			&c));
		ck_assert_int_eq(c, i);
	}
	ck_assert(!ready_check_find("nonsense", &c));
}
END_TEST

Suite *suite_daemon_readyjudge(void);

Suite *
suite_daemon_readyjudge(void)
{
	Suite *s = suite_create("daemon/readyjudge");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, everything_of_tier_1_must_fit_at_once);
	tcase_add_test(tc, what_nobody_measured_is_not_there);
	tcase_add_test(tc, what_the_key_met_names_its_own_remedy);
	tcase_add_test(tc, what_is_old_is_unknown_and_says_what_it_was);
	tcase_add_test(tc, the_worst_of_a_services_hosts_counts);
	tcase_add_test(tc, a_name_is_kept_for_no_longer_than_the_policy_says);
	tcase_add_test(tc, a_clock_that_may_be_too_far_off_is_unknown);
	tcase_add_test(tc, what_should_have_happened_has_an_age);
	tcase_add_test(tc, a_proof_must_be_high_enough_and_young_enough);
	tcase_add_test(tc, names_lead_back_to_what_they_name);
	suite_add_tcase(s, tc);
	return s;
}
