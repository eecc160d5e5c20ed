#include "identity.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/text.h>

/*
 * The first lines of an OpenSSH key hold, in the clear, the cipher and the
 * public key; the secret begins behind them.  Nothing more is read here.
 */
#define BEGIN        "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define MAGIC        "openssh-key-v1" /* its NUL belongs to it */
#define HEAD_BYTES   177              /* BEGIN and two lines of 70 */
#define CLEAR_DIGITS 136

struct be_reader {
	const uint8_t *at;
	size_t left_bytes;
};

static size_t
take32(struct be_reader *r)
{
	const uint8_t *at = r->at;

	if (r->left_bytes < 4) {
		r->left_bytes = 0;
		return 0;
	}
	r->at += 4;
	r->left_bytes -= 4;
	return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 |
	    at[3];
}

static void
pass_over(struct be_reader *r)
{
	size_t n = take32(r);

	n = n <= r->left_bytes ? n : r->left_bytes;
	r->at += n;
	r->left_bytes -= n;
}

/* Is the next string, which is passed over, this word? */
static bool
take_is(struct be_reader *r, const char *word)
{
	size_t n = take32(r);
	bool same = n <= r->left_bytes && n == strlen(word) &&
	    memcmp(r->at, word, n) == 0;

	n = n <= r->left_bytes ? n : r->left_bytes;
	r->at += n;
	r->left_bytes -= n;
	return same;
}

static enum err_code
check_openssh(const char *path, const uint8_t *bytes, size_t len, bool *locked,
    struct err *e)
{
	struct be_reader r = {bytes, len};

	if (len < sizeof(MAGIC) || memcmp(bytes, MAGIC, sizeof(MAGIC)) != 0)
		return err_set(e, ERR_KEY, "'%s' is not an OpenSSH key", path);
	r.at += sizeof(MAGIC);
	r.left_bytes -= sizeof(MAGIC);
	*locked = !take_is(&r, "none");
	pass_over(&r);    /* key derivation */
	pass_over(&r);    /* and its options */
	(void)take32(&r); /* how many keys */
	(void)take32(&r); /* length of the public key */
	if (!take_is(&r, "ssh-rsa"))
		return ERR_NONE;
	err_set(e, ERR_KEY, "the RSA key '%s' cannot be used", path);
	return err_hint(e,
	    "the SSH library signs RSA with SHA-1 only, which "
	    "servers refuse: make one with ssh-keygen -t ed25519");
}

static enum err_code
check_head(const char *path, const char *head, size_t len, bool *locked,
    struct err *e)
{
	OWNED(buf_fini) struct buf raw = {.max_bytes = HEAD_BYTES};
	struct err ignored = {0};
	char digits[CLEAR_DIGITS + 1] = {0};
	size_t n = 0;

	*locked = strstr(head, "ENCRYPTED") != NULL;
	if (strncmp(head, "-----BEGIN RSA", 14) == 0)
		return err_set(e, ERR_KEY, "the RSA key '%s' cannot be used",
		    path);
	if (strncmp(head, "-----BEGIN ", 11) != 0)
		return err_set(e, ERR_KEY, "'%s' is not a private key", path);
	if (strncmp(head, BEGIN, strlen(BEGIN)) != 0)
		return ERR_NONE; /* PEM: libssh2 will see */
	for (size_t i = strlen(BEGIN); i < len && n < CLEAR_DIGITS; i++)
		if (head[i] != '\n')
			digits[n++] = head[i];
	if (text_unbase64(&raw, digits, &ignored) != ERR_NONE)
		return err_set(e, ERR_KEY, "'%s' is damaged", path);
	return check_openssh(path, raw.bytes, raw.len_bytes, locked, e);
}

/* Of a secret that others may read, say so and do not use it. */
static enum err_code
open_secret(int *out, const char *path, const char *what, mode_t others,
    struct err *e)
{
	OWNED(fdio_close)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat sb;

	if (fd == -1 || fstat(fd, &sb) != 0) {
		err_sys(e, "cannot read %s '%s'", what, path);
		return e->code = ERR_KEY;
	}
	if (!S_ISREG(sb.st_mode))
		return err_set(e, ERR_KEY, "'%s' is not a file", path);
	if ((sb.st_mode & others) != 0) {
		err_set(e, ERR_KEY, "others may read %s '%s'", what, path);
		return err_hint(e,
		    "chmod 600 it, and replace it if somebody "
		    "may have");
	}
	*out = fd;
	fd = -1;
	return ERR_NONE;
}

enum err_code
identity_check(const char *path, bool *locked, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	char head[HEAD_BYTES + 1] = {0};
	size_t got;

	*locked = false;
	if (open_secret(&fd, path, "the identity", 077, e) != ERR_NONE)
		return e->code;
	if (fdio_read(fd, head, HEAD_BYTES, &got, e) != ERR_NONE)
		return err_wrap(e, "reading the identity '%s'", path);
	return check_head(path, head, got, locked, e);
}

/* --- its passphrase --------------------------------------------------------- */

static enum err_code
read_line(struct secret *out, int fd, const char *file, struct err *e)
{
	size_t got;

	/* One more than may be, for the NUL. */
	if (secret_init(out, PASSPHRASE_BYTES_MAX + 2, e) != ERR_NONE ||
	    fdio_read(fd, out->bytes, PASSPHRASE_BYTES_MAX + 1, &got, e) !=
		ERR_NONE)
		return e->code;
	if (got > 0 && out->bytes[got - 1] == '\n')
		got--;
	if (got == 0 || got > PASSPHRASE_BYTES_MAX ||
	    memchr(out->bytes, 0, got) != NULL ||
	    memchr(out->bytes, '\n', got) != NULL)
		return err_set(e, ERR_KEY,
		    "'%s' does not hold a passphrase: one line of 1 to %d "
		    "bytes",
		    file, PASSPHRASE_BYTES_MAX);
	secret_cut(out, got); /* what it cuts is wiped: a NUL */
	return ERR_NONE;
}

static enum err_code
no_passphrase(const char *path, struct err *e)
{
	err_set(e, ERR_KEY, "the key '%s' is locked by a passphrase", path);
	return err_hint(e,
	    "name a file that holds it (--identity-passphrase-file), give the "
	    "service the credential " SSH_PASSPHRASE_CREDENTIAL ", or load the "
	    "key into ssh-agent and leave the identity out");
}

enum err_code
identity_passphrase(struct secret *out, const char *file, const char *path,
    struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	OWNED(buf_fini) struct buf credential = {0};
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	mode_t others = 077;

	if (file == NULL && dir != NULL && dir[0] == '/') {
		if (buf_printf(&credential, e, "%s/%s", dir,
			SSH_PASSPHRASE_CREDENTIAL) != ERR_NONE)
			return e->code;
		file = buf_text(&credential);
		others = 007; /* an ACL of systemd's shows in the group's */
		if (access(file, F_OK) != 0)
			file = NULL;
	}
	if (file == NULL)
		return no_passphrase(path, e);
	if (open_secret(&fd, file, "the passphrase", others, e) != ERR_NONE)
		return e->code;
	return read_line(out, fd, file, e);
}
