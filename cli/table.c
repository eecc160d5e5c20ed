/*
 * The one list of commands.  A command's file defines its row,
 * `const struct cli_command command_NAME`; a new one is added here.
 */

#include "cli.h"

#define COMMANDS(X)     \
	X(policy_check) \
	X(policy_show) X(policy_explain) X(policy_reference) X(version)

#define DECLARE(name) extern const struct cli_command command_##name;
COMMANDS(DECLARE)

#define ROW(name) &command_##name,
const struct cli_command *const cli_commands[] = {COMMANDS(ROW) NULL};
