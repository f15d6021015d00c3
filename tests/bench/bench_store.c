/*
 * Measures the embedded metadata store by itself: microseconds of CPU (all threads) and of wall per
 * write in groups of several sizes, and bytes on disk per version.
 *
 *   bench_store [folder] [seconds per case] [bytes per document] [case and group: u50]
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "store/meta.h"

enum { GROUP_MAX = 256, ITEMS = 100000, ID_BYTES = 24 };

struct bench {
    struct meta *meta;
    struct meta_session *session;
    struct meta_coll coll;
    char *doc;
    size_t doc_bytes;
    int64_t *ovs; /* by item */
    int64_t items;
    int64_t seconds;
};

static void fail(const char *what, const struct err *err) {
    fprintf(stderr, "%s: %s %s\n", what, status_word(err->code), err->msg);
    exit(1);
}

static int64_t cpu_us(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) + u.ru_utime.tv_usec +
           u.ru_stime.tv_usec;
}

static uint64_t random_state = 88172645463325252u;
static uint64_t random_next(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Item numbers as 24 hex digits: in order of time, or scattered. */
static void item_id(int64_t item, bool scattered, char ret[ID_BYTES + 1]) {
    uint64_t n = (uint64_t)item;
    if (scattered) n *= UINT64_C(0x9E3779B97F4A7C15);
    snprintf(ret, ID_BYTES + 1, "%016llx%08llx", (unsigned long long)n, (unsigned long long)item);
}

struct group_member {
    char id[ID_BYTES + 1], op_id[33];
    struct version version;
    int64_t item;
};

static void group_commit(struct bench *b, struct group_member *members, int count) {
    static struct meta_swap swaps[GROUP_MAX];
    struct meta_group *g;
    struct meta_numbers numbers;
    struct err err;
    if (b->meta->ops->group_begin(b->meta, &g, &err) != OK) fail("begin", &err);
    if (b->meta->ops->group_take(g, &b->coll, count, &numbers, &err) != OK) fail("take", &err);
    for (int i = 0; i < count; i++) {
        struct version *v = &members[i].version;
        v->cv = numbers.cv + i;
        v->at_ms = v->created_ms = numbers.at_ms;
        swaps[i] = (struct meta_swap){.next = v, .coll = &b->coll, .expected_ov = v->ov - 1};
    }
    if (b->meta->ops->group_swap(g, swaps, count, &err) != OK) fail("swap", &err);
    for (int i = 0; i < count; i++) {
        if (!swaps[i].applied) fprintf(stderr, "a swap was refused\n"), exit(1);
    }
    if (b->meta->ops->group_end(g, &err) != OK) fail("end", &err);
}

static void member_fill(struct bench *b, struct group_member *m, int64_t item, bool scattered) {
    item_id(item, scattered, m->id);
    snprintf(m->op_id, sizeof m->op_id, "%016llx", (unsigned long long)random_next());
    int64_t ov = b->ovs[item]++;
    m->item = item;
    m->version = (struct version){.ov = ov,
                                  .payload_ov = ov,
                                  .deleted_ms = TIME_NONE,
                                  .size = (int64_t)b->doc_bytes,
                                  .op = ov == 0 ? OP_CREATE : OP_UPDATE,
                                  .verb = ov == 0 ? VERB_CREATE : VERB_UPDATE,
                                  .state = STATE_NEW,
                                  .id = {m->id, ID_BYTES},
                                  .op_id = {m->op_id, 16},
                                  .doc = {b->doc, b->doc_bytes}};
    digest_sha256(m->version.doc, m->version.checksum);
}

enum { LATENCIES_MAX = 1 << 20 };
static int64_t latencies[LATENCIES_MAX];

static int int_order(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Milliseconds that a thousandth, in order of length, of the groups stayed below. */
static double percentile(int64_t groups, int thousandth) {
    return groups == 0 ? 0 : (double)latencies[(groups - 1) * thousandth / 1000] / 1000;
}

enum bench_case { CREATE_ORDERED, CREATE_SCATTERED, UPDATE_DISTINCT, UPDATE_HOT };

static void run(struct bench *b, const char *name, enum bench_case what, int group,
                int64_t versions_max) {
    static struct group_member members[GROUP_MAX];
    int64_t cpu = cpu_us(), wall = clock_mono_us(), end = wall + b->seconds * 1000000, count = 0;
    int64_t syncs = metric_get(METRIC_FSYNCS), groups = 0, before = wall;
    while (before < end && count < versions_max) {
        for (int i = 0; i < group; i++) {
            int64_t item = 0;
            if (what == CREATE_ORDERED || what == CREATE_SCATTERED) item = b->items++;
            if (what == UPDATE_DISTINCT) item = (int64_t)(random_next() % ITEMS);
            member_fill(b, &members[i], item, what == CREATE_SCATTERED);
        }
        group_commit(b, members, group);
        count += group;
        int64_t now = clock_mono_us();
        if (groups < LATENCIES_MAX) latencies[groups++] = now - before;
        before = now;
    }
    cpu = cpu_us() - cpu;
    wall = clock_mono_us() - wall;
    qsort(latencies, (size_t)groups, sizeof latencies[0], int_order);
    printf("%-18s group %3d: %6.1f us cpu, %6.1f us wall, %7.0f/s, %.2f syncs per group; groups in "
           "ms: median %.2f, p99 %.1f, p99.9 %.1f, longest %.1f\n",
           name, group, (double)cpu / (double)count, (double)wall / (double)count,
           1e6 * (double)count / (double)wall,
           (double)((metric_get(METRIC_FSYNCS) - syncs) * group) / (double)count,
           percentile(groups, 500), percentile(groups, 990), percentile(groups, 999),
           percentile(groups, 1000));
    fflush(stdout);
}

static void read_heads(struct bench *b) {
    int64_t cpu = cpu_us(), wall = clock_mono_us(), end = wall + b->seconds * 1000000, count = 0;
    while (clock_mono_us() < end) {
        char id[ID_BYTES + 1];
        item_id((int64_t)(random_next() % ITEMS), false, id);
        struct str ids = {id, ID_BYTES};
        struct version *v;
        struct err err;
        if (b->meta->ops->heads(b->session, &b->coll, &ids, 1, true, &v, &err) != OK) {
            fail("heads", &err);
        }
        if (v == NULL) fprintf(stderr, "a head is missing\n"), exit(1);
        version_unref(v);
        count++;
    }
    printf("%-18s           : %7.1f us cpu, %7.1f us wall\n", "read heads",
           (double)(cpu_us() - cpu) / (double)count,
           (double)(clock_mono_us() - wall) / (double)count);
}

static int64_t folder_bytes(const char *folder, const char *name) {
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &st) == 0 ? (int64_t)st.st_blocks * 512 : 0;
}

static void bench_open(struct bench *b, const char *folder) {
    struct meta_sqlite_options options = {
        .dir = folder, .cache_bytes = 16 << 20, .wal_bytes = 16 << 20, .op_keep_ms = 86400000};
    struct err err;
    int64_t begin = clock_mono_us();
    if (meta_sqlite_open(&options, &b->meta, &err) != OK) fail("open", &err);
    printf("open: %.1f ms\n", (double)(clock_mono_us() - begin) / 1000);
    if (b->meta->ops->coll(b->meta, STR("bench"), STR("c"), true, &b->coll, &err) != OK) {
        fail("coll", &err);
    }
    b->session = b->meta->ops->session_new(b->meta, &err);
    if (b->session == NULL) fail("session", &err);
}

/* Every case in every size of group, or the one that is asked for: c50 s50 u50 h50. */
static void run_all(struct bench *b, const char *only) {
    static const int groups[] = {1, 16, 50, 200};
    static const struct {
        char letter;
        const char *name;
        enum bench_case what;
    } cases[] = {{'c', "create in order", CREATE_ORDERED},
                 {'s', "create scattered", CREATE_SCATTERED},
                 {'u', "update distinct", UPDATE_DISTINCT},
                 {'h', "update hot", UPDATE_HOT}};
    for (int c = 0; c < 4; c++) {
        for (int g = 0; g < 4; g++) {
            char name[16];
            snprintf(name, sizeof name, "%c%d", cases[c].letter, groups[g]);
            if (only != NULL && strcmp(only, name) != 0) continue;
            run(b, cases[c].name, cases[c].what, groups[g], INT64_MAX);
        }
    }
}

int main(int argc, char **argv) {
    char made[] = "/tmp/bench_store_XXXXXX";
    const char *folder = argc > 1 ? argv[1] : mkdtemp(made);
    int64_t seconds = 3, doc_bytes = 1024;
    if (argc > 2 && !str_to_int(str_of(argv[2]), &seconds)) return 2;
    if (argc > 3 && !str_to_int(str_of(argv[3]), &doc_bytes)) return 2;
    struct bench b = {.seconds = seconds, .doc_bytes = (size_t)doc_bytes};
    b.doc = xmalloc(b.doc_bytes);
    for (size_t i = 0; i < b.doc_bytes; i++) b.doc[i] = (char)(' ' + random_next() % 90);
    b.ovs = xcalloc(20000000, sizeof *b.ovs);

    bench_open(&b, folder);
    run(&b, "create in order", CREATE_ORDERED, 50, ITEMS);
    while (b.items < ITEMS) run(&b, "create in order", CREATE_ORDERED, 50, ITEMS - b.items);
    b.meta->ops->session_free(b.session);
    b.meta->ops->close(b.meta);
    int64_t bytes = folder_bytes(folder, "chronos.db");
    printf("%.3f bytes on disk per byte of document (log: %lld bytes)\n",
           (double)bytes / (double)(b.items * doc_bytes),
           (long long)folder_bytes(folder, "chronos.db-wal"));
    bench_open(&b, folder);
    if (argc <= 4) read_heads(&b);
    run_all(&b, argc > 4 ? argv[4] : NULL);
    b.meta->ops->session_free(b.session);
    b.meta->ops->close(b.meta);
    free(b.doc);
    free(b.ovs);
    return 0;
}
