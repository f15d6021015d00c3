/*
 * From an item to its versions: the B-tree `item`, ordered by collection, id, and ov downwards, so
 * that an item's head is the first of its entries and a listing of heads takes one seek per item.
 *
 * There is no index on instants: `at` never decreases along ov, so the version as of an instant is
 * found by halving the range of ovs.
 */
#include "store/meta_sqlite.h"

static sqlite3_stmt *item_stmt(struct conn *c, enum stmt which, int64_t coll, struct str id) {
    sqlite3_stmt *q = c->stmts[which];
    sqlite3_bind_int64(q, 1, coll);
    bind_str(q, 2, id.p == NULL ? STR("") : id);
    return q;
}

static struct item_entry entry_of(sqlite3_stmt *q) {
    return (struct item_entry){.ov = sqlite3_column_int64(q, 0),
                               .row = sqlite3_column_int64(q, 1),
                               .at_ms = sqlite3_column_int64(q, 2),
                               .deleted = sqlite3_column_int(q, 3) != 0};
}

enum status item_floor(struct conn *c, int64_t coll, struct str id, int64_t ov,
                       struct item_entry *ret, bool *ret_found, struct err *err) {
    sqlite3_stmt *q = item_stmt(c, STMT_FLOOR, coll, id);
    sqlite3_bind_int64(q, 3, ov);
    int rc = conn_step(c, q);
    enum status st = OK;
    if (rc == SQLITE_ROW) {
        *ret = entry_of(q);
        *ret_found = true;
    } else if (rc == SQLITE_DONE) {
        *ret_found = false;
    } else {
        st = conn_fail(c, rc, err);
    }
    sqlite3_reset(q);
    return st;
}

enum status item_floor_at(struct conn *c, int64_t coll, struct str id, int64_t at_ms,
                          struct item_entry *ret, bool *ret_found, struct err *err) {
    struct item_entry e, best = {.ov = -1};
    bool found;
    enum status st = item_floor(c, coll, id, INT64_MAX, &e, &found, err);
    if (st != OK) return st;
    if (!found || e.at_ms <= at_ms) {
        if (found) *ret = e;
        *ret_found = found;
        return OK;
    }
    /* The answer lies in [low, high]; entries above high are too late, best is in time. */
    int64_t low = 0, high = e.ov - 1;
    while (low <= high) {
        int64_t mid = low + (high - low) / 2;
        st = item_floor(c, coll, id, mid, &e, &found, err);
        if (st != OK) return st;
        if (!found || e.ov < low) {
            low = mid + 1; /* no version has an ov in [low, mid] */
        } else if (e.at_ms <= at_ms) {
            best = e;
            low = mid + 1;
        } else {
            high = e.ov - 1;
        }
    }
    *ret_found = best.ov >= 0;
    if (*ret_found) *ret = best;
    return OK;
}

enum status item_walk(struct conn *c, int64_t coll, struct str id, const struct item_walk *walk,
                      struct err *err) {
    enum stmt which = walk->reverse ? STMT_ITEM_DOWN : STMT_ITEM_UP;
    sqlite3_stmt *q = item_stmt(c, which, coll, id);
    sqlite3_bind_int64(q, 3, walk->from_ov);
    sqlite3_bind_int64(q, 4, walk->to_ov);
    int rc = SQLITE_ROW;
    while (rc == SQLITE_ROW) {
        rc = conn_step(c, q);
        if (rc != SQLITE_ROW) break;
        struct item_entry e = entry_of(q);
        if (!walk->fn(walk->arg, &e)) rc = SQLITE_DONE;
    }
    enum status st = rc == SQLITE_DONE ? OK : conn_fail(c, rc, err);
    sqlite3_reset(q);
    return st;
}

enum status item_next(struct conn *c, int64_t coll, struct str after, struct arena *arena,
                      struct str *ret_id, struct item_entry *ret, struct err *err) {
    sqlite3_stmt *q = item_stmt(c, STMT_NEXT_ITEM, coll, after);
    int rc = conn_step(c, q);
    enum status st = OK;
    if (rc == SQLITE_ROW) {
        *ret = entry_of(q);
        *ret_id = arena_dup(arena, column_str(q, 4));
    } else if (rc == SQLITE_DONE) {
        *ret_id = STR_NONE;
    } else {
        st = conn_fail(c, rc, err);
    }
    sqlite3_reset(q);
    return st;
}
