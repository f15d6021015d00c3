/* Proves the rules of a connection, with the net layer in a thread and a toy handler above it: one
 * reply per request, in order, whatever is parked, batched, split, large, killed or cut off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "lib/toy.h"
#include "lib/wire.h"

enum { MB = 1024 * 1024, TEXT_BYTES = 64 * MB };

static struct toy toy;

#define SETTINGS(...)                                                                              \
    (const struct toy_setting[]) {                                                                 \
        __VA_ARGS__                                                                                \
    }
#define START(...)                                                                                 \
    toy_start(&toy, SETTINGS(__VA_ARGS__),                                                         \
              (int)(sizeof(SETTINGS(__VA_ARGS__)) / sizeof(struct toy_setting)))

static int setup(void **state) {
    (void)state;
    START({"server.workers", "3"}, {"server.limits.batchRequests", "16"});
    return 0;
}

static int teardown(void **state) {
    (void)state;
    toy_stop(&toy);
    return 0;
}

/* --- order -------------------------------------------------------------------------------------*/

static uint32_t dice(uint32_t *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

/* A random pipeline and the replies that it must have. */
static void make_pipeline(uint32_t seed, int count, struct buf *ask, struct buf *want) {
    static const char *const words[] = {"ECHO", "WORK", "PARK", "PARKDONE", "WORK", "ECHO"};
    static const char *const bare[] = {"PING", "STATE"};
    static const char *const bare_replies[] = {"+PONG\r\n", "+STATE\r\n"};
    buf_reset(ask);
    buf_reset(want);
    for (int i = 0; i < count; i++) {
        uint32_t kind = dice(&seed) % 10;
        if (kind < 2) {
            if (dice(&seed) % 2 == 0) buf_printf(ask, "*1\r\n$%zu\r\n", strlen(bare[kind]));
            buf_printf(ask, "%s\r\n", bare[kind]);
            buf_append_str(want, str_of(bare_replies[kind]));
            continue;
        }
        char text[32];
        int n = snprintf(text, sizeof(text), "%u-%d", seed, i);
        const char *name = words[dice(&seed) % 6];
        buf_printf(ask, "*2\r\n$%zu\r\n%s\r\n$%d\r\n%s\r\n", strlen(name), name, n, text);
        buf_printf(want, "$%d\r\n%s\r\n", n, text);
    }
}

static void test_pipelines_keep_order(void **state) {
    (void)state;
    enum { CLIENTS = 8, ROUNDS = 12 };
    struct buf ask[CLIENTS], want[CLIENTS];
    int fd[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        buf_init(&ask[i], TEXT_BYTES);
        buf_init(&want[i], TEXT_BYTES);
        fd[i] = wire_tcp(toy.port);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            make_pipeline((uint32_t)(round * CLIENTS + i + 1), 1 << round, &ask[i], &want[i]);
            wire_send(fd[i], ask[i].data, ask[i].len);
        }
        for (int i = 0; i < CLIENTS; i++) wire_expect_bytes(fd[i], want[i].data, want[i].len);
    }
    for (int i = 0; i < CLIENTS; i++) {
        wire_close(fd[i]);
        buf_release(&ask[i]);
        buf_release(&want[i]);
    }
}

static void test_pipeline_in_pieces(void **state) {
    (void)state;
    struct buf ask, want;
    buf_init(&ask, TEXT_BYTES);
    buf_init(&want, TEXT_BYTES);
    make_pipeline(77, 300, &ask, &want);
    int fd = wire_tcp(toy.port);
    for (size_t i = 0; i < ask.len; i++) wire_send(fd, ask.data + i, 1);
    wire_expect_bytes(fd, want.data, want.len);
    wire_close(fd);
    buf_release(&ask);
    buf_release(&want);
}

/* A state command sees what came before it, and nothing that came after sees what was before. */
static void test_state_commands_cut_batches(void **state) {
    (void)state;
    int fd = wire_tcp(toy.port);
    wire_ask(fd, "WORK a\r\nPROTO 3\r\nPROTO 2\r\nWORK b\r\nWORK\r\nPROTO 3\r\nWORK\r\n",
             "$1\r\na\r\n_\r\n$-1\r\n$1\r\nb\r\n$-1\r\n_\r\n_\r\n");
    wire_close(fd);
}

static void test_batches_have_a_limit(void **state) {
    (void)state;
    int fd = wire_tcp(toy.port);
    long before = atomic_load(&toy.batches);
    char ask[64 * 8], want[64 * 7];
    for (int i = 0; i < 64; i++) memcpy(ask + i * 8, "WORK x\r\n", 8);
    for (int i = 0; i < 64; i++) memcpy(want + i * 7, "$1\r\nx\r\n", 7);
    wire_send(fd, ask, sizeof(ask));
    wire_expect_bytes(fd, want, sizeof(want));
    assert_in_range(atomic_load(&toy.batches) - before, 64 / 16, 64);
    wire_close(fd);
}

/* --- size --------------------------------------------------------------------------------------*/

/* An argument of many bytes, sent in pieces of this size, comes back whole. */
static void echo_big(int fd, const char *name, size_t bytes, size_t piece) {
    struct buf ask;
    buf_init(&ask, TEXT_BYTES);
    buf_printf(&ask, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(name), name, bytes);
    for (size_t i = 0; i < bytes; i++) buf_append_char(&ask, (char)('a' + i % 23));
    buf_append_str(&ask, STR("\r\n*1\r\n$4\r\nPING\r\n"));
    for (size_t at = 0; at < ask.len; at += piece) {
        wire_send(fd, ask.data + at, at + piece <= ask.len ? piece : ask.len - at);
    }
    size_t got;
    char *text = wire_bulk(fd, &got);
    assert_int_equal(got, bytes);
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] != (char)('a' + i % 23)) fail_msg("byte %zu is wrong", i);
    }
    free(text);
    wire_expect(fd, "+PONG\r\n");
    buf_release(&ask);
}

static void test_big_arguments(void **state) {
    (void)state;
    static const size_t sizes[] = {16383, 16384,     32768,      65535,      65536,
                                   70000, 81920 - 9, 256 * 1024, 1024 * 1024};
    int fd = wire_tcp(toy.port);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        echo_big(fd, "ECHO", sizes[i], sizes[i] * 2);
        echo_big(fd, "WORK", sizes[i], 1000 + sizes[i] / 7);
    }
    echo_big(fd, "WORK", 20 * MB, 100000);
    wire_close(fd);
}

static void test_many_arguments(void **state) {
    (void)state;
    struct buf ask;
    buf_init(&ask, TEXT_BYTES);
    buf_append_str(&ask, STR("*100002\r\n$4\r\nWORK\r\n$1\r\nx\r\n"));
    for (int i = 0; i < 100000; i++) buf_append_str(&ask, STR("$1\r\na\r\n"));
    buf_append_str(&ask, STR("*1\r\n$4\r\nPING\r\n"));
    int fd = wire_tcp(toy.port);
    for (int i = 0; i < 2; i++) {
        wire_send(fd, ask.data, ask.len);
        wire_expect(fd, "$1\r\nx\r\n+PONG\r\n");
    }
    wire_close(fd);
    buf_release(&ask);
}

/* A client may write all it has to say before it reads one reply. */
static void test_whole_pipeline_before_the_first_read(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    static char text[1024];
    memset(text, 't', sizeof(text));
    int fd = wire_tcp(toy.port);
    for (int i = 0; i < COUNT; i++) {
        wire_say(fd,
                 i % 3 == 0 ? "*2\r\n$4\r\nWORK\r\n$1024\r\n" : "*2\r\n$4\r\nECHO\r\n$1024\r\n");
        wire_send(fd, text, sizeof(text));
        wire_say(fd, "\r\n");
    }
    for (int i = 0; i < COUNT; i++) {
        wire_expect(fd, "$1024\r\n");
        wire_expect_bytes(fd, text, sizeof(text));
        wire_expect(fd, "\r\n");
    }
    wire_close(fd);
}

/* --- ends --------------------------------------------------------------------------------------*/

static void test_half_closed_client_gets_its_replies(void **state) {
    (void)state;
    int fd = wire_tcp(toy.port);
    wire_say(fd, "WORK a\r\nPARK b\r\nPING\r\nunfinished");
    (void)shutdown(fd, SHUT_WR);
    wire_expect(fd, "$1\r\na\r\n$1\r\nb\r\n+PONG\r\n");
    wire_expect_end(fd);
    wire_close(fd);
}

static void test_quit_ends_the_stream(void **state) {
    (void)state;
    long before = atomic_load(&toy.ran);
    int fd = wire_tcp(toy.port);
    wire_say(fd, "WORK a\r\nQUIT\r\nWORK b\r\nWORK c\r\n");
    wire_expect(fd, "$1\r\na\r\n+OK\r\n");
    wire_expect_end(fd);
    wire_close(fd);
    fd = wire_tcp(toy.port);
    wire_say(fd, "HANGUP\r\nPING\r\n");
    wire_expect(fd, "+OK\r\n");
    wire_skip_to_end(fd);
    wire_close(fd);
    assert_int_equal(atomic_load(&toy.ran) - before, 2);
}

static void test_error_comes_after_the_replies(void **state) {
    (void)state;
    int fd = wire_tcp(toy.port);
    wire_say(fd, "PING\r\nWORK a\r\n*1\r\n$x\r\nPING\r\n");
    wire_expect(fd, "+PONG\r\n$1\r\na\r\n-ERR Protocol error: invalid bulk length\r\n");
    wire_expect_end(fd);
    wire_close(fd);
}

/* A client that sends nonsense for ever is told why, and then cut off. */
static void test_flood_after_an_error(void **state) {
    (void)state;
    static char flood[64 * 1024];
    memset(flood, 'x', sizeof(flood));
    int fd = wire_tcp(toy.port);
    wire_say(fd, "*1\r\nx\r\n");
    while (wire_try_send(fd, flood, sizeof(flood))) {
    }
    wire_expect(fd, "-ERR Protocol error: expected '$', got 'x'\r\n");
    wire_close(fd);
}

static void test_http_is_cut_off(void **state) {
    (void)state;
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "post\r\n",
        "*1\r\n$5\r\nhost:\r\n",
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        int fd = wire_tcp(toy.port);
        wire_say(fd, requests[i]);
        wire_expect_end(fd);
        wire_close(fd);
    }
}

/* Waits until all other clients have gone and no batch is in flight. */
static void expect_alone(void) {
    int fd = wire_tcp(toy.port);
    char clients[64] = "", blocked[64] = "", out[64];
    for (int64_t end = clock_mono_us() + 10000000; clock_mono_us() < end;) {
        wire_ask(fd, "STATS\r\n", "*3\r\n");
        wire_line(fd, clients, sizeof(clients));
        wire_line(fd, blocked, sizeof(blocked));
        wire_line(fd, out, sizeof(out));
        if (strcmp(clients, ":1") == 0 && strcmp(blocked, ":0") == 0) break;
    }
    assert_string_equal(clients, ":1");
    assert_string_equal(blocked, ":0");
    wire_close(fd);
}

/* Clients that vanish in the middle: what they asked of a worker happens, nothing is left over. */
static void test_vanished_clients(void **state) {
    (void)state;
    enum { CLIENTS = 12 };
    long before = atomic_load(&toy.ran);
    int fd[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = wire_tcp(toy.port);
        wire_say(fd[i], "WAIT a\r\nWORK b\r\nPARK c\r\nPARKDONE d\r\n");
    }
    while (atomic_load(&toy.waiting) < 3) (void)usleep(100);
    for (int i = 0; i < CLIENTS; i++) {
        if (i % 3 == 0) wire_say(fd[i], "*2\r\n$4\r\nECHO\r\n$100\r\nhalf");
        if (i % 2 == 0) wire_reset(fd[i]);
        if (i % 2 == 1) wire_close(fd[i]);
    }
    atomic_store(&toy.gate, true);
    toy_wait_for(&toy.ran, before + CLIENTS * 4);
    expect_alone();
}

/* The end comes together with the last bytes, and there is nothing to answer. */
static void test_vanished_in_one_go(void **state) {
    (void)state;
    static const char *const last[] = {"PI", "*1\r\n$100\r\nhalf", "REPLY OFF\r\nPING\r\n",
                                       "REPLY OFF\r\nWORK x\r\n"};
    for (int i = 0; i < 200; i++) {
        int fd = wire_tcp(toy.port);
        wire_say(fd, last[i % 4]);
        if (i % 3 == 0) wire_close(fd);
        if (i % 3 != 0) wire_reset(fd);
    }
    expect_alone();
}

/* --- CLIENT ------------------------------------------------------------------------------------*/

static void test_dropped_replies(void **state) {
    (void)state;
    int fd = wire_tcp(toy.port);
    wire_ask(fd, "REPLY SKIP\r\nPING\r\nPING\r\n", "+PONG\r\n");
    wire_ask(fd, "REPLY SKIP\r\nWORK a\r\nWORK b\r\nWORK c\r\n", "$1\r\nb\r\n$1\r\nc\r\n");
    wire_ask(fd, "REPLY OFF\r\nPING\r\nWORK a\r\nPARK b\r\nPING\r\nREPLY ON\r\nPING\r\n",
             "+OK\r\n+PONG\r\n");
    wire_ask(fd, "REPLY SKIP\r\nREPLY ON\r\nWORK a\r\n", "+OK\r\n$1\r\na\r\n");
    wire_say(fd, "REPLY OFF\r\n*x\r\n");
    wire_expect_end(fd);
    wire_close(fd);
}

static void test_list_and_kill(void **state) {
    (void)state;
    int a = wire_tcp(toy.port), b = wire_tcp(toy.port);
    wire_ask(a, "PING\r\n", "+PONG\r\n");
    wire_ask(b, "PING\r\n", "+PONG\r\n");
    wire_say(b, "WAIT x\r\n");
    while (atomic_load(&toy.waiting) < 1) (void)usleep(100);
    wire_say(a, "LIST\r\n");
    size_t bytes;
    char *text = wire_bulk(a, &bytes);
    long long first = 0, second = 0;
    assert_int_equal(sscanf(text, "id=%lld addr=127.0.0.1:", &first), 1);
    const char *line = strchr(text, '\n');
    assert_non_null(line);
    assert_int_equal(sscanf(line + 1, "id=%lld addr=127.0.0.1:", &second), 1);
    assert_true(second == first + 1);
    assert_non_null(strstr(text, " flags=N "));
    assert_non_null(strstr(line, " flags=b "));
    assert_non_null(strstr(text, " cmd=toy "));
    free(text);
    char kill[64];
    (void)snprintf(kill, sizeof(kill), "KILL %lld\r\n", second);
    wire_ask(a, kill, ":1\r\n");
    wire_expect_end(b);
    wire_ask(a, kill, ":0\r\n");
    atomic_store(&toy.gate, true);
    wire_say(a, "WORK x\r\nKILL SELF\r\nPING\r\n");
    wire_expect(a, "$1\r\nx\r\n:1\r\n");
    wire_expect_end(a);
    wire_close(a);
    wire_close(b);
}

static void test_settings_change(void **state) {
    (void)state;
    int fd = wire_tcp(toy.port);
    wire_say(fd, "WAIT x\r\n");
    while (atomic_load(&toy.waiting) < 1) (void)usleep(100);
    int other = wire_tcp(toy.port);
    wire_ask(other, "LIMIT 20\r\n", "+OK\r\n");
    atomic_store(&toy.gate, true);
    wire_expect(fd, "$1\r\nx\r\n");
    wire_say(fd, "*21\r\n");
    wire_expect(fd, "-ERR Protocol error: invalid multibulk length\r\n");
    wire_expect_end(fd);
    wire_close(fd);
    wire_close(other);
}

/* --- work --------------------------------------------------------------------------------------*/

/* Work that comes up while the workers go to sleep is never left lying. */
static void test_no_wake_up_is_lost(void **state) {
    (void)state;
    for (long i = 1; i <= 3000; i++) {
        toy_add_ticket(&toy);
        if (i % 3 != 0) toy_wait_for(&toy.done_tickets, i);
    }
    toy_wait_for(&toy.done_tickets, 3000);
}

/* Slow batches do not hold up quick ones as long as a worker is free. */
static void test_quick_beside_slow(void **state) {
    (void)state;
    int slow[2] = {wire_tcp(toy.port), wire_tcp(toy.port)};
    int quick = wire_tcp(toy.port);
    wire_say(slow[0], "WAIT a\r\n");
    wire_say(slow[1], "WAIT b\r\n");
    while (atomic_load(&toy.waiting) < 2) (void)usleep(100);
    for (int i = 0; i < 200; i++) wire_ask(quick, "WORK q\r\nPARK r\r\n", "$1\r\nq\r\n$1\r\nr\r\n");
    atomic_store(&toy.gate, true);
    wire_expect(slow[0], "$1\r\na\r\n");
    wire_expect(slow[1], "$1\r\nb\r\n");
    wire_close(slow[0]);
    wire_close(slow[1]);
    wire_close(quick);
}

/* Batches may come back with requests left, again and again. */
static void test_large_replies_in_parts(void **state) {
    (void)state;
    atomic_store(&toy.chatty, true);
    int fd = wire_tcp(toy.port);
    for (int i = 0; i < 100; i++) wire_say(fd, "BIGWORK 300000\r\n");
    wire_say(fd, "PING\r\n");
    for (int i = 0; i < 100; i++) {
        size_t bytes;
        free(wire_bulk(fd, &bytes));
        assert_int_equal(bytes, 300000);
    }
    wire_expect(fd, "+PONG\r\n");
    long before = atomic_load(&toy.ran);
    for (int i = 0; i < 64; i++) wire_say(fd, "BIGWORK 300000\r\n"); /* of a client that leaves */
    wire_reset(fd);
    fd = wire_tcp(toy.port);
    wire_ask(fd, "WORK x\r\n", "$1\r\nx\r\n");
    toy_wait_for(&toy.ran, before + 1);
    wire_close(fd);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_pipelines_keep_order),
        TEST(test_pipeline_in_pieces),
        TEST(test_state_commands_cut_batches),
        TEST(test_batches_have_a_limit),
        TEST(test_big_arguments),
        TEST(test_many_arguments),
        TEST(test_whole_pipeline_before_the_first_read),
        TEST(test_half_closed_client_gets_its_replies),
        TEST(test_quit_ends_the_stream),
        TEST(test_error_comes_after_the_replies),
        TEST(test_flood_after_an_error),
        TEST(test_http_is_cut_off),
        TEST(test_vanished_clients),
        TEST(test_vanished_in_one_go),
        TEST(test_dropped_replies),
        TEST(test_list_and_kill),
        TEST(test_settings_change),
        TEST(test_no_wake_up_is_lost),
        TEST(test_quick_beside_slow),
        TEST(test_large_replies_in_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
