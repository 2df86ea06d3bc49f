/* Moments: a day and a clock in any order ("7 tomorrow morning", "friday at quarter to nine"), or an offset
 * from now ("in an hour and a half", "a week from monday"); and the rules that settle what was left open.
 *
 * An hour without am or pm:
 *   alone, or with today   FUTURE the next time a 12-hour clock shows it, PAST the last, NEAREST the nearest
 *   with a part of the day what the part says (morning am; afternoon, evening pm; night 6-11 pm, 12 and 1-5
 *                          of the day after)
 *   with another day       12 noon, 6-11 am, 1-5 pm; with value_context.morning 1-11 am
 *   alone, morning         5-11 am, but not where the clock shows it within two hours */
#include "value/internal.h"

enum { DAY_SECONDS = 86400 };

static int seconds_of(value_time t) {
  return t.hour * 3600 + t.minute * 60 + t.second;
}

/* ---- offsets ---- */

/* "from now", "from today", "ago", "later", "from monday", "after tomorrow"; sign and base of an offset. */
static size_t scan_anchor(const value_scan *s, size_t at, value_when *base, int *sign, bool *now) {
  *sign = 1;
  *now = true;
  if (value_any(s, at, "ago|earlier|back")) {
    *sign = -1;
    return at + 1;
  }
  if (value_any(s, at, "later|hence")) return at + 1;
  if (value_sign_is(s, at, '\'') && (value_word_is(s, at + 1, "time") || value_word_is(s, at + 2, "time")))
    return value_word_is(s, at + 1, "time") ? at + 2 : at + 3;
  if (value_word_is(s, at, "time") && at > 0 && value_is(s, at - 1, VALUE_W_TIMEUNIT, NULL)) return at + 1;
  bool from = value_any(s, at, "from|after|since");
  bool before = value_word_is(s, at, "before");
  bool on = value_word_is(s, at, "on") && s->loose;
  bool bare =
      s->loose && at > 0 && value_any(s, at - 1, "week|weeks|fortnight") &&
      (value_is(s, at, VALUE_W_RELDAY, NULL) || value_is(s, at, VALUE_W_WEEKDAY, NULL)); /* "a week today" */
  if (bare) {
    size_t end = value_scan_day(s, at, base);
    *now = false;
    return (base->has & VALUE_H_WEEK) == 0 ? end : 0;
  }
  if (!from && !before && !on) return 0;
  if (before) *sign = -1;
  if (value_word_is(s, at + 1, "now")) return at + 2;
  value_when day = {0};
  size_t i = value_word_is(s, at + 1, "this") && value_word_is(s, at + 2, "moment") ? at + 3 : 0;
  if (i > 0) return i;
  i = value_scan_day(s, at + 1, &day);
  if (i > 0 && !s->loose && day.has == VALUE_H_DATE) { /* before a holiday: the one to come */
    value_context cx = *s->cx;
    value_scan ahead = *s;
    cx.resolve = VALUE_FUTURE;
    ahead.cx = &cx;
    day = (value_when){0};
    i = value_scan_day(&ahead, at + 1, &day);
  }
  if (i == 0 || (day.has & VALUE_H_WEEK) != 0) return 0;
  *base = day;
  *now = false;
  return i;
}

static bool only_days(value_duration d) {
  return d.seconds == 0 && (d.days != 0 || d.months != 0);
}

static bool apply_offset(const value_scan *s, value_duration d, int sign, const value_when *base, bool now,
                         value_when *w) {
  value_duration signed_d = {sign * d.months, sign * d.days, sign * d.seconds};
  value_datetime start = s->cx->now;
  if (!now) {
    int64_t day = 0;
    if (!value_when_day(base, s, &day)) return false;
    start = (value_datetime){.date = value_civil_from_days(day), .has_date = true};
  }
  value_datetime end = value_add(start, signed_d);
  if (only_days(d)) {
    w->has |= VALUE_H_DATE;
    w->days = value_days_from_civil(end.date);
  } else {
    w->has |= VALUE_H_MOMENT;
    w->moment = end;
  }
  return true;
}

/* "in 5", "in twenty": minutes go without saying. */
static size_t scan_minutes_only(const value_scan *s, size_t at, value_duration *d) {
  int minutes = 0;
  size_t end = value_digits(s, at, 1, 2, &minutes) ? at + 1 : value_scan_small(s, at, &minutes);
  if (end != s->n || minutes < 1) return 0;
  *d = (value_duration){0, 0, minutes * 60};
  return end;
}

/* "in two hours", "20 minutes from now", "3 days ago", "a week from friday", in a slot also "20 minutes". */
static size_t scan_offset(const value_scan *s, size_t at, value_when *w) {
  value_duration d;
  value_when base = {0};
  int sign = 1;
  bool now = true;
  if (s->cx == NULL) return 0;
  bool in = value_word_is(s, at, "in") || (s->loose && (value_any(s, at, "after|within")));
  size_t i = in ? at + 1 : at;
  if (in && (value_any(s, i, "about|around|like|another|just"))) i++;
  bool next = in && value_word_is(s, i, "the") && value_word_is(s, i + 1, "next");
  if (next) return 0;
  size_t end = value_scan_duration(s, i, &d);
  if (end == 0 && in && s->loose) end = scan_minutes_only(s, i, &d);
  if (end == 0) return 0;
  size_t anchor = scan_anchor(s, end, &base, &sign, &now);
  if (anchor > 0 && in && sign < 0) return 0;
  if (anchor == 0 && !in && !(s->loose && end == s->n)) return 0;
  if (anchor == 0 && !in && value_word_is(s, i, "all")) return 0;
  if (value_word_is(s, at, "in") && value_word_is(s, at + 1, "the")) return 0;
  if (anchor > 0) end = anchor;
  return apply_offset(s, d, sign, &base, now, w) ? end : 0;
}

/* "now", "right now", "asap", "immediately" */
static size_t scan_now(const value_scan *s, size_t at, value_when *w) {
  static const char *const words[] = {"right now",     "now",           "asap",         "as soon as possible",
                                      "immediately",   "straight away", "right away",   "at once",
                                      "at the minute", "at present",    "at this time", "at this moment",
                                      "at the moment", "this moment",   "this instant", "just now",
                                      "currently",     "presently",     "as of now",    "as we speak",
                                      "immediatly",    "this second",   "this minute",  "this very moment"};
  char first = value_first(s, at);
  if (s->cx == NULL) return 0;
  for (size_t k = 0; k < sizeof words / sizeof words[0]; k++) {
    size_t i = words[k][0] == first ? value_match(s, at, words[k]) : 0;
    if (i == 0) continue;
    if (!s->loose && ((k >= 4 && k <= 7) || k >= 15)) return 0;
    w->has |= VALUE_H_MOMENT;
    w->moment = s->cx->now;
    return i;
  }
  return 0;
}

/* ---- a day and a clock in any order ---- */

static bool has_day(unsigned has) {
  return (has & (VALUE_H_DATE | VALUE_H_DAY | VALUE_H_WEEKDAY)) != 0;
}

/* A bare hour inside running text: "at 7", "tomorrow 3"; nothing may follow that makes it a number of things. */
static size_t scan_bare_hour(const value_scan *s, size_t at, value_when *w) {
  int hour = 0;
  size_t i = value_digits(s, at, 1, 2, &hour) ? at + 1 : value_scan_small(s, at, &hour);
  if (i == 0 || hour > 24 || hour < 1) return 0;
  if (value_glued(s, i) && !value_sign_is(s, i, ',') && !value_sign_is(s, i, '.') &&
      !value_sign_is(s, i, '?') && !value_sign_is(s, i, '!') && !value_sign_is(s, i, ';') &&
      !value_sign_is(s, i, ')'))
    return 0;
  if (value_sign_is(s, i, '.') && value_glued(s, i + 1) && i + 1 < s->n && s->tok[i + 1].kind == VALUE_T_DIGITS)
    return 0;
  if (i < s->n && (s->tok[i].kind == VALUE_T_DIGITS || value_sign_is(s, i, '%') || value_sign_is(s, i, '-') ||
                   value_sign_is(s, i, '/') || value_sign_is(s, i, ':') || value_sign_is(s, i, '$')))
    return 0;
  if (value_is(s, i, VALUE_W_TIMEUNIT, NULL) || value_is(s, i, VALUE_W_MONTH, NULL) ||
      value_is(s, i, VALUE_W_SCALE, NULL) || value_is(s, i, VALUE_W_ORDINAL, NULL) ||
      value_is(s, i, VALUE_W_DOZEN, NULL) || value_any(s, i, "percent|degrees|of|people"))
    return 0;
  w->has |= VALUE_H_CLOCK;
  w->hour = hour % 24;
  w->minute = w->second = 0;
  w->meridiem = hour > 12 ? 3 : 0;
  return i;
}

/* Words between the parts of a moment. *at_said when one of them promises a clock. */
static size_t skip_glue(const value_scan *s, size_t at, bool *at_said) {
  size_t i = at;
  *at_said = false;
  for (int k = 0; k < 3; k++) {
    bool clock = value_word_is(s, i, "at") || value_sign_is(s, i, '@') || value_any(s, i, "around|by|about|@");
    bool other = value_any(s, i, "on|for|of") || value_sign_is(s, i, ',') ||
                 (value_sign_is(s, i, '-') && !value_glued(s, i)) || value_any(s, i, "the|in") ||
                 (s->loose && (value_is(s, i, VALUE_W_FILLER, NULL) || value_word_is(s, i, "during") ||
                               value_sign_is(s, i, '(')));
    if (!clock && !other) break;
    if (clock) *at_said = true;
    i++;
  }
  return i;
}

/* May a moment that says `a` also say `b`? A weekday beside a date is only a comment on it. */
static bool may_join(const value_when *a, const value_when *b) {
  unsigned both = a->has & b->has;
  if (a->has == 0) return true;
  if ((a->has & VALUE_H_MOMENT) != 0 || (b->has & VALUE_H_MOMENT) != 0) return false;
  if ((both & (VALUE_H_CLOCK | VALUE_H_PART | VALUE_H_WEEKDAY | VALUE_H_WEEK | VALUE_H_DAY)) != 0) return false;
  if ((both & VALUE_H_DATE) != 0 && a->days != b->days) return false;
  if ((b->has & VALUE_H_WEEK) != 0 && (a->has & (VALUE_H_DATE | VALUE_H_DAY)) != 0) return false;
  if ((a->has & VALUE_H_WEEK) != 0 && (b->has & (VALUE_H_DATE | VALUE_H_DAY)) != 0) return false;
  if ((a->has & VALUE_H_DATE) != 0 && (b->has & VALUE_H_DAY) != 0) return false;
  if ((b->has & VALUE_H_DATE) != 0 && (a->has & VALUE_H_DAY) != 0) return false;
  return true;
}

value_when value_when_merge(const value_when *a, const value_when *b) {
  value_when w = *a;
  w.has |= b->has;
  if ((b->has & VALUE_H_DATE) != 0) w.days = b->days;
  if ((b->has & VALUE_H_YEAR) != 0) w.year = b->year;
  if ((b->has & VALUE_H_MONTH) != 0) w.month = b->month;
  if ((b->has & VALUE_H_DAY) != 0) w.day = b->day;
  if ((b->has & VALUE_H_MONTHS) != 0) w.month_shift = b->month_shift;
  if ((b->has & VALUE_H_WEEKDAY) != 0) {
    w.weekday = b->weekday;
    w.shift = b->shift;
  }
  if ((b->has & VALUE_H_WEEK) != 0) w.week = b->week;
  if ((b->has & VALUE_H_PART) != 0) {
    w.part = b->part;
    w.part_slice = b->part_slice;
  }
  if ((b->has & VALUE_H_CLOCK) != 0) {
    w.hour = b->hour;
    w.minute = b->minute;
    w.second = b->second;
    w.meridiem = b->meridiem;
  }
  if ((b->has & VALUE_H_MOMENT) != 0) w.moment = b->moment;
  return w;
}

/* "end of sunday", "the end of today": the last second of it, in a slot 17:00. */
static size_t scan_day_end(const value_scan *s, size_t at, value_when *w) {
  size_t i = value_word_is(s, at, "the") ? at + 1 : at;
  if (!value_word_is(s, i, "end") || !value_word_is(s, i + 1, "of")) {
    if (i > at && value_word_is(s, i, "eod") && !s->loose) return value_scan_clock(s, i, w);
    return 0;
  }
  i += value_word_is(s, i + 2, "the") ? 3 : 2;
  i = value_scan_day(s, i, w);
  if (i == 0 || (w->has & (VALUE_H_DATE | VALUE_H_WEEKDAY)) == 0) return 0;
  w->has |= VALUE_H_CLOCK;
  w->hour = s->loose ? 17 : 23;
  w->minute = w->second = s->loose ? 0 : 59;
  w->meridiem = 3;
  return i;
}

/* In running text a bare hour is one before "in the morning" and the like. */
static size_t scan_hour_before_part(const value_scan *s, size_t at, value_when *w) {
  value_when hour = {0}, part = {0};
  size_t i = scan_bare_hour(s, at, &hour);
  if (i == 0 || !value_any(s, i, "in|at") || value_scan_part(s, i, &part) == 0) return 0;
  if (hour.hour > 12 || (part.has & VALUE_H_DATE) != 0) return 0;
  *w = hour;
  return i;
}

/* "today pm": half a day. */
static size_t scan_half(const value_scan *s, size_t at, const value_when *so_far, value_when *w) {
  int meridiem = 0;
  if (s->loose || !has_day(so_far->has) || !value_is(s, at, VALUE_W_MERIDIEM, &meridiem)) return 0;
  w->has |= VALUE_H_PART;
  w->part = meridiem == 1 ? VALUE_P_MORNING : VALUE_P_AFTERNOON;
  return at + 1;
}

/* One component of a moment at `at`. */
static size_t scan_component(const value_scan *s, size_t at, const value_when *so_far, bool at_said,
                             value_when *part) {
  value_when day = {0}, clock = {0}, half = {0};
  value_when offset = {0};
  size_t i = scan_offset(s, at, &offset), j = value_scan_day(s, at, &day), k = value_scan_clock(s, at, &clock);
  size_t p = value_scan_part(s, at, &half), n = scan_now(s, at, &offset);
  if (n > i) i = n;
  value_when ending = {0};
  size_t e = so_far->has == 0 ? scan_day_end(s, at, &ending) : 0;
  if (e > i && e > j && e > k) {
    *part = ending;
    return e;
  }
  if (k > 0 && k == i && !value_word_is(s, at, "in")) i = 0; /* "fourteen hundred hours" */
  if (k == 0 && !s->loose && !has_day(so_far->has)) k = scan_hour_before_part(s, at, &clock);
  if (p == 0) p = scan_half(s, at, so_far, &half);
  if (k == 0 && !s->loose && (at_said || has_day(so_far->has) || (so_far->has & VALUE_H_PART) != 0))
    k = scan_bare_hour(s, at, &clock);
  bool clock_taken = (so_far->has & VALUE_H_CLOCK) != 0, day_taken = has_day(so_far->has);
  if (clock_taken) k = 0;
  if (j > 0 && s->loose && !day_taken && (day.has == VALUE_H_DAY) && s->tok[at].kind == VALUE_T_WORD && k > j)
    j = 0;
  if (i > 0 && i >= j && i >= k && i >= p) {
    *part = offset;
    return i;
  }
  if (j > 0 && j >= k && j >= p) {
    *part = day;
    return j;
  }
  if (k > 0 && k >= p) {
    *part = clock;
    return k;
  }
  *part = half;
  return p;
}

/* Does a time need the "at" before it to be one in running text? */
static bool leads_bare(const value_scan *s, size_t at, const value_when *part) {
  value_when alone = {0};
  if ((part->has & VALUE_H_CLOCK) == 0) return (part->has & VALUE_H_PART) != 0;
  if (at > 0 && (!value_word_is(s, at - 1, "at") || value_word_is(s, at, "the"))) return false;
  size_t i = value_scan_clock(s, at, &alone);
  if (i == 0) return true;
  return value_sign_is(s, at + 1, '.') || s->tok[at].kind == VALUE_T_WORD;
}

size_t value_scan_when(const value_scan *s, size_t at, value_when *w) {
  value_when sum = {0};
  bool at_said = false;
  size_t end = 0, i = at;
  bool early = s->loose && value_word_is(s, at, "early") && value_is(s, at + 1, VALUE_W_RELDAY, NULL) &&
               value_is(s, at + 2, VALUE_W_PART, NULL);
  if (value_any(s, at, "at|around|about")) {
    at_said = true;
    i = at + 1;
  }
  if (s->loose && value_any(s, i, "later|earlier") && value_is(s, i + 1, VALUE_W_RELDAY, NULL)) i++;
  if (s->loose && value_word_is(s, i, "early") && value_is(s, i + 1, VALUE_W_RELDAY, NULL) &&
      value_is(s, i + 2, VALUE_W_PART, NULL))
    i++;
  if (s->loose && value_word_is(s, i, "early") && value_is(s, i + 1, VALUE_W_RELDAY, NULL)) {
    sum.has = VALUE_H_PART;
    sum.part = VALUE_P_MORNING;
    i++;
  }
  for (int k = 0; k < 7; k++) {
    value_when part = {0};
    size_t next = scan_component(s, i, &sum, at_said, &part);
    /* found again without "at" */
    if (k == 0 && i > at && !s->loose && next > 0 && !leads_bare(s, i, &part)) return 0;
    if (next == 0 && at_said && k == 0) {
      next = scan_component(s, at, &sum, false, &part);
    }
    if (next == 0 || !may_join(&sum, &part)) break;
    sum = value_when_merge(&sum, &part);
    if ((sum.has & VALUE_H_WEEK) == 0 || (sum.has & VALUE_H_WEEKDAY) != 0) { /* a week alone is an interval */
      *w = sum;
      end = next;
    }
    if ((sum.has & VALUE_H_MOMENT) != 0) break;
    i = skip_glue(s, next, &at_said);
  }
  if (early && end > 0) w->part_slice = 1;
  return end;
}

/* ---- settling ---- */

/* The seconds of the day with the half of the day known from a part; *next_day for the small hours of a night. */
static int clock_in_part(const value_when *w, bool *next_day) {
  int hour = w->hour;
  if (w->meridiem == 0) {
    switch (w->part) {
    case VALUE_P_MORNING:
    case VALUE_P_BREAKFAST:
      hour %= 12;
      break;
    case VALUE_P_AFTERNOON:
    case VALUE_P_EVENING:
    case VALUE_P_DINNER:
      hour = hour % 12 + 12;
      break;
    case VALUE_P_NIGHT:
    case VALUE_P_TONIGHT:
      hour = hour % 12 >= 5 ? hour % 12 + 12 : hour % 12;
      break;
    case VALUE_P_LUNCH:
      hour = hour < 11 ? hour + 12 : hour;
      break;
    default:
      break;
    }
  }
  *next_day = (w->part == VALUE_P_NIGHT || w->part == VALUE_P_TONIGHT) && hour < 5;
  return hour * 3600 + w->minute * 60 + w->second;
}

/* `seconds` of the day on `day`, or one period (12 hours or a day) around it, as the rule asks. */
static value_datetime pick(const value_scan *s, int64_t today, int seconds, int period) {
  int now = seconds_of(s->cx->now.time), step = period;
  value_resolve resolve = s->cx->resolve;
  int next = seconds % period;
  while (next <= now) next += step; /* at most 3 turns */
  int last = next - step;
  if (resolve == VALUE_PAST) return value_at(today, last == now ? last : last);
  if (resolve == VALUE_NEAREST && now - last < next - now) return value_at(today, last);
  return value_at(today, next);
}

static int default_half(const value_when *w, const value_context *cx) {
  int hour = w->hour;
  if (w->meridiem == 0 && hour < 6 && hour > 0 && !cx->morning) hour += 12;
  if (w->meridiem == 0 && hour == 12 && cx->morning) hour = 12;
  return hour * 3600 + w->minute * 60 + w->second;
}

/* The usual hour of a part of the day; once that has passed today, the next full hour while the part lasts. */
static value_datetime settle_part(value_part part, const value_scan *s, int64_t day) {
  int hour = value_part_hour(part), from = 0, to = 0, now = s->cx->now.time.hour;
  value_part_span(part, &from, &to);
  if (to > 16) to = 24;
  bool late =
      s->loose && s->cx->resolve == VALUE_FUTURE && day == value_today(s) && hour <= now && now + 1 < to;
  return value_at(day, (late ? now + 1 : hour) * 3600);
}

static value_datetime settle_on_day(const value_when *w, const value_scan *s, int64_t day) {
  bool next_day = false;
  int seconds = 0;
  int64_t today = value_today(s);
  if ((w->has & VALUE_H_CLOCK) == 0) return settle_part(w->part, s, day);
  if ((w->has & VALUE_H_PART) != 0) {
    seconds = clock_in_part(w, &next_day);
    return value_at(day + next_day, seconds);
  }
  seconds = w->hour * 3600 + w->minute * 60 + w->second;
  if (w->meridiem != 0) return value_at(day, seconds);
  if (day != today) return value_at(day, default_half(w, s->cx));
  value_datetime t = pick(s, today, seconds, DAY_SECONDS / 2);
  if (value_days_from_civil(t.date) == today) return t;
  int half = seconds % (DAY_SECONDS / 2);
  return value_at(today, s->cx->resolve == VALUE_PAST ? half : half + DAY_SECONDS / 2);
}

/* An hour to wake up at, which `t` puts into the afternoon or evening, and no nap that ends soon. */
static bool is_for_morning(const value_when *w, const value_context *cx, const value_datetime *t) {
  value_datetime soon = value_add(cx->now, (value_duration){0, 0, 2 * 3600});
  return cx->morning && cx->resolve == VALUE_FUTURE && w->hour >= 5 && w->hour <= 11 && t->time.hour >= 12 &&
         value_compare(t, &soon) > 0;
}

/* A clock or a part of the day without a day. */
static value_datetime settle_clock(const value_when *w, const value_scan *s) {
  int64_t today = value_today(s);
  bool next_day = false;
  if ((w->has & VALUE_H_CLOCK) == 0) return pick(s, today, value_part_hour(w->part) * 3600, DAY_SECONDS);
  if ((w->has & VALUE_H_PART) != 0) return pick(s, today, clock_in_part(w, &next_day), DAY_SECONDS);
  int seconds = w->hour * 3600 + w->minute * 60 + w->second;
  if (w->meridiem != 0) return pick(s, today, seconds, DAY_SECONDS);
  value_datetime t = pick(s, today, seconds, DAY_SECONDS / 2);
  return is_for_morning(w, s->cx, &t) ? pick(s, today, seconds, DAY_SECONDS) : t;
}

static bool settle_weekday_today(const value_when *w, const value_scan *s, int64_t day, value_datetime *t) {
  bool bare = (w->has & VALUE_H_WEEKDAY) != 0 && w->shift == 99 &&
              (w->has & (VALUE_H_WEEK | VALUE_H_DATE | VALUE_H_DAY)) == 0;
  if (bare && s->cx->resolve == VALUE_FUTURE && day == value_today(s) && value_compare(t, &s->cx->now) <= 0) {
    *t = settle_on_day(w, s, day + 7);
    return true;
  }
  return false;
}

bool value_when_settle(const value_when *w, const value_scan *s, value_datetime *out) {
  int64_t day = 0;
  if ((w->has & VALUE_H_MOMENT) != 0) {
    *out = w->moment;
    return true;
  }
  if (has_day(w->has)) {
    if (!value_when_day(w, s, &day)) return false;
    if ((w->has & (VALUE_H_CLOCK | VALUE_H_PART)) == 0) {
      *out = (value_datetime){.date = value_civil_from_days(day), .has_date = true};
      return true;
    }
    *out = settle_on_day(w, s, day);
    settle_weekday_today(w, s, day, out);
    return true;
  }
  if ((w->has & (VALUE_H_CLOCK | VALUE_H_PART)) == 0) return false;
  *out = settle_clock(w, s);
  return true;
}

/* ---- readers ---- */

/* "next week", "the weekend", "next month" as a day to do something: the first of it that is not behind us;
 * "end of the month": the last, of a week its Friday. */
static size_t scan_period_day(const value_scan *s, size_t at, value_when *w) {
  value_period period;
  size_t i = at;
  if (value_word_is(s, i, "the") && !value_word_is(s, i + 1, "end") && !value_word_is(s, i + 1, "weekend")) i++;
  size_t end = value_scan_period(s, i, &period);
  if (end != s->n || period.unit == VALUE_U_YEAR || period.span.start.has_time || !period.span.has_end)
    return 0;
  int64_t today = value_today(s), first = value_days_from_civil(period.span.start.date);
  int64_t last = value_days_from_civil(period.span.end.date) - 1;
  /* "december" is no day */
  if (period.unit == VALUE_U_MONTH && period.month != 0 && period.slice == 0) return 0;
  *w = (value_when){.has = VALUE_H_DATE,
                    .days = first < today && s->cx->resolve == VALUE_FUTURE && last >= today ? today : first};
  if (period.slice == 3) w->days = period.unit == VALUE_U_WEEK ? last - 2 : last;
  return end;
}

/* Words that only say on which side of the moment something is to happen. */
static size_t scan_side_word(const value_scan *s, size_t at) {
  static const char *const words[] = {"no later than", "before", "after",     "until",      "till", "til", "by",
                                      "from",          "since",  "beginning", "starting at"};
  for (size_t k = 0; k < sizeof words / sizeof words[0]; k++) {
    size_t i = value_match(s, at, words[k]);
    if (i > 0) return i;
  }
  return 0;
}

/* The whole slot as a moment; tries behind the fillers, then with them ("in", "a", "the" open some). */
static base_status read_when(value_reading *r, base_slice text, const value_context *cx, const char *what,
                             value_when *w, base_error *err) {
  if (cx == NULL)
    return base_fail(err, BASE_EARGUMENT, "value", "%s needs a context that says what now is", what);
  base_status status = value_reading_open(r, text, cx, what, err);
  if (status != BASE_OK) return status;
  for (size_t at = r->at + 1; at-- > 0;) {
    if (value_scan_when(&r->scan, at, w) == r->scan.n) return BASE_OK;
    size_t behind = scan_side_word(&r->scan, at);
    if (behind > 0 && value_scan_when(&r->scan, behind, w) == r->scan.n) return BASE_OK;
    if (scan_period_day(&r->scan, behind > 0 ? behind : at, w) > 0) return BASE_OK;
  }
  return value_reading_refuse(r, what, err);
}

static base_status check_future(const value_datetime *t, const value_context *cx, base_slice text,
                                base_error *err) {
  if (cx->resolve != VALUE_FUTURE) return BASE_OK;
  value_datetime now = cx->now, then = *t;
  if (!t->has_time) now.time = then.time = (value_time){0, 0, 0};
  if (value_compare(&then, &now) >= 0) return BASE_OK;
  int shown = text.len > 40 ? 40 : (int)text.len;
  return base_fail(err, BASE_EFORMAT, "value", "\"%.*s\" has already passed", shown, text.ptr);
}

base_status value_read_datetime(base_slice text, const value_context *cx, value_datetime *out,
                                base_error *err) {
  value_reading r;
  value_when w = {0};
  base_status status = value_parse_datetime(text, out, NULL);
  if (status == BASE_OK && out->has_date) return cx != NULL ? check_future(out, cx, text, err) : BASE_OK;
  status = read_when(&r, text, cx, "a date or time", &w, err);
  if (status != BASE_OK) return status;
  if (!value_when_settle(&w, &r.scan, out)) return value_reading_refuse(&r, "a date or time", err);
  return check_future(out, cx, text, err);
}

base_status value_read_date(base_slice text, const value_context *cx, value_date *out, base_error *err) {
  value_datetime t;
  base_status status = value_read_datetime(text, cx, &t, err);
  if (status == BASE_OK) *out = t.date;
  return status;
}

base_status value_read_time(base_slice text, const value_context *cx, value_time *out, base_error *err) {
  value_reading r;
  value_when w = {0};
  value_datetime t;
  base_status status = read_when(&r, text, cx, "a time of day", &w, err);
  if (status != BASE_OK) return status;
  if (!value_when_settle(&w, &r.scan, &t) || !t.has_time) return value_reading_refuse(&r, "a time of day", err);
  *out = t.time;
  return BASE_OK;
}
