#ifndef HEAD_PARTS_H
#define HEAD_PARTS_H

#include <bascule/crypt.h>
#include <bascule/ledger.h>

/* h->hash is set; h->tips are already in order. */
enum err_code head_encode(struct head *h, struct buf *out,
    struct err *e) MUST_CHECK;

#endif
