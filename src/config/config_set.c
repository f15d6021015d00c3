/*
 * config_set: CONFIG GET and CONFIG SET. Error texts are those of Redis, since tools and test
 * suites look for them.
 */
#include "config/settings.h"

/* Does one of the globs match? What is hidden must be named in full. */
static bool wanted(const struct str *globs, int count, struct str name, bool hidden) {
    for (int i = 0; i < count; i++) {
        bool match = hidden ? str_eq_nocase(globs[i], name) : str_glob(globs[i], name, true);
        if (match) return true;
    }
    return false;
}

void config_get(const struct config *c, const struct str *globs, int count,
                void (*fn)(void *arg, struct str name, struct str value), void *arg) {
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < settings_count; i++) {
        const struct setting *s = &settings[i];
        bool hidden = (s->flags & SETTING_HIDDEN) != 0;
        struct str path = str_of(s->path), alias = str_of(s->alias);
        if (path.p != NULL && wanted(globs, count, path, hidden)) {
            fn(arg, path, setting_text(s, c, false, &arena));
        }
        if (alias.p != NULL && wanted(globs, count, alias, hidden)) {
            fn(arg, alias, setting_text(s, c, true, &arena));
        }
    }
    if (wanted(globs, count, STR("collectionMaps"), false)) {
        struct buf json;
        buf_init(&json, CONFIG_FILE_BYTES * 2);
        collections_json(c, false, &json);
        fn(arg, STR("collectionMaps"), buf_str(&json));
        buf_release(&json);
    }
    arena_release(&arena);
}

static enum status refuse(struct err *err, struct str name, const char *why) {
    struct str shown = name;
    if (shown.n > 128) shown.n = 128;
    return err_set(err, ERR_SYNTAX, "CONFIG SET failed (possibly related to argument '%.*s') - %s",
                   STR_FMT(shown), why);
}

/* Redis's words for a value that does not fit. */
static struct str value_words(const struct setting *s, enum value_fault fault,
                              struct arena *arena) {
    struct str expected = setting_expected(s, arena), range = setting_range(s, arena);
    if (fault == VALUE_RANGE && s->type != SETTING_TEXT && s->type != SETTING_MS) {
        return arena_printf(arena, "argument must be between %lld and %lld inclusive: %.*s",
                            (long long)s->min, (long long)s->max, STR_FMT(expected));
    }
    switch (s->type) {
    case SETTING_BOOL:
        return STR("argument must be 'yes' or 'no'");
    case SETTING_INT:
        return STR("argument couldn't be parsed into an integer");
    case SETTING_OCTAL:
        return STR("argument couldn't be parsed as an octal number");
    case SETTING_BYTES:
        return STR("argument must be a memory value");
    case SETTING_ENUM:
    case SETTING_WORD:
        return arena_printf(arena, "argument(s) must be one of the following: %.*s",
                            STR_FMT(range));
    default:
        return arena_printf(arena, "argument must be %.*s", STR_FMT(expected));
    }
}

/* Puts one pair into c. */
static enum status set_one(struct config *c, const struct setting *s, struct str name,
                           struct str value, struct err *err) {
    struct arena arena;
    arena_init(&arena);
    enum status status = OK;
    enum value_fault fault = setting_parse(s, value, c);
    if (fault == VALUE_OK) {
        c->changed |= UINT64_C(1) << (s - settings);
    } else if (fault != VALUE_MASK) { /* a secret's mask is what GET gave: nothing changes */
        status = refuse(err, name, value_words(s, fault, &arena).p);
    }
    arena_release(&arena);
    return status;
}

/* Are all names known, none twice, and may all be changed? Nothing is touched before that. */
static enum status check_names(const struct str *names_values, int pairs, struct err *err) {
    uint64_t seen = 0;
    for (int i = 0; i < pairs; i++) {
        struct str name = names_values[2 * i];
        const struct setting *s = setting_by_name(name);
        if (s == NULL && !str_eq_nocase(name, STR("collectionMaps"))) {
            if (name.n > 128) name.n = 128;
            return err_set(err, ERR_SYNTAX,
                           "Unknown option or number of arguments for CONFIG SET - '%.*s'",
                           STR_FMT(name));
        }
        if (s == NULL || !(s->flags & SETTING_LIVE)) {
            return refuse(err, name, "can't set immutable config");
        }
        uint64_t bit = UINT64_C(1) << (s - settings);
        if (seen & bit) return refuse(err, name, "duplicate parameter");
        seen |= bit;
    }
    return OK;
}

enum status config_set(const struct config *c, const struct str *names_values, int pairs,
                       struct config **ret, struct err *err) {
    enum status status = check_names(names_values, pairs, err);
    if (status != OK) return status;
    struct config *changed = config_copy(c);
    for (int i = 0; i < pairs && status == OK; i++) {
        struct str name = names_values[2 * i];
        status = set_one(changed, setting_by_name(name), name, names_values[2 * i + 1], err);
    }
    struct report report = {0};
    if (status == OK) config_check_whole(changed, &report);
    if (report.count > 0) {
        status = refuse(err, pairs > 0 ? names_values[2 * pairs - 2] : STR(""), report.first);
    }
    if (status == OK) {
        *ret = changed;
    } else {
        config_unref(changed);
    }
    return status;
}
