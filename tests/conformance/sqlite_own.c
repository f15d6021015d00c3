/* Proves what is the embedded store's own: its folder's lock, refusals that name the file and what
 * to do, the log's length, one sync per group, nothing acknowledged before it, a full disk. */
#include "conformance/sqlite_own.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/metrics.h"
#include "conformance/cmocka_all.h"

static struct meta_maker *maker;

enum { WAL_BYTES = 512 * 1024 };

static const char *path_of(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", sqlite_folder(), name);
    return path;
}

static int64_t size_of(const char *name) {
    struct stat st;
    return stat(path_of(name), &st) == 0 ? st.st_size : -1;
}

static void group_of(struct world *w, int writes) {
    struct intent in[64];
    world_intents(w, in, writes);
    OKAY(world_commit(w, in, writes), &w->err);
}

/* Opening is refused with this status, and the words hold these. */
static void assert_refused(enum status want, const char *what, const char *todo) {
    struct meta *m = NULL;
    struct err err = {OK, ""};
    enum status st = sqlite_open_with(WAL_BYTES, &m, &err);
    if (st != want || strstr(err.msg, what) == NULL || strstr(err.msg, todo) == NULL) {
        fail_msg("%s '%s' instead of %s with '%s' and '%s'", status_word(st), err.msg,
                 status_word(want), what, todo);
    }
    assert_null(m);
}

/* Runs a function in a child and wants 0 of it. */
static void in_child(int (*fn)(void)) {
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(fn());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* The lock. */

static int locked_child(void) {
    struct meta *m = NULL;
    struct err err = {OK, ""};
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld ", (long)getppid());
    if (sqlite_open_with(WAL_BYTES, &m, &err) != ERR_LOCKED) return 1;
    return strstr(err.msg, pid) != NULL && strstr(err.msg, sqlite_folder()) != NULL ? 0 : 2;
}

static void test_lock(void **state) {
    (void)state;
    struct world w;
    world_open(&w, maker);
    in_child(locked_child);
    assert_refused(ERR_LOCKED, "in use by process", "stop");
    group_of(&w, 5); /* the refused ones did no harm */
    world_check(&w);
    world_reopen(&w);
    world_check(&w);
    world_close(&w);
}

static int killed_child(void) {
    struct meta *m = NULL;
    struct err err;
    if (sqlite_open_with(WAL_BYTES, &m, &err) != OK) return 1;
    raise(SIGKILL);
    return 2;
}

static void test_lock_of_the_dead(void **state) {
    (void)state;
    struct world w;
    world_open(&w, maker);
    world_stop(&w);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(killed_child());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    OKAY(world_try_start(&w), &w.err);
    world_close(&w);
}

/* Bad folders and files. */

static void bytes_put(const char *name, off_t at, const void *bytes, size_t n) {
    int fd = open(path_of(name), O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, at), n);
    close(fd);
}

static void sql(const char *text) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_of("chronos.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_not_a_database(void **state) {
    (void)state;
    maker->create(maker);
    bytes_put("chronos.db", 0, "this is text", 12);
    assert_refused(ERR_CORRUPT, "chronos.db is not a database", "backup");
    assert_int_equal(unlink(path_of("chronos.db")), 0);
    assert_int_equal(mkdir(path_of("chronos.db"), 0700), 0);
    assert_refused(ERR_BACKEND, "chronos.db", "");
    assert_int_equal(rmdir(path_of("chronos.db")), 0);
    bytes_put("chronos.db", 0, "", 0); /* nothing is a beginning */
    struct meta *m;
    struct err err;
    OKAY(sqlite_open_with(WAL_BYTES, &m, &err), &err);
    m->ops->close(m);
    maker->destroy(maker);
}

static void test_not_a_folder(void **state) {
    (void)state;
    maker->create(maker);
    char path[256];
    snprintf(path, sizeof path, "%s", path_of("file"));
    bytes_put("file", 0, "x", 1);
    struct meta_sqlite_options options = {.dir = path, .cache_bytes = 1, .wal_bytes = WAL_BYTES};
    struct meta *m = NULL;
    struct err err;
    assert_int_equal(meta_sqlite_open(&options, &m, &err), ERR_BACKEND);
    assert_non_null(strstr(err.msg, "is not a folder"));
    snprintf(path, sizeof path, "%s", path_of("file/below"));
    assert_int_equal(meta_sqlite_open(&options, &m, &err), ERR_BACKEND);
    snprintf(path, sizeof path, "%s", path_of("no/such/folder"));
    assert_int_equal(meta_sqlite_open(&options, &m, &err), ERR_BACKEND);
    assert_non_null(strstr(err.msg, "no/such/folder"));
    maker->destroy(maker);
}

/* Every byte of the header that matters, damaged one at a time. */
static void test_damaged_header(void **state) {
    (void)state;
    static const struct {
        off_t at;
        const char *bytes;
        size_t n;
    } table[] = {
        {0, "sQLite", 6},         /* magic */
        {16, "\x10\x00", 2},      /* page size */
        {18, "\x07\x07", 2},      /* format versions */
        {20, "\xff", 1},          /* reserved bytes */
        {100, "\x00\x00\x00", 3}, /* the first page's kind */
        {103, "\xff\xff", 2},     /* its cells */
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        maker->create(maker);
        struct meta *m = NULL;
        struct err err;
        OKAY(sqlite_open_with(WAL_BYTES, &m, &err), &err);
        m->ops->close(m);
        sql("PRAGMA wal_checkpoint(TRUNCATE)");
        bytes_put("chronos.db", table[i].at, table[i].bytes, table[i].n);
        enum status st = sqlite_open_with(WAL_BYTES, &m, &err);
        if (st == OK) fail_msg("damage at byte %ld was not seen", (long)table[i].at);
        assert_true(st == ERR_CORRUPT || st == ERR_BACKEND);
        assert_non_null(strstr(err.msg, "chronos.db"));
        assert_int_equal(unlink(path_of("chronos.db")), 0);
        maker->destroy(maker);
    }
}

static void test_cut_off(void **state) {
    (void)state;
    struct world w;
    world_open(&w, maker);
    for (int i = 0; i < 20; i++) group_of(&w, 30);
    world_stop(&w);
    sql("PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(truncate(path_of("chronos.db"), size_of("chronos.db") / 2), 0);
    assert_refused(ERR_CORRUPT, "chronos.db is damaged", "backup");
    assert_int_equal(unlink(path_of("chronos.db")), 0);
    world_close(&w);
}

static void test_other_schemas(void **state) {
    (void)state;
    maker->create(maker);
    struct meta *m;
    struct err err;
    OKAY(sqlite_open_with(WAL_BYTES, &m, &err), &err);
    m->ops->close(m);
    sql("PRAGMA user_version = 99");
    assert_refused(ERR_BACKEND, "newer", "start that version");
    sql("PRAGMA user_version = 1; PRAGMA application_id = 77");
    assert_refused(ERR_BACKEND, "another program", "another data folder");
    sql("PRAGMA application_id = 1130910323; DROP TABLE queue");
    assert_refused(ERR_CORRUPT, "tables are missing", "backup");
    sql("PRAGMA user_version = 0");
    struct meta *none = NULL;
    assert_true(sqlite_open_with(WAL_BYTES, &none, &err) != OK); /* a step that cannot be taken */
    assert_null(none);
    maker->destroy(maker);
}

/* A folder without write access, as somebody who is not root. */
static int read_only_child(void) {
    struct meta *m = NULL;
    struct err err = {OK, ""};
    if (geteuid() == 0 &&
        (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)) {
        return 1;
    }
    if (sqlite_open_with(WAL_BYTES, &m, &err) != ERR_BACKEND) return 2;
    return strstr(err.msg, "write access") != NULL ? 0 : 3;
}

static void test_read_only(void **state) {
    (void)state;
    struct world w;
    world_open(&w, maker);
    world_stop(&w);
    assert_int_equal(chmod(sqlite_folder(), 0555), 0);
    assert_int_equal(unlink(path_of("chronos.lock")), 0);
    in_child(read_only_child);
    assert_int_equal(chmod(sqlite_folder(), 0777), 0);
    assert_int_equal(chmod(path_of("chronos.db"), 0444), 0);
    in_child(read_only_child);
    (void)unlink(path_of("chronos.lock")); /* the child's */
    world_close(&w);
}

/* The log. */

struct reading {
    struct world *w;
    atomic_bool over;
};

static void *reading_main(void *arg) {
    struct reading *r = arg;
    struct err err;
    struct meta_session *s = r->w->meta->ops->session_new(r->w->meta, &err);
    struct version *v;
    struct str id = STR("item1");
    while (s != NULL && !r->over) {
        if (r->w->meta->ops->heads(s, &r->w->colls[0], &id, 1, true, &v, &err) != OK) break;
        version_unref(v);
    }
    bool good = r->over;
    if (s != NULL) r->w->meta->ops->session_free(s);
    return good ? r : NULL;
}

/* Writes without a pause, reads without a pause: the log keeps its length. */
static void test_log_is_bounded(void **state) {
    (void)state;
    struct world w;
    world_open(&w, maker);
    struct reading r = {.w = &w};
    pthread_t threads[2];
    int64_t checkpoints = metric_get(METRIC_CHECKPOINTS), longest = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, reading_main, &r), 0);
    }
    while (w.count < 3000) {
        group_of(&w, 30);
        if (size_of("chronos.db-wal") > longest) longest = size_of("chronos.db-wal");
    }
    r.over = true;
    for (int i = 0; i < 2; i++) {
        void *good;
        pthread_join(threads[i], &good);
        assert_non_null(good);
    }
    assert_true(longest <= 6 * WAL_BYTES);
    assert_true(size_of("chronos.db") > longest);
    assert_true(metric_get(METRIC_CHECKPOINTS) - checkpoints >= 4);
    w.meta->ops->tick(w.meta);
    struct meta_health h;
    OKAY(w.meta->ops->health(w.session, &w.arena, &h, &w.err), &w.err);
    assert_true(h.log_bytes <= WAL_BYTES);
    world_close(&w);
}

static void test_one_sync_per_group(void **state) {
    (void)state;
    struct world w;
    struct err err;
    maker->create(maker);
    w = (struct world){.maker = maker, .random = 12345};
    arena_init(&w.arena);
    OKAY(sqlite_open_with(64 << 20, &w.meta, &err), &err);
    OKAY(w.meta->ops->coll(w.meta, STR("d"), STR("c"), true, &w.colls[0], &err), &err);
    w.session = w.meta->ops->session_new(w.meta, &err);
    for (int i = 1; i < WORLD_COLLS; i++) w.colls[i] = w.colls[0];
    int64_t before = metric_get(METRIC_FSYNCS), commits = metric_get(METRIC_COMMITS);
    for (int i = 0; i < 50; i++) {
        struct intent in = {.kind = INTENT_CREATE, .doc_seed = 1, .doc_bytes = 1000};
        in.id_bytes = (size_t)snprintf(in.id, sizeof in.id, "i%d", i);
        OKAY(world_commit(&w, &in, 1), &w.err);
    }
    assert_int_equal(metric_get(METRIC_COMMITS) - commits, 50);
    assert_int_equal(metric_get(METRIC_FSYNCS) - before, 50);
    world_close(&w);
}

/* Held and failing syncs. */

static void *commit_main(void *arg) {
    struct world *w = arg;
    struct intent in = {.kind = INTENT_CREATE, .doc_seed = 2, .doc_bytes = 10};
    in.id_bytes = (size_t)snprintf(in.id, sizeof in.id, "held");
    enum status st = world_commit(w, &in, 1);
    return (void *)(intptr_t)st;
}

/* While the sync is held back nothing is acknowledged, nothing is seen, and reads go on. */
static void test_held_sync(void **state) {
    (void)state;
    struct world w;
    struct err err;
    world_open(&w, maker); /* and nothing written, so that no checkpoint takes the hold */
    OKAY(fault_arm(STR("file-fsync"), STR("hold"), 1, false, &err), &err);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, commit_main, &w), 0);
    int64_t until = clock_mono_us() + 10000000;
    while (fault_passes(FAULT_FILE_FSYNC) == 0) assert_true(clock_mono_us() < until);
    struct str id = STR("held");
    for (int i = 0; i < 100; i++) {
        struct version *v = NULL;
        OKAY(w.meta->ops->heads(w.session, &w.colls[0], &id, 1, true, &v, &err), &err);
        assert_null(v);
        struct meta_totals t;
        OKAY(w.meta->ops->totals(w.session, &w.colls[0], &t, &err), &err);
    }
    assert_int_equal(pthread_tryjoin_np(thread, NULL), EBUSY);
    fault_disarm_all();
    void *st;
    pthread_join(thread, &st);
    assert_int_equal((intptr_t)st, OK);
    world_check(&w);
    world_close(&w);
}

/* Syncs that fail for long: unknown, then refused; then all is well, and nothing of it was kept. */
static void test_syncs_that_fail(void **state) {
    (void)state;
    struct world w;
    struct err err;
    world_open(&w, maker);
    group_of(&w, 3);
    struct intent in[4];
    world_intents(&w, in, 4);
    OKAY(fault_arm(STR("file-fsync"), STR("fail"), 1, true, &err), &err);
    assert_int_equal(world_commit(&w, in, 4), ERR_TIMEDOUT);
    assert_non_null(strstr(w.err.msg, "unknown"));
    for (int i = 0; i < 3; i++) assert_int_equal(world_commit(&w, in, 4), ERR_TRYAGAIN);
    struct meta_health h;
    OKAY(w.meta->ops->health(w.session, &w.arena, &h, &w.err), &w.err);
    assert_false(h.writable);
    assert_non_null(h.detail.p);
    world_check(&w);
    fault_disarm_all();
    group_of(&w, 10);
    OKAY(w.meta->ops->health(w.session, &w.arena, &h, &w.err), &w.err);
    assert_true(h.writable);
    world_check(&w);
    world_reopen(&w);
    world_check(&w);
    world_close(&w);
}

/* A full disk. */

/* Writes until there is no room; reads go on; with room again, writes too. 0: as it should be. */
static int fill_and_recover(struct world *w, bool (*make_room)(void)) {
    enum status st = OK;
    struct intent in[20];
    int groups = 0;
    for (; st == OK && groups < 2000; groups++) {
        world_intents(w, in, 20);
        for (int i = 0; i < 20; i++) in[i].doc_bytes = 3000;
        st = world_commit(w, in, 20);
    }
    if (st != ERR_TRYAGAIN || w->err.msg[0] == '\0') return 10;
    world_check_some(w, 10);
    for (int i = 0; i < 3; i++) {
        if (world_commit(w, in, 20) != ERR_TRYAGAIN) return 11;
    }
    if (!make_room()) return 12;
    int64_t until = clock_mono_us() + 10000000;
    do {
        w->meta->ops->tick(w->meta);
        world_intents(w, in, 20);
        st = world_commit(w, in, 20);
        if (clock_mono_us() > until) return 13;
    } while (st != OK);
    world_check(w);
    return 0;
}

static bool limit_lift(void) {
    struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    return setrlimit(RLIMIT_FSIZE, &none) == 0;
}

static int limited_child(void) {
    struct world w = {.maker = maker, .random = 4711};
    arena_init(&w.arena);
    if (world_try_start(&w) != OK) return 1;
    world_adopt(&w);
    struct rlimit limit = {3 << 20, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
    int result = fill_and_recover(&w, limit_lift);
    world_stop(&w);
    return result;
}

static void test_file_size_limit(void **state) {
    (void)state;
    struct world w;
    world_open(&w, maker);
    group_of(&w, 30);
    world_stop(&w);
    in_child(limited_child);
    OKAY(world_try_start(&w), &w.err);
    world_adopt(&w);
    world_check(&w);
    world_close(&w);
}

static char ballast[256];
static bool ballast_drop(void) {
    return unlink(ballast) == 0;
}

/* A file system of 6 MiB of its own, half of it taken. Where nobody may mount: nothing to do. */
static int small_disk_child(void) {
    if (unshare(CLONE_NEWNS) != 0) return 0;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return 0;
    if (mount("tmpfs", sqlite_folder(), "tmpfs", 0, "size=6m") != 0) return 0;
    snprintf(ballast, sizeof ballast, "%s", path_of("ballast"));
    static char taken[1 << 20];
    for (int i = 0; i < 3; i++) bytes_put("ballast", (off_t)i << 20, taken, sizeof taken);
    struct world w = {.maker = maker, .random = 4711};
    arena_init(&w.arena);
    if (world_try_start(&w) != OK) return 1;
    int result = fill_and_recover(&w, ballast_drop);
    if (result == 0) {
        world_reopen(&w);
        world_check(&w);
    }
    world_stop(&w);
    /* Read-only from here on: refused, with words. */
    struct meta *m = NULL;
    struct err err = {OK, ""};
    if (mount(NULL, sqlite_folder(), NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0) {
        if (sqlite_open_with(WAL_BYTES, &m, &err) != ERR_BACKEND) return 20;
        if (strstr(err.msg, "write access") == NULL) return 21;
    }
    (void)umount2(sqlite_folder(), MNT_DETACH);
    return result;
}

static void test_small_disk(void **state) {
    (void)state;
    maker->create(maker);
    in_child(small_disk_child);
    maker->destroy(maker);
}

int sqlite_own(struct meta_maker *m) {
    maker = m;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_lock_of_the_dead),
        cmocka_unit_test(test_not_a_database),
        cmocka_unit_test(test_not_a_folder),
        cmocka_unit_test(test_damaged_header),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_other_schemas),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_log_is_bounded),
        cmocka_unit_test(test_one_sync_per_group),
        cmocka_unit_test(test_held_sync),
        cmocka_unit_test(test_syncs_that_fail),
        cmocka_unit_test(test_file_size_limit),
        cmocka_unit_test(test_small_disk),
    };
    return cmocka_run_group_tests_name("meta_sqlite", tests, NULL, NULL);
}
