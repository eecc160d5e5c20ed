#include "stream.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/pipeline.h>

#define NAMERS_MAX 4

struct stream {
	struct pipeline *pipeline;
	struct content_writer *contents; /* borrowed */
	struct content_cutter
	    *cutter; /* NULL: chunks may be too long or many */
	struct content_namer *namers[NAMERS_MAX];
	unsigned namers_count;
	struct stream_piece pieces[STREAM_PIECES];
	struct stream_piece *free[STREAM_PIECES];
	size_t free_count;
	struct stream_piece *given; /* to the caller; NULL: none */
	struct source_file *file;
	uint64_t asked_bytes; /* of the file, so far */
	bool cuts;            /* this file */
	_Atomic bool stops;   /* what is under way need not be read */
	/* the reader's, while pieces are under way */
	bool ended;
	uint8_t *begun; /* the chunk that the last piece's bytes ended in */
	size_t begun_bytes;
};

/* --- the stages ------------------------------------------------------------*/

/* Behind the first from_bytes, which are there. */
static void
read_piece(struct stream *s, struct stream_piece *p, size_t from_bytes)
{
	size_t end_bytes = from_bytes + p->wanted_bytes;

	p->len_bytes = from_bytes;
	p->code = ERR_NONE;
	while (p->len_bytes < end_bytes && !s->ended && !s->stops) {
		struct source_run run;

		p->code = source_read(s->file, p->bytes + p->len_bytes,
		    end_bytes - p->len_bytes, &run, &p->why);
		s->ended = p->code != ERR_NONE || run.len_bytes == 0;
		p->len_bytes += run.len_bytes;
	}
}

static void
add_chunk(struct stream_piece *p, size_t from_bytes, size_t to_bytes)
{
	struct content_name *n = &p->names[p->names_count++];

	ASSERT(p->names_count <= STREAM_NAMES_MAX);
	n->at_bytes = p->at_bytes + from_bytes;
	n->len_bytes = to_bytes - from_bytes;
}

/* The first from_bytes hold no cut; what is behind the last one is kept. */
static void
cut_piece(struct stream *s, struct stream_piece *p, size_t from_bytes)
{
	size_t begin = 0, at = from_bytes;

	while (at < p->len_bytes) {
		bool cut;

		at += content_cutter_scan(s->cutter, p->bytes + at,
		    p->len_bytes - at, &cut);
		if (cut) {
			add_chunk(p, begin, at);
			begin = at;
		}
	}
	if ((p->is_last || s->ended) && begin < at) {
		add_chunk(p, begin, at);
		begin = at;
	}
	s->begun_bytes = at - begin;
	memcpy(s->begun, p->bytes + begin, s->begun_bytes);
	p->len_bytes = begin;
}

static enum err_code
read_stage(void *ctx, unsigned thread, void *item, struct err *e)
{
	struct stream *s = ctx;
	struct stream_piece *p = item;
	size_t begun_bytes = s->begun_bytes;

	(void)thread;
	(void)e;
	if (!p->is_cut) {
		read_piece(s, p, 0);
		return ERR_NONE;
	}
	p->at_bytes -= begun_bytes;
	memcpy(p->bytes, s->begun, begun_bytes);
	read_piece(s, p, begun_bytes);
	cut_piece(s, p, begun_bytes);
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

/* Its chunks have to fit into a piece, and their names. */
static enum err_code
make_cutter(struct stream *s, struct err *e)
{
	OWNED(content_cutter_free) struct content_cutter *c = NULL;
	enum err_code rc = content_writer_cutter(&c, s->contents, e);

	if (rc != ERR_NONE)
		return rc;
	if (content_cutter_max_bytes(c) > STREAM_CHUNK_BYTES ||
	    (STREAM_PIECE_BYTES + STREAM_CHUNK_BYTES) /
		    content_cutter_min_bytes(c) >=
		STREAM_NAMES_MAX)
		return ERR_NONE;
	s->cutter = TAKE(c);
	s->begun = malloc(STREAM_CHUNK_BYTES);
	return s->begun == NULL ? err_nomem(e) : ERR_NONE;
}

enum err_code
stream_new(struct stream **out, struct content_writer *cw, struct err *e)
{
	OWNED(stream_free) struct stream *s = calloc(1, sizeof(*s));
	unsigned cores = pipeline_cores();
	enum err_code rc;

	*out = NULL;
	if (s == NULL)
		return err_nomem(e);
	s->contents = cw;
	rc = make_cutter(s, e);
	for (size_t i = 0; i < STREAM_PIECES && rc == ERR_NONE; i++) {
		s->pieces[i].bytes = malloc(STREAM_PIECE_BYTES +
		    (s->cutter != NULL ? STREAM_CHUNK_BYTES : 0));
		if (s->pieces[i].bytes == NULL)
			rc = err_nomem(e);
	}
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
	content_cutter_free(&s->cutter);
	free(s->begun);
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
	s->begun_bytes = 0;
	s->cuts = s->cutter != NULL && content_writer_is_new(s->contents);
	if (s->cuts)
		content_cutter_reset(s->cutter);
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
	p->is_cut = s->cuts;
	p->names_count = s->cuts
	    ? 0
	    : content_writer_foresee(s->contents, p->at_bytes, p->wanted_bytes,
		  p->names, STREAM_NAMES_MAX);
	if (p->names_count > 0 && left > STREAM_PIECE_BYTES) {
		const struct content_name *n = &p->names[p->names_count - 1];

		p->wanted_bytes =
		    (size_t)(n->at_bytes + n->len_bytes - p->at_bytes);
	}
	s->asked_bytes += p->wanted_bytes;
	p->is_last = s->asked_bytes == source_content_bytes(s->file);
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
