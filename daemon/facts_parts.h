#ifndef DAEMON_FACTS_PARTS_H
#define DAEMON_FACTS_PARTS_H

/* What the units of facts share: one gathering. */

#include "facts.h"

struct facts_run {
	struct daemon *d;
	const struct facts_of *of;
	struct guards_facts *out;
	/* the other site, as it was last heard: facts_peer.c */
	const struct peer *peer; /* NULL: the other site has no daemon */
	struct utc heard;
	bool answers;   /* just now */
	bool is_silent; /* as the alarm has it: for so long that it counts */
	char peer_policy[ID_HEX_BYTES];
	char peer_state[GUARDS_TEXT_BYTES]; /* of the service; "" */
	bool peer_active;                   /* it runs there, by its own word */
	bool peer_epoch_known;
	uint64_t peer_epoch;
	struct utc peer_epoch_at;
	/* the point */
	struct request_point point;
	bool has_point;
};

/* The other site's last word and register. */
enum err_code facts_peer_read(struct facts_run *f, struct err *e) MUST_CHECK;
/* G06, G08: from the readiness checks. */
void facts_ready_tell(struct facts_run *f);

#endif
