/*
 * The screen in the room of a tabletop exercise: the clock, what happened, what
 * is due, who is there.  What is typed is said.  Every line begins with
 * EXERCISE, so that no photograph of it looks like the real thing.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bascule/base/text.h>

#include "exercise_tell.h"
#include "live.h"

#define LINES_MAX   64 /* of what happened, kept for the screen */
#define TYPED_BYTES 1024
#define LOOK_MS     1000
#define COLUMNS_MIN 40

struct play {
	struct cli *cli;
	const char *run;
	bool is_screen, follows, over, left;
	uint64_t seen; /* events */
	char *lines[LINES_MAX];
	size_t lines_count; /* a ring */
	struct buf head;    /* the screen's upper half, as it was told last */
	struct buf typed;
};

static void
play_fini(struct play *p)
{
	for (size_t i = 0; i < LINES_MAX; i++)
		free(p->lines[i]);
	buf_fini(&p->head);
	buf_fini(&p->typed);
}

/* --- what is told ---------------------------------------------------------------- */

static void
take_event(struct play *p, struct wire_value *v)
{
	const char *text = wire_take_text(v, "text", "");
	char **slot = &p->lines[p->lines_count % LINES_MAX];

	p->seen = wire_take_uint(v, "number", p->seen);
	if (!p->is_screen) {
		printf("%s\n", text);
		return;
	}
	free(*slot);
	*slot = strdup(text);
	p->lines_count++;
}

/* Adds to the screen's upper half; what cannot be shown is left out. */
static void row(struct play *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void
row(struct play *p, const char *fmt, ...)
{
	char text[1024];
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_mend_end(text);
	if (buf_printf(&p->head, &e, "EXERCISE | %s\n", text) != ERR_NONE)
		buf_clear(&p->head);
}

static const char *
clock_of(struct wire_value *v, const char *name, char out[32])
{
	int64_t ns = wire_take_seconds(v, name, -1), s = ns / NS_PER_S;

	if (ns < 0)
		snprintf(out, 32, "-");
	else
		snprintf(out, 32, "T+%lld:%02d:%02d", (long long)(s / 3600),
		    (int)(s / 60 % 60), (int)(s % 60));
	return out;
}

static void
show_injects(struct play *p, struct wire_value *list)
{
	char at[32];

	for (size_t i = 0; list != NULL && i < wire_count(list); i++) {
		struct wire_value *v = wire_at_object(list, i);
		bool is_out = wire_take_bool(v, "delivered", false);

		if (is_out && wire_take_bool(v, "answered", false))
			continue;
		row(p, "%s  %-10s %-16s to %s: %s",
		    is_out ? "waits " : "comes ",
		    is_out ? clock_of(v, "delivered_seconds", at)
			: wire_has(v, "after") ? "after"
			: wire_has(v, "on")    ? "decision"
			: wire_has(v, "planned_seconds")
			? clock_of(v, "planned_seconds", at)
			: "by hand",
		    live_text(v, "inject"), live_text(v, "to"),
		    is_out ? live_text(v, "expect")
			   : live_text(v,
				 wire_has(v, "after") ? "after" : "channel"));
	}
}

static void
show_steps(struct play *p, struct wire_value *list)
{
	char from[32], to[32];

	for (size_t i = 0; list != NULL && i < wire_count(list); i++) {
		struct wire_value *v = wire_at_object(list, i);

		row(p, "step    %s %s to %s %s (%s)", live_text(v, "step"),
		    clock_of(v, "started_seconds", from),
		    clock_of(v, "ends_seconds", to),
		    wire_take_bool(v, "over", false) ? "is over" : "goes on",
		    live_text(v, "basis"));
	}
}

static void
show_people(struct play *p, struct wire_value *list)
{
	for (size_t i = 0; list != NULL && i < wire_count(list); i++) {
		struct wire_value *v = wire_at_object(list, i);

		row(p, "who     %s, %s of %s: %s", live_text(v, "player"),
		    live_text(v, "role"), live_text(v, "council"),
		    live_text(v, "attendance"));
	}
}

static bool
is_over(const char *state)
{
	static const char *const before[] = {"DRAFT", "APPROVED", "SCHEDULED",
	    "BRIEFED", "IN_PLAY", "PAUSED"};

	for (size_t i = 0; i < COUNT_OF(before); i++)
		if (strcmp(before[i], state) == 0)
			return false;
	return true;
}

static void
take_table(struct play *p, struct wire_value *v)
{
	char at[32];

	p->over = is_over(wire_take_text(v, "state", ""));
	if (!p->is_screen)
		return;
	buf_clear(&p->head);
	row(p, "%s  %s  %s  %s%s", live_text(v, "title"), p->run,
	    live_text(v, "state"), clock_of(v, "clock_seconds", at),
	    wire_take_bool(v, "stopped", false) ? "  STOPPED: THIS IS REAL"
						: "");
	row(p, "facilitator %s, scribe %s", live_text(v, "facilitator"),
	    live_text(v, "scribe"));
	show_people(p, wire_take_list(v, "players"));
	show_injects(p, wire_take_list(v, "injects"));
	show_steps(p, wire_take_list(v, "steps"));
}

static int
take(struct live *l, const char *type, struct wire_value *v)
{
	struct play *p = l->ctx;
	OWNED(buf_fini) struct buf line = {0};
	struct err e;

	if (strcmp(type, "tabletop_event") == 0) {
		if (p->cli->json) {
			p->seen = wire_take_uint(v, "number", p->seen);
			if (wire_line(v, &line, &e) == ERR_NONE)
				fputs(buf_text(&line), stdout);
		} else
			take_event(p, v);
	} else if (strcmp(type, "tabletop") == 0)
		take_table(p, v);
	return wire_check(v, &e) == ERR_NONE ? EXITCODE_DONE
					     : cli_fail(p->cli, &e);
}

static int
look(struct play *p)
{
	struct live l = {.cli = p->cli, .take = take, .ctx = p};
	struct wire_value *request = live_request(p->cli, "exercise table");

	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "run", p->run);
	wire_add_uint(request, "after", p->seen);
	return live_ask(&l, &request);
}

/* --- the screen -------------------------------------------------------------------- */

/* As many bytes of a line as fit, cut between characters. */
static void
put_line(const char *text, size_t columns)
{
	size_t n = strcspn(text, "\n");

	if (n > columns)
		n = columns;
	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	fwrite(text, 1, n, stdout);
	putchar('\n');
}

static void
draw(struct play *p)
{
	struct winsize ws = {.ws_row = 24, .ws_col = 80};
	size_t used = 4, columns, shown;
	const char *at = buf_text(&p->head);

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws);
	columns = ws.ws_col < COLUMNS_MIN ? COLUMNS_MIN : ws.ws_col;
	fputs("\033[H\033[2J", stdout);
	for (; *at != '\0' && used + 4 < ws.ws_row; used++) {
		put_line(at, columns);
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	put_line("EXERCISE | ---", columns);
	shown = ws.ws_row > used ? ws.ws_row - used : 1;
	if (shown > p->lines_count)
		shown = p->lines_count;
	if (shown > LINES_MAX)
		shown = LINES_MAX;
	for (size_t i = p->lines_count - shown; i < p->lines_count; i++)
		if (p->lines[i % LINES_MAX] != NULL)
			put_line(p->lines[i % LINES_MAX], columns);
	put_line("EXERCISE | note TEXT, decide NAME: TEXT, inject, answer, "
		 "step, jump, help, q; STOP: it is real",
	    columns);
	printf("EXERCISE > %s", buf_text(&p->typed));
	fflush(stdout);
}

/* --- what is typed -------------------------------------------------------------------- */

static const char help_text[] =
    "EXERCISE | note [NAME:] TEXT       what was said or seen\n"
    "EXERCISE | decide NAME: TEXT       a decision, with what is known now\n"
    "EXERCISE | inject NAME             deliver one by hand\n"
    "EXERCISE | answer NAME TEXT        what was done about one\n"
    "EXERCISE | step NAME               simulate a step of the plan\n"
    "EXERCISE | jump 30m                the scenario's clock\n"
    "EXERCISE | attend NAME             somebody has come\n"
    "EXERCISE | brief, begin, pause, resume, endex\n"
    "EXERCISE | STOP                    something real happens: play ends\n"
    "EXERCISE | q                       leave the screen; play goes on\n";

/* Cuts the first word off; returns the rest. */
static char *
split(char *text)
{
	char *at = text + strcspn(text, " \t");

	if (*at != '\0')
		*at++ = '\0';
	return at + strspn(at, " \t");
}

/* "NAME: TEXT": the name, or NULL; *text moves behind it. */
static const char *
speaker(char **text)
{
	char *colon = strchr(*text, ':');
	const char *name = *text;

	if (colon == NULL || colon == *text || colon - *text > 64)
		return NULL;
	*colon = '\0';
	*text = colon + 1 + strspn(colon + 1, " \t");
	return name;
}

static bool
is_plain(const char *verb)
{
	static const char *const verbs[] = {"brief", "begin", "pause", "resume",
	    "endex"};

	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (strcmp(verbs[i], verb) == 0)
			return true;
	return false;
}

/* False: it is no word of the play. */
static bool
fill(struct tell *t, const char *verb, char *rest)
{
	if (is_plain(verb)) {
		tell_field(t, "reason",
		    strcmp(verb, "pause") == 0 || strcmp(verb, "endex") == 0
			? rest
			: NULL);
	} else if (strcmp(verb, "note") == 0) {
		tell_field(t, "who", speaker(&rest));
		tell_field(t, "text", rest);
	} else if (strcmp(verb, "decide") == 0) {
		tell_field(t, "decider", speaker(&rest));
		tell_field(t, "decision", rest);
	} else if (strcmp(verb, "inject") == 0) {
		tell_field(t, "inject", rest);
	} else if (strcmp(verb, "answer") == 0) {
		char *text = split(rest);

		tell_field(t, "inject", rest);
		tell_field(t, "text", text);
	} else if (strcmp(verb, "step") == 0) {
		tell_field(t, "step", rest);
	} else if (strcmp(verb, "jump") == 0) {
		tell_span(t, "by_ns", rest);
	} else if (strcmp(verb, "attend") == 0) {
		tell_field(t, "player", rest);
		tell_field(t, "attendance", "present");
	} else
		return false;
	return true;
}

static void
obey(struct play *p, char *line)
{
	struct tell t = {.cli = p->cli};
	char *verb = line + strspn(line, " \t");
	char *rest = split(verb);
	int status = EXITCODE_DONE;

	if (*verb == '\0')
		return;
	if (strcmp(verb, "q") == 0 || strcmp(verb, "quit") == 0) {
		p->left = true;
		return;
	}
	if (strcmp(verb, "STOP") == 0) {
		tell_field(&t, "reason", rest);
		status = tell_send(&t, p->run, "stop");
	} else if (strcmp(verb, "help") == 0 || strcmp(verb, "?") == 0) {
		fputs(help_text, stdout);
		status = EXITCODE_USAGE; /* long enough to be read */
	} else if (fill(&t, verb, rest))
		status = tell_send(&t, p->run, verb);
	else {
		tell_fini(&t);
		printf("EXERCISE | '%.40s' is no word of the play: help\n",
		    verb);
		status = EXITCODE_USAGE;
	}
	fflush(stdout);
	if (p->is_screen && status != EXITCODE_DONE)
		sleep(strcmp(verb, "help") == 0 ? 8 : 3);
}

/* What has come from standard input; false at its end. */
static bool
take_typed(struct play *p)
{
	char bytes[TYPED_BYTES];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
	char *line, *end;
	struct err e;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return false;
	if (buf_add(&p->typed, bytes, (size_t)n, &e) != ERR_NONE)
		return false;
	while ((end = strchr(buf_text(&p->typed), '\n')) != NULL && !p->left) {
		OWNED(free_mem) char *copy = NULL;
		size_t len = (size_t)(end - buf_text(&p->typed));

		line = copy = strndup(buf_text(&p->typed), len);
		if (line == NULL)
			return false;
		memmove(p->typed.bytes, p->typed.bytes + len + 1,
		    p->typed.len_bytes - len - 1);
		p->typed.len_bytes -= len + 1;
		obey(p, line);
	}
	return p->typed.len_bytes < TYPED_BYTES;
}

static bool
goes_on(const struct play *p, bool listens)
{
	if (p->left)
		return false;
	return listens || (p->follows && !p->over);
}

static int
run_play(struct cli *cli)
{
	OWNED(play_fini)
	struct play p = {.cli = cli,
	    .run = cli->operands[0],
	    .is_screen = !cli->json && isatty(STDOUT_FILENO),
	    .follows = cli_has(cli, "follow")};
	bool listens = true;
	int status;

	do {
		struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

		status = look(&p);
		if (status != EXITCODE_DONE)
			return status;
		if (p.is_screen)
			draw(&p);
		fflush(stdout);
		if (!goes_on(&p, listens))
			break;
		if (poll(&in, listens ? 1 : 0, LOOK_MS) > 0 && listens)
			listens = take_typed(&p);
	} while (!p.left);
	return p.left ? look(&p) : EXITCODE_DONE;
}

static const struct cli_option play_options[] =
    {{"follow", 0, NULL, "not a terminal: until play is over"},
	{NULL, 0, NULL, NULL}};
const struct cli_command command_exercise_play = {"exercise play", "ID",
    "tabletop: the screen for the room; type help", play_options, 1, 1,
    run_play};
