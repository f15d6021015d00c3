/*
 * Proves, of any metadata store: a process killed at any point leaves every group that was
 * acknowledged, whole, and of the one in flight all or nothing; what was refused never comes back.
 *
 * A child opens the place, arms a fault and commits groups that follow from a seed, reporting each
 * answer by one byte in a pipe. The parent makes the same groups in memory alone, opens what the
 * child left, and compares.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "conformance/cmocka_all.h"
#include "conformance/meta_suite.h"

enum { GROUPS = 14, GROUP_WRITES = 10 };

struct crash {
    const char *point, *action;
    int64_t n;
    bool at_open; /* armed before the store is opened */
    uint64_t seed;
};

/* The child. */

static char answer_of(enum status st) {
    return st == OK ? 'y' : st == ERR_TIMEDOUT ? '?' : 'n';
}

static void report(int fd, char c) {
    if (write(fd, &c, 1) != 1) _exit(3);
}

_Noreturn static void child(const struct crash *c, int fd) {
    struct world w = {.maker = meta_suite_maker, .random = c->seed};
    struct err err;
    arena_init(&w.arena);
    if (c->at_open && fault_arm(str_of(c->point), str_of(c->action), c->n, false, &err) != OK) {
        _exit(4);
    }
    if (world_try_start(&w) != OK) _exit(5);
    world_adopt(&w);
    if (!c->at_open && fault_arm(str_of(c->point), str_of(c->action), c->n, false, &err) != OK) {
        _exit(4);
    }
    for (int i = 0; i < GROUPS; i++) {
        struct intent in[GROUP_WRITES];
        world_intents(&w, in, GROUP_WRITES);
        char answer = answer_of(world_commit(&w, in, GROUP_WRITES));
        report(fd, answer);
        if (answer != 'y') raise(SIGKILL);
        if (i % 4 == 3) w.meta->ops->tick(w.meta);
    }
    report(fd, '.');
    raise(SIGKILL); /* never closed */
    _exit(6);
}

/* Runs a child; *ret_answers is a string of what it reported. */
static int crash_run(const struct crash *c, char ret_answers[GROUPS + 2]) {
    int fds[2], status;
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        child(c, fds[1]);
    }
    close(fds[1]);
    size_t n = 0;
    while (n <= GROUPS && read(fds[0], ret_answers + n, 1) == 1) n++;
    ret_answers[n] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* The parent. */

/* The child's group in memory alone. */
static void pretend(struct world *w) {
    struct intent in[GROUP_WRITES];
    world_intents(w, in, GROUP_WRITES);
    for (int i = 0; i < GROUP_WRITES; i++) {
        struct version *v = world_compose(w, &in[i]);
        if (v == NULL) continue;
        world_know(w, in[i].coll, v);
    }
    arena_reset(&w->arena);
}

/* The same but for numbers and instants? */
static bool same_story(const struct version *a, const struct version *b) {
    return a->ov == b->ov && a->op == b->op && a->verb == b->verb && a->size == b->size &&
           a->payload_ov == b->payload_ov && str_eq(a->id, b->id) && str_eq(a->op_id, b->op_id) &&
           version_is_deleted(a) == version_is_deleted(b) && str_eq(a->doc, b->doc) &&
           memcmp(a->checksum, b->checksum, SHA256_BYTES) == 0;
}

/* What was found holds exactly the first `count` of what was pretended, by collection in order. */
static bool holds(const struct world *found, const struct world *pretended, int count) {
    if (found->count != count) return false;
    for (int c = 0; c < WORLD_COLLS; c++) {
        int f = 0;
        for (int p = 0; p < count; p++) {
            if (pretended->known[p].coll != c) continue;
            while (f < found->count && found->known[f].coll != c) f++;
            if (f == found->count) return false;
            if (!same_story(found->known[f++].v, pretended->known[p].v)) return false;
        }
    }
    return true;
}

/* Compares what the child left with what it said. */
static void crash_compare(struct world *w, const struct crash *c, const char *answers) {
    struct world p = {.maker = w->maker, .random = c->seed};
    arena_init(&p.arena);
    for (int i = 0; i < w->count; i++) world_know(&p, w->known[i].coll, version_ref(w->known[i].v));
    int acknowledged = 0;
    while (answers[acknowledged] == 'y') acknowledged++;
    for (int i = 0; i < acknowledged; i++) pretend(&p);
    int least = p.count;
    pretend(&p);

    OKAY(world_try_start(w), &w->err);
    world_adopt(w);
    bool refused = answers[acknowledged] == 'n';
    bool good = holds(w, &p, least) || (!refused && holds(w, &p, p.count));
    if (!good) {
        fail_msg("%s %s at %lld: answers %s, %d versions found, %d acknowledged, %d with the next",
                 c->point, c->action, (long long)c->n, answers, w->count, least, p.count);
    }
    world_check(w);
    world_forget(&p, 0);
    free(p.known);
    arena_release(&p.arena);
}

/* One crash in a place with a past; false when the fault did not fire. */
static bool crash_once(struct world *w, const struct crash *c) {
    char answers[GROUPS + 2] = "";
    world_stop(w);
    int status = crash_run(c, answers);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 5)) {
        fail_msg("%s %s at %lld: the child ended with %d", c->point, c->action, (long long)c->n,
                 status);
    }
    crash_compare(w, c, answers);
    struct intent in[GROUP_WRITES];
    world_intents(w, in, GROUP_WRITES);
    OKAY(world_commit(w, in, GROUP_WRITES), &w->err);
    return strchr(answers, '.') == NULL;
}

static void crash_everywhere(const char *action, bool at_open) {
    int crashes = 0;
    for (const char *const *point = meta_suite_maker->fault_points; *point != NULL; point++) {
        struct world w;
        world_open(&w, meta_suite_maker);
        struct crash c = {.point = *point, .action = action, .n = 1, .at_open = at_open};
        for (bool fired = true; fired; c.n += c.n < 12 ? 1 : c.n / 3) {
            c.seed = UINT64_C(88172645463325252) + (uint64_t)c.n * 7919;
            fired = crash_once(&w, &c);
            crashes++;
            if (at_open && c.n > 60) break;
            if (w.count > 1500) world_close(&w), world_open(&w, meta_suite_maker);
        }
        world_close(&w);
    }
    print_message("             %d crashes\n", crashes);
}

static void test_killed_at_every_point(void **state) {
    (void)state;
    crash_everywhere("kill", false);
}

static void test_killed_while_opening(void **state) {
    (void)state;
    crash_everywhere("kill", true);
}

/* What was refused and then followed by a crash: nothing may come back. */
static void test_refused_then_killed(void **state) {
    (void)state;
    crash_everywhere("fail", false);
    crash_everywhere("full", false);
}

int meta_suite_crashes(struct meta_maker *maker) {
    meta_suite_maker = maker;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_at_every_point),
        cmocka_unit_test(test_killed_while_opening),
        cmocka_unit_test(test_refused_then_killed),
    };
    return cmocka_run_group_tests_name("meta: crashes", tests, NULL, NULL);
}
