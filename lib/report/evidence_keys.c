#include "evidence_keys.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/crypt.h>

#define WORD_BYTES_MAX 4096

void
evidence_keys_fini(struct evidence_keys *k)
{
	free(k->items);
	*k = (struct evidence_keys){0};
}

static enum err_code
add(struct evidence_keys *k, const char *fingerprint, const char *what,
    struct err *e)
{
	struct evidence_key *more;

	if (fingerprint[0] == '\0')
		return ERR_NONE;
	for (size_t i = 0; i < k->count; i++)
		if (strcmp(k->items[i].fingerprint, fingerprint) == 0 &&
		    strcmp(k->items[i].what, what) == 0)
			return ERR_NONE;
	if (k->count == EVIDENCE_KEYS_MAX)
		return ERR_NONE; /* the text says that there are more */
	more = realloc(k->items, (k->count + 1) * sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	k->items = more;
	more = &more[k->count++];
	snprintf(more->fingerprint, sizeof(more->fingerprint), "%s",
	    fingerprint);
	snprintf(more->what, sizeof(more->what), "%s", what);
	return ERR_NONE;
}

static enum err_code
add_public(struct evidence_keys *k, const uint8_t *public, const char *what,
    struct err *e)
{
	char text[HEAD_FINGERPRINT_BYTES];
	enum err_code rc = head_fingerprint(public, text, e);

	return rc == ERR_NONE ? add(k, text, what, e) : rc;
}

enum err_code
evidence_keys_head(struct evidence_keys *k, const uint8_t *signer,
    struct err *e)
{
	return add_public(k, signer, "signs the heads of this ledger", e);
}

/* The bytes of a field that is hex; 0: there is no such field, or no such hex. */
static size_t
bytes_of(const struct record *r, const char *name,
    uint8_t bytes[WORD_BYTES_MAX])
{
	char hex[2 * WORD_BYTES_MAX + 1];
	struct record_text field;

	if (!record_find(r, name, &field) || field.len_bytes >= sizeof(hex) ||
	    field.len_bytes % 2 != 0)
		return 0;
	memcpy(hex, field.at, field.len_bytes);
	hex[field.len_bytes] = '\0';
	return text_unhex(hex, bytes, field.len_bytes / 2) ? field.len_bytes / 2
							   : 0;
}

static enum err_code
take_point(struct evidence_keys *k, const struct record *r, struct err *e)
{
	uint8_t bytes[WORD_BYTES_MAX];
	char site[LEDGER_NAME_BYTES_MAX + 1], what[200];
	size_t len = bytes_of(r, LEDGER_ACKNOWLEDGEMENT, bytes);
	struct ack a;
	struct err ignored;

	if (len == 0 || ack_read(&a, bytes, len, &ignored) != ERR_NONE)
		return ERR_NONE;
	record_text(r, "replicated_site", site, sizeof(site));
	snprintf(what, sizeof(what), "acknowledges points that arrived%s%.100s",
	    site[0] != '\0' ? " at site " : "", site);
	return add_public(k, a.signer, what, e);
}

static enum err_code
take_cosignature(struct evidence_keys *k, const struct record *r, struct err *e)
{
	uint8_t bytes[WORD_BYTES_MAX];
	char what[200];
	size_t len = bytes_of(r, LEDGER_COSIGNATURE, bytes);
	struct cosign c;
	struct err ignored;

	if (len == 0 || cosign_read(&c, bytes, len, &ignored) != ERR_NONE)
		return ERR_NONE;
	snprintf(what, sizeof(what), "cosigns these heads for site %.100s",
	    c.by);
	return add_public(k, c.signer, what, e);
}

/* A person's own key, with which a word about a move is signed. */
static enum err_code
take_approval(struct evidence_keys *k, const struct record *r, struct err *e)
{
	uint8_t bytes[WORD_BYTES_MAX];
	char name[LEDGER_NAME_BYTES_MAX + 1], what[200];

	if (bytes_of(r, "signer", bytes) != SIGN_PUBLIC_BYTES)
		return ERR_NONE;
	record_text(r, "@actor.name", name, sizeof(name));
	snprintf(what, sizeof(what), "signs the words of %.100s", name);
	return add_public(k, bytes, what, e);
}

static enum err_code
take_named(struct evidence_keys *k, const struct record *r, const char *field,
    const char *what, struct err *e)
{
	char text[64];

	record_text(r, field, text, sizeof(text));
	return strncmp(text, "SHA256:", 7) == 0 ? add(k, text, what, e)
						: ERR_NONE;
}

enum err_code
evidence_keys_record(struct evidence_keys *k, const struct record *r,
    struct err *e)
{
	char site[LEDGER_NAME_BYTES_MAX + 1], what[200];

	if (record_text_is(r->type, LEDGER_POINT))
		return take_point(k, r, e);
	if (record_text_is(r->type, LEDGER_COSIGNATURE))
		return take_cosignature(k, r, e);
	if (record_text_is(r->type, "approval"))
		return take_approval(k, r, e);
	if (record_text_is(r->type, LEDGER_BOX))
		return take_named(k, r, "signer", "signs battle boxes", e);
	if (!record_text_is(r->type, LEDGER_DAEMON))
		return ERR_NONE;
	record_text(r, "@site", site, sizeof(site));
	snprintf(what, sizeof(what),
	    "acknowledges points for this site%s%.100s",
	    site[0] != '\0' ? ", " : "", site);
	return take_named(k, r, "acknowledge_key", what, e);
}

enum err_code
evidence_keys_text(const struct evidence_keys *k, struct buf *out,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < k->count; i++) {
		const char *what = k->items[i].what;

		rc = buf_printf(out, e, "%s  ", k->items[i].fingerprint);
		if (rc == ERR_NONE)
			rc = text_escape(out, what, strlen(what), e);
		if (rc == ERR_NONE)
			rc = buf_add_byte(out, '\n', e);
	}
	if (rc == ERR_NONE && k->count == EVIDENCE_KEYS_MAX)
		rc = buf_printf(out, e,
		    "and perhaps more: only the first %d "
		    "are listed\n",
		    EVIDENCE_KEYS_MAX);
	return rc;
}
