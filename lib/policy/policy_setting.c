#include "policy_setting.h"

#include <string.h>

#include <bascule/base/text.h>

static const struct {
	const char *name, *accepts;
} types[] = {
    [TYPE_TEXT] = {"text", "write a text in double quotes"},
    [TYPE_NAME] = {"name",
	"write 1 to 64 letters, digits, '.', '_' or '-' in double quotes, "
	"beginning with a letter or digit"},
    [TYPE_PATH] = {"path",
	"write a path in double quotes; one without a leading '/' is relative "
	"to the file it stands in"},
    [TYPE_ADDRESS] = {"address",
	"write an IP address or a host's name, like \"10.10.0.10\""},
    [TYPE_ENDPOINT] = {"address and port",
	"write ADDRESS:PORT, like \"10.10.0.20:5432\" or \"[fd00::1]:5432\""},
    [TYPE_URL] = {"URL",
	"write http:// or https://, a host and perhaps a path, like "
	"\"http://10.20.0.20:8080/health\""},
    [TYPE_HOST_KEY] = {"host key",
	"write \"SHA256:\" and 43 characters of base64, as ssh-keygen -l "
	"prints them"},
    [TYPE_SCHEDULE] = {"schedule",
	"write five cron fields, like \"*/30 * * * *\", or @hourly, @daily, "
	"@weekly, @monthly or @yearly"},
    [TYPE_ZONE] = {"time zone",
	"write an IANA name, like \"Europe/London\" or \"UTC\""},
    [TYPE_DATE] = {"date", "write a date like \"2027-05-01\""},
    [TYPE_WINDOW] = {"window",
	"write days, a span and a zone, like \"Mon-Fri 08:00-18:00 "
	"Europe/London\""},
    [TYPE_MOMENT] = {"moment of play",
	"write \"T+\" and a duration, like \"T+15m\""},
    [TYPE_CHUNKING] = {"chunking", "write \"auto\" or \"fixed 64KiB\""},
    [TYPE_DURATION] = {"duration",
	"write a number and a unit in double quotes: ms, s, m, h, d or w, "
	"like \"90s\", \"15m\", \"4h\", \"30d\" or \"1h30m\""},
    [TYPE_SIZE] = {"size",
	"write a number and a unit in double quotes: B, KiB, MiB, GiB or TiB, "
	"like \"64KiB\" or \"2GiB\""},
    [TYPE_RATE] = {"rate",
	"write a number and a unit in double quotes: kbit/s, Mbit/s, Gbit/s or "
	"a size and /s, like \"400Mbit/s\" or \"50MiB/s\""},
    [TYPE_SHARE] = {"share",
	"write a percentage in double quotes, like \"2%\" or \"0.5%\""},
    [TYPE_CHOICE] = {"choice", "write one of its choices in double quotes"},
    [TYPE_COUNT] = {"number", "write a whole number without quotes"},
    [TYPE_BOOL] = {"true or false", "write true or false without quotes"},
    [TYPE_TEXTS] = {"array of texts",
	"write texts in square brackets, like [ \"one\", \"two\" ]"},
    [TYPE_FLAGS] = {"array of choices",
	"write its choices in square brackets, like [ \"one\", \"two\" ]"},
    [TYPE_UNDO] = {"command or \"none\"",
	"write a command's words in square brackets, or \"none\""},
    [TYPE_PAIRS] = {"group of names",
	"write NAME = \"...\"; pairs in curly brackets"},
    [TYPE_GROUP] = {"group", "write settings in curly brackets: { ... }"},
    [TYPE_LIST] = {"list of groups",
	"write groups in round brackets: ( { ... }, { ... } )"},
};

const char *
policy_setting_type_name(const struct policy_setting *s)
{
	return types[s->type].name;
}

const char *
policy_setting_accepts(enum policy_type type)
{
	return types[type].accepts;
}

const struct policy_setting *
policy_setting_find(const struct policy_group *g, const char *name)
{
	for (size_t i = 0; i < g->count; i++)
		if (strcmp(g->settings[i].name, name) == 0)
			return &g->settings[i];
	return NULL;
}

/* Near: at most a third of the letters differ, and at least one is the same. */
static void
nearer(const char *candidate, const char *name, const char **best,
    size_t *best_distance)
{
	size_t distance = text_distance(candidate, name);
	size_t limit = (strlen(name) + 2) / 3;

	if (distance <= limit && distance < strlen(candidate) &&
	    distance < *best_distance) {
		*best = candidate;
		*best_distance = distance;
	}
}

const char *
policy_setting_nearest(const struct policy_group *g, const char *name)
{
	const char *best = NULL;
	size_t distance = SIZE_MAX;

	for (size_t i = 0; i < g->count; i++)
		nearer(g->settings[i].name, name, &best, &distance);
	return best;
}

const char *
policy_setting_nearest_of(const char *const *names, size_t count,
    const char *name)
{
	const char *best = NULL;
	size_t distance = SIZE_MAX;

	for (size_t i = 0; i < count; i++)
		nearer(names[i], name, &best, &distance);
	return best;
}

struct policy_mark
policy_setting_mark(const struct policy_at *at, const char *name)
{
	const struct policy_setting *s = policy_setting_find(at->group, name);

	ASSERT(s != NULL);
	if (at->marks[s - at->group->settings].file != NULL)
		return at->marks[s - at->group->settings];
	return (struct policy_mark){.file = at->file, .line = at->line};
}

bool
policy_setting_is_written(const struct policy_at *at, const char *name)
{
	const struct policy_setting *s = policy_setting_find(at->group, name);

	ASSERT(s != NULL);
	return at->marks[s - at->group->settings].file != NULL;
}

/* The tables are a tree four levels deep: the recursion ends with it. */
static enum err_code
walk(const struct policy_group *g, const char *prefix, policy_setting_fn *fn,
    void *ctx, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < g->count; i++) {
		const struct policy_setting *s = &g->settings[i];
		char path[POLICY_SETTING_PATH_BYTES];

		snprintf(path, sizeof(path), "%s%s%s", prefix,
		    *prefix == '\0' ? "" : ".", s->name);
		rc = fn(ctx, path, s, e);
		if (rc == ERR_NONE && s->group != NULL)
			rc = walk(s->group, path, fn, ctx, e);
	}
	return rc;
}

enum err_code
policy_setting_walk(policy_setting_fn *fn, void *ctx, struct err *e)
{
	return walk(&policy_schema_root, "", fn, ctx, e);
}
