#include <bascule/source.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/exitcode.h>
#include <bascule/base/now.h>

#include "source_child.h"

#define READY_NS    (30 * NS_PER_S) /* a shell that takes longer is no guard */
#define GRACE_NS    (5 * NS_PER_S)  /* of ours, beyond the guard's own limit */
#define READY       "ready"
#define GUARD_WORDS 6
#define LIMIT_S_MAX 86400

/*
 * $1: seconds for the hook, 0 for any number; the rest is the hook.  While it
 * waits it ignores what would end it; the hook itself may be ended.  When
 * nobody listens any more the hook must not die of writing to a closed pipe.
 * The one that watches the time is ended together with its sleep, however early:
 * $! is its own, not the hook's, as soon as there is one, and KILL reaches it even
 * before it has put aside the shell's handlers.
 */
static const char guard_script[] =
    "trap '' HUP INT TERM\n"
    "limit=$1; shift\n"
    "echo " READY "\n"
    "read -r word || word=alone\n"
    "[ \"$word\" = run ] || exec >/dev/null 2>&1\n"
    "trap - HUP INT TERM\n"
    "[ \"$limit\" -gt 0 ] || exec \"$@\" </dev/null\n"
    "\"$@\" </dev/null &\n"
    "hook=$!\n"
    "(trap '[ $! = $hook ] || kill -KILL $!; exit' TERM\n"
    "  sleep \"$limit\" & wait $! && {\n"
    "  kill -TERM $hook; sleep 2 & wait $!; kill -KILL $hook; }\n"
    ") >/dev/null 2>&1 &\n"
    "watch=$!\n"
    "wait $hook\n"
    "code=$?\n"
    "kill $watch\n"
    "exit $code\n";

struct source_guard {
	struct source_child *child;
	int64_t timeout_ns; /* of the hook; 0: none */
	char name[64];      /* of the hook */
};

static size_t
count_words(const char *const *argv)
{
	size_t count = 0;

	while (argv[count] != NULL)
		count++;
	return count;
}

static enum err_code
start(struct source_guard *g, const struct source_program *hook, struct err *e)
{
	size_t count = count_words(hook->argv);
	OWNED(free_mem) const char **words = NULL;
	int64_t limit_s = (g->timeout_ns + NS_PER_S - 1) / NS_PER_S;
	char limit[24];
	struct source_program shell = {.host = hook->host,
	    .env = hook->env,
	    .timeout_ns = READY_NS};

	words = calloc(count + GUARD_WORDS, sizeof(*words));
	if (words == NULL)
		return err_nomem(e);
	snprintf(limit, sizeof(limit), "%lld",
	    (long long)(limit_s < LIMIT_S_MAX ? limit_s : LIMIT_S_MAX));
	words[0] = "sh";
	words[1] = "-c";
	words[2] = guard_script;
	words[3] = "bascule-guard";
	words[4] = limit;
	memcpy(words + 5, hook->argv, count * sizeof(*words));
	shell.argv = words;
	return source_child_start_fed(&g->child, &shell, e);
}

/* It stands where it says that it waits. */
static enum err_code
await_ready(struct source_guard *g, struct err *e)
{
	char said[sizeof(READY)]; /* with its newline */
	size_t have = 0, got;
	enum err_code rc;

	while (have < sizeof(said)) {
		rc = source_child_read(g->child, SOURCE_CHILD_EXIT, said + have,
		    sizeof(said) - have, &got, e);
		if (rc != ERR_NONE)
			return rc;
		if (got == 0)
			return err_set(e, ERR_IO,
			    "no shell answered that could guard '%s'", g->name);
		have += got;
	}
	if (memcmp(said, READY "\n", sizeof(said)) != 0)
		return err_set(e, ERR_IO,
		    "what answered is no shell that could guard '%s'", g->name);
	return ERR_NONE;
}

enum err_code
source_guard_new(struct source_guard **out,
    const struct source_program *program, struct err *e)
{
	OWNED(source_guard_drop) struct source_guard *g = NULL;
	enum err_code rc;

	*out = NULL;
	if (program->argv[0] == NULL)
		return err_set(e, ERR_INPUT, "a hook without a program");
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return err_nomem(e);
	g->timeout_ns = program->timeout_ns;
	snprintf(g->name, sizeof(g->name), "%s", program->argv[0]);
	rc = start(g, program, e);
	if (rc == ERR_NONE)
		rc = await_ready(g, e);
	if (rc != ERR_NONE) {
		source_child_free(&g->child); /* before it has a word to run */
		return rc;
	}
	source_child_wind(g->child, 0);
	*out = TAKE(g);
	return ERR_NONE;
}

enum err_code
source_guard_tend(struct source_guard *g, struct err *e)
{
	return source_child_tend(g->child, e);
}

static enum err_code
read_output(struct source_child *c, size_t keep_bytes,
    struct source_outcome *out, struct err *e)
{
	uint8_t bytes[4096];
	size_t got, keep;
	enum err_code rc;

	for (;;) {
		rc = source_child_read(c, SOURCE_CHILD_EXIT, bytes,
		    sizeof(bytes), &got, e);
		if (rc != ERR_NONE || got == 0)
			return rc;
		out->output_bytes += got;
		keep = keep_bytes - out->output.len_bytes;
		rc = buf_add(&out->output, bytes, keep < got ? keep : got, e);
		if (rc != ERR_NONE)
			return rc;
	}
}

/* The guard waits for its hook and says of a signal what a shell does. */
static void
take_signal(struct source_outcome *out)
{
	int signal_number = exitcode_signal(out->exit_status);

	if (signal_number == 0)
		return;
	out->signal = signal_number;
	out->exit_status = -1;
}

/* Ended by the guard. */
static bool
is_out_of_time(const struct source_guard *g, const struct source_outcome *out)
{
	return g->timeout_ns > 0 && out->took_ns >= g->timeout_ns &&
	    (out->signal == SIGTERM || out->signal == SIGKILL);
}

enum err_code
source_guard_run(struct source_guard **gp, size_t output_bytes_max,
    struct source_outcome *out, struct err *e)
{
	OWNED(source_guard_drop) struct source_guard *g = TAKE(*gp);
	struct mono told;
	enum err_code rc;

	*out = (struct source_outcome){.exit_status = -1};
	if (g->timeout_ns > 0)
		source_child_wind(g->child, g->timeout_ns + GRACE_NS);
	told = now_mono();
	rc = source_child_tell(g->child, "run\n", e);
	if (rc == ERR_NONE)
		rc = read_output(g->child, output_bytes_max, out, e);
	if (rc == ERR_NONE)
		rc = source_child_wait(g->child, out, e);
	out->took_ns = now_mono().ns - told.ns;
	take_signal(out);
	return rc == ERR_NONE && is_out_of_time(g, out)
	    ? err_set(e, ERR_TIMEOUT, "'%s' did not end in time", g->name)
	    : rc;
}

void
source_guard_drop(struct source_guard **gp)
{
	struct source_guard *g = TAKE(*gp);

	if (g == NULL)
		return;
	source_child_leave(&g->child);
	free(g);
}
