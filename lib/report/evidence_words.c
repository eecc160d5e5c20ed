#include "evidence_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/text.h>

#define WORD_BYTES_MAX 4096

void
evidence_words_fini(struct evidence_words *w)
{
	free(w->heads);
	w->heads = NULL;
	w->heads_count = w->heads_room = 0;
}

enum err_code
evidence_words_head(struct evidence_words *w, const struct head *h,
    struct err *e)
{
	struct words_head *one;

	if (w->heads_count == w->heads_room) {
		size_t room = w->heads_room == 0 ? 64 : 2 * w->heads_room;
		struct words_head *more =
		    reallocarray(w->heads, room, sizeof(*more));

		if (more == NULL)
			return err_nomem(e);
		w->heads = more;
		w->heads_room = room;
	}
	one = &w->heads[w->heads_count++];
	*one = (struct words_head){.number = h->number, .hash = h->hash};
	for (size_t i = 0; i < h->tips_count; i++)
		one->records_count += h->tips[i].sequence;
	return ERR_NONE;
}

/* Its bytes from a field that is hex.  *got false: there is no such field. */
static enum err_code
take_word(const struct record *r, const char *name,
    uint8_t bytes[WORD_BYTES_MAX], size_t *len_bytes, struct err *e)
{
	char hex[2 * WORD_BYTES_MAX + 1];
	struct record_text field;

	*len_bytes = 0;
	if (!record_find(r, name, &field))
		return ERR_NONE;
	if (field.len_bytes >= sizeof(hex) || field.len_bytes % 2 != 0)
		return err_set(e, ERR_CORRUPT, "a record's %s is malformed",
		    name);
	memcpy(hex, field.at, field.len_bytes);
	hex[field.len_bytes] = '\0';
	*len_bytes = field.len_bytes / 2;
	return text_unhex(hex, bytes, *len_bytes)
	    ? ERR_NONE
	    : err_set(e, ERR_CORRUPT, "a record's %s is malformed", name);
}

static enum err_code
note_signer(struct evidence_verdict *v, const uint8_t *signer, struct err *e)
{
	char text[HEAD_FINGERPRINT_BYTES];
	enum err_code rc = head_fingerprint(signer, text, e);

	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < v->acknowledgers_count; i++)
		if (strcmp(v->acknowledgers[i], text) == 0)
			return ERR_NONE;
	if (v->acknowledgers_count < EVIDENCE_SIGNERS_MAX)
		snprintf(v->acknowledgers[v->acknowledgers_count++],
		    sizeof(v->acknowledgers[0]), "%s", text);
	return ERR_NONE;
}

static enum err_code
take_acknowledgement(struct evidence_words *w, const struct record *r,
    struct err *e)
{
	uint8_t bytes[WORD_BYTES_MAX];
	char point[ID_HEX_BYTES], hex[ID_HEX_BYTES];
	char service[LEDGER_NAME_BYTES_MAX + 1];
	struct ack a;
	size_t len;
	enum err_code rc = take_word(r, LEDGER_ACKNOWLEDGEMENT, bytes, &len, e);

	if (rc != ERR_NONE || len == 0)
		return rc;
	rc = ack_read(&a, bytes, len, e);
	if (rc != ERR_NONE)
		return rc;
	record_text(r, "point", point, sizeof(point));
	record_text(r, "@service", service, sizeof(service));
	/* A closed field says nothing against it. */
	if ((point[0] != '\0' && strcmp(point, id_hex(&a.point, hex)) != 0) ||
	    (service[0] != '\0' && strcmp(service, a.service) != 0))
		return err_set(e, ERR_CORRUPT,
		    "an acknowledgement is about another point than its "
		    "record");
	w->v->acknowledgements_count++;
	return note_signer(w->v, a.signer, e);
}

static const struct words_head *
find_head(const struct evidence_words *w, uint64_t number)
{
	const struct words_head *first = w->heads;

	if (w->heads_count == 0 || number < first->number ||
	    number - first->number >= w->heads_count)
		return NULL;
	return &first[number - first->number];
}

static enum err_code
take_cosignature(struct evidence_words *w, const struct record *r,
    struct err *e)
{
	struct evidence_verdict *v = w->v;
	uint8_t bytes[WORD_BYTES_MAX];
	const struct words_head *h;
	struct cosign c;
	size_t len;
	enum err_code rc = take_word(r, LEDGER_COSIGNATURE, bytes, &len, e);

	if (rc != ERR_NONE || len == 0)
		return rc;
	rc = cosign_read(&c, bytes, len, e);
	if (rc != ERR_NONE)
		return rc;
	h = find_head(w, c.number);
	if (h == NULL)
		return ERR_NONE; /* before what is here */
	if (!id_equal(&h->hash, &c.head))
		return err_set(e, ERR_CORRUPT,
		    "site '%s' has signed for another head %llu than the one "
		    "here: this history was rewritten",
		    c.by, (unsigned long long)c.number);
	if (c.number < v->cosigned_head)
		return ERR_NONE;
	v->cosigned_head = c.number;
	snprintf(v->cosigner_site, sizeof(v->cosigner_site), "%s", c.by);
	return head_fingerprint(c.signer, v->cosigner, e);
}

enum err_code
evidence_words_record(struct evidence_words *w, const struct record *r,
    struct err *e)
{
	if (record_text_is(r->type, LEDGER_POINT))
		return take_acknowledgement(w, r, e);
	return record_text_is(r->type, LEDGER_COSIGNATURE)
	    ? take_cosignature(w, r, e)
	    : ERR_NONE;
}

void
evidence_words_end(struct evidence_words *w)
{
	struct evidence_verdict *v = w->v;
	const struct words_head *h = find_head(w, v->cosigned_head);
	const struct words_head *last =
	    w->heads_count == 0 ? NULL : &w->heads[w->heads_count - 1];

	v->uncosigned_count = h == NULL
	    ? v->records_count
	    : last->records_count - h->records_count + v->unsigned_count;
}
