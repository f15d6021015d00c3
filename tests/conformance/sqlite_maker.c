/* Places for embedded stores: a temporary folder each; when one is given up, SQLite itself checks
 * the whole file. */
#include <dirent.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "conformance/cmocka_all.h"
#include "conformance/place.h"
#include "conformance/sqlite_own.h"

static char folder[128];

const char *sqlite_folder(void) {
    return folder;
}

static void place_create(struct meta_maker *maker) {
    (void)maker;
    place_make(folder, sizeof folder);
}

static int integrity_line(void *arg, int count, char **values, char **names) {
    (void)count, (void)names;
    if (strcmp(values[0], "ok") != 0) {
        fprintf(stderr, "integrity: %s\n", values[0]);
        ++*(int *)arg;
    }
    return 0;
}

/* Every page, every index against its table. */
static void place_check(void) {
    char path[256];
    snprintf(path, sizeof path, "%s/chronos.db", folder);
    if (access(path, F_OK) != 0) return;
    sqlite3 *db;
    int faults = 0;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA integrity_check", integrity_line, &faults, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(faults, 0);
}

static void place_destroy(struct meta_maker *maker) {
    (void)maker;
    place_check();
    DIR *dir = opendir(folder);
    for (struct dirent *d = dir ? readdir(dir) : NULL; d != NULL; d = readdir(dir)) {
        if (d->d_name[0] != '.') (void)unlinkat(dirfd(dir), d->d_name, 0);
    }
    if (dir != NULL) closedir(dir);
    (void)rmdir(folder);
}

enum status sqlite_open_with(int64_t wal_bytes, struct meta **ret, struct err *err) {
    struct meta_sqlite_options options = {
        .dir = folder,
        .cache_bytes = 1 << 20,
        .wal_bytes = wal_bytes,
        .op_keep_ms = 86400000,
        .index_entries = 16}; /* so that the index is written behind again and again */
    return meta_sqlite_open(&options, ret, err);
}

/* A short log and a small index in memory, so that checkpoints and turns come often. */
static enum status place_open(struct meta_maker *maker, struct meta **ret, struct err *err) {
    (void)maker;
    return sqlite_open_with(512 * 1024, ret, err);
}

struct meta_maker *sqlite_maker(void) {
    static const char *const points[] = {"sqlite-step", "sqlite-read", "file-write", "file-fsync",
                                         "checkpoint",  "malloc",      NULL};
    static struct meta_maker maker = {.name = "sqlite",
                                      .create = place_create,
                                      .destroy = place_destroy,
                                      .open = place_open,
                                      .fault_points = points};
    return &maker;
}
