/*
 * Reads. Cache first; then the store, with the cache filled on the way. A head that was read from
 * the store fills the cache only when nothing was published in between (cache_epoch).
 *
 * As of an instant: first the instant must be closed (nothing with at <= t can still commit), then
 * the timeline tells the ov and the rest is a read of an immutable version. So the same question
 * has the same answer for ever.
 */
#include "engine/read.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "engine/internal.h"

enum { CLOSE_WAIT_MS = 2000 }; /* an as-of waits this long for a commit in flight */

static struct cache_item item_of(const struct place *place) {
    return (struct cache_item){place->coll.no, place->id};
}

/* What the caller sees of a version: nothing, when it is a tombstone and none was asked for. */
static struct version *visible(struct version *v, const struct read_what *what) {
    if (!v || !version_is_deleted(v) || what->deleted) return v;
    version_unref(v);
    return NULL;
}

/* ---- from the cache ---- */

/* Versions and timelines are true without the head; the head tells what lies beyond it. */
static bool find_cached(struct engine *e, const struct place *place, const struct read_what *what,
                        struct version **ret) {
    struct cache_item item = item_of(place);
    struct version *head = NULL;
    bool has_head = cache_head(e->cache, item, &head);
    if (what->kind == READ_HEAD) {
        *ret = head;
        return has_head;
    }
    int64_t ov = what->ov;
    bool known = true;
    if (what->kind == READ_INSTANT && has_head && head->at_ms <= what->at_ms)
        ov = head->ov;
    else if (what->kind == READ_INSTANT)
        known = cache_instant(e->cache, item, what->at_ms, &ov);
    if (known && has_head && ov == head->ov) {
        *ret = head;
        return true;
    }
    bool nothing = known && ov < 0; /* beyond the cached head there may be a newer one */
    version_unref(head);
    if (nothing) *ret = NULL;
    return nothing || (known && cache_version(e->cache, item, ov, ret));
}

bool read_cached(struct engine *e, const struct place *place, const struct read_what *what,
                 struct version **ret) {
    if (what->kind == READ_INSTANT && !commit_closed(e, what->at_ms)) return false;
    struct version *v;
    if (!find_cached(e, place, what, &v)) return false;
    v = visible(v, what);
    if (v && !v->doc.p && !what->no_doc) {
        version_unref(v);
        return false;
    }
    *ret = v;
    return true;
}

/* ---- from the store ---- */

/* The document where it is asked for, verified. */
static enum status complete(struct engine_worker *w, struct version **version, bool no_doc,
                            struct err *err) {
    if (!*version || no_doc) return OK;
    if ((*version)->doc.p) return payload_verify(*version, err);
    return payload_load(w->engine, &w->arena, version, err);
}

static enum status store_version(struct engine_worker *w, const struct place *place, int64_t ov,
                                 struct version **ret, struct err *err) {
    const struct meta_ops *meta = w->engine->meta->ops;
    struct version *v = NULL;
    enum status s = meta->by_ov(w->session, &place->coll, place->id, ov, true, &v, err);
    if (s == OK) s = complete(w, &v, false, err);
    if (s != OK) {
        version_unref(v);
        return s;
    }
    if (v) cache_fill_version(w->engine->cache, place->coll.no, v);
    *ret = v;
    return OK;
}

static enum status store_head(struct engine_worker *w, const struct place *place, bool no_doc,
                              struct version **ret, struct err *err) {
    uint64_t epoch = cache_epoch(w->engine->cache, item_of(place));
    struct version *v = NULL;
    enum status s =
        w->engine->meta->ops->heads(w->session, &place->coll, &place->id, 1, !no_doc, &v, err);
    if (s == OK) s = complete(w, &v, no_doc, err);
    if (s != OK) {
        version_unref(v);
        return s;
    }
    if (v && !w->in_snapshot && commit_is_published(w->engine, v))
        cache_fill_head(w->engine->cache, place->coll.no, v, epoch);
    *ret = v;
    return OK;
}

/* Reads the whole timeline once, so that the next as-of of this item is a search in memory. */
static enum status store_instant(struct engine_worker *w, const struct place *place, int64_t at_ms,
                                 int64_t *ret_ov, struct err *err) {
    struct cache *cache = w->engine->cache;
    uint64_t epoch = cache_epoch(cache, item_of(place));
    struct meta_point *points;
    int count;
    enum status s = w->engine->meta->ops->timeline(w->session, &place->coll, place->id, &w->arena,
                                                   &points, &count, err);
    if (s != OK) return s;
    if (!w->in_snapshot) cache_fill_timeline(cache, item_of(place), points, count, epoch);
    int low = 0, high = count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (points[middle].at_ms <= at_ms)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_ov = low == 0 ? -1 : points[low - 1].ov;
    return OK;
}

/* An instant later than both now and the collection's newest commit is a mistake, not a question.
 */
static enum status check_instant(struct engine_worker *w, const struct place *place, int64_t at_ms,
                                 struct err *err) {
    if (at_ms > clock_now_ms()) {
        struct meta_totals totals = {.at_ms = INT64_MIN};
        enum status s = OK;
        if (place->coll.no != 0)
            s = w->engine->meta->ops->totals(w->session, &place->coll, &totals, err);
        if (s != OK) return s;
        if (at_ms > totals.at_ms)
            return err_set(err, ERR_SYNTAX,
                           "the instant lies in the future; as-of answers about the past");
    }
    return commit_wait_closed(w->engine, at_ms, CLOSE_WAIT_MS, err);
}

static enum status read_store(struct engine_worker *w, const struct place *place,
                              const struct read_what *what, struct version **ret, struct err *err) {
    if (what->kind == READ_HEAD) return store_head(w, place, what->no_doc, ret, err);
    int64_t ov = what->ov;
    if (what->kind == READ_INSTANT) {
        if (!cache_instant(w->engine->cache, item_of(place), what->at_ms, &ov)) {
            enum status s = store_instant(w, place, what->at_ms, &ov, err);
            if (s != OK) return s;
        }
    }
    if (ov >= 0 && cache_version(w->engine->cache, item_of(place), ov, ret)) {
        if ((*ret)->doc.p) return OK;
        version_unref(*ret);
    }
    *ret = NULL;
    return ov < 0 ? OK : store_version(w, place, ov, ret, err);
}

enum status read_one(struct engine_worker *w, const struct place *place,
                     const struct read_what *what, struct version **ret, struct err *err) {
    if (what->kind == READ_INSTANT) {
        enum status s = check_instant(w, place, what->at_ms, err);
        if (s != OK) return s;
    }
    if (place->coll.no == 0) {
        *ret = NULL;
        return OK;
    }
    if (read_cached(w->engine, place, what, ret)) {
        metric_add(METRIC_CACHE_HITS, 1);
        return OK;
    }
    metric_add(METRIC_CACHE_MISSES, 1);
    commit_nudge(w->engine);
    struct version *v = NULL;
    enum status s = read_store(w, place, what, &v, err);
    arena_reset(&w->arena);
    if (s != OK) return s;
    /* The tombstone itself was not asked for; its document need not be there either. */
    *ret = visible(v, what);
    return OK;
}

/* ---- many ---- */

/* All from the cache, and nothing published meanwhile: one snapshot. */
bool read_many_cached(struct engine *e, const struct place *places, int count,
                      const struct read_what *what, struct version **ret) {
    uint64_t before = commit_publish_count(e);
    int found = 0;
    if (before & 1) return false;
    while (found < count) {
        ret[found] = NULL;
        if (places[found].coll.no != 0 && !read_cached(e, &places[found], what, &ret[found])) break;
        found++;
    }
    if (found == count && commit_publish_count(e) == before) return true;
    versions_drop(ret, found);
    return false;
}

/* From the store alone, in one snapshot of it, where several heads are asked for. */
static void many_stored(struct engine_worker *w, const struct place *places, int count,
                        const struct read_what *what, struct version **ret, struct err *ret_errs) {
    for (int i = 0; i < count; i++) {
        ret[i] = NULL;
        ret_errs[i].code = OK;
        if (places[i].coll.no == 0) continue;
        struct version *v = NULL;
        enum status s = read_store(w, &places[i], what, &v, &ret_errs[i]);
        if (s == OK) ret[i] = visible(v, what);
        arena_reset(&w->arena);
    }
}

enum status read_many(struct engine_worker *w, const struct place *places, int count,
                      const struct read_what *what, struct version **ret, struct err *ret_errs,
                      struct err *err) {
    enum status s = OK;
    for (int i = 0; s == OK && i < count && what->kind == READ_INSTANT; i++)
        s = check_instant(w, &places[i], what->at_ms, err);
    if (s != OK) return s;
    if (read_many_cached(w->engine, places, count, what, ret)) {
        for (int i = 0; i < count; i++) ret_errs[i].code = OK;
        return OK;
    }
    commit_nudge(w->engine);
    const struct meta_ops *meta = w->engine->meta->ops;
    s = meta->snapshot(w->session, true, err);
    if (s != OK) return s;
    w->in_snapshot = true;
    many_stored(w, places, count, what, ret, ret_errs);
    w->in_snapshot = false;
    s = meta->snapshot(w->session, false, err);
    if (s != OK) versions_drop(ret, count);
    return s;
}

enum status read_history(struct engine_worker *w, const struct place *place,
                         const struct meta_range *range, struct version **ret, int *ret_count,
                         struct err *err) {
    *ret_count = 0;
    if (place->coll.no == 0) return OK;
    commit_nudge(w->engine);
    int count;
    enum status s =
        w->engine->meta->ops->range(w->session, &place->coll, place->id, range, ret, &count, err);
    if (s != OK) return s;
    for (int i = 0; i < count && s == OK && range->with_doc; i++) {
        if (!version_is_deleted(ret[i])) s = complete(w, &ret[i], false, err);
        arena_reset(&w->arena);
    }
    if (s != OK) {
        versions_drop(ret, count);
        return s;
    }
    *ret_count = count;
    return OK;
}

/* ---- operations ---- */

static enum status op_noted(struct engine_worker *w, struct str database, struct str op_id,
                            struct arena *arena, struct op_answer *ret, struct err *err) {
    struct meta_op op;
    bool found;
    enum status s =
        w->engine->meta->ops->op_find(w->session, database, op_id, arena, &op, &found, err);
    if (s != OK || !found) return s;
    struct op_made made = {0};
    s = op_parse(op.answer, &made, err);
    if (s == OK)
        *ret = (struct op_answer){.status = "committed", .key = op.key, .ov = made.ov, .cv = -1};
    return s;
}

/* Looks through the versions of an item, newest first. */
static enum status op_of_item(struct engine_worker *w, const struct place *place, struct str op_id,
                              struct op_answer *ret, struct err *err) {
    enum { PAGE = 256 };
    struct version *page[PAGE];
    int64_t to_ov = INT64_MAX;
    int count = PAGE;
    while (count == PAGE && !ret->status) {
        struct meta_range range = {0, to_ov, INT64_MIN, INT64_MAX, true, PAGE, false};
        enum status s = w->engine->meta->ops->range(w->session, &place->coll, place->id, &range,
                                                    page, &count, err);
        if (s != OK) return s;
        for (int i = 0; i < count; i++) {
            if (!ret->status && str_eq(page[i]->op_id, op_id))
                *ret = (struct op_answer){"committed", place->answer, page[i]->ov, page[i]->cv};
            to_ov = page[i]->ov - 1;
            version_unref(page[i]);
        }
    }
    return OK;
}

/* The cv of a noted operation stands in its version. */
static enum status op_cv(struct engine_worker *w, struct str database, struct arena *arena,
                         struct op_answer *ret, struct err *err) {
    struct key key;
    struct place place;
    struct version *v = NULL;
    enum status s = key_parse(ret->key, arena, &key, err);
    key.route = STR_NONE;
    if (s == OK)
        s = w->engine->meta->ops->coll(w->engine->meta, database, key.collection, false,
                                       &place.coll, err);
    if (s == OK)
        s = w->engine->meta->ops->by_ov(w->session, &place.coll, key.id, ret->ov, false, &v, err);
    if (v) ret->cv = v->cv;
    version_unref(v);
    return s;
}

enum status read_op(struct engine_worker *w, struct str database, struct str op_id,
                    const struct place *place, struct arena *arena, struct op_answer *ret,
                    struct err *err) {
    *ret = (struct op_answer){0};
    enum status s = op_noted(w, database, op_id, arena, ret, err);
    if (s == OK && ret->status) s = op_cv(w, database, arena, ret, err);
    if (s == OK && !ret->status && place && place->coll.no != 0)
        s = op_of_item(w, place, op_id, ret, err);
    if (s == OK && !ret->status)
        ret->status = commit_is_pending(w->engine, op_id) ? "pending" : "unknown";
    return s;
}

/* ---- statistics ---- */

void engine_stats(struct engine *e, struct engine_stats *ret) {
    cache_usage(e->cache, &ret->cache_bytes, &ret->cache_entries);
    ret->cache_max = e->cache_max;
    commit_stats(e, &ret->queued_writes, &ret->groups_in_flight, &ret->last_commit_ms);
}

enum status engine_health(struct engine_worker *w, struct arena *arena, struct meta_health *ret,
                          int64_t *ret_blob_us, struct err *err) {
    enum status s = w->engine->meta->ops->health(w->session, arena, ret, err);
    if (s == OK) s = w->engine->blob->ops->health(w->engine->blob, ret_blob_us, err);
    return s;
}
