/*
 * load_args: the command line. Options of a set belong to the set that --set began last; an
 * expectation and a weight belong to the request before them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "bench/load.h"

static const char usage[] =
    "usage: load --port N [--host ADDRESS] [--pid N] [--threads N] [--seed N] [--seq-from N]\n"
    "            [--warmup S] [--seconds S | --requests N] [--timeout S] [--allow-errors]\n"
    "            [--set] [--clients N] [--pipeline N] [--rate N [--even]]\n"
    "            --request TEXT [--weight N] [--expect REPLY | --expect-prefix REPLY] ...\n"
    "\n"
    "Drives a server of the Redis protocol and prints one line of JSON.\n"
    "  --pid            the server's process id, for its CPU time\n"
    "  --warmup         seconds before the measured ones (0.5)\n"
    "  --seconds        measured seconds (2)\n"
    "  --requests       send so many requests and measure all of it\n"
    "  --timeout        longest silence while replies are due (20)\n"
    "  --allow-errors   count error replies instead of ending at the first one\n"
    "  --set            begins another set of connections\n"
    "  --clients        connections of the set (50)\n"
    "  --pipeline       requests in flight on each of them (1)\n"
    "  --rate           open loop: requests a second of the set, at random instants;\n"
    "                   --even: at equal distances. Without it: closed loop\n"
    "  --request        the words of a request. In it {rand:LO:HI[:DIGITS]} is a random number,\n"
    "                   {seq} the next of the run's sequence (--seq-from), {same} the request's\n"
    "                   first number again, {json:BYTES} a document with that number in it,\n"
    "                   {text:BYTES} filler. Numbers have 12 digits unless told otherwise\n"
    "  --weight         share of this request in the set's mix (1)\n"
    "  --expect         the whole reply in RESP2; \\r, \\n and {same} may stand in it\n"
    "  --expect-prefix  the reply's beginning\n";

struct option {
    const char *name;
    bool flag; /* takes no value */
    void (*take)(struct options *o, const char *value);
};

static void usage_fail(const char *what, const char *value);
static uint64_t integer(const char *name, const char *value, int64_t min, int64_t max);
static double seconds(const char *name, const char *value);
static struct set *last_set(struct options *o);
static struct kind *last_kind(struct options *o, const char *name);
static void begin_set(struct options *o);
static void finish(struct options *o);

static void take_host(struct options *o, const char *v) {
    o->host = v;
}
static void take_port(struct options *o, const char *v) {
    o->port = (int)integer("--port", v, 1, 65535);
}
static void take_pid(struct options *o, const char *v) {
    o->pid = (int)integer("--pid", v, 1, INT32_MAX);
}
static void take_threads(struct options *o, const char *v) {
    o->threads = (int)integer("--threads", v, 1, THREADS_MAX);
}
static void take_seed(struct options *o, const char *v) {
    o->seed = integer("--seed", v, 0, INT64_MAX);
}
static void take_seq_from(struct options *o, const char *v) {
    o->seq_from = integer("--seq-from", v, 0, 999999999999);
}
static void take_warmup(struct options *o, const char *v) {
    o->warmup_s = seconds("--warmup", v);
}
static void take_seconds(struct options *o, const char *v) {
    o->seconds = seconds("--seconds", v);
}
static void take_requests(struct options *o, const char *v) {
    o->requests = integer("--requests", v, 1, INT64_MAX);
}
static void take_timeout(struct options *o, const char *v) {
    o->timeout_s = seconds("--timeout", v);
}
static void take_allow_errors(struct options *o, const char *v) {
    (void)v; /* a flag */
    o->allow_errors = true;
}
static void take_set(struct options *o, const char *v) {
    (void)v; /* a flag */
    if (o->set_count == 1 && last_set(o)->count == 0) return;
    begin_set(o);
}
static void take_clients(struct options *o, const char *v) {
    last_set(o)->clients = (int)integer("--clients", v, 1, CLIENTS_MAX);
}
static void take_pipeline(struct options *o, const char *v) {
    last_set(o)->pipeline = (int)integer("--pipeline", v, 1, PIPELINE_MAX);
}
static void take_rate(struct options *o, const char *v) {
    last_set(o)->rate = seconds("--rate", v);
}
static void take_even(struct options *o, const char *v) {
    (void)v; /* a flag */
    last_set(o)->even = true;
}
static void take_request(struct options *o, const char *v) {
    const char *fault = NULL;
    if (o->kind_count == KINDS_MAX) usage_fail("too many requests, at", v);
    struct kind *k = &o->kinds[o->kind_count];
    k->index = o->kind_count++;
    k->weight = 1;
    last_set(o)->count++;
    if (!kind_parse(k, v, &fault)) usage_fail(fault, v);
}
static void take_weight(struct options *o, const char *v) {
    last_kind(o, "--weight")->weight = (uint32_t)integer("--weight", v, 1, 1000000);
}
static void expect(struct options *o, const char *v, bool whole) {
    const char *fault = NULL;
    struct kind *k = last_kind(o, "--expect");
    if (k->expect.bytes) usage_fail("a second expectation", v);
    if (!kind_expect(k, v, whole, &fault)) usage_fail(fault, v);
}
static void take_expect(struct options *o, const char *v) {
    expect(o, v, true);
}
static void take_expect_prefix(struct options *o, const char *v) {
    expect(o, v, false);
}

static const struct option table[] = {
    {"--allow-errors", true, take_allow_errors},
    {"--clients", false, take_clients},
    {"--even", true, take_even},
    {"--expect", false, take_expect},
    {"--expect-prefix", false, take_expect_prefix},
    {"--host", false, take_host},
    {"--pid", false, take_pid},
    {"--pipeline", false, take_pipeline},
    {"--port", false, take_port},
    {"--rate", false, take_rate},
    {"--request", false, take_request},
    {"--requests", false, take_requests},
    {"--seconds", false, take_seconds},
    {"--seed", false, take_seed},
    {"--seq-from", false, take_seq_from},
    {"--set", true, take_set},
    {"--threads", false, take_threads},
    {"--timeout", false, take_timeout},
    {"--warmup", false, take_warmup},
    {"--weight", false, take_weight},
};

void options_parse(struct options *o, int argc, char **argv) {
    *o = (struct options){.host = "127.0.0.1",
                          .threads = 1,
                          .warmup_s = 0.5,
                          .seconds = 2,
                          .seed = 1,
                          .timeout_s = 20};
    begin_set(o);
    for (int i = 1; i < argc; i++) {
        const struct option *found = NULL;
        if (strcmp(argv[i], "--help") == 0) {
            (void)fputs(usage, stdout); /* nothing to do about a closed stdout */
            exit(0);
        }
        for (size_t j = 0; j < sizeof table / sizeof table[0]; j++)
            if (strcmp(argv[i], table[j].name) == 0) found = &table[j];
        if (!found) usage_fail("unknown option", argv[i]);
        if (!found->flag && i + 1 == argc) usage_fail("a value is missing after", argv[i]);
        found->take(o, found->flag ? NULL : argv[++i]);
    }
    finish(o);
}

void options_release(struct options *o) {
    for (int i = 0; i < o->kind_count; i++) kind_release(&o->kinds[i]);
}

static void usage_fail(const char *what, const char *value) {
    (void)fprintf(stderr, "load: %s: %s\nSee load --help.\n", what, value);
    exit(2);
}

static uint64_t integer(const char *name, const char *value, int64_t min, int64_t max) {
    int64_t v = 0;
    if (!str_to_int(str_of(value), &v) || v < min || v > max) {
        (void)fprintf(stderr, "load: %s: an integer from %lld to %lld is expected, not '%s'\n",
                      name, (long long)min, (long long)max, value);
        exit(2);
    }
    return (uint64_t)v;
}

static double seconds(const char *name, const char *value) {
    char *end = NULL;
    double v = strtod(value, &end);
    if (end == value || *end || !(v >= 0) || v > 1e9) {
        (void)fprintf(stderr, "load: %s: a number from 0 to 1e9 is expected, not '%s'\n", name,
                      value);
        exit(2);
    }
    return v;
}

static struct set *last_set(struct options *o) {
    return &o->sets[o->set_count - 1];
}

static struct kind *last_kind(struct options *o, const char *name) {
    if (last_set(o)->count == 0) usage_fail("a --request must stand before", name);
    return &o->kinds[o->kind_count - 1];
}

static void begin_set(struct options *o) {
    if (o->set_count == SETS_MAX) usage_fail("too many sets", "--set");
    o->sets[o->set_count++] = (struct set){.clients = 50, .pipeline = 1, .first = o->kind_count};
}

static void finish(struct options *o) {
    if (o->port == 0) usage_fail("missing", "--port");
    if (o->requests == 0 && o->seconds == 0) usage_fail("zero", "--seconds");
    for (int i = 0; i < o->set_count; i++) {
        struct set *s = &o->sets[i];
        if (s->count == 0) usage_fail("a set without requests: missing", "--request");
        for (int j = s->first; j < s->first + s->count; j++) {
            s->weights += o->kinds[j].weight;
            if (o->kinds[j].len > s->len_max) s->len_max = o->kinds[j].len;
        }
    }
}
