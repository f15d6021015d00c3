/*
 * key: `[route/]collection:[id]`, the one string that names an item or a collection (SPEC §1). Any
 * thread.
 */
#ifndef ENGINE_KEY_H
#define ENGINE_KEY_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { KEY_COLLECTION_BYTES = 120, KEY_ID_BYTES = 200 };

struct key {
    struct str text;  /* as sent */
    struct str route; /* STR_NONE: not in the key */
    struct str collection;
    struct str id; /* STR_NONE: a collection key. 24 hex digits are lower-cased */
};

/* Route up to a '/' before the first ':', collection up to the first ':', then the id. `users` is
 * `users:`. ERR_VALIDATION says which part is wrong and what is allowed. */
MUST_CHECK enum status key_parse(struct str text, struct arena *arena, struct key *ret,
                                 struct err *err);
/* As key_parse; ERR_VALIDATION unless it names an item / a collection. */
MUST_CHECK enum status key_parse_item(struct str text, struct arena *arena, struct key *ret,
                                      struct err *err);
MUST_CHECK enum status key_parse_collection(struct str text, struct arena *arena, struct key *ret,
                                            struct err *err);

#endif
