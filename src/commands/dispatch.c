/*
 * Dispatch: looks the row up, checks, and runs it where it belongs.
 *
 * In the reactor (dispatch_request): an error in the command line, a command that never blocks and
 * a read that the cache can answer are answered at once; everything else goes to a worker. In a
 * worker (dispatch_run): the batch's requests in their order. Neighbouring writes go into one set:
 *
 *     plan, plan, plan  --submit-->  [parked]  --a leader commits-->  answer, answer, answer
 *
 * Errors found while planning are kept and written in their place. After commit_submit the batch
 * belongs to the set's `done`, which may already run in another thread: nothing here touches it any
 * more. `done` answers the writes and hands the batch on: back to the reactor when nothing is left,
 * else to the workers' queue.
 */
#include "commands/dispatch.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"
#include "commands/cursors.h"
#include "commands/docs.h"
#include "commands/stats.h"
#include "commands/table.h"
#include "config/config.h"

enum {
    SAMPLE_EVERY = 16, /* requests in the reactor whose time is taken */
    UNKNOWN_ARGS_BYTES = 128,
    SET_ROOM = 8,
    OUT_PAUSE_BYTES = 1024 * 1024, /* of replies: a batch that has more gives them away first */
};

/* What `run` keeps of a batch, in its arena. */
struct pending {                     /* a request whose answer waits for the set */
    const struct table_entry *entry; /* NULL: an unknown command */
    struct err *err;                 /* it was refused before it got so far */
    bool rejected;                   /* even before it was planned */
    void *memo;
    int first, count; /* its writes in the set */
};
struct run {
    struct app *app;
    struct batch *batch;
    struct pending *pending;
    int pending_count;
    int room; /* of set.writes */
    int64_t began_us;
    struct write_set set;
};

static void writes_done(struct write_set *set);

/* ---- looking up ---- */

static enum status unknown_command(const struct request *request, struct err *err) {
    char args[UNKNOWN_ARGS_BYTES * 2];
    size_t n = 0;
    args[0] = '\0';
    for (int i = 1; i < request->argc && n < UNKNOWN_ARGS_BYTES; i++) {
        size_t most = UNKNOWN_ARGS_BYTES - n;
        struct str arg = request->argv[i];
        if (arg.n > most) arg.n = most;
        int written = snprintf(args + n, sizeof args - n, "'%.*s' ", STR_FMT(arg));
        if (written < 0) break;
        n += (size_t)written;
    }
    struct str name = request->argv[0];
    if (name.n > UNKNOWN_ARGS_BYTES) name.n = UNKNOWN_ARGS_BYTES;
    return err_set(err, ERR_SYNTAX, "unknown command '%.*s', with args beginning with: %s",
                   STR_FMT(name), args);
}

static enum status unknown_subcommand(const struct command *container, struct str sub,
                                      struct err *err) {
    char upper[32];
    size_t i = 0;
    for (; container->name[i] && i + 1 < sizeof upper; i++) {
        char c = container->name[i];
        upper[i] = c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
    }
    upper[i] = '\0';
    if (sub.n > UNKNOWN_ARGS_BYTES) sub.n = UNKNOWN_ARGS_BYTES;
    return err_set(err, ERR_SYNTAX, "unknown subcommand '%.*s'. Try %s HELP.", STR_FMT(sub), upper);
}

static enum status wrong_arity(const struct command *row, struct err *err) {
    return err_set(err, ERR_SYNTAX, "wrong number of arguments for '%s' command", row->name);
}

/* The row of a request; *ret stays the row that was found when the request does not fit it. */
static enum status resolve(const struct request *request, const struct table_entry **ret,
                           struct err *err) {
    const struct table_entry *e = *ret = table_lookup(request->argv[0]);
    if (!e) return unknown_command(request, err);
    if (e->subs > 0 && (request->argc > 1 || !e->command->run)) {
        if (request->argc == 1) return wrong_arity(e->command, err);
        e = table_lookup_sub(e, request->argv[1]);
        if (!e) return unknown_subcommand((*ret)->command, request->argv[1], err);
        *ret = e;
    }
    if (!table_entry_fits(e, request->argc)) return wrong_arity(e->command, err);
    return OK;
}

static int index_of(const struct table_entry *entry) {
    return entry ? entry->index : -1;
}

static bool is_worth_logging(enum status status) {
    return status == ERR_INTERNAL || status == ERR_CORRUPT || status == ERR_BACKEND ||
           status == ERR_TIMEDOUT;
}

/* Cuts a half-written reply back to the mark and writes the error in its place. */
static void write_failure(struct reply *reply, size_t mark, const struct command *row,
                          const struct err *err) {
    buf_cut(reply->out, mark);
    reply_error(reply, err);
    if (is_worth_logging(err->code))
        log_line(LOG_ERROR, LOG_FAILURE, "%s: %s %s", row->name, status_word(err->code), err->msg);
}

/* ---- the reactor ---- */

static void note_figures(struct app *app) {
    struct net_stats now = {0};
    if (app->net) net_stats(app->net, &now);
    struct figures *f = &app->figures;
    atomic_store_explicit(&f->clients, now.clients, memory_order_relaxed);
    atomic_store_explicit(&f->clients_max, now.clients_max, memory_order_relaxed);
    atomic_store_explicit(&f->blocked, now.blocked, memory_order_relaxed);
    atomic_store_explicit(&f->workers, now.workers, memory_order_relaxed);
    atomic_store_explicit(&f->queued, now.queued, memory_order_relaxed);
    atomic_store_explicit(&f->in_bytes_max, now.in_bytes_max, memory_order_relaxed);
    atomic_store_explicit(&f->out_bytes_max, now.out_bytes_max, memory_order_relaxed);
}

static enum verdict reject(struct app *app, struct reply *reply, const struct table_entry *entry,
                           const struct err *err) {
    reply_error(reply, err);
    stats_reject(app->stats, STATS_REACTOR, index_of(entry), err->code);
    return VERDICT_DONE;
}

/* A sample stands for the requests between it and the next. */
static void note_sample(struct call *call, int64_t began_us) {
    stats_time(call->app->stats, STATS_REACTOR, call->entry->index, clock_mono_us() - began_us,
               SAMPLE_EVERY);
}

static enum verdict run_here(struct call *call) {
    struct app *app = call->app;
    size_t mark = call->reply->out->len;
    struct err err;
    bool sampled = app->seen++ % SAMPLE_EVERY == 0;
    int64_t began_us = sampled ? clock_mono_us() : 0;
    enum status s = call->command->run(call, &err);
    if (s != OK) write_failure(call->reply, mark, call->command, &err);
    if (sampled) note_sample(call, began_us);
    stats_call(app->stats, STATS_REACTOR, call->entry->index, s);
    arena_reset(&app->arena);
    return call->session->closing ? VERDICT_CLOSE : VERDICT_DONE;
}

static enum verdict try_cache(struct call *call) {
    struct app *app = call->app;
    bool sampled = app->seen++ % SAMPLE_EVERY == 0;
    int64_t began_us = sampled ? clock_mono_us() : 0;
    size_t mark = call->reply->out->len;
    bool answered = call->command->cached(call);
    arena_reset(&app->arena);
    if (!answered) {
        buf_cut(call->reply->out, mark);
        return VERDICT_WORKER;
    }
    if (sampled) note_sample(call, began_us);
    stats_call(app->stats, STATS_REACTOR, call->entry->index, OK);
    return VERDICT_DONE;
}

static enum verdict dispatch_request(void *arg, struct session *session,
                                     const struct config *config, const struct request *request,
                                     bool gathering, struct reply *reply) {
    struct app *app = arg;
    struct err err;
    const struct table_entry *entry;
    enum status s = resolve(request, &entry, &err);
    if (s != OK && !gathering) return reject(app, reply, entry, &err);
    if (s != OK) return VERDICT_WORKER;
    const struct command *row = entry->command;
    session->last_command = row->name;
    if (row->flags & CMD_FIGURES) note_figures(app);
    if (gathering) return row->flags & CMD_STATE ? VERDICT_STATE : VERDICT_WORKER;
    if (!session->authenticated && !(row->flags & CMD_NO_AUTH)) {
        (void)err_set(&err, ERR_NOAUTH, "Authentication required.");
        return reject(app, reply, entry, &err);
    }
    struct call call = {.command = row,
                        .entry = entry,
                        .argc = request->argc,
                        .argv = request->argv,
                        .session = session,
                        .config = config,
                        .reply = reply,
                        .arena = &app->arena,
                        .engine = app->engine,
                        .app = app};
    if (row->flags & (CMD_STATE | CMD_REACTOR)) return run_here(&call);
    return row->cached ? try_cache(&call) : VERDICT_WORKER;
}

/* ---- the worker ---- */

static struct call batch_call(struct run *run, struct engine_worker *worker, struct reply *reply,
                              const struct table_entry *entry) {
    struct batch *batch = run->batch;
    const struct request *request = &batch->requests[batch->done];
    *reply = (struct reply){.out = &batch->out, .protocol = batch->session.protocol};
    return (struct call){.command = entry ? entry->command : NULL,
                         .entry = entry,
                         .argc = request->argc,
                         .argv = request->argv,
                         .session = &batch->session,
                         .config = batch->config,
                         .reply = reply,
                         .arena = &batch->arena,
                         .engine = run->app->engine,
                         .worker = worker,
                         .app = run->app};
}

/* One more reply is written, from the mark on. */
static void request_done(struct batch *batch, size_t mark) {
    if (session_drops_reply(&batch->session)) buf_cut(&batch->out, mark);
    batch->done++;
}

static void run_one(struct run *run, struct engine_worker *worker, const struct table_entry *entry,
                    enum status s, struct err *err) {
    struct reply reply;
    struct call call = batch_call(run, worker, &reply, entry);
    size_t mark = run->batch->out.len;
    if (s != OK) {
        reply_error(&reply, err);
        stats_reject(run->app->stats, STATS_WORKER, index_of(entry), s);
    } else {
        int64_t began_us = clock_mono_us();
        s = entry->command->run(&call, err);
        if (s != OK) write_failure(&reply, mark, entry->command, err);
        stats_time(run->app->stats, STATS_WORKER, entry->index, clock_mono_us() - began_us, 1);
        stats_call(run->app->stats, STATS_WORKER, entry->index, s);
    }
    request_done(run->batch, mark);
}

struct write *call_add_write(struct call *call, struct write_set *set) {
    struct run *run = set->arg;
    if (set->count == run->room) {
        run->room = run->room ? run->room * 2 : SET_ROOM;
        struct write *writes = arena_alloc(call->arena, sizeof *writes * (size_t)run->room);
        if (set->count) memcpy(writes, set->writes, sizeof *writes * (size_t)set->count);
        set->writes = writes;
    }
    struct write *write = &set->writes[set->count++];
    memset(write, 0, sizeof *write);
    write->if_ov = -1;
    return write;
}

/* Plans one request into the set: its writes, or the error that it is answered with. */
static void plan_one(struct run *run, struct engine_worker *worker, int index,
                     const struct table_entry *entry, enum status s, struct err *err) {
    struct pending *p = &run->pending[run->pending_count++];
    struct reply reply;
    struct call call = batch_call(run, worker, &reply, entry);
    call.argc = run->batch->requests[index].argc;
    call.argv = run->batch->requests[index].argv;
    *p = (struct pending){.entry = entry, .rejected = s != OK, .first = run->set.count};
    if (s == OK) s = entry->command->plan(&call, &run->set, err);
    if (s == OK) {
        p->count = run->set.count - p->first;
        p->memo = call.memo;
        return;
    }
    run->set.count = p->first;
    p->err = arena_alloc(&run->batch->arena, sizeof *err);
    *p->err = *err;
}

/* Plans the writes that stand next to each other, up to what one group takes. */
static void plan_writes(struct run *run, struct engine_worker *worker) {
    struct batch *batch = run->batch;
    run->pending_count = 0;
    run->room = 0;
    run->set = (struct write_set){.config = batch->config, .done = writes_done, .arg = run};
    for (int i = batch->done; i < batch->count; i++) {
        struct err err;
        const struct table_entry *entry;
        enum status s = resolve(&batch->requests[i], &entry, &err);
        if (s == OK && !entry->command->plan) break;
        bool atomic = s == OK && (entry->command->flags & CMD_ATOMIC);
        if (run->pending_count > 0 && (atomic || run->set.count >= batch->config->group_writes))
            break;
        plan_one(run, worker, i, entry, s, &err);
        run->set.atomic = atomic;
        if (atomic) break;
    }
}

static enum status answer_one(struct call *call, const struct run *run, const struct pending *p,
                              struct err *err) {
    if (p->err) {
        *err = *p->err;
        return err->code;
    }
    struct write_set own = run->set;
    own.writes = run->set.writes + p->first;
    own.count = p->count;
    return p->entry->command->answer(call, &own, err);
}

/* Answers what waited for the set, in order. */
static void answer_writes(struct run *run) {
    struct batch *batch = run->batch;
    int64_t usec = clock_mono_us() - run->began_us; /* each waited for the whole set */
    for (int i = 0; i < run->pending_count; i++) {
        struct pending *p = &run->pending[i];
        struct reply reply;
        struct call call = batch_call(run, NULL, &reply, p->entry);
        call.memo = p->memo;
        size_t mark = batch->out.len;
        struct err err;
        enum status s = answer_one(&call, run, p, &err);
        if (s != OK && p->entry)
            write_failure(&reply, mark, p->entry->command, &err);
        else if (s != OK)
            reply_error(&reply, &err);
        if (p->rejected) {
            stats_reject(run->app->stats, STATS_WORKER, index_of(p->entry), s);
        } else {
            stats_time(run->app->stats, STATS_WORKER, p->entry->index, usec, 1);
            stats_call(run->app->stats, STATS_WORKER, p->entry->index, s);
        }
        request_done(batch, mark);
    }
}

/* The set was refused as a whole: every write of it gets the error. */
static void refuse_set(struct write_set *set, const struct err *err) {
    set->refused = set->atomic;
    for (int i = 0; i < set->count; i++) {
        set->writes[i].ret.status = err->code;
        set->writes[i].ret.err = *err;
    }
}

/* True: the writes are submitted and the batch is not ours any more. */
static bool run_writes(struct run *run, struct engine_worker *worker) {
    run->began_us = clock_mono_us();
    plan_writes(run, worker);
    if (run->set.count > 0) {
        struct err err;
        if (commit_submit(worker, &run->set, &err) == OK) return true;
        refuse_set(&run->set, &err);
    }
    answer_writes(run);
    return false;
}

/* In the leader's thread, once per set. */
static void writes_done(struct write_set *set) {
    struct run *run = set->arg;
    struct batch *batch = run->batch;
    answer_writes(run);
    commit_release(set);
    if (batch->done < batch->count) {
        net_batch_resume(run->app->net, batch);
        return;
    }
    (void)fault_hit(FAULT_REPLY); /* for kills: committed, answered, not sent */
    net_batch_done(run->app->net, batch);
}

static struct run *run_new(struct app *app, struct batch *batch) {
    struct run *run = arena_zalloc(&batch->arena, sizeof *run);
    run->app = app;
    run->batch = batch;
    run->pending = arena_alloc(&batch->arena, sizeof *run->pending * (size_t)batch->count);
    batch->state = run;
    return run;
}

static enum run_result dispatch_run(void *arg, void *worker, struct batch *batch) {
    struct run *run = batch->state ? batch->state : run_new(arg, batch);
    while (batch->done < batch->count) {
        struct err err;
        const struct table_entry *entry;
        enum status s = resolve(&batch->requests[batch->done], &entry, &err);
        if (s == OK && entry->command->plan) {
            if (run_writes(run, worker)) return RUN_PARKED;
        } else {
            run_one(run, worker, entry, s, &err);
        }
        if (batch->out.len >= OUT_PAUSE_BYTES) break; /* the reactor hands the rest over again */
    }
    (void)fault_hit(FAULT_REPLY);
    return RUN_DONE;
}

static bool dispatch_work(void *arg, void *worker, bool busy) {
    (void)arg;
    return commit_lead(worker, busy);
}

static void *dispatch_worker_new(void *arg, int index, struct err *err) {
    struct app *app = arg;
    (void)index;
    return engine_worker_new(app->engine, err);
}

static void dispatch_worker_free(void *arg, void *worker) {
    (void)arg;
    engine_worker_free(worker);
}

/* ---- the frame ---- */

static void dispatch_tick(void *arg) {
    struct app *app = arg;
    if (commit_is_overdue(app->engine)) net_wake_worker(app->net);
    int64_t calls = stats_calls(app->stats), now_us = clock_mono_us();
    int i = app->rate_at++ % RATE_SAMPLES;
    int64_t spent_us = now_us - app->rate_us[i];
    int64_t rate =
        app->rate_us[i] && spent_us > 0 ? (calls - app->rate_calls[i]) * 1000000 / spent_us : 0;
    app->rate_us[i] = now_us;
    app->rate_calls[i] = calls;
    atomic_store_explicit(&app->figures.rate, rate < 0 ? 0 : rate, memory_order_relaxed);
}

void dispatch_publish(struct app *app, struct config *config) {
    const struct config *before = app->config;
    app->config = config;
    if (app->net) net_config(app->net, config_ref(config));
    if (app->engine) engine_config(app->engine, config);
    enum log_level level;
    if (log_level_parse(config->log_level, &level)) log_set_level(level);
    config_unref(before);
}

static void run_id_make(char ret[RUN_ID_BYTES + 1]) {
    uint8_t random[RUN_ID_BYTES / 2];
    digest_random(random, sizeof random);
    hex_encode(random, sizeof random, ret);
    ret[RUN_ID_BYTES] = '\0';
}

void dispatch_init(struct app *app, const struct config *config) {
    app->config = config_ref(config);
    app->start_ms = clock_now_ms();
    arena_init(&app->memory);
    arena_init(&app->arena);
    run_id_make(app->run_id);
    app->stats = stats_new(&app->memory);
    app->cursors = cursors_new(&app->memory);
    app->docs = docs_new(&app->memory);
}

void dispatch_release(struct app *app) {
    cursors_release(app->cursors);
    docs_release(app->docs);
    arena_release(&app->arena);
    arena_release(&app->memory);
    config_unref(app->config);
    *app = (struct app){0};
}

struct handler dispatch_handler(struct app *app) {
    return (struct handler){.app = app,
                            .request = dispatch_request,
                            .run = dispatch_run,
                            .work = dispatch_work,
                            .worker_new = dispatch_worker_new,
                            .worker_free = dispatch_worker_free,
                            .tick = dispatch_tick};
}
