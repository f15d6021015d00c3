/* Proves that instants are written and read as the C library's calendar has them, over all years,
 * and that every text that is no instant is refused with its fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

static const int64_t FIRST_MS = -62167219200000, LAST_MS = 253402300799999;

static void by_library(int64_t at_ms, char ret[32]) {
    int64_t ms = (at_ms % 1000 + 1000) % 1000;
    time_t seconds = (time_t)((at_ms - ms) / 1000);
    struct tm tm;
    assert_non_null(gmtime_r(&seconds, &tm));
    int n = snprintf(ret, 32, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)ms);
    assert_int_equal(n, ISO_BYTES);
}

static void check_instant(int64_t at_ms) {
    char text[ISO_BYTES], want[32];
    int64_t back = 0;
    struct err err;
    clock_format(at_ms, text);
    by_library(at_ms, want);
    if (memcmp(text, want, ISO_BYTES) != 0) fail_msg("%.24s is not %s", text, want);
    assert_int_equal(clock_parse((struct str){text, ISO_BYTES}, &back, &err), OK);
    assert_true(back == at_ms);
}

/* Every day of ten thousand years, at an instant that moves through the day. */
static void test_every_day(void **state) {
    (void)state;
    for (int64_t at = FIRST_MS; at <= LAST_MS; at += 86400000 + 7) check_instant(at);
    for (int64_t at = -5000; at < 5000; at++) check_instant(at);
    check_instant(FIRST_MS);
    check_instant(LAST_MS);
}

static void test_format_is_clamped(void **state) {
    (void)state;
    char text[ISO_BYTES];
    clock_format(INT64_MIN, text);
    assert_memory_equal(text, "0000-01-01T00:00:00.000Z", ISO_BYTES);
    clock_format(INT64_MAX, text);
    assert_memory_equal(text, "9999-12-31T23:59:59.999Z", ISO_BYTES);
}

static const struct {
    const char *text;
    int64_t at_ms;
} good[] = {
    {"0", 0},
    {"-1", -1},
    {"2026", 2026}, /* digits alone are milliseconds */
    {"1788220800000", 1788220800000},
    {"-62167219200000", -62167219200000},
    {"253402300799999", 253402300799999},
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01T00:00:00z", 0},
    {"1970-01-01t00:00:00Z", 0},
    {"1969-12-31T23:59:59.999Z", -1},
    {"2026-09-01T00:00:00Z", 1788220800000},
    {"2026-09-01T02:00:00+02:00", 1788220800000},
    {"2026-09-01T02:00:00+0200", 1788220800000},
    {"2026-08-31T18:30:00-05:30", 1788220800000},
    {"2026-09-01T00:00:00-00:00", 1788220800000},
    {"2026-09-01T00:00:00.1Z", 1788220800100},
    {"2026-09-01T00:00:00.12Z", 1788220800120},
    {"2026-09-01T00:00:00,123Z", 1788220800123},
    {"2026-09-01T00:00:00.1239999999999999999999999999Z", 1788220800123},
    {"2024-02-29T12:00:00Z", 1709208000000},
    {"2000-02-29T00:00:00Z", 951782400000},
    {"0000-02-29T00:00:00Z", -62162121600000},
};

static void test_parse(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t at = 42;
        struct err err = {.msg = ""};
        if (clock_parse(str_of(good[i].text), &at, &err) != OK || at != good[i].at_ms) {
            fail_msg("%s: %lld %s", good[i].text, (long long)at, err.msg);
        }
    }
}

static const struct {
    const char *text, *fault;
} bad[] = {
    {"", "year"},
    {"-", "integer"},
    {"now", "year"},
    {"+1", "year"},
    {"1 ", "year"},
    {"007", "integer"},
    {"99999999999999999999", "integer"},
    {"253402300800000", "years"},
    {"-62167219200001", "years"},
    {"9999-12-31T23:59:59-00:01", "years"},
    {"0000-01-01T00:00:00+00:01", "years"},
    {"2026-09-01", "time of day"},
    {"2026-09-01 00:00:00Z", "'T'"},
    {"2026-09-01T00:00:00", "no zone"},
    {"2026-09-01T00:00:00.5", "no zone"},
    {"2026-02-30T00:00:00Z", "no such day"},
    {"2025-02-29T00:00:00Z", "no such day"},
    {"1900-02-29T00:00:00Z", "no such day"},
    {"2026-04-31T00:00:00Z", "no such day"},
    {"2026-09-00T00:00:00Z", "no such day"},
    {"2026-13-01T00:00:00Z", "month"},
    {"2026-00-01T00:00:00Z", "month"},
    {"2026-9-01T00:00:00Z", "month"},
    {"26-09-01T00:00:00Z", "year"},
    {"2026-09-1T00:00:00Z", "day"},
    {"2026-09-01T24:00:00Z", "hour"},
    {"2026-09-01T00:60:00Z", "minute"},
    {"2026-09-01T00:00:60Z", "second"},
    {"2026-09-01T00:00Z", "second"},
    {"2026-09-01T00:00:00.Z", "decimal point"},
    {"2026-09-01T00:00:00+24:00", "zone"},
    {"2026-09-01T00:00:00+2:00", "zone"},
    {"2026-09-01T00:00:00+02", "zone"},
    {"2026-09-01T00:00:00+02:60", "zone"},
    {"2026-09-01T00:00:00 Z", "zone"},
    {"2026-09-01T00:00:00CET", "zone"},
    {"2026-09-01T00:00:00Zx", "follows the zone"},
    {"2026-09-01T00:00:00Z ", "follows the zone"},
};

static void test_parse_refuses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t at = 42;
        struct err err = {.msg = ""};
        enum status status = clock_parse(str_of(bad[i].text), &at, &err);
        assert_int_equal(status, ERR_SYNTAX);
        assert_int_equal(at, 42);
        if (strstr(err.msg, bad[i].fault) == NULL) fail_msg("%s: %s", bad[i].text, err.msg);
        assert_non_null(strstr(err.msg, "2026-09-01T00:00:00Z")); /* the example */
    }
    int64_t at = 42;
    struct err err;
    assert_int_equal(clock_parse(STR_NONE, &at, &err), ERR_SYNTAX);
    assert_int_equal(clock_parse((struct str){"1970-01-01T00:00:00\0Z", 21}, &at, &err),
                     ERR_SYNTAX);
}

static void test_clocks(void **state) {
    (void)state;
    int64_t wall = clock_now_ms();
    assert_true(wall > 1600000000000 && wall < LAST_MS);
    assert_true(clock_now_us() / 1000 - wall < 60000);
    int64_t before = clock_mono_us();
    assert_true(clock_mono_us() >= before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_day), cmocka_unit_test(test_format_is_clamped),
        cmocka_unit_test(test_parse),     cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
