/* Formats of time and of actions: dates and times (RFC 3339), durations, RFC 5545 recurrence rules, what people
 * write. Exact shapes; the calendar is checked, whether an address exists is not. */
#include "constrain/format.h"

#include <string.h>

/* Exactly n digits off the front of *s, with a value in [low, high]. */
static bool take_number(base_slice *s, size_t n, int low, int high, int *out) {
  int v = 0;
  if (s->len < n) return false;
  for (size_t i = 0; i < n; i++) {
    if (!constrain_is_digit(s->ptr[i])) return false;
    v = v * 10 + (s->ptr[i] - '0');
  }
  *s = base_slice_sub(*s, n, s->len);
  *out = v;
  return v >= low && v <= high;
}

static int days_in(int year, int month) {
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 ? 28 + leap : 30 + ((month + (month > 7)) & 1);
}

static bool take_date(base_slice *s, int first_year) {
  int year, month, day;
  return take_number(s, 4, first_year, 9999, &year) && constrain_take(s, '-') &&
      take_number(s, 2, 1, 12, &month) &&
         constrain_take(s, '-') && take_number(s, 2, 1, 31, &day) && day <= days_in(year, month);
}

typedef struct clock_time {
  int hour, minute, second;
} clock_time;

static bool take_time(base_slice *s, int last_second, clock_time *t) {
  if (!take_number(s, 2, 0, 23, &t->hour) || !constrain_take(s, ':') || !take_number(s, 2, 0, 59, &t->minute) ||
      !constrain_take(s, ':') || !take_number(s, 2, 0, last_second, &t->second))
    return false;
  if (!constrain_take(s, '.')) return true;
  size_t n = 0;
  while (n < s->len && constrain_is_digit(s->ptr[n]))
    n++;
  *s = base_slice_sub(*s, n, s->len);
  return n > 0;
}

/* RFC 3339 full-time: with a zone; a leap second only where it is 23:59 in UTC. */
static bool is_full_time(base_slice s) {
  clock_time t, zone = {0};
  if (!take_time(&s, 60, &t)) return false;
  if (!constrain_take(&s, 'Z') && !constrain_take(&s, 'z')) {
    int sign = constrain_take(&s, '+') ? 1 : constrain_take(&s, '-') ? -1 : 0;
    if (sign == 0 || !take_number(&s, 2, 0, 23, &zone.hour) || !constrain_take(&s, ':') ||
        !take_number(&s, 2, 0, 59, &zone.minute))
      return false;
    zone.hour *= sign;
    zone.minute *= sign;
  }
  int minutes = (t.hour - zone.hour) * 60 + t.minute - zone.minute;
  return s.len == 0 && (t.second < 60 || (minutes + 2 * 1440) % 1440 == 1439);
}

bool constrain_is_date(base_slice s) {
  return take_date(&s, 0) && s.len == 0;
}

bool constrain_is_time(base_slice s) {
  return is_full_time(s);
}

bool constrain_is_date_time(base_slice s) {
  return take_date(&s, 0) && (constrain_take(&s, 'T') || constrain_take(&s, 't')) && is_full_time(s);
}

bool constrain_is_local_date(base_slice s) {
  return take_date(&s, 1) && s.len == 0;
}

bool constrain_is_local_time(base_slice s) {
  clock_time t;
  return take_time(&s, 59, &t) && s.len == 0;
}

bool constrain_is_local_date_time(base_slice s) {
  if (!take_date(&s, 1)) return false;
  return s.len == 0 || (constrain_take(&s, 'T') && constrain_is_local_time(s));
}

/* A run of parts such as 1Y2M3D: units of `letters` in order, none left out between the first and the last
 * (RFC 3339, appendix A). */
static bool take_run(base_slice *s, const char *letters) {
  const char *next = NULL;
  while (s->len > 0 && constrain_is_digit(s->ptr[0])) {
    size_t n = 0;
    while (n < s->len && constrain_is_digit(s->ptr[n])) n++;
    if (n == s->len || s->ptr[n] == 0) return false;
    const char *found = strchr(letters, s->ptr[n]);
    if (found == NULL || (next != NULL && found != next)) return false;
    next = found + 1;
    *s = base_slice_sub(*s, n + 1, s->len);
  }
  return next != NULL;
}

bool constrain_is_duration(base_slice s) {
  if (!constrain_take(&s, 'P')) return false;
  base_slice weeks = s;
  if (take_run(&weeks, "W") && weeks.len == 0) return true;
  bool date = s.len > 0 && s.ptr[0] != 'T';
  if (date && !take_run(&s, "YMD")) return false;
  if (date && s.len == 0) return true;
  return constrain_take(&s, 'T') && take_run(&s, "HMS") && s.len == 0;
}

/* Parts such as 3H, each letter at most once and in this order; counts them. */
static bool take_parts(base_slice *s, const char *letters, size_t *count) {
  const char *next = letters;
  while (s->len > 0 && constrain_is_digit(s->ptr[0])) {
    size_t n = 0;
    while (n < s->len && constrain_is_digit(s->ptr[n]))
      n++;
    if (n == s->len || n > 18 || s->ptr[n] == 0) return false;
    const char *found = strchr(next, s->ptr[n]);
    if (found == NULL) return false;
    next = found + 1;
    *s = base_slice_sub(*s, n + 1, s->len);
    ++*count;
  }
  return true;
}

bool constrain_is_plain_duration(base_slice s) {
  size_t days = 0, times = 0;
  if (!constrain_take(&s, 'P') || !take_parts(&s, "YMWD", &days)) return false;
  if (s.len == 0) return days > 0;
  return constrain_take(&s, 'T') && take_parts(&s, "HMS", &times) && times > 0 && s.len == 0;
}

/* ---- RFC 5545 ---- */

static bool is_one_of(base_slice s, const char *const *words, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (base_slice_equal(s, base_slice_of(words[i]))) return true;
  return false;
}

/* base_slice_split does not tell "a,b," from "a,b". */
static bool ends_with(base_slice s, char c) { return s.len > 0 && s.ptr[s.len - 1] == c; }

/* A list of whole numbers, with a sign where low is negative, zero never then. */
static bool is_number_list(base_slice s, int64_t low, int64_t high) {
  base_slice piece;
  size_t n = 0;
  if (ends_with(s, ',')) return false;
  while (base_slice_split(&s, ',', &piece)) {
    int64_t v;
    n++;
    if (!base_parse_int(piece, &v) || v < low || v > high || (low < 0 && v == 0)) return false;
    if (low >= 0 && !constrain_is_digit(piece.ptr[0])) return false;
  }
  return n > 0;
}

static bool is_day_list(base_slice s) {
  static const char *const days[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};
  base_slice piece;
  size_t n = 0;
  if (ends_with(s, ',')) return false;
  while (base_slice_split(&s, ',', &piece)) {
    n++;
    if (piece.len < 2 || !is_one_of(base_slice_sub(piece, piece.len - 2, piece.len), days, 7)) return false;
    if (piece.len > 2 && !is_number_list(base_slice_sub(piece, 0, piece.len - 2), -53, 53)) return false;
  }
  return n > 0;
}

static bool is_until(base_slice s) {
  int v;
  if (!take_number(&s, 8, 10101, 99991231, &v) || v / 100 % 100 < 1 || v / 100 % 100 > 12 || v % 100 < 1 ||
      v % 100 > days_in(v / 10000, v / 100 % 100))
    return false;
  if (s.len == 0) return true;
  return constrain_take(&s, 'T') && take_number(&s, 2, 0, 23, &v) && take_number(&s, 2, 0, 59, &v) &&
         take_number(&s, 2, 0, 60, &v) && (s.len == 0 || (constrain_take(&s, 'Z') && s.len == 0));
}

enum { RULE_FREQ, RULE_BYDAY, RULE_UNTIL, RULE_WKST, RULE_NUMBERS };

static bool rule_fits(base_slice value, int kind, int64_t low, int64_t high) {
  static const char *const freqs[] = {"SECONDLY", "MINUTELY", "HOURLY", "DAILY",
                                      "WEEKLY",   "MONTHLY",  "YEARLY"};
  switch (kind) {
    case RULE_FREQ: return is_one_of(value, freqs, 7);
    case RULE_BYDAY: return is_day_list(value);
    case RULE_UNTIL: return is_until(value);
    case RULE_WKST: return value.len == 2 && is_day_list(value);
    default: return is_number_list(value, low, high);
  }
}

bool constrain_is_rrule(base_slice s) {
  static const struct {
    const char *name;
    int kind;
    int64_t low, high;
    bool single;
  } rules[] = {
      {"FREQ", RULE_FREQ, 0, 0, true},
      {"INTERVAL", RULE_NUMBERS, 1, 9999, true},
      {"COUNT", RULE_NUMBERS, 1, 99999, true},
      {"UNTIL", RULE_UNTIL, 0, 0, true},
      {"BYDAY", RULE_BYDAY, 0, 0, false},
      {"BYMONTHDAY", RULE_NUMBERS, -31, 31, false},
      {"BYMONTH", RULE_NUMBERS, 1, 12, false},
      {"BYYEARDAY", RULE_NUMBERS, -366, 366, false},
      {"BYWEEKNO", RULE_NUMBERS, -53, 53, false},
      {"BYSETPOS", RULE_NUMBERS, -366, 366, false},
      {"BYHOUR", RULE_NUMBERS, 0, 23, false},
      {"BYMINUTE", RULE_NUMBERS, 0, 59, false},
      {"BYSECOND", RULE_NUMBERS, 0, 60, false},
      {"WKST", RULE_WKST, 0, 0, true},
  };
  enum { COUNT = sizeof rules / sizeof rules[0] };
  unsigned seen = 0;
  base_slice part;
  if (ends_with(s, ';')) return false;
  while (base_slice_split(&s, ';', &part)) {
    base_slice name;
    size_t i = 0;
    if (!base_slice_split(&part, '=', &name)) return false;
    while (i < COUNT && !base_slice_equal(name, base_slice_of(rules[i].name)))
      i++;
    if (i == COUNT || (seen >> i & 1) || !rule_fits(part, rules[i].kind, rules[i].low, rules[i].high))
      return false;
    if (rules[i].single && part.len > 0 && memchr(part.ptr, ',', part.len) != NULL) return false;
    seen |= 1U << i;
  }
  bool counted = seen >> 2 & 1, until = seen >> 3 & 1;
  return (seen & 1) && !(counted && until);
}

/* ---- addresses and numbers ---- */

/* Pieces between dots: not empty, of the characters that `fits` takes. */
static bool is_dotted(base_slice s, bool (*fits)(char c), size_t longest, size_t *pieces) {
  size_t run = 0;
  *pieces = 1;
  for (size_t i = 0; i < s.len; i++) {
    if (s.ptr[i] == '.') {
      if (run == 0) return false;
      run = 0;
      ++*pieces;
    } else if (!fits(s.ptr[i]) || ++run > longest) {
      return false;
    }
  }
  return run > 0;
}

static bool is_local_char(char c) {
  return constrain_is_letter(c) || constrain_is_digit(c) ||
         (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}
static bool is_host_char(char c) { return constrain_is_letter(c) || constrain_is_digit(c) || c == '-'; }

bool constrain_is_plain_email(base_slice s) {
  const char *at = s.len > 0 ? memchr(s.ptr, '@', s.len) : NULL;
  size_t pieces;
  if (at == NULL) return false;
  base_slice local = {s.ptr, (size_t)(at - s.ptr)}, host = {at + 1, s.len - local.len - 1};
  return local.len <= 64 && host.len <= 253 && is_dotted(local, is_local_char, 64, &pieces) &&
         is_dotted(host, is_host_char, 63, &pieces) && pieces >= 2;
}

bool constrain_is_phone(base_slice s) {
  (void)constrain_take(&s, '+');
  for (size_t i = 0; i < s.len; i++)
    if (!constrain_is_digit(s.ptr[i])) return false;
  return s.len >= 3 && s.len <= 15;
}

bool constrain_is_currency(base_slice s) {
  for (size_t i = 0; i < s.len; i++)
    if (s.ptr[i] < 'A' || s.ptr[i] > 'Z') return false;
  return s.len == 3;
}

/* ---- the table ---- */

static const struct {
  const char *name;
  bool (*fits)(base_slice s);
} formats[CONSTRAIN_FORMATS] = {
#define CONSTRAIN_FORMAT(id, name, fits) {name, fits},
#include "constrain/format.def"
#undef CONSTRAIN_FORMAT
};

constrain_format constrain_format_of(base_slice name, bool action) {
  for (int i = action ? CONSTRAIN_FORMATS - 1 : CONSTRAIN_F_REGEX; i >= 0; i--)
    if (base_slice_equal(name, base_slice_of(formats[i].name))) return (constrain_format)i;
  return CONSTRAIN_FORMATS;
}

const char *constrain_format_name(constrain_format f) {
  return formats[f].name;
}

bool constrain_format_fits(constrain_format f, base_slice s) {
  if (s.ptr == NULL) s = BASE_LITERAL("");
  return formats[f].fits == NULL || formats[f].fits(s);
}
