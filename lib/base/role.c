#include <bascule/base/role.h>

#include <stddef.h>
#include <string.h>

static const char *const names[ROLE_COUNT] = {"viewer", "auditor", "operator",
    "approver", "dr-lead", "admin", "peer"};

const char *
role_name(enum role role)
{
	return (unsigned)role < ROLE_COUNT ? names[role] : "unknown";
}

bool
role_of_name(const char *name, enum role *role)
{
	for (size_t i = 0; i < ROLE_COUNT; i++) {
		if (strcmp(name, names[i]) == 0) {
			*role = (enum role)i;
			return true;
		}
	}
	return false;
}
