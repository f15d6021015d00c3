/*
 * fault: places where tests make things go wrong, by name (the table in fault.c). A point that is
 * not armed costs one relaxed load. Arming is for tests: DEBUG FAULT <name> <action> [<nth>],
 * allowed by `server.debug`, or --server.faults "name=action@nth,..." at start. Any thread.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdatomic.h>

#include "base/err.h"
#include "base/str.h"

enum fault_point {
    FAULT_GROUP_TAKEN,   /* commit: a group was taken, nothing done */
    FAULT_GROUP_PLANNED, /* commit: versions composed, nothing written */
    FAULT_BLOB_TEMP,     /* blob_fs: the temporary file was opened */
    FAULT_BLOB_WRITE,    /* blob_fs: write(2) */
    FAULT_BLOB_FSYNC,    /* blob_fs: fsync of the file */
    FAULT_BLOB_RENAME,   /* blob_fs: rename */
    FAULT_BLOB_DIRSYNC,  /* blob_fs: fsync of the folder */
    FAULT_BLOBS_PUT,     /* commit: large payloads are in the payload store, no row names them */
    FAULT_SWAPPED,       /* commit: rows written, not committed */
    FAULT_COMMITTED,     /* commit: durable, nothing published */
    FAULT_PUBLISHED,     /* commit: caches updated, nothing acknowledged */
    FAULT_SQLITE_STEP,   /* meta_sqlite: a statement of the writer */
    FAULT_SQLITE_READ,   /* meta_sqlite: a statement of a reader */
    FAULT_FILE_WRITE,    /* meta_sqlite: pwrite of database or WAL */
    FAULT_FILE_FSYNC,    /* meta_sqlite: fdatasync of database or WAL */
    FAULT_MALLOC,        /* meta_sqlite: an allocation inside SQLite */
    FAULT_CHECKPOINT,    /* meta_sqlite: before a checkpoint */
    FAULT_REPLY,         /* dispatch: the reply is written, not yet handed back */
    FAULT_POINT_COUNT
};

enum fault_action {
    FAULT_NONE,
    FAULT_FAIL, /* the caller fails as the real thing would */
    FAULT_FULL, /* the caller fails as a full disk would (ENOSPC) */
    FAULT_KILL, /* SIGKILL to this process: fault_hit does not return */
    FAULT_HOLD, /* fault_hit blocks until the point is disarmed */
};

extern atomic_int fault_armed; /* how many points are armed; 0 in production */

enum fault_action fault_hit_slow(enum fault_point point);

/* Passes the point: FAULT_NONE nearly always. FAULT_KILL and FAULT_HOLD are carried out inside. */
static inline enum fault_action fault_hit(enum fault_point point) {
    return atomic_load_explicit(&fault_armed, memory_order_relaxed) == 0 ? FAULT_NONE
                                                                         : fault_hit_slow(point);
}

/* Arms a point by name: action "fail", "full", "kill", "hold" at the nth passing from now (1 = the
 * next) and, with `forever`, at every later one; "off" disarms it. ERR_SYNTAX names the fault. */
MUST_CHECK enum status fault_arm(struct str name, struct str action, int64_t nth, bool forever,
                                 struct err *err);
void fault_disarm_all(void);
const char *fault_name(enum fault_point point);
int64_t fault_passes(enum fault_point point); /* passings counted while any point is armed */

#endif
