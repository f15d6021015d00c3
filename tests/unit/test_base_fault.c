/* Proves that fault points fire at the passing that was asked for, are counted, hold and let go,
 * and that metrics have their names and are reset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/metrics.h"

enum { LIMIT_US = 20000000 };

static void arm(const char *name, const char *action, int64_t nth, bool forever) {
    struct err err = {.msg = ""};
    if (fault_arm(str_of(name), str_of(action), nth, forever, &err) != OK) fail_msg("%s", err.msg);
}

static int disarm(void **state) {
    (void)state;
    fault_disarm_all();
    assert_int_equal(atomic_load(&fault_armed), 0);
    return 0;
}

static void test_names(void **state) {
    (void)state;
    for (int i = 0; i < FAULT_POINT_COUNT; i++) {
        const char *name = fault_name((enum fault_point)i);
        assert_non_null(name);
        for (int j = 0; j < i; j++) assert_string_not_equal(name, fault_name((enum fault_point)j));
        arm(name, "fail", 1, false);
        assert_int_equal(fault_hit((enum fault_point)i), FAULT_FAIL);
        assert_int_equal(atomic_load(&fault_armed), 0);
    }
    arm("BLOB_fsync", "Full", 1, false);
    assert_int_equal(fault_hit(FAULT_BLOB_FSYNC), FAULT_FULL);
}

static void test_nothing_armed(void **state) {
    (void)state;
    assert_int_equal(fault_hit(FAULT_REPLY), FAULT_NONE);
    assert_int_equal(fault_hit_slow(FAULT_REPLY), FAULT_NONE);
}

static void test_nth_once(void **state) {
    (void)state;
    arm("file-write", "fail", 3, false);
    static const enum fault_action want[] = {FAULT_NONE, FAULT_NONE, FAULT_FAIL, FAULT_NONE};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(fault_hit(FAULT_FILE_FSYNC), FAULT_NONE); /* another point */
        assert_int_equal(fault_hit(FAULT_FILE_WRITE), want[i]);
    }
    assert_int_equal(atomic_load(&fault_armed), 0);
}

static void test_nth_forever(void **state) {
    (void)state;
    arm("file-write", "full", 2, true);
    assert_int_equal(fault_hit(FAULT_FILE_WRITE), FAULT_NONE);
    for (int i = 0; i < 5; i++) assert_int_equal(fault_hit(FAULT_FILE_WRITE), FAULT_FULL);
    assert_int_equal(atomic_load(&fault_armed), 1);
    arm("file-write", "off", 1, false);
    assert_int_equal(fault_hit(FAULT_FILE_WRITE), FAULT_NONE);
    assert_int_equal(atomic_load(&fault_armed), 0);
    arm("file-write", "off", 0, false); /* twice does no harm */
    assert_int_equal(atomic_load(&fault_armed), 0);
}

static void test_armed_again(void **state) {
    (void)state;
    arm("swapped", "fail", 5, false);
    arm("swapped", "full", 1, false); /* takes the place of the first */
    arm("committed", "fail", 9, false);
    assert_int_equal(atomic_load(&fault_armed), 2);
    assert_int_equal(fault_hit(FAULT_SWAPPED), FAULT_FULL);
    assert_int_equal(fault_hit(FAULT_SWAPPED), FAULT_NONE);
    assert_int_equal(atomic_load(&fault_armed), 1);
}

static void test_passes(void **state) {
    (void)state;
    assert_int_equal(fault_hit(FAULT_MALLOC), FAULT_NONE); /* not counted: nothing is armed */
    arm("malloc", "fail", 1000000, false);
    assert_int_equal(fault_passes(FAULT_MALLOC), 0);
    for (int i = 0; i < 7; i++) (void)fault_hit(FAULT_MALLOC);
    (void)fault_hit(FAULT_CHECKPOINT);
    assert_int_equal(fault_passes(FAULT_MALLOC), 7);
    assert_int_equal(fault_passes(FAULT_CHECKPOINT), 1);
    fault_disarm_all();
    assert_int_equal(fault_passes(FAULT_MALLOC), 7); /* still there to be read */
    arm("malloc", "fail", 1, false);
    assert_int_equal(fault_passes(FAULT_MALLOC), 0);
}

static const struct {
    const char *name, *action;
    int64_t nth;
    const char *words;
} bad[] = {
    {"nowhere", "fail", 1, "nowhere"}, {"", "fail", 1, "point"},
    {"swappe", "fail", 1, "point"},    {"swappedd", "fail", 1, "point"},
    {"swapped", "explode", 1, "hold"}, {"swapped", "", 1, "action"},
    {"swapped", "fail", 0, "not 0"},   {"swapped", "fail", -3, "not -3"},
};

static void test_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err err = {.msg = ""};
        assert_int_equal(
            fault_arm(str_of(bad[i].name), str_of(bad[i].action), bad[i].nth, false, &err),
            ERR_SYNTAX);
        if (strstr(err.msg, bad[i].words) == NULL) fail_msg("%s", err.msg);
        assert_int_equal(atomic_load(&fault_armed), 0);
    }
}

static void *pass_the_point(void *done) {
    assert_int_equal(fault_hit(FAULT_PUBLISHED), FAULT_NONE);
    atomic_fetch_add((atomic_int *)done, 1);
    return NULL;
}

static void wait_passes(int64_t count) {
    int64_t until = clock_mono_us() + LIMIT_US;
    while (fault_passes(FAULT_PUBLISHED) < count) {
        assert_true(clock_mono_us() < until);
        sched_yield();
    }
}

/* Threads are held at the second passing and all later ones, until the point is lifted. */
static void test_hold(void **state) {
    (void)state;
    for (int how = 0; how < 3; how++) {
        pthread_t threads[4];
        atomic_int done = 0;
        arm("published", "hold", 2, true);
        assert_int_equal(fault_hit(FAULT_PUBLISHED), FAULT_NONE);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, pass_the_point, &done), 0);
        }
        wait_passes(5);
        assert_int_equal(atomic_load(&done), 0);
        if (how == 0) fault_disarm_all();
        if (how == 1) arm("published", "off", 1, false);
        if (how == 2) arm("published", "fail", 100, false); /* arming anew lets go, too */
        for (int i = 0; i < 4; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(atomic_load(&done), 4);
        fault_disarm_all();
    }
}

/* Once: who comes later passes, and the point stays armed until it is lifted. */
static void test_hold_once(void **state) {
    (void)state;
    pthread_t thread;
    atomic_int done = 0;
    arm("published", "hold", 1, false);
    assert_int_equal(pthread_create(&thread, NULL, pass_the_point, &done), 0);
    wait_passes(1);
    assert_int_equal(fault_hit(FAULT_PUBLISHED), FAULT_NONE);
    assert_int_equal(atomic_load(&done), 0);
    assert_int_equal(atomic_load(&fault_armed), 1);
    fault_disarm_all();
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_kill(void **state) {
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        arm("group-taken", "kill", 2, false);
        (void)fault_hit(FAULT_GROUP_TAKEN);
        (void)fault_hit(FAULT_GROUP_TAKEN);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_metrics(void **state) {
    (void)state;
    for (int i = 0; i < METRIC_COUNT; i++) {
        const char *name = metric_name((enum metric)i);
        assert_non_null(name);
        for (int j = 0; j < i; j++) assert_string_not_equal(name, metric_name((enum metric)j));
        metric_add((enum metric)i, i + 1);
        metric_add((enum metric)i, 1);
        assert_int_equal(metric_get((enum metric)i), i + 2);
    }
    assert_string_equal(metric_name(METRIC_CACHE_HITS), "keyspace_hits");
    metrics_reset();
    for (int i = 0; i < METRIC_COUNT; i++) assert_int_equal(metric_get((enum metric)i), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_names, disarm),
        cmocka_unit_test_teardown(test_nothing_armed, disarm),
        cmocka_unit_test_teardown(test_nth_once, disarm),
        cmocka_unit_test_teardown(test_nth_forever, disarm),
        cmocka_unit_test_teardown(test_armed_again, disarm),
        cmocka_unit_test_teardown(test_passes, disarm),
        cmocka_unit_test_teardown(test_refused, disarm),
        cmocka_unit_test_teardown(test_hold, disarm),
        cmocka_unit_test_teardown(test_hold_once, disarm),
        cmocka_unit_test_teardown(test_kill, disarm),
        cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
