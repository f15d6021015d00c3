/*
 * json_number: numbers by value, exact, on their decimal text. Nothing is converted to binary, so
 * there is no rounding and no limit to digits or exponent, and nothing is allocated.
 *
 * A number that is not 0 is read as 0.d1d2d3... * 10^(point + exponent): d1 is its first digit that
 * is not 0, the last digit is not 0 either. `point` is a length of text; the exponent stays text,
 * since it may have any number of digits.
 */
#include "base/json.h"
#include "base/json_scan.h"

struct number {
    bool negative;
    const char *first, *last; /* the digits from first to before last, perhaps with a point between;
                                 first == last: the number is 0 */
    int64_t point;
    bool exponent_negative;
    struct str exponent; /* digits without leading zeros */
};

static const char *skip_to(const char *p, const char *end, char a, char b) {
    while (p < end && *p != a && *p != b) p++;
    return p;
}

static void read_exponent(struct number *n, const char *p, const char *end) {
    n->exponent_negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    while (p < end && *p == '0') p++;
    n->exponent = (struct str){p, (size_t)(end - p)};
}

static struct number read_number(struct str s) {
    const char *p = s.p, *end = s.p + s.n;
    struct number n = {.negative = *p == '-'};
    if (n.negative) p++;
    const char *mark = skip_to(p, end, 'e', 'E'); /* end of the mantissa */
    const char *dot = skip_to(p, mark, '.', '.');
    while (p < mark && (*p == '0' || *p == '.')) p++;
    n.first = n.last = p;
    n.exponent = STR("");
    if (p == mark) return n;
    n.last = mark;
    while (n.last[-1] == '0' || n.last[-1] == '.') n.last--;
    n.point = p < dot ? dot - p : -(p - dot - 1);
    if (mark < end) read_exponent(&n, mark + 1, end);
    return n;
}

/* Order of the powers of ten: sign of (a.point + a.exponent) - (b.point + b.exponent). The
 * difference of the exponents is built digit by digit. Once it is beyond any length of text, lower
 * digits and points cannot bring it back. */
static int compare_scale(const struct number *a, const struct number *b) {
    const int64_t far = 100000000000000000;
    size_t n = a->exponent.n > b->exponent.n ? a->exponent.n : b->exponent.n;
    int64_t diff = 0;
    for (size_t i = n; i-- > 0;) {
        int da = i < a->exponent.n ? a->exponent.p[a->exponent.n - 1 - i] - '0' : 0;
        int db = i < b->exponent.n ? b->exponent.p[b->exponent.n - 1 - i] - '0' : 0;
        diff = diff * 10 + (a->exponent_negative ? -da : da) - (b->exponent_negative ? -db : db);
        if (diff > far) return 1;
        if (diff < -far) return -1;
    }
    diff += a->point - b->point;
    return (diff > 0) - (diff < 0);
}

static int compare_digits(const struct number *a, const struct number *b) {
    const char *p = a->first, *q = b->first;
    for (;;) {
        if (p < a->last && *p == '.') p++;
        if (q < b->last && *q == '.') q++;
        if (p >= a->last || q >= b->last) return (p < a->last) - (q < b->last);
        if (*p != *q) return *p < *q ? -1 : 1;
        p++;
        q++;
    }
}

int json_number_cmp(struct str a, struct str b) {
    struct number x = read_number(a), y = read_number(b);
    int sign_x = x.first == x.last ? 0 : x.negative ? -1 : 1;
    int sign_y = y.first == y.last ? 0 : y.negative ? -1 : 1;
    if (sign_x != sign_y) return sign_x < sign_y ? -1 : 1;
    if (sign_x == 0) return 0;
    int order = compare_scale(&x, &y);
    if (order == 0) order = compare_digits(&x, &y);
    return sign_x * order;
}

bool json_int(struct str value, int64_t *ret) {
    if (json_type(value) != JSON_NUMBER) return false;
    if (str_to_int(value, ret)) return true;
    enum {
        DIGITS_MAX = 19
    }; /* of a 64-bit integer; more do not fit, and so many cannot overflow */
    struct number n = read_number(value);
    int64_t exponent = 0, length = 0;
    uint64_t v = 0;
    if (n.exponent.n > 18) return false;
    for (size_t i = 0; i < n.exponent.n; i++) exponent = exponent * 10 + (n.exponent.p[i] - '0');
    int64_t digits = n.point + (n.exponent_negative ? -exponent : exponent);
    if (n.first != n.last && (digits < 1 || digits > DIGITS_MAX)) return false;
    for (const char *p = n.first; p < n.last; p++) {
        if (*p == '.') continue;
        if (++length > digits) return false;
        v = v * 10 + (uint64_t)(*p - '0');
    }
    for (; length > 0 && length < digits; length++) v *= 10;
    if (v > (uint64_t)INT64_MAX + (n.negative ? 1 : 0)) return false;
    *ret = (int64_t)(n.negative ? 0 - v : v);
    return true;
}

/* The digits as one number modulo m, which is below 2^60. */
static uint64_t digits_modulo(const char *p, const char *last, uint64_t m) {
    uint64_t r = 0;
    for (; p < last; p++) {
        if (*p == '.') continue;
        r = r * 10 + (uint64_t)(*p - '0');
        if (r >= (uint64_t)1 << 60) r %= m;
    }
    return r % m;
}

/* Equal numbers agree in sign, digits and scale, so these are hashed, the latter two modulo a
 * number that is secret: nobody can write many numbers that collide, whatever their exponents. */
uint64_t json_number_hash(struct str value) {
    struct number n = read_number(value);
    if (n.first == n.last) return str_hash(STR("0"));
    uint64_t m = str_hash(STR("modulus")) >> 4 | (uint64_t)1 << 59 | 1;
    uint64_t scale = digits_modulo(n.exponent.p, n.exponent.p + n.exponent.n, m);
    if (n.exponent_negative) scale = (m - scale) % m;
    uint64_t point = (uint64_t)(n.point < 0 ? -n.point : n.point) % m;
    scale = (scale + (n.point < 0 ? m - point : point)) % m;
    uint64_t parts[3] = {digits_modulo(n.first, n.last, m), scale, n.negative};
    return str_hash((struct str){(const char *)parts, sizeof(parts)});
}
