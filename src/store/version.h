/*
 * version: one version of one item, with everything that is known of it. Immutable once made, and
 * shared by threads under a reference count: one block of memory, strings and document included. A
 * head is the newest version of an item. Any thread.
 */
#ifndef STORE_VERSION_H
#define STORE_VERSION_H

#include <stdatomic.h>

#include "base/err.h"
#include "base/str.h"
#include "store/digest.h"

/* What readers of chronos-db know (`op`), and what the client asked for (`verb`). Stored as these
 * numbers. */
enum version_op { OP_CREATE, OP_UPDATE, OP_DELETE, OP_RESTORE, OP_ERASE };
enum version_verb {
    VERB_CREATE,
    VERB_UPDATE,
    VERB_DELETE,
    VERB_ENRICH,
    VERB_SET,
    VERB_RESTORE,
    VERB_DEL,
    VERB_ERASE
};
enum version_state { STATE_NEW_NOT_SYNCHED, STATE_NEW, STATE_PROCESSED };

#define TIME_NONE INT64_MIN /* no such instant */

struct version {
    atomic_int refs;
    int64_t bytes;       /* of this block, for caches */
    int64_t ov, cv;      /* object version, collection version */
    int64_t at_ms;       /* the instant of the version */
    int64_t created_ms;  /* the instant of the item's ov 0, or of its rebirth by SET */
    int64_t deleted_ms;  /* when it was deleted, TIME_NONE for a live version */
    int64_t size;        /* bytes of the payload, also where doc is not loaded */
    int64_t row;         /* the store's own handle of this record, 0: none yet */
    int64_t payload_row; /* the store's handle of the record that holds the payload; 0: it is in the
                            payload store */
    int64_t payload_ov;  /* the version whose payload this is: ov itself, or an earlier one for
                            DELETE and RESTORE */
    enum version_op op;
    enum version_verb verb;
    enum version_state state;
    uint8_t checksum[SHA256_BYTES]; /* SHA-256 of the payload */
    struct str id;                  /* of the item */
    struct str op_id;
    struct str actor, reason, function_id; /* STR_NONE where not given */
    struct str bucket, blob_key; /* where the payload lies in the payload store; STR_NONE: inline */
    struct str doc;              /* the payload; STR_NONE: not loaded */
};

/* The fields, with the same slices. An assignment would copy `refs` too, which other threads may be
 * changing. */
void version_copy(struct version *to, const struct version *from);
/* A copy of *from in one block, every slice copied; refs is 1. */
struct version *version_new(const struct version *from);
/* The same with room for doc of `doc_bytes`, to be written by the caller through the pointer before
 * it is shared. */
struct version *version_new_with_room(const struct version *from, size_t doc_bytes, char **ret_doc);
struct version *version_ref(struct version *v);
void version_unref(struct version *v); /* NULL-safe */
/* Unrefs each, and leaves NULLs. */
void versions_drop(struct version **versions, int count);

static inline bool version_is_deleted(const struct version *v) {
    return v->deleted_ms != TIME_NONE;
}

const char *version_op_name(enum version_op op); /* CREATE UPDATE DELETE RESTORE ERASE */
const char *
version_verb_name(enum version_verb verb); /* CREATE UPDATE DELETE ENRICH SET RESTORE DEL ERASE */
const char *version_state_name(enum version_state state); /* new-not-synched new processed */

#endif
