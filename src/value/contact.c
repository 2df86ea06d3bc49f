/* Phone numbers and e-mail addresses, typed or said: "five five five 1234", "emma dot jones at example dot org". */
#include "value/internal.h"

#include <string.h>

enum { PHONE_MIN = 3, PHONE_MAX = 15 };

/* ---- phone ---- */

typedef struct phone {
  char text[PHONE_MAX + 2];
  size_t len, digits;
  bool full;
} phone;

static void phone_put(phone *p, char c) {
  if (c != '+' && p->digits == PHONE_MAX) {
    p->full = true;
    return;
  }
  p->text[p->len++] = c;
  p->digits += c != '+';
}

static void phone_put_number(phone *p, int v) {
  if (v >= 10) phone_put(p, (char)('0' + v / 10));
  phone_put(p, (char)('0' + v % 10));
}

/* "double five", "triple two": the next digit again. */
static size_t phone_repeat(const value_scan *s, size_t i, phone *p) {
  int times = value_word_is(s, i, "double") ? 2 : value_word_is(s, i, "triple") ? 3 : 0, digit = 0;
  if (times == 0 || !(value_is(s, i + 1, VALUE_W_UNIT, &digit) || value_digits(s, i + 1, 1, 1, &digit) ||
                      value_any(s, i + 1, "oh|o")))
    return 0;
  for (int k = 0; k < times; k++) phone_put(p, (char)('0' + digit));
  return i + 2;
}

static size_t phone_piece(const value_scan *s, size_t i, phone *p) {
  int small = 0;
  size_t next = phone_repeat(s, i, p);
  if (next > 0) return next;
  if (s->tok[i].kind == VALUE_T_DIGITS) {
    for (size_t k = 0; k < s->tok[i].len; k++) phone_put(p, s->text.ptr[s->tok[i].start + k]);
    return i + 1;
  }
  if ((value_sign_is(s, i, '+') || value_word_is(s, i, "plus")) && p->len == 0) {
    phone_put(p, '+');
    return i + 1;
  }
  if (value_any(s, i, "oh|o")) {
    phone_put(p, '0');
    return i + 1;
  }
  next = value_scan_small(s, i, &small);
  if (next == 0) return 0;
  if (small % 100 == 0 && small > 0) return 0;
  phone_put_number(p, small);
  int scale = 0;
  /* "eight hundred", "five thousand" */
  if (value_is(s, next, VALUE_W_SCALE, &scale) && scale <= 3 && small < 10) {
    for (int k = 0; k < scale; k++) phone_put(p, '0');
    next++;
  }
  return next;
}

base_status value_read_phone(base_slice text, char *out, size_t out_size, base_error *err) {
  value_reading r;
  phone p = {.len = 0};
  base_status status = value_reading_open(&r, text, NULL, "a phone number", err);
  if (status != BASE_OK) return status;
  for (size_t i = r.at; i < r.scan.n;) {
    bool sign = value_sign_is(&r.scan, i, '-') || value_sign_is(&r.scan, i, '.') ||
                value_sign_is(&r.scan, i, '(') || value_sign_is(&r.scan, i, ')') ||
                value_sign_is(&r.scan, i, '/') || value_sign_is(&r.scan, i, ',') ||
                value_word_is(&r.scan, i, "dash");
    size_t next = sign ? i + 1 : phone_piece(&r.scan, i, &p);
    if (next == 0) return value_refuse(text, "a phone number", err);
    if (p.full) return base_fail(err, BASE_ELIMIT, "value", "a phone number has at most %d digits", PHONE_MAX);
    i = next;
  }
  if (p.digits < PHONE_MIN) return value_refuse(text, "a phone number", err);
  if (p.len + 1 > out_size)
    return base_fail(err, BASE_ELIMIT, "value", "the phone number does not fit its place");
  memcpy(out, p.text, p.len);
  out[p.len] = '\0';
  return BASE_OK;
}

/* ---- e-mail ---- */

static bool is_atext(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && strchr("!#$%&'*+/=?^_`{|}~-.", c) != NULL);
}

static bool is_domain_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* local@domain with a dot in the domain, no empty labels, at most 254 bytes (RFC 5321). */
static bool is_address(const char *a, size_t len) {
  const char *at = memchr(a, '@', len);
  if (at == NULL || len > 254 || at == a || (size_t)(at - a) > 64) return false;
  size_t local = (size_t)(at - a), last_dot = 0;
  for (size_t i = 0; i < local; i++)
    if (!is_atext(a[i]) || (a[i] == '.' && (i == 0 || i + 1 == local || a[i + 1] == '.'))) return false;
  const char *d = at + 1;
  size_t n = len - local - 1;
  for (size_t i = 0; i < n; i++) {
    if (!is_domain_char(d[i])) return false;
    bool edge = i == 0 || i + 1 == n || d[i - 1] == '.' || d[i + 1] == '.';
    if ((d[i] == '.' || d[i] == '-') && edge &&
        !(d[i] == '-' && i > 0 && i + 1 < n && d[i - 1] != '.' && d[i + 1] != '.'))
      return false;
    if (d[i] == '.') last_dot = i;
  }
  return last_dot > 0 && n - last_dot > 2;
}

/* The sign a spoken word stands for; NULL for any other. */
static const char *spoken_sign(const value_scan *s, size_t i, bool at_seen) {
  if (value_any(s, i, "dot|period|point")) return ".";
  if (value_word_is(s, i, "at") && !at_seen) return "@";
  if (value_word_is(s, i, "underscore")) return "_";
  if (value_any(s, i, "dash|hyphen|minus")) return "-";
  if (value_word_is(s, i, "plus")) return "+";
  return NULL;
}

/* A word around an address ("to ann@x.org, please"), not one in it: "the.boss@", "dot it". */
static bool stands_apart(const value_scan *s, size_t i, bool front, bool typed) {
  if (front && i + 1 < s->n && (value_glued(s, i + 1) || (!typed && spoken_sign(s, i + 1, false) != NULL)))
    return false;
  if (!front && !typed && i > 0 && spoken_sign(s, i - 1, false) != NULL) return false;
  bool mark = value_sign_is(s, i, ',') || value_sign_is(s, i, '.') || value_sign_is(s, i, '!') ||
              value_sign_is(s, i, '?') || value_sign_is(s, i, '"');
  return mark || (value_is(s, i, VALUE_W_FILLER, NULL) && (front || !value_glued(s, i)));
}

base_status value_read_email(base_slice text, char *out, size_t out_size, base_error *err) {
  char address[VALUE_READ_LIMIT + 1];
  size_t len = 0;
  value_reading r;
  base_status status = value_reading_open(&r, text, NULL, "an e-mail address", err);
  if (status != BASE_OK) return status;
  bool typed = memchr(text.ptr, '@', text.len) != NULL, at_seen = false;
  r.scan.n = value_scan_text(r.scan.text, true, r.tok, VALUE_READ_LIMIT);
  r.at = 0;
  while (r.at + 1 < r.scan.n && stands_apart(&r.scan, r.at, true, typed)) r.at++;
  while (r.scan.n > r.at + 1 && stands_apart(&r.scan, r.scan.n - 1, false, typed)) r.scan.n--;
  for (size_t i = r.at; i < r.scan.n; i++) {
    const char *sign = typed ? NULL : spoken_sign(&r.scan, i, at_seen);
    int digit = 0;
    if (typed && i > r.at && !r.scan.tok[i].glued) return value_refuse(text, "an e-mail address", err);
    if (sign != NULL) {
      at_seen = at_seen || *sign == '@';
      address[len++] = *sign;
    } else if (!typed && value_is(&r.scan, i, VALUE_W_UNIT, &digit)) {
      address[len++] = (char)('0' + digit);
    } else {
      for (size_t k = 0; k < r.scan.tok[i].len; k++) {
        char c = r.scan.text.ptr[r.scan.tok[i].start + k];
        address[len++] = !typed && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
      }
    }
  }
  if (!is_address(address, len)) return value_refuse(text, "an e-mail address", err);
  if (len + 1 > out_size)
    return base_fail(err, BASE_ELIMIT, "value", "the e-mail address does not fit its place");
  memcpy(out, address, len);
  out[len] = '\0';
  return BASE_OK;
}
