/* Proves, on a real server over real sockets, that the protocol is Redis's: malformed input ends a
 * connection with Redis's words, everything else gets one reply per request, in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/server.h"
#include "lib/wire.h"

static struct server server;

static int start(void **state) {
    (void)state;
    server_start(&server, (const char *const[]){"--server.debug", "yes", NULL});
    return 0;
}

static int stop(void **state) {
    (void)state;
    server_stop(&server);
    return 0;
}

/* --- malformed input ---------------------------------------------------------------------------*/

struct dialogue {
    const char *ask, *answer;
};

static const struct dialogue malformed[] = {
    {"*3000000000\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
    {"*20000000\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
    {"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
    {"*+1\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
    {"*01\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
    {"* 1\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
    {"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
    {"*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
    {"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n",
     "-ERR Protocol error: invalid bulk length\r\n"},
    {"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$99999999999999999999\r\n",
     "-ERR Protocol error: invalid bulk length\r\n"},
    {"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "-ERR Protocol error: expected '$', got 'f'\r\n"},
    {"*1\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"},
    {"SET k \"unbalanced\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
    {"SET k 'a'b\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
    {"PING\r\n*1\r\n$4\r\nPING\r\n*?\r\nPING\r\n",
     "+PONG\r\n+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n"},
};

static void say_in_pieces(int fd, const char *text, size_t piece) {
    for (size_t at = 0, n = strlen(text); at < n; at += piece) {
        wire_send(fd, text + at, at + piece < n ? piece : n - at);
    }
}

static void test_malformed_input(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        for (size_t piece = 1; piece < 100; piece = piece * 3 + 1) {
            int fd = wire_tcp(server.port);
            say_in_pieces(fd, malformed[i].ask, piece);
            wire_expect(fd, malformed[i].answer);
            wire_expect_end(fd);
            wire_close(fd);
        }
    }
}

/* Lines without an end. */
static void test_too_big_lines(void **state) {
    (void)state;
    static const struct dialogue lines[] = {
        {"", "-ERR Protocol error: too big inline request\r\n"},
        {"*", "-ERR Protocol error: too big mbulk count string\r\n"},
        {"*1\r\n$", "-ERR Protocol error: too big bulk count string\r\n"},
    };
    static char ones[70000];
    memset(ones, '1', sizeof(ones));
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        int fd = wire_tcp(server.port);
        wire_say(fd, lines[i].ask);
        wire_send(fd, ones, sizeof(ones));
        wire_expect(fd, lines[i].answer);
        wire_expect_end(fd);
        wire_close(fd);
    }
}

/* As in the test that Redis has: nonsense until a write fails; then the error is there to read. */
static void test_flood_of_nonsense(void **state) {
    (void)state;
    static char flood[1 << 16];
    memset(flood, 'A', sizeof(flood));
    int fd = wire_tcp(server.port);
    while (wire_try_send(fd, flood, sizeof(flood))) {
    }
    wire_expect(fd, "-ERR Protocol error: too big inline request\r\n");
    wire_close(fd);
}

static void test_http_is_cut_off(void **state) {
    (void)state;
    int fd = wire_tcp(server.port);
    wire_say(fd, "POST / HTTP/1.1\r\nHost: localhost\r\n\r\nPING\r\n");
    wire_expect_end(fd);
    wire_close(fd);
    assert_true(server_said(&server, "SECURITY ATTACK"));
}

/* --- well-formed input -------------------------------------------------------------------------*/

static const struct dialogue good[] = {
    {"*1\r\n$4\r\nPING\r\n", "+PONG\r\n"},
    {"*2\r\n$4\r\nping\r\n$3\r\na\r\n\r\n", "$3\r\na\r\n\r\n"},
    {"PING\r\n", "+PONG\r\n"},
    {"pInG\n", "+PONG\r\n"},
    {"\r\n\n  \r\nPING\r\n", "+PONG\r\n"},
    {"*0\r\n*-1\r\nPING\r\n", "+PONG\r\n"},
    {"ECHO \"a\\x41\\n b\"\r\n", "$5\r\naA\n b\r\n"},
    {"ECHO 'a\\'b\\n'\r\n", "$5\r\na'b\\n\r\n"},
    {"ECHO \"\"\r\n", "$0\r\n\r\n"},
    {"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", "$0\r\n\r\n"},
    {"nosuch a b\r\nPING\r\n",
     "-ERR unknown command 'nosuch', with args beginning with: 'a' 'b' \r\n+PONG\r\n"},
    {"GET\r\nPING\r\n", "-ERR wrong number of arguments for 'get' command\r\n+PONG\r\n"},
    {"HELLO 4\r\n", "-NOPROTO unsupported protocol version\r\n"},
    {"HELLO x\r\n", "-ERR Protocol version is not an integer or out of range\r\n"},
    {"GET none:1\r\nHELLO 3 SETNAME n\r\n",
     "$-1\r\n%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n"},
    {"SELECT 0\r\n", "+OK\r\n"},
    {"CLIENT REPLY SKIP\r\nGET none:1\r\nECHO a\r\n", "$1\r\na\r\n"},
    {"CLIENT REPLY OFF\r\nGET none:1\r\nECHO a\r\nnosuch\r\nCLIENT REPLY ON\r\nECHO b\r\n",
     "+OK\r\n$1\r\nb\r\n"},
};

static void test_dialogues(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        for (size_t piece = 1; piece < 200; piece = piece * 5 + 1) {
            int fd = wire_tcp(server.port);
            say_in_pieces(fd, good[i].ask, piece);
            wire_expect(fd, good[i].answer);
            wire_close(fd);
        }
    }
}

/* The version of the protocol changes with the command that changes it, in the stream's order. */
static void test_protocol_changes_in_the_stream(void **state) {
    (void)state;
    char line[64];
    int fd = wire_tcp(server.port);
    wire_say(fd, "GET no:1\r\nHELLO 3\r\nGET no:1\r\nHELLO 2\r\nGET no:1\r\nQUIT\r\n");
    wire_expect(fd, "$-1\r\n%7\r\n");
    do wire_line(fd, line, sizeof(line));
    while (strcmp(line, "_") != 0);
    wire_expect(fd, "*14\r\n");
    do wire_line(fd, line, sizeof(line));
    while (strcmp(line, "$-1") != 0);
    wire_expect(fd, "+OK\r\n");
    wire_expect_end(fd);
    wire_close(fd);
}

static void test_quit(void **state) {
    (void)state;
    int fd = wire_tcp(server.port);
    wire_say(fd, "PING\r\nQUIT\r\nPING\r\n");
    wire_expect(fd, "+PONG\r\n+OK\r\n");
    wire_expect_end(fd);
    wire_close(fd);
}

/* --- pipelines ---------------------------------------------------------------------------------*/

static void append(redisContext *c, const char *command, const char *key, const char *json) {
    const char *argv[] = {command, key, json};
    (void)redisAppendCommandArgv(c, json != NULL ? 3 : 2, argv, NULL);
}

static redisReply *next(redisContext *c) {
    void *reply = NULL;
    if (redisGetReply(c, &reply) != REDIS_OK) fail_msg("no reply: %s", c->errstr);
    return reply;
}

static void expect_text(redisContext *c, const char *text) {
    redisReply *r = next(c);
    if (r->str == NULL || strcmp(r->str, text) != 0) {
        fail_msg("got \"%s\" (type %d), not \"%s\"", r->str != NULL ? r->str : "", r->type, text);
    }
    freeReplyObject(r);
}

/* Writes, reads and what the reactor answers, in one pipeline: each reads what was written before
 * it, and its reply stands in its place. */
static void pipeline(redisContext *c, const char *collection, int rounds) {
    char key[64], json[64], echo[64];
    for (int i = 0; i < rounds; i++) {
        (void)snprintf(key, sizeof(key), "%s:%d", collection, i % 7);
        (void)snprintf(json, sizeof(json), "{\"n\":%d}", i);
        (void)snprintf(echo, sizeof(echo), "echo %d", i);
        append(c, "SET", key, json);
        append(c, "ECHO", echo, NULL);
        append(c, "GET", key, NULL);
        append(c, i % 10 == 0 ? "HELLO" : "PING", i % 10 == 0 ? "2" : "x", NULL);
    }
    for (int i = 0; i < rounds; i++) {
        (void)snprintf(echo, sizeof(echo), "echo %d", i);
        (void)snprintf(json, sizeof(json), "{\"n\":%d,", i);
        expect_text(c, "OK");
        expect_text(c, echo);
        redisReply *r = next(c);
        if (r->type != REDIS_REPLY_STRING || strncmp(r->str, json, strlen(json)) != 0) {
            fail_msg("read %s, not %s", r->str != NULL ? r->str : "nothing", json);
        }
        freeReplyObject(r);
        freeReplyObject(next(c));
    }
}

static void test_pipelines(void **state) {
    (void)state;
    redisContext *tcp = server_redis(&server), *local = server_redis_unix(&server);
    pipeline(tcp, "tcp", 1);
    pipeline(tcp, "tcp", 500);
    pipeline(local, "local", 500);
    redisFree(tcp);
    redisFree(local);
}

static void test_big_arguments(void **state) {
    (void)state;
    static const size_t sizes[] = {16384, 32768, 65536, 100000, 1 << 20, 5 << 20};
    redisContext *c = server_redis(&server);
    char *text = malloc(5 << 20);
    assert_non_null(text);
    memset(text, 'x', 5 << 20);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        redisReply *r = redisCommand(c, "ECHO %b", text, sizes[i]);
        assert_non_null(r);
        assert_int_equal(r->len, sizes[i]);
        assert_memory_equal(r->str, text, sizes[i]);
        freeReplyObject(r);
    }
    free(text);
    redisFree(c);
}

/* A client writes all its pipeline before it reads: 30 MB of requests, 60 MB of replies. */
static void test_write_first_read_later(void **state) {
    (void)state;
    enum { COUNT = 15000 };
    static char text[2048];
    memset(text, 'y', sizeof(text));
    int fd = wire_tcp(server.port);
    for (int i = 0; i < COUNT; i++) {
        wire_say(fd, "GET no:1\r\n*2\r\n$4\r\nECHO\r\n$2048\r\n");
        wire_send(fd, text, sizeof(text));
        wire_say(fd, "\r\n");
    }
    for (int i = 0; i < COUNT; i++) {
        wire_expect(fd, "$-1\r\n$2048\r\n");
        wire_expect_bytes(fd, text, sizeof(text));
        wire_expect(fd, "\r\n");
    }
    wire_close(fd);
}

static void test_half_closed(void **state) {
    (void)state;
    int fd = wire_tcp(server.port);
    wire_say(fd, "SET half:1 {}\r\nEXISTS half:1\r\nPING\r\n*1\r\n$4\r\nPI");
    (void)shutdown(fd, SHUT_WR);
    wire_expect(fd, "+OK\r\n:1\r\n+PONG\r\n");
    wire_expect_end(fd);
    wire_close(fd);
}

/* --- CLIENT ------------------------------------------------------------------------------------*/

static void test_client_kill(void **state) {
    (void)state;
    redisContext *a = server_redis(&server), *b = server_redis_unix(&server);
    redisReply *id = redisCommand(b, "CLIENT ID");
    assert_non_null(id);
    freeReplyObject(redisCommand(b, "CLIENT SETNAME victim"));
    redisReply *list = redisCommand(a, "CLIENT LIST");
    assert_non_null(list);
    char line[64];
    (void)snprintf(line, sizeof(line), "id=%lld addr=", id->integer);
    const char *found = strstr(list->str, line);
    assert_non_null(found);
    assert_non_null(strstr(found, " name=victim "));
    assert_non_null(strstr(found, " flags=U "));
    freeReplyObject(list);
    redisReply *r = redisCommand(a, "CLIENT KILL ID %lld", id->integer);
    assert_non_null(r);
    assert_int_equal(r->integer, 1);
    freeReplyObject(r);
    freeReplyObject(id);
    assert_null(redisCommand(b, "PING"));
    redisFree(a);
    redisFree(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_input),
        cmocka_unit_test(test_too_big_lines),
        cmocka_unit_test(test_flood_of_nonsense),
        cmocka_unit_test(test_http_is_cut_off),
        cmocka_unit_test(test_dialogues),
        cmocka_unit_test(test_protocol_changes_in_the_stream),
        cmocka_unit_test(test_quit),
        cmocka_unit_test(test_pipelines),
        cmocka_unit_test(test_big_arguments),
        cmocka_unit_test(test_write_first_read_later),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_client_kill),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
