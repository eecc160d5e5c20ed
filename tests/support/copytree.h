#ifndef TESTS_SUPPORT_COPYTREE_H
#define TESTS_SUPPORT_COPYTREE_H

/*
 * Copy the files under the folder from into a new folder under /tmp, files of
 * mode 0644 whatever the umask of the checkout was.  Returns to, its name.
 */
const char *copytree_make(const char *from, char to[64]);

/* Remove it with all that is in it. */
void copytree_remove(const char *to);

#endif
