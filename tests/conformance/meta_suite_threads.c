/* Proves, of any metadata store: readers beside a writer see whole groups and never go back, and
 * everything that may be called from any thread may be. */
#include <pthread.h>

#include "base/clock.h"
#include "conformance/cmocka_all.h"
#include "conformance/meta_suite.h"

enum { READERS = 3, GROUPS = 300 };

struct shared {
    struct world *w;
    atomic_bool over;
    atomic_int failures;
    _Atomic int64_t reads, committed; /* committed: groups that were answered */
};

/* cmocka's assertions belong to the main thread: others count what is wrong. */
static void expect(struct shared *s, bool good, const char *what) {
    if (good) return;
    if (atomic_fetch_add(&s->failures, 1) < 5) fprintf(stderr, "thread: %s\n", what);
}

/* Both items are written in one group always, so no snapshot shows them apart. */
static int64_t read_pair(struct shared *s, struct meta_session *session, int64_t last_ov) {
    const struct meta_ops *ops = s->w->meta->ops;
    const struct meta_coll *coll = &s->w->colls[0];
    struct str ids[2] = {STR("x"), STR("y")};
    struct version *v[2] = {NULL};
    struct err err;
    expect(s, ops->heads(session, coll, ids, 2, true, v, &err) == OK, "heads");
    expect(s, v[0] != NULL && v[1] != NULL, "a head is missing");
    if (v[0] == NULL || v[1] == NULL) return last_ov;
    int64_t ov = v[0]->ov;
    expect(s, v[1]->ov == ov, "a group was seen in part");
    expect(s, ov >= last_ov, "a head went back");
    uint8_t digest[SHA256_BYTES];
    digest_sha256(v[0]->doc, digest);
    expect(s, memcmp(digest, v[0]->checksum, SHA256_BYTES) == 0, "a document of another version");
    struct version *old = NULL;
    expect(s, ops->by_ov(session, coll, ids[0], ov / 2, false, &old, &err) == OK, "by_ov");
    expect(s, old != NULL && old->ov == ov / 2, "an older version is missing");
    version_unref(old);
    old = NULL;
    expect(s, ops->by_instant(session, coll, ids[1], v[1]->at_ms, false, &old, &err) == OK,
           "by_instant");
    expect(s, old != NULL && old->ov >= ov, "as of a head's instant came an older version");
    version_unref(old);
    version_unref(v[0]);
    version_unref(v[1]);
    return ov;
}

static void read_many(struct shared *s, struct meta_session *session, int64_t ov,
                      struct arena *arena) {
    const struct meta_ops *ops = s->w->meta->ops;
    struct meta_point *points;
    int count = 0;
    struct err err;
    expect(s, ops->timeline(session, &s->w->colls[0], STR("x"), arena, &points, &count, &err) == OK,
           "timeline");
    expect(s, count > ov, "a timeline is too short");
    for (int i = 0; i < count; i++) expect(s, points[i].ov == i, "a timeline has a gap");
    struct meta_listing l = {.database = STR("alpha"), .limit = 10};
    struct meta_item items[10];
    expect(s, ops->list(session, &l, arena, items, &count, &err) == OK && count == 2, "list");
    struct meta_totals t;
    int64_t committed = s->committed; /* totals are current when a group is answered */
    expect(s, ops->totals(session, &s->w->colls[0], &t, &err) == OK, "totals");
    expect(s, t.live == 2 && t.updated >= 2 * committed, "totals are behind");
    arena_reset(arena);
}

/* Two calls within one snapshot agree as one call does. */
static void read_snapshot(struct shared *s, struct meta_session *session) {
    const struct meta_ops *ops = s->w->meta->ops;
    struct str ids[2] = {STR("x"), STR("y")};
    struct version *v[2] = {NULL};
    struct err err;
    expect(s, ops->snapshot(session, true, &err) == OK, "snapshot");
    for (int i = 0; i < 2; i++) {
        expect(s, ops->heads(session, &s->w->colls[0], &ids[i], 1, false, &v[i], &err) == OK,
               "heads in a snapshot");
    }
    expect(s, v[0] != NULL && v[1] != NULL && v[0]->ov == v[1]->ov, "a snapshot moved");
    version_unref(v[0]);
    version_unref(v[1]);
    expect(s, ops->snapshot(session, false, &err) == OK, "end of a snapshot");
}

static void *reader(void *arg) {
    struct shared *s = arg;
    struct arena arena;
    struct err err;
    arena_init(&arena);
    struct meta_session *session = s->w->meta->ops->session_new(s->w->meta, &err);
    expect(s, session != NULL, "session");
    int64_t ov = 0;
    for (int i = 0; session != NULL && (!s->over || i == 0); i++) {
        ov = read_pair(s, session, ov);
        if (i % 4 == 0) read_snapshot(s, session);
        if (i % 8 == 0) read_many(s, session, ov, &arena);
        atomic_fetch_add(&s->reads, 1);
    }
    if (session != NULL) s->w->meta->ops->session_free(session);
    arena_release(&arena);
    return NULL;
}

static void pair(struct intent ret[2], enum intent_kind kind, int i) {
    for (int k = 0; k < 2; k++) {
        ret[k] = (struct intent){.kind = kind,
                                 .doc_seed = (uint64_t)(i * 2 + 1),
                                 .doc_bytes = 500 + (size_t)(i % 5) * 3000};
        ret[k].id_bytes = (size_t)snprintf(ret[k].id, sizeof ret[k].id, "%s", k == 0 ? "x" : "y");
    }
}

static void test_readers_beside_a_writer(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    struct intent in[2];
    pair(in, INTENT_CREATE, 0);
    OKAY(world_commit(&w, in, 2), &w.err);
    struct shared s = {.w = &w};
    pthread_t threads[READERS];
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, reader, &s), 0);
    }
    for (int i = 1; i <= GROUPS || s.reads < 10 * READERS; i++) {
        pair(in, INTENT_UPDATE, i);
        OKAY(world_commit(&w, in, 2), &w.err);
        s.committed = i;
    }
    s.over = true;
    for (int i = 0; i < READERS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(s.failures, 0);
    world_check(&w);
    world_close(&w);
}

/* Everything that any thread may call, at once. */

static void *queue_worker(void *arg) {
    struct shared *s = arg;
    const struct meta_ops *ops = s->w->meta->ops;
    struct arena arena;
    struct err err;
    arena_init(&arena);
    int taken = 0;
    for (int i = 0; i < 60; i++) {
        struct meta_queued r = {.kind = STR("k"), .key = STR("q"), .body = STR("b"), .due_ms = i};
        expect(s, ops->queue_put(s->w->meta, &r, &err) == OK, "queue_put");
        struct meta_take take = {.kind = STR("k"), .now_ms = 1000, .hide_ms = 2000, .limit = 1};
        int count = 0;
        expect(s, ops->queue_take(s->w->meta, &take, &arena, &r, &count, &err) == OK, "queue_take");
        if (count == 1) expect(s, ops->queue_done(s->w->meta, r.no, &err) == OK, "queue_done");
        taken += count;
        arena_reset(&arena);
    }
    arena_release(&arena);
    return (void *)(intptr_t)taken;
}

static void *coll_worker(void *arg) {
    struct shared *s = arg;
    int64_t sum = 0;
    for (int i = 0; i < 40; i++) {
        char name[16];
        struct meta_coll c = {.no = 0};
        struct err err;
        snprintf(name, sizeof name, "t%d", i);
        expect(s, s->w->meta->ops->coll(s->w->meta, STR("t"), str_of(name), true, &c, &err) == OK,
               "coll");
        expect(s, str_eq(c.name, str_of(name)), "another collection");
        sum += c.no * (i + 1);
    }
    return (void *)(intptr_t)sum;
}

static void *tick_worker(void *arg) {
    struct shared *s = arg;
    while (!s->over) s->w->meta->ops->tick(s->w->meta);
    return NULL;
}

static void test_any_thread(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    struct intent in[2];
    pair(in, INTENT_CREATE, 0);
    OKAY(world_commit(&w, in, 2), &w.err);
    struct shared s = {.w = &w};
    void *(*const work[])(void *) = {queue_worker, queue_worker, coll_worker,
                                     coll_worker,  tick_worker,  reader};
    pthread_t threads[6];
    void *results[6];
    for (int i = 0; i < 6; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work[i], &s), 0);
    }
    for (int i = 1; i <= 60; i++) {
        pair(in, INTENT_UPDATE, i);
        OKAY(world_commit(&w, in, 2), &w.err);
        s.committed = i;
        int64_t row = w.known[w.count - 1].v->row;
        OKAY(w.meta->ops->set_state(w.meta, &row, 1, STATE_NEW, &w.err), &w.err);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], &results[i]);
    s.over = true;
    for (int i = 4; i < 6; i++) pthread_join(threads[i], &results[i]);
    assert_int_equal(s.failures, 0);
    assert_int_equal((intptr_t)results[0] + (intptr_t)results[1], 120); /* each taken once */
    assert_int_equal((intptr_t)results[2], (intptr_t)results[3]);       /* the same numbers */
    world_check(&w);
    world_reopen(&w);
    world_check(&w);
    world_close(&w);
}

/* Groups begun in one thread after the other's end. */
struct baton {
    struct world *w;
    int thread;
    atomic_int turn;
    enum status st;
};

static void *group_worker(void *arg) {
    struct baton *b = arg;
    struct intent in[2];
    for (int i = 1; i <= 40; i++) {
        while (b->turn % 2 != b->thread) {
        }
        pair(in, INTENT_UPDATE, i);
        if (world_commit(b->w, in, 2) != OK) b->st = b->w->err.code;
        b->turn++;
    }
    return NULL;
}

static void test_groups_from_two_threads(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    struct intent in[2];
    pair(in, INTENT_CREATE, 0);
    OKAY(world_commit(&w, in, 2), &w.err);
    struct baton b = {.w = &w};
    for (int i = 0; i < 10; i++) {
        pthread_t t;
        b.turn = 0;
        pair(in, INTENT_UPDATE, i);
        assert_int_equal(pthread_create(&t, NULL, group_worker, &b), 0);
        for (int k = 0; k < 40; k++) {
            while (b.turn % 2 != 1) {
            }
            OKAY(world_commit(&w, in, 2), &w.err);
            b.turn++;
        }
        pthread_join(t, NULL);
        assert_int_equal(b.st, OK);
    }
    world_check(&w);
    world_close(&w);
}

int meta_suite_threads(struct meta_maker *maker) {
    meta_suite_maker = maker;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers_beside_a_writer),
        cmocka_unit_test(test_any_thread),
        cmocka_unit_test(test_groups_from_two_threads),
    };
    return cmocka_run_group_tests_name("meta: threads", tests, NULL, NULL);
}
