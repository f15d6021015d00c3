/* Proves that documents get, keep and lose `_system`, FIELDS and hidden fields to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/document.h"
#include "lib/json_random.h"

enum { ROUNDS = 8000, TEXT_MAX = 1 << 24, PATHS_MAX = 4 };

static const struct system_fields bare = {
    .inserted_ms = TIME_NONE, .updated_ms = TIME_NONE, .deleted_ms = TIME_NONE, .state = STATE_NEW};
#define BARE "\"_system\":{\"state\":\"new\"}"

struct text_case {
    const char *document, *want;
};

static const struct text_case compose_cases[] = {
    {"{}", "{" BARE "}"},
    {"{ }", "{" BARE " }"},
    {"{\n}", "{" BARE "\n}"},
    {"{\"a\":1}", "{\"a\":1," BARE "}"},
    {"{\"a\":1 }", "{\"a\":1," BARE " }"},
    {"{ \"a\" : 1 , \"b\" : [ ] \n}", "{ \"a\" : 1 , \"b\" : [ ]," BARE " \n}"},
    {"{\"_system\":1}", "{" BARE "}"},
    {"{ \"_system\" : {\"x\":1} }", "{" BARE "  }"},
    {"{\"_system\":1,\"a\":2}", "{\"a\":2," BARE "}"},
    {"{ \"_system\" : 1 , \"a\" : 2 }", "{  \"a\" : 2," BARE " }"},
    {"{\"a\":1,\"_system\":{\"b\":[1,\"}\"]},\"c\":2}", "{\"a\":1,\"c\":2," BARE "}"},
    {"{\"a\":1 , \"_system\" : 1 , \"c\":2}", "{\"a\":1  , \"c\":2," BARE "}"},
    {"{\"a\":1,\"_system\":1}", "{\"a\":1," BARE "}"},
    {"{\"a\":1 , \"_system\":1 }", "{\"a\":1," BARE "  }"},
    {"{\"\\u005fsyste\\u006D\":1,\"a\":2}", "{\"a\":2," BARE "}"},
    {"{\"a\":2,\"\\u005f\\u0073ystem\":1}", "{\"a\":2," BARE "}"},
    {"{\"a\":{\"_system\":1}}", "{\"a\":{\"_system\":1}," BARE "}"},
    {"{\"_System\":1,\"_system \":2}", "{\"_System\":1,\"_system \":2," BARE "}"},
};

static void composes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(compose_cases) / sizeof(*compose_cases); i++) {
        const struct text_case *c = &compose_cases[i];
        struct arena arena;
        struct err err;
        arena_init(&arena);
        struct str got = document_compose(&arena, str_of(c->document), &bare);
        if (!str_eq(got, str_of(c->want)))
            fail_msg("%s\n gives %.*s\n wants %s", c->document, STR_FMT(got), c->want);
        assert_int_equal(json_check(got, 128, &err), OK);
        arena_release(&arena);
    }
}

static const struct text_case without_cases[] = {
    {"{}", "{}"},
    {"{ \"a\" : 1 }", "{ \"a\" : 1 }"},
    {"{\"_system\":1}", "{}"},
    {"{ \"_system\":1 }", "{  }"},
    {"{\"_system\":{},\"a\":1}", "{\"a\":1}"},
    {"{\"a\":1,\"_system\":{}}", "{\"a\":1}"},
    {"{\"a\":1,\"_system\":{} }", "{\"a\":1 }"},
    {"{\"a\":1 ,\"_system\":{},\"b\":2}", "{\"a\":1 ,\"b\":2}"},
    {"{\"\\u005fsystem\":null}", "{}"},
};

static void cuts_system_out(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(without_cases) / sizeof(*without_cases); i++) {
        struct str document = str_of(without_cases[i].document);
        struct str got = document_without_system(&arena, document);
        if (!str_eq(got, str_of(without_cases[i].want)))
            fail_msg("%s gives %.*s", document.p, STR_FMT(got));
        if (got.n == document.n) assert_ptr_equal(got.p, document.p);
    }
    assert_true(document_equal(&arena, STR("{\"a\":1,\"_system\":1}"), STR("{\"a\":1.0}")));
    assert_true(
        document_equal(&arena, STR("{\"a\":1,\"b\":2}"), STR("{\"_system\":1,\"b\":2,\"a\":1}")));
    assert_false(document_equal(&arena, STR("{\"a\":1,\"_system\":1}"), STR("{\"_system\":1}")));
    arena_release(&arena);
}

static void writes_and_reads_every_field(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    const struct str functions[] = {STR("f\"1"), STR("f2")};
    const struct system_fields full = {.inserted_ms = 0,
                                       .updated_ms = 1767225600001,
                                       .deleted_ms = 1767225600999,
                                       .state = STATE_PROCESSED,
                                       .function_ids = functions,
                                       .function_count = 2,
                                       .parent_id = STR("p"),
                                       .parent_collection = STR("pc"),
                                       .origin_system = STR("os"),
                                       .origin_id = STR("o\n"),
                                       .origin_collection = STR("")};
    struct str got = document_compose(&arena, STR("{\"x\":0}"), &full);
    const struct str want =
        STR("{\"x\":0,\"_system\":{\"insertedAt\":\"1970-01-01T00:00:00.000Z\","
            "\"updatedAt\":\"2026-01-01T00:00:00.001Z\",\"deletedAt\":\"2026-01-01T00:00:00.999Z\","
            "\"deleted\":true,\"functionIds\":[\"f\\\"1\",\"f2\"],\"state\":\"processed\","
            "\"parentId\":\"p\",\"parentCollection\":\"pc\",\"originSystem\":\"os\","
            "\"originId\":\"o\\n\",\"originCollection\":\"\"}}");
    if (!str_eq(got, want)) fail_msg("%.*s", STR_FMT(got));
    struct system_fields read;
    document_system(&arena, got, &read);
    assert_int_equal(read.inserted_ms, full.inserted_ms);
    assert_int_equal(read.updated_ms, full.updated_ms);
    assert_int_equal(read.deleted_ms, full.deleted_ms);
    assert_int_equal(read.state, STATE_PROCESSED);
    assert_int_equal(read.function_count, 2);
    assert_true(str_eq(read.function_ids[0], functions[0]));
    assert_true(str_eq(read.function_ids[1], functions[1]));
    assert_true(str_eq(read.parent_id, full.parent_id));
    assert_true(str_eq(read.parent_collection, full.parent_collection));
    assert_true(str_eq(read.origin_system, full.origin_system));
    assert_true(str_eq(read.origin_id, full.origin_id));
    assert_true(str_eq(read.origin_collection, full.origin_collection));
    assert_non_null(read.origin_collection.p);
    arena_release(&arena);
}

/* What other writers left in `_system` is read as far as it makes sense. */
static void reads_strange_system(void **state) {
    (void)state;
    static const char *const documents[] = {
        "{}",
        "{\"_system\":null}",
        "{\"_system\":[1]}",
        "{\"_system\":{}}",
        "{\"a\":{\"_system\":{\"state\":\"new\"}}}",
        "{\"_system\":{\"insertedAt\":null,\"updatedAt\":5,\"deletedAt\":\"soon\",\"deleted\":1}}",
        "{\"_system\":{\"state\":1,\"functionIds\":\"f\",\"parentId\":7,\"originId\":null}}",
        "{\"_system\":{\"state\":\"odd\",\"functionIds\":[1,null,[]],\"parentId\":{}}}",
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
        struct system_fields read;
        memset(&read, 0x55, sizeof(read));
        document_system(&arena, str_of(documents[i]), &read);
        assert_true(read.inserted_ms == TIME_NONE && read.updated_ms == TIME_NONE);
        assert_true(read.deleted_ms == TIME_NONE && read.state == STATE_NEW_NOT_SYNCHED);
        assert_int_equal(read.function_count, 0);
        assert_true(!read.parent_id.p && !read.origin_id.p && !read.origin_system.p);
    }
    struct system_fields read;
    document_system(
        &arena,
        STR("{\"\\u005fsystem\":{\"st\\u0061te\":\"n\\u0065w\",\"functionIds\":[1,\"f\"],"
            "\"insertedAt\":\"2026-01-01T01:00:00+01:00\"}}"),
        &read);
    assert_int_equal(read.state, STATE_NEW);
    assert_int_equal(read.inserted_ms, 1767225600000);
    assert_int_equal(read.function_count, 1);
    arena_release(&arena);
}

/* ---- FIELDS, hidden fields, has ---- */

#define SAMPLE                                                                                     \
    "{ \"a\" : { \"b\" : 1, \"c\" : null } , \"l\":[ {\"x\":1,\"y\":[2]} ,7, "                     \
    "{\"y\":3},[{\"x\":4}] ], "                                                                    \
    "\"m/n\":5,\"\\u00e4\":{\"t~\":6},\"o\":{},\"z\":[[1,2],[3,4]] }"

struct path_case {
    const char *paths[PATHS_MAX];
    const char *project, *hide;
    bool has; /* of the first path */
};

static const struct path_case path_cases[] = {
    {{"nothing"}, "{}", SAMPLE, false},
    {{"a"},
     "{\"a\":{ \"b\" : 1, \"c\" : null }}",
     "{  \"l\":[ {\"x\":1,\"y\":[2]} ,7, {\"y\":3},[{\"x\":4}] ], "
     "\"m/n\":5,\"\\u00e4\":{\"t~\":6},\"o\":{},\"z\":[[1,2],[3,4]] }",
     true},
    {{"a.b"},
     "{\"a\":{\"b\":1}}",
     "{ \"a\" : {  \"c\" : null } , \"l\":[ {\"x\":1,\"y\":[2]} ,7, {\"y\":3},[{\"x\":4}] ], "
     "\"m/n\":5,\"\\u00e4\":{\"t~\":6},\"o\":{},\"z\":[[1,2],[3,4]] }",
     true},
    {{"a.c"},
     "{\"a\":{\"c\":null}}",
     "{ \"a\" : { \"b\" : 1 } , \"l\":[ {\"x\":1,\"y\":[2]} ,7, {\"y\":3},[{\"x\":4}] ], "
     "\"m/n\":5,\"\\u00e4\":{\"t~\":6},\"o\":{},\"z\":[[1,2],[3,4]] }",
     false},
    {{"a.c", "/a/b", "a.d"},
     "{\"a\":{\"b\":1,\"c\":null}}",
     "{ \"a\" : {   } , \"l\":[ {\"x\":1,\"y\":[2]} ,7, {\"y\":3},[{\"x\":4}] ], "
     "\"m/n\":5,\"\\u00e4\":{\"t~\":6},\"o\":{},\"z\":[[1,2],[3,4]] }",
     false},
    {{"a.b.c"}, "{}", SAMPLE, false},
    {{"l.x"},
     "{\"l\":[{\"x\":1}]}",
     "{ \"a\" : { \"b\" : 1, \"c\" : null } , \"l\":[ {\"y\":[2]} ,7, {\"y\":3},[{\"x\":4}] ], "
     "\"m/n\":5,\"\\u00e4\":{\"t~\":6},\"o\":{},\"z\":[[1,2],[3,4]] }",
     true},
    {{"l[].y", "a.d"},
     "{\"l\":[{\"y\":[2]},{\"y\":3}]}",
     "{ \"a\" : { \"b\" : 1, \"c\" : null } , \"l\":[ {\"x\":1} ,7, {},[{\"x\":4}] ], "
     "\"m/n\":5,\"\\u00e4\":{\"t~\":6},\"o\":{},\"z\":[[1,2],[3,4]] }",
     true},
    {{"/l/x"}, "{}", SAMPLE, false},
    {{"l.1", "l.3"},
     "{\"l\":[7,[{\"x\":4}]]}",
     "{ \"a\" : { \"b\" : 1, \"c\" : null } , \"l\":[ {\"x\":1,\"y\":[2]} , {\"y\":3} ], "
     "\"m/n\":5,\"\\u00e4\":{\"t~\":6},\"o\":{},\"z\":[[1,2],[3,4]] }",
     true},
    {{"l.3.x", "/l/3/0/x", "l.0.y.0"},
     "{\"l\":[{\"y\":[2]},[{\"x\":4}]]}",
     "{ \"a\" : { \"b\" : 1, \"c\" : null } , \"l\":[ {\"x\":1,\"y\":[]} ,7, {\"y\":3},[{}] ], "
     "\"m/n\":5,\"\\u00e4\":{\"t~\":6},\"o\":{},\"z\":[[1,2],[3,4]] }",
     true},
    {{"z.1.0", "o", "m/n"},
     "{\"m/n\":5,\"o\":{},\"z\":[[3]]}",
     "{ \"a\" : { \"b\" : 1, \"c\" : null } , \"l\":[ {\"x\":1,\"y\":[2]} ,7, "
     "{\"y\":3},[{\"x\":4}] ],"
     "\"\\u00e4\":{\"t~\":6},\"z\":[[1,2],[4]] }",
     true},
    {{"/m~1n", "\xC3\xA4.t~"},
     "{\"m/n\":5,\"\\u00e4\":{\"t~\":6}}",
     "{ \"a\" : { \"b\" : 1, \"c\" : null } , \"l\":[ {\"x\":1,\"y\":[2]} ,7, "
     "{\"y\":3},[{\"x\":4}] ]"
     ",\"\\u00e4\":{},\"o\":{},\"z\":[[1,2],[3,4]] }",
     true},
    {{"a", "l", "o", "z"}, NULL, "{   \"m/n\":5,\"\\u00e4\":{\"t~\":6} }", true},
};

static int parse_paths(struct arena *arena, const char *const *texts, struct json_path *ret) {
    int count = 0;
    for (; count < PATHS_MAX && texts[count] != NULL; count++) {
        struct err err;
        if (json_path_parse(str_of(texts[count]), arena, &ret[count], &err) != OK)
            fail_msg("%s", err.msg);
    }
    return count;
}

static void selects(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(path_cases) / sizeof(*path_cases); i++) {
        const struct path_case *c = &path_cases[i];
        struct json_path paths[PATHS_MAX];
        struct arena arena;
        struct err err;
        arena_init(&arena);
        assert_int_equal(json_check(STR(SAMPLE), 128, &err), OK);
        int count = parse_paths(&arena, c->paths, paths);
        struct str got = document_project(&arena, STR(SAMPLE), paths, count);
        if (c->project != NULL && !str_eq(got, str_of(c->project)))
            fail_msg("%s projects to %.*s", c->paths[0], STR_FMT(got));
        got = document_hide(&arena, STR(SAMPLE), paths, count);
        if (!str_eq(got, str_of(c->hide)))
            fail_msg("%s hidden:\n %.*s\n %s", c->paths[0], STR_FMT(got), c->hide);
        if (document_has(STR(SAMPLE), &paths[0]) != c->has) fail_msg("has %s", c->paths[0]);
        arena_release(&arena);
    }
    struct arena arena;
    arena_init(&arena);
    struct str same = STR(SAMPLE);
    assert_ptr_equal(document_hide(&arena, same, NULL, 0).p, same.p);
    assert_true(str_eq(document_project(&arena, same, NULL, 0), STR("{}")));
    arena_release(&arena);
}

/* ---- against a naive model ---- */

struct wanted { /* a path, from one of its segments on */
    const struct json_path *path;
    int at;
};
enum { WANTED_MAX = 4096 };

/* What of `wanted` is still alive in a child; true: one of them ends there. */
static bool model_pass(const struct wanted *wanted, int count, struct str name, bool through,
                       struct wanted *ret, int *ret_count) {
    bool whole = false;
    *ret_count = 0;
    for (int i = 0; i < count; i++) {
        struct wanted w = wanted[i];
        assert_true(*ret_count + 2 <= WANTED_MAX);
        if (str_eq(w.path->segments[w.at], name)) {
            if (w.at + 1 == w.path->count) {
                whole = true;
            } else {
                ret[(*ret_count)++] = (struct wanted){w.path, w.at + 1};
            }
        }
        if (through && !w.path->pointer) ret[(*ret_count)++] = w;
    }
    return whole;
}

/* Projects (keep) or hides (not keep) into compact text; STR_NONE: nothing is left. *has is set
 * when a path ends at a value that is not null. */
static struct str model_select(struct arena *a, struct str value, const struct wanted *wanted,
                               int count, bool keep, bool *has) {
    struct str out = STR(""), key, child;
    enum json_type type = json_type(value);
    if (type != JSON_OBJECT && type != JSON_ARRAY) return keep ? STR_NONE : value;
    if (count == 0) return keep ? STR_NONE : value;
    struct json_iter it;
    int index = 0;
    for (json_iter_init(&it, value); json_next(&it, &key, &child); index++) {
        struct wanted *next = arena_alloc(a, WANTED_MAX * sizeof(*next));
        int next_count;
        bool through = type == JSON_ARRAY && json_type(child) == JSON_OBJECT;
        struct str name =
            key.p ? json_text((struct str){key.p - 1, key.n + 2}, a) : arena_printf(a, "%d", index);
        bool whole = model_pass(wanted, count, name, through, next, &next_count);
        if (whole && json_type(child) != JSON_NULL) *has = true;
        struct str part = model_select(a, child, next, next_count, keep, has);
        if (whole) part = keep ? child : STR_NONE;
        if (part.p == NULL) continue;
        if (key.p != NULL) part = arena_printf(a, "\"%.*s\":%.*s", STR_FMT(key), STR_FMT(part));
        out = arena_printf(a, "%.*s,%.*s", STR_FMT(out), STR_FMT(part));
    }
    if (out.n == 0 && keep) return STR_NONE;
    return arena_printf(a, "%c%.*s%c", value.p[0], (int)(out.n > 0 ? out.n - 1 : 0),
                        out.p + (out.n > 0), value.p[value.n - 1]);
}

static void check_selection(struct arena *a, struct str object, const struct json_path *paths,
                            int count) {
    struct wanted wanted[PATHS_MAX];
    struct err err;
    for (int i = 0; i < count; i++) wanted[i] = (struct wanted){&paths[i], 0};
    bool has = false, ignored = false, first = false;
    struct str want = model_select(a, object, wanted, count, true, &has);
    struct str got = document_project(a, object, paths, count);
    if (want.p == NULL) want = STR("{}");
    if (!str_eq(got, want))
        fail_msg("%.*s\n projects to %.*s\n wants       %.*s", STR_FMT(object), STR_FMT(got),
                 STR_FMT(want));
    want = model_select(a, object, wanted, count, false, &ignored);
    struct str hidden = document_hide(a, object, paths, count);
    if (json_check(hidden, 128, &err) != OK || !json_equal(hidden, want))
        fail_msg("%.*s\n hidden gives %.*s\n wants        %.*s", STR_FMT(object), STR_FMT(hidden),
                 STR_FMT(want));
    (void)model_select(a, object, wanted, 1, true, &first);
    assert_int_equal(document_has(object, &paths[0]), first);
    got = document_without_system(a, document_compose(a, object, &bare));
    assert_true(str_eq(got, document_without_system(a, object)));
}

static void selects_from_random_documents(void **state) {
    (void)state;
    struct json_random random;
    struct buf document, path;
    json_random_init(&random, "test_document");
    buf_init(&document, TEXT_MAX);
    buf_init(&path, TEXT_MAX);
    for (int round = 0; round < ROUNDS; round++) {
        struct arena arena;
        struct json_path paths[PATHS_MAX];
        int count = 1 + (int)json_random_below(&random, PATHS_MAX);
        arena_init(&arena);
        buf_reset(&document);
        json_random_object(&random, &document, 3);
        for (int i = 0; i < count; i++) {
            struct err err;
            buf_reset(&path);
            json_random_path(&random, &path);
            struct str text = arena_dup(&arena, buf_str(&path));
            if (json_path_parse(text, &arena, &paths[i], &err) != OK) fail_msg("%s", err.msg);
        }
        check_selection(&arena, buf_str(&document), paths, count);
        arena_release(&arena);
    }
    buf_release(&document);
    buf_release(&path);
}

/* A path of zeros through nested arrays and members named 0 meets itself on many ways. */
static void bounds_paths_that_meet(void **state) {
    (void)state;
    struct arena arena;
    struct buf document, text;
    struct json_path path;
    struct err err;
    arena_init(&arena);
    buf_init(&document, TEXT_MAX);
    buf_init(&text, TEXT_MAX);
    for (int i = 0; i < 60; i++) buf_append_str(&document, STR("{\"0\":["));
    buf_append_str(&document, STR("null"));
    for (int i = 0; i < 60; i++) buf_append_str(&document, STR("]}"));
    for (int i = 0; i < 100; i++) buf_append_str(&text, i > 0 ? STR(".0") : STR("0"));
    assert_int_equal(json_path_parse(buf_str(&text), &arena, &path, &err), OK);
    assert_true(document_has(buf_str(&document), &path));
    assert_in_range(document_project(&arena, buf_str(&document), &path, 1).n, 3, document.len);
    buf_release(&document);
    buf_release(&text);
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(composes),
        cmocka_unit_test(cuts_system_out),
        cmocka_unit_test(writes_and_reads_every_field),
        cmocka_unit_test(reads_strange_system),
        cmocka_unit_test(selects),
        cmocka_unit_test(selects_from_random_documents),
        cmocka_unit_test(bounds_paths_that_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
