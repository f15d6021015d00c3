/* Proves that the filesystem payload store passes the conformance suite, that no link leads out of
 * its root, and that bad folders, full disks and left-over files are dealt with. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/metrics.h"
#include "conformance/blob_suite.h"
#include "conformance/cmocka_all.h"
#include "conformance/place.h"

static char folder[128];

static const char *path_of(const char *name) {
    static char path[4][384];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void place_create(struct blob_maker *m) {
    (void)m;
    place_make(folder, sizeof folder);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void place_destroy(struct blob_maker *m) {
    (void)m;
    assert_int_equal(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static enum status place_open(struct blob_maker *m, struct blob_store **ret, struct err *err) {
    (void)m;
    return blob_fs_open(folder, ret, err);
}

static int entries_of(const char *path) {
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int n = 0;
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) n += d->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void place_check(struct blob_maker *m) {
    (void)m;
    assert_int_equal(entries_of(path_of("json/.tmp")), 0);
    assert_int_equal(entries_of(path_of("content/.tmp")), 0);
    assert_int_equal(entries_of(path_of("backups/.tmp")), 0);
}

static void file_write(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

struct fixture {
    struct blob_store *b;
    struct arena arena;
    struct err err;
};

static void fixture_open(struct fixture *f) {
    place_create(NULL);
    arena_init(&f->arena);
    if (blob_fs_open(folder, &f->b, &f->err) != OK) fail_msg("%s", f->err.msg);
}

static void fixture_close(struct fixture *f) {
    f->b->ops->close(f->b);
    arena_release(&f->arena);
    place_destroy(NULL);
}

static enum status put(struct fixture *f, const char *key, const char *data) {
    return f->b->ops->put(f->b, BLOB_JSON, str_of(key), str_of(data), NULL, 0, &f->err);
}

static enum status get(struct fixture *f, const char *key, struct str *ret) {
    return f->b->ops->get(f->b, BLOB_JSON, str_of(key), 1 << 20, &f->arena, ret, &f->err);
}

static void test_links(void **state) {
    (void)state;
    struct fixture f;
    struct str got = STR_NONE;
    fixture_open(&f);
    assert_int_equal(mkdir(path_of("outside"), 0700), 0);
    file_write(path_of("outside/secret"), "secret");
    assert_int_equal(mkdir(path_of("json/in"), 0700), 0);
    assert_int_equal(symlink(path_of("outside"), path_of("json/link")), 0);
    assert_int_equal(symlink(path_of("outside/secret"), path_of("json/in/leaf")), 0);
    assert_int_equal(symlink("../..", path_of("json/in/up")), 0);
    static const char *const keys[] = {"link/secret", "in/leaf", "in/up/outside/secret", "link"};
    for (int i = 0; i < 4; i++) {
        enum status st = get(&f, keys[i], &got);
        assert_true(st == ERR_NOTFOUND || st == ERR_BACKEND);
        assert_null(got.p);
    }
    static const char *const puts[] = {"link/new", "in/up/new", "link/deep/new", "in/leaf", "link"};
    for (int i = 0; i < 5; i++) {
        enum status st = put(&f, puts[i], "x");
        assert_true(st == ERR_VALIDATION || st == ERR_BACKEND);
    }
    assert_int_equal(entries_of(path_of("outside")), 1);
    assert_int_equal(f.b->ops->remove(f.b, BLOB_JSON, STR("link/secret"), &f.err), ERR_NOTFOUND);
    struct blob_listing l = {.prefix = STR(""), .limit = 10};
    struct blob_info page[10];
    int count = -1;
    assert_int_equal(f.b->ops->list(f.b, BLOB_JSON, &l, &f.arena, page, &count, &f.err), OK);
    assert_int_equal(count, 0);
    fixture_close(&f);
}

static void test_key_above_and_beneath(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    assert_int_equal(put(&f, "a/b", "x"), OK);
    assert_int_equal(put(&f, "a", "x"), ERR_VALIDATION);
    assert_int_equal(put(&f, "a/b/c", "x"), ERR_VALIDATION);
    struct str got;
    assert_int_equal(get(&f, "a/b/c", &got), ERR_NOTFOUND);
    assert_int_equal(get(&f, "a", &got), ERR_NOTFOUND);
    place_check(NULL);
    fixture_close(&f);
}

/* Files of a process that died are removed; not those of one that lives. */
static void test_left_over(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    file_write(path_of("json/.tmp/left"), "x");
    struct blob_store *second;
    assert_int_equal(blob_fs_open(folder, &second, &f.err), OK);
    assert_int_equal(entries_of(path_of("json/.tmp")), 1);
    second->ops->close(second);
    f.b->ops->close(f.b);
    assert_int_equal(blob_fs_open(folder, &f.b, &f.err), OK);
    place_check(NULL);
    fixture_close(&f);
}

static void test_empty_folders_go(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    assert_int_equal(put(&f, "a/b/c/d", "x"), OK);
    assert_int_equal(put(&f, "a/e", "x"), OK);
    assert_int_equal(f.b->ops->remove(f.b, BLOB_JSON, STR("a/b/c/d"), &f.err), OK);
    assert_int_equal(access(path_of("json/a/b"), F_OK), -1);
    assert_int_equal(access(path_of("json/a/e"), F_OK), 0);
    fixture_close(&f);
}

/* One for the file, one per new folder's parent, one for the file's folder. */
static void test_syncs(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    int64_t before = metric_get(METRIC_FSYNCS);
    assert_int_equal(put(&f, "a/b/c", "x"), OK);
    assert_int_equal(metric_get(METRIC_FSYNCS) - before, 4);
    before = metric_get(METRIC_FSYNCS);
    assert_int_equal(put(&f, "a/b/d", "x"), OK);
    assert_int_equal(metric_get(METRIC_FSYNCS) - before, 2);
    fixture_close(&f);
}

static void test_metadata(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    const struct blob_pair meta[] = {{STR("ov"), STR("3")}, {STR("actor"), STR("me")}};
    assert_int_equal(f.b->ops->put(f.b, BLOB_JSON, STR("m"), STR("x"), meta, 2, &f.err), OK);
    char text[100];
    ssize_t n = getxattr(path_of("json/m"), "user.chronos", text, sizeof text);
    if (n < 0) {
        assert_int_equal(errno, ENOTSUP); /* this file system has none: nothing to see */
    } else {
        assert_true(str_eq((struct str){text, (size_t)n}, STR("ov=3\nactor=me\n")));
    }
    fixture_close(&f);
}

static void assert_refused(const char *what) {
    struct blob_store *b = NULL;
    struct err err = {OK, ""};
    enum status st = blob_fs_open(folder, &b, &err);
    assert_int_equal(st, ERR_BACKEND);
    assert_null(b);
    if (strstr(err.msg, what) == NULL) fail_msg("'%s' does not name %s", err.msg, what);
}

static void test_bad_folders(void **state) {
    (void)state;
    place_create(NULL);
    file_write(path_of("json"), "a file");
    assert_refused("json");
    assert_int_equal(unlink(path_of("json")), 0);
    assert_int_equal(mkdir(path_of("real"), 0700), 0);
    assert_int_equal(symlink(path_of("real"), path_of("content")), 0);
    assert_refused("content");
    assert_int_equal(entries_of(path_of("real")), 0);
    place_destroy(NULL);
    file_write(folder, "a file");
    assert_refused(folder);
    assert_int_equal(unlink(folder), 0);
    snprintf(folder, sizeof folder, "%s", "/proc/no/such/folder");
    assert_refused(folder);
}

/* A limit on the size of files stands for a full disk: in a child, which alone has it. */
static int full_disk(void) {
    struct fixture f;
    struct str got;
    char big[4096];
    arena_init(&f.arena);
    memset(big, 'b', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    if (blob_fs_open(folder, &f.b, &f.err) != OK) return 1;
    if (put(&f, "before", "x") != OK) return 2;
    struct rlimit limit = {1000, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 3;
    if (put(&f, "big", big) != ERR_TRYAGAIN || strstr(f.err.msg, "disk full") == NULL) return 4;
    if (get(&f, "before", &got) != OK || get(&f, "big", &got) != ERR_NOTFOUND) return 5;
    if (put(&f, "small", "x") != OK) return 6;
    if (setrlimit(RLIMIT_FSIZE, &none) != 0) return 7;
    if (put(&f, "big", big) != OK || get(&f, "big", &got) != OK) return 8;
    f.b->ops->close(f.b);
    arena_release(&f.arena);
    return 0;
}

static void test_full_disk(void **state) {
    (void)state;
    place_create(NULL);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(full_disk());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    place_check(NULL);
    place_destroy(NULL);
}

int main(void) {
    static const char *const points[] = {"blob-temp",   "blob-write",   "blob-fsync",
                                         "blob-rename", "blob-dirsync", NULL};
    struct blob_maker maker = {.name = "filesystem",
                               .create = place_create,
                               .destroy = place_destroy,
                               .open = place_open,
                               .check = place_check,
                               .fault_points = points};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),       cmocka_unit_test(test_key_above_and_beneath),
        cmocka_unit_test(test_left_over),   cmocka_unit_test(test_empty_folders_go),
        cmocka_unit_test(test_syncs),       cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_bad_folders), cmocka_unit_test(test_full_disk),
    };
    return blob_suite_run(&maker) + cmocka_run_group_tests_name("blob_fs", tests, NULL, NULL);
}
