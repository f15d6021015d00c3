/*
 * blob: what the engine asks of a payload store: immutable objects by bucket and key. blob_fs.c is
 * the filesystem default. Every implementation passes tests/conformance. Any thread (an
 * implementation keeps its own handles). Errors: TRYAGAIN (certainly not stored), TIMEDOUT
 * (unknown), BACKEND, NOTFOUND, EXISTS, VALIDATION (a key outside the grammar).
 */
#ifndef STORE_BLOB_H
#define STORE_BLOB_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct blob_store;

struct blob_pair { /* object metadata: ASCII, 2 KiB in all */
    struct str name, value;
};

struct blob_info {
    struct str key;
    int64_t size;
    int64_t modified_ms;
};

struct blob_listing {
    struct str prefix; /* may be empty */
    struct str after;  /* a key, or any text; STR_NONE begins */
    int limit;
};

enum blob_bucket { BLOB_JSON, BLOB_CONTENT, BLOB_BACKUPS }; /* the store knows their real names */

struct blob_ops {
    const char *name;
    /* Stores an object durably, or nothing. A key is written once: EXISTS when it is there already.
     */
    enum status (*put)(struct blob_store *b, enum blob_bucket bucket, struct str key,
                       struct str data, const struct blob_pair *meta, int meta_count,
                       struct err *err);
    /* The whole object, in the arena. NOTFOUND; TOOLARGE above max bytes. */
    enum status (*get)(struct blob_store *b, enum blob_bucket bucket, struct str key, size_t max,
                       struct arena *arena, struct str *ret, struct err *err);
    enum status (*head)(struct blob_store *b, enum blob_bucket bucket, struct str key,
                        struct blob_info *ret, struct err *err);
    enum status (*remove)(struct blob_store *b, enum blob_bucket bucket, struct str key,
                          struct err *err);
    /* Keys in order of bytes. */
    enum status (*list)(struct blob_store *b, enum blob_bucket bucket,
                        const struct blob_listing *listing, struct arena *arena,
                        struct blob_info *ret, int *ret_count, struct err *err);
    /* A URL that reads the object for ttl_s seconds without credentials. ERR_SYNTAX where the store
     * has none. */
    enum status (*presign)(struct blob_store *b, enum blob_bucket bucket, struct str key,
                           int64_t ttl_s, struct arena *arena, struct str *ret_url,
                           struct err *err);
    /* The name of a bucket as versions record it. */
    struct str (*bucket_name)(struct blob_store *b, enum blob_bucket bucket);
    enum status (*health)(struct blob_store *b, int64_t *ret_ping_us, struct err *err);
    void (*close)(struct blob_store *b);
};

struct blob_store {
    const struct blob_ops *ops;
};

/* The filesystem: basePath/json|content|backups/<key>. Temporary name, fsync, rename without
 * replacing, fsync of the folder and of each new parent. No key leads outside the root, whatever
 * links lie in it. Old temporary files are removed at open. */
MUST_CHECK enum status blob_fs_open(const char *base_path, struct blob_store **ret,
                                    struct err *err);

#endif
