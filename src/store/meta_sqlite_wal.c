/*
 * The write-ahead log of the embedded store. It is a file of fixed length, filled with zeros before
 * use, so that a commit overwrites allocated blocks (an fdatasync that changes no metadata of the
 * file system takes about half the time), and used from its beginning over and over:
 *
 *   commits append ........ log longer than wal_bytes: the maintenance thread is woken
 *   checkpoint 1, PASSIVE, beside the writer ........ most pages go to the database file
 *   checkpoint 2, RESTART, inside the gate .......... the few that came since; then readers are off
 *                                                     the log, and the next commit starts it again
 *
 * The second keeps writers waiting, so the first is repeated while it leaves much behind. A writer
 * that is faster than all this does it itself, at three times wal_bytes. Readers are no hindrance
 * for long: their transactions end with each call. When nothing can be written back (a full disk, a
 * broken one, a snapshot that is held), the log grows over its length; at eight times wal_bytes
 * writes are refused until it can.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/metrics.h"
#include "store/meta_sqlite_recent.h"

enum {
    REST_FRAMES = 256,   /* so few may be left to the checkpoint that keeps writers waiting */
    PASSES = 4,          /* of the first checkpoint, at most */
    RELIEF_FACTOR = 3,   /* a writer does the checkpoint when the log is so many times wal_bytes */
    REFUSE_FACTOR = 8,   /* writes are refused */
    PAUSE_MS = 100,      /* after a checkpoint that failed */
    READER_WAIT_MS = 20, /* how long the second checkpoint waits for readers ... */
    RELIEF_WAIT_MS = 1000, /* ... and when a writer has to do it */
    READER_WAIT_US = 100,  /* between two looks at them */
    ZEROS_BYTES = 1 << 16,
};

static bool wal_exceeds(struct sqlite_store *s, int64_t factor) {
    return s->wal_frames * FRAME_BYTES > s->options.wal_bytes * factor;
}

bool wal_is_full(struct sqlite_store *s) {
    return wal_exceeds(s, REFUSE_FACTOR);
}

static bool wal_is_long(struct sqlite_store *s) {
    return wal_exceeds(s, 1);
}

void maintenance_wake(struct sqlite_store *s) {
    pthread_mutex_lock(&s->thread_lock);
    s->thread_work = true;
    pthread_cond_signal(&s->thread_wake);
    pthread_mutex_unlock(&s->thread_lock);
}

void wal_committed(struct sqlite_store *s) {
    s->commits++;
    if (wal_is_long(s)) maintenance_wake(s);
}

/* SQLite calls it after each commit with the number of frames in the log. */
static int frames_hook(void *arg, sqlite3 *db, const char *name, int frames) {
    (void)db, (void)name;
    ((struct sqlite_store *)arg)->wal_frames = frames;
    return SQLITE_OK;
}

/* Checkpoints. */

static int checkpoint(struct sqlite_store *s, int mode, int *ret_frames, int *ret_done) {
    int rc;
    switch (fault_hit(FAULT_CHECKPOINT)) {
    case FAULT_FAIL:
        rc = SQLITE_IOERR;
        break;
    case FAULT_FULL:
        rc = SQLITE_FULL;
        break;
    default:
        metric_add(METRIC_CHECKPOINTS, 1);
        rc = sqlite3_wal_checkpoint_v2(s->checkpointer.db, NULL, mode, ret_frames, ret_done);
    }
    s->checkpoint_code = rc;
    if (rc != SQLITE_OK) s->checkpoint_not_before_us = clock_mono_us() + PAUSE_MS * INT64_C(1000);
    return rc;
}

/* SQLite calls it while readers are in the way; 0 gives up. */
static int readers_busy(void *arg, int count) {
    (void)count;
    struct sqlite_store *s = arg;
    if (clock_mono_us() >= s->readers_until_us) return 0;
    (void)usleep(READER_WAIT_US);
    return 1;
}

/* Beside the writer, until little is left. */
static int checkpoint_most(struct sqlite_store *s) {
    int frames = 0, done = 0, rc = SQLITE_OK;
    for (int i = 0; i < PASSES && rc == SQLITE_OK; i++) {
        rc = checkpoint(s, SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
        if (s->wal_frames - done <= REST_FRAMES) break;
    }
    return rc;
}

/* The rest, with writers kept out; the next commit finds the log unused and starts it again. */
static void checkpoint_rest(struct sqlite_store *s, int64_t wait_ms) {
    int frames = 0, done = 0;
    if (gate_enter(s, true, NULL) != OK) return;
    s->readers_until_us = clock_mono_us() + wait_ms * 1000;
    if (checkpoint(s, SQLITE_CHECKPOINT_RESTART, &frames, &done) == SQLITE_OK) s->wal_frames = 0;
    gate_leave(s);
}

static void wal_shorten(struct sqlite_store *s) {
    pthread_mutex_lock(&s->checkpoint_lock);
    if (checkpoint_most(s) == SQLITE_OK) checkpoint_rest(s, READER_WAIT_MS);
    pthread_mutex_unlock(&s->checkpoint_lock);
}

static bool pause_is_over(struct sqlite_store *s) {
    return clock_mono_us() >= s->checkpoint_not_before_us;
}

void wal_relieve(struct sqlite_store *s) {
    bool failed = s->checkpoint_code != SQLITE_OK && s->checkpoint_code != SQLITE_BUSY;
    if (!wal_exceeds(s, RELIEF_FACTOR) || (failed && !pause_is_over(s))) return;
    pthread_mutex_lock(&s->checkpoint_lock);
    if (wal_exceeds(s, RELIEF_FACTOR)) checkpoint_rest(s, RELIEF_WAIT_MS); /* nobody was faster */
    pthread_mutex_unlock(&s->checkpoint_lock);
}

/* Looks first, on the connection that no group waits for. */
static bool ops_expired(struct sqlite_store *s) {
    char text[128];
    snprintf(text, sizeof text, "SELECT EXISTS (SELECT 1 FROM op WHERE expires <= %lld)",
             (long long)clock_now_ms());
    int64_t expired = 0;
    pthread_mutex_lock(&s->checkpoint_lock);
    enum status st = conn_int(&s->checkpointer, text, &expired, NULL);
    pthread_mutex_unlock(&s->checkpoint_lock);
    return st == OK && expired != 0;
}

void wal_tick(struct meta *m) {
    struct sqlite_store *s = store_of(m);
    if (wal_is_long(s)) wal_shorten(s);
    if (ops_expired(s)) queue_tick(s);
}

/* The thread. */

static void thread_pause(struct sqlite_store *s) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    pthread_mutex_lock(&s->thread_lock);
    int rc = 0;
    while (rc == 0 && !s->thread_work && !s->thread_stop) {
        rc = pthread_cond_timedwait(&s->thread_wake, &s->thread_lock, &until);
    }
    s->thread_work = false;
    pthread_mutex_unlock(&s->thread_lock);
}

static bool thread_stops(struct sqlite_store *s) {
    pthread_mutex_lock(&s->thread_lock);
    bool stop = s->thread_stop;
    pthread_mutex_unlock(&s->thread_lock);
    return stop;
}

static void *thread_main(void *arg) {
    struct sqlite_store *s = arg;
    int64_t expired_us = clock_mono_us(), commits = s->commits;
    for (thread_pause(s); !thread_stops(s); thread_pause(s)) {
        recent_sort(s->recent);
        if (wal_is_long(s) && pause_is_over(s)) wal_shorten(s);
        if (clock_mono_us() - expired_us < 1000000) continue;
        if (ops_expired(s)) queue_tick(s);
        if (commits == s->commits) index_rest(s); /* nobody wrote for a second */
        commits = s->commits;
        expired_us = clock_mono_us();
    }
    return NULL;
}

/* Opening and closing. */

/* Fills the log with zeros up to its length. SQLite takes them for no frames at all. */
static enum status preallocate(struct sqlite_store *s, struct err *err) {
    static const char zeros[ZEROS_BYTES];
    int fd = open(s->wal_path, O_RDWR | O_CLOEXEC);
    struct stat st = {0};
    bool good = fd >= 0 && fstat(fd, &st) == 0;
    int64_t at = st.st_size;
    /* A quarter more than where checkpoints begin: commits go on meanwhile. */
    int64_t end = s->options.wal_bytes + s->options.wal_bytes / 4;
    bool longer = good && at < end;
    while (good && at < end) {
        int64_t left = end - at;
        ssize_t n = pwrite(fd, zeros, left < ZEROS_BYTES ? (size_t)left : ZEROS_BYTES, at);
        good = n > 0 || (n < 0 && errno == EINTR);
        if (n > 0) at += n;
    }
    if (good && longer) good = fdatasync(fd) == 0;
    int number = errno;
    if (fd >= 0) close(fd);
    if (good) return OK;
    return err_set(err, ERR_TRYAGAIN, "cannot make %s of %lld bytes: %s", s->wal_path,
                   (long long)end, strerror(number));
}

/* The files were made, perhaps: their names, and the folder's own, are to outlast a crash too. */
static enum status names_sync(struct sqlite_store *s, struct err *err) {
    static const char *const names[] = {".", ".."};
    int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = dir >= 0;
    for (int i = 0; good && i < 2; i++) {
        int fd = openat(dir, names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* A parent that may not be read held the folder before we came. */
        good = fd < 0 ? i == 1 : fsync(fd) == 0;
        if (fd >= 0) close(fd);
    }
    int number = errno;
    if (dir >= 0) close(dir);
    if (good) return OK;
    return err_set(err, ERR_TRYAGAIN, "cannot sync the folder %s: %s", s->dir, strerror(number));
}

enum status wal_open(struct sqlite_store *s, struct err *err) {
    enum status st = preallocate(s, err);
    if (st == OK) st = names_sync(s, err);
    if (st == OK) st = conn_open(&s->checkpointer, s, CONN_CHECKPOINT, err);
    if (st != OK) return st;
    sqlite3_busy_handler(s->checkpointer.db, readers_busy, s);
    sqlite3_wal_hook(s->writer.db, frames_hook, s);
    if (pthread_create(&s->thread, NULL, thread_main, s) != 0) {
        return err_set(err, ERR_TRYAGAIN, "cannot start a thread: %s", strerror(errno));
    }
    s->thread_started = true;
    return OK;
}

/* The log of a store that was closed holds one small commit, so that the next start has nothing to
 * recover. What fails here is made good by recovery. */
void wal_close(struct sqlite_store *s) {
    if (!s->thread_started) return;
    pthread_mutex_lock(&s->thread_lock);
    s->thread_stop = true;
    pthread_cond_signal(&s->thread_wake);
    pthread_mutex_unlock(&s->thread_lock);
    pthread_join(s->thread, NULL);
    s->thread_started = false;
    index_rest(s);
    wal_shorten(s);
    if (write_begin(s, NULL) != OK) return;
    if (conn_run(&s->writer, STMT_SETTLE, NULL) != OK || write_commit(s, NULL) != OK) {
        conn_rollback(&s->writer);
    }
    gate_leave(s);
}
