#include "support/tmpdir.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
tmpdir_make(struct tmpdir *td)
{
	snprintf(td->path, sizeof(td->path), "/tmp/bascule-test-XXXXXX");
	if (mkdtemp(td->path) == NULL)
		abort();
	td->fd = open(td->path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	assert(td->fd != -1);
}

static int
each(struct tmpdir *td, bool unlink_it)
{
	DIR *d = opendir(td->path);
	struct dirent *de;
	int count = 0;

	while ((de = readdir(d)) != NULL) {
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0)
			continue;
		if (unlink_it)
			unlinkat(td->fd, de->d_name, 0);
		count++;
	}
	closedir(d);
	return count;
}

void
tmpdir_remove(struct tmpdir *td)
{
	each(td, true);
	close(td->fd);
	rmdir(td->path);
}

int
tmpdir_count(struct tmpdir *td)
{
	return each(td, false);
}

void
tmpdir_put(struct tmpdir *td, const char *name, const char *text)
{
	FILE *f =
	    fdopen(openat(td->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600),
		"w");

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
