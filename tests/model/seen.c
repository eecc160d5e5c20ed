#include "model/seen.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/le.h>

#include "model/disk.h"
#include "model/world.h"

#define HEX          64
#define SESSIONS_MAX 256
#define PACKS_MAX    1024

struct session {
	char name[33];
	int actor;
	bool alive;
};

struct condemned {
	char name[HEX + 1];
	bool now;
	int64_t since_ns;         /* true time */
	size_t sessions_count;    /* of all there were then */
	bool alive[SESSIONS_MAX]; /* which of them were */
};

static char root[256];
static size_t root_bytes;
static struct session sessions[SESSIONS_MAX];
static size_t sessions_count;
static struct condemned packs[PACKS_MAX];
static size_t packs_count;
static bool manifest_flushed;
static int64_t undelete_ages[WORLD_ACTORS_MAX + 1];
static bool lost[WORLD_ACTORS_MAX + 1];

void
seen_begin(const char *path)
{
	snprintf(root, sizeof(root), "%s", path);
	root_bytes = strlen(root);
	sessions_count = packs_count = 0;
	manifest_flushed = true;
	memset(lost, 0, sizeof(lost));
	memset(undelete_ages, 0, sizeof(undelete_ages));
}

/* "packs/ab", "condemned": of a descriptor, within the repository. */
static bool
folder_of(int fd, char out[256])
{
	disk_path(fd, out, 256);
	if (strncmp(out, root, root_bytes) != 0)
		return false;
	memmove(out, out + root_bytes, strlen(out + root_bytes) + 1);
	if (out[0] == '/')
		memmove(out, out + 1, strlen(out));
	return true;
}

static bool
is_folder(int fd, const char *name)
{
	char folder[256];

	return folder_of(fd, folder) && strcmp(folder, name) == 0;
}

/* "ab/abcd..." */
static const char *
pack_of(const char *name)
{
	return strlen(name) == HEX + 3 && name[2] == '/' ? name + 3 : NULL;
}

static int
self(void)
{
	return world_actor() + 1; /* 0: the judge */
}

/* --- Sessions ----------------------------------------------------------------- */

void
seen_death(int actor)
{
	for (size_t i = 0; i < sessions_count; i++)
		if (sessions[i].actor == actor)
			sessions[i].alive = false;
}

static void
session_begins(const char *name)
{
	struct session *s = &sessions[sessions_count++];

	ASSERT(sessions_count <= SESSIONS_MAX);
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->actor = world_actor();
	s->alive = true;
	lost[self()] = false;
}

static void
session_ends(const char *name)
{
	for (size_t i = 0; i < sessions_count; i++) {
		struct session *s = &sessions[i];

		if (!s->alive || strcmp(s->name, name) != 0)
			continue;
		s->alive = false;
		if (s->actor != world_actor())
			lost[s->actor + 1] = true;
	}
}

bool
world_session_lost(void)
{
	return lost[self()];
}

bool
world_session_lost_by(int actor)
{
	return lost[actor + 1];
}

bool
world_some_session(char name[33])
{
	size_t n = 0, nth;

	for (size_t i = 0; i < sessions_count; i++)
		n += sessions[i].alive && sessions[i].actor != world_actor();
	if (n == 0)
		return false;
	nth = world_below(n);
	for (size_t i = 0; i < sessions_count; i++)
		if (sessions[i].alive && sessions[i].actor != world_actor() &&
		    nth-- == 0)
			memcpy(name, sessions[i].name, 33);
	return true;
}

/* --- Packs -------------------------------------------------------------------- */

static struct condemned *
find_pack(const char *name)
{
	for (size_t i = 0; i < packs_count; i++)
		if (strcmp(packs[i].name, name) == 0)
			return &packs[i];
	return NULL;
}

static void
is_condemned(const char *name)
{
	struct condemned *c = find_pack(name);

	if (c == NULL) {
		c = &packs[packs_count++];
		ASSERT(packs_count <= PACKS_MAX);
		snprintf(c->name, sizeof(c->name), "%s", name);
	}
	world_tell("%.12s is condemned", name);
	c->now = true;
	c->since_ns = world_true_ns();
	c->sessions_count = sessions_count;
	for (size_t i = 0; i < sessions_count; i++)
		c->alive[i] =
		    sessions[i].alive && sessions[i].actor != world_actor();
}

void
world_set_undelete_age(int64_t ns)
{
	undelete_ages[self()] = ns;
}

static size_t
slurp(const char *folder, const char *name, uint8_t *bytes, size_t room)
{
	char path[512];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%s/%s/%s", root, folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		n = read(fd, bytes, room);
		close(fd);
	}
	return n < 0 ? 0 : (size_t)n;
}

static uint8_t file[1 << 20];

/* Does the MANIFEST on the disk let it count? */
static bool
is_listed(const char *name)
{
	static uint8_t manifest[1 << 18];
	const size_t size =
	    slurp("index", "MANIFEST", manifest, sizeof(manifest));
	struct id id;
	size_t segments, removed_at;

	if (size < 80 || !id_parse(name, &id))
		return true;
	segments = le_get32(manifest + 40);
	removed_at = 48 + segments * 48;
	if (removed_at > size)
		return true;
	if (memmem(manifest + removed_at, size - removed_at, id.bytes,
		ID_BYTES) != NULL)
		return false;
	for (size_t i = 0; i < segments; i++) {
		char hex[ID_HEX_BYTES];
		struct id segment;
		size_t n;

		memcpy(segment.bytes, manifest + 48 + i * 48, ID_BYTES);
		n = slurp("index", id_hex(&segment, hex), file, sizeof(file));
		if (memmem(file, n, id.bytes, ID_BYTES) != NULL)
			return true;
	}
	return false;
}

static void
pack_goes(const char *name)
{
	const struct condemned *c = find_pack(name);
	int64_t age_ns;

	if (c == NULL || !c->now)
		world_fail("pack %.12s goes and is not condemned", name);
	age_ns = world_true_ns() - c->since_ns;
	if (age_ns < undelete_ages[self()])
		world_fail("pack %.12s goes after %lld s, not after %lld s",
		    name, (long long)(age_ns / NS_PER_S),
		    (long long)(undelete_ages[self()] / NS_PER_S));
	for (size_t i = 0; i < c->sessions_count; i++)
		if (c->alive[i] && sessions[i].alive)
			world_fail("pack %.12s goes; session %.8s of actor %d "
				   "lives "
				   "since before it was condemned",
			    name, sessions[i].name, sessions[i].actor);
	if (!manifest_flushed || is_listed(name))
		world_fail("pack %.12s goes while MANIFEST counts on it", name);
}

/* --- Names --------------------------------------------------------------------- */

void
seen_fsync(int fd)
{
	if (!manifest_flushed && is_folder(fd, "index"))
		manifest_flushed = true;
}

void
seen_before_unlink(int fd, const char *name)
{
	const char *pack = pack_of(name);

	if (pack != NULL && faccessat(fd, name, F_OK, 0) == 0)
		pack_goes(pack);
}

void
seen_unlink(int fd, const char *name)
{
	struct condemned *c;
	const size_t len = strlen(name);

	if (len == 32 && is_folder(fd, "sessions"))
		session_ends(name);
	if (len == HEX && is_folder(fd, "condemned") &&
	    (c = find_pack(name)) != NULL) {
		world_tell("%.12s is condemned no more", name);
		c->now = false;
	}
	if (pack_of(name) != NULL)
		world_tell("pack %.12s is gone", pack_of(name));
}

void
seen_name(int fd, const char *name)
{
	char folder[256];

	if (!folder_of(fd, folder))
		return;
	if (strcmp(folder, "sessions") == 0)
		session_begins(name);
	else if (strcmp(folder, "condemned") == 0 && strlen(name) == HEX)
		is_condemned(name);
	else if (strcmp(folder, "index") == 0 && strcmp(name, "MANIFEST") == 0)
		manifest_flushed = false;
	else if (strncmp(folder, "snapshots/", 10) == 0 && world_session_lost())
		world_fail("a fenced session publishes %s/%.12s", folder, name);
}
