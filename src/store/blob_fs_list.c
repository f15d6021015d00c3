/*
 * Listing of the filesystem store in order of keys. Within a folder, names are compared as the keys
 * that they begin: a subfolder `a` as `a/`, which stands between `a.x` and `a0`. A folder may be
 * large, so its names are taken in slices: the least SLICE names after the last slice's end, kept
 * in a heap while the folder is read once per slice.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/blob_fs.h"

enum { SLICE = 1024 };

struct entry {
    char *name; /* with '/' at the end for a folder; freed by the slice */
    bool folder;
};

struct slice { /* a heap with the greatest name on top, at most SLICE names */
    struct entry entries[SLICE];
    int count;
    bool more; /* names were left out */
};

struct listing {
    struct str prefix, after;
    struct arena *arena;
    struct blob_info *ret;
    int limit, count;
    char path[BLOB_KEY_BYTES + 2 * BLOB_SEGMENT_BYTES]; /* of the folder, with '/' at its end */
    size_t path_bytes;
};

/* The slice. */

static int entry_cmp(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    return strcmp(x->name, y->name); /* by bytes: strcmp compares unsigned */
}

static void sift_down(struct slice *s, int at) {
    while (true) {
        int child = 2 * at + 1, top = at;
        for (int i = child; i < child + 2 && i < s->count; i++) {
            if (entry_cmp(&s->entries[i], &s->entries[top]) > 0) top = i;
        }
        if (top == at) return;
        struct entry e = s->entries[at];
        s->entries[at] = s->entries[top];
        s->entries[top] = e;
        at = top;
    }
}

static void slice_add(struct slice *s, char *name, bool folder) {
    struct entry e = {.name = name, .folder = folder};
    if (s->count < SLICE) {
        s->entries[s->count++] = e;
        if (s->count == SLICE) {
            for (int i = SLICE / 2 - 1; i >= 0; i--) sift_down(s, i);
        }
        return;
    }
    s->more = true;
    if (entry_cmp(&e, &s->entries[0]) >= 0) {
        free(name);
        return;
    }
    free(s->entries[0].name);
    s->entries[0] = e;
    sift_down(s, 0);
}

static void slice_empty(struct slice *s) {
    for (int i = 0; i < s->count; i++) free(s->entries[i].name);
    s->count = 0;
    s->more = false;
}

/* A folder. */

/* Can keys that are `path`, or begin with it (a folder), be among those wanted? */
static bool wanted(const struct listing *l, struct str path, bool folder) {
    size_t n = path.n < l->prefix.n ? path.n : l->prefix.n;
    if (n > 0 && memcmp(path.p, l->prefix.p, n) != 0) return false;
    if (!folder && path.n < l->prefix.n) return false;
    if (l->after.p == NULL) return true;
    if (folder && str_starts_with(l->after, path)) return true;
    return str_cmp(path, l->after) > 0;
}

/* Is it a folder? False in *ret_good for what is neither a folder nor an ordinary file. */
static bool entry_is_folder(int dir, const struct dirent *d, bool *ret_good) {
    unsigned char type = d->d_type;
    if (type == DT_UNKNOWN) {
        struct stat st;
        if (fstatat(dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            *ret_good = false;
            return false;
        }
        type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
    }
    *ret_good = type == DT_DIR || type == DT_REG;
    return type == DT_DIR;
}

/* The name as it counts for the order; NULL when it is not wanted. */
static char *entry_name(const struct listing *l, const char *name, bool folder) {
    size_t n = strlen(name);
    char path[sizeof l->path];
    if (l->path_bytes + n + 1 > sizeof path) return NULL;
    memcpy(path, l->path, l->path_bytes);
    memcpy(path + l->path_bytes, name, n);
    if (folder) path[l->path_bytes + n++] = '/';
    if (!wanted(l, (struct str){path, l->path_bytes + n}, folder)) return NULL;
    char *copy = xmalloc(n + 1);
    memcpy(copy, path + l->path_bytes, n);
    copy[n] = '\0';
    return copy;
}

/* The least names of a folder after `last` (NULL: all). */
static bool slice_read(const struct listing *l, DIR *dir, const char *last, struct slice *s) {
    slice_empty(s);
    rewinddir(dir);
    errno = 0;
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        if (d->d_name[0] == '.') continue;
        bool good;
        bool folder = entry_is_folder(dirfd(dir), d, &good);
        char *name = good ? entry_name(l, d->d_name, folder) : NULL;
        if (name != NULL && last != NULL && strcmp(name, last) <= 0) {
            free(name);
            name = NULL;
        }
        if (name != NULL) slice_add(s, name, folder);
        errno = 0;
    }
    if (errno != 0) return false;
    qsort(s->entries, (size_t)s->count, sizeof s->entries[0], entry_cmp);
    return true;
}

static bool list_folder(struct listing *l, int fd);

/* The entry at the end of the path: a file is an answer, a folder is gone through. */
static bool list_entry(struct listing *l, int dir, const struct entry *e) {
    size_t n = strlen(e->name), before = l->path_bytes;
    if (e->folder) {
        char name[BLOB_SEGMENT_BYTES + 1];
        memcpy(name, e->name, n - 1);
        name[n - 1] = '\0';
        int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) return errno == ENOENT || errno == ENOTDIR;
        memcpy(l->path + before, e->name, n);
        l->path_bytes = before + n;
        bool good = list_folder(l, fd);
        l->path_bytes = before;
        return good;
    }
    struct stat st;
    if (fstatat(dir, e->name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT;
    char *key = arena_alloc(l->arena, before + n);
    memcpy(key, l->path, before);
    memcpy(key + before, e->name, n);
    l->ret[l->count++] = (struct blob_info){.key = {key, before + n},
                                            .size = st.st_size,
                                            .modified_ms = st.st_mtim.tv_sec * INT64_C(1000) +
                                                           st.st_mtim.tv_nsec / 1000000};
    return true;
}

/* Depth is bounded by BLOB_KEY_BYTES / 2, since longer paths are not wanted. Takes over fd. */
static bool list_folder(struct listing *l, int fd) {
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return false;
    }
    struct slice *s = xcalloc(1, sizeof *s);
    char last[BLOB_SEGMENT_BYTES + 2];
    bool good = true, more = true;
    for (bool first = true; good && more && l->count < l->limit; first = false) {
        good = slice_read(l, dir, first ? NULL : last, s);
        more = s->more;
        for (int i = 0; good && i < s->count && l->count < l->limit; i++) {
            good = list_entry(l, dirfd(dir), &s->entries[i]);
        }
        if (s->count == 0) break;
        (void)snprintf(last, sizeof last, "%s", s->entries[s->count - 1].name);
    }
    slice_empty(s);
    free(s);
    closedir(dir);
    return good;
}

enum status fs_list(struct blob_store *b, enum blob_bucket bucket,
                    const struct blob_listing *listing, struct arena *arena, struct blob_info *ret,
                    int *ret_count, struct err *err) {
    struct fs_store *f = fs_of(b);
    struct listing l = {.prefix = listing->prefix,
                        .after = listing->after,
                        .limit = listing->limit,
                        .arena = arena,
                        .ret = ret};
    int fd = openat(f->buckets[bucket].dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || !list_folder(&l, fd)) return fs_fail(f, "list", bucket, listing->prefix, err);
    *ret_count = l.count;
    return OK;
}
