/*
 * json: walking checked text, and the text of strings. A walk holds one pointer into the text; it
 * passes each value once by looking for the bracket or quote that ends it.
 */
#include "base/json.h"

#include "base/buf.h"
#include "base/json_scan.h"

enum json_type json_type(struct str value) {
    switch (value.n > 0 ? value.p[0] : 'n') {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

void json_iter_init(struct json_iter *it, struct str container) {
    ASSERT(container.n >= 2);
    it->p = container.p + 1;
    it->end = container.p + container.n;
    it->object = container.p[0] == '{';
}

bool json_next(struct json_iter *it, struct str *ret_key, struct str *ret_value) {
    const char *end = it->end;
    const char *p = scan_blanks(it->p, end);
    if (p < end && *p == ',') p = scan_blanks(p + 1, end);
    it->p = p;
    if (p >= end || *p == '}' || *p == ']') return false;
    *ret_key = STR_NONE;
    if (it->object) {
        const char *close = scan_string_end(p + 1, end);
        *ret_key = (struct str){p + 1, (size_t)(close - p - 1)};
        p = scan_blanks(close + 1, end);           /* the colon */
        p = scan_blanks(p < end ? p + 1 : p, end); /* the value */
    }
    it->p = scan_value_end(p, end);
    *ret_value = (struct str){p, (size_t)(it->p - p)};
    return true;
}

bool json_get(struct str object, struct str key, struct str *ret_value) {
    struct json_iter it;
    struct str raw, value;
    for (json_iter_init(&it, object); json_next(&it, &raw, &value);) {
        if (!json_key_is(raw, key)) continue;
        *ret_value = value;
        return true;
    }
    return false;
}

const char *scan_value_end(const char *p, const char *end) {
    if (p >= end) return end;
    if (*p == '"') {
        p = scan_string_end(p + 1, end);
        return p < end ? p + 1 : end;
    }
    if (*p != '{' && *p != '[') {
        while (p < end && (unsigned char)*p > ' ' && *p != ',' && *p != '}' && *p != ']') p++;
        return p;
    }
    for (size_t depth = 0; p < end; p++) {
        p = scan_structure(p, end);
        if (p >= end) break;
        if (*p == '"') {
            p = scan_string_end(p + 1, end);
        } else if ((*p | 0x20) == '{') {
            depth++;
        } else if (--depth == 0) {
            return p + 1;
        }
    }
    return end;
}

/* ---- text ---- */

bool json_key_is(struct str raw_key, struct str text) {
    if (!scan_has_escape(raw_key)) return str_eq(raw_key, text);
    struct scan_text t = {.p = raw_key.p, .end = raw_key.p + raw_key.n};
    for (size_t i = 0; i < text.n; i++)
        if (scan_text_next(&t) != (unsigned char)text.p[i]) return false;
    return scan_text_next(&t) < 0;
}

bool json_keys_equal(struct str raw_a, struct str raw_b) {
    if (str_eq(raw_a, raw_b)) return true;
    if (!scan_has_escape(raw_a)) return scan_has_escape(raw_b) && json_key_is(raw_b, raw_a);
    if (!scan_has_escape(raw_b)) return json_key_is(raw_a, raw_b);
    struct scan_text a = {.p = raw_a.p, .end = raw_a.p + raw_a.n};
    struct scan_text b = {.p = raw_b.p, .end = raw_b.p + raw_b.n};
    int c;
    do {
        c = scan_text_next(&a);
        if (c != scan_text_next(&b)) return false;
    } while (c >= 0);
    return true;
}

uint64_t json_key_hash(struct str raw) {
    if (!scan_has_escape(raw)) return str_hash(raw);
    char *text = xmalloc(raw.n);
    uint64_t hash = str_hash((struct str){text, scan_unescape(raw, text)});
    free(text);
    return hash;
}

struct str json_text(struct str string, struct arena *arena) {
    struct str raw = string;
    if (raw.n >= 2 && raw.p[0] == '"') raw = (struct str){raw.p + 1, raw.n - 2};
    if (!scan_has_escape(raw)) return raw;
    char *text = arena_alloc(arena, raw.n);
    size_t n = scan_unescape(raw, text);
    for (char *p = text; (p = memchr(p, 0xED, (size_t)(text + n - p))) != NULL; p++)
        if (scan_is_surrogate(p, text + n)) memcpy(p, "\xEF\xBF\xBD", 3);
    return (struct str){text, n};
}

size_t scan_unescape(struct str raw, char *ret) {
    struct scan_text t = {.p = raw.p, .end = raw.p + raw.n};
    size_t n = 0;
    for (int c; (c = scan_text_next(&t)) >= 0;) ret[n++] = (char)c;
    return n;
}

static unsigned hex_value(const char *p) {
    unsigned v = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)p[i];
        v = v << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return v;
}

/* Leaves the bytes of a code point in t->pending. */
static void put_pending(struct scan_text *t, unsigned code) {
    int n = 0;
    if (code >= 0x10000) {
        t->pending[n++] = (char)(0xF0 | code >> 18);
        t->pending[n++] = (char)(0x80 | (code >> 12 & 0x3F));
        t->pending[n++] = (char)(0x80 | (code >> 6 & 0x3F));
    } else if (code >= 0x800) {
        t->pending[n++] = (char)(0xE0 | code >> 12);
        t->pending[n++] = (char)(0x80 | (code >> 6 & 0x3F));
    } else if (code >= 0x80) {
        t->pending[n++] = (char)(0xC0 | code >> 6);
    }
    t->pending[n++] = (char)(code < 0x80 ? code : 0x80 | (code & 0x3F));
    t->pending_at = 0;
    t->pending_count = n;
}

/* t->p is behind "\u"; a high surrogate takes the low one that follows it. */
static void take_code(struct scan_text *t) {
    unsigned code = hex_value(t->p);
    t->p += 4;
    bool high = code >= 0xD800 && code < 0xDC00;
    if (high && t->end - t->p >= 6 && t->p[0] == '\\' && t->p[1] == 'u') {
        unsigned low = hex_value(t->p + 2);
        if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            t->p += 6;
        }
    }
    put_pending(t, code);
}

int scan_text_next(struct scan_text *t) {
    if (t->pending_count == 0) {
        if (t->p >= t->end) return -1;
        if (*t->p != '\\' || t->end - t->p < 2) return (unsigned char)*t->p++;
        static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
        char c = t->p[1];
        t->p += 2;
        if (c != 'u' || t->end - t->p < 4) {
            const char *known = memchr(from, c, sizeof(from) - 1);
            return known ? to[known - from] : (unsigned char)c;
        }
        take_code(t);
    }
    unsigned char c = (unsigned char)t->pending[t->pending_at++];
    if (t->pending_at == t->pending_count) t->pending_count = 0;
    return c;
}

/* Appends what cannot stand in a JSON string as it is; how many bytes of text that took. */
static size_t quote_one(struct buf *out, const char *p, const char *end) {
    unsigned char c = (unsigned char)*p;
    if (c >= 0x80) {
        if (scan_is_surrogate(p, end)) {
            unsigned code =
                0xD000u | ((unsigned char)p[1] & 0x3Fu) << 6 | ((unsigned char)p[2] & 0x3Fu);
            buf_printf(out, "\\u%04x", code);
            return 3;
        }
        int n = scan_utf8_length(p, end);
        buf_append_str(out, n > 0 ? (struct str){p, (size_t)n} : STR("\\ufffd"));
        return n > 0 ? (size_t)n : 1;
    }
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *known = memchr(from, c, sizeof(from) - 1);
    if (known == NULL) {
        buf_printf(out, "\\u%04x", c);
    } else {
        buf_append_char(out, '\\');
        buf_append_char(out, to[known - from]);
    }
    return 1;
}

void json_quote(struct buf *out, struct str text) {
    const char *p = text.n > 0 ? text.p : "";
    const char *end = p + text.n;
    buf_append_char(out, '"');
    while (p < end) {
        const char *plain = scan_plain(p, end);
        if (plain > p) buf_append(out, p, (size_t)(plain - p));
        p = plain;
        if (p < end) p += quote_one(out, p, end);
    }
    buf_append_char(out, '"');
}
