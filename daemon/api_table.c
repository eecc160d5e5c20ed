/* The one list of the API's commands. */

#include <string.h>

#include "client.h"

#define COMMAND(name) &api_##name,
static const struct api_command *const commands[] = {
#include "commands.def"
};
#undef COMMAND

const struct api_command *
api_table_find(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}
