#ifndef TESTS_SUPPORT_MUST_H
#define TESTS_SUPPORT_MUST_H

#include <check.h>

/* It has to work here; if not, say what went wrong, and in which line. */
#define must(rc, e) ck_assert_msg((rc) == ERR_NONE, "%s", (e)->text)

#endif
