/*
 * load: the run. Connects, starts the threads, notes both sides' CPU time where the measured time
 * begins and where it ends, and prints what came of it as one line of JSON.
 *
 * CPU time is that of the whole process, all threads, from the kernel's CPU clock of that process:
 * the same sum as utime + stime in /proc/PID/stat, without its grain of 10 ms.
 */
#include "bench/load.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "base/err.h"

struct thread {
    pthread_t id;
    struct driver *driver;
    const struct schedule *schedule;
};

struct usage { /* CPU seconds and the instant they were read */
    double server_s, client_s;
    uint64_t at_ns;
};

static void *thread_main(void *arg);
static void raise_file_limit(void);
static struct usage usage_now(const struct options *o);
static void sleep_until(uint64_t at_ns);
static void print_result(const struct options *o, const struct thread *threads,
                         const struct usage *from, const struct usage *to, uint64_t seq);
static void print_latency(const struct hist *h);
static void print_text(const char *text);

int main(int argc, char **argv) {
    static struct options options;
    struct thread threads[THREADS_MAX] = {{0}};
    options_parse(&options, argc, argv);
    raise_file_limit();
    (void)prctl(PR_SET_TIMERSLACK, 10000UL); /* open loop: 10 us late at most, not 50 */
    _Atomic uint64_t seq = options.seq_from;
    for (int i = 0; i < options.threads; i++) threads[i].driver = driver_new(&options, i, &seq);

    bool timed = options.requests == 0;
    struct schedule schedule = {.start_ns = now_ns(), .end_ns = UINT64_MAX};
    schedule.measure_ns = schedule.start_ns + (timed ? (uint64_t)(options.warmup_s * 1e9) : 0);
    if (timed) schedule.end_ns = schedule.measure_ns + (uint64_t)(options.seconds * 1e9);
    struct usage from = usage_now(&options), to = from;
    for (int i = 0; i < options.threads; i++) {
        threads[i].schedule = &schedule;
        int error = pthread_create(&threads[i].id, NULL, thread_main, &threads[i]);
        if (error) fatal("pthread_create: %s", strerror(error));
    }
    if (timed) {
        sleep_until(schedule.measure_ns);
        from = usage_now(&options);
        sleep_until(schedule.end_ns);
        to = usage_now(&options);
    }
    for (int i = 0; i < options.threads; i++) (void)pthread_join(threads[i].id, NULL);
    if (!timed) to = usage_now(&options);
    print_result(&options, threads, &from, &to, seq);
    for (int i = 0; i < options.threads; i++) driver_free(threads[i].driver);
    options_release(&options);
    return 0;
}

uint64_t now_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

_Noreturn void fatal(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)fputs("load: ", stderr);
    (void)vfprintf(stderr, fmt, args);
    (void)fputs("\n", stderr);
    va_end(args);
    exit(1);
}

static void *thread_main(void *arg) {
    struct thread *t = arg;
    driver_run(t->driver, t->schedule);
    return NULL;
}

static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return; /* connecting will tell */
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* connecting will tell */
}

static double cpu_seconds(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t) < 0) fatal("CPU clock: %s", strerror(errno));
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct usage usage_now(const struct options *o) {
    struct usage u = {.at_ns = now_ns(), .client_s = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID)};
    if (o->pid > 0) {
        clockid_t clock;
        int error = clock_getcpuclockid(o->pid, &clock);
        if (error) fatal("--pid %d: %s", o->pid, strerror(error));
        u.server_s = cpu_seconds(clock);
    }
    return u;
}

static void sleep_until(uint64_t at_ns) {
    struct timespec t = {(time_t)(at_ns / 1000000000U), (long)(at_ns % 1000000000U)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) continue;
}

static void print_result(const struct options *o, const struct thread *threads,
                         const struct usage *from, const struct usage *to, uint64_t seq) {
    static struct hist all, kinds[KINDS_MAX];
    uint64_t sent = 0, answered = 0, errors = 0;
    for (int i = 0; i < o->threads; i++) {
        const struct tally *t = driver_tally(threads[i].driver);
        sent += t->sent;
        answered += t->answered;
        errors += t->errors;
        for (int k = 0; k < o->kind_count; k++) hist_merge(&kinds[k], &t->hists[k]);
    }
    for (int k = 0; k < o->kind_count; k++) hist_merge(&all, &kinds[k]);
    double seconds = o->requests ? (double)(to->at_ns - from->at_ns) / 1e9 : o->seconds;
    double cpu_window_s = (double)(to->at_ns - from->at_ns) / 1e9, scale = seconds / cpu_window_s;
    printf("{\"requests\": %llu, \"seconds\": %.6f, \"rate\": %.1f, ",
           (unsigned long long)all.count, seconds, (double)all.count / seconds);
    print_latency(&all);
    printf(", \"errors\": %llu, \"server_cpu_s\": %.6f, \"client_cpu_s\": %.6f, \"sent\": %llu, "
           "\"answered\": %llu, \"seq_next\": %llu, \"kinds\": [",
           (unsigned long long)errors, (to->server_s - from->server_s) * scale,
           (to->client_s - from->client_s) * scale, (unsigned long long)sent,
           (unsigned long long)answered, (unsigned long long)seq);
    for (int k = 0; k < o->kind_count; k++) {
        printf("%s{\"request\": \"", k ? ", " : "");
        print_text(o->kinds[k].text);
        printf("\", \"requests\": %llu, ", (unsigned long long)kinds[k].count);
        print_latency(&kinds[k]);
        printf("}");
    }
    printf("]}\n");
}

static void print_latency(const struct hist *h) {
    printf("\"mean_us\": %.2f, \"p50_us\": %.2f, \"p90_us\": %.2f, \"p99_us\": %.2f, "
           "\"p999_us\": %.2f, \"max_us\": %.2f",
           h->count ? h->sum_ns / (double)h->count / 1e3 : 0.0, hist_quantile_us(h, 0.5),
           hist_quantile_us(h, 0.9), hist_quantile_us(h, 0.99), hist_quantile_us(h, 0.999),
           (double)h->max_ns / 1e3);
}

static void print_text(const char *text) {
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            printf("\\%c", *p);
        else if ((unsigned char)*p < ' ')
            printf("\\u%04x", (unsigned)*p);
        else
            putchar(*p);
    }
}
