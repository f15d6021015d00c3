/*
 * group: the writes that commit together, while one leader works on them. Shared by commit.c (the
 * protocol) and plan.c (what one write makes of an item). Everything lies in the leader's arena;
 * versions are counted and dropped by group_release.
 */
#ifndef ENGINE_GROUP_H
#define ENGINE_GROUP_H

#include "engine/internal.h"

enum { GROUP_TABLE = 1024 }; /* buckets; a group has a few hundred items */

/* An item that the group touches. `head` moves with each write of the group: later writes are
 * chained to earlier ones. */
struct group_item {
    struct group_item *chain, *next;
    uint64_t hash;
    struct meta_coll coll;
    struct str id;
    struct version *head; /* NULL: there is none */
    bool loaded;
    bool fresh;        /* its id was minted here, at random: there is nothing to look up */
    struct str damage; /* what is wrong with the head that the store has; STR_NONE: nothing */
};

/* A version that the group makes. */
struct made {
    struct group_item *item;
    struct version *before;  /* the item's head until then */
    struct version *version; /* also item->head until the next one */
};

/* Numbers taken for one collection. */
struct group_numbers {
    struct group_numbers *next;
    int64_t coll;
    struct meta_numbers free; /* the next to give */
    int64_t left;
};

/* A client's OPID that this group remembers. */
struct group_op {
    struct group_op *chain;
    struct write *write;
};

struct group {
    struct engine_worker *worker;
    struct engine *engine;
    struct arena *arena;
    struct write_set *sets;
    int writes; /* in all sets */
    struct meta_group *meta;
    struct group_item *items, *table[GROUP_TABLE];
    struct group_numbers *numbers;
    struct group_op *ops[GROUP_TABLE];
    int op_count;
    struct made *made;       /* room for `writes` */
    struct meta_swap *swaps; /* parallel to made */
    int made_count, swapped; /* swaps handed to the store so far */
    bool atomic;             /* inside an atomic set: nothing is handed over early */
    bool lost;               /* a swap found another head than we had read */
};

/* The group's record of an item, made at its first mention. */
struct group_item *group_item(struct group *g, const struct meta_coll *coll, struct str id);

/* Hands the versions made so far to the store, which fills in their rows. Sets g->lost when a head
 * was elsewhere. */
MUST_CHECK enum status group_swap(struct group *g, struct err *err);

/* The next collection version and the group's instant. */
MUST_CHECK enum status group_number(struct group *g, const struct meta_coll *coll,
                                    struct meta_numbers *ret, struct err *err);

/* Makes sure that *version has its document. */
MUST_CHECK enum status group_document(struct group *g, const struct group_item *item,
                                      struct version **version, struct err *err);

/* op.c: the answer of an earlier attempt with this OPID, in this group or before; a conflict is an
 * answer too. */
MUST_CHECK enum status op_replay(struct group *g, struct write *write, bool *ret_replayed,
                                 struct err *err);
/* A planned write succeeded: later ones of the group with its OPID get its answer. */
void op_remember(struct group *g, struct write *write);
/* Notes a set's OPIDs in the store. */
MUST_CHECK enum status op_note(struct group *g, const struct write_set *set, struct err *err);

/* plan.c: decides one write on its item and, when it changes something, adds the new version to
 * `made`. The outcome is in write->ret; a failure that concerns the whole group (a store that does
 * not answer) comes back as status. */
MUST_CHECK enum status plan_write(struct group *g, const struct write_set *set, struct write *write,
                                  struct group_item *item, struct err *err);

#endif
