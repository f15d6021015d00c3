/*
 * load_hist: a histogram of latencies in the manner of HdrHistogram. Values below 256 ns have a
 * bucket each; above, every power of two is cut into 128 buckets, so that a quantile is right to
 * 0.8 % at any size. Adding is a shift and an increment. Values above 2^42 ns (73 minutes) count as
 * that.
 */
#include "bench/load.h"

static size_t bucket_of(uint64_t ns);
static uint64_t bucket_middle(size_t bucket);

void hist_add(struct hist *h, uint64_t ns) {
    h->buckets[bucket_of(ns)]++;
    h->count++;
    h->sum_ns += (double)ns;
    if (ns > h->max_ns) h->max_ns = ns;
}

void hist_merge(struct hist *into, const struct hist *from) {
    for (size_t i = 0; i < HIST_BUCKETS; i++) into->buckets[i] += from->buckets[i];
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns) into->max_ns = from->max_ns;
}

double hist_quantile_us(const struct hist *h, double q) {
    uint64_t rank = (uint64_t)(q * (double)h->count + 0.5), seen = 0;
    if (h->count == 0) return 0;
    if (rank < 1) rank = 1;
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen < rank) continue;
        uint64_t ns = bucket_middle(i);
        return (double)(ns < h->max_ns ? ns : h->max_ns) / 1e3;
    }
    return (double)h->max_ns / 1e3;
}

/* The top HIST_SUB_BITS + 1 bits of the value and the number of bits below them. */
static size_t bucket_of(uint64_t ns) {
    const uint64_t plain = 2U << HIST_SUB_BITS;
    if (ns < plain) return (size_t)ns;
    if (ns >> 42 != 0) return HIST_BUCKETS - 1;
    unsigned shift = (unsigned)(63 - __builtin_clzll(ns)) - HIST_SUB_BITS;
    return ((size_t)shift << HIST_SUB_BITS) + (size_t)(ns >> shift);
}

static uint64_t bucket_middle(size_t bucket) {
    if (bucket < (2U << HIST_SUB_BITS)) return bucket;
    unsigned shift = (unsigned)(bucket >> HIST_SUB_BITS) - 1;
    uint64_t top = bucket - ((uint64_t)shift << HIST_SUB_BITS);
    return (top << shift) + ((1ULL << shift) >> 1);
}
