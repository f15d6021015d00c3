/*
 * Sessions of the embedded store: every call is one read transaction (one snapshot), as short as
 * the call, so that no session keeps the write-ahead log from starting again. A call has
 * READ_DEADLINE_MS; what takes longer is interrupted and answers TRYAGAIN.
 *
 * A version is found by way of the items' B-tree, then read by its row. The payload of a tombstone
 * or a restore is the document of an earlier row, which payload_row names.
 */
#include "base/clock.h"
#include "store/meta_sqlite_recent.h"

/* Calls. */

static enum status call_begin(struct meta_session *s, struct err *err) {
    s->conn.deadline_us = clock_mono_us() + READ_DEADLINE_MS * INT64_C(1000);
    if (s->held) return OK;
    recent_reader_begin(s->conn.store->recent, s->conn.reader);
    s->conn.last_row = s->conn.store->visible_row;
    return conn_run(&s->conn, STMT_BEGIN_READ, err);
}

static enum status call_end(struct meta_session *s, enum status st, struct err *err) {
    s->conn.deadline_us = 0;
    if (s->held) return st;
    /* A call that failed within a snapshot may have ended its transaction. */
    bool over = sqlite3_get_autocommit(s->conn.db) != 0;
    if (st == OK && !over) st = conn_run(&s->conn, STMT_COMMIT, err);
    if (st != OK) conn_rollback(&s->conn);
    recent_reader_end(s->conn.reader);
    return st;
}

/* Calls between on and off share one transaction and one last row: one state of the store. */
static enum status sqlite_snapshot(struct meta_session *s, bool on, struct err *err) {
    if (on == s->held) return OK;
    if (!on) {
        s->held = false;
        return call_end(s, OK, err);
    }
    enum status st = call_begin(s, err);
    s->held = st == OK;
    return st == OK ? OK : call_end(s, st, err);
}

/* Versions. */

enum { DOC_COLUMN = 20 }; /* behind the columns of VERSION_COLUMNS in meta_sqlite_db.c */

static enum status row_damaged(struct conn *c, int64_t row, struct err *err) {
    return err_set(err, ERR_CORRUPT, "%s is damaged (version in row %lld): put back a backup",
                   c->store->db_path, (long long)row);
}

/* The columns of the present row, slices borrowed from it. */
static bool version_columns(sqlite3_stmt *q, struct version *v) {
    int op = sqlite3_column_int(q, 7), verb = sqlite3_column_int(q, 8);
    int state = sqlite3_column_int(q, 9);
    struct str checksum = column_str(q, 11);
    bool good = op >= 0 && op <= OP_ERASE && verb >= 0 && verb <= VERB_ERASE && state >= 0 &&
                state <= STATE_PROCESSED && checksum.n == SHA256_BYTES;
    if (!good) return false;
    bool deleted = sqlite3_column_type(q, 6) != SQLITE_NULL;
    bool own = sqlite3_column_type(q, 16) == SQLITE_NULL;
    int64_t row = sqlite3_column_int64(q, 0);
    *v = (struct version){.row = row,
                          .id = column_str(q, 1),
                          .ov = sqlite3_column_int64(q, 2),
                          .cv = sqlite3_column_int64(q, 3),
                          .at_ms = sqlite3_column_int64(q, 4),
                          .created_ms = sqlite3_column_int64(q, 5),
                          .deleted_ms = deleted ? sqlite3_column_int64(q, 6) : TIME_NONE,
                          .op = (enum version_op)op,
                          .verb = (enum version_verb)verb,
                          .state = (enum version_state)state,
                          .size = sqlite3_column_int64(q, 10),
                          .op_id = column_str(q, 12),
                          .actor = column_str(q, 13),
                          .reason = column_str(q, 14),
                          .function_id = column_str(q, 15),
                          .payload_row = own ? row : sqlite3_column_int64(q, 16),
                          .payload_ov = sqlite3_column_int64(q, 17),
                          .bucket = column_str(q, 18),
                          .blob_key = column_str(q, 19)};
    memcpy(v->checksum, checksum.p, SHA256_BYTES);
    return true;
}

/* The document of another row into *v, which is copied then. */
static enum status with_payload_of(struct conn *c, struct version *v, struct version **ret,
                                   struct err *err) {
    sqlite3_stmt *q = c->stmts[STMT_DOC];
    sqlite3_bind_int64(q, 1, v->payload_row);
    int rc = conn_step(c, q);
    enum status st = OK;
    if (rc == SQLITE_ROW) {
        v->doc = column_str(q, 0);
        st = v->doc.p == NULL ? row_damaged(c, v->payload_row, err) : OK;
    } else {
        st = rc == SQLITE_DONE ? row_damaged(c, v->payload_row, err) : conn_fail(c, rc, err);
    }
    if (st == OK) *ret = version_new(v);
    sqlite3_reset(q);
    return st;
}

static enum status version_of(struct conn *c, sqlite3_stmt *q, int64_t row, bool with_doc,
                              struct version **ret, struct err *err) {
    struct version v;
    if (!version_columns(q, &v)) return row_damaged(c, row, err);
    if (with_doc && v.payload_row == v.row) {
        v.doc = column_str(q, DOC_COLUMN);
        if (v.doc.p == NULL) return row_damaged(c, row, err);
    } else if (with_doc && v.payload_row != 0) {
        return with_payload_of(c, &v, ret, err);
    }
    *ret = version_new(&v);
    return OK;
}

/* The version in a row; NULL when there is none. */
static enum status version_read(struct conn *c, int64_t row, bool with_doc, struct version **ret,
                                struct err *err) {
    sqlite3_stmt *q = c->stmts[with_doc ? STMT_VERSION_DOC : STMT_VERSION];
    sqlite3_bind_int64(q, 1, row);
    int rc = conn_step(c, q);
    enum status st = OK;
    if (rc == SQLITE_ROW) {
        st = version_of(c, q, row, with_doc, ret, err);
    } else if (rc == SQLITE_DONE) {
        *ret = NULL;
    } else {
        st = conn_fail(c, rc, err);
    }
    sqlite3_reset(q);
    return st;
}

/* The same for a row that an entry of the items names: it must be there. */
static enum status version_named(struct conn *c, int64_t row, bool with_doc, struct version **ret,
                                 struct err *err) {
    enum status st = version_read(c, row, with_doc, ret, err);
    return st == OK && *ret == NULL ? row_damaged(c, row, err) : st;
}

/* One version of one item. */

static enum status head_read(struct conn *c, int64_t coll, struct str id, bool with_doc,
                             struct version **ret, struct err *err) {
    struct item_entry e;
    bool found;
    enum status st = item_floor(c, coll, id, INT64_MAX, &e, &found, err);
    if (st == OK && found) return version_named(c, e.row, with_doc, ret, err);
    if (st == OK) *ret = NULL;
    return st;
}

static enum status sqlite_heads(struct meta_session *s, const struct meta_coll *coll,
                                const struct str *ids, int count, bool with_doc,
                                struct version **ret, struct err *err) {
    enum status st = call_begin(s, err);
    int done = 0;
    for (; st == OK && done < count; done++) {
        st = head_read(&s->conn, coll->no, ids[done], with_doc, &ret[done], err);
        if (st != OK) break;
    }
    st = call_end(s, st, err);
    if (st != OK) versions_drop(ret, done);
    return st;
}

static enum status sqlite_by_ov(struct meta_session *s, const struct meta_coll *coll, struct str id,
                                int64_t ov, bool with_doc, struct version **ret, struct err *err) {
    struct item_entry e = {.ov = -1};
    bool found = false;
    struct version *v = NULL;
    enum status st = call_begin(s, err);
    if (st == OK) st = item_floor(&s->conn, coll->no, id, ov, &e, &found, err);
    if (st == OK && found && e.ov == ov) {
        st = version_named(&s->conn, e.row, with_doc, &v, err);
    }
    st = call_end(s, st, err);
    if (st == OK) {
        *ret = v;
    } else {
        version_unref(v);
    }
    return st;
}

static enum status sqlite_by_instant(struct meta_session *s, const struct meta_coll *coll,
                                     struct str id, int64_t at_ms, bool with_doc,
                                     struct version **ret, struct err *err) {
    struct item_entry e;
    bool found = false;
    struct version *v = NULL;
    enum status st = call_begin(s, err);
    if (st == OK) st = item_floor_at(&s->conn, coll->no, id, at_ms, &e, &found, err);
    if (st == OK && found) st = version_named(&s->conn, e.row, with_doc, &v, err);
    st = call_end(s, st, err);
    if (st == OK) {
        *ret = v;
    } else {
        version_unref(v);
    }
    return st;
}

static enum status sqlite_by_row(struct meta_session *s, int64_t row, bool with_doc,
                                 struct version **ret, struct err *err) {
    struct version *v = NULL;
    enum status st = call_begin(s, err);
    if (st == OK) st = version_read(&s->conn, row, with_doc, &v, err);
    st = call_end(s, st, err);
    if (st == OK) {
        *ret = v;
    } else {
        version_unref(v);
    }
    return st;
}

/* Many versions of one item. */

struct range_walk {
    struct conn *conn;
    const struct meta_range *range;
    struct version **versions;
    int count;
    enum status st;
    struct err *err;
};

static bool range_entry(void *arg, const struct item_entry *e) {
    struct range_walk *w = arg;
    bool early = e->at_ms<w->range->since_ms, late = e->at_ms> w->range->until_ms;
    /* at never decreases along ov: beyond the far end nothing more can match. */
    if (w->range->reverse ? early : late) return false;
    if (early || late) return true;
    w->st = version_named(w->conn, e->row, w->range->with_doc, &w->versions[w->count], w->err);
    if (w->st != OK) return false;
    return ++w->count < w->range->limit;
}

/* Moves the near end of the range to where the instants begin, so that a long timeline is not
 * walked through to get there. False: nothing can match. */
static enum status range_near_end(struct conn *c, int64_t coll, struct str id,
                                  const struct meta_range *range, struct item_walk *walk,
                                  struct err *err) {
    struct item_entry e;
    bool found;
    if (range->reverse && range->until_ms != INT64_MAX) {
        enum status st = item_floor_at(c, coll, id, range->until_ms, &e, &found, err);
        if (st != OK) return st;
        int64_t last = found ? e.ov : -1;
        if (last < walk->to_ov) walk->to_ov = last;
    }
    if (!range->reverse && range->since_ms > INT64_MIN) {
        enum status st = item_floor_at(c, coll, id, range->since_ms - 1, &e, &found, err);
        if (st != OK) return st;
        if (found && e.ov >= walk->from_ov) walk->from_ov = e.ov + 1;
    }
    return OK;
}

static enum status sqlite_range(struct meta_session *s, const struct meta_coll *coll, struct str id,
                                const struct meta_range *range, struct version **ret,
                                int *ret_count, struct err *err) {
    struct range_walk w = {.conn = &s->conn, .range = range, .versions = ret, .err = err};
    struct item_walk walk = {.from_ov = range->from_ov,
                             .to_ov = range->to_ov,
                             .reverse = range->reverse,
                             .fn = range_entry,
                             .arg = &w};
    enum status st = call_begin(s, err);
    if (st == OK && range->limit > 0) {
        st = range_near_end(&s->conn, coll->no, id, range, &walk, err);
        if (st == OK) st = item_walk(&s->conn, coll->no, id, &walk, err);
        if (st == OK) st = w.st;
    }
    st = call_end(s, st, err);
    if (st == OK) {
        *ret_count = w.count;
    } else {
        versions_drop(ret, w.count);
    }
    return st;
}

struct timeline_walk {
    struct arena *arena;
    struct meta_point *points;
    int count, cap;
};

static bool timeline_entry(void *arg, const struct item_entry *e) {
    struct timeline_walk *w = arg;
    if (w->count == w->cap) {
        int cap = w->cap == 0 ? 16 : w->cap * 2;
        struct meta_point *more = arena_alloc(w->arena, (size_t)cap * sizeof *more);
        if (w->count > 0) memcpy(more, w->points, (size_t)w->count * sizeof *more);
        w->points = more;
        w->cap = cap;
    }
    w->points[w->count++] = (struct meta_point){.ov = e->ov, .at_ms = e->at_ms, .row = e->row};
    return w->count < INT32_MAX / 2;
}

static enum status sqlite_timeline(struct meta_session *s, const struct meta_coll *coll,
                                   struct str id, struct arena *arena, struct meta_point **ret,
                                   int *ret_count, struct err *err) {
    struct timeline_walk w = {.arena = arena};
    struct item_walk walk = {.to_ov = INT64_MAX, .fn = timeline_entry, .arg = &w};
    enum status st = call_begin(s, err);
    if (st == OK) st = item_walk(&s->conn, coll->no, id, &walk, err);
    st = call_end(s, st, err);
    if (st != OK) return st;
    *ret = w.points;
    *ret_count = w.count;
    return OK;
}

/* Many items. */

struct list_walk {
    struct conn *conn;
    struct arena *arena;
    struct meta_item *items;
    int count, limit;
};

/* One collection's part of a listing. */
static enum status list_collection(struct list_walk *w, const struct collection *c,
                                   struct str after, struct err *err) {
    struct item_page page = {.after = after, .limit = w->limit - w->count};
    page.heads = arena_alloc(w->arena, (size_t)page.limit * sizeof *page.heads);
    enum status st = item_heads(w->conn, c->no, w->arena, &page, err);
    for (int i = 0; st == OK && i < page.count; i++) {
        w->items[w->count++] = (struct meta_item){
            .collection = c->name, .id = page.heads[i].id, .deleted = page.heads[i].deleted};
    }
    return st;
}

static enum status sqlite_list(struct meta_session *s, const struct meta_listing *l,
                               struct arena *arena, struct meta_item *ret, int *ret_count,
                               struct err *err) {
    struct sqlite_store *store = s->conn.store;
    struct list_walk w = {.conn = &s->conn, .arena = arena, .items = ret, .limit = l->limit};
    struct str begin = l->after_collection.p == NULL ? STR("") : l->after_collection;
    struct collection *c = coll_after(store, l->database, begin, true);
    enum status st = call_begin(s, err);
    while (st == OK && c != NULL && w.count < w.limit) {
        st = list_collection(&w, c, str_eq(c->name, begin) ? l->after_id : STR_NONE, err);
        c = coll_after(store, l->database, c->name, false);
    }
    st = call_end(s, st, err);
    if (st == OK) *ret_count = w.count;
    return st;
}

/* The next row of a scan or of the outbox; 0 when there is none. */
static enum status walk_step(struct conn *c, sqlite3_stmt *q, int64_t *ret_row, struct err *err) {
    int rc = conn_step(c, q);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) return conn_fail(c, rc, err);
    *ret_row = rc == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
    return OK;
}

/* Rows are appended in order of cv, so a collection is scanned by rows. There is no index on cv:
 * where the last page of this session ended is remembered, any other beginning is looked for from
 * the first row. */
static enum status sqlite_scan(struct meta_session *s, const struct meta_coll *coll,
                               const struct meta_scan *scan, struct version **ret, int *ret_count,
                               struct err *err) {
    bool follows = s->scan_coll == coll->no && s->scan_cv == scan->after_cv;
    int64_t row = follows ? s->scan_row : 0, last = row, cv = scan->after_cv;
    int count = 0;
    enum status st = call_begin(s, err);
    sqlite3_stmt *q = s->conn.stmts[STMT_SCAN];
    sqlite3_bind_int64(q, 1, row);
    sqlite3_bind_int64(q, 2, s->conn.last_row);
    while (st == OK && count < scan->limit) {
        st = walk_step(&s->conn, q, &row, err);
        if (st != OK || row == 0) break;
        bool ours = sqlite3_column_int64(q, 1) == coll->no;
        if (!ours || sqlite3_column_int64(q, 2) <= scan->after_cv) continue;
        st = version_named(&s->conn, row, scan->with_doc, &ret[count], err);
        if (st != OK) break;
        cv = ret[count++]->cv;
        last = row;
    }
    sqlite3_reset(q);
    st = call_end(s, st, err);
    if (st != OK) {
        versions_drop(ret, count);
        return st;
    }
    s->scan_coll = coll->no;
    s->scan_cv = cv;
    s->scan_row = last;
    *ret_count = count;
    return OK;
}

static enum status sqlite_outbox(struct meta_session *s, struct str database, int64_t after_row,
                                 struct version **ret, int limit, int *ret_count, struct err *err) {
    int count = 0;
    enum status st = call_begin(s, err);
    sqlite3_stmt *q = s->conn.stmts[STMT_OUTBOX];
    sqlite3_bind_int64(q, 1, after_row);
    sqlite3_bind_int64(q, 2, s->conn.last_row);
    while (st == OK && count < limit) {
        int64_t row = 0;
        st = walk_step(&s->conn, q, &row, err);
        if (st != OK || row == 0) break;
        if (!coll_in_database(s->conn.store, sqlite3_column_int64(q, 1), database)) continue;
        st = version_named(&s->conn, row, true, &ret[count], err);
        if (st == OK) count++;
    }
    sqlite3_reset(q);
    st = call_end(s, st, err);
    if (st == OK) {
        *ret_count = count;
    } else {
        versions_drop(ret, count);
    }
    return st;
}

/* Sessions. */

static struct meta_session *sqlite_session_new(struct meta *m, struct err *err) {
    struct meta_session *s = xcalloc(1, sizeof *s);
    if (conn_open(&s->conn, store_of(m), CONN_READER, err) != OK) {
        free(s);
        return NULL;
    }
    if (conn_prepare(&s->conn, err) != OK) {
        conn_release(&s->conn);
        free(s);
        return NULL;
    }
    s->conn.reader = recent_reader_new(s->conn.store->recent);
    return s;
}

static void sqlite_session_free(struct meta_session *s) {
    if (s == NULL) return;
    recent_reader_free(s->conn.store->recent, s->conn.reader);
    conn_release(&s->conn);
    free(s);
}

void read_fill(struct meta_ops *ops) {
    ops->session_new = sqlite_session_new;
    ops->session_free = sqlite_session_free;
    ops->snapshot = sqlite_snapshot;
    ops->heads = sqlite_heads;
    ops->by_ov = sqlite_by_ov;
    ops->by_instant = sqlite_by_instant;
    ops->range = sqlite_range;
    ops->timeline = sqlite_timeline;
    ops->by_row = sqlite_by_row;
    ops->list = sqlite_list;
    ops->scan = sqlite_scan;
    ops->outbox = sqlite_outbox;
}
