/* Stretches of the calendar by name: weeks, months, quarters, years, decades, weekends, the nth week of
 * a month,
 * and parts of them ("early next month", "the end of 2027"). A stretch without a year is kept as a month,
     so that
 * interval.c can settle "march to may" as a whole. */
#include "value/internal.h"

static value_datetime on_day(int64_t day) {
  return (value_datetime){.date = value_civil_from_days(day), .has_date = true};
}

bool value_period_days(value_period *out, int64_t from, int64_t to) {
  out->span = (value_interval){.start = on_day(from), .end = on_day(to), .has_start = true, .has_end = true};
  return to > from;
}

/* The first day of the month `months` months from now's. */
static int64_t month_start(value_date now, int64_t months) {
  int64_t m = (int64_t)now.year * 12 + now.month - 1 + months;
  if (m < 12 || m > 9999 * 12 + 11) return value_days_from_civil(now);
  return value_days_from_civil((value_date){(int)(m / 12), (int)(m % 12) + 1, 1});
}

static int64_t monday_of(int64_t day) {
  return day - value_weekday(value_civil_from_days(day));
}
static int64_t first_of(int year, int month) {
  return value_days_from_civil((value_date){year, month, 1});
}

/* One unit of the calendar `shift` units from today: this week, next month, last year. */
static bool unit_span(const value_scan *s, int unit, int64_t shift, value_period *out) {
  value_date now = s->cx->now.date;
  int64_t today = value_today(s), monday = monday_of(today);
  out->unit = unit;
  switch (unit) {
  case VALUE_U_DAY:
    return value_period_days(out, today + shift, today + shift + 1);
  case VALUE_U_WEEK:
    return value_period_days(out, monday + 7 * shift, monday + 7 * shift + 7);
  case VALUE_U_WEEKEND:
    return value_period_days(out, monday + 7 * shift + 5, monday + 7 * shift + 7);
  case VALUE_U_FORTNIGHT:
    return value_period_days(out, monday + 14 * shift, monday + 14 * shift + 14);
  case VALUE_U_MONTH:
    return value_period_days(out, month_start(now, shift), month_start(now, shift + 1));
  case VALUE_U_QUARTER: {
    int64_t first = 3 * shift - (now.month - 1) % 3;
    return value_period_days(out, month_start(now, first), month_start(now, first + 3));
  }
  case VALUE_U_YEAR: {
    int64_t first = 12 * shift - (now.month - 1);
    return value_period_days(out, month_start(now, first), month_start(now, first + 12));
  }
  case VALUE_U_DECADE: {
    int64_t first = 120 * shift - (now.month - 1) - 12 * (now.year % 10);
    return value_period_days(out, month_start(now, first), month_start(now, first + 120));
  }
  default:
    return false;
  }
}

/* n working days behind today, or before it. */
static int64_t working_days(int64_t day, int64_t n, int step) {
  while (n > 0) {
    day += step;
    n -= value_weekday(value_civil_from_days(day)) < 5;
  }
  return day;
}

/* The n units that begin tomorrow, or end today; hours and seconds begin now; quarters and decades stand whole. */
static bool count_span(const value_scan *s, value_duration d, int unit, bool future, bool from_now,
                       value_period *out) {
  value_datetime now = s->cx->now, day = on_day(value_today(s));
  bool fine = d.seconds != 0;
  value_datetime base = fine ? now : day;
  value_duration back = {-d.months, -d.days, -d.seconds};
  if (d.months < 0 || d.days < 0 || d.seconds < 0) return false;
  value_period whole;
  if ((unit == VALUE_U_QUARTER || unit == VALUE_U_DECADE) && unit_span(s, unit, future ? 1 : 0, &whole))
    base = whole.span.start;
  else if (future && !fine && !from_now)
    base = value_add(base, (value_duration){0, 1, 0});
  out->span.start = future ? base : value_add(base, back);
  out->span.end = future ? value_add(base, d) : base;
  out->span.has_start = out->span.has_end = true;
  return value_compare(&out->span.start, &out->span.end) < 0;
}

/* ---- units by name ---- */

static int plain_shift(int shift) {
  return shift == 2 ? 1 : shift == -2 ? -1 : shift;
}

/* "next 3 days", "past two weeks", "next 4 business days", behind the shift word at `at` - 1. */
static size_t scan_shifted_count(const value_scan *s, size_t at, int shift, value_period *out) {
  value_duration d;
  value_ratio count;
  int unit = VALUE_U_DAY;
  if (value_is(s, at, VALUE_W_TIMEUNIT, &unit) && unit >= VALUE_U_DAY) return 0;
  size_t i = value_scan_number(s, at, &count);
  if (i > 0 && count.den == 1 && count.num > 0 && count.num < 1000 &&
      (value_any(s, i, "business|working|week")) && (value_any(s, i + 1, "days|day"))) {
    int64_t today = value_today(s);
    if (shift > 0)
      return value_period_days(out, working_days(today, 1, 1), working_days(today, count.num, 1) + 1) ? i + 2
                                                                                                      : 0;
    return value_period_days(out, working_days(today, count.num, -1), today) ? i + 2 : 0;
  }
  if (i > 0) value_is(s, i, VALUE_W_TIMEUNIT, &unit);
  size_t quarters = value_scan_cardinal(s, at, &count);
  if (quarters > 0 && value_word_is(s, quarters, "quarters") && count.den == 1 && count.num > 0 &&
      !value_any(s, quarters + 1, "of") && value_duration_of(count, VALUE_U_QUARTER, &d))
    return count_span(s, d, VALUE_U_QUARTER, shift > 0, false, out) ? quarters + 1 : 0;
  i = value_scan_duration(s, at, &d);
  if (i == 0 && value_is(s, at, VALUE_W_TIMEUNIT, &unit)) { /* "last minute" */
    if (!value_duration_of((value_ratio){1, 1}, (value_time_unit)unit, &d)) return 0;
    i = at + 1;
  }
  return i > 0 && count_span(s, d, unit, shift > 0, false, out) ? i : 0;
}

/* "week after next", "year before last" (in a slot). Where it ends, or 0; *known says that it is such a phrase. */
static size_t scan_two_away(const value_scan *s, size_t at, bool *known, value_period *out) {
  static const struct {
    const char *phrase;
    int unit, shift;
  } phrases[] = {{"week after next", VALUE_U_WEEK, 2},   {"month after next", VALUE_U_MONTH, 2},
                 {"year after next", VALUE_U_YEAR, 2},   {"weekend after next", VALUE_U_WEEKEND, 2},
                 {"week before last", VALUE_U_WEEK, -2}, {"month before last", VALUE_U_MONTH, -2},
                 {"year before last", VALUE_U_YEAR, -2}, {"weekend before last", VALUE_U_WEEKEND, -2}};
  for (size_t k = 0; k < sizeof phrases / sizeof phrases[0]; k++) {
    if (phrases[k].shift < 0 && !s->loose) continue;
    size_t end = value_match(s, at, phrases[k].phrase);
    if (end == 0) continue;
    *known = true;
    return unit_span(s, phrases[k].unit, phrases[k].shift, out) ? end : 0;
  }
  return 0;
}

/* How a unit of time was led in: "the", "rest of the", "next". */
typedef struct unit_lead {
  bool the;     /* "the", "my", "all" */
  bool rest;    /* "rest of" */
  bool shifted; /* a shift word: "this", "next", "same" */
  int shift;
} unit_lead;

/* "workweek", "working week" behind a shift: Monday to Friday. */
static size_t scan_workweek(const value_scan *s, size_t i, const unit_lead *lead, value_period *out) {
  bool one_word = value_word_is(s, i, "workweek");
  bool two_words = value_any(s, i, "work|working") && value_word_is(s, i + 1, "week");
  if (!lead->shifted || !(one_word || two_words)) return 0;
  if (!unit_span(s, VALUE_U_WEEK, plain_shift(lead->shift), out)) return 0;
  int64_t monday = value_days_from_civil(out->span.start.date);
  if (!value_period_days(out, monday, monday + 5)) return 0;
  return one_word ? i + 1 : i + 2;
}

/* Whether a unit that is led in so is a span at all: "week" alone is none, nor is "this day". */
static bool unit_is_span(const value_scan *s, size_t i, int unit, const unit_lead *lead, bool sliced) {
  int number = 0;
  if (unit < VALUE_U_DAY || (i < s->n && s->tok[i].len == 1)) return false;
  if (lead->shifted) return unit != VALUE_U_DAY || lead->rest;
  if (lead->the && !s->loose && value_word_is(s, i, "week") && value_digits(s, i + 1, 1, 2, &number) &&
      number <= 53)
    return false; /* "week 3" stands behind its article */
  if (!lead->rest && !lead->the && !sliced && !(s->loose && unit == VALUE_U_WEEKEND)) return false;
  /* "the year of 2008" */
  if (!sliced && value_word_is(s, i, "year") && value_word_is(s, i + 1, "of")) return false;
  return lead->rest || sliced || s->loose || unit < VALUE_U_QUARTER || unit == VALUE_U_YEAR;
}

/* "rest of today": from now on, to the end of the day. */
static size_t rest_of_today(const value_scan *s, size_t i, value_period *out) {
  out->unit = VALUE_U_DAY;
  out->span = (value_interval){
      .start = s->cx->now, .end = value_at(value_today(s) + 1, 0), .has_start = true, .has_end = true};
  return i + 1;
}

/* What stands behind a shift word at i - 1: a second one, "calendar". Where the unit or the count begins. */
static size_t skip_second_shift(const value_scan *s, size_t i, unit_lead *lead) {
  int second = 0;
  if (value_is(s, i, VALUE_W_SHIFT, &second)) {
    lead->shift = second;
    i++;
  }
  return value_word_is(s, i, "calendar") ? i + 1 : i;
}

/* "this week", "next month", "the weekend", "the week after next", "rest of the week", "last 3 days". */
static size_t scan_unit_span(const value_scan *s, size_t at, bool sliced, value_period *out) {
  int unit = 0;
  unit_lead lead = {0};
  bool all = s->loose && value_word_is(s, at, "all"), known = false;
  lead.the = all || value_any(s, at, "the|my");
  size_t i = at + lead.the;
  if (all && value_word_is(s, i, "of")) i += value_any(s, i + 1, "the|my") ? 2 : 1;
  size_t end = scan_two_away(s, i, &known, out);
  if (known) return end;
  lead.rest = value_any(s, i, "rest|remainder") && value_word_is(s, i + 1, "of");
  if (lead.rest) i += value_any(s, i + 2, "the|my") ? 3 : 2;
  lead.shifted = value_is(s, i, VALUE_W_SHIFT, &lead.shift) || value_word_is(s, i, "same");
  if (lead.shifted) {
    if (lead.the && !lead.rest && !s->loose && !sliced)
      return 0; /* "coming quarter" stands without its article */
    i = skip_second_shift(s, i + 1, &lead);
    end = lead.shift != 0 && !lead.rest ? scan_shifted_count(s, i, lead.shift, out) : 0;
    if (end > 0) return end;
  }
  end = scan_workweek(s, i, &lead, out);
  if (end > 0) return end;
  if (value_any(s, i, "whole|entire")) i += s->loose && value_word_is(s, i + 1, "of") ? 2 : 1;
  if (lead.rest && s->loose && value_is(s, i, VALUE_W_RELDAY, &lead.shift) && lead.shift == 0)
    return rest_of_today(s, i, out);
  if (!value_is(s, i, VALUE_W_TIMEUNIT, &unit) || !unit_is_span(s, i, unit, &lead, sliced)) return 0;
  if (!unit_span(s, unit, plain_shift(lead.shift), out)) return 0;
  if (lead.rest) out->span.start = s->loose ? s->cx->now : on_day(value_today(s));
  if (lead.rest && s->loose) out->span.end.has_time = true;
  return i + 1;
}

/* "3 next days", "5 upcoming years", "within 2 hours", "within the next 3 days". */
static size_t scan_counted(const value_scan *s, size_t at, value_period *out) {
  value_ratio count;
  value_duration d;
  int shift = 0, unit = 0;
  size_t i = value_scan_number(s, at, &count);
  if (i > 0 && value_is(s, i, VALUE_W_SHIFT, &shift) && shift != 0 &&
      value_is(s, i + 1, VALUE_W_TIMEUNIT, &unit) && count.num > 0) {
    const value_token *word = &s->tok[i + 1];
    bool plural = s->text.ptr[word->start + word->len - 1] == 's';
    if (!plural && count.num != 1) return 0;
    if (!value_duration_of(count, (value_time_unit)unit, &d)) return 0;
    return count_span(s, d, unit, shift > 0, false, out) ? i + 2 : 0;
  }
  if (!value_word_is(s, at, "within")) return 0;
  i = at + 1;
  if (value_word_is(s, i, "the")) i++;
  if (value_is(s, i, VALUE_W_SHIFT, &shift) && shift > 0) i++;
  i = value_scan_duration(s, i, &d);
  return i > 0 && count_span(s, d, VALUE_U_DAY, true, true, out) ? i : 0;
}

/* ---- months, quarters and years ---- */

bool value_period_month(int month, int year, value_period *out) {
  if (year < 1 || year > 9998 || month < 1 || month > 12) return false;
  out->unit = VALUE_U_MONTH;
  out->month = month;
  return value_period_days(out, first_of(year, month), month_start((value_date){year, month, 1}, 1));
}

static int month_year(const value_scan *s, int month, int shift) {
  value_date now = s->cx->now.date;
  value_resolve resolve = s->cx->resolve;
  if (shift == 99 && resolve == VALUE_FUTURE) return now.year + (month < now.month);
  if (shift == 99 && resolve == VALUE_PAST) return now.year - (month >= now.month);
  if (shift == 99) return now.year - (month - now.month > 6) + (now.month - month > 6);
  if (shift == 2) return now.year + (month <= now.month);
  if (shift == -2) return now.year - (month >= now.month);
  return now.year + shift;
}

/* "may", "march", "mar", "dec", "jan" and "sun" are other words too: running text must give a reason. */
static bool month_is_meant(const value_scan *s, size_t at, size_t end) {
  static const char *const before[] = {"in",   "of", "since", "from", "between", "during", "until",
                                       "till", "by", "mid",   "late", "early",   "after",  "before"};
  bool doubtful = value_any(s, at, "may|march|mar|dec");
  if (!doubtful || s->loose) return true;
  for (size_t i = 0; at > 0 && i < sizeof before / sizeof before[0]; i++)
    if (value_word_is(s, at - 1, before[i])) return true;
  if (at > 0 && value_sign_is(s, at - 1, '-')) return true;
  if (value_any(s, end, "to|through|until") && value_is(s, end + 1, VALUE_W_MONTH, NULL)) return true;
  bool capital = s->text.ptr[s->tok[at].start] == 'M' && at > 0;
  bool last = end >= s->n || s->tok[end].kind == VALUE_T_SIGN;
  return (at > 0 && value_any(s, at - 1, "to|and|the")) ? capital || last : false;
}

/* "march", "in march 2027", "next march", "march of next year", "dec/2018", "2017 april", "12-2015". */
static size_t scan_month_span(const value_scan *s, size_t at, value_period *out) {
  int month = 0, year = 0, shift = 99, of = 0;
  size_t i = at;
  if (value_word_is(s, i, "the") && value_word_is(s, i + 1, "month") && value_word_is(s, i + 2, "of")) i += 3;
  if (value_digits(s, i, 4, 4, &year) && year > 1500 && year < 2500) {
    size_t j = value_sign_is(s, i + 1, '-') || value_sign_is(s, i + 1, '/') ? i + 2 : i + 1;
    if (value_is(s, j, VALUE_W_MONTH, &month) && !value_digits(s, j + 2, 1, 2, &of))
      return value_period_month(month, year, out) ? j + 1 : 0;
    bool tight = j == i + 2 && value_glued(s, i + 1) && value_glued(s, j) && value_digits(s, j, 2, 2, &month);
    if (tight && !value_glued(s, j + 1)) return value_period_month(month, year, out) ? j + 1 : 0;
  }
  if (value_digits(s, i, 1, 2, &month) && value_sign_is(s, i + 1, '-') && value_glued(s, i + 1) &&
      value_glued(s, i + 2) && value_digits(s, i + 2, 4, 4, &year) && year > 1500 && year < 2500 &&
      !value_glued(s, i + 3))
    return value_period_month(month, year, out) ? i + 3 : 0;
  year = 0;
  bool shifted = value_is(s, i, VALUE_W_SHIFT, &shift);
  if (shifted) i++;
  if (!value_is(s, i, VALUE_W_MONTH, &month)) return 0;
  size_t name = i++;
  if (value_sign_is(s, i, '.') && value_glued(s, i) && s->tok[name].len <= 4 && i + 1 < s->n &&
      s->tok[i + 1].kind == VALUE_T_DIGITS)
    i++;
  size_t j = i;
  if (value_sign_is(s, j, ',') || value_sign_is(s, j, '/') || value_sign_is(s, j, '-') ||
      value_any(s, j, "of|in"))
    j++;
  size_t end = value_scan_year(s, j, &year);
  if (end > 0 && year > 1500 && year < 2500) return value_period_month(month, year, out) ? end : 0;
  if (value_is(s, j, VALUE_W_SHIFT, &of) && value_word_is(s, j + 1, "year"))
    return value_period_month(month, s->cx->now.date.year + plain_shift(of), out) ? j + 2 : 0;
  if (shifted && shift == 0 && !s->loose && (value_any(s, name, "may|march")) && i < s->n &&
      s->tok[i].kind == VALUE_T_WORD && !value_word_is(s, i, "to"))
    return 0;
  if (!shifted && !month_is_meant(s, name, i)) return 0;
  out->yearless = !shifted;
  return value_period_month(month, month_year(s, month, shifted ? shift : 99), out) ? i : 0;
}

/* The year behind "of": "of 2013", "2013", "of the year", "of last year", "-2013"; 0 when none is said. */
static size_t scan_of_year(const value_scan *s, size_t at, int *year) {
  int shift = 0;
  size_t i = at;
  if (value_any(s, i, "of|in") || value_sign_is(s, i, '-') || value_sign_is(s, i, ',') ||
      value_sign_is(s, i, '/'))
    i++;
  if (value_word_is(s, i, "the")) i++;
  if (value_is(s, i, VALUE_W_SHIFT, &shift) && value_word_is(s, i + 1, "year")) {
    *year = s->cx->now.date.year + plain_shift(shift);
    return i + 2;
  }
  if (value_word_is(s, i, "year") && i > at && value_word_is(s, i - 1, "the")) {
    *year = s->cx->now.date.year;
    return i + 1;
  }
  size_t end = value_scan_year(s, i, year);
  return end > 0 && *year > 1500 && *year < 2500 ? end : 0;
}

/* The year of a quarter said without one. */
static int quarter_year(const value_scan *s, int first) {
  value_date now = s->cx->now.date;
  if (s->cx->resolve == VALUE_FUTURE && first + 2 < now.month) return now.year + 1;
  if (s->cx->resolve == VALUE_PAST && first > now.month) return now.year - 1;
  return now.year;
}

static size_t scan_short_quarter(const value_scan *s, size_t at, int *first, int *months) {
  int n = 0;
  bool q = value_word_is(s, at, "q"), h = value_word_is(s, at, "h");
  if ((!q && !h) || !value_glued(s, at + 1) || !value_digits(s, at + 1, 1, 1, &n) || n < 1 || n > (q ? 4 : 2))
    return 0;
  *months = q ? 3 : 6;
  *first = (n - 1) * *months + 1;
  return at + 2;
}

/* "q3 2019", "2019-h2", "first quarter of 2013", "the last quarter of this year". */
static size_t scan_quarter(const value_scan *s, size_t at, value_period *out) {
  int first = 0, months = 0, year = s->cx->now.date.year;
  int64_t nth = 0;
  size_t with_year = value_scan_year(s, at, &year), i = 0;
  if (with_year > 0) {
    i = scan_short_quarter(s, value_skip_sign(s, with_year, '-'), &first, &months);
    if (i == 0 || year < 1500 || year > 2500) return 0;
  } else {
    year = s->cx->now.date.year;
    i = scan_short_quarter(s, at, &first, &months);
    if (i == 0) {
      size_t o = value_scan_ordinal(s, value_word_is(s, at, "the") ? at + 1 : at, &nth);
      bool half = value_word_is(s, o, "half");
      if (o == 0 || !(value_word_is(s, o, "quarter") || half) || nth == 0 || nth > (half ? 2 : 4) || nth < -1)
        return 0;
      months = half ? 6 : 3;
      first = (nth < 0 ? 12 - months : ((int)nth - 1) * months) + 1;
      i = scan_of_year(s, o + 1, &year);
      if (i == 0 && !(s->loose && !half)) return 0;
      if (i == 0) {
        i = o + 1;
        year = quarter_year(s, first);
      }
    } else {
      size_t of = scan_of_year(s, i, &year);
      if (of > 0)
        i = of;
      else
        year = s->cx->now.date.year;
    }
  }
  out->unit = VALUE_U_QUARTER;
  return value_period_days(out, first_of(year, first), month_start((value_date){year, first, 1}, months)) ? i
                                                                                                          : 0;
}

static bool year_span(int year, value_period *out) {
  if (year < 1 || year > 9998) return false;
  out->unit = VALUE_U_YEAR;
  return value_period_days(out, first_of(year, 1), first_of(year + 1, 1));
}

/* Digits that only look like a year: "2,014", "2014.5", "2014 km", "a2014". */
static bool looks_like_year(const value_scan *s, size_t i, size_t end) {
  static const char *const not_before[] = {"$", "#", "+", "."};
  if (i > 0 && s->tok[i].glued && (s->tok[i - 1].kind != VALUE_T_SIGN)) return false;
  for (size_t k = 0; i > 0 && k < sizeof not_before / sizeof not_before[0]; k++)
    if (value_sign_is(s, i - 1, *not_before[k])) return false;
  int day = 0;
  if (i > 1 && s->tok[i].kind == VALUE_T_DIGITS && value_sign_is(s, i - 1, '-') &&
      value_digits(s, i - 2, 1, 2, &day))
    return false;
  if (value_glued(s, end) && s->tok[end].kind == VALUE_T_WORD) return false;
  if ((value_sign_is(s, end, '.') || value_sign_is(s, end, ',') || value_sign_is(s, end, '/')) &&
      value_glued(s, end) && value_glued(s, end + 1) && end + 1 < s->n && s->tok[end + 1].kind != VALUE_T_SIGN)
    return false;
  return !(value_is(s, end, VALUE_W_TIMEUNIT, NULL) || value_sign_is(s, end, '%') ||
           value_is(s, end, VALUE_W_SCALE, NULL));
}

/* "2027", "the year 2027", "the 1990s", "21st century", "nineties". */
static size_t scan_year_span(const value_scan *s, size_t at, value_period *out) {
  static const char *const decades[] = {"twenties", "thirties",  "forties",  "fifties",
                                        "sixties",  "seventies", "eighties", "nineties"};
  int year = 0;
  int64_t nth = 0;
  size_t i = value_word_is(s, at, "the") && s->loose ? at + 1 : at;
  bool the = value_word_is(s, at, "the");
  if (value_word_is(s, i, "the") && value_word_is(s, i + 1, "year") && s->loose) i++;
  if (value_any(s, i, "year|cy")) i++;
  if (value_word_is(s, i, "of") && i > at && s->loose) i++;
  size_t end = value_scan_year(s, i, &year), tail = end;
  if (end > 0 && value_sign_is(s, tail, '\'')) tail++;
  if (end > 0 && s->tok[i].kind == VALUE_T_DIGITS && value_word_is(s, tail, "s") && year % 10 == 0)
    return value_period_days(out, first_of(year, 1), first_of(year + 10, 1)) ? tail + 1 : 0;
  if (end > 0 && year >= 1500 && year <= 2200)
    return looks_like_year(s, i, end) && year_span(year, out) ? end : 0;
  for (int k = 0; k < 8; k++)
    if (value_word_is(s, the && !s->loose ? at + 1 : i, decades[k]) && (the || s->loose))
      return value_period_days(out, first_of(1920 + 10 * k, 1), first_of(1930 + 10 * k, 1))
                 ? i + 1 + (the && !s->loose)
                 : 0;
  size_t j = value_scan_ordinal(s, at, &nth);
  if (j > 0 && value_sign_is(s, j, '-')) j++;
  if (j > 0 && nth > 1 && nth < 90 && value_word_is(s, j, "century"))
    return value_period_days(out, first_of((int)nth * 100 - 100, 1), first_of((int)nth * 100, 1)) ? j + 1 : 0;
  return 0;
}

/* ---- seasons: the northern ones, by whole months; only in a slot ---- */

/* The year of a season that begins in month `first`, as a shift word or the resolve rule has it. */
static int season_year(const value_scan *s, int first, int shift) {
  int now = s->cx->now.date.year, chosen = now;
  int64_t today = value_today(s), nearest = INT64_MAX;
  bool back = shift < 0 || (shift == 99 && s->cx->resolve == VALUE_PAST);
  for (int k = 0; k < 4; k++) {
    int year = back ? now + 1 - k : now - 2 + k;
    if (year < 2 || year > 9997) continue;
    int64_t from = first_of(year, first), to = month_start((value_date){year, first, 1}, 3);
    if (shift < 0                      ? to <= today
        : shift == 1 || shift == 2     ? from > today
        : s->cx->resolve == VALUE_PAST ? from <= today && back
                                       : s->cx->resolve == VALUE_FUTURE && to > today)
      return year;
    int64_t away = from > today ? from - today : to <= today ? today - to + 1 : 0;
    if (away < nearest) {
      nearest = away;
      chosen = year;
    }
  }
  return chosen;
}

/* "last summer", "the winter", "spring of 2027", "this autumn". */
static size_t scan_season(const value_scan *s, size_t at, value_period *out) {
  static const struct {
    const char *names;
    int month;
  } seasons[] = {
      {"spring|springtime", 3}, {"summer|summertime", 6}, {"autumn|fall", 9}, {"winter|wintertime", 12}};
  int shift = 99, first = 0, year = 0;
  if (!s->loose) return 0;
  size_t i = value_word_is(s, at, "the") ? at + 1 : at;
  if (value_is(s, i, VALUE_W_SHIFT, &shift)) i++;
  for (size_t k = 0; k < sizeof seasons / sizeof seasons[0]; k++)
    if (value_any(s, i, seasons[k].names)) first = seasons[k].month;
  if (first == 0) return 0;
  size_t end = scan_of_year(s, i + 1, &year);
  if (end == 0) year = season_year(s, first, shift);
  if (year < 1 || year > 9997) return 0;
  out->unit = VALUE_U_QUARTER;
  return value_period_days(out, first_of(year, first), month_start((value_date){year, first, 1}, 3))
             ? (end > 0 ? end : i + 1)
             : 0;
}

/* A unit, a month or a year: what the nth week can be of. */
static size_t scan_plain(const value_scan *s, size_t at, value_period *out) {
  value_period trial = {0};
  size_t i = scan_unit_span(s, at, true, out), j = scan_month_span(s, at, &trial);
  if (j > i) {
    *out = trial;
    return j;
  }
  return i;
}

/* ---- the nth week, month or day of something ---- */

/* Monday of ISO week n of a year; n -1 the last. */
static int64_t iso_week(int year, int64_t n) {
  int64_t first = monday_of(value_days_from_civil((value_date){year, 1, 4}));
  int64_t next = monday_of(value_days_from_civil((value_date){year + 1, 1, 4}));
  return n > 0 ? first + 7 * (n - 1) : next + 7 * n;
}

/* Monday of the nth week of a month: a week belongs to the month of its Thursday. */
static int64_t month_week(int64_t first, int64_t next, int64_t n) {
  int64_t start = monday_of(first + 3), end = monday_of(next + 3);
  return n > 0 ? start + 7 * (n - 1) : end + 7 * n;
}

/* "week 31", "week 3 of 2027". */
static size_t scan_week_number(const value_scan *s, size_t at, value_period *out) {
  int year = 0, number = 0;
  if (!value_word_is(s, at, "week") || !value_digits(s, at + 1, 1, 2, &number) || number < 1 || number > 53 ||
      value_glued(s, at + 2))
    return 0;
  size_t end = value_word_is(s, at + 2, "of") ? scan_of_year(s, at + 2, &year) : 0;
  if (end == 0) year = s->cx->now.date.year;
  int64_t monday = iso_week(year, number);
  out->unit = VALUE_U_WEEK;
  return value_period_days(out, monday, monday + 7) ? (end > 0 ? end : at + 2) : 0;
}

/* The nth run of n units within a period, counted from its end when nth is negative. */
static bool nth_within(const value_period *of, bool whole_year, int unit, int64_t nth, int64_t n,
                       value_period *out) {
  int64_t from = value_days_from_civil(of->span.start.date), to = value_days_from_civil(of->span.end.date);
  bool year = whole_year || of->unit == VALUE_U_YEAR;
  out->unit = unit;
  if (unit == VALUE_U_WEEK && (year || of->unit == VALUE_U_MONTH)) {
    int64_t monday = year ? iso_week(of->span.start.date.year, nth) : month_week(from, to, nth);
    if (nth > 0) return value_period_days(out, monday, monday + 7 * n);
    return value_period_days(out, monday - 7 * (n - 1), monday + 7);
  }
  if (unit == VALUE_U_MONTH) {
    value_date base = nth > 0 ? of->span.start.date : of->span.end.date;
    int64_t first = nth > 0 ? nth - 1 : -n;
    return value_period_days(out, month_start(base, first), month_start(base, first + n));
  }
  if (unit != VALUE_U_DAY || n == 1) return false;
  return value_period_days(out, nth > 0 ? from : to - n, nth > 0 ? from + n : to);
}

/* "first week of may", "the last 3 weeks of this year", "the third month of 2021", "week 31", "week 3 of 2027". */
static size_t scan_nth(const value_scan *s, size_t at, value_period *out) {
  int64_t nth = 0;
  int year = 0, unit = 0;
  value_ratio count = {1, 1};
  value_period of = {0};
  if (!value_word_is(s, at, "the")) {
    size_t week = scan_week_number(s, at, out);
    if (week > 0) return week;
  }
  size_t i = value_scan_ordinal(s, value_word_is(s, at, "the") ? at + 1 : at, &nth);
  if (i == 0 || nth == 0 || nth < -1 || nth > 53) return 0;
  size_t counted = value_scan_cardinal(s, i, &count);
  if (counted > 0)
    i = counted;
  else
    count = (value_ratio){1, 1};
  if (!value_is(s, i, VALUE_W_TIMEUNIT, &unit) || !value_word_is(s, i + 1, "of") || count.den != 1 ||
      count.num < 1 || count.num > 100)
    return 0;
  size_t end = scan_of_year(s, i + 1, &year);
  bool whole_year = end > 0;
  if (whole_year)
    of.span = (value_interval){.start = on_day(first_of(year, 1)), .end = on_day(first_of(year + 1, 1))};
  else
    end = scan_plain(s, i + 2, &of);
  return end > 0 && nth_within(&of, whole_year, unit, nth, count.num, out) ? end : 0;
}

/* "the week of april 10", "week of the 18th", "w/c feb 4", "labor day weekend", "the weekend of halloween". */
static size_t scan_week_of(const value_scan *s, size_t at, value_period *out) {
  value_when w = {0};
  int64_t day = 0;
  value_scan slot = *s;
  size_t i = value_word_is(s, at, "the") ? at + 1 : at;
  bool weekend = value_word_is(s, i, "weekend") && value_word_is(s, i + 1, "of");
  if (!weekend && value_match(s, i, "w / c") > 0)
    i += 3;
  else if (value_word_is(s, i, "week") && (value_any(s, i + 1, "of|beginning|starting|commencing")))
    i += 2;
  else if (weekend)
    i += 2;
  else
    return 0;
  if (value_word_is(s, i, "on")) i++;
  slot.loose = s->loose || value_word_is(s, i, "the");
  i = value_scan_day(&slot, i, &w);
  if (i == 0 || !value_when_day(&w, s, &day)) return 0;
  day = monday_of(day);
  return value_period_days(out, weekend ? day + 5 : day, day + 7) ? i : 0;
}

static size_t scan_holiday_weekend(const value_scan *s, size_t at, value_period *out) {
  value_when w = {0};
  int64_t day = 0;
  size_t i = value_scan_day(s, at, &w);
  if (i == 0 || !value_word_is(s, i, "weekend") || (w.has & (VALUE_H_DATE | VALUE_H_WEEKDAY)) != VALUE_H_DATE)
    return 0;
  if (!value_when_day(&w, s, &day)) return 0;
  int weekday = value_weekday(value_civil_from_days(day));
  /* Monday to Wednesday: the one before */
  int64_t saturday = weekday <= 2 ? monday_of(day) - 2 : monday_of(day) + 5;
  return value_period_days(out, saturday, weekday <= 2 ? saturday + 3 : saturday + 2) ? i + 1 : 0;
}

/* ---- slices ---- */

/* early 1, mid 2, late 3, earlier 4, later 5, "beginning of" and the like */
static size_t scan_slice(const value_scan *s, size_t at, int *slice) {
  char first = value_first(s, at);
  static const struct {
    const char *phrase;
    int slice;
  } words[] = {{"the beginning of", 1},
               {"the start of", 1},
               {"the middle of", 2},
               {"the end of", 3},
               {"beginning of", 1},
               {"start of", 1},
               {"middle of", 2},
               {"end of", 3},
               {"earlier in", 4},
               {"later in", 5},
               {"early in", 1},
               {"late in", 3},
               {"mid -", 2},
               {"early", 1},
               {"mid", 2},
               {"late", 3},
               {"earlier", 4},
               {"later", 5}};
  for (size_t k = 0; k < sizeof words / sizeof words[0]; k++) {
    if (words[k].phrase[0] != first) continue;
    size_t i = value_match(s, at, words[k].phrase);
    if (i == 0 || (k < 4 && !s->loose)) continue; /* running text: without its article */
    *slice = words[k].slice;
    return i;
  }
  return 0;
}

/* Cuts a period to its slice. Thirds of a named year, halves of weeks and months, the 10th to 20th as mid month. */
static bool cut(const value_scan *s, int slice, bool named, value_period *p) {
  int64_t from = value_days_from_civil(p->span.start.date), to = value_days_from_civil(p->span.end.date),
          half = from;
  int64_t today = value_today(s), mid_from = from, mid_to = to;
  value_date first = p->span.start.date;
  if (p->unit == VALUE_U_WEEK) {
    half = from + 3;
    mid_from = from + 2;
    mid_to = from + 4;
  } else if (p->unit == VALUE_U_MONTH) {
    half = from + 15;
    mid_from = from + 9;
    mid_to = from + 20;
  } else if (p->unit == VALUE_U_YEAR) {
    half = first_of(first.year, 7);
    mid_from = first_of(first.year, 5);
    mid_to = first_of(first.year, 9);
  } else {
    half = from + (to - from) / 2;
    mid_from = from + (to - from) / 3;
    mid_to = to - (to - from) / 3;
  }
  bool thirds = p->unit == VALUE_U_YEAR && named;
  switch (slice) {
  case 1:
    return value_period_days(p, from, thirds ? mid_from : half);
  case 2:
    return value_period_days(p, mid_from, mid_to);
  case 3:
    return value_period_days(p, thirds ? mid_to : half, to);
  case 4:
    return value_period_days(p, from, half < today || half <= from ? half : half);
  default:
    return value_period_days(p, today > half ? today : half, to);
  }
}

static size_t scan_whole(const value_scan *s, size_t at, bool sliced, value_period *out) {
  typedef size_t (*scanner)(const value_scan *, size_t, value_period *);
  static const scanner kinds[] = {scan_counted,   scan_month_span, scan_quarter,         scan_nth,
                                  scan_year_span, scan_week_of,    scan_holiday_weekend, scan_season};
  value_period trial = {0};
  size_t best = scan_unit_span(s, at, sliced, &trial);
  if (best > 0) *out = trial;
  for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
    if (sliced && k >= 2 && k != 4 && k != 7) continue; /* a slice is of a unit, a month, a year, a season */
    trial = (value_period){0};
    size_t end = kinds[k](s, at, &trial);
    if (end <= best) continue;
    best = end;
    *out = trial;
  }
  return best;
}

size_t value_scan_period(const value_scan *s, size_t at, value_period *out) {
  int slice = 0;
  *out = (value_period){0};
  if (s->cx == NULL) return 0;
  size_t i = scan_slice(s, at, &slice);
  if (i > 0) {
    size_t the = value_word_is(s, i, "the") ? i + 1 : i;
    bool named = value_scan_year(s, the, &(int){0}) > 0;
    size_t end = scan_whole(s, i, true, out);
    if (end == 0 && the > i) end = scan_whole(s, the, true, out);
    if (end > 0 && out->unit != VALUE_U_DAY && cut(s, slice, named, out)) {
      out->slice = slice;
      return end;
    }
    return 0;
  }
  return scan_whole(s, at, false, out);
}
