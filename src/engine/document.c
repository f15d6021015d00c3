/*
 * document: `_system`, the one member of a document that is the server's: put in, cut out, read.
 *
 * A document is composed as three slices of the client's text with ours between them, so its cost
 * is one walk over the top level and one copy.
 */
#include "engine/document.h"

#include "base/buf.h"
#include "base/clock.h"

static const struct str system_key = {"_system", sizeof("_system") - 1};

enum { SYSTEM_MAX = 1 << 30, SYSTEM_USUAL = 256 }; /* bytes */

/* The top level of a document as compose sees it. Offsets into its text. */
struct outline {
    size_t cut, cut_end; /* the `_system` that is there with its comma; equal: there is none */
    size_t last_end;     /* behind the last byte of the last other member, or behind the bracket */
    bool empty;          /* there is no other member */
    struct str old_system; /* the value of the one that is there, or STR_NONE */
};

static size_t skip_blanks(struct str s, size_t i) {
    while (s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\n' || s.p[i] == '\r') i++;
    return i;
}

static struct outline outline_of(struct str object) {
    struct outline o = {.last_end = 1, .empty = true, .old_system = STR_NONE};
    struct json_iter it;
    struct str key, value;
    for (json_iter_init(&it, object); json_next(&it, &key, &value);) {
        size_t end = (size_t)(value.p + value.n - object.p);
        if (!json_key_is(key, system_key)) {
            o.last_end = end;
            o.empty = false;
            continue;
        }
        o.old_system = value;
        o.cut_end = end;
        if (!o.empty) {
            o.cut = skip_blanks(object, o.last_end); /* the comma before */
        } else {
            o.cut = (size_t)(key.p - 1 - object.p);
            size_t after = skip_blanks(object, end);
            if (object.p[after] == ',') o.cut_end = after + 1;
        }
    }
    return o;
}

static char *put(char *to, const char *from, size_t bytes) {
    memcpy(to, from, bytes);
    return to + bytes;
}

/* Copies object[from, to) without what is cut out. */
static char *put_kept(char *out, struct str object, const struct outline *o, size_t from,
                      size_t to) {
    if (o->cut_end <= from || o->cut >= to) return put(out, object.p + from, to - from);
    out = put(out, object.p + from, o->cut - from);
    return put(out, object.p + o->cut_end, to - o->cut_end);
}

struct str document_without_system(struct arena *arena, struct str object) {
    struct outline o = outline_of(object);
    if (o.old_system.p == NULL) return object;
    char *text = arena_alloc(arena, object.n);
    char *end = put_kept(text, object, &o, 0, object.n);
    return (struct str){text, (size_t)(end - text)};
}

bool document_equal(struct arena *arena, struct str a, struct str b) {
    return json_equal(document_without_system(arena, a), document_without_system(arena, b));
}

/* ---- writing ---- */

static void write_name(struct buf *out, struct str name) {
    if (out->data[out->len - 1] != '{') buf_append_char(out, ',');
    buf_append_char(out, '"');
    buf_append_str(out, name);
    buf_append_str(out, STR("\":"));
}

static void write_instant(struct buf *out, struct str name, int64_t at_ms) {
    if (at_ms == TIME_NONE) return;
    char text[ISO_BYTES];
    clock_format(at_ms, text);
    write_name(out, name);
    buf_append_char(out, '"');
    buf_append(out, text, sizeof(text));
    buf_append_char(out, '"');
}

static void write_text(struct buf *out, struct str name, struct str text) {
    if (text.p == NULL) return;
    write_name(out, name);
    json_quote(out, text);
}

static void write_system(struct buf *out, const struct system_fields *s) {
    buf_append_str(out, STR("\"_system\":{"));
    write_instant(out, STR("insertedAt"), s->inserted_ms);
    write_instant(out, STR("updatedAt"), s->updated_ms);
    write_instant(out, STR("deletedAt"), s->deleted_ms);
    if (s->deleted_ms != TIME_NONE) {
        write_name(out, STR("deleted"));
        buf_append_str(out, STR("true"));
    }
    if (s->function_count > 0) {
        write_name(out, STR("functionIds"));
        for (int i = 0; i < s->function_count; i++) {
            buf_append_char(out, i == 0 ? '[' : ',');
            json_quote(out, s->function_ids[i]);
        }
        buf_append_char(out, ']');
    }
    write_text(out, STR("state"), str_of(version_state_name(s->state)));
    write_text(out, STR("parentId"), s->parent_id);
    write_text(out, STR("parentCollection"), s->parent_collection);
    write_text(out, STR("originSystem"), s->origin_system);
    write_text(out, STR("originId"), s->origin_id);
    write_text(out, STR("originCollection"), s->origin_collection);
    buf_append_char(out, '}');
}

struct str document_compose(struct arena *arena, struct str object,
                            const struct system_fields *system) {
    struct outline o = outline_of(object);
    struct buf ours;
    buf_init(&ours, SYSTEM_MAX);
    (void)buf_reserve(&ours, SYSTEM_USUAL); /* only a first size */
    if (!o.empty) buf_append_char(&ours, ',');
    write_system(&ours, system);
    ASSERT(!ours.overflow); /* every field is limited when it is taken */
    char *text = arena_alloc(arena, object.n + ours.len);
    char *end = put_kept(text, object, &o, 0, o.last_end);
    end = put(end, ours.data, ours.len);
    end = put_kept(end, object, &o, o.last_end, object.n);
    buf_release(&ours);
    return (struct str){text, (size_t)(end - text)};
}

/* ---- reading ---- */

static struct str read_text(struct arena *arena, struct str value) {
    return json_type(value) == JSON_STRING ? json_text(value, arena) : STR_NONE;
}

static int64_t read_instant(struct arena *arena, struct str value) {
    int64_t at_ms;
    struct str text = read_text(arena, value);
    return text.p != NULL && clock_parse(text, &at_ms, NULL) == OK ? at_ms : TIME_NONE;
}

static enum version_state read_state(struct arena *arena, struct str value) {
    struct str text = read_text(arena, value);
    for (int s = STATE_NEW_NOT_SYNCHED; s <= STATE_PROCESSED; s++)
        if (str_eq(text, str_of(version_state_name((enum version_state)s))))
            return (enum version_state)s;
    return STATE_NEW_NOT_SYNCHED;
}

static void read_functions(struct arena *arena, struct str value, struct system_fields *ret) {
    struct json_iter it;
    struct str key, element;
    int count = 0;
    if (json_type(value) != JSON_ARRAY) return;
    for (json_iter_init(&it, value); json_next(&it, &key, &element);) count++;
    struct str *texts = arena_alloc(arena, (size_t)count * sizeof(*texts));
    for (json_iter_init(&it, value); json_next(&it, &key, &element);)
        if (json_type(element) == JSON_STRING)
            texts[ret->function_count++] = json_text(element, arena);
    ret->function_ids = texts;
}

static void read_member(struct arena *arena, struct str key, struct str value,
                        struct system_fields *ret) {
    const struct {
        struct str name;
        int64_t *instant;
        struct str *text;
    } known[] = {
        {STR("insertedAt"), &ret->inserted_ms, NULL},
        {STR("updatedAt"), &ret->updated_ms, NULL},
        {STR("deletedAt"), &ret->deleted_ms, NULL},
        {STR("parentId"), NULL, &ret->parent_id},
        {STR("parentCollection"), NULL, &ret->parent_collection},
        {STR("originSystem"), NULL, &ret->origin_system},
        {STR("originId"), NULL, &ret->origin_id},
        {STR("originCollection"), NULL, &ret->origin_collection},
    };
    if (json_key_is(key, STR("functionIds"))) read_functions(arena, value, ret);
    if (json_key_is(key, STR("state"))) ret->state = read_state(arena, value);
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (!json_key_is(key, known[i].name)) continue;
        if (known[i].instant != NULL) *known[i].instant = read_instant(arena, value);
        if (known[i].text != NULL) *known[i].text = read_text(arena, value);
    }
}

void document_system(struct arena *arena, struct str object, struct system_fields *ret) {
    struct str system = outline_of(object).old_system;
    struct json_iter it;
    struct str key, value;
    *ret = (struct system_fields){
        .inserted_ms = TIME_NONE, .updated_ms = TIME_NONE, .deleted_ms = TIME_NONE};
    if (system.p == NULL || json_type(system) != JSON_OBJECT) return;
    for (json_iter_init(&it, system); json_next(&it, &key, &value);)
        read_member(arena, key, value, ret);
}
