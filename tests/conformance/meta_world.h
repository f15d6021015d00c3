/*
 * A world: a metadata store beside what it must hold, kept in plain memory. Groups of writes go to
 * both; then every way to read the store is compared with the memory. Written against
 * store/meta.h alone, so that every implementation can be put through it.
 */
#ifndef CONFORMANCE_META_WORLD_H
#define CONFORMANCE_META_WORLD_H

#include "store/meta.h"

/* How the suite gets stores of one kind. */
struct meta_maker {
    const char *name;
    void *arg;
    void (*create)(struct meta_maker *maker);  /* an empty place */
    void (*destroy)(struct meta_maker *maker); /* with all that is in it */
    /* Opens the place: empty, or with what an earlier open left there. */
    enum status (*open)(struct meta_maker *maker, struct meta **ret, struct err *err);
    /* Fault points that lie on the way of a write, names ended by NULL. */
    const char *const *fault_points;
};

enum intent_kind { INTENT_CREATE, INTENT_UPDATE, INTENT_DELETE, INTENT_RESTORE, INTENT_REBIRTH };

struct intent { /* a write that is to be done */
    enum intent_kind kind;
    int coll; /* which of the world's */
    char id[256];
    size_t id_bytes;
    int64_t restore_ov;
    uint64_t doc_seed;
    size_t doc_bytes;
    bool blob;     /* the payload is in the payload store */
    bool unsynced; /* STATE_NEW_NOT_SYNCHED */
};

enum { WORLD_COLLS = 6 };

struct known { /* a version that the store must hold */
    int coll;
    struct version *v; /* with its document, or without where it is in the payload store */
};

struct world {
    struct meta_maker *maker;
    struct meta *meta;
    struct meta_session *session;
    struct meta_coll colls[WORLD_COLLS];
    struct arena arena;
    struct known *known; /* in order of commits */
    int count, cap;
    uint64_t random;
    struct err err; /* of the last call that failed */
};

/* The collections of every world: three databases, names that are prefixes of each other. */
extern const struct meta_coll world_coll_names[WORLD_COLLS];

void world_open(struct world *w, struct meta_maker *maker); /* creates the place */
void world_close(struct world *w);                          /* destroys it */
void world_reopen(struct world *w);
/* The same, where opening may fail. */
enum status world_try_start(struct world *w);
void world_stop(struct world *w); /* closes the store, keeps what is known */
/* Adds a version to what must be there. */
void world_know(struct world *w, int coll, struct version *v);
/* Takes what the store holds for what must be there. */
void world_adopt(struct world *w);
void world_forget(struct world *w, int count); /* keeps the first `count` known versions */

uint64_t world_random(struct world *w);
/* What can be done next: mostly sensible writes of few items, some of them several times. */
void world_intents(struct world *w, struct intent *ret, int count);
struct str world_doc(struct arena *arena, uint64_t seed, size_t bytes);

/* Composes the versions (chains of one item included), commits them as one group. When it answers
 * OK they are known from then on. */
enum status world_commit(struct world *w, const struct intent *intents, int count);
/* The version that an intent makes, without numbers; NULL when it makes no sense now. */
struct version *world_compose(struct world *w, const struct intent *intent);

struct version *world_head(const struct world *w, int coll, struct str id); /* borrowed; NULL */
struct version *world_at_ov(const struct world *w, int coll, struct str id, int64_t ov);

/* Fails the test unless the store holds exactly what is known, whichever way it is read. */
void world_check(struct world *w);
/* The same for a few items only. */
void world_check_some(struct world *w, int items);
void assert_same_version(const struct version *got, const struct version *want, bool with_doc);
void assert_ok(enum status st, const struct err *err, const char *what);
#define OKAY(call, err) assert_ok((call), (err), #call)

#endif
