#ifndef TESTS_MODEL_SEEN_H
#define TESTS_MODEL_SEEN_H

/*
 * What can be seen of a repository from outside while it is at work: names
 * that come and go.  Each is held against the rules at the moment it does:
 *
 * - a session that was fenced publishes no snapshot;
 * - a pack goes only when it has been condemned for as long as the collection
 *   says, by a time that no clock can bend; when everybody who was at work when
 *   it was condemned has ended; and when a durable MANIFEST does without it.
 */

#include <stdbool.h>
#include <stdint.h>

void seen_begin(const char *root);
void seen_death(int actor);
void seen_fsync(int fd);
void seen_before_unlink(int fd, const char *name);
void seen_unlink(int fd, const char *name);
void seen_name(int fd, const char *name);

#endif
