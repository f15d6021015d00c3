/* Proves that the command table agrees with itself: names are unique and found in any case, every
 * field is filled, the syntax of every row parses, arity, options and keys follow from it, and
 * COMMAND tells the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/docs.h"
#include "commands/options.h"
#include "commands/table.h"

static const char *const groups[] = {"chronos", "string", "generic", "connection", "server"};

static int row_count(void) {
    int count = 0;
    while (table_row(count)) count++;
    return count;
}

static void test_names(void **state) {
    (void)state;
    int count = row_count();
    assert_in_range(count, 60, COMMANDS_MAX);
    for (int i = 0; i < count; i++) {
        const struct command *row = table_row(i);
        assert_int_equal(table_index(row), i);
        for (const char *p = row->name; *p; p++)
            if (!strchr("abcdefghijklmnopqrstuvwxyz.|-", *p))
                fail_msg("%s: '%c' in a name", row->name, *p);
        for (int j = 0; j < i; j++)
            if (strcmp(row->name, table_row(j)->name) == 0)
                fail_msg("%s is there twice", row->name);
    }
}

static void in_case(char *text, bool upper) {
    for (; *text; text++)
        if (upper && *text >= 'a' && *text <= 'z') *text = (char)(*text & ~0x20);
}

static void test_find(void **state) {
    (void)state;
    const struct command *container = NULL;
    for (int i = 0; table_row(i); i++) {
        const struct command *row = table_row(i);
        char name[64];
        (void)snprintf(name, sizeof name, "%s", row->name);
        if (!table_is_sub(row)) container = row;
        for (int upper = 0; upper < 2; upper++) {
            in_case(name, upper);
            if (!table_is_sub(row)) {
                assert_ptr_equal(table_find(str_of(name)), row);
                continue;
            }
            assert_null(table_find(str_of(name)));
            size_t n = strlen(container->name);
            assert_memory_equal(row->name, container->name, n);
            assert_true(table_is_container(container));
            assert_ptr_equal(table_find_sub(container, str_of(name + n + 1)), row);
        }
    }
    assert_null(table_find(STR("")));
    assert_null(table_find(STR("ge")));
    assert_null(table_find(STR("gett")));
    assert_null(table_find(STR("get\0")));
    assert_null(table_find(STR("GE\x14"))); /* differs from "get" in the bit of case */
    assert_null(table_find(STR("chronos-get")));
    assert_null(table_find_sub(table_find(STR("client")), STR("nosuch")));
    assert_false(table_is_container(table_find(STR("get"))));
}

static void test_fields(void **state) {
    (void)state;
    for (int i = 0; table_row(i); i++) {
        const struct command *row = table_row(i);
        const char *texts[] = {row->name,  row->syntax, row->summary,   row->reply,
                               row->group, row->since,  row->complexity};
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
            if (!texts[t] || (!texts[t][0] && texts[t] != row->syntax))
                fail_msg("%s: text %zu is empty", row->name, t);
        size_t n = strlen(row->summary);
        if (row->summary[n - 1] != '.') fail_msg("%s: the summary is no sentence", row->name);
        bool known = false;
        for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
            known |= strcmp(row->group, groups[g]) == 0;
        if (!known) fail_msg("%s: group %s", row->name, row->group);
        if (!row->acl) fail_msg("%s: no category", row->name);
        bool fast = row->acl & ACL_FAST, slow = row->acl & ACL_SLOW;
        if (fast == slow) fail_msg("%s: either @fast or @slow", row->name);
        if (fast != ((row->flags & CMD_FAST) != 0)) fail_msg("%s: fast and @fast", row->name);
    }
}

/* What runs it, and what its flags promise. */
static void test_functions(void **state) {
    (void)state;
    for (int i = 0; table_row(i); i++) {
        const struct command *row = table_row(i);
        bool writes = row->flags & CMD_WRITE;
        if (!row->plan != !row->answer) fail_msg("%s: plan and answer go together", row->name);
        if (writes != (row->plan != NULL)) fail_msg("%s: writes are planned", row->name);
        if (row->plan && row->run) fail_msg("%s: both planned and run", row->name);
        if (!row->plan && !row->run && !table_is_container(row))
            fail_msg("%s: no function", row->name);
        if (row->cached && !(row->flags & CMD_READONLY)) fail_msg("%s: cached", row->name);
        if (writes && row->flags & CMD_READONLY) fail_msg("%s: reads or writes", row->name);
        if ((row->flags & CMD_ATOMIC) && !row->plan) fail_msg("%s: atomic", row->name);
        if (row->plan && row->flags & (CMD_STATE | CMD_REACTOR))
            fail_msg("%s: the reactor never writes", row->name);
        if (writes != ((row->acl & ACL_WRITE) != 0)) fail_msg("%s: @write", row->name);
        if (table_is_container(row)) {
            const struct command *help = table_find_sub(row, STR("help"));
            if (!help) fail_msg("%s: no HELP", row->name);
        }
    }
}

static void test_keys(void **state) {
    (void)state;
    for (int i = 0; table_row(i); i++) {
        const struct command *row = table_row(i);
        bool keys = row->first_key || row->key_num || row->key_word;
        if (keys != (row->key_flags != NULL)) fail_msg("%s: keys and their flags", row->name);
        if ((row->first_key != 0) != (row->key_step != 0)) fail_msg("%s: key step", row->name);
        if (row->plan && !keys) fail_msg("%s: a write without keys", row->name);
        if (!keys) continue;
        bool reads = strncmp(row->key_flags, "RO", 2) == 0;
        if (reads == (row->plan != NULL)) fail_msg("%s: key flags %s", row->name, row->key_flags);
        int named = 0;
        const struct argument *syntax = table_syntax(row);
        for (int a = 0; a < syntax->count; a++) {
            const struct argument *arg = &syntax->args[a];
            named += arg->type == ARGUMENT_KEY;
            for (int b = 0; b < arg->count; b++) named += arg->args[b].type == ARGUMENT_KEY;
        }
        if (named != 1) fail_msg("%s: %d keys in the syntax", row->name, named);
    }
}

struct arity {
    const char *name;
    int arity;
};

static void test_arity(void **state) {
    (void)state;
    static const struct arity known[] = {
        {"get", 2},
        {"mget", -2},
        {"set", -3},
        {"mset", -3},
        {"ping", -1},
        {"echo", 2},
        {"auth", -2},
        {"hello", -1},
        {"select", 2},
        {"scan", -2},
        {"dbsize", 1},
        {"del", -2},
        {"wait", 3},
        {"shutdown", -1},
        {"info", -1},
        {"client", -2},
        {"client|id", 2},
        {"client|setinfo", 4},
        {"client|kill", -3},
        {"client|reply", 3},
        {"client|list", -2},
        {"config|get", -3},
        {"config|set", -4},
        {"command", -1},
        {"command|list", -2},
        {"debug|fault", -4},
        {"debug|sleep", 3},
        {"chronos.create", -3},
        {"chronos.delete", -2},
        {"chronos.bulk", -4},
        {"chronos.mget", -3},
        {"chronos.getversion", -3},
        {"chronos.diff", -4},
        {"chronos.blame", -2},
        {"chronos.restore", -4},
        {"chronos.use", -1},
        {"chronos.admin|verify", 3},
        {"chronos.admin|health", 2},
        {"command|getkeys", -3},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const struct command *row = NULL;
        for (int n = 0; table_row(n); n++)
            if (strcmp(table_row(n)->name, known[i].name) == 0) row = table_row(n);
        assert_non_null(row);
        if (table_arity(row) != known[i].arity)
            fail_msg("%s: arity %d, not %d", row->name, table_arity(row), known[i].arity);
        int least = abs(known[i].arity);
        assert_true(table_arity_fits(row, least));
        assert_false(table_arity_fits(row, least - 1));
        assert_int_equal(table_arity_fits(row, least + 1), known[i].arity < 0);
    }
}

static void test_options_of_rows(void **state) {
    (void)state;
    const uint32_t write = OPTION_ACTOR | OPTION_REASON | OPTION_OPID | OPTION_SYNC;
    const uint32_t read =
        OPTION_META | OPTION_FIELDS | OPTION_DELETED | OPTION_HIDDEN | OPTION_PRESIGN | OPTION_TEXT;
    for (int i = 0; table_row(i); i++) {
        const struct command *row = table_row(i);
        if (strcmp(row->group, "chronos") != 0) continue;
        uint32_t options = table_options(row);
        if (row->plan && (options & write) != write) fail_msg("%s: write options", row->name);
        if (row->cached && (options & read) != read) fail_msg("%s: read options", row->name);
        if (!row->plan && options & write) fail_msg("%s: reads with write options", row->name);
    }
    assert_true(table_options(table_find(STR("chronos.update"))) & OPTION_IFOV);
    assert_false(table_options(table_find(STR("chronos.create"))) & OPTION_IFOV);
    assert_true(table_options(table_find(STR("chronos.mget"))) & OPTION_AT);
    assert_int_equal(table_options(table_find(STR("get"))), 0);
}

struct bad_line {
    const char *line, *says;
};

static void test_syntax_faults(void **state) {
    (void)state;
    static const struct bad_line bad[] = {
        {"key [", "empty brackets"},
        {"key []", "empty brackets"},
        {"key ]", "closes nothing"},
        {"[a", "expected before"},
        {"<a]", "expected before"},
        {"key TOKEN", "stands where"},
        {"[a |]", "empty brackets"},
        {"a ...", "closes nothing"},
        {"[[[[[[[a]]]]]]]", "too deep"},
        {"a b c d e f g h i j k l m n o p q r s t u v w x y", "more than"},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct argument parsed;
        struct err err = {0};
        assert_int_equal(syntax_parse(bad[i].line, &arena, &parsed, &err), ERR_SYNTAX);
        if (!strstr(err.msg, bad[i].says)) fail_msg("'%s': '%s'", bad[i].line, err.msg);
    }
    arena_release(&arena);
}

static void test_syntax_tree(void **state) {
    (void)state;
    struct arena arena;
    struct argument s;
    struct err err;
    arena_init(&arena);
    const char *line = "key json [key json ...] <OV ov | AT time> [FIELDS n path [path ...]] [NX]";
    assert_int_equal(syntax_parse(line, &arena, &s, &err), OK);
    assert_int_equal(s.count, 4);
    assert_int_equal(s.words, 4);
    assert_int_equal(s.args[0].type, ARGUMENT_BLOCK);
    assert_true(s.args[0].multiple);
    assert_int_equal(s.args[0].count, 2);
    assert_int_equal(s.args[0].args[0].type, ARGUMENT_KEY);
    assert_int_equal(s.args[1].type, ARGUMENT_ONEOF);
    assert_true(str_eq(s.args[1].args[0].token, STR("OV")));
    assert_int_equal(s.args[1].args[0].type, ARGUMENT_INTEGER);
    assert_int_equal(s.args[2].type, ARGUMENT_BLOCK);
    assert_true(s.args[2].optional);
    assert_true(s.args[2].args[1].multiple);
    assert_int_equal(s.args[3].type, ARGUMENT_PURE_TOKEN);
    assert_true(syntax_is_open(&s));
    assert_int_equal(syntax_parse("<LIB-NAME name | LIB-VER ver>", &arena, &s, &err), OK);
    assert_false(syntax_is_open(&s));
    assert_int_equal(s.words, 2);
    arena_release(&arena);
}

/* Skips one RESP value; returns what stands behind it, NULL when it is none. */
static const char *skip_value(const char *p, const char *end) {
    if (p >= end) return NULL;
    char type = *p++;
    long long n = 0;
    const char *line = p;
    while (p < end && *p != '\r') p++;
    if (p + 2 > end || p[1] != '\n') return NULL;
    for (const char *d = line; d < p; d++) n = *d >= '0' && *d <= '9' ? n * 10 + (*d - '0') : n;
    p += 2;
    if (type == '+' || type == ':') return p;
    if (type == '$') return p + n + 2 <= end ? p + n + 2 : NULL;
    if (type != '*' && type != '%' && type != '~') return NULL;
    if (type == '%') n *= 2;
    while (n-- > 0 && p) p = skip_value(p, end);
    return p;
}

static void test_replies_are_whole(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct docs *docs = docs_new(&arena);
    for (int protocol = 2; protocol <= 3; protocol++) {
        struct buf out;
        buf_init(&out, 16 * 1024 * 1024);
        struct reply r = {.out = &out, .protocol = protocol};
        docs_reply_all_info(docs, &r);
        assert_ptr_equal(skip_value(out.data, out.data + out.len), out.data + out.len);
        buf_reset(&out);
        docs_reply_all_docs(docs, &r);
        assert_false(out.overflow);
        assert_ptr_equal(skip_value(out.data, out.data + out.len), out.data + out.len);
        buf_release(&out);
    }
    docs_release(docs);
    arena_release(&arena);
}

static void test_markdown(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 16 * 1024 * 1024);
    docs_print_markdown(&out);
    assert_false(out.overflow);
    buf_append_char(&out, '\0');
    for (int i = 0; table_row(i); i++) {
        const struct command *row = table_row(i);
        if ((row->run || row->plan) && !strstr(out.data, row->summary))
            fail_msg("%s is not in the reference", row->name);
    }
    buf_release(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_arity),
        cmocka_unit_test(test_options_of_rows),
        cmocka_unit_test(test_syntax_faults),
        cmocka_unit_test(test_syntax_tree),
        cmocka_unit_test(test_replies_are_whole),
        cmocka_unit_test(test_markdown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
