#ifndef BASCULE_BASE_TEXT_H
#define BASCULE_BASE_TEXT_H

/*
 * Text in and out: hex, base64, escaped names, units.  One spelling of each
 * unit for policies, the command line and messages.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/buf.h>
#include <bascule/base/err.h>

#define TEXT_HEX_BYTES(n) (2 * (n) + 1)

/* Lower-case hex with a NUL into out, TEXT_HEX_BYTES(len_bytes) long. */
const char *text_hex(const void *bytes, size_t len_bytes, char *out);

/* Exactly len_bytes bytes from 2 * len_bytes hex digits and then the end. */
bool text_unhex(const char *hex, void *bytes, size_t len_bytes);

/* Standard base64 (RFC 4648), with padding or without. */
enum err_code text_base64(struct buf *out, const void *bytes, size_t len_bytes,
    bool padded, struct err *e) MUST_CHECK;
enum err_code text_unbase64(struct buf *out, const char *text,
    struct err *e) MUST_CHECK;

bool text_is_utf8(const char *bytes, size_t len_bytes);

/*
 * A name for people: control bytes, what turns the direction of writing around,
 * '\\' and bytes that are not UTF-8 become \n, \t, \\ or \xNN.  Never raw: a terminal
 * obeys what it is sent.
 */
enum err_code text_escape(struct buf *out, const char *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;

/*
 * One line of what a program said, for a sentence that is escaped where it is
 * shown: newlines become " / ", other control bytes a blank, and what is not
 * UTF-8 U+FFFD.  Escaping it changes nothing but '\\'.
 */
enum err_code text_line(struct buf *out, const char *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;

/* The same with all control bytes left as they are but NUL. */
enum err_code text_repair(struct buf *out, const char *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;

/* Take off a UTF-8 sequence that snprintf cut in two. */
void text_mend_end(char *text);

/* The first line alone: of an error, all but its hint. */
void text_first_line(char *text);

/* At most that long (8 at least): what is too much is taken out of the middle,
 * as a sentence begins with what failed and ends with why; between words where one
 * ends near.  UTF-8 stays whole. */
void text_elide(char *text, size_t len_bytes);

#define TEXT_UNIT_BYTES 32

/* "1.5 GiB", "17 B".  Returns out. */
const char *text_size(uint64_t bytes, char out[TEXT_UNIT_BYTES]);

/* "3d 4h", "1h 30m", "12.3s", "45ms": two units at most.  Returns out. */
const char *text_duration(int64_t ns, char out[TEXT_UNIT_BYTES]);

/*
 * Units as written.  ERR_INPUT says which spellings are accepted; nothing
 * ever wraps.  Durations: ms s m h d w, may be joined ("1h30m").  Sizes: B KiB MiB
 * GiB TiB, kB MB GB TB.  Rates: bit/s kbit/s Mbit/s Gbit/s, or SIZE/s.
 * Shares: "2%", from 0 to 100 with at most three decimals, in thousandths of
 * one per cent.  Chunkings: "auto" (cut by content; 0) or "fixed SIZE", from
 * TEXT_CHUNK_MIN to TEXT_CHUNK_MAX.
 */
#define TEXT_CHUNK_MIN ((uint32_t)4 << 10)
#define TEXT_CHUNK_MAX ((uint32_t)4 << 20)
enum err_code text_parse_duration(const char *text, int64_t *ns,
    struct err *e) MUST_CHECK;
enum err_code text_parse_size(const char *text, uint64_t *bytes,
    struct err *e) MUST_CHECK;
enum err_code text_parse_rate(const char *text, uint64_t *bytes_per_s,
    struct err *e) MUST_CHECK;
enum err_code text_parse_share(const char *text, uint32_t *millipercent,
    struct err *e) MUST_CHECK;
enum err_code text_parse_chunking(const char *text, uint32_t *fixed_bytes,
    struct err *e) MUST_CHECK;

/* A whole decimal number from 0 to max, nothing before or after it. */
bool text_parse_u64(const char *text, uint64_t max, uint64_t *value);

/* How many single-letter changes turn a into b: for "did you mean". */
size_t text_distance(const char *a, const char *b);

#endif
