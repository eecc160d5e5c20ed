#include "lastcommon.h"

#include <string.h>

static bool
has_word(const char *words, const char *word)
{
	const size_t len = strlen(word);

	for (const char *at = words; *at != '\0';) {
		const size_t n = strcspn(at, " ");

		if (n == len && strncmp(at, word, len) == 0)
			return true;
		at += n + (at[n] == ' ');
	}
	return false;
}

bool
lastcommon_is(struct lastcommon *lc, const char *sites)
{
	bool is = false;

	for (size_t i = 0;
	     i < lc->policy->site_count && i < LASTCOMMON_SITES_MAX; i++) {
		const char *name = lc->policy->sites[i].name;

		if (lc->found[i] || strcmp(name, lc->own) == 0 ||
		    !has_word(sites, name))
			continue;
		lc->found[i] = is = true;
	}
	return is;
}
