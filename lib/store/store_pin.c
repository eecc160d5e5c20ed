#include <string.h>

#include "pin.h"

enum err_code
store_pin_writer(struct intake *in, const uint8_t key[32], struct err *e)
{
	return pin_add(intake_session(in), key, "", e);
}

void
store_pin_list_fini(struct store_pin_list *p)
{
	free(p->pins);
	memset(p, 0, sizeof(*p));
}

enum err_code
store_pin_list(struct store_pin_list *out, struct store *st, struct err *e)
{
	enum err_code rc;

	*out = (struct store_pin_list){.store = st};
	rc = pin_list(out, e);
	if (rc != ERR_NONE)
		store_pin_list_fini(out);
	return rc;
}
