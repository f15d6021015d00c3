/*
 * The commit path. Invariants, each held to by a test that breaks the step which keeps it:
 *
 *   I1  An acknowledged version is readable for ever, with the bytes that were acknowledged:
 *       `done` runs only after group_end said that everything is durable.
 *   I2  No record names a payload that is neither in the record nor in the payload store: large
 *       payloads are put, and synced, before the swap that names them.
 *   I3  (item, ov) and (collection, cv) are unique, at is monotone in both: one group at a time
 *       takes numbers, and each swap is a compare-and-swap on the head's ov.
 *   I4  One opId takes effect once: a client's OPID is looked up before its write is planned, and
 *       noted with it.
 *   I5  A payload key is written by one opId only: the key has the opId in it, and the store never
 *       replaces an object.
 *   I6  Totals equal a recount: they change in the store with the rows that they count.
 *   And: what a reader sees in the cache is committed: publishing follows group_end and precedes
 *   `done`.
 *
 *   A write set:
 *
 *       submitted --take--> in a group --publish--> settled --done--> answered
 *           |                   |                                        ^
 *           | deadline          | the group fails: TRYAGAIN (nothing was |
 *           |                   | applied) or TIMEDOUT (unknown)         |
 *           +-------------------+----------------------------------------+
 *
 *   A group (the function of each step stands in this file, plan's in plan.c):
 *
 *       take_sets -> group_load -> begin -> group_write -> end -> group_publish
 *                        ^                   plan: number, compose, put large payloads
 *                        |                   swap, note OPIDs
 *                        +--- a swap was lost: again, without the cache
 *
 * The engine lets one group at a time commit, in whichever worker comes first when sets wait
 * (commit_lead). While it syncs, the next group gathers in the queue: that is the group commit.
 * Writers never wait in a thread.
 */
#include "engine/commit.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/metrics.h"
#include "engine/group.h"

enum {
    ATTEMPTS = 3,         /* of a group whose swaps are lost */
    BUSY_WAIT_US = 500,   /* a busy worker leads when a set has waited this long */
    CLOCK_STEP_US = 1000, /* how long an as-of waits for its millisecond to pass, at a time */
};

struct commit {
    pthread_mutex_t lock;
    pthread_cond_t ended; /* a group ended */
    struct write_set *first, **last;
    int64_t waiting; /* writes in the queue */
    int64_t oldest_us;
    bool leading;
    const struct write_set *current; /* the group in flight, for OPSTATUS */
    _Atomic int64_t
        in_flight_ms; /* the group in flight has no version before this instant; 0: no group */
    _Atomic int64_t unpublished_row;   /* rows from here on are not published; INT64_MAX: all are */
    _Atomic uint64_t publishes;        /* odd while heads are being published */
    _Atomic int64_t last_ms, queued;   /* for INFO; queued mirrors waiting */
    _Atomic int64_t first_deadline_us; /* of the set that waits longest; 0: none waits */
    atomic_bool led;                   /* mirrors leading */
};

struct commit *commit_new(void) {
    struct commit *c = xcalloc(1, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->ended, &attr);
    pthread_condattr_destroy(&attr);
    c->last = &c->first;
    atomic_store(&c->unpublished_row, INT64_MAX);
    return c;
}

void commit_free(struct commit *c) {
    if (!c) return;
    ASSERT(!c->first && !c->leading);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->ended);
    free(c);
}

/* ---- the queue ---- */

enum status commit_submit(struct engine_worker *w, struct write_set *set, struct err *err) {
    ASSERT(set->count > 0 && set->done);
    struct commit *c = w->engine->commit;
    int64_t now_us = clock_mono_us();
    set->deadline_us = now_us + set->config->commit_wait_ms * 1000;
    set->next = NULL;
    pthread_mutex_lock(&c->lock);
    bool full = c->waiting > 0 && c->waiting + set->count > set->config->queued_writes;
    if (!full) {
        if (!c->first) {
            c->oldest_us = now_us;
            atomic_store(&c->first_deadline_us, set->deadline_us);
        }
        *c->last = set;
        c->last = &set->next;
        c->waiting += set->count;
        atomic_store_explicit(&c->queued, c->waiting, memory_order_relaxed);
    }
    pthread_mutex_unlock(&c->lock);
    if (!full) return OK;
    return err_set(err, ERR_TRYAGAIN,
                   "%lld writes wait already (server.limits.queuedWrites); nothing was applied",
                   (long long)set->config->queued_writes);
}

static struct write_set *queue_pop(struct commit *c) {
    struct write_set *set = c->first;
    c->first = set->next;
    if (!c->first) c->last = &c->first;
    set->next = NULL;
    atomic_store(&c->first_deadline_us, c->first ? c->first->deadline_us : 0);
    c->waiting -= set->count;
    atomic_store_explicit(&c->queued, c->waiting, memory_order_relaxed);
    return set;
}

static int64_t set_bytes(const struct write_set *set) {
    int64_t bytes = 0;
    for (int i = 0; i < set->count; i++) bytes += (int64_t)set->writes[i].doc.n;
    return bytes;
}

/* A list of sets, in order. */
struct sets {
    struct write_set *first, **last;
    int writes;
};

static void sets_add(struct sets *list, struct write_set *set) {
    *list->last = set;
    list->last = &set->next;
    list->writes += set->count;
}

/* Takes what one group may hold, and apart from it the sets that waited too long. */
static void take_sets(struct commit *c, struct sets *group, struct sets *late) {
    int64_t now_us = clock_mono_us(), bytes = 0;
    while (c->first) {
        const struct config *config = c->first->config;
        bool is_late = c->first->deadline_us < now_us;
        if (!is_late) {
            bytes += set_bytes(c->first);
            if (group->first && (group->writes + c->first->count > config->group_writes ||
                                 bytes > config->group_bytes))
                break;
        }
        sets_add(is_late ? late : group, queue_pop(c));
    }
    c->oldest_us = now_us;
}

static bool is_due(const struct commit *c) {
    return c->first && (c->waiting >= c->first->config->group_writes ||
                        clock_mono_us() - c->oldest_us > BUSY_WAIT_US);
}

static void refuse_late(struct write_set *set) {
    for (int i = 0; i < set->count; i++)
        set->writes[i].ret.status =
            err_set(&set->writes[i].ret.err, ERR_TRYAGAIN,
                    "no commit began within %lld ms (server.limits.commitWait); "
                    "nothing was applied",
                    (long long)set->config->commit_wait_ms);
    set->refused = true;
}

static void answer_all(struct write_set *set) {
    for (struct write_set *next; set; set = next) {
        next = set->next;
        set->done(set);
    }
}

static void group_commit(struct engine_worker *w, struct sets *sets);

bool commit_lead(struct engine_worker *w, bool busy) {
    struct commit *c = w->engine->commit;
    if (atomic_load_explicit(&c->queued, memory_order_relaxed) == 0) return false;
    struct sets group = {.last = &group.first}, late = {.last = &late.first};
    pthread_mutex_lock(&c->lock);
    bool lead = !c->leading && (busy ? is_due(c) : c->first != NULL);
    if (lead) {
        take_sets(c, &group, &late);
        c->leading = group.first != NULL;
        c->current = group.first;
    } else if (c->leading) {
        int64_t now_us = clock_mono_us();
        while (c->first && c->first->deadline_us < now_us) sets_add(&late, queue_pop(c));
    }
    atomic_store(&c->led, c->leading);
    pthread_mutex_unlock(&c->lock);
    for (struct write_set *set = late.first; set; set = set->next) refuse_late(set);
    answer_all(late.first);
    if (group.first) group_commit(w, &group);
    return group.first || late.first;
}

/* ---- one group ---- */

static uint64_t item_hash(const struct meta_coll *coll, struct str id) {
    return str_hash(id) ^ ((uint64_t)coll->no * 0x9e3779b97f4a7c15u);
}

struct group_item *group_item(struct group *g, const struct meta_coll *coll, struct str id) {
    uint64_t hash = item_hash(coll, id);
    struct group_item **bucket = &g->table[hash % GROUP_TABLE];
    for (struct group_item *at = *bucket; at; at = at->chain)
        if (at->hash == hash && at->coll.no == coll->no && str_eq(at->id, id)) return at;
    struct group_item *item = arena_zalloc(g->arena, sizeof *item);
    item->hash = hash;
    item->coll = *coll;
    item->id = id;
    item->chain = *bucket;
    *bucket = item;
    item->next = g->items;
    g->items = item;
    return item;
}

/* An id for an item that has none. With a client's OPID it follows from it, so that a second
 * attempt makes no second item. */
static void mint_id(struct group *g, struct write *write) {
    char *hex = arena_alloc(g->arena, OBJECTID_HEX);
    if (write->op_id.p) {
        uint8_t sum[SHA256_BYTES];
        digest_sha256_list(
            (struct str[]){write->place.coll.database, write->place.coll.name, write->op_id}, 3,
            sum);
        hex_encode(sum, OBJECTID_HEX / 2, hex);
    } else {
        objectid_mint(hex);
    }
    write->place.id = (struct str){hex, OBJECTID_HEX};
}

/* collection:id as answers give it; the place of a collection key ends with ':'. */
static void set_answer_key(struct group *g, struct write *write, bool minted) {
    struct str base = write->place.answer, id = write->place.id;
    if (!minted) {
        write->ret.key = base;
        return;
    }
    char *key = arena_alloc(g->arena, base.n + id.n);
    memcpy(key, base.p, base.n);
    memcpy(key + base.n, id.p, id.n);
    write->ret.key = (struct str){key, base.n + id.n};
}

static struct str minted_op(struct group *g) {
    char *hex = arena_alloc(g->arena, OBJECTID_HEX);
    objectid_mint(hex);
    return (struct str){hex, OBJECTID_HEX};
}

/* Finds the write's item, and its head where the cache has it. */
static void prepare_write(struct group *g, struct write *write, bool use_cache) {
    bool minted = !write->place.id.p;
    if (minted) {
        ASSERT(write->kind == WRITE_CREATE);
        mint_id(g, write);
    }
    if (!write->ret.key.p) set_answer_key(g, write, minted);
    if (!write->ret.op_id.p) write->ret.op_id = write->op_id.p ? write->op_id : minted_op(g);
    struct group_item *item = group_item(g, &write->place.coll, write->place.id);
    if (item->loaded) return;
    if (minted && !write->op_id.p)
        item->loaded = item->fresh = true;
    else if (use_cache)
        item->loaded =
            cache_head(g->engine->cache, (struct cache_item){item->coll.no, item->id}, &item->head);
}

/* A head from the store becomes the item's, once its document was found whole. What is damaged
 * fails the writes to this item, and no other. */
static void take_head(struct group *g, struct group_item *item, struct version *head) {
    struct err err;
    item->loaded = true;
    item->head = head;
    if (head && head->doc.p && payload_verify(head, &err) != OK)
        item->damage = arena_dup(g->arena, str_of(err.msg));
}

/* Items of one collection whose heads are to be read. */
struct loading {
    struct str *ids;
    struct group_item **items;
    struct version **heads;
    int count;
};

static enum status load_each(struct group *g, const struct loading *l, struct err *err) {
    for (int i = 0; i < l->count; i++) {
        struct err why;
        struct version *head = NULL;
        enum status s = g->engine->meta->ops->heads(g->worker->session, &l->items[i]->coll,
                                                    &l->ids[i], 1, true, &head, &why);
        if (s != OK && s != ERR_CORRUPT) return err_set(err, s, "%s", why.msg);
        take_head(g, l->items[i], head);
        if (s != OK) l->items[i]->damage = arena_dup(g->arena, str_of(why.msg));
    }
    return OK;
}

static void gather_items(struct group *g, struct group_item *first, struct loading *l) {
    for (struct group_item *item = first; item; item = item->next)
        l->count += !item->loaded && item->coll.no == first->coll.no;
    size_t room = (size_t)l->count;
    l->ids = arena_alloc(g->arena, room * sizeof *l->ids);
    l->items = arena_alloc(g->arena, room * sizeof *l->items);
    l->heads = arena_zalloc(g->arena, room * sizeof *l->heads);
    int i = 0;
    for (struct group_item *item = first; item; item = item->next) {
        if (item->loaded || item->coll.no != first->coll.no) continue;
        l->ids[i] = item->id;
        l->items[i++] = item;
    }
}

/* Reads the heads that the cache did not have, one query a collection. */
static enum status load_heads(struct group *g, struct err *err) {
    for (struct group_item *first = g->items; first; first = first->next) {
        if (first->loaded) continue;
        struct loading l = {0};
        gather_items(g, first, &l);
        enum status s = g->engine->meta->ops->heads(g->worker->session, &first->coll, l.ids,
                                                    l.count, true, l.heads, err);
        if (s == OK) {
            for (int i = 0; i < l.count; i++) take_head(g, l.items[i], l.heads[i]);
        } else if (s == ERR_CORRUPT) {
            s = load_each(g, &l, err);
        }
        if (s != OK) return s;
    }
    return OK;
}

static enum status group_load(struct group *g, bool use_cache, struct err *err) {
    for (struct write_set *set = g->sets; set; set = set->next)
        for (int i = 0; i < set->count; i++) prepare_write(g, &set->writes[i], use_cache);
    return load_heads(g, err);
}

enum status group_document(struct group *g, const struct group_item *item, struct version **version,
                           struct err *err) {
    struct version *v = *version;
    if (v->doc.p) return OK;
    if (v->blob_key.p) return payload_load(g->engine, g->arena, version, err);
    struct version *loaded;
    enum status s = g->engine->meta->ops->by_ov(g->worker->session, &item->coll, item->id, v->ov,
                                                true, &loaded, err);
    if (s != OK) return s;
    if (!loaded || !loaded->doc.p) {
        version_unref(loaded);
        return err_set(err, ERR_CORRUPT, "the payload of %.*s ov %lld is missing",
                       STR_FMT(item->id), (long long)v->ov);
    }
    *version = loaded;
    version_unref(v);
    return payload_verify(loaded, err);
}

enum status group_number(struct group *g, const struct meta_coll *coll, struct meta_numbers *ret,
                         struct err *err) {
    struct group_numbers *n = g->numbers;
    while (n && n->coll != coll->no) n = n->next;
    if (!n) {
        n = arena_zalloc(g->arena, sizeof *n);
        n->coll = coll->no;
        n->next = g->numbers;
        g->numbers = n;
    }
    if (n->left == 0) {
        /* A store that counts in memory is asked for one at a time, so that no number is lost;
         * another one once. */
        int count = g->engine->meta->ops->scope == META_SCOPE_STORE ? 1 : g->writes;
        enum status s = g->engine->meta->ops->group_take(g->meta, coll, count, &n->free, err);
        if (s != OK) return s;
        n->left = count;
    }
    *ret = n->free;
    n->free.cv++;
    n->left--;
    return OK;
}

enum status group_swap(struct group *g, struct err *err) {
    int count = g->made_count - g->swapped;
    if (count == 0) return OK;
    struct meta_swap *swaps = g->swaps + g->swapped;
    enum status s = g->engine->meta->ops->group_swap(g->meta, swaps, count, err);
    if (s != OK) return s;
    for (int i = 0; i < count; i++) {
        struct version *v = g->made[g->swapped + i].version;
        if (!swaps[i].applied) g->lost = true;
        v->row = swaps[i].row;
        if (v->payload_ov == v->ov && !v->blob_key.p) v->payload_row = v->row;
    }
    g->swapped += count;
    return OK;
}

/* ---- planning ---- */

static enum status plan_one(struct group *g, const struct write_set *set, struct write *write,
                            struct err *err) {
    bool replayed = false;
    enum status s = op_replay(g, write, &replayed, err);
    if (s != OK || replayed) return s;
    struct group_item *item = group_item(g, &write->place.coll, write->place.id);
    if (item->damage.p) {
        write->ret.status = err_set(&write->ret.err, ERR_CORRUPT, "%.*s", STR_FMT(item->damage));
        return OK;
    }
    s = plan_write(g, set, write, item, err);
    if (s == OK) op_remember(g, write);
    if (s != ERR_CORRUPT) return s;
    write->ret.status = err_set(&write->ret.err, s, "%s", err->msg); /* its own, not the group's */
    return OK;
}

static bool is_refused(const struct write *write) {
    return write->ret.status != OK ||
           ((write->if_absent || write->if_present) && !write->ret.changed);
}

/* Takes back what an atomic set made, in reverse order. */
static void undo_set(struct group *g, struct write_set *set, int made_before) {
    while (g->made_count > made_before) {
        struct made *made = &g->made[--g->made_count];
        version_unref(made->item->head);
        made->item->head = made->before;
    }
    for (int i = 0; i < set->count; i++) {
        struct write *write = &set->writes[i];
        version_unref(write->ret.version);
        version_unref(write->ret.prior);
        write->ret.version = write->ret.prior = NULL;
        write->ret.changed = false;
    }
    set->refused = true;
}

static enum status plan_set(struct group *g, struct write_set *set, struct err *err) {
    int made_before = g->made_count;
    g->atomic = set->atomic;
    for (int i = 0; i < set->count; i++) {
        enum status s = plan_one(g, set, &set->writes[i], err);
        if (s != OK) return s;
        if (set->atomic && is_refused(&set->writes[i])) {
            undo_set(g, set, made_before);
            break;
        }
    }
    g->atomic = false;
    return OK;
}

static enum status fault_status(enum fault_point point, struct err *err) {
    if (fault_hit(point) == FAULT_NONE) return OK;
    return err_set(err, ERR_TRYAGAIN, "fault point %s; nothing was applied", fault_name(point));
}

/* Everything between begin and end. */
static enum status group_write(struct group *g, struct err *err) {
    for (struct write_set *set = g->sets; set; set = set->next) {
        enum status s = plan_set(g, set, err);
        if (s != OK) return s;
    }
    enum status s = fault_status(FAULT_GROUP_PLANNED, err);
    if (s == OK) s = group_swap(g, err);
    for (struct write_set *set = g->sets; s == OK && set; set = set->next) s = op_note(g, set, err);
    if (s == OK) s = fault_status(FAULT_SWAPPED, err);
    return s;
}

/* Readers of the cache see the group's versions from here on. */
static void group_publish(struct group *g) {
    struct commit *c = g->engine->commit;
    atomic_fetch_add(&c->publishes, 1);
    for (int i = 0; i < g->made_count; i++)
        cache_publish(g->engine->cache, g->made[i].item->coll.no, g->made[i].version);
    atomic_fetch_add(&c->publishes, 1);
    if (g->made_count > 0) atomic_store(&c->last_ms, g->made[g->made_count - 1].version->at_ms);
}

static void forget_items(struct group *g) {
    for (struct group_item *item = g->items; item; item = item->next)
        cache_forget(g->engine->cache, (struct cache_item){item->coll.no, item->id});
}

/* One attempt. *ret_again: a swap was lost and nothing was applied. */
static enum status group_attempt(struct group *g, bool use_cache, bool *ret_again,
                                 struct err *err) {
    const struct meta_ops *meta = g->engine->meta->ops;
    enum status s = group_load(g, use_cache, err);
    if (s == OK) s = meta->group_begin(g->engine->meta, &g->meta, err);
    if (s != OK) return s;
    s = group_write(g, err);
    bool nothing = g->made_count == 0 && g->op_count == 0;
    if (s != OK || g->lost || nothing) {
        meta->group_abort(g->meta);
        *ret_again = s == OK && g->lost;
        return s;
    }
    struct commit *c = g->engine->commit;
    if (g->made_count > 0) atomic_store(&c->unpublished_row, g->made[0].version->row);
    s = meta->group_end(g->meta, err);
    if (s == OK) {
        (void)fault_hit(FAULT_COMMITTED); /* what is durable cannot fail any more */
        group_publish(g);
        (void)fault_hit(FAULT_PUBLISHED);
    } else if (s == ERR_TIMEDOUT) {
        forget_items(g);
    }
    atomic_store(&c->unpublished_row, INT64_MAX);
    return s;
}

void commit_release(struct write_set *set) {
    for (int i = 0; i < set->count; i++) {
        version_unref(set->writes[i].ret.version);
        version_unref(set->writes[i].ret.prior);
        set->writes[i].ret.version = set->writes[i].ret.prior = NULL;
    }
}

/* Drops what an attempt holds and, when the group failed, every outcome that rests on it. A replay
 * rests on an earlier one. */
static void group_release(struct group *g, bool failed) {
    for (int i = 0; i < g->made_count; i++) version_unref(g->made[i].before);
    for (struct group_item *item = g->items; item; item = item->next) version_unref(item->head);
    if (!failed) return;
    for (struct write_set *set = g->sets; set; set = set->next) {
        set->refused = false;
        commit_release(set);
        for (int i = 0; i < set->count; i++) {
            struct write *write = &set->writes[i];
            struct str key = write->ret.key, op_id = write->ret.op_id;
            memset(&write->ret, 0, sizeof write->ret);
            write->ret.key = key;
            write->ret.op_id = op_id;
        }
    }
}

/* Every write of the group gets the failure. TIMEDOUT names what to ask for. */
static void group_fail(struct group *g, enum status code, const struct err *why) {
    for (struct write_set *set = g->sets; set; set = set->next) {
        set->refused = true;
        for (int i = 0; i < set->count; i++) {
            struct write *write = &set->writes[i];
            if (code == ERR_TIMEDOUT)
                write->ret.status =
                    err_set(&write->ret.err, code,
                            "%s; the outcome of OPID %.*s on %.*s is unknown: ask CHRONOS.OPSTATUS",
                            why->msg, STR_FMT(write->ret.op_id), STR_FMT(write->ret.key));
            else
                write->ret.status = err_set(&write->ret.err, code, "%s", why->msg);
        }
    }
}

static void group_init(struct group *g, struct engine_worker *w, const struct sets *sets) {
    memset(g, 0, sizeof *g);
    g->worker = w;
    g->engine = w->engine;
    g->arena = &w->arena;
    g->sets = sets->first;
    g->writes = sets->writes;
    g->made = arena_alloc(g->arena, (size_t)g->writes * sizeof *g->made);
    g->swaps = arena_zalloc(g->arena, (size_t)g->writes * sizeof *g->swaps);
}

static void group_run(struct engine_worker *w, const struct sets *sets) {
    struct group g;
    struct err err = {.code = ERR_TRYAGAIN,
                      .msg = "the heads moved each time; nothing was applied"};
    enum status s = ERR_TRYAGAIN;
    bool again = true;
    for (int attempt = 0; again && attempt < ATTEMPTS; attempt++) {
        again = false;
        group_init(&g, w, sets);
        s = fault_status(FAULT_GROUP_TAKEN, &err);
        if (s == OK) s = group_attempt(&g, attempt == 0, &again, &err);
        if (again) forget_items(&g);
        group_release(&g, again || s != OK);
    }
    if (again) s = ERR_TRYAGAIN;
    if (s != OK) group_fail(&g, s, &err);
}

/* The leader's work. Leadership is given up before the answers are written, so that the next group
 * need not wait for them. */
static void group_commit(struct engine_worker *w, struct sets *sets) {
    struct commit *c = w->engine->commit;
    atomic_store(&c->in_flight_ms, clock_now_ms());
    group_run(w, sets);
    metric_add(METRIC_GROUPS, 1);
    metric_add(METRIC_GROUP_WRITES, sets->writes);
    pthread_mutex_lock(&c->lock);
    c->leading = false;
    c->current = NULL;
    atomic_store(&c->led, false);
    atomic_store(&c->in_flight_ms, 0);
    pthread_cond_broadcast(&c->ended);
    pthread_mutex_unlock(&c->lock);
    answer_all(sets->first);
    arena_reset(&w->arena);
}

bool commit_is_overdue(const struct engine *e) {
    int64_t deadline_us = atomic_load(&e->commit->first_deadline_us);
    return deadline_us != 0 && deadline_us < clock_mono_us();
}

/* ---- what readers ask ---- */

bool commit_closed(const struct engine *e, int64_t at_ms) {
    int64_t in_flight_ms = atomic_load(&e->commit->in_flight_ms);
    return at_ms < clock_now_ms() && (in_flight_ms == 0 || at_ms < in_flight_ms);
}

static void wait_group(struct commit *c, int64_t at_ms, int64_t until_us) {
    struct timespec until = {.tv_sec = until_us / 1000000, .tv_nsec = (until_us % 1000000) * 1000};
    pthread_mutex_lock(&c->lock);
    int rc = 0;
    while (rc != ETIMEDOUT && c->leading && atomic_load(&c->in_flight_ms) <= at_ms)
        rc = pthread_cond_timedwait(&c->ended, &c->lock, &until);
    pthread_mutex_unlock(&c->lock);
}

/* First the instant's own millisecond must be over, then the group that may still commit in it. */
enum status commit_wait_closed(struct engine *e, int64_t at_ms, int64_t wait_ms, struct err *err) {
    int64_t until_us = clock_mono_us() + wait_ms * 1000;
    while (!commit_closed(e, at_ms)) {
        if (clock_mono_us() >= until_us)
            return err_set(
                err, ERR_TRYAGAIN,
                "a commit at or before this instant has not ended in %lld ms; nothing was "
                "read",
                (long long)wait_ms);
        if (clock_now_ms() <= at_ms)
            nanosleep(&(struct timespec){.tv_nsec = CLOCK_STEP_US * 1000}, NULL);
        else
            wait_group(e->commit, at_ms, until_us);
    }
    return OK;
}

void commit_nudge(struct engine *e) {
    struct commit *c = e->commit;
    if (atomic_load_explicit(&c->queued, memory_order_relaxed) > 0 &&
        !atomic_load_explicit(&c->led, memory_order_relaxed))
        e->hooks.wake(e->hooks.arg);
}

bool commit_is_published(const struct engine *e, const struct version *v) {
    return v->row < atomic_load(&e->commit->unpublished_row);
}

uint64_t commit_publish_count(const struct engine *e) {
    return atomic_load(&e->commit->publishes);
}

static bool list_has_op(const struct write_set *set, struct str op_id) {
    for (; set; set = set->next)
        for (int i = 0; i < set->count; i++)
            if (str_eq(set->writes[i].op_id, op_id)) return true;
    return false;
}

bool commit_is_pending(struct engine *e, struct str op_id) {
    struct commit *c = e->commit;
    pthread_mutex_lock(&c->lock);
    bool pending = list_has_op(c->current, op_id) || list_has_op(c->first, op_id);
    pthread_mutex_unlock(&c->lock);
    return pending;
}

void commit_stats(struct engine *e, int64_t *ret_queued, int64_t *ret_in_flight,
                  int64_t *ret_last_ms) {
    *ret_queued = atomic_load(&e->commit->queued);
    *ret_in_flight = atomic_load(&e->commit->in_flight_ms) != 0;
    *ret_last_ms = atomic_load(&e->commit->last_ms);
}
