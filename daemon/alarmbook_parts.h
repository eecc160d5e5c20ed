#ifndef DAEMON_ALARMBOOK_PARTS_H
#define DAEMON_ALARMBOOK_PARTS_H

/* What the units of the book share. */

#include <stdlib.h>

#include "alarmbook.h"

void alarmbook_copy(char *to, size_t to_bytes, const char *text);
/* Ended, and acknowledged. */
bool alarmbook_is_over(const struct alarmbook_alarm *a);
enum err_code alarmbook_add(struct alarmbook *b, const struct alarm_what *what,
    uint64_t number, struct alarmbook_alarm **out, struct err *e) MUST_CHECK;
void alarmbook_put_raised(struct alarmbook_alarm *a,
    const struct alarm_what *what, struct utc at);
void alarmbook_put_told(struct alarmbook_told *t, enum alarmbook_say say,
    enum alarm_level level, struct mono at);

#endif
