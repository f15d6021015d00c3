/*
 * Write transactions of the embedded store.
 *
 *      gate_enter -> [settle] -> BEGIN IMMEDIATE -> statements -> COMMIT -> publish -> gate_leave
 *                                       |               |            |
 *                                       +---------------+-- ROLLBACK-+
 *
 * A group is one such transaction, and so one fsync. Numbers and totals are taken in memory and
 * become the collection's when the commit is durable; an abort forgets them.
 *
 * A commit that failed. SQLite rolls it back, and no reader sees it; but its pages may have reached
 * the write-ahead log, complete and valid, and recovery after a crash would take them for
 * committed. Unless the disk was full (then the last page, which makes the commit, is not there),
 * the outcome is settled at once: a further small commit writes over the place where the failed one
 * began, which breaks the chain of checksums behind it. When that commit is durable, the failed one
 * certainly never was: TRYAGAIN. When it fails too, the answer is TIMEDOUT, and every later
 * transaction settles first.
 */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "store/meta_sqlite_recent.h"

/* The gate. */

static struct timespec gate_deadline(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += GATE_DEADLINE_MS / 1000;
    return t;
}

enum status gate_enter(struct sqlite_store *s, bool maintenance, struct err *err) {
    struct timespec until = gate_deadline();
    int rc = 0;
    pthread_mutex_lock(&s->gate_lock);
    if (maintenance) s->gate_maintenance = true;
    while (rc == 0 && (s->gate_busy || (s->gate_maintenance && !maintenance))) {
        rc = pthread_cond_timedwait(&s->gate_free, &s->gate_lock, &until);
    }
    if (rc == 0) s->gate_busy = true;
    if (maintenance) {
        s->gate_maintenance = false;
        if (rc != 0) pthread_cond_broadcast(&s->gate_free);
    }
    pthread_mutex_unlock(&s->gate_lock);
    if (rc == 0) return OK;
    return err_set(err, ERR_TRYAGAIN, "%s: the commit before this one did not end within %d ms",
                   s->db_path, GATE_DEADLINE_MS);
}

void gate_leave(struct sqlite_store *s) {
    pthread_mutex_lock(&s->gate_lock);
    ASSERT(s->gate_busy);
    s->gate_busy = false;
    pthread_cond_broadcast(&s->gate_free);
    pthread_mutex_unlock(&s->gate_lock);
}

/* Transactions. */

/* Commits nothing of meaning, over the place where the failed commit began. */
static enum status settle(struct sqlite_store *s, struct err *err) {
    struct conn *c = &s->writer;
    enum status st = conn_run(c, STMT_BEGIN_WRITE, err);
    if (st == OK) st = conn_run(c, STMT_SETTLE, err);
    if (st == OK) st = conn_run(c, STMT_COMMIT, err);
    if (st != OK) conn_rollback(c);
    s->unsettled = st != OK;
    return st;
}

enum status write_begin(struct sqlite_store *s, struct err *err) {
    wal_relieve(s);
    enum status st = gate_enter(s, false, err);
    if (st != OK) return st;
    struct err why;
    if (wal_is_full(s)) {
        st = err_set(err, ERR_TRYAGAIN,
                     "%s has grown to its limit, since it cannot be written back (%s): see to the "
                     "disk of the data folder",
                     s->wal_path, sqlite3_errstr(s->checkpoint_code));
    } else if (s->unsettled && settle(s, &why) != OK) {
        st = err_set(err, ERR_TRYAGAIN, "%s", why.msg);
    } else {
        st = conn_run(&s->writer, STMT_BEGIN_WRITE, err);
    }
    if (st != OK) gate_leave(s);
    return st;
}

enum status write_commit(struct sqlite_store *s, struct err *err) {
    struct conn *c = &s->writer;
    struct err why;
    enum status st = conn_run(c, STMT_COMMIT, &why);
    if (st == OK) {
        metric_add(METRIC_COMMITS, 1);
        wal_committed(s);
        return OK;
    }
    bool begun = sqlite3_get_autocommit(c->db) != 0; /* SQLite has rolled it back already */
    bool full = (sqlite3_extended_errcode(c->db) & 0xff) == SQLITE_FULL;
    conn_rollback(c);
    if (!begun || full || settle(s, NULL) == OK) {
        return err_set(err, st == ERR_CORRUPT ? st : ERR_TRYAGAIN, "%s", why.msg);
    }
    return err_set(err, ERR_TIMEDOUT, "the outcome of the commit is unknown: %s", why.msg);
}

/* Groups. */

static void group_forget(struct meta_group *g) {
    recent_slice_done(g->store->recent, false);
    recent_abort(g->store->recent);
    for (int i = 0; i < g->dirty_count; i++) {
        g->dirty[i]->pending = g->dirty[i]->committed;
        g->dirty[i]->dirty = false;
    }
    g->dirty_count = 0;
}

static void group_publish(struct meta_group *g) {
    struct sqlite_store *s = g->store;
    recent_slice_done(s->recent, true);
    recent_commit(s->recent);
    pthread_mutex_lock(&s->coll_lock);
    for (int i = 0; i < g->dirty_count; i++) {
        g->dirty[i]->committed = g->dirty[i]->pending;
        g->dirty[i]->dirty = false;
    }
    pthread_mutex_unlock(&s->coll_lock);
    g->dirty_count = 0;
    s->row = g->row;
    s->visible_row = g->row; /* its recent entries are there */
    if (g->at_ms != TIME_NONE) s->at_ms = g->at_ms;
    metric_add(METRIC_VERSIONS, g->versions);
}

static enum status sqlite_group_begin(struct meta *m, struct meta_group **ret, struct err *err) {
    struct sqlite_store *s = store_of(m);
    enum status st = write_begin(s, err);
    if (st != OK) return st;
    struct meta_group *g = &s->group;
    g->store = s;
    g->at_ms = TIME_NONE;
    g->row = s->row;
    g->versions = 0;
    g->dirty_count = 0;
    *ret = g;
    return OK;
}

static void group_touch(struct meta_group *g, struct collection *c) {
    if (c->dirty) return;
    c->dirty = true;
    if (g->dirty_count == g->dirty_cap) {
        g->dirty_cap = g->dirty_cap == 0 ? 16 : g->dirty_cap * 2;
        g->dirty = xrealloc(g->dirty, (size_t)g->dirty_cap * sizeof(struct collection *));
    }
    g->dirty[g->dirty_count++] = c;
}

static enum status sqlite_group_take(struct meta_group *g, const struct meta_coll *coll, int count,
                                     struct meta_numbers *ret, struct err *err) {
    (void)err;
    ASSERT(count > 0);
    struct collection *c = coll_of(g->store, coll->no);
    if (g->at_ms == TIME_NONE) {
        int64_t now = clock_now_ms();
        g->at_ms = now > g->store->at_ms ? now : g->store->at_ms;
    }
    group_touch(g, c);
    *ret = (struct meta_numbers){.cv = c->pending.cv + 1, .at_ms = g->at_ms};
    c->pending.cv += count;
    c->pending.at_ms = g->at_ms;
    return OK;
}

/* Swaps. */

/* The handle of the payload: NULL in the row means the row itself, 0 the payload store. */
struct payload_place {
    bool own;
    int64_t row;
};

/* Where next's payload is. A version that carries an earlier one's may leave payload_row 0 when
 * that version has no handle yet, being in this group itself: it is found by payload_ov. */
static enum status payload_place(struct meta_group *g, const struct meta_swap *swap,
                                 struct payload_place *ret, struct err *err) {
    const struct version *v = swap->next;
    *ret = (struct payload_place){.own = false, .row = v->payload_row};
    if (v->blob_key.p != NULL) {
        ret->row = 0;
        return OK;
    }
    if (v->payload_ov == v->ov) {
        ASSERT(v->doc.p != NULL);
        ret->own = true;
        return OK;
    }
    if (v->payload_row != 0) return OK;
    struct item_entry e;
    bool found;
    enum status st =
        item_floor(&g->store->writer, swap->coll->no, v->id, v->payload_ov, &e, &found, err);
    if (st != OK) return st;
    if (!found || e.ov != v->payload_ov) {
        return err_set(err, ERR_CORRUPT, "%s: version %lld, whose payload is wanted, is missing",
                       g->store->db_path, (long long)v->payload_ov);
    }
    ret->row = e.row;
    return OK;
}

static enum status version_insert(struct meta_group *g, const struct meta_swap *swap,
                                  const struct payload_place *payload, struct err *err) {
    const struct version *v = swap->next;
    sqlite3_stmt *q = g->store->writer.stmts[STMT_INSERT_VERSION];
    sqlite3_bind_int64(q, 1, g->row + 1);
    sqlite3_bind_int64(q, 2, swap->coll->no);
    bind_str(q, 3, v->id);
    sqlite3_bind_int64(q, 4, v->ov);
    sqlite3_bind_int64(q, 5, v->cv);
    sqlite3_bind_int64(q, 6, v->at_ms);
    sqlite3_bind_int64(q, 7, v->created_ms);
    if (version_is_deleted(v)) {
        sqlite3_bind_int64(q, 8, v->deleted_ms);
    } else {
        sqlite3_bind_null(q, 8);
    }
    sqlite3_bind_int(q, 9, (int)v->op);
    sqlite3_bind_int(q, 10, (int)v->verb);
    sqlite3_bind_int(q, 11, (int)v->state);
    sqlite3_bind_int64(q, 12, v->size);
    sqlite3_bind_blob(q, 13, v->checksum, SHA256_BYTES, SQLITE_STATIC);
    bind_str(q, 14, v->op_id);
    bind_str(q, 15, v->actor);
    bind_str(q, 16, v->reason);
    bind_str(q, 17, v->function_id);
    if (payload->own) {
        sqlite3_bind_null(q, 18);
    } else {
        sqlite3_bind_int64(q, 18, payload->row);
    }
    sqlite3_bind_int64(q, 19, v->payload_ov);
    bind_str(q, 20, v->bucket);
    bind_str(q, 21, v->blob_key);
    bind_str(q, 22, payload->own ? v->doc : STR_NONE);
    return conn_run(&g->store->writer, STMT_INSERT_VERSION, err);
}

static void totals_add(struct meta_totals *t, const struct version *v, bool was_live) {
    bool live = !version_is_deleted(v);
    switch (v->op) {
    case OP_CREATE:
        t->created++;
        break;
    case OP_UPDATE:
        t->updated++;
        break;
    case OP_DELETE:
        t->deleted++;
        break;
    case OP_RESTORE:
        if (live) {
            t->updated++;
        } else {
            t->deleted++;
        }
        break;
    case OP_ERASE:
        break;
    default:
        ASSERT(false);
    }
    t->live += (live ? 1 : 0) - (was_live ? 1 : 0);
}

static enum status swap_one(struct meta_group *g, struct meta_swap *swap, struct err *err) {
    const struct version *v = swap->next;
    ASSERT(v->ov > swap->expected_ov);
    struct collection *c = coll_of(g->store, swap->coll->no);
    struct item_entry head = {.ov = -1};
    bool found = false, beyond = false;
    enum status st = OK;
    if (swap->fresh) st = item_is_beyond(g->store, c, v->id, &beyond, err);
    if (st == OK && !beyond) {
        st = item_floor(&g->store->writer, c->no, v->id, INT64_MAX, &head, &found, err);
    }
    if (st != OK) return st;
    swap->applied = swap->expected_ov == (found ? head.ov : -1);
    if (!swap->applied) return OK;

    struct payload_place payload;
    st = payload_place(g, swap, &payload, err);
    if (st == OK) st = version_insert(g, swap, &payload, err);
    if (st != OK) return st;
    swap->row = ++g->row;
    recent_pend(g->store->recent, c->no, v->id,
                &(struct item_entry){v->ov, swap->row, v->at_ms, version_is_deleted(v)});
    item_noted(c, v->id);
    g->versions++;
    group_touch(g, c);
    totals_add(&c->pending, v, found && !head.deleted);
    return OK;
}

static enum status sqlite_group_swap(struct meta_group *g, struct meta_swap *swaps, int count,
                                     struct err *err) {
    for (int i = 0; i < count; i++) {
        enum status st = swap_one(g, &swaps[i], err);
        if (st != OK) return st;
    }
    return OK;
}

static enum status collection_update(struct meta_group *g, const struct collection *c,
                                     struct err *err) {
    sqlite3_stmt *q = g->store->writer.stmts[STMT_UPDATE_COLL];
    sqlite3_bind_int64(q, 1, c->no);
    sqlite3_bind_int64(q, 2, c->pending.cv);
    sqlite3_bind_int64(q, 3, c->pending.at_ms);
    sqlite3_bind_int64(q, 4, c->pending.created);
    sqlite3_bind_int64(q, 5, c->pending.updated);
    sqlite3_bind_int64(q, 6, c->pending.deleted);
    sqlite3_bind_int64(q, 7, c->pending.live);
    return conn_run(&g->store->writer, STMT_UPDATE_COLL, err);
}

/* Twice as many as came: what is written keeps ahead of what gathers. */
static int slice_entries(const struct meta_group *g) {
    int64_t entries = g->versions * 2;
    return entries < RECENT_SLICE_MIN ? RECENT_SLICE_MIN : (int)entries;
}

static enum status sqlite_group_end(struct meta_group *g, struct err *err) {
    enum status st = OK;
    for (int i = 0; st == OK && i < g->dirty_count; i++) {
        st = collection_update(g, g->dirty[i], err);
    }
    if (st == OK) st = index_slice(g->store, slice_entries(g), err);
    if (st == OK) {
        st = write_commit(g->store, err);
    } else {
        conn_rollback(&g->store->writer);
    }
    if (st == OK) {
        group_publish(g);
    } else {
        group_forget(g);
    }
    gate_leave(g->store);
    return st;
}

static void sqlite_group_abort(struct meta_group *g) {
    conn_rollback(&g->store->writer);
    group_forget(g);
    gate_leave(g->store);
}

void write_fill(struct meta_ops *ops) {
    ops->group_begin = sqlite_group_begin;
    ops->group_take = sqlite_group_take;
    ops->group_swap = sqlite_group_swap;
    ops->group_end = sqlite_group_end;
    ops->group_abort = sqlite_group_abort;
}
