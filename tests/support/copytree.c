#include "support/copytree.h"
#include "support/tmpdir.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
must(int good)
{
	if (!good)
		abort();
}

static void
copy_file(int from_dir, int to_dir, const char *name)
{
	char bytes[65536];
	int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC);
	int to =
	    openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	ssize_t n;

	must(from != -1 && to != -1 && fchmod(to, 0644) == 0);
	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		must(write(to, bytes, (size_t)n) == n);
	must(n == 0);
	close(from);
	close(to);
}

static void
copy(int from, int to)
{
	DIR *d = fdopendir(from);
	struct dirent *de;

	must(d != NULL);
	while ((de = readdir(d)) != NULL) {
		struct stat st;

		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0)
			continue;
		must(fstatat(from, de->d_name, &st, 0) == 0);
		if (!S_ISDIR(st.st_mode)) {
			copy_file(from, to, de->d_name);
			continue;
		}
		must(mkdirat(to, de->d_name, 0755) == 0);
		copy(openat(from, de->d_name, O_RDONLY | O_DIRECTORY),
		    openat(to, de->d_name, O_RDONLY | O_DIRECTORY));
	}
	closedir(d);
	close(to);
}

const char *
copytree_make(const char *from, char to[64])
{
	tmpdir_name(to, 64, false);
	copy(open(from, O_RDONLY | O_DIRECTORY),
	    open(to, O_RDONLY | O_DIRECTORY));
	return to;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

void
copytree_remove(const char *to)
{
	must(nftw(to, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}
