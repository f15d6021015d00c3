/*
 * Where the suites make their folders: in TMPDIR when it is set, else in memory where there is such
 * a file system (a killed process leaves the page cache alone, so nothing is easier there), else in
 * /tmp.
 */
#ifndef CONFORMANCE_PLACE_H
#define CONFORMANCE_PLACE_H

#include <stddef.h>

void place_make(char *ret_path, size_t bytes); /* a new folder; asserts */

#endif
