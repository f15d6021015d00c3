/* Proves, on a real server, that every limit of the protocol holds, that clients that are slow,
 * idle or too many harm nobody else, and that SIGTERM ends a server under load cleanly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/server.h"
#include "lib/wire.h"

static struct server server;

#define START(...) server_start(&server, (const char *const[]){__VA_ARGS__, NULL})

static int clear(void **state) {
    (void)state;
    server_clear(&server);
    return 0;
}

static int64_t now_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A number of INFO. */
static long long info(redisContext *c, const char *name) {
    redisReply *r = redisCommand(c, "INFO");
    if (r == NULL || r->str == NULL) fail_msg("no INFO: %s", c->errstr);
    char field[64];
    (void)snprintf(field, sizeof(field), "\n%s:", name);
    const char *found = strstr(r->str, field);
    long long value = -1;
    if (found == NULL || sscanf(found + strlen(field), "%lld", &value) != 1) {
        fail_msg("INFO has no %s", name);
    }
    freeReplyObject(r);
    return value;
}

static void command(redisContext *c, const char *text) {
    redisReply *r = redisCommand(c, text);
    if (r == NULL || r->type == REDIS_REPLY_ERROR) {
        fail_msg("%s: %s", text, r != NULL ? r->str : c->errstr);
    }
    freeReplyObject(r);
}

static void expect_error_and_end(const char *ask, const char *answer) {
    int fd = wire_tcp(server.port);
    wire_say(fd, ask);
    wire_expect(fd, answer);
    wire_expect_end(fd);
    wire_close(fd);
}

static void test_sizes_of_requests(void **state) {
    (void)state;
    START("--server.limits.args", "20", "--server.limits.bulk", "2kb",
          "--server.limits.inlineRequest", "1kb", "--server.limits.queryBuffer", "1mb");
    expect_error_and_end("*21\r\n", "-ERR Protocol error: invalid multibulk length\r\n");
    expect_error_and_end("*1\r\n$2049\r\n", "-ERR Protocol error: invalid bulk length\r\n");
    char line[1100];
    memset(line, 'a', sizeof(line));
    line[1025] = '\0';
    expect_error_and_end(line, "-ERR Protocol error: too big inline request\r\n");
    int fd = wire_tcp(server.port);
    wire_ask(fd, "*20\r\n$4\r\nPING\r\n", "");
    for (int i = 0; i < 19; i++) wire_say(fd, "$1\r\na\r\n");
    wire_expect(fd, "-ERR wrong number of arguments for 'ping' command\r\n");
    wire_close(fd);
    server_stop(&server);
}

static void test_query_buffer(void **state) {
    (void)state;
    START("--server.limits.queryBuffer", "1mb", "--server.limits.bulk", "1mb");
    static char text[200 * 1024];
    int fd = wire_tcp(server.port);
    wire_say(fd, "*10\r\n$3\r\nDEL\r\n");
    for (int i = 0; i < 8; i++) {
        if (!wire_try_send(fd, "$204800\r\n", 9) || !wire_try_send(fd, text, sizeof(text)) ||
            !wire_try_send(fd, "\r\n", 2)) {
            break;
        }
    }
    wire_expect_end(fd);
    wire_close(fd);
    assert_true(server_said(&server, "server.limits.queryBuffer"));
    server_stop(&server);
}

static void test_strangers(void **state) {
    (void)state;
    START("--server.password", "secret");
    expect_error_and_end("*11\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n");
    expect_error_and_end("*1\r\n$16385\r\n",
                         "-ERR Protocol error: unauthenticated bulk length\r\n");
    int fd = wire_tcp(server.port);
    wire_ask(fd, "GET a:1\r\n", "-NOAUTH Authentication required.\r\n");
    wire_ask(fd, "nosuch\r\n", "-ERR unknown command 'nosuch', with args beginning with: \r\n");
    wire_say(
        fd,
        "PING\r\nAUTH wrong\r\nPING\r\n*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*12\r\n$4\r\nPING\r\n");
    for (int i = 0; i < 11; i++) wire_say(fd, "$1\r\na\r\n");
    char reply[128];
    wire_line(fd, reply, sizeof(reply));
    assert_int_equal(strncmp(reply, "-NOAUTH", 7), 0);
    wire_line(fd, reply, sizeof(reply));
    assert_int_equal(strncmp(reply, "-WRONGPASS", 10), 0);
    wire_line(fd, reply, sizeof(reply));
    assert_int_equal(strncmp(reply, "-NOAUTH", 7), 0);
    wire_expect(fd, "+OK\r\n-ERR wrong number of arguments for 'ping' command\r\n");
    wire_close(fd);
    /* replies that a stranger does not read are not kept for long */
    fd = wire_tcp(server.port);
    int64_t end = now_ms() + WIRE_WAIT_MS;
    while (wire_try_send(fd, "GET a:1\r\nGET a:1\r\nGET a:1\r\nGET a:1\r\n", 36) &&
           now_ms() < end) {
    }
    assert_true(now_ms() < end);
    wire_close(fd);
    server_stop(&server);
}

static void test_slow_client(void **state) {
    (void)state;
    START("--server.limits.outputBuffer", "1mb");
    redisContext *c = server_redis(&server);
    static char text[100 * 1024];
    memset(text, 'x', sizeof(text));
    redisReply *r = redisCommand(c, "SET slow:1 {\"t\":\"%b\"}", text, sizeof(text));
    assert_non_null(r);
    freeReplyObject(r);
    int fd = wire_tcp(server.port);
    for (int i = 0; i < 300; i++) {
        if (!wire_try_send(fd, "GET slow:1\r\n", 12)) break;
    }
    int64_t end = now_ms() + WIRE_WAIT_MS;
    while (info(c, "client_output_buffer_limit_disconnections") == 0 && now_ms() < end) {
        (void)usleep(2000);
    }
    assert_int_equal(info(c, "client_output_buffer_limit_disconnections"), 1);
    assert_true(server_said(&server, "server.limits.outputBuffer"));
    wire_skip_to_end(fd);
    wire_close(fd);
    redisFree(c);
    server_stop(&server);
}

static void test_idle_timeout(void **state) {
    (void)state;
    START("--server.limits.idleTimeout", "1s");
    int fd = wire_tcp(server.port);
    int64_t from = now_ms();
    wire_ask(fd, "PING\r\n", "+PONG\r\n");
    wire_expect_end(fd);
    assert_in_range(now_ms() - from, 900, 6000);
    wire_close(fd);
    server_stop(&server);
}

static void test_too_many_clients(void **state) {
    (void)state;
    START("--server.limits.clients", "3");
    redisContext *c = server_redis(&server);
    int a = wire_tcp(server.port), b = wire_unix(server.socket);
    wire_ask(a, "PING\r\n", "+PONG\r\n");
    wire_ask(b, "PING\r\n", "+PONG\r\n");
    int d = wire_tcp(server.port);
    wire_expect(d, "-ERR max number of clients reached\r\n");
    wire_expect_end(d);
    wire_close(d);
    d = wire_unix(server.socket);
    wire_expect(d, "-ERR max number of clients reached\r\n");
    wire_close(d);
    assert_int_equal(info(c, "rejected_connections"), 2);
    command(c, "CONFIG SET maxclients 4");
    d = wire_tcp(server.port);
    wire_ask(d, "PING\r\n", "+PONG\r\n");
    wire_close(a);
    wire_close(b);
    wire_close(d);
    redisFree(c);
    server_stop(&server);
}

static void test_unix_socket(void **state) {
    (void)state;
    START("--server.unixsocketperm", "600");
    struct stat st;
    assert_int_equal(stat(server.socket, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    server_kill(&server); /* it leaves the file behind */
    assert_int_equal(stat(server.socket, &st), 0);
    server_restart(&server, NULL);
    int fd = wire_unix(server.socket);
    wire_ask(fd, "PING\r\n", "+PONG\r\n");
    wire_close(fd);
    server_stop_here(&server);
    assert_int_equal(stat(server.socket, &st), -1);
}

/* --- descriptors -------------------------------------------------------------------------------*/

static int highest_descriptor(pid_t pid) {
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    int highest = 0;
    for (struct dirent *e; (e = readdir(folder)) != NULL;) {
        int fd;
        if (sscanf(e->d_name, "%d", &fd) == 1 && fd > highest) highest = fd;
    }
    (void)closedir(folder);
    return highest;
}

static int64_t cpu_ms(pid_t pid) {
    clockid_t clock;
    struct timespec t;
    assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
    assert_int_equal(clock_gettime(clock, &t), 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Out of descriptors the server serves those that it has, does not spin, and takes the others when
 * some have gone. */
static void test_no_descriptors(void **state) {
    (void)state;
    enum { CLIENTS = 20, ROOM = 4 };
    START("--server.workers", "1");
    int first = wire_tcp(server.port);
    wire_ask(first, "PING\r\n", "+PONG\r\n");
    struct rlimit limit;
    assert_int_equal(prlimit(server.pid, RLIMIT_NOFILE, NULL, &limit), 0);
    limit.rlim_cur = (rlim_t)highest_descriptor(server.pid) + 1 + ROOM;
    assert_int_equal(prlimit(server.pid, RLIMIT_NOFILE, &limit, NULL), 0);
    int fd[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = wire_tcp(server.port);
        wire_say(fd[i], "PING\r\n");
    }
    wire_ask(first, "PING\r\n", "+PONG\r\n");
    wire_expect(fd[0], "+PONG\r\n");
    int64_t spent = cpu_ms(server.pid), from = now_ms();
    while (now_ms() - from < 500) wire_ask(first, "PING\r\n", "+PONG\r\n"), (void)usleep(20000);
    assert_true(cpu_ms(server.pid) - spent < 250);
    for (int i = 0; i < CLIENTS; i++) {
        if (i > 0) wire_expect(fd[i], "+PONG\r\n");
        wire_close(fd[i]);
    }
    assert_true(server_said(&server, "no file descriptors are left"));
    wire_close(first);
    server_stop(&server);
}

/* --- SIGTERM -----------------------------------------------------------------------------------*/

/* A child that writes as fast as it can, until its connection ends; its status is 0 if every reply
 * was one to a write. */
static pid_t writer(int number) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    int fd = wire_tcp(server.port);
    static char ask[64 * 100];
    size_t n = 0;
    for (int i = 0; i < 64; i++) {
        n += (size_t)snprintf(ask + n, sizeof(ask) - n, "SET w%d:%d {}\r\n", number, i);
    }
    bool good = true;
    while (good && wire_try_send(fd, ask, n)) {
        char reply[64 * 5];
        size_t got = 0;
        while (got < sizeof(reply)) {
            ssize_t bytes = read(fd, reply + got, sizeof(reply) - got);
            if (bytes <= 0) break;
            got += (size_t)bytes;
        }
        for (size_t i = 0; i + 5 <= got; i += 5)
            good = good && memcmp(reply + i, "+OK\r\n", 5) == 0;
        if (got < sizeof(reply)) _exit(good && got % 5 == 0 ? 0 : 1);
    }
    _exit(good ? 0 : 1);
}

static void test_sigterm_under_load(void **state) {
    (void)state;
    enum { WRITERS = 4 };
    START("--server.workers", "3");
    pid_t pid[WRITERS];
    for (int i = 0; i < WRITERS; i++) pid[i] = writer(i);
    redisContext *c = server_redis(&server);
    int64_t end = now_ms() + WIRE_WAIT_MS;
    while (info(c, "total_commands_processed") < 2000 && now_ms() < end) (void)usleep(2000);
    int64_t from = now_ms();
    server_stop_here(&server);
    assert_in_range(now_ms() - from, 0, 10000);
    for (int i = 0; i < WRITERS; i++) {
        int status;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_int_equal(status, 0);
    }
    redisFree(c);
    server_restart(&server, NULL); /* and what it left can be opened */
    c = server_redis(&server);
    command(c, "GET w0:0");
    redisFree(c);
    server_stop(&server);
}

static void test_shutdown_command(void **state) {
    (void)state;
    START("--server.workers", "1");
    int fd = wire_tcp(server.port), idle = wire_tcp(server.port);
    wire_ask(idle, "PING\r\n", "+PONG\r\n");
    wire_say(fd, "SET a:1 {}\r\nSHUTDOWN\r\n");
    wire_expect(fd, "+OK\r\n");
    wire_expect_end(fd); /* without a reply */
    wire_expect_end(idle);
    wire_close(fd);
    wire_close(idle);
    server_wait(&server);
    server_clear(&server);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, clear)
    const struct CMUnitTest tests[] = {
        TEST(test_sizes_of_requests), TEST(test_query_buffer),   TEST(test_strangers),
        TEST(test_slow_client),       TEST(test_idle_timeout),   TEST(test_too_many_clients),
        TEST(test_unix_socket),       TEST(test_no_descriptors), TEST(test_sigterm_under_load),
        TEST(test_shutdown_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
