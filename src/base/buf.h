/*
 * buf: a growing buffer of bytes with a ceiling. Appending past the ceiling appends nothing and
 * sets `overflow`, which stays until buf_reset: the owner looks once, at the end, and refuses. One
 * thread at a time.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"
#include "base/str.h"

struct buf {
    char *data;
    size_t len, cap; /* bytes */
    size_t max;      /* ceiling in bytes, named by the owner */
    bool overflow;
};

void buf_init(struct buf *b, size_t max); /* no memory is taken before the first append */
void buf_release(struct buf *b);          /* frees; NULL-safe and repeatable */
void buf_reset(struct buf *b);            /* empty, memory kept */
void buf_shrink(struct buf *b,
                size_t keep); /* empty buffers larger than keep bytes give memory back */
bool buf_reserve(struct buf *b, size_t more); /* room for more bytes: false sets overflow */
void buf_append(struct buf *b, const void *data, size_t bytes);
void buf_append_str(struct buf *b, struct str s);
void buf_append_char(struct buf *b, char c);
void buf_append_int(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_consume(struct buf *b, size_t bytes); /* drops bytes from the front */
void buf_cut(struct buf *b, size_t len);       /* back to an earlier length */

static inline struct str buf_str(const struct buf *b) {
    return (struct str){b->data, b->len};
}

#endif
