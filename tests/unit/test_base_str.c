/* Proves that slices are compared, searched, checked, globbed and hashed as the header says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void test_compare(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        int order;
    } rows[] = {
        {"", "", 0},       {"a", "a", 0},    {"a", "b", -1}, {"a", "", 1},  {"ab", "abc", -1},
        {"abd", "abc", 1}, {"\xff", "a", 1}, {"B", "a", -1}, {NULL, "", 0}, {NULL, "a", -1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str a = str_of(rows[i].a), b = str_of(rows[i].b);
        assert_int_equal(str_cmp(a, b), rows[i].order);
        assert_int_equal(str_cmp(b, a), -rows[i].order);
        assert_int_equal(str_eq(a, b), rows[i].order == 0);
    }
    assert_true(str_eq_nocase(STR("Chronos.GET"), STR("cHRONOS.get")));
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    assert_false(str_eq_nocase(STR("@"), STR("`")));
    assert_false(str_eq_nocase(STR("\xc3\x89"), STR("\xc3\xa9"))); /* ASCII only */
    assert_true(str_starts_with(STR("abc"), STR("ab")));
    assert_true(str_starts_with(STR("abc"), STR("")));
    assert_true(str_starts_with(STR_NONE, STR_NONE));
    assert_false(str_starts_with(STR("ab"), STR("abc")));
    assert_false(str_starts_with(STR("abc"), STR("b")));
    assert_int_equal(str_find_char(STR("a:b:c"), ':'), 1);
    assert_int_equal(str_find_char(STR("abc"), ':'), -1);
    assert_int_equal(str_find_char(STR_NONE, ':'), -1);
}

static void test_to_int(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"0", 0},
        {"7", 7},
        {"-1", -1},
        {"1234567890", 1234567890},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"-9223372036854775807", -INT64_MAX},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t v = 42;
        assert_true(str_to_int(str_of(good[i].text), &v));
        assert_true(v == good[i].value);
    }
    static const char *const bad[] = {
        "",
        "-",
        "+1",
        " 1",
        "1 ",
        "01",
        "-0",
        "-01",
        "00",
        "1.0",
        "1e3",
        "0x1",
        "a",
        "--1",
        "1-",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999",
        "18446744073709551616",
        "10000000000000000000",
        "1\xff",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t v = 42;
        assert_false(str_to_int(str_of(bad[i]), &v));
        assert_int_equal(v, 42);
    }
    int64_t v = 42;
    assert_false(str_to_int((struct str){"1\0", 2}, &v));
    assert_false(str_to_int(STR_NONE, &v));
}

/* A slow and plain decoder: the length of the character at p, 0 if there is none. */
static size_t decode(const uint8_t *p, size_t n) {
    if (n == 0) return 0;
    if (p[0] < 0x80) return 1;
    size_t length = p[0] >= 0xF0 && p[0] < 0xF8   ? 4
                    : p[0] >= 0xE0 && p[0] < 0xF0 ? 3
                    : p[0] >= 0xC0 && p[0] < 0xE0 ? 2
                                                  : 0;
    if (length == 0 || length > n) return 0;
    static const uint32_t first_bits[] = {0, 0, 0x1F, 0x0F, 0x07};
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t v = p[0] & first_bits[length];
    for (size_t i = 1; i < length; i++) {
        if (p[i] < 0x80 || p[i] > 0xBF) return 0;
        v = v << 6 | (p[i] & 0x3F);
    }
    bool surrogate = v >= 0xD800 && v <= 0xDFFF;
    return v >= least[length] && v <= 0x10FFFF && !surrogate ? length : 0;
}

static bool plain_is_utf8(const uint8_t *p, size_t n, size_t *ret_bad) {
    for (size_t i = 0; i < n;) {
        size_t length = decode(p + i, n - i);
        if (length == 0) {
            *ret_bad = i;
            return false;
        }
        i += length;
    }
    return true;
}

static void check_utf8(const uint8_t *p, size_t n) {
    size_t want_bad = 99, bad = 99;
    bool want = plain_is_utf8(p, n, &want_bad);
    bool is = str_is_utf8((struct str){(const char *)p, n}, &bad);
    if (is != want || bad != want_bad) fail_msg("differs for %02x %02x %02x", p[0], p[1], p[2]);
}

/* Every sequence of two bytes, of three with an interesting last, and of four likewise. */
static void test_utf8_exhaustive(void **state) {
    (void)state;
    static const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0,
                                    0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xF4, 0xFF};
    for (unsigned two = 0; two < 0x10000; two++) {
        uint8_t p[5] = {(uint8_t)(two >> 8), (uint8_t)two, 0, 0, 0};
        check_utf8(p, 2);
        for (size_t i = 0; i < COUNT(edges); i++) {
            p[2] = edges[i];
            check_utf8(p, 3);
            if (p[0] < 0xE0) continue;
            for (size_t j = 0; j < COUNT(edges); j++) {
                p[3] = edges[j];
                check_utf8(p, 4);
            }
        }
    }
}

/* The fast path for ASCII must not step over a bad byte, wherever it stands. */
static void test_utf8_places(void **state) {
    (void)state;
    char text[80];
    for (size_t n = 1; n < sizeof(text); n++) {
        for (size_t at = 0; at < n; at++) {
            memset(text, 'a', sizeof(text));
            size_t bad = 99;
            assert_true(str_is_utf8((struct str){text, n}, &bad));
            text[at] = (char)0x80;
            assert_false(str_is_utf8((struct str){text, n}, &bad));
            assert_int_equal(bad, at);
            if (at + 2 > n) continue;
            memcpy(text + at, "\xc3\xa9", 2);
            assert_true(str_is_utf8((struct str){text, n}, NULL));
            assert_false(str_is_utf8((struct str){text, at + 1}, &bad));
            assert_int_equal(bad, at);
        }
    }
    assert_true(str_is_utf8(STR_NONE, NULL));
}

static void test_utf8_cut(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t length;
    } rows[] = {
        {"", 0},
        {"abc", 3},
        {"\xc3\xa9", 2},
        {"\xc3", 0},
        {"a\xc3", 1},
        {"\xe2\x82\xac", 3},
        {"\xe2\x82", 0},
        {"x\xe2", 1},
        {"\xf0\x9f\x98\x80", 4},
        {"z\xf0\x9f\x98", 1},
        {"z\xf0\x9f", 1},
        {"z\xf0", 1},
        {"\x80\x80\x80\x80", 4},
        {"\xc3\xa9\xc3", 2},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(str_utf8_cut(str_of(rows[i].text)), rows[i].length);
    }
}

static void test_hex(void **state) {
    (void)state;
    static const uint8_t bytes[] = {0x00, 0x01, 0x9a, 0xff, 0x7f};
    char hex[10];
    uint8_t back[5] = {0};
    hex_encode(bytes, sizeof(bytes), hex);
    assert_memory_equal(hex, "00019aff7f", 10);
    assert_true(hex_decode((struct str){hex, 10}, back, 5));
    assert_memory_equal(back, bytes, 5);
    assert_true(hex_decode(STR("ABcd"), back, 2));
    assert_int_equal(back[0], 0xAB);
    static const char *const bad[] = {"ab", "abcd0", "abcdef", "ag00", "00 0", "0x00"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint8_t untouched[2] = {1, 2};
        assert_false(hex_decode(str_of(bad[i]), untouched, 2));
        assert_int_equal(untouched[0], 1);
        assert_int_equal(untouched[1], 2);
    }
    assert_true(hex_decode(STR_NONE, back, 0));
    assert_true(str_is_objectid(STR("65f0c0ffee65F0C0FFEE65f0")));
    assert_false(str_is_objectid(STR("65f0c0ffee65F0C0FFEE65f")));
    assert_false(str_is_objectid(STR("65f0c0ffee65F0C0FFEE65f00")));
    assert_false(str_is_objectid(STR("65f0c0ffee65F0C0FFEE65fg")));
    assert_false(str_is_objectid(STR_NONE));
}

struct glob_row {
    const char *pattern, *text;
    bool nocase, match;
};

static const struct glob_row globs[] = {
    {"", "", false, true},
    {"", "a", false, false},
    {"a", "", false, false},
    {"*", "", false, true},
    {"***", "", false, true},
    {"*", "anything", false, true},
    {"?", "", false, false},
    {"?", "a", false, true},
    {"??", "a", false, false},
    {"h?llo", "hello", false, true},
    {"h?llo", "hllo", false, false},
    {"h*llo", "hllo", false, true},
    {"h*llo", "heeeello", false, true},
    {"h*llo", "heeeellox", false, false},
    {"h[ae]llo", "hallo", false, true},
    {"h[ae]llo", "hillo", false, false},
    {"h[^e]llo", "hallo", false, true},
    {"h[^e]llo", "hello", false, false},
    {"h[a-b]llo", "hbllo", false, true},
    {"h[a-b]llo", "hcllo", false, false},
    {"h[b-a]llo", "hallo", false, true}, /* ends swapped */
    {"h[-a]", "h-", false, true},
    {"h[a-]", "h-", false, false}, /* as in Redis, a range from a to ] */
    {"h[a-]", "h^", false, true},
    {"a\\*b", "a*b", false, true},
    {"a\\*b", "axb", false, false},
    {"a\\", "a\\", false, true}, /* nothing to escape: itself */
    {"[\\]]", "]", false, true},
    {"[\\-x]", "-", false, true},
    {"[]", "a", false, false},
    {"[^]", "a", false, true},
    {"[abc", "b", false, true}, /* never closed: ends with the pattern */
    {"[abc", "d", false, false},
    {"a[", "ab", false, false},
    {"*.c", "x.c.c", false, true},
    {"*.c", "x.c.h", false, false},
    {"*a*b*c*", "xxaxxbxxcxx", false, true},
    {"*a*b*c*", "xxaxxcxxbxx", false, false},
    {"server.*", "server.port", false, true},
    {"SERVER.*", "server.port", false, false},
    {"SERVER.*", "server.port", true, true},
    {"[A-C]x", "bX", true, true},
    {"[^A]", "a", true, false},
    {"?", "\xc3\xa9", false, false}, /* bytes, not characters */
    {"*\xc3\xa9", "caf\xc3\xa9", false, true},
};

static void test_glob(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(globs); i++) {
        const struct glob_row *row = &globs[i];
        if (str_glob(str_of(row->pattern), str_of(row->text), row->nocase) == row->match) continue;
        fail_msg("'%s' and '%s'", row->pattern, row->text);
    }
    assert_true(str_glob((struct str){"a?c", 3}, (struct str){"a\0c", 3}, false));
}

/* A pattern that takes others for ever is answered at once. */
static void test_glob_is_bounded(void **state) {
    (void)state;
    static char pattern[2000], text[20000];
    for (size_t i = 0; i < sizeof(pattern); i += 2) memcpy(pattern + i, "*a", 2);
    pattern[sizeof(pattern) - 1] = 'b';
    memset(text, 'a', sizeof(text));
    int64_t before = clock_mono_us();
    assert_false(
        str_glob((struct str){pattern, sizeof(pattern)}, (struct str){text, sizeof(text)}, false));
    assert_true(clock_mono_us() - before < 10000000);
}

static int by_value(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Neighbouring texts of every length have different hashes, and every byte counts. */
static void test_hash(void **state) {
    (void)state;
    enum { TEXTS = 200000 };
    uint64_t *seen = malloc(TEXTS * sizeof(*seen));
    assert_non_null(seen);
    char text[64];
    for (unsigned i = 0; i < TEXTS; i++) {
        memset(text, 'k', sizeof(text));
        memcpy(text + i % 40, &i, sizeof(i));
        seen[i] = str_hash((struct str){text, i % 40 + sizeof(i)});
        assert_true(seen[i] == str_hash((struct str){text, i % 40 + sizeof(i)}));
    }
    qsort(seen, TEXTS, sizeof(*seen), by_value);
    for (unsigned i = 1; i < TEXTS; i++) assert_true(seen[i] != seen[i - 1]);
    free(seen);
    for (size_t n = 1; n <= sizeof(text); n++) {
        memset(text, 0, sizeof(text));
        uint64_t plain = str_hash((struct str){text, n});
        assert_true(plain != str_hash((struct str){text, n - 1}));
        for (size_t bit = 0; bit < n * 8; bit++) {
            text[bit / 8] = (char)(1 << bit % 8);
            assert_true(plain != str_hash((struct str){text, n}));
            text[bit / 8] = 0;
        }
    }
    assert_true(str_hash(STR_NONE) == str_hash(STR("")));
}

/* The low bits choose buckets: they are spread evenly. */
static void test_hash_spreads(void **state) {
    (void)state;
    enum { BUCKETS = 256, EACH = 400 };
    int buckets[BUCKETS] = {0};
    for (unsigned i = 0; i < BUCKETS * EACH; i++) {
        char text[16] = "users:";
        memcpy(text + 6, &i, sizeof(i));
        buckets[str_hash((struct str){text, 10}) % BUCKETS]++;
    }
    for (int i = 0; i < BUCKETS; i++) assert_in_range(buckets[i], EACH / 2, EACH * 2);
}

static int cmp_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Numbered keys are what clients send most: by chance one pair in 18 million million collides. */
static void test_hash_of_numbered_keys(void **state) {
    (void)state;
    enum { KEYS = 200000 };
    uint64_t *hashes = xcalloc(KEYS, sizeof *hashes);
    for (int i = 0; i < KEYS; i++) {
        char key[32];
        int n = snprintf(key, sizeof key, "k%d", i);
        hashes[i] = str_hash((struct str){key, (size_t)n});
    }
    qsort(hashes, KEYS, sizeof *hashes, cmp_u64);
    for (int i = 1; i < KEYS; i++) assert_true(hashes[i] != hashes[i - 1]);
    free(hashes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_to_int),
        cmocka_unit_test(test_utf8_exhaustive),
        cmocka_unit_test(test_utf8_places),
        cmocka_unit_test(test_utf8_cut),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_glob),
        cmocka_unit_test(test_glob_is_bounded),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_hash_of_numbered_keys),
        cmocka_unit_test(test_hash_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
