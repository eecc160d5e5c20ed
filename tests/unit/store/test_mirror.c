#include <bascule/store.h>

#include <check.h>
#include <errno.h>
#include <string.h>

#include "support/fault.h"
#include "support/must.h"
#include "support/plant.h"

/* What a copy on a server that has only SFTP lists, made here. */

static struct repo repo;
static struct pack_list packs;
static struct store *st;
static struct err e;

static void
setup(void)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct plant plant;
	char path[16];

	repo_make(&repo);
	plant_begin(&plant, &repo);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "f%u", i);
		plant_file(&plant, path, i, 20000);
	}
	plant_end(&plant);
	st = repo_open(&repo, STORE_READ);
	must(snapshot_list(&list, st, NULL, NULL, NULL, &e), &e);
	ck_assert_uint_eq(list.count, 1);
	must(store_needed_packs(&packs, st, &list.snapshots[0].id, 1, &e), &e);
	ck_assert_uint_gt(packs.count, 2);
}

static void
teardown(void)
{
	pack_list_fini(&packs);
	store_close(&st);
	repo_remove(&repo);
}

struct made {
	struct buf format, segment, manifest;
	struct id name; /* the segment's */
};

static void
made_fini(struct made *d)
{
	buf_fini(&d->format);
	buf_fini(&d->segment);
	buf_fini(&d->manifest);
}

static enum err_code
add_all(struct mirror *m)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < packs.count; i++)
		if (!mirror_has(m, &packs.packs[i]))
			rc = mirror_add(m, &packs.packs[i].name, &e);
	return rc;
}

static enum err_code
list_them(struct mirror *m, struct made *d)
{
	enum err_code rc = mirror_format(m, &d->format, &e);

	if (rc == ERR_NONE)
		rc = add_all(m);
	if (rc == ERR_NONE)
		rc = mirror_end_segment(m, &d->segment, &d->name, &e);
	return rc == ERR_NONE ? mirror_manifest(m, &d->manifest, &e) : rc;
}

static enum err_code
make(struct made *d)
{
	OWNED(mirror_free) struct mirror *m = NULL;
	enum err_code rc = mirror_new(&m, st, &e);

	return rc == ERR_NONE ? list_them(m, d) : rc;
}

/* As the next run does. */
static enum err_code
take(struct mirror *m, const struct made *d)
{
	size_t len;
	enum err_code rc =
	    mirror_check_format(m, d->format.bytes, d->format.len_bytes, &e);

	if (rc == ERR_NONE)
		rc = mirror_take_manifest(m, d->manifest.bytes,
		    d->manifest.len_bytes, &e);
	if (rc == ERR_NONE)
		rc = mirror_segment_bytes(m, 0, d->segment.bytes, &len, &e);
	if (rc != ERR_NONE)
		return rc;
	ck_assert_uint_le(len, d->segment.len_bytes); /* so it is bounded */
	return mirror_take_segment(m, d->segment.bytes, len, &e);
}

static void
check_made(const struct made *d)
{
	OWNED(mirror_free) struct mirror *m = NULL;
	struct mirror_segment seg;

	must(mirror_new(&m, st, &e), &e);
	must(take(m, d), &e);
	ck_assert(mirror_segment(m, 0, &seg));
	ck_assert(!mirror_segment(m, 1, &seg));
	ck_assert_uint_eq(mirror_packs_count(m), packs.count);
	for (size_t i = 0; i < packs.count; i++) {
		struct pack_info odd = packs.packs[i];

		ck_assert(mirror_has(m, &odd));
		odd.size_bytes++; /* of another size it is another */
		ck_assert(!mirror_has(m, &odd));
	}
}

START_TEST(what_is_listed_is_found_again)
{
	OWNED(made_fini) struct made d = {0};

	must(make(&d), &e);
	check_made(&d);
}
END_TEST

START_TEST(a_listing_that_was_changed_is_refused_or_lists_nothing_else)
{
	OWNED(made_fini) struct made d = {0};
	struct buf *files[] = {&d.format, &d.manifest};

	must(make(&d), &e);
	for (size_t f = 0; f < COUNT_OF(files); f++)
		for (size_t i = 0; i < files[f]->len_bytes; i++) {
			OWNED(mirror_free) struct mirror *m = NULL;

			must(mirror_new(&m, st, &e), &e);
			files[f]->bytes[i] ^= 4;
			ck_assert_int_ne(take(m, &d), ERR_NONE);
			files[f]->bytes[i] ^= 4;
		}
	/* of a segment only what says which packs is read: a lie there costs
	 * a pack sent again */
	for (size_t i = 0; i < MIRROR_HEAD_BYTES; i++) {
		OWNED(mirror_free) struct mirror *m = NULL;

		must(mirror_new(&m, st, &e), &e);
		d.segment.bytes[i] ^= 4;
		if (take(m, &d) == ERR_NONE)
			ck_assert_uint_le(mirror_packs_count(m),
			    d.segment.len_bytes / ID_BYTES);
		d.segment.bytes[i] ^= 4;
	}
	check_made(&d);
}
END_TEST

/* Whoever goes on after it lists what there is, and nothing twice. */
START_TEST(any_failing_call_is_an_error_and_can_be_gone_on_from)
{
	OWNED(made_fini) struct made whole = {0};
	bool reached = true;

	must(make(&whole), &e);
	for (int nth = 1; reached; nth++) {
		OWNED(made_fini) struct made d = {0};
		OWNED(mirror_free) struct mirror *m = NULL;
		enum err_code rc;

		fault_arm_all(nth, ENOMEM);
		rc = mirror_new(&m, st, &e);
		if (rc == ERR_NONE)
			rc = list_them(m, &d);
		reached = fault_fired();
		fault_arm_all(0, 0);
		ck_assert_msg(rc == ERR_NONE || reached, "%s", e.text);
		if (rc == ERR_NONE) {
			check_made(&d);
			ck_assert(reached || nth > 10);
			continue;
		}
		made_fini(&d);
		d = (struct made){0};
		mirror_free(&m);
		must(make(&d), &e);
		ck_assert(id_equal(&d.name, &whole.name));
		mirror_free(&m);
		must(mirror_new(&m, st, &e), &e);
		fault_arm_all(nth, ENOMEM);
		rc = take(m, &d);
		(void)fault_fired();
		fault_arm_all(0, 0);
		must(take(m, &d), &e); /* replaces what was known */
		ck_assert_uint_eq(mirror_packs_count(m), packs.count);
	}
}
END_TEST

/* One pack that could not be added is added when it is tried again. */
START_TEST(an_adding_that_failed_leaves_nothing_behind)
{
	OWNED(made_fini) struct made whole = {0};
	bool reached = true;

	must(make(&whole), &e);
	for (int nth = 1; reached; nth++) {
		OWNED(made_fini) struct made d = {0};
		OWNED(mirror_free) struct mirror *m = NULL;
		enum err_code rc = ERR_NONE;

		must(mirror_new(&m, st, &e), &e);
		for (size_t i = 0; i < packs.count; i++) {
			if (i == 1)
				fault_arm_all(nth, ENOMEM);
			rc = mirror_add(m, &packs.packs[i].name, &e);
			if (i == 1) {
				reached = fault_fired();
				fault_arm_all(0, 0);
			}
			if (rc != ERR_NONE)
				must(mirror_add(m, &packs.packs[i].name, &e),
				    &e);
		}
		must(mirror_end_segment(m, &d.segment, &d.name, &e), &e);
		ck_assert_msg(id_equal(&d.name, &whole.name), "nth %d", nth);
		ck_assert(reached || nth > 4);
	}
}
END_TEST

Suite *suite_store_mirror(void);

Suite *
suite_store_mirror(void)
{
	Suite *s = suite_create("store/mirror");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_listed_is_found_again);
	tcase_add_test(tc,
	    a_listing_that_was_changed_is_refused_or_lists_nothing_else);
	tcase_add_test(tc,
	    any_failing_call_is_an_error_and_can_be_gone_on_from);
	tcase_add_test(tc, an_adding_that_failed_leaves_nothing_behind);
	suite_add_tcase(s, tc);
	return s;
}
