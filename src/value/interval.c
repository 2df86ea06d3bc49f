/* Stretches of time: "next week", "this weekend", "in march", "from 3 to 5 pm", "tonight", "the next 3 days",
 * "since august". Ends are exclusive. In a slot a last day that was named belongs to the stretch ("march 3 to
 * 5" ends on the 6th); the finder keeps the day as it stands, like the suite it is measured with. */
#include "value/internal.h"

enum { DAY_SECONDS = 86400 };

static value_datetime on_day(int64_t day) {
  return (value_datetime){.date = value_civil_from_days(day), .has_date = true};
}

static bool set_days(value_interval *out, int64_t from, int64_t to) {
  *out = (value_interval){.start = on_day(from), .end = on_day(to), .has_start = true, .has_end = true};
  return to > from;
}

/* ---- parts of days ---- */

static bool part_span(int64_t day, value_part part, int slice, value_interval *out) {
  int from = 0, to = 0;
  value_part_span(part, &from, &to);
  if (slice == 1) to = (from + to) / 2;
  if (slice == 3) from = (from + to) / 2;
  out->start = value_at(day, from * 3600);
  out->end = to == 24 ? value_at(day, DAY_SECONDS - 1) : value_at(day, to * 3600);
  out->has_start = out->has_end = true;
  return true;
}

/* "tomorrow morning", "tonight", "friday evening", "in the morning" (clock only for the finder). */
static size_t scan_part_span(const value_scan *s, size_t at, value_interval *out) {
  value_when w = {0};
  size_t end = value_scan_when(s, at, &w);
  int64_t day = value_today(s);
  if (end == 0 || (w.has & VALUE_H_PART) == 0 || (w.has & (VALUE_H_CLOCK | VALUE_H_MOMENT)) != 0) return 0;
  bool dated = value_when_day(&w, s, &day);
  if (!part_span(day, w.part, w.part_slice, out)) return 0;
  if (!dated && s->loose && s->cx->resolve == VALUE_FUTURE && value_compare(&out->end, &s->cx->now) <= 0)
    part_span(day + 1, w.part, w.part_slice, out);
  if (!dated && !s->loose) out->start.has_date = out->end.has_date = false;
  return end;
}

/* ---- the two sides of from ... to ... ---- */

typedef struct value_side {
  value_when w;
  value_period period;
  bool is_period, is_day; /* is_day: `day` is a point ("the end of 2008", "now" beside a date) */
  bool bare;              /* only `number`: an hour or a day of the month; the other side tells */
  int number;
  int64_t day;
} value_side;

enum { ANY_DAY = VALUE_H_DATE | VALUE_H_DAY | VALUE_H_WEEKDAY, MONTH_DAY = VALUE_H_MONTH | VALUE_H_DAY };
static bool has_day(const value_when *w) {
  return (w->has & ANY_DAY) != 0;
}
static bool has_clock(const value_when *w) {
  return (w->has & (VALUE_H_CLOCK | VALUE_H_PART)) != 0;
}

/* "the end of 2008", "the start of may" as a point in time. */
static size_t scan_edge(const value_scan *s, size_t at, value_side *side) {
  size_t i = value_word_is(s, at, "the") ? at + 1 : at;
  bool end = value_word_is(s, i, "end"), start = value_any(s, i, "start|beginning");
  bool middle = value_word_is(s, i, "middle");
  if (!(end || start || middle) || !value_word_is(s, i + 1, "of")) return 0;
  size_t next = value_scan_period(s, i + 2, &side->period);
  if (next == 0) return 0;
  int64_t from = value_days_from_civil(side->period.span.start.date),
          to = value_days_from_civil(side->period.span.end.date);
  side->is_day = true;
  side->day = end ? to : start ? from : from + (to - from) / 2;
  return next;
}

static size_t scan_bare(const value_scan *s, size_t at, value_side *side) {
  size_t i = value_digits(s, at, 1, 2, &side->number) ? at + 1 : value_scan_small(s, at, &side->number);
  if (i == 0 || side->number > 31 || side->number < 0) return 0;
  bool more = value_glued(s, i) &&
              (value_sign_is(s, i, ':') || value_sign_is(s, i, '.') || value_sign_is(s, i, '/') ||
               value_sign_is(s, i, ',')) &&
              value_glued(s, i + 1) && i + 1 < s->n && s->tok[i + 1].kind == VALUE_T_DIGITS;
  if (more) return 0;
  side->bare = true;
  return i;
}

static size_t scan_side(const value_scan *s, size_t at, value_side *side) {
  *side = (value_side){0};
  value_scan strict = *s, slot = *s;
  strict.loose = false;
  slot.loose = true;
  int hour = 0, minute = 0;
  if (at > 0 && value_word_is(s, at, "date") && value_any(s, at - 1, "to|till|until")) { /* "till date" */
    side->is_day = true;
    side->day = value_today(s);
    return at + 1;
  }
  size_t edge = scan_edge(s, at, side);
  if (edge > 0) return edge;
  size_t i = value_scan_when(&strict, at, &side->w), j = 0;
  if (i == 0 && (value_word_is(s, at, "the") || value_scan_ordinal(s, at, &(int64_t){0}) > 0)) {
    i = value_scan_day(&slot, at, &side->w);
    if (i > 0 && side->w.has != VALUE_H_DAY) i = 0;
  }
  if (i == 0 && value_digits(s, at, 1, 2, &hour) && value_sign_is(s, at + 1, '.') && value_glued(s, at + 1) &&
      value_digits(s, at + 2, 2, 2, &minute))
    i = value_scan_clock(&slot, at, &side->w); /* "between 9.30 and 4.30" */
  j = value_scan_period(s, at, &side->period);
  if (j > i) {
    side->is_period = true;
    return j;
  }
  return i > 0 ? i : scan_bare(s, at, side);
}

static size_t scan_separator(const value_scan *s, size_t at, bool between, bool *dash) {
  static const char *const words[] = {"to", "until", "till", "til", "through", "thru", "untill"};
  *dash = false;
  if (between && value_word_is(s, at, "and")) return at + 1;
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (value_word_is(s, at, words[i])) return at + 1;
  *dash = true;
  if (value_sign_is(s, at, '-') || value_sign_is(s, at, '~'))
    return value_sign_is(s, at + 1, '-') ? at + 2 : at + 1;
  if (at < s->n && s->tok[at].kind == VALUE_T_SIGN && (value_any(s, at, "\xE2\x80\x93|\xE2\x80\x94")))
    return at + 1;
  return 0;
}

static bool bare_to_hour(value_side *side) {
  if (!side->bare) return true;
  if (side->number > 24) return false;
  side->w.has |= VALUE_H_CLOCK;
  side->w.hour = side->number % 24;
  side->w.meridiem = side->number > 12 || side->number == 0 ? 3 : 0;
  side->bare = false;
  return true;
}

static bool bare_to_day(value_side *side, const value_when *like) {
  if (side->number < 1) return false;
  side->w.has = like->has & (VALUE_H_MONTH | VALUE_H_YEAR | VALUE_H_DAY | VALUE_H_MONTHS);
  side->w.month = like->month;
  side->w.year = like->year;
  side->w.month_shift = like->month_shift;
  side->w.day = side->number;
  side->bare = false;
  return (like->has & VALUE_H_MONTH) == 0 || side->number <= value_days_in_month(2000, like->month);
}

/* ---- two clock times ---- */

static int clock_seconds(const value_when *w) {
  return w->hour * 3600 + w->minute * 60 + w->second;
}

static void set_half(value_when *w, bool pm) {
  w->hour = w->hour % 12 + (pm ? 12 : 0);
  w->meridiem = pm ? 2 : 1;
}

/* Two clock times: the half of the day one of them says holds for both, as far as the order allows. */
static void share_meridiem(value_when *a, value_when *b) {
  int a12 = clock_seconds(a) % (DAY_SECONDS / 2), b12 = clock_seconds(b) % (DAY_SECONDS / 2);
  if ((b->has & VALUE_H_PART) != 0 && b->meridiem == 0) set_half(b, b->part != VALUE_P_MORNING);
  if ((a->has & VALUE_H_PART) != 0 && a->meridiem == 0) set_half(a, a->part != VALUE_P_MORNING);
  if (a->meridiem == 0 && b->meridiem != 0) {
    bool b_pm = b->hour >= 12;
    set_half(a, a12 < b12 ? b_pm : !b_pm);
  } else if (b->meridiem == 0 && a->meridiem != 0) {
    set_half(b, a->hour >= 12);
    if (clock_seconds(b) <= clock_seconds(a)) set_half(b, b->hour < 12);
  }
}

static bool settle_clocks(const value_scan *s, value_when *a, value_when *b, value_interval *out) {
  bool own_end = has_day(b) && has_day(a), dated = has_day(a) || has_day(b);
  if (!has_day(a) && has_day(b)) {
    value_when day = *b;
    day.has &= ~(unsigned)(VALUE_H_CLOCK | (has_clock(a) && (b->has & VALUE_H_CLOCK) != 0 ? 0 : VALUE_H_PART));
    if ((a->has & VALUE_H_PART) != 0) day.has &= ~(unsigned)VALUE_H_PART;
    *a = value_when_merge(a, &day);
  }
  share_meridiem(a, b);
  a->has &= ~(unsigned)(a->meridiem != 0 ? VALUE_H_PART : 0);
  if (!value_when_settle(a, s, &out->start)) return false;
  if (own_end && value_days_from_civil(out->start.date) >= 0) {
    if (!value_when_settle(b, s, &out->end)) return false;
    if (value_compare(&out->end, &out->start) > 0) return true;
  }
  int start = out->start.time.hour * 3600 + out->start.time.minute * 60 + out->start.time.second,
      seconds = clock_seconds(b);
  int period = b->meridiem == 0 ? DAY_SECONDS / 2 : DAY_SECONDS;
  seconds %= period;
  while (seconds <= start) seconds += period;
  out->end = value_at(value_days_from_civil(out->start.date), seconds);
  if (!dated && !s->loose) out->start.has_date = out->end.has_date = false;
  return true;
}

/* ---- two days, months or years ---- */

/* A side as a day of `year` when it names no year itself. */
static bool side_yearless(const value_side *side) {
  if (side->is_day) return false;
  if (side->is_period) return side->period.yearless && side->period.slice == 0;
  return (side->w.has & (MONTH_DAY | VALUE_H_YEAR | VALUE_H_DATE)) == MONTH_DAY;
}

static int side_month(const value_side *side) {
  return side->is_period ? side->period.month : side->w.month;
}

/* The day a side stands for. As an end in a slot it is the day behind: "march 3 to 5" has the 5th in it. */
static bool side_day(const value_scan *s, const value_side *side, bool end, int64_t *day) {
  if (side->is_day) {
    *day = side->day;
    return true;
  }
  if (side->is_period) {
    *day = value_days_from_civil(end && s->loose ? side->period.span.end.date : side->period.span.start.date);
    return true;
  }
  if ((side->w.has & VALUE_H_MOMENT) != 0) {
    *day = value_days_from_civil(side->w.moment.date);
    return true;
  }
  if (!value_when_day(&side->w, s, day)) return false;
  if (end && s->loose) (*day)++;
  return true;
}

static bool side_in_year(const value_scan *s, const value_side *side, int year, bool end, int64_t *day) {
  value_side fixed = *side;
  if (side->is_period) {
    if (!value_period_month(side->period.month, year, &fixed.period)) return false;
  } else {
    fixed.w.has |= VALUE_H_YEAR;
    fixed.w.year = year;
  }
  return side_day(s, &fixed, end, day);
}

/* Neither side names a year: the stretch that has not ended (FUTURE), or the last that has begun (PAST). */
static bool settle_yearless(const value_scan *s, const value_side *a, const value_side *b,
                            value_interval *out) {
  int64_t today = value_today(s), from = 0, to = 0;
  value_date now = s->cx->now.date;
  bool past = s->cx->resolve == VALUE_PAST;
  for (int k = 0; k < 4; k++) {
    int year = now.year + (past ? -k : k - 1);
    if (!side_in_year(s, a, year, false, &from)) continue;
    bool begun = a->is_period ? year < now.year || a->period.month < now.month : from < today;
    if (past && !begun) continue;
    int end_year = year;
    if (!side_in_year(s, b, end_year, true, &to) || (to <= from && !side_in_year(s, b, ++end_year, true, &to)))
      continue;
    bool ended = b->is_period ? end_year * 12 + b->period.month < now.year * 12 + now.month : to < today;
    if (!past && ended) continue;
    return set_days(out, from, to);
  }
  return false;
}

static bool settle_days(const value_scan *s, value_side *a, value_side *b, value_interval *out) {
  int64_t from = 0, to = 0;
  if (side_yearless(a) && side_yearless(b)) return settle_yearless(s, a, b, out);
  if (side_yearless(a) && ((b->w.has & VALUE_H_YEAR) != 0 || (b->is_period && b->period.month != 0)) &&
      !side_yearless(b)) {
    int year = b->is_period ? b->period.span.start.date.year : b->w.year;
    if (!side_in_year(s, a, year - (side_month(a) > side_month(b)), false, &from)) return false;
  } else if (!side_day(s, a, false, &from)) {
    return false;
  }
  if (!side_day(s, b, true, &to)) return false;
  if (to <= from && (b->w.has & VALUE_H_WEEKDAY) != 0 && (b->w.has & VALUE_H_DATE) == 0)
    to += (from - to + 7) / 7 * 7;
  if (s->loose && b->w.has == VALUE_H_WEEKDAY && b->w.shift == 99 && (a->w.has & VALUE_H_WEEKDAY) != 0)
    while (to - from > 7) to -= 7;                                            /* "last monday to friday" */
  if (to <= from && b->w.has == VALUE_H_DAY && !b->is_period && !b->is_day) { /* "the 28th to the 3rd" */
    value_when next = b->w;
    value_context cx = *s->cx;
    value_scan later = *s;
    cx.now = on_day(from);
    cx.resolve = VALUE_FUTURE;
    later.cx = &cx;
    if (!value_when_day(&next, &later, &to)) return false;
    if (s->loose) to++;
  }
  if (to <= from && side_yearless(b)) {
    int year = value_civil_from_days(from).year;
    if (!side_in_year(s, b, year, true, &to)) return false;
    if (to <= from && !side_in_year(s, b, year + 1, true, &to)) return false;
  }
  if (from > to && side_yearless(a)) {
    int year = value_civil_from_days(to).year;
    if (!side_in_year(s, a, year, false, &from)) return false;
    if (to <= from && !side_in_year(s, a, year - 1, false, &from)) return false;
  }
  return set_days(out, from, to);
}

static bool is_date_side(const value_side *side) {
  return side->is_day || side->is_period || (has_day(&side->w) && !has_clock(&side->w));
}

static bool is_now(const value_side *side) {
  return (side->w.has & VALUE_H_MOMENT) != 0;
}

/* "the 3rd to the 5th of march": a lone day takes the month of the other side. */
static void share_month(value_when *lone, const value_when *other) {
  if (lone->has != VALUE_H_DAY || (other->has & MONTH_DAY) != MONTH_DAY) return;
  lone->has |= other->has & (VALUE_H_MONTH | VALUE_H_YEAR);
  lone->month = other->month;
  lone->year = other->year;
}

static bool settle_range(const value_scan *s, value_side *a, value_side *b, value_interval *out) {
  bool a_date = is_date_side(a), b_date = is_date_side(b);
  bool b_day = b_date && !b->is_period && (b->w.has & VALUE_H_DAY) != 0,
       a_day = a_date && !a->is_period && (a->w.has & VALUE_H_DAY) != 0;
  if (a->bare && b_day) {
    if (!bare_to_day(a, &b->w)) return false;
    a_date = true;
  }
  if (b->bare && a_day && (a->w.has & VALUE_H_MONTH) != 0) {
    if (!bare_to_day(b, &a->w)) return false;
    b_date = true;
  }
  if (a_day && b_day) {
    share_month(&a->w, &b->w);
    share_month(&b->w, &a->w);
  }
  if ((a_date || is_now(a)) && (b_date || is_now(b)) && (a_date || b_date)) return settle_days(s, a, b, out);
  if (a->is_period || b->is_period || a->is_day || b->is_day || !bare_to_hour(a) || !bare_to_hour(b))
    return false;
  if ((a->w.has & VALUE_H_CLOCK) != 0 && (b->w.has & VALUE_H_CLOCK) != 0)
    return settle_clocks(s, &a->w, &b->w, out);
  if (!is_now(a) && !is_now(b)) return false;
  return value_when_settle(&a->w, s, &out->start) && value_when_settle(&b->w, s, &out->end) &&
         value_compare(&out->start, &out->end) < 0;
}

/* ---- from ... to ... ---- */

/* A day behind the range: "3 to 5 tomorrow", "from 4-23 in next month". Merged into the second side. */
static size_t scan_day_after(const value_scan *s, size_t at, value_side *b) {
  value_when day = {0};
  int shift = 0;
  size_t i = at;
  if (value_any(s, i, "on|of|in") || value_sign_is(s, i, ',')) i++;
  if (b->bare && value_is(s, i, VALUE_W_MONTH, &day.month)) {
    day.has = VALUE_H_MONTH | VALUE_H_DAY;
    size_t end = value_scan_year(s, i + 1, &day.year);
    if (end > 0) day.has |= VALUE_H_YEAR;
    return bare_to_day(b, &day) ? (end > 0 ? end : i + 1) : at;
  }
  if (b->bare && value_is(s, i, VALUE_W_SHIFT, &shift) && value_word_is(s, i + 1, "month")) {
    day = (value_when){.has = VALUE_H_DAY | VALUE_H_MONTHS, .month_shift = shift > 0 ? 1 : shift < 0 ? -1 : 0};
    return bare_to_day(b, &day) ? i + 2 : at;
  }
  value_scan strict = *s;
  strict.loose = false;
  size_t end = value_scan_when(&strict, i, &day);
  if (end == 0 || (day.has & (VALUE_H_CLOCK | VALUE_H_MOMENT)) != 0 || has_day(&b->w)) return at;
  if (b->bare && !bare_to_hour(b)) return at;
  if ((b->w.has & VALUE_H_CLOCK) == 0 || (b->w.has & day.has & VALUE_H_PART) != 0) return at;
  b->w = value_when_merge(&b->w, &day);
  return end;
}

/* A day before the range: "tomorrow from 3 to 5", "monday 3-8", "the 17th from 2". */
static size_t scan_day_before(const value_scan *s, size_t at, value_when *day) {
  value_scan strict = *s;
  strict.loose = false;
  size_t i = value_scan_when(&strict, at, day);
  if (i == 0 || !has_day(day) || (day->has & (VALUE_H_CLOCK | VALUE_H_MOMENT)) != 0) {
    *day = (value_when){0};
    i = value_scan_day(&strict, at, day);
    if (i == 0 || !has_day(day)) return 0;
  }
  return value_skip_sign(s, i, ',');
}

static size_t range_from(const value_scan *s, size_t start, const value_when *before, value_interval *out) {
  value_side a, b;
  bool dash = false, open = value_word_is(s, start, "from") ||
                            (value_word_is(s, start, "in") && value_scan_year(s, start + 1, &(int){0}) > 0);
  bool on = before->has == 0 && !s->loose && value_word_is(s, start, "on") &&
            value_is(s, start + 1, VALUE_W_MONTH, NULL);
  bool between = value_word_is(s, start, "between");
  size_t i = scan_side(s, start + (open || between || on), &a);
  if (i == 0) return 0;
  size_t separator = scan_separator(s, i, between, &dash);
  if (separator == 0) return 0;
  size_t end = scan_side(s, separator, &b);
  if (end == 0) return 0;
  if (before->has != 0) {
    if (has_day(&a.w) || has_day(&b.w) || is_date_side(&a) || is_date_side(&b) || !bare_to_hour(&a) ||
        (a.w.has & VALUE_H_CLOCK) == 0)
      return 0;
    value_when day = *before;
    if ((a.w.has & VALUE_H_PART) != 0) day.has &= ~(unsigned)VALUE_H_PART;
    a.w = value_when_merge(&a.w, &day);
  } else {
    if (on && !(b.bare || (b.w.has & VALUE_H_DAY) != 0)) return 0;
    bool numbers = a.bare && b.bare;
    size_t after = scan_day_after(s, end, &b);
    if (numbers && after == end && !s->loose && !open && !between) return 0;
    end = after;
  }
  *out = (value_interval){.has_start = true, .has_end = true};
  return settle_range(s, &a, &b, out) ? end : 0;
}

static size_t scan_range(const value_scan *s, size_t at, value_interval *out) {
  value_when before = {0}, none = {0};
  size_t i = scan_day_before(s, at, &before), end = 0;
  if (i > 0) end = range_from(s, i, &before, out);
  value_interval other;
  size_t plain = range_from(s, at, &none, &other);
  if (plain > end) {
    *out = other;
    return plain;
  }
  return end;
}

/* ---- a start and a length: "from 2pm for 2 hours", "for 2 hours from 9", "3 days starting next monday"
 * ---- */

static size_t scan_lasting(const value_scan *s, size_t at, value_interval *out) {
  value_when before = {0};
  value_side side = {0};
  value_duration d;
  size_t day = scan_day_before(s, at, &before), i = day > 0 ? day : at, end = 0;
  bool is_for = value_word_is(s, i, "for");
  size_t length = value_scan_duration(s, is_for ? i + 1 : i, &d);
  if (length > 0) {
    bool starting = value_any(s, length, "starting|beginning");
    size_t from = starting ? length + 1 : length;
    bool word = value_word_is(s, from, "from") || (starting && value_any(s, from, "on|at")) ||
                (is_for && s->loose && value_word_is(s, from, "at"));
    if (!starting && !(word && is_for)) return 0;
    end = scan_side(s, word ? from + 1 : from, &side);
    if (is_for && end > 0 && is_date_side(&side) && !s->loose) return 0; /* the finder starts at the length */
  } else {
    if (!value_word_is(s, i, "from")) return 0;
    size_t from = scan_side(s, i + 1, &side);
    if (from == 0 || !value_word_is(s, from, "for")) return 0;
    end = value_scan_duration(s, from + 1, &d);
  }
  if (end == 0 || side.is_period || side.is_day || !(side.bare ? bare_to_hour(&side) : true)) return 0;
  if (day > 0 && has_day(&side.w)) return 0;
  if (day > 0) side.w = value_when_merge(&side.w, &before);
  if (side.w.meridiem == 0 && (side.w.has & (VALUE_H_CLOCK | VALUE_H_PART)) == VALUE_H_CLOCK && !s->loose)
    side.w.meridiem = 3;
  if (!value_when_settle(&side.w, s, &out->start)) return 0;
  out->end = value_add(out->start, d);
  out->has_start = out->has_end = true;
  if (!has_day(&side.w) && !s->loose) out->start.has_date = out->end.has_date = false;
  return end;
}

/* ---- open ends ---- */

/* end: an upper bound; after: the named stretch is outside/inside */
typedef struct value_bound {
  bool end, after;
} value_bound;

static size_t scan_bound_word(const value_scan *s, size_t at, value_bound *b) {
  char first = value_first(s, at);
  static const struct {
    const char *phrase;
    bool end, after, slot;
  } words[] = {{"no later than", true, true, false},
               {"not later than", true, true, false},
               {"as late as", true, true, false},
               {"no earlier than", false, false, false},
               {"as early as", false, false, false},
               {"later than", false, true, false},
               {"earlier than", true, false, false},
               {"greater than", false, true, false},
               {"less than", true, false, false},
               {"any time from", false, false, false},
               {"anytime after", false, true, false},
               {"starting from", false, false, false},
               {"after", false, true, false},
               {"before", true, false, false},
               {"since", false, false, false},
               {"until", true, false, false},
               {"till", true, false, false},
               {"prior to", true, false, false},
               {"starting", false, false, false},
               {"> =", false, false, false},
               {"< =", true, true, false},
               {">", false, true, false},
               {"<", true, false, false},
               {"by", true, true, true},
               {"from", false, false, true},
               {"til", true, false, true}};
  for (size_t k = 0; k < sizeof words / sizeof words[0]; k++) {
    if (words[k].phrase[0] != first) continue;
    size_t i = value_match(s, at, words[k].phrase);
    if (i == 0 || (words[k].slot && !s->loose)) continue;
    *b = (value_bound){words[k].end, words[k].after};
    return i;
  }
  return 0;
}

/* "or later", "and after", "or earlier" behind a value. */
static size_t scan_bound_tail(const value_scan *s, size_t at, value_bound *b) {
  if (!value_word_is(s, at, "or") && !value_word_is(s, at, "and")) return 0;
  if (value_any(s, at + 1, "later|greater|after|onwards|above")) {
    bool last = at + 2 >= s->n || s->tok[at + 2].kind == VALUE_T_SIGN || value_word_is(s, at + 2, "on");
    if (value_word_is(s, at + 1, "after") && !last) return 0;
    *b = (value_bound){false, false};
    return at + 2;
  }
  if (value_word_is(s, at + 1, "earlier") ||
      (value_word_is(s, at + 1, "before") && (at + 2 >= s->n || s->tok[at + 2].kind == VALUE_T_SIGN))) {
    *b = (value_bound){true, true};
    return at + 2;
  }
  return 0;
}

/* The bounded stretch of one side: which edge of a named stretch counts, and on which end. */
static bool settle_bound(const value_scan *s, value_side *side, value_bound b, value_interval *out) {
  value_datetime t;
  if (side->is_day) {
    t = on_day(side->day);
  } else if (side->is_period) {
    t = b.after ? side->period.span.end : side->period.span.start;
  } else {
    if (side->bare && (!s->loose || !bare_to_hour(side))) return false;
    bool part = (side->w.has & (VALUE_H_CLOCK | VALUE_H_PART)) == VALUE_H_PART;
    if (!value_when_settle(&side->w, s, &t)) return false;
    int from = 0, to = 0;
    if (part) {
      value_part_span(side->w.part, &from, &to);
      t.time = (value_time){b.after ? to % 24 : from, 0, 0};
    }
    if (!has_day(&side->w) && !is_now(side) && !s->loose) t.has_date = false;
    if (!t.has_time && s->loose && b.after) t = value_add(t, (value_duration){0, 1, 0});
  }
  *out = (value_interval){.has_start = !b.end, .has_end = b.end};
  if (b.end)
    out->end = t;
  else
    out->start = t;
  return true;
}

/* "after 3 pm", "before friday", "since august", "today before 4pm", "2012 or later", "3 pm or later on monday". */
static size_t scan_open(const value_scan *s, size_t at, value_interval *out) {
  value_side side;
  value_bound bound;
  value_when before = {0}, after = {0};
  size_t year = value_word_is(s, at, "year") ? at + 1 : at;
  size_t word = scan_bound_word(s, year, &bound), i = 0, day = 0;
  if (word == 0) {
    day = scan_day_before(s, at, &before);
    if (day > 0) word = scan_bound_word(s, day, &bound);
  }
  if (word > 0) {
    if (value_word_is(s, word, "the") && value_word_is(s, word + 1, "year")) word++;
    if (value_word_is(s, word, "around") && !s->loose) word++;
    i = scan_side(s, word, &side);
    value_when whole = {0};
    /* "after 8 tonight" */
    if (s->loose && day == 0 && i < s->n && value_scan_when(s, word, &whole) == s->n) {
      side = (value_side){.w = whole};
      i = s->n;
    }
    if (i == 0 || (day > 0 && (is_date_side(&side) || (side.w.has & VALUE_H_CLOCK) == 0 || has_day(&side.w))))
      return 0;
    if (day > 0) side.w = value_when_merge(&side.w, &before);
    return settle_bound(s, &side, bound, out) ? i : 0;
  }
  i = scan_side(s, at, &side);
  size_t tail = i > 0 ? scan_bound_tail(s, i, &bound) : 0;
  if (tail == 0 || (side.bare && !s->loose)) return 0;
  value_scan strict = *s;
  strict.loose = false;
  size_t on = value_word_is(s, tail, "on") ? tail + 1 : 0;
  size_t end = on > 0 && !has_day(&side.w) ? value_scan_day(&strict, on, &after) : 0;
  if (end > 0) {
    side.w = value_when_merge(&side.w, &after);
    tail = end;
  }
  return settle_bound(s, &side, bound, out) ? tail : 0;
}

static size_t scan_period_span(const value_scan *s, size_t at, value_interval *out) {
  value_period period;
  size_t i = at;
  if (s->loose && value_any(s, at, "in|for|during|over|on|throughout|at|across|within")) i++;
  size_t end = value_scan_period(s, i, &period);
  if (end == 0 || period.span.start.has_time != period.span.end.has_time) return 0;
  *out = period.span;
  return end;
}

size_t value_scan_interval(const value_scan *s, size_t at, value_interval *out) {
  static size_t (*const kinds[])(const value_scan *, size_t, value_interval *) = {
      scan_range, scan_lasting, scan_period_span, scan_part_span, scan_open};
  size_t best = 0;
  value_interval trial = {0};
  if (s->cx == NULL) return 0;
  for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
    size_t end = kinds[k](s, at, &trial);
    if (end <= best) continue;
    best = end;
    *out = trial;
  }
  return best;
}

/* ---- reader ---- */

/* A moment as a stretch: a whole day, or the moment itself without an end. */
static size_t scan_moment_span(const value_scan *s, size_t at, value_interval *out) {
  value_when w = {0};
  value_datetime t;
  size_t end = value_scan_when(s, value_any(s, at, "over|during|throughout") ? at + 1 : at, &w);
  if (end == 0 || !value_when_settle(&w, s, &t)) return 0;
  *out = (value_interval){.start = t, .has_start = true};
  if (!t.has_time) {
    out->end = value_add(t, (value_duration){0, 1, 0});
    out->has_end = true;
  }
  return end;
}

base_status value_read_interval(base_slice text, const value_context *cx, value_interval *out,
                                base_error *err) {
  value_reading r;
  if (cx == NULL)
    return base_fail(err, BASE_EARGUMENT, "value", "a stretch of time needs a context that says what now is");
  base_status status = value_reading_open(&r, text, cx, "a stretch of time", err);
  if (status != BASE_OK) return status;
  if (r.at > 0 && value_word_is(&r.scan, r.at - 1, "by") && scan_open(&r.scan, r.at - 1, out) == r.scan.n)
    return BASE_OK;
  if (value_match(&r.scan, r.at, "all day") > 0 && r.at + 2 < r.scan.n) r.at += 2;
  for (size_t at = r.at + 1; at-- > 0;) {
    if (value_scan_stretch(&r.scan, at, out) == r.scan.n) return BASE_OK;
    if (value_scan_interval(&r.scan, at, out) == r.scan.n) return BASE_OK;
    if (scan_moment_span(&r.scan, at, out) == r.scan.n) return BASE_OK;
  }
  return value_reading_refuse(&r, "a stretch of time", err);
}
