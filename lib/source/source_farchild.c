#include "source_farchild.h"

#include <signal.h>
#include <string.h>

#include <bascule/base/now.h>

#include "source_farhost.h"

#define ASK_NS (NS_PER_S / 5) /* between asking whether it is still wanted */

struct source_farchild {
	struct source_farhost host;
	struct sshconn *conn;
	struct sshexec *exec;
	struct mono started, deadline; /* deadline.ns 0: none */
	bool (*is_wanted)(void *ctx);  /* or NULL */
	void *ctx;
	bool ended; /* its output has */
	char name[64];
};

/* --- starting --- */

/* argv, with env(1) before it where settings are given. */
static enum err_code
words_of(const char ***out, const struct source_program *p, struct err *e)
{
	size_t count = 0, settings = 0, n = 0;
	const char **words;

	while (p->argv[count] != NULL)
		count++;
	while (p->env != NULL && p->env[settings] != NULL)
		settings++;
	if (settings > SOURCE_ARGV_COUNT_MAX)
		return err_set(e, ERR_INPUT,
		    "too many settings for its environment");
	words = calloc(count + settings + 2, sizeof(*words));
	if (words == NULL)
		return err_nomem(e);
	if (settings > 0)
		words[n++] = "env";
	for (size_t i = 0; i < settings; i++)
		words[n++] = p->env[i];
	for (size_t i = 0; i < count; i++)
		words[n++] = p->argv[i];
	*out = words;
	return ERR_NONE;
}

static enum err_code
start(struct source_farchild *c, const struct source_program *p, bool fed,
    struct err *e)
{
	OWNED(free_mem) const char **words = NULL;
	enum err_code rc = words_of(&words, p, e);

	if (rc == ERR_NONE)
		rc = source_farhost_init(&c->host, p->host, e);
	if (rc == ERR_NONE)
		rc = source_farhost_connect(&c->host, &c->conn, e);
	if (rc == ERR_NONE)
		rc = sshexec_open(&c->exec, c->conn, words, e);
	if (rc == ERR_NONE && !fed)
		rc = sshexec_send_eof(c->exec, e);
	return rc;
}

enum err_code
source_farchild_start(struct source_farchild **out,
    const struct source_program *program, bool fed, struct err *e)
{
	OWNED(source_farchild_free) struct source_farchild *c = NULL;
	enum err_code rc;

	*out = NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return err_nomem(e);
	snprintf(c->name, sizeof(c->name), "%s", program->argv[0]);
	c->is_wanted = program->is_wanted;
	c->ctx = program->ctx;
	c->started = now_mono();
	source_farchild_wind(c, program->timeout_ns);
	if ((rc = start(c, program, fed, e)) != ERR_NONE)
		return rc;
	*out = TAKE(c);
	return ERR_NONE;
}

void
source_farchild_wind(struct source_farchild *c, int64_t timeout_ns)
{
	struct mono now = now_mono();

	c->deadline.ns = timeout_ns > 0 && timeout_ns < INT64_MAX - now.ns
	    ? now.ns + timeout_ns
	    : 0;
}

enum err_code
source_farchild_tell(struct source_farchild *c, const char *text, struct err *e)
{
	enum err_code rc = sshexec_write(c->exec, text, strlen(text), e);

	return rc == ERR_NONE ? sshexec_send_eof(c->exec, e) : rc;
}

/* --- reading --- */

/* How long may be waited at once: until the deadline or the next question. */
static enum err_code
time_left(const struct source_farchild *c, int64_t *left_ns, struct err *e)
{
	*left_ns = ASK_NS;
	if (c->is_wanted != NULL && !c->is_wanted(c->ctx))
		return err_set(e, ERR_CANCELLED, "'%s' on '%s' was stopped",
		    c->name, c->host.host.name);
	if (c->deadline.ns != 0) {
		int64_t rest_ns = c->deadline.ns - now_mono().ns;

		if (rest_ns <= 0)
			return err_set(e, ERR_TIMEOUT,
			    "'%s' on '%s' did not end in time", c->name,
			    c->host.host.name);
		*left_ns = rest_ns < ASK_NS ? rest_ns : ASK_NS;
	}
	return ERR_NONE;
}

enum err_code
source_farchild_read(struct source_farchild *c, void *bytes, size_t size_bytes,
    size_t *got, struct err *e)
{
	int64_t left_ns;
	enum err_code rc;

	*got = 0;
	if (c->ended)
		return ERR_NONE;
	do {
		if ((rc = time_left(c, &left_ns, e)) != ERR_NONE)
			return rc;
		rc = sshexec_read_within(c->exec, bytes, size_bytes, left_ns,
		    got, e);
	} while (rc == ERR_BUSY);
	c->ended = rc == ERR_NONE && *got == 0;
	return rc;
}

enum err_code
source_farchild_tend(struct source_farchild *c, struct err *e)
{
	struct err why;
	char bytes[256];
	size_t got;
	enum err_code rc;

	do
		rc = sshexec_read_within(c->exec, bytes, sizeof(bytes), 0, &got,
		    &why);
	while (rc == ERR_NONE && got > 0);
	if (rc == ERR_BUSY)
		return ERR_NONE; /* it lives; *e says nothing */
	if (rc == ERR_NONE)
		return err_set(e, ERR_IO, "it ended too early");
	*e = why;
	return rc;
}

/* --- ending --- */

static int
signal_of(const char *name)
{
	for (int i = 1; i < NSIG; i++) {
		const char *abbreviation = sigabbrev_np(i);

		if (abbreviation != NULL && strcmp(abbreviation, name) == 0)
			return i;
	}
	return SIGKILL; /* one that this machine does not know */
}

static enum err_code
take_exit(struct source_farchild *c, struct source_outcome *out, struct err *e)
{
	struct sshexit how;
	int64_t left_ns;
	enum err_code rc;

	do {
		if ((rc = time_left(c, &left_ns, e)) != ERR_NONE)
			return rc;
		rc = sshexec_end_within(c->exec, left_ns, &how, e);
	} while (rc == ERR_BUSY);
	if (rc != ERR_NONE)
		return rc;
	out->exit_status = how.status;
	out->signal = how.status == -1 ? signal_of(how.signal) : 0;
	return ERR_NONE;
}

enum err_code
source_farchild_wait(struct source_farchild *c, struct source_outcome *out,
    struct err *e)
{
	enum err_code rc = take_exit(c, out, e), tail;
	struct err second = {0};

	out->took_ns = now_mono().ns - c->started.ns;
	tail = sshexec_tail(c->exec, &out->stderr_tail, &second);
	if (rc != ERR_NONE || tail == ERR_NONE)
		return rc;
	*e = second;
	return tail;
}

void
source_farchild_free(struct source_farchild **cp)
{
	struct source_farchild *c = TAKE(*cp);

	if (c == NULL)
		return;
	sshexec_close(&c->exec);
	sshconn_close(&c->conn);
	source_farhost_fini(&c->host);
	free(c);
}
