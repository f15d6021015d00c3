/* Proves that an event is one line of valid JSON whatever its message holds, that passwords in
 * URIs are masked, and that no line is torn or lost when threads log and the file is reopened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

static char folder[] = "/tmp/chronos-log-XXXXXX";
static char path[sizeof(folder) + 16], rotated[sizeof(folder) + 16];

static int set_up(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL) return -1;
    (void)snprintf(path, sizeof(path), "%s/log", folder);
    (void)snprintf(rotated, sizeof(rotated), "%s/log.1", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    unlink(path);
    unlink(rotated);
    return rmdir(folder);
}

static void open_log(enum log_level level) {
    struct err err = {.msg = ""};
    if (log_open(path, level, &err) != OK) fail_msg("%s", err.msg);
}

/* The whole file; the caller releases the arena. */
static struct str read_log(const char *file, struct arena *arena) {
    FILE *f = fopen(file, "r");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    size_t n = (size_t)ftell(f);
    rewind(f);
    char *text = arena_alloc(arena, n + 1);
    assert_int_equal(fread(text, 1, n, f), n);
    (void)fclose(f);
    return (struct str){text, n};
}

static struct str take_line(struct str *text) {
    ptrdiff_t end = str_find_char(*text, '\n');
    assert_true(end >= 0);
    struct str line = {text->p, (size_t)end};
    *text = (struct str){text->p + end + 1, text->n - (size_t)end - 1};
    return line;
}

static struct str member(struct str line, const char *key, struct arena *arena) {
    struct str value;
    struct err err = {.msg = ""};
    if (json_check(line, 4, &err) != OK) fail_msg("%s: %.*s", err.msg, STR_FMT(line));
    assert_true(json_get(line, str_of(key), &value));
    return json_text(value, arena);
}

static const struct {
    const char *text, *logged;
} messages[] = {
    {"ready on 127.0.0.1:7379", "ready on 127.0.0.1:7379"},
    {"", ""},
    {"a \"quote\" and a \\", "a \"quote\" and a \\"},
    {"lines\r\nand\ttabs \x01\x1f\x7f", "lines\r\nand\ttabs \x01\x1f\x7f"},
    {"caf\xc3\xa9 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xf0\x9f\x98\x80"},
    {"bad \xff\xc3 bytes\xe2\x82", "bad ?? bytes?\?"},
    {"to mongodb://user:pass@host:27017/db", "to mongodb://*@host:27017/db"},
    {"a http://u@h/ b https://x:y@z c", "a http://*@h/ b https://*@z c"},
    {"mongodb://u:p@a:1,u:p@b:2/x", "mongodb://*@b:2/x"},
    {"http://host/a@b and ://", "http://host/a@b and ://"},
    {"at ://@ the end ://a@", "at ://@ the end ://*@"},
};

static void test_messages(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    open_log(LOG_DEBUG);
    size_t count = sizeof(messages) / sizeof(messages[0]);
    for (size_t i = 0; i < count; i++) log_line(LOG_INFO, LOG_ROUTING, "%s", messages[i].text);
    struct str text = read_log(path, &arena);
    for (size_t i = 0; i < count; i++) {
        struct str msg = member(take_line(&text), "msg", &arena);
        if (!str_eq(msg, str_of(messages[i].logged))) fail_msg("%.*s", STR_FMT(msg));
    }
    assert_int_equal(text.n, 0);
    arena_release(&arena);
    assert_int_equal(truncate(path, 0), 0);
}

static void test_fields(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    open_log(LOG_DEBUG);
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    static const char *const categories[] = {"chronos-operation", "chronos-routing",
                                             "chronos-performance", "chronos-error"};
    int64_t before = clock_now_ms();
    for (int i = 0; i < 4; i++) log_line((enum log_level)i, (enum log_category)i, "n %d", i);
    struct str text = read_log(path, &arena);
    for (int i = 0; i < 4; i++) {
        struct str line = take_line(&text);
        int64_t at;
        struct err err;
        assert_int_equal(clock_parse(member(line, "at", &arena), &at, &err), OK);
        assert_in_range(at, before, clock_now_ms());
        assert_true(str_eq(member(line, "level", &arena), str_of(levels[i])));
        assert_true(str_eq(member(line, "category", &arena), str_of(categories[i])));
    }
    arena_release(&arena);
    assert_int_equal(truncate(path, 0), 0);
}

static int count_lines(const char *file) {
    struct arena arena;
    arena_init(&arena);
    struct str text = read_log(file, &arena);
    int lines = 0;
    for (; text.n > 0; lines++) {
        struct err err = {.msg = ""};
        if (json_check(take_line(&text), 4, &err) != OK) fail_msg("%s", err.msg);
    }
    arena_release(&arena);
    return lines;
}

static void test_levels(void **state) {
    (void)state;
    for (int level = LOG_DEBUG; level <= LOG_OFF; level++) {
        open_log(LOG_ERROR);
        log_set_level((enum log_level)level);
        for (int i = LOG_DEBUG; i < LOG_OFF; i++) {
            log_line((enum log_level)i, LOG_OPERATION, "level %d", i);
        }
        assert_int_equal(count_lines(path), LOG_OFF - level);
        assert_int_equal(truncate(path, 0), 0);
    }
}

/* A message that is too long ends in "...", at the border of a character. */
static void test_long(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    open_log(LOG_DEBUG);
    for (size_t shift = 0; shift < 4; shift++) {
        char text[8192];
        memset(text, '"', shift);
        size_t n = shift;
        for (; n + 3 < sizeof(text); n += 3) memcpy(text + n, "\xe2\x82\xac", 3);
        log_line(LOG_INFO, LOG_OPERATION, "%.*s", (int)n, text);
        struct str log = read_log(path, &arena);
        struct str msg = member(take_line(&log), "msg", &arena);
        assert_true(str_is_utf8(msg, NULL));
        assert_in_range(msg.n, 2000, 2048);
        assert_memory_equal(msg.p + msg.n - 6, "\xe2\x82\xac...", 6);
        assert_int_equal(truncate(path, 0), 0);
    }
    arena_release(&arena);
}

enum { THREADS = 4, LINES = 2000 };

static void *log_much(void *name) {
    for (int i = 0; i < LINES; i++) {
        log_line(LOG_INFO, LOG_PERFORMANCE, "thread %s line %d", (const char *)name, i);
    }
    return NULL;
}

/* Lines go to the old file or to the new one; none is torn, none is lost. */
static void test_rotation_under_load(void **state) {
    (void)state;
    static char names[THREADS][2] = {"a", "b", "c", "d"};
    pthread_t threads[THREADS];
    open_log(LOG_INFO);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_much, names[i]), 0);
    }
    assert_int_equal(rename(path, rotated), 0);
    for (int i = 0; i < 50; i++) open_log(LOG_INFO);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(count_lines(path) + count_lines(rotated), THREADS * LINES);
    assert_int_equal(truncate(path, 0), 0);
}

static void test_cannot_open(void **state) {
    (void)state;
    struct err err = {.msg = ""};
    open_log(LOG_INFO);
    assert_int_equal(log_open("/nowhere/at/all.log", LOG_DEBUG, &err), ERR_BACKEND);
    assert_non_null(strstr(err.msg, "/nowhere/at/all.log"));
    log_line(LOG_DEBUG, LOG_OPERATION, "the level stays");
    log_line(LOG_INFO, LOG_OPERATION, "and the old file");
    assert_int_equal(count_lines(path), 1);
    assert_int_equal(truncate(path, 0), 0);
}

static void test_back_to_stderr(void **state) {
    (void)state;
    struct err err;
    int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    int file = open(rotated, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(kept >= 0 && file >= 0);
    assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(log_open("", LOG_INFO, &err), OK);
    log_line(LOG_WARN, LOG_FAILURE, "to stderr");
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(log_open(NULL, LOG_OFF, &err), OK);
    close(kept);
    close(file);
    assert_int_equal(count_lines(rotated), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_rotation_under_load),
        cmocka_unit_test(test_cannot_open),
        cmocka_unit_test(test_back_to_stderr),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
