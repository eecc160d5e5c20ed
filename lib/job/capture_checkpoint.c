/*
 * What a run that has not ended has stored counts: every minute, and every
 * 16 GiB of what is new, the tree so far becomes a snapshot that says it is a
 * checkpoint, and the state cache so far describes it.
 */

#include "capture_parts.h"

#define INTERVAL_NS    (60 * NS_PER_S)
#define INTERVAL_BYTES ((uint64_t)16 << 30)

enum err_code
capture_checkpoint_fill(struct capture *c, struct err *e)
{
	struct snapshot *s = &c->snapshot;
	struct writer_tally tally;
	enum err_code rc = capture_item_settle(c, e);

	if (rc == ERR_NONE)
		rc = tree_writer_root(c->tree, &s->root, e);
	if (rc == ERR_NONE)
		rc = writer_flush(c->writer, e);
	if (rc != ERR_NONE)
		return rc;
	writer_tally(c->writer, &tally);
	s->ended = now_utc();
	s->files_count = c->result->counts.files_count;
	s->dirs_count = c->result->counts.dirs_count;
	s->others_count = c->result->counts.others_count;
	s->bytes = c->result->counts.bytes;
	s->new_bytes = tally.new_bytes;
	s->stored_bytes = tally.stored_bytes;
	return ERR_NONE;
}

/* The cache after the snapshot it describes; older checkpoints after both. */
static enum err_code
make(struct capture *c, struct err *e)
{
	struct snapshot *s = &c->snapshot;
	struct id kept[STATECACHE_KEPT_MAX];
	size_t kept_count = 1;
	enum err_code rc = capture_checkpoint_fill(c, e);

	if (rc != ERR_NONE)
		return rc;
	s->flags |= SNAPSHOT_CHECKPOINT;
	rc = snapshot_commit(c->session, c->writer, s, e);
	s->flags &= ~(uint32_t)SNAPSHOT_CHECKPOINT;
	kept[0] = s->id;
	if (rc == ERR_NONE && c->cache != NULL)
		rc = statecache_checkpoint(c->cache, &s->id, kept, &kept_count,
		    e);
	return rc == ERR_NONE ? checkpoint_sweep(c->session, c->opt->service,
				    c->opt->dataset, kept, kept_count, e)
			      : rc;
}

enum err_code
capture_checkpoint_now(struct capture *c, struct err *e)
{
	struct writer_tally tally;
	enum err_code rc = ERR_NONE;

	writer_tally(c->writer, &tally);
	if (capture_is_command(c)) /* its chunks are found again, no more */
		rc = writer_flush(c->writer, e);
	else if (c->changed_count > c->changed_then ||
	    tally.new_bytes > c->new_bytes_then)
		rc = make(c, e);
	writer_tally(c->writer, &tally);
	c->changed_then = c->changed_count;
	c->new_bytes_then = tally.new_bytes;
	c->checkpointed = now_mono();
	return rc == ERR_NONE ? rc : err_wrap(e, "making a checkpoint");
}

static bool
is_time(const struct capture *c)
{
	const struct capture_options *opt = c->opt;
	int64_t interval_ns =
	    opt->checkpoint_ns == 0 ? INTERVAL_NS : opt->checkpoint_ns;
	uint64_t interval_bytes =
	    opt->checkpoint_bytes == 0 ? INTERVAL_BYTES : opt->checkpoint_bytes;
	struct writer_tally tally;

	if (now_mono().ns - c->checkpointed.ns >= interval_ns)
		return true;
	writer_tally(c->writer, &tally);
	return tally.new_bytes - c->new_bytes_then >= interval_bytes;
}

enum err_code
capture_checkpoint_tick(struct capture *c, struct err *e)
{
	if (c->opt->checkpoint_ns < 0 || c->writer == NULL || !is_time(c))
		return ERR_NONE;
	return capture_checkpoint_now(c, e);
}
