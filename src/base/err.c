/*
 * err: the table of statuses, the words of an error, and what happens when we are wrong.
 *
 * A message ends up in one line of the protocol and in one line of the log, whatever a client put
 * into the bytes that it quotes. So err_set is the one place that cleans it: control characters
 * become blanks, bytes that are not UTF-8 become '?', and a message that is too long ends at the
 * border of a character.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

struct status_row {
    const char *word;
    bool retryable;
};

static const struct status_row statuses[STATUS_COUNT] = {
    [OK] = {"OK", false},
    [ERR_SYNTAX] = {"ERR", false},
    [ERR_NOTFOUND] = {"NOTFOUND", false},
    [ERR_EXISTS] = {"EXISTS", false},
    [ERR_CONFLICT] = {"CONFLICT", false},
    [ERR_VALIDATION] = {"VALIDATION", false},
    [ERR_TOOLARGE] = {"TOOLARGE", false},
    [ERR_NOROUTE] = {"NOROUTE", false},
    [ERR_PRUNED] = {"PRUNED", false},
    [ERR_BACKEND] = {"BACKEND", false},
    [ERR_TRYAGAIN] = {"TRYAGAIN", true},
    [ERR_TIMEDOUT] = {"TIMEDOUT", false},
    [ERR_LOCKED] = {"LOCKED", false},
    [ERR_CORRUPT] = {"CORRUPT", false},
    [ERR_NOAUTH] = {"NOAUTH", false},
    [ERR_WRONGPASS] = {"WRONGPASS", false},
    [ERR_NOPERM] = {"NOPERM", false},
    [ERR_NOPROTO] = {"NOPROTO", false},
    [ERR_EXECABORT] = {"EXECABORT", false},
    [ERR_READONLY] = {"READONLY", false},
    [ERR_INTERNAL] = {"ERR", false},
};

static void clean_line(char *text, size_t length);

enum status err_set(struct err *err, enum status code, const char *fmt, ...) {
    ASSERT(code > OK && code < STATUS_COUNT);
    if (err == NULL) return code;
    /* Written apart first: an argument may be the very message that is replaced. */
    char text[ERR_MSG_BYTES];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    ASSERT(n >= 0);
    size_t length = (size_t)n;
    if (length >= sizeof(text)) {
        length = str_utf8_cut((struct str){text, sizeof(text) - 1});
        text[length] = '\0';
    }
    clean_line(text, length);
    err->code = code;
    memcpy(err->msg, text, length + 1);
    return code;
}

const char *status_word(enum status code) {
    ASSERT(code >= OK && code < STATUS_COUNT);
    return statuses[code].word;
}

bool status_is_retryable(enum status code) {
    ASSERT(code >= OK && code < STATUS_COUNT);
    return statuses[code].retryable;
}

void assert_failed(const char *what, const char *file, int line) {
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
    abort();
}

static void *not_null(void *p) {
    if (p == NULL) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return p;
}

void *xmalloc(size_t bytes) {
    return not_null(malloc(bytes ? bytes : 1));
}

void *xcalloc(size_t count, size_t bytes) {
    return not_null(count && bytes ? calloc(count, bytes) : calloc(1, 1));
}

void *xrealloc(void *p, size_t bytes) {
    return not_null(realloc(p, bytes ? bytes : 1));
}

/* Bytes that are no UTF-8 become question marks, control characters (C1 included) blanks. */
static void clean_line(char *text, size_t length) {
    size_t bad;
    for (size_t from = 0; !str_is_utf8((struct str){text + from, length - from}, &bad);) {
        text[from + bad] = '?';
        from += bad + 1;
    }
    for (size_t i = 0; i < length; i++) {
        uint8_t c = (uint8_t)text[i];
        uint8_t next = (uint8_t)text[i + 1];
        if (c < 0x20 || c == 0x7F) {
            text[i] = ' ';
        } else if (c == 0xC2 && next < 0xA0) {
            text[i] = text[i + 1] = ' ';
        }
    }
}
