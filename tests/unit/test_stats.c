/* Proves that calls, times and errors are counted on both sides and that percentiles are right
 * within a quarter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/stats.h"

static struct arena arena;

static int setup(void **state) {
    arena_init(&arena);
    *state = stats_new(&arena);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static void test_counts(void **state) {
    struct stats *s = *state;
    struct command_stats c;
    for (int side = 0; side < STATS_SIDES; side++) {
        stats_call(s, side, 3, OK);
        stats_call(s, side, 3, ERR_NOTFOUND);
        stats_time(s, side, 3, 10, 2);
        stats_reject(s, side, 3, ERR_SYNTAX);
        stats_reject(s, side, -1, ERR_SYNTAX);
        stats_error(s, side, ERR_CONFLICT);
    }
    stats_of(s, 3, &c);
    assert_int_equal(c.calls, 4);
    assert_int_equal(c.failed, 2);
    assert_int_equal(c.rejected, 2);
    assert_int_equal(c.usec, 40);
    assert_int_equal(stats_calls(s), 4);
    assert_int_equal(stats_errors(s, ERR_SYNTAX), 4);
    assert_int_equal(stats_errors(s, ERR_NOTFOUND), 2);
    assert_int_equal(stats_errors(s, ERR_CONFLICT), 2);
    stats_of(s, 4, &c);
    assert_int_equal(c.calls, 0);
    stats_reset(s);
    stats_of(s, 3, &c);
    assert_int_equal(c.calls + c.failed + c.rejected + c.usec, 0);
    assert_int_equal(stats_errors(s, ERR_SYNTAX), 0);
    assert_int_equal(stats_percentile(s, 3, 500), 0);
}

static void test_percentiles(void **state) {
    struct stats *s = *state;
    for (int64_t usec = 0; usec < (1LL << 40); usec = usec * 5 / 4 + 1) {
        stats_reset(s);
        stats_time(s, STATS_WORKER, 0, usec, 1);
        int64_t shown = stats_percentile(s, 0, 999);
        if (usec < (1 << 26) && (shown < usec || shown > usec + usec / 4))
            fail_msg("%lld is shown as %lld", (long long)usec, (long long)shown);
    }
    stats_reset(s);
    for (int i = 1; i <= 1000; i++) stats_time(s, i % STATS_SIDES, 0, i, 1);
    assert_in_range(stats_percentile(s, 0, 500), 500, 625);
    assert_in_range(stats_percentile(s, 0, 990), 990, 1240);
    stats_time(s, STATS_REACTOR, 0, -1, 1); /* a clock that was set back */
    assert_in_range(stats_percentile(s, 0, 500), 500, 625);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_percentiles, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
