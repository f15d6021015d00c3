/* Proves that every status has its word, that only TRYAGAIN is retried, and that a message is one
 * clean line of UTF-8 whatever was put into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"

struct word {
    enum status code;
    const char *word;
};

static const struct word words[] = {
    {OK, "OK"},
    {ERR_SYNTAX, "ERR"},
    {ERR_NOTFOUND, "NOTFOUND"},
    {ERR_EXISTS, "EXISTS"},
    {ERR_CONFLICT, "CONFLICT"},
    {ERR_VALIDATION, "VALIDATION"},
    {ERR_TOOLARGE, "TOOLARGE"},
    {ERR_NOROUTE, "NOROUTE"},
    {ERR_PRUNED, "PRUNED"},
    {ERR_BACKEND, "BACKEND"},
    {ERR_TRYAGAIN, "TRYAGAIN"},
    {ERR_TIMEDOUT, "TIMEDOUT"},
    {ERR_LOCKED, "LOCKED"},
    {ERR_CORRUPT, "CORRUPT"},
    {ERR_NOAUTH, "NOAUTH"},
    {ERR_WRONGPASS, "WRONGPASS"},
    {ERR_NOPERM, "NOPERM"},
    {ERR_NOPROTO, "NOPROTO"},
    {ERR_EXECABORT, "EXECABORT"},
    {ERR_READONLY, "READONLY"},
    {ERR_INTERNAL, "ERR"},
};

static void test_words(void **state) {
    (void)state;
    assert_int_equal(sizeof(words) / sizeof(words[0]), STATUS_COUNT);
    for (int i = 0; i < STATUS_COUNT; i++) {
        assert_int_equal(words[i].code, i);
        assert_string_equal(status_word(words[i].code), words[i].word);
        assert_int_equal(status_is_retryable(words[i].code), words[i].code == ERR_TRYAGAIN);
    }
}

static void test_set_returns_the_code(void **state) {
    (void)state;
    struct err err = {0};
    assert_int_equal(err_set(&err, ERR_CONFLICT, "expected ov %d, current ov %d", 5, 3),
                     ERR_CONFLICT);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_string_equal(err.msg, "expected ov 5, current ov 3");
    assert_int_equal(err_set(NULL, ERR_NOTFOUND, "nobody reads %s", "this"), ERR_NOTFOUND);
}

static void test_message_may_quote_itself(void **state) {
    (void)state;
    struct err err;
    (void)err_set(&err, ERR_BACKEND, "the inner reason");
    (void)err_set(&err, ERR_TRYAGAIN, "outer: %s", err.msg);
    assert_string_equal(err.msg, "outer: the inner reason");
}

struct cleaned {
    const char *text, *clean;
};

static const struct cleaned cleaned[] = {
    {"plain", "plain"},
    {"", ""},
    {"two\r\nlines\ttab", "two  lines tab"},
    {"\x01\x1f\x7f|", "   |"},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"a\xc2\x85z\xc2\x9f", "a  z  "}, /* C1 controls */
    {"\xc2\xa0|", "\xc2\xa0|"},       /* the character behind them */
    {"a\xffz", "a?z"},                /* no UTF-8 */
    {"\xc3", "?"},                    /* cut off */
    {"\xed\xa0\x80", "???"},          /* a surrogate */
    {"\xe2\x82|\xe2\x82\xac", "?\?|\xe2\x82\xac"},
};

static void test_cleaned(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cleaned) / sizeof(cleaned[0]); i++) {
        struct err err;
        (void)err_set(&err, ERR_VALIDATION, "%s", cleaned[i].text);
        assert_string_equal(err.msg, cleaned[i].clean);
    }
}

/* A long message ends at the border of a character, wherever the limit falls into one. */
static void test_cut(void **state) {
    (void)state;
    static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t width = 1; width <= 4; width++) {
        for (size_t shift = 0; shift < 4; shift++) {
            char text[2 * ERR_MSG_BYTES + 8];
            size_t n = 0;
            while (n < shift) text[n++] = '-';
            while (n < ERR_MSG_BYTES + 4) {
                memcpy(text + n, characters[width - 1], width);
                n += width;
            }
            text[n] = '\0';
            struct err err;
            (void)err_set(&err, ERR_VALIDATION, "%s", text);
            size_t length = strlen(err.msg);
            assert_int_equal(length, (ERR_MSG_BYTES - 1 - shift) / width * width + shift);
            assert_memory_equal(err.msg, text, length);
        }
    }
}

static void test_exactly_full(void **state) {
    (void)state;
    char text[ERR_MSG_BYTES];
    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct err err;
    (void)err_set(&err, ERR_VALIDATION, "%s", text);
    assert_string_equal(err.msg, text);
}

static void test_allocations(void **state) {
    (void)state;
    void *p = xmalloc(0);
    assert_non_null(p);
    p = xrealloc(p, 0);
    assert_non_null(p);
    free(p);
    char *zeros = xcalloc(3, 5);
    for (int i = 0; i < 15; i++) assert_int_equal(zeros[i], 0);
    free(zeros);
    zeros = xcalloc(0, 7);
    assert_non_null(zeros);
    free(zeros);
}

static void test_assert_aborts(void **state) {
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)!freopen("/dev/null", "w", stderr);
        ASSERT(child == 1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_set_returns_the_code),
        cmocka_unit_test(test_message_may_quote_itself),
        cmocka_unit_test(test_cleaned),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_exactly_full),
        cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_assert_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
