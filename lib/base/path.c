#include <bascule/base/path.h>

#include <string.h>

/* '/' sorts below every other byte that a path may hold. */
static int
rank(unsigned char c)
{
	return c == '/' ? 0 : c;
}

int
path_compare(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
	size_t common = a_bytes < b_bytes ? a_bytes : b_bytes;
	size_t i = 0;

	while (i < common && a[i] == b[i])
		i++;
	if (i < common)
		return rank((unsigned char)a[i]) - rank((unsigned char)b[i]);
	return a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

bool
path_is_valid(const char *path, size_t len_bytes)
{
	size_t start = 0;

	if (len_bytes > PATH_BYTES_MAX || memchr(path, 0, len_bytes) != NULL)
		return false;
	if (len_bytes == 0)
		return true;
	for (size_t i = 0; i <= len_bytes; i++) {
		size_t len = i - start;

		if (i < len_bytes && path[i] != '/')
			continue;
		if (len == 0 || len > PATH_NAME_MAX ||
		    (len == 1 && path[start] == '.') ||
		    (len == 2 && memcmp(path + start, "..", 2) == 0))
			return false;
		start = i + 1;
	}
	return true;
}

bool
path_is_under(const char *path, size_t path_bytes, const char *root,
    size_t root_bytes)
{
	if (root_bytes == 0)
		return true;
	if (path_bytes < root_bytes || memcmp(path, root, root_bytes) != 0)
		return false;
	return path_bytes == root_bytes || path[root_bytes] == '/';
}

size_t
path_parent(const char *path, size_t len_bytes)
{
	while (len_bytes > 0 && path[len_bytes - 1] != '/')
		len_bytes--;
	return len_bytes == 0 ? 0 : len_bytes - 1;
}
