/*
 * The folder of the embedded store: its lock, a look at the database's header before SQLite touches
 * it, and the schema with its migrations. Everything that can be wrong with a folder is refused
 * here, with the file's name and what to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/meta_sqlite.h"

enum {
    APPLICATION_ID = 0x43685273, /* "ChRs", in the header of the file */
    HEADER_BYTES = 100,
};

/*
 * The schema, as steps: step n leads from version n to n + 1 of the file (PRAGMA user_version). A
 * step that was released is never changed. Comments lie in the statements so that sqlite3's .schema
 * shows them.
 */
static const char *const migrations[] = {
    /* The document is the last column: a version is read without it at no cost. */
    "CREATE TABLE version ("
    " row INTEGER PRIMARY KEY, coll INTEGER NOT NULL, id BLOB NOT NULL, ov INTEGER NOT NULL,"
    " cv INTEGER NOT NULL, at INTEGER NOT NULL, created INTEGER NOT NULL,"
    " deleted INTEGER, -- instant; NULL: alive\n"
    " op INTEGER NOT NULL, verb INTEGER NOT NULL, state INTEGER NOT NULL, size INTEGER NOT NULL,"
    " checksum BLOB NOT NULL, op_id BLOB, actor BLOB, reason BLOB, function_id BLOB,"
    " payload_row INTEGER, -- NULL: doc of this row; 0: in the payload store; else doc of that "
    "row\n"
    " payload_ov INTEGER NOT NULL, bucket BLOB, blob_key BLOB, doc BLOB);"
    "CREATE INDEX version_outbox ON version (state) WHERE state = 0;"
    "CREATE TABLE item ("
    " coll INTEGER NOT NULL, id BLOB NOT NULL, ov INTEGER NOT NULL, row INTEGER NOT NULL,"
    " at INTEGER NOT NULL, deleted INTEGER NOT NULL, -- 1: this version is a deletion\n"
    " PRIMARY KEY (coll, id, ov DESC)) WITHOUT ROWID;"
    "CREATE TABLE collection ("
    " no INTEGER PRIMARY KEY, database BLOB NOT NULL, name BLOB NOT NULL, cv INTEGER NOT NULL,"
    " at INTEGER NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,"
    " deleted INTEGER NOT NULL, live INTEGER NOT NULL, UNIQUE (database, name));"
    "CREATE TABLE op ("
    " database BLOB NOT NULL, op_id BLOB NOT NULL, request BLOB NOT NULL, key BLOB NOT NULL,"
    " at INTEGER NOT NULL, expires INTEGER NOT NULL, answer BLOB NOT NULL,"
    " PRIMARY KEY (database, op_id)) WITHOUT ROWID;"
    "CREATE INDEX op_expires ON op (expires);"
    "CREATE TABLE queue ("
    " no INTEGER PRIMARY KEY AUTOINCREMENT, kind BLOB NOT NULL, key BLOB NOT NULL,"
    " body BLOB NOT NULL, due INTEGER NOT NULL, attempts INTEGER NOT NULL);"
    "CREATE INDEX queue_due ON queue (kind, due);"
    "CREATE TABLE store ("
    " only INTEGER PRIMARY KEY CHECK (only = 1),"
    " settled INTEGER NOT NULL, -- counted up to overwrite a commit that failed\n"
    " indexed INTEGER NOT NULL); -- item has every version up to this row, at least\n"
    "INSERT INTO store (only, settled, indexed) VALUES (1, 0, 0);",
};
enum { SCHEMA_VERSION = sizeof migrations / sizeof migrations[0] };

/* The folder and its lock. */

static enum status folder_fail(const char *path, enum status st, struct err *err) {
    int number = errno;
    if (number == ENOTDIR) {
        return err_set(err, ERR_BACKEND, "%s is not a folder: name another data folder", path);
    }
    if (number == EROFS || number == EACCES || number == EPERM) {
        return err_set(err, ERR_BACKEND,
                       "cannot write %s (%s): give the server's user write access to the data "
                       "folder",
                       path, strerror(number));
    }
    if (number == ENOSPC || number == EDQUOT || number == EFBIG) {
        return err_set(err, ERR_TRYAGAIN, "disk full: no room for %s: free space there", path);
    }
    return err_set(err, st, "cannot open %s: %s", path, strerror(number));
}

static enum status folder_make(struct sqlite_store *s, struct err *err) {
    struct stat st;
    if (stat(s->options.dir, &st) != 0) {
        if (errno != ENOENT || mkdir(s->options.dir, 0750) != 0) {
            return folder_fail(s->options.dir, ERR_BACKEND, err);
        }
    } else if (!S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return folder_fail(s->options.dir, ERR_BACKEND, err);
    }
    char path[PATH_MAX_BYTES];
    if (realpath(s->options.dir, path) == NULL) {
        return folder_fail(s->options.dir, ERR_BACKEND, err);
    }
    int n = snprintf(s->dir, sizeof s->dir, "%s", path);
    int m = snprintf(s->db_path, sizeof s->db_path, "%.*s/chronos.db", n, path);
    int w = snprintf(s->wal_path, sizeof s->wal_path, "%.*s/chronos.db-wal", n, path);
    if (m < 0 || m >= PATH_MAX_BYTES || w < 0 || w >= PATH_MAX_BYTES) {
        return err_set(err, ERR_BACKEND, "the path of the data folder is longer than %d bytes",
                       PATH_MAX_BYTES - 20);
    }
    return OK;
}

/* Who holds the lock, as its file says. */
static long lock_holder(int fd) {
    char text[32];
    ssize_t n = pread(fd, text, sizeof text, 0);
    int64_t pid = 0;
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\0')) n--;
    if (n <= 0 || !str_to_int((struct str){text, (size_t)n}, &pid)) return 0;
    return (long)pid;
}

/* An flock'ed file: the kernel lets go of it however the process ends. */
static enum status lock_take(struct sqlite_store *s, struct err *err) {
    char path[PATH_MAX_BYTES];
    int n = snprintf(path, sizeof path, "%s/chronos.lock", s->dir);
    ASSERT(n > 0 && n < (int)sizeof path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) return folder_fail(path, ERR_BACKEND, err);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        long pid = lock_holder(fd);
        close(fd);
        return err_set(err, ERR_LOCKED,
                       "the data folder %s is in use by process %ld (it holds chronos.lock): stop "
                       "that process, or name another folder",
                       s->dir, pid);
    }
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length) {
        enum status st = folder_fail(path, ERR_BACKEND, err);
        close(fd);
        return st;
    }
    s->lock_fd = fd;
    return OK;
}

/* The header of the database (sqlite.org/fileformat2.html, 1.3). */

static unsigned long header_u32(const unsigned char *p) {
    return (unsigned long)p[0] << 24 | (unsigned long)p[1] << 16 | (unsigned long)p[2] << 8 | p[3];
}

static enum status header_judge(const struct sqlite_store *s, const unsigned char *h, ssize_t n,
                                struct err *err) {
    if (n == 0) return OK; /* new, or the first start ended before it had written anything */
    if (n < HEADER_BYTES || memcmp(h, "SQLite format 3", 16) != 0) {
        return err_set(err, ERR_CORRUPT,
                       "%s is not a database: its header is damaged or it is another file: put "
                       "back a backup, or move it away to begin with an empty store",
                       s->db_path);
    }
    unsigned long page = header_u32(h + 16) >> 16;
    unsigned long application = header_u32(h + 68), version = header_u32(h + 60);
    if (application != APPLICATION_ID && (application != 0 || version != 0)) {
        return err_set(err, ERR_BACKEND,
                       "%s belongs to another program (application id %08lx): name another data "
                       "folder",
                       s->db_path, application);
    }
    /* Page size, no reserved bytes, and the three fractions that never differ. */
    if (page != PAGE_BYTES || memcmp(h + 20, "\0\x40\x20\x20", 4) != 0) {
        return err_set(err, ERR_CORRUPT,
                       "%s has a damaged header (pages of %lu bytes): put back a backup",
                       s->db_path, page);
    }
    return OK;
}

static enum status header_check(const struct sqlite_store *s, struct err *err) {
    int fd = open(s->db_path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? OK : folder_fail(s->db_path, ERR_BACKEND, err);
    struct stat st;
    unsigned char header[HEADER_BYTES];
    ssize_t n = -1;
    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(err, ERR_BACKEND, "%s is not an ordinary file", s->db_path);
    }
    n = pread(fd, header, sizeof header, 0);
    enum status result =
        n < 0 ? folder_fail(s->db_path, ERR_BACKEND, err) : header_judge(s, header, n, err);
    close(fd);
    return result;
}

enum status folder_open(struct sqlite_store *s, struct err *err) {
    enum status st = folder_make(s, err);
    if (st == OK) st = lock_take(s, err);
    if (st == OK) st = header_check(s, err);
    return st;
}

/* The schema. */

static enum status migrate(struct conn *c, int64_t from, struct err *err) {
    enum status st = conn_exec(c, "BEGIN IMMEDIATE", err);
    for (int64_t v = from; st == OK && v < SCHEMA_VERSION; v++) {
        st = conn_exec(c, migrations[v], err);
    }
    char text[128];
    snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             APPLICATION_ID, SCHEMA_VERSION);
    if (st == OK) st = conn_exec(c, text, err);
    if (st != OK) conn_rollback(c);
    return st;
}

/* Cheap signs that the file is whole: what every start needs is there and can be read. */
static enum status schema_check(struct sqlite_store *s, struct err *err) {
    int64_t n = 0;
    enum status st = conn_int(&s->writer,
                              "SELECT count(*) FROM sqlite_schema WHERE name IN ('version', 'item',"
                              " 'collection', 'op', 'queue', 'store', 'version_outbox',"
                              " 'op_expires', 'queue_due')",
                              &n, err);
    if (st == OK && n != 9) {
        return err_set(err, ERR_CORRUPT, "%s is damaged (tables are missing): put back a backup",
                       s->db_path);
    }
    if (st == OK) st = conn_int(&s->writer, "SELECT settled FROM store WHERE only = 1", &n, err);
    return st;
}

enum status schema_open(struct sqlite_store *s, struct err *err) {
    struct conn *c = &s->writer;
    char text[128];
    snprintf(text, sizeof text,
             "PRAGMA page_size = %d; PRAGMA auto_vacuum = NONE; PRAGMA journal_mode = WAL",
             PAGE_BYTES);
    int64_t version = 0;
    enum status st = conn_exec(c, text, err);
    if (st == OK) st = conn_int(c, "PRAGMA user_version", &version, err);
    if (st != OK) return st;
    if (version > SCHEMA_VERSION) {
        return err_set(err, ERR_BACKEND,
                       "%s was written by a newer chronos-server (schema %lld, this one knows %d): "
                       "start that version, or name another data folder",
                       s->db_path, (long long)version, SCHEMA_VERSION);
    }
    if (version < SCHEMA_VERSION) st = migrate(c, version, err);
    return st == OK ? schema_check(s, err) : st;
}
