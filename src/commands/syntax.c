/*
 * A recursive descent over the words of a syntax line:
 *
 *     sequence    := item*                      until ']' '>' '|' '...' or the end
 *     item        := word | '[' choice ']' | '<' choice '>'
 *     choice      := alternative ('|' alternative)*
 *     alternative := [WORD] sequence ['...']
 *
 * The lines are few, short and our own: a parse happens once per row at start.
 */
#include "commands/syntax.h"

enum { SEQUENCE_MAX = 24, DEPTH_MAX = 6 };

struct reader {
    const char *p;
    struct str word; /* the present one; empty at the end */
    struct arena *arena;
    int depth;
};

struct sequence {
    struct argument items[SEQUENCE_MAX];
    int count;
};

static enum status read_choice(struct reader *r, const char *end, struct argument *ret,
                               bool *ret_dots, struct err *err);

static bool is_mark(char c) {
    return c == '[' || c == ']' || c == '<' || c == '>' || c == '|';
}

static void next_word(struct reader *r) {
    while (*r->p == ' ') r->p++;
    const char *start = r->p;
    if (is_mark(*r->p)) {
        r->p++;
    } else {
        while (*r->p && *r->p != ' ' && !is_mark(*r->p)) r->p++;
    }
    r->word = (struct str){start, (size_t)(r->p - start)};
}

static bool at(const struct reader *r, const char *word) {
    return str_eq(r->word, str_of(word));
}

static bool is_upper(struct str word) {
    return word.n > 0 && word.p[0] >= 'A' && word.p[0] <= 'Z';
}

static enum argument_type type_of(struct str name) {
    static const struct {
        const char *name;
        enum argument_type type;
    } types[] = {
        {"key", ARGUMENT_KEY},          {"pattern", ARGUMENT_PATTERN},
        {"n", ARGUMENT_INTEGER},        {"ov", ARGUMENT_INTEGER},
        {"ov1", ARGUMENT_INTEGER},      {"ov2", ARGUMENT_INTEGER},
        {"numkeys", ARGUMENT_INTEGER},  {"count", ARGUMENT_INTEGER},
        {"seconds", ARGUMENT_INTEGER},  {"milliseconds", ARGUMENT_INTEGER},
        {"cursor", ARGUMENT_INTEGER},   {"index", ARGUMENT_INTEGER},
        {"protover", ARGUMENT_INTEGER}, {"client-id", ARGUMENT_INTEGER},
        {"maxage", ARGUMENT_INTEGER},   {"numreplicas", ARGUMENT_INTEGER},
        {"nth", ARGUMENT_INTEGER},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (str_eq(name, str_of(types[i].name))) return types[i].type;
    }
    return ARGUMENT_STRING;
}

static struct str lower(struct arena *arena, struct str word) {
    char *p = arena_alloc(arena, word.n + 1);
    for (size_t i = 0; i < word.n; i++) {
        char c = word.p[i];
        p[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    return (struct str){p, word.n};
}

static struct argument block_of(struct arena *arena, const struct argument *items, int count) {
    struct argument block = {.name = STR("data"), .type = ARGUMENT_BLOCK, .count = count};
    block.args = arena_alloc(arena, sizeof *items * (size_t)(count ? count : 1));
    memcpy(block.args, items, sizeof *items * (size_t)count);
    for (int i = 0; i < count; i++) {
        if (!items[i].optional) block.words += items[i].words;
    }
    return block;
}

/* `a b [a b ...]`: what stands in the brackets repeats the words before them. */
static bool repeats_what_precedes(const struct sequence *s, const struct argument *inner) {
    int n = inner->type == ARGUMENT_BLOCK ? inner->count : 1;
    const struct argument *items = inner->type == ARGUMENT_BLOCK ? inner->args : inner;
    if (inner->token.p || n > s->count) return false;
    for (int i = 0; i < n; i++) {
        if (!str_eq(items[i].name, s->items[s->count - n + i].name)) return false;
    }
    return true;
}

static void make_repeated(struct arena *arena, struct sequence *s, const struct argument *inner) {
    int n = inner->type == ARGUMENT_BLOCK ? inner->count : 1;
    if (n > 1) {
        s->items[s->count - n] = block_of(arena, &s->items[s->count - n], n);
        s->count -= n - 1;
    }
    s->items[s->count - 1].multiple = true;
}

static enum status read_item(struct reader *r, struct sequence *s, struct err *err) {
    bool optional = at(r, "["), dots = false;
    struct argument item = {0};
    if (optional || at(r, "<")) {
        next_word(r);
        enum status st = read_choice(r, optional ? "]" : ">", &item, &dots, err);
        if (st != OK) return st;
        if (dots && repeats_what_precedes(s, &item)) {
            make_repeated(r->arena, s, &item);
            return OK;
        }
        item.optional = optional;
        item.multiple = dots;
    } else if (is_upper(r->word)) {
        return err_set(err, ERR_SYNTAX, "the word '%.*s' stands where only an argument may",
                       STR_FMT(r->word));
    } else {
        item = (struct argument){.name = r->word, .type = type_of(r->word), .words = 1};
        next_word(r);
    }
    if (s->count == SEQUENCE_MAX) return err_set(err, ERR_SYNTAX, "more than %d parts", s->count);
    s->items[s->count++] = item;
    return OK;
}

static enum status read_sequence(struct reader *r, struct sequence *s, struct err *err) {
    s->count = 0;
    while (r->word.n > 0 && !at(r, "]") && !at(r, ">") && !at(r, "|") && !at(r, "...")) {
        enum status st = read_item(r, s, err);
        if (st != OK) return st;
    }
    return OK;
}

static enum status read_alternative(struct reader *r, struct argument *ret, struct err *err) {
    struct sequence s;
    struct str token = STR_NONE;
    if (is_upper(r->word)) {
        token = r->word;
        next_word(r);
    }
    enum status st = read_sequence(r, &s, err);
    if (st != OK) return st;
    if (s.count == 0 && !token.p) return err_set(err, ERR_SYNTAX, "empty brackets");
    struct argument one;
    if (s.count == 0) {
        one = (struct argument){.name = lower(r->arena, token), .type = ARGUMENT_PURE_TOKEN};
    } else if (s.count == 1 && !s.items[0].token.p && !s.items[0].optional) {
        one = s.items[0];
    } else {
        one = block_of(r->arena, s.items, s.count);
        if (token.p) one.name = lower(r->arena, token);
    }
    if (token.p) {
        one.token = token;
        one.words++;
    }
    *ret = one;
    return OK;
}

static enum status read_choice(struct reader *r, const char *end, struct argument *ret,
                               bool *ret_dots, struct err *err) {
    struct argument choices[SEQUENCE_MAX];
    int count = 0;
    if (++r->depth > DEPTH_MAX) return err_set(err, ERR_SYNTAX, "brackets are too deep");
    for (;;) {
        if (count == SEQUENCE_MAX) return err_set(err, ERR_SYNTAX, "too many choices");
        enum status st = read_alternative(r, &choices[count++], err);
        if (st != OK) return st;
        if (!at(r, "|")) break;
        next_word(r);
    }
    if (at(r, "...")) {
        *ret_dots = true;
        next_word(r);
    }
    if (!at(r, end))
        return err_set(err, ERR_SYNTAX, "'%s' expected before '%.*s'", end, STR_FMT(r->word));
    next_word(r);
    r->depth--;
    if (count == 1) {
        *ret = choices[0];
        return OK;
    }
    *ret = block_of(r->arena, choices, count);
    ret->name = STR("choice");
    ret->type = ARGUMENT_ONEOF;
    ret->words = choices[0].words;
    for (int i = 1; i < count; i++) {
        if (choices[i].words < ret->words) ret->words = choices[i].words;
    }
    return OK;
}

enum status syntax_parse(const char *line, struct arena *arena, struct argument *ret,
                         struct err *err) {
    struct reader r = {.p = line, .arena = arena};
    struct sequence s;
    next_word(&r);
    enum status st = read_sequence(&r, &s, err);
    if (st != OK) return st;
    if (r.word.n > 0) return err_set(err, ERR_SYNTAX, "'%.*s' closes nothing", STR_FMT(r.word));
    *ret = block_of(arena, s.items, s.count);
    return OK;
}

bool syntax_is_open(const struct argument *argument) {
    if (argument->optional || argument->multiple) return true;
    for (int i = 0; i < argument->count; i++) {
        if (syntax_is_open(&argument->args[i])) return true;
        if (argument->type == ARGUMENT_ONEOF && argument->args[i].words != argument->words)
            return true;
    }
    return false;
}

void syntax_tokens(const struct argument *argument, void (*fn)(void *arg, struct str token),
                   void *arg) {
    if (argument->token.p) fn(arg, argument->token);
    for (int i = 0; i < argument->count; i++) syntax_tokens(&argument->args[i], fn, arg);
}

const char *syntax_type_name(enum argument_type type) {
    static const char *const names[ARGUMENT_TYPE_COUNT] = {
        "string", "integer", "key", "pattern", "pure-token", "oneof", "block"};
    ASSERT(type >= 0 && type < ARGUMENT_TYPE_COUNT);
    return names[type];
}
