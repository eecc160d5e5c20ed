/*
 * A policy as the daemon loaded it, for its workers and for those who ask years
 * later: two lines of base64 a file, its path and its text, the site's own
 * first.  The name is the policy's digest, which is what records name, and the
 * content's hash, so writing the same policy again changes nothing.
 */

#include <bascule/job.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/atomfile.h>
#include <bascule/base/fdio.h>
#include <bascule/crypt.h>
#include <bascule/policy.h>

#define COPY_BYTES_MAX ((size_t)256 << 20)
#define COPY_FILES_MAX 65536
#define SUFFIX         ".copy"
#define HASH_DIGITS    16 /* of the content's, behind the whole digest */

static enum err_code
encode(const struct policy *p, struct buf *out, struct err *e)
{
	size_t count;
	const struct policy_text_file *files = policy_files(p, &count);
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < count; i++) {
		OWNED(buf_fini) struct buf text = {0};

		rc = text_base64(&text, files[i].path, strlen(files[i].path),
		    true, e);
		if (rc == ERR_NONE)
			rc = buf_add_byte(&text, '\n', e);
		if (rc == ERR_NONE)
			rc = text_base64(&text, files[i].text,
			    files[i].len_bytes, true, e);
		if (rc == ERR_NONE)
			rc = buf_add_byte(&text, '\n', e);
		if (rc == ERR_NONE)
			rc = buf_add(out, text.bytes, text.len_bytes, e);
	}
	return rc;
}

static enum err_code
save(const char *dir, const char *name, const struct buf *b, struct err *e)
{
	OWNED(fdio_close)
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	OWNED(atomfile_discard) struct atomfile *af = NULL;
	enum err_code rc;

	if (fd < 0)
		return err_sys(e, "cannot open '%s'", dir);
	if (faccessat(fd, name, R_OK, 0) == 0)
		return ERR_NONE; /* named after its content */
	rc = atomfile_begin(&af, fd, name, e);
	if (rc == ERR_NONE)
		rc = atomfile_write(af, b->bytes, b->len_bytes, e);
	return rc != ERR_NONE ? rc : atomfile_commit(&af, e);
}

enum err_code
polcopy_save(const struct policy *p, const char *dir, char **path,
    struct id *digest, struct err *e)
{
	OWNED(buf_fini) struct buf b = {.max_bytes = COPY_BYTES_MAX};
	char name[ID_HEX_BYTES + HASH_DIGITS + 8];
	char hex[ID_HEX_BYTES], of[ID_HEX_BYTES];
	struct id id;
	enum err_code rc = encode(p, &b, e);

	*path = NULL;
	if (rc == ERR_NONE)
		rc = hash_sha256(b.bytes, b.len_bytes, &id, e);
	if (rc == ERR_NONE)
		rc = digest_policy(p, digest, e);
	if (rc != ERR_NONE)
		return rc;
	snprintf(name, sizeof(name), "%s-%.*s" SUFFIX, id_hex(digest, of),
	    HASH_DIGITS, id_hex(&id, hex));
	rc = save(dir, name, &b, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "keeping a copy of the policy");
	if (asprintf(path, "%s/%s", dir, name) < 0) {
		*path = NULL;
		return err_nomem(e);
	}
	return ERR_NONE;
}

struct copy {
	struct policy_text_file *files;
	struct buf *bufs; /* two a file: path and text */
	size_t count;
};

static void
copy_fini(struct copy *c)
{
	for (size_t i = 0; c->bufs != NULL && i < 2 * c->count; i++)
		buf_fini(&c->bufs[i]);
	free(c->bufs);
	free(c->files);
}

static enum err_code
decode(struct copy *c, char *text, struct err *e)
{
	char *save = NULL, *line = strtok_r(text, "\n", &save);
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < 2 * c->count; i++) {
		rc = text_unbase64(&c->bufs[i], line == NULL ? "" : line, e);
		line = strtok_r(NULL, "\n", &save);
	}
	for (size_t i = 0; rc == ERR_NONE && i < c->count; i++) {
		c->files[i].path = buf_text(&c->bufs[2 * i]);
		c->files[i].text = buf_text(&c->bufs[2 * i + 1]);
		c->files[i].len_bytes = c->bufs[2 * i + 1].len_bytes;
	}
	return rc;
}

static enum err_code
load(struct policy **out, struct buf *all, struct err *e)
{
	OWNED(copy_fini) struct copy c = {0};
	struct policy_problems problems = {0};
	const char *text = buf_text(all);
	size_t lines = 0;
	enum err_code rc;

	for (const char *p = text; *p != '\0'; p++)
		lines += *p == '\n';
	if (lines == 0 || lines % 2 != 0 || lines / 2 > COPY_FILES_MAX)
		return err_set(e, ERR_CORRUPT, "it is not a copy of a policy");
	c.count = lines / 2;
	c.files = calloc(c.count, sizeof(*c.files));
	c.bufs = calloc(2 * c.count, sizeof(*c.bufs));
	if (c.files == NULL || c.bufs == NULL)
		return err_nomem(e);
	rc = decode(&c, (char *)all->bytes, e);
	if (rc == ERR_NONE)
		rc = policy_load_texts(out, &problems, c.files, c.count,
		    now_utc(), e);
	policy_problem_fini(&problems);
	return rc;
}

enum err_code
polcopy_load(struct policy **out, const char *path, struct err *e)
{
	OWNED(buf_fini) struct buf all = {.max_bytes = COPY_BYTES_MAX};
	enum err_code rc = fdio_slurp(AT_FDCWD, path, COPY_BYTES_MAX, &all, e);

	*out = NULL;
	if (rc == ERR_NONE)
		rc = load(out, &all, e);
	return rc == ERR_NONE ? rc
			      : err_wrap(e, "the policy's copy '%s'", path);
}

/* --- which there are --------------------------------------------------------- */

/* The next copy in dir; NULL: no more.  digest: "" in an older version's name,
 * which has the content's hash alone. */
static const char *
next_copy(DIR *dir, char digest[ID_HEX_BYTES])
{
	const struct dirent *one;

	while ((one = readdir(dir)) != NULL) {
		size_t len = strlen(one->d_name);
		const char *dash = strchr(one->d_name, '-');

		if (len < strlen(SUFFIX) ||
		    strcmp(one->d_name + len - strlen(SUFFIX), SUFFIX) != 0)
			continue;
		digest[0] = '\0';
		if (dash != NULL && dash - one->d_name == ID_HEX_BYTES - 1)
			snprintf(digest, ID_HEX_BYTES, "%s", one->d_name);
		return one->d_name;
	}
	return NULL;
}

/* *out stays NULL when it cannot be read. */
static enum err_code
load_one(struct policy **out, struct id *digest, const char *dir,
    const char *name, struct err *e)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(free_mem) char *path = NULL;
	enum err_code rc;

	*out = NULL;
	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return err_nomem(e);
	}
	rc = polcopy_load(&p, path, e);
	if (rc == ERR_NONE)
		rc = digest_policy(p, digest, e);
	if (rc == ERR_NONE)
		*out = TAKE(p);
	return rc == ERR_NOMEM ? rc : ERR_NONE;
}

/* *out stays NULL when it is another one, or cannot be read. */
static enum err_code
try_one(struct policy **out, const char *dir, const char *name,
    const char *digest, struct err *e)
{
	OWNED(policy_free) struct policy *p = NULL;
	char hex[ID_HEX_BYTES];
	struct id id;
	enum err_code rc = load_one(&p, &id, dir, name, e);

	if (rc == ERR_NONE && p != NULL &&
	    strcmp(id_hex(&id, hex), digest) == 0)
		*out = TAKE(p);
	return rc;
}

enum err_code
polcopy_each(const char *dir, polcopy_fn *fn, void *ctx, struct err *e)
{
	OWNED(fdio_close_dir) DIR *d = opendir(dir);
	enum err_code rc = ERR_NONE;
	char of[ID_HEX_BYTES];
	const char *name;

	while (
	    rc == ERR_NONE && d != NULL && (name = next_copy(d, of)) != NULL) {
		OWNED(policy_free) struct policy *p = NULL;
		struct id digest;

		rc = load_one(&p, &digest, dir, name, e);
		if (rc == ERR_NONE && p != NULL)
			rc = fn(ctx, &p, &digest, e);
	}
	return rc;
}

enum err_code
polcopy_find(struct policy **out, const char *dir, const char *digest,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	*out = NULL;
	for (int older = 0; rc == ERR_NONE && older <= 1; older++) {
		OWNED(fdio_close_dir) DIR *d = opendir(dir);
		char of[ID_HEX_BYTES];
		const char *name;

		while (rc == ERR_NONE && d != NULL && *out == NULL &&
		    (name = next_copy(d, of)) != NULL)
			if (strcmp(of, older ? "" : digest) == 0)
				rc = try_one(out, dir, name, digest, e);
	}
	if (rc != ERR_NONE || *out != NULL)
		return rc;
	return err_set(e, ERR_NOTFOUND,
	    "no copy of the policy of digest %.16s is kept in '%s'", digest,
	    dir);
}

/* Of one digest there may be several: with other comments, or another file of
 * the site's own.  Is there one that was written later? */
static bool
has_later(int dirfd, const char *dir, const char *name, const char *digest)
{
	OWNED(fdio_close_dir) DIR *d = opendir(dir);
	struct stat mine, st;
	char of[ID_HEX_BYTES];
	const char *other;

	if (d == NULL || fstatat(dirfd, name, &mine, 0) != 0)
		return false;
	while ((other = next_copy(d, of)) != NULL)
		if (strcmp(of, digest) == 0 && strcmp(other, name) != 0 &&
		    fstatat(dirfd, other, &st, 0) == 0 &&
		    (st.st_mtim.tv_sec > mine.st_mtim.tv_sec ||
			(st.st_mtim.tv_sec == mine.st_mtim.tv_sec &&
			    st.st_mtim.tv_nsec > mine.st_mtim.tv_nsec)))
			return true;
	return false;
}

static bool
is_in(const char *const *list, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] != NULL && strcmp(list[i], text) == 0)
			return true;
	return false;
}

enum err_code
polcopy_prune(const char *dir, const struct polcopy_keep *keep, size_t *removed,
    struct err *e)
{
	OWNED(fdio_close_dir) DIR *d = opendir(dir);
	char of[ID_HEX_BYTES];
	const char *name;

	*removed = 0;
	if (d == NULL)
		return err_sys(e, "cannot list '%s'", dir);
	while ((name = next_copy(d, of)) != NULL) {
		if (of[0] == '\0' ||
		    is_in(keep->names, keep->names_count, name))
			continue;
		if (is_in(keep->digests, keep->digests_count, of) &&
		    !has_later(dirfd(d), dir, name, of))
			continue;
		if (unlinkat(dirfd(d), name, 0) != 0 && errno != ENOENT)
			return err_sys(e, "cannot remove '%s' from '%s'", name,
			    dir);
		++*removed;
	}
	return ERR_NONE;
}
