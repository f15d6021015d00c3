/*
 * The file layer under SQLite: a wrapper of its ordinary Unix one.
 *
 *   SQLite --> database file --> counted, faults --> "unix"
 *          --> write-ahead log --> this file's own open, pread, pwrite, fdatasync
 *          --> anything else --> "unix"
 *
 * The log is handled here because a commit writes two small pieces per page to it, one after the
 * other. They are collected and written by one pwrite when the commit is synced; only the handle
 * that wrote them needs them before that, and gets them written when it reads. A sync of a handle
 * that has written nothing does nothing: whoever wrote has synced (synchronous=FULL), so
 * checkpoints need not wait for the writer's pages.
 *
 * Fault points: writes and syncs of both files, and SQLite's allocations.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/metrics.h"
#include "store/meta_sqlite.h"

enum { PENDING_MAX_BYTES = 1 << 20 }; /* written before the sync when there is more */

struct log_file { /* a write-ahead log */
    sqlite3_file base;
    int fd;
    bool unsynced; /* something was written since the last sync */
    char *pending; /* not yet written: belongs at pending_at */
    size_t pending_bytes, pending_cap;
    int64_t pending_at;
};

struct main_file { /* a database: the wrapped file lies behind this struct */
    sqlite3_file base;
    sqlite3_file *real;
};

static sqlite3_vfs *unix_vfs;
static sqlite3_vfs chronos_vfs;
static sqlite3_mem_methods system_memory;

/* The log. */

static int write_code(int number) {
    return number == ENOSPC || number == EDQUOT || number == EFBIG ? SQLITE_FULL
                                                                   : SQLITE_IOERR_WRITE;
}

/* What a fault point before a write answers: SQLITE_OK nearly always. */
static int write_fault(void) {
    switch (fault_hit(FAULT_FILE_WRITE)) {
    case FAULT_FAIL:
        errno = EIO;
        return SQLITE_IOERR_WRITE;
    case FAULT_FULL:
        errno = ENOSPC;
        return SQLITE_FULL;
    default:
        return SQLITE_OK;
    }
}

/* A sync that fails with ENOSPC leaves the outcome as unknown as one that fails with EIO. */
static int sync_fault(void) {
    switch (fault_hit(FAULT_FILE_FSYNC)) {
    case FAULT_FAIL:
        errno = EIO;
        return SQLITE_IOERR_FSYNC;
    case FAULT_FULL:
        errno = ENOSPC;
        return SQLITE_IOERR_FSYNC;
    default:
        return SQLITE_OK;
    }
}

static int write_all(int fd, const char *p, size_t n, int64_t at) {
    int rc = write_fault();
    while (rc == SQLITE_OK && n > 0) {
        ssize_t done = pwrite(fd, p, n, at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return done == 0 ? SQLITE_FULL : write_code(errno);
        p += done;
        n -= (size_t)done;
        at += done;
    }
    return rc;
}

static int log_flush(struct log_file *f) {
    if (f->pending_bytes == 0) return SQLITE_OK;
    int rc = write_all(f->fd, f->pending, f->pending_bytes, f->pending_at);
    f->pending_bytes = 0;
    return rc;
}

static int log_close(sqlite3_file *file) {
    struct log_file *f = (struct log_file *)file;
    int rc = log_flush(f);
    free(f->pending);
    if (close(f->fd) != 0 && rc == SQLITE_OK) rc = SQLITE_IOERR_CLOSE;
    return rc;
}

static int log_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at) {
    struct log_file *f = (struct log_file *)file;
    int rc = log_flush(f);
    if (rc != SQLITE_OK) return rc;
    char *p = to;
    size_t left = (size_t)bytes;
    while (left > 0) {
        ssize_t done = pread(f->fd, p, left, at);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return SQLITE_IOERR_READ;
        if (done == 0) {
            memset(p, 0, left);
            return SQLITE_IOERR_SHORT_READ;
        }
        p += done;
        left -= (size_t)done;
        at += done;
    }
    return SQLITE_OK;
}

/* Collects bytes that continue what is pending. */
static int log_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at) {
    struct log_file *f = (struct log_file *)file;
    size_t n = (size_t)bytes;
    f->unsynced = true;
    bool continues = at == f->pending_at + (int64_t)f->pending_bytes;
    if (!continues || f->pending_bytes + n > PENDING_MAX_BYTES) {
        int rc = log_flush(f);
        if (rc != SQLITE_OK) return rc;
        f->pending_at = at;
    }
    if (f->pending_bytes + n > f->pending_cap) {
        f->pending_cap = (f->pending_bytes + n) * 2;
        f->pending = xrealloc(f->pending, f->pending_cap);
    }
    memcpy(f->pending + f->pending_bytes, from, n);
    f->pending_bytes += n;
    return SQLITE_OK;
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 bytes) {
    struct log_file *f = (struct log_file *)file;
    int rc = log_flush(f);
    if (rc != SQLITE_OK) return rc;
    return ftruncate(f->fd, bytes) == 0 ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static int log_sync(sqlite3_file *file, int flags) {
    (void)flags;
    struct log_file *f = (struct log_file *)file;
    if (!f->unsynced) return SQLITE_OK;
    int rc = log_flush(f);
    if (rc == SQLITE_OK) rc = sync_fault();
    if (rc != SQLITE_OK) return rc;
    metric_add(METRIC_FSYNCS, 1);
    if (fdatasync(f->fd) != 0) return SQLITE_IOERR_FSYNC;
    f->unsynced = false;
    return SQLITE_OK;
}

static int log_size(sqlite3_file *file, sqlite3_int64 *ret) {
    struct log_file *f = (struct log_file *)file;
    int rc = log_flush(f);
    if (rc != SQLITE_OK) return rc;
    struct stat st;
    if (fstat(f->fd, &st) != 0) return SQLITE_IOERR_FSTAT;
    *ret = st.st_size;
    return SQLITE_OK;
}

/* SQLite locks the database file only. */
static int log_lock(sqlite3_file *file, int level) {
    (void)file, (void)level;
    return SQLITE_OK;
}

static int log_check_lock(sqlite3_file *file, int *ret) {
    (void)file;
    *ret = 0;
    return SQLITE_OK;
}

static int log_control(sqlite3_file *file, int op, void *arg) {
    (void)file, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int log_sector_bytes(sqlite3_file *file) {
    (void)file;
    return 4096;
}

static int log_characteristics(sqlite3_file *file) {
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods log_methods = {
    .iVersion = 1,
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_size,
    .xLock = log_lock,
    .xUnlock = log_lock,
    .xCheckReservedLock = log_check_lock,
    .xFileControl = log_control,
    .xSectorSize = log_sector_bytes,
    .xDeviceCharacteristics = log_characteristics,
};

static int log_open(struct log_file *f, const char *path, int flags, int *ret_flags) {
    int how = O_RDWR | O_CLOEXEC | (flags & SQLITE_OPEN_CREATE ? O_CREAT : 0);
    int fd = open(path, how, 0640);
    if (fd < 0) return SQLITE_CANTOPEN;
    *f = (struct log_file){.base.pMethods = &log_methods, .fd = fd};
    if (ret_flags != NULL) *ret_flags = flags;
    return SQLITE_OK;
}

/* The database. */

static sqlite3_file *real_of(sqlite3_file *file) {
    return ((struct main_file *)file)->real;
}

static int main_close(sqlite3_file *file) {
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int main_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at) {
    return real_of(file)->pMethods->xRead(real_of(file), to, bytes, at);
}

static int main_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at) {
    int rc = write_fault();
    if (rc != SQLITE_OK) return rc;
    rc = real_of(file)->pMethods->xWrite(real_of(file), from, bytes, at);
    return rc != SQLITE_OK && errno == EFBIG ? SQLITE_FULL : rc;
}

static int main_truncate(sqlite3_file *file, sqlite3_int64 bytes) {
    return real_of(file)->pMethods->xTruncate(real_of(file), bytes);
}

static int main_sync(sqlite3_file *file, int flags) {
    int rc = sync_fault();
    if (rc != SQLITE_OK) return rc;
    metric_add(METRIC_FSYNCS, 1);
    return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int main_size(sqlite3_file *file, sqlite3_int64 *ret) {
    return real_of(file)->pMethods->xFileSize(real_of(file), ret);
}

static int main_lock(sqlite3_file *file, int level) {
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int main_unlock(sqlite3_file *file, int level) {
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int main_check_lock(sqlite3_file *file, int *ret) {
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret);
}

static int main_control(sqlite3_file *file, int op, void *arg) {
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int main_sector_bytes(sqlite3_file *file) {
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int main_characteristics(sqlite3_file *file) {
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int main_shm_map(sqlite3_file *file, int page, int bytes, int extend, void volatile **ret) {
    return real_of(file)->pMethods->xShmMap(real_of(file), page, bytes, extend, ret);
}

static int main_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void main_shm_barrier(sqlite3_file *file) {
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int main_shm_unmap(sqlite3_file *file, int delete) {
    return real_of(file)->pMethods->xShmUnmap(real_of(file), delete);
}

static const sqlite3_io_methods main_methods = {
    .iVersion = 2,
    .xClose = main_close,
    .xRead = main_read,
    .xWrite = main_write,
    .xTruncate = main_truncate,
    .xSync = main_sync,
    .xFileSize = main_size,
    .xLock = main_lock,
    .xUnlock = main_unlock,
    .xCheckReservedLock = main_check_lock,
    .xFileControl = main_control,
    .xSectorSize = main_sector_bytes,
    .xDeviceCharacteristics = main_characteristics,
    .xShmMap = main_shm_map,
    .xShmLock = main_shm_lock,
    .xShmBarrier = main_shm_barrier,
    .xShmUnmap = main_shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename path, sqlite3_file *file, int flags,
                    int *ret_flags) {
    (void)vfs;
    file->pMethods = NULL;
    if (flags & SQLITE_OPEN_WAL) return log_open((struct log_file *)file, path, flags, ret_flags);
    if (!(flags & SQLITE_OPEN_MAIN_DB)) {
        return unix_vfs->xOpen(unix_vfs, path, file, flags, ret_flags);
    }
    struct main_file *f = (struct main_file *)file;
    f->real = (sqlite3_file *)(void *)(f + 1);
    int rc = unix_vfs->xOpen(unix_vfs, path, f->real, flags, ret_flags);
    /* When it failed it may still ask to be closed. */
    if (f->real->pMethods != NULL) file->pMethods = &main_methods;
    return rc;
}

/* The process. */

static int vfs_last_error(sqlite3_vfs *vfs, int bytes, char *ret) {
    (void)vfs, (void)bytes, (void)ret;
    return errno;
}

static void *memory_new(int bytes) {
    return fault_hit(FAULT_MALLOC) == FAULT_NONE ? system_memory.xMalloc(bytes) : NULL;
}

static void *memory_resize(void *p, int bytes) {
    return fault_hit(FAULT_MALLOC) == FAULT_NONE ? system_memory.xRealloc(p, bytes) : NULL;
}

static void process_init(void) {
    /* No locks inside SQLite where a connection has one thread, no global count of memory. */
    (void)sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory) == SQLITE_OK) {
        sqlite3_mem_methods memory = system_memory;
        memory.xMalloc = memory_new;
        memory.xRealloc = memory_resize;
        (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
    }
    ASSERT(sqlite3_initialize() == SQLITE_OK);
    unix_vfs = sqlite3_vfs_find("unix");
    ASSERT(unix_vfs != NULL);
    chronos_vfs = *unix_vfs;
    chronos_vfs.pNext = NULL;
    chronos_vfs.zName = SQLITE_VFS_NAME;
    chronos_vfs.xOpen = vfs_open;
    chronos_vfs.xGetLastError = vfs_last_error;
    chronos_vfs.szOsFile = (int)sizeof(struct main_file) + unix_vfs->szOsFile;
    if (chronos_vfs.szOsFile < (int)sizeof(struct log_file)) {
        chronos_vfs.szOsFile = (int)sizeof(struct log_file);
    }
    ASSERT(sqlite3_vfs_register(&chronos_vfs, 0) == SQLITE_OK);
}

void sqlite_process_init(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    ASSERT(pthread_once(&once, process_init) == 0);
}
