/* value: text <-> typed values. Numbers, money, dates, durations, recurrences, by rules alone: exact
 * decimals, the proleptic Gregorian calendar, no floating point in money. English. */
#ifndef VALUE_VALUE_H
#define VALUE_VALUE_H

#include "base/base.h"

/* ---- exact decimals: digits * 10^-scale ---- */
typedef struct value_decimal {
  int64_t digits;
  int scale; /* 0..18; normalised: no trailing zero digit when scale > 0 */
} value_decimal;

/* ---- civil time: no zone, what the clock on the wall says ---- */
typedef struct value_date { int year, month, day; } value_date;     /* 1..9999, 1..12, 1..31 */
typedef struct value_time { int hour, minute, second; } value_time; /* 0..23, 0..59, 0..59 */
typedef struct value_datetime { value_date date; value_time time; bool has_date, has_time; } value_datetime;
/* The end is exclusive; a missing start or end is open. */
typedef struct value_interval { value_datetime start, end; bool has_start, has_end; } value_interval;
/* Years and months do not convert to seconds, so they are kept apart (ISO 8601 durations). */
typedef struct value_duration { int64_t months, days, seconds; } value_duration;

/* RFC 5545 recurrence, the part people say. */
typedef enum value_freq {
  VALUE_FREQ_NONE, VALUE_MINUTELY, VALUE_HOURLY, VALUE_DAILY, VALUE_WEEKLY, VALUE_MONTHLY, VALUE_YEARLY
} value_freq;
typedef struct value_recurrence {
  value_freq freq;
  int interval;      /* 1.. */
  uint8_t weekdays;  /* bit 0 Monday .. bit 6 Sunday */
  int month_day;     /* 1..31, -1 last, 0 none */
  int week_of_month; /* with weekdays: 1..5, -1 last, 0 none */
  value_time at; bool has_at;
} value_recurrence;

typedef struct value_money {
  char currency[4]; /* ISO 4217 */
  int64_t minor;    /* in the currency's minor unit: cents, yen */
} value_money;

typedef struct value_quantity {
  value_decimal amount;
  char unit[16]; /* temperature: "C", "F", "K" or ""; age: "year" .. "day" or ""; else "km", "lb" ... */
} value_quantity;

typedef enum value_resolve { VALUE_NEAREST, VALUE_FUTURE, VALUE_PAST } value_resolve;

/* What "now" is and how unclear values are settled.
 *   an hour without am or pm   alone or with today: the next time a clock shows it (FUTURE), the last (PAST);
 *                              with a part of the day, as that says; on another day see `morning`
 *   a weekday, a date without a year, a day of the month   the next such day (FUTURE), or the last (PAST)
 *   a part of the day alone    morning 9:00, noon 12:00, afternoon 15:00, evening 19:00, night 21:00,
 *                              tonight 20:00, breakfast 8:00, lunch 12:00, dinner 19:00, end of day 17:00
 * With FUTURE a reader refuses what has already passed ("yesterday"); it never gives the past. */
typedef struct value_context {
  value_datetime now;       /* both parts present */
  value_resolve resolve;    /* "7" at 20:00 with FUTURE is tomorrow's; a weekday is the next one */
  char default_currency[4]; /* for an amount without a currency; "" refuses it */
  bool morning; /* waking up: an hour without am or pm on a given day is before noon, else 1-5 are pm; without a day 5
                   to 11 are the next morning's with FUTURE, unless the clock shows them within two hours (a nap) */
} value_context;

/* ---- whole-text readers: the text is one value (a slot) ----
 * BASE_EFORMAT when it is not one; BASE_ELIMIT for a text over 512 bytes or a number no int64 holds.
 * Nothing is left unread but fillers ("at", "on", "the", "about", "please"). err may be NULL. */
/* "two dozen", "1,249.50", "three and a half", "a couple", "minus ten" */
base_status value_read_number(base_slice text, value_decimal *out, base_error *err);
base_status value_read_integer(base_slice text, int64_t *out, base_error *err);
/* "40%", "forty percent", "half" = 50, "max"/"full" = 100, "a quarter" = 25, bare number as percent */
base_status value_read_percent(base_slice text, value_decimal *out, base_error *err);
/* "third" 3, "last" -1, "second to last" -2 */
base_status value_read_ordinal(base_slice text, int64_t *out, base_error *err);
/* "$1,249.50", "twenty five euros", "two pounds fifty", "3 bucks", "5k" */
base_status value_read_money(base_slice text, const value_context *cx, value_money *out, base_error *err);
base_status value_read_temperature(base_slice text, value_quantity *out, base_error *err);
/* "an hour and a half", "90 min", "2h30", "half an hour", "another ten minutes", "the next hour" */
base_status value_read_duration(base_slice text, value_duration *out, base_error *err);
/* "quarter to seven tomorrow", "in an hour and a half", "friday", "the 3rd at noon" */
base_status value_read_datetime(base_slice text, const value_context *cx, value_datetime *out,
                                base_error *err);
base_status value_read_date(base_slice text, const value_context *cx, value_date *out, base_error *err);
base_status value_read_time(base_slice text, const value_context *cx, value_time *out, base_error *err);
/* "next week", "this weekend", "from 3 to 5 pm", "in march", "tonight", "overnight", "saturday and sunday",
 * "last summer" (the northern one), "so far this month"; a length alone ("5 days") begins now, with PAST it
 * ends now */
base_status value_read_interval(base_slice text, const value_context *cx, value_interval *out,
                                base_error *err);
/* "every other friday", "weekdays at 7", "daily", "on the first of each month", "every day except sunday",
 * also "monday" alone; "twice a week" cannot be held */
base_status value_read_recurrence(base_slice text, const value_context *cx, value_recurrence *out,
                                  base_error *err);
/* digits with an optional leading +; 3..15 digits; "five five five 1234" */
base_status value_read_phone(base_slice text, char *out, size_t out_size, base_error *err);
/* also "emma dot jones at example dot org" */
base_status value_read_email(base_slice text, char *out, size_t out_size, base_error *err);

/* ---- finders: values inside a longer text (what Recognizers-Text does) ---- */
typedef enum value_kind {
  VALUE_NUMBER, VALUE_ORDINAL, VALUE_PERCENT, VALUE_MONEY, VALUE_TEMPERATURE, VALUE_DIMENSION, VALUE_AGE,
  VALUE_DURATION, VALUE_DATE, VALUE_TIME, VALUE_DATETIME, VALUE_INTERVAL, VALUE_RECURRENCE,
  VALUE_RELATIVE /* counted from the current one, in as.ordinal: next 1, current 0, previous -1 */
} value_kind;
typedef struct value_found {
  value_kind kind;
  size_t start, end; /* bytes */
  union {
    value_decimal number;
    int64_t ordinal;
    value_money money;
    value_quantity quantity;
    value_duration duration;
    value_datetime datetime; /* VALUE_TIME has no date, VALUE_DATE no time */
    value_interval interval;
    value_recurrence recurrence;
  } as;
} value_found;
/* Values of `kinds` (bit set 1u << kind) left to right, longest first, not overlapping; at most max. Returns
 * how many. Looks at the first 4096 bytes. A stretch of days ends on the day named ("march 3 to 5" on the
 * 5th), where the readers count that day in. */
size_t value_find(base_slice text, unsigned kinds, const value_context *cx, value_found *out, size_t max);

/* ---- writers: the one canonical text of a value ----
 * `out` is always terminated; VALUE_TEXT_BOUND bytes are enough. */
#define VALUE_TEXT_BOUND 96
void value_write_decimal(value_decimal v, char *out);        /* "1249.5" */
/* "2026-11-22T07:00:00", "2026-11-22", "07:00:00" */
void value_write_datetime(const value_datetime *v, char *out);
void value_write_duration(value_duration v, char *out);      /* "PT1H30M", "P2W" is written "P14D" */
void value_write_recurrence(const value_recurrence *v, char *out); /* "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR" */
void value_write_money(const value_money *v, char *out);     /* "USD 1249.50" */
/* Canonical text back to a value; the inverse of the writers, strict. Also what --now takes. */
base_status value_parse_datetime(base_slice iso, value_datetime *out, base_error *err);
base_status value_parse_duration(base_slice iso, value_duration *out, base_error *err);
/* Parts in any order; a rule that a value_recurrence cannot hold (COUNT, two hours) is refused. */
base_status value_parse_recurrence(base_slice rule, value_recurrence *out, base_error *err);
/* To words a person reads: "tomorrow at 7:00", "1 hour 30 minutes", "every second Friday", "$1,249.50".
 * VALUE_SAY_BOUND bytes. */
#define VALUE_SAY_BOUND 128
void value_say_datetime(const value_datetime *v, const value_context *cx, char *out);
void value_say_duration(value_duration v, char *out);
void value_say_recurrence(const value_recurrence *v, char *out);
void value_say_money(const value_money *v, char *out);

/* ---- calendar arithmetic ---- */
int64_t value_days_from_civil(value_date d); /* days since 1970-01-01 */
value_date value_civil_from_days(int64_t days);
int value_weekday(value_date d); /* 0 Monday .. 6 Sunday */
int value_days_in_month(int year, int month);
bool value_date_exists(value_date d);
/* end of month clamps: Jan 31 + 1 month = Feb 28/29 */
value_datetime value_add(value_datetime t, value_duration d);
/* The first day from t's on that has the recurrence's weekday, week and day of the month (RFC 5545's BYDAY,
 * BYMONTHDAY), at t's time; t itself when there is none within five years. How often it then comes back is not looked
 * at. */
value_datetime value_first_of(const value_recurrence *v, value_datetime t);
int value_compare(const value_datetime *a, const value_datetime *b); /* -1, 0, 1; both have both parts */
int value_currency_digits(const char iso[4]); /* minor-unit digits (USD 2, JPY 0, KWD 3); -1 when unknown */

#endif
