/*
 * fault: the table of fault points and what is armed on them.
 *
 * The state of all points is behind one lock, which is taken only while a point is armed: tests
 * want the n-th passing exactly, and nobody else comes here.
 */
#include "base/fault.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

atomic_int fault_armed;

static const char *const names[FAULT_POINT_COUNT] = {
    [FAULT_GROUP_TAKEN] = "group-taken",   [FAULT_GROUP_PLANNED] = "group-planned",
    [FAULT_BLOB_TEMP] = "blob-temp",       [FAULT_BLOB_WRITE] = "blob-write",
    [FAULT_BLOB_FSYNC] = "blob-fsync",     [FAULT_BLOB_RENAME] = "blob-rename",
    [FAULT_BLOB_DIRSYNC] = "blob-dirsync", [FAULT_BLOBS_PUT] = "blobs-put",
    [FAULT_SWAPPED] = "swapped",           [FAULT_COMMITTED] = "committed",
    [FAULT_PUBLISHED] = "published",       [FAULT_SQLITE_STEP] = "sqlite-step",
    [FAULT_SQLITE_READ] = "sqlite-read",   [FAULT_FILE_WRITE] = "file-write",
    [FAULT_FILE_FSYNC] = "file-fsync",     [FAULT_MALLOC] = "malloc",
    [FAULT_CHECKPOINT] = "checkpoint",     [FAULT_REPLY] = "reply",
};

static const char *const actions[] = {
    [FAULT_NONE] = "off",  [FAULT_FAIL] = "fail", [FAULT_FULL] = "full",
    [FAULT_KILL] = "kill", [FAULT_HOLD] = "hold",
};
enum { ACTION_COUNT = sizeof(actions) / sizeof(actions[0]) };

struct point {
    enum fault_action action; /* FAULT_NONE: not armed */
    int64_t countdown;        /* passings until it fires; 0: it has fired and does not again */
    bool forever;
    uint64_t changes; /* of this point; who is held waits for the next one */
    int64_t passes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct point points[FAULT_POINT_COUNT];

/* Sets what is armed on a point and lets those go who are held there. With the lock. */
static void point_set(struct point *p, enum fault_action action, int64_t nth, bool forever) {
    int was = p->action != FAULT_NONE;
    int is = action != FAULT_NONE;
    p->action = action;
    p->countdown = is ? nth : 0;
    p->forever = is && forever;
    p->changes++;
    atomic_fetch_add(&fault_armed, is - was);
    pthread_cond_broadcast(&changed);
}

/* Counts a passing and says what it meets. With the lock. */
static enum fault_action point_pass(struct point *p) {
    p->passes++;
    if (p->action == FAULT_NONE || p->countdown == 0) return FAULT_NONE;
    if (--p->countdown > 0) return FAULT_NONE;
    enum fault_action action = p->action;
    if (p->forever) {
        p->countdown = 1;
    } else if (action != FAULT_HOLD) { /* a hold stays armed until somebody lifts it */
        point_set(p, FAULT_NONE, 0, false);
    }
    return action;
}

enum fault_action fault_hit_slow(enum fault_point point) {
    ASSERT(point >= 0 && point < FAULT_POINT_COUNT);
    struct point *p = &points[point];
    pthread_mutex_lock(&lock);
    enum fault_action action = point_pass(p);
    if (action == FAULT_KILL) {
        (void)kill(getpid(), SIGKILL); /* cannot fail on ourselves */
        for (;;) pause();
    }
    if (action == FAULT_HOLD) {
        uint64_t seen = p->changes;
        while (p->changes == seen) pthread_cond_wait(&changed, &lock);
        action = FAULT_NONE;
    }
    pthread_mutex_unlock(&lock);
    return action;
}

/* Names in any case, with '-' or '_'. */
static bool name_is(struct str text, const char *name) {
    size_t i = 0;
    for (; i < text.n && name[i] != '\0'; i++) {
        struct str a = {text.p[i] == '_' ? "-" : text.p + i, 1};
        struct str b = {name + i, 1};
        if (!str_eq_nocase(a, b)) return false;
    }
    return i == text.n && name[i] == '\0';
}

static int find_name(struct str text, const char *const *table, int count) {
    for (int i = 0; i < count; i++) {
        if (name_is(text, table[i])) return i;
    }
    return -1;
}

enum status fault_arm(struct str name, struct str action, int64_t nth, bool forever,
                      struct err *err) {
    int point = find_name(name, names, FAULT_POINT_COUNT);
    if (point < 0) {
        return err_set(err, ERR_SYNTAX, "unknown fault point '%.*s'",
                       (int)(name.n < 64 ? name.n : 64), name.p ? name.p : "");
    }
    int what = find_name(action, actions, ACTION_COUNT);
    if (what < 0) {
        return err_set(err, ERR_SYNTAX,
                       "unknown fault action; it is fail, full, kill, hold or off");
    }
    if (nth < 1 && what != FAULT_NONE) {
        return err_set(err, ERR_SYNTAX, "the passing must be 1 (the next) or more, not %lld",
                       (long long)nth);
    }
    pthread_mutex_lock(&lock);
    if (atomic_load(&fault_armed) == 0) {
        for (int i = 0; i < FAULT_POINT_COUNT; i++) points[i].passes = 0;
    }
    point_set(&points[point], (enum fault_action)what, nth, forever);
    pthread_mutex_unlock(&lock);
    return OK;
}

void fault_disarm_all(void) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < FAULT_POINT_COUNT; i++) point_set(&points[i], FAULT_NONE, 0, false);
    pthread_mutex_unlock(&lock);
}

const char *fault_name(enum fault_point point) {
    ASSERT(point >= 0 && point < FAULT_POINT_COUNT);
    return names[point];
}

int64_t fault_passes(enum fault_point point) {
    ASSERT(point >= 0 && point < FAULT_POINT_COUNT);
    pthread_mutex_lock(&lock);
    int64_t passes = points[point].passes;
    pthread_mutex_unlock(&lock);
    return passes;
}
