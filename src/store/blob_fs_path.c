/*
 * Keys and folders of the filesystem store. A key is walked from its bucket's folder segment by
 * segment, each opened relative to the one before and never through a link, so nothing that lies in
 * the folders, or is put there meanwhile, leads out of the root.
 *
 * A file is durable only when every folder above it is. Whoever makes a folder syncs its parent
 * before it lets go of make_lock; whoever finds a folder takes the lock once before it answers, and
 * so knows that its maker is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/metrics.h"
#include "store/blob_fs.h"

enum { DIR_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

enum status fs_key_check(struct str key, struct err *err) {
    if (key.p == NULL || key.n == 0 || key.n > BLOB_KEY_BYTES) {
        return err_set(err, ERR_VALIDATION, "an object key has 1 to %d bytes, this one %zu",
                       BLOB_KEY_BYTES, key.n);
    }
    size_t begin = 0;
    for (size_t i = 0; i <= key.n; i++) {
        if (i < key.n && key.p[i] != '/') {
            unsigned char c = (unsigned char)key.p[i];
            if (c >= 0x20 && c != 0x7f) continue;
            return err_set(err, ERR_VALIDATION, "an object key has a control character at byte %zu",
                           i);
        }
        if (i == begin || i - begin > BLOB_SEGMENT_BYTES || key.p[begin] == '.') {
            return err_set(err, ERR_VALIDATION,
                           "the part of an object key at byte %zu has not 1 to %d bytes, or begins "
                           "with '.'",
                           begin, BLOB_SEGMENT_BYTES);
        }
        begin = i + 1;
    }
    return OK;
}

void fs_segment(struct str *rest, char ret[BLOB_SEGMENT_BYTES + 1]) {
    ptrdiff_t slash = str_find_char(*rest, '/');
    size_t n = slash < 0 ? rest->n : (size_t)slash, skip = slash < 0 ? n : n + 1;
    ASSERT(n <= BLOB_SEGMENT_BYTES);
    memcpy(ret, rest->p, n);
    ret[n] = '\0';
    *rest = (struct str){rest->p + skip, rest->n - skip};
}

bool fs_dir_sync(int fd) {
    switch (fault_hit(FAULT_BLOB_DIRSYNC)) {
    case FAULT_FAIL:
        errno = EIO;
        return false;
    case FAULT_FULL:
        errno = ENOSPC;
        return false;
    default:
        break;
    }
    metric_add(METRIC_FSYNCS, 1);
    return fsync(fd) == 0;
}

static bool dir_make(struct fs_store *f, int parent, const char *name) {
    pthread_mutex_lock(&f->make_lock);
    bool good = true;
    if (mkdirat(parent, name, 0750) == 0) {
        good = fs_dir_sync(parent);
        if (!good) f->dirs_unsure = true;
    } else {
        good = errno == EEXIST;
    }
    pthread_mutex_unlock(&f->make_lock);
    return good;
}

/* The folder `name` in `parent`, which is closed. */
static int dir_enter(struct fs_store *f, int parent, const char *name, bool make) {
    int fd = openat(parent, name, DIR_FLAGS);
    if (fd < 0 && errno == ENOENT && make && dir_make(f, parent, name)) {
        fd = openat(parent, name, DIR_FLAGS);
    }
    int number = errno;
    close(parent);
    errno = number;
    return fd;
}

bool fs_parent_open(struct fs_store *f, enum blob_bucket bucket, struct str key, bool make,
                    int *ret_fd, char ret_leaf[BLOB_SEGMENT_BYTES + 1]) {
    int fd = openat(f->buckets[bucket].dir, ".", DIR_FLAGS);
    for (fs_segment(&key, ret_leaf); fd >= 0 && key.n > 0; fs_segment(&key, ret_leaf)) {
        fd = dir_enter(f, fd, ret_leaf, make);
    }
    *ret_fd = fd;
    return fd >= 0;
}

bool fs_parents_durable(struct fs_store *f, enum blob_bucket bucket, struct str key) {
    pthread_mutex_lock(&f->make_lock);
    pthread_mutex_unlock(&f->make_lock);
    if (!f->dirs_unsure) return true;
    char name[BLOB_SEGMENT_BYTES + 1];
    int fd = openat(f->buckets[bucket].dir, ".", DIR_FLAGS);
    bool good = fd >= 0 && fs_dir_sync(fd);
    for (fs_segment(&key, name); good && key.n > 0; fs_segment(&key, name)) {
        fd = dir_enter(f, fd, name, false);
        good = fd >= 0 && fs_dir_sync(fd);
    }
    int number = errno;
    if (fd >= 0) close(fd);
    errno = number;
    return good;
}

void fs_parents_prune(struct fs_store *f, enum blob_bucket bucket, struct str key) {
    while (true) {
        while (key.n > 0 && key.p[key.n - 1] != '/') key.n--;
        if (key.n == 0) return;
        key.n--; /* now the path of the folder */
        int parent;
        char name[BLOB_SEGMENT_BYTES + 1];
        if (!fs_parent_open(f, bucket, key, false, &parent, name)) return;
        bool removed = unlinkat(parent, name, AT_REMOVEDIR) == 0;
        close(parent);
        if (!removed) return;
    }
}

enum status fs_fail(struct fs_store *f, const char *what, enum blob_bucket bucket, struct str key,
                    struct err *err) {
    int number = errno;
    const char *name = fs_bucket_names[bucket];
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return err_set(err, ERR_TRYAGAIN, "disk full: no room in %.*s/%s: free space there",
                       STR_FMT(f->base_path), name);
    case EROFS:
    case EACCES:
    case EPERM:
        return err_set(err, ERR_BACKEND,
                       "cannot %s %.*s/%s/%.*s (%s): give the server's user access to it", what,
                       STR_FMT(f->base_path), name, STR_FMT(key), strerror(number));
    case ELOOP:
        return err_set(err, ERR_BACKEND, "%.*s/%s/%.*s is a link: links are not followed",
                       STR_FMT(f->base_path), name, STR_FMT(key));
    case ENOTDIR:
    case EISDIR:
        return err_set(err, ERR_VALIDATION,
                       "the key %.*s lies above or beneath another object in %s, or a link stands "
                       "in its way",
                       STR_FMT(key), name);
    default:
        return err_set(err, ERR_TRYAGAIN, "cannot %s %.*s/%s/%.*s: %s", what, STR_FMT(f->base_path),
                       name, STR_FMT(key), strerror(number));
    }
}
