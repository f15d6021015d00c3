/*
 * json_path: dotted paths and JSON Pointers, and the one value that a path names.
 */
#include "base/json.h"
#include "base/json_scan.h"

static size_t count_char(struct str s, char c) {
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += s.p[i] == c;
    return n;
}

static enum status bad_path(struct str text, const char *what, struct err *err) {
    return err_set(err, ERR_SYNTAX, "invalid path '%.*s': %s", (int)(text.n < 100 ? text.n : 100),
                   text.n > 0 ? text.p : "", what);
}

/* ~1 is a slash, ~0 a tilde. */
static enum status pointer_segment(struct str text, struct str segment, struct arena *arena,
                                   struct str *ret, struct err *err) {
    char *out = arena_alloc(arena, segment.n);
    size_t n = 0;
    for (size_t i = 0; i < segment.n; i++) {
        char c = segment.p[i];
        if (c == '~') {
            c = ++i < segment.n ? segment.p[i] : '\0';
            if (c != '0' && c != '1')
                return bad_path(text, "in a JSON Pointer, ~ is written ~0 and / inside a name ~1",
                                err);
            c = c == '0' ? '~' : '/';
        }
        out[n++] = c;
    }
    *ret = (struct str){out, n};
    return OK;
}

static enum status dotted_segment(struct str text, struct str segment, struct str *ret,
                                  struct err *err) {
    while (segment.n >= 2 && memcmp(segment.p + segment.n - 2, "[]", 2) == 0) segment.n -= 2;
    if (segment.n == 0)
        return bad_path(text, "an empty name (a path is written like a.b.0, or as /a/b/0)", err);
    *ret = segment;
    return OK;
}

enum status json_path_parse(struct str text, struct arena *arena, struct json_path *ret,
                            struct err *err) {
    if (text.n == 0)
        return bad_path(text, "it is empty (a path is written like a.b.0, or as /a/b/0)", err);
    bool pointer = text.p[0] == '/';
    char separator = pointer ? '/' : '.';
    size_t count = count_char(text, separator) + (pointer ? 0 : 1);
    if (count > JSON_PATH_MAX)
        return err_set(err, ERR_SYNTAX, "invalid path: more than %d names", JSON_PATH_MAX);
    struct str *segments = arena_alloc(arena, count * sizeof(*segments));
    const char *p = text.p + (pointer ? 1 : 0), *end = text.p + text.n;
    for (size_t i = 0; i < count; i++) {
        const char *stop = p;
        while (stop < end && *stop != separator) stop++;
        struct str segment = {p, (size_t)(stop - p)};
        enum status st = pointer ? pointer_segment(text, segment, arena, &segments[i], err)
                                 : dotted_segment(text, segment, &segments[i], err);
        if (st != OK) return st;
        p = stop + 1;
    }
    *ret = (struct json_path){segments, (int)count, pointer};
    return OK;
}

bool json_element(struct str array, struct str segment, struct str *ret_value) {
    int64_t index;
    if (!str_to_int(segment, &index) || index < 0) return false;
    struct json_iter it;
    struct str key, value;
    for (json_iter_init(&it, array); json_next(&it, &key, &value);) {
        if (index-- > 0) continue;
        *ret_value = value;
        return true;
    }
    return false;
}

bool json_find(struct str root, const struct json_path *path, struct str *ret_value) {
    struct str value = root;
    for (int i = 0; i < path->count; i++) {
        enum json_type type = json_type(value);
        if (type != JSON_OBJECT && type != JSON_ARRAY) return false;
        bool found = type == JSON_OBJECT ? json_get(value, path->segments[i], &value)
                                         : json_element(value, path->segments[i], &value);
        if (!found) return false;
    }
    *ret_value = value;
    return true;
}
