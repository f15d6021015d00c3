/*
 * COMMAND and its subcommands, and HELP of every container.
 */
#include "commands/cmds.h"
#include "commands/dispatch.h"
#include "commands/docs.h"

enum { KEYS_FROM = 2 }; /* COMMAND GETKEYS' command line begins here */

/* "get", "config|get". */
static const struct command *find_full(struct str name) {
    ptrdiff_t bar = str_find_char(name, '|');
    if (bar < 0) return table_find(name);
    const struct command *container = table_find((struct str){name.p, (size_t)bar});
    if (!container || !table_is_container(container)) return NULL;
    return table_find_sub(container, (struct str){name.p + bar + 1, name.n - (size_t)bar - 1});
}

enum status cmd_command(struct call *call, struct err *err) {
    (void)err;
    docs_reply_all_info(call->app->docs, call->reply);
    return OK;
}

enum status cmd_command_count(struct call *call, struct err *err) {
    int count = 0;
    (void)err;
    for (int i = 0; table_row(i); i++) count += !table_is_sub(table_row(i));
    reply_int(call->reply, count);
    return OK;
}

enum status cmd_command_info(struct call *call, struct err *err) {
    if (call->argc == 2) return cmd_command(call, err);
    reply_array(call->reply, call->argc - 2);
    for (int i = 2; i < call->argc; i++) {
        const struct command *row = find_full(call->argv[i]);
        if (row)
            docs_reply_info(call->reply, row);
        else
            reply_null(call->reply);
    }
    return OK;
}

enum status cmd_command_docs(struct call *call, struct err *err) {
    (void)err;
    if (call->argc == 2) {
        docs_reply_all_docs(call->app->docs, call->reply);
        return OK;
    }
    int known = 0;
    for (int i = 2; i < call->argc; i++) known += find_full(call->argv[i]) != NULL;
    reply_map(call->reply, known);
    for (int i = 2; i < call->argc; i++) {
        const struct command *row = find_full(call->argv[i]);
        if (row) docs_reply_docs(call->reply, row);
    }
    return OK;
}

/* ---- LIST ---- */

enum filter_by { BY_NOTHING, BY_MODULE, BY_ACLCAT, BY_PATTERN };

static bool passes(const struct command *row, enum filter_by by, struct str value) {
    switch (by) {
    case BY_NOTHING:
        return true;
    case BY_MODULE:
        return strcmp(row->group, "chronos") == 0 && str_eq_nocase(value, STR("chronos"));
    case BY_ACLCAT:
        return (row->acl & docs_acl_category(value)) != 0;
    case BY_PATTERN:
        return str_glob(value, str_of(row->name), true);
    default:
        ASSERT(false);
        return false;
    }
}

enum status cmd_command_list(struct call *call, struct err *err) {
    enum filter_by by = BY_NOTHING;
    struct str value = STR_NONE;
    if (call->argc > 2) {
        bool filter = call->argc == 5 && str_eq_nocase(call->argv[2], STR("FILTERBY"));
        by = !filter                                        ? BY_NOTHING
             : str_eq_nocase(call->argv[3], STR("MODULE"))  ? BY_MODULE
             : str_eq_nocase(call->argv[3], STR("ACLCAT"))  ? BY_ACLCAT
             : str_eq_nocase(call->argv[3], STR("PATTERN")) ? BY_PATTERN
                                                            : BY_NOTHING;
        if (by == BY_NOTHING) return err_set(err, ERR_SYNTAX, "syntax error");
        value = call->argv[4];
    }
    int count = 0;
    for (int i = 0; table_row(i); i++) count += passes(table_row(i), by, value);
    reply_array(call->reply, count);
    for (int i = 0; table_row(i); i++) {
        if (passes(table_row(i), by, value)) reply_bulk(call->reply, str_of(table_row(i)->name));
    }
    return OK;
}

/* ---- GETKEYS ---- */

struct line { /* the command line that is asked about */
    const struct command *row;
    int argc;
    const struct str *argv;
};

/* The positions of the keys, at most argc of them. */
static int find_keys(const struct line *line, int *ret) {
    const struct command *row = line->row;
    int count = 0;
    int64_t n;
    if (row->first_key > 0) {
        int last = row->last_key < 0 ? line->argc + row->last_key : row->last_key;
        for (int i = row->first_key; i <= last && i < line->argc; i += row->key_step)
            ret[count++] = i;
    } else if (row->key_num > 0 && str_to_int(line->argv[row->key_num], &n) && n > 0 &&
               n < line->argc - row->key_num) {
        for (int i = 0; i < n; i++) ret[count++] = row->key_num + 1 + i;
    }
    for (int i = 2; row->key_word && i + 1 < line->argc; i++) {
        if (str_eq_nocase(line->argv[i], str_of(row->key_word))) ret[count++] = i + 1;
    }
    return count;
}

static enum status read_line(const struct call *call, struct line *line, struct err *err) {
    *line = (struct line){.argc = call->argc - KEYS_FROM, .argv = call->argv + KEYS_FROM};
    line->row = table_find(line->argv[0]);
    if (line->row && table_is_container(line->row) && line->argc > 1)
        line->row = table_find_sub(line->row, line->argv[1]);
    if (!line->row) return err_set(err, ERR_SYNTAX, "Invalid command specified");
    if (!line->row->key_flags) return err_set(err, ERR_SYNTAX, "The command has no key arguments");
    if (!table_arity_fits(line->row, line->argc))
        return err_set(err, ERR_SYNTAX, "Invalid number of arguments specified for command");
    return OK;
}

static enum status getkeys(struct call *call, bool flags, struct err *err) {
    struct line line;
    enum status s = read_line(call, &line, err);
    if (s != OK) return s;
    int *keys = arena_alloc(call->arena, sizeof *keys * (size_t)line.argc);
    int count = find_keys(&line, keys);
    if (count == 0) return err_set(err, ERR_SYNTAX, "Invalid arguments specified for command");
    reply_array(call->reply, count);
    for (int i = 0; i < count; i++) {
        if (flags) reply_array(call->reply, 2);
        reply_bulk(call->reply, line.argv[keys[i]]);
        if (flags) docs_reply_words(call->reply, line.row->key_flags);
    }
    return OK;
}

enum status cmd_command_getkeys(struct call *call, struct err *err) {
    return getkeys(call, false, err);
}

enum status cmd_command_getkeysandflags(struct call *call, struct err *err) {
    return getkeys(call, true, err);
}

/* ---- HELP ---- */

/* Upper case, from behind the '|' when there is one. */
static void upper(struct buf *out, const char *name) {
    const char *bar = strchr(name, '|');
    for (name = bar ? bar + 1 : name; *name; name++)
        buf_append_char(out, *name >= 'a' && *name <= 'z' ? (char)(*name & ~0x20) : *name);
}

static void help_line(struct call *call, struct buf *line) {
    buf_append_char(line, '\0');
    reply_simple(call->reply, line->data);
    buf_reset(line);
}

enum status cmd_help(struct call *call, struct err *err) {
    int container = table_index(call->command), subs = 0;
    struct buf line;
    (void)err;
    while (table_is_sub(table_row(container))) container--;
    while (table_row(container + 1 + subs) && table_is_sub(table_row(container + 1 + subs))) subs++;
    buf_init(&line, ERR_MSG_BYTES * 2);
    reply_array(call->reply, 1 + 2 * subs);
    upper(&line, table_row(container)->name);
    buf_printf(&line, " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    help_line(call, &line);
    for (int i = 1; i <= subs; i++) {
        const struct command *row = table_row(container + i);
        upper(&line, row->name);
        buf_printf(&line, "%s%s", row->syntax[0] ? " " : "", row->syntax);
        help_line(call, &line);
        buf_printf(&line, "    %s", row->summary);
        help_line(call, &line);
    }
    buf_release(&line);
    return OK;
}
