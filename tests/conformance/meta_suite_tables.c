/* Proves, of any metadata store: noted operations, outbox, queue, the list of collections. */
#include "base/clock.h"
#include "conformance/cmocka_all.h"
#include "conformance/meta_suite.h"

enum { DAY_MS = 86400000 };

/* Operations. */

static enum status note(struct world *w, const char *database, const struct meta_op *ops,
                        int count) {
    struct meta_group *g;
    enum status st = w->meta->ops->group_begin(w->meta, &g, &w->err);
    if (st != OK) return st;
    st = w->meta->ops->group_note(g, str_of(database), ops, count, &w->err);
    if (st != OK) {
        w->meta->ops->group_abort(g);
        return st;
    }
    return w->meta->ops->group_end(g, &w->err);
}

static bool find(struct world *w, const char *database, const char *op_id, struct meta_op *ret) {
    bool found = false;
    OKAY(w->meta->ops->op_find(w->session, str_of(database), str_of(op_id), &w->arena, ret, &found,
                               &w->err),
         &w->err);
    return found;
}

static void test_operations(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    int64_t now = clock_now_ms();
    struct meta_op ops[] = {
        {.op_id = STR("first"),
         .key = STR("users:1"),
         .at_ms = now,
         .expires_ms = now + DAY_MS,
         .answer = STR("\0binary\xff")},
        {.op_id = STR("second"), .at_ms = now, .expires_ms = now + DAY_MS, .answer = STR("")},
        {.op_id = STR("over"), .at_ms = now - 10, .expires_ms = now - 1, .answer = STR("x")},
        {.op_id = STR("default"), .at_ms = now, .answer = STR("x")},
    };
    memset(ops[0].request, 0x5a, SHA256_BYTES);
    OKAY(note(&w, "alpha", ops, 4), &w.err);
    struct meta_op got;
    for (int i = 0; i < 2; i++) {
        assert_true(find(&w, "alpha", "first", &got));
        assert_true(str_eq(got.op_id, STR("first")));
        assert_true(str_eq(got.key, STR("users:1")));
        assert_true(str_eq(got.answer, STR("\0binary\xff")));
        assert_int_equal(got.at_ms, now);
        assert_int_equal(got.expires_ms, now + DAY_MS);
        assert_memory_equal(got.request, ops[0].request, SHA256_BYTES);
        assert_true(find(&w, "alpha", "second", &got));
        assert_int_equal(got.answer.n, 0);
        assert_false(find(&w, "alpha", "over", &got));
        assert_false(find(&w, "alph", "first", &got));
        assert_false(find(&w, "alpha", "firs", &got));
        assert_false(find(&w, "alpha", "", &got));
        assert_true(find(&w, "alpha", "default", &got));
        assert_true(got.expires_ms > now);
        world_reopen(&w);
    }
    struct meta_op again = {.op_id = STR("first"),
                            .key = STR("users:2"),
                            .at_ms = now + 1,
                            .expires_ms = now + DAY_MS,
                            .answer = STR("new")};
    OKAY(note(&w, "alpha", &again, 1), &w.err);
    assert_true(find(&w, "alpha", "first", &got));
    assert_true(str_eq(got.answer, STR("new")));
    OKAY(note(&w, "beta", &again, 1), &w.err);
    assert_true(find(&w, "beta", "first", &got));
    world_close(&w);
}

/* Expired operations vanish, whatever number of them, and the others stay. */
static void test_expiry(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    int64_t now = clock_now_ms();
    for (int round = 0; round < 50; round++) {
        struct meta_op ops[100];
        for (int i = 0; i < 100; i++) {
            bool stays = (i + round) % 10 == 0;
            ops[i] = (struct meta_op){
                .op_id = arena_printf(&w.arena, "%d-%d", round, i),
                .at_ms = now,
                .expires_ms = stays ? now + DAY_MS : now + 1,
                .answer = STR("a"),
            };
        }
        OKAY(note(&w, "alpha", ops, 100), &w.err);
        arena_reset(&w.arena);
    }
    while (clock_now_ms() < now + 2) {
    }
    w.meta->ops->tick(w.meta);
    struct meta_op got;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 100; i++) {
            char name[32];
            snprintf(name, sizeof name, "%d-%d", round, i);
            assert_int_equal(find(&w, "alpha", name, &got), (i + round) % 10 == 0);
        }
        arena_reset(&w.arena);
    }
    world_close(&w);
}

/* Outbox. */

static void test_outbox(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    struct intent in[60];
    for (int i = 0; i < 60; i++) {
        in[i] = (struct intent){.kind = INTENT_CREATE,
                                .coll = i % WORLD_COLLS,
                                .doc_seed = (uint64_t)i + 1,
                                .doc_bytes = 50,
                                .unsynced = i % 4 != 0};
        in[i].id_bytes = (size_t)snprintf(in[i].id, sizeof in[i].id, "o%d", i);
    }
    OKAY(world_commit(&w, in, 60), &w.err);
    world_check(&w);
    int64_t rows[20];
    int n = 0;
    for (int i = 0; i < w.count && n < 20; i++) {
        struct version *v = w.known[i].v;
        if (v->state != STATE_NEW_NOT_SYNCHED || i % 3 != 0) continue;
        rows[n++] = v->row;
        v->state = STATE_NEW;
    }
    OKAY(w.meta->ops->set_state(w.meta, rows, n, STATE_NEW, &w.err), &w.err);
    world_check(&w);
    OKAY(w.meta->ops->set_state(w.meta, rows, 0, STATE_NEW, &w.err), &w.err);
    w.known[0].v->state = STATE_PROCESSED;
    OKAY(w.meta->ops->set_state(w.meta, &w.known[0].v->row, 1, STATE_PROCESSED, &w.err), &w.err);
    world_reopen(&w);
    world_check(&w);
    world_close(&w);
}

/* Queue. */

static void put(struct world *w, const char *kind, const char *key, int64_t due_ms) {
    struct meta_queued r = {
        .kind = str_of(kind), .key = str_of(key), .body = STR("body\0\xff"), .due_ms = due_ms};
    OKAY(w->meta->ops->queue_put(w->meta, &r, &w->err), &w->err);
}

static int take(struct world *w, const char *kind, int64_t now_ms, int64_t hide_ms, int limit,
                struct meta_queued *ret) {
    struct meta_take t = {
        .kind = str_of(kind), .now_ms = now_ms, .hide_ms = hide_ms, .limit = limit};
    int count = -1;
    OKAY(w->meta->ops->queue_take(w->meta, &t, &w->arena, ret, &count, &w->err), &w->err);
    return count;
}

static void test_queue(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    struct meta_queued r[8];
    assert_int_equal(take(&w, "push", INT64_MAX - 1, 0, 8, r), 0);
    put(&w, "push", "b", 200);
    put(&w, "push", "a", 100);
    put(&w, "push", "c", 300);
    put(&w, "other", "d", 50);
    world_reopen(&w);
    assert_int_equal(take(&w, "push", 99, 1000, 8, r), 0);
    assert_int_equal(take(&w, "push", 250, 1000, 8, r), 2);
    assert_true(str_eq(r[0].key, STR("a")) && str_eq(r[1].key, STR("b")));
    assert_true(str_eq(r[0].body, STR("body\0\xff")) && str_eq(r[0].kind, STR("push")));
    assert_int_equal(r[0].attempts, 1);
    int64_t a = r[0].no, b = r[1].no;
    assert_true(a != b && a > 0 && b > 0);
    assert_int_equal(take(&w, "push", 250, 1000, 8, r), 0); /* hidden */
    OKAY(w.meta->ops->queue_done(w.meta, a, &w.err), &w.err);
    OKAY(w.meta->ops->queue_done(w.meta, a, &w.err), &w.err); /* gone already */
    assert_int_equal(take(&w, "push", 1000, 2000, 1, r), 1);  /* the longest due first */
    assert_true(str_eq(r[0].key, STR("c")));
    assert_int_equal(take(&w, "push", 1000, 2000, 8, r), 1);
    assert_int_equal(r[0].no, b);
    assert_int_equal(r[0].attempts, 2);
    struct meta_queued later = {.no = b,
                                .kind = STR("push"),
                                .key = STR("b2"),
                                .body = STR(""),
                                .due_ms = 5,
                                .attempts = 7};
    OKAY(w.meta->ops->queue_put(w.meta, &later, &w.err), &w.err);
    assert_int_equal(take(&w, "push", 10, 5000, 8, r), 1);
    assert_true(str_eq(r[0].key, STR("b2")) && r[0].body.n == 0);
    assert_int_equal(r[0].no, b);
    assert_int_equal(r[0].attempts, 8);
    assert_int_equal(take(&w, "other", 50, 60, 0, r), 0);
    assert_int_equal(take(&w, "other", 50, 60, 8, r), 1);
    world_close(&w);
}

/* Collections. */

struct names {
    char text[256];
};

static void name_add(void *arg, const struct meta_coll *coll) {
    struct names *n = arg;
    size_t used = strlen(n->text);
    snprintf(n->text + used, sizeof n->text - used, "%.*s/%.*s ", STR_FMT(coll->database),
             STR_FMT(coll->name));
    assert_true(coll->no > 0);
}

static void test_collections(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    static const struct {
        const char *database, *names;
    } table[] = {{"alpha", "alpha/user alpha/users alpha/users.a "},
                 {"alph", "alph/users "},
                 {"beta", "beta/Zoo_- beta/users "},
                 {"none", ""},
                 {"", ""}};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
            struct names names = {""};
            OKAY(w.meta->ops->each_coll(w.session, str_of(table[i].database), name_add, &names,
                                        &w.err),
                 &w.err);
            assert_string_equal(names.text, table[i].names);
        }
        world_reopen(&w);
    }
    for (int i = 0; i < WORLD_COLLS; i++) {
        struct meta_coll c;
        const struct meta_coll *n = &world_coll_names[i];
        OKAY(w.meta->ops->coll(w.meta, n->database, n->name, i % 2 == 0, &c, &w.err), &w.err);
        assert_int_equal(c.no, w.colls[i].no);
        assert_true(str_eq(c.name, n->name) && str_eq(c.database, n->database));
        for (int k = 0; k < i; k++) assert_true(w.colls[k].no != c.no);
    }
    world_close(&w);
}

static void test_many_collections(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    struct meta_coll colls[200];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 200; i++) {
            char name[32];
            snprintf(name, sizeof name, "c%d", (i * 37) % 200);
            OKAY(
                w.meta->ops->coll(w.meta, STR("many"), str_of(name), round == 0, &colls[i], &w.err),
                &w.err);
            assert_true(str_eq(colls[i].name, str_of(name)));
        }
        world_reopen(&w);
    }
    world_close(&w);
}

static void test_health(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    struct meta_health h;
    OKAY(w.meta->ops->health(w.session, &w.arena, &h, &w.err), &w.err);
    assert_true(h.writable);
    assert_true(h.ping_us >= 0 && h.file_bytes >= 0 && h.log_bytes >= 0);
    assert_null(h.detail.p);
    world_close(&w);
}

int meta_suite_tables(struct meta_maker *maker) {
    meta_suite_maker = maker;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),       cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_outbox),           cmocka_unit_test(test_queue),
        cmocka_unit_test(test_collections),      cmocka_unit_test(test_health),
        cmocka_unit_test(test_many_collections),
    };
    return cmocka_run_group_tests_name("meta: tables", tests, NULL, NULL);
}
