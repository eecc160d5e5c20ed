/*
 * What a hostile peer's daemon says over the bridge, a line each: its first
 * letter is whose answer it is (s status, l links, j jobs, r the ledger, h what
 * the worker says of the greeting), the rest is the line.  The daemon's units
 * are in here, and what they call of it.
 */

#include "../../daemon/peersaid.c"
#include "../../daemon/peerstep.c"
#include "../../daemon/peerword.c"

#include <stdlib.h>
#include <unistd.h>

static char dir[64], path[80];
static struct ledger *copy;

void
alarm_raise(struct daemon *d, const struct alarm_what *what)
{
	(void)d;
	ASSERT(what->text[0] != '\0');
}

void
alarm_clear(struct daemon *d, enum policy_alert_on on, const char *service,
    const char *subject, const char *text)
{
	(void)d, (void)on, (void)service, (void)subject, (void)text;
}

enum err_code
cosigning_recall(struct peer *p, struct err *e)
{
	(void)p, (void)e;
	return ERR_NONE;
}

static void
remove_copy(void)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
	char name[100];

	ledger_close(&copy);
	for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		(void)unlink(name);
	}
	(void)rmdir(dir);
}

/* Nothing is ever added to it: nobody has the pinned key. */
static void
make_copy(void)
{
	const struct ledger_options opt = {.site = "southwark"};
	struct err e;

	snprintf(dir, sizeof(dir), "/tmp/bascule-fuzz.XXXXXX");
	ASSERT(mkdtemp(dir) != NULL);
	atexit(remove_copy);
	snprintf(path, sizeof(path), "%s/copy.db", dir);
	ASSERT(ledger_open(&copy, path, &opt, &e) == ERR_NONE);
}

static enum err_code
hear(struct peer *p, char of, const char *line, size_t len_bytes)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e = {0};
	enum err_code rc = wire_parse(&v, line, len_bytes, &e);

	if (rc != ERR_NONE)
		return rc;
	switch (of) {
	case 's': peersaid_take(p, "status", v); break;
	case 'l': peersaid_take(p, "links", v); break;
	case 'j': peersaid_take(p, "jobs", v); break;
	case 'h': peersaid_heard(p, v); break;
	case 'r': rc = peerstep_take(p, v, &e); break;
	default: return ERR_INPUT;
	}
	ASSERT(rc == e.code);
	ASSERT(p->step.count <= PEER_STEP_RECORDS_MAX);
	ASSERT(p->step.bytes <= PEER_STEP_BYTES_MAX + WIRE_LINE_BYTES_MAX);
	ASSERT(wire_count(p->services) <= PEER_SERVICES_MAX);
	ASSERT(wire_count(p->links) <= PEER_TRIED_MAX);
	ASSERT(p->head->number == 0);
	return rc;
}

/* As it is kept. */
static void
end_talk(struct peer *p)
{
	OWNED(buf_fini) struct buf said = {0};
	struct err e;

	wire_add(p->fresh, "services", &p->services);
	wire_add(p->fresh, "links", &p->links);
	if (wire_line(p->fresh, &said, &e) == ERR_NONE)
		ASSERT(said.bytes[said.len_bytes - 1] == '\n');
	wire_free(&p->fresh);
	peerstep_forget(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	static const char *const nobody[] = {"SHA256:nobody", NULL};
	static struct head head;
	struct policy policy = {.state = "/nonexistent",
	    .bridge.keep_bytes = 1 << 20,
	    .watch.clock_offset_ns = NS_PER_S};
	struct policy_site site = {.name = "southwark",
	    .ledger_keys = {nobody, 1}};
	struct daemon d = {.policy = &policy};
	struct peer p = {.d = &d, .site = &site, .head = &head};
	OWNED(wire_lines_fini) struct wire_lines lines = {0};
	const char *line;
	size_t len;
	struct err e;

	if (copy == NULL)
		make_copy();
	p.copy = copy;
	ASSERT(wire_new(&p.fresh, "peer", &e) == ERR_NONE);
	ASSERT(wire_new_list(&p.services, &e) == ERR_NONE);
	ASSERT(wire_new_list(&p.links, &e) == ERR_NONE);
	if (wire_lines_feed(&lines, bytes, len_bytes, &e) == ERR_NONE)
		while ((line = wire_lines_next(&lines, &len)) != NULL)
			if (len == 0 ||
			    hear(&p, line[0], line + 1, len - 1) != ERR_NONE)
				break; /* nothing more of it is wanted */
	end_talk(&p);
	return 0;
}
