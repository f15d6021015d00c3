/* Proves that cursors keep their positions, may be asked twice, drop what they came from, and give
 * way in the order of their last use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/cursors.h"

enum { MANY = 3000, TABLE = 1024 };

static struct arena arena;

static int setup(void **state) {
    arena_init(&arena);
    *state = cursors_new(&arena);
    return 0;
}

static int teardown(void **state) {
    cursors_release(*state);
    arena_release(&arena);
    return 0;
}

static struct position at(const char *id, uint64_t from) {
    struct position p = {.from = from, .id_bytes = (uint16_t)strlen(id)};
    memcpy(p.id, id, strlen(id));
    return p;
}

static void test_positions(void **state) {
    struct position p, first = at("a", 0);
    uint64_t cursor = cursors_put(*state, &first);
    assert_true(cursor > 0 && cursor < (1ULL << 53));
    for (int i = 0; i < 2; i++) {
        assert_true(cursors_get(*state, cursor, &p));
        assert_memory_equal(p.id, "a", 1);
    }
    assert_false(cursors_get(*state, 0, &p));
    assert_false(cursors_get(*state, cursor + 1, &p));
}

/* A chain keeps the newest two: the client may ask for the last page again. */
static void test_chain(void **state) {
    struct position p, a = at("a", 0);
    uint64_t first = cursors_put(*state, &a);
    struct position b = at("b", first);
    uint64_t second = cursors_put(*state, &b);
    assert_true(cursors_get(*state, first, &p));
    assert_true(cursors_get(*state, second, &p));
    assert_false(cursors_get(*state, first, &p));
    assert_true(cursors_get(*state, second, &p));
}

static void test_oldest_gives_way(void **state) {
    static uint64_t cursors[MANY];
    struct position p, kept = at("kept", 0);
    uint64_t used = cursors_put(*state, &kept);
    for (int i = 0; i < MANY; i++) {
        struct position one = at("x", 0);
        cursors[i] = cursors_put(*state, &one);
        assert_true(cursors_get(*state, used, &p)); /* in use: it never gives way */
    }
    assert_memory_equal(p.id, "kept", 4);
    int alive = 0;
    for (int i = 0; i < MANY; i++) {
        bool there = cursors_get(*state, cursors[i], &p);
        alive += there;
        assert_int_equal(there, i >= MANY - (TABLE - 1));
    }
    assert_int_equal(alive, TABLE - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_positions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oldest_gives_way, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
