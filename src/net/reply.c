/*
 * reply: the writer. What is written most, short headers and short bulk strings, is put together
 * in place after one look at the room there is.
 */
#include "net/reply.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

enum {
    HEAD_BYTES = 24,        /* a type byte, a number of 64 bits, CR LF */
    ERROR_LINE_BYTES = 512, /* longest error, without '-' and CR LF */
    DOUBLE_BYTES = 32,
};

static const int64_t TIME_ABSENT = INT64_MIN; /* TIME_NONE of store/version.h, out of sight here */

/* Writes the decimal digits of v; returns the place behind them. */
static char *put_int(char *p, int64_t v) {
    if (v >= 0 && v < 10) {
        *p++ = (char)('0' + v);
        return p;
    }
    char digits[20];
    int n = 0;
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    for (; left != 0; left /= 10) digits[n++] = (char)('0' + left % 10);
    if (v < 0) *p++ = '-';
    while (n > 0) *p++ = digits[--n];
    return p;
}

/* Room for more bytes at the buffer's end, or NULL past its ceiling. */
static inline char *room(struct reply *r, size_t bytes) {
    struct buf *out = r->out;
    if (out->cap - out->len < bytes && !buf_reserve(out, bytes)) return NULL;
    return out->data + out->len;
}

/* `<type><number>\r\n`. A reserve of the most it may take would set `overflow` too early. */
static void put_head(struct reply *r, char type, int64_t number) {
    char head[HEAD_BYTES];
    char *p = head;
    *p++ = type;
    p = put_int(p, number);
    *p++ = '\r';
    *p++ = '\n';
    buf_append(r->out, head, (size_t)(p - head));
}

static void put_text(struct reply *r, struct str text) {
    buf_append_str(r->out, text);
}

void reply_ok(struct reply *r) {
    put_text(r, STR("+OK\r\n"));
}

void reply_simple(struct reply *r, const char *text) {
    size_t n = strlen(text);
    char *p = room(r, n + 3);
    if (p == NULL) return;
    *p = '+';
    memcpy(p + 1, text, n);
    memcpy(p + 1 + n, "\r\n", 2);
    r->out->len += n + 3;
}

void reply_int(struct reply *r, int64_t v) {
    put_head(r, ':', v);
}

void reply_bulk(struct reply *r, struct str s) {
    if (s.p == NULL) {
        reply_null(r);
        return;
    }
    char head[HEAD_BYTES];
    head[0] = '$';
    char *end = put_int(head + 1, (int64_t)s.n);
    size_t head_bytes = (size_t)(end - head);
    char *p = room(r, head_bytes + s.n + 4);
    if (p == NULL) return;
    memcpy(p, head, head_bytes);
    p += head_bytes;
    *p++ = '\r';
    *p++ = '\n';
    if (s.n != 0) memcpy(p, s.p, s.n);
    memcpy(p + s.n, "\r\n", 2);
    r->out->len += head_bytes + s.n + 4;
}

void reply_null(struct reply *r) {
    put_text(r, r->protocol >= 3 ? STR("_\r\n") : STR("$-1\r\n"));
}

void reply_null_array(struct reply *r) {
    put_text(r, r->protocol >= 3 ? STR("_\r\n") : STR("*-1\r\n"));
}

void reply_bool(struct reply *r, bool v) {
    if (r->protocol >= 3) {
        put_text(r, v ? STR("#t\r\n") : STR("#f\r\n"));
    } else {
        put_text(r, v ? STR(":1\r\n") : STR(":0\r\n"));
    }
}

/* The shortest decimal that reads back as the same number. */
static size_t format_double(double v, char ret[DOUBLE_BYTES]) {
    if (isnan(v)) return (size_t)snprintf(ret, DOUBLE_BYTES, "nan");
    if (isinf(v)) return (size_t)snprintf(ret, DOUBLE_BYTES, "%s", v > 0 ? "inf" : "-inf");
    int n = 0;
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(ret, DOUBLE_BYTES, "%.*g", digits, v);
        if (strtod(ret, NULL) == v) break;
    }
    return (size_t)n;
}

void reply_double(struct reply *r, double v) {
    char text[DOUBLE_BYTES];
    struct str s = {text, format_double(v, text)};
    if (r->protocol < 3) {
        reply_bulk(r, s);
        return;
    }
    char line[DOUBLE_BYTES + 3];
    int n = snprintf(line, sizeof(line), ",%.*s\r\n", STR_FMT(s));
    buf_append(r->out, line, (size_t)n);
}

void reply_verbatim(struct reply *r, struct str text) {
    if (r->protocol < 3) {
        reply_bulk(r, text);
        return;
    }
    put_head(r, '=', (int64_t)text.n + 4);
    put_text(r, STR("txt:"));
    put_text(r, text);
    put_text(r, STR("\r\n"));
}

void reply_array(struct reply *r, int64_t count) {
    put_head(r, '*', count);
}

void reply_set(struct reply *r, int64_t count) {
    put_head(r, r->protocol >= 3 ? '~' : '*', count);
}

void reply_map(struct reply *r, int64_t pairs) {
    if (r->protocol >= 3) {
        put_head(r, '%', pairs);
    } else {
        put_head(r, '*', pairs * 2);
    }
}

void reply_push(struct reply *r, int64_t count) {
    put_head(r, r->protocol >= 3 ? '>' : '*', count);
}

void reply_instant(struct reply *r, int64_t at_ms) {
    if (at_ms == TIME_ABSENT) {
        reply_null(r);
        return;
    }
    char text[ISO_BYTES];
    clock_format(at_ms, text);
    reply_bulk(r, (struct str){text, sizeof(text)});
}

/* Writes '-', the text on one line, CR LF. A cut never falls into a character. */
static void put_error(struct reply *r, const char *text, size_t n) {
    char line[ERROR_LINE_BYTES + 3];
    if (n > ERROR_LINE_BYTES) {
        n = ERROR_LINE_BYTES;
        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
    }
    line[0] = '-';
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        line[i + 1] = c < 0x20 || c == 0x7f ? ' ' : text[i];
    }
    memcpy(line + 1 + n, "\r\n", 2);
    buf_append(r->out, line, n + 3);
}

void reply_error(struct reply *r, const struct err *err) {
    char text[ERR_MSG_BYTES + 32];
    const char *word = status_word(err->code);
    int n = snprintf(text, sizeof(text), "%s %s", word, err->msg);
    ASSERT(n > 0 && (size_t)n < sizeof(text));
    put_error(r, text, (size_t)n);
}

void reply_error_text(struct reply *r, const char *fmt, ...) {
    char text[ERROR_LINE_BYTES + 8]; /* what is longer is cut anyway */
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    ASSERT(n >= 0);
    put_error(r, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

void reply_pair_str(struct reply *r, const char *key, struct str value) {
    reply_bulk(r, str_of(key));
    reply_bulk(r, value);
}

void reply_pair_int(struct reply *r, const char *key, int64_t value) {
    reply_bulk(r, str_of(key));
    reply_int(r, value);
}

void reply_pair_bool(struct reply *r, const char *key, bool value) {
    reply_bulk(r, str_of(key));
    reply_bool(r, value);
}

void reply_pair_instant(struct reply *r, const char *key, int64_t at_ms) {
    reply_bulk(r, str_of(key));
    reply_instant(r, at_ms);
}
