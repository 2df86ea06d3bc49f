/* Values to words a person reads: "tomorrow at 7:00", "1 hour 30 minutes", "every second Friday", "$1,249.50". */
#include "value/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const day_names[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday"};
static const char *const month_names[] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};

/* Appends to out; everything said stays under VALUE_SAY_BOUND by construction, and is cut there otherwise. */
static void add(char *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(char *out, const char *fmt, ...) {
  size_t at = strlen(out);
  va_list args;
  va_start(args, fmt);
  vsnprintf(out + at, VALUE_SAY_BOUND - at, fmt, args);
  va_end(args);
}

static void say_day(value_date d, const value_context *cx, char *out) {
  int64_t distance = cx != NULL ? value_days_from_civil(d) - value_days_from_civil(cx->now.date) : 1000;
  const char *weekday = day_names[value_weekday(d)];
  if (distance == 0)
    add(out, "today");
  else if (distance == 1)
    add(out, "tomorrow");
  else if (distance == -1)
    add(out, "yesterday");
  else if (distance > 1 && distance < 7)
    add(out, "%s", weekday);
  else if (cx != NULL && d.year == cx->now.date.year)
    add(out, "%s, %s %d", weekday, month_names[d.month - 1], d.day);
  else
    add(out, "%s, %s %d, %d", weekday, month_names[d.month - 1], d.day, d.year);
}

void value_say_datetime(const value_datetime *v, const value_context *cx, char *out) {
  out[0] = '\0';
  if (v->has_date && !value_date_exists(v->date)) return;
  if (v->has_date) say_day(v->date, cx, out);
  if (v->has_date && v->has_time) add(out, " at ");
  if (!v->has_time) return;
  add(out, "%d:%02d", v->time.hour, v->time.minute);
  if (v->time.second != 0) add(out, ":%02d", v->time.second);
}

static void say_count(char *out, int64_t n, const char *unit) {
  if (n == 0) return;
  add(out, "%s%" PRId64 " %s%s", out[0] != '\0' ? " " : "", n, unit, n == 1 ? "" : "s");
}

void value_say_duration(value_duration v, char *out) {
  out[0] = '\0';
  say_count(out, v.months / 12, "year");
  say_count(out, v.months % 12, "month");
  bool weeks = v.days % 7 == 0 && v.days != 0;
  say_count(out, weeks ? v.days / 7 : v.days, weeks ? "week" : "day");
  say_count(out, v.seconds / 3600, "hour");
  say_count(out, v.seconds / 60 % 60, "minute");
  say_count(out, v.seconds % 60, "second");
  if (out[0] == '\0') add(out, "0 seconds");
}

static const char *ordinal_suffix(int n) {
  if (n % 100 >= 11 && n % 100 <= 13) return "th";
  return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

static const char *ordinal_word(int n) {
  static const char *const words[] = {"last", "", "first", "second", "third", "fourth", "fifth"};
  return n >= -1 && n <= 5 ? words[n + 1] : "";
}

/* "Monday, Wednesday and Friday", "weekday" */
static void say_weekdays(uint8_t set, char *out) {
  int left = 0;
  if (set == 0x1F) {
    add(out, "weekday");
    return;
  }
  if (set == 0x60) {
    add(out, "weekend");
    return;
  }
  for (int d = 0; d < 7; d++) left += set >> d & 1;
  for (int d = 0; d < 7; d++) {
    if ((set >> d & 1) == 0) continue;
    left--;
    add(out, "%s%s", day_names[d], left > 1 ? ", " : left == 1 ? " and " : "");
  }
}

void value_say_recurrence(const value_recurrence *v, char *out) {
  static const char *const units[] = {"", "minute", "hour", "day", "week", "month", "year"};
  int n = v->interval < 1 ? 1 : v->interval;
  out[0] = '\0';
  if (v->freq <= VALUE_FREQ_NONE || v->freq > VALUE_YEARLY) return;
  if (v->freq == VALUE_WEEKLY && v->weekdays != 0) {
    add(out, "every ");
    if (n == 2)
      add(out, "second ");
    else if (n > 2)
      add(out, "%d%s ", n, ordinal_suffix(n));
    say_weekdays(v->weekdays, out);
  } else if (n == 1) {
    add(out, "every %s", units[v->freq]);
  } else {
    add(out, "every %d %ss", n, units[v->freq]);
  }
  if (v->weekdays != 0 && (v->week_of_month != 0 || v->freq != VALUE_WEEKLY)) {
    if (v->week_of_month != 0) add(out, " on the %s ", ordinal_word(v->week_of_month));
    else add(out, " on ");
    say_weekdays(v->weekdays, out);
  }
  if (v->month_day == -1) add(out, " on the last day");
  if (v->month_day > 0) add(out, " on the %d%s", v->month_day, ordinal_suffix(v->month_day));
  if (v->has_at) add(out, " at %d:%02d", v->at.hour, v->at.minute);
}

/* Digits in groups of three. */
static void say_grouped(char *out, uint64_t v) {
  char digits[24];
  base_format(digits, sizeof digits, "%" PRIu64, v);
  size_t len = strlen(digits);
  for (size_t i = 0; i < len; i++) add(out, "%s%c", i > 0 && (len - i) % 3 == 0 ? "," : "", digits[i]);
}

void value_say_money(const value_money *v, char *out) {
  static const struct {
    char iso[4];
    const char *sign;
  } signs[] = {{"USD", "$"},        {"EUR", "\xE2\x82\xAC"}, {"GBP", "\xC2\xA3"},
               {"JPY", "\xC2\xA5"}, {"INR", "\xE2\x82\xB9"}, {"CAD", "CA$"},
               {"AUD", "A$"}};
  const char *sign = NULL;
  int digits = value_currency_digits(v->currency);
  uint64_t minor = v->minor < 0 ? (uint64_t)0 - (uint64_t)v->minor : (uint64_t)v->minor;
  uint64_t power = (uint64_t)value_pow10(digits < 0 ? 0 : digits);
  out[0] = '\0';
  for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
    if (strcmp(signs[i].iso, v->currency) == 0) sign = signs[i].sign;
  if (v->minor < 0) add(out, "-");
  if (sign != NULL) add(out, "%s", sign);
  say_grouped(out, minor / power);
  if (digits > 0 && (minor % power != 0 || sign != NULL) && !(sign != NULL && minor % power == 0))
    add(out, ".%0*" PRIu64, digits, minor % power);
  if (sign == NULL) add(out, " %.3s", v->currency);
}
