#ifndef LIB_ARCHIVE_ARC_IMPL_H
#define LIB_ARCHIVE_ARC_IMPL_H

/*
 * libarchive asks the thread's locale how names are spelled and warns of every
 * byte that is not ASCII under "C".  Ours are UTF-8, whatever the environment
 * says: a locale for the calling thread, put back afterwards.
 */

#include <errno.h>
#include <locale.h>

struct arc_locale {
	locale_t ours, before;
};

/* ... and whether a name it cannot spell is want of memory, asks errno. */
static inline void
arc_locale_enter_as(struct arc_locale *l, const char *name)
{
	l->ours = newlocale(LC_CTYPE_MASK, name, (locale_t)0);
	l->before = l->ours == (locale_t)0 ? (locale_t)0 : uselocale(l->ours);
	errno = 0;
}

static inline void
arc_locale_enter(struct arc_locale *l)
{
	arc_locale_enter_as(l, "C.UTF-8");
}

static inline void
arc_locale_leave(struct arc_locale *l)
{
	if (l->ours == (locale_t)0)
		return;
	uselocale(l->before);
	freelocale(l->ours);
}

#endif
