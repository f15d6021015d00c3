/*
 * config: the settings. One row per setting in the table of config/settings.c gives its JSON path,
 * type, range, default, text and Redis alias; from it come parsing, errors, CONFIG GET/SET,
 * --print-config, conf/chronos.json and docs/SETTINGS.md.
 *
 * A `struct config` is immutable once published and counted: a change makes a copy, checks it
 * whole, and the reactor swaps the pointer; batches in flight keep the one they started with. Any
 * thread may read one it holds a reference to.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum payload_ack { ACK_METADATA, ACK_STORAGE };
enum debug_allowed { DEBUG_NO, DEBUG_LOCAL, DEBUG_YES };

struct config_collection { /* collectionMaps.<name> */
    struct str name;
    struct str *hidden_fields; /* paths that reads leave out unless HIDDEN is given */
    int hidden_count;
    struct str *required; /* validation.requiredIndexed: paths that must have a value */
    int required_count;
    struct str *indexed; /* indexedProps */
    int indexed_count;
};

struct config {
    atomic_int refs;
    struct arena arena; /* every string below */
    struct str file;    /* the file that was read, as an absolute path; STR_NONE: none */
    uint64_t changed;   /* settings that CONFIG SET changed, a bit for each row of the table */

    /* server */
    struct str bind;         /* addresses, separated by blanks */
    int64_t port;            /* 0: no TCP */
    struct str unixsocket;   /* path; empty: none */
    int64_t unixsocket_perm; /* octal text in the file, e.g. "700" */
    int64_t tcp_backlog, tcp_keepalive_s;
    bool protected_mode;
    struct str password; /* server.password (secret): empty: none */
    struct str route;    /* server.route: database of connections that chose none */
    int64_t workers;
    enum debug_allowed debug;
    struct str faults;    /* server.faults: fault points armed at start; needs server.debug */
    struct str log_level; /* debug info warn error off */
    struct str log_file;  /* empty: stderr */

    /* server.limits */
    int64_t clients_max;
    int64_t query_buffer_bytes, bulk_bytes, args_max, inline_bytes;
    int64_t output_buffer_bytes;
    int64_t idle_s;         /* 0: never */
    int64_t batch_requests; /* requests in one batch */
    int64_t queued_writes;  /* writes waiting for their group; above it TRYAGAIN */
    int64_t group_writes, group_bytes;
    int64_t commit_wait_ms;  /* longest a write waits for its commit before TIMEDOUT or TRYAGAIN */
    int64_t history_entries; /* HISTORY's COUNT at most */
    int64_t shutdown_ms;

    /* localStorage */
    bool local_enabled;
    struct str base_path;
    int64_t sqlite_cache_bytes, sqlite_wal_bytes;

    /* payload, cache, opId, others */
    int64_t inline_max_bytes;
    enum payload_ack ack;
    int64_t cache_bytes;
    int64_t op_keep_hours;
    bool skip_unchanged;
    struct config_collection *collections;
    int collection_count;
};

/* Reads a file (NULL: none) and the command line's settings over it. Every fault is a line "path:
 * what was expected" in `faults`, all of them, not the first only. On success the caller owns a
 * reference. */
struct config_arg { /* --server.port 7400 */
    struct str path, value;
};
MUST_CHECK enum status config_load(const char *file, const struct config_arg *args, int arg_count,
                                   struct config **ret, struct buf *faults, struct err *err);
struct config *config_ref(const struct config *c);
void config_unref(const struct config *c); /* NULL-safe */

const struct config_collection *config_collection(const struct config *c,
                                                  struct str name); /* NULL: none */

/* The sample file: JSON of every setting with its default or present value; secrets masked. */
void config_print(const struct config *c, struct buf *out);
/* docs/SETTINGS.md */
void config_print_markdown(struct buf *out);

/* CONFIG GET: calls fn for every setting whose path or Redis alias matches one of the globs, each
 * name once. */
void config_get(const struct config *c, const struct str *globs, int count,
                void (*fn)(void *arg, struct str name, struct str value), void *arg);
/* CONFIG SET: a new config with all the pairs applied, or an error in Redis's words and nothing
 * changed. */
MUST_CHECK enum status config_set(const struct config *c, const struct str *names_values, int pairs,
                                  struct config **ret, struct err *err);
/* CONFIG REWRITE: writes the changed settings into the file, keeping what else stands there; whole
 * or not at all. */
MUST_CHECK enum status config_rewrite(const struct config *c, struct err *err);

#endif
