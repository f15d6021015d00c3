/*
 * config_parse: puts a JSON file and the command line into a configuration. Reading goes on after a
 * fault, so that the report has them all; a fault names the JSON path and what was expected.
 *
 * The file is walked member by member: a path is a setting, the beginning of settings (a section),
 * collectionMaps, something of chronos-db that this version does not serve, or unknown.
 */
#include <stdarg.h>

#include "base/json.h"
#include "config/settings.h"

enum {
    SECRET_FILE_BYTES = 4096,
    COLLECTION_NAME_BYTES = 120,
    SHOWN_BYTES = 64, /* of a value in a message */
};

/* One reading. */
struct load {
    struct config *config;
    struct report *report;
    struct arena *arena; /* paths and texts while it lasts */
};

void report_add(struct report *r, const char *fmt, ...) {
    char text[ERR_MSG_BYTES];
    struct err line;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut where err_set would */
    va_end(args);
    (void)err_set(&line, ERR_VALIDATION, "%s", text); /* one line of clean text */
    if (r->count++ == 0) memcpy(r->first, line.msg, sizeof(r->first));
    if (r->lines != NULL) {
        buf_append_str(r->lines, str_of(line.msg));
        buf_append_char(r->lines, '\n');
    }
}

/* "path: expected ..., not <value>"; the value of a secret is not shown. */
static void report_expected(struct load *l, struct str path, const struct setting *s,
                            struct str expected, struct str value) {
    if (s != NULL && s->flags & SETTING_SECRET) {
        report_add(l->report, "%.*s: expected %.*s", STR_FMT(path), STR_FMT(expected));
        return;
    }
    struct str shown = value;
    if (value.n > SHOWN_BYTES) {
        shown.n = str_utf8_cut((struct str){value.p, SHOWN_BYTES});
        shown = arena_printf(l->arena, "%.*s...", STR_FMT(shown));
    }
    report_add(l->report, "%.*s: expected %.*s, not %.*s", STR_FMT(path), STR_FMT(expected),
               STR_FMT(shown));
}

static void report_unknown(struct load *l, struct str path) {
    const char *unsupported = setting_unsupported(path);
    struct str near = setting_nearest(path);
    if (unsupported != NULL) {
        report_add(l->report, "%.*s: %s", STR_FMT(path), unsupported);
    } else if (near.p != NULL) {
        report_add(l->report, "%.*s: unknown setting; did you mean %.*s?", STR_FMT(path),
                   STR_FMT(near));
    } else {
        report_add(l->report, "%.*s: unknown setting; --print-config shows all", STR_FMT(path));
    }
}

/* Puts a value as text into a setting; `shown` is how it was written. */
static void apply_text(struct load *l, struct str path, const struct setting *s, struct str text,
                       struct str shown) {
    enum value_fault fault = setting_parse(s, text, l->config);
    if (fault == VALUE_MASK) {
        report_add(l->report,
                   "%.*s: expected a secret, not the mask that printed settings show in its place",
                   STR_FMT(path));
    } else if (fault != VALUE_OK) {
        report_expected(l, path, s, setting_expected(s, l->arena), shown);
    }
}

static void apply_env(struct load *l, struct str path, const struct setting *s, struct str name) {
    struct str zero_ended = arena_dup(l->arena, name);
    const char *value = memchr(name.p, '\0', name.n) ? NULL : getenv(zero_ended.p);
    if (value == NULL) {
        report_add(l->report, "%.*s: expected the environment to have %.*s", STR_FMT(path),
                   STR_FMT(name));
        return;
    }
    apply_text(l, path, s, str_of(value), STR_NONE);
}

/* The content of a file without one line end at its end. */
static void apply_secret_file(struct load *l, struct str path, const struct setting *s,
                              struct str name) {
    struct err err;
    struct str text, file = arena_dup(l->arena, name);
    if (memchr(name.p, '\0', name.n) != NULL ||
        config_read_file(file.p, SECRET_FILE_BYTES, l->arena, &text, &err) != OK) {
        report_add(l->report, "%.*s: expected a file that can be read: %s", STR_FMT(path),
                   memchr(name.p, '\0', name.n) ? "its name has a NUL" : err.msg);
        return;
    }
    if (text.n > 0 && text.p[text.n - 1] == '\n') text.n--;
    if (text.n > 0 && text.p[text.n - 1] == '\r') text.n--;
    apply_text(l, path, s, text, STR_NONE);
}

/* {"$env": "NAME"} or {"$file": "path"} */
static void apply_secret_object(struct load *l, struct str path, const struct setting *s,
                                struct str object) {
    struct json_iter it;
    struct str key, value, more;
    json_iter_init(&it, object);
    bool one = json_next(&it, &key, &value) && !json_next(&it, &more, &more);
    bool text = one && json_type(value) == JSON_STRING;
    if (text && json_key_is(key, STR("$env"))) {
        apply_env(l, path, s, json_text(value, l->arena));
    } else if (text && json_key_is(key, STR("$file"))) {
        apply_secret_file(l, path, s, json_text(value, l->arena));
    } else {
        report_add(l->report,
                   "%.*s: expected text, {\"$env\": \"NAME\"}, {\"$file\": \"path\"} or "
                   "\"ENV.NAME\"",
                   STR_FMT(path));
    }
}

static void apply_secret_text(struct load *l, struct str path, const struct setting *s,
                              struct str text) {
    struct str env = STR("ENV.");
    if (str_starts_with(text, env) && text.n > env.n) {
        apply_env(l, path, s, (struct str){text.p + env.n, text.n - env.n});
    } else {
        apply_text(l, path, s, text, STR_NONE);
    }
}

/* Does the file write this kind of value so? */
static bool json_type_fits(const struct setting *s, enum json_type type) {
    switch (s->type) {
    case SETTING_BOOL:
        return type == JSON_TRUE || type == JSON_FALSE;
    case SETTING_INT:
        return type == JSON_NUMBER;
    case SETTING_TEXT:
    case SETTING_ENUM:
    case SETTING_WORD:
        return type == JSON_STRING;
    default:
        return type == JSON_STRING || type == JSON_NUMBER;
    }
}

static void apply_setting(struct load *l, struct str path, const struct setting *s,
                          struct str value) {
    enum json_type type = json_type(value);
    bool secret = (s->flags & SETTING_SECRET) != 0;
    if (secret && type == JSON_OBJECT) {
        apply_secret_object(l, path, s, value);
    } else if (!json_type_fits(s, type)) {
        report_expected(l, path, s, setting_expected(s, l->arena), value);
    } else if (secret) {
        apply_secret_text(l, path, s, json_text(value, l->arena));
    } else {
        struct str text = type == JSON_STRING ? json_text(value, l->arena) : value;
        apply_text(l, path, s, text, value);
    }
}

/* A list of document paths. On a fault the list is untouched. */
static void apply_paths(struct load *l, struct str path, struct str value, struct str **ret_list,
                        int *ret_count) {
    if (json_type(value) != JSON_ARRAY) {
        report_expected(l, path, NULL, STR("a list of document paths"), value);
        return;
    }
    struct json_iter it;
    struct str element;
    int count = 0, faults = l->report->count, i = 0;
    for (json_iter_init(&it, value); json_next(&it, &(struct str){0}, &element);) count++;
    struct str *list = arena_zalloc(&l->config->arena, sizeof(*list) * (size_t)count);
    for (json_iter_init(&it, value); json_next(&it, &(struct str){0}, &element); i++) {
        struct json_path parsed;
        struct err err;
        if (json_type(element) != JSON_STRING) {
            struct str at = arena_printf(l->arena, "%.*s[%d]", STR_FMT(path), i);
            report_expected(l, at, NULL, STR("a document path, as text"), element);
            continue;
        }
        list[i] = arena_dup(&l->config->arena, json_text(element, l->arena));
        if (json_path_parse(list[i], l->arena, &parsed, &err) != OK) {
            report_add(l->report, "%.*s[%d]: expected a document path: %s", STR_FMT(path), i,
                       err.msg);
        }
    }
    if (l->report->count != faults) return;
    *ret_list = list;
    *ret_count = count;
}

static bool collection_name_ok(struct str name) {
    if (name.n == 0 || name.n > COLLECTION_NAME_BYTES || name.p[0] == '.') return false;
    if (str_starts_with(name, STR("__"))) return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '.' && c != '-') return false;
    }
    return true;
}

/* What a collection has at a path below its name; `below` is that path, `path` the whole. */
static void apply_collection_member(struct load *l, struct config_collection *c, struct str path,
                                    struct str below, struct str value) {
    for (int i = 0; i < COLLECTION_SETTINGS; i++) {
        const struct collection_setting *s = &collection_settings[i];
        if (!str_eq(below, str_of(s->path))) continue;
        apply_paths(l, path, value, (struct str **)(void *)((char *)c + s->at),
                    (int *)(void *)((char *)c + s->count_at));
        return;
    }
    struct str known = arena_printf(l->arena, "collection.%.*s", STR_FMT(below));
    const char *unsupported = setting_unsupported(known);
    report_add(l->report, "%.*s: %s", STR_FMT(path),
               unsupported ? unsupported
                           : "unknown setting; a collection has indexedProps, hiddenFields and "
                             "validation.requiredIndexed");
}

static bool is_object(struct load *l, struct str path, struct str value) {
    if (json_type(value) == JSON_OBJECT) return true;
    report_expected(l, path, NULL, STR("an object"), value);
    return false;
}

static struct str path_join(struct load *l, struct str prefix, struct str key) {
    if (prefix.n == 0) return key;
    return arena_printf(l->arena, "%.*s.%.*s", STR_FMT(prefix), STR_FMT(key));
}

/* The members of an object of a collection: of itself, or of its `validation`. */
static void apply_collection(struct load *l, struct config_collection *c, struct str path,
                             struct str below, struct str object) {
    struct json_iter it;
    struct str key, value;
    if (!is_object(l, path, object)) return;
    for (json_iter_init(&it, object); json_next(&it, &key, &value);) {
        struct str name = json_text(key, l->arena);
        struct str whole = path_join(l, path, name);
        if (below.n == 0 && str_eq(name, STR("validation"))) {
            apply_collection(l, c, whole, name, value);
        } else {
            apply_collection_member(l, c, whole, path_join(l, below, name), value);
        }
    }
}

/* The slot of a collection: that of an earlier mention, emptied, or a new one. */
static struct config_collection *collection_slot(struct config *c, struct str name) {
    for (int i = 0; i < c->collection_count; i++) {
        if (!str_eq(c->collections[i].name, name)) continue;
        c->collections[i] = (struct config_collection){.name = c->collections[i].name};
        return &c->collections[i];
    }
    size_t bytes = sizeof(*c->collections) * (size_t)c->collection_count;
    struct config_collection *grown = arena_alloc(&c->arena, bytes + sizeof(*grown));
    if (bytes > 0) memcpy(grown, c->collections, bytes);
    c->collections = grown;
    struct config_collection *slot = &grown[c->collection_count++];
    *slot = (struct config_collection){.name = arena_dup(&c->arena, name)};
    return slot;
}

static void apply_one_collection(struct load *l, struct str name, struct str value) {
    struct str path = path_join(l, STR("collectionMaps"), name);
    if (!collection_name_ok(name)) {
        report_add(l->report,
                   "%.*s: expected a collection's name: 1 to 120 letters, digits, '_', '.' and "
                   "'-', not beginning with '.' or '__'",
                   STR_FMT(path));
        return;
    }
    apply_collection(l, collection_slot(l->config, name), path, STR_NONE, value);
}

static void apply_collections(struct load *l, struct str object) {
    struct json_iter it;
    struct str key, value;
    if (!is_object(l, STR("collectionMaps"), object)) return;
    for (json_iter_init(&it, object); json_next(&it, &key, &value);) {
        apply_one_collection(l, json_text(key, l->arena), value);
    }
}

/* The members of the file or of a section. Sections nest three deep, so does this. */
static void apply_object(struct load *l, struct str prefix, struct str object) {
    struct json_iter it;
    struct str key, value;
    if (!is_object(l, prefix, object)) return;
    for (json_iter_init(&it, object); json_next(&it, &key, &value);) {
        struct str name = json_text(key, l->arena);
        struct str path = path_join(l, prefix, name);
        const struct setting *s = setting_by_path(path);
        if (str_find_char(name, '.') >= 0) {
            report_add(l->report, "%.*s: unknown setting; write its parts as nested objects",
                       STR_FMT(path));
        } else if (s != NULL) {
            apply_setting(l, path, s, value);
        } else if (setting_is_section(path)) {
            apply_object(l, path, value);
        } else if (str_eq(path, STR("collectionMaps"))) {
            apply_collections(l, value);
        } else {
            report_unknown(l, path);
        }
    }
}

/* As json_check_object, without its advice, which is for documents. */
static enum status read_object(struct str text, struct str *ret_object, struct err *err) {
    enum status status = json_check(text, CONFIG_DEPTH, err);
    if (status != OK) return status;
    status = json_check_object(text, CONFIG_DEPTH, ret_object, NULL);
    return status == OK ? OK : err_set(err, status, "it is JSON, but no object");
}

/* json_check names the byte; people look for lines. */
static void report_json(struct report *report, struct str text, const struct err *err) {
    static const char before[] = "at byte ";
    const char *found = strstr(err->msg, before);
    int64_t byte = -1;
    if (found != NULL) {
        const char *digits = found + sizeof(before) - 1;
        struct str number = {digits, strspn(digits, "0123456789")};
        if (!str_to_int(number, &byte)) byte = -1;
    }
    if (byte < 0 || (size_t)byte > text.n) {
        report_add(report, "file: %s", err->msg);
        return;
    }
    int line = 1, column = 1;
    for (int64_t i = 0; i < byte; i++) {
        column = text.p[i] == '\n' ? 1 : column + 1;
        line += text.p[i] == '\n';
    }
    report_add(report, "file: line %d, column %d: %s", line, column, err->msg);
}

void config_apply_file(struct config *c, struct str text, struct report *report) {
    struct arena arena;
    arena_init(&arena);
    struct load l = {c, report, &arena};
    struct err err;
    struct str object;
    if (read_object(text, &object, &err) == OK) {
        apply_object(&l, STR_NONE, object);
    } else {
        report_json(report, text, &err);
    }
    arena_release(&arena);
}

/* Settings as text; sections, collections and $env or $file as JSON objects. */
static void apply_arg(struct load *l, struct str path, struct str text) {
    const struct setting *s = setting_by_name(path);
    struct str maps = STR("collectionMaps."), object;
    struct err err;
    bool secret = s != NULL && s->flags & SETTING_SECRET;
    bool known = s != NULL && s->path != NULL;
    bool json = text.n > 0 && text.p[0] == '{';
    if (known && !(secret && json)) {
        if (secret) {
            apply_secret_text(l, str_of(s->path), s, text);
        } else {
            apply_text(l, path, s, text, text.n ? text : STR("an empty text"));
        }
        return;
    }
    bool collection = str_starts_with(path, maps) && path.n > maps.n;
    if (!secret && !collection && !str_eq(path, STR("collectionMaps")) &&
        !setting_is_section(path)) {
        report_unknown(l, path);
    } else if (read_object(text, &object, &err) != OK) {
        report_add(l->report, "%.*s: expected a JSON object: %s", STR_FMT(path), err.msg);
    } else if (secret) {
        apply_secret_object(l, path, s, object);
    } else if (collection) {
        apply_one_collection(l, (struct str){path.p + maps.n, path.n - maps.n}, object);
    } else if (str_eq(path, STR("collectionMaps"))) {
        apply_collections(l, object);
    } else {
        apply_object(l, path, object);
    }
}

void config_apply_arg(struct config *c, const struct config_arg *arg, struct report *report) {
    struct arena arena;
    arena_init(&arena);
    struct load l = {c, report, &arena};
    apply_arg(&l, arg->path, arg->value);
    arena_release(&arena);
}
