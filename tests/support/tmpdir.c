#include "support/tmpdir.h"

#include <assert.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

void
tmpdir_name(char *path, size_t size, bool in_memory)
{
	const char *root = getenv(in_memory ? "TEST_MEMORY" : "TEST_DISK");

	if (root == NULL)
		root = in_memory && access("/dev/shm", W_OK) == 0 ? "/dev/shm"
								  : "/tmp";
	snprintf(path, size, "%s/test-XXXXXX", root);
	if (mkdtemp(path) == NULL)
		abort();
}

static void
make(struct tmpdir *td, bool in_memory)
{
	tmpdir_name(td->path, sizeof(td->path), in_memory);
	td->fd = open(td->path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	assert(td->fd != -1);
}

void
tmpdir_make(struct tmpdir *td)
{
	make(td, false);
}

void
tmpdir_make_in_memory(struct tmpdir *td)
{
	make(td, true);
}

static bool
is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Everything in fd, which is closed; any depth, immutable files too. */
static void
empty(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL) {
		int sub, flags = 0;

		if (is_dots(de->d_name) || unlinkat(fd, de->d_name, 0) == 0)
			continue;
		fchmodat(fd, de->d_name, 0700, 0);
		sub = openat(fd, de->d_name,
		    O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
		ioctl(sub, FS_IOC_SETFLAGS, &flags);
		if (unlinkat(fd, de->d_name, 0) == 0)
			close(sub);
		else
			empty(sub);
		unlinkat(fd, de->d_name, AT_REMOVEDIR);
	}
	if (d != NULL)
		closedir(d);
	else
		close(fd);
}

void
tmpdir_remove(struct tmpdir *td)
{
	lseek(td->fd, 0, SEEK_SET);
	empty(td->fd);
	rmdir(td->path);
}

int
tmpdir_count(struct tmpdir *td)
{
	DIR *d = opendir(td->path);
	struct dirent *de;
	int count = 0;

	while ((de = readdir(d)) != NULL)
		count += !is_dots(de->d_name);
	closedir(d);
	return count;
}

void
tmpdir_put(struct tmpdir *td, const char *name, const char *text)
{
	int fd = openat(td->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	FILE *f = fdopen(fd, "w");

	ck_assert_msg(f != NULL, "cannot write '%s/%s': %s", td->path, name,
	    strerror(errno));
	fputs(text, f);
	fclose(f);
}

const char *
tmpdir_get(struct tmpdir *td, const char *name)
{
	int fd = openat(td->fd, name, O_RDONLY);
	ssize_t n = read(fd, td->text, sizeof(td->text) - 1);

	close(fd);
	td->text[n < 0 ? 0 : n] = '\0';
	return td->text;
}

bool
tmpdir_is(struct tmpdir *td, const char *name, const char *text)
{
	return strcmp(tmpdir_get(td, name), text) == 0;
}
