/* The embedded store in the conformance suite: how one is made, and the tests that are its own. */
#ifndef CONFORMANCE_SQLITE_OWN_H
#define CONFORMANCE_SQLITE_OWN_H

#include "conformance/meta_world.h"

struct meta_maker *sqlite_maker(void);
const char *sqlite_folder(void); /* of the place that exists now */
/* Opens it with a log of so many bytes. */
enum status sqlite_open_with(int64_t wal_bytes, struct meta **ret, struct err *err);
int sqlite_own(struct meta_maker *maker);

#endif
