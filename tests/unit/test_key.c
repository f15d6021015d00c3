/* Proves that a key is cut at the right places and that every part outside its grammar is refused
 * with a text that names the part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/key.h"

static const char longest_collection[] = /* 120 bytes */
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";
static const char longest_id[] = /* 200 bytes */
    "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii"
    "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii"
    "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii"
    "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii";

struct good {
    const char *text, *route, *collection, *id; /* NULL: absent */
};

static const struct good good_keys[] = {
    {"users", NULL, "users", NULL},
    {"users:", NULL, "users", NULL},
    {"users:1", NULL, "users", "1"},
    {"users:1:2:", NULL, "users", "1:2:"},
    {"users::", NULL, "users", ":"},
    {"a", NULL, "a", NULL},
    {"_a.B-9:x", NULL, "_a.B-9", "x"},
    {"-:-", NULL, "-", "-"},
    {"runtime-tenant-a/users:1", "runtime-tenant-a", "users", "1"},
    {"knowledge.tenant.acme/users", "knowledge.tenant.acme", "users", NULL},
    {"metadata.generic.-/c:", "metadata.generic.-", "c", NULL},
    {"users:65F0C0FFEE65f0c0ffee65F0", NULL, "users", "65f0c0ffee65f0c0ffee65f0"},
    {"users:65f0c0ffee65f0c0ffee65f0", NULL, "users", "65f0c0ffee65f0c0ffee65f0"},
    {"users:65F0C0FFEE65F0C0FFEE65F", NULL, "users", "65F0C0FFEE65F0C0FFEE65F"},
    {"users:65F0C0FFEE65F0C0FFEE65F0a", NULL, "users", "65F0C0FFEE65F0C0FFEE65F0a"},
    {"users:\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", NULL, "users",
     "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"users:a b", NULL, "users", "a b"},
    {"users:a.", NULL, "users", "a."},
    {"users:\xc2\xa0", NULL, "users", "\xc2\xa0"},
};

/* STR() is no constant expression; this is. */
#define TEXT(literal)                                                                              \
    { literal, sizeof(literal) - 1 }

struct bad {
    struct str text;
    const char *says; /* a part of the message */
};

static const struct bad bad_keys[] = {
    {TEXT(""), "names no collection"},
    {TEXT(":"), "names no collection"},
    {TEXT(":1"), "names no collection"},
    {TEXT("/users:1"), "route"},
    {TEXT("r/:1"), "names no collection"},
    {TEXT("r t/users:1"), "route"},
    {TEXT("r\n/users:1"), "route"},
    {TEXT("a/b/users:1"), "collection"},
    {TEXT(".users:1"), "begin with"},
    {TEXT("__users:1"), "begin with"},
    {TEXT("$users:1"), "A-Z"},
    {TEXT("us ers:1"), "A-Z"},
    {TEXT("us\0ers:1"), "A-Z"},
    {TEXT("us\xc3\xa9rs"), "A-Z"},
    {TEXT("*1"), "A-Z"},
    {TEXT("users:.a"), "begin with '.'"},
    {TEXT("users:a/b"), "at its byte 1"},
    {TEXT("users:a\\b"), "at its byte 1"},
    {TEXT("users:a\nb"), "at its byte 1"},
    {TEXT("users:a\0b"), "at its byte 1"},
    {TEXT("users:ab\x7f"), "at its byte 2"},
    {TEXT("users:ab\xc2\x85"), "at its byte 2"},
    {TEXT("users:\xff"), "UTF-8"},
    {TEXT("users:a\xc3"), "UTF-8"},
    {TEXT("users:\xed\xa0\x80"), "UTF-8"},
    {TEXT("users:\xc0\xaf"), "UTF-8"},
};

static void assert_str(struct str got, const char *want) {
    if (!want) {
        assert_null(got.p);
        return;
    }
    assert_non_null(got.p);
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
}

static void test_good(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof good_keys / sizeof *good_keys; i++) {
        const struct good *g = &good_keys[i];
        struct key key;
        struct err err;
        assert_int_equal(key_parse(str_of(g->text), &arena, &key, &err), OK);
        assert_str(key.text, g->text);
        assert_str(key.route, g->route);
        assert_str(key.collection, g->collection);
        assert_str(key.id, g->id);
        bool item = g->id != NULL;
        assert_int_equal(key_parse_item(str_of(g->text), &arena, &key, &err),
                         item ? OK : ERR_VALIDATION);
        assert_int_equal(key_parse_collection(str_of(g->text), &arena, &key, &err),
                         item ? ERR_VALIDATION : OK);
    }
    arena_release(&arena);
}

static void test_bad(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof bad_keys / sizeof *bad_keys; i++) {
        struct key key = {.text = STR("untouched")};
        struct err err = {0};
        assert_int_equal(key_parse(bad_keys[i].text, &arena, &key, &err), ERR_VALIDATION);
        if (!strstr(err.msg, bad_keys[i].says))
            fail_msg("key %zu: '%s' does not say '%s'", i, err.msg, bad_keys[i].says);
        assert_str(key.text, "untouched");
        assert_int_equal(key_parse_item(bad_keys[i].text, &arena, &key, &err), ERR_VALIDATION);
        assert_int_equal(key_parse_collection(bad_keys[i].text, &arena, &key, &err),
                         ERR_VALIDATION);
    }
    arena_release(&arena);
}

static void test_lengths(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct key key;
    struct err err;
    assert_int_equal(sizeof longest_collection - 1, KEY_COLLECTION_BYTES);
    assert_int_equal(sizeof longest_id - 1, KEY_ID_BYTES);
    struct str longest = arena_printf(&arena, "%s:%s", longest_collection, longest_id);
    assert_int_equal(key_parse(longest, &arena, &key, &err), OK);
    assert_int_equal(key.id.n, KEY_ID_BYTES);
    struct str id_over = arena_printf(&arena, "c:%si", longest_id);
    assert_int_equal(key_parse(id_over, &arena, &key, &err), ERR_VALIDATION);
    assert_non_null(strstr(err.msg, "201 bytes"));
    struct str collection_over = arena_printf(&arena, "%sc:1", longest_collection);
    assert_int_equal(key_parse(collection_over, &arena, &key, &err), ERR_VALIDATION);
    assert_non_null(strstr(err.msg, "121 bytes"));
    struct str route_over = arena_printf(&arena, "%sr/c:1", longest_id);
    assert_int_equal(key_parse(route_over, &arena, &key, &err), ERR_VALIDATION);
    assert_non_null(strstr(err.msg, "route"));
    assert_int_equal(key_parse(STR_NONE, &arena, &key, &err), ERR_VALIDATION);
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
