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
#include "store/meta_types.h"

struct meta;         /* an open store */
struct meta_session; /* one reader */
struct meta_group;   /* one commit */

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
    /* Heads of items in key order (collection, then id, by bytes). */
    enum status (*list)(struct meta_session *s, const struct meta_listing *listing,
                        struct arena *arena, struct meta_item *ret, int *ret_count,
                        struct err *err);
    enum status (*totals)(struct meta_session *s, const struct meta_coll *coll,
                          struct meta_totals *ret, struct err *err);
    /* In order of cv, from where the last scan of the session ended at no cost; else the beginning
     * has to be looked for. For VERIFY and recounts. */
    enum status (*scan)(struct meta_session *s, const struct meta_coll *coll,
                        const struct meta_scan *scan, struct version **ret, int *ret_count,
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

    /* Queue: records that survive restarts. `take` gives the longest due first. `done` removes one;
     * it is no error when it is gone. */
    enum status (*queue_put)(struct meta *m, const struct meta_queued *record, struct err *err);
    enum status (*queue_take)(struct meta *m, const struct meta_take *take, struct arena *arena,
                              struct meta_queued *ret, int *ret_count, struct err *err);
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
    const char *dir;       /* of chronos.db */
    int64_t cache_bytes;   /* page cache of the writer; a reader has a quarter */
    int64_t wal_bytes;     /* checkpoint when the write-ahead log is longer */
    int64_t op_keep_ms;    /* how long an operation is kept that names no expiry */
    int64_t index_entries; /* kept in memory before the index is written; 0: an ordinary number */
};
MUST_CHECK enum status meta_sqlite_open(const struct meta_sqlite_options *options,
                                        struct meta **ret, struct err *err);

#endif
