#include <bascule/base/text.h>
#include <bascule/source.h>
#include <string.h>

#include "source_child.h"

#define READ_BYTES 65536

static enum err_code
read_output(struct source_child *c, size_t keep_bytes,
    struct source_outcome *out, struct err *e)
{
	OWNED(free_mem) uint8_t *bytes = malloc(READ_BYTES);
	size_t got, keep;
	enum err_code rc;

	if (bytes == NULL)
		return err_nomem(e);
	for (;;) {
		rc = source_child_read(c, SOURCE_CHILD_EXIT, bytes, READ_BYTES,
		    &got, e);
		if (rc != ERR_NONE || got == 0)
			return rc;
		out->output_bytes += got;
		keep = keep_bytes - out->output.len_bytes;
		keep = keep < got ? keep : got;
		rc = buf_add(&out->output, bytes, keep, e);
		if (rc != ERR_NONE)
			return rc;
	}
}

enum err_code
source_run(const struct source_program *program, size_t output_bytes_max,
    struct source_outcome *out, struct err *e)
{
	OWNED(source_child_free) struct source_child *c = NULL;
	struct err ignored = {0};
	enum err_code rc;

	*out = (struct source_outcome){.exit_status = -1};
	if ((rc = source_child_start(&c, program, e)) != ERR_NONE)
		return rc;
	rc = read_output(c, output_bytes_max, out, e);
	if (rc == ERR_NONE)
		return source_child_wait(c, out, e);
	/* What it said until its time was up is worth having. */
	if (rc == ERR_TIMEOUT &&
	    source_child_wait(c, out, &ignored) == ERR_NOMEM)
		return err_nomem(e);
	return rc;
}

#define SAID_BYTES 300

enum err_code
source_run_said(struct buf *out, const struct source_outcome *outcome,
    struct err *e)
{
	const struct buf *tail = &outcome->stderr_tail;
	const char *at = (const char *)tail->bytes, *end;
	size_t len = tail->len_bytes;
	enum err_code rc = ERR_NONE;

	while (len > 0 && at[len - 1] == '\n')
		len--;
	if (len > SAID_BYTES)
		at += len - SAID_BYTES, len = SAID_BYTES;
	for (; len > 0 && rc == ERR_NONE; len -= (size_t)(end - at), at = end) {
		bool blank = *at == '\n' || *at == '\t';

		end = at + 1;
		while (
		    end < at + len && (*end == '\n' || *end == '\t') == blank)
			end++;
		rc = blank ? buf_add_byte(out, ' ', e)
			   : text_escape(out, at, (size_t)(end - at), e);
	}
	return rc;
}

enum err_code
source_run_check(const struct source_outcome *outcome, const char *name,
    struct err *e)
{
	OWNED(buf_fini) struct buf said = {0};
	const char *signal_name = sigabbrev_np(outcome->signal);
	struct err ignored = {0};

	if (outcome->exit_status == 0)
		return ERR_NONE;
	if (source_run_said(&said, outcome, &ignored) != ERR_NONE)
		buf_clear(&said);
	if (outcome->signal != 0)
		err_set(e, ERR_IO, "'%s' was ended by signal %d (%s)", name,
		    outcome->signal, signal_name == NULL ? "?" : signal_name);
	else
		err_set(e, ERR_IO, "'%s' failed with exit status %d", name,
		    outcome->exit_status);
	if (said.len_bytes > 0)
		err_hint(e, "it said: %s", buf_text(&said));
	return e->code;
}
