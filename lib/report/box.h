#ifndef REPORT_BOX_H
#define REPORT_BOX_H

/* docs/format/box.md: what writing and judging a box share. */

#include <bascule/archive.h>
#include <bascule/base/id.h>
#include <bascule/crypt.h>
#include <bascule/report.h>

#define BOX_NAME_BYTES 512

#define BOX_FACTS     "BOX.txt"
#define BOX_SUMS      "SHA256SUMS"
#define BOX_SIGNATURE "SHA256SUMS.sig"

/* "bascule-box-brent-20261122T173000Z". */
void box_folder(const char *site, struct utc made, char out[BOX_NAME_BYTES]);

/* --- box_words.c: what people read --- */

enum err_code box_words_start(const struct box_options *o, struct buf *out,
    struct err *e) MUST_CHECK;

/* --- box_runbook.c: as text, and to print --- */

enum err_code box_runbook(const struct box_options *o, struct buf *text,
    struct buf *html, struct err *e) MUST_CHECK;

#endif
