#ifndef LIB_ARCHIVE_ARC_ACL_H
#define LIB_ARCHIVE_ARC_ACL_H

/*
 * POSIX ACLs between the kernel's attributes (system.posix_acl_access and
 * _default, version 2) and libarchive's entries.
 */

#include <stdbool.h>

#include <bascule/base/entry.h>

struct archive_entry;

bool arc_acl_is_name(const char *xattr);

/* False: the attribute is not of the form the kernel gives. */
bool arc_acl_put(struct archive_entry *to, const struct entry_xattr *x);

/*
 * The lists of `from` as attributes of to, whose mode becomes the one a file
 * with them shows.  ERR_INPUT: lists of another kind (NFSv4).
 */
enum err_code arc_acl_take(struct entry *to, struct archive_entry *from,
    struct err *e) MUST_CHECK;

#endif
