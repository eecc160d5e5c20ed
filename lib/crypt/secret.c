#include <bascule/crypt.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fetch.h"

/* Whole pages, so that locking one secret never unlocks a neighbour. */
static size_t
pages_bytes(size_t len_bytes)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);

	return (len_bytes + page_bytes) / page_bytes * page_bytes;
}

/*
 * The mapping must be found again after secret_cut, so its first bytes say how
 * long it is, and whether it is locked, and the secret's follow.
 */
struct head {
	size_t mapped_bytes;
	bool is_locked;
};
#define HEAD_BYTES 16
_Static_assert(sizeof(struct head) <= HEAD_BYTES, "what lies before a secret");

void
secret_fini(struct secret *s)
{
	struct head head;
	uint8_t *base;

	if (s->bytes != NULL) {
		base = s->bytes - HEAD_BYTES;
		memcpy(&head, base, sizeof head);
		OPENSSL_cleanse(base, head.mapped_bytes);
		munmap(base, head.mapped_bytes);
	}
	s->bytes = NULL;
	s->len_bytes = 0;
}

enum err_code
secret_init(struct secret *s, size_t len_bytes, struct err *e)
{
	struct head head = {0};
	uint8_t *base;

	secret_fini(s);
	if (len_bytes > SECRET_BYTES_MAX)
		return err_set(e, ERR_INPUT,
		    "a secret of %zu bytes is too long: at most %d", len_bytes,
		    SECRET_BYTES_MAX);
	head.mapped_bytes = pages_bytes(len_bytes + HEAD_BYTES);
	base = mmap(NULL, head.mapped_bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		return err_nomem(e);
	/* Best effort: a small RLIMIT_MEMLOCK must not stop a restore. */
	head.is_locked = mlock(base, head.mapped_bytes) == 0;
	(void)madvise(base, head.mapped_bytes, MADV_DONTDUMP);
	memcpy(base, &head, sizeof head);
	s->bytes = base + HEAD_BYTES;
	s->len_bytes = len_bytes;
	return ERR_NONE;
}

enum err_code
secret_set(struct secret *s, const void *bytes, size_t len_bytes, struct err *e)
{
	struct secret fresh = {0};
	enum err_code rc;

	/* bytes may be s's own */
	rc = secret_init(&fresh, len_bytes, e);
	if (rc == ERR_NONE && len_bytes > 0)
		memcpy(fresh.bytes, bytes, len_bytes);
	secret_fini(s);
	*s = fresh;
	return rc;
}

enum err_code
secret_random(struct secret *s, size_t len_bytes, struct err *e)
{
	enum err_code rc;

	rc = secret_init(s, len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	if (RAND_priv_bytes(s->bytes, (int)len_bytes) == 1)
		return ERR_NONE;
	secret_fini(s);
	return fetch_failed(e, "make random bytes");
}

void
secret_cut(struct secret *s, size_t len_bytes)
{
	ASSERT(len_bytes <= s->len_bytes);
	if (s->bytes != NULL)
		OPENSSL_cleanse(s->bytes + len_bytes, s->len_bytes - len_bytes);
	s->len_bytes = len_bytes;
}

bool
secret_is_locked(const struct secret *s)
{
	struct head head;

	if (s->bytes == NULL)
		return true;
	memcpy(&head, s->bytes - HEAD_BYTES, sizeof head);
	return head.is_locked;
}

bool
secret_equal(const void *a, const void *b, size_t len_bytes)
{
	return CRYPTO_memcmp(a, b, len_bytes) == 0;
}

void
secret_wipe(void *bytes, size_t len_bytes)
{
	OPENSSL_cleanse(bytes, len_bytes);
}
