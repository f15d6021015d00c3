/*
 * config: the life of a configuration: made of defaults, loaded, checked whole, counted, released.
 *
 *     config_new -> config_apply_file -> config_apply_arg ... -> config_check_whole -> published
 *     config_copy -> setting_parse ...                        -> config_check_whole -> published
 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "config/settings.h"

static struct config *config_empty(void) {
    struct config *c = xcalloc(1, sizeof(*c));
    atomic_init(&c->refs, 1);
    arena_init(&c->arena);
    c->file = STR_NONE;
    return c;
}

struct config *config_new(void) {
    struct config *c = config_empty();
    for (int i = 0; i < settings_count; i++) {
        const struct setting *s = &settings[i];
        if (s->type == SETTING_FIXED) continue;
        enum value_fault fault = setting_parse(s, str_of(s->value), c);
        ASSERT(fault == VALUE_OK);
    }
    return c;
}

static struct str *copy_list(struct arena *arena, const struct str *list, int count) {
    struct str *copy = arena_alloc(arena, sizeof(*copy) * (size_t)count);
    for (int i = 0; i < count; i++) copy[i] = arena_dup(arena, list[i]);
    return copy;
}

struct config *config_copy(const struct config *c) {
    struct config *copy = config_empty();
    struct arena *arena = &copy->arena;
    copy->file = arena_dup(arena, c->file);
    copy->changed = c->changed;
    for (int i = 0; i < settings_count; i++) setting_copy(&settings[i], c, copy);
    copy->collection_count = c->collection_count;
    copy->collections =
        arena_zalloc(arena, sizeof(*copy->collections) * (size_t)c->collection_count);
    for (int i = 0; i < c->collection_count; i++) {
        const struct config_collection *from = &c->collections[i];
        copy->collections[i] = (struct config_collection){
            .name = arena_dup(arena, from->name),
            .hidden_fields = copy_list(arena, from->hidden_fields, from->hidden_count),
            .hidden_count = from->hidden_count,
            .required = copy_list(arena, from->required, from->required_count),
            .required_count = from->required_count,
            .indexed = copy_list(arena, from->indexed, from->indexed_count),
            .indexed_count = from->indexed_count,
        };
    }
    return copy;
}

struct config *config_ref(const struct config *c) {
    struct config *mine = (struct config *)c; /* the count is all that ever changes */
    atomic_fetch_add_explicit(&mine->refs, 1, memory_order_relaxed);
    return mine;
}

void config_unref(const struct config *c) {
    struct config *mine = (struct config *)c;
    if (mine == NULL) return;
    int before = atomic_fetch_sub_explicit(&mine->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1) return;
    if (mine->password.n > 0) explicit_bzero((char *)mine->password.p, mine->password.n);
    arena_release(&mine->arena);
    free(mine);
}

enum status config_read_file(const char *path, size_t bytes_max, struct arena *arena,
                             struct str *ret, struct err *err) {
    struct buf text;
    buf_init(&text, bytes_max + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0 && text.len <= bytes_max) {
        size_t room = text.cap - text.len > 0 ? text.cap - text.len : 4096;
        if (room > bytes_max + 1 - text.len) room = bytes_max + 1 - text.len;
        if (!buf_reserve(&text, room)) break;
        n = read(fd, text.data + text.len, room);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            text.len += (size_t)n;
    }
    enum status status = OK;
    if (n < 0) {
        status = err_set(err, ERR_BACKEND, "%s cannot be read: %s", path, strerror(errno));
    } else if (text.len > bytes_max) {
        status = err_set(err, ERR_BACKEND, "%s is larger than %zu bytes", path, bytes_max);
    } else {
        *ret = arena_dup(arena, text.len ? buf_str(&text) : STR(""));
    }
    if (fd >= 0) close(fd);
    if (text.data != NULL) explicit_bzero(text.data, text.len); /* it may be a secret */
    buf_release(&text);
    return status;
}

static bool has_word(struct str text) {
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != ' ') return true;
    }
    return false;
}

/* A route stands before a '/' in keys, and is the name of a database. */
static bool route_ok(struct str route) {
    for (size_t i = 0; i < route.n; i++) {
        if (memchr("/\\:\"$*<>|? ", route.p[i], 11) != NULL) return false;
    }
    return route.n > 0 && route.p[0] != '.';
}

void config_check_whole(const struct config *c, struct report *report) {
    if (!c->local_enabled) {
        report_add(report, "localStorage.enabled: expected true: this version serves the embedded "
                           "store only");
    }
    if (c->port == 0 && c->unixsocket.n == 0) {
        report_add(report, "server.port: expected a port or server.unixsocket: there is nothing to "
                           "listen on");
    }
    if (!has_word(c->bind)) {
        report_add(report, "server.bind: expected an address; * means all of this machine");
    }
    if (!route_ok(c->route)) {
        report_add(report,
                   "server.route: expected a name without blanks and / \\ : \" $ * < > | ?, "
                   "not beginning with '.'");
    }
    if (c->faults.n > 0 && c->debug == DEBUG_NO) {
        report_add(report, "server.faults: expected server.debug to be local or yes with it");
    }
    if (c->bulk_bytes > c->query_buffer_bytes) {
        report_add(report, "server.limits.bulk: expected at most server.limits.queryBuffer, which "
                           "must hold it");
    }
}

static int by_name(const void *a, const void *b) {
    const struct config_collection *left = a, *right = b;
    return str_cmp(left->name, right->name);
}

/* Reads all into c; the report has the faults. Only a file that cannot be read is a status. */
static enum status load_all(struct config *c, const char *file, const struct config_arg *args,
                            int arg_count, struct report *report, struct err *err) {
    struct arena arena;
    struct str text;
    arena_init(&arena);
    enum status status = OK;
    if (file != NULL) {
        status = config_read_file(file, CONFIG_FILE_BYTES, &arena, &text, err);
        if (status == OK) {
            /* Absolute, so that CONFIG REWRITE finds it whatever happens to the folder. */
            char *real = realpath(file, NULL);
            c->file = arena_dup(&c->arena, str_of(real ? real : file));
            free(real);
            config_apply_file(c, text, report);
        } else {
            report_add(report, "file: %s", err->msg);
        }
    }
    for (int i = 0; i < arg_count; i++) config_apply_arg(c, &args[i], report);
    if (report->count == 0) config_check_whole(c, report);
    arena_release(&arena);
    return status;
}

enum status config_load(const char *file, const struct config_arg *args, int arg_count,
                        struct config **ret, struct buf *faults, struct err *err) {
    struct config *c = config_new();
    struct report report = {.lines = faults};
    struct err unread;
    enum status status = load_all(c, file, args, arg_count, &report, &unread);
    if (report.count > 0) {
        config_unref(c);
        if (status == OK) status = ERR_VALIDATION;
        if (report.count == 1) return err_set(err, status, "%s", report.first);
        return err_set(err, status, "%s (and %d more)", report.first, report.count - 1);
    }
    if (c->collection_count > 0) {
        qsort(c->collections, (size_t)c->collection_count, sizeof(*c->collections), by_name);
    }
    *ret = c;
    return OK;
}

const struct config_collection *config_collection(const struct config *c, struct str name) {
    struct config_collection wanted = {.name = name};
    if (c->collection_count == 0) return NULL;
    return bsearch(&wanted, c->collections, (size_t)c->collection_count, sizeof(wanted), by_name);
}
