/*
 * document_blame: who set each leaf. The newest document is walked for its leaves, and again, side
 * by side with each older version; leaves are numbered in the order of the walk, so nothing is
 * looked up by its pointer. A leaf is open while every version seen so far has its present value.
 *
 * A walk first follows the path, if there is one, to what it names; there leaves begin.
 */
#include "base/buf.h"
#include "engine/document.h"
#include "engine/members.h"

enum { POINTER_MAX = 1 << 30 }; /* bytes; a pointer is no longer than twice the document */

struct walk {
    struct blame *blame;
    const struct version *version; /* the older one; NULL: leaves are being collected */
    struct arena arena;            /* for this walk alone */
    struct buf pointer;            /* where we are; kept only while collecting */
    int leaf;                      /* number of the next one */
};

/* A value of the newest document and what the older one has in its place, STR_NONE: nothing. */
struct pair {
    struct str new, old;
};

static void walk_path(struct walk *w, struct pair at, int segment);

static void walk_all(struct walk *w, struct str old) {
    arena_init(&w->arena);
    buf_init(&w->pointer, POINTER_MAX);
    if (old.p != NULL) old = document_without_system(&w->arena, old);
    walk_path(w, (struct pair){w->blame->newest, old}, 0);
    buf_release(&w->pointer);
    arena_release(&w->arena);
}

void blame_init(struct blame *b, struct arena *arena, const struct version *newest,
                const struct json_path *path) {
    *b = (struct blame){.arena = arena, .path = path};
    b->newest = document_without_system(arena, newest->doc);
    struct walk w = {.blame = b};
    walk_all(&w, STR_NONE);
    for (int i = 0; i < b->count; i++) b->leaves[i].set_by = newest;
    b->open = b->count;
}

bool blame_step(struct blame *b, const struct version *older) {
    if (b->open == 0) return false;
    struct walk w = {.blame = b, .version = older};
    walk_all(&w, older->doc);
    ASSERT(w.leaf == b->count);
    return b->open > 0;
}

/* ---- leaves ---- */

static void add_leaf(struct walk *w, struct str value) {
    struct blame *b = w->blame;
    if (b->count == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 32;
        struct blame_leaf *leaves = arena_alloc(b->arena, (size_t)b->cap * sizeof(*leaves));
        if (b->count > 0) memcpy(leaves, b->leaves, (size_t)b->count * sizeof(*leaves));
        b->leaves = leaves;
    }
    struct str pointer = w->pointer.len > 0 ? buf_str(&w->pointer) : STR("");
    b->leaves[b->count++] =
        (struct blame_leaf){.pointer = arena_dup(b->arena, pointer), .value = value, .open = true};
}

static void take_leaf(struct walk *w, struct pair at) {
    if (w->version == NULL) {
        add_leaf(w, at.new);
        return;
    }
    struct blame_leaf *leaf = &w->blame->leaves[w->leaf++];
    if (!leaf->open) return;
    if (at.old.p != NULL && json_equal(at.new, at.old)) {
        leaf->set_by = w->version;
    } else {
        leaf->open = false;
        w->blame->open--;
    }
}

/* ---- walking ---- */

/* The pointer goes one name down; returns its length before. */
static size_t pointer_push(struct walk *w, struct str name) {
    size_t length = w->pointer.len;
    if (w->version != NULL) return length;
    buf_append_char(&w->pointer, '/');
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (c == '~' || c == '/') {
            buf_append_str(&w->pointer, c == '~' ? STR("~0") : STR("~1"));
        } else {
            buf_append_char(&w->pointer, c);
        }
    }
    return length;
}

/*
 * Steps over the children of a container, and over those of the older value that have the same
 * pointer. That is a matter of names alone: /l/0 is an element of a list and a member named 0 of an
 * object. So both are listed by key, elements by their digits, unless both are lists, which are
 * walked in step.
 */
struct children {
    struct json_iter new, old;
    bool in_step;
    struct members members; /* of the older value, unless in step; empty: it has none */
    struct str key;         /* raw; STR_NONE in an array */
    struct pair at;
    int64_t index;
    char digits[24]; /* of index */
};

static bool is_container(struct str value) {
    return json_type(value) == JSON_OBJECT || json_type(value) == JSON_ARRAY;
}

static struct str index_name(int64_t index, char digits[24]) {
    return (struct str){digits, (size_t)snprintf(digits, 24, "%lld", (long long)index)};
}

/* An array as if it were an object with the keys 0, 1, ... */
static void list_elements(struct members *m, struct arena *arena, struct str array) {
    struct json_iter it;
    struct member one = {0};
    struct str no_key;
    char digits[24];
    *m = (struct members){.arena = arena, .by = &members_by_key};
    json_iter_init(&it, array);
    for (int64_t i = 0; json_next(&it, &no_key, &one.text); i++) {
        one.key = arena_dup(arena, index_name(i, digits));
        one.hash = json_key_hash(one.key);
        members_add(m, one);
    }
}

static void children_init(struct children *c, struct walk *w, struct pair at) {
    *c = (struct children){.index = -1};
    json_iter_init(&c->new, at.new);
    if (at.old.p == NULL || !is_container(at.old)) return;
    bool old_object = json_type(at.old) == JSON_OBJECT;
    c->in_step = !c->new.object && !old_object;
    if (c->in_step) {
        json_iter_init(&c->old, at.old);
    } else if (old_object) {
        members_list(&c->members, &w->arena, at.old, &members_by_key);
    } else {
        list_elements(&c->members, &w->arena, at.old);
    }
}

static bool children_next(struct children *c) {
    struct str no_key;
    if (!json_next(&c->new, &c->key, &c->at.new)) return false;
    c->index++;
    c->at.old = STR_NONE;
    if (c->in_step) {
        c->in_step = json_next(&c->old, &no_key, &c->at.old);
        if (!c->in_step) c->at.old = STR_NONE;
    } else if (c->members.count > 0) {
        struct str key = c->key.p != NULL ? c->key : index_name(c->index, c->digits);
        const struct member *old = members_find(&c->members, key);
        if (old != NULL) c->at.old = old->text;
    }
    return true;
}

/* The name of a child, in the struct or the arena. */
static struct str child_name(struct children *c, struct walk *w) {
    return c->key.p != NULL ? json_text(c->key, &w->arena) : index_name(c->index, c->digits);
}

/* All leaves of a value. */
static void walk_leaves(struct walk *w, struct pair at) {
    struct children c;
    if (is_container(at.new)) {
        bool empty = true;
        for (children_init(&c, w, at); children_next(&c); empty = false) {
            size_t length = w->pointer.len;
            if (w->version == NULL) length = pointer_push(w, child_name(&c, w));
            walk_leaves(w, c.at);
            buf_cut(&w->pointer, length);
        }
        if (!empty) return;
    }
    take_leaf(w, at);
}

/* What the rest of the path names in a value. */
static void walk_path(struct walk *w, struct pair at, int segment) {
    const struct json_path *path = w->blame->path;
    struct children c;
    if (path == NULL || segment == path->count) {
        walk_leaves(w, at);
        return;
    }
    if (!is_container(at.new)) return;
    for (children_init(&c, w, at); children_next(&c);) {
        struct str name = child_name(&c, w);
        bool named = str_eq(name, path->segments[segment]);
        bool through = !c.new.object && !path->pointer &&json_type(c.at.new) == JSON_OBJECT;
        if (!named && !through) continue;
        size_t length = pointer_push(w, name);
        walk_path(w, c.at, named ? segment + 1 : segment);
        buf_cut(&w->pointer, length);
    }
}
