/*
 * What a peer says of itself, cut to what is shown: its word, of bounded size,
 * and kept (PE3).  At most: 256 services of four texts, each byte as six
 * (\u0001), are 790 KiB of the line's 1 MiB.
 */

#include "peer.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/atomfile.h>
#include <bascule/base/fdio.h>
#include <bascule/base/text.h>

#define TEXT_BYTES 128

static void
judge_clock(struct peer *p, int64_t offset_ns, int64_t bound_ns)
{
	int64_t sure = (offset_ns < 0 ? -offset_ns : offset_ns) - bound_ns;
	char text[256], off[TEXT_UNIT_BYTES];

	text_duration(offset_ns < 0 ? -offset_ns : offset_ns, off);
	snprintf(text, sizeof(text),
	    "the clock of site '%s' is %s %s of the one here", p->site->name,
	    off, offset_ns < 0 ? "behind" : "ahead");
	if (sure > p->d->policy->watch.clock_offset_ns)
		alarm_raise(p->d,
		    &(struct alarm_what){.on = POLICY_ON_CLOCK,
			.level = ALARM_WARNING,
			.subject = p->site->name,
			.text = text});
	else
		alarm_clear(p->d, POLICY_ON_CLOCK, NULL, p->site->name, text);
}

static void
add_cut(struct wire_value *v, const char *name, const char *text)
{
	char cut[TEXT_BYTES];

	snprintf(cut, sizeof(cut), "%s", text);
	wire_add_text(v, name, cut);
}

void
peersaid_heard(struct peer *p, struct wire_value *ev)
{
	/* a clock may be off by anything: seconds of an int64 fit a double */
	int64_t offset = wire_take_int(ev, "offset_ns", 0);
	int64_t bound = wire_take_int(ev, "bound_ns", 0);
	const char *policy = wire_take_text(ev, "policy", "");

	p->heard_now = true;
	p->heard = now_utc();
	wire_add_utc(p->fresh, "heard", p->heard);
	add_cut(p->fresh, "link", wire_take_text(ev, "link", "-"));
	add_cut(p->fresh, "version", wire_take_text(ev, "version", ""));
	add_cut(p->fresh, "policy", policy);
	wire_add_bool(p->fresh, "same_policy",
	    strcmp(policy, p->d->digest) == 0);
	wire_add_seconds(p->fresh, "clock_offset_seconds", offset);
	p->clock_at = p->heard;
	p->clock_offset_ns = offset;
	p->clock_bound_ns = bound;
	if (offset != INT64_MIN && bound >= 0)
		judge_clock(p, offset, bound);
}

/* A few: more would not fit into the line. */
static void
add_hindrance(struct peer *p, const char *text, struct wire_value *v)
{
	char cut[PEER_HINDRANCE_BYTES];

	if (*text == '\0' || p->hindered_count == PEER_HINDERED_MAX)
		return;
	p->hindered_count++;
	snprintf(cut, sizeof(cut), "%s", text);
	text_mend_end(cut);
	wire_add_text(v, "hindrance", cut);
}

/* PEER_SERVICES_MAX of them, each byte escaped, are a line: no text is longer
 * than what it is of can be. */
static void
add_service(struct peer *p, struct wire_value *s)
{
	static const struct {
		const char *name;
		size_t size_bytes;
	} texts[] = {{"service", 65}, {"rpo_state", 16}, {"active_site", 65},
	    {"authority", 16}};
	OWNED(wire_free) struct wire_value *v = NULL;
	struct wire_value *point;
	struct utc at = {0};
	struct err e;

	if (wire_count(p->services) == PEER_SERVICES_MAX ||
	    wire_new(&v, NULL, &e) != ERR_NONE)
		return;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		const char *text = wire_take_text(s, texts[i].name, "");
		char cut[65];

		snprintf(cut, texts[i].size_bytes, "%s", text);
		if (cut[0] != '\0')
			wire_add_text(v, texts[i].name, cut);
	}
	if (wire_has(s, "rpo_now_seconds"))
		wire_add_seconds(v, "rpo_now_seconds",
		    wire_take_seconds(s, "rpo_now_seconds", 0));
	point = wire_take_object(s, "last_point");
	at = point == NULL ? at : wire_take_utc(point, "at", at);
	if (at.ns != 0)
		wire_add_utc(v, "point_at", at);
	add_hindrance(p, wire_take_text(s, "hindrance", ""), v);
	wire_add(p->services, NULL, &v);
}

static void
add_link(struct peer *p, struct wire_value *l)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char link[65], state[16];
	struct err e;

	if (strcmp(wire_take_text(l, "type", ""), "link") != 0 ||
	    wire_count(p->links) == PEER_TRIED_MAX ||
	    wire_new(&v, NULL, &e) != ERR_NONE)
		return;
	snprintf(link, sizeof(link), "%s", wire_take_text(l, "link", ""));
	snprintf(state, sizeof(state), "%s", wire_take_text(l, "state", ""));
	wire_add_text(v, "link", link);
	wire_add_text(v, "state", state);
	wire_add(p->links, NULL, &v);
}

static void
on_status(struct peer *p, struct wire_value *v)
{
	const char *type = wire_take_text(v, "type", "");

	if (strcmp(type, "service") == 0)
		add_service(p, v);
	if (strcmp(type, "summary") != 0)
		return;
	wire_add_uint(p->fresh, "behind", wire_take_uint(v, "behind", 0));
	wire_add_uint(p->fresh, "alarms", wire_take_uint(v, "alarms", 0));
	wire_add_uint(p->fresh, "links_down",
	    wire_take_uint(v, "links_down", 0));
}

void
peersaid_take(struct peer *p, const char *of, struct wire_value *v)
{
	const char *type = wire_take_text(v, "type", "");

	if (strcmp(of, "status") == 0)
		on_status(p, v);
	else if (strcmp(of, "links") == 0)
		add_link(p, v);
	else if (strcmp(of, "jobs") == 0 && strcmp(type, "job") == 0 &&
	    strcmp(wire_take_text(v, "state", ""), "running") == 0)
		wire_add_uint(p->fresh, "jobs",
		    wire_take_uint(p->fresh, "jobs", 0) + 1);
}

/* --- what was heard last (PE3) -------------------------------------------------- */

static enum err_code
save(struct peer *p, struct err *e)
{
	OWNED(fdio_close) int dir = -1;
	OWNED(atomfile_discard) struct atomfile *af = NULL;
	char path[PEER_PATH_BYTES], name[300];
	enum err_code rc;

	snprintf(path, sizeof(path), "%.4000s/peers", p->d->policy->state);
	snprintf(name, sizeof(name), "%s.json", p->site->name);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "cannot open '%s'", path);
	rc = atomfile_begin(&af, dir, name, e);
	if (rc == ERR_NONE)
		rc = atomfile_write(af, p->said.bytes, p->said.len_bytes, e);
	return rc == ERR_NONE ? atomfile_commit(&af, e) : rc;
}

/* Nothing there, or nothing sensible: then it was never heard. */
void
peersaid_recall(struct peer *p)
{
	OWNED(fdio_close) int fd = -1;
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(free_mem) char *bytes = malloc(WIRE_LINE_BYTES_MAX);
	char path[PEER_PATH_BYTES];
	ssize_t n = -1;
	struct err e;

	fd = open(peerstep_path(p->d, p->site->name, "json", path),
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && bytes != NULL)
		n = read(fd, bytes, WIRE_LINE_BYTES_MAX);
	if (n <= 0 || wire_parse(&v, bytes, (size_t)n, &e) != ERR_NONE ||
	    buf_add(&p->said, bytes, (size_t)n, &e) != ERR_NONE)
		return;
	p->heard = wire_take_utc(v, "heard", (struct utc){0});
	peerword_take(p, v);
}

/* As large as it may be, it is a line that can be read again. */
enum err_code
peersaid_keep(struct peer *p, struct err *e)
{
	wire_add_text(p->fresh, "site", p->site->name);
	wire_add(p->fresh, "services", &p->services);
	wire_add(p->fresh, "links", &p->links);
	p->said.len_bytes = 0;
	return wire_line(p->fresh, &p->said, e) == ERR_NONE ? save(p, e)
							    : e->code;
}
