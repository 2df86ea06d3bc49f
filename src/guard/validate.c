/* Validators: whether a value that a model proposes can be right. Money in whole minor units and exact
 * decimals, no floating point anywhere. */
#include <string.h>

#include "guard/guard.h"

static base_status misfit(base_error *err, const char *where, const char *text) {
  return base_fail(err, BASE_EMISMATCH, where, "%s", text);
}

/* ---- money ---- */

static bool add(int64_t a, int64_t b, int64_t *out) { return !__builtin_add_overflow(a, b, out); }

/* price x quantity in minor units, rounded half away from zero; false when it does not fit. */
static bool multiply(value_decimal q, int64_t price, int64_t *out) {
  int64_t product, unit = 1;
  for (int i = 0; i < q.scale; i++) unit *= 10; /* scale is at most 18 */
  if (q.scale < 0 || q.scale > 18 || __builtin_mul_overflow(q.digits, price, &product)) return false;
  int64_t whole = product / unit, rest = product % unit;
  if (rest < 0) rest = -rest;
  if (rest >= unit - rest) whole += product < 0 ? -1 : 1;
  *out = whole;
  return true;
}

static base_status same_currency(const value_money *m, const char *currency, const char *where,
                                 base_error *err) {
  if (value_currency_digits(m->currency) < 0)
    return base_fail(err, BASE_EMISMATCH, where, "\"%.3s\" is not a currency", m->currency);
  if (memcmp(m->currency, currency, 3) != 0)
    return base_fail(err, BASE_EMISMATCH, where, "the currency is %.3s where the rest is in %.3s",
                     m->currency, currency);
  return BASE_OK;
}

static base_status check_line(const guard_line *l, const char currency[4], const char *where, base_error *err) {
  int64_t want;
  base_status st = same_currency(&l->price, currency, where, err);
  if (!st) st = same_currency(&l->total, currency, where, err);
  if (st) return st;
  if (!multiply(l->quantity, l->price.minor, &want))
    return base_fail(err, BASE_ELIMIT, where, "the amounts are too large");
  if (want != l->total.minor)
    return base_fail(err, BASE_EMISMATCH, where, "quantity times price is %lld minor units, the line says %lld",
                     (long long)want, (long long)l->total.minor);
  return BASE_OK;
}

static base_status check_total(const guard_bill *b, int64_t sum, const char currency[4], base_error *err) {
  const value_money *parts[] = {b->subtotal, b->tax, b->discount, b->total};
  static const char *const names[] = {"subtotal", "tax", "discount", "total"};
  for (size_t i = 0; i < 4; i++) {
    base_status st = parts[i] != NULL ? same_currency(parts[i], currency, names[i], err) : BASE_OK;
    if (st) return st;
  }
  if (b->n_lines > 0 && b->subtotal != NULL && sum != b->subtotal->minor)
    return base_fail(err, BASE_EMISMATCH, "subtotal", "the lines add up to %lld minor units, it says %lld",
                     (long long)sum, (long long)b->subtotal->minor);
  if (b->n_lines == 0 && b->subtotal != NULL) sum = b->subtotal->minor;
  if (b->total == NULL || (b->n_lines == 0 && b->subtotal == NULL)) return BASE_OK;
  if ((b->tax != NULL && !add(sum, b->tax->minor, &sum)) ||
      (b->discount != NULL && __builtin_sub_overflow(sum, b->discount->minor, &sum)))
    return base_fail(err, BASE_ELIMIT, "total", "the amounts are too large");
  if (sum != b->total->minor)
    return base_fail(err, BASE_EMISMATCH, "total", "the parts add up to %lld minor units, it says %lld",
                     (long long)sum, (long long)b->total->minor);
  return BASE_OK;
}

base_status guard_check_bill(const guard_bill *b, base_error *err) {
  int64_t sum = 0;
  const value_money *any = b->n_lines > 0 ? &b->lines[0].total : b->total != NULL ? b->total : b->subtotal;
  if (any == NULL) return misfit(err, "bill", "it has no line and no total");
  for (size_t i = 0; i < b->n_lines; i++) {
    char where[32];
    (void)base_format(where, sizeof where, "line %zu", i + 1);
    base_status st = check_line(&b->lines[i], any->currency, where, err);
    if (st) return st;
    if (!add(sum, b->lines[i].total.minor, &sum))
      return base_fail(err, BASE_ELIMIT, where, "the amounts are too large");
  }
  base_status st = same_currency(any, any->currency, "bill", err);
  return st ? st : check_total(b, sum, any->currency, err);
}

base_status guard_check_money(const value_money *m, const char *currency, int64_t least, int64_t most,
                              base_error *err) {
  base_status st = same_currency(m, currency[0] != '\0' ? currency : m->currency, "amount", err);
  if (st) return st;
  if (m->minor < least || m->minor > most)
    return base_fail(err, BASE_EMISMATCH, "amount", "%lld minor units are not within %lld and %lld",
                     (long long)m->minor, (long long)least, (long long)most);
  return BASE_OK;
}

/* ---- dates ---- */

static int order(value_date a, value_date b) {
  int64_t d = value_days_from_civil(a) - value_days_from_civil(b);
  return d < 0 ? -1 : d > 0;
}

static bool clock_exists(value_time t) {
  return t.hour >= 0 && t.hour < 24 && t.minute >= 0 && t.minute < 60 && t.second >= 0 && t.second < 60;
}

/* -1 past, 1 future, 0 now or today: a day without a time is not past while it lasts. */
static int against_now(const value_datetime *t, const value_datetime *now) {
  int day = order(t->date, now->date);
  if (day != 0 || !t->has_time || !now->has_time) return day;
  return value_compare(t, now);
}

base_status guard_check_date(const value_datetime *t, const guard_date_rule *rule, base_error *err) {
  if (t->has_date && !value_date_exists(t->date))
    return base_fail(err, BASE_EMISMATCH, "date", "%04d-%02d-%02d is not in the calendar", t->date.year,
                     t->date.month, t->date.day);
  if (t->has_time && !clock_exists(t->time)) return misfit(err, "date", "no clock shows this time");
  if (!t->has_date) return t->has_time ? BASE_OK : misfit(err, "date", "it has neither day nor time");
  int side = against_now(t, &rule->now);
  if (rule->not_past && side < 0) return misfit(err, "date", "it has passed");
  if (rule->not_future && side > 0) return misfit(err, "date", "it is still to come");
  if (rule->first.year != 0 && order(t->date, rule->first) < 0) return misfit(err, "date", "it is too early");
  if (rule->last.year != 0 && order(t->date, rule->last) > 0) return misfit(err, "date", "it is too late");
  return BASE_OK;
}

base_status guard_check_interval(const value_interval *i, const guard_date_rule *rule, base_error *err) {
  base_status st = i->has_start ? guard_check_date(&i->start, rule, err) : BASE_OK;
  if (!st && i->has_end) st = guard_check_date(&i->end, rule, err);
  if (st || !i->has_start || !i->has_end || !i->start.has_date || !i->end.has_date) return st;
  int day = order(i->start.date, i->end.date);
  bool timed = i->start.has_time && i->end.has_time;
  if (day > 0 || (day == 0 && timed && value_compare(&i->start, &i->end) >= 0))
    return misfit(err, "interval", "it ends before it begins");
  return BASE_OK;
}

/* ---- words ---- */

base_status guard_check_enum(base_slice value, const base_slice *allowed, size_t n, base_error *err) {
  for (size_t i = 0; i < n; i++)
    if (base_slice_equal(value, allowed[i])) return BASE_OK;
  return misfit(err, "value", "it is not one of those allowed");
}

base_status guard_check_phone(base_slice phone, base_error *err) {
  size_t digits = 0;
  bool plus = phone.len > 0 && phone.ptr[0] == '+';
  for (size_t i = plus; i < phone.len; i++) {
    if (phone.ptr[i] < '0' || phone.ptr[i] > '9')
      return misfit(err, "phone", "only digits may follow an optional +");
    digits++;
  }
  if (digits < 3 || digits > 15) return misfit(err, "phone", "a phone number has 3 to 15 digits");
  if (plus && phone.ptr[1] == '0') return misfit(err, "phone", "no country code begins with 0");
  return BASE_OK;
}

static bool local_fits(base_slice s) {
  static const char marks[] = "!#$%&'*+-/=?^_`{|}~.";
  if (s.len == 0 || s.len > 64 || s.ptr[0] == '.' || s.ptr[s.len - 1] == '.') return false;
  for (size_t i = 0; i < s.len; i++) {
    unsigned char c = (unsigned char)s.ptr[i];
    bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
    if (!word && (c == '\0' || strchr(marks, c) == NULL)) return false;
    if (c == '.' && s.ptr[i - 1] == '.') return false;
  }
  return true;
}

static bool host_fits(base_slice host) {
  base_slice rest = host, label = {0};
  size_t labels = 0;
  if (host.len == 0 || host.len > 253) return false;
  while (base_slice_split(&rest, '.', &label)) {
    labels++;
    if (label.len == 0 || label.len > 63 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
      return false;
    for (size_t i = 0; i < label.len; i++) {
      unsigned char c = (unsigned char)label.ptr[i];
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
            c >= 0x80))
        return false;
    }
  }
  return labels >= 2 && host.ptr[host.len - 1] != '.' && label.len >= 2 &&
         !(label.ptr[0] >= '0' && label.ptr[0] <= '9');
}

base_status guard_check_email(base_slice email, base_error *err) {
  size_t at = 0, signs = 0;
  for (size_t i = 0; i < email.len; i++)
    if (email.ptr[i] == '@') at = i, signs++;
  if (signs != 1 || email.len > 254 || !base_utf8_valid(email.ptr, email.len) ||
      !local_fits(base_slice_sub(email, 0, at)) || !host_fits(base_slice_sub(email, at + 1, email.len)))
    return misfit(err, "email", "it has not the form name@host.tld");
  return BASE_OK;
}

base_status guard_check_exists(const guard_lookup *l, base_slice kind, base_slice value, base_error *err) {
  if (l == NULL || l->exists == NULL || l->exists(l->ctx, kind, value) != 0) return BASE_OK;
  return base_fail(err, BASE_EMISMATCH, "value", "there is no such %.*s",
                   (int)(kind.len > 40 ? 40 : kind.len), kind.ptr);
}
