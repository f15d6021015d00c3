/*
 * cache: heads, versions and timelines in bounded memory, shared by the workers and the reactor.
 *
 * Versions are immutable and counted, so a version found here is never stale. A head is: it is set
 * by the commit leader (cache_publish) and filled by readers of the store, who may be late. A
 * filler therefore takes the shard's epoch before it reads the store; a publish in between makes
 * the fill void. Heads never go back: a fill with a smaller ov than what is there is dropped.
 *
 * Eviction is S3-FIFO (Yang et al., SOSP 2023, https://s3fifo.com): a small first queue that most
 * entries leave unread, a main queue with a two-bit count of reads, and a memory of what left the
 * first queue lately.
 *
 * Any thread. Locks are per shard and held for a look-up or a list operation, never over a copy of
 * a document.
 */
#ifndef ENGINE_CACHE_H
#define ENGINE_CACHE_H

#include "store/meta.h"

struct cache;

struct cache_item { /* whose: a collection's number and an id */
    int64_t coll;
    struct str id;
};

struct cache *cache_new(int64_t bytes_max);
void cache_free(struct cache *c);
void cache_resize(struct cache *c, int64_t bytes_max);
void cache_usage(struct cache *c, int64_t *ret_bytes, int64_t *ret_entries);

/* True: *ret is the head, counted. False: not known here. */
bool cache_head(struct cache *c, struct cache_item item, struct version **ret);
bool cache_version(struct cache *c, struct cache_item item, int64_t ov, struct version **ret);
/* True: *ret_ov is the ov at the instant, -1 before the first version. False: the timeline is not
 * here. */
bool cache_instant(struct cache *c, struct cache_item item, int64_t at_ms, int64_t *ret_ov);

/* The commit leader alone, in order of ov: this is the head now; a timeline that is here grows by
 * it. */
void cache_publish(struct cache *c, int64_t coll, struct version *head);
/* The outcome of a commit is unknown, or the store contradicted the cache: forget the item's head
 * and timeline. */
void cache_forget(struct cache *c, struct cache_item item);

/* Before reading the store for a fill. */
uint64_t cache_epoch(struct cache *c, struct cache_item item);
void cache_fill_head(struct cache *c, int64_t coll, struct version *head, uint64_t epoch);
void cache_fill_version(struct cache *c, int64_t coll, struct version *version);
void cache_fill_timeline(struct cache *c, struct cache_item item, const struct meta_point *points,
                         int count, uint64_t epoch);

#endif
