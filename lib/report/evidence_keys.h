#ifndef EVIDENCE_KEYS_H
#define EVIDENCE_KEYS_H

/*
 * The keys that a pack's heads and open records name, and what for: whoever
 * writes a pack and whoever judges it make the same text of them, so what stands
 * in keys.txt is nobody's word.  Feed the heads first, then the records.
 */

#include <bascule/report.h>

#define EVIDENCE_KEYS_MAX 512

struct evidence_keys { /* zeroed: none */
	struct evidence_key {
		char fingerprint[64], what[200];
	} * items; /* in the order in which they are named */
	size_t count;
};
void evidence_keys_fini(struct evidence_keys *k);
enum err_code evidence_keys_head(struct evidence_keys *k, const uint8_t *signer,
    struct err *e) MUST_CHECK;
/* A field that cannot be read names no key: others judge it. */
enum err_code evidence_keys_record(struct evidence_keys *k,
    const struct record *r, struct err *e) MUST_CHECK;
/* A line a key and use. */
enum err_code evidence_keys_text(const struct evidence_keys *k, struct buf *out,
    struct err *e) MUST_CHECK;

#endif
