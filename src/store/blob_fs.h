/*
 * What the files of the filesystem payload store share. Nobody else includes this; the store is
 * reached through store/blob.h.
 */
#ifndef STORE_BLOB_FS_H
#define STORE_BLOB_FS_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/blob.h"

enum { BUCKETS = 3, BLOB_KEY_BYTES = 1024, BLOB_SEGMENT_BYTES = 255 };

struct fs_bucket {
    int dir; /* basePath/<bucket> */
    int tmp; /* basePath/<bucket>/.tmp */
};

struct fs_store {
    struct blob_store store; /* first: the engine's handle */
    struct str base_path;
    struct fs_bucket buckets[BUCKETS];
    pthread_mutex_t make_lock; /* held from the making of a folder until it is durable */
    atomic_bool dirs_unsure;   /* the sync of a new folder failed once: put syncs whole paths */
    atomic_uint_fast64_t temp; /* number of the next temporary file */
};

extern const char *const fs_bucket_names[BUCKETS];

static inline struct fs_store *fs_of(struct blob_store *b) {
    return (struct fs_store *)(void *)b;
}

/* blob_fs_path.c: keys and folders. */

/* Segments of 1 to 255 bytes separated by '/', at most 1024 bytes in all; no segment begins with
 * '.', no control characters. So no key names "..", a temporary file or the root.
 * ERR_VALIDATION. */
MUST_CHECK enum status fs_key_check(struct str key, struct err *err);

/* Takes the first segment off *rest, with a NUL behind it. */
void fs_segment(struct str *rest, char ret[BLOB_SEGMENT_BYTES + 1]);

/* The folder that a key lies in, opened segment by segment without following links; the caller
 * closes it. `make`: missing folders are made, durably. *ret_leaf is the last segment. Sets errno:
 * ENOENT, ENOTDIR (something in the way is an object or a link), ... */
bool fs_parent_open(struct fs_store *f, enum blob_bucket bucket, struct str key, bool make,
                    int *ret_fd, char ret_leaf[BLOB_SEGMENT_BYTES + 1]);

/* fsync of a folder, with its fault point. */
bool fs_dir_sync(int fd);
/* Waits for folders that other threads are making, and syncs the whole path where that failed. */
bool fs_parents_durable(struct fs_store *f, enum blob_bucket bucket, struct str key);
/* Removes folders that became empty, from a key's parent upwards. Best effort. */
void fs_parents_prune(struct fs_store *f, enum blob_bucket bucket, struct str key);

/* Words for errno about a key. */
enum status fs_fail(struct fs_store *f, const char *what, enum blob_bucket bucket, struct str key,
                    struct err *err);

/* blob_fs_list.c */
enum status fs_list(struct blob_store *b, enum blob_bucket bucket,
                    const struct blob_listing *listing, struct arena *arena, struct blob_info *ret,
                    int *ret_count, struct err *err);

#endif
