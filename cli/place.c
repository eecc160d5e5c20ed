#include "place.h"

#include <sys/stat.h>

#define DEFAULT_PLACE "/etc/bascule"

enum err_code
place_policy(struct cli *cli, struct policy **out, struct err *e)
{
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	OWNED(buf_fini) struct buf path = {0};
	const char *place = cli_value(cli, "policy");
	struct stat st;
	enum err_code rc;

	place = place != NULL ? place : DEFAULT_PLACE;
	rc = stat(place, &st) == 0 && S_ISDIR(st.st_mode)
	    ? buf_printf(&path, e, "%s/bascule.conf", place)
	    : buf_add_text(&path, place, e);
	if (rc != ERR_NONE)
		return rc;
	rc = policy_load(out, &ps, buf_text(&path), now_utc(), e);
	if (rc == ERR_POLICY)
		return err_hint(e, "'bascule policy check %s' says what",
		    place);
	return rc;
}
