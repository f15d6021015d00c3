/*
 * Connections to the embedded store's database, their prepared statements, and the file layer under
 * SQLite. One thread at a time per connection.
 */
#ifndef STORE_META_SQLITE_DB_H
#define STORE_META_SQLITE_DB_H

#include <sqlite3.h>

#include "base/err.h"
#include "base/str.h"

/* The statements; their SQL stands in meta_sqlite_db.c, in this order. */
enum stmt {
    STMT_BEGIN_READ,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_FLOOR,
    STMT_ITEM_DOWN,
    STMT_ITEM_UP,
    STMT_NEXT_ITEM,
    STMT_VERSION,
    STMT_VERSION_DOC,
    STMT_DOC,
    STMT_SCAN,
    STMT_OUTBOX,
    STMT_OP_FIND,
    STMT_BEGIN_WRITE, /* the first of those that only the writer has */
    STMT_INSERT_VERSION,
    STMT_INSERT_ITEM,
    STMT_INSERT_COLL,
    STMT_UPDATE_COLL,
    STMT_TOP_ID,
    STMT_SET_STATE,
    STMT_NOTE,
    STMT_INDEXED,
    STMT_SETTLE,
    STMT_OP_EXPIRE,
    STMT_QUEUE_ADD,
    STMT_QUEUE_REPLACE,
    STMT_QUEUE_DUE,
    STMT_QUEUE_HIDE,
    STMT_QUEUE_DONE,
    STMT_COUNT
};

enum conn_role { CONN_WRITER, CONN_READER, CONN_CHECKPOINT };

struct recent_reader;
struct sqlite_store;

struct conn {
    struct sqlite_store *store;
    sqlite3 *db;
    enum conn_role role;
    int64_t deadline_us;          /* of the call under way; 0: none */
    int64_t last_row;             /* of what the call under way sees; the writer sees all */
    struct recent_reader *reader; /* of a session, in meta_sqlite_recent.h */
    sqlite3_stmt *stmts[STMT_COUNT];
};

/* meta_sqlite_vfs.c: the file layer under SQLite, and SQLite's settings for the whole process. */
#define SQLITE_VFS_NAME "chronos"
void sqlite_process_init(void); /* repeatable */

/* meta_sqlite_db.c: connections and statements. */
MUST_CHECK enum status conn_open(struct conn *c, struct sqlite_store *s, enum conn_role role,
                                 struct err *err);
MUST_CHECK enum status conn_prepare(struct conn *c, struct err *err);
void conn_release(struct conn *c); /* repeatable */
/* SQL without rows, not subject to faults. */
MUST_CHECK enum status conn_exec(struct conn *c, const char *sql, struct err *err);
/* One integer by SQL, not subject to faults. */
MUST_CHECK enum status conn_int(struct conn *c, const char *sql, int64_t *ret, struct err *err);
/* SQLITE_ROW, SQLITE_DONE or an error; the fault points of statements are in here. */
int conn_step(struct conn *c, sqlite3_stmt *s);
/* Steps a statement that gives no rows, and resets it. */
MUST_CHECK enum status conn_run(struct conn *c, enum stmt which, struct err *err);
/* Turns SQLite's answer into a status and words. */
enum status conn_fail(struct conn *c, int rc, struct err *err);
void conn_rollback(struct conn *c);                   /* nothing to roll back: nothing happens */
void bind_str(sqlite3_stmt *s, int at, struct str v); /* borrowed; STR_NONE is NULL */
struct str column_str(sqlite3_stmt *s, int at);       /* borrowed until the next step or reset */

#endif
