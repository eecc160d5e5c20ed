/*
 * bascule site trust: shows the key a host offers, and what to write down to
 * trust it.  It writes nothing itself: the comparison is a person's.
 */

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <bascule/policy.h>
#include <bascule/ssh.h>
#include <bascule/wire.h>

#include "cli.h"
#include "place.h"
#include "stop.h"

/* One host that is to be looked at; the strings are borrowed. */
struct host {
	const char *site, *name; /* NULL: of no policy */
	const char *address;
	uint16_t port;
	const struct policy_texts *pinned; /* NULL: of no policy */
};

enum verdict { UNKNOWN, PINNED, NOT_PINNED, ANOTHER };

static enum verdict
judge(const struct host *h, const char *fingerprint)
{
	const char *bare = strstr(fingerprint, "SHA256:");

	if (h->pinned == NULL)
		return UNKNOWN;
	for (size_t i = 0; i < h->pinned->count; i++) {
		const char *pin = strstr(h->pinned->items[i], "SHA256:");

		if (pin != NULL && bare != NULL && strcmp(pin, bare) == 0)
			return PINNED;
	}
	return h->pinned->count == 0 ? NOT_PINNED : ANOTHER;
}

static int
show_json(struct cli *cli, const struct host *h, const char *fingerprint,
    const char *line, enum verdict v)
{
	OWNED(wire_free) struct wire_value *out = NULL;
	struct err e;

	if (wire_new(&out, "host_key", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	if (h->site != NULL)
		wire_add_text(out, "site", h->site);
	if (h->name != NULL)
		wire_add_text(out, "host", h->name);
	wire_add_text(out, "address", h->address);
	wire_add_uint(out, "port", h->port);
	wire_add_text(out, "fingerprint", fingerprint);
	wire_add_text(out, "known_hosts", line);
	if (v != UNKNOWN)
		wire_add_bool(out, "pinned", v == PINNED);
	return cli_line(cli, &out);
}

static void
show_text(const struct host *h, const char *fingerprint, const char *line,
    enum verdict v)
{
	const char *bare = strstr(fingerprint, "SHA256:");
	const char *type =
	    strncmp(fingerprint, "ssh-ed25519", 11) == 0 ? "ed25519" : "ecdsa";

	printf("%s%s%s port %u shows the host key\n  %s\n",
	    h->name != NULL ? h->name : "", h->name != NULL ? ", " : "",
	    h->address, (unsigned)h->port, fingerprint);
	if (v == PINNED) {
		puts("which is the one that the policy pins");
		return;
	}
	if (v == ANOTHER)
		puts("WHICH IS NOT THE ONE THAT THE POLICY PINS: somebody may "
		     "be in between");
	printf("Compare it on the host itself, and only then trust it:\n"
	       "  ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub\n",
	    type);
	if (h->pinned != NULL)
		printf("In the policy, for host \"%s\" of site \"%s\":\n"
		       "  host_keys = [ \"%s\" ];\n",
		    h->name, h->site, bare != NULL ? bare : fingerprint);
	else
		printf("In known_hosts (or --host-key %s):\n  %s\n",
		    bare != NULL ? bare : fingerprint, line);
}

static int
look(struct cli *cli, const struct host *h)
{
	OWNED(buf_fini) struct buf line = {0};
	char fingerprint[SSH_FINGERPRINT_BYTES];
	struct sshconn_options o = {.host = h->address,
	    .port = h->port,
	    .cancel = cli_stop_catch()};
	enum verdict v;
	struct err e;
	int status = EXITCODE_DONE;

	if (sshconn_scan(&o, fingerprint, &line, &e) != ERR_NONE)
		return cli_stop_failed(cli, &e);
	v = judge(h, fingerprint);
	if (cli->json)
		status = show_json(cli, h, fingerprint, buf_text(&line), v);
	else
		show_text(h, fingerprint, buf_text(&line), v);
	if (status != EXITCODE_DONE)
		return status;
	return v == ANOTHER ? EXITCODE_NOT_ALLOWED : EXITCODE_DONE;
}

/* --- whose ------------------------------------------------------------------- */

static int
look_at_url(struct cli *cli, const char *url)
{
	struct sshurl u;
	struct err e;

	if (sshurl_parse(&u, url, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	return look(cli, &(struct host){.address = u.host, .port = u.port});
}

static int
look_at_site(struct cli *cli, const struct policy_site *s)
{
	int worst = EXITCODE_DONE;

	for (size_t i = 0; i < s->host_count; i++) {
		const struct policy_host *ph = &s->hosts[i];
		int status = look(cli,
		    &(struct host){s->name, ph->name, ph->address,
			(uint16_t)ph->port, &ph->host_keys});

		worst = worst == EXITCODE_DONE ? status : worst;
	}
	return worst;
}

static int
run(struct cli *cli)
{
	OWNED(policy_free) struct policy *p = NULL;
	const struct policy_site *site;
	const char *what = cli->operands[0];
	struct err e;

	if (strstr(what, "://") != NULL)
		return look_at_url(cli, what);
	if (place_policy(cli, &p, &e) != ERR_NONE) {
		if (e.code == ERR_POLICY)
			err_hint(&e,
			    "'bascule policy check' says what; a host that no "
			    "policy names yet: bascule site trust "
			    "ssh://HOST:PORT");
		return cli_fail(cli, &e);
	}
	site = policy_find_site(p, what);
	if (site == NULL) {
		err_set(&e, ERR_NOTFOUND, "the policy has no site '%s'", what);
		return cli_fail(cli, &e);
	}
	if (site->host_count == 0) {
		err_set(&e, ERR_NOTFOUND, "site '%s' has no host", what);
		return cli_fail(cli, &e);
	}
	return look_at_site(cli, site);
}

static const struct cli_option options[] = {
    PLACE_OPTION,
    {NULL, 0, NULL, NULL},
};

const struct cli_command command_site_trust = {"site trust",
    "SITE | ssh://HOST[:PORT]",
    "show the key a host offers, and the line that would trust it", options, 1,
    1, run};
