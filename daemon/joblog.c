/* The tail of what a job said, kept for a month after its end. */

#include "daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#define KEPT_S INT64_C(2592000)

static int
open_folder(const struct daemon *d)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/jobs", d->policy->state);
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void
job_keep_log(const struct job *j)
{
	OWNED(fdio_close) int dir = open_folder(j->d);
	OWNED(fdio_close) int fd = -1;
	size_t len = j->log.len_bytes;
	size_t skip = len > JOB_LOG_BYTES ? len - JOB_LOG_BYTES : 0;
	char name[JOB_ID_BYTES + 8];
	struct err e;

	if (dir < 0 || len == 0)
		return;
	snprintf(name, sizeof(name), "%s.log", j->id);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 ||
	    fdio_write(fd, j->log.bytes + skip, len - skip, &e) != ERR_NONE)
		note_log(NOTE_WARNING, "the log of job %s is not kept", j->id);
}

enum err_code
job_read_log(const struct daemon *d, const char *id, struct buf *out,
    struct err *e)
{
	OWNED(fdio_close) int dir = open_folder(d);
	char name[JOB_ID_BYTES + 8];

	if (dir < 0)
		return err_sys(e, "cannot open the logs");
	if (strlen(id) >= JOB_ID_BYTES || strchr(id, '/') != NULL)
		return err_set(e, ERR_INPUT, "'%s' is not a job's name", id);
	snprintf(name, sizeof(name), "%s.log", id);
	return fdio_slurp(dir, name, 4 * JOB_LOG_BYTES, out, e);
}

void
job_sweep_logs(const struct daemon *d)
{
	OWNED(fdio_close) int dir = open_folder(d);
	OWNED(fdio_close_dir) DIR *stream = NULL;
	struct dirent *de;

	if (dir >= 0)
		stream = fdio_open_dir(dir, ".");
	while (stream != NULL && (de = readdir(stream)) != NULL) {
		struct stat st;

		if (de->d_name[0] != '.' &&
		    fstatat(dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) &&
		    now_utc().ns / NS_PER_S - st.st_mtim.tv_sec > KEPT_S)
			unlinkat(dir, de->d_name, 0);
	}
}
