/*
 * reads: what the commands that read share. Reads of many items are workers'.
 */
#ifndef COMMANDS_READS_H
#define COMMANDS_READS_H

#include "commands/options.h"

/* Many items, read together. */
struct many {
    int count;
    struct place *places;
    struct version **versions; /* NULL: nothing there */
    struct err *errs;          /* per element; code OK: none */
};

/* [reactor] The item of argv[1] from the cache. False: a worker must look. */
bool reads_cached(struct call *call, struct read_what *what, struct version **ret);

/* [reactor] Many items from the cache, all of one snapshot. False: a worker must look. */
bool reads_many_cached(struct call *call, const struct str *keys, int count,
                       const struct read_what *what, struct many *ret);

MUST_CHECK enum status reads_many(struct call *call, const struct str *keys, int count,
                                  const struct read_what *what, struct many *ret, struct err *err);
void reads_drop(struct many *m);
/* [reactor] Is the answer so short that the reactor may write it? */
bool reads_are_short(struct call *call, const struct many *m);
/* An array, one element per item. options may be NULL. */
MUST_CHECK enum status reads_answer(struct call *call, const struct many *m,
                                    const struct options *options, struct err *err);

#endif
