#include <string.h>

#include <bascule/base/text.h>

#include "sshsftp.h"

/* Which answer belongs to the question. */
enum want { WANT_STATUS, WANT_ATTRS, WANT_NAME, WANT_SPACE };

struct sshpath {
	struct sshsftp_party party;
	const char *doing;
	char *path;
	enum want want;
	bool answered;
	uint32_t status;
	struct err why; /* code ERR_NONE: it worked */
	struct sshattr attr;
	struct sshspace space;
	struct buf name;
};

/* --- answers ---------------------------------------------------------------- */

static void
take_name(struct sshpath *p, struct sftp_reader *body)
{
	uint32_t count = sftpwire_u32(body);
	size_t len;
	const uint8_t *name = sftpwire_string(body, &len);

	if (body->bad || count != 1) {
		sshsftp_break(p->party.session, "not one name for one path");
	} else if (len == 0 || len > SSH_PATH_BYTES_MAX ||
	    memchr(name, 0, len) != NULL) {
		err_set(&p->why, ERR_CORRUPT,
		    "cannot %s '%s': '%s' gives an impossible path", p->doing,
		    p->path, sshsftp_name(p->party.session));
	} else {
		(void)!buf_add(&p->name, name, len, &p->why);
	}
}

static void
take_space(struct sshpath *p, struct sftp_reader *body)
{
	uint64_t unit, total, free_units;

	(void)sftpwire_u64(body); /* the size preferred */
	unit = sftpwire_u64(body);
	total = sftpwire_u64(body);
	(void)sftpwire_u64(body); /* free for root */
	free_units = sftpwire_u64(body);
	for (int i = 0; i < 3; i++)
		(void)sftpwire_u64(
		    body); /* files: all, free, free for others */
	p->space.fs_id = sftpwire_u64(body);
	if (body->bad || unit == 0 || total > UINT64_MAX / unit ||
	    free_units > UINT64_MAX / unit) {
		sshsftp_break(p->party.session, "an impossible file system");
		return;
	}
	p->space.total_bytes = total * unit;
	p->space.free_bytes = free_units * unit;
}

static void
on_reply(struct sshsftp_party *party, uint64_t tag, uint8_t type,
    struct sftp_reader *body)
{
	struct sshpath *p = (struct sshpath *)party;
	struct sshsftp_doing doing = {p->doing, p->path};

	(void)tag;
	p->answered = true;
	if (type == SFTP_STATUS) {
		if (sshsftp_status(party->session, &doing, body, &p->status,
			&p->why) == ERR_NONE &&
		    p->want != WANT_STATUS)
			sshsftp_break(party->session, "an answer without one");
		else if (body->bad)
			sshsftp_break(party->session, "a status cut short");
	} else if (type == SFTP_ATTRS && p->want == WANT_ATTRS) {
		sftpwire_attr(body, &p->attr);
		if (!sftpwire_is_whole(body))
			sshsftp_break(party->session, "odd attributes");
	} else if (type == SFTP_NAME && p->want == WANT_NAME) {
		take_name(p, body);
	} else if (type == SFTP_EXTENDED_REPLY && p->want == WANT_SPACE) {
		take_space(p, body);
	} else {
		sshsftp_break(party->session, "the answer to something else");
	}
}

/* --- questions -------------------------------------------------------------- */

static void
path_free(struct sshsftp_party *party)
{
	struct sshpath *p = (struct sshpath *)party;

	buf_fini(&p->name);
	free(p->path);
	free(p);
}

void
sshpath_close(struct sshpath **pp)
{
	struct sshpath *p = TAKE(*pp);

	if (p != NULL)
		sshsftp_leave(&p->party);
}

struct question {
	const char *doing;
	enum sftp_type type;
	enum want want;
	const char *extension;     /* for SFTP_EXTENDED */
	const char *path, *second; /* second may be NULL */
	const uint32_t *mode;      /* may be NULL */
	const struct sshattr *attr;
	const char *named; /* for people; NULL: path */
};

static enum err_code
check_path(const char *path, struct err *e)
{
	if (path[0] == '\0' || strlen(path) > SSH_PATH_BYTES_MAX)
		return err_set(e, ERR_INPUT,
		    "a path over SFTP has 1 to %d bytes", SSH_PATH_BYTES_MAX);
	return ERR_NONE;
}

static enum err_code
send(struct sshpath *p, const struct question *q, struct err *e)
{
	struct sshsftp *s = p->party.session;
	struct buf *body = sshsftp_body(s);
	enum err_code rc = ERR_NONE;

	if (q->extension != NULL)
		rc = sftpwire_put_text(body, q->extension, e);
	if (rc == ERR_NONE)
		rc = sftpwire_put_text(body, q->path, e);
	if (rc == ERR_NONE && q->second != NULL)
		rc = sftpwire_put_text(body, q->second, e);
	if (rc == ERR_NONE && q->mode != NULL)
		rc = sftpwire_put_mode(body, *q->mode, e);
	if (rc == ERR_NONE && q->attr != NULL)
		rc = sftpwire_put_attr(body, q->attr, e);
	if (rc == ERR_NONE)
		rc = sshsftp_send(&p->party, 0,
		    &(struct sshsftp_message){.type = q->type, .body = body},
		    e);
	return rc;
}

static enum err_code
ask(struct sshpath **out, struct sshsftp *s, const struct question *q,
    struct err *e)
{
	OWNED(sshpath_close) struct sshpath *p = NULL;
	OWNED(buf_fini) struct buf escaped = {0};
	const char *named = q->named != NULL ? q->named : q->path;

	*out = NULL;
	if (check_path(q->path, e) != ERR_NONE ||
	    (q->second != NULL && check_path(q->second, e) != ERR_NONE) ||
	    text_escape(&escaped, named, strlen(named), e) != ERR_NONE ||
	    sshsftp_make_room(s, e) != ERR_NONE)
		return e->code;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return err_nomem(e);
	p->party.on_reply = on_reply;
	p->party.on_free = path_free;
	sshsftp_join(s, &p->party);
	p->doing = q->doing;
	p->want = q->want;
	p->path = strdup(buf_text(&escaped));
	if (p->path == NULL)
		return err_nomem(e);
	if (send(p, q, e) != ERR_NONE)
		return e->code;
	*out = TAKE(p);
	return ERR_NONE;
}

enum err_code
sshpath_begin(struct sshpath **out, struct sshsftp *s,
    enum sshpath_question what, const char *path, struct err *e)
{
	static const struct question questions[] = {
	    [SSHPATH_LSTAT] = {.doing = "look at",
		.type = SFTP_LSTAT,
		.want = WANT_ATTRS},
	    [SSHPATH_STAT] = {.doing = "look at",
		.type = SFTP_STAT,
		.want = WANT_ATTRS},
	    [SSHPATH_READLINK] = {.doing = "read the link",
		.type = SFTP_READLINK,
		.want = WANT_NAME},
	    [SSHPATH_REALPATH] = {.doing = "find",
		.type = SFTP_REALPATH,
		.want = WANT_NAME},
	};
	struct question q = questions[what];

	q.path = path;
	return ask(out, s, &q, e);
}

static enum err_code
wait_for(struct sshpath *p, struct err *e)
{
	while (!p->answered)
		if (sshsftp_step(p->party.session, e) != ERR_NONE)
			return err_wrap(e, "cannot %s '%s'", p->doing, p->path);
	if (p->why.code != ERR_NONE)
		*e = p->why;
	return p->why.code;
}

enum err_code
sshpath_wait(struct sshpath *p, struct sshattr *attr, struct buf *target,
    struct err *e)
{
	if (wait_for(p, e) != ERR_NONE)
		return e->code;
	if (attr != NULL)
		*attr = p->attr;
	if (target == NULL || p->name.len_bytes == 0)
		return ERR_NONE;
	return buf_add(target, p->name.bytes, p->name.len_bytes, e);
}

/* --- in one call ------------------------------------------------------------ */

static enum err_code
ask_now(struct sshpath **out, struct sshsftp *s, const struct question *q,
    struct err *e)
{
	if (ask(out, s, q, e) != ERR_NONE)
		return e->code;
	return wait_for(*out, e);
}

static enum err_code
look(struct sshsftp *s, enum sshpath_question what, const char *path,
    struct sshattr *attr, struct buf *target, struct err *e)
{
	OWNED(sshpath_close) struct sshpath *p = NULL;

	if (sshpath_begin(&p, s, what, path, e) != ERR_NONE)
		return e->code;
	return sshpath_wait(p, attr, target, e);
}

enum err_code
sshpath_lstat(struct sshsftp *s, const char *path, struct sshattr *attr,
    struct err *e)
{
	return look(s, SSHPATH_LSTAT, path, attr, NULL, e);
}

enum err_code
sshpath_stat(struct sshsftp *s, const char *path, struct sshattr *attr,
    struct err *e)
{
	return look(s, SSHPATH_STAT, path, attr, NULL, e);
}

enum err_code
sshpath_readlink(struct sshsftp *s, const char *path, struct buf *target,
    struct err *e)
{
	return look(s, SSHPATH_READLINK, path, NULL, target, e);
}

enum err_code
sshpath_realpath(struct sshsftp *s, const char *path, struct buf *absolute,
    struct err *e)
{
	OWNED(sshpath_close) struct sshpath *p = NULL;
	struct question q = {.doing = "find",
	    .type = SFTP_REALPATH,
	    .want = WANT_NAME,
	    .path = path};

	if (ask_now(&p, s, &q, e) != ERR_NONE)
		return e->code;
	return buf_add(absolute, p->name.bytes, p->name.len_bytes, e);
}

/*
 * Version 3 has one word, FAILURE, for most of what goes wrong: look whether
 * what should not have been there is.
 */
static enum err_code
was_there(struct sshsftp *s, const struct sshpath *p, const char *path,
    struct err *e)
{
	struct sshattr attr;
	struct err other;

	if (p == NULL || p->status != SFTP_FAILURE ||
	    sshpath_lstat(s, path, &attr, &other) != ERR_NONE)
		return e->code;
	return err_set(e, ERR_EXISTS, "cannot %s '%s' on '%s': it is there",
	    p->doing, p->path, sshsftp_name(s));
}

enum err_code
sshpath_mkdir(struct sshsftp *s, const char *path, uint32_t mode, struct err *e)
{
	OWNED(sshpath_close) struct sshpath *p = NULL;
	struct question q = {.doing = "make the directory",
	    .type = SFTP_MKDIR,
	    .path = path,
	    .mode = &mode};

	if (ask_now(&p, s, &q, e) == ERR_NONE)
		return ERR_NONE;
	return was_there(s, p, path, e);
}

enum err_code
sshpath_unlink(struct sshsftp *s, const char *path, struct err *e)
{
	OWNED(sshpath_close) struct sshpath *p = NULL;
	struct question q = {.doing = "remove",
	    .type = SFTP_REMOVE,
	    .path = path};

	return ask_now(&p, s, &q, e);
}

enum err_code
sshpath_rmdir(struct sshsftp *s, const char *path, struct err *e)
{
	OWNED(sshpath_close) struct sshpath *p = NULL;
	struct question q = {.doing = "remove the directory",
	    .type = SFTP_RMDIR,
	    .path = path};

	return ask_now(&p, s, &q, e);
}

enum err_code
sshpath_rename(struct sshsftp *s, const char *from, const char *to,
    struct err *e)
{
	OWNED(sshpath_close) struct sshpath *p = NULL;
	struct question q = {.doing = "rename",
	    .type = SFTP_RENAME,
	    .path = from,
	    .second = to};

	if (ask_now(&p, s, &q, e) == ERR_NONE)
		return ERR_NONE;
	return was_there(s, p, to, e);
}

enum err_code
sshpath_replace(struct sshsftp *s, const char *from, const char *to,
    struct err *e)
{
	OWNED(sshpath_close) struct sshpath *p = NULL;
	struct question q = {.doing = "rename",
	    .type = SFTP_EXTENDED,
	    .extension = "posix-rename@openssh.com",
	    .path = from,
	    .second = to};

	if (!sshsftp_offers(s, SSHSFTP_POSIX_RENAME))
		return err_set(e, ERR_INPUT,
		    "'%s' cannot put one file in another's place",
		    sshsftp_name(s));
	return ask_now(&p, s, &q, e);
}

enum err_code
sshpath_symlink(struct sshsftp *s, const char *path, const char *target,
    struct err *e)
{
	OWNED(sshpath_close) struct sshpath *p = NULL;
	struct question q = {.doing = "make the link",
	    .type = SFTP_SYMLINK,
	    .path = target,
	    .second = path,
	    .named = path};

	if (ask_now(&p, s, &q, e) == ERR_NONE)
		return ERR_NONE;
	return was_there(s, p, path, e);
}

enum err_code
sshpath_set_attr(struct sshsftp *s, const char *path,
    const struct sshattr *attr, struct err *e)
{
	OWNED(sshpath_close) struct sshpath *p = NULL;
	struct question q = {.doing = "set the attributes of",
	    .type = SFTP_SETSTAT,
	    .path = path,
	    .attr = attr};

	return ask_now(&p, s, &q, e);
}

enum err_code
sshpath_set_link_attr(struct sshsftp *s, const char *path,
    const struct sshattr *attr, struct err *e)
{
	OWNED(sshpath_close) struct sshpath *p = NULL;
	struct question q = {.doing = "set the attributes of",
	    .type = SFTP_EXTENDED,
	    .extension = "lsetstat@openssh.com",
	    .path = path,
	    .attr = attr};

	if (!sshsftp_offers(s, SSHSFTP_LSETSTAT))
		return err_set(e, ERR_INPUT,
		    "'%s' cannot set the attributes of a link",
		    sshsftp_name(s));
	return ask_now(&p, s, &q, e);
}

enum err_code
sshpath_space(struct sshsftp *s, const char *path, struct sshspace *space,
    struct err *e)
{
	OWNED(sshpath_close) struct sshpath *p = NULL;
	struct question q = {.doing = "ask for the room at",
	    .type = SFTP_EXTENDED,
	    .want = WANT_SPACE,
	    .extension = "statvfs@openssh.com",
	    .path = path};

	if (!sshsftp_offers(s, SSHSFTP_STATVFS))
		return err_set(e, ERR_INPUT, "'%s' does not tell its room",
		    sshsftp_name(s));
	if (ask_now(&p, s, &q, e) != ERR_NONE)
		return e->code;
	*space = p->space;
	return ERR_NONE;
}
