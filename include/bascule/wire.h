#ifndef BASCULE_WIRE_H
#define BASCULE_WIRE_H

/*
 * What bascule's programs say to each other and to scripts: JSON objects, one a
 * line (docs/protocol/api.md, docs/protocol/worker.md).  Everything read here
 * came from somebody else: lines, depth and fields are bounded, a key that
 * comes twice is refused.
 *
 * W1. A written line is valid UTF-8 JSON without a raw newline, whatever bytes
 *     went in.
 * W2. 64-bit whole numbers arrive exactly: as JSON numbers up to 2^53 either
 *     side of zero, as decimal strings beyond.
 * W3. A request's field that nobody took is an error, never ignored.
 *
 * Building and reading stick at the first fault, as struct le_reader does: add
 * or take everything, then look once, at wire_line(), wire_check() or
 * wire_end().
 *
 *	OWNED(wire_free) struct wire_value *v = NULL;
 *	wire_new(&v, "summary", e)
 *	wire_add_uint(v, "bytes", bytes);
 *	wire_send(fd, v, e)
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <bascule/base/buf.h>
#include <bascule/base/defs.h>
#include <bascule/base/err.h>
#include <bascule/base/now.h>

#define WIRE_LINE_BYTES_MAX ((size_t)1 << 20)
#define WIRE_DEPTH_MAX      16
#define WIRE_VERSION        1 /* "v" of every line that has a type */

struct wire_value; /* an object or a list: being built, or being read */

/* --- making and ending ---------------------------------------------------- */

/*
 * An empty object.  With a type it begins "type", "ts" (now), "v"; type NULL
 * is for objects inside others.
 */
enum err_code wire_new(struct wire_value **out, const char *type,
    struct err *e) MUST_CHECK;
enum err_code wire_new_list(struct wire_value **out, struct err *e) MUST_CHECK;

/*
 * Read one line (with or without its newline).  ERR_INPUT says what is wrong
 * and where: not JSON, not an object, too long, too deep, a key twice.
 */
enum err_code wire_parse(struct wire_value **out, const char *line,
    size_t len_bytes, struct err *e) MUST_CHECK;

void wire_free(struct wire_value **v);

/* --- building ---------------------------------------------------------------
 * name: the field's; NULL when v is a list.  A later field of the same name
 * replaces the earlier.
 */

/* Bytes that are not UTF-8 are shown escaped.  NULL adds nothing. */
void wire_add_text(struct wire_value *v, const char *name, const char *text);
void wire_add_bytes(struct wire_value *v, const char *name, const char *text,
    size_t len_bytes);
void wire_add_int(struct wire_value *v, const char *name, int64_t value);
void wire_add_uint(struct wire_value *v, const char *name, uint64_t value);
void wire_add_bool(struct wire_value *v, const char *name, bool value);
void wire_add_null(struct wire_value *v, const char *name);
/* RFC 3339 with nanoseconds. */
void wire_add_utc(struct wire_value *v, const char *name, struct utc t);
/* Seconds with three decimals: for what people read, never for instants. */
void wire_add_seconds(struct wire_value *v, const char *name, int64_t ns);
void wire_add_hex(struct wire_value *v, const char *name, const void *bytes,
    size_t len_bytes);
void wire_add_base64(struct wire_value *v, const char *name, const void *bytes,
    size_t len_bytes);
/*
 * A path: as NAME when it is UTF-8; else escaped as NAME and exactly as
 * NAME_b64 (standard base64).
 */
void wire_add_path(struct wire_value *v, const char *name, const char *path,
    size_t len_bytes);
/* Put *child inside v.  Takes *child, also on a fault. */
void wire_add(struct wire_value *v, const char *name,
    struct wire_value **child);
/* "last":true: no reply follows this one. */
void wire_add_last(struct wire_value *v);

/* Append the object and a newline to out, or report the first fault. */
enum err_code wire_line(struct wire_value *v, struct buf *out,
    struct err *e) MUST_CHECK;
/* ... without the newline, indented: for files people read. */
enum err_code wire_pretty(struct wire_value *v, struct buf *out,
    struct err *e) MUST_CHECK;
/* Write the line to fd, all of it (a blocking descriptor; never SIGPIPE on a
 * socket). */
enum err_code wire_send(int fd, struct wire_value *v, struct err *e) MUST_CHECK;

/* --- reading ----------------------------------------------------------------
 * wire_need_*: the field must be there.  wire_take_*: the fallback stands for
 * an absent (or null) one.  What is handed out is borrowed until wire_free of
 * the outermost value.  A field may be taken more than once.
 */

bool wire_has(const struct wire_value *v, const char *name);
const char *wire_need_text(struct wire_value *v, const char *name);
const char *wire_take_text(struct wire_value *v, const char *name,
    const char *fallback);
int64_t wire_need_int(struct wire_value *v, const char *name);
int64_t wire_take_int(struct wire_value *v, const char *name, int64_t fallback);
uint64_t wire_need_uint(struct wire_value *v, const char *name);
uint64_t wire_take_uint(struct wire_value *v, const char *name,
    uint64_t fallback);
bool wire_take_bool(struct wire_value *v, const char *name, bool fallback);
/* A number of seconds, fractions allowed, as nanoseconds. */
int64_t wire_take_seconds(struct wire_value *v, const char *name,
    int64_t fallback_ns);
/* RFC 3339, UTC ("Z") or with an offset. */
struct utc wire_take_utc(struct wire_value *v, const char *name,
    struct utc fallback);
/* The path's bytes: NAME_b64 when there, else NAME.  Absent: left empty. */
void wire_take_path(struct wire_value *v, const char *name, struct buf *out);
/* Exactly len_bytes from hex; zeroes and a fault otherwise. */
void wire_need_hex(struct wire_value *v, const char *name, void *bytes,
    size_t len_bytes);
/* Objects and lists inside; NULL when absent. */
struct wire_value *wire_take_object(struct wire_value *v, const char *name);
struct wire_value *wire_take_list(struct wire_value *v, const char *name);

/* Of a list: how many, and the ith as what it must be.  Of an object: how many
 * fields. */
size_t wire_count(const struct wire_value *v);
const char *wire_at_text(struct wire_value *list, size_t i);
struct wire_value *wire_at_object(struct wire_value *list, size_t i);
/* The ith field's name; NULL past the last.  Does not take it. */
const char *wire_name_at(const struct wire_value *v, size_t i);

/* What is there: for documents of others, where a field may be one or another.
 * Neither takes the field. */
enum wire_kind {
	WIRE_ABSENT, /* or null */
	WIRE_IS_TEXT,
	WIRE_IS_NUMBER,
	WIRE_IS_BOOL,
	WIRE_IS_OBJECT,
	WIRE_IS_LIST
};
enum wire_kind wire_kind_of(const struct wire_value *v, const char *name);
enum wire_kind wire_kind_at(const struct wire_value *list, size_t i);
/* A field as JSON, on one line, whatever it is; taken. */
enum err_code wire_json(struct wire_value *v, const char *name, struct buf *out,
    struct err *e) MUST_CHECK;

/* Record a fault of the caller's own finding ("field 'to' ..."). */
void wire_fault(struct wire_value *v, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The first fault so far, as ERR_INPUT; fields nobody took are all right: for
 * replies, where a newer server may say more. */
enum err_code wire_check(struct wire_value *v, struct err *e) MUST_CHECK;
/* The same, and every field, of objects inside too, must have been taken. */
enum err_code wire_end(struct wire_value *v, struct err *e) MUST_CHECK;

/* --- failures as messages ------------------------------------------------- */

/*
 * {"type":"error","code":NAME,"error":TEXT,"hint":TEXT,"exit":N,"last":true}
 * of *why; exit_status 0: exitcode_of(why->code).
 */
enum err_code wire_failure_new(struct wire_value **out, const struct err *why,
    int exit_status, struct err *e) MUST_CHECK;

/* Turn such a message back: sets *why and *exit_status.  False, and neither
 * touched, for any other message. */
bool wire_failure_read(struct wire_value *v, struct err *why, int *exit_status);

/* --- lines ------------------------------------------------------------------
 * Bytes come as they come; lines go out whole.  Zeroed memory is an empty
 * struct wire_lines with the maximum WIRE_LINE_BYTES_MAX.
 */

struct wire_lines {
	struct buf buf;
	size_t begin_bytes;   /* of the line not yet handed out */
	size_t scanned_bytes; /* no newline before here */
	size_t max_bytes;     /* 0: WIRE_LINE_BYTES_MAX */
};

void wire_lines_fini(struct wire_lines *l);

/* Add bytes.  ERR_INPUT when a line grows past the maximum: hang up. */
enum err_code wire_lines_feed(struct wire_lines *l, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;

/*
 * read(2) once from fd and feed.  *got: bytes read, 0 at the end of the input;
 * ERR_BUSY when a non-blocking fd has nothing now.
 */
enum err_code wire_lines_read(struct wire_lines *l, int fd, size_t *got,
    struct err *e) MUST_CHECK;

/* The next whole line without its newline, NUL-ended; NULL when there is none
 * yet.  Borrowed until the next _feed, _read or _fini. */
const char *wire_lines_next(struct wire_lines *l, size_t *len_bytes);

/* Bytes of a line that has begun and not ended. */
size_t wire_lines_pending_bytes(const struct wire_lines *l);

/* --- asking a daemon -------------------------------------------------------- */

struct wire_client;

/*
 * Connect to a Unix socket.  ERR_NOTFOUND: no daemon there (the text says so
 * and hints at -r).  ERR_REFUSED: not allowed to connect.
 */
enum err_code wire_client_open(struct wire_client **out, const char *path,
    struct err *e) MUST_CHECK;
void wire_client_close(struct wire_client **c);

/* Send one request: an object with "cmd" (and what that command takes). */
enum err_code wire_client_ask(struct wire_client *c, struct wire_value *request,
    struct err *e) MUST_CHECK;

/*
 * The next reply; *out NULL after the last.  A failure message becomes the
 * returned code and text, its exit status is in wire_client_exit_status().
 * ERR_TIMEOUT after timeout_ms without one (-1: wait for ever); ERR_IO when
 * the daemon hung up before "last".
 */
enum err_code wire_client_next(struct wire_client *c, int timeout_ms,
    struct wire_value **out, struct err *e) MUST_CHECK;

/* Of the last failure message; 0 when there was none. */
int wire_client_exit_status(const struct wire_client *c);

/* For a poll loop: the socket, to wait until it is readable. */
int wire_client_fd(const struct wire_client *c);

/* --- worker and supervisor -------------------------------------------------- */

#define WIRE_WORKER_EVENT_FD 3

/* What a worker says on its fd 3: "type" of each line (worker.md). */
enum wire_event {
	WIRE_EVENT_HELLO,     /* first: pid, version */
	WIRE_EVENT_PROGRESS,  /* bytes, files done of expected */
	WIRE_EVENT_HEARTBEAT, /* I live */
	WIRE_EVENT_LOG,       /* a line for people: level, text */
	WIRE_EVENT_INTENT,    /* record this, before I act */
	WIRE_EVENT_OUTCOME,   /* ... and what came of it */
	WIRE_EVENT_ASK,       /* a question to people */
	WIRE_EVENT_RESULT,    /* last: state, reason, what was produced */
	WIRE_EVENT_COUNT
};

const char *wire_event_name(enum wire_event event);
bool wire_event_of_name(const char *name, enum wire_event *event);

#endif
