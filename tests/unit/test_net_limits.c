/* Proves that every limit of a connection ends it, or refuses it, in the way that is promised, that
 * the server stops cleanly whatever is under way, and that a bad address is told by its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "lib/toy.h"
#include "lib/wire.h"

enum { KB = 1024, MB = 1024 * 1024 };

static struct toy toy;   /* the server that runs */
static struct toy other; /* one that is opened and does not run */

#define SETTINGS(...)                                                                              \
    (const struct toy_setting[]) {                                                                 \
        __VA_ARGS__                                                                                \
    }
#define START(...)                                                                                 \
    toy_start(&toy, SETTINGS(__VA_ARGS__),                                                         \
              (int)(sizeof(SETTINGS(__VA_ARGS__)) / sizeof(struct toy_setting)))
#define INIT(...)                                                                                  \
    toy_init(&other, SETTINGS(__VA_ARGS__),                                                        \
             (int)(sizeof(SETTINGS(__VA_ARGS__)) / sizeof(struct toy_setting)))

/* --- limits of a connection --------------------------------------------------------------------*/

static void test_clients(void **state) {
    (void)state;
    START({"server.limits.clients", "2"});
    int64_t rejected = metric_get(METRIC_REJECTED);
    int a = wire_tcp(toy.port), b = wire_tcp(toy.port);
    wire_ask(a, "PING\r\n", "+PONG\r\n");
    wire_ask(b, "PING\r\n", "+PONG\r\n");
    int c = wire_tcp(toy.port);
    wire_expect(c, "-ERR max number of clients reached\r\n");
    wire_expect_end(c);
    wire_close(c);
    assert_int_equal(metric_get(METRIC_REJECTED) - rejected, 1);
    wire_ask(b, "QUIT\r\n", "+OK\r\n");
    wire_expect_end(b);
    c = wire_tcp(toy.port);
    wire_ask(c, "PING\r\n", "+PONG\r\n");
    wire_close(a);
    wire_close(b);
    wire_close(c);
    toy_stop(&toy);
}

static void test_query_buffer(void **state) {
    (void)state;
    START({"server.limits.queryBuffer", "1mb"}, {"server.limits.bulk", "1mb"});
    static char text[100 * KB];
    int fd = wire_tcp(toy.port);
    wire_say(fd, "*12\r\n");
    bool open = true;
    for (int i = 0; i < 100 && open; i++) {
        open = wire_try_send(fd, "$102400\r\n", 9) && wire_try_send(fd, text, sizeof(text)) &&
               wire_try_send(fd, "\r\n", 2);
    }
    wire_expect_end(fd);
    wire_close(fd);
    fd = wire_tcp(toy.port); /* requests that are whole do not count together */
    for (int i = 0; i < 40; i++) {
        wire_say(fd, "*2\r\n$4\r\nWORK\r\n$102400\r\n");
        wire_send(fd, text, sizeof(text));
        wire_say(fd, "\r\n");
    }
    for (int i = 0; i < 40; i++) {
        size_t bytes;
        free(wire_bulk(fd, &bytes));
        assert_int_equal(bytes, sizeof(text));
    }
    wire_close(fd);
    toy_stop(&toy);
}

static void test_output_buffer(void **state) {
    (void)state;
    START({"server.limits.outputBuffer", "4mb"});
    int64_t slow = metric_get(METRIC_SLOW_CLIENTS);
    int fd = wire_tcp(toy.port);
    for (int i = 0; i < 200; i++) {
        const char *ask = i % 2 ? "BIG 500000\r\n" : "BIGWORK 500000\r\n";
        if (!wire_try_send(fd, ask, strlen(ask))) break; /* it was closed already */
    }
    int64_t end_us = clock_mono_us() + (int64_t)WIRE_WAIT_MS * 1000;
    while (metric_get(METRIC_SLOW_CLIENTS) == slow && clock_mono_us() < end_us) (void)usleep(1000);
    assert_int_equal(metric_get(METRIC_SLOW_CLIENTS) - slow, 1);
    wire_skip_to_end(fd);
    wire_close(fd);
    atomic_store(&toy.chatty, true);
    fd = wire_tcp(toy.port); /* one that reads, if slowly, may have as much as it likes */
    for (int i = 0; i < 60; i++) wire_say(fd, i % 2 ? "BIG 500000\r\n" : "BIGWORK 500000\r\n");
    for (int i = 0; i < 60; i++) {
        (void)usleep(20000);
        size_t bytes;
        free(wire_bulk(fd, &bytes));
        assert_int_equal(bytes, 500000);
    }
    wire_say(fd, "BIG 5000000\r\n"); /* one reply that never fits */
    wire_expect_end(fd);
    wire_close(fd);
    assert_int_equal(metric_get(METRIC_SLOW_CLIENTS) - slow, 2);
    fd = wire_tcp(toy.port);
    wire_say(fd, "BIGWORK 5000000\r\n");
    wire_expect_end(fd);
    wire_close(fd);
    toy_stop(&toy);
}

static void test_before_authentication(void **state) {
    (void)state;
    START({"server.password", "secret"});
    int fd = wire_tcp(toy.port);
    wire_say(fd, "*11\r\n");
    wire_expect(fd, "-ERR Protocol error: unauthenticated multibulk length\r\n");
    wire_expect_end(fd);
    wire_close(fd);
    fd = wire_tcp(toy.port);
    wire_say(fd, "*1\r\n$16385\r\n");
    wire_expect(fd, "-ERR Protocol error: unauthenticated bulk length\r\n");
    wire_expect_end(fd);
    wire_close(fd);
    fd = wire_tcp(toy.port);
    wire_say(fd, "BIG 300000\r\n"); /* more than a stranger may make the server hold */
    wire_expect_end(fd);
    wire_close(fd);
    fd = wire_tcp(toy.port); /* the limits fall with the very request */
    wire_say(fd, "LOGIN\r\n*12\r\n$4\r\nECHO\r\n");
    for (int i = 0; i < 11; i++) wire_say(fd, "$1\r\na\r\n");
    wire_say(fd, "BIG 300000\r\n");
    wire_expect(fd, "+OK\r\n$1\r\na\r\n$300000\r\n");
    wire_close(fd);
    toy_stop(&toy);
}

static void test_idle_timeout(void **state) {
    (void)state;
    START({"server.limits.idleTimeout", "1"});
    int idle = wire_tcp(toy.port), busy = wire_tcp(toy.port), waits = wire_tcp(toy.port);
    wire_say(waits, "WAIT x\r\n");
    wire_ask(idle, "PING\r\n", "+PONG\r\n");
    int64_t from_us = clock_mono_us();
    struct timeval often = {.tv_usec = 100000};
    (void)setsockopt(idle, SOL_SOCKET, SO_RCVTIMEO, &often, sizeof(often));
    char c;
    while (recv(idle, &c, 1, 0) < 0 && errno == EAGAIN) {
        wire_ask(busy, "PING\r\n", "+PONG\r\n");
        assert_in_range(clock_mono_us() - from_us, 0, (int64_t)WIRE_WAIT_MS * 1000);
    }
    assert_true(clock_mono_us() - from_us > 900000);
    wire_ask(busy, "PING\r\n", "+PONG\r\n");
    atomic_store(&toy.gate, true);
    wire_expect(waits, "$1\r\nx\r\n");
    wire_close(idle);
    wire_close(busy);
    wire_close(waits);
    toy_stop(&toy);
}

/* --- stopping ----------------------------------------------------------------------------------*/

static void test_stop_answers_what_is_under_way(void **state) {
    (void)state;
    START({"server.workers", "2"});
    int idle = wire_tcp(toy.port), busy[4];
    wire_ask(idle, "PING\r\n", "+PONG\r\n");
    for (int i = 0; i < 4; i++) {
        busy[i] = wire_tcp(toy.port);
        wire_ask(busy[i], "PING\r\n", "+PONG\r\n");
        wire_say(busy[i], "WAIT a\r\nPARK b\r\nBIGWORK 3000000\r\nSTATE\r\n");
    }
    while (atomic_load(&toy.waiting) < 2) (void)usleep(100);
    atomic_store(&toy.stop, true);
    wire_expect_end(idle);
    int late = wire_socket();
    assert_false(wire_connect(late, toy.port));
    atomic_store(&toy.gate, true);
    for (int i = 0; i < 4; i++) {
        wire_expect(busy[i], "$1\r\na\r\n$1\r\nb\r\n");
        size_t bytes;
        free(wire_bulk(busy[i], &bytes));
        wire_expect_end(busy[i]); /* what was not begun is not */
        wire_close(busy[i]);
    }
    wire_close(late);
    wire_close(idle);
    toy_stop(&toy);
}

static void test_stop_by_a_command(void **state) {
    (void)state;
    START({"server.limits.shutdown", "5s"});
    int fd = wire_tcp(toy.port);
    wire_say(fd, "PING\r\nSTOP\r\nPING\r\n");
    wire_expect(fd, "+PONG\r\n");
    wire_expect_end(fd);
    wire_close(fd);
    toy_join(&toy);
    toy_stop(&toy);
}

/* Neither a client that never reads nor a worker that never ends holds the server for longer than
 * the setting says; and a worker that is stuck is told to the caller. */
static void test_stop_has_an_end(void **state) {
    (void)state;
    START({"server.limits.shutdown", "300ms"}, {"server.limits.outputBuffer", "100mb"});
    int deaf = wire_tcp(toy.port), stuck = wire_tcp(toy.port);
    wire_say(deaf, "BIG 50000000\r\n");
    wire_say(stuck, "WAIT x\r\n");
    while (atomic_load(&toy.waiting) < 1) (void)usleep(100);
    int64_t from_us = clock_mono_us();
    atomic_store(&toy.stop, true);
    toy_join(&toy);
    assert_in_range(clock_mono_us() - from_us, 290000, 5000000);
    assert_false(net_close(toy.net));
    atomic_store(&toy.gate, true);
    toy_wait_for(&toy.batches, 1);
    wire_close(deaf);
    wire_close(stuck);
    toy_stop(&toy);
}

/* A batch that is parked and never resumed is told to the caller, too. */
static void test_stop_with_a_parked_batch(void **state) {
    (void)state;
    START({"server.limits.shutdown", "100ms"}, {"server.workers", "1"});
    atomic_store(&toy.lazy, true);
    int fd = wire_tcp(toy.port);
    wire_ask(fd, "WORK a\r\n", "$1\r\na\r\n");
    wire_say(fd, "PARKDONE x\r\n");
    int other_fd = wire_tcp(toy.port);
    wire_ask(other_fd, "WORK b\r\n", "$1\r\nb\r\n");
    atomic_store(&toy.stop, true);
    toy_join(&toy);
    assert_false(net_close(toy.net));
    toy_take_parked(&toy);
    wire_close(fd);
    wire_close(other_fd);
    toy_stop(&toy);
}

/* --- addresses ---------------------------------------------------------------------------------*/

static char folder[] = "/tmp/test_net_XXXXXX";
static char path[64];

static void make_path(void) {
    if (path[0] == '\0') {
        assert_non_null(mkdtemp(folder));
        (void)snprintf(path, sizeof(path), "%s/socket", folder);
    }
}

static int remove_folder(void **state) {
    (void)state;
    (void)unlink(path);
    (void)rmdir(folder);
    return 0;
}

static void expect_refused(const char *says) {
    struct err err = {.msg = ""};
    toy_open(&other, &err);
    assert_null(other.net);
    if (strstr(err.msg, says) == NULL) fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
    toy_release(&other);
}

static void test_unix_socket(void **state) {
    (void)state;
    make_path();
    START({"server.unixsocket", path}, {"server.unixsocketperm", "640"}, {"server.port", "0"});
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    int fd = wire_unix(path);
    wire_ask(fd, "WORK x\r\n", "$1\r\nx\r\n");
    wire_say(fd, "LIST\r\n");
    size_t bytes;
    char *text = wire_bulk(fd, &bytes);
    char addresses[160];
    (void)snprintf(addresses, sizeof(addresses), " addr=%s:0 laddr=%s:0 ", path, path);
    assert_non_null(strstr(text, addresses));
    assert_non_null(strstr(text, " flags=U "));
    free(text);
    wire_close(fd);
    INIT({"server.unixsocket", path}, {"server.port", "0"});
    expect_refused("another server is listening");
    assert_int_equal(stat(path, &st), 0);
    toy_stop(&toy);
    assert_int_equal(stat(path, &st), -1);
}

static void test_stale_unix_socket(void **state) {
    (void)state;
    make_path();
    (void)unlink(path);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    INIT({"server.unixsocket", path});
    expect_refused("exists and is no socket");
    (void)unlink(path);
    INIT({"server.unixsocket", path});
    struct err err;
    toy_open(&other, &err);
    assert_non_null(other.net);
    char aside[80]; /* a file whose server has gone */
    (void)snprintf(aside, sizeof(aside), "%s2", path);
    assert_int_equal(link(path, aside), 0);
    assert_true(net_close(other.net));
    toy_release(&other);
    assert_int_equal(rename(aside, path), 0);
    START({"server.unixsocket", path});
    fd = wire_unix(path);
    wire_ask(fd, "PING\r\n", "+PONG\r\n");
    wire_close(fd);
    toy_stop(&toy);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_addresses(void **state) {
    (void)state;
    START({"server.bind", "127.0.0.1 -::1 -192.0.2.1"});
    char port[16];
    (void)snprintf(port, sizeof(port), "%d", toy.port);
    int fd = wire_tcp(toy.port);
    wire_ask(fd, "PING\r\n", "+PONG\r\n");
    INIT({"server.port", port});
    expect_refused("cannot listen on 127.0.0.1 port");
    wire_close(fd);
    toy_stop(&toy);
    INIT({"server.bind", "192.0.2.1"});
    expect_refused("cannot listen on 192.0.2.1");
    INIT({"server.bind", "no.such.host.invalid"});
    expect_refused("no.such.host.invalid");
    INIT({"server.bind", "-192.0.2.1"});
    expect_refused("names no address of this machine");
}

static void test_worker_cannot_be_made(void **state) {
    (void)state;
    INIT({"server.workers", "4"});
    other.fail_worker = 2;
    expect_refused("worker 2 cannot be made");
}

/* An address of this machine that is not loopback, if it has one. */
static bool outer_address(struct sockaddr_in *ret) {
    struct ifaddrs *all;
    bool found = false;
    if (getifaddrs(&all) != 0) return false;
    for (struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET) continue;
        memcpy(ret, i->ifa_addr, sizeof(*ret));
        found = ntohl(ret->sin_addr.s_addr) >> 24 != 127;
    }
    freeifaddrs(all);
    return found;
}

static void test_protected_mode(void **state) {
    (void)state;
    struct sockaddr_in at;
    if (!outer_address(&at)) {
        print_message("this machine has no address but loopback: nothing to prove\n");
        return;
    }
    START({"server.bind", "*"});
    at.sin_port = htons((uint16_t)toy.port);
    int fd = wire_socket();
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    char line[512];
    wire_line(fd, line, sizeof(line));
    assert_int_equal(strncmp(line, "-DENIED Chronos is running in protected mode", 44), 0);
    wire_expect_end(fd);
    wire_close(fd);
    toy_stop(&toy);
    START({"server.bind", "*"}, {"server.protectedMode", "false"});
    at.sin_port = htons((uint16_t)toy.port);
    fd = wire_socket();
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    wire_ask(fd, "PING\r\n", "+PONG\r\n");
    wire_close(fd);
    toy_stop(&toy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_query_buffer),
        cmocka_unit_test(test_output_buffer),
        cmocka_unit_test(test_before_authentication),
        cmocka_unit_test(test_idle_timeout),
        cmocka_unit_test(test_stop_answers_what_is_under_way),
        cmocka_unit_test(test_stop_by_a_command),
        cmocka_unit_test(test_stop_has_an_end),
        cmocka_unit_test(test_stop_with_a_parked_batch),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_stale_unix_socket),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_worker_cannot_be_made),
        cmocka_unit_test(test_protected_mode),
    };
    return cmocka_run_group_tests(tests, NULL, remove_folder);
}
