/* Proves that deep merge does what SPEC §4 says, on text, and leaves what it does not touch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/document.h"
#include "lib/json_random.h"

enum { ROUNDS = 6000, TEXT_MAX = 1 << 26 };

struct merge_case {
    const char *base, *patches, *want;
};

static const struct merge_case merge_cases[] = {
    /* objects */
    {"{}", "{}", "{}"},
    {"{ }", "{\"a\":1}", "{\"a\":1 }"},
    {"{\"a\":1}", "{\"b\":2}", "{\"a\":1,\"b\":2}"},
    {"{ \"a\" : 1 }", "{ \"b\" : 2 }", "{ \"a\" : 1,\"b\":2 }"},
    {"{\"a\": 1 ,\"b\":\n2}", "{\"a\":3}", "{\"a\": 3 ,\"b\":\n2}"},
    {"{\"a\":{\"x\":1,\"y\":2},\"b\":0}", "{\"a\":{\"y\":3,\"z\":4}}",
     "{\"a\":{\"x\":1,\"y\":3,\"z\":4},\"b\":0}"},
    {"{\"a\":{}}", "{\"a\":{\"b\":{\"c\":[ ]}}}", "{\"a\":{\"b\":{\"c\":[ ]}}}"},
    {"{\"a\":{}}", "[{\"a\":{\"b\":{\"c\":[ ]}}},{\"a\":{\"b\":{\"c\":7}}}]",
     "{\"a\":{\"b\":{\"c\":[7 ]}}}"},
    {"{\"\\u0061\":1}", "{\"a\":2}", "{\"\\u0061\":2}"},
    {"{\"a\":1}", "{\"\\u0061\":2}", "{\"a\":2}"},
    {"{\"a\":12345678901234567890,\"b\":1.10}", "{\"c\":1e999}",
     "{\"a\":12345678901234567890,\"b\":1.10,\"c\":1e999}"},
    /* null and types */
    {"{\"a\":1}", "{\"a\":null}", "{\"a\":null}"},
    {"{\"a\":{\"b\":1}}", "{\"a\":null}", "{\"a\":null}"},
    {"{\"a\":[1]}", "{\"a\":null}", "{\"a\":null}"},
    {"{\"a\":null}", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"},
    {"{\"a\":1}", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"},
    {"{\"a\":{\"b\":1}}", "{\"a\":1}", "{\"a\":1}"},
    {"{\"a\":{\"b\":1}}", "{\"a\":[1,1]}", "{\"a\":[1,1]}"},
    {"{\"a\":[1]}", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"},
    {"{\"a\":1}", "{\"a\":[1]}", "{\"a\":[1]}"},
    {"{\"a\":true}", "{\"a\":1}", "{\"a\":1}"},
    /* unions */
    {"{\"a\":[1,2]}", "{\"a\":[2,3]}", "{\"a\":[1,2,3]}"},
    {"{\"a\":[ 1 , 2 ]}", "{\"a\":[3,3,4]}", "{\"a\":[ 1 , 2,3,4 ]}"},
    {"{\"a\":[]}", "{\"a\":[1,1,1.0,\"1\",true,true,null,null]}", "{\"a\":[1,\"1\",true,null]}"},
    {"{\"a\":[ ]}", "{\"a\":[[1],[1.0],{},{}]}", "{\"a\":[[1],{} ]}"},
    {"{\"a\":[1.0]}", "{\"a\":[1,10e-1,true]}", "{\"a\":[1.0,true]}"},
    {"{\"a\":[1,1]}", "{\"a\":[1]}", "{\"a\":[1,1]}"},
    {"{\"a\":[\"x\"]}", "{\"a\":[\"\\u0078\"]}", "{\"a\":[\"x\"]}"},
    {"{\"a\":[{\"x\":1,\"y\":2}]}", "{\"a\":[{\"y\":2.0,\"x\":1}]}", "{\"a\":[{\"x\":1,\"y\":2}]}"},
    {"{\"a\":[{\"x\":1}]}", "{\"a\":[{\"x\":2}]}", "{\"a\":[{\"x\":1},{\"x\":2}]}"},
    {"{\"a\":[[1,2]]}", "{\"a\":[[2,1]]}", "{\"a\":[[1,2],[2,1]]}"},
    {"{\"a\":[1]}", "{\"a\":2}", "{\"a\":[1,2]}"},
    {"{\"a\":[1]}", "{\"a\":1.0}", "{\"a\":[1]}"},
    {"{\"a\":[1]}", "{\"a\":true}", "{\"a\":[1,true]}"},
    {"{\"a\":[1]}", "{\"a\":\"1\"}", "{\"a\":[1,\"1\"]}"},
    {"{\"a\":[]}", "{\"a\":false}", "{\"a\":[false]}"},
    /* elements with an identity */
    {"{\"l\":[{\"id\":1,\"x\":1},{\"id\":2}]}", "{\"l\":[{\"id\":2,\"y\":3},{\"id\":3}]}",
     "{\"l\":[{\"id\":1,\"x\":1},{\"id\":2,\"y\":3},{\"id\":3}]}"},
    {"{\"l\":[{ \"id\" : 1 }]}", "{\"l\":[{\"x\":2,\"id\":1.0}]}",
     "{\"l\":[{ \"id\" : 1,\"x\":2 }]}"},
    {"{\"l\":[{\"_id\":\"a\",\"x\":[1]}]}", "{\"l\":[{\"_id\":\"\\u0061\",\"x\":[2]}]}",
     "{\"l\":[{\"_id\":\"a\",\"x\":[1,2]}]}"},
    {"{\"l\":[{\"_id\":1}]}", "{\"l\":[{\"id\":1}]}", "{\"l\":[{\"_id\":1},{\"id\":1}]}"},
    {"{\"l\":[{\"_id\":1,\"id\":2}]}", "{\"l\":[{\"_id\":7,\"id\":2}]}",
     "{\"l\":[{\"_id\":7,\"id\":2}]}"},
    {"{\"l\":[{\"_id\":1,\"id\":2}]}", "{\"l\":[{\"_id\":1,\"id\":3}]}",
     "{\"l\":[{\"_id\":1,\"id\":2},{\"_id\":1,\"id\":3}]}"},
    {"{\"l\":[{\"id\":null,\"x\":1}]}", "{\"l\":[{\"id\":null,\"y\":1}]}",
     "{\"l\":[{\"id\":null,\"x\":1},{\"id\":null,\"y\":1}]}"},
    {"{\"l\":[{\"id\":{\"$oid\":\"1\"}}]}", "{\"l\":[{\"id\":{\"$oid\":\"1\"},\"a\":1}]}",
     "{\"l\":[{\"id\":{\"$oid\":\"1\"},\"a\":1}]}"},
    {"{\"l\":[{\"id\":\"1\"}]}", "{\"l\":[{\"id\":1,\"a\":1}]}",
     "{\"l\":[{\"id\":\"1\"},{\"id\":1,\"a\":1}]}"},
    {"{\"l\":[]}", "{\"l\":[{\"id\":1,\"a\":1},{\"id\":1,\"b\":2}]}",
     "{\"l\":[{\"id\":1,\"a\":1,\"b\":2}]}"},
    {"{\"l\":[{\"id\":1,\"a\":1},{\"id\":1,\"b\":1}]}", "{\"l\":[{\"id\":1,\"c\":1}]}",
     "{\"l\":[{\"id\":1,\"a\":1,\"c\":1},{\"id\":1,\"b\":1}]}"},
    /* several patches */
    {"{\"a\":1}", "[{\"b\":2},{\"b\":{\"c\":3}},{\"b\":{\"d\":4}}]",
     "{\"a\":1,\"b\":{\"c\":3,\"d\":4}}"},
    {"{\"a\":[1]}", "[{\"a\":null},{\"a\":[1,1]},{\"a\":[1,2]}]", "{\"a\":[1,1,2]}"},
    {"{}", "[{\"l\":[{\"id\":1}]},{\"l\":[{\"id\":1,\"x\":[1]}]},{\"l\":[{\"id\":1,\"x\":2}]}]",
     "{\"l\":[{\"id\":1,\"x\":[1,2]}]}"},
    {"{\"a\":1}", "[{},{}]", "{\"a\":1}"},
    /* _system */
    {"{\"a\":1,\"_system\":{\"s\":1}}", "{\"_system\":{\"s\":2},\"b\":1}",
     "{\"a\":1,\"_system\":{\"s\":1},\"b\":1}"},
    {"{\"a\":1}", "{\"\\u005fsystem\":{\"s\":2}}", "{\"a\":1}"},
    {"{\"a\":{}}", "{\"a\":{\"_system\":1}}", "{\"a\":{\"_system\":1}}"},
};

static void merges(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(merge_cases) / sizeof(*merge_cases); i++) {
        const struct merge_case *c = &merge_cases[i];
        struct arena arena;
        struct str got;
        struct err err;
        arena_init(&arena);
        struct str want = str_of(c->want);
        assert_int_equal(json_check(str_of(c->base), 128, &err), OK);
        assert_int_equal(json_check(str_of(c->patches), 128, &err), OK);
        if (document_merge(&arena, str_of(c->base), str_of(c->patches), want.n, &got, &err) != OK)
            fail_msg("%s and %s: %s", c->base, c->patches, err.msg);
        if (!str_eq(got, want))
            fail_msg("%s and %s\n give  %.*s\n wants %s", c->base, c->patches, STR_FMT(got),
                     c->want);
        assert_int_equal(
            document_merge(&arena, str_of(c->base), str_of(c->patches), want.n - 1, &got, &err),
            ERR_TOOLARGE);
        arena_release(&arena);
    }
}

static void refuses(void **state) {
    (void)state;
    static const struct {
        const char *patches, *words;
    } cases[] = {
        {"1", "a patch is a JSON object or an array of objects, not a number"},
        {"null", "a patch is a JSON object or an array of objects, not null"},
        {"\"x\"", "a patch is a JSON object or an array of objects, not a text"},
        {"true", "a patch is a JSON object or an array of objects, not true"},
        {"[]", "the array of patches is empty"},
        {"[ ]", "the array of patches is empty"},
        {"[{},1]", "patch number 1 of the array is a number; each must be a JSON object"},
        {"[[{}]]", "patch number 0 of the array is an array; each must be a JSON object"},
        {"[null]", "patch number 0 of the array is null; each must be a JSON object"},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct err err;
        struct str got = STR("untouched");
        assert_int_equal(
            document_merge(&arena, STR("{}"), str_of(cases[i].patches), 100, &got, &err),
            ERR_VALIDATION);
        assert_string_equal(err.msg, cases[i].words);
        assert_true(str_eq(got, STR("untouched")));
    }
    struct err err;
    struct str got;
    assert_int_equal(document_merge(&arena, STR("{}"), STR("{\"a\":1}"), 6, &got, &err),
                     ERR_TOOLARGE);
    assert_string_equal(err.msg, "the merged document would have 7 bytes, the limit is 6");
    arena_release(&arena);
}

/* ---- against a naive model: every step parses and writes the whole value ---- */

static struct str model_value(struct arena *a, struct str old, struct str new);

static bool model_identity(struct str value, struct str *name, struct str *id) {
    if (json_type(value) != JSON_OBJECT) return false;
    *name = STR("id");
    if (json_get(value, *name, id) && json_type(*id) != JSON_NULL) return true;
    *name = STR("_id");
    return json_get(value, *name, id) && json_type(*id) != JSON_NULL;
}

static struct str model_key(struct arena *a, struct str raw) {
    return json_text((struct str){raw.p - 1, raw.n + 2}, a);
}

static struct str model_object(struct arena *a, struct str old, struct str new, struct str skip) {
    struct str out = STR(""), key, value, other;
    struct json_iter it;
    for (json_iter_init(&it, old); json_next(&it, &key, &value);) {
        struct str text = model_key(a, key);
        if (!str_eq(text, skip) && json_get(new, text, &other))
            value = model_value(a, value, other);
        out = arena_printf(a, "%.*s,\"%.*s\":%.*s", STR_FMT(out), STR_FMT(key), STR_FMT(value));
    }
    for (json_iter_init(&it, new); json_next(&it, &key, &value);) {
        struct str text = model_key(a, key);
        if (str_eq(text, skip) || json_get(old, text, &other)) continue;
        out = arena_printf(a, "%.*s,\"%.*s\":%.*s", STR_FMT(out), STR_FMT(key), STR_FMT(value));
    }
    return arena_printf(a, "{%.*s}", (int)(out.n > 0 ? out.n - 1 : 0), out.p + (out.n > 0));
}

/* The array with one more element, or with one element merged. */
static struct str model_add(struct arena *a, struct str array, struct str element) {
    struct str out = STR(""), key, value, name, id, other_name, other_id;
    struct json_iter it;
    bool found = false;
    for (json_iter_init(&it, array); json_next(&it, &key, &value);) {
        bool has = model_identity(element, &name, &id);
        bool other_has = model_identity(value, &other_name, &other_id);
        if (!found && has && other_has && str_eq(name, other_name) && json_equal(id, other_id)) {
            found = true;
            value = model_object(a, value, element, name);
        }
        found = found || (!has && json_equal(value, element));
        out = arena_printf(a, "%.*s,%.*s", STR_FMT(out), STR_FMT(value));
    }
    if (!found) out = arena_printf(a, "%.*s,%.*s", STR_FMT(out), STR_FMT(element));
    return arena_printf(a, "[%.*s]", (int)(out.n - 1), out.p + 1);
}

static struct str model_value(struct arena *a, struct str old, struct str new) {
    enum json_type from = json_type(old), to = json_type(new);
    if (from == JSON_OBJECT && to == JSON_OBJECT) return model_object(a, old, new, STR_NONE);
    if (from != JSON_ARRAY || to == JSON_NULL || to == JSON_OBJECT) return new;
    if (to != JSON_ARRAY) return model_add(a, old, new);
    struct json_iter it;
    struct str key, value;
    for (json_iter_init(&it, new); json_next(&it, &key, &value);) old = model_add(a, old, value);
    return old;
}

/* Also: the result is valid, and what no patch names keeps its bytes. */
static void check_random(struct arena *a, struct str base, struct str patches) {
    struct str want = base, got, patch, key, value, kept;
    struct json_iter it;
    struct err err;
    if (json_type(patches) == JSON_OBJECT) {
        want = model_object(a, want, patches, STR("_system"));
    } else {
        for (json_iter_init(&it, patches); json_next(&it, &key, &patch);)
            want = model_object(a, want, patch, STR("_system"));
    }
    if (document_merge(a, base, patches, TEXT_MAX, &got, &err) != OK) fail_msg("%s", err.msg);
    if (json_check(got, 128, &err) != OK) fail_msg("%s: %.*s", err.msg, STR_FMT(got));
    if (!json_equal(got, want))
        fail_msg("%.*s and %.*s\n give  %.*s\n wants %.*s", STR_FMT(base), STR_FMT(patches),
                 STR_FMT(got), STR_FMT(want));
    if (json_type(patches) != JSON_OBJECT) return;
    for (json_iter_init(&it, base); json_next(&it, &key, &value);) {
        struct str text = model_key(a, key), none;
        if (json_get(patches, text, &none) && !str_eq(text, STR("_system"))) continue;
        assert_true(json_get(got, text, &kept));
        assert_true(str_eq(kept, value));
    }
}

static void merges_random_documents(void **state) {
    (void)state;
    struct json_random random;
    struct buf base, patches;
    json_random_init(&random, "test_merge");
    buf_init(&base, TEXT_MAX);
    buf_init(&patches, TEXT_MAX);
    for (int round = 0; round < ROUNDS; round++) {
        struct arena arena;
        arena_init(&arena);
        buf_reset(&base);
        buf_reset(&patches);
        json_random_object(&random, &base, 4);
        uint32_t count = json_random_below(&random, 4);
        if (count > 0) buf_append_char(&patches, '[');
        for (uint32_t i = 0; i < (count ? count : 1); i++) {
            if (i > 0) buf_append_char(&patches, ',');
            json_random_object(&random, &patches, 4);
        }
        if (count > 0) buf_append_char(&patches, ']');
        check_random(&arena, buf_str(&base), buf_str(&patches));
        check_random(&arena, buf_str(&base), buf_str(&base));
        struct str same;
        struct err err;
        assert_int_equal(
            document_merge(&arena, buf_str(&base), STR("[{},{}]"), TEXT_MAX, &same, &err), OK);
        assert_true(str_eq(same, buf_str(&base)));
        arena_release(&arena);
    }
    buf_release(&base);
    buf_release(&patches);
}

/* Each is written with a number between its two halves. */
static const char *const element_halves[][2] = {
    {"", ""}, {"1e", ""}, {"{\"id\":", ",\"x\":1}"}, {"{\"n\":[", "]}"}, {"\"text-", "-text\""},
};

static void append_elements(struct buf *out, const char *const halves[2], int count) {
    for (int i = 0; i < count; i++) {
        if (i > 0) buf_append_char(out, ',');
        buf_append_str(out, str_of(halves[0]));
        buf_append_int(out, i);
        buf_append_str(out, str_of(halves[1]));
    }
}

/* Not quadratic: many elements, many patches, numbers that only exponents tell apart. */
static void merges_large_arrays(void **state) {
    (void)state;
    enum { COUNT = 200000 };
    struct buf base, patch;
    buf_init(&base, TEXT_MAX);
    buf_init(&patch, TEXT_MAX);
    int64_t start = clock_mono_us();
    for (size_t f = 0; f < sizeof(element_halves) / sizeof(*element_halves); f++) {
        struct arena arena;
        struct str got;
        struct err err;
        arena_init(&arena);
        buf_reset(&base);
        buf_reset(&patch);
        buf_append_str(&base, STR("{\"l\":["));
        append_elements(&base, element_halves[f], COUNT);
        buf_append_str(&base, STR("]}"));
        buf_append_char(&patch, '[');
        buf_append_str(&patch, buf_str(&base));
        for (int i = 0; i < COUNT; i++) buf_append_str(&patch, STR(",{\"l\":7}"));
        buf_append_char(&patch, ']');
        assert_int_equal(
            document_merge(&arena, buf_str(&base), buf_str(&patch), TEXT_MAX, &got, &err), OK);
        assert_in_range(got.n, base.len, base.len + 2);
        /* From nothing, element by element. */
        assert_int_equal(
            document_merge(&arena, STR("{\"l\":[]}"), buf_str(&base), TEXT_MAX, &got, &err), OK);
        assert_true(str_eq(got, buf_str(&base)));
        arena_release(&arena);
    }
    assert_in_range(clock_mono_us() - start, 0, 30000000);
    buf_release(&base);
    buf_release(&patch);
}

static void adds_many_members(void **state) {
    (void)state;
    struct buf patch;
    struct arena arena;
    struct str got;
    struct err err;
    arena_init(&arena);
    buf_init(&patch, TEXT_MAX);
    for (int i = 0; i < 5000; i++) buf_printf(&patch, "%s\"k%d\":%d", i ? "," : "{", i, i);
    buf_append_char(&patch, '}');
    assert_int_equal(document_merge(&arena, STR("{}"), buf_str(&patch), TEXT_MAX, &got, &err), OK);
    assert_true(str_eq(got, buf_str(&patch)));
    assert_int_equal(document_merge(&arena, got, buf_str(&patch), TEXT_MAX, &got, &err), OK);
    assert_true(str_eq(got, buf_str(&patch)));
    buf_release(&patch);
    arena_release(&arena);
}

/* A list of one value in many spellings, merged with itself. */
static void takes_many_equal_elements(void **state) {
    (void)state;
    struct buf base;
    struct arena arena;
    struct str got;
    struct err err;
    arena_init(&arena);
    buf_init(&base, TEXT_MAX);
    buf_append_str(&base, STR("{\"l\":[0"));
    for (int i = 0; i < 200000; i++) {
        buf_append_str(&base, i % 2 ? STR(",0e") : STR(",\"\\u0061\",{\"id\":0.0,\"x\":"));
        buf_append_int(&base, i);
        if (i % 2 == 0) buf_append_char(&base, '}');
    }
    buf_append_str(&base, STR("]}"));
    int64_t start = clock_mono_us();
    assert_int_equal(document_merge(&arena, buf_str(&base), buf_str(&base), TEXT_MAX, &got, &err),
                     OK);
    assert_in_range(clock_mono_us() - start, 0, 20000000);
    /* Only the first object with that id has changed, to what the last one says. */
    assert_int_equal(got.n, base.len + strlen("199998") - strlen("0"));
    buf_release(&base);
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges),
        cmocka_unit_test(refuses),
        cmocka_unit_test(merges_random_documents),
        cmocka_unit_test(merges_large_arrays),
        cmocka_unit_test(adds_many_members),
        cmocka_unit_test(takes_many_equal_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
