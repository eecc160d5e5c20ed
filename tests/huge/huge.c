/*
 * huge DIR FILES: backs up so many files that are on no disk, then once more
 * with nothing changed, through all of the engine but the walk.  Time, peak
 * memory and the repository's size are printed.
 */

#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bascule/crypt.h>
#include <bascule/job.h>
#include <bascule/source.h>
#include <bascule/store.h>

#define FILES_A_FOLDER 1000
#define BYTES_MIN      100
#define BYTES_SPAN     600
#define OLD_S          1600000000

static uint64_t files_count;

/* --- In place of the walk --------------------------------------------------- */

struct source {
	uint64_t at; /* entries given: each folder's, then its files */
};

struct source_file {
	uint64_t number;
	size_t size, at;
};

static uint64_t
mixed(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static size_t
size_of(uint64_t number)
{
	return BYTES_MIN + (size_t)(mixed(number) % BYTES_SPAN);
}

enum err_code __wrap_source_tree_new(struct source **out,
    const struct source_tree_options *options, struct err *e);
enum err_code
__wrap_source_tree_new(struct source **out,
    const struct source_tree_options *options, struct err *e)
{
	(void)options;
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? err_nomem(e) : ERR_NONE;
}

void __wrap_source_free(struct source **src);
void
__wrap_source_free(struct source **src)
{
	free(TAKE(*src));
}

enum err_code __wrap_source_next(struct source *src, struct source_item *item,
    struct err *e);
enum err_code
__wrap_source_next(struct source *src, struct source_item *item, struct err *e)
{
	const uint64_t block = FILES_A_FOLDER + 1;
	const uint64_t folder = src->at / block, nth = src->at % block;
	const uint64_t number = folder * FILES_A_FOLDER + nth - 1;
	char path[64];
	int len;

	if (folder * FILES_A_FOLDER >= files_count)
		return err_set(e, ERR_NOTFOUND, "that was all");
	len =
	    snprintf(path, sizeof(path), "h%05llu", (unsigned long long)folder);
	if (nth > 0)
		len += snprintf(path + len, sizeof(path) - (size_t)len,
		    "/file-%03llu.txt", (unsigned long long)nth - 1);
	src->at++;
	item->kind = SOURCE_ENTRY;
	item->dev = 1;
	item->inode = src->at;
	item->nlink = 1;
	item->ctime_s = OLD_S;
	item->entry.type = nth > 0 ? ENTRY_FILE : ENTRY_DIR;
	item->entry.mode = nth > 0 ? 0644 : 0755;
	item->entry.mtime_s = OLD_S;
	item->entry.size_bytes = nth > 0 ? size_of(number) : 0;
	return entry_set_path(&item->entry, path, (size_t)len, e);
}

enum err_code __wrap_source_open(struct source_item *item,
    struct source_file **out, struct arc_warn warn, struct err *e);
enum err_code
__wrap_source_open(struct source_item *item, struct source_file **out,
    struct arc_warn warn, struct err *e)
{
	(void)warn;
	*out = NULL;
	if (item->entry.type != ENTRY_FILE)
		return ERR_NONE;
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return err_nomem(e);
	(*out)->number = item->inode;
	(*out)->size = (size_t)item->entry.size_bytes;
	return ERR_NONE;
}

#define WORDS_COUNT 4096
#define WORD_BYTES  8

/* Words, so that it compresses as text does. */
static char words[WORDS_COUNT][WORD_BYTES];

static void
make_words(void)
{
	for (uint64_t word = 0; word < WORDS_COUNT; word++) {
		char text[WORD_BYTES + 1];

		snprintf(text, sizeof(text), "%07llx ",
		    (unsigned long long)(mixed(word) & 0xfffffff));
		memcpy(words[word], text, WORD_BYTES);
	}
}

enum err_code __wrap_source_read(struct source_file *f, void *bytes,
    size_t size_bytes, struct source_run *run, struct err *e);
enum err_code
__wrap_source_read(struct source_file *f, void *bytes, size_t size_bytes,
    struct source_run *run, struct err *e)
{
	const size_t left = f->size - f->at;
	const size_t n = left < size_bytes ? left : size_bytes;
	char *at = bytes;

	(void)e;
	run->offset_bytes = f->at;
	run->len_bytes = n;
	for (size_t i = 0; i < n; i += WORD_BYTES) {
		const size_t left_here = n - i;
		const uint64_t word = mixed(f->number * 131 + f->at + i);

		memcpy(at + i, words[word % WORDS_COUNT],
		    left_here < WORD_BYTES ? left_here : WORD_BYTES);
	}
	f->at += n;
	return ERR_NONE;
}

enum err_code __wrap_source_finish(struct source_file **f, struct err *e);
enum err_code
__wrap_source_finish(struct source_file **f, struct err *e)
{
	(void)e;
	free(TAKE(*f));
	return ERR_NONE;
}

void __wrap_source_close(struct source_file **f);
void
__wrap_source_close(struct source_file **f)
{
	free(TAKE(*f));
}

uint64_t __wrap_source_content_bytes(const struct source_file *f);
uint64_t
__wrap_source_content_bytes(const struct source_file *f)
{
	return f->size;
}

/* --- The runs ---------------------------------------------------------------- */

static int
fail(const char *what, const struct err *e)
{
	fprintf(stderr, "huge: %s: %s\n", what, e->text);
	return 1;
}

static int
save(struct store *st, const char *state, const char *what)
{
	static const char *const roots[] = {"/h"};
	struct capture_options opt = {.service = "huge",
	    .dataset = "files",
	    .roots = roots,
	    .roots_count = 1,
	    .state_dir = state};
	struct capture_result got;
	struct rusage usage;
	struct err e;

	if (capture_run(st, &opt, &got, &e) != ERR_NONE)
		return fail(what, &e);
	getrusage(RUSAGE_SELF, &usage);
	printf("%-10s %8.1f s  %10llu files, %llu unchanged, %.0f MB stored, "
	       "peak %ld MiB\n",
	    what, (double)got.counts.took_ns / NS_PER_S,
	    (unsigned long long)got.counts.files_count,
	    (unsigned long long)got.unchanged_count,
	    (double)got.counts.stored_bytes / 1e6, usage.ru_maxrss >> 10);
	fflush(stdout);
	return got.counts.files_count < files_count;
}

int
main(int argc, char **argv)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	OWNED(keyring_free) struct keyring *escrow = NULL;
	OWNED(store_close) struct store *st = NULL;
	struct store_options so = {.access = STORE_WRITE,
	    .network_fs_allowed = true};
	char path[512], state[512];
	struct err e;

	if (argc != 3 || strlen(argv[1]) > 400) {
		fprintf(stderr, "usage: huge DIR FILES\n");
		return 2;
	}
	files_count = strtoull(argv[2], NULL, 10);
	make_words();
	snprintf(path, sizeof(path), "%s/repository", argv[1]);
	snprintf(state, sizeof(state), "%s/state", argv[1]);
	if (keyring_new_family(&k, &escrow, &e) != ERR_NONE ||
	    store_create(path, keyring_family(k), NULL, &e) != ERR_NONE)
		return fail("beginning", &e);
	so.keyring = k;
	if (store_open(&st, path, &so, &e) != ERR_NONE)
		return fail("opening", &e);
	return save(st, state, "first") || save(st, state, "unchanged");
}
