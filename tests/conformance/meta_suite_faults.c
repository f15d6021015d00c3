/*
 * Proves, of any metadata store: whatever fails, and wherever, a group is applied whole or not at
 * all, as its answer said, and the store goes on working.
 *
 * For every fault point on the way of a write, the n-th passing fails, for n = 1, 2, 3 ... until no
 * fault fires any more. Where passings are many (allocations), n grows faster from a hundred on.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "conformance/cmocka_all.h"
#include "conformance/meta_suite.h"

/* May this be the answer when something failed? */
static bool is_refusal(enum status st) {
    return st == ERR_TRYAGAIN || st == ERR_TIMEDOUT || st == ERR_BACKEND;
}

static void expect_ok_or_refusal(struct world *w, enum status st, const char *what) {
    if (st != OK && !is_refusal(st)) {
        fail_msg("%s: %s %s", what, status_word(st), w->err.msg);
    }
    if (st != OK) assert_true(w->err.msg[0] != '\0');
}

static void group(struct world *w) {
    struct intent in[12];
    world_intents(w, in, 12);
    expect_ok_or_refusal(w, world_commit(w, in, 12), "group");
}

/* Reads may fail, but never answer wrongly. */
static void reads(struct world *w) {
    const struct known *k = &w->known[world_random(w) % (uint64_t)w->count];
    const struct meta_ops *ops = w->meta->ops;
    struct version *v = NULL, *page[4];
    enum status st = ops->heads(w->session, &w->colls[k->coll], &k->v->id, 1, true, &v, &w->err);
    expect_ok_or_refusal(w, st, "heads");
    if (st == OK) assert_same_version(v, world_head(w, k->coll, k->v->id), true);
    version_unref(v);
    st = ops->by_instant(w->session, &w->colls[k->coll], k->v->id, INT64_MAX, false, &v, &w->err);
    expect_ok_or_refusal(w, st, "by_instant");
    if (st == OK) version_unref(v);
    struct meta_range range = {
        .to_ov = INT64_MAX, .until_ms = INT64_MAX, .limit = 4, .with_doc = true};
    int count = 0;
    st = ops->range(w->session, &w->colls[k->coll], k->v->id, &range, page, &count, &w->err);
    expect_ok_or_refusal(w, st, "range");
    for (int i = 0; st == OK && i < count; i++) version_unref(page[i]);
    struct meta_listing l = {.database = STR("alpha"), .limit = 4};
    struct meta_item items[4];
    expect_ok_or_refusal(w, ops->list(w->session, &l, &w->arena, items, &count, &w->err), "list");
    struct meta_op op;
    bool found;
    expect_ok_or_refusal(
        w, ops->op_find(w->session, STR("alpha"), STR("o"), &w->arena, &op, &found, &w->err), "op");
    arena_reset(&w->arena);
}

static void session(struct world *w) {
    struct meta_session *s = w->meta->ops->session_new(w->meta, &w->err);
    if (s == NULL) {
        expect_ok_or_refusal(w, w->err.code, "session");
    } else {
        w->meta->ops->session_free(s);
    }
}

/* The queue never loses a record that it took. */
static void queue(struct world *w, int *records) {
    struct meta_queued r = {.kind = STR("k"), .key = STR("k"), .body = STR("b"), .due_ms = 1};
    enum status st = w->meta->ops->queue_put(w->meta, &r, &w->err);
    expect_ok_or_refusal(w, st, "queue_put");
    *records += st == OK;
    struct meta_take take = {.kind = STR("k"), .now_ms = 5, .hide_ms = 3, .limit = 1};
    int count;
    expect_ok_or_refusal(
        w, w->meta->ops->queue_take(w->meta, &take, &w->arena, &r, &count, &w->err), "queue_take");
    arena_reset(&w->arena);
}

static void check_queue(struct world *w, int records) {
    struct meta_queued r[100];
    struct meta_take take = {.kind = STR("k"), .now_ms = 10, .hide_ms = 10, .limit = 100};
    int count;
    OKAY(w->meta->ops->queue_take(w->meta, &take, &w->arena, r, &count, &w->err), &w->err);
    assert_int_equal(count, records);
    arena_reset(&w->arena);
}

static void state(struct world *w) {
    struct version *v = w->known[w->count - 1].v;
    enum version_state to = v->state == STATE_NEW ? STATE_NEW_NOT_SYNCHED : STATE_NEW;
    enum status st = w->meta->ops->set_state(w->meta, &v->row, 1, to, &w->err);
    expect_ok_or_refusal(w, st, "set_state");
    if (st == OK) v->state = to;
}

static void coll(struct world *w, int i) {
    char name[16];
    struct meta_coll c;
    snprintf(name, sizeof name, "new%d", i);
    expect_ok_or_refusal(w, w->meta->ops->coll(w->meta, STR("x"), str_of(name), true, &c, &w->err),
                         "coll");
}

static void note(struct world *w) {
    struct meta_op op = {.op_id = STR("o"), .expires_ms = INT64_MAX, .answer = STR("a")};
    struct meta_group *g;
    enum status st = w->meta->ops->group_begin(w->meta, &g, &w->err);
    expect_ok_or_refusal(w, st, "begin");
    if (st != OK) return;
    st = w->meta->ops->group_note(g, STR("alpha"), &op, 1, &w->err);
    expect_ok_or_refusal(w, st, "note");
    if (st == OK) {
        expect_ok_or_refusal(w, w->meta->ops->group_end(g, &w->err), "end");
    } else {
        w->meta->ops->group_abort(g);
    }
}

/* Some of everything. */
static void scenario(struct world *w, int *records) {
    for (int i = 0; i < 3; i++) {
        group(w);
        reads(w);
        session(w);
        queue(w, records);
        state(w);
        coll(w, i);
        note(w);
        w->meta->ops->tick(w->meta);
    }
}

/* Whole again, and after reopening too. */
static void check_recovered(struct world *w, int records) {
    world_check_some(w, 5);
    struct intent in[12];
    world_intents(w, in, 12);
    OKAY(world_commit(w, in, 12), &w->err);
    world_check(w);
    check_queue(w, records);
    world_reopen(w);
    world_check(w);
}

/* One run with the n-th passing failing; did the fault fire? */
static bool run(const char *point, const char *action, int64_t n, bool forever) {
    struct world w;
    struct err err;
    int records = 0;
    world_open(&w, meta_suite_maker);
    w.random += (uint64_t)n;
    struct intent in[12];
    world_intents(&w, in, 12);
    OKAY(world_commit(&w, in, 12), &w.err);
    OKAY(fault_arm(str_of(point), str_of(action), n, forever, &err), &err);
    scenario(&w, &records);
    int number = 0;
    while (strcmp(fault_name((enum fault_point)number), point) != 0) number++;
    bool fired = fault_passes((enum fault_point)number) >= n;
    fault_disarm_all();
    check_recovered(&w, records);
    world_close(&w);
    return fired;
}

static void test_nth_fault(void **state) {
    (void)state;
    for (const char *const *point = meta_suite_maker->fault_points; *point != NULL; point++) {
        static const char *const actions[] = {"fail", "full"};
        for (int a = 0; a < 2; a++) {
            int64_t n = 1, runs = 1;
            for (; run(*point, actions[a], n, false); runs++) n += n < 60 ? 1 : n / 8;
            print_message("             %s %s: %lld runs, the last passing about %lld\n", *point,
                          actions[a], (long long)runs, (long long)n);
            assert_true(runs > 1);
        }
    }
}

/* From the n-th passing on everything fails, until it is over. */
static void test_lasting_fault(void **state) {
    (void)state;
    for (const char *const *point = meta_suite_maker->fault_points; *point != NULL; point++) {
        static const int64_t table[] = {1, 2, 3, 5, 8, 13, 40};
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
            (void)run(*point, i % 2 == 0 ? "fail" : "full", table[i], true);
        }
    }
}

/* Opening fails at the n-th passing; then it works. */
static void test_fault_at_open(void **state) {
    (void)state;
    struct world w;
    struct err err;
    world_open(&w, meta_suite_maker);
    struct intent in[12];
    world_intents(&w, in, 12);
    OKAY(world_commit(&w, in, 12), &w.err);
    for (const char *const *point = meta_suite_maker->fault_points; *point != NULL; point++) {
        bool failed = true;
        for (int64_t n = 1; failed && n < 2000; n += n < 30 ? 1 : n / 4) {
            world_stop(&w);
            OKAY(fault_arm(str_of(*point), STR("fail"), n, false, &err), &err);
            enum status st = world_try_start(&w);
            failed = st != OK;
            if (failed && !is_refusal(st)) fail_msg("%s %s", status_word(st), w.err.msg);
            fault_disarm_all();
            if (failed) OKAY(world_try_start(&w), &w.err);
            world_check_some(&w, 3);
        }
    }
    world_check(&w);
    world_close(&w);
}

int meta_suite_faults(struct meta_maker *maker) {
    meta_suite_maker = maker;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nth_fault),
        cmocka_unit_test(test_lasting_fault),
        cmocka_unit_test(test_fault_at_open),
    };
    return cmocka_run_group_tests_name("meta: faults", tests, NULL, NULL);
}
