/* Proves that every reply has the bytes of its protocol version, that nothing a server says can
 * break a line, and that a full buffer takes no part of a reply. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "net/reply.h"

enum { OUT_BYTES = 1 << 16 };

/* One reply of each kind; each writes to r what the table below says. */
static void ok(struct reply *r) {
    reply_ok(r);
}
static void simple(struct reply *r) {
    reply_simple(r, "PONG");
}
static void ints(struct reply *r) {
    static const int64_t values[] = {0, 7, -1, 10, 1234567890123, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) reply_int(r, values[i]);
}
static void bulks(struct reply *r) {
    reply_bulk(r, STR("hello"));
    reply_bulk(r, STR(""));
    reply_bulk(r, STR("a\r\n\0b"));
    reply_bulk(r, STR("0123456789ab"));
    reply_bulk(r, STR_NONE);
}
static void nulls(struct reply *r) {
    reply_null(r);
    reply_null_array(r);
}
static void bools(struct reply *r) {
    reply_bool(r, true);
    reply_bool(r, false);
}
static void doubles(struct reply *r) {
    static const double values[] = {0, 1, -1.5, 3.14, 0.1, 1e300, 1.0 / 3};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) reply_double(r, values[i]);
    reply_double(r, INFINITY);
    reply_double(r, -INFINITY);
    reply_double(r, NAN);
}
static void verbatim(struct reply *r) {
    reply_verbatim(r, STR("# Server\r\n"));
}
static void heads(struct reply *r) {
    reply_array(r, 0);
    reply_array(r, 12);
    reply_set(r, 3);
    reply_map(r, 2);
    reply_push(r, 2);
}
static void instants(struct reply *r) {
    reply_instant(r, 0);
    reply_instant(r, INT64_MIN);
}
static void pairs(struct reply *r) {
    reply_pair_str(r, "s", STR("x"));
    reply_pair_str(r, "n", STR_NONE);
    reply_pair_int(r, "i", -5);
    reply_pair_bool(r, "b", true);
    reply_pair_instant(r, "at", 1);
}
static void errors(struct reply *r) {
    struct err err;
    (void)err_set(&err, ERR_CONFLICT, "expected ov 5, current ov 3");
    reply_error(r, &err);
    reply_error_text(r, "ERR unknown command '%s'", "a\r\nb\x01\x7f");
}

struct sample {
    void (*write)(struct reply *r);
    const char *resp2, *resp3; /* without the bytes behind a NUL; see bulks */
};

static const struct sample samples[] = {
    {ok, "+OK\r\n", "+OK\r\n"},
    {simple, "+PONG\r\n", "+PONG\r\n"},
    {ints,
     ":0\r\n:7\r\n:-1\r\n:10\r\n:1234567890123\r\n:9223372036854775807\r\n"
     ":-9223372036854775808\r\n",
     ":0\r\n:7\r\n:-1\r\n:10\r\n:1234567890123\r\n:9223372036854775807\r\n"
     ":-9223372036854775808\r\n"},
    {bulks, "$5\r\nhello\r\n$0\r\n\r\n$5\r\na\r\n?b\r\n$12\r\n0123456789ab\r\n$-1\r\n",
     "$5\r\nhello\r\n$0\r\n\r\n$5\r\na\r\n?b\r\n$12\r\n0123456789ab\r\n_\r\n"},
    {nulls, "$-1\r\n*-1\r\n", "_\r\n_\r\n"},
    {bools, ":1\r\n:0\r\n", "#t\r\n#f\r\n"},
    {doubles,
     "$1\r\n0\r\n$1\r\n1\r\n$4\r\n-1.5\r\n$4\r\n3.14\r\n$3\r\n0.1\r\n$6\r\n1e+300\r\n"
     "$18\r\n0.3333333333333333\r\n$3\r\ninf\r\n$4\r\n-inf\r\n$3\r\nnan\r\n",
     ",0\r\n,1\r\n,-1.5\r\n,3.14\r\n,0.1\r\n,1e+300\r\n,0.3333333333333333\r\n,inf\r\n,-inf\r\n"
     ",nan\r\n"},
    {verbatim, "$10\r\n# Server\r\n\r\n", "=14\r\ntxt:# Server\r\n\r\n"},
    {heads, "*0\r\n*12\r\n*3\r\n*4\r\n*2\r\n", "*0\r\n*12\r\n~3\r\n%2\r\n>2\r\n"},
    {instants, "$24\r\n1970-01-01T00:00:00.000Z\r\n$-1\r\n",
     "$24\r\n1970-01-01T00:00:00.000Z\r\n_\r\n"},
    {pairs,
     "$1\r\ns\r\n$1\r\nx\r\n$1\r\nn\r\n$-1\r\n$1\r\ni\r\n:-5\r\n$1\r\nb\r\n:1\r\n"
     "$2\r\nat\r\n$24\r\n1970-01-01T00:00:00.001Z\r\n",
     "$1\r\ns\r\n$1\r\nx\r\n$1\r\nn\r\n_\r\n$1\r\ni\r\n:-5\r\n$1\r\nb\r\n#t\r\n"
     "$2\r\nat\r\n$24\r\n1970-01-01T00:00:00.001Z\r\n"},
    {errors, "-CONFLICT expected ov 5, current ov 3\r\n-ERR unknown command 'a  b  '\r\n",
     "-CONFLICT expected ov 5, current ov 3\r\n-ERR unknown command 'a  b  '\r\n"},
};

/* NUL stands as '?' in the table. */
static void expect_bytes(struct buf *got, const char *want) {
    for (size_t i = 0; i < got->len; i++) {
        if (got->data[i] == '\0') got->data[i] = '?';
    }
    if (!str_eq(buf_str(got), str_of(want))) {
        fail_msg("wrote \"%.*s\", not \"%s\"", STR_FMT(buf_str(got)), want);
    }
}

static void test_both_protocols(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, OUT_BYTES);
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        buf_reset(&out);
        samples[i].write(&(struct reply){&out, 2});
        expect_bytes(&out, samples[i].resp2);
        buf_reset(&out);
        samples[i].write(&(struct reply){&out, 3});
        expect_bytes(&out, samples[i].resp3);
        assert_false(out.overflow);
    }
    buf_release(&out);
}

/* A buffer that is one byte too small takes the replies before the one that does not fit. */
static void test_full_buffer(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 21);
    struct reply r = {&out, 2};
    reply_bulk(&r, STR("hello")); /* 11 bytes */
    reply_bulk(&r, STR("world!"));
    assert_true(out.overflow);
    expect_bytes(&out, "$5\r\nhello\r\n");
    buf_reset(&out);
    reply_bulk(&r, STR("hello"));
    reply_bulk(&r, STR("worl"));
    assert_false(out.overflow);
    assert_int_equal(out.len, 21);
    reply_int(&r, 1);
    reply_ok(&r);
    reply_simple(&r, "x");
    reply_error_text(&r, "ERR x");
    assert_true(out.overflow);
    assert_int_equal(out.len, 21);
    buf_release(&out);
}

static void test_long_errors(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, OUT_BYTES);
    struct reply r = {&out, 2};
    char text[1000];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    reply_error_text(&r, "%s", text);
    assert_int_equal(out.len, 1 + 512 + 2);
    buf_reset(&out);
    memcpy(text + 510, "\xe2\x82\xac", 3); /* a character of three bytes across the end */
    reply_error_text(&r, "%s", text);
    assert_int_equal(out.len, 1 + 510 + 2);
    buf_reset(&out);
    struct err err;
    text[450] = '\0';
    (void)err_set(&err, ERR_VALIDATION, "%s", text);
    reply_error(&r, &err);
    assert_int_equal(out.len, 1 + strlen("VALIDATION ") + 450 + 2);
    buf_release(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_protocols),
        cmocka_unit_test(test_full_buffer),
        cmocka_unit_test(test_long_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
