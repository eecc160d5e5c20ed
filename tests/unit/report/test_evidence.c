#include <bascule/report.h>

#include <bascule/base/fdio.h>
#include <bascule/base/text.h>
#include <bascule/crypt.h>
#include <bascule/wire.h>
#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../ledger/make.h"

static struct make m;
static char pack[160];
static char key[SIGN_FINGERPRINT_SIZE];

static void
setup(void)
{
	struct err e = {0};

	make_setup(&m);
	snprintf(pack, sizeof(pack), "%s/pack.tar.zst", m.td.path);
	ck_assert_int_eq(sign_fingerprint(sign_key_public(m.key), key, &e),
	    ERR_NONE);
	for (int i = 0; i < 4; i++) {
		make_append(&m,
		    make_draft("brent", LEDGER_JOB, "@run", "j1", "@service",
			"housing", "state", "queued", NULL));
		make_append(&m,
		    make_draft("lewisham", LEDGER_JOB, "@run", "j2", "@service",
			"council-tax", "state", "queued", NULL));
		make_append(&m, make_draft(NULL, "note", "n", "shared", NULL));
	}
	make_append(&m,
	    make_draft("brent", LEDGER_EXERCISE, "@run", "x1", "@service",
		"housing", "mode", "test", "state", "CLEAN", "result", "PASS",
		NULL));
	ck_assert_int_eq(ledger_sign_head(m.l, NULL, &e), ERR_NONE);
}

static void
teardown(void)
{
	make_teardown(&m);
}

static struct evidence_tally export(const struct evidence_options *o)
{
	struct evidence_tally t;
	struct err e = {0};

	ck_assert_msg(evidence_export(m.l, o, pack, &t, &e) == ERR_NONE, "%s",
	    e.text);
	return t;
}

static struct evidence_verdict
verify(const char *fingerprint)
{
	struct evidence_verdict v;
	struct err e = {0};

	ck_assert_msg(evidence_verify(pack, fingerprint, &v, &e) == ERR_NONE,
	    "%s", e.text);
	return v;
}

START_TEST(a_whole_pack_is_good_with_the_right_key_only)
{
	struct evidence_options o = {.signer = m.key};
	struct evidence_tally t = export(&o);
	struct evidence_verdict v = verify(key);

	ck_assert_msg(!v.bad, "%s at %s", v.what, v.where);
	ck_assert_uint_eq(v.records_count, 13);
	ck_assert_uint_eq(t.records_count, 13);
	ck_assert_uint_eq(v.heads_count, 1);
	ck_assert_uint_eq(v.unsigned_count, 0);
	ck_assert_uint_eq(v.closed_count, 0);
	ck_assert(v.manifest_signed);
	ck_assert_str_eq(v.signer, key);
	ck_assert(!verify(NULL).bad);
	ck_assert(
	    verify("SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").bad);
}
END_TEST

START_TEST(an_unsigned_manifest_never_reads_like_a_verified_one)
{
	OWNED(buf_fini) struct buf text = {0}, signed_text = {0};
	OWNED(wire_free) struct wire_value *w = NULL, *signed_w = NULL;
	struct evidence_options o = {0};
	struct evidence_verdict v;
	struct err e = {0};

	export(&o);
	v = verify(key);
	ck_assert(!v.bad && !v.manifest_signed);
	ck_assert_str_eq(v.manifest_signer, "");
	ck_assert_int_eq(evidence_show_text(&v, &text, &e), ERR_NONE);
	ck_assert_ptr_eq(strstr(buf_text(&text), "RECORDS GOOD, MANIFEST NOT"),
	    text.bytes);
	ck_assert_ptr_nonnull(strstr(buf_text(&text), "manifest   NOT SIGNED"));
	ck_assert_int_eq(evidence_show_wire(&v, &w, &e), ERR_NONE);
	ck_assert_str_eq(wire_need_text(w, "verdict"), "records_good");
	o.signer = m.key;
	export(&o);
	v = verify(key);
	ck_assert_str_eq(v.manifest_signer, key);
	ck_assert_int_eq(evidence_show_text(&v, &signed_text, &e), ERR_NONE);
	ck_assert_ptr_eq(strstr(buf_text(&signed_text), "GOOD:"),
	    signed_text.bytes);
	ck_assert_ptr_nonnull(strstr(buf_text(&signed_text), key));
	ck_assert_int_eq(evidence_show_wire(&v, &signed_w, &e), ERR_NONE);
	ck_assert_str_eq(wire_need_text(signed_w, "manifest_signer"), key);
}
END_TEST

START_TEST(another_key_than_the_heads_does_not_sign_the_manifest)
{
	OWNED(sign_key_free) struct sign_key *other = NULL;
	struct evidence_options o = {0};
	struct evidence_tally t;
	struct err e = {0};

	ck_assert_int_eq(sign_key_new(&other, &e), ERR_NONE);
	o.signer = other;
	ck_assert_int_eq(evidence_export(m.l, &o, pack, &t, &e), ERR_KEY);
	ck_assert_int_ne(access(pack, F_OK), 0);
}
END_TEST

START_TEST(a_filtered_pack_verifies_and_keeps_back_the_rest)
{
	struct evidence_options o = {.service = "housing", .council = "brent"};
	struct evidence_tally t = export(&o);
	struct evidence_verdict v = verify(key);

	ck_assert_msg(!v.bad, "%s at %s", v.what, v.where);
	ck_assert_uint_eq(t.records_count, 9);
	ck_assert_uint_eq(t.closed_count, 4);
	ck_assert_uint_eq(v.closed_count, 4);
	ck_assert(!v.manifest_signed);
	ck_assert_str_eq(v.council, "brent");
}
END_TEST

START_TEST(a_period_begins_and_ends_at_heads)
{
	struct utc middle = now_utc();
	struct evidence_options o = {.since = middle};
	struct evidence_verdict v;
	struct err e = {0};

	for (int i = 0; i < 3; i++) {
		make_append(&m, make_draft("southwark", "note", NULL));
		make_append(&m, make_draft("brent", "note", NULL));
		ck_assert_int_eq(ledger_sign_head(m.l, NULL, &e), ERR_NONE);
	}
	export(&o);
	v = verify(key);
	ck_assert_msg(!v.bad, "%s at %s", v.what, v.where);
	ck_assert_uint_eq(v.records_count, 6);
	ck_assert_uint_eq(v.heads_count, 4);
	o = (struct evidence_options){.until = middle};
	export(&o);
	v = verify(key);
	ck_assert_msg(!v.bad, "%s at %s", v.what, v.where);
	ck_assert_uint_eq(v.heads_count, 2);
	ck_assert_uint_eq(v.records_count, 15);
	ck_assert_uint_eq(v.closed_count, 2);
}
END_TEST

START_TEST(redacted_fields_are_gone_and_it_still_verifies)
{
	static const char *const names[] = {"@host", "@actor.name"};
	struct evidence_options o = {.redact = names, .redact_count = 2};
	struct evidence_verdict v;

	export(&o);
	v = verify(key);
	ck_assert_msg(!v.bad, "%s at %s", v.what, v.where);
	ck_assert_uint_eq(v.closed_count, 13);
	ck_assert_uint_eq(v.records_count, 13);
}
END_TEST

static void
slurp(struct buf *b)
{
	struct err e = {0};

	ck_assert_msg(fdio_slurp(AT_FDCWD, pack, 1 << 24, b, &e) == ERR_NONE,
	    "%s", e.text);
}

static void
put_byte(size_t at, uint8_t byte)
{
	int fd = open(pack, O_WRONLY | O_CLOEXEC);

	ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

START_TEST(a_flipped_bit_anywhere_in_the_file_shows)
{
	struct evidence_options o = {.signer = m.key};
	OWNED(buf_fini) struct buf b = {0};

	export(&o);
	slurp(&b);
	for (size_t bit = 0; bit < 8 * b.len_bytes; bit += 61) {
		put_byte(bit / 8, b.bytes[bit / 8] ^ (uint8_t)(1 << bit % 8));
		ck_assert_msg(verify(key).bad, "bit %zu", bit);
		put_byte(bit / 8, b.bytes[bit / 8]);
	}
	ck_assert(!verify(key).bad);
	ck_assert_int_eq(truncate(pack, (off_t)b.len_bytes - 1), 0);
	ck_assert(verify(key).bad);
}
END_TEST

START_TEST(a_damaged_ledger_makes_a_pack_that_says_so)
{
	struct evidence_options o = {.signer = m.key};
	struct evidence_verdict v;

	make_sql(&m,
	    "UPDATE records SET bytes = CAST(substr(bytes, 1, 200) ||"
	    " x'ff' || substr(bytes, 202) AS BLOB) WHERE row = 4");
	export(&o);
	v = verify(key);
	ck_assert(v.bad);
	ck_assert_ptr_nonnull(strstr(v.where, "brent#"));
}
END_TEST

START_TEST(damage_in_the_unsigned_tail_is_not_lost)
{
	struct evidence_options o = {.signer = m.key};
	struct evidence_verdict v;

	make_append(&m, make_draft("brent", "note", "n", "tail", NULL));
	make_sql(&m,
	    "UPDATE records SET bytes = CAST(substr(bytes, 1,"
	    " length(bytes) - 1) || x'7a' AS BLOB) WHERE row = 14");
	export(&o);
	v = verify(key);
	ck_assert(v.bad);
	ck_assert_str_eq(v.where, "brent#6");
	ck_assert_ptr_nonnull(strstr(v.what, "when the pack was made"));
}
END_TEST

START_TEST(a_record_that_cannot_be_read_is_exported_as_it_is)
{
	struct evidence_options o = {.signer = m.key};
	struct evidence_verdict v;

	make_sql(&m, "UPDATE records SET bytes = x'00' WHERE row = 2");
	export(&o);
	v = verify(key);
	ck_assert(v.bad);
	ck_assert_ptr_nonnull(strstr(v.what, "not a record"));
}
END_TEST

/* --- what the other site recorded --- */

static struct make far;

static void
setup_both(void)
{
	struct err e = {0};

	setup();
	make_setup(&far);
	far.options.site = "southwark";
	make_reopen(&far);
	make_append(&far,
	    make_draft("brent", LEDGER_EXERCISE, "@run", "x2", "@service",
		"housing", "mode", "test", "state", "CLEAN", "result", "FAIL",
		NULL));
	make_append(&far,
	    make_draft("lewisham", LEDGER_JOB, "@run", "j9", "@service",
		"council-tax", "state", "queued", NULL));
	ck_assert_int_eq(ledger_sign_head(far.l, NULL, &e), ERR_NONE);
}

static void
teardown_both(void)
{
	make_teardown(&far);
	teardown();
}

START_TEST(the_pack_holds_what_both_sites_recorded_each_by_its_own_key)
{
	struct evidence_options o = {.signer = m.key,
	    .others = &far.l,
	    .others_count = 1};
	struct evidence_tally t = export(&o);
	struct evidence_verdict v = verify(key);
	char far_key[SIGN_FINGERPRINT_SIZE];
	struct err e = {0};

	ck_assert_msg(!v.bad, "%s at %s", v.what, v.where);
	ck_assert_int_eq(sign_fingerprint(sign_key_public(far.key), far_key,
			     &e),
	    ERR_NONE);
	ck_assert_uint_eq(t.others_count, 1);
	ck_assert_uint_eq(t.others_records_count, 2);
	ck_assert_uint_eq(v.records_count, 13); /* our own, as ever */
	ck_assert_uint_eq(v.others_count, 1);
	ck_assert_str_eq(v.others[0].site, "southwark");
	ck_assert_str_eq(v.others[0].signer, far_key);
	ck_assert_uint_eq(v.others[0].records_count, 2);
	ck_assert_uint_eq(v.others[0].unsigned_count, 0);
	ck_assert(!v.others[0].has_cosigned);
	ck_assert_uint_eq(t.reports_count, 2); /* x1 here, x2 there */
}
END_TEST

START_TEST(what_is_kept_back_is_kept_back_of_both)
{
	struct evidence_options o = {.signer = m.key,
	    .service = "housing",
	    .others = &far.l,
	    .others_count = 1};
	struct evidence_verdict v;

	export(&o);
	v = verify(key);
	ck_assert_msg(!v.bad, "%s at %s", v.what, v.where);
	ck_assert_uint_eq(v.others[0].records_count, 2);
	ck_assert_uint_eq(v.others[0].closed_count, 1);
}
END_TEST

START_TEST(damage_of_the_other_sites_records_makes_the_pack_bad)
{
	struct evidence_options o = {.signer = m.key,
	    .others = &far.l,
	    .others_count = 1};
	struct evidence_verdict v;

	make_sql(&far, "UPDATE records SET at_ns = at_ns + 1 WHERE row = 1");
	export(&o);
	v = verify(key);
	ck_assert(v.bad);
	ck_assert_msg(strstr(v.where, "sites/southwark.tar.zst") == v.where,
	    "%s", v.where);
}
END_TEST

START_TEST(a_site_that_has_signed_nothing_is_in_no_pack)
{
	struct evidence_options o = {.signer = m.key, .others_count = 1};
	struct evidence_tally t;
	struct make none;

	make_setup(&none);
	o.others = &none.l;
	t = export(&o);
	ck_assert_uint_eq(t.others_count, 0);
	ck_assert(!verify(key).bad);
	make_teardown(&none);
}
END_TEST

START_TEST(what_is_no_pack_is_said_so)
{
	struct evidence_verdict v;
	struct err e = {0};

	ck_assert_int_eq(evidence_verify(pack, NULL, &v, &e), ERR_NOTFOUND);
	tmpdir_put(&m.td, "pack.tar.zst", "");
	ck_assert(verify(NULL).bad);
	tmpdir_put(&m.td, "pack.tar.zst",
	    "this is not a pack, and long enough"
	    " to hold a seal if it had one, which it has not");
	ck_assert_ptr_nonnull(strstr(verify(NULL).what, "no seal"));
	ck_assert_int_eq(evidence_verify(m.td.path, NULL, &v, &e), ERR_INPUT);
}
END_TEST

START_TEST(the_verdict_leads_with_the_worst)
{
	OWNED(buf_fini) struct buf out = {0};
	OWNED(wire_free) struct wire_value *w = NULL;
	struct evidence_options o = {0};
	struct evidence_verdict v;
	struct err e = {0};

	make_append(&m, make_draft(NULL, "note", NULL));
	export(&o);
	v = verify(NULL);
	ck_assert_uint_eq(v.unsigned_count, 1);
	ck_assert_int_eq(evidence_show_text(&v, &out, &e), ERR_NONE);
	ck_assert_ptr_eq(strstr(buf_text(&out), "CONSISTENT"), out.bytes);
	ck_assert_ptr_nonnull(strstr(buf_text(&out), "one site's word"));
	ck_assert_int_eq(evidence_show_wire(&v, &w, &e), ERR_NONE);
	ck_assert_str_eq(wire_need_text(w, "verdict"), "consistent");
}
END_TEST

START_TEST(a_key_is_a_fingerprint_or_a_file_that_holds_one)
{
	OWNED(buf_fini) struct buf a = {0}, b = {0}, c = {0};
	char hex[TEXT_HEX_BYTES(SIGN_PUBLIC_BYTES)];
	struct err e = {0};

	ck_assert_int_eq(evidence_show_key(key, &a, &e), ERR_NONE);
	ck_assert_str_eq(buf_text(&a), key);
	text_hex(sign_key_public(m.key)->bytes, SIGN_PUBLIC_BYTES, hex);
	tmpdir_put(&m.td, "pack.tar.zst", hex);
	ck_assert_int_eq(evidence_show_key(pack, &b, &e), ERR_NONE);
	ck_assert_str_eq(buf_text(&b), key);
	tmpdir_put(&m.td, "pack.tar.zst", "nonsense");
	ck_assert_int_eq(evidence_show_key(pack, &c, &e), ERR_KEY);
}
END_TEST

Suite *suite_report_evidence(void);

/* --- other sites' words ------------------------------------------------------------ */

static void
hex_of(const struct buf *b, char out[4096])
{
	ck_assert_uint_lt(b->len_bytes, 2048);
	text_hex(b->bytes, b->len_bytes, out);
}

/* Of the point 01.., received at another site. */
static void
add_acknowledged(const struct sign_key *by, const char *point,
    const char *service)
{
	OWNED(buf_fini) struct buf word = {0};
	struct ack a = {.since = {5}};
	char hex[4096];
	struct err e = {0};

	memset(a.point.bytes, 1, ID_BYTES);
	snprintf(a.service, sizeof(a.service), "housing");
	ck_assert_int_eq(ack_make(&a, by, &word, &e), ERR_NONE);
	hex_of(&word, hex);
	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "@service", service, "point",
		point, LEDGER_ACKNOWLEDGEMENT, hex, NULL));
}

#define POINT_01                             \
	"0101010101010101010101010101010101" \
	"010101010101010101010101010101"

static void
add_cosigned(const struct sign_key *by, uint8_t flip)
{
	OWNED(buf_fini) struct buf word = {0};
	struct head h;
	struct cosign c = {.at = {5}, .site = "brent", .by = "southwark"};
	char hex[4096];
	struct err e = {0};

	ck_assert_int_eq(ledger_sign_last(m.l, &h, &e), ERR_NONE);
	c.number = h.number;
	c.head = h.hash;
	c.head.bytes[3] ^= flip;
	ck_assert_int_eq(cosign_make(&c, by, &word, &e), ERR_NONE);
	hex_of(&word, hex);
	make_append(&m,
	    make_draft(NULL, LEDGER_COSIGNATURE, "by", "southwark",
		LEDGER_COSIGNATURE, hex, NULL));
}

START_TEST(what_other_sites_signed_is_counted_and_the_rest_is_one_sites_word)
{
	OWNED(sign_key_free) struct sign_key *other = NULL;
	struct evidence_options o = {.signer = m.key};
	OWNED(buf_fini) struct buf text = {0};
	char by[SIGN_FINGERPRINT_SIZE];
	struct evidence_verdict v;
	struct err e = {0};

	ck_assert_int_eq(sign_key_new(&other, &e), ERR_NONE);
	ck_assert_int_eq(sign_fingerprint(sign_key_public(other), by, &e),
	    ERR_NONE);
	export(&o);
	v = verify(key);
	ck_assert_uint_eq(v.uncosigned_count, 13);
	add_cosigned(other, 0);
	add_acknowledged(other, POINT_01, "housing");
	ck_assert_int_eq(ledger_sign_head(m.l, NULL, &e), ERR_NONE);
	export(&o);
	v = verify(key);
	ck_assert_msg(!v.bad, "%s at %s", v.what, v.where);
	ck_assert_uint_eq(v.acknowledgements_count, 1);
	ck_assert_uint_eq(v.acknowledgers_count, 1);
	ck_assert_str_eq(v.acknowledgers[0], by);
	ck_assert_uint_eq(v.cosigned_head, 1);
	ck_assert_str_eq(v.cosigner, by);
	ck_assert_str_eq(v.cosigner_site, "southwark");
	ck_assert_uint_eq(v.uncosigned_count, 2);
	ck_assert_int_eq(evidence_show_text(&v, &text, &e), ERR_NONE);
	ck_assert_ptr_nonnull(
	    strstr(buf_text(&text), "up to head 1 by southwark"));
	/* with the others' records closed the word still counts */
	o.service = "council-tax";
	export(&o);
	v = verify(key);
	ck_assert_msg(!v.bad, "%s at %s", v.what, v.where);
	ck_assert_uint_eq(v.cosigned_head, 1);
	ck_assert_uint_eq(v.acknowledgements_count, 0);
}
END_TEST

START_TEST(a_head_that_another_site_knows_otherwise_is_a_rewritten_history)
{
	struct evidence_options o = {.signer = m.key};
	struct evidence_verdict v;
	struct err e = {0};

	add_cosigned(m.key, 0x10);
	ck_assert_int_eq(ledger_sign_head(m.l, NULL, &e), ERR_NONE);
	export(&o);
	v = verify(key);
	ck_assert(v.bad);
	ck_assert_ptr_nonnull(strstr(v.what, "rewritten"));
}
END_TEST

START_TEST(a_word_about_another_point_than_its_records_is_bad)
{
	struct evidence_options o = {.signer = m.key};
	struct err e = {0};

	add_acknowledged(m.key, POINT_01, "council-tax");
	ck_assert_int_eq(ledger_sign_head(m.l, NULL, &e), ERR_NONE);
	export(&o);
	ck_assert(verify(key).bad);
}
END_TEST

START_TEST(a_word_that_nobody_gave_is_bad)
{
	struct evidence_options o = {.signer = m.key};
	struct err e = {0};

	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "@service", "housing", "point",
		POINT_01, LEDGER_ACKNOWLEDGEMENT, "00ff", NULL));
	ck_assert_int_eq(ledger_sign_head(m.l, NULL, &e), ERR_NONE);
	export(&o);
	ck_assert(verify(key).bad);
}
END_TEST

Suite *
suite_report_evidence(void)
{
	Suite *s = suite_create("report/evidence");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_whole_pack_is_good_with_the_right_key_only);
	tcase_add_test(tc,
	    what_other_sites_signed_is_counted_and_the_rest_is_one_sites_word);
	tcase_add_test(tc,
	    a_head_that_another_site_knows_otherwise_is_a_rewritten_history);
	tcase_add_test(tc, a_word_about_another_point_than_its_records_is_bad);
	tcase_add_test(tc, a_word_that_nobody_gave_is_bad);
	tcase_add_test(tc,
	    an_unsigned_manifest_never_reads_like_a_verified_one);
	tcase_add_test(tc,
	    another_key_than_the_heads_does_not_sign_the_manifest);
	tcase_add_test(tc, a_filtered_pack_verifies_and_keeps_back_the_rest);
	tcase_add_test(tc, a_period_begins_and_ends_at_heads);
	tcase_add_test(tc, redacted_fields_are_gone_and_it_still_verifies);
	tcase_add_test(tc, a_flipped_bit_anywhere_in_the_file_shows);
	tcase_add_test(tc, a_damaged_ledger_makes_a_pack_that_says_so);
	tcase_add_test(tc, damage_in_the_unsigned_tail_is_not_lost);
	tcase_add_test(tc, a_record_that_cannot_be_read_is_exported_as_it_is);
	tcase_add_test(tc, what_is_no_pack_is_said_so);
	tcase_add_test(tc, the_verdict_leads_with_the_worst);
	tcase_add_test(tc, a_key_is_a_fingerprint_or_a_file_that_holds_one);
	TCase *both = tcase_create("both sites");

	tcase_add_checked_fixture(both, setup_both, teardown_both);
	tcase_add_test(both,
	    the_pack_holds_what_both_sites_recorded_each_by_its_own_key);
	tcase_add_test(both, what_is_kept_back_is_kept_back_of_both);
	tcase_add_test(both,
	    damage_of_the_other_sites_records_makes_the_pack_bad);
	tcase_add_test(both, a_site_that_has_signed_nothing_is_in_no_pack);
	suite_add_tcase(s, both);
	suite_add_tcase(s, tc);
	return s;
}
