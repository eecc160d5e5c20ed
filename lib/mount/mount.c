#include <bascule/mount.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "answers.h"

/*
 * M2. Nothing changes while it is mounted: what the kernel knows stays true.
 * M3. One thread: the store's rule, and all there is to lock.
 * M4. What the snapshot holds is hostile: set-user-id and devices do not count
 *     (nosuid, nodev), and nothing in it is a name on this machine.
 */

static enum err_code
check_place(const char *dir, struct err *e)
{
	struct stat st;

	if (stat(dir, &st) == -1)
		return err_sys(e, "cannot mount on '%s'", dir);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_INPUT, "'%s' is not a directory", dir);
	if (access("/dev/fuse", F_OK) == 0)
		return ERR_NONE;
	err_set(e, ERR_NOTFOUND, "this machine has no FUSE: no /dev/fuse");
	return err_hint(e,
	    "'modprobe fuse' may help; 'bascule restore' needs none");
}

/* libfuse has said why, on standard error. */
static enum err_code
cannot_mount(const char *dir, struct err *e)
{
	err_set(e, ERR_REFUSED, "cannot mount on '%s'", dir);
	return geteuid() == 0
	    ? e->code
	    : err_hint(e,
		  "others than root mount by fusermount3, of the package "
		  "'fuse3'");
}

/* From the arguments that libfuse wants to the end of the mount. */
static enum err_code
serve(struct answers *a, const char *dir, struct fuse_args *args, struct err *e)
{
	const struct mount_options *opt = a->tree.opt;
	const struct fuse_lowlevel_ops *ops = answers_ops();
	struct fuse_session *se = fuse_session_new(args, ops, sizeof *ops, a);
	enum err_code rc = ERR_NONE;
	int ended;

	if (se == NULL)
		return err_set(e, ERR_IO, "FUSE cannot begin");
	if (fuse_set_signal_handlers(se) != 0)
		rc = err_set(e, ERR_IO, "FUSE cannot take over signals");
	if (rc == ERR_NONE && fuse_session_mount(se, dir) != 0)
		rc = cannot_mount(dir, e);
	else if (rc == ERR_NONE) {
		if (opt->ready != NULL)
			opt->ready(opt->ctx);
		ended = fuse_session_loop(se);
		if (ended < 0)
			rc = err_set(e, ERR_IO, "serving '%s' failed: %s", dir,
			    strerror(-ended));
		fuse_session_unmount(se);
	}
	fuse_remove_signal_handlers(se);
	fuse_session_destroy(se);
	return rc;
}

static enum err_code
set_up(struct answers *a, struct store *st, const struct mount_options *opt,
    struct err *e)
{
	enum err_code rc = numbered_open(&a->tree, st, opt, e);

	a->folders.tree = &a->tree;
	a->scout.tree = &a->tree;
	return rc == ERR_NONE ? contents_init(&a->contents, &a->tree, e) : rc;
}

enum err_code
mount_run(struct store *st, const char *dir, const struct mount_options *opt,
    struct err *e)
{
	OWNED(answers_fini) struct answers a = {0};
	OWNED(buf_fini) struct buf text = {0};
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	enum err_code rc = check_place(dir, e);

	if (rc == ERR_NONE)
		rc = set_up(&a, st, opt, e);
	if (rc == ERR_NONE)
		rc = buf_printf(&text, e,
		    "ro,nosuid,nodev,noatime,subtype=bascule,fsname=%s%s",
		    opt->name,
		    opt->others ? ",allow_other,default_permissions" : "");
	if (rc != ERR_NONE)
		return rc;
	if (fuse_opt_add_arg(&args, "bascule") != 0 ||
	    fuse_opt_add_arg(&args, "-o") != 0 ||
	    fuse_opt_add_arg(&args, buf_text(&text)) != 0)
		rc = err_nomem(e);
	else
		rc = serve(&a, dir, &args, e);
	fuse_opt_free_args(&args);
	return rc;
}
