/*
 * A hostile SFTP server: its answers, byte for byte, behind a greeting that is
 * good.  Requests are numbered from 0: a listing, a file, and two questions are
 * under way.
 */

#include <stdlib.h>
#include <string.h>

#include "../../lib/ssh/sshsftp.h"

#define WINDOW_BYTES ((size_t)100000)

struct input {
	const uint8_t *at;
	size_t left_bytes;
	bool greeted;
};

static const uint8_t greeting[] = {0, 0, 0, 5, SFTP_VERSION, 0, 0, 0, 3};

static enum err_code
step(void *ctx, struct buf *out, struct buf *in, size_t in_max, struct err *e)
{
	struct input *i = ctx;
	size_t n = i->left_bytes < 61 ? i->left_bytes : 61;

	buf_clear(out);
	if (!i->greeted) {
		i->greeted = true;
		return buf_add(in, greeting, sizeof(greeting), e);
	}
	if (n == 0)
		return err_set(e, ERR_TIMEOUT, "the end");
	if (in->len_bytes + n > in_max)
		abort(); /* it holds more than a message */
	if (buf_add(in, i->at, n, e) != ERR_NONE)
		return e->code;
	i->at += n;
	i->left_bytes -= n;
	return ERR_NONE;
}

static void
read_all(struct sshdir *dir, struct sshfile *f)
{
	static char bytes[4096];
	struct sshdirent entry;
	size_t got = 1, total = 0;
	bool more = true;
	struct err e;

	while (more && sshdir_next(dir, &entry, &more, &e) == ERR_NONE)
		if (more &&
		    (entry.name_bytes == 0 ||
			entry.name_bytes > SSHDIR_NAME_BYTES_MAX ||
			strlen(entry.name) != entry.name_bytes ||
			strchr(entry.name, '/') != NULL ||
			strcmp(entry.name, ".") == 0 ||
			strcmp(entry.name, "..") == 0))
			abort();
	while (got > 0 &&
	    sshfile_read(f, bytes, sizeof(bytes), &got, &e) == ERR_NONE) {
		total += got;
		if (got > sizeof(bytes))
			abort();
	}
	(void)total;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	struct input in = {bytes, len_bytes, false};
	struct sshsftp_way way = {step, &in, "far"};
	OWNED(sshsftp_close) struct sshsftp *s = NULL;
	OWNED(sshdir_close) struct sshdir *dir = NULL;
	OWNED(sshfile_close) struct sshfile *f = NULL;
	OWNED(sshpath_close) struct sshpath *look = NULL;
	OWNED(sshpath_close) struct sshpath *link = NULL;
	OWNED(buf_fini) struct buf target = {0};
	struct sshattr attr;
	struct err e;

	if (sshsftp_greet(&s, &way, &e) != ERR_NONE ||
	    sshdir_begin(&dir, s, "/d", &e) != ERR_NONE ||
	    sshfile_begin_read(&f, s, "/f", 0, WINDOW_BYTES, &e) != ERR_NONE ||
	    sshpath_begin(&look, s, SSHPATH_LSTAT, "/l", &e) != ERR_NONE ||
	    sshpath_begin(&link, s, SSHPATH_READLINK, "/r", &e) != ERR_NONE)
		return 0;
	if (sshpath_wait(link, NULL, &target, &e) == ERR_NONE &&
	    (target.len_bytes == 0 ||
		memchr(target.bytes, 0, target.len_bytes) != NULL))
		abort();
	(void)!sshpath_wait(look, &attr, NULL, &e);
	if (len_bytes % 3 == 0)
		sshfile_close(&f); /* answers then find nobody */
	if (f != NULL)
		read_all(dir, f);
	return 0;
}
