/*
 * Judging a box: every member against SHA256SUMS, that against its signature.
 * Nothing is unpacked.  The first thing that is wrong is said.
 */

#include "box.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/text.h>

#define SUMS_BYTES_MAX ((size_t)4 << 20)

struct judge {
	struct box_verdict *v;
	const char *fingerprint;
	char folder[BOX_NAME_BYTES];
	struct buf found; /* what SHA256SUMS should say */
	struct buf sums, signature, facts;
	bool has_sums, has_signature, has_facts;
};

static void
judge_fini(struct judge *j)
{
	buf_fini(&j->found);
	buf_fini(&j->sums);
	buf_fini(&j->signature);
	buf_fini(&j->facts);
}

static void
blame(struct judge *j, const char *what, const char *name)
{
	if (j->v->bad)
		return;
	j->v->bad = true;
	snprintf(j->v->what, sizeof(j->v->what), "%s%s%s", what,
	    *name != '\0' ? ": " : "", name);
}

/* --- what is in it ------------------------------------------------------------- */

/* The name below the one folder; NULL: it is elsewhere. */
static const char *
below(struct judge *j, const char *name)
{
	const char *slash = strchr(name, '/');
	const size_t len = slash == NULL ? 0 : (size_t)(slash - name);

	if (slash == NULL || slash[1] == '\0' || len >= sizeof(j->folder))
		return NULL;
	if (j->folder[0] == '\0')
		memcpy(j->folder, name, len); /* zeroed before */
	return strncmp(j->folder, name, len) == 0 && j->folder[len] == '\0'
	    ? slash + 1
	    : NULL;
}

static enum err_code
keep(struct arc_tar_reader *r, const struct arc_member *m, struct buf *to,
    struct err *e)
{
	if (m->size_bytes > SUMS_BYTES_MAX)
		return err_set(e, ERR_CORRUPT, "a list of %llu bytes",
		    (unsigned long long)m->size_bytes);
	return arc_tar_reader_slurp(r, to, e);
}

static enum err_code
sum_up(struct judge *j, struct arc_tar_reader *r, const char *name,
    struct err *e)
{
	OWNED(hash_free) struct hash *h = NULL;
	uint8_t bytes[65536];
	char hex[ID_HEX_BYTES];
	struct id sum;
	size_t got;
	enum err_code rc = hash_begin(&h, e);

	do {
		if (rc == ERR_NONE)
			rc = arc_tar_reader_read(r, bytes, sizeof(bytes), &got,
			    e);
		if (rc != ERR_NONE)
			return rc;
		hash_add(h, bytes, got);
		if (strcmp(name, BOX_FACTS) == 0)
			rc = buf_add(&j->facts, bytes, got, e);
	} while (got == sizeof(bytes));
	hash_end(h, &sum);
	return rc != ERR_NONE
	    ? rc
	    : buf_printf(&j->found, e, "%s  %s\n", id_hex(&sum, hex), name);
}

static enum err_code
take_member(struct judge *j, struct arc_tar_reader *r,
    const struct arc_member *m, struct err *e)
{
	const char *name = below(j, m->name);
	char copy[BOX_NAME_BYTES];

	if (name == NULL || strlen(name) >= sizeof(copy)) {
		blame(j, "a file that is not below the box's folder", m->name);
		return ERR_NONE;
	}
	snprintf(copy, sizeof(copy), "%s", name);
	if (j->has_signature)
		blame(j, "a file behind the signature", copy);
	if (strcmp(copy, BOX_SUMS) == 0) {
		j->has_sums = true;
		return keep(r, m, &j->sums, e);
	}
	if (strcmp(copy, BOX_SIGNATURE) == 0) {
		j->has_signature = true;
		return keep(r, m, &j->signature, e);
	}
	if (j->has_sums)
		blame(j, "a file behind the list", copy);
	j->has_facts = j->has_facts || strcmp(copy, BOX_FACTS) == 0;
	return sum_up(j, r, copy, e);
}

static enum err_code
read_all(struct judge *j, struct arc_tar_reader *r, struct err *e)
{
	struct arc_member m;
	enum err_code rc;

	for (;;) {
		rc = arc_tar_reader_next(r, &m, e);
		if (rc != ERR_NONE)
			break;
		j->v->members_count++;
		j->v->bytes += m.size_bytes;
		rc = take_member(j, r, &m, e);
		if (rc != ERR_NONE)
			break;
	}
	return rc == ERR_NOTFOUND ? ERR_NONE : rc;
}

/* --- what that comes to ----------------------------------------------------------- */

/* The value behind "NAME " at the beginning of a line, NUL-ended; false: none. */
static bool
value_of(struct buf *text, const char *name, char *out, size_t out_bytes)
{
	const size_t len = strlen(name);

	for (const char *at = buf_text(text); at != NULL && *at != '\0';) {
		const char *end = strchrnul(at, '\n');

		if (strncmp(at, name, len) == 0 && at[len] == ' ') {
			const size_t got = (size_t)(end - at) - len - 1;

			if (got >= out_bytes)
				return false;
			memcpy(out, at + len + 1, got);
			out[got] = '\0';
			return true;
		}
		at = *end == '\0' ? NULL : end + 1;
	}
	return false;
}

static enum err_code
read_facts(struct judge *j, struct err *e)
{
	struct box_verdict *v = j->v;
	char format[16], made[64];

	if (!value_of(&j->facts, "format", format, sizeof(format))) {
		blame(j, "BOX.txt does not say what it is", "");
		return ERR_NONE;
	}
	if (strlen(format) > 6 || atoi(format) > BOX_FORMAT)
		return err_set(e, ERR_TOONEW,
		    "a box of format %s; this program knows %d", format,
		    BOX_FORMAT);
	if (!value_of(&j->facts, "site", v->site, sizeof(v->site)) ||
	    !value_of(&j->facts, "policy", v->policy, sizeof(v->policy)) ||
	    !value_of(&j->facts, "version", v->version, sizeof(v->version)) ||
	    !value_of(&j->facts, "machine", v->machine, sizeof(v->machine)) ||
	    !value_of(&j->facts, "made", made, sizeof(made)) ||
	    !now_parse(made, &v->made))
		blame(j, "BOX.txt lacks a fact", "");
	return ERR_NONE;
}

/* The first line in which the two lists differ. */
static void
compare_lists(struct judge *j)
{
	const char *a = buf_text(&j->found), *b = buf_text(&j->sums);
	char name[BOX_NAME_BYTES];

	if (j->found.len_bytes == j->sums.len_bytes && strcmp(a, b) == 0)
		return;
	while (*a != '\0' && *b != '\0') {
		const size_t n = (size_t)(strchrnul(a, '\n') - a);

		if (strncmp(a, b, n + 1) != 0)
			break;
		a += n + (a[n] != '\0');
		b += n + (b[n] != '\0');
	}
	if (*a == '\0') {
		blame(j, "a file that SHA256SUMS lists is missing", "");
		return;
	}
	a += strcspn(a, " \n");
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(a, "\n"), a);
	blame(j, "not as SHA256SUMS says", name + strspn(name, " "));
}

static enum err_code
check_signature(struct judge *j, struct err *e)
{
	char signer[SIGN_TEXT_SIZE], hex[2 * SIGN_BYTES + 1];
	uint8_t signature[SIGN_BYTES];
	struct sign_public pub;
	struct err why;
	enum err_code rc;

	if (!j->has_signature)
		return ERR_NONE;
	if (!value_of(&j->signature, "signer", signer, sizeof(signer)) ||
	    !value_of(&j->signature, "signature", hex, sizeof(hex)) ||
	    strlen(hex) != 2 * SIGN_BYTES ||
	    !text_unhex(hex, signature, SIGN_BYTES) ||
	    sign_parse(&pub, signer, &why) != ERR_NONE) {
		blame(j, "the signature is malformed", "");
		return ERR_NONE;
	}
	rc = sign_fingerprint(&pub, j->v->signer, e);
	if (rc != ERR_NONE)
		return rc;
	rc = sign_check(&pub, BOX_LABEL, j->sums.bytes, j->sums.len_bytes,
	    signature, &why);
	if (rc == ERR_NONE)
		j->v->is_signed = true;
	else if (rc == ERR_CORRUPT)
		blame(j, "SHA256SUMS is not what was signed", "");
	return rc == ERR_NOMEM ? err_set(e, rc, "%s", why.text) : ERR_NONE;
}

static void
check_signer(struct judge *j)
{
	if (j->fingerprint == NULL)
		return;
	if (!j->v->is_signed)
		blame(j, "nobody has signed it, where it should be signed by",
		    j->fingerprint);
	else if (strcmp(j->fingerprint, j->v->signer) != 0)
		blame(j, "signed by another key", j->v->signer);
}

static enum err_code
judge(struct judge *j, struct arc_tar_reader *r, struct err *e)
{
	enum err_code rc = read_all(j, r, e);

	if (rc == ERR_NONE && j->has_facts)
		rc = read_facts(j, e);
	if (rc == ERR_CORRUPT) {
		blame(j, e->text, "");
		rc = ERR_NONE;
	}
	if (rc != ERR_NONE || j->v->bad)
		return rc;
	if (!j->has_sums || !j->has_facts) {
		blame(j, "it is not a whole box", "");
		return ERR_NONE;
	}
	compare_lists(j);
	rc = check_signature(j, e);
	if (rc == ERR_NONE)
		check_signer(j);
	return rc;
}

static const struct arc_tar_limits limits = {.member_bytes = BOX_BYTES_MAX,
    .total_bytes = 2 * BOX_BYTES_MAX,
    .member_count = BOX_MEMBERS_MAX};

enum err_code
box_verify_bytes(const void *bytes, size_t len_bytes, const char *fingerprint,
    struct box_verdict *v, struct err *e)
{
	OWNED(arc_tar_reader_close) struct arc_tar_reader *r = NULL;
	OWNED(judge_fini) struct judge j = {.v = v, .fingerprint = fingerprint};
	enum err_code rc;

	memset(v, 0, sizeof(*v));
	rc = arc_tar_reader_open_bytes(&r, bytes, len_bytes, &limits, e);
	if (rc == ERR_CORRUPT) {
		blame(&j, e->text, "");
		return ERR_NONE;
	}
	return rc == ERR_NONE ? judge(&j, r, e) : rc;
}

enum err_code
box_verify(const char *path, const char *fingerprint, struct box_verdict *v,
    struct err *e)
{
	OWNED(arc_tar_reader_close) struct arc_tar_reader *r = NULL;
	OWNED(judge_fini) struct judge j = {.v = v, .fingerprint = fingerprint};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc;

	memset(v, 0, sizeof(*v));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return err_sys(e, "cannot open '%s'", path);
	rc = arc_tar_reader_open(&r, fd, &limits, e);
	if (rc == ERR_CORRUPT) {
		blame(&j, e->text, "");
		return ERR_NONE;
	}
	if (rc == ERR_NONE)
		rc = judge(&j, r, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "the box '%s'", path);
}
