#include "policy_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

static enum err_code
read_text(const struct policy_file_source *src, const char *path,
    struct buf *out, struct policy_file_id *id, struct err *e)
{
	for (size_t i = 0; i < src->text_count; i++) {
		const struct policy_text_file *t = &src->texts[i];

		if (strcmp(t->path, path) != 0)
			continue;
		id->ino = i + 1;
		id->uid = geteuid();
		if (t->len_bytes > POLICY_FILE_BYTES_MAX)
			return err_set(e, ERR_INPUT, "is over 1 MiB");
		return buf_add(out, t->text, t->len_bytes, e);
	}
	return err_set(e, ERR_NOTFOUND, "there is no such file");
}

/* What a file's mode says about reading it as a policy. */
static enum err_code
judge(const struct stat *st, struct err *e)
{
	if (S_ISDIR(st->st_mode))
		return err_set(e, ERR_INPUT, "is a folder, not a file");
	if (!S_ISREG(st->st_mode))
		return err_set(e, ERR_INPUT, "is not a regular file");
	if (st->st_size > (off_t)POLICY_FILE_BYTES_MAX)
		return err_set(e, ERR_INPUT, "is over 1 MiB");
	return ERR_NONE;
}

enum err_code
policy_file_read(const struct policy_file_source *src, const char *path,
    struct buf *out, struct policy_file_id *id, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	struct stat st;
	enum err_code rc;

	memset(id, 0, sizeof(*id));
	if (src->texts != NULL)
		return read_text(src, path, out, id, e);
	/* Looked at before it is opened: opening a device may do something. */
	if (stat(path, &st) == -1)
		return err_sys(e, "cannot be read");
	rc = judge(&st, e);
	if (rc != ERR_NONE)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 || fstat(fd, &st) == -1)
		return err_sys(e, "cannot be read");
	rc = judge(&st, e);
	if (rc != ERR_NONE)
		return rc;
	id->dev = st.st_dev;
	id->ino = st.st_ino;
	id->uid = st.st_uid;
	id->mode = st.st_mode & 07777;
	return fdio_read_all(fd, POLICY_FILE_BYTES_MAX, out, e);
}

/* The name under folder that path has, if it is directly in it. */
static const char *
name_in(const char *folder, const char *path)
{
	size_t len = strlen(folder);

	while (len > 0 && folder[len - 1] == '/')
		len--;
	if (strncmp(path, folder, len) != 0 || path[len] != '/' ||
	    strchr(path + len + 1, '/') != NULL)
		return NULL;
	return path + len + 1;
}

enum policy_file_kind
policy_file_kind_of(const struct policy_file_source *src, const char *path)
{
	struct stat st;

	if (src->texts == NULL) {
		if (stat(path, &st) == -1)
			return errno == ENOENT ? POLICY_FILE_NONE
					       : POLICY_FILE_PLAIN;
		return S_ISDIR(st.st_mode) ? POLICY_FILE_FOLDER
					   : POLICY_FILE_PLAIN;
	}
	for (size_t i = 0; i < src->text_count; i++) {
		if (strcmp(src->texts[i].path, path) == 0)
			return POLICY_FILE_PLAIN;
		if (name_in(path, src->texts[i].path) != NULL)
			return POLICY_FILE_FOLDER;
	}
	return POLICY_FILE_NONE;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct listing {
	struct policy_memory *m;
	const char **items;
	size_t count;
};

static enum err_code
listing_add(struct listing *l, const char *folder, const char *name,
    struct err *e)
{
	size_t len = strlen(name);
	OWNED(buf_fini) struct buf b = {0};
	enum err_code rc;

	if (len <= 5 || name[0] == '.' || strcmp(name + len - 5, ".conf") != 0)
		return ERR_NONE;
	if (l->count == POLICY_FOLDER_FILES_MAX)
		return err_set(e, ERR_INPUT, "holds more than %d files",
		    POLICY_FOLDER_FILES_MAX);
	rc = buf_printf(&b, e, "%s%s%s", folder,
	    folder[strlen(folder) - 1] == '/' ? "" : "/", name);
	if (rc != ERR_NONE)
		return rc;
	l->items[l->count] =
	    policy_memory_text(l->m, buf_text(&b), b.len_bytes, e);
	if (l->items[l->count] == NULL)
		return e->code;
	l->count++;
	return ERR_NONE;
}

static enum err_code
list_disk(struct listing *l, const char *folder, struct err *e)
{
	OWNED(fdio_close_dir) DIR *d = opendir(folder);
	enum err_code rc = ERR_NONE;

	if (d == NULL)
		return err_sys(e, "cannot be read");
	while (rc == ERR_NONE) {
		struct dirent *de;

		errno = 0;
		de = readdir(d);
		if (de == NULL)
			return errno == 0 ? ERR_NONE
					  : err_sys(e, "cannot be read");
		rc = listing_add(l, folder, de->d_name, e);
	}
	return rc;
}

enum err_code
policy_file_list(const struct policy_file_source *src, const char *folder,
    struct policy_memory *m, struct policy_texts *out, struct err *e)
{
	struct listing l = {.m = m};
	enum err_code rc = ERR_NONE;

	memset(out, 0, sizeof(*out));
	l.items = policy_memory_get(m,
	    (POLICY_FOLDER_FILES_MAX + 1) * sizeof(l.items[0]), e);
	if (l.items == NULL)
		return e->code;
	if (src->texts == NULL)
		rc = list_disk(&l, folder, e);
	for (size_t i = 0; rc == ERR_NONE && i < src->text_count; i++) {
		const char *name = name_in(folder, src->texts[i].path);

		if (name != NULL)
			rc = listing_add(&l, folder, name, e);
	}
	if (l.count > 0)
		qsort(l.items, l.count, sizeof(l.items[0]), compare);
	out->items = l.items;
	out->count = l.count;
	return rc;
}

const char *
policy_file_beside(struct policy_memory *m, const char *file, const char *name,
    struct err *e)
{
	const char *slash = strrchr(file, '/');
	size_t dir =
	    slash == NULL || name[0] == '/' ? 0 : (size_t)(slash - file) + 1;
	size_t len = strlen(name);
	char *path = policy_memory_get(m, dir + len + 1, e);

	if (path == NULL)
		return NULL;
	memcpy(path, file, dir);
	memcpy(path + dir, name, len);
	return path;
}

const char *
policy_file_absolute(struct policy_memory *m, const char *path, struct err *e)
{
	char cwd[PATH_MAX];
	OWNED(buf_fini) struct buf b = {0};

	if (path[0] == '/')
		return path;
	if (getcwd(cwd, sizeof(cwd)) == NULL) {
		err_sys(e, "cannot find the working directory");
		return NULL;
	}
	while (strncmp(path, "./", 2) == 0)
		path += 2;
	if (buf_printf(&b, e, "%s%s%s", cwd, cwd[1] == '\0' ? "" : "/", path) !=
	    ERR_NONE)
		return NULL;
	return policy_memory_text(m, buf_text(&b), b.len_bytes, e);
}

const char *
policy_file_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}
