/* Proves that an arena's allocations are aligned, apart from each other and of any size, and that a
 * reset gives back what a large request took. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"

static void test_apart_and_aligned(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a);
    enum { PIECES = 3000 };
    static unsigned char *pieces[PIECES];
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < PIECES; i++) {
            size_t n = i % 97 == 0 ? i * 7 : i % 61;
            pieces[i] = arena_alloc(&a, n);
            assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
            memset(pieces[i], (int)(i % 251), n);
        }
        for (size_t i = 0; i < PIECES; i++) {
            size_t n = i % 97 == 0 ? i * 7 : i % 61;
            for (size_t k = 0; k < n; k++) assert_int_equal(pieces[i][k], i % 251);
        }
        arena_reset(&a);
        assert_true(a.bytes <= 16 * 1024);
    }
    arena_release(&a);
    assert_int_equal(a.bytes, 0);
    arena_release(&a);
    arena_release(NULL);
}

static void test_empty_pieces_differ(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a);
    assert_null(a.chunk); /* no memory before the first piece */
    void *first = arena_alloc(&a, 0), *second = arena_alloc(&a, 0);
    assert_non_null(first);
    assert_ptr_not_equal(first, second);
    arena_release(&a);
}

/* A large piece does not cost the free space that was there before it. */
static void test_large_piece(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a);
    char *small = arena_alloc(&a, 16);
    char *large = arena_zalloc(&a, 1 << 20);
    char *next = arena_alloc(&a, 16);
    assert_ptr_equal(next, small + 16);
    for (int i = 0; i < 1 << 20; i++) assert_int_equal(large[i], 0);
    assert_true(a.bytes > 1 << 20);
    arena_reset(&a);
    assert_true(a.bytes > 0 && a.bytes <= 16 * 1024);
    assert_ptr_equal(arena_alloc(&a, 16), small); /* the ordinary chunk was kept */
    arena_release(&a);
}

static void test_only_large(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a);
    memset(arena_alloc(&a, 100000), 1, 100000);
    memset(arena_alloc(&a, 100), 2, 100);
    memset(arena_alloc(&a, 200000), 3, 200000);
    arena_reset(&a);
    memset(arena_alloc(&a, 100000), 1, 100000);
    arena_reset(&a);
    arena_reset(&a);
    arena_release(&a);
}

static void test_zalloc_after_reset(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a);
    memset(arena_alloc(&a, 1000), 0xFF, 1000);
    arena_reset(&a);
    const char *zeros = arena_zalloc(&a, 1000);
    for (int i = 0; i < 1000; i++) assert_int_equal(zeros[i], 0);
    arena_release(&a);
}

static void test_texts(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a);
    struct str copy = arena_dup(&a, (struct str){"a\0bc", 3});
    assert_int_equal(copy.n, 3);
    assert_memory_equal(copy.p, "a\0b", 4); /* with a NUL behind it */
    assert_null(arena_dup(&a, STR_NONE).p);
    struct str empty = arena_dup(&a, STR(""));
    assert_non_null(empty.p);
    assert_int_equal(empty.p[0], '\0');
    struct str text = arena_printf(&a, "%s-%d", "x", 42);
    assert_true(str_eq(text, STR("x-42")));
    assert_int_equal(text.p[4], '\0');
    text = arena_printf(&a, "%*d", 50000, 1);
    assert_int_equal(text.n, 50000);
    assert_int_equal(text.p[49999], '1');
    arena_release(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apart_and_aligned),  cmocka_unit_test(test_empty_pieces_differ),
        cmocka_unit_test(test_large_piece),        cmocka_unit_test(test_only_large),
        cmocka_unit_test(test_zalloc_after_reset), cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
