/* Values inside running text. At every token each wanted kind is tried and the longest wins; on a tie the kind named
 * first in `order`. Stricter than the readers: a bare "7" is a number here, never a time. */
#include "value/internal.h"

static bool is_digits(const value_scan *s, size_t i) {
  return i < s->n && s->tok[i].kind == VALUE_T_DIGITS;
}

/* Does token `end` continue the word or number that ends there ("180ml", "4th", "3d")? */
static bool runs_on(const value_scan *s, size_t at, size_t end) {
  if (at > 0 && s->tok[at].glued && s->tok[at - 1].kind != VALUE_T_SIGN) return true;
  /* the 2 of 64.2 */
  bool inside = at > 1 && s->tok[at].glued && s->tok[at - 1].glued && is_digits(s, at) && is_digits(s, at - 2);
  if (inside && value_sign_is(s, at - 1, '.')) return true;
  return value_glued(s, end) && s->tok[end].kind != VALUE_T_SIGN && s->tok[end - 1].kind != VALUE_T_SIGN;
}

/* "the one you mentioned", "last one", "one of them": no number is meant. */
static bool is_pronoun(const value_scan *s, size_t at, size_t end) {
  if (end != at + 1 || !value_word_is(s, at, "one")) return false;
  if (at > 0 && (value_any(s, at - 1, "the|this|that|next|last|first|previous|current|which"))) return true;
  return false;
}

static size_t find_number(const value_scan *s, size_t at, value_found *f) {
  value_ratio v;
  size_t end = value_scan_number(s, at, &v);
  if (end == 0 || runs_on(s, at, end) || is_pronoun(s, at, end)) return 0;
  if (at > 0 && value_sign_is(s, at, '.') && s->tok[at].glued && is_digits(s, at - 1)) return 0;
  if (value_is(s, end, VALUE_W_ORDINAL, NULL) && !value_word_is(s, end, "second") &&
      !value_is(s, end, VALUE_W_FRACTIONS, NULL) && s->tok[end - 1].kind == VALUE_T_WORD &&
      !value_word_is(s, end, "millionth"))
    return 0;
  return value_ratio_to_decimal(v, &f->as.number) ? end : 0;
}

static size_t find_ordinal(const value_scan *s, size_t at, value_found *f) {
  size_t end = value_scan_ordinal(s, at, &f->as.ordinal);
  return end > 0 && !runs_on(s, at, end) ? end : 0;
}

/* "next", "the previous one", "current": as.ordinal counts from the one at hand. */
static size_t find_relative(const value_scan *s, size_t at, value_found *f) {
  static const struct {
    const char *word;
    int step;
  } words[] = {{"next", 1}, {"following", 1}, {"previous", -1}, {"current", 0}};
  for (size_t k = 0; k < sizeof words / sizeof words[0]; k++) {
    if (!value_word_is(s, at, words[k].word)) continue;
    f->as.ordinal = words[k].step;
    return value_word_is(s, at + 1, "one") ? at + 2 : at + 1;
  }
  return 0;
}

static size_t find_percent(const value_scan *s, size_t at, value_found *f) {
  value_ratio v;
  size_t end = value_scan_percent(s, at, &v);
  if (end > 0 && value_glued(s, end) && s->tok[end].kind != VALUE_T_SIGN) return 0; /* "%2D" of an address */
  return end > 0 && value_ratio_to_decimal(v, &f->as.number) ? end : 0;
}

static size_t find_money(const value_scan *s, size_t at, value_found *f) {
  size_t end = value_scan_money(s, at, &f->as.money);
  return end > 0 && !runs_on(s, at, end) ? end : 0;
}

static size_t find_temperature(const value_scan *s, size_t at, value_found *f) {
  size_t end = value_scan_temperature(s, at, &f->as.quantity);
  return end > 0 && !runs_on(s, at, end) ? end : 0;
}

static size_t find_dimension(const value_scan *s, size_t at, value_found *f) {
  return value_scan_dimension(s, at, &f->as.quantity);
}

static size_t find_age(const value_scan *s, size_t at, value_found *f) {
  return value_scan_age(s, at, &f->as.quantity);
}

static size_t find_duration(const value_scan *s, size_t at, value_found *f) {
  size_t end = value_scan_duration(s, at, &f->as.duration);
  return end > 0 && !runs_on(s, at, end) ? end : 0;
}

static size_t find_moment(const value_scan *s, size_t at, value_found *f, value_kind want) {
  value_when w = {0};
  if (s->cx == NULL) return 0;
  size_t end = value_scan_when(s, at, &w);
  if (end == 0 || runs_on(s, at, end)) return 0;
  bool dated = (w.has & (VALUE_H_DATE | VALUE_H_DAY | VALUE_H_WEEKDAY | VALUE_H_MOMENT)) != 0;
  bool timed = (w.has & (VALUE_H_CLOCK | VALUE_H_MOMENT)) != 0;
  if ((w.has & VALUE_H_PART) != 0 && (w.has & VALUE_H_CLOCK) == 0) return 0; /* a stretch, not a moment */
  if (!dated && timed && w.hour == 23 && w.second == 59) { /* "end of day" is a moment of today */
    w.has |= VALUE_H_DATE;
    w.days = value_today(s);
    dated = true;
  }
  value_kind kind = dated && timed ? VALUE_DATETIME : dated ? VALUE_DATE : VALUE_TIME;
  if (kind != want || !value_when_settle(&w, s, &f->as.datetime)) return 0;
  if (kind == VALUE_TIME) f->as.datetime.has_date = false;
  return end;
}

static size_t find_date(const value_scan *s, size_t at, value_found *f) {
  return find_moment(s, at, f, VALUE_DATE);
}
static size_t find_time(const value_scan *s, size_t at, value_found *f) {
  return find_moment(s, at, f, VALUE_TIME);
}
static size_t find_datetime(const value_scan *s, size_t at, value_found *f) {
  return find_moment(s, at, f, VALUE_DATETIME);
}

static size_t find_interval(const value_scan *s, size_t at, value_found *f) {
  size_t end = value_scan_interval(s, at, &f->as.interval);
  return end > 0 && !runs_on(s, at, end) ? end : 0;
}

static size_t find_recurrence(const value_scan *s, size_t at, value_found *f) {
  return value_scan_recurrence(s, at, &f->as.recurrence);
}

typedef size_t (*finder)(const value_scan *s, size_t at, value_found *f);

static const struct {
  value_kind kind;
  finder find;
} order[] = {{VALUE_RECURRENCE, find_recurrence},
             {VALUE_DATETIME, find_datetime},
             {VALUE_DATE, find_date},
             {VALUE_TIME, find_time},
             {VALUE_INTERVAL, find_interval},
             {VALUE_MONEY, find_money},
             {VALUE_PERCENT, find_percent},
             {VALUE_TEMPERATURE, find_temperature},
             {VALUE_AGE, find_age},
             {VALUE_DURATION, find_duration},
             {VALUE_DIMENSION, find_dimension},
             {VALUE_ORDINAL, find_ordinal},
             {VALUE_RELATIVE, find_relative},
             {VALUE_NUMBER, find_number}};

static size_t find_longest(const value_scan *s, size_t at, unsigned kinds, value_found *best) {
  size_t longest = 0;
  for (size_t k = 0; k < sizeof order / sizeof order[0]; k++) {
    value_found trial = {.kind = order[k].kind};
    if ((kinds >> order[k].kind & 1u) == 0) continue;
    size_t end = order[k].find(s, at, &trial);
    if (end <= longest) continue;
    longest = end;
    *best = trial;
  }
  return longest;
}

size_t value_find(base_slice text, unsigned kinds, const value_context *cx, value_found *out, size_t max) {
  value_token tok[VALUE_FIND_LIMIT];
  value_scan s = {.text = text, .tok = tok, .cx = cx};
  size_t found = 0, at = 0;
  s.n = value_scan_text(text, false, tok, VALUE_FIND_LIMIT);
  while (at < s.n && found < max) {
    size_t end = find_longest(&s, at, kinds, &out[found]);
    if (end == 0) {
      at++;
      continue;
    }
    out[found].start = tok[at].start;
    out[found].end = (size_t)tok[end - 1].start + tok[end - 1].len;
    found++;
    at = end;
  }
  return found;
}
