/*
 * meta: what the engine asks of a metadata store: heads, versions, counters, noted operations,
 * outbox, queue. A table of functions; meta_sqlite.c is the embedded default. Every implementation
 * passes tests/conformance.
 *
 * Threads: `struct meta` is shared. A `meta_session` belongs to one worker thread and only reads. A
 * `meta_group` is the one commit in flight of a scope: the engine sees to it that there is one at a
 * time, in any thread. Ownership: versions come back with a reference that the caller drops. Ids
 * and strings passed in are borrowed for the call. Errors: TRYAGAIN (certainly nothing applied),
 * TIMEDOUT (outcome unknown), BACKEND (failed for good), CORRUPT.
 */
#ifndef STORE_META_H
#define STORE_META_H

#include "base/arena.h"
#include "base/err.h"
#include "store/version.h"

struct meta;         /* an open store */
struct meta_session; /* one reader */
struct meta_group;   /* one commit */

/* A collection in a database, registered once: `no` is the store's small number of it, stable while
 * the store is open. */
struct meta_coll {
    struct str database, name;
    int64_t no;
};

enum meta_scope { META_SCOPE_STORE, META_SCOPE_COLLECTION }; /* which writes may share a group */

struct meta_numbers {
    int64_t cv;    /* the first of the numbers taken */
    int64_t at_ms; /* one instant for the whole group; not before any earlier group's of this
                      collection */
};

/* A swap: the head of next->id becomes `next` if it is at expected_ov now (-1: there must be none).
 * next->ov is expected_ov + 1, or more where the item was erased before.
 *
 * Where the payload of `next` is: with a blob_key in the payload store (doc is not looked at); else,
 * when payload_ov is ov, in doc, which is stored with the row; else with the earlier version
 * payload_ov, whose payload_row is given, or 0 to let the store find it (it may be in this very
 * group). next->row is not looked at, nor is payload_row where doc is stored: both are `row`. */
struct meta_swap {
    const struct version *next;
    const struct meta_coll *coll;
    int64_t expected_ov;
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

struct meta_health {
    int64_t ping_us;
    int64_t log_bytes;  /* write-ahead log */
    int64_t file_bytes; /* database */
    bool writable;
    struct str detail; /* in the arena: what is wrong, STR_NONE */
};

struct meta_ops {
    const char *name;
    enum meta_scope scope;

    /* Finds the collection, or makes it when `make` is set. NOTFOUND. Any thread; cached by the
     * engine. */
    enum status (*coll)(struct meta *m, struct str database, struct str name, bool make,
                        struct meta_coll *ret, struct err *err);
    /* Calls fn for each collection of a database, in order of names. */
    enum status (*each_coll)(struct meta_session *s, struct str database,
                             void (*fn)(void *arg, const struct meta_coll *coll), void *arg,
                             struct err *err);

    struct meta_session *(*session_new)(struct meta *m, struct err *err); /* NULL: err says why */
    void (*session_free)(struct meta_session *s);
    /* Between on and off every read of this session sees one state of the store, where it has such;
     * a second `on` and an `off` without `on` do nothing. Kept short: it holds back the log's end.
     */
    enum status (*snapshot)(struct meta_session *s, bool on, struct err *err);

    /* Reading. Inline documents come with the version when with_doc; those in the payload store
     * never do. A version that is not there is NULL, with OK. */
    enum status (*heads)(struct meta_session *s, const struct meta_coll *coll,
                         const struct str *ids, int count, bool with_doc, struct version **ret,
                         struct err *err);
    enum status (*by_ov)(struct meta_session *s, const struct meta_coll *coll, struct str id,
                         int64_t ov, bool with_doc, struct version **ret, struct err *err);
    enum status (*by_instant)(struct meta_session *s, const struct meta_coll *coll, struct str id,
                              int64_t at_ms, bool with_doc, struct version **ret,
                              struct err *err); /* greatest ov with at <= at_ms */
    /* At most range->limit versions into ret (room for as many), *ret_count how many. */
    enum status (*range)(struct meta_session *s, const struct meta_coll *coll, struct str id,
                         const struct meta_range *range, struct version **ret, int *ret_count,
                         struct err *err);
    /* The whole timeline in order of ov, in the arena. */
    enum status (*timeline)(struct meta_session *s, const struct meta_coll *coll, struct str id,
                            struct arena *arena, struct meta_point **ret, int *ret_count,
                            struct err *err);
    enum status (*by_row)(struct meta_session *s, int64_t row, bool with_doc, struct version **ret,
                          struct err *err);
    /* Items of a database in key order (collection, then id, by bytes), after (collection, id);
     * STR_NONE begins. */
    enum status (*list)(struct meta_session *s, struct str database, struct str after_collection,
                        struct str after_id, struct arena *arena, struct meta_item *ret, int limit,
                        int *ret_count, struct err *err);
    enum status (*totals)(struct meta_session *s, const struct meta_coll *coll,
                          struct meta_totals *ret, struct err *err);
    /* Every version of a collection (all items), in order of cv, after a cv; for VERIFY and
     * recounts. */
    enum status (*scan)(struct meta_session *s, const struct meta_coll *coll, int64_t after_cv,
                        bool with_doc, struct version **ret, int limit, int *ret_count,
                        struct err *err);
    /* A noted operation; *ret_found. Expired ones are not found. */
    enum status (*op_find)(struct meta_session *s, struct str database, struct str op_id,
                           struct arena *arena, struct meta_op *ret, bool *ret_found,
                           struct err *err);
    enum status (*health)(struct meta_session *s, struct arena *arena, struct meta_health *ret,
                          struct err *err);

    /* Committing: begin, take, swap, note, end. After a failure only `abort` may follow. `end`
     * makes all of it durable at once where the store can (SQLite: one transaction, one fsync);
     * TRYAGAIN: certainly nothing of it was applied. */
    enum status (*group_begin)(struct meta *m, struct meta_group **ret, struct err *err);
    enum status (*group_take)(struct meta_group *g, const struct meta_coll *coll, int count,
                              struct meta_numbers *ret, struct err *err);
    enum status (*group_swap)(struct meta_group *g, struct meta_swap *swaps, int count,
                              struct err *err);
    enum status (*group_note)(struct meta_group *g, struct str database, const struct meta_op *ops,
                              int count, struct err *err);
    enum status (*group_end)(struct meta_group *g,
                             struct err *err); /* releases the group, whatever it answers */
    void (*group_abort)(struct meta_group *g);

    /* Outbox: versions that are STATE_NEW_NOT_SYNCHED, with their documents, in order of cv; and
     * their new state. */
    enum status (*outbox)(struct meta_session *s, struct str database, int64_t after_row,
                          struct version **ret, int limit, int *ret_count, struct err *err);
    enum status (*set_state)(struct meta *m, const int64_t *rows, int count,
                             enum version_state state, struct err *err);

    /* Queue: records that survive restarts. `take` gives those of a kind that are due at now_ms,
     * the longest due first, and hides them until the instant hide_ms. `done` removes one; it is no
     * error when it is gone. */
    enum status (*queue_put)(struct meta *m, const struct meta_queued *record, struct err *err);
    enum status (*queue_take)(struct meta *m, struct str kind, int64_t now_ms, int64_t hide_ms,
                              struct arena *arena, struct meta_queued *ret, int limit,
                              int *ret_count, struct err *err);
    enum status (*queue_done)(struct meta *m, int64_t no, struct err *err);

    /* Work between commits: checkpoint, expired operations. The store does it by itself about every
     * second; calling it does it now. Any thread. */
    void (*tick)(struct meta *m);
    void (*close)(struct meta *m);
};

struct meta {
    const struct meta_ops *ops;
};

/* The embedded store: SQLite in `dir`. Takes the folder's lock, makes or migrates the schema.
 * Errors name the file, what is wrong and what to do: another process holds it, read-only, damaged,
 * made by a newer version. */
struct meta_sqlite_options {
    const char *dir;     /* of chronos.db */
    int64_t cache_bytes; /* page cache of the writer; a reader has a quarter */
    int64_t wal_bytes;   /* checkpoint when the write-ahead log is longer */
    int64_t op_keep_ms;  /* how long an operation is kept that names no expiry */
};
MUST_CHECK enum status meta_sqlite_open(const struct meta_sqlite_options *options,
                                        struct meta **ret, struct err *err);

#endif
