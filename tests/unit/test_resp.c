/* Proves that requests are read as they were sent wherever the bytes are cut, and that malformed
 * ones are refused with Redis's words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "net/resp.h"

/* STR() is no constant expression; this is. */
#define TEXT(literal)                                                                              \
    { literal, sizeof(literal) - 1 }

enum { BULK_MAX = 64 * 1024, ARGS_MAX = 1024, INLINE_MAX = 1024, TRANSCRIPT_BYTES = 1 << 20 };

static const struct resp_limits ordinary = {
    .bulk_bytes = BULK_MAX, .args = ARGS_MAX, .inline_bytes = INLINE_MAX};
static const struct resp_limits stranger = {
    .bulk_bytes = BULK_MAX, .args = ARGS_MAX, .inline_bytes = INLINE_MAX, .unauthenticated = true};

/* What is read is written down: each request as its arguments in brackets, an error as '!' and its
 * text. */
static void write_request(const struct resp *r, struct buf *out) {
    for (int i = 0; i < r->argc; i++) {
        assert_non_null(r->argv[i].p);
        buf_append_char(out, '[');
        buf_append_str(out, r->argv[i]);
        buf_append_char(out, ']');
    }
    buf_append_char(out, '\n');
}

/* Reads all there is in `data` from *at on. False after an error. */
static bool read_on(struct resp *r, const char *data, size_t bytes,
                    const struct resp_limits *limits, size_t *at, struct buf *out) {
    while (*at < bytes) {
        size_t used = 0;
        switch (resp_next(r, data + *at, bytes - *at, limits, &used)) {
        case RESP_REQUEST:
            write_request(r, out);
            break;
        case RESP_EMPTY:
            break;
        case RESP_MORE:
            return true;
        case RESP_ERROR:
            buf_printf(out, "!%s\n", r->error);
            return false;
        }
        assert_true(used > 0 && used <= bytes - *at);
        *at += used;
    }
    return true;
}

/* Gives the parser the bytes in pieces, each time at another place in memory. */
static void read_in_pieces(struct str input, size_t first, size_t step,
                           const struct resp_limits *limits, struct buf *out) {
    struct resp r;
    resp_init(&r);
    buf_reset(out);
    size_t at = 0;
    bool good = true;
    for (size_t bytes = first; good; bytes += step) {
        if (bytes > input.n) bytes = input.n;
        char *copy = xmalloc(bytes + 1);
        if (bytes > 0) memcpy(copy, input.p, bytes);
        good = read_on(&r, copy, bytes, limits, &at, out);
        free(copy);
        if (bytes == input.n) break;
    }
    resp_release(&r);
}

struct sample {
    struct str input;
    const char *read; /* as write_request has it */
};

static const struct sample samples[] = {
    {TEXT(""), ""},
    {TEXT("*1\r\n$4\r\nPING\r\n"), "[PING]\n"},
    {TEXT("*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n*1\r\n$4\r\nPING\r\n"), "[ECHO][hello]\n[PING]\n"},
    {TEXT("*2\r\n$3\r\nGET\r\n$0\r\n\r\n"), "[GET][]\n"},
    {TEXT("*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n"), "[GET][\r\n]\n"},
    {TEXT("*0\r\n*1\r\n$1\r\na\r\n"), "[a]\n"},
    {TEXT("*-1\r\n*-7\r\n*1\r\n$1\r\na\r\n"), "[a]\n"},
    {TEXT("*1\r\n$12\r\nabcdefghijkl\r\n"), "[abcdefghijkl]\n"},
    /* what stands behind an argument, and behind CR, is skipped unseen */
    {TEXT("*2\r\n$1\r\na??$1\r\nb!!PING\r\n"), "[a][b]\n[PING]\n"},
    {TEXT("*1\rx$4\rxPINGxx"), "[PING]\n"},
    {TEXT("*2\r\n$3\r\nfoo\r\n$3\r\n*1\r\r\n"), "[foo][*1\r]\n"},
    {TEXT("PING\r\n"), "[PING]\n"},
    {TEXT("PING\n"), "[PING]\n"},
    {TEXT("\r\n\n   \r\nPING\r\n"), "[PING]\n"},
    {TEXT("  SET   k\t v  \r\n"), "[SET][k][v]\n"},
    {TEXT("SET k \"a b\"\r\n"), "[SET][k][a b]\n"},
    {TEXT("SET k \"\" ''\r\n"), "[SET][k][][]\n"},
    {TEXT("\"\"\r\n"), "[]\n"},
    {TEXT("SET k \"\\x41\\x6a\\n\\r\\t\\b\\a\\\\\\\"\\q\"\r\n"), "[SET][k][Aj\n\r\t\b\a\\\"q]\n"},
    {TEXT("SET k \"\\xZZ\\x4\"\r\n"), "[SET][k][xZZx4]\n"},
    {TEXT("SET k 'a \\' \\n \"b\"'\r\n"), "[SET][k][a ' \\n \"b\"]\n"},
    {TEXT("SET k pre\"fix ed\"\r\n"), "[SET][k][prefix ed]\n"},
    {TEXT("ECHO \xc3\xa9\xff\r\n"), "[ECHO][\xc3\xa9\xff]\n"},
    {TEXT("$4\r\nPING\r\n"), "[$4]\n[PING]\n"},
    {TEXT("+OK\r\n"), "[+OK]\n"},
    {TEXT("PING\r\n*1\r\n$4\r\nPING\r\nPING\n"), "[PING]\n[PING]\n[PING]\n"},
    /* not whole */
    {TEXT("*1\r\n$4\r\nPING\r"), ""},
    {TEXT("*3\r\n$3\r\nSET\r\n"), ""},
    {TEXT("PING"), ""},
    {TEXT("*"), ""},
    {TEXT("*1\r"), ""},
    /* malformed */
    {TEXT("*\r\n"), "!Protocol error: invalid multibulk length\n"},
    {TEXT("*a\r\n"), "!Protocol error: invalid multibulk length\n"},
    {TEXT("*+1\r\n"), "!Protocol error: invalid multibulk length\n"},
    {TEXT("*01\r\n"), "!Protocol error: invalid multibulk length\n"},
    {TEXT("* 1\r\n"), "!Protocol error: invalid multibulk length\n"},
    {TEXT("*1 \r\n"), "!Protocol error: invalid multibulk length\n"},
    {TEXT("*-0\r\n"), "!Protocol error: invalid multibulk length\n"},
    {TEXT("*1\n$4\r\n"), "!Protocol error: invalid multibulk length\n"},
    {TEXT("*1025\r\n"), "!Protocol error: invalid multibulk length\n"},
    {TEXT("*3000000000\r\n"), "!Protocol error: invalid multibulk length\n"},
    {TEXT("*9223372036854775807\r\n"), "!Protocol error: invalid multibulk length\n"},
    {TEXT("*9223372036854775808\r\n"), "!Protocol error: invalid multibulk length\n"},
    {TEXT("*99999999999999999999\r\n"), "!Protocol error: invalid multibulk length\n"},
    {TEXT("PING\r\n*x\r\nPING\r\n"), "[PING]\n!Protocol error: invalid multibulk length\n"},
    {TEXT("*1\r\n$\r\n"), "!Protocol error: invalid bulk length\n"},
    {TEXT("*1\r\n$-1\r\n"), "!Protocol error: invalid bulk length\n"},
    {TEXT("*1\r\n$04\r\nPING\r\n"), "!Protocol error: invalid bulk length\n"},
    {TEXT("*1\r\n$4x\r\nPING\r\n"), "!Protocol error: invalid bulk length\n"},
    {TEXT("*1\r\n$65537\r\n"), "!Protocol error: invalid bulk length\n"},
    {TEXT("*1\r\n$2147483648\r\n"), "!Protocol error: invalid bulk length\n"},
    {TEXT("*1\r\n$9223372036854775807\r\n"), "!Protocol error: invalid bulk length\n"},
    {TEXT("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n"), "!Protocol error: expected '$', got 'f'\n"},
    {TEXT("*2\r\n$1\r\na\r\n+1\r\n"), "!Protocol error: expected '$', got '+'\n"},
    {TEXT("*1\r\n\r\n"), "!Protocol error: expected '$', got ' '\n"},
    {TEXT("*1\r\n\x01\r\n"), "!Protocol error: expected '$', got ' '\n"},
    {TEXT("*1\r\n:1\r\n"), "!Protocol error: expected '$', got ':'\n"},
    {TEXT("SET k \"a\r\n"), "!Protocol error: unbalanced quotes in request\n"},
    {TEXT("SET k 'a\r\n"), "!Protocol error: unbalanced quotes in request\n"},
    {TEXT("SET k \"a\"b\r\n"), "!Protocol error: unbalanced quotes in request\n"},
    {TEXT("SET k 'a'b\r\n"), "!Protocol error: unbalanced quotes in request\n"},
    {TEXT("SET k \"a\\\r\n"), "!Protocol error: unbalanced quotes in request\n"},
};

static void check_read(const struct sample *s, const struct buf *got) {
    if (str_eq(buf_str(got), str_of(s->read))) return;
    fail_msg("\"%.*s\" was read as\n%.*s, not as\n%s", STR_FMT(s->input), STR_FMT(buf_str(got)),
             s->read);
}

static void test_samples_cut_everywhere(void **state) {
    (void)state;
    struct buf got;
    buf_init(&got, TRANSCRIPT_BYTES);
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        const struct sample *s = &samples[i];
        read_in_pieces(s->input, s->input.n, 1, &ordinary, &got);
        check_read(s, &got);
        read_in_pieces(s->input, 0, 1, &ordinary, &got);
        check_read(s, &got);
        for (size_t cut = 0; cut <= s->input.n; cut++) {
            read_in_pieces(s->input, cut, s->input.n, &ordinary, &got);
            check_read(s, &got);
        }
    }
    buf_release(&got);
}

/* The result of reading one input, as samples have it. */
static void expect_read(struct str input, const struct resp_limits *limits, const char *read) {
    struct buf got;
    buf_init(&got, TRANSCRIPT_BYTES);
    read_in_pieces(input, input.n, 1, limits, &got);
    check_read(&(struct sample){input, read}, &got);
    buf_release(&got);
}

static void test_before_authentication(void **state) {
    (void)state;
    expect_read(STR("*10\r\n"), &stranger, "");
    expect_read(STR("*11\r\n"), &stranger, "!Protocol error: unauthenticated multibulk length\n");
    expect_read(STR("*1\r\n$16384\r\n"), &stranger, "");
    expect_read(STR("*1\r\n$16385\r\n"), &stranger,
                "!Protocol error: unauthenticated bulk length\n");
    expect_read(STR("*1025\r\n"), &stranger, "!Protocol error: invalid multibulk length\n");
    expect_read(STR("*1\r\n$-5\r\n"), &stranger, "!Protocol error: invalid bulk length\n");
}

static void test_longest_lines(void **state) {
    (void)state;
    char line[INLINE_MAX + 16];
    memset(line, 'a', sizeof(line));
    const struct {
        const char *begins;
        size_t bytes;
        const char *read;
    } cases[] = {
        {"a", INLINE_MAX, ""},
        {"a", INLINE_MAX + 1, "!Protocol error: too big inline request\n"},
        {"*1", INLINE_MAX, ""},
        {"*1", INLINE_MAX + 1, "!Protocol error: too big mbulk count string\n"},
        {"*1\r\n$1", INLINE_MAX + 4, ""},
        {"*1\r\n$1", INLINE_MAX + 5, "!Protocol error: too big bulk count string\n"},
        {"*1\r\n+1", INLINE_MAX + 5, "!Protocol error: too big bulk count string\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(line, '1', sizeof(line));
        memcpy(line, cases[i].begins, strlen(cases[i].begins));
        expect_read((struct str){line, cases[i].bytes}, &ordinary, cases[i].read);
    }
    line[INLINE_MAX] = '\n'; /* the longest that is taken */
    struct resp r;
    resp_init(&r);
    size_t used = 0;
    line[0] = 'a';
    memset(line + 1, 'a', INLINE_MAX - 1);
    assert_int_equal(resp_next(&r, line, INLINE_MAX + 1, &ordinary, &used), RESP_REQUEST);
    assert_int_equal(used, INLINE_MAX + 1);
    assert_int_equal(r.argv[0].n, INLINE_MAX);
    resp_release(&r);
}

/* Room follows what came, not what was announced, and is given back. */
static void test_room_for_arguments(void **state) {
    (void)state;
    struct resp r;
    resp_init(&r);
    size_t used = 0;
    struct str head = STR("*1000\r\n$1\r\na\r\n");
    assert_int_equal(resp_next(&r, head.p, head.n, &ordinary, &used), RESP_MORE);
    assert_true(r.room <= 8);
    struct buf all;
    buf_init(&all, TRANSCRIPT_BYTES);
    buf_append_str(&all, STR("*1000\r\n"));
    for (int i = 0; i < 1000; i++) buf_append_str(&all, STR("$1\r\na\r\n"));
    assert_int_equal(resp_next(&r, all.data, all.len, &ordinary, &used), RESP_REQUEST);
    assert_int_equal(r.argc, 1000);
    assert_int_equal(used, all.len);
    assert_int_equal(resp_next(&r, "*1\r\n", 4, &ordinary, &used), RESP_MORE);
    assert_true(r.room <= 8);
    buf_release(&all);
    resp_release(&r);
    resp_release(&r);
    resp_release(NULL);
}

static void test_missing_bytes(void **state) {
    (void)state;
    struct resp r;
    resp_init(&r);
    size_t used = 0;
    assert_int_equal(resp_missing(&r, 0), 0);
    assert_int_equal(resp_next(&r, "*1\r\n", 4, &ordinary, &used), RESP_MORE);
    assert_int_equal(resp_missing(&r, 4), 0); /* the length is not known yet */
    assert_int_equal(resp_next(&r, "*1\r\n$100\r\nabc", 13, &ordinary, &used), RESP_MORE);
    assert_int_equal(resp_missing(&r, 13), 99); /* 97 and what ends the argument */
    resp_reset(&r);
    assert_int_equal(resp_missing(&r, 13), 0);
    assert_int_equal(resp_next(&r, "*1\r\n$1\r\na\r\n", 11, &ordinary, &used), RESP_REQUEST);
    assert_int_equal(used, 11);
    resp_release(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_cut_everywhere), cmocka_unit_test(test_before_authentication),
        cmocka_unit_test(test_longest_lines),          cmocka_unit_test(test_room_for_arguments),
        cmocka_unit_test(test_missing_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
