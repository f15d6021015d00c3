/*
 * server: fork, exec, wait for the ready line in the log, and the checks at the end.
 */
#include "lib/server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/close_range.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "lib/wire.h"

enum {
    START_MS = 30000,
    END_MS = 30000,
    STEP_US = 2000,
    ARGS_MAX = 64,
    LOG_BYTES = 1 << 20,
    PATH_BYTES = 4096,
};

static const char *const reports[] = {"AddressSanitizer", "LeakSanitizer",  "ThreadSanitizer",
                                      "runtime error:",   "stack smashing", "assert"};

static int64_t now_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- the log -----------------------------------------------------------------------------------*/

/* The log's beginning, NUL-terminated; the caller frees it. */
static char *read_log(const struct server *s) {
    char *text = calloc(1, LOG_BYTES);
    if (text == NULL) abort();
    FILE *file = fopen(s->log, "rb");
    if (file == NULL) return text;
    size_t n = fread(text, 1, LOG_BYTES - 1, file);
    text[n] = '\0';
    (void)fclose(file);
    return text;
}

bool server_said(const struct server *s, const char *text) {
    char *log = read_log(s);
    bool found = strstr(log, text) != NULL;
    free(log);
    return found;
}

static void show_log(const struct server *s) {
    char *log = read_log(s);
    print_error("--- the server said:\n%s---\n", log);
    free(log);
}

static void check_log(const struct server *s) {
    for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
        if (!server_said(s, reports[i])) continue;
        show_log(s);
        fail_msg("the server's log holds \"%s\"", reports[i]);
    }
}

/* --- starting ----------------------------------------------------------------------------------*/

/* $CHRONOS_SERVER, or BUILD/chronos-server for a test in BUILD/tests/<suite>/. */
static void find_binary(char ret[PATH_BYTES]) {
    const char *named = getenv("CHRONOS_SERVER");
    if (named != NULL) {
        (void)snprintf(ret, PATH_BYTES, "%s", named);
        return;
    }
    char self[PATH_BYTES / 2];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0) n = 0;
    self[n] = '\0';
    for (int up = 0; up < 3; up++) {
        char *slash = strrchr(self, '/');
        if (slash != NULL) *slash = '\0';
    }
    (void)snprintf(ret, PATH_BYTES, "%s/chronos-server", self);
}

static _Noreturn void exec_server(const struct server *s, const char *binary,
                                  const char *const *args) {
    char port[16], data[96];
    (void)snprintf(port, sizeof(port), "%d", s->port);
    (void)snprintf(data, sizeof(data), "%s/data", s->folder);
    const char *argv[ARGS_MAX] = {binary,   "--port", port, "--dir", data, "--server.unixsocket",
                                  s->socket};
    int n = 7;
    for (; args != NULL && *args != NULL && n < ARGS_MAX - 1; args++) argv[n++] = *args;
    int log = open(s->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves no server behind */
    (void)dup2(log, STDERR_FILENO);
    (void)dup2(log, STDOUT_FILENO);
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    (void)execv(binary, (char *const *)(uintptr_t)argv);
    (void)dprintf(log, "cannot execute %s: %s\n", binary, strerror(errno));
    _exit(127);
}

void server_restart(struct server *s, const char *const *args) {
    char binary[PATH_BYTES];
    find_binary(binary);
    (void)unlink(s->log);
    s->pid = fork();
    if (s->pid == 0) exec_server(s, binary, args);
    if (s->pid < 0) fail_msg("cannot fork: %s", strerror(errno));
    for (int64_t end = now_ms() + START_MS; !server_said(s, "\"msg\":\"ready");) {
        int status;
        if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
            s->pid = 0;
            show_log(s);
            fail_msg("the server ended instead of being ready");
        }
        if (now_ms() > end) {
            show_log(s);
            fail_msg("the server was not ready within %d ms", START_MS);
        }
        (void)usleep(STEP_US);
    }
}

void server_start(struct server *s, const char *const *args) {
    server_clear(s);
    (void)signal(SIGPIPE, SIG_IGN); /* hiredis writes to sockets that the server has closed */
    const char *tmp = getenv("TMPDIR");
    *s = (struct server){.port = wire_free_port()};
    int n = snprintf(s->folder, sizeof(s->folder), "%s/chronos-XXXXXX", tmp ? tmp : "/tmp");
    if (n >= (int)sizeof(s->folder) || mkdtemp(s->folder) == NULL) {
        fail_msg("no temporary folder: %s", strerror(errno));
    }
    (void)snprintf(s->socket, sizeof(s->socket), "%s/socket", s->folder);
    (void)snprintf(s->log, sizeof(s->log), "%s/log", s->folder);
    server_restart(s, args);
}

/* --- ending ------------------------------------------------------------------------------------*/

void server_wait(struct server *s) {
    int status = 0;
    for (int64_t end = now_ms() + END_MS; waitpid(s->pid, &status, WNOHANG) == 0;) {
        if (now_ms() > end) {
            show_log(s);
            fail_msg("the server did not end within %d ms", END_MS);
        }
        (void)usleep(STEP_US);
    }
    s->pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        show_log(s);
        fail_msg("the server ended with %s %d", WIFEXITED(status) ? "status" : "signal",
                 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
    check_log(s);
}

void server_stop_here(struct server *s) {
    assert_true(s->pid > 0);
    (void)kill(s->pid, SIGTERM);
    server_wait(s);
}

void server_stop(struct server *s) {
    server_stop_here(s);
    server_clear(s);
}

void server_kill(struct server *s) {
    if (s->pid <= 0) return; /* kill(2) takes such numbers for many processes */
    (void)kill(s->pid, SIGKILL);
    (void)waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void server_clear(struct server *s) {
    server_kill(s);
    if (s->folder[0] == '\0') return;
    (void)nftw(s->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    s->folder[0] = '\0';
}

/* --- hiredis -----------------------------------------------------------------------------------*/

static redisContext *checked(redisContext *c) {
    if (c == NULL || c->err != 0) fail_msg("cannot connect: %s", c == NULL ? "" : c->errstr);
    struct timeval wait = {.tv_sec = WIRE_WAIT_MS / 1000};
    (void)redisSetTimeout(c, wait);
    return c;
}

struct redisContext *server_redis(const struct server *s) {
    return checked(redisConnect("127.0.0.1", s->port));
}

struct redisContext *server_redis_unix(const struct server *s) {
    return checked(redisConnectUnix(s->socket));
}
