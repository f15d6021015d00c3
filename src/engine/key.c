/*
 * Keys: where the parts are cut, and what each may be.
 *
 *     [route/]collection:[id]
 *
 * The first ':' ends the collection, so an id may hold more of them; a '/' before it ends the
 * route. Text that a client sent is named in an error only when it is printable ASCII or valid
 * UTF-8 of a sane length; otherwise the fault alone is told.
 */
#include "engine/key.h"

enum { KEY_ROUTE_BYTES = 200, OBJECTID_DIGITS = 24 };

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static bool is_name(struct str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (!is_name_char(s.p[i])) return false;
    }
    return true;
}

static enum status check_route(struct str route, struct err *err) {
    if (route.n == 0)
        return err_set(err, ERR_VALIDATION,
                       "the key's route before '/' is empty: a key is [route/]collection:[id]");
    if (route.n > KEY_ROUTE_BYTES || !is_name(route))
        return err_set(err, ERR_VALIDATION,
                       "the key's route before '/' may have 1 to %d of A-Z a-z 0-9 _ . - only",
                       KEY_ROUTE_BYTES);
    return OK;
}

static enum status check_collection(struct str name, struct err *err) {
    if (name.n == 0)
        return err_set(err, ERR_VALIDATION,
                       "the key names no collection: a key is [route/]collection:[id], such as "
                       "users:1");
    if (name.n > KEY_COLLECTION_BYTES)
        return err_set(err, ERR_VALIDATION,
                       "the key's collection has %zu bytes, the most is %d (it ends at the first "
                       "':')",
                       name.n, KEY_COLLECTION_BYTES);
    if (!is_name(name))
        return err_set(err, ERR_VALIDATION,
                       "the key's collection may have A-Z a-z 0-9 _ . - only (a key is "
                       "[route/]collection:[id], such as users:1)");
    if (name.p[0] == '.' || str_starts_with(name, STR("__")))
        return err_set(err, ERR_VALIDATION,
                       "the key's collection '%.*s' may not begin with '.' or '__'", STR_FMT(name));
    return OK;
}

/* The first place of a control character (C0, DEL, or C1 in its UTF-8 form), a '/' or a '\'; -1. */
static ptrdiff_t forbidden_in_id(struct str id) {
    for (size_t i = 0; i < id.n; i++) {
        unsigned char c = (unsigned char)id.p[i];
        if (c < 0x20 || c == 0x7f || c == '/' || c == '\\') return (ptrdiff_t)i;
        if (c == 0xc2 && i + 1 < id.n && (unsigned char)id.p[i + 1] < 0xa0) return (ptrdiff_t)i;
    }
    return -1;
}

static enum status check_id(struct str id, struct err *err) {
    size_t bad;
    if (id.n > KEY_ID_BYTES)
        return err_set(err, ERR_VALIDATION, "the key's id has %zu bytes, the most is %d", id.n,
                       KEY_ID_BYTES);
    if (id.p[0] == '.') return err_set(err, ERR_VALIDATION, "the key's id may not begin with '.'");
    if (!str_is_utf8(id, &bad))
        return err_set(err, ERR_VALIDATION, "the key's id is not valid UTF-8 at its byte %zu", bad);
    ptrdiff_t at = forbidden_in_id(id);
    if (at >= 0)
        return err_set(err, ERR_VALIDATION,
                       "the key's id has a control character, '/' or '\\' at its byte %td", at);
    return OK;
}

/* An ObjectId is one item however its digits are written. */
static struct str id_canonical(struct str id, struct arena *arena) {
    if (id.n != OBJECTID_DIGITS || !str_is_objectid(id)) return id;
    bool upper = false;
    for (size_t i = 0; i < id.n; i++) upper |= id.p[i] >= 'A' && id.p[i] <= 'F';
    if (!upper) return id;
    char *p = arena_alloc(arena, id.n);
    for (size_t i = 0; i < id.n; i++) p[i] = (char)(id.p[i] | 0x20); /* digits have that bit */
    return (struct str){p, id.n};
}

enum status key_parse(struct str text, struct arena *arena, struct key *ret, struct err *err) {
    struct key key = {.text = text};
    const char *colon = text.n ? memchr(text.p, ':', text.n) : NULL;
    size_t head = colon ? (size_t)(colon - text.p) : text.n;
    const char *slash = head ? memchr(text.p, '/', head) : NULL;
    key.collection = (struct str){text.p, head};
    if (slash) {
        key.route = (struct str){text.p, (size_t)(slash - text.p)};
        key.collection = (struct str){slash + 1, head - key.route.n - 1};
        enum status s = check_route(key.route, err);
        if (s != OK) return s;
    }
    enum status s = check_collection(key.collection, err);
    if (s != OK) return s;
    if (colon && head + 1 < text.n) {
        struct str id = {colon + 1, text.n - head - 1};
        s = check_id(id, err);
        if (s != OK) return s;
        key.id = id_canonical(id, arena);
    }
    *ret = key;
    return OK;
}

enum status key_parse_item(struct str text, struct arena *arena, struct key *ret, struct err *err) {
    struct key key;
    enum status s = key_parse(text, arena, &key, err);
    if (s != OK) return s;
    if (!key.id.p)
        return err_set(err, ERR_VALIDATION,
                       "the key names the collection '%.*s'; an item is collection:id, such as "
                       "%.*s:1",
                       STR_FMT(key.collection), STR_FMT(key.collection));
    *ret = key;
    return OK;
}

enum status key_parse_collection(struct str text, struct arena *arena, struct key *ret,
                                 struct err *err) {
    struct key key;
    enum status s = key_parse(text, arena, &key, err);
    if (s != OK) return s;
    if (key.id.p)
        return err_set(err, ERR_VALIDATION,
                       "the key names an item; here it must name a collection, such as %.*s:",
                       STR_FMT(key.collection));
    *ret = key;
    return OK;
}
