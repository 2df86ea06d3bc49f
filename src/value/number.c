/* Numbers in digits and in words: cardinals, decimals, fractions, ordinals, percents. */
#include "value/internal.h"

#include <string.h>

enum { DIGITS_MAX = 18, WORDS_MAX = 24 };

/* ---- digits ---- */

/* Appends the digits of token i to *v; false past 18 digits in all. */
static bool append_digits(const value_scan *s, size_t i, int64_t *v, int *count) {
  const char *p = s->text.ptr + s->tok[i].start;
  for (size_t k = 0; k < s->tok[i].len; k++) {
    if (*v != 0 || p[k] != '0') (*count)++;
    if (*count > DIGITS_MAX) {
      value_over(s);
      return false;
    }
    *v = *v * 10 + (p[k] - '0');
  }
  return true;
}

static bool is_digits(const value_scan *s, size_t i) {
  return i < s->n && s->tok[i].kind == VALUE_T_DIGITS;
}

/* Is token i a group separator followed by exactly three digits, all touching? */
static bool is_group(const value_scan *s, size_t i, char sign) {
  return value_sign_is(s, i, sign) && s->tok[i].glued && is_digits(s, i + 1) && s->tok[i + 1].glued &&
         s->tok[i + 1].len == 3;
}

static bool is_spaced_group(const value_scan *s, size_t i) {
  return is_digits(s, i) && !s->tok[i].glued && s->tok[i].len == 3;
}

/* The digits behind a decimal sign at i; returns the index behind, 0 when there are none. */
static size_t fraction_digits(const value_scan *s, size_t i, int64_t *v, int *count, int *scale) {
  if (!is_digits(s, i + 1) || !s->tok[i + 1].glued) return 0;
  if (s->tok[i + 1].len > DIGITS_MAX) return 0;
  if (!append_digits(s, i + 1, v, count)) return 0;
  *scale = (int)s->tok[i + 1].len;
  return i + 2;
}

/* Digits, with commas and a point: 1,249.50. */
static size_t scan_literal(const value_scan *s, size_t at, value_ratio *out) {
  int64_t v = 0;
  int count = 0, scale = 0, groups = 0;
  size_t i = at, next = 0;
  if (is_digits(s, i)) {
    if (!append_digits(s, i, &v, &count)) return 0;
    size_t first_len = s->tok[i++].len;
    if (first_len <= 3) {
      while (is_group(s, i, ',') && groups < 6) {
        if (!append_digits(s, i + 1, &v, &count)) return 0;
        i += 2;
        groups++;
      }
      bool thousand =
          is_spaced_group(s, i) && !is_digits(s, i + 1) && memcmp(s->text.ptr + s->tok[i].start, "000", 3) == 0;
      if (groups == 0 &&
          (thousand || (is_spaced_group(s, i) && is_spaced_group(s, i + 1) && !is_digits(s, i + 2))))
        for (; is_spaced_group(s, i); i++)
          if (!append_digits(s, i, &v, &count)) return 0;
    }
    bool comma = groups == 0 && value_sign_is(s, i, ',') && is_digits(s, i + 1) && s->tok[i].glued &&
                 s->tok[i + 1].len <= 2 && !(value_sign_is(s, i + 2, ',') && value_glued(s, i + 2)) &&
                 first_len <= 2 && s->tok[i + 1].len == 1;
    if ((value_sign_is(s, i, '.') && s->tok[i].glued) || comma)
      next = fraction_digits(s, i, &v, &count, &scale);
    /* 1.2.3 */
    if (next > 0 && value_sign_is(s, next, '.') && value_glued(s, next + 1) && is_digits(s, next + 1)) return 0;
  } else if (value_sign_is(s, i, '.') && !(at > 0 && s->tok[i].glued && s->tok[at - 1].kind != VALUE_T_SIGN)) {
    next = fraction_digits(s, i, &v, &count, &scale);
    if (next == 0) return 0;
  } else {
    return 0;
  }
  if (next > 0) i = next;
  return value_ratio_make(v, value_pow10(scale), out) ? i : 0;
}

/* ---- words ---- */

size_t value_scan_small(const value_scan *s, size_t at, int *out) {
  int tens = 0, unit = 0;
  if (value_is(s, at, VALUE_W_TEEN, out) || value_is(s, at, VALUE_W_UNIT, out)) return at + 1;
  if (!value_is(s, at, VALUE_W_TENS, &tens)) return 0;
  size_t i = value_skip_sign(s, at + 1, '-');
  if (value_is(s, i, VALUE_W_UNIT, &unit) && unit > 0) {
    *out = tens + unit;
    return i + 1;
  }
  *out = tens;
  return at + 1;
}

static size_t skip_and(const value_scan *s, size_t i) {
  return value_word_is(s, i, "and") || value_sign_is(s, i, '&') ? i + 1 : i;
}

/* Words below one thousand: "a hundred and six", "two hundred five". *tail is where the part below 100 begins. */
static size_t parse_group(const value_scan *s, size_t at, int64_t *out) {
  int small = 0, scale = 0;
  size_t i = value_scan_small(s, at, &small), j = 0;
  if (i == 0 && value_any(s, at, "a|an")) {
    if (!value_is(s, at + 1, VALUE_W_SCALE, NULL) && !value_is(s, at + 1, VALUE_W_DOZEN, NULL)) return 0;
    small = 1;
    i = at + 1;
  } else if (i == 0 && value_is(s, at, VALUE_W_SCALE, &scale) && scale >= 2 && s->loose &&
             !(at > 0 && value_is(s, at - 1, VALUE_W_SCALE, NULL))) {
    small = 1;
    i = at;
  }
  if (i == 0) return 0;
  *out = small;
  size_t h = value_skip_sign(s, i, '-');
  if (value_is(s, h, VALUE_W_SCALE, &scale) && scale == 2) {
    *out = (int64_t)small * 100;
    i = h + 1;
    j = value_scan_small(s, skip_and(s, i), &small);
    if (j > 0 && small > 0 && !value_is(s, j, VALUE_W_DOZEN, NULL)) {
      int next_scale = 0;
      bool again = value_is(s, j, VALUE_W_SCALE, &next_scale) && next_scale == 2;
      bool fraction = value_is(s, j, VALUE_W_FRACTIONS, NULL) && j > 0 && value_word_is(s, i, "and");
      if (!again && !fraction) {
        *out += small;
        i = j;
      }
    }
  }
  return i;
}

/* Scale words behind a group, multiplied together ("three lakh crore"); 0 exponent when none. */
static size_t parse_scales(const value_scan *s, size_t at, int *exponent) {
  int scale = 0;
  size_t i = at;
  *exponent = 0;
  for (int k = 0; k < 3; k++) {
    size_t j = value_skip_sign(s, i, '-');
    bool suffix = value_is(s, i, VALUE_W_SUFFIX, &scale) && i > 0 &&
                  (s->tok[i - 1].kind == VALUE_T_DIGITS || s->loose || s->tok[i].len > 2);
    if (!suffix && value_glued(s, i) && s->tok[i].len == 1 && s->text.ptr[s->tok[i].start] == 'M' &&
        s->tok[i - 1].kind == VALUE_T_DIGITS) {
      suffix = true; /* "1M", never "1m" */
      scale = 6;
    }
    if (suffix && value_glued(s, i + 1) && s->tok[i + 1].kind != VALUE_T_SIGN) suffix = false;
    if (!suffix && !value_is(s, j, VALUE_W_SCALE, &scale)) break;
    *exponent += scale;
    i = suffix ? i + 1 : j + 1;
  }
  return i;
}

static size_t parse_group_or_literal(const value_scan *s, size_t at, bool first, value_ratio *v) {
  int64_t group = 0;
  size_t i = parse_group(s, at, &group);
  if (i > 0) {
    *v = (value_ratio){group, 1};
    return i;
  }
  i = scan_literal(s, at, v);
  return i > 0 && (first || v->num > 0) ? i : 0;
}

static size_t parse_dozens(const value_scan *s, size_t at, value_ratio *v) {
  int dozen = 0;
  if (!value_is(s, at, VALUE_W_DOZEN, &dozen) || dozen == 20) return at;
  return value_ratio_mul(*v, (value_ratio){dozen, 1}, v) ? at + 1 : at;
}

size_t value_scan_cardinal(const value_scan *s, size_t at, value_ratio *out) {
  value_ratio total = {0, 1}, part = {0, 1};
  size_t i = at, end = 0;
  int last = 99, dozen = 0;
  bool digits_last = false;
  if (value_is(s, at, VALUE_W_DOZEN, &dozen) && s->loose) {
    *out = (value_ratio){dozen, 1};
    return at + 1;
  }
  for (int k = 0; k < 8 && last > 0; k++) {
    int exponent = 0;
    size_t start = end > 0 ? skip_and(s, value_sign_is(s, i, ',') && !is_digits(s, i + 1) ? i + 1 : i) : i;
    size_t j = parse_group_or_literal(s, start, end == 0, &part);
    if (j == 0) break;
    bool literal = s->tok[start].kind != VALUE_T_WORD;
    /* "and one half" */
    if (end > 0 && start > i && part.num == 1 &&
        (value_is(s, j, VALUE_W_HALF, NULL) || value_is(s, j, VALUE_W_ORDINAL, NULL)))
      break;
    j = parse_dozens(s, j, &part);
    size_t after = parse_scales(s, j, &exponent);
    if (end > 0 && literal && !(exponent > 0 || start > i || digits_last)) break;
    if (end > 0 &&
        (exponent >= last || (exponent == 0 && value_is(s, j, VALUE_W_FRACTIONS, NULL) && start > i)))
      break;
    if ((exponent > 0 && !value_ratio_scaled(part, exponent, &part)) || !value_ratio_add(total, part, &total)) {
      value_over(s);
      return 0;
    }
    last = exponent;
    digits_last = literal;
    i = end = after;
  }
  *out = total;
  if (end == 0 || last > 0) return end;
  /* "three hundred and two dozen" */
  size_t more = skip_and(s, end), dozens = value_scan_small(s, more, &dozen);
  part = (value_ratio){dozen, 1};
  size_t after = more > end && dozens > 0 ? parse_dozens(s, dozens, &part) : dozens;
  return after > dozens && value_ratio_add(total, part, out) ? after : end;
}

/* ---- fractions ---- */

/* Codes of ordinals and denominators over a thousand (see lexicon.def). */
static int64_t ordinal_value(int code) {
  return code == 10000 ? 1000000 : code == 20000 ? 1000000000 : code == 30000 ? INT64_C(1000000000000) : code;
}

/* "half", "third", "twenty-first(s)", "hundredths". `many`: the numerator is not one, a plural is wanted. */
static size_t parse_denominator(const value_scan *s, size_t at, bool many, int64_t *out) {
  int code = 0, tens = 0;
  size_t i = value_skip_sign(s, at, '-');
  if (value_is(s, i, VALUE_W_FRACTIONS, &code) || (!many && value_is(s, i, VALUE_W_HALF, &code))) {
    *out = ordinal_value(code);
    return i + 1;
  }
  if (value_is(s, i, VALUE_W_TENS, &tens)) {
    size_t j = value_skip_sign(s, i + 1, '-');
    if (value_word_is(s, j, "firsts") || (value_is(s, j, VALUE_W_FRACTIONS, &code) && code < 10)) {
      *out = tens + (value_word_is(s, j, "firsts") ? 1 : code);
      return j + 1;
    }
    if (!many && value_is(s, j, VALUE_W_ORDINAL, &code) && code < 10) {
      *out = tens + code;
      return j + 1;
    }
  }
  if (!many && value_is(s, i, VALUE_W_ORDINAL, &code) && code >= 3) {
    *out = ordinal_value(code);
    return i + 1;
  }
  return 0;
}

/* U+00BC.. and U+2150..: a fraction in one sign. */
static size_t parse_vulgar(const value_scan *s, size_t at, value_ratio *out) {
  static const struct {
    uint32_t sign;
    int num, den;
  } table[] = {{0xBC, 1, 4},   {0xBD, 1, 2},   {0xBE, 3, 4},   {0x2153, 1, 3}, {0x2154, 2, 3},
               {0x2155, 1, 5}, {0x2156, 2, 5}, {0x2157, 3, 5}, {0x2158, 4, 5}, {0x2159, 1, 6},
               {0x215A, 5, 6}, {0x215B, 1, 8}, {0x215C, 3, 8}, {0x215D, 5, 8}, {0x215E, 7, 8}};
  uint32_t sign = 0;
  if (at >= s->n || s->tok[at].kind != VALUE_T_SIGN || s->tok[at].len < 2) return 0;
  base_utf8_decode(s->text.ptr + s->tok[at].start, s->tok[at].len, &sign);
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (table[i].sign == sign) {
      *out = (value_ratio){table[i].num, table[i].den};
      return at + 1;
    }
  return 0;
}

/* A proper fraction in words or digits: "three quarters", "a third", "half", "1/4", "¾". */
static size_t parse_fraction(const value_scan *s, size_t at, value_ratio *out) {
  int64_t den = 0, group = 0;
  value_ratio num, below;
  size_t i = parse_vulgar(s, at, out);
  if (i > 0) return i;
  if (value_any(s, at, "half|quarter") && !value_word_is(s, at + 1, "past")) {
    *out = (value_ratio){1, value_word_is(s, at, "half") ? 2 : 4};
    return at + 1;
  }
  if (value_any(s, at, "a|an")) {
    i = parse_denominator(s, at + 1, false, &den);
    if (i > 0) return value_ratio_make(1, den, out) ? i : 0;
  }
  if (is_digits(s, at)) {
    i = scan_literal(s, at, &num);
    if (i > 0 && num.den == 1 && value_sign_is(s, i, '/')) {
      size_t j = scan_literal(s, i + 1, &below);
      if (j > 0 && below.den == 1 && below.num > 0 && !value_sign_is(s, j, '/'))
        return value_ratio_make(num.num, below.num, out) ? j : 0;
    }
    if (i > 0 && num.den == 1) {
      size_t j = parse_denominator(s, i, num.num != 1, &den);
      if (j > 0 && j == i + 1 && den <= 1000) return value_ratio_make(num.num, den, out) ? j : 0;
    }
    return 0;
  }
  i = parse_group(s, at, &group);
  if (i == 0) return 0;
  size_t j = parse_denominator(s, i, group != 1, &den);
  if (j == 0 && group == 1 && value_any(s, i, "half|quarter"))
    j = i + 1, den = value_word_is(s, i, "half") ? 2 : 4;
  return j > 0 && value_ratio_make(group, den, out) ? j : 0;
}

/* "million" behind a fraction: "half a million", "two thirds of a million", "half dozen". */
static size_t parse_fraction_scale(const value_scan *s, size_t at, value_ratio *v) {
  size_t i = at;
  int scale = 0, dozen = 0;
  if (value_word_is(s, i, "of")) i++;
  if (value_any(s, i, "a|an")) i++;
  if (value_is(s, i, VALUE_W_SCALE, &scale)) return value_ratio_scaled(*v, scale, v) ? i + 1 : at;
  if (value_is(s, i, VALUE_W_DOZEN, &dozen))
    return value_ratio_mul(*v, (value_ratio){dozen, 1}, v) ? i + 1 : at;
  return at;
}

/* Digits said one by one or in small numbers behind "point". */
static size_t parse_point(const value_scan *s, size_t at, value_ratio *v) {
  int64_t digits = 0;
  int count = 0, small = 0;
  size_t i = at + 1;
  if (!value_word_is(s, at, "point") && !value_word_is(s, at, "dot")) return at;
  while (count < 15) {
    if (value_any(s, i, "oh|o")) {
      digits *= 10;
      count++;
      i++;
      continue;
    }
    if (is_digits(s, i) && s->tok[i].len <= 9) {
      if (value_digits(s, i, 1, 9, &small) && count + (int)s->tok[i].len <= 15) {
        digits = digits * value_pow10((int)s->tok[i].len) + small;
        count += (int)s->tok[i++].len;
      }
      break;
    }
    size_t j = value_scan_small(s, i, &small);
    if (j == 0) break;
    digits = digits * (small > 9 ? 100 : 10) + small;
    count += small > 9 ? 2 : 1;
    i = j;
  }
  value_ratio tail;
  if (count == 0 || !value_ratio_make(digits, value_pow10(count), &tail) || !value_ratio_add(*v, tail, v))
    return at;
  int exponent = 0;
  size_t end = parse_scales(s, i, &exponent);
  return exponent > 0 && value_ratio_scaled(*v, exponent, v) ? end : i;
}

/* The tail of a mixed number: "and a half", "and three fifths", "1/2", "½". *scale_last: exponent of the last word. */
static size_t parse_mixed(const value_scan *s, size_t at, value_ratio *v, int last_scale) {
  size_t i = skip_and(s, at), end = 0;
  value_ratio tail;
  bool glued_vulgar = i == at && at < s->n && s->tok[at].kind == VALUE_T_SIGN && s->tok[at].len > 1;
  bool digits =
      i == at && is_digits(s, at) && !s->tok[at].glued && at > 0 && s->tok[at - 1].kind == VALUE_T_DIGITS;
  if (i == at && !glued_vulgar && !digits) return at;
  if (digits && !(value_sign_is(s, at + 1, '/') && value_glued(s, at + 1) && value_glued(s, at + 2))) return at;
  end = parse_fraction(s, i, &tail);
  if (end == 0 || tail.num >= tail.den) return at;
  if (value_is(s, end, VALUE_W_SCALE, NULL) && last_scale >= 6)
    end = parse_fraction_scale(s, end, &tail);
  else if (last_scale >= 6 && !value_ratio_scaled(tail, last_scale, &tail))
    return at;
  if (!value_ratio_add(*v, tail, v)) return at;
  int exponent = 0;
  size_t after = last_scale == 0 ? parse_scales(s, end, &exponent) : end;
  return exponent > 0 && value_ratio_scaled(*v, exponent, v) ? after : end;
}

static size_t parse_over(const value_scan *s, size_t at, value_ratio *v) {
  value_ratio below;
  size_t i = 0;
  if (value_word_is(s, at, "over")) i = at + 1;
  if (value_word_is(s, at, "out") && value_word_is(s, at + 1, "of")) i = at + 2;
  if (i == 0) return at;
  size_t j = value_scan_cardinal(s, i, &below);
  if (j == 0 || below.num == 0 || value_is(s, j, VALUE_W_TIMEUNIT, NULL)) return at;
  value_ratio inverse;
  if (i == at + 2 && v->num > below.num) return at; /* "five out of three" is no part */
  if (!value_ratio_make(below.den, below.num, &inverse) || !value_ratio_mul(*v, inverse, v)) return at;
  return j;
}

/* 1.3e6, 1.3x10^6, 2^10: what calculators print. Exact or not at all. */
static size_t parse_power(const value_scan *s, size_t at, value_ratio *v) {
  int exponent = 0;
  size_t i = at;
  bool ten = false, negative = false;
  if (value_word_is(s, i, "e") && value_glued(s, i) && value_glued(s, i + 1)) {
    ten = true;
    i++;
  } else if (value_word_is(s, i, "x") && value_glued(s, i) && value_digits(s, i + 1, 2, 2, &exponent) &&
             exponent == 10 && value_sign_is(s, i + 2, '^')) {
    ten = true;
    i += 3;
  } else if (value_sign_is(s, i, '^') && value_glued(s, i))
    i++;
  else
    return at;
  while (value_sign_is(s, i, '-') || value_sign_is(s, i, '+')) {
    if (value_sign_is(s, i, '-')) negative = !negative;
    if (++i > at + 6) return at;
  }
  if (!value_digits(s, i, 1, 2, &exponent)) return at;
  value_ratio base = ten ? (value_ratio){10, 1} : *v, result = {1, 1};
  for (int k = 0; k < exponent; k++)
    if (!value_ratio_mul(result, base, &result)) return at;
  if (negative && (result.num == 0 || !value_ratio_make(result.den, result.num, &result))) return at;
  if (ten && !value_ratio_mul(*v, result, &result)) return at;
  *v = result;
  return i + 1;
}

/* The exponent of the scale word right before `end`, 0 when there is none. */
static int scale_before(const value_scan *s, size_t at, size_t end) {
  int scale = 0;
  return end > at && value_is(s, end - 1, VALUE_W_SCALE, &scale) ? scale : 0;
}

static size_t parse_unsigned(const value_scan *s, size_t at, value_ratio *out) {
  value_ratio fraction, whole = {0, 1};
  size_t i = parse_fraction(s, at, &fraction), j = value_scan_cardinal(s, at, &whole);
  if (j == 0 && i == 0 && value_any(s, at, "point|dot")) {
    *out = (value_ratio){0, 1};
    j = parse_point(s, at, out);
    return j > at ? j : 0;
  }
  if (j > 0) {
    size_t before = j;
    j = parse_point(s, j, &whole);
    if (j == before) j = parse_mixed(s, j, &whole, scale_before(s, at, j));
    if (j == before) j = parse_over(s, j, &whole);
    if (j == before) j = parse_power(s, j, &whole);
  }
  if (i > 0 && i >= j) {
    *out = fraction;
    return parse_fraction_scale(s, i, out);
  }
  *out = whole;
  return j;
}

size_t value_scan_number(const value_scan *s, size_t at, value_ratio *out) {
  size_t i = at;
  bool negative = false;
  if (value_any(s, i, "minus|negative")) {
    negative = true;
    i++;
  } else if (value_sign_is(s, i, '-') && !(s->tok[i].glued && i > 0 && s->tok[i - 1].kind != VALUE_T_SIGN)) {
    negative = true;
    i++;
  } else if (value_sign_is(s, i, '+') && value_glued(s, i + 1) && s->loose) {
    i++;
  } else if (i < s->n && s->tok[i].len == 3 && value_word_is(s, i, "\xE2\x88\x92")) { /* U+2212 */
    negative = true;
    i++;
  }
  value_ratio v;
  size_t end = parse_unsigned(s, i, &v);
  if (end == 0) return 0;
  *out = (value_ratio){negative ? -v.num : v.num, v.den};
  return end;
}

size_t value_scan_count(const value_scan *s, size_t at, value_ratio *out) {
  size_t i = at;
  int count = 0;
  if (value_any(s, i, "a|the")) i++;
  if (!value_is(s, i, VALUE_W_COUNT, &count)) return value_scan_number(s, at, out);
  *out = (value_ratio){count, 1};
  i++;
  if (value_word_is(s, i, "of")) i++;
  if (value_word_is(s, i, "more")) i++;
  return i;
}

/* ---- ordinals ---- */

/* "last", "second to last", "next to last", "antepenultimate" count from the end: -1, -2 ... */
static size_t parse_from_end(const value_scan *s, size_t at, int64_t *out) {
  static const struct {
    const char *phrase;
    int value;
  } table[] = {{"second to last", -2},
               {"next to last", -2},
               {"second from last", -2},
               {"third to last", -3},
               {"third from last", -3},
               {"the one before the last one", -2},
               {"one before the last", -2},
               {"one before last", -2},
               {"fourth to last", -4},
               {"penultimate", -2},
               {"antepenultimate", -3},
               {"last", -1},
               {"final", -1},
               {"very last", -1},
               {"most recent", -1},
               {"latest", -1}};
  char first = value_first(s, at);
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    if (table[i].phrase[0] != first) continue;
    size_t next = value_match(s, at, table[i].phrase);
    if (next == 0) continue;
    *out = table[i].value;
    return next;
  }
  return 0;
}

/* One ordinal word with what stands before it: "twenty first", "one hundred twenty fifth", "two hundredth". */
static size_t parse_ordinal_words(const value_scan *s, size_t at, int64_t *out) {
  value_ratio head = {0, 1};
  int code = 0, tens = 0;
  size_t i = at;
  int64_t low = 0;
  if (value_is(s, i, VALUE_W_ORDINAL, &code) && code < 100) {
    *out = code;
    return i + 1;
  }
  if (value_is(s, i, VALUE_W_ORDINAL, &code) && (s->loose || code < 10000)) {
    *out = ordinal_value(code);
    return i + 1;
  }
  if (value_word_is(s, i, "a") && !value_is(s, i + 1, VALUE_W_SCALE, NULL)) return 0;
  i = value_scan_cardinal(s, at, &head);
  if (i == 0 || head.den != 1 || s->tok[at].kind != VALUE_T_WORD) return 0;
  size_t o = skip_and(s, value_skip_sign(s, i, '-'));
  if (!value_is(s, o, VALUE_W_ORDINAL, &code)) return 0;
  if (code < 10 && value_is(s, i - 1, VALUE_W_TENS, &tens))
    low = code;
  else if (code < 100 && scale_before(s, at, i) >= 2)
    low = code;
  else if (code >= 100)
    return __builtin_mul_overflow(head.num, ordinal_value(code), out) ? 0 : o + 1;
  else
    return 0;
  return __builtin_add_overflow(head.num, low, out) ? 0 : o + 1;
}

size_t value_scan_ordinal(const value_scan *s, size_t at, int64_t *out) {
  value_ratio v;
  size_t i = parse_from_end(s, at, out);
  if (i > 0) return i;
  if (is_digits(s, at)) {
    i = scan_literal(s, at, &v);
    if (i == 0 || v.den != 1 || !value_glued(s, i) || !value_is(s, i, VALUE_W_SUFFIXORD, NULL)) return 0;
    *out = v.num;
    return i + 1;
  }
  return parse_ordinal_words(s, at, out);
}

/* ---- percents ---- */

static size_t match_percent(const value_scan *s, size_t i) {
  if (value_sign_is(s, i, '%')) return i + 1;
  if (value_any(s, i, "percent|percents|percentage|pct|procent|precent")) return i + 1;
  if (value_word_is(s, i, "per") && value_any(s, i + 1, "cent|cents")) return i + 2;
  return 0;
}

size_t value_scan_percent(const value_scan *s, size_t at, value_ratio *out) {
  size_t i = value_scan_number(s, at, out), end = 0;
  if (i > 0) {
    end = match_percent(s, value_skip_sign(s, i, '-'));
    return end;
  }
  i = match_percent(s, at);
  if (i == 0 || !value_word_is(s, i, "of")) return 0;
  end = value_scan_number(s, i + 1, out);
  return end;
}
