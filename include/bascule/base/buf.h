#ifndef BASCULE_BASE_BUF_H
#define BASCULE_BASE_BUF_H

/*
 * A growable run of bytes with a maximum.  Zeroed memory is an empty buf with
 * the maximum BUF_MAX_BYTES.  len_bytes bytes at bytes are in use; bytes is
 * NULL while nothing was ever added.
 */

#include <stddef.h>
#include <stdint.h>

#include <bascule/base/defs.h>
#include <bascule/base/err.h>

#define BUF_MAX_BYTES \
	((size_t)1 << 30) /* what a buf without max_bytes may hold */

struct buf {
	uint8_t *bytes;
	size_t len_bytes;
	size_t size_bytes; /* allocated */
	size_t max_bytes;  /* 0: BUF_MAX_BYTES */
};

/* Free the memory; the buf is empty and usable again, its maximum kept. */
void buf_fini(struct buf *b);

/* Forget the content, keep the memory. */
void buf_clear(struct buf *b);

/* Room for len_bytes more.  ERR_NOMEM, or ERR_INPUT past the maximum. */
enum err_code buf_reserve(struct buf *b, size_t len_bytes,
    struct err *e) MUST_CHECK;

enum err_code buf_add(struct buf *b, const void *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;
enum err_code buf_add_text(struct buf *b, const char *text,
    struct err *e) MUST_CHECK;
enum err_code buf_add_byte(struct buf *b, uint8_t byte,
    struct err *e) MUST_CHECK;
enum err_code buf_printf(struct buf *b, struct err *e, const char *fmt, ...)
    PRINTF_LIKE(3, 4) MUST_CHECK;

/* Make len_bytes more bytes part of the content, uninitialised; *at: first. */
enum err_code buf_extend(struct buf *b, size_t len_bytes, uint8_t **at,
    struct err *e) MUST_CHECK;

/* The content as NUL-ended text (the NUL is not counted); "" when empty. */
const char *buf_text(struct buf *b);

#endif
