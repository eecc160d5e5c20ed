#include <bascule/archive.h>
#include <bascule/base/fdio.h>
#include <bascule/report.h>
#include <bascule/wire.h>
#include <check.h>
#include <fcntl.h>
#include <string.h>

#include "../ledger/make.h"

/* Packs taken apart, changed by somebody who knows the format, and put
 * together again: the seal is not what protects them. */

#define MEMBERS_MAX 32

struct member {
	char name[64];
	struct buf bytes;
};

static struct make m;
static char key[SIGN_FINGERPRINT_SIZE];
static struct member members[MEMBERS_MAX];
static size_t members_count;

static const char policy[] = "bascule policy 2\nrpo = 1h\n";
static const char plan[] = "bascule plan 2\nstart\n";
static char policy_hex[ID_HEX_BYTES], plan_hex[ID_HEX_BYTES];
static const char *limited_to; /* a service; NULL: to none */

static void
digest_of(const char *text, char out[ID_HEX_BYTES])
{
	struct id id;
	struct err e = {0};

	ck_assert_int_eq(hash_sha256(text, strlen(text), &id, &e), ERR_NONE);
	id_hex(&id, out);
}

/* One more policy was in force, whose text nobody kept. */
static void
make_digests(void)
{
	static const char none[] =
	    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	struct draft *d;

	digest_of(policy, policy_hex);
	digest_of(plan, plan_hex);
	d = make_draft("brent", "note", "@service", "housing", "n", "1", NULL);
	draft_policy(d, policy_hex);
	draft_plan(d, plan_hex);
	make_append(&m, d);
	d = make_draft("brent", "note", "n", "2", NULL);
	draft_policy(d, none);
	make_append(&m, d);
}

static enum err_code
find_policy(void *ctx, const char *digest, const char *service, struct buf *out,
    struct err *e)
{
	(void)ctx;
	if (service == NULL && strcmp(digest, policy_hex) == 0)
		return buf_add_text(out, policy, e);
	if (service != NULL && strcmp(service, "housing") == 0 &&
	    strcmp(digest, plan_hex) == 0)
		return buf_add_text(out, plan, e);
	return ERR_NONE;
}

static struct evidence_tally
export_it(const struct sign_key *signer)
{
	OWNED(arc_tar_reader_close) struct arc_tar_reader *r = NULL;
	OWNED(fdio_close) int fd = -1;
	struct evidence_options o = {.signer = signer,
	    .service = limited_to,
	    .policy = find_policy};
	struct evidence_tally t;
	struct arc_member am;
	struct err e = {0};
	char pack[160];

	snprintf(pack, sizeof(pack), "%s/pack", m.td.path);
	ck_assert_int_eq(evidence_export(m.l, &o, pack, &t, &e), ERR_NONE);
	fd = open(pack, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(arc_tar_reader_open(&r, fd, NULL, &e), ERR_NONE);
	while (arc_tar_reader_next(r, &am, &e) == ERR_NONE) {
		struct member *to = &members[members_count++];

		snprintf(to->name, sizeof(to->name), "%s", am.name);
		ck_assert_int_eq(arc_tar_reader_slurp(r, &to->bytes, &e),
		    ERR_NONE);
	}
	return t;
}

static void
setup(void)
{
	struct err e = {0};

	make_setup(&m);
	ck_assert_int_eq(sign_fingerprint(sign_key_public(m.key), key, &e),
	    ERR_NONE);
	for (int i = 0; i < 4; i++)
		make_append(&m,
		    make_draft("brent", "note", "secret", "tea at four", NULL));
	make_digests();
	ck_assert_int_eq(ledger_sign_head(m.l, NULL, &e), ERR_NONE);
	limited_to = NULL;
	export_it(m.key);
}

static void
teardown(void)
{
	for (size_t i = 0; i < members_count; i++)
		buf_fini(&members[i].bytes);
	memset(members, 0, sizeof(members));
	members_count = 0;
	make_teardown(&m);
}

static struct member *
find(const char *name)
{
	for (size_t i = 0; i < members_count; i++)
		if (strcmp(members[i].name, name) == 0)
			return &members[i];
	ck_abort_msg("no member %s", name);
	return NULL;
}

static void
drop(const char *name)
{
	struct member *gone = find(name);
	size_t after = (size_t)(&members[members_count] - (gone + 1));

	buf_fini(&gone->bytes);
	memmove(gone, gone + 1, after * sizeof(*gone));
	members_count--;
	memset(&members[members_count], 0, sizeof(*gone));
}

static enum err_code
sink(void *arg, const void *bytes, size_t len_bytes, struct err *e)
{
	return buf_add(arg, bytes, len_bytes, e);
}

static struct evidence_verdict
judge(const char *fingerprint)
{
	OWNED(arc_tar_writer_discard) struct arc_tar_writer *w = NULL;
	OWNED(buf_fini) struct buf tar = {0};
	struct evidence_verdict v;
	struct utc when = {0};
	struct err e = {0};

	ck_assert_int_eq(arc_tar_writer_open(&w, sink, &tar, 0, when, &e),
	    ERR_NONE);
	for (size_t i = 0; i < members_count; i++)
		ck_assert_int_eq(arc_tar_writer_add(w, members[i].name,
				     members[i].bytes.bytes,
				     members[i].bytes.len_bytes, &e),
		    ERR_NONE);
	ck_assert_int_eq(arc_tar_writer_finish(&w, &e), ERR_NONE);
	ck_assert_int_eq(evidence_verify_members(tar.bytes, tar.len_bytes,
			     fingerprint, &v, &e),
	    ERR_NONE);
	return v;
}

/* Replace text of the same length. */
static void
edit(const char *name, const char *from, const char *to)
{
	struct member *b = find(name);
	char *at =
	    memmem(b->bytes.bytes, b->bytes.len_bytes, from, strlen(from));

	ck_assert_ptr_nonnull(at);
	ck_assert_uint_eq(strlen(from), strlen(to));
	memcpy(at, to, strlen(to));
}

/* Make the manifest agree with a member again. */
static void
put_in_manifest(const char *name, const struct id *before)
{
	char old[ID_HEX_BYTES], new[ID_HEX_BYTES];
	struct member *b = find(name);
	struct id after;
	struct err e = {0};

	ck_assert_int_eq(hash_sha256(b->bytes.bytes, b->bytes.len_bytes, &after,
			     &e),
	    ERR_NONE);
	edit("manifest.json", id_hex(before, old), id_hex(&after, new));
}

static struct id
hash_of(const char *name)
{
	struct member *b = find(name);
	struct id hash;
	struct err e = {0};

	ck_assert_int_eq(hash_sha256(b->bytes.bytes, b->bytes.len_bytes, &hash,
			     &e),
	    ERR_NONE);
	return hash;
}

/* ... and the sums, and the manifest with these. */
static void
put_in_sums(const char *name, const struct id *before)
{
	char old[ID_HEX_BYTES], new[ID_HEX_BYTES];
	struct id sums = hash_of("SHA256SUMS"), after = hash_of(name);

	edit("SHA256SUMS", id_hex(before, old), id_hex(&after, new));
	put_in_manifest("SHA256SUMS", &sums);
}

START_TEST(put_together_unchanged_it_is_good)
{
	struct evidence_verdict v = judge(key);

	ck_assert_msg(!v.bad, "%s at %s", v.what, v.where);
	ck_assert(v.manifest_signed);
}
END_TEST

START_TEST(a_member_the_manifest_does_not_agree_with_is_named)
{
	struct evidence_verdict v;

	edit("events.txt", "tea at four", "tea at five");
	v = judge(key);
	ck_assert(v.bad);
	ck_assert_str_eq(v.where, "events.txt");
}
END_TEST

START_TEST(a_changed_manifest_is_not_what_was_signed)
{
	struct id before = hash_of("events.txt");
	struct evidence_verdict v;

	edit("events.txt", "tea at four", "tea at five");
	put_in_manifest("events.txt", &before);
	v = judge(key);
	ck_assert(v.bad);
	ck_assert_ptr_nonnull(strstr(v.what, "not what was signed"));
	drop("manifest.sig"); /* then it is the exporter's word, and said so */
	v = judge(key);
	ck_assert(v.bad);
	ck_assert_str_eq(v.where, "SHA256SUMS");
	put_in_sums("events.txt", &before);
	v = judge(key);
	ck_assert_msg(!v.bad, "%s at %s", v.what, v.where);
	ck_assert(!v.manifest_signed);
}
END_TEST

START_TEST(changed_records_fail_whatever_the_manifest_says)
{
	static const char name[] = "records/000001.bin";
	struct id before = hash_of(name);
	struct evidence_verdict v;

	drop("manifest.sig");
	edit(name, "tea at four", "tea at five");
	v = judge(key);
	ck_assert(v.bad);
	ck_assert_str_eq(v.where, name);
	put_in_manifest(name, &before);
	v = judge(key);
	ck_assert(v.bad);
	ck_assert_str_eq(v.where, "brent#2"); /* 1 is no longer before it */
	v = judge(NULL);
	ck_assert(v.bad);
}
END_TEST

/* Changed, with everything that names its hash; nobody signs it. */
static struct evidence_verdict
forge(const char *name, const char *from, const char *to)
{
	struct id before = hash_of(name);

	drop("manifest.sig");
	edit(name, from, to);
	put_in_manifest(name, &before);
	if (strcmp(name, "SHA256SUMS") != 0)
		put_in_sums(name, &before);
	return judge(key);
}

static void
name_of(const char *folder, const char *hex, char out[64])
{
	snprintf(out, 64, "%s/%.32s.txt", folder, hex);
}

START_TEST(a_policy_is_the_text_of_the_digest_that_records_name)
{
	struct evidence_verdict v = judge(key);
	char name[64];

	name_of("policies", policy_hex, name);
	ck_assert_uint_eq(v.policies_count, 1);
	ck_assert_uint_eq(v.policies_named, 2);
	ck_assert_uint_eq(find(name)->bytes.len_bytes, strlen(policy));
	v = forge(name, "rpo = 1h", "rpo = 9h");
	ck_assert(v.bad);
	ck_assert_str_eq(v.where, name);
	ck_assert_ptr_nonnull(strstr(v.what, "digest"));
}
END_TEST

START_TEST(a_pack_of_one_service_has_its_plan_and_no_policy)
{
	struct evidence_tally t;
	struct evidence_verdict v;
	char name[64];

	while (members_count > 0)
		drop(members[0].name);
	limited_to = "housing";
	t = export_it(m.key);
	ck_assert_uint_eq(t.policies_count, 1);
	ck_assert_uint_eq(t.policies_left_count, 0);
	v = judge(key);
	ck_assert_msg(!v.bad, "%s at %s", v.what, v.where);
	ck_assert_uint_eq(v.policies_count, 0);
	ck_assert_uint_eq(v.plans_count, 1);
	name_of("plans", plan_hex, name);
	v = forge(name, "start", "stop!");
	ck_assert(v.bad);
	ck_assert_str_eq(v.where, name);
}
END_TEST

START_TEST(the_keys_are_those_that_heads_and_records_name)
{
	struct evidence_verdict v = judge(key);
	char forged[SIGN_FINGERPRINT_SIZE];

	ck_assert(v.keys_listed);
	ck_assert_ptr_nonnull(strstr(buf_text(&find("keys.txt")->bytes), key));
	memcpy(forged, key, sizeof(forged));
	forged[20] = forged[20] == 'A' ? 'B' : 'A';
	v = forge("keys.txt", key, forged);
	ck_assert(v.bad);
	ck_assert_str_eq(v.where, "keys.txt");
}
END_TEST

START_TEST(the_sums_are_those_of_the_members)
{
	struct evidence_verdict v = forge("SHA256SUMS", "events", "evenst");

	ck_assert(v.bad);
	ck_assert_str_eq(v.where, "SHA256SUMS");
}
END_TEST

START_TEST(members_are_all_there_and_no_more)
{
	drop("events.txt");
	ck_assert(judge(key).bad);
	export_it(m.key); /* every member twice now */
	ck_assert(judge(key).bad);
}
END_TEST

/* The manifest's signature as another would make it. */
static void
sign_as(const struct sign_key *other)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct buf *manifest = &find("manifest.json")->bytes;
	struct buf *to = &find("manifest.sig")->bytes;
	uint8_t signature[SIGN_BYTES];
	struct err e = {0};

	ck_assert_int_eq(sign_make(other, "bascule evidence v1",
			     manifest->bytes, manifest->len_bytes, signature,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(wire_new(&v, NULL, &e), ERR_NONE);
	wire_add_hex(v, "signer", sign_key_public(other)->bytes,
	    SIGN_PUBLIC_BYTES);
	wire_add_hex(v, "signature", signature, SIGN_BYTES);
	buf_clear(to);
	ck_assert_int_eq(wire_line(v, to, &e), ERR_NONE);
}

START_TEST(another_key_cannot_sign_the_manifest)
{
	OWNED(sign_key_free) struct sign_key *other = NULL;
	struct evidence_verdict v;
	struct err e = {0};

	ck_assert_int_eq(sign_key_new(&other, &e), ERR_NONE);
	sign_as(other);
	v = judge(key);
	ck_assert(v.bad);
	ck_assert_str_eq(v.where, "manifest.sig");
}
END_TEST

START_TEST(a_newer_format_is_too_new)
{
	OWNED(arc_tar_writer_discard) struct arc_tar_writer *w = NULL;
	OWNED(buf_fini) struct buf tar = {0};
	struct member *manifest = find("manifest.json");
	struct evidence_verdict v;
	struct utc when = {0};
	struct err e = {0};

	edit("manifest.json", "\"format\": 1", "\"format\": 9");
	ck_assert_int_eq(arc_tar_writer_open(&w, sink, &tar, 0, when, &e),
	    ERR_NONE);
	ck_assert_int_eq(arc_tar_writer_add(w, manifest->name,
			     manifest->bytes.bytes, manifest->bytes.len_bytes,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(arc_tar_writer_finish(&w, &e), ERR_NONE);
	ck_assert_int_eq(evidence_verify_members(tar.bytes, tar.len_bytes, NULL,
			     &v, &e),
	    ERR_TOONEW);
}
END_TEST

Suite *suite_report_members(void);

Suite *
suite_report_members(void)
{
	Suite *s = suite_create("report/members");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, put_together_unchanged_it_is_good);
	tcase_add_test(tc, a_member_the_manifest_does_not_agree_with_is_named);
	tcase_add_test(tc, a_changed_manifest_is_not_what_was_signed);
	tcase_add_test(tc, changed_records_fail_whatever_the_manifest_says);
	tcase_add_test(tc,
	    a_policy_is_the_text_of_the_digest_that_records_name);
	tcase_add_test(tc, a_pack_of_one_service_has_its_plan_and_no_policy);
	tcase_add_test(tc, the_keys_are_those_that_heads_and_records_name);
	tcase_add_test(tc, the_sums_are_those_of_the_members);
	tcase_add_test(tc, members_are_all_there_and_no_more);
	tcase_add_test(tc, another_key_cannot_sign_the_manifest);
	tcase_add_test(tc, a_newer_format_is_too_new);
	suite_add_tcase(s, tc);
	return s;
}
