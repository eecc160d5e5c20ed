/* What people are told: gathered by threads, said by the main one. */

#include "restore.h"

#include <string.h>

static void
gather(struct restore_tools *t, uint8_t what, const char *path,
    const char *text)
{
	size_t before = t->told->len_bytes;
	struct err e;

	if (buf_add_byte(t->told, what, &e) != ERR_NONE ||
	    buf_add(t->told, path, strlen(path) + 1, &e) != ERR_NONE ||
	    buf_add(t->told, text, strlen(text) + 1, &e) != ERR_NONE)
		t->told->len_bytes = before; /* counted all the same */
}

void
restore_tell(struct restore_tools *t, const struct entry *entry,
    const char *text)
{
	gather(t, RESTORE_TOLD_PROBLEM,
	    entry->path.bytes == NULL ? "" : entry->path.bytes, text);
}

void
restore_tell_plan(struct restore_tools *t, enum restore_change change,
    const char *path)
{
	if (t->shared->opt->planned != NULL)
		gather(t, (uint8_t)('0' + change), path, "");
}

void
restore_tell_fault(struct restore_tools *t, const struct entry *entry,
    const struct err *why)
{
	atomic_fetch_add(&t->shared->failed_count, 1);
	if (why->code == ERR_CORRUPT)
		atomic_fetch_add(&t->shared->damage_count, 1);
	if (why->code == ERR_NOSPACE || why->code == ERR_NOMEM)
		atomic_store(&t->shared->fatal, (int)why->code);
	restore_tell(t, entry, why->text);
}

struct warned {
	struct restore_tools *tools;
	const struct entry *entry;
};

static void
on_warning(void *arg, enum err_code code, const char *text)
{
	struct warned *w = arg;

	(void)code;
	atomic_fetch_add(&w->tools->shared->warnings_count, 1);
	restore_tell(w->tools, w->entry, text);
}

void
restore_tell_meta(struct restore_tools *t, int fd, enum arc_handle handle,
    const struct entry *entry, unsigned skip)
{
	struct warned w = {t, entry};
	struct arc_warn warn = {on_warning, &w};

	arc_meta_apply(fd, handle, entry, skip, warn);
	if (entry->uid != t->shared->uid && !t->shared->gives_away)
		atomic_fetch_add(&t->shared->kept_count, 1);
}

void
restore_tell_all(const struct restore_options *opt, struct buf *told)
{
	const char *at = (const char *)told->bytes;
	const char *end = at == NULL ? NULL : at + told->len_bytes;

	while (at < end) {
		const char what = *at++;
		const char *text = at + strlen(at) + 1;

		if (what != RESTORE_TOLD_PROBLEM) {
			if (opt->planned != NULL)
				opt->planned(opt->watch.ctx,
				    (enum restore_change)(what - '0'), at);
		} else if (opt->watch.problem != NULL) {
			opt->watch.problem(opt->watch.ctx, at, text);
		}
		at = text + strlen(text) + 1;
	}
	buf_clear(told);
}
