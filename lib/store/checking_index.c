#include <stdio.h>
#include <string.h>

#include "manifest.h"
#include "parts.h"
#include "segment.h"

/* A segment that MANIFEST lists: its name, its size, its order. */
static enum err_code
check_segment(struct checking *ck, const struct manifest_segment *ms,
    struct err *e)
{
	struct store *st = ck->store;
	struct segment s;
	struct err why = {0};
	struct id hash;
	char hex[ID_HEX_BYTES], object[16 + ID_HEX_BYTES];
	enum err_code rc;

	id_hex(&ms->name, hex);
	snprintf(object, sizeof(object), "index/%s", hex);
	rc = segment_open(&s, st->index_fd, hex, st->family, &why);
	if (rc == ERR_NOMEM) {
		*e = why;
		return rc;
	}
	if (rc != ERR_NONE) {
		checking_damage(ck, object, "%s", why.text);
		return ERR_NONE;
	}
	rc = hash_sha256(s.map, s.size_bytes, &hash, &why);
	if (rc == ERR_NONE && !id_equal(&hash, &ms->name))
		rc = err_set(&why, ERR_CORRUPT,
		    "its bytes do not match its name");
	if (rc == ERR_NONE &&
	    (s.size_bytes != ms->size_bytes ||
		s.records_count != ms->records_count))
		rc = err_set(&why, ERR_CORRUPT,
		    "is not of the size that MANIFEST says");
	if (rc == ERR_NONE)
		rc = segment_verify(&s, &why);
	segment_fini(&s);
	if (rc != ERR_NONE)
		checking_damage(ck, object, "%s", why.text);
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
