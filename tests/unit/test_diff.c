/* Proves that a diff, applied as RFC 6902 says, turns one document into the other, and that blame
 * finds the version that set each leaf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/document.h"
#include "lib/json_random.h"

enum { ROUNDS = 6000, TEXT_MAX = 1 << 27, VERSIONS = 6 };

/* ---- an applier of patches, on text ---- */

struct change {
    struct str op, value;
    struct json_path path;
};

static struct str apply_at(struct arena *a, struct str value, const struct change *c, int depth);

static struct str apply_child(struct arena *a, struct str child, const struct change *c,
                              int depth) {
    if (depth + 1 < c->path.count) return apply_at(a, child, c, depth + 1);
    return str_eq(c->op, STR("remove")) ? STR_NONE : c->value;
}

static struct str wrap(struct arena *a, struct str list, const char *brackets) {
    return arena_printf(a, "%c%.*s%c", brackets[0], (int)(list.n > 0 ? list.n - 1 : 0),
                        list.p + (list.n > 0), brackets[1]);
}

static struct str apply_object(struct arena *a, struct str object, const struct change *c,
                               int depth) {
    struct str out = STR(""), key, value, name = c->path.segments[depth];
    struct json_iter it;
    bool found = false, last = depth + 1 == c->path.count;
    for (json_iter_init(&it, object); json_next(&it, &key, &value);) {
        if (json_key_is(key, name)) {
            found = true;
            value = apply_child(a, value, c, depth);
        }
        if (value.p != NULL)
            out = arena_printf(a, "%.*s,\"%.*s\":%.*s", STR_FMT(out), STR_FMT(key), STR_FMT(value));
    }
    /* add makes a member; the others need it. */
    bool add = last && str_eq(c->op, STR("add"));
    assert_true(found != add);
    if (add) {
        struct buf quoted;
        buf_init(&quoted, TEXT_MAX);
        json_quote(&quoted, name);
        out = arena_printf(a, "%.*s,%.*s:%.*s", STR_FMT(out), STR_FMT(buf_str(&quoted)),
                           STR_FMT(c->value));
        buf_release(&quoted);
    }
    return wrap(a, out, "{}");
}

static struct str apply_array(struct arena *a, struct str array, const struct change *c,
                              int depth) {
    struct str out = STR(""), key, value;
    struct json_iter it;
    int64_t target, index = 0;
    bool insert = depth + 1 == c->path.count && str_eq(c->op, STR("add"));
    assert_true(str_to_int(c->path.segments[depth], &target));
    for (json_iter_init(&it, array); json_next(&it, &key, &value); index++) {
        if (index == target && insert)
            out = arena_printf(a, "%.*s,%.*s", STR_FMT(out), STR_FMT(c->value));
        if (index == target && !insert) value = apply_child(a, value, c, depth);
        if (value.p != NULL) out = arena_printf(a, "%.*s,%.*s", STR_FMT(out), STR_FMT(value));
    }
    assert_in_range(target, 0, insert ? index : index - 1);
    if (insert && target == index)
        out = arena_printf(a, "%.*s,%.*s", STR_FMT(out), STR_FMT(c->value));
    return wrap(a, out, "[]");
}

static struct str apply_at(struct arena *a, struct str value, const struct change *c, int depth) {
    if (json_type(value) == JSON_OBJECT) return apply_object(a, value, c, depth);
    assert_int_equal(json_type(value), JSON_ARRAY);
    return apply_array(a, value, c, depth);
}

static struct str apply_patch(struct arena *a, struct str document, struct str patch) {
    struct json_iter it;
    struct str key, operation, text;
    struct err err;
    assert_int_equal(json_check(patch, 130, &err), OK);
    for (json_iter_init(&it, patch); json_next(&it, &key, &operation);) {
        struct change c = {.value = STR_NONE};
        assert_true(json_get(operation, STR("op"), &c.op));
        c.op = json_text(c.op, a);
        assert_true(json_get(operation, STR("path"), &text));
        if (json_path_parse(json_text(text, a), a, &c.path, &err) != OK) fail_msg("%s", err.msg);
        assert_true(json_get(operation, STR("value"), &c.value) != str_eq(c.op, STR("remove")));
        document = apply_at(a, document, &c, 0);
    }
    return document;
}

/* ---- diff ---- */

static const struct {
    const char *a, *b, *patch;
} diff_cases[] = {
    {"{}", "{ }", "[]"},
    {"{\"a\":1,\"b\":[1,{}]}", "{ \"b\":[1.0,{ }], \"\\u0061\":10e-1 }", "[]"},
    {"{\"a\":1,\"_system\":{\"x\":1}}", "{\"_system\":2,\"a\":1}", "[]"},
    {"{\"a\":1}", "{\"a\":2}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":2}]"},
    {"{\"a\":1}", "{}", "[{\"op\":\"remove\",\"path\":\"/a\"}]"},
    {"{}", "{\"a\":{ \"b\" : 1.50 }}",
     "[{\"op\":\"add\",\"path\":\"/a\",\"value\":{ \"b\" : 1.50 }}]"},
    {"{\"a\":1,\"b\":2,\"c\":3}", "{\"d\":4,\"c\":5,\"a\":1}",
     "[{\"op\":\"remove\",\"path\":\"/b\"},{\"op\":\"replace\",\"path\":\"/c\",\"value\":5},"
     "{\"op\":\"add\",\"path\":\"/d\",\"value\":4}]"},
    {"{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":{\"c\":[]}}}",
     "[{\"op\":\"replace\",\"path\":\"/a/b/c\",\"value\":[]}]"},
    {"{\"a\":[]}", "{\"a\":{}}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":{}}]"},
    {"{\"a\":true}", "{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":1}]"},
    {"{\"a\":null}", "{}", "[{\"op\":\"remove\",\"path\":\"/a\"}]"},
    {"{\"\":1,\"m/n\":1,\"t~\":1,\"m\\/o\":1,\"\\u007e\\u002F\":1,\"q\\\"\":1,\"\\u00e4\\\\/\":1}",
     "{}",
     "[{\"op\":\"remove\",\"path\":\"/\"},{\"op\":\"remove\",\"path\":\"/m~1n\"},"
     "{\"op\":\"remove\",\"path\":\"/t~0\"},{\"op\":\"remove\",\"path\":\"/m~1o\"},"
     "{\"op\":\"remove\",\"path\":\"/~0~1\"},{\"op\":\"remove\",\"path\":\"/q\\\"\"},"
     "{\"op\":\"remove\",\"path\":\"/\\u00e4\\\\~1\"}]"},
    {"{\"l\":[1,2,3]}", "{\"l\":[1,2,3,4]}", "[{\"op\":\"add\",\"path\":\"/l/3\",\"value\":4}]"},
    {"{\"l\":[1,2,3]}", "{\"l\":[0,1,2,3]}", "[{\"op\":\"add\",\"path\":\"/l/0\",\"value\":0}]"},
    {"{\"l\":[1,2,3,4]}", "{\"l\":[1,4]}",
     "[{\"op\":\"remove\",\"path\":\"/l/2\"},{\"op\":\"remove\",\"path\":\"/l/1\"}]"},
    {"{\"l\":[1,2,3]}", "{\"l\":[]}",
     "[{\"op\":\"remove\",\"path\":\"/l/2\"},{\"op\":\"remove\",\"path\":\"/l/1\"},"
     "{\"op\":\"remove\",\"path\":\"/l/0\"}]"},
    {"{\"l\":[1,1]}", "{\"l\":[1,1,1]}", "[{\"op\":\"add\",\"path\":\"/l/2\",\"value\":1}]"},
    {"{\"l\":[1,{\"x\":1,\"y\":2},3]}", "{\"l\":[1,{\"x\":1,\"y\":5},3]}",
     "[{\"op\":\"replace\",\"path\":\"/l/1/y\",\"value\":5}]"},
    {"{\"l\":[[1,2],[3]]}", "{\"l\":[[1],[3,4]]}",
     "[{\"op\":\"remove\",\"path\":\"/l/0/1\"},{\"op\":\"add\",\"path\":\"/l/1/1\",\"value\":4}]"},
};

static void diffs(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(diff_cases) / sizeof(*diff_cases); i++) {
        struct arena arena;
        arena_init(&arena);
        struct str a = str_of(diff_cases[i].a), b = str_of(diff_cases[i].b);
        struct str got = document_diff(&arena, a, b);
        if (!str_eq(got, str_of(diff_cases[i].patch)))
            fail_msg("%s to %s\n gives %.*s\n wants %s", a.p, b.p, STR_FMT(got),
                     diff_cases[i].patch);
        assert_true(document_equal(&arena, apply_patch(&arena, a, got), b));
        arena_release(&arena);
    }
}

static void check_diff(struct arena *arena, struct str a, struct str b) {
    struct str patch = document_diff(arena, a, b);
    struct str got = apply_patch(arena, a, patch);
    if (!document_equal(arena, got, b))
        fail_msg("%.*s\n to    %.*s\n by    %.*s\n gives %.*s", STR_FMT(a), STR_FMT(b),
                 STR_FMT(patch), STR_FMT(got));
    if (document_equal(arena, a, b)) assert_true(str_eq(patch, STR("[]")));
}

static void diffs_random_documents(void **state) {
    (void)state;
    struct json_random random;
    struct buf a, b;
    json_random_init(&random, "test_diff");
    buf_init(&a, TEXT_MAX);
    buf_init(&b, TEXT_MAX);
    for (int round = 0; round < ROUNDS; round++) {
        struct arena arena;
        struct str merged;
        struct err err;
        arena_init(&arena);
        buf_reset(&a);
        buf_reset(&b);
        json_random_object(&random, &a, 4);
        json_random_object(&random, &b, 4);
        check_diff(&arena, buf_str(&a), buf_str(&b));
        check_diff(&arena, buf_str(&a), buf_str(&a));
        /* Two that have much in common. */
        assert_int_equal(document_merge(&arena, buf_str(&a), buf_str(&b), TEXT_MAX, &merged, &err),
                         OK);
        check_diff(&arena, buf_str(&a), merged);
        check_diff(&arena, merged, buf_str(&a));
        arena_release(&arena);
    }
    buf_release(&a);
    buf_release(&b);
}

/* A long key above many levels, each with changes: {"<key>":{"x":1,...,"n":{...}}}. */
static void long_paths(struct buf *out, size_t key_bytes, int levels, int changes, int value) {
    buf_reset(out);
    buf_append_str(out, STR("{\"a\":0,\""));
    for (size_t i = 0; i < key_bytes; i++) buf_append_char(out, '/');
    buf_append_str(out, STR("\":"));
    for (int i = 0; i < levels; i++) {
        buf_append_char(out, '{');
        for (int j = 0; j < changes; j++) buf_printf(out, "\"x%d\":%d,", j, value);
        buf_append_str(out, STR("\"n\":"));
    }
    buf_append_str(out, STR("[]"));
    for (int i = 0; i < levels; i++) buf_append_char(out, '}');
    buf_append_char(out, '}');
}

/* The patch does not grow with the square of the documents; small changes stay small ones. */
static void bounds_patches(void **state) {
    (void)state;
    struct arena arena;
    struct buf a, b;
    arena_init(&arena);
    buf_init(&a, TEXT_MAX);
    buf_init(&b, TEXT_MAX);
    int64_t start = clock_mono_us();
    for (int changes = 1; changes < 3000; changes = changes * 3 + 1) {
        long_paths(&a, 1 << 20, changes < 100 ? 120 : 5, changes, 1);
        long_paths(&b, 1 << 20, changes < 100 ? 120 : 5, changes, 2);
        struct str patch = document_diff(&arena, buf_str(&a), buf_str(&b));
        assert_in_range(patch.n, 1, (1 << 20) + 10 * b.len);
        assert_true(document_equal(&arena, apply_patch(&arena, buf_str(&a), patch), buf_str(&b)));
        long_paths(&b, 1 << 20, changes < 100 ? 120 : 5, changes, 1);
        b.data[5] = '7';
        patch = document_diff(&arena, buf_str(&a), buf_str(&b));
        assert_true(str_eq(patch, STR("[{\"op\":\"replace\",\"path\":\"/a\",\"value\":7}]")));
    }
    assert_in_range(clock_mono_us() - start, 0, 30000000);
    buf_release(&a);
    buf_release(&b);
    arena_release(&arena);
}

/* ---- blame ---- */

struct blame_case {
    const char *path;                /* NULL: all leaves */
    const char *documents[VERSIONS]; /* oldest first */
    const char *want;                /* pointer=ov of each leaf, in order */
};

static const struct blame_case blame_cases[] = {
    {NULL, {"{\"a\":1,\"_system\":{\"x\":1}}"}, "/a=0 "},
    {NULL, {"{}", "{ \"_system\":1}"}, "=0 "},
    {NULL, {"{\"_system\":2}", "{ \"_system\":1}"}, "=0 "},
    {NULL, {"{\"a\":2,\"_system\":2}", "{ \"_system\":1}"}, "=1 "},
    {NULL, {"{\"a\":1}", "{\"a\":2}", "{\"a\":2.0}"}, "/a=1 "},
    {NULL, {"{\"a\":1}", "{\"a\":2}", "{\"a\":1}"}, "/a=2 "},
    {NULL,
     {"{\"a\":1}", "{\"a\":1,\"b\":{\"c\":[]}}", "{\"b\":{\"c\":[ ],\"d\":1},\"a\":1}"},
     "/b/c=1 /b/d=2 /a=0 "},
    {NULL, {"{\"a\":1}", "{}", "{\"a\":1}"}, "/a=2 "},
    {NULL, {"{\"l\":[1,2]}", "{\"l\":[0,2]}", "{\"l\":[0,2,{}]}"}, "/l/0=1 /l/1=0 /l/2=2 "},
    {NULL, {"{\"l\":{\"0\":1}}", "{\"l\":[1,2]}"}, "/l/0=0 /l/1=1 "},
    {NULL, {"{\"l\":[1,2]}", "{\"l\":{\"\\u0030\":1,\"01\":2,\"1\":3}}"}, "/l/0=0 /l/01=1 /l/1=1 "},
    {NULL, {"{\"a\":{}}", "{\"a\":[]}"}, "/a=1 "},
    {NULL, {"{\"a\":{\"b\":1}}", "{\"a\":{}}"}, "/a=1 "},
    {NULL, {"{\"m/n\":1,\"t~\":1}", "{\"m\\/n\":1,\"t\\u007e\":2}"}, "/m~1n=0 /t~0=1 "},
    {"a", {"{\"a\":{\"x\":1},\"b\":1}", "{\"a\":{\"x\":1,\"y\":2},\"b\":2}"}, "/a/x=0 /a/y=1 "},
    {"/a/x", {"{\"a\":{\"x\":1},\"b\":1}", "{\"a\":{\"x\":1,\"y\":2},\"b\":2}"}, "/a/x=0 "},
    {"a.z", {"{\"a\":{\"x\":1}}"}, ""},
    {"_system", {"{\"a\":1,\"_system\":{\"x\":1}}"}, ""},
    {"l.x",
     {"{\"l\":[{\"x\":1},{\"x\":2}]}", "{\"l\":[{\"x\":1},{\"x\":3},4]}"},
     "/l/0/x=0 /l/1/x=1 "},
    {"/l/x", {"{\"l\":[{\"x\":1}]}"}, ""},
    {"l.1", {"{\"l\":[1,2]}", "{\"l\":[5,2]}"}, "/l/1=0 "},
    {"a.b.c",
     {"{\"a\":{\"b\":{\"c\":1,\"d\":1}}}", "{\"a\":{\"b\":{\"c\":2,\"d\":1}}}"},
     "/a/b/c=1 "},
};

static struct str blame_text(struct arena *arena, const struct version *versions, int count,
                             const struct json_path *path) {
    struct blame b;
    struct str out = STR("");
    int i = count - 1;
    blame_init(&b, arena, &versions[i], path);
    bool open = b.open > 0;
    while (open && i > 0) open = blame_step(&b, &versions[--i]);
    for (int leaf = 0; leaf < b.count; leaf++)
        out = arena_printf(arena, "%.*s%.*s=%lld ", STR_FMT(out), STR_FMT(b.leaves[leaf].pointer),
                           (long long)b.leaves[leaf].set_by->ov);
    return out;
}

static void blames(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(blame_cases) / sizeof(*blame_cases); i++) {
        const struct blame_case *c = &blame_cases[i];
        struct version versions[VERSIONS];
        struct arena arena;
        struct json_path path;
        struct err err;
        int count = 0;
        arena_init(&arena);
        for (; count < VERSIONS && c->documents[count] != NULL; count++) {
            versions[count].ov = count;
            versions[count].doc = str_of(c->documents[count]);
        }
        if (c->path != NULL)
            assert_int_equal(json_path_parse(str_of(c->path), &arena, &path, &err), OK);
        struct str got = blame_text(&arena, versions, count, c->path != NULL ? &path : NULL);
        if (!str_eq(got, str_of(c->want)))
            fail_msg("case %zu gives %.*s, not %s", i, STR_FMT(got), c->want);
        arena_release(&arena);
    }
}

/* Naive: a leaf was set by the oldest version of those that have its value without a break up to
 * the newest. */
static int64_t model_blame(struct arena *a, const struct version *versions, int count,
                           struct str pointer, struct str value) {
    struct json_path path;
    struct err err;
    int i = count - 1;
    assert_int_equal(json_path_parse(pointer, a, &path, &err), OK);
    for (; i > 0; i--) {
        struct str older;
        if (!json_find(versions[i - 1].doc, &path, &older) || !json_equal(older, value)) break;
    }
    return versions[i].ov;
}

static void blames_random_histories(void **state) {
    (void)state;
    struct json_random random;
    struct buf text;
    json_random_init(&random, "test_diff, blame");
    buf_init(&text, TEXT_MAX);
    for (int round = 0; round < ROUNDS / 4; round++) {
        struct version versions[VERSIONS];
        struct arena arena;
        struct err err;
        arena_init(&arena);
        for (int i = 0; i < VERSIONS; i++) {
            buf_reset(&text);
            json_random_object(&random, &text, 3);
            versions[i].ov = i;
            versions[i].doc = arena_dup(&arena, buf_str(&text));
            if (i > 0)
                assert_int_equal(document_merge(&arena, versions[i - 1].doc, versions[i].doc,
                                                TEXT_MAX, &versions[i].doc, &err),
                                 OK);
        }
        struct blame b;
        blame_init(&b, &arena, &versions[VERSIONS - 1], NULL);
        bool open = b.open > 0;
        for (int i = VERSIONS - 1; open && i > 0;) open = blame_step(&b, &versions[--i]);
        for (int i = 0; i < b.count; i++)
            if (b.leaves[i].pointer.n > 0)
                assert_int_equal(b.leaves[i].set_by->ov,
                                 model_blame(&arena, versions, VERSIONS, b.leaves[i].pointer,
                                             b.leaves[i].value));
        arena_release(&arena);
    }
    buf_release(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diffs),
        cmocka_unit_test(diffs_random_documents),
        cmocka_unit_test(bounds_patches),
        cmocka_unit_test(blames),
        cmocka_unit_test(blames_random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
