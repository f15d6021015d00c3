/*
 * Everything here is printed from the rows. The replies about all commands are asked for by every
 * interactive client at its start, so they are written once per protocol and copied.
 */
#include "commands/docs.h"

enum { BLOB_BYTES = 4 * 1024 * 1024, PROTOCOLS = 2, RESP2 = 2 };

struct docs {
    struct buf info[PROTOCOLS], docs[PROTOCOLS];
};

struct named_bit {
    uint32_t bit;
    const char *name;
};

static const struct named_bit flag_names[] = {
    {CMD_WRITE, "write"}, {CMD_READONLY, "readonly"}, {CMD_DENYOOM, "denyoom"},
    {CMD_ADMIN, "admin"}, {CMD_NOSCRIPT, "noscript"}, {CMD_LOADING, "loading"},
    {CMD_STALE, "stale"}, {CMD_FAST, "fast"},         {CMD_NO_AUTH, "no_auth"},
};

static const struct named_bit acl_names[] = {
    {ACL_KEYSPACE, "@keyspace"},
    {ACL_READ, "@read"},
    {ACL_WRITE, "@write"},
    {ACL_STRING, "@string"},
    {ACL_FAST, "@fast"},
    {ACL_SLOW, "@slow"},
    {ACL_ADMIN, "@admin"},
    {ACL_DANGEROUS, "@dangerous"},
    {ACL_CONNECTION, "@connection"},
    {ACL_TRANSACTION, "@transaction"},
    {ACL_CHRONOS, "@chronos"},
};

enum {
    FLAG_COUNT = sizeof flag_names / sizeof *flag_names,
    ACL_COUNT = sizeof acl_names / sizeof *acl_names
};

uint32_t docs_acl_category(struct str name) {
    for (int i = 0; i < ACL_COUNT; i++) {
        struct str known = str_of(acl_names[i].name + 1);
        if (str_eq_nocase(name, known)) return acl_names[i].bit;
    }
    return 0;
}

/* ---- COMMAND INFO ---- */

/* Extra: one more word, or NULL. */
static void reply_bits(struct reply *r, const struct named_bit *names, int count, uint32_t bits,
                       const char *extra) {
    int set = extra != NULL;
    for (int i = 0; i < count; i++) set += (bits & names[i].bit) != 0;
    reply_set(r, set);
    for (int i = 0; i < count; i++) {
        if (bits & names[i].bit) reply_simple(r, names[i].name);
    }
    if (extra) reply_simple(r, extra);
}

void docs_reply_words(struct reply *r, const char *words) {
    struct str rest = str_of(words);
    int count = 1;
    for (size_t i = 0; i < rest.n; i++) count += rest.p[i] == ' ';
    reply_set(r, count);
    while (count-- > 0) {
        char word[16];
        ptrdiff_t blank = str_find_char(rest, ' ');
        size_t n = blank < 0 ? rest.n : (size_t)blank;
        ASSERT(n < sizeof word);
        memcpy(word, rest.p, n);
        word[n] = '\0';
        reply_simple(r, word);
        size_t skip = n + (blank >= 0);
        rest = (struct str){rest.p + skip, rest.n - skip};
    }
}

static bool has_keys(const struct command *row) {
    return row->first_key > 0 || row->key_num > 0 || row->key_word;
}

static bool keys_move(const struct command *row) {
    return row->key_num > 0 || row->key_word;
}

static void reply_begin_search(struct reply *r, const struct command *row) {
    reply_bulk(r, STR("begin_search"));
    reply_map(r, 2);
    reply_pair_str(r, "type", row->key_word ? STR("keyword") : STR("index"));
    reply_bulk(r, STR("spec"));
    if (row->key_word) {
        reply_map(r, 2);
        reply_pair_str(r, "keyword", str_of(row->key_word));
        reply_pair_int(r, "startfrom", 2);
        return;
    }
    reply_map(r, 1);
    reply_pair_int(r, "index", row->key_num > 0 ? row->key_num : row->first_key);
}

static void reply_find_keys(struct reply *r, const struct command *row) {
    reply_bulk(r, STR("find_keys"));
    reply_map(r, 2);
    reply_pair_str(r, "type", row->key_num > 0 ? STR("keynum") : STR("range"));
    reply_bulk(r, STR("spec"));
    reply_map(r, 3);
    if (row->key_num > 0) {
        reply_pair_int(r, "keynumidx", 0);
        reply_pair_int(r, "firstkey", 1);
        reply_pair_int(r, "keystep", 1);
        return;
    }
    reply_pair_int(r, "lastkey",
                   row->last_key < 0 ? row->last_key : row->last_key - row->first_key);
    reply_pair_int(r, "keystep", row->key_word ? 1 : row->key_step);
    reply_pair_int(r, "limit", 0);
}

static void reply_key_specs(struct reply *r, const struct command *row) {
    if (!has_keys(row)) {
        reply_array(r, 0);
        return;
    }
    reply_array(r, 1);
    reply_map(r, 3);
    reply_bulk(r, STR("flags"));
    docs_reply_words(r, row->key_flags);
    reply_begin_search(r, row);
    reply_find_keys(r, row);
}

static int sub_count(const struct command *row) {
    int first = table_index(row) + 1, n = 0;
    if (table_is_sub(row)) return 0;
    while (table_row(first + n) && table_is_sub(table_row(first + n))) n++;
    return n;
}

/* Name, arity, flags, keys, categories, tips, key specs: what comes before the subcommands. */
static void reply_info_head(struct reply *r, const struct command *row) {
    reply_array(r, 10);
    reply_bulk(r, str_of(row->name));
    reply_int(r, table_arity(row));
    reply_bits(r, flag_names, FLAG_COUNT, row->flags, keys_move(row) ? "movablekeys" : NULL);
    reply_int(r, row->first_key);
    reply_int(r, row->last_key);
    reply_int(r, row->key_step);
    reply_bits(r, acl_names, ACL_COUNT, row->acl, NULL);
    reply_array(r, 0);
    reply_key_specs(r, row);
}

void docs_reply_info(struct reply *r, const struct command *row) {
    int subs = sub_count(row), first = table_index(row) + 1;
    reply_info_head(r, row);
    reply_array(r, subs);
    for (int i = 0; i < subs; i++) {
        reply_info_head(r, table_row(first + i));
        reply_array(r, 0);
    }
}

/* ---- COMMAND DOCS ---- */

static void reply_argument_flags(struct reply *r, const struct argument *a) {
    reply_bulk(r, STR("flags"));
    reply_set(r, a->optional + a->multiple);
    if (a->optional) reply_simple(r, "optional");
    if (a->multiple) reply_simple(r, "multiple");
}

/* The tree is a few levels deep: syntax.c sees to it. */
static void reply_argument(struct reply *r, const struct argument *a, bool keys) {
    bool group = a->type == ARGUMENT_ONEOF || a->type == ARGUMENT_BLOCK;
    bool key = keys && a->type == ARGUMENT_KEY, flags = a->optional || a->multiple;
    reply_map(r, 2 + !group + key + (a->token.p != NULL) + flags + (a->count > 0));
    reply_pair_str(r, "name", a->name);
    reply_pair_str(r, "type", str_of(syntax_type_name(a->type)));
    if (!group) reply_pair_str(r, "display_text", a->name);
    if (key) reply_pair_int(r, "key_spec_index", 0);
    if (a->token.p) reply_pair_str(r, "token", a->token);
    if (flags) reply_argument_flags(r, a);
    if (a->count == 0) return;
    reply_bulk(r, STR("arguments"));
    reply_array(r, a->count);
    for (int i = 0; i < a->count; i++) reply_argument(r, &a->args[i], keys);
}

static bool is_module_row(const struct command *row) {
    return strcmp(row->group, "chronos") == 0;
}

/* The name and the map, which has room for `more` pairs that the caller writes. */
static void reply_docs_head(struct reply *r, const struct command *row, int more) {
    const struct argument *syntax = table_syntax(row);
    bool container = table_is_container(row) && !row->run; /* its words are its subcommands' */
    int count = container ? 0 : syntax->count;
    reply_bulk(r, str_of(row->name));
    reply_map(r, 4 + is_module_row(row) + (count > 0) + more);
    reply_pair_str(r, "summary", str_of(row->summary));
    reply_pair_str(r, "since", str_of(row->since));
    reply_pair_str(r, "group", str_of(row->group));
    reply_pair_str(r, "complexity", str_of(row->complexity));
    if (is_module_row(row)) reply_pair_str(r, "module", STR("chronos"));
    if (count == 0) return;
    reply_bulk(r, STR("arguments"));
    reply_array(r, count);
    for (int i = 0; i < count; i++) reply_argument(r, &syntax->args[i], has_keys(row));
}

void docs_reply_docs(struct reply *r, const struct command *row) {
    int subs = sub_count(row), first = table_index(row) + 1;
    reply_docs_head(r, row, subs > 0);
    if (subs == 0) return;
    reply_bulk(r, STR("subcommands"));
    reply_map(r, subs);
    for (int i = 0; i < subs; i++) reply_docs_head(r, table_row(first + i), 0);
}

/* ---- all of them ---- */

static int top_count(void) {
    int count = 0;
    for (int i = 0; table_row(i); i++) count += !table_is_sub(table_row(i));
    return count;
}

static void write_all(struct docs *d, int protocol) {
    int at = protocol - RESP2, count = top_count();
    buf_init(&d->info[at], BLOB_BYTES);
    buf_init(&d->docs[at], BLOB_BYTES);
    struct reply info = {.out = &d->info[at], .protocol = protocol};
    struct reply docs = {.out = &d->docs[at], .protocol = protocol};
    reply_array(&info, count);
    reply_map(&docs, count);
    for (int i = 0; table_row(i); i++) {
        if (table_is_sub(table_row(i))) continue;
        docs_reply_info(&info, table_row(i));
        docs_reply_docs(&docs, table_row(i));
    }
}

struct docs *docs_new(struct arena *arena) {
    struct docs *d = arena_zalloc(arena, sizeof *d);
    for (int i = 0; i < PROTOCOLS; i++) write_all(d, RESP2 + i);
    return d;
}

void docs_release(struct docs *d) {
    if (!d) return;
    for (int i = 0; i < PROTOCOLS; i++) {
        buf_release(&d->info[i]);
        buf_release(&d->docs[i]);
    }
}

void docs_reply_all_info(const struct docs *d, struct reply *r) {
    buf_append_str(r->out, buf_str(&d->info[r->protocol - RESP2]));
}

void docs_reply_all_docs(const struct docs *d, struct reply *r) {
    buf_append_str(r->out, buf_str(&d->docs[r->protocol - RESP2]));
}

/* ---- docs/COMMANDS.md ---- */

/* "client|id" as it is typed: CLIENT ID. */
static void print_name(struct buf *out, const char *name) {
    for (; *name; name++) {
        char c = *name;
        if (c >= 'a' && c <= 'z') c = (char)(c & ~0x20);
        buf_append_char(out, c == '|' ? ' ' : c);
    }
}

static void print_row(struct buf *out, const struct command *row) {
    buf_printf(out, "\n### ");
    print_name(out, row->name);
    buf_printf(out, "\n\n```\n");
    print_name(out, row->name);
    buf_printf(out, "%s%s\n```\n\n%s\n\n", row->syntax[0] ? " " : "", row->syntax, row->summary);
    buf_printf(out, "* Reply: %s\n* Complexity: %s\n", row->reply, row->complexity);
    buf_printf(out, "* Categories:");
    for (int i = 0; i < ACL_COUNT; i++) {
        if (row->acl & acl_names[i].bit) buf_printf(out, " %s", acl_names[i].name);
    }
    buf_printf(out, "\n* Flags:");
    for (int i = 0; i < FLAG_COUNT; i++) {
        if (row->flags & flag_names[i].bit) buf_printf(out, " %s", flag_names[i].name);
    }
    if (keys_move(row)) buf_printf(out, " movablekeys");
    buf_printf(out, "\n* Since: %s\n", row->since);
}

void docs_print_markdown(struct buf *out) {
    static const struct {
        const char *group, *title;
    } groups[] = {{"chronos", "Documents and their history"},
                  {"string", "Documents by the plain Redis verbs"},
                  {"generic", "Keys"},
                  {"connection", "Connection"},
                  {"server", "Server"}};
    buf_printf(out,
               "# Commands\n\n"
               "Printed from the command table by `chronos-server --print-commands`; `make "
               "check-docs` fails when\nthis file differs. Lower-case words are arguments, "
               "upper-case words stand as they are (in any case),\n`[]` may be left out, `<>` is "
               "one of several. Options come in any order after the positional arguments.\n");
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        buf_printf(out, "\n## %s\n", groups[g].title);
        for (int i = 0; table_row(i); i++) {
            const struct command *row = table_row(i);
            bool listed = row->run || row->plan; /* a container is its subcommands */
            if (listed && strcmp(row->group, groups[g].group) == 0) print_row(out, row);
        }
    }
}
