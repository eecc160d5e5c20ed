/* The battle box, written: docs/format/box.md. */

#include "box.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bascule/base/atomfile.h>
#include <bascule/base/fdio.h>
#include <bascule/base/text.h>
#include <bascule/policy.h>

#define PROGRAM_BYTES_MAX ((size_t)256 << 20)

struct box {
	const struct box_options *o;
	char folder[BOX_NAME_BYTES];
	struct arc_tar_writer *tar;
	struct atomfile *file;
	struct hash *whole;
	struct buf sums;
	struct box_tally tally;
};

static void
box_fini(struct box *b)
{
	arc_tar_writer_discard(&b->tar);
	atomfile_discard(&b->file);
	hash_free(&b->whole);
	buf_fini(&b->sums);
}

void
box_folder(const char *site, struct utc made, char out[BOX_NAME_BYTES])
{
	char when[NOW_TEXT_BYTES];

	snprintf(out, BOX_NAME_BYTES, "bascule-box-%.64s-%s", site,
	    now_stamp(made, when));
}

static enum err_code
sink(void *arg, const void *bytes, size_t len_bytes, struct err *e)
{
	struct box *b = arg;

	hash_add(b->whole, bytes, len_bytes);
	b->tally.bytes += len_bytes;
	return atomfile_write(b->file, bytes, len_bytes, e);
}

/* A member that SHA256SUMS does not list. */
static enum err_code
add_last(struct box *b, const char *name, const struct buf *content,
    struct err *e)
{
	char path[2 * BOX_NAME_BYTES];

	if (b->tally.members_count == BOX_MEMBERS_MAX)
		return err_set(e, ERR_INPUT, "more than %d files for a box",
		    BOX_MEMBERS_MAX);
	snprintf(path, sizeof(path), "%s/%s", b->folder, name);
	b->tally.members_count++;
	return arc_tar_writer_add(b->tar, path, content->bytes,
	    content->len_bytes, e);
}

static enum err_code
add(struct box *b, const char *name, const struct buf *content, struct err *e)
{
	char hex[ID_HEX_BYTES];
	struct id sum;
	enum err_code rc =
	    hash_sha256(content->bytes, content->len_bytes, &sum, e);

	if (rc == ERR_NONE)
		rc = buf_printf(&b->sums, e, "%s  %s\n", id_hex(&sum, hex),
		    name);
	return rc == ERR_NONE ? add_last(b, name, content, e) : rc;
}

/* --- the members ------------------------------------------------------------ */

static enum err_code
add_words(struct box *b, struct err *e)
{
	OWNED(buf_fini) struct buf start = {0}, text = {0}, html = {0};
	enum err_code rc = box_words_start(b->o, &start, e);

	if (rc == ERR_NONE)
		rc = add(b, "START-HERE.txt", &start, e);
	if (rc == ERR_NONE)
		rc = box_runbook(b->o, &text, &html, e);
	if (rc == ERR_NONE)
		rc = add(b, "RUNBOOK.txt", &text, e);
	return rc == ERR_NONE ? add(b, "RUNBOOK.html", &html, e) : rc;
}

/* Where a policy's file lies in the box: as beside the site's own, and what
 * is elsewhere by its number. */
static void
policy_name(const char *own, const char *path, size_t number,
    char out[BOX_NAME_BYTES])
{
	const char *slash = strrchr(own, '/'), *base = strrchr(path, '/');
	size_t dir_bytes = slash == NULL ? 0 : (size_t)(slash + 1 - own);

	base = base == NULL ? path : base + 1;
	if (strncmp(path, own, dir_bytes) == 0)
		snprintf(out, BOX_NAME_BYTES, "policies/%s", path + dir_bytes);
	else
		snprintf(out, BOX_NAME_BYTES, "policies/elsewhere/%zu-%s",
		    number, base);
}

static enum err_code
add_policies(struct box *b, struct err *e)
{
	size_t count;
	const struct policy_text_file *files =
	    policy_files(b->o->policy, &count);
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < count; i++) {
		OWNED(buf_fini) struct buf content = {0};
		char name[BOX_NAME_BYTES];

		policy_name(files[0].path, files[i].path, i, name);
		rc = buf_add(&content, files[i].text, files[i].len_bytes, e);
		if (rc == ERR_NONE)
			rc = add(b, name, &content, e);
	}
	return rc;
}

/* It needs no other program, not even dirname. */
static enum err_code
add_script(struct box *b, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	enum err_code rc = buf_printf(&text, e,
	    "#!/bin/sh\n"
	    "# The program beside this file, with the libraries beside it.\n"
	    "here=${0%%/*}\n"
	    "[ \"$here\" != \"$0\" ] || here=.\n"
	    "exec \"$here/program/%s\" --library-path \"$here/program\" \\\n"
	    "    \"$here/program/%s\" \"$@\"\n",
	    b->o->program[0].name, b->o->program[1].name);

	return rc == ERR_NONE ? add(b, "bascule", &text, e) : rc;
}

static enum err_code
add_program(struct box *b, struct err *e)
{
	enum err_code rc;

	arc_tar_writer_programs(b->tar, true);
	rc = add_script(b, e);
	for (size_t i = 0; rc == ERR_NONE && i < b->o->program_count; i++) {
		OWNED(buf_fini) struct buf content = {0};
		char name[BOX_NAME_BYTES];

		snprintf(name, sizeof(name), "program/%s",
		    b->o->program[i].name);
		rc = fdio_slurp(AT_FDCWD, b->o->program[i].path,
		    PROGRAM_BYTES_MAX, &content, e);
		if (rc == ERR_NONE)
			rc = add(b, name, &content, e);
	}
	arc_tar_writer_programs(b->tar, false);
	return rc;
}

static enum err_code
add_facts(struct box *b, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	char when[NOW_TEXT_BYTES];
	struct utsname machine;
	enum err_code rc;

	if (uname(&machine) == -1)
		return err_sys(e, "cannot ask what machine this is");
	rc = buf_printf(&text, e,
	    "format %d\nsite %s\nmade %s\npolicy %s\nversion %s\n"
	    "machine %s\n",
	    BOX_FORMAT, b->o->policy->site, now_text(b->o->made, when),
	    b->o->digest, BASCULE_VERSION, machine.machine);
	return rc == ERR_NONE ? add(b, BOX_FACTS, &text, e) : rc;
}

static enum err_code
add_heads(struct box *b, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	enum err_code rc =
	    buf_add_text(&text, b->o->heads == NULL ? "" : b->o->heads, e);

	return rc == ERR_NONE ? add(b, "HEADS.txt", &text, e) : rc;
}

static enum err_code
add_signature(struct box *b, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	const struct sign_public *pub;
	uint8_t signature[SIGN_BYTES];
	char hex[2 * SIGN_BYTES + 1], name[SIGN_TEXT_SIZE];
	char fingerprint[SIGN_FINGERPRINT_SIZE];
	enum err_code rc;

	if (b->o->signer == NULL)
		return ERR_NONE;
	pub = sign_key_public(b->o->signer);
	rc = sign_make(b->o->signer, BOX_LABEL, b->sums.bytes,
	    b->sums.len_bytes, signature, e);
	if (rc == ERR_NONE)
		rc = sign_text(pub, name, e);
	if (rc == ERR_NONE)
		rc = sign_fingerprint(pub, fingerprint, e);
	if (rc == ERR_NONE)
		rc = buf_printf(&text, e,
		    "signer %s\nfingerprint %s\nsignature %s\n", name,
		    fingerprint, text_hex(signature, SIGN_BYTES, hex));
	return rc == ERR_NONE ? add_last(b, BOX_SIGNATURE, &text, e) : rc;
}

static enum err_code
add_all(struct box *b, struct err *e)
{
	static enum err_code (*const parts[])(struct box *,
	    struct err *) = {add_words, add_policies, add_heads, add_program,
	    add_facts};
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < COUNT_OF(parts); i++)
		rc = parts[i](b, e);
	if (rc == ERR_NONE)
		rc = add_last(b, BOX_SUMS, &b->sums, e);
	return rc == ERR_NONE ? add_signature(b, e) : rc;
}

/* --- the file ----------------------------------------------------------------- */

static enum err_code
write_file(struct box *b, int dirfd, const char *name, struct err *e)
{
	enum err_code rc = atomfile_begin(&b->file, dirfd, name, e);

	if (rc == ERR_NONE)
		rc = hash_begin(&b->whole, e);
	if (rc == ERR_NONE)
		rc = arc_tar_writer_open(&b->tar, sink, b, 0, b->o->made, e);
	if (rc == ERR_NONE)
		rc = add_all(b, e);
	if (rc == ERR_NONE)
		rc = arc_tar_writer_finish(&b->tar, e);
	if (rc != ERR_NONE)
		return rc;
	hash_end(b->whole, &b->tally.sha256);
	return atomfile_commit(&b->file, e);
}

enum err_code
box_write(const struct box_options *o, const char *path,
    struct box_tally *tally, struct err *e)
{
	OWNED(fdio_close)
	int dirfd = -1; /* closed after what b has begun there */
	OWNED(box_fini) struct box b = {.o = o};
	const char *name;
	enum err_code rc;

	if (o->program_count < 2)
		return err_set(e, ERR_INPUT,
		    "a box holds the program and its loader");
	box_folder(o->policy->site, o->made, b.folder);
	rc = fdio_open_parent(path, &dirfd, &name, e);
	if (rc == ERR_NONE)
		rc = write_file(&b, dirfd, name, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "writing the box '%s'", path);
	*tally = b.tally;
	return ERR_NONE;
}
