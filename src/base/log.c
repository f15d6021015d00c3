/*
 * log: one event, one line of JSON, one write(2): lines of several threads never mix.
 *
 * The log has one descriptor for its whole life. A file that is opened anew is put under it by
 * dup3, so a thread that writes at that moment writes to the old file or to the new one, whole,
 * and no lock is needed.
 *
 * Secrets: passwords are not passed here, but texts of others may carry URIs that contain them, so
 * what stands between "://" and "@" is masked.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

enum {
    MSG_BYTES = 2048,                 /* a longer message ends in "..." */
    LINE_BYTES = MSG_BYTES * 6 + 256, /* every byte escaped, and what stands around it */
};

static const char *const levels[] = {"debug", "info", "warn", "error", "off"};
static const char *const categories[] = {"chronos-operation", "chronos-routing",
                                         "chronos-performance", "chronos-error"};

static atomic_int log_fd = STDERR_FILENO;
static atomic_int log_level = LOG_INFO;

static int open_target(const char *path) {
    if (path == NULL || path[0] == '\0') return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

enum status log_open(const char *path, enum log_level level, struct err *err) {
    int fd = open_target(path);
    if (fd < 0) {
        return err_set(err, ERR_BACKEND, "cannot open the log %s: %s",
                       path != NULL && path[0] != '\0' ? path : "stderr", strerror(errno));
    }
    int old = atomic_load(&log_fd);
    if (old == STDERR_FILENO) {
        atomic_store(&log_fd, fd);
    } else {
        while (dup3(fd, old, O_CLOEXEC) < 0) ASSERT(errno == EINTR || errno == EBUSY);
        close(fd);
    }
    log_set_level(level);
    return OK;
}

bool log_level_parse(struct str name, enum log_level *ret) {
    for (int i = LOG_DEBUG; i <= LOG_OFF; i++) {
        if (!str_eq(name, str_of(levels[i]))) continue;
        *ret = (enum log_level)i;
        return true;
    }
    return false;
}

void log_set_level(enum log_level level) {
    ASSERT(level >= LOG_DEBUG && level <= LOG_OFF);
    atomic_store_explicit(&log_level, level, memory_order_relaxed);
}

/* Masks user and password of URIs, in place. */
static void mask_credentials(char *text) {
    for (char *p = text; (p = strstr(p, "://")) != NULL;) {
        p += 3;
        size_t host = strcspn(p, "/ \t\r\n\"'<>?#");
        char *at = memrchr(p, '@', host);
        if (at == NULL || at == p) continue;
        *p++ = '*';
        memmove(p, at, strlen(at) + 1);
    }
}

static char *put_text(char *p, const char *text) {
    size_t n = strlen(text);
    memcpy(p, text, n);
    return p + n;
}

static char *put_escape(char *p, uint8_t c) {
    *p++ = '\\';
    switch (c) {
    case '"':
    case '\\':
        *p++ = (char)c;
        return p;
    case '\n':
        *p++ = 'n';
        return p;
    case '\r':
        *p++ = 'r';
        return p;
    case '\t':
        *p++ = 't';
        return p;
    default:
        break;
    }
    memcpy(p, "u00", 3);
    hex_encode(&c, 1, p + 3);
    return p + 5;
}

/* The message as the inside of a JSON string; bytes that are no UTF-8 become '?'. */
static char *put_quoted(char *p, struct str s) {
    size_t bad = s.n;
    while (s.n > 0) {
        size_t good = str_is_utf8(s, &bad) ? s.n : bad;
        for (size_t i = 0; i < good; i++) {
            uint8_t c = (uint8_t)s.p[i];
            if (c < 0x20 || c == 0x7F || c == '"' || c == '\\') {
                p = put_escape(p, c);
            } else {
                *p++ = (char)c;
            }
        }
        if (good < s.n) {
            *p++ = '?';
            good++;
        }
        s = (struct str){s.p + good, s.n - good};
    }
    return p;
}

/* A log that cannot be written is not worth a crash, and there is nowhere to say so. */
static void write_line(const char *line, size_t bytes) {
    int fd = atomic_load(&log_fd);
    while (write(fd, line, bytes) < 0 && errno == EINTR) continue;
}

void log_line(enum log_level level, enum log_category category, const char *fmt, ...) {
    ASSERT(level >= LOG_DEBUG && level < LOG_OFF && category <= LOG_FAILURE);
    if ((int)level < atomic_load_explicit(&log_level, memory_order_relaxed)) return;
    int saved_errno = errno; /* callers log between a failure and its handling */
    char msg[MSG_BYTES], line[LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    ASSERT(n >= 0);
    if ((size_t)n >= sizeof(msg)) {
        size_t cut = str_utf8_cut((struct str){msg, sizeof(msg) - 4});
        memcpy(msg + cut, "...", 4);
    }
    mask_credentials(msg);

    char *p = put_text(line, "{\"at\":\"");
    clock_format(clock_now_ms(), p);
    p = put_text(p + ISO_BYTES, "\",\"level\":\"");
    p = put_text(p, levels[level]);
    p = put_text(p, "\",\"category\":\"");
    p = put_text(p, categories[category]);
    p = put_text(p, "\",\"msg\":\"");
    p = put_quoted(p, str_of(msg));
    p = put_text(p, "\"}\n");
    write_line(line, (size_t)(p - line));
    errno = saved_errno;
}
