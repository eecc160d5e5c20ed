#include <string.h>

#include "ages.h"
#include "snapfile.h"
#include "snapfind.h"

#include <bascule/base/path.h>

#define LATEST         "latest"
#define FUTURE_NS      (300 * NS_PER_S) /* more than clocks differ */
#define CANDIDATES_MAX 5

/* "latest[:SERVICE[/DATASET]][:/SUB]" or "PREFIX[:/SUB]", taken apart. */
struct wanted {
	bool latest;
	char service[STORE_NAME_BYTES]; /* "": any */
	char dataset[STORE_DATASET_BYTES];
	struct id_prefix prefix;
	const char *subtree; /* within the name */
};

static bool
is_wanted(const struct wanted *want, const struct snapshot *s)
{
	if (!want->latest)
		return id_has_prefix(&s->id, &want->prefix);
	if ((s->flags & SNAPSHOT_CHECKPOINT) != 0)
		return false;
	if (want->service[0] != '\0' && strcmp(want->service, s->service) != 0)
		return false;
	return want->dataset[0] == '\0' ||
	    strcmp(want->dataset, s->dataset) == 0;
}

/* --- the newest ----------------------------------------------------------- */

/* Is it the last of its series (but for checkpoints)? */
static bool
is_head(const struct snapshot_list *list, size_t i)
{
	const struct snapshot *s = &list->snapshots[i];

	for (size_t k = i + 1; k < list->count; k++)
		if (strcmp(list->snapshots[k].service, s->service) == 0 &&
		    strcmp(list->snapshots[k].dataset, s->dataset) == 0 &&
		    (list->snapshots[k].flags & SNAPSHOT_CHECKPOINT) == 0)
			return false;
	return true;
}

/*
 * Within a series its order decides, never the clock; only between series
 * there is nothing but the clock, and one from the future must not win.
 */
static struct snapshot *
newest(struct snapshot_list *list, const struct wanted *want)
{
	struct snapshot *best = NULL, *future = NULL;
	int64_t limit = now_utc().ns + FUTURE_NS;

	for (size_t i = 0; i < list->count; i++) {
		struct snapshot *s = &list->snapshots[i];

		if (!is_wanted(want, s) || !is_head(list, i))
			continue;
		if (s->ended.ns > limit)
			future = s;
		else if (best == NULL || s->ended.ns >= best->ended.ns)
			best = s;
	}
	return best != NULL ? best : future;
}

/* --- by prefix ------------------------------------------------------------ */

static enum err_code
ambiguous(struct snapshot_list *list, const struct wanted *want,
    const char *name, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	char hex[ID_HEX_BYTES], when[NOW_TEXT_BYTES];
	size_t count = 0;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; i < list->count && rc == ERR_NONE; i++) {
		const struct snapshot *s = &list->snapshots[i];

		if (!is_wanted(want, s) || ++count > CANDIDATES_MAX)
			continue;
		rc = buf_printf(&text, e, "%s%.16s (%s, %.19s)",
		    count == 1 ? "" : ", ", id_hex(&s->id, hex), s->service,
		    now_text(s->started, when));
	}
	if (rc == ERR_NONE && count > CANDIDATES_MAX)
		rc = buf_printf(&text, e, " and %zu more",
		    count - CANDIDATES_MAX);
	if (rc != ERR_NONE)
		return rc;
	return err_set(e, ERR_INPUT, "'%.64s' could be any of %s", name,
	    buf_text(&text));
}

static enum err_code
by_prefix(struct snapshot **out, struct snapshot_list *list,
    const struct wanted *want, const char *name, struct err *e)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		if (is_wanted(want, &list->snapshots[i])) {
			*out = &list->snapshots[i];
			count++;
		}
	if (count > 1)
		return ambiguous(list, want, name, e);
	if (count == 1)
		return ERR_NONE;
	err_set(e, ERR_NOTFOUND, "no snapshot '%.64s' here", name);
	return err_hint(e, "'bascule snapshots' lists what there is");
}

/* --- what was written ----------------------------------------------------- */

static enum err_code
not_a_name(const char *name, struct err *e)
{
	err_set(e, ERR_INPUT, "'%.100s' names no snapshot", name);
	return err_hint(e,
	    "write 4 or more digits of its id, 'latest', or "
	    "'latest:SERVICE/DATASET', then ':/sub/tree' if you want");
}

static bool
set_name(char *to, size_t room, const char *from, size_t len)
{
	if (len == 0 || len >= room)
		return false;
	memcpy(to, from, len);
	to[len] = '\0';
	return true;
}

/* "SERVICE[/DATASET]" of len bytes. */
static bool
parse_series(struct wanted *want, const char *text, size_t len)
{
	const char *slash = memchr(text, '/', len);
	size_t service_len = slash == NULL ? len : (size_t)(slash - text);

	want->dataset[0] = '\0';
	if (!set_name(want->service, sizeof want->service, text, service_len) ||
	    !repo_name_is_valid(want->service))
		return false;
	return slash == NULL ||
	    set_name(want->dataset, sizeof want->dataset, slash + 1,
		len - service_len - 1);
}

/*
 * A dataset's name may hold ":/" itself: split as far to the right as gives a
 * series that is there.
 */
static bool
parse_latest(struct wanted *want, const char *rest, struct snapshot_list *list)
{
	size_t len = strlen(rest);

	want->subtree = "";
	if (parse_series(want, rest, len) && newest(list, want) != NULL)
		return true;
	for (size_t i = len; i > 0; i--) {
		if (rest[i - 1] != ':' || rest[i] != '/')
			continue;
		want->subtree = rest + i;
		if (parse_series(want, rest, i - 1) &&
		    newest(list, want) != NULL)
			return true;
	}
	/* Nothing is there: then the first ':' parts the name. */
	for (len = 0; rest[len] != '\0'; len++)
		if (rest[len] == ':' && rest[len + 1] == '/')
			break;
	want->subtree = rest[len] == '\0' ? "" : rest + len + 1;
	return parse_series(want, rest, len);
}

static enum err_code
parse(struct wanted *want, const char *name, struct snapshot_list *list,
    struct err *e)
{
	char digits[2 * ID_BYTES + 1];
	const char *colon = strchr(name, ':');
	size_t len = colon == NULL ? strlen(name) : (size_t)(colon - name);

	memset(want, 0, sizeof *want);
	want->subtree = "";
	if (len == strlen(LATEST) && strncmp(name, LATEST, len) == 0) {
		want->latest = true;
		if (colon == NULL)
			return ERR_NONE;
		if (colon[1] == '/')
			want->subtree = colon + 1;
		else if (!parse_latest(want, colon + 1, list))
			return not_a_name(name, e);
		return ERR_NONE;
	}
	if (!set_name(digits, sizeof digits, name, len) ||
	    !id_parse_prefix(digits, &want->prefix) ||
	    (colon != NULL && colon[1] != '/'))
		return not_a_name(name, e);
	if (colon != NULL)
		want->subtree = colon + 1;
	return ERR_NONE;
}

/* "/srv/a/" becomes "srv/a", as paths are in the map. */
static enum err_code
take_subtree(char **out, const char *text, struct err *e)
{
	size_t len;

	while (*text == '/')
		text++;
	len = strlen(text);
	while (len > 0 && text[len - 1] == '/')
		len--;
	if (!path_is_valid(text, len))
		return err_set(e, ERR_INPUT, "'/%.100s' is not a path", text);
	*out = strndup(text, len);
	return *out == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code
nothing(const struct wanted *want, struct err *e)
{
	if (want->service[0] == '\0')
		return err_set(e, ERR_NOTFOUND, "there is no snapshot yet");
	return err_set(e, ERR_NOTFOUND, "there is no snapshot of %s%s%s",
	    want->service, want->dataset[0] == '\0' ? "" : "/", want->dataset);
}

/* --- what cannot be read ---------------------------------------------------- */

/* "snapshots/SERVICE/ID" of each, one after the other, NUL-ended. */
struct unread {
	struct buf objects;
	enum err_code rc; /* of noting them */
	struct err *e;
};

static void
unread_fini(struct unread *u)
{
	buf_fini(&u->objects);
}

static void
on_unread(void *ctx, const char *object, const char *what)
{
	struct unread *u = ctx;
	const char *name = strrchr(object, '/');
	struct id id;

	(void)what;
	if (u->rc == ERR_NONE && name != NULL && id_parse(name + 1, &id))
		u->rc = buf_add(&u->objects, object, strlen(object) + 1, u->e);
}

/* One that could be of a series that is asked for; NULL: there is none. */
static const char *
unread_of(struct unread *u, const struct wanted *want)
{
	const char *at = buf_text(&u->objects);
	const char *end = at + u->objects.len_bytes;
	size_t len = strlen(want->service);

	for (; at < end; at += strlen(at) + 1) {
		const char *service = at + strlen("snapshots/");

		if (len == 0 ||
		    (strncmp(service, want->service, len) == 0 &&
			service[len] == '/'))
			return at;
	}
	return NULL;
}

/*
 * What is damaged may be newer than all that can be read.  Of one series the
 * numbers say whether it is; else nobody is given something older unasked.
 */
static enum err_code
check_latest(struct store *st, struct unread *u, const struct wanted *want,
    const struct snapshot *found, struct err *e)
{
	const char *object = unread_of(u, want);
	uint64_t highest = 0;
	enum err_code rc = ERR_NONE;

	if (object == NULL)
		return ERR_NONE;
	if (found != NULL && want->dataset[0] != '\0')
		rc = ages_highest(&highest, st, found, e);
	if (rc != ERR_NONE || (highest > 0 && found->sequence >= highest))
		return rc;
	err_set(e, ERR_CORRUPT,
	    "which snapshot is the latest is not known: '%.120s' cannot be "
	    "read",
	    object);
	return err_hint(e,
	    "heal, or name one: 'bascule snapshots' lists what can be read");
}

enum err_code
snapshot_find(struct snapshot *out, char **subtree, struct store *st,
    const char *name, struct err *e)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	OWNED(unread_fini) struct unread unread = {.e = e};
	struct snapshot *found = NULL;
	struct wanted want;
	enum err_code rc;

	memset(out, 0, sizeof *out);
	*subtree = NULL;
	rc = snapshot_list_clear(&list, st, NULL, on_unread, &unread, e);
	if (rc == ERR_NONE)
		rc = unread.rc;
	if (rc == ERR_NONE)
		rc = parse(&want, name, &list, e);
	if (rc != ERR_NONE)
		return rc;
	if (want.latest) {
		found = newest(&list, &want);
		rc = check_latest(st, &unread, &want, found, e);
	} else
		rc = by_prefix(&found, &list, &want, name, e);
	if (rc != ERR_NONE)
		return rc;
	if (found == NULL)
		return nothing(&want, e);
	rc = snapfind_by_id(out, st, &found->id, e);
	return rc == ERR_NONE ? take_subtree(subtree, want.subtree, e) : rc;
}
