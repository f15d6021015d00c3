/*
 * resp: the parser. The array form is a small state machine whose state is three numbers:
 *
 *     left == 0                 between requests; the next byte chooses the form
 *     left > 0, bulk == -1      the line `$<length>` comes next, at `at`
 *     left > 0, bulk >= 0       that many bytes and two more come next, at `at`
 *
 * Lines end with CR and one byte more, which is not looked at; nor are the two bytes after an
 * argument: clients have come to rely on neither being checked. The usual case, a short number in
 * a line that is here already, is read digit by digit; everything else goes through line_slow.
 */
#include "net/resp.h"

#include <stdio.h>

enum {
    FIRST_ROOM = 8,
    KEPT_ROOM = 256,        /* room for arguments that outlives a request */
    KEPT_WORD_BYTES = 4096, /* the same for words of inline commands */
    FAST_DIGITS = 18,       /* cannot overflow 64 bits */
    UNAUTHENTICATED_ARGS = 10,
    UNAUTHENTICATED_BULK_BYTES = 16384,
};

void resp_init(struct resp *r) {
    *r = (struct resp){.bulk = -1};
    buf_init(&r->words, SIZE_MAX / 2); /* never more than the line, which has a limit */
}

void resp_release(struct resp *r) {
    if (r == NULL) return;
    free(r->args);
    free(r->argv);
    buf_release(&r->words);
    resp_init(r);
}

void resp_reset(struct resp *r) {
    r->argc = 0;
    r->left = 0;
    r->bulk = -1;
    r->at = 0;
    if (r->room <= KEPT_ROOM && r->words.cap <= KEPT_WORD_BYTES) return;
    resp_release(r);
}

size_t resp_missing(const struct resp *r, size_t bytes) {
    if (r->left == 0 || r->bulk < 0) return 0;
    size_t end = r->at + (size_t)r->bulk + 2;
    return end > bytes ? end - bytes : 0;
}

static enum resp_result fail(struct resp *r, const char *what) {
    (void)snprintf(r->error, sizeof(r->error), "Protocol error: %s", what);
    return RESP_ERROR;
}

/* One byte of input that a reply may carry: no control character gets into a line. */
static enum resp_result fail_expected(struct resp *r, char got) {
    char c = (unsigned char)got < 0x20 || got == 0x7f ? ' ' : got;
    (void)snprintf(r->error, sizeof(r->error), "Protocol error: expected '$', got '%c'", c);
    return RESP_ERROR;
}

static void add_arg(struct resp *r, size_t at, size_t n) {
    if (r->argc == r->room) {
        r->room = r->room == 0 ? FIRST_ROOM : r->room * 2;
        r->args = xrealloc(r->args, (size_t)r->room * sizeof(r->args[0]));
        r->argv = xrealloc(r->argv, (size_t)r->room * sizeof(r->argv[0]));
    }
    r->args[r->argc++] = (struct resp_arg){at, n};
}

/* The request is whole: offsets become pointers, and the next call begins a new one. */
static enum resp_result finish(struct resp *r, const char *base) {
    for (int i = 0; i < r->argc; i++) {
        r->argv[i] = (struct str){base + r->args[i].at, r->args[i].n};
    }
    r->left = 0;
    r->bulk = -1;
    r->at = 0;
    return RESP_REQUEST;
}

/* --- the array form ----------------------------------------------------------------------------*/

enum line { LINE_NUMBER, LINE_BAD, LINE_MORE, LINE_TOO_LONG };

static enum line line_slow(struct resp *r, struct str rest, int64_t inline_bytes, int64_t *ret) {
    size_t most = (size_t)inline_bytes + 1;
    const char *cr = memchr(rest.p, '\r', rest.n < most ? rest.n : most);
    if (cr == NULL) return rest.n < most ? LINE_MORE : LINE_TOO_LONG;
    size_t length = (size_t)(cr - rest.p);
    if (rest.n < length + 2) return LINE_MORE;
    if (!str_to_int((struct str){rest.p + 1, length - 1}, ret)) return LINE_BAD;
    r->at += length + 2;
    return LINE_NUMBER;
}

/* The number in the line at `at`, behind its first character; `at` moves behind the line. */
static inline enum line line_number(struct resp *r, const char *data, size_t bytes,
                                    int64_t inline_bytes, int64_t *ret) {
    const char *first = data + r->at + 1;
    const char *end = data + bytes;
    const char *p = first;
    int64_t value = 0;
    while (p < end && (unsigned char)(*p - '0') < 10 && p - first < FAST_DIGITS) {
        value = value * 10 + (*p++ - '0');
    }
    bool plain = p > first && (first[0] != '0' || p == first + 1);
    if (plain && end - p >= 2 && *p == '\r') {
        r->at = (size_t)(p + 2 - data);
        *ret = value;
        return LINE_NUMBER;
    }
    return line_slow(r, (struct str){data + r->at, bytes - r->at}, inline_bytes, ret);
}

/* `*<count>`: RESP_REQUEST stands for "go on with the arguments". */
static enum resp_result read_count(struct resp *r, const char *data, size_t bytes,
                                   const struct resp_limits *limits) {
    int64_t count;
    switch (line_number(r, data, bytes, limits->inline_bytes, &count)) {
    case LINE_MORE:
        return RESP_MORE;
    case LINE_TOO_LONG:
        return fail(r, "too big mbulk count string");
    case LINE_BAD:
        return fail(r, "invalid multibulk length");
    case LINE_NUMBER:
        break;
    }
    if (count > limits->args) return fail(r, "invalid multibulk length");
    if (limits->unauthenticated && count > UNAUTHENTICATED_ARGS) {
        return fail(r, "unauthenticated multibulk length");
    }
    if (count <= 0) return RESP_EMPTY;
    r->left = count;
    r->bulk = -1;
    return RESP_REQUEST;
}

/* `$<length>`: RESP_REQUEST stands for "go on with the bytes". */
static inline enum resp_result read_length(struct resp *r, const char *data, size_t bytes,
                                           const struct resp_limits *limits) {
    if (r->at == bytes) return RESP_MORE;
    char first = data[r->at];
    int64_t length = 0;
    enum line line = line_number(r, data, bytes, limits->inline_bytes, &length);
    if (line == LINE_MORE) return RESP_MORE;
    if (line == LINE_TOO_LONG) return fail(r, "too big bulk count string");
    if (first != '$') return fail_expected(r, first);
    if (line == LINE_BAD || length < 0 || length > limits->bulk_bytes) {
        return fail(r, "invalid bulk length");
    }
    if (limits->unauthenticated && length > UNAUTHENTICATED_BULK_BYTES) {
        return fail(r, "unauthenticated bulk length");
    }
    r->bulk = length;
    return RESP_REQUEST;
}

static enum resp_result read_array(struct resp *r, const char *data, size_t bytes,
                                   const struct resp_limits *limits) {
    if (r->left == 0) {
        enum resp_result result = read_count(r, data, bytes, limits);
        if (result != RESP_REQUEST) return result;
    }
    while (r->left > 0) {
        if (r->bulk < 0) {
            enum resp_result result = read_length(r, data, bytes, limits);
            if (result != RESP_REQUEST) return result;
        }
        size_t length = (size_t)r->bulk;
        if (bytes - r->at < length + 2) return RESP_MORE;
        add_arg(r, r->at, length);
        r->at += length + 2;
        r->bulk = -1;
        r->left--;
    }
    return RESP_REQUEST;
}

/* --- the inline form ---------------------------------------------------------------------------*/

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

/* A backslash between double quotes: the character it stands for. *p is behind the backslash. */
static char unescape(const char **p, const char *end) {
    char c = *(*p)++;
    uint8_t byte;
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    case 'x':
        if (end - *p < 2 || !hex_decode((struct str){*p, 2}, &byte, 1)) return c;
        *p += 2;
        return (char)byte;
    default:
        return c;
    }
}

/* What stands between quotes; *p is behind the opening one, and behind the closing one afterwards.
 * False: it is never closed, or something sticks to the closing quote. */
static bool read_quoted(struct resp *r, const char **p, const char *end, char quote) {
    while (*p < end) {
        char c = *(*p)++;
        if (c == quote) return *p == end || is_blank(**p);
        if (c == '\\' && *p < end) {
            if (quote == '"') {
                c = unescape(p, end);
            } else if (**p == '\'') {
                c = *(*p)++;
            }
        }
        buf_append_char(&r->words, c);
    }
    return false;
}

/* One word, quotes and all; false as read_quoted. A quote may open in the middle of a word. */
static bool read_word(struct resp *r, const char **p, const char *end) {
    while (*p < end && !is_blank(**p)) {
        char c = *(*p)++;
        if (c == '"' || c == '\'') {
            if (!read_quoted(r, p, end, c)) return false;
        } else {
            buf_append_char(&r->words, c);
        }
    }
    return true;
}

static enum resp_result read_inline(struct resp *r, const char *data, size_t bytes,
                                    const struct resp_limits *limits) {
    const char *lf = memchr(data + r->at, '\n', bytes - r->at);
    size_t length = lf != NULL ? (size_t)(lf - data) : bytes;
    if (length > (size_t)limits->inline_bytes) return fail(r, "too big inline request");
    r->at = length;
    if (lf == NULL) return RESP_MORE;
    r->at++;
    buf_reset(&r->words);
    (void)buf_reserve(&r->words, length + 1); /* an empty word needs a place, too */
    for (const char *p = data; p < lf;) {
        if (is_blank(*p)) {
            p++;
            continue;
        }
        size_t from = r->words.len;
        if (!read_word(r, &p, lf)) return fail(r, "unbalanced quotes in request");
        add_arg(r, from, r->words.len - from);
    }
    return r->argc == 0 ? RESP_EMPTY : RESP_REQUEST;
}

enum resp_result resp_next(struct resp *r, const char *data, size_t bytes,
                           const struct resp_limits *limits, size_t *ret_used) {
    if (bytes == 0) return RESP_MORE;
    bool array = data[0] == '*';
    if (r->at == 0) {
        if (r->room > KEPT_ROOM) resp_reset(r);
        r->argc = 0;
    }
    enum resp_result result =
        array ? read_array(r, data, bytes, limits) : read_inline(r, data, bytes, limits);
    if (result == RESP_MORE || result == RESP_ERROR) return result;
    *ret_used = r->at;
    if (result == RESP_EMPTY) {
        resp_reset(r);
        return RESP_EMPTY;
    }
    return finish(r, array ? data : r->words.data);
}
