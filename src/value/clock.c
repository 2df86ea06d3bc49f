/* Times of day: "7:30 pm", "seven thirty", "quarter to nine", "half seven" (British: 7:30), "noon", "1930".
 * An hour without am or pm stays open (meridiem 0) until datetime.c settles it against now.
 *
 * Parts of the day, the hour a single moment in them means, and their span as an interval:
 *   morning 09 (08-12)     noon 12            afternoon 15 (12-16)  evening 19 (16-20)  night 21 (20-24)
 *   tonight 20 (20-24)     breakfast 08 (08-12)  lunch 12 (11-13)  dinner 19 (16-20)    end of day 17 */
#include "value/internal.h"

static const struct {
  int at, from, to;
} parts[] = {
    [VALUE_P_NONE] = {9, 0, 24},      [VALUE_P_MORNING] = {9, 8, 12}, [VALUE_P_AFTERNOON] = {15, 12, 16},
    [VALUE_P_EVENING] = {19, 16, 20}, [VALUE_P_NIGHT] = {21, 20, 24}, [VALUE_P_TONIGHT] = {20, 20, 24},
    [VALUE_P_BREAKFAST] = {8, 8, 12}, [VALUE_P_LUNCH] = {12, 11, 13}, [VALUE_P_DINNER] = {19, 16, 20},
    [VALUE_P_DAYTIME] = {12, 8, 18}};

void value_part_span(value_part part, int *start_hour, int *end_hour) {
  *start_hour = parts[part].from;
  *end_hour = parts[part].to;
}

int value_part_hour(value_part part) {
  return parts[part].at;
}

/* am, pm, a.m., p m, a, p, o'clock (says nothing about the half of the day: *out stays). */
size_t value_scan_meridiem(const value_scan *s, size_t at, int *out) {
  bool a = value_word_is(s, at, "a"), p = value_word_is(s, at, "p");
  if (value_is(s, at, VALUE_W_MERIDIEM, out))
    return value_sign_is(s, at + 1, '.') && s->loose ? at + 2 : at + 1;
  if (!a && !p) return 0;
  size_t i = at + 1;
  bool dot = value_sign_is(s, i, '.') && value_glued(s, i);
  if (dot) i++;
  if (value_word_is(s, i, "m")) {
    *out = a ? 1 : 2;
    i++;
    return dot && value_sign_is(s, i, '.') && value_glued(s, i) ? i + 1 : i;
  }
  if (!value_glued(s, at) || s->tok[at - 1].kind != VALUE_T_DIGITS) return 0;
  *out = a ? 1 : 2;
  return at + 1; /* "9a" */
}

static size_t scan_oclock(const value_scan *s, size_t at) {
  if (value_any(s, at, "o'clock|oclock") ||
      value_word_is(s, at,
                    "o\xE2\x80\x99"
                    "clock") ||
      value_word_is(s, at, "oclok"))
    return at + 1;
  if (value_word_is(s, at, "o") && value_word_is(s, at + 1, "clock")) return at + 2;
  return value_word_is(s, at, "o") && value_sign_is(s, at + 1, '\'') && value_word_is(s, at + 2, "clock")
             ? at + 3
             : 0;
}

/* Fills a clock time; false when there is no such time ("25:99", "13 am"). */
static bool set_clock(value_when *w, int hour, int minute, int second, int meridiem) {
  if (hour == 24 && minute == 0 && second == 0 && meridiem == 0) hour = 0, meridiem = 3;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return false;
  if (hour > 12 && meridiem == 1) return false;
  if (hour == 0 && meridiem == 2) return false;
  if (hour > 12 || hour == 0) meridiem = 3;
  if (meridiem == 1) hour %= 12;
  if (meridiem == 2) hour = hour % 12 + 12;
  w->has |= VALUE_H_CLOCK;
  w->hour = hour;
  w->minute = minute;
  w->second = second;
  w->meridiem = meridiem;
  return true;
}

/* What may follow a time: am/pm, o'clock, "hours", both. */
static size_t scan_after(const value_scan *s, size_t at, int *meridiem, bool *said) {
  size_t i = scan_oclock(s, at), j = 0;
  if (i == 0 && value_word_is(s, at, "ish")) i = at + 1;
  if (i > 0)
    *said = true;
  else
    i = at;
  j = value_scan_meridiem(s, i, meridiem);
  if (j > 0) *said = true;
  return j > 0 ? j : i;
}

/* 7:30, 7:30:15, 7.30, 19h30 */
static size_t scan_colon(const value_scan *s, size_t at, value_when *w) {
  int hour = 0, minute = 0, second = 0, meridiem = 0;
  bool said = false;
  if (!value_digits(s, at, 1, 2, &hour)) return 0;
  bool colon = value_sign_is(s, at + 1, ':'), dot = value_sign_is(s, at + 1, '.');
  bool h = value_word_is(s, at + 1, "h");
  if (!(colon || dot || h) || !value_glued(s, at + 1)) return 0;
  if (!value_digits(s, at + 2, 2, 2, &minute) || !value_glued(s, at + 2)) {
    if (!h || hour > 23 || !s->loose || value_glued(s, at + 2)) return 0;
    return set_clock(w, hour, 0, 0, 3) ? at + 2 : 0;
  }
  size_t i = at + 3;
  if (colon && value_sign_is(s, i, ':') && value_glued(s, i) && value_digits(s, i + 1, 2, 2, &second) &&
      value_glued(s, i + 1)) {
    i += 2;
    /* fractions of a second */
    if (value_sign_is(s, i, '.') && value_glued(s, i + 1) && s->tok[i + 1].kind == VALUE_T_DIGITS) i += 2;
  }
  size_t end = scan_after(s, i, &meridiem, &said);
  if (dot && !said && !s->loose && (value_sign_is(s, i, '%') || value_any(s, i, "percent|per"))) return 0;
  if (dot && !said && !s->loose && !(at > 0 && (value_any(s, at - 1, "at|from")))) return 0;
  if (h || (colon && s->tok[at].len == 2 && hour < 10))
    meridiem = meridiem == 0 ? (h || s->loose ? 3 : 0) : meridiem;
  return set_clock(w, hour, minute, second, meridiem) ? end : 0;
}

/* 730pm, 1140 a.m.; in a slot also 1930, 0700, 730 */
static size_t scan_packed(const value_scan *s, size_t at, value_when *w) {
  int v = 0, meridiem = 0;
  bool said = false;
  if (!value_digits(s, at, 3, 4, &v)) return 0;
  size_t end = scan_after(s, at + 1, &meridiem, &said);
  if (!said && value_any(s, at + 1, "hours|hrs|hundred") && s->tok[at].len == 4) {
    said = true;
    meridiem = 3;
    end = at + 2;
  }
  if (!said && !s->loose) return 0;
  if (!said && s->text.ptr[s->tok[at].start] == '0') meridiem = 3;
  if (value_sign_is(s, at + 1, ',') && value_glued(s, at + 1)) return 0;
  return set_clock(w, v / 100, v % 100, 0, meridiem) ? end : 0;
}

/* An hour on its own, in digits or in words. */
static size_t scan_hour(const value_scan *s, size_t at, int *hour) {
  if (value_digits(s, at, 1, 2, hour)) return *hour <= 24 ? at + 1 : 0;
  size_t i = value_scan_small(s, at, hour);
  return i > 0 && *hour <= 24 ? i : 0;
}

/* Minutes behind a spoken hour: "thirty", "forty five", "oh five", "15". */
static size_t scan_minutes(const value_scan *s, size_t at, int *minute) {
  size_t i = at;
  if (value_any(s, i, "oh|o|zero")) {
    i = value_scan_small(s, at + 1, minute);
    return i > 0 && *minute < 10 ? i : 0;
  }
  i = value_sign_is(s, at, '-') && value_glued(s, at) ? at + 1 : at;
  if (value_is(s, i, VALUE_W_TEEN, NULL) || value_is(s, i, VALUE_W_TENS, NULL)) {
    i = value_scan_small(s, i, minute);
    return *minute < 60 ? i : 0;
  }
  return s->loose && s->tok[at - 1].kind == VALUE_T_DIGITS && value_digits(s, i, 2, 2, minute) &&
                 !s->tok[i].glued && *minute < 60
             ? i + 1
             : 0;
}

/* "seven", "seven thirty", "7", "7 pm", "seven o'clock", "eleven-ish". */
static size_t scan_spoken(const value_scan *s, size_t at, value_when *w) {
  int hour = 0, minute = 0, meridiem = 0;
  bool said = false;
  size_t i = scan_hour(s, at, &hour), end = 0;
  if (i == 0) return 0;
  if (value_sign_is(s, i, '.') && value_glued(s, i + 1) && i + 1 < s->n && s->tok[i + 1].kind == VALUE_T_DIGITS)
    return 0;
  bool words = s->tok[at].kind == VALUE_T_WORD;
  size_t j = hour > 0 || words ? scan_minutes(s, i, &minute) : 0;
  if (j > 0 && value_is(s, j, VALUE_W_TIMEUNIT, NULL) && !(at > 0 && value_word_is(s, at - 1, "at"))) j = 0;
  if (j > 0) {
    if (value_word_is(s, j, "minutes") && at > 0 && value_word_is(s, at - 1, "at")) j++;
    end = scan_after(s, j, &meridiem, &said);
    if (s->loose || said || (words && hour <= 12 && hour > 0)) {
      if (!s->loose && !said &&
          !(at > 0 &&
            (value_word_is(s, at - 1, "at") || value_is(s, at - 1, VALUE_W_ORDINAL, NULL) ||
             value_is(s, at - 1, VALUE_W_RELDAY, NULL) || value_is(s, at - 1, VALUE_W_WEEKDAY, NULL))))
        return 0;
      return set_clock(w, hour, minute, 0, meridiem) ? end : 0;
    }
  }
  minute = 0;
  meridiem = 0;
  said = false;
  if (value_word_is(s, i, "hundred") && (s->loose || value_is(s, i + 1, VALUE_W_TIMEUNIT, NULL))) {
    end = value_word_is(s, i + 1, "hours") ? i + 2 : i + 1;
    return end > i + 1 || words ? (set_clock(w, hour, 0, 0, 3) ? end : 0) : 0;
  }
  end = scan_after(s, i, &meridiem, &said);
  if (!said && value_word_is(s, i, "ish"))
    end = i + 1, said = true;
  else if (!said && value_sign_is(s, i, '-') && value_word_is(s, i + 1, "ish"))
    end = i + 2, said = true;
  if (!said && !s->loose) return 0;
  return set_clock(w, hour, 0, 0, meridiem) ? end : 0;
}

/* The minutes of "twenty to nine", "quarter past", "ten minutes past"; half is only with past. */
static size_t scan_offset(const value_scan *s, size_t at, int *minutes) {
  size_t i = at;
  if (value_word_is(s, i, "a")) i++;
  if (value_any(s, i, "quarter|quater")) {
    *minutes = 15;
    return i + 1;
  }
  if (value_word_is(s, at, "half")) {
    *minutes = 30;
    return at + 1;
  }
  if (value_digits(s, at, 1, 2, minutes))
    i = at + 1;
  else
    i = value_scan_small(s, at, minutes);
  if (i == 0 || *minutes < 1 || *minutes > 59) return 0;
  if (value_any(s, i, "minutes|minute|mins|min")) return i + 1;
  return i;
}

/* "quarter to nine", "twenty past six", "half seven". */
static size_t scan_past(const value_scan *s, size_t at, value_when *w) {
  int minutes = 0, hour = 0, meridiem = 0, of_day = 0;
  bool said = false;
  size_t i = scan_offset(s, at, &minutes), end = 0;
  if (i == 0) return 0;
  bool past = value_any(s, i, "past|after|pst");
  bool to = value_any(s, i, "to|till|til|before|of");
  bool named = value_any(s, i - 1, "quarter|half") || value_is(s, i - 1, VALUE_W_TIMEUNIT, NULL);
  if (minutes == 30 && !past && value_word_is(s, at, "half")) {
    to = false;
    end = scan_hour(s, i, &hour);
    if (end == 0 || hour > 12 || hour < 1 || !s->loose || value_is(s, end, VALUE_W_TIMEUNIT, NULL)) return 0;
    end = scan_after(s, end, &meridiem, &said);
    return set_clock(w, hour, 30, 0, meridiem) ? end : 0;
  }
  if (!past && !to) return 0;
  if (to && !named &&
      !(minutes == 20 || minutes == 25 || (minutes % 5 == 0 && s->loose) || (s->loose && i + 2 == s->n)))
    return 0;
  if (value_word_is(s, i, "of") && !named && !s->loose) return 0;
  if (value_is(s, i + 1, VALUE_W_CLOCK, &of_day)) {
    int total = (of_day + (past ? minutes : 1440 - minutes)) % 1440;
    return set_clock(w, total / 60, total % 60, 0, 3) ? i + 2 : 0;
  }
  end = scan_hour(s, i + 1, &hour);
  if (end == 0 || hour > 23 || (value_sign_is(s, end, ':') && value_glued(s, end))) return 0;
  if (value_is(s, end, VALUE_W_TIMEUNIT, NULL) && !value_is(s, end, VALUE_W_PART, NULL)) return 0;
  end = scan_after(s, end, &meridiem, &said);
  if (past) return set_clock(w, hour, minutes, 0, meridiem) ? end : 0;
  if (!set_clock(w, hour, 0, 0, meridiem)) return 0;
  /* an hour back: 1 becomes 12 on an open clock, 0 becomes 23 on a settled one */
  w->hour = w->meridiem == 0 ? (w->hour == 1 ? 12 : w->hour - 1) : (w->hour + 23) % 24;
  w->minute = 60 - minutes;
  return end;
}

/* noon, midnight, 12 noon, end of day */
/* "oh seven hundred [hours]", "zero six thirty", "same time" (as now) */
static size_t scan_military(const value_scan *s, size_t at, value_when *w) {
  int hour = 0, minute = 0;
  if (!s->loose) return 0;
  int shift = 0;
  bool same = s->cx != NULL && value_any(s, at, "same|this") && value_word_is(s, at + 1, "time");
  if (same && value_is(s, at + 2, VALUE_W_SHIFT, &shift) && value_any(s, at + 3, "week|month") &&
      at + 4 == s->n) { /* "this time next week" */
    value_time now = s->cx->now.time;
    int64_t step = shift > 0 ? 1 : shift < 0 ? -1 : 0;
    bool month = value_word_is(s, at + 3, "month");
    value_datetime then = value_add(s->cx->now, (value_duration){month ? step : 0, month ? 0 : 7 * step, 0});
    w->has |= VALUE_H_DATE;
    w->days = value_days_from_civil(then.date);
    return set_clock(w, now.hour, now.minute, now.second, 3) ? at + 4 : 0;
  }
  if (same)
    return set_clock(w, s->cx->now.time.hour, s->cx->now.time.minute, s->cx->now.time.second, 3) ? at + 2 : 0;
  if (!value_word_is(s, at, "oh") && !value_word_is(s, at, "o") && !value_word_is(s, at, "zero")) return 0;
  if (!value_is(s, at + 1, VALUE_W_UNIT, &hour)) return 0;
  size_t end = value_word_is(s, at + 2, "hundred") ? at + 3 : scan_minutes(s, at + 2, &minute);
  if (end == 0) return 0;
  if (value_word_is(s, end, "hours")) end++;
  return set_clock(w, hour, minute, 0, 3) ? end : 0;
}

static size_t scan_named(const value_scan *s, size_t at, value_when *w) {
  static const char *const ends[] = {
      "eod",         "cob",    "close of business", "end of business", "end of the day", "end of day",
      "end of work", "bedtime"};
  int minutes = 0, hour = 0;
  size_t i = at;
  if (value_digits(s, i, 1, 2, &hour) && hour == 12 && value_is(s, i + 1, VALUE_W_CLOCK, NULL)) i++;
  if (value_word_is(s, i, "twelve") && value_is(s, i + 1, VALUE_W_CLOCK, NULL)) i++;
  if (value_word_is(s, i, "high") && value_word_is(s, i + 1, "noon")) i++;
  if (value_word_is(s, i, "mid") && value_any(s, i + 1, "night|day"))
    return set_clock(w, value_word_is(s, i + 1, "day") ? 12 : 0, 0, 0, 3) ? i + 2 : 0;
  if (value_is(s, i, VALUE_W_CLOCK, &minutes)) return set_clock(w, minutes / 60, 0, 0, 3) ? i + 1 : 0;
  for (size_t k = 0; k < sizeof ends / sizeof ends[0]; k++) {
    size_t next = value_match(s, at, ends[k]);
    if (next == 0) continue;
    if (k == 7) return s->loose && set_clock(w, 22, 0, 0, 3) ? next : 0;
    if (!s->loose && k >= 4 && k <= 5 && value_scan_year(s, next, &hour) > 0) return 0;
    return (s->loose ? set_clock(w, 17, 0, 0, 3) : set_clock(w, 23, 59, 59, 3)) ? next : 0;
  }
  return 0;
}

size_t value_scan_clock(const value_scan *s, size_t at, value_when *w) {
  size_t i = scan_named(s, at, w);
  if (i == 0) i = scan_military(s, at, w);
  if (i == 0) i = scan_past(s, at, w);
  if (i == 0) i = scan_colon(s, at, w);
  if (i == 0) i = scan_packed(s, at, w);
  if (i == 0) i = scan_spoken(s, at, w);
  return i;
}

static bool is_meal(int part) {
  return part == VALUE_P_BREAKFAST || part == VALUE_P_LUNCH || part == VALUE_P_DINNER;
}

/* A meal is a time only when it is said as one; "good night" is a greeting. */
static bool part_is_meant(const value_scan *s, size_t i, int part, bool opened) {
  bool word = i < s->n && s->tok[i].len > 6 && part != VALUE_P_BREAKFAST; /* lunchtime, dinnertime */
  bool bound = i > 0 && value_any(s, i - 1, "before|after");
  if (is_meal(part)) return opened || word || bound || value_word_is(s, i + 1, "time");
  return !(i > 0 && value_any(s, i - 1, "good|coffee"));
}

/* What is known of a part of the day while it is read. */
typedef struct part_scan {
  bool opened;   /* "in", "at", "during", or "later", which says as much */
  bool this_one; /* a shift word stands before it: "this", "last", "next" */
  int shift;     /* the word's */
} part_scan;

/* "all of the", "throughout", "early" of "early this morning": loose readings' openings. Where they end. */
static size_t skip_part_opening(const value_scan *s, size_t i, value_when *w) {
  if (!s->loose) return i;
  if (value_any(s, i, "all|throughout")) {
    if (value_any(s, i + 1, "of|the") && i + 2 < s->n)
      i += 2;
    else if (i + 1 < s->n)
      i++;
  }
  if (value_any(s, i, "early|late") && value_is(s, i + 1, VALUE_W_SHIFT, NULL) &&
      value_is(s, i + 2, VALUE_W_PART, NULL)) { /* "late last night" */
    w->part_slice = value_word_is(s, i, "early") ? 1 : 3;
    i++;
  }
  return i;
}

/* "early morning", "mid-afternoon"; "later this afternoon", "later in the evening" with the word at `at`. Moves
 * *i behind it; false when what is read cannot be a part of the day. */
static bool scan_part_slice(const value_scan *s, size_t at, size_t *i, part_scan *p, value_when *w) {
  bool early = value_word_is(s, *i, "early"), late = value_word_is(s, *i, "late");
  if (early || late || value_word_is(s, *i, "mid")) {
    if (p->opened && !s->loose) return false;
    *i += value_sign_is(s, *i + 1, '-') ? 2 : 1;
    w->part_slice = early ? 1 : late ? 3 : 0;
  } else if (value_any(s, at, "later|earlier")) {
    w->part_slice = value_word_is(s, at, "later") ? 3 : 1;
    *i = at + 1;
    if (value_word_is(s, *i, "in")) *i += value_word_is(s, *i + 1, "the") ? 2 : 1;
    p->this_one = value_is(s, *i, VALUE_W_SHIFT, &p->shift) && p->shift == 0;
    if (p->this_one) ++*i;
    p->opened = true;
  }
  return true;
}

static size_t set_part(value_when *w, int part, size_t end) {
  w->has |= VALUE_H_PART;
  w->part = (value_part)part;
  return end;
}

static size_t set_part_on(value_when *w, int part, int64_t days, size_t end) {
  w->has |= VALUE_H_DATE;
  w->days = days;
  return set_part(w, part, end);
}

/* Behind the part, which ends at i: a day that it belongs to ("the morning after tomorrow"), "time". */
static size_t finish_part(const value_scan *s, size_t i, int part, const part_scan *p, value_when *w) {
  int from = 0;
  int64_t today = value_today(s);
  bool night = part == VALUE_P_NIGHT;
  if (s->loose && value_word_is(s, i, "after") && value_is(s, i + 1, VALUE_W_RELDAY, &from))
    return set_part_on(w, part, today + from + 1, i + 2);
  if (s->loose && night && value_match(s, i, "before last") > 0) return set_part_on(w, part, today - 2, i + 2);
  if ((night || is_meal(part)) && value_word_is(s, i, "time")) i++;
  if (p->this_one && p->shift == -1) return set_part_on(w, part, today - 1, i);
  if ((p->this_one && p->shift == 0) || part == VALUE_P_TONIGHT) return set_part_on(w, part, today, i);
  return set_part(w, part, i);
}

/* "in the morning", "tonight", "this evening", "at night", "early morning", "am"; sets the part and, for
 * "this", "last", "tomorrow" nothing more: the day is another component. */
size_t value_scan_part(const value_scan *s, size_t at, value_when *w) {
  int part = 0;
  part_scan p = {0};
  size_t i = at;
  p.opened = value_any(s, i, "in|at|during") || (s->loose && value_word_is(s, i, "of"));
  if (p.opened) i++;
  if (value_word_is(s, i, "the") && (p.opened || s->loose)) i++;
  if (s->loose && value_match(s, i, "first thing") > 0) {
    size_t next = value_match(s, i, "first thing in the morning");
    return set_part(w, VALUE_P_MORNING, next > 0 ? next : i + 2);
  }
  i = skip_part_opening(s, i, w);
  p.this_one = value_is(s, i, VALUE_W_SHIFT, &p.shift) && value_is(s, i + 1, VALUE_W_PART, NULL);
  if (p.this_one && (p.shift == 0 || p.shift == -1 || (p.shift == 2 && !s->loose))) i++;
  if (!scan_part_slice(s, at, &i, &p, w)) return 0;
  if (value_word_is(s, i, "night") && value_sign_is(s, i + 1, '-') && value_word_is(s, i + 2, "time")) {
    part = VALUE_P_NIGHT;
    i += 2;
  } else if (!value_is(s, i, VALUE_W_PART, &part)) {
    return 0;
  }
  if (!s->loose && !part_is_meant(s, i, part, p.opened)) return 0;
  return finish_part(s, i + 1, part, &p, w);
}
