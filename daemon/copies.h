#ifndef DAEMON_COPIES_H
#define DAEMON_COPIES_H

/*
 * The copies of a service at other sites, as the active site knows them: the
 * RPO there, what is pending, when it will be well again.
 */

#include "daemon.h"

#define COPIES_TEXT_BYTES 256
#define COPIES_JOBS_MAX   500 /* looked at, for what is pending */

/* When what is pending will be over the link: links_foretell. */
struct links_outlook {
	char link[65];        /* that carries it, or would; "": none */
	bool is_up;           /* else the rest counts from when one is */
	uint64_t bytes_per_s; /* expected now; 0: not known */
	int64_t takes_ns;
	struct utc done; /* at the earliest; ns 0: not known */
};
/*
 * pending_bytes of the service, and what other replications to that site have
 * still to send, by what the link was measured to carry and its windows.
 */
void links_foretell(const struct daemon *d, const char *site,
    const char *service, uint64_t pending_bytes, struct links_outlook *out);

struct copies_input {
	int64_t rpo_ns;
	struct utc here, there;     /* the newest points; ns 0: none */
	struct utc done, scheduled; /* links_outlook.done; posture_arrival */
};
/* Pure: of the copy there, as posture_judge. */
enum posture_rpo copies_judge(const struct copies_input *in, struct utc now,
    struct utc *breaks);

struct copies_view {
	const char *site;
	struct utc there;
	bool lacks; /* the newest point */
	uint64_t pending_bytes;
	struct links_outlook outlook;
	enum posture_rpo rpo;
	struct utc breaks;
};
enum err_code copies_look_at(struct daemon *d, struct daemon_service *s,
    const char *site, struct copies_view *out, struct err *e) MUST_CHECK;
/* "1.2GiB to send over 'bt', about 4min: ..." Returns out. */
const char *copies_outlook_text(const struct links_outlook *o,
    uint64_t pending_bytes, char out[COPIES_TEXT_BYTES]);

/* "guarantees_missing" into v, where a copy there is without any. */
void copies_add_lacks(struct wire_value *v, const struct policy_site *site);
/* When the newest complete point there was taken; ns 0: there is none. */
enum err_code copies_newest(struct daemon *d, const char *service,
    const char *site, struct utc *at, struct err *e) MUST_CHECK;
/* "copies" into v; *behind is set when one has broken its RPO. */
enum err_code copies_to_wire(struct daemon *d, struct daemon_service *s,
    struct wire_value *v, struct wire_value *problems, bool *behind,
    struct err *e) MUST_CHECK;
/* Record, and alarm about, what changed since the last look. */
void copies_look(struct daemon *d, struct daemon_service *s);

#endif
