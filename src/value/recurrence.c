/* Recurrences: "every other friday", "weekdays at 7", "daily", "on the first of each month", "every 2 hours",
 * "mondays and wednesdays", "once a week", "every last friday of the month". */
#include "value/internal.h"

enum { WEEKDAYS = 0x1F, WEEKEND = 0x60 };

/* "monday, wednesday and friday", "mondays", "mon-fri", "tue/thu": the set of days. *many: a plural was said. */
static size_t scan_weekdays(const value_scan *s, size_t at, uint8_t *set, bool *many) {
  int day = 0, to = 0;
  size_t i = at, end = 0;
  *set = 0;
  for (int k = 0; k < 7; k++) {
    if (!value_is(s, i, VALUE_W_WEEKDAY, &day)) break;
    if (value_is(s, i, VALUE_W_OFTEN, NULL)) *many = true;
    *set = (uint8_t)(*set | 1u << day);
    end = ++i;
    size_t j = value_sign_is(s, i, '-') || value_any(s, i, "to|through|thru") ? i + 1 : i;
    if (j > i && value_is(s, j, VALUE_W_WEEKDAY, &to)) {
      for (int d = day; d != to; d = (d + 1) % 7) *set = (uint8_t)(*set | 1u << d);
      *set = (uint8_t)(*set | 1u << to);
      *many = true;
      return j + 1;
    }
    if (value_sign_is(s, i, ',') || value_sign_is(s, i, '/')) i++;
    if (value_word_is(s, i, "and") || value_sign_is(s, i, '&')) i++;
    if (value_word_is(s, i, "every") && value_is(s, i + 1, VALUE_W_WEEKDAY, NULL)) i++;
    if (i == end && !value_is(s, i, VALUE_W_WEEKDAY, NULL)) break;
  }
  return end;
}

static bool is_one(uint8_t set) {
  return set != 0 && (set & (set - 1)) == 0;
}

static value_freq freq_of_unit(int unit, int *interval) {
  switch (unit) {
  case VALUE_U_MINUTE:
    return VALUE_MINUTELY;
  case VALUE_U_HOUR:
    return VALUE_HOURLY;
  case VALUE_U_DAY:
    return VALUE_DAILY;
  case VALUE_U_WEEK:
    return VALUE_WEEKLY;
  case VALUE_U_FORTNIGHT:
    *interval *= 2;
    return VALUE_WEEKLY;
  case VALUE_U_MONTH:
    return VALUE_MONTHLY;
  case VALUE_U_QUARTER:
    *interval *= 3;
    return VALUE_MONTHLY;
  case VALUE_U_YEAR:
    return VALUE_YEARLY;
  default:
    return VALUE_FREQ_NONE;
  }
}

static size_t scan_month_word(const value_scan *s, size_t at) {
  size_t i = at;
  if (value_any(s, i, "of|in")) i++;
  if (value_is(s, i, VALUE_W_EVERY, NULL) || value_any(s, i, "the|a")) i++;
  return i > at && value_word_is(s, i, "month") ? i + 1 : 0;
}

/* "the first of each month", "last friday of every month", "the 15th of the month" (the last only behind every). */
static size_t scan_monthly(const value_scan *s, size_t at, bool every, value_recurrence *out) {
  int64_t nth = 0;
  uint8_t set = 0;
  bool many = false;
  size_t i = value_word_is(s, at, "on") ? at + 1 : at;
  if (value_word_is(s, i, "the")) i++;
  i = value_scan_ordinal(s, i, &nth);
  if (i == 0 || nth < -1 || nth == 0 || nth > 31) return 0;
  size_t j = scan_weekdays(s, i, &set, &many);
  bool day = j == 0 && value_word_is(s, i, "day");
  if (j == 0) j = day ? i + 1 : i;
  size_t end = scan_month_word(s, j);
  bool repeated =
      every || (end > 0 && (value_is(s, end - 2, VALUE_W_EVERY, NULL) || value_word_is(s, end - 2, "a")));
  /* "every 15th" */
  if (end == 0 && every && set == 0 && nth > 0 && !day && !value_is(s, j, VALUE_W_TIMEUNIT, NULL)) end = j;
  if (end == 0 || !repeated || (set != 0 && (nth > 5 || !is_one(set)))) return 0;
  out->freq = VALUE_MONTHLY;
  out->interval = 1;
  if (set != 0) {
    out->weekdays = set;
    out->week_of_month = (int)nth;
  } else {
    out->month_day = (int)nth;
  }
  return end;
}

static size_t scan_part_often(const value_scan *s, size_t at, value_recurrence *out);

/* "every half hour", "every quarter of an hour": what a number and a unit do not say. */
static size_t scan_part_of_hour(const value_scan *s, size_t at, value_recurrence *out) {
  static const struct {
    const char *phrase;
    int minutes;
  } parts[] = {{"half hour", 30},
               {"half an hour", 30},
               {"quarter hour", 15},
               {"quarter of an hour", 15},
               {"quarter of the hour", 15}};
  for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
    size_t next = value_match(s, at, parts[k].phrase);
    if (next == 0 || (k > 0 && !s->loose)) continue;
    out->freq = VALUE_MINUTELY;
    out->interval = parts[k].minutes;
    return next;
  }
  return 0;
}

/* "other", "2", "third", "couple of": where it ends; `at` and 1 when nothing of that kind stands there. */
static size_t scan_interval_count(const value_scan *s, size_t at, value_ratio *count) {
  int64_t nth = 0;
  *count = (value_ratio){1, 1};
  if (value_any(s, at, "other|second|alternate")) {
    count->num = 2;
    return at + 1;
  }
  bool quarter = value_word_is(s, at, "quarter");
  size_t end = quarter ? 0 : value_scan_ordinal(s, at, &nth);
  if (end > 0) {
    count->num = nth;
    return end;
  }
  if (!quarter) end = value_scan_number(s, at, count);
  if (end > 0) return end;
  if (!value_word_is(s, at, "couple")) return at;
  count->num = 2;
  return at + (value_word_is(s, at + 1, "of") ? 2 : 1);
}

/* "weekday", "work day", "business days": where it ends, or 0. */
static size_t scan_workday(const value_scan *s, size_t at) {
  if (value_any(s, at, "weekday|weekdays")) return at + 1;
  bool work = value_any(s, at, "work|business|week") || (s->loose && value_any(s, at, "working|school"));
  return work && value_any(s, at + 1, "day|days") ? at + 2 : 0;
}

/* "every morning", "every 7 o'clock": a day's time; a clock is left for scan_at, which also reads "morning at 6". */
static size_t scan_daily(const value_scan *s, size_t at, value_recurrence *out) {
  int part = 0;
  bool said = value_is(s, at, VALUE_W_PART, &part) && part != VALUE_P_TONIGHT;
  if (!said && !value_is(s, at, VALUE_W_CLOCK, NULL)) return 0;
  out->freq = VALUE_DAILY;
  out->interval = 1;
  if (!said || value_any(s, at + 1, "at|around")) return at;
  out->has_at = true;
  out->at = (value_time){value_part_hour((value_part)part), 0, 0};
  return at + 1;
}

static size_t set_weekly(value_recurrence *out, int interval, uint8_t weekdays, size_t end) {
  out->freq = VALUE_WEEKLY;
  out->interval = interval;
  out->weekdays = weekdays;
  return end;
}

/* What stands behind "every": "other friday", "2 weeks", "third day", "weekday", "morning". */
static size_t scan_every(const value_scan *s, size_t at, value_recurrence *out) {
  int unit = 0;
  bool many = false;
  uint8_t set = 0;
  value_ratio count;
  size_t end = scan_monthly(s, at, true, out);
  if (end > 0) return end;
  size_t i = value_word_is(s, at, "single") ? at + 1 : at;
  end = scan_part_of_hour(s, i, out);
  if (end > 0) return end;
  i = scan_interval_count(s, i, &count);
  if (count.den != 1 || count.num < 1 || count.num > 1000) return 0;
  int interval = (int)count.num;
  end = scan_weekdays(s, i, &set, &many);
  if (end > 0) return set_weekly(out, interval, set, end);
  if (s->loose && value_any(s, i, "weeknight|weeknights")) return scan_part_often(s, i, out);
  end = scan_workday(s, i);
  if (end > 0) return set_weekly(out, 1, WEEKDAYS, end);
  end = interval == 1 ? scan_daily(s, i, out) : 0;
  if (end > 0) return end;
  if (!value_is(s, i, VALUE_W_TIMEUNIT, &unit)) return 0;
  if (unit == VALUE_U_WEEKEND) return set_weekly(out, interval, WEEKEND, i + 1);
  out->freq = freq_of_unit(unit, &interval);
  out->interval = interval;
  return out->freq != VALUE_FREQ_NONE ? i + 1 : 0;
}

/* "weekdays", "all weekends", "school days". */
static size_t scan_days_alone(const value_scan *s, size_t at, value_recurrence *out) {
  if (value_word_is(s, at, "weekdays") || (s->loose && value_word_is(s, at, "weekday")))
    return set_weekly(out, 1, WEEKDAYS, at + 1);
  if (value_word_is(s, at, "weekends") || (s->loose && value_word_is(s, at, "weekend")))
    return set_weekly(out, 1, WEEKEND, at + 1);
  if (value_any(s, at, "all|any") && value_any(s, at + 1, "weekends|weekend"))
    return set_weekly(out, 1, WEEKEND, at + 2);
  if (s->loose && value_any(s, at, "working|school|business|work") && value_word_is(s, at + 1, "days"))
    return set_weekly(out, 1, WEEKDAYS, at + 2);
  return 0;
}

/* "semi-annually", "bi-weekly". */
static size_t scan_hyphened(const value_scan *s, size_t at, value_recurrence *out) {
  if (!value_sign_is(s, at + 1, '-')) return 0;
  if (value_word_is(s, at, "semi") && value_any(s, at + 2, "annually|annual")) {
    *out = (value_recurrence){.freq = VALUE_MONTHLY, .interval = 6};
    return at + 3;
  }
  if (!s->loose || !value_word_is(s, at, "bi") || !value_any(s, at + 2, "weekly|monthly")) return 0;
  value_freq freq = value_word_is(s, at + 2, "weekly") ? VALUE_WEEKLY : VALUE_MONTHLY;
  *out = (value_recurrence){.freq = freq, .interval = 2};
  return at + 3;
}

/* "daily", "weekdays", "weekly", "mondays", "once a week"; "twice ..." is no recurrence that can be held. */
static size_t scan_often(const value_scan *s, size_t at, value_recurrence *out) {
  int code = 0, unit = 0, interval = 1;
  bool many = false;
  uint8_t set = 0;
  size_t end = scan_days_alone(s, at, out);
  if (end == 0) end = scan_hyphened(s, at, out);
  if (end > 0) return end;
  bool alternate = s->loose && value_word_is(s, at, "alternate");
  end = scan_weekdays(s, at + alternate, &set, &many);
  /* a slot for repeats: "my monday alarm" */
  if (end > 0 && (alternate || many || s->loose)) return set_weekly(out, alternate ? 2 : 1, set, end);
  if (value_is(s, at, VALUE_W_OFTEN, &code)) {
    *out = (value_recurrence){.freq = (value_freq)(code % 16), .interval = code / 16};
    return at + 1;
  }
  if (value_word_is(s, at, "once") && value_any(s, at + 1, "a|per|every") &&
      value_is(s, at + 2, VALUE_W_TIMEUNIT, &unit)) {
    out->freq = freq_of_unit(unit, &interval);
    out->interval = interval;
    return out->freq != VALUE_FREQ_NONE ? at + 3 : 0;
  }
  return value_word_is(s, at, "every") ? 0 : scan_monthly(s, at, false, out);
}

/* A time behind or before: "at 7", "in the morning", "3pm each day", and days behind "every week on monday". */
static size_t scan_at(const value_scan *s, size_t at, value_recurrence *out) {
  value_when w = {0};
  size_t i = at;
  if (value_any(s, i, "at|around") || value_sign_is(s, i, ',') || value_sign_is(s, i, '@')) i++;
  value_scan as_slot = *s;
  int part_ahead = 0; /* "weekday morning at 6" */
  if (value_is(s, at, VALUE_W_PART, &part_ahead) && (value_any(s, at + 1, "at|around"))) {
    w.has = VALUE_H_PART;
    w.part = (value_part)part_ahead;
    i = at + 2;
  }
  as_slot.loose = s->loose || i > at;
  size_t end = value_scan_clock(&as_slot, i, &w);
  size_t part = value_scan_part(s, end > 0 ? end : at, &w);
  if (end == 0 && part == 0) return at;
  if (end > 0 && !s->loose && as_slot.loose && s->tok[i].kind == VALUE_T_DIGITS && s->tok[i].len > 2) return at;
  if (end == 0 && (w.has & VALUE_H_DATE) != 0) return at;
  out->has_at = true;
  if (end == 0) {
    out->at = (value_time){value_part_hour(w.part), 0, 0};
    return part;
  }
  value_datetime noon = {.date = {2000, 1, 1}, .time = {0, 0, 0}, .has_date = true, .has_time = true};
  value_context cx = {.now = noon, .resolve = VALUE_FUTURE, .morning = true};
  value_scan timed = as_slot;
  timed.cx = &cx;
  value_datetime t;
  w.has &= ~(unsigned)VALUE_H_DATE;
  if (!value_when_settle(&w, &timed, &t)) return at;
  out->at = t.time;
  /* an open hour: 7-11 in the morning, noon, 1-6 in the afternoon, unless alarms are asked for */
  bool early = s->cx != NULL && s->cx->morning;
  if (w.meridiem == 0 && (w.has & VALUE_H_PART) == 0 && !early && t.time.hour < 6)
    out->at.hour = t.time.hour == 0 ? 12 : t.time.hour + 12;
  if (w.meridiem == 0 && (w.has & VALUE_H_PART) == 0 && t.time.hour == 0) out->at.hour = 12;
  return part > 0 ? part : end;
}

/* "mornings", "in the evenings", "at nights": daily; "weeknights": Monday to Friday. Only in a slot. */
static size_t scan_part_often(const value_scan *s, size_t at, value_recurrence *out) {
  int part = 0;
  size_t i = value_any(s, at, "in|at") ? at + 1 : at;
  if (value_word_is(s, i, "the")) i++;
  if (!s->loose) return 0;
  bool weeknight = value_any(s, i, "weeknight|weeknights|weekday|weekdays");
  const value_token *word = i < s->n ? &s->tok[i] : NULL;
  bool plural = value_is(s, i, VALUE_W_PART, &part) && word->len > 5 &&
                (s->text.ptr[word->start + word->len - 1] | 0x20) == 's';
  if (value_any(s, i, "weekday|weekdays")) { /* "weekday mornings" */
    if (!value_is(s, i + 1, VALUE_W_PART, &part)) return 0;
    i++;
  }
  if (!weeknight && !plural) return 0;
  if (value_any(s, i, "weeknight|weeknights")) part = VALUE_P_NIGHT;
  *out = (value_recurrence){.freq = weeknight ? VALUE_WEEKLY : VALUE_DAILY,
                            .interval = 1,
                            .weekdays = weeknight ? WEEKDAYS : 0,
                            .has_at = true};
  out->at = (value_time){value_part_hour((value_part)part), 0, 0};
  return value_any(s, i + 1, "at|around") && value_is(s, i, VALUE_W_PART, NULL) ? 0 : i + 1;
}

/* Behind "every day": "except sunday", "but not on weekends", "of the week"; at when there is none. */
static size_t scan_except(const value_scan *s, size_t at, value_recurrence *out) {
  uint8_t set = 0;
  bool many = false;
  size_t i = value_match(s, at, "of the week");
  if (i > 0) return i;
  if (!value_any(s, at, "except|excluding|but|bar")) return at;
  i = at + 1;
  if (value_any(s, i, "not|for")) i++;
  if (value_any(s, i, "on|for|the")) i++;
  size_t end = scan_weekdays(s, i, &set, &many);
  if (end == 0 && value_any(s, i, "weekend|weekends")) set = WEEKEND, end = i + 1;
  if (end == 0 || set == 0x7F) return at;
  out->freq = VALUE_WEEKLY;
  out->weekdays = (uint8_t)(0x7F & ~set);
  return end;
}

static size_t scan_core(const value_scan *s, size_t at, value_recurrence *out) {
  size_t i = at;
  size_t end = scan_part_often(s, i, out);
  if (end > 0) return end;
  if (s->loose && value_any(s, i, "just|only|once") && i + 2 < s->n && !value_any(s, i + 1, "a|per"))
    i++;
  else if (s->loose && value_any(s, i, "just|only") && i + 2 == s->n)
    i++;
  if (s->loose && value_match(s, i, "each and every") > 0)
    i += 2;
  else if (s->loose && value_word_is(s, i, "all") && value_is(s, i + 1, VALUE_W_WEEKDAY, NULL))
    i++;
  if (s->loose && value_word_is(s, i, "any") && value_is(s, i + 1, VALUE_W_TIMEUNIT, NULL))
    end = scan_every(s, i + 1, out);
  else if (value_is(s, i, VALUE_W_EVERY, NULL))
    end = scan_every(s, i + 1, out);
  else
    end = scan_often(s, i, out);
  if (end > 0 && s->loose && out->freq == VALUE_DAILY && out->interval == 1) end = scan_except(s, end, out);
  return end;
}

/* Behind "weekly", "every month": "on mondays", "on the 3rd", "on the first friday". Where it ends, or `end`. */
static size_t scan_on_days(const value_scan *s, size_t end, value_recurrence *r) {
  uint8_t set = 0;
  bool many = false;
  int64_t nth = 0;
  size_t on = value_word_is(s, end, "on") ? end + 1 : end;
  if (r->freq == VALUE_WEEKLY && r->weekdays == 0) {
    size_t days = scan_weekdays(s, on, &set, &many);
    if (days == 0) return end;
    r->weekdays = set;
    return days;
  }
  if (r->freq != VALUE_MONTHLY || r->month_day != 0 || r->week_of_month != 0 || on == end) return end;
  size_t day = value_scan_ordinal(s, value_word_is(s, on, "the") ? on + 1 : on, &nth);
  if (day == 0 || nth < -1 || nth > 31) return end;
  size_t weekday = nth <= 5 ? scan_weekdays(s, day, &set, &many) : 0;
  if (weekday > 0) {
    r->weekdays = set;
    r->week_of_month = (int)nth;
    return weekday;
  }
  r->month_day = (int)nth;
  return value_word_is(s, day, "day") ? day + 1 : day;
}

/* "3pm each day": the time stands first. 0 when it does not. */
static size_t scan_timed(const value_scan *s, size_t at, value_recurrence *out) {
  value_recurrence timed = {0}, r = {0};
  size_t clock = scan_at(s, at, &timed);
  if (clock == at) return 0;
  size_t end = scan_core(s, value_word_is(s, clock, "on") ? clock + 1 : clock, &r);
  if (end == 0) return 0;
  r.has_at = true;
  r.at = timed.at;
  *out = r;
  return end;
}

size_t value_scan_recurrence(const value_scan *s, size_t at, value_recurrence *out) {
  value_recurrence r = {0};
  size_t end = scan_timed(s, at, out);
  if (end > 0) return end;
  end = scan_core(s, at, &r);
  if (end == 0) return 0;
  for (int k = 0; k < 2; k++) { /* days and a time, in either order */
    end = scan_on_days(s, end, &r);
    if (r.has_at && k > 0) break;
    value_recurrence with = r;
    size_t next = scan_at(s, end, &with);
    if (next > end) {
      r = with;
      end = next;
    }
  }
  *out = r;
  return end;
}

base_status value_read_recurrence(base_slice text, const value_context *cx, value_recurrence *out,
                                  base_error *err) {
  value_reading r;
  base_status status = value_reading_open(&r, text, cx, "a recurrence", err);
  if (status != BASE_OK) return status;
  for (size_t at = r.at + 1; at-- > 0;)
    if (value_scan_recurrence(&r.scan, at, out) == r.scan.n) return BASE_OK;
  bool only = r.scan.n > r.at + 1 && value_word_is(&r.scan, r.scan.n - 1, "only"); /* "weekdays only" */
  if (only) r.scan.n--;
  for (size_t at = r.at + 1; only && at-- > 0;)
    if (value_scan_recurrence(&r.scan, at, out) == r.scan.n) return BASE_OK;
  return value_reading_refuse(&r, "a recurrence", err);
}
