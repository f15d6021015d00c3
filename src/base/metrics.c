/*
 * metrics: the counters and the table of their names, which INFO shows.
 */
#include "base/metrics.h"

#include "base/err.h"

_Atomic int64_t metrics[METRIC_COUNT];

static const char *const names[METRIC_COUNT] = {
    [METRIC_CONNECTIONS] = "total_connections_received",
    [METRIC_REJECTED] = "rejected_connections",
    [METRIC_COMMANDS] = "total_commands_processed",
    [METRIC_NET_IN_BYTES] = "total_net_input_bytes",
    [METRIC_NET_OUT_BYTES] = "total_net_output_bytes",
    [METRIC_ERRORS] = "total_error_replies",
    [METRIC_CACHE_HITS] = "keyspace_hits",
    [METRIC_CACHE_MISSES] = "keyspace_misses",
    [METRIC_REACTOR_REPLIES] = "reactor_replies",
    [METRIC_BATCHES] = "batches",
    [METRIC_GROUPS] = "commit_groups",
    [METRIC_GROUP_WRITES] = "commit_group_writes",
    [METRIC_COMMITS] = "store_commits",
    [METRIC_FSYNCS] = "fsyncs",
    [METRIC_VERSIONS] = "versions_written",
    [METRIC_CHECKPOINTS] = "checkpoints",
    [METRIC_BLOB_PUTS] = "blob_puts",
    [METRIC_BLOB_GETS] = "blob_gets",
    [METRIC_SLOW_CLIENTS] = "client_output_buffer_limit_disconnections",
};

const char *metric_name(enum metric m) {
    ASSERT(m >= 0 && m < METRIC_COUNT);
    return names[m];
}

void metrics_reset(void) {
    for (int m = 0; m < METRIC_COUNT; m++) {
        atomic_store_explicit(&metrics[m], 0, memory_order_relaxed);
    }
}
