/* Proves that settings come from defaults, file and command line, that every fault is reported with
 * its path and what was expected, and that what is printed is read back as the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "config/config.h"

enum { FAULTS_BYTES = 1 << 20, ARGS_MAX = 8 };

static char folder[] = "/tmp/chronos-config-XXXXXX";
static char file[sizeof(folder) + 16], secret[sizeof(folder) + 16];

static int set_up(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL) return -1;
    (void)snprintf(file, sizeof(file), "%s/chronos.json", folder);
    (void)snprintf(secret, sizeof(secret), "%s/secret", folder);
    return setenv("CHRONOS_TEST_PASSWORD", "from the environment", 1);
}

static int tear_down(void **state) {
    (void)state;
    unlink(file);
    unlink(secret);
    return rmdir(folder);
}

static void write_file(const char *path, struct str text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
    assert_int_equal(fclose(f), 0);
}

/* Loads a text as the file, NULL for none, and arguments "path", "value", ..., NULL. */
static enum status load(const char *text, const char *const *words, struct config **ret,
                        struct buf *faults, struct err *err) {
    struct config_arg args[ARGS_MAX];
    int count = 0;
    for (; words != NULL && words[2 * count] != NULL; count++) {
        assert_true(count < ARGS_MAX);
        args[count] = (struct config_arg){str_of(words[2 * count]), str_of(words[2 * count + 1])};
    }
    if (text != NULL) write_file(file, str_of(text));
    return config_load(text == NULL ? NULL : file, args, count, ret, faults, err);
}

static struct config *load_good(const char *text, const char *const *words) {
    struct config *c = NULL;
    struct err err = {.msg = ""};
    struct buf faults;
    buf_init(&faults, FAULTS_BYTES);
    if (load(text, words, &c, &faults, &err) != OK) fail_msg("%s", err.msg);
    assert_int_equal(faults.len, 0);
    buf_release(&faults);
    return c;
}

/* The faults, exactly, each with its line end. */
static void check_faults(const char *text, const char *const *words, const char *want) {
    struct config *c = NULL;
    struct err err = {.msg = ""};
    struct buf faults;
    buf_init(&faults, FAULTS_BYTES);
    assert_int_equal(load(text, words, &c, &faults, &err), ERR_VALIDATION);
    assert_null(c);
    if (!str_eq(buf_str(&faults), str_of(want))) {
        fail_msg("%s\ngives:\n%.*s", text ? text : "", STR_FMT(buf_str(&faults)));
    }
    buf_release(&faults);
}

static void test_defaults(void **state) {
    (void)state;
    struct config *c = load_good(NULL, NULL);
    assert_null(c->file.p);
    assert_true(str_eq(c->bind, STR("127.0.0.1")));
    assert_int_equal(c->port, 7379);
    assert_int_equal(c->unixsocket.n, 0);
    assert_int_equal(c->unixsocket.p[0], '\0');
    assert_int_equal(c->unixsocket_perm, 0700);
    assert_int_equal(c->tcp_backlog, 511);
    assert_int_equal(c->tcp_keepalive_s, 300);
    assert_true(c->protected_mode);
    assert_int_equal(c->password.n, 0);
    assert_true(str_eq(c->route, STR("chronos")));
    assert_int_equal(c->workers, 4);
    assert_int_equal(c->debug, DEBUG_NO);
    assert_int_equal(c->faults.n, 0);
    assert_true(str_eq(c->log_level, STR("info")));
    assert_int_equal(c->log_file.n, 0);
    assert_int_equal(c->clients_max, 10000);
    assert_int_equal(c->query_buffer_bytes, 256 << 20);
    assert_int_equal(c->bulk_bytes, 64 << 20);
    assert_int_equal(c->args_max, 1048576);
    assert_int_equal(c->inline_bytes, 64 << 10);
    assert_int_equal(c->output_buffer_bytes, 256 << 20);
    assert_int_equal(c->idle_s, 0);
    assert_int_equal(c->batch_requests, 1024);
    assert_int_equal(c->queued_writes, 100000);
    assert_int_equal(c->group_writes, 512);
    assert_int_equal(c->group_bytes, 8 << 20);
    assert_int_equal(c->commit_wait_ms, 10000);
    assert_int_equal(c->history_entries, 10000);
    assert_int_equal(c->shutdown_ms, 8000);
    assert_true(c->local_enabled);
    assert_true(str_eq(c->base_path, STR("./chronos-data")));
    assert_int_equal(c->sqlite_cache_bytes, 16 << 20);
    assert_int_equal(c->sqlite_wal_bytes, 64 << 20);
    assert_int_equal(c->inline_max_bytes, 64 << 10);
    assert_int_equal(c->ack, ACK_METADATA);
    assert_int_equal(c->cache_bytes, 32 << 20);
    assert_int_equal(c->op_keep_hours, 24);
    assert_false(c->skip_unchanged);
    assert_int_equal(c->collection_count, 0);
    assert_null(config_collection(c, STR("users")));
    config_unref(c);
    config_unref(NULL);
}

static const char whole_file[] =
    "\n{\"server\": {\"bind\": \"10.0.0.1 ::1\", \"port\": 0, \"unixsocket\": \"s\\u00e9\",\n"
    " \"unixsocketperm\": 770, \"tcpKeepalive\": 60, \"protectedMode\": false,\n"
    " \"password\": \"p\\u0000\\\"\", \"debug\": \"local\", \"faults\": \"swapped=kill@3\",\n"
    " \"log\": {\"level\": \"WARN\", \"file\": \"x.log\"},\n"
    " \"limits\": {\"clients\": 7, \"bulk\": 2048, \"queryBuffer\": \"1GB\", \"idleTimeout\": "
    "\"5m\",\n"
    "  \"commitWait\": \"250ms\", \"shutdown\": 3, \"groupBytes\": \"64KB\", \"inlineRequest\": "
    "\"1mb\"}},\n"
    "\"localStorage\": {\"enabled\": true, \"basePath\": \"/srv/x y\", \"walBytes\": \"2m\"},\n"
    "\"payload\": {\"inlineMax\": 0, \"ack\": \"storage\"}, \"writeOptimization\": "
    "{\"skipUnchanged\": true},\n"
    "\"collectionMaps\": {\"users\": {\"indexedProps\": [\"email\", \"a.b\"], \"hiddenFields\": "
    "[\"/pw\"],\n"
    "  \"validation\": {\"requiredIndexed\": [\"email\"]}}, \"a.b\": {}, \"Orders\": "
    "{\"indexedProps\": []}}}";

static void test_file(void **state) {
    (void)state;
    struct config *c = load_good(whole_file, NULL);
    assert_int_equal(c->file.p[0], '/');
    assert_int_equal(access(c->file.p, R_OK), 0);
    assert_true(str_eq(c->bind, STR("10.0.0.1 ::1")));
    assert_int_equal(c->port, 0);
    assert_true(str_eq(c->unixsocket, STR("s\xc3\xa9")));
    assert_int_equal(c->unixsocket_perm, 0770);
    assert_int_equal(c->tcp_keepalive_s, 60);
    assert_false(c->protected_mode);
    assert_true(str_eq(c->password, (struct str){"p\0\"", 3}));
    assert_int_equal(c->debug, DEBUG_LOCAL);
    assert_true(str_eq(c->log_level, STR("warn")));
    assert_true(str_eq(c->log_file, STR("x.log")));
    assert_int_equal(c->clients_max, 7);
    assert_int_equal(c->bulk_bytes, 2048);
    assert_int_equal(c->query_buffer_bytes, 1 << 30);
    assert_int_equal(c->idle_s, 300);
    assert_int_equal(c->commit_wait_ms, 250);
    assert_int_equal(c->shutdown_ms, 3000);
    assert_int_equal(c->group_bytes, 65536);
    assert_int_equal(c->inline_bytes, 1 << 20);
    assert_true(str_eq(c->base_path, STR("/srv/x y")));
    assert_int_equal(c->sqlite_wal_bytes, 2000000);
    assert_int_equal(c->inline_max_bytes, 0);
    assert_int_equal(c->ack, ACK_STORAGE);
    assert_true(c->skip_unchanged);
    assert_int_equal(c->workers, 4); /* not in the file */

    assert_int_equal(c->collection_count, 3);
    const struct config_collection *users = config_collection(c, STR("users"));
    assert_non_null(users);
    assert_int_equal(users->indexed_count, 2);
    assert_true(str_eq(users->indexed[1], STR("a.b")));
    assert_int_equal(users->hidden_count, 1);
    assert_true(str_eq(users->hidden_fields[0], STR("/pw")));
    assert_int_equal(users->required_count, 1);
    assert_non_null(config_collection(c, STR("a.b")));
    assert_non_null(config_collection(c, STR("Orders")));
    assert_null(config_collection(c, STR("orders")));
    config_unref(c);
}

static void test_arguments(void **state) {
    (void)state;
    const char *const words[] = {
        "server.port",
        "7400",
        "maxclients",
        "55",
        "server.protectedMode",
        "no",
        "server.limits",
        "{\"bulk\": \"1mb\", \"args\": 20}",
        "server.password",
        "ENV.CHRONOS_TEST_PASSWORD",
        "collectionMaps.a.b",
        "{\"hiddenFields\": [\"x\"]}",
        "dir",
        "here",
        NULL,
    };
    struct config *c =
        load_good("{\"server\": {\"port\": 1, \"workers\": 9},\n"
                  "\"collectionMaps\": {\"z\": {}, \"a.b\": {\"indexedProps\": [\"i\"]}}}",
                  words);
    assert_int_equal(c->port, 7400);
    assert_int_equal(c->workers, 9);
    assert_int_equal(c->clients_max, 55);
    assert_false(c->protected_mode);
    assert_int_equal(c->bulk_bytes, 1 << 20);
    assert_int_equal(c->args_max, 20);
    assert_true(str_eq(c->password, STR("from the environment")));
    assert_true(str_eq(c->base_path, STR("here")));
    assert_int_equal(c->collection_count, 2);
    const struct config_collection *ab = config_collection(c, STR("a.b"));
    assert_int_equal(ab->hidden_count, 1);
    assert_int_equal(ab->indexed_count, 0); /* the argument replaces the whole map */
    config_unref(c);
}

/* A path that is given twice on the command line: the last wins, as for every program. */
static void test_last_argument_wins(void **state) {
    (void)state;
    const char *const words[] = {"server.port", "1", "port", "2", NULL};
    struct config *c = load_good(NULL, words);
    assert_int_equal(c->port, 2);
    config_unref(c);
}

static void check_password(const char *json, const char *want) {
    char text[600];
    (void)snprintf(text, sizeof(text), "{\"server\": {\"password\": %s}}", json);
    struct config *c = load_good(text, NULL);
    if (!str_eq(c->password, str_of(want))) fail_msg("%s", json);
    config_unref(c);
}

static void test_secrets(void **state) {
    (void)state;
    char json[300];
    check_password("\"plain\"", "plain");
    check_password("\"ENV.\"", "ENV.");
    check_password("\"env.X\"", "env.X");
    check_password("{\"$env\": \"CHRONOS_TEST_PASSWORD\"}", "from the environment");
    check_password("\"ENV.CHRONOS_TEST_PASSWORD\"", "from the environment");
    (void)snprintf(json, sizeof(json), "{\"$file\": \"%s\"}", secret);
    static const char *const contents[][2] = {
        {"in a file\n", "in a file"},
        {"in a file", "in a file"},
        {"dos\r\n", "dos"},
        {"two\n\n", "two\n"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        write_file(secret, str_of(contents[i][0]));
        check_password(json, contents[i][1]);
    }
    const char *const words[] = {"requirepass", "{\"$env\": \"CHRONOS_TEST_PASSWORD\"}", NULL};
    struct config *c = load_good(NULL, words);
    assert_true(str_eq(c->password, STR("from the environment")));
    config_unref(c);
}

static const char secret_expected[] = "server.password: expected text, {\"$env\": \"NAME\"}, "
                                      "{\"$file\": \"path\"} or \"ENV.NAME\"\n";

static void test_secret_faults(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"{}", secret_expected},
        {"{\"$env\": 1}", secret_expected},
        {"{\"$env\": \"A\", \"$file\": \"b\"}", secret_expected},
        {"{\"env\": \"A\"}", secret_expected},
        {"7", "server.password: expected text of 0 to 512 bytes\n"},
        {"\"********\"", "server.password: expected a secret, not the mask that printed settings "
                         "show in its place\n"},
        {"{\"$env\": \"CHRONOS_TEST_NOT_SET\"}",
         "server.password: expected the environment to have CHRONOS_TEST_NOT_SET\n"},
        {"\"ENV.CHRONOS_TEST_NOT_SET\"",
         "server.password: expected the environment to have CHRONOS_TEST_NOT_SET\n"},
        {"{\"$file\": \"/nowhere/secret\"}",
         "server.password: expected a file that can be read: /nowhere/secret cannot be read: No "
         "such file or directory\n"},
        {"{\"$file\": \"a\\u0000b\"}",
         "server.password: expected a file that can be read: its name has a NUL\n"},
        {"{\"$file\": \"/tmp\"}",
         "server.password: expected a file that can be read: /tmp cannot be read: Is a "
         "directory\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[300];
        (void)snprintf(text, sizeof(text), "{\"server\": {\"password\": %s}}", rows[i][0]);
        check_faults(text, NULL, rows[i][1]);
    }
    static char long_secret[5000];
    memset(long_secret, 's', sizeof(long_secret) - 1);
    write_file(secret, str_of(long_secret));
    char text[300], want[300];
    (void)snprintf(text, sizeof(text), "{\"server\": {\"password\": {\"$file\": \"%s\"}}}", secret);
    (void)snprintf(want, sizeof(want),
                   "server.password: expected a file that can be read: %s is larger than 4096 "
                   "bytes\n",
                   secret);
    check_faults(text, NULL, want);
    long_secret[600] = '\0';
    write_file(secret, str_of(long_secret));
    check_faults(text, NULL, "server.password: expected text of 0 to 512 bytes\n");
}

/* One fault each: the file, and what is said of it. */
static const char *const faulty[][2] = {
    {"", "file: line 1, column 1: *"},
    {"[]", "file: it is JSON, but no object"},
    {"{\n \"server\": {\n  \"port\": 1,,\n", "file: line 3, column 13: *"},
    {"{\"server\": {\"port\": 1,\n \"port\": 2}}", "file: line 2, column 2: *duplicate key*port*"},
    {"{\"server\": 1}", "server: expected an object, not 1"},
    {"{\"server\": {\"log\": []}}", "server.log: expected an object, not []"},
    {"{\"server\": {\"port\": \"7379\"}}",
     "server.port: expected an integer from 0 to 65535, not \"7379\""},
    {"{\"server\": {\"port\": 1.5}}", "server.port: expected an integer from 0 to 65535, not 1.5"},
    {"{\"server\": {\"port\": 65536}}",
     "server.port: expected an integer from 0 to 65535, not 65536"},
    {"{\"server\": {\"port\": -1}}", "server.port: expected an integer from 0 to 65535, not -1"},
    {"{\"server\": {\"port\": null}}",
     "server.port: expected an integer from 0 to 65535, not null"},
    {"{\"server\": {\"port\": 99999999999999999999}}",
     "server.port: expected an integer from 0 to 65535, not 99999999999999999999"},
    {"{\"server\": {\"protectedMode\": \"no\"}}",
     "server.protectedMode: expected true or false, not \"no\""},
    {"{\"server\": {\"debug\": true}}", "server.debug: expected one of no, local, yes, not true"},
    {"{\"server\": {\"debug\": \"maybe\"}}",
     "server.debug: expected one of no, local, yes, not \"maybe\""},
    {"{\"server\": {\"log\": {\"level\": \"loud\"}}}",
     "server.log.level: expected one of debug, info, warn, error, off, not \"loud\""},
    {"{\"server\": {\"unixsocketperm\": \"800\"}}",
     "server.unixsocketperm: expected permissions in octal from 0 to 777, not \"800\""},
    {"{\"server\": {\"unixsocketperm\": \"1777\"}}",
     "server.unixsocketperm: expected permissions in octal from 0 to 777, not \"1777\""},
    {"{\"server\": {\"bind\": \"a\\nb\"}}",
     "server.bind: expected text of 1 to 1024 bytes without control characters, not \"a\\nb\""},
    {"{\"server\": {\"bind\": \"\"}}",
     "server.bind: expected text of 1 to 1024 bytes without control characters, not \"\""},
    {"{\"server\": {\"bind\": \" \"}}",
     "server.bind: expected an address; * means all of this machine"},
    {"{\"server\": {\"port\": 0}}",
     "server.port: expected a port or server.unixsocket: there is nothing to listen on"},
    {"{\"server\": {\"route\": \"a/b\"}}", "server.route: expected a name without *"},
    {"{\"server\": {\"faults\": \"swapped=kill\"}}",
     "server.faults: expected server.debug to be local or yes with it"},
    {"{\"server\": {\"limits\": {\"bulk\": \"12xb\"}}}",
     "server.limits.bulk: expected a size like 64kb or 32mb from 1kb to 1gb, not \"12xb\""},
    {"{\"server\": {\"limits\": {\"bulk\": \"kb\"}}}", "server.limits.bulk: expected *"},
    {"{\"server\": {\"limits\": {\"bulk\": \"1.5mb\"}}}", "server.limits.bulk: expected *"},
    {"{\"server\": {\"limits\": {\"bulk\": 1e6}}}", "server.limits.bulk: expected *, not 1e6"},
    {"{\"server\": {\"limits\": {\"bulk\": \"-1kb\"}}}", "server.limits.bulk: expected *"},
    {"{\"server\": {\"limits\": {\"bulk\": \"9223372036854775807gb\"}}}",
     "server.limits.bulk: expected *"},
    {"{\"server\": {\"limits\": {\"bulk\": \"1023b\"}}}", "server.limits.bulk: expected *"},
    {"{\"server\": {\"limits\": {\"bulk\": \"512mb\"}}}",
     "server.limits.bulk: expected at most server.limits.queryBuffer, which must hold it"},
    {"{\"server\": {\"limits\": {\"commitWait\": \"1ms\"}}}",
     "server.limits.commitWait: expected a duration like 500ms, 10s or 5m from 100ms to 600s, not "
     "\"1ms\""},
    {"{\"server\": {\"limits\": {\"idleTimeout\": \"1500ms\"}}}",
     "server.limits.idleTimeout: expected a duration in whole seconds *, not \"1500ms\""},
    {"{\"operations\": {\"keepHours\": 23}}",
     "operations.keepHours: expected an integer from 24 to 87600, not 23"},
    {"{\"localStorage\": {\"enabled\": false}}",
     "localStorage.enabled: expected true: this version serves the embedded store only"},
    {"{\"localStorage\": {\"basepath\": \"x\"}}",
     "localStorage.basepath: unknown setting; did you mean localStorage.basePath?"},
    {"{\"server\": {\"prot\": 1}}", "server.prot: unknown setting; did you mean server.port?"},
    {"{\"sever\": {\"port\": 1}}", "sever: unknown setting; did you mean server?"},
    {"{\"port\": 1}", "port: unknown setting; did you mean server.port?"},
    {"{\"maxclients\": 1}", "maxclients: unknown setting; did you mean server.limits.clients?"},
    {"{\"server\": {\"clients\": 1}}",
     "server.clients: unknown setting; did you mean server.limits.clients?"},
    {"{\"collectionMap\": {}}", "collectionMap: unknown setting; did you mean collectionMaps?"},
    {"{\"zzzzzz\": 1}", "zzzzzz: unknown setting; --print-config shows all"},
    {"{\"appendonly\": 1}", "appendonly: unknown setting; --print-config shows all"},
    {"{\"\": 1}", ": unknown setting; --print-config shows all"},
    {"{\"server.port\": 1}", "server.port: unknown setting; write its parts as nested objects"},
    {"{\"mongoUris\": [\"mongodb://u:p@h\"]}",
     "mongoUris: belongs to MongoDB or S3, and this version serves the embedded store only: remove "
     "it"},
    {"{\"backends\": []}", "backends: *embedded store only*"},
    {"{\"spacesConns\": []}", "spacesConns: *embedded store only*"},
    {"{\"databaseTypes\": {\"runtime\": {}}}", "databaseTypes: *embedded store only*"},
    {"{\"routing\": {}}", "routing: *embedded store only*"},
    {"{\"cache\": {\"heads\": true}}", "cache.heads: *embedded store only*"},
    {"{\"server\": {\"tls\": {}}}", "server.tls: is not supported by this version: remove it"},
    {"{\"retention\": {}}", "retention: is not supported by this version: remove it"},
    {"{\"collectionMaps\": []}", "collectionMaps: expected an object, not []"},
    {"{\"collectionMaps\": {\"users\": 1}}", "collectionMaps.users: expected an object, not 1"},
    {"{\"collectionMaps\": {\"__x\": {}}}", "collectionMaps.__x: expected a collection's name*"},
    {"{\"collectionMaps\": {\".x\": {}}}", "collectionMaps..x: expected a collection's name*"},
    {"{\"collectionMaps\": {\"$x\": {}}}", "collectionMaps.$x: expected a collection's name*"},
    {"{\"collectionMaps\": {\"\": {}}}", "collectionMaps.: expected a collection's name*"},
    {"{\"collectionMaps\": {\"a b\": {}}}", "collectionMaps.a b: expected a collection's name*"},
    {"{\"collectionMaps\": {\"u\": {\"indexedProps\": \"email\"}}}",
     "collectionMaps.u.indexedProps: expected a list of document paths, not \"email\""},
    {"{\"collectionMaps\": {\"u\": {\"indexedProps\": [\"a\", 3]}}}",
     "collectionMaps.u.indexedProps[1]: expected a document path, as text, not 3"},
    {"{\"collectionMaps\": {\"u\": {\"hiddenFields\": [\"a..b\"]}}}",
     "collectionMaps.u.hiddenFields[[]0]: expected a document path: *"},
    {"{\"collectionMaps\": {\"u\": {\"validation\": 1}}}",
     "collectionMaps.u.validation: expected an object, not 1"},
    {"{\"collectionMaps\": {\"u\": {\"validation\": {\"x\": 1}}}}",
     "collectionMaps.u.validation.x: unknown setting; a collection has indexedProps, hiddenFields "
     "and validation.requiredIndexed"},
    {"{\"collectionMaps\": {\"u\": {\"kind\": \"raw\"}}}",
     "collectionMaps.u.kind: is not supported by this version: remove it"},
    {"{\"collectionMaps\": {\"u\": {\"base64Props\": {\"a\": {}}}}}",
     "collectionMaps.u.base64Props: is not supported by this version: remove it"},
    {"{\"server\": {\"log\": {\"file\": "
     "\"0123456789012345678901234567890123456789012345678901234567890123456789\\u0007\"}}}",
     "server.log.file: expected *, not \"01234567890123456789*..."},
};

static void test_faults(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(faulty) / sizeof(faulty[0]); i++) {
        struct config *c = NULL;
        struct err err = {.msg = ""};
        struct buf faults;
        buf_init(&faults, FAULTS_BYTES);
        assert_int_equal(load(faulty[i][0], NULL, &c, &faults, &err), ERR_VALIDATION);
        assert_null(c);
        struct str line = buf_str(&faults);
        bool one = line.n > 0 && str_find_char(line, '\n') == (ptrdiff_t)line.n - 1;
        if (!one) fail_msg("%s\ngives:\n%.*s", faulty[i][0], STR_FMT(line));
        line.n--;
        bool literal = str_eq(line, str_of(faulty[i][1]));
        if (!literal && !str_glob(str_of(faulty[i][1]), line, false)) {
            fail_msg("%s\ngives:\n%.*s", faulty[i][0], STR_FMT(line));
        }
        assert_true(str_eq(line, str_of(err.msg))); /* the only fault is the error, too */
        buf_release(&faults);
    }
}

static void test_all_faults_are_reported(void **state) {
    (void)state;
    const char *const words[] = {"maxclients",
                                 "0",
                                 "server.limits",
                                 "{\"args\": \"x\"}",
                                 "foo",
                                 "3",
                                 "collectionMaps",
                                 "[]",
                                 "server.port",
                                 "",
                                 NULL};
    check_faults("{\"server\": {\"prot\": 1, \"port\": 70000}, \"x\": 1,\n"
                 " \"localStorage\": {\"enabled\": 1}}",
                 words,
                 "server.prot: unknown setting; did you mean server.port?\n"
                 "server.port: expected an integer from 0 to 65535, not 70000\n"
                 "x: unknown setting; --print-config shows all\n"
                 "localStorage.enabled: expected true or false, not 1\n"
                 "maxclients: expected an integer from 1 to 1000000, not 0\n"
                 "server.limits.args: expected an integer from 16 to 16777216, not \"x\"\n"
                 "foo: unknown setting; --print-config shows all\n"
                 "collectionMaps: expected a JSON object: it is JSON, but no object\n"
                 "server.port: expected an integer from 0 to 65535, not an empty text\n");
    struct config *c = NULL;
    struct err err = {.msg = ""};
    assert_int_equal(load("{\"a\": 1, \"bb\": 2, \"mongoUris\": 3}", NULL, &c, NULL, &err),
                     ERR_VALIDATION);
    assert_string_equal(err.msg, "a: unknown setting; --print-config shows all (and 2 more)");
}

static void test_unreadable_file(void **state) {
    (void)state;
    struct config *c = NULL;
    struct err err = {.msg = ""};
    struct buf faults;
    buf_init(&faults, FAULTS_BYTES);
    assert_int_equal(config_load("/nowhere/x.json", NULL, 0, &c, &faults, &err), ERR_BACKEND);
    assert_string_equal(err.msg, "file: /nowhere/x.json cannot be read: No such file or directory");
    assert_null(c);
    buf_release(&faults);
}

/* What is printed is a file that gives the same settings. */
static void test_print_and_load(void **state) {
    (void)state;
    struct buf out, again;
    buf_init(&out, FAULTS_BYTES);
    buf_init(&again, FAULTS_BYTES);
    config_print(NULL, &out);
    buf_append_char(&out, '\0');
    struct config *c = load_good(out.data, NULL);
    config_print(c, &again);
    assert_true(str_eq((struct str){out.data, out.len - 1}, buf_str(&again)));
    config_unref(c);

    c = load_good(whole_file, NULL);
    buf_reset(&out);
    config_print(c, &out);
    struct err err = {.msg = ""};
    assert_int_equal(json_check(buf_str(&out), 16, &err), OK);
    buf_append_char(&out, '\0');
    config_unref(c);
    assert_non_null(strstr(out.data, "\"password\": \"********\""));
    assert_null(strstr(out.data, "p\\u0000"));
    const char *const words[] = {"server.password", "again", NULL};
    check_faults(out.data, words,
                 "server.password: expected a secret, not the mask that printed settings show in "
                 "its place\n");
    char *mask = strstr(out.data, "********");
    memcpy(mask, "password", 8);
    c = load_good(out.data, NULL);
    assert_int_equal(c->collection_count, 3);
    assert_int_equal(config_collection(c, STR("users"))->required_count, 1);
    buf_reset(&again);
    config_print(c, &again);
    memcpy(mask, "********", 8);
    assert_true(str_eq((struct str){out.data, out.len - 1}, buf_str(&again)));
    config_unref(c);
    buf_release(&out);
    buf_release(&again);
}

static void test_print_markdown(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, FAULTS_BYTES);
    config_print_markdown(&out);
    buf_append_char(&out, '\0');
    assert_non_null(strstr(out.data, "| `server.port` | `7379` | 0 to 65535 | no | `port` | "));
    assert_non_null(strstr(out.data, "| `server.limits.bulk` | `\"64mb\"` | 1kb to 1gb | yes | "));
    assert_non_null(strstr(out.data, "| `collectionMaps.<name>.hiddenFields` | "));
    assert_null(strstr(out.data, "server.faults"));
    buf_release(&out);
}

static void test_references(void **state) {
    (void)state;
    struct config *c = load_good(NULL, NULL);
    struct config *same = config_ref(c);
    assert_ptr_equal(same, c);
    config_unref(c);
    assert_int_equal(same->port, 7379);
    config_unref(same);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),        cmocka_unit_test(test_file),
        cmocka_unit_test(test_arguments),       cmocka_unit_test(test_last_argument_wins),
        cmocka_unit_test(test_secrets),         cmocka_unit_test(test_secret_faults),
        cmocka_unit_test(test_faults),          cmocka_unit_test(test_all_faults_are_reported),
        cmocka_unit_test(test_unreadable_file), cmocka_unit_test(test_print_and_load),
        cmocka_unit_test(test_print_markdown),  cmocka_unit_test(test_references),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
