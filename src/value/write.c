/* Values to text: the one canonical form (ISO 8601, RFC 5545, plain decimals) with its strict inverse. */
#include "value/internal.h"

#include <inttypes.h>
#include <string.h>

void value_write_decimal(value_decimal v, char *out) {
  uint64_t digits = v.digits < 0 ? (uint64_t)0 - (uint64_t)v.digits : (uint64_t)v.digits;
  int scale = v.scale < 0 ? 0 : v.scale > 18 ? 18 : v.scale;
  uint64_t power = (uint64_t)value_pow10(scale);
  const char *sign = v.digits < 0 ? "-" : "";
  if (scale == 0)
    base_format(out, VALUE_TEXT_BOUND, "%s%" PRIu64, sign, digits);
  else
    base_format(out, VALUE_TEXT_BOUND, "%s%" PRIu64 ".%0*" PRIu64, sign, digits / power, scale, digits % power);
}

void value_write_datetime(const value_datetime *v, char *out) {
  const value_date *d = &v->date;
  const value_time *t = &v->time;
  if (v->has_date && v->has_time)
    base_format(out, VALUE_TEXT_BOUND, "%04d-%02d-%02dT%02d:%02d:%02d", d->year, d->month, d->day, t->hour,
                t->minute, t->second);
  else if (v->has_date)
    base_format(out, VALUE_TEXT_BOUND, "%04d-%02d-%02d", d->year, d->month, d->day);
  else if (v->has_time)
    base_format(out, VALUE_TEXT_BOUND, "%02d:%02d:%02d", t->hour, t->minute, t->second);
  else
    out[0] = '\0';
}

/* Appends "12H"; nothing for zero. */
static size_t put_part(char *out, size_t at, int64_t v, char letter) {
  if (v == 0) return at;
  base_format(out + at, VALUE_TEXT_BOUND - at, "%" PRId64 "%c", v, letter);
  return at + strlen(out + at);
}

void value_write_duration(value_duration v, char *out) {
  bool negative = v.months <= 0 && v.days <= 0 && v.seconds <= 0 &&
                  (v.months < 0 || v.days < 0 || v.seconds < 0) && v.months > INT64_MIN && v.days > INT64_MIN &&
                  v.seconds > INT64_MIN;
  size_t at = 0;
  if (negative) {
    out[at++] = '-';
    v = (value_duration){-v.months, -v.days, -v.seconds};
  }
  out[at++] = 'P';
  out[at] = '\0';
  size_t start = at;
  at = put_part(out, at, v.months / 12, 'Y');
  at = put_part(out, at, v.months % 12, 'M');
  at = put_part(out, at, v.days, 'D');
  if (v.seconds != 0 || at == start) {
    out[at++] = 'T';
    out[at] = '\0';
    size_t time = at;
    at = put_part(out, at, v.seconds / 3600, 'H');
    at = put_part(out, at, v.seconds / 60 % 60, 'M');
    at = put_part(out, at, v.seconds % 60, 'S');
    if (at == time) base_format(out + at, VALUE_TEXT_BOUND - at, "0S");
  }
}

static const char *const freq_names[] = {"", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"};
static const char *const day_codes[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};

void value_write_recurrence(const value_recurrence *v, char *out) {
  base_format(out, VALUE_TEXT_BOUND, "FREQ=%s", v->freq <= VALUE_YEARLY ? freq_names[v->freq] : "");
  size_t at = strlen(out);
  if (v->interval > 1) {
    base_format(out + at, VALUE_TEXT_BOUND - at, ";INTERVAL=%d", v->interval);
    at += strlen(out + at);
  }
  bool first = true;
  for (int d = 0; d < 7; d++) {
    if ((v->weekdays >> d & 1) == 0) continue;
    base_format(out + at, VALUE_TEXT_BOUND - at, "%s", first ? ";BYDAY=" : ",");
    at += strlen(out + at);
    if (v->week_of_month != 0) base_format(out + at, VALUE_TEXT_BOUND - at, "%d", v->week_of_month);
    at += strlen(out + at);
    base_format(out + at, VALUE_TEXT_BOUND - at, "%s", day_codes[d]);
    at += strlen(out + at);
    first = false;
  }
  if (v->month_day != 0) base_format(out + at, VALUE_TEXT_BOUND - at, ";BYMONTHDAY=%d", v->month_day);
  at += strlen(out + at);
  if (v->has_at)
    base_format(out + at, VALUE_TEXT_BOUND - at, ";BYHOUR=%d;BYMINUTE=%d", v->at.hour, v->at.minute);
}

void value_write_money(const value_money *v, char *out) {
  int digits = value_currency_digits(v->currency);
  uint64_t minor = v->minor < 0 ? (uint64_t)0 - (uint64_t)v->minor : (uint64_t)v->minor;
  uint64_t power = (uint64_t)value_pow10(digits < 0 ? 0 : digits);
  const char *sign = v->minor < 0 ? "-" : "";
  if (digits <= 0)
    base_format(out, VALUE_TEXT_BOUND, "%.3s %s%" PRIu64, v->currency, sign, minor);
  else
    base_format(out, VALUE_TEXT_BOUND, "%.3s %s%" PRIu64 ".%0*" PRIu64, v->currency, sign, minor / power,
                digits, minor % power);
}

/* ---- back ---- */

/* Exactly `count` digits at *at. */
static bool take_digits(base_slice s, size_t *at, int count, int *out) {
  int v = 0;
  if (*at + (size_t)count > s.len) return false;
  for (int i = 0; i < count; i++) {
    char c = s.ptr[*at + (size_t)i];
    if (c < '0' || c > '9') return false;
    v = v * 10 + (c - '0');
  }
  *at += (size_t)count;
  *out = v;
  return true;
}

static bool take_char(base_slice s, size_t *at, char c) {
  if (*at >= s.len || s.ptr[*at] != c) return false;
  (*at)++;
  return true;
}

/* hh:mm or hh:mm:ss */
static bool take_time(base_slice s, size_t *at, value_time *t) {
  if (!take_digits(s, at, 2, &t->hour) || !take_char(s, at, ':') || !take_digits(s, at, 2, &t->minute))
    return false;
  t->second = 0;
  if (take_char(s, at, ':') && !take_digits(s, at, 2, &t->second)) return false;
  return t->hour < 24 && t->minute < 60 && t->second < 60;
}

base_status value_parse_datetime(base_slice iso, value_datetime *out, base_error *err) {
  size_t at = 0;
  value_datetime v = {0};
  bool ok = false;
  if (iso.len >= 3 && iso.ptr[2] == ':') {
    ok = take_time(iso, &at, &v.time);
    v.has_time = true;
  } else if (take_digits(iso, &at, 4, &v.date.year) && take_char(iso, &at, '-') &&
             take_digits(iso, &at, 2, &v.date.month) && take_char(iso, &at, '-') &&
             take_digits(iso, &at, 2, &v.date.day) && value_date_exists(v.date)) {
    v.has_date = ok = true;
    if (take_char(iso, &at, 'T') || take_char(iso, &at, ' ')) v.has_time = ok = take_time(iso, &at, &v.time);
  }
  if (!ok || at != iso.len) return value_refuse(iso, "an ISO 8601 date or time like 2026-11-22T07:00:00", err);
  *out = v;
  return BASE_OK;
}

/* One number and its letter out of `letters`, from *from on; false when there is none. */
static bool take_part(base_slice s, size_t *at, const char *letters, size_t *from, int64_t *v, char *letter) {
  size_t i = *at;
  *v = 0;
  while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9')
    if (__builtin_mul_overflow(*v, 10, v) || __builtin_add_overflow(*v, s.ptr[i++] - '0', v)) return false;
  if (i == *at || i >= s.len || s.ptr[i] == '\0') return false;
  const char *found = strchr(letters + *from, s.ptr[i]);
  if (found == NULL) return false;
  *from = (size_t)(found - letters) + 1;
  *letter = *found;
  *at = i + 1;
  return true;
}

static bool add_part(int64_t v, int64_t factor, int64_t *sum) {
  int64_t product = 0;
  return !__builtin_mul_overflow(v, factor, &product) && !__builtin_add_overflow(*sum, product, sum);
}

base_status value_parse_duration(base_slice iso, value_duration *out, base_error *err) {
  size_t at = 0, from = 0, parts = 0;
  int64_t v = 0;
  char letter = 0;
  value_duration d = {0, 0, 0};
  bool negative = take_char(iso, &at, '-'), ok = take_char(iso, &at, 'P');
  while (ok && take_part(iso, &at, "YMWD", &from, &v, &letter)) {
    parts++;
    ok = letter == 'Y'   ? add_part(v, 12, &d.months)
         : letter == 'M' ? add_part(v, 1, &d.months)
         : letter == 'W' ? add_part(v, 7, &d.days)
                         : add_part(v, 1, &d.days);
  }
  if (ok && take_char(iso, &at, 'T')) {
    size_t before = parts;
    from = 0;
    while (ok && take_part(iso, &at, "HMS", &from, &v, &letter)) {
      parts++;
      ok = add_part(v, letter == 'H' ? 3600 : letter == 'M' ? 60 : 1, &d.seconds);
    }
    if (parts == before) ok = false;
  }
  if (!ok || parts == 0 || at != iso.len) return value_refuse(iso, "an ISO 8601 duration like PT1H30M", err);
  *out = negative ? (value_duration){-d.months, -d.days, -d.seconds} : d;
  return BASE_OK;
}

static int index_of(base_slice word, const char *const *names, int n) {
  int i = n - 1;
  while (i >= 0 && !base_slice_equal(word, base_slice_of(names[i]))) i--;
  return i;
}

static bool read_number(base_slice s, int low, int high, int *out) {
  int64_t n;
  if (!base_parse_int(s, &n) || n < low || n > high) return false;
  *out = (int)n;
  return true;
}

/* "FR", "-1FR"; the days of one rule are in one week. */
static bool read_day(base_slice s, value_recurrence *out) {
  size_t code = s.len < 2 ? 0 : s.len - 2;
  int day = index_of(base_slice_sub(s, code, s.len), day_codes, 7), week = 0;
  if (day < 0 || (code > 0 && (!read_number(base_slice_sub(s, 0, code), -1, 5, &week) || week == 0))) return false;
  if (out->weekdays != 0 && week != out->week_of_month) return false;
  out->weekdays |= (uint8_t)(1u << day);
  out->week_of_month = week;
  return true;
}

static bool read_days(base_slice s, value_recurrence *out) {
  base_slice day;
  while (base_slice_split(&s, ',', &day))
    if (!read_day(day, out)) return false;
  return out->weekdays != 0;
}

typedef enum rule_part { FREQ, INTERVAL, BYDAY, BYMONTHDAY, BYHOUR, BYMINUTE, RULE_PARTS } rule_part;
static const char *const part_names[] = {"FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "BYHOUR", "BYMINUTE"};

static bool read_part(rule_part part, base_slice value, value_recurrence *out) {
  int freq;
  switch (part) {
    case FREQ:
      freq = index_of(value, freq_names, VALUE_YEARLY + 1);
      out->freq = freq > 0 ? (value_freq)freq : VALUE_FREQ_NONE;
      return freq > 0;
    case INTERVAL: return read_number(value, 1, 9999, &out->interval);
    case BYDAY: return read_days(value, out);
    case BYMONTHDAY: return read_number(value, -1, 31, &out->month_day) && out->month_day != 0;
    case BYHOUR: return out->has_at = read_number(value, 0, 23, &out->at.hour);
    case BYMINUTE: return read_number(value, 0, 59, &out->at.minute);
    default: return false;
  }
}

base_status value_parse_recurrence(base_slice rule, value_recurrence *out, base_error *err) {
  value_recurrence v = {.interval = 1};
  base_slice rest = rule, value, name;
  unsigned seen = 0;
  bool ok = true;
  while (ok && base_slice_split(&rest, ';', &value)) {
    int part = base_slice_split(&value, '=', &name) ? index_of(name, part_names, RULE_PARTS) : -1;
    ok = part >= 0 && (seen >> part & 1) == 0 && read_part((rule_part)part, value, &v);
    if (ok) seen |= 1u << part;
  }
  if (!ok || v.freq == VALUE_FREQ_NONE || (!v.has_at && (seen >> BYMINUTE & 1)))
    return value_refuse(rule, "a recurrence like FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", err);
  *out = v;
  return BASE_OK;
}
