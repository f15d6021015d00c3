/*
 * document_merge: deep merge on text.
 *
 * A value is a tree that is opened only where a patch touches it:
 *
 *     struct tree         text of the value, and, once opened, its members
 *       member.now        NULL: the member's text still holds; else the tree it has become
 *
 * All patches are applied to the one tree before anything is written, so their number does not
 * multiply the size of the document. Writing copies the text between the values that changed, which
 * keeps blanks, order and spelling, and puts what is new directly behind the last old member.
 *
 * In an array the hash of an element is that of its identity (an object's `id`, else `_id`), or of
 * its whole value when it has none. A merge never changes an identity, and an element without one
 * is never merged, so hashes stay true. Depth: nothing is put lower than it stood in base or patch,
 * so the result is no deeper than these.
 */
#include "engine/document.h"
#include "engine/members.h"

struct tree {
    struct str text;        /* as it stands in base or patch */
    bool opened;            /* the members say what it is now */
    struct members members; /* the first `standing` of them stand in the text */
    uint32_t standing;
};

static void merge_object(struct arena *arena, struct tree *object, struct str patch,
                         struct str left_alone);
static size_t measure(const struct tree *t);
static char *write_tree(char *out, const struct tree *t);

/* Are these a patch or patches? */
static enum status check_patches(struct str patches, struct err *err) {
    static const char *const names[] = {
        [JSON_NULL] = "null",        [JSON_FALSE] = "false",   [JSON_TRUE] = "true",
        [JSON_NUMBER] = "a number",  [JSON_STRING] = "a text", [JSON_ARRAY] = "an array",
        [JSON_OBJECT] = "an object",
    };
    if (json_type(patches) == JSON_OBJECT) return OK;
    if (json_type(patches) != JSON_ARRAY)
        return err_set(err, ERR_VALIDATION,
                       "a patch is a JSON object or an array of objects, not %s",
                       names[json_type(patches)]);
    struct json_iter it;
    struct str key, patch;
    int64_t number = 0;
    for (json_iter_init(&it, patches); json_next(&it, &key, &patch); number++)
        if (json_type(patch) != JSON_OBJECT)
            return err_set(err, ERR_VALIDATION,
                           "patch number %lld of the array is %s; each must be a JSON object",
                           (long long)number, names[json_type(patch)]);
    if (number == 0) return err_set(err, ERR_VALIDATION, "the array of patches is empty");
    return OK;
}

enum status document_merge(struct arena *arena, struct str base, struct str patches,
                           size_t max_bytes, struct str *ret, struct err *err) {
    enum status st = check_patches(patches, err);
    if (st != OK) return st;
    struct tree root = {.text = base};
    if (json_type(patches) == JSON_OBJECT) {
        merge_object(arena, &root, patches, STR("_system"));
    } else {
        struct json_iter it;
        struct str key, patch;
        for (json_iter_init(&it, patches); json_next(&it, &key, &patch);)
            merge_object(arena, &root, patch, STR("_system"));
    }
    size_t bytes = measure(&root);
    if (bytes > max_bytes)
        return err_set(err, ERR_TOOLARGE,
                       "the merged document would have %zu bytes, the limit is %zu", bytes,
                       max_bytes);
    char *text = arena_alloc(arena, bytes);
    ASSERT(write_tree(text, &root) == text + bytes);
    *ret = (struct str){text, bytes};
    return OK;
}

/* ---- identity of elements ---- */

/* The `id` of an object, else its `_id`; false: it has neither (or null), or is no object. */
static bool identity(struct str value, struct str *ret_name, struct str *ret_id) {
    struct json_iter it;
    struct str key, member;
    bool found = false;
    if (json_type(value) != JSON_OBJECT) return false;
    for (json_iter_init(&it, value); json_next(&it, &key, &member);) {
        bool id = json_key_is(key, STR("id"));
        if ((!id && !json_key_is(key, STR("_id"))) || json_type(member) == JSON_NULL) continue;
        *ret_name = id ? STR("id") : STR("_id");
        *ret_id = member;
        if (id) return true;
        found = true;
    }
    return found;
}

static uint64_t element_hash(struct str key, struct str value) {
    (void)key; /* elements have none */
    struct str name, id;
    if (!identity(value, &name, &id)) return json_hash(value);
    return json_hash(id) ^ str_hash(name);
}

/* Is one to be merged into the other, or superfluous beside it? */
static bool same_element(struct str value, struct str other) {
    struct str name, id, other_name, other_id;
    bool has_id = identity(value, &name, &id);
    if (identity(other, &other_name, &other_id) != has_id) return false;
    if (!has_id) return json_equal(value, other);
    return str_eq(name, other_name) && json_equal(id, other_id);
}

static const struct members_by by_element = {element_hash, same_element};

static struct member *find_element(const struct members *members, struct str value, uint64_t hash) {
    uint32_t place = 0;
    struct member *one;
    while ((one = members_probe(members, hash, &place)) != NULL)
        if (same_element(value, one->text)) return one;
    return NULL;
}

/* ---- merging ---- */

static struct tree *tree_new(struct arena *arena, struct str text) {
    struct tree *t = arena_zalloc(arena, sizeof(*t));
    t->text = text;
    return t;
}

static void tree_open(struct arena *arena, struct tree *t) {
    if (t->opened) return;
    bool object = json_type(t->text) == JSON_OBJECT;
    members_list(&t->members, arena, t->text, object ? &members_by_key : &by_element);
    t->standing = t->members.count;
    t->opened = true;
}

/* The tree of a member's present value. */
static struct tree *member_tree(struct arena *arena, struct member *member) {
    if (member->now == NULL) member->now = tree_new(arena, member->text);
    return member->now;
}

static struct str member_text(const struct member *member) {
    return member->now == NULL ? member->text : member->now->text;
}

/* Adds one element to an array unless it is there, or merges it into the one it belongs to. */
static void merge_element(struct arena *arena, struct tree *array, struct str value) {
    uint64_t hash = element_hash(STR_NONE, value);
    struct str name, id;
    struct member *one = find_element(&array->members, value, hash);
    if (one == NULL) {
        members_add(&array->members, (struct member){.text = value, .hash = hash});
    } else if (identity(value, &name, &id)) {
        merge_object(arena, member_tree(arena, one), value, name);
    }
}

static void merge_array(struct arena *arena, struct tree *array, struct str patch) {
    tree_open(arena, array);
    if (json_type(patch) != JSON_ARRAY) {
        merge_element(arena, array, patch);
        return;
    }
    struct json_iter it;
    struct str key, value;
    for (json_iter_init(&it, patch); json_next(&it, &key, &value);)
        merge_element(arena, array, value);
}

static void merge_member(struct arena *arena, struct member *member, struct str patch) {
    enum json_type old = json_type(member_text(member)), new = json_type(patch);
    if (old == JSON_OBJECT && new == JSON_OBJECT) {
        merge_object(arena, member_tree(arena, member), patch, STR_NONE);
    } else if (old == JSON_ARRAY && new != JSON_OBJECT &&new != JSON_NULL) {
        merge_array(arena, member_tree(arena, member), patch);
    } else {
        member->now = tree_new(arena, patch);
    }
}

/* Every member of the patch but the one whose key is `left_alone`. */
static void merge_object(struct arena *arena, struct tree *object, struct str patch,
                         struct str left_alone) {
    struct json_iter it;
    struct str key, value;
    tree_open(arena, object);
    for (json_iter_init(&it, patch); json_next(&it, &key, &value);) {
        if (left_alone.p != NULL && json_key_is(key, left_alone)) continue;
        struct member *member = members_find(&object->members, key);
        if (member != NULL) {
            merge_member(arena, member, value);
        } else {
            members_add(&object->members,
                        (struct member){.key = key, .text = value, .hash = json_key_hash(key)});
        }
    }
}

/* ---- writing ---- */

static size_t measure(const struct tree *t) {
    size_t bytes = t->text.n;
    for (uint32_t i = 0; t->opened && i < t->members.count; i++) {
        const struct member *one = &t->members.list[i];
        if (i < t->standing) {
            if (one->now != NULL) bytes = bytes - one->text.n + measure(one->now);
            continue;
        }
        bytes += i > 0;                                  /* the comma */
        if (one->key.p != NULL) bytes += one->key.n + 3; /* its quotes and the colon */
        bytes += one->now != NULL ? measure(one->now) : one->text.n;
    }
    return bytes;
}

static char *put(char *out, const char *from, const char *to) {
    memcpy(out, from, (size_t)(to - from));
    return out + (to - from);
}

static char *write_value(char *out, const struct member *member) {
    if (member->now != NULL) return write_tree(out, member->now);
    return put(out, member->text.p, member->text.p + member->text.n);
}

static char *write_added(char *out, const struct member *member, bool first) {
    if (!first) *out++ = ',';
    if (member->key.p != NULL) {
        *out++ = '"';
        out = put(out, member->key.p, member->key.p + member->key.n);
        *out++ = '"';
        *out++ = ':';
    }
    return write_value(out, member);
}

static char *write_tree(char *out, const struct tree *t) {
    const char *from = t->text.p, *end = from + t->text.n;
    if (!t->opened) return put(out, from, end);
    for (uint32_t i = 0; i < t->standing; i++) {
        const struct member *one = &t->members.list[i];
        if (one->now == NULL) continue;
        out = put(out, from, one->text.p);
        out = write_value(out, one);
        from = one->text.p + one->text.n;
    }
    const char *behind = t->text.p + 1;
    if (t->standing > 0) {
        const struct member *last = &t->members.list[t->standing - 1];
        behind = last->text.p + last->text.n;
    }
    out = put(out, from, behind);
    for (uint32_t i = t->standing; i < t->members.count; i++)
        out = write_added(out, &t->members.list[i], i == 0);
    return put(out, behind, end);
}
