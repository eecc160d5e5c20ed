#include "source_pins.h"

#include <bascule/base/path.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define PIN_DEPTH_MAX 2048 /* PATH_MAX / 2 */

static void
pin_fini(struct walk_pin *pin, unsigned depth)
{
	ASSERT(depth <= PIN_DEPTH_MAX);
	for (size_t i = 0; i < pin->child_count; i++)
		pin_fini(&pin->children[i], depth + 1);
	free(pin->children);
	free(pin->name);
}

void
source_pins_fini(struct walk_pin *top)
{
	pin_fini(top, 0);
	*top = (struct walk_pin){0};
}

/* The child of that name, made in its place when there is none. */
static enum err_code
child(struct walk_pin **out, struct walk_pin *pin, const char *name, size_t len,
    struct err *e)
{
	size_t at = 0;
	struct walk_pin *bigger;
	char *copy;

	for (; at < pin->child_count; at++) {
		const char *have = pin->children[at].name;
		int rc = strncmp(have, name, len);

		if (rc == 0 && have[len] == '\0') {
			*out = &pin->children[at];
			return ERR_NONE;
		}
		if (rc >= 0)
			break;
	}
	bigger =
	    reallocarray(pin->children, pin->child_count + 1, sizeof(*bigger));
	if (bigger == NULL)
		return err_nomem(e);
	pin->children = bigger;
	if ((copy = strndup(name, len)) == NULL)
		return err_nomem(e);
	memmove(bigger + at + 1, bigger + at,
	    (pin->child_count - at) * sizeof(*bigger));
	bigger[at] = (struct walk_pin){.name = copy};
	pin->child_count++;
	*out = &bigger[at];
	return ERR_NONE;
}

static enum err_code
add_path(struct walk_pin *pin, const char *path, struct err *e)
{
	while (*path != '\0') {
		size_t len = strcspn(path, "/");
		enum err_code rc;

		if (len > PATH_NAME_MAX)
			return err_set(e, ERR_INPUT, "a name too long");
		if (len > 0 && !(len == 1 && path[0] == '.') &&
		    (rc = child(&pin, pin, path, len, e)) != ERR_NONE)
			return rc;
		path += len + (path[len] == '/');
	}
	pin->is_root = true;
	return ERR_NONE;
}

static bool
has_dotdot(const char *path)
{
	for (; *path != '\0'; path += strcspn(path, "/"), path += *path == '/')
		if (strncmp(path, "..", 2) == 0 &&
		    (path[2] == '/' || path[2] == '\0'))
			return true;
	return false;
}

/* Absolute, without "..". */
static enum err_code
spell_out(const char *root, char path[2 * PATH_MAX], struct err *e)
{
	size_t at = 0;

	if (strlen(root) >= PATH_MAX)
		return err_set(e, ERR_INPUT, "a path too long");
	if (has_dotdot(root)) { /* only the kernel knows where that leads */
		if (realpath(root, path) == NULL)
			return err_sys(e, "resolving it");
		return ERR_NONE;
	}
	if (root[0] != '/') {
		if (getcwd(path, PATH_MAX) == NULL)
			return err_sys(e, "asking for the working directory");
		at = strlen(path);
		path[at++] = '/';
	}
	memcpy(path + at, root, strlen(root) + 1);
	return ERR_NONE;
}

enum err_code
source_pins_add(struct walk_pin *top, const char *root, struct err *e)
{
	OWNED(free_mem) char *path = malloc(2 * PATH_MAX);
	enum err_code rc;

	if (path == NULL)
		return err_nomem(e);
	if (root[0] == '\0')
		return err_set(e, ERR_INPUT, "an empty name for a tree");
	rc = spell_out(root, path, e);
	if (rc == ERR_NONE &&
	    faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW | AT_EACCESS) !=
		0)
		rc = err_sys(e, "looking for it");
	if (rc == ERR_NONE)
		rc = add_path(top, path, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "source '%s'", root);
}

enum err_code
source_pins_add_absolute(struct walk_pin *top, const char *root, struct err *e)
{
	enum err_code rc;

	if (root[0] != '/' || strlen(root) >= PATH_MAX || has_dotdot(root))
		return err_set(e, ERR_INPUT,
		    "source '%s': on another host it is named by an absolute "
		    "path without '..'",
		    root);
	rc = add_path(top, root, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "source '%s'", root);
}
