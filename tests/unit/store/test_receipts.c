#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "../lib/store/ageing.h"
#include "../lib/store/ages.h"
#include "../lib/store/index.h"
#include "../lib/store/receipts.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_receipts(void);

#define DAY_NS (INT64_C(24) * 3600 * NS_PER_S)

static struct repo r;
static struct repo_work here;
static struct store *copy;

static void
setup(void)
{
	repo_make(&r);
	repo_begin(&r, &here.st, &here.se, &here.w);
	copy = repo_open_copy(&r, "copy");
}

static void
teardown(void)
{
	repo_work_end(&here);
	store_close(&copy);
	repo_remove(&r);
}

/* --- two sites --------------------------------------------------------------- */

static void
back_up(struct repo_work *at, uint64_t seed, struct snapshot *out)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(item_fini) struct item it = {0};
	struct err e = {0};

	*out = (struct snapshot){.service = "housing", .dataset = "files"};
	must(tree_writer_new(&tw, at->w, &e), &e);
	repo_file(&it, at->w, "f", seed, 600);
	must(tree_writer_add(tw, &it, &e), &e);
	must(tree_writer_root(tw, &out->root, &e), &e);
	out->started = out->ended = now_utc();
	must(snapshot_commit(at->se, at->w, out, &e), &e);
}

static void
send_packs(struct store *from, struct intake *in)
{
	struct err e = {0};

	for (uint32_t i = 0; i < index_packs_count(from); i++) {
		const struct index_pack *ip = index_pack(from, i);
		OWNED(buf_fini) struct buf b = {0};
		OWNED(fdio_close) int fd = -1;

		if (store_has_pack(copy, &ip->name))
			continue;
		must(store_open_pack(from, &ip->name, &fd, &e), &e);
		must(fdio_read_all(fd, 1 << 24, &b, &e), &e);
		must(intake_pack_begin(in, &ip->name, b.len_bytes, &e), &e);
		must(intake_pack_add(in, b.bytes, b.len_bytes, &e), &e);
		must(intake_pack_end(in, &e), &e);
	}
	must(intake_flush(in, &e), &e);
}

static enum err_code
replicate(struct store *from, const struct id *id, struct err *e)
{
	OWNED(intake_free) struct intake *in = NULL;
	OWNED(buf_fini) struct buf b = {0};

	must(store_refresh(from, e), e);
	must(intake_new(&in, copy, e), e);
	send_packs(from, in);
	must(store_snapshot_bytes(from, "housing", id, &b, e), e);
	return intake_snapshot(in, b.bytes, b.len_bytes, e);
}

static enum err_code
forget(const struct id *id, struct err *e)
{
	const struct forget_request rq = {.service = "housing",
	    .snapshots = id,
	    .snapshots_count = 1};
	struct forget_tally t;

	return forget_run(copy, &rq, &t, e);
}

/* As if the copy had been looked at so long ago. */
static void
time_passes(int64_t ns)
{
	OWNED(fdio_close) int fd = -1;
	OWNED(buf_fini) struct buf b = {0};
	uint8_t bytes[AGEING_BYTES];
	char path[120];
	struct ageing a, now;
	struct err e = {0};

	snprintf(path, sizeof(path), "%s/condemned/clock", copy->path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ne(fd, -1);
	must(fdio_read_all(fd, AGEING_BYTES, &b, &e), &e);
	must(ageing_decode(&a, copy->family, b.bytes, b.len_bytes, &e), &e);
	ageing_now(&now);
	memcpy(a.boot, now.boot, sizeof(a.boot));
	a.boot_ns = now.boot_ns - ns;
	a.wall_ns = now.wall_ns - ns;
	ageing_encode(&a, copy->family, bytes);
	must(fdio_pwrite(fd, bytes, sizeof(bytes), 0, &e), &e);
}

static int64_t
promised(const struct id *id)
{
	OWNED(receipts_fini) struct receipts all = {0};
	struct err e = {0};

	must(receipts_read(&all, copy, &e), &e);
	ck_assert_ptr_nonnull(receipts_find(&all, id));
	return receipts_find(&all, id)->promised_ns;
}

/* --- promises ------------------------------------------------------------------ */

START_TEST(what_was_promised_stays_so_long_whatever_is_promised_later)
{
	struct snapshot a, b, c;
	struct err e = {0};

	must(receipts_promise(copy, "housing", 30 * DAY_NS, &e), &e);
	back_up(&here, 1, &a);
	must(replicate(here.st, &a.id, &e), &e);
	must(receipts_promise(copy, "housing", 1 * DAY_NS, &e), &e);
	back_up(&here, 2, &b);
	must(replicate(here.st, &b.id, &e), &e);
	back_up(&here, 3, &c);
	must(replicate(here.st, &c.id, &e), &e);
	ck_assert_int_eq(promised(&a.id), 30 * DAY_NS);
	ck_assert_int_eq(promised(&b.id), 1 * DAY_NS);
	time_passes(2 * DAY_NS);
	ck_assert_int_eq(forget(&a.id, &e), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, "promised to stay 30d"));
	ck_assert_ptr_nonnull(strstr(e.text, "may go on 20"));
	must(forget(&b.id, &e), &e);
	/* more is promised to what is here, too */
	must(receipts_promise(copy, "housing", 60 * DAY_NS, &e), &e);
	ck_assert_int_eq(promised(&a.id), 60 * DAY_NS);
	time_passes(40 * DAY_NS);
	ck_assert_int_eq(forget(&a.id, &e), ERR_REFUSED);
	time_passes(20 * DAY_NS);
	must(forget(&a.id, &e), &e);
}
END_TEST

START_TEST(where_it_was_written_nothing_is_promised)
{
	struct snapshot a;
	struct err e = {0};

	back_up(&here, 1, &a);
	must(receipts_promise(here.st, "housing", 30 * DAY_NS, &e), &e);
	{
		OWNED(receipts_fini) struct receipts all = {0};

		must(receipts_read(&all, here.st, &e), &e);
		ck_assert_uint_eq(all.count, 0);
	}
}
END_TEST

START_TEST(before_its_time_only_by_the_administrator_and_three_days_later)
{
	struct cut cut = {.service = "housing"};
	struct snapshot a, b;
	struct err e = {0};

	must(receipts_promise(copy, "housing", 30 * DAY_NS, &e), &e);
	back_up(&here, 1, &a);
	must(replicate(here.st, &a.id, &e), &e);
	back_up(&here, 2, &b);
	must(replicate(here.st, &b.id, &e), &e);
	cut.snapshots[cut.snapshots_count++] = a.id;
	ck_assert_int_eq(cut_ask(copy, &cut, &e), ERR_KEY);
	copy->keyring = r.writer;
	ck_assert_int_eq(cut_ask(copy, &cut, &e), ERR_KEY);
	copy->keyring = r.operations;
	must(cut_ask(copy, &cut, &e), &e);
	ck_assert_int_eq(forget(&a.id, &e), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, "asked for it to go earlier"));
	time_passes(CUT_DELAY_NS - 3600 * NS_PER_S);
	ck_assert_int_eq(forget(&a.id, &e), ERR_REFUSED);
	time_passes(3601 * NS_PER_S);
	/* not for one that was not named, nor without the key */
	ck_assert_int_eq(forget(&b.id, &e), ERR_REFUSED);
	copy->keyring = NULL;
	ck_assert_int_eq(forget(&a.id, &e), ERR_REFUSED);
	copy->keyring = r.operations;
	must(forget(&a.id, &e), &e);
	must(cut_withdraw(copy, &cut.id, &e), &e);
	ck_assert_int_eq(cut_withdraw(copy, &cut.id, &e), ERR_NOTFOUND);
	copy->keyring = NULL;
}
END_TEST

START_TEST(what_was_forgotten_here_is_not_taken_again)
{
	struct snapshot a, b;
	struct err e = {0};

	back_up(&here, 1, &a);
	must(replicate(here.st, &a.id, &e), &e);
	back_up(&here, 2, &b);
	must(replicate(here.st, &b.id, &e), &e);
	must(forget(&a.id, &e), &e);
	ck_assert_int_eq(replicate(here.st, &a.id, &e), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, "forgotten here"));
	must(receipts_accept(copy, &a.id, &e), &e);
	must(replicate(here.st, &a.id, &e), &e);
}
END_TEST

static void
damage(const char *name)
{
	char path[120];
	OWNED(fdio_close) int fd = -1;
	struct err e = {0};

	snprintf(path, sizeof(path), "%s/condemned/%s", copy->path, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ne(fd, -1);
	must(fdio_pwrite(fd, "x", 1, 40, &e), &e);
}

static void
heal(void)
{
	const struct store_options opt = {.access = STORE_HEAL};
	const struct heal_options how = {.dry_run = false};
	OWNED(store_close) struct store *st = NULL;
	struct heal_tally t;
	struct err e = {0};

	must(store_open(&st, copy->path, &opt, &e), &e);
	must(store_heal(st, &how, &t, &e), &e);
	ck_assert_uint_gt(t.found_count, 0);
	ck_assert_uint_eq(t.found_count, t.healed_count);
}

START_TEST(a_damaged_list_of_promises_is_had_from_its_twin)
{
	struct snapshot a;
	struct err e = {0};

	must(receipts_promise(copy, "housing", 9 * DAY_NS, &e), &e);
	back_up(&here, 1, &a);
	must(replicate(here.st, &a.id, &e), &e);
	damage("receipts");
	ck_assert_int_eq(promised(&a.id), 9 * DAY_NS);
	heal();
	damage("receipts.bak");
	ck_assert_int_eq(promised(&a.id), 9 * DAY_NS);
	heal();
	/* both: nobody knows, so nothing may go; then another 30 days */
	damage("receipts");
	damage("receipts.bak");
	ck_assert_int_eq(forget(&a.id, &e), ERR_CORRUPT);
	heal();
	ck_assert_int_eq(promised(&a.id), 30 * DAY_NS);
}
END_TEST

START_TEST(any_failing_call_leaves_the_promise_or_no_snapshot)
{
	struct snapshot a;
	struct err e = {0};

	must(receipts_promise(copy, "housing", 9 * DAY_NS, &e), &e);
	back_up(&here, 1, &a);
	for (int nth = 1;; nth++) {
		OWNED(intake_free) struct intake *in = NULL;
		OWNED(buf_fini) struct buf b = {0};
		OWNED(snapshot_list_fini) struct snapshot_list list = {0};
		enum err_code rc;
		bool fired;

		must(intake_new(&in, copy, &e), &e);
		send_packs(here.st, in);
		must(store_snapshot_bytes(here.st, "housing", &a.id, &b, &e),
		    &e);
		fault_arm_deep(nth, EIO);
		rc = intake_snapshot(in, b.bytes, b.len_bytes, &e);
		fired = fault_fired();
		must(snapshot_list(&list, copy, NULL, NULL, NULL, &e), &e);
		if (list.count > 0)
			ck_assert_int_eq(promised(&a.id), 9 * DAY_NS);
		if (!fired) {
			ck_assert(rc == ERR_NONE || rc == ERR_EXISTS);
			break;
		}
	}
}
END_TEST

/* --- divergence ------------------------------------------------------------------ */

/* The repository as it was, once more. */
static void
clone(const char *name, struct repo_work *out)
{
	struct store_options opt = {.access = STORE_WRITE,
	    .keyring = r.operations};
	char command[200], path[64];
	struct err e = {0};

	snprintf(path, sizeof(path), "%s/%s", r.dir, name);
	snprintf(command, sizeof(command), "cp -a %s %s", r.path, path);
	ck_assert_int_eq(system(command), 0);
	must(store_open(&out->st, path, &opt, &e), &e);
	must(session_open(&out->se, out->st, &e), &e);
	must(writer_new(&out->w, out->se, NULL, &e), &e);
}

static size_t
held_count(enum hold_why why, const struct id *snapshot)
{
	OWNED(hold_list_fini) struct hold_list list = {0};
	struct err e = {0};
	size_t count = 0;

	must(hold_list(&list, copy, &e), &e);
	for (size_t i = 0; i < list.count; i++)
		for (size_t k = 0; k < list.holds[i].snapshots_count; k++)
			count += list.holds[i].why == why &&
			    id_equal(&list.holds[i].snapshots[k], snapshot);
	return count;
}

START_TEST(a_series_that_goes_two_ways_is_refused_and_what_is_common_held)
{
	OWNED(repo_work_end) struct repo_work other = {0};
	struct snapshot a, ours, theirs, more, next;
	struct err e = {0};
	char hex[ID_HEX_BYTES], all[ID_HEX_BYTES];

	back_up(&here, 1, &a);
	must(replicate(here.st, &a.id, &e), &e);
	clone("other", &other);
	back_up(&here, 2, &ours);
	back_up(&other, 3, &theirs);
	back_up(&other, 4, &more);
	must(replicate(here.st, &ours.id, &e), &e);
	ck_assert_int_eq(replicate(other.st, &theirs.id, &e), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, "went two ways"));
	snprintf(hex, 13, "%s",
	    id_hex(&a.id, all)); /* the last that both have */
	ck_assert_ptr_nonnull(strstr(e.text, hex));
	ck_assert_ptr_nonnull(strstr(e.text, "(number 2, begun "));
	ck_assert_uint_eq(held_count(HOLD_DIVERGED, &a.id), 1);
	ck_assert_uint_eq(held_count(HOLD_DIVERGED, &ours.id), 1);
	ck_assert_int_eq(forget(&a.id, &e), ERR_REFUSED);
	/* what follows the other way has a number of its own: refused, too */
	ck_assert_int_eq(replicate(other.st, &more.id, &e), ERR_REFUSED);
	/* ours goes on */
	back_up(&here, 5, &next);
	must(replicate(here.st, &next.id, &e), &e);
	/* a person decides otherwise */
	must(receipts_accept(copy, &theirs.id, &e), &e);
	must(replicate(other.st, &theirs.id, &e), &e);
}
END_TEST

START_TEST(a_source_that_went_back_is_refused)
{
	OWNED(repo_work_end) struct repo_work old = {0};
	struct snapshot a, b, c, again;
	struct err e = {0};

	back_up(&here, 1, &a);
	clone("old", &old);
	back_up(&here, 2, &b);
	back_up(&here, 3, &c);
	/* the copy never had b, so its number is free there */
	must(replicate(here.st, &a.id, &e), &e);
	must(replicate(here.st, &c.id, &e), &e);
	back_up(&old, 4, &again);
	ck_assert_uint_eq(again.sequence, b.sequence);
	ck_assert_int_eq(replicate(old.st, &again.id, &e), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, "went backwards"));
	ck_assert_uint_eq(held_count(HOLD_DIVERGED, &a.id), 1);
	/* what only comes late is taken */
	must(replicate(here.st, &b.id, &e), &e);
}
END_TEST

START_TEST(a_number_after_one_that_was_forgotten_at_home_is_taken)
{
	struct snapshot a, b, c;
	struct forget_request rq = {.service = "housing",
	    .snapshots = &b.id,
	    .snapshots_count = 1};
	struct forget_tally t;
	struct err e = {0};

	back_up(&here, 1, &a);
	must(replicate(here.st, &a.id, &e), &e);
	back_up(&here, 2, &b);
	must(replicate(here.st, &b.id, &e), &e);
	must(forget_run(here.st, &rq, &t, &e), &e);
	back_up(&here, 3, &c);
	ck_assert(id_equal(&c.predecessor, &a.id));
	must(replicate(here.st, &c.id, &e), &e);
}
END_TEST

/* --- healing from another copy -------------------------------------------------- */

static void
pack_file(struct store *st, const struct id *name, char out[200])
{
	char hex[ID_HEX_BYTES];

	id_hex(name, hex);
	snprintf(out, 200, "%s/packs/%.2s/%s", st->path, hex, hex);
}

static void
damage_pack(struct store *st, uint64_t at)
{
	OWNED(fdio_close) int fd = -1;
	char path[200];
	struct err e = {0};

	pack_file(st, &index_pack(st, 0)->name, path);
	ck_assert_int_eq(chmod(path, 0600), 0);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ne(fd, -1);
	must(fdio_pwrite(fd, "\377\376\375", 3, at, &e), &e);
}

static void
heal_from(struct store *other, struct heal_tally *t)
{
	const struct store_options opt = {.access = STORE_HEAL};
	OWNED(store_close) struct store *st = NULL;
	struct healpeer peer;
	struct heal_options how = {.peer = &peer};
	struct err e = {0};

	healpeer_of_store(&peer, other);
	must(store_open(&st, copy->path, &opt, &e), &e);
	must(store_heal(st, &how, t, &e), &e);
	must(store_refresh(copy, &e), &e);
}

static uint64_t
damages(void)
{
	const struct check_options opt = {.depth = CHECK_READ};
	struct check_tally t;
	struct err e = {0};

	must(store_check(copy, &opt, &t, &e), &e);
	return t.damage_count;
}

START_TEST(damage_is_healed_from_the_other_copy_byte_for_byte)
{
	struct snapshot a;
	struct heal_tally t;
	struct err e = {0};
	char path[200], hex[ID_HEX_BYTES];

	back_up(&here, 1, &a);
	must(replicate(here.st, &a.id, &e), &e);
	for (uint64_t at = 0; at < index_pack(copy, 0)->size_bytes; at += 97) {
		damage_pack(copy, at);
		ck_assert_uint_gt(damages(), 0);
		heal_from(here.st, &t);
		ck_assert_uint_gt(t.fetched_count, 0);
		ck_assert_uint_eq(t.lost_count, 0);
		ck_assert_uint_eq(damages(), 0);
	}
	/* gone altogether; and its snapshot bent */
	pack_file(copy, &index_pack(copy, 0)->name, path);
	ck_assert_int_eq(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/snapshots/housing/%s", copy->path,
	    id_hex(&a.id, hex));
	ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_int_eq(truncate(path, 50), 0);
	heal_from(here.st, &t);
	ck_assert_uint_eq(t.lost_count, 0);
	ck_assert_uint_eq(damages(), 0);
	{
		OWNED(snapshot_list_fini) struct snapshot_list list = {0};

		must(snapshot_list(&list, copy, NULL, NULL, NULL, &e), &e);
		ck_assert_uint_eq(list.count, 1);
	}
}
END_TEST

START_TEST(what_lies_in_another_pack_there_is_healed_by_its_chunks)
{
	OWNED(repo_work_end) struct repo_work other = {0};
	struct snapshot a;
	struct heal_tally t;
	struct err e = {0};
	char path[64];

	back_up(&here, 1, &a);
	must(replicate(here.st, &a.id, &e), &e);
	/* a third copy has the same chunks, in packs of its own */
	repo_make_another(&r, "third", path);
	{
		const struct store_options opt = {.access = STORE_WRITE,
		    .keyring = r.operations};
		struct snapshot again;

		must(store_open(&other.st, path, &opt, &e), &e);
		must(session_open(&other.se, other.st, &e), &e);
		must(writer_new(&other.w, other.se, NULL, &e), &e);
		back_up(&other, 1, &again);
		ck_assert(id_equal(&again.root, &a.root));
		must(store_refresh(other.st, &e), &e);
	}
	for (uint64_t at = 33; at < 500; at += 200)
		damage_pack(copy, at);
	heal_from(other.st, &t);
	ck_assert_uint_gt(t.fetched_count, 0);
	ck_assert_uint_eq(t.lost_count, 0);
	ck_assert_uint_eq(damages(), 0);
}
END_TEST

START_TEST(what_is_lost_in_both_is_not_claimed_to_be_healed)
{
	struct snapshot a;
	struct heal_tally t;
	struct err e = {0};

	back_up(&here, 1, &a);
	must(replicate(here.st, &a.id, &e), &e);
	for (size_t i = 0; i < 2; i++)
		damage_pack(i == 0 ? copy : here.st, 300);
	heal_from(here.st, &t);
	ck_assert_uint_gt(t.lost_count, 0);
	ck_assert_uint_gt(damages(), 0);
}
END_TEST

Suite *
suite_store_receipts(void)
{
	Suite *s = suite_create("store/receipts");
	TCase *tc = tcase_create("receipts");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc,
	    what_was_promised_stays_so_long_whatever_is_promised_later);
	tcase_add_test(tc, where_it_was_written_nothing_is_promised);
	tcase_add_test(tc,
	    before_its_time_only_by_the_administrator_and_three_days_later);
	tcase_add_test(tc, what_was_forgotten_here_is_not_taken_again);
	tcase_add_test(tc, a_damaged_list_of_promises_is_had_from_its_twin);
	tcase_add_test(tc, any_failing_call_leaves_the_promise_or_no_snapshot);
	tcase_add_test(tc,
	    a_series_that_goes_two_ways_is_refused_and_what_is_common_held);
	tcase_add_test(tc, a_source_that_went_back_is_refused);
	tcase_add_test(tc,
	    a_number_after_one_that_was_forgotten_at_home_is_taken);
	tcase_add_test(tc, damage_is_healed_from_the_other_copy_byte_for_byte);
	tcase_add_test(tc,
	    what_lies_in_another_pack_there_is_healed_by_its_chunks);
	tcase_add_test(tc, what_is_lost_in_both_is_not_claimed_to_be_healed);
	suite_add_tcase(s, tc);
	return s;
}
