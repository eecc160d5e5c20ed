#include <string.h>

#include <bascule/base/text.h>

#include "sshsftp.h"

#define DEPTH_FIRST 2 /* READDIRs ahead: enough for a small directory */
#define DEPTH_MAX   16

enum tag { TAG_OPEN, TAG_READ };

/* The names of one answer, as they came. */
struct batch {
	struct buf bytes;
	uint32_t left_count;
};

struct sshdir {
	struct sshsftp_party party;
	char *path; /* escaped */
	struct sshsftp_handle handle;
	bool ended;                      /* the server has no more */
	struct err why;                  /* code ERR_NONE: all is well */
	struct batch batches[DEPTH_MAX]; /* a ring */
	unsigned first, ready_count, asked_count;
	unsigned depth;
	struct sftp_reader reader; /* over the first batch */
	bool reading;
	uint64_t entries_count;
	char name[SSHDIR_NAME_BYTES_MAX + 1];
};

/* --- asking ahead ----------------------------------------------------------- */

/* More READDIRs, as long as their answers would have a place. */
static void
ask_more(struct sshdir *d)
{
	struct sshsftp *s = d->party.session;

	while (d->handle.len_bytes > 0 && !d->ended &&
	    d->why.code == ERR_NONE &&
	    d->asked_count + d->ready_count < d->depth &&
	    sshsftp_has_room(s, 1)) {
		struct buf *body = sshsftp_body(s);

		if (sftpwire_put_string(body, d->handle.bytes,
			d->handle.len_bytes, &d->why) == ERR_NONE &&
		    sshsftp_send(&d->party, TAG_READ,
			&(struct sshsftp_message){.type = SFTP_READDIR,
			    .body = body},
			&d->why) == ERR_NONE)
			d->asked_count++;
	}
}

/* --- answers ---------------------------------------------------------------- */

static void
take_handle(struct sshdir *d, struct sftp_reader *body)
{
	if (!sshsftp_take_handle(d->party.session, &d->handle, body))
		return;
	if (d->party.closed)
		sshsftp_drop(d->party.session, &d->handle);
}

static void
take_names(struct sshdir *d, struct sftp_reader *body)
{
	struct batch *b = &d->batches[(d->first + d->ready_count) % DEPTH_MAX];

	b->left_count = sftpwire_u32(body);
	buf_clear(&b->bytes);
	if (body->bad || b->left_count == 0) {
		sshsftp_break(d->party.session, "a list of no names");
	} else if (buf_add(&b->bytes, body->at, body->left_bytes, &d->why) ==
	    ERR_NONE) {
		d->ready_count++;
		d->depth += d->depth < DEPTH_MAX;
	}
}

static void
on_reply(struct sshsftp_party *party, uint64_t tag, uint8_t type,
    struct sftp_reader *body)
{
	struct sshdir *d = (struct sshdir *)party;
	struct sshsftp_doing doing = {"list", d->path};
	uint32_t status = SFTP_OK;
	struct err why = {0};

	if (tag == TAG_READ)
		d->asked_count--;
	if (type == SFTP_HANDLE && tag == TAG_OPEN) {
		take_handle(d, body);
	} else if (type == SFTP_STATUS) {
		(void)!sshsftp_status(party->session, &doing, body, &status,
		    &why);
		if (body->bad || status == SFTP_OK)
			sshsftp_break(party->session, "a listing of nothing");
		else if (tag == TAG_READ && status == SFTP_EOF)
			d->ended = true;
		else if (d->why.code == ERR_NONE)
			d->why = why;
	} else if (type == SFTP_NAME && tag == TAG_READ) {
		if (!party->closed)
			take_names(d, body);
	} else {
		sshsftp_break(party->session, "the answer to something else");
	}
	if (!party->closed)
		ask_more(d);
}

/* --- making and ending ------------------------------------------------------ */

static void
dir_free(struct sshsftp_party *party)
{
	struct sshdir *d = (struct sshdir *)party;

	for (unsigned i = 0; i < DEPTH_MAX; i++)
		buf_fini(&d->batches[i].bytes);
	free(d->path);
	free(d);
}

void
sshdir_close(struct sshdir **dp)
{
	struct sshdir *d = TAKE(*dp);

	if (d == NULL)
		return;
	sshsftp_drop(d->party.session, &d->handle);
	sshsftp_leave(&d->party);
}

static enum err_code
send_open(struct sshdir *d, const char *path, struct err *e)
{
	struct buf *body = sshsftp_body(d->party.session);

	if (sftpwire_put_text(body, path, e) != ERR_NONE)
		return e->code;
	return sshsftp_send(&d->party, TAG_OPEN,
	    &(struct sshsftp_message){.type = SFTP_OPENDIR, .body = body}, e);
}

enum err_code
sshdir_begin(struct sshdir **out, struct sshsftp *s, const char *path,
    struct err *e)
{
	OWNED(sshdir_close) struct sshdir *d = NULL;
	OWNED(buf_fini) struct buf escaped = {0};

	*out = NULL;
	if (path[0] == '\0' || strlen(path) > SSH_PATH_BYTES_MAX)
		return err_set(e, ERR_INPUT,
		    "a path over SFTP has 1 to %d bytes", SSH_PATH_BYTES_MAX);
	if (text_escape(&escaped, path, strlen(path), e) != ERR_NONE ||
	    sshsftp_make_room(s, e) != ERR_NONE)
		return e->code;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return err_nomem(e);
	d->party.on_reply = on_reply;
	d->party.on_free = dir_free;
	d->depth = DEPTH_FIRST;
	sshsftp_join(s, &d->party);
	d->path = strdup(buf_text(&escaped));
	if (d->path == NULL)
		return err_nomem(e);
	if (send_open(d, path, e) != ERR_NONE)
		return e->code;
	*out = TAKE(d);
	return ERR_NONE;
}

/* --- the entries ------------------------------------------------------------ */

static bool
is_dots(const uint8_t *name, size_t len)
{
	return (len == 1 && name[0] == '.') ||
	    (len == 2 && name[0] == '.' && name[1] == '.');
}

static enum err_code
take_entry(struct sshdir *d, struct sshdirent *entry, bool *skip, struct err *e)
{
	size_t len, ignored;
	const uint8_t *name = sftpwire_string(&d->reader, &len);

	(void)sftpwire_string(&d->reader, &ignored); /* as ls -l shows it */
	sftpwire_attr(&d->reader, &entry->attr);
	if (d->reader.bad || len == 0 || len > SSHDIR_NAME_BYTES_MAX ||
	    memchr(name, '/', len) != NULL || memchr(name, 0, len) != NULL)
		return err_set(e, ERR_CORRUPT,
		    "'%s' lists a name in '%s' that no file can have",
		    sshsftp_name(d->party.session), d->path);
	if (++d->entries_count > SSHDIR_ENTRIES_MAX)
		return err_set(e, ERR_IO,
		    "'%s' lists more than %llu names in '%s'",
		    sshsftp_name(d->party.session),
		    (unsigned long long)SSHDIR_ENTRIES_MAX, d->path);
	memcpy(d->name, name, len);
	d->name[len] = '\0';
	entry->name = d->name;
	entry->name_bytes = len;
	*skip = is_dots(name, len);
	return ERR_NONE;
}

/* The first batch is read up: its place is free for another. */
static void
end_batch(struct sshdir *d)
{
	d->first = (d->first + 1) % DEPTH_MAX;
	d->ready_count--;
	d->reading = false;
	ask_more(d);
}

static enum err_code
next_of_batch(struct sshdir *d, struct sshdirent *entry, bool *found,
    struct err *e)
{
	struct batch *b = &d->batches[d->first];
	bool skip = true;

	if (!d->reading)
		d->reader = (struct sftp_reader){b->bytes.bytes,
		    b->bytes.len_bytes, false};
	d->reading = true;
	while (b->left_count > 0 && skip) {
		b->left_count--;
		if (take_entry(d, entry, &skip, e) != ERR_NONE)
			return e->code;
	}
	*found = !skip;
	if (skip)
		end_batch(d);
	return ERR_NONE;
}

enum err_code
sshdir_next(struct sshdir *d, struct sshdirent *entry, bool *more,
    struct err *e)
{
	*more = false;
	memset(entry, 0, sizeof(*entry));
	for (;;) {
		if (d->why.code == ERR_NONE && d->ready_count > 0) {
			if (next_of_batch(d, entry, more, &d->why) ==
				ERR_NONE &&
			    !*more)
				continue;
		}
		if (d->why.code != ERR_NONE) {
			*e = d->why;
			return e->code;
		}
		if (*more)
			return ERR_NONE;
		if (d->ended && d->asked_count == 0) {
			sshsftp_drop(d->party.session, &d->handle);
			return ERR_NONE;
		}
		ask_more(d);
		if (sshsftp_step(d->party.session, e) != ERR_NONE)
			return err_wrap(e, "listing '%s'", d->path);
	}
}
