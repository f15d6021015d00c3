/*
 * config_value: values of settings as text and as JSON, both ways. Defaults, the file, the command
 * line and CONFIG SET all come through setting_parse.
 */
#include "base/json.h"
#include "config/settings.h"

static void *value_at(const struct setting *s, const struct config *c) {
    return (char *)c + s->at;
}

static int64_t *int_at(const struct setting *s, const struct config *c) {
    return value_at(s, c);
}

static struct str *str_at(const struct setting *s, const struct config *c) {
    return value_at(s, c);
}

/* A number and its unit: "64kb" is 64 and "kb". */
static bool split_unit(struct str text, int64_t *ret_number, struct str *ret_unit) {
    size_t digits = 0;
    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9') digits++;
    if (!str_to_int((struct str){text.p, digits}, ret_number)) return false;
    *ret_unit = (struct str){text.p + digits, text.n - digits};
    return true;
}

struct unit {
    struct str name;
    int64_t factor;
};

/* As in Redis: k, m and g are decimal, kb, mb and gb are binary. */
static const struct unit byte_units[] = {
    {{"", 0}, 1},           {{"b", 1}, 1},        {{"k", 1}, 1000},
    {{"kb", 2}, 1 << 10},   {{"m", 1}, 1000000},  {{"mb", 2}, 1 << 20},
    {{"g", 1}, 1000000000}, {{"gb", 2}, 1 << 30}, {{NULL, 0}, 0},
};
/* In milliseconds; a number alone is seconds. */
static const struct unit time_units[] = {
    {{"", 0}, 1000},     {{"ms", 2}, 1},       {{"s", 1}, 1000}, {{"m", 1}, 60000},
    {{"h", 1}, 3600000}, {{"d", 1}, 86400000}, {{NULL, 0}, 0},
};

static enum value_fault parse_scaled(struct str text, const struct unit *units, int64_t *ret) {
    int64_t number;
    struct str name;
    if (!split_unit(text, &number, &name)) return VALUE_FORM;
    for (; units->name.p != NULL; units++) {
        if (!str_eq_nocase(name, units->name)) continue;
        return __builtin_mul_overflow(number, units->factor, ret) ? VALUE_RANGE : VALUE_OK;
    }
    return VALUE_FORM;
}

static enum value_fault parse_octal(struct str text, int64_t *ret) {
    int64_t v = 0;
    if (text.n == 0 || text.n > 6) return VALUE_FORM;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '7') return VALUE_FORM;
        v = v * 8 + (text.p[i] - '0');
    }
    *ret = v;
    return VALUE_OK;
}

static enum value_fault parse_number(const struct setting *s, struct str text, struct config *c) {
    int64_t v = 0;
    enum value_fault fault = VALUE_OK;
    switch (s->type) {
    case SETTING_INT:
        fault = str_to_int(text, &v) ? VALUE_OK : VALUE_FORM;
        break;
    case SETTING_OCTAL:
        fault = parse_octal(text, &v);
        break;
    case SETTING_BYTES:
        fault = parse_scaled(text, byte_units, &v);
        break;
    default:
        fault = parse_scaled(text, time_units, &v);
        if (fault != VALUE_OK || s->type == SETTING_MS) break;
        if (v % 1000 != 0) return VALUE_FORM;
        v /= 1000;
        break;
    }
    if (fault == VALUE_OK && (v < s->min || v > s->max)) fault = VALUE_RANGE;
    if (fault == VALUE_OK) *int_at(s, c) = v;
    return fault;
}

static enum value_fault parse_bool(const struct setting *s, struct str text, struct config *c) {
    bool yes = str_eq_nocase(text, STR("yes")) || str_eq_nocase(text, STR("true"));
    bool no = str_eq_nocase(text, STR("no")) || str_eq_nocase(text, STR("false"));
    if (!yes && !no) return VALUE_FORM;
    *(bool *)value_at(s, c) = yes;
    return VALUE_OK;
}

static enum value_fault parse_text(const struct setting *s, struct str text, struct config *c) {
    bool secret = (s->flags & SETTING_SECRET) != 0;
    if (secret && str_eq(text, STR(SETTING_MASK))) return VALUE_MASK;
    if ((int64_t)text.n < s->min || (int64_t)text.n > s->max) return VALUE_RANGE;
    if (!secret) {
        if (!str_is_utf8(text, NULL)) return VALUE_FORM;
        for (size_t i = 0; i < text.n; i++) {
            if ((uint8_t)text.p[i] < 0x20 || text.p[i] == 0x7F) return VALUE_FORM;
        }
    }
    *str_at(s, c) = arena_dup(&c->arena, text.n ? text : STR(""));
    return VALUE_OK;
}

/* Redis's names of log levels are understood, too. */
static struct str plain_word(const struct setting *s, struct str text) {
    static const char *const same[][2] = {
        {"verbose", "debug"}, {"notice", "info"}, {"warning", "warn"}, {"nothing", "off"}};
    for (size_t i = 0; s->type == SETTING_WORD && i < sizeof(same) / sizeof(same[0]); i++) {
        if (str_eq_nocase(text, str_of(same[i][0]))) return str_of(same[i][1]);
    }
    return text;
}

static enum value_fault parse_word(const struct setting *s, struct str text, struct config *c) {
    text = plain_word(s, text);
    for (int i = 0; s->words[i] != NULL; i++) {
        if (!str_eq_nocase(text, str_of(s->words[i]))) continue;
        if (s->type == SETTING_ENUM) {
            memcpy(value_at(s, c), &i, sizeof(i)); /* an enum: of the size of an int */
        } else {
            *str_at(s, c) = str_of(s->words[i]);
        }
        return VALUE_OK;
    }
    return VALUE_FORM;
}
_Static_assert(sizeof(enum payload_ack) == sizeof(int), "SETTING_ENUM is stored as an int");
_Static_assert(sizeof(enum debug_allowed) == sizeof(int), "SETTING_ENUM is stored as an int");

enum value_fault setting_parse(const struct setting *s, struct str text, struct config *c) {
    switch (s->type) {
    case SETTING_BOOL:
        return parse_bool(s, text, c);
    case SETTING_TEXT:
        return parse_text(s, text, c);
    case SETTING_ENUM:
    case SETTING_WORD:
        return parse_word(s, text, c);
    case SETTING_FIXED:
        ASSERT(false);
        return VALUE_FORM;
    default:
        return parse_number(s, text, c);
    }
}

void setting_copy(const struct setting *s, const struct config *from, struct config *to) {
    switch (s->type) {
    case SETTING_BOOL:
        *(bool *)value_at(s, to) = *(bool *)value_at(s, from);
        break;
    case SETTING_ENUM:
        memcpy(value_at(s, to), value_at(s, from), sizeof(int));
        break;
    case SETTING_TEXT:
    case SETTING_WORD:
        *str_at(s, to) = arena_dup(&to->arena, *str_at(s, from));
        break;
    case SETTING_FIXED:
        break;
    default:
        *int_at(s, to) = *int_at(s, from);
        break;
    }
}

bool setting_equal(const struct setting *s, const struct config *a, const struct config *b) {
    switch (s->type) {
    case SETTING_BOOL:
        return *(bool *)value_at(s, a) == *(bool *)value_at(s, b);
    case SETTING_ENUM:
        return memcmp(value_at(s, a), value_at(s, b), sizeof(int)) == 0;
    case SETTING_TEXT:
    case SETTING_WORD:
        return str_eq(*str_at(s, a), *str_at(s, b));
    case SETTING_FIXED:
        return true;
    default:
        return *int_at(s, a) == *int_at(s, b);
    }
}

/* "64mb": the largest unit that divides. */
static struct str bytes_text(int64_t v, struct arena *arena) {
    static const char *const names[] = {"", "kb", "mb", "gb"};
    int unit = 0;
    while (unit < 3 && v != 0 && v % 1024 == 0) {
        v /= 1024;
        unit++;
    }
    return arena_printf(arena, "%lld%s", (long long)v, names[unit]);
}

static struct str ms_text(int64_t ms, struct arena *arena) {
    if (ms % 1000 != 0) return arena_printf(arena, "%lldms", (long long)ms);
    return arena_printf(arena, "%llds", (long long)ms / 1000);
}

/* A value of this setting, which is a number, as text. */
static struct str number_text(const struct setting *s, int64_t v, bool redis, struct arena *arena) {
    if (s->type == SETTING_OCTAL) return arena_printf(arena, "%llo", (long long)v);
    if (s->type == SETTING_BYTES && !redis) return bytes_text(v, arena);
    if (s->type == SETTING_MS) return ms_text(v, arena);
    if (s->type == SETTING_SECONDS && !redis) return ms_text(v * 1000, arena);
    return arena_printf(arena, "%lld", (long long)v);
}

static struct str words_text(const char *const *words, struct arena *arena) {
    struct str list = str_of(words[0]);
    for (int i = 1; words[i] != NULL; i++) {
        list = arena_printf(arena, "%.*s, %s", STR_FMT(list), words[i]);
    }
    return list;
}

struct str setting_range(const struct setting *s, struct arena *arena) {
    if (s->words != NULL) return words_text(s->words, arena);
    struct str min = number_text(s, s->min, false, arena);
    struct str max = number_text(s, s->max, false, arena);
    return arena_printf(arena, "%.*s to %.*s", STR_FMT(min), STR_FMT(max));
}

struct str setting_expected(const struct setting *s, struct arena *arena) {
    struct str range = setting_range(s, arena);
    switch (s->type) {
    case SETTING_BOOL:
        return STR("true or false");
    case SETTING_TEXT:
        return arena_printf(arena, "text of %lld to %lld bytes%s", (long long)s->min,
                            (long long)s->max,
                            s->flags & SETTING_SECRET ? "" : " without control characters");
    case SETTING_ENUM:
    case SETTING_WORD:
        return arena_printf(arena, "one of %.*s", STR_FMT(range));
    default:
        break;
    }
    const char *what = s->type == SETTING_INT     ? "an integer"
                       : s->type == SETTING_OCTAL ? "permissions in octal"
                       : s->type == SETTING_BYTES ? "a size like 64kb or 32mb"
                       : s->type == SETTING_MS    ? "a duration like 500ms, 10s or 5m"
                                                  : "a duration in whole seconds like 10s or 5m";
    return arena_printf(arena, "%s from %.*s", what, STR_FMT(range));
}

struct str setting_text(const struct setting *s, const struct config *c, bool redis,
                        struct arena *arena) {
    int word;
    switch (s->type) {
    case SETTING_FIXED:
        return str_of(s->value);
    case SETTING_BOOL:
        return *(bool *)value_at(s, c) ? STR("yes") : STR("no");
    case SETTING_WORD:
        return *str_at(s, c);
    case SETTING_TEXT:
        return s->flags & SETTING_SECRET && str_at(s, c)->n > 0 ? STR(SETTING_MASK) : *str_at(s, c);
    case SETTING_ENUM:
        memcpy(&word, value_at(s, c), sizeof(word));
        return str_of(s->words[word]);
    default:
        return number_text(s, *int_at(s, c), redis, arena);
    }
}

void setting_json(const struct setting *s, const struct config *c, bool mask, struct buf *out) {
    struct arena arena;
    arena_init(&arena);
    if (s->type == SETTING_BOOL) {
        buf_append_str(out, *(bool *)value_at(s, c) ? STR("true") : STR("false"));
    } else if (s->type == SETTING_INT) {
        buf_append_int(out, *int_at(s, c));
    } else if (s->flags & SETTING_SECRET && !mask) {
        json_quote(out, *str_at(s, c));
    } else {
        json_quote(out, setting_text(s, c, false, &arena));
    }
    arena_release(&arena);
}

static void list_json(const struct str *list, int count, struct buf *out) {
    buf_append_char(out, '[');
    for (int i = 0; i < count; i++) {
        if (i > 0) buf_append_str(out, STR(", "));
        json_quote(out, list[i]);
    }
    buf_append_char(out, ']');
}

/* {"indexedProps": [...], "hiddenFields": [...], "validation": {"requiredIndexed": [...]}} */
static void collection_json(const struct config_collection *c, struct buf *out) {
    buf_append_str(out, STR("{\"indexedProps\": "));
    list_json(c->indexed, c->indexed_count, out);
    buf_append_str(out, STR(", \"hiddenFields\": "));
    list_json(c->hidden_fields, c->hidden_count, out);
    buf_append_str(out, STR(", \"validation\": {\"requiredIndexed\": "));
    list_json(c->required, c->required_count, out);
    buf_append_str(out, STR("}}"));
}

void collections_json(const struct config *c, bool indented, struct buf *out) {
    buf_append_char(out, '{');
    for (int i = 0; i < c->collection_count; i++) {
        if (i > 0) buf_append_char(out, ',');
        if (indented || i > 0) buf_append_str(out, indented ? STR("\n    ") : STR(" "));
        json_quote(out, c->collections[i].name);
        buf_append_str(out, STR(": "));
        collection_json(&c->collections[i], out);
    }
    if (indented && c->collection_count > 0) buf_append_str(out, STR("\n  "));
    buf_append_char(out, '}');
}
