/*
 * Two blocks of counters: the reactor's has one writer, which loads and stores; the workers' is
 * added to atomically. A reader sums both.
 */
#include "commands/stats.h"

#include <stdatomic.h>

#include "base/metrics.h"
#include "commands/table.h"

/* Times are counted in buckets of a quarter of an octave: 0 1 2 3 4 5 6 7 8-9 10-11 12-13 14-15
 * 16-19 ... up to the last, which takes all that is longer. */
enum { QUARTERS = 4, BUCKETS = 104 };

struct counters {
    _Atomic int64_t calls, usec, rejected, failed;
    _Atomic int64_t times[BUCKETS];
};

struct side {
    struct counters commands[COMMANDS_MAX];
    _Atomic int64_t errors[STATUS_COUNT];
};

struct stats {
    struct side sides[STATS_SIDES];
};

static void add(enum stats_side side, _Atomic int64_t *counter, int64_t n) {
    if (side == STATS_WORKER)
        atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
    else
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                              memory_order_relaxed);
}

static int64_t get(const _Atomic int64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

struct stats *stats_new(struct arena *arena) {
    return arena_zalloc(arena, sizeof(struct stats));
}

/* A call that is counted meanwhile may survive or vanish: figures, not promises. */
void stats_reset(struct stats *s) {
    for (int side = 0; side < STATS_SIDES; side++) {
        for (int i = 0; i < COMMANDS_MAX; i++) {
            struct counters *c = &s->sides[side].commands[i];
            atomic_store_explicit(&c->calls, 0, memory_order_relaxed);
            atomic_store_explicit(&c->usec, 0, memory_order_relaxed);
            atomic_store_explicit(&c->rejected, 0, memory_order_relaxed);
            atomic_store_explicit(&c->failed, 0, memory_order_relaxed);
            for (int b = 0; b < BUCKETS; b++)
                atomic_store_explicit(&c->times[b], 0, memory_order_relaxed);
        }
        for (int i = 0; i < STATUS_COUNT; i++)
            atomic_store_explicit(&s->sides[side].errors[i], 0, memory_order_relaxed);
    }
}

void stats_error(struct stats *s, enum stats_side side, enum status status) {
    ASSERT(status >= 0 && status < STATUS_COUNT);
    add(side, &s->sides[side].errors[status], 1);
    metric_add(METRIC_ERRORS, 1);
}

void stats_call(struct stats *s, enum stats_side side, int index, enum status status) {
    struct counters *c = &s->sides[side].commands[index];
    add(side, &c->calls, 1);
    if (status == OK) return;
    add(side, &c->failed, 1);
    stats_error(s, side, status);
}

static int bucket_of(int64_t usec) {
    if (usec < QUARTERS) return usec < 0 ? 0 : (int)usec;
    int octave = 63 - __builtin_clzll((unsigned long long)usec);
    int bucket = QUARTERS * (octave - 1) + (int)(usec >> (octave - 2) & (QUARTERS - 1));
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

/* The longest time in a bucket. */
static int64_t bucket_end(int bucket) {
    if (++bucket < QUARTERS) return bucket - 1;
    int octave = bucket / QUARTERS + 1;
    return ((int64_t)(QUARTERS + bucket % QUARTERS) << (octave - 2)) - 1;
}

void stats_time(struct stats *s, enum stats_side side, int index, int64_t usec, int64_t times) {
    struct counters *c = &s->sides[side].commands[index];
    add(side, &c->usec, usec * times);
    add(side, &c->times[bucket_of(usec)], times);
}

void stats_reject(struct stats *s, enum stats_side side, int index, enum status status) {
    if (index >= 0) add(side, &s->sides[side].commands[index].rejected, 1);
    stats_error(s, side, status);
}

void stats_of(const struct stats *s, int index, struct command_stats *ret) {
    *ret = (struct command_stats){0};
    for (int side = 0; side < STATS_SIDES; side++) {
        const struct counters *c = &s->sides[side].commands[index];
        ret->calls += get(&c->calls);
        ret->usec += get(&c->usec);
        ret->rejected += get(&c->rejected);
        ret->failed += get(&c->failed);
    }
}

int64_t stats_percentile(const struct stats *s, int index, int per_mille) {
    int64_t times[BUCKETS], all = 0, passed = 0;
    for (int b = 0; b < BUCKETS; b++) {
        times[b] = get(&s->sides[STATS_REACTOR].commands[index].times[b]) +
                   get(&s->sides[STATS_WORKER].commands[index].times[b]);
        all += times[b];
    }
    for (int b = 0; b < BUCKETS && all > 0; b++) {
        passed += times[b];
        if (passed * 1000 >= all * per_mille) return bucket_end(b);
    }
    return 0;
}

int64_t stats_errors(const struct stats *s, enum status status) {
    return get(&s->sides[STATS_REACTOR].errors[status]) +
           get(&s->sides[STATS_WORKER].errors[status]);
}

int64_t stats_calls(const struct stats *s) {
    int64_t calls = 0;
    for (int i = 0; i < COMMANDS_MAX; i++)
        calls += get(&s->sides[STATS_REACTOR].commands[i].calls) +
                 get(&s->sides[STATS_WORKER].commands[i].calls);
    return calls;
}
