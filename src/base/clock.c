/*
 * clock: reading the clocks, and instants as text. The calendar is the proleptic Gregorian one,
 * computed here: the C library's functions look at locales and time zones on the way.
 *
 * Days are counted in years that begin on 1 March, so that the leap day is the last of its year.
 */
#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

enum {
    DAY_MS = 24 * 60 * 60 * 1000,
    CYCLE_DAYS = 146097,       /* 400 years: the calendar repeats */
    EPOCH_FROM_MARCH = 719468, /* days from 0000-03-01 to 1970-01-01 */
};

static const int64_t FIRST_MS = -62167219200000; /* 0000-01-01T00:00:00.000Z */
static const int64_t LAST_MS = 253402300799999;  /* 9999-12-31T23:59:59.999Z */

static int64_t now_us(clockid_t id) {
    struct timespec t;
    int failed = clock_gettime(id, &t);
    ASSERT(failed == 0);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Never goes back while the process lives, even when the system's clock is set back: an instant
 * that was once over stays over, and what is written later lies after it. */
int64_t clock_now_ms(void) {
    static _Atomic int64_t latest_ms;
    int64_t now_ms = now_us(CLOCK_REALTIME) / 1000;
    int64_t seen_ms = atomic_load_explicit(&latest_ms, memory_order_relaxed);
    while (now_ms > seen_ms) {
        if (atomic_compare_exchange_weak(&latest_ms, &seen_ms, now_ms)) return now_ms;
    }
    return seen_ms;
}

int64_t clock_now_us(void) {
    return now_us(CLOCK_REALTIME);
}

int64_t clock_mono_us(void) {
    return now_us(CLOCK_MONOTONIC);
}

static void put_digits(char *p, int width, unsigned v) {
    while (width-- > 0) {
        p[width] = (char)('0' + v % 10);
        v /= 10;
    }
}

void clock_format(int64_t at_ms, char ret[ISO_BYTES]) {
    if (at_ms < FIRST_MS) at_ms = FIRST_MS;
    if (at_ms > LAST_MS) at_ms = LAST_MS;
    /* From 0000-01-01 on: no quotient below is of a negative number. 400 years before 0000-03-01
     * are put in front, since January and February of the year 0 lie before it. */
    uint64_t ms = (uint64_t)(at_ms - FIRST_MS);
    unsigned in_day = (unsigned)(ms % DAY_MS);
    unsigned days = (unsigned)(ms / DAY_MS) + CYCLE_DAYS - 60;
    unsigned cycle = days / CYCLE_DAYS;
    unsigned day = days % CYCLE_DAYS; /* of the cycle */
    unsigned year = (day - day / 1460 + day / 36524 - day / (CYCLE_DAYS - 1)) / 365;
    day -= 365 * year + year / 4 - year / 100; /* of the year from March */
    unsigned month = (5 * day + 2) / 153;      /* 0: March */
    day -= (153 * month + 2) / 5;
    year += 400 * cycle + (month >= 10 ? 1 : 0) - 400;
    month = month >= 10 ? month - 9 : month + 3;

    memcpy(ret, "0000-00-00T00:00:00.000Z", ISO_BYTES);
    put_digits(ret, 4, year);
    put_digits(ret + 5, 2, month);
    put_digits(ret + 8, 2, day + 1);
    put_digits(ret + 11, 2, in_day / 3600000);
    put_digits(ret + 14, 2, in_day / 60000 % 60);
    put_digits(ret + 17, 2, in_day / 1000 % 60);
    put_digits(ret + 20, 3, in_day % 1000);
}

/* Days from 1970-01-01 to a date of the years 0 to 9999. */
static int64_t days_of(int year, int month, int day) {
    int y = year + 400 - (month <= 2 ? 1 : 0); /* 400 more: never negative */
    int from_march = month > 2 ? month - 3 : month + 9;
    int in_year = (153 * from_march + 2) / 5 + day - 1;
    int64_t days = (int64_t)y * 365 + y / 4 - y / 100 + y / 400 + in_year;
    return days - CYCLE_DAYS - EPOCH_FROM_MARCH;
}

static int month_days(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* What is left to read, and the whole for the messages. */
struct reader {
    struct str all;
    const char *p, *end;
    struct err *err;
};

static enum status bad_time(const struct reader *r, const char *what) {
    return err_set(r->err, ERR_SYNTAX,
                   "invalid time '%.*s': %s; write it like 2026-09-01T00:00:00Z or as Unix "
                   "milliseconds",
                   (int)(r->all.n < 64 ? r->all.n : 64), r->all.p ? r->all.p : "", what);
}

/* Exactly `width` digits of at most `max`. */
static bool read_digits(struct reader *r, int width, int max, int *ret) {
    if (r->end - r->p < width) return false;
    int v = 0;
    for (int i = 0; i < width; i++) {
        unsigned digit = (unsigned)(uint8_t)r->p[i] - '0';
        if (digit > 9) return false;
        v = v * 10 + (int)digit;
    }
    if (v > max) return false;
    r->p += width;
    *ret = v;
    return true;
}

static bool read_char(struct reader *r, char c) {
    if (r->p == r->end || *r->p != c) return false;
    r->p++;
    return true;
}

static enum status read_date(struct reader *r, int64_t *ret_days) {
    int year, month, day;
    if (!read_digits(r, 4, 9999, &year) || !read_char(r, '-')) {
        return bad_time(r, "it does not begin with a year of four digits and '-'");
    }
    if (!read_digits(r, 2, 12, &month) || month == 0) {
        return bad_time(r, "the month is not 01 to 12");
    }
    if (!read_char(r, '-') || !read_digits(r, 2, 99, &day)) {
        return bad_time(r, "no day of two digits follows the month");
    }
    if (day == 0 || day > month_days(year, month)) {
        return bad_time(r, "the month has no such day");
    }
    *ret_days = days_of(year, month, day);
    return OK;
}

/* Digits behind the point, cut to milliseconds. */
static enum status read_fraction(struct reader *r, int64_t *ret_ms) {
    const char *first = r->p;
    int64_t ms = 0, weight = 100;
    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
        ms += (*r->p - '0') * weight;
        weight /= 10;
    }
    if (r->p == first) return bad_time(r, "no digits follow the decimal point");
    *ret_ms = ms;
    return OK;
}

static enum status read_time(struct reader *r, int64_t *ret_ms) {
    int hour, minute, second;
    int64_t fraction = 0;
    if (!read_char(r, 'T') && !read_char(r, 't')) {
        return bad_time(r, "no 'T' and time of day follow the date");
    }
    if (!read_digits(r, 2, 23, &hour)) return bad_time(r, "the hour is not 00 to 23");
    if (!read_char(r, ':') || !read_digits(r, 2, 59, &minute)) {
        return bad_time(r, "no minute of 00 to 59 follows the hour");
    }
    if (!read_char(r, ':') || !read_digits(r, 2, 59, &second)) {
        return bad_time(r, "no second of 00 to 59 follows the minute");
    }
    if (read_char(r, '.') || read_char(r, ',')) {
        enum status st = read_fraction(r, &fraction);
        if (st != OK) return st;
    }
    *ret_ms = (int64_t)((hour * 60 + minute) * 60 + second) * 1000 + fraction;
    return OK;
}

/* The zone's distance from UTC. */
static enum status read_zone(struct reader *r, int64_t *ret_ms) {
    int hour, minute;
    if (r->p == r->end) {
        return bad_time(r, "it has no zone (Z or +hh:mm)");
    }
    if (read_char(r, 'Z') || read_char(r, 'z')) {
        *ret_ms = 0;
    } else if (*r->p == '+' || *r->p == '-') {
        int sign = *r->p++ == '-' ? -1 : 1;
        if (!read_digits(r, 2, 23, &hour)) return bad_time(r, "the zone is not Z or +hh:mm");
        (void)read_char(r, ':'); /* +hhmm is as good */
        if (!read_digits(r, 2, 59, &minute)) return bad_time(r, "the zone is not Z or +hh:mm");
        *ret_ms = (int64_t)sign * (hour * 60 + minute) * 60000;
    } else {
        return bad_time(r, "the zone is not Z or +hh:mm");
    }
    return r->p == r->end ? OK : bad_time(r, "something follows the zone");
}

static bool looks_like_integer(struct str s) {
    for (size_t i = s.n > 0 && s.p[0] == '-' ? 1 : 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
    }
    return s.n > 0;
}

enum status clock_parse(struct str s, int64_t *ret_ms, struct err *err) {
    struct reader r = {s, s.p, s.n ? s.p + s.n : s.p, err};
    int64_t at;
    if (looks_like_integer(s)) {
        if (!str_to_int(s, &at)) return bad_time(&r, "it is no decimal integer of 64 bits");
    } else {
        int64_t days = 0, in_day = 0, offset = 0;
        enum status st = read_date(&r, &days);
        if (st == OK) st = read_time(&r, &in_day);
        if (st == OK) st = read_zone(&r, &offset);
        if (st != OK) return st;
        at = days * DAY_MS + in_day - offset;
    }
    if (at < FIRST_MS || at > LAST_MS) {
        return bad_time(&r, "it is not within the years 0000 to 9999");
    }
    *ret_ms = at;
    return OK;
}
