/* json_random: see the header. The generator is xorshift64*. */
#include "lib/json_random.h"

#include "base/clock.h"

/* Each row: one key in several spellings, then its dotted or pointer form. */
static const char *const keys[][3] = {
    {"a", "\\u0061", "a"},
    {"b", "b", "b"},
    {"c", "c", "c"},
    {"id", "\\u0069d", "id"},
    {"_id", "_id", "_id"},
    {"0", "\\u0030", "0"},
    {"m/n", "m\\/n", "m~1n"},
    {"t~", "t\\u007e", "t~0"},
    {"\xC3\xA4", "\\u00e4", "\xC3\xA4"},
    {"_system", "_\\u0073ystem", "_system"},
};
static const char *const scalars[] = {
    "1",    "1.0",  "10e-1", "2",           "-0",         "0",     "true",  "false",
    "null", "\"\"", "\"a\"", "\"\\u0061\"", "\"\\n,]}\"", "\"b\"", "1e400", "0.1e401",
};

enum { KEY_COUNT = sizeof(keys) / sizeof(*keys), MEMBERS_MAX = 6 };

void json_random_init(struct json_random *r, const char *test) {
    const char *text = getenv("SEED");
    int64_t seed = clock_now_us();
    if (text != NULL) ASSERT(str_to_int(str_of(text), &seed));
    printf("%s: SEED=%lld\n", test, (long long)seed);
    r->state = (uint64_t)seed * 0x9E3779B97F4A7C15u + 1;
    r->plain = false;
}

uint32_t json_random_below(struct json_random *r, uint32_t n) {
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return (uint32_t)((r->state * 0x2545F4914F6CDD1Du) >> 33) % n;
}

static void blanks(struct json_random *r, struct buf *out) {
    if (r->plain || json_random_below(r, 4) > 0) return;
    static const char *const some[] = {" ", "\n", "\t", "\r\n  ", "          "};
    buf_append_str(out, str_of(some[json_random_below(r, 5)]));
}

static void number_or_scalar(struct json_random *r, struct buf *out) {
    if (json_random_below(r, 8) == 0) {
        buf_append_int(out, json_random_below(r, 40)); /* enough for large arrays */
        return;
    }
    uint32_t n = sizeof(scalars) / sizeof(*scalars);
    buf_append_str(out, str_of(scalars[json_random_below(r, n)]));
}

static void array(struct json_random *r, struct buf *out, int depth) {
    uint32_t count = json_random_below(r, json_random_below(r, 10) == 0 ? 40 : MEMBERS_MAX);
    buf_append_char(out, '[');
    blanks(r, out);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) {
            buf_append_char(out, ',');
            blanks(r, out);
        }
        json_random_value(r, out, depth - 1);
        blanks(r, out);
    }
    buf_append_char(out, ']');
}

void json_random_object(struct json_random *r, struct buf *out, int depth) {
    uint32_t first = json_random_below(r, KEY_COUNT), count = json_random_below(r, MEMBERS_MAX);
    uint32_t many = json_random_below(r, 20) == 0 ? 30 : 0; /* more than a few members */
    buf_append_char(out, '{');
    blanks(r, out);
    for (uint32_t i = 0; i < count + many; i++) {
        if (i > 0) {
            buf_append_char(out, ',');
            blanks(r, out);
        }
        uint32_t key = (first + i * 3) % KEY_COUNT; /* 3 and KEY_COUNT share no divisor */
        if (i < count) {
            buf_printf(out, "\"%s\"", keys[key][json_random_below(r, 2)]);
        } else {
            buf_printf(out, "\"k%u\"", i);
        }
        blanks(r, out);
        buf_append_char(out, ':');
        blanks(r, out);
        json_random_value(r, out, i < count ? depth - 1 : 0);
        blanks(r, out);
    }
    buf_append_char(out, '}');
}

void json_random_value(struct json_random *r, struct buf *out, int depth) {
    uint32_t kind = json_random_below(r, 5);
    if (depth <= 0 || kind < 2) {
        number_or_scalar(r, out);
    } else if (kind == 2) {
        array(r, out, depth);
    } else {
        json_random_object(r, out, depth);
    }
}

void json_random_path(struct json_random *r, struct buf *out) {
    bool pointer = json_random_below(r, 3) == 0;
    uint32_t count = 1 + json_random_below(r, 3);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t key = json_random_below(r, KEY_COUNT);
        if (pointer || i > 0) buf_append_char(out, pointer ? '/' : '.');
        if (json_random_below(r, 4) == 0) {
            buf_append_int(out, json_random_below(r, 3));
        } else {
            buf_append_str(out, str_of(keys[key][pointer ? 2 : 0]));
        }
    }
}
