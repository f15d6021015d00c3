/*
 * Noted operations (inside the group that they belong to), states of payloads, and the durable
 * queue: each a small table with an index on the instant that matters.
 */
#include "base/clock.h"
#include "store/meta_sqlite.h"

enum {
    EXPIRE_AT_ONCE = 2000
}; /* operations removed by one transaction: the gate is not kept long */

/* Noted operations. */

static enum status note_one(struct conn *c, int64_t keep_ms, struct str database,
                            const struct meta_op *op, struct err *err) {
    sqlite3_stmt *q = c->stmts[STMT_NOTE];
    bind_str(q, 1, database);
    bind_str(q, 2, op->op_id);
    sqlite3_bind_blob(q, 3, op->request, SHA256_BYTES, SQLITE_STATIC);
    bind_str(q, 4, op->key.p == NULL ? STR("") : op->key);
    sqlite3_bind_int64(q, 5, op->at_ms);
    sqlite3_bind_int64(q, 6, op->expires_ms != 0 ? op->expires_ms : op->at_ms + keep_ms);
    bind_str(q, 7, op->answer.p == NULL ? STR("") : op->answer);
    return conn_run(c, STMT_NOTE, err);
}

static enum status sqlite_group_note(struct meta_group *g, struct str database,
                                     const struct meta_op *ops, int count, struct err *err) {
    enum status st = OK;
    for (int i = 0; st == OK && i < count; i++) {
        st = note_one(&g->store->writer, g->store->options.op_keep_ms, database, &ops[i], err);
    }
    return st;
}

static enum status op_take(struct conn *c, sqlite3_stmt *q, struct str op_id, struct arena *arena,
                           struct meta_op *ret, struct err *err) {
    struct str request = column_str(q, 0);
    if (request.n != SHA256_BYTES) {
        return err_set(err, ERR_CORRUPT, "%s is damaged (operation %.*s): put back a backup",
                       c->store->db_path, STR_FMT(op_id));
    }
    *ret = (struct meta_op){.op_id = arena_dup(arena, op_id),
                            .key = arena_dup(arena, column_str(q, 1)),
                            .at_ms = sqlite3_column_int64(q, 2),
                            .expires_ms = sqlite3_column_int64(q, 3),
                            .answer = arena_dup(arena, column_str(q, 4))};
    memcpy(ret->request, request.p, SHA256_BYTES);
    return OK;
}

static enum status sqlite_op_find(struct meta_session *s, struct str database, struct str op_id,
                                  struct arena *arena, struct meta_op *ret, bool *ret_found,
                                  struct err *err) {
    struct conn *c = &s->conn;
    sqlite3_stmt *q = c->stmts[STMT_OP_FIND];
    bind_str(q, 1, database);
    bind_str(q, 2, op_id);
    sqlite3_bind_int64(q, 3, clock_now_ms());
    c->deadline_us = clock_mono_us() + READ_DEADLINE_MS * INT64_C(1000);
    int rc = conn_step(c, q);
    enum status st = OK;
    if (rc == SQLITE_ROW) {
        st = op_take(c, q, op_id, arena, ret, err);
    } else if (rc != SQLITE_DONE) {
        st = conn_fail(c, rc, err);
    }
    if (st == OK) *ret_found = rc == SQLITE_ROW;
    sqlite3_reset(q);
    c->deadline_us = 0;
    return st;
}

/* One transaction of the writer around a function. */
typedef enum status write_fn(struct conn *c, void *arg, struct err *err);

static enum status write_once(struct sqlite_store *s, write_fn *fn, void *arg, struct err *err) {
    enum status st = write_begin(s, err);
    if (st != OK) return st;
    st = fn(&s->writer, arg, err);
    if (st == OK) {
        st = write_commit(s, err);
    } else {
        conn_rollback(&s->writer);
    }
    gate_leave(s);
    return st;
}

static enum status expire_some(struct conn *c, void *arg, struct err *err) {
    int64_t *ret_removed = arg;
    sqlite3_stmt *q = c->stmts[STMT_OP_EXPIRE];
    sqlite3_bind_int64(q, 1, clock_now_ms());
    sqlite3_bind_int(q, 2, EXPIRE_AT_ONCE);
    enum status st = conn_run(c, STMT_OP_EXPIRE, err);
    if (st == OK) *ret_removed = sqlite3_changes(c->db);
    return st;
}

/* Removes expired operations. What fails is tried again at the next tick. */
void queue_tick(struct sqlite_store *s) {
    int64_t removed = EXPIRE_AT_ONCE;
    while (removed == EXPIRE_AT_ONCE) {
        if (write_once(s, expire_some, &removed, NULL) != OK) return;
    }
}

/* States of payloads. */

struct state_change {
    const int64_t *rows;
    int count;
    enum version_state state;
};

static enum status state_write(struct conn *c, void *arg, struct err *err) {
    const struct state_change *change = arg;
    enum status st = OK;
    for (int i = 0; st == OK && i < change->count; i++) {
        sqlite3_stmt *q = c->stmts[STMT_SET_STATE];
        sqlite3_bind_int64(q, 1, change->rows[i]);
        sqlite3_bind_int(q, 2, (int)change->state);
        st = conn_run(c, STMT_SET_STATE, err);
    }
    return st;
}

static enum status sqlite_set_state(struct meta *m, const int64_t *rows, int count,
                                    enum version_state state, struct err *err) {
    struct state_change change = {.rows = rows, .count = count, .state = state};
    return count == 0 ? OK : write_once(store_of(m), state_write, &change, err);
}

/* The queue. */

static enum status queue_write(struct conn *c, void *arg, struct err *err) {
    const struct meta_queued *r = arg;
    enum stmt which = r->no == 0 ? STMT_QUEUE_ADD : STMT_QUEUE_REPLACE;
    sqlite3_stmt *q = c->stmts[which];
    bind_str(q, 1, r->kind.p == NULL ? STR("") : r->kind);
    bind_str(q, 2, r->key.p == NULL ? STR("") : r->key);
    bind_str(q, 3, r->body.p == NULL ? STR("") : r->body);
    sqlite3_bind_int64(q, 4, r->due_ms);
    sqlite3_bind_int(q, 5, r->attempts);
    if (r->no != 0) sqlite3_bind_int64(q, 6, r->no);
    return conn_run(c, which, err);
}

static enum status sqlite_queue_put(struct meta *m, const struct meta_queued *record,
                                    struct err *err) {
    struct meta_queued copy = *record;
    return write_once(store_of(m), queue_write, &copy, err);
}

struct queue_taking {
    const struct meta_take *take;
    struct arena *arena;
    struct meta_queued *records;
    int count;
};

static enum status queue_due(struct conn *c, struct queue_taking *t, struct err *err) {
    struct str kind = t->take->kind.p == NULL ? STR("") : t->take->kind;
    sqlite3_stmt *q = c->stmts[STMT_QUEUE_DUE];
    bind_str(q, 1, kind);
    sqlite3_bind_int64(q, 2, t->take->now_ms);
    sqlite3_bind_int(q, 3, t->take->limit);
    enum status st = OK;
    while (t->count < t->take->limit) {
        int rc = conn_step(c, q);
        if (rc != SQLITE_ROW) {
            if (rc != SQLITE_DONE) st = conn_fail(c, rc, err);
            break;
        }
        t->records[t->count++] = (struct meta_queued){
            .no = sqlite3_column_int64(q, 0),
            .kind = arena_dup(t->arena, kind),
            .key = arena_dup(t->arena, column_str(q, 1)),
            .body = arena_dup(t->arena, column_str(q, 2)),
            .due_ms = t->take->hide_ms,
            .attempts = sqlite3_column_int(q, 4) + 1,
        };
    }
    sqlite3_reset(q);
    return st;
}

static enum status queue_hide(struct conn *c, void *arg, struct err *err) {
    struct queue_taking *t = arg;
    enum status st = queue_due(c, t, err);
    for (int i = 0; st == OK && i < t->count; i++) {
        sqlite3_stmt *q = c->stmts[STMT_QUEUE_HIDE];
        sqlite3_bind_int64(q, 1, t->records[i].no);
        sqlite3_bind_int64(q, 2, t->take->hide_ms);
        st = conn_run(c, STMT_QUEUE_HIDE, err);
    }
    return st;
}

static enum status sqlite_queue_take(struct meta *m, const struct meta_take *take,
                                     struct arena *arena, struct meta_queued *ret, int *ret_count,
                                     struct err *err) {
    struct queue_taking t = {.take = take, .arena = arena, .records = ret};
    enum status st = write_once(store_of(m), queue_hide, &t, err);
    if (st == OK) *ret_count = t.count;
    return st;
}

static enum status queue_remove(struct conn *c, void *arg, struct err *err) {
    sqlite3_bind_int64(c->stmts[STMT_QUEUE_DONE], 1, *(const int64_t *)arg);
    return conn_run(c, STMT_QUEUE_DONE, err);
}

static enum status sqlite_queue_done(struct meta *m, int64_t no, struct err *err) {
    return write_once(store_of(m), queue_remove, &no, err);
}

void queue_fill(struct meta_ops *ops) {
    ops->group_note = sqlite_group_note;
    ops->op_find = sqlite_op_find;
    ops->set_state = sqlite_set_state;
    ops->queue_put = sqlite_queue_put;
    ops->queue_take = sqlite_queue_take;
    ops->queue_done = sqlite_queue_done;
}
