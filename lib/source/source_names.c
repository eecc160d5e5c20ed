#include "source_names.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

#define LOOKUP_BYTES 65536 /* of a group with very many members */

void
source_names_init(struct source_names *n)
{
	memset(n, 0, sizeof(*n));
	pthread_mutex_init(&n->lock, NULL);
}

void
source_names_fini(struct source_names *n)
{
	for (size_t i = 0; i < SOURCE_NAMES_SLOTS; i++) {
		free(n->users[i].name.bytes);
		free(n->groups[i].name.bytes);
	}
	pthread_mutex_destroy(&n->lock);
}

static enum err_code
slot_set(struct source_name *s, uint32_t id, const char *name, struct err *e)
{
	size_t len = name == NULL ? 0 : strlen(name);
	enum err_code rc;

	if (len > ENTRY_NAME_BYTES_MAX)
		len = 0;
	s->known = false;
	rc = entry_set_text(&s->name, name, len, ENTRY_NAME_BYTES_MAX, e);
	s->known = rc == ERR_NONE;
	s->id = id;
	return rc;
}

static enum err_code
user_find(struct source_name *s, uint32_t id, char *memory, struct err *e)
{
	struct passwd pw, *found = NULL;

	if (getpwuid_r((uid_t)id, &pw, memory, LOOKUP_BYTES, &found) != 0)
		found = NULL;
	return slot_set(s, id, found == NULL ? NULL : pw.pw_name, e);
}

static enum err_code
group_find(struct source_name *s, uint32_t id, char *memory, struct err *e)
{
	struct group gr, *found = NULL;

	if (getgrgid_r((gid_t)id, &gr, memory, LOOKUP_BYTES, &found) != 0)
		found = NULL;
	return slot_set(s, id, found == NULL ? NULL : gr.gr_name, e);
}

static enum err_code
set_both(struct source_names *n, struct entry *entry, struct err *e)
{
	struct source_name *u = &n->users[entry->uid % SOURCE_NAMES_SLOTS];
	struct source_name *g = &n->groups[entry->gid % SOURCE_NAMES_SLOTS];
	bool have_user = u->known && u->id == entry->uid;
	bool have_group = g->known && g->id == entry->gid;
	OWNED(free_mem) char *memory = NULL;
	enum err_code rc = ERR_NONE;

	if (!have_user || !have_group) {
		memory = malloc(LOOKUP_BYTES);
		if (memory == NULL)
			return err_nomem(e);
	}
	if (!have_user)
		rc = user_find(u, entry->uid, memory, e);
	if (rc == ERR_NONE && !have_group)
		rc = group_find(g, entry->gid, memory, e);
	if (rc == ERR_NONE)
		rc = entry_set_text(&entry->user, u->name.bytes,
		    u->name.len_bytes, ENTRY_NAME_BYTES_MAX, e);
	if (rc == ERR_NONE)
		rc = entry_set_text(&entry->group, g->name.bytes,
		    g->name.len_bytes, ENTRY_NAME_BYTES_MAX, e);
	return rc;
}

enum err_code
source_names_set(struct source_names *n, struct entry *entry, struct err *e)
{
	enum err_code rc;

	pthread_mutex_lock(&n->lock);
	rc = set_both(n, entry, e);
	pthread_mutex_unlock(&n->lock);
	return rc;
}
