#include "pin.h"

enum err_code
store_pin_writer(struct intake *in, const uint8_t key[32], struct err *e)
{
	return pin_add(intake_session(in), key, "", e);
}
