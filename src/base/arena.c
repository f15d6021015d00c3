/*
 * arena: a chain of chunks; memory is cut from the newest, upwards.
 *
 *     arena.chunk -> [newest: used | next..end free] -> [older] -> [older] -> NULL
 *
 * What does not fit and is large gets a chunk to itself, put behind the newest, so that the free
 * space of the newest is not lost. The ordinary size is fixed: it is what arena_reset keeps.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>

struct arena_chunk {
    struct arena_chunk *older;
    size_t bytes; /* of the whole, this head included */
    alignas(max_align_t) char data[];
};

enum {
    ORDINARY_BYTES = 16 * 1024 - 64, /* with malloc's own head less than four pages */
    LARGE_BYTES = ORDINARY_BYTES / 4,
    ALIGN_BYTES = alignof(max_align_t),
};

static struct arena_chunk *chunk_new(struct arena *a, size_t bytes) {
    struct arena_chunk *c = xmalloc(bytes);
    c->bytes = bytes;
    c->older = NULL;
    a->bytes += bytes;
    return c;
}

/* An allocation of its own, behind the newest chunk. */
static void *alloc_large(struct arena *a, size_t bytes) {
    struct arena_chunk *c = chunk_new(a, sizeof(struct arena_chunk) + bytes);
    if (a->chunk == NULL) {
        a->chunk = c; /* next == end: nothing is free in it */
    } else {
        c->older = a->chunk->older;
        a->chunk->older = c;
    }
    return c->data;
}

static void *alloc_slow(struct arena *a, size_t bytes) {
    if (bytes > LARGE_BYTES) return alloc_large(a, bytes);
    struct arena_chunk *c = chunk_new(a, ORDINARY_BYTES);
    c->older = a->chunk;
    a->chunk = c;
    a->next = c->data + bytes;
    a->end = (char *)c + c->bytes;
    return c->data;
}

void arena_init(struct arena *a) {
    *a = (struct arena){0};
}

void arena_release(struct arena *a) {
    if (a == NULL) return;
    for (struct arena_chunk *c = a->chunk, *older; c != NULL; c = older) {
        older = c->older;
        free(c);
    }
    arena_init(a);
}

void arena_reset(struct arena *a) {
    struct arena_chunk *kept = NULL;
    for (struct arena_chunk *c = a->chunk, *older; c != NULL; c = older) {
        older = c->older;
        if (kept == NULL && c->bytes == ORDINARY_BYTES) {
            kept = c;
        } else {
            free(c);
        }
    }
    arena_init(a);
    if (kept == NULL) return;
    kept->older = NULL;
    a->chunk = kept;
    a->next = kept->data;
    a->end = (char *)kept + kept->bytes;
    a->bytes = kept->bytes;
}

void *arena_alloc(struct arena *a, size_t bytes) {
    ASSERT(bytes <= SIZE_MAX / 2);
    size_t rounded = (bytes + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);
    if (rounded == 0) rounded = ALIGN_BYTES; /* two results are never the same */
    if (rounded > (size_t)(a->end - a->next)) return alloc_slow(a, rounded);
    char *p = a->next;
    a->next += rounded;
    return p;
}

void *arena_zalloc(struct arena *a, size_t bytes) {
    return memset(arena_alloc(a, bytes), 0, bytes);
}

struct str arena_dup(struct arena *a, struct str s) {
    if (s.p == NULL) return STR_NONE;
    char *p = arena_alloc(a, s.n + 1);
    memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return (struct str){p, s.n};
}

struct str arena_printf(struct arena *a, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    ASSERT(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    (void)vsnprintf(p, (size_t)n + 1, fmt, again); /* the same length as before */
    va_end(again);
    va_end(args);
    return (struct str){p, (size_t)n};
}
