/* The memory beside the store: composing, committing, remembering. The comparing is in
 * meta_world_check.c. */
#include "conformance/meta_world.h"
#include "conformance/cmocka_all.h"

const struct meta_coll world_coll_names[WORLD_COLLS] = {
    {.database = {"alpha", 5}, .name = {"users", 5}},
    {.database = {"alpha", 5}, .name = {"user", 4}},
    {.database = {"alpha", 5}, .name = {"users.a", 7}},
    {.database = {"alph", 4}, .name = {"users", 5}},
    {.database = {"beta", 4}, .name = {"users", 5}},
    {.database = {"beta", 4}, .name = {"Zoo_-", 5}},
};

void assert_ok(enum status st, const struct err *err, const char *what) {
    if (st != OK) fail_msg("%s: %s %s", what, status_word(st), err->msg);
}

uint64_t world_random(struct world *w) {
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

struct str world_doc(struct arena *arena, uint64_t seed, size_t bytes) {
    char *p = arena_alloc(arena, bytes == 0 ? 1 : bytes);
    for (size_t i = 0; i < bytes; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        p[i] = (char)(seed >> 56);
    }
    return (struct str){p, bytes};
}

/* Opening and closing. */

enum status world_try_start(struct world *w) {
    enum status st = w->maker->open(w->maker, &w->meta, &w->err);
    if (st != OK) return st;
    for (int i = 0; st == OK && i < WORLD_COLLS; i++) {
        const struct meta_coll *name = &world_coll_names[i];
        st = w->meta->ops->coll(w->meta, name->database, name->name, true, &w->colls[i], &w->err);
    }
    if (st == OK) {
        w->session = w->meta->ops->session_new(w->meta, &w->err);
        if (w->session == NULL) st = w->err.code;
    }
    if (st != OK) {
        w->meta->ops->close(w->meta);
        w->meta = NULL;
    }
    return st;
}

void world_stop(struct world *w) {
    if (w->meta == NULL) return;
    w->meta->ops->session_free(w->session);
    w->meta->ops->close(w->meta);
    w->session = NULL;
    w->meta = NULL;
}

void world_open(struct world *w, struct meta_maker *maker) {
    *w = (struct world){.maker = maker, .random = UINT64_C(88172645463325252)};
    arena_init(&w->arena);
    maker->create(maker);
    OKAY(world_try_start(w), &w->err);
}

void world_reopen(struct world *w) {
    world_stop(w);
    OKAY(world_try_start(w), &w->err);
}

void world_forget(struct world *w, int count) {
    for (int i = count; i < w->count; i++) version_unref(w->known[i].v);
    w->count = count;
}

void world_close(struct world *w) {
    world_stop(w);
    world_forget(w, 0);
    free(w->known);
    arena_release(&w->arena);
    w->maker->destroy(w->maker);
}

void world_know(struct world *w, int coll, struct version *v) {
    if (w->count == w->cap) {
        w->cap = w->cap == 0 ? 256 : w->cap * 2;
        w->known = xrealloc(w->known, (size_t)w->cap * sizeof *w->known);
    }
    w->known[w->count++] = (struct known){.coll = coll, .v = v};
}

static int row_cmp(const void *a, const void *b) {
    int64_t x = ((const struct known *)a)->v->row, y = ((const struct known *)b)->v->row;
    return x < y ? -1 : x > y;
}

void world_adopt(struct world *w) {
    world_forget(w, 0);
    for (int i = 0; i < WORLD_COLLS; i++) {
        struct meta_scan scan = {.with_doc = true, .limit = 64};
        int got = 64;
        while (got == 64) {
            struct version *page[64];
            OKAY(w->meta->ops->scan(w->session, &w->colls[i], &scan, page, &got, &w->err), &w->err);
            for (int k = 0; k < got; k++) {
                scan.after_cv = page[k]->cv;
                world_know(w, i, page[k]);
            }
        }
    }
    /* The outbox is paged by rows, so they are in an order: that of commits. */
    if (w->count > 0) qsort(w->known, (size_t)w->count, sizeof *w->known, row_cmp);
}

/* What is known. */

struct version *world_head(const struct world *w, int coll, struct str id) {
    for (int i = w->count - 1; i >= 0; i--) {
        if (w->known[i].coll == coll && str_eq(w->known[i].v->id, id)) return w->known[i].v;
    }
    return NULL;
}

struct version *world_at_ov(const struct world *w, int coll, struct str id, int64_t ov) {
    for (int i = w->count - 1; i >= 0; i--) {
        const struct known *k = &w->known[i];
        if (k->coll == coll && k->v->ov == ov && str_eq(k->v->id, id)) return k->v;
    }
    return NULL;
}

/* Writes. */

static void compose_payload(struct world *w, const struct intent *in, struct version *v) {
    struct str doc = world_doc(&w->arena, in->doc_seed, in->doc_bytes);
    digest_sha256(doc, v->checksum);
    v->size = (int64_t)doc.n;
    v->payload_ov = v->ov;
    v->state = in->unsynced ? STATE_NEW_NOT_SYNCHED : STATE_NEW;
    if (in->blob) {
        v->bucket = STR("json");
        v->blob_key = arena_printf(&w->arena, "c/%llu/item.json", (unsigned long long)in->doc_seed);
    } else {
        v->doc = doc;
    }
}

/* A tombstone or a restore: the payload of an earlier version. */
static void carry_payload(const struct version *from, struct version *v) {
    v->payload_ov = from->payload_ov;
    v->payload_row = from->payload_row;
    v->size = from->size;
    v->state = from->state;
    v->bucket = from->bucket;
    v->blob_key = from->blob_key;
    v->doc = from->doc;
    memcpy(v->checksum, from->checksum, SHA256_BYTES);
}

static bool compose_kind(struct world *w, const struct intent *in, const struct version *head,
                         struct version *v) {
    bool live = head != NULL && !version_is_deleted(head);
    const struct version *from = NULL;
    switch (in->kind) {
    case INTENT_CREATE:
        v->op = OP_CREATE;
        v->verb = VERB_CREATE;
        compose_payload(w, in, v);
        return head == NULL;
    case INTENT_UPDATE:
        v->op = OP_UPDATE;
        v->verb = in->doc_seed % 2 == 0 ? VERB_UPDATE : VERB_ENRICH;
        if (v->verb == VERB_ENRICH) v->function_id = STR("fn");
        compose_payload(w, in, v);
        return live;
    case INTENT_REBIRTH:
        v->op = OP_CREATE;
        v->verb = VERB_SET;
        compose_payload(w, in, v);
        return head != NULL && !live;
    case INTENT_DELETE:
        if (!live) return false;
        v->op = OP_DELETE;
        v->verb = in->doc_seed % 2 == 0 ? VERB_DELETE : VERB_DEL;
        carry_payload(head, v);
        v->deleted_ms = 0; /* the instant of the group, when it is taken */
        return true;
    case INTENT_RESTORE:
        from = head == NULL ? NULL : world_at_ov(w, in->coll, v->id, in->restore_ov);
        if (from == NULL) return false;
        v->op = OP_RESTORE;
        v->verb = VERB_RESTORE;
        carry_payload(from, v);
        if (version_is_deleted(from)) v->deleted_ms = 0;
        return true;
    default:
        return false;
    }
}

struct version *world_compose(struct world *w, const struct intent *in) {
    struct str id = {in->id, in->id_bytes};
    const struct version *head = world_head(w, in->coll, id);
    struct version v = {.id = id,
                        .ov = head == NULL ? 0 : head->ov + 1,
                        .created_ms = head == NULL ? 0 : head->created_ms,
                        .deleted_ms = TIME_NONE};
    v.op_id = arena_printf(&w->arena, "op-%llu", (unsigned long long)in->doc_seed);
    if (in->doc_seed % 3 == 0) v.actor = STR("somebody");
    if (in->doc_seed % 5 == 0) v.reason = STR("");
    if (!compose_kind(w, in, head, &v)) return NULL;
    return version_new(&v);
}

/* Puts the numbers into the versions known last, from `from` on; cvs[] holds the next of each
 * collection. */
static void number_all(struct world *w, int from, int64_t *cvs, int64_t at_ms) {
    for (int i = from; i < w->count; i++) {
        struct version *v = w->known[i].v;
        v->cv = cvs[w->known[i].coll]++;
        v->at_ms = at_ms;
        if (v->op == OP_CREATE) v->created_ms = at_ms;
        if (version_is_deleted(v)) v->deleted_ms = at_ms;
    }
    /* created_ms of a chain whose creation is in this group */
    for (int i = from; i < w->count; i++) {
        struct version *v = w->known[i].v;
        if (v->op == OP_CREATE) continue;
        v->created_ms = world_at_ov(w, w->known[i].coll, v->id, v->ov - 1)->created_ms;
    }
}

static enum status take_all(struct world *w, struct meta_group *g, int from) {
    int64_t cvs[WORLD_COLLS] = {0}, at_ms = 0;
    for (int c = 0; c < WORLD_COLLS; c++) {
        int n = 0;
        for (int i = from; i < w->count; i++) n += w->known[i].coll == c;
        if (n == 0) continue;
        struct meta_numbers numbers;
        enum status st = w->meta->ops->group_take(g, &w->colls[c], n, &numbers, &w->err);
        if (st != OK) return st;
        if (at_ms != 0) assert_int_equal(numbers.at_ms, at_ms);
        cvs[c] = numbers.cv;
        at_ms = numbers.at_ms;
    }
    number_all(w, from, cvs, at_ms);
    return OK;
}

/* The handles that the store gave; payloads of this group's own versions follow. */
static void take_rows(struct world *w, const struct meta_swap *swaps, int from) {
    for (int i = from; i < w->count; i++) {
        struct version *v = w->known[i].v;
        assert_true(swaps[i - from].applied);
        assert_true(swaps[i - from].row > 0);
        v->row = swaps[i - from].row;
        if (v->blob_key.p != NULL) {
            v->payload_row = 0;
        } else if (v->payload_ov == v->ov) {
            v->payload_row = v->row;
        } else {
            v->payload_row = world_at_ov(w, w->known[i].coll, v->id, v->payload_ov)->row;
        }
    }
}

static enum status swap_all(struct world *w, struct meta_group *g, int from) {
    int n = w->count - from;
    struct meta_swap *swaps = xcalloc((size_t)n, sizeof *swaps);
    for (int i = 0; i < n; i++) {
        const struct known *k = &w->known[from + i];
        const struct version *before =
            k->v->ov == 0 ? NULL : world_at_ov(w, k->coll, k->v->id, k->v->ov - 1);
        swaps[i] = (struct meta_swap){.next = k->v,
                                      .coll = &w->colls[k->coll],
                                      .expected_ov = before == NULL ? -1 : before->ov};
    }
    enum status st = w->meta->ops->group_swap(g, swaps, n, &w->err);
    if (st == OK) take_rows(w, swaps, from);
    free(swaps);
    return st;
}

enum status world_commit(struct world *w, const struct intent *intents, int count) {
    int from = w->count;
    for (int i = 0; i < count; i++) {
        struct version *v = world_compose(w, &intents[i]);
        if (v != NULL) world_know(w, intents[i].coll, v);
    }
    struct meta_group *g;
    enum status st = w->count == from ? OK : w->meta->ops->group_begin(w->meta, &g, &w->err);
    if (w->count == from) return OK;
    if (st == OK) {
        st = take_all(w, g, from);
        if (st == OK) st = swap_all(w, g, from);
        if (st == OK) {
            st = w->meta->ops->group_end(g, &w->err);
        } else {
            w->meta->ops->group_abort(g);
        }
    }
    if (st != OK) world_forget(w, from);
    arena_reset(&w->arena);
    return st;
}

void world_intents(struct world *w, struct intent *ret, int count) {
    static const char *const odd[] = {
        "a", "aa", "a b", "\xc3\xa9t\xc3\xa9", "\x7f", "\xf0\x9f\x98\x80"};
    for (int i = 0; i < count; i++) {
        uint64_t r = world_random(w);
        struct intent in = {.coll = (int)(r % WORLD_COLLS), .doc_seed = r >> 8};
        if (r >> 60 == 0) {
            in.id_bytes = (size_t)snprintf(in.id, sizeof in.id, "%s", odd[(r >> 20) % 6]);
        } else {
            in.id_bytes = (size_t)snprintf(in.id, sizeof in.id, "item%llu",
                                           (unsigned long long)(r >> 32) % 40);
        }
        struct version *head = world_head(w, in.coll, (struct str){in.id, in.id_bytes});
        in.kind = (enum intent_kind)((r >> 40) % (INTENT_REBIRTH + 1));
        if (head == NULL) in.kind = INTENT_CREATE;
        if (head != NULL && in.kind == INTENT_CREATE) in.kind = INTENT_UPDATE;
        if (head != NULL && version_is_deleted(head) && in.kind == INTENT_UPDATE) {
            in.kind = INTENT_REBIRTH;
        }
        if (head != NULL) in.restore_ov = (int64_t)((r >> 44) % (uint64_t)(head->ov + 1));
        in.doc_bytes = (size_t)((r >> 50) % 7 == 0 ? (r >> 16) % 40000 : 2 + (r >> 16) % 600);
        in.blob = (r >> 53) % 11 == 0;
        in.unsynced = (r >> 57) % 9 == 0;
        ret[i] = in;
    }
}
