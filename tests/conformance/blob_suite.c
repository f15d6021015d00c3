/* Proves, of any payload store: objects are whole, durable, written once, listed in order; and what
 * fails leaves nothing behind, whatever fails. */
#include "conformance/blob_suite.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "conformance/cmocka_all.h"

static struct blob_maker *maker;

struct place {
    struct blob_store *b;
    struct arena arena;
    struct err err;
};

static void okay(enum status st, const struct err *err, const char *what) {
    if (st != OK) fail_msg("%s: %s %s", what, status_word(st), err->msg);
}
#define OKAY(call, err) okay((call), (err), #call)

static void place_open(struct place *p) {
    arena_init(&p->arena);
    maker->create(maker);
    OKAY(maker->open(maker, &p->b, &p->err), &p->err);
}

static void place_reopen(struct place *p) {
    p->b->ops->close(p->b);
    OKAY(maker->open(maker, &p->b, &p->err), &p->err);
}

static void place_close(struct place *p) {
    p->b->ops->close(p->b);
    if (maker->check != NULL) maker->check(maker);
    arena_release(&p->arena);
    maker->destroy(maker);
}

static struct str bytes_of(struct arena *arena, uint64_t seed, size_t n) {
    char *p = arena_alloc(arena, n + 1);
    for (size_t i = 0; i < n; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        p[i] = (char)(seed >> 56);
    }
    return (struct str){p, n};
}

static enum status put(struct place *p, struct str key, struct str data) {
    static const struct blob_pair meta[] = {{{"ov", 2}, {"7", 1}}, {{"actor", 5}, {"me", 2}}};
    return p->b->ops->put(p->b, BLOB_JSON, key, data, meta, 2, &p->err);
}

static void assert_object(struct place *p, struct str key, struct str want) {
    struct str got = STR_NONE;
    OKAY(p->b->ops->get(p->b, BLOB_JSON, key, want.n, &p->arena, &got, &p->err), &p->err);
    assert_non_null(got.p);
    assert_int_equal(got.n, want.n);
    assert_true(str_eq(got, want));
    struct blob_info info;
    OKAY(p->b->ops->head(p->b, BLOB_JSON, key, &info, &p->err), &p->err);
    assert_int_equal(info.size, want.n);
    assert_true(info.modified_ms > INT64_C(1600000000000));
    assert_true(str_eq(info.key, key));
}

static void assert_no_object(struct place *p, struct str key) {
    struct str got = {"untouched", 9};
    struct blob_info info = {.size = 77};
    assert_int_equal(p->b->ops->get(p->b, BLOB_JSON, key, 1 << 20, &p->arena, &got, &p->err),
                     ERR_NOTFOUND);
    assert_true(str_eq(got, STR("untouched")));
    assert_int_equal(p->b->ops->head(p->b, BLOB_JSON, key, &info, &p->err), ERR_NOTFOUND);
    assert_int_equal(info.size, 77);
}

static void test_round_trip(void **state) {
    (void)state;
    struct place p;
    place_open(&p);
    static const size_t sizes[] = {0, 1, 1000, 65536, 1048575, 1048577, 5000000};
    struct str data[sizeof sizes / sizeof sizes[0]];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct str key = arena_printf(&p.arena, "users/id%zu/v0/item.json", i);
        data[i] = bytes_of(&p.arena, i, sizes[i]);
        assert_no_object(&p, key);
        OKAY(put(&p, key, data[i]), &p.err);
        assert_object(&p, key, data[i]);
    }
    place_reopen(&p);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_object(&p, arena_printf(&p.arena, "users/id%zu/v0/item.json", i), data[i]);
    }
    struct str got = STR_NONE;
    assert_int_equal(
        p.b->ops->get(p.b, BLOB_JSON, STR("users/id2/v0/item.json"), 999, &p.arena, &got, &p.err),
        ERR_TOOLARGE);
    assert_null(got.p);
    place_close(&p);
}

static void test_written_once(void **state) {
    (void)state;
    struct place p;
    place_open(&p);
    OKAY(put(&p, STR("a/b"), STR("first")), &p.err);
    assert_int_equal(put(&p, STR("a/b"), STR("second")), ERR_EXISTS);
    assert_object(&p, STR("a/b"), STR("first"));
    place_reopen(&p);
    assert_int_equal(put(&p, STR("a/b"), STR("first")), ERR_EXISTS);
    /* Another bucket is another name space. */
    OKAY(p.b->ops->put(p.b, BLOB_CONTENT, STR("a/b"), STR("third"), NULL, 0, &p.err), &p.err);
    assert_object(&p, STR("a/b"), STR("first"));
    place_close(&p);
}

static void test_keys(void **state) {
    (void)state;
    struct place p;
    place_open(&p);
    char longest[256], path[1100];
    memset(longest, 'k', sizeof longest);
    memset(path, 'p', sizeof path);
    for (size_t i = 50; i < sizeof path; i += 51) path[i] = '/';
    const struct {
        struct str key;
        bool good;
    } table[] = {
        {STR("a"), true},         {STR("a b"), true},
        {STR("A.b-c_d/e"), true}, {STR("\xc3\xa9/\xf0\x9f\x98\x80"), true},
        {STR("x/..y"), false},    {{longest, 255}, true},
        {{path, 1000}, true},     {STR(""), false},
        {STR("/"), false},        {STR("/a/b"), false},
        {STR("a/b/"), false},     {STR("a//c"), false},
        {STR(".."), false},       {STR("a/../../b"), false},
        {STR("."), false},        {STR("a/./b"), false},
        {STR(".tmp/x"), false},   {STR("a\0b"), false},
        {STR("a\nb"), false},     {STR("a/b\x7f"), false},
        {{longest, 256}, false},  {{path, 1080}, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        enum status st = put(&p, table[i].key, STR("x"));
        if (st != (table[i].good ? OK : ERR_VALIDATION)) {
            fail_msg("key %zu '%.*s': %s %s", i, STR_FMT(table[i].key), status_word(st), p.err.msg);
        }
        struct str got;
        struct blob_info info;
        enum status want = table[i].good ? OK : ERR_VALIDATION;
        assert_int_equal(p.b->ops->get(p.b, BLOB_JSON, table[i].key, 10, &p.arena, &got, &p.err),
                         want);
        assert_int_equal(p.b->ops->head(p.b, BLOB_JSON, table[i].key, &info, &p.err), want);
        assert_int_equal(p.b->ops->remove(p.b, BLOB_JSON, table[i].key, &p.err), want);
    }
    place_close(&p);
}

/* Listing. */

static int str_order(const void *a, const void *b) {
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Lists page by page and compares with the sorted keys that begin with the prefix. */
static void check_list(struct place *p, const struct str *keys, int count, struct str prefix,
                       int limit) {
    struct blob_info *page = xcalloc((size_t)limit, sizeof *page);
    struct blob_listing l = {.prefix = prefix, .limit = limit};
    int next = 0, got = limit;
    while (got == limit) {
        OKAY(p->b->ops->list(p->b, BLOB_JSON, &l, &p->arena, page, &got, &p->err), &p->err);
        for (int i = 0; i < got; i++, next++) {
            while (next < count && !str_starts_with(keys[next], prefix)) next++;
            assert_true(next < count);
            if (!str_eq(page[i].key, keys[next])) {
                fail_msg("listed '%.*s', expected '%.*s'", STR_FMT(page[i].key),
                         STR_FMT(keys[next]));
            }
            assert_int_equal(page[i].size, keys[next].n);
            l.after = page[i].key;
        }
    }
    while (next < count && !str_starts_with(keys[next], prefix)) next++;
    assert_int_equal(next, count);
    free(page);
}

static void test_list(void **state) {
    (void)state;
    struct place p;
    place_open(&p);
    struct str keys[] = {STR("a/b"),        STR("a.b"),        STR("a-b/c"),  STR("a0"),
                         STR("b/a/a"),      STR("b/a.x"),      STR("b/a0/z"), STR("b/A"),
                         STR("b/\xc3\xa9"), STR("b/a/b/c/d"),  STR("zz"),     STR("z/z"),
                         STR("z/z0"),       STR("b/a/a.json"), STR("a/b.")};
    enum { COUNT = sizeof keys / sizeof keys[0] };
    check_list(&p, keys, 0, STR(""), 5);
    for (int i = 0; i < COUNT; i++) OKAY(put(&p, keys[i], keys[i]), &p.err);
    qsort(keys, COUNT, sizeof keys[0], str_order);
    static const int limits[] = {1, 2, 3, 7, 1000};
    struct str prefixes[] = {STR(""),    STR("a"),    STR("a/"),        STR("b"),
                             STR("b/a"), STR("b/a/"), STR("z"),         STR("zz"),
                             STR("c"),   STR("zzz"),  STR("b/a/a.json")};
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 11; k++) check_list(&p, keys, COUNT, prefixes[k], limits[i]);
    }
    /* Beginning anywhere, at keys that are not there too. */
    struct str from[] = {STR("a"), STR("b/a"), STR("b/a/"), STR("b/a/b/c"), STR("zzzz"), STR("-")};
    for (int i = 0; i < 6; i++) {
        struct blob_info page[COUNT];
        struct blob_listing l = {.prefix = STR(""), .after = from[i], .limit = COUNT};
        int got = 0, want = 0;
        OKAY(p.b->ops->list(p.b, BLOB_JSON, &l, &p.arena, page, &got, &p.err), &p.err);
        for (int k = 0; k < COUNT; k++) want += str_cmp(keys[k], from[i]) > 0;
        assert_int_equal(got, want);
        if (got > 0) assert_true(str_eq(page[0].key, keys[COUNT - want]));
    }
    place_close(&p);
}

static void test_list_of_many(void **state) {
    (void)state;
    struct place p;
    place_open(&p);
    enum { MANY = 2500 };
    struct str *keys = xcalloc(MANY, sizeof *keys);
    for (int i = 0; i < MANY; i++) {
        keys[i] = arena_printf(&p.arena, i % 5 == 0 ? "many/%d/x" : "many/%d", (i * 7919) % MANY);
        OKAY(put(&p, keys[i], keys[i]), &p.err);
    }
    qsort(keys, MANY, sizeof keys[0], str_order);
    check_list(&p, keys, MANY, STR("many/"), 100);
    check_list(&p, keys, MANY, STR(""), 2400);
    check_list(&p, keys, MANY, STR("many/1"), 1000);
    free(keys);
    place_close(&p);
}

static void test_remove(void **state) {
    (void)state;
    struct place p;
    place_open(&p);
    struct str keys[] = {STR("r/a/1"), STR("r/a/2"), STR("r/b")};
    for (int i = 0; i < 3; i++) OKAY(put(&p, keys[i], keys[i]), &p.err);
    OKAY(p.b->ops->remove(p.b, BLOB_JSON, keys[0], &p.err), &p.err);
    assert_no_object(&p, keys[0]);
    assert_int_equal(p.b->ops->remove(p.b, BLOB_JSON, keys[0], &p.err), ERR_NOTFOUND);
    assert_int_equal(p.b->ops->remove(p.b, BLOB_JSON, STR("never/was"), &p.err), ERR_NOTFOUND);
    assert_int_equal(p.b->ops->remove(p.b, BLOB_JSON, STR("r/a"), &p.err), ERR_NOTFOUND);
    assert_int_equal(p.b->ops->remove(p.b, BLOB_CONTENT, keys[1], &p.err), ERR_NOTFOUND);
    check_list(&p, keys + 1, 2, STR(""), 10);
    OKAY(p.b->ops->remove(p.b, BLOB_JSON, keys[1], &p.err), &p.err);
    check_list(&p, keys + 2, 1, STR(""), 10);
    OKAY(put(&p, keys[0], keys[0]), &p.err); /* its folder was gone */
    assert_object(&p, keys[0], keys[0]);
    place_reopen(&p);
    assert_object(&p, keys[0], keys[0]);
    assert_no_object(&p, keys[1]);
    place_close(&p);
}

static void test_others(void **state) {
    (void)state;
    struct place p;
    place_open(&p);
    for (int i = BLOB_JSON; i <= BLOB_BACKUPS; i++) {
        assert_true(p.b->ops->bucket_name(p.b, (enum blob_bucket)i).n > 0);
    }
    int64_t ping = -1;
    OKAY(p.b->ops->health(p.b, &ping, &p.err), &p.err);
    assert_true(ping >= 0);
    struct str url = STR_NONE;
    OKAY(put(&p, STR("a"), STR("x")), &p.err);
    enum status st = p.b->ops->presign(p.b, BLOB_JSON, STR("a"), 60, &p.arena, &url, &p.err);
    assert_true(st == ERR_SYNTAX || (st == OK && str_starts_with(url, STR("http"))));
    place_close(&p);
}

/* Threads. */

enum { THREADS = 4, ROUNDS = 150 };
struct runner {
    struct blob_store *b;
    int number;
    int stored, present;
    int failures;
};

/* All put the same keys: one wins each, and its bytes stay. Keys of others' folders come and go. */
static void *runner_main(void *arg) {
    struct runner *r = arg;
    struct err err;
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < ROUNDS; i++) {
        struct str key = arena_printf(&arena, "t/%d/%d", i / 10, i);
        struct str data = arena_printf(&arena, "%d of thread %d", i, r->number);
        enum status st = r->b->ops->put(r->b, BLOB_JSON, key, data, NULL, 0, &err);
        r->stored += st == OK;
        r->present += st == ERR_EXISTS;
        struct str got = STR_NONE;
        if (r->b->ops->get(r->b, BLOB_JSON, key, 100, &arena, &got, &err) != OK) r->failures++;
        if (st == OK && !str_eq(got, data)) r->failures++;
        struct str own = arena_printf(&arena, "gone/x/%d-%d", r->number, i);
        if (r->b->ops->put(r->b, BLOB_JSON, own, data, NULL, 0, &err) != OK) r->failures++;
        if (r->b->ops->remove(r->b, BLOB_JSON, own, &err) != OK) r->failures++;
        struct blob_listing l = {.prefix = STR("t/"), .limit = 20};
        struct blob_info page[20];
        int count;
        if (r->b->ops->list(r->b, BLOB_JSON, &l, &arena, page, &count, &err) != OK) r->failures++;
        arena_reset(&arena);
    }
    arena_release(&arena);
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    struct place p;
    place_open(&p);
    struct runner runners[THREADS];
    pthread_t threads[THREADS];
    int stored = 0, present = 0;
    for (int i = 0; i < THREADS; i++) {
        runners[i] = (struct runner){.b = p.b, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, runner_main, &runners[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(runners[i].failures, 0);
        stored += runners[i].stored;
        present += runners[i].present;
    }
    assert_int_equal(stored, ROUNDS);
    assert_int_equal(present, (THREADS - 1) * ROUNDS);
    place_close(&p);
}

/* Faults. */

static bool fired(const char *point, int64_t n) {
    int number = 0;
    while (strcmp(fault_name((enum fault_point)number), point) != 0) number++;
    return fault_passes((enum fault_point)number) >= n;
}

/* Puts with the n-th passing failing; did it fire? */
static bool put_with_fault(struct place *p, const char *point, const char *action, int64_t n) {
    struct str key = arena_printf(&p->arena, "%s/%s/%lld/deep/item", point, action, (long long)n);
    struct str data = bytes_of(&p->arena, (uint64_t)n, 3000000);
    OKAY(fault_arm(str_of(point), str_of(action), n, false, &p->err), &p->err);
    enum status st = put(p, key, data);
    bool hit = fired(point, n);
    fault_disarm_all();
    if (st == OK) {
        assert_false(hit);
    } else if (st != ERR_TIMEDOUT) {
        assert_true(st == ERR_TRYAGAIN || st == ERR_BACKEND);
        assert_true(p->err.msg[0] != '\0');
        assert_no_object(p, key);
        check_list(p, NULL, 0, key, 10);
    }
    if (st != OK) {
        enum status again = put(p, key, data);
        assert_true(again == OK || (st == ERR_TIMEDOUT && again == ERR_EXISTS));
    }
    assert_object(p, key, data);
    return hit;
}

static void test_faults(void **state) {
    (void)state;
    static const char *const actions[] = {"fail", "full"};
    for (const char *const *point = maker->fault_points; *point != NULL; point++) {
        for (int a = 0; a < 2; a++) {
            struct place p;
            place_open(&p);
            int64_t n = 1;
            while (put_with_fault(&p, *point, actions[a], n)) n++;
            print_message("             %s %s: %lld\n", *point, actions[a], (long long)n - 1);
            assert_true(n > 1);
            place_reopen(&p);
            struct str last = arena_printf(&p.arena, "%s/%s/%d/deep/item", *point, actions[a], 1);
            assert_object(&p, last, bytes_of(&p.arena, 1, 3000000));
            place_close(&p);
        }
    }
}

/* Crashes: a child is killed while it puts. */

_Noreturn static void child(const char *point, int64_t n, int fd) {
    struct place p;
    arena_init(&p.arena);
    if (maker->open(maker, &p.b, &p.err) != OK) _exit(3);
    if (fault_arm(str_of(point), STR("kill"), n, false, &p.err) != OK) _exit(4);
    for (uint64_t i = 0; i < 6; i++) {
        struct str key = arena_printf(&p.arena, "k/%lld/%d/x", (long long)n, (int)i);
        if (put(&p, key, bytes_of(&p.arena, i, 2000000)) != OK) _exit(5);
        if (write(fd, "y", 1) != 1) _exit(6);
    }
    if (write(fd, ".", 1) != 1) _exit(6);
    raise(SIGKILL);
    _exit(7);
}

/* How many puts the child was told to be done; *ret_fired: it was killed at the point. */
static int crash_run(const char *point, int64_t n, bool *ret_fired) {
    int fds[2], status, done = 0;
    char c;
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) child(point, n, fds[1]);
    close(fds[1]);
    *ret_fired = true;
    while (read(fds[0], &c, 1) == 1) {
        done += c == 'y';
        if (c == '.') *ret_fired = false;
    }
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return done;
}

static void crash_check(struct place *p, int64_t n, int done) {
    for (int i = 0; i < 6; i++) {
        struct str key = arena_printf(&p->arena, "k/%lld/%d/x", (long long)n, i);
        struct str data = bytes_of(&p->arena, (uint64_t)i, 2000000), got = STR_NONE;
        enum status st = p->b->ops->get(p->b, BLOB_JSON, key, data.n, &p->arena, &got, &p->err);
        if (i < done) assert_int_equal(st, OK);
        if (i > done) assert_int_equal(st, ERR_NOTFOUND);
        assert_true(st == OK || st == ERR_NOTFOUND);
        if (st == OK) assert_true(str_eq(got, data));
        assert_int_equal(put(p, key, data), st == OK ? ERR_EXISTS : OK);
        arena_reset(&p->arena);
    }
}

static void test_crashes(void **state) {
    (void)state;
    int crashes = 0;
    for (const char *const *point = maker->fault_points; *point != NULL; point++) {
        struct place p;
        place_open(&p);
        bool again = true;
        for (int64_t n = 1; again; n++, crashes++) {
            p.b->ops->close(p.b);
            int done = crash_run(*point, n, &again);
            OKAY(maker->open(maker, &p.b, &p.err), &p.err);
            if (maker->check != NULL) maker->check(maker);
            crash_check(&p, n, done);
        }
        place_close(&p);
    }
    print_message("             %d crashes\n", crashes);
}

int blob_suite_run(struct blob_maker *m) {
    maker = m;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_written_once),
        cmocka_unit_test(test_keys),         cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_of_many), cmocka_unit_test(test_remove),
        cmocka_unit_test(test_others),       cmocka_unit_test(test_threads),
        cmocka_unit_test(test_faults),       cmocka_unit_test(test_crashes),
    };
    return cmocka_run_group_tests_name("blob: objects", tests, NULL, NULL);
}
