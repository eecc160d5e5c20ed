#ifndef DAEMON_WORDS_H
#define DAEMON_WORDS_H

/*
 * What people have said of a run, out of the records of both ledgers.
 *
 * WD1. Whose people they are the ledger says in which it stands: a site speaks
 *      for accounts of its own, whatever its records say of themselves.
 * WD2. Of whom the policy names a key a word counts by its signature, and never
 *      without it; of whom it names a council, that is theirs everywhere.  What
 *      is recorded long after it was signed, or before, does not count.
 * WD3. Nobody's words push out another's: of each account the newest two of a
 *      verb stay.
 * WD4. Root is whoever became it.  Where no login tells who that is, its word is
 *      nobody's: one person with the password would else be two.
 * WD5. Where the policy wants signed words (approvals.signed) nobody else
 *      requests, approves, seconds, attests or releases; a no is anybody's.
 */

#include <bascule/authority.h>
#include <bascule/crypt.h>
#include <bascule/ledger.h>
#include <bascule/policy.h>

struct wire_value;

/* How far the clock of who signs may be off the daemon's. */
#define WORDS_CLOCK_NS (5 * 60 * NS_PER_S)

/* Who did what the record says, of the ledger of that site. */
void words_person(const struct policy *p, const struct record *r,
    const char *site, struct approvals_person *out);

/* A record of type approval; false: it is no word, or not that person's. */
bool words_read(const struct policy *p, const struct record *r,
    const char *site, struct approvals_word *out);

/* WD4 */
bool words_is_somebody(const struct approvals_person *who);

/* testimony_take, WD3. */
void words_take(struct approvals_word *words, size_t *count, size_t max,
    const struct approvals_word *word);

/* --- signatures: of every word that is signed, said or read ----------------- */

struct words_signature {
	const char *signature, *signer; /* hex; "": none */
	struct approvals_signing of;
};

/*
 * Is it that person's, by the key that the policy names, of this very word?
 * ERR_INPUT: it is no signature; ERR_REFUSED: of another key, or of another word.
 */
enum err_code words_check(const struct policy_person *p,
    const struct words_signature *s, char fingerprint[SIGN_FINGERPRINT_SIZE],
    struct err *e) MUST_CHECK;

/* What a request says of it: signature, signer, said; texts until it is freed. */
void words_take_signature(struct wire_value *request,
    struct words_signature *out);

struct words_asking {
	const char *how; /* the command that says it, for the hint */
	/* WD5: a service whose policy wants signed words; NULL: none does */
	const char *signed_for;
};
/*
 * May the caller say this, so signed?  Of whom the policy names a key the
 * signature is asked for, and is of now; nobody else has one.  Sets w->who.key
 * and w->said.
 */
enum err_code words_may_say(const struct policy *p,
    const struct words_signature *s, const struct words_asking *asking,
    struct approvals_word *w, struct err *e) MUST_CHECK;
/* ... and has that person said something since, among these? */
enum err_code words_is_new(const struct approvals_word *words, size_t count,
    const struct approvals_word *w, struct err *e) MUST_CHECK;

/* WD5: of that service.  False: it is not signed, and would have to be. */
bool words_counts(const struct policy *p, const char *service,
    const struct approvals_word *w);

/* The signature's fields of the record. */
void words_draft(struct draft *d, const struct words_signature *s);

#endif
