#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#include "../lib/store/epochs.h"
#include "../lib/store/index.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_epochs(void);

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

static struct epoch_mark
mark_of(struct store *st)
{
	struct epoch_mark m;
	struct err e = {0};

	must(epochs_find(&m, st, "housing", &e), &e);
	return m;
}

static enum err_code
raise_to(struct store *st, uint64_t seen, uint64_t owned, struct err *e)
{
	const struct epoch_mark to = {seen, owned};

	return epochs_raise(st, "housing", &to, e);
}

static void
back_up(uint64_t seed, struct snapshot *out)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(item_fini) struct item it = {0};
	struct err e = {0};

	*out = (struct snapshot){.service = "housing", .dataset = "files"};
	must(tree_writer_new(&tw, here.w, &e), &e);
	repo_file(&it, here.w, "f", seed, 600);
	must(tree_writer_add(tw, &it, &e), &e);
	must(tree_writer_root(tw, &out->root, &e), &e);
	out->started = out->ended = now_utc();
	must(snapshot_commit(here.se, here.w, out, &e), &e);
}

static void
send_packs(struct intake *in)
{
	struct err e = {0};

	must(store_refresh(here.st, &e), &e);
	for (uint32_t i = 0; i < index_packs_count(here.st); i++) {
		const struct index_pack *ip = index_pack(here.st, i);
		OWNED(buf_fini) struct buf b = {0};
		OWNED(fdio_close) int fd = -1;

		if (store_has_pack(copy, &ip->name))
			continue;
		must(store_open_pack(here.st, &ip->name, &fd, &e), &e);
		must(fdio_read_all(fd, 1 << 24, &b, &e), &e);
		must(intake_pack_begin(in, &ip->name, b.len_bytes, &e), &e);
		must(intake_pack_add(in, b.bytes, b.len_bytes, &e), &e);
		must(intake_pack_end(in, &e), &e);
	}
	must(intake_flush(in, &e), &e);
}

/* Under that epoch; 0: none is named. */
static enum err_code
replicate(const struct id *id, uint64_t epoch, struct err *e)
{
	OWNED(intake_free) struct intake *in = NULL;
	OWNED(buf_fini) struct buf b = {0};

	must(intake_new(&in, copy, e), e);
	if (epoch != 0 && intake_epoch(in, "housing", epoch, e) != ERR_NONE)
		return e->code;
	send_packs(in);
	must(store_snapshot_bytes(here.st, "housing", id, &b, e), e);
	return intake_snapshot(in, b.bytes, b.len_bytes, e);
}

START_TEST(both_numbers_only_rise)
{
	struct err e = {0};

	ck_assert_uint_eq(mark_of(copy).seen, 0);
	must(raise_to(copy, 3, 0, &e), &e);
	must(raise_to(copy, 2, 0, &e), &e);
	ck_assert_uint_eq(mark_of(copy).seen, 3);
	ck_assert_uint_eq(mark_of(copy).owned, 0);
	must(raise_to(copy, 0, 4, &e), &e);
	ck_assert_uint_eq(mark_of(copy).seen, 4);
	ck_assert_uint_eq(mark_of(copy).owned, 4);
	must(raise_to(copy, 5, 0, &e), &e);
	ck_assert_uint_eq(mark_of(copy).owned, 4);
}
END_TEST

START_TEST(a_service_that_others_took_is_not_taken_below)
{
	struct epoch_mark is;
	const struct epoch_mark two = {2, 2};
	struct err e = {0};

	must(raise_to(copy, 3, 0, &e), &e);
	ck_assert_int_eq(raise_to(copy, 0, 2, &e), ERR_BUSY);
	ck_assert_ptr_nonnull(strstr(e.text, "fenced"));
	ck_assert_int_eq(epochs_tell(copy->path, "housing", &two, &is, &e),
	    ERR_BUSY);
	ck_assert_uint_eq(is.seen, 3);
	must(repo_lock(copy, &e), &e);
	ck_assert_int_eq(epochs_tell(copy->path, "housing", &two, &is, &e),
	    ERR_BUSY);
	ck_assert_uint_eq(is.seen, 0); /* somebody is inside: try again */
	repo_unlock(copy);
	ck_assert_int_eq(epochs_tell("/nonexistent", "housing", &two, &is, &e),
	    ERR_NOTFOUND);
}
END_TEST

START_TEST(what_comes_below_the_highest_is_refused)
{
	struct snapshot a, b;
	struct err e = {0};

	back_up(1, &a);
	back_up(2, &b);
	/* never moved: who names none carries 1 */
	must(replicate(&a.id, 1, &e), &e);
	must(raise_to(copy, 0, 2, &e), &e);
	ck_assert_int_eq(replicate(&b.id, 1, &e), ERR_BUSY);
	ck_assert_ptr_nonnull(strstr(e.text, "fenced"));
	ck_assert_int_eq(replicate(&b.id, 0, &e), ERR_BUSY);
	/* no stolen key takes the last epoch */
	ck_assert_int_eq(replicate(&b.id, UINT64_MAX, &e), ERR_REFUSED);
	ck_assert_uint_eq(mark_of(copy).seen, 2);
	must(replicate(&b.id, 3, &e), &e);
	ck_assert_uint_eq(mark_of(copy).seen, 3);
	ck_assert_uint_eq(mark_of(copy).owned, 2);
}
END_TEST

START_TEST(a_session_that_is_under_way_is_fenced_too)
{
	OWNED(intake_free) struct intake *in = NULL;
	OWNED(buf_fini) struct buf b = {0};
	struct snapshot a;
	struct err e = {0};

	back_up(1, &a);
	must(intake_new(&in, copy, &e), &e);
	must(intake_epoch(in, "housing", 1, &e), &e);
	send_packs(in);
	must(raise_to(copy, 0, 2, &e), &e);
	must(store_snapshot_bytes(here.st, "housing", &a.id, &b, &e), &e);
	ck_assert_int_eq(intake_snapshot(in, b.bytes, b.len_bytes, &e),
	    ERR_BUSY);
	{
		OWNED(snapshot_list_fini) struct snapshot_list list = {0};

		must(snapshot_list(&list, copy, NULL, NULL, NULL, &e), &e);
		ck_assert_uint_eq(list.count, 0);
	}
}
END_TEST

START_TEST(names_that_were_made_up_leave_no_trace)
{
	struct snapshot a;
	struct err e = {0};

	back_up(1, &a);
	{
		OWNED(intake_free) struct intake *in = NULL;
		struct epoch_mark m;

		must(intake_new(&in, copy, &e), &e);
		for (unsigned i = 0; i < EPOCHS_COUNT_MAX; i++) {
			char name[16];

			snprintf(name, sizeof(name), "made-up-%u", i);
			must(intake_epoch(in, name, 2, &e), &e);
		}
		must(epochs_find(&m, copy, "made-up-7", &e), &e);
		ck_assert_uint_eq(m.seen, 0);
	}
	must(replicate(&a.id, 2, &e), &e);
	ck_assert_uint_eq(mark_of(copy).seen, 2);
}
END_TEST

START_TEST(of_a_new_service_it_is_kept_with_its_first_snapshot)
{
	OWNED(intake_free) struct intake *in = NULL;
	OWNED(buf_fini) struct buf b = {0};
	struct snapshot a, c;
	struct err e = {0};

	back_up(1, &a);
	back_up(2, &c);
	must(intake_new(&in, copy, &e), &e);
	must(intake_epoch(in, "housing", 3, &e), &e);
	ck_assert_uint_eq(mark_of(copy).seen, 0);
	send_packs(in);
	must(store_snapshot_bytes(here.st, "housing", &a.id, &b, &e), &e);
	b.bytes[b.len_bytes - 1] ^= 1; /* not what was signed */
	ck_assert_int_ne(intake_snapshot(in, b.bytes, b.len_bytes, &e),
	    ERR_NONE);
	ck_assert_uint_eq(mark_of(copy).seen, 0);
	b.bytes[b.len_bytes - 1] ^= 1;
	must(intake_snapshot(in, b.bytes, b.len_bytes, &e), &e);
	ck_assert_uint_eq(mark_of(copy).seen, 3);
	ck_assert_int_eq(replicate(&c.id, 2, &e), ERR_BUSY);
	/* known from now on: the word alone is a fence */
	intake_free(&in);
	must(intake_new(&in, copy, &e), &e);
	must(intake_epoch(in, "housing", 4, &e), &e);
	ck_assert_uint_eq(mark_of(copy).seen, 4);
}
END_TEST

START_TEST(what_is_made_here_carries_the_epoch_it_was_given_at)
{
	struct snapshot a, b;
	struct point p = {.service = "housing", .snapshots_count = 1};
	struct err e = {0};

	back_up(1, &a);
	ck_assert_uint_eq(a.epoch, 0);
	must(raise_to(here.st, 0, 2, &e), &e);
	must(raise_to(here.st, 7, 0, &e), &e);
	back_up(2, &b);
	ck_assert_uint_eq(b.epoch, 2);
	p.snapshots[0] = b.id;
	must(point_commit(here.se, &p, &e), &e);
	ck_assert_uint_eq(p.epoch, 2);
}
END_TEST

static void
bend(const char *path)
{
	OWNED(fdio_close) int fd = -1;
	struct err e = {0};

	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ne(fd, -1);
	must(fdio_pwrite(fd, "\377", 1, 41, &e), &e);
}

static void
heal(void)
{
	const struct store_options opt = {.access = STORE_HEAL};
	const struct heal_options how = {0};
	OWNED(store_close) struct store *st = NULL;
	struct heal_tally t;
	struct err e = {0};

	must(store_open(&st, copy->path, &opt, &e), &e);
	must(store_heal(st, &how, &t, &e), &e);
	ck_assert_uint_gt(t.healed_count, 0);
}

static uint64_t
damages(void)
{
	const struct check_options opt = {.depth = CHECK_NAMES};
	struct check_tally t;
	struct err e = {0};

	must(store_check(copy, &opt, &t, &e), &e);
	return t.damage_count;
}

/* As all of them were kept once: one file, and its twin. */
static void
write_register(const struct epochs *s)
{
	static const char *const names[] = {"epochs", "epochs.bak"};
	OWNED(buf_fini) struct buf b = {0};
	struct err e = {0};

	must(epochs_encode(&b, s, copy->family, &e), &e);
	for (size_t i = 0; i < 2; i++) {
		OWNED(fdio_close) int fd = -1;
		char path[120];

		snprintf(path, sizeof(path), "%s/condemned/%s", copy->path,
		    names[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		ck_assert_int_ne(fd, -1);
		must(fdio_write(fd, b.bytes, b.len_bytes, &e), &e);
	}
}

static void
name_of(struct id *out, const char *service)
{
	struct err e = {0};

	must(hash_sha256(service, strlen(service) + 1, out, &e), &e);
}

static int
compare(const void *a, const void *b)
{
	return id_compare(a, b);
}

/* A register that is full, of services that nobody knows. */
static void
fill_register(void)
{
	OWNED(epochs_fini) struct epochs s = {0};

	s.all = calloc(EPOCHS_COUNT_MAX, sizeof(*s.all));
	ck_assert_ptr_nonnull(s.all);
	for (; s.count < EPOCHS_COUNT_MAX; s.count++) {
		char name[24];

		snprintf(name, sizeof(name), "made-up-%zu", s.count);
		s.all[s.count].mark.seen = 2;
		name_of(&s.all[s.count].name, name);
	}
	qsort(s.all, s.count, sizeof(*s.all), compare);
	write_register(&s);
}

/* Whoever sends services that he made up takes the place of nobody. */
START_TEST(no_number_of_made_up_services_shuts_one_out)
{
	struct epoch_mark m;
	struct snapshot a, b;
	struct err e = {0};

	back_up(1, &a);
	back_up(2, &b);
	fill_register();
	must(epochs_find(&m, copy, "made-up-7", &e), &e);
	ck_assert_uint_eq(m.seen, 2);
	must(replicate(&a.id, 2, &e), &e);
	ck_assert_uint_eq(mark_of(copy).seen, 2);
	ck_assert_int_eq(replicate(&b.id, 1, &e), ERR_BUSY);
	must(raise_to(copy, 0, 3, &e), &e);
	ck_assert_int_eq(replicate(&b.id, 2, &e), ERR_BUSY);
	must(replicate(&b.id, 3, &e), &e);
}
END_TEST

START_TEST(what_the_register_of_old_knows_still_counts)
{
	struct epochs_entry one = {.mark = {5, 4}};
	const struct epochs s = {&one, 1};
	struct snapshot a;
	struct err e = {0};

	back_up(1, &a);
	name_of(&one.name, "housing");
	write_register(&s);
	ck_assert_uint_eq(mark_of(copy).owned, 4);
	ck_assert_int_eq(replicate(&a.id, 4, &e), ERR_BUSY);
	ck_assert_int_eq(raise_to(copy, 0, 4, &e), ERR_BUSY);
	must(replicate(&a.id, 6, &e), &e);
	ck_assert_uint_eq(mark_of(copy).seen, 6);
	ck_assert_uint_eq(mark_of(copy).owned, 4); /* of either the higher */
}
END_TEST

START_TEST(of_what_was_never_moved_nothing_is_written)
{
	struct snapshot a, b;
	struct err e = {0};

	back_up(1, &a);
	back_up(2, &b);
	must(replicate(&a.id, 1, &e), &e);
	ck_assert_uint_eq(mark_of(copy).seen, 0);
	must(replicate(&b.id, 2, &e), &e);
	ck_assert_uint_eq(mark_of(copy).seen, 2);
	ck_assert_int_eq(replicate(&a.id, 1, &e), ERR_BUSY);
}
END_TEST

static const char *
own_path(char out[160], const char *service, const char *suffix)
{
	char hex[ID_HEX_BYTES];
	struct id name;

	name_of(&name, service);
	snprintf(out, 160, "%s/condemned/epochs-%s%s", copy->path,
	    id_hex(&name, hex), suffix);
	return out;
}

/* Another's file under this one's name is no word that it was never moved. */
START_TEST(a_file_about_another_service_counts_for_none)
{
	const struct epoch_mark to = {7, 0};
	char from[160], at[160];
	struct epoch_mark m;
	struct snapshot a;
	struct err e = {0};

	back_up(1, &a);
	must(raise_to(copy, 5, 0, &e), &e);
	must(epochs_raise(copy, "other", &to, &e), &e);
	for (size_t i = 0; i < 2; i++) {
		const char *suffix = i == 0 ? "" : ".bak";

		ck_assert_int_eq(rename(own_path(from, "other", suffix),
				     own_path(at, "housing", suffix)),
		    0);
	}
	ck_assert_int_eq(epochs_find(&m, copy, "housing", &e), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(e.text, "about another service"));
	ck_assert_int_eq(replicate(&a.id, 9, &e), ERR_CORRUPT);
	ck_assert_uint_eq(damages(), 2);
	heal();
	ck_assert_uint_eq(damages(), 0);
	must(replicate(&a.id, 9, &e), &e);
}
END_TEST

START_TEST(one_that_is_damaged_is_written_again_from_its_twin)
{
	static const char *const suffixes[] = {"", ".bak"};
	char path[160];
	struct err e = {0};

	must(raise_to(copy, 0, 5, &e), &e);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(damages(), 0);
		bend(own_path(path, "housing", suffixes[i]));
		ck_assert_uint_eq(damages(), 1);
		ck_assert_uint_eq(mark_of(copy).owned, 5);
		heal();
		ck_assert_uint_eq(damages(), 0);
		ck_assert_uint_eq(mark_of(copy).owned, 5);
	}
}
END_TEST

/* What is lost is lost of one service. */
START_TEST(with_both_lost_nothing_comes_in_until_they_are_made_again)
{
	const struct epoch_mark to = {9, 9};
	char path[160];
	struct epoch_mark m;
	struct snapshot a, b;
	struct err e = {0};

	must(raise_to(here.st, 0, 4, &e), &e);
	back_up(1, &a);
	back_up(2, &b);
	must(replicate(&a.id, 6, &e), &e);
	must(epochs_raise(copy, "other", &to, &e), &e);
	bend(own_path(path, "housing", ""));
	bend(own_path(path, "housing", ".bak"));
	ck_assert_int_eq(epochs_find(&m, copy, "housing", &e), ERR_CORRUPT);
	ck_assert_int_eq(replicate(&b.id, 6, &e), ERR_CORRUPT);
	must(epochs_find(&m, copy, "other", &e), &e);
	heal();
	ck_assert_uint_eq(mark_of(copy).seen, 4); /* the snapshot's own */
	must(epochs_find(&m, copy, "other", &e), &e);
	ck_assert_uint_eq(m.owned, 9);
	must(replicate(&b.id, 6, &e), &e);
}
END_TEST

/* Of each service that has snapshots here, in a file of its own. */
START_TEST(the_register_of_old_is_recalled_from_the_snapshots)
{
	static const char *const names[] = {"epochs", "epochs.bak"};
	char path[160];
	struct epoch_mark m;
	struct snapshot a[3];
	struct err e = {0};

	must(raise_to(here.st, 0, 4, &e), &e);
	for (size_t i = 0; i < COUNT_OF(a); i++) {
		back_up(i + 1, &a[i]);
		must(replicate(&a[i].id, 0, &e), &e);
	}
	must(raise_to(here.st, 0, 6, &e), &e);
	fill_register();
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/condemned/%s", copy->path,
		    names[i]);
		bend(path);
	}
	ck_assert_int_eq(epochs_find(&m, copy, "housing", &e), ERR_CORRUPT);
	heal();
	ck_assert_uint_eq(damages(), 0);
	ck_assert_uint_eq(mark_of(copy).seen, 4);
	must(epochs_find(&m, copy, "made-up-7", &e), &e);
	ck_assert_uint_eq(m.seen, 0);
}
END_TEST

START_TEST(any_failing_call_leaves_the_old_number_or_the_new)
{
	struct err e = {0};

	must(raise_to(copy, 0, 1, &e), &e);
	for (int nth = 1;; nth++) {
		uint64_t was = mark_of(copy).owned;
		enum err_code rc;
		bool fired;

		fault_arm_deep(nth, EIO);
		rc = raise_to(copy, 0, was + 1, &e);
		fired = fault_fired();
		ck_assert(mark_of(copy).owned == was + 1 ||
		    (rc != ERR_NONE && mark_of(copy).owned == was));
		if (!fired) {
			ck_assert_int_eq(rc, ERR_NONE);
			break;
		}
	}
}
END_TEST

START_TEST(what_makes_no_sense_is_not_read)
{
	struct epochs_entry all[2] = {{.mark = {2, 1}}, {.mark = {3, 3}}};
	struct epochs s = {all, 2};
	OWNED(buf_fini) struct buf b = {0};
	OWNED(epochs_fini) struct epochs back = {0};
	struct err e = {0};

	all[1].name.bytes[0] = 1;
	must(epochs_encode(&b, &s, copy->family, &e), &e);
	must(epochs_decode(&back, copy->family, b.bytes, b.len_bytes, &e), &e);
	ck_assert_uint_eq(back.all[1].mark.owned, 3);
	epochs_fini(&back);
	for (size_t len = 0; len < b.len_bytes; len++)
		ck_assert_int_ne(epochs_decode(&back, copy->family, b.bytes,
				     len, &e),
		    ERR_NONE);
	all[1].mark.owned = 4; /* above seen */
	must(epochs_encode(&b, &s, copy->family, &e), &e);
	ck_assert_int_eq(epochs_decode(&back, copy->family, b.bytes,
			     b.len_bytes, &e),
	    ERR_CORRUPT);
	all[1].mark.owned = 1;
	all[1].name.bytes[0] = 0; /* twice */
	must(epochs_encode(&b, &s, copy->family, &e), &e);
	ck_assert_int_eq(epochs_decode(&back, copy->family, b.bytes,
			     b.len_bytes, &e),
	    ERR_CORRUPT);
}
END_TEST

Suite *
suite_store_epochs(void)
{
	Suite *s = suite_create("store/epochs");
	TCase *tc = tcase_create("epochs");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, both_numbers_only_rise);
	tcase_add_test(tc, a_service_that_others_took_is_not_taken_below);
	tcase_add_test(tc, what_comes_below_the_highest_is_refused);
	tcase_add_test(tc, a_session_that_is_under_way_is_fenced_too);
	tcase_add_test(tc, names_that_were_made_up_leave_no_trace);
	tcase_add_test(tc, of_a_new_service_it_is_kept_with_its_first_snapshot);
	tcase_add_test(tc, no_number_of_made_up_services_shuts_one_out);
	tcase_add_test(tc, what_the_register_of_old_knows_still_counts);
	tcase_add_test(tc, of_what_was_never_moved_nothing_is_written);
	tcase_add_test(tc, a_file_about_another_service_counts_for_none);
	tcase_add_test(tc, what_is_made_here_carries_the_epoch_it_was_given_at);
	tcase_add_test(tc, one_that_is_damaged_is_written_again_from_its_twin);
	tcase_add_test(tc,
	    with_both_lost_nothing_comes_in_until_they_are_made_again);
	tcase_add_test(tc, the_register_of_old_is_recalled_from_the_snapshots);
	tcase_add_test(tc, any_failing_call_leaves_the_old_number_or_the_new);
	tcase_add_test(tc, what_makes_no_sense_is_not_read);
	suite_add_tcase(s, tc);
	return s;
}
