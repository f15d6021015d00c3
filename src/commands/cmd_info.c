/*
 * INFO: one function per section, each prints "name:value" lines; the table of sections says which
 * belong to `default`. Runs on a worker: the net's figures were noted by the reactor when the
 * request came.
 */
#include <malloc.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "commands/cmds.h"
#include "commands/dispatch.h"
#include "commands/release.h"
#include "commands/stats.h"
#include "commands/table.h"
#include "config/config.h"

enum { INFO_BYTES = 1024 * 1024, STATM_BYTES = 128, PATH_BYTES = 4096 };

struct info {
    struct call *call;
    struct app *app;
    struct buf *out;
};

static void line_int(struct info *i, const char *name, int64_t value) {
    buf_printf(i->out, "%s:%lld\r\n", name, (long long)value);
}

static void line_text(struct info *i, const char *name, const char *text) {
    buf_printf(i->out, "%s:%s\r\n", name, text);
}

static int64_t figure(const _Atomic int64_t *f) {
    return atomic_load_explicit(f, memory_order_relaxed);
}

/* ---- sections ---- */

static void line_executable(struct info *i) {
    char path[PATH_BYTES];
    const char *name = i->app->executable ? i->app->executable : "";
    ssize_t n = readlink(name, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    line_text(i, "executable", n > 0 ? path : name);
}

static void info_server(struct info *i) {
    struct utsname os = {0};
    int64_t now_us = clock_now_us(), up_s = (now_us / 1000 - i->app->start_ms) / 1000;
    const struct config *c = i->call->config;
    (void)uname(&os);
    line_text(i, "redis_version", REDIS_VERSION);
    line_text(i, "redis_git_sha1", "00000000");
    line_text(i, "redis_git_dirty", "0");
    line_text(i, "redis_mode", "standalone");
    buf_printf(i->out, "os:%s %s %s\r\n", os.sysname, os.release, os.machine);
    line_int(i, "arch_bits", (int64_t)sizeof(void *) * 8);
    line_text(i, "multiplexing_api", "epoll");
    line_int(i, "process_id", getpid());
    line_text(i, "run_id", i->app->run_id);
    line_int(i, "tcp_port", c->port);
    line_int(i, "server_time_usec", now_us);
    line_int(i, "uptime_in_seconds", up_s);
    line_int(i, "uptime_in_days", up_s / 86400);
    line_int(i, "hz", 10);
    line_int(i, "configured_hz", 10);
    line_executable(i);
    buf_printf(i->out, "config_file:%.*s\r\n", STR_FMT(c->file));
    line_text(i, "chronos_version", CHRONOS_VERSION);
}

static void info_clients(struct info *i) {
    const struct figures *f = &i->app->figures;
    line_int(i, "connected_clients", figure(&f->clients));
    line_int(i, "cluster_connections", 0);
    line_int(i, "maxclients", i->call->config->clients_max);
    line_int(i, "client_recent_max_input_buffer", figure(&f->in_bytes_max));
    line_int(i, "client_recent_max_output_buffer", figure(&f->out_bytes_max));
    line_int(i, "blocked_clients", figure(&f->blocked));
    line_int(i, "tracking_clients", 0);
    line_int(i, "clients_in_timeout_table", 0);
}

/* Resident bytes, of /proc: the second number, in pages. */
static int64_t resident_bytes(void) {
    char text[STATM_BYTES];
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) return 0;
    size_t n = fread(text, 1, sizeof text, f);
    (void)fclose(f); /* only read */
    struct str rest = {text, n};
    ptrdiff_t blank = str_find_char(rest, ' ');
    if (blank < 0) return 0;
    rest = (struct str){text + blank + 1, n - (size_t)blank - 1};
    blank = str_find_char(rest, ' ');
    int64_t pages;
    if (blank < 0 || !str_to_int((struct str){rest.p, (size_t)blank}, &pages)) return 0;
    return pages * sysconf(_SC_PAGESIZE);
}

static int64_t peak_bytes(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}

static void human(struct info *i, const char *name, int64_t bytes) {
    buf_printf(i->out, "%s:%.2fM\r\n", name, (double)bytes / (1024 * 1024));
}

static void info_memory(struct info *i) {
    struct mallinfo2 m = mallinfo2();
    int64_t used = (int64_t)(m.uordblks + m.hblkhd), rss = resident_bytes(), peak = peak_bytes();
    line_int(i, "used_memory", used);
    human(i, "used_memory_human", used);
    line_int(i, "used_memory_rss", rss);
    human(i, "used_memory_rss_human", rss);
    line_int(i, "used_memory_peak", peak);
    human(i, "used_memory_peak_human", peak);
    line_int(i, "maxmemory", 0);
    line_text(i, "maxmemory_human", "0B");
    line_text(i, "maxmemory_policy", "noeviction");
    buf_printf(i->out, "mem_fragmentation_ratio:%.2f\r\n",
               used > 0 ? (double)rss / (double)used : 0.0);
    line_text(i, "mem_allocator", "libc");
}

static void info_persistence(struct info *i) {
    struct engine_stats s;
    engine_stats(i->call->engine, &s);
    int64_t last_ms = s.last_commit_ms > 0 ? s.last_commit_ms : i->app->start_ms;
    line_int(i, "loading", 0);
    line_int(i, "async_loading", 0);
    line_int(i, "rdb_changes_since_last_save", 0);
    line_int(i, "rdb_bgsave_in_progress", 0);
    line_int(i, "rdb_last_save_time", last_ms / 1000);
    line_text(i, "rdb_last_bgsave_status", "ok");
    line_int(i, "aof_enabled", 0);
    line_int(i, "aof_rewrite_in_progress", 0);
    line_text(i, "aof_last_write_status", "ok");
}

static int64_t all_errors(const struct app *app) {
    int64_t errors = 0;
    for (int s = OK + 1; s < STATUS_COUNT; s++) errors += stats_errors(app->stats, s);
    return errors;
}

static void info_stats(struct info *i) {
    static const enum metric shown[] = {METRIC_CONNECTIONS,   METRIC_COMMANDS, METRIC_NET_IN_BYTES,
                                        METRIC_NET_OUT_BYTES, METRIC_REJECTED, METRIC_CACHE_HITS,
                                        METRIC_CACHE_MISSES};
    for (size_t n = 0; n < sizeof shown / sizeof *shown; n++)
        line_int(i, metric_name(shown[n]), metric_get(shown[n]));
    line_int(i, "instantaneous_ops_per_sec", figure(&i->app->figures.rate));
    line_int(i, "expired_keys", 0);
    line_int(i, "evicted_keys", 0);
    line_int(i, "evicted_clients", 0);
    line_int(i, "pubsub_channels", 0);
    line_int(i, "pubsub_patterns", 0);
    line_int(i, "tracking_total_keys", 0);
    line_int(i, "tracking_total_items", 0);
    line_int(i, "tracking_total_prefixes", 0);
    line_int(i, "total_error_replies", all_errors(i->app));
    line_int(i, "client_output_buffer_limit_disconnections", metric_get(METRIC_SLOW_CLIENTS));
    line_int(i, "acl_access_denied_auth", stats_errors(i->app->stats, ERR_WRONGPASS));
    line_int(i, "acl_access_denied_cmd", 0);
    line_int(i, "acl_access_denied_key", 0);
    line_int(i, "acl_access_denied_channel", 0);
}

static void info_replication(struct info *i) {
    line_text(i, "role", "master");
    line_int(i, "connected_slaves", 0);
    line_text(i, "master_failover_state", "no-failover");
    line_text(i, "master_replid", i->app->run_id);
    line_int(i, "master_repl_offset", 0);
    line_int(i, "second_repl_offset", -1);
    line_int(i, "repl_backlog_active", 0);
}

static void line_cpu(struct info *i, const char *name, struct timeval t) {
    buf_printf(i->out, "%s:%lld.%06lld\r\n", name, (long long)t.tv_sec, (long long)t.tv_usec);
}

static void info_cpu(struct info *i) {
    struct rusage self = {0}, children = {0};
    (void)getrusage(RUSAGE_SELF, &self); /* fails for wrong arguments only */
    (void)getrusage(RUSAGE_CHILDREN, &children);
    line_cpu(i, "used_cpu_sys", self.ru_stime);
    line_cpu(i, "used_cpu_user", self.ru_utime);
    line_cpu(i, "used_cpu_sys_children", children.ru_stime);
    line_cpu(i, "used_cpu_user_children", children.ru_utime);
}

static void info_modules(struct info *i) {
    buf_printf(i->out,
               "module:name=chronos,ver=%d,api=1,filters=0,usedby=[],using=[],options=[]\r\n",
               MODULE_VERSION);
}

static void info_commandstats(struct info *i) {
    const struct command *row;
    for (int n = 0; (row = table_row(n)) != NULL; n++) {
        struct command_stats s;
        stats_of(i->app->stats, n, &s);
        if (s.calls == 0 && s.rejected == 0) continue;
        double each = s.calls > 0 ? (double)s.usec / (double)s.calls : 0;
        buf_printf(i->out,
                   "cmdstat_%s:calls=%lld,usec=%lld,usec_per_call=%.2f,rejected_calls=%lld,"
                   "failed_calls=%lld\r\n",
                   row->name, (long long)s.calls, (long long)s.usec, each, (long long)s.rejected,
                   (long long)s.failed);
    }
}

static void info_latencystats(struct info *i) {
    const struct stats *stats = i->app->stats;
    for (int n = 0; table_row(n); n++) {
        struct command_stats s;
        stats_of(stats, n, &s);
        if (s.calls == 0) continue;
        buf_printf(i->out, "latency_percentiles_usec_%s:p50=%lld,p99=%lld,p99.9=%lld\r\n",
                   table_row(n)->name, (long long)stats_percentile(stats, n, 500),
                   (long long)stats_percentile(stats, n, 990),
                   (long long)stats_percentile(stats, n, 999));
    }
}

/* Two statuses have the word ERR: they are one line. */
static void info_errorstats(struct info *i) {
    const struct stats *stats = i->app->stats;
    for (int s = OK + 1; s < STATUS_COUNT; s++) {
        int64_t count = stats_errors(stats, s);
        if (s == ERR_SYNTAX) count += stats_errors(stats, ERR_INTERNAL);
        if (count > 0 && s != ERR_INTERNAL)
            buf_printf(i->out, "errorstat_%s:count=%lld\r\n", status_word(s), (long long)count);
    }
}

static void info_cluster(struct info *i) {
    line_int(i, "cluster_enabled", 0);
}

static void info_keyspace(struct info *i) {
    struct str database;
    struct err err;
    int64_t live = 0;
    struct call *call = i->call;
    if (engine_route(call->engine, STR_NONE, call_route(call), &database, NULL, &err) != OK ||
        read_count(call->worker, database, &live, &err) != OK || live == 0)
        return;
    buf_printf(i->out, "db0:keys=%lld,expires=0,avg_ttl=0\r\n", (long long)live);
}

static void info_chronos(struct info *i) {
    struct engine_stats s;
    struct meta_health health;
    struct err err;
    int64_t blob_us = 0, groups = metric_get(METRIC_GROUPS);
    engine_stats(i->call->engine, &s);
    enum status st = engine_health(i->call->worker, i->call->arena, &health, &blob_us, &err);
    if (st != OK) health = (struct meta_health){0};
    line_text(i, "chronos_version", CHRONOS_VERSION);
    buf_printf(i->out, "writes_per_group:%.2f\r\n",
               groups > 0 ? (double)metric_get(METRIC_GROUP_WRITES) / (double)groups : 0.0);
    for (int m = METRIC_GROUPS; m <= METRIC_BLOB_GETS; m++)
        line_int(i, metric_name((enum metric)m), metric_get((enum metric)m));
    line_int(i, "queued_writes", s.queued_writes);
    line_int(i, "groups_in_flight", s.groups_in_flight);
    line_int(i, "last_commit_ms", s.last_commit_ms);
    line_int(i, "cache_bytes", s.cache_bytes);
    line_int(i, "cache_entries", s.cache_entries);
    line_int(i, "cache_max_bytes", s.cache_max);
    line_int(i, "reactor_replies", metric_get(METRIC_REACTOR_REPLIES));
    line_int(i, "batches", metric_get(METRIC_BATCHES));
    line_int(i, "workers", figure(&i->app->figures.workers));
    line_int(i, "queued_batches", figure(&i->app->figures.queued));
    line_text(i, "store_status", st == OK && health.writable ? "ok" : "ill");
    line_int(i, "store_ping_us", health.ping_us);
    line_int(i, "store_file_bytes", health.file_bytes);
    line_int(i, "store_log_bytes", health.log_bytes);
    line_int(i, "payload_ping_us", blob_us);
}

/* ---- which ---- */

static const struct section {
    const char *title;
    void (*print)(struct info *i);
    bool by_default;
} sections[] = {
    {"Server", info_server, true},
    {"Clients", info_clients, true},
    {"Memory", info_memory, true},
    {"Persistence", info_persistence, true},
    {"Stats", info_stats, true},
    {"Replication", info_replication, true},
    {"CPU", info_cpu, true},
    {"Modules", info_modules, true},
    {"Commandstats", info_commandstats, false},
    {"Errorstats", info_errorstats, true},
    {"Latencystats", info_latencystats, false},
    {"Cluster", info_cluster, true},
    {"Keyspace", info_keyspace, true},
    {"Chronos", info_chronos, true},
};

static bool is_wanted(const struct call *call, const struct section *section) {
    if (call->argc == 1) return section->by_default;
    for (int i = 1; i < call->argc; i++) {
        struct str word = call->argv[i];
        if (str_eq_nocase(word, STR("all")) || str_eq_nocase(word, STR("everything"))) return true;
        if (str_eq_nocase(word, STR("default")) && section->by_default) return true;
        if (str_eq_nocase(word, str_of(section->title))) return true;
    }
    return false;
}

enum status cmd_info(struct call *call, struct err *err) {
    struct buf text;
    (void)err;
    buf_init(&text, INFO_BYTES);
    struct info info = {.call = call, .app = call->app, .out = &text};
    for (size_t n = 0; n < sizeof sections / sizeof *sections; n++) {
        if (!is_wanted(call, &sections[n])) continue;
        buf_printf(&text, "%s# %s\r\n", text.len ? "\r\n" : "", sections[n].title);
        sections[n].print(&info);
    }
    reply_verbatim(call->reply, text.len ? buf_str(&text) : STR(""));
    buf_release(&text);
    return OK;
}
