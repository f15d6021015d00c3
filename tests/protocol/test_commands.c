/* Proves, over a real socket and in both protocols, that every command answers as it should, with
 * every option and in every error; and that no row of the command table was left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "commands/table.h"
#include "lib/server.h"
#include "lib/wire.h"
#include "protocol/steps.h"

enum { PIPELINE = 300, SCANNED = 57 };

static const char *const settings[] = {"--server.debug", "local", "--collectionMaps",
                                       STEPS_COLLECTIONS, NULL};
static struct server server;

static int start(void **state) {
    (void)state;
    server_start(&server, settings);
    return 0;
}

static int stop(void **state) {
    (void)state;
    server_stop(&server);
    return 0;
}

static redisReply *ask(redisContext *c, const char *line) {
    redisReply *reply = redisCommand(c, line);
    if (!reply) fail_msg("'%s': %s", line, c->errstr);
    return reply;
}

static void ask_text(redisContext *c, const char *line, const char *want) {
    redisReply *reply = ask(c, line);
    if (!reply->str || strcmp(reply->str, want) != 0)
        fail_msg("'%s' answered %s", line, reply->str ? reply->str : "no text");
    freeReplyObject(reply);
}

static struct script script_open(int protocol) {
    struct script s = {.peer = peer_open(server.port), .protocol = protocol};
    if (protocol == 3)
        script_run(&s, (struct step[]){{"hello 3", "{* 'proto' :3 *}"}, {NULL, NULL}});
    return s;
}

static void run_all(int protocol) {
    static const struct step *const scripts[] = {
        steps_scan,    steps_write,      steps_opid,   steps_read,    steps_history,
        steps_restore, steps_hidden,     steps_keys,   steps_string,  steps_route,
        steps_admin,   steps_connection, steps_client, steps_command, steps_server};
    struct script s = script_open(protocol);
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) script_run(&s, scripts[i]);
    peer_close(s.peer);
}

static void test_scripts_resp2(void **state) {
    (void)state;
    run_all(2);
}

static void test_scripts_resp3(void **state) {
    (void)state;
    run_all(3);
}

/* A pipeline of writes, reads between them and errors: answers come in order, each sees what was
 * written before it. */
static void test_pipeline(void **state) {
    (void)state;
    redisContext *c = server_redis(&server);
    for (int i = 0; i < PIPELINE; i++) {
        redisAppendCommand(c, "CHRONOS.CREATE pipe:%d {\"n\":%d}", i, i);
        if (i % 7 == 0) redisAppendCommand(c, "CHRONOS.CREATE pipe:%d {}", i);
        if (i % 11 == 0) redisAppendCommand(c, "GET pipe:%d", i);
        if (i % 13 == 0) redisAppendCommand(c, "NOSUCH %d", i);
        if (i % 17 == 0) redisAppendCommand(c, "MSET pipe:m {\"n\":%d} pipe:n {}", i);
        if (i % 19 == 0) redisAppendCommand(c, "PING %d", i);
    }
    redisReply *r;
    for (int i = 0; i < PIPELINE; i++) {
        char want[64];
        assert_int_equal(redisGetReply(c, (void **)&r), REDIS_OK);
        assert_int_equal(r->type, REDIS_REPLY_ARRAY);
        (void)snprintf(want, sizeof want, "pipe:%d", i);
        assert_string_equal(r->element[1]->str, want);
        freeReplyObject(r);
        if (i % 7 == 0) {
            assert_int_equal(redisGetReply(c, (void **)&r), REDIS_OK);
            assert_int_equal(strncmp(r->str, "EXISTS ", 7), 0);
            freeReplyObject(r);
        }
        if (i % 11 == 0) {
            assert_int_equal(redisGetReply(c, (void **)&r), REDIS_OK);
            (void)snprintf(want, sizeof want, "{\"n\":%d,", i);
            assert_int_equal(strncmp(r->str, want, strlen(want)), 0);
            freeReplyObject(r);
        }
        if (i % 13 == 0) {
            assert_int_equal(redisGetReply(c, (void **)&r), REDIS_OK);
            assert_int_equal(strncmp(r->str, "ERR unknown command", 19), 0);
            freeReplyObject(r);
        }
        if (i % 17 == 0) {
            assert_int_equal(redisGetReply(c, (void **)&r), REDIS_OK);
            assert_string_equal(r->str, "OK");
            freeReplyObject(r);
        }
        if (i % 19 == 0) {
            assert_int_equal(redisGetReply(c, (void **)&r), REDIS_OK);
            (void)snprintf(want, sizeof want, "%d", i);
            assert_string_equal(r->str, want);
            freeReplyObject(r);
        }
    }
    redisFree(c);
}

/* A pipeline of creates is few commits. */
static void test_group_commit(void **state) {
    (void)state;
    redisContext *c = server_redis(&server);
    ask_text(c, "CONFIG RESETSTAT", "OK");
    for (int i = 0; i < PIPELINE; i++) redisAppendCommand(c, "CHRONOS.CREATE group: {}");
    for (int i = 0; i < PIPELINE; i++) {
        redisReply *r;
        assert_int_equal(redisGetReply(c, (void **)&r), REDIS_OK);
        assert_int_equal(r->type, REDIS_REPLY_ARRAY);
        freeReplyObject(r);
    }
    redisReply *info = ask(c, "INFO chronos");
    const char *groups = strstr(info->str, "commit_groups:");
    assert_non_null(groups);
    struct str digits = {groups + 14, strspn(groups + 14, "0123456789")};
    int64_t count;
    assert_true(str_to_int(digits, &count));
    assert_in_range(count, 1, PIPELINE / 10);
    freeReplyObject(info);
    redisFree(c);
}

/* State commands in a pipeline act at their place: replies before HELLO 3 are RESP2, later ones
 * RESP3. */
static void test_state_in_pipeline(void **state) {
    (void)state;
    int fd = wire_tcp(server.port);
    wire_say(fd, "CHRONOS.GET nosuch:1\r\nSET st:1 {}\r\nGET st:2\r\nHELLO 3\r\nGET st:2\r\n"
                 "SET st:1 {}\r\nGET st:2\r\nHELLO 2\r\nGET st:2\r\n");
    wire_expect(fd, "$-1\r\n+OK\r\n$-1\r\n%7\r\n");
    char line[256];
    do wire_line(fd, line, sizeof line);
    while (strcmp(line, "$4") != 0 ||
           (wire_line(fd, line, sizeof line), strcmp(line, "args") != 0));
    wire_expect(fd, "*0\r\n_\r\n+OK\r\n_\r\n*14\r\n");
    do wire_line(fd, line, sizeof line);
    while (strcmp(line, "args") != 0);
    wire_expect(fd, "*0\r\n$-1\r\n");
    wire_close(fd);
}

/* CLIENT REPLY OFF and SKIP leave out answers of the reactor and of workers alike. */
static void test_reply_off(void **state) {
    (void)state;
    struct script s = script_open(2);
    script_send(&s, "client reply OFF");
    script_send(&s, "set off:1 {}");
    script_send(&s, "nosuch");
    script_send(&s, "ping");
    script_run(&s,
               (struct step[]){{"client reply ON", "+OK"}, {"exists off:1", ":1"}, {NULL, NULL}});
    script_send(&s, "client reply SKIP");
    script_send(&s, "set off:2 {}");
    script_run(&s, (struct step[]){{"exists off:2", ":1"}, {NULL, NULL}});
    script_send(&s, "client reply SKIP");
    script_send(&s, "ping");
    script_run(&s, (struct step[]){{"ping", "+PONG"}, {NULL, NULL}});
    peer_close(s.peer);
}

/* Keys that come and go beside a scan do not disturb it; a cursor may be asked again. */
static void test_scan_whole(void **state) {
    (void)state;
    redisContext *c = server_redis(&server);
    int seen[SCANNED] = {0};
    char cursor[32] = "0", again[32];
    for (int i = 0; i < SCANNED; i++) freeReplyObject(redisCommand(c, "SET scan:%03d {}", i));
    int calls = 0;
    do {
        (void)snprintf(again, sizeof again, "%s", cursor);
        for (int pass = 0; pass < 2; pass++) { /* the same cursor twice: the same keys */
            redisReply *r = redisCommand(c, "SCAN %s MATCH scan:* COUNT 5", again);
            assert_int_equal(r->type, REDIS_REPLY_ARRAY);
            (void)snprintf(cursor, sizeof cursor, "%s", r->element[0]->str);
            for (size_t i = 0; i < r->element[1]->elements; i++) {
                int64_t n;
                const char *id = strchr(r->element[1]->element[i]->str, ':') + 1;
                id += strspn(id, "0");
                if (!str_to_int(*id ? str_of(id) : STR("0"), &n)) continue; /* one that came */
                seen[n] += pass;
            }
            freeReplyObject(r);
        }
        freeReplyObject(redisCommand(c, "SET scan:x%d {}", calls));
        freeReplyObject(redisCommand(c, "DEL scan:x%d", calls - 1));
        assert_true(++calls < 100);
    } while (strcmp(cursor, "0") != 0);
    for (int i = 0; i < SCANNED; i++) assert_int_equal(seen[i], 1);
    redisFree(c);
}

/* CLIENT LIST, KILL and names see other connections. */
static void test_other_clients(void **state) {
    (void)state;
    redisContext *c = server_redis(&server), *other = server_redis(&server);
    ask_text(other, "CLIENT SETNAME victim", "OK");
    redisReply *id = ask(other, "CLIENT ID"), *list = ask(c, "CLIENT LIST");
    assert_non_null(strstr(list->str, "name=victim "));
    freeReplyObject(list);
    redisReply *killed = redisCommand(c, "CLIENT KILL ID %lld", id->integer);
    assert_int_equal(killed->integer, 1);
    assert_null(redisCommand(other, "PING"));
    freeReplyObject(killed);
    freeReplyObject(id);
    redisFree(other);
    /* itself: answered, then closed */
    id = ask(c, "CLIENT ID");
    killed = redisCommand(c, "CLIENT KILL ID %lld SKIPME no", id->integer);
    assert_int_equal(killed->integer, 1);
    assert_null(redisCommand(c, "PING"));
    freeReplyObject(killed);
    freeReplyObject(id);
    redisFree(c);
}

static void test_quit_and_reset(void **state) {
    (void)state;
    struct script s = script_open(3);
    script_run(&s, (struct step[]){{"client setname me", "+OK"},
                                   {"chronos.use DB other", "+OK"},
                                   {"reset", "+RESET"},
                                   {NULL, NULL}});
    s.protocol = 2;
    script_run(&s, (struct step[]){{"client getname", "nil"},
                                   {"chronos.use", "{* 'from' 'default'}"},
                                   {"hello", "{* 'proto' :2 *}"},
                                   {"reset 1", "-ERR wrong number*"},
                                   {"quit", "+OK"},
                                   {NULL, NULL}});
    peer_expect_end(s.peer);
    peer_close(s.peer);
}

static void test_password(void **state) {
    (void)state;
    struct script s = script_open(2);
    script_run(&s, (struct step[]){
                       {"config set requirepass 's e c'", "+OK"}, {"ping", "+PONG"}, {NULL, NULL}});
    struct script t = script_open(2);
    script_run(&t, (struct step[]){{"ping", "-NOAUTH Authentication required."},
                                   {"get x:1", "-NOAUTH Authentication required."},
                                   {"nosuch", "-ERR unknown command*"},
                                   {"get", "-ERR wrong number*"},
                                   {"hello", "-NOAUTH HELLO must be called*"},
                                   {"hello 3 AUTH default wrong", "-WRONGPASS *"},
                                   {"auth wrong", "-WRONGPASS *"},
                                   {"auth default wrong", "-WRONGPASS *"},
                                   {"auth nobody 's e c'", "-WRONGPASS *"},
                                   {"ping", "-NOAUTH *"},
                                   {"auth 's e c'", "+OK"},
                                   {"ping", "+PONG"},
                                   {"config get requirepass", "*"},
                                   {"reset", "+RESET"},
                                   {"ping", "-NOAUTH *"},
                                   {NULL, NULL}});
    t.protocol = 3;
    script_run(&t, (struct step[]){{"hello 3 AUTH default 's e c' SETNAME me", "{*'proto' :3 *}"},
                                   {"client getname", "'me'"},
                                   {"config set requirepass _", "+OK"},
                                   {NULL, NULL}});
    peer_close(t.peer);
    peer_close(s.peer);
}

static void test_debug_not_allowed(void **state) {
    (void)state;
    struct server strict = {0};
    server_start(&strict, (const char *[]){"--server.debug", "no", NULL});
    struct script s = {.peer = peer_open(strict.port), .protocol = 2};
    script_run(&s,
               (struct step[]){{"debug sleep 0", "-ERR DEBUG command not allowed*server.debug*"},
                               {"debug fault swapped off", "-ERR DEBUG command not allowed*"},
                               {"debug help", "[*]"},
                               {NULL, NULL}});
    peer_close(s.peer);
    server_stop(&strict);
}

/* With a file of settings: what CONFIG SET changed is there after CONFIG REWRITE and a restart. */
static void test_rewrite(void **state) {
    (void)state;
    char path[] = "/tmp/chronos-settings.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    const char text[] = "{\"server\": {\"limits\": {\"clients\": 77}}}";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    assert_int_equal(close(fd), 0);
    struct server filed = {0};
    const char *const args[] = {path, NULL};
    server_start(&filed, args);
    struct script s = {.peer = peer_open(filed.port), .protocol = 3};
    script_run(&s, (struct step[]){{"hello 3", "{*}"},
                                   {"config get maxclients", "{'maxclients' '77'}"},
                                   {"config set maxclients 78", "+OK"},
                                   {"config rewrite", "+OK"},
                                   {NULL, NULL}});
    peer_close(s.peer);
    server_stop_here(&filed);
    server_restart(&filed, args);
    s.peer = peer_open(filed.port);
    script_run(&s, (struct step[]){{"hello 3", "{*}"},
                                   {"config get maxclients", "{'maxclients' '78'}"},
                                   {NULL, NULL}});
    peer_close(s.peer);
    server_stop(&filed);
    assert_int_equal(unlink(path), 0);
}

/* The last of all: what a restart keeps, and SHUTDOWN. */
static void test_restart_and_shutdown(void **state) {
    (void)state;
    struct script s = script_open(2);
    script_run(&s, (struct step[]){{"chronos.create last:1 '{\"a\":1}' OPID last-1", "{*}"},
                                   {NULL, NULL}});
    script_send(&s, "shutdown NOSAVE NOW FORCE");
    server_wait(&server);
    peer_close(s.peer);
    server_restart(&server, settings);
    s = script_open(2);
    script_run(&s,
               (struct step[]){{"get last:1", "'{\"a\":1,*'"},
                               {"chronos.create last:1 '{\"a\":1}' OPID last-1", "{* 'ov' :0 *}"},
                               {"chronos.opstatus last-1", "{* 'status' 'committed' *}"},
                               {NULL, NULL}});
    peer_close(s.peer);
}

static void test_nothing_left_out(void **state) {
    (void)state;
    script_check_all_called();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scripts_resp2, start, stop),
        cmocka_unit_test_setup(test_scripts_resp3, start),
        cmocka_unit_test(test_pipeline),
        cmocka_unit_test(test_group_commit),
        cmocka_unit_test(test_state_in_pipeline),
        cmocka_unit_test(test_reply_off),
        cmocka_unit_test(test_scan_whole),
        cmocka_unit_test(test_other_clients),
        cmocka_unit_test(test_quit_and_reset),
        cmocka_unit_test(test_password),
        cmocka_unit_test(test_debug_not_allowed),
        cmocka_unit_test(test_rewrite),
        cmocka_unit_test(test_restart_and_shutdown),
        cmocka_unit_test_teardown(test_nothing_left_out, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
