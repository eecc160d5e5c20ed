#include <bascule/base/text.h>
#include <bascule/source.h>
#include <string.h>
#include <unistd.h>

#include "source_child.h"
#include "source_impl.h"
#include "source_names.h"

struct command {
	struct source source; /* first */
	struct source_program program;
	char **argv, **env;
	char *path;
	bool given;
	struct source_names names;
};

struct output {
	struct source_file file; /* first */
	struct source_child *child;
	char *name; /* of the program */
	void (*said)(void *ctx, const char *text);
	void *ctx;
	uint64_t at_bytes;
	bool ended;
	struct err fault; /* of reading: finish repeats it */
};

/* --- the file --- */

static enum err_code
output_read(struct source_file *file, void *bytes, size_t size_bytes,
    struct source_run *run, struct err *e)
{
	struct output *o = (struct output *)file;
	enum err_code rc;

	run->offset_bytes = o->at_bytes;
	rc = source_child_read(o->child, SOURCE_CHILD_EOF, bytes, size_bytes,
	    &run->len_bytes, e);
	if (rc != ERR_NONE)
		o->fault = *e;
	o->ended = rc == ERR_NONE && run->len_bytes == 0;
	o->at_bytes += run->len_bytes;
	return rc;
}

static enum err_code
output_finish(struct source_file *file, struct err *e)
{
	struct output *o = (struct output *)file;
	OWNED(source_outcome_fini) struct source_outcome outcome = {0};
	OWNED(buf_fini) struct buf said = {0};
	enum err_code rc;

	if (o->fault.code != ERR_NONE) {
		*e = o->fault;
		return e->code;
	}
	if (!o->ended)
		return err_set(e, ERR_INPUT,
		    "the output of '%s' was not read to its end", o->name);
	rc = source_child_wait(o->child, &outcome, e);
	if (rc == ERR_NONE)
		rc = source_run_check(&outcome, o->name, e);
	if (rc == ERR_NONE && o->said != NULL)
		rc = source_run_said(&said, &outcome, e);
	if (rc == ERR_NONE && said.len_bytes > 0)
		o->said(o->ctx, buf_text(&said));
	return rc;
}

static void
output_close(struct source_file *file)
{
	struct output *o = (struct output *)file;

	source_child_free(&o->child);
	free(o->name);
	free(o);
}

static const struct source_file_ops output_ops = {
    .read = output_read,
    .finish = output_finish,
    .close = output_close,
};

/* --- the stream --- */

static enum err_code
command_next(struct source *src, struct source_item *item, struct err *e)
{
	struct command *c = (struct command *)src;
	struct utc now = now_utc();
	struct entry *en = &item->entry;
	enum err_code rc;

	entry_clear(en);
	if (c->given)
		return err_set(e, ERR_NOTFOUND, "that was all");
	c->given = true;
	item->kind = SOURCE_ENTRY;
	item->source = src;
	item->dev = item->inode = 0;
	item->nlink = 1;
	item->problem.code = ERR_NONE;
	en->type = ENTRY_FILE;
	en->mode = 0600;
	en->uid = (uint32_t)geteuid();
	en->gid = (uint32_t)getegid();
	en->mtime_s = item->ctime_s = now.ns / NS_PER_S;
	en->mtime_ns = item->ctime_ns = (uint32_t)(now.ns % NS_PER_S);
	rc = entry_set_path(en, c->path, strlen(c->path), e);
	return rc != ERR_NONE ? rc : source_names_set(&c->names, en, e);
}

static enum err_code
command_open(struct source_item *item, struct source_file **out,
    struct arc_warn warn, struct err *e)
{
	struct command *c = (struct command *)item->source;
	struct output *o = calloc(1, sizeof(*o));
	enum err_code rc;

	(void)warn;
	if (o == NULL)
		return err_nomem(e);
	o->file.ops = &output_ops;
	o->said = c->program.said;
	o->ctx = c->program.ctx;
	o->name = strdup(c->argv[0]);
	rc = o->name == NULL ? err_nomem(e)
			     : source_child_start(&o->child, &c->program, e);
	if (rc != ERR_NONE) {
		output_close(&o->file);
		return rc;
	}
	*out = &o->file;
	return ERR_NONE;
}

static void
command_release(struct source_item *item)
{
	(void)item; /* it has no directory */
}

static void
words_free(char **words)
{
	for (size_t i = 0; words != NULL && words[i] != NULL; i++)
		free(words[i]);
	free(words);
}

static void
command_free(struct source *src)
{
	struct command *c = (struct command *)src;

	source_names_fini(&c->names);
	words_free(c->argv);
	words_free(c->env);
	free(c->path);
	free(c);
}

static const struct source_ops command_ops = {
    .next = command_next,
    .open = command_open,
    .release = command_release,
    .free = command_free,
};

/* --- making --- */

static enum err_code
words_copy(char ***out, const char *const *words, struct err *e)
{
	size_t count = 0;

	while (words[count] != NULL && count <= SOURCE_ARGV_COUNT_MAX)
		count++;
	if (count > SOURCE_ARGV_COUNT_MAX)
		return err_set(e, ERR_INPUT, "a command of over %d words",
		    SOURCE_ARGV_COUNT_MAX);
	*out = calloc(count + 1, sizeof(**out));
	if (*out == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++)
		if (((*out)[i] = strdup(words[i])) == NULL)
			return err_nomem(e);
	return ERR_NONE;
}

static enum err_code
copy_program(struct command *c, const struct source_program *p, struct err *e)
{
	enum err_code rc = words_copy(&c->argv, p->argv, e);

	if (rc == ERR_NONE && p->env != NULL)
		rc = words_copy(&c->env, p->env, e);
	c->program.argv = (const char *const *)c->argv;
	c->program.env = (const char *const *)c->env;
	c->program.host = p->host;
	c->program.timeout_ns = p->timeout_ns;
	c->program.is_wanted = p->is_wanted;
	c->program.said = p->said;
	c->program.ctx = p->ctx;
	return rc;
}

enum err_code
source_command_new(struct source **out, const struct source_program *program,
    const char *path, struct err *e)
{
	OWNED(source_free) struct source *src = NULL;
	struct command *c;
	enum err_code rc;

	*out = NULL;
	if (path[0] == '\0' || !path_is_valid(path, strlen(path)))
		return err_set(e, ERR_INPUT, "not a path an entry may have");
	if (program->argv == NULL || program->argv[0] == NULL)
		return err_set(e, ERR_INPUT, "a command without a program");
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return err_nomem(e);
	c->source.ops = &command_ops;
	source_names_init(&c->names);
	src = &c->source;
	if ((c->path = strdup(path)) == NULL)
		return err_nomem(e);
	if ((rc = copy_program(c, program, e)) != ERR_NONE)
		return rc;
	*out = TAKE(src);
	return ERR_NONE;
}

/* --- asking --- */

enum err_code
source_command_check(uint64_t size_bytes,
    const struct source_command_limits *limits, struct err *e)
{
	char was[TEXT_UNIT_BYTES], wanted[TEXT_UNIT_BYTES];
	uint64_t lost;
	double percent;

	if (size_bytes < limits->min_bytes)
		return err_set(e, ERR_INPUT,
		    "the output of %s is below the least expected, %s",
		    text_size(size_bytes, was),
		    text_size(limits->min_bytes, wanted));
	if (limits->max_shrink_millipercent == 0 ||
	    size_bytes >= limits->previous_bytes)
		return ERR_NONE;
	lost = limits->previous_bytes - size_bytes;
	percent = 100.0 * (double)lost / (double)limits->previous_bytes;
	if (percent * 1000 <= (double)limits->max_shrink_millipercent)
		return ERR_NONE;
	return err_set(e, ERR_INPUT,
	    "the output of %s is %.1f %% smaller than the last one, %s, where "
	    "%.3g %% is the limit",
	    text_size(size_bytes, was), percent,
	    text_size(limits->previous_bytes, wanted),
	    limits->max_shrink_millipercent / 1000.0);
}
