/* Proves that recent entries are seen by whom they should be, written sorted and once, written
 * again when a commit failed, and kept as long as a reader needs them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/meta_sqlite_recent.h"

enum { TURN = 4 };

static void add(struct recent *r, const char *id, int64_t ov, int64_t row) {
    recent_pend(r, 1, str_of(id), &(struct item_entry){.ov = ov, .row = row, .at_ms = row * 10});
}

/* The ov of the head that a view of so many rows shows; -1: none. */
static int64_t head(struct recent *r, const char *id, int64_t last_row) {
    struct recent_view v = {1, str_of(id), last_row, NULL};
    struct item_entry e;
    return recent_floor(r, &v, INT64_MAX, &e) ? e.ov : -1;
}

static void test_who_sees_what(void **state) {
    (void)state;
    struct recent *r = recent_new(TURN);
    add(r, "a", 0, 1);
    assert_int_equal(head(r, "a", INT64_MAX), 0); /* the writer */
    assert_int_equal(head(r, "a", 100), -1);      /* not committed */
    recent_abort(r);
    assert_int_equal(head(r, "a", INT64_MAX), -1);
    add(r, "a", 0, 1);
    add(r, "a", 1, 2);
    recent_commit(r);
    assert_int_equal(head(r, "a", 0), -1); /* a snapshot from before */
    assert_int_equal(head(r, "a", 1), 0);
    assert_int_equal(head(r, "a", 2), 1);
    assert_int_equal(head(r, "b", 2), -1);
    struct recent_view v = {1, STR("a"), 2, NULL}, other = {2, STR("a"), 2, NULL};
    struct item_entry e;
    assert_true(recent_floor(r, &v, 0, &e));
    assert_int_equal(e.row, 1);
    assert_false(recent_floor(r, &v, -1, &e));
    assert_false(recent_floor(r, &other, 5, &e));
    recent_free(r);
}

static void test_ranges(void **state) {
    (void)state;
    struct recent *r = recent_new(TURN);
    for (int64_t ov = 5; ov < 15; ov++) {
        add(r, "a", ov, ov + 100);
        recent_commit(r);
        (void)recent_turn(r, false); /* the first four become old */
    }
    static const struct {
        int64_t from, to, last_row, first, count;
    } table[] = {{0, 100, 1000, 5, 10}, {7, 9, 1000, 7, 3},  {0, 4, 1000, 0, 0},
                 {15, 20, 1000, 0, 0},  {0, 100, 107, 5, 3}, {INT64_MIN, INT64_MAX, 1000, 5, 10},
                 {8, 8, 1000, 8, 1},    {9, 8, 1000, 0, 0}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct recent_view v = {1, STR("a"), table[i].last_row, NULL};
        struct item_entry *got;
        int count = recent_range(r, &v, table[i].from, table[i].to, &got);
        assert_int_equal(count, table[i].count);
        for (int k = 0; k < count; k++) assert_int_equal(got[k].ov, table[i].first + k);
        free(got);
    }
    recent_free(r);
}

/* Writing. */

struct written {
    char text[256];
    int fail_after; /* entries; -1: never */
};

static enum status write_one(void *arg, int64_t coll, struct str id, const struct item_entry *e,
                             struct err *err) {
    struct written *w = arg;
    assert_int_equal(coll, 1);
    if (w->fail_after == 0) return err_set(err, ERR_TRYAGAIN, "planted");
    w->fail_after--;
    size_t n = strlen(w->text);
    snprintf(w->text + n, sizeof w->text - n, "%.*s%lld ", STR_FMT(id), (long long)e->ov);
    return OK;
}

static void assert_slice(struct recent *r, int count, const char *want, int64_t want_row) {
    struct written w = {"", -1};
    int64_t row = -1;
    assert_int_equal(recent_slice(r, count, write_one, &w, &row, NULL), OK);
    assert_string_equal(w.text, want);
    assert_int_equal(row, want_row);
}

static void test_writing(void **state) {
    (void)state;
    struct recent *r = recent_new(TURN);
    assert_false(recent_turn(r, true)); /* nothing is there */
    assert_true(recent_is_empty(r));
    add(r, "c", 0, 1);
    add(r, "a", 3, 2);
    recent_commit(r);
    assert_false(recent_turn(r, false)); /* not enough */
    add(r, "b", 0, 3);
    add(r, "a", 4, 4);
    recent_commit(r);
    assert_true(recent_turn(r, false));
    assert_slice(r, 10, "", 0); /* not sorted yet */
    recent_sort(r);
    recent_sort(r); /* does nothing */
    add(r, "a", 5, 5);
    recent_commit(r);
    assert_slice(r, 1, "a3 ", 0);
    recent_slice_done(r, true);
    assert_slice(r, 2, "a4 b0 ", 0);
    recent_slice_done(r, false); /* the commit failed: again */
    assert_slice(r, 2, "a4 b0 ", 0);
    recent_slice_done(r, true);
    struct written w = {"", 0};
    int64_t row;
    assert_int_equal(recent_slice(r, 9, write_one, &w, &row, NULL), ERR_TRYAGAIN);
    recent_slice_done(r, false);
    assert_slice(r, 9, "c0 ", 4); /* the last: complete up to row 4 */
    recent_slice_done(r, true);
    assert_false(recent_is_empty(r));
    assert_slice(r, 9, "", 0);
    assert_true(recent_turn(r, true)); /* what came meanwhile */
    recent_sort(r);
    assert_slice(r, 9, "a5 ", 5);
    recent_slice_done(r, true);
    assert_true(recent_is_empty(r));
    recent_free(r);
}

/* Entries stay for a snapshot that began before the table had them. */
static void test_readers_hold(void **state) {
    (void)state;
    struct recent *r = recent_new(TURN);
    struct recent_reader *early = recent_reader_new(r), *late = recent_reader_new(r);
    add(r, "a", 0, 1);
    recent_commit(r);
    recent_reader_begin(r, early);
    assert_true(recent_turn(r, true));
    recent_sort(r);
    assert_slice(r, 9, "a0 ", 1);
    recent_slice_done(r, true);
    recent_reader_begin(r, late);
    assert_false(recent_turn(r, true));
    assert_int_equal(head(r, "a", 1), 0); /* early still needs it */
    recent_reader_end(early);
    assert_false(recent_turn(r, true)); /* late does not */
    assert_int_equal(head(r, "a", 1), -1);
    recent_reader_end(late);
    recent_reader_free(r, early);
    recent_reader_free(r, late);
    recent_reader_free(r, NULL);
    recent_free(r);
}

/* Listings. */

static void assert_heads(struct recent *r, const struct recent_view *v, int limit,
                         const char *want) {
    struct arena arena;
    struct recent_head heads[16];
    char text[256] = "";
    arena_init(&arena);
    int count = recent_heads(r, v, &arena, heads, limit);
    for (int i = 0; i < count; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "%.*s%lld ", STR_FMT(heads[i].id),
                 (long long)heads[i].head.ov);
    }
    assert_string_equal(text, want);
    arena_release(&arena);
}

static void test_listings(void **state) {
    (void)state;
    static const char *const ids[] = {"m", "c", "x", "a", "q", "b", "z", "d"};
    struct recent *r = recent_new(8);
    struct recent_reader *reader = recent_reader_new(r);
    struct recent_view v = {1, STR(""), 1000, reader}, other = {2, STR(""), 1000, reader};
    recent_reader_begin(r, reader);
    assert_heads(r, &v, 5, "");
    for (int i = 0; i < 8; i++) add(r, ids[i], 0, i + 1);
    recent_commit(r);
    assert_true(recent_turn(r, false));
    add(r, "c", 1, 20);
    add(r, "n", 0, 21);
    recent_commit(r);
    assert_heads(r, &v, 16, "a0 b0 c1 d0 m0 n0 q0 x0 z0 ");
    assert_heads(r, &v, 3, "a0 b0 c1 ");
    assert_heads(r, &v, 0, "");
    assert_heads(r, &other, 16, "");
    v.id = STR("c");
    assert_heads(r, &v, 3, "d0 m0 n0 ");
    v.id = STR("zz");
    assert_heads(r, &v, 3, "");
    v.id = STR("");
    v.last_row = 3; /* a snapshot from before most of it */
    assert_heads(r, &v, 16, "c0 m0 x0 ");
    recent_reader_end(reader);
    recent_reader_free(r, reader);
    recent_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_sees_what), cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_writing),       cmocka_unit_test(test_readers_hold),
        cmocka_unit_test(test_listings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
