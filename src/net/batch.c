/*
 * batch: the pool keeps as many ended batches as are in flight in ordinary times, each with one
 * chunk of its arena, its table of requests and a small reply buffer, so that a request that goes
 * to a worker allocates nothing.
 */
#include "net/batch.h"

#include "config/config.h"

enum {
    POOL_COUNT = 256,
    FIRST_REQUESTS = 4,
    KEPT_REQUESTS = 1024,
    KEPT_OUT_BYTES = 16 * 1024,
};

static void destroy(struct batch *b) {
    arena_release(&b->arena);
    buf_release(&b->out);
    free(b->requests);
    free(b);
}

void batch_pool_release(struct batch_pool *pool) {
    for (struct batch *b = pool->first, *next; b != NULL; b = next) {
        next = b->next;
        destroy(b);
    }
    *pool = (struct batch_pool){0};
}

struct batch *batch_new(struct batch_pool *pool, const struct session *session,
                        const struct config *config, size_t out_max) {
    struct batch *b = pool->first;
    if (b != NULL) {
        pool->first = b->next;
        pool->count--;
    } else {
        b = xcalloc(1, sizeof(*b));
        arena_init(&b->arena);
        buf_init(&b->out, 0);
    }
    b->next = NULL;
    b->conn = NULL;
    b->count = b->done = 0;
    b->session = *session;
    b->config = config_ref(config);
    b->out.max = out_max;
    b->state = NULL;
    b->arrived_us = 0;
    b->close = false;
    return b;
}

size_t batch_add(struct batch *b, const struct request *request) {
    if (b->count == b->room) {
        b->room = b->room == 0 ? FIRST_REQUESTS : b->room * 2;
        b->requests = xrealloc(b->requests, (size_t)b->room * sizeof(b->requests[0]));
    }
    size_t argc = (size_t)request->argc;
    size_t bytes = argc * sizeof(struct str);
    for (size_t i = 0; i < argc; i++) bytes += request->argv[i].n;
    struct str *argv = arena_alloc(&b->arena, bytes);
    char *p = (char *)(argv + argc);
    for (size_t i = 0; i < argc; i++) {
        struct str arg = request->argv[i];
        argv[i] = (struct str){p, arg.n};
        memcpy(p, arg.p, arg.n);
        p += arg.n;
    }
    b->requests[b->count++] = (struct request){.argc = request->argc, .argv = argv};
    return bytes;
}

void batch_free(struct batch_pool *pool, struct batch *b) {
    config_unref(b->config);
    b->config = NULL;
    if (pool->count >= POOL_COUNT) {
        destroy(b);
        return;
    }
    arena_reset(&b->arena);
    buf_reset(&b->out);
    buf_shrink(&b->out, KEPT_OUT_BYTES);
    if (b->room > KEPT_REQUESTS) {
        free(b->requests);
        b->requests = NULL;
        b->room = 0;
    }
    b->next = pool->first;
    pool->first = b;
    pool->count++;
}
