/* Durations as people say them: "an hour and a half", "90 min", "2h30", "3 quarters of an hour". Months and
 * years stay months; a fraction of a month is only taken when it is a whole number of months. */
#include "value/internal.h"

static const struct {
  int months, days, seconds;
} unit_size[] = {
    [VALUE_U_SECOND] = {0, 0, 1},  [VALUE_U_MINUTE] = {0, 0, 60},  [VALUE_U_HOUR] = {0, 0, 3600},
    [VALUE_U_DAY] = {0, 1, 0},     [VALUE_U_WEEK] = {0, 7, 0},     [VALUE_U_FORTNIGHT] = {0, 14, 0},
    [VALUE_U_WEEKEND] = {0, 2, 0}, [VALUE_U_MONTH] = {1, 0, 0},    [VALUE_U_QUARTER] = {3, 0, 0},
    [VALUE_U_YEAR] = {12, 0, 0},   [VALUE_U_DECADE] = {120, 0, 0}, [VALUE_U_CENTURY] = {1200, 0, 0}};

static bool times(value_ratio amount, int size, int64_t *out) {
  value_ratio v;
  return value_ratio_mul(amount, (value_ratio){size, 1}, &v) && value_ratio_to_int(v, out);
}

/* A part of a day or week that is no whole number of days becomes seconds; of a year, days. */
bool value_duration_of(value_ratio amount, value_time_unit unit, value_duration *out) {
  *out = (value_duration){0, 0, 0};
  if (unit_size[unit].seconds > 0) {
    value_ratio v;
    if (!value_ratio_mul(amount, (value_ratio){unit_size[unit].seconds, 1}, &v)) return false;
    out->seconds = v.num / v.den; /* below a second: cut off */
    return true;
  }
  if (unit_size[unit].days > 0) {
    if (times(amount, unit_size[unit].days, &out->days)) return true;
    return times(amount, unit_size[unit].days * 86400, &out->seconds);
  }
  if (times(amount, unit_size[unit].months, &out->months)) return true;
  value_ratio v;
  int per_unit = unit == VALUE_U_MONTH ? 30 : unit_size[unit].months / 12 * 365;
  if (!value_ratio_mul(amount, (value_ratio){per_unit, 1}, &v)) return false;
  out->days = v.num / v.den;
  return true;
}

static bool add_duration(value_duration *sum, value_duration d) {
  return !__builtin_add_overflow(sum->months, d.months, &sum->months) &&
         !__builtin_add_overflow(sum->days, d.days, &sum->days) &&
         !__builtin_add_overflow(sum->seconds, d.seconds, &sum->seconds);
}

/* "m" is minutes only right behind digits and beside other units ("1h 20m"). */
static size_t scan_unit(const value_scan *s, size_t at, value_time_unit *unit) {
  int u = 0;
  size_t i = value_sign_is(s, at, '-') ? at + 1 : at;
  bool short_unit = i < s->n && s->tok[i].len == 1;
  if (value_word_is(s, i, "m") && i > 0 && s->tok[i - 1].kind == VALUE_T_DIGITS && s->loose) {
    *unit = VALUE_U_MINUTE;
    return i + 1;
  }
  if (value_any(s, i, "night|nights") && i > 0 && !value_word_is(s, i + 1, "markets")) {
    *unit = VALUE_U_DAY;
    return i + 1;
  }
  if (value_word_is(s, i, "w") && value_glued(s, i) && s->tok[i - 1].kind == VALUE_T_DIGITS) {
    *unit = VALUE_U_WEEK;
    return i + 1;
  }
  if (value_any(s, i, "business|calendar")) i++;
  if (!value_is(s, i, VALUE_W_TIMEUNIT, &u) ||
      (short_unit && !(value_glued(s, i) && s->tok[i - 1].kind == VALUE_T_DIGITS)))
    return 0;
  *unit = (value_time_unit)u;
  i++;
  return value_sign_is(s, i, '.') && s->loose && i < s->n ? i + 1 : i;
}

/* "half an hour", "three quarters of an hour", "half a day", "a quarter hour", "a half hour". */
static size_t scan_fraction_of(const value_scan *s, size_t at, value_duration *out) {
  value_ratio part;
  value_time_unit unit;
  size_t i = at;
  if (value_word_is(s, i, "a") && value_any(s, i + 1, "half|quarter")) i++;
  i = value_scan_number(s, i, &part);
  if (i == 0 || part.den == 1) return 0;
  if (value_word_is(s, i, "of")) i++;
  if (value_any(s, i, "a|an|the")) i++;
  i = scan_unit(s, i, &unit);
  return i > 0 && value_duration_of(part, unit, out) ? i : 0;
}

/* Behind a unit: "and a half", "and a quarter", "and three quarters". */
static size_t scan_and_half(const value_scan *s, size_t at, value_time_unit unit, value_duration *sum) {
  value_ratio part;
  value_duration d;
  if (!value_word_is(s, at, "and")) return at;
  size_t i = value_scan_number(s, at + 1, &part);
  if (i == 0 || part.num >= part.den) return at;
  value_time_unit ignored;
  if (scan_unit(s, i, &ignored) > 0) return at;
  return value_duration_of(part, unit, &d) && add_duration(sum, d) ? i : at;
}

/* One "amount unit": "two hours", "an hour", "a couple of minutes", "90 min". */
static size_t scan_piece(const value_scan *s, size_t at, value_time_unit *unit, value_duration *out) {
  value_ratio amount = {1, 1};
  size_t i = 0, end = 0;
  if (value_any(s, at, "a|an")) {
    i = at + 1;
    if (value_any(s, i, "whole|full|single")) i++;
    end = scan_unit(s, i, unit);
    if (end == 0) i = 0;
  }
  if (i == 0) i = value_scan_count(s, at, &amount);
  if (i == 0) return 0;
  if (value_any(s, i, "full|more|whole") || (s->loose && value_any(s, i, "extra|additional|solid"))) i++;
  end = scan_unit(s, i, unit);
  if (end == 0 || amount.num < 0) return 0;
  if (value_duration_of(amount, *unit, out)) return end;
  value_over(s);
  return 0;
}

/* "hour and a half", "2h30": what may follow without its own unit. */
static size_t scan_bare_tail(const value_scan *s, size_t at, value_time_unit unit, value_duration *sum) {
  int small = 0;
  size_t i = at;
  if (unit != VALUE_U_HOUR && unit != VALUE_U_MINUTE) return at;
  value_time_unit own;
  bool glued = value_digits(s, i, 1, 2, &small) && s->tok[i].glued && scan_unit(s, i + 1, &own) == 0;
  size_t end = glued ? i + 1 : 0;
  if (!glued && s->loose) {
    if (value_word_is(s, i, "and")) i++;
    end = value_digits(s, i, 1, 2, &small) ? i + 1 : value_scan_small(s, i, &small);
    if (end != s->n) return at;
  }
  if (end == 0 || small > 59) return at;
  return add_duration(sum, (value_duration){0, 0, unit == VALUE_U_HOUR ? small * 60 : small}) ? end : at;
}

/* "all day", "the whole week". */
static size_t scan_whole(const value_scan *s, size_t at, value_duration *out) {
  value_time_unit unit;
  size_t i = at;
  if (value_word_is(s, i, "all"))
    i++;
  else if (value_word_is(s, i, "the") && value_any(s, i + 1, "whole|entire|full"))
    i += 2;
  else if (s->loose && value_is(s, i, VALUE_W_TIMEUNIT, NULL) && i == 0)
    i = at;
  else if (s->loose && value_word_is(s, i, "day") && value_any(s, i + 1, "after|before"))
    i = at;
  else
    return 0;
  i = scan_unit(s, i, &unit);
  return i > 0 && value_duration_of((value_ratio){1, 1}, unit, out) ? i : 0;
}

size_t value_scan_duration(const value_scan *s, size_t at, value_duration *out) {
  value_duration sum = {0, 0, 0}, d;
  value_time_unit unit = VALUE_U_SECOND, last = VALUE_U_CENTURY;
  size_t end = scan_fraction_of(s, at, out), i = at;
  if (end > 0) return end;
  end = scan_whole(s, at, out);
  if (end > 0 && !(value_word_is(s, at, "hour") && value_word_is(s, end, "and"))) return end;
  for (int k = 0; k < 6; k++) {
    size_t start = i;
    if (k > 0 && value_word_is(s, start, "and"))
      start++;
    else if (k > 0 && value_sign_is(s, start, ',') && !value_word_is(s, start + 1, "and"))
      start++;
    size_t next = k == 0 && end > 0 ? scan_whole(s, start, &d) : scan_piece(s, start, &unit, &d);
    if (k == 0 && end > 0) unit = VALUE_U_HOUR;
    if (next == 0 || (k > 0 && unit >= last) || !add_duration(&sum, d)) break;
    i = next;
    last = unit;
    next = scan_and_half(s, i, unit, &sum);
    if (next > i) {
      i = next;
      break;
    }
    next = scan_bare_tail(s, i, unit, &sum);
    if (next > i) {
      i = next;
      break;
    }
  }
  *out = sum;
  return i > at ? i : 0;
}
