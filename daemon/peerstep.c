/* The copy of a peer's ledger, and the steps by which it grows. */

#include "cosigning.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define SIGNER_BYTES    32
#define SIGNATURE_BYTES 64

const char *
peerstep_path(const struct daemon *d, const char *site, const char *suffix,
    char out[PEER_PATH_BYTES])
{
	snprintf(out, PEER_PATH_BYTES, "%.4000s/peers/%s.%s", d->policy->state,
	    site, suffix);
	return out;
}

void
peerstep_close(struct peer *p)
{
	ledger_close(&p->copy);
	free(p->head);
	p->head = NULL;
}

static enum err_code
open_copy(struct peer *p, struct err *e)
{
	struct ledger_options opt = {.site = p->site->name};
	char path[PEER_PATH_BYTES];

	return ledger_open(&p->copy,
	    peerstep_path(p->d, p->site->name, "db", path), &opt, e);
}

enum err_code
peerstep_open(struct peer *p, struct err *e)
{
	char path[PEER_PATH_BYTES];
	enum err_code rc;

	p->head = calloc(1, sizeof(*p->head));
	if (p->head == NULL)
		return err_nomem(e);
	snprintf(path, sizeof(path), "%.4000s/peers", p->d->policy->state);
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return err_sys(e, "cannot make '%s'", path);
	rc = open_copy(p, e);
	if (rc == ERR_NONE)
		rc = cosigning_recall(p, e);
	return rc == ERR_NONE ? ledger_sign_last(p->copy, p->head, e) : rc;
}

/* --- a step, as it comes ------------------------------------------------------- */

void
peerstep_forget(struct peer *p)
{
	for (size_t i = 0; i < p->step.count; i++)
		buf_fini(&p->step.records[i]);
	free(p->step.records);
	p->step = (struct peer_step){0};
}

static enum err_code
next_record(struct peer_step *s, struct err *e)
{
	if (s->count == PEER_STEP_RECORDS_MAX)
		return err_set(e, ERR_INPUT, "too many records under a head");
	if (s->count == s->size) {
		size_t size = s->size == 0 ? 64 : 2 * s->size;
		void *more = realloc(s->records, size * sizeof(*s->records));

		if (more == NULL)
			return err_nomem(e);
		s->records = more;
		s->size = size;
	}
	s->records[s->count++] = (struct buf){0};
	return ERR_NONE;
}

static enum err_code
take_record(struct peer *p, struct wire_value *v, struct err *e)
{
	struct peer_step *s = &p->step;
	struct buf *b;
	size_t before;
	enum err_code rc = s->more ? ERR_NONE : next_record(s, e);

	if (rc != ERR_NONE)
		return rc;
	b = &s->records[s->count - 1];
	before = b->len_bytes;
	wire_take_path(v, "bytes", b);
	s->more = wire_take_bool(v, "more", false);
	rc = wire_check(v, e);
	s->bytes += b->len_bytes - before;
	if (rc == ERR_NONE &&
	    (b->len_bytes > LEDGER_RECORD_BYTES_MAX ||
		s->bytes > PEER_STEP_BYTES_MAX))
		rc = err_set(e, ERR_INPUT, "too many bytes under a head");
	return rc;
}

/* PE2: what it may fill. */
static enum err_code
check_size(struct peer *p, struct err *e)
{
	char path[PEER_PATH_BYTES];
	struct stat st;

	if (stat(peerstep_path(p->d, p->site->name, "db", path), &st) != 0 ||
	    (uint64_t)st.st_size < p->d->policy->bridge.keep_bytes)
		return ERR_NONE;
	err_set(e, ERR_NOSPACE,
	    "the copy of the ledger of site '%s' has %lld bytes and grows no "
	    "more",
	    p->site->name, (long long)st.st_size);
	return err_hint(e, "the policy's bridge.keep is its limit");
}

static enum err_code
take_head(struct peer *p, struct wire_value *v, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	uint8_t signer[SIGNER_BYTES], signature[SIGNATURE_BYTES];
	struct ledger_pin pin = {p->site->name, p->site->ledger_keys.items,
	    p->site->ledger_keys.count};
	struct ledger_copy_step step = {.records = p->step.records,
	    .records_count = p->step.count};
	enum err_code rc;

	wire_take_path(v, "bytes", &bytes);
	wire_need_hex(v, "signer", signer, sizeof(signer));
	wire_need_hex(v, "signature", signature, sizeof(signature));
	rc = wire_check(v, e);
	if (rc == ERR_NONE && p->step.more)
		rc = err_set(e, ERR_INPUT, "a record was cut short");
	if (rc == ERR_NONE)
		rc = check_size(p, e);
	step.head = (struct ledger_head){bytes.bytes, bytes.len_bytes, signer,
	    signature};
	if (rc == ERR_NONE)
		rc = ledger_copy_extend(p->copy, &step, &pin, e);
	if (rc == ERR_NONE)
		rc = ledger_sign_last(p->copy, p->head, e);
	peerstep_forget(p);
	return rc;
}

enum err_code
peerstep_take(struct peer *p, struct wire_value *v, struct err *e)
{
	if (p->copy == NULL)
		return err_set(e, ERR_BUSY, "there is no copy to extend");
	return strcmp(wire_take_text(v, "type", ""), "ledger_head") == 0
	    ? take_head(p, v, e)
	    : take_record(p, v, e);
}
