#include "policy_scan.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/text.h>

#define NAME_BYTES 64

struct include {
	struct policy_file_id id;
	const char *path;
};

struct scanner {
	struct policy_scan *out;
	struct err *e;
	enum err_code rc; /* the first failure; everything else waits */

	struct include chain[POLICY_SCAN_DEPTH_MAX + 1];
	size_t depth, file_count, name_count;
	char levels[POLICY_SCAN_NEST_MAX][NAME_BYTES]; /* what is open */
	size_t nest;
	char name[NAME_BYTES]; /* the last one seen */
};

/* Where we are in one file's text. */
struct cursor {
	const char *at, *end;
	const char *file;
	uint32_t line;
};

static void read_file(struct scanner *s, const struct policy_mark *named_at,
    const char *setting, const char *path);

void
policy_scan_fini(struct policy_scan *sc)
{
	buf_fini(&sc->text);
	free(sc->lines);
	sc->lines = NULL;
	sc->line_count = sc->lines_size = 0;
}

struct policy_mark
policy_scan_origin(const struct policy_scan *sc, unsigned line)
{
	if (sc->line_count == 0)
		return (struct policy_mark){0};
	if (line == 0)
		line = 1;
	if (line > sc->line_count)
		line = (unsigned)sc->line_count;
	return sc->lines[line - 1];
}

/* The dotted path of the setting at hand. */
static const char *
setting_path(const struct scanner *s, char *out, size_t size_bytes)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i <= s->nest && i <= POLICY_SCAN_NEST_MAX; i++) {
		const char *part = i == s->nest ? s->name
		    : i < POLICY_SCAN_NEST_MAX  ? s->levels[i]
						: "";

		if (*part != '\0' && used < size_bytes)
			used += (size_t)snprintf(out + used, size_bytes - used,
			    "%s%s", used == 0 ? "" : ".", part);
	}
	return out[0] == '\0' ? "file" : out;
}

static void
complain(struct scanner *s, const struct cursor *c, enum policy_problem_id id,
    const char *message)
{
	struct policy_mark where = {.file = c->file, .line = c->line};
	char path[512];

	policy_problem_add(s->out->ps, id, &where,
	    setting_path(s, path, sizeof(path)), "%s", message);
}

/* --- output --------------------------------------------------------------- */

static void
emit(struct scanner *s, const char *bytes, size_t len_bytes)
{
	if (s->rc == ERR_NONE)
		s->rc = buf_add(&s->out->text, bytes, len_bytes, s->e);
}

/* The current line of the output comes from here. */
static void
set_origin(struct scanner *s, const struct cursor *c)
{
	if (s->out->line_count > 0)
		s->out->lines[s->out->line_count - 1] =
		    (struct policy_mark){.file = c->file, .line = c->line};
}

static void
begin_line(struct scanner *s, const struct cursor *c)
{
	struct policy_scan *o = s->out;

	if (o->line_count == o->lines_size) {
		size_t size = o->lines_size == 0 ? 256 : 2 * o->lines_size;
		void *more = reallocarray(o->lines, size, sizeof(o->lines[0]));

		if (more == NULL) {
			if (s->rc == ERR_NONE)
				s->rc = err_nomem(s->e);
			return;
		}
		o->lines = more;
		o->lines_size = size;
	}
	o->line_count++;
	set_origin(s, c);
}

static void
newline(struct scanner *s, struct cursor *c)
{
	emit(s, "\n", 1);
	c->line++;
	begin_line(s, c);
}

/* --- the parts of a file -------------------------------------------------- */

static bool
looking_at(const struct cursor *c, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(c->end - c->at) >= len && memcmp(c->at, text, len) == 0;
}

static void
skip_line_comment(struct cursor *c)
{
	while (c->at < c->end && *c->at != '\n')
		c->at++;
}

static void
skip_block_comment(struct scanner *s, struct cursor *c)
{
	struct cursor start = *c;

	for (c->at += 2; c->at < c->end && !looking_at(c, "*/"); c->at++)
		if (*c->at == '\n')
			newline(s, c);
	if (c->at < c->end)
		c->at += 2;
	else {
		complain(s, &start, P_SYNTAX,
		    "a comment begins here and never ends; end it with */");
		s->out->is_broken = true;
	}
	emit(s, " ", 1);
}

/* A text in quotes.  '@' is written \x40, so that none begins a line (S1). */
static void
copy_text(struct scanner *s, struct cursor *c)
{
	struct cursor start = *c;

	emit(s, "\"", 1);
	for (c->at++; c->at < c->end && *c->at != '"'; c->at++) {
		if (*c->at == '\n')
			newline(s, c);
		else if (*c->at == '@')
			emit(s, "\\x40", 4);
		else if (looking_at(c, "\\x00")) {
			complain(s, c, P_VALUE,
			    "a text cannot hold a NUL; leave out \\x00");
			c->at += 3;
		} else if (*c->at == '\\' && c->at + 1 < c->end &&
		    (c->at[1] == '"' || c->at[1] == '\\')) {
			emit(s, c->at, 2);
			c->at++;
		} else
			emit(s, c->at, 1);
	}
	if (c->at < c->end)
		c->at++;
	else {
		complain(s, &start, P_SYNTAX,
		    "a text begins here and never ends; end it with \"");
		s->out->is_broken = true;
	}
	emit(s, "\"", 1);
}

static void
copy_name(struct scanner *s, struct cursor *c)
{
	const char *from = c->at;
	size_t len;

	while (c->at < c->end &&
	    (isalnum((unsigned char)*c->at) || strchr("-_*", *c->at) != NULL))
		c->at++;
	len = (size_t)(c->at - from);
	emit(s, from, len);
	if (len >= NAME_BYTES)
		len = NAME_BYTES - 1;
	memcpy(s->name, from, len);
	s->name[len] = '\0';
	if (++s->name_count == POLICY_SCAN_NAMES_MAX + 1) {
		complain(s, c, P_SYNTAX,
		    "more than 20000 names in one file; split it");
		s->out->is_broken = true;
	}
}

/*
 * Does the number from here to end fit?  libconfig 1.5 keeps the low 32 bits
 * of what does not, and hexadecimal above 0x7fffffff turns negative.
 */
static bool
number_fits(const char *from, const char *end)
{
	bool negative = *from == '-';
	uint64_t limit = INT32_MAX, v = 0, base = 10;

	if (*from == '-' || *from == '+')
		from++;
	if (end - from > 2 && from[0] == '0' && (from[1] | 32) == 'x') {
		base = 16;
		from += 2;
	}
	for (; from < end && isxdigit((unsigned char)*from); from++) {
		uint64_t digit = isdigit((unsigned char)*from)
		    ? (uint64_t)(*from - '0')
		    : (uint64_t)((*from | 32) - 'a') + 10;

		if (digit >= base)
			break;
		v = v * base + digit;
		if (v > limit + (negative ? 1 : 0))
			return false;
	}
	return true;
}

static void
copy_number(struct scanner *s, struct cursor *c)
{
	const char *from = c->at;
	char message[160];

	c->at++;
	while (c->at < c->end &&
	    (isalnum((unsigned char)*c->at) || *c->at == '.' ||
		((*c->at == '-' || *c->at == '+') && (c->at[-1] | 32) == 'e')))
		c->at++;
	if (number_fits(from, c->at)) {
		emit(s, from, (size_t)(c->at - from));
		return;
	}
	snprintf(message, sizeof(message),
	    "%.*s is too large a number; no setting takes more than "
	    "2147483647, "
	    "and sizes and durations have units, like \"4GiB\"",
	    (int)(c->at - from > 40 ? 40 : c->at - from), from);
	complain(s, c, P_INTEGER, message);
	emit(s, "0", 1);
}

static void
copy_bracket(struct scanner *s, struct cursor *c)
{
	emit(s, c->at, 1);
	if (strchr("{([", *c->at) != NULL) {
		if (s->nest < POLICY_SCAN_NEST_MAX)
			memcpy(s->levels[s->nest], s->name, NAME_BYTES);
		if (s->nest == POLICY_SCAN_NEST_MAX) {
			complain(s, c, P_SYNTAX,
			    "more than 16 brackets within one another");
			s->out->is_broken = true;
		}
		s->nest++;
		s->name[0] = '\0';
	} else if (s->nest > 0 && --s->nest < POLICY_SCAN_NEST_MAX)
		memcpy(s->name, s->levels[s->nest], NAME_BYTES);
	c->at++;
}

/* --- includes ------------------------------------------------------------- */

/* The name after @include; NULL if that is not what stands here. */
static const char *
take_include(struct scanner *s, struct cursor *c)
{
	const char *p = c->at + strlen("@include"), *from;
	char *name;

	while (p < c->end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == c->end || *p != '"')
		return NULL;
	for (from = ++p; p < c->end && *p != '"' && *p != '\n'; p++)
		continue;
	if (p == c->end || *p != '"' || p == from)
		return NULL;
	c->at = p + 1;
	name = policy_memory_text(s->out->m, from, (size_t)(p - from), s->e);
	if (name == NULL)
		s->rc = s->e->code;
	return name;
}

static void
include(struct scanner *s, struct cursor *c, bool at_line_start)
{
	struct policy_mark here = {.file = c->file, .line = c->line};
	const char *name = NULL, *path;

	if (at_line_start && looking_at(c, "@include"))
		name = take_include(s, c);
	if (s->rc != ERR_NONE)
		return;
	if (name == NULL) {
		policy_problem_add(s->out->ps, P_SYNTAX, &here, "@include",
		    "'@' is not understood here; write @include \"FILE\" on a "
		    "line of its own");
		s->out->is_broken = true;
		c->at++;
		return;
	}
	path = policy_file_beside(s->out->m, c->file, name, s->e);
	if (path == NULL) {
		s->rc = s->e->code;
		return;
	}
	read_file(s, &here, "@include", path);
	if (s->out->text.len_bytes > 0 &&
	    s->out->text.bytes[s->out->text.len_bytes - 1] != '\n') {
		emit(s, "\n", 1);
		begin_line(s, c);
	}
	set_origin(s, c);
}

/* --- a file --------------------------------------------------------------- */

static bool
is_bracket(char c)
{
	return c == '{' || c == '(' || c == '[' || c == ']' || c == ')' ||
	    c == '}';
}

static void
scan_text(struct scanner *s, struct cursor *c)
{
	const char *line_start = c->at;

	set_origin(s, c);
	while (c->at < c->end && s->rc == ERR_NONE) {
		bool number = isdigit((unsigned char)*c->at) ||
		    ((*c->at == '-' || *c->at == '+') && c->at + 1 < c->end &&
			isdigit((unsigned char)c->at[1]));

		if (*c->at == '\n') {
			newline(s, c);
			line_start = ++c->at;
		} else if (*c->at == '#' || looking_at(c, "//"))
			skip_line_comment(c);
		else if (looking_at(c, "/*"))
			skip_block_comment(s, c);
		else if (*c->at == '"')
			copy_text(s, c);
		else if (*c->at == '@')
			include(s, c,
			    strspn(line_start, " \t") ==
				(size_t)(c->at - line_start));
		else if (isalpha((unsigned char)*c->at) || *c->at == '*')
			copy_name(s, c);
		else if (number)
			copy_number(s, c);
		else if (is_bracket(*c->at))
			copy_bracket(s, c);
		else {
			emit(s, *c->at == '\r' ? " " : c->at, 1);
			if (*c->at == ';')
				s->name[0] = '\0';
			c->at++;
		}
	}
}

/* A file that is not text at all: say so once, by the first such line. */
static bool
is_text(struct scanner *s, const char *path, struct buf *text)
{
	struct cursor c = {.file = path, .line = 1};
	const char *p = buf_text(text), *end = p + text->len_bytes;

	while (p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));

		stop = stop == NULL ? end : stop;
		if (memchr(p, '\0', (size_t)(stop - p)) != NULL ||
		    !text_is_utf8(p, (size_t)(stop - p))) {
			complain(s, &c, P_FILE,
			    "this line is not text; write UTF-8 without NULs");
			return false;
		}
		p = stop == end ? end : stop + 1;
		c.line++;
	}
	return true;
}

static void
judge_owner(struct scanner *s, const char *path,
    const struct policy_file_id *id)
{
	struct policy_mark where = {.file = path, .line = 1};

	if ((id->mode & 022) != 0)
		policy_problem_add(s->out->ps, P_WRITABLE, &where, "file",
		    "others than its owner may write to it (mode %04o); remove "
		    "that right with chmod go-w",
		    (unsigned)id->mode);
	if (id->uid != 0 && id->uid != geteuid())
		policy_problem_add(s->out->ps, P_WRITABLE, &where, "file",
		    "it belongs to user %u; a policy file belongs to root or "
		    "to the user Bascule runs as (%u)",
		    (unsigned)id->uid, (unsigned)geteuid());
}

/* True: the file is in the chain of includes already; said so. */
static bool
loops(struct scanner *s, const struct policy_mark *named_at,
    const struct policy_file_id *id, const char *path)
{
	OWNED(buf_fini) struct buf chain = {0};
	struct err ignored = {0};
	size_t from = 0;

	while (from < s->depth &&
	    (s->chain[from].id.ino != id->ino ||
		s->chain[from].id.dev != id->dev))
		from++;
	if (from == s->depth)
		return false;
	for (size_t i = from; i < s->depth; i++)
		if (buf_printf(&chain, &ignored, "%s -> ",
			policy_file_base(s->chain[i].path)) != ERR_NONE)
			break;
	policy_problem_add(s->out->ps, P_INCLUDE, named_at, "@include",
	    "the includes go round in a circle: %s%s; take one of them out",
	    buf_text(&chain), policy_file_base(path));
	return true;
}

static bool
may_read(struct scanner *s, const struct policy_mark *named_at)
{
	if (s->depth > POLICY_SCAN_DEPTH_MAX)
		policy_problem_add(s->out->ps, P_INCLUDE, named_at, "@include",
		    "includes within includes are more than %d deep",
		    POLICY_SCAN_DEPTH_MAX);
	else if (s->file_count == POLICY_SCAN_FILES_MAX ||
	    s->out->text.len_bytes > 4 * POLICY_FILE_BYTES_MAX)
		policy_problem_add(s->out->ps, P_INCLUDE, named_at, "@include",
		    "more than %d files or 4 MiB are included by one file",
		    POLICY_SCAN_FILES_MAX);
	else
		return true;
	s->out->is_partial = true;
	return false;
}

static void
read_file(struct scanner *s, const struct policy_mark *named_at,
    const char *setting, const char *path)
{
	OWNED(buf_fini) struct buf text = {0};
	struct policy_file_id id;
	struct cursor c = {.file = path, .line = 1};
	enum err_code rc;

	if (!may_read(s, named_at))
		return;
	s->file_count++;
	rc = policy_file_read(s->out->src, path, &text, &id, s->e);
	if (rc == ERR_NOMEM) {
		s->rc = rc;
		return;
	}
	s->out->is_partial = s->out->is_partial || rc != ERR_NONE;
	if (rc != ERR_NONE) {
		s->out->is_broken = s->out->is_broken || s->depth == 0;
		policy_problem_add(s->out->ps, P_FILE, named_at, setting,
		    "'%s' %s; name a regular file of at most 1 MiB", path,
		    s->e->text);
		return;
	}
	if (loops(s, named_at, &id, path)) {
		s->out->is_partial = true;
		return;
	}
	judge_owner(s, path, &id);
	if (!is_text(s, path, &text)) {
		s->out->is_broken = true;
		return;
	}
	s->rc = policy_memory_keep(s->out->m, path, buf_text(&text),
	    text.len_bytes, s->e);
	if (s->rc != ERR_NONE)
		return;
	s->chain[s->depth++] = (struct include){.id = id, .path = path};
	c.at = buf_text(&text);
	c.end = c.at + text.len_bytes;
	scan_text(s, &c);
	s->depth--;
}

enum err_code
policy_scan_read(struct policy_scan *sc, const struct policy_mark *named_at,
    const char *path, struct err *e)
{
	struct scanner s = {.out = sc, .e = e};
	struct cursor start = {.file = path, .line = 1};

	begin_line(&s, &start);
	if (s.rc == ERR_NONE)
		read_file(&s, named_at, "policy", path);
	return s.rc;
}
