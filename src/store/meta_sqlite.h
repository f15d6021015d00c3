/*
 * What the files of the embedded metadata store share. Nobody else includes this; the store is
 * reached through store/meta.h.
 *
 * Connections: one writer, used by whoever holds the gate; one reader per session, used by the
 * session's thread; one for checkpoints, used by the maintenance thread. Every connection keeps its
 * statements prepared.
 *
 * Locks: the gate admits one write transaction (or the end of a checkpoint) at a time, whatever
 * thread begins and ends it; `coll_lock` guards the list of collections and their committed totals,
 * is held for moments, and may be taken inside the gate, never the other way round.
 */
#ifndef STORE_META_SQLITE_H
#define STORE_META_SQLITE_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/meta.h"
#include "store/meta_sqlite_db.h"

struct recent;

enum {
    PAGE_BYTES = 8192,
    FRAME_BYTES = PAGE_BYTES + 24, /* of the write-ahead log */
    READ_DEADLINE_MS = 10000,      /* longest one call of a session may take */
    GATE_DEADLINE_MS = 10000,      /* longest a writer waits for the one before it */
    PATH_MAX_BYTES = 4096,
};

struct collection {
    struct str database, name; /* own memory, until the store is closed */
    int64_t no;
    struct meta_totals committed; /* under coll_lock */
    struct meta_totals pending;   /* of the group in flight; under the gate */
    bool dirty;                   /* it is in the group's list */
    char *top;                    /* no id is greater; NULL: not known. Under the gate */
    size_t top_bytes, top_cap;
};

struct meta_group {
    struct sqlite_store *store;
    int64_t at_ms; /* of every number taken; TIME_NONE: none yet */
    int64_t row;   /* the last one given */
    int64_t versions;
    struct collection **dirty;
    int dirty_count, dirty_cap;
};

struct meta_session {
    struct conn conn;
    int64_t scan_coll, scan_cv, scan_row; /* where the last scan ended */
    bool held;                            /* a snapshot goes over several calls */
};

struct sqlite_store {
    struct meta meta; /* first: the engine's handle */
    struct meta_ops ops;
    struct meta_sqlite_options options;
    char dir[PATH_MAX_BYTES], db_path[PATH_MAX_BYTES], wal_path[PATH_MAX_BYTES];
    int lock_fd;

    pthread_mutex_t gate_lock;
    pthread_cond_t gate_free;
    bool gate_busy;
    bool gate_maintenance; /* the maintenance thread waits: it goes first */

    /* Under the gate. */
    struct conn writer;
    struct meta_group group;
    int64_t row, at_ms;     /* the last committed ones */
    _Atomic bool unsettled; /* a failed commit may still stand in the log */

    struct recent *recent;       /* meta_sqlite_recent.h */
    _Atomic int64_t visible_row; /* the last one that readers may see */
    _Atomic int64_t commits; /* so far; the maintenance thread sees by it whether anybody writes */

    pthread_mutex_t coll_lock;
    struct collection **colls;   /* by number, from 1 */
    struct collection **by_name; /* by database, then name */
    int coll_count, coll_cap;

    /* Maintenance. */
    struct conn checkpointer;
    int64_t readers_until_us;        /* how long its checkpoint waits for them */
    pthread_mutex_t checkpoint_lock; /* around its use; the gate may be taken inside */
    pthread_mutex_t thread_lock;
    pthread_cond_t thread_wake;
    pthread_t thread;
    bool thread_started, thread_stop, thread_work;
    _Atomic int64_t wal_frames;               /* in use after the last commit */
    _Atomic int checkpoint_code;              /* SQLite's answer to the last checkpoint */
    _Atomic int64_t checkpoint_not_before_us; /* it failed: not at once again */
};

static inline struct sqlite_store *store_of(struct meta *m) {
    return (struct sqlite_store *)(void *)m;
}

/* meta_sqlite_folder.c: the folder, its lock, the file's header, the schema. */
MUST_CHECK enum status folder_open(struct sqlite_store *s, struct err *err);
MUST_CHECK enum status schema_open(struct sqlite_store *s, struct err *err);

/* meta_sqlite_coll.c: collections, kept in memory. */
void coll_fill(struct meta_ops *ops);
MUST_CHECK enum status colls_load(struct sqlite_store *s, struct err *err);
void colls_free(struct sqlite_store *s);
struct collection *coll_of(struct sqlite_store *s, int64_t no); /* under the gate */
/* The database's first collection after a name (or at it, when inclusive); NULL: none. */
struct collection *coll_after(struct sqlite_store *s, struct str database, struct str name,
                              bool inclusive);
bool coll_in_database(struct sqlite_store *s, int64_t no, struct str database);

/* meta_sqlite_index.c: from an item to its versions, on any connection inside a transaction. */
struct item_entry {
    int64_t ov, row, at_ms;
    bool deleted;
};
/* The greatest ov at or below `ov` (INT64_MAX: the head). */
MUST_CHECK enum status item_floor(struct conn *c, int64_t coll, struct str id, int64_t ov,
                                  struct item_entry *ret, bool *ret_found, struct err *err);
/* The greatest ov whose instant is at or before at_ms. */
MUST_CHECK enum status item_floor_at(struct conn *c, int64_t coll, struct str id, int64_t at_ms,
                                     struct item_entry *ret, bool *ret_found, struct err *err);
/* Is the id greater than every other of its collection, and so new? False: it has to be looked for.
 * Under the gate, in a write transaction; item_noted for every id written. */
MUST_CHECK enum status item_is_beyond(struct sqlite_store *s, struct collection *c, struct str id,
                                      bool *ret, struct err *err);
void item_noted(struct collection *c, struct str id);
/* Calls fn for the entries from one ov to another, upwards or in reverse, until it says false. */
struct item_walk {
    int64_t from_ov, to_ov;
    bool reverse;
    bool (*fn)(void *arg, const struct item_entry *entry);
    void *arg;
};
MUST_CHECK enum status item_walk(struct conn *c, int64_t coll, struct str id,
                                 const struct item_walk *walk, struct err *err);
/* Heads of the items after an id (STR_NONE: of all) in order of ids, at most `limit`. */
struct item_head {
    struct str id; /* in the arena */
    bool deleted;
};
struct item_page {
    struct str after;
    int limit;
    struct item_head *heads; /* out, with room for `limit` */
    int count;               /* out */
};
MUST_CHECK enum status item_heads(struct conn *c, int64_t coll, struct arena *arena,
                                  struct item_page *page, struct err *err);
/* Entries that were not in the table when the store was last open: read again from the rows. */
MUST_CHECK enum status index_load(struct sqlite_store *s, struct err *err);
/* Under the gate, inside a write transaction: writes at most `count` of the recent entries. */
MUST_CHECK enum status index_slice(struct sqlite_store *s, int count, struct err *err);
/* Writes all of them, in transactions of its own, for a second at most: in the maintenance thread,
 * or when it has ended. What is left is tried again later. */
void index_rest(struct sqlite_store *s);

/* meta_sqlite_read.c */
void read_fill(struct meta_ops *ops);

/* meta_sqlite_write.c: the gate, write transactions, groups. */
void write_fill(struct meta_ops *ops);
MUST_CHECK enum status gate_enter(struct sqlite_store *s, bool maintenance, struct err *err);
void gate_leave(struct sqlite_store *s);
/* A write transaction: begin takes the gate, which is kept until gate_leave. A failed commit is
 * rolled back and left nothing behind, unless it is TIMEDOUT. */
MUST_CHECK enum status write_begin(struct sqlite_store *s, struct err *err);
MUST_CHECK enum status write_commit(struct sqlite_store *s, struct err *err);

/* meta_sqlite_queue.c: noted operations, outbox states, queue. */
void queue_fill(struct meta_ops *ops);
void queue_tick(struct sqlite_store *s);

/* meta_sqlite_wal.c: the write-ahead log's length, checkpoints, the maintenance thread. */
MUST_CHECK enum status wal_open(struct sqlite_store *s, struct err *err);
void maintenance_wake(struct sqlite_store *s);
void wal_close(struct sqlite_store *s);     /* stops the thread, brings the log to an end */
void wal_committed(struct sqlite_store *s); /* after a commit: wakes the thread when it is long */
void wal_relieve(struct sqlite_store *s); /* before the gate: checkpoints when writers outrun it */
bool wal_is_full(struct sqlite_store *s); /* so long that writes are refused */
void wal_tick(struct meta *m);

#endif
