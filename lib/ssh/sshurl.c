#include <bascule/ssh.h>

#include <ctype.h>
#include <string.h>

#include <bascule/base/text.h>

#define SCHEME      "ssh://"
#define SCHEME_SFTP "sftp://"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Copy len bytes of at into out with %XX decoded; false: they cannot stand. */
static bool
decode(char *out, size_t size, const char *at, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)at[i];

		if (c == '%') {
			int hi, lo;

			if (i + 2 >= len || (hi = hex_digit(at[i + 1])) == -1 ||
			    (lo = hex_digit(at[i + 2])) == -1)
				return false;
			c = (unsigned char)(hi << 4 | lo);
			i += 2;
		}
		if (c < 0x20 || c == 0x7f || n + 1 >= size)
			return false;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return true;
}

/* HOST, HOST:PORT or [ADDRESS]:PORT. */
static bool
take_host(struct sshurl *u, const char *at, size_t len)
{
	const char *end = at + len, *colon;
	uint64_t port = SSH_PORT_DEFAULT;

	if (len > 0 && at[0] == '[') {
		const char *close = memchr(at, ']', len);

		if (close == NULL ||
		    !decode(u->host, sizeof(u->host), at + 1,
			(size_t)(close - at - 1)))
			return false;
		colon = close + 1 < end ? close + 1 : NULL;
		if (colon != NULL && *colon != ':')
			return false;
	} else {
		colon = memchr(at, ':', len);
		if (!decode(u->host, sizeof(u->host), at,
			(size_t)((colon != NULL ? colon : end) - at)))
			return false;
	}
	if (colon != NULL) {
		char digits[8] = {0};
		size_t n = (size_t)(end - colon - 1);

		if (n >= sizeof(digits))
			return false;
		memcpy(digits, colon + 1, n);
		if (!text_parse_u64(digits, UINT16_MAX, &port) || port == 0)
			return false;
	}
	u->port = (uint16_t)port;
	return u->host[0] != '\0' && u->host[0] != '-' &&
	    strpbrk(u->host, " /@") == NULL;
}

static bool
parse(struct sshurl *u, const char *url)
{
	const char *at, *slash, *user_end;

	u->is_sftp = strncmp(url, SCHEME_SFTP, strlen(SCHEME_SFTP)) == 0;
	if (!u->is_sftp && strncmp(url, SCHEME, strlen(SCHEME)) != 0)
		return false;
	at = url + strlen(u->is_sftp ? SCHEME_SFTP : SCHEME);
	slash = at + strcspn(at, "/");
	user_end = memchr(at, '@', (size_t)(slash - at));
	if (user_end != NULL) {
		if (!decode(u->user, sizeof(u->user), at,
			(size_t)(user_end - at)) ||
		    u->user[0] == '\0' || u->user[0] == '-' ||
		    strpbrk(u->user, ": /") != NULL)
			return false;
		at = user_end + 1;
	}
	return take_host(u, at, (size_t)(slash - at)) &&
	    decode(u->path, sizeof(u->path), slash, strlen(slash));
}

enum err_code
sshurl_parse(struct sshurl *out, const char *url, struct err *e)
{
	memset(out, 0, sizeof(*out));
	if (parse(out, url))
		return ERR_NONE;
	memset(out, 0, sizeof(*out));
	err_set(e, ERR_INPUT, "not an SSH address: '%s'", url);
	return err_hint(e, "write ssh://USER@HOST[:PORT]/PATH, or sftp://");
}
