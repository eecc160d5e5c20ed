#include <string.h>

#include <bascule/base/text.h>

#include "sshsftp.h"

/*
 * Reading: a ring of slots, each a range asked for, in the file's order.
 *
 *	asked -> filled (all of it came) -> read by the caller -> free
 *	  ^  \-> filled and last (the end of the file)
 *	  +-- the rest is asked for again when less came
 *
 * Writing: every piece is sent at once; the answers are only counted, and the
 * first that is bad is what the next call says.
 */
#define SLOTS_MAX 64
/* Sent and not answered for: fills 20 ms of 400 MB/s. */
#define WRITE_BYTES_AHEAD ((uint64_t)8 << 20)

enum purpose { READING, WRITING };
/* Above these a tag is the number of a read. */
enum tag {
	TAG_OPEN,
	TAG_ATTR,
	TAG_WRITE,
	TAG_SYNC,
	TAG_CLOSE,
	TAG_SET,
	TAG_READ
};

struct slot {
	uint64_t offset_bytes;
	size_t want_bytes;
	struct buf bytes;
	bool filled;
};

struct sshfile {
	struct sshsftp_party party;
	enum purpose purpose;
	char *path; /* escaped */
	struct sshsftp_handle handle;
	bool opened, attr_known, synced, closed_there;
	uint32_t open_status;
	struct sshattr attr;
	struct err why; /* code ERR_NONE: all is well */
	bool was_set;
	struct err set_why; /* of sshfile_set_attr alone */
	/* reading */
	struct slot *slots;   /* slots_count of them, a ring */
	uint64_t first, next; /* numbers of reads: oldest held, next to ask */
	unsigned slots_count;
	size_t piece_bytes;
	uint64_t ask_bytes;  /* the offset of the next read */
	uint64_t end_number; /* no read behind this one counts */
	size_t given_bytes;  /* of the first slot, to the caller */
	bool ended;
	/* writing */
	uint64_t unanswered_bytes;
};

/* --- sending ---------------------------------------------------------------- */

static enum err_code
send_about_handle(struct sshfile *f, enum sftp_type type, uint64_t tag,
    struct err *e)
{
	struct buf *body = sshsftp_body(f->party.session);

	if (sftpwire_put_string(body, f->handle.bytes, f->handle.len_bytes,
		e) != ERR_NONE)
		return e->code;
	return sshsftp_send(&f->party, tag,
	    &(struct sshsftp_message){.type = type, .body = body}, e);
}

static enum err_code
send_read(struct sshfile *f, uint64_t number, struct err *e)
{
	struct slot *sl = &f->slots[number % f->slots_count];
	struct buf *body = sshsftp_body(f->party.session);
	size_t have = sl->bytes.len_bytes;

	if (sftpwire_put_string(body, f->handle.bytes, f->handle.len_bytes,
		e) != ERR_NONE ||
	    sftpwire_put_u64(body, sl->offset_bytes + have, e) != ERR_NONE ||
	    sftpwire_put_u32(body, (uint32_t)(sl->want_bytes - have), e) !=
		ERR_NONE)
		return e->code;
	return sshsftp_send(&f->party, TAG_READ + number,
	    &(struct sshsftp_message){.type = SFTP_READ, .body = body}, e);
}

/*
 * Is it worth asking for what is at this offset?  Up to the size it had when
 * it was opened; and without knowing one, until the server says that it ends.
 */
static bool
is_within(const struct sshfile *f, uint64_t offset)
{
	if (!f->attr_known)
		return f->next == 0; /* the first with the question */
	return !f->attr.has_size || offset != f->attr.size_bytes;
}

static void
ask_more(struct sshfile *f)
{
	while (f->handle.len_bytes > 0 && !f->ended &&
	    f->why.code == ERR_NONE && f->next - f->first < f->slots_count &&
	    f->next < f->end_number && is_within(f, f->ask_bytes) &&
	    f->ask_bytes <= (uint64_t)INT64_MAX &&
	    sshsftp_has_room(f->party.session, 1)) {
		struct slot *sl = &f->slots[f->next % f->slots_count];
		uint64_t left = UINT64_MAX;

		if (f->attr_known && f->attr.has_size &&
		    f->attr.size_bytes > f->ask_bytes)
			left = f->attr.size_bytes - f->ask_bytes;
		sl->offset_bytes = f->ask_bytes;
		sl->want_bytes =
		    left < f->piece_bytes ? (size_t)left : f->piece_bytes;
		sl->filled = false;
		buf_clear(&sl->bytes);
		if (send_read(f, f->next, &f->why) != ERR_NONE)
			return;
		f->ask_bytes += sl->want_bytes;
		f->next++;
	}
}

/* --- answers ---------------------------------------------------------------- */

static void
take_handle(struct sshfile *f, struct sftp_reader *body)
{
	if (!sshsftp_take_handle(f->party.session, &f->handle, body))
		return;
	f->opened = true;
	if (f->party.closed)
		sshsftp_drop(f->party.session, &f->handle);
	else if (f->purpose == READING && sshsftp_has_room(f->party.session, 2))
		(void)!send_about_handle(f, SFTP_FSTAT, TAG_ATTR, &f->why);
	else
		f->attr_known = f->purpose == READING; /* nothing: no size */
}

/* This slot has all it will ever have. */
static void
fill(struct sshfile *f, uint64_t number, bool is_end)
{
	f->slots[number % f->slots_count].filled = true;
	if (is_end && number + 1 < f->end_number)
		f->end_number = number + 1;
}

static void
take_data(struct sshfile *f, uint64_t number, struct sftp_reader *body)
{
	struct slot *sl = &f->slots[number % f->slots_count];
	size_t len;
	const uint8_t *bytes = sftpwire_string(body, &len);
	uint64_t end;

	if (!sftpwire_is_whole(body) || len == 0 ||
	    len > sl->want_bytes - sl->bytes.len_bytes) {
		sshsftp_break(f->party.session,
		    "other data than was asked for");
		return;
	}
	if (buf_add(&sl->bytes, bytes, len, &f->why) != ERR_NONE)
		return;
	end = sl->offset_bytes + sl->bytes.len_bytes;
	if (sl->bytes.len_bytes == sl->want_bytes)
		fill(f, number, false);
	else if (f->attr_known && f->attr.has_size && end == f->attr.size_bytes)
		fill(f, number, true);
	else if (number < f->end_number && f->handle.len_bytes > 0)
		(void)!send_read(f, number, &f->why); /* its place is free */
}

/* Not asked for: reads of what lies behind the end. */
static bool
is_of_no_use(const struct sshfile *f, uint64_t tag)
{
	return f->party.closed ||
	    (tag >= TAG_READ &&
		(tag - TAG_READ < f->first || tag - TAG_READ >= f->end_number));
}

static void
take_status(struct sshfile *f, uint64_t tag, struct sftp_reader *body)
{
	static const char *const doings[] = {"open", "look at", "write to",
	    "sync", "close", "set the attributes of", "read"};
	struct sshsftp_doing doing = {doings[tag < TAG_READ ? tag : TAG_READ],
	    f->path};
	uint32_t status = SFTP_OK;
	struct err why = {0};

	(void)!sshsftp_status(f->party.session, &doing, body, &status, &why);
	if (tag == TAG_OPEN)
		f->open_status = status;
	if (body->bad ||
	    (status == SFTP_OK && tag != TAG_WRITE && tag != TAG_SYNC &&
		tag != TAG_CLOSE && tag != TAG_SET))
		sshsftp_break(f->party.session, "an answer without one");
	else if (tag == TAG_SET)
		f->set_why = why;
	else if (tag >= TAG_READ && status == SFTP_EOF)
		fill(f, tag - TAG_READ, true);
	else if (tag == TAG_ATTR && f->purpose == READING)
		f->attr_known = true; /* it does not tell: read to the end */
	else if (status != SFTP_OK && f->why.code == ERR_NONE)
		f->why = why;
}

static void
count_answer(struct sshfile *f, uint64_t tag)
{
	if (tag == TAG_SYNC)
		f->synced = true;
	else if (tag == TAG_CLOSE)
		f->closed_there = true;
	else if (tag == TAG_SET)
		f->was_set = true;
	else if ((tag & 0xff) == TAG_WRITE && f->purpose == WRITING)
		f->unanswered_bytes -= tag >> 8;
}

static void
on_reply(struct sshsftp_party *party, uint64_t tag, uint8_t type,
    struct sftp_reader *body)
{
	struct sshfile *f = (struct sshfile *)party;

	count_answer(f, tag);
	if (f->purpose == WRITING)
		tag &= 0xff; /* the length of a write is above */
	if (type == SFTP_HANDLE && tag == TAG_OPEN) {
		take_handle(f, body);
	} else if (is_of_no_use(f, tag)) {
		return;
	} else if (type == SFTP_STATUS) {
		take_status(f, tag, body);
	} else if (type == SFTP_ATTRS && tag == TAG_ATTR) {
		sftpwire_attr(body, &f->attr);
		f->attr_known = true;
		if (!sftpwire_is_whole(body))
			sshsftp_break(party->session, "odd attributes");
	} else if (type == SFTP_DATA && tag >= TAG_READ) {
		take_data(f, tag - TAG_READ, body);
	} else {
		sshsftp_break(party->session, "the answer to something else");
	}
	if (f->purpose == READING)
		ask_more(f);
}

/* --- making and ending ------------------------------------------------------ */

static void
file_free(struct sshsftp_party *party)
{
	struct sshfile *f = (struct sshfile *)party;

	for (unsigned i = 0; f->slots != NULL && i < f->slots_count; i++)
		buf_fini(&f->slots[i].bytes);
	free(f->slots);
	free(f->path);
	free(f);
}

void
sshfile_close(struct sshfile **fp)
{
	struct sshfile *f = TAKE(*fp);

	if (f == NULL)
		return;
	sshsftp_drop(f->party.session, &f->handle);
	for (unsigned i = 0; f->slots != NULL && i < f->slots_count; i++)
		buf_fini(&f->slots[i].bytes);
	sshsftp_leave(&f->party);
}

static enum err_code
send_open(struct sshfile *f, const char *path, uint32_t flags,
    const uint32_t *mode, struct err *e)
{
	struct buf *body = sshsftp_body(f->party.session);
	enum err_code rc = sftpwire_put_text(body, path, e);

	if (rc == ERR_NONE)
		rc = sftpwire_put_u32(body, flags, e);
	if (rc == ERR_NONE)
		rc = mode != NULL ? sftpwire_put_mode(body, *mode, e)
				  : sftpwire_put_u32(body, 0, e);
	if (rc != ERR_NONE)
		return rc;
	return sshsftp_send(&f->party, TAG_OPEN,
	    &(struct sshsftp_message){.type = SFTP_OPEN, .body = body}, e);
}

static enum err_code
file_new(struct sshfile **out, struct sshsftp *s, const char *path,
    enum purpose purpose, struct err *e)
{
	OWNED(buf_fini) struct buf escaped = {0};
	struct sshfile *f;

	*out = NULL;
	if (path[0] == '\0' || strlen(path) > SSH_PATH_BYTES_MAX)
		return err_set(e, ERR_INPUT,
		    "a path over SFTP has 1 to %d bytes", SSH_PATH_BYTES_MAX);
	if (text_escape(&escaped, path, strlen(path), e) != ERR_NONE ||
	    sshsftp_make_room(s, e) != ERR_NONE)
		return e->code;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return err_nomem(e);
	f->party.on_reply = on_reply;
	f->party.on_free = file_free;
	f->purpose = purpose;
	f->end_number = UINT64_MAX - TAG_READ;
	sshsftp_join(s, &f->party);
	*out = f;
	f->path = strdup(buf_text(&escaped));
	return f->path != NULL ? ERR_NONE : err_nomem(e);
}

/* As many slots of a piece as fill the window; one more hides the turn. */
static enum err_code
make_slots(struct sshfile *f, size_t window, struct err *e)
{
	size_t piece = sshsftp_piece_bytes(f->party.session), count;

	if (window == 0)
		window = SSHFILE_WINDOW_DEFAULT;
	f->piece_bytes = window < piece ? window : piece;
	count = window / f->piece_bytes;
	f->slots_count = count > SLOTS_MAX ? SLOTS_MAX : (unsigned)count;
	f->slots = calloc(f->slots_count, sizeof(*f->slots));
	return f->slots != NULL ? ERR_NONE : err_nomem(e);
}

enum err_code
sshfile_begin_read(struct sshfile **out, struct sshsftp *s, const char *path,
    uint64_t offset_bytes, size_t window_bytes, struct err *e)
{
	OWNED(sshfile_close) struct sshfile *f = NULL;

	*out = NULL;
	if (file_new(&f, s, path, READING, e) != ERR_NONE ||
	    make_slots(f, window_bytes, e) != ERR_NONE)
		return e->code;
	f->ask_bytes = offset_bytes;
	if (send_open(f, path, SFTP_OPEN_READ, NULL, e) != ERR_NONE)
		return e->code;
	*out = TAKE(f);
	return ERR_NONE;
}

static enum err_code
step(struct sshfile *f, struct err *e)
{
	if (sshsftp_step(f->party.session, e) != ERR_NONE)
		return err_wrap(e, "cannot %s '%s'",
		    f->purpose == READING ? "read" : "write", f->path);
	return ERR_NONE;
}

static enum err_code
failed(const struct sshfile *f, struct err *e)
{
	if (f->why.code != ERR_NONE)
		*e = f->why;
	return f->why.code;
}

static enum err_code
open_handle(struct sshfile **out, struct sshsftp *s, const char *path,
    uint32_t flags, const uint32_t *mode, struct err *e)
{
	OWNED(sshfile_close) struct sshfile *f = NULL;
	struct sshattr attr;
	struct err other;

	*out = NULL;
	if (file_new(&f, s, path, WRITING, e) != ERR_NONE ||
	    send_open(f, path, flags, mode, e) != ERR_NONE)
		return e->code;
	while (!f->opened && f->why.code == ERR_NONE)
		if (step(f, e) != ERR_NONE)
			return e->code;
	/* Version 3 says FAILURE for nearly all. */
	if (mode != NULL && f->open_status == SFTP_FAILURE &&
	    sshpath_lstat(s, path, &attr, &other) == ERR_NONE)
		return err_set(e, ERR_EXISTS,
		    "cannot make '%s' on '%s': it is there", f->path,
		    sshsftp_name(s));
	if (failed(f, e) != ERR_NONE)
		return e->code;
	*out = TAKE(f);
	return ERR_NONE;
}

enum err_code
sshfile_create(struct sshfile **out, struct sshsftp *s, const char *path,
    uint32_t mode, struct err *e)
{
	return open_handle(out, s, path,
	    SFTP_OPEN_WRITE | SFTP_OPEN_CREAT | SFTP_OPEN_EXCL, &mode, e);
}

enum err_code
sshfile_open_write(struct sshfile **out, struct sshsftp *s, const char *path,
    struct err *e)
{
	return open_handle(out, s, path, SFTP_OPEN_WRITE, NULL, e);
}

/* --- reading ---------------------------------------------------------------- */

/* The first slot was given out to its end: it is free, and the next is first. */
static void
end_slot(struct sshfile *f)
{
	f->ended = f->first + 1 >= f->end_number;
	f->first++;
	f->given_bytes = 0;
	ask_more(f);
}

/* Everything up to the size it had was read. */
static bool
is_at_size(const struct sshfile *f)
{
	return f->attr_known && f->first == f->next &&
	    !is_within(f, f->ask_bytes);
}

enum err_code
sshfile_read(struct sshfile *f, void *bytes, size_t max_bytes, size_t *got,
    struct err *e)
{
	*got = 0;
	ASSERT(f->purpose == READING);
	while (max_bytes > 0 && !f->ended && !is_at_size(f)) {
		struct slot *sl = &f->slots[f->first % f->slots_count];
		size_t n = f->first < f->next
		    ? sl->bytes.len_bytes - f->given_bytes
		    : 0;

		if (n > 0) {
			n = n < max_bytes ? n : max_bytes;
			memcpy(bytes, sl->bytes.bytes + f->given_bytes, n);
			f->given_bytes += n;
			*got = n;
			return ERR_NONE;
		}
		if (failed(f, e) != ERR_NONE)
			return e->code;
		if (f->first < f->next && sl->filled) {
			end_slot(f);
			continue;
		}
		ask_more(f);
		if (step(f, e) != ERR_NONE)
			return e->code;
	}
	return failed(f, e);
}

/* --- writing ---------------------------------------------------------------- */

static enum err_code
wait_ahead(struct sshfile *f, uint64_t ahead_bytes, struct err *e)
{
	while (f->unanswered_bytes > ahead_bytes && f->why.code == ERR_NONE)
		if (step(f, e) != ERR_NONE)
			return e->code;
	return failed(f, e);
}

static enum err_code
send_piece(struct sshfile *f, uint64_t offset, const void *bytes, size_t len,
    struct err *e)
{
	struct buf *body;

	if (wait_ahead(f, WRITE_BYTES_AHEAD, e) != ERR_NONE ||
	    sshsftp_make_room(f->party.session, e) != ERR_NONE)
		return e->code;
	body = sshsftp_body(f->party.session);
	if (sftpwire_put_string(body, f->handle.bytes, f->handle.len_bytes,
		e) != ERR_NONE ||
	    sftpwire_put_u64(body, offset, e) != ERR_NONE ||
	    sftpwire_put_u32(body, (uint32_t)len, e) != ERR_NONE ||
	    sshsftp_send(&f->party, TAG_WRITE | (uint64_t)len << 8,
		&(struct sshsftp_message){SFTP_WRITE, body, bytes, len},
		e) != ERR_NONE)
		return e->code;
	f->unanswered_bytes += len;
	return ERR_NONE;
}

enum err_code
sshfile_write(struct sshfile *f, uint64_t offset_bytes, const void *bytes,
    size_t len_bytes, struct err *e)
{
	size_t piece = sshsftp_piece_bytes(f->party.session);
	const uint8_t *at = bytes;

	ASSERT(f->purpose == WRITING);
	while (len_bytes > 0) {
		size_t n = len_bytes < piece ? len_bytes : piece;

		if (send_piece(f, offset_bytes, at, n, e) != ERR_NONE)
			return e->code;
		at += n;
		offset_bytes += n;
		len_bytes -= n;
	}
	return failed(f, e);
}

enum err_code
sshfile_flush(struct sshfile *f, struct err *e)
{
	return wait_ahead(f, 0, e);
}

enum err_code
sshfile_sync(struct sshfile *f, struct err *e)
{
	struct sshsftp *s = f->party.session;
	struct buf *body;

	if (!sshsftp_offers(s, SSHSFTP_FSYNC))
		return err_set(e, ERR_INPUT, "'%s' offers no fsync",
		    sshsftp_name(s));
	if (sshfile_flush(f, e) != ERR_NONE ||
	    sshsftp_make_room(s, e) != ERR_NONE)
		return e->code;
	body = sshsftp_body(s);
	f->synced = false;
	if (sftpwire_put_text(body, "fsync@openssh.com", e) != ERR_NONE ||
	    sftpwire_put_string(body, f->handle.bytes, f->handle.len_bytes,
		e) != ERR_NONE ||
	    sshsftp_send(&f->party, TAG_SYNC,
		&(struct sshsftp_message){.type = SFTP_EXTENDED, .body = body},
		e) != ERR_NONE)
		return e->code;
	while (!f->synced)
		if (step(f, e) != ERR_NONE)
			return e->code;
	return failed(f, e);
}

enum err_code
sshfile_sync_path(struct sshsftp *s, const char *path, struct err *e)
{
	OWNED(sshfile_close) struct sshfile *f = NULL;

	if (open_handle(&f, s, path, SFTP_OPEN_READ, NULL, e) != ERR_NONE)
		return e->code;
	return sshfile_sync(f, e);
}

static enum err_code
await_open(struct sshfile *f, struct err *e)
{
	while (!f->opened && f->why.code == ERR_NONE)
		if (step(f, e) != ERR_NONE)
			return e->code;
	return failed(f, e);
}

static enum err_code
await_attr(struct sshfile *f, struct sshattr *attr, struct err *e)
{
	while (!f->attr_known && f->why.code == ERR_NONE)
		if (step(f, e) != ERR_NONE)
			return e->code;
	*attr = f->attr;
	return failed(f, e);
}

enum err_code
sshfile_attr(struct sshfile *f, struct sshattr *attr, struct err *e)
{
	if (f->purpose == WRITING)
		return sshfile_attr_now(f, attr, e);
	return await_open(f, e) == ERR_NONE ? await_attr(f, attr, e) : e->code;
}

enum err_code
sshfile_attr_now(struct sshfile *f, struct sshattr *attr, struct err *e)
{
	if (await_open(f, e) != ERR_NONE ||
	    (f->purpose != WRITING && await_attr(f, attr, e) != ERR_NONE) ||
	    sshsftp_make_room(f->party.session, e) != ERR_NONE)
		return e->code;
	f->attr_known = false;
	if (send_about_handle(f, SFTP_FSTAT, TAG_ATTR, e) != ERR_NONE)
		return e->code;
	return await_attr(f, attr, e);
}

enum err_code
sshfile_set_attr(struct sshfile *f, const struct sshattr *attr, struct err *e)
{
	struct buf *body;

	ASSERT(f->purpose == WRITING);
	if (failed(f, e) != ERR_NONE ||
	    sshsftp_make_room(f->party.session, e) != ERR_NONE)
		return e->code;
	body = sshsftp_body(f->party.session);
	f->was_set = false;
	f->set_why = (struct err){0};
	if (sftpwire_put_string(body, f->handle.bytes, f->handle.len_bytes,
		e) != ERR_NONE ||
	    sftpwire_put_attr(body, attr, e) != ERR_NONE ||
	    sshsftp_send(&f->party, TAG_SET,
		&(struct sshsftp_message){.type = SFTP_FSETSTAT, .body = body},
		e) != ERR_NONE)
		return e->code;
	while (!f->was_set)
		if (step(f, e) != ERR_NONE)
			return e->code;
	if (f->set_why.code != ERR_NONE)
		*e = f->set_why;
	return f->set_why.code;
}

enum err_code
sshfile_finish(struct sshfile *f, struct err *e)
{
	struct err later = {0};

	if (f->handle.len_bytes == 0)
		return failed(f, e);
	if (f->purpose == WRITING)
		(void)!sshfile_flush(f, &later);
	if (later.code == ERR_NONE &&
	    (sshsftp_make_room(f->party.session, e) != ERR_NONE ||
		send_about_handle(f, SFTP_CLOSE, TAG_CLOSE, e) != ERR_NONE))
		return e->code;
	if (later.code != ERR_NONE) {
		*e = later;
		return e->code;
	}
	f->handle.len_bytes = 0;
	while (!f->closed_there)
		if (step(f, e) != ERR_NONE)
			return e->code;
	return failed(f, e);
}
