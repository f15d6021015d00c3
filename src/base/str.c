/*
 * str: comparing, searching, checking and hashing slices of bytes.
 *
 * What every request passes is written for speed and says so: the UTF-8 check takes ASCII sixteen
 * bytes at a time, the hash sixteen bytes a multiplication.
 */
#include "base/str.h"

#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

static uint8_t lower(char c) {
    return (uint8_t)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

int str_cmp(struct str a, struct str b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);
    if (order != 0) return order < 0 ? -1 : 1;
    return (a.n > b.n) - (a.n < b.n);
}

bool str_eq_nocase(struct str a, struct str b) {
    if (a.n != b.n) return false;
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i])) return false;
    }
    return true;
}

bool str_starts_with(struct str s, struct str prefix) {
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

ptrdiff_t str_find_char(struct str s, char c) {
    const char *at = s.n == 0 ? NULL : memchr(s.p, c, s.n);
    return at == NULL ? -1 : at - s.p;
}

bool str_to_int(struct str s, int64_t *ret) {
    bool negative = s.n > 0 && s.p[0] == '-';
    size_t i = negative ? 1 : 0;
    if (s.n == i || s.n - i > 19) return false;
    if (s.p[i] == '0' && s.n > 1) return false; /* 007, and -0 */
    uint64_t v = 0;                             /* 19 digits cannot overflow it */
    for (; i < s.n; i++) {
        unsigned digit = (unsigned)(uint8_t)s.p[i] - '0';
        if (digit > 9) return false;
        v = v * 10 + digit;
    }
    if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0)) return false;
    *ret = (int64_t)(negative ? 0 - v : v);
    return true;
}

/* Length of the character that begins at p, which is not ASCII; 0 when there is none. The second
 * byte alone tells overlong forms, surrogates and what lies above U+10FFFF. */
static size_t utf8_char(const uint8_t *p, size_t n) {
    uint8_t c = p[0];
    if (c < 0xC2 || n < 2) return 0;
    if (c < 0xE0) return (p[1] & 0xC0) == 0x80 ? 2 : 0;
    if (c < 0xF0) {
        uint8_t low = c == 0xE0 ? 0xA0 : 0x80;
        uint8_t high = c == 0xED ? 0x9F : 0xBF;
        return n >= 3 && p[1] >= low && p[1] <= high && (p[2] & 0xC0) == 0x80 ? 3 : 0;
    }
    if (c > 0xF4) return 0;
    uint8_t low = c == 0xF0 ? 0x90 : 0x80;
    uint8_t high = c == 0xF4 ? 0x8F : 0xBF;
    bool second = n >= 4 && p[1] >= low && p[1] <= high;
    return second && (p[2] & 0xC0) == 0x80 && (p[3] & 0xC0) == 0x80 ? 4 : 0;
}

static uint64_t read64(const char *p) {
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t read32(const char *p) {
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

bool str_is_utf8(struct str s, size_t *ret_bad) {
    const uint64_t high_bits = 0x8080808080808080u;
    size_t i = 0;
    while (i < s.n) {
        while (s.n - i >= 16 && ((read64(s.p + i) | read64(s.p + i + 8)) & high_bits) == 0) i += 16;
        while (i < s.n && (uint8_t)s.p[i] < 0x80) i++;
        /* Characters that are not ASCII come in runs: stay here as long as they do. */
        while (i < s.n && (uint8_t)s.p[i] >= 0x80) {
            size_t n = utf8_char((const uint8_t *)s.p + i, s.n - i);
            if (n == 0) {
                if (ret_bad != NULL) *ret_bad = i;
                return false;
            }
            i += n;
        }
    }
    return true;
}

size_t str_utf8_cut(struct str s) {
    for (size_t back = 1; back <= 3 && back <= s.n; back++) {
        uint8_t c = (uint8_t)s.p[s.n - back];
        if (c < 0x80) break;
        if (c < 0xC0) continue; /* not the first byte of its character */
        size_t whole = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
        return back < whole ? s.n - back : s.n;
    }
    return s.n;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    uint8_t l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

static bool all_hex(struct str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (hex_digit(s.p[i]) < 0) return false;
    }
    return true;
}

bool str_is_objectid(struct str s) {
    return s.n == 24 && all_hex(s);
}

void hex_encode(const uint8_t *data, size_t bytes, char *ret) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes; i++) {
        ret[2 * i] = digits[data[i] >> 4];
        ret[2 * i + 1] = digits[data[i] & 15];
    }
}

bool hex_decode(struct str hex, uint8_t *ret, size_t bytes) {
    if (hex.n % 2 != 0 || hex.n / 2 != bytes || !all_hex(hex)) return false;
    for (size_t i = 0; i < bytes; i++) {
        ret[i] = (uint8_t)(hex_digit(hex.p[2 * i]) << 4 | hex_digit(hex.p[2 * i + 1]));
    }
    return true;
}

/* A place in a pattern, and how letters are compared. */
struct glob {
    struct str pattern;
    bool nocase;
};

static uint8_t glob_fold(const struct glob *g, char c) {
    return g->nocase ? lower(c) : (uint8_t)c;
}

/* Does the class that opens at `at` (its '[') take c? *ret_next is the place behind it. As in
 * Redis, a class that is never closed ends with the pattern. */
static bool glob_class(const struct glob *g, size_t at, char c, size_t *ret_next) {
    struct str p = g->pattern;
    uint8_t want = glob_fold(g, c);
    size_t i = at + 1;
    bool negated = i < p.n && p.p[i] == '^';
    bool found = false;
    if (negated) i++;
    while (i < p.n && p.p[i] != ']') {
        if (p.p[i] == '\\' && i + 1 < p.n) {
            i++;
            found |= glob_fold(g, p.p[i]) == want;
        } else if (i + 2 < p.n && p.p[i + 1] == '-') {
            uint8_t first = glob_fold(g, p.p[i]), last = glob_fold(g, p.p[i + 2]);
            found |= first <= last ? want >= first && want <= last : want >= last && want <= first;
            i += 2;
        } else {
            found |= glob_fold(g, p.p[i]) == want;
        }
        i++;
    }
    *ret_next = i < p.n ? i + 1 : i;
    return found != negated;
}

/* Does the element at `at`, which is no '*', take c? */
static bool glob_one(const struct glob *g, size_t at, char c, size_t *ret_next) {
    struct str p = g->pattern;
    *ret_next = at + 1;
    if (p.p[at] == '?') return true;
    if (p.p[at] == '[') return glob_class(g, at, c, ret_next);
    if (p.p[at] == '\\' && at + 1 < p.n) {
        at++;
        *ret_next = at + 1;
    }
    return glob_fold(g, p.p[at]) == glob_fold(g, c);
}

bool str_glob(struct str pattern, struct str text, bool nocase) {
    const struct glob g = {pattern, nocase};
    size_t p = 0, t = 0;
    /* Only the last '*' need be tried again, one character further each time: an earlier one could
     * find nothing that the last does not. That is what bounds the time. */
    bool starred = false;
    size_t star_p = 0, star_t = 0, next;
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            starred = true;
            star_p = ++p;
            star_t = t;
        } else if (p < pattern.n && glob_one(&g, p, text.p[t], &next)) {
            p = next;
            t++;
        } else if (starred) {
            p = star_p;
            t = ++star_t;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*') p++;
    return p == pattern.n;
}

/*
 * The hash multiplies two 64-bit words, each first mixed with a secret, to 128 bits and folds the
 * halves. The secrets are drawn at random when the process starts and no hash leaves it, so nobody
 * outside can know which words meet.
 */
static uint64_t secrets[4];

__attribute__((constructor)) static void draw_secrets(void) {
    size_t have = 0;
    while (have < sizeof(secrets)) {
        ssize_t n = getrandom((char *)secrets + have, sizeof(secrets) - have, GRND_NONBLOCK);
        if (n <= 0) break;
        have += (size_t)n;
    }
    if (have < sizeof(secrets)) { /* early in the start of the machine, or a system without it */
        struct timespec now = {0};
        (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail; a zero would do too */
        for (size_t i = 0; i < 4; i++) {
            secrets[i] ^= (uint64_t)now.tv_nsec << (i * 8) ^ (uint64_t)getpid() << 32 ^
                          (uint64_t)(uintptr_t)&now ^ (uint64_t)now.tv_sec << (i * 5);
        }
    }
    /* Odd and dense: no word of them is weak. */
    for (size_t i = 0; i < 4; i++) secrets[i] |= 0x0100010001000101u;
}

__extension__ typedef unsigned __int128 wide;

static uint64_t fold(uint64_t a, uint64_t b) {
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t str_hash(struct str s) {
    const char *p = s.p;
    size_t n = s.n;
    uint64_t h = secrets[0];
    uint64_t a = 0, b = 0;
    while (n > 16) {
        h = fold(read64(p) ^ secrets[1], read64(p + 8) ^ h);
        p += 16;
        n -= 16;
    }
    /* The last 1 to 16 bytes by reads that overlap. */
    if (n >= 8) {
        a = read64(p);
        b = read64(p + n - 8);
    } else if (n >= 4) {
        a = read32(p);
        b = read32(p + n - 4);
    } else if (n > 0) {
        a = (uint64_t)(uint8_t)p[0] << 16 | (uint64_t)(uint8_t)p[n / 2] << 8 | (uint8_t)p[n - 1];
    }
    h = fold(a ^ secrets[2], b ^ h);
    /* The length comes in last and apart: beside the data, one could be traded for the other. */
    return fold(h ^ secrets[3], (h + secrets[1]) ^ (uint64_t)s.n);
}
