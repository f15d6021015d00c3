/*
 * Fuzzes JSON and documents: json_check agrees with a second, plain judge; what it accepts is
 * walked, compared, composed, merged, projected, hidden, blamed and compared with itself, and each
 * result must be valid and stand in its relation to the input.
 */
#include "base/buf.h"
#include "engine/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DEPTH = DOCUMENT_DEPTH_MAX, JUDGED_MAX = 1 << 14, TEXT_MAX = 1 << 28 };

/* ---- the second judge: recursive descent, nothing clever ---- */

struct judge {
    const char *p, *end;
    int depth;
};

static bool judge_value(struct judge *j);

static void blanks(struct judge *j) {
    while (j->p < j->end && memchr(" \t\r\n", *j->p, 4) != NULL) j->p++;
}

static bool take(struct judge *j, char c) {
    if (j->p >= j->end || *j->p != c) return false;
    j->p++;
    return true;
}

static bool judge_word(struct judge *j, struct str word) {
    if (!str_starts_with((struct str){j->p, (size_t)(j->end - j->p)}, word)) return false;
    j->p += word.n;
    return true;
}

static bool judge_digits(struct judge *j) {
    const char *from = j->p;
    while (j->p < j->end && *j->p >= '0' && *j->p <= '9') j->p++;
    return j->p > from;
}

static bool judge_number(struct judge *j) {
    (void)take(j, '-');
    const char *from = j->p;
    if (!judge_digits(j)) return false;
    if (*from == '0' && j->p > from + 1) return false;
    if (take(j, '.') && !judge_digits(j)) return false;
    if (!take(j, 'e') && !take(j, 'E')) return true;
    if (!take(j, '+')) (void)take(j, '-');
    return judge_digits(j);
}

static bool judge_string(struct judge *j) {
    if (!take(j, '"')) return false;
    while (j->p < j->end && *j->p != '"') {
        if ((unsigned char)*j->p < 0x20) return false;
        if (*j->p++ != '\\') continue;
        if (j->p >= j->end) return false;
        if (*j->p == 'u') {
            uint8_t hex[2];
            if (j->end - j->p < 5 || !hex_decode((struct str){j->p + 1, 4}, hex, 2)) return false;
            j->p += 5;
        } else if (memchr("\"\\/bfnrt", *j->p++, 8) == NULL) {
            return false;
        }
    }
    return take(j, '"');
}

/* A key is new if no member between `first` and it spells the same. */
static bool key_is_new(const char *first, struct str key) {
    struct judge j = {.p = first, .end = key.p + key.n + 1};
    for (;;) {
        blanks(&j);
        const char *from = j.p + 1;
        if (!judge_string(&j)) return false;
        struct str other = {from, (size_t)(j.p - 1 - from)};
        if (other.p == key.p) return true;
        if (json_keys_equal(other, key)) return false;
        blanks(&j);
        (void)take(&j, ':');
        blanks(&j);
        j.depth = -DEPTH; /* judged already */
        if (!judge_value(&j)) return false;
        blanks(&j);
        (void)take(&j, ',');
    }
}

static bool judge_member(struct judge *j, const char *first) {
    const char *from = j->p + 1;
    if (!judge_string(j)) return false;
    if (!key_is_new(first, (struct str){from, (size_t)(j->p - 1 - from)})) return false;
    blanks(j);
    if (!take(j, ':')) return false;
    blanks(j);
    return judge_value(j);
}

static bool judge_container(struct judge *j, char closer) {
    const char *first = ++j->p;
    if (++j->depth > DEPTH) return false;
    blanks(j);
    for (bool more = !take(j, closer); more;) {
        if (!(closer == '}' ? judge_member(j, first) : judge_value(j))) return false;
        blanks(j);
        more = take(j, ',');
        if (!more && !take(j, closer)) return false;
        if (more) blanks(j);
    }
    j->depth--;
    return true;
}

static bool judge_value(struct judge *j) {
    switch (j->p < j->end ? *j->p : 0) {
    case '{':
        return judge_container(j, '}');
    case '[':
        return judge_container(j, ']');
    case '"':
        return judge_string(j);
    case 't':
        return judge_word(j, STR("true"));
    case 'f':
        return judge_word(j, STR("false"));
    case 'n':
        return judge_word(j, STR("null"));
    default:
        return judge_number(j);
    }
}

static bool judge_text(struct str text) {
    struct judge j = {.p = text.p, .end = text.p + text.n};
    blanks(&j);
    if (!judge_value(&j)) return false;
    blanks(&j);
    return j.p == j.end && str_is_utf8(text, NULL);
}

/* ---- what holds for every accepted value ---- */

static void check_valid(struct str text) {
    struct err err;
    ASSERT(json_check(text, DEPTH + 2, &err) == OK);
}

static void check_text(struct str raw, struct arena *arena) {
    struct str text = json_text((struct str){raw.p - 1, raw.n + 2}, arena);
    struct buf quoted;
    ASSERT(str_is_utf8(text, NULL));
    buf_init(&quoted, TEXT_MAX);
    json_quote(&quoted, text);
    check_valid(buf_str(&quoted));
    struct str back = {quoted.data + 1, quoted.len - 2};
    ASSERT(json_key_is(back, text));
    if (json_key_is(raw, text)) { /* no lone surrogates in it */
        ASSERT(json_keys_equal(raw, back));
        ASSERT(json_key_hash(raw) == json_key_hash(back));
    }
    buf_release(&quoted);
}

static void check_value(struct str value, struct arena *arena, int depth) {
    struct json_iter it;
    struct str key, child;
    int64_t integer;
    ASSERT(depth <= DEPTH + 1);
    switch (json_type(value)) {
    case JSON_NUMBER:
        ASSERT(json_number_cmp(value, value) == 0);
        (void)json_int(value, &integer);
        break;
    case JSON_STRING:
        check_text((struct str){value.p + 1, value.n - 2}, arena);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        for (json_iter_init(&it, value); json_next(&it, &key, &child);) {
            ASSERT(child.p > value.p && child.p + child.n < value.p + value.n);
            ASSERT((key.p != NULL) == (value.p[0] == '{'));
            if (key.p != NULL) check_text(key, arena);
            check_value(child, arena, depth + 1);
        }
        break;
    default:
        ASSERT(value.n == 4 || value.n == 5);
    }
}

/* ---- what holds for every accepted document ---- */

static void check_leaf(struct arena *arena, struct str object, const struct blame_leaf *leaf) {
    struct json_path path;
    struct str value;
    if (json_path_parse(leaf->pointer, arena, &path, NULL) != OK) return; /* the root */
    /* A key with a lone surrogate cannot be named by a pointer. */
    if (!json_find(object, &path, &value)) return;
    if (!str_eq(value, leaf->value)) return;
    ASSERT(document_has(object, &path) == (json_type(value) != JSON_NULL));
    struct str part = document_project(arena, object, &path, 1);
    check_valid(part);
    ASSERT(part.n > 2);
    struct str rest = document_hide(arena, object, &path, 1);
    check_valid(rest);
    ASSERT(rest.n < object.n);
}

static void check_document(struct str object, struct arena *arena) {
    static const struct str functions[] = {{"f", 1}};
    const struct system_fields system = {.inserted_ms = 0,
                                         .updated_ms = 1,
                                         .deleted_ms = TIME_NONE,
                                         .function_ids = functions,
                                         .function_count = 1,
                                         .parent_id = {"p\"", 2}};
    struct str plain = document_without_system(arena, object), merged;
    check_valid(plain);
    struct str composed = document_compose(arena, object, &system);
    check_valid(composed);
    ASSERT(str_eq(document_without_system(arena, composed), plain));
    ASSERT(document_equal(arena, composed, object));
    struct system_fields read;
    document_system(arena, composed, &read);
    ASSERT(read.inserted_ms == 0 && read.function_count == 1 && read.parent_id.n == 2);

    ASSERT(document_merge(arena, object, STR("{}"), object.n, &merged, NULL) == OK);
    ASSERT(str_eq(merged, object));
    ASSERT(document_merge(arena, object, object, TEXT_MAX, &merged, NULL) == OK);
    check_valid(merged);
    ASSERT(str_eq(document_diff(arena, object, composed), STR("[]")));
    check_valid(document_diff(arena, object, merged));
    check_valid(document_diff(arena, object, STR("{}")));
    check_valid(document_diff(arena, STR("{}"), object));
    ASSERT(document_merge(arena, STR("{}"), object, TEXT_MAX, &merged, NULL) == OK);
    ASSERT(document_equal(arena, merged, object));

    struct version newest = {.doc = object}, older = {.doc = composed};
    struct blame blame;
    blame_init(&blame, arena, &newest, NULL);
    ASSERT(blame_step(&blame, &older));
    for (int i = 0; i < blame.count && i < 20; i++) {
        ASSERT(blame.leaves[i].set_by == &older);
        check_leaf(arena, plain, &blame.leaves[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str text = {size > 0 ? (const char *)data : "", size}, object;
    struct arena arena;
    struct err err = {0};
    bool good = json_check(text, DEPTH, &err) == OK;
    if (size <= JUDGED_MAX) ASSERT(good == judge_text(text));
    ASSERT(good || strncmp(err.msg, "invalid JSON at byte ", 21) == 0);
    if (!good) return 0;
    arena_init(&arena);
    const char *p = text.p, *end = text.p + text.n;
    while (memchr(" \t\r\n", *p, 4) != NULL) p++;
    while (memchr(" \t\r\n", end[-1], 4) != NULL) end--;
    struct str value = {p, (size_t)(end - p)}, copy = arena_dup(&arena, value);
    ASSERT(json_equal(value, value) && json_equal(value, copy));
    ASSERT(json_hash(value) == json_hash(copy));
    check_value(value, &arena, 1);
    bool is_object = json_check_object(text, DEPTH, &object, &err) == OK;
    ASSERT(is_object == (*p == '{'));
    if (is_object) {
        ASSERT(object.p == value.p && object.n == value.n);
        check_document(object, &arena);
    } else if (*p == '[') {
        struct str merged;
        if (document_merge(&arena, STR("{}"), value, TEXT_MAX, &merged, NULL) == OK)
            check_valid(merged);
    }
    arena_release(&arena);
    return 0;
}
