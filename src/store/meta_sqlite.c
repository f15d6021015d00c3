/*
 * The embedded metadata store: SQLite in one folder, held by one process.
 *
 *   chronos.lock      flock'ed, with the pid of the process that holds the folder
 *   chronos.db        the tables
 *   chronos.db-wal    the write-ahead log, of fixed length (meta_sqlite_wal.c)
 *   chronos.db-shm    SQLite's index of the log
 *
 *   version      one row per version, appended, never changed but in its state. Row numbers grow
 *                with commits: order of rows is order of cv. The document is the last column.
 *   item         (collection, id, ov) -> row, at: heads, versions by ov or instant, timelines and
 *                listings, all by one B-tree (meta_sqlite_index.c), which is written behind the
 *                versions: its newest entries are in memory (meta_sqlite_recent.h)
 *   collection   numbers and totals, kept in memory and written once per group
 *   op           operations noted by clients' OPIDs
 *   queue        work to be done later
 *
 * A version so costs one appended row, its share of a page of `item`, and its share of a commit.
 * The files:
 *
 *   meta_sqlite.c          opening, closing, health
 *   meta_sqlite_folder.c   folder, lock, header, schema, migration
 *   meta_sqlite_coll.c     collections
 *   meta_sqlite_write.c    the gate, transactions, groups; what a failed commit means
 *   meta_sqlite_read.c     sessions
 *   meta_sqlite_index.c    items to rows
 *   meta_sqlite_recent.c   the newest entries of that index, in memory
 *   meta_sqlite_queue.c    noted operations, states, queue
 *   meta_sqlite_wal.c      checkpoints, maintenance
 *   meta_sqlite_db.c       connections, statements, words for errors
 *   meta_sqlite_vfs.c      files under SQLite
 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/meta_sqlite_recent.h"

/* Health. */

static int64_t file_bytes(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : 0;
}

static enum status sqlite_health(struct meta_session *session, struct arena *arena,
                                 struct meta_health *ret, struct err *err) {
    struct sqlite_store *s = session->conn.store;
    int64_t begin_us = clock_mono_us(), settled;
    enum status st = conn_int(&session->conn, "SELECT settled FROM store", &settled, err);
    if (st != OK) return st;
    *ret = (struct meta_health){
        .ping_us = clock_mono_us() - begin_us,
        .log_bytes = s->wal_frames * FRAME_BYTES,
        .file_bytes = file_bytes(s->db_path),
        .writable = !wal_is_full(s) && !s->unsettled && access(s->db_path, W_OK) == 0,
    };
    if (s->checkpoint_code != SQLITE_OK && s->checkpoint_code != SQLITE_BUSY) {
        ret->detail = arena_printf(arena, "the last checkpoint failed: %s",
                                   sqlite3_errstr(s->checkpoint_code));
    } else if (s->unsettled) {
        ret->detail = STR("the outcome of the last commit is unknown");
    }
    return OK;
}

/* Opening and closing. */

static void store_free(struct sqlite_store *s) {
    conn_release(&s->checkpointer);
    conn_release(&s->writer);
    if (s->lock_fd >= 0) close(s->lock_fd);
    colls_free(s);
    recent_free(s->recent);
    pthread_cond_destroy(&s->thread_wake);
    pthread_mutex_destroy(&s->thread_lock);
    pthread_mutex_destroy(&s->checkpoint_lock);
    pthread_mutex_destroy(&s->coll_lock);
    pthread_cond_destroy(&s->gate_free);
    pthread_mutex_destroy(&s->gate_lock);
    free(s);
}

static void sqlite_close(struct meta *m) {
    struct sqlite_store *s = store_of(m);
    wal_close(s);
    store_free(s);
}

static void cond_init(pthread_cond_t *cond) {
    pthread_condattr_t attr;
    ASSERT(pthread_condattr_init(&attr) == 0);
    ASSERT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    ASSERT(pthread_cond_init(cond, &attr) == 0);
    pthread_condattr_destroy(&attr);
}

static struct sqlite_store *store_new(const struct meta_sqlite_options *options) {
    struct sqlite_store *s = xcalloc(1, sizeof *s);
    s->options = *options;
    s->lock_fd = -1;
    s->recent = recent_new(options->index_entries);
    ASSERT(pthread_mutex_init(&s->gate_lock, NULL) == 0);
    ASSERT(pthread_mutex_init(&s->coll_lock, NULL) == 0);
    ASSERT(pthread_mutex_init(&s->thread_lock, NULL) == 0);
    ASSERT(pthread_mutex_init(&s->checkpoint_lock, NULL) == 0);
    cond_init(&s->gate_free);
    cond_init(&s->thread_wake);
    s->ops = (struct meta_ops){.name = "sqlite",
                               .scope = META_SCOPE_STORE,
                               .health = sqlite_health,
                               .tick = wal_tick,
                               .close = sqlite_close};
    coll_fill(&s->ops);
    read_fill(&s->ops);
    write_fill(&s->ops);
    queue_fill(&s->ops);
    s->meta.ops = &s->ops;
    return s;
}

enum status meta_sqlite_open(const struct meta_sqlite_options *options, struct meta **ret,
                             struct err *err) {
    struct sqlite_store *s = store_new(options);
    enum status st = folder_open(s, err);
    if (st == OK) st = conn_open(&s->writer, s, CONN_WRITER, err);
    if (st == OK) st = schema_open(s, err);
    if (st == OK) st = conn_prepare(&s->writer, err);
    if (st == OK) st = colls_load(s, err);
    if (st == OK) st = index_load(s, err);
    if (st == OK) st = wal_open(s, err);
    if (st != OK) {
        store_free(s);
        return st;
    }
    s->options.dir = s->dir;
    *ret = &s->meta;
    return OK;
}
