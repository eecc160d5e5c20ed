/* From argv to a command, its options and its operands. */

#include "cli.h"

#include <stdlib.h>
#include <string.h>

const struct cli_option cli_globals[] = {{"socket", 0, "PATH",
					     "the daemon's socket"},
    {"repository", 'r', "REPOSITORY", "work on a repository, without a daemon"},
    {"json", 0, NULL, "JSON lines instead of text"},
    {"no-color", 0, NULL, "no colour, even on a terminal"},
    {"quiet", 'q', NULL, "no progress"}, {"bytes", 0, NULL, "exact sizes"},
    {"help", 'h', NULL, "what this command does and takes"},
    {"version", 0, NULL, "print the version"}, {NULL, 0, NULL, NULL}};

static const struct cli_option *
find_option(const struct cli_option *table, const char *name, size_t len)
{
	for (; table != NULL && table->name != NULL; table++)
		if (strlen(table->name) == len &&
		    memcmp(table->name, name, len) == 0)
			return table;
	return NULL;
}

static const struct cli_option *
find_letter(const struct cli_option *table, char letter)
{
	for (; table != NULL && table->name != NULL; table++)
		if (table->letter == letter)
			return table;
	return NULL;
}

bool
cli_has(const struct cli *cli, const char *option)
{
	return cli_value_nth(cli, option, 0) != NULL;
}

const char *
cli_value(const struct cli *cli, const char *option)
{
	for (size_t i = cli->given_count; i-- > 0;)
		if (strcmp(cli->given[i].option->name, option) == 0)
			return cli->given[i].value;
	return NULL;
}

const char *
cli_value_nth(const struct cli *cli, const char *option, size_t nth)
{
	for (size_t i = 0; i < cli->given_count; i++)
		if (strcmp(cli->given[i].option->name, option) == 0 &&
		    nth-- == 0)
			return cli->given[i].value;
	return NULL;
}

/* How many of the operands are the words of name; 0 if they are not. */
static int
words_match(const char *name, char **operands, int count)
{
	int words = 0;

	for (;;) {
		size_t len = strcspn(name, " ");

		if (words >= count || strlen(operands[words]) != len ||
		    memcmp(operands[words], name, len) != 0)
			return 0;
		words++;
		if (name[len] == '\0')
			return words;
		name += len + 1;
	}
}

/* The command whose words come first among the operands: the longest one. */
static const struct cli_command *
find_command(struct cli *cli)
{
	const struct cli_command *best = NULL;
	int best_words = 0;

	for (size_t i = 0; cli_commands[i] != NULL; i++) {
		int words = words_match(cli_commands[i]->name, cli->operands,
		    cli->operands_count);

		if (words > best_words) {
			best = cli_commands[i];
			best_words = words;
		}
	}
	cli->operands += best_words;
	cli->operands_count -= best_words;
	return best;
}

bool
cli_is_of(const struct cli_command *c, const char *word)
{
	size_t len = strcspn(c->name, " ");

	return c->name[len] == ' ' && strlen(word) == len &&
	    memcmp(c->name, word, len) == 0;
}

static bool
is_group(const char *word)
{
	for (size_t i = 0; cli_commands[i] != NULL; i++)
		if (cli_is_of(cli_commands[i], word))
			return true;
	return false;
}

struct walk {
	int argc;
	char **argv;
	int at;
	char **rest; /* operands found so far */
	int rest_count;
	const struct cli_command *command; /* NULL: not known yet */
	struct buf *text;
};

static bool
wrong(struct buf *text, const char *what, const char *word)
{
	struct err e;

	if (buf_printf(text, &e, "%s '%s'", what, word) != ERR_NONE)
		buf_clear(text);
	return false;
}

static void
add(struct cli *cli, const struct cli_option *o, const char *value)
{
	cli->given[cli->given_count].option = o;
	cli->given[cli->given_count++].value = value;
}

static bool
no_option(const struct walk *w)
{
	struct err e;

	if (w->command == NULL)
		return wrong(w->text, "there is no option", w->argv[w->at]);
	if (buf_printf(w->text, &e, "'%s' has no option '%s'", w->command->name,
		w->argv[w->at]) != ERR_NONE)
		buf_clear(w->text);
	return false;
}

/* "--name", "--name=value" or "--name value". */
static bool
take_long(struct cli *cli, struct walk *w, const struct cli_option *own)
{
	char *word = w->argv[w->at] + 2;
	size_t len = strcspn(word, "=");
	const struct cli_option *o = find_option(own, word, len);

	if (o == NULL)
		o = find_option(cli_globals, word, len);
	if (o == NULL)
		return no_option(w);
	if (o->value == NULL && word[len] == '=')
		return wrong(w->text, "no value is taken by", w->argv[w->at]);
	if (o->value == NULL || word[len] == '=') {
		add(cli, o, o->value == NULL ? "" : word + len + 1);
		return true;
	}
	if (w->at + 1 >= w->argc)
		return wrong(w->text, "a value is missing after",
		    w->argv[w->at]);
	add(cli, o, w->argv[++w->at]);
	return true;
}

/* "-l", "-r value", "-rvalue"; letters without values may be joined. */
static bool
take_short(struct cli *cli, struct walk *w, const struct cli_option *own)
{
	for (char *at = w->argv[w->at] + 1; *at != '\0'; at++) {
		const struct cli_option *o = find_letter(own, *at);

		if (o == NULL)
			o = find_letter(cli_globals, *at);
		if (o == NULL)
			return no_option(w);
		if (o->value == NULL) {
			add(cli, o, "");
			continue;
		}
		if (at[1] != '\0')
			add(cli, o, at + 1);
		else if (w->at + 1 < w->argc)
			add(cli, o, w->argv[++w->at]);
		else
			return wrong(w->text, "a value is missing after",
			    w->argv[w->at]);
		return true;
	}
	return true;
}

/* How many words the global options in this one take: 1 with a value behind
 * it; 0: it is none of theirs. */
static int
global_words(const char *word)
{
	const struct cli_option *o;

	if (word[1] == '-') {
		size_t len = strcspn(word + 2, "=");

		o = find_option(cli_globals, word + 2, len);
		return o == NULL                                ? 0
		    : o->value != NULL && word[2 + len] == '\0' ? 2
								: 1;
	}
	for (const char *at = word + 1; *at != '\0'; at++) {
		o = find_letter(cli_globals, *at);
		if (o == NULL)
			return 0;
		if (o->value != NULL)
			return at[1] == '\0' ? 2 : 1;
	}
	return 1;
}

/*
 * Which command it is must be known before its options can be told from their
 * values, so look for its words among what is certainly no option first.
 * *unknown: the words that name none.
 */
static const struct cli_command *
guess_command(int argc, char **argv, const char **unknown)
{
	struct cli probe = {0};
	char *words[3];
	bool sure = true; /* no value was taken for a word */
	int count = 0;
	const struct cli_command *c;

	for (int i = 1; i < argc && count < 3; i++) {
		int taken;

		if (strcmp(argv[i], "--") == 0)
			break;
		if (argv[i][0] != '-' || argv[i][1] == '\0') {
			words[count++] = argv[i];
			continue;
		}
		if (count > 0)
			break; /* the command's words stand together */
		taken = global_words(argv[i]);
		sure = sure && taken > 0;
		i += taken > 0 ? taken - 1 : 0;
	}
	probe.operands = words;
	probe.operands_count = count;
	c = find_command(&probe);
	*unknown = c == NULL && sure && count > 0 ? words[0] : NULL;
	return c;
}

static bool
no_command(struct buf *text, const char *word)
{
	const char *between = "";
	struct err e;
	enum err_code rc;

	buf_clear(text);
	if (!is_group(word))
		return wrong(text, "there is no command", word);
	rc = buf_printf(text, &e, "which command of '%s'? there is ", word);
	for (size_t i = 0; rc == ERR_NONE && cli_commands[i] != NULL; i++) {
		if (!cli_is_of(cli_commands[i], word))
			continue;
		rc = buf_printf(text, &e, "%s'%s'", between,
		    cli_commands[i]->name);
		between = ", ";
	}
	return false;
}

static void
take_globals(struct cli *cli)
{
	const char *socket = getenv("BASCULE_SOCKET");
	const char *repository = getenv("BASCULE_REPOSITORY");
	const char *no_color = getenv("NO_COLOR");

	cli->socket = cli_value(cli, "socket");
	if (cli->socket == NULL)
		cli->socket =
		    socket != NULL ? socket : "/run/bascule/bascule.sock";
	cli->repository = cli_value(cli, "repository");
	if (cli->repository == NULL)
		cli->repository = repository;
	cli->json = cli->json || cli_has(cli, "json");
	cli->quiet = cli_has(cli, "quiet");
	cli->exact_bytes = cli_has(cli, "bytes");
	if (cli_has(cli, "no-color") || (no_color != NULL && *no_color != '\0'))
		cli->colour = false;
}

static bool
operands_fit(const struct cli *cli, struct buf *text)
{
	const struct cli_command *c = cli->command;

	if (cli->operands_count < c->operands_min_count)
		return wrong(text, "something is missing; it takes",
		    c->operands);
	if (c->operands_max_count != CLI_ANY &&
	    cli->operands_count > c->operands_max_count)
		return wrong(text, "there is no place for",
		    cli->operands[c->operands_max_count]);
	return true;
}

static bool
asks_for_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

static bool
take_command(struct cli *cli, struct buf *text)
{
	const char *first = cli->operands_count > 0 ? cli->operands[0] : NULL;
	int operands_count = cli->operands_count;
	bool only_asked = cli_has(cli, "help") || cli_has(cli, "version");

	cli->command = find_command(cli);
	/* The command's own words were operands, too. */
	cli->before_dashes_count -= operands_count - cli->operands_count;
	if (cli->command != NULL)
		return only_asked || operands_fit(cli, text);
	if (first == NULL)
		return only_asked ||
		    wrong(text, "no command was given to", "bascule");
	return (only_asked && is_group(first)) || no_command(text, first);
}

bool
cli_parse(struct cli *cli, int argc, char **argv, struct buf *text)
{
	const char *unknown;
	const struct cli_command *guess = guess_command(argc, argv, &unknown);
	const struct cli_option *own = guess == NULL ? NULL : guess->options;
	struct walk w = {argc, argv, 1, NULL, 0, guess, text};
	size_t most_given = 1; /* every letter of "-abc" may be one */
	bool good = true;

	for (int i = 0; i < argc; i++)
		most_given += strlen(argv[i]);
	cli->given = calloc(most_given, sizeof(*cli->given));
	w.rest = cli->words = calloc((size_t)argc + 1, sizeof(*w.rest));
	if (cli->given == NULL || w.rest == NULL)
		return wrong(text, "out of memory for", argv[0]);
	cli->json = asks_for_json(argc, argv); /* its failures, too */
	if (unknown != NULL && !is_group(unknown))
		return no_command(text, unknown);
	for (; good && w.at < argc; w.at++) {
		char *word = argv[w.at];

		if (strcmp(word, "--") == 0) {
			cli->after_dashes = true;
			cli->before_dashes_count = w.rest_count;
			while (++w.at < argc)
				w.rest[w.rest_count++] = argv[w.at];
		} else if (word[0] == '-' && word[1] == '-')
			good = take_long(cli, &w, own);
		else if (word[0] == '-' && word[1] != '\0')
			good = take_short(cli, &w, own);
		else
			w.rest[w.rest_count++] = word;
	}
	cli->operands = w.rest;
	cli->operands_count = w.rest_count;
	take_globals(cli);
	if (!good) {
		cli->command = guess; /* whose --help says more */
		return unknown == NULL ? false : no_command(text, unknown);
	}
	return take_command(cli, text);
}

void
cli_fini(struct cli *cli)
{
	free(cli->given);
	free(cli->words);
	cli->given = NULL;
	cli->words = cli->operands = NULL;
	cli->given_count = 0;
}
