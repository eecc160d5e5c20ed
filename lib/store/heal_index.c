#include <stdio.h>
#include <string.h>

#include <bascule/base/fdio.h>

#include "checking_pack.h"
#include "footers.h"
#include "heal.h"
#include "index.h"
#include "manifest.h"

/*
 * What the good segments do not name comes from the packs' own footers.  All
 * under the lock: while the index is damaged nobody can write anyhow.
 */

/* A pack that some whole index file speaks of, listed or not. */
struct origin {
	struct id pack;
	bool foreign;
	bool covered; /* by a good listed segment */
};

struct rebuild {
	struct heal *heal;
	struct manifest manifest; /* the new one */
	bool manifest_damaged;
	struct id *lost; /* segments that were listed and are bad */
	size_t lost_count;
	struct origin *origins; /* sorted by pack once they are all there */
	size_t origins_count, origins_room;
	struct reader *reader; /* NULL: no key to look with */
	struct hash *hash;
	uint64_t added_count;
};

static void
rebuild_fini(struct rebuild *b)
{
	manifest_fini(&b->manifest);
	free(b->lost);
	free(b->origins);
	reader_free(&b->reader);
	hash_free(&b->hash);
}

/* --- what is good ------------------------------------------------------------ */

static int
by_pack(const void *va, const void *vb)
{
	const struct origin *a = va, *b = vb;

	return id_compare(&a->pack, &b->pack);
}

static enum err_code
add_origins(struct rebuild *b, const struct segment *s, bool listed,
    struct err *e)
{
	for (uint32_t i = 0; i < s->packs_count; i++) {
		struct segment_pack sp;

		if (b->origins_count == b->origins_room) {
			size_t room = b->origins_room * 2 + 64;
			struct origin *more =
			    reallocarray(b->origins, room, sizeof(*more));

			if (more == NULL)
				return err_nomem(e);
			b->origins = more;
			b->origins_room = room;
		}
		segment_pack(s, i, &sp);
		b->origins[b->origins_count++] = (struct origin){sp.name,
		    (sp.flags & SEGMENT_FOREIGN) != 0, listed};
	}
	return ERR_NONE;
}

static bool
is_listed(const struct rebuild *b, const struct id *name)
{
	for (size_t i = 0; i < b->manifest.segments_count; i++)
		if (id_equal(&b->manifest.segments[i].name, name))
			return true;
	return false;
}

/* Every index file that is whole knows where its packs came from. */
static enum err_code
gather_origins(struct rebuild *b, struct err *e)
{
	struct store *st = b->heal->store;
	OWNED(repo_names_fini) struct repo_names n = {0};
	enum err_code rc = repo_list(&n, st->index_fd, e);

	for (size_t i = 0; rc == ERR_NONE && i < n.count; i++) {
		OWNED(segment_fini) struct segment s = {0};
		struct id name, hash;
		struct err why = {0};

		if (!id_parse(n.names[i], &name) ||
		    segment_open(&s, st->index_fd, n.names[i], st->family,
			&why) != ERR_NONE ||
		    segment_hash(&s, &hash, &why) != ERR_NONE ||
		    !id_equal(&hash, &name))
			continue;
		rc = add_origins(b, &s, is_listed(b, &name), e);
	}
	if (b->origins_count > 0)
		qsort(b->origins, b->origins_count, sizeof(*b->origins),
		    by_pack);
	return rc;
}

/* *known: some index file names it; *covered: a listed one. */
static void
look_up(const struct rebuild *b, const struct id *pack, bool *known,
    bool *covered, bool *foreign)
{
	size_t low = 0, high = b->origins_count;

	*known = *covered = *foreign = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (id_compare(&b->origins[mid].pack, pack) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < b->origins_count && id_equal(&b->origins[low].pack, pack);
	     low++) {
		*known = true;
		*covered |= b->origins[low].covered;
		*foreign |= b->origins[low].foreign;
	}
}

/* The listed segments that are good into the new MANIFEST. */
static enum err_code
sift_segments(struct rebuild *b, const struct manifest *old, struct err *e)
{
	struct heal *h = b->heal;
	enum err_code rc = ERR_NONE;

	b->lost = calloc(old->segments_count + 1, sizeof(*b->lost));
	if (b->lost == NULL)
		return err_nomem(e);
	for (size_t i = 0; rc == ERR_NONE && i < old->segments_count; i++) {
		const struct manifest_segment *ms = &old->segments[i];
		struct err why = {0};
		char hex[ID_HEX_BYTES], object[16 + ID_HEX_BYTES];

		rc = checking_index_segment(h->store, ms, &why);
		if (rc == ERR_NOMEM) {
			*e = why;
			return rc;
		}
		if (rc == ERR_NONE) {
			rc = manifest_add(&b->manifest, ms, e);
			continue;
		}
		snprintf(object, sizeof(object), "index/%s",
		    id_hex(&ms->name, hex));
		heal_found(h, object, "%s", why.text);
		b->lost[b->lost_count++] = ms->name;
		rc = ERR_NONE;
	}
	return rc;
}

static enum err_code
read_manifest(struct rebuild *b, struct err *e)
{
	OWNED(manifest_fini) struct manifest old = {0};
	struct heal *h = b->heal;
	struct err why = {0};
	enum err_code rc = manifest_read(&old, h->store, &why);

	if (rc == ERR_NONE) {
		b->manifest.generation = old.generation;
		rc = manifest_remove(&b->manifest, old.removed,
		    old.removed_count, e);
		return rc == ERR_NONE ? sift_segments(b, &old, e) : rc;
	}
	if (rc != ERR_CORRUPT && rc != ERR_NOTFOUND && rc != ERR_IO) {
		*e = why;
		return rc;
	}
	heal_found(h, "index/MANIFEST", "%s", why.text);
	b->manifest_damaged = true;
	/* Readers tell a new list by its number: beyond any it had. */
	b->manifest.generation = (uint64_t)now_utc().ns;
	return ERR_NONE;
}

/* --- what the packs say -------------------------------------------------------- */

static enum err_code
put_segment(void *ctx, struct segment_parts *parts, struct err *e)
{
	struct rebuild *b = ctx;
	struct session *se = b->heal->session;
	OWNED(buf_fini) struct buf bytes = {.max_bytes = SIZE_MAX / 2};
	struct repo_file f = {.dirfd = se->store->index_fd, .what = "index"};
	struct manifest_segment ms;
	enum err_code rc = segment_encode(parts, se->store->family, &bytes, e);

	if (rc != ERR_NONE)
		return rc;
	f.bytes = bytes.bytes;
	f.len_bytes = bytes.len_bytes;
	ms.size_bytes = bytes.len_bytes;
	ms.records_count = parts->records_count;
	rc = repo_publish_hashed(se, &f, &ms.name, e);
	if (rc == ERR_CORRUPT) {
		/* The damaged one itself: it has just this name. */
		char hex[ID_HEX_BYTES];

		id_hex(&ms.name, hex);
		rc = heal_put_away(b->heal, f.dirfd, hex, hex, e);
		if (rc == ERR_NONE)
			rc = repo_publish_hashed(se, &f, &ms.name, e);
	}
	return rc == ERR_NONE || rc == ERR_EXISTS
	    ? manifest_add(&b->manifest, &ms, e)
	    : rc;
}

/* What nobody knows to be ours is used once all of it was opened. */
static bool
opens(struct rebuild *b, const struct id *name)
{
	struct check_options opt = {.depth = CHECK_OPEN};
	struct checking ck = {.store = b->heal->store, .opt = &opt};
	struct checking_pack p = {.checking = &ck,
	    .name = *name,
	    .depth = CHECK_OPEN,
	    .reader = b->reader,
	    .hash = b->hash,
	    .pack = {.fd = -1}};
	struct err ignored;
	bool good = b->reader != NULL &&
	    checking_pack_look(&p, &ignored) == ERR_NONE && !p.damaged;

	checking_pack_fini(&p);
	return good;
}

static bool
is_wanted(void *ctx, const struct id *pack)
{
	const struct rebuild *b = ctx;
	bool known, covered, foreign;

	look_up(b, pack, &known, &covered, &foreign);
	return !covered && !manifest_is_removed(&b->manifest, pack);
}

static bool
is_foreign(void *ctx, const struct id *pack)
{
	struct rebuild *b = ctx;
	bool known, covered, foreign;

	look_up(b, pack, &known, &covered, &foreign);
	return known ? foreign : !opens(b, pack);
}

static enum err_code
add_packs(struct rebuild *b, struct err *e)
{
	struct footers_use use = {is_wanted, is_foreign, put_segment, false, b};

	return footers_gather(b->heal->store, &use, &b->added_count, e);
}

/* --- all of it ------------------------------------------------------------------ */

static enum err_code
make_tools(struct rebuild *b, struct err *e)
{
	struct store *st = b->heal->store;
	enum err_code rc = hash_begin(&b->hash, e);

	if (rc == ERR_NONE && st->keyring != NULL &&
	    keyring_can_read(st->keyring))
		rc = reader_new(&b->reader, st, e);
	return rc;
}

/* The new list is durable before what it no longer lists goes. */
static enum err_code
put_in_place(struct rebuild *b, struct err *e)
{
	struct heal *h = b->heal;
	enum err_code rc = ERR_NONE;

	if (b->manifest_damaged)
		rc =
		    heal_keep(h, h->store->index_fd, "MANIFEST", "MANIFEST", e);
	if (rc == ERR_NONE)
		rc = manifest_replace(&b->manifest, h->session, e);
	for (size_t i = 0; rc == ERR_NONE && i < b->lost_count; i++) {
		char hex[ID_HEX_BYTES];

		id_hex(&b->lost[i], hex);
		if (!is_listed(b, &b->lost[i]))
			rc = heal_put_away(h, h->store->index_fd, hex, hex, e);
	}
	return rc;
}

static void
tell_done(struct rebuild *b)
{
	char hex[ID_HEX_BYTES], object[16 + ID_HEX_BYTES];

	if (b->manifest_damaged)
		heal_done(b->heal, "index/MANIFEST",
		    "made again from the footers of %llu packs",
		    (unsigned long long)b->added_count);
	for (size_t i = 0; i < b->lost_count; i++) {
		snprintf(object, sizeof(object), "index/%s",
		    id_hex(&b->lost[i], hex));
		heal_done(b->heal, object,
		    "made again from the footers of %llu packs",
		    (unsigned long long)b->added_count);
	}
}

enum err_code
heal_index(struct heal *h, struct err *e)
{
	OWNED(rebuild_fini) struct rebuild b = {.heal = h};
	OWNED(repo_unlock_owned) struct store *held = NULL;
	enum err_code rc = heal_lock(h, e);

	if (rc != ERR_NONE)
		return rc;
	held = h->store;
	rc = read_manifest(&b, e);
	if (rc != ERR_NONE || (!b.manifest_damaged && b.lost_count == 0))
		return rc;
	rc = make_tools(&b, e);
	if (rc == ERR_NONE)
		rc = gather_origins(&b, e);
	if (rc == ERR_NONE)
		rc = add_packs(&b, e);
	if (rc == ERR_NONE)
		rc = put_in_place(&b, e);
	if (rc == ERR_NONE)
		tell_done(&b);
	return rc;
}
