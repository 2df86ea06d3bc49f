/* Stretches of time that only a slot has, because running text means other things by the words: "later",
 * "overnight", "so far this month", "saturday and sunday", "the rest of the evening". Days the stretch names
 * belong to it; what is cut off by now has a time of day at both ends. */
#include "value/internal.h"

enum { NIGHT_FROM = 20 * 3600, NIGHT_TO = 32 * 3600, DAYS_LISTED = 7 };

static value_datetime on_day(int64_t day) {
  return (value_datetime){.date = value_civil_from_days(day), .has_date = true};
}

static bool set_span(value_interval *out, value_datetime from, value_datetime to) {
  from.has_time = to.has_time = true;
  *out = (value_interval){.start = from, .end = to, .has_start = true, .has_end = true};
  return value_compare(&from, &to) < 0;
}

/* "earlier today", "later", "later on today". */
static size_t scan_side_of_now(const value_scan *s, size_t at, value_interval *out) {
  int days = 0;
  bool later = value_word_is(s, at, "later");
  if (!later && !value_word_is(s, at, "earlier")) return 0;
  size_t i = value_word_is(s, at + 1, "on") ? at + 2 : at + 1;
  if (value_is(s, i, VALUE_W_RELDAY, &days) && days == 0) i++;
  int64_t today = value_today(s);
  if (later) return set_span(out, s->cx->now, value_at(today + 1, 0)) ? i : 0;
  return set_span(out, value_at(today, 0), s->cx->now) ? i : 0;
}

/* Behind "so far" and the like; at when they are not there. */
static size_t skip_so_far(const value_scan *s, size_t at) {
  static const char *const words[] = {"so far",    "up to now", "up until now",
                                      "until now", "to date",   "as of now"};
  for (size_t k = 0; k < sizeof words / sizeof words[0]; k++) {
    size_t i = value_match(s, at, words[k]);
    if (i > 0) return i;
  }
  return at;
}

/* The week, month, quarter or year now lies in. */
static bool this_unit_of(const value_scan *s, int unit, value_period *out) {
  static const char *const current[VALUE_U_CENTURY + 1] = {[VALUE_U_WEEK] = "this week",
                                                           [VALUE_U_MONTH] = "this month",
                                                           [VALUE_U_QUARTER] = "this quarter",
                                                           [VALUE_U_YEAR] = "this year"};
  value_token tok[2];
  if (current[unit] == NULL) return false;
  value_scan words = {.text = base_slice_of(current[unit]), .tok = tok, .loose = true, .cx = s->cx};
  words.n = value_scan_text(words.text, true, tok, 2);
  return value_scan_period(&words, 0, out) == words.n;
}

/* "so far this month", "this year so far", "year to date": from its first day until now. */
static size_t scan_so_far(const value_scan *s, size_t at, value_interval *out) {
  value_period period = {0};
  int days = 0, unit = 0;
  size_t i = skip_so_far(s, at), end = 0;
  bool said = i > at;
  if (value_word_is(s, i, "in")) i++;
  if (value_is(s, i, VALUE_W_RELDAY, &days) && days == 0) {
    end = i + 1;
    period.span.start = on_day(value_today(s));
  } else if (!said && value_is(s, i, VALUE_W_TIMEUNIT, &unit) && value_match(s, i + 1, "to date") > 0) {
    if (!this_unit_of(s, unit, &period)) return 0;
    end = i + 1;
  } else {
    end = value_scan_period(s, i, &period);
  }
  if (end == 0 || period.span.start.has_time) return 0;
  if (!said) {
    size_t behind = skip_so_far(s, end);
    if (behind == end) return 0;
    end = behind;
  }
  return set_span(out, value_at(value_days_from_civil(period.span.start.date), 0), s->cx->now) ? end : 0;
}

/* The night people mean by "overnight": the one at hand, to come, or just over. */
static int64_t this_night(const value_scan *s) {
  int64_t today = value_today(s);
  int hour = s->cx->now.time.hour;
  if (s->cx->resolve == VALUE_PAST) return today - 1;
  return hour < (s->cx->resolve == VALUE_FUTURE ? 8 : 12) ? today - 1 : today;
}

/* "overnight", "overnight tomorrow", "friday overnight": eight in the evening to eight in the morning. */
static size_t scan_overnight(const value_scan *s, size_t at, value_interval *out) {
  value_when w = {0};
  size_t i = at, before = value_scan_when(s, at, &w);
  if (before > 0) i = before;
  if (!value_any(s, i, "overnight")) return 0;
  i++;
  if (before == 0) {
    if (value_any(s, i, "on|from")) i++;
    size_t after = value_scan_when(s, i, &w);
    if (after > 0) i = after;
  }
  int64_t day = 0;
  if ((w.has & (VALUE_H_CLOCK | VALUE_H_MOMENT)) != 0) return 0;
  if (w.has == 0)
    day = this_night(s);
  else if (!value_when_day(&w, s, &day))
    return 0;
  return set_span(out, value_at(day, NIGHT_FROM), value_at(day, NIGHT_TO)) ? i : 0;
}

/* "saturday and sunday", "today, tomorrow and monday": days that follow one another. */
static size_t scan_days(const value_scan *s, size_t at, value_interval *out) {
  int64_t first = 0, day = 0;
  size_t i = at, end = 0;
  int count = 0;
  value_context cx = *s->cx;
  value_scan from = *s;
  from.cx = &cx;
  for (; count < DAYS_LISTED; count++) {
    value_when w = {0};
    size_t next = value_scan_day(&from, i, &w);
    int64_t named = 0;
    if (next == 0 || !value_when_day(&w, &from, &named)) break;
    if (count > 0 && named != day + 1) return 0;
    if (count == 0) first = named;
    day = named;
    end = i = next;
    /* a weekday behind this one is the next such day, whatever now is */
    if (!value_is(s, i + 1, VALUE_W_RELDAY, NULL)) {
      cx.now.date = value_civil_from_days(day);
      cx.resolve = VALUE_FUTURE;
    }
    if (value_sign_is(s, i, ',') || value_sign_is(s, i, '&')) i++;
    if (value_word_is(s, i, "and")) i++;
    if (i == end) {
      count++;
      break;
    }
  }
  if (count < 2) return 0;
  *out = (value_interval){.start = on_day(first), .end = on_day(day + 1), .has_start = true, .has_end = true};
  return end;
}

/* "the rest of the evening", "rest of the night": from now to its end; nothing once that is over. */
static size_t scan_rest(const value_scan *s, size_t at, value_interval *out) {
  int part = 0, from = 0, to = 0, shift = 0;
  size_t i = value_word_is(s, at, "the") ? at + 1 : at;
  if (!value_any(s, i, "rest|remainder") || !value_word_is(s, i + 1, "of")) return 0;
  i += 2;
  if (value_any(s, i, "the|my") || (value_is(s, i, VALUE_W_SHIFT, &shift) && shift == 0)) i++;
  if (!value_is(s, i, VALUE_W_PART, &part)) return 0;
  value_part_span((value_part)part, &from, &to);
  if (to > 16) to = 24; /* an evening lasts as long as people are up */
  return set_span(out, s->cx->now, value_at(value_today(s), to * 3600)) ? i + 1 : 0;
}

/* "midweek", "mid week next week": Wednesday and Thursday. */
static size_t scan_midweek(const value_scan *s, size_t at, value_interval *out) {
  int shift = 0;
  size_t i = at + 1;
  if (value_is(s, at, VALUE_W_SHIFT, &shift)) i++;
  if (value_word_is(s, i - 1, "mid") && value_sign_is(s, i, '-') && value_word_is(s, i + 1, "week"))
    i += 2;
  else if (!value_word_is(s, i - 1, "midweek"))
    return 0;
  if (value_is(s, i, VALUE_W_SHIFT, &shift) && value_word_is(s, i + 1, "week")) i += 2;
  int64_t today = value_today(s), monday = today - value_weekday(s->cx->now.date);
  monday += shift > 0 ? 7 : shift < 0 ? -7 : 0;
  if (shift == 0 && s->cx->resolve == VALUE_FUTURE && monday + 4 <= today) monday += 7;
  if (shift == 0 && s->cx->resolve == VALUE_PAST && monday + 2 > today) monday -= 7;
  *out = (value_interval){
      .start = on_day(monday + 2), .end = on_day(monday + 4), .has_start = true, .has_end = true};
  return i;
}

/* "5 days", "a ten day" (forecast), "two hours": a length alone begins now, or ends now (PAST). */
static size_t scan_length_span(const value_scan *s, size_t at, value_interval *out) {
  value_duration d;
  if (value_any(s, at, "all|the|half|day|week|month|year|hour|weekend")) return 0;
  size_t i = value_scan_duration(s, at, &d);
  if (i != s->n || (d.months == 0 && d.days == 0 && d.seconds == 0)) return 0;
  value_datetime now = d.seconds != 0 ? s->cx->now : on_day(value_today(s));
  value_datetime then =
      value_add(now, s->cx->resolve == VALUE_PAST ? (value_duration){-d.months, -d.days, -d.seconds} : d);
  *out = (value_interval){.start = now, .end = then, .has_start = true, .has_end = true};
  if (s->cx->resolve == VALUE_PAST) out->start = then, out->end = now;
  return value_compare(&out->start, &out->end) < 0 ? i : 0;
}

size_t value_scan_stretch(const value_scan *s, size_t at, value_interval *out) {
  static size_t (*const kinds[])(const value_scan *, size_t, value_interval *) = {
      scan_side_of_now, scan_so_far, scan_overnight, scan_days, scan_rest, scan_midweek, scan_length_span};
  for (size_t k = 0; s->cx != NULL && k < sizeof kinds / sizeof kinds[0]; k++) {
    value_interval trial;
    size_t end = kinds[k](s, at, &trial);
    if (end != s->n) continue;
    *out = trial;
    return end;
  }
  return 0;
}
