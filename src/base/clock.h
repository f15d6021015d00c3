/*
 * clock: instants are milliseconds since 1970-01-01T00:00:00Z (int64_t, `_ms`); durations for
 * measuring are microseconds of the monotonic clock (`_us`). Any thread.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/err.h"
#include "base/str.h"

enum { ISO_BYTES = 24 }; /* YYYY-MM-DDTHH:MM:SS.mmmZ */

int64_t clock_now_ms(void); /* never goes back while the process lives */
int64_t clock_now_us(void); /* wall, microseconds */
int64_t clock_mono_us(void);

/* Writes exactly ISO_BYTES characters, without NUL. Years 0000 to 9999. */
void clock_format(int64_t at_ms, char ret[ISO_BYTES]);

/* ISO 8601 with a zone (Z, +hh:mm, +hhmm), fraction of any length cut to ms, or Unix milliseconds
 * as a decimal integer. ERR_SYNTAX with the fault and an example otherwise (no zone, 30 February,
 * ...). */
MUST_CHECK enum status clock_parse(struct str s, int64_t *ret_ms, struct err *err);

#endif
