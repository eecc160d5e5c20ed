/* The table of commands, from cli/commands.def. */

#include "cli.h"

#define COMMAND(name) extern const struct cli_command command_##name;
#include "commands.def"
#undef COMMAND

#define COMMAND(name) &command_##name,
const struct cli_command *const cli_commands[] = {
#include "commands.def"
    NULL};
