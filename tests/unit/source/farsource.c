#include "farsource.h"

#include <stdio.h>

struct source_host
farsource_of(struct farhost *far, const char *name)
{
	static char fingerprint[64];
	static const char *keys[] = {fingerprint};

	snprintf(fingerprint, sizeof(fingerprint), "%s",
	    farhost_fingerprint(far));
	return (struct source_host){.name = name,
	    .address = "127.0.0.1",
	    .port = far->port,
	    .user = far->user,
	    .host_keys = keys,
	    .host_keys_count = 1,
	    .identity = far->identity};
}
