#ifndef CLI_CLI_H
#define CLI_CLI_H

/*
 * What every command of bascule shares: its row in the table, its parsed
 * arguments, and the ways to speak: text for people, JSON lines for programs.
 * One file a command; cli/table.c is the one list of them, from which --help
 * and the shell completions are made.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/buf.h>
#include <bascule/base/err.h>
#include <bascule/base/exitcode.h>
#include <bascule/base/now.h>

/* --- The table ----------------------------------------------------------- */

struct cli_option {
	const char *name;  /* without its dashes; NULL ends a table */
	char letter;       /* one-letter form, or 0 */
	const char *value; /* what its argument is called; NULL: a switch */
	const char *help;  /* half a line, lower case */
};

struct cli;

#define CLI_ANY (-1)

struct cli_command {
	const char *name;     /* "policy check": words apart by one space */
	const char *operands; /* as help shows them: "SNAPSHOT [PATH...]" */
	const char *help;     /* one line, lower case */
	const struct cli_option *options;
	int operands_min_count, operands_max_count; /* CLI_ANY: no end */
	int (*run)(struct cli *cli);                /* returns the exit code */
};

extern const struct cli_command *const cli_commands[]; /* NULL-ended */
extern const struct cli_option cli_globals[];          /* of every command */

/* --- What was asked ------------------------------------------------------ */

struct cli_given {
	const struct cli_option *option;
	const char *value;
};

struct cli {
	const struct cli_command *command;
	/* global options and their environment */
	const char *socket;     /* --socket, BASCULE_SOCKET */
	const char *repository; /* -r, BASCULE_REPOSITORY; NULL: none */
	bool json, colour, quiet, exact_bytes;
	bool terminal; /* stderr is one: a progress bar makes sense */
	/* this command's */
	struct cli_given *given;
	size_t given_count;
	char **operands; /* what follows the options; "--" is gone */
	int operands_count;
	char **words;            /* owns what operands points into */
	bool after_dashes;       /* "--" stood among the operands ... */
	int before_dashes_count; /* ... after so many of them */
	/* what was said */
	bool json_on_stderr; /* stdout is for something else: cat, a protocol */
	bool summed;         /* a line of type summary was written */
};

/* Was the switch or option given? */
bool cli_has(const struct cli *cli, const char *option);
/* An option's value: the last one given, or NULL. */
const char *cli_value(const struct cli *cli, const char *option);
/* The nth (from 0) value of an option that may be repeated, or NULL. */
const char *cli_value_nth(const struct cli *cli, const char *option,
    size_t nth);

/*
 * Sort argv into *cli.  Global options may stand anywhere before "--".
 * False: *text says what is wrong (an exit code of 2).
 */
bool cli_parse(struct cli *cli, int argc, char **argv, struct buf *text);
/* Is word the first of the command's several ("policy" of "policy check")? */
bool cli_is_of(const struct cli_command *c, const char *word);
void cli_fini(struct cli *cli);

/* --- Speaking ------------------------------------------------------------ */

/* Say that the command failed (text or a JSON line of type error, with its
 * hint), and return the exit code for the error. */
int cli_fail(const struct cli *cli, const struct err *e);
/* cli_fail's: if a disk is full, which one, and what helps. */
void cli_room_hint(const struct cli *cli, struct err *e);
/* The same where more is known than the error says: status is the exit code. */
int cli_fail_as(const struct cli *cli, const struct err *e, int status);
/* A wrong call: says it, points at --help, returns EXITCODE_USAGE. */
int cli_wrong_use(const struct cli *cli, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
/* A line on stderr for people: "bascule: warning: ...". */
void cli_warn(const struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A path or name to stdout, escaped. */
void cli_print_name(const char *bytes, size_t len_bytes);
/* "12.3 GiB", or the exact number with --bytes. */
const char *cli_size(const struct cli *cli, uint64_t bytes, char out[32]);
/* Local time with its zone: "2026-11-22 00:21:34 GMT". */
const char *cli_time(struct utc t, char out[NOW_TEXT_BYTES]);
/* The same of a file's time: any number of seconds since 1970. */
const char *cli_time_of(int64_t s, char out[NOW_TEXT_BYTES]);

/* Aligned tables: cells of a row apart by tabs, widths found at the end. */
struct cli_table;
enum err_code cli_table_new(struct cli_table **out, struct err *e) MUST_CHECK;
/* Cells are separated by '\t'; the first row is the heading. */
enum err_code cli_table_row(struct cli_table *t, struct err *e, const char *fmt,
    ...) PRINTF_LIKE(3, 4) MUST_CHECK;
void cli_table_print(const struct cli_table *t);
void cli_table_free(struct cli_table **t);

/* --- JSON lines ---------------------------------------------------------- */

struct wire_value;

/* Print the line on stdout and free *v; a fault in it is a failure. */
int cli_line(struct cli *cli, struct wire_value **v);
/*
 * The last line is of type summary, whatever happened: one that says no more
 * than the exit code, unless the command wrote its own.
 */
void cli_line_last(struct cli *cli, int status);

/* --- Progress ------------------------------------------------------------ */

/*
 * A bar on a terminal; elsewhere a line every 30 s; with --json a line of type
 * progress at least every 10 s; nothing with --quiet.
 */
struct cli_progress {
	const struct cli *cli;
	const char *what; /* "backing up" */
	struct mono begun, shown;
	bool bar_open;
};
void cli_progress_begin(struct cli_progress *p, const struct cli *cli,
    const char *what);
/* total_bytes 0: not known. */
void cli_progress_show(struct cli_progress *p, uint64_t files_count,
    uint64_t done_bytes, uint64_t total_bytes);
void cli_progress_end(struct cli_progress *p);

#endif
