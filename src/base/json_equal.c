/*
 * json_equal: equality in meaning, and a hash that agrees with it.
 *
 * Two texts are walked side by side, each byte once, as long as the members of objects stand in the
 * same order. Where they do not, the rest of the two objects is listed and matched by key: one by
 * one when short, by a hash table when long. Recursion is as deep as the values are.
 */
#include "base/json.h"
#include "base/json_scan.h"

enum { MATCH_SMALL = 16 }; /* members that are matched without a table */

struct cursor {
    const char *p, *end;
};

static bool equal_value(struct cursor *a, struct cursor *b);

bool json_equal(struct str a, struct str b) {
    if (a.n == b.n && (a.p == b.p || memcmp(a.p, b.p, a.n) == 0)) return true;
    struct cursor x = {a.p, a.p + a.n}, y = {b.p, b.p + b.n};
    return equal_value(&x, &y);
}

static void skip_blanks(struct cursor *c) {
    c->p = scan_blanks(c->p, c->end);
}

/* The value at the cursor, which moves behind it. */
static struct str take_value(struct cursor *c) {
    const char *from = c->p;
    c->p = scan_value_end(from, c->end);
    return (struct str){from, (size_t)(c->p - from)};
}

/* At a member: the key without quotes; the cursor moves to the value. */
static struct str take_key(struct cursor *c) {
    const char *from = c->p + 1;
    const char *close = scan_string_end(from, c->end);
    c->p = scan_blanks(close + 1, c->end);
    c->p = scan_blanks(c->p + 1, c->end);
    return (struct str){from, (size_t)(close - from)};
}

/* ---- objects in another order ---- */

struct member {
    struct str key, value;
};
struct members {
    struct member *list;
    size_t count, cap;
};

/* Lists the members from here to the end of the object; the cursor stays at its bracket. */
static void list_members(struct cursor *c, struct members *ret) {
    struct json_iter it = {.p = c->p, .end = c->end, .object = true};
    struct member m;
    *ret = (struct members){0};
    while (json_next(&it, &m.key, &m.value)) {
        if (ret->count == ret->cap) {
            ret->cap = ret->cap ? 2 * ret->cap : MATCH_SMALL;
            ret->list = xrealloc(ret->list, ret->cap * sizeof(m));
        }
        ret->list[ret->count++] = m;
    }
    c->p = it.p;
}

static bool match_small(const struct members *a, const struct members *b) {
    for (size_t i = 0; i < a->count; i++) {
        size_t j = 0;
        while (j < b->count && !json_keys_equal(a->list[i].key, b->list[j].key)) j++;
        if (j == b->count || !json_equal(a->list[i].value, b->list[j].value)) return false;
    }
    return true;
}

static bool match_large(const struct members *a, const struct members *b) {
    size_t places = 1, place;
    while (places < 2 * b->count) places *= 2;
    uint32_t *table = xcalloc(places, sizeof(*table)); /* member of b + 1, 0: free */
    ASSERT(b->count < UINT32_MAX);
    for (size_t j = 0; j < b->count; j++) {
        place = json_key_hash(b->list[j].key) & (places - 1);
        while (table[place] != 0) place = (place + 1) & (places - 1);
        table[place] = (uint32_t)(j + 1);
    }
    bool equal = true;
    for (size_t i = 0; i < a->count && equal; i++) {
        const struct member *m = &a->list[i], *other = NULL;
        place = json_key_hash(m->key) & (places - 1);
        for (; other == NULL && table[place] != 0; place = (place + 1) & (places - 1)) {
            const struct member *maybe = &b->list[table[place] - 1];
            if (json_keys_equal(maybe->key, m->key)) other = maybe;
        }
        equal = other != NULL && json_equal(m->value, other->value);
    }
    free(table);
    return equal;
}

static bool equal_members(struct cursor *a, struct cursor *b) {
    struct members x, y;
    list_members(a, &x);
    list_members(b, &y);
    bool equal = x.count == y.count;
    if (equal) equal = x.count <= MATCH_SMALL ? match_small(&x, &y) : match_large(&x, &y);
    free(x.list);
    free(y.list);
    return equal;
}

/* ---- side by side ---- */

/* Both cursors are behind the opening bracket. */
static bool equal_object(struct cursor *a, struct cursor *b) {
    for (;;) {
        skip_blanks(a);
        skip_blanks(b);
        if (*a->p == '}' || *b->p == '}') break;
        struct cursor member_a = *a, member_b = *b;
        if (!json_keys_equal(take_key(a), take_key(b))) {
            *a = member_a;
            *b = member_b;
            if (!equal_members(a, b)) return false;
            break;
        }
        if (!equal_value(a, b)) return false;
        skip_blanks(a);
        skip_blanks(b);
        if (*a->p == ',') a->p++;
        if (*b->p == ',') b->p++;
    }
    return *a->p++ == '}' && *b->p++ == '}';
}

static bool equal_array(struct cursor *a, struct cursor *b) {
    for (;;) {
        skip_blanks(a);
        skip_blanks(b);
        if (*a->p == ']' || *b->p == ']') return *a->p++ == ']' && *b->p++ == ']';
        if (!equal_value(a, b)) return false;
        skip_blanks(a);
        skip_blanks(b);
        if (*a->p == ',') a->p++;
        if (*b->p == ',') b->p++;
    }
}

/* Both cursors are at the first byte of a value; when the values are equal, they move behind. */
static bool equal_value(struct cursor *a, struct cursor *b) {
    enum json_type type = json_type((struct str){a->p, 1});
    if (type != json_type((struct str){b->p, 1})) return false;
    if (type == JSON_OBJECT || type == JSON_ARRAY) {
        a->p++;
        b->p++;
        return type == JSON_OBJECT ? equal_object(a, b) : equal_array(a, b);
    }
    struct str x = take_value(a), y = take_value(b);
    if (type == JSON_STRING) return json_keys_equal(x, y);
    return type != JSON_NUMBER || str_eq(x, y) || json_number_cmp(x, y) == 0;
}

/* ---- hash ---- */

/* So that sums and chains of hashes stay spread (finalizer of MurmurHash3's kind). */
static uint64_t mix(uint64_t h) {
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCDu;
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53u;
    return h ^ h >> 33;
}

static uint64_t hash_value(struct cursor *c);

/* Behind a child: to the next one, past the comma; true: the container ends here. */
static bool at_end(struct cursor *c, char closer) {
    skip_blanks(c);
    if (*c->p == ',') {
        c->p++;
        skip_blanks(c);
    }
    if (*c->p != closer) return false;
    c->p++;
    return true;
}

static uint64_t hash_container(struct cursor *c, uint64_t h) {
    char closer = *c->p++ == '{' ? '}' : ']';
    while (!at_end(c, closer)) {
        if (closer == ']') {
            h = mix(h) + hash_value(c);
        } else { /* a sum, since order does not count */
            uint64_t key = json_key_hash(take_key(c));
            h += mix(key + mix(hash_value(c)));
        }
    }
    return mix(h);
}

/* The cursor is at the first byte of a value, and moves behind it. */
static uint64_t hash_value(struct cursor *c) {
    uint64_t kind = str_hash((struct str){c->p, 1});
    enum json_type type = json_type((struct str){c->p, 1});
    if (type == JSON_OBJECT || type == JSON_ARRAY) return hash_container(c, kind);
    struct str value = take_value(c);
    if (type == JSON_NUMBER) return json_number_hash(value);
    if (type != JSON_STRING) return kind;
    return mix(kind + json_key_hash((struct str){value.p + 1, value.n - 2}));
}

uint64_t json_hash(struct str value) {
    struct cursor c = {value.p, value.p + value.n};
    return hash_value(&c);
}
