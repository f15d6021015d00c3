/*
 * Reads of many items: listing in key order, counts, a random item; and VERIFY, which reads
 * everything again.
 */
#include "engine/internal.h"
#include "engine/read.h"

enum { PAGE = 256, RANDOM_TRIES = 16 };

enum status read_list(struct engine_worker *w, const struct meta_listing *listing,
                      struct arena *arena, struct meta_item *ret, int *ret_count, struct err *err) {
    commit_nudge(w->engine);
    return w->engine->meta->ops->list(w->session, listing, arena, ret, ret_count, err);
}

/* The collections of a database with their totals. */
struct census {
    struct arena *arena;
    struct counted {
        struct counted *next;
        struct meta_coll coll;
        struct meta_totals totals;
    } * first;
    int64_t live;
};

static void census_add(void *arg, const struct meta_coll *coll) {
    struct census *census = arg;
    struct counted *c = arena_zalloc(census->arena, sizeof *c);
    c->coll = *coll;
    c->coll.name = arena_dup(census->arena, coll->name);
    c->coll.database = arena_dup(census->arena, coll->database);
    c->next = census->first;
    census->first = c;
}

static enum status take_census(struct engine_worker *w, struct str database, struct arena *arena,
                               struct census *ret, struct err *err) {
    const struct meta_ops *meta = w->engine->meta->ops;
    *ret = (struct census){.arena = arena};
    enum status s = meta->each_coll(w->session, database, census_add, ret, err);
    for (struct counted *c = ret->first; s == OK && c; c = c->next) {
        s = meta->totals(w->session, &c->coll, &c->totals, err);
        if (s == OK) ret->live += c->totals.live;
    }
    return s;
}

enum status read_count(struct engine_worker *w, struct str database, int64_t *ret_live,
                       struct err *err) {
    struct census census;
    enum status s = take_census(w, database, &w->arena, &census, err);
    arena_reset(&w->arena);
    if (s == OK) *ret_live = census.live;
    return s;
}

static int64_t random_below(int64_t n) {
    uint64_t r;
    digest_random(&r, sizeof r);
    return (int64_t)(r % (uint64_t)n);
}

/* A collection, chosen by how many live items it has. */
static const struct counted *random_collection(const struct census *census) {
    int64_t skip = random_below(census->live);
    const struct counted *c = census->first;
    while (skip >= c->totals.live) {
        skip -= c->totals.live;
        c = c->next;
    }
    return c;
}

/* The item of a version chosen at random, if it is live now. */
static enum status random_try(struct engine_worker *w, const struct counted *c, struct arena *arena,
                              struct meta_item *ret, bool *ret_found, struct err *err) {
    const struct meta_ops *meta = w->engine->meta->ops;
    struct meta_scan scan = {.after_cv = random_below(c->totals.cv), .limit = 1};
    struct version *v = NULL, *head = NULL;
    int count;
    enum status s = meta->scan(w->session, &c->coll, &scan, &v, &count, err);
    if (s != OK || count == 0) return s;
    s = meta->heads(w->session, &c->coll, &v->id, 1, false, &head, err);
    if (s == OK && head && !version_is_deleted(head)) {
        *ret = (struct meta_item){.collection = c->coll.name, .id = arena_dup(arena, v->id)};
        *ret_found = true;
    }
    version_unref(head);
    version_unref(v);
    return s;
}

/* The first live item in key order: when chance found none. */
static enum status first_live(struct engine_worker *w, struct str database, struct arena *arena,
                              struct meta_item *ret, bool *ret_found, struct err *err) {
    struct meta_item *page = arena_alloc(arena, PAGE * sizeof *page);
    struct meta_listing listing = {.database = database, .limit = PAGE};
    int count = PAGE;
    while (count == PAGE) {
        enum status s = read_list(w, &listing, arena, page, &count, err);
        if (s != OK) return s;
        for (int i = 0; i < count; i++) {
            listing.after_collection = page[i].collection;
            listing.after_id = page[i].id;
            if (page[i].deleted) continue;
            *ret = page[i];
            *ret_found = true;
            return OK;
        }
    }
    return OK;
}

enum status read_random(struct engine_worker *w, struct str database, struct arena *arena,
                        struct meta_item *ret, bool *ret_found, struct err *err) {
    struct census census;
    *ret_found = false;
    enum status s = take_census(w, database, arena, &census, err);
    if (s != OK || census.live == 0) return s;
    for (int i = 0; s == OK && !*ret_found && i < RANDOM_TRIES; i++)
        s = random_try(w, random_collection(&census), arena, ret, ret_found, err);
    if (s != OK || *ret_found) return s;
    return first_live(w, database, arena, ret, ret_found, err);
}

/* ---- VERIFY ---- */

struct verify {
    struct engine_worker *worker;
    const struct place *place;
    struct arena *arena;
    struct verify_report *report;
    int64_t last_cv, last_ms;
};

static void verify_fault(struct verify *v, const struct version *version, int64_t *counter) {
    (*counter)++;
    if (!v->report->first.p)
        v->report->first = arena_printf(v->arena, "%.*s:%.*s ov %lld", STR_FMT(v->place->coll.name),
                                        STR_FMT(version->id), (long long)version->ov);
}

static bool payload_is_there(struct engine *e, const struct version *v) {
    struct blob_info info;
    struct err err;
    return v->blob_key.p && e->blob->ops->head(e->blob, BLOB_JSON, v->blob_key, &info, &err) == OK;
}

static void verify_version(struct verify *v, struct version **version) {
    struct engine *e = v->worker->engine;
    struct verify_report *r = v->report;
    struct err err;
    r->versions++;
    r->bytes += (*version)->size;
    bool inside = (*version)->doc.p != NULL;
    enum status s =
        inside ? payload_verify(*version, &err) : payload_load(e, &v->worker->arena, version, &err);
    if (s != OK) {
        bool there = inside || payload_is_there(e, *version);
        verify_fault(v, *version, there ? &r->corrupt : &r->missing);
    }
    arena_reset(&v->worker->arena);
}

/* cv grows strictly, at never falls. */
static void verify_order(struct verify *v, const struct version *version) {
    if (version->cv <= v->last_cv || version->at_ms < v->last_ms)
        verify_fault(v, version, &v->report->corrupt);
    v->last_cv = version->cv;
    v->last_ms = version->at_ms;
}

static void verify_count(struct verify_report *r, const struct version *version, bool before_live) {
    bool live = !version_is_deleted(version);
    if (version->op == OP_CREATE)
        r->created++;
    else if (live)
        r->updated++;
    else
        r->deleted++;
    r->live += live - before_live;
}

/* Was the item live before this version? Asked of the version before it. */
static enum status live_before(struct verify *v, const struct version *version, bool *ret,
                               struct err *err) {
    *ret = false;
    if (version->ov == 0) return OK;
    struct version *before = NULL;
    enum status s = v->worker->engine->meta->ops->by_ov(
        v->worker->session, &v->place->coll, version->id, version->ov - 1, false, &before, err);
    if (s == OK && !before) verify_fault(v, version, &v->report->missing); /* a gap in ov */
    if (before) *ret = !version_is_deleted(before);
    version_unref(before);
    return s;
}

static enum status verify_collection(struct verify *v, struct err *err) {
    const struct meta_ops *meta = v->worker->engine->meta->ops;
    struct version *page[PAGE];
    int count = PAGE;
    while (count == PAGE) {
        struct meta_scan scan = {.after_cv = v->last_cv, .with_doc = true, .limit = PAGE};
        enum status s = meta->scan(v->worker->session, &v->place->coll, &scan, page, &count, err);
        if (s != OK) return s;
        for (int i = 0; i < count; i++) {
            bool before_live = false;
            verify_order(v, page[i]);
            verify_version(v, &page[i]);
            if (s == OK) s = live_before(v, page[i], &before_live, err);
            verify_count(v->report, page[i], before_live);
            version_unref(page[i]);
        }
        if (s != OK) return s;
    }
    struct meta_totals t;
    enum status s = meta->totals(v->worker->session, &v->place->coll, &t, err);
    if (s != OK) return s;
    const struct verify_report *r = v->report;
    v->report->totals_agree = t.created == r->created && t.updated == r->updated &&
                              t.deleted == r->deleted && t.live == r->live;
    return OK;
}

static enum status verify_item(struct verify *v, struct err *err) {
    const struct meta_ops *meta = v->worker->engine->meta->ops;
    struct version *page[PAGE];
    struct meta_range range = {0, INT64_MAX, INT64_MIN, INT64_MAX, false, PAGE, true};
    int count = PAGE;
    bool live = false;
    while (count == PAGE) {
        enum status s = meta->range(v->worker->session, &v->place->coll, v->place->id, &range, page,
                                    &count, err);
        if (s != OK) return s;
        for (int i = 0; i < count; i++) {
            if (page[i]->ov != range.from_ov) verify_fault(v, page[i], &v->report->missing);
            verify_order(v, page[i]);
            verify_version(v, &page[i]);
            verify_count(v->report, page[i], live);
            live = !version_is_deleted(page[i]);
            range.from_ov = page[i]->ov + 1;
            version_unref(page[i]);
        }
    }
    v->report->totals_agree = true; /* an item has none of its own */
    return OK;
}

enum status read_verify(struct engine_worker *w, const struct place *place, struct arena *arena,
                        struct verify_report *ret, struct err *err) {
    *ret = (struct verify_report){.totals_agree = true};
    if (place->coll.no == 0) return OK;
    struct verify v = {w, place, arena, ret, -1, INT64_MIN};
    commit_nudge(w->engine);
    return place->id.p ? verify_item(&v, err) : verify_collection(&v, err);
}
