/* The whole-text readers of numbers, percents, ordinals, temperatures and durations. Each tries its parser
 * behind the fillers at the front of the text, then on the fillers themselves ("a", "about"). */
#include "value/internal.h"

typedef size_t (*ratio_scanner)(const value_scan *s, size_t at, value_ratio *out);

/* Digits or small numbers said one after another: "one two three", "one fifty", "two oh five". */
static size_t scan_spelled(const value_scan *s, size_t at, value_ratio *out) {
  int64_t v = 0;
  int small = 0, said = 0;
  size_t i = at;
  for (; i < s->n && said < 12; said++) {
    size_t j = value_scan_small(s, i, &small);
    if (j == 0 && said > 0 && value_any(s, i, "oh|o")) {
      small = 0;
      j = i + 1;
    }
    if (j == 0) break;
    if (said > 0 && small >= 100) return 0;
    v = v * (small > 9 ? 100 : 10) + small;
    i = j;
  }
  *out = (value_ratio){v, 1};
  return said >= 2 ? i : 0;
}

static base_status read_ratio(base_slice text, const char *what, ratio_scanner scan, value_ratio *out,
                              base_error *err) {
  value_reading r;
  base_status status = value_reading_open(&r, text, NULL, what, err);
  if (status != BASE_OK) return status;
  for (size_t at = r.at + 1; at-- > 0;) {
    if (scan(&r.scan, at, out) == r.scan.n) return BASE_OK;
    if (scan_spelled(&r.scan, at, out) == r.scan.n) return BASE_OK;
  }
  return value_reading_refuse(&r, what, err);
}

base_status value_read_number(base_slice text, value_decimal *out, base_error *err) {
  value_ratio v;
  base_status status = read_ratio(text, "a number", value_scan_count, &v, err);
  if (status != BASE_OK) return status;
  if (!value_ratio_to_decimal(v, out))
    return base_fail(err, BASE_ELIMIT, "value", "the number cannot be held exactly");
  return BASE_OK;
}

base_status value_read_integer(base_slice text, int64_t *out, base_error *err) {
  value_ratio v;
  base_status status = read_ratio(text, "a whole number", value_scan_count, &v, err);
  if (status != BASE_OK) return status;
  return value_ratio_to_int(v, out) ? BASE_OK : value_refuse(text, "a whole number", err);
}

/* In a slot: "half", "max", "a third", "40", "forty percent", "half way". */
static size_t scan_level(const value_scan *s, size_t at, value_ratio *out) {
  static const struct {
    const char *word;
    int percent;
  } words[] = {{"max", 100},         {"maximum", 100},
               {"full", 100},        {"fully", 100},
               {"highest", 100},     {"top", 100},
               {"completely", 100},  {"the max", 100},
               {"full blast", 100},  {"all the way up", 100},
               {"all the way", 100}, {"min", 1},
               {"minimum", 1},       {"lowest", 1},
               {"half way", 50},     {"halfway", 50},
               {"half", 50},         {"none", 0},
               {"nothing", 0},       {"all the way down", 0}};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    size_t next = value_match(s, at, words[i].word);
    if (next == 0 || next < s->n) continue;
    *out = (value_ratio){words[i].percent, 1};
    return next;
  }
  size_t end = value_scan_percent(s, at, out);
  if (end > 0) return end;
  end = value_scan_number(s, at, out);
  if (end == s->n && out->den != 1 && out->num > 0 && out->num < out->den) {
    bool fraction = true;
    for (size_t i = at; i < end; i++) /* "0.5" is half a percent */
      if (value_sign_is(s, i, '.') || value_word_is(s, i, "point")) fraction = false;
    if (fraction) return value_ratio_mul(*out, (value_ratio){100, 1}, out) ? end : 0;
  }
  return end;
}

base_status value_read_percent(base_slice text, value_decimal *out, base_error *err) {
  value_ratio v;
  base_status status = read_ratio(text, "a percentage", scan_level, &v, err);
  if (status != BASE_OK) return status;
  if (!value_ratio_to_decimal(v, out))
    return base_fail(err, BASE_ELIMIT, "value", "the percentage cannot be held exactly");
  return BASE_OK;
}

/* Also "number 3", "#2", "the 3", "third one". */
static size_t scan_position(const value_scan *s, size_t at, int64_t *out) {
  value_ratio v;
  size_t i = value_scan_ordinal(s, at, out);
  if (i > 0) return value_any(s, i, "one|ones") ? i + 1 : i;
  i = at;
  if (value_word_is(s, i, "number") || value_sign_is(s, i, '#') || value_word_is(s, i, "no")) i++;
  if (value_word_is(s, i, "next") && i + 1 >= s->n - 1) return 0;
  size_t end = value_scan_cardinal(s, i, &v);
  return end > 0 && v.den == 1 ? (*out = v.num, end) : 0;
}

base_status value_read_ordinal(base_slice text, int64_t *out, base_error *err) {
  value_reading r;
  base_status status = value_reading_open(&r, text, NULL, "a position", err);
  if (status != BASE_OK) return status;
  for (size_t at = r.at + 1; at-- > 0;)
    if (scan_position(&r.scan, at, out) == r.scan.n) return BASE_OK;
  return value_reading_refuse(&r, "a position", err);
}

base_status value_read_temperature(base_slice text, value_quantity *out, base_error *err) {
  value_reading r;
  base_status status = value_reading_open(&r, text, NULL, "a temperature", err);
  if (status != BASE_OK) return status;
  for (size_t at = r.at + 1; at-- > 0;)
    if (value_scan_temperature(&r.scan, at, out) == r.scan.n) return BASE_OK;
  value_ratio v;
  for (size_t at = r.at + 1; at-- > 0;) { /* "one oh five" */
    size_t end = scan_spelled(&r.scan, at, &v);
    if (end > 0) {
      *out = (value_quantity){.amount = {v.num, 0}};
      if (end == r.scan.n) return BASE_OK;
    }
  }
  return value_reading_refuse(&r, "a temperature", err);
}

/* 00:45:00: hours, minutes and seconds; two groups may be either, so they are refused. */
static size_t scan_stopwatch(const value_scan *s, size_t at, value_duration *out) {
  int part[3];
  for (size_t k = 0; k < 3; k++) {
    if (!value_digits(s, at + 2 * k, 1, 2, &part[k]) || (k > 0 && part[k] > 59)) return 0;
    if (k < 2 && !(value_sign_is(s, at + 2 * k + 1, ':') && value_glued(s, at + 2 * k + 2))) return 0;
  }
  *out = (value_duration){0, 0, part[0] * 3600 + part[1] * 60 + part[2]};
  return at + 5;
}

/* A length with what people say around it: "the next hour", "another ten minutes", "up to an hour". */
static size_t scan_length(const value_scan *s, size_t at, value_duration *out) {
  static const char *const openers[] = {
      "the next",   "next",   "another",  "an extra", "extra",        "an additional",  "additional",
      "the coming", "up to",  "at least", "at most",  "no more than", "no longer than", "just",
      "only",       "nearly", "almost",   "the full", "a good",       "the last",       "the past"};
  int unit = 0;
  size_t i = value_scan_duration(s, at, out);
  if (i == 0) i = scan_stopwatch(s, at, out);
  for (size_t k = 0; i < s->n && k < sizeof openers / sizeof openers[0]; k++) {
    size_t behind = value_match(s, at, openers[k]);
    if (behind == 0) continue;
    i = value_scan_duration(s, behind, out);
    if (i == 0 && behind + 1 == s->n && value_is(s, behind, VALUE_W_TIMEUNIT, &unit) &&
        value_duration_of((value_ratio){1, 1}, (value_time_unit)unit, out))
      i = behind + 1;
  }
  return i > 0 && value_any(s, i, "long|each|straight") ? i + 1 : i;
}

base_status value_read_duration(base_slice text, value_duration *out, base_error *err) {
  value_reading r;
  if (value_parse_duration(text, out, NULL) == BASE_OK) return BASE_OK;
  base_status status = value_reading_open(&r, text, NULL, "a duration", err);
  if (status != BASE_OK) return status;
  for (size_t at = r.at + 1; at-- > 0;)
    if (scan_length(&r.scan, at, out) == r.scan.n) return BASE_OK;
  return value_reading_refuse(&r, "a duration", err);
}
