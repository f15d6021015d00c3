/*
 * commit: writes. A worker fills a `struct write_set` in its batch's arena and submits it; it does
 * not wait. Some worker leads: it takes all sets that wait, commits them as one group and calls
 * each set's `done` in its own thread. The protocol, its invariants and the state diagram stand on
 * top of commit.c.
 */
#ifndef ENGINE_COMMIT_H
#define ENGINE_COMMIT_H

#include "engine/engine.h"

enum write_kind {
    WRITE_CREATE, /* the id must never have been there (EXISTS, also for a deleted item) */
    WRITE_UPDATE, /* replaces; NOTFOUND when absent (unless upsert) or deleted (unless undelete) */
    WRITE_DELETE, /* NOTFOUND when absent or deleted */
    WRITE_ENRICH, /* doc is the patch or the array of patches */
    WRITE_SET, /* Redis's SET: creates, replaces, or takes a deleted id again (op CREATE, the next
                  ov) */
    WRITE_RESTORE,
};

struct write {
    /* The request. Everything is borrowed from the batch's arena and lives until `done`. */
    enum write_kind kind;
    enum version_verb verb; /* what history shows */
    struct place place;     /* id STR_NONE: a minted ObjectId (CREATE) */
    struct str doc;         /* accepted by json_check_object (ENRICH: by json_check) */
    int64_t if_ov;          /* IFOV, -1: none */
    bool upsert, undelete;
    bool if_absent, if_present; /* NX, XX: not met: no version, `changed` is false, not an error */
    bool want_prior;            /* GETSET, SET GET, GETDEL: ret.prior */
    bool sync;                  /* the payload is in the payload store before the answer */
    struct str actor, reason, function_id;
    struct str op_id; /* the client's OPID; STR_NONE: minted */
    struct str parent_id, parent_collection, origin_system, origin_id, origin_collection;
    bool restore_at; /* RESTORE AT; otherwise OV */
    int64_t restore_ov, restore_ms;
    uint8_t request[SHA256_BYTES]; /* of command, key and document; needed with a client's OPID */

    /* The outcome. */
    struct {
        enum status status;
        struct err err; /* when status is not OK */
        struct version
            *version; /* counted, dropped by commit_release; the head when nothing changed */
        struct version *prior; /* counted; the live head before, NULL: none */
        struct str key;        /* collection:id as answers give it */
        struct str op_id;      /* the client's, or minted */
        int64_t restored_from; /* RESTORE: the ov */
        bool changed;          /* a version was written */
        bool replayed;         /* the answer of an earlier request with this OPID */
    } ret;
};

struct write_set {
    struct write *writes;
    int count;
    bool atomic; /* all or none: when one is refused (an error, or NX/XX not met) none is applied */
    bool refused; /* out, with atomic: some write was refused; the others' outcome is empty */
    const struct config *config;         /* the batch's */
    void (*done)(struct write_set *set); /* called once, in the leader's thread */
    void *arg;
    int64_t deadline_us; /* set by commit_submit */
    struct write_set *next;
};

/* Queues the set. ERR_TRYAGAIN when the queue is full (limits.queuedWrites): then `done` is not
 * called. */
MUST_CHECK enum status commit_submit(struct engine_worker *w, struct write_set *set,
                                     struct err *err);

/* Leads one group if sets wait and nobody leads. True if it did. `busy`: only when enough wait or
 * they waited long. */
bool commit_lead(struct engine_worker *w, bool busy);

/* [any thread] A set waits past its deadline, behind a group that does not end: some worker should
 * call commit_lead, which refuses it. */
bool commit_is_overdue(const struct engine *e);

/* Drops what the outcomes hold. */
void commit_release(struct write_set *set);

#endif
