/*
 * From an item to its versions: the B-tree `item`, ordered by collection, id, and ov downwards, so
 * that an item's head is the first of its entries and a listing of heads takes one seek per item.
 *
 * The table lacks the newest entries, which are in memory (meta_sqlite_recent.h): looked for there
 * first, before the snapshot of the table is taken.
 *
 * A reader sees rows up to the last one that was committed when its call began (conn.last_row),
 * in memory and in the table alike: that is its snapshot.
 *
 * There is no index on instants: `at` never decreases along ov, so the version as of an instant is
 * found by halving the range of ovs.
 */
#include "base/clock.h"
#include "store/meta_sqlite_recent.h"

enum {
    REST_SLICE = 512, /* entries of one transaction when nobody writes */
    REST_TIME_MS =
        1000, /* no longer at once: what is left is read again at open, or written later */
};

static sqlite3_stmt *item_stmt(struct conn *c, enum stmt which, int64_t coll, struct str id) {
    sqlite3_stmt *q = c->stmts[which];
    sqlite3_bind_int64(q, 1, coll);
    bind_str(q, 2, id.p == NULL ? STR("") : id);
    if (which != STMT_INSERT_ITEM) sqlite3_bind_int64(q, 5, c->last_row);
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
    struct recent_view view = {coll, id, c->last_row, c->reader};
    if (recent_floor(c->store->recent, &view, ov, ret)) {
        *ret_found = true;
        return OK;
    }
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

static enum status walk_table(struct conn *c, int64_t coll, struct str id,
                              const struct item_walk *walk, bool *ret_more, struct err *err) {
    enum stmt which = walk->reverse ? STMT_ITEM_DOWN : STMT_ITEM_UP;
    sqlite3_stmt *q = item_stmt(c, which, coll, id);
    sqlite3_bind_int64(q, 3, walk->from_ov);
    sqlite3_bind_int64(q, 4, walk->to_ov);
    int rc = SQLITE_ROW;
    while (*ret_more && rc == SQLITE_ROW) {
        rc = conn_step(c, q);
        if (rc != SQLITE_ROW) break;
        struct item_entry e = entry_of(q);
        *ret_more = walk->fn(walk->arg, &e);
    }
    enum status st = rc == SQLITE_ROW || rc == SQLITE_DONE ? OK : conn_fail(c, rc, err);
    sqlite3_reset(q);
    return st;
}

static bool walk_recent(const struct item_walk *walk, const struct item_entry *entries, int count) {
    bool more = true;
    for (int i = 0; more && i < count; i++) {
        more = walk->fn(walk->arg, &entries[walk->reverse ? count - 1 - i : i]);
    }
    return more;
}

/* What is recent comes last, upwards, and first, downwards; the table has what lies before it. */
enum status item_walk(struct conn *c, int64_t coll, struct str id, const struct item_walk *walk,
                      struct err *err) {
    struct recent_view view = {coll, id, c->last_row, c->reader};
    struct item_entry *recent;
    int count = recent_range(c->store->recent, &view, walk->from_ov, walk->to_ov, &recent);
    struct item_walk table = *walk;
    if (count > 0) table.to_ov = recent[0].ov - 1;
    bool more = true;
    if (walk->reverse) more = walk_recent(walk, recent, count);
    enum status st = walk_table(c, coll, id, &table, &more, err);
    if (st == OK && more && !walk->reverse) (void)walk_recent(walk, recent, count);
    free(recent);
    return st;
}

/* The head of the table's first item after an id; *ret_id STR_NONE: no more. */
static enum status table_next(struct conn *c, int64_t coll, struct str after, struct arena *arena,
                              struct recent_head *ret, struct err *err) {
    sqlite3_stmt *q = item_stmt(c, STMT_NEXT_ITEM, coll, after);
    int rc = conn_step(c, q);
    enum status st = OK;
    if (rc == SQLITE_ROW) {
        *ret = (struct recent_head){arena_dup(arena, column_str(q, 4)), entry_of(q)};
    } else if (rc == SQLITE_DONE) {
        ret->id = STR_NONE;
    } else {
        st = conn_fail(c, rc, err);
    }
    sqlite3_reset(q);
    return st;
}

/* Two sorted lists become one; where both have an item, the recent head is the newer one. */
enum status item_heads(struct conn *c, int64_t coll, struct arena *arena, struct item_page *page,
                       struct err *err) {
    struct str after = page->after.p == NULL ? STR("") : page->after;
    struct recent_view view = {coll, after, c->last_row, c->reader};
    struct recent_head *recent = arena_alloc(arena, (size_t)(page->limit + 1) * sizeof *recent);
    int recent_count = recent_heads(c->store->recent, &view, arena, recent, page->limit), at = 0;
    struct recent_head table;
    enum status st = table_next(c, coll, after, arena, &table, err);
    page->count = 0;
    while (st == OK && page->count < page->limit && (at < recent_count || table.id.p != NULL)) {
        int order = table.id.p == NULL   ? -1
                    : at == recent_count ? 1
                                         : str_cmp(recent[at].id, table.id);
        const struct recent_head *next = order <= 0 ? &recent[at++] : &table;
        page->heads[page->count++] = (struct item_head){next->id, next->head.deleted};
        if (order >= 0) st = table_next(c, coll, table.id, arena, &table, err);
    }
    return st;
}

/* ---- ids that cannot be there ---- */

void item_noted(struct collection *c, struct str id) {
    if (c->top == NULL || str_cmp(id, (struct str){c->top, c->top_bytes}) <= 0) return;
    if (id.n > c->top_cap) {
        c->top_cap = id.n;
        c->top = xrealloc(c->top, c->top_cap);
    }
    memcpy(c->top, id.p, id.n);
    c->top_bytes = id.n;
}

static void note_recent(void *arg, struct str id) {
    item_noted(arg, id);
}

/* The greatest id so far: of the table, and of what is recent. */
static enum status top_load(struct sqlite_store *s, struct collection *c, struct err *err) {
    sqlite3_stmt *q = s->writer.stmts[STMT_TOP_ID];
    sqlite3_bind_int64(q, 1, c->no);
    int rc = conn_step(&s->writer, q);
    enum status st = OK;
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        c->top_cap = 32;
        c->top = xmalloc(c->top_cap);
        if (rc == SQLITE_ROW) item_noted(c, column_str(q, 0));
        recent_each_id(s->recent, c->no, note_recent, c);
    } else {
        st = conn_fail(&s->writer, rc, err);
    }
    sqlite3_reset(q);
    return st;
}

enum status item_is_beyond(struct sqlite_store *s, struct collection *c, struct str id, bool *ret,
                           struct err *err) {
    enum status st = c->top == NULL ? top_load(s, c, err) : OK;
    if (st == OK) *ret = str_cmp(id, (struct str){c->top, c->top_bytes}) > 0;
    return st;
}

/* ---- writing it behind the versions ---- */

enum status index_load(struct sqlite_store *s, struct err *err) {
    static const char text[] = "SELECT row, coll, id, ov, at, deleted IS NOT NULL FROM version "
                               "WHERE row > (SELECT indexed FROM store) ORDER BY row";
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->writer.db, text, -1, &q, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(q);
        if (rc != SQLITE_ROW) break;
        struct item_entry e = {.row = sqlite3_column_int64(q, 0),
                               .ov = sqlite3_column_int64(q, 3),
                               .at_ms = sqlite3_column_int64(q, 4),
                               .deleted = sqlite3_column_int(q, 5) != 0};
        recent_load(s->recent, sqlite3_column_int64(q, 1), column_str(q, 2), &e);
    }
    s->visible_row = s->row;
    enum status st = rc == SQLITE_DONE ? OK : conn_fail(&s->writer, rc, err);
    sqlite3_finalize(q);
    return st;
}

static enum status write_entry(void *arg, int64_t coll, struct str id, const struct item_entry *e,
                               struct err *err) {
    struct conn *c = arg;
    sqlite3_stmt *q = item_stmt(c, STMT_INSERT_ITEM, coll, id);
    sqlite3_bind_int64(q, 3, e->ov);
    sqlite3_bind_int64(q, 4, e->row);
    sqlite3_bind_int64(q, 5, e->at_ms);
    sqlite3_bind_int(q, 6, e->deleted);
    return conn_run(c, STMT_INSERT_ITEM, err);
}

enum status index_slice(struct sqlite_store *s, int count, struct err *err) {
    int64_t row;
    if (recent_turn(s->recent, false)) maintenance_wake(s);
    enum status st = recent_slice(s->recent, count, write_entry, &s->writer, &row, err);
    if (st != OK || row == 0) return st;
    sqlite3_bind_int64(s->writer.stmts[STMT_INDEXED], 1, row);
    return conn_run(&s->writer, STMT_INDEXED, err);
}

static enum status rest_slice(struct sqlite_store *s) {
    enum status st = write_begin(s, NULL);
    if (st != OK) return st;
    if (recent_turn(s->recent, true)) recent_sort(s->recent);
    st = index_slice(s, REST_SLICE, NULL);
    if (st == OK) {
        st = write_commit(s, NULL);
    } else {
        conn_rollback(&s->writer);
    }
    recent_slice_done(s->recent, st == OK);
    gate_leave(s);
    return st;
}

void index_rest(struct sqlite_store *s) {
    int64_t until_us = clock_mono_us() + REST_TIME_MS * INT64_C(1000);
    recent_sort(s->recent);
    enum status st = OK;
    while (st == OK && !recent_is_empty(s->recent) && clock_mono_us() < until_us) {
        st = rest_slice(s);
    }
}
