/*
 * syntax: reads the syntax line of a command's row into the tree of arguments that COMMAND DOCS
 * shows, that arity follows from and that tells which options a command takes. Any thread.
 *
 *     key json [IFOV n] <OV ov | AT time> [FIELDS n path [path ...]] [key value [key value ...]]
 *
 * Lower-case words are arguments, upper-case words stand as they are, [] may be left out, <> is one
 * of several, `x [x ...]` repeats.
 */
#ifndef COMMANDS_SYNTAX_H
#define COMMANDS_SYNTAX_H

#include "base/arena.h"
#include "base/err.h"

enum argument_type {
    ARGUMENT_STRING,
    ARGUMENT_INTEGER,
    ARGUMENT_KEY,
    ARGUMENT_PATTERN,
    ARGUMENT_PURE_TOKEN,
    ARGUMENT_ONEOF,
    ARGUMENT_BLOCK,
    ARGUMENT_TYPE_COUNT
};

struct argument {
    struct str name;  /* lower case */
    struct str token; /* the upper-case word before it, STR_NONE: none */
    enum argument_type type;
    bool optional, multiple;
    int words; /* the fewest that it takes on the command line */
    struct argument *args;
    int count;
};

/* *ret is a block of the whole line's arguments; everything lies in the arena, names are slices of
 * the line. ERR_SYNTAX says what is wrong with the line (which is our mistake). */
MUST_CHECK enum status syntax_parse(const char *line, struct arena *arena, struct argument *ret,
                                    struct err *err);
/* May the same line have more words than the fewest? */
bool syntax_is_open(const struct argument *argument);
/* Calls fn for every upper-case word of the line. */
void syntax_tokens(const struct argument *argument, void (*fn)(void *arg, struct str token),
                   void *arg);
const char *syntax_type_name(enum argument_type type); /* as COMMAND DOCS names it */

#endif
