#include "sftp_target.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>
#include <bascule/base/proc.h>
#include <bascule/base/text.h>

/*
 * The lock is a file with its owner in it.  Nothing tells a far machine that
 * its owner is gone; of a process on this one the kernel does: another boot, or
 * in the same namespace of processes no such process begun at that moment.
 *
 *	bascule sender
 *	machine 0123...         /etc/machine-id
 *	boot 0123-...
 *	pids 4026531836         the namespace
 *	pid 123
 *	began 456789            clock ticks after the boot
 *	host brent
 *	since 2026-11-22T...
 */
#define LOCK_BYTES_MAX ((size_t)2048)
#define FIELD_BYTES    65

struct owner {
	char machine[FIELD_BYTES], boot[FIELD_BYTES], pids[FIELD_BYTES],
	    pid[FIELD_BYTES], began[FIELD_BYTES], host[FIELD_BYTES],
	    since[FIELD_BYTES];
};

/* --- who we are, who it says it is ------------------------------------------------ */

static void
read_word(char out[FIELD_BYTES], const char *path)
{
	OWNED(buf_fini) struct buf b = {0};
	struct err ignored;

	out[0] = '\0';
	if (fdio_slurp(AT_FDCWD, path, 4096, &b, &ignored) == ERR_NONE)
		(void)sscanf(buf_text(&b), "%64s", out);
}

static void
be_owner(struct owner *o)
{
	char boot[NOW_BOOT_ID_BYTES], since[NOW_TEXT_BYTES], link[FIELD_BYTES];
	struct proc_look look;
	struct err ignored;
	ssize_t n;

	memset(o, 0, sizeof(*o));
	read_word(o->machine, "/etc/machine-id");
	now_boot_id(boot);
	snprintf(o->boot, sizeof(o->boot), "%s", boot);
	n = readlink("/proc/self/ns/pid", link, sizeof(link) - 1);
	if (n > 0)
		snprintf(o->pids, sizeof(o->pids), "%.*s", (int)n, link);
	snprintf(o->pid, sizeof(o->pid), "%ld", (long)getpid());
	if (proc_look(&look, getpid(), &ignored) == ERR_NONE)
		snprintf(o->began, sizeof(o->began), "%" PRIu64,
		    look.began_ticks);
	if (gethostname(o->host, sizeof(o->host) - 1) != 0)
		snprintf(o->host, sizeof(o->host), "unknown");
	snprintf(o->since, sizeof(o->since), "%s", now_text(now_utc(), since));
}

static enum err_code
spell(const struct owner *o, struct buf *out, struct err *e)
{
	return buf_printf(out, e,
	    "bascule sender\nmachine %s\nboot %s\npids %s\npid %s\n"
	    "began %s\nhost %s\nsince %s\n",
	    o->machine, o->boot, o->pids, o->pid, o->began, o->host, o->since);
}

/* Whatever it holds: what is not there stays empty, nothing else is shown. */
static void
parse(struct owner *o, struct buf *text)
{
	const struct {
		const char *name;
		char *out;
	} fields[] = {{"machine ", o->machine}, {"boot ", o->boot},
	    {"pids ", o->pids}, {"pid ", o->pid}, {"began ", o->began},
	    {"host ", o->host}, {"since ", o->since}};
	const char *line = buf_text(text);

	memset(o, 0, sizeof(*o));
	for (; line != NULL && *line != '\0';
	     line = strchr(line, '\n') != NULL ? strchr(line, '\n') + 1 : NULL)
		for (size_t i = 0; i < COUNT_OF(fields); i++) {
			size_t n = strlen(fields[i].name);
			size_t len = strcspn(line, "\n");

			if (strncmp(line, fields[i].name, n) != 0 ||
			    len - n >= FIELD_BYTES)
				continue;
			memcpy(fields[i].out, line + n, len - n);
			fields[i].out[len - n] = '\0';
		}
}

static bool
same(const char *a, const char *b)
{
	return a[0] != '\0' && strcmp(a, b) == 0;
}

/*
 * Was it on this machine, and is surely no more?  A boot has a name of its own, also
 * where the machine has none (a fresh container); who has ended is dead, whether or
 * not somebody has asked how.
 */
static bool
is_dead(const struct owner *o, const struct owner *us)
{
	uint64_t pid, began;
	struct proc_look look;
	struct err ignored;

	if (!same(o->boot, us->boot))
		return o->boot[0] != '\0' && same(o->machine, us->machine);
	if (!same(o->pids, us->pids) ||
	    !text_parse_u64(o->pid, INT_MAX, &pid) || pid == 0 ||
	    !text_parse_u64(o->began, UINT64_MAX, &began) ||
	    proc_look(&look, (pid_t)pid, &ignored) != ERR_NONE)
		return false;
	return look.state == '\0' || look.state == 'Z' ||
	    look.began_ticks != began;
}

/* "process 12 on 'brent', since ...", of hostile words. */
static enum err_code
describe(const struct owner *o, struct buf *out, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};

	if (buf_printf(&text, e, "process %s on '%s' since %s",
		o->pid[0] != '\0' ? o->pid : "?",
		o->host[0] != '\0' ? o->host : "?",
		o->since[0] != '\0' ? o->since : "?") != ERR_NONE)
		return e->code;
	return text_escape(out, buf_text(&text), text.len_bytes, e);
}

/* --- the file ------------------------------------------------------------------------ */

static enum err_code
create(struct sftp_target *t, const struct owner *us, struct err *e)
{
	OWNED(sshfile_close) struct sshfile *f = NULL;
	OWNED(buf_fini) struct buf path = {0}, text = {0};

	if (sftp_target_file_path(t, &path, SFTP_TARGET_LOCK, e) != ERR_NONE ||
	    spell(us, &text, e) != ERR_NONE ||
	    sshfile_create(&f, t->sftp, buf_text(&path), 0600, e) != ERR_NONE)
		return e->code;
	t->locked = true;
	if (sshfile_write(f, 0, text.bytes, text.len_bytes, e) != ERR_NONE)
		return e->code;
	return sshfile_finish(f, e);
}

static enum err_code
remove_lock(struct sftp_target *t, struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};

	if (sftp_target_file_path(t, &path, SFTP_TARGET_LOCK, e) != ERR_NONE)
		return e->code;
	return sshpath_unlink(t->sftp, buf_text(&path), e);
}

static enum err_code
refuse(const struct buf *who, const struct sftp_target *t, struct err *e)
{
	struct buf text = *who;

	err_set(e, ERR_BUSY, "another sender has the copy: %s",
	    buf_text(&text));
	return err_hint(e,
	    "if it is surely gone, remove '%s/" SFTP_TARGET_LOCK
	    "' there, or run once with --break-lock",
	    t->base);
}

static enum err_code
take_over(struct sftp_target *t, const struct owner *us, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0}, who = {0};
	struct owner other;
	enum err_code rc =
	    sftp_target_file_get(t, SFTP_TARGET_LOCK, LOCK_BYTES_MAX, &text, e);

	if (rc == ERR_NOTFOUND)
		return create(t, us, e); /* it has just ended */
	if (rc != ERR_NONE)
		return err_wrap(e, "reading whose the lock is");
	parse(&other, &text);
	if (describe(&other, &who, e) != ERR_NONE)
		return e->code;
	if (!t->how->break_lock && !is_dead(&other, us))
		return refuse(&who, t, e);
	snprintf(t->report->lock_taken, sizeof(t->report->lock_taken), "%s",
	    buf_text(&who));
	rc = remove_lock(t, e);
	return rc == ERR_NONE || rc == ERR_NOTFOUND ? create(t, us, e) : rc;
}

enum err_code
sftp_target_lock_take(struct sftp_target *t, struct err *e)
{
	struct owner us;
	enum err_code rc;

	be_owner(&us);
	rc = create(t, &us, e);
	if (rc == ERR_EXISTS)
		rc = take_over(t, &us, e);
	if (rc == ERR_EXISTS)
		rc = err_set(e, ERR_BUSY, "another sender was faster");
	return rc == ERR_NONE ? rc : err_wrap(e, "locking the copy");
}

void
sftp_target_lock_drop(struct sftp_target *t)
{
	if (t->locked)
		(void)!remove_lock(t, &(struct err){0});
	t->locked = false;
}
