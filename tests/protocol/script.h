/*
 * script: what is said to the server and what it must answer, as text.
 *
 * A line is words in blanks; '...' holds a word together, _ is an empty word. %now and %mark are
 * instants in Unix milliseconds: now, and when the line `mark` was run (no other instant is like
 * it). %ahead lies in the future.
 *
 * A reply is shown so: +simple -ERROR :7 #t nil 'bulk' [array] {map} <set> and ~'verbatim'. In
 * RESP2 maps and sets are arrays, booleans integers, verbatim strings bulks; the script writes what
 * RESP3 answers. * stands for anything.
 */
#ifndef TESTS_PROTOCOL_SCRIPT_H
#define TESTS_PROTOCOL_SCRIPT_H

#include "protocol/peer.h"

struct step {
    const char *say, *want; /* say NULL: the end */
};

struct script {
    struct peer *peer;
    int protocol;
    int64_t mark_ms;
};

/* Runs the steps; the first one that is answered otherwise fails the test. */
void script_run(struct script *s, const struct step *steps);

/* Sends a line that has no answer. */
void script_send(struct script *s, const char *say);

/* Every row of the command table was called with success, and every word of its syntax was used,
 * in all scripts of this process so far; otherwise the test fails with what is missing. */
void script_check_all_called(void);

#endif
