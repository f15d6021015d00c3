/*
 * The sweep, and the thread that does it now and then. An object's key tells whose it would be; the
 * version's record decides.
 */
#include "engine/garbage.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/internal.h"

enum { PAGE = 256, PARTS_MAX = 5, FIRST_SWEEP_S = 60, SWEEP_EVERY_S = 3600 };

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
        struct blob_listing listing = {.prefix = STR(""), .after = cursor, .limit = PAGE};
        enum status s = blob->ops->list(blob, BLOB_JSON, &listing, &w->arena, page, &count, err);
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

/* ---- the thread ---- */

struct sweeper {
    struct engine_worker *worker;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool stop;
};

/* Sleeps; true when it is time to end. */
static bool sweeper_wait(struct sweeper *s, int seconds) {
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    pthread_mutex_lock(&s->lock);
    int rc = 0;
    while (!s->stop && rc == 0) rc = pthread_cond_timedwait(&s->stopped, &s->lock, &until);
    bool stop = s->stop;
    pthread_mutex_unlock(&s->lock);
    return stop;
}

static void *sweeper_main(void *arg) {
    struct sweeper *s = arg;
    for (int wait_s = FIRST_SWEEP_S; !sweeper_wait(s, wait_s); wait_s = SWEEP_EVERY_S) {
        struct err err;
        int64_t removed = 0;
        if (garbage_sweep(s->worker, GARBAGE_AGE_MS, &removed, &err) != OK)
            log_line(LOG_WARN, LOG_FAILURE,
                     "the sweep for payloads without a record ended early: %s", err.msg);
        else if (removed > 0)
            log_line(LOG_INFO, LOG_OPERATION, "%lld payloads without a record were removed",
                     (long long)removed);
    }
    return NULL;
}

struct sweeper *sweeper_start(struct engine *e, struct err *err) {
    struct engine_worker *worker = engine_worker_new(e, err);
    if (!worker) return NULL;
    struct sweeper *s = xcalloc(1, sizeof *s);
    s->worker = worker;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->stopped, NULL);
    int rc = pthread_create(&s->thread, NULL, sweeper_main, s);
    if (rc == 0) return s;
    (void)err_set(err, ERR_INTERNAL, "cannot start a thread: %s", strerror(rc));
    engine_worker_free(worker);
    free(s);
    return NULL;
}

void sweeper_stop(struct sweeper *s) {
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->stopped);
    pthread_mutex_unlock(&s->lock);
    (void)pthread_join(s->thread, NULL); /* cannot fail: it was started and is joined once */
    engine_worker_free(s->worker);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->stopped);
    free(s);
}
