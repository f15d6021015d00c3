/*
 * arena: memory that dies together. One per batch: arguments, temporaries, everything a command
 * needs. One thread at a time. Never returns NULL. Results are aligned for any type.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/err.h"
#include "base/str.h"

struct arena_chunk;
struct arena {
    struct arena_chunk *chunk; /* the newest */
    char *next, *end;          /* free space in it */
    size_t bytes;              /* taken from malloc in all */
};

void arena_init(struct arena *a);
void arena_release(struct arena *a);
void arena_reset(struct arena *a); /* empty; keeps at most one chunk of ordinary size */
void *arena_alloc(struct arena *a, size_t bytes);
void *arena_zalloc(struct arena *a, size_t bytes);
struct str arena_dup(struct arena *a,
                     struct str s); /* a copy, with a NUL behind it; STR_NONE stays STR_NONE */
struct str arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);

#endif
