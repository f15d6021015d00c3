/*
 * version: one block of memory per version: the struct, then the document, then the strings. The
 * document comes first among the bytes so that it is aligned for the fast paths of memcpy and of
 * the JSON reader; nothing depends on it.
 */
#include "store/version.h"

/* The slices of a version that are copied behind it, doc excepted. */
enum { SLICE_COUNT = 7 };
static void slices_of(struct version *v, struct str *ret[SLICE_COUNT]) {
    ret[0] = &v->id;
    ret[1] = &v->op_id;
    ret[2] = &v->actor;
    ret[3] = &v->reason;
    ret[4] = &v->function_id;
    ret[5] = &v->bucket;
    ret[6] = &v->blob_key;
}

void version_copy(struct version *to, const struct version *from) {
    enum { FIRST = offsetof(struct version, bytes) };
    memcpy((char *)to + FIRST, (const char *)from + FIRST, sizeof *to - FIRST);
}

struct version *version_new_with_room(const struct version *from, size_t doc_bytes,
                                      char **ret_doc) {
    struct version copy;
    version_copy(&copy, from);
    struct str *slices[SLICE_COUNT];
    slices_of(&copy, slices);
    size_t bytes = sizeof copy + doc_bytes;
    for (int i = 0; i < SLICE_COUNT; i++) bytes += slices[i]->n;

    char *block = xmalloc(bytes);
    char *p = block + sizeof copy;
    copy.doc = (struct str){p, doc_bytes};
    *ret_doc = p;
    p += doc_bytes;
    for (int i = 0; i < SLICE_COUNT; i++) {
        if (slices[i]->p == NULL) continue;
        memcpy(p, slices[i]->p, slices[i]->n);
        slices[i]->p = p;
        p += slices[i]->n;
    }
    copy.bytes = (int64_t)bytes;
    struct version *v = (struct version *)(void *)block;
    version_copy(v, &copy);
    atomic_init(&v->refs, 1);
    return v;
}

struct version *version_new(const struct version *from) {
    char *doc;
    struct version *v = version_new_with_room(from, from->doc.n, &doc);
    if (from->doc.p == NULL) {
        v->doc = STR_NONE;
    } else {
        memcpy(doc, from->doc.p, from->doc.n);
    }
    return v;
}

struct version *version_ref(struct version *v) {
    int before = atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    ASSERT(before > 0);
    return v;
}

void version_unref(struct version *v) {
    if (v == NULL) return;
    int before = atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) free(v);
}

void versions_drop(struct version **versions, int count) {
    for (int i = 0; i < count; i++) {
        version_unref(versions[i]);
        versions[i] = NULL;
    }
}

const char *version_op_name(enum version_op op) {
    static const char *const names[] = {[OP_CREATE] = "CREATE",
                                        [OP_UPDATE] = "UPDATE",
                                        [OP_DELETE] = "DELETE",
                                        [OP_RESTORE] = "RESTORE",
                                        [OP_ERASE] = "ERASE"};
    ASSERT((size_t)op < sizeof names / sizeof names[0]);
    return names[op];
}

const char *version_verb_name(enum version_verb verb) {
    static const char *const names[] = {
        [VERB_CREATE] = "CREATE", [VERB_UPDATE] = "UPDATE", [VERB_DELETE] = "DELETE",
        [VERB_ENRICH] = "ENRICH", [VERB_SET] = "SET",       [VERB_RESTORE] = "RESTORE",
        [VERB_DEL] = "DEL",       [VERB_ERASE] = "ERASE"};
    ASSERT((size_t)verb < sizeof names / sizeof names[0]);
    return names[verb];
}

const char *version_state_name(enum version_state state) {
    static const char *const names[] = {[STATE_NEW_NOT_SYNCHED] = "new-not-synched",
                                        [STATE_NEW] = "new",
                                        [STATE_PROCESSED] = "processed"};
    ASSERT((size_t)state < sizeof names / sizeof names[0]);
    return names[state];
}
