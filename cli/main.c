/* bascule: the command line. */

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/nodump.h>

#include "cli.h"

extern const struct cli_command command_version;

static void
print_options(const struct cli_option *o)
{
	for (; o != NULL && o->name != NULL; o++) {
		char left[64];
		int used = 0;

		if (o->letter != 0)
			used = snprintf(left, sizeof(left), "-%c, ", o->letter);
		snprintf(left + used, sizeof(left) - (size_t)used, "--%s%s%s",
		    o->name, o->value != NULL ? " " : "",
		    o->value != NULL ? o->value : "");
		printf("  %-30s %s\n", left, o->help);
	}
}

static int
help_command(const struct cli_command *c)
{
	printf("usage: bascule %s%s%s%s\n\n%s\n", c->name,
	    c->options != NULL && c->options->name != NULL ? " [OPTION...]"
							   : "",
	    *c->operands != '\0' ? " " : "", c->operands, c->help);
	if (c->options != NULL && c->options->name != NULL) {
		puts("\noptions:");
		print_options(c->options);
	}
	puts("\noptions of every command:");
	print_options(cli_globals);
	return EXITCODE_DONE;
}

/* Every command, or those whose first word is group. */
static int
help_all(const char *group)
{
	printf("usage: bascule [-r REPOSITORY | --socket PATH] [--json] %s "
	       "...\n\ncommands:\n",
	    group != NULL ? group : "COMMAND");
	for (size_t i = 0; cli_commands[i] != NULL; i++) {
		const struct cli_command *c = cli_commands[i];
		char left[80];

		if (group != NULL && !cli_is_of(c, group))
			continue;
		snprintf(left, sizeof(left), "%s%s%s", c->name,
		    *c->operands != '\0' ? " " : "", c->operands);
		if (strlen(left) > 38)
			printf("  %s\n  %-38s %s\n", left, "", c->help);
		else
			printf("  %-38s %s\n", left, c->help);
	}
	puts("\noptions of every command:");
	print_options(cli_globals);
	puts("\n'bascule COMMAND --help' says more of one.");
	return EXITCODE_DONE;
}

/*
 * What was printed must have arrived: a full disk is a failure.  A reader who
 * went away (`bascule ls latest | head`) had enough.
 */
static int
flushed(const struct cli *cli, int status)
{
	struct err e;

	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno == EPIPE)
		return EXITCODE_SIGNAL + SIGPIPE;
	err_sys(&e, "cannot write the output");
	return status != EXITCODE_DONE ? status : cli_fail(cli, &e);
}

int
main(int argc, char **argv)
{
	OWNED(buf_fini) struct buf text = {0};
	OWNED(cli_fini) struct cli cli = {0};
	int status;

	nodump_set();
	setlocale(LC_ALL, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	cli.terminal = isatty(STDERR_FILENO) == 1;
	cli.colour = isatty(STDOUT_FILENO) == 1;
	if (!cli_parse(&cli, argc, argv, &text))
		status = cli_wrong_use(&cli, "%s", buf_text(&text));
	else if (cli_has(&cli, "version"))
		status = command_version.run(&cli);
	else if (cli_has(&cli, "help"))
		status = cli.command != NULL
		    ? help_command(cli.command)
		    : help_all(cli.operands_count > 0 ? cli.operands[0] : NULL);
	else
		status = cli.command->run(&cli);
	status = flushed(&cli, status);
	if (!cli_has(&cli, "help") && status != EXITCODE_SIGNAL + SIGPIPE)
		cli_line_last(&cli, status);
	return status;
}
