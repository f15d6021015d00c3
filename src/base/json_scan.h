/*
 * json_scan: the inner loops shared by the json_*.c files, and by nobody else. Text is looked at
 * eight bytes at a time as one little-endian word; the byte order is put right by le64toh, so
 * nothing here depends on the machine.
 *
 * In a word, `scan_zero_bytes` and its like set bit 7 of bytes that match. Bytes above the first
 * match may be flagged wrongly (a borrow), so only the first flag is ever used.
 */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <endian.h>

#include "base/str.h"

enum { WORD = 8, HALF = 4 };

static inline uint64_t scan_load(const char *p) {
    uint64_t w;
    memcpy(&w, p, sizeof(w));
    return le64toh(w);
}

static inline uint64_t scan_load_half(const char *p) {
    uint32_t w;
    memcpy(&w, p, sizeof(w));
    return le32toh(w);
}

static inline uint64_t scan_repeat(char c) {
    return 0x0101010101010101u * (unsigned char)c;
}

/* Where the first flagged byte of a word stands. */
static inline int scan_first(uint64_t flags) {
    return __builtin_ctzll(flags) / WORD;
}

static inline bool scan_is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The first byte that is no blank, or end. Compact text takes the first return. */
static inline const char *scan_blanks(const char *p, const char *end) {
    if (p < end && (unsigned char)*p > ' ') return p;
    while (p < end && scan_is_blank(*p)) {
        p++;
        while (end - p >= WORD && scan_load(p) == scan_repeat(' ')) p += WORD;
    }
    return p;
}

/* Inside a string: the first byte that needs a look (quote, backslash, control character, not
 * ASCII), or end. */
static inline const char *scan_plain(const char *p, const char *end) {
    while (end - p >= WORD) {
        uint64_t w = scan_load(p);
        uint64_t quote = (w ^ scan_repeat('"')) - scan_repeat(1);
        uint64_t escape = (w ^ scan_repeat('\\')) - scan_repeat(1);
        uint64_t control = w - scan_repeat(' ');
        uint64_t flags = (quote | escape | control | w) & scan_repeat('\x80');
        if (flags != 0) return p + scan_first(flags);
        p += WORD;
    }
    while (p < end && (unsigned char)*p >= ' ' && (unsigned char)*p < 0x80 && *p != '"' &&
           *p != '\\')
        p++;
    return p;
}

/* From inside a string of checked text to its closing quote. */
static inline const char *scan_string_end(const char *p, const char *end) {
    while (p < end) {
        while (end - p >= WORD) {
            uint64_t w = scan_load(p);
            uint64_t quote = (w ^ scan_repeat('"')) - scan_repeat(1);
            uint64_t escape = (w ^ scan_repeat('\\')) - scan_repeat(1);
            uint64_t flags = (quote | escape) & ~w & scan_repeat('\x80');
            if (flags != 0) {
                p += scan_first(flags);
                break;
            }
            p += WORD;
        }
        while (p < end && *p != '"' && *p != '\\') p++;
        if (p >= end || *p == '"') return p;
        p += 2;
    }
    return end;
}

/* From any place of checked text outside a string: the next quote or bracket, or end. */
static inline const char *scan_structure(const char *p, const char *end) {
    while (end - p >= WORD) {
        uint64_t w = scan_load(p);
        /* Bit 5 tells [ from { and ] from }. */
        uint64_t lower = w | scan_repeat(' ');
        uint64_t quote = (w ^ scan_repeat('"')) - scan_repeat(1);
        uint64_t open = (lower ^ scan_repeat('{')) - scan_repeat(1);
        uint64_t close = (lower ^ scan_repeat('}')) - scan_repeat(1);
        uint64_t flags = (quote | open | close) & scan_repeat('\x80');
        if (flags != 0) return p + scan_first(flags);
        p += WORD;
    }
    while (p < end && *p != '"' && (*p | 0x20) != '{' && (*p | 0x20) != '}') p++;
    return p;
}

/* Bytes of the UTF-8 character at p, which is not ASCII; 0: it is none (RFC 3629: no surrogates, no
 * overlong forms). */
static inline int scan_utf8_length(const char *p, const char *end) {
    const unsigned char *u = (const unsigned char *)p;
    ptrdiff_t left = end - p;
    if (u[0] < 0xC2) return 0;
    if (u[0] < 0xE0) return left >= 2 && (u[1] & 0xC0) == 0x80 ? 2 : 0;
    if (u[0] < 0xF0) {
        if (left < 3 || (u[1] & 0xC0) != 0x80 || (u[2] & 0xC0) != 0x80) return 0;
        if ((u[0] == 0xE0 && u[1] < 0xA0) || (u[0] == 0xED && u[1] > 0x9F)) return 0;
        return 3;
    }
    if (u[0] > 0xF4 || left < 4) return 0;
    if ((u[1] & 0xC0) != 0x80 || (u[2] & 0xC0) != 0x80 || (u[3] & 0xC0) != 0x80) return 0;
    if ((u[0] == 0xF0 && u[1] < 0x90) || (u[0] == 0xF4 && u[1] > 0x8F)) return 0;
    return 4;
}

/* Is it the form that scan_text_next gives a lone surrogate? */
static inline bool scan_is_surrogate(const char *p, const char *end) {
    return end - p >= 3 && (unsigned char)p[0] == 0xED && (unsigned char)p[1] >= 0xA0 &&
           (unsigned char)p[1] <= 0xBF && ((unsigned char)p[2] & 0xC0) == 0x80;
}

/* From the first byte of a value of checked text to the byte behind it. */
const char *scan_value_end(const char *p, const char *end);

/*
 * The characters of a raw key or of the inside of a string, unescaped, one byte of UTF-8 at a
 * time. A lone surrogate escape gives the three bytes that UTF-8 would have for it, so that
 * different texts stay different.
 */
struct scan_text {
    const char *p, *end;
    char pending[4]; /* bytes of an escape that are still to come */
    int pending_at, pending_count;
};
/* The next byte, or -1 at the end. */
int scan_text_next(struct scan_text *t);

/* Decodes into `ret`, which has room for raw.n bytes; how many were written. */
size_t scan_unescape(struct str raw, char *ret);

static inline bool scan_has_escape(struct str raw) {
    return raw.n > 0 && memchr(raw.p, '\\', raw.n) != NULL;
}

#endif
