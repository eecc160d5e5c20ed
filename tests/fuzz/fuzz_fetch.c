/*
 * FETCH, both sides: an even first byte is a hostile asker of a real copy, an
 * odd one a hostile copy that is asked.  The unit is in here, for the asking
 * side's calls have no names of their own.
 */

#include "../../lib/replicate/fetching.c"

#include <ftw.h>
#include <unistd.h>

#include <bascule/crypt.h>

struct input {
	const uint8_t *at;
	size_t left_bytes;
};

static char dir[64], path[80];
static uint8_t family[STORE_FAMILY_BYTES];
static struct id names[4]; /* what is there: a pack, a snapshot, a page */

static enum err_code
read_input(void *ctx, void *bytes, size_t max_bytes, size_t *got, struct err *e)
{
	struct input *in = ctx;
	size_t n = in->left_bytes < 61 ? in->left_bytes : 61;

	(void)e;
	n = n < max_bytes ? n : max_bytes;
	if (n > 0)
		memcpy(bytes, in->at, n);
	in->at += n;
	in->left_bytes -= n;
	*got = n;
	return ERR_NONE;
}

/* What is answered is one whole message that may be. */
static enum err_code
write_answer(void *ctx, const void *bytes, size_t len_bytes, struct err *e)
{
	uint8_t type;
	size_t len;

	(void)ctx;
	ASSERT(len_bytes >= RMSG_HEAD_BYTES);
	ASSERT(rmsg_head(bytes, &type, &len, e) == ERR_NONE);
	ASSERT(len == len_bytes - RMSG_HEAD_BYTES);
	ASSERT(
	    type == RMSG_FETCH || type == RMSG_FETCHED || type == RMSG_RESULT);
	ASSERT(type != RMSG_FETCHED || len >= RMSG_FETCHED_HEAD);
	return ERR_NONE;
}

/* --- a copy ------------------------------------------------------------------------ */

static int
remove_one(const char *name, const struct stat *sb, int type, struct FTW *ftw)
{
	(void)sb, (void)type, (void)ftw;
	return remove(name);
}

static void
remove_copy(void)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define MUST(call) ASSERT((call) == ERR_NONE)

static void
fill(struct store *st)
{
	OWNED(session_close) struct session *se = NULL;
	OWNED(writer_free) struct writer *w = NULL;
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(snapshot_fini)
	struct snapshot s = {.service = "housing", .dataset = "files"};
	OWNED(pack_list_fini) struct pack_list packs = {0};
	struct err e;

	MUST(session_open(&se, st, &e));
	MUST(writer_new(&w, se, NULL, &e));
	MUST(tree_writer_new(&tw, w, &e));
	MUST(tree_writer_root(tw, &s.root, &e));
	s.started = s.ended = now_utc();
	s.host = strdup("brent-1");
	s.source = strdup("/srv");
	MUST(snapshot_commit(se, w, &s, &e));
	MUST(store_needed_packs(&packs, st, &s.id, 1, &e));
	ASSERT(packs.count > 0);
	names[1] = packs.packs[0].name;
	names[2] = s.id;
	names[3] = s.root;
}

static void
make_copy(void)
{
	OWNED(keyring_free) struct keyring *operations = NULL;
	OWNED(keyring_free) struct keyring *escrow = NULL;
	OWNED(store_close) struct store *st = NULL;
	struct store_options opt = {.access = STORE_WRITE,
	    .network_fs_allowed = true};
	const struct store_geometry small = {256, 1024, 4096, 64 << 10, 8 << 10,
	    false, false};
	struct err e;

	snprintf(dir, sizeof(dir), "/tmp/bascule-fuzz.XXXXXX");
	ASSERT(mkdtemp(dir) != NULL);
	atexit(remove_copy);
	snprintf(path, sizeof(path), "%s/repo", dir);
	MUST(keyring_new_family(&operations, &escrow, &e));
	memcpy(family, keyring_family(operations), sizeof(family));
	MUST(store_create(path, family, &small, &e));
	opt.keyring = operations;
	MUST(store_open(&st, path, &opt, &e));
	fill(st);
}

/* Nobody could guess the copy's family, nor a name of what it holds. */
static void
name_what_is_there(struct rmsg *m, uint8_t room[256])
{
	if (m->len_bytes < RMSG_FETCH_BYTES || m->len_bytes > 256)
		return;
	memcpy(room, m->bytes, m->len_bytes);
	m->bytes = room;
	if (room[16] == 0)
		memcpy(room + 16, family, sizeof(family));
	if (room[32] > 0 && room[32] < COUNT_OF(names))
		memcpy(room + 32, names[room[32]].bytes, ID_BYTES);
}

/* --- the two sides ------------------------------------------------------------------- */

static void
be_asked(struct rlink *link)
{
	OWNED(fetching_fini)
	struct fetching f = {.path = path,
	    .network_fs_allowed = true,
	    .allowed = true,
	    .link = link};
	uint8_t room[256];
	struct rmsg m;
	struct err e = {0};
	bool ended = false;

	while (rlink_read(link, &m, &ended, &e) == ERR_NONE && !ended) {
		name_what_is_there(&m, room);
		if (fetching_take(&f, &m, &e) != ERR_NONE)
			return;
	}
}

static void
do_ask(const struct transport *t)
{
	const struct heal_options opt = {0};
	struct fetcher f = {.told = &opt};
	OWNED(buf_fini) struct buf b = {0};
	const struct id id = {{1}};
	struct pack_info pack = {0};
	uint8_t bytes[100];
	struct err e = {0};
	enum err_code rc = ERR_NONE;

	rlink_init(&f.link, t);
	for (int i = 0; rc == ERR_NONE || rc == ERR_NOTFOUND; i++) {
		e = (struct err){0};
		if (i % 3 == 0)
			rc = find(&f, &id, i % 2 == 0, 0, &pack, &e);
		else if (i % 3 == 1)
			rc = read_pack(&f, &pack, 7, bytes, sizeof(bytes), &e);
		else
			rc = file(&f, HEALPEER_POINT, "housing", &id, &b, &e);
		ASSERT(rc == e.code);
		ASSERT(b.len_bytes <= RMSG_FILE_BYTES_MAX);
	}
	rlink_fini(&f.link);
	buf_fini(&f.payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	struct input in = {bytes + 1, len_bytes - 1};
	struct transport t = {read_input, write_answer, &in};
	struct rlink link;

	if (len_bytes == 0)
		return 0;
	if (dir[0] == '\0')
		make_copy();
	if (bytes[0] % 2 != 0) {
		do_ask(&t);
		return 0;
	}
	rlink_init(&link, &t);
	be_asked(&link);
	rlink_fini(&link);
	return 0;
}
