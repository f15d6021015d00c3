/*
 * The conformance suite of payload stores: what any implementation of store/blob.h must do, faults,
 * crashes and threads included.
 */
#ifndef CONFORMANCE_BLOB_SUITE_H
#define CONFORMANCE_BLOB_SUITE_H

#include "store/blob.h"

struct blob_maker {
    const char *name;
    void (*create)(struct blob_maker *maker);  /* an empty place */
    void (*destroy)(struct blob_maker *maker); /* with all that is in it */
    enum status (*open)(struct blob_maker *maker, struct blob_store **ret, struct err *err);
    void (*check)(struct blob_maker *maker); /* NULL, or: nothing is left over in the place */
    const char *const *fault_points;         /* on the way of a put, ended by NULL */
};

int blob_suite_run(struct blob_maker *maker);

#endif
