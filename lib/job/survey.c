/* What became of an interrupted backup: a look at the repository. */

#include <bascule/job.h>

#include <bascule/base/text.h>
#include <bascule/policy.h>
#include <bascule/replicate.h>

enum err_code
survey_since(const char *repository, const char *service, struct utc since,
    struct survey_found *out, struct err *e)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(point_list_fini) struct point_list points = {0};
	OWNED(snapshot_list_fini) struct snapshot_list snapshots = {0};
	struct store_options opt = {.access = STORE_READ};
	enum err_code rc = store_open(&st, repository, &opt, e);

	*out = (struct survey_found){0};
	if (rc == ERR_NONE)
		rc = point_list(&points, st, service, NULL, NULL, e);
	if (rc == ERR_NONE)
		rc = snapshot_list(&snapshots, st, service, NULL, NULL, e);
	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < points.count; i++) {
		if (points.points[i].taken.ns < since.ns)
			continue;
		out->points_count++;
		out->point = points.points[i].id;
	}
	for (size_t i = 0; i < snapshots.count; i++)
		out->snapshots_count +=
		    snapshots.snapshots[i].started.ns >= since.ns &&
		    (snapshots.snapshots[i].flags & SNAPSHOT_CHECKPOINT) == 0;
	return ERR_NONE;
}

enum err_code
survey_age(const char *repository, struct err *e)
{
	enum err_code rc = ages_look(repository, e);

	/* Not yet made; or somebody is at work, who looks as well. */
	return rc == ERR_NOTFOUND || rc == ERR_BUSY ? ERR_NONE : rc;
}

enum err_code
survey_tell_epoch(const char *repository, const char *service,
    const struct epoch_mark *to, struct epoch_mark *is, struct err *e)
{
	return epochs_tell(repository, service, to, is, e);
}

enum err_code
survey_epoch(const char *repository, const char *service,
    struct epoch_mark *out, struct err *e)
{
	struct store_options opt = {.access = STORE_READ};
	OWNED(store_close) struct store *st = NULL;
	enum err_code rc = store_open(&st, repository, &opt, e);

	*out = (struct epoch_mark){0};
	return rc == ERR_NONE ? epochs_find(out, st, service, e) : rc;
}

enum err_code
survey_family(const char *repository, char out[SURVEY_FAMILY_SIZE],
    struct err *e)
{
	struct store_options opt = {.access = STORE_READ,
	    .network_fs_allowed = true};
	OWNED(store_close) struct store *st = NULL;
	enum err_code rc = store_open(&st, repository, &opt, e);

	out[0] = '\0';
	if (rc == ERR_NONE)
		text_hex(store_family(st), STORE_FAMILY_BYTES, out);
	return rc;
}

const char *
survey_lacks(const struct policy_site *site, size_t i)
{
	return site->transport == POLICY_TRANSPORT_SFTP ? sftp_target_never(i)
							: NULL;
}
