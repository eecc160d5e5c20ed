#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/job/ahead.h"
#include "../lib/source/source_impl.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_job_ahead(void);

/*
 * A source whose files do as their numbers say.  What a file holds is its
 * number again and again; inode is the number, ctime_s counts the openings.
 */
enum behaviour {
	SOUND,
	LARGE,    /* more than is read ahead */
	GROWN,    /* the same, but the walk saw less */
	RESTLESS, /* changes as often as it is read */
	MOVED,    /* changes once */
	GONE,
	UNREADABLE,
	EMPTY,
	BEHAVIOURS
};

#define FILES     1000
#define FILE_SIZE 3000

static enum behaviour
behaviour_of(uint64_t number)
{
	return number % 17 < BEHAVIOURS ? (enum behaviour)(number % 17) : SOUND;
}

struct scripted {
	struct source_file file; /* first */
	uint64_t number;
	bool moves;
	size_t at_bytes;
};

static enum err_code
scripted_read(struct source_file *file, void *bytes, size_t size_bytes,
    struct source_run *run, struct err *e)
{
	struct scripted *f = (struct scripted *)file;
	size_t left = (size_t)f->file.content_bytes - f->at_bytes;

	if (behaviour_of(f->number) == UNREADABLE && f->at_bytes > 0)
		return err_set(e, ERR_IO, "reading");
	if (size_bytes > left)
		size_bytes = left;
	if (size_bytes > 1024)
		size_bytes = 1024; /* short reads are allowed */
	memset(bytes, (int)(f->number & 0xff), size_bytes);
	f->at_bytes += size_bytes;
	run->len_bytes = size_bytes;
	return ERR_NONE;
}

static enum err_code
scripted_finish(struct source_file *file, struct err *e)
{
	return ((struct scripted *)file)->moves
	    ? err_set(e, ERR_BUSY, "it changed")
	    : ERR_NONE;
}

static void
scripted_close(struct source_file *file)
{
	free(file);
}

static const struct source_file_ops file_ops = {
    .read = scripted_read,
    .finish = scripted_finish,
    .close = scripted_close,
};

static enum err_code
scripted_open(struct source_item *item, struct source_file **out,
    struct arc_warn warn, struct err *e)
{
	enum behaviour how = behaviour_of(item->inode);
	struct scripted *f;

	item->ctime_s++;
	warn.fn(warn.arg, ERR_IO, "a warning");
	if (how == GONE)
		return err_set(e, ERR_NOTFOUND, "it vanished");
	if (how == EMPTY)
		return ERR_NONE;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return err_nomem(e);
	f->file.ops = &file_ops;
	f->file.content_bytes =
	    how == LARGE || how == GROWN ? AHEAD_BYTES + 1 : FILE_SIZE;
	f->number = item->inode;
	f->moves = how == RESTLESS || (how == MOVED && item->ctime_s == 1);
	*out = &f->file;
	return ERR_NONE;
}

static const struct source_ops source_ops = {.open = scripted_open};
static struct source source = {&source_ops};

/* What the walk would have said. */
static void
fill(struct ahead_item *it, uint64_t number)
{
	it->item.kind = SOURCE_ENTRY;
	it->item.source = &source;
	it->item.inode = number;
	it->item.ctime_s = 0;
	it->item.entry.type = ENTRY_FILE;
	it->item.entry.size_bytes =
	    behaviour_of(number) == LARGE ? AHEAD_BYTES + 1 : FILE_SIZE;
}

static bool
holds_its_number(const struct ahead_item *it)
{
	for (size_t i = 0; i < it->len_bytes; i++)
		if (it->bytes[i] != (it->item.inode & 0xff))
			return false;
	return true;
}

static void
is_as_scripted(const struct ahead_item *it, uint64_t number)
{
	static const struct {
		enum err_code code;
		unsigned attempts;
		size_t len_bytes;
	} want[BEHAVIOURS] = {
	    [SOUND] = {ERR_NONE, 1, FILE_SIZE},
	    [LARGE] = {ERR_NONE, 1, 0},
	    [GROWN] = {ERR_NONE, 1, 0},
	    [RESTLESS] = {ERR_BUSY, 3, FILE_SIZE},
	    [MOVED] = {ERR_NONE, 2, FILE_SIZE},
	    [GONE] = {ERR_NOTFOUND, 1, 0},
	    [UNREADABLE] = {ERR_IO, 1, 1024},
	    [EMPTY] = {ERR_NONE, 1, 0},
	};
	enum behaviour how = behaviour_of(number);

	ck_assert_uint_eq(it->item.inode, number);
	ck_assert_int_eq(it->code, want[how].code);
	ck_assert_uint_eq(it->attempts, want[how].attempts);
	ck_assert_uint_eq(it->len_bytes, want[how].len_bytes);
	ck_assert(holds_its_number(it));
	ck_assert(it->is_left == (how == GROWN));
	ck_assert((it->file != NULL) == (how == LARGE));
	/* one a time it was opened */
	ck_assert_uint_eq(it->warnings.len_bytes,
	    want[how].attempts * sizeof("a warning"));
}

/* Send those from *sent on as far as there is room, or to the last. */
static void
send_some(struct ahead *a, uint64_t *sent, uint64_t last)
{
	struct ahead_item *it;
	struct err e = {0};

	while (*sent < last && (it = ahead_slot(a)) != NULL) {
		fill(it, ++*sent);
		ck_assert_int_eq(ahead_send(a, &e), ERR_NONE);
	}
}

START_TEST(items_come_back_in_order_as_they_are)
{
	OWNED(ahead_free) struct ahead *a = NULL;
	uint64_t sent = 0, taken = 0;
	struct ahead_item *it;
	struct err e = {0};

	ck_assert_int_eq(ahead_new(&a, NULL, &e), ERR_NONE);
	ck_assert(!ahead_holds(a));
	while (taken < FILES) {
		send_some(a, &sent, FILES);
		ck_assert(ahead_holds(a));
		ck_assert_int_eq(ahead_next(a, &it, &e), ERR_NONE);
		ck_assert_ptr_nonnull(it);
		is_as_scripted(it, ++taken);
	}
	ck_assert(!ahead_holds(a));
	ck_assert_int_eq(ahead_next(a, &it, &e), ERR_NONE);
	ck_assert_ptr_null(it);
}
END_TEST

START_TEST(a_few_are_taken_as_soon_as_they_are_asked_for)
{
	OWNED(ahead_free) struct ahead *a = NULL;
	uint64_t sent = 0, taken = 0;
	struct ahead_item *it;
	struct err e = {0};

	ck_assert_int_eq(ahead_new(&a, NULL, &e), ERR_NONE);
	ck_assert_ptr_nonnull(ahead_slot(a)); /* asked for, not used */
	ck_assert(!ahead_holds(a));
	for (int round = 0; round < 50; round++) {
		send_some(a, &sent, sent + 3);
		while (ahead_holds(a)) {
			ck_assert_int_eq(ahead_next(a, &it, &e), ERR_NONE);
			is_as_scripted(it, ++taken);
		}
		ck_assert_uint_eq(taken, sent);
	}
}
END_TEST

START_TEST(what_is_being_read_can_be_forgotten)
{
	for (uint64_t n = 0; n < 300; n += 23) {
		OWNED(ahead_free) struct ahead *a = NULL;
		uint64_t sent = 0;
		struct err e = {0};

		ck_assert_int_eq(ahead_new(&a, NULL, &e), ERR_NONE);
		send_some(a, &sent, n);
	}
}
END_TEST

/* --- with a cutter -------------------------------------------------------------- */

#define CHUNK_BYTES 1024 /* so many of a file: the last is shorter */

static struct repo r;
static struct repo_work here;
static struct content_writer *cw;
static struct content_namer *namer;

static void
setup(void)
{
	struct err e = {0};

	repo_make(&r);
	repo_begin(&r, &here.st, &here.se, &here.w);
	must(content_writer_new(&cw, here.w, CHUNKING_FIXED, CHUNK_BYTES, &e),
	    &e);
	must(content_writer_namer(&namer, cw, &e), &e);
}

static void
teardown(void)
{
	content_writer_namer_free(&namer);
	content_writer_free(&cw);
	repo_work_end(&here);
	repo_remove(&r);
}

static void
is_cut_and_named(const struct ahead_item *it)
{
	size_t at_bytes = 0;

	for (size_t i = 0; i < it->names_count; i++) {
		const struct content_name *is = &it->names[i];
		size_t left = it->len_bytes - at_bytes;
		struct content_name want = {at_bytes,
		    left < CHUNK_BYTES ? left : CHUNK_BYTES, {{0}}};

		content_writer_name(namer, &want, it->bytes + at_bytes);
		ck_assert_uint_eq(is->at_bytes, want.at_bytes);
		ck_assert_uint_eq(is->len_bytes, want.len_bytes);
		ck_assert(id_equal(&is->id, &want.id));
		at_bytes += (size_t)is->len_bytes;
	}
	ck_assert_uint_eq(at_bytes, it->len_bytes); /* all of it */
}

START_TEST(what_is_new_comes_back_cut_and_named)
{
	OWNED(ahead_free) struct ahead *a = NULL;
	uint64_t sent = 0, taken = 0;
	unsigned cut_count = 0;
	struct ahead_item *it;
	struct err e = {0};

	must(ahead_new(&a, cw, &e), &e);
	while (taken < FILES) {
		while (sent < FILES && (it = ahead_slot(a)) != NULL) {
			fill(it, ++sent);
			it->has_previous = sent % 3 == 0;
			must(ahead_send(a, &e), &e);
		}
		must(ahead_next(a, &it, &e), &e);
		is_as_scripted(it, ++taken);
		if (it->has_previous || it->len_bytes <= CONTENT_INLINE_BYTES) {
			ck_assert_uint_eq(it->names_count, 0);
			ck_assert_ptr_null(it->names);
			continue;
		}
		is_cut_and_named(it);
		cut_count++;
	}
	ck_assert_uint_gt(cut_count, FILES / 3);
}
END_TEST

START_TEST(what_no_memory_is_left_to_name_the_caller_cuts)
{
	bool fired = true;
	int left_count = 0;

	for (int nth = 1; fired; nth++) {
		OWNED(ahead_free) struct ahead *a = NULL;
		struct ahead_item *it;
		struct err e = {0};

		fault_arm_all(nth, ENOMEM);
		(void)!ahead_new(&a, cw, &e);
		for (uint64_t n = 0; a != NULL && n < 3; n++) {
			fill(ahead_slot(a), 10 + n); /* SOUND, all of them */
			must(ahead_send(a, &e), &e);
		}
		while (a != NULL && ahead_holds(a)) {
			must(ahead_next(a, &it, &e), &e);
			if (it->code == ERR_NONE && it->names_count > 0)
				is_cut_and_named(it);
			left_count +=
			    it->code == ERR_NONE && it->names_count == 0;
		}
		fired = fault_fired();
		ck_assert(a != NULL || e.code == ERR_NOMEM);
	}
	ck_assert_int_gt(left_count, 0);
}
END_TEST

/* --- without memory ------------------------------------------------------------ */

START_TEST(no_memory_is_the_items_or_the_callers_failure)
{
	bool fired = true;

	for (int nth = 1; fired; nth++) {
		OWNED(ahead_free) struct ahead *a = NULL;
		struct ahead_item *it;
		struct err e = {0};
		unsigned failed_count = 0;

		fault_arm(nth, ENOMEM);
		failed_count += ahead_new(&a, NULL, &e) != ERR_NONE;
		for (uint64_t n = 0; a != NULL && n < 3; n++) {
			fill(ahead_slot(a), 10 + n); /* SOUND, all of them */
			ck_assert_int_eq(ahead_send(a, &e), ERR_NONE);
		}
		while (a != NULL && ahead_holds(a)) {
			ck_assert_int_eq(ahead_next(a, &it, &e), ERR_NONE);
			ck_assert(
			    it->code == ERR_NONE || it->code == ERR_NOMEM);
			failed_count += it->code != ERR_NONE;
		}
		fired = fault_fired();
		ck_assert_uint_le(failed_count, 1);
		ck_assert(nth > 1 || failed_count == 1);
	}
}
END_TEST

Suite *
suite_job_ahead(void)
{
	Suite *s = suite_create("job/ahead");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, items_come_back_in_order_as_they_are);
	tcase_add_test(tc, a_few_are_taken_as_soon_as_they_are_asked_for);
	tcase_add_test(tc, what_is_being_read_can_be_forgotten);
	tcase_add_test(tc, no_memory_is_the_items_or_the_callers_failure);
	suite_add_tcase(s, tc);
	tc = tcase_create("cutter");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_new_comes_back_cut_and_named);
	tcase_add_test(tc, what_no_memory_is_left_to_name_the_caller_cuts);
	suite_add_tcase(s, tc);
	return s;
}
