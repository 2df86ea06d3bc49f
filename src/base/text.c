/* base/text: borrowed slices, bounded formatting, strict number readers, and the hash. Nothing here
 * allocates; nothing depends on the locale. */
#include "base/base.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

base_slice base_slice_of(const char *terminated) {
  return (base_slice){terminated, terminated != NULL ? strlen(terminated) : 0};
}

bool base_slice_equal(base_slice a, base_slice b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

int base_slice_compare(base_slice a, base_slice b) {
  size_t n = a.len < b.len ? a.len : b.len;
  int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
  return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

bool base_slice_equal_nocase(base_slice a, base_slice b) {
  if (a.len != b.len) return false;
  for (size_t i = 0; i < a.len; i++) {
    if (lower(a.ptr[i]) != lower(b.ptr[i])) return false;
  }
  return true;
}

bool base_slice_starts(base_slice s, base_slice prefix) {
  return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

base_slice base_slice_trim(base_slice s) {
  while (s.len > 0 && is_space(s.ptr[0])) {
    s.ptr++;
    s.len--;
  }
  while (s.len > 0 && is_space(s.ptr[s.len - 1])) s.len--;
  return s;
}

base_slice base_slice_sub(base_slice s, size_t start, size_t end) {
  if (end > s.len) end = s.len;
  if (start > end) start = end;
  if (s.ptr == NULL) return s;
  return (base_slice){s.ptr + start, end - start};
}

bool base_slice_split(base_slice *rest, char sep, base_slice *piece) {
  if (rest->len == 0) return false;
  const char *at = memchr(rest->ptr, sep, rest->len);
  size_t len = at != NULL ? (size_t)(at - rest->ptr) : rest->len;
  size_t step = at != NULL ? len + 1 : len;
  *piece = (base_slice){rest->ptr, len};
  *rest = (base_slice){rest->ptr + step, rest->len - step};
  return true;
}

bool base_slice_among(base_slice word, const char *words) {
  base_slice rest = base_slice_of(words), one;
  while (base_slice_split(&rest, ' ', &one))
    if (base_slice_equal(one, word)) return true;
  return false;
}

bool base_format(char *out, size_t out_size, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(out, out_size, fmt, args);
  va_end(args);
  return n >= 0 && (size_t)n < out_size;
}

/* Digits only; false when empty or over 64 bits. */
static bool parse_digits(base_slice s, uint64_t *out) {
  uint64_t v = 0;
  if (s.len == 0) return false;
  for (size_t i = 0; i < s.len; i++) {
    if (!is_digit(s.ptr[i])) return false;
    if (__builtin_mul_overflow(v, UINT64_C(10), &v)) return false;
    if (__builtin_add_overflow(v, (uint64_t)(s.ptr[i] - '0'), &v)) return false;
  }
  *out = v;
  return true;
}

bool base_parse_int(base_slice s, int64_t *out) {
  bool negative = s.len > 0 && s.ptr[0] == '-';
  if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+')) s = base_slice_sub(s, 1, s.len);
  uint64_t v;
  if (!parse_digits(s, &v)) return false;
  if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0)) return false;
  *out = negative ? (int64_t)(0 - v) : (int64_t)v;
  return true;
}

bool base_parse_size(base_slice s, size_t *out) {
  uint64_t v;
  if (!parse_digits(s, &v) || v > SIZE_MAX) return false;
  *out = (size_t)v;
  return true;
}

static size_t skip_digits(base_slice s, size_t at) {
  while (at < s.len && is_digit(s.ptr[at])) at++;
  return at;
}

/* [+-] digits [. digits] [e [+-] digits], with a digit before or after the point. */
static bool is_decimal(base_slice s) {
  size_t at = 0;
  if (at < s.len && (s.ptr[at] == '-' || s.ptr[at] == '+')) at++;
  size_t whole = at, digits;
  at = skip_digits(s, at);
  digits = at - whole;
  if (at < s.len && s.ptr[at] == '.') {
    size_t start = ++at;
    at = skip_digits(s, at);
    digits += at - start;
  }
  if (digits == 0) return false;
  if (at < s.len && lower(s.ptr[at]) == 'e') {
    at++;
    if (at < s.len && (s.ptr[at] == '-' || s.ptr[at] == '+')) at++;
    size_t start = at;
    at = skip_digits(s, at);
    if (at == start) return false;
  }
  return at == s.len;
}

/* The C library rounds correctly; it is asked in the C locale, so a host program's comma changes nothing. */
bool base_parse_double(base_slice s, double *out) {
  char copy[512];
  if (s.len >= sizeof copy || !is_decimal(s)) return false;
  memcpy(copy, s.ptr, s.len);
  copy[s.len] = 0;
  locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (c_locale == (locale_t)0) return false;
  double v = strtod_l(copy, NULL, c_locale);
  freelocale(c_locale);
  if (!isfinite(v)) return false;
  *out = v;
  return true;
}

uint64_t base_hash(uint64_t start, const void *bytes, size_t len) {
  const unsigned char *p = bytes;
  uint64_t h = start;
  for (size_t i = 0; i < len; i++) h = (h ^ p[i]) * UINT64_C(0x100000001b3);
  return h;
}
