/*
 * batch: makes, fills and recycles batches (`struct batch`, net/handler.h). Reactor only: a batch
 * that is with a worker is the worker's, and nothing here is called for it.
 */
#ifndef NET_BATCH_H
#define NET_BATCH_H

#include "net/handler.h"

/* Batches that ended, with their memory, for the next ones. */
struct batch_pool {
    struct batch *first;
    int count;
};

void batch_pool_release(struct batch_pool *pool);

/* A batch without requests, with a copy of the session, a reference to the settings, and a buffer
 * for replies that holds at most out_max bytes. */
struct batch *batch_new(struct batch_pool *pool, const struct session *session,
                        const struct config *config, size_t out_max);

/* Copies a request with its bytes into the batch. Returns how many bytes that were. */
size_t batch_add(struct batch *b, const struct request *request);

/* Gives everything back; the pool keeps ordinary memory. */
void batch_free(struct batch_pool *pool, struct batch *b);

#endif
