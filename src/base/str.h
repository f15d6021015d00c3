/*
 * str: a borrowed slice of bytes. Never owns, never NUL-terminated by promise.
 * Any thread; nothing allocates.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p; /* NULL: absent, which is not the same as empty */
    size_t n;      /* bytes */
};

#define STR(literal) ((struct str){"" literal "", sizeof(literal) - 1})
#define STR_NONE     ((struct str){NULL, 0})
/* For printf: printf("%.*s", STR_FMT(s)) */
#define STR_FMT(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct str str_of(const char *z) {
    return (struct str){z, z ? strlen(z) : 0};
}

static inline bool str_eq(struct str a, struct str b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Order of bytes, shorter first when one is the other's beginning. */
int str_cmp(struct str a, struct str b);

/* ASCII letters without case. */
bool str_eq_nocase(struct str a, struct str b);

bool str_starts_with(struct str s, struct str prefix);

/* First place of c in s, or -1. */
ptrdiff_t str_find_char(struct str s, char c);

/* A strict decimal of 64 bits: no '+', no blanks, no leading zeros, the whole slice. False
 * otherwise. */
bool str_to_int(struct str s, int64_t *ret);

/* Valid UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF)?
 * *ret_bad, if not NULL, is the offset of the first byte that is not. */
bool str_is_utf8(struct str s, size_t *ret_bad);

/* The length of s without a character that is cut off at its end (0 to 3 bytes less). */
size_t str_utf8_cut(struct str s);

/* Exactly 24 hexadecimal digits: a BSON ObjectId. */
bool str_is_objectid(struct str s);

/* Redis's glob: * ? [abc] [^a-z] \x. Bounded: worst case O(pattern * text). */
bool str_glob(struct str pattern, struct str text, bool nocase);

/* Lower-case hexadecimal. `ret` takes 2 * bytes characters, without NUL. */
void hex_encode(const uint8_t *data, size_t bytes, char *ret);
bool hex_decode(struct str hex, uint8_t *ret, size_t bytes);

/* A 64-bit hash seeded once per process at random, so that a client cannot choose collisions. */
uint64_t str_hash(struct str s);

#endif
