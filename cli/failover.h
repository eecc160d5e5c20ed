#ifndef CLI_FAILOVER_H
#define CLI_FAILOVER_H

/* What the commands about moves share. */

#include <bascule/crypt.h>

#include "live.h"

/* A run as the daemon shows it, for prompts; zeroed: nothing known. */
struct failover_run {
	char run[64], mode[24], from[65], to[65], services[256], phase[32];
	char here[65], roles[128], seen[65];
	char not_known[256]; /* guards that are shown as they were; "" */
	uint64_t epoch;
	char *shown; /* what an approver sees, byte for byte; its owner's */
	bool found;
};
void failover_run_fini(struct failover_run *r);

/* Ask about the run; 0, or an exit code after having said why. */
int failover_run_get(struct cli *cli, const char *run, struct failover_run *r);

/*
 * The site that was typed: --confirm's, or on a terminal the answer to a
 * question that carries site, role, epoch and mode.  what: "moves", ...;
 * wanted: the site to type.  0, or an exit code after having said why.
 */
int failover_confirm(struct cli *cli, const struct failover_run *r,
    const char *what, const char *wanted, char out[65]);
/* Can a question be asked? */
bool failover_can_ask(void);
/* One line from the terminal without its end; false: none came. */
bool failover_read_line(char *out, size_t out_bytes);

/* What is approved, for eyes; --json has the very bytes that `seen` is of. */
void failover_say_shown(const char *text);
/* ... and which of its guards are not known any more; "": none. */
void failover_say_not_known(const char *text);
/* A "failover" message in one line. */
void failover_print(struct wire_value *v);
/* Show what happens to the run until it waits for somebody or has ended. */
int failover_follow(struct cli *cli, const char *run);
/* How a request stands, beside its id: not on stdout, which is for scripts. */
void failover_say_end(struct live *l, const char *type, struct wire_value *v);
/* Sign the request as it is shown; takes *key. */
int failover_sign(struct cli *cli, const char *run, struct sign_key **key);
/* The table of guards, candidates and so on: a reply of plan, request, show. */
void failover_reply(struct live *l, const char *type, struct wire_value *v);

#endif
