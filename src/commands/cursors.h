/*
 * cursors: where SCANs stand. A cursor is a number to the client and a position (collection, id of
 * the last item looked at) to us; the position is kept here, the least recently used one gives way.
 * Any thread: a lock is held while one entry is copied.
 *
 * Why not a position in the number itself: keys are strings, 64 bits hold no string, and whatever
 * hash of it would miss or repeat items. Why not in the connection: clients scan over pools of
 * connections. So a cursor does not survive a restart; one that is not known is an error that says
 * to start again, never a wrong answer.
 */
#ifndef COMMANDS_CURSORS_H
#define COMMANDS_CURSORS_H

#include "base/arena.h"
#include "base/err.h"
#include "engine/key.h"

enum { CURSOR_DATABASE_BYTES = 256 };

struct cursors;

struct position {
    uint64_t from; /* the cursor that led here, 0: none. It is dropped when this one is used */
    uint16_t database_bytes, collection_bytes, id_bytes;
    char database[CURSOR_DATABASE_BYTES], collection[KEY_COLLECTION_BYTES], id[KEY_ID_BYTES];
};

struct cursors *cursors_new(struct arena *arena);
void cursors_release(struct cursors *c); /* NULL-safe */

/* Keeps a position; the cursor's number is random, not 0, and exact in a double of 53 bits, which
 * is what some clients read it into. */
uint64_t cursors_put(struct cursors *c, const struct position *position);
/* False: there is no such cursor. It stays usable, so that a client may ask again. */
bool cursors_get(struct cursors *c, uint64_t cursor, struct position *ret);

#endif
