/*
 * settings: one row per setting, and finding them by name.
 *
 * A new setting is one row here and one field in struct config: parsing, error texts, CONFIG GET
 * and SET, the printed file and the manual follow. The order is that of the printed file, so the
 * members of a section stand together.
 */
#include "config/settings.h"

#include <stddef.h>

#define AT(field) offsetof(struct config, field)
#define KB        INT64_C(1024)
#define MB        (KB * 1024)
#define GB        (MB * 1024)

static const char *const debug_words[] = {"no", "local", "yes", NULL};
static const char *const level_words[] = {"debug", "info", "warn", "error", "off", NULL};
static const char *const ack_words[] = {"metadata", "storage", NULL};

const struct setting settings[] = {
    {.path = "server.bind",
     .alias = "bind",
     .type = SETTING_TEXT,
     .at = AT(bind),
     .value = "127.0.0.1",
     .min = 1,
     .max = 1024,
     .doc = "Addresses to listen on, separated by blanks; `*` means all."},
    {.path = "server.port",
     .alias = "port",
     .type = SETTING_INT,
     .at = AT(port),
     .value = "7379",
     .max = 65535,
     .doc = "TCP port; 0 listens on no TCP port."},
    {.path = "server.unixsocket",
     .alias = "unixsocket",
     .type = SETTING_TEXT,
     .at = AT(unixsocket),
     .value = "",
     .max = 107,
     .doc = "Path of a Unix socket to listen on; empty means none."},
    {.path = "server.unixsocketperm",
     .alias = "unixsocketperm",
     .type = SETTING_OCTAL,
     .at = AT(unixsocket_perm),
     .value = "700",
     .max = 0777,
     .doc = "Permissions of the Unix socket, in octal."},
    {.path = "server.tcpBacklog",
     .alias = "tcp-backlog",
     .type = SETTING_INT,
     .at = AT(tcp_backlog),
     .value = "511",
     .min = 1,
     .max = 65535,
     .doc = "Connections that the kernel holds until the server accepts them."},
    {.path = "server.tcpKeepalive",
     .alias = "tcp-keepalive",
     .type = SETTING_SECONDS,
     .at = AT(tcp_keepalive_s),
     .value = "300s",
     .max = 86400,
     .flags = SETTING_LIVE,
     .doc = "Silence after which TCP probes whether a client is still there; 0 never probes."},
    {.path = "server.protectedMode",
     .alias = "protected-mode",
     .type = SETTING_BOOL,
     .at = AT(protected_mode),
     .value = "true",
     .flags = SETTING_LIVE,
     .doc = "Without a password, refuse clients that are not on this machine."},
    {.path = "server.password",
     .alias = "requirepass",
     .type = SETTING_TEXT,
     .at = AT(password),
     .value = "",
     .max = 512,
     .flags = SETTING_LIVE | SETTING_SECRET,
     .doc = "Password that clients must give by AUTH or HELLO; empty means none."},
    {.path = "server.route",
     .type = SETTING_TEXT,
     .at = AT(route),
     .value = "chronos",
     .min = 1,
     .max = 63,
     .doc = "Route (database) of keys that name none, on connections that chose none."},
    {.path = "server.workers",
     .type = SETTING_INT,
     .at = AT(workers),
     .value = "4",
     .min = 1,
     .max = 256,
     .doc = "Threads that run commands which may wait for the disk."},
    {.path = "server.debug",
     .alias = "enable-debug-command",
     .type = SETTING_ENUM,
     .at = AT(debug),
     .value = "no",
     .words = debug_words,
     .doc = "Who may use DEBUG: nobody, clients on this machine, everybody."},
    {.path = "server.faults",
     .type = SETTING_TEXT,
     .at = AT(faults),
     .value = "",
     .max = 4096,
     .flags = SETTING_HIDDEN,
     .doc =
         "Fault points armed at start, as `name=action@nth,...`; for tests, needs `server.debug`."},
    {.path = "server.log.level",
     .alias = "loglevel",
     .type = SETTING_WORD,
     .at = AT(log_level),
     .value = "info",
     .words = level_words,
     .flags = SETTING_LIVE,
     .doc = "Least level of events that are logged."},
    {.path = "server.log.file",
     .alias = "logfile",
     .type = SETTING_TEXT,
     .at = AT(log_file),
     .value = "",
     .max = 4095,
     .doc = "File of the log; empty means standard error."},
    {.path = "server.limits.clients",
     .alias = "maxclients",
     .type = SETTING_INT,
     .at = AT(clients_max),
     .value = "10000",
     .min = 1,
     .max = 1000000,
     .flags = SETTING_LIVE,
     .doc = "Connections at one time."},
    {.path = "server.limits.queryBuffer",
     .alias = "client-query-buffer-limit",
     .type = SETTING_BYTES,
     .at = AT(query_buffer_bytes),
     .value = "256mb",
     .min = MB,
     .max = 64 * GB,
     .flags = SETTING_LIVE,
     .doc = "Unprocessed input of one connection; more closes it."},
    {.path = "server.limits.bulk",
     .alias = "proto-max-bulk-len",
     .type = SETTING_BYTES,
     .at = AT(bulk_bytes),
     .value = "64mb",
     .min = KB,
     .max = GB,
     .flags = SETTING_LIVE,
     .doc = "One argument of a command, so also one document."},
    {.path = "server.limits.args",
     .type = SETTING_INT,
     .at = AT(args_max),
     .value = "1048576",
     .min = 16,
     .max = 16777216,
     .flags = SETTING_LIVE,
     .doc = "Arguments of one command."},
    {.path = "server.limits.inlineRequest",
     .type = SETTING_BYTES,
     .at = AT(inline_bytes),
     .value = "64kb",
     .min = KB,
     .max = MB,
     .flags = SETTING_LIVE,
     .doc = "One command typed as a line of text."},
    {.path = "server.limits.outputBuffer",
     .type = SETTING_BYTES,
     .at = AT(output_buffer_bytes),
     .value = "256mb",
     .min = 64 * KB,
     .max = 64 * GB,
     .flags = SETTING_LIVE,
     .doc = "Replies that a client has not read yet; more closes its connection."},
    {.path = "server.limits.idleTimeout",
     .alias = "timeout",
     .type = SETTING_SECONDS,
     .at = AT(idle_s),
     .value = "0s",
     .max = 31536000,
     .flags = SETTING_LIVE,
     .doc = "Silence after which a connection is closed; 0 never closes it."},
    {.path = "server.limits.batchRequests",
     .type = SETTING_INT,
     .at = AT(batch_requests),
     .value = "1024",
     .min = 1,
     .max = 65536,
     .flags = SETTING_LIVE,
     .doc = "Requests of one connection that a worker takes together."},
    {.path = "server.limits.queuedWrites",
     .type = SETTING_INT,
     .at = AT(queued_writes),
     .value = "100000",
     .min = 1,
     .max = 10000000,
     .flags = SETTING_LIVE,
     .doc = "Writes that wait for their commit; more are answered TRYAGAIN."},
    {.path = "server.limits.groupWrites",
     .type = SETTING_INT,
     .at = AT(group_writes),
     .value = "512",
     .min = 1,
     .max = 65536,
     .flags = SETTING_LIVE,
     .doc = "Writes that one commit takes together."},
    {.path = "server.limits.groupBytes",
     .type = SETTING_BYTES,
     .at = AT(group_bytes),
     .value = "8mb",
     .min = 64 * KB,
     .max = GB,
     .flags = SETTING_LIVE,
     .doc = "Bytes of documents that one commit takes together."},
    {.path = "server.limits.commitWait",
     .type = SETTING_MS,
     .at = AT(commit_wait_ms),
     .value = "10s",
     .min = 100,
     .max = 600000,
     .flags = SETTING_LIVE,
     .doc =
         "Longest time a write waits for its commit before it is answered TRYAGAIN or TIMEDOUT."},
    {.path = "server.limits.historyEntries",
     .type = SETTING_INT,
     .at = AT(history_entries),
     .value = "10000",
     .min = 1,
     .max = 1000000,
     .flags = SETTING_LIVE,
     .doc = "Versions that one HISTORY answers at most."},
    {.path = "server.limits.shutdown",
     .type = SETTING_MS,
     .at = AT(shutdown_ms),
     .value = "8s",
     .min = 100,
     .max = 600000,
     .flags = SETTING_LIVE,
     .doc = "Time to end the work in hand when the server is stopped."},
    {.path = "localStorage.enabled",
     .type = SETTING_BOOL,
     .at = AT(local_enabled),
     .value = "true",
     .doc = "Serve the embedded store: SQLite for versions, files for large documents."},
    {.path = "localStorage.basePath",
     .alias = "dir",
     .type = SETTING_TEXT,
     .at = AT(base_path),
     .value = "./chronos-data",
     .min = 1,
     .max = 2048,
     .doc = "Folder of the data; made if it is not there, and held by one server at a time."},
    {.path = "localStorage.cacheBytes",
     .type = SETTING_BYTES,
     .at = AT(sqlite_cache_bytes),
     .value = "16mb",
     .min = MB,
     .max = 64 * GB,
     .doc = "Memory of SQLite's page caches."},
    {.path = "localStorage.walBytes",
     .type = SETTING_BYTES,
     .at = AT(sqlite_wal_bytes),
     .value = "64mb",
     .min = MB,
     .max = 4 * GB,
     .doc = "Size of SQLite's log at which it is moved into the database."},
    {.path = "payload.inlineMax",
     .type = SETTING_BYTES,
     .at = AT(inline_max_bytes),
     .value = "64kb",
     .max = 64 * MB,
     .flags = SETTING_LIVE,
     .doc = "Largest document that is kept with its version's record; larger ones go to files."},
    {.path = "payload.ack",
     .type = SETTING_ENUM,
     .at = AT(ack),
     .value = "metadata",
     .words = ack_words,
     .flags = SETTING_LIVE,
     .doc = "What must be durable before a write is answered: its record with the document in it, "
            "or the "
            "document in the payload store too."},
    {.path = "cache.bytes",
     .type = SETTING_BYTES,
     .at = AT(cache_bytes),
     .value = "32mb",
     .max = 1024 * GB,
     .flags = SETTING_LIVE,
     .doc = "Memory for documents and versions that were read or written lately."},
    {.path = "operations.keepHours",
     .type = SETTING_INT,
     .at = AT(op_keep_hours),
     .value = "24",
     .min = 24,
     .max = 87600,
     .flags = SETTING_LIVE,
     .doc = "Hours for which a retry under the same OPID gets the first answer."},
    {.path = "writeOptimization.skipUnchanged",
     .type = SETTING_BOOL,
     .at = AT(skip_unchanged),
     .value = "false",
     .flags = SETTING_LIVE,
     .doc = "Make no version for a write whose document equals the present one."},
    {.alias = "appendonly",
     .type = SETTING_FIXED,
     .value = "yes",
     .doc = "Every write is on disk before its answer."},
    {.alias = "appendfsync", .type = SETTING_FIXED, .value = "always", .doc = "The same."},
    {.alias = "save", .type = SETTING_FIXED, .value = "", .doc = "There are no snapshots."},
    {.alias = "databases",
     .type = SETTING_FIXED,
     .value = "1",
     .doc = "SELECT knows the database 0."},
    {.alias = "maxmemory",
     .type = SETTING_FIXED,
     .value = "0",
     .doc = "Data is on disk and never evicted."},
    {.alias = "maxmemory-policy", .type = SETTING_FIXED, .value = "noeviction", .doc = "The same."},
};
const int settings_count = sizeof(settings) / sizeof(settings[0]);
_Static_assert(sizeof(settings) / sizeof(settings[0]) <= 64, "struct config has 64 changed bits");

const struct collection_setting collection_settings[COLLECTION_SETTINGS] = {
    {"indexedProps", offsetof(struct config_collection, indexed),
     offsetof(struct config_collection, indexed_count),
     "Paths by which items can be found and sorted."},
    {"hiddenFields", offsetof(struct config_collection, hidden_fields),
     offsetof(struct config_collection, hidden_count),
     "Paths that reads leave out unless they ask for HIDDEN."},
    {"validation.requiredIndexed", offsetof(struct config_collection, required),
     offsetof(struct config_collection, required_count),
     "Paths that must have a value in every document."},
};

/* What chronos-db's files have and this version does not serve. A path covers all below it. */
static const char EMBEDDED_ONLY[] =
    "belongs to MongoDB or S3, and this version serves the embedded store only: remove it";
static const char NOT_YET[] = "is not supported by this version: remove it";
static const struct {
    const char *path, *why;
} unsupported[] = {
    {"mongoUris", EMBEDDED_ONLY},
    {"backends", EMBEDDED_ONLY},
    {"spacesConns", EMBEDDED_ONLY},
    {"databaseTypes", EMBEDDED_ONLY},
    {"dbConnections", EMBEDDED_ONLY},
    {"databases", EMBEDDED_ONLY},
    {"routing", EMBEDDED_ONLY},
    {"counters", EMBEDDED_ONLY},
    {"transactions", EMBEDDED_ONLY},
    {"compat", EMBEDDED_ONLY},
    {"reads", EMBEDDED_ONLY},
    {"cache.heads", EMBEDDED_ONLY},
    {"fallback", EMBEDDED_ONLY},
    {"counterRules", NOT_YET},
    {"retention", NOT_YET},
    {"rollup", NOT_YET},
    {"devShadow", NOT_YET},
    {"hardDeleteEnabled", NOT_YET},
    {"logicalDelete", NOT_YET},
    {"versioning", NOT_YET},
    {"server.databases", NOT_YET},
    {"server.tls", NOT_YET},
    {"server.http", NOT_YET},
    {"server.users", NOT_YET},
    {"collection.base64Props", NOT_YET},
    {"collection.kind", NOT_YET},
    {"collection.publicRead", NOT_YET},
};

const struct setting *setting_by_path(struct str path) {
    for (int i = 0; i < settings_count; i++) {
        if (settings[i].path && str_eq(path, str_of(settings[i].path))) return &settings[i];
    }
    return NULL;
}

const struct setting *setting_by_name(struct str name) {
    for (int i = 0; i < settings_count; i++) {
        const struct setting *s = &settings[i];
        if (s->path && str_eq_nocase(name, str_of(s->path))) return s;
        if (s->alias && str_eq_nocase(name, str_of(s->alias))) return s;
    }
    return NULL;
}

/* Is `section` what stands before one of the dots of path? */
static bool is_before_dot(struct str section, struct str path) {
    return section.n > 0 && section.n < path.n && path.p[section.n] == '.' &&
           str_starts_with(path, section);
}

bool setting_is_section(struct str path) {
    for (int i = 0; i < settings_count; i++) {
        if (is_before_dot(path, str_of(settings[i].path))) return true;
    }
    return false;
}

const char *setting_unsupported(struct str path) {
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
        struct str row = str_of(unsupported[i].path);
        if (str_eq(path, row) || is_before_dot(row, path)) return unsupported[i].why;
    }
    return NULL;
}

enum { NEAR_BYTES = 64 };

static int min3(int a, int b, int c) {
    int ab = a < b ? a : b;
    return ab < c ? ab : c;
}

static bool same_letter(char a, char b) {
    return str_eq_nocase((struct str){&a, 1}, (struct str){&b, 1});
}

/* How many letters must be put in, left out or changed to make a from b, without case. */
static int distance(struct str a, struct str b) {
    int row[NEAR_BYTES + 1];
    ASSERT(b.n <= NEAR_BYTES);
    for (size_t j = 0; j <= b.n; j++) row[j] = (int)j;
    for (size_t i = 0; i < a.n; i++) {
        int diagonal = row[0];
        row[0] = (int)i + 1;
        for (size_t j = 0; j < b.n; j++) {
            int change = diagonal + (same_letter(a.p[i], b.p[j]) ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = min3(change, row[j + 1] + 1, row[j] + 1);
        }
    }
    return row[b.n];
}

static struct str last_segment(struct str path) {
    const char *dot = path.n ? memrchr(path.p, '.', path.n) : NULL;
    if (dot == NULL) return path;
    return (struct str){dot + 1, (size_t)(path.p + path.n - dot) - 1};
}

/* Distance of what was written from a candidate: a name in the wrong section is near, too. */
static int nearness(struct str path, struct str candidate) {
    int whole = distance(path, candidate);
    bool same_name = str_eq_nocase(last_segment(path), last_segment(candidate));
    return same_name && whole > 2 ? 2 : whole;
}

struct str setting_nearest(struct str path) {
    if (path.n == 0 || path.n > NEAR_BYTES) return STR_NONE;
    const struct setting *named = setting_by_name(path);
    if (named != NULL && named->path != NULL) return str_of(named->path);
    struct str best = STR_NONE;
    int best_distance = 2 + (int)path.n / 8; /* one more than is taken */
    for (int i = 0; i < settings_count && settings[i].path != NULL; i++) {
        struct str whole = str_of(settings[i].path);
        for (size_t n = 1; n <= whole.n; n++) {
            if (n < whole.n && whole.p[n] != '.') continue;
            struct str candidate = {whole.p, n};
            int d = nearness(path, candidate);
            if (d < best_distance) {
                best_distance = d;
                best = candidate;
            }
        }
    }
    struct str maps = STR("collectionMaps");
    return distance(path, maps) < best_distance ? maps : best;
}
