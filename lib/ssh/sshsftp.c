#include "sshsftp.h"

#include <string.h>

#include <bascule/base/text.h>

#include "sshpipe.h"

#define VERSION           3U
#define MESSAGE_BYTES_MAX ((size_t)256 << 10) /* OpenSSH's own maximum */
#define IN_BYTES_MAX      (MESSAGE_BYTES_MAX + 4 + ((size_t)64 << 10))
#define OUT_BYTES_AIM     ((size_t)1 << 20) /* then wait before adding */
#define EXTENSIONS_MAX    256
#define REASON_BYTES_MAX  200
/* Requests are numbered by their place in the table and how often it served. */
#define PLACES  SSHSFTP_UNDER_WAY_MAX
#define DROP_ID UINT32_MAX /* all closes that nobody waits for */

_Static_assert((PLACES & (PLACES - 1)) == 0, "numbers are cut by a mask");
_Static_assert(SSHSFTP_PIECE_MAX + 1024 <= MESSAGE_BYTES_MAX,
    "a piece and its head fit");

struct request {
	struct sshsftp_party *party; /* NULL: a free place */
	uint64_t tag;
	uint32_t id;
};

struct sshsftp {
	struct sshpipe *pipe; /* NULL over another way */
	struct sshsftp_way way;
	struct buf in, out, body;
	struct request *requests; /* PLACES of them */
	uint16_t *free_places;    /* a stack */
	unsigned free_count;
	uint64_t drops_under_way;
	unsigned parties_count;
	bool greeted;
	unsigned offered; /* bits of enum sshsftp_extension */
	size_t piece_bytes;
	bool limits_known;
	struct sshsftp_party own;
	struct err dead; /* code ERR_NONE while it lives */
};

/* --- requests --------------------------------------------------------------- */

bool
sshsftp_has_room(const struct sshsftp *s, unsigned count)
{
	return s->dead.code == ERR_NONE && s->free_count >= count;
}

enum err_code
sshsftp_make_room(struct sshsftp *s, struct err *e)
{
	while (s->dead.code != ERR_NONE || s->free_count == 0 ||
	    s->out.len_bytes > OUT_BYTES_AIM)
		if (sshsftp_step(s, e) != ERR_NONE)
			return e->code;
	return ERR_NONE;
}

/* All of one message, or nothing. */
static enum err_code
queue(struct sshsftp *s, uint32_t id, const struct sshsftp_message *m,
    struct err *e)
{
	size_t len = 1 + 4 + m->body->len_bytes + m->payload_bytes;
	enum err_code rc;

	if (buf_reserve(&s->out, 4 + len, e) != ERR_NONE)
		return e->code;
	rc = sftpwire_put_u32(&s->out, (uint32_t)len, e);
	if (rc == ERR_NONE)
		rc = buf_add_byte(&s->out, (uint8_t)m->type, e);
	if (rc == ERR_NONE)
		rc = sftpwire_put_u32(&s->out, id, e);
	if (rc == ERR_NONE && m->body->len_bytes > 0)
		rc = buf_add(&s->out, m->body->bytes, m->body->len_bytes, e);
	if (rc == ERR_NONE && m->payload_bytes > 0)
		rc = buf_add(&s->out, m->payload, m->payload_bytes, e);
	ASSERT(rc == ERR_NONE); /* there was room */
	return rc;
}

enum err_code
sshsftp_send(struct sshsftp_party *party, uint64_t tag,
    const struct sshsftp_message *m, struct err *e)
{
	struct sshsftp *s = party->session;
	struct request *r;

	if (s->dead.code != ERR_NONE) {
		*e = s->dead;
		return e->code;
	}
	ASSERT(s->free_count > 0);
	r = &s->requests[s->free_places[s->free_count - 1]];
	if (queue(s, r->id, m, e) != ERR_NONE)
		return e->code;
	s->free_count--;
	r->party = party;
	r->tag = tag;
	party->under_way_count++;
	return ERR_NONE;
}

bool
sshsftp_take_handle(struct sshsftp *s, struct sshsftp_handle *h,
    struct sftp_reader *body)
{
	size_t len;
	const uint8_t *bytes = sftpwire_string(body, &len);

	if (!sftpwire_is_whole(body) || len == 0 || len > sizeof(h->bytes)) {
		sshsftp_break(s, "an impossible handle");
		return false;
	}
	memcpy(h->bytes, bytes, len);
	h->len_bytes = len;
	return true;
}

void
sshsftp_drop(struct sshsftp *s, struct sshsftp_handle *h)
{
	struct err ignored = {0};
	struct buf *body;

	if (h->len_bytes == 0)
		return;
	body = sshsftp_body(s);
	if (s->dead.code == ERR_NONE &&
	    sftpwire_put_string(body, h->bytes, h->len_bytes, &ignored) ==
		ERR_NONE &&
	    queue(s, DROP_ID,
		&(struct sshsftp_message){.type = SFTP_CLOSE, .body = body},
		&ignored) == ERR_NONE)
		s->drops_under_way++;
	h->len_bytes = 0;
}

struct buf *
sshsftp_body(struct sshsftp *s)
{
	buf_clear(&s->body);
	return &s->body;
}

/* --- parties ---------------------------------------------------------------- */

void
sshsftp_join(struct sshsftp *s, struct sshsftp_party *party)
{
	party->session = s;
	s->parties_count++;
}

void
sshsftp_leave(struct sshsftp_party *party)
{
	party->session->parties_count--;
	party->closed = true;
	if (party->under_way_count == 0)
		party->on_free(party);
}

static void
release(struct sshsftp *s, struct request *r)
{
	struct sshsftp_party *party = TAKE(r->party);

	r->id += PLACES;
	if (r->id / PLACES == UINT32_MAX / PLACES)
		r->id %= PLACES; /* DROP_ID is of the last round */
	s->free_places[s->free_count++] = (uint16_t)(r - s->requests);
	party->under_way_count--;
}

/* --- what comes ------------------------------------------------------------- */

void
sshsftp_break(struct sshsftp *s, const char *what)
{
	if (s->dead.code == ERR_NONE)
		err_set(&s->dead, ERR_IO, "'%s' breaks the SFTP protocol: %s",
		    s->way.name, what);
}

static void
take_answer(struct sshsftp *s, uint8_t type, struct sftp_reader *body)
{
	uint32_t id = sftpwire_u32(body);
	struct request *r = &s->requests[id % PLACES];
	struct sshsftp_party *party = r->party;
	uint64_t tag = r->tag;

	if (body->bad) {
		sshsftp_break(s, "a message without a number");
	} else if (id == DROP_ID && s->drops_under_way > 0) {
		s->drops_under_way--;
	} else if (party == NULL || r->id != id) {
		sshsftp_break(s, "an answer nobody asked for");
	} else {
		release(s, r);
		party->on_reply(party, tag, type, body);
		if (party->closed && party->under_way_count == 0)
			party->on_free(party);
	}
}

static const struct {
	const char *name, *version;
} extensions[] = {
    [SSHSFTP_FSYNC] = {"fsync@openssh.com", "1"},
    [SSHSFTP_POSIX_RENAME] = {"posix-rename@openssh.com", "1"},
    [SSHSFTP_HARDLINK] = {"hardlink@openssh.com", "1"},
    [SSHSFTP_STATVFS] = {"statvfs@openssh.com", "2"},
    [SSHSFTP_LIMITS] = {"limits@openssh.com", "1"},
    [SSHSFTP_LSETSTAT] = {"lsetstat@openssh.com", "1"},
};

static bool
is_text(const uint8_t *bytes, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(bytes, text, len) == 0;
}

static void
take_version(struct sshsftp *s, uint8_t type, struct sftp_reader *body)
{
	uint32_t version = sftpwire_u32(body);

	if (type != SFTP_VERSION || body->bad || version != VERSION) {
		sshsftp_break(s, "it does not begin with version 3");
		return;
	}
	s->greeted = true;
	for (unsigned n = 0; body->left_bytes > 0 && n < EXTENSIONS_MAX; n++) {
		size_t name_len, value_len;
		const uint8_t *name = sftpwire_string(body, &name_len);
		const uint8_t *value = sftpwire_string(body, &value_len);

		for (size_t i = 0; i < COUNT_OF(extensions) && !body->bad; i++)
			if (is_text(name, name_len, extensions[i].name) &&
			    is_text(value, value_len, extensions[i].version))
				s->offered |= 1U << i;
	}
	if (body->bad)
		sshsftp_break(s, "a greeting cut short");
}

/* One message off the front of `at`; its length, 0: not whole yet. */
static size_t
take_message(struct sshsftp *s, const uint8_t *at, size_t have)
{
	struct sftp_reader r = {at, have, false};
	uint32_t len = sftpwire_u32(&r);
	uint8_t type;

	if (r.bad)
		return 0;
	if (len < 5 || len > MESSAGE_BYTES_MAX) {
		sshsftp_break(s,
		    s->greeted ? "a message of an impossible length"
			       : "its first bytes are no message");
		return 0;
	}
	if (r.left_bytes < len)
		return 0;
	type = r.at[0];
	r = (struct sftp_reader){r.at + 1, len - 1, false};
	if (s->greeted)
		take_answer(s, type, &r);
	else
		take_version(s, type, &r);
	return 4 + (size_t)len;
}

enum err_code
sshsftp_step(struct sshsftp *s, struct err *e)
{
	size_t at = 0, n;

	if (s->dead.code == ERR_NONE)
		(void)!s->way.step(s->way.ctx, &s->out, &s->in, IN_BYTES_MAX,
		    &s->dead);
	while (s->dead.code == ERR_NONE &&
	    (n = take_message(s, s->in.bytes + at, s->in.len_bytes - at)) > 0)
		at += n;
	if (s->dead.code != ERR_NONE) {
		*e = s->dead;
		return e->code;
	}
	if (at > 0) {
		memmove(s->in.bytes, s->in.bytes + at, s->in.len_bytes - at);
		s->in.len_bytes -= at;
	}
	return ERR_NONE;
}

/* --- what it says went wrong ------------------------------------------------ */

static const struct {
	uint32_t status;
	enum err_code code;
	const char *text;
} meanings[] = {
    {SFTP_OK, ERR_NONE, ""},
    {SFTP_EOF, ERR_IO, "end of file"},
    {SFTP_NO_SUCH_FILE, ERR_NOTFOUND, "no such file"},
    {SFTP_PERMISSION_DENIED, ERR_REFUSED, "permission denied"},
    {SFTP_FAILURE, ERR_IO, "the server says no more than 'failure'"},
    {SFTP_NO_CONNECTION, ERR_TIMEOUT, "no connection"},
    {SFTP_CONNECTION_LOST, ERR_TIMEOUT, "connection lost"},
    {SFTP_UNSUPPORTED, ERR_IO, "the server cannot do that"},
    {SFTP_EXISTS, ERR_EXISTS, "it is there already"},
    {SFTP_NO_SPACE, ERR_NOSPACE, "no space left there"},
    {SFTP_QUOTA, ERR_NOSPACE, "the quota there is used up"},
};

enum err_code
sshsftp_status(struct sshsftp *s, const struct sshsftp_doing *doing,
    struct sftp_reader *body, uint32_t *status, struct err *e)
{
	OWNED(buf_fini) struct buf said = {0};
	uint32_t number = sftpwire_u32(body);
	size_t len, i;
	const uint8_t *reason = sftpwire_string(body, &len);
	const char *text = NULL;
	enum err_code code = ERR_IO;

	if (status != NULL)
		*status = number;
	for (i = 0; i < COUNT_OF(meanings); i++)
		if (meanings[i].status == number) {
			code = meanings[i].code;
			text = meanings[i].text;
		}
	if (code == ERR_NONE)
		return ERR_NONE;
	if (text == NULL) {
		len = len < REASON_BYTES_MAX ? len : REASON_BYTES_MAX;
		if (text_escape(&said, (const char *)reason, len, e) !=
		    ERR_NONE)
			return e->code;
		text = buf_text(&said);
	}
	return err_set(e, code, "cannot %s '%s' on '%s': %s", doing->what,
	    doing->path, s->way.name, text);
}

/* --- making and ending ------------------------------------------------------ */

static void
on_limits(struct sshsftp_party *party, uint64_t tag, uint8_t type,
    struct sftp_reader *body)
{
	struct sshsftp *s = party->session;
	uint64_t read, write, piece;

	(void)tag;
	s->limits_known = true;
	if (type != SFTP_EXTENDED_REPLY)
		return;
	(void)sftpwire_u64(body); /* the longest message */
	read = sftpwire_u64(body);
	write = sftpwire_u64(body);
	piece = read < write ? read : write;
	if (!body->bad && piece > SSHSFTP_PIECE_SURE)
		s->piece_bytes = piece < SSHSFTP_PIECE_MAX ? (size_t)piece
							   : SSHSFTP_PIECE_MAX;
}

static void
own_free(struct sshsftp_party *party)
{
	(void)party; /* part of the session */
}

static enum err_code
ask_limits(struct sshsftp *s, struct err *e)
{
	struct buf *body = sshsftp_body(s);

	s->own = (struct sshsftp_party){s, on_limits, own_free, 0, false};
	if (sftpwire_put_text(body, extensions[SSHSFTP_LIMITS].name, e) !=
		ERR_NONE ||
	    sshsftp_send(&s->own, 0,
		&(struct sshsftp_message){.type = SFTP_EXTENDED, .body = body},
		e) != ERR_NONE)
		return e->code;
	while (!s->limits_known)
		if (sshsftp_step(s, e) != ERR_NONE)
			return e->code;
	return ERR_NONE;
}

/* The first message has no number: the version stands where it would. */
static enum err_code
greet(struct sshsftp *s, struct err *e)
{
	if (queue(s, VERSION,
		&(struct sshsftp_message){.type = SFTP_INIT,
		    .body = sshsftp_body(s)},
		e) != ERR_NONE)
		return e->code;
	while (!s->greeted)
		if (sshsftp_step(s, e) != ERR_NONE)
			return e->code;
	return sshsftp_offers(s, SSHSFTP_LIMITS) ? ask_limits(s, e) : ERR_NONE;
}

static enum err_code
session_new(struct sshsftp **out, struct err *e)
{
	OWNED(sshsftp_close) struct sshsftp *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_nomem(e);
	s->requests = calloc(PLACES, sizeof(*s->requests));
	s->free_places = calloc(PLACES, sizeof(*s->free_places));
	if (s->requests == NULL || s->free_places == NULL)
		return err_nomem(e);
	for (unsigned i = 0; i < PLACES; i++) {
		s->requests[i].id = i;
		s->free_places[i] = (uint16_t)(PLACES - 1 - i);
	}
	s->free_count = PLACES;
	s->piece_bytes = SSHSFTP_PIECE_SURE;
	*out = TAKE(s);
	return ERR_NONE;
}

enum err_code
sshsftp_greet(struct sshsftp **out, const struct sshsftp_way *way,
    struct err *e)
{
	OWNED(sshsftp_close) struct sshsftp *s = NULL;

	*out = NULL;
	if (session_new(&s, e) != ERR_NONE)
		return e->code;
	s->way = *way;
	if (greet(s, e) != ERR_NONE)
		return e->code;
	*out = TAKE(s);
	return ERR_NONE;
}

static enum err_code
pipe_step(void *ctx, struct buf *out, struct buf *in, size_t in_max,
    struct err *e)
{
	return sshpipe_step(ctx, out, in, in_max, e);
}

enum err_code
sshsftp_open(struct sshsftp **out, struct sshconn *conn, struct err *e)
{
	OWNED(sshpipe_close) struct sshpipe *pipe = NULL;
	struct sshsftp_way way = {.step = pipe_step,
	    .name = sshconn_name(conn)};

	*out = NULL;
	if (sshpipe_open(&pipe, conn, "sftp", e) != ERR_NONE)
		return e->code;
	way.ctx = pipe;
	if (sshsftp_greet(out, &way, e) != ERR_NONE) {
		err_wrap(e, "starting SFTP");
		return e->code != ERR_IO ? e->code
					 : err_hint(e,
					       "does the account's shell print "
					       "something when it starts?");
	}
	(*out)->pipe = TAKE(pipe);
	return ERR_NONE;
}

void
sshsftp_close(struct sshsftp **sp)
{
	struct sshsftp *s = TAKE(*sp);

	if (s == NULL)
		return;
	ASSERT(s->parties_count == 0);
	for (unsigned i = 0; s->requests != NULL && i < PLACES; i++) {
		struct sshsftp_party *party = s->requests[i].party;

		if (party != NULL && --party->under_way_count == 0)
			party->on_free(party);
	}
	sshpipe_close(&s->pipe);
	buf_fini(&s->in);
	buf_fini(&s->out);
	buf_fini(&s->body);
	free(s->requests);
	free(s->free_places);
	free(s);
}

/* --- asking ----------------------------------------------------------------- */

bool
sshsftp_is_over(const struct sshsftp *s)
{
	return s->dead.code != ERR_NONE;
}

const char *
sshsftp_name(const struct sshsftp *s)
{
	return s->way.name;
}

bool
sshsftp_offers(const struct sshsftp *s, enum sshsftp_extension what)
{
	return (s->offered & 1U << what) != 0;
}

size_t
sshsftp_piece_bytes(const struct sshsftp *s)
{
	return s->piece_bytes;
}
