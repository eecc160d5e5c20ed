#include "faultvfs.h"

#include <sqlite3.h>
#include <stddef.h>
#include <string.h>

static sqlite3_vfs *real;
static sqlite3_vfs ours;
static int calls_left;
static bool full, fired;

/* Ours in front, SQLite's behind it. */
struct file {
	sqlite3_file base;
	sqlite3_file *behind;
};

void
faultvfs_arm(int nth, bool enospc)
{
	calls_left = nth;
	full = enospc;
	fired = false;
}

bool
faultvfs_fired(void)
{
	calls_left = 0;
	return fired;
}

static bool
fault_now(void)
{
	if (calls_left == 0 || --calls_left > 0)
		return false;
	fired = true;
	return true;
}

static sqlite3_file *
behind(sqlite3_file *f)
{
	return ((struct file *)(void *)f)->behind;
}

static int
f_close(sqlite3_file *f)
{
	return behind(f)->pMethods->xClose(behind(f));
}

static int
f_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
	return behind(f)->pMethods->xRead(behind(f), to, n, at);
}

static int
f_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
	if (fault_now())
		return full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	return behind(f)->pMethods->xWrite(behind(f), from, n, at);
}

static int
f_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	if (fault_now())
		return SQLITE_IOERR_TRUNCATE;
	return behind(f)->pMethods->xTruncate(behind(f), n);
}

static int
f_sync(sqlite3_file *f, int flags)
{
	if (fault_now())
		return SQLITE_IOERR_FSYNC;
	return behind(f)->pMethods->xSync(behind(f), flags);
}

static int
f_size(sqlite3_file *f, sqlite3_int64 *n)
{
	return behind(f)->pMethods->xFileSize(behind(f), n);
}

static int
f_lock(sqlite3_file *f, int kind)
{
	return behind(f)->pMethods->xLock(behind(f), kind);
}

static int
f_unlock(sqlite3_file *f, int kind)
{
	return behind(f)->pMethods->xUnlock(behind(f), kind);
}

static int
f_reserved(sqlite3_file *f, int *out)
{
	return behind(f)->pMethods->xCheckReservedLock(behind(f), out);
}

static int
f_control(sqlite3_file *f, int op, void *arg)
{
	return behind(f)->pMethods->xFileControl(behind(f), op, arg);
}

static int
f_sector(sqlite3_file *f)
{
	return behind(f)->pMethods->xSectorSize(behind(f));
}

static int
f_device(sqlite3_file *f)
{
	return behind(f)->pMethods->xDeviceCharacteristics(behind(f));
}

static int
f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return behind(f)->pMethods->xShmMap(behind(f), page, size, extend, out);
}

static int
f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return behind(f)->pMethods->xShmLock(behind(f), offset, n, flags);
}

static void
f_shm_barrier(sqlite3_file *f)
{
	behind(f)->pMethods->xShmBarrier(behind(f));
}

static int
f_shm_unmap(sqlite3_file *f, int delete_it)
{
	return behind(f)->pMethods->xShmUnmap(behind(f), delete_it);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_reserved,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_device,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

static int
v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
    int *out_flags)
{
	struct file *ours_file = (struct file *)(void *)f;
	int rc;

	(void)vfs;
	ours_file->base.pMethods = NULL;
	if (fault_now())
		return full ? SQLITE_FULL : SQLITE_CANTOPEN;
	ours_file->behind = (sqlite3_file *)(void *)(ours_file + 1);
	rc = real->xOpen(real, name, ours_file->behind, flags, out_flags);
	if (rc == SQLITE_OK)
		ours_file->base.pMethods = &methods;
	return rc;
}

static int
v_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	(void)vfs;
	if (fault_now())
		return SQLITE_IOERR_DELETE;
	return real->xDelete(real, name, sync_dir);
}

void
faultvfs_install(void)
{
	if (real != NULL)
		return;
	real = sqlite3_vfs_find(NULL);
	ours = *real;
	ours.zName = FAULTVFS;
	ours.szOsFile += (int)sizeof(struct file);
	ours.xOpen = v_open;
	ours.xDelete = v_delete;
	sqlite3_vfs_register(&ours, 0);
}
