/* Proves that CONFIG GET and SET speak as Redis does, that a set is all or nothing, that every name
 * takes its own value back, and that a rewrite changes in the file what was set and no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"

enum { PAIRS_MAX = 8, NAMES_MAX = 128, TEXT_BYTES = 1 << 20 };
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static char folder[] = "/tmp/chronos-config-XXXXXX";
static char file[sizeof(folder) + 16];

static int set_up(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL) return -1;
    (void)snprintf(file, sizeof(file), "%s/chronos.json", folder);
    return setenv("CHRONOS_TEST_PASSWORD", "hidden", 1);
}

static int tear_down(void **state) {
    (void)state;
    unlink(file);
    return rmdir(folder); /* fails when a temporary file was left */
}

static void write_file(const char *text) {
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_int_equal(fputs(text, f) >= 0, 1);
    assert_int_equal(fclose(f), 0);
}

static struct config *load(const char *text) {
    struct config *c = NULL;
    struct err err = {.msg = ""};
    if (text != NULL) write_file(text);
    if (config_load(text == NULL ? NULL : file, NULL, 0, &c, NULL, &err) != OK) {
        fail_msg("%s", err.msg);
    }
    return c;
}

/* Sets "name", "value", ..., NULL. */
static enum status set(const struct config *c, const char *const *words, struct config **ret,
                       struct err *err) {
    struct str list[2 * PAIRS_MAX];
    int count = 0;
    for (; words[count] != NULL; count++) {
        assert_true(count < 2 * PAIRS_MAX);
        list[count] = str_of(words[count]);
    }
    assert_int_equal(count % 2, 0);
    return config_set(c, list, count / 2, ret, err);
}

/* Replaces *c by what the set makes of it. */
static void set_good(struct config **c, const char *const *words) {
    struct config *changed = NULL;
    struct err err = {.msg = ""};
    if (set(*c, words, &changed, &err) != OK) fail_msg("%s", err.msg);
    config_unref(*c);
    *c = changed;
}

struct answer {
    struct str names[NAMES_MAX], values[NAMES_MAX];
    int count;
    struct arena arena;
};

static void collect(void *arg, struct str name, struct str value) {
    struct answer *a = arg;
    assert_true(a->count < NAMES_MAX);
    a->names[a->count] = arena_dup(&a->arena, name);
    a->values[a->count++] = arena_dup(&a->arena, value);
}

static void get(const struct config *c, struct answer *a, const char *first, const char *second) {
    struct str globs[] = {str_of(first), str_of(second)};
    *a = (struct answer){0};
    arena_init(&a->arena);
    config_get(c, globs, second == NULL ? 1 : 2, collect, a);
}

static void check_get(const struct config *c, const char *name, const char *value) {
    struct answer a;
    get(c, &a, name, NULL);
    if (a.count != 1 || !str_eq(a.values[0], str_of(value))) {
        fail_msg("%s is %.*s", name, a.count ? (int)a.values[0].n : 0, a.values[0].p);
    }
    arena_release(&a.arena);
}

static void test_get(void **state) {
    (void)state;
    struct config *c = load("{\"server\": {\"faults\": \"reply=fail@9\", \"debug\": \"yes\"},\n"
                            "\"collectionMaps\": {\"u\": {\"indexedProps\": [\"a\"]}, \"b\": {}}}");
    static const char *const rows[][2] = {
        {"maxclients", "10000"},
        {"MaxClients", "10000"},
        {"server.limits.clients", "10000"},
        {"port", "7379"},
        {"timeout", "0"},
        {"server.limits.idleTimeout", "0s"},
        {"tcp-keepalive", "300"},
        {"server.tcpKeepalive", "300s"},
        {"proto-max-bulk-len", "67108864"},
        {"server.limits.bulk", "64mb"},
        {"client-query-buffer-limit", "268435456"},
        {"protected-mode", "yes"},
        {"requirepass", ""},
        {"unixsocketperm", "700"},
        {"loglevel", "info"},
        {"dir", "./chronos-data"},
        {"server.limits.commitWait", "10s"},
        {"payload.ack", "metadata"},
        {"enable-debug-command", "yes"},
        {"server.faults", "reply=fail@9"}, /* hidden, but asked for by its name */
        {"save", ""},
        {"appendonly", "yes"},
        {"collectionMaps",
         "{\"b\": {\"indexedProps\": [], \"hiddenFields\": [], \"validation\": "
         "{\"requiredIndexed\": []}}, \"u\": {\"indexedProps\": [\"a\"], \"hiddenFields\": [], "
         "\"validation\": {\"requiredIndexed\": []}}}"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) check_get(c, rows[i][0], rows[i][1]);
    struct answer a;
    get(c, &a, "nothing-like-it", NULL);
    assert_int_equal(a.count, 0);
    arena_release(&a.arena);
    get(c, &a, "tcp-*", "*keepalive");
    assert_int_equal(a.count, 3); /* tcp-backlog, tcp-keepalive, server.tcpKeepalive: each once */
    arena_release(&a.arena);
    get(c, &a, "*", "*");
    for (int i = 0; i < a.count; i++) {
        assert_false(str_eq(a.names[i], STR("server.faults")));
        for (int j = 0; j < i; j++) assert_false(str_eq(a.names[i], a.names[j]));
    }
    assert_true(a.count > 50);
    arena_release(&a.arena);
    config_unref(c);
}

static void test_set(void **state) {
    (void)state;
    struct config *c = load(NULL);
    static const struct {
        const char *name, *value, *read, *text;
    } rows[] = {
        {"maxclients", "77", "server.limits.clients", "77"},
        {"SERVER.limits.CLIENTS", "78", "maxclients", "78"},
        {"proto-max-bulk-len", "1mb", "proto-max-bulk-len", "1048576"},
        {"proto-max-bulk-len", "2000000", "server.limits.bulk", "2000000"},
        {"timeout", "90", "server.limits.idleTimeout", "90s"},
        {"server.limits.idleTimeout", "2m", "timeout", "120"},
        {"server.limits.commitWait", "1500ms", "server.limits.commitWait", "1500ms"},
        {"protected-mode", "no", "server.protectedMode", "no"},
        {"protected-mode", "YES", "protected-mode", "yes"},
        {"server.protectedMode", "false", "protected-mode", "no"},
        {"loglevel", "warning", "server.log.level", "warn"},
        {"loglevel", "verbose", "loglevel", "debug"},
        {"loglevel", "Notice", "loglevel", "info"},
        {"loglevel", "nothing", "loglevel", "off"},
        {"payload.ack", "storage", "payload.ack", "storage"},
        {"requirepass", "s3cret", "requirepass", "********"},
        {"requirepass", "", "requirepass", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *const words[] = {rows[i].name, rows[i].value, NULL};
        set_good(&c, words);
        check_get(c, rows[i].read, rows[i].text);
    }
    assert_int_equal(c->ack, ACK_STORAGE);
    assert_int_equal(c->clients_max, 78);
    config_unref(c);
}

static void test_set_copies_all(void **state) {
    (void)state;
    struct config *c = load("{\"server\": {\"bind\": \"::1\"}, \"collectionMaps\": {\"u\":\n"
                            "{\"indexedProps\": [\"a\"], \"hiddenFields\": [\"h\", \"i\"]}}}");
    const char *const words[] = {"maxclients", "5", "requirepass", "pass", NULL};
    struct config *changed = NULL;
    struct err err;
    assert_int_equal(set(c, words, &changed, &err), OK);
    assert_int_equal(c->clients_max, 10000); /* the old one is as it was */
    assert_int_equal(c->password.n, 0);
    config_unref(c);
    assert_int_equal(changed->clients_max, 5);
    assert_true(str_eq(changed->password, STR("pass")));
    assert_true(str_eq(changed->bind, STR("::1")));
    assert_int_equal(config_collection(changed, STR("u"))->hidden_count, 2);
    assert_true(str_eq(config_collection(changed, STR("u"))->hidden_fields[1], STR("i")));
    assert_int_equal(changed->file.p[0], '/');
    config_unref(changed);
}

static void test_secret_is_taken_as_it_is(void **state) {
    (void)state;
    struct config *c = load(NULL);
    const char *const env[] = {"requirepass", "ENV.CHRONOS_TEST_PASSWORD", NULL};
    set_good(&c, env); /* a client may not read the environment or files */
    assert_true(str_eq(c->password, STR("ENV.CHRONOS_TEST_PASSWORD")));
    const char *const mask[] = {"requirepass", "********", NULL};
    set_good(&c, mask); /* what GET gave: nothing changes */
    assert_true(str_eq(c->password, STR("ENV.CHRONOS_TEST_PASSWORD")));
    struct str binary[] = {STR("requirepass"), {"\0\xff\n", 3}};
    struct config *changed = NULL;
    assert_int_equal(config_set(c, binary, 1, &changed, NULL), OK);
    assert_true(str_eq(changed->password, binary[1]));
    config_unref(changed);
    config_unref(c);
}

#define FAILED(name) "CONFIG SET failed (possibly related to argument '" name "') - "

static const struct {
    const char *words[2 * PAIRS_MAX];
    const char *error;
} refused[] = {
    {{"nope", "1"}, "Unknown option or number of arguments for CONFIG SET - 'nope'"},
    {{"", "1"}, "Unknown option or number of arguments for CONFIG SET - ''"},
    {{"server", "1"}, "Unknown option or number of arguments for CONFIG SET - 'server'"},
    {{"maxclients", "5", "nope", "1"},
     "Unknown option or number of arguments for CONFIG SET - 'nope'"},
    {{"port", "7000"}, FAILED("port") "can't set immutable config"},
    {{"dir", "x"}, FAILED("dir") "can't set immutable config"},
    {{"save", ""}, FAILED("save") "can't set immutable config"},
    {{"collectionMaps", "{}"}, FAILED("collectionMaps") "can't set immutable config"},
    {{"server.debug", "yes"}, FAILED("server.debug") "can't set immutable config"},
    {{"timeout", "1", "timeout", "2"}, FAILED("timeout") "duplicate parameter"},
    {{"timeout", "1", "server.limits.idleTimeout", "2"},
     FAILED("server.limits.idleTimeout") "duplicate parameter"},
    {{"maxclients", "x"}, FAILED("maxclients") "argument couldn't be parsed into an integer"},
    {{"maxclients", ""}, FAILED("maxclients") "argument couldn't be parsed into an integer"},
    {{"maxclients", "0"}, FAILED("maxclients") "argument must be between 1 and 1000000 inclusive*"},
    {{"protected-mode", "maybe"}, FAILED("protected-mode") "argument must be 'yes' or 'no'"},
    {{"proto-max-bulk-len", "many"},
     FAILED("proto-max-bulk-len") "argument must be a memory value"},
    {{"proto-max-bulk-len", "1"},
     FAILED("proto-max-bulk-len") "argument must be between 1024 and 1073741824 inclusive*"},
    {{"proto-max-bulk-len", "1gb"},
     FAILED(
         "proto-max-bulk-len") "server.limits.bulk: expected at most server.limits.queryBuffer*"},
    {{"loglevel", "loud"},
     FAILED("loglevel") "argument(s) must be one of the following: debug, info, warn, error, off"},
    {{"server.limits.commitWait", "1ms"},
     FAILED("server.limits.commitWait") "argument must be a duration * from 100ms to 600s"},
    {{"timeout", "soon"}, FAILED("timeout") "argument must be a duration*"},
    {{"maxclients", "5", "timeout", "-1"}, FAILED("timeout") "argument must be a duration*"},
};

/* An error in Redis's words, and nothing of the set is done. */
static void test_refused(void **state) {
    (void)state;
    struct config *c = load(NULL);
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct config *changed = NULL;
        struct err err = {.msg = ""};
        assert_int_equal(set(c, refused[i].words, &changed, &err), ERR_SYNTAX);
        assert_null(changed);
        bool same = strcmp(err.msg, refused[i].error) == 0;
        if (!same && !str_glob(str_of(refused[i].error), str_of(err.msg), false)) {
            fail_msg("%s: %s", refused[i].words[0], err.msg);
        }
    }
    assert_int_equal(c->clients_max, 10000);
    config_unref(c);
}

/* Two settings that bound each other move together in one set. */
static void test_pairs_are_checked_together(void **state) {
    (void)state;
    struct config *c = load(NULL);
    const char *const words[] = {"proto-max-bulk-len", "1gb", "client-query-buffer-limit", "2gb",
                                 NULL};
    set_good(&c, words);
    assert_int_equal(c->bulk_bytes, 1 << 30);
    config_unref(c);
}

static void check_takes_back(const char *text) {
    struct config *c = load(text);
    struct answer a;
    int taken = 0;
    get(c, &a, "*", NULL);
    for (int i = 0; i < a.count; i++) {
        struct str pair[] = {a.names[i], a.values[i]};
        struct config *changed = NULL;
        struct err err = {.msg = ""};
        if (config_set(c, pair, 1, &changed, &err) != OK) {
            if (strstr(err.msg, "can't set immutable config") == NULL) fail_msg("%s", err.msg);
            continue;
        }
        struct answer again;
        get(changed, &again, "*", NULL);
        assert_int_equal(again.count, a.count);
        for (int j = 0; j < a.count; j++) assert_true(str_eq(a.values[j], again.values[j]));
        arena_release(&again.arena);
        config_unref(changed);
        taken++;
    }
    assert_true(taken > 20);
    arena_release(&a.arena);
    config_unref(c);
}

static void test_every_name_takes_its_value_back(void **state) {
    (void)state;
    check_takes_back(NULL);
    check_takes_back("{\"server\": {\"password\": \"secret\", \"tcpKeepalive\": 0, \"limits\": {\n"
                     "\"commitWait\": \"1501ms\", \"bulk\": 5000001, \"idleTimeout\": \"1h\"}},\n"
                     "\"payload\": {\"inlineMax\": 0}, \"cache\": {\"bytes\": 0}}");
}

static void read_file(char *ret, size_t bytes) {
    FILE *f = fopen(file, "r");
    assert_non_null(f);
    size_t n = fread(ret, 1, bytes - 1, f);
    ret[n] = '\0';
    (void)fclose(f);
}

/* The file before, what is set, and the file after. */
static const struct {
    const char *before;
    const char *words[2 * PAIRS_MAX];
    const char *after;
} rewrites[] = {
    {"{}", {"maxclients", "5"}, "{\"server\": {\"limits\": {\"clients\": 5}}}"},
    {" {\n}\n", {"maxclients", "5"}, " {\"server\": {\"limits\": {\"clients\": 5}}\n}\n"},
    {"{\"server\": {\"limits\": {\"clients\" : 7 }}}",
     {"maxclients", "5"},
     "{\"server\": {\"limits\": {\"clients\" : 5 }}}"},
    {"{\"server\":{\"port\":1}}",
     {"maxclients", "5"},
     "{\"server\":{\"port\":1, \"limits\": {\"clients\": 5}}}"},
    {"{\n  \"server\": {\n    \"port\": 1,\n    \"limits\": {\n      \"args\": 20\n    }\n  }\n}\n",
     {"maxclients", "5", "timeout", "60", "protected-mode", "no"},
     "{\n  \"server\": {\n    \"port\": 1,\n    \"limits\": {\n      \"args\": 20,\n      "
     "\"clients\": 5,\n      \"idleTimeout\": \"60s\"\n    },\n    \"protectedMode\": false\n  "
     "}\n}\n"},
    /* What the file says already, in whatever way, is not written anew. */
    {"{\"server\": {\"limits\": {\"bulk\": \"2048kb\", \"clients\": 7}}}",
     {"proto-max-bulk-len", "2097152", "maxclients", "8"},
     "{\"server\": {\"limits\": {\"bulk\": \"2048kb\", \"clients\": 8}}}"},
    {"{\"payload\": {}}", {"maxclients", "10000"}, "{\"payload\": {}}"},
    {"{\"payload\":\t{}}", {"payload.ack", "storage"}, "{\"payload\":\t{\"ack\": \"storage\"}}"},
    {"{\"p\\u0061yload\": {\"\\u0061ck\": \"metadata\"}}",
     {"payload.ack", "storage"},
     "{\"p\\u0061yload\": {\"\\u0061ck\": \"storage\"}}"},
    {"{\"server\": {\"password\": {\"$env\": \"CHRONOS_TEST_PASSWORD\"}, \"port\": 1}}",
     {"requirepass", "a\"b"},
     "{\"server\": {\"password\": \"a\\\"b\", \"port\": 1}}"},
    {"{\"server\": {\"password\": {\"$env\": \"CHRONOS_TEST_PASSWORD\"}}}",
     {"maxclients", "5"},
     "{\"server\": {\"password\": {\"$env\": \"CHRONOS_TEST_PASSWORD\"}, \"limits\": {\"clients\": "
     "5}}}"},
};

static void test_rewrite(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rewrites); i++) {
        struct config *c = load(rewrites[i].before);
        struct err err = {.msg = ""};
        static char text[TEXT_BYTES];
        set_good(&c, rewrites[i].words);
        for (int twice = 0; twice < 2; twice++) {
            if (config_rewrite(c, &err) != OK) fail_msg("%s", err.msg);
            read_file(text, sizeof(text));
            assert_string_equal(text, rewrites[i].after);
        }
        config_unref(c);
    }
}

/* What was edited by hand meanwhile stays, and the file keeps its permissions. */
static void test_rewrite_keeps_later_edits(void **state) {
    (void)state;
    struct config *c = load("{\"server\": {\"port\": 1}}");
    const char *const words[] = {"maxclients", "5", NULL};
    set_good(&c, words);
    write_file("{\"server\": {\"port\": 2, \"workers\": 8}}");
    assert_int_equal(chmod(file, 0640), 0);
    struct err err = {.msg = ""};
    if (config_rewrite(c, &err) != OK) fail_msg("%s", err.msg);
    char text[200];
    read_file(text, sizeof(text));
    assert_string_equal(
        text, "{\"server\": {\"port\": 2, \"workers\": 8, \"limits\": {\"clients\": 5}}}");
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    config_unref(c);
}

static void check_rewrite_fails(const struct config *c, const char *want) {
    struct err err = {.msg = ""};
    assert_int_equal(config_rewrite(c, &err), ERR_SYNTAX);
    if (!str_glob(str_of(want), str_of(err.msg), false)) fail_msg("%s", err.msg);
}

static void test_rewrite_refused(void **state) {
    (void)state;
    const char *const words[] = {"maxclients", "5", NULL};
    char text[200];
    struct config *c = load(NULL);
    check_rewrite_fails(c, "The server is running without a config file");
    config_unref(c);

    c = load("{}");
    set_good(&c, words);
    write_file("{ \"server\": ");
    check_rewrite_fails(c, "Rewriting config file: file: line 1, column *");
    write_file("{\"sever\": 1}");
    check_rewrite_fails(c, "Rewriting config file: sever: unknown setting*");
    read_file(text, sizeof(text));
    assert_string_equal(text, "{\"sever\": 1}");
    assert_int_equal(unlink(file), 0);
    check_rewrite_fails(c, "Rewriting config file: * cannot be read: No such file*");
    config_unref(c);

    c = load("{}");
    const char *const env[] = {"requirepass", "ENV.HOME", NULL};
    set_good(&c, env);
    check_rewrite_fails(c, "Rewriting config file: server.password has a value that a file cannot "
                           "hold");
    struct str binary[] = {STR("requirepass"), STR("\xff")};
    struct config *changed = NULL;
    assert_int_equal(config_set(c, binary, 1, &changed, NULL), OK);
    config_unref(c);
    check_rewrite_fails(changed, "Rewriting config file: server.password has a value that a file "
                                 "cannot hold");
    read_file(text, sizeof(text));
    assert_string_equal(text, "{}");
    config_unref(changed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_set_copies_all),
        cmocka_unit_test(test_secret_is_taken_as_it_is),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_pairs_are_checked_together),
        cmocka_unit_test(test_every_name_takes_its_value_back),
        cmocka_unit_test(test_rewrite),
        cmocka_unit_test(test_rewrite_keeps_later_edits),
        cmocka_unit_test(test_rewrite_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
