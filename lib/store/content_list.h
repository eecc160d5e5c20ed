#ifndef STORE_CONTENT_LIST_H
#define STORE_CONTENT_LIST_H

/* The tree of chunk lists of one big file, written and walked. */

#include <bascule/store.h>

struct content_list;
enum err_code content_list_new(struct content_list **out, struct writer *w,
    struct err *e) MUST_CHECK;
void content_list_free(struct content_list **cl);
enum err_code content_list_add(struct content_list *cl,
    const struct content_piece *piece, struct err *e) MUST_CHECK;
/* At least one piece was added.  cl is ready for the next file. */
enum err_code content_list_end(struct content_list *cl,
    struct content_piece *root, struct err *e) MUST_CHECK;
void content_list_reset(struct content_list *cl);

/* Calls fn for each chunk below root, in order. */
enum err_code content_list_walk(struct store *st,
    const struct content_piece *root, content_piece_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;

/* ... that have something of the range. */
enum err_code content_list_range(struct store *st,
    const struct content_piece *root, const struct content_range *range,
    content_piece_fn *fn, void *ctx, struct err *e) MUST_CHECK;

#endif
