#include "policy_value.h"

#include <inttypes.h>
#include <string.h>

#include "policy_address.h"
#include "policy_file.h"
#include "policy_setting.h"
#include <bascule/base/text.h>

#define NAME_MAX_BYTES 64
#define TEXT_MAX_BYTES 4096

static const char *const variables[] = {"service", "dataset", "snapshot",
    "sandbox", "site", "run", "epoch"};

/* --- checks --------------------------------------------------------------- */

static enum err_code
refuse(const char *text, enum policy_type type, struct err *e)
{
	struct policy_setting s = {.type = type};

	return err_set(e, ERR_INPUT, "'%.80s' is not a valid %s; %s", text,
	    policy_setting_type_name(&s), policy_setting_accepts(type));
}

static bool
is_name(const char *text)
{
	size_t len = strspn(text,
	    "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return len > 0 && len <= NAME_MAX_BYTES && text[len] == '\0' &&
	    strchr("._-", text[0]) == NULL;
}

int
policy_value_choice(const struct policy_setting *s, const char *text,
    struct err *e)
{
	OWNED(buf_fini) struct buf all = {0};
	struct err ignored = {0};
	size_t count = 0;
	const char *near;

	for (; s->choices[count] != NULL; count++)
		if (strcmp(s->choices[count], text) == 0)
			return (int)count;
	for (size_t i = 0; i < count; i++)
		if (buf_printf(&all, &ignored, "%s\"%s\"", i == 0 ? "" : ", ",
			s->choices[i]) != ERR_NONE)
			break;
	near = policy_setting_nearest_of(s->choices, count, text);
	err_set(e, ERR_INPUT,
	    "'%.80s' is not one of its choices%s%s%s; write %s", text,
	    near == NULL ? "" : " (did you mean '", near == NULL ? "" : near,
	    near == NULL ? "" : "'?)", buf_text(&all));
	return -1;
}

static bool
is_variable(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(variables); i++)
		if (strcmp(name, variables[i]) == 0)
			return true;
	return false;
}

enum err_code
policy_value_variables(const char *text, struct err *e)
{
	const char *near;

	for (const char *at = text; (at = strstr(at, "${")) != NULL; at += 2) {
		size_t len = strcspn(at + 2, "}");
		char name[NAME_MAX_BYTES];

		snprintf(name, sizeof(name), "%.*s", len > 60 ? 60 : (int)len,
		    at + 2);
		if (at[2 + len] == '}' && is_variable(name))
			continue;
		near = policy_setting_nearest_of(variables, COUNT_OF(variables),
		    name);
		return err_set(e, ERR_INPUT,
		    "there is no variable '${%s}'%s%s%s; write ${service}, "
		    "${dataset}, ${snapshot}, ${sandbox}, ${site}, ${run} or "
		    "${epoch}",
		    name, near == NULL ? "" : " (did you mean '",
		    near == NULL ? "" : near, near == NULL ? "" : "'?)");
	}
	return ERR_NONE;
}

static enum err_code
check_time(enum policy_type type, const char *text, struct err *e)
{
	struct cron cron;
	struct window window;
	int64_t v;
	enum err_code rc = ERR_NONE;

	switch (type) {
	case TYPE_SCHEDULE: rc = cron_parse(&cron, text, e); break;
	case TYPE_DATE: rc = civil_parse_date(text, &v, e); break;
	case TYPE_WINDOW: rc = window_parse(&window, text, e); break;
	case TYPE_ZONE:
		if (!zone_name_is_valid(text))
			return refuse(text, type, e);
		break;
	default:
		if (strncmp(text, "T+", 2) != 0)
			return refuse(text, type, e);
		rc = text_parse_duration(text + 2, &v, e);
		break;
	}
	return rc;
}

enum err_code
policy_value_check(const struct policy_setting *s, enum policy_type type,
    const char *text, struct err *e)
{
	uint32_t chunk_bytes;
	bool good = true;
	enum err_code rc;

	if (strlen(text) > TEXT_MAX_BYTES)
		return err_set(e, ERR_INPUT,
		    "is over %d bytes long; write a shorter text",
		    TEXT_MAX_BYTES);
	if (*text == '\0' && (s->flags & SETTING_REQUIRED) != 0)
		return err_set(e, ERR_INPUT, "is empty; %s",
		    policy_setting_accepts(type));
	if ((s->flags & SETTING_VARIABLES) != 0 && strstr(text, "${") != NULL)
		return policy_value_variables(text, e);
	switch (type) {
	case TYPE_NAME: good = is_name(text); break;
	case TYPE_PATH: good = *text != '\0'; break;
	case TYPE_ADDRESS: good = policy_address_is_host(text); break;
	case TYPE_ENDPOINT: good = policy_address_is_endpoint(text); break;
	case TYPE_URL: good = policy_address_is_url(text); break;
	case TYPE_HOST_KEY: good = policy_address_is_host_key(text); break;
	case TYPE_SCHEDULE:
	case TYPE_DATE:
	case TYPE_WINDOW:
	case TYPE_ZONE:
	case TYPE_MOMENT: return check_time(type, text, e);
	case TYPE_CHUNKING: return text_parse_chunking(text, &chunk_bytes, e);
	case TYPE_CHOICE:
		return policy_value_choice(s, text, e) == -1 ? e->code
							     : ERR_NONE;
	default: break;
	}
	rc = good ? ERR_NONE : refuse(text, type, e);
	if (rc == ERR_NONE && type == TYPE_TEXT && s->choices != NULL &&
	    *text != '\0' && policy_value_choice(s, text, e) == -1)
		rc = e->code;
	return rc;
}

enum policy_problem_id
policy_value_problem(const struct policy_setting *s, enum policy_type type,
    const char *text)
{
	struct err ignored = {0};

	if ((s->flags & SETTING_VARIABLES) != 0 &&
	    policy_value_variables(text, &ignored) != ERR_NONE)
		return P_VARIABLE;
	switch (type) {
	case TYPE_ADDRESS:
	case TYPE_ENDPOINT:
	case TYPE_URL:
	case TYPE_HOST_KEY: return P_ADDRESS;
	case TYPE_SCHEDULE:
	case TYPE_ZONE:
	case TYPE_DATE:
	case TYPE_WINDOW:
	case TYPE_MOMENT: return P_TIME;
	default: return P_VALUE;
	}
}

/* --- storing -------------------------------------------------------------- */

static void
put(void *record, size_t offset, const void *value, size_t len_bytes)
{
	memcpy((char *)record + offset, value, len_bytes);
}

/* A number as the setting's unit writes it. */
static enum err_code write_number(enum policy_type type, int64_t v,
    struct buf *out, struct err *e);

static enum err_code
in_range(const struct policy_setting *s, const char *text, int64_t v,
    struct err *e)
{
	OWNED(buf_fini) struct buf low = {0};
	OWNED(buf_fini) struct buf high = {0};

	if (s->max == 0 || (v >= s->min && v <= s->max))
		return ERR_NONE;
	if (write_number(s->type, s->min, &low, e) != ERR_NONE ||
	    write_number(s->type, s->max, &high, e) != ERR_NONE)
		return e->code;
	return err_set(e, ERR_INPUT, "%s is too %s; write %s to %s", text,
	    v < s->min ? "small" : "large", buf_text(&low), buf_text(&high));
}

enum err_code
policy_value_set_count(const struct policy_setting *s, int64_t value,
    void *record, struct err *e)
{
	char text[32];
	uint32_t v = (uint32_t)value;
	enum err_code rc;

	snprintf(text, sizeof(text), "%" PRId64, value);
	rc = in_range(s, text, value, e);
	if (rc == ERR_NONE)
		put(record, s->offset, &v, sizeof(v));
	return rc;
}

static enum err_code
set_number(const struct policy_setting *s, const char *text, void *record,
    struct err *e)
{
	int64_t v = 0;
	uint64_t u = 0;
	uint32_t share = 0;
	char quoted[80];
	enum err_code rc;

	switch (s->type) {
	case TYPE_DURATION: rc = text_parse_duration(text, &v, e); break;
	case TYPE_SHARE:
		rc = text_parse_share(text, &share, e);
		v = share;
		break;
	case TYPE_SIZE:
		rc = text_parse_size(text, &u, e);
		v = (int64_t)u;
		break;
	default:
		rc = text_parse_rate(text, &u, e);
		v = (int64_t)u;
		break;
	}
	if (rc != ERR_NONE)
		return rc;
	snprintf(quoted, sizeof(quoted), "\"%.70s\"", text);
	rc = in_range(s, quoted, v, e);
	if (rc != ERR_NONE)
		return rc;
	if (s->type == TYPE_SHARE)
		put(record, s->offset, &share, sizeof(share));
	else
		put(record, s->offset, &v, sizeof(v));
	return ERR_NONE;
}

/* What dates, windows, moments and chunkings keep beside their text. */
static enum err_code
set_second(const struct policy_setting *s, const char *text, void *record,
    struct err *e)
{
	struct window w;
	uint32_t chunk_bytes;
	int64_t v;
	enum err_code rc;

	if (s->type == TYPE_CHUNKING) {
		rc = text_parse_chunking(text, &chunk_bytes, e);
		if (rc == ERR_NONE)
			put(record, s->second, &chunk_bytes,
			    sizeof(chunk_bytes));
		return rc;
	}
	if (s->type == TYPE_WINDOW) {
		rc = window_parse(&w, text, e);
		if (rc == ERR_NONE)
			put(record, s->second, &w, sizeof(w));
		return rc;
	}
	rc = s->type == TYPE_DATE ? civil_parse_date(text, &v, e)
				  : text_parse_duration(text + 2, &v, e);
	if (rc == ERR_NONE)
		put(record, s->second, &v, sizeof(v));
	return rc;
}

static enum err_code
set_text(struct policy_memory *m, const struct policy_setting *s,
    const char *file, const char *text, void *record, struct err *e)
{
	const struct zone *zone;
	const char *kept = text;
	enum err_code rc = policy_value_check(s, s->type, text, e);

	if (rc == ERR_NONE && s->type == TYPE_ZONE)
		rc = policy_memory_zone(m, text, &zone, e);
	if (rc == ERR_NONE &&
	    (s->type == TYPE_DATE || s->type == TYPE_WINDOW ||
		s->type == TYPE_MOMENT || s->type == TYPE_CHUNKING))
		rc = set_second(s, text, record, e);
	if (rc != ERR_NONE)
		return rc;
	if (s->type == TYPE_PATH && text[0] != '/') {
		kept = policy_file_beside(m, file, text, e);
		if (kept != NULL)
			kept = policy_file_absolute(m, kept, e);
		if (kept == NULL)
			return e->code;
	}
	kept = policy_memory_text(m, kept, strlen(kept), e);
	if (kept == NULL)
		return e->code;
	put(record, s->offset, &kept, sizeof(kept));
	return ERR_NONE;
}

/* Words of a default, separated by blanks, as the bits of a set. */
static uint32_t
flags_of(const struct policy_setting *s, const char *text)
{
	uint32_t bits = 0;

	for (size_t i = 0; s->choices[i] != NULL; i++) {
		size_t len = strlen(s->choices[i]);

		for (const char *at = text; (at = strstr(at, s->choices[i]));
		     at += len)
			if ((at == text || at[-1] == ' ') &&
			    (at[len] == ' ' || at[len] == '\0'))
				bits |= UINT32_C(1) << i;
	}
	return bits;
}

enum err_code
policy_value_set(struct policy_memory *m, const struct policy_setting *s,
    const char *file, const char *text, void *record, struct err *e)
{
	uint64_t count = 0;
	uint32_t bits;
	bool truth;
	int choice;

	switch (s->type) {
	case TYPE_DURATION:
	case TYPE_SIZE:
	case TYPE_RATE:
	case TYPE_SHARE: return set_number(s, text, record, e);
	case TYPE_CHOICE:
		choice = policy_value_choice(s, text, e);
		if (choice == -1)
			return e->code;
		put(record, s->offset, &choice, sizeof(choice));
		return ERR_NONE;
	case TYPE_COUNT:
		if (!text_parse_u64(text, INT32_MAX, &count))
			return refuse(text, s->type, e);
		return policy_value_set_count(s, (int64_t)count, record, e);
	case TYPE_BOOL:
		truth = strcmp(text, "true") == 0;
		put(record, s->offset, &truth, sizeof(truth));
		return ERR_NONE;
	case TYPE_FLAGS:
		bits = flags_of(s, text);
		put(record, s->offset, &bits, sizeof(bits));
		return ERR_NONE;
	default: return set_text(m, s, file, text, record, e);
	}
}

/* --- writing -------------------------------------------------------------- */

enum err_code
policy_value_duration(struct buf *out, int64_t ns, struct err *e)
{
	static const struct {
		int64_t ns;
		const char *unit;
	} units[] = {{86400 * NS_PER_S, "d"}, {3600 * NS_PER_S, "h"},
	    {60 * NS_PER_S, "m"}, {NS_PER_S, "s"}, {NS_PER_MS, "ms"}};
	enum err_code rc = ERR_NONE;

	if (ns < NS_PER_MS)
		return buf_add_text(out, "0s", e);
	for (size_t i = 0; rc == ERR_NONE && i < COUNT_OF(units); i++) {
		if (ns / units[i].ns > 0)
			rc = buf_printf(out, e, "%" PRId64 "%s",
			    ns / units[i].ns, units[i].unit);
		ns %= units[i].ns;
	}
	return rc;
}

/* The largest unit that leaves a whole number. */
static enum err_code
write_scaled(struct buf *out, uint64_t v, uint64_t step,
    const char *const *units, struct err *e)
{
	while (v != 0 && v % step == 0 && units[1] != NULL) {
		v /= step;
		units++;
	}
	return buf_printf(out, e, "%" PRIu64 "%s", v, units[0]);
}

static enum err_code
write_number(enum policy_type type, int64_t v, struct buf *out, struct err *e)
{
	static const char *const sizes[] = {"B", "KiB", "MiB", "GiB", "TiB",
	    NULL};
	static const char *const bits[] = {"bit/s", "kbit/s", "Mbit/s",
	    "Gbit/s", NULL};
	uint64_t u = (uint64_t)v;
	enum err_code rc;

	if (type == TYPE_COUNT)
		return buf_printf(out, e, "%" PRId64, v);
	rc = buf_add_text(out, "\"", e);
	if (rc != ERR_NONE)
		return rc;
	if (type == TYPE_DURATION)
		rc = policy_value_duration(out, v, e);
	else if (type == TYPE_SIZE)
		rc = write_scaled(out, u, 1024, sizes, e);
	else if (type == TYPE_RATE && u <= UINT64_MAX / 8)
		rc = write_scaled(out, u * 8, 1000, bits, e);
	else if (type == TYPE_RATE)
		rc = buf_printf(out, e, "%" PRIu64 "B/s", u);
	else if (u % 1000 == 0)
		rc = buf_printf(out, e, "%" PRIu64 "%%", u / 1000);
	else
		rc = buf_printf(out, e, "%" PRIu64 ".%03u%%", u / 1000,
		    (unsigned)(u % 1000));
	return rc == ERR_NONE ? buf_add_text(out, "\"", e) : rc;
}

/* How many bytes at its beginning stand for themselves. */
static size_t
plain_bytes(const char *text)
{
	size_t n = 0;

	while ((unsigned char)text[n] >= ' ' && text[n] != '"' &&
	    text[n] != '\\' && text[n] != 127)
		n++;
	return n;
}

enum err_code
policy_value_quote(struct buf *out, const char *text, struct err *e)
{
	enum err_code rc = buf_add_byte(out, '"', e);

	for (size_t plain; rc == ERR_NONE && *text != '\0'; text++) {
		plain = plain_bytes(text);
		if (plain > 0) {
			rc = buf_add(out, text, plain, e);
			text += plain - 1;
		} else if (*text == '"' || *text == '\\')
			rc = buf_printf(out, e, "\\%c", *text);
		else if (*text == '\n')
			rc = buf_add_text(out, "\\n", e);
		else
			rc = buf_printf(out, e, "\\x%02x",
			    (unsigned)(unsigned char)*text);
	}
	return rc == ERR_NONE ? buf_add_byte(out, '"', e) : rc;
}

static enum err_code
write_texts(const struct policy_texts *t, struct buf *out, struct err *e)
{
	enum err_code rc = buf_add_text(out, "[", e);

	for (size_t i = 0; rc == ERR_NONE && i < t->count; i++) {
		rc = buf_add_text(out, i == 0 ? " " : ", ", e);
		if (rc == ERR_NONE)
			rc = policy_value_quote(out, t->items[i], e);
	}
	return rc == ERR_NONE ? buf_add_text(out, " ]", e) : rc;
}

static enum err_code
write_flags(const struct policy_setting *s, uint32_t bits, struct buf *out,
    struct err *e)
{
	const char *sep = " ";
	enum err_code rc = buf_add_text(out, "[", e);

	for (size_t i = 0; rc == ERR_NONE && s->choices[i] != NULL; i++) {
		if ((bits >> i & 1) == 0)
			continue;
		rc = buf_printf(out, e, "%s\"%s\"", sep, s->choices[i]);
		sep = ", ";
	}
	return rc == ERR_NONE ? buf_add_text(out, " ]", e) : rc;
}

enum err_code
policy_value_write(const struct policy_setting *s, const void *record,
    const struct policy_mark *mark, struct buf *out, struct err *e)
{
	const char *at = (const char *)record + s->offset, *text;
	struct policy_texts texts;
	int64_t v = 0;
	uint32_t n;
	int choice;
	bool truth;

	switch (s->type) {
	case TYPE_DURATION:
	case TYPE_SIZE:
	case TYPE_RATE:
		memcpy(&v, at, sizeof(v));
		return write_number(s->type, v, out, e);
	case TYPE_SHARE:
	case TYPE_COUNT:
		memcpy(&n, at, sizeof(n));
		return write_number(s->type, n, out, e);
	case TYPE_CHOICE:
		memcpy(&choice, at, sizeof(choice));
		return policy_value_quote(out, s->choices[choice], e);
	case TYPE_BOOL:
		memcpy(&truth, at, sizeof(truth));
		return buf_add_text(out, truth ? "true" : "false", e);
	case TYPE_FLAGS:
		memcpy(&n, at, sizeof(n));
		return write_flags(s, n, out, e);
	case TYPE_UNDO:
	case TYPE_TEXTS:
		if (s->type == TYPE_UNDO) {
			memcpy(&truth, (const char *)record + s->second,
			    sizeof(truth));
			if (truth)
				return buf_add_text(out, "\"none\"", e);
		}
		memcpy(&texts, at, sizeof(texts));
		return write_texts(&texts, out, e);
	default:
		memcpy(&text, at, sizeof(text));
		if (mark != NULL && mark->written != NULL)
			text = mark->written;
		return policy_value_quote(out, text, e);
	}
}
