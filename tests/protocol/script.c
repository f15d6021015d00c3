/*
 * Splits a line, sends it, shows the reply and compares. What was called is noted per row.
 */
#include "protocol/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "commands/table.h"

enum { WORDS_MAX = 32, SHOWN_BYTES = 1 << 20, AHEAD_MS = 3600 * 1000, TOKENS_BYTES = 1024 };

struct noted {
    int good, bad;             /* calls that succeeded and failed */
    char tokens[TOKENS_BYTES]; /* words used, in upper case, each behind a blank */
};
static struct noted noted[COMMANDS_MAX];

struct line {
    struct str argv[WORDS_MAX];
    int argc;
    char text[4096]; /* the words, unquoted */
};

/* ---- the line ---- */

static void replace_instant(struct script *s, const char *word, char *ret, size_t room) {
    int64_t at = strcmp(word, "%now") == 0     ? clock_now_ms()
                 : strcmp(word, "%ahead") == 0 ? clock_now_ms() + AHEAD_MS
                 : strcmp(word, "%mark") == 0  ? s->mark_ms
                                               : -1;
    if (at < 0) return;
    (void)snprintf(ret, room, "%lld", (long long)at);
}

static void split(struct script *s, const char *say, struct line *line) {
    char *out = line->text;
    line->argc = 0;
    while (*say) {
        char *word = out;
        bool quoted = *say == '\'';
        if (quoted) say++;
        while (*say && *say != (quoted ? '\'' : ' ')) *out++ = *say++;
        if (quoted && *say) say++;
        *out = '\0';
        if (!quoted && strcmp(word, "_") == 0) *word = '\0';
        if (*word == '%') replace_instant(s, word, word, 32);
        out = word + strlen(word) + 1;
        assert_true(line->argc < WORDS_MAX);
        line->argv[line->argc++] = str_of(word);
        if (*say == ' ') say++;
    }
}

/* ---- the reply ---- */

static void show(struct buf *out, const struct peer_reply *r);

static void show_many(struct buf *out, const struct peer_reply *r, const char *marks) {
    buf_append_char(out, marks[0]);
    for (size_t i = 0; i < r->count; i++) {
        if (i) buf_append_char(out, ' ');
        show(out, &r->all[i]);
    }
    buf_append_char(out, marks[1]);
}

static void show(struct buf *out, const struct peer_reply *r) {
    if (!r->text.p) {
        buf_append_str(out, STR("nil"));
    } else if (strchr("*%~", r->type)) {
        show_many(out, r, r->type == '*' ? "[]" : r->type == '%' ? "{}" : "<>");
    } else if (r->type == '$' || r->type == '=') {
        struct str text = r->text;
        if (r->type == '=') {
            assert_memory_equal(text.p, "txt:", 4);
            text = (struct str){text.p + 4, text.n - 4};
        }
        buf_printf(out, "%s'", r->type == '=' ? "~" : "");
        buf_append_str(out, text);
        buf_append_char(out, '\'');
    } else {
        buf_append_char(out, r->type);
        buf_append_str(out, r->text);
    }
}

/* What RESP2 answers where RESP3 answers `want`. */
static char *as_resp2(const char *want) {
    char *text = malloc(strlen(want) * 2 + 1), *out = text;
    assert_non_null(text);
    bool quoted = false;
    for (; *want; want++) {
        if (*want == '\'') quoted = !quoted;
        const char *from = "{}<>", *to = "[][]";
        const char *mark = quoted ? NULL : strchr(from, *want);
        if (mark) {
            *out++ = to[mark - from];
        } else if (!quoted && *want == '#' && (want[1] == 't' || want[1] == 'f')) {
            *out++ = ':';
            *out++ = *++want == 't' ? '1' : '0';
        } else if (quoted || *want != '~') {
            *out++ = *want;
        }
    }
    *out = '\0';
    return text;
}

/* '*' stands for anything. */
static bool fits(const char *want, const char *got) {
    const char *star = NULL, *again = NULL;
    while (*got) {
        if (*want == '*') {
            star = want++;
            again = got;
        } else if (*want == *got) {
            want++;
            got++;
        } else if (star) {
            want = star + 1;
            got = ++again;
        } else {
            return false;
        }
    }
    while (*want == '*') want++;
    return *want == '\0';
}

/* ---- what was called ---- */

/* Commands that are never answered with an error, whatever they are given. */
static bool never_fails(const struct command *row) {
    static const char *const names[] = {"quit", "info", "command|info", "command|docs"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(row->name, names[i]) == 0) return true;
    return false;
}

static const struct command *row_of(const struct line *line) {
    const struct command *row = table_find(line->argv[0]);
    if (!row || !table_is_container(row) || line->argc < 2) return row;
    const struct command *sub = table_find_sub(row, line->argv[1]);
    return sub ? sub : row;
}

static void note(const struct line *line, bool good) {
    const struct command *row = row_of(line);
    if (!row) return;
    struct noted *n = &noted[table_index(row)];
    if (good)
        n->good++;
    else
        n->bad++;
    for (int i = 1; i < line->argc; i++) {
        char word[64];
        size_t size = line->argv[i].n;
        if (size + 1 >= sizeof word) continue;
        word[0] = ' ';
        for (size_t c = 0; c <= size; c++) {
            char letter = line->argv[i].p[c];
            word[c + 1] = letter >= 'a' && letter <= 'z' ? (char)(letter & ~0x20) : letter;
        }
        if (strstr(n->tokens, word) || strlen(n->tokens) + size + 2 >= TOKENS_BYTES) continue;
        memcpy(n->tokens + strlen(n->tokens), word, size + 2);
    }
}

struct missing {
    const struct command *row;
    int count;
};

static void check_token(void *arg, struct str token) {
    struct missing *m = arg;
    char word[64];
    (void)snprintf(word, sizeof word, " %.*s", STR_FMT(token));
    if (strstr(noted[table_index(m->row)].tokens, word)) return;
    print_message("%s was never called with%s\n", m->row->name, word);
    m->count++;
}

void script_check_all_called(void) {
    struct missing m = {0};
    for (int i = 0; table_row(i); i++) {
        m.row = table_row(i);
        bool runs = m.row->run || m.row->plan;
        bool can_fail = m.row->syntax[0] && !never_fails(m.row);
        if (runs && noted[i].good == 0) {
            print_message("%s was never called with success\n", m.row->name);
            m.count++;
        }
        if (runs && can_fail && noted[i].bad == 0) {
            print_message("%s was never called in error\n", m.row->name);
            m.count++;
        }
        syntax_tokens(table_syntax(m.row), check_token, &m);
    }
    assert_int_equal(m.count, 0);
}

/* ---- running ---- */

/* After `mark` no instant of the past and none of the future is like %mark. */
static void mark(struct script *s) {
    struct timespec step = {.tv_nsec = 2000000};
    nanosleep(&step, NULL);
    s->mark_ms = clock_now_ms();
    while (clock_now_ms() <= s->mark_ms + 1) nanosleep(&step, NULL);
}

static void run_step(struct script *s, const struct step *step, struct arena *arena,
                     struct buf *shown) {
    struct line line;
    split(s, step->say, &line);
    peer_send(s->peer, line.argc, line.argv);
    const struct peer_reply *reply = peer_read(s->peer, arena);
    note(&line, reply->type != '-');
    buf_reset(shown);
    show(shown, reply);
    buf_append_char(shown, '\0');
    assert_false(shown->overflow);
    char *want = s->protocol == 3 ? strdup(step->want) : as_resp2(step->want);
    if (!fits(want, shown->data))
        fail_msg("RESP%d, '%s'\n  answered %s\n  not      %s", s->protocol, step->say, shown->data,
                 want);
    free(want);
    arena_reset(arena);
}

void script_send(struct script *s, const char *say) {
    struct line line;
    split(s, say, &line);
    peer_send(s->peer, line.argc, line.argv);
    note(&line, true);
}

void script_run(struct script *s, const struct step *steps) {
    struct arena arena;
    struct buf shown;
    arena_init(&arena);
    buf_init(&shown, SHOWN_BYTES);
    for (; steps->say; steps++) {
        if (strcmp(steps->say, "mark") == 0)
            mark(s);
        else
            run_step(s, steps, &arena, &shown);
    }
    buf_release(&shown);
    arena_release(&arena);
}
