/*
 * json_check: the only judge of JSON text. One pass, no recursion: the open containers are a stack
 * of frames, and each trip round the loop of check_text() takes one member or element.
 *
 * Strings are passed eight bytes at a time while they are plain ASCII; escapes and UTF-8 sequences
 * are checked where they stand, so there is no second pass.
 *
 * Duplicate keys. The keys of all open objects lie on one stack, those of one object side by side
 * at its top whenever it takes another key. Each has a signature of its length, first and last
 * bytes. Up to KEYS_SMALL keys, a filter of 64 bits answers nearly always, else the signatures are
 * compared one by one. Beyond that the object gets a hash table of its own, with a seeded hash that
 * a client cannot foresee. Keys with escapes are hashed as the text they spell.
 *
 * `p` travels in a local variable; NULL means that the fault has been told.
 */
#include "base/json.h"
#include "base/json_scan.h"

enum {
    KEYS_SMALL = 32,  /* keys of an object before it gets a hash table */
    KEYS_INLINE = 96, /* keys on the C stack before they move to the heap */
    SHOWN_MAX = 60,   /* bytes of a duplicate key in the message */
};

struct key {
    const char *p; /* raw, without quotes */
    size_t n;
    uint64_t hash; /* signature; str_hash of the unescaped text in a table */
};

struct frame {
    char closer;     /* } or ]; 0 for the outermost frame, which is no container */
    size_t base;     /* of its keys in checker.keys */
    size_t count;    /* keys so far */
    uint64_t seen;   /* filter: bit n is set when a key's signature began with n */
    uint32_t *table; /* of key number + 1, 0 for a free place; NULL: a small object */
    size_t mask;     /* places in the table - 1 */
};

struct checker {
    const char *start, *end;
    struct err *err;
    struct frame *top;
    struct key *keys;
    size_t keys_cap;
    char *text; /* for unescaping */
    size_t text_cap;
    int depth_max;
    struct frame frames[JSON_DEPTH_LIMIT + 1];
    struct key keys_inline[KEYS_INLINE];
};

static const char *fault(struct checker *c, const char *p, const char *what) {
    (void)err_set(c->err, ERR_VALIDATION, "invalid JSON at byte %zu: %s", (size_t)(p - c->start),
                  what);
    return NULL;
}

static bool check_text(struct checker *c);

enum status json_check(struct str text, int depth_max, struct err *err) {
    struct checker c;
    ASSERT(depth_max > 0 && depth_max <= JSON_DEPTH_LIMIT);
    c.start = text.p ? text.p : "";
    c.end = c.start + text.n;
    c.err = err;
    c.top = c.frames;
    c.top->closer = 0;
    c.top->base = c.top->count = 0;
    c.top->table = NULL;
    c.keys = c.keys_inline;
    c.keys_cap = KEYS_INLINE;
    c.text = NULL;
    c.text_cap = 0;
    c.depth_max = depth_max;
    bool good = check_text(&c);
    for (; c.top > c.frames; c.top--) free(c.top->table);
    if (c.keys != c.keys_inline) free(c.keys);
    free(c.text);
    return good ? OK : ERR_VALIDATION;
}

enum status json_check_object(struct str text, int depth_max, struct str *ret_object,
                              struct err *err) {
    if (text.p == NULL) text = STR("");
    const char *end = text.p + text.n;
    const char *p = scan_blanks(text.p, end);
    if (p < end && *p != '{')
        return err_set(err, ERR_VALIDATION,
                       "invalid JSON at byte %zu: expected '{': a document is a JSON object, "
                       "such as {\"name\":\"Ada\"}",
                       (size_t)(p - text.p));
    enum status st = json_check(text, depth_max, err);
    if (st != OK) return st;
    while (scan_is_blank(end[-1])) end--;
    *ret_object = (struct str){p, (size_t)(end - p)};
    return OK;
}

/* ---- strings ---- */

static inline bool is_hex(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* p is at the backslash; returns the place behind the escape. */
static const char *take_escape(struct checker *c, const char *p) {
    if (c->end - p < 2) return fault(c, c->end, "the text ends inside a string");
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;
    case 'u':
        for (int i = 2; i < 6; i++) {
            if (p + i >= c->end) return fault(c, c->end, "the text ends inside a string");
            if (!is_hex(p[i])) return fault(c, p, "\\u needs four hexadecimal digits");
        }
        return p + 6;
    default:
        return fault(c, p,
                     "unknown escape in a string (known: \\\" \\\\ \\/ \\b \\f \\n \\r \\t "
                     "\\uXXXX)");
    }
}

/* p is at a byte that is not ASCII; passes the whole run of such characters. */
static const char *take_utf8(struct checker *c, const char *p) {
    while (p < c->end && (unsigned char)*p >= 0x80) {
        int n = scan_utf8_length(p, c->end);
        if (n == 0) return fault(c, p, "invalid UTF-8");
        p += n;
    }
    return p;
}

/* p is behind the opening quote; returns the place of the closing one. */
static inline const char *take_string(struct checker *c, const char *p, bool *escaped) {
    for (;;) {
        p = scan_plain(p, c->end);
        if (p >= c->end) return fault(c, c->end, "the text ends inside a string");
        if (*p == '"') return p;
        if (*p == '\\') {
            *escaped = true;
            p = take_escape(c, p);
        } else if ((unsigned char)*p >= 0x80) {
            p = take_utf8(c, p);
        } else {
            p = fault(c, p, "a control character inside a string must be written as an escape");
        }
        if (p == NULL) return NULL;
    }
}

/* ---- keys ---- */

/* The text that a raw key spells. */
static struct str spelled(struct checker *c, struct str raw) {
    if (!scan_has_escape(raw)) return raw;
    if (raw.n > c->text_cap) {
        free(c->text);
        c->text = xmalloc(raw.n);
        c->text_cap = raw.n;
    }
    return (struct str){c->text, scan_unescape(raw, c->text)};
}

static inline uint64_t signature(struct str s) {
    uint64_t a = 0, b = 0;
    if (s.n >= WORD) {
        a = scan_load(s.p);
        b = scan_load(s.p + s.n - WORD);
    } else if (s.n >= HALF) {
        a = scan_load_half(s.p);
        b = scan_load_half(s.p + s.n - HALF);
    } else if (s.n > 0) {
        a = (unsigned char)s.p[0];
        b = (uint64_t)(unsigned char)s.p[s.n / 2] << 8 | (unsigned char)s.p[s.n - 1];
    }
    a = (a ^ (b << 29 | b >> 35) ^ s.n) * 0x9E3779B97F4A7C15u;
    return a ^ a >> 32;
}

static const char *fault_duplicate(struct checker *c, const struct key *k) {
    size_t shown = k->n <= SHOWN_MAX ? k->n : str_utf8_cut((struct str){k->p, SHOWN_MAX});
    (void)err_set(c->err, ERR_VALIDATION, "invalid JSON at byte %zu: duplicate key \"%.*s%s\"",
                  (size_t)(k->p - 1 - c->start), (int)shown, k->p, shown < k->n ? "..." : "");
    return NULL;
}

/* Puts key number `n` of the frame into its table; false when an equal key is there. */
static bool table_add(struct checker *c, struct frame *f, size_t n) {
    struct key *keys = c->keys + f->base;
    size_t place = keys[n].hash & f->mask;
    for (; f->table[place] != 0; place = (place + 1) & f->mask) {
        const struct key *other = &keys[f->table[place] - 1];
        if (other->hash == keys[n].hash &&
            json_keys_equal((struct str){other->p, other->n}, (struct str){keys[n].p, keys[n].n}))
            return false;
    }
    f->table[place] = (uint32_t)(n + 1);
    return true;
}

/* Gives the frame a table of twice the places it needs for its keys, and puts them in. */
static void table_grow(struct checker *c, struct frame *f) {
    struct key *keys = c->keys + f->base;
    size_t places = 4 * KEYS_SMALL;
    while (places < 4 * f->count) places *= 2;
    ASSERT(f->count < UINT32_MAX);
    if (f->table == NULL)
        for (size_t i = 0; i < f->count; i++)
            keys[i].hash = str_hash(spelled(c, (struct str){keys[i].p, keys[i].n}));
    free(f->table);
    f->table = xcalloc(places, sizeof(*f->table));
    f->mask = places - 1;
    for (size_t i = 0; i < f->count; i++) (void)table_add(c, f, i);
}

/* A key of an object that has a table, or gets one now. */
static bool note_large(struct checker *c, struct frame *f, struct key *k) {
    if (f->table == NULL || f->count * 2 > f->mask) table_grow(c, f);
    k->hash = str_hash(spelled(c, (struct str){k->p, k->n}));
    return table_add(c, f, f->count);
}

/* Is it not among the few keys of a small object? */
static inline bool note_small(struct checker *c, struct frame *f, struct key *k) {
    uint64_t bit = (uint64_t)1 << (k->hash & 63);
    bool maybe = (f->seen & bit) != 0;
    f->seen |= bit;
    if (!maybe) return true;
    const struct key *keys = c->keys + f->base;
    for (size_t i = 0; i < f->count; i++)
        if (keys[i].hash == k->hash &&
            json_keys_equal((struct str){keys[i].p, keys[i].n}, (struct str){k->p, k->n}))
            return false;
    return true;
}

static void keys_grow(struct checker *c) {
    size_t bytes = c->keys_cap * sizeof(*c->keys);
    if (c->keys != c->keys_inline) {
        c->keys = xrealloc(c->keys, 2 * bytes);
    } else {
        c->keys = xmalloc(2 * bytes);
        memcpy(c->keys, c->keys_inline, bytes);
    }
    c->keys_cap *= 2;
}

/* p is where a key must begin; returns the place behind the colon. */
static inline const char *take_key(struct checker *c, const char *p) {
    p = scan_blanks(p, c->end);
    if (p >= c->end) return fault(c, p, "the text ends where a key was expected");
    if (*p != '"') return fault(c, p, "expected a key in double quotes");
    bool escaped = false;
    const char *close = take_string(c, p + 1, &escaped);
    if (close == NULL) return NULL;
    struct frame *f = c->top;
    if (f->base + f->count == c->keys_cap) keys_grow(c);
    struct key *k = &c->keys[f->base + f->count];
    struct str raw = {p + 1, (size_t)(close - p - 1)};
    *k = (struct key){raw.p, raw.n, 0};
    bool is_new;
    if (f->count < KEYS_SMALL) {
        k->hash = signature(escaped ? spelled(c, raw) : raw);
        is_new = note_small(c, f, k);
    } else {
        is_new = note_large(c, f, k);
    }
    if (!is_new) return fault_duplicate(c, k);
    f->count++;
    p = scan_blanks(close + 1, c->end);
    if (p >= c->end) return fault(c, p, "the text ends where ':' was expected");
    return *p == ':' ? p + 1 : fault(c, p, "expected ':' after a key");
}

/* ---- scalars ---- */

static inline bool is_digit(const char *p, const char *end) {
    return p < end && (unsigned char)(*p - '0') < 10;
}

static inline const char *take_number(struct checker *c, const char *p) {
    const char *end = c->end;
    if (*p == '-') p++;
    if (!is_digit(p, end)) return fault(c, p, "expected a digit after '-'");
    if (*p++ == '0') {
        if (is_digit(p, end)) return fault(c, p - 1, "a number must not begin with 0");
    } else {
        while (is_digit(p, end)) p++;
    }
    if (p < end && *p == '.') {
        if (!is_digit(++p, end)) return fault(c, p, "expected a digit after '.'");
        while (is_digit(p, end)) p++;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        if (!is_digit(p, end)) return fault(c, p, "expected a digit in the exponent");
        while (is_digit(p, end)) p++;
    }
    return p;
}

static inline const char *take_word(struct checker *c, const char *p, struct str word) {
    if ((size_t)(c->end - p) >= word.n && memcmp(p, word.p, word.n) == 0) return p + word.n;
    return fault(c, p, "expected a value (text needs double quotes)");
}

/* p is at the first byte of a value that is no container; returns the place behind it. */
static inline const char *take_scalar(struct checker *c, const char *p) {
    bool escaped = false;
    switch (*p) {
    case '"':
        p = take_string(c, p + 1, &escaped);
        return p == NULL ? NULL : p + 1;
    case 't':
        return take_word(c, p, STR("true"));
    case 'f':
        return take_word(c, p, STR("false"));
    case 'n':
        return take_word(c, p, STR("null"));
    default:
        if (*p == '-' || (unsigned char)(*p - '0') < 10) return take_number(c, p);
        return fault(c, p, "expected a value (text needs double quotes)");
    }
}

/* ---- containers ---- */

/* Opens the container at p; returns the place behind its bracket. */
static inline const char *take_open(struct checker *c, const char *p) {
    if (c->top - c->frames >= c->depth_max) {
        (void)err_set(c->err, ERR_VALIDATION, "invalid JSON at byte %zu: more than %d levels",
                      (size_t)(p - c->start), c->depth_max);
        return NULL;
    }
    size_t base = c->top->base + c->top->count;
    struct frame *f = ++c->top;
    f->closer = *p == '{' ? '}' : ']';
    f->base = base;
    f->count = 0;
    f->seen = 0;
    f->table = NULL;
    return p + 1;
}

/* What must stand between a value and the next one, or the fault. */
static const char *take_comma(struct checker *c, const char *p) {
    if (p >= c->end) return fault(c, p, "the text ends inside an object or array");
    if (*p == ',') return p + 1;
    return fault(c, p,
                 c->top->closer == '}' ? "expected ',' or '}' after a member"
                                       : "expected ',' or ']' after an element");
}

/* Closes every container that ends at p; returns the first byte that is neither a blank nor such a
 * bracket. */
static inline const char *take_closers(struct checker *c, const char *p) {
    p = scan_blanks(p, c->end);
    while (c->top > c->frames && p < c->end && *p == c->top->closer) {
        free(c->top->table);
        c->top--;
        p = scan_blanks(p + 1, c->end);
    }
    return p;
}

static bool check_text(struct checker *c) {
    const char *p = c->start;
    if (c->end - p >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0)
        return fault(c, p, "a byte order mark is not part of JSON") != NULL;
    for (;;) {
        if (c->top->closer == '}' && (p = take_key(c, p)) == NULL) return false;
        p = scan_blanks(p, c->end);
        if (p >= c->end) return fault(c, p, "the text ends where a value was expected") != NULL;
        if (*p == '{' || *p == '[') {
            if ((p = take_open(c, p)) == NULL) return false;
            p = scan_blanks(p, c->end);
            /* Only an empty container ends here. */
            if (p >= c->end || *p != c->top->closer) continue;
        } else if ((p = take_scalar(c, p)) == NULL) {
            return false;
        }
        p = take_closers(c, p);
        if (c->top == c->frames) break;
        if ((p = take_comma(c, p)) == NULL) return false;
    }
    return p == c->end || fault(c, p, "text after the value") != NULL;
}
