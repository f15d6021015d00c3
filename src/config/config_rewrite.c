/*
 * config_rewrite: CONFIG REWRITE. What CONFIG SET changed is edited as text in the file, so that
 * its layout and its order stay as somebody wrote them; the rest is not touched.
 *
 * The edited text is read like any file of settings before it takes the place of the old one, whole
 * or not at all: temporary file, fsync, rename, fsync of the folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "config/settings.h"

static enum status failed(struct err *err, const char *what) {
    return err_set(err, ERR_SYNTAX, "Rewriting config file: %s", what);
}

/* What stands between members: a comma, and the line break and indentation of the last member if
 * it has a line to itself. */
static void append_separator(struct buf *out, struct str object, struct str last_key) {
    const char *quote = last_key.p - 1, *p = quote;
    while (p > object.p && (p[-1] == ' ' || p[-1] == '\t')) p--;
    buf_append_char(out, ',');
    if (p > object.p && p[-1] == '\n') {
        buf_append_char(out, '\n');
        buf_append(out, p, (size_t)(quote - p));
    } else {
        buf_append_char(out, ' ');
    }
}

/* Appends `"a": {"b": value}` for the path a.b. */
static void append_member(struct buf *out, struct str path, struct str value) {
    int open = 0;
    for (;;) {
        ptrdiff_t dot = str_find_char(path, '.');
        json_quote(out, (struct str){path.p, dot < 0 ? path.n : (size_t)dot});
        buf_append_str(out, STR(": "));
        if (dot < 0) break;
        buf_append_char(out, '{');
        open++;
        path = (struct str){path.p + dot + 1, path.n - (size_t)dot - 1};
    }
    buf_append_str(out, value);
    while (open-- > 0) buf_append_char(out, '}');
}

/* The text with a part of it, `old`, replaced by what `middle` holds. */
static struct str replace_part(struct str text, struct str old, const struct buf *middle,
                               struct arena *arena) {
    size_t before = (size_t)(old.p - text.p), after = text.n - before - old.n;
    char *p = arena_alloc(arena, before + middle->len + after + 1);
    memcpy(p, text.p, before);
    memcpy(p + before, middle->data, middle->len);
    memcpy(p + before + middle->len, old.p + old.n, after);
    return (struct str){p, before + middle->len + after};
}

/* The text with a member put behind the last of an object that is part of it. */
static struct str insert_member(struct str text, struct str object, struct str path,
                                struct str value, struct arena *arena) {
    struct json_iter it;
    struct str key, last_key = STR_NONE, element, at = {object.p + 1, 0};
    struct buf member;
    buf_init(&member, CONFIG_FILE_BYTES);
    for (json_iter_init(&it, object); json_next(&it, &key, &element);) {
        last_key = key;
        at.p = element.p + element.n;
    }
    if (last_key.p != NULL) append_separator(&member, object, last_key);
    append_member(&member, path, value);
    struct str edited = replace_part(text, at, &member, arena);
    buf_release(&member);
    return edited;
}

/* The text with another value at a path. Sections that are missing are made. */
static struct str edit_text(struct str text, struct str path, struct str value,
                            struct arena *arena) {
    struct str object, found;
    struct err err;
    enum status status = json_check_object(text, CONFIG_DEPTH, &object, &err);
    ASSERT(status == OK);
    for (;;) {
        ptrdiff_t dot = str_find_char(path, '.');
        struct str segment = {path.p, dot < 0 ? path.n : (size_t)dot};
        if (!json_get(object, segment, &found)) {
            return insert_member(text, object, path, value, arena);
        }
        if (dot < 0) break;
        object = found; /* a section: of no other type, since the text was read without fault */
        path = (struct str){path.p + dot + 1, path.n - (size_t)dot - 1};
    }
    struct buf middle = {.data = (char *)value.p, .len = value.n}; /* borrowed, only read */
    return replace_part(text, found, &middle, arena);
}

/* Writes and syncs; the descriptor is closed whatever happens. */
static bool write_all(int fd, struct str text) {
    size_t done = 0;
    while (done < text.n) {
        ssize_t n = write(fd, text.p + done, text.n - done);
        if (n < 0 && errno != EINTR) break;
        if (n > 0) done += (size_t)n;
    }
    bool ok = done == text.n && fsync(fd) == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    return ok;
}

static bool sync_folder(const char *file, struct arena *arena) {
    struct str copy = arena_dup(arena, str_of(file)); /* dirname writes into its argument */
    int fd = open(dirname((char *)copy.p), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    bool ok = fsync(fd) == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    return ok;
}

static enum status replace_file(const char *file, struct str text, struct arena *arena,
                                struct err *err) {
    struct stat old;
    char *temp = (char *)arena_printf(arena, "%s.XXXXXX", file).p;
    if (stat(file, &old) != 0) return failed(err, strerror(errno));
    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0) return failed(err, strerror(errno));
    /* Owner and permissions stay as far as we may set them; a file that we own is as good. */
    (void)!fchown(fd, old.st_uid, old.st_gid);
    bool ok = fchmod(fd, old.st_mode & 07777) == 0;
    ok = write_all(fd, text) && ok;
    ok = ok && rename(temp, file) == 0;
    if (!ok) {
        enum status status = failed(err, strerror(errno));
        unlink(temp);
        return status;
    }
    return sync_folder(file, arena) ? OK : failed(err, strerror(errno));
}

/* Reads a text as a file of settings. NULL: it has faults, the first is in the report. */
static struct config *read_text(struct str text, struct report *report) {
    struct config *c = config_new();
    config_apply_file(c, text, report);
    if (report->count == 0) return c;
    config_unref(c);
    return NULL;
}

/* The text with the changed settings of c in it. */
static enum status edit_all(const struct config *c, struct str text, struct arena *arena,
                            struct str *ret, struct err *err) {
    struct report report = {0};
    struct config *in_file = read_text(text, &report);
    if (in_file == NULL) return failed(err, report.first);
    enum status status = OK;
    for (int i = 0; i < settings_count; i++) {
        const struct setting *s = &settings[i];
        bool changed = c->changed >> i & 1;
        if (!changed || setting_equal(s, c, in_file)) continue;
        struct buf value;
        buf_init(&value, CONFIG_FILE_BYTES);
        setting_json(s, c, false, &value);
        text = edit_text(text, str_of(s->path), buf_str(&value), arena);
        buf_release(&value);
    }
    config_unref(in_file);
    struct config *edited = read_text(text, &report);
    for (int i = 0; i < settings_count; i++) {
        bool changed = c->changed >> i & 1;
        /* A password that looks like "ENV.NAME" has no way into the file. */
        if (changed && (edited == NULL || !setting_equal(&settings[i], c, edited))) {
            status = err_set(err, ERR_SYNTAX,
                             "Rewriting config file: %s has a value that a file cannot hold",
                             settings[i].path);
        }
    }
    config_unref(edited);
    if (status == OK) *ret = text;
    return status;
}

enum status config_rewrite(const struct config *c, struct err *err) {
    if (c->file.p == NULL) {
        return err_set(err, ERR_SYNTAX, "The server is running without a config file");
    }
    struct arena arena;
    struct str text, edited = STR_NONE;
    struct err unread;
    arena_init(&arena);
    enum status status = config_read_file(c->file.p, CONFIG_FILE_BYTES, &arena, &text, &unread);
    if (status != OK) status = failed(err, unread.msg);
    if (status == OK) status = edit_all(c, text, &arena, &edited, err);
    if (status == OK && !str_eq(text, edited)) {
        status = replace_file(c->file.p, edited, &arena, err);
    }
    arena_release(&arena);
    return status;
}
