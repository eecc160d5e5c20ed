#include <bascule/source.h>

#include <check.h>
#include <string.h>

static bool
join(struct source_links *links, uint64_t inode, uint64_t nlink,
    const char *path, uint8_t *group)
{
	OWNED(entry_fini) struct entry en = {0};
	struct source_item item = {.inode = inode, .nlink = nlink, .dev = 5};
	struct err e = {0};
	bool found;

	ck_assert_int_eq(entry_set_path(&en, path, strlen(path), &e), 0);
	item.entry = en;
	ck_assert_int_eq(source_links_join(links, &item, group, &found, &e),
	    ERR_NONE);
	return found;
}

START_TEST(members_share_the_first_ones_group)
{
	OWNED(source_links_free) struct source_links *links = NULL;
	uint8_t a[ENTRY_LINK_BYTES] = "first", b[ENTRY_LINK_BYTES] = "second";
	struct err e = {0};

	ck_assert_int_eq(source_links_new(&links, &e), ERR_NONE);
	ck_assert(!join(links, 1, 3, "a", a));
	ck_assert(join(links, 1, 3, "b", b));
	ck_assert_str_eq((char *)b, "first");
	ck_assert(join(links, 1, 3, "b", b)); /* once more: counts once */
	ck_assert(join(links, 1, 3, "c", b));
	/* all three were seen: the inode may be another file by now */
	ck_assert(!join(links, 1, 2, "d", b));
}
END_TEST

/* Against a plain table, many inodes coming and going. */
START_TEST(forgetting_loses_no_one_else)
{
	enum { INODES = 5000 };
	OWNED(source_links_free) struct source_links *links = NULL;
	struct err e = {0};

	ck_assert_int_eq(source_links_new(&links, &e), ERR_NONE);
	for (int pass = 0; pass < 3; pass++)
		for (unsigned i = 0; i < INODES; i++) {
			uint8_t g[ENTRY_LINK_BYTES] = {0};
			unsigned nlink = 2 + i % 2;
			char path[32];

			snprintf(path, sizeof(path), "p%d/%u", pass, i);
			memcpy(g, &i, sizeof(i));
			if (pass > 0)
				g[8] = 1; /* not the first's */
			if ((unsigned)pass >= nlink)
				continue;
			ck_assert(
			    join(links, i * 977, nlink, path, g) == (pass > 0));
			ck_assert_int_eq(g[8], 0);
			ck_assert_int_eq(memcmp(g, &i, sizeof(i)), 0);
		}
}
END_TEST

Suite *suite_source_source_links(void);

Suite *
suite_source_source_links(void)
{
	Suite *s = suite_create("source/links");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, members_share_the_first_ones_group);
	tcase_add_test(tc, forgetting_loses_no_one_else);
	suite_add_tcase(s, tc);
	return s;
}
