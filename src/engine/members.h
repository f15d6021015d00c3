/*
 * members: the members of an object, or the elements of an array, listed so that one is found by
 * its hash: one by one when few, by a table when many. Shared by merge, diff and blame; nobody else
 * needs it. Everything lies in the arena. The text is borrowed.
 */
#ifndef ENGINE_MEMBERS_H
#define ENGINE_MEMBERS_H

#include "base/arena.h"
#include "base/json.h"

struct tree; /* of document_merge.c */

struct member {
    struct str key;   /* raw; STR_NONE in an array */
    struct str text;  /* the value */
    struct tree *now; /* what merge has made of it; NULL: the text still holds */
    uint64_t hash;
};

/* How entries are found: members of objects by key, elements as merge sees them. */
struct members_by {
    uint64_t (*hash)(struct str key, struct str value);
    /* Are two entries of the same hash one and the same to whoever looks for them? Then only the
     * first is found. NULL: there are no such entries. */
    bool (*same)(struct str value, struct str other);
};
extern const struct members_by members_by_key;

struct members {
    struct arena *arena;
    const struct members_by *by;
    struct member *list; /* in the order of the text; what was added comes last */
    uint32_t count, cap;
    uint32_t *table; /* of member number + 1, 0: free; NULL: few members */
    uint32_t mask;   /* places in the table - 1 */
};

/* Lists a container. */
void members_list(struct members *m, struct arena *arena, struct str container,
                  const struct members_by *by);
void members_add(struct members *m, struct member member);

/* The next one with this hash, NULL at the end; *place is 0 at first. */
struct member *members_probe(const struct members *m, uint64_t hash, uint32_t *place);

/* The member with this (raw) key, or NULL. */
struct member *members_find(const struct members *m, struct str key);

#endif
