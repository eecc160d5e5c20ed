#ifndef POLICY_SCHEMA_H
#define POLICY_SCHEMA_H

/*
 * The grammar as data.  Everything that knows which settings exist reads these
 * tables: the loader, `show`, `explain`, the digests, docs/POLICY.md.
 */

#include <stddef.h>
#include <stdint.h>

#include <bascule/policy.h>

enum policy_type {
	/* written as text; const char * at offset */
	TYPE_TEXT,
	TYPE_NAME,     /* letters, digits and . _ - */
	TYPE_PATH,     /* made absolute */
	TYPE_ADDRESS,  /* a host's name or IP address */
	TYPE_ENDPOINT, /* ADDRESS:PORT */
	TYPE_URL,
	TYPE_HOST_KEY, /* "SHA256:..." */
	TYPE_SCHEDULE, /* cron */
	TYPE_ZONE,
	TYPE_DATE,     /* ... and int64_t days at second */
	TYPE_WINDOW,   /* ... and struct window at second */
	TYPE_MOMENT,   /* "T+15m", and int64_t ns at second */
	TYPE_CHUNKING, /* ... and uint32_t bytes at second, 0: by content */
	/* written as text, kept as a number */
	TYPE_DURATION, /* int64_t */
	TYPE_SIZE,     /* uint64_t */
	TYPE_RATE,     /* uint64_t, bytes per second */
	TYPE_SHARE,    /* uint32_t, thousandths of one per cent */
	TYPE_CHOICE,   /* an enum, by its place in choices */
	/* written bare */
	TYPE_COUNT, /* uint32_t */
	TYPE_BOOL,
	/* several */
	TYPE_TEXTS, /* struct policy_texts of element */
	TYPE_FLAGS, /* uint32_t: an array of choices, one bit each */
	TYPE_UNDO,  /* struct policy_texts, or "none" and bool at second */
	TYPE_PAIRS, /* a group of any names: struct policy_pair *, size_t */
	TYPE_GROUP, /* a record inside the record */
	TYPE_LIST   /* records: pointer at offset, size_t at second */
};

#define SETTING_REQUIRED  1u  /* no default */
#define SETTING_VARIABLES 2u  /* ${service} and so on may stand in it */
#define SETTING_SHARED    4u  /* of the root: both sites hold the same */
#define SETTING_SINGLE    8u  /* of the root: usually one record a file */
#define SETTING_NOT_EMPTY 16u /* an array or list of at least one */
#define SETTING_ABSENT    32u /* a group that is nothing when not written */
/*
 * Came after the version in the digest's first line: left out of the digest while
 * it says what its default says, which is then its default for ever.  A group that
 * came later is SETTING_ABSENT.  Its default is spelled as policy_value_write does.
 */
#define SETTING_LATER 64u

struct policy_setting {
	const char *name;
	enum policy_type type;
	enum policy_type element; /* of TYPE_TEXTS */
	unsigned flags;
	size_t offset;
	size_t second;
	const char *fallback; /* as it would be written; NULL: empty or 0 */
	int64_t min, max;     /* numbers; max 0: no limits */
	const char *const *choices; /* ends with NULL */
	const struct policy_group *group;
	const char *help;
	const char *example; /* as it would be written, quotes included */
};

struct policy_group {
	const char *name;
	size_t size_bytes;
	const struct policy_setting *settings;
	size_t count;
	const char *help;
};

extern const struct policy_group policy_schema_root;
extern const struct policy_group policy_schema_service;
extern const struct policy_group policy_schema_scenario;

#endif
