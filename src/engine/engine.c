/*
 * The engine's frame: opening and closing, routes, and the registry of collections.
 *
 * The registry maps (database, collection) to the store's number of it. Collections are never
 * removed while the server runs, so its chains only grow at their front: the reactor walks them
 * without a lock, and a lock orders those who add.
 */
#include "engine/engine.h"

#include <pthread.h>

#include "engine/internal.h"

enum { REGISTRY_BUCKETS = 4096, REGISTRY_MAX = 100000, DATABASE_BYTES = 63 };

struct registered {
    struct registered *next;
    uint64_t hash;
    struct meta_coll coll; /* its strings stand in `names` */
    char names[];
};

struct registry {
    pthread_mutex_t lock; /* of those who add */
    int count;
    struct registered *_Atomic buckets[REGISTRY_BUCKETS];
};

static uint64_t coll_hash(struct str database, struct str name) {
    return str_hash(database) * 31 + str_hash(name);
}

static const struct registered *registry_find(struct registry *r, struct str database,
                                              struct str name) {
    uint64_t hash = coll_hash(database, name);
    const struct registered *at =
        atomic_load_explicit(&r->buckets[hash % REGISTRY_BUCKETS], memory_order_acquire);
    while (at && !(at->hash == hash && str_eq(at->coll.name, name) &&
                   str_eq(at->coll.database, database)))
        at = at->next;
    return at;
}

static const struct registered *registry_add(struct registry *r, const struct meta_coll *coll) {
    uint64_t hash = coll_hash(coll->database, coll->name);
    struct registered *_Atomic *bucket = &r->buckets[hash % REGISTRY_BUCKETS];
    struct registered *entry = xcalloc(1, sizeof *entry + coll->database.n + coll->name.n);
    memcpy(entry->names, coll->database.p, coll->database.n);
    memcpy(entry->names + coll->database.n, coll->name.p, coll->name.n);
    entry->hash = hash;
    entry->coll.no = coll->no;
    entry->coll.database = (struct str){entry->names, coll->database.n};
    entry->coll.name = (struct str){entry->names + coll->database.n, coll->name.n};
    entry->next = atomic_load_explicit(bucket, memory_order_relaxed);
    atomic_store_explicit(bucket, entry, memory_order_release);
    r->count++;
    return entry;
}

/* Asks the store, which makes the collection when `make`, and remembers it. */
static enum status registry_learn(struct engine *e, struct str database, struct str name, bool make,
                                  struct meta_coll *ret, struct err *err) {
    struct registry *r = e->registry;
    pthread_mutex_lock(&r->lock);
    const struct registered *found = registry_find(r, database, name);
    enum status s = OK;
    if (!found && make && r->count >= REGISTRY_MAX) {
        s = err_set(err, ERR_TOOLARGE,
                    "%d collections are open, which is the most; no new one is made", REGISTRY_MAX);
    } else if (!found) {
        struct meta_coll coll;
        s = e->meta->ops->coll(e->meta, database, name, make, &coll, err);
        if (s == OK) {
            coll.database = database;
            coll.name = name;
            found = registry_add(r, &coll);
        }
    }
    if (s == OK) *ret = found->coll;
    pthread_mutex_unlock(&r->lock);
    return s;
}

struct engine *engine_open(struct meta *meta, struct blob_store *blob, const struct config *config,
                           struct engine_hooks hooks) {
    struct engine *e = xcalloc(1, sizeof *e);
    e->meta = meta;
    e->blob = blob;
    e->config = config_ref(config);
    e->hooks = hooks;
    e->cache = cache_new(config->cache_bytes);
    e->cache_max = config->cache_bytes;
    e->commit = commit_new();
    e->registry = xcalloc(1, sizeof *e->registry);
    pthread_mutex_init(&e->registry->lock, NULL);
    return e;
}

void engine_config(struct engine *e, const struct config *config) {
    e->cache_max = config->cache_bytes;
    cache_resize(e->cache, config->cache_bytes);
}

static void registry_free(struct registry *r) {
    for (int i = 0; i < REGISTRY_BUCKETS; i++) {
        for (struct registered *at = r->buckets[i], *next; at; at = next) {
            next = at->next;
            free(at);
        }
    }
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void engine_close(struct engine *e) {
    if (!e) return;
    commit_free(e->commit);
    cache_free(e->cache);
    registry_free(e->registry);
    e->blob->ops->close(e->blob);
    e->meta->ops->close(e->meta);
    config_unref(e->config);
    free(e);
}

struct engine_worker *engine_worker_new(struct engine *e, struct err *err) {
    struct meta_session *session = e->meta->ops->session_new(e->meta, err);
    if (!session) return NULL;
    struct engine_worker *w = xcalloc(1, sizeof *w);
    w->engine = e;
    w->session = session;
    arena_init(&w->arena);
    return w;
}

void engine_worker_free(struct engine_worker *w) {
    if (!w) return;
    w->engine->meta->ops->session_free(w->session);
    arena_release(&w->arena);
    free(w);
}

static bool database_is_valid(struct str name) {
    if (name.n == 0 || name.n > DATABASE_BYTES) return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
        if (!ok) return false;
    }
    return true;
}

/* A route's name: the default route is known by its name; `db:<name>` is what USE DB leaves in a
 * session. */
static enum status route_database(struct engine *e, struct str route, bool in_key, struct str *ret,
                                  struct err *err) {
    if (str_eq(route, e->config->route)) {
        *ret = e->config->route;
        return OK;
    }
    if (!in_key && str_starts_with(route, STR("db:"))) {
        struct str name = {route.p + 3, route.n - 3};
        if (!database_is_valid(name))
            return err_set(err, ERR_VALIDATION, "a database's name is 1 to %d of A-Z a-z 0-9 _ -",
                           DATABASE_BYTES);
        *ret = name;
        return OK;
    }
    return err_set(err, ERR_NOROUTE, "no route is named like the one given; this server has '%.*s'",
                   STR_FMT(e->config->route));
}

enum status engine_route(struct engine *e, struct str key_route, struct str session_route,
                         struct str *ret_database, const char **ret_why, struct err *err) {
    bool in_key = key_route.p != NULL, in_session = session_route.n > 0;
    if (ret_why) *ret_why = in_key ? "key" : in_session ? "connection" : "default";
    if (in_key) return route_database(e, key_route, true, ret_database, err);
    if (in_session) return route_database(e, session_route, false, ret_database, err);
    *ret_database = e->config->route;
    return OK;
}

enum status engine_check_route(struct engine *e, struct str route, struct err *err) {
    struct str database;
    return route_database(e, route, false, &database, err);
}

static char *put(char *p, struct str s) {
    if (s.n) memcpy(p, s.p, s.n);
    return p + s.n;
}

/* [route/]collection:[id] */
static struct str answer_key(const struct key *key, struct arena *arena) {
    size_t route = key->route.p ? key->route.n + 1 : 0;
    char *text = arena_alloc(arena, route + key->collection.n + 1 + key->id.n);
    char *p = text;
    if (route) p = put(put(p, key->route), STR("/"));
    p = put(put(put(p, key->collection), STR(":")), key->id);
    return (struct str){text, (size_t)(p - text)};
}

enum status engine_place(struct engine *e, const struct key *key, struct str session_route,
                         bool make, struct arena *arena, struct place *ret, struct err *err) {
    struct str database;
    enum status s = engine_route(e, key->route, session_route, &database, NULL, err);
    if (s != OK) return s;
    struct place place = {.id = key->id};
    const struct registered *known = registry_find(e->registry, database, key->collection);
    if (known) {
        place.coll = known->coll;
    } else {
        struct err why;
        s = registry_learn(e, database, key->collection, make, &place.coll, &why);
        if (s == ERR_NOTFOUND && !make)
            place.coll = (struct meta_coll){.database = database, .name = key->collection, .no = 0};
        else if (s != OK)
            return err_set(err, s, "%s", why.msg);
    }
    place.answer = answer_key(key, arena);
    *ret = place;
    return OK;
}

bool engine_place_known(struct engine *e, const struct key *key, struct str session_route,
                        struct place *ret) {
    struct str database;
    struct err err;
    if (engine_route(e, key->route, session_route, &database, NULL, &err) != OK) return false;
    const struct registered *known = registry_find(e->registry, database, key->collection);
    if (!known) return false;
    *ret = (struct place){.coll = known->coll, .id = key->id, .answer = key->text};
    return true;
}
