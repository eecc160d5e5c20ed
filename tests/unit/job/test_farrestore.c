#include "lib/job/farrestore.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/now.h>

#include "support/farhost.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

/* A tree of a repository of ours, onto a real sshd over SFTP. */

Suite *suite_job_farrestore(void);

#define WHEN 1600000000

static struct repo r;
static struct farhost far;
static struct tmpdir there; /* its `there/to` is where it goes */
static struct source_host host;
static char to[300];
static struct id root;

/* --- what is restored ------------------------------------------------------- */

static void
add(struct tree_writer *tw, struct item *it, enum entry_type type,
    uint32_t mode)
{
	struct err e = {0};

	it->entry.type = type;
	it->entry.mode = mode;
	it->entry.uid = geteuid();
	it->entry.gid = getegid();
	it->entry.mtime_s = WHEN;
	it->entry.mtime_ns = 5;
	must(tree_writer_add(tw, it, &e), &e);
}

static void
add_plain(struct tree_writer *tw, const char *path, enum entry_type type,
    uint32_t mode)
{
	OWNED(item_fini) struct item it = {0};
	struct err e = {0};

	must(entry_set_path(&it.entry, path, strlen(path), &e), &e);
	if (type == ENTRY_SYMLINK)
		must(entry_set_text(&it.entry.target, "d/one", 5, 100, &e), &e);
	add(tw, &it, type, mode);
}

static void
add_file(struct tree_writer *tw, struct writer *w, const char *path,
    uint64_t seed, size_t bytes)
{
	OWNED(item_fini) struct item it = {0};

	repo_file(&it, w, path, seed, bytes);
	add(tw, &it, ENTRY_FILE, 0640);
}

/* 3,000 bytes of data in the middle of holes. */
static void
add_sparse(struct tree_writer *tw, struct writer *w, const char *path)
{
	OWNED(item_fini) struct item it = {0};
	struct err e = {0};

	repo_file(&it, w, path, 9, 3000);
	it.entry.size_bytes = 100000;
	must(entry_add_extent(&it.entry, 4096, 1000, &e), &e);
	must(entry_add_extent(&it.entry, 50000, 2000, &e), &e);
	add(tw, &it, ENTRY_FILE, 0600);
}

static struct id
plant(void)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct snapshot s = {.service = "s", .dataset = "d"};
	struct err e = {0};

	repo_begin(&r, &a.st, &a.se, &a.w);
	must(tree_writer_new(&tw, a.w, &e), &e);
	add_plain(tw, "srv", ENTRY_DIR, 0755);
	add_plain(tw, "srv/d", ENTRY_DIR, 0710);
	add_plain(tw, "srv/d/deep", ENTRY_DIR, 0555);
	add_file(tw, a.w, "srv/d/deep/x", 3, 3000);
	add_file(tw, a.w, "srv/d/one", 4, 3500);
	add_file(tw, a.w, "srv/d/one/below", 5, 300);
	add_sparse(tw, a.w, "srv/d/sparse");
	add_plain(tw, "srv/fifo", ENTRY_FIFO, 0600);
	add_plain(tw, "srv/link", ENTRY_SYMLINK, 0777);
	add_file(tw, a.w, "srv/z", 6, 1000);
	must(tree_writer_root(tw, &s.root, &e), &e);
	must(snapshot_commit(a.se, a.w, &s, &e), &e);
	return s.root;
}

#define FOLDERS 6
#define FILES   30

/* Folders within one another, of files enough for all lanes. */
static struct id
plant_many(void)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct snapshot s = {.service = "s", .dataset = "many"};
	struct err e = {0};
	char dir[100] = "srv", name[120];

	repo_begin(&r, &a.st, &a.se, &a.w);
	must(tree_writer_new(&tw, a.w, &e), &e);
	add_plain(tw, dir, ENTRY_DIR, 0755);
	for (unsigned i = 0; i < FOLDERS; i++) {
		snprintf(dir + strlen(dir), sizeof(dir) - strlen(dir), "/d%u",
		    i);
		add_plain(tw, dir, ENTRY_DIR, i % 2 == 0 ? 0555 : 0711);
		for (unsigned k = 0; k < FILES; k++) {
			snprintf(name, sizeof(name), "%s/a%02u", dir, k);
			add_file(tw, a.w, name, i * FILES + k, 300 + 40 * k);
		}
	}
	must(tree_writer_root(tw, &s.root, &e), &e);
	must(snapshot_commit(a.se, a.w, &s, &e), &e);
	return s.root;
}

static enum err_code
restore_from(struct store *st, struct farrestore_result *out, struct err *e)
{
	const struct farrestore_options opt = {.host = &host,
	    .root = root,
	    .subtree = "srv",
	    .to = to,
	    .deletes = true};

	return farrestore_run(st, &opt, out, e);
}

static enum err_code
restore(struct farrestore_result *out, struct err *e)
{
	struct store *st = repo_open(&r, STORE_READ);
	enum err_code rc = restore_from(st, out, e);

	store_close(&st);
	return rc;
}

static const char *
path(const char *name)
{
	static char text[400];

	snprintf(text, sizeof(text), "%s/%s", to, name);
	return text;
}

static bool
has_noise(const char *name, size_t at, uint64_t seed, size_t from, size_t len)
{
	uint8_t want[4096], got[4096];
	FILE *f = fopen(path(name), "r");
	bool same;

	ck_assert_ptr_nonnull(f);
	repo_noise(want, from + len, seed);
	same = fseek(f, (long)at, SEEK_SET) == 0 &&
	    fread(got, 1, len, f) == len && memcmp(got, want + from, len) == 0;
	fclose(f);
	return same;
}

static struct stat
look(const char *name)
{
	struct stat st = {0};

	ck_assert_msg(lstat(path(name), &st) == 0, "%s", name);
	return st;
}

static void
check_all(void)
{
	char target[100];

	ck_assert(has_noise("d/deep/x", 0, 3, 0, 3000));
	ck_assert(has_noise("d/one", 0, 4, 0, 3500));
	ck_assert(has_noise("d/sparse", 4096, 9, 0, 1000));
	ck_assert(has_noise("d/sparse", 50000, 9, 1000, 2000));
	ck_assert(has_noise("z", 0, 6, 0, 1000));
	ck_assert_int_eq(look("d/sparse").st_size, 100000);
	ck_assert_int_eq(look("d/one").st_mtime, WHEN);
	ck_assert_int_eq(look("d/one").st_mode & 07777, 0640);
	ck_assert_int_eq(look("d").st_mtime, WHEN);
	ck_assert_int_eq(look("d").st_mode & 07777, 0710);
	ck_assert_int_eq(look("d/deep").st_mode & 07777, 0555);
	ck_assert_int_eq(readlink(path("link"), target, sizeof(target)), 5);
	ck_assert_int_ne(access(path("fifo"), F_OK), 0);
	ck_assert_int_ne(access(path("stray"), F_OK), 0);
	ck_assert_int_ne(access(path(".bascule-restoring"), F_OK), 0);
}

/* The hostile entry below a file is a fault, and only that. */
static void
check_result(enum err_code rc, const struct farrestore_result *out,
    const struct err *e)
{
	ck_assert_msg(rc == ERR_CORRUPT && out->failed_count == 1 &&
		out->differ_count == 0,
	    "%d %s", (int)rc, e->text);
}

/* --- around each test --------------------------------------------------------- */

static void
setup_host(void)
{
	static char fingerprint[64];
	static const char *keys[] = {fingerprint};

	snprintf(fingerprint, sizeof(fingerprint), "%s",
	    farhost_fingerprint(&far));
	host = (struct source_host){.name = "app1",
	    .address = "127.0.0.1",
	    .port = far.port,
	    .user = far.user,
	    .host_keys = keys,
	    .host_keys_count = 1,
	    .identity = far.identity};
}

static void
setup(void)
{
	repo_make(&r);
	root = plant();
	farhost_start(&far, NULL);
	tmpdir_make(&there);
	snprintf(to, sizeof(to), "%s/a/to", there.path);
	setup_host();
}

static void
teardown(void)
{
	farhost_stop(&far);
	chmod(path("d/deep"), 0700);
	tmpdir_remove(&there);
	repo_remove(&r);
}

/* --- a link that breaks ------------------------------------------------------- */

/* Carries connections, the first of them each for so many bytes. */
#define CARRIED_MAX 64
struct relay {
	pthread_t thread;
	int fd;
	uint16_t port;
	uint64_t bytes_max;
	unsigned cut_count, cuts_max; /* then it lasts */
	unsigned delay_us;            /* each way */
	unsigned admits; /* so many connections, 0: all; no other */
	pthread_mutex_t lock;
	struct carried {
		struct relay *of;
		pthread_t thread;
		int in;
	} carried[CARRIED_MAX];
	unsigned carried_count;
};

static bool
carry(int from, int into, unsigned delay_us, uint64_t *bytes)
{
	char b[65536];
	ssize_t n = read(from, b, sizeof(b));

	if (delay_us > 0)
		usleep(delay_us);
	*bytes += n > 0 ? (uint64_t)n : 0;
	return n > 0 && send(into, b, (size_t)n, MSG_NOSIGNAL) == n;
}

/* Is this the one to be cut? */
static bool
is_cut(struct relay *y, uint64_t bytes)
{
	bool cut;

	pthread_mutex_lock(&y->lock);
	cut = y->cut_count < y->cuts_max && bytes > y->bytes_max;
	y->cut_count += cut;
	pthread_mutex_unlock(&y->lock);
	return cut;
}

static void
carry_all(struct relay *y, int in, int out)
{
	struct pollfd fds[2] = {{in, POLLIN, 0}, {out, POLLIN, 0}};
	uint64_t bytes = 0;

	while (poll(fds, 2, -1) > 0) {
		if ((fds[0].revents != 0 &&
			!carry(in, out, y->delay_us, &bytes)) ||
		    (fds[1].revents != 0 &&
			!carry(out, in, y->delay_us, &bytes)) ||
		    is_cut(y, bytes))
			return;
	}
}

static void *
run_one(void *arg)
{
	struct carried *c = arg;
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_port = htons(far.port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int out = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(out, (struct sockaddr *)&a, sizeof(a)) == 0)
		carry_all(c->of, c->in, out);
	close(c->in);
	close(out);
	return NULL;
}

static void *
run_relay(void *arg)
{
	struct relay *y = arg;
	int in;

	while ((in = accept(y->fd, NULL, NULL)) >= 0) {
		struct carried *c = &y->carried[y->carried_count];

		if (y->admits > 0 && y->carried_count == y->admits) {
			close(in);
			continue;
		}
		ck_assert_uint_lt(y->carried_count, CARRIED_MAX);
		*c = (struct carried){.of = y, .in = in};
		ck_assert_int_eq(pthread_create(&c->thread, NULL, run_one, c),
		    0);
		y->carried_count++;
	}
	for (unsigned i = 0; i < y->carried_count; i++)
		pthread_join(y->carried[i].thread, NULL);
	return NULL;
}

static void
relay_start(struct relay *y)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	pthread_mutex_init(&y->lock, NULL);
	y->fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(y->fd, (struct sockaddr *)&a, len), 0);
	ck_assert_int_eq(listen(y->fd, 5), 0);
	ck_assert_int_eq(getsockname(y->fd, (struct sockaddr *)&a, &len), 0);
	y->port = ntohs(a.sin_port);
	ck_assert_int_eq(pthread_create(&y->thread, NULL, run_relay, y), 0);
}

static void
relay_stop(struct relay *y)
{
	shutdown(y->fd, SHUT_RDWR);
	pthread_join(y->thread, NULL);
	close(y->fd);
	pthread_mutex_destroy(&y->lock);
}

/* --- tests -------------------------------------------------------------------- */

START_TEST(a_tree_is_there_and_the_second_time_nothing_is_written)
{
	struct farrestore_result out;
	struct err e = {0};
	struct stat before;
	char said[512];
	FILE *f;

	check_result(restore(&out, &e), &out, &e);
	check_all();
	ck_assert_uint_eq(out.files_count, 4);
	ck_assert_uint_eq(out.left_out_count, 1);
	ck_assert_uint_eq(out.same_count, 0);
	before = look("d/one");
	tmpdir_put(&there, "a/to/stray", "stray");
	tmpdir_put(&there, "a/to/d/.bascule-restoring", "half");
	tmpdir_put(&there, "a/beside", "kept");
	ck_assert_int_eq(chmod(path("d/one"), 0777), 0);
	f = fopen(path("z"), "r+"); /* of the same size, at another time */
	ck_assert(f != NULL && fputc('?', f) == '?' && fclose(f) == 0);
	check_result(restore(&out, &e), &out, &e);
	check_all();
	ck_assert_uint_eq(out.same_count, 4);
	ck_assert_uint_eq(out.deleted_count, 2);
	ck_assert_uint_eq(look("d/one").st_ino, before.st_ino);
	ck_assert(tmpdir_is(&there, "a/beside", "kept"));
	farrestore_say(&out, said, sizeof(said));
	ck_assert_ptr_nonnull(strstr(said, "4 unchanged by size and time"));
	ck_assert_ptr_nonnull(strstr(said, "1 devices, pipes and sockets"));
}
END_TEST

START_TEST(what_is_in_the_way_makes_way_and_no_link_leads_out)
{
	struct farrestore_result out;
	struct err e = {0};
	char beside[300];

	snprintf(beside, sizeof(beside), "%s/beside", there.path);
	ck_assert_int_eq(mkdir(beside, 0700), 0);
	tmpdir_put(&there, "beside/one", "kept");
	snprintf(beside, sizeof(beside), "%s/a", there.path);
	ck_assert_int_eq(mkdir(beside, 0700), 0);
	ck_assert_int_eq(mkdir(to, 0700), 0);
	snprintf(beside, sizeof(beside), "%s/beside", there.path);
	ck_assert_int_eq(symlink(beside, path("d")), 0);
	ck_assert_int_eq(mkdir(path("z"), 0700), 0);
	tmpdir_put(&there, "a/to/z/in", "x");
	ck_assert_int_eq(symlink(beside, path("z/out")), 0);
	check_result(restore(&out, &e), &out, &e);
	check_all();
	ck_assert(tmpdir_is(&there, "beside/one", "kept"));
}
END_TEST

START_TEST(a_file_goes_to_its_own_name)
{
	struct farrestore_options opt = {.host = &host,
	    .root = root,
	    .subtree = "srv/z",
	    .is_file = true,
	    .to = path("dump.sql")};
	struct store *st = repo_open(&r, STORE_READ);
	struct farrestore_result out;
	struct err e = {0};

	must(farrestore_run(st, &opt, &out, &e), &e);
	ck_assert(has_noise("dump.sql", 0, 6, 0, 1000));
	opt.to = to;
	ck_assert_int_eq(farrestore_run(st, &opt, &out, &e), ERR_POLICY);
	store_close(&st);
}
END_TEST

START_TEST(a_link_that_breaks_again_and_again_is_made_again)
{
	uint64_t last = 0;

	for (uint64_t bytes = 7000; bytes < 21000; bytes += 5000) {
		struct relay y = {.bytes_max = bytes, .cuts_max = 2};
		struct farrestore_result out = {0};
		struct err e = {0};
		enum err_code rc;

		relay_start(&y);
		host.port = y.port;
		rc = restore(&out, &e);
		relay_stop(&y);
		check_result(rc, &out, &e);
		check_all();
		ck_assert_uint_gt(y.cut_count, 0);
		last += out.reconnected_count;
		tmpdir_remove(&there);
		tmpdir_make(&there);
		snprintf(to, sizeof(to), "%s/a/to", there.path);
	}
	ck_assert_uint_gt(last, 0);
}
END_TEST

static void
check_many(void)
{
	char dir[100] = "", name[120];

	for (unsigned i = 0; i < FOLDERS; i++) {
		snprintf(dir + strlen(dir), sizeof(dir) - strlen(dir), "%sd%u",
		    i > 0 ? "/" : "", i);
		for (unsigned k = 0; k < FILES; k++) {
			snprintf(name, sizeof(name), "%s/a%02u", dir, k);
			ck_assert(
			    has_noise(name, 0, i * FILES + k, 0, 300 + 40 * k));
			ck_assert_int_eq(look(name).st_mtime, WHEN);
		}
		ck_assert_int_eq(look(dir).st_mtime, WHEN);
		ck_assert_int_eq(look(dir).st_mode & 07777,
		    i % 2 == 0 ? 0555 : 0711);
	}
}

/* FAR_DELAY_MS=20 shows what a long link costs. */
static unsigned
delay_us(void)
{
	const char *ms = getenv("FAR_DELAY_MS");

	return ms == NULL ? 0 : (unsigned)atoi(ms) * 500;
}

/* Over several connections at once; over the one that is let in; and with those
 * that break.  A folder's time is right when all in it was made before. */
START_TEST(many_files_are_made_at_once_and_each_folder_ends_after_them)
{
	static const struct {
		unsigned admits, cuts_max;
	} ways[] = {{0, 0}, {1, 0}, {0, 5}};

	root = plant_many();
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		struct relay y = {.bytes_max = 40000,
		    .delay_us = delay_us(),
		    .admits = ways[i].admits,
		    .cuts_max = ways[i].cuts_max};
		struct farrestore_result out = {0};
		struct err e = {0};
		char chmod_all[400];
		struct mono from = now_mono();

		relay_start(&y);
		host.port = y.port;
		must(restore(&out, &e), &e);
		relay_stop(&y);
		if (y.delay_us > 0)
			printf("%u connections: %.1f s\n", y.carried_count,
			    (double)(now_mono().ns - from.ns) / 1e9);
		check_many();
		ck_assert_uint_eq(out.files_count, FOLDERS * FILES);
		ck_assert_uint_eq(out.same_count + out.deleted_count, 0);
		if (ways[i].admits == 0)
			ck_assert_uint_gt(y.carried_count, 2);
		ck_assert_uint_eq(y.cut_count, ways[i].cuts_max);
		ck_assert_uint_eq(out.reconnected_count, ways[i].cuts_max);
		snprintf(chmod_all, sizeof(chmod_all), "chmod -R u+w %s", to);
		ck_assert_int_eq(farhost_run((const char *[]){"sh", "-c",
				     chmod_all, NULL}),
		    0);
		tmpdir_remove(&there);
		tmpdir_make(&there);
		snprintf(to, sizeof(to), "%s/a/to", there.path);
	}
}
END_TEST

START_TEST(a_server_with_nothing_beyond_version_3_will_do)
{
	struct farrestore_result out;
	struct err e = {0};

	farhost_stop(&far);
	farhost_start(&far,
	    "ForceCommand internal-sftp -P "
	    "posix-rename,lsetstat,fsync,limits,statvfs,hardlink");
	setup_host();
	check_result(restore(&out, &e), &out, &e);
	check_all();
	tmpdir_put(&there, "a/to/z", "other");
	check_result(restore(&out, &e), &out, &e);
	check_all();
	ck_assert(out.not_atomic && out.not_synced);
}
END_TEST

START_TEST(any_failing_call_is_an_error_or_it_is_all_there)
{
	struct farrestore_result out;
	bool fired = true;

	for (int nth = 1; fired; nth += fault_step(97)) {
		struct store *st = repo_open(&r, STORE_READ);
		struct err e = {0};
		enum err_code rc;

		fault_arm_all(nth, nth % 2 == 0 ? EIO : ENOMEM);
		rc = restore_from(st, &out, &e);
		fired = fault_fired();
		store_close(&st);
		ck_assert(rc != ERR_NONE);
		ck_assert_uint_gt(strlen(e.text), 0);
		if (rc == ERR_CORRUPT && out.failed_count == 1 &&
		    out.differ_count == 0)
			check_all();
	}
	check_all();
}
END_TEST

Suite *
suite_job_farrestore(void)
{
	Suite *s = suite_create("job/farrestore");
	TCase *t = tcase_create("farrestore");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t,
	    a_tree_is_there_and_the_second_time_nothing_is_written);
	tcase_add_test(t, what_is_in_the_way_makes_way_and_no_link_leads_out);
	tcase_add_test(t, a_file_goes_to_its_own_name);
	tcase_add_test(t, a_link_that_breaks_again_and_again_is_made_again);
	tcase_add_test(t,
	    many_files_are_made_at_once_and_each_folder_ends_after_them);
	tcase_add_test(t, a_server_with_nothing_beyond_version_3_will_do);
	tcase_add_test(t, any_failing_call_is_an_error_or_it_is_all_there);
	suite_add_tcase(s, t);
	return s;
}
