#include "live_far.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bascule/base/now.h>
#include <bascule/base/text.h>
#include <bascule/crypt.h>

#define BEAT_NS      (20 * NS_PER_S) /* it says something every 5 s */
#define LOOK_NS      (NS_PER_S / 4)  /* for our own stop and time limit */
#define READ_BACK_NS (12 * NS_PER_S) /* so long the host is tried again */
#define BRIEF_NS     (5 * NS_PER_S)
#define END_NS       (15 * NS_PER_S) /* from asking it to end to giving up */
#define PAUSE_NS     (NS_PER_S / 2)
#define WORDS_BEFORE 11
#define WHICH_BYTES  48
#define LINE_BYTES   160

/*
 * $1 run, $2 key, $3 attempt, $4 fresh or look, $5 which asking of it this is, $6
 * directory; then the program.
 * A hangup, or a pipe that nobody reads, is no end of it: how the program ended
 * is to be kept.  What it writes goes through a pipe into a file: whatever it leaves running
 * may go on writing, and keeps nobody waiting.
 */
static const char run_script[] =
    "umask 077\n"
    "trap : HUP PIPE\n"
    "top=${HOME:-/tmp}/.bascule-steps base=$top/$1/$2 n=$3 how=$4 which=$5 "
    "at=$6\n"
    "shift 6\n"
    "d=$base.$n\n"
    "stop() { pkill -\"$1\" -s \"$2\" 2>/dev/null || kill -\"$1\" -- -\"$2\""
    " 2>/dev/null; }\n"
    "end() { printf 'exit %s %s %s\\n' \"$(cat \"$1/exit\")\" \"$2\""
    " \"$(wc -c <\"$1/out\")\"; cat \"$1/out\"; exit 0; }\n"
    "rm -rf \"$d\"; mkdir -p \"$d\" && echo \"$which\" >\"$d/which\""
    " || exit 90\n"
    "find \"$top\" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} +"
    " 2>/dev/null\n"
    "i=1; while [ $i -lt \"$n\" ]; do p=$base.$i; i=$((i + 1))\n"
    "  [ -f \"$p/sid\" ] || continue\n"
    "  if [ ! -f \"$p/exit\" ]; then s=$(cat \"$p/sid\")\n"
    "    stop TERM \"$s\" && { sleep 1; stop KILL \"$s\"; sleep 1; }; fi\n"
    "  [ \"$how\" = look ] && [ \"$(cat \"$p/exit\" 2>/dev/null)\" = 0 ] &&"
    " end \"$p\" again\n"
    "done\n"
    "mkfifo \"$d/pipe\" || exit 90\n"
    ": >\"$d/out\"; exec 3<&0\n"
    "{ head -c 262144 >\"$d/out\"; cat >/dev/null; } <\"$d/pipe\" 2>/dev/null "
    "&\n"
    "reader=$!\n"
    "cd \"$at\" 2>/dev/null || cd /\n"
    "setsid \"$@\" </dev/null >\"$d/pipe\" 2>&1 3<&- &\n"
    "sid=$!; echo $sid >\"$d/sid\"\n"
    "{ while read -r w; do [ \"$w\" = stop ] && break; done\n"
    "  : >\"$d/stopped\"; stop TERM $sid; sleep 2; stop KILL $sid; }"
    " <&3 >/dev/null 2>&1 &\n"
    "watch=$!\n"
    "echo begun\n"
    "{ trap 'kill $!; exit' TERM; while sleep 5 >/dev/null 2>&1 & wait $!; do"
    " echo beat; done; } <&- 2>/dev/null &\n"
    "beat=$!\n"
    "while wait $sid; code=$?; kill -0 $sid 2>/dev/null; do :; done\n"
    "kill $watch $beat 2>/dev/null\n"
    "how=ended; [ -f \"$d/stopped\" ] && how=stopped\n"
    "[ $code -eq 0 ] && [ $how = ended ] || stop KILL $sid\n"
    "i=0; while kill -0 $reader 2>/dev/null && [ $i -lt 6 ]; do sleep 0.05;"
    " i=$((i + 1)); done\n"
    "echo $code >\"$d/exit.new\" && mv \"$d/exit.new\" \"$d/exit\" || exit 90\n"
    "end \"$d\" $how\n";

/*
 * $1 run, $2 key, $3 attempt, $4 which asking: kill it if it still runs, say how it
 * ended.  What an earlier asking left there is none of ours: a proof of before the
 * service was started again would be one too many.
 */
static const char look_script[] =
    "d=${HOME:-/tmp}/.bascule-steps/$1/$2.$3\n"
    "[ -f \"$d/sid\" ] && [ \"$(cat \"$d/which\" 2>/dev/null)\" = \"$4\" ] ||"
    " { echo none; exit 0; }\n"
    "s=$(cat \"$d/sid\") how=ended\n"
    "stop() { pkill -\"$1\" -s \"$s\" 2>/dev/null || kill -\"$1\" -- -\"$s\""
    " 2>/dev/null; }\n"
    "if [ ! -f \"$d/exit\" ]; then : >\"$d/stopped\"; stop TERM; i=0\n"
    "  while [ ! -f \"$d/exit\" ] && [ $i -lt 40 ]; do sleep 0.1;"
    " [ $i -eq 20 ] && stop KILL; i=$((i + 1)); done; fi\n"
    "[ -f \"$d/stopped\" ] && how=stopped\n"
    "[ -f \"$d/exit\" ] || { echo lost; exit 0; }\n"
    "printf 'exit %s %s %s\\n' \"$(cat \"$d/exit\")\" $how"
    " \"$(wc -c <\"$d/out\")\"\n"
    "cat \"$d/out\"\n";

/* --- hosts and connections ------------------------------------------------ */

enum err_code
live_far_host(struct source_host *out, bool *here, const struct policy *p,
    const struct policy_site *site, const char *name, struct err *e)
{
	const struct policy_host *h;

	*out = (struct source_host){0};
	/* The first host of a site is the one that Bascule runs on. */
	*here = *name == '\0' ||
	    (site->host_count > 0 && strcmp(site->hosts[0].name, name) == 0);
	if (*here)
		return ERR_NONE;
	h = policy_find_host(p, name, NULL);
	if (h == NULL)
		return err_set(e, ERR_POLICY, "no site declares a host '%s'",
		    name);
	*out = (struct source_host){
	    .name = h->name,
	    .address = h->address,
	    .port = (uint16_t)h->port,
	    .user = h->user,
	    .host_keys = h->host_keys.items,
	    .host_keys_count = h->host_keys.count,
	    .identity = *p->identity != '\0' ? p->identity : NULL,
	};
	return ERR_NONE;
}

enum err_code
live_far_connect(struct sshconn **out, const struct source_host *host,
    struct err *e)
{
	OWNED(hostpins_free) struct hostpins *pins = NULL;
	struct sshconn_options opt = {.user = host->user,
	    .host = host->address,
	    .port = host->port,
	    .identity_file = host->identity,
	    .timeout_ns = host->timeout_ns,
	    .dial_ns = READ_BACK_NS,
	    .cancel = host->cancel};
	enum err_code rc = hostpins_new(&pins, e);

	*out = NULL;
	for (size_t i = 0; rc == ERR_NONE && i < host->host_keys_count; i++)
		rc = hostpins_add_fingerprint(pins, host->host_keys[i], e);
	opt.pins = pins;
	if (rc == ERR_NONE)
		rc = sshconn_open(out, &opt, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "host '%s'", host->name);
}

/* --- our own stop --------------------------------------------------------- */

static volatile sig_atomic_t told_to_stop;

static void
on_term(int number)
{
	(void)number;
	told_to_stop = 1;
}

static void
watch_stop(void)
{
	struct sigaction sa = {.sa_handler = on_term};

	sigemptyset(&sa.sa_mask);
	sigaction(SIGTERM, &sa, NULL);
}

/* --- what the far shell says ---------------------------------------------- */

struct far {
	const struct live_far *f;
	struct sshexec *x;
	struct buf in; /* what came and was not read yet */
	struct planrun_said *said;
	const char *which;
	struct mono deadline; /* ns 0: none */
	struct mono heard, ends_by;
	enum err_code why; /* it was told to end, because */
	bool was_asked, is_known, was_again;
};

static void
far_fini(struct far *r)
{
	sshexec_close(&r->x);
	buf_fini(&r->in);
}

static void
drop(struct buf *b, size_t bytes)
{
	memmove(b->bytes, b->bytes + bytes, b->len_bytes - bytes);
	b->len_bytes -= bytes;
}

static enum err_code
lost(struct err *e, const struct live_far *f, const char *what)
{
	return err_set(e, ERR_TIMEOUT, "the connection to '%s' was lost: %s",
	    f->host->name, what);
}

/* What comes within ns, behind what is there; ERR_BUSY: nothing did. */
static enum err_code
take_more(struct far *r, int64_t ns, struct err *e)
{
	char bytes[16384];
	size_t got = 0;
	enum err_code rc =
	    sshexec_read_within(r->x, bytes, sizeof(bytes), ns, &got, e);

	if (rc != ERR_NONE)
		return rc;
	if (got == 0)
		return lost(e, r->f, "its shell ended without a word");
	r->heard = now_mono();
	return buf_add(&r->in, bytes, got, e);
}

/* Its own words are kept whole, hashed and counted. */
static enum err_code
take_output(struct far *r, size_t bytes, struct err *e)
{
	struct planrun_said *s = r->said;
	size_t keep, tail;
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && r->in.len_bytes < bytes) {
		rc = take_more(r, BEAT_NS, e);
		if (rc == ERR_BUSY)
			rc = lost(e, r->f, "silence");
	}
	if (rc != ERR_NONE)
		return rc;
	keep = bytes < PLANRUN_PROGRAM_HEAD_BYTES ? bytes
						  : PLANRUN_PROGRAM_HEAD_BYTES;
	tail = bytes < PLANRUN_PROGRAM_TAIL_BYTES ? bytes
						  : PLANRUN_PROGRAM_TAIL_BYTES;
	s->bytes = bytes;
	rc = buf_add(&s->out, r->in.bytes, keep, e);
	if (rc == ERR_NONE)
		rc = buf_add(&s->tail, r->in.bytes + bytes - tail, tail, e);
	return rc == ERR_NONE ? hash_sha256(r->in.bytes, bytes, &s->hash, e)
			      : rc;
}

/* "exit CODE HOW BYTES" */
static enum err_code
take_exit(struct far *r, const char *line, struct err *e)
{
	unsigned code;
	unsigned long bytes;
	char how[16];

	if (sscanf(line, "exit %3u %15s %7lu", &code, how, &bytes) != 3 ||
	    code > 255 || bytes > 262144)
		return err_set(e, ERR_IO,
		    "the shell on '%s' said what makes no sense",
		    r->f->host->name);
	r->said->exit_status = code > 128 && code < 192 ? -1 : (int)code;
	r->said->signal = code > 128 && code < 192 ? (int)code - 128 : 0;
	r->was_again = strcmp(how, "again") == 0;
	r->said->was_stopped = strcmp(how, "stopped") == 0;
	r->is_known = true;
	return take_output(r, bytes, e);
}

static enum err_code
take_line(struct far *r, bool *more, struct err *e)
{
	char line[LINE_BYTES];
	const uint8_t *end = r->in.len_bytes == 0
	    ? NULL
	    : memchr(r->in.bytes, '\n', r->in.len_bytes);
	size_t len;

	*more = end != NULL;
	if (end == NULL)
		return r->in.len_bytes < LINE_BYTES
		    ? ERR_NONE
		    : err_set(e, ERR_IO,
			  "the shell on '%s' said what makes no sense",
			  r->f->host->name);
	len = (size_t)(end - r->in.bytes);
	snprintf(line, sizeof(line), "%.*s",
	    (int)(len < LINE_BYTES ? len : LINE_BYTES - 1), r->in.bytes);
	drop(&r->in, len + 1);
	if (strcmp(line, "none") == 0)
		return err_set(e, ERR_NOTFOUND, "it was never begun there");
	if (strcmp(line, "lost") == 0)
		return err_set(e, ERR_IO,
		    "it is gone from '%s' and left no outcome",
		    r->f->host->name);
	return strncmp(line, "exit ", 5) == 0 ? take_exit(r, line, e)
					      : ERR_NONE;
}

/* --- to its end ----------------------------------------------------------- */

/* Tell it to end, once; it has END_NS to say that it did. */
static enum err_code
tell_stop(struct far *r, enum err_code why, struct err *e)
{
	if (r->why != ERR_NONE)
		return ERR_NONE;
	r->why = why;
	r->ends_by.ns = now_mono().ns + END_NS;
	return sshexec_write(r->x, "stop\n", 5, e);
}

static enum err_code
look_at_time(struct far *r, struct err *e)
{
	struct mono now = now_mono();

	if (now.ns - r->heard.ns > BEAT_NS)
		return lost(e, r->f, "silence");
	if (r->why != ERR_NONE && now.ns >= r->ends_by.ns)
		return err_set(e, ERR_TIMEOUT,
		    "it was told to end on '%s' and does not",
		    r->f->host->name);
	if (told_to_stop)
		return tell_stop(r, ERR_CANCELLED, e);
	if (r->deadline.ns != 0 && now.ns >= r->deadline.ns)
		return tell_stop(r, ERR_TIMEOUT, e);
	return ERR_NONE;
}

static enum err_code
follow(struct far *r, struct err *e)
{
	enum err_code rc = ERR_NONE;

	r->heard = now_mono();
	while (rc == ERR_NONE && !r->is_known) {
		bool more = true;

		while (rc == ERR_NONE && more && !r->is_known)
			rc = take_line(r, &more, e);
		if (rc != ERR_NONE || r->is_known)
			break;
		rc = take_more(r, LOOK_NS, e);
		if (rc == ERR_BUSY)
			rc = ERR_NONE;
		if (rc == ERR_NONE)
			rc = look_at_time(r, e);
	}
	return rc;
}

/* One command there, with a shell of ours around it. */
static enum err_code
talk(struct far *r, struct sshconn *conn, const char *const *argv,
    struct err *e)
{
	enum err_code rc;

	r->was_asked = true;
	rc = sshexec_open(&r->x, conn, argv, e);
	return rc == ERR_NONE ? follow(r, e) : rc;
}

/*
 * The connection broke: how did it end?  Tried for a while, for a link often
 * comes back within seconds.
 */
static enum err_code
read_back(const struct live_far *f, const char *which,
    struct planrun_said *said, struct err *e)
{
	struct mono until = {now_mono().ns + READ_BACK_NS};
	struct timespec pause = {0, PAUSE_NS};
	char attempt[16];
	const char *argv[] = {"sh", "-c", look_script, "bascule-step", f->run,
	    f->key, attempt, which, NULL};
	struct source_host host = *f->host;

	host.timeout_ns = 5 * NS_PER_S;
	snprintf(attempt, sizeof(attempt), "%u", f->attempt);
	for (;;) {
		OWNED(sshconn_close) struct sshconn *conn = NULL;
		OWNED(far_fini) struct far r = {.f = f, .said = said};
		enum err_code rc = live_far_connect(&conn, &host, e);

		if (rc == ERR_NONE)
			rc = talk(&r, conn, argv, e);
		if (rc != ERR_TIMEOUT || now_mono().ns >= until.ns)
			return rc;
		nanosleep(&pause, NULL);
	}
}

static enum err_code
make_argv(const char ***out, const struct far *r, char attempt[16],
    char *const env[3], struct err *e)
{
	const struct live_far *f = r->f;
	size_t count = 0, at = 0;
	const char **words;

	while (f->argv[count] != NULL)
		count++;
	words = calloc(count + WORDS_BEFORE + 6, sizeof(*words));
	*out = words;
	if (words == NULL)
		return err_nomem(e);
	words[at++] = "sh";
	words[at++] = "-c";
	words[at++] = run_script;
	words[at++] = "bascule-step";
	words[at++] = f->run;
	words[at++] = f->key;
	words[at++] = attempt;
	words[at++] = f->is_fresh ? "fresh" : "look";
	words[at++] = r->which;
	words[at++] = f->sandbox != NULL ? f->sandbox : "/";
	words[at++] = "env";
	for (size_t i = 0; i < 3; i++)
		words[at++] = env[i];
	memcpy(words + at, f->argv, count * sizeof(*words));
	return ERR_NONE;
}

static void
free_env(char **env)
{
	for (size_t i = 0; i < 3; i++)
		free(env[i]);
}

static enum err_code
start(struct far *r, struct sshconn *conn, struct err *e)
{
	OWNED(free_mem) const char **argv = NULL;
	char attempt[16];
	char *env[3] = {NULL, NULL, NULL};
	const struct live_far *f = r->f;
	enum err_code rc = ERR_NONE;

	snprintf(attempt, sizeof(attempt), "%u", f->attempt);
	if (asprintf(&env[0], "BASCULE_RUN=%s", f->run) < 0)
		env[0] = NULL;
	if (asprintf(&env[1], "BASCULE_STEP=%s", f->step) < 0)
		env[1] = NULL;
	if (asprintf(&env[2], "BASCULE_SANDBOX=%s",
		f->sandbox != NULL ? f->sandbox : "") < 0)
		env[2] = NULL;
	if (env[0] == NULL || env[1] == NULL || env[2] == NULL)
		rc = err_nomem(e);
	if (rc == ERR_NONE)
		rc = make_argv(&argv, r, attempt, env, e);
	if (rc == ERR_NONE)
		rc = talk(r, conn, argv, e);
	free_env(env);
	return rc;
}

/* It ended there, and how is known. */
static enum err_code
judge(const struct far *r, struct err *e)
{
	if (!r->said->was_stopped)
		return ERR_NONE;
	if (r->why == ERR_CANCELLED)
		return err_set(e, ERR_CANCELLED, "stopped on '%s'",
		    r->f->host->name);
	if (r->why == ERR_TIMEOUT)
		return err_set(e, ERR_TIMEOUT,
		    "'%s' did not end in time on '%s', and was killed there",
		    r->f->argv[0], r->f->host->name);
	return err_set(e, ERR_IO,
	    "the connection to '%s' was lost: '%s' was killed there",
	    r->f->host->name, r->f->argv[0]);
}

static enum err_code
recover(struct far *r, bool *uncertain, struct err *e)
{
	struct err why = *e, back;
	enum err_code rc = read_back(r->f, r->which, r->said, &back);

	if (rc == ERR_NONE)
		return judge(r, e);
	if (rc == ERR_NOTFOUND)
		return err_set(e, ERR_IO, "%s; %s", why.text, back.text);
	*uncertain = true;
	err_set(e, ERR_IO, "%.300s; how it ended could not be read: %.160s",
	    why.text, back.text);
	text_mend_end(e->text);
	return e->code;
}

static int64_t
patience(const struct live_far *f)
{
	if (f->is_brief)
		return 0;
	return f->timeout_ns > 0 && f->timeout_ns < READ_BACK_NS ? f->timeout_ns
								 : READ_BACK_NS;
}

/* Nothing was asked of it yet, so it may be tried again for a while. */
static enum err_code
connect_patiently(struct sshconn **out, const struct live_far *f, struct err *e)
{
	struct mono until = {now_mono().ns + patience(f)};
	struct timespec pause = {0, PAUSE_NS};
	struct source_host host = *f->host;

	if (f->is_brief)
		host.timeout_ns = BRIEF_NS;
	for (;;) {
		enum err_code rc = live_far_connect(out, &host, e);

		if (rc != ERR_TIMEOUT || told_to_stop ||
		    now_mono().ns >= until.ns)
			return rc;
		nanosleep(&pause, NULL);
	}
}

enum err_code
live_far_run(const struct live_far *f, struct planrun_said *out,
    bool *uncertain, struct err *e)
{
	OWNED(sshconn_close) struct sshconn *conn = NULL;
	char which[WHICH_BYTES];
	OWNED(far_fini) struct far r = {.f = f, .said = out, .which = which};
	enum err_code rc;

	snprintf(which, sizeof(which), "%lld-%d", (long long)now_utc().ns,
	    (int)getpid());
	*out = (struct planrun_said){.exit_status = -1};
	*uncertain = false;
	if (strchr(f->run, '/') != NULL || strchr(f->key, '/') != NULL)
		return err_set(e, ERR_INPUT, "a '/' in the name of a step");
	watch_stop();
	rc = connect_patiently(&conn, f, e);
	if (rc != ERR_NONE) {
		out->was_unreached = rc == ERR_TIMEOUT;
		return rc; /* nothing was asked of it */
	}
	if (f->timeout_ns > 0)
		r.deadline.ns = now_mono().ns + f->timeout_ns;
	rc = start(&r, conn, e);
	if (rc == ERR_NONE)
		return judge(&r, e);
	if (!r.was_asked || rc == ERR_INPUT)
		return rc; /* the same */
	planrun_program_fini(out);
	*out = (struct planrun_said){.exit_status = -1};
	return recover(&r, uncertain, e);
}
