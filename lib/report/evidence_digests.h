#ifndef EVIDENCE_DIGESTS_H
#define EVIDENCE_DIGESTS_H

/*
 * The policies that were in force, by the digests in records: what a digest is
 * the SHA-256 of stands in a member named after its first half, so that whoever
 * has sha256sum can see that it is the one.  Of a pack that is limited to a
 * service or a council only the plans of the services in it.
 */

#include <bascule/base/id.h>
#include <bascule/report.h>

#define EVIDENCE_POLICIES    "policies/"
#define EVIDENCE_PLANS       "plans/"
#define EVIDENCE_DIGESTS_MAX 1024

struct evidence_digests { /* zeroed: none */
	struct evidence_digest {
		bool is_plan, is_there;
		char hex[ID_HEX_BYTES];
		char service[LEDGER_NAME_BYTES_MAX + 1]; /* of a plan */
	} * items;
	size_t count;
};
void evidence_digests_fini(struct evidence_digests *d);
/* Those that an open record names. */
enum err_code evidence_digests_record(struct evidence_digests *d,
    const struct record *r, struct err *e) MUST_CHECK;
size_t evidence_digests_count(const struct evidence_digests *d, bool is_plan);
size_t evidence_digests_there(const struct evidence_digests *d, bool is_plan);

/* The member of such a text; out: EVIDENCE_NAME_BYTES. */
void evidence_digests_name(const struct evidence_digest *d, char *out,
    size_t out_bytes);
/* Is that a member of this kind? */
bool evidence_digests_is(const char *name);
/*
 * Is it named as its hash is, and by a record?  It counts as there.
 * ERR_CORRUPT: no.
 */
enum err_code evidence_digests_judge(struct evidence_digests *d,
    const char *name, const struct id *hash, struct err *e) MUST_CHECK;

#endif
