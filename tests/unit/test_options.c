/* Proves that options are read in any order and case, and that every fault of them is told by name
 * and with the right word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/options.h"
#include "commands/table.h"

enum { WORDS_MAX = 24 };

/* A command line in blanks; `_` is an empty word. */
struct line {
    struct str argv[WORDS_MAX];
    int argc;
};

static struct line split(const char *text) {
    struct line line = {0};
    while (*text) {
        const char *end = strchr(text, ' ');
        size_t n = end ? (size_t)(end - text) : strlen(text);
        bool empty = n == 1 && *text == '_';
        line.argv[line.argc++] = (struct str){text, empty ? 0 : n};
        text += n + (end != NULL);
    }
    return line;
}

static enum status parse(const struct line *line, int from, struct options *ret, struct err *err) {
    const struct table_entry *entry = table_lookup(line->argv[0]);
    assert_non_null(entry);
    struct call call = {
        .command = entry->command, .entry = entry, .argc = line->argc, .argv = line->argv};
    return options_parse(&call, from, ret, err);
}

static void test_values(void **state) {
    (void)state;
    struct options o;
    struct err err;
    struct line line = split("chronos.create users:1 {} reason because Actor ann OPID op-1 sync "
                             "ORIGIN crm people 17 FUNC f1 PARENT orgs:7");
    assert_int_equal(parse(&line, 3, &o, &err), OK);
    assert_true(str_eq(o.actor, STR("ann")));
    assert_true(str_eq(o.reason, STR("because")));
    assert_true(str_eq(o.op_id, STR("op-1")));
    assert_true(str_eq(o.function_id, STR("f1")));
    assert_true(str_eq(o.parent, STR("orgs:7")));
    assert_true(str_eq(o.origin[0], STR("crm")));
    assert_true(str_eq(o.origin[1], STR("people")));
    assert_true(str_eq(o.origin[2], STR("17")));
    assert_true(o.given & OPTION_SYNC);
    assert_int_equal(o.if_ov, -1);

    line = split("chronos.get users:1 FIELDS 2 a.b FIELDS META HIDDEN DELETED TEXT PRESIGN 60");
    assert_int_equal(parse(&line, 2, &o, &err), OK);
    assert_int_equal(o.field_count, 2);
    assert_true(str_eq(o.fields[1], STR("FIELDS")));
    assert_int_equal(o.presign_s, 60);
    assert_int_equal(o.given, OPTION_FIELDS | OPTION_META | OPTION_HIDDEN | OPTION_DELETED |
                                  OPTION_TEXT | OPTION_PRESIGN);

    line = split("chronos.history users:1 FROM 0 TO 9223372036854775807 SINCE 1000 UNTIL "
                 "1970-01-01T00:00:02Z REV COUNT 5 DOCS");
    assert_int_equal(parse(&line, 2, &o, &err), OK);
    assert_int_equal(o.from_ov, 0);
    assert_int_equal(o.to_ov, INT64_MAX);
    assert_int_equal(o.since_ms, 1000);
    assert_int_equal(o.until_ms, 2000);
    assert_int_equal(o.count, 5);

    line = split("chronos.get users:1");
    assert_int_equal(parse(&line, 2, &o, &err), OK);
    assert_int_equal(o.given, 0);
    assert_null(o.actor.p);
}

struct fault {
    const char *line;
    int from;
    enum status status;
    const char *says[2];
};

static const struct fault faults[] = {
    {"chronos.get users:1 NOSUCH", 2, ERR_SYNTAX, {"'NOSUCH'", "META FIELDS"}},
    {"chronos.get users:1 ACTOR a", 2, ERR_SYNTAX, {"'ACTOR'", "takes"}},
    {"chronos.get users:1 _", 2, ERR_SYNTAX, {"unknown option ''", ""}},
    {"chronos.get users:1 META meta", 2, ERR_SYNTAX, {"META", "twice"}},
    {"chronos.get users:1 FIELDS", 2, ERR_SYNTAX, {"FIELDS", "needs a value"}},
    {"chronos.get users:1 FIELDS x", 2, ERR_SYNTAX, {"FIELDS", "integer"}},
    {"chronos.get users:1 FIELDS 0", 2, ERR_SYNTAX, {"FIELDS", "least"}},
    {"chronos.get users:1 FIELDS -1 a", 2, ERR_SYNTAX, {"FIELDS", "least"}},
    {"chronos.get users:1 FIELDS 3 a b", 2, ERR_SYNTAX, {"3 paths", "2 words"}},
    {"chronos.get users:1 FIELDS 9223372036854775807 a", 2, ERR_SYNTAX, {"FIELDS", "most"}},
    {"chronos.get users:1 PRESIGN", 2, ERR_SYNTAX, {"PRESIGN", "needs a value"}},
    {"chronos.get users:1 PRESIGN 0", 2, ERR_SYNTAX, {"PRESIGN", "least"}},
    {"chronos.get users:1 PRESIGN 604801", 2, ERR_SYNTAX, {"PRESIGN", "most"}},
    {"chronos.update users:1 {} IFOV x", 3, ERR_SYNTAX, {"IFOV", "integer"}},
    {"chronos.update users:1 {} IFOV -1", 3, ERR_SYNTAX, {"IFOV", "least"}},
    {"chronos.update users:1 {} IFOV 01", 3, ERR_SYNTAX, {"IFOV", "integer"}},
    {"chronos.update users:1 {} IFOV 9223372036854775808", 3, ERR_SYNTAX, {"IFOV", "range"}},
    {"chronos.update users:1 {} IFOV 1 IFOV 1", 3, ERR_SYNTAX, {"IFOV", "twice"}},
    {"chronos.create users:1 {} IFOV 1", 3, ERR_SYNTAX, {"'IFOV'", "chronos.create"}},
    {"chronos.create users:1 {} ACTOR", 3, ERR_SYNTAX, {"ACTOR", "needs a value"}},
    {"chronos.create users:1 {} ACTOR \xff", 3, ERR_VALIDATION, {"ACTOR", "UTF-8"}},
    {"chronos.create users:1 {} REASON a\xc3", 3, ERR_VALIDATION, {"REASON", "byte 1"}},
    {"chronos.create users:1 {} ORIGIN a b", 3, ERR_SYNTAX, {"ORIGIN", "three words"}},
    {"chronos.create users:1 {} ORIGIN a b \xff", 3, ERR_VALIDATION, {"ORIGIN", "UTF-8"}},
    {"chronos.create users:1 {} OPID _", 3, ERR_VALIDATION, {"OPID", "1 to"}},
    {"chronos.create users:1 {} OPID a\tb", 3, ERR_VALIDATION, {"OPID", "control"}},
    {"chronos.restore users:1 OV 1 AT 5", 2, ERR_SYNTAX, {"OV", "AT"}},
    {"chronos.restore users:1 AT 5 OV 1", 2, ERR_SYNTAX, {"exclude", "AT"}},
    {"chronos.restore users:1 AT yesterday", 2, ERR_SYNTAX, {"AT", ""}},
    {"chronos.restore users:1 AT 2026-01-01T00:00:00", 2, ERR_SYNTAX, {"AT", "zone"}},
    {"chronos.history users:1 COUNT 0", 2, ERR_SYNTAX, {"COUNT", "least"}},
    {"chronos.history users:1 SINCE x", 2, ERR_SYNTAX, {"SINCE", ""}},
    {"chronos.opstatus op KEY", 2, ERR_SYNTAX, {"KEY", "needs a value"}},
};

static void test_faults(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const struct fault *f = &faults[i];
        struct line line = split(f->line);
        struct options o = {.presign_s = 77};
        struct err err = {0};
        enum status s = parse(&line, f->from, &o, &err);
        if (s != f->status) fail_msg("'%s': status %d, '%s'", f->line, s, err.msg);
        for (int n = 0; n < 2; n++)
            if (!strstr(err.msg, f->says[n])) fail_msg("'%s': '%s'", f->line, err.msg);
        assert_int_equal(o.presign_s, 77);
    }
}

static void test_text_limits(void **state) {
    (void)state;
    static char text[OPTION_TEXT_BYTES + 1];
    memset(text, 'x', sizeof text);
    static const char *const names[] = {"ACTOR", "REASON", "FUNC", "PARENT"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct line line = split("chronos.create users:1 {} NAME TEXT");
        struct options o;
        struct err err;
        line.argv[3] = str_of(names[i]);
        line.argv[4] = (struct str){text, OPTION_TEXT_BYTES};
        assert_int_equal(parse(&line, 3, &o, &err), OK);
        line.argv[4].n++;
        assert_int_equal(parse(&line, 3, &o, &err), ERR_VALIDATION);
        assert_non_null(strstr(err.msg, names[i]));
        assert_non_null(strstr(err.msg, "1025 bytes"));
    }
    struct err err;
    assert_int_equal(argument_opid((struct str){text, OPTION_OPID_BYTES}, &err), OK);
    assert_int_equal(argument_opid((struct str){text, OPTION_OPID_BYTES + 1}, &err),
                     ERR_VALIDATION);
}

static void test_bits(void **state) {
    (void)state;
    uint32_t seen = 0;
    static const char *const names[] = {
        "actor",    "REASON", "opid",   "SYNC",    "ifov",   "PARENT",  "origin", "FUNC", "upsert",
        "UNDELETE", "meta",   "FIELDS", "deleted", "HIDDEN", "presign", "TEXT",   "from", "TO",
        "since",    "UNTIL",  "rev",    "COUNT",   "docs",   "AT",      "ov",     "KEY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint32_t bit = option_bit(str_of(names[i]));
        assert_int_equal(__builtin_popcount(bit), 1);
        assert_int_equal(seen & bit, 0);
        seen |= bit;
    }
    assert_int_equal(option_bit(STR("NOSUCH")), 0);
    assert_int_equal(option_bit(STR("")), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_text_limits),
        cmocka_unit_test(test_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
