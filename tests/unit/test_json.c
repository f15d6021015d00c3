/* Proves that JSON text is judged by RFC 8259 to the byte, and read in place without loss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

/* Text with its length, so that NUL bytes may stand in it. */
#define TEXT(literal)                                                                              \
    { literal, sizeof(literal) - 1 }

/* A copy of exactly n bytes on the heap, so that a sanitizer sees a read beyond them. */
static enum status check_copy(struct str text, int depth, struct err *err) {
    char *copy = xmalloc(text.n);
    memcpy(copy, text.p, text.n);
    enum status st = json_check((struct str){copy, text.n}, depth, err);
    free(copy);
    return st;
}

static void accepts(void **state) {
    (void)state;
    static const struct str good[] = {
        TEXT("{}"),
        TEXT("[]"),
        TEXT("null"),
        TEXT("true"),
        TEXT("false"),
        TEXT("0"),
        TEXT("-0"),
        TEXT("\"\""),
        TEXT(" \t\r\n{ \t\r\n} \t\r\n"),
        TEXT("[ ]"),
        TEXT("[[],{}]"),
        TEXT("-1.5e+3"),
        TEXT("1E400"),
        TEXT("1e-99999999999999999999"),
        TEXT("123456789012345678901234567890"),
        TEXT("0.0"),
        TEXT("0e0"),
        TEXT("0E+00"),
        TEXT("10"),
        TEXT("-0.1"),
        TEXT("[1,2 ,3 , 4]"),
        TEXT("{\"a\":1}"),
        TEXT("{\"a\" : 1 , \"b\" : [ ] }"),
        TEXT("{\"\":0}"),
        TEXT("{\"$a.b\":0}"),
        TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uFfFf\""),
        TEXT("\"\x7F\""),
        TEXT("\"/\""),
        TEXT("\"\\ud800\""),
        TEXT("\"\\udc00\\ud800\""),
        TEXT("\"\\ud83d\\ude00\""),
        TEXT("\"\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF\""),
        TEXT("\"\xF0\x90\x80\x80 \xF4\x8F\xBF\xBF\""),
        TEXT("\"\xE2\x80\xA8\xE2\x80\xA9\""),
        TEXT("{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}"),
        TEXT("[{\"a\":1},{\"a\":1}]"),
        TEXT("{\"a\":1,\"A\":1,\"a \":1,\"\\u0061\\u0061\":1}"),
        TEXT("{\"\\ud800\":1,\"\\ud801\":2,\"\xEF\xBF\xBD\":3,\"\\u0000\":4,\"\":5}"),
        TEXT("\"12345678901234567890\\n12345678901234567890\""),
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct err err = {0};
        if (check_copy(good[i], 128, &err) != OK) fail_msg("%s: %s", good[i].p, err.msg);
        assert_int_equal(err.code, OK);
    }
}

struct bad_case {
    struct str text;
    int at;
    const char *words;
};

static const char value_expected[] = "expected a value (text needs double quotes)";
static const char bad_escape[] = "unknown escape in a string";
static const char bad_hex[] = "\\u needs four hexadecimal digits";
static const char ends_in_string[] = "the text ends inside a string";
static const char ends_in_container[] = "the text ends inside an object or array";
static const char ends_at_value[] = "the text ends where a value was expected";
static const struct bad_case bad_cases[] = {
    {TEXT(""), 0, ends_at_value},
    {TEXT("  "), 2, ends_at_value},
    {TEXT("\xEF\xBB\xBF{}"), 0, "a byte order mark is not part of JSON"},
    {TEXT("hello"), 0, value_expected},
    {TEXT("'a'"), 0, value_expected},
    {TEXT("nul"), 0, value_expected},
    {TEXT("nulL"), 0, value_expected},
    {TEXT("tru"), 0, value_expected},
    {TEXT("True"), 0, value_expected},
    {TEXT("fals"), 0, value_expected},
    {TEXT("nullx"), 4, "text after the value"},
    {TEXT("NaN"), 0, value_expected},
    {TEXT("-Infinity"), 1, "expected a digit after '-'"},
    {TEXT("-"), 1, "expected a digit after '-'"},
    {TEXT("+1"), 0, value_expected},
    {TEXT(".5"), 0, value_expected},
    {TEXT("01"), 0, "a number must not begin with 0"},
    {TEXT("-012"), 1, "a number must not begin with 0"},
    {TEXT("1."), 2, "expected a digit after '.'"},
    {TEXT("1.e1"), 2, "expected a digit after '.'"},
    {TEXT("1e"), 2, "expected a digit in the exponent"},
    {TEXT("1e+"), 3, "expected a digit in the exponent"},
    {TEXT("[1e-]"), 4, "expected a digit in the exponent"},
    {TEXT("0x1"), 1, "text after the value"},
    {TEXT("1 2"), 2, "text after the value"},
    {TEXT("{}}"), 2, "text after the value"},
    {TEXT("{}\0"), 2, "text after the value"},
    {TEXT("[]//"), 2, "text after the value"},
    {TEXT("/**/1"), 0, value_expected},
    {TEXT("\f1"), 0, value_expected},
    {TEXT("\xC2\xA0"
          "1"),
     0, value_expected},
    {TEXT("["), 1, ends_at_value},
    {TEXT("[1"), 2, ends_in_container},
    {TEXT("[1 "), 3, ends_in_container},
    {TEXT("[1,"), 3, ends_at_value},
    {TEXT("[1,]"), 3, value_expected},
    {TEXT("[,1]"), 1, value_expected},
    {TEXT("[1 2]"), 3, "expected ',' or ']' after an element"},
    {TEXT("[1}"), 2, "expected ',' or ']' after an element"},
    {TEXT("{\"a\":1]"), 6, "expected ',' or '}' after a member"},
    {TEXT("{\"a\":1 \"b\":2}"), 7, "expected ',' or '}' after a member"},
    {TEXT("{"), 1, "the text ends where a key was expected"},
    {TEXT("{\"a\":1,"), 7, "the text ends where a key was expected"},
    {TEXT("{\"a\":1,}"), 7, "expected a key in double quotes"},
    {TEXT("{a:1}"), 1, "expected a key in double quotes"},
    {TEXT("{1:1}"), 1, "expected a key in double quotes"},
    {TEXT("{,}"), 1, "expected a key in double quotes"},
    {TEXT("{\"a\""), 4, "the text ends where ':' was expected"},
    {TEXT("{\"a\" 1}"), 5, "expected ':' after a key"},
    {TEXT("{\"a\"}"), 4, "expected ':' after a key"},
    {TEXT("{\"abcdefghijklm\",1}"), 16, "expected ':' after a key"},
    {TEXT("{\"a\":"), 5, ends_at_value},
    {TEXT("{\"a\":}"), 5, value_expected},
    {TEXT("{\"a\":1"), 6, ends_in_container},
    {TEXT("{\"a\":[1}"), 7, "expected ',' or ']' after an element"},
    {TEXT("\""), 1, ends_in_string},
    {TEXT("\"abcdefghijklmnop"), 17, ends_in_string},
    {TEXT("\"a\\"), 3, ends_in_string},
    {TEXT("\"a\\u12"), 6, ends_in_string},
    {TEXT("\"\\x\""), 1, bad_escape},
    {TEXT("\"\\U0041\""), 1, bad_escape},
    {TEXT("\"\\'\""), 1, bad_escape},
    {TEXT("\"\\\0\""), 1, bad_escape},
    {TEXT("\"\\u12g4\""), 1, bad_hex},
    {TEXT("\"\\u 123\""), 1, bad_hex},
    {TEXT("\"a\nb\""), 2, "a control character inside a string must be written as an escape"},
    {TEXT("\"\0\""), 1, "a control character inside a string must be written as an escape"},
    {TEXT("\"12345678\x1F\""), 9,
     "a control character inside a string must be written as an escape"},
    {TEXT("{\"\t\":1}"), 2, "a control character inside a string must be written as an escape"},
    {TEXT("\"\x80\""), 1, "invalid UTF-8"},
    {TEXT("\"abcdefgh\xFF\""), 9, "invalid UTF-8"},
    {TEXT("\"\xC0\xAF\""), 1, "invalid UTF-8"},
    {TEXT("\"\xC1\xBF\""), 1, "invalid UTF-8"},
    {TEXT("\"\xC3\""), 1, "invalid UTF-8"},
    {TEXT("\"\xC3"), 1, "invalid UTF-8"},
    {TEXT("\"\xE0\x9F\xBF\""), 1, "invalid UTF-8"},
    {TEXT("\"\xED\xA0\x80\""), 1, "invalid UTF-8"},
    {TEXT("\"\xE2\x82\""), 1, "invalid UTF-8"},
    {TEXT("\"\xF0\x8F\xBF\xBF\""), 1, "invalid UTF-8"},
    {TEXT("\"\xF0\x9F\x98\""), 1, "invalid UTF-8"},
    {TEXT("\"\xF4\x90\x80\x80\""), 1, "invalid UTF-8"},
    {TEXT("\"\xF5\x80\x80\x80\""), 1, "invalid UTF-8"},
    {TEXT("\"\xC3\xA4\xC3\xA4\x80\""), 5, "invalid UTF-8"},
    {TEXT("{\"\xFF\":1}"), 2, "invalid UTF-8"},
    {TEXT("[\xC3\xA4]"), 1, value_expected},
    {TEXT("{\"a\":1,\"a\":2}"), 7, "duplicate key \"a\""},
    {TEXT("{\"a\":1,\"\\u0061\":2}"), 7, "duplicate key \"\\u0061\""},
    {TEXT("{\"a/b\":1,\"c\":3, \"a\\/b\":2}"), 16, "duplicate key \"a\\/b\""},
    {TEXT("{\"\":1,\"\":2}"), 6, "duplicate key \"\""},
    {TEXT("{\"x\":{\"k\":1,\"l\":{},\"k\":2}}"), 19, "duplicate key \"k\""},
    {TEXT("{\"x\":{\"y\":1},\"x\":2}"), 13, "duplicate key \"x\""},
    {TEXT("{\"\xC3\xA4\":1,\"\\u00e4\":2}"), 8, "duplicate key \"\\u00e4\""},
    {TEXT("{\"\xF0\x9F\x98\x80\":1,\"\\uD83D\\uDE00\":2}"), 10, "duplicate key \"\\uD83D\\uDE00\""},
    {TEXT("{\"\\ud800\":1,\"\\uD800\":2}"), 12, "duplicate key \"\\uD800\""},
    {TEXT("{\"a123456789\":1,\"b123456789\":2,\"a123456789\":3}"), 31,
     "duplicate key \"a123456789\""},
};

static void refuses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(bad_cases) / sizeof(*bad_cases); i++) {
        struct err err = {0};
        char want[256];
        assert_int_equal(check_copy(bad_cases[i].text, 128, &err), ERR_VALIDATION);
        assert_int_equal(err.code, ERR_VALIDATION);
        snprintf(want, sizeof(want), "invalid JSON at byte %d: %s", bad_cases[i].at,
                 bad_cases[i].words);
        if (strncmp(err.msg, want, strlen(want)) != 0)
            fail_msg("%s\n  says  %s\n  wants %s", bad_cases[i].text.p, err.msg, want);
    }
    assert_int_equal(json_check(STR_NONE, 128, NULL), ERR_VALIDATION);
}

/* Every beginning of a good text that is no text itself is refused at its end or before. */
static void refuses_every_beginning(void **state) {
    (void)state;
    const struct str text =
        STR(" {\"a\\n\xE2\x82\xAC\" : [ -1.5e+10 , true,null ,\"x\\ud83d\\ude00\"], \"b\":{}}");
    struct err err;
    assert_int_equal(check_copy(text, 128, &err), OK);
    for (size_t n = 0; n < text.n; n++)
        assert_int_equal(check_copy((struct str){text.p, n}, 128, &err), ERR_VALIDATION);
}

static void counts_levels(void **state) {
    (void)state;
    struct buf b;
    struct err err;
    buf_init(&b, 4096);
    for (int depth = 1; depth <= JSON_DEPTH_LIMIT; depth++) {
        buf_reset(&b);
        for (int i = 0; i < depth; i++) buf_append_str(&b, i % 2 == 1 ? STR("[") : STR("{\"a\":"));
        buf_append_char(&b, '1');
        for (int i = depth; i-- > 0;) buf_append_char(&b, i % 2 == 1 ? ']' : '}');
        assert_int_equal(json_check(buf_str(&b), depth, &err), OK);
        if (depth == 1) continue;
        assert_int_equal(json_check(buf_str(&b), depth - 1, &err), ERR_VALIDATION);
        char want[80];
        int at = (depth - 1) / 2 * 6 + (depth % 2 == 1 ? 0 : 5);
        snprintf(want, sizeof(want), "invalid JSON at byte %d: more than %d levels", at, depth - 1);
        assert_string_equal(err.msg, want);
    }
    buf_release(&b);
}

static void checks_objects(void **state) {
    (void)state;
    struct str object;
    struct err err;
    assert_int_equal(json_check_object(STR(" \n{\"a\" : 1 } \t"), 128, &object, &err), OK);
    assert_true(str_eq(object, STR("{\"a\" : 1 }")));
    static const struct bad_case cases[] = {
        {TEXT("hello"), 0, "expected '{': a document is a JSON object"},
        {TEXT(" [1]"), 1, "expected '{': a document is a JSON object"},
        {TEXT("\xEF\xBB\xBF{}"), 0, "expected '{': a document is a JSON object"},
        {TEXT(""), 0, "the text ends where a value was expected"},
        {TEXT(" {\"a\" 1}"), 6, "expected ':' after a key"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char want[256];
        assert_int_equal(json_check_object(cases[i].text, 128, &object, &err), ERR_VALIDATION);
        snprintf(want, sizeof(want), "invalid JSON at byte %d: %s", cases[i].at, cases[i].words);
        if (strncmp(err.msg, want, strlen(want)) != 0) fail_msg("%s, not %s", err.msg, want);
    }
    assert_int_equal(json_check_object(STR_NONE, 128, &object, &err), ERR_VALIDATION);
    assert_true(str_eq(object, STR("{\"a\" : 1 }")));
}

/* An object of `count` members named k0, k1, ...; the one numbered `escaped` is spelled with an
 * escape, and `again`, if not negative, comes a second time at the end. */
static void large_object(struct buf *b, int count, int escaped, int again) {
    buf_reset(b);
    for (int i = 0; i < count; i++)
        buf_printf(b, "%s\"%s%d\":{\"k1\":%d}", i ? "," : "{", i == escaped ? "\\u006B" : "k", i,
                   i);
    if (again >= 0) buf_printf(b, ",\"k%d\":0", again);
    buf_append_char(b, '}');
}

static void finds_duplicates_in_large_objects(void **state) {
    (void)state;
    struct buf b;
    struct err err;
    buf_init(&b, 1 << 24);
    for (int count = 1; count < 300; count += count < 140 ? 1 : 37) {
        large_object(&b, count, count / 3, -1);
        assert_int_equal(json_check(buf_str(&b), 2, &err), OK);
        for (int again = 0; again < count; again += count < 20 ? 1 : 13) {
            large_object(&b, count, again, again);
            size_t end = b.len;
            assert_int_equal(json_check(buf_str(&b), 2, &err), ERR_VALIDATION);
            char want[80];
            int digits = snprintf(want, sizeof(want), "%d", again);
            snprintf(want, sizeof(want), "invalid JSON at byte %zu: duplicate key \"k%d\"",
                     end - 6 - (size_t)digits, again);
            assert_string_equal(err.msg, want);
        }
    }
    buf_release(&b);
}

/* A long key is shown cut at a character. */
static void shows_long_keys_cut(void **state) {
    (void)state;
    struct buf b;
    struct err err;
    buf_init(&b, 4096);
    for (int i = 0; i < 2; i++) {
        buf_append_str(&b, i ? STR(",\"x") : STR("{\"x"));
        for (int j = 0; j < 40; j++) buf_append_str(&b, STR("\xC3\xA4"));
        buf_append_str(&b, STR("\":1"));
    }
    buf_append_char(&b, '}');
    assert_int_equal(json_check(buf_str(&b), 2, &err), ERR_VALIDATION);
    assert_true(str_is_utf8(str_of(err.msg), NULL));
    assert_non_null(strstr(err.msg, "\xC3\xA4...\""));
    buf_release(&b);
}

/* Not quadratic: a million members, and keys that agree in length, beginning and end. */
static void takes_a_million_members(void **state) {
    (void)state;
    struct buf b;
    struct err err;
    buf_init(&b, (size_t)1 << 28);
    for (int i = 0; i < 1000000; i++)
        buf_printf(&b, "%s\"beginning%07dend-of-it\":1", i ? "," : "{", i);
    buf_append_char(&b, '}');
    int64_t start = clock_mono_us();
    assert_int_equal(json_check(buf_str(&b), 2, &err), OK);
    assert_true(json_equal(buf_str(&b), buf_str(&b)));
    assert_in_range(clock_mono_us() - start, 0, 20000000);
    buf_release(&b);
}

static void iterates(void **state) {
    (void)state;
    struct json_iter it;
    struct str key, value;
    static const struct str object =
        TEXT("{ \"a\" : 1 ,\"b\\\"}\":\"x,\\\"}\" , \"c\":[1,{\"}\":\"]\"}] ,\"d\":{\"e\":{}}\n}");
    static const struct str want[][2] = {{TEXT("a"), TEXT("1")},
                                         {TEXT("b\\\"}"), TEXT("\"x,\\\"}\"")},
                                         {TEXT("c"), TEXT("[1,{\"}\":\"]\"}]")},
                                         {TEXT("d"), TEXT("{\"e\":{}}")}};
    json_iter_init(&it, object);
    for (int i = 0; i < 4; i++) {
        assert_true(json_next(&it, &key, &value));
        assert_true(str_eq(key, want[i][0]));
        assert_true(str_eq(value, want[i][1]));
    }
    assert_false(json_next(&it, &key, &value));
    assert_false(json_next(&it, &key, &value));
    static const struct str array = TEXT("[ true,false , null,-1.5e3,\"\" ,[],{ } ]");
    static const enum json_type types[] = {JSON_TRUE,   JSON_FALSE, JSON_NULL,  JSON_NUMBER,
                                           JSON_STRING, JSON_ARRAY, JSON_OBJECT};
    json_iter_init(&it, array);
    for (int i = 0; i < 7; i++) {
        assert_true(json_next(&it, &key, &value));
        assert_null(key.p);
        assert_int_equal(json_type(value), types[i]);
    }
    assert_true(str_eq(value, STR("{ }")));
    assert_false(json_next(&it, &key, &value));
    json_iter_init(&it, STR("{ }"));
    assert_false(json_next(&it, &key, &value));
    assert_true(json_get(object, STR("b\"}"), &value));
    assert_true(str_eq(value, STR("\"x,\\\"}\"")));
    assert_false(json_get(object, STR("e"), &value));
}

static void unescapes(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    static const struct {
        struct str string, text;
    } cases[] = {
        {TEXT("\"\""), TEXT("")},
        {TEXT("plain"), TEXT("plain")},
        {TEXT("\"plain\""), TEXT("plain")},
        {TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), TEXT("\"\\/\b\f\n\r\t")},
        {TEXT("\\u0041\\u00e4\\u20AC\\ud83d\\uDE00"),
         TEXT("A\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80")},
        {TEXT("\"a\\u0000b\""), TEXT("a\0b")},
        {TEXT("\"\\ud800\""), TEXT("\xEF\xBF\xBD")},
        {TEXT("\"\\ud800x\\udc00\""), TEXT("\xEF\xBF\xBDx\xEF\xBF\xBD")},
        {TEXT("\"\\udc00\\ud800\\ud83d\\ude00\""),
         TEXT("\xEF\xBF\xBD\xEF\xBF\xBD\xF0\x9F\x98\x80")},
        {TEXT("\"\\ud800\\u0041\xED\x9F\xBF\""), TEXT("\xEF\xBF\xBD\x41\xED\x9F\xBF")},
        {TEXT("\"\\uFFFF\\u07ff\\u0800\""), TEXT("\xEF\xBF\xBF\xDF\xBF\xE0\xA0\x80")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_true(str_eq(json_text(cases[i].string, &arena), cases[i].text));
    struct str plain = STR("\"plain\"");
    assert_ptr_equal(json_text(plain, &arena).p, plain.p + 1);
    arena_release(&arena);
}

static void quotes(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    static const struct {
        struct str text, string;
    } cases[] = {
        {TEXT(""), TEXT("\"\"")},
        {TEXT("plain text, longer than a word"), TEXT("\"plain text, longer than a word\"")},
        {TEXT("a\"b\\c/\b\f\n\r\t\x01\x1F\0\x7F"),
         TEXT("\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\\u0000\x7F\"")},
        {TEXT("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"),
         TEXT("\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"")},
        {TEXT("a\xFF\x62\xC3"), TEXT("\"a\\ufffd\x62\\ufffd\"")},
        {TEXT("\xED\xA0\x80\xED\xBF\xBF\xED\xA0"), TEXT("\"\\ud800\\udfff\\ufffd\\ufffd\"")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        buf_reset(&b);
        json_quote(&b, cases[i].text);
        assert_true(str_eq(buf_str(&b), cases[i].string));
    }
    buf_reset(&b);
    json_quote(&b, STR_NONE);
    assert_true(str_eq(buf_str(&b), STR("\"\"")));
    buf_release(&b);
}

static void compares_keys(void **state) {
    (void)state;
    static const struct {
        struct str a, b;
        bool equal;
    } cases[] = {
        {TEXT("a"), TEXT("a"), true},
        {TEXT("a"), TEXT("b"), false},
        {TEXT("a"), TEXT("\\u0061"), true},
        {TEXT("\\u0061"), TEXT("a"), true},
        {TEXT("\\u0061b"), TEXT("a\\u0062"), true},
        {TEXT("\\u0061b"), TEXT("a"), false},
        {TEXT("\\u0061"), TEXT("ab"), false},
        {TEXT("\\/"), TEXT("/"), true},
        {TEXT("\\ud83d\\ude00"), TEXT("\xF0\x9F\x98\x80"), true},
        {TEXT("\\ud83d"), TEXT("\xEF\xBF\xBD"), false},
        {TEXT("\\ud83d"), TEXT("\\uD83D"), true},
        {TEXT("\\ud83d"), TEXT("\\ud83e"), false},
        {TEXT(""), TEXT("\\u0000"), false},
        {TEXT("\\n"), TEXT("\\u000a"), true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(json_keys_equal(cases[i].a, cases[i].b), cases[i].equal);
        if (cases[i].equal) assert_int_equal(json_key_hash(cases[i].a), json_key_hash(cases[i].b));
    }
    assert_true(json_key_is(STR("a\\u0000b"), STR("a\0b")));
    assert_false(json_key_is(STR("a\\u0000b"), STR("a\0")));
    assert_false(json_key_is(STR("a\\u0000"), STR("a\0b")));
    assert_true(json_key_is(STR(""), STR_NONE));
}

#define ZEROS_10  "0000000000"
#define ZEROS_50  ZEROS_10 ZEROS_10 ZEROS_10 ZEROS_10 ZEROS_10
#define ZEROS_100 ZEROS_50 ZEROS_50

static void compares_numbers(void **state) {
    (void)state;
    static const struct {
        struct str a, b;
        int order;
    } cases[] = {
        {TEXT("1"), TEXT("1.0"), 0},
        {TEXT("1"), TEXT("1e0"), 0},
        {TEXT("1"), TEXT("10e-1"), 0},
        {TEXT("1"), TEXT("0.1E+1"), 0},
        {TEXT("1"), TEXT("0.0000000001e10"), 0},
        {TEXT("100"), TEXT("1e2"), 0},
        {TEXT("100.00"), TEXT("1.00e0002"), 0},
        {TEXT("0"), TEXT("-0.000e99999999999999999999"), 0},
        {TEXT("-0"), TEXT("0"), 0},
        {TEXT("0"), TEXT("1e-99999999999999999999"), -1},
        {TEXT("0"), TEXT("-1e-99999999999999999999"), 1},
        {TEXT("1"), TEXT("2"), -1},
        {TEXT("-1"), TEXT("-2"), 1},
        {TEXT("-1"), TEXT("1"), -1},
        {TEXT("9"), TEXT("10"), -1},
        {TEXT("1.5"), TEXT("1.49999999999999999999999999999"), 1},
        {TEXT("9007199254740993"), TEXT("9007199254740992"), 1},
        {TEXT("9007199254740993"), TEXT("9007199254740992.9999"), 1},
        {TEXT("0.1"), TEXT("0.10000000000000000555"), -1},
        {TEXT("1e400"), TEXT("1e401"), -1},
        {TEXT("10e400"), TEXT("1e401"), 0},
        {TEXT("1e1000000000000000000001"), TEXT("10e1000000000000000000000"), 0},
        {TEXT("1e999999999999999999999999999"), TEXT("10e999999999999999999999999998"), 0},
        {TEXT("1e1000000000000000000000000000"), TEXT("10e999999999999999999999999999"), 0},
        {TEXT("1e1000000000000000000000000000"), TEXT("11e999999999999999999999999999"), -1},
        {TEXT("1e-1000000000000000000000000000"), TEXT("0.1e-999999999999999999999999999"), 0},
        {TEXT("1e-1000000000000000000000"), TEXT("1e1000000000000000000000"), -1},
        {TEXT("-1e1000000000000000000000"), TEXT("-1e-1000000000000000000000"), -1},
        {TEXT("1e18446744073709551616"), TEXT("1"), 1},
        {TEXT("1e200"), TEXT("1" ZEROS_100 ZEROS_100), 0},
        {TEXT("1e201"), TEXT("1" ZEROS_100 ZEROS_100), 1},
        {TEXT("1e-201"), TEXT("0." ZEROS_100 ZEROS_100 "1"), 0},
        {TEXT("1" ZEROS_100 "e-100"), TEXT("1"), 0},
        {TEXT("12.34"), TEXT("1234e-2"), 0},
        {TEXT("12.34"), TEXT("12.340"), 0},
        {TEXT("12.34"), TEXT("12.341"), -1},
        {TEXT("1000000.5"), TEXT("1000000"), 1},
        {TEXT("0.05"), TEXT("5e-2"), 0},
        {TEXT("0.05"), TEXT("0.5"), -1},
        {TEXT("10.01"), TEXT("1001e-2"), 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(json_number_cmp(cases[i].a, cases[i].b), cases[i].order);
        assert_int_equal(json_number_cmp(cases[i].b, cases[i].a), -cases[i].order);
        assert_int_equal(json_equal(cases[i].a, cases[i].b), cases[i].order == 0);
        bool same = json_hash(cases[i].a) == json_hash(cases[i].b);
        assert_int_equal(same, cases[i].order == 0);
    }
}

static void reads_integers(void **state) {
    (void)state;
    static const struct {
        struct str text;
        bool good;
        int64_t value;
    } cases[] = {
        {TEXT("0"), true, 0},
        {TEXT("-0"), true, 0},
        {TEXT("-0.0e7"), true, 0},
        {TEXT("42"), true, 42},
        {TEXT("-42.0"), true, -42},
        {TEXT("4.2e1"), true, 42},
        {TEXT("4200e-2"), true, 42},
        {TEXT("1e18"), true, 1000000000000000000},
        {TEXT("1e" ZEROS_50 "1"), true, 10},
        {TEXT("10e-" ZEROS_50 "1"), true, 1},
        {TEXT("9223372036854775807"), true, INT64_MAX},
        {TEXT("-9223372036854775808"), true, INT64_MIN},
        {TEXT("-9223372036854775808.0"), true, INT64_MIN},
        {TEXT("9223372036854775808"), false, 0},
        {TEXT("9.223372036854775808e18"), false, 0},
        {TEXT("-9223372036854775809"), false, 0},
        {TEXT("99999999999999999999"), false, 0},
        {TEXT("1e19"), false, 0},
        {TEXT("1e999999999999999999999"), false, 0},
        {TEXT("0e999999999999999999999"), true, 0},
        {TEXT("1e-999999999999999999999"), false, 0},
        {TEXT("0.5"), false, 0},
        {TEXT("1.5"), false, 0},
        {TEXT("15e-1"), false, 0},
        {TEXT("\"1\""), false, 0},
        {TEXT("true"), false, 0},
        {TEXT("[1]"), false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int64_t v = 77;
        if (json_int(cases[i].text, &v) != cases[i].good) fail_msg("%s", cases[i].text.p);
        assert_int_equal(v, cases[i].good ? cases[i].value : 77);
    }
}

static void compares_values(void **state) {
    (void)state;
    static const struct {
        struct str a, b;
        bool equal;
    } cases[] = {
        {TEXT("null"), TEXT("null"), true},
        {TEXT("true"), TEXT("1"), false},
        {TEXT("true"), TEXT("false"), false},
        {TEXT("null"), TEXT("false"), false},
        {TEXT("\"1\""), TEXT("1"), false},
        {TEXT("\"a\""), TEXT("\"\\u0061\""), true},
        {TEXT("\"a\""), TEXT("\"b\""), false},
        {TEXT("[]"), TEXT("{}"), false},
        {TEXT("[]"), TEXT("[ ]"), true},
        {TEXT("{}"), TEXT("{ }"), true},
        {TEXT("[1,2]"), TEXT("[ 1.0 , 2e0 ]"), true},
        {TEXT("[1,2]"), TEXT("[2,1]"), false},
        {TEXT("[1,2]"), TEXT("[1]"), false},
        {TEXT("[1]"), TEXT("[1,2]"), false},
        {TEXT("[[1],[]]"), TEXT("[[1],[] ]"), true},
        {TEXT("{\"a\":1,\"b\":[{}]}"), TEXT("{ \"b\" : [ { } ] , \"\\u0061\" : 1.0 }"), true},
        {TEXT("{\"a\":1,\"b\":2}"), TEXT("{\"b\":1,\"a\":2}"), false},
        {TEXT("{\"a\":1}"), TEXT("{\"a\":1,\"b\":2}"), false},
        {TEXT("{\"a\":1,\"b\":2}"), TEXT("{\"a\":1}"), false},
        {TEXT("{\"a\":1,\"b\":2,\"c\":3}"), TEXT("{\"a\":1,\"c\":3,\"d\":2}"), false},
        {TEXT("{\"a\":1}"), TEXT("{\"b\":1}"), false},
        {TEXT("[{\"a\":1,\"b\":2},3]"), TEXT("[{\"b\":2,\"a\":1},3]"), true},
        {TEXT("[{\"a\":1,\"b\":2},3]"), TEXT("[{\"b\":2,\"a\":1},4]"), false},
        {TEXT("{\"x\":{\"a\":{\"p\":0},\"b\":2},\"y\":1}"),
         TEXT("{\"y\":1,\"x\":{\"b\":2,\"a\":{\"p\":-0}}}"), true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (json_equal(cases[i].a, cases[i].b) != cases[i].equal ||
            json_equal(cases[i].b, cases[i].a) != cases[i].equal)
            fail_msg("%s and %s", cases[i].a.p, cases[i].b.p);
        bool same = json_hash(cases[i].a) == json_hash(cases[i].b);
        assert_int_equal(same, cases[i].equal);
    }
}

static void compares_large_objects(void **state) {
    (void)state;
    struct buf a, b;
    buf_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    for (int count = 1; count < 60; count++) {
        for (int change = -1; change < count; change++) {
            buf_reset(&a);
            buf_reset(&b);
            for (int i = 0; i < count; i++) {
                buf_printf(&a, "%s\"k%d\":[%d]", i ? "," : "{", i, i);
                int j = count - 1 - i;
                buf_printf(&b, "%s\"\\u006b%d\" : [%d.0]", i ? "," : "{", j, j == change ? -7 : j);
            }
            buf_append_char(&a, '}');
            buf_append_char(&b, '}');
            assert_int_equal(json_equal(buf_str(&a), buf_str(&b)), change < 0);
        }
    }
    buf_release(&a);
    buf_release(&b);
}

static void finds_paths(void **state) {
    (void)state;
    struct arena arena;
    struct err err;
    arena_init(&arena);
    const struct str root = STR("{\"a\":{\"b\":1,\"0\":2},\"l\":[10,[11,12],{\"x\":13}],\"a.b\":3,"
                                "\"\":4,\"m/n\":5,\"t~1\":6,"
                                "\"\\u00e4\":7,\"s\":\"text\",\"o\":{\"\":{\"\":8}}}");
    static const struct {
        const char *path, *value;
    } cases[] = {
        {"a.b", "1"},
        {"a.0", "2"},
        {"l.0", "10"},
        {"l.1.1", "12"},
        {"l.2.x", "13"},
        {"l.3", NULL},
        {"l.-1", NULL},
        {"l.01", NULL},
        {"l.x", NULL},
        {"l[].x", NULL},
        {"l[].2.x", "13"},
        {"s.0", NULL},
        {"a", "{\"b\":1,\"0\":2}"},
        {"a[]", "{\"b\":1,\"0\":2}"},
        {"/a/b", "1"},
        {"/a.b", "3"},
        {"/", "4"},
        {"/m~1n", "5"},
        {"/t~01", "6"},
        {"\xC3\xA4", "7"},
        {"/\xC3\xA4", "7"},
        {"/l/2/x", "13"},
        {"/l/-", NULL},
        {"/l/00", NULL},
        {"/o//", "8"},
        {"/o/", "{\"\":8}"},
        {"/a/b/", NULL},
        {"nothing", NULL},
        {"a.b.c", NULL},
        {"l.99999999999999999999", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct json_path path;
        struct str value = STR_NONE;
        if (json_path_parse(str_of(cases[i].path), &arena, &path, &err) != OK)
            fail_msg("%s: %s", cases[i].path, err.msg);
        bool found = json_find(root, &path, &value);
        if (found != (cases[i].value != NULL) || !str_eq(value, str_of(cases[i].value)))
            fail_msg("%s gives %.*s", cases[i].path, STR_FMT(value));
    }
    arena_release(&arena);
}

static void refuses_paths(void **state) {
    (void)state;
    struct arena arena;
    struct err err;
    arena_init(&arena);
    static const struct {
        const char *path, *words;
    } cases[] = {
        {"", "invalid path '': it is empty"},
        {".", "invalid path '.': an empty name"},
        {"a.", "invalid path 'a.': an empty name"},
        {".a", "invalid path '.a': an empty name"},
        {"a..b", "invalid path 'a..b': an empty name"},
        {"[].x", "invalid path '[].x': an empty name"},
        {"/a~", "invalid path '/a~': in a JSON Pointer"},
        {"/a~2b", "invalid path '/a~2b': in a JSON Pointer"},
        {"/a~/b", "invalid path '/a~/b': in a JSON Pointer"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct json_path path = {.count = 77};
        assert_int_equal(json_path_parse(str_of(cases[i].path), &arena, &path, &err), ERR_SYNTAX);
        if (strncmp(err.msg, cases[i].words, strlen(cases[i].words)) != 0) fail_msg("%s", err.msg);
        assert_int_equal(path.count, 77);
    }
    for (int pointer = 0; pointer < 2; pointer++) {
        char text[2 * JSON_PATH_MAX + 4];
        struct json_path path;
        for (int count = JSON_PATH_MAX; count <= JSON_PATH_MAX + 1; count++) {
            for (int i = 0; i < count; i++) memcpy(text + 2 * i, pointer ? "/x" : "x.", 2);
            struct str s = {text, (size_t)(2 * count - !pointer)};
            assert_int_equal(json_path_parse(s, &arena, &path, &err),
                             count == JSON_PATH_MAX ? OK : ERR_SYNTAX);
        }
        assert_int_equal(path.count, JSON_PATH_MAX);
        assert_string_equal(err.msg, "invalid path: more than 128 names");
    }
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts),
        cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_every_beginning),
        cmocka_unit_test(counts_levels),
        cmocka_unit_test(checks_objects),
        cmocka_unit_test(finds_duplicates_in_large_objects),
        cmocka_unit_test(shows_long_keys_cut),
        cmocka_unit_test(takes_a_million_members),
        cmocka_unit_test(iterates),
        cmocka_unit_test(unescapes),
        cmocka_unit_test(quotes),
        cmocka_unit_test(compares_keys),
        cmocka_unit_test(compares_numbers),
        cmocka_unit_test(reads_integers),
        cmocka_unit_test(compares_values),
        cmocka_unit_test(compares_large_objects),
        cmocka_unit_test(finds_paths),
        cmocka_unit_test(refuses_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
