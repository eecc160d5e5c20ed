/* What people paste: public keys as text, and URLs of other sites. */
#include <string.h>

#include <bascule/crypt.h>
#include <bascule/ssh.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(free_mem) char *text = malloc(len_bytes + 1);
	struct sign_public pub;
	struct recipients_public to;
	struct sshurl url;
	struct err e = {0};

	if (text == NULL)
		return 0;
	memcpy(text, bytes, len_bytes);
	text[len_bytes] = '\0';
	if (sign_parse(&pub, text, &e) == ERR_NONE) {
		char again[SIGN_TEXT_SIZE];

		ASSERT(sign_text(&pub, again, &e) == ERR_NONE);
		ASSERT(strlen(again) == strlen(text));
	}
	(void)!recipients_parse(&to, text, &e);
	if (sshurl_parse(&url, text, &e) == ERR_NONE)
		ASSERT(url.host[0] != '\0' && url.host[0] != '-' &&
		    url.user[0] != '-');
	return 0;
}
