/*
 * document_select: FIELDS, hidden fields, and whether a path has a value: three walks over a
 * document in step with a set of paths.
 *
 * The paths are sorted by their segments, so those that begin alike are neighbours: a range [lo,
 * hi) whose first `depth` segments are consumed stands for all of them. Where the walk is, a set of
 * ranges says which paths are still alive. A member keeps of each range those whose next segment
 * is its key. An element keeps those whose next segment is its index; and, when it is an object,
 * the dotted ones go on into it unchanged, as in MongoDB. So a range can meet itself on two ways;
 * it is kept once, which bounds the set.
 *
 * The sets of the open levels lie one above the other on one stack.
 */
#include "engine/document.h"

struct range {
    int lo, hi, depth;
};

struct selector {
    struct arena *arena;
    const struct json_path **paths; /* sorted */
    struct range *stack;
    int used, cap;
    char *out; /* where the result is being written */
};

/* The top of the stack: which paths are alive at a value. */
struct alive {
    int from, to;
    bool whole; /* a path ends here */
};

static int compare_paths(const void *a, const void *b) {
    const struct json_path *x = *(const struct json_path *const *)a;
    const struct json_path *y = *(const struct json_path *const *)b;
    if (x->pointer != y->pointer) return x->pointer ? 1 : -1;
    for (int i = 0; i < x->count && i < y->count; i++) {
        int order = str_cmp(x->segments[i], y->segments[i]);
        if (order != 0) return order;
    }
    return (x->count > y->count) - (x->count < y->count);
}

static void push(struct selector *s, struct alive *alive, struct range r) {
    for (int i = alive->from; i < alive->to; i++)
        if (s->stack[i].lo == r.lo && s->stack[i].depth == r.depth) return;
    if (s->used == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        struct range *stack = arena_alloc(s->arena, (size_t)s->cap * sizeof(r));
        if (s->used > 0) memcpy(stack, s->stack, (size_t)s->used * sizeof(r));
        s->stack = stack;
    }
    s->stack[s->used++] = r;
    alive->to = s->used;
    if (s->paths[r.lo]->count == r.depth) alive->whole = true;
}

/* Paths sorted, and the set at the top: the dotted ones and the pointers, each a range. */
static struct alive select_init(struct selector *s, struct arena *arena,
                                const struct json_path *paths, int count) {
    *s = (struct selector){.arena = arena};
    s->paths = arena_alloc(arena, (size_t)count * sizeof(*s->paths));
    for (int i = 0; i < count; i++) s->paths[i] = &paths[i];
    if (count > 1) qsort(s->paths, (size_t)count, sizeof(*s->paths), compare_paths);
    int pointers = 0;
    while (pointers < count && !s->paths[pointers]->pointer) pointers++;
    struct alive alive = {0};
    if (pointers > 0) push(s, &alive, (struct range){0, pointers, 0});
    if (pointers < count) push(s, &alive, (struct range){pointers, count, 0});
    return alive;
}

/* First path of the range whose next segment is not below (above: is above) the text. */
static int bound(const struct selector *s, struct range r, struct str text, bool above) {
    int lo = r.lo, hi = r.hi;
    while (lo < hi) {
        int middle = lo + (hi - lo) / 2;
        const struct json_path *path = s->paths[middle];
        int order = path->count == r.depth ? -1 : str_cmp(path->segments[r.depth], text);
        if (order < 0 || (above && order == 0)) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo;
}

/* Adds to `ret` what goes on through this name. */
static void pass(struct selector *s, struct alive at, struct str name, struct alive *ret) {
    for (int i = at.from; i < at.to; i++) {
        struct range r = s->stack[i];
        struct range next = {bound(s, r, name, false), bound(s, r, name, true), r.depth + 1};
        if (next.lo < next.hi) push(s, ret, next);
    }
}

static struct alive pass_member(struct selector *s, struct alive at, struct str key) {
    struct alive ret = {s->used, s->used, false};
    pass(s, at, json_text(key, s->arena), &ret);
    return ret;
}

static struct alive pass_element(struct selector *s, struct alive at, int64_t index,
                                 struct str value) {
    struct alive ret = {s->used, s->used, false};
    char digits[24], *end = digits + sizeof(digits), *p = end;
    do *--p = (char)('0' + index % 10);
    while ((index /= 10) > 0);
    pass(s, at, (struct str){p, (size_t)(end - p)}, &ret);
    for (int i = at.from; json_type(value) == JSON_OBJECT && i < at.to; i++) {
        struct range r = s->stack[i];
        if (!s->paths[r.lo]->pointer) push(s, &ret, r);
    }
    return ret;
}

/* The set at the next child of a container; the caller puts s->used back to ret.from. */
static struct alive pass_child(struct selector *s, struct alive at, struct str key, int64_t index,
                               struct str value) {
    return key.p != NULL ? pass_member(s, at, key) : pass_element(s, at, index, value);
}

static bool is_container(struct str value) {
    return json_type(value) == JSON_OBJECT || json_type(value) == JSON_ARRAY;
}

static void put(struct selector *s, const char *from, const char *to) {
    memcpy(s->out, from, (size_t)(to - from));
    s->out += to - from;
}

/* ---- FIELDS ---- */

/* Writes what is alive of a value; false, and nothing written, when that is nothing. */
static bool project(struct selector *s, struct str value, struct alive at) {
    struct json_iter it;
    struct str key, child;
    if (at.from == at.to) return false;
    if (at.whole) put(s, value.p, value.p + value.n);
    if (at.whole || !is_container(value)) return at.whole;
    char *start = s->out;
    int64_t index = 0;
    *s->out++ = value.p[0];
    for (json_iter_init(&it, value); json_next(&it, &key, &child); index++) {
        char *before = s->out;
        struct alive next = pass_child(s, at, key, index, child);
        if (before > start + 1) *s->out++ = ',';
        if (key.p != NULL) {
            put(s, key.p - 1, key.p + key.n + 1);
            *s->out++ = ':';
        }
        if (!project(s, child, next)) s->out = before;
        s->used = next.from;
    }
    if (s->out == start + 1) {
        s->out = start;
        return false;
    }
    *s->out++ = value.p[value.n - 1];
    return true;
}

struct str document_project(struct arena *arena, struct str object, const struct json_path *paths,
                            int count) {
    struct selector s;
    struct alive at = select_init(&s, arena, paths, count);
    /* Never longer than the document: parts of it, with the least of punctuation. */
    char *text = s.out = arena_alloc(arena, object.n);
    if (!project(&s, object, at)) return STR("{}");
    return (struct str){text, (size_t)(s.out - text)};
}

/* ---- hidden fields ---- */

static const char *next_mark(const char *p) {
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') p++;
    return p;
}

/*
 * Copies a container without what is alive in it. A child goes with the comma before it, or, while
 * none is kept, with the comma behind it. `from` is the first byte that is not yet copied, `behind`
 * the byte after the last child.
 */
static void hide(struct selector *s, struct str value, struct alive at) {
    struct json_iter it;
    struct str key, child;
    const char *from = value.p, *behind = value.p + 1;
    bool kept = false;
    int64_t index = 0;
    for (json_iter_init(&it, value); json_next(&it, &key, &child); index++) {
        const char *start = key.p != NULL ? key.p - 1 : child.p, *end = child.p + child.n;
        struct alive next = pass_child(s, at, key, index, child);
        if (next.whole) {
            put(s, from, kept ? next_mark(behind) : start);
            from = !kept && *next_mark(end) == ',' ? next_mark(end) + 1 : end;
        } else if (next.from < next.to && is_container(child)) {
            put(s, from, child.p);
            hide(s, child, next);
            from = end;
        }
        kept = kept || !next.whole;
        behind = end;
        s->used = next.from;
    }
    put(s, from, value.p + value.n);
}

struct str document_hide(struct arena *arena, struct str object, const struct json_path *paths,
                         int count) {
    struct selector s;
    struct alive at = select_init(&s, arena, paths, count);
    char *text = s.out = arena_alloc(arena, object.n);
    hide(&s, object, at);
    size_t bytes = (size_t)(s.out - text);
    return bytes == object.n ? object : (struct str){text, bytes};
}

/* ---- has ---- */

static bool has(struct selector *s, struct str value, struct alive at) {
    struct json_iter it;
    struct str key, child;
    bool found = at.whole && json_type(value) != JSON_NULL;
    if (found || at.from == at.to || !is_container(value)) return found;
    int64_t index = 0;
    for (json_iter_init(&it, value); !found && json_next(&it, &key, &child); index++) {
        struct alive next = pass_child(s, at, key, index, child);
        found = has(s, child, next);
        s->used = next.from;
    }
    return found;
}

bool document_has(struct str object, const struct json_path *path) {
    struct arena arena;
    struct selector s;
    arena_init(&arena);
    struct alive at = select_init(&s, &arena, path, 1);
    bool found = has(&s, object, at);
    arena_release(&arena);
    return found;
}
