/*
 * The filesystem payload store: one file per object.
 *
 *   basePath/json|content|backups/<key>     objects
 *   basePath/<bucket>/.tmp/                 files being written; emptied at open
 *
 *   put:  temporary file -> write -> fsync -> rename (never over anything) -> fsync of the folder
 *         `--------- a failure here: TRYAGAIN, nothing stored ---------'  `- here: TIMEDOUT
 *
 * An object is never changed, and a failure never deletes one. What is found at its place answers
 * EXISTS, after it was synced, so that "it is there" is as durable as "it was stored".
 *
 * Object metadata goes into the extended attribute user.chronos as lines "name=value", where the
 * file system has such attributes; the metadata store is the authority for all of it, so a file
 * system without them is no error.
 *
 * A process holds a shared lock on every .tmp; one that can have it alone empties it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/metrics.h"
#include "store/blob_fs.h"
#include "store/digest.h"

enum { META_BYTES = 2048, PUT_TRIES = 16, TEMP_BYTES = 64 };

const char *const fs_bucket_names[BUCKETS] = {
    [BLOB_JSON] = "json", [BLOB_CONTENT] = "content", [BLOB_BACKUPS] = "backups"};

/* What a fault point answers: true and errno where the real thing would fail. */
static bool fault_fails(enum fault_point point) {
    switch (fault_hit(point)) {
    case FAULT_FAIL:
        errno = EIO;
        return true;
    case FAULT_FULL:
        errno = ENOSPC;
        return true;
    default:
        return false;
    }
}

/* Putting. */

static bool write_all(int fd, struct str data) {
    do {
        if (fault_fails(FAULT_BLOB_WRITE)) return false;
        size_t n = data.n < (1 << 20) ? data.n : 1 << 20;
        ssize_t done = write(fd, data.p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return false;
        data = (struct str){data.p + done, data.n - (size_t)done};
    } while (data.n > 0);
    return true;
}

static void attribute_write(int fd, const struct blob_pair *meta, int meta_count) {
    char text[META_BYTES];
    size_t n = 0;
    for (int i = 0; i < meta_count; i++) {
        int more = snprintf(text + n, sizeof text - n, "%.*s=%.*s\n", STR_FMT(meta[i].name),
                            STR_FMT(meta[i].value));
        if (more < 0 || n + (size_t)more >= sizeof text) break;
        n += (size_t)more;
    }
    if (n > 0) (void)fsetxattr(fd, "user.chronos", text, n, 0);
}

static bool file_sync(int fd) {
    if (fault_fails(FAULT_BLOB_FSYNC)) return false;
    metric_add(METRIC_FSYNCS, 1);
    return fsync(fd) == 0;
}

/* A durable file with a temporary name. */
static bool temp_write(struct fs_store *f, enum blob_bucket bucket, struct str data,
                       const struct blob_pair *meta, int meta_count, char ret_name[TEMP_BYTES]) {
    int tmp = f->buckets[bucket].tmp;
    snprintf(ret_name, TEMP_BYTES, "%016llx", (unsigned long long)f->temp++);
    int fd = openat(tmp, ret_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0) return false;
    bool good = !fault_fails(FAULT_BLOB_TEMP) && write_all(fd, data);
    if (good) attribute_write(fd, meta, meta_count);
    good = good && file_sync(fd);
    int number = errno;
    if (close(fd) != 0 && good) {
        number = errno;
        good = false;
    }
    if (!good) (void)unlinkat(tmp, ret_name, 0);
    errno = number;
    return good;
}

/* Gives the temporary file its name. EEXIST when something has it. */
static bool temp_rename(int tmp, const char *temp, int parent, const char *leaf) {
    if (fault_fails(FAULT_BLOB_RENAME)) return false;
    if (renameat2(tmp, temp, parent, leaf, RENAME_NOREPLACE) == 0) return true;
    if (errno != EINVAL && errno != ENOSYS) return false;
    /* A file system without that flag: a second name, then away with the first. */
    if (linkat(tmp, temp, parent, leaf, 0) != 0) return false;
    (void)unlinkat(tmp, temp, 0);
    return true;
}

/* Something stands where the object should go. An object is synced before anybody builds on it. */
static enum status put_exists(struct fs_store *f, enum blob_bucket bucket, struct str key,
                              int parent, const char *leaf, struct err *err) {
    int fd = openat(parent, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return fs_fail(f, "read", bucket, key, err);
    struct stat st;
    bool good = fstat(fd, &st) == 0;
    if (good && !S_ISREG(st.st_mode)) {
        good = false;
        errno = EISDIR;
    }
    good = good && file_sync(fd) && fs_dir_sync(parent) && fs_parents_durable(f, bucket, key);
    enum status result =
        good ? err_set(err, ERR_EXISTS, "the object %.*s is there already", STR_FMT(key))
             : fs_fail(f, "sync", bucket, key, err);
    close(fd);
    return result;
}

/* From the temporary file to the object. *ret_again: the folder went away meanwhile. */
static enum status put_place(struct fs_store *f, enum blob_bucket bucket, struct str key,
                             const char *temp, bool *ret_again, struct err *err) {
    int parent;
    char leaf[BLOB_SEGMENT_BYTES + 1];
    *ret_again = false;
    if (!fs_parent_open(f, bucket, key, true, &parent, leaf)) {
        *ret_again = errno == ENOENT;
        return fs_fail(f, "make the folder of", bucket, key, err);
    }
    enum status st = OK;
    if (!temp_rename(f->buckets[bucket].tmp, temp, parent, leaf)) {
        *ret_again = errno == ENOENT;
        st = errno == EEXIST ? put_exists(f, bucket, key, parent, leaf, err)
                             : fs_fail(f, "rename to", bucket, key, err);
    } else if (!fs_dir_sync(parent) || !fs_parents_durable(f, bucket, key)) {
        st = err_set(err, ERR_TIMEDOUT, "%.*s is written, but may not outlast a crash: %s",
                     STR_FMT(key), strerror(errno));
    }
    close(parent);
    return st;
}

static enum status fs_put(struct blob_store *b, enum blob_bucket bucket, struct str key,
                          struct str data, const struct blob_pair *meta, int meta_count,
                          struct err *err) {
    struct fs_store *f = fs_of(b);
    enum status st = fs_key_check(key, err);
    if (st != OK) return st;
    char temp[TEMP_BYTES];
    if (!temp_write(f, bucket, data, meta, meta_count, temp)) {
        return fs_fail(f, "write", bucket, key, err);
    }
    bool again = true;
    struct err why;
    for (int i = 0; again && i < PUT_TRIES; i++) st = put_place(f, bucket, key, temp, &again, &why);
    if (st == OK) {
        metric_add(METRIC_BLOB_PUTS, 1);
        return OK;
    }
    if (st != ERR_TIMEDOUT) (void)unlinkat(f->buckets[bucket].tmp, temp, 0);
    return err_set(err, st, "%s", why.msg);
}

/* Reading. */

/* Opens an object; errno ENOENT when there is none. */
static int object_open(struct fs_store *f, enum blob_bucket bucket, struct str key,
                       struct stat *ret) {
    int parent;
    char leaf[BLOB_SEGMENT_BYTES + 1];
    if (!fs_parent_open(f, bucket, key, false, &parent, leaf)) {
        if (errno == ENOTDIR) errno = ENOENT;
        return -1;
    }
    int fd = openat(parent, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int number = errno;
    close(parent);
    errno = number;
    if (fd < 0) return -1;
    bool good = fstat(fd, ret) == 0;
    number = errno;
    if (good && S_ISREG(ret->st_mode)) return fd;
    close(fd);
    errno = good ? ENOENT : number;
    return -1;
}

static enum status object_fail(struct fs_store *f, enum blob_bucket bucket, struct str key,
                               struct err *err) {
    if (errno != ENOENT) return fs_fail(f, "read", bucket, key, err);
    return err_set(err, ERR_NOTFOUND, "there is no object %.*s in %s", STR_FMT(key),
                   fs_bucket_names[bucket]);
}

/* As many bytes as the file has said it has. */
static bool read_all(int fd, char *to, size_t n) {
    while (n > 0) {
        ssize_t done = read(fd, to, n);
        if (done < 0 && errno == EINTR) continue;
        if (done == 0) errno = EIO;
        if (done <= 0) return false;
        to += done;
        n -= (size_t)done;
    }
    return true;
}

static enum status fs_get(struct blob_store *b, enum blob_bucket bucket, struct str key, size_t max,
                          struct arena *arena, struct str *ret, struct err *err) {
    struct fs_store *f = fs_of(b);
    enum status st = fs_key_check(key, err);
    if (st != OK) return st;
    struct stat info;
    int fd = object_open(f, bucket, key, &info);
    if (fd < 0) return object_fail(f, bucket, key, err);
    size_t n = (size_t)info.st_size;
    if (n > max) {
        st = err_set(err, ERR_TOOLARGE, "the object %.*s has %zu bytes, more than %zu",
                     STR_FMT(key), n, max);
    } else {
        char *data = arena_alloc(arena, n == 0 ? 1 : n);
        if (read_all(fd, data, n)) {
            *ret = (struct str){data, n};
            metric_add(METRIC_BLOB_GETS, 1);
        } else {
            st = object_fail(f, bucket, key, err);
        }
    }
    close(fd);
    return st;
}

static enum status fs_head(struct blob_store *b, enum blob_bucket bucket, struct str key,
                           struct blob_info *ret, struct err *err) {
    struct fs_store *f = fs_of(b);
    enum status st = fs_key_check(key, err);
    if (st != OK) return st;
    struct stat info;
    int fd = object_open(f, bucket, key, &info);
    if (fd < 0) return object_fail(f, bucket, key, err);
    close(fd);
    *ret = (struct blob_info){.key = key,
                              .size = info.st_size,
                              .modified_ms = info.st_mtim.tv_sec * INT64_C(1000) +
                                             info.st_mtim.tv_nsec / 1000000};
    return OK;
}

static enum status fs_remove(struct blob_store *b, enum blob_bucket bucket, struct str key,
                             struct err *err) {
    struct fs_store *f = fs_of(b);
    enum status st = fs_key_check(key, err);
    if (st != OK) return st;
    int parent;
    char leaf[BLOB_SEGMENT_BYTES + 1];
    if (!fs_parent_open(f, bucket, key, false, &parent, leaf)) {
        if (errno == ENOTDIR) errno = ENOENT;
        return object_fail(f, bucket, key, err);
    }
    if (unlinkat(parent, leaf, 0) != 0) {
        if (errno == EISDIR || errno == EPERM) errno = errno == EISDIR ? ENOENT : EPERM;
        st = object_fail(f, bucket, key, err);
    } else if (!fs_dir_sync(parent)) {
        st = err_set(err, ERR_TIMEDOUT, "%.*s is removed, but may come back after a crash: %s",
                     STR_FMT(key), strerror(errno));
    }
    close(parent);
    if (st == OK) fs_parents_prune(f, bucket, key);
    return st;
}

static enum status fs_presign(struct blob_store *b, enum blob_bucket bucket, struct str key,
                              int64_t ttl_s, struct arena *arena, struct str *ret_url,
                              struct err *err) {
    (void)b, (void)bucket, (void)key, (void)ttl_s, (void)arena, (void)ret_url;
    return err_set(err, ERR_SYNTAX, "the filesystem store has no URLs: configure object storage");
}

static struct str fs_bucket_name(struct blob_store *b, enum blob_bucket bucket) {
    (void)b;
    return str_of(fs_bucket_names[bucket]);
}

static enum status fs_health(struct blob_store *b, int64_t *ret_ping_us, struct err *err) {
    struct fs_store *f = fs_of(b);
    int64_t begin_us = clock_mono_us();
    for (int i = 0; i < BUCKETS; i++) {
        struct stat st;
        if (fstat(f->buckets[i].tmp, &st) != 0 || faccessat(f->buckets[i].tmp, ".", W_OK, 0) != 0) {
            return fs_fail(f, "write", (enum blob_bucket)i, STR(".tmp"), err);
        }
    }
    *ret_ping_us = clock_mono_us() - begin_us;
    return OK;
}

/* Opening and closing. */

static void fs_close(struct blob_store *b) {
    struct fs_store *f = fs_of(b);
    for (int i = 0; i < BUCKETS; i++) {
        if (f->buckets[i].tmp >= 0) close(f->buckets[i].tmp);
        if (f->buckets[i].dir >= 0) close(f->buckets[i].dir);
    }
    pthread_mutex_destroy(&f->make_lock);
    free(f);
}

/* A folder, made where it is missing; -1 and errno. */
static int folder_open(int parent, const char *name) {
    if (mkdirat(parent, name, 0750) != 0 && errno != EEXIST) return -1;
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Removes what an earlier process left behind, unless another one is at work here. */
static void temp_clean(int tmp) {
    int fd = openat(tmp, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL && fd >= 0) close(fd);
    bool alone = flock(tmp, LOCK_EX | LOCK_NB) == 0;
    while (dir != NULL && alone) {
        struct dirent *d = readdir(dir);
        if (d == NULL) break;
        if (d->d_name[0] != '.') (void)unlinkat(tmp, d->d_name, 0);
    }
    if (dir != NULL) closedir(dir);
    (void)flock(tmp, LOCK_SH | LOCK_NB);
}

static bool bucket_open(struct fs_store *f, int base, enum blob_bucket bucket) {
    struct fs_bucket *k = &f->buckets[bucket];
    k->dir = folder_open(base, fs_bucket_names[bucket]);
    if (k->dir < 0) return false;
    k->tmp = folder_open(k->dir, ".tmp");
    if (k->tmp < 0) return false;
    temp_clean(k->tmp);
    /* Whatever an earlier process had renamed or made, but not synced, is durable from here on. */
    return syncfs(k->dir) == 0;
}

static const struct blob_ops fs_ops = {
    .name = "filesystem",
    .put = fs_put,
    .get = fs_get,
    .head = fs_head,
    .remove = fs_remove,
    .list = fs_list,
    .presign = fs_presign,
    .bucket_name = fs_bucket_name,
    .health = fs_health,
    .close = fs_close,
};

static enum status open_fail(const char *path, const char *name, struct err *err) {
    int number = errno;
    const char *todo = "see to it, or name another data folder";
    if (number == ENOTDIR || number == ELOOP) todo = "it must be a folder and no link";
    if (number == EACCES || number == EPERM || number == EROFS) {
        todo = "give the server's user write access";
    }
    return err_set(err, ERR_BACKEND, "cannot open %s/%s: %s: %s", path, name, strerror(number),
                   todo);
}

enum status blob_fs_open(const char *base_path, struct blob_store **ret, struct err *err) {
    if (mkdir(base_path, 0750) != 0 && errno != EEXIST) return open_fail(base_path, "", err);
    int base = open(base_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base < 0) return open_fail(base_path, "", err);
    size_t n = strlen(base_path);
    struct fs_store *f = xcalloc(1, sizeof *f + n + 1);
    memcpy(f + 1, base_path, n);
    f->store.ops = &fs_ops;
    f->base_path = (struct str){(const char *)(f + 1), n};
    uint64_t first;
    digest_random(&first, sizeof first); /* names that no other process gives */
    f->temp = first;
    ASSERT(pthread_mutex_init(&f->make_lock, NULL) == 0);
    for (int i = 0; i < BUCKETS; i++) f->buckets[i] = (struct fs_bucket){.dir = -1, .tmp = -1};
    enum status st = OK;
    for (int i = 0; st == OK && i < BUCKETS; i++) {
        if (!bucket_open(f, base, (enum blob_bucket)i))
            st = open_fail(base_path, fs_bucket_names[i], err);
    }
    close(base);
    if (st == OK) {
        *ret = &f->store;
    } else {
        fs_close(&f->store);
    }
    return st;
}
