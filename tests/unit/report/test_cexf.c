#include <bascule/policy.h>
#include <bascule/report.h>

#include <check.h>
#include <string.h>

#include <bascule/base/text.h>

/* --- helpers ---------------------------------------------------------------- */

static char lost_places[8192];

static enum err_code
note_lost(void *ctx, const char *place, const char *json, struct err *e)
{
	(void)ctx;
	(void)json;
	(void)e;
	strncat(lost_places, place,
	    sizeof(lost_places) - strlen(lost_places) - 2);
	strncat(lost_places, "\n",
	    sizeof(lost_places) - strlen(lost_places) - 1);
	return ERR_NONE;
}

static enum err_code
import(const char *json, struct buf *conf)
{
	struct err e;

	lost_places[0] = '\0';
	return cexf_import(json, strlen(json), conf, note_lost, NULL, &e);
}

/* The file as a policy's: what it becomes. */
static struct policy *
load(struct buf *conf)
{
	static const char root[] =
	    "site = \"brent\"; state = \"/s\"; socket = \"/k\"; sandbox = "
	    "\"/x\"; key_file = \"/key\"; authority = \"manual\"; identity = "
	    "\"/id\"; policy = [ \"s.conf\" ];\n"
	    "councils = ( { name = \"brent\"; title = \"B\"; share = 100; } "
	    ");\n"
	    "sites = ( { name = \"brent\"; title = \"B\"; role = "
	    "\"datacentre\"; failure_domain = \"b\"; repository = \"/r\"; } "
	    ");\n";
	const struct policy_text_file files[] = {{"/p/bascule.conf", root,
						     sizeof(root) - 1},
	    {"/p/s.conf", buf_text(conf), conf->len_bytes}};
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	struct policy *p = NULL;
	struct err e = {0};
	enum err_code rc = policy_load_texts(&p, &ps, files, 2,
	    (struct utc){1800000000 * NS_PER_S}, &e);

	ck_assert_msg(rc == ERR_NONE, "%s: %s: %s\n%s", e.text,
	    ps.count > 0 ? ps.items[0].setting : "",
	    ps.count > 0 ? ps.items[0].message : "", buf_text(conf));
	return p;
}

/* The shape of MISP's own examples: a trigger as a list and as a text, a payload
 * in base64, an evaluation that no person could read out. */
static const char foreign[] =
    "{\"exercise\":{\"description\":\"A spear \\\"phishing\\\" mail\","
    "\"expanded\":\"# more\",\"meta\":{\"author\":\"Somebody\","
    "\"level\":\"beginner\"},\"name\":\"Phishing e-mail\","
    "\"namespace\":\"phishing\",\"tags\":[\"state:production\"],"
    "\"total_duration\":\"7200\",\"uuid\":\"u0\",\"version\":\"2\"},"
    "\"inject_flow\":["
    "{\"description\":\"It begins.\",\"inject_uuid\":\"u1\","
    "\"reporting_callback\":[],\"requirements\":{},\"sequence\":{"
    "\"completion_trigger\":[\"time_expiration\"],\"followed_by\":[\"u2\"],"
    "\"trigger\":[\"startex\"]},\"timing\":{\"triggered_at\":null}},"
    "{\"inject_uuid\":\"u2\",\"requirements\":{\"inject_uuid\":\"u1\","
    "\"resolution_requirement\":\"Publishing\"},\"sequence\":{"
    "\"trigger\":\"inject-resolution\"},\"timing\":{}}],"
    "\"inject_payloads\":[{\"name\":\"mail\",\"parameters\":{\"content\":"
    "\"RGVhciBhbGwsCndlIGhhdmUgYSBtYWlsLgo=\",\"content-type\":\"base64\","
    "\"filename\":\"mail.eml\"},\"type\":\"file\",\"uuid\":\"p1\"}],"
    "\"injects\":[{\"action\":\"email_to_participants\","
    "\"action_payload_resource_uuid\":\"p1\",\"inject_evaluation\":[{"
    "\"parameters\":[{\"Event.info\":{\"values\":[\"x\"]}}],"
    "\"result\":\"An event is made\",\"score_range\":[0,10]}],"
    "\"name\":\"A mail from the CSIRT\",\"target_tool\":\"MISP\","
    "\"uuid\":\"u1\"},{\"name\":\"A mail from the CSIRT\",\"uuid\":\"u2\"},"
    "{\"name\":\"\",\"uuid\":\"u3\"}]}";

START_TEST(a_document_of_others_becomes_a_scenario_that_loads)
{
	OWNED(buf_fini) struct buf conf = {0};
	OWNED(policy_free) struct policy *p = NULL;
	const struct policy_scenario *sc;

	ck_assert_int_eq(import(foreign, &conf), ERR_NONE);
	p = load(&conf);
	sc = policy_find_scenario(p, "phishing-e-mail");
	ck_assert_ptr_nonnull(sc);
	ck_assert_str_eq(sc->title, "A spear \"phishing\" mail");
	ck_assert_int_eq(sc->duration_ns, 7200 * NS_PER_S);
	ck_assert_uint_eq(sc->inject_count, 3);
	ck_assert_str_eq(sc->injects[0].name, "a-mail-from-the-csirt");
	ck_assert_int_eq(sc->injects[0].at_ns, 0);
	ck_assert_str_eq(sc->injects[0].text, "Dear all,\nwe have a mail.\n");
	ck_assert_str_eq(sc->injects[0].expect, "An event is made");
	ck_assert_str_eq(sc->injects[0].channel, "email_to_participants");
	ck_assert_str_eq(sc->injects[1].name, "a-mail-from-the-csirt-2");
	ck_assert_str_eq(sc->injects[1].after, "a-mail-from-the-csirt");
	ck_assert_str_eq(sc->injects[2].after, "a-mail-from-the-csirt-2");
}
END_TEST

START_TEST(what_has_no_place_is_named_and_kept_as_a_comment)
{
	static const char *const places[] = {"exercise.expanded",
	    "exercise.namespace", "exercise.tags", "exercise.uuid",
	    "exercise.meta.author", "exercise.meta.level",
	    "injects[0].target_tool",
	    "injects[0].inject_evaluation[0].parameters",
	    "injects[0].inject_evaluation[0].score_range",
	    "inject_flow[0].description",
	    "inject_flow[1].resolution_requirement",
	    "inject_payloads[0].parameters.filename", "inject_payloads[0].type",
	    "injects[2]"};
	OWNED(buf_fini) struct buf conf = {0};

	ck_assert_int_eq(import(foreign, &conf), ERR_NONE);
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		ck_assert_msg(strstr(lost_places, places[i]) != NULL, "%s: %s",
		    places[i], lost_places);
		ck_assert_ptr_nonnull(strstr(buf_text(&conf), places[i]));
	}
}
END_TEST

static const char ours[] =
    "name = \"outage\"; title = \"The \\\"link\\\" is down\"; duration = "
    "\"90m\"; objectives = [ \"Who?\", \"How long?\" ]; initial_conditions = "
    "[ \"Tuesday.\" ]; injects = (\n"
    "{ name = \"one\"; at = \"T+0s\"; to = \"duty\"; channel = \"phone\"; "
    "text = \"It is down.\\nReally.\"; expect = \"Looks.\"; },\n"
    "{ name = \"two\"; at = \"T+25m\"; to = \"lead\"; text = \"x\"; },\n"
    "{ name = \"three\"; after = \"two\"; to = \"lead\"; text = \"y\"; },\n"
    "{ name = \"four\"; on = \"decision\"; to = \"all\"; text = \"z\"; } );\n";

START_TEST(what_leaves_comes_back_as_it_was)
{
	OWNED(buf_fini) struct buf conf = {0}, first = {0}, second = {0};
	OWNED(policy_free) struct policy *p = NULL, *q = NULL;
	struct err e = {0};

	ck_assert_int_eq(buf_add_text(&conf, ours, &e), ERR_NONE);
	p = load(&conf);
	ck_assert_int_eq(cexf_export(policy_find_scenario(p, "outage"), &first,
			     &e),
	    ERR_NONE);
	buf_clear(&conf);
	ck_assert_int_eq(import(buf_text(&first), &conf), ERR_NONE);
	ck_assert_str_eq(lost_places, "");
	q = load(&conf);
	ck_assert_int_eq(cexf_export(policy_find_scenario(q, "outage"), &second,
			     &e),
	    ERR_NONE);
	ck_assert_str_eq(buf_text(&first), buf_text(&second));
	ck_assert_ptr_nonnull(strstr(buf_text(&first), "\"inject_flow\""));
	ck_assert_ptr_nonnull(
	    strstr(buf_text(&first), "\"inject-resolution\""));
}
END_TEST

START_TEST(what_is_no_such_document_is_refused)
{
	static const char *const bad[] = {"", "{", "[]", "{}",
	    "{\"exercise\":5}", "{\"exercise\":{}}",
	    "{\"exercise\":{},\"injects\":[]}",
	    "{\"exercise\":{},\"injects\":[5]}",
	    "{\"exercise\":{},\"injects\":{}}"};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		OWNED(buf_fini) struct buf conf = {0};

		ck_assert_int_eq(import(bad[i], &conf), ERR_INPUT);
	}
}
END_TEST

/* Fields of any kind where another was expected: they are lost, nothing else. */
START_TEST(fields_of_another_kind_are_lost_not_fatal)
{
	static const char odd[] =
	    "{\"exercise\":{\"name\":[1],\"description\":{},\"meta\":7,"
	    "\"total_duration\":{}},\"inject_flow\":[1,{\"inject_uuid\":\"a\","
	    "\"requirements\":[],\"sequence\":3,\"timing\":{\"triggered_at\":"
	    "true}},{\"inject_uuid\":9}],\"inject_payloads\":{\"x\":1},"
	    "\"injects\":[{\"uuid\":\"a\",\"name\":null,\"inject_evaluation\":"
	    "[4,{\"result\":[]}],\"action\":1.5}]}";
	OWNED(buf_fini) struct buf conf = {0};
	OWNED(policy_free) struct policy *p = NULL;

	ck_assert_int_eq(import(odd, &conf), ERR_NONE);
	p = load(&conf);
	ck_assert_ptr_nonnull(policy_find_scenario(p, "imported"));
	ck_assert_ptr_nonnull(strstr(lost_places, "exercise.name"));
	ck_assert_ptr_nonnull(strstr(lost_places, "inject_flow[0]"));
	ck_assert_ptr_nonnull(strstr(lost_places, "injects[0].action"));
}
END_TEST

Suite *suite_report_cexf(void);

Suite *
suite_report_cexf(void)
{
	Suite *s = suite_create("report/cexf");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, a_document_of_others_becomes_a_scenario_that_loads);
	tcase_add_test(tc, what_has_no_place_is_named_and_kept_as_a_comment);
	tcase_add_test(tc, what_leaves_comes_back_as_it_was);
	tcase_add_test(tc, what_is_no_such_document_is_refused);
	tcase_add_test(tc, fields_of_another_kind_are_lost_not_fatal);
	suite_add_tcase(s, tc);
	return s;
}
