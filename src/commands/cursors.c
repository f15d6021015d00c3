/*
 * A fixed table: a scan in progress takes two entries, the cursor that the client has and the one
 * before it, kept for a retry. Entries are taken from malloc'd memory that is not touched before it
 * is needed. Finding is a walk over the numbers, which lie together: a microsecond beside the read
 * of a page of keys.
 */
#include "commands/cursors.h"

#include <pthread.h>

#include "engine/engine.h"

enum { CURSORS = 1024, CURSOR_BITS = 52 };

struct cursors {
    pthread_mutex_t lock;
    uint64_t numbers[CURSORS]; /* 0: free */
    uint64_t used[CURSORS];    /* when last: a count of uses */
    uint64_t uses;
    struct position *positions;
};

struct cursors *cursors_new(struct arena *arena) {
    struct cursors *c = arena_zalloc(arena, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    c->positions = arena_alloc(arena, sizeof *c->positions * CURSORS);
    return c;
}

void cursors_release(struct cursors *c) {
    if (c) pthread_mutex_destroy(&c->lock);
}

static int find(const struct cursors *c, uint64_t number) {
    for (int i = 0; i < CURSORS; i++) {
        if (c->numbers[i] == number) return i;
    }
    return -1;
}

/* A free entry, or the one not used for the longest. */
static int take_entry(const struct cursors *c) {
    int oldest = 0;
    for (int i = 0; i < CURSORS; i++) {
        if (c->numbers[i] == 0) return i;
        if (c->used[i] < c->used[oldest]) oldest = i;
    }
    return oldest;
}

static uint64_t new_number(const struct cursors *c) {
    uint64_t number = 0;
    while (number == 0 || find(c, number) >= 0) {
        digest_random(&number, sizeof number);
        number >>= 64 - CURSOR_BITS;
    }
    return number;
}

uint64_t cursors_put(struct cursors *c, const struct position *position) {
    pthread_mutex_lock(&c->lock);
    int i = take_entry(c);
    uint64_t number = new_number(c);
    c->numbers[i] = number;
    c->used[i] = ++c->uses;
    c->positions[i] = *position;
    pthread_mutex_unlock(&c->lock);
    return number;
}

bool cursors_get(struct cursors *c, uint64_t cursor, struct position *ret) {
    if (cursor == 0) return false;
    pthread_mutex_lock(&c->lock);
    int i = find(c, cursor);
    if (i >= 0) {
        *ret = c->positions[i];
        c->used[i] = ++c->uses;
        int before = ret->from ? find(c, ret->from) : -1;
        if (before >= 0) c->numbers[before] = 0;
    }
    pthread_mutex_unlock(&c->lock);
    return i >= 0;
}
