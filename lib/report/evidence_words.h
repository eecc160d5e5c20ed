#ifndef EVIDENCE_WORDS_H
#define EVIDENCE_WORDS_H

/*
 * Other sites' words in a ledger's records: acknowledgements of points and
 * cosignatures of heads (docs/format/ledger.md, "Statements").  Feed the heads
 * first, then the records.
 */

#include <bascule/report.h>

struct evidence_words {
	struct evidence_verdict *v;
	struct words_head {
		uint64_t number, records_count; /* that it covers */
		struct id hash;
	} * heads; /* by number, no gaps */
	size_t heads_count, heads_room;
};

void evidence_words_fini(struct evidence_words *w);
enum err_code evidence_words_head(struct evidence_words *w,
    const struct head *h, struct err *e) MUST_CHECK;
/*
 * ERR_CORRUPT: a word that its signer never gave, or about something else than
 * the record; or another site has signed for another head than the one here.
 */
enum err_code evidence_words_record(struct evidence_words *w,
    const struct record *r, struct err *e) MUST_CHECK;
/* After the last record. */
void evidence_words_end(struct evidence_words *w);

#endif
