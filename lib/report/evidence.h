#ifndef EVIDENCE_H
#define EVIDENCE_H

#include <bascule/archive.h>
#include <bascule/base/atomfile.h>
#include <bascule/base/id.h>
#include <bascule/base/le.h>
#include <bascule/crypt.h>
#include <bascule/report.h>

#include "evidence_digests.h"
#include "evidence_keys.h"

/* docs/format/evidence.md. */
#define EVIDENCE_FORMAT         1
#define EVIDENCE_LABEL          "bascule evidence v1"
#define EVIDENCE_SEAL_FRAME     "\x5e\x2a\x4d\x18"
#define EVIDENCE_SEAL_MAGIC     "BLEV"
#define EVIDENCE_SEAL_BODY      36
#define EVIDENCE_SEAL_BYTES     44
#define EVIDENCE_PART_BYTES     ((size_t)4 << 20)
#define EVIDENCE_MANIFEST_MAX   ((size_t)1 << 20)
#define EVIDENCE_HEAD_BYTES_MAX ((size_t)32 << 10)
#define EVIDENCE_MEMBERS_MAX    4096
#define EVIDENCE_NAME_BYTES     64

#define EVIDENCE_MANIFEST  "manifest.json"
#define EVIDENCE_SIGNATURE "manifest.sig"
#define EVIDENCE_HEADS     "heads.bin"
#define EVIDENCE_RECORDS   "records/"
#define EVIDENCE_KEYS      "keys.txt"
#define EVIDENCE_SUMS      "SHA256SUMS"
#define EVIDENCE_SITES     "sites/"
#define EVIDENCE_SUFFIX    ".tar.zst"

/* A pack within a pack is judged in memory. */
#define EVIDENCE_OTHER_BYTES_MAX ((size_t)512 << 20)

struct evidence_member {
	char name[EVIDENCE_NAME_BYTES];
	uint64_t bytes;
	struct id hash;
};

/* A pack being written. */
struct evidence_draft {
	struct ledger *l;
	const struct evidence_options *o;
	struct evidence_tally tally;
	struct arc_tar_writer *tar;
	struct atomfile *file; /* NULL: it goes into memory */
	struct buf memory;
	bool is_other;      /* within another site's pack: records alone */
	struct hash *whole; /* of the file, for the seal */
	struct head first;  /* the records begin behind it; number 0: none */
	struct head last;   /* ... and end at its tips; number 0: open end */
	struct head newest;
	uint8_t heads_signer[SIGN_PUBLIC_BYTES]; /* of the last in the pack */
	struct ledger_verdict found;             /* about the ledger itself */
	struct buf heads;
	struct buf part; /* records of the member being filled */
	unsigned parts_count;
	struct buf events;
	struct evidence_keys keys;
	struct evidence_digests digests;
	char runs[64][LEDGER_NAME_BYTES_MAX + 1]; /* of exercises seen */
	size_t runs_count;
	struct evidence_member *members;
	size_t members_count;
};

/* "HASH  NAME" a line of each member, as sha256sum -c takes it. */
enum err_code evidence_manifest_sums(const struct evidence_member *members,
    size_t count, struct buf *out, struct err *e) MUST_CHECK;

/* The manifest of what was added so far, and its signature's file (left empty
 * without a signer). */
enum err_code evidence_manifest(const struct evidence_draft *x, struct buf *out,
    struct err *e) MUST_CHECK;
enum err_code evidence_manifest_sign(const struct evidence_draft *x,
    const struct buf *manifest, struct buf *out, struct err *e) MUST_CHECK;

#endif
