/* Money in exact minor units: "$1,249.50", "twenty five euros", "two pounds fifty", "5k". An amount finer than the
 * currency's minor unit is refused, never rounded. */
#include "value/internal.h"

#include <string.h>

static const struct {
  char iso[4];
  int digits;
} currencies[] = {
#define VALUE_CURRENCY(iso, digits) {iso, digits},
#include "value/currency.def"
#undef VALUE_CURRENCY
};
static const struct {
  const char *phrase;
  char iso[4];
  int subunit;
} names[] = {
#define VALUE_CURRENCY_NAME(phrase, iso, subunit) {phrase, iso, subunit},
#include "value/currency_name.def"
#undef VALUE_CURRENCY_NAME
};
enum { CURRENCIES = sizeof currencies / sizeof currencies[0], NAMES = sizeof names / sizeof names[0] };

int value_currency_digits(const char iso[4]) {
  for (size_t i = 0; i < CURRENCIES; i++)
    if (memcmp(currencies[i].iso, iso, 3) == 0 && iso[3] == '\0') return currencies[i].digits;
  return -1;
}

static bool is_dollar(const char iso[4]) {
  static const char dollars[][4] = {"USD", "CAD", "AUD", "NZD", "HKD", "SGD", "TWD", "MXN"};
  for (size_t i = 0; i < sizeof dollars / sizeof dollars[0]; i++)
    if (strcmp(dollars[i], iso) == 0) return true;
  return false;
}

/* An ISO code as a word; three-letter words that are also English ("all", "try", "cup") only in capitals. */
static size_t match_iso(const value_scan *s, size_t at, char iso[4]) {
  static const char *const english[] = {"ALL", "TRY", "CUP", "MOP", "PEN", "LAK", "TOP", "RON",
                                        "MAD", "SOS", "GEL", "BAM", "COP", "ETH", "BOB", "CUC"};
  if (at >= s->n || s->tok[at].kind != VALUE_T_WORD || s->tok[at].len != 3) return 0;
  const char *p = s->text.ptr + s->tok[at].start;
  bool capitals = true;
  for (size_t k = 0; k < 3; k++) {
    if (p[k] >= 'a' && p[k] <= 'z') capitals = false;
    iso[k] = p[k] >= 'a' && p[k] <= 'z' ? (char)(p[k] - 32) : p[k];
  }
  iso[3] = '\0';
  if (value_currency_digits(iso) < 0) return 0;
  for (size_t k = 0; k < sizeof english / sizeof english[0]; k++)
    if (!capitals && strcmp(english[k], iso) == 0) return 0;
  return at + 1;
}

/* "a $5 bill" is not Australian: a lone letter before $ counts in capitals or touching it, but c is
 * never an article. */
static bool is_article(const value_scan *s, size_t at, size_t next) {
  if (next != at + 2 || !value_sign_is(s, at + 1, '$') || s->tok[at].len != 1 || value_glued(s, at + 1))
    return false;
  char c = s->text.ptr[s->tok[at].start];
  return c == 'a' || c == 's' || c == 'r';
}

static size_t match_currency(const value_scan *s, size_t at, char iso[4], int *subunit) {
  if (at >= s->n || s->tok[at].kind == VALUE_T_DIGITS) return 0;
  char first = value_first(s, at);
  for (size_t i = 0; i < NAMES; i++) {
    if (names[i].phrase[0] != first) continue;
    size_t next = value_match(s, at, names[i].phrase);
    if (next == 0) continue;
    if (names[i].phrase[0] == 'p' && names[i].phrase[1] == '\0' &&
        !(value_glued(s, at) && at > 0 && s->tok[at - 1].kind == VALUE_T_DIGITS))
      continue;
    if (is_article(s, at, next)) continue;
    memcpy(iso, names[i].iso, 4);
    *subunit = names[i].subunit;
    if (iso[0] == '$') {
      bool own = s->cx != NULL && is_dollar(s->cx->default_currency);
      bool euro_cent = names[i].subunit == 2 && s->cx != NULL && strcmp(s->cx->default_currency, "EUR") == 0;
      bool pence = names[i].phrase[0] == 'p' && s->cx != NULL && strcmp(s->cx->default_currency, "GBP") == 0;
      memcpy(iso, own || euro_cent || pence ? s->cx->default_currency : "USD", 4);
    }
    return next;
  }
  *subunit = 0;
  return match_iso(s, at, iso);
}

static bool make_money(const value_scan *s, value_ratio amount, const char iso[4], int subunit,
                       value_money *out) {
  int digits = value_currency_digits(iso);
  value_ratio minor;
  if (digits < 0) return false;
  if (!value_ratio_scaled(amount, digits - subunit, &minor)) {
    value_over(s);
    return false;
  }
  memcpy(out->currency, iso, 4);
  return value_ratio_to_int(minor, &out->minor);
}

/* "$5m", "5k": a scale letter that only means millions in money. */
static size_t scan_amount(const value_scan *s, size_t at, bool marked, value_ratio *out) {
  size_t i = value_scan_number(s, at, out);
  if (i == 0) return 0;
  if (marked && s->tok[i - 1].kind == VALUE_T_DIGITS && (value_any(s, i, "m|b")) && value_glued(s, i) &&
      !(value_glued(s, i + 1) && s->tok[i + 1].kind != VALUE_T_SIGN))
    return value_ratio_scaled(*out, value_word_is(s, i, "m") ? 6 : 9, out) ? i + 1 : 0;
  return i;
}

/* The small change behind a unit: "and forty five cents", "fifty"; added as hundredths. */
static size_t scan_change(const value_scan *s, size_t at, const char iso[4], value_money *sum) {
  value_ratio cents;
  char other[4];
  int subunit = 0, digits = value_currency_digits(iso);
  size_t i = value_word_is(s, at, "and") ? at + 1 : at, end = value_scan_cardinal(s, i, &cents), unit = 0;
  if (end == 0 && value_word_is(s, i, "a") && value_word_is(s, i + 1, "half") && i > at)
    end = i + 2, cents = (value_ratio){50, 1};
  if (digits < 2 || end == 0 || cents.den != 1 || cents.num < 1 || cents.num > 99 || value_sign_is(s, at, ','))
    return at;
  unit = match_currency(s, end, other, &subunit);
  if (unit > 0 && subunit != 2) return at;
  if (unit == 0) {
    bool spoken = s->tok[i].kind == VALUE_T_WORD || s->tok[i].len == 2;
    if (!spoken || value_is(s, end, VALUE_W_TIMEUNIT, NULL) || value_sign_is(s, end, '%') ||
        value_is(s, end, VALUE_W_DOZEN, NULL) || value_any(s, end, "percent|times"))
      return at;
    if (s->tok[i].kind == VALUE_T_WORD && cents.num < 10 && i == at) return at;
    if (value_glued(s, end) && s->tok[end].kind == VALUE_T_WORD) return at; /* "11a" */
    if (value_glued(s, end) && (value_sign_is(s, end, '.') || value_sign_is(s, end, ',')) &&
        value_glued(s, end + 1))
      return at;
  }
  int64_t minor = cents.num * value_pow10(digits - 2);
  if (sum->minor < 0) minor = -minor;
  if (__builtin_add_overflow(sum->minor, minor, &sum->minor)) return at;
  return unit > 0 ? unit : end;
}

/* "$ 5", "usd 5", "-$5", "c $ 100 and fifty". */
static size_t scan_prefix(const value_scan *s, size_t at, value_money *out) {
  char iso[4];
  int subunit = 0;
  value_ratio amount;
  bool negative = (value_sign_is(s, at, '-') && value_glued(s, at + 1)) || value_word_is(s, at, "minus");
  size_t i = match_currency(s, negative ? at + 1 : at, iso, &subunit);
  if (i == 0 || subunit != 0) return 0;
  if (s->tok[negative ? at + 1 : at].kind == VALUE_T_WORD && s->tok[i - 1].kind == VALUE_T_WORD &&
      s->tok[i - 1].len != 3 && s->tok[i - 1].len != 2 && s->tok[i - 1].len != 1)
    return 0;
  size_t end = scan_amount(s, i, true, &amount);
  if (end == 0) return 0;
  if (negative) amount.num = -amount.num;
  if (!make_money(s, amount, iso, subunit, out)) return 0;
  char ignored[4];
  size_t doubled = match_currency(s, end, ignored, &subunit); /* "$5 dollars" */
  if (doubled > 0 && strcmp(ignored, iso) == 0 && subunit == 0 && s->loose) end = doubled;
  return value_word_is(s, end, "and") || (s->loose && end < s->n) ? scan_change(s, end, iso, out) : end;
}

/* "5 dollars", "half a million us dollars", "3 dollars 50 cents", "50p", "a buck fifty". */
static size_t scan_suffix(const value_scan *s, size_t at, value_money *out) {
  char iso[4];
  int subunit = 0;
  value_ratio amount = {1, 1};
  size_t i = value_scan_count(s, at, &amount);
  int scale = 0;
  if (i == 0 && (value_any(s, at, "a|an") || (s->loose && value_word_is(s, at, "buck"))))
    i = value_word_is(s, at, "buck") ? at : at + 1;
  if (i == 0 && s->loose && value_is(s, at, VALUE_W_SCALE, &scale)) { /* "hundred dollar" */
    amount.num = value_pow10(scale);
    i = at + 1;
  }
  if (i == 0) return 0;
  if (value_sign_is(s, i, '-')) i++;
  if (s->tok[i - 1].kind == VALUE_T_DIGITS && value_word_is(s, i, "m") && value_glued(s, i)) {
    if (!value_ratio_scaled(amount, 6, &amount)) return 0;
    i++;
  }
  if (value_word_is(s, i, "of") || (value_word_is(s, i, "a") && amount.den == 2)) i++;
  size_t end = match_currency(s, i, iso, &subunit);
  if (end == 0 || (value_glued(s, end) && s->tok[end].kind == VALUE_T_DIGITS)) return 0; /* "3 USD50" */
  if (!make_money(s, amount, iso, subunit, out)) return 0;
  return subunit == 0 ? scan_change(s, end, iso, out) : end;
}

/* "a fiver", "ten grand", "5k" with the context's currency. */
static size_t scan_bare(const value_scan *s, size_t at, value_money *out) {
  value_ratio amount, cents;
  if (s->cx == NULL || s->cx->default_currency[0] == '\0' || !s->loose) return 0;
  const char *iso = s->cx->default_currency;
  size_t i = value_word_is(s, at, "a") ? at + 1 : at;
  if (value_any(s, i, "fiver|tenner"))
    return make_money(s, (value_ratio){value_word_is(s, i, "fiver") ? 5 : 10, 1}, iso, 0, out) ? i + 1 : 0;
  if (value_word_is(s, i, "grand")) return make_money(s, (value_ratio){1000, 1}, iso, 0, out) ? i + 1 : 0;
  i = scan_amount(s, at, true, &amount);
  if (i == 0 || !make_money(s, amount, iso, 0, out)) return 0;
  if (value_word_is(s, i, "and")) return i;
  size_t end = value_scan_cardinal(s, i, &cents); /* "ten fifty" */
  if (end == s->n && s->tok[i].kind == VALUE_T_WORD && s->tok[at].kind == VALUE_T_WORD && cents.den == 1 &&
      cents.num >= 10 && cents.num <= 99 && value_currency_digits(iso) == 2)
    return make_money(s, (value_ratio){amount.num * 100 + cents.num, 100}, iso, 0, out) ? end : i;
  return i;
}

size_t value_scan_money(const value_scan *s, size_t at, value_money *out) {
  value_money other;
  size_t i = scan_prefix(s, at, out), j = scan_suffix(s, at, &other);
  if (j > i) {
    *out = other;
    i = j;
  }
  return i > 0 ? i : scan_bare(s, at, out);
}

base_status value_read_money(base_slice text, const value_context *cx, value_money *out, base_error *err) {
  value_reading r;
  base_status status = value_reading_open(&r, text, cx, "an amount of money", err);
  if (status != BASE_OK) return status;
  for (size_t at = r.at + 1; at-- > 0;)
    if (value_scan_money(&r.scan, at, out) == r.scan.n) return BASE_OK;
  return value_reading_refuse(&r, "an amount of money", err);
}
