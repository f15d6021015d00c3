/*
 * json: reads JSON text (RFC 8259) in place. A value is a slice of the text, exactly its bytes,
 * without blanks around it; nothing is copied or rewritten. Only json_check looks for faults: every
 * other function is for text that it accepted, and asserts nothing more. Any thread. What is
 * allocated besides the arena (for large objects) is freed before the function returns.
 *
 * The text of a key or string is its unescaped UTF-8. A lone surrogate escape, which has no UTF-8,
 * equals only itself, and becomes U+FFFD in json_text.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { JSON_DEPTH_LIMIT = 256 }; /* highest depth_max of json_check */

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/* Is text one JSON value, of valid UTF-8, without duplicate keys (compared unescaped), nested at
 * most depth_max levels (a top-level container is level 1)? ERR_VALIDATION says what is wrong and
 * at which byte offset. Linear in time; recursion-free; a large object costs memory in proportion
 * to its members while it is checked. */
MUST_CHECK enum status json_check(struct str text, int depth_max, struct err *err);

/* As json_check, and the value is an object. *ret_object is the text without blanks around it. */
MUST_CHECK enum status json_check_object(struct str text, int depth_max, struct str *ret_object,
                                         struct err *err);

enum json_type json_type(struct str value);

/* Walks the members of an object or the elements of an array, in their order. */
struct json_iter {
    const char *p, *end;
    bool object;
};
void json_iter_init(struct json_iter *it, struct str container);
/* The next one; false at the end. *ret_key is the raw key without its quotes (objects; else
 * STR_NONE). */
bool json_next(struct json_iter *it, struct str *ret_key, struct str *ret_value);

/* Does a raw key (as json_next gives it) spell this text? */
bool json_key_is(struct str raw_key, struct str text);
/* Do two raw keys spell the same text? (Also for the insides of strings.) */
bool json_keys_equal(struct str raw_a, struct str raw_b);
/* Keys that spell the same text have the same hash, which a client cannot foresee. */
uint64_t json_key_hash(struct str raw);

/* The member of an object by its (unescaped) key. */
bool json_get(struct str object, struct str key, struct str *ret_value);

/* The text of a JSON string (with quotes) or of a raw key (without): unescaped, in the arena or in
 * place when nothing is escaped. A lone surrogate becomes U+FFFD. */
struct str json_text(struct str string, struct arena *arena);

/* Appends text as a JSON string with its quotes. */
struct buf;
void json_quote(struct buf *out, struct str text);

/* Equal in meaning: numbers by value (1, 1.0, 1e0; exact, of any length), strings unescaped,
 * objects without order, arrays in order. */
bool json_equal(struct str a, struct str b);
/* Equal values have equal hashes, which a client cannot foresee. */
uint64_t json_hash(struct str value);
uint64_t json_number_hash(struct str number);
/* Order of two numbers by value, exact: -1, 0, 1. */
int json_number_cmp(struct str a, struct str b);
/* A number whose value is an integer of 64 bits (5, 5.0 and 50e-1 are). False for other values. */
bool json_int(struct str value, int64_t *ret);

/*
 * A path: dotted as in MongoDB (a.b, l.0, l[].x read as l.x) or, when it begins with '/', a JSON
 * Pointer (RFC 6901), whose segments may be empty. json_path_parse: ERR_SYNTAX for an empty path,
 * an empty dotted segment, a bad ~ escape, more than JSON_PATH_MAX segments.
 */
enum { JSON_PATH_MAX = 128 };
struct json_path {
    struct str *segments;
    int count;
    bool pointer;
};
MUST_CHECK enum status json_path_parse(struct str text, struct arena *arena, struct json_path *ret,
                                       struct err *err);
/* The one value at the path; a dotted segment that is a number indexes an array; does not fan out.
 */
bool json_find(struct str root, const struct json_path *path, struct str *ret_value);
/* The element that a segment names by its index (0, 1, ... without leading zeros). */
bool json_element(struct str array, struct str segment, struct str *ret_value);

#endif
