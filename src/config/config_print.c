/*
 * config_print: the table as a file of settings and as a page of the manual. Both are committed;
 * `make check-docs` fails when they differ from what is printed here.
 */
#include "config/settings.h"

/* How many of the first segments do both paths share, the last of each not counted? */
static int shared_sections(const char *a, const char *b) {
    int shared = 0;
    for (size_t i = 0; a[i] == b[i] && a[i] != '\0'; i++) {
        if (a[i] == '.') shared++;
    }
    return shared;
}

static int section_depth(const char *path) {
    int depth = 0;
    for (; *path != '\0'; path++) depth += *path == '.';
    return depth;
}

static void new_line(struct buf *out, int depth) {
    buf_append_char(out, '\n');
    for (int i = 0; i < depth * 2; i++) buf_append_char(out, ' ');
}

/* Closes sections from depth `from` to depth `to`. */
static void close_sections(struct buf *out, int from, int to) {
    while (from > to) {
        new_line(out, from);
        buf_append_char(out, '}');
        from--;
    }
}

/* The key of a setting, with the sections that begin at it. */
static void open_setting(struct buf *out, const char *path, int depth) {
    for (int skip = depth; skip > 0; path++) skip -= *path == '.';
    for (;;) {
        struct str segment = {path, strcspn(path, ".")};
        new_line(out, depth + 1);
        buf_append_char(out, '"');
        buf_append_str(out, segment);
        buf_append_str(out, STR("\": "));
        if (path[segment.n] == '\0') return;
        buf_append_char(out, '{');
        path += segment.n + 1;
        depth++;
    }
}

/* Rows in files: settings that are neither fixed nor for tests. */
static bool is_printed(const struct setting *s) {
    return s->path != NULL && !(s->flags & SETTING_HIDDEN);
}

void config_print(const struct config *c, struct buf *out) {
    struct config *defaults = c == NULL ? config_new() : NULL;
    const struct config *shown = c == NULL ? defaults : c;
    const char *previous = "";
    buf_append_char(out, '{');
    for (int i = 0; i < settings_count; i++) {
        const struct setting *s = &settings[i];
        if (!is_printed(s)) continue;
        int shared = shared_sections(previous, s->path);
        close_sections(out, section_depth(previous), shared);
        if (previous[0] != '\0') buf_append_char(out, ',');
        open_setting(out, s->path, shared);
        setting_json(s, shown, true, out);
        previous = s->path;
    }
    close_sections(out, section_depth(previous), 0);
    buf_append_str(out, STR(",\n  \"collectionMaps\": "));
    collections_json(shown, true, out);
    buf_append_str(out, STR("\n}\n"));
    config_unref(defaults);
}

static struct str range_text(const struct setting *s, struct arena *arena) {
    switch (s->type) {
    case SETTING_BOOL:
    case SETTING_ENUM:
    case SETTING_WORD:
        return setting_expected(s, arena);
    case SETTING_TEXT:
        if (!(s->flags & SETTING_SECRET)) return STR("text");
        return STR("text, `{\"$env\": \"NAME\"}`, `{\"$file\": \"path\"}` or `\"ENV.NAME\"`");
    default:
        return setting_range(s, arena);
    }
}

static void print_row(const struct setting *s, const struct config *defaults, struct arena *arena,
                      struct buf *out) {
    buf_printf(out, "| `%s` | `", s->path);
    setting_json(s, defaults, true, out);
    buf_append_str(out, STR("` | "));
    buf_append_str(out, range_text(s, arena));
    buf_printf(out, " | %s | ", s->flags & SETTING_LIVE ? "yes" : "no");
    if (s->alias != NULL) {
        buf_printf(out, "`%s`", s->alias);
    } else {
        buf_append_str(out, STR("–"));
    }
    buf_printf(out, " | %s |\n", s->doc);
}

static const char INTRODUCTION[] =
    "# Settings\n\n"
    "`chronos-server [FILE] [--PATH VALUE ...]`: a JSON file, and any setting by its path on the "
    "command line, which wins.\nThis page is printed by the server from its table of settings; "
    "`chronos-server --print-config` prints a file with all of them,\n"
    "and `chronos-server --check-config FILE` names every fault of a file.\n\n"
    "Sizes are numbers of bytes or text like `64kb`, `32mb`, `1gb`; durations are numbers of "
    "seconds or text like `500ms`, `10s`, `5m`, `1h`.\n"
    "Settings that change at run time are changed by `CONFIG SET`, by their path or their Redis "
    "name; `CONFIG REWRITE` puts the changes into the file.\n\n"
    "| path | default | range | changes at run time | Redis name | meaning |\n"
    "|---|---|---|---|---|---|\n";

static const char REDIS_NAMES[] =
    "\n`CONFIG GET` answers some more names, for tools that ask for them; they cannot be set.\n\n"
    "| Redis name | value | meaning |\n"
    "|---|---|---|\n";

void config_print_markdown(struct buf *out) {
    struct config *defaults = config_new();
    struct arena arena;
    arena_init(&arena);
    buf_append(out, INTRODUCTION, sizeof(INTRODUCTION) - 1);
    for (int i = 0; i < settings_count; i++) {
        if (is_printed(&settings[i])) print_row(&settings[i], defaults, &arena, out);
    }
    for (int i = 0; i < COLLECTION_SETTINGS; i++) {
        buf_printf(
            out, "| `collectionMaps.<name>.%s` | `[]` | a list of document paths | no | – | %s |\n",
            collection_settings[i].path, collection_settings[i].doc);
    }
    buf_append(out, REDIS_NAMES, sizeof(REDIS_NAMES) - 1);
    for (int i = 0; i < settings_count; i++) {
        const struct setting *s = &settings[i];
        if (s->type != SETTING_FIXED) continue;
        buf_printf(out, "| `%s` | `\"%s\"` | %s |\n", s->alias, s->value, s->doc);
    }
    arena_release(&arena);
    config_unref(defaults);
}
