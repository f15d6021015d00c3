/*
 * CONFIG, TIME, LASTSAVE, WAIT, SHUTDOWN and DEBUG.
 */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/metrics.h"
#include "commands/cmds.h"
#include "commands/dispatch.h"
#include "commands/options.h"
#include "commands/stats.h"
#include "config/config.h"

enum { SLEEP_MAX_S = 3600 };

/* ---- CONFIG ---- */

struct setting {
    struct setting *next;
    struct str name, value;
};
struct settings {
    struct arena *arena;
    struct setting *first, **last;
    int count;
};

static void add_setting(void *arg, struct str name, struct str value) {
    struct settings *list = arg;
    struct setting *one = arena_alloc(list->arena, sizeof *one);
    *one = (struct setting){.name = arena_dup(list->arena, name),
                            .value = arena_dup(list->arena, value)};
    *list->last = one;
    list->last = &one->next;
    list->count++;
}

enum status cmd_config_get(struct call *call, struct err *err) {
    struct settings list = {.arena = call->arena, .last = &list.first};
    (void)err;
    config_get(call->config, call->argv + 2, call->argc - 2, add_setting, &list);
    reply_map(call->reply, list.count);
    for (const struct setting *s = list.first; s; s = s->next) {
        reply_bulk(call->reply, s->name);
        reply_bulk(call->reply, s->value.p ? s->value : STR(""));
    }
    return OK;
}

enum status cmd_config_set(struct call *call, struct err *err) {
    if (call->argc % 2 != 0)
        return err_set(err, ERR_SYNTAX, "wrong number of arguments for 'config|set' command");
    struct config *config;
    enum status s =
        config_set(call->app->config, call->argv + 2, (call->argc - 2) / 2, &config, err);
    if (s != OK) return s;
    dispatch_publish(call->app, config);
    reply_ok(call->reply);
    return OK;
}

enum status cmd_config_resetstat(struct call *call, struct err *err) {
    (void)err;
    metrics_reset();
    stats_reset(call->app->stats);
    reply_ok(call->reply);
    return OK;
}

enum status cmd_config_rewrite(struct call *call, struct err *err) {
    enum status s = config_rewrite(call->config, err);
    if (s == OK) reply_ok(call->reply);
    return s;
}

/* ---- small ones ---- */

static void reply_number(struct call *call, int64_t n) {
    reply_bulk(call->reply, arena_printf(call->arena, "%lld", (long long)n));
}

enum status cmd_time(struct call *call, struct err *err) {
    int64_t now_us = clock_now_us();
    (void)err;
    reply_array(call->reply, 2);
    reply_number(call, now_us / 1000000);
    reply_number(call, now_us % 1000000);
    return OK;
}

/* Before the first commit: when the server began, as Redis does. */
enum status cmd_lastsave(struct call *call, struct err *err) {
    struct engine_stats stats;
    (void)err;
    engine_stats(call->engine, &stats);
    int64_t last_ms = stats.last_commit_ms > 0 ? stats.last_commit_ms : call->app->start_ms;
    reply_int(call->reply, last_ms / 1000);
    return OK;
}

/* An acknowledged write is in the payload store of the embedded backend already. */
enum status cmd_wait(struct call *call, struct err *err) {
    int64_t replicas, wait_ms;
    if (!str_to_int(call->argv[1], &replicas) || replicas < 0)
        return err_set(err, ERR_SYNTAX, "value is not an integer or out of range");
    if (!str_to_int(call->argv[2], &wait_ms))
        return err_set(err, ERR_SYNTAX, "timeout is not an integer or out of range");
    if (wait_ms < 0) return err_set(err, ERR_SYNTAX, "timeout is negative");
    reply_int(call->reply, 1);
    return OK;
}

enum status cmd_shutdown(struct call *call, struct err *err) {
    enum { NOSAVE = 1, SAVE = 2, NOW = 4, FORCE = 8, ABORT = 16 };
    static const char *const words[] = {"NOSAVE", "SAVE", "NOW", "FORCE", "ABORT"};
    unsigned given = 0;
    for (int i = 1; i < call->argc; i++) {
        unsigned bit = 0;
        for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
            if (str_eq_nocase(call->argv[i], str_of(words[w]))) bit = 1u << w;
        }
        if (!bit || (given & bit)) return err_set(err, ERR_SYNTAX, "syntax error");
        given |= bit;
    }
    if ((given & NOSAVE && given & SAVE) || (given & ABORT && given != ABORT))
        return err_set(err, ERR_SYNTAX, "syntax error");
    if (given == ABORT) return err_set(err, ERR_SYNTAX, "No shutdown in progress.");
    net_shutdown(call->app->net); /* no answer: the connection ends */
    return OK;
}

/* ---- DEBUG ---- */

static bool is_local(const struct session *session) {
    struct str addr = str_of(session->addr);
    return session->unix_socket || str_starts_with(addr, STR("127.")) ||
           str_starts_with(addr, STR("[::1]")) || str_starts_with(addr, STR("::1"));
}

static enum status check_debug(const struct call *call, struct err *err) {
    enum debug_allowed allowed = call->config->debug;
    if (allowed == DEBUG_YES || (allowed == DEBUG_LOCAL && is_local(call->session))) return OK;
    return err_set(err, ERR_SYNTAX,
                   "DEBUG command not allowed. The setting server.debug allows it: \"local\" for "
                   "connections of this machine, \"yes\" for all");
}

/* Seconds with at most three decimals, as milliseconds. */
static bool read_seconds(struct str text, int64_t *ret_ms) {
    ptrdiff_t point = str_find_char(text, '.');
    struct str whole = {text.p, point < 0 ? text.n : (size_t)point};
    int64_t s, ms = 0;
    if (!str_to_int(whole, &s) || s < 0 || s > SLEEP_MAX_S) return false;
    if (point >= 0) {
        size_t digits = text.n - whole.n - 1;
        if (digits < 1 || digits > 3) return false;
        for (size_t i = 0; i < 3; i++) {
            char c = i < digits ? text.p[whole.n + 1 + i] : '0';
            if (c < '0' || c > '9') return false;
            ms = ms * 10 + (c - '0');
        }
    }
    *ret_ms = s * 1000 + ms;
    return true;
}

enum status cmd_debug_sleep(struct call *call, struct err *err) {
    int64_t ms;
    enum status s = check_debug(call, err);
    if (s != OK) return s;
    if (!read_seconds(call->argv[2], &ms))
        return err_set(err, ERR_SYNTAX,
                       "DEBUG SLEEP takes seconds from 0 to %d with up to three decimals",
                       SLEEP_MAX_S);
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) == -1 && errno == EINTR) continue;
    reply_ok(call->reply);
    return OK;
}

enum status cmd_debug_fault(struct call *call, struct err *err) {
    int64_t nth = 1;
    int at = 4;
    enum status s = check_debug(call, err);
    if (s == OK && call->argc > at && !str_eq_nocase(call->argv[at], STR("FOREVER")))
        s = argument_int(call->argv[at++], "nth", 1, INT64_MAX, &nth, err);
    if (s != OK) return s;
    bool forever = call->argc > at && str_eq_nocase(call->argv[at], STR("FOREVER"));
    at += forever;
    if (at != call->argc) return err_set(err, ERR_SYNTAX, "syntax error");
    s = fault_arm(call->argv[2], call->argv[3], nth, forever, err);
    if (s == OK) reply_ok(call->reply);
    return s;
}
