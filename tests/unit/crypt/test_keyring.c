#include <bascule/crypt.h>

#include <check.h>
#include <fcntl.h>
#include <string.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

Suite *suite_crypt_keyring(void);

#define AT_VERSION 10
#define AT_HOLDS   32
#define AT_LOG_N   35
#define AT_R       36
#define AT_P       38
#define AT_ROLES   40
#define AT_LENGTH  100
#define AT_ITEMS   104

struct family {
	struct keyring *ops, *escrow;
	struct secret file; /* of ops, unwrapped */
};

static void
family_make(struct family *f)
{
	struct err e = {0};

	memset(f, 0, sizeof *f);
	ck_assert_int_eq(keyring_new_family(&f->ops, &f->escrow, &e), ERR_NONE);
	ck_assert_int_eq(keyring_save(f->ops, NULL, &f->file, &e), ERR_NONE);
}

static void
family_end(struct family *f)
{
	keyring_free(&f->ops);
	keyring_free(&f->escrow);
	secret_fini(&f->file);
}

static enum err_code
load(const struct secret *file, const char *passphrase)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	OWNED(secret_fini) struct secret pass = {0};
	struct err e = {0};
	enum err_code rc;

	if (passphrase != NULL)
		ck_assert_int_eq(secret_set(&pass, passphrase,
				     strlen(passphrase), &e),
		    ERR_NONE);
	rc = keyring_load(&k, file, passphrase == NULL ? NULL : &pass, &e);
	ck_assert((rc == ERR_NONE) == (k != NULL));
	return rc;
}

/* Make the trailer fit again after a change. */
static void
rehash(struct secret *file)
{
	struct err e = {0};
	struct id hash;

	ck_assert_int_eq(hash_sha256(file->bytes, file->len_bytes - HASH_BYTES,
			     &hash, &e),
	    ERR_NONE);
	memcpy(file->bytes + file->len_bytes - HASH_BYTES, hash.bytes,
	    HASH_BYTES);
}

static void
golden(const char *name, struct secret *file)
{
	OWNED(buf_fini) struct buf b = {0};
	struct err e = {0};
	char path[128];

	snprintf(path, sizeof path, "tests/golden/%s", name);
	ck_assert_int_eq(fdio_slurp(AT_FDCWD, path, 4096, &b, &e), ERR_NONE);
	ck_assert_int_eq(secret_set(file, b.bytes, b.len_bytes, &e), ERR_NONE);
}

static void
subkey_is(const struct keyring *k, enum keyring_use use, const char *hex)
{
	OWNED(secret_fini) struct secret s = {0};
	char out[TEXT_HEX_BYTES(HASH_KEY_BYTES)];
	struct err e = {0};

	ck_assert_int_eq(keyring_subkey(k, NULL, use, &s, &e), ERR_NONE);
	ck_assert_str_eq(text_hex(s.bytes, s.len_bytes, out), hex);
}

/*
 * tests/golden/keyring-v1*.key were written, and the numbers below computed,
 * by a program of another language from docs/format/keys.md alone.
 */
static void
golden_check(const struct keyring *k)
{
	struct id old, id;
	char hex[ID_HEX_BYTES];
	struct hash_key *key;
	struct err e = {0};
	size_t count;

	ck_assert_uint_eq(keyring_roles(k), 7);
	ck_assert_uint_eq(keyring_generation(k), 3);
	ck_assert_uint_eq(keyring_family(k)[15], 0xaf);
	ck_assert_str_eq(id_hex(keyring_domain(k), hex),
	    "214292f88a62a4089928d6844b1f6e49ac283efbd6612974c4cc5591d0f75a0c");
	subkey_is(k, KEYRING_ID_DATA,
	    "a18d2f736b5149046dd37b20a68feb70c8d66cd9ec9cb092d7234cc8fb57ca8a");
	subkey_is(k, KEYRING_ID_LEAF,
	    "6bcc2c200a9d159162490bbaec6405a8b571c3d19070b4199660c08e797ddb3b");
	subkey_is(k, KEYRING_ID_INNER,
	    "99f1b12660c07be761a1c0bb075f0bd22c2490e3f6c5d0292552f6cfff39498d");
	subkey_is(k, KEYRING_ID_LIST,
	    "0fdb9de5e45a46844e64af069008dceece71a0c0e37826b751581a28a1c81f78");
	subkey_is(k, KEYRING_CHUNKER,
	    "72f0385e70730115a6d02390a2353a94ea17d3de054562e766a809d218c4d6b2");
	subkey_is(k, KEYRING_SPLIT,
	    "5ac39b91275f0fcf92761a16e119822cc97a80d5f8f63762df8b45c957d398c8");
	subkey_is(k, KEYRING_LINK,
	    "5448809c119a331c751cf0ad5561bb636e3d72f3fffa84b1a7774cee97f42595");

	ck_assert(id_parse("7ff9846e1a573bf98f3715ed8396b68e"
			   "c2e0f7c2bfab23a8bba1f737c4fac411",
	    &old));
	ck_assert_int_eq(keyring_id_key(k, &old, KEYRING_ID_DATA, &key, &e),
	    ERR_NONE);
	hash_id(key, "hello", 5, &id);
	hash_key_free(&key);
	ck_assert_str_eq(id_hex(&id, hex),
	    "c6ba00afe74d24a11be5bbb2724bb00bb99ca63b4b296dbfb343b161b13743cf");
	ck_assert_str_eq(text_hex(keyring_own_public(k)->bytes,
			     RECIPIENTS_KEY_BYTES, hex),
	    "0faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20");
	ck_assert_mem_eq(keyring_recipients(k, &count)[0].bytes,
	    keyring_own_public(k)->bytes, RECIPIENTS_KEY_BYTES);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(text_hex(sign_key_public(keyring_writer(k))->bytes,
			     SIGN_PUBLIC_BYTES, hex),
	    "884b8857f4eaa1613c61504db34d4beaf346517a0e31de3cddd4d9b4201d9d0b");
}

START_TEST(a_file_written_from_the_document_alone_is_read)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	OWNED(secret_fini) struct secret file = {0};
	struct err e = {0};

	golden("keyring-v1.key", &file);
	ck_assert(!keyfile_is_wrapped(&file));
	ck_assert_int_eq(keyring_load(&k, &file, NULL, &e), ERR_NONE);
	golden_check(k);
}
END_TEST

START_TEST(so_is_one_wrapped_by_a_passphrase)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	OWNED(secret_fini) struct secret file = {0};
	OWNED(secret_fini) struct secret pass = {0};
	struct err e = {0};

	golden("keyring-v1-wrapped.key", &file);
	ck_assert(keyfile_is_wrapped(&file));
	ck_assert_int_eq(secret_set(&pass, "correct horse", 13, &e), ERR_NONE);
	ck_assert_int_eq(keyring_load(&k, &file, &pass, &e), ERR_NONE);
	golden_check(k);
	ck_assert_int_eq(load(&file, "wrong horse"), ERR_KEY);
	ck_assert_int_eq(load(&file, NULL), ERR_KEY);
	ck_assert_int_eq(load(&file, ""), ERR_KEY);
}
END_TEST

START_TEST(operations_and_escrow_both_open_what_operations_writes)
{
	OWNED(secret_fini) struct secret content = {0};
	OWNED(secret_fini) struct secret back = {0};
	OWNED(seal_key_free) struct seal_key *key = NULL;
	OWNED(buf_fini) struct buf list = {0};
	struct family f;
	struct err e = {0};
	bool all;

	family_make(&f);
	ck_assert_uint_eq(keyring_roles(f.ops), 7);
	ck_assert_uint_eq(keyring_roles(f.escrow), KEYRING_READ);
	ck_assert_int_eq(keyring_new_content_key(f.ops, &content, &list, &e),
	    ERR_NONE);
	ck_assert_int_eq(seal_key_new(&key, &content, &e), ERR_NONE);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(keyring_unwrap(i == 0 ? f.ops : f.escrow,
				     seal_key_id(key), list.bytes,
				     list.len_bytes, &back, &e),
		    ERR_NONE);
		ck_assert_mem_eq(back.bytes, content.bytes, SEAL_KEY_BYTES);
	}
	ck_assert_int_eq(keyring_all_can_open(f.escrow, list.bytes,
			     list.len_bytes, &all, &e),
	    ERR_NONE);
	ck_assert(all);
	family_end(&f);
}
END_TEST

START_TEST(escrow_reads_and_verifies_and_cannot_write)
{
	OWNED(secret_fini) struct secret content = {0};
	OWNED(secret_fini) struct secret a = {0};
	OWNED(secret_fini) struct secret b = {0};
	OWNED(buf_fini) struct buf list = {0};
	OWNED(keyring_free) struct keyring *k = NULL;
	struct family f;
	struct err e = {0};

	family_make(&f);
	ck_assert_int_eq(keyring_new_content_key(f.escrow, &content, &list, &e),
	    ERR_REFUSED);
	ck_assert_int_eq(keyring_new_writer(&k, f.escrow, &e), ERR_REFUSED);
	ck_assert_ptr_null(keyring_writer(f.escrow));
	ck_assert_ptr_null(keyring_admin(f.escrow));
	ck_assert_int_eq(keyring_subkey(f.escrow, keyring_domain(f.ops),
			     KEYRING_ID_DATA, &a, &e),
	    ERR_NONE);
	ck_assert_int_eq(keyring_subkey(f.ops, NULL, KEYRING_ID_DATA, &b, &e),
	    ERR_NONE);
	ck_assert_mem_eq(a.bytes, b.bytes, HASH_KEY_BYTES);
	ck_assert_mem_eq(keyring_admin_public(f.escrow),
	    sign_key_public(keyring_admin(f.ops)), SIGN_PUBLIC_BYTES);
	family_end(&f);
}
END_TEST

START_TEST(a_writer_backs_up_and_cannot_read)
{
	OWNED(secret_fini) struct secret content = {0};
	OWNED(secret_fini) struct secret back = {0};
	OWNED(seal_key_free) struct seal_key *key = NULL;
	OWNED(keyring_free) struct keyring *k = NULL;
	OWNED(buf_fini) struct buf list = {0};
	struct family f;
	struct err e = {0};

	family_make(&f);
	ck_assert_int_eq(keyring_new_writer(&k, f.ops, &e), ERR_NONE);
	ck_assert_uint_eq(keyring_roles(k), KEYRING_WRITE);
	ck_assert_ptr_null(keyring_own_public(k));
	ck_assert_mem_ne(sign_key_public(keyring_writer(k)),
	    sign_key_public(keyring_writer(f.ops)), SIGN_PUBLIC_BYTES);
	ck_assert_int_eq(keyring_new_content_key(k, &content, &list, &e),
	    ERR_NONE);
	ck_assert_int_eq(seal_key_new(&key, &content, &e), ERR_NONE);
	ck_assert_int_eq(keyring_unwrap(k, seal_key_id(key), list.bytes,
			     list.len_bytes, &back, &e),
	    ERR_KEY);
	ck_assert_int_eq(keyring_unwrap(f.escrow, seal_key_id(key), list.bytes,
			     list.len_bytes, &back, &e),
	    ERR_NONE);
	family_end(&f);
}
END_TEST

START_TEST(a_member_holds_the_roles_it_was_made_for)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	struct family f;
	struct err e = {0};
	size_t count;

	family_make(&f);
	for (unsigned roles = 1; roles <= 7; roles++) {
		keyring_free(&k);
		ck_assert_int_eq(keyring_new_member(&k, f.ops, roles, &e),
		    ERR_NONE);
		ck_assert_uint_eq(keyring_roles(k), roles);
		ck_assert_mem_eq(keyring_family(k), keyring_family(f.ops),
		    RECIPIENTS_FAMILY_BYTES);
		(void)keyring_recipients(k, &count);
		ck_assert_uint_eq(count, roles & KEYRING_READ ? 3 : 2);
		if (keyring_writer(k) != NULL)
			ck_assert_mem_ne(sign_key_public(keyring_writer(k)),
			    sign_key_public(keyring_writer(f.ops)),
			    SIGN_PUBLIC_BYTES);
	}
	keyring_free(&k);
	ck_assert_int_eq(keyring_new_member(&k, f.ops, 0, &e), ERR_INPUT);
	ck_assert_int_eq(keyring_new_member(&k, f.ops, 8, &e), ERR_INPUT);
	ck_assert_int_eq(keyring_new_member(&k, f.escrow, KEYRING_ADMIN, &e),
	    ERR_REFUSED);
	ck_assert_ptr_null(k);
	family_end(&f);
}
END_TEST

START_TEST(a_recipient_goes_but_not_itself_nor_the_last_two)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	struct family f;
	struct err e = {0};
	struct id own, escrow;
	size_t count;

	family_make(&f);
	ck_assert_int_eq(recipients_id(keyring_own_public(f.ops), &own, &e),
	    ERR_NONE);
	ck_assert_int_eq(recipients_id(keyring_own_public(f.escrow), &escrow,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(keyring_remove_recipient(f.ops, &own, &e),
	    ERR_REFUSED);
	ck_assert_int_eq(keyring_remove_recipient(f.ops, &escrow, &e),
	    ERR_REFUSED);
	ck_assert_int_eq(keyring_new_member(&k, f.ops, KEYRING_READ, &e),
	    ERR_NONE);
	ck_assert_int_eq(keyring_add_recipient(f.ops, keyring_own_public(k),
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(keyring_remove_recipient(f.ops, &escrow, &e),
	    ERR_NONE);
	ck_assert_int_eq(keyring_remove_recipient(f.ops, &escrow, &e),
	    ERR_NOTFOUND);
	(void)keyring_recipients(f.ops, &count);
	ck_assert_uint_eq(count, 2);
	family_end(&f);
}
END_TEST

START_TEST(an_update_brings_generations_and_recipients_and_no_roles)
{
	OWNED(keyring_free) struct keyring *host = NULL;
	OWNED(keyring_free) struct keyring *other = NULL;
	OWNED(keyring_free) struct keyring *other_escrow = NULL;
	struct sign_public writer;
	struct family f;
	struct err e = {0};
	size_t count;

	family_make(&f);
	ck_assert_int_eq(keyring_new_writer(&host, f.ops, &e), ERR_NONE);
	writer = *sign_key_public(keyring_writer(host));
	ck_assert_int_eq(keyring_new_member(&other, f.ops, KEYRING_READ, &e),
	    ERR_NONE);
	ck_assert_int_eq(keyring_add_recipient(f.ops, keyring_own_public(other),
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(keyring_rotate(f.ops, &e), ERR_NONE);
	ck_assert_int_eq(keyring_update(host, f.ops, &e), ERR_NONE);
	ck_assert(id_equal(keyring_domain(host), keyring_domain(f.ops)));
	ck_assert_uint_eq(keyring_roles(host), KEYRING_WRITE);
	ck_assert_mem_eq(sign_key_public(keyring_writer(host)), &writer,
	    sizeof writer);
	(void)keyring_recipients(host, &count);
	ck_assert_uint_eq(count, 3);
	ck_assert_int_eq(keyring_update(f.ops, f.escrow, &e), ERR_REFUSED);
	keyring_free(&other);
	ck_assert_int_eq(keyring_new_family(&other, &other_escrow, &e),
	    ERR_NONE);
	ck_assert_int_eq(keyring_update(host, other, &e), ERR_KEY);
	family_end(&f);
}
END_TEST

START_TEST(a_generation_reaches_who_reads_by_its_stanza)
{
	OWNED(secret_fini) struct secret a = {0};
	OWNED(secret_fini) struct secret b = {0};
	OWNED(buf_fini) struct buf list = {0};
	const struct id *domain;
	struct family f;
	struct err e = {0};

	family_make(&f);
	ck_assert_int_eq(keyring_rotate(f.ops, &e), ERR_NONE);
	domain = keyring_domain(f.ops);
	ck_assert(id_equal(domain, keyring_domain_nth(f.ops, 1)));
	ck_assert_ptr_null(keyring_domain_nth(f.ops, 2));
	ck_assert_int_eq(keyring_wrap_domain(f.ops, 1,
			     keyring_own_public(f.escrow), &list, &e),
	    ERR_NONE);
	ck_assert_int_eq(keyring_subkey(f.escrow, domain, KEYRING_ID_LEAF, &a,
			     &e),
	    ERR_KEY);
	ck_assert_int_eq(keyring_subkey_wrapped(f.escrow, domain, list.bytes,
			     list.len_bytes, KEYRING_ID_LEAF, &a, &e),
	    ERR_NONE);
	ck_assert_int_eq(keyring_subkey(f.ops, domain, KEYRING_ID_LEAF, &b, &e),
	    ERR_NONE);
	ck_assert_mem_eq(a.bytes, b.bytes, HASH_KEY_BYTES);
	ck_assert_int_eq(keyring_subkey_wrapped(f.ops, domain, list.bytes,
			     list.len_bytes, KEYRING_ID_LEAF, &a, &e),
	    ERR_KEY); /* not for it */
	ck_assert_int_eq(keyring_subkey_wrapped(f.escrow,
			     keyring_domain_nth(f.ops, 0), list.bytes,
			     list.len_bytes, KEYRING_ID_LEAF, &a, &e),
	    ERR_CORRUPT); /* of another domain */
	ck_assert_ptr_null(a.bytes);
	family_end(&f);
}
END_TEST

START_TEST(a_recipient_added_later_cannot_open_what_was_before)
{
	OWNED(secret_fini) struct secret content = {0};
	OWNED(secret_fini) struct secret own = {0};
	OWNED(buf_fini) struct buf list = {0};
	struct recipients_public pub;
	struct family f;
	struct err e = {0};
	bool all;

	family_make(&f);
	ck_assert_int_eq(keyring_new_content_key(f.ops, &content, &list, &e),
	    ERR_NONE);
	ck_assert_int_eq(recipients_new(&own, &pub, &e), ERR_NONE);
	ck_assert_int_eq(keyring_add_recipient(f.ops, &pub, &e), ERR_NONE);
	ck_assert_int_eq(keyring_add_recipient(f.ops, &pub, &e), ERR_EXISTS);
	ck_assert_int_eq(keyring_all_can_open(f.ops, list.bytes, list.len_bytes,
			     &all, &e),
	    ERR_NONE);
	ck_assert(!all);
	ck_assert_int_eq(keyring_new_content_key(f.ops, &content, &list, &e),
	    ERR_NONE);
	ck_assert_int_eq(keyring_all_can_open(f.ops, list.bytes, list.len_bytes,
			     &all, &e),
	    ERR_NONE);
	ck_assert(all);
	family_end(&f);
}
END_TEST

START_TEST(rotation_keeps_the_old_generation_readable)
{
	OWNED(secret_fini) struct secret before = {0};
	OWNED(secret_fini) struct secret after = {0};
	OWNED(secret_fini) struct secret file = {0};
	OWNED(keyring_free) struct keyring *back = NULL;
	struct family f;
	struct err e = {0};
	struct id old;

	family_make(&f);
	old = *keyring_domain(f.ops);
	ck_assert_int_eq(keyring_subkey(f.ops, NULL, KEYRING_CHUNKER, &before,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(keyring_rotate(f.ops, &e), ERR_NONE);
	ck_assert_int_eq(keyring_save(f.ops, NULL, &file, &e), ERR_NONE);
	ck_assert_int_eq(keyring_load(&back, &file, NULL, &e), ERR_NONE);
	ck_assert_uint_eq(keyring_generation(back), 2);
	ck_assert(!id_equal(keyring_domain(back), &old));
	ck_assert_int_eq(keyring_subkey(back, NULL, KEYRING_CHUNKER, &after,
			     &e),
	    ERR_NONE);
	ck_assert_mem_ne(after.bytes, before.bytes, HASH_KEY_BYTES);
	ck_assert_int_eq(keyring_subkey(back, &old, KEYRING_CHUNKER, &after,
			     &e),
	    ERR_NONE);
	ck_assert_mem_eq(after.bytes, before.bytes, HASH_KEY_BYTES);
	ck_assert_int_eq(keyring_subkey(f.escrow, keyring_domain(back),
			     KEYRING_CHUNKER, &after, &e),
	    ERR_KEY);
	family_end(&f);
}
END_TEST

START_TEST(a_keyring_survives_its_wrapped_file)
{
	OWNED(secret_fini) struct secret pass = {0};
	OWNED(secret_fini) struct secret file = {0};
	OWNED(secret_fini) struct secret again = {0};
	OWNED(keyring_free) struct keyring *back = NULL;
	struct family f;
	struct err e = {0};

	family_make(&f);
	ck_assert_int_eq(secret_set(&pass, "tower bridge", 12, &e), ERR_NONE);
	ck_assert_int_eq(keyring_save(f.ops, &pass, &file, &e), ERR_NONE);
	ck_assert_ptr_null(memmem(file.bytes, file.len_bytes,
	    f.file.bytes + AT_ITEMS + 8, HASH_KEY_BYTES));
	ck_assert_int_eq(keyring_load(&back, &file, &pass, &e), ERR_NONE);
	ck_assert_int_eq(keyring_save(back, NULL, &again, &e), ERR_NONE);
	ck_assert_uint_eq(again.len_bytes, f.file.len_bytes);
	ck_assert_mem_eq(again.bytes, f.file.bytes, again.len_bytes);
	secret_cut(&pass, 0);
	ck_assert_int_eq(keyring_save(f.ops, &pass, &file, &e), ERR_KEY);
	family_end(&f);
}
END_TEST

START_TEST(any_flipped_bit_or_missing_end_of_a_key_file_is_damage)
{
	OWNED(secret_fini) struct secret part = {0};
	struct family f;
	struct err e = {0};

	family_make(&f);
	for (size_t i = 0; i < f.file.len_bytes; i++) {
		f.file.bytes[i] ^= 1;
		ck_assert_int_eq(load(&f.file, NULL), ERR_CORRUPT);
		f.file.bytes[i] ^= 1;
	}
	for (size_t len = 0; len < f.file.len_bytes; len++) {
		ck_assert_int_eq(secret_set(&part, f.file.bytes, len, &e),
		    ERR_NONE);
		ck_assert_int_eq(load(&part, NULL), ERR_CORRUPT);
	}
	ck_assert_int_eq(load(&f.file, NULL), ERR_NONE);
	family_end(&f);
}
END_TEST

START_TEST(a_newer_file_is_too_new_and_never_damage)
{
	struct family f;

	family_make(&f);
	f.file.bytes[AT_VERSION] = 2;
	rehash(&f.file);
	ck_assert_int_eq(load(&f.file, NULL), ERR_TOONEW);
	f.file.bytes[AT_VERSION] = 1;
	f.file.bytes[AT_ITEMS] = 99; /* an item nobody here knows */
	rehash(&f.file);
	ck_assert_int_eq(load(&f.file, NULL), ERR_TOONEW);
	family_end(&f);
}
END_TEST

/* Were it computed, this would take 2^40 bytes or a day. */
START_TEST(a_file_cannot_order_more_scrypt_than_we_would_do)
{
	OWNED(secret_fini) struct secret file = {0};
	static const struct {
		uint8_t log_n;
		uint16_t r, p;
	} orders[] = {
	    {40, 8, 1},
	    {20, 8, 1},
	    {17, 8, 1},
	    {15, 1024, 1},
	    {15, 8, 5},
	    {15, 8, 65535},
	    {15, 0, 1},
	    {15, 8, 0},
	    {9, 8, 1},
	    {0, 0, 0},
	};

	golden("keyring-v1-wrapped.key", &file);
	for (size_t i = 0; i < COUNT_OF(orders); i++) {
		file.bytes[AT_LOG_N] = orders[i].log_n;
		le_put16(file.bytes + AT_R, orders[i].r);
		le_put16(file.bytes + AT_P, orders[i].p);
		rehash(&file);
		ck_assert_int_eq(load(&file, "correct horse"), ERR_CORRUPT);
	}
}
END_TEST

START_TEST(roles_and_items_must_agree)
{
	struct family f;

	family_make(&f);
	for (uint8_t roles = 0; roles < 16; roles++) {
		f.file.bytes[AT_ROLES] = roles;
		rehash(&f.file);
		ck_assert_int_eq(load(&f.file, NULL),
		    roles == 7 ? ERR_NONE : ERR_CORRUPT);
	}
	f.file.bytes[AT_ROLES] = 7;
	f.file.bytes[AT_ITEMS + 4] = 0; /* generation 0 */
	rehash(&f.file);
	ck_assert_int_eq(load(&f.file, NULL), ERR_CORRUPT);
	f.file.bytes[AT_ITEMS + 4] = 1;
	/* the two recipients alike */
	memcpy(f.file.bytes + AT_ITEMS + 40 + 36 + 4,
	    f.file.bytes + AT_ITEMS + 40 + 4, RECIPIENTS_KEY_BYTES);
	rehash(&f.file);
	ck_assert_int_eq(load(&f.file, NULL), ERR_CORRUPT);
	family_end(&f);
}
END_TEST

START_TEST(an_administrator_of_another_family_is_refused)
{
	struct family f;
	size_t at;

	family_make(&f);
	at = f.file.len_bytes - HASH_BYTES - 1; /* the admin's public key */
	f.file.bytes[at] ^= 1;
	rehash(&f.file);
	ck_assert_int_eq(load(&f.file, NULL), ERR_CORRUPT);
	family_end(&f);
}
END_TEST

Suite *
suite_crypt_keyring(void)
{
	Suite *s = suite_create("crypt/keyring");
	TCase *tc = tcase_create("keyring");

	tcase_add_test(tc, a_recipient_goes_but_not_itself_nor_the_last_two);
	tcase_add_test(tc,
	    an_update_brings_generations_and_recipients_and_no_roles);
	tcase_add_test(tc, a_generation_reaches_who_reads_by_its_stanza);
	tcase_add_test(tc, a_member_holds_the_roles_it_was_made_for);
	tcase_add_test(tc, a_file_written_from_the_document_alone_is_read);
	tcase_add_test(tc, so_is_one_wrapped_by_a_passphrase);
	tcase_add_test(tc,
	    operations_and_escrow_both_open_what_operations_writes);
	tcase_add_test(tc, escrow_reads_and_verifies_and_cannot_write);
	tcase_add_test(tc, a_writer_backs_up_and_cannot_read);
	tcase_add_test(tc, a_recipient_added_later_cannot_open_what_was_before);
	tcase_add_test(tc, rotation_keeps_the_old_generation_readable);
	tcase_add_test(tc, a_keyring_survives_its_wrapped_file);
	tcase_add_test(tc,
	    any_flipped_bit_or_missing_end_of_a_key_file_is_damage);
	tcase_add_test(tc, a_newer_file_is_too_new_and_never_damage);
	tcase_add_test(tc, a_file_cannot_order_more_scrypt_than_we_would_do);
	tcase_add_test(tc, roles_and_items_must_agree);
	tcase_add_test(tc, an_administrator_of_another_family_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
