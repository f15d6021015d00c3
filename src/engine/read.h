/*
 * read: heads, versions, as-of, history: cache first, then the store; checksums verified on what
 * comes from disk. Results are counted versions with their document loaded (unless said otherwise);
 * the caller drops the reference. "Nothing there" is OK with NULL.
 */
#ifndef ENGINE_READ_H
#define ENGINE_READ_H

#include "engine/engine.h"

enum read_kind { READ_HEAD, READ_OV, READ_INSTANT };
struct read_what {
    enum read_kind kind;
    int64_t ov;    /* READ_OV */
    int64_t at_ms; /* READ_INSTANT */
    bool deleted;  /* DELETED: a tombstone is an answer; otherwise it reads as nothing */
    bool no_doc;   /* the document is not needed (EXISTS, STRLEN, TYPE) */
};

/* [reactor] From the cache alone. True: *ret is the answer (NULL: nothing there). False: a worker
 * must look. */
bool read_cached(struct engine *e, const struct place *place, const struct read_what *what,
                 struct version **ret);

/* Errors: ERR_SYNTAX (an instant in the future), CORRUPT, PRUNED, TRYAGAIN (a commit at or before
 * the instant is in flight and did not end in time), BACKEND. */
MUST_CHECK enum status read_one(struct engine_worker *w, const struct place *place,
                                const struct read_what *what, struct version **ret,
                                struct err *err);
/* Many at once, of one snapshot where the store has them; ret[i] and, per element, ret_status[i].
 */
MUST_CHECK enum status read_many(struct engine_worker *w, const struct place *places, int count,
                                 const struct read_what *what, struct version **ret,
                                 struct err *ret_errs, struct err *err);

/* [reactor] The same from the cache alone, one snapshot. False: a worker must look. */
bool read_many_cached(struct engine *e, const struct place *places, int count,
                      const struct read_what *what, struct version **ret);

/* Versions of an item by ov and instant (store/meta.h), at most range->limit, in ret. An item that
 * never was: none. */
MUST_CHECK enum status read_history(struct engine_worker *w, const struct place *place,
                                    const struct meta_range *range, struct version **ret,
                                    int *ret_count, struct err *err);

/* Items of a database in key order, deleted ones too; fewer than the limit: there are no more. */
MUST_CHECK enum status read_list(struct engine_worker *w, const struct meta_listing *listing,
                                 struct arena *arena, struct meta_item *ret, int *ret_count,
                                 struct err *err);
MUST_CHECK enum status read_count(struct engine_worker *w, struct str database, int64_t *ret_live,
                                  struct err *err);
/* The item of a version chosen at random, so that items are found in proportion to their versions;
 * live now. Not found: there is no live item. */
MUST_CHECK enum status read_random(struct engine_worker *w, struct str database,
                                   struct arena *arena, struct meta_item *ret, bool *ret_found,
                                   struct err *err);

struct op_answer {      /* OPSTATUS */
    const char *status; /* committed pending dead unknown */
    struct str key;
    int64_t ov, cv;
};
/* key may be NULL: then only noted operations are looked through. */
MUST_CHECK enum status read_op(struct engine_worker *w, struct str database, struct str op_id,
                               const struct place *place, struct arena *arena,
                               struct op_answer *ret, struct err *err);

struct verify_report {
    int64_t versions, bytes, missing, corrupt;
    struct str first;                        /* "collection:id ov": the first fault, STR_NONE */
    int64_t created, updated, deleted, live; /* recounted */
    bool totals_agree;
};
/* Reads every payload of an item or a collection again and compares checksums, order of ov, cv and
 * at, and the counters. */
MUST_CHECK enum status read_verify(struct engine_worker *w, const struct place *place,
                                   struct arena *arena, struct verify_report *ret, struct err *err);

struct engine_stats {
    int64_t cache_bytes, cache_entries, cache_max;
    int64_t queued_writes, groups_in_flight;
    int64_t last_commit_ms;
};
void engine_stats(struct engine *e, struct engine_stats *ret); /* [reactor] */
MUST_CHECK enum status engine_health(struct engine_worker *w, struct arena *arena,
                                     struct meta_health *ret, int64_t *ret_blob_us,
                                     struct err *err);

#endif
