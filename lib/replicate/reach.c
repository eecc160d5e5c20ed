#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bascule/ssh.h>

#include "pulling.h"
#include "reach.h"

#define PROGRAM      "bascule"
#define PASSWD_BYTES 4096

/* A command at the far end, as a transport. */
struct reach {
	struct sshconn *conn;
	struct sshexec *command;
	int64_t round_trip_ns;
	bool ended; /* its output has come to an end */
};

static void
reach_fini(struct reach *r)
{
	sshexec_close(&r->command);
	sshconn_close(&r->conn);
}

static enum err_code
read_far(void *ctx, void *bytes, size_t max_bytes, size_t *got, struct err *e)
{
	struct reach *r = ctx;
	enum err_code rc = sshexec_read(r->command, bytes, max_bytes, got, e);

	r->ended = rc == ERR_NONE && *got == 0;
	return rc;
}

static enum err_code
write_far(void *ctx, const void *bytes, size_t len_bytes, struct err *e)
{
	struct reach *r = ctx;

	return sshexec_write(r->command, bytes, len_bytes, e);
}

/* --- whom to trust, as whom to come ------------------------------------------------- */

static enum err_code
pin_own_file(struct hostpins *pins, const struct sshurl *u, struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};
	const char *home = getenv("HOME");
	enum err_code rc;

	if (home == NULL || home[0] != '/')
		return ERR_NONE; /* nothing is pinned: that will be said */
	if (buf_printf(&path, e, "%s/.ssh/known_hosts", home) != ERR_NONE)
		return e->code;
	rc = hostpins_add_known_hosts(pins, buf_text(&path), u->host, u->port,
	    e);
	return rc == ERR_NOTFOUND ? ERR_NONE : rc;
}

static enum err_code
pin(struct hostpins *pins, const struct replicate_target *to,
    const struct sshurl *u, struct err *e)
{
	for (size_t i = 0; i < to->host_keys_count; i++)
		if (hostpins_add_fingerprint(pins, to->host_keys[i], e) !=
		    ERR_NONE)
			return e->code;
	if (to->known_hosts != NULL)
		return hostpins_add_known_hosts(pins, to->known_hosts, u->host,
		    u->port, e);
	return to->host_keys_count > 0 ? ERR_NONE : pin_own_file(pins, u, e);
}

static enum err_code
name_user(struct sshurl *u, struct err *e)
{
	char room[PASSWD_BYTES];
	struct passwd pw, *found = NULL;

	if (u->user[0] != '\0')
		return ERR_NONE;
	if (getpwuid_r(geteuid(), &pw, room, sizeof(room), &found) != 0 ||
	    found == NULL || strlen(found->pw_name) > SSH_USER_BYTES_MAX)
		return err_set(e, ERR_INPUT,
		    "no user is named to log in to '%s' as", u->host);
	memcpy(u->user, found->pw_name, strlen(found->pw_name) + 1);
	return ERR_NONE;
}

/* --- there and back --------------------------------------------------------------------- */

enum err_code
reach_dial(struct sshconn **out, struct sshurl *u,
    const struct replicate_target *to, const volatile sig_atomic_t *cancel,
    struct err *e)
{
	OWNED(hostpins_free) struct hostpins *pins = NULL;
	struct sshconn_options o = {
	    .user = u->user,
	    .bind_address = to->bind_address,
	    .identity_file = to->identity,
	    .passphrase_file = to->identity_passphrase_file,
	    .timeout_ns = to->timeout_ns,
	    .cancel = cancel,
	};

	if (sshurl_parse(u, to->url, e) != ERR_NONE)
		return e->code;
	if (u->path[0] == '\0' || strcmp(u->path, "/") == 0)
		return err_set(e, ERR_INPUT, "'%s' names no repository",
		    to->url);
	if (name_user(u, e) != ERR_NONE || hostpins_new(&pins, e) != ERR_NONE ||
	    pin(pins, to, u, e) != ERR_NONE)
		return e->code;
	o.host = to->address != NULL ? to->address : u->host;
	o.port = u->port;
	o.pins = pins;
	return sshconn_open(out, &o, e);
}

/* allow: what the far end is to do.  service: of which, of a pull; or NULL. */
static enum err_code
reach_open(struct reach *r, struct transport *t,
    const struct replicate_target *to, const char *allow, const char *service,
    const volatile sig_atomic_t *cancel, struct err *e)
{
	struct mono begun;
	enum err_code rc;
	struct sshurl u;
	const char *argv[] = {to->remote_bascule != NULL ? to->remote_bascule
							 : PROGRAM,
	    "-r", u.path, "store", "serve", "--allow", allow,
	    service != NULL ? "--service" : NULL, service, NULL};

	*t = (struct transport){read_far, write_far, r};
	if (reach_dial(&r->conn, &u, to, cancel, e) != ERR_NONE)
		return e->code;
	begun = now_mono();
	rc = sshexec_open(&r->command, r->conn, argv, e);
	/* There and back twice: a channel, and the command in it. */
	r->round_trip_ns = (now_mono().ns - begun.ns) / 2;
	return rc;
}

/*
 * The conversation failed because the far command ended: how it ended and
 * what it complained of says more than that it did.
 */
static enum err_code
explain(struct reach *r, struct err *e)
{
	struct err end = {0};
	struct sshexit how;
	const char *words;
	enum err_code rc = sshexec_finish(r->command, &how, &end);

	if (rc == ERR_NOTFOUND) {
		*e = end;
		return rc;
	}
	words = sshexec_stderr(r->command);
	if (rc != ERR_NONE || (how.status == 0 && words[0] == '\0'))
		return e->code;
	if (how.signal[0] != '\0')
		return err_set(e, e->code,
		    "the far side was ended by signal %s", how.signal);
	return err_set(e, e->code, "the far side ended with status %d: %s",
	    how.status, words[0] != '\0' ? words : "it said nothing");
}

/* --- further connections ------------------------------------------------------------------ */

struct lane_far {
	const struct replicate_target *target;
	const char *allow, *service;
};

static enum err_code
open_lane(void *ctx, struct transport *out, const volatile sig_atomic_t *cancel,
    struct err *e)
{
	const struct lane_far *far = ctx;
	struct reach *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return err_nomem(e);
	if (reach_open(r, out, far->target, far->allow, far->service, cancel,
		e) == ERR_NONE)
		return ERR_NONE;
	reach_fini(r);
	free(r);
	return e->code;
}

static void
close_lane(void *ctx, struct transport *t)
{
	(void)ctx;
	reach_fini(t->ctx);
	free(t->ctx);
}

enum err_code
reach_push(struct store *st, const struct replicate_target *to,
    const struct replicate_options *opt, struct replicate_tally *out,
    struct err *e)
{
	OWNED(reach_fini) struct reach r = {0};
	struct transport t;
	struct lane_far far = {to, "put", NULL};
	const struct lanes_way way = {open_lane, close_lane, &far};
	enum err_code rc;

	*out = (struct replicate_tally){.link = opt->link};
	rc = reach_open(&r, &t, to, "put", NULL, opt->cancel, e);
	if (rc == ERR_NONE) {
		rc = replicate_over(st, &t, &way, opt, out, e);
		if (rc == ERR_IO && r.ended)
			rc = explain(&r, e);
	}
	return rc == ERR_NONE ? rc
			      : err_wrap(e, "replicating to '%s'", to->url);
}

/* --- the other way round ------------------------------------------------------------------- */

enum err_code
reach_pull(const char *path, const struct replicate_target *from,
    const char *service, const struct serve_options *opt,
    struct serve_tally *out, struct err *e)
{
	OWNED(reach_fini) struct reach r = {0};
	struct lane_far far = {from, "get", service != NULL ? service : "*"};
	const struct lanes_way way = {open_lane, close_lane, &far};
	struct transport t;
	enum err_code rc;

	*out = (struct serve_tally){0};
	rc = reach_open(&r, &t, from, far.allow, far.service, opt->cancel, e);
	if (rc == ERR_NONE) {
		rc = pulling_over(path, &t, &way, r.round_trip_ns, opt, out, e);
		if (rc != ERR_NONE && r.ended && rc != ERR_CANCELLED)
			rc = explain(&r, e);
		else if (rc == ERR_TIMEOUT && out->wanted_bytes == 0)
			err_hint(e,
			    "does what the key may run there say --allow get?");
	}
	return rc == ERR_NONE ? rc
			      : err_wrap(e, "fetching from '%s'", from->url);
}

enum err_code
reach_heal(struct store *st, const struct replicate_target *from,
    const struct heal_options *opt, const volatile sig_atomic_t *cancel,
    struct heal_tally *out, struct err *e)
{
	OWNED(reach_fini) struct reach r = {0};
	struct transport t;
	enum err_code rc = reach_open(&r, &t, from, "heal", NULL, cancel, e);

	memset(out, 0, sizeof(*out));
	if (rc != ERR_NONE)
		return err_wrap(e, "healing from '%s'", from->url);
	rc = fetching_heal(st, &t, from->url, opt, out, e);
	return rc == ERR_IO && r.ended ? explain(&r, e) : rc;
}
