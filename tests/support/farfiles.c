#include "support/farfiles.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

void
farfiles_start(struct farfiles *f, const char *options)
{
	memset(f, 0, sizeof(*f));
	farhost_start(&f->host, options);
}

void
farfiles_stop(struct farfiles *f)
{
	farhost_stop(&f->host);
}

void
farfiles_connect(struct farfiles *f, int64_t timeout_ns)
{
	struct err e = {0};
	struct sshconn_options o = {
	    .user = f->host.user,
	    .host = "127.0.0.1",
	    .port = f->host.port,
	    .identity_file = f->host.identity,
	    .timeout_ns = timeout_ns,
	};

	ck_assert_int_eq(hostpins_new(&f->pins, &e), ERR_NONE);
	ck_assert_int_eq(hostpins_add_known_hosts(f->pins, f->host.known_hosts,
			     o.host, o.port, &e),
	    ERR_NONE);
	o.pins = f->pins;
	ck_assert_int_eq(sshconn_open(&f->conn, &o, &e), ERR_NONE);
	ck_assert_int_eq(sshsftp_open(&f->sftp, f->conn, &e), ERR_NONE);
}

void
farfiles_disconnect(struct farfiles *f)
{
	sshsftp_close(&f->sftp);
	sshconn_close(&f->conn);
	hostpins_free(&f->pins);
}

const char *
farfiles_path(struct farfiles *f, const char *name)
{
	snprintf(f->path, sizeof(f->path), "%s/%s", f->host.dir.path, name);
	return f->path;
}
