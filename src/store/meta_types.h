/*
 * What goes into a metadata store and comes out of it: plain values, used by store/meta.h.
 */
#ifndef STORE_META_TYPES_H
#define STORE_META_TYPES_H

#include "store/version.h"

/* A collection in a database, registered once: `no` is the store's small number of it, stable while
 * the store is open. */
struct meta_coll {
    struct str database, name;
    int64_t no;
};

enum meta_scope { META_SCOPE_STORE, META_SCOPE_COLLECTION }; /* which writes may share a group */

struct meta_numbers {
    int64_t cv;    /* the first of the numbers taken */
    int64_t at_ms; /* one instant for the whole group, not before any earlier group's of this
                      collection */
};

/* A swap: the head of next->id becomes `next` if it is at expected_ov now (-1: there must be none).
 * next->ov is expected_ov + 1, or more where the item was erased before.
 *
 * Where the payload of `next` is: with a blob_key, in the payload store (doc is not looked at);
 * else, when payload_ov is ov, in doc, which is stored with the row; else with the earlier version
 * payload_ov, whose payload_row is given, or 0 to let the store find it (it may be in this very
 * group). next->row is not looked at, nor is payload_row where doc is stored: both are `row`. */
struct meta_swap {
    const struct version *next;
    const struct meta_coll *coll;
    int64_t expected_ov;
    bool fresh;   /* a hint: the id was minted for this swap. Where it is there all the same, the
                     swap is lost as any other */
    bool applied; /* out: false: the head was elsewhere, nothing was written for this one */
    int64_t row;  /* out: next's handle */
};

/* A client's OPID, its request and its outcome. `answer` is the engine's own text. Noting an op_id
 * again replaces what was noted. expires_ms 0: the store's own time to keep (op_keep_ms) after
 * at_ms. */
struct meta_op {
    struct str op_id;
    uint8_t request[SHA256_BYTES]; /* digest of command, key and document */
    struct str key;                /* collection:id */
    int64_t at_ms, expires_ms;
    struct str answer;
};

struct meta_totals {
    int64_t created, updated, deleted, live; /* live: items that are not deleted now */
    int64_t cv, at_ms;                       /* the collection's newest */
};

struct meta_item { /* of a listing */
    struct str collection, id;
    bool deleted;
};

struct meta_point { /* one version on an item's timeline */
    int64_t ov, at_ms, row;
};

struct meta_queued { /* a record of the durable queue: work to do at or after due_ms */
    int64_t no;      /* queue_put: 0 for a new record, else the one to be replaced */
    struct str kind, key, body;
    int64_t due_ms;
    int attempts; /* how often it was taken, this time included */
};

struct meta_range { /* versions of an item, by ov and instant, ends included */
    int64_t from_ov, to_ov;
    int64_t since_ms, until_ms;
    bool reverse;
    int limit;
    bool with_doc;
};

struct meta_listing { /* items of a database, after (collection, id); STR_NONE begins */
    struct str database, after_collection, after_id;
    int limit;
};

struct meta_scan { /* versions of a collection, of all items, after a cv */
    int64_t after_cv;
    bool with_doc;
    int limit;
};

struct meta_take { /* of the queue: those of a kind that are due at now_ms, hidden until hide_ms */
    struct str kind;
    int64_t now_ms, hide_ms;
    int limit;
};

struct meta_health {
    int64_t ping_us;
    int64_t log_bytes;  /* write-ahead log */
    int64_t file_bytes; /* database */
    bool writable;
    struct str detail; /* in the arena: what is wrong, STR_NONE */
};

#endif
