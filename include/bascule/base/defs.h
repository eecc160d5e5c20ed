#ifndef BASCULE_BASE_DEFS_H
#define BASCULE_BASE_DEFS_H

/*
 * The whole of the project's compiler vocabulary.  Keep it this short.
 */

#include <stdio.h>
#include <stdlib.h>

/* The result must be looked at; every fallible function carries this. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* printf-like: format is argument f, its values start at argument a. */
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/*
 * The variable owns what it holds: fn(&variable) runs when it leaves scope.
 * Every foo_free/_discard/_close in bascule takes a pointer to the variable,
 * accepts NULL in it and leaves NULL behind, so all of them fit here.
 */
#define OWNED(fn) __attribute__((cleanup(fn)))

/* Move an owned pointer out of its variable, which is left NULL. */
#define TAKE(var)                               \
	__extension__({                         \
		__typeof__(var) taken_ = (var); \
		(var) = NULL;                   \
		taken_;                         \
	})

/*
 * For our own bugs only, in release builds too: never for input, disk or
 * network.  A job is a process of its own; its supervisor records the abort.
 */
#define ASSERT(cond)                                                  \
	do {                                                          \
		if (!(cond)) {                                        \
			fprintf(stderr, "%s:%d: bug: not true: %s\n", \
			    __FILE__, __LINE__, #cond);               \
			abort();                                      \
		}                                                     \
	} while (0)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* OWNED(free_mem) char *text: plain malloc'd memory. */
static inline void
free_mem(void *varp)
{
	free(*(void **)varp);
	*(void **)varp = NULL;
}

#endif
