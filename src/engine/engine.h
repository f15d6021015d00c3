/*
 * engine: the rules of Chronos over a metadata store and a payload store. commands/ calls it; it
 * knows no protocol.
 *
 * Threads: functions marked [reactor] never block and may be called by the reactor; all others are
 * for workers, with the worker's own `struct engine_worker`. One `struct engine` per process.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "config/config.h"
#include "engine/key.h"
#include "store/blob.h"
#include "store/meta.h"

struct engine;
struct engine_worker;

/* Takes over the stores: engine_close closes them. `wake` is called when a write waits and no
 * thread leads (any thread). */
struct engine_hooks {
    void (*wake)(void *arg);
    void *arg;
};
struct engine *engine_open(struct meta *meta, struct blob_store *blob, const struct config *config,
                           struct engine_hooks hooks);
void engine_close(struct engine *e);
struct engine_worker *engine_worker_new(struct engine *e, struct err *err);
void engine_worker_free(struct engine_worker *w);
/* [reactor] New settings (cache size, limits). */
void engine_config(struct engine *e, const struct config *config);

/* Where a command works. */
struct place {
    struct meta_coll coll;
    struct str id;     /* STR_NONE: the collection */
    struct str answer; /* the key as answers give it: collection:id, with the route only if the
                          request's key had one */
};

/* [reactor] The route a key goes to: key's own, the session's, the default. *ret_database in the
 * engine's memory. *ret_why, if not NULL: "key", "connection" or "default". ERR_NOROUTE. */
MUST_CHECK enum status engine_route(struct engine *e, struct str key_route,
                                    struct str session_route, struct str *ret_database,
                                    const char **ret_why, struct err *err);
/* [reactor] Is this a route that USE may take? ERR_NOROUTE. */
MUST_CHECK enum status engine_check_route(struct engine *e, struct str route, struct err *err);

/* The place of a parsed key. `make`: a collection that is not there is made; otherwise coll.no is 0
 * and reads find nothing. */
MUST_CHECK enum status engine_place(struct engine *e, const struct key *key,
                                    struct str session_route, bool make, struct arena *arena,
                                    struct place *ret, struct err *err);
/* [reactor] The same when the collection is known already; false: ask a worker. */
bool engine_place_known(struct engine *e, const struct key *key, struct str session_route,
                        struct place *ret);

#endif
