/* What a snapshot says of its own backup, for whoever takes something out. */

#include "saved.h"

#include <inttypes.h>
#include <string.h>

#include <bascule/base/path.h>
#include <bascule/base/text.h>

#define SAID_MAX 20

static bool
is_asked_for(const struct saved_part *part, const char *path)
{
	const size_t above = strlen(part->subtree);
	const char *below;

	if (above > 0 &&
	    !path_is_under(path, strlen(path), part->subtree, above))
		return false;
	below = path + above + (above > 0 && path[above] == '/');
	for (size_t i = 0; i < part->paths_count; i++) {
		const char *root = part->paths[i] + strspn(part->paths[i], "/");
		size_t len = strlen(root);

		while (len > 0 && root[len - 1] == '/')
			len--;
		if (path_is_under(below, strlen(below), root, len))
			return true;
	}
	return part->paths_count == 0;
}

static void
say_one(const struct cli *cli, const struct snapshot_problem *p)
{
	OWNED(buf_fini) struct buf path = {0}, reason = {0};
	struct err e;

	if (text_escape(&path, p->path, strlen(p->path), &e) == ERR_NONE &&
	    text_escape(&reason, p->reason, strlen(p->reason), &e) == ERR_NONE)
		cli_warn(cli, "when it was saved: %s: %s", buf_text(&path),
		    buf_text(&reason));
}

void
saved_say_problems(const struct cli *cli, const struct snapshot *s,
    const struct saved_part *part)
{
	size_t count = 0;

	for (size_t i = 0; i < s->problems_count; i++)
		if (is_asked_for(part, s->problems[i].path) &&
		    count++ < SAID_MAX)
			say_one(cli, &s->problems[i]);
	if (count > SAID_MAX)
		cli_warn(cli, "when it was saved: %zu more", count - SAID_MAX);
	if (s->problems_total_count > s->problems_count)
		cli_warn(cli,
		    "when it was saved: %" PRIu64
		    " more somewhere in the snapshot, which has no room for "
		    "their names",
		    s->problems_total_count - s->problems_count);
}

int
saved_say(const struct cli *cli, const struct snapshot *s,
    const struct saved_part *part, int status)
{
	saved_say_problems(cli, s, part);
	if ((s->flags & SNAPSHOT_CHECKPOINT) == 0)
		return status;
	cli_warn(cli,
	    "this is a checkpoint of a backup that did not end: only what it "
	    "had reached is in it");
	return status == EXITCODE_DONE ? EXITCODE_PARTIAL : status;
}
