#ifndef AUTHORITY_FACTS_H
#define AUTHORITY_FACTS_H

/* The guards' facts in words. */

#include <bascule/authority.h>

const char *facts_name(enum guards_fact_id id);
const char *facts_source(const struct guards_facts *f, enum guards_fact_id id);
const char *facts_words(const struct guards_facts *f, enum guards_fact_id id,
    char *out, size_t out_bytes);

#endif
