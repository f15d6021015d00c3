/*
 * json_random: random documents for property tests, from a seed that is printed. Few keys and
 * values, so that documents share many; the same value in different spelling (escapes, 1 and 1.0),
 * blanks in odd places. What it writes is accepted by json_check.
 */
#ifndef TESTS_LIB_JSON_RANDOM_H
#define TESTS_LIB_JSON_RANDOM_H

#include "base/buf.h"

struct json_random {
    uint64_t state;
    bool plain; /* no blanks, no odd keys */
};

/* Seeds from the variable SEED of the environment, else from the clock, and prints the seed. */
void json_random_init(struct json_random *r, const char *test);
uint32_t json_random_below(struct json_random *r, uint32_t n); /* 0 to n - 1 */

void json_random_object(struct json_random *r, struct buf *out, int depth);
void json_random_value(struct json_random *r, struct buf *out, int depth);
/* A path of such documents, dotted or a JSON Pointer. */
void json_random_path(struct json_random *r, struct buf *out);

#endif
