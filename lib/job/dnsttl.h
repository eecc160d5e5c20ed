#ifndef JOB_DNSTTL_H
#define JOB_DNSTTL_H

/* How long a name's answer is kept by those who asked for it. */

#include <stddef.h>
#include <stdint.h>

#include <bascule/base/defs.h>
#include <bascule/base/err.h>

/*
 * The smallest time to live among a DNS message's answers, in seconds.
 * ERR_CORRUPT: it is none, or cut; ERR_NOTFOUND: no answers.
 */
enum err_code dnsttl_read(const void *message, size_t len_bytes,
    uint32_t *seconds, struct err *e) MUST_CHECK;

/*
 * Ask for a name's address (A, else AAAA).  resolver: "ADDRESS:PORT", "" the
 * system's.  ERR_NOTFOUND: it has none; ERR_TIMEOUT; ERR_INPUT: no such
 * resolver.
 */
enum err_code dnsttl_ask(const char *name, const char *resolver,
    uint32_t *seconds, struct err *e) MUST_CHECK;

#endif
