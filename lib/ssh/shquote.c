#include <bascule/ssh.h>

#include <string.h>

#define HARMLESS                                               \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789_@%+=:,./-"

enum err_code
shquote_add(struct buf *out, const char *word, struct err *e)
{
	size_t len = strlen(word);
	enum err_code rc;

	if (len > 0 && strspn(word, HARMLESS) == len)
		return buf_add(out, word, len, e);
	rc = buf_add_byte(out, '\'', e);
	for (; rc == ERR_NONE && *word != '\0'; word++) {
		/* Nothing can be escaped inside single quotes: leave them. */
		if (*word == '\'')
			rc = buf_add_text(out, "'\\''", e);
		else
			rc = buf_add_byte(out, (uint8_t)*word, e);
	}
	return rc != ERR_NONE ? rc : buf_add_byte(out, '\'', e);
}

enum err_code
shquote_argv(struct buf *out, const char *const argv[], struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && argv[i] != NULL; i++) {
		if (i > 0)
			rc = buf_add_byte(out, ' ', e);
		if (rc == ERR_NONE)
			rc = shquote_add(out, argv[i], e);
	}
	return rc;
}
