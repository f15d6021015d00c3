/*
 * writes: the steps that every command which writes takes from its words to a `struct write`.
 * Workers.
 */
#ifndef COMMANDS_WRITES_H
#define COMMANDS_WRITES_H

#include "commands/options.h"

/* ACTOR, REASON, FUNC, OPID, IFOV, SYNC. */
void writes_options(const struct call *call, const struct options *options, struct write *w);
/* A document: VALIDATION unless it is one. */
MUST_CHECK enum status writes_object(const struct call *call, struct str json, struct str *ret,
                                     struct err *err);
/* The place of a write. `make`: its collection may be new; otherwise a collection that is not there
 * is NOTFOUND. `item`: the key must name an item. */
MUST_CHECK enum status writes_place(struct call *call, struct str key, bool make, bool item,
                                    struct place *ret, struct err *err);
/* With an OPID: the digest that tells this request from another under the same OPID. When the write
 * is complete. */
void writes_digest(const struct call *call, struct write *w);
/* Element i of BULK, whose words have the digest `whole`: its own OPID and digest. */
void writes_element(const struct call *call, struct write *w, const uint8_t whole[SHA256_BYTES],
                    int i);

#endif
