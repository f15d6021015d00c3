/*
 * chronos-server: arguments, then start-up and shutdown in order. The only file that knows every
 * layer.
 *
 *     arguments -> settings -> log -> stores -> engine -> net (binds) -> "ready" -> serve
 *                                        engine closes the stores <- net ends <-+
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "commands/dispatch.h"
#include "commands/docs.h"
#include "commands/release.h"
#include "config/config.h"
#include "engine/garbage.h"
#include "net/net.h"

enum { ARGS_MAX = 256, OUTPUT_BYTES_MAX = 16 << 20, SPARE_FILES = 64 };

/* What the command line asks for. */
enum mode {
    MODE_SERVE,
    MODE_CHECK_CONFIG,
    MODE_PRINT_CONFIG,
    MODE_PRINT_SETTINGS,
    MODE_PRINT_COMMANDS,
    MODE_HELP,
    MODE_VERSION
};

struct arguments {
    enum mode mode;
    const char *file; /* NULL: none */
    struct config_arg settings[ARGS_MAX];
    int count;
};

static const char usage[] =
    "usage: chronos-server [FILE] [--PATH VALUE ...]\n"
    "\n"
    "Keeps every version of every JSON document, and answers in the Redis protocol.\n"
    "\n"
    "  FILE               settings as JSON; without one the defaults hold\n"
    "  --PATH VALUE       one setting by its path: --server.limits.clients 500\n"
    "  --port PORT        server.port (7379)\n"
    "  --bind ADDRESSES   server.bind (127.0.0.1)\n"
    "  --dir FOLDER       localStorage.basePath (./chronos-data)\n"
    "  --check-config     tells every mistake in the settings, and ends\n"
    "  --print-config     prints the settings as a JSON file, secrets left out\n"
    "  --print-settings   prints the reference of settings (Markdown)\n"
    "  --print-commands   prints the reference of commands (Markdown)\n"
    "  --help, --version\n";

/* ---- arguments ---- */

static const struct {
    const char *name;
    enum mode mode;
} modes[] = {
    {"--check-config", MODE_CHECK_CONFIG},
    {"--print-config", MODE_PRINT_CONFIG},
    {"--print-settings", MODE_PRINT_SETTINGS},
    {"--print-commands", MODE_PRINT_COMMANDS},
    {"--help", MODE_HELP},
    {"-h", MODE_HELP},
    {"--version", MODE_VERSION},
    {"-v", MODE_VERSION},
};

static const struct {
    const char *name, *path;
} shorts[] = {{"port", "server.port"}, {"bind", "server.bind"}, {"dir", "localStorage.basePath"}};

static bool take_mode(const char *arg, enum mode *ret) {
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(arg, modes[i].name) != 0) continue;
        *ret = modes[i].mode;
        return true;
    }
    return false;
}

static struct str setting_path(const char *name) {
    for (size_t i = 0; i < sizeof shorts / sizeof shorts[0]; i++)
        if (strcmp(name, shorts[i].name) == 0) return str_of(shorts[i].path);
    return str_of(name);
}

static enum status parse_arguments(int argc, char **argv, struct arguments *ret, struct err *err) {
    for (int i = 1; i < argc; i++) {
        if (take_mode(argv[i], &ret->mode)) continue;
        if (strncmp(argv[i], "--", 2) != 0) {
            if (ret->file)
                return err_set(err, ERR_SYNTAX,
                               "one settings file at most: '%s' and '%s' were given", ret->file,
                               argv[i]);
            ret->file = argv[i];
            continue;
        }
        if (i + 1 == argc)
            return err_set(err, ERR_SYNTAX, "'%s' needs a value behind it; --help tells more",
                           argv[i]);
        if (ret->count == ARGS_MAX)
            return err_set(err, ERR_SYNTAX, "more than %d settings; use a file", ARGS_MAX);
        ret->settings[ret->count++] =
            (struct config_arg){setting_path(argv[i] + 2), str_of(argv[i + 1])};
        i++;
    }
    return OK;
}

static int fail(const struct err *err) {
    fprintf(stderr, "chronos-server: %s\n", err->msg);
    return 1;
}

/* Prints what a printer makes of the settings or the tables. */
static int print_and_release(struct buf *out) {
    size_t written = fwrite(out->data, 1, out->len, stdout);
    int rc = written == out->len && fflush(stdout) == 0 ? 0 : 1;
    buf_release(out);
    return rc;
}

static int print_mode(enum mode mode, const struct config *config) {
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    switch (mode) {
    case MODE_HELP:
        buf_append_str(&out, str_of(usage));
        break;
    case MODE_VERSION:
        buf_printf(&out, "chronos-server %s\n", CHRONOS_VERSION);
        break;
    case MODE_PRINT_SETTINGS:
        config_print_markdown(&out);
        break;
    case MODE_PRINT_COMMANDS:
        docs_print_markdown(&out);
        break;
    case MODE_PRINT_CONFIG:
        config_print(config, &out);
        break;
    case MODE_CHECK_CONFIG:
        buf_printf(&out, "the settings are good\n");
        break;
    case MODE_SERVE:
        ASSERT(false); /* serving is not printing */
    }
    return print_and_release(&out);
}

/* ---- serving ---- */

struct server {
    struct app app;
    struct engine *engine;
    struct net *net;
    struct sweeper *sweeper;
};

/* As many files as clients may be, and the stores' own. Less is served when the system allows
 * less. */
static void raise_file_limit(int64_t clients) {
    struct rlimit limit;
    rlim_t want = (rlim_t)(clients + SPARE_FILES);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want) return;
    limit.rlim_cur = want;
    if (limit.rlim_max < want) limit.rlim_max = want; /* root may */
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* the net layer counts with what it is */
}

static enum status log_start(const struct config *config, struct err *err) {
    enum log_level level = LOG_INFO;
    ASSERT(log_level_parse(config->log_level, &level)); /* the settings let no other pass */
    return log_open(config->log_file.p, level, err);
}

/* server.faults: "name=action@nth,..." */
static enum status arm_faults(const struct config *config, struct err *err) {
    struct str rest = config->faults;
    while (rest.n > 0) {
        ptrdiff_t comma = str_find_char(rest, ',');
        struct str one = {rest.p, comma < 0 ? rest.n : (size_t)comma};
        rest = comma < 0 ? STR_NONE : (struct str){one.p + one.n + 1, rest.n - one.n - 1};
        ptrdiff_t equals = str_find_char(one, '='), at = str_find_char(one, '@');
        int64_t nth = 1;
        if (equals < 0 ||
            (at >= 0 && (at < equals ||
                         !str_to_int((struct str){one.p + at + 1, one.n - (size_t)at - 1}, &nth))))
            return err_set(err, ERR_SYNTAX, "server.faults: '%.*s' is not name=action@nth",
                           STR_FMT(one));
        struct str action = {one.p + equals + 1,
                             (at < 0 ? one.n : (size_t)at) - (size_t)equals - 1};
        enum status s = fault_arm((struct str){one.p, (size_t)equals}, action, nth, false, err);
        if (s != OK) return s;
    }
    return OK;
}

static enum status open_stores(const struct config *config, struct meta **ret_meta,
                               struct blob_store **ret_blob, struct err *err) {
    struct meta_sqlite_options options = {.dir = config->base_path.p,
                                          .cache_bytes = config->sqlite_cache_bytes,
                                          .wal_bytes = config->sqlite_wal_bytes,
                                          .op_keep_ms = config->op_keep_hours * 3600 * 1000};
    enum status s = meta_sqlite_open(&options, ret_meta, err);
    if (s != OK) return s;
    s = blob_fs_open(config->base_path.p, ret_blob, err);
    if (s != OK) (*ret_meta)->ops->close(*ret_meta);
    return s;
}

static void wake_worker(void *arg) {
    struct server *server = arg;
    net_wake_worker(server->net);
}

/* SIGHUP: the log file is opened anew, so that it can be rotated. */
static void on_hup(void *arg) {
    struct server *server = arg;
    const struct config *config = server->app.config;
    struct err err;
    if (log_start(config, &err) != OK)
        log_line(LOG_ERROR, LOG_FAILURE, "the log stays where it is: %s", err.msg);
}

static enum status open_server(struct server *server, const struct config *config,
                               struct err *err) {
    struct meta *meta;
    struct blob_store *blob;
    enum status s = open_stores(config, &meta, &blob, err);
    if (s != OK) return s;
    server->engine = engine_open(meta, blob, config, (struct engine_hooks){wake_worker, server});
    server->app.engine = server->engine;
    dispatch_init(&server->app, config);
    struct handler handler = dispatch_handler(&server->app);
    struct net_options options = {
        .handler = &handler, .config = config, .on_hup = on_hup, .arg = server};
    server->net = net_open(&options, err);
    if (!server->net) return err->code;
    server->app.net = server->net;
    server->sweeper = sweeper_start(server->engine, err);
    return server->sweeper ? OK : err->code;
}

static void close_server(struct server *server) {
    sweeper_stop(server->sweeper);
    if (!net_close(server->net)) {
        log_line(LOG_ERROR, LOG_FAILURE, "a worker is stuck; the process ends without it");
        _exit(1);
    }
    if (server->engine) dispatch_release(&server->app);
    engine_close(server->engine);
}

static int serve(const struct config *config) {
    struct server server = {.app = {.executable = "/proc/self/exe"}};
    struct err err;
    raise_file_limit(config->clients_max);
    (void)mallopt(M_ARENA_MAX,
                  2); /* glibc makes one for every thread, each keeping what it freed */
    enum status s = log_start(config, &err);
    if (s == OK) s = arm_faults(config, &err);
    if (s == OK) s = open_server(&server, config, &err);
    if (s == OK) {
        log_line(LOG_INFO, LOG_OPERATION, "ready: chronos-server %s serves %.*s on %.*s port %lld",
                 CHRONOS_VERSION, STR_FMT(config->base_path), STR_FMT(config->bind),
                 (long long)config->port);
        s = net_run(server.net, &err);
    }
    close_server(&server);
    if (s != OK) return fail(&err);
    log_line(LOG_INFO, LOG_OPERATION, "stopped");
    return 0;
}

int main(int argc, char **argv) {
    struct arguments arguments = {0};
    struct err err;
    struct buf faults;
    if (parse_arguments(argc, argv, &arguments, &err) != OK) return fail(&err);
    if (arguments.mode >= MODE_PRINT_SETTINGS) return print_mode(arguments.mode, NULL);
    buf_init(&faults, OUTPUT_BYTES_MAX);
    struct config *config;
    enum status s =
        config_load(arguments.file, arguments.settings, arguments.count, &config, &faults, &err);
    if (faults.len) (void)fwrite(faults.data, 1, faults.len, stderr);
    buf_release(&faults);
    if (s != OK) return fail(&err);
    int rc = arguments.mode == MODE_SERVE ? serve(config) : print_mode(arguments.mode, config);
    config_unref(config);
    return rc;
}
