/* Amounts with a unit: temperatures, dimensions (length, area, volume, weight, information, angle), ages. */
#include "value/internal.h"

#include <string.h>

static const struct {
  const char *phrase, *symbol;
} units[] = {
#define VALUE_UNIT(phrase, symbol) {phrase, symbol},
#include "value/unit.def"
#undef VALUE_UNIT
};
enum { UNITS = sizeof units / sizeof units[0] };

static bool make_quantity(value_ratio amount, const char *unit, value_quantity *out) {
  memset(out->unit, 0, sizeof out->unit);
  memcpy(out->unit, unit, strlen(unit) < sizeof out->unit ? strlen(unit) : sizeof out->unit - 1);
  return value_ratio_to_decimal(amount, &out->amount);
}

/* ---- temperatures ---- */

static size_t match_degrees(const value_scan *s, size_t at) {
  static const char *const names[] = {"degree", "deg .", "deg", "\xC2\xB0", "\xC2\xBA", "degress", "degreees"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    size_t next = value_match(s, at, names[i]);
    if (next > 0) return next;
  }
  return 0;
}

static size_t match_scale(const value_scan *s, size_t at, const char **unit) {
  static const struct {
    const char *name, *unit;
  } names[] = {
      {"celsius", "C"}, {"celcius", "C"},    {"centigrade", "C"}, {"centigrate", "C"},   {"celsuis", "C"},
      {"c", "C"},       {"fahrenheit", "F"}, {"farenheit", "F"},  {"fahrenheight", "F"}, {"farenheight", "F"},
      {"f", "F"},       {"kelvin", "K"},     {"k", "K"}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (!value_word_is(s, at, names[i].name)) continue;
    *unit = names[i].unit;
    return at + 1;
  }
  return 0;
}

size_t value_scan_temperature(const value_scan *s, size_t at, value_quantity *out) {
  value_ratio amount;
  const char *unit = "";
  size_t i = value_scan_number(s, at, &amount);
  if (i == 0) return 0;
  if (value_sign_is(s, i, '-')) i++;
  size_t degrees = match_degrees(s, i), scale = match_scale(s, degrees > 0 ? degrees : i, &unit);
  bool letter = scale > 0 && s->tok[scale - 1].len == 1;
  /* "777F" is an airliner; a lone letter needs degrees before it, or a whole slot */
  if (letter && degrees == 0 && !s->loose) return 0;
  if (letter && unit[0] == 'K' && degrees == 0) return 0;
  if (letter && value_sign_is(s, scale, '-') && value_glued(s, scale)) return 0;
  if (scale > 0) return make_quantity(amount, unit, out) ? scale : 0;
  if (degrees > 0) {
    if (!s->loose && value_any(s, degrees, "angle|of")) return 0;
    bool turned = !s->loose && at > 0 && value_any(s, at - 1, "rotate|turn");
    return !turned && make_quantity(amount, "", out) ? degrees : 0;
  }
  if (!s->loose || i < s->n) return 0;
  return make_quantity(amount, "", out) ? i : 0;
}

/* ---- dimensions ---- */

static size_t match_unit(const value_scan *s, size_t at, const char **symbol) {
  char first = value_first(s, at);
  for (size_t i = 0; i < UNITS; i++) {
    if (units[i].phrase[0] != first) continue;
    size_t next = value_match(s, at, units[i].phrase);
    if (next == 0) continue;
    *symbol = units[i].symbol;
    if (value_digits(s, next, 1, 1, &(int){0}) && value_glued(s, next) &&
        s->tok[next - 1].kind == VALUE_T_WORD) {
      int power = 0;
      value_digits(s, next, 1, 1, &power);
      const char *square = strcmp(*symbol, "m") == 0    ? "m2"
                           : strcmp(*symbol, "km") == 0 ? "km2"
                           : strcmp(*symbol, "cm") == 0 ? "cm2"
                           : strcmp(*symbol, "ft") == 0 ? "ft2"
                                                        : NULL;
      const char *cube = strcmp(*symbol, "m") == 0 ? "m3" : strcmp(*symbol, "cm") == 0 ? "cm3" : NULL;
      const char *raised = power == 2 ? square : power == 3 ? cube : NULL;
      if (raised == NULL) return 0;
      *symbol = raised;
      return next + 1;
    }
    return next;
  }
  return 0;
}

/* "5 ft 2 in", "5 feet and 2 inches": inches as twelfths. */
static size_t scan_inches(const value_scan *s, size_t at, value_ratio *feet) {
  value_ratio inches, part;
  const char *symbol = "";
  size_t i = value_word_is(s, at, "and") ? at + 1 : at;
  i = value_scan_number(s, i, &inches);
  if (i == 0 || inches.num < 0) return at;
  size_t end = match_unit(s, i, &symbol);
  if (end == 0 || strcmp(symbol, "in") != 0) return at;
  if (!value_ratio_mul(inches, (value_ratio){1, 12}, &part) || !value_ratio_add(*feet, part, feet)) return at;
  return end;
}

size_t value_scan_dimension(const value_scan *s, size_t at, value_quantity *out) {
  value_ratio amount;
  const char *symbol = "";
  size_t i = value_scan_number(s, at, &amount);
  if (i == 0 && value_any(s, at, "a|an")) amount = (value_ratio){1, 1}, i = at + 1;
  if (value_word_is(s, at, "a") && value_any(s, at + 1, "half|quarter")) {
    amount = (value_ratio){1, value_word_is(s, at + 1, "half") ? 2 : 4};
    i = at + 2;
  }
  if (i == 0) return 0;
  bool glued_before = at > 0 && s->tok[at].glued && s->tok[at - 1].kind != VALUE_T_SIGN;
  /* "scp-173m" */
  bool code = at > 1 && s->tok[at].glued && value_sign_is(s, at - 1, '-') && s->tok[at - 1].glued;
  if (glued_before || code) return 0;
  if (value_sign_is(s, i, '-')) i++;
  if (value_word_is(s, i, "of") || (value_word_is(s, i, "a") && amount.den > 1)) i++;
  size_t end = match_unit(s, i, &symbol);
  if (end == 0) return 0;
  bool letter = s->tok[end - 1].len <= 2 && s->tok[end - 1].kind == VALUE_T_WORD;
  if (letter && value_glued(s, end) && s->tok[end].kind != VALUE_T_SIGN) return 0;
  bool turned = at > 0 && value_any(s, at - 1, "rotate|turn|by");
  /* else a temperature */
  if (strcmp(symbol, "deg") == 0 && !turned && !value_word_is(s, end, "angle")) return 0;
  if (letter && value_sign_is(s, end, '-') && value_glued(s, end)) return 0;
  if (strcmp(symbol, "in") == 0 && value_word_is(s, end - 1, "in") && end < s->n &&
      s->tok[end].kind != VALUE_T_SIGN && !value_word_is(s, end, "by") && !value_word_is(s, end, "long") &&
      !value_word_is(s, end, "more"))
    return 0;
  if (strcmp(symbol, "ft") == 0) end = scan_inches(s, end, &amount);
  return make_quantity(amount, symbol, out) ? end : 0;
}

/* ---- ages ---- */

/* "3 years old", "eighteen months of age", "87 yo", "age 87". Unit: year, month, week, day, or "" after "age". */
size_t value_scan_age(const value_scan *s, size_t at, value_quantity *out) {
  value_ratio amount;
  int unit = 0;
  if (value_any(s, at, "age|aged")) {
    size_t i = value_scan_number(s, at + 1, &amount);
    return i > 0 && make_quantity(amount, "", out) ? i : 0;
  }
  size_t i = value_scan_number(s, at, &amount);
  if (i == 0 || amount.num < 0) return 0;
  if (value_sign_is(s, i, '-')) i++;
  if (value_any(s, i, "yo|y . o .")) return make_quantity(amount, "year", out) ? i + 1 : 0;
  if (value_word_is(s, i, "y") && (value_sign_is(s, i + 1, '/') || value_sign_is(s, i + 1, '.')) &&
      value_word_is(s, i + 2, "o"))
    return make_quantity(amount, "year", out) ? i + 3 : 0;
  if (!value_is(s, i, VALUE_W_TIMEUNIT, &unit)) return 0;
  const char *name = unit == VALUE_U_YEAR    ? "year"
                     : unit == VALUE_U_MONTH ? "month"
                     : unit == VALUE_U_WEEK  ? "week"
                     : unit == VALUE_U_DAY   ? "day"
                                             : NULL;
  if (name == NULL) return 0;
  size_t j = value_skip_sign(s, i + 1, '-');
  if (value_word_is(s, j, "old")) return make_quantity(amount, name, out) ? j + 1 : 0;
  if (value_word_is(s, j, "of") && value_word_is(s, j + 1, "age"))
    return make_quantity(amount, name, out) ? j + 2 : 0;
  return 0;
}
