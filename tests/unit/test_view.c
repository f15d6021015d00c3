/* Proves what hidden fields hide: themselves, what lies below them, in either notation, through
 * arrays; and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/view.h"
#include "config/config.h"

static struct str hidden[] = {{"secret", 6}, {"list.pin", 8}, {"a.0.b", 5}, {"/p/q", 4}};
static struct config_collection people = {
    .name = {"people", 6}, .hidden_fields = hidden, .hidden_count = 4};
static struct config config = {.collections = &people, .collection_count = 1};
static struct arena arena;

static int setup(void **state) {
    (void)state;
    arena_init(&arena);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct call call_of(void) {
    return (struct call){.config = &config, .arena = &arena};
}

struct path {
    const char *text;
    bool hidden;
};

static void test_paths(void **state) {
    (void)state;
    static const struct path paths[] = {
        {"secret", true},    {"/secret", true},     {"secret.x", true},      {"secret.0.x", true},
        {"secrets", false},  {"x.secret", false},   {"0.secret", true},      {"list", false},
        {"list.pin", true},  {"list.7.pin", true},  {"/list/7/pin/x", true}, {"list.7", false},
        {"list.7.k", false}, {"list.k.pin", false}, {"a.0.b", true},         {"a.0.0.b", true},
        {"a.1.b", false},    {"a.b", false},        {"p.q", true},           {"/p/q/r", true},
        {"/p", false},       {"q", false},
    };
    struct call call = call_of();
    struct view view;
    struct err err;
    assert_int_equal(view_init(&call, STR("people"), NULL, &view, &err), OK);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct json_path path;
        enum status s = view_path(&call, &view, str_of(paths[i].text), &path, &err);
        if (s != (paths[i].hidden ? ERR_SYNTAX : OK)) fail_msg("%s: %d", paths[i].text, s);
        if (paths[i].text[0] == '/')
            assert_int_equal(view_hides(&view, str_of(paths[i].text), &arena), paths[i].hidden);
    }
    assert_false(view_hides(&view, STR(""), &arena));
}

static void test_documents(void **state) {
    (void)state;
    struct call call = call_of();
    struct view view;
    struct err err;
    struct str doc =
        STR("{\"n\":1,\"secret\":2,\"list\":[{\"pin\":3,\"k\":4}],\"p\":{\"q\":5,\"r\":6}}");
    assert_int_equal(view_init(&call, STR("people"), NULL, &view, &err), OK);
    assert_false(view_is_whole(&view));
    struct str shown = view_document(&view, &arena, doc);
    assert_true(str_eq(shown, STR("{\"n\":1,\"list\":[{\"k\":4}],\"p\":{\"r\":6}}")));
    assert_null(view_document(&view, &arena, STR_NONE).p);

    struct str fields[] = {STR("list"), STR("n")};
    struct options options = {.fields = fields, .field_count = 2};
    assert_int_equal(view_init(&call, STR("people"), &options, &view, &err), OK);
    shown = view_document(&view, &arena, doc);
    assert_true(str_eq(shown, STR("{\"n\":1,\"list\":[{\"k\":4}]}")));

    options = (struct options){.given = OPTION_HIDDEN};
    assert_int_equal(view_init(&call, STR("people"), &options, &view, &err), OK);
    assert_true(view_is_whole(&view));
    assert_ptr_equal(view_document(&view, &arena, doc).p, doc.p);

    assert_int_equal(view_init(&call, STR("others"), NULL, &view, &err), OK);
    assert_true(view_is_whole(&view));
}

static void test_faults(void **state) {
    (void)state;
    struct call call = call_of();
    struct view view = {.hidden_count = 77};
    struct err err = {0};
    struct str fields[] = {STR("n"), STR("secret.x")};
    struct options options = {.fields = fields, .field_count = 2};
    assert_int_equal(view_init(&call, STR("people"), &options, &view, &err), ERR_SYNTAX);
    assert_non_null(strstr(err.msg, "'secret.x' is hidden"));
    fields[1] = STR("a..b");
    assert_int_equal(view_init(&call, STR("people"), &options, &view, &err), ERR_SYNTAX);
    assert_int_equal(view.hidden_count, 77);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_documents, setup, teardown),
        cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
