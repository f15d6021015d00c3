/*
 * garbage: objects in the payload store that no record names: what a write left that was refused,
 * or a process that was killed, after the payload was put and before the swap. Found later, by
 * evidence: an object is removed only when the version that its key belongs to names another
 * payload or is not there, and the object is older than any commit can take.
 */
#ifndef ENGINE_GARBAGE_H
#define ENGINE_GARBAGE_H

#include "engine/engine.h"

enum { GARBAGE_AGE_MS = 3600 * 1000 }; /* younger objects may belong to a commit in flight */

/* Looks at every object once. Objects whose key is not of our making are left alone. */
MUST_CHECK enum status garbage_sweep(struct engine_worker *w, int64_t older_than_ms,
                                     int64_t *ret_removed, struct err *err);

/* A thread that sweeps a minute after the start and every hour. NULL with err set. */
struct sweeper;
struct sweeper *sweeper_start(struct engine *e, struct err *err);
void sweeper_stop(struct sweeper *s); /* NULL-safe; waits for the object it looks at */

#endif
