#include "made.h"

#include <inttypes.h>

#include <bascule/base/text.h>

enum err_code
cli_made_tags(const struct cli *cli, const char *tags[SNAPSHOT_TAGS_MAX],
    size_t *count, struct err *e)
{
	const char *tag;

	for (*count = 0; (tag = cli_value_nth(cli, "tag", *count)) != NULL;) {
		if (*count == SNAPSHOT_TAGS_MAX)
			return err_set(e, ERR_INPUT, "over %d tags",
			    SNAPSHOT_TAGS_MAX);
		tags[(*count)++] = tag;
	}
	return ERR_NONE;
}

enum err_code
cli_made_dataset(const struct buf *name, struct err *e)
{
	if (name->len_bytes > 0 && name->len_bytes < STORE_DATASET_BYTES)
		return ERR_NONE;
	return err_set(e, ERR_INPUT,
	    "a dataset's name has 1 to %d bytes; give --dataset",
	    STORE_DATASET_BYTES - 1);
}

/* What a dry run does not read it cannot know: an archive is only listed. */
static bool
knows_new(const struct cli_made *m)
{
	return !m->dry_run || m->format == NULL;
}

void
cli_made_print(const struct cli *cli, const struct cli_made *m)
{
	char hex[ID_HEX_BYTES], size[32], fresh[32], stored[32],
	    took[TEXT_UNIT_BYTES];

	printf("%s %s: ", m->dry_run ? m->would : "snapshot",
	    m->dry_run ? m->dataset : id_hex(&m->snapshot, hex));
	if (m->format != NULL)
		printf("%s, ", m->format);
	printf("%" PRIu64 " files, %s, ", m->counts.files_count,
	    cli_size(cli, m->counts.bytes, size));
	if (knows_new(m))
		printf("%s%s new, ", m->dry_run ? "at most " : "",
		    cli_size(cli, m->counts.new_bytes, fresh));
	if (!m->dry_run)
		printf("%s stored, ",
		    cli_size(cli, m->counts.stored_bytes, stored));
	printf("%s%s\n", text_duration(m->counts.took_ns, took),
	    m->counts.problems_count > 0 ? "; partial" : "");
}

enum err_code
cli_made_new(struct wire_value **out, const struct cli_made *m, struct err *e)
{
	enum err_code rc = wire_new(out, "summary", e);

	if (rc != ERR_NONE)
		return rc;
	if (m->dry_run)
		wire_add_bool(*out, "dry_run", true);
	else
		wire_add_hex(*out, "snapshot", m->snapshot.bytes, ID_BYTES);
	if (m->format != NULL)
		wire_add_text(*out, "format", m->format);
	wire_add_text(*out, "service", m->service);
	wire_add_text(*out, "dataset", m->dataset);
	wire_add_uint(*out, "files", m->counts.files_count);
	wire_add_uint(*out, "directories", m->counts.dirs_count);
	wire_add_uint(*out, "others", m->counts.others_count);
	wire_add_uint(*out, "bytes", m->counts.bytes);
	if (knows_new(m))
		wire_add_uint(*out, "new_bytes", m->counts.new_bytes);
	if (!m->dry_run)
		wire_add_uint(*out, "stored_bytes", m->counts.stored_bytes);
	wire_add_uint(*out, "problems", m->counts.problems_count);
	wire_add_seconds(*out, "seconds", m->counts.took_ns);
	return ERR_NONE;
}
