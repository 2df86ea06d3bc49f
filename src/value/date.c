/* Days as people name them: "tomorrow", "next tuesday", "march 3rd", "3/4/2027", "the 15th", "a week from
 * monday", "christmas". What is said goes into value_when; value_when_day settles it against now. */
#include "value/internal.h"

/* ---- years ---- */

/* 2026, 1999, "twenty twenty six", "nineteen ninety nine", "two thousand seven", '99 */
size_t value_scan_year(const value_scan *s, size_t at, int *out) {
  int head = 0, tail = 0;
  if (value_digits(s, at, 4, 4, out))
    return *out >= 1000 && !(value_glued(s, at + 1) && s->tok[at + 1].kind == VALUE_T_WORD) ? at + 1 : 0;
  if (value_sign_is(s, at, '\'') && value_glued(s, at + 1) && value_digits(s, at + 1, 2, 2, &tail)) {
    *out = tail + (tail < 50 ? 2000 : 1900);
    return at + 2;
  }
  size_t i = value_scan_small(s, at, &head);
  if (i == 0) return 0;
  if (head >= 17 && head <= 21) {
    size_t j = value_scan_small(s, i, &tail);
    if (j > 0 && tail >= 10 && tail <= 99 && s->tok[i].kind == VALUE_T_WORD) {
      *out = head * 100 + tail;
      return j;
    }
    if (value_word_is(s, i, "oh")) {
      j = value_scan_small(s, i + 1, &tail);
      if (j > 0 && tail < 10) {
        *out = head * 100 + tail;
        return j;
      }
    }
  }
  value_ratio v;
  i = value_scan_cardinal(s, at, &v);
  if (i == 0 || v.den != 1 || v.num < 1500 || v.num > 2199 || s->tok[at].kind != VALUE_T_WORD) return 0;
  *out = (int)v.num;
  return i;
}

static int full_year(int year, size_t digits) {
  return digits > 2 ? year : year < 50 ? 2000 + year : 1900 + year;
}

/* ---- numeric dates ---- */

static bool set_date(value_when *w, int year, int month, int day) {
  value_date d = {year, month, day};
  if (!value_date_exists(d)) return false;
  w->has |= VALUE_H_DATE;
  w->days = value_days_from_civil(d);
  return true;
}

static bool set_month_day(value_when *w, int month, int day) {
  if (month < 1 || month > 12 || day < 1 || day > value_days_in_month(2000, month)) return false;
  w->has |= VALUE_H_MONTH | VALUE_H_DAY;
  w->month = month;
  w->day = day;
  return true;
}

/* 2026-11-22, 2026/11/22, 11/22/2026, 22.11.2026, 11/22; month first unless that cannot be. */
static size_t scan_numeric(const value_scan *s, size_t at, value_when *w) {
  int a = 0, b = 0, c = 0;
  if (value_digits(s, at, 8, 8, &a) && a >= 15000101 && a < 25000101 && !value_glued(s, at + 2))
    return set_date(w, a / 10000, a / 100 % 100, a % 100) ? at + 1 : 0;
  bool named = value_digits(s, at, 4, 4, &a) &&
               (value_sign_is(s, at + 1, '-') || value_sign_is(s, at + 1, '/')) &&
               value_is(s, at + 2, VALUE_W_MONTH, &b);
  if (named && (value_sign_is(s, at + 3, '-') || value_sign_is(s, at + 3, '/')) &&
      value_digits(s, at + 4, 1, 2, &c))
    return set_date(w, a, b, c) ? at + 5 : 0;
  if (!value_digits(s, at, 1, 4, &a) || at + 2 >= s->n || !s->tok[at + 1].glued || !s->tok[at + 2].glued)
    return 0;
  char sign =
      s->tok[at + 1].kind == VALUE_T_SIGN && s->tok[at + 1].len == 1 ? s->text.ptr[s->tok[at + 1].start] : '\0';
  if (sign != '-' && sign != '/' && sign != '.') return 0;
  if (!value_digits(s, at + 2, 1, 2, &b)) return 0;
  bool third = value_sign_is(s, at + 3, sign) && value_glued(s, at + 3) && value_glued(s, at + 4) &&
               value_digits(s, at + 4, 1, 4, &c);
  size_t a_len = s->tok[at].len;
  if (third) {
    size_t c_len = s->tok[at + 4].len;
    if (value_glued(s, at + 5) &&
        (s->tok[at + 5].kind == VALUE_T_DIGITS ||
         (value_sign_is(s, at + 5, sign) && value_glued(s, at + 6) && s->tok[at + 6].kind == VALUE_T_DIGITS)))
      return 0;
    if (a_len == 4) return c_len <= 2 && set_date(w, a, b, c) ? at + 5 : 0;
    if (a_len > 2 || c_len == 3 || c_len == 1) return 0;
    c = full_year(c, c_len);
    if (sign == '.') return set_date(w, c, b, a) || set_date(w, c, a, b) ? at + 5 : 0;
    return set_date(w, c, a, b) || set_date(w, c, b, a) ? at + 5 : 0;
  }
  if (a_len > 2 || sign == '.' || (sign == '-' && !s->loose)) return 0;
  if (value_glued(s, at + 3) && value_sign_is(s, at + 3, '/')) return 0;
  return set_month_day(w, a, b) || set_month_day(w, b, a) ? at + 3 : 0;
}

/* ---- days of a month ---- */

/* "3rd", "third", "twenty third", "3"; *exact when an ordinal was said. */
static size_t scan_month_day(const value_scan *s, size_t at, bool month, int *day, bool *exact) {
  int64_t ordinal = 0;
  size_t i = value_is(s, at, VALUE_W_SHIFT, NULL) ? 0 : value_scan_ordinal(s, at, &ordinal);
  if (i > 0 && ordinal >= 1 && ordinal <= 31) {
    *day = (int)ordinal;
    *exact = true;
    return i;
  }
  *exact = false;
  if (value_digits(s, at, 1, 2, day)) {
    bool clock = value_sign_is(s, at + 1, ':') && value_glued(s, at + 1);
    bool word = value_glued(s, at + 1) && s->tok[at + 1].kind == VALUE_T_WORD &&
                !value_is(s, at + 1, VALUE_W_MONTH, NULL);
    return *day >= 1 && *day <= 31 && !clock && !word ? at + 1 : 0;
  }
  i = value_scan_small(s, at, day);
  if (!s->loose && !(month && *day > 9)) return 0;
  return i > 0 && *day >= 1 && *day <= 31 ? i : 0;
}

static bool is_meridiem_next(const value_scan *s, size_t i) {
  int ignored = 0;
  return value_scan_meridiem(s, i, &ignored) > 0;
}

/* A year behind a day and month: ", 2027", "2027", "of 2027", "-2027", "/2027", "'27". */
static size_t scan_year_tail(const value_scan *s, size_t at, value_when *w) {
  int year = 0;
  size_t i = at;
  if (value_sign_is(s, i, ',') || value_sign_is(s, i, '-') || value_sign_is(s, i, '/') ||
      value_sign_is(s, i, '.'))
    i++;
  if (value_any(s, i, "of|in")) i++;
  /* 3-mar-27: a year in two digits only where the same sign stands before the day's or month's name too */
  bool dash = value_sign_is(s, at, '-') && at >= 2 && value_sign_is(s, at - 2, '-');
  bool slash = value_sign_is(s, at, '/') && at >= 2 && value_sign_is(s, at - 2, '/');
  bool tight = (dash || slash) && value_glued(s, at);
  size_t end = value_scan_year(s, i, &year);
  if (end > 0 && s->tok[i].kind == VALUE_T_DIGITS) {
    bool clock = is_meridiem_next(s, end) || (value_sign_is(s, end, ':') && value_glued(s, end));
    if (year < 1500 || year > 2500 || clock) return at;
  } else if (end == 0 && i == at + 1 && tight && value_digits(s, i, 2, 2, &year) && value_glued(s, i)) {
    year = full_year(year, 2);
    end = i + 1;
  }
  if (end == 0) return at;
  w->has |= VALUE_H_YEAR;
  w->year = year;
  return end;
}

/* "march 3rd", "march the third", "mar 3, 2027", "oct/2", "mar3". */
static size_t scan_month_first(const value_scan *s, size_t at, value_when *w) {
  int month = 0, day = 0;
  bool exact = false;
  if (!value_is(s, at, VALUE_W_MONTH, &month)) return 0;
  size_t i = at + 1;
  if (value_sign_is(s, i, '.') || value_sign_is(s, i, ',') || value_sign_is(s, i, '-') ||
      value_sign_is(s, i, '/'))
    i++;
  if (value_word_is(s, i, "the")) i++;
  i = scan_month_day(s, i, true, &day, &exact);
  if (i == 0 || (!exact && is_meridiem_next(s, i)) || !set_month_day(w, month, day)) return 0;
  return scan_year_tail(s, i, w);
}

/* "3rd of march", "3 march", "the third of march 2027", "3-mar-2027". */
static size_t scan_day_first(const value_scan *s, size_t at, value_when *w) {
  int month = 0, day = 0;
  bool exact = false;
  if (value_word_is(s, at, "the") && !s->loose && !value_is(s, at + 1, VALUE_W_ORDINAL, NULL) &&
      !value_is(s, at + 1, VALUE_W_TENS, NULL) && at + 1 < s->n && s->tok[at + 1].kind != VALUE_T_DIGITS)
    return 0;
  size_t i = value_word_is(s, at, "the") ? at + 1 : at;
  i = scan_month_day(s, i, true, &day, &exact);
  if (i == 0) return 0;
  size_t j = i;
  if (value_word_is(s, j, "day") && exact) j++;
  if (value_any(s, j, "of|in") || value_sign_is(s, j, '-') || value_sign_is(s, j, '/') ||
      value_sign_is(s, j, '.') || value_sign_is(s, j, ','))
    j++;
  if (value_is(s, j, VALUE_W_MONTH, &month)) {
    if (!exact && value_word_is(s, j - 1, "in")) return 0;
    if (!set_month_day(w, month, day)) return 0;
    j++;
    return scan_year_tail(
        s, value_sign_is(s, j, '.') && value_glued(s, j) && j + 1 < s->n && s->loose ? j + 1 : j, w);
  }
  return 0;
}

/* "the 15th", "the 3rd of next month", "15th" in a slot. */
static size_t scan_day_alone(const value_scan *s, size_t at, value_when *w) {
  int day = 0, shift = 0;
  bool exact = false, the = value_word_is(s, at, "the");
  size_t i = scan_month_day(s, the ? at + 1 : at, false, &day, &exact);
  if (i > 0 && the && s->tok[at + 1].kind == VALUE_T_DIGITS && value_any(s, i, "from|between")) exact = true;
  if (i == 0 || !exact) return 0;
  size_t j = value_word_is(s, i, "day") ? i + 1 : i;
  if (value_word_is(s, j, "of")) j++;
  if (value_word_is(s, j, "the") && value_word_is(s, j + 1, "month")) {
    shift = 0;
    j += 2;
  } else if (value_is(s, j, VALUE_W_SHIFT, &shift) && value_word_is(s, j + 1, "month")) {
    shift = shift == 2 ? 1 : shift == -2 ? -1 : shift;
    j += 2;
  } else {
    if (!s->loose && !(the && s->tok[at + 1].kind == VALUE_T_DIGITS)) return 0;
    if (!s->loose && i < s->n && s->tok[i].kind == VALUE_T_WORD &&
        !(value_is(s, i, VALUE_W_FILLER, NULL) || value_any(s, i, "and|or|from|in|between")))
      return 0;
    w->has |= VALUE_H_DAY;
    w->day = day;
    return i;
  }
  w->has |= VALUE_H_DAY | VALUE_H_MONTHS;
  w->day = day;
  w->month_shift = shift;
  return j;
}

/* ---- weekdays ---- */

/* "next week", "this week", "last week", "the week after next"; the shift in weeks. */
static size_t scan_week(const value_scan *s, size_t at, int *weeks) {
  int shift = 0;
  size_t i = at;
  if (value_any(s, i, "of|in")) i++;
  if (value_word_is(s, i, "the")) i++;
  size_t next = value_match(s, i, "week after next");
  if (next > 0) {
    *weeks = 2;
    return next;
  }
  next = value_match(s, i, "week after");
  if (next > 0 && s->loose) {
    *weeks = 2;
    return next;
  }
  if (value_is(s, i, VALUE_W_SHIFT, &shift) && (value_any(s, i + 1, "week|wk"))) {
    *weeks = shift == 2 ? 1 : shift == -2 ? -1 : shift;
    return i + 2;
  }
  return 0;
}

/* Behind a weekday: "the 4th", "13th", "21" (from 13 on no hour is meant). */
static size_t scan_weekday_day(const value_scan *s, size_t at, value_when *w) {
  int day = 0;
  bool exact = false, the = value_word_is(s, at, "the");
  size_t i = scan_month_day(s, the ? at + 1 : at, false, &day, &exact);
  if (i == 0 || (!exact && !(the || (day > 12 && s->tok[at].kind == VALUE_T_DIGITS)))) return 0;
  if (value_word_is(s, i, "of") || value_is(s, i, VALUE_W_MONTH, NULL)) return 0;
  if (!exact &&
      (value_sign_is(s, i, '-') || value_sign_is(s, i, '/') || value_is(s, i, VALUE_W_TIMEUNIT, NULL)))
    return 0;
  if (!exact && s->loose && !the) return 0; /* "monday 18" in a slot may well be an hour */
  w->has |= VALUE_H_DAY | (the && !s->loose ? VALUE_H_MONTHS : 0);
  w->month_shift = 0;
  w->day = day;
  return i;
}

/* "friday", "next friday", "this coming friday", "friday week" (British: a week later). */
static size_t scan_weekday(const value_scan *s, size_t at, value_when *w) {
  int shift = 99, second = 0, day = 0;
  size_t i = value_word_is(s, at, "the") && value_is(s, at + 1, VALUE_W_SHIFT, NULL) ? at + 1 : at;
  if (value_is(s, i, VALUE_W_SHIFT, &shift)) {
    i++;
    if (value_is(s, i, VALUE_W_SHIFT, &second)) {
      shift = second;
      i++;
    }
  }
  if (!value_is(s, i, VALUE_W_WEEKDAY, &day)) return 0;
  if (!s->loose && shift == 99 && s->tok[i].len == 3 && (value_any(s, i, "sat|sun")) && i + 1 < s->n &&
      s->tok[i + 1].kind == VALUE_T_WORD && !value_is(s, i + 1, VALUE_W_PART, NULL) &&
      !value_is(s, i + 1, VALUE_W_FILLER, NULL))
    return 0;
  w->has |= VALUE_H_WEEKDAY;
  w->weekday = day;
  w->shift = shift;
  i++;
  if (value_sign_is(s, i, '.') && value_glued(s, i) && i + 1 < s->n && s->tok[i - 1].len <= 4 &&
      (s->tok[i + 1].kind == VALUE_T_DIGITS || s->loose))
    i++;
  size_t nth = scan_weekday_day(s, i, w);
  if (nth > 0) return nth;
  if (value_word_is(s, i, "week") && s->loose) {
    w->shift = 3; /* a week after the next such day */
    i++;
  }
  return i;
}

/* ---- days counted from another ---- */

/* Phrases that are a day by themselves. */
static const struct day_phrase {
  const char *phrase;
  int days;
  enum { ALWAYS, NOT_OF, NOT_OF_NOR_LOOSE } when; /* NOT_OF: not before "of" or a month, unless loose */
} day_phrases[] = {{"the day after tomorrow", 2, ALWAYS},
                   {"day after tomorrow", 2, ALWAYS},
                   {"the day before yesterday", -2, ALWAYS},
                   {"day before yesterday", -2, ALWAYS},
                   {"the day after tmrw", 2, ALWAYS},
                   {"day after tmrw", 2, ALWAYS},
                   {"the day after next", 2, ALWAYS},
                   {"the next day", 1, NOT_OF},
                   {"next day", 1, NOT_OF},
                   {"the following day", 1, NOT_OF},
                   {"the previous day", -1, NOT_OF},
                   {"last day", -1, NOT_OF},
                   {"the day after", 1, NOT_OF},
                   {"the day before", -1, NOT_OF},
                   {"this day", 0, NOT_OF},
                   {"the other day", -1, NOT_OF},
                   {"the day", 0, NOT_OF_NOR_LOOSE},
                   {"otd", 0, NOT_OF}};

static size_t scan_day_phrase(const value_scan *s, size_t at, int *days) {
  char first = value_first(s, at);
  for (size_t k = 0; k < sizeof day_phrases / sizeof day_phrases[0]; k++) {
    const struct day_phrase *p = &day_phrases[k];
    size_t end = p->phrase[0] == first ? value_match(s, at, p->phrase) : 0;
    if (end == 0 || (p->when == NOT_OF_NOR_LOOSE && s->loose)) continue;
    bool of = end < s->n && (value_word_is(s, end, "of") || value_is(s, end, VALUE_W_MONTH, NULL));
    if (p->when != ALWAYS && of && !s->loose) continue;
    *days = p->days;
    return end;
  }
  return 0;
}

/* "the day after tomorrow" for any word that names a day. */
static size_t scan_day_beside(const value_scan *s, size_t at, int *days) {
  size_t i = value_word_is(s, at, "the") ? at + 1 : at;
  if (!value_word_is(s, i, "day")) return 0;
  bool after = value_word_is(s, i + 1, "after");
  if (!after && !value_word_is(s, i + 1, "before")) return 0;
  if (!value_is(s, i + 2, VALUE_W_RELDAY, days)) return 0;
  *days += after ? 1 : -1;
  return i + 3;
}

static size_t scan_today(const value_scan *s, size_t at, value_when *w) {
  int days = 0;
  size_t i = scan_day_phrase(s, at, &days);
  if (i == 0 && s->loose) i = scan_day_beside(s, at, &days);
  if (i == 0 && value_is(s, at, VALUE_W_RELDAY, &days)) i = at + 1;
  if (i == 0) return 0;
  if (value_word_is(s, i, "week") && s->loose && days >= 0) {
    days += 7;
    i++;
  }
  w->has |= VALUE_H_DATE;
  w->days = value_today(s) + days;
  return i;
}

/* The first `weekday` on or after day `from`. */
static int64_t weekday_from(int64_t from, int weekday) {
  int today = value_weekday(value_civil_from_days(from));
  return from + (weekday - today + 7) % 7;
}

/* "may", "may 2027", "the month", "next month": its first day, and where the text ends; 0 when it is none. */
static size_t scan_month(const value_scan *s, size_t i, value_date *first) {
  int month = 0, year = 0, shift = 0;
  value_date now = s->cx != NULL ? s->cx->now.date : (value_date){1970, 1, 1};
  if (value_is(s, i, VALUE_W_MONTH, &month)) {
    size_t end = value_scan_year(s, i + 1, &year);
    *first = (value_date){end > 0 ? year : now.year, month, 1};
    if (end == 0 && month < now.month && s->cx != NULL && s->cx->resolve == VALUE_FUTURE) first->year++;
    return end > 0 ? end : i + 1;
  }
  bool led = value_word_is(s, i, "the") || value_is(s, i, VALUE_W_SHIFT, &shift);
  if (!led || !value_word_is(s, i + 1, "month")) return 0;
  value_datetime this_month = {.date = {now.year, now.month, 1}, .has_date = true};
  *first = value_add(this_month, (value_duration){shift > 0 ? 1 : shift < 0 ? -1 : 0, 0, 0}).date;
  return i + 2;
}

/* "the first monday of may", "last friday of next month", "the last day of the month". */
static size_t scan_nth_weekday(const value_scan *s, size_t at, value_when *w) {
  int64_t nth = 0;
  int weekday = -1;
  value_date first;
  size_t i = value_scan_ordinal(s, value_word_is(s, at, "the") ? at + 1 : at, &nth);
  if (i == 0 || nth > 5 || nth < -1 || nth == 0) return 0;
  if (!value_is(s, i, VALUE_W_WEEKDAY, &weekday) && !(value_word_is(s, i, "day") && nth == -1)) return 0;
  if (!value_any(s, i + 1, "of|in")) return 0;
  i = scan_month(s, i + 2, &first);
  if (i == 0) return 0;
  int64_t start = value_days_from_civil(first), days = value_days_in_month(first.year, first.month);
  if (days == 0) return 0;
  int64_t day = start + days - 1;
  if (weekday >= 0)
    day = nth > 0 ? weekday_from(start, weekday) + 7 * (nth - 1) : weekday_from(start + days - 7, weekday);
  if (day >= start + days) return 0;
  w->has |= VALUE_H_DATE;
  w->days = day;
  return i;
}

/* ---- holidays ---- */

/* Easter Sunday, the anonymous Gregorian computus (Nature, 1876). */
static value_date easter(int year) {
  int a = year % 19, b = year / 100, c = year % 100, d = b / 4, e = b % 4, f = (b + 8) / 25,
      g = (b - f + 1) / 3;
  int h = (19 * a + b - d - g + 15) % 30, i = c / 4, k = c % 4, l = (32 + 2 * e + 2 * i - h - k) % 7;
  int m = (a + 11 * h + 22 * l) / 451, month = (h + l - 7 * m + 114) / 31;
  return (value_date){year, month, (h + l - 7 * m + 114) % 31 + 1};
}

/* rule: nth weekday of a month as nth * 10 + weekday (last: 9x), 100 + days from Easter, 0 for a fixed day. */
static const struct value_holiday {
  const char *name;
  int month, day, rule;
} holidays[] = {{"christmas eve", 12, 24, 0},
                {"christmas day", 12, 25, 0},
                {"christmas", 12, 25, 0},
                {"xmas eve", 12, 24, 0},
                {"xmas", 12, 25, 0},
                {"boxing day", 12, 26, 0},
                {"new year ' s eve", 12, 31, 0},
                {"new years eve", 12, 31, 0},
                {"new year eve", 12, 31, 0},
                {"nye", 12, 31, 0},
                {"new year ' s day", 1, 1, 0},
                {"new years day", 1, 1, 0},
                {"new year ' s", 1, 1, 0},
                {"new year", 1, 1, 0},
                {"halloween", 10, 31, 0},
                {"valentine ' s day", 2, 14, 0},
                {"valentines day", 2, 14, 0},
                {"valentine ' s", 2, 14, 0},
                {"valentines", 2, 14, 0},
                {"independence day", 7, 4, 0},
                {"veterans day", 11, 11, 0},
                {"st patrick ' s day", 3, 17, 0},
                {"st . patrick ' s day", 3, 17, 0},
                {"st patricks day", 3, 17, 0},
                {"saint patrick ' s day", 3, 17, 0},
                {"april fools day", 4, 1, 0},
                {"april fools", 4, 1, 0},
                {"earth day", 4, 22, 0},
                {"juneteenth", 6, 19, 0},
                {"groundhog day", 2, 2, 0},
                {"groundhog ' s day", 2, 2, 0},
                {"saint patrick", 3, 17, 0},
                {"freedom day", 6, 19, 0},
                {"jubilee day", 6, 19, 0},
                {"all saints day", 11, 1, 0},
                {"epiphany", 1, 6, 0},
                {"labour day", 9, 1, 10},
                {"labor day", 9, 1, 10},
                {"memorial day", 5, 1, 90},
                {"martin luther king day", 1, 1, 30},
                {"mlk day", 1, 1, 30},
                {"presidents day", 2, 1, 30},
                {"president ' s day", 2, 1, 30},
                {"columbus day", 10, 1, 20},
                {"thanksgiving day", 11, 1, 43},
                {"thanksgiving", 11, 1, 43},
                {"mother ' s day", 5, 1, 26},
                {"mothers day", 5, 1, 26},
                {"father ' s day", 6, 1, 36},
                {"fathers day", 6, 1, 36},
                {"black friday", 11, 1, 144},
                {"cyber monday", 11, 1, 145},
                {"easter sunday", 0, 0, 200},
                {"easter monday", 0, 0, 201},
                {"good friday", 0, 0, 198},
                {"ash wednesday", 0, 0, 154},
                {"palm sunday", 0, 0, 193},
                {"pentecost", 0, 0, 249},
                {"easter", 0, 0, 200},
                {"teacher ' s day", 9, 10, 0},
                {"guy fawkes", 11, 5, 0},
                {"bonfire night", 11, 5, 0},
                {"inauguration day", 1, 20, 0},
                {"cinco de mayo", 5, 5, 0}};

static int64_t holiday_day(const struct value_holiday *h, int year) {
  if (h->rule == 0) return value_days_from_civil((value_date){year, h->month, h->day});
  if (h->rule >= 150) return value_days_from_civil(easter(year)) + h->rule - 200;
  int64_t start = value_days_from_civil((value_date){year, h->month, 1});
  if (h->rule >= 144) return weekday_from(start, 3) + 21 + (h->rule == 144 ? 1 : 4);
  if (h->rule >= 90) return weekday_from(start + value_days_in_month(year, h->month) - 7, h->rule - 90);
  return weekday_from(start, h->rule % 10) + 7 * (h->rule / 10 - 1);
}

/* The day out of three yearly ones that fits the resolve rule: never before today for FUTURE. */
static int64_t choose_day(int64_t before, int64_t same, int64_t after, const value_scan *s) {
  int64_t today = value_today(s);
  value_resolve resolve = s->cx != NULL ? s->cx->resolve : VALUE_NEAREST;
  int64_t past = same < today ? same : before, future = same >= today ? same : after;
  if (resolve == VALUE_NEAREST) return future - today <= today - past ? future : past;
  return resolve == VALUE_PAST ? past : future;
}

static size_t scan_holiday(const value_scan *s, size_t at, value_when *w) {
  int year = 0, shift = 0, now = s->cx != NULL ? s->cx->now.date.year : 1970;
  size_t i = at;
  if (value_word_is(s, i, "the") && s->loose) i++;
  bool shifted = s->cx != NULL && value_is(s, i, VALUE_W_SHIFT, &shift);
  if (shifted) i++;
  char first = value_first(s, i);
  for (size_t k = 0; k < sizeof holidays / sizeof holidays[0]; k++) {
    if (holidays[k].name[0] != first) continue;
    size_t next = value_match(s, i, holidays[k].name);
    if (next == 0) continue;
    size_t j = value_any(s, next, "of|in") || value_sign_is(s, next, ',') ? next + 1 : next;
    size_t with_year = value_scan_year(s, j, &year);
    bool of_shift = value_is(s, j, VALUE_W_SHIFT, &shift) && value_word_is(s, j + 1, "year");
    w->has |= VALUE_H_DATE;
    if (with_year > 0 && year > 1500 && year < 2500) {
      w->days = holiday_day(&holidays[k], year);
      return with_year;
    }
    if (shifted && shift != 0 && !of_shift) { /* "next easter": the next one there is */
      value_context cx = *s->cx;
      value_scan turned = *s;
      turned.cx = &cx;
      cx.resolve = shift > 0 ? VALUE_FUTURE : VALUE_PAST;
      w->days = choose_day(holiday_day(&holidays[k], now - 1), holiday_day(&holidays[k], now),
                           holiday_day(&holidays[k], now + 1), &turned);
      return next;
    }
    if (of_shift || shifted) {
      w->days = holiday_day(&holidays[k], now + (shift > 0 ? 1 : shift < 0 ? -1 : 0));
      return of_shift ? j + 2 : next;
    }
    w->days = choose_day(holiday_day(&holidays[k], now - 1), holiday_day(&holidays[k], now),
                         holiday_day(&holidays[k], now + 1), s);
    return next;
  }
  return 0;
}

/* ---- all of them ---- */

size_t value_scan_day(const value_scan *s, size_t at, value_when *w) {
  static size_t (*const kinds[])(const value_scan *, size_t, value_when *) = {
      scan_today,     scan_numeric, scan_nth_weekday, scan_month_first,
      scan_day_first, scan_weekday, scan_holiday,     scan_day_alone};
  for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
    value_when trial = *w;
    size_t i = kinds[k](s, at, &trial);
    if (i == 0) continue;
    *w = trial;
    return i;
  }
  int weeks = 0;
  size_t i = (w->has & VALUE_H_WEEK) == 0 ? scan_week(s, at, &weeks) : 0;
  if (i == 0) return 0;
  w->has |= VALUE_H_WEEK;
  w->week = weeks;
  return i;
}

/* The month and day in `year` or, for February 29, the next year in steps of `step` that has it. */
static int64_t month_day(const value_when *w, int year, int step) {
  value_date d = {year, w->month, w->day};
  for (int k = 0; k < 8 && !value_date_exists(d); k++) d.year += step;
  return value_days_from_civil(d);
}

/* The day of the month `w->day`, `shift` months from now; the nearest later month that has it. */
static int64_t day_of_month(const value_when *w, value_date now, int shift) {
  int step = shift < 0 ? -1 : 1;
  for (int k = 0; k < 3; k++, shift += step) {
    int months = now.year * 12 + now.month - 1 + shift;
    value_date d = {months / 12, months % 12 + 1, w->day};
    if (value_date_exists(d)) return value_days_from_civil(d);
  }
  return value_days_from_civil(now);
}

static int64_t settle_weekday(const value_when *w, const value_scan *s) {
  int64_t today = value_today(s);
  int now = value_weekday(value_civil_from_days(today));
  int64_t monday = today - now;
  value_resolve resolve = s->cx != NULL ? s->cx->resolve : VALUE_NEAREST;
  if ((w->has & VALUE_H_WEEK) != 0) return monday + 7 * w->week + w->weekday;
  switch (w->shift) {
  case 1:
    return monday + 7 + w->weekday;
  case -1:
    return monday - 7 + w->weekday;
  case 2:
    return weekday_from(today + 1, w->weekday);
  case 3:
    return weekday_from(today + 1, w->weekday) + 7;
  case -2:
    return weekday_from(today - 7, w->weekday);
  case 0: {
    int64_t day = monday + w->weekday;
    return resolve == VALUE_FUTURE && s->loose && day < today ? day + 7 : day;
  }
  default:
    break;
  }
  if (resolve == VALUE_PAST) return weekday_from(today - 7, w->weekday);
  if (resolve == VALUE_NEAREST) return weekday_from(today - 3, w->weekday);
  bool same_day = !s->loose || (w->has & (VALUE_H_CLOCK | VALUE_H_PART)) != 0;
  return weekday_from(same_day ? today : today + 1, w->weekday);
}

/* The day of a month that falls on the weekday: the nearest one the resolve rule allows, within seven years. */
static bool weekday_on(const value_when *w, const value_scan *s, int64_t *days) {
  value_date now = s->cx != NULL ? s->cx->now.date : (value_date){1970, 1, 1};
  int step = s->cx != NULL && s->cx->resolve == VALUE_PAST ? -1 : 1;
  int64_t today = value_today(s);
  for (int k = 0; k < 84; k++) {
    int months = now.year * 12 + now.month - 1 + step * k;
    value_date d = {months / 12, months % 12 + 1, w->day};
    if (!value_date_exists(d) || value_weekday(d) != w->weekday) continue;
    *days = value_days_from_civil(d);
    if (step > 0 ? *days >= today : *days < today) return true;
  }
  return false;
}

bool value_when_day(const value_when *w, const value_scan *s, int64_t *days) {
  value_date now = s->cx != NULL ? s->cx->now.date : (value_date){1970, 1, 1};
  if ((w->has & VALUE_H_DATE) != 0) {
    *days = w->days;
  } else if ((w->has & VALUE_H_MONTH) != 0 && (w->has & VALUE_H_DAY) != 0) {
    if ((w->has & VALUE_H_YEAR) != 0) {
      value_date d = {w->year, w->month, w->day};
      if (!value_date_exists(d)) return false;
      *days = value_days_from_civil(d);
    } else {
      int year = now.year;
      *days = choose_day(month_day(w, year - 1, -1), month_day(w, year, 1), month_day(w, year + 1, 1), s);
    }
  } else if ((w->has & (VALUE_H_DAY | VALUE_H_WEEKDAY)) == (VALUE_H_DAY | VALUE_H_WEEKDAY) &&
             (w->has & VALUE_H_MONTHS) == 0 && weekday_on(w, s, days)) {
    return true;
  } else if ((w->has & VALUE_H_DAY) != 0) {
    if ((w->has & VALUE_H_MONTHS) != 0)
      *days = day_of_month(w, now, w->month_shift);
    else
      *days = choose_day(day_of_month(w, now, -1), day_of_month(w, now, 0), day_of_month(w, now, 1), s);
  } else if ((w->has & VALUE_H_WEEKDAY) != 0) {
    *days = settle_weekday(w, s);
  } else {
    return false;
  }
  return true;
}
