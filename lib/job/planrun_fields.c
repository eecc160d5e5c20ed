#include <stdarg.h>
#include <string.h>

#include <bascule/base/text.h>

#include "planrun_fields.h"

void
planrun_fields_fini(struct planrun_fields *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->items[i].name);
		free(f->items[i].value);
	}
	free(f->items);
	*f = (struct planrun_fields){0};
}

/* Takes value. */
static void
add(struct planrun_fields *f, const char *name, char *value)
{
	struct planrun_field *more = NULL;
	char *copy = strdup(name);

	if (copy != NULL && value != NULL)
		more = realloc(f->items, (f->count + 1) * sizeof(*more));
	if (more == NULL) {
		free(copy);
		free(value);
		f->failed = true;
		return;
	}
	f->items = more;
	more[f->count++] = (struct planrun_field){copy, value};
}

void
planrun_fields_add(struct planrun_fields *f, const char *name, const char *fmt,
    ...)
{
	char *value = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&value, fmt, ap) < 0)
		value = NULL;
	va_end(ap);
	add(f, name, value);
}

void
planrun_fields_bytes(struct planrun_fields *f, const char *name,
    const char *bytes, size_t len_bytes)
{
	OWNED(buf_fini) struct buf text = {0};
	struct err ignored;

	if (text_repair(&text, bytes, len_bytes, &ignored) != ERR_NONE)
		f->failed = true;
	else
		add(f, name, strdup(buf_text(&text)));
}
