#include <stdio.h>
#include <string.h>

#include "manifest.h"
#include "parts.h"
#include "segment.h"

enum err_code
checking_index_segment(struct store *st, const struct manifest_segment *ms,
    struct err *e)
{
	OWNED(segment_fini) struct segment s = {0};
	struct id hash;
	char hex[ID_HEX_BYTES];
	enum err_code rc = segment_open(&s, st->index_fd,
	    id_hex(&ms->name, hex), st->family, e);

	if (rc == ERR_NONE)
		rc = segment_hash(&s, &hash, e);
	if (rc != ERR_NONE)
		return rc;
	if (!id_equal(&hash, &ms->name))
		return err_set(e, ERR_CORRUPT,
		    "its bytes do not match its name");
	if (s.size_bytes != ms->size_bytes ||
	    s.records_count != ms->records_count)
		return err_set(e, ERR_CORRUPT,
		    "is not of the size that MANIFEST says");
	return segment_verify(&s, e);
}

static enum err_code
check_segment(struct checking *ck, const struct manifest_segment *ms,
    struct err *e)
{
	struct err why = {0};
	char hex[ID_HEX_BYTES], object[16 + ID_HEX_BYTES];
	enum err_code rc = checking_index_segment(ck->store, ms, &why);

	if (rc == ERR_NOMEM) {
		*e = why;
		return rc;
	}
	snprintf(object, sizeof(object), "index/%s", id_hex(&ms->name, hex));
	if (rc != ERR_NONE) {
		checking_damage(ck, object, "%s", why.text);
		ck->segment_bent = true;
	}
	return ERR_NONE;
}

enum err_code
checking_index(struct checking *ck, struct err *e)
{
	OWNED(manifest_fini) struct manifest m = {0};
	struct err why = {0};
	enum err_code rc = manifest_read(&m, ck->store, &why);

	if (rc == ERR_NOMEM) {
		*e = why;
		return rc;
	}
	if (rc != ERR_NONE) {
		checking_damage(ck, "index/MANIFEST", "%s", why.text);
		return ERR_NONE;
	}
	for (size_t i = 0; rc == ERR_NONE && i < m.segments_count; i++)
		rc = check_segment(ck, &m.segments[i], e);
	return rc;
}
