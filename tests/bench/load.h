/*
 * load: a load generator for servers of the Redis protocol, cheap enough not to be the bottleneck
 * itself. One thread (or a few, --threads) drives all connections with epoll. Requests are built
 * once, and only their random or running numbers are written anew for each sending; replies are
 * parsed whole, checked, and an error or an unexpected one ends the run.
 *
 * A *set* is a number of connections that send the same mix of *kinds* of request, either
 *   closed loop: each connection sends `pipeline` requests at once and the next ones when all are
 *   answered; a latency begins when the request is sent; or
 *   open loop (--rate): requests fall due at instants that do not care for the server, any
 *   connection with room sends them, and a latency begins at that instant, not at the sending.
 *
 * load.c holds the run, load_args.c the command line, load_kind.c requests and expectations,
 * load_drive.c the connections and the event loop, load_reply.c the parser, load_hist.c the
 * histogram.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FIELDS_MAX = 8,           /* numbers in one request */
    KINDS_MAX = 16,           /* kinds of request in a run */
    SETS_MAX = 8,             /* sets of connections in a run */
    THREADS_MAX = 8,          /* threads of the generator */
    CLIENTS_MAX = 50000,      /* connections of a set */
    PIPELINE_MAX = 4096,      /* requests in flight on a connection */
    REPLY_BYTES_MAX = 1 << 28 /* longest reply that is taken for one */
};

/* A number of fixed width in the bytes of a request. */
enum field_source {
    FIELD_RANDOM, /* uniform in [lo, lo + span) */
    FIELD_SEQ,    /* the next of the run's sequence */
    FIELD_SAME,   /* the request's number: the first that was drawn for it */
};
struct field {
    enum field_source source;
    size_t at; /* offset in the request */
    int digits;
    uint64_t lo, span;
};

/* What a reply must be: these bytes, whole or at its beginning, with the request's number at
 * same_at. */
struct expect {
    char *bytes; /* NULL: any reply that is no error */
    size_t len;
    bool whole;
    ptrdiff_t same_at; /* -1: the number is not in it */
};

struct kind {
    const char *text; /* as on the command line */
    char *bytes;      /* the request in RESP, its numbers zero */
    size_t len;
    struct field fields[FIELDS_MAX];
    int field_count;
    struct expect expect;
    uint32_t weight; /* share in its set's mix */
    int index;       /* in the run */
};

struct set {
    int clients, pipeline;
    double rate;      /* requests a second; 0: closed loop */
    bool even;        /* open loop: equal gaps instead of random ones (a Poisson process) */
    int first, count; /* its kinds in options.kinds */
    uint32_t weights; /* sum */
    size_t len_max;   /* longest request, bytes */
};

struct options {
    const char *host;
    int port;
    int pid; /* the server's, for its CPU time; 0: not asked for */
    int threads;
    double warmup_s, seconds;
    uint64_t requests; /* instead of a time: so many in all; 0: by time */
    uint64_t seed, seq_from;
    double timeout_s; /* longest silence while replies are due */
    bool allow_errors;
    struct set sets[SETS_MAX];
    int set_count;
    struct kind kinds[KINDS_MAX];
    int kind_count;
};

/* Reads the command line or ends the program with a message and status 2. */
void options_parse(struct options *o, int argc, char **argv);
void options_release(struct options *o);

/* ---- kinds of request ---- */

/* "CHRONOS.GET k:{rand:0:1000}" into RESP: words between blanks, numbers in braces (see
 * options_usage). False: *ret_fault says what is wrong. */
bool kind_parse(struct kind *k, const char *text, const char **ret_fault);
bool kind_expect(struct kind *k, const char *text, bool whole, const char **ret_fault);
void kind_release(struct kind *k);

struct draw { /* where numbers come from: a thread's own state and the run's sequence */
    uint64_t random;
    _Atomic uint64_t *seq;
};
uint64_t draw_random(struct draw *d);
/* Writes the numbers into a copy of k->bytes and returns the request's number. */
uint64_t kind_fill(const struct kind *k, char *request, struct draw *d);
/* Is this whole reply, of n bytes, what was expected of the request with that number? */
bool kind_accepts(const struct kind *k, uint64_t number, const char *reply, size_t n);

/* ---- replies ---- */

enum reply_state { REPLY_WHOLE, REPLY_PARTIAL, REPLY_MALFORMED };
/* One RESP2 reply at the beginning of p: *ret_len its length, *ret_error whether it is an error or
 * holds one. */
enum reply_state reply_scan(const char *p, size_t n, size_t *ret_len, bool *ret_error);

/* ---- histogram ---- */

enum { HIST_SUB_BITS = 7, HIST_BUCKETS = (42 - HIST_SUB_BITS) << HIST_SUB_BITS };
struct hist { /* of nanoseconds; a bucket is at most 1/128 of its value wide */
    uint64_t buckets[HIST_BUCKETS];
    uint64_t count, max_ns;
    double sum_ns;
};
void hist_add(struct hist *h, uint64_t ns);
void hist_merge(struct hist *into, const struct hist *from);
/* The value that a share q (0 to 1) of the samples does not exceed, in microseconds. */
double hist_quantile_us(const struct hist *h, double q);

/* ---- driving the connections ---- */

struct driver; /* one thread's connections */

struct schedule {                          /* monotonic nanoseconds; the same for every thread */
    uint64_t start_ns, measure_ns, end_ns; /* end_ns is UINT64_MAX in a run of --requests */
};
struct tally {                       /* what one thread saw; read after it has ended */
    struct hist hists[KINDS_MAX];    /* of the measured time */
    uint64_t sent, answered, errors; /* of the whole run */
};

/* Connects `share` of every set's connections: those with index % threads == number. Ends the
 * program with a message when it cannot. */
struct driver *driver_new(const struct options *o, int number, _Atomic uint64_t *seq);
/* Runs until the time is up, or the requests are sent, and every reply is in. */
void driver_run(struct driver *d, const struct schedule *schedule);
const struct tally *driver_tally(const struct driver *d);
void driver_free(struct driver *d);

uint64_t now_ns(void); /* monotonic */
_Noreturn void fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
