#include "stream.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <bascule/base/pipeline.h>

#define NAMERS_MAX 4

struct stream {
	struct pipeline *pipeline;
	struct content_writer *contents; /* borrowed */
	struct content_namer *namers[NAMERS_MAX];
	unsigned namers_count;
	struct stream_piece pieces[STREAM_PIECES];
	struct stream_piece *free[STREAM_PIECES];
	size_t free_count;
	struct stream_piece *given; /* to the caller; NULL: none */
	struct source_file *file;
	uint64_t asked_bytes; /* of the file, so far */
	bool ended;           /* the reader's, while pieces are under way */
	_Atomic bool stops;   /* what is under way need not be read */
};

/* --- the stages ------------------------------------------------------------*/

static enum err_code
read_stage(void *ctx, unsigned thread, void *item, struct err *e)
{
	struct stream *s = ctx;
	struct stream_piece *p = item;

	(void)thread;
	(void)e;
	p->len_bytes = 0;
	p->code = ERR_NONE;
	while (p->len_bytes < p->wanted_bytes && !s->ended && !s->stops) {
		struct source_run run;

		p->code = source_read(s->file, p->bytes + p->len_bytes,
		    p->wanted_bytes - p->len_bytes, &run, &p->why);
		s->ended = p->code != ERR_NONE || run.len_bytes == 0;
		p->len_bytes += run.len_bytes;
	}
	return ERR_NONE;
}

static enum err_code
name_stage(void *ctx, unsigned thread, void *item, struct err *e)
{
	struct stream *s = ctx;
	struct stream_piece *p = item;
	size_t i = 0;

	(void)e;
	for (; i < p->names_count && !s->stops; i++) {
		struct content_name *n = &p->names[i];

		if (n->at_bytes + n->len_bytes > p->at_bytes + p->len_bytes)
			break;
		content_writer_name(s->namers[thread], n,
		    p->bytes + (n->at_bytes - p->at_bytes));
	}
	p->names_count = i;
	return ERR_NONE;
}

/* --- making and ending ---------------------------------------------------- */

static enum err_code
start(struct stream *s, struct err *e)
{
	struct pipeline_stage stages[] = {
	    {.run = read_stage, .threads_count = 1},
	    {.run = name_stage, .threads_count = s->namers_count},
	};
	void *items[STREAM_PIECES];
	struct pipeline_plan plan = {.stages = stages,
	    .stages_count = COUNT_OF(stages),
	    .items = items,
	    .items_count = STREAM_PIECES,
	    .ctx = s,
	    .collect = true};
	enum err_code rc;

	for (size_t i = 0; i < STREAM_PIECES; i++)
		items[i] = &s->pieces[i];
	rc = pipeline_new(&s->pipeline, &plan, e);
	for (size_t i = 0; i < STREAM_PIECES && rc == ERR_NONE; i++) {
		void *item;

		rc = pipeline_take(s->pipeline, &item, e);
		s->free[s->free_count++] = item;
	}
	return rc;
}

enum err_code
stream_new(struct stream **out, struct content_writer *cw, struct err *e)
{
	OWNED(stream_free) struct stream *s = calloc(1, sizeof(*s));
	unsigned cores = pipeline_cores();
	enum err_code rc = ERR_NONE;

	*out = NULL;
	if (s == NULL)
		return err_nomem(e);
	s->contents = cw;
	for (size_t i = 0; i < STREAM_PIECES; i++)
		if ((s->pieces[i].bytes = malloc(STREAM_PIECE_BYTES)) == NULL)
			return err_nomem(e);
	while (rc == ERR_NONE && s->namers_count < NAMERS_MAX &&
	    s->namers_count < cores)
		rc = content_writer_namer(&s->namers[s->namers_count++], cw, e);
	if (rc == ERR_NONE)
		rc = start(s, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(s);
	return ERR_NONE;
}

void
stream_free(struct stream **sp)
{
	struct stream *s = TAKE(*sp);

	if (s == NULL)
		return;
	pipeline_free(&s->pipeline);
	for (size_t i = 0; i < COUNT_OF(s->namers); i++)
		content_writer_namer_free(&s->namers[i]);
	for (size_t i = 0; i < STREAM_PIECES; i++)
		free(s->pieces[i].bytes);
	free(s);
}

/* --- a file ----------------------------------------------------------------*/

void
stream_begin(struct stream *s, struct source_file *file)
{
	s->file = file;
	s->asked_bytes = 0;
	s->ended = false;
	s->stops = false;
}

/* A piece ends where a chunk is expected to: few then lie in two. */
static enum err_code
ask(struct stream *s, struct err *e)
{
	struct stream_piece *p = s->free[--s->free_count];
	uint64_t left = source_content_bytes(s->file) - s->asked_bytes;

	p->at_bytes = s->asked_bytes;
	p->wanted_bytes =
	    left < STREAM_PIECE_BYTES ? (size_t)left : STREAM_PIECE_BYTES;
	p->names_count = content_writer_foresee(s->contents, p->at_bytes,
	    p->wanted_bytes, p->names, STREAM_NAMES_MAX);
	if (p->names_count > 0 && left > STREAM_PIECE_BYTES) {
		const struct content_name *n = &p->names[p->names_count - 1];

		p->wanted_bytes =
		    (size_t)(n->at_bytes + n->len_bytes - p->at_bytes);
	}
	s->asked_bytes += p->wanted_bytes;
	return pipeline_put(s->pipeline, p, e);
}

enum err_code
stream_next(struct stream *s, struct stream_piece **out, struct err *e)
{
	enum err_code rc = ERR_NONE;
	void *item = NULL;

	*out = NULL;
	if (s->given != NULL)
		s->free[s->free_count++] = TAKE(s->given);
	while (rc == ERR_NONE && s->free_count > 0 &&
	    s->asked_bytes < source_content_bytes(s->file))
		rc = ask(s, e);
	if (rc == ERR_NONE)
		rc = pipeline_collect(s->pipeline, &item, e);
	*out = s->given = item;
	return rc;
}

void
stream_end(struct stream *s)
{
	struct err e;
	void *item;

	s->stops = true;
	if (s->given != NULL)
		s->free[s->free_count++] = TAKE(s->given);
	while (pipeline_collect(s->pipeline, &item, &e) == ERR_NONE &&
	    item != NULL)
		s->free[s->free_count++] = item;
	s->file = NULL;
}
