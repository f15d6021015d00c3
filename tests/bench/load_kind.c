/*
 * load_kind: a kind of request. Its text becomes RESP once; every number in it has a fixed width,
 * so that sending it again means writing digits over digits. What its reply must look like is kept
 * the same way.
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "bench/load.h"

enum { WORDS_MAX = 64, DIGITS = 12, WORD_BYTES_MAX = 1 << 26, JSON_BYTES_MIN = 640 };

/* One word of a request while it is built. */
struct word {
    char *data;
    size_t len, cap;
};

static bool word_parse(struct kind *k, const char *text, size_t n, struct word *w,
                       const char **ret_fault);
static bool place_parse(struct kind *k, struct str inner, struct word *w, const char **ret_fault);
static bool place_random(struct kind *k, struct str inner, struct word *w, const char **ret_fault);
static bool add_field(struct kind *k, struct word *w, struct field f, const char **ret_fault);
static bool add_json(struct kind *k, struct word *w, size_t bytes, const char **ret_fault);
static void word_append(struct word *w, const char *data, size_t n);
static void kind_append(struct kind *k, const char *data, size_t n);
static void digits_write(char *p, int digits, uint64_t v);

bool kind_parse(struct kind *k, const char *text, const char **ret_fault) {
    struct word words[WORDS_MAX] = {{0}};
    int firsts[WORDS_MAX + 1] = {0}, count = 0;
    bool ok = true;
    k->text = text;
    k->expect.same_at = -1;
    for (const char *p = text + strspn(text, " "); ok && *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        if (count == WORDS_MAX) {
            *ret_fault = "more than 64 words";
            ok = false;
            break;
        }
        firsts[count] = k->field_count;
        ok = word_parse(k, p, n, &words[count++], ret_fault);
        p += n;
    }
    if (ok && count == 0) {
        *ret_fault = "no words";
        ok = false;
    }
    firsts[count] = k->field_count;
    char head[32];
    kind_append(k, head, (size_t)snprintf(head, sizeof head, "*%d\r\n", count));
    for (int i = 0; i < count; i++) {
        kind_append(k, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", words[i].len));
        for (int f = firsts[i]; f < firsts[i + 1]; f++) k->fields[f].at += k->len;
        kind_append(k, words[i].data, words[i].len);
        kind_append(k, "\r\n", 2);
        free(words[i].data);
    }
    return ok;
}

bool kind_expect(struct kind *k, const char *text, bool whole, const char **ret_fault) {
    struct expect *e = &k->expect;
    e->whole = whole;
    e->bytes = xmalloc(strlen(text) + DIGITS + 1);
    for (const char *p = text; *p; p++) {
        if (strncmp(p, "{same}", 6) == 0) {
            e->same_at = (ptrdiff_t)e->len;
            memset(e->bytes + e->len, '0', DIGITS);
            e->len += DIGITS;
            p += 5;
        } else if (*p == '\\' && (p[1] == 'r' || p[1] == 'n' || p[1] == '\\')) {
            p++;
            e->bytes[e->len++] = (char)(*p == 'r' ? '\r' : *p == 'n' ? '\n' : '\\');
        } else {
            e->bytes[e->len++] = *p;
        }
    }
    if (e->len == 0)
        *ret_fault = "an empty expectation";
    else if (e->same_at >= 0 && k->field_count == 0)
        *ret_fault = "{same}, but no number is drawn";
    else
        return true;
    return false;
}

void kind_release(struct kind *k) {
    free(k->bytes);
    free(k->expect.bytes);
    k->bytes = k->expect.bytes = NULL;
}

/* splitmix64 */
uint64_t draw_random(struct draw *d) {
    uint64_t z = d->random += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

uint64_t kind_fill(const struct kind *k, char *request, struct draw *d) {
    uint64_t number = 0, v;
    for (int i = 0; i < k->field_count; i++) {
        const struct field *f = &k->fields[i];
        if (f->source == FIELD_SAME)
            v = number;
        else if (f->source == FIELD_SEQ)
            v = atomic_fetch_add_explicit(d->seq, 1, memory_order_relaxed);
        else
            v = f->lo + (((draw_random(d) >> 32) * f->span) >> 32);
        if (i == 0) number = v;
        digits_write(request + f->at, f->digits, v);
    }
    return number;
}

bool kind_accepts(const struct kind *k, uint64_t number, const char *reply, size_t n) {
    const struct expect *e = &k->expect;
    char digits[DIGITS];
    if (!e->bytes) return true;
    if (e->whole ? n != e->len : n < e->len) return false;
    if (e->same_at < 0) return memcmp(reply, e->bytes, e->len) == 0;
    size_t at = (size_t)e->same_at, after = at + DIGITS;
    digits_write(digits, DIGITS, number);
    return memcmp(reply, e->bytes, at) == 0 && memcmp(reply + at, digits, DIGITS) == 0 &&
           memcmp(reply + after, e->bytes + after, e->len - after) == 0;
}

/* ---- parsing ---- */

static bool word_parse(struct kind *k, const char *text, size_t n, struct word *w,
                       const char **ret_fault) {
    for (size_t i = 0; i < n;) {
        if (text[i] != '{') {
            word_append(w, text + i++, 1);
            continue;
        }
        const char *end = memchr(text + i, '}', n - i);
        if (!end) {
            *ret_fault = "a brace without its end";
            return false;
        }
        struct str inner = {text + i + 1, (size_t)(end - text) - i - 1};
        if (!place_parse(k, inner, w, ret_fault)) return false;
        i = (size_t)(end - text) + 1;
    }
    return true;
}

static bool place_parse(struct kind *k, struct str inner, struct word *w, const char **ret_fault) {
    int64_t bytes;
    if (str_eq(inner, STR("seq")))
        return add_field(k, w, (struct field){.source = FIELD_SEQ, .digits = DIGITS}, ret_fault);
    if (str_eq(inner, STR("same")))
        return add_field(k, w, (struct field){.source = FIELD_SAME, .digits = DIGITS}, ret_fault);
    if (str_starts_with(inner, STR("rand:"))) return place_random(k, inner, w, ret_fault);
    bool json = str_starts_with(inner, STR("json:")), text = str_starts_with(inner, STR("text:"));
    if (!json && !text) {
        *ret_fault = "braces know rand, seq, same, json and text";
        return false;
    }
    if (!str_to_int((struct str){inner.p + 5, inner.n - 5}, &bytes) || bytes < 0 ||
        bytes > WORD_BYTES_MAX) {
        *ret_fault = "a size in bytes is expected after json: and text:";
        return false;
    }
    if (json) return add_json(k, w, (size_t)bytes, ret_fault);
    for (int64_t i = 0; i < bytes; i++) word_append(w, "x", 1);
    return true;
}

/* rand:LO:HI[:DIGITS] */
static bool place_random(struct kind *k, struct str inner, struct word *w, const char **ret_fault) {
    int64_t v[3] = {0, 0, DIGITS};
    struct str rest = {inner.p + 5, inner.n - 5};
    int count = 0;
    for (bool more = true; more && count < 3; count++) {
        ptrdiff_t colon = str_find_char(rest, ':');
        more = colon >= 0;
        struct str part = {rest.p, more ? (size_t)colon : rest.n};
        if (!str_to_int(part, &v[count])) {
            *ret_fault = "rand:LO:HI[:DIGITS] takes integers";
            return false;
        }
        if (more) rest = (struct str){rest.p + colon + 1, rest.n - (size_t)colon - 1};
    }
    if (count < 2 || v[0] < 0 || v[1] <= v[0] || v[1] - v[0] > UINT32_MAX || v[2] < 1 ||
        v[2] > 18) {
        *ret_fault = "rand:LO:HI[:DIGITS] takes 0 <= LO < HI at most 2^32 apart, 1 to 18 digits";
        return false;
    }
    struct field f = {.source = FIELD_RANDOM,
                      .digits = (int)v[2],
                      .lo = (uint64_t)v[0],
                      .span = (uint64_t)(v[1] - v[0])};
    return add_field(k, w, f, ret_fault);
}

static bool add_field(struct kind *k, struct word *w, struct field f, const char **ret_fault) {
    char zeros[20] = "00000000000000000000";
    if (k->field_count == FIELDS_MAX)
        *ret_fault = "more than 8 numbers";
    else if (f.source == FIELD_SAME && k->field_count == 0)
        *ret_fault = "{same} stands before any other number";
    else {
        f.at = w->len;
        k->fields[k->field_count++] = f;
        word_append(w, zeros, (size_t)f.digits);
        return true;
    }
    return false;
}

/* An order as an application would store it: names, numbers, a list, nested objects, and a note
 * that fills it up to the size. It carries the request's number, so that no two are equal. */
static bool add_json(struct kind *k, struct word *w, size_t bytes, const char **ret_fault) {
    static const char head[] = "{\"n\":\"";
    static const char body[] =
        "\",\"kind\":\"order\",\"status\":\"shipped\",\"priority\":3,\"paid\":true,"
        "\"coupon\":null,\"total\":1249.95,\"currency\":\"EUR\",\"customer\":{\"id\":48211,"
        "\"name\":\"Ada Lindqvist\",\"email\":\"ada@example.org\",\"address\":{\"street\":"
        "\"Kanalgatan 12\",\"city\":\"G\xc3\xb6teborg\",\"zip\":\"41106\",\"country\":\"SE\"}},"
        "\"lines\":[{\"sku\":\"A-1001\",\"qty\":2,\"price\":199.5},{\"sku\":\"B-2040\",\"qty\":1,"
        "\"price\":850.95}],\"tags\":[\"express\",\"gift\",\"eu\"],\"weight\":{\"value\":3.25,"
        "\"unit\":\"kg\"},\"note\":\"";
    size_t used = sizeof head - 1 + DIGITS + sizeof body - 1 + 2;
    if (bytes < JSON_BYTES_MIN || bytes < used) {
        *ret_fault = "a document has 640 bytes at least";
        return false;
    }
    enum field_source source = k->field_count > 0 ? FIELD_SAME : FIELD_SEQ;
    word_append(w, head, sizeof head - 1);
    if (!add_field(k, w, (struct field){.source = source, .digits = DIGITS}, ret_fault))
        return false;
    word_append(w, body, sizeof body - 1);
    for (size_t i = 0; i < bytes - used; i++) word_append(w, &"handle with care, "[i % 18], 1);
    word_append(w, "\"}", 2);
    return true;
}

static void word_append(struct word *w, const char *data, size_t n) {
    if (w->len + n > w->cap) w->data = xrealloc(w->data, w->cap = (w->len + n) * 2 + 64);
    memcpy(w->data + w->len, data, n);
    w->len += n;
}

static void kind_append(struct kind *k, const char *data, size_t n) {
    if (n == 0) return;
    k->bytes = xrealloc(k->bytes, k->len + n);
    memcpy(k->bytes + k->len, data, n);
    k->len += n;
}

static void digits_write(char *p, int digits, uint64_t v) {
    while (digits > 0 && v > UINT32_MAX) {
        p[--digits] = (char)('0' + v % 10);
        v /= 10;
    }
    for (uint32_t low = (uint32_t)v; digits > 0; low /= 10) p[--digits] = (char)('0' + low % 10);
}
