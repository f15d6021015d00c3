/*
 * load_reply: the end of a RESP2 reply, found without copying. Aggregates are counted, not
 * descended into: an array of n adds n to the values that are still due.
 */
#include <string.h>

#include "base/str.h"
#include "bench/load.h"

static enum reply_state scan_value(const char *p, size_t n, size_t *at, int64_t *due,
                                   bool *ret_error);

enum reply_state reply_scan(const char *p, size_t n, size_t *ret_len, bool *ret_error) {
    size_t at = 0;
    bool error = false;
    for (int64_t due = 1; due > 0;) {
        enum reply_state state = scan_value(p, n, &at, &due, &error);
        if (state != REPLY_WHOLE) return state;
    }
    *ret_len = at;
    *ret_error = error;
    return REPLY_WHOLE;
}

/* One value from *at on: moves *at behind it and says in *due how many are left. */
static enum reply_state scan_value(const char *p, size_t n, size_t *at, int64_t *due,
                                   bool *ret_error) {
    const char *line = p + *at, *cr = n > *at ? memchr(line, '\r', n - *at) : NULL;
    if (!cr || cr + 1 == p + n) return n - *at > 65536 ? REPLY_MALFORMED : REPLY_PARTIAL;
    if (cr == line || cr[1] != '\n') return REPLY_MALFORMED;
    size_t next = (size_t)(cr + 2 - p);
    int64_t number = 0;
    bool numbered = *line == '$' || *line == '*' || *line == ':';
    if (numbered && !str_to_int((struct str){line + 1, (size_t)(cr - line - 1)}, &number))
        return REPLY_MALFORMED;
    --*due;
    switch (*line) {
    case '-':
        *ret_error = true;
        break;
    case '+':
    case ':':
        break;
    case '$':
        if (number < -1 || number > REPLY_BYTES_MAX) return REPLY_MALFORMED;
        if (number >= 0) {
            next += (size_t)number + 2;
            if (next > n) return REPLY_PARTIAL;
            if (p[next - 2] != '\r' || p[next - 1] != '\n') return REPLY_MALFORMED;
        }
        break;
    case '*':
        if (number < -1 || number > REPLY_BYTES_MAX) return REPLY_MALFORMED;
        if (number > 0) *due += number;
        break;
    default:
        return REPLY_MALFORMED;
    }
    *at = next;
    return REPLY_WHOLE;
}
