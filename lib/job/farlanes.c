#include "farlanes.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

/* So many wait before another lane is worth its connection. */
#define WORTH_A_LANE (FARLANES_WAITING / 4)

struct farfolder {
	struct farfolder *in;
	size_t open_count; /* what is to be made in it; the walk; its folders */
	char *path;
	struct entry *entry; /* owned */
};

struct work {
	struct work *next;
	struct farfolder *in;
	bool is_end;      /* of the folder: nothing else of this is set */
	struct item item; /* copied */
	char *path;
	bool was_dir;
};

struct lane {
	struct farlanes *all;
	pthread_t thread;
	unsigned number;
	struct farplace place;
};

struct farlanes {
	struct farplace *own;
	farlanes_done_fn *done;
	void *ctx;
	struct source_host host; /* the lanes': it ends with us */
	volatile sig_atomic_t over;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	struct work *first, **end;
	size_t waiting_count, busy_count;
	struct err failed; /* code not 0: nothing more is made */
	struct lane lanes[FARLANES_MAX - 1];
	unsigned lane_count;
	bool is_connecting; /* one at a time: servers count those */
};

/* --- work ----------------------------------------------------------------- */

static void
work_free(struct work *w)
{
	if (w == NULL)
		return;
	item_fini(&w->item);
	free(w->path);
	free(w);
}

static void
folder_free(struct farfolder *f)
{
	if (f->entry != NULL)
		entry_fini(f->entry);
	free(f->entry);
	free(f->path);
	free(f);
}

static void
append(struct farlanes *l, struct work *w)
{
	*l->end = w;
	l->end = &w->next;
	l->waiting_count++;
	pthread_cond_broadcast(&l->changed);
}

static struct work *
take(struct farlanes *l)
{
	struct work *w = l->first;

	if (w == NULL)
		return NULL;
	l->first = w->next;
	if (l->first == NULL)
		l->end = &l->first;
	l->waiting_count--;
	return w;
}

/* FL1: the last who has to do with it brings its end. */
static enum err_code
let_go(struct farlanes *l, struct farfolder *f)
{
	struct work *w;

	if (--f->open_count > 0)
		return ERR_NONE;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return ERR_NOMEM;
	w->in = f;
	w->is_end = true;
	append(l, w);
	return ERR_NONE;
}

/* Of a folder whose end is done, or will not be. */
static void
ended(struct farlanes *l, struct farfolder *f)
{
	while (f != NULL) {
		struct farfolder *in = f->in;

		folder_free(f);
		if (in == NULL || let_go(l, in) == ERR_NONE)
			return;
		(void)err_nomem(&l->failed);
		f = in;
	}
}

static enum err_code
name_temp(struct buf *temp, const char *path, unsigned number, struct err *e)
{
	const char *slash = strrchr(path, '/');
	enum err_code rc = buf_add(temp, path, (size_t)(slash - path) + 1, e);

	if (rc == ERR_NONE)
		rc = buf_add_text(temp, FARFILE_TEMP, e);
	return rc == ERR_NONE && number > 0 ? buf_printf(temp, e, ".%u", number)
					    : rc;
}

static enum err_code
carry_out(struct farplace *f, const struct work *w, unsigned number,
    struct err *e)
{
	OWNED(buf_fini) struct buf temp = {0};
	struct farfile_new n = {.item = &w->item,
	    .path = w->path,
	    .was_dir = w->was_dir};
	enum err_code rc;

	if (w->is_end)
		return farfile_end_dir(f, w->in->path, w->in->entry, e);
	rc = name_temp(&temp, w->path, number, e);
	if (rc != ERR_NONE)
		return rc;
	n.temp = buf_text(&temp);
	return w->item.entry.type == ENTRY_SYMLINK ? farfile_link(f, &n, e)
						   : farfile_file(f, &n, e);
}

/* Under the lock, which it leaves meanwhile. */
static void
do_one(struct farlanes *l, struct farplace *f, unsigned number)
{
	struct work *w = take(l);
	struct err e = {0};

	l->busy_count++;
	if (l->failed.code == ERR_NONE) {
		enum err_code rc;

		pthread_mutex_unlock(&l->lock);
		rc = carry_out(f, w, number, &e);
		pthread_mutex_lock(&l->lock);
		rc = l->done(l->ctx, f,
		    w->is_end ? w->in->entry : &w->item.entry, rc, &e);
		if (rc != ERR_NONE && l->failed.code == ERR_NONE) {
			l->failed = e;
			l->failed.code = rc;
		}
	}
	if (w->is_end)
		ended(l, w->in);
	else if (let_go(l, w->in) != ERR_NONE) {
		(void)err_nomem(&l->failed);
		ended(l, w->in);
	}
	l->busy_count--;
	work_free(w);
	pthread_cond_broadcast(&l->changed);
}

/* --- lanes ---------------------------------------------------------------- */

static void *
lane_main(void *arg)
{
	struct lane *lane = arg;
	struct farlanes *l = lane->all;
	struct err e = {0};
	enum err_code rc;

	rc = farplace_connect(&lane->place, &e);
	pthread_mutex_lock(&l->lock);
	l->is_connecting = false;
	while (rc == ERR_NONE && l->over == 0) /* FL3 */
		if (l->first != NULL)
			do_one(l, &lane->place, lane->number);
		else
			pthread_cond_wait(&l->changed, &l->lock);
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* None more is no fault: there is the one that walks. */
static void
start_lane(struct farlanes *l)
{
	struct lane *lane = &l->lanes[l->lane_count];

	*lane = (struct lane){.all = l,
	    .number = l->lane_count + 1,
	    .place = {.host = &l->host,
		.store = l->own->store,
		.sets_owner = l->own->sets_owner}};
	if (pthread_create(&lane->thread, NULL, lane_main, lane) != 0)
		return;
	l->is_connecting = true;
	l->lane_count++;
}

enum err_code
farlanes_new(struct farlanes **out, struct farplace *own,
    farlanes_done_fn *done, void *ctx, struct err *e)
{
	struct farlanes *l = calloc(1, sizeof(*l));

	*out = l;
	if (l == NULL)
		return err_nomem(e);
	l->own = own;
	l->done = done;
	l->ctx = ctx;
	l->host = *own->host;
	if (l->host.cancel == NULL)
		l->host.cancel = &l->over;
	l->end = &l->first;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->changed, NULL);
	return ERR_NONE;
}

void
farlanes_stop(struct farlanes *l)
{
	pthread_mutex_lock(&l->lock);
	if (l->failed.code == ERR_NONE)
		(void)err_set(&l->failed, ERR_CANCELLED, "it was given up");
	pthread_mutex_unlock(&l->lock);
}

void
farlanes_free(struct farlanes **lp)
{
	struct farlanes *l = TAKE(*lp);

	if (l == NULL)
		return;
	farlanes_stop(l);
	pthread_mutex_lock(&l->lock);
	l->over = 1;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
	for (unsigned i = 0; i < l->lane_count; i++) {
		struct farplace *f = &l->lanes[i].place;

		pthread_join(l->lanes[i].thread, NULL);
		l->own->lost_count += f->lost_count;
		l->own->meta_failed_count += f->meta_failed_count;
		farplace_fini(f);
	}
	while (l->first != NULL)
		do_one(l, l->own, 0);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* --- for the one that walks ----------------------------------------------- */

enum err_code
farlanes_enter(struct farlanes *l, struct farfolder *in, const char *path,
    struct farfolder **out, struct err *e)
{
	struct farfolder *f = calloc(1, sizeof(*f));

	*out = NULL;
	if (f == NULL || (f->path = strdup(path)) == NULL) {
		free(f);
		return err_nomem(e);
	}
	f->in = in;
	f->open_count = 1;
	pthread_mutex_lock(&l->lock);
	if (in != NULL)
		in->open_count++;
	pthread_mutex_unlock(&l->lock);
	*out = f;
	return ERR_NONE;
}

static enum err_code
say_failed(const struct farlanes *l, struct err *e)
{
	if (l->failed.code != ERR_NONE)
		*e = l->failed;
	return l->failed.code;
}

enum err_code
farlanes_leave(struct farlanes *l, struct farfolder **folder,
    struct entry **entry, struct err *e)
{
	struct farfolder *f = TAKE(*folder);
	enum err_code rc;

	f->entry = TAKE(*entry);
	pthread_mutex_lock(&l->lock);
	if (let_go(l, f) != ERR_NONE) {
		(void)err_nomem(&l->failed);
		ended(l, f);
	}
	rc = say_failed(l, e);
	pthread_mutex_unlock(&l->lock);
	return rc;
}

enum err_code
farlanes_make(struct farlanes *l, struct farfolder *in, const struct item *it,
    const char *path, bool was_dir, struct err *e)
{
	struct work *w = calloc(1, sizeof(*w));
	enum err_code rc = w == NULL ? err_nomem(e) : ERR_NONE;

	if (rc == ERR_NONE)
		rc = entry_copy(&w->item.entry, &it->entry, e);
	if (rc == ERR_NONE)
		rc = content_copy(&w->item.content, &it->content, e);
	if (rc == ERR_NONE && (w->path = strdup(path)) == NULL)
		rc = err_nomem(e);
	if (rc != ERR_NONE) {
		work_free(w);
		return rc;
	}
	w->in = in;
	w->was_dir = was_dir;
	pthread_mutex_lock(&l->lock);
	in->open_count++;
	append(l, w);
	if (l->waiting_count >= WORTH_A_LANE && !l->is_connecting &&
	    l->lane_count < COUNT_OF(l->lanes))
		start_lane(l);
	while (l->waiting_count > FARLANES_WAITING) /* FL2 */
		do_one(l, l->own, 0);
	rc = say_failed(l, e);
	pthread_mutex_unlock(&l->lock);
	return rc;
}

bool
farlanes_failed(struct farlanes *l)
{
	bool failed;

	pthread_mutex_lock(&l->lock);
	failed = l->failed.code != ERR_NONE;
	pthread_mutex_unlock(&l->lock);
	return failed;
}

enum err_code
farlanes_wait(struct farlanes *l, struct err *e)
{
	enum err_code rc;

	pthread_mutex_lock(&l->lock);
	while (l->first != NULL || l->busy_count > 0)
		if (l->first != NULL)
			do_one(l, l->own, 0);
		else
			pthread_cond_wait(&l->changed, &l->lock);
	rc = say_failed(l, e);
	pthread_mutex_unlock(&l->lock);
	return rc;
}
