#include "sshconn.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <bascule/base/fdio.h>
#include <bascule/base/text.h>
#include <bascule/crypt.h>

#include "dial.h"
#include "hostpins.h"
#include "identity.h"

#define PACKET_BYTES     32768
#define CHANNEL_CLOSE_NS (INT64_C(1) * NS_PER_S)

/*
 * Fastest first: without AES-GCM, counter mode with SHA-2-256 costs least
 * (docs: SHA-2-512 takes a third more).
 */
#define CIPHERS     "aes128-ctr,aes256-ctr,aes192-ctr"
#define MACS        "hmac-sha2-256,hmac-sha2-512"
#define GOODBYE_NS  (INT64_C(1) * NS_PER_S)
#define KEEPALIVE_S 15
#define AGENT_MAX   64 /* of its keys are tried */
#define TYPES_BYTES 128

enum purpose { LOGIN, SCAN };

/* --- waiting and failing ---------------------------------------------------- */

struct mono
sshconn_deadline(const struct sshconn *c)
{
	return (struct mono){now_mono().ns + c->timeout_ns};
}

static enum err_code
wait_until(struct sshconn *c, struct mono until, struct err *e)
{
	int way = libssh2_session_block_directions(c->session), next_s = 0;
	short events = 0;

	if ((way & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0)
		events |= POLLOUT;
	if ((way & LIBSSH2_SESSION_BLOCK_INBOUND) != 0 || events == 0)
		events |= POLLIN;
	if ((events & POLLOUT) == 0)
		(void)libssh2_keepalive_send(c->session, &next_s);
	return dial_wait(c->fd, events, until, c->cancel, e);
}

enum err_code
sshconn_wait(struct sshconn *c, struct mono deadline, struct err *e)
{
	enum err_code rc = wait_until(c, deadline, e);

	if (rc != ERR_NONE)
		c->lost = true; /* half a message may be under way */
	if (rc == ERR_TIMEOUT)
		err_set(e, rc, "'%s' has not answered for %.0f seconds",
		    c->name, (double)c->timeout_ns / (double)NS_PER_S);
	return rc;
}

enum err_code
sshconn_linger(struct sshconn *c, struct mono until, struct err *e)
{
	enum err_code rc = wait_until(c, until, e);

	if (rc != ERR_NONE && rc != ERR_TIMEOUT)
		c->lost = true;
	return rc;
}

static bool
is_gone(ssize_t rc)
{
	switch (rc) {
	case LIBSSH2_ERROR_SOCKET_NONE:
	case LIBSSH2_ERROR_SOCKET_SEND:
	case LIBSSH2_ERROR_SOCKET_DISCONNECT:
	case LIBSSH2_ERROR_SOCKET_RECV:
	case LIBSSH2_ERROR_SOCKET_TIMEOUT:
	case LIBSSH2_ERROR_TIMEOUT:
	case LIBSSH2_ERROR_BANNER_RECV:
	/* Cut while the keys were changed; greetings never ask here. */
	case LIBSSH2_ERROR_KEX_FAILURE:
	case LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE: return true;
	default: return false;
	}
}

enum err_code
sshconn_fail(struct sshconn *c, ssize_t rc, const char *what, struct err *e)
{
	char *text = NULL;

	if (rc == LIBSSH2_ERROR_ALLOC)
		return err_nomem(e);
	if (is_gone(rc)) {
		c->lost = true;
		return err_set(e, ERR_TIMEOUT,
		    "%s: the connection to '%s' is lost", what, c->name);
	}
	libssh2_session_last_error(c->session, &text, NULL, 0);
	return err_set(e, ERR_IO, "%s '%s': %s (libssh2 %d)", what, c->name,
	    text != NULL && text[0] != '\0' ? text : "no reason given",
	    (int)rc);
}

/* Repeat CALL until it is not EAGAIN; its value goes to RC, ours is returned. */
#define AWAIT(c, deadline, rc, call, e)                               \
	__extension__({                                               \
		enum err_code waited_ = ERR_NONE;                     \
		while (((rc) = (call)) == LIBSSH2_ERROR_EAGAIN &&     \
		    waited_ == ERR_NONE)                              \
			waited_ = sshconn_wait((c), (deadline), (e)); \
		waited_;                                              \
	})

/* --- handshake ---------------------------------------------------------------- */

static void
init_library_once(void)
{
	libssh2_init(
	    0); /* counts its users; never ended, as it frees nothing */
}

static enum err_code
session_begin(struct sshconn *c, const char *key_types, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	LIBSSH2_SESSION *s;

	pthread_once(&once, init_library_once);
	c->session = s = libssh2_session_init();
	if (s == NULL)
		return err_nomem(e);
	libssh2_session_set_blocking(s, 0);
	if (libssh2_session_method_pref(s, LIBSSH2_METHOD_HOSTKEY, key_types) !=
		0 ||
	    libssh2_session_method_pref(s, LIBSSH2_METHOD_CRYPT_CS, CIPHERS) !=
		0 ||
	    libssh2_session_method_pref(s, LIBSSH2_METHOD_CRYPT_SC, CIPHERS) !=
		0 ||
	    libssh2_session_method_pref(s, LIBSSH2_METHOD_MAC_CS, MACS) != 0 ||
	    libssh2_session_method_pref(s, LIBSSH2_METHOD_MAC_SC, MACS) != 0)
		return sshconn_fail(c, LIBSSH2_ERROR_METHOD_NOT_SUPPORTED,
		    "cannot prepare the connection to", e);
	return ERR_NONE;
}

/* Drop what one attempt made, to try with another key type or for good. */
static void
session_end(struct sshconn *c)
{
	if (c->session != NULL) {
		/*
		 * With the socket shut no part of freeing can ask to be
		 * called again, which would leak the rest.
		 */
		if (c->fd != -1)
			(void)shutdown(c->fd, SHUT_RDWR);
		for (int i = 0; i < 16 &&
		     libssh2_session_free(c->session) == LIBSSH2_ERROR_EAGAIN;
		     i++)
			continue;
		c->session = NULL;
	}
	fdio_close(&c->fd);
}

/* What the handshake showed us of the host. */
struct shown {
	char type[32]; /* "": it has no key of the types asked for */
	struct id sha256;
};

static enum err_code
shown_read(struct shown *s, struct sshconn *c, struct err *e)
{
	size_t len = 0;
	int type;
	const char *key = libssh2_session_hostkey(c->session, &len, &type);

	if (key == NULL ||
	    !hostpins_type_of(key, len, s->type, sizeof(s->type)))
		return err_set(e, ERR_REFUSED, "'%s' shows no host key",
		    c->name);
	if (hash_sha256(key, len, &s->sha256, e) != ERR_NONE)
		return e->code;
	return hostpins_spell(&s->sha256, c->fingerprint, e);
}

/* All that it has sent is read, and there is no more. */
static bool
has_hung_up(const struct sshconn *c)
{
	char byte;
	ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/*
 * libssh2 waits on when a connection ends within an exchange of keys, or calls
 * it an exchange that failed.  Nothing in common is where nothing was agreed on.
 */
static enum err_code
exchange_keys(struct sshconn *c, struct mono deadline, bool *nothing_common,
    struct err *e)
{
	bool has_agreed;
	int rc;

	*nothing_common = false;
	while ((rc = libssh2_session_handshake(c->session, c->fd)) ==
	    LIBSSH2_ERROR_EAGAIN) {
		if (has_hung_up(c))
			return sshconn_fail(c, LIBSSH2_ERROR_SOCKET_DISCONNECT,
			    "greeting", e);
		if (sshconn_wait(c, deadline, e) != ERR_NONE)
			return err_wrap(e, "greeting '%s'", c->name);
	}
	if (rc == 0)
		return ERR_NONE;
	has_agreed = libssh2_session_methods(c->session,
			 LIBSSH2_METHOD_CRYPT_SC) != NULL;
	if (rc != LIBSSH2_ERROR_KEX_FAILURE &&
	    rc != LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE)
		return sshconn_fail(c, rc, "greeting", e);
	*nothing_common = !has_agreed;
	if (!has_agreed)
		return ERR_NONE;
	if (has_hung_up(c))
		return sshconn_fail(c, LIBSSH2_ERROR_SOCKET_DISCONNECT,
		    "greeting", e);
	err_set(e, ERR_REFUSED,
	    "'%s' cannot prove that it has the host key it shows", c->name);
	return err_hint(e, "somebody may be in between");
}

static enum err_code
handshake(struct sshconn *c, const struct sshconn_options *o,
    const char *key_types, struct shown *shown, struct err *e)
{
	struct mono deadline = sshconn_deadline(c);
	bool nothing_common;

	memset(shown, 0, sizeof(*shown));
	if (dial_tcp(&c->fd, o, deadline, e) != ERR_NONE)
		return err_wrap(e, "reaching '%s'", c->name);
	if (session_begin(c, key_types, e) != ERR_NONE)
		return e->code;
	if (exchange_keys(c, deadline, &nothing_common, e) != ERR_NONE)
		return e->code;
	if (nothing_common) /* nothing was shown */
		return ERR_NONE;
	return shown_read(shown, c, e);
}

/* --- the host key (S1) ---------------------------------------------------------- */

static enum err_code
refuse_host(const struct sshconn *c, const struct hostpins *pins,
    const struct shown *s, enum hostpins_verdict verdict, struct err *e)
{
	OWNED(buf_fini) struct buf known = {0};

	if (hostpins_describe(pins, &known, e) != ERR_NONE)
		return e->code;
	if (verdict == HOSTPINS_REVOKED) {
		err_set(e, ERR_REFUSED, "'%s' shows a revoked host key: %s %s",
		    c->name, s->type, c->fingerprint);
		return err_hint(e,
		    "give the host a new key: whoever has this "
		    "one can pose as it");
	}
	if (hostpins_count(pins) == 0) {
		err_set(e, ERR_REFUSED,
		    "no host key is pinned for '%s', which shows %s %s",
		    c->name, s->type, c->fingerprint);
		return err_hint(e,
		    "compare it on the host itself (ssh-keygen "
		    "-lf /etc/ssh/ssh_host_ed25519_key.pub), then pin it");
	}
	err_set(e, ERR_REFUSED,
	    "the host key of '%s' is not the pinned one: it shows %s %s, "
	    "pinned is %s",
	    c->name, s->type, c->fingerprint, buf_text(&known));
	return err_hint(e,
	    "if the host was set up anew, compare the key on "
	    "the host itself and pin it; if not, somebody may be in between");
}

/* The types worth asking for, joined by commas; "" when none is left. */
static void
join_types(char *out, size_t size, const struct hostpins *pins, unsigned tried)
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < HOSTPINS_TYPES_COUNT; i++)
		if ((tried & 1U << i) == 0 &&
		    (pins == NULL || hostpins_may_be(pins, hostpins_types[i])))
			n += (size_t)snprintf(out + n, size - n, "%s%s",
			    n > 0 ? "," : "", hostpins_types[i]);
}

static unsigned
type_bit(const char *type)
{
	for (unsigned i = 0; i < HOSTPINS_TYPES_COUNT; i++)
		if (strcmp(type, hostpins_types[i]) == 0)
			return 1U << i;
	return ~0U;
}

static enum err_code
no_common(const struct sshconn *c, struct err *e)
{
	err_set(e, ERR_REFUSED, "'%s' has no host key this program can check",
	    c->name);
	return err_hint(e,
	    "it needs an Ed25519 or ECDSA key (ssh-keygen -A on "
	    "the host) and one of the ciphers " CIPHERS);
}

/* Nothing it has is of a pinned type: learn what it has, to say so. */
static enum err_code
refuse_types(struct sshconn *c, const struct sshconn_options *o, struct err *e)
{
	char types[TYPES_BYTES];
	struct shown s;

	join_types(types, sizeof(types), NULL, 0);
	if (handshake(c, o, types, &s, e) != ERR_NONE)
		return e->code;
	if (s.type[0] == '\0')
		return no_common(c, e);
	return refuse_host(c, o->pins, &s, hostpins_judge(o->pins, &s.sha256),
	    e);
}

/*
 * A host may have keys of several types and shows one a handshake: the first
 * of our list that it has.  Ask in turn until one is pinned, so that a key
 * of another type is not taken for a changed one.
 */
static enum err_code
meet(struct sshconn *c, const struct sshconn_options *o, struct err *e)
{
	char types[TYPES_BYTES];
	unsigned tried = 0;
	struct err first = {0};

	for (;;) {
		struct shown s;
		enum hostpins_verdict verdict;

		join_types(types, sizeof(types), o->pins, tried);
		if (types[0] == '\0')
			break;
		if (handshake(c, o, types, &s, e) != ERR_NONE)
			return e->code;
		if (s.type[0] == '\0')
			break;
		verdict = hostpins_judge(o->pins, &s.sha256);
		if (verdict == HOSTPINS_GOOD)
			return ERR_NONE;
		if (first.code == ERR_NONE)
			refuse_host(c, o->pins, &s, verdict, &first);
		session_end(c);
		if (verdict == HOSTPINS_REVOKED)
			break;
		tried |= type_bit(s.type);
	}
	session_end(c);
	if (first.code == ERR_NONE)
		return refuse_types(c, o, e);
	*e = first;
	return e->code;
}

/* --- login --------------------------------------------------------------------- */

static enum err_code
login_refused(const struct sshconn *c, const char *user, const char *key,
    struct err *e)
{
	err_set(e, ERR_REFUSED, "'%s' refused user '%s' with %s", c->name, user,
	    key);
	return err_hint(e,
	    "is the public key in that user's authorized_keys "
	    "there?");
}

/* What libssh2 says of a key file that it could not use. */
static enum err_code
file_failed(struct sshconn *c, const struct sshconn_options *o, int rc,
    bool locked, struct err *e)
{
	OWNED(buf_fini) struct buf key = {0};

	/*
	 * libssh2 calls a connection that ends before the answer came a key that
	 * was not accepted.  Whoever refuses a key waits for another.
	 */
	if (rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED && has_hung_up(c))
		return sshconn_fail(c, LIBSSH2_ERROR_SOCKET_DISCONNECT,
		    "logging in", e);
	if (rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED ||
	    rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED) {
		if (buf_printf(&key, e, "the key '%s'", o->identity_file) !=
		    ERR_NONE)
			return e->code;
		return login_refused(c, o->user, buf_text(&key), e);
	}
	if (rc != LIBSSH2_ERROR_FILE && rc != LIBSSH2_ERROR_KEYFILE_AUTH_FAILED)
		return sshconn_fail(c, rc, "logging in to", e);
	if (locked)
		return err_set(e, ERR_KEY,
		    "the passphrase does not open the identity '%s'",
		    o->identity_file);
	return err_set(e, ERR_KEY, "cannot use the identity '%s'",
	    o->identity_file);
}

static enum err_code
login_file(struct sshconn *c, const struct sshconn_options *o, struct err *e)
{
	OWNED(secret_fini) struct secret passphrase = {0};
	struct mono deadline = sshconn_deadline(c);
	bool locked;
	int rc = 0;

	if (identity_check(o->identity_file, &locked, e) != ERR_NONE ||
	    (locked &&
		identity_passphrase(&passphrase, o->passphrase_file,
		    o->identity_file, e) != ERR_NONE))
		return e->code;
	if (AWAIT(c, deadline, rc,
		libssh2_userauth_publickey_fromfile_ex(c->session, o->user,
		    (unsigned)strlen(o->user), NULL, o->identity_file,
		    (const char *)passphrase.bytes),
		e) != ERR_NONE)
		return err_wrap(e, "logging in");
	return rc == 0 ? ERR_NONE : file_failed(c, o, rc, locked, e);
}

static enum err_code
agent_try(struct sshconn *c, LIBSSH2_AGENT *agent, const char *user,
    struct err *e)
{
	struct libssh2_agent_publickey *key = NULL;
	OWNED(buf_fini) struct buf keys = {0};
	struct mono deadline = sshconn_deadline(c);
	unsigned tried = 0;

	for (; tried < AGENT_MAX &&
	     libssh2_agent_get_identity(agent, &key, key) == 0;
	     tried++) {
		int rc = 0;

		if (AWAIT(c, deadline, rc,
			libssh2_agent_userauth(agent, user, key),
			e) != ERR_NONE)
			return err_wrap(e, "logging in");
		if (rc == 0)
			return ERR_NONE;
		if (is_gone(rc))
			return sshconn_fail(c, rc, "logging in", e);
		if (rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED && has_hung_up(c))
			return sshconn_fail(c, LIBSSH2_ERROR_SOCKET_DISCONNECT,
			    "logging in", e);
	}
	if (tried == 0) {
		err_set(e, ERR_KEY, "the SSH agent holds no key");
		return err_hint(e, "ssh-add one, or name an identity file");
	}
	if (buf_printf(&keys, e, "the %u keys of the SSH agent", tried) !=
	    ERR_NONE)
		return e->code;
	return login_refused(c, user, buf_text(&keys), e);
}

static enum err_code
login_agent(struct sshconn *c, const struct sshconn_options *o, struct err *e)
{
	LIBSSH2_AGENT *agent = libssh2_agent_init(c->session);
	enum err_code rc;

	if (agent == NULL)
		return err_nomem(e);
	if (libssh2_agent_connect(agent) != 0 ||
	    libssh2_agent_list_identities(agent) != 0) {
		err_set(e, ERR_KEY, "no SSH agent answers");
		rc = err_hint(e, "name an identity file, or start an agent");
	} else {
		rc = agent_try(c, agent, o->user, e);
	}
	libssh2_agent_disconnect(agent);
	libssh2_agent_free(agent);
	return rc;
}

/* --- making and ending ----------------------------------------------------------- */

static enum err_code
check_options(const struct sshconn_options *o, enum purpose why, struct err *e)
{
	if (o->host == NULL || strlen(o->host) > SSH_HOST_BYTES_MAX ||
	    o->host[0] == '\0')
		return err_set(e, ERR_INPUT, "no host to connect to");
	if (why == SCAN)
		return ERR_NONE;
	if (o->user == NULL || strlen(o->user) > SSH_USER_BYTES_MAX ||
	    o->user[0] == '\0')
		return err_set(e, ERR_INPUT, "no user to log in to '%s' as",
		    o->host);
	return ERR_NONE;
}

static enum err_code
conn_new(struct sshconn **out, const struct sshconn_options *o,
    enum purpose why, struct err *e)
{
	struct sshconn *c;
	bool v6;

	*out = NULL;
	if (check_options(o, why, e) != ERR_NONE)
		return e->code;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return err_nomem(e);
	v6 = strchr(o->host, ':') != NULL;
	snprintf(c->name, sizeof(c->name), "%s%s%s%s%s:%u",
	    why == LOGIN ? o->user : "", why == LOGIN ? "@" : "", v6 ? "[" : "",
	    o->host, v6 ? "]" : "",
	    (unsigned)(o->port != 0 ? o->port : SSH_PORT_DEFAULT));
	c->fd = -1;
	c->timeout_ns =
	    o->timeout_ns != 0 ? o->timeout_ns : SSH_TIMEOUT_DEFAULT_NS;
	c->cancel = o->cancel;
	*out = c;
	return ERR_NONE;
}

enum err_code
sshconn_open(struct sshconn **out, const struct sshconn_options *o,
    struct err *e)
{
	OWNED(sshconn_close) struct sshconn *c = NULL;
	enum err_code rc;

	*out = NULL;
	rc = conn_new(&c, o, LOGIN, e);
	if (rc == ERR_NONE)
		rc = meet(c, o, e);
	if (rc == ERR_NONE)
		rc = o->identity_file != NULL ? login_file(c, o, e)
					      : login_agent(c, o, e);
	if (rc != ERR_NONE)
		return rc;
	/* No reply is asked for: libssh2 1.10 would queue each for ever. */
	libssh2_keepalive_config(c->session, 0,
	    o->keepalive_s != 0 ? o->keepalive_s : KEEPALIVE_S);
	*out = TAKE(c);
	return ERR_NONE;
}

/* "[host]:port type base64", the brackets only where the port is another. */
static enum err_code
known_hosts_line(struct sshconn *c, const struct sshconn_options *o,
    const char *type, struct buf *line, struct err *e)
{
	unsigned port = o->port != 0 ? o->port : SSH_PORT_DEFAULT;
	size_t len = 0;
	int ignored;
	const char *key = libssh2_session_hostkey(c->session, &len, &ignored);
	enum err_code rc = port == SSH_PORT_DEFAULT
	    ? buf_printf(line, e, "%s %s ", o->host, type)
	    : buf_printf(line, e, "[%s]:%u %s ", o->host, port, type);

	return rc != ERR_NONE ? rc : text_base64(line, key, len, true, e);
}

enum err_code
sshconn_scan(const struct sshconn_options *o,
    char fingerprint[SSH_FINGERPRINT_BYTES], struct buf *line, struct err *e)
{
	OWNED(sshconn_close) struct sshconn *c = NULL;
	char types[TYPES_BYTES];
	struct shown s = {0};
	enum err_code rc;

	fingerprint[0] = '\0';
	join_types(types, sizeof(types), NULL, 0);
	rc = conn_new(&c, o, SCAN, e);
	if (rc == ERR_NONE)
		rc = handshake(c, o, types, &s, e);
	if (rc != ERR_NONE)
		return rc;
	if (s.type[0] == '\0')
		return no_common(c, e);
	snprintf(fingerprint, SSH_FINGERPRINT_BYTES, "%.31s %.60s", s.type,
	    c->fingerprint);
	return line != NULL ? known_hosts_line(c, o, s.type, line, e)
			    : ERR_NONE;
}

void
sshconn_close(struct sshconn **conn)
{
	struct sshconn *c = TAKE(*conn);

	if (c == NULL)
		return;
	if (c->session != NULL && !c->lost) {
		struct mono deadline = {now_mono().ns + GOODBYE_NS};
		struct err ignored = {0};
		int rc = 0;

		(void)AWAIT(c, deadline, rc,
		    libssh2_session_disconnect(c->session, "done"), &ignored);
	}
	session_end(c);
	free(c);
}

const char *
sshconn_fingerprint(const struct sshconn *conn)
{
	return conn->fingerprint;
}

const char *
sshconn_name(const struct sshconn *conn)
{
	return conn->name;
}

/* --- channels ---------------------------------------------------------------------- */

enum err_code
sshconn_channel(LIBSSH2_CHANNEL **out, struct sshconn *c, unsigned window_bytes,
    struct err *e)
{
	struct mono deadline = sshconn_deadline(c);

	for (;;) {
		int rc;

		*out = libssh2_channel_open_ex(c->session, "session",
		    strlen("session"), window_bytes, PACKET_BYTES, NULL, 0);
		if (*out != NULL)
			return ERR_NONE;
		rc = libssh2_session_last_errno(c->session);
		if (rc != LIBSSH2_ERROR_EAGAIN)
			return sshconn_fail(c, rc, "opening a channel to", e);
		if (sshconn_wait(c, deadline, e) != ERR_NONE)
			return err_wrap(e, "opening a channel");
	}
}

void
sshconn_channel_free(struct sshconn *c, LIBSSH2_CHANNEL **channel)
{
	struct mono deadline = {now_mono().ns + CHANNEL_CLOSE_NS};
	LIBSSH2_CHANNEL *ch = TAKE(*channel);
	struct err ignored = {0};

	while (ch != NULL && !c->lost &&
	    libssh2_channel_free(ch) == LIBSSH2_ERROR_EAGAIN)
		if (sshconn_wait(c, deadline, &ignored) != ERR_NONE)
			break;
}
