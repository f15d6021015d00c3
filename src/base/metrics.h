/*
 * metrics: counters of the whole process, one array, relaxed atomics. Any thread. The table of
 * names is in metrics.c; INFO and CONFIG RESETSTAT work on it.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

enum metric {
    METRIC_CONNECTIONS,     /* total_connections_received */
    METRIC_REJECTED,        /* rejected_connections */
    METRIC_COMMANDS,        /* total_commands_processed */
    METRIC_NET_IN_BYTES,    /* total_net_input_bytes */
    METRIC_NET_OUT_BYTES,   /* total_net_output_bytes */
    METRIC_ERRORS,          /* total_error_replies */
    METRIC_CACHE_HITS,      /* keyspace_hits */
    METRIC_CACHE_MISSES,    /* keyspace_misses */
    METRIC_REACTOR_REPLIES, /* commands answered by the reactor */
    METRIC_BATCHES,         /* batches handed to workers */
    METRIC_GROUPS,          /* commit groups */
    METRIC_GROUP_WRITES,    /* writes in them */
    METRIC_COMMITS,         /* store transactions committed */
    METRIC_FSYNCS,          /* fsync and fdatasync calls */
    METRIC_VERSIONS,        /* versions written */
    METRIC_CHECKPOINTS,
    METRIC_BLOB_PUTS,
    METRIC_BLOB_GETS,
    METRIC_SLOW_CLIENTS, /* closed by the output-buffer limit */
    METRIC_COUNT
};

extern _Atomic int64_t metrics[METRIC_COUNT];

static inline void metric_add(enum metric m, int64_t n) {
    atomic_fetch_add_explicit(&metrics[m], n, memory_order_relaxed);
}
static inline int64_t metric_get(enum metric m) {
    return atomic_load_explicit(&metrics[m], memory_order_relaxed);
}
const char *metric_name(enum metric m);
void metrics_reset(void);

#endif
