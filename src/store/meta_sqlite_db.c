/*
 * Connections of the embedded store: settings, prepared statements, steps with fault points, and
 * the words for what SQLite answers.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/fault.h"
#include "store/meta_sqlite.h"

/* The columns of a version, in the order in which meta_sqlite_read.c takes them. */
#define VERSION_COLUMNS                                                                            \
    "row, id, ov, cv, at, created, deleted, op, verb, state, size, checksum, op_id, actor, "       \
    "reason, function_id, payload_row, payload_ov, bucket, blob_key"

enum { ROLLBACK_TRIES = 16 };

static const char *const sql[STMT_COUNT] = {
    [STMT_BEGIN_READ] = "BEGIN",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_FLOOR] = "SELECT ov, row, at, deleted FROM item WHERE coll = ?1 AND id = ?2 AND ov <= ?3 "
                   "AND row <= ?5 ORDER BY ov DESC LIMIT 1",
    [STMT_ITEM_DOWN] = "SELECT ov, row, at, deleted FROM item WHERE coll = ?1 AND id = ?2 "
                       "AND ov BETWEEN ?3 AND ?4 AND row <= ?5 ORDER BY ov DESC",
    [STMT_ITEM_UP] = "SELECT ov, row, at, deleted FROM item WHERE coll = ?1 AND id = ?2 "
                     "AND ov BETWEEN ?3 AND ?4 AND row <= ?5 ORDER BY ov",
    [STMT_NEXT_ITEM] = "SELECT ov, row, at, deleted, id FROM item WHERE coll = ?1 AND id > ?2 "
                       "AND row <= ?5 ORDER BY id, ov DESC LIMIT 1",
    [STMT_VERSION] = "SELECT " VERSION_COLUMNS " FROM version WHERE row = ?1",
    [STMT_VERSION_DOC] = "SELECT " VERSION_COLUMNS ", doc FROM version WHERE row = ?1",
    [STMT_DOC] = "SELECT doc FROM version WHERE row = ?1",
    [STMT_SCAN] = "SELECT row, coll, cv FROM version WHERE row > ?1 AND row <= ?2 ORDER BY row",
    [STMT_OUTBOX] = "SELECT row, coll FROM version INDEXED BY version_outbox WHERE state = 0 "
                    "AND row > ?1 AND row <= ?2 ORDER BY row",
    [STMT_OP_FIND] = "SELECT request, key, at, expires, answer FROM op "
                     "WHERE database = ?1 AND op_id = ?2 AND expires > ?3",
    [STMT_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [STMT_INSERT_VERSION] =
        "INSERT INTO version (row, coll, id, ov, cv, at, created, deleted, op, verb, state, size, "
        "checksum, op_id, actor, reason, function_id, payload_row, payload_ov, bucket, blob_key, "
        "doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, "
        "?18, ?19, ?20, ?21, ?22)",
    [STMT_INSERT_ITEM] = "INSERT OR REPLACE INTO item (coll, id, ov, row, at, deleted) VALUES (?1, "
                         "?2, ?3, ?4, ?5, ?6)",
    [STMT_INSERT_COLL] =
        "INSERT INTO collection (no, database, name, cv, at, created, updated, deleted, live) "
        "VALUES (?1, ?2, ?3, 0, 0, 0, 0, 0, 0)",
    [STMT_UPDATE_COLL] = "UPDATE collection SET cv = ?2, at = ?3, created = ?4, updated = ?5, "
                         "deleted = ?6, live = ?7 WHERE no = ?1",
    [STMT_TOP_ID] = "SELECT id FROM item WHERE coll = ?1 ORDER BY id DESC LIMIT 1",
    [STMT_SET_STATE] = "UPDATE version SET state = ?2 WHERE row = ?1",
    [STMT_NOTE] = "INSERT INTO op (database, op_id, request, key, at, expires, answer) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET "
                  "request = ?3, key = ?4, at = ?5, expires = ?6, answer = ?7",
    [STMT_INDEXED] = "UPDATE store SET indexed = ?1",
    [STMT_SETTLE] = "UPDATE store SET settled = settled + 1",
    [STMT_OP_EXPIRE] = "DELETE FROM op WHERE (database, op_id) IN (SELECT database, op_id FROM op "
                       "INDEXED BY op_expires WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
    [STMT_QUEUE_ADD] =
        "INSERT INTO queue (kind, key, body, due, attempts) VALUES (?1, ?2, ?3, ?4, ?5)",
    [STMT_QUEUE_REPLACE] = "UPDATE queue SET kind = ?1, key = ?2, body = ?3, due = ?4, "
                           "attempts = ?5 WHERE no = ?6",
    [STMT_QUEUE_DUE] = "SELECT no, key, body, due, attempts FROM queue WHERE kind = ?1 "
                       "AND due <= ?2 ORDER BY due, no LIMIT ?3",
    [STMT_QUEUE_HIDE] = "UPDATE queue SET due = ?2, attempts = attempts + 1 WHERE no = ?1",
    [STMT_QUEUE_DONE] = "DELETE FROM queue WHERE no = ?1",
};

/* Called by SQLite every so many steps of its machine: not 0 interrupts the statement. */
static int progress(void *arg) {
    struct conn *c = arg;
    return c->deadline_us != 0 && clock_mono_us() > c->deadline_us;
}

enum status conn_exec(struct conn *c, const char *text, struct err *err) {
    int rc = sqlite3_exec(c->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? OK : conn_fail(c, rc, err);
}

enum status conn_int(struct conn *c, const char *text, int64_t *ret, struct err *err) {
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db, text, -1, &s, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(s);
    enum status st = OK;
    if (rc == SQLITE_ROW) {
        *ret = sqlite3_column_int64(s, 0);
    } else {
        st = conn_fail(c, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc, err);
    }
    sqlite3_finalize(s);
    return st;
}

static enum status conn_settings(struct conn *c, struct err *err) {
    int64_t kib = c->store->options.cache_bytes / 1024;
    if (c->role == CONN_READER) kib /= 4;
    if (c->role == CONN_CHECKPOINT || kib < 256) kib = 256;
    char text[512];
    /* A page that is freed need not be zeroed, and a log that was long goes back to its ordinary
     * length when it restarts. The checkpoints are ours. */
    snprintf(text, sizeof text,
             "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA secure_delete = OFF;"
             "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cache_size = -%lld;"
             "PRAGMA journal_size_limit = %lld",
             (long long)kib, (long long)c->store->options.wal_bytes * 2);
    return conn_exec(c, text, err);
}

enum status conn_open(struct conn *c, struct sqlite_store *s, enum conn_role role,
                      struct err *err) {
    sqlite_process_init();
    *c = (struct conn){.store = s, .role = role, .last_row = INT64_MAX};
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (role == CONN_WRITER) flags |= SQLITE_OPEN_CREATE;
    int rc = sqlite3_open_v2(s->db_path, &c->db, flags, SQLITE_VFS_NAME);
    enum status st = OK;
    if (rc != SQLITE_OK) {
        st = conn_fail(c, rc, err);
    } else {
        sqlite3_extended_result_codes(c->db, 1);
        sqlite3_busy_timeout(c->db, 1000);
        /* The log is brought to its end by wal_close alone. */
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        if (role == CONN_READER) sqlite3_progress_handler(c->db, 2000, progress, c);
        st = conn_settings(c, err);
    }
    if (st != OK) conn_release(c);
    return st;
}

enum status conn_prepare(struct conn *c, struct err *err) {
    int count = c->role == CONN_WRITER ? STMT_COUNT : STMT_BEGIN_WRITE;
    for (int i = 0; i < count; i++) {
        int rc =
            sqlite3_prepare_v3(c->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &c->stmts[i], NULL);
        if (rc != SQLITE_OK) return conn_fail(c, rc, err);
    }
    return OK;
}

void conn_release(struct conn *c) {
    for (int i = 0; i < STMT_COUNT; i++) {
        sqlite3_finalize(c->stmts[i]);
        c->stmts[i] = NULL;
    }
    sqlite3_close(c->db);
    c->db = NULL;
}

int conn_step(struct conn *c, sqlite3_stmt *s) {
    enum fault_point point = c->role == CONN_WRITER ? FAULT_SQLITE_STEP : FAULT_SQLITE_READ;
    switch (fault_hit(point)) {
    case FAULT_FAIL:
        errno = EIO;
        return SQLITE_IOERR;
    case FAULT_FULL:
        errno = ENOSPC;
        return SQLITE_FULL;
    default:
        return sqlite3_step(s);
    }
}

enum status conn_run(struct conn *c, enum stmt which, struct err *err) {
    sqlite3_stmt *s = c->stmts[which];
    int rc = conn_step(c, s);
    enum status st = rc == SQLITE_DONE ? OK : conn_fail(c, rc, err);
    sqlite3_reset(s);
    return st;
}

void conn_rollback(struct conn *c) {
    for (int i = 0; i < STMT_COUNT; i++) {
        if (c->stmts[i] != NULL) sqlite3_reset(c->stmts[i]);
    }
    /* Whatever it answers, the transaction is over: SQLite says so of ROLLBACK. But it must run,
     * and memory may be short: prepared, it needs none; before it is, it is tried again. */
    for (int i = 0; i < ROLLBACK_TRIES && !sqlite3_get_autocommit(c->db); i++) {
        sqlite3_stmt *s = c->stmts[STMT_ROLLBACK];
        if (s != NULL) {
            (void)sqlite3_step(s);
            sqlite3_reset(s);
        } else {
            (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
        }
    }
}

enum status conn_fail(struct conn *c, int rc, struct err *err) {
    const char *path = c->store->db_path;
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return err_set(err, ERR_TRYAGAIN, "disk full: no room for %s: free space there", path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(
            err, ERR_CORRUPT,
            "%s is damaged (%s): stop the server and put back a backup, or save what can "
            "be read with sqlite3's .recover",
            path, sqlite3_errstr(rc));
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return err_set(err, ERR_BACKEND, "cannot open or write %s (%s): check its permissions",
                       path, sqlite3_errstr(rc));
    case SQLITE_INTERRUPT:
        return err_set(err, ERR_TRYAGAIN, "a read of %s took longer than %d ms", path,
                       READ_DEADLINE_MS);
    case SQLITE_NOMEM:
        return err_set(err, ERR_TRYAGAIN, "no memory for %s", path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_TRYAGAIN, "%s is locked by another program: stop it", path);
    case SQLITE_IOERR: {
        int number = c->db != NULL ? sqlite3_system_errno(c->db) : errno;
        if (number == ENOSPC || number == EDQUOT) {
            return err_set(err, ERR_TRYAGAIN, "disk full: no room for %s: free space there", path);
        }
        return err_set(err, ERR_TRYAGAIN, "input/output error on %s (%s, %s)", path,
                       sqlite3_errstr(rc), number == 0 ? "no more is known" : strerror(number));
    }
    default:
        return err_set(err, ERR_BACKEND, "%s: %s (%d)", path,
                       c->db != NULL ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc), rc);
    }
}

void bind_str(sqlite3_stmt *s, int at, struct str v) {
    if (v.p == NULL) {
        sqlite3_bind_null(s, at);
    } else {
        sqlite3_bind_blob64(s, at, v.p, v.n, SQLITE_STATIC);
    }
}

struct str column_str(sqlite3_stmt *s, int at) {
    if (sqlite3_column_type(s, at) == SQLITE_NULL) return STR_NONE;
    const char *p = sqlite3_column_blob(s, at);
    size_t n = (size_t)sqlite3_column_bytes(s, at);
    return n == 0 ? STR("") : (struct str){p, n};
}
