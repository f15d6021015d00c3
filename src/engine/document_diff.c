/*
 * document_diff: JSON Patch (RFC 6902) from one text to another.
 *
 * Objects are compared member by member, whatever their order. Arrays of different length are cut
 * of their common beginning and end; what is left is compared in pairs, and the surplus removed
 * from the end or added.
 *
 * The path of where we are is kept in the form in which it stands in the patch, that is, as the
 * inside of a JSON string: a raw key is one already, but for ~ and /. A patch names the path in
 * each operation, so a long key above many changes could make it grow with the square of the
 * document. So beyond FREE_BYTES a container whose operations are longer than WHOLE_FACTOR times
 * its replacement is replaced: `limit` is where the first of the open containers reaches that, and
 * those inside it give up at once.
 */
#include "base/buf.h"
#include "engine/document.h"
#include "engine/members.h"

enum {
    FREE_BYTES = 1 << 20,
    WHOLE_FACTOR = 4,
    OPERATION_BYTES = 64, /* of an operation without path and value, at most */
    BYTES_PER_BYTE = 128, /* a patch is shorter than FREE_BYTES and this many times both texts */
    EFFORT_PER_BYTE = 8,  /* bytes of elements compared in vain, for each byte of both texts */
};

struct differ {
    struct arena *arena; /* for this patch alone */
    struct buf out;
    struct buf path;
    size_t limit;   /* of out, while a container may be replaced */
    int64_t effort; /* bytes that may still be compared in vain */
};

/* A container that is being compared. */
struct scope {
    size_t start, limit; /* of its operations in out */
    size_t outer_limit;
    size_t path_bytes;
};

static void diff_value(struct differ *d, struct str a, struct str b);
static void diff_object(struct differ *d, struct str a, struct str b, bool root);

struct str document_diff(struct arena *arena, struct str a, struct str b) {
    struct arena scratch;
    struct differ d = {.arena = &scratch, .limit = SIZE_MAX};
    arena_init(&scratch);
    a = document_without_system(&scratch, a);
    b = document_without_system(&scratch, b);
    d.effort = EFFORT_PER_BYTE * (int64_t)(a.n + b.n);
    buf_init(&d.path, 2 * (a.n + b.n) + OPERATION_BYTES);
    buf_init(&d.out, FREE_BYTES + BYTES_PER_BYTE * (a.n + b.n));
    buf_append_char(&d.out, '[');
    diff_object(&d, a, b, true);
    buf_append_char(&d.out, ']');
    ASSERT(!d.out.overflow && !d.path.overflow);
    struct str patch = arena_dup(arena, buf_str(&d.out));
    buf_release(&d.out);
    buf_release(&d.path);
    arena_release(&scratch);
    return patch;
}

/* ---- the path ---- */

/* The character that an escape of a raw key stands for, if it is ~ or /; else 0. *ret_bytes is the
 * length of the escape. */
static char special_escape(const char *p, size_t *ret_bytes) {
    *ret_bytes = p[1] == 'u' ? 6 : 2;
    if (p[1] == '/') return '/';
    if (p[1] != 'u' || p[2] != '0' || p[3] != '0') return 0;
    if (p[4] == '2' && (p[5] | 0x20) == 'f') return '/';
    return p[4] == '7' && (p[5] | 0x20) == 'e' ? '~' : 0;
}

/* Appends a raw key to the path; the caller cuts it off again. */
static void path_key(struct differ *d, struct str raw) {
    buf_append_char(&d->path, '/');
    for (size_t i = 0, bytes; i < raw.n; i += bytes) {
        char c = raw.p[i];
        bytes = 1;
        if (c == '\\') c = special_escape(raw.p + i, &bytes);
        if (c == '~' || c == '/') {
            buf_append_str(&d->path, c == '~' ? STR("~0") : STR("~1"));
        } else {
            buf_append(&d->path, raw.p + i, bytes);
        }
    }
}

static void path_index(struct differ *d, size_t index) {
    buf_append_char(&d->path, '/');
    buf_append_int(&d->path, (int64_t)index);
}

/* ---- operations ---- */

/* value STR_NONE: none */
static void operation(struct differ *d, struct str name, struct str value) {
    if (d->out.data[d->out.len - 1] != '[') buf_append_char(&d->out, ',');
    buf_append_str(&d->out, STR("{\"op\":\""));
    buf_append_str(&d->out, name);
    buf_append_str(&d->out, STR("\",\"path\":\""));
    buf_append_str(&d->out, buf_str(&d->path));
    buf_append_char(&d->out, '"');
    if (value.p != NULL) {
        buf_append_str(&d->out, STR(",\"value\":"));
        buf_append_str(&d->out, value);
    }
    buf_append_char(&d->out, '}');
}

/* Begins a container that is to become b. */
static struct scope scope_open(struct differ *d, struct str b, bool root) {
    struct scope s = {.start = d->out.len, .outer_limit = d->limit, .path_bytes = d->path.len};
    size_t whole = OPERATION_BYTES + d->path.len + b.n;
    s.limit = root ? SIZE_MAX : s.start + WHOLE_FACTOR * whole;
    if (s.limit < FREE_BYTES) s.limit = FREE_BYTES;
    if (s.limit < d->limit) d->limit = s.limit;
    return s;
}

/* After each child: the path goes back; false: nothing more is to be compared. */
static bool scope_next(struct differ *d, const struct scope *s) {
    buf_cut(&d->path, s->path_bytes);
    return d->out.len <= d->limit;
}

static void scope_close(struct differ *d, const struct scope *s, struct str b) {
    d->limit = s->outer_limit;
    if (d->out.len <= s->limit) return;
    buf_cut(&d->out, s->start);
    operation(d, STR("replace"), b);
}

/* ---- comparing ---- */

/* The members of each object that are not in the other, and those in both that differ. A root has
 * no replacement: its `_system` is not ours to name. */
static void diff_object(struct differ *d, struct str a, struct str b, bool root) {
    struct members in_a, in_b;
    struct scope scope = scope_open(d, b, root);
    members_list(&in_a, d->arena, a, &members_by_key);
    members_list(&in_b, d->arena, b, &members_by_key);
    bool more = true;
    for (uint32_t i = 0; i < in_a.count && more; i++) {
        const struct member *old = &in_a.list[i], *new = members_find(&in_b, old->key);
        path_key(d, old->key);
        if (new == NULL) {
            operation(d, STR("remove"), STR_NONE);
        } else {
            diff_value(d, old->text, new->text);
        }
        more = scope_next(d, &scope);
    }
    for (uint32_t i = 0; i < in_b.count && more; i++) {
        const struct member *new = &in_b.list[i];
        if (members_find(&in_a, new->key) != NULL) continue;
        path_key(d, new->key);
        operation(d, STR("add"), new->text);
        more = scope_next(d, &scope);
    }
    scope_close(d, &scope, b);
}

/* ---- arrays ---- */

/* A run of elements. */
struct run {
    struct str *list;
    size_t count;
};

static struct run run_of(struct differ *d, struct str array) {
    enum { FEW = 16 }; /* kept while the others are counted, as in members_list */
    struct run run = {NULL, 0};
    struct str few[FEW], key, value;
    struct json_iter it, rest;
    json_iter_init(&it, array);
    for (rest = it; json_next(&it, &key, &value); run.count++) {
        if (run.count >= FEW) continue;
        few[run.count] = value;
        rest = it;
    }
    if (run.count == 0) return run;
    size_t kept = run.count < FEW ? run.count : FEW;
    run.list = arena_alloc(d->arena, run.count * sizeof(value));
    memcpy(run.list, few, kept * sizeof(value));
    for (size_t i = kept; i < run.count && json_next(&rest, &key, &value); i++) run.list[i] = value;
    return run;
}

/* Are they equal, as far as there is effort left to find out? To find unequal what differs far
 * inside is work that is done again inside, level by level. */
static bool same(struct differ *d, struct str a, struct str b) {
    if (d->effort <= 0) return false;
    if (json_equal(a, b)) return true;
    d->effort -= (int64_t)(a.n + b.n);
    return false;
}

/* Cuts off what both begin and end with; how many elements at the beginning. Where both are of the
 * same length that would change nothing. */
static size_t cut_common(struct differ *d, struct run *x, struct run *y) {
    size_t first = 0;
    if (x->count == y->count) return 0;
    while (first < x->count && first < y->count && same(d, x->list[first], y->list[first])) first++;
    x->list += first;
    y->list += first;
    x->count -= first;
    y->count -= first;
    while (x->count > 0 && y->count > 0 && same(d, x->list[x->count - 1], y->list[y->count - 1])) {
        x->count--;
        y->count--;
    }
    return first;
}

static void diff_array(struct differ *d, struct str a, struct str b) {
    struct scope scope = scope_open(d, b, false);
    struct run x = run_of(d, a), y = run_of(d, b);
    size_t first = cut_common(d, &x, &y);
    size_t pairs = x.count < y.count ? x.count : y.count;
    bool more = true;
    for (size_t i = 0; i < pairs && more; i++) {
        path_index(d, first + i);
        diff_value(d, x.list[i], y.list[i]);
        more = scope_next(d, &scope);
    }
    for (size_t i = x.count; i > pairs && more; i--) {
        path_index(d, first + i - 1);
        operation(d, STR("remove"), STR_NONE);
        more = scope_next(d, &scope);
    }
    for (size_t i = pairs; i < y.count && more; i++) {
        path_index(d, first + i);
        operation(d, STR("add"), y.list[i]);
        more = scope_next(d, &scope);
    }
    scope_close(d, &scope, b);
}

static void diff_value(struct differ *d, struct str a, struct str b) {
    enum json_type type = json_type(a);
    if (str_eq(a, b)) return;
    if (type == JSON_OBJECT && json_type(b) == JSON_OBJECT) {
        diff_object(d, a, b, false);
    } else if (type == JSON_ARRAY && json_type(b) == JSON_ARRAY) {
        diff_array(d, a, b);
    } else if (!json_equal(a, b)) {
        operation(d, STR("replace"), b);
    }
}
