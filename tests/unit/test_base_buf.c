/* Proves that a buffer holds what was appended, never passes its ceiling, and says so once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

static void check(const struct buf *b, const char *text) {
    assert_int_equal(b->len, strlen(text));
    if (b->len > 0) assert_memory_equal(b->data, text, b->len);
}

static void test_appends(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    assert_null(b.data);
    buf_append(&b, "ab", 2);
    buf_append(&b, NULL, 0);
    buf_append_str(&b, STR("cd"));
    buf_append_str(&b, STR_NONE);
    buf_append_char(&b, '\n');
    buf_printf(&b, "%d-%s;", 7, "x");
    check(&b, "abcd\n7-x;");
    assert_true(str_eq(buf_str(&b), STR("abcd\n7-x;")));
    assert_false(b.overflow);
    buf_release(&b);
    assert_null(b.data);
    buf_release(&b);
    buf_release(NULL);
}

static void test_ints(void **state) {
    (void)state;
    static const struct {
        int64_t value;
        const char *text;
    } rows[] = {
        {0, "0"},
        {9, "9"},
        {10, "10"},
        {-1, "-1"},
        {-10, "-10"},
        {1234567890123, "1234567890123"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
    };
    struct buf b;
    buf_init(&b, 100);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_reset(&b);
        buf_append_int(&b, rows[i].value);
        check(&b, rows[i].text);
    }
    buf_release(&b);
}

/* The last byte below the ceiling fits, the next does not, and nothing of it is appended. */
static void test_ceiling(void **state) {
    (void)state;
    for (size_t max = 0; max < 300; max++) {
        struct buf b;
        buf_init(&b, max);
        for (size_t i = 0; i < max; i++) buf_append_char(&b, 'x');
        assert_int_equal(b.len, max);
        assert_false(b.overflow);
        buf_append_char(&b, 'y');
        assert_true(b.overflow);
        assert_int_equal(b.len, max);
        assert_true(b.cap <= max);
        buf_reset(&b);
        assert_false(b.overflow);
        char text[301];
        memset(text, 'z', sizeof(text));
        buf_append(&b, text, max + 1);
        assert_true(b.overflow);
        assert_int_equal(b.len, 0);
        buf_release(&b);
    }
}

static void test_overflow_stays(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    buf_append(&b, "abc", 3);
    buf_append(&b, "de", 2);
    assert_true(b.overflow);
    buf_append_char(&b, 'd'); /* there is room for it */
    check(&b, "abcd");
    buf_cut(&b, 1);
    buf_consume(&b, 1);
    assert_true(b.overflow);
    buf_reset(&b);
    assert_false(b.overflow);
    assert_false(buf_reserve(&b, SIZE_MAX));
    assert_true(b.overflow);
    buf_release(&b);
    assert_false(b.overflow);
}

static void test_printf_ceiling(void **state) {
    (void)state;
    for (size_t max = 0; max < 80; max++) {
        for (int width = 1; width < 90; width++) {
            struct buf b;
            buf_init(&b, max);
            buf_printf(&b, "%*d", width, 5);
            bool fits = (size_t)width <= max;
            assert_int_equal(b.overflow, !fits);
            assert_int_equal(b.len, fits ? (size_t)width : 0);
            if (fits) assert_int_equal(b.data[width - 1], '5');
            buf_release(&b);
        }
    }
}

static void test_printf_of_itself(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_append_char(&b, 'x');
    for (int i = 0; i < 12; i++) buf_printf(&b, "%.*s", (int)b.len, b.data);
    assert_int_equal(b.len, 1 << 12);
    for (size_t i = 0; i < b.len; i++) assert_int_equal(b.data[i], 'x');
    buf_release(&b);
}

static void test_consume_and_cut(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_consume(&b, 0);
    buf_append_str(&b, STR("hello world"));
    buf_consume(&b, 6);
    check(&b, "world");
    buf_cut(&b, 3);
    check(&b, "wor");
    buf_consume(&b, 0);
    buf_consume(&b, 3);
    check(&b, "");
    buf_release(&b);
}

static void test_memory(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_true(buf_reserve(&b, 1000));
    size_t cap = b.cap;
    assert_true(cap >= 1000);
    const char *data = b.data;
    for (int i = 0; i < 1000; i++) buf_append_char(&b, 'x');
    assert_ptr_equal(b.data, data); /* reserved means: does not move */
    buf_shrink(&b, 10);             /* not empty: stays */
    assert_int_equal(b.cap, cap);
    buf_reset(&b);
    assert_int_equal(b.cap, cap);
    buf_shrink(&b, cap);
    assert_int_equal(b.cap, cap);
    buf_shrink(&b, cap - 1);
    assert_int_equal(b.cap, 0);
    assert_null(b.data);
    buf_append_char(&b, 'y');
    check(&b, "y");
    buf_release(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends),         cmocka_unit_test(test_ints),
        cmocka_unit_test(test_ceiling),         cmocka_unit_test(test_overflow_stays),
        cmocka_unit_test(test_printf_ceiling),  cmocka_unit_test(test_printf_of_itself),
        cmocka_unit_test(test_consume_and_cut), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
