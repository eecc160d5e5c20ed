/*
 * Signatures and wrapped keys that cost nothing, so that a seed's time goes to
 * the store: the real ones are others' to test.  They still tell what was
 * signed or wrapped by whom from all else; only a forger would not be stopped.
 */

#include <string.h>

#include "lib/crypt/hpke.h"
#include <bascule/crypt.h>

/* Two words that follow from all the bytes given so far. */
struct mix {
	uint64_t a, b;
};

static void
mix_in(struct mix *m, const void *bytes, size_t len_bytes)
{
	const uint8_t *at = bytes;

	m->a ^= len_bytes;
	while (len_bytes > 0) {
		const size_t n = len_bytes < 8 ? len_bytes : 8;
		uint64_t word = 0;

		memcpy(&word, at, n);
		m->a = (m->a ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		m->b = (m->b ^ (m->a >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
		at += n;
		len_bytes -= n;
	}
}

static void
mix_out(struct mix *m, uint8_t *out, size_t len_bytes)
{
	for (size_t i = 0; i < len_bytes; i++) {
		mix_in(m, &i, sizeof(i));
		out[i] = (uint8_t)(m->b >> 40);
	}
}

/* --- Signatures --------------------------------------------------------------- */

static void
signature(uint8_t out[SIGN_BYTES], const struct sign_public *by,
    const char *label, const void *bytes, size_t len_bytes)
{
	struct mix m = {1, 1};

	mix_in(&m, by->bytes, sizeof(by->bytes));
	mix_in(&m, label, strlen(label));
	mix_in(&m, bytes, len_bytes);
	mix_out(&m, out, SIGN_BYTES);
}

enum err_code __wrap_sign_make(const struct sign_key *key, const char *label,
    const void *bytes, size_t len_bytes, uint8_t out[SIGN_BYTES],
    struct err *e);
enum err_code
__wrap_sign_make(const struct sign_key *key, const char *label,
    const void *bytes, size_t len_bytes, uint8_t out[SIGN_BYTES], struct err *e)
{
	(void)e;
	signature(out, sign_key_public(key), label, bytes, len_bytes);
	return ERR_NONE;
}

enum err_code __wrap_sign_check(const struct sign_public *by, const char *label,
    const void *bytes, size_t len_bytes, const uint8_t given[SIGN_BYTES],
    struct err *e);
enum err_code
__wrap_sign_check(const struct sign_public *by, const char *label,
    const void *bytes, size_t len_bytes, const uint8_t given[SIGN_BYTES],
    struct err *e)
{
	uint8_t right[SIGN_BYTES];

	signature(right, by, label, bytes, len_bytes);
	if (memcmp(given, right, SIGN_BYTES) != 0)
		return err_set(e, ERR_CORRUPT, "the signature does not match");
	return ERR_NONE;
}

/* --- Wrapped keys --------------------------------------------------------------- */

enum err_code __wrap_hpke_public(const struct secret *own,
    uint8_t out[RECIPIENTS_KEY_BYTES], struct err *e);
enum err_code
__wrap_hpke_public(const struct secret *own, uint8_t out[RECIPIENTS_KEY_BYTES],
    struct err *e)
{
	struct mix m = {2, 2};

	(void)e;
	mix_in(&m, own->bytes, own->len_bytes);
	mix_out(&m, out, RECIPIENTS_KEY_BYTES);
	return ERR_NONE;
}

static void
agree(struct hpke *out, const uint8_t enc[RECIPIENTS_KEY_BYTES],
    const uint8_t to[RECIPIENTS_KEY_BYTES], const struct recipients_bind *bind)
{
	struct mix m = {3, 3};

	mix_in(&m, enc, RECIPIENTS_KEY_BYTES);
	mix_in(&m, to, RECIPIENTS_KEY_BYTES);
	mix_in(&m, bind->info, bind->info_bytes);
	mix_out(&m, out->key, sizeof(out->key));
	mix_out(&m, out->nonce, sizeof(out->nonce));
}

enum err_code __wrap_hpke_send(struct hpke *out, const struct secret *ephemeral,
    const struct recipients_public *to, const struct recipients_bind *bind,
    uint8_t enc[RECIPIENTS_KEY_BYTES], struct err *e);
enum err_code
__wrap_hpke_send(struct hpke *out, const struct secret *ephemeral,
    const struct recipients_public *to, const struct recipients_bind *bind,
    uint8_t enc[RECIPIENTS_KEY_BYTES], struct err *e)
{
	enum err_code rc = __wrap_hpke_public(ephemeral, enc, e);

	agree(out, enc, to->bytes, bind);
	return rc;
}

enum err_code __wrap_hpke_receive(struct hpke *out, const struct secret *own,
    const uint8_t enc[RECIPIENTS_KEY_BYTES], const struct recipients_bind *bind,
    struct err *e);
enum err_code
__wrap_hpke_receive(struct hpke *out, const struct secret *own,
    const uint8_t enc[RECIPIENTS_KEY_BYTES], const struct recipients_bind *bind,
    struct err *e)
{
	uint8_t mine[RECIPIENTS_KEY_BYTES];
	enum err_code rc = __wrap_hpke_public(own, mine, e);

	agree(out, enc, mine, bind);
	return rc;
}
