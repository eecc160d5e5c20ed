#ifndef LIB_REPLICATE_REACH_H
#define LIB_REPLICATE_REACH_H

#include <bascule/replicate.h>
#include <bascule/ssh.h>

/* Take to->url apart, pin its host's keys, connect and log in. */
enum err_code reach_dial(struct sshconn **out, struct sshurl *u,
    const struct replicate_target *to, const volatile sig_atomic_t *cancel,
    struct err *e) MUST_CHECK;

#endif
