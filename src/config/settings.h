/*
 * settings: the table of all settings, and their values as text. Of the config layer only; others
 * use config/config.h. Any thread.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include "config/config.h"

enum setting_type {
    SETTING_BOOL,    /* bool */
    SETTING_INT,     /* int64_t */
    SETTING_OCTAL,   /* int64_t; octal digits as text */
    SETTING_BYTES,   /* int64_t; "64kb" or a number of bytes */
    SETTING_MS,      /* int64_t milliseconds; "10s" or a number of seconds */
    SETTING_SECONDS, /* int64_t seconds; the same */
    SETTING_TEXT,    /* struct str; min and max are its length in bytes */
    SETTING_ENUM,    /* an enum in the order of `words` */
    SETTING_WORD,    /* struct str, one of `words` */
    SETTING_FIXED,   /* no setting: what CONFIG GET answers to tools that ask for a Redis name */
};

enum setting_flag {
    SETTING_LIVE = 1,   /* changes at run time, by CONFIG SET */
    SETTING_SECRET = 2, /* masked wherever it is shown; may be given by $env or $file */
    SETTING_HIDDEN = 4, /* for tests: in no printed file */
};

struct setting {
    const char *path;  /* in the file and on the command line; NULL: fixed */
    const char *alias; /* Redis's name, or NULL */
    enum setting_type type;
    size_t at;         /* in struct config */
    const char *value; /* default, as a user would write it */
    int64_t min, max;
    const char *const *words; /* NULL-terminated */
    unsigned flags;
    const char *doc; /* one sentence */
};

extern const struct setting settings[];
extern const int settings_count;

/* The members of collectionMaps.<name>: lists of document paths. */
struct collection_setting {
    const char *path; /* below collectionMaps.<name> */
    size_t at, count_at;
    const char *doc;
};
enum { COLLECTION_SETTINGS = 3 };
extern const struct collection_setting collection_settings[COLLECTION_SETTINGS];

/* By path (exact), or by path or Redis name (ASCII letters without case). NULL: none. */
const struct setting *setting_by_path(struct str path);
const struct setting *setting_by_name(struct str name);
/* Is it the beginning of paths, like "server.log"? */
bool setting_is_section(struct str path);
/* Why a path that is known is not served by this version; NULL: not such a path. */
const char *setting_unsupported(struct str path);
/* The setting or section that was probably meant; STR_NONE: nothing is near. */
struct str setting_nearest(struct str path);

/* What CONFIG GET and --print-config show in place of a secret. */
#define SETTING_MASK "********"

enum value_fault { VALUE_OK, VALUE_FORM, VALUE_RANGE, VALUE_MASK };
/* Reads a value as text into c, which takes a copy. On a fault c is untouched. */
enum value_fault setting_parse(const struct setting *s, struct str text, struct config *c);
/* "an integer from 1 to 10": what setting_parse takes. */
struct str setting_expected(const struct setting *s, struct arena *arena);
/* "1 to 10" of a setting that is a number, "no, yes" of one that is a word. */
struct str setting_range(const struct setting *s, struct arena *arena);
/* The same value in another configuration, of its own memory. */
void setting_copy(const struct setting *s, const struct config *from, struct config *to);
bool setting_equal(const struct setting *s, const struct config *a, const struct config *b);

/* As text: what setting_parse takes back. `redis`: in Redis's units (bytes, seconds). Masks. */
struct str setting_text(const struct setting *s, const struct config *c, bool redis,
                        struct arena *arena);
/* As JSON. `mask`: secrets that are set are masked. */
void setting_json(const struct setting *s, const struct config *c, bool mask, struct buf *out);

/* collectionMaps, whole, as JSON: of one line, or indented for a file. */
void collections_json(const struct config *c, bool indented, struct buf *out);

/* Faults of one reading, a line each: "path: what was expected". */
struct report {
    struct buf *lines;
    int count;
    char first[ERR_MSG_BYTES];
};
void report_add(struct report *r, const char *fmt, ...) PRINTF(2, 3);

/* Puts the text of a file, a JSON object, into c. Faults are in the report; `secret_files`: may
 * $env and $file be followed. */
void config_apply_file(struct config *c, struct str text, struct report *report);
/* Puts one setting, or a JSON object for a section, from the command line into c. */
void config_apply_arg(struct config *c, const struct config_arg *arg, struct report *report);

/* A configuration of defaults, and one with the values of another. The caller owns a reference. */
struct config *config_new(void);
struct config *config_copy(const struct config *c);
/* The rules that concern more than one setting. */
void config_check_whole(const struct config *c, struct report *report);
/* Reads a whole file; ERR_BACKEND says why it cannot be read. The text is in the arena. */
enum { CONFIG_FILE_BYTES = 16 << 20, CONFIG_DEPTH = 16 };
MUST_CHECK enum status config_read_file(const char *path, size_t bytes_max, struct arena *arena,
                                        struct str *ret, struct err *err);

#endif
