#include "engine/garbage.h"

#include "base/clock.h"
#include "engine/internal.h"

enum { PAGE = 256, PARTS_MAX = 5 };

/* Splits at '/'. More than PARTS_MAX parts: 0. */
static int split(struct str key, struct str parts[PARTS_MAX]) {
    int count = 0;
    while (count < PARTS_MAX) {
        ptrdiff_t slash = str_find_char(key, '/');
        parts[count++] = (struct str){key.p, slash < 0 ? key.n : (size_t)slash};
        if (slash < 0) return count;
        key = (struct str){key.p + slash + 1, key.n - (size_t)slash - 1};
    }
    return 0;
}

/* The version that a key [database/]collection/id/v<ov>/item-<name>.json belongs to. */
struct owner {
    struct str database, collection, id;
    int64_t ov;
};

static bool owner_of(const struct engine *e, struct str key, struct owner *ret) {
    struct str parts[PARTS_MAX];
    int count = split(key, parts);
    if (count < 4) return false;
    const struct str *last = parts + count - 4;
    struct str ov = last[2];
    if (ov.n < 2 || ov.p[0] != 'v' || !str_starts_with(last[3], STR("item-"))) return false;
    *ret = (struct owner){
        .database = count == 5 ? parts[0] : e->config->route, .collection = last[0], .id = last[1]};
    return str_to_int((struct str){ov.p + 1, ov.n - 1}, &ret->ov);
}

static enum status is_garbage(struct engine_worker *w, struct str key, bool *ret, struct err *err) {
    const struct meta_ops *meta = w->engine->meta->ops;
    struct owner owner;
    *ret = false;
    if (!owner_of(w->engine, key, &owner)) return OK;
    struct meta_coll coll;
    enum status s =
        meta->coll(w->engine->meta, owner.database, owner.collection, false, &coll, err);
    if (s == ERR_NOTFOUND) {
        *ret = true;
        return OK;
    }
    struct version *v = NULL;
    if (s == OK) s = meta->by_ov(w->session, &coll, owner.id, owner.ov, false, &v, err);
    *ret = s == OK && !(v && str_eq(v->blob_key, key));
    version_unref(v);
    return s;
}

enum status garbage_sweep(struct engine_worker *w, int64_t older_than_ms, int64_t *ret_removed,
                          struct err *err) {
    struct blob_store *blob = w->engine->blob;
    struct blob_info page[PAGE];
    char after[1024];
    struct str cursor = STR_NONE;
    int64_t removed = 0, before_ms = clock_now_ms() - older_than_ms;
    int count = PAGE;
    while (count == PAGE) {
        enum status s =
            blob->ops->list(blob, BLOB_JSON, STR(""), cursor, &w->arena, page, PAGE, &count, err);
        for (int i = 0; s == OK && i < count; i++) {
            bool garbage = false;
            if (page[i].modified_ms <= before_ms) s = is_garbage(w, page[i].key, &garbage, err);
            if (s == OK && garbage) {
                s = blob->ops->remove(blob, BLOB_JSON, page[i].key, err);
                removed++;
            }
        }
        if (s != OK) return s;
        if (count == PAGE) {
            ASSERT(page[count - 1].key.n <= sizeof after);
            memcpy(after, page[count - 1].key.p, page[count - 1].key.n);
            cursor = (struct str){after, page[count - 1].key.n};
        }
        arena_reset(&w->arena);
    }
    *ret_removed = removed;
    return OK;
}
