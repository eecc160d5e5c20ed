/*
 * resign KEYS LABEL <FILE >FILE: a snapshot's or point's file, whatever it says,
 * signed by the writer of KEYS: its last 64 bytes are replaced.  LABEL is
 * "bascule snapshot v1" or "bascule point v1".
 * resign KEYS: the writer's public key, 32 bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/crypt.h>
#include <bascule/job.h>

static struct err e;

static void
must(enum err_code rc)
{
	if (rc == ERR_NONE)
		return;
	fprintf(stderr, "resign: %s\n", e.text);
	exit(1);
}

int
main(int argc, char **argv)
{
	static uint8_t bytes[4 << 20];
	const struct sign_key *key;
	struct keyring *keys;
	size_t len;

	if (argc < 2 || argc > 3)
		return 2;
	must(keys_load(&keys, argv[1], NULL, &e));
	key = keyring_writer(keys);
	if (argc == 2) {
		fwrite(sign_key_public(key)->bytes, 32, 1, stdout);
	} else {
		len = fread(bytes, 1, sizeof(bytes), stdin);
		if (len < SIGN_BYTES)
			return 2;
		len -= SIGN_BYTES;
		must(sign_make(key, argv[2], bytes, len, bytes + len, &e));
		fwrite(bytes, 1, len + SIGN_BYTES, stdout);
	}
	keyring_free(&keys);
	return fflush(stdout) != 0;
}
