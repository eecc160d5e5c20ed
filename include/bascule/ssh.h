#ifndef BASCULE_SSH_H
#define BASCULE_SSH_H

/*
 * SSH to another host: a checked connection, and over it commands or files.
 *
 * S1. Nothing is sent to a host whose key is not pinned: no user name, no
 *     key, no command.  There is no "trust it this once".
 * S2. No call waits longer than the connection's timeout for the peer to make
 *     progress, and none ignores `cancel` for longer than a second.
 * S3. A command's arguments arrive as they are given: argv is quoted for the
 *     far shell, never pasted.
 *
 *	OWNED(hostpins_free) struct hostpins *pins = NULL;
 *	OWNED(sshconn_close) struct sshconn *conn = NULL;
 *	OWNED(sshexec_close) struct sshexec *cmd = NULL;
 *	hostpins_new(&pins, e)
 *	hostpins_add_fingerprint(pins, "SHA256:...", e)
 *	sshconn_open(&conn, &(struct sshconn_options){...}, e)
 *	sshexec_open(&cmd, conn, argv, e)
 *	sshexec_write / _read / _send_eof / _finish
 *
 * or files, below: sshsftp, sshpath, sshdir, sshfile.
 *
 * One thread at a time per connection.  A connection that is lost is
 * ERR_TIMEOUT (try later) and never a SIGPIPE; a command that ends too early
 * is ERR_IO with the end of its standard error.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/buf.h>
#include <bascule/base/defs.h>
#include <bascule/base/err.h>

#define SSH_PORT_DEFAULT       22
#define SSH_TIMEOUT_DEFAULT_NS (INT64_C(30) * 1000000000)
#define SSH_HOST_BYTES_MAX     255
#define SSH_USER_BYTES_MAX     64
#define SSH_PATH_BYTES_MAX     4096
#define SSH_COMMAND_BYTES_MAX  16384 /* quoted, as the far shell gets it */
#define SSH_STDERR_BYTES_MAX   4096  /* the tail that is kept */

/* --- where: ssh://USER@HOST[:PORT]/PATH, or sftp:// ------------------------ */

struct sshurl {
	bool is_sftp; /* sftp://: nothing of ours runs there */
	char user[SSH_USER_BYTES_MAX + 1]; /* "" when the URL names none */
	char host[SSH_HOST_BYTES_MAX +
	    1];        /* no brackets around an IPv6 address */
	uint16_t port; /* SSH_PORT_DEFAULT when not named */
	char path[SSH_PATH_BYTES_MAX + 1]; /* absolute, "" when there is none */
};

/*
 * Take a URL apart; %XX is decoded.  ERR_INPUT: not such a URL, or a part
 * that could be mistaken for an option or holds a control byte.
 */
enum err_code sshurl_parse(struct sshurl *out, const char *url,
    struct err *e) MUST_CHECK;

/* --- who: the host keys we accept ---------------------------------------- */

struct hostpins;

enum err_code hostpins_new(struct hostpins **out, struct err *e) MUST_CHECK;
void hostpins_free(struct hostpins **hp);

/*
 * Accept the key with this fingerprint, as `ssh-keygen -l` prints it:
 * "SHA256:<43 base64>".  A key type may stand in front ("ssh-ed25519
 * SHA256:..."): it saves a handshake.  ERR_INPUT otherwise.
 */
enum err_code hostpins_add_fingerprint(struct hostpins *hp, const char *text,
    struct err *e) MUST_CHECK;

/*
 * Accept the keys an OpenSSH known_hosts file lists for host and port, hashed
 * names included.  Its @revoked keys are refused even when pinned elsewhere.
 * ERR_NOTFOUND: no such file.  A file that has no line for the host is not an
 * error here: the connection is refused, and says so.
 */
enum err_code hostpins_add_known_hosts(struct hostpins *hp, const char *path,
    const char *host, uint16_t port, struct err *e) MUST_CHECK;

size_t hostpins_count(const struct hostpins *hp);

/* --- a connection --------------------------------------------------------- */

struct sshconn;

struct sshconn_options {
	const char *user;         /* required */
	const char *host;         /* required: a numeric address, or a name */
	uint16_t port;            /* 0: SSH_PORT_DEFAULT */
	const char *bind_address; /* NULL: the kernel chooses the source */
	const struct hostpins *pins; /* required; borrowed for _open */
	const char *identity_file;   /* NULL: ask the agent (SSH_AUTH_SOCK) */
	/* Of a locked identity; NULL: the credential, see sshconn_open. */
	const char *passphrase_file;
	int64_t timeout_ns;   /* 0: SSH_TIMEOUT_DEFAULT_NS; see S2 */
	int64_t dial_ns;      /* until TCP answers; 0: timeout_ns */
	unsigned keepalive_s; /* 0: 15; asked for when the link is idle */
	const volatile sig_atomic_t *cancel; /* NULL, or: stop when not 0 */
};

/* In $CREDENTIALS_DIRECTORY, where systemd puts it: what opens the identity. */
#define SSH_PASSPHRASE_CREDENTIAL "bascule.identity-passphrase"

/*
 * Connect, check the host key, log in.  The identity is an Ed25519 or ECDSA
 * private key file, which must be readable by its owner only; one that is
 * locked is opened with the line in passphrase_file or in the credential.  Everything
 * in options is borrowed for the call, but `cancel` for the life of the connection.
 * ERR_TIMEOUT: refused, unreachable, or no answer in time: try later, or
 * another link.  ERR_REFUSED: the host key is not pinned (the text has both
 * fingerprints) or the login was refused (the text has user and key).
 * ERR_KEY: the identity cannot be used.  ERR_CANCELLED.
 */
enum err_code sshconn_open(struct sshconn **out,
    const struct sshconn_options *options, struct err *e) MUST_CHECK;

/* Say goodbye if the peer is quick about it, and close. */
void sshconn_close(struct sshconn **conn);

/* "SHA256:..." of the key the host showed; borrowed from conn. */
const char *sshconn_fingerprint(const struct sshconn *conn);

/* "user@host:port", for messages; borrowed from conn. */
const char *sshconn_name(const struct sshconn *conn);

/*
 * Read the host's key and go away without logging in: for `site trust`, which
 * shows it and never adds it.  fingerprint: "ssh-ed25519 SHA256:..."; line (may
 * be NULL): appended, as known_hosts would have it.
 */
#define SSH_FINGERPRINT_BYTES 96
enum err_code sshconn_scan(const struct sshconn_options *options,
    char fingerprint[SSH_FINGERPRINT_BYTES], struct buf *line,
    struct err *e) MUST_CHECK;

/* --- a command there ------------------------------------------------------ */

/*
 * One word for a POSIX shell: as it is when it is harmless, else in single
 * quotes.  ERR_INPUT past out's maximum.
 */
enum err_code shquote_add(struct buf *out, const char *word,
    struct err *e) MUST_CHECK;
/* argv, NULL-ended, joined by spaces. */
enum err_code shquote_argv(struct buf *out, const char *const argv[],
    struct err *e) MUST_CHECK;

struct sshexec;

/*
 * Start argv (NULL-ended, at least one word).  conn is borrowed until _close;
 * one command at a time per connection.  Where the account has a forced
 * command, the host runs that instead.
 */
enum err_code sshexec_open(struct sshexec **out, struct sshconn *conn,
    const char *const argv[], struct err *e) MUST_CHECK;

/* All of bytes to its standard input; best in pieces of 256 KiB to 1 MiB. */
enum err_code sshexec_write(struct sshexec *x, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;

/*
 * At least one byte of its standard output; *got is 0 at the end.  Standard
 * error is collected on the way.
 */
enum err_code sshexec_read(struct sshexec *x, void *bytes, size_t max_bytes,
    size_t *got, struct err *e) MUST_CHECK;

/*
 * As sshexec_read, for a command that may be silent for hours: ERR_BUSY when
 * nothing came within wait_ns, which is no fault and no end.  A peer that is
 * dead is still noticed, by TCP, when a keepalive is not acknowledged.
 */
enum err_code sshexec_read_within(struct sshexec *x, void *bytes,
    size_t max_bytes, int64_t wait_ns, size_t *got, struct err *e) MUST_CHECK;

/* No more input will come. */
enum err_code sshexec_send_eof(struct sshexec *x, struct err *e) MUST_CHECK;

/* A far shell that waits for the command says 128 + N of signal N: told as such. */
struct sshexit {
	int status;      /* -1 when a signal ended it */
	char signal[16]; /* "TERM"; "" otherwise */
};

/*
 * Wait for its end; output not read yet is thrown away.
 * ERR_NOTFOUND: status 127, the far shell knows no such program.
 */
enum err_code sshexec_finish(struct sshexec *x, struct sshexit *exit,
    struct err *e) MUST_CHECK;

/*
 * The same for one that takes its time: ERR_BUSY while it has not ended, then
 * ask again.  Send the end of its input first if it waits for that.
 */
enum err_code sshexec_end_within(struct sshexec *x, int64_t wait_ns,
    struct sshexit *exit, struct err *e) MUST_CHECK;

/* The last SSH_STDERR_BYTES_MAX of its standard error, escaped for people. */
const char *sshexec_stderr(struct sshexec *x);
/* ... and as it came, behind what out holds. */
enum err_code sshexec_tail(struct sshexec *x, struct buf *out,
    struct err *e) MUST_CHECK;

/* Drop the channel; a command still running sees its input and output end. */
void sshexec_close(struct sshexec **x);

/* --- files there: SFTP ------------------------------------------------------ */

/*
 * The SFTP protocol (version 3) is spoken here by hand over one channel of the
 * connection: every request has a number, so any number of files, listings and
 * questions may be under way at once on one session, their answers sorted
 * apart.  What begins (`_begin`) sends and does not wait; what asks (`_read`,
 * `_next`, `_wait`) waits.  Begin a few ahead, ask in order: that hides the
 * round trips.  SSHSFTP_UNDER_WAY_MAX requests at once are the bound.
 *
 *	OWNED(sshsftp_close) struct sshsftp *s = NULL;
 *	OWNED(sshdir_close) struct sshdir *dir = NULL;
 *	OWNED(sshfile_close) struct sshfile *f = NULL;
 *	sshsftp_open(&s, conn, e)
 *	sshdir_begin(&dir, s, "/srv", e), then sshdir_next until !*more
 *	sshfile_begin_read(&f, s, "/srv/a", 0, 0, e), then sshfile_read
 *
 * S4. The server is hostile: a message that is too long, unasked for, or tells
 *     more than was asked ends the session (ERR_IO, "breaks the protocol").
 *     What it says of names, sizes and kinds is a claim all the same.
 * S5. Files, listings and questions are closed before their session, or it
 *     aborts; closing never waits.
 *
 * Codes of every call: ERR_TIMEOUT the connection is gone or silent (another
 * time), ERR_CANCELLED, ERR_NOTFOUND no such file, ERR_REFUSED permission,
 * ERR_NOSPACE where the server says so (OpenSSH's does not: ERR_IO "failure"),
 * ERR_IO otherwise.  Texts have the path, escaped, and the host.
 *
 * A path is sent as it is: absolute, or from the account's first directory; at
 * most SSH_PATH_BYTES_MAX.
 */

#define SSHSFTP_UNDER_WAY_MAX 4096
#define SSHDIR_NAME_BYTES_MAX 1024
/* A listing longer than this is not read to its end: ERR_IO. */
#define SSHDIR_ENTRIES_MAX     (UINT64_C(1) << 24)
#define SSHFILE_WINDOW_DEFAULT ((size_t)4 << 20)

struct sshsftp;

/* Start the far host's sftp subsystem; the connection is its own until _close. */
enum err_code sshsftp_open(struct sshsftp **out, struct sshconn *conn,
    struct err *e) MUST_CHECK;
void sshsftp_close(struct sshsftp **s);

/* Can nothing more be asked over it, for it is lost or broke the protocol? */
bool sshsftp_is_over(const struct sshsftp *s);

/* "user@host:port"; borrowed from the connection. */
const char *sshsftp_name(const struct sshsftp *s);

/* What the server said it can do beyond version 3. */
enum sshsftp_extension {
	SSHSFTP_FSYNC,        /* fsync@openssh.com */
	SSHSFTP_POSIX_RENAME, /* posix-rename@openssh.com: may overwrite */
	SSHSFTP_HARDLINK,     /* hardlink@openssh.com */
	SSHSFTP_STATVFS,      /* statvfs@openssh.com */
	SSHSFTP_LIMITS,       /* limits@openssh.com: pieces beyond 32 KiB */
	SSHSFTP_LSETSTAT      /* lsetstat@openssh.com: of links themselves */
};
bool sshsftp_offers(const struct sshsftp *s, enum sshsftp_extension what);

/* What a server tells of a file; the have bits say what of it was told. */
struct sshattr {
	bool has_size, has_owner, has_mode, has_times;
	uint64_t size_bytes;
	uint32_t uid, gid;
	uint32_t mode;             /* as in st_mode: S_ISREG and so on */
	uint32_t atime_s, mtime_s; /* whole seconds, 1970 to 2106 */
};

/* --- files there: asking and changing by path ------------------------------- */

enum sshpath_question {
	SSHPATH_LSTAT,
	SSHPATH_STAT,
	SSHPATH_READLINK,
	SSHPATH_REALPATH
};

/* One question under way. */
struct sshpath;

enum err_code sshpath_begin(struct sshpath **out, struct sshsftp *s,
    enum sshpath_question what, const char *path, struct err *e) MUST_CHECK;
/*
 * Its answer.  attr for the stats, target (no NUL is in it; at most
 * SSH_PATH_BYTES_MAX) for readlink and realpath; the other may be NULL.
 */
enum err_code sshpath_wait(struct sshpath *p, struct sshattr *attr,
    struct buf *target, struct err *e) MUST_CHECK;
void sshpath_close(struct sshpath **p);

/* The same in one call; and the absolute path of path. */
enum err_code sshpath_lstat(struct sshsftp *s, const char *path,
    struct sshattr *attr, struct err *e) MUST_CHECK;
enum err_code sshpath_stat(struct sshsftp *s, const char *path,
    struct sshattr *attr, struct err *e) MUST_CHECK;
enum err_code sshpath_readlink(struct sshsftp *s, const char *path,
    struct buf *target, struct err *e) MUST_CHECK;
enum err_code sshpath_realpath(struct sshsftp *s, const char *path,
    struct buf *absolute, struct err *e) MUST_CHECK;

/* ERR_EXISTS: a directory of that name is there. */
enum err_code sshpath_mkdir(struct sshsftp *s, const char *path, uint32_t mode,
    struct err *e) MUST_CHECK;
enum err_code sshpath_unlink(struct sshsftp *s, const char *path,
    struct err *e) MUST_CHECK;
enum err_code sshpath_rmdir(struct sshsftp *s, const char *path,
    struct err *e) MUST_CHECK;

/*
 * Give a file another name, never in the place of another: ERR_EXISTS.  As
 * version 3 promises it; OpenSSH's server does it with link and unlink where
 * the file system has links.
 */
enum err_code sshpath_rename(struct sshsftp *s, const char *from,
    const char *to, struct err *e) MUST_CHECK;
/*
 * The same in the place of whatever has the name, in one step.  ERR_INPUT
 * without SSHSFTP_POSIX_RENAME.
 */
enum err_code sshpath_replace(struct sshsftp *s, const char *from,
    const char *to, struct err *e) MUST_CHECK;

/*
 * Make a symbolic link.  ERR_EXISTS: something of that name is there.  The
 * words go in OpenSSH's order, which is not the draft's: read it back.
 */
enum err_code sshpath_symlink(struct sshsftp *s, const char *path,
    const char *target, struct err *e) MUST_CHECK;
/*
 * Give it what attr has: size, mode, times, owner.  A server stops at, or goes
 * on after, the first that it cannot.  A link is followed.
 */
enum err_code sshpath_set_attr(struct sshsftp *s, const char *path,
    const struct sshattr *attr, struct err *e) MUST_CHECK;
/* The same of a link itself.  ERR_INPUT without SSHSFTP_LSETSTAT. */
enum err_code sshpath_set_link_attr(struct sshsftp *s, const char *path,
    const struct sshattr *attr, struct err *e) MUST_CHECK;

struct sshspace {
	uint64_t total_bytes;
	uint64_t free_bytes; /* for who is not root there */
	uint64_t fs_id;      /* the same all over one file system */
};
/* ERR_INPUT without SSHSFTP_STATVFS. */
enum err_code sshpath_space(struct sshsftp *s, const char *path,
    struct sshspace *space, struct err *e) MUST_CHECK;

/* --- files there: listing a directory --------------------------------------- */

struct sshdir;

struct sshdirent {
	const char *name; /* NUL-ended; borrowed until the next call */
	size_t name_bytes;
	struct sshattr attr; /* as lstat tells it */
};

enum err_code sshdir_begin(struct sshdir **out, struct sshsftp *s,
    const char *path, struct err *e) MUST_CHECK;
/*
 * The next entry, in the server's order; *more is false after the last.  "."
 * and ".." are left out.  Any byte but '/' and NUL may be in a name, as on
 * disk.  ERR_CORRUPT: a name no file can have (empty, with '/' or NUL, beyond
 * SSHDIR_NAME_BYTES_MAX): the server lies, believe nothing of this listing.
 */
enum err_code sshdir_next(struct sshdir *dir, struct sshdirent *entry,
    bool *more, struct err *e) MUST_CHECK;
void sshdir_close(struct sshdir **dir);

/* --- files there: reading and writing --------------------------------------- */

struct sshfile;

/*
 * Read from offset_bytes on, the next window_bytes (0: the default) asked for
 * ahead: what is held in memory of one file at most.  Pass about the size of a
 * small file, so that nothing is asked for behind its end.
 */
enum err_code sshfile_begin_read(struct sshfile **out, struct sshsftp *s,
    const char *path, uint64_t offset_bytes, size_t window_bytes,
    struct err *e) MUST_CHECK;
/* At least one byte; *got is 0 at the end of the file. */
enum err_code sshfile_read(struct sshfile *f, void *bytes, size_t max_bytes,
    size_t *got, struct err *e) MUST_CHECK;

/* Make a new file to write: ERR_EXISTS, and nothing there is opened. */
enum err_code sshfile_create(struct sshfile **out, struct sshsftp *s,
    const char *path, uint32_t mode, struct err *e) MUST_CHECK;
/* One that is there, to go on writing; not truncated. */
enum err_code sshfile_open_write(struct sshfile **out, struct sshsftp *s,
    const char *path, struct err *e) MUST_CHECK;
/*
 * All of bytes at an offset.  Returns when they are sent, not when they are
 * answered for: best in pieces of 1 MiB.  A failure of an earlier write comes
 * from the next call.
 */
enum err_code sshfile_write(struct sshfile *f, uint64_t offset_bytes,
    const void *bytes, size_t len_bytes, struct err *e) MUST_CHECK;
/* Wait until the server has answered for everything written. */
enum err_code sshfile_flush(struct sshfile *f, struct err *e) MUST_CHECK;
/* Flush, and have it on disk there.  ERR_INPUT without SSHSFTP_FSYNC. */
enum err_code sshfile_sync(struct sshfile *f, struct err *e) MUST_CHECK;
/*
 * The same of what is on disk under a path, a directory's names too; nothing of
 * it is read or changed.
 */
enum err_code sshfile_sync_path(struct sshsftp *s, const char *path,
    struct err *e) MUST_CHECK;
/* What the server told of the open file, of one to read when it was opened. */
enum err_code sshfile_attr(struct sshfile *f, struct sshattr *attr,
    struct err *e) MUST_CHECK;
/* ... and what it tells now: asked anew. */
enum err_code sshfile_attr_now(struct sshfile *f, struct sshattr *attr,
    struct err *e) MUST_CHECK;

/*
 * Give an open file to write what attr has, in its place among the writes.  A
 * failure is this call's alone.
 */
enum err_code sshfile_set_attr(struct sshfile *f, const struct sshattr *attr,
    struct err *e) MUST_CHECK;

/* Flush, close, and hear that the server could. */
enum err_code sshfile_finish(struct sshfile *f, struct err *e) MUST_CHECK;
/* Let go of it without waiting; what was not flushed may be lost. */
void sshfile_close(struct sshfile **f);

#endif
