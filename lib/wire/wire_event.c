#include <bascule/wire.h>

#include <string.h>

static const char *const names[WIRE_EVENT_COUNT] = {"hello", "progress",
    "heartbeat", "log", "intent", "outcome", "ask", "result"};

const char *
wire_event_name(enum wire_event event)
{
	return (unsigned)event < WIRE_EVENT_COUNT ? names[event] : "unknown";
}

bool
wire_event_of_name(const char *name, enum wire_event *event)
{
	for (size_t i = 0; i < WIRE_EVENT_COUNT; i++) {
		if (strcmp(name, names[i]) == 0) {
			*event = (enum wire_event)i;
			return true;
		}
	}
	return false;
}
