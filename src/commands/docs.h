/*
 * docs: the command table as clients and people read it: COMMAND, COMMAND DOCS, docs/COMMANDS.md.
 */
#ifndef COMMANDS_DOCS_H
#define COMMANDS_DOCS_H

#include "commands/table.h"

struct docs; /* the whole of COMMAND and of COMMAND DOCS, written once per protocol */

struct docs *docs_new(struct arena *arena);
void docs_release(struct docs *d); /* NULL-safe */

/* The replies about every command. */
void docs_reply_all_info(const struct docs *d, struct reply *r);
void docs_reply_all_docs(const struct docs *d, struct reply *r);
/* About one: an element of COMMAND INFO; a name and its value in COMMAND DOCS' map. */
void docs_reply_info(struct reply *r, const struct command *row);
void docs_reply_docs(struct reply *r, const struct command *row);

/* The flags of its keys, one word each: "RO access". */
void docs_reply_words(struct reply *r, const char *words);
/* The bit of "read" or "@read", 0: there is none. */
uint32_t docs_acl_category(struct str name);

/* docs/COMMANDS.md */
void docs_print_markdown(struct buf *out);

#endif
