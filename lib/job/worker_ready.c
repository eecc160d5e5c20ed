/*
 * Ready: what a service would find here if it came.  Measured, told, and
 * judged by the daemon (daemon/ready.h); nothing is changed anywhere.
 */

#include "worker.h"
#include "worker_far.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <bascule/ssh.h>

#include "dnsttl.h"

#define HOST_NS (10 * NS_PER_S) /* for one host to answer */

/* --- this machine --------------------------------------------------------- */

static enum err_code
tell_machine(struct worker *w, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	long free_pages = sysconf(_SC_AVPHYS_PAGES);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	enum err_code rc = wire_new(&v, "machine", e);

	if (rc != ERR_NONE)
		return rc;
	if (pages > 0 && size > 0)
		wire_add_uint(v, "memory_bytes",
		    (uint64_t)pages * (uint64_t)size);
	if (free_pages > 0 && size > 0)
		wire_add_uint(v, "free_bytes",
		    (uint64_t)free_pages * (uint64_t)size);
	if (cpus > 0)
		wire_add_uint(v, "cpus", (uint64_t)cpus);
	return worker_send(w, &v, e);
}

/*
 * The file system that a folder will be on: of the nearest that is there.  What
 * is there and cannot be looked at is nobody else's room.
 */
static bool
look_at_room(const char *path, struct statvfs *st)
{
	char at[4096];
	char *slash;

	snprintf(at, sizeof(at), "%s", path);
	while (at[0] == '/' && statvfs(at, st) == -1) {
		if (errno != ENOENT && errno != ENOTDIR)
			return false;
		slash = strrchr(at, '/');
		if (slash == at && at[1] == '\0')
			return false;
		slash[slash == at ? 1 : 0] = '\0';
	}
	return at[0] == '/';
}

static enum err_code
tell_room(struct worker *w, const struct policy_service *s, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf root = {0};
	struct statvfs st;
	enum err_code rc;

	if (s->live_root[0] == '\0')
		return ERR_NONE;
	rc = policy_live_root(&root, s, worker_policy(w)->site, e);
	if (rc == ERR_NONE)
		rc = wire_new(&v, "room", e);
	if (rc != ERR_NONE)
		return rc;
	if (!look_at_room(buf_text(&root), &st))
		return ERR_NONE;
	wire_add_text(v, "service", s->name);
	wire_add_uint(v, "free_bytes",
	    (uint64_t)st.f_bavail * (uint64_t)st.f_frsize);
	wire_add_uint(v, "device", (uint64_t)st.f_fsid);
	return worker_send(w, &v, e);
}

/* --- hosts ---------------------------------------------------------------- */

/* With a pinned key and a login, as a plan's step would. */
static enum err_code
reach(const struct source_host *h, struct err *e)
{
	OWNED(hostpins_free) struct hostpins *pins = NULL;
	OWNED(sshconn_close) struct sshconn *conn = NULL;
	struct sshconn_options opt = {.user = h->user,
	    .host = h->address,
	    .port = h->port,
	    .identity_file = h->identity,
	    .timeout_ns = HOST_NS,
	    .cancel = h->cancel};
	enum err_code rc = hostpins_new(&pins, e);

	if (h->host_keys_count == 0)
		return err_set(e, ERR_REFUSED,
		    "the policy pins no key of it: write host_keys");
	for (size_t i = 0; rc == ERR_NONE && i < h->host_keys_count; i++)
		rc = hostpins_add_fingerprint(pins, h->host_keys[i], e);
	if (rc != ERR_NONE)
		return rc;
	opt.pins = pins;
	return sshconn_open(&conn, &opt, e);
}

static enum err_code
tell_host(struct worker *w, const char *name, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct source_host h;
	struct err why = {0};
	bool here = false;
	enum err_code rc = worker_far_host(&h, &here, w, name, e);

	if (rc != ERR_NONE || here)
		return rc;
	rc = reach(&h, &why);
	if (rc == ERR_CANCELLED || rc == ERR_NOMEM) {
		*e = why;
		return rc;
	}
	if (wire_new(&v, "host", e) != ERR_NONE)
		return e->code;
	wire_add_text(v, "host", name);
	wire_add_bool(v, "ok", rc == ERR_NONE);
	if (rc != ERR_NONE)
		wire_add_text(v, "text", why.text);
	return worker_send(w, &v, e);
}

static bool
is_named(const struct policy *p, const char *host)
{
	for (size_t i = 0; i < p->service_count; i++)
		if (policy_names_host(&p->services[i], host))
			return true;
	return false;
}

static enum err_code
tell_hosts(struct worker *w, struct err *e)
{
	const struct policy_site *site = worker_site(w);
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < site->host_count; i++)
		if (is_named(worker_policy(w), site->hosts[i].name))
			rc = tell_host(w, site->hosts[i].name, e);
	return rc;
}

/* --- names ---------------------------------------------------------------- */

static enum err_code
tell_name(struct worker *w, const struct policy_service *s,
    const struct policy_dns *dns, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	uint32_t seconds;
	struct err why;
	enum err_code rc = wire_new(&v, "name", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", s->name);
	wire_add_text(v, "name", dns->name);
	if (dnsttl_ask(dns->name, dns->resolver, &seconds, &why) == ERR_NONE)
		wire_add_uint(v, "ttl_seconds", seconds);
	else
		wire_add_text(v, "error", why.text);
	return worker_send(w, &v, e);
}

/* --- the key ---------------------------------------------------------------- */

/*
 * Does it open the newest snapshot of the service?  ERR_NOTFOUND: there is
 * none; ERR_KEY: it does not; else nobody can say, for it cannot be read.
 */
static enum err_code
open_newest(struct store *st, const char *service, struct err *e)
{
	OWNED(snapshot_fini) struct snapshot newest = {0};
	OWNED(free_mem) char *subtree = NULL;
	OWNED(buf_fini) struct buf name = {0};
	enum err_code rc = buf_printf(&name, e, "latest:%s", service);

	if (rc == ERR_NONE)
		rc = snapshot_find(&newest, &subtree, st, buf_text(&name), e);
	return rc == ERR_NONE ? worker_equal_root(st, &newest, e) : rc;
}

static const char *
key_state(enum err_code how)
{
	switch (how) {
	case ERR_NONE: return "opens";
	case ERR_NOTFOUND: return "none";
	case ERR_KEY: return "fails";
	default: return "unread";
	}
}

static enum err_code
tell_key(struct worker *w, const char *service, enum err_code how,
    const struct err *why, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "key", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", service);
	wire_add_text(v, "state", key_state(how));
	if (how != ERR_NONE)
		wire_add_text(v, "text", why->text);
	return worker_send(w, &v, e);
}

static enum err_code
tell_keys(struct worker *w, struct err *e)
{
	OWNED(worker_store_fini) struct worker_store at = {0};
	const struct policy *p = worker_policy(w);
	struct err why = {0}, opened = {0};
	enum err_code open = worker_store_open(&at, w, STORE_READ, &opened);
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < p->service_count; i++) {
		const char *service = p->services[i].name;
		enum err_code how = open;

		if (worker_is_cancelled(w))
			return err_set(e, ERR_CANCELLED, "cancelled");
		why = opened;
		if (how == ERR_NONE)
			how = open_newest(at.st, service, &why);
		if (how == ERR_NOMEM || how == ERR_CANCELLED) {
			*e = why;
			return how;
		}
		rc = tell_key(w, service, how, &why, e);
	}
	return rc;
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	const struct policy *p = worker_policy(w);
	enum err_code rc = worker_asked(w, e);

	(void)result;
	if (rc == ERR_NONE)
		rc = tell_machine(w, e);
	for (size_t i = 0; rc == ERR_NONE && i < p->service_count; i++)
		rc = tell_room(w, &p->services[i], e);
	if (rc == ERR_NONE)
		rc = tell_keys(w, e);
	if (rc == ERR_NONE)
		rc = tell_hosts(w, e);
	for (size_t i = 0; rc == ERR_NONE && i < p->service_count; i++)
		for (size_t k = 0;
		     rc == ERR_NONE && k < p->services[i].dns_count; k++)
			rc = worker_is_cancelled(w)
			    ? err_set(e, ERR_CANCELLED, "cancelled")
			    : tell_name(w, &p->services[i],
				  &p->services[i].dns[k], e);
	return rc;
}

const struct worker_kind worker_ready = {"ready", run};
