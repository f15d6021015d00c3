/*
 * A path is hidden when it leads to a hidden field or below it. Array indices are passed over when
 * the two are compared: `list.secret` hides `list.0.secret`, in either notation. A path above a
 * hidden field is allowed and shows the rest.
 */
#include "commands/view.h"

#include "config/config.h"
#include "engine/document.h"

static bool is_index(struct str segment) {
    int64_t n;
    return str_to_int(segment, &n) && n >= 0;
}

static bool leads_into(const struct json_path *path, const struct json_path *hidden) {
    int at = 0;
    for (int i = 0; i < path->count && at < hidden->count; i++) {
        if (str_eq(path->segments[i], hidden->segments[at]))
            at++;
        else if (!is_index(path->segments[i]))
            return false;
    }
    return at == hidden->count;
}

static bool is_hidden(const struct view *view, const struct json_path *path) {
    for (int i = 0; i < view->hidden_count; i++) {
        if (leads_into(path, &view->hidden[i])) return true;
    }
    return false;
}

enum status view_path(const struct call *call, const struct view *view, struct str text,
                      struct json_path *ret, struct err *err) {
    struct json_path path;
    enum status s = json_path_parse(text, call->arena, &path, err);
    if (s != OK) return s;
    struct str shown = text.n > 200 ? (struct str){text.p, 200} : text;
    if (is_hidden(view, &path))
        return err_set(err, ERR_SYNTAX, "the path '%.*s' is hidden: only HIDDEN shows it",
                       STR_FMT(shown));
    *ret = path;
    return OK;
}

static enum status read_hidden(const struct call *call, struct str collection, struct view *view,
                               struct err *err) {
    const struct config_collection *c = config_collection(call->config, collection);
    if (!c || c->hidden_count == 0) return OK;
    view->hidden = arena_alloc(call->arena, sizeof *view->hidden * (size_t)c->hidden_count);
    for (int i = 0; i < c->hidden_count; i++) {
        enum status s = json_path_parse(c->hidden_fields[i], call->arena, &view->hidden[i], err);
        if (s != OK) return s;
        view->hidden_count++;
    }
    return OK;
}

enum status view_init(const struct call *call, struct str collection, const struct options *options,
                      struct view *ret, struct err *err) {
    struct view view = {0};
    bool show_hidden = options && (options->given & OPTION_HIDDEN);
    if (!show_hidden && call->config->collection_count > 0) {
        enum status s = read_hidden(call, collection, &view, err);
        if (s != OK) return s;
    }
    int count = options ? (int)options->field_count : 0;
    if (count > 0) {
        view.fields = arena_alloc(call->arena, sizeof *view.fields * (size_t)count);
        for (int i = 0; i < count; i++) {
            enum status s = view_path(call, &view, options->fields[i], &view.fields[i], err);
            if (s != OK) return s;
        }
        view.field_count = count;
    }
    *ret = view;
    return OK;
}

bool view_hides(const struct view *view, struct str pointer, struct arena *arena) {
    if (view->hidden_count == 0 || pointer.n == 0) return false;
    struct json_path path;
    struct err err;
    return json_path_parse(pointer, arena, &path, &err) == OK && is_hidden(view, &path);
}

struct str view_document(const struct view *view, struct arena *arena, struct str doc) {
    if (!doc.p) return doc;
    if (view->hidden_count > 0) doc = document_hide(arena, doc, view->hidden, view->hidden_count);
    if (view->field_count > 0) doc = document_project(arena, doc, view->fields, view->field_count);
    return doc;
}
