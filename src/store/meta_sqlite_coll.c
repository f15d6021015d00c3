/*
 * Collections of the embedded store: read once at open, then kept in memory, since every write and
 * most reads need one. Each is one block that lives until the store is closed, so a pointer to one
 * stays good; the two arrays over them, and the committed totals, are read under coll_lock.
 *
 *   colls[no - 1]          by number
 *   by_name[]              sorted by database, then name (order of bytes)
 */
#include "store/meta_sqlite.h"

static int name_cmp(const struct collection *c, struct str database, struct str name) {
    int d = str_cmp(c->database, database);
    return d != 0 ? d : str_cmp(c->name, name);
}

/* The first place in by_name that is not before (database, name). Under coll_lock. */
static int place_of(struct sqlite_store *s, struct str database, struct str name) {
    int low = 0, high = s->coll_count;
    while (low < high) {
        int mid = low + (high - low) / 2;
        if (name_cmp(s->by_name[mid], database, name) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static struct collection *collection_new(int64_t no, struct str database, struct str name) {
    struct collection *c = xcalloc(1, sizeof *c + database.n + name.n);
    char *p = (char *)(c + 1);
    c->no = no;
    c->database = (struct str){p, database.n};
    c->name = (struct str){p + database.n, name.n};
    if (database.n > 0) memcpy(p, database.p, database.n);
    if (name.n > 0) memcpy(p + database.n, name.p, name.n);
    return c;
}

/* Adds the next number. Under coll_lock. */
static void collection_add(struct sqlite_store *s, struct collection *c) {
    ASSERT(c->no == s->coll_count + 1);
    if (s->coll_count == s->coll_cap) {
        s->coll_cap = s->coll_cap == 0 ? 64 : s->coll_cap * 2;
        size_t bytes = (size_t)s->coll_cap * sizeof(struct collection *);
        s->colls = xrealloc(s->colls, bytes);
        s->by_name = xrealloc(s->by_name, bytes);
    }
    int at = place_of(s, c->database, c->name);
    memmove(s->by_name + at + 1, s->by_name + at,
            (size_t)(s->coll_count - at) * sizeof(struct collection *));
    s->by_name[at] = c;
    s->colls[s->coll_count++] = c;
}

static enum status collection_take(struct sqlite_store *s, sqlite3_stmt *q, struct err *err) {
    int64_t no = sqlite3_column_int64(q, 0);
    if (no != s->coll_count + 1) {
        return err_set(err, ERR_CORRUPT, "%s is damaged (collection %lld): put back a backup",
                       s->db_path, (long long)no);
    }
    struct str database = column_str(q, 1);
    struct collection *c = collection_new(no, database, column_str(q, 2));
    c->committed = (struct meta_totals){.cv = sqlite3_column_int64(q, 3),
                                        .at_ms = sqlite3_column_int64(q, 4),
                                        .created = sqlite3_column_int64(q, 5),
                                        .updated = sqlite3_column_int64(q, 6),
                                        .deleted = sqlite3_column_int64(q, 7),
                                        .live = sqlite3_column_int64(q, 8)};
    c->pending = c->committed;
    if (c->committed.at_ms > s->at_ms) s->at_ms = c->committed.at_ms;
    collection_add(s, c);
    return OK;
}

enum status colls_load(struct sqlite_store *s, struct err *err) {
    enum status st =
        conn_int(&s->writer, "SELECT coalesce(max(row), 0) FROM version", &s->row, err);
    if (st != OK) return st;
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->writer.db,
                                "SELECT no, database, name, cv, at, created, updated, deleted, "
                                "live FROM collection ORDER BY no",
                                -1, &q, NULL);
    while (rc == SQLITE_OK && st == OK) {
        int step = sqlite3_step(q);
        if (step == SQLITE_DONE) break;
        if (step == SQLITE_ROW) {
            st = collection_take(s, q, err);
        } else {
            rc = step;
        }
    }
    if (rc != SQLITE_OK) st = conn_fail(&s->writer, rc, err);
    sqlite3_finalize(q);
    return st;
}

void colls_free(struct sqlite_store *s) {
    for (int i = 0; i < s->coll_count; i++) {
        free(s->colls[i]->top);
        free(s->colls[i]);
    }
    free(s->colls);
    free(s->by_name);
    free(s->group.dirty);
}

struct collection *coll_of(struct sqlite_store *s, int64_t no) {
    ASSERT(no >= 1 && no <= s->coll_count);
    return s->colls[no - 1];
}

struct collection *coll_after(struct sqlite_store *s, struct str database, struct str name,
                              bool inclusive) {
    pthread_mutex_lock(&s->coll_lock);
    int at = place_of(s, database, name);
    if (!inclusive && at < s->coll_count && name_cmp(s->by_name[at], database, name) == 0) at++;
    struct collection *c = at < s->coll_count ? s->by_name[at] : NULL;
    pthread_mutex_unlock(&s->coll_lock);
    return c != NULL && str_eq(c->database, database) ? c : NULL;
}

bool coll_in_database(struct sqlite_store *s, int64_t no, struct str database) {
    pthread_mutex_lock(&s->coll_lock);
    struct collection *c = no >= 1 && no <= s->coll_count ? s->colls[no - 1] : NULL;
    pthread_mutex_unlock(&s->coll_lock);
    return c != NULL && str_eq(c->database, database);
}

static struct collection *coll_find(struct sqlite_store *s, struct str database, struct str name) {
    struct collection *c = coll_after(s, database, name, true);
    return c != NULL && str_eq(c->name, name) ? c : NULL;
}

/* Writes a new collection in a transaction of its own. */
static enum status coll_make(struct sqlite_store *s, struct str database, struct str name,
                             struct collection **ret, struct err *err) {
    enum status st = write_begin(s, err);
    if (st != OK) return st;
    *ret = coll_find(s, database, name); /* another thread may have been faster */
    if (*ret != NULL) {
        conn_rollback(&s->writer);
        gate_leave(s);
        return OK;
    }
    struct collection *c = collection_new(s->coll_count + 1, database, name);
    sqlite3_stmt *q = s->writer.stmts[STMT_INSERT_COLL];
    sqlite3_bind_int64(q, 1, c->no);
    bind_str(q, 2, c->database);
    bind_str(q, 3, c->name);
    st = conn_run(&s->writer, STMT_INSERT_COLL, err);
    if (st == OK) {
        st = write_commit(s, err);
    } else {
        conn_rollback(&s->writer);
    }
    if (st == OK) {
        pthread_mutex_lock(&s->coll_lock);
        collection_add(s, c);
        pthread_mutex_unlock(&s->coll_lock);
        *ret = c;
    } else {
        free(c);
    }
    gate_leave(s);
    return st;
}

static enum status sqlite_coll(struct meta *m, struct str database, struct str name, bool make,
                               struct meta_coll *ret, struct err *err) {
    struct sqlite_store *s = store_of(m);
    struct collection *c = coll_find(s, database, name);
    if (c == NULL && make) {
        enum status st = coll_make(s, database, name, &c, err);
        if (st != OK) return st;
    }
    if (c == NULL) {
        return err_set(err, ERR_NOTFOUND, "there is no collection %.*s in %.*s", STR_FMT(name),
                       STR_FMT(database));
    }
    *ret = (struct meta_coll){.database = c->database, .name = c->name, .no = c->no};
    return OK;
}

static enum status sqlite_each_coll(struct meta_session *session, struct str database,
                                    void (*fn)(void *arg, const struct meta_coll *coll), void *arg,
                                    struct err *err) {
    (void)err;
    struct sqlite_store *s = session->conn.store;
    struct collection *c = coll_after(s, database, STR(""), true);
    while (c != NULL) {
        struct meta_coll coll = {.database = c->database, .name = c->name, .no = c->no};
        fn(arg, &coll);
        c = coll_after(s, database, c->name, false);
    }
    return OK;
}

static enum status sqlite_totals(struct meta_session *session, const struct meta_coll *coll,
                                 struct meta_totals *ret, struct err *err) {
    struct sqlite_store *s = session->conn.store;
    pthread_mutex_lock(&s->coll_lock);
    bool known = coll->no >= 1 && coll->no <= s->coll_count;
    if (known) *ret = s->colls[coll->no - 1]->committed;
    pthread_mutex_unlock(&s->coll_lock);
    if (!known) return err_set(err, ERR_NOTFOUND, "there is no such collection");
    return OK;
}

void coll_fill(struct meta_ops *ops) {
    ops->coll = sqlite_coll;
    ops->each_coll = sqlite_each_coll;
    ops->totals = sqlite_totals;
}
