/*
 * buf: appends are one comparison and one copy as long as there is room; the rest is apart.
 */
#include "base/buf.h"

#include <stdarg.h>

enum { FIRST_BYTES = 64 };

/* Makes room for more bytes although cap does not suffice; false when the ceiling forbids it. */
static bool grow(struct buf *b, size_t more) {
    if (more > b->max || b->len > b->max - more) {
        b->overflow = true;
        return false;
    }
    size_t need = b->len + more;
    size_t cap = b->cap ? b->cap : FIRST_BYTES;
    while (cap < need) cap = cap > b->max / 2 ? b->max : cap * 2;
    if (cap > b->max) cap = b->max;
    b->data = xrealloc(b->data, cap);
    b->cap = cap;
    return true;
}

void buf_init(struct buf *b, size_t max) {
    *b = (struct buf){.max = max};
}

void buf_release(struct buf *b) {
    if (b == NULL) return;
    free(b->data);
    buf_init(b, b->max);
}

void buf_reset(struct buf *b) {
    b->len = 0;
    b->overflow = false;
}

void buf_shrink(struct buf *b, size_t keep) {
    if (b->len != 0 || b->cap <= keep) return;
    free(b->data);
    b->data = NULL;
    b->cap = 0;
}

bool buf_reserve(struct buf *b, size_t more) {
    return more <= b->cap - b->len || grow(b, more);
}

void buf_append(struct buf *b, const void *data, size_t bytes) {
    if (bytes == 0 || !buf_reserve(b, bytes)) return;
    memcpy(b->data + b->len, data, bytes);
    b->len += bytes;
}

void buf_append_str(struct buf *b, struct str s) {
    buf_append(b, s.p, s.n);
}

void buf_append_char(struct buf *b, char c) {
    if (!buf_reserve(b, 1)) return;
    b->data[b->len++] = c;
}

void buf_append_int(struct buf *b, int64_t v) {
    char text[20];
    char *p = text + sizeof(text);
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        *--p = (char)('0' + left % 10);
        left /= 10;
    } while (left != 0);
    if (v < 0) *--p = '-';
    buf_append(b, p, (size_t)(text + sizeof(text) - p));
}

void buf_printf(struct buf *b, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    size_t space = b->cap - b->len;
    int n = vsnprintf(space ? b->data + b->len : NULL, space, fmt, args);
    ASSERT(n >= 0);
    size_t bytes = (size_t)n;
    if (bytes < space) {
        b->len += bytes;
    } else if (bytes > b->max) {
        b->overflow = true;
    } else { /* apart, since an argument may point into the buffer, which moves when it grows */
        char *text = xmalloc(bytes + 1);
        (void)vsnprintf(text, bytes + 1, fmt, again); /* the same length as before */
        buf_append(b, text, bytes);
        free(text);
    }
    va_end(again);
    va_end(args);
}

void buf_consume(struct buf *b, size_t bytes) {
    ASSERT(bytes <= b->len);
    b->len -= bytes;
    if (b->len != 0 && bytes != 0) memmove(b->data, b->data + bytes, b->len);
}

void buf_cut(struct buf *b, size_t len) {
    ASSERT(len <= b->len);
    b->len = len;
}
