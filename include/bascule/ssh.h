#ifndef BASCULE_SSH_H
#define BASCULE_SSH_H

/*
 * SSH to another host: a checked connection, and commands run over it.
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

/* --- where: ssh://USER@HOST[:PORT]/PATH ---------------------------------- */

struct sshurl {
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
	int64_t timeout_ns;          /* 0: SSH_TIMEOUT_DEFAULT_NS; see S2 */
	unsigned keepalive_s; /* 0: 15; asked for when the link is idle */
	const volatile sig_atomic_t *cancel; /* NULL, or: stop when not 0 */
};

/*
 * Connect, check the host key, log in.  The identity is an Ed25519 or ECDSA
 * private key file without a passphrase; it must be readable by its owner
 * only.  Everything in options is borrowed for the call, but `cancel` for the
 * life of the connection.
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
 * shows it and never adds it.  fingerprint: "ssh-ed25519 SHA256:...".
 */
#define SSH_FINGERPRINT_BYTES 96
enum err_code sshconn_scan(const struct sshconn_options *options,
    char fingerprint[SSH_FINGERPRINT_BYTES], struct err *e) MUST_CHECK;

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

/* No more input will come. */
enum err_code sshexec_send_eof(struct sshexec *x, struct err *e) MUST_CHECK;

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

/* The last SSH_STDERR_BYTES_MAX of its standard error, escaped for people. */
const char *sshexec_stderr(struct sshexec *x);

/* Drop the channel; a command still running sees its input and output end. */
void sshexec_close(struct sshexec **x);

#endif
