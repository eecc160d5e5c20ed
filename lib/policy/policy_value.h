#ifndef POLICY_VALUE_H
#define POLICY_VALUE_H

/* One value: from its text into a record, and back into text. */

#include "policy_memory.h"
#include "policy_problem.h"
#include "policy_schema.h"

/*
 * Store text, as written in file, in the setting's place in record.
 * ERR_INPUT: e->text is "what is wrong; what is accepted".
 */
enum err_code policy_value_set(struct policy_memory *m,
    const struct policy_setting *s, const char *file, const char *text,
    void *record, struct err *e) MUST_CHECK;

/* Is text a value of this type?  The same errors; stores nothing. */
enum err_code policy_value_check(const struct policy_setting *s,
    enum policy_type type, const char *text, struct err *e) MUST_CHECK;

enum err_code policy_value_set_count(const struct policy_setting *s,
    int64_t value, void *record, struct err *e) MUST_CHECK;

/* The place of text among the choices; -1 and an error if it has none. */
int policy_value_choice(const struct policy_setting *s, const char *text,
    struct err *e) MUST_CHECK;

/* Which problem a value of the type that is not accepted is. */
enum policy_problem_id policy_value_problem(const struct policy_setting *s,
    enum policy_type type, const char *text);

/*
 * The value as it would be written.  mark: with its `written` text instead,
 * where there is one (a path as it stands in the file).
 */
enum err_code policy_value_write(const struct policy_setting *s,
    const void *record, const struct policy_mark *mark, struct buf *out,
    struct err *e) MUST_CHECK;

/* A text in quotes with libconfig's escapes. */
enum err_code policy_value_quote(struct buf *out, const char *text,
    struct err *e) MUST_CHECK;

/* "1h30m": exactly, and read back by text_parse_duration. */
enum err_code policy_value_duration(struct buf *out, int64_t ns,
    struct err *e) MUST_CHECK;

/* Every ${...} is a variable policy_expand knows; ERR_INPUT. */
enum err_code policy_value_variables(const char *text,
    struct err *e) MUST_CHECK;

#endif
