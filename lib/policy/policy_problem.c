#include "policy_problem.h"

#include <stdarg.h>
#include <string.h>

#include <bascule/base/text.h>

static const char *const titles[] = {
    [P_FILE] = "a file cannot be read, or is not a text file of at most 1 MiB",
    [P_INCLUDE] = "an include that loops, goes too deep or makes no sense",
    [P_WRITABLE] = "a policy file others than its owner could change",
    [P_SYNTAX] = "a file is not in libconfig's syntax",
    [P_INTEGER] = "a number does not fit into 32 bits",
    [P_UNKNOWN] = "there is no such setting",
    [P_TYPE] = "a value of the wrong kind, or a number without its unit",
    [P_VALUE] = "a value that is not accepted",
    [P_MISSING] = "a setting that must be written is missing",
    [P_PLACE] = "a setting stands in the wrong file, or in two",
    [P_DUPLICATE] = "a name is used twice",
    [P_REFERENCE] = "a name that nothing has",
    [P_HOST] = "a host that no site declares",
    [P_VARIABLE] = "a variable that does not exist",
    [P_ONE_OF] = "settings that exclude one another, or none of them",
    [P_PLAN_CYCLE] = "the steps of a plan wait for one another",
    [P_DEPENDS_CYCLE] = "services depend on one another",
    [P_RPO] = "a schedule that cannot meet its own RPO",
    [P_RETENTION] = "retention would drop the only verified point",
    [P_FAILURE_DOMAIN] = "copies, keys or the witness share a failure domain",
    [P_UNDO] = "a live-only step without undo and without undo = \"none\"",
    [P_NO_CHECK] = "a plan that checks nothing",
    [P_KEY_FILE] = "a key file that others can read",
    [P_ADDRESS] = "not an address, URL or host key",
    [P_HOME] = "home and standby do not make two datacentres",
    [P_TIME] = "a schedule, time zone, date or window that does not exist",
    [P_PLAN_NEEDED] = "something needs a plan, a standby or a scenario",
    [P_SHARES] = "shares that do not add up",
    [P_TARGETS] = "targets that contradict one another",
    [P_SITE_HOST] = "a host that stands under another site",
    [P_CALL_CYCLE] = "contacts call one another in a circle",
    [P_SIGNED] = "signed words are asked for, and too few have a key",
};

const char *
policy_problem_title(unsigned id)
{
	return id < COUNT_OF(titles) ? titles[id] : NULL;
}

unsigned
policy_problem_max(void)
{
	return COUNT_OF(titles) - 1;
}

static void
clear(struct policy_problem *p)
{
	free(p->file);
	free(p->setting);
	free(p->message);
	memset(p, 0, sizeof(*p));
}

void
policy_problem_fini(struct policy_problems *ps)
{
	for (size_t i = 0; i < ps->count; i++)
		clear(&ps->items[i]);
	free(ps->items);
	memset(ps, 0, sizeof(*ps));
}

void
policy_problem_add(struct policy_problems *ps, enum policy_problem_id id,
    const struct policy_mark *where, const char *setting, const char *fmt, ...)
{
	struct policy_problem *p;
	va_list ap;
	int len;

	if (ps->items == NULL)
		ps->items = calloc(POLICY_PROBLEMS_MAX, sizeof(*p));
	if (ps->items == NULL || ps->count == POLICY_PROBLEMS_MAX) {
		ps->more_count++;
		return;
	}
	p = &ps->items[ps->count];
	p->id = id;
	p->file = strdup(where->file == NULL ? "" : where->file);
	p->line = where->line;
	p->setting = strdup(setting);
	va_start(ap, fmt);
	len = vasprintf(&p->message, fmt, ap);
	va_end(ap);
	if (len == -1)
		p->message = NULL;
	if (p->file == NULL || p->setting == NULL || p->message == NULL) {
		clear(p);
		ps->more_count++;
		return;
	}
	ps->count++;
}

bool
policy_problem_has(const struct policy_problems *ps, enum policy_problem_id id,
    const struct policy_mark *where, const char *setting)
{
	for (size_t i = 0; i < ps->count; i++)
		if (ps->items[i].id == id && ps->items[i].line == where->line &&
		    strcmp(ps->items[i].setting, setting) == 0 &&
		    where->file != NULL &&
		    strcmp(ps->items[i].file, where->file) == 0)
			return true;
	return false;
}

static int
compare(const void *va, const void *vb)
{
	const struct policy_problem *a = va, *b = vb;
	int order = strcmp(a->file, b->file);

	if (order == 0)
		order = (a->line > b->line) - (a->line < b->line);
	if (order == 0)
		order = strcmp(a->setting, b->setting);
	if (order == 0)
		order = (a->id > b->id) - (a->id < b->id);
	return order != 0 ? order : strcmp(a->message, b->message);
}

void
policy_problem_sort(struct policy_problems *ps)
{
	size_t kept = 0;

	if (ps->count == 0)
		return;
	qsort(ps->items, ps->count, sizeof(ps->items[0]), compare);
	for (size_t i = 1; i < ps->count; i++) {
		if (compare(&ps->items[kept], &ps->items[i]) == 0)
			clear(&ps->items[i]);
		else if (++kept != i) {
			ps->items[kept] = ps->items[i];
			memset(&ps->items[i], 0, sizeof(ps->items[i]));
		}
	}
	ps->count = kept + 1;
}

enum err_code
policy_problem_text(const struct policy_problem *p, struct buf *out,
    struct err *e)
{
	enum err_code rc = text_escape(out, p->file, strlen(p->file), e);

	if (rc == ERR_NONE)
		rc = buf_printf(out, e, ":%u: ", p->line);
	if (rc == ERR_NONE)
		rc = text_escape(out, p->setting, strlen(p->setting), e);
	if (rc == ERR_NONE)
		rc = buf_add_text(out, ": ", e);
	if (rc == ERR_NONE)
		rc = text_escape(out, p->message, strlen(p->message), e);
	if (rc == ERR_NONE)
		rc = buf_printf(out, e, " [P%03u]", p->id);
	return rc;
}
