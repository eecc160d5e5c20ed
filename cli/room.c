/* What to do when a disk is full, and which it is. */

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "repository.h"

#define LITTLE_BYTES ((uint64_t)64 << 20)
#define LITTLE_NAMES 64

/* Where the file system of a path is mounted; path is made shorter. */
static void
to_mount_point(char path[PATH_MAX])
{
	struct stat sb, above;

	if (stat(path, &sb) != 0)
		return;
	while (strcmp(path, "/") != 0) {
		char parent[PATH_MAX];
		char *slash;

		snprintf(parent, sizeof(parent), "%s", path);
		slash = strrchr(parent, '/');
		slash[slash == parent] = '\0';
		if (stat(parent, &above) != 0 || above.st_dev != sb.st_dev)
			return;
		memcpy(path, parent, strlen(parent) + 1);
	}
}

struct room {
	char mount[PATH_MAX];
	uint64_t free_bytes, free_names;
	bool little;
};

/* Of the file system that a path is in, or will be in. */
static bool
look(struct room *room, const char *path)
{
	char named[PATH_MAX];
	struct statvfs v;

	snprintf(named, sizeof(named), "%s", path);
	while (realpath(named, room->mount) == NULL) {
		char *slash = strrchr(named, '/');

		if (slash == NULL || slash == named)
			return false;
		*slash = '\0';
	}
	if (statvfs(room->mount, &v) != 0)
		return false;
	room->free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	room->free_names = v.f_favail;
	room->little = room->free_bytes < LITTLE_BYTES ||
	    (v.f_files > 0 && room->free_names < LITTLE_NAMES);
	to_mount_point(room->mount);
	return true;
}

/* The one that is full, if it can be told; else the repository's. */
static bool
find(const struct cli *cli, struct room *room)
{
	OWNED(buf_fini) struct buf state = {0};
	struct room other;
	struct err e;
	bool known = cli->repository != NULL && look(room, cli->repository);

	if ((known && room->little) || cli_state_dir(&state, &e) != ERR_NONE ||
	    !look(&other, buf_text(&state)))
		return known;
	if (!known || other.little)
		*room = other;
	return true;
}

void
cli_room_hint(const struct cli *cli, struct err *e)
{
	struct room room;

	if (e->code != ERR_NOSPACE || strstr(e->text, "\nhint: ") != NULL ||
	    !find(cli, &room))
		return;
	(void)err_hint(e,
	    "the file system at '%.400s' has %llu bytes and %llu names free "
	    "for this user (mind quotas): make room there, or `bascule prune`, "
	    "which needs none, then run this again; what was stored so far is "
	    "kept",
	    room.mount, (unsigned long long)room.free_bytes,
	    (unsigned long long)room.free_names);
}
