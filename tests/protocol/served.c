/*
 * A child process per server. Everything waits for a condition, with a limit.
 */
#include "protocol/served.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "lib/wire.h"

enum { PATH_BYTES = 128, STEP_MS = 20, LOG_BYTES = 1 << 20 };

static void pause_ms(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static const char *program(void) {
    const char *set = getenv("CHRONOS_SERVER");
    return set && *set ? set : "build/chronos-server";
}

static void spawn(struct served *s) {
    char settings[PATH_BYTES], data[PATH_BYTES], port[16], log[PATH_BYTES];
    (void)snprintf(settings, sizeof settings, "%s/settings.json", s->dir);
    (void)snprintf(data, sizeof data, "%s/data", s->dir);
    (void)snprintf(log, sizeof log, "%s/log", s->dir);
    (void)snprintf(port, sizeof port, "%d", s->port);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid > 0) return;
    if (!freopen(log, "a", stderr)) _exit(126);
    execl(program(), program(), settings, "--port", port, "--dir", data, (char *)NULL);
    _exit(127);
}

/* Loading answers are none: it answers when it has said that it is ready. */
static bool answers(const struct served *s) {
    redisContext *c = redisConnect("127.0.0.1", s->port);
    bool ok = c && !c->err;
    redisReply *reply = ok ? redisCommand(c, "ECHO up") : NULL;
    ok = reply != NULL;
    if (reply) freeReplyObject(reply);
    if (c) redisFree(c);
    return ok;
}

void served_restart(struct served *s) {
    int64_t until_us = clock_mono_us() + SERVED_WAIT_MS * 1000;
    s->port = wire_free_port();
    spawn(s);
    while (!answers(s)) {
        int status;
        if (waitpid(s->pid, &status, WNOHANG) == s->pid)
            fail_msg("%s ended at its start: see %s/log", program(), s->dir);
        if (clock_mono_us() > until_us) fail_msg("the server does not answer: %s/log", s->dir);
        pause_ms(STEP_MS);
    }
}

void served_start(struct served *s, const char *settings) {
    char path[PATH_BYTES];
    (void)snprintf(s->dir, sizeof s->dir, "/tmp/chronos-served.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void)snprintf(path, sizeof path, "%s/settings.json", s->dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(settings, f) >= 0);
    assert_int_equal(fclose(f), 0);
    served_restart(s);
}

redisContext *served_connect(const struct served *s) {
    struct timeval wait = {.tv_sec = SERVED_WAIT_MS / 1000};
    redisContext *c = redisConnectWithTimeout("127.0.0.1", s->port, wait);
    assert_non_null(c);
    if (c->err) fail_msg("connect: %s", c->errstr);
    assert_int_equal(redisSetTimeout(c, wait), REDIS_OK);
    return c;
}

static void check_log(const struct served *s) {
    char path[PATH_BYTES];
    static char text[LOG_BYTES];
    (void)snprintf(path, sizeof path, "%s/log", s->dir);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    assert_int_equal(fclose(f), 0);
    if (strstr(text, "Sanitizer") || strstr(text, "runtime error"))
        fail_msg("the server's log: %s", text);
}

void served_wait_end(struct served *s) {
    int64_t until_us = clock_mono_us() + SERVED_WAIT_MS * 1000;
    int status;
    while (waitpid(s->pid, &status, WNOHANG) != s->pid) {
        if (clock_mono_us() > until_us) fail_msg("the server does not end: %s/log", s->dir);
        pause_ms(STEP_MS);
    }
    s->pid = 0;
    check_log(s);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the server ended with status %d: %s/log", status, s->dir);
}

void served_end(struct served *s) {
    assert_int_equal(kill(s->pid, SIGTERM), 0);
    served_wait_end(s);
}

void served_remove(const struct served *s) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execlp("rm", "rm", "-rf", s->dir, (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
}
