#ifndef CLI_ALARMS_H
#define CLI_ALARMS_H

struct wire_value;

/* The service and what else an alarm is about; until the next call. */
const char *alarms_about(struct wire_value *v);

#endif
