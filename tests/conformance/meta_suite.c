/* Proves, of any metadata store: versions, heads, compare-and-swap, numbers, totals, reopening. */
#include "conformance/meta_suite.h"

#include "base/clock.h"
#include "conformance/cmocka_all.h"

struct meta_maker *meta_suite_maker;

static struct intent intent(enum intent_kind kind, int coll, const char *id, uint64_t seed) {
    struct intent in = {.kind = kind, .coll = coll, .doc_seed = seed, .doc_bytes = 100};
    in.id_bytes = (size_t)snprintf(in.id, sizeof in.id, "%s", id);
    return in;
}

static void commit(struct world *w, const struct intent *intents, int count) {
    OKAY(world_commit(w, intents, count), &w->err);
}

static void test_empty(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    world_check(&w);
    struct meta_coll coll;
    assert_int_equal(w.meta->ops->coll(w.meta, STR("alpha"), STR("none"), false, &coll, &w.err),
                     ERR_NOTFOUND);
    world_reopen(&w);
    world_check(&w);
    world_close(&w);
}

/* Every field comes back, absent ones as absent, empty ones as empty. */
static void test_fields(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    char id[200];
    memset(id, 'i', sizeof id);
    struct version v = {.ov = 5,
                        .created_ms = -7,
                        .deleted_ms = 12345678901234,
                        .size = INT64_C(1) << 40,
                        .payload_ov = 5,
                        .op = OP_ERASE,
                        .verb = VERB_ERASE,
                        .state = STATE_PROCESSED,
                        .id = {id, sizeof id},
                        .op_id = STR(""),
                        .actor = STR("\0\1\xff"),
                        .function_id = STR("f"),
                        .bucket = STR("bucket"),
                        .blob_key = STR("a/b")};
    memset(v.checksum, 0xab, sizeof v.checksum);
    struct meta_group *g;
    struct meta_numbers numbers;
    struct meta_swap swap = {.next = &v, .coll = &w.colls[0], .expected_ov = -1};
    OKAY(w.meta->ops->group_begin(w.meta, &g, &w.err), &w.err);
    OKAY(w.meta->ops->group_take(g, &w.colls[0], 1, &numbers, &w.err), &w.err);
    v.cv = numbers.cv;
    v.at_ms = numbers.at_ms;
    OKAY(w.meta->ops->group_swap(g, &swap, 1, &w.err), &w.err);
    assert_true(swap.applied);
    OKAY(w.meta->ops->group_end(g, &w.err), &w.err);
    v.row = swap.row;
    for (int i = 0; i < 2; i++) {
        struct version *got;
        OKAY(w.meta->ops->heads(w.session, &w.colls[0], &v.id, 1, true, &got, &w.err), &w.err);
        assert_same_version(got, &v, false);
        version_unref(got);
        world_reopen(&w);
    }
    world_close(&w);
}

/* A group of one swap, whose version gets its numbers; what became of it. */
static bool swap_alone(struct world *w, struct meta_swap *swap, struct version *v) {
    struct meta_group *g;
    struct meta_numbers numbers;
    OKAY(w->meta->ops->group_begin(w->meta, &g, &w->err), &w->err);
    OKAY(w->meta->ops->group_take(g, swap->coll, 1, &numbers, &w->err), &w->err);
    v->cv = numbers.cv;
    v->at_ms = v->created_ms = numbers.at_ms;
    OKAY(w->meta->ops->group_swap(g, swap, 1, &w->err), &w->err);
    OKAY(w->meta->ops->group_end(g, &w->err), &w->err);
    return swap->applied;
}

/* Commits one version with the expectation given; what became of it. */
static bool swap_at(struct world *w, const struct intent *in, int64_t ov, int64_t expected_ov) {
    struct version v = {.ov = ov,
                        .deleted_ms = TIME_NONE,
                        .payload_ov = ov,
                        .op = ov == 0 ? OP_CREATE : OP_UPDATE,
                        .id = {in->id, in->id_bytes},
                        .doc = STR("{\"swap\":1}"),
                        .size = 10};
    digest_sha256(v.doc, v.checksum);
    struct meta_swap swap = {
        .next = &v, .coll = &w->colls[in->coll], .expected_ov = expected_ov, .row = -1};
    return swap_alone(w, &swap, &v);
}

static void test_swaps(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    struct intent in = intent(INTENT_CREATE, 1, "one", 1);
    assert_false(swap_at(&w, &in, 1, 0)); /* expected, but never was */
    assert_true(swap_at(&w, &in, 0, -1));
    assert_false(swap_at(&w, &in, 0, -1)); /* is there already */
    assert_false(swap_at(&w, &in, 2, 1));  /* too new */
    assert_true(swap_at(&w, &in, 1, 0));
    assert_false(swap_at(&w, &in, 1, 0)); /* too old */
    assert_true(swap_at(&w, &in, 5, 1));  /* over a gap, as after an erasure */
    in.coll = 2;
    assert_false(swap_at(&w, &in, 6, 5)); /* the same id elsewhere is another item */
    assert_true(swap_at(&w, &in, 0, -1));
    world_adopt(&w);
    assert_int_equal(w.count, 4);
    assert_int_equal(world_head(&w, 1, STR("one"))->ov, 5);
    world_check(&w);
    world_close(&w);
}

/* Creates an id that is said to be minted; what became of it. */
static bool create_fresh(struct world *w, const char *id) {
    struct version v = {.deleted_ms = TIME_NONE, .id = str_of(id), .doc = STR("{}"), .size = 2};
    digest_sha256(v.doc, v.checksum);
    struct meta_swap swap = {.next = &v, .coll = &w->colls[1], .expected_ov = -1, .fresh = true};
    return swap_alone(w, &swap, &v);
}

/* An id that was said to be minted, but is there: somebody guessed it. Nothing is written over. */
static void test_fresh_ids(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    for (int round = 0; round < 3; round++) {
        char id[32];
        for (int i = 9; i >= 0; i--) {
            snprintf(id, sizeof id, "id%d%d", (round * 7) % 3, i);
            assert_true(create_fresh(&w, id));
            assert_false(create_fresh(&w, id));
        }
        struct intent taken = intent(INTENT_CREATE, 1, "", 3);
        taken.id_bytes = (size_t)snprintf(taken.id, sizeof taken.id, "taken%d", round);
        commit(&w, &taken, 1);
        assert_false(create_fresh(&w, taken.id));
        for (int i = 0; i < 200; i++) { /* until the index is written, where it is written behind */
            struct intent other = intent(i == 0 ? INTENT_CREATE : INTENT_UPDATE, 1, "", 3);
            other.id_bytes = (size_t)snprintf(other.id, sizeof other.id, "a%d", round);
            commit(&w, &other, 1);
        }
        assert_false(create_fresh(&w, taken.id));
        assert_false(create_fresh(&w, id));
        world_reopen(&w);
        assert_false(create_fresh(&w, taken.id));
        assert_false(create_fresh(&w, id));
    }
    world_adopt(&w);
    world_check(&w);
    world_close(&w);
}

/* In one group a lost swap writes nothing, and those around it are written. */
static void test_swaps_in_one_group(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    const struct intent first = intent(INTENT_CREATE, 0, "b", 1);
    commit(&w, &first, 1);
    struct version v[4];
    struct meta_swap swaps[4];
    static const char *const ids[] = {"a", "b", "c", "c"};
    static const int64_t expected[] = {-1, -1, -1, 0};
    struct meta_group *g;
    struct meta_numbers numbers;
    OKAY(w.meta->ops->group_begin(w.meta, &g, &w.err), &w.err);
    OKAY(w.meta->ops->group_take(g, &w.colls[0], 4, &numbers, &w.err), &w.err);
    for (int i = 0; i < 4; i++) {
        v[i] = (struct version){.ov = expected[i] + 1,
                                .payload_ov = expected[i] + 1,
                                .cv = numbers.cv + i,
                                .at_ms = numbers.at_ms,
                                .created_ms = numbers.at_ms,
                                .deleted_ms = TIME_NONE,
                                .op = i == 3 ? OP_UPDATE : OP_CREATE,
                                .id = str_of(ids[i]),
                                .doc = STR("{}")};
        swaps[i] =
            (struct meta_swap){.next = &v[i], .coll = &w.colls[0], .expected_ov = expected[i]};
    }
    OKAY(w.meta->ops->group_swap(g, swaps, 4, &w.err), &w.err);
    for (int i = 0; i < 4; i++) assert_int_equal(swaps[i].applied, i != 1);
    OKAY(w.meta->ops->group_end(g, &w.err), &w.err);
    world_adopt(&w);
    assert_int_equal(w.count, 4);
    assert_int_equal(world_head(&w, 0, STR("b"))->doc.n, 100);
    assert_int_equal(world_head(&w, 0, STR("c"))->ov, 1);
    world_check(&w);
    world_close(&w);
}

/* One item goes through its whole life within one group, and again, group by group. */
static void test_chains(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    for (int round = 0; round < 2; round++) {
        const char *id = round == 0 ? "chain" : "slowly";
        struct intent chain[] = {
            intent(INTENT_CREATE, 0, id, 2),   intent(INTENT_UPDATE, 0, id, 4),
            intent(INTENT_DELETE, 0, id, 6),   intent(INTENT_RESTORE, 0, id, 8),
            intent(INTENT_RESTORE, 0, id, 10), intent(INTENT_UPDATE, 0, id, 12),
            intent(INTENT_RESTORE, 0, id, 14), intent(INTENT_REBIRTH, 0, id, 16),
            intent(INTENT_DELETE, 0, id, 18),
        };
        chain[4].restore_ov = 1;
        chain[6].restore_ov = 2; /* a tombstone: deletes */
        chain[5].doc_bytes = 30000;
        int n = sizeof chain / sizeof chain[0];
        if (round == 0) commit(&w, chain, n);
        for (int i = 0; round == 1 && i < n; i++) commit(&w, &chain[i], 1);
        world_check(&w);
        assert_int_equal(w.count, (round + 1) * n);
        const struct version *v = world_at_ov(&w, 0, str_of(id), 4);
        assert_int_equal(v->payload_ov, 1);
        assert_int_equal(v->payload_row, world_at_ov(&w, 0, str_of(id), 1)->row);
        assert_true(version_is_deleted(world_at_ov(&w, 0, str_of(id), 6)));
    }
    world_reopen(&w);
    world_check(&w);
    world_close(&w);
}

static void test_documents(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    static const size_t sizes[] = {0,    1,     100,   4000,   8100,   8150,
                                   8192, 16384, 65536, 300000, 3000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct intent two[2] = {intent(INTENT_CREATE, 3, "big", i),
                                intent(INTENT_UPDATE, 3, "big", i)};
        two[0].id_bytes = two[1].id_bytes =
            (size_t)snprintf(two[0].id, sizeof two[0].id, "doc%zu", i);
        memcpy(two[1].id, two[0].id, sizeof two[0].id);
        two[0].doc_bytes = two[1].doc_bytes = sizes[i];
        commit(&w, two, 2);
    }
    world_check(&w);
    world_reopen(&w);
    world_check(&w);
    world_close(&w);
}

/* Ids are compared by bytes: not by letters, not cut at a NUL, a prefix before what it begins. */
static void test_ids(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    static const struct {
        const char *p;
        size_t n;
    } ids[] = {{"b", 1},    {"B", 1},   {"a", 1},        {"aa", 2},    {"\xff", 1}, {"\x80", 1},
               {"a\0b", 3}, {"a\0", 2}, {"\xc3\xa4", 2}, {"A\xcc", 2}, {"~", 1},    {"123", 3},
               {"0123", 4}, {"1e2", 3}, {"100", 3},      {" a", 2},    {"a ", 2},   {"\0", 1}};
    struct intent all[sizeof ids / sizeof ids[0]];
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        all[i] = intent(INTENT_CREATE, 4, "", i + 1);
        memcpy(all[i].id, ids[i].p, ids[i].n);
        all[i].id_bytes = ids[i].n;
    }
    commit(&w, all, sizeof ids / sizeof ids[0]);
    assert_int_equal(w.count, sizeof ids / sizeof ids[0]);
    world_check(&w);
    world_close(&w);
}

/* A group of many collections and databases has one instant; numbers go on by collection. */
static void test_numbers(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    int64_t before = clock_now_ms();
    struct meta_group *g;
    struct meta_numbers n;
    int64_t at_ms = 0, cv = 0;
    for (int round = 0; round < 50; round++) {
        struct intent in[WORLD_COLLS];
        for (int c = 0; c < WORLD_COLLS; c++) {
            in[c] = intent(round == 0 ? INTENT_CREATE : INTENT_UPDATE, c, "same", (uint64_t)round);
        }
        commit(&w, in, WORLD_COLLS);
        const struct version *v = w.known[w.count - 1].v;
        assert_true(v->at_ms >= at_ms && v->at_ms >= before && v->at_ms <= clock_now_ms());
        assert_true(v->cv > cv);
        at_ms = v->at_ms;
        cv = v->cv;
        for (int c = 1; c <= WORLD_COLLS; c++) {
            assert_int_equal(w.known[w.count - c].v->at_ms, at_ms);
        }
        /* Numbers taken twice in a group follow each other; unused ones do no harm. */
        OKAY(w.meta->ops->group_begin(w.meta, &g, &w.err), &w.err);
        OKAY(w.meta->ops->group_take(g, &w.colls[0], 3, &n, &w.err), &w.err);
        int64_t first = n.cv;
        OKAY(w.meta->ops->group_take(g, &w.colls[0], 2, &n, &w.err), &w.err);
        assert_int_equal(n.cv, first + 3);
        if (round % 2 == 0) {
            OKAY(w.meta->ops->group_end(g, &w.err), &w.err);
        } else {
            w.meta->ops->group_abort(g);
        }
    }
    world_check(&w);
    world_reopen(&w);
    world_check(&w);
    const struct intent more = intent(INTENT_UPDATE, 0, "same", 9);
    commit(&w, &more, 1);
    world_check(&w);
    world_close(&w);
}

/* Nothing of an aborted group remains: no version, no total, no lost number that anybody sees. */
static void test_abort(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    struct intent in[20];
    world_intents(&w, in, 20);
    commit(&w, in, 20);
    struct meta_totals before, after;
    OKAY(w.meta->ops->totals(w.session, &w.colls[0], &before, &w.err), &w.err);
    struct version v = {.deleted_ms = TIME_NONE, .id = STR("aborted"), .doc = STR("{}")};
    struct meta_swap swap = {.next = &v, .coll = &w.colls[0], .expected_ov = -1};
    struct meta_op op = {.op_id = STR("aborted"), .expires_ms = clock_now_ms() + 100000};
    struct meta_group *g;
    struct meta_numbers n;
    for (int step = 0; step < 4; step++) {
        OKAY(w.meta->ops->group_begin(w.meta, &g, &w.err), &w.err);
        if (step > 0) OKAY(w.meta->ops->group_take(g, &w.colls[0], 1, &n, &w.err), &w.err);
        v.cv = n.cv;
        v.at_ms = v.created_ms = n.at_ms;
        if (step > 1) OKAY(w.meta->ops->group_swap(g, &swap, 1, &w.err), &w.err);
        if (step > 2) OKAY(w.meta->ops->group_note(g, STR("alpha"), &op, 1, &w.err), &w.err);
        w.meta->ops->group_abort(g);
        world_check(&w);
    }
    OKAY(w.meta->ops->totals(w.session, &w.colls[0], &after, &w.err), &w.err);
    assert_memory_equal(&before, &after, sizeof before);
    bool found = true;
    OKAY(w.meta->ops->op_find(w.session, STR("alpha"), STR("aborted"), &w.arena, &op, &found,
                              &w.err),
         &w.err);
    assert_false(found);
    world_reopen(&w);
    world_check(&w);
    world_close(&w);
}

/* Versions that a session sees of collection 0 now. */
static int count_seen(struct world *w, struct meta_session *session) {
    struct version *page[64];
    struct meta_scan scan = {.limit = 64};
    int seen = 0, got = 64;
    while (got == 64) {
        OKAY(w->meta->ops->scan(session, &w->colls[0], &scan, page, &got, &w->err), &w->err);
        for (int i = 0; i < got; i++, seen++) {
            scan.after_cv = page[i]->cv;
            version_unref(page[i]);
        }
    }
    return seen;
}

static int64_t head_seen(struct world *w, struct meta_session *session, const char *id) {
    struct version *v = NULL;
    struct str ids = str_of(id);
    OKAY(w->meta->ops->heads(session, &w->colls[0], &ids, 1, false, &v, &w->err), &w->err);
    int64_t ov = v == NULL ? -1 : v->ov;
    version_unref(v);
    return ov;
}

static int listed(struct world *w, struct meta_session *session) {
    struct meta_item items[100];
    struct meta_listing l = {.database = STR("alpha"), .limit = 100};
    int count = -1;
    OKAY(w->meta->ops->list(session, &l, &w->arena, items, &count, &w->err), &w->err);
    return count;
}

/* While a snapshot is held, a session sees the store as it was, however much is committed; others
 * see the present. */
static void test_snapshot(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    struct meta_session *other = w.meta->ops->session_new(w.meta, &w.err);
    assert_non_null(other);
    struct intent first = intent(INTENT_CREATE, 0, "kept", 1);
    commit(&w, &first, 1);
    for (int round = 0; round < 3; round++) {
        int64_t ov = head_seen(&w, w.session, "kept");
        int versions = w.count, items = listed(&w, w.session);
        OKAY(w.meta->ops->snapshot(other, true, &w.err), &w.err);
        if (round > 0) assert_int_equal(head_seen(&w, other, "kept"), ov);
        OKAY(w.meta->ops->snapshot(other, true, &w.err), &w.err); /* does nothing */
        bool kept = true;
        for (int i = 0; i < 50; i++) {
            struct intent two[2] = {intent(INTENT_UPDATE, 0, "kept", 3),
                                    intent(INTENT_CREATE, 0, "", 5)};
            two[1].id_bytes =
                (size_t)snprintf(two[1].id, sizeof two[1].id, "new%d-%d", round, i % 20);
            if (i >= 20) two[1].kind = INTENT_UPDATE;
            commit(&w, two, 2);
            kept = kept && head_seen(&w, other, "kept") == ov;
        }
        assert_true(kept);
        assert_int_equal(count_seen(&w, other), versions);
        assert_int_equal(listed(&w, other), items);
        char born[32];
        snprintf(born, sizeof born, "new%d-7", round);
        assert_int_equal(head_seen(&w, other, born), -1);
        assert_int_equal(head_seen(&w, w.session, "kept"), ov + 50);
        OKAY(w.meta->ops->snapshot(other, false, &w.err), &w.err);
        OKAY(w.meta->ops->snapshot(other, false, &w.err), &w.err); /* does nothing */
        assert_int_equal(head_seen(&w, other, "kept"), ov + 50);
        assert_int_equal(listed(&w, other), items + 20);
        assert_int_equal(count_seen(&w, other), versions + 100);
    }
    w.meta->ops->session_free(other);
    arena_reset(&w.arena);
    world_check(&w);
    world_close(&w);
}

/* Random groups; everything compared now and then, and after reopening. */
static void random_walk(uint64_t seed) {
    struct world w;
    world_open(&w, meta_suite_maker);
    w.random = seed;
    print_message("             seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 120; round++) {
        struct intent in[30];
        int n = 1 + (int)(world_random(&w) % 30);
        world_intents(&w, in, n);
        commit(&w, in, n);
        if (round % 10 == 0) world_check_some(&w, 4);
        if (round % 40 == 25) world_check(&w);
        if (round % 30 == 29) world_reopen(&w);
    }
    world_check(&w);
    world_close(&w);
}

static void test_random_walks(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        random_walk(UINT64_C(88172645463325252) + i * 7919);
    }
    random_walk((uint64_t)clock_now_us() | 1);
}

/* A long timeline: as-of at every instant, ranges, reverse. */
static void test_long_timeline(void **state) {
    (void)state;
    struct world w;
    world_open(&w, meta_suite_maker);
    for (int round = 0; round < 40; round++) {
        struct intent in[25];
        for (int i = 0; i < 25; i++) {
            in[i] = intent(round + i == 0 ? INTENT_CREATE : INTENT_UPDATE, 5, "long",
                           (uint64_t)(round * 100 + i));
            in[i].doc_bytes = 20;
        }
        commit(&w, in, 25);
        int64_t end = clock_now_ms() + 2;
        while (clock_now_ms() < end) {
        } /* so that there are many instants */
    }
    assert_int_equal(w.count, 1000);
    world_check(&w);
    world_close(&w);
}

int meta_suite_reading(struct meta_maker *maker) {
    meta_suite_maker = maker;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_swaps),
        cmocka_unit_test(test_fresh_ids),
        cmocka_unit_test(test_swaps_in_one_group),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_long_timeline),
        cmocka_unit_test(test_random_walks),
        cmocka_unit_test(test_snapshot),
    };
    return cmocka_run_group_tests_name("meta: versions", tests, NULL, NULL);
}

int meta_suite_run(struct meta_maker *maker) {
    return meta_suite_reading(maker) + meta_suite_tables(maker) + meta_suite_threads(maker) +
           meta_suite_faults(maker) + meta_suite_crashes(maker);
}
