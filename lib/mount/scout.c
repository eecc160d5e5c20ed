#include "scout.h"

#include <string.h>

#define STRIDE_COUNT 256 /* entries: as long as an answer takes anyway */

void
scout_fini(struct scout *s)
{
	cursor_close(&s->cursor);
}

static bool
is_acl(const char *name)
{
	return strncmp(name, "system.posix_acl_", 17) == 0;
}

static bool
is_label(const char *name)
{
	return strcmp(name, "security.selinux") == 0;
}

static void
look_at(struct scout *s, const struct entry *entry)
{
	for (size_t i = 0; i < entry->xattr_count; i++) {
		const char *name = entry->xattrs[i].name;

		s->has_any = true;
		s->has_acls = s->has_acls || is_acl(name);
		s->has_labels = s->has_labels || is_label(name);
	}
	s->ended = s->has_acls && s->has_labels;
}

static enum err_code
go_on(struct scout *s, struct err *e)
{
	const struct mount_options *opt = s->tree->opt;
	enum err_code rc = ERR_NONE;
	const struct item *it;

	if (s->cursor == NULL)
		rc = cursor_open(&s->cursor, s->tree->store, &opt->root,
		    opt->subtree, strlen(opt->subtree), e);
	for (int i = 0; rc == ERR_NONE && !s->ended && i < STRIDE_COUNT; i++) {
		rc = numbered_next(s->cursor, &it, e);
		if (rc == ERR_NONE && it == NULL)
			s->ended = true;
		else if (rc == ERR_NONE)
			look_at(s, &it->entry);
	}
	return rc;
}

void
scout_go_on(struct scout *s)
{
	struct err e; /* whoever reads what is damaged is told */

	if (s->ended)
		return;
	if (go_on(s, &e) != ERR_NONE)
		s->ended = s->unknown = true;
	if (s->ended)
		cursor_close(&s->cursor);
}

bool
scout_has_none(const struct scout *s)
{
	return s->ended && !s->unknown && !s->has_any;
}

bool
scout_lacks(const struct scout *s, const char *name)
{
	return s->ended && !s->unknown &&
	    ((is_acl(name) && !s->has_acls) ||
		(is_label(name) && !s->has_labels));
}
