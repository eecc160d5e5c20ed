#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/store.h>

#include "../lib/store/parts.h"
#include "../lib/store/trees.h"
#include "support/fault.h"
#include "support/items.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_closure(void);

static struct repo r;
static struct store *st;
static struct session *se;
static struct writer *w;

static void
setup(void)
{
	repo_make(&r);
	repo_begin(&r, &st, &se, &w);
}

static void
teardown(void)
{
	repo_end(&st, &se, &w);
	repo_remove(&r);
}

/* A tree of `count` files, every fourth of them in a chunk list. */
static struct id
plant(size_t count, uint64_t seed)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(content_writer_free) struct content_writer *cw = NULL;
	OWNED(free_mem) uint8_t *bytes = malloc(30000);
	struct err e = {0};
	struct id root;
	char path[32];

	must(tree_writer_new(&tw, w, &e), &e);
	must(content_writer_new(&cw, w, CHUNKING_FIXED, 1024, &e), &e);
	for (size_t i = 0; i < count; i++) {
		OWNED(item_fini) struct item it = {0};
		size_t len = i % 4 == 0 ? 30000 : 400 + i;

		snprintf(path, sizeof path, "f%04zu", i);
		must(entry_set_path(&it.entry, path, strlen(path), &e), &e);
		it.entry.type = ENTRY_FILE;
		it.entry.size_bytes = len;
		repo_noise(bytes, len, seed + i);
		must(content_writer_add(cw, bytes, len, &e), &e);
		must(content_writer_end(cw, &it.content, &e), &e);
		must(tree_writer_add(tw, &it, &e), &e);
	}
	must(tree_writer_root(tw, &root, &e), &e);
	return root;
}

static enum err_code
try_commit(const char *service, const struct id *root, struct id *id,
    struct err *e)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	enum err_code rc;

	snprintf(s.service, sizeof s.service, "%s", service);
	snprintf(s.dataset, sizeof s.dataset, "db");
	s.root = *root;
	s.started = s.ended = now_utc();
	rc = snapshot_commit(se, w, &s, e);
	*id = s.id;
	return rc;
}

static struct id
commit(const char *service, const struct id *root)
{
	struct err e = {0};
	struct id id;

	must(try_commit(service, root, &id, &e), &e);
	return id;
}

/* --- checking ------------------------------------------------------------- */

static char told[16384];

static void
on_damage(void *ctx, const char *object, const char *what)
{
	size_t len = strlen(told);

	(void)ctx;
	snprintf(told + len, sizeof told - len, "%.160s: %.300s\n", object,
	    what);
}

static uint64_t
check(struct store *at, enum check_depth depth, struct check_tally *tally)
{
	struct check_options opt = {.depth = depth, .on_damage = on_damage};
	struct check_tally own;
	struct err e = {0};

	told[0] = '\0';
	if (tally == NULL)
		tally = &own;
	must(store_check(at, &opt, tally, &e), &e);
	return tally->damage_count;
}

static bool
was_told(const struct id *id, const char *what)
{
	char hex[ID_HEX_BYTES];

	return (id == NULL || strstr(told, id_hex(id, hex)) != NULL) &&
	    strstr(told, what) != NULL;
}

START_TEST(a_whole_repository_has_no_damage)
{
	struct id root = plant(50, 1), other = plant(60, 30);
	struct check_tally t;

	(void)commit("housing", &root);
	(void)commit("housing", &other);
	(void)commit("finance", &root);
	for (int d = CHECK_NAMES; d <= CHECK_OPEN; d++) {
		ck_assert_msg(check(st, (enum check_depth)d, &t) == 0, "%s",
		    told);
		ck_assert_uint_eq(t.snapshots_count, 3);
		ck_assert_uint_eq(t.unreferenced_packs_count, 0);
	}
}
END_TEST

START_TEST(packs_that_no_snapshot_names_are_counted)
{
	struct id root = plant(50, 1);
	struct check_tally t;
	struct err e = {0};

	(void)commit("housing", &root);
	(void)plant(50, 1000);
	must(writer_flush(w, &e), &e);
	ck_assert_uint_eq(check(st, CHECK_NAMES, &t), 0);
	ck_assert_uint_ge(t.unreferenced_packs_count, 1);
}
END_TEST

static void
pack_remove(const struct id *name)
{
	char path[256], hex[ID_HEX_BYTES];

	(void)id_hex(name, hex);
	snprintf(path, sizeof path, "%s/packs/%.2s/%s", r.path, hex, hex);
	ck_assert_int_eq(unlink(path), 0);
}

START_TEST(a_lost_pack_is_told_of_the_snapshots_it_hurts_and_no_other)
{
	OWNED(pack_list_fini) struct pack_list first = {0}, both = {0};
	struct id root = plant(30, 1), ids[2];
	struct err e = {0};
	bool removed = false;

	ids[0] = commit("housing", &root);
	root = plant(30, 1000);
	ids[1] = commit("finance", &root);
	must(store_needed_packs(&first, st, &ids[0], 1, &e), &e);
	must(store_needed_packs(&both, st, &ids[1], 1, &e), &e);
	for (size_t i = 0; i < both.count && !removed; i++)
		if (!both.packs[i].metadata) {
			pack_remove(&both.packs[i].name);
			removed = true;
		}
	must(store_refresh(st, &e), &e);
	ck_assert_uint_gt(check(st, CHECK_NAMES, NULL), 1);
	ck_assert(was_told(&ids[1], "is missing"));
	ck_assert(!was_told(&ids[0], ""));
	/* Nor may anything be built on what is not whole. */
	ck_assert(try_commit("local", &root, &ids[0], &e) == ERR_CORRUPT);
}
END_TEST

/* What a holder of the keys could put that no tree_writer would. */
static struct id
put(enum store_kind kind, const char *bytes, size_t len, const struct id *refs,
    size_t refs_count)
{
	struct id id;
	struct err e = {0};

	must(writer_put(w, kind, bytes, len, refs, refs_count, &id, &e), &e);
	return id;
}
#define PUT(kind, text, refs, count) \
	put(kind, text, sizeof(text) - 1, refs, count)

/* A directory's core, of 10 bytes. */
#define DIR_CORE "\2\0\0\0\0\0\0\0\0"

static bool
refused_at(const struct id *root, enum check_depth depth, const char *what)
{
	struct id id;
	struct err e = {0};

	if (try_commit("housing", root, &id, &e) != ERR_NONE)
		return false;
	if (depth > CHECK_NAMES)
		ck_assert_msg(check(st, CHECK_NAMES, NULL) == 0, "%s", told);
	return check(st, depth, NULL) > 0 && was_told(&id, what);
}

START_TEST(a_leaf_that_breaks_the_order_is_seen_with_a_key)
{
	struct id root = PUT(STORE_LEAF,
	    "\0\2\0\1b\0\11" DIR_CORE "\0\1a\0\11" DIR_CORE, NULL, 0);

	ck_assert(refused_at(&root, CHECK_OPEN, "out of order"));
}
END_TEST

START_TEST(a_list_that_names_what_its_body_does_not_is_seen_with_a_key)
{
	struct id ref = repo_put(w, 1, 1000);
	struct id root = PUT(STORE_LEAF, "\0\1\0\1a\0\11" DIR_CORE, &ref, 1);

	ck_assert(refused_at(&root, CHECK_OPEN, "its body does not"));
}
END_TEST

START_TEST(a_child_that_is_not_what_its_parent_promises_is_seen_with_a_key)
{
	struct id leaf = PUT(STORE_LEAF, "\0\1\0\1b\0\11" DIR_CORE, NULL, 0);
	struct id good = PUT(STORE_INNER, "\1\1\0\1b\1\0\1\1", &leaf, 1);
	struct id path = PUT(STORE_INNER, "\1\1\0\1c\1\0\1\1", &leaf, 1);
	struct id count = PUT(STORE_INNER, "\1\1\0\1b\1\0\1\2", &leaf, 1);
	struct id level = PUT(STORE_INNER, "\2\1\0\1b\1\0\1\1", &leaf, 1);
	struct id id;
	struct err e = {0};

	must(try_commit("local", &good, &id, &e), &e);
	ck_assert_msg(check(st, CHECK_OPEN, NULL) == 0, "%s", told);
	ck_assert(refused_at(&path, CHECK_OPEN, "last path"));
	ck_assert(check(st, CHECK_OPEN, NULL) == 1);
	ck_assert(try_commit("local", &count, &id, &e) == ERR_NONE);
	(void)check(st, CHECK_OPEN, NULL);
	ck_assert(was_told(&id, "count"));
	ck_assert(try_commit("local", &level, &id, &e) == ERR_NONE);
	(void)check(st, CHECK_OPEN, NULL);
	ck_assert(was_told(&id, "page"));
}
END_TEST

START_TEST(a_chunk_of_another_length_than_its_entry_says_is_seen_with_a_key)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(item_fini) struct item it = {0};
	struct id root;
	struct err e = {0};

	must(tree_writer_new(&tw, w, &e), &e);
	must(entry_set_path(&it.entry, "f", 1, &e), &e);
	it.entry.type = ENTRY_FILE;
	it.entry.size_bytes = it.content.size_bytes = 1001;
	it.content.pieces = calloc(1, sizeof *it.content.pieces);
	it.content.pieces_count = 1;
	it.content.pieces[0].len_bytes = 1001;
	it.content.pieces[0].id = repo_put(w, 1, 1000);
	must(tree_writer_add(tw, &it, &e), &e);
	must(tree_writer_root(tw, &root, &e), &e);
	ck_assert(refused_at(&root, CHECK_OPEN, "not as long"));
}
END_TEST

/* One bit of a file. */
static void
flip(const char *path, off_t at)
{
	uint8_t byte;
	int fd;

	(void)chmod(path, 0600);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
	byte ^= 4;
	ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

START_TEST(a_damaged_pin_is_named_and_stops_no_backup)
{
	struct id root = plant(3, 1);
	char path[256], hex[65];
	const struct sign_key *own = keyring_writer(r.operations);

	(void)commit("housing", &root);
	snprintf(path, sizeof path, "%s/keys/writer-%s", r.path,
	    text_hex(sign_key_public(own)->bytes, 32, hex));
	for (off_t at = 0; at < 100; at += 33) {
		flip(path, at);
		ck_assert(check(st, CHECK_NAMES, NULL) == 1);
		ck_assert(was_told(NULL, "keys/writer-"));
		(void)commit("housing", &root);
		flip(path, at); /* back */
	}
	ck_assert(check(st, CHECK_NAMES, NULL) == 0);
}
END_TEST

/* What heal makes of keys/, which holds one pin: is it good again? */
static void
heal_pins(void)
{
	OWNED(store_close) struct store *healing = NULL;
	OWNED(store_pin_list_fini) struct store_pin_list pins = {0};
	struct store_options opt = {.access = STORE_HEAL};
	struct heal_options how = {0};
	struct heal_tally tally;
	struct err e = {0};

	must(store_open(&healing, r.path, &opt, &e), &e);
	must(store_heal(healing, &how, &tally, &e), &e);
	ck_assert_uint_eq(tally.found_count, 1);
	ck_assert_uint_eq(tally.healed_count, 1);
	ck_assert_uint_eq(tally.lost_count, 0);
	must(store_pin_list(&pins, healing, &e), &e);
	ck_assert_uint_eq(pins.count, 1);
	ck_assert(!pins.pins[0].damaged);
	ck_assert_mem_eq(pins.pins[0].key,
	    sign_key_public(keyring_writer(r.operations))->bytes, 32);
	ck_assert(check(healing, CHECK_NAMES, NULL) == 0);
}

START_TEST(a_damaged_pin_is_healed_by_its_name)
{
	struct id root = plant(3, 1);
	char path[256], hex[65];
	const struct sign_key *own = keyring_writer(r.operations);

	(void)commit("housing", &root);
	repo_end(&st, &se, &w);
	snprintf(path, sizeof path, "%s/keys/writer-%s", r.path,
	    text_hex(sign_key_public(own)->bytes, 32, hex));
	for (off_t at = 0; at < 100; at += 13) {
		flip(path, at);
		heal_pins();
	}
	ck_assert_int_eq(truncate(path, 20), 0);
	heal_pins();
}
END_TEST

START_TEST(a_pin_of_another_name_gets_its_own_again)
{
	struct id root = plant(3, 1);
	char path[256], other[256], hex[65];
	const struct sign_key *own = keyring_writer(r.operations);

	(void)commit("housing", &root);
	repo_end(&st, &se, &w);
	snprintf(path, sizeof path, "%s/keys/writer-%s", r.path,
	    text_hex(sign_key_public(own)->bytes, 32, hex));
	hex[63] = hex[63] == '0' ? '1' : '0';
	snprintf(other, sizeof other, "%s/keys/writer-%s", r.path, hex);
	ck_assert_int_eq(rename(path, other), 0);
	heal_pins();
}
END_TEST

START_TEST(a_cursor_stops_at_a_child_that_is_not_what_was_promised)
{
	struct id leaf = PUT(STORE_LEAF, "\0\1\0\1b\0\11" DIR_CORE, NULL, 0);
	struct id late = PUT(STORE_LEAF,
	    "\0\2\0\1a\0\11" DIR_CORE "\0\1d\0\11" DIR_CORE, NULL, 0);
	struct id back[2] = {leaf, late};
	struct id two[2] = {leaf,
	    PUT(STORE_LEAF, "\0\1\0\1d\0\11" DIR_CORE, NULL, 0)};
	struct id good =
	    PUT(STORE_INNER, "\1\2\0\1b\1\0\1\1\0\1d\1\0\1\1", two, 2);
	struct id bad[] = {
	    PUT(STORE_INNER, "\1\1\0\1c\1\0\1\1", &leaf, 1),
	    PUT(STORE_INNER, "\1\1\0\1b\1\0\1\2", &leaf, 1),
	    PUT(STORE_INNER, "\2\1\0\1b\1\0\1\1", &leaf, 1),
	    /* the second child begins before the first one's end */
	    PUT(STORE_INNER, "\1\2\0\1b\1\0\1\1\0\1d\1\0\1\2", back, 2),
	};
	struct err e = {0};
	const struct item *it;
	struct id id;

	must(writer_flush(w, &e), &e);
	for (size_t i = 0; i <= COUNT_OF(bad); i++) {
		OWNED(cursor_close) struct cursor *c = NULL;
		enum err_code rc = cursor_open(&c, st,
		    i < COUNT_OF(bad) ? &bad[i] : &good, "", 0, &e);

		while (rc == ERR_NONE) {
			rc = cursor_next(c, &it, &e);
			if (rc == ERR_NONE && it == NULL)
				break;
		}
		ck_assert_msg(rc ==
			(i < COUNT_OF(bad) ? ERR_CORRUPT : ERR_NONE),
		    "%zu: %d %s", i, rc, e.text);
	}
	must(try_commit("local", &bad[3], &id, &e), &e);
	(void)check(st, CHECK_OPEN, NULL);
	ck_assert(was_told(&id, "begins before"));
}
END_TEST

START_TEST(what_is_of_the_wrong_kind_is_not_committed)
{
	struct id data = repo_put(w, 1, 1000), id;
	struct id leaf = PUT(STORE_LEAF, "\0\1\0\1b\0\11" DIR_CORE, NULL, 0);
	struct id inner = PUT(STORE_INNER, "\1\1\0\1b\1\0\1\1", &data, 1);
	struct id up = PUT(STORE_LEAF, "\0\1\0\1b\1\0\11" DIR_CORE, &leaf, 1);
	struct err e = {0};

	ck_assert(try_commit("housing", &inner, &id, &e) == ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(e.text, "where an inner page names it"));
	ck_assert(try_commit("housing", &up, &id, &e) == ERR_CORRUPT);
	ck_assert(try_commit("housing", &data, &id, &e) == ERR_CORRUPT);
}
END_TEST

/* --- receiving ------------------------------------------------------------ */

static void
send_packs(struct intake *in, const struct id *ids, size_t count)
{
	OWNED(pack_list_fini) struct pack_list packs = {0};
	struct err e = {0};

	must(store_needed_packs(&packs, st, ids, count, &e), &e);
	for (size_t i = 0; i < packs.count; i++) {
		OWNED(buf_fini) struct buf b = {0};
		OWNED(fdio_close) int fd = -1;

		must(store_open_pack(st, &packs.packs[i].name, &fd, &e), &e);
		must(fdio_read_all(fd, 1 << 26, &b, &e), &e);
		must(intake_pack_begin(in, &packs.packs[i].name, b.len_bytes,
			 &e),
		    &e);
		must(intake_pack_add(in, b.bytes, b.len_bytes, &e), &e);
		must(intake_pack_end(in, &e), &e);
	}
	must(intake_flush(in, &e), &e);
}

static void
snapshot_bytes(const char *service, const struct id *id, struct buf *out)
{
	struct err e = {0};

	must(store_snapshot_bytes(st, service, id, out, &e), &e);
}

START_TEST(a_copy_takes_a_snapshot_only_when_all_it_names_is_there)
{
	OWNED(store_close) struct store *copy = NULL;
	OWNED(intake_free) struct intake *in = NULL;
	OWNED(buf_fini) struct buf b = {0}, p = {0};
	struct id root = plant(40, 1), id = commit("housing", &root);
	struct point point = {.service = "housing", .snapshots_count = 1};
	struct err e = {0};

	point.snapshots[0] = id;
	must(point_commit(se, &point, &e), &e);
	must(store_point_bytes(st, "housing", &point.id, &p, &e), &e);
	snapshot_bytes("housing", &id, &b);
	copy = repo_open_copy(&r, "copy");
	must(intake_new(&in, copy, &e), &e);
	ck_assert(
	    intake_snapshot(in, b.bytes, b.len_bytes, &e) == ERR_NOTFOUND);
	ck_assert(intake_point(in, p.bytes, p.len_bytes, &e) == ERR_NOTFOUND);
	send_packs(in, &id, 1);
	b.bytes[100] ^= 1;
	ck_assert(intake_snapshot(in, b.bytes, b.len_bytes, &e) == ERR_CORRUPT);
	b.bytes[100] ^= 1;
	ck_assert(
	    intake_snapshot(in, b.bytes, b.len_bytes - 1, &e) == ERR_CORRUPT);
	must(intake_snapshot(in, b.bytes, b.len_bytes, &e), &e);
	ck_assert(intake_snapshot(in, b.bytes, b.len_bytes, &e) == ERR_EXISTS);
	must(intake_point(in, p.bytes, p.len_bytes, &e), &e);
	ck_assert(intake_point(in, p.bytes, p.len_bytes, &e) == ERR_EXISTS);
	ck_assert_msg(check(copy, CHECK_READ, NULL) == 0, "%s", told);
}
END_TEST

/* Commits as another writer of the family. */
static struct id
commit_as(const struct keyring *k, const char *service, const char *dataset)
{
	OWNED(store_close) struct store *other = NULL;
	OWNED(session_close) struct session *session = NULL;
	OWNED(writer_free) struct writer *writer = NULL;
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(snapshot_fini) struct snapshot s = {0};
	struct store_options opt = {.access = STORE_WRITE,
	    .keyring = k,
	    .network_fs_allowed = true};
	struct err e = {0};

	must(store_open(&other, r.path, &opt, &e), &e);
	must(session_open(&session, other, &e), &e);
	must(writer_new(&writer, session, NULL, &e), &e);
	must(tree_writer_new(&tw, writer, &e), &e);
	must(tree_writer_add_encoded(tw, "x", 1, "\0" DIR_CORE, 10, &e), &e);
	must(tree_writer_root(tw, &s.root, &e), &e);
	snprintf(s.service, sizeof s.service, "%s", service);
	snprintf(s.dataset, sizeof s.dataset, "%s", dataset);
	s.started = s.ended = now_utc();
	must(snapshot_commit(session, writer, &s, &e), &e);
	return s.id;
}

START_TEST(a_copy_pins_the_first_writer_of_a_service)
{
	OWNED(store_close) struct store *copy = NULL;
	OWNED(intake_free) struct intake *in = NULL;
	OWNED(buf_fini) struct buf b = {0};
	struct id ids[4];
	struct err e = {0};

	ids[0] = commit_as(r.operations, "housing", "db");
	ids[1] = commit_as(r.writer, "housing", "files");
	ids[2] = commit_as(r.writer, "finance", "db");
	must(store_refresh(st, &e), &e);
	copy = repo_open_copy(&r, "copy");
	must(intake_new(&in, copy, &e), &e);
	send_packs(in, ids, 3);
	snapshot_bytes("housing", &ids[0], &b);
	must(intake_snapshot(in, b.bytes, b.len_bytes, &e), &e);
	snapshot_bytes("housing", &ids[1], &b);
	ck_assert(intake_snapshot(in, b.bytes, b.len_bytes, &e) == ERR_REFUSED);
	/* Once it is known for a service of its own it may write that too. */
	snapshot_bytes("finance", &ids[2], &b);
	must(intake_snapshot(in, b.bytes, b.len_bytes, &e), &e);
	snapshot_bytes("housing", &ids[1], &b);
	must(intake_snapshot(in, b.bytes, b.len_bytes, &e), &e);
}
END_TEST

START_TEST(a_writer_pinned_by_hand_is_taken)
{
	OWNED(store_close) struct store *copy = NULL;
	OWNED(intake_free) struct intake *in = NULL;
	OWNED(buf_fini) struct buf b = {0};
	const struct sign_key *other = keyring_writer(r.writer);
	struct id ids[2];
	struct err e = {0};

	ids[0] = commit_as(r.operations, "housing", "db");
	ids[1] = commit_as(r.writer, "housing", "files");
	must(store_refresh(st, &e), &e);
	copy = repo_open_copy(&r, "copy");
	must(intake_new(&in, copy, &e), &e);
	send_packs(in, ids, 2);
	snapshot_bytes("housing", &ids[0], &b);
	must(intake_snapshot(in, b.bytes, b.len_bytes, &e), &e);
	must(store_pin_writer(in, sign_key_public(other)->bytes, &e), &e);
	must(store_pin_writer(in, sign_key_public(other)->bytes, &e), &e);
	snapshot_bytes("housing", &ids[1], &b);
	must(intake_snapshot(in, b.bytes, b.len_bytes, &e), &e);
}
END_TEST

/* --- failing system calls -------------------------------------------------- */

static size_t
snapshots_count(struct store *at)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct err e = {0};

	must(snapshot_list(&list, at, NULL, NULL, NULL, &e), &e);
	return list.count;
}

START_TEST(any_failing_call_leaves_a_commit_done_or_not_begun)
{
	struct id root = plant(10, 1), id;
	struct point p = {.service = "housing", .snapshots_count = 1};
	struct err e = {0};
	bool fired = true;

	must(writer_flush(w, &e), &e);
	for (int nth = 1; fired; nth++) {
		size_t before = snapshots_count(st);
		enum err_code rc;

		fault_arm(nth, ENOSPC);
		rc = try_commit("housing", &root, &id, &e);
		if (rc == ERR_NONE) {
			p.snapshots[0] = id;
			rc = point_commit(se, &p, &e);
		}
		fired = fault_fired();
		ck_assert_msg(rc != ERR_NONE || !fired, "call %d", nth);
		/* The rename may have been done and its flush not. */
		ck_assert_uint_le(snapshots_count(st) - before, 1);
		ck_assert_msg(check(st, CHECK_NAMES, NULL) == 0, "%d: %s", nth,
		    told);
		ck_assert_int_lt(nth, 200);
	}
	(void)commit("housing", &root);
}
END_TEST

START_TEST(any_failing_call_leaves_an_intake_done_or_not_begun)
{
	OWNED(store_close) struct store *copy = NULL;
	OWNED(intake_free) struct intake *in = NULL;
	OWNED(buf_fini) struct buf b = {0};
	struct id root = plant(10, 1), id = commit("housing", &root);
	struct err e = {0};
	enum err_code rc = ERR_IO;

	copy = repo_open_copy(&r, "copy");
	must(intake_new(&in, copy, &e), &e);
	send_packs(in, &id, 1);
	snapshot_bytes("housing", &id, &b);
	for (int nth = 1; rc != ERR_NONE && rc != ERR_EXISTS; nth++) {
		fault_arm(nth, EIO);
		rc = intake_snapshot(in, b.bytes, b.len_bytes, &e);
		(void)fault_fired();
		ck_assert_msg(check(copy, CHECK_NAMES, NULL) == 0, "%d: %s",
		    nth, told);
		ck_assert_int_lt(nth, 200);
	}
	ck_assert_uint_eq(snapshots_count(copy), 1);
}
END_TEST

Suite *
suite_store_closure(void)
{
	Suite *s = suite_create("store/closure");
	TCase *tc = tcase_create("closure");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_whole_repository_has_no_damage);
	tcase_add_test(tc, packs_that_no_snapshot_names_are_counted);
	tcase_add_test(tc,
	    a_lost_pack_is_told_of_the_snapshots_it_hurts_and_no_other);
	tcase_add_test(tc, a_leaf_that_breaks_the_order_is_seen_with_a_key);
	tcase_add_test(tc,
	    a_list_that_names_what_its_body_does_not_is_seen_with_a_key);
	tcase_add_test(tc,
	    a_child_that_is_not_what_its_parent_promises_is_seen_with_a_key);
	tcase_add_test(tc,
	    a_chunk_of_another_length_than_its_entry_says_is_seen_with_a_key);
	tcase_add_test(tc, a_damaged_pin_is_named_and_stops_no_backup);
	tcase_add_test(tc, a_damaged_pin_is_healed_by_its_name);
	tcase_add_test(tc, a_pin_of_another_name_gets_its_own_again);
	tcase_add_test(tc,
	    a_cursor_stops_at_a_child_that_is_not_what_was_promised);
	tcase_add_test(tc, what_is_of_the_wrong_kind_is_not_committed);
	tcase_add_test(tc,
	    a_copy_takes_a_snapshot_only_when_all_it_names_is_there);
	tcase_add_test(tc, a_copy_pins_the_first_writer_of_a_service);
	tcase_add_test(tc, a_writer_pinned_by_hand_is_taken);
	tcase_add_test(tc, any_failing_call_leaves_a_commit_done_or_not_begun);
	tcase_add_test(tc, any_failing_call_leaves_an_intake_done_or_not_begun);
	suite_add_tcase(s, tc);
	return s;
}
