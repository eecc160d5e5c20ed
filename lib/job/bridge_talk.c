#include "bridge_talk.h"

#include <string.h>

#include <bascule/base/text.h>

#define TIMEOUT_NS  (20 * NS_PER_S)
#define PIECE_BYTES ((size_t)64 << 10)
#define PROTOCOL    1

void
bridge_talk_close(struct bridge_talk *t)
{
	sshexec_close(&t->command);
	sshconn_close(&t->conn);
	wire_lines_fini(&t->lines);
	t->lines = (struct wire_lines){0};
	t->ended = false;
}

/* --- connecting ------------------------------------------------------------- */

static enum err_code
dial(struct bridge_talk *t, const struct policy_host *h, const char *address,
    struct err *e)
{
	OWNED(hostpins_free) struct hostpins *pins = NULL;
	const struct policy *p = worker_policy(t->w);
	const char *identity =
	    *p->bridge.identity != '\0' ? p->bridge.identity : p->identity;
	struct sshconn_options opt = {.user = h->user,
	    .host = address,
	    .port = (uint16_t)h->port,
	    .identity_file = *identity != '\0' ? identity : NULL,
	    .passphrase_file = *p->bridge.identity == '\0' &&
		    *p->identity_passphrase_file != '\0'
		? p->identity_passphrase_file
		: NULL,
	    .timeout_ns = TIMEOUT_NS,
	    .cancel = worker_cancel(t->w)};
	enum err_code rc = hostpins_new(&pins, e);

	for (size_t i = 0; rc == ERR_NONE && i < h->host_keys.count; i++)
		rc = hostpins_add_fingerprint(pins, h->host_keys.items[i], e);
	opt.pins = pins;
	return rc == ERR_NONE ? sshconn_open(&t->conn, &opt, e) : rc;
}

/* Its complaint for a line of ours: the first of its lines, without its name. */
static const char *
complaint(struct bridge_talk *t, struct buf *raw, struct buf *line)
{
	static const char self[] = "bascule: ";
	const char *at;
	struct err ignored;

	if (sshexec_tail(t->command, raw, &ignored) != ERR_NONE)
		return "";
	at = buf_text(raw);
	if (strncmp(at, self, strlen(self)) == 0)
		at += strlen(self);
	if (text_escape(line, at, strcspn(at, "\r\n"), &ignored) != ERR_NONE)
		return "";
	return buf_text(line);
}

/* Something else than the bridge answers: the account has another forced
 * command, or none. */
static enum err_code
no_bridge(struct bridge_talk *t, const struct err *why, struct err *e)
{
	OWNED(buf_fini) struct buf raw = {0}, line = {0};
	const char *said = complaint(t, &raw, &line);

	if (said[0] == '\0')
		said = why->text;
	err_set(e, ERR_REFUSED, "no bridge answers at site '%s'%s%.200s",
	    worker_target(t->w), said[0] != '\0' ? ": " : "", said);
	return err_hint(e,
	    "there the key needs the forced command 'bascule bridge' "
	    "(authorized_keys: command=\"bascule bridge\",restrict)");
}

static enum err_code
greeting(struct bridge_talk *t, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *none = NULL;
	const char *site;
	struct err why = {0};

	if (bridge_talk_next(t, &v, &why) != ERR_NONE || v == NULL ||
	    bridge_talk_next(t, &none, &why) != ERR_NONE ||
	    strcmp(wire_take_text(v, "type", ""), "bridge") != 0)
		return no_bridge(t, &why, e);
	site = wire_take_text(v, "site", "");
	if (wire_take_uint(v, "protocol", 0) != PROTOCOL)
		return err_set(e, ERR_TOONEW,
		    "site '%s' speaks another version of the bridge",
		    worker_target(t->w));
	if (strcmp(site, worker_target(t->w)) != 0)
		return err_set(e, ERR_REFUSED,
		    "at the address of site '%s' site '%.40s' answers",
		    worker_target(t->w), site);
	snprintf(t->version, sizeof(t->version), "%s",
	    wire_take_text(v, "version", ""));
	snprintf(t->policy, sizeof(t->policy), "%s",
	    wire_take_text(v, "policy", ""));
	return ERR_NONE;
}

enum err_code
bridge_talk_open(struct bridge_talk *t, const char *address, struct err *e)
{
	static const char *const argv[] = {"bascule", "bridge", NULL};
	const struct policy_site *to =
	    policy_find_site(worker_policy(t->w), worker_target(t->w));
	enum err_code rc;

	if (to == NULL || to->host_count == 0)
		return err_set(e, ERR_POLICY, "site '%s' has no host",
		    worker_target(t->w));
	rc = dial(t, &to->hosts[0], address, e);
	if (rc == ERR_NONE)
		rc = sshexec_open(&t->command, t->conn, argv, e);
	return rc == ERR_NONE ? greeting(t, e) : rc;
}

/* --- asking ------------------------------------------------------------------- */

enum err_code
bridge_talk_ask(struct bridge_talk *t, const char *cmd, uint64_t from,
    uint64_t limit, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf line = {0};
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "cmd", cmd);
	if (from > 0)
		wire_add_uint(v, "from", from);
	if (limit > 0)
		wire_add_uint(v, "limit", limit);
	rc = wire_line(v, &line, e);
	t->ended = false;
	return rc == ERR_NONE
	    ? sshexec_write(t->command, line.bytes, line.len_bytes, e)
	    : rc;
}

enum err_code
bridge_talk_ask_about(struct bridge_talk *t, const char *cmd, const char *site,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf line = {0};
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "cmd", cmd);
	wire_add_text(v, "site", site);
	rc = wire_line(v, &line, e);
	t->ended = false;
	return rc == ERR_NONE
	    ? sshexec_write(t->command, line.bytes, line.len_bytes, e)
	    : rc;
}

static enum err_code
read_more(struct bridge_talk *t, struct err *e)
{
	static char bytes[PIECE_BYTES];
	size_t got;
	enum err_code rc =
	    sshexec_read(t->command, bytes, sizeof(bytes), &got, e);

	if (rc != ERR_NONE)
		return rc;
	if (got == 0)
		return err_set(e, ERR_IO, "site '%s' hung up",
		    worker_target(t->w));
	t->read_bytes += got;
	if (t->read_bytes > BRIDGE_TALK_BYTES_MAX)
		return err_set(e, ERR_BUSY,
		    "site '%s' has said enough for one time",
		    worker_target(t->w));
	return wire_lines_feed(&t->lines, bytes, got, e);
}

enum err_code
bridge_talk_next(struct bridge_talk *t, struct wire_value **out, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const char *line;
	size_t len;
	int status;
	struct err why;
	enum err_code rc = ERR_NONE;

	*out = NULL;
	if (t->ended)
		return ERR_NONE;
	while (
	    rc == ERR_NONE && (line = wire_lines_next(&t->lines, &len)) == NULL)
		rc = read_more(t, e);
	if (rc == ERR_NONE)
		rc = wire_parse(&v, line, len, e);
	if (rc != ERR_NONE)
		return rc;
	if (wire_failure_read(v, &why, &status)) {
		t->ended = true;
		*e = why;
		return err_wrap(e, "site '%s' says", worker_target(t->w));
	}
	t->ended = wire_take_bool(v, "last", false);
	*out = TAKE(v);
	return ERR_NONE;
}
