#include <bascule/crypt.h>

#include <check.h>
#include <string.h>

#include "../../../lib/crypt/hpke.h"
#include "support/vector.h"

Suite *suite_crypt_recipients(void);

static void
next_secret(struct vector *v, const char *name, struct secret *out)
{
	struct err e = {0};

	vector_next(v, name);
	ck_assert_int_eq(secret_set(out, v->bytes, v->len_bytes, &e), ERR_NONE);
}

struct rfc {
	struct secret ephemeral, own, plain;
	struct recipients_public to;
	uint8_t info[32], enc[32];
	struct recipients_bind bind;
	struct vector v; /* at the AES-256 block */
};

static void
rfc_open(struct rfc *r)
{
	memset(r, 0, sizeof *r);
	vector_open(&r->v, "hpke-x25519-sha256.txt");
	vector_next(&r->v, "info");
	memcpy(r->info, r->v.bytes, r->v.len_bytes);
	r->bind =
	    (struct recipients_bind){r->info, r->v.len_bytes, "Count-0", 7};
	next_secret(&r->v, "skEm", &r->ephemeral);
	vector_next(&r->v, "pkEm");
	memcpy(r->enc, r->v.bytes, 32);
	next_secret(&r->v, "skRm", &r->own);
	vector_next(&r->v, "pkRm");
	memcpy(r->to.bytes, r->v.bytes, 32);
	next_secret(&r->v, "pt", &r->plain);
	vector_next(&r->v, "key"); /* AES-128 */
	vector_next(&r->v, "key");
}

static void
rfc_close(struct rfc *r)
{
	vector_close(&r->v);
	secret_fini(&r->ephemeral);
	secret_fini(&r->own);
	secret_fini(&r->plain);
}

/*
 * Computed from docs/format/keys.md alone:
 * sha256(b"bascule-recipient-" + bytes(range(32)))[:4]
 */
#define BYTES_TEXT \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

START_TEST(a_public_key_is_handed_on_as_text_and_a_slip_is_seen)
{
	struct recipients_public pub, back;
	char text[RECIPIENTS_TEXT_SIZE], writer[SIGN_TEXT_SIZE];
	struct sign_public signer;
	struct err e = {0};

	for (uint8_t i = 0; i < RECIPIENTS_KEY_BYTES; i++)
		pub.bytes[i] = signer.bytes[i] = i;
	ck_assert_int_eq(recipients_text(&pub, text, &e), ERR_NONE);
	ck_assert_str_eq(text, "bascule-recipient-" BYTES_TEXT "84b4de7a");
	ck_assert_int_eq(recipients_parse(&back, text, &e), ERR_NONE);
	ck_assert_mem_eq(&back, &pub, sizeof pub);
	ck_assert_int_eq(sign_text(&signer, writer, &e), ERR_NONE);
	ck_assert_str_eq(writer, "bascule-writer-" BYTES_TEXT "e475f1a5");
	ck_assert_int_eq(recipients_parse(&back, writer, &e), ERR_INPUT);
	for (size_t i = 0; i < RECIPIENTS_TEXT_SIZE - 1; i++) {
		char was = text[i];

		text[i] = was == '7' ? '8' : '7';
		ck_assert_int_eq(recipients_parse(&back, text, &e), ERR_INPUT);
		text[i] = '\0';
		ck_assert_int_eq(recipients_parse(&back, text, &e), ERR_INPUT);
		text[i] = was;
	}
}
END_TEST

START_TEST(the_key_schedule_of_rfc_9180_comes_out_on_both_sides)
{
	struct hpke sender, receiver;
	struct err e = {0};
	uint8_t enc[32];
	struct rfc r;

	rfc_open(&r);
	ck_assert_int_eq(hpke_send(&sender, &r.ephemeral, &r.to, &r.bind, enc,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(hpke_receive(&receiver, &r.own, r.enc, &r.bind, &e),
	    ERR_NONE);
	ck_assert_mem_eq(enc, r.enc, 32);
	ck_assert_mem_eq(sender.key, r.v.bytes, 32);
	ck_assert_mem_eq(receiver.key, r.v.bytes, 32);
	vector_next(&r.v, "base_nonce");
	ck_assert_mem_eq(sender.nonce, r.v.bytes, 12);
	ck_assert_mem_eq(receiver.nonce, r.v.bytes, 12);
	rfc_close(&r);
}
END_TEST

START_TEST(the_messages_of_rfc_9180_come_out)
{
	static const struct {
		const char *line, *aad;
		uint8_t high, low; /* of the sequence number */
	} seqs[] = {
	    {"seq 0 ct", "Count-0", 0, 0},
	    {"seq 1 ct", "Count-1", 0, 1},
	    {"seq 255 ct", "Count-255", 0, 255},
	    {"seq 256 ct", "Count-256", 1, 0},
	};
	OWNED(secret_fini) struct secret back = {0};
	struct err e = {0};
	struct hpke h, at;
	uint8_t enc[32], out[128];
	struct rfc r;

	rfc_open(&r);
	ck_assert_int_eq(hpke_send(&h, &r.ephemeral, &r.to, &r.bind, enc, &e),
	    ERR_NONE);
	for (size_t i = 0; i < COUNT_OF(seqs); i++) {
		at = h;
		at.nonce[10] ^= seqs[i].high;
		at.nonce[11] ^= seqs[i].low;
		r.bind.aad = seqs[i].aad;
		r.bind.aad_bytes = strlen(seqs[i].aad);
		vector_next(&r.v, seqs[i].line);
		ck_assert_int_eq(hpke_close(&at, &r.bind, &r.plain, out, &e),
		    ERR_NONE);
		ck_assert_uint_eq(r.v.len_bytes, r.plain.len_bytes + 16);
		ck_assert_mem_eq(out, r.v.bytes, r.v.len_bytes);
		ck_assert_int_eq(hpke_open(&at, &r.bind, r.v.bytes,
				     r.v.len_bytes, &back, &e),
		    ERR_NONE);
		ck_assert_uint_eq(back.len_bytes, r.plain.len_bytes);
		ck_assert_mem_eq(back.bytes, r.plain.bytes, back.len_bytes);
	}
	rfc_close(&r);
}
END_TEST

/* Two recipients, one content key, its list. */
struct fixture {
	struct secret own[2], content;
	struct recipients_public pub[2];
	uint8_t family[RECIPIENTS_FAMILY_BYTES];
	struct recipients_key name;
	struct buf list;
	size_t stanza_bytes;
};

static void
fixture_make(struct fixture *f)
{
	OWNED(seal_key_free) struct seal_key *key = NULL;
	struct err e = {0};

	memset(f, 0, sizeof *f);
	ck_assert_int_eq(secret_random(&f->content, SEAL_KEY_BYTES, &e),
	    ERR_NONE);
	ck_assert_int_eq(seal_key_new(&key, &f->content, &e), ERR_NONE);
	f->name.family = f->family;
	f->name.key_id = *seal_key_id(key);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(recipients_new(&f->own[i], &f->pub[i], &e),
		    ERR_NONE);
		ck_assert_int_eq(recipients_wrap_key(&f->list, &f->pub[i],
				     &f->name, &f->content, &e),
		    ERR_NONE);
	}
	f->stanza_bytes = f->list.len_bytes / 2;
}

static void
fixture_end(struct fixture *f)
{
	secret_fini(&f->own[0]);
	secret_fini(&f->own[1]);
	secret_fini(&f->content);
	buf_fini(&f->list);
}

static enum err_code
unwrap(struct fixture *f, int who, struct secret *out)
{
	struct err e = {0};

	return recipients_unwrap_key(out, &f->own[who], &f->name, f->list.bytes,
	    f->list.len_bytes, &e);
}

START_TEST(every_recipient_gets_the_content_key)
{
	struct fixture f;

	fixture_make(&f);
	for (int i = 0; i < 2; i++) {
		OWNED(secret_fini) struct secret out = {0};

		ck_assert_int_eq(unwrap(&f, i, &out), ERR_NONE);
		ck_assert_uint_eq(out.len_bytes, SEAL_KEY_BYTES);
		ck_assert_mem_eq(out.bytes, f.content.bytes, SEAL_KEY_BYTES);
	}
	fixture_end(&f);
}
END_TEST

START_TEST(nobody_else_does)
{
	OWNED(secret_fini) struct secret out = {0};
	struct recipients_public pub;
	struct err e = {0};
	struct fixture f;

	fixture_make(&f);
	ck_assert_int_eq(recipients_new(&f.own[0], &pub, &e), ERR_NONE);
	ck_assert_int_eq(unwrap(&f, 0, &out), ERR_KEY);
	ck_assert_ptr_null(out.bytes);
	fixture_end(&f);
}
END_TEST

START_TEST(a_key_is_bound_to_its_family_and_its_name)
{
	OWNED(secret_fini) struct secret out = {0};
	struct fixture f;

	fixture_make(&f);
	f.family[3] ^= 1;
	ck_assert_int_eq(unwrap(&f, 0, &out), ERR_CORRUPT);
	f.family[3] ^= 1;
	f.name.key_id.bytes[0] ^= 1;
	ck_assert_int_eq(unwrap(&f, 0, &out), ERR_CORRUPT);
	ck_assert_ptr_null(out.bytes);
	fixture_end(&f);
}
END_TEST

START_TEST(a_wrong_key_under_a_right_name_is_damage)
{
	OWNED(secret_fini) struct secret out = {0};
	struct err e = {0};
	struct fixture f;

	fixture_make(&f);
	buf_clear(&f.list);
	f.content.bytes[0] ^= 1; /* the wrapper lies */
	ck_assert_int_eq(recipients_wrap_key(&f.list, &f.pub[0], &f.name,
			     &f.content, &e),
	    ERR_NONE);
	ck_assert_int_eq(unwrap(&f, 0, &out), ERR_CORRUPT);
	ck_assert_ptr_null(out.bytes);
	fixture_end(&f);
}
END_TEST

START_TEST(any_flipped_bit_of_a_list_is_noticed)
{
	OWNED(secret_fini) struct secret out = {0};
	enum err_code rc;
	struct fixture f;

	fixture_make(&f);
	for (size_t i = 0; i < f.stanza_bytes; i++) {
		f.list.bytes[i] ^= 1;
		rc = unwrap(&f, 0, &out);
		ck_assert(rc == ERR_CORRUPT || rc == ERR_KEY);
		f.list.bytes[i] ^= 1;
	}
	fixture_end(&f);
}
END_TEST

START_TEST(stanzas_of_unknown_algorithms_are_stepped_over)
{
	static const uint8_t newer[] = {0x34, 0x12, 3, 0, 1, 2, 3};
	OWNED(secret_fini) struct secret out = {0};
	OWNED(buf_fini) struct buf list = {0};
	struct id ids[RECIPIENTS_MAX];
	struct err e = {0};
	struct fixture f;
	size_t count;

	fixture_make(&f);
	ck_assert_int_eq(buf_add(&list, newer, sizeof newer, &e), ERR_NONE);
	ck_assert_int_eq(buf_add(&list, f.list.bytes, f.list.len_bytes, &e),
	    ERR_NONE);
	ck_assert_int_eq(recipients_unwrap_key(&out, &f.own[1], &f.name,
			     list.bytes, list.len_bytes, &e),
	    ERR_NONE);
	ck_assert_int_eq(recipients_list(list.bytes, list.len_bytes, ids,
			     &count, &e),
	    ERR_NONE);
	ck_assert_uint_eq(count, 2);
	fixture_end(&f);
}
END_TEST

START_TEST(malformed_lists_are_damage)
{
	struct id ids[RECIPIENTS_MAX];
	struct err e = {0};
	struct fixture f;
	size_t count;

	fixture_make(&f);
	for (size_t len = 1; len < f.list.len_bytes; len++)
		if (len != f.stanza_bytes)
			ck_assert_int_eq(recipients_list(f.list.bytes, len, ids,
					     &count, &e),
			    ERR_CORRUPT);
	for (size_t i = 0; i < 16; i++)
		ck_assert_int_eq(recipients_wrap_key(&f.list, &f.pub[0],
				     &f.name, &f.content, &e),
		    ERR_NONE);
	ck_assert_int_eq(recipients_list(f.list.bytes, f.list.len_bytes, ids,
			     &count, &e),
	    ERR_CORRUPT);
	fixture_end(&f);
}
END_TEST

START_TEST(a_public_key_of_small_order_is_refused)
{
	struct recipients_public zero = {{0}};
	OWNED(buf_fini) struct buf out = {0};
	struct err e = {0};
	struct fixture f;

	fixture_make(&f);
	ck_assert_int_eq(recipients_wrap_key(&out, &zero, &f.name, &f.content,
			     &e),
	    ERR_CORRUPT);
	ck_assert_uint_eq(out.len_bytes, 0);
	fixture_end(&f);
}
END_TEST

Suite *
suite_crypt_recipients(void)
{
	Suite *s = suite_create("crypt/recipients");
	TCase *tc = tcase_create("recipients");

	tcase_add_test(tc,
	    a_public_key_is_handed_on_as_text_and_a_slip_is_seen);
	tcase_add_test(tc,
	    the_key_schedule_of_rfc_9180_comes_out_on_both_sides);
	tcase_add_test(tc, the_messages_of_rfc_9180_come_out);
	tcase_add_test(tc, every_recipient_gets_the_content_key);
	tcase_add_test(tc, nobody_else_does);
	tcase_add_test(tc, a_key_is_bound_to_its_family_and_its_name);
	tcase_add_test(tc, a_wrong_key_under_a_right_name_is_damage);
	tcase_add_test(tc, any_flipped_bit_of_a_list_is_noticed);
	tcase_add_test(tc, stanzas_of_unknown_algorithms_are_stepped_over);
	tcase_add_test(tc, malformed_lists_are_damage);
	tcase_add_test(tc, a_public_key_of_small_order_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
