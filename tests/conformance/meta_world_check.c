/* Compares a store with what must be in it, by every way of reading. */
#include "conformance/cmocka_all.h"
#include "conformance/meta_world.h"

static void assert_same_str(struct str got, struct str want, const char *what) {
    if ((got.p == NULL) != (want.p == NULL) || !str_eq(got, want)) {
        fail_msg("%s: %zu bytes '%.*s', expected %zu '%.*s'", what, got.n, STR_FMT(got), want.n,
                 STR_FMT(want));
    }
}

void assert_same_version(const struct version *got, const struct version *want, bool with_doc) {
    assert_non_null(got);
    assert_same_str(got->id, want->id, "id");
    assert_int_equal(got->ov, want->ov);
    assert_int_equal(got->cv, want->cv);
    assert_int_equal(got->at_ms, want->at_ms);
    assert_int_equal(got->created_ms, want->created_ms);
    assert_int_equal(got->deleted_ms, want->deleted_ms);
    assert_int_equal(got->size, want->size);
    assert_int_equal(got->row, want->row);
    assert_int_equal(got->payload_row, want->payload_row);
    assert_int_equal(got->payload_ov, want->payload_ov);
    assert_int_equal(got->op, want->op);
    assert_int_equal(got->verb, want->verb);
    assert_int_equal(got->state, want->state);
    assert_memory_equal(got->checksum, want->checksum, SHA256_BYTES);
    assert_same_str(got->op_id, want->op_id, "op_id");
    assert_same_str(got->actor, want->actor, "actor");
    assert_same_str(got->reason, want->reason, "reason");
    assert_same_str(got->function_id, want->function_id, "function_id");
    assert_same_str(got->bucket, want->bucket, "bucket");
    assert_same_str(got->blob_key, want->blob_key, "blob_key");
    assert_same_str(got->doc, with_doc ? want->doc : STR_NONE, "doc");
    assert_int_equal(got->refs, 1);
}

/* The versions of one item, in order of ov; *ret_count of them. */
static struct version **item_versions(const struct world *w, int coll, struct str id,
                                      int *ret_count) {
    struct version **list = xmalloc((size_t)(w->count + 1) * sizeof(struct version *));
    int n = 0;
    for (int i = 0; i < w->count; i++) {
        if (w->known[i].coll == coll && str_eq(w->known[i].v->id, id)) list[n++] = w->known[i].v;
    }
    *ret_count = n;
    return list;
}

static void check_by_instant(struct world *w, int coll, struct version **list, int n,
                             int64_t at_ms) {
    const struct version *want = NULL;
    for (int i = 0; i < n; i++) {
        if (list[i]->at_ms <= at_ms) want = list[i];
    }
    struct version *got = NULL;
    bool with_doc = at_ms % 2 == 0;
    OKAY(w->meta->ops->by_instant(w->session, &w->colls[coll], list[0]->id, at_ms, with_doc, &got,
                                  &w->err),
         &w->err);
    if (want == NULL) {
        assert_null(got);
    } else {
        assert_same_version(got, want, with_doc);
    }
    version_unref(got);
}

static void check_range(struct world *w, int coll, struct version **list, int n,
                        const struct meta_range *range) {
    struct version **got = xcalloc((size_t)range->limit + 1, sizeof(struct version *));
    int count = -1, want = 0;
    OKAY(w->meta->ops->range(w->session, &w->colls[coll], list[0]->id, range, got, &count, &w->err),
         &w->err);
    for (int i = 0; i < n && want < range->limit; i++) {
        const struct version *v = list[range->reverse ? n - 1 - i : i];
        if (v->ov < range->from_ov || v->ov > range->to_ov) continue;
        if (v->at_ms < range->since_ms || v->at_ms > range->until_ms) continue;
        assert_true(want < count);
        assert_same_version(got[want], v, range->with_doc);
        version_unref(got[want++]);
    }
    assert_int_equal(count, want);
    free(got);
}

static void check_ranges(struct world *w, int coll, struct version **list, int n) {
    const struct meta_range all = {
        .to_ov = INT64_MAX, .since_ms = INT64_MIN, .until_ms = INT64_MAX, .limit = n + 1};
    int64_t mid_ov = list[n / 2]->ov, mid_at = list[n / 2]->at_ms, last = list[n - 1]->ov;
    struct meta_range table[] = {all, all, all, all, all, all, all, all, all};
    table[1].limit = n > 1 ? n - 1 : 1;
    table[2].from_ov = mid_ov;
    table[3].to_ov = mid_ov;
    table[4].from_ov = last;
    table[4].to_ov = last;
    table[5].since_ms = mid_at;
    table[6].until_ms = mid_at;
    table[7].since_ms = mid_at + 1;
    table[8].until_ms = mid_at - 1;
    table[8].from_ov = list[n / 3]->ov;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        table[i].with_doc = i % 3 == 0;
        check_range(w, coll, list, n, &table[i]);
        table[i].reverse = true;
        check_range(w, coll, list, n, &table[i]);
    }
}

static void check_timeline(struct world *w, int coll, struct version **list, int n) {
    struct meta_point *points = NULL;
    int count = -1;
    OKAY(w->meta->ops->timeline(w->session, &w->colls[coll], list[0]->id, &w->arena, &points,
                                &count, &w->err),
         &w->err);
    assert_int_equal(count, n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(points[i].ov, list[i]->ov);
        assert_int_equal(points[i].at_ms, list[i]->at_ms);
        assert_int_equal(points[i].row, list[i]->row);
    }
}

static void check_item(struct world *w, int coll, struct str id) {
    int n;
    struct version **list = item_versions(w, coll, id, &n), *got = NULL;
    OKAY(w->meta->ops->heads(w->session, &w->colls[coll], &id, 1, true, &got, &w->err), &w->err);
    assert_same_version(got, list[n - 1], true);
    version_unref(got);
    for (int i = 0; i < n; i++) {
        bool with_doc = i % 2 == 0;
        OKAY(w->meta->ops->by_ov(w->session, &w->colls[coll], id, list[i]->ov, with_doc, &got,
                                 &w->err),
             &w->err);
        assert_same_version(got, list[i], with_doc);
        version_unref(got);
        OKAY(w->meta->ops->by_row(w->session, list[i]->row, !with_doc, &got, &w->err), &w->err);
        assert_same_version(got, list[i], !with_doc);
        version_unref(got);
        for (int64_t d = -1; d <= 1; d++) check_by_instant(w, coll, list, n, list[i]->at_ms + d);
    }
    static const int64_t missing[] = {-1, INT64_MAX};
    for (int i = 0; i < 2; i++) {
        OKAY(w->meta->ops->by_ov(w->session, &w->colls[coll], id, missing[i], true, &got, &w->err),
             &w->err);
        assert_null(got);
    }
    check_by_instant(w, coll, list, n, INT64_MAX);
    check_by_instant(w, coll, list, n, INT64_MIN);
    check_ranges(w, coll, list, n);
    check_timeline(w, coll, list, n);
    arena_reset(&w->arena);
    free(list);
}

/* Listings. */

struct listed {
    int coll;
    const struct version *head;
};

static int listed_cmp(const void *a, const void *b) {
    const struct listed *x = a, *y = b;
    const struct meta_coll *cx = &world_coll_names[x->coll], *cy = &world_coll_names[y->coll];
    int d = str_cmp(cx->name, cy->name);
    return d != 0 ? d : str_cmp(x->head->id, y->head->id);
}

/* The items that a listing of a database must give, in its order. */
static struct listed *listing_of(const struct world *w, struct str database, int *ret_count) {
    struct listed *list = xmalloc((size_t)(w->count + 1) * sizeof *list);
    int n = 0;
    for (int i = 0; i < w->count; i++) {
        const struct known *k = &w->known[i];
        if (!str_eq(world_coll_names[k->coll].database, database)) continue;
        if (world_head(w, k->coll, k->v->id) != k->v) continue;
        list[n++] = (struct listed){.coll = k->coll, .head = k->v};
    }
    qsort(list, (size_t)n, sizeof *list, listed_cmp);
    *ret_count = n;
    return list;
}

static void check_listing(struct world *w, struct str database, int page_items) {
    int n, done = 0, got = page_items;
    struct listed *want = listing_of(w, database, &n);
    struct meta_item *page = xcalloc((size_t)page_items, sizeof *page);
    struct meta_listing l = {.database = database, .limit = page_items};
    while (got == page_items) {
        OKAY(w->meta->ops->list(w->session, &l, &w->arena, page, &got, &w->err), &w->err);
        for (int i = 0; i < got; i++, done++) {
            assert_true(done < n);
            assert_same_str(page[i].collection, world_coll_names[want[done].coll].name,
                            "collection");
            assert_same_str(page[i].id, want[done].head->id, "id");
            assert_int_equal(page[i].deleted, version_is_deleted(want[done].head));
            l.after_collection = page[i].collection;
            l.after_id = page[i].id;
        }
    }
    assert_int_equal(done, n);
    arena_reset(&w->arena);
    free(page);
    free(want);
}

/* Scans, totals, outbox. */

static void check_scan(struct world *w, int coll, int page_versions, bool with_doc) {
    struct version **page = xcalloc((size_t)page_versions, sizeof(struct version *));
    struct meta_scan scan = {.with_doc = with_doc, .limit = page_versions};
    int next = 0, got = page_versions;
    while (got == page_versions) {
        OKAY(w->meta->ops->scan(w->session, &w->colls[coll], &scan, page, &got, &w->err), &w->err);
        for (int i = 0; i < got; i++, next++) {
            while (next < w->count && w->known[next].coll != coll) next++;
            assert_true(next < w->count);
            assert_same_version(page[i], w->known[next].v, with_doc);
            assert_true(page[i]->cv > scan.after_cv);
            scan.after_cv = page[i]->cv;
            version_unref(page[i]);
        }
    }
    while (next < w->count && w->known[next].coll != coll) next++;
    assert_int_equal(next, w->count);
    free(page);
}

static void check_totals(struct world *w, int coll) {
    struct meta_totals got, want = {0};
    int64_t at_ms = 0;
    for (int i = 0; i < w->count; i++) {
        const struct known *k = &w->known[i];
        if (k->coll != coll) continue;
        bool live = !version_is_deleted(k->v);
        want.created += k->v->op == OP_CREATE;
        want.updated += k->v->op == OP_UPDATE || (k->v->op == OP_RESTORE && live);
        want.deleted += k->v->op == OP_DELETE || (k->v->op == OP_RESTORE && !live);
        want.live += live && world_head(w, coll, k->v->id) == k->v;
        assert_true(k->v->cv > want.cv);
        assert_true(k->v->at_ms >= at_ms);
        want.cv = k->v->cv;
        at_ms = k->v->at_ms;
    }
    OKAY(w->meta->ops->totals(w->session, &w->colls[coll], &got, &w->err), &w->err);
    assert_int_equal(got.created, want.created);
    assert_int_equal(got.updated, want.updated);
    assert_int_equal(got.deleted, want.deleted);
    assert_int_equal(got.live, want.live);
    assert_true(got.cv >= want.cv); /* numbers may be taken and not used */
    assert_true(got.at_ms >= at_ms);
}

/* The first version from `next` on that waits in the outbox of a database. */
static int outbox_next(const struct world *w, struct str database, int next) {
    for (; next < w->count; next++) {
        const struct known *k = &w->known[next];
        if (k->v->state != STATE_NEW_NOT_SYNCHED) continue;
        if (str_eq(world_coll_names[k->coll].database, database)) break;
    }
    return next;
}

static void check_outbox(struct world *w, struct str database) {
    struct version *page[8];
    int next = 0, got = 8;
    int64_t after_row = 0;
    while (got == 8) {
        OKAY(w->meta->ops->outbox(w->session, database, after_row, page, 8, &got, &w->err),
             &w->err);
        for (int i = 0; i < got; i++, next++) {
            next = outbox_next(w, database, next);
            assert_true(next < w->count);
            assert_same_version(page[i], w->known[next].v, true);
            after_row = page[i]->row;
            version_unref(page[i]);
        }
    }
    assert_int_equal(outbox_next(w, database, next), w->count);
}

static void check_collections(struct world *w) {
    struct str databases[] = {STR("alph"), STR("alpha"), STR("beta"), STR("gamma")};
    for (int d = 0; d < 4; d++) {
        check_listing(w, databases[d], 3);
        check_listing(w, databases[d], 1000);
        check_outbox(w, databases[d]);
    }
    for (int c = 0; c < WORLD_COLLS; c++) {
        check_scan(w, c, 7, true);
        check_scan(w, c, 1000, false);
        check_totals(w, c);
    }
}

static void check_absent(struct world *w) {
    struct str ids[] = {STR("not there"), STR("item"), STR("zzz")};
    struct version *got[3] = {NULL};
    OKAY(w->meta->ops->heads(w->session, &w->colls[0], ids, 3, true, got, &w->err), &w->err);
    for (int i = 0; i < 3; i++) assert_null(got[i]);
    OKAY(w->meta->ops->by_row(w->session, INT64_C(1) << 40, true, got, &w->err), &w->err);
    assert_null(got[0]);
}

void world_check_some(struct world *w, int items) {
    for (int i = w->count - 1; i >= 0 && items > 0; i--) {
        const struct known *k = &w->known[i];
        if (world_head(w, k->coll, k->v->id) != k->v) continue;
        check_item(w, k->coll, k->v->id);
        items--;
    }
    for (int c = 0; c < WORLD_COLLS; c++) check_totals(w, c);
}

void world_check(struct world *w) {
    world_check_some(w, INT32_MAX);
    check_collections(w);
    check_absent(w);
}
