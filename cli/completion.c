/*
 * bascule completion: what a shell needs to complete this command line, from
 * the same table as --help.  The script knows commands, options and which
 * options take a value; what a value or an operand may be is left to the
 * shell's completion of file names.
 */

#include <stdio.h>
#include <string.h>

#include "cli.h"

struct shell {
	const char *name;
	void (*print)(void);
};

/* Between single quotes, in which quote stands for one of them. */
static void
print_quoted(const char *text, const char *quote)
{
	putchar('\'');
	for (; *text != '\0'; text++)
		if (*text == '\'')
			fputs(quote, stdout);
		else
			putchar(*text);
	putchar('\'');
}

/* Is this the first command of its group? */
static bool
begins_group(size_t at, size_t *group_bytes)
{
	const char *name = cli_commands[at]->name;
	size_t n = *group_bytes = strcspn(name, " ");

	if (name[n] == '\0')
		return false;
	for (size_t i = 0; i < at; i++)
		if (strncmp(cli_commands[i]->name, name, n + 1) == 0)
			return false;
	return true;
}

/* --- bash ------------------------------------------------------------------ */

/* Those that take a value only, or all. */
static void
print_names(const struct cli_option *o, bool valued)
{
	for (; o != NULL && o->name != NULL; o++) {
		if (valued && o->value == NULL)
			continue;
		printf(" --%s", o->name);
		if (o->letter != 0)
			printf(" -%c", o->letter);
	}
}

static void
print_words(const char *group, size_t group_bytes)
{
	size_t n;

	for (size_t i = 0; cli_commands[i] != NULL; i++) {
		const char *name = cli_commands[i]->name;

		if (group != NULL && strncmp(name, group, group_bytes + 1) == 0)
			printf(" %s", name + group_bytes + 1);
		else if (group == NULL &&
		    (strchr(name, ' ') == NULL || begins_group(i, &n)))
			printf(" %.*s", (int)strcspn(name, " "), name);
	}
}

static void
print_bash(void)
{
	size_t n;

	fputs("_bascule() {\n"
	      "	local cur=$2 i w words= next= options= valued=\n"
	      "	local every='",
	    stdout);
	print_names(cli_globals, false);
	fputs("' every_valued='", stdout);
	print_names(cli_globals, true);
	fputs(" '\n"
	      "	for ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "		w=${COMP_WORDS[i]}\n"
	      "		case $w in\n"
	      "		--) return ;;\n"
	      "		-*) [[ -z $words && $every_valued == *\" $w \"* ]] && "
	      "((i++)) ;;\n"
	      "		*) words+=\"$w \" ;;\n"
	      "		esac\n"
	      "	done\n"
	      "	case $words in\n",
	    stdout);
	printf("	'') next='");
	print_words(NULL, 0);
	puts("' ;;");
	for (size_t i = 0; cli_commands[i] != NULL; i++) {
		const struct cli_command *c = cli_commands[i];

		printf("	'%s '*) options='", c->name);
		print_names(c->options, false);
		fputs("' valued='", stdout);
		print_names(c->options, true);
		puts("' ;;");
	}
	for (size_t i = 0; cli_commands[i] != NULL; i++)
		if (begins_group(i, &n)) {
			printf("	'%.*s ') next='", (int)n,
			    cli_commands[i]->name);
			print_words(cli_commands[i]->name, n);
			puts("' ;;");
		}
	fputs("	esac\n"
	      "	[[ \"$every_valued$valued \" == *\" "
	      "${COMP_WORDS[COMP_CWORD-1]} \"* ]] && return\n"
	      "	[[ $cur == -* ]] && next=\"$options $every\"\n"
	      "	COMPREPLY=($(compgen -W \"$next\" -- \"$cur\"))\n"
	      "}\n"
	      "complete -o default -F _bascule bascule\n",
	    stdout);
}

/* --- zsh ------------------------------------------------------------------- */

/* 'name:what it is', as _describe takes it. */
static void
print_described(const char *dashes, const char *name, size_t name_bytes,
    const char *help)
{
	printf(" '%s%.*s:'", dashes, (int)name_bytes, name);
	print_quoted(help, "'\\''");
}

static void
print_zsh_options(const struct cli_option *o)
{
	for (; o != NULL && o->name != NULL; o++) {
		print_described("--", o->name, strlen(o->name), o->help);
		if (o->letter != 0)
			print_described("-", &o->letter, 1, o->help);
	}
}

static void
print_zsh_words(const char *group, size_t group_bytes)
{
	size_t n;

	for (size_t i = 0; cli_commands[i] != NULL; i++) {
		const struct cli_command *c = cli_commands[i];
		bool begins = begins_group(i, &n);

		if (group != NULL &&
		    strncmp(c->name, group, group_bytes + 1) == 0)
			print_described("", c->name + group_bytes + 1,
			    strlen(c->name) - group_bytes - 1, c->help);
		else if (group == NULL && c->name[n] == '\0')
			print_described("", c->name, n, c->help);
		else if (group == NULL && begins)
			print_described("", c->name, n, "...");
	}
}

static void
print_zsh(void)
{
	size_t n;

	fputs("#compdef bascule\n"
	      "_bascule() {\n"
	      "	local i w so_far valued\n"
	      "	local -a next options every\n"
	      "	local every_valued='",
	    stdout);
	print_names(cli_globals, true);
	fputs(" '\n	every=(", stdout);
	print_zsh_options(cli_globals);
	fputs(")\n"
	      "	for ((i = 2; i < CURRENT; i++)); do\n"
	      "		w=$words[i]\n"
	      "		case $w in\n"
	      "		--) _files; return ;;\n"
	      "		-*) [[ -z $so_far && $every_valued == *\" $w \"* ]] && "
	      "((i++)) ;;\n"
	      "		*) so_far+=\"$w \" ;;\n"
	      "		esac\n"
	      "	done\n"
	      "	case $so_far in\n"
	      "	'') next=(",
	    stdout);
	print_zsh_words(NULL, 0);
	puts(") ;;");
	for (size_t i = 0; cli_commands[i] != NULL; i++) {
		const struct cli_command *c = cli_commands[i];

		printf("	'%s '*) valued='", c->name);
		print_names(c->options, true);
		fputs("' options=(", stdout);
		print_zsh_options(c->options);
		puts(") ;;");
	}
	for (size_t i = 0; cli_commands[i] != NULL; i++)
		if (begins_group(i, &n)) {
			printf("	'%.*s ') next=(", (int)n,
			    cli_commands[i]->name);
			print_zsh_words(cli_commands[i]->name, n);
			puts(") ;;");
		}
	fputs("	esac\n"
	      "	if [[ \"$every_valued$valued \" == *\" $words[CURRENT-1] \"* "
	      "]]; then\n"
	      "		_files\n"
	      "	elif [[ $PREFIX == -* ]]; then\n"
	      "		_describe -o option options -- every\n"
	      "	elif (( $#next )); then\n"
	      "		_describe command next\n"
	      "	else\n"
	      "		_files\n"
	      "	fi\n"
	      "}\n"
	      "if [[ $funcstack[1] == _bascule ]]; then\n"
	      "	_bascule \"$@\"\n"
	      "else\n"
	      "	compdef _bascule bascule\n"
	      "fi\n",
	    stdout);
}

/* --- fish ------------------------------------------------------------------ */

static void
print_fish_options(const char *when, const char *name,
    const struct cli_option *o)
{
	for (; o != NULL && o->name != NULL; o++) {
		printf("complete -c bascule%s%s%s -l %s", when, name,
		    *when != '\0' ? "'" : "", o->name);
		if (o->letter != 0)
			printf(" -s %c", o->letter);
		printf("%s -d ", o->value != NULL ? " -r" : "");
		print_quoted(o->help, "\\'");
		putchar('\n');
	}
}

static void
print_fish_word(const char *group, size_t group_bytes, const char *word,
    size_t word_bytes, const char *help)
{
	printf("complete -c bascule -f -n '__bascule_at %.*s' -a %.*s -d ",
	    (int)group_bytes, group, (int)word_bytes, word);
	print_quoted(help, "\\'");
	putchar('\n');
}

static void
print_fish(void)
{
	fputs("function __bascule_words\n"
	      "	set -l skip 0\n"
	      "	set -l out\n"
	      "	for w in (commandline -opc)[2..-1]\n"
	      "		if test $skip = 1\n"
	      "			set skip 0\n"
	      "		else if contains -- $w",
	    stdout);
	print_names(cli_globals, true);
	fputs("\n"
	      "			set skip 1\n"
	      "		else if not string match -q -- '-*' $w\n"
	      "			set -a out $w\n"
	      "		end\n"
	      "	end\n"
	      "	echo \"$out\"\n"
	      "end\n"
	      "function __bascule_at\n"
	      "	test (__bascule_words) = \"$argv\"\n"
	      "end\n"
	      "function __bascule_in\n"
	      "	string match -q -- \"$argv *\" (__bascule_words)' '\n"
	      "end\n",
	    stdout);
	for (size_t i = 0; cli_commands[i] != NULL; i++) {
		const struct cli_command *c = cli_commands[i];
		size_t n;

		if (begins_group(i, &n))
			print_fish_word("", 0, c->name, n, "...");
		if (c->name[n] == '\0')
			print_fish_word("", 0, c->name, n, c->help);
		else
			print_fish_word(c->name, n, c->name + n + 1,
			    strlen(c->name + n + 1), c->help);
		print_fish_options(" -n '__bascule_in ", c->name, c->options);
	}
	print_fish_options("", "", cli_globals);
}

static const struct shell shells[] = {{"bash", print_bash}, {"zsh", print_zsh},
    {"fish", print_fish}};

static int
run(struct cli *cli)
{
	for (size_t i = 0; i < COUNT_OF(shells); i++)
		if (strcmp(cli->operands[0], shells[i].name) == 0) {
			shells[i].print();
			return EXITCODE_DONE;
		}
	return cli_wrong_use(cli,
	    "there is no completion for '%.40s': bash, zsh and fish have one",
	    cli->operands[0]);
}

const struct cli_command command_completion = {"completion", "bash|zsh|fish",
    "print what a shell needs to complete this command line", NULL, 1, 1, run};
