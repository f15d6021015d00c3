/*
 * internal: what the files of engine/ share and nobody else sees.
 */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include <stdatomic.h>

#include "engine/cache.h"
#include "engine/commit.h"
#include "engine/engine.h"

struct registry; /* engine.c: the collections that this process has met */
struct commit;   /* commit.c: the queue of write sets and the group in flight */

struct engine {
    struct meta *meta;
    struct blob_store *blob;
    struct cache *cache;
    _Atomic int64_t cache_max; /* bytes */
    struct commit *commit;
    struct registry *registry;
    const struct config
        *config; /* as it was at start: routes do not change while the server runs */
    struct engine_hooks hooks;
};

struct engine_worker {
    struct engine *engine;
    struct meta_session *session; /* reads of this thread */
    bool in_snapshot;   /* it reads an older state: nothing that may change goes into the cache */
    struct arena arena; /* of the group it leads */
};

/* commit.c */
struct commit *commit_new(void);
void commit_free(struct commit *c);
/* May an as-of at this instant be answered from what is published now? False: commit_wait_closed.
 * [any thread] */
bool commit_closed(const struct engine *e, int64_t at_ms);
/* Waits until it may, at most wait_ms: ERR_TRYAGAIN. */
MUST_CHECK enum status commit_wait_closed(struct engine *e, int64_t at_ms, int64_t wait_ms,
                                          struct err *err);
/* A worker is about to read for a while: if sets wait and nobody leads, another worker is woken to
 * lead. */
void commit_nudge(struct engine *e);
/* Counts publishes; odd while one is under way. Two equal even readings around look-ups in the
 * cache: a snapshot. */
uint64_t commit_publish_count(const struct engine *e);
/* Has this version been published, so that the cache may have it as a head? A reader of the store
 * can see one that is durable and not yet published; MGET from the cache would mix two states. */
bool commit_is_published(const struct engine *e, const struct version *v);
/* Is a write with this opId queued or in flight? */
bool commit_is_pending(struct engine *e, struct str op_id);
void commit_stats(struct engine *e, int64_t *ret_queued, int64_t *ret_in_flight,
                  int64_t *ret_last_ms);

/* op.c: what an OPID's answer needs beside the version that it made, as op_note wrote it:
 * ERR_CORRUPT. */
struct op_made {
    int64_t ov;
    bool changed;
    int64_t restored_from; /* RESTORE: the ov */
};
MUST_CHECK enum status op_parse(struct str answer, struct op_made *ret, struct err *err);

/* payload.c: loads the document of a version that came without it, from the payload store, and
 * verifies its checksum: *version is replaced by one with the document. */
MUST_CHECK enum status payload_load(struct engine *e, struct arena *arena, struct version **version,
                                    struct err *err);
/* Does the loaded document have the checksum of its version? ERR_CORRUPT. */
MUST_CHECK enum status payload_verify(const struct version *version, struct err *err);

/* A new ObjectId as 24 lower-case hexadecimal digits: seconds, five random bytes of this process, a
 * counter. Any thread. */
enum { OBJECTID_HEX = 24 };
void objectid_mint(char ret[OBJECTID_HEX]);

#endif
