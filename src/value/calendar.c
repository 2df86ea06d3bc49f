/* The proleptic Gregorian calendar: days since 1970-01-01 and back, month lengths, adding a duration.
 * Day counts follow the usual era arithmetic (400 years = 146097 days, years beginning in March). */
#include "value/internal.h"

enum { DAYS_PER_ERA = 146097, EPOCH_SHIFT = 719468 /* 0000-03-01 to 1970-01-01 */, DAY_SECONDS = 86400 };
static const int64_t FIRST_DAY = -719162, LAST_DAY = 2932896; /* 0001-01-01, 9999-12-31 */

int64_t value_days_from_civil(value_date d) {
  int64_t year = d.year - (d.month <= 2);
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  int64_t of_era = year - era * 400;
  int64_t of_year = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;
  return era * DAYS_PER_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_SHIFT;
}

/* Days outside year 1..9999 clamp to the first or last day there is. */
value_date value_civil_from_days(int64_t days) {
  if (days < FIRST_DAY) days = FIRST_DAY;
  if (days > LAST_DAY) days = LAST_DAY;
  int64_t z = days + EPOCH_SHIFT;
  int64_t era = (z >= 0 ? z : z - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
  int64_t of_era = z - era * DAYS_PER_ERA;
  int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t month_index = (5 * of_year + 2) / 153;
  int month = (int)(month_index < 10 ? month_index + 3 : month_index - 9);
  return (value_date){(int)(year_of_era + era * 400) + (month <= 2), month,
                      (int)(of_year - (153 * month_index + 2) / 5 + 1)};
}

int value_weekday(value_date d) {
  int64_t days = value_days_from_civil(d) + 3; /* 1970-01-01 was a Thursday */
  return (int)((days % 7 + 7) % 7);
}

int value_days_in_month(int year, int month) {
  static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12) return 0;
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return days[month - 1] + (month == 2 && leap);
}

bool value_date_exists(value_date d) {
  return d.year >= 1 && d.year <= 9999 && d.day >= 1 && d.day <= value_days_in_month(d.year, d.month);
}

value_datetime value_at(int64_t days, int seconds) {
  int64_t extra = seconds / DAY_SECONDS;
  int64_t rest = seconds % DAY_SECONDS;
  if (rest < 0) {
    rest += DAY_SECONDS;
    extra--;
  }
  return (value_datetime){.date = value_civil_from_days(days + extra),
                          .time = {(int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60)},
                          .has_date = true,
                          .has_time = true};
}

static int64_t clamp(int64_t v, int64_t bound) {
  return v > bound ? bound : v < -bound ? -bound : v;
}

value_datetime value_add(value_datetime t, value_duration d) {
  /* more than all the seconds there are between year 1 and 9999 */
  const int64_t far = INT64_C(4000000000000);
  if (!t.has_date) t.date = (value_date){1970, 1, 1};
  int64_t months = (int64_t)t.date.year * 12 + t.date.month - 1 + clamp(d.months, 12 * 10000);
  int64_t year = months >= 0 ? months / 12 : -1;
  value_date date = {(int)year, (int)(months >= 0 ? months % 12 : 0) + 1, t.date.day};
  if (year < 1) date = (value_date){1, 1, 1};
  if (year > 9999) date = (value_date){9999, 12, 31};
  int last = value_days_in_month(date.year, date.month);
  if (date.day > last) date.day = last;
  int64_t seconds = clamp(d.seconds, far);
  if (t.has_time) seconds += t.time.hour * 3600 + t.time.minute * 60 + t.time.second;
  int64_t days = value_days_from_civil(date) + clamp(d.days, far) + seconds / DAY_SECONDS;
  seconds %= DAY_SECONDS;
  value_datetime out = value_at(days, (int)seconds);
  out.has_date = t.has_date;
  out.has_time = t.has_time || d.seconds != 0;
  if (!out.has_time) out.time = (value_time){0, 0, 0};
  return out;
}

static int compare_int(int64_t a, int64_t b) {
  return a < b ? -1 : a > b;
}

/* Which one of its kind a day is in its month, counted from 1, or from the end as -1. */
static bool is_nth(value_date d, int nth, int step) {
  int from_end = value_days_in_month(d.year, d.month) - d.day;
  return nth == 0 || (nth > 0 ? (d.day - 1) / step + 1 == nth : from_end / step + 1 == -nth);
}

static bool is_day_of(const value_recurrence *v, value_date d) {
  bool weekday = v->weekdays == 0 || (v->weekdays >> value_weekday(d) & 1) != 0;
  return weekday && is_nth(d, v->week_of_month, 7) && is_nth(d, v->month_day, 1);
}

value_datetime value_first_of(const value_recurrence *v, value_datetime t) {
  enum { FIVE_YEARS = 5 * 366 };
  int64_t day = value_days_from_civil(t.date);
  for (int64_t i = 0; i < FIVE_YEARS; i++) {
    value_date date = value_civil_from_days(day + i);
    if (!is_day_of(v, date)) continue;
    t.date = date;
    break;
  }
  return t;
}

int value_compare(const value_datetime *a, const value_datetime *b) {
  int order = compare_int(value_days_from_civil(a->date), value_days_from_civil(b->date));
  if (order != 0) return order;
  return compare_int(a->time.hour * 3600 + a->time.minute * 60 + a->time.second,
                     b->time.hour * 3600 + b->time.minute * 60 + b->time.second);
}

int64_t value_today(const value_scan *s) {
  return s->cx == NULL ? 0 : value_days_from_civil(s->cx->now.date);
}
