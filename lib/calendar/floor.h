#ifndef BASCULE_LIB_CALENDAR_FLOOR_H
#define BASCULE_LIB_CALENDAR_FLOOR_H

#include <stdint.h>

/* a / b rounded down, for b > 0: times before 1970 are negative. */
static inline int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

#endif
