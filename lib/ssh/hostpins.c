#include "hostpins.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <libssh2.h>

#include <bascule/base/fdio.h>
#include <bascule/base/text.h>
#include <bascule/crypt.h>

#define PINS_MAX         256
#define PINS_SHOWN       3
#define FILE_BYTES_MAX   ((size_t)8 << 20)
#define LINE_BYTES_MAX   ((size_t)16 << 10)
#define TYPE_BYTES_MAX   64
#define FINGERPRINT_HEAD "SHA256:"

struct pin {
	struct id sha256;
	char type[TYPE_BYTES_MAX]; /* "": not known */
	bool revoked;
};

struct hostpins {
	struct pin pins[PINS_MAX];
	size_t count;
};

const char *const hostpins_types[HOSTPINS_TYPES_COUNT] = {
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
};

enum err_code
hostpins_new(struct hostpins **out, struct err *e)
{
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? err_nomem(e) : ERR_NONE;
}

void
hostpins_free(struct hostpins **hp)
{
	free(*hp);
	*hp = NULL;
}

size_t
hostpins_count(const struct hostpins *hp)
{
	size_t n = 0;

	for (size_t i = 0; i < hp->count; i++)
		n += !hp->pins[i].revoked;
	return n;
}

static enum err_code
add(struct hostpins *hp, const struct pin *p, struct err *e)
{
	for (size_t i = 0; i < hp->count; i++)
		if (id_equal(&hp->pins[i].sha256, &p->sha256) &&
		    hp->pins[i].revoked == p->revoked)
			return ERR_NONE;
	if (hp->count == PINS_MAX)
		return err_set(e, ERR_INPUT,
		    "more than %d host keys are pinned for one host", PINS_MAX);
	hp->pins[hp->count++] = *p;
	return ERR_NONE;
}

/* --- fingerprints --------------------------------------------------------- */

enum err_code
hostpins_spell(const struct id *sha256, char out[SSH_FINGERPRINT_BYTES],
    struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	enum err_code rc = buf_add_text(&b, FINGERPRINT_HEAD, e);

	if (rc == ERR_NONE)
		rc = text_base64(&b, sha256->bytes, ID_BYTES, false, e);
	if (rc == ERR_NONE)
		snprintf(out, SSH_FINGERPRINT_BYTES, "%s", buf_text(&b));
	return rc;
}

enum err_code
hostpins_add_fingerprint(struct hostpins *hp, const char *text, struct err *e)
{
	OWNED(buf_fini) struct buf raw = {.max_bytes = ID_BYTES + 3};
	struct err ignored = {0};
	struct pin p = {0};
	const char *at = text;
	size_t n = strcspn(text, " ");

	if (text[n] == ' ' && n < sizeof(p.type)) {
		memcpy(p.type, text, n);
		at += n + 1;
	}
	if (strncmp(at, FINGERPRINT_HEAD, strlen(FINGERPRINT_HEAD)) != 0 ||
	    text_unbase64(&raw, at + strlen(FINGERPRINT_HEAD), &ignored) !=
		ERR_NONE ||
	    raw.len_bytes != ID_BYTES) {
		err_set(e, ERR_INPUT, "not a host key's fingerprint: '%s'",
		    text);
		return err_hint(e,
		    "ssh-keygen -lf KEY.pub prints it: "
		    "SHA256: and 43 letters of base64");
	}
	memcpy(p.sha256.bytes, raw.bytes, ID_BYTES);
	return add(hp, &p, e);
}

/* --- known_hosts ----------------------------------------------------------- */

/* One line taken apart; every field borrowed from the line's own copy. */
struct line {
	const char *text;
	bool revoked;
	char *hosts, *type, *key;
};

/* What OpenSSH calls a host in the file: "host" or "[host]:port". */
static void
spell_host(char *out, size_t size, const char *host, uint16_t port)
{
	if (port == SSH_PORT_DEFAULT)
		snprintf(out, size, "%s", host);
	else
		snprintf(out, size, "[%s]:%u", host, (unsigned)port);
}

/* '*' and '?' as known_hosts has them; names are compared without case. */
static bool
glob(const char *pattern, const char *name)
{
	const char *star = NULL, *resume = NULL;

	for (; *name != '\0';) {
		char a = *pattern, b = *name;

		if (a >= 'A' && a <= 'Z')
			a = (char)(a - 'A' + 'a');
		if (b >= 'A' && b <= 'Z')
			b = (char)(b - 'A' + 'a');
		if (*pattern == '*') {
			star = ++pattern;
			resume = name;
		} else if (*pattern != '\0' && (*pattern == '?' || a == b)) {
			pattern++;
			name++;
		} else if (star != NULL) {
			pattern = star;
			name = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

/* "|1|salt|hash": only libssh2 has the SHA-1 this old format wants. */
static bool
hashed_match(const struct line *l, const char *name)
{
	LIBSSH2_SESSION *session = libssh2_session_init();
	LIBSSH2_KNOWNHOSTS *set = NULL;
	struct libssh2_knownhost *found = NULL;
	bool match = false;

	if (session != NULL)
		set = libssh2_knownhost_init(session);
	if (set != NULL &&
	    libssh2_knownhost_readline(set, l->text, strlen(l->text),
		LIBSSH2_KNOWNHOST_FILE_OPENSSH) == 0)
		match =
		    libssh2_knownhost_check(set, name, l->key, strlen(l->key),
			LIBSSH2_KNOWNHOST_TYPE_PLAIN |
			    LIBSSH2_KNOWNHOST_KEYENC_BASE64,
			&found) == LIBSSH2_KNOWNHOST_CHECK_MATCH;
	if (set != NULL)
		libssh2_knownhost_free(set);
	if (session != NULL)
		libssh2_session_free(session);
	return match;
}

static bool
line_is_for(struct line *l, const char *name)
{
	bool match = false;
	char *rest = l->hosts, *pattern;

	if (l->hosts[0] == '|')
		return hashed_match(l, name);
	while ((pattern = strsep(&rest, ",")) != NULL) {
		if (pattern[0] == '!' && glob(pattern + 1, name))
			return false;
		match = match || glob(pattern, name);
	}
	return match;
}

static char *
take_word(char **at)
{
	char *word;

	*at += strspn(*at, " \t");
	word = *at;
	*at += strcspn(*at, " \t\r");
	if (**at != '\0')
		*(*at)++ = '\0';
	return *word != '\0' ? word : NULL;
}

/* False: a comment, a certificate authority's line, or nonsense. */
static bool
line_split(struct line *l, const char *text, char *copy)
{
	char *at = copy;

	l->text = text;
	l->revoked = false;
	l->hosts = take_word(&at);
	if (l->hosts == NULL || l->hosts[0] == '#')
		return false;
	if (l->hosts[0] == '@') {
		if (strcmp(l->hosts, "@revoked") != 0)
			return false;
		l->revoked = true;
		/* libssh2 does not know markers: show it what follows. */
		l->text = text + (at - copy) + strspn(at, " \t");
		l->hosts = take_word(&at);
	}
	l->type = take_word(&at);
	l->key = take_word(&at);
	return l->hosts != NULL && l->type != NULL && l->key != NULL;
}

bool
hostpins_type_of(const void *key, size_t key_bytes, char *type, size_t size)
{
	const uint8_t *at = key;
	size_t n;

	if (key_bytes < 4)
		return false;
	n = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 |
	    at[3];
	if (n > key_bytes - 4 || n >= size)
		return false;
	memcpy(type, at + 4, n);
	type[n] = '\0';
	return strlen(type) == n;
}

static enum err_code
add_line(struct hostpins *hp, const char *text, const char *name, struct err *e)
{
	OWNED(free_mem) char *copy = strdup(text);
	OWNED(buf_fini) struct buf key = {.max_bytes = LINE_BYTES_MAX};
	struct err ignored = {0};
	struct line l;
	struct pin p = {0};
	enum err_code rc;

	if (copy == NULL)
		return err_nomem(e);
	/* A line that makes no sense pins nothing; ssh(1) skips it too. */
	if (!line_split(&l, text, copy) || !line_is_for(&l, name) ||
	    text_unbase64(&key, l.key, &ignored) != ERR_NONE ||
	    !hostpins_type_of(key.bytes, key.len_bytes, p.type,
		sizeof(p.type)) ||
	    strcmp(p.type, l.type) != 0)
		return ERR_NONE;
	p.revoked = l.revoked;
	rc = hash_sha256(key.bytes, key.len_bytes, &p.sha256, e);
	return rc != ERR_NONE ? rc : add(hp, &p, e);
}

enum err_code
hostpins_add_known_hosts(struct hostpins *hp, const char *path,
    const char *host, uint16_t port, struct err *e)
{
	OWNED(buf_fini) struct buf file = {0};
	char name[SSH_HOST_BYTES_MAX + 16], *rest, *text;
	enum err_code rc = fdio_slurp(AT_FDCWD, path, FILE_BYTES_MAX, &file, e);

	if (rc == ERR_NONE)
		rc = buf_add_byte(&file, '\0', e);
	if (rc != ERR_NONE) {
		err_wrap(e, "reading the known hosts '%s'", path);
		return rc;
	}
	spell_host(name, sizeof(name), host, port);
	rest = (char *)file.bytes;
	while (rc == ERR_NONE && (text = strsep(&rest, "\n")) != NULL)
		if (strlen(text) < LINE_BYTES_MAX)
			rc = add_line(hp, text, name, e);
	return rc;
}

/* --- judging ---------------------------------------------------------------- */

enum hostpins_verdict
hostpins_judge(const struct hostpins *hp, const struct id *sha256)
{
	enum hostpins_verdict verdict = HOSTPINS_UNKNOWN;

	for (size_t i = 0; i < hp->count; i++) {
		if (!id_equal(&hp->pins[i].sha256, sha256))
			continue;
		if (hp->pins[i].revoked)
			return HOSTPINS_REVOKED;
		verdict = HOSTPINS_GOOD;
	}
	return verdict;
}

bool
hostpins_may_be(const struct hostpins *hp, const char *type)
{
	for (size_t i = 0; i < hp->count; i++) {
		const struct pin *p = &hp->pins[i];

		if (!p->revoked &&
		    (p->type[0] == '\0' || strcmp(p->type, type) == 0))
			return true;
	}
	return false;
}

enum err_code
hostpins_describe(const struct hostpins *hp, struct buf *out, struct err *e)
{
	size_t shown = 0, count = hostpins_count(hp);
	enum err_code rc = ERR_NONE;

	if (count == 0)
		return buf_add_text(out, "none", e);
	for (size_t i = 0; rc == ERR_NONE && i < hp->count; i++) {
		const struct pin *p = &hp->pins[i];
		char fp[SSH_FINGERPRINT_BYTES];

		if (p->revoked || shown == PINS_SHOWN)
			continue;
		rc = hostpins_spell(&p->sha256, fp, e);
		if (rc == ERR_NONE)
			rc = buf_printf(out, e, "%s%s%s%s",
			    shown == 0 ? "" : ", ", p->type,
			    p->type[0] == '\0' ? "" : " ", fp);
		shown++;
	}
	if (rc == ERR_NONE && count > shown)
		rc = buf_printf(out, e, " and %zu more", count - shown);
	return rc;
}
